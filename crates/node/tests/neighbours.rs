//! Whole nodes between TLS neighbours, programs that know only PIP-0038's text, and unmodified daemons.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs, reason = "a test may fail loudly")]

mod node_common;

use std::net::SocketAddr;
use std::time::Duration;

use nightjar_core::address::{Address, LinkKind};
use nightjar_core::chain::Network;
use nightjar_core::item::NoAnswer;
use nightjar_core::link::Carries;
use nightjar_core::record::Target;
use nightjar_node::foreign::{DaemonOptions, LiteralPeer, UnmodifiedDaemon};
use nightjar_node::handle::WalletError;
use nightjar_node::message::Content;
use nightjar_wire::pascal::WALLET_TEXT_BYTES_MAX;
use node_common::{PATIENCE, TestNode};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

/// What a daemon takes of a wallet's texts before it is told to wait, in this node's eyes.
const TEXTS_PER_MINUTE: usize = 6;

fn own() -> SocketAddr {
    "127.0.0.1:0".parse().unwrap()
}

fn pascal(to: SocketAddr) -> Address {
    Address::new(LinkKind::Pascal, to.ip(), to.port())
}

async fn daemon() -> UnmodifiedDaemon {
    let options = DaemonOptions { keep_alive: Duration::from_millis(300), ..DaemonOptions::default() };
    UnmodifiedDaemon::bind(own(), options).await.unwrap()
}

fn target(name: &str) -> Target {
    name.parse::<nightjar_core::name::TypedName>().unwrap().targets()[0]
}

