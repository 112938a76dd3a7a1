//! Who wants that tells his contacts that what they wrote came, and nobody else.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs, reason = "a test may fail loudly")]

mod node_common;

use std::time::Duration;

use nightjar_envelope::key::ChatKey;
use nightjar_node::message::{Delivery, Filter, Message, text_of};
use nightjar_node::post::{ACK_DELAY_MS_MAX, ACKS_PER_MINUTE_MAX, Addressee, Letter, Sent, Work};
use node_common::{PATIENCE, TestNode};

const LATEST: i64 = ACK_DELAY_MS_MAX as i64;

async fn identity(node: &TestNode, nick: &'static str) -> ChatKey {
    let (post, now) = (node.handle().post(), node.clock.wall());
    let made = post.identities().off_the_tasks(move |all| all.new_identity(Some(nick), now)).await.unwrap();
    post.refresh_own();
    made.key
}

async fn write(node: &TestNode, to: Addressee, text: &str) -> Sent {
    node.handle().send(Letter::text(to, text), Work::Never).await.unwrap()
}

async fn log(node: &TestNode) -> Vec<Message> {
    node.handle().messages(0, 1000, &Filter::default(), Duration::ZERO).await.unwrap().messages
}

fn text(message: &Message) -> String {
    text_of(&message.content, message.reading.as_ref()).unwrap().into_owned()
}

/// Waits until the log of a node fits.
async fn until(node: &TestNode, what: &str, fits: impl Fn(&[Message]) -> bool) -> Vec<Message> {
    let waited = async {
        loop {
            let log = log(node).await;
            if fits(&log) {
                return log;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, waited).await.unwrap_or_else(|_| panic!("it does not come: {what}"))
}

fn acknowledged(log: &[Message]) -> Vec<String> {
    log.iter().filter(|message| message.delivery == Some(Delivery::Acknowledged)).map(text).collect()
}

/// Two who are each other's contacts, of whom the second tells that something came if he wants that.
async fn contacts(acknowledge: bool) -> (TestNode, TestNode, ChatKey, ChatKey) {
    let bob = TestNode::start_with(&[], |config| config.acknowledge = acknowledge).await;
    let alice = TestNode::start(&[bob.tls()]).await;
    alice.linked(1).await;
    alice.listen("bob").await;
    let (hers, his) = (identity(&alice, "alice").await, identity(&bob, "bob").await);
    let heard = async {
        let bob = nightjar_node::post::Who::Key(his.to_string());
        while alice.handle().post().who_is(&bob).is_empty() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, heard).await.expect("his card comes");
    write(&alice, Addressee::Name("bob".parse().unwrap()), "are you there?").await;
    until(&bob, "her question", |log| log.len() == 1).await;
    write(&bob, Addressee::Key(hers), "yes").await;
    until(&alice, "his answer", |log| log.len() == 2).await;
    (alice, bob, hers, his)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_contact_writes_is_acknowledged_after_a_while_and_what_a_stranger_wrote_is_not() {
    let (alice, bob, hers, his) = contacts(true).await;
    write(&alice, Addressee::Key(his), "good night").await;
    until(&bob, "it comes", |log| log.len() == 3).await;
    assert!(acknowledged(&log(&alice).await).is_empty());
    bob.clock.step(LATEST);
    let all = until(&alice, "he says so", |log| !acknowledged(log).is_empty()).await;
    assert_eq!(acknowledged(&all), ["good night"], "before that she was a stranger");
    // It is no message, neither here nor there, and nothing that waits.
    assert_eq!(all.len(), 3);
    assert_eq!(log(&bob).await.len(), 3);
    assert!(bob.handle().post().outbox().is_empty());
    assert_eq!(alice.handle().post().counters().stray_acks, 0);
    // She does not acknowledge, and an acknowledgement is not acknowledged.
    write(&bob, Addressee::Key(hers), "sleep well").await;
    until(&alice, "his wish", |log| log.len() == 4).await;
    alice.clock.step(LATEST);
    write(&alice, Addressee::Key(his), "behind").await;
    let his_log = until(&bob, "what is behind", |log| log.len() == 5).await;
    assert!(acknowledged(&his_log).is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_did_not_ask_for_it_tells_nobody_that_something_came() {
    let (alice, bob, hers, his) = contacts(false).await;
    write(&alice, Addressee::Key(his), "good night").await;
    until(&bob, "it comes", |log| log.len() == 3).await;
    bob.clock.step(LATEST);
    write(&bob, Addressee::Key(hers), "behind").await;
    let all = until(&alice, "what is behind", |log| log.len() == 4).await;
    assert!(acknowledged(&all).is_empty());
    // His card, his answer, and that.
    bob.until(|status| status.counters.published == 3).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_contact_who_floods_is_told_of_ten_messages_in_a_minute() {
    let (alice, bob, hers, his) = contacts(true).await;
    for number in 0..ACKS_PER_MINUTE_MAX + 5 {
        write(&alice, Addressee::Key(his), &format!("buy {number}!")).await;
    }
    until(&bob, "all of it", |log| log.len() == ACKS_PER_MINUTE_MAX + 7).await;
    bob.clock.step(LATEST);
    until(&alice, "ten are told", |log| acknowledged(log).len() == ACKS_PER_MINUTE_MAX).await;
    write(&bob, Addressee::Key(hers), "enough").await;
    let all = until(&alice, "what is behind", |log| log.iter().any(|it| text(it) == "enough")).await;
    assert_eq!(acknowledged(&all).len(), ACKS_PER_MINUTE_MAX);
}
