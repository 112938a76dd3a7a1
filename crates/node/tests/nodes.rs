//! Whole nodes and what they say to each other.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs, reason = "a test may fail loudly")]

mod node_common;

use node_common::TestNode;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_line_of_three_nodes_carries_a_text_once() {
    let one = TestNode::start(&[]).await;
    let two = TestNode::start(&[one.tls()]).await;
    let three = TestNode::start(&[two.tls()]).await;
    three.listen("#demo").await;
    one.listen("#demo").await;
    two.linked(2).await;
    one.say("#demo", "across two links").await;
    assert_eq!(three.texts(1).await, ["across two links"]);
    let own = one.messages(1).await;
    assert!(own[0].own && own[0].name.as_deref() == Some("#demo"));
    for node in [one, two, three] {
        node.stop().await;
    }
}
