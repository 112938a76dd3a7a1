//! Own messages on their way out: nothing that was taken over is lost, and how far it came is told truthfully.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs, reason = "a test may fail loudly")]

mod node_common;

use std::time::Duration;

use nightjar_envelope::key::ChatKey;
use nightjar_node::message::{Delivery, Filter, Message, What};
use nightjar_node::post::{Addressee, DEADLINE_S_MAX, Letter, SendError, Sent, SpeakAs, Work};
use node_common::{PATIENCE, TestNode};
use zeroize::Zeroizing;

const HOUR_MS: i64 = 3_600_000;

async fn identity(node: &TestNode) -> ChatKey {
    let (post, now) = (node.handle().post(), node.clock.wall());
    let made = post.identities().off_the_tasks(move |all| all.new_identity(Some("raven"), now)).await.unwrap();
    post.refresh_own();
    made.key
}

fn letter(text: &str) -> Letter {
    Letter::text(Addressee::Name("#a".parse().unwrap()), text)
}

async fn send(node: &TestNode, letter: Letter) -> Sent {
    node.handle().send(letter, Work::Never).await.unwrap()
}

/// The own message, once it has come so far.
async fn until(node: &TestNode, what: &str, fits: impl Fn(&Delivery) -> bool) -> Message {
    let own = async {
        loop {
            let page = node.handle().messages(0, 100, &Filter::default(), Duration::ZERO).await.unwrap();
            let own = page.messages.into_iter().find(|message| message.own);
            if let Some(own) = own.filter(|own| own.delivery.as_ref().is_some_and(&fits)) {
                return own;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, own).await.unwrap_or_else(|_| panic!("it does not come: {what}"))
}

/// How far the own message came, in the order in which it was told.
async fn told(node: &TestNode) -> Vec<String> {
    let page = node.handle().events(0, 100, &Filter::default(), Duration::ZERO).await.unwrap();
    page.events
        .into_iter()
        .filter_map(|event| match event.what {
            What::Stored(message) => message.own.then(|| "stored".to_owned()),
            What::Changed(message) => message.own.then(|| format!("{:?}", message.delivery.unwrap())),
            What::Author(_) | What::Erased(_) => None,
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_met_no_peer_goes_out_when_there_is_one_and_comes_once() {
    let (alice, bob) = (TestNode::start(&[]).await, TestNode::start(&[]).await);
    bob.listen("#a").await;
    let key = identity(&alice).await;
    let sent = send(&alice, letter("is anybody there?")).await;
    let day = alice.clock.wall().unix_s() + 86_400;
    assert!(sent.peers == 0 && sent.waits_until.is_some_and(|until| until.abs_diff(day) < 60), "{sent:?}");
    let own = until(&alice, "it waits", |delivery| *delivery == Delivery::Queued).await;
    assert_eq!(own.reading.unwrap().id, Some(sent.id));
    assert_eq!(alice.handle().post().outbox().len(), 1);
    alice.handle().add_peer(bob.tls()).await.unwrap();
    until(&alice, "it is sent", |delivery| *delivery == Delivery::Sent(1)).await;
    assert!(alice.handle().post().outbox().is_empty());
    let came = bob.messages(1).await.remove(0).reading.unwrap();
    assert_eq!((came.id, came.author), (Some(sent.id), Some(key)));
    // What is said next comes as the second, although the first went out twice.
    send(&alice, letter("good")).await;
    assert_eq!(bob.messages(2).await.len(), 2);
    assert_eq!(told(&alice).await[..2], ["stored", "Sent(1)"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_survives_a_restart_and_goes_under_a_new_date_as_the_same_message() {
    let (alice, bob) = (TestNode::start(&[]).await, TestNode::start(&[]).await);
    bob.listen("#a").await;
    identity(&alice).await;
    let sent = send(&alice, letter("hours later")).await;
    let temp = alice.stop().await;
    let alice = TestNode::start_in(temp, &[], |_| {}).await;
    assert_eq!(alice.handle().post().outbox()[0].id, sent.id);
    // The record that was made first has expired by now, here and there.
    alice.clock.step(2 * HOUR_MS);
    bob.clock.step(2 * HOUR_MS);
    alice.handle().add_peer(bob.tls()).await.unwrap();
    let came = bob.messages(1).await.remove(0);
    assert_eq!(came.reading.unwrap().id, Some(sent.id));
    until(&alice, "it is sent", |delivery| matches!(delivery, Delivery::Sent(_))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_whose_deadline_is_over_has_failed_and_says_why() {
    let alice = TestNode::start(&[]).await;
    identity(&alice).await;
    let sent = send(&alice, Letter { deadline_s: Some(3600), ..letter("in time") }).await;
    let until_s = sent.waits_until.unwrap();
    assert!(until_s.abs_diff(alice.clock.wall().unix_s() + 3600) < 60);
    alice.clock.step(HOUR_MS);
    let failed = |delivery: &Delivery| matches!(delivery, Delivery::Failed(why) if why.contains("no peer"));
    until(&alice, "it failed", failed).await;
    assert!(alice.handle().post().outbox().is_empty());
    let too_long = Letter { deadline_s: Some(DEADLINE_S_MAX + 1), ..letter("for ever") };
    let refused = alice.handle().send(too_long, Work::Never).await.unwrap_err();
    assert!(matches!(refused, SendError::Deadline(_)), "{refused}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_nobody_signed_waits_as_long_as_its_record_lives() {
    let (alice, bob) = (TestNode::start(&[]).await, TestNode::start(&[]).await);
    bob.listen("#a").await;
    let unsigned = |text| Letter { speaker: SpeakAs::Nobody, ..letter(text) };
    let sent = send(&alice, unsigned("soon")).await;
    assert_eq!(sent.waits_until, Some(sent.expiry));
    alice.handle().add_peer(bob.tls()).await.unwrap();
    until(&alice, "it is sent", |delivery| *delivery == Delivery::Sent(1)).await;
    assert_eq!(bob.messages(1).await[0].reading.as_ref().unwrap().id, Some(sent.id));

    let lonely = TestNode::start(&[]).await;
    send(&lonely, unsigned("too late")).await;
    lonely.clock.step(HOUR_MS);
    until(&lonely, "it failed", |delivery| matches!(delivery, Delivery::Failed(_))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_that_waits_can_be_taken_back_once() {
    let alice = TestNode::start(&[]).await;
    identity(&alice).await;
    let sent = send(&alice, letter("I did not mean that")).await;
    let post = alice.handle().post();
    assert!(post.cancel(sent.id) && !post.cancel(sent.id));
    until(&alice, "it was taken back", |delivery| *delivery == Delivery::Failed("it was taken back".to_owned())).await;
    let bob = TestNode::start(&[alice.tls()]).await;
    bob.listen("#a").await;
    alice.linked(1).await;
    send(&alice, letter("hello")).await;
    let came = bob.messages(1).await.remove(0);
    assert_ne!(came.reading.unwrap().id, Some(sent.id));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_written_down_and_waits_for_its_turn_can_be_taken_back() {
    let node = TestNode::start(&[]).await;
    let ready = node.handle().prepare(letter("not so")).await.unwrap();
    let id = ready.id();
    let kept = node.handle().keep(ready, Work::Never).await.unwrap();
    assert!(kept.is_on_disk());
    until(&node, "it waits", |delivery| *delivery == Delivery::Queued).await;
    assert!(node.handle().post().cancel(id) && !node.handle().post().cancel(id));
    assert!(matches!(node.handle().send_kept(kept).await, Err(SendError::TakenBack)));
    until(&node, "the end", |delivery| matches!(delivery, Delivery::Failed(why) if why.contains("taken back"))).await;
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_locked_key_is_to_sign_waits_until_it_is_open() {
    let (alice, bob) = (TestNode::start(&[]).await, TestNode::start(&[]).await);
    bob.listen("#a").await;
    identity(&alice).await;
    let (post, phrase) = (alice.handle().post(), Zeroizing::new("for the disk".to_owned()));
    let set = phrase.clone();
    post.identities().off_the_tasks(move |all| all.set_passphrase(None, Some(&set))).await.unwrap();
    let sent = send(&alice, letter("when I am back")).await;
    post.identities().lock().unwrap();
    post.refresh_own();
    alice.handle().add_peer(bob.tls()).await.unwrap();
    alice.linked(1).await;
    assert_eq!(post.outbox().len(), 1);
    post.identities().off_the_tasks(move |all| all.unlock(&phrase)).await.unwrap();
    post.refresh_own();
    assert_eq!(bob.messages(1).await[0].reading.as_ref().unwrap().id, Some(sent.id));
    until(&alice, "it is sent", |delivery| *delivery == Delivery::Sent(1)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_neighbours_say_that_they_hold_is_told_of_the_message_and_of_all_its_parts() {
    let bob = TestNode::start(&[]).await;
    let alice = TestNode::start(&[bob.tls()]).await;
    alice.linked(1).await;
    let post = alice.handle().post();
    let sent = send(&alice, letter("good night")).await;
    until(&alice, "it is sent", |delivery| *delivery == Delivery::Sent(1)).await;
    post.held(vec![(nightjar_core::record::MsgId([7; 16]), 3), (sent.msg_id, 2), (sent.msg_id, 1)]);
    until(&alice, "it is held", |delivery| *delivery == Delivery::Held(2)).await;
    post.held(vec![(sent.msg_id, 1)]);
    post.held(vec![(sent.msg_id, 4)]);
    until(&alice, "it is held by more", |delivery| *delivery == Delivery::Held(4)).await;

    // Bob hears by the flood in which records a long message went out.
    bob.listen("#b").await;
    let carol = TestNode::start(&[bob.tls()]).await;
    bob.linked(2).await;
    let long = (0..1_000u32).map(|number| format!("{:x} ", number.wrapping_mul(2_654_435_761))).collect::<String>();
    let to_b = Letter::text(Addressee::Name("#b".parse().unwrap()), &long);
    let sent = send(&carol, to_b).await;
    assert!(sent.parts > 2);
    until(&carol, "all of it is sent", |delivery| *delivery == Delivery::Sent(1)).await;
    carol.handle().post().held(vec![(sent.msg_id, 5)]);
    // The next one is written down behind what that would have changed.
    send(&carol, letter("behind")).await;
    let first = until(&carol, "it is there", |_| true).await;
    assert_eq!(first.delivery, Some(Delivery::Sent(1)), "of the other parts nobody said anything");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_may_have_left_a_killed_process_or_not_goes_once_more_and_stays_told_as_sent() {
    let (bob, carol) = (TestNode::start(&[]).await, TestNode::start(&[]).await);
    carol.listen("#a").await;
    let alice = TestNode::start(&[bob.tls()]).await;
    alice.linked(1).await;
    identity(&alice).await;
    let sent = send(&alice, letter("just before the end")).await;
    until(&alice, "it is sent", |delivery| *delivery == Delivery::Sent(1)).await;
    assert!(alice.handle().post().outbox().is_empty(), "nobody waits for it");
    // What is there when a process is killed; but its window and the other side have nothing.
    let killed = tempfile::tempdir().unwrap();
    let data = killed.path().join("data");
    std::fs::create_dir(&data).unwrap();
    for entry in std::fs::read_dir(alice.temp.path().join("data")).unwrap().map(Result::unwrap) {
        let name = entry.file_name().into_string().unwrap();
        if !name.starts_with("window.db") && name != "lock" && name != "ready.json" {
            std::fs::copy(entry.path(), data.join(name)).unwrap();
        }
    }
    let ended = alice.stop().await;

    let again = TestNode::start_in(killed, &[], |_| {}).await;
    assert!(again.handle().post().outbox().is_empty());
    again.handle().add_peer(carol.tls()).await.unwrap();
    assert_eq!(carol.messages(1).await[0].reading.as_ref().unwrap().id, Some(sent.id));
    assert_eq!(told(&again).await, ["stored", "Sent(1)"]);

    // Who ended in order knows that it went.
    let dave = TestNode::start(&[]).await;
    dave.listen("#a").await;
    let in_order = TestNode::start_in(ended, &[dave.tls()], |config| config.window = None).await;
    in_order.linked(1).await;
    let next = send(&in_order, letter("the next")).await;
    assert_eq!(dave.messages(1).await[0].reading.as_ref().unwrap().id, Some(next.id));
}
