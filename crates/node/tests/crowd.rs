//! Far more connections than a node takes.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "a test may fail loudly")]

mod link_common;
mod node_common;

use std::io::{BufRead as _, BufReader, Lines, Read as _};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, ChildStdout, Command, Stdio};

use link_common::{PATIENCE, Side, until};
use nightjar_node::link::{LinkLimits, LinkReport};
use node_common::TestNode;

const CHILDREN: usize = 4;
const EACH: usize = 500;

/// Processes that hold connections: one may have no more than a thousand sockets.
struct Crowd {
    children: Vec<Child>,
    outputs: Vec<Lines<BufReader<ChildStdout>>>,
}

impl Crowd {
    async fn connect(to: SocketAddr) -> Self {
        let mut children: Vec<Child> = (0..CHILDREN)
            .map(|_| {
                Command::new(std::env::current_exe().unwrap())
                    .args(["--ignored", "--exact", "crowd", "--nocapture"])
                    .env("NIGHTJAR_TEST_CROWD", to.to_string())
                    .stdin(Stdio::piped())
                    .stdout(Stdio::piped())
                    .spawn()
                    .unwrap()
            })
            .collect();
        let connected: Vec<_> = children
            .iter_mut()
            .map(|child| {
                let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
                tokio::task::spawn_blocking(move || {
                    assert!(lines.any(|line| line.unwrap().contains("connected")), "the crowd did not connect");
                    lines
                })
            })
            .collect();
        let mut outputs = Vec::new();
        for connected in connected {
            outputs.push(tokio::time::timeout(PATIENCE, connected).await.expect("the crowd connects").unwrap());
        }
        Self { children, outputs }
    }

    fn leave(mut self) {
        for child in &mut self.children {
            drop(child.stdin.take());
        }
        for (child, output) in self.children.iter_mut().zip(self.outputs) {
            assert!(output.count() > 0, "the rest of what it says");
            child.wait().unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_thousand_connections_at_once_are_bounded_and_an_honest_peer_still_connects() {
    let mut side = Side::new(1);
    let to = side.listen();
    let before = resident_bytes();
    let crowd = Crowd::connect(to).await;
    // The system keeps some until they are accepted.
    until(|| side.links.accept_counters().accepted >= (CHILDREN * EACH) as u64).await;

    let mut honest = Side::new(2);
    let (link, _outbox) = honest.dial(to);
    let (_, _back) = side.admit().await;
    assert!(matches!(honest.report().await, LinkReport::Opened { link: opened, .. } if opened == link));

    let limits = LinkLimits::default();
    let counters = side.links.accept_counters();
    assert!(counters.half_open <= limits.half_open_per_group_max, "{counters:?}");
    assert!(counters.evicted >= (CHILDREN * EACH - limits.half_open_per_group_max) as u64, "{counters:?}");
    if let (Some(before), Some(after)) = (before, resident_bytes()) {
        // The nodes of the other test of this file are in it.
        assert!(after < before + (32 << 20), "{before} bytes became {after}");
    }
    crowd.leave();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_whole_node_in_a_crowd_serves_its_peers_and_takes_new_ones() {
    let node = TestNode::start(&[]).await;
    let old = TestNode::start(&[node.tls()]).await;
    node.linked(1).await;
    let crowd = Crowd::connect(node.handle().about().listen).await;
    let new = TestNode::start(&[node.tls()]).await;
    node.linked(2).await;
    new.listen("#demo").await;
    old.say("#demo", "through the crowd").await;
    assert_eq!(new.texts(1).await, ["through the crowd"]);
    crowd.leave();
    for node in [new, old, node] {
        node.stop().await;
    }
}

/// Not a test by itself: what the children of the one above do.
#[test]
#[ignore = "opens connections for another test"]
fn crowd() {
    let Ok(to) = std::env::var("NIGHTJAR_TEST_CROWD") else { return };
    let connections: Vec<_> = (0..EACH).map(|_| TcpStream::connect(&to).unwrap()).collect();
    println!("connected {}", connections.len());
    // Held until the other test is done with them.
    let mut rest = Vec::new();
    std::io::stdin().read_to_end(&mut rest).unwrap();
}

fn resident_bytes() -> Option<usize> {
    let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
    statm.split_whitespace().nth(1)?.parse::<usize>().ok().map(|pages| pages * 4096)
}
