//! Signed records over real sockets: who sends forgeries without end holds nobody up, and none of them goes anywhere.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs, reason = "a test may fail loudly")]

mod link_common;
mod node_common;

use link_common::Raw;
use nightjar_core::chain::Network;
use nightjar_core::name::TypedName;
use nightjar_core::record::{Record, Target};
use nightjar_core::time::Wall;
use nightjar_envelope::key::ChatSecret;
use nightjar_envelope::sign::{OuterForm, sign};
use nightjar_envelope::{CODING, Place};
use nightjar_node::config::Checked;
use nightjar_node::message::Content;
use node_common::TestNode;
use tokio::net::TcpStream;
use zeroize::Zeroizing;

const FORGERIES: u64 = 10_000;
const HONEST: u64 = 20;
/// Records in one frame: 64 KiB hold some more.
const FRAME_RECORDS: usize = 250;

fn target() -> Target {
    "#demo".parse::<TypedName>().unwrap().targets()[0]
}

/// A record that is signed in clear; a forgery has another text than the one that was signed.
fn signed(now: Wall, number: u64, is_good: bool) -> Record {
    let secret = ChatSecret::from_seed(&Zeroizing::new([1; 32]));
    let place = Place { network: Network::Main, target: target(), expiry: now.unix_s() + 600 };
    let mut map = number.to_le_bytes().to_vec();
    let signature = sign(&secret, &place, OuterForm::Clear, &map);
    if !is_good {
        map[7] ^= 0x80;
    }
    let body = [&[OuterForm::Clear as u8], secret.public().as_bytes().as_slice(), &signature, &map].concat();
    Record::dated(target(), &body, place.expiry, CODING, number.to_le_bytes()).unwrap()
}

/// Sends records in frames of a TLS link.
async fn send(raw: &mut Raw, records: &[Record]) {
    for records in records.chunks(FRAME_RECORDS) {
        let mut body = u16::try_from(records.len()).unwrap().to_le_bytes().to_vec();
        for record in records {
            body.extend([0, 0]);
            body.extend(record.bytes());
        }
        let [a, b, c, _] = u32::try_from(body.len()).unwrap().to_le_bytes();
        raw.channel.write(&[&[2, 0, a, b, c][..], &body].concat());
        raw.flush().await;
    }
}

struct Street {
    near: TestNode,
    far: TestNode,
    attacker: Raw,
    honest: Raw,
}

/// A node with a node behind it, and two peers of the first that say what they like.
async fn street(change: fn(&mut Checked)) -> Street {
    let near = TestNode::start_with(&[], change).await;
    let far = TestNode::start_with(&[near.tls()], change).await;
    near.listen("#demo").await;
    far.listen("#demo").await;
    let raw = async |seed| Raw::connect(seed, TcpStream::connect(near.handle().about().listen).await.unwrap()).await;
    let (attacker, honest) = (raw(8).await, raw(9).await);
    near.linked(3).await;
    Street { near, far, attacker, honest }
}

/// The honest records arrive, and nothing else does.
async fn only_honest(node: &TestNode, honest: &[Record]) {
    let messages = node.messages(honest.len()).await;
    let mut came: Vec<_> = messages
        .into_iter()
        .map(|message| match message.content {
            Content::Record(record) => record,
            Content::Wallet { .. } => panic!("nobody has a wallet"),
        })
        .collect();
    came.sort_by_key(Record::msg_id);
    let mut honest = honest.to_vec();
    honest.sort_by_key(Record::msg_id);
    assert!(came == honest);
}

async fn forgeries_hold_nobody_up(change: fn(&mut Checked)) -> Street {
    let Street { near, far, mut attacker, mut honest } = street(change).await;
    let now = near.clock.wall();
    let forgeries: Vec<_> = (0..FORGERIES).map(|number| signed(now, number, false)).collect();
    let records: Vec<_> = (0..HONEST).map(|number| signed(now, number, true)).collect();
    // Before the honest records, between them and behind them.
    let (first, rest) = forgeries.split_at(forgeries.len() / 2);
    let (few, others) = records.split_at(records.len() / 2);
    send(&mut attacker, first).await;
    send(&mut honest, few).await;
    send(&mut attacker, rest).await;
    send(&mut honest, others).await;
    only_honest(&near, &records).await;
    only_honest(&far, &records).await;
    // All of them were read before it is asked what became of them.
    near.until(|status| status.counters.received == FORGERIES + HONEST && status.counters.checks_waiting == 0).await;
    only_honest(&near, &records).await;
    far.until(|status| status.counters.received == HONEST && status.counters.accepted == HONEST).await;
    let status = near.handle().status();
    assert_eq!(status.counters.accepted, HONEST);
    assert_eq!(status.connections.len(), 3, "a relay may not check: it is no reason to let a peer go");
    assert!(status.connections.iter().all(|connection| connection.counters.fault_points == 0));
    Street { near, far, attacker, honest }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn forgeries_of_one_peer_hold_no_honest_record_up() {
    let street = forgeries_hold_nobody_up(|_| {}).await;
    let counters = street.near.handle().status().counters;
    assert!(counters.bad_signatures > 0 && counters.bad_signatures < FORGERIES / 2, "budgets bound it: {counters:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_budgets_every_forgery_is_checked_and_none_is_dropped_unseen() {
    let street = forgeries_hold_nobody_up(|config| config.budgets = None).await;
    let counters = street.near.handle().status().counters;
    assert_eq!((counters.checked, counters.bad_signatures), (FORGERIES + HONEST, FORGERIES));
    assert_eq!((counters.checks_over_budget, counters.checks_dropped), (0, 0), "who is too fast waits");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_forgery_that_comes_from_many_is_checked_once() {
    let Street { near, far, mut attacker, mut honest } = street(|_| {}).await;
    let forgery = [signed(near.clock.wall(), 1, false)];
    send(&mut attacker, &forgery).await;
    near.until(|status| status.counters.bad_signatures == 1).await;
    send(&mut honest, &forgery).await;
    send(&mut attacker, &forgery).await;
    near.until(|status| status.counters.bad_signatures == 3).await;
    assert_eq!(near.handle().status().counters.checked, 1);
    assert_eq!(far.handle().status().counters.received, 0);
}
