//! PascalCoin links over real sockets: with an unmodified daemon, which must not notice PIP-0038, and with a program
//! that implements only PIP-0038's text.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs, reason = "a test may fail loudly")]

mod link_common;

use std::time::Duration;

use link_common::{PATIENCE, Side, record, until, until_closed};
use nightjar_core::chain::{AccountStatus, Network};
use nightjar_core::item::{ByeCode, Control, Item, NoAnswer};
use nightjar_core::link::{Carries, LinkId, PeerInfo};
use nightjar_core::record::{MsgId, Record, Target};
use nightjar_core::router::Closed;
use nightjar_node::foreign::{DaemonOptions, LiteralPeer, UnmodifiedDaemon};
use nightjar_node::link::{Admission, LinkReport, Outbox};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

async fn daemon(options: DaemonOptions) -> UnmodifiedDaemon {
    UnmodifiedDaemon::bind("127.0.0.1:0".parse().unwrap(), options).await.unwrap()
}

/// A daemon that does in a moment what others do in minutes, but no faster than its own limits allow.
fn lively() -> DaemonOptions {
    DaemonOptions { keep_alive: Duration::from_millis(300), ..DaemonOptions::default() }
}

async fn literal() -> LiteralPeer {
    LiteralPeer::bind("127.0.0.1:0".parse().unwrap(), Network::Main).await.unwrap()
}

async fn opened(side: &mut Side) -> PeerInfo {
    match side.report().await {
        LinkReport::Opened { peer, .. } => peer,
        other => panic!("{other:?}"),
    }
}

/// Waits for a connection from outside and makes a link of it.
async fn admitted(side: &mut Side) -> (LinkId, Outbox, PeerInfo) {
    match side.report().await {
        LinkReport::Accepted { peer, outbox, admit } => {
            let link = side.new_link();
            admit.send(Admission::Welcome(link)).unwrap();
            (link, outbox, peer)
        }
        other => panic!("{other:?}"),
    }
}

async fn control(side: &mut Side) -> Control {
    match side.report().await {
        LinkReport::Control { control, .. } => control,
        other => panic!("{other:?}"),
    }
}

async fn carries(side: &mut Side) -> Carries {
    match control(side).await {
        Control::Speaks { carries, .. } => carries,
        other => panic!("{other:?}"),
    }
}

fn untouched(daemon: &UnmodifiedDaemon) {
    let counters = daemon.counters();
    assert_eq!(counters.bans, Vec::<String>::new());
    assert_eq!((counters.records, counters.closed, counters.connected), (0, 0, 1), "{counters:?}");
    assert_eq!(counters.probes, 1);
}

#[tokio::test]
async fn a_daemon_that_we_dial_gets_no_record_and_no_reason_to_complain() {
    let daemon = daemon(lively()).await;
    let mut side = Side::new(1);
    let (_, outbox) = side.dial_pascal(daemon.address());
    let peer = opened(&mut side).await;
    assert_eq!((peer.agent.as_str(), peer.carries, peer.outbound), ("5.8amLf64b", Carries::Unknown, true));
    for number in 0..100 {
        outbox.push(record(side.clock.now(), number));
    }
    assert_eq!(carries(&mut side).await, Carries::Nothing);
    for number in 100..200 {
        outbox.push(record(side.clock.now(), number));
    }
    until(|| daemon.counters().hello_answers >= 3).await;
    until(|| daemon.counters().pending_answers == 1).await;
    untouched(&daemon);
}

#[tokio::test]
async fn a_daemon_that_dials_us_gets_no_record_and_no_reason_to_complain() {
    let daemon = daemon(lively()).await;
    let mut side = Side::new(2);
    let address = side.listen();
    daemon.dial(address).await.unwrap();
    let (_, outbox, peer) = admitted(&mut side).await;
    assert_eq!((peer.listen_port, peer.outbound), (4004, false));
    assert_eq!(carries(&mut side).await, Carries::Nothing);
    for number in 0..100 {
        outbox.push(record(side.clock.now(), number));
    }
    until(|| daemon.counters().pending_answers == 1 && daemon.counters().hello_answers >= 3).await;
    untouched(&daemon);
}

