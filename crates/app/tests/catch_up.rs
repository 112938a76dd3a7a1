//! Who was off reads what he missed: by command line, by HTTP and after a kill. And who wrote is told how far it came.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs, reason = "a test may fail loudly")]
#![cfg(unix)]

mod common;

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use common::{Node, until};
use serde_json::{Value, json};

fn texts(messages: &[Value]) -> Vec<&str> {
    messages.iter().map(|message| message["text"].as_str().unwrap()).collect()
}

fn kept(node: &Node) -> u64 {
    node.http_call("window", &json!({}))["records"]["dated"].as_u64().unwrap()
}

#[test]
fn what_was_said_while_a_node_was_off_is_read_by_command_line_by_http_and_after_a_kill() {
    let dirs: [_; 3] = std::array::from_fn(|_| tempfile::tempdir().unwrap());
    let middle = Node::start(dirs[0].path(), &[]);
    let speaker = Node::start(dirs[1].path(), &["--connect", &middle.listen()]);
    let connect = ["--connect", &middle.listen()];
    let off = Node::start(dirs[2].path(), &connect);
    middle.until_linked(2);
    off.does(&["join", "#raven"]);
    speaker.does(&["send", "#raven", "before"]);
    let seq = off.until_messages(1)[0]["seq"].as_u64().unwrap();
    off.signal("TERM");
    assert!(off.ends().success());
    for number in 0..5 {
        speaker.does(&["send", "#raven", &format!("meanwhile {number}")]);
    }
    let expected: Vec<_> = (0..5).map(|number| format!("meanwhile {number}")).collect();
    // Younger ones are still on their way by flood.
    until("they are compared", || kept(&middle) == 6);

    let off = Node::start(dirs[2].path(), &connect);
    off.until_messages(6);
    let mut listen = off.command(&["listen", "#raven", "--since", &seq.to_string(), "--json"]);
    let mut listen = listen.stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(listen.stdout.take().unwrap()).lines().take(5);
    let lines: Vec<Value> = lines.map(|line| serde_json::from_str(&line.unwrap()).unwrap()).collect();
    listen.kill().unwrap();
    listen.wait().unwrap();
    let mut said = texts(&lines);
    said.sort_unstable();
    assert_eq!(said, expected);
    let page = off.http_call("getmessages", &json!({ "since": seq }));
    assert_eq!(page["messages"].as_array().unwrap().len(), 5);

    off.signal("KILL");
    off.ends();
    speaker.does(&["send", "#raven", "after the kill"]);
    until("it is compared", || kept(&middle) == 7);
    let off = Node::start(dirs[2].path(), &connect);
    let all = off.until_messages(7);
    let seqs: Vec<_> = all.iter().map(|message| message["seq"].as_u64().unwrap()).collect();
    assert_eq!(seqs, (1..=7).collect::<Vec<_>>(), "no gap and no double");
    assert_eq!(texts(&all).last(), Some(&"after the kill"));
    let page = off.does(&["catch-up"]);
    assert!(page.contains("without") && page.contains("since the start"), "{page}");
    assert!(off.does(&["status"]).contains("window"));
}

#[test]
fn who_joins_later_and_whose_node_is_new_reads_what_was_said_before() {
    let dirs: [_; 2] = std::array::from_fn(|_| tempfile::tempdir().unwrap());
    let speaker = Node::start(dirs[0].path(), &[]);
    speaker.does(&["identity", "new", "raven"]);
    let phrase = ["join", "#den", "--passphrase=owl bat fox elk yak gnu", "--weak"];
    speaker.does(&phrase);
    speaker.does(&["send", "#den", "under seal"]);
    speaker.does(&["send", "#open", "in the open"]);
    let new = Node::start(dirs[1].path(), &["--connect", &speaker.listen()]);
    until("it has fetched them", || kept(&new) >= 2);
    assert!(new.messages().is_empty());
    new.does(&phrase);
    assert_eq!(texts(&new.until_messages(1)), ["under seal"]);
    new.does(&["join", "#open"]);
    assert_eq!(texts(&new.until_messages(2)), ["under seal", "in the open"]);
}

#[test]
fn how_far_a_message_came_is_told_in_each_of_its_steps() {
    let dirs: [_; 2] = std::array::from_fn(|_| tempfile::tempdir().unwrap());
    let neighbour = Node::start(dirs[0].path(), &[]);
    let speaker = Node::start(dirs[1].path(), &[]);
    speaker.does(&["identity", "new", "raven"]);
    speaker.does(&["join", "#raven"]);
    speaker.does(&["send", "#raven", "is anybody there?"]);
    let delivery = || speaker.until_messages(1)[0].clone();
    assert_eq!(delivery()["delivery"], "queued");
    speaker.does(&["rpc", "addnode", &format!("addr={}", neighbour.listen())]);
    until("it went out, and the neighbour holds it", || delivery()["delivery"] == "held");
    assert_eq!(delivery()["delivery_peers"], 1, "{}", delivery());
}
