//! The reference page, `docs/rpc.md`, made from the table of methods. Says nothing that the table does not say.

use std::fmt::Write as _;

use nightjar_node::handle::Handle;
use serde_json::Value;

use super::arguments::{Need, Param};
use super::dispatch::{BATCH_ANSWER_BYTES_MAX, BATCH_MS_MAX};
use super::error::Code;
use super::http::{BODY_BYTES_MAX, BODY_MS_MAX};
use super::message::{BATCH_REQUESTS_MAX, ID_BYTES_MAX};
use super::server::{CONNECTIONS_MAX, HEAD_BYTES_MAX, HEAD_MS_MAX};
use super::table::{Field, METHODS, Method, WAIT_S_MAX, WAITING_MAX};

/// The page.
pub fn render() -> String {
    let mut page = INTRODUCTION.to_owned();
    page.push_str("\n## Methods\n\n| method | what it does |\n|---|---|\n");
    for method in METHODS {
        line(&mut page, format_args!("| [`{0}`](#{0}) | {1} |", method.name, method.summary));
    }
    for method in METHODS {
        section(&mut page, method);
    }
    page.push_str("\n## Errors\n\n| code | when it comes, and what to do |\n|---|---|\n");
    for code in Code::ALL {
        line(&mut page, format_args!("| {} | {} |", code.number(), code.meaning()));
    }
    limits(&mut page);
    page
}

