//! What comes after its time, by catch-up or out of the window, is opened as of then, and is never news.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail loudly")]

use std::path::Path;
use std::time::Duration;

use nightjar_core::chain::Network;
use nightjar_core::name::target_of_text;
use nightjar_core::record::{BODY_BYTES_MAX, Target};
use nightjar_core::time::Wall;
use nightjar_envelope::compose::{Wrap, compose};
use nightjar_envelope::delegation::Scope;
use nightjar_envelope::fragment;
use nightjar_envelope::key::ChatSecret;
use nightjar_envelope::map::MapDraft;
use nightjar_envelope::seal::pair::PairKey;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng as _;
use zeroize::Zeroizing;

use super::super::Post;
use super::super::proofs::tests::checked;
use super::*;
use crate::clock::Clock;
use crate::config::Checked;
use crate::data_dir::DataDir;
use crate::engine::Node;
use crate::identity::Identities;
use crate::message::{Delivery, Filter, Message};
use crate::post::Ignored;
use crate::store::StoreLimits;

const DAY_S: u32 = 86_400;
const PATIENCE: Duration = Duration::from_secs(60);

fn secret(number: u8) -> ChatSecret {
    ChatSecret::from_seed(&Zeroizing::new([number; 32]))
}

fn chance(seed: u64) -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(seed)
}

/// A post without a node around it, whose only key is called raven.
fn raven(dir: &Path, clock: &Clock) -> (Post, ChatSecret) {
    let identities = Identities::load(&dir.join("identities.json")).unwrap();
    identities.new_identity(Some("raven"), clock.wall()).unwrap();
    let own = identities.secret("raven").unwrap();
    let path = dir.join("nightjar.db");
    let post =
        Post::open(Network::Main, &path, StoreLimits::default(), false, identities, clock.clone(), chance(1)).unwrap();
    (post, own)
}

/// The records of a map, wrapped for a target.
fn records(wrap: &Wrap<'_>, target: Target, expiry: u32, draft: &MapDraft<'_>) -> Vec<Record> {
    let place = Place { network: Network::Main, target, expiry };
    let body = compose(&place, wrap, &draft.build().unwrap(), &mut chance(2)).unwrap();
    let bodies = if body.len() <= BODY_BYTES_MAX { vec![body] } else { fragment::cut(&place, &body).unwrap() };
    bodies.iter().map(|body| Record::dated(target, body, expiry, CODING, [3; 8]).unwrap()).collect()
}

fn came(record: Record, received: Wall, late: bool) -> NewMessage {
    NewMessage {
        received,
        own: false,
        late,
        name: Some("#a".to_owned()),
        content: Content::Record(record),
        reading: None,
    }
}

async fn log(post: &Post, count: u64) -> Vec<Message> {
    let mut stored = post.store().stored();
    let waited = tokio::time::timeout(PATIENCE, stored.wait_for(|seq| *seq >= count)).await;
    waited.expect("messages are stored").unwrap();
    post.store().messages(0, 1000, &Filter::default()).await.unwrap().messages
}

/// Waits until all that was handed over so far is written down.
async fn written(post: &Post) {
    post.store().change(Vec::new()).await.unwrap();
}

fn text(message: &Message) -> String {
    text_of(&message.content, message.reading.as_ref()).unwrap().into_owned()
}

fn ms(unix_s: u32) -> u64 {
    u64::from(unix_s) * 1000
}

