//! Whoever was off gets what he missed: whole nodes that compare their windows.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs, reason = "a test may fail loudly")]

mod node_common;

use nightjar_node::window::WindowStatus;

use node_common::{PATIENCE, TestNode};

/// Waits until the node's window fits.
async fn until(node: &TestNode, fits: impl Fn(&WindowStatus) -> bool) -> WindowStatus {
    let waited = async {
        loop {
            let status = node.handle().window().unwrap().status();
            if fits(&status) {
                return status;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    let result = tokio::time::timeout(PATIENCE, waited).await;
    result.unwrap_or_else(|_| panic!("it does not come: {:?}", node.handle().window().unwrap().status()))
}

fn held(status: &WindowStatus) -> u64 {
    status.records.iter().sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_said_while_a_node_was_off_is_there_when_it_comes_back() {
    let near = TestNode::start(&[]).await;
    let far = TestNode::start(&[near.tls()]).await;
    far.listen("#a").await;
    near.linked(1).await;
    near.say("#a", "before").await;
    assert_eq!(far.texts(1).await, ["before"]);
    let temp = far.stop().await;
    near.linked(0).await;
    for number in 0..300 {
        near.say("#a", &format!("meanwhile {number}")).await;
    }
    // What came a moment ago is still on its way by flood.
    until(&near, |status| held(status) == 301).await;
    let far = TestNode::start_in(temp, &[near.tls()], |_| {}).await;
    assert_eq!(far.texts(301).await.len(), 301);
    until(&far, |status| held(status) == 301 && status.exchanges.is_empty()).await;
}
