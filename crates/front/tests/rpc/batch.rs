use serde_json::{Value, json};
use tempfile::TempDir;

use crate::TestNode;

#[tokio::test]
async fn a_batch_listens_sends_and_waits_for_what_it_sent() {
    let dir = TempDir::new().unwrap();
    let node = TestNode::start(&dir).await;
    let batch = json!([
        {"jsonrpc": "2.0", "method": "listen", "params": {"name": "#night"}},
        {"jsonrpc": "2.0", "method": "sendmessage", "params": {"name": "#night", "text": "x"}, "id": 1},
        {"jsonrpc": "2.0", "method": "sendmessage", "params": {"name": "#night", "text": "x".repeat(70_000)}, "id": 2},
        {"jsonrpc": "2.0", "method": "getmessages", "params": {"wait_s": 60}, "id": 3},
    ]);
    let (status, body) = node.post(&batch.to_string()).await;
    let answers: Value = serde_json::from_str(&body).unwrap();
    assert_eq!((status, answers.as_array().unwrap().len()), (200, 3));
    assert_eq!(answers[1]["error"]["code"], 1016);
    assert_eq!(answers[2]["result"]["messages"][0]["msgid"], answers[0]["result"]["msgid"]);
    node.stop().await;
}

#[tokio::test]
async fn a_thousand_messages_in_one_batch_are_all_sent() {
    let dir = TempDir::new().unwrap();
    let node = TestNode::start(&dir).await;
    let one = |id: u64| {
        let params = json!({"name": "#night", "text": format!("message {id}")});
        json!({"jsonrpc": "2.0", "method": "sendmessage", "params": params, "id": id})
    };
    let (status, body) = node.post(&Value::Array((1..=1000).map(one).collect()).to_string()).await;
    assert_eq!(status, 200);
    let answers: Vec<Value> = serde_json::from_str(&body).unwrap();
    assert!(answers.iter().zip(1..).all(|(answer, id): (_, u64)| answer["id"] == id && answer.get("result").is_some()));
    node.stop().await;
}
