use serde_json::json;
use tempfile::TempDir;

use crate::TestNode;

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
