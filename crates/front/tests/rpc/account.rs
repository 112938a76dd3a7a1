use nightjar_core::chain::Network;
use nightjar_core::name::Name;
use nightjar_node::foreign::LiteralPeer;
use serde_json::json;
use tempfile::TempDir;

use crate::{TestNode, daemon, linked};

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

#[tokio::test]
async fn each_daemon_answers_for_itself() {
    let dir = TempDir::new().unwrap();
    let node = TestNode::start(&dir).await;
    let daemons = [daemon(&node).await, daemon(&node).await];
    linked(&node, 2).await;
    let answer = node.done("getaccount", json!({"account": 40})).await;
    assert_eq!(answer["account"], Name::Account(40).text());
    let answers = answer["answers"].as_array().unwrap();
    assert_eq!(answers.len(), 2);
    for said in answers {
        assert!(daemons.iter().any(|daemon| said["peer"] == format!("pascal://{}", daemon.address())), "{said}");
        assert_eq!((&said["agent"], &said["block"], &said["found"]), (&json!("5.8amLf64b"), &json!(534), &json!(true)));
        assert_eq!((&said["state"], &said["name"]), (&json!("normal"), &json!("pip38-test.chat")));
        assert_eq!((&said["balance"], &said["data"]), (&json!("99.9999"), &json!("C0FFEE")));
    }
    let answer = node.done("getaccount", json!({"account": 4_000_000})).await;
    assert_eq!(answer["answers"][0]["found"], false);
    node.stop().await;
}

#[tokio::test]
async fn a_peer_that_refuses_is_shown_with_its_reason() {
    let dir = TempDir::new().unwrap();
    let node = TestNode::start(&dir).await;
    let literal = LiteralPeer::bind("127.0.0.1:0".parse().unwrap(), Network::Main).await.unwrap();
    node.done("addnode", json!({"addr": format!("pascal://{}", literal.address())})).await;
    linked(&node, 1).await;
    let answer = node.done("getaccount", json!({"account": "1234-44"})).await;
    assert_eq!(answer["answers"].as_array().unwrap().len(), 1);
    assert_eq!(answer["answers"][0]["error"], "the peer refused the question (error 33)");
    node.stop().await;
}
