//! A chat key that goes on as another: who says so, who believes it, and what changes by it.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs, reason = "a test may fail loudly")]

mod node_common;

use std::net::SocketAddr;
use std::time::Duration;

use nightjar_core::chain::Network;
use nightjar_core::name::{Name, TypedName};
use nightjar_core::record::{Record, Target};
use nightjar_envelope::compose::{Wrap, compose};
use nightjar_envelope::fragment::cut;
use nightjar_envelope::key::{ChatKey, ChatSecret};
use nightjar_envelope::map::{HandOver, Kind, Map, MapDraft};
use nightjar_envelope::seal::channel::ChannelKey;
use nightjar_envelope::{CODING, Place};
use nightjar_node::foreign::LiteralPeer;
use nightjar_node::message::{Filter, Message, Said};
use nightjar_node::post::{Addressee, JoinWish, Letter, Sealed, Sent, SpeakAs, Who, Work};
use nightjar_node::store::Relation;
use node_common::{PATIENCE, TestNode};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng as _;
use zeroize::Zeroizing;

fn secret(number: u8) -> ChatSecret {
    ChatSecret::from_seed(&Zeroizing::new([number; 32]))
}

fn key(number: u8) -> ChatKey {
    secret(number).public()
}

fn to(name: &str) -> Addressee {
    Addressee::Name(name.parse().unwrap())
}

fn target(name: &str) -> Target {
    name.parse::<TypedName>().unwrap().name().target()
}

async fn identity(node: &TestNode, nick: &str) -> ChatKey {
    let post = node.handle().post();
    let (nick, now) = (nick.to_owned(), node.clock.wall());
    let made = post.identities().off_the_tasks(move |all| all.new_identity(Some(&nick), now)).await.unwrap();
    post.refresh_own();
    made.key
}

async fn hand_over(node: &TestNode, which: &str, heir: &str) {
    let post = node.handle().post();
    let (which, heir, now) = (which.to_owned(), heir.to_owned(), node.clock.wall());
    post.identities().off_the_tasks(move |all| all.hand_over(&which, &heir, now)).await.unwrap();
    post.refresh_own();
}

async fn write(node: &TestNode, letter: Letter) -> Sent {
    node.handle().send(letter, Work::Never).await.unwrap()
}

/// For whom what is sent to a name is sealed.
async fn sealed_for(node: &TestNode, name: &str) -> ChatKey {
    match write(node, Letter::text(to(name), "are you there?")).await.sealed {
        Sealed::ChatKey(key, _) => key,
        other => panic!("{other:?}"),
    }
}

fn map_of(message: &Message) -> Option<Map> {
    let Said::Map { map, .. } = &message.reading.as_ref()?.said else { return None };
    Some(Map::read_all(map).unwrap())
}

/// Where it was said that which key goes on as which.
async fn hand_overs(node: &TestNode) -> Vec<(String, ChatKey, ChatKey)> {
    let page = node.handle().messages(0, 1000, &Filter::default(), Duration::ZERO).await.unwrap();
    let told = |message: Message| {
        let map = map_of(&message).filter(|map| map.kind() == Kind::HandOver)?;
        let reading = message.reading?;
        let heir = ChatKey::from_bytes(map.hand_over().unwrap().new_key).unwrap();
        Some((reading.conversation, reading.author.unwrap(), heir))
    };
    page.messages.into_iter().filter_map(told).collect()
}

