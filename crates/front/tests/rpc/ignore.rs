use serde_json::json;
use tempfile::TempDir;

use crate::TestNode;

/// The chat key of nobody here.
const STRANGER: &str = "~8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c";

#[tokio::test]
async fn what_is_ignored_is_kept_in_one_form_and_listed_until_it_is_read_again() {
    let dir = TempDir::new().unwrap();
    let node = TestNode::start(&dir).await;
    assert_eq!(node.done("ignored", json!({})).await, json!([]));
    for (typed, kept) in
        [("word:Airdrop *", "word:airdrop *"), ("Magpie", "@magpie"), ("1234", "1234-44"), (&STRANGER[1..], STRANGER)]
    {
        assert_eq!(node.done("ignore", json!({"what": typed})).await, json!({"what": kept, "added": true}));
        assert_eq!(node.done("ignore", json!({"what": kept})).await, json!({"what": kept, "added": false}));
    }
    let all = [STRANGER, "1234-44", "@magpie", "word:airdrop *"];
    assert_eq!(node.done("ignored", json!({})).await, json!(all.map(|what| json!({"what": what}))));
    for what in all {
        assert_eq!(node.done("unignore", json!({"what": what})).await, json!({"what": what, "removed": true}));
        assert_eq!(node.done("unignore", json!({"what": what})).await, json!({"what": what, "removed": false}));
    }
    assert_eq!(node.done("ignored", json!({})).await, json!([]));
    node.stop().await;
}

#[tokio::test]
async fn what_is_dropped_is_counted_and_what_cannot_be_ignored_is_refused() {
    let dir = TempDir::new().unwrap();
    let node = TestNode::start(&dir).await;
    assert_eq!(node.done("nodestatus", json!({})).await["messages"]["ignored"], 0);
    let own = node.done("identitynew", json!({})).await;
    assert!(node.refused(-32602, "ignore", json!({"what": own["key"]})).await.contains("of this node"));
    assert!(node.refused(-32602, "ignore", json!({"what": "#den"})).await.contains("`part`"));
    assert!(node.refused(-32602, "ignore", json!({"what": "word:*"})).await.contains("match everything"));
    let long = node.refused(-32602, "unignore", json!({"what": "x".repeat(10_000)})).await;
    assert!(long.len() < 200, "{long}");
    node.stop().await;
}
