use serde_json::json;
use tempfile::TempDir;

use crate::{TestNode, until};

#[tokio::test]
async fn a_peer_that_is_added_is_linked_and_both_ends_show_it() {
    let dirs = [TempDir::new().unwrap(), TempDir::new().unwrap()];
    let (a, b) = (TestNode::start(&dirs[0]).await, TestNode::start(&dirs[1]).await);
    assert_eq!(a.done("getconnections", json!({})).await, json!([]));
    let added = a.done("addnode", json!({"addr": b.address()})).await;
    assert_eq!(added, json!({"addr": b.address(), "added": true}));
    for (node, peer, outbound) in [(&a, &b, true), (&b, &a, false)] {
        until("the link", || async { node.done("getconnections", json!({})).await != json!([]) }).await;
        let links = node.done("getconnections", json!({})).await;
        let link = &links[0];
        assert_eq!(links.as_array().unwrap().len(), 1);
        assert_eq!((&link["kind"], &link["outbound"]), (&json!("tls"), &json!(outbound)));
        assert_eq!(link["node_key"], peer.node.handle().about().node_key.to_string());
        assert_eq!(link["carries"], "records");
        if outbound {
            assert_eq!(link["addr"], peer.address());
        }
    }
    assert_eq!(a.done("nodestatus", json!({})).await["connections"], 1);
    assert_eq!(a.done("addnode", json!({"addr": b.address()})).await["added"], false);
    a.stop().await;
    b.stop().await;
}

#[tokio::test]
async fn an_address_that_cannot_be_dialled_is_named() {
    let dir = TempDir::new().unwrap();
    let node = TestNode::start(&dir).await;
    for addr in ["nowhere", "127.0.0.1", "127.0.0.1:0", "udp://127.0.0.1:1", ""] {
        let message = node.refused(-32602, "addnode", json!({"addr": addr})).await;
        assert!(message.starts_with("parameter \"addr\": address "), "{message}");
    }
    node.stop().await;
}
