use serde_json::json;
use tempfile::TempDir;

use crate::TestNode;

#[tokio::test]
async fn without_a_pascalcoin_peer_nobody_can_be_asked() {
    let dir = TempDir::new().unwrap();
    let node = TestNode::start(&dir).await;
    for account in [json!(1234), json!("1234"), json!("1234-44")] {
        let message = node.refused(1010, "getaccount", json!({"account": account})).await;
        assert!(message.contains("pascal://"), "{message}");
    }
    node.stop().await;
}

#[tokio::test]
async fn an_account_that_cannot_be_is_refused() {
    let dir = TempDir::new().unwrap();
    let node = TestNode::start(&dir).await;
    for (account, says) in [
        (json!("1234-45"), "1234-44 is the account"),
        (json!("nightraven"), "is no account number"),
        (json!(4_294_967_296_u64), "does not exist"),
        (json!(2_147_483_648_u64), "cannot be asked for"),
    ] {
        let message = node.refused(1002, "getaccount", json!({"account": account})).await;
        assert!(message.contains(says), "{message}");
    }
    node.refused(-32602, "getaccount", json!({})).await;
    node.stop().await;
}