fn section(page: &mut String, method: &Method<Handle>) {
    line(page, format_args!("\n### {}\n\n{}", method.name, method.summary));
    if !method.notes.is_empty() {
        line(page, format_args!("\n{}", method.notes));
    }
    if method.params.is_empty() {
        page.push_str("\nIt takes no parameters.\n");
    } else {
        page.push_str("\n| parameter | is | must it be there? | meaning |\n|---|---|---|---|\n");
        for Param { name, kind, need, doc } in method.params {
            let need = match need {
                Need::Required => "yes".to_owned(),
                Need::Optional => "no".to_owned(),
                Need::Either(other) => format!("either it or `{other}`"),
            };
            line(page, format_args!("| `{name}` | {} | {need} | {doc} |", kind.wanted()));
        }
    }
    page.push_str("\n| result | is | meaning |\n|---|---|---|\n");
    for Field { path, kind, always, doc } in method.result {
        let may = if *always { "" } else { ", may be missing" };
        line(page, format_args!("| `{path}` | {kind}{may} | {doc} |"));
    }
    let request = format!(r#"{{"jsonrpc":"2.0","method":"{}","params":{},"id":1}}"#, method.name, method.example);
    line(page, format_args!("\n```sh\ncurl -s -H \"$AUTH\" http://127.0.0.1:4039/ -d '{request}'\n```"));
    line(page, format_args!("\n```json\n{{\"jsonrpc\":\"2.0\",\"result\":{},\"id\":1}}\n```", method.example_result));
}

fn limits(page: &mut String) {
    page.push_str("\n## Limits\n\n| what | at most |\n|---|---|\n");
    for (what, most) in [
        ("body of a request", format!("{BODY_BYTES_MAX} bytes, sent within {} s", BODY_MS_MAX / 1000)),
        ("head of an HTTP request", format!("{HEAD_BYTES_MAX} bytes, sent within {} s", HEAD_MS_MAX / 1000)),
        ("requests in a batch", BATCH_REQUESTS_MAX.to_string()),
        (
            "answers of a batch",
            format!("{BATCH_ANSWER_BYTES_MAX} bytes and {} s; the rest of the batch is not run", BATCH_MS_MAX / 1000),
        ),
        ("an id", format!("{ID_BYTES_MAX} bytes")),
        ("waiting (`wait_s`)", format!("{WAIT_S_MAX} s for one HTTP request, {WAITING_MAX} calls at one time")),
        (
            "connections",
            format!(
                "{CONNECTIONS_MAX}; beyond it the one that was idle longest is closed. After {} s without a request a connection is closed",
                HEAD_MS_MAX / 1000
            ),
        ),
    ] {
        line(page, format_args!("| {what} | {most} |"));
    }
}

fn line(page: &mut String, text: std::fmt::Arguments<'_>) {
    writeln!(page, "{text}").expect("a String takes what is written to it");
}

/// What a result has that its method does not declare, and the other way round. Empty when they agree.
pub fn undocumented(declared: &[Field], result: &Value) -> Vec<String> {
    let mut complaints = Vec::new();
    compare(declared, "", result, &mut complaints);
    complaints
}

fn compare(declared: &[Field], path: &str, value: &Value, complaints: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                if !declared.iter().any(|field| field.path == path) {
                    complaints.push(format!("`{path}` is not declared"));
                }
                compare(declared, &path, value, complaints);
            }
            for field in declared.iter().filter(|field| field.always) {
                let (parent, name) = field.path.rsplit_once('.').unwrap_or(("", field.path));
                if parent == path && !members.contains_key(name) {
                    complaints.push(format!("`{}` is missing", field.path));
                }
            }
        }
        Value::Array(items) => {
            for item in items {
                compare(declared, &format!("{path}[]"), item, complaints);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

const INTRODUCTION: &str = r##"# JSON-RPC

A running node answers [JSON-RPC 2.0](https://www.jsonrpc.org/specification) on `http://127.0.0.1:4039` (`--http`). This page is made from the
program's table of methods.

* **One POST, any path, any content type.** The body is one request or a batch (an array of requests, run in order). The HTTP status
  is 200 also when a call fails; a body of nothing but notifications (requests without `id`) is answered 204 and no body.
* **Parameters go by name**, as an object. What is unknown, missing, twice there or of the wrong type is refused, and the message names it.
* **A token guards it.** The file `token` in the data directory holds it, readable by the node's user alone (`ready.json` there names
  the file). Who has it may do everything. Web pages of other origins are never let in: `Host` must be this server's own address or
  `localhost`, an `Origin` must be this server's, and there is no CORS.
* **Forms**: ids, targets and payloads are lower-case hex, and either case is accepted. Times are Unix seconds; `received` is Unix
  milliseconds. A name is an account (`1234-44`, or `1234`: the checksum is completed), a nick (`nightraven` or `@nightraven`) or a channel
  (`#pascalcoin`).

The examples below need the token once:

```sh
AUTH="Authorization: Bearer $(cat "${XDG_DATA_HOME:-$HOME/.local/share}/nightjar/token")"
```
"##;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::table::{field, field_if};
    use super::*;

    #[test]
    fn a_result_and_its_declaration_are_compared_both_ways() {
        let declared =
            [field("a", "", ""), field("list[].b", "", ""), field("list", "", ""), field_if("list[].c", "", "")];
        assert!(undocumented(&declared, &json!({"a": 1, "list": [{"b": 1}, {"b": 1, "c": 1}]})).is_empty());
        assert!(undocumented(&declared, &json!({"a": 1, "list": []})).is_empty());
        assert_eq!(
            undocumented(&declared, &json!({"list": [{"b": 1, "d": 1}]})),
            ["`list[].d` is not declared", "`a` is missing"]
        );
        assert_eq!(undocumented(&declared, &json!({"a": 1, "list": [{}]})), ["`list[].b` is missing"]);
        assert!(undocumented(&[field("[].x", "", "")], &json!([{"x": 1}])).is_empty());
        assert_eq!(undocumented(&[field("[].x", "", "")], &json!([{}])), ["`[].x` is missing"]);
    }

    #[test]
    fn the_page_names_every_method_parameter_and_error() {
        let page = render();
        for method in METHODS {
            assert!(page.contains(&format!("\n### {}\n", method.name)));
            for param in method.params {
                assert!(page.contains(&format!("\n| `{}` | {} |", param.name, param.kind.wanted())));
            }
        }
        for code in Code::ALL {
            assert!(page.contains(&format!("\n| {} | ", code.number())));
        }
    }
}
