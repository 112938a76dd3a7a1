//! A data directory that two processes want, and one that was copied and is used in two places at once.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs, reason = "a test may fail loudly")]
#![cfg(unix)]

mod common;

use std::fs;

use common::{Node, complaint, fails, until};
use serde_json::{Value, json};

fn texts(node: &Node) -> Vec<Value> {
    node.messages().iter().map(|message| message["text"].clone()).collect()
}

#[test]
fn the_second_node_on_a_directory_says_who_has_it_and_the_next_begins_when_that_one_was_killed() {
    let dir = tempfile::tempdir().unwrap();
    let first = Node::start(dir.path(), &[]);
    first.does(&["send", "#a", "one"]);
    let said = complaint(&fails(dir.path(), &[]));
    assert!(said.contains(&format!("is in use by process {}: stop it", first.child.id())), "{said}");
    first.does(&["send", "#a", "two"]);
    first.signal("KILL");
    first.ends();
    let next = Node::start(dir.path(), &[]);
    next.http_call("listen", &json!({ "name": "#a" }));
    assert_eq!(texts(&next), ["one", "two"]);
}

#[test]
fn a_copied_directory_that_is_used_at_the_same_time_destroys_nothing_and_says_so() {
    let (dir, one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let hub = Node::start(dir.path(), &[]);
    hub.http_call("listen", &json!({ "name": "#a" }));
    let first = Node::start(one.path(), &[]);
    first.does(&["identity", "new", "raven"]);
    first.http_call("listen", &json!({ "name": "#a" }));
    first.does(&["send", "#a", "of both"]);
    first.signal("TERM");
    first.ends();
    for entry in fs::read_dir(one.path()).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), two.path().join(entry.file_name())).unwrap();
    }

    let connect = ["--connect", &hub.listen()];
    let first = Node::start(one.path(), &connect);
    first.until_linked(1);
    hub.until_messages(1);
    // The copy is linked neither to who has the first nor to the first.
    let log = two.path().join("log");
    let second = Node::start_logged(two.path(), &["--connect", &hub.listen(), "--connect", &first.listen()], &log);
    until("it is told", || {
        let said = fs::read_to_string(&log).unwrap();
        said.contains("another node with this node's key is linked there") && said.contains("move its node_key away")
    });
    second.does(&["send", "#a", "by the second"]);
    first.does(&["send", "#a", "by the first"]);
    hub.until_messages(2);
    assert_eq!(texts(&hub), ["of both", "by the first"]);
    let links = hub.http_call("getconnections", &json!({}));
    assert_eq!(links.as_array().unwrap().len(), 1, "the link that was there stays: {links}");
    // Where another node stands between them, each has what both say, and what was to go out twice is there once.
    let other_dir = tempfile::tempdir().unwrap();
    let other = Node::start(other_dir.path(), &connect);
    other.until_linked(1);
    second.does(&["rpc", "addnode", &format!("addr={}", other.listen())]);
    until("what waited goes out", || texts(&hub).len() == 3 && texts(&first).len() == 3);
    first.does(&["send", "#a", "to both"]);
    until("it comes to the copy", || texts(&second).contains(&json!("to both")));
    assert_eq!(texts(&second), ["of both", "by the second", "to both"]);
    assert_eq!(texts(&hub), ["of both", "by the first", "by the second", "to both"]);
    until("the first has all", || texts(&first) == ["of both", "by the first", "by the second", "to both"]);
    first.signal("TERM");
    assert!(first.ends().success());
    assert_eq!(texts(&Node::start(one.path(), &[])).len(), 4);
}