#[tokio::test]
async fn what_comes_late_is_marked_and_is_unread_like_all_that_was_said_meanwhile() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), Clock::system());
    let (post, _) = raven(dir.path(), &clock);
    let (now, ago, crow) = (clock.wall(), clock.wall().unix_s() - 2 * DAY_S, secret(2));
    let said = |time: u32, text: &'static str, late: bool| {
        let draft = MapDraft::text(ms(time), text);
        let record = records(&Wrap::Signed(&crow), target_of_text("#a"), time + 60, &draft).remove(0);
        came(record, now, late)
    };
    post.store().append(vec![said(now.unix_s(), "now", false), said(ago, "raven, are you there?", true)]);
    let log = log(&post, 2).await;
    assert_eq!(
        log.iter().map(|it| (text(it), it.late)).collect::<Vec<_>>(),
        [("now".to_owned(), false), ("raven, are you there?".to_owned(), true)]
    );
    let held = post.store().conversations().await.unwrap().remove(0);
    assert_eq!((held.unread, held.mentions), (2, 1));
    let heard = post.shared.lock().known.speaker(&crow.public()).unwrap().clone();
    assert_eq!(heard.heard, now, "what came late is not the last that was heard");
}

#[tokio::test]
async fn a_date_long_past_makes_nobody_known_for_long() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), Clock::system());
    let (post, _) = raven(dir.path(), &clock);
    let (now, ago) = (clock.wall(), clock.wall().unix_s() - 5 * DAY_S);
    let draft = MapDraft::text(ms(ago), "x");
    let record = records(&Wrap::Signed(&secret(2)), target_of_text("#a"), ago + 60, &draft).remove(0);
    post.store().append(vec![came(record, now, true)]);
    log(&post, 1).await;
    let heard = post.shared.lock().known.speaker(&secret(2).public()).unwrap().clone();
    assert_eq!((heard.first, heard.heard), (now, Wall(ms(ago + 60))));
}

#[tokio::test]
async fn what_was_sealed_for_the_two_of_us_days_ago_is_opened_and_answers_nothing_anew() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), Clock::system());
    let (post, own) = raven(dir.path(), &clock);
    let (now, crow) = (clock.wall(), secret(2));
    let pair = PairKey::between(Network::Main, &crow, &own.public()).unwrap();
    let mut contact = Pair::new(own.public(), crow.public(), Relation::Contact);
    contact.heard = now.unix_s() - 3_600;
    {
        let mut state = post.shared.lock();
        state.known.set_pair(contact, &mut Vec::new()).unwrap();
        state.refresh_pairs();
    }
    let at = |days: u32| {
        let expiry = now.unix_s() - days * DAY_S;
        let (target, draft) = (pair.target_to(&own.public(), expiry / DAY_S), MapDraft::text(ms(expiry - 60), "hello"));
        came(records(&Wrap::Pair { key: &pair, shown: None }, target, expiry, &draft).remove(0), now, true)
    };
    post.store().append([6, 2, 5].map(at).to_vec());
    for message in log(&post, 3).await {
        let reading = message.reading.unwrap();
        assert_eq!((reading.author, reading.request), (Some(crow.public()), false));
        assert_eq!(reading.conversation, format!("@{}", crow.public()));
    }
    let known = *post.shared.lock().known.pair(&own.public(), &crow.public()).unwrap();
    assert_eq!(known.heard, contact.heard, "somebody who wrote days ago need not listen where the two talk now");
    assert_eq!(known.answered, now.unix_s() - 2 * DAY_S, "the latest of them, in whatever order they come");
}

#[tokio::test]
async fn parts_that_come_late_out_of_order_in_one_burst_or_over_an_hour_are_one_message() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), Clock::system());
    let (post, _) = raven(dir.path(), &clock);
    let (now, ago) = (clock.wall(), clock.wall().unix_s() - 3 * DAY_S);
    // No compression shortens it.
    let mut state = 1u32;
    let mut letter = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        char::from(b'a' + (state >> 24) as u8 % 26)
    };
    let long: String = (0..4_000).map(|_| letter()).collect();
    let parts = |expiry: u32| {
        let draft = MapDraft::text(ms(expiry - 60), &long);
        records(&Wrap::Signed(&secret(2)), target_of_text("#a"), expiry, &draft)
    };
    let mut burst = parts(ago + 60);
    assert!(burst.len() > 5);
    burst.reverse();
    burst.rotate_left(2);
    post.store().append(burst.iter().map(|part| came(part.clone(), now, true)).collect());
    let whole = log(&post, 1).await.remove(0);
    assert_eq!((text(&whole), whole.late), (long.clone(), true));
    // The first half came while it was news, the others an hour after that.
    let slow = parts(ago + 61);
    let (first, rest) = slow.split_at(slow.len() / 2);
    post.store().append(first.iter().map(|part| came(part.clone(), now, false)).collect());
    for part in rest.iter().rev() {
        clock.step(600_000);
        post.turn_the_day(true);
        post.store().append(vec![came(part.clone(), clock.wall(), true)]);
        written(&post).await;
    }
    let whole = log(&post, 2).await.remove(1);
    assert_eq!((text(&whole), whole.late), (long, true));
    assert_eq!(post.counters().sets_waiting, 0);
}

