//! A node that cannot have the port of its IRC gateway, or is to have none, serves all else.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs, reason = "a test may fail loudly")]
#![cfg(unix)]

mod common;

use std::fs;
use std::net::TcpListener;
use std::path::Path;

use common::Node;
use serde_json::{Value, json};

/// It serves HTTP and no IRC, and says both where programs look.
fn serves_without_irc(node: &Node) {
    assert_eq!(node.ready["irc"], Value::Null);
    assert_eq!(node.http_call("nodestatus", &json!({}))["node_key"], node.ready["node_key"]);
    let file: Value = serde_json::from_str(&fs::read_to_string(node.dir.join("ready.json")).unwrap()).unwrap();
    assert_eq!(file, node.ready);
}

/// What it warned of, until it ended in good order.
fn warnings(node: Node, log: &Path) -> Vec<String> {
    node.signal("TERM");
    assert_eq!(node.ends().code(), Some(0));
    fs::read_to_string(log).unwrap().lines().filter(|line| line.contains("WARN")).map(str::to_owned).collect()
}

#[test]
fn a_port_that_another_program_has_is_said_and_the_node_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("log");
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let node = Node::start_logged(&dir.path().join("data"), &["--irc", &address], &log);
    serves_without_irc(&node);
    let said = warnings(node, &log);
    assert_eq!(said.len(), 1, "{said:?}");
    for part in [format!("cannot serve IRC on {address}: "), "the node goes on without".into(), "--irc off".into()] {
        assert!(said[0].contains(&part), "{said:?}");
    }
    drop(taken);
}

// Elsewhere a machine has but one address of its own that nobody must set up, and many programs want its ports.
#[cfg(target_os = "linux")]
#[test]
fn a_port_that_peers_are_to_have_is_theirs_first() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("log");
    let free = TcpListener::bind("127.0.0.38:0").unwrap();
    let address = free.local_addr().unwrap().to_string();
    drop(free);
    let node = Node::start_logged(&dir.path().join("data"), &["--listen", &address, "--irc", &address], &log);
    assert_eq!(node.listen(), address);
    serves_without_irc(&node);
    assert_eq!(warnings(node, &log).len(), 1);
}

#[test]
fn off_means_no_port_and_no_warning() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("log");
    let node = Node::start_logged(&dir.path().join("data"), &["--irc", "off", "--irc-name", "night.raven"], &log);
    serves_without_irc(&node);
    assert_eq!(node.ready["irc_name"], "night.raven");
    assert_eq!(warnings(node, &log), Vec::<String>::new());
}
