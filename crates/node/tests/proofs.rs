//! Accounts that are proven, sold, given up: whole nodes, each with the double of its user's own daemon.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs, reason = "a test may fail loudly")]

mod node_common;

use std::net::SocketAddr;
use std::time::Duration;

use nightjar_core::address::{Address, LinkKind};
use nightjar_core::record::Target;
use nightjar_envelope::delegation::LIFE_S_MAX;
use nightjar_envelope::key::ChatKey;
use nightjar_node::chain::daemon::DaemonError;
use nightjar_node::chain::standing::Standing;
use nightjar_node::foreign::{DaemonOptions, Manner, UnmodifiedDaemon, WalletAccount, WalletDaemon};
use nightjar_node::message::{Filter, Message};
use nightjar_node::post::{Addressee, Letter, SealWish, Sealed, Who, Work};
use nightjar_node::prove::{ProveError, ProveWish, Signer};
use nightjar_pasc::key::{Curve, PrivateKey};
use node_common::{PATIENCE, TestNode};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng as _;
use zeroize::Zeroizing;

const ACCOUNT: u32 = 1234;

fn key(number: u8) -> PrivateKey {
    PrivateKey::random(Curve::Secp256k1, &mut ChaCha20Rng::from_seed([number; 32])).unwrap()
}

/// A daemon whose wallet holds the key of the account.
async fn wallet() -> WalletDaemon {
    let daemon = WalletDaemon::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
    daemon.advance(1000);
    daemon.put_account(ACCOUNT, WalletAccount::new(key(1).public_key()));
    daemon.add_key(key(1));
    daemon
}

async fn node(connect: &[&TestNode], daemon: &WalletDaemon) -> TestNode {
    let connect: Vec<_> = connect.iter().map(|node| node.tls()).collect();
    TestNode::start_with(&connect, |config| config.daemon = Some(daemon.address().to_string())).await
}

async fn identity(node: &TestNode, nick: &str) -> ChatKey {
    let post = node.handle().post();
    let (nick, now) = (nick.to_owned(), node.clock.wall());
    let made = post.identities().off_the_tasks(move |all| all.new_identity(Some(&nick), now)).await.unwrap();
    post.refresh_own();
    made.key
}

fn wish(signer: Signer) -> ProveWish {
    ProveWish { account: ACCOUNT, which: "default".to_owned(), with_name: false, days: 90, revoke: false, signer }
}

fn by_wallet(password: Option<&str>) -> ProveWish {
    wish(Signer::Wallet(password.map(|password| Zeroizing::new(password.to_owned()))))
}

async fn write(node: &TestNode, name: &str, text: &str) {
    let letter = Letter::text(Addressee::Name(name.parse().unwrap()), text);
    node.handle().send(letter, Work::Never).await.unwrap();
}

async fn messages(node: &TestNode) -> Vec<Message> {
    node.handle().messages(0, 100, &Filter::default(), Duration::ZERO).await.unwrap().messages
}

