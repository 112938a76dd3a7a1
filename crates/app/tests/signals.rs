//! A node ends in good order when it is asked to.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs, reason = "a test may fail loudly")]
#![cfg(unix)]

mod common;

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::time::{SystemTime, UNIX_EPOCH};

use common::{Node, until};
use serde_json::json;

fn ends_in_good_order(signal: &str) {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let node = Node::start(one.path(), &[]);
    let peer = Node::start(two.path(), &["--connect", &node.listen()]);
    node.until_linked(1);
    peer.until_linked(1);
    node.signal(signal);
    assert_eq!(node.ends().code(), Some(0));
    assert!(!one.path().join("ready.json").exists());
    until("the peer has seen it go", || peer.http_call("getconnections", &json!({})).as_array().unwrap().is_empty());
    // Going is no fault: it is dialled again soon, not left alone for an hour.
    let status = peer.http_call("nodestatus", &json!({}));
    let soon = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() + 600;
    for left_alone in status["banned"].as_array().unwrap() {
        assert!(left_alone["until"].as_u64().unwrap() < soon, "{status}");
    }
}

#[test]
fn sigterm_ends_a_node() {
    ends_in_good_order("TERM");
}

#[test]
fn ctrl_c_ends_a_node() {
    ends_in_good_order("INT");
}

#[test]
fn a_node_ends_while_a_question_waits() {
    let dir = tempfile::tempdir().unwrap();
    let node = Node::start(dir.path(), &[]);
    let mut waiting = node.command(&["rpc", "getmessages", "wait_s=60"]).spawn().unwrap();
    until("the node serves", || node.command(&["status"]).output().unwrap().status.success());
    node.signal("TERM");
    assert_eq!(node.ends().code(), Some(0));
    // With an answer, or without: it does not hang.
    common::ends(&mut waiting);
}

#[test]
fn what_a_client_of_irc_said_just_before_a_node_ends_is_in_its_log() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let peer = Node::start(two.path(), &[]);
    let node = Node::start(one.path(), &["--connect", &peer.listen()]);
    node.until_linked(1);
    let enter = |nick: &str| {
        let mut stream = TcpStream::connect(node.irc()).unwrap();
        stream.set_read_timeout(Some(common::PATIENCE)).unwrap();
        write!(stream, "NICK {nick}\r\nUSER u 0 * :r\r\nJOIN #a\r\n").unwrap();
        let mut lines = BufReader::new(stream).lines().map(|line| line.expect("it goes on, or ends in good order"));
        assert!(lines.any(|line| line.contains(" 366 ")), "it is in the channel");
        lines
    };
    let mut reader = enter("reader");
    let mut speaker = TcpStream::connect(node.irc()).unwrap();
    // More than goes out at once.
    let said: String = (0..300).map(|number| format!("PRIVMSG #a :word {number}\r\n")).collect();
    write!(speaker, "NICK speaker\r\nUSER u 0 * :r\r\nJOIN #a\r\n{said}").unwrap();
    assert!(reader.any(|line| line.ends_with(" PRIVMSG #a :word 150")));
    node.signal("TERM");
    let more = reader.filter(|line| line.contains(" PRIVMSG #a :word ")).count();
    assert_eq!(node.ends().code(), Some(0));
    let node = Node::start(one.path(), &[]);
    let kept = node.http_call("getmessages", &json!({ "since": 0, "limit": 1000 }));
    let (kept, shown) = (kept["messages"].as_array().unwrap().len(), 151 + more);
    assert!(kept >= shown, "{shown} were shown, {kept} are kept");
}

#[test]
fn ready_json_says_how_to_reach_the_node() {
    let dir = tempfile::tempdir().unwrap();
    let node = Node::start(dir.path(), &[]);
    let file: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(dir.path().join("ready.json")).unwrap()).unwrap();
    assert_eq!(file, node.ready);
    assert_eq!(file["pid"], node.child.id());
    assert_eq!(file["version"], env!("CARGO_PKG_VERSION"));
    let status = node.http_call("nodestatus", &json!({}));
    assert_eq!(file["node_key"], status["node_key"]);
    assert_eq!(file["listen"], status["listen"]);
    assert_eq!(file.as_object().unwrap().len(), 8);
}
