//! Records that are not what they seem, and clocks that are wrong, among whole nodes.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs, reason = "a test may fail loudly")]

mod link_common;
mod node_common;

use link_common::Raw;
use nightjar_core::name::TypedName;
use nightjar_core::record::{MsgId, Record, Target};
use nightjar_core::time::Wall;
use node_common::{TestNode, text};
use tokio::net::TcpStream;

const HOUR_MS: i64 = 3_600_000;

fn target() -> Target {
    "#demo".parse::<TypedName>().unwrap().targets()[0]
}

fn dated(now: Wall, body: &[u8], lives_s: i64, number: u64) -> Record {
    let expiry = u32::try_from(i64::from(now.unix_s()) + lives_s).unwrap();
    Record::dated(target(), body, expiry, 0, number.to_le_bytes()).unwrap()
}

/// Sends records as one frame of a TLS link.
async fn send(raw: &mut Raw, records: &[&Record]) {
    let mut body = u16::try_from(records.len()).unwrap().to_le_bytes().to_vec();
    for record in records {
        body.extend([0, 0]);
        body.extend(record.bytes());
    }
    let [a, b, c, _] = u32::try_from(body.len()).unwrap().to_le_bytes();
    raw.channel.write(&[&[2, 0, a, b, c][..], &body].concat());
    raw.flush().await;
}

/// A node that listens, one behind it that does too, and a peer of the first that says what it likes.
async fn line() -> (TestNode, TestNode, Raw) {
    let near = TestNode::start(&[]).await;
    let far = TestNode::start(&[near.tls()]).await;
    near.listen("#demo").await;
    far.listen("#demo").await;
    let raw = Raw::connect(9, TcpStream::connect(near.handle().about().listen).await.unwrap()).await;
    near.linked(2).await;
    (near, far, raw)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plain_copy_of_a_dated_record_shadows_it_neither_before_nor_after() {
    let (near, far, mut raw) = line().await;
    let now = near.clock.wall();
    let first = dated(now, b"first", 600, 1);
    let poison = |record: &Record, text: &[u8]| Record::plain(record.msg_id(), target(), text).unwrap();
    // Before: nobody can know yet that it is a forgery. The true one comes through nevertheless.
    send(&mut raw, &[&poison(&first, b"poison before")]).await;
    send(&mut raw, &[&first]).await;
    send(&mut raw, &[&first]).await;
    assert_eq!(far.texts(2).await, ["poison before", "first"]);
    // After, and in one frame with it.
    send(&mut raw, &[&poison(&first, b"poison after")]).await;
    let second = dated(now, b"second", 600, 2);
    send(&mut raw, &[&second, &poison(&second, b"poison beside")]).await;
    send(&mut raw, &[&dated(now, b"last", 600, 3)]).await;
    for node in [&near, &far] {
        assert_eq!(node.texts(4).await, ["poison before", "first", "second", "last"]);
    }
    near.until(|status| status.counters.forged == 2 && status.counters.repeats == 1).await;
    // All four came, so that what stands beside them is as new.
    far.until(|status| status.counters.delivered == 4).await;
    assert_eq!(far.handle().status().counters.forged, 0, "forgeries went no further");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dated_record_under_a_wrong_id_is_a_plain_one_and_does_the_true_one_no_harm() {
    let (near, far, mut raw) = line().await;
    let record = dated(near.clock.wall(), b"true", 600, 1);
    let wrong = Record::plain(MsgId([7; 16]), target(), record.payload()).unwrap();
    assert!(wrong.stamp().is_none());
    send(&mut raw, &[&wrong, &record]).await;
    let messages = far.messages(2).await;
    assert_eq!(text(&messages[1]), "true");
    assert_eq!(near.messages(2).await.len(), 2);
    near.until(|status| status.counters.by_class == [0, 1, 1]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_out_of_their_time_go_nowhere() {
    let (near, far, mut raw) = line().await;
    let now = near.clock.wall();
    for (number, lives_s) in [(1, -70), (2, -4000), (3, 3800), (4, 100_000)] {
        send(&mut raw, &[&dated(now, b"out of its time", lives_s, number)]).await;
    }
    send(&mut raw, &[&dated(now, b"in time", 600, 5)]).await;
    assert_eq!(far.texts(1).await, ["in time"]);
    assert_eq!(near.texts(1).await, ["in time"]);
    near.until(|status| status.counters.expired == 4).await;
    far.until(|status| status.counters.received > 0).await;
    assert_eq!(far.handle().status().counters.received, 1);
    assert_eq!(near.handle().status().connections.len(), 2, "nobody is let go for so few");
}

/// What it takes and more to be let go, if anybody were to blame; and less.
const MANY: u64 = 20;
const FEW: u64 = 5;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deliveries_resume_when_a_clock_that_was_an_hour_off_is_set() {
    for by_ms in [HOUR_MS, -HOUR_MS] {
        let one = TestNode::start(&[]).await;
        let two = TestNode::start(&[]).await;
        two.clock.step(by_ms);
        two.handle().add_peer(one.tls()).await;
        lost_and_found(&one, &two, by_ms, MANY).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deliveries_resume_when_a_clock_that_stepped_by_an_hour_steps_back() {
    for by_ms in [HOUR_MS, -HOUR_MS] {
        let one = TestNode::start(&[]).await;
        let two = TestNode::start(&[one.tls()]).await;
        one.linked(1).await;
        two.clock.step(by_ms);
        lost_and_found(&one, &two, by_ms, FEW).await;
    }
}

/// The clock of the second is off by so much: so many records of each are lost to the other, until it is set.
async fn lost_and_found(one: &TestNode, two: &TestNode, by_ms: i64, lost: u64) {
    one.linked(1).await;
    two.linked(1).await;
    one.listen("#demo").await;
    two.listen("#demo").await;
    for number in 0..lost {
        one.say("#demo", &format!("one {number}")).await;
        two.say("#demo", &format!("two {number}")).await;
    }
    for node in [one, two] {
        node.until(|status| status.counters.expired == lost).await;
    }
    two.clock.step(-by_ms);
    one.say("#demo", "are you there?").await;
    two.say("#demo", "I am").await;
    let count = usize::try_from(lost).unwrap();
    for (node, own, last) in [(one, "one", "I am"), (two, "two", "are you there?")] {
        let texts = node.texts(count + 2).await;
        assert!(texts.contains(&last.to_owned()), "{texts:?}");
        assert_eq!(texts.iter().filter(|text| text.starts_with(own)).count(), count);
        assert_eq!(node.handle().status().connections.len(), 1, "nobody was let go");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_machine_that_slept_for_some_minutes_goes_on() {
    let one = TestNode::start(&[]).await;
    let two = TestNode::start(&[one.tls()]).await;
    two.listen("#demo").await;
    one.linked(1).await;
    one.say("#demo", "before").await;
    assert_eq!(two.texts(1).await, ["before"]);
    for node in [&one, &two] {
        node.clock.step(HOUR_MS / 3);
    }
    one.say("#demo", "after").await;
    assert_eq!(two.texts(2).await, ["before", "after"]);
}
