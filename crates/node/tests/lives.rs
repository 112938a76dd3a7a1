//! How nodes begin and end, and how little two in one process have to do with each other.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs, reason = "a test may fail loudly")]

mod link_common;
mod node_common;

use std::time::Duration;

use link_common::{Raw, narrow};
use nightjar_node::data_dir::DataDir;
use nightjar_node::engine::Node;
use nightjar_node::handle::PublishError;
use nightjar_node::message::Draft;
use node_common::{PATIENCE, TestNode};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

const RECORDS: u8 = 2;
const BYE: u8 = 6;
/// What a stop may take at the very most: a service manager kills sooner or later.
const STOP: Duration = Duration::from_millis(Node::stop_ms_max() + 2_000);

fn draft(text: &str) -> Draft {
    Draft::text("#demo".parse().unwrap(), text)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_nodes_in_one_process_have_nothing_in_common() {
    let (one, two) = (TestNode::start(&[]).await, TestNode::start(&[]).await);
    let (about, other) = (one.handle().about().clone(), two.handle().about().clone());
    assert!(about.node_key != other.node_key && about.listen != other.listen && about.data_dir != other.data_dir);
    one.listen("#demo").await;
    two.listen("#other").await;
    one.say("#demo", "to myself").await;
    two.say("#other", "to myself too").await;
    assert_eq!(one.texts(1).await, ["to myself"]);
    assert_eq!(two.texts(1).await, ["to myself too"]);
    assert_eq!(one.handle().listens().await.unwrap().len(), 1);
    two.clock.step(3_600_000);
    assert!(one.clock.wall().0 + 3_000_000 < two.clock.wall().0);
    one.stop().await;
    two.say("#other", "still here").await;
    assert_eq!(two.texts(2).await, ["to myself too", "still here"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_stops_says_bye_on_every_link() {
    let node = TestNode::start(&[]).await;
    let mut peers = Vec::new();
    for seed in 1..=5 {
        peers.push(Raw::connect(seed, TcpStream::connect(node.handle().about().listen).await.unwrap()).await);
    }
    node.linked(5).await;
    // What was said last goes out before.
    node.say("#demo", "the last words").await;
    let stopping = tokio::spawn(node.stop());
    for peer in &mut peers {
        while peer.hear().await {}
        let frames = peer.frames();
        assert_eq!(frames.iter().filter(|kind| **kind == RECORDS).count(), 1);
        assert_eq!(frames.last(), Some(&BYE), "{frames:?}");
    }
    drop(peers);
    timeout(STOP, stopping).await.expect("it stops").unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_does_not_read_cannot_keep_a_node_from_stopping() {
    let node = TestNode::start(&[]).await;
    let stuck = Raw::connect(1, narrow(node.handle().about().listen).await).await;
    node.linked(1).await;
    let handle = node.handle().clone();
    // More than its socket takes, and somebody waits to send still more.
    let publishing = tokio::spawn(async move {
        loop {
            let drafts = (0..1000).map(|number| draft(&format!("{number} {}", "x".repeat(200)))).collect();
            if let Err(error) = handle.publish_all(drafts).await {
                return error;
            }
        }
    });
    node.until(|status| status.counters.published >= 4000).await;
    // A handshake that never ends is no obstacle either.
    let _half_open = TcpStream::connect(node.handle().about().listen).await.unwrap();
    let temp = timeout(STOP, node.stop()).await.expect("it stops");
    assert_eq!(timeout(PATIENCE, publishing).await.unwrap().unwrap(), PublishError::Stopping);
    drop(stuck);
    assert!(DataDir::open(&temp.path().join("data")).is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_is_dropped_ends_as_one_that_is_stopped() {
    let peer = TestNode::start(&[]).await;
    let TestNode { node, dir, temp, .. } = TestNode::start(&[peer.tls()]).await;
    let handle = node.handle().clone();
    peer.linked(1).await;
    handle.publish(draft("the last words")).await.unwrap();
    drop(node);
    peer.linked(0).await;
    let ended = async {
        while handle.publish(draft("x")).await.is_ok() {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, ended).await.expect("it ends");
    // Its port is free again.
    let listen = handle.about().listen;
    let port = async {
        while std::net::TcpListener::bind(listen).is_err() {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, port).await.expect("nobody listens any more");
    drop(dir);
    let again = TestNode::start_in(temp, &[peer.tls()], |_| {}).await;
    peer.linked(1).await;
    again.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_that_still_lives_is_delivered_once_whatever_happens_to_the_node() {
    let sender = TestNode::start(&[]).await;
    let mut temp = tempfile::tempdir().unwrap();
    let record = {
        let now = sender.clock.wall().unix_s();
        let target = "#demo".parse::<nightjar_core::name::TypedName>().unwrap().targets()[0];
        nightjar_core::record::Record::dated(target, b"once", now + 600, 0, [7; 8]).unwrap()
    };
    // With what was seen on disk, and without, as after a kill: then the log knows.
    for (round, forgets) in [false, false, true].into_iter().enumerate() {
        let node = TestNode::start_in(temp, &[], |_| {}).await;
        node.listen("#demo").await;
        let mut raw = Raw::connect(9, TcpStream::connect(node.handle().about().listen).await.unwrap()).await;
        node.linked(1).await;
        let mut frame = vec![2, 0];
        frame.extend_from_slice(&u32::try_from(4 + record.bytes().len()).unwrap().to_le_bytes()[..3]);
        frame.extend([1, 0, 0, 0]);
        frame.extend(record.bytes());
        raw.channel.write(&frame);
        raw.flush().await;
        node.until(|status| status.counters.received == 1).await;
        node.say("#demo", &format!("round {round}")).await;
        let texts = node.texts(2 + round).await;
        assert_eq!(texts.iter().filter(|text| *text == "once").count(), 1, "{texts:?}");
        assert_eq!(texts.len(), 2 + round);
        drop(raw);
        temp = node.stop().await;
        if forgets || round == 1 {
            std::fs::remove_file(temp.path().join("data").join("seen")).unwrap();
        }
    }
}