async fn until<T>(what: &str, mut found: impl AsyncFnMut() -> Option<T>) -> T {
    let waited = async {
        loop {
            if let Some(found) = found().await {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, waited).await.unwrap_or_else(|_| panic!("{what}"))
}

async fn knows(node: &TestNode, nick: &str) -> ChatKey {
    let who = Who::Name(Name::Nick(nick.to_owned()));
    until("a card comes", async || match node.handle().post().who_is(&who).as_slice() {
        [one] => Some(one.speaker.key),
        _ => None,
    })
    .await
}

async fn told(node: &TestNode, count: usize) -> Vec<(String, ChatKey, ChatKey)> {
    until("it is told", async || Some(hand_overs(node).await).filter(|told| told.len() >= count)).await
}

/// Waits for a message that the node did not write.
async fn hears(node: &TestNode, text: &str) -> Message {
    until("it is heard", async || {
        let page = node.handle().messages(0, 1000, &Filter::default(), Duration::ZERO).await.unwrap();
        let says = |message: &Message| {
            let map = map_of(message)?;
            Some(map.content().ok()??.as_text()? == text)
        };
        page.messages.into_iter().find(|message| !message.own && says(message) == Some(true))
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_hands_over_goes_on_where_he_spoke_and_others_go_on_with_the_heir() {
    let alice = TestNode::start(&[]).await;
    let bob = TestNode::start(&[alice.tls()]).await;
    alice.linked(1).await;
    for name in ["raven", "#a"] {
        bob.listen(name).await;
    }
    alice.listen("bob").await;
    let (old, his) = (identity(&alice, "raven").await, identity(&bob, "bob").await);
    assert_eq!((knows(&alice, "bob").await, knows(&bob, "raven").await), (his, old));
    write(&alice, Letter { speaker: SpeakAs::Key(old), ..Letter::text(to("#a"), "here") }).await;
    assert_eq!(sealed_for(&bob, "@raven").await, old);
    hears(&alice, "are you there?").await;
    write(&alice, Letter::text(Addressee::Key(his), "yes")).await;
    hears(&bob, "yes").await;

    let heir = identity(&alice, "crow").await;
    hand_over(&alice, "raven", "crow").await;
    let mut said = told(&bob, 2).await;
    said.sort();
    assert_eq!(said, [("#a".to_owned(), old, heir), ("raven".to_owned(), old, heir)]);
    assert_eq!(write(&alice, Letter::text(to("#a"), "as before")).await.author, Some(heir));
    let to_him = write(&alice, Letter::text(Addressee::Key(his), "it is me still")).await;
    assert_eq!(to_him.author, Some(heir));
    let came = hears(&bob, "it is me still").await.reading.unwrap();
    assert_eq!((came.author, came.request), (Some(heir), false), "the heir of a contact is no stranger");
    assert_eq!(sealed_for(&bob, "@raven").await, heir);
    write(&bob, Letter::text(to("@raven"), "so it is")).await;
    let came = hears(&alice, "so it is").await.reading.unwrap();
    assert_eq!((came.own_key, came.request), (Some(heir), false));
    let to_old = write(&bob, Letter::text(Addressee::Key(old), "and you?")).await;
    assert_eq!(to_old.note.unwrap(), format!("~{} goes on as ~{}", old.short(), heir.short()));

    // It is told again after a start, and is the same message; what was made of it is kept.
    let [hers, his] = [alice, bob].map(TestNode::stop);
    let alice = TestNode::start_in(hers.await, &[], |_| {}).await;
    let bob = TestNode::start_in(his.await, &[alice.tls()], |_| {}).await;
    alice.linked(1).await;
    bob.listen("raven").await;
    // That, and the card of the heir.
    bob.until(|status| status.counters.accepted >= 2).await;
    assert_eq!(sealed_for(&bob, "@raven").await, heir);
    hears(&alice, "are you there?").await;
    assert_eq!(hand_overs(&bob).await.len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_could_not_be_told_while_the_keys_were_locked_is_told_when_they_are_open() {
    let alice = TestNode::start(&[]).await;
    let bob = TestNode::start(&[alice.tls()]).await;
    alice.linked(1).await;
    bob.listen("raven").await;
    let (old, heir) = (identity(&alice, "raven").await, identity(&alice, "crow").await);
    assert_eq!(knows(&bob, "raven").await, old);
    let (post, now) = (alice.handle().post(), alice.clock.wall());
    let locked = post.identities().off_the_tasks(move |all| {
        all.set_passphrase(None, Some("open sesame")).unwrap();
        all.hand_over("raven", "crow", now).unwrap();
        all.lock().unwrap();
    });
    locked.await;
    post.refresh_own();
    let temp = alice.stop().await;
    let alice = TestNode::start_in(temp, &[bob.tls()], |_| {}).await;
    alice.linked(1).await;
    assert!(hand_overs(&bob).await.is_empty());
    let post = alice.handle().post();
    post.identities().off_the_tasks(|all| all.unlock("open sesame")).await.unwrap();
    post.refresh_own();
    assert_eq!(told(&bob, 1).await, [("raven".to_owned(), old, heir)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_went_to_no_peer_is_told_again() {
    let alice = TestNode::start(&[]).await;
    identity(&alice, "raven").await;
    alice.until(|status| status.counters.published == 1).await;
    alice.clock.step(601_000);
    alice.until(|status| status.counters.published == 2).await;
}

/// A neighbour that sends what it likes, and a node that has a key of its own.
struct Forger {
    peer: LiteralPeer,
    bob: TestNode,
    sent: u8,
}

impl Forger {
    async fn start() -> Self {
        let bob = TestNode::start(&[]).await;
        let peer = LiteralPeer::bind(SocketAddr::from(([127, 0, 0, 1], 0)), Network::Main).await.unwrap();
        peer.dial(bob.handle().about().listen).await.unwrap();
        bob.linked(1).await;
        bob.listen("raven").await;
        identity(&bob, "bob").await;
        Self { peer, bob, sent: 0 }
    }

    fn place(&self, target: Target) -> Place {
        Place { network: Network::Main, target, expiry: self.bob.clock.wall().unix_s() + 600 }
    }

    fn send(&mut self, place: &Place, body: &[u8]) {
        let parts = cut(place, body).unwrap_or_else(|_| vec![body.to_vec()]);
        for part in parts {
            self.sent += 1;
            self.peer.send_record(&Record::dated(place.target, &part, place.expiry, CODING, [self.sent; 8]).unwrap());
        }
    }

    fn say(&mut self, by: u8, map: &MapDraft<'_>) {
        let place = self.place(target("raven"));
        let chance = &mut ChaCha20Rng::from_seed([self.sent; 32]);
        let body = compose(&place, &Wrap::Signed(&secret(by)), &map.build().unwrap(), chance).unwrap();
        self.send(&place, &body);
    }

    fn map(&self, hand_over: HandOver) -> MapDraft<'static> {
        let now = self.bob.clock.wall().0 + u64::from(self.sent);
        MapDraft { hand_over: Some(hand_over), ..MapDraft::new(Kind::HandOver, now) }
    }

    fn hands_over(&mut self, old: u8, heir: u8) {
        let map = self.map(HandOver::agreed(Network::Main, &key(old), &secret(heir)));
        self.say(old, &map);
    }

    /// Waits until so many were refused.
    async fn refused(&self, count: u64) {
        until("it is refused", async || (self.bob.handle().post().counters().refused >= count).then_some(())).await;
    }

    /// Somebody whose nick was written to under seal.
    async fn raven(&mut self, by: u8) {
        let card = MapDraft { nick: Some("raven"), ..MapDraft::new(Kind::Card, self.bob.clock.wall().0) };
        self.say(by, &card);
        assert_eq!(knows(&self.bob, "raven").await, key(by));
        assert_eq!(sealed_for(&self.bob, "@raven").await, key(by));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_forged_hand_over_has_no_effect_and_of_true_ones_the_first_counts() {
    let mut forger = Forger::start().await;
    forger.raven(2).await;
    let words = Zeroizing::new("six words that nobody will guess".to_owned());
    let den: TypedName = "#den".parse().unwrap();
    let wish = JoinWish { name: den, passphrase: Some(words.clone()), weak: true, password: None };
    forger.bob.handle().post().join(wish).await.unwrap();

    let agreed = |network, old| HandOver::agreed(network, &key(old), &secret(3));
    // The heir agreed to follow another, on another network, or was not asked.
    let good = agreed(Network::Main, 2);
    for forged in [agreed(Network::Main, 4), agreed(Network::Test, 2), HandOver { signature: [1; 64], ..good }] {
        let map = forger.map(forged);
        forger.say(2, &map);
    }
    // A member of the channel shows what is true to the others alone.
    let channel = ChannelKey::derive(Network::Main, "#den", &words).unwrap();
    let map = forger.map(good).build().unwrap();
    let day = forger.place(target("#den")).day();
    let place = forger.place(channel.target(day));
    let by = secret(2);
    let wrap = Wrap::Channel { key: &channel, author: Some(&by) };
    let body = compose(&place, &wrap, &map, &mut ChaCha20Rng::from_seed([9; 32])).unwrap();
    forger.send(&place, &body);
    forger.refused(4).await;
    // The old key did not sign it.
    let place = forger.place(target("raven"));
    let mut body = compose(&place, &Wrap::Signed(&by), &map, &mut ChaCha20Rng::from_seed([9; 32])).unwrap();
    body[40] ^= 1;
    forger.send(&place, &body);
    forger.bob.until(|status| status.counters.bad_signatures == 1).await;
    assert!(hand_overs(&forger.bob).await.is_empty());
    assert_eq!(sealed_for(&forger.bob, "@raven").await, key(2));

    forger.hands_over(2, 3);
    told(&forger.bob, 1).await;
    assert_eq!(sealed_for(&forger.bob, "@raven").await, key(3));
    // A thief of the old key comes too late, and it does not come back either; both are seen.
    forger.hands_over(2, 4);
    forger.hands_over(3, 2);
    told(&forger.bob, 3).await;
    assert_eq!(sealed_for(&forger.bob, "@raven").await, key(3));
    forger.hands_over(3, 5);
    told(&forger.bob, 4).await;
    assert_eq!(sealed_for(&forger.bob, "@raven").await, key(5));
    let temp = forger.bob.stop().await;
    let bob = TestNode::start_in(temp, &[], |_| {}).await;
    assert_eq!(sealed_for(&bob, "@raven").await, key(5));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_heir_of_one_who_is_declined_is_not_heard_and_that_of_a_stranger_asks_nothing() {
    let mut forger = Forger::start().await;
    forger.raven(2).await;
    let bob = forger.bob.handle().post().clone();
    bob.decide(key(2), Relation::Declined).await.unwrap();
    forger.hands_over(2, 3);
    let text = |text: &'static str| MapDraft::text(forger.bob.clock.wall().0, text);
    let (one, other) = (text("buy"), text("hello"));
    forger.say(3, &one);
    until("both are dropped", async || (bob.counters().declined == 2).then_some(())).await;
    // One who goes by a name of ours says it to all who listen to that.
    identity(&forger.bob, "raven").await;
    forger.hands_over(6, 7);
    assert_eq!(told(&forger.bob, 1).await, [("raven".to_owned(), key(6), key(7))]);
    assert!(bob.requests().is_empty());
    forger.say(7, &other);
    hears(&forger.bob, "hello").await;
    assert_eq!(bob.requests().len(), 1);
}