#[tokio::test]
async fn a_card_or_the_end_of_a_proof_that_comes_late_undoes_nothing_newer() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), Clock::system());
    let (post, _) = raven(dir.path(), &clock);
    let (now, ago, crow) = (clock.wall(), clock.wall().unix_s() - 5 * DAY_S, secret(2));
    let told = |time: u32, late: bool, draft: MapDraft<'_>, by: Option<&ChatSecret>| {
        let draft = MapDraft { time_ms: ms(time), ..draft };
        let wrap = by.map_or(Wrap::Anonymous, Wrap::Signed);
        came(records(&wrap, target_of_text("#a"), time + 60, &draft).remove(0), now, late)
    };
    let card = |nick: &'static str| MapDraft { nick: Some(nick), ..MapDraft::new(Kind::Card, 0) };
    let delegation = |issued: u32, scope: Scope| checked(7, crow.public(), 1234, issued, scope).bytes;
    let proof = |bytes: &'static [u8]| MapDraft { delegation: Some(bytes), ..MapDraft::new(Kind::Proof, 0) };
    let keep = |bytes: Vec<u8>| -> &'static [u8] { bytes.leak() };
    let (new, old) = (keep(delegation(now.unix_s() - 60, Scope::SPEAK)), keep(delegation(ago, Scope::NOTHING)));
    post.store().append(vec![
        told(now.unix_s(), false, card("crow"), Some(&crow)),
        told(now.unix_s(), false, proof(new), Some(&crow)),
        told(ago, true, card("jackdaw"), Some(&crow)),
        told(ago, true, proof(old), None),
    ]);
    written(&post).await;
    {
        let state = post.shared.lock();
        assert_eq!(state.known.speaker(&crow.public()).unwrap().nick.as_deref(), Some("crow"));
        assert!(state.known.proofs().knows(&crow.public(), new), "the end was issued before the proof");
    }
    // The other way round the later word counts as well: an end that comes first ends a proof that comes late.
    let (late, end) = (keep(delegation(ago, Scope::SPEAK)), keep(delegation(now.unix_s() - 30, Scope::NOTHING)));
    post.store().append(vec![told(now.unix_s(), false, proof(end), None), told(ago, true, proof(late), Some(&crow))]);
    written(&post).await;
    assert_eq!(post.shared.lock().known.proofs().claimed_by(&crow.public()).count(), 0);
    assert_eq!(post.counters().bad_proofs, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_that_comes_late_makes_this_node_send() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("data");
    let dir = DataDir::open(&path).unwrap();
    let own = "127.0.0.1:0".parse().unwrap();
    let config = Checked {
        listen: own,
        http: own,
        irc: None,
        discovery: false,
        seen_bytes: 1 << 20,
        ..Checked::defaults(&path)
    };
    let clock = Clock::system();
    let node = Node::start(&config, &dir, clock.clone()).await.unwrap();
    let (handle, post) = (node.handle(), node.handle().post());
    post.identities().new_identity(Some("raven"), clock.wall()).unwrap();
    post.refresh_own();
    let mut status = handle.watch_status();
    let mut published = async |count: u64| {
        let waited = tokio::time::timeout(PATIENCE, status.wait_for(|it| it.counters.published >= count)).await;
        waited.expect("it is told").unwrap().counters.published
    };
    // Its own card.
    assert_eq!(published(1).await, 1);
    let own = post.identities().secret("raven").unwrap();
    let (now, ago, crow) = (clock.wall(), clock.wall().unix_s() - DAY_S, secret(2));
    let raven = target_of_text("raven");
    let first = Wrap::First { sender: &crow, recipient: &own.public(), shown: false };
    let late = |wrap: &Wrap<'_>, draft: MapDraft<'_>| {
        let draft = MapDraft { time_ms: ms(ago), ..draft };
        let record = records(wrap, raven, ago + 60, &draft).remove(0);
        NewMessage { name: Some("raven".to_owned()), ..came(record, now, true) }
    };
    let delegation = checked(7, crow.public(), 1234, ago, Scope::SPEAK).bytes;
    let ack = MapDraft { reply_to: Some([7; 8]), ..MapDraft::new(Kind::Ack, 0) };
    let said = |kind: Kind| MapDraft { kind, ..MapDraft::text(0, "raven?") };
    post.store().append(vec![
        late(&first, said(Kind::Text)),
        late(&first, said(Kind::Request)),
        late(&Wrap::Signed(&crow), said(Kind::Action)),
        late(&Wrap::Signed(&crow), MapDraft { nick: Some("crow"), ..MapDraft::new(Kind::Card, 0) }),
        late(&Wrap::Signed(&crow), MapDraft { delegation: Some(&delegation), ..MapDraft::new(Kind::Proof, 0) }),
        late(&first, ack),
    ]);
    log(post, 3).await;
    written(post).await;
    // The card, which went to no peer, is told again behind all that the late ones would have caused.
    clock.step(601_000);
    post.shared.tell.notify_one();
    assert_eq!(published(2).await, 2);
    node.stop().await;
}

