//! A disk that is full: the flood goes on, storing waits and says so, and nothing is lost or doubled when there is room again.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs, reason = "a test may fail loudly")]
#![cfg(target_os = "linux")]

mod common;

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use common::{Node, complaint, mounts, until};
use serde_json::{Value, json};
use tempfile::TempDir;

/// Holds a new node with some room.
const DISK_KIB: u32 = 4096;

/// A small disk, and what lies beside it.
struct Disk {
    temp: TempDir,
    disk: PathBuf,
}

impl Disk {
    fn new() -> Self {
        let temp = tempfile::tempdir().unwrap();
        let disk = temp.path().join("disk");
        fs::create_dir(&disk).unwrap();
        mounts::small_disk(&disk, DISK_KIB);
        Self { temp, disk }
    }

    fn data(&self) -> PathBuf {
        self.disk.join("data")
    }

    fn log(&self) -> PathBuf {
        self.temp.path().join("log")
    }

    fn start(&self, flags: &[&str]) -> Node {
        Node::start_logged(&self.data(), &[&["--log", "info", "--budgets", "off"], flags].concat(), &self.log())
    }

    fn fill(&self) {
        mounts::fill(&self.disk.join("filler"), 0);
    }

    fn make_room(&self) {
        fs::remove_file(self.disk.join("filler")).unwrap();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        mounts::undo(&self.disk);
    }
}

fn texts(node: &Node) -> Vec<String> {
    node.messages().iter().map(|message| message["text"].as_str().unwrap().to_owned()).collect()
}

fn say(node: &Node, text: &str) -> Value {
    node.http_call("sendmessage", &json!({ "name": "#a", "text": text }))
}

/// Has others speak until the disk of this one takes no more; what they said.
fn speak_until_full(node: &Node, sender: &Node) -> Vec<String> {
    let mut said = Vec::new();
    until("the disk takes no more", || {
        let text = format!("{} {}", said.len(), "word ".repeat(30));
        say(sender, &text);
        said.push(text);
        node.http_call("nodestatus", &json!({}))["store_problem"].is_string()
    });
    said
}

#[test]
fn a_node_whose_disk_is_full_floods_on_and_says_so_and_stores_all_of_it_when_there_is_room() {
    if !mounts::own("a_node_whose_disk_is_full_floods_on_and_says_so_and_stores_all_of_it_when_there_is_room") {
        return;
    }
    let disk = Disk::new();
    let (one, three) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let node = disk.start(&[]);
    let connect = ["--connect", &node.listen(), "--budgets", "off", "--log", "error"];
    let (sender, third) = (Node::start(one.path(), &connect), Node::start(three.path(), &connect));
    for node in [&node, &third] {
        node.http_call("listen", &json!({ "name": "#a" }));
    }
    node.until_linked(2);
    node.does(&["identity", "new", "raven"]);
    say(&sender, "before");
    node.until_messages(1);

    disk.fill();
    let mut said = speak_until_full(&node, &sender);
    for _ in 0..3 {
        said.push(format!("while it is full {}", said.len()));
        say(&sender, said.last().unwrap());
    }
    third.until_messages(1 + said.len());
    // Where people look.
    let storing = node.http_call("nodestatus", &json!({}));
    let problem = storing["store_problem"].as_str().unwrap();
    assert!(problem.contains("disk is full: make room on the disk"), "{problem}");
    until("all that came waits", || {
        let status = node.http_call("nodestatus", &json!({}));
        status["waiting"].as_u64().unwrap() + status["seq"].as_u64().unwrap() == 1 + said.len() as u64
    });
    assert_eq!(storing["not_stored"], 0);
    let status = node.does(&["status"]);
    assert!(status.contains("nothing is stored now, ") && status.contains("make room on the disk"), "{status}");
    // What was stored before can be read, and what cannot be kept is not promised.
    assert_eq!(texts(&node)[0], "before");
    let identity = complaint(&node.command(&["identity", "new", "second"]).output().unwrap());
    assert!(identity.contains("make room on the disk; nothing was changed"), "{identity}");
    let join = complaint(&node.command(&["join", "#b"]).output().unwrap());
    assert!(join.contains("make room on the disk"), "{join}");
    // An own message goes out and says that it is not kept yet; so does one that nobody signs.
    let own = node.command(&["send", "#a", "own"]).output().unwrap();
    let (told, sent) = (complaint(&own), String::from_utf8(own.stdout).unwrap());
    assert!(sent.contains("sent to 2 peers"), "{sent}");
    assert!(told.contains("not in the log yet") && told.contains("make room on the disk"), "{told}");
    node.does(&["send", "#a", "own and plain", "--plain"]);
    third.until_messages(1 + said.len() + 2);

    disk.make_room();
    said.extend(["before".to_owned(), "own".to_owned(), "own and plain".to_owned()]);
    let stored = node.until_messages(said.len());
    assert_eq!(texts(&node).into_iter().collect::<BTreeSet<_>>(), said.iter().cloned().collect());
    assert_eq!(stored.len(), said.len(), "none is there twice");
    let page = node.http_call("getmessages", &json!({ "since": 0, "changes": true, "limit": 1000 }));
    let seqs: Vec<u64> = page["messages"].as_array().unwrap().iter().map(|it| it["seq"].as_u64().unwrap()).collect();
    assert_eq!(seqs, (1..=seqs.len() as u64).collect::<Vec<_>>());
    until("how far the own message came is written down too", || {
        let delivery = |message: &Value| message["text"] == "own" && message["delivery"] == "sent";
        node.messages().iter().any(delivery)
    });
    let status = node.http_call("nodestatus", &json!({}));
    assert_eq!(
        (&status["store_problem"], &status["not_stored"], &status["waiting"]),
        (&json!(null), &json!(0), &json!(0))
    );
    node.does(&["identity", "new", "second"]);
    let log = fs::read_to_string(disk.log()).unwrap();
    assert!(log.contains("messages are not stored now") && log.contains("the store works again"), "{log}");
}

