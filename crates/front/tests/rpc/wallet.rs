use serde_json::json;
use tempfile::TempDir;

use crate::{TestNode, daemon, linked, until};

#[tokio::test]
async fn a_wallet_that_is_not_linked_gets_no_text_and_the_answer_says_how_to_link_it() {
    let dir = TempDir::new().unwrap();
    let node = TestNode::start(&dir).await;
    for addr in ["127.0.0.1:4004", "pascal://127.0.0.1:4004"] {
        let message = node.refused(1010, "sendwallet", json!({"addr": addr, "text": "x"})).await;
        assert!(message.contains("addnode"), "{message}");
    }
    let message = node.refused(-32602, "sendwallet", json!({"addr": "wallet.example:4004", "text": "x"})).await;
    assert!(message.contains("is a host name"), "{message}");
    node.stop().await;
}

#[tokio::test]
async fn texts_cross_the_bridge_and_stand_in_the_log_with_the_wallets_address() {
    let dir = TempDir::new().unwrap();
    let node = TestNode::start(&dir).await;
    let wallet = daemon(&node).await;
    let addr = wallet.address().to_string();
    linked(&node, 1).await;
    until("HELLO", || async { wallet.send_message("gute Nacht, schöne Welt".as_bytes()) == 1 }).await;
    let came = node.done("getmessages", json!({"wait_s": 60})).await;
    let message = &came["messages"][0];
    assert_eq!((&message["bridge"], &message["own"]), (&json!(addr), &json!(false)));
    assert_eq!(message["text"], "gute Nacht, schöne Welt");
    assert!(message.get("msgid").is_none() && message.get("target").is_none(), "{message}");

    let sent = node.done("sendwallet", json!({"addr": addr, "text": "sleep well"})).await;
    assert_eq!(sent, json!({"queued": true}));
    until("the text", || async { wallet.counters().messages == [b"sleep well".to_vec()] }).await;
    let log = node.done("getmessages", json!({"since": 1, "wait_s": 60})).await;
    let message = &log["messages"][0];
    assert_eq!((&message["bridge"], &message["own"]), (&json!(addr), &json!(true)));
    assert_eq!((&message["seq"], &message["text"]), (&json!(2), &json!("sleep well")));

    let message = node.refused(1016, "sendwallet", json!({"addr": addr, "text": "x".repeat(1001)})).await;
    assert!(message.contains("1001 bytes"), "{message}");
    for _ in 0..5 {
        node.done("sendwallet", json!({"addr": addr, "text": "again"})).await;
    }
    let message = node.refused(1022, "sendwallet", json!({"addr": addr, "text": "once too often"})).await;
    assert!(message.contains("try again later"), "{message}");
    node.stop().await;
}
