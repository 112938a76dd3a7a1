//! Three nodes in a line, each a process of its own: what is sent at one end arrives, once, at the other.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs, reason = "a test may fail loudly")]
#![cfg(unix)]

mod common;

use std::process::Stdio;

use common::{Lines, Node, ends, signal, until};
use serde_json::{Value, json};
use tempfile::TempDir;

struct Line {
    first: Node,
    middle: Node,
    last: Node,
    _dirs: [TempDir; 3],
}

fn line() -> Line {
    let dirs = [(); 3].map(|()| tempfile::tempdir().unwrap());
    let first = Node::start(dirs[0].path(), &[]);
    let middle = Node::start(dirs[1].path(), &["--connect", &first.listen()]);
    let last = Node::start(dirs[2].path(), &["--connect", &middle.listen()]);
    first.until_linked(1);
    middle.until_linked(2);
    last.until_linked(1);
    Line { first, middle, last, _dirs: dirs }
}

/// Waits until the node listens to so many names.
fn until_listens(node: &Node, names: usize) {
    until("it listens", || node.http_call("nodestatus", &json!({}))["listens"] == names);
}

#[test]
fn a_chat_line_passes_by_command_line() {
    let line = line();
    let mut listen = line.last.command(&["listen", "#Raven", "nightraven"]).stdout(Stdio::piped()).spawn().unwrap();
    let lines = Lines::of(&mut listen);
    until_listens(&line.last, 2);

    let sent = line.first.does(&["send", "#raven", "good \u{1b}[2J night"]);
    assert!(sent.ends_with("sent to 1 peer, unsigned, readable by everybody\n"), "{sent}");
    let shown = lines.next();
    assert!(shown.contains("#Raven") && shown.ends_with(r"good \u{1b}[2J night"), "{shown}");

    line.first.does(&["send", "@nightraven", "--hex", "00 ff 10"]);
    let shown = lines.next();
    assert!(shown.ends_with("nightraven  (unsigned): [3 bytes] 00ff10"), "{shown}");

    signal(&listen, "INT");
    assert!(ends(&mut listen).success());
    // The lease was given back.
    until_listens(&line.last, 0);
}

#[test]
fn a_chat_line_and_data_pass_by_http_in_both_directions() {
    let line = line();
    line.first.http_call("listen", &json!({ "name": "1234" }));
    line.last.http_call("listen", &json!({ "name": "#raven" }));

    let sent = line.first.http_call("sendmessage", &json!({ "name": "#raven", "text": "good night" }));
    assert_eq!(sent["peers"], 1);
    let messages = line.last.until_messages(1);
    assert_eq!(messages[0]["text"], "good night");
    assert_eq!(messages[0]["name"], "#raven");
    assert_eq!(messages[0]["msgid"], sent["msgid"]);
    assert_eq!(messages[0]["dated"], true);

    line.last.http_call("sendmessage", &json!({ "name": "1234-44", "payload": "00ff10", "plain": true }));
    // What was sent here stands in the log as well.
    let messages = line.first.until_messages(2);
    assert_eq!((&messages[0]["own"], &messages[0]["delivery"]), (&json!(true), &json!("sent")));
    assert_eq!(messages[1]["payload"], "00ff10");
    assert_eq!(messages[1]["dated"], false);
    assert!(messages[1].get("text").is_none());

    // What comes behind them on the same links has passed when they have: nothing came twice, and nothing stays where
    // nobody listens.
    line.first.http_call("sendmessage", &json!({ "name": "#raven", "text": "the end" }));
    assert_eq!(line.last.until_messages(2).len(), 2);
    assert!(line.middle.messages().is_empty());
}

#[test]
fn a_long_poll_answers_when_the_message_comes() {
    let line = line();
    line.last.http_call("listen", &json!({ "name": "#raven" }));
    let page = std::thread::scope(|scope| {
        let asked = scope.spawn(|| line.last.http_call("getmessages", &json!({ "since": 0, "wait_s": 60 })));
        line.first.does(&["send", "#raven", "there"]);
        asked.join().unwrap()
    });
    assert_eq!(page["messages"][0]["text"], "there");
}

#[test]
fn json_lines_are_the_messages_of_the_log() {
    let line = line();
    let mut listen = line.last.command(&["listen", "#raven", "--json"]).stdout(Stdio::piped()).spawn().unwrap();
    let lines = Lines::of(&mut listen);
    until_listens(&line.last, 1);
    line.first.does(&["send", "#raven", "one\ntwo"]);
    let shown: Value = serde_json::from_str(&lines.next()).unwrap();
    assert_eq!(shown, line.last.messages()[0]);

    // Who comes later reads what the log has; a pipe that is closed ends it quietly.
    line.last.http_call("listen", &json!({ "name": "#raven" }));
    let mut late =
        line.last.command(&["listen", "#raven", "--since", "0", "--json"]).stdout(Stdio::piped()).spawn().unwrap();
    let again: Value = serde_json::from_str(&Lines::of(&mut late).next()).unwrap();
    assert_eq!(again, shown);
    until("the reader that left is noticed", || {
        line.first.does(&["send", "#raven", "anybody?"]);
        late.try_wait().unwrap().is_some()
    });
    assert!(ends(&mut late).success());
    signal(&listen, "TERM");
    assert!(ends(&mut listen).success());
}

#[test]
fn the_node_that_goes_away_is_told_with_the_place_to_go_on_from() {
    let line = line();
    let mut listen = line.last.command(&["listen", "#raven"]);
    let mut listen = listen.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let lines = Lines::of(&mut listen);
    until_listens(&line.last, 1);
    line.first.does(&["send", "#raven", "x"]);
    lines.next();
    line.last.signal("TERM");
    let output = common::output(listen);
    assert_eq!(output.status.code(), Some(3));
    assert!(common::complaint(&output).contains("--since 1"), "{output:?}");
}

#[test]
fn what_a_node_refuses_ends_with_4_and_its_reason() {
    let dir = tempfile::tempdir().unwrap();
    let node = Node::start(dir.path(), &[]);
    let output = node.command(&["rpc", "nosuchmethod"]).output().unwrap();
    assert_eq!(output.status.code(), Some(4));
    assert!(common::complaint(&output).contains("-32601"), "{output:?}");
    let sent = node.does(&["send", "#raven", "x"]);
    assert!(sent.contains("no peer is connected"), "{sent}");
    assert!(node.does(&["status"]).contains("node key"));
    assert!(node.does(&["peers"]).contains("no peer is connected"));
    let compact = node.does(&["rpc", "nodestatus"]);
    assert_eq!(compact.lines().count(), 1);
}
