//! The chain's view: by the user's daemon first, by peers who agree otherwise, and never by those who do not.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs, reason = "a test may fail loudly")]

mod node_common;

use std::net::SocketAddr;
use std::time::Duration;

use nightjar_core::address::{Address, LinkKind};
use nightjar_core::chain::Network;
use nightjar_core::time::Wall;
use nightjar_envelope::delegation::{Claim, Scope};
use nightjar_envelope::key::ChatSecret;
use nightjar_node::chain::daemon::Daemon;
use nightjar_node::chain::standing::{Standing, standing};
use nightjar_node::chain::view::{ChainView, Looked, Who};
use nightjar_node::foreign::{DaemonOptions, Manner, UnmodifiedDaemon, WalletAccount, WalletDaemon};
use nightjar_pasc::key::{Curve, PrivateKey};
use node_common::{PATIENCE, TestNode};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng as _;
use zeroize::Zeroizing;

const NUMBER: u32 = 800;
const POLL: Duration = Duration::from_millis(20);

fn key(seed: u64) -> PrivateKey {
    PrivateKey::random(Curve::Secp256k1, &mut ChaCha20Rng::seed_from_u64(seed)).unwrap()
}

fn own() -> SocketAddr {
    "127.0.0.1:0".parse().unwrap()
}

/// A daemon with a chain of ten blocks, on which the first key owns an account.
async fn wallet() -> WalletDaemon {
    let wallet = WalletDaemon::bind(own()).await.unwrap();
    wallet.advance(10);
    let account = WalletAccount { name: "nightraven".to_owned(), ..WalletAccount::new(key(1).public_key()) };
    wallet.put_account(NUMBER, account);
    wallet
}

fn claim() -> Claim {
    Claim {
        network: Network::Main,
        account: NUMBER,
        scope: Scope::SPEAK,
        issued: 100,
        until: 200,
        name: String::new(),
        key: key(1).public_key(),
        chat_key: ChatSecret::from_seed(&Zeroizing::new([1; 32])).public(),
    }
}

fn stands(looked: &Looked, matched: bool) -> Standing {
    standing(Some(&claim()), looked, matched, Wall(150_000))
}

/// A view by this wallet, on a node without peers.
async fn by(wallet: &WalletDaemon) -> (ChainView, TestNode) {
    let node = TestNode::start(&[]).await;
    let daemon = Daemon::at(&wallet.address().to_string());
    (ChainView::start_polling(Some(daemon), node.handle().clone(), node.clock.clone(), POLL), node)
}

