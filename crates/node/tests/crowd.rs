//! Far more connections than a node takes.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "a test may fail loudly")]

mod link_common;

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

use link_common::{PATIENCE, Side, until};
use nightjar_node::link::{LinkLimits, LinkReport};

const CHILDREN: usize = 4;
const EACH: usize = 500;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_thousand_connections_at_once_are_bounded_and_an_honest_peer_still_connects() {
    let mut side = Side::new(1);
    let to = side.listen();
    let before = resident_bytes();
    // A process may have no more than a thousand sockets: the crowd comes from several.
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
        assert!(after < before + (32 << 20), "{before} bytes became {after}");
    }
    for child in &mut children {
        drop(child.stdin.take());
    }
    for (child, output) in children.iter_mut().zip(outputs) {
        assert!(output.count() > 0, "the rest of what it says");
        child.wait().unwrap();
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
