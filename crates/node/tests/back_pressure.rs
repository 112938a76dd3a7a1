//! Who publishes more than neighbours take waits, loses nothing, and is not held up by the slowest of several.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs, reason = "a test may fail loudly")]

mod link_common;
mod node_common;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use link_common::{Raw, narrow};
use nightjar_node::handle::Handle;
use nightjar_node::message::Draft;
use node_common::{PATIENCE, TestNode};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

/// Several times what outbox and sockets hold.
const BATCHES: usize = 30;
const BATCH: usize = 1000;

/// Publishes all of it; the counter says how much is through.
fn publish(handle: Handle) -> (Arc<AtomicUsize>, JoinHandle<()>) {
    let through = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&through);
    let task = tokio::spawn(async move {
        for batch in 0..BATCHES {
            let draft = |number| {
                let text = format!("{} {}", batch * BATCH + number, "x".repeat(200));
                Draft::text("#demo".parse().unwrap(), &text)
            };
            let receipts = handle.publish_all((0..BATCH).map(draft).collect()).await.unwrap();
            counter.fetch_add(receipts.len(), Ordering::Relaxed);
        }
    });
    (through, task)
}

/// Reads until so many records came, and says how many different ones they were.
async fn read(raw: &mut Raw, count: usize) -> usize {
    let mut ids = std::collections::BTreeSet::new();
    let mut came = 0;
    while came < count {
        came += take(raw, &mut ids);
        if came < count {
            assert!(raw.hear().await, "the link ended after {came} records");
        }
    }
    ids.len()
}

/// Takes the whole frames out of what was heard, and counts the records in them.
fn take(raw: &mut Raw, ids: &mut std::collections::BTreeSet<Vec<u8>>) -> usize {
    let (mut at, mut came) = (0, 0);
    let bytes = std::mem::take(&mut raw.heard);
    while let [kind, _, a, b, c, ..] = bytes[at..] {
        let end = at + 5 + u32::from_le_bytes([a, b, c, 0]) as usize;
        let Some(body) = bytes.get(at + 5..end) else { break };
        if kind == 2 {
            let mut records = &body[2..];
            while !records.is_empty() {
                let (record, used) = nightjar_core::record::Record::parse(&records[2..]).unwrap();
                ids.insert(record.msg_id().0.to_vec());
                came += 1;
                records = &records[2 + used..];
            }
        }
        at = end;
    }
    raw.heard = bytes[at..].to_vec();
    came
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_neighbour_that_reads_slowly_slows_publishers_and_loses_nothing() {
    let node = TestNode::start(&[]).await;
    let mut slow = Raw::connect(1, narrow(node.handle().about().listen).await).await;
    node.linked(1).await;
    let (through, publishing) = publish(node.handle().clone());
    node.until(|status| status.counters.published >= 4 * BATCH as u64).await;
    assert!(through.load(Ordering::Relaxed) < BATCHES * BATCH, "it is held up");
    let different = tokio::time::timeout(PATIENCE, read(&mut slow, BATCHES * BATCH)).await.expect("all comes");
    assert_eq!(different, BATCHES * BATCH);
    publishing.await.unwrap();
    node.until(|status| status.counters.published == (BATCHES * BATCH) as u64).await;
    assert_eq!(node.handle().status().counters.congested, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_neighbour_that_does_not_read_holds_up_neither_publishers_nor_the_others() {
    let node = TestNode::start(&[]).await;
    let stuck = Raw::connect(1, narrow(node.handle().about().listen).await).await;
    let mut quick = Raw::connect(2, TcpStream::connect(node.handle().about().listen).await.unwrap()).await;
    node.linked(2).await;
    let (_, publishing) = publish(node.handle().clone());
    let different = tokio::time::timeout(PATIENCE, read(&mut quick, BATCHES * BATCH)).await.expect("all comes");
    assert_eq!(different, BATCHES * BATCH);
    publishing.await.unwrap();
    node.until(|status| status.counters.congested > 0).await;
    drop(stuck);
}
