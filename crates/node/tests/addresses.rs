//! How nodes find each other, and what they remember of whom.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs, reason = "a test may fail loudly")]

mod link_common;
mod node_common;

use link_common::Raw;
use nightjar_core::address::{Address, LinkKind};
use nightjar_core::link::NodeKey;
use nightjar_node::handle::Status;
use node_common::{PATIENCE, TestNode};
use rusqlite::{Connection, OpenFlags};
use tokio::net::TcpStream;

/// Links that others may open to a node.
const INBOUND_MAX: u8 = 24;

async fn sociable(connect: &[Address]) -> TestNode {
    TestNode::start_with(connect, |config| config.discovery = true).await
}

fn is_linked_to(status: &Status, key: NodeKey) -> bool {
    status.connections.iter().any(|connection| connection.peer.node_key == Some(key))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_knows_one_node_learns_of_the_others_and_links_to_them() {
    let first = sociable(&[]).await;
    let mut nodes = Vec::new();
    for _ in 0..3 {
        nodes.push(sociable(&[first.tls()]).await);
    }
    nodes.push(first);
    let keys: Vec<_> = nodes.iter().map(|node| node.handle().about().node_key).collect();
    for node in &nodes {
        let others = keys.iter().filter(|key| **key != node.handle().about().node_key);
        node.until(|status| others.clone().all(|key| is_linked_to(status, *key))).await;
    }
    nodes[0].listen("#demo").await;
    nodes[1].say("#demo", "once, whichever way").await;
    // The last record comes behind all copies of the first.
    nodes[2].say("#demo", "the last").await;
    let mut texts = nodes[0].texts(2).await;
    texts.sort();
    assert_eq!(texts, ["once, whichever way", "the last"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_node_sends_who_comes_to_others() {
    let full = sociable(&[]).await;
    let guest = sociable(&[full.tls()]).await;
    full.linked(1).await;
    let mut crowd = Vec::new();
    for seed in 1..INBOUND_MAX {
        crowd.push(Raw::connect(seed, TcpStream::connect(full.handle().about().listen).await.unwrap()).await);
    }
    full.linked(usize::from(INBOUND_MAX)).await;
    let late = sociable(&[full.tls()]).await;
    let guest_key = guest.handle().about().node_key;
    late.until(|status| is_linked_to(status, guest_key)).await;
    assert!(!is_linked_to(&late.handle().status(), full.handle().about().node_key));
    assert_eq!(full.handle().status().connections.len(), usize::from(INBOUND_MAX));
    let book = book_of(&late, |reason| reason.contains("full")).await;
    assert!(book.contains("no place"), "{book}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_address_book_and_kept_listenings_are_there_after_a_restart() {
    let peer = TestNode::start(&[]).await;
    let node = sociable(&[]).await;
    let key = node.handle().about().node_key;
    node.listen("#demo").await;
    assert_eq!(node.handle().add_peer(peer.tls()).await, Some(true));
    node.linked(1).await;
    let temp = node.stop().await;
    peer.linked(0).await;

    let node = TestNode::start_in(temp, &[], |config| config.discovery = true).await;
    assert_eq!(node.handle().about().node_key, key);
    node.linked(1).await;
    peer.say("#demo", "welcome back").await;
    assert_eq!(node.texts(1).await, ["welcome back"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_comes_back_is_linked_again() {
    let peer = TestNode::start(&[]).await;
    let listen = peer.handle().about().listen;
    let node = TestNode::start(&[peer.tls()]).await;
    node.linked(1).await;
    let temp = peer.stop().await;
    node.linked(0).await;
    let peer = TestNode::start_in(temp, &[], |config| config.listen = listen).await;
    node.linked(1).await;
    peer.linked(1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_cannot_be_reached_is_remembered_with_the_reason() {
    // Bound, and not listening: the system refuses connections, and gives the port to nobody else.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let nobody = socket.local_addr().unwrap();
    let node = TestNode::start(&[Address::new(LinkKind::Tls, nobody.ip(), nobody.port())]).await;
    // It is written while the node runs: one that is killed has it too.
    let reason = book_of(&node, |reason| !reason.is_empty()).await;
    assert!(reason.contains("refused"), "{reason}");
}

/// Waits until the reason of an address in the book on disk fits.
async fn book_of(node: &TestNode, fits: impl Fn(&str) -> bool) -> String {
    let path = node.temp.path().join("data").join("nightjar.db");
    let written = async {
        loop {
            let reasons = reasons(&path);
            if let Some(reason) = reasons.iter().find(|reason| fits(reason)) {
                return reason.clone();
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(PATIENCE, written).await.expect("the address book is written")
}

fn reasons(path: &std::path::Path) -> Vec<String> {
    let file = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    let mut query = file.prepare("SELECT reason FROM address").unwrap();
    query.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}
