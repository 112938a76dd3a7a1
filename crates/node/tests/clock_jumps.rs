//! Clocks that jump forth and back under a node, and between its runs: nothing is lost, and what is wrong is said.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs, reason = "a test may fail loudly")]

mod node_common;

use std::time::Duration;

use nightjar_envelope::key::ChatKey;
use nightjar_envelope::map::Map;
use nightjar_node::clock::Clock;
use nightjar_node::handle::{ListenTo, ListenWish};
use nightjar_node::message::{Delivery, Erase, Filter, Message, Said, text_of};
use nightjar_node::post::{Addressee, Letter, SendError, SpeakAs, Work};
use node_common::{PATIENCE, TestNode};

const DAY_MS: i64 = 86_400_000;
const TEN_YEARS_MS: i64 = 3_653 * DAY_MS;

async fn identity(node: &TestNode, nick: Option<&'static str>) -> ChatKey {
    let (post, now) = (node.handle().post(), node.clock.wall());
    let made = post.identities().off_the_tasks(move |all| all.new_identity(nick, now)).await.unwrap();
    post.refresh_own();
    made.key
}

fn letter(text: &str) -> Letter {
    Letter::text(Addressee::Name("#a".parse().unwrap()), text)
}

/// How far the own message of this text came.
async fn until(node: &TestNode, said: &str, fits: impl Fn(&Delivery) -> bool) {
    let come = async {
        loop {
            let page = node.handle().messages(0, 1000, &Filter::default(), Duration::ZERO).await.unwrap();
            let own = page.messages.iter().filter(|message| message.own);
            let mut told = own.filter(|message| shown(message) == said).filter_map(|it| it.delivery.as_ref());
            if told.any(&fits) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, come).await.unwrap_or_else(|_| panic!("it does not come so far: {said}"));
}

fn shown(message: &Message) -> String {
    text_of(&message.content, message.reading.as_ref()).unwrap_or_default().into_owned()
}

/// Jumps, each from where the clock is right: a day and ten years ahead, a day back, and to 1970.
fn jumps(node: &TestNode) -> [i64; 4] {
    let to_1970 = -i64::try_from(node.clock.wall().0).unwrap();
    [DAY_MS, TEN_YEARS_MS, -DAY_MS, to_1970]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_that_waits_outlives_every_jump_of_the_clock_and_goes_out_once() {
    let (alice, bob) = (TestNode::start(&[]).await, TestNode::start(&[]).await);
    bob.listen("#a").await;
    identity(&alice, Some("raven")).await;
    alice.handle().send(letter("signed"), Work::Never).await.unwrap();
    let unsigned = Letter { speaker: SpeakAs::Nobody, ..letter("unsigned") };
    alice.handle().send(unsigned, Work::Never).await.unwrap();
    for jump in jumps(&alice) {
        alice.clock.step(jump);
        for said in ["signed", "unsigned"] {
            let failed = |delivery: &Delivery| matches!(delivery, Delivery::Failed(why) if why.contains("no peer"));
            until(&alice, said, |delivery| if jump > 0 { failed(delivery) } else { *delivery == Delivery::Queued })
                .await;
        }
        assert_eq!(alice.handle().post().outbox().len(), if jump > 0 { 0 } else { 2 });
        alice.clock.step(-jump);
        for said in ["signed", "unsigned"] {
            until(&alice, said, |delivery| *delivery == Delivery::Queued).await;
        }
    }
    alice.handle().add_peer(bob.tls()).await.unwrap();
    for said in ["signed", "unsigned"] {
        until(&alice, said, |delivery| *delivery == Delivery::Sent(1)).await;
    }
    assert_eq!(bob.messages(2).await.len(), 2);
    assert!(alice.handle().post().outbox().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_that_waits_over_a_restart_by_a_wrong_clock_goes_out_when_the_clock_is_right() {
    let bob = TestNode::start(&[]).await;
    bob.listen("#a").await;
    let mut alice = TestNode::start(&[]).await;
    identity(&alice, Some("raven")).await;
    alice.handle().send(letter("hello"), Work::Never).await.unwrap();
    for jump in jumps(&alice) {
        let clock = Clock::system();
        clock.step(jump);
        alice = TestNode::start_by(clock, alice.stop().await, &[], |_| {}).await;
        let is_over = |delivery: &Delivery| matches!(delivery, Delivery::Failed(_));
        until(&alice, "hello", |delivery| is_over(delivery) == (jump > 0)).await;
    }
    // Dated by the right clock it is ahead of this one: it is not said to be sent when nobody would take it.
    alice.handle().add_peer(bob.tls()).await.unwrap();
    alice.linked(1).await;
    let waits = alice.handle().post().outbox();
    assert_eq!(waits.len(), 1);
    let right = Clock::system();
    alice.clock.step(i64::try_from(right.wall().0 - alice.clock.wall().0).unwrap());
    until(&alice, "hello", |delivery| *delivery == Delivery::Sent(1)).await;
    assert_eq!(bob.messages(1).await[0].reading.as_ref().unwrap().id, Some(waits[0].id));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_erased_while_it_was_over_does_not_come_back_with_the_clock() {
    let (alice, bob) = (TestNode::start(&[]).await, TestNode::start(&[]).await);
    bob.listen("#a").await;
    identity(&alice, Some("raven")).await;
    alice.handle().send(letter("erased"), Work::Never).await.unwrap();
    alice.clock.step(DAY_MS);
    until(&alice, "erased", |delivery| matches!(delivery, Delivery::Failed(_))).await;
    assert_eq!(alice.handle().erase(Erase::All).await.unwrap(), 1);
    alice.clock.step(-DAY_MS);
    alice.handle().add_peer(bob.tls()).await.unwrap();
    alice.linked(1).await;
    let behind = Letter { speaker: SpeakAs::Nobody, ..letter("behind it") };
    alice.handle().send(behind, Work::Never).await.unwrap();
    assert_eq!(shown(&bob.messages(1).await[0]), "behind it");
    assert!(alice.handle().post().outbox().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_written_ahead_of_the_clock_is_not_said_to_be_sent_and_the_next_says_what_is_wrong() {
    let (alice, bob) = (TestNode::start(&[]).await, TestNode::start(&[]).await);
    bob.listen("#a").await;
    let key = identity(&alice, Some("raven")).await;
    alice.clock.step(DAY_MS);
    let ahead = alice.handle().send(letter("tomorrow"), Work::Never).await.unwrap();
    alice.clock.step(-DAY_MS);
    alice.handle().add_peer(bob.tls()).await.unwrap();
    alice.linked(1).await;
    // Its times must rise.
    let error = alice.handle().send(letter("today"), Work::Never).await.unwrap_err();
    assert!(matches!(error, SendError::Time(_)), "{error}");
    let said = error.to_string();
    assert!(said.contains(&key.to_string()) && said.contains("ahead of this machine's clock"), "{said}");
    // Others speak, and who is nobody.
    let unsigned = Letter { speaker: SpeakAs::Nobody, ..letter("by nobody") };
    alice.handle().send(unsigned, Work::Never).await.unwrap();
    assert_eq!(bob.messages(1).await.len(), 1);
    assert_eq!(alice.handle().post().outbox().len(), 1);
    until(&alice, "tomorrow", |delivery| *delivery == Delivery::Queued).await;
    // When that time has come it is taken.
    alice.clock.step(DAY_MS);
    bob.clock.step(DAY_MS);
    assert_eq!(bob.messages(2).await[1].reading.as_ref().unwrap().id, Some(ahead.id));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_goes_on_and_times_rise_over_jumps_and_restarts() {
    let mut node = TestNode::start(&[]).await;
    node.listen("#a").await;
    // Without a nick it tells nothing by itself.
    identity(&node, None).await;
    let mut said = Vec::new();
    // Back first: from ahead an identity does not come back, and says so.
    let [day, years, back, to_1970] = jumps(&node);
    for (number, jump) in [back, to_1970, 0, 1_000, day, years].into_iter().enumerate() {
        let clock = Clock::system();
        clock.step(jump);
        node = TestNode::start_by(clock, node.stop().await, &[], |_| {}).await;
        let text = format!("message {number}");
        match node.handle().send(letter(&text), Work::Never).await {
            Ok(_) => said.push(text),
            Err(error) => assert!(matches!(error, SendError::Time(_)) && jump < 0, "{error}"),
        }
        // While it runs, to and fro.
        for jump in jumps(&node) {
            node.clock.step(jump);
            let text = format!("unsigned {number} {jump}");
            node.say("#a", &text).await;
            said.push(text);
            node.messages(said.len()).await;
            node.clock.step(-jump);
        }
    }
    let messages = node.messages(said.len()).await;
    assert_eq!(messages.iter().map(shown).collect::<Vec<_>>(), said);
    let page = node.handle().events(0, 1000, &Filter::default(), Duration::ZERO).await.unwrap();
    let seqs: Vec<u64> = page.events.iter().map(|event| event.seq).collect();
    assert_eq!(seqs, (1..=seqs.len() as u64).collect::<Vec<_>>());
    let times: Vec<u64> = messages.iter().filter_map(author_time).collect();
    assert!(times.len() >= 4 && times.is_sorted_by(|one, two| one < two), "{times:?}");
    assert_eq!(node.handle().status().not_stored, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_jump_ends_a_lease_or_a_link() {
    let (one, two) = (TestNode::start(&[]).await, TestNode::start(&[]).await);
    two.handle().add_peer(one.tls()).await.unwrap();
    two.linked(1).await;
    let to = ListenTo::Name("#a".parse().unwrap());
    two.handle().listen(ListenWish { to, lease_s: Some(600), lease: None }).await.unwrap();
    for (number, jump) in jumps(&two).into_iter().enumerate() {
        two.clock.step(jump);
        // What is in its time for both.
        two.say("#a", &format!("two {number}")).await;
        two.clock.step(-jump);
        one.say("#a", &format!("one {number}")).await;
        two.messages(2 * (number + 1)).await;
    }
    assert_eq!(two.handle().listens().await.unwrap().len(), 1);
    let links = two.handle().status().connections.iter().map(|link| link.link).collect::<Vec<_>>();
    assert_eq!(links.len(), 1);
    assert!(two.handle().status().banned.is_empty() && one.handle().status().banned.is_empty());
}

fn author_time(message: &Message) -> Option<u64> {
    match &message.reading.as_ref()?.said {
        Said::Map { map, .. } => Some(Map::read_all(map).unwrap().time_ms()),
        _ => None,
    }
}