#[test]
fn what_a_full_disk_did_not_take_is_counted_at_the_end_and_the_rest_is_whole() {
    if !mounts::own("what_a_full_disk_did_not_take_is_counted_at_the_end_and_the_rest_is_whole") {
        return;
    }
    let disk = Disk::new();
    let one = tempfile::tempdir().unwrap();
    let node = disk.start(&[]);
    let sender = Node::start(one.path(), &["--connect", &node.listen(), "--budgets", "off", "--log", "error"]);
    node.http_call("listen", &json!({ "name": "#a" }));
    node.until_linked(1);
    node.does(&["identity", "new", "raven"]);
    disk.fill();
    let said = speak_until_full(&node, &sender);
    say(&node, "own");
    let mut status = Value::Null;
    until("all that came waits", || {
        status = node.http_call("nodestatus", &json!({}));
        status["waiting"].as_u64().unwrap() + status["seq"].as_u64().unwrap() == 1 + said.len() as u64
    });
    let (stored, lost) = (status["seq"].as_u64().unwrap(), status["waiting"].as_u64().unwrap());
    node.signal("TERM");
    assert!(node.ends().success());
    let log = fs::read_to_string(disk.log()).unwrap();
    assert!(
        log.contains(&format!("messages that waited for the disk are lost: the node ends messages={lost}")),
        "{log}"
    );

    // It does not start without room, or does and stores nothing; with room it starts with all that was stored.
    disk.make_room();
    let node = disk.start(&["--connect", &sender.listen()]);
    assert_eq!(node.http_call("nodestatus", &json!({}))["seq"], stored);
    say(&node, "after");
    assert!(texts(&node).contains(&"after".to_owned()));
}

/// However little room is left: it runs, or says what is wrong and ends.
fn start_with_little_room(data: &Path) -> Option<String> {
    let mut child = common::run(data, &[]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut ready = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut ready).unwrap();
    if !ready.is_empty() {
        child.kill().unwrap();
        child.wait().unwrap();
        return None;
    }
    let output = common::output(child);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    Some(complaint(&output))
}

#[test]
fn a_node_that_finds_no_room_says_so_and_starts_when_there_is_some() {
    if !mounts::own("a_node_that_finds_no_room_says_so_and_starts_when_there_is_some") {
        return;
    }
    // From no room at all to nearly enough for a first start: each file is once the first that does not fit.
    for pages in [0, 1, 2, 3, 4, 5, 8, 12, 16, 24, 32, 48, 64, 96] {
        let disk = Disk::new();
        mounts::fill(&disk.disk.join("filler"), pages * 4096);
        let Some(said) = start_with_little_room(&disk.data()) else { continue };
        assert!(said.contains("make room on the disk") || said.contains("it may be full"), "{pages} pages: {said}");
        disk.make_room();
        let node = disk.start(&[]);
        assert_eq!(node.http_call("nodestatus", &json!({}))["seq"], 0);
    }
}

#[test]
fn a_node_that_ran_finds_no_room_for_its_next_start_and_loses_nothing_by_it() {
    if !mounts::own("a_node_that_ran_finds_no_room_for_its_next_start_and_loses_nothing_by_it") {
        return;
    }
    let disk = Disk::new();
    let node = disk.start(&[]);
    node.http_call("listen", &json!({ "name": "#a" }));
    node.does(&["identity", "new", "raven"]);
    say(&node, "before");
    let key = node.ready["node_key"].clone();
    node.signal("KILL");
    node.ends();
    for pages in [0, 1, 2, 4, 8, 16, 32] {
        mounts::fill(&disk.disk.join("filler"), pages * 4096);
        // What it left is room enough for the next start, or it says that it is not.
        if let Some(said) = start_with_little_room(&disk.data()) {
            assert!(said.contains("make room on the disk") || said.contains("it may be full"), "{pages} pages: {said}");
        }
        disk.make_room();
    }
    let node = disk.start(&[]);
    assert_eq!((&node.ready["node_key"], texts(&node)), (&key, vec!["before".to_owned()]));
    assert!(node.does(&["identity", "list"]).contains("raven"));
}
