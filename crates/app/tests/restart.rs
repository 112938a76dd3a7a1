//! A node that is killed comes back with what it knew, and shows nothing twice.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs, reason = "a test may fail loudly")]
#![cfg(unix)]

mod common;

use common::{Node, complaint};
use serde_json::json;

#[test]
fn a_killed_node_comes_back_and_delivers_nothing_twice() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let sender = Node::start(one.path(), &[]);
    let connect = ["--connect", &sender.listen()];
    let node = Node::start(two.path(), &connect);
    node.until_linked(1);
    node.http_call("listen", &json!({ "name": "#raven" }));
    sender.does(&["send", "#raven", "before"]);
    let before = node.until_messages(1);
    let key = node.ready["node_key"].clone();

    node.signal("KILL");
    assert!(!node.ends().success());
    // It could not take its ready.json away.
    let left = common::nightjar().arg("--data-dir").arg(two.path()).arg("status").output().unwrap();
    assert_eq!(left.status.code(), Some(3));
    assert!(complaint(&left).contains("no node is running"), "{left:?}");

    let node = Node::start(two.path(), &connect);
    assert_eq!(node.ready["node_key"], key);
    assert_eq!(node.http_call("listtargets", &json!({}))[0]["name"], "#raven");
    node.until_linked(1);
    // The first record still lives at the sender. What is sent now comes behind it.
    sender.does(&["send", "#raven", "after"]);
    let after = node.until_messages(2);
    assert_eq!(after.len(), 2);
    assert_eq!(after[0], before[0]);
    assert_eq!(after[1]["text"], "after");
}

#[test]
fn a_record_made_while_nobody_was_there_goes_to_who_connects() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let sender = Node::start(one.path(), &[]);
    let node = Node::start(two.path(), &[]);
    node.http_call("listen", &json!({ "name": "#raven" }));
    let sent = sender.does(&["send", "#raven", "is anybody there?"]);
    assert!(sent.contains("no peer is connected"), "{sent}");
    node.does(&["rpc", "addnode", &format!("addr={}", sender.listen())]);
    assert_eq!(node.until_messages(1)[0]["text"], "is anybody there?");
}
