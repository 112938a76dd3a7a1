//! The chain's view: by the user's daemon first, by peers who agree otherwise, and never by those who do not.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs, reason = "a test may fail loudly")]

mod node_common;

use std::net::SocketAddr;
use std::time::Duration;

use nightjar_core::address::{Address, LinkKind};
use nightjar_node::chain::daemon::Daemon;
use nightjar_node::chain::view::{Ask, ChainView, Looked, Who};
use nightjar_node::foreign::{DaemonOptions, Manner, UnmodifiedDaemon, WalletAccount, WalletDaemon};
use nightjar_pasc::key::{Curve, PrivateKey, PublicKey};
use node_common::{PATIENCE, TestNode};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng as _;

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

/// Who owns it, as far as that is certain.
fn owner(looked: &Looked) -> Option<PublicKey> {
    looked.account().map(|view| view.key.clone())
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
    let looked = view.account(NUMBER, Ask::Anybody).await;
    let account = looked.account().unwrap();
    assert_eq!((account.block, account.name.as_str()), (9, "nightraven"));
    assert_eq!(account.who, Who::Daemon { address: wallet.address().to_string().into() });
    assert_eq!(owner(&looked), Some(key(1).public_key()));
    assert_eq!(view.name("nightraven").await, looked);
    assert_eq!(view.name("nobody").await, Looked::Nobody { block: 9 });
    assert_eq!(view.account(801, Ask::Anybody).await, Looked::Nobody { block: 9 });
    assert!(matches!(view.account(1 << 31, Ask::Anybody).await, Looked::Unavailable(_)));
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
                async move { view.account(NUMBER, Ask::Anybody).await }
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
    assert_eq!(view.account(NUMBER, Ask::Anybody).await.account().unwrap().block, 10);
    assert_eq!(questions(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sold_account_has_its_new_owner_when_the_sale_has_its_block() {
    let wallet = wallet().await;
    let (view, _node) = by(&wallet).await;
    assert_eq!(owner(&view.account(NUMBER, Ask::Daemon).await), Some(key(1).public_key()));
    wallet.sell(NUMBER, key(2).public_key());
    view.moved().wait_for(|moved| moved.block == Some(10)).await.unwrap();
    assert_eq!(owner(&view.account(NUMBER, Ask::Daemon).await), Some(key(2).public_key()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sale_that_waits_for_its_block_proves_nobody() {
    let wallet = wallet().await;
    wallet.begin_to_sell(NUMBER, key(2).public_key());
    let (view, _node) = by(&wallet).await;
    let looked = view.account(NUMBER, Ask::Anybody).await;
    assert!(matches!(&looked, Looked::Unavailable(why) if why.contains("waits for its block")), "{looked:?}");
    wallet.advance(1);
    view.moved().wait_for(|moved| moved.block == Some(10)).await.unwrap();
    assert_eq!(owner(&view.account(NUMBER, Ask::Anybody).await), Some(key(2).public_key()));
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
    assert!(
        why(view.account(NUMBER, Ask::Anybody).await).contains("does not follow the chain yet: Alone in the world")
    );
    wallet.set_ready(true);
    wallet.behave_at("getaccount", Manner::Says(r#"{"result":{"account":801},"id":1}"#.to_owned()));
    let view_of = |daemon: &str| {
        ChainView::start_polling(Some(Daemon::at(daemon)), node.handle().clone(), node.clock.clone(), POLL)
    };
    let view = view_of(&wallet.address().to_string());
    assert!(why(view.account(NUMBER, Ask::Anybody).await).contains("without a usable `enc_pubkey`"));
    wallet.behave_at("findaccounts", Manner::Closes);
    assert!(why(view.name("nightraven").await).contains("did not answer findaccounts"));
    let nobody = tokio::net::TcpListener::bind(own()).await.unwrap().local_addr().unwrap();
    let gone = why(view_of(&nobody.to_string()).account(NUMBER, Ask::Anybody).await);
    assert!(gone.contains("is not reached") && gone.contains("no PascalCoin peer answers"), "{gone}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_peers_that_agree_are_believed_and_named() {
    let (node, daemons) = among([false; 3]).await;
    let view = ChainView::start(None, node.handle().clone(), node.clock.clone());
    let looked = view.account(40, Ask::Anybody).await;
    let account = looked.account().unwrap_or_else(|| panic!("{looked:?}"));
    assert_eq!((account.block, account.name.as_str()), (534, "pip38-test.chat"));
    assert!(matches!(&account.who, Who::Peers(peers) if peers.len() == 3), "{account:?}");
    assert!(matches!(view.name("pip38-test.chat").await, Looked::Unavailable(_)));
    // What is known is not asked again.
    assert_eq!(view.account(40, Ask::Anybody).await, looked);
    assert!(daemons.iter().all(|daemon| daemon.counters().account_questions == 1));
    assert!(daemons.iter().all(|daemon| daemon.counters().bans.is_empty()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_peer_that_lies_makes_a_dispute_and_all_that_lie_alike_need_three() {
    for lies in [[true, false, false], [false, false, true], [true, true, false]] {
        let (node, _daemons) = among(lies).await;
        let view = ChainView::start(None, node.handle().clone(), node.clock.clone());
        let looked = view.account(40, Ask::Anybody).await;
        assert!(
            matches!(&looked, Looked::Disputed(why) if why.contains("do not agree on the account's key")),
            "{looked:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_users_daemon_goes_before_peers() {
    let wallet = wallet().await;
    wallet.put_account(40, WalletAccount::new(key(1).public_key()));
    let (node, daemons) = among([false; 3]).await;
    let daemon = Daemon::at(&wallet.address().to_string());
    let view = ChainView::start_polling(Some(daemon), node.handle().clone(), node.clock.clone(), POLL);
    assert_eq!(view.account(40, Ask::Anybody).await.account().unwrap().key, key(1).public_key());
    assert!(daemons.iter().all(|daemon| daemon.counters().account_questions == 0));
    wallet.behave(Manner::Closes);
    // Another one, of which nothing is known yet.
    let looked = view.account(5, Ask::Anybody).await;
    assert!(matches!(&looked.account().unwrap().who, Who::Peers(peers) if peers.len() == 3), "{looked:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn peers_are_asked_when_the_user_wants_to_know_and_not_because_of_what_came() {
    let wallet = wallet().await;
    let (node, daemons) = among([false; 3]).await;
    let asked = || daemons.iter().map(|daemon| daemon.counters().account_questions).sum::<u64>();
    let daemon = Daemon::at(&wallet.address().to_string());
    let view = ChainView::start_polling(Some(daemon), node.handle().clone(), node.clock.clone(), POLL);
    wallet.behave(Manner::Closes);
    let looked = view.account(40, Ask::Daemon).await;
    assert!(matches!(&looked, Looked::Unavailable(why) if why.contains("`whois`")), "{looked:?}");
    assert_eq!(asked(), 0);
    // That the daemon did not answer just now does not keep the user from asking further.
    assert!(view.account(40, Ask::Anybody).await.account().is_some());
    assert_eq!(asked(), 3);
    // What is known by then is known to all.
    assert!(view.account(40, Ask::Daemon).await.account().is_some());
    assert_eq!(asked(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_finds_too_many_waiting_for_peers_is_told_so_at_once() {
    const WAIT: usize = 64;
    let (node, _daemons) = among([false; 3]).await;
    let view = ChainView::start(None, node.handle().clone(), node.clock.clone());
    let mut asking = tokio::task::JoinSet::new();
    for number in 0..2 * WAIT {
        let view = view.clone();
        asking.spawn(async move { view.account(u32::try_from(number).unwrap(), Ask::Anybody).await });
    }
    let mut refused = 0;
    // Half a minute would go by until all others had their turn.
    while refused < WAIT / 2 {
        let looked = tokio::time::timeout(PATIENCE, asking.join_next()).await.unwrap().unwrap().unwrap();
        refused += usize::from(matches!(&looked, Looked::Unavailable(why) if why.starts_with("too many questions")));
    }
}