#[tokio::test]
async fn texts_cross_the_bridge_both_ways() {
    let daemon = daemon(DaemonOptions::default()).await;
    let mut side = Side::new(3);
    let (_, outbox) = side.dial_pascal(daemon.address());
    opened(&mut side).await;
    outbox.push(Item::Control(Control::Wallet { text: b"from us".to_vec() }));
    until(|| daemon.counters().messages == [b"from us".to_vec()]).await;
    assert_eq!(daemon.send_message(b"from a wallet"), 1);
    loop {
        match control(&mut side).await {
            Control::Speaks { carries: Carries::Nothing, .. } => {}
            Control::Wallet { text } => {
                assert_eq!(text, b"from a wallet");
                break;
            }
            other => panic!("{other:?}"),
        }
    }
    untouched(&daemon);
}

#[tokio::test]
async fn a_daemon_answers_what_it_knows_of_accounts() {
    let daemon = daemon(DaemonOptions::default()).await;
    let mut side = Side::new(4);
    let (_, outbox) = side.dial_pascal(daemon.address());
    opened(&mut side).await;
    for (question, first, count) in [(1, 40, 1), (2, 40, 100), (3, 4_000_000, 1), (4, u32::MAX, 1)] {
        outbox.push(Item::Control(Control::AskAccounts { question, first, count }));
    }
    let mut answers = Vec::new();
    while answers.len() < 4 {
        if let Control::Accounts { question, answer } = control(&mut side).await {
            answers.push((question, answer));
        }
    }
    // Never asked: a daemon would hang up.
    assert_eq!(answers.remove(0), (4, Err(NoAnswer::Refused(0x21))));
    let one = answers[0].1.clone().unwrap();
    assert_eq!((one.block, one.accounts.len()), (Some(534), 1));
    assert_eq!((one.accounts[0].number, one.accounts[0].name.as_slice()), (40, &b"pip38-test.chat"[..]));
    let range = answers[1].1.clone().unwrap();
    let numbers: Vec<_> = range.accounts.iter().map(|account| account.number).collect();
    assert_eq!(numbers, [40, 45, 50, 55, 60, 65, 100]);
    assert!(matches!(range.accounts[1].status, AccountStatus::Listed(_)));
    assert!(answers[2].1.clone().unwrap().accounts.is_empty());
    untouched(&daemon);
}

#[tokio::test]
async fn the_reason_of_a_daemon_that_hangs_up_is_told() {
    let daemon = daemon(DaemonOptions { blacklists: true, ..DaemonOptions::default() }).await;
    let mut stranger = TcpStream::connect(daemon.address()).await.unwrap();
    stranger.write_all(b"no frame of PascalCoin's").await.unwrap();
    until_closed(&mut stranger).await;
    let mut side = Side::new(5);
    let (link, _outbox) = side.dial_pascal(daemon.address());
    let (closed, why) = side.closed().await;
    assert_eq!(closed, link);
    let Closed::ByPeer { code, text } = why else { panic!("{why:?}") };
    assert_eq!(code, Some(ByeCode::Banned));
    assert!(text.starts_with("Your IP is blacklisted"), "{text}");
}

#[tokio::test]
async fn a_literal_peer_is_served_from_its_first_record_on() {
    let literal = literal().await;
    let mut side = Side::new(6);
    let (_, outbox) = side.dial_pascal(literal.address());
    opened(&mut side).await;
    // So far nothing tells it from a daemon.
    assert_eq!(carries(&mut side).await, Carries::Nothing);
    outbox.push(record(side.clock.now(), 1));
    let sent = literal.send(Target([7; 16]), b"hello");
    assert_eq!(carries(&mut side).await, Carries::Records);
    let LinkReport::Records { batch, .. } = side.report().await else { panic!("records come") };
    assert_eq!(batch.records, [(sent, 0)]);
    literal.listen(Target([7; 16]));
    let Item::Record { record: answer, .. } = record(side.clock.now(), 2) else { panic!("it is a record") };
    outbox.push(Item::Record { record: answer.clone(), tag: 0 });
    until(|| literal.delivered() == [answer.clone()]).await;
    let counters = literal.counters();
    assert_eq!((counters.received, counters.duplicates, counters.deliveries, counters.probes), (1, 0, 1, 1));
}

#[tokio::test]
async fn a_burst_for_a_literal_peer_arrives_whole() {
    let literal = literal().await;
    let mut side = Side::new(7);
    let address = side.listen();
    literal.dial(address).await.unwrap();
    let (_, outbox, _) = admitted(&mut side).await;
    until(|| literal.counters().connected == 1).await;
    literal.send(Target([1; 16]), b"here I am");
    while carries(&mut side).await != Carries::Records {}
    for number in 0..2000 {
        outbox.push(record(side.clock.now(), number));
    }
    until(|| literal.counters().received == 2000).await;
    assert_eq!(literal.counters().duplicates, 0);
}

