//! Whoever was off gets what he missed: whole nodes that compare their windows.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs, reason = "a test may fail loudly")]

mod node_common;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use nightjar_core::address::{Address, LinkKind};
use nightjar_node::config::Checked;
use nightjar_node::message::Draft;
use nightjar_node::window::{WindowLimits, WindowStatus};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};

use node_common::{PATIENCE, TestNode};

const HOUR_MS: i64 = 3_600_000;

fn window(node: &TestNode) -> WindowStatus {
    node.handle().window().unwrap().status()
}

/// Waits until the node's window fits.
async fn until(node: &TestNode, fits: impl Fn(&WindowStatus) -> bool) -> WindowStatus {
    let waited = async {
        while !fits(&window(node)) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let result = tokio::time::timeout(PATIENCE, waited).await;
    assert!(result.is_ok(), "it does not come: {:?}", window(node));
    window(node)
}

fn held(status: &WindowStatus) -> u64 {
    status.records.iter().sum()
}

/// Waits until so many records are held and compared, and nothing more is being fetched.
async fn holds(node: &TestNode, count: u64) {
    until(node, |status| held(status) == count && status.exchanges.is_empty()).await;
}

/// A node that lets everything through: a day's records come within seconds.
fn unpaced(config: &mut Checked) {
    config.budgets = None;
}

async fn say_many(node: &TestNode, texts: impl Iterator<Item = String>) {
    let drafts: Vec<_> = texts.map(|text| Draft::text("#a".parse().unwrap(), &text)).collect();
    for drafts in drafts.chunks(500) {
        node.handle().publish_all(drafts.to_vec()).await.unwrap();
    }
}

/// Hands connections on to a node, and counts what goes both ways.
struct Relay {
    address: Address,
    bytes: Arc<AtomicU64>,
}

impl Relay {
    async fn to(node: &TestNode) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let here = listener.local_addr().unwrap();
        let there = node.handle().about().listen;
        let bytes = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&bytes);
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let Ok(far) = TcpStream::connect(there).await else { continue };
                let ((near_in, near_out), (far_in, far_out)) = (near.into_split(), far.into_split());
                tokio::spawn(pass(near_in, far_out, Arc::clone(&counted)));
                tokio::spawn(pass(far_in, near_out, Arc::clone(&counted)));
            }
        });
        Self { address: Address::new(LinkKind::Tls, here.ip(), here.port()), bytes }
    }
}

async fn pass(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, bytes: Arc<AtomicU64>) {
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(count) = from.read(&mut buffer).await {
        bytes.fetch_add(count as u64, Ordering::Relaxed);
        if count == 0 || to.write_all(&buffer[..count]).await.is_err() {
            return;
        }
    }
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
    for number in 0..100 {
        near.say("#a", &format!("meanwhile {number}")).await;
    }
    // What came a moment ago is still on its way by flood.
    holds(&near, 101).await;
    let far = TestNode::start_in(temp, &[near.tls()], |_| {}).await;
    assert_eq!(far.texts(101).await.len(), 101);
    holds(&far, 101).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_day_off_twenty_thousand_records_come_with_hardly_more_bytes_than_they_have() {
    const RECORDS: u64 = 20_000;
    let one = TestNode::start_with(&[], unpaced).await;
    let other = TestNode::start_with(&[one.tls()], unpaced).await;
    let off = TestNode::start_with(&[one.tls()], unpaced).await;
    off.listen("#a").await;
    one.linked(2).await;
    one.say("#a", "before").await;
    assert_eq!(off.texts(1).await, ["before"]);
    let temp = off.stop().await;
    one.linked(1).await;
    for hour in 0..24 {
        let hourly = (RECORDS * hour / 24)..(RECORDS * (hour + 1) / 24);
        say_many(&one, hourly.map(|number| format!("{number}: what one says to all in an hour of the day"))).await;
        // What is on its way when the clock jumps would be too old.
        other.until(|status| status.counters.accepted > RECORDS * (hour + 1) / 24).await;
        one.clock.step(HOUR_MS);
        other.clock.step(HOUR_MS);
    }
    holds(&one, RECORDS + 1).await;
    holds(&other, RECORDS + 1).await;

    let relays = [Relay::to(&one).await, Relay::to(&other).await];
    let connect: Vec<_> = relays.iter().map(|relay| relay.address.clone()).collect();
    let off = TestNode::start_at(temp, &connect, 24 * HOUR_MS, unpaced).await;
    let status = until(&off, |status| held(status) == RECORDS + 1 && status.completed >= 4).await;
    assert_eq!(status.fetched, RECORDS, "nothing came twice");
    let bytes: u64 = relays.iter().map(|relay| relay.bytes.load(Ordering::Relaxed)).sum();
    // Each record but one that was there has as many bytes in the window, and 64 more.
    let missing = (status.bytes.iter().sum::<u64>() / (RECORDS + 1) - 64) * RECORDS;
    println!("{RECORDS} records of {missing} bytes came with {bytes} bytes: {:.3}", bytes as f64 / missing as f64);
    assert!(bytes <= missing / 10 * 12 + (64 << 10), "{bytes} bytes for {missing}");
    let log = async {
        while off.handle().status().seq <= RECORDS {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, log).await.expect("all are in the log");
}