async fn until(what: &str, condition: impl Fn() -> bool) {
    let holds = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, holds).await.unwrap_or_else(|_| panic!("still to come: {what}"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_go_between_a_literal_peer_and_nodes_behind_its_neighbour() {
    let literal = LiteralPeer::bind(own(), Network::Main).await.unwrap();
    literal.listen(target("#demo"));
    let near = TestNode::start(&[pascal(literal.address())]).await;
    let far = TestNode::start(&[near.tls()]).await;
    near.listen("#demo").await;
    far.listen("#demo").await;
    near.linked(2).await;
    let sent = literal.send(target("#demo"), b"from the literal peer");
    literal.send_record(&sent);
    assert_eq!(far.texts(1).await, ["from the literal peer"]);
    // Nobody could tell it from a daemon before.
    near.until(|status| status.connections.iter().all(|link| link.peer.carries == Carries::Records)).await;
    far.say("#demo", "an answer").await;
    until("the answer", || literal.counters().deliveries == 1).await;
    assert_eq!(near.texts(2).await, ["from the literal peer", "an answer"]);
    let own = far.messages(2).await;
    assert!(!own[0].own && own[1].own && own.len() == 2);
    assert_eq!(literal.counters().received, 1, "nothing comes back to where it came from");
    near.until(|status| status.counters.repeats == 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn daemons_in_the_midst_of_a_flood_notice_nothing() {
    let (dialled, dials) = (daemon().await, daemon().await);
    let node = TestNode::start(&[pascal(dialled.address())]).await;
    dials.dial(node.handle().about().listen).await.unwrap();
    let neighbour = TestNode::start(&[node.tls()]).await;
    node.listen("#demo").await;
    node.linked(3).await;
    for number in 0..100 {
        neighbour.say("#demo", &format!("record {number}")).await;
        if number % 10 == 0 {
            node.say("#demo", &format!("own {number}")).await;
        }
    }
    assert_eq!(node.texts(110).await.len(), 110);
    // Some of their keep-alive cycles later:
    for daemon in [&dialled, &dials] {
        until("answers to HELLO", || daemon.counters().hello_answers >= 4).await;
        let counters = daemon.counters();
        assert_eq!(counters.bans, Vec::<String>::new());
        assert_eq!((counters.records, counters.closed, counters.connected), (0, 0, 1), "{counters:?}");
        assert_eq!((counters.probes, counters.pending_answers), (1, 1), "{counters:?}");
    }
    // The farewell is not for them either.
    node.stop().await;
    for daemon in [&dialled, &dials] {
        until("the end of the link", || daemon.counters().connected == 0).await;
        assert_eq!((daemon.counters().records, daemon.counters().bans), (0, Vec::new()));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn daemons_are_asked_for_accounts_and_each_answers_for_itself() {
    let (one, two) = (daemon().await, daemon().await);
    let node = TestNode::start(&[pascal(one.address()), pascal(two.address())]).await;
    node.linked(2).await;
    let answers = node.handle().ask_account(40).await.unwrap();
    assert_eq!(answers.len(), 2);
    for answer in answers {
        let account = answer.answer.unwrap();
        assert_eq!(account.block, Some(534));
        let meant = account.accounts.iter().find(|account| account.number == 40).unwrap();
        assert_eq!(meant.name, b"pip38-test.chat");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_does_not_answer_is_waited_for_politely_and_not_after_its_link() {
    let listener = TcpListener::bind(own()).await.unwrap();
    let node = TestNode::start(&[pascal(listener.local_addr().unwrap())]).await;
    let (mut stream, _) = listener.accept().await.unwrap();
    let silent = tokio::spawn(async move {
        let mut first = [0; 22];
        stream.read_exact(&mut first).await.unwrap();
        stream.write_all(&answer_to_hello(&first)).await.unwrap();
        let (mut reader, writer) = stream.into_split();
        tokio::spawn(async move {
            let mut bytes = [0; 4096];
            while reader.read(&mut bytes).await.is_ok_and(|count| count > 0) {}
        });
        writer
    });
    let writer = silent.await.unwrap();
    node.linked(1).await;
    let answers = node.handle().ask_account(1234).await.unwrap();
    assert_eq!(answers.len(), 1);
    assert_eq!(answers[0].answer, Err(NoAnswer::TimedOut));
    node.linked(1).await;
    let (handle, asked) = (node.handle().clone(), node.handle().clone());
    let asking = tokio::spawn(async move { handle.ask_account(1234).await });
    // Whatever is asked behind it is answered when it waits already.
    assert!(asked.listens().await.unwrap().is_empty());
    drop(writer);
    let answers = asking.await.unwrap().unwrap();
    // If it was quick, nobody was there any more.
    assert!(answers.iter().all(|answer| answer.answer == Err(NoAnswer::Closed)), "{answers:?}");
}

/// The captured HELLO of a client without a chain, as an answer.
fn answer_to_hello(request: &[u8; 22]) -> Vec<u8> {
    let captured = include_str!("../../wire/tests/vectors/frames.json");
    let captured: serde_json::Value = serde_json::from_str(captured).unwrap();
    let hex = captured["frames"][0]["frame"].as_str().unwrap();
    let mut bytes: Vec<u8> =
        (0..hex.len() / 2).map(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap()).collect();
    bytes[4] = 2;
    bytes[10..14].copy_from_slice(&request[10..14]);
    bytes
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn texts_of_wallets_stand_in_the_log_and_answers_are_paced() {
    let wallet = daemon().await;
    let node = TestNode::start(&[pascal(wallet.address())]).await;
    node.linked(1).await;
    until("HELLO of the node", || wallet.send_message(b"good night") == 1).await;
    let came = node.messages(1).await;
    let peer = wallet.address().to_string();
    assert_eq!(came[0].content, Content::Wallet { peer: peer.clone(), text: b"good night".to_vec() });
    assert!(!came[0].own && came[0].name.is_none());

    let handle = node.handle();
    handle.send_wallet(wallet.address(), "sleep well".to_owned()).await.unwrap();
    until("the text", || wallet.counters().messages == [b"sleep well".to_vec()]).await;
    let log = node.messages(2).await;
    assert_eq!(log[1].content, Content::Wallet { peer, text: b"sleep well".to_vec() });
    assert!(log[1].own);

    let long = "x".repeat(WALLET_TEXT_BYTES_MAX + 1);
    let refused = handle.send_wallet(wallet.address(), long).await;
    assert!(matches!(refused, Err(WalletError::TooLong { have: 1001, limit: 1000 })), "{refused:?}");
    let nobody = "127.0.0.1:1".parse().unwrap();
    assert_eq!(handle.send_wallet(nobody, "x".to_owned()).await, Err(WalletError::NotConnected(nobody)));
    let mut results = Vec::new();
    for number in 0..TEXTS_PER_MINUTE {
        results.push(handle.send_wallet(wallet.address(), format!("text {number}")).await);
    }
    assert_eq!(results.pop(), Some(Err(WalletError::Busy)));
    assert!(results.iter().all(Result::is_ok), "{results:?}");
    // What was refused does not look as if it was said.
    assert_eq!(node.messages(1 + TEXTS_PER_MINUTE).await.len(), 1 + TEXTS_PER_MINUTE);
    assert_eq!(wallet.counters().bans, Vec::<String>::new());
}
