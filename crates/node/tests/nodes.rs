//! Whole nodes and what they say to each other.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs, reason = "a test may fail loudly")]

mod node_common;

use nightjar_core::time::Wall;
use nightjar_node::message::History;
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_node_said_is_read_as_it_is_shown_up_to_any_moment_but_none_that_is_still_to_come() {
    let node = TestNode::start(&[]).await;
    node.listen("#demo").await;
    node.say("#demo", "one").await;
    node.say("#demo", "two").await;
    let said = node.messages(2).await;
    let name = said[0].reading.clone().unwrap().conversation;
    let handle = node.handle();
    let history = History { conversations: vec![name.clone()], newest: true, limit: 10, ..History::default() };
    assert_eq!(handle.history(history).await.unwrap(), said);
    assert_eq!(handle.active_conversations(None, None, 10).await.unwrap(), [(name.clone(), said[1].shown())]);
    assert_eq!(handle.find_message(std::slice::from_ref(&name), &[0; 16]).await.unwrap(), None);
    assert_eq!(handle.unread(&name, 10).await.unwrap(), [], "what one says oneself is never unread");
    assert_eq!(handle.read_until(&name).await.unwrap(), None);
    let first = said[0].shown();
    assert_eq!(handle.mark_read_until(name.clone(), first).await.unwrap(), first);
    assert_eq!(handle.read_until(&name).await.unwrap(), Some(first));
    let now = handle.mark_read_until(name.clone(), Wall(u64::MAX)).await.unwrap();
    assert!((said[1].shown()..=node.clock.wall()).contains(&now), "{now:?}");
    assert_eq!(handle.mark_read_until(name.clone(), first).await.unwrap(), now);
    // Nothing was said there yet.
    assert_eq!(handle.mark_read_until("#never".to_owned(), first).await.unwrap(), first);
    assert_eq!(handle.read_until("#never").await.unwrap(), Some(first));
    assert_eq!(handle.conversations().await.unwrap()[0].read, said[1].seq);
    node.stop().await;
}
