//! The log out of one node and into another: whole programs, and files between them.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs, reason = "a test may fail loudly")]
#![cfg(unix)]

mod common;

use std::io::Write as _;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Output, Stdio};

use common::{Node, complaint, until};
use nightjar_node::foreign::{DaemonOptions, UnmodifiedDaemon};
use serde_json::{Value, json};

const ANYWHERE: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);
const FOREIGN: &str = "夜の鴉 спокойной ночи שלום 🌒 e\u{301}\u{202e}\n\u{1b}[2J";

/// The lines of an export, without their places.
fn messages(lines: &str) -> Vec<Value> {
    let parse = |line: &str| -> Value { serde_json::from_str(line).unwrap() };
    let without_seq = |mut message: Value| {
        message.as_object_mut().unwrap().remove("seq").unwrap();
        message
    };
    lines.lines().map(parse).map(without_seq).collect()
}

/// `import -` of these lines.
fn imports(node: &Node, lines: &str) -> Output {
    let mut command = node.command(&["import", "-"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
    common::output(child)
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn all_that_a_log_can_hold_goes_out_and_comes_back_as_it_was() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let dirs: Vec<_> = (0..4).map(|_| tempfile::tempdir().unwrap()).collect();
    let alice = Node::start(dirs[0].path(), &[]);
    let bob = Node::start(dirs[1].path(), &["--connect", &alice.listen()]);
    alice.until_linked(1);
    bob.until_linked(1);
    let mut count = 0;
    let mut says = |node: &Node, params: Value| {
        node.http_call("sendmessage", &params);
        count += 1;
        bob.until_messages(count);
    };

    // A nick is heard where somebody listens to it.
    for (node, own, other) in [(&alice, "alice", "bob"), (&bob, "bob", "alice")] {
        node.http_call("listen", &json!({ "name": other }));
        node.does(&["identity", "new", own]);
    }
    bob.http_call("listen", &json!({ "name": "#market" }));
    let words = "correct horse battery staple correct horse";
    for node in [&alice, &bob] {
        node.http_call("join", &json!({ "name": "#den", "passphrase": words }));
    }
    let known = || alice.http_call("whois", &json!({ "who": "bob", "look": false }));
    until("his card was heard", || known().as_array().unwrap().len() == 1);
    says(&alice, json!({ "name": "#market", "text": "signed" }));
    says(&alice, json!({ "name": "#market", "text": FOREIGN, "identity": "none" }));
    says(&alice, json!({ "name": "#market", "payload": "00ff", "plain": true }));
    says(&alice, json!({ "name": "#market", "text": "for nobody", "payload_method": "aes", "pwd": "sesame" }));
    says(&alice, json!({ "name": "#den", "text": "under six words" }));
    says(&alice, json!({ "name": "bob", "text": "sealed for one" }));
    says(&alice, json!({ "name": "#market", "text": "long ".repeat(500), "identity": "default" }));
    says(&bob, json!({ "name": "#market", "text": "mine" }));
    let wallet = runtime.block_on(UnmodifiedDaemon::bind(ANYWHERE, DaemonOptions::default())).unwrap();
    bob.does(&["rpc", "addnode", &format!("addr=pascal://{}", wallet.address())]);
    until("the wallet can write", || {
        let _inside = runtime.enter();
        wallet.send_message(FOREIGN.as_bytes()) == 1
    });
    bob.until_messages(count + 1);
    bob.http_call("sendwallet", &json!({ "addr": wallet.address().to_string(), "text": "to a wallet" }));
    bob.until_messages(count + 2);
    until("nothing waits", || {
        bob.messages().iter().all(|it| !["working", "queued"].contains(&it["delivery"].as_str().unwrap_or_default()))
    });

    let file = dirs[3].path().join("messages.jsonl");
    let done = bob.does(&["export", path(&file)]);
    assert!(done.contains(&format!("{} messages", count + 2)), "{done}");
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let text = std::fs::read_to_string(&file).unwrap();
    let exported = messages(&text);
    let has = |member: &str, value: Value| exported.iter().any(|message| message[member] == value);
    for form in [2, 3, 4, 7] {
        assert!(has("form", json!(form)), "form {form}: {exported:#?}");
    }
    assert!(exported.iter().any(|message| message["unreadable"].is_string()), "{exported:#?}");
    assert_eq!(exported.iter().filter(|message| message["peer"].is_string()).count(), 2);
    assert!(has("author", Value::Null) && has("request", json!(true)) && has("own", json!(true)));

    let new = Node::start(dirs[2].path(), &[]);
    assert_eq!(
        new.does(&["import", path(&file)]),
        format!("{} messages came into the log, 0 were there already\n", count + 2)
    );
    let again = new.does(&["export"]);
    assert_eq!(messages(&again), exported);
    let shown = |node: &Node| node.does(&["search", "signed"]).lines().count();
    assert_eq!((shown(&new), shown(&bob)), (1, 1));
    assert_eq!(new.http_call("outbox", &json!({})), json!([]));
    assert_eq!(new.http_call("requests", &json!({})), json!([]));
    let there = new.does(&["import", path(&file)]);
    assert_eq!(there, format!("0 messages came into the log, {} were there already\n", count + 2));
    assert_eq!(new.does(&["export", "-"]), again);

    let of_den = bob.does(&["export", "--in", "#den", "--text"]);
    assert!(of_den.contains("  #den  alice~") && of_den.ends_with(" [sealed]: under six words\n"), "{of_den}");
    assert_eq!(of_den.lines().count(), 1);
    assert_eq!(bob.does(&["export", "--last", "0s"]), "");
    assert_eq!(bob.does(&["export", "--last", "1h"]), text);
    let text = bob.does(&["export", "--text"]);
    assert!(text.lines().count() == exported.len() && !text.contains('\u{1b}'), "{text}");
}

#[test]
fn a_line_that_is_none_is_named_and_what_stood_before_it_stays() {
    let dir = tempfile::tempdir().unwrap();
    let node = Node::start(dir.path(), &[]);
    let line = |text: &str| format!(r#"{{"received":1,"own":false,"peer":"127.0.0.1:4004","text":"{text}"}}"#);
    let came = imports(&node, &format!("{}\n\n{}", line("61"), line("62")));
    assert!(came.status.success(), "{came:?}");

    for (damaged, says) in [
        (line("6"), r#"member "text": 1 hex digits are given"#),
        (line("63")[..20].to_owned(), "it is not JSON"),
        (" ".repeat(1_000_001), "it has more than 1000000 bytes"),
    ] {
        let refused = imports(&node, &format!("{}\n{}\n{damaged}\n{}\n", line("61"), line("63"), line("64")));
        assert_eq!(refused.status.code(), Some(1), "{refused:?}");
        let says = format!("nightjar: line 3 of stdin: {says}");
        assert!(complaint(&refused).starts_with(&says), "{refused:?}");
        assert!(complaint(&refused).contains("already: they stay"), "{refused:?}");
    }
    let texts: Vec<Value> = node.messages().iter().map(|message| message["text"].clone()).collect();
    assert_eq!(texts, ["a", "b", "c"]);

    let missing = node.command(&["import", "no such file"]).output().unwrap();
    assert_eq!(missing.status.code(), Some(1), "{missing:?}");
    assert!(complaint(&missing).contains("\"no such file\" cannot be read"), "{missing:?}");
}

#[test]
fn many_messages_go_in_batches_and_in_their_order_and_the_longest_line_fits_into_a_call() {
    let dir = tempfile::tempdir().unwrap();
    let node = Node::start(dir.path(), &[]);
    let mut lines = String::new();
    for number in 0..1_203 {
        let text = format!("{number:08x}");
        lines += &format!("{{\"received\":{number},\"own\":false,\"peer\":\"127.0.0.1:4004\",\"text\":\"{text}\"}}\n");
    }
    let start = "{\"received\":1,\"own\":true,\"peer\":\"127.0.0.1:4004\",\"text\":\"";
    let digits = (1_000_000 - start.len() - "\"}\n".len()) & !1;
    lines += &format!("{start}{}\"}}\n", "61".repeat(digits / 2));
    let came = imports(&node, &lines);
    assert!(came.status.success(), "{came:?}");
    let exported = messages(&node.does(&["export"]));
    assert_eq!(exported, messages(&lines.replace("{\"received\"", "{\"seq\":0,\"received\"")));
}

#[test]
fn an_export_never_writes_over_a_file() {
    let dir = tempfile::tempdir().unwrap();
    let node = Node::start(&dir.path().join("data"), &[]);
    let file = dir.path().join("kept");
    std::fs::write(&file, "mine").unwrap();
    let refused = node.command(&["export", path(&file)]).output().unwrap();
    assert_eq!(refused.status.code(), Some(2), "{refused:?}");
    assert!(complaint(&refused).contains("is there already: it is not overwritten"), "{refused:?}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "mine");
    assert_eq!(node.does(&["export"]), "");
}
