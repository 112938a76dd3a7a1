//! Peers that do not read, and peers that hardly write.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs, reason = "a test may fail loudly")]

mod link_common;

use std::time::Duration;

use link_common::{Raw, Side, narrow, record, until, until_closed};
use nightjar_core::fault::Fault;
use nightjar_core::router::Closed;
use nightjar_node::link::{LinkLimits, LinkReport};
use nightjar_wire::secure::SecureLimits;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::time::sleep;

/// A limit so short that a test can wait for it.
const SHORT_MS: u64 = 300;
/// Between two bytes of a peer that sends one byte after the other.
const DRIP: Duration = Duration::from_millis(20);

/// A node that gives strangers little time.
fn impatient() -> Side {
    let limits = LinkLimits { first_bytes_ms_max: SHORT_MS, ..LinkLimits::default() };
    let secure = SecureLimits { handshake_ms_max: SHORT_MS, ..SecureLimits::default() };
    Side::with_limits(1, limits, secure)
}

#[tokio::test]
async fn a_peer_that_reads_nothing_costs_one_outbox_and_is_let_go() {
    let limits = LinkLimits { write_ms_max: 2_000, ..LinkLimits::default() };
    let mut side = Side::with_limits(1, limits, SecureLimits::default());
    let to = side.listen();
    let stuck = Raw::connect(9, narrow(to).await).await;
    let (stuck_link, stuck_outbox) = side.admit().await;
    let mut good = Raw::connect(8, TcpStream::connect(to).await.unwrap()).await;
    let (_, good_outbox) = side.admit().await;
    let now = side.clock.now();

    let mut pushed = 0;
    loop {
        let mut items: Vec<_> = (0..1000).map(|number| record(now, pushed + number)).collect();
        pushed += 1000;
        if stuck_outbox.push_all(&mut items) > 0 {
            break;
        }
        assert!(pushed < 1_000_000, "the outbox has no end");
        // A good peer of the same node is served meanwhile.
        assert!(good_outbox.push(record(now, pushed)));
        let heard = good.heard.len();
        while good.heard.len() == heard {
            assert!(good.hear().await);
        }
    }
    assert_eq!(stuck_outbox.room(), 0);

    let LinkReport::Fault { link, fault: Fault::TimedOut } = side.report().await else { panic!("it hangs on") };
    assert_eq!(link, stuck_link);
    assert_eq!(side.closed().await, (stuck_link, Closed::Fault(Fault::TimedOut)));
    drop(stuck);
}

#[tokio::test]
async fn a_peer_that_sends_one_byte_per_second_does_not_become_a_link() {
    let side = impatient();
    let to = side.listen();
    // It never gets to the fourth byte; it gets there, and never to the end of its hello.
    for fast in [0, 4] {
        let mut stream = TcpStream::connect(to).await.unwrap();
        let mut hello = vec![0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc];
        hello.resize(500, 0);
        stream.write_all(&hello[..fast]).await.unwrap();
        let (mut reader, mut writer) = stream.into_split();
        let drip = async {
            for byte in &hello[fast..] {
                sleep(if fast == 0 { DRIP * 10 } else { DRIP }).await;
                if writer.write_all(&[*byte]).await.is_err() {
                    return;
                }
            }
        };
        let closed = async {
            let mut bytes = Vec::new();
            // Whether it was closed or reset: it is gone.
            drop(tokio::io::AsyncReadExt::read_to_end(&mut reader, &mut bytes).await);
            bytes
        };
        let bytes = tokio::select! {
            bytes = closed => bytes,
            () = drip => panic!("it may drip to the end"),
        };
        assert!(bytes.len() < 100, "a stranger is not told much");
    }
    until(|| side.links.accept_counters().half_open == 0).await;
    let counters = side.links.accept_counters();
    assert_eq!((counters.accepted, counters.unknown, counters.failed), (2, 1, 1));
}

#[tokio::test]
async fn a_link_that_sends_one_byte_per_second_of_a_frame_is_let_go() {
    let secure = SecureLimits { frame_ms_max: SHORT_MS, ..SecureLimits::default() };
    let mut side = Side::with_limits(1, LinkLimits::default(), secure);
    let to = side.listen();
    let mut raw = Raw::connect(9, TcpStream::connect(to).await.unwrap()).await;
    let (link, _outbox) = side.admit().await;
    raw.channel.write(&[4, 0, 8, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8]);
    let frame = raw.sealed();
    let (mut reader, mut writer) = raw.stream.split();
    let drip = async {
        for byte in frame.repeat(1000) {
            sleep(DRIP).await;
            if writer.write_all(&[byte]).await.is_err() {
                break;
            }
        }
    };
    let mut bytes = vec![0; 4096];
    let gone = async { while tokio::io::AsyncReadExt::read(&mut reader, &mut bytes).await.is_ok_and(|n| n > 0) {} };
    // The frame has 35 bytes: it would take 700 ms, and may take 300.
    let whole_frames = tokio::select! {
        () = gone => false,
        () = drip => true,
    };
    assert!(!whole_frames);
    let LinkReport::Fault { fault: Fault::TimedOut, .. } = side.report().await else { panic!("it hangs on") };
    assert_eq!(side.closed().await, (link, Closed::Fault(Fault::TimedOut)));
}

#[tokio::test]
async fn a_connection_that_says_nothing_or_nonsense_is_closed_without_an_answer() {
    let side = impatient();
    let to = side.listen();
    for first in [&b""[..], b"GET / HTTP/1.1\r\n\r\n", b"\x16", &[0x05, 0, 0, 0x05, 1, 2, 3]] {
        let mut stream = TcpStream::connect(to).await.unwrap();
        stream.write_all(first).await.unwrap();
        until_closed(&mut stream).await;
    }
    assert_eq!(side.links.accept_counters().unknown, 4);
}