/// Waits until what the node has of somebody fits.
async fn until(node: &TestNode, what: &str, fits: impl Fn(&[Message]) -> bool) -> Vec<Message> {
    let waited = async {
        loop {
            let all = messages(node).await;
            if fits(&all) {
                return all;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    match tokio::time::timeout(PATIENCE, waited).await {
        Ok(all) => all,
        Err(_) => panic!("{what}: {:?}", messages(node).await),
    }
}

fn states(messages: &[Message]) -> Vec<(Standing, Standing)> {
    let state = |message: &Message| {
        let now = message.speaker.as_ref().map_or(Standing::Anonymous, |speaker| speaker.standing);
        (message.reading.as_ref().unwrap().standing, now)
    };
    messages.iter().map(state).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_proven_message_keeps_its_mark_when_the_account_is_sold_and_later_ones_are_lapsed() {
    let (hers, his) = (wallet().await, wallet().await);
    let alice = node(&[], &hers).await;
    let bob = node(&[&alice], &his).await;
    alice.linked(1).await;
    bob.listen("#a").await;
    identity(&alice, "raven").await;
    let (kept, claim) = alice.handle().prove(by_wallet(None)).await.unwrap();
    assert_eq!((kept.proofs.len(), claim.account), (1, ACCOUNT));
    write(&alice, "#a", "mine").await;
    let proven = |all: &[Message]| states(all).first() == Some(&(Standing::Proven, Standing::Proven));
    let all = until(&bob, "it is proven", proven).await;
    let speaker = all[0].speaker.clone().unwrap();
    assert_eq!((speaker.account, speaker.source), (Some(ACCOUNT), his.address().to_string()));
    assert_eq!(speaker.block, 999);

    his.sell(ACCOUNT, key(2).public_key());
    let lapsed = |all: &[Message]| states(all) == [(Standing::Proven, Standing::Lapsed)];
    until(&bob, "it is seen at the next look", lapsed).await;
    write(&alice, "#a", "still mine?").await;
    let all = until(&bob, "the second comes", |all| all.len() == 2).await;
    assert_eq!(states(&all), [(Standing::Proven, Standing::Lapsed), (Standing::Lapsed, Standing::Lapsed)]);
    let who = bob.handle().who_is(&Who::Name(nightjar_core::name::Name::Account(ACCOUNT))).await;
    assert_eq!(who[0].speaker.standing, Standing::Lapsed);
    // After a restart it is known that it was proven once.
    let temp = bob.stop().await;
    let bob = TestNode::start_in(temp, &[], |config| config.daemon = Some(his.address().to_string())).await;
    assert_eq!(states(&messages(&bob).await)[0], (Standing::Proven, Standing::Lapsed));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_that_was_never_confirmed_is_claimed_and_without_anybody_to_ask_unchecked() {
    let (hers, other) = (wallet().await, wallet().await);
    other.put_account(ACCOUNT, WalletAccount::new(key(3).public_key()));
    let alice = node(&[], &hers).await;
    let doubter = node(&[&alice], &other).await;
    let lonely = TestNode::start(&[alice.tls()]).await;
    alice.linked(2).await;
    for node in [&doubter, &lonely] {
        node.listen("#a").await;
    }
    identity(&alice, "raven").await;
    alice.handle().prove(by_wallet(None)).await.unwrap();
    write(&alice, "#a", "mine").await;
    let now = |all: &[Message]| Some(all.first()?.speaker.as_ref()?.clone());
    until(&doubter, "it was looked at", |all| {
        now(all).is_some_and(|it| it.standing == Standing::Claimed && !it.source.is_empty())
    })
    .await;
    until(&lonely, "the claim comes", |all| now(all).is_some_and(|it| it.standing == Standing::Unchecked)).await;
    // The user wants to know, and is told why nobody can say.
    let who = lonely.handle().who_is(&Who::Name(nightjar_core::name::Name::Account(ACCOUNT))).await;
    assert_eq!(who[0].speaker.standing, Standing::Unchecked);
    assert!(who[0].speaker.source.contains("no PascalCoin peer answers"), "{:?}", who[0].speaker);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_claim_that_comes_asks_no_peer_and_a_user_who_wants_to_know_asks_all() {
    let hers = wallet().await;
    let alice = node(&[], &hers).await;
    let mut peers = Vec::new();
    for address in ["127.1.0.1:0", "127.2.0.1:0", "127.3.0.1:0"] {
        peers.push(UnmodifiedDaemon::bind(address.parse().unwrap(), DaemonOptions::default()).await.unwrap());
    }
    let pascal = |of: &UnmodifiedDaemon| Address::new(LinkKind::Pascal, of.address().ip(), of.address().port());
    let bob = TestNode::start(&[alice.tls(), pascal(&peers[0]), pascal(&peers[1])]).await;
    peers[2].dial(bob.handle().about().listen).await.unwrap();
    bob.linked(4).await;
    bob.listen("#a").await;
    identity(&alice, "raven").await;
    alice.handle().prove(by_wallet(None)).await.unwrap();
    write(&alice, "#a", "mine").await;
    until(&bob, "the claim comes", |all| states(all).first().is_some_and(|(_, now)| *now == Standing::Unchecked)).await;
    let asked = || peers.iter().map(|peer| peer.counters().account_questions).sum::<u64>();
    assert_eq!(asked(), 0);
    let who = bob.handle().who_is(&Who::Name(nightjar_core::name::Name::Account(ACCOUNT))).await;
    // On their chain there is no such account.
    assert_eq!((asked(), who[0].speaker.standing), (3, Standing::Claimed));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_proven_is_ended_by_the_same_key() {
    end_a_proof(false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_end_of_a_proof_is_told_also_when_the_chat_key_itself_has_ended() {
    end_a_proof(true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_never_proven_is_not_ended() {
    let hers = wallet().await;
    let alice = node(&[], &hers).await;
    let key = identity(&alice, "raven").await;
    let end = ProveWish { revoke: true, ..by_wallet(None) };
    let refused = alice.handle().prove(end).await.unwrap_err();
    assert!(matches!(&refused, ProveError::NotProven { key: of, .. } if *of == key), "{refused}");
    assert!(!hers.calls().contains(&"signmessage".to_owned()), "{:?}", hers.calls());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_proof_that_was_made_elsewhere_is_ended_by_the_key_that_signed_it() {
    let (hers, too) = (wallet().await, wallet().await);
    let alice = node(&[], &hers).await;
    let elsewhere = node(&[&alice], &too).await;
    alice.linked(1).await;
    let raven = identity(&alice, "raven").await;
    let text = alice.handle().post().identities().export("raven", Some("open sesame")).unwrap();
    let post = elsewhere.handle().post();
    post.identities().import(text.as_bytes(), Some("open sesame")).unwrap();
    post.refresh_own();
    let (_, first) = alice.handle().prove(by_wallet(None)).await.unwrap();
    // It is told when somebody speaks, and a key that listens to its own nick hears it.
    let account = Who::Name(nightjar_core::name::Name::Account(ACCOUNT));
    let told = async {
        let mut tries = 0u32;
        while post.who_is(&account).is_empty() {
            // No more than a look at what is due can follow: a clock that is hours ahead at the next is one that jumped.
            if tries.is_multiple_of(60) {
                alice.clock.step(11 * 60_000);
                elsewhere.clock.step(11 * 60_000);
            }
            tries += 1;
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(PATIENCE, told).await.expect("the proof comes");
    too.sell(ACCOUNT, key(2).public_key());
    let end = ProveWish { revoke: true, ..by_wallet(None) };
    let (_, claim) = elsewhere.handle().prove(end).await.unwrap();
    assert_eq!((&claim.key, claim.chat_key), (&first.key, raven));
    assert!(claim.issued > first.issued);
}

async fn end_a_proof(of_a_key_that_ends: bool) {
    let (hers, his) = (wallet().await, wallet().await);
    let alice = node(&[], &hers).await;
    let bob = node(&[&alice], &his).await;
    alice.linked(1).await;
    bob.listen("#a").await;
    bob.listen("raven").await;
    identity(&alice, "raven").await;
    let (_, first) = alice.handle().prove(by_wallet(None)).await.unwrap();
    write(&alice, "#a", "mine").await;
    until(&bob, "it is proven", |all| states(all) == [(Standing::Proven, Standing::Proven)]).await;
    let end = ProveWish { revoke: true, ..by_wallet(None) };
    let (kept, claim) = alice.handle().prove(end).await.unwrap();
    assert!(claim.issued > first.issued, "also within one second");
    assert_eq!((kept.proofs.len(), claim.until - claim.issued), (1, LIFE_S_MAX));
    if of_a_key_that_ends {
        alice.handle().post().identities().revoke("raven", alice.clock.wall()).unwrap();
        alice.handle().post().refresh_own();
    }
    // What is told again waits ten minutes in one place.
    alice.clock.step(11 * 60_000);
    bob.clock.step(11 * 60_000);
    until(&bob, "it ended", |all| {
        states(all).iter().all(|(_, now)| *now == Standing::Lapsed || *now == Standing::Claimed)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_locked_wallet_is_opened_for_one_call_and_locked_again_also_when_that_fails() {
    let daemon = wallet().await;
    let alice = node(&[], &daemon).await;
    identity(&alice, "raven").await;
    daemon.lock_with("geheim");
    let prove = |password: Option<&'static str>| alice.handle().prove(by_wallet(password));
    let locked = prove(None).await.unwrap_err();
    assert!(matches!(locked, ProveError::Daemon(DaemonError::Locked { .. })), "{locked}");
    assert!(locked.to_string().contains("unlock it there, or give its password"), "{locked}");
    let wrong = prove(Some("wrong")).await.unwrap_err();
    assert!(matches!(wrong, ProveError::Password(_)), "{wrong}");
    assert!(daemon.is_locked());
    prove(Some("geheim")).await.unwrap();
    assert!(daemon.is_locked());
    for manner in [Manner::Closes, Manner::Says("{\"result\":1,\"id\":1}".to_owned()), Manner::Breaks] {
        daemon.behave_at("signmessage", manner.clone());
        prove(Some("geheim")).await.unwrap_err();
        assert!(daemon.is_locked(), "{manner:?}");
    }
    daemon.behave_at("signmessage", Manner::Good);
    daemon.behave_at("lock", Manner::Closes);
    for manner in [Manner::Closes, Manner::Says(r#"{"result":false,"id":1}"#.to_owned())] {
        daemon.lock_with("geheim");
        daemon.behave_at("lock", manner);
        let open = prove(Some("geheim")).await.unwrap_err();
        assert!(matches!(open, ProveError::LeftOpen { .. }), "{open}");
    }
    // What a daemon says of the password is not repeated.
    daemon.behave_at("lock", Manner::Good);
    daemon.lock_with("geheim");
    daemon.behave_at("unlock", Manner::Says(r#"{"error":{"code":1,"message":"not geheim"},"id":1}"#.to_owned()));
    assert!(!prove(Some("geheim")).await.unwrap_err().to_string().contains("geheim"));
    daemon.behave_at("unlock", Manner::Good);
    // Nothing but these was ever asked of the wallet.
    let asked: std::collections::BTreeSet<String> = daemon.calls().into_iter().collect();
    let allowed = ["nodestatus", "getaccount", "unlock", "signmessage", "lock"].map(str::to_owned);
    assert!(asked.is_subset(&allowed.into()), "{asked:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wallet_that_signs_something_else_makes_no_proof() {
    let daemon = wallet().await;
    let alice = node(&[], &daemon).await;
    identity(&alice, "raven").await;
    let lies = r#"{"result":{"digest":"00","enc_pubkey":"00","signature":"0000"},"id":1,"jsonrpc":"2.0"}"#;
    daemon.behave_at("signmessage", Manner::Says(lies.to_owned()));
    let error = alice.handle().prove(by_wallet(None)).await.unwrap_err();
    assert!(matches!(error, ProveError::Daemon(DaemonError::Field { field: "digest", .. })), "{error}");
    assert!(alice.handle().post().identities().list()[0].proofs.is_empty());
    let impossible = ProveWish { days: 91, ..by_wallet(None) };
    assert!(matches!(alice.handle().prove(impossible).await, Err(ProveError::Days(91))));
    let nameless = ProveWish { with_name: true, ..by_wallet(None) };
    assert!(matches!(alice.handle().prove(nameless).await, Err(ProveError::NoName(_))));
    daemon.behave_at("signmessage", Manner::Good);
    daemon.put_account(78, WalletAccount::new(key(9).public_key()));
    let foreign = alice.handle().prove(ProveWish { account: 78, ..by_wallet(None) }).await.unwrap_err();
    assert!(foreign.to_string().contains("does not hold the key of this account"), "{foreign}");
    let nobody = ProveWish { account: 77, ..by_wallet(None) };
    assert!(matches!(alice.handle().prove(nobody).await, Err(ProveError::NoAccount { .. })));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wallets_key_file_signs_as_well() {
    let file = include_str!("../../pasc/tests/vectors/wallet_file.json");
    let file: serde_json::Value = serde_json::from_str(file).unwrap();
    let hex = file["file"].as_str().unwrap().as_bytes();
    let digit = |byte: u8| char::from(byte).to_digit(16).unwrap() as u8;
    let bytes: Vec<u8> = hex.chunks(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])).collect();
    let parsed = nightjar_pasc::wallet_file::WalletFile::parse(&bytes).unwrap();
    let owned = parsed.keys().iter().filter(|key| key.public_key().curve().is_supported());
    let daemon = wallet().await;
    let alice = node(&[], &daemon).await;
    identity(&alice, "raven").await;
    let by_file = |password: &str| {
        let password = Zeroizing::new(password.to_owned());
        wish(Signer::File { bytes: Zeroizing::new(bytes.clone()), password })
    };
    assert!(matches!(alice.handle().prove(by_file("")).await, Err(ProveError::NoKey(_))));
    let mut curves = std::collections::BTreeSet::new();
    for (number, key) in owned.enumerate() {
        let account = 5000 + number as u32;
        daemon.put_account(account, WalletAccount::new(key.public_key().clone()));
        if !curves.insert(format!("{:?}", key.public_key().curve())) {
            continue;
        }
        let wrong = ProveWish { account, ..by_file("wrong") };
        assert!(matches!(alice.handle().prove(wrong).await, Err(ProveError::Decrypt(_))));
        alice.handle().prove(ProveWish { account, ..by_file("") }).await.unwrap();
    }
    assert!(curves.len() >= 3);
    let broken = wish(Signer::File { bytes: Zeroizing::new(vec![0; 40]), password: Zeroizing::default() });
    assert!(matches!(alice.handle().prove(broken).await, Err(ProveError::File(_))));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_sealed_for_an_account_is_opened_by_its_wallet() {
    let daemon = wallet().await;
    let alice = node(&[], &daemon).await;
    let bob = node(&[&alice], &daemon).await;
    alice.linked(1).await;
    bob.listen("1234-44").await;
    // Nobody has a chat key: the account's own key is the best there is.
    let letter = Letter::text(Addressee::Name("1234".parse().unwrap()), "grüße");
    let sent = alice.handle().send(letter.clone(), Work::Never).await.unwrap();
    assert_eq!(sent.sealed, Sealed::Dest(ACCOUNT));
    let all = until(&bob, "it comes", |all| all.len() == 1).await;
    let nightjar_node::message::Content::Record(record) = &all[0].content else { panic!("a record") };
    assert_eq!(record.target(), Target(*nightjar_core::name::target_of_text("1234-44").0.first_chunk().unwrap()));
    let container = record.body()[1..].iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let answer =
        ask(&daemon, &format!(r#"{{"id":1,"method":"payloaddecrypt","params":{{"payload":"{container}"}}}}"#)).await;
    assert!(answer.contains("\"unenc_hexpayload\":\"6772C3BCC39F65\""), "{answer}");
    // The same with a password.
    let aes = Letter { seal: SealWish::Aes(Zeroizing::new("geheim".to_owned())), ..letter };
    alice.handle().send(aes, Work::Never).await.unwrap();
    let all = until(&bob, "it comes", |all| all.len() == 2).await;
    let nightjar_node::message::Content::Record(record) = &all[1].content else { panic!("a record") };
    let container = record.body()[1..].iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let request =
        format!(r#"{{"id":1,"method":"payloaddecrypt","params":{{"payload":"{container}","pwds":["no","geheim"]}}}}"#);
    assert!(ask(&daemon, &request).await.contains("\"unenc_hexpayload\":\"6772C3BCC39F65\""));
}

async fn ask(daemon: &WalletDaemon, body: &str) -> String {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let mut stream = tokio::net::TcpStream::connect(daemon.address()).await.unwrap();
    let request = format!("POST / HTTP/1.1\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}
