//! `nightjar rpc METHOD key=value...`: any method of the node, its result as JSON.

use std::time::Duration;

use nightjar_front::rpc::arguments::Kind;
use nightjar_front::rpc::table::{METHODS, WAIT_S_MAX};
use serde_json::{Map, Value};

use crate::client::Client;
use crate::exit::Failure;
use crate::output;

const HELP: &str = "\
A VALUE is what its parameter takes; for a method that this program does not know it is JSON if it reads as JSON,
and text otherwise. The result is laid out on a terminal and stands on one line in a pipe.

Examples:
  nightjar rpc nodestatus
  nightjar rpc addnode addr=192.0.2.7:4038
  nightjar rpc listen name='#pascalcoin'
  nightjar rpc getmessages since=0 limit=10 wait_s=20
  nightjar rpc getaccount account=1234-44";

#[derive(Debug, clap::Args)]
#[command(after_help = help())]
pub(super) struct Args {
    /// Name of the method
    #[arg(value_name = "METHOD")]
    method: String,

    /// Its parameters
    #[arg(value_name = "KEY=VALUE")]
    params: Vec<String>,
}

/// The methods with their parameters, from the table that the node answers by.
fn help() -> String {
    let methods = METHODS.iter().map(|method| {
        let params: Vec<&str> = method.params.iter().map(|param| param.name).collect();
        let gap = if params.is_empty() { "" } else { " " };
        format!("  {}{gap}{}\n", method.name, params.join(" "))
    });
    format!("Methods:\n{}\n{HELP}", methods.collect::<String>())
}

/// The value of a parameter as it was typed: `account=1234-44`, `text=12` and `limit=12` mean what they look like.
fn value_of(method: &str, key: &str, typed: &str) -> Value {
    let method = METHODS.iter().find(|known| known.name == method);
    let param = method.and_then(|method| method.params.iter().find(|param| param.name == key));
    let as_text = || Value::String(typed.to_owned());
    match param.map(|param| param.kind) {
        Some(Kind::Text | Kind::Bytes | Kind::Name | Kind::Target | Kind::Account | Kind::Peer | Kind::Wallet) => {
            as_text()
        }
        Some(Kind::Integer(..) | Kind::Boolean | Kind::Objects(_)) | None => {
            serde_json::from_str(typed).unwrap_or_else(|_| as_text())
        }
    }
}

/// A method with its parameters.
#[derive(Debug)]
pub(super) struct Call {
    method: String,
    params: Map<String, Value>,
}

impl Args {
    /// What is to be called.
    pub(super) fn call(self) -> Result<Call, Failure> {
        let mut params = Map::new();
        for text in self.params {
            let (key, value) = text
                .split_once('=')
                .filter(|(key, _)| !key.is_empty())
                .ok_or_else(|| Failure::usage(format!("parameter {text:?} is not of the form KEY=VALUE")))?;
            let value = value_of(&self.method, key, value);
            if params.insert(key.to_owned(), value).is_some() {
                return Err(Failure::usage(format!("parameter {key:?} is given twice")));
            }
        }
        Ok(Call { method: self.method, params })
    }
}

pub(super) async fn run(client: Client, call: Call) -> Result<(), Failure> {
    let wait = call.params.get("wait_s").and_then(Value::as_u64).unwrap_or(0).min(WAIT_S_MAX);
    let params = Value::Object(call.params);
    let result = client.call_waiting(&call.method, params, Duration::from_secs(wait)).await?;
    Ok(output::print(&output::json(&result))?)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail loudly")]
    use super::*;
    use serde_json::json;

    fn params(method: &str, params: &[&str]) -> Result<Value, Failure> {
        let params = params.iter().map(|text| (*text).to_owned()).collect();
        let args = Args { method: method.to_owned(), params };
        args.call().map(|call| Value::Object(call.params))
    }

    #[test]
    fn a_value_is_what_its_parameter_takes() {
        let given = ["name=1234", "payload=00112233", "plain=true", "lifetime_s=60"];
        let wanted = json!({ "name": "1234", "payload": "00112233", "plain": true, "lifetime_s": 60 });
        assert_eq!(params("sendmessage", &given).unwrap(), wanted);
        assert_eq!(params("sendmessage", &["text=\"a=b\""]).unwrap(), json!({ "text": "\"a=b\"" }));
        // What cannot be right goes to the node, which says what is wanted.
        assert_eq!(params("getmessages", &["since=yesterday"]).unwrap(), json!({ "since": "yesterday" }));
    }

    #[test]
    fn what_is_not_known_here_is_json_if_it_reads_as_json() {
        let given = ["n=7", "on=true", "name=#a=b", "empty=", "text=\"12\"", "list=[1,\"x\"]"];
        let wanted = json!({ "n": 7, "on": true, "name": "#a=b", "empty": "", "text": "12", "list": [1, "x"] });
        assert_eq!(params("newmethod", &given).unwrap(), wanted);
        assert_eq!(params("newmethod", &[]).unwrap(), json!({}));
    }

    #[test]
    fn a_parameter_without_a_key_or_twice_is_refused() {
        assert!(params("m", &["name"]).is_err());
        assert!(params("m", &["=1"]).is_err());
        assert!(params("m", &["a=1", "a=2"]).is_err());
    }
}
