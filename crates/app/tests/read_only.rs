//! A data directory, or a file in it, that cannot be written: a node says so and touches nothing, and one that runs goes on as far as it can.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs, reason = "a test may fail loudly")]
#![cfg(target_os = "linux")]

mod common;

use std::fs;

use common::{Node, complaint, fails, mounts};
use serde_json::json;

#[test]
fn a_data_directory_on_a_read_only_disk_is_refused_and_left_as_it_is() {
    if !mounts::own("a_data_directory_on_a_read_only_disk_is_refused_and_left_as_it_is") {
        return;
    }
    let temp = tempfile::tempdir().unwrap();
    let data = temp.path().join("data");
    let node = Node::start(&data, &[]);
    node.http_call("sendmessage", &json!({ "name": "#a", "text": "before" }));
    node.signal("TERM");
    node.ends();
    mounts::read_only(temp.path());
    for dir in [&data, &temp.path().join("new")] {
        let output = fails(dir, &[]);
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        let said = complaint(&output);
        assert!(said.contains(dir.to_str().unwrap()), "{said}");
        assert!(said.contains("mounted read-only: mount it writable, or choose another data_dir"), "{said}");
    }
    // Its copy can be made from there.
    let copy = tempfile::tempdir().unwrap();
    let backup = copy.path().join("backup");
    let mut command = common::nightjar();
    command.arg("--data-dir").arg(&data).arg("backup").arg(&backup);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    mounts::undo(temp.path());
    assert_eq!(Node::start(&data, &[]).messages()[0]["text"], "before");
}

#[test]
fn a_store_that_is_read_only_is_refused_and_settings_and_token_may_be() {
    if !mounts::own("a_store_that_is_read_only_is_refused_and_settings_and_token_may_be") {
        return;
    }
    let temp = tempfile::tempdir().unwrap();
    let data = temp.path().join("data");
    let node = Node::start(&data, &[]);
    node.signal("TERM");
    node.ends();
    mounts::read_only(&data.join("nightjar.db"));
    let output = fails(&data, &[]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let said = complaint(&output);
    assert!(
        said.contains("nightjar.db") && said.contains("it can only be read: make the data directory writable"),
        "{said}"
    );
    mounts::undo(&data.join("nightjar.db"));
    // As somebody has them who hands both to a container.
    fs::write(data.join("nightjar.toml"), "log_messages_max = 7\n").unwrap();
    mounts::read_only(&data.join("nightjar.toml"));
    mounts::read_only(&data.join("token"));
    let node = Node::start(&data, &[]);
    assert!(node.does(&["status"]).contains("last seq 0"));
}

#[test]
fn a_directory_that_becomes_read_only_under_a_node_ends_neither_the_node_nor_its_talk() {
    if !mounts::own("a_directory_that_becomes_read_only_under_a_node_ends_neither_the_node_nor_its_talk") {
        return;
    }
    let temp = tempfile::tempdir().unwrap();
    let (data, log) = (temp.path().join("data"), temp.path().join("log"));
    fs::create_dir(&data).unwrap();
    let other = tempfile::tempdir().unwrap();
    let node = Node::start_logged(&data, &[], &log);
    let third = Node::start(other.path(), &["--connect", &node.listen()]);
    third.http_call("listen", &json!({ "name": "#a" }));
    node.http_call("listen", &json!({ "name": "#a" }));
    node.does(&["identity", "new", "raven"]);
    node.until_linked(1);
    node.http_call("sendmessage", &json!({ "name": "#a", "text": "before" }));
    // No new file can be made, and none be opened for writing.
    mounts::read_only(&data);
    let refused = complaint(&node.command(&["identity", "new", "second"]).output().unwrap());
    assert!(refused.contains("mounted read-only: mount it writable; nothing was changed"), "{refused}");
    third.http_call("sendmessage", &json!({ "name": "#a", "text": "heard" }));
    node.until_messages(2);
    third.until_messages(2);
    node.does(&["send", "#a", "own and plain", "--plain"]);
    third.until_messages(3);
    assert!(node.does(&["search", "heard"]).contains("heard") && node.does(&["status"]).contains("last seq"));
    node.signal("TERM");
    assert!(node.ends().success());
    let said = fs::read_to_string(&log).unwrap();
    assert!(said.contains("what was seen cannot be written down: its disk is mounted read-only"), "{said}");
    assert!(said.contains("ready.json") && !said.contains("panicked"), "{said}");
    mounts::undo(&data);
    let node = Node::start(&data, &[]);
    let texts: Vec<_> = node.messages().iter().map(|message| message["text"].clone()).collect();
    assert_eq!(texts, ["before", "heard", "own and plain"]);
}