/// A node of raven's that has written to crow, and crow's key for the two of them.
struct Written {
    _dir: tempfile::TempDir,
    post: Post,
    own: ChatSecret,
    pair: PairKey,
    id: MessageId,
    now: Wall,
}

async fn written_to(crow: &ChatSecret) -> Written {
    let (dir, clock) = (tempfile::tempdir().unwrap(), Clock::system());
    let (post, own) = raven(dir.path(), &clock);
    let pair = PairKey::between(Network::Main, crow, &own.public()).unwrap();
    {
        let mut state = post.shared.lock();
        let contact = Pair::new(own.public(), crow.public(), Relation::Contact);
        state.known.set_pair(contact, &mut Vec::new()).unwrap();
        state.refresh_pairs();
    }
    let (now, id) = (clock.wall(), MessageId([7; 16]));
    let record = Record::dated(target_of_text("crow"), b"sealed", now.unix_s() + 600, CODING, [9; 8]).unwrap();
    let reading = Reading {
        conversation: format!("@{}", crow.public()),
        id: Some(id),
        author: Some(own.public()),
        own_key: Some(own.public()),
        said: Said::Map { form: form::PAIR, map: MapDraft::text(now.0, "hello").build().unwrap().bytes().to_vec() },
        standing: Standing::Claimed,
        request: false,
        mention: false,
    };
    let message = NewMessage { own: true, reading: Some(reading), ..came(record, now, false) };
    post.store().change(vec![Change::Own(Box::new(message), Delivery::Sent(1))]).await.unwrap();
    Written { _dir: dir, post, own, pair, id, now }
}

impl Written {
    fn ack(&self, wrap: &Wrap<'_>, target: Target, id: [u8; 8], expiry: u32, late: bool) -> NewMessage {
        let draft = MapDraft { reply_to: Some(id), ..MapDraft::new(Kind::Ack, ms(expiry - 60)) };
        NewMessage {
            name: Some("raven".to_owned()),
            ..came(records(wrap, target, expiry, &draft).remove(0), self.now, late)
        }
    }

