use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{TestNode, daemon, linked, until};

async fn export(node: &TestNode) -> Vec<Value> {
    node.done("exportmessages", json!({})).await["messages"].as_array().unwrap().clone()
}

#[tokio::test]
async fn what_is_exported_comes_back_in_another_log_and_only_once() {
    let (from, to) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let node = TestNode::start(&from).await;
    let wallet = daemon(&node).await;
    linked(&node, 1).await;
    until("HELLO", || async { wallet.send_message("gute Nacht".as_bytes()) == 1 }).await;
    until("the text", || async { export(&node).await.len() == 1 }).await;
    node.done("identitynew", json!({ "nick": "raven" })).await;
    node.done("listen", json!({ "name": "#demo" })).await;
    node.done("sendmessage", json!({ "name": "#demo", "text": "signed" })).await;
    node.done("sendmessage", json!({ "name": "#demo", "text": "plain", "plain": true })).await;
    until("three messages", || async { export(&node).await.len() == 3 }).await;
    let exported = export(&node).await;
    let of_channel = node.done("exportmessages", json!({ "name": "#demo", "limit": 1 })).await;
    assert_eq!(of_channel["messages"].as_array().unwrap(), &exported[1..2]);
    node.stop().await;

    let node = TestNode::start(&to).await;
    let messages = json!({ "messages": exported });
    assert_eq!(node.done("importmessages", messages.clone()).await, json!({ "came": 3, "there": 0 }));
    assert_eq!(node.done("importmessages", messages).await, json!({ "came": 0, "there": 3 }));
    let came = export(&node).await;
    assert_eq!(came[0], exported[0]);
    assert_eq!(came[2], exported[2]);
    // It had no peer, and waits for none here.
    assert_eq!((&exported[1]["delivery"], &came[1]["delivery"]), (&json!("queued"), &json!("failed")));
    assert!(came[1]["delivery_error"].as_str().unwrap().contains("send it again"), "{}", came[1]);
    assert_eq!(node.done("outbox", json!({})).await, json!([]));
    assert_eq!(node.done("whois", json!({ "who": "@raven", "look": false })).await, json!([]));
    node.stop().await;
}

#[tokio::test]
async fn a_log_comes_as_it_was_whatever_is_ignored_or_was_erased() {
    let dir = TempDir::new().unwrap();
    let node = TestNode::start(&dir).await;
    node.done("sendmessage", json!({ "name": "#demo", "text": "free coins" })).await;
    until("it is there", || async { export(&node).await.len() == 1 }).await;
    let mut exported = export(&node).await;
    exported[0]["own"] = json!(false);
    exported[0].as_object_mut().unwrap().retain(|name, _| !name.starts_with("delivery"));
    node.done("ignore", json!({ "what": "word:coins" })).await;
    assert_eq!(node.done("erase", json!({ "all": true })).await, json!({ "erased": 1 }));
    let came = node.done("importmessages", json!({ "messages": exported })).await;
    assert_eq!(came, json!({ "came": 1, "there": 0 }));
    assert_eq!(export(&node).await[0]["record"], exported[0]["record"]);
    node.stop().await;
}

#[tokio::test]
async fn of_messages_one_of_which_is_none_nothing_is_taken_in() {
    let dir = TempDir::new().unwrap();
    let node = TestNode::start(&dir).await;
    let good = json!({ "received": 1, "own": false, "peer": "127.0.0.1:4004", "text": "61" });
    let messages = json!({ "messages": [good, { "received": 1 }] });
    let why = node.refused(-32602, "importmessages", messages).await;
    assert_eq!(why, r#"parameter "messages": message 2: member "own" is missing"#);
    let why = node.refused(-32602, "importmessages", json!({ "messages": vec![json!({}); 1001] })).await;
    assert!(why.contains("1001 items are given, an array of up to 1000 objects is wanted"), "{why}");
    assert_eq!(export(&node).await, Vec::<Value>::new());
    node.stop().await;
}
