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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_neighbour_that_keeps_one_hour_gives_that_hour_and_another_the_rest() {
    let short = |config: &mut Checked| {
        unpaced(config);
        config.window = Some(WindowLimits { hours: 1, ..WindowLimits::default() });
    };
    let near = TestNode::start_with(&[], short).await;
    let far = TestNode::start_with(&[near.tls()], unpaced).await;
    near.linked(1).await;
    let mut said = 0;
    for hour in 0..6 {
        say_many(&near, (0..50).map(|number| format!("{hour}: {number}"))).await;
        said += 50;
        far.until(|status| status.counters.accepted == said).await;
        for node in [&near, &far] {
            node.clock.step(HOUR_MS);
        }
    }
    holds(&far, said).await;
    let off = TestNode::start_at(tempfile::tempdir().unwrap(), &[near.tls()], 6 * HOUR_MS, unpaced).await;
    off.listen("#a").await;
    // Expiries of two hours at the most lie in one hour back.
    let status = until(&off, |status| status.completed >= 2 && status.exchanges.is_empty()).await;
    assert!(held(&status) <= 100, "{status:?}");
    let add = off.handle().add_peer(far.tls()).await;
    assert_eq!(add, Some(true));
    holds(&off, said).await;
    assert_eq!(off.messages(usize::try_from(said).unwrap()).await.len() as u64, said);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_a_network_was_split_old_records_go_on_from_one_to_the_next() {
    // Two and two; the inner ones meet.
    let left = TestNode::start_with(&[], unpaced).await;
    let left_inner = TestNode::start_with(&[left.tls()], unpaced).await;
    let right = TestNode::start_with(&[], unpaced).await;
    let right_inner = TestNode::start_with(&[right.tls()], unpaced).await;
    let all = [&left, &left_inner, &right_inner, &right];
    for node in all {
        node.listen("#a").await;
        node.linked(1).await;
    }
    for hour in 0..3 {
        say_many(&left, (0..20).map(|number| format!("left {hour}: {number}"))).await;
        say_many(&right, (0..20).map(|number| format!("right {hour}: {number}"))).await;
        for node in all {
            node.messages(20 * (hour + 1)).await;
            node.clock.step(HOUR_MS);
        }
    }
    for node in all {
        holds(node, 60).await;
    }
    left_inner.handle().add_peer(right_inner.tls()).await.unwrap();
    for node in all {
        holds(node, 120).await;
        assert_eq!(node.messages(120).await.len(), 120);
    }
    // Nothing of it was flooded: its time is past.
    assert_eq!(left.handle().status().counters.expired, 0);
    assert_eq!(left.handle().status().counters.delivered, 60);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_that_is_joined_later_shows_what_was_said_there_also_after_a_restart() {
    let near = TestNode::start(&[]).await;
    let far = TestNode::start(&[near.tls()]).await;
    near.linked(1).await;
    near.say("#a", "old").await;
    near.say("#b", "elsewhere").await;
    far.until(|status| status.counters.accepted == 2).await;
    far.listen("#a").await;
    assert_eq!(far.texts(1).await, ["old"]);
    near.say("#a", "new").await;
    assert_eq!(far.texts(2).await, ["old", "new"]);
    let temp = far.stop().await;
    near.stop().await;
    let far = TestNode::start_in(temp, &[], |_| {}).await;
    far.listen("#b").await;
    assert_eq!(far.texts(3).await, ["old", "new", "elsewhere"]);
    holds(&far, 3).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_lost_the_window_but_not_the_log_is_no_newcomer_and_fetches_what_is_older_than_a_day() {
    let near = TestNode::start_at(tempfile::tempdir().unwrap(), &[], -72 * HOUR_MS, unpaced).await;
    near.say("#a", "three days ago").await;
    holds(&near, 1).await;
    near.clock.step(72 * HOUR_MS);
    let far = TestNode::start(&[near.tls()]).await;
    far.listen("#a").await;
    until(&far, |status| status.completed >= 2 && status.exchanges.is_empty()).await;
    far.say("#a", "today").await;
    assert_eq!(far.texts(1).await, ["today"], "it is new");
    let temp = far.stop().await;
    std::fs::write(temp.path().join("data/window.db"), "garbage, by whatever happened to the disk. ".repeat(1000))
        .unwrap();
    let far = TestNode::start_in(temp, &[near.tls()], |_| {}).await;
    let mut texts = far.texts(2).await;
    texts.sort_unstable();
    assert_eq!(texts, ["three days ago", "today"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn history_does_not_wait_for_what_is_still_alive() {
    let near = TestNode::start_at(tempfile::tempdir().unwrap(), &[], -2 * HOUR_MS, unpaced).await;
    say_many(&near, (0..500).map(|number| format!("old {number}"))).await;
    near.clock.step(2 * HOUR_MS);
    say_many(&near, (0..5_000).map(|number| format!("alive {number}"))).await;
    holds(&near, 5_500).await;
    // Within its budgets it takes fifty of these a second from a lone neighbour, so they are far from all when the old ones are there.
    let far = TestNode::start(&[near.tls()]).await;
    let status = until(&far, |status| status.late == 500).await;
    assert!(status.missing > 0, "{status:?}");
    let status = until(&far, |status| status.exchanges.is_empty()).await;
    assert!(status.missing > 0, "what waits is known to be missing: {status:?}");
    assert_eq!(far.handle().status().counters.over_budget, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_window_that_is_damaged_anywhere_is_made_anew_and_filled_again() {
    let near = TestNode::start(&[]).await;
    say_many(&near, (0..30).map(|number| number.to_string())).await;
    holds(&near, 30).await;
    // The header, what is noted, records, their targets: each in a page of its own.
    let pages = (0..PAGES).map(|page| {
        let near = near.tls();
        tokio::spawn(async move { spoil_a_page(near, page).await })
    });
    for page in pages.collect::<Vec<_>>() {
        page.await.unwrap();
    }
}

/// Pages of a window of few records.
const PAGES: usize = 5;

async fn spoil_a_page(near: Address, page: usize) {
    let far = TestNode::start_with(std::slice::from_ref(&near), unpaced).await;
    until(&far, |status| held(status) == 30).await;
    let temp = far.stop().await;
    let path = temp.path().join("data/window.db");
    let mut bytes = std::fs::read(&path).unwrap();
    assert_eq!(bytes.len(), PAGES * 4096);
    bytes[4096 * page..4096 * (page + 1)].fill(0x5a);
    std::fs::write(path, bytes).unwrap();
    let far = TestNode::start_in(temp, &[near], unpaced).await;
    far.listen("#a").await;
    assert_eq!(far.messages(30).await.len(), 30, "page {page}");
    let status = until(&far, |status| held(status) == 30).await;
    assert_eq!(status.problem, None, "page {page}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_without_a_window_neither_gives_nor_takes_and_its_neighbours_do_not_mind() {
    let none = |config: &mut Checked| config.window = None;
    let near = TestNode::start(&[]).await;
    let far = TestNode::start_with(&[near.tls()], none).await;
    far.listen("#a").await;
    near.linked(1).await;
    assert!(far.handle().window().is_none());
    near.say("#a", "said").await;
    assert_eq!(far.texts(1).await, ["said"]);
    assert_eq!(window(&near).exchanges, []);
    assert_eq!(near.handle().status().connections[0].counters.fault_points, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_small_window_keeps_its_shares_and_the_newest() {
    let small = |config: &mut Checked| {
        unpaced(config);
        config.window = Some(WindowLimits { hours: 168, bytes_max: 1 << 20 });
    };
    let near = TestNode::start_with(&[], small).await;
    // Some 190 bytes each: the quarter for records without work holds about 1,400.
    say_many(&near, (0..4_000).map(|number| format!("{number}: one of very many that are said at once"))).await;
    let status = until(&near, |status| held(status) > 500 && status.bytes[1] <= 1 << 18).await;
    assert!(held(&status) < 2_000, "{status:?}");
    assert_eq!(status.records[0], 0);
    let temp = near.stop().await;
    let near = TestNode::start_in(temp, &[], small).await;
    let again = until(&near, |again| !again.loading && held(again) >= held(&status)).await;
    assert!(again.bytes[1] <= 1 << 18, "{again:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_that_jumps_and_comes_back_empties_no_window() {
    let near = TestNode::start(&[]).await;
    say_many(&near, (0..50).map(|number| number.to_string())).await;
    holds(&near, 50).await;
    for years in [10, -20, 10] {
        near.clock.step(years * 365 * 24 * HOUR_MS);
        near.say("#a", "in another time").await;
    }
    let status = until(&near, |status| held(status) >= 51).await;
    assert_eq!(status.problem, None);
    let temp = near.stop().await;
    // A restart with a clock that is years ahead believes it, as a node must that was off for long: the log is not touched by it.
    let near = TestNode::start_at(temp, &[], 10 * 365 * 24 * HOUR_MS, |_| {}).await;
    until(&near, |status| !status.loading).await;
}