    /// One as it should be, on the target of the two.
    fn good(&self, id: [u8; 8], expiry: u32, late: bool) -> NewMessage {
        let target = self.pair.target_to(&self.own.public(), expiry / DAY_S);
        self.ack(&Wrap::Pair { key: &self.pair, shown: None }, target, id, expiry, late)
    }

    fn first_bytes(&self) -> [u8; 8] {
        *self.id.0.first_chunk().unwrap()
    }

    /// How far the message came, once all that was handed over is written down.
    async fn delivery(&self) -> Delivery {
        written(&self.post).await;
        let log = self.post.store().messages(0, 9, &Filter::default()).await.unwrap().messages;
        assert_eq!(log.len(), 1, "an acknowledgement is no message: {log:?}");
        log[0].delivery.clone().unwrap()
    }
}

#[tokio::test]
async fn an_acknowledgement_counts_from_the_one_who_was_written_to_alone_and_under_seal() {
    let (crow, mallory) = (secret(2), secret(3));
    let it = written_to(&crow).await;
    let (expiry, id, raven) = (it.now.unix_s() + 600, it.first_bytes(), target_of_text("raven"));
    let recipient = it.own.public();
    let sealed_by = |sender| Wrap::First { sender, recipient: &recipient, shown: false };
    // A stranger under seal, the right one in the clear, nobody, and one who has become a contact but was not written to.
    it.post.store().append(vec![
        it.ack(&sealed_by(&mallory), raven, id, expiry, false),
        it.ack(&Wrap::Signed(&crow), raven, id, expiry, false),
        it.ack(&Wrap::Anonymous, raven, id, expiry, false),
    ]);
    assert_eq!(it.delivery().await, Delivery::Sent(1));
    assert_eq!(it.post.counters().refused, 3);
    assert!(it.post.shared.lock().known.speaker(&mallory.public()).is_none(), "nobody is remembered because of it");
    let contact = Pair::new(it.own.public(), mallory.public(), Relation::Contact);
    it.post.shared.lock().known.set_pair(contact, &mut Vec::new()).unwrap();
    it.post
        .store()
        .append(vec![it.ack(&sealed_by(&mallory), raven, id, expiry + 1, false), it.good([8; 8], expiry, false)]);
    assert_eq!(it.delivery().await, Delivery::Sent(1));
    assert_eq!(it.post.counters().stray_acks, 2);
    // The right one, and again.
    it.post.store().append(vec![it.good(id, expiry, false)]);
    assert_eq!(it.delivery().await, Delivery::Acknowledged);
    it.post.store().append(vec![it.good(id, expiry, false), it.good(id, expiry + 1, false)]);
    assert_eq!(it.delivery().await, Delivery::Acknowledged);
    assert_eq!(it.post.counters().stray_acks, 4);
}

#[tokio::test]
async fn an_acknowledgement_may_come_late_or_as_to_one_who_is_not_known_yet_and_never_from_who_was_declined() {
    let crow = secret(2);
    for late in [true, false] {
        let it = written_to(&crow).await;
        let ack = match late {
            true => it.good(it.first_bytes(), it.now.unix_s() - DAY_S, true),
            false => {
                let first = Wrap::First { sender: &crow, recipient: &it.own.public(), shown: false };
                it.ack(&first, target_of_text("raven"), it.first_bytes(), it.now.unix_s() + 600, false)
            }
        };
        it.post.store().append(vec![ack]);
        assert_eq!(it.delivery().await, Delivery::Acknowledged, "late: {late}");
    }
    let it = written_to(&crow).await;
    it.post.ignore(Ignored::Key(crow.public())).await.unwrap();
    let first = Wrap::First { sender: &crow, recipient: &it.own.public(), shown: false };
    let ack = it.ack(&first, target_of_text("raven"), it.first_bytes(), it.now.unix_s() + 600, false);
    it.post.store().append(vec![ack]);
    assert_eq!(it.delivery().await, Delivery::Sent(1));
    assert_eq!(it.post.counters().declined, 1);
}