#[tokio::test]
async fn literal_peers_flood_by_id_alone_and_not_back() {
    let (a, b, c) = (literal().await, literal().await, literal().await);
    a.dial(b.address()).await.unwrap();
    b.dial(c.address()).await.unwrap();
    c.dial(a.address()).await.unwrap();
    until(|| [&a, &b, &c].iter().all(|peer| peer.counters().connected == 2)).await;
    [&a, &b, &c].iter().for_each(|peer| peer.listen(Target([7; 16])));
    let sent = a.send(Target([7; 16]), b"hello");
    until(|| [&b, &c].iter().all(|peer| peer.counters().received == 2)).await;
    let poisoned = Record::plain(sent.msg_id(), Target([7; 16]), b"poison").unwrap();
    a.send_record(&poisoned);
    until(|| [&b, &c].iter().all(|peer| peer.counters().received == 3)).await;
    for peer in [&b, &c] {
        assert_eq!((peer.counters().duplicates, peer.delivered()), (2, vec![sent.clone()]));
    }
    assert_eq!(a.counters().received, 0);
}

#[tokio::test]
async fn two_nodes_know_each_other_by_the_probe() {
    let (mut left, mut right) = (Side::new(8), Side::new(9));
    let address = right.listen();
    let (_, outbox) = left.dial_pascal(address);
    let (_, back, _) = admitted(&mut right).await;
    opened(&mut left).await;
    assert_eq!(carries(&mut left).await, Carries::Records);
    assert_eq!(carries(&mut right).await, Carries::Records);
    for number in 0..500 {
        outbox.push(record(left.clock.now(), number));
        back.push(record(right.clock.now(), 1000 + number));
    }
    for side in [&mut left, &mut right] {
        let mut came = 0;
        while came < 500 {
            let LinkReport::Records { batch, .. } = side.report().await else { panic!("records come") };
            came += batch.records.len();
        }
        assert_eq!(came, 500);
    }
    back.end(ByeCode::Duplicate, "twice");
    let (_, why) = left.closed().await;
    assert_eq!(why, Closed::ByPeer { code: Some(ByeCode::Duplicate), text: "twice".to_owned() });
}

#[tokio::test]
async fn a_foreign_peer_ends_when_it_is_dropped() {
    let (daemon, literal) = (daemon(DaemonOptions::default()).await, literal().await);
    let mut side = Side::new(10);
    let mut outboxes = Vec::new();
    for address in [daemon.address(), literal.address()] {
        outboxes.push(side.dial_pascal(address));
        opened(&mut side).await;
    }
    drop((daemon, literal));
    side.closed().await;
    side.closed().await;
}

mod daemon_rules {
    //! What the other tests rest on: the daemon would have complained.

    use super::*;

