//! A node that is killed again and again while it is written to: what it said it took is there, and comes to others, once.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs, reason = "a test may fail loudly")]
#![cfg(unix)]

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::process::Stdio;

use common::{Node, until};
use serde_json::{Value, json};

/// Kills, when nobody says otherwise in the environment (`NIGHTJAR_TEST_ROUNDS`).
const ROUNDS: u32 = 50;
/// Messages that are taken before each kill, and some that are on their way when it comes.
const TAKEN: usize = 4;
const UNDER_WAY: usize = 3;

/// All that happened at a node, page by page; its numbers must have no gap.
fn happened(node: &Node) -> Vec<Value> {
    let (mut since, mut events) = (0, Vec::new());
    loop {
        let page = node.http_call("getmessages", &json!({ "since": since, "changes": true, "limit": 1000 }));
        let some = page["messages"].as_array().unwrap().clone();
        if some.is_empty() {
            break;
        }
        since = page["next"].as_u64().unwrap();
        events.extend(some);
    }
    let seqs: Vec<u64> = events.iter().map(|event| event["seq"].as_u64().unwrap()).collect();
    assert_eq!(seqs, (1..=seqs.len() as u64).collect::<Vec<_>>());
    events
}

/// The ids of the messages, each of which must be there once.
fn ids(events: &[Value]) -> BTreeSet<String> {
    let mut ids = BTreeMap::<String, u32>::new();
    for event in events.iter().filter(|event| event["event"] == "stored") {
        let id = event["id"].as_str().unwrap_or_else(|| panic!("it has no id: {event}"));
        *ids.entry(id.to_owned()).or_default() += 1;
    }
    assert!(ids.values().all(|times| *times == 1), "{ids:?}");
    ids.into_keys().collect()
}

fn kill_in_rounds(rounds: u32) {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let hearer = Node::start(two.path(), &[]);
    hearer.http_call("listen", &json!({ "name": "#a" }));
    let connect = ["--connect", &hearer.listen()];
    let mut taken = BTreeSet::new();
    Node::start(one.path(), &[]).does(&["identity", "new", "raven"]);
    for round in 0..rounds {
        // Every second time there is nobody to send to.
        let sender = Node::start(one.path(), if round % 2 == 0 { &connect } else { &[] });
        let text = |number: usize| format!("round {round}, message {number}");
        let sent = |number: usize| {
            let mut command = sender.command(&["send", "#a", &text(number), "--json"]);
            command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap()
        };
        for number in 0..TAKEN {
            let output = common::output(sent(number));
            assert!(output.status.success(), "{output:?}");
            let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
            taken.insert(answer["id"].as_str().unwrap().to_owned());
        }
        let under_way: Vec<_> = (TAKEN..TAKEN + UNDER_WAY).map(sent).collect();
        sender.signal("KILL");
        for child in under_way {
            let output = common::output(child);
            if let Ok(answer) = serde_json::from_slice::<Value>(&output.stdout) {
                taken.insert(answer["id"].as_str().unwrap().to_owned());
            }
        }
        sender.ends();
    }
    let sender = Node::start(one.path(), &connect);
    let there = ids(&happened(&sender));
    assert!(taken.is_subset(&there), "{:?} was taken and is lost", taken.difference(&there).collect::<Vec<_>>());
    until("all have gone out", || sender.http_call("outbox", &json!({})) == json!([]));
    // What was killed before it was answered may be there as well.
    until("all have come", || there.is_subset(&ids(&happened(&hearer))));
    assert_eq!(ids(&happened(&hearer)), there);
    let told = happened(&sender);
    let last =
        |id: &String| told.iter().rev().find(|event| event["id"] == json!(id)).map(|event| event["delivery"].clone());
    let went = |id: &String| last(id).is_some_and(|delivery| delivery == "sent" || delivery == "held");
    assert!(there.iter().all(went));
}

/// A node that is killed while it hears, and while it fetches what it missed.
fn kill_the_hearer_in_rounds(rounds: u32) {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let sender = Node::start(one.path(), &[]);
    sender.does(&["identity", "new", "raven"]);
    let connect = ["--connect", &sender.listen()];
    Node::start(two.path(), &connect).does(&["join", "#a"]);
    let mut sent = BTreeSet::new();
    let mut send = |round: u32, numbers: std::ops::Range<usize>| {
        for number in numbers {
            let params = json!({ "name": "#a", "text": format!("round {round}, message {number}") });
            let answer = sender.http_call("sendmessage", &params);
            sent.insert(answer["id"].as_str().unwrap().to_owned());
        }
    };
    for round in 0..rounds {
        // Some while it is off, some while it catches up and hears.
        send(round, 0..TAKEN);
        let hearer = Node::start(two.path(), &connect);
        if round % 3 > 0 {
            hearer.until_linked(1);
        }
        send(round, TAKEN..TAKEN + UNDER_WAY);
        hearer.signal("KILL");
        hearer.ends();
    }
    let hearer = Node::start(two.path(), &connect);
    until("all have come", || ids(&happened(&hearer)).is_superset(&sent));
    assert_eq!(ids(&happened(&hearer)), sent);
}

#[test]
fn who_is_killed_while_it_hears_fetches_what_it_missed() {
    kill_the_hearer_in_rounds(3);
}

#[test]
#[ignore = "takes about a minute"]
fn who_is_killed_again_and_again_while_it_hears_fetches_what_it_missed() {
    let rounds = std::env::var("NIGHTJAR_TEST_ROUNDS").ok();
    kill_the_hearer_in_rounds(rounds.map_or(ROUNDS, |rounds| rounds.parse().unwrap()));
}

#[test]
fn what_a_killed_node_took_is_there_and_comes_to_others_once() {
    kill_in_rounds(3);
}

#[test]
#[ignore = "takes about a minute"]
fn what_a_node_took_that_is_killed_again_and_again_is_there_and_comes_to_others_once() {
    let rounds = std::env::var("NIGHTJAR_TEST_ROUNDS").ok();
    kill_in_rounds(rounds.map_or(ROUNDS, |rounds| rounds.parse().unwrap()));
}
