//! A node that is killed comes back with what it knew, and shows nothing twice.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs, reason = "a test may fail loudly")]
#![cfg(unix)]

mod common;

use std::time::{SystemTime, UNIX_EPOCH};

use common::{Node, complaint, until};
use nightjar_core::chain::Network;
use nightjar_core::name::TypedName;
use nightjar_core::record::Record;
use nightjar_node::foreign::LiteralPeer;
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

#[test]
fn what_waits_in_the_outbox_outlives_a_kill_and_is_the_same_message_when_it_goes_out() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let sender = Node::start(one.path(), &[]);
    sender.does(&["identity", "new", "raven"]);
    let sent = sender.does(&["send", "#raven", "is anybody there?"]);
    let id = sent.split(' ').next().unwrap().to_owned();
    assert!(sent.contains(" queued, signed by raven~"), "{sent}");
    assert!(sender.does(&["outbox"]).contains(&id));
    sender.signal("KILL");
    sender.ends();
    let node = Node::start(two.path(), &[]);
    node.http_call("listen", &json!({ "name": "#raven" }));
    let sender = Node::start(one.path(), &["--connect", &node.listen()]);
    assert_eq!(node.until_messages(1)[0]["id"], json!(id));
    until("it is told", || sender.messages()[0]["delivery"] == "sent");
    assert_eq!(sender.does(&["outbox"]), "no message waits\n");
    let cancel = sender.command(&["outbox", "--cancel", &id]).output().unwrap();
    assert!(complaint(&cancel).contains("waits"), "{cancel:?}");
}

#[test]
fn a_record_that_comes_again_after_a_kill_is_not_delivered_again() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let literal = LiteralPeer::bind("127.0.0.1:0".parse().unwrap(), Network::Main);
    let literal = runtime.block_on(literal).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let connect = ["--connect", &format!("pascal://{}", literal.address())];
    let target = "#raven".parse::<TypedName>().unwrap().targets()[0];
    let expiry = u32::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()).unwrap() + 600;
    let dated = Record::dated(target, b"dated", expiry, 0, [1; 8]).unwrap();
    let old = Record::dated(target, b"old", expiry - 700, 0, [2; 8]).unwrap();

    let node = Node::start(dir.path(), &connect);
    common::until("the peers know each other", || literal.counters().connected == 1);
    node.http_call("listen", &json!({ "name": "#raven" }));
    literal.send_record(&dated);
    let plain = literal.send(target, b"plain");
    node.until_messages(2);
    node.signal("KILL");
    assert!(!node.ends().success());
    common::until("the link is gone", || literal.counters().connected == 0);

    let node = Node::start(dir.path(), &connect);
    common::until("the peers know each other", || literal.counters().connected == 1);
    for record in [&dated, &plain, &old] {
        literal.send_record(record);
    }
    literal.send(target, b"the last");
    let texts: Vec<_> = node.until_messages(3).iter().map(|message| message["text"].clone()).collect();
    assert_eq!(texts, ["dated", "plain", "the last"]);
    let expired = || node.http_call("nodestatus", &json!({}))["counters"]["expired"] == 1;
    common::until("the old record was dropped", expired);
}