    fn frame(transfer: u16, operation: u16, id: u32, data: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0x80, 0x35, 0x04, 0x0a];
        for field in [transfer, operation, 0] {
            bytes.extend(field.to_le_bytes());
        }
        bytes.extend(id.to_le_bytes());
        bytes.extend([14, 0, 15, 0]);
        bytes.extend(u32::try_from(data.len()).unwrap().to_le_bytes());
        bytes.extend(data);
        bytes
    }

    /// The captured HELLO of a client without a chain.
    fn hello() -> Vec<u8> {
        let captured = include_str!("../../wire/tests/vectors/frames.json");
        let captured: serde_json::Value = serde_json::from_str(captured).unwrap();
        let hex = captured["frames"][0]["frame"].as_str().unwrap();
        (0..hex.len() / 2).map(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap()).collect()
    }

    async fn bans_after(bytes: &[u8]) -> Vec<String> {
        let daemon = daemon(DaemonOptions::default()).await;
        let mut stream = TcpStream::connect(daemon.address()).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        until_closed(&mut stream).await;
        until(|| daemon.counters().closed == 1).await;
        daemon.counters().bans
    }

    #[tokio::test]
    async fn each_broken_rule_is_a_ban_with_its_reason() {
        let hello = hello();
        let edited = |at: usize, byte: u8| {
            let mut bytes = hello.clone();
            bytes[at] = byte;
            bytes
        };
        let no_key = frame(1, 1, 1, &[&[0, 0, 6, 0, 0, 0, 0, 0, 0, 0][..], &[0; 100]].concat());
        // Work stands in front of the empty hash rate.
        let work = edited(hello.len() - 3, 1);
        let block = edited(22 + 2 + 2 + 70 + 4 + 5, 5);
        let limit = [hello.repeat(21)].concat();
        let questions = frame(1, 0x31, 2, &[1, 5, 0, 0, 0]).repeat(61);
        let rules: [(&[u8], &str); 19] = [
            (&hello[..21], "Invalid data received in buffer"),
            (&[&hello[..], &hello[..5]].concat(), "Invalid data received in buffer"),
            (&edited(0, 0), "Invalid data received in buffer"),
            (&edited(4, 4), "Invalid data received in buffer"),
            (&edited(14, 16), "Invalid Net protocol version found"),
            (&edited(4, 3), "Invalid header type"),
            (&frame(1, 1, 1, &[1, 2, 3]), "Invalid data on buffer"),
            (&no_key, "Invalid Public key"),
            (&work, "Possible scammer!"),
            (&block, "Possible scammer!"),
            (&frame(3, 2, 0, b""), "Invalid operation: 0002"),
            (&frame(1, 0x40, 1, b""), "Invalid operation: 0040"),
            (&frame(1, 3, 1, b""), "Not autosend"),
            (&frame(3, 3, 0, &[3, 0, 1, 2, 3]), "Error on decrypting message"),
            (&limit, "Reached limit 0001"),
            (&questions, "Reached limit 0031"),
            (&frame(1, 0x31, 1, &[3, 1, 0, 0, 0, 0, 9, 0x3d, 0]), "Invalid account number"),
            (&frame(1, 0x31, 1, &[4, 1, 0, 0, 0]), "Invalid call type"),
            (&frame(1, 0x31, 1, &[1, 0, 0, 0, 0x80]), "Invalid start/max value"),
        ];
        for (bytes, reason) in rules {
            assert_eq!(bans_after(bytes).await, [reason]);
        }
    }

    #[tokio::test]
    async fn an_answer_without_the_count_of_waiting_operations_is_a_ban() {
        let daemon = daemon(DaemonOptions::default()).await;
        let mut stream = TcpStream::connect(daemon.address()).await.unwrap();
        let hello = hello();
        // As an answer, so that the daemon asks; its request has the id 1.
        stream.write_all(&frame(2, 1, 9, &hello[22..])).await.unwrap();
        stream.write_all(&frame(2, 0x30, 1, b"")).await.unwrap();
        until(|| daemon.counters().connected == 0 && daemon.counters().closed > 0).await;
        assert_eq!(daemon.counters().bans, ["Invalid data returned on GetPendingOperations"]);
    }

    #[tokio::test]
    async fn silence_unanswered_hellos_and_a_second_link_with_one_key_are_no_ban() {
        let quick = || DaemonOptions { silence: Duration::from_millis(50), ..lively() };
        let silent = daemon(quick()).await;
        let mut stream = TcpStream::connect(silent.address()).await.unwrap();
        until_closed(&mut stream).await;
        // It never answers a HELLO.
        let mut stream = TcpStream::connect(silent.address()).await.unwrap();
        stream.write_all(&hello()).await.unwrap();
        tokio::time::timeout(PATIENCE, until_closed(&mut stream)).await.unwrap();
        let patient = daemon(DaemonOptions::default()).await;
        let mut first = TcpStream::connect(patient.address()).await.unwrap();
        first.write_all(&hello()).await.unwrap();
        until(|| patient.counters().hellos == 1).await;
        let mut second = TcpStream::connect(patient.address()).await.unwrap();
        second.write_all(&hello()).await.unwrap();
        until_closed(&mut second).await;
        until(|| patient.counters().closed == 1).await;
        assert!(silent.counters().bans.is_empty() && patient.counters().bans.is_empty());
        assert_eq!(patient.counters().connected, 1);
    }

    #[tokio::test]
    async fn records_that_reach_it_are_counted() {
        let daemon = daemon(DaemonOptions::default()).await;
        let mut stream = TcpStream::connect(daemon.address()).await.unwrap();
        let record = Record::plain(MsgId([1; 16]), Target([2; 16]), b"x").unwrap();
        stream.write_all(&frame(3, 0x1038, 0, record.bytes())).await.unwrap();
        until(|| daemon.counters().records == 1).await;
        let two = [frame(3, 0x1038, 0, b""), frame(3, 0x1038, 0, b"")].concat();
        stream.write_all(&two).await.unwrap();
        until(|| daemon.counters().crowded_reads == 1).await;
        assert!(daemon.counters().bans.is_empty());
    }
}