/// Peers of this kind, each in another part of the Internet; the last one comes to us by itself.
async fn among(peers: [bool; 3]) -> (TestNode, Vec<UnmodifiedDaemon>) {
    let mut daemons = Vec::new();
    for (lies, address) in peers.into_iter().zip(["127.1.0.1:0", "127.2.0.1:0", "127.3.0.1:0"]) {
        let options = DaemonOptions { lies, ..DaemonOptions::default() };
        daemons.push(UnmodifiedDaemon::bind(address.parse().unwrap(), options).await.unwrap());
    }
    let pascal =
        |daemon: &UnmodifiedDaemon| Address::new(LinkKind::Pascal, daemon.address().ip(), daemon.address().port());
    let node = TestNode::start(&[pascal(&daemons[0]), pascal(&daemons[1])]).await;
    daemons[2].dial(node.handle().about().listen).await.unwrap();
    node.linked(3).await;
    (node, daemons)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_users_daemon_says_who_owns_an_account_and_which_account_has_a_name() {
    let wallet = wallet().await;
    let (view, _node) = by(&wallet).await;
    let looked = view.account(NUMBER).await;
    let account = looked.account().unwrap();
    assert_eq!((account.block, account.name.as_str()), (9, "nightraven"));
    assert_eq!(account.who, Who::Daemon { address: wallet.address().to_string().into() });
    assert_eq!(stands(&looked, false), Standing::Proven);
    assert_eq!(view.name("nightraven").await, looked);
    assert_eq!(view.name("nobody").await, Looked::Nobody { block: 9 });
    assert_eq!(view.account(801).await, Looked::Nobody { block: 9 });
    assert!(matches!(view.account(1 << 31).await, Looked::Unavailable(_)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_is_asked_for_once_a_block_however_many_want_to_know() {
    let wallet = wallet().await;
    let (view, _node) = by(&wallet).await;
    let mut moved = view.moved();
    moved.wait_for(|moved| moved.block == Some(9)).await.unwrap();
    let asking: Vec<_> = (0..20)
        .map(|_| {
            tokio::spawn({
                let view = view.clone();
                async move { view.account(NUMBER).await }
            })
        })
        .collect();
    for asked in asking {
        assert_eq!(asked.await.unwrap().account().unwrap().block, 9);
    }
    let questions = || wallet.calls().iter().filter(|method| *method == "getaccount").count();
    assert_eq!(questions(), 1);
    wallet.advance(1);
    let noticed = tokio::time::timeout(PATIENCE, moved.wait_for(|moved| moved.block == Some(10))).await;
    noticed.unwrap().unwrap();
    assert_eq!(view.account(NUMBER).await.account().unwrap().block, 10);
    assert_eq!(questions(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_sold_the_account_lapses_when_the_sale_has_its_block() {
    let wallet = wallet().await;
    let (view, _node) = by(&wallet).await;
    assert_eq!(stands(&view.account(NUMBER).await, false), Standing::Proven);
    wallet.sell(NUMBER, key(2).public_key());
    view.moved().wait_for(|moved| moved.block == Some(10)).await.unwrap();
    let looked = view.account(NUMBER).await;
    assert_eq!((stands(&looked, true), stands(&looked, false)), (Standing::Lapsed, Standing::Claimed));
    let buyer = Claim { key: key(2).public_key(), ..claim() };
    assert_eq!(standing(Some(&buyer), &looked, false, Wall(150_000)), Standing::Proven);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sale_that_waits_for_its_block_proves_nobody() {
    let wallet = wallet().await;
    wallet.begin_to_sell(NUMBER, key(2).public_key());
    let (view, _node) = by(&wallet).await;
    let looked = view.account(NUMBER).await;
    assert!(matches!(&looked, Looked::Unavailable(why) if why.contains("waits for its block")), "{looked:?}");
    let buyer = Claim { key: key(2).public_key(), ..claim() };
    assert_eq!(standing(Some(&buyer), &looked, false, Wall(150_000)), Standing::Unchecked);
    assert_eq!(stands(&looked, true), Standing::Unchecked);
    wallet.advance(1);
    view.moved().wait_for(|moved| moved.block == Some(10)).await.unwrap();
    assert_eq!(stands(&view.account(NUMBER).await, true), Standing::Lapsed);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_daemon_that_is_not_ready_lies_or_is_gone_proves_nobody_and_says_why() {
    let wallet = wallet().await;
    wallet.set_ready(false);
    let (view, node) = by(&wallet).await;
    let why = |looked: Looked| match looked {
        Looked::Unavailable(why) => why,
        looked => panic!("{looked:?}"),
    };
    assert!(why(view.account(NUMBER).await).contains("does not follow the chain yet: Alone in the world"));
    wallet.set_ready(true);
    wallet.behave_at("getaccount", Manner::Says(r#"{"result":{"account":801},"id":1}"#.to_owned()));
    let view_of = |daemon: &str| {
        ChainView::start_polling(Some(Daemon::at(daemon)), node.handle().clone(), node.clock.clone(), POLL)
    };
    let view = view_of(&wallet.address().to_string());
    assert!(why(view.account(NUMBER).await).contains("without a usable `enc_pubkey`"));
    wallet.behave_at("findaccounts", Manner::Closes);
    assert!(why(view.name("nightraven").await).contains("did not answer findaccounts"));
    let nobody = tokio::net::TcpListener::bind(own()).await.unwrap().local_addr().unwrap();
    let gone = why(view_of(&nobody.to_string()).account(NUMBER).await);
    assert!(gone.contains("is not reached") && gone.contains("no PascalCoin peer answers"), "{gone}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_peers_that_agree_are_believed_and_named() {
    let (node, daemons) = among([false; 3]).await;
    let view = ChainView::start(None, node.handle().clone(), node.clock.clone());
    let looked = view.account(40).await;
    let account = looked.account().unwrap_or_else(|| panic!("{looked:?}"));
    assert_eq!((account.block, account.name.as_str()), (534, "pip38-test.chat"));
    assert!(matches!(&account.who, Who::Peers(peers) if peers.len() == 3), "{account:?}");
    let own = Claim { account: 40, key: account.key.clone(), ..claim() };
    assert_eq!(standing(Some(&own), &looked, false, Wall(150_000)), Standing::ProvenByPeers);
    assert!(matches!(view.name("pip38-test.chat").await, Looked::Unavailable(_)));
    // What is known is not asked again.
    assert_eq!(view.account(40).await, looked);
    assert!(daemons.iter().all(|daemon| daemon.counters().account_questions == 1));
    assert!(daemons.iter().all(|daemon| daemon.counters().bans.is_empty()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_peer_that_lies_makes_a_dispute_and_all_that_lie_alike_need_three() {
    for lies in [[true, false, false], [false, false, true], [true, true, false]] {
        let (node, _daemons) = among(lies).await;
        let view = ChainView::start(None, node.handle().clone(), node.clock.clone());
        let looked = view.account(40).await;
        assert!(
            matches!(&looked, Looked::Disputed(why) if why.contains("do not agree on the account's key")),
            "{looked:?}"
        );
        let own = Claim { account: 40, ..claim() };
        assert_eq!(standing(Some(&own), &looked, true, Wall(150_000)), Standing::Disputed);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_users_daemon_goes_before_peers() {
    let wallet = wallet().await;
    wallet.put_account(40, WalletAccount::new(key(1).public_key()));
    let (node, daemons) = among([false; 3]).await;
    let daemon = Daemon::at(&wallet.address().to_string());
    let view = ChainView::start_polling(Some(daemon), node.handle().clone(), node.clock.clone(), POLL);
    assert_eq!(view.account(40).await.account().unwrap().key, key(1).public_key());
    assert!(daemons.iter().all(|daemon| daemon.counters().account_questions == 0));
    wallet.behave(Manner::Closes);
    // Another one, of which nothing is known yet.
    let looked = view.account(5).await;
    assert!(matches!(&looked.account().unwrap().who, Who::Peers(peers) if peers.len() == 3), "{looked:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_finds_too_many_waiting_for_peers_is_told_so_at_once() {
    const WAIT: usize = 64;
    let (node, _daemons) = among([false; 3]).await;
    let view = ChainView::start(None, node.handle().clone(), node.clock.clone());
    let mut asking = tokio::task::JoinSet::new();
    for number in 0..2 * WAIT {
        let view = view.clone();
        asking.spawn(async move { view.account(u32::try_from(number).unwrap()).await });
    }
    let mut refused = 0;
    // Half a minute would go by until all others had their turn.
    while refused < WAIT / 2 {
        let looked = tokio::time::timeout(PATIENCE, asking.join_next()).await.unwrap().unwrap().unwrap();
        refused += usize::from(matches!(&looked, Looked::Unavailable(why) if why.starts_with("too many questions")));
    }
}
