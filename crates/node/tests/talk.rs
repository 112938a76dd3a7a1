//! People on several nodes: who writes, for whom it is sealed, what a node in between sees.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs, reason = "a test may fail loudly")]

mod node_common;

use nightjar_core::record::LIFETIME_S_MAX;
use nightjar_envelope::key::ChatKey;
use nightjar_envelope::map::{Content, Map};
use nightjar_node::chain::standing::Standing;
use nightjar_node::message::{Filter, Message, Said};
use nightjar_node::post::{
    Addressee, DecideError, IgnoreError, Ignored, JoinError, JoinWish, Letter, SealWish, Sealed, SendError, Sent,
    SpeakAs, Work,
};
use nightjar_node::store::Relation;
use node_common::{PATIENCE, TestNode};
use zeroize::Zeroizing;

trait Talk {
    async fn identity(&self, nick: &str) -> ChatKey;
    async fn write(&self, name: &str, text: &str) -> Sent;
    async fn try_write(&self, letter: Letter) -> Result<Sent, SendError>;
    async fn join(&self, name: &str, phrase: &str) -> Option<Zeroizing<String>>;
    async fn said(&self, count: usize) -> Vec<(String, Message)>;
    async fn knows(&self, nick: &str) -> ChatKey;
}

fn to(name: &str) -> Addressee {
    Addressee::Name(name.parse().unwrap())
}

/// What a message says, if it can be read.
fn text(message: &Message) -> Option<String> {
    match &message.reading.as_ref()?.said {
        Said::Map { map, .. } => match Map::read_all(map).unwrap().content().unwrap()? {
            Content::Text(text) => Some(text.into_owned()),
            Content::Bytes(bytes) => Some(format!("{bytes:02x?}")),
        },
        Said::Text { text, .. } => Some(text.clone()),
        Said::Raw => Some(node_common::text(message)),
        Said::Unreadable { .. } => None,
    }
}

/// What a message says its author calls himself.
fn nick_in(message: &Message) -> Option<String> {
    let Said::Map { map, .. } = &message.reading.as_ref()?.said else { return None };
    Map::read_all(map).unwrap().nick().map(str::to_owned)
}

impl Talk for TestNode {
    async fn identity(&self, nick: &str) -> ChatKey {
        let post = self.handle().post();
        let (nick, now) = (nick.to_owned(), self.clock.wall());
        let made = post.identities().off_the_tasks(move |all| all.new_identity(Some(&nick), now)).await.unwrap();
        post.refresh_own();
        made.key
    }

    async fn write(&self, name: &str, text: &str) -> Sent {
        self.try_write(Letter::text(to(name), text)).await.unwrap()
    }

    async fn try_write(&self, letter: Letter) -> Result<Sent, SendError> {
        self.handle().send(letter, Work::Never).await
    }

    async fn join(&self, name: &str, phrase: &str) -> Option<Zeroizing<String>> {
        let passphrase = Some(Zeroizing::new(phrase.to_owned()));
        let wish = JoinWish { name: name.parse().unwrap(), passphrase, weak: false, password: None };
        self.handle().post().join(wish).await.unwrap()
    }

    /// Waits for so many messages that can be read.
    async fn said(&self, count: usize) -> Vec<(String, Message)> {
        let all = async {
            let mut said = Vec::new();
            let mut since = 0;
            while said.len() < count {
                let page = self.handle().messages(since, 1000, &Filter::default(), PATIENCE).await.unwrap();
                since = page.next;
                said.extend(page.messages.into_iter().filter_map(|message| Some((text(&message)?, message))));
            }
            said
        };
        tokio::time::timeout(PATIENCE, all).await.expect("messages come")
    }

    /// Waits until a card of this nick was heard.
    async fn knows(&self, nick: &str) -> ChatKey {
        let who =
            nightjar_node::post::Who::Name(nick.parse::<nightjar_core::name::TypedName>().unwrap().name().clone());
        let known = async {
            loop {
                if let [one] = self.handle().post().who_is(&who).as_slice() {
                    return one.speaker.key;
                }
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(PATIENCE, known).await.expect("a card comes")
    }
}

/// A line of three, of which the outer two have an identity.
async fn line() -> (TestNode, TestNode, TestNode) {
    let middle = TestNode::start(&[]).await;
    let alice = TestNode::start(&[middle.tls()]).await;
    let bob = TestNode::start(&[middle.tls()]).await;
    middle.linked(2).await;
    (alice, middle, bob)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_signed_text_says_who_wrote_it_and_his_nick_comes_with_it() {
    let (alice, middle, bob) = line().await;
    bob.listen("#a").await;
    let key = alice.identity("Raven").await;
    let sent = alice.write("#A", "good night").await;
    assert_eq!((sent.sealed, sent.author, sent.parts), (Sealed::Open, Some(key), 1));
    let (said, message) = bob.said(1).await.remove(0);
    let reading = message.reading.clone().unwrap();
    assert_eq!((said.as_str(), reading.author, reading.id), ("good night", Some(key), Some(sent.id)));
    assert_eq!((reading.conversation.as_str(), reading.standing, message.own), ("#a", Standing::Claimed, false));
    assert_eq!(nick_in(&message).as_deref(), Some("raven"), "the first one says so itself");
    assert_eq!(bob.knows("raven").await, key);
    let with_nick = async {
        for count in 2.. {
            alice.write("#a", &format!("message {count}")).await;
            if nick_in(&bob.said(count).await[count - 1].1).is_none() {
                return count;
            }
        }
        unreachable!("it counts on")
    };
    let before = tokio::time::timeout(PATIENCE, with_nick).await.expect("once the card is told it need not be in each");
    // What one says oneself stands in the log once, also while one listens.
    alice.listen("#a").await;
    alice.write("#a", "again").await;
    let own = alice.said(before + 1).await;
    assert!(own.iter().all(|(_, message)| message.own));
    let nick = own[0].1.speaker.clone().and_then(|speaker| speaker.nick);
    assert_eq!(nick.as_deref(), Some("raven"));
    drop(middle);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_first_contact_lands_in_requests_and_the_answer_comes_on_a_target_of_the_two() {
    let (alice, middle, bob) = line().await;
    // The middle node hears all that is sent to the nicks, and nothing else.
    for name in ["alice", "bob"] {
        middle.listen(name).await;
    }
    alice.listen("bob").await;
    let (hers, his) = (alice.identity("alice").await, bob.identity("bob").await);
    assert_eq!(alice.knows("bob").await, his);

    let first = alice.write("@bob", "are you there?").await;
    assert_eq!(first.sealed, Sealed::ChatKey(his, Standing::Claimed));
    let (said, message) = bob.said(1).await.remove(0);
    let reading = message.reading.unwrap();
    assert_eq!(said, "are you there?");
    assert_eq!((reading.author, reading.own_key, reading.request), (Some(hers), Some(his), true));
    assert_eq!(reading.conversation, format!("@{hers}"));
    let requests = bob.handle().post().requests();
    assert_eq!(requests.iter().map(|known| known.speaker.key).collect::<Vec<_>>(), [hers]);

    let answer = bob.try_write(Letter::text(Addressee::Key(hers), "yes")).await.unwrap();
    assert_ne!(answer.target, first.target);
    assert!(bob.handle().post().requests().is_empty(), "whom one answers is a contact");
    let (said, message) = alice.said(2).await.remove(1);
    assert_eq!((said.as_str(), message.reading.unwrap().request), ("yes", false));
    let second = alice.write("@bob", "good").await;
    assert_ne!(second.target, first.target);
    assert_eq!(bob.said(3).await[2].0, "good");

    // In between there was one record that nobody there could open, and cards.
    assert!(middle.handle().post().counters().refused >= 1);
    let page = middle.handle().messages(0, 10, &Filter::default(), std::time::Duration::ZERO).await.unwrap();
    assert!(page.messages.is_empty(), "{page:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_passphrase_channel_shows_a_third_node_records_and_no_more() {
    let (alice, middle, bob) = line().await;
    alice.identity("alice").await;
    middle.listen("#den").await;
    let words = alice.join("#Den", "").await.expect("six words are made");
    assert!(bob.join("#den", &words).await.is_none());
    let sent = alice.write("#den", "only for us").await;
    assert_eq!(sent.sealed, Sealed::Channel);
    let (said, message) = bob.said(1).await.remove(0);
    assert_eq!((said.as_str(), message.reading.unwrap().conversation.as_str()), ("only for us", "#den"));
    // Who has no identity speaks as an anonymous member.
    bob.write("#den", "who am I?").await;
    let (_, message) = alice.said(2).await.remove(1);
    assert_eq!(message.reading.unwrap().standing, Standing::Anonymous);
    // What somebody else says in the open is heard by the third alone.
    bob.try_write(Letter { seal: SealWish::None, ..Letter::text(to("#den"), "for all") }).await.unwrap();
    assert_eq!(middle.said(1).await.len(), 1);
    middle.until(|status| status.counters.accepted >= 3).await;
    // A seal is not what it says without its channel.
    let unsealed = Letter { seal: SealWish::Channel, ..Letter::text(to("#other"), "x") };
    assert!(matches!(bob.try_write(unsealed).await, Err(SendError::NotJoined(_))));
    assert!(bob.handle().post().part("#den".parse::<nightjar_core::name::TypedName>().unwrap().name()).await.unwrap());
    assert!(bob.handle().post().joined().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn weak_passphrases_and_passphrases_for_people_are_refused() {
    let node = TestNode::start(&[]).await;
    let wish = |name: &str, phrase: &str, weak| JoinWish {
        name: name.parse().unwrap(),
        passphrase: Some(Zeroizing::new(phrase.to_owned())),
        weak,
        password: None,
    };
    let post = node.handle().post();
    assert!(matches!(post.join(wish("#a", "hunter2", false)).await, Err(JoinError::Weak(_))));
    assert!(matches!(post.join(wish("raven", "", false)).await, Err(JoinError::NoChannel(_))));
    post.join(wish("#a", "hunter2", true)).await.unwrap();
    assert_eq!(post.joined(), [("#a".to_owned(), true, false)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_text_of_20_kib_arrives_whole_and_once() {
    let (alice, middle, bob) = line().await;
    alice.identity("alice").await;
    bob.listen("#a").await;
    // No compression shortens it.
    let mut state = 1u32;
    let mut letter = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        char::from(b'a' + (state >> 24) as u8 % 26)
    };
    let long: String = (0..20 * 1024).map(|_| letter()).collect();
    let sent = alice.write("#a", &long).await;
    assert!(sent.parts > 50, "{} parts", sent.parts);
    let said = bob.said(1).await;
    assert_eq!(said.iter().map(|(text, _)| text.len()).collect::<Vec<_>>(), [long.len()]);
    assert_eq!(said[0].0, long);
    assert_eq!(bob.handle().post().counters().sets_waiting, 0);
    drop(middle);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_too_long_or_lives_too_short_is_refused_before_anything_is_sent() {
    let node = TestNode::start(&[]).await;
    node.identity("alice").await;
    let text = |bytes: usize| (0..bytes).map(|at| char::from(b'a' + (at * at / 7 % 26) as u8)).collect::<String>();
    let mut state = 1u32;
    let mut noise = move |bytes: usize| {
        let byte = |_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        };
        (0..bytes).map(byte).collect::<Vec<_>>()
    };
    let data = |bytes| Letter { content: Some(Content::Bytes(bytes)), ..Letter::text(to("#a"), "") };
    assert!(matches!(node.try_write(data(noise(65_530).into())).await, Err(SendError::Cut(_))));
    assert!(matches!(node.try_write(data(noise(70_000).into())).await, Err(SendError::Draft(_))));
    let hasty = Letter { lifetime_s: Some(10), ..data(noise(30_000).into()) };
    assert!(matches!(node.try_write(hasty).await, Err(SendError::TooShort { .. })));
    let eternal = Letter { lifetime_s: Some(LIFETIME_S_MAX + 1), ..Letter::text(to("#a"), &text(3)) };
    assert!(matches!(node.try_write(eternal).await, Err(SendError::Publish(_))));
    let counters = node.handle().status().counters;
    assert!(counters.published <= 1, "at most a card: {counters:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_sealed_is_said_and_what_must_be_is_refused() {
    let node = TestNode::start(&[]).await;
    let sent = node.write("nobody", "hello?").await;
    assert_eq!(sent.sealed, Sealed::Open);
    assert!(sent.note.unwrap().contains("everybody can read it"));
    let sealed = |name: &str, seal| Letter { seal, ..Letter::text(to(name), "x") };
    assert!(matches!(node.try_write(sealed("nobody", SealWish::ChatKey)).await, Err(SendError::NoKey(_))));
    for seal in [SealWish::ChatKey, SealWish::Dest] {
        assert!(matches!(node.try_write(sealed("#a", seal)).await, Err(SendError::NoPerson(_))));
    }
    assert!(matches!(node.try_write(sealed("nobody", SealWish::Dest)).await, Err(SendError::NoAccount(_))));
    assert!(matches!(node.try_write(sealed("nobody", SealWish::Channel)).await, Err(SendError::NoChannel(_))));
    let empty = SealWish::Aes(Zeroizing::new(String::new()));
    assert!(matches!(node.try_write(sealed("#a", empty)).await, Err(SendError::NoPassword)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_identity_of_a_conversation_is_remembered_over_a_restart() {
    let node = TestNode::start(&[]).await;
    let (one, other) = (node.identity("one").await, node.identity("other").await);
    assert_eq!(node.write("#a", "by the default").await.author, Some(one));
    let as_other = Letter { speaker: SpeakAs::Key(other), ..Letter::text(to("#a"), "by the other") };
    assert_eq!(node.try_write(as_other).await.unwrap().author, Some(other));
    assert_eq!(node.write("#a", "again").await.author, Some(other));
    assert_eq!(node.write("#b", "elsewhere").await.author, Some(one));
    let as_nobody = Letter { speaker: SpeakAs::Nobody, ..Letter::text(to("#b"), "by nobody") };
    let unsigned = node.try_write(as_nobody).await.unwrap();
    assert_eq!((unsigned.author, unsigned.note), (None, None), "it was wished");
    let note = node.write("#b", "again").await.note.unwrap();
    assert!(note.starts_with("unsigned"), "{note}");
    let temp = node.stop().await;
    let node = TestNode::start_in(temp, &[], |_| {}).await;
    assert_eq!(node.write("#a", "still").await.author, Some(other));
    assert_eq!(node.write("#b", "still").await.author, None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whom_one_declines_is_not_heard_any_more() {
    let (alice, middle, bob) = line().await;
    alice.listen("bob").await;
    let (hers, his) = (alice.identity("alice").await, bob.identity("bob").await);
    assert_eq!(alice.knows("bob").await, his);
    alice.write("@bob", "buy!").await;
    bob.said(1).await;
    bob.handle().post().decide(hers, Relation::Declined).await.unwrap();
    assert!(bob.handle().post().requests().is_empty());
    alice.write("@bob", "buy now!").await;
    let declined = async {
        while bob.handle().post().counters().declined == 0 {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, declined).await.expect("it comes and is dropped");
    assert_eq!(bob.said(1).await.len(), 1);
    drop(middle);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_ignores_is_neither_stored_nor_asked_about_also_after_a_restart() {
    let (alice, middle, bob) = line().await;
    bob.listen("#a").await;
    alice.listen("bob").await;
    let (hers, his) = (alice.identity("alice").await, bob.identity("bob").await);
    assert_eq!(alice.knows("bob").await, his);
    let what = |text: &str| text.parse::<Ignored>().unwrap();
    let ignored = async |node: &TestNode, count: u64| {
        let dropped = async {
            while node.handle().post().counters().ignored < count {
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(PATIENCE, dropped).await.expect("it comes and is dropped");
    };
    let post = bob.handle().post();
    assert!(post.ignore(what("@Alice")).await.unwrap() && post.ignore(what("word:spam*")).await.unwrap());
    assert!(!post.ignore(what("alice")).await.unwrap(), "it is there");
    // Sealed by one who goes by that nick; in the open by nobody, with that word.
    alice.write("@bob", "are you there?").await;
    ignored(&bob, 1).await;
    assert!(post.requests().is_empty());
    middle.write("#a", "buy SPAMMER'S spam!").await;
    ignored(&bob, 2).await;
    bob.write("#a", "spam is mine").await;
    assert_eq!(bob.said(1).await[0].0, "spam is mine");
    // A key is declined, known or not, unless it is ours.
    let stranger = middle.identity("middle").await;
    assert!(post.ignore(Ignored::Key(stranger)).await.unwrap());
    assert!(matches!(post.ignore(Ignored::Key(his)).await, Err(IgnoreError::Oneself(_))));
    let all = [format!("~{stranger}"), "@alice".to_owned(), "word:spam*".to_owned()];
    assert_eq!(post.ignored().iter().map(ToString::to_string).collect::<Vec<_>>(), all);

    let temp = bob.stop().await;
    let bob = TestNode::start_in(temp, &[middle.tls()], |_| {}).await;
    middle.linked(2).await;
    let post = bob.handle().post();
    assert_eq!(post.ignored().iter().map(ToString::to_string).collect::<Vec<_>>(), all);
    let dropped = async {
        while post.counters().ignored == 0 {
            alice.write("#a", "hello").await;
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, dropped).await.expect("it comes and is dropped");
    for what in post.ignored() {
        assert!(post.unignore(&what).await.unwrap() && !post.unignore(&what).await.unwrap());
    }
    assert!(post.ignored().is_empty());
    alice.write("#a", "heard again").await;
    // What was said before that was dropped for good.
    let said = bob.said(2).await;
    assert_eq!(said.iter().map(|(text, _)| text.as_str()).collect::<Vec<_>>(), ["spam is mine", "heard again"]);
    assert_eq!(said[1].1.reading.clone().unwrap().author, Some(hers));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_wrote_to_two_of_our_keys_gets_no_answer_by_either_until_it_is_said_which() {
    let (alice, middle, bob) = line().await;
    alice.listen("ibis").await;
    alice.listen("hidden").await;
    let hers = alice.identity("alice").await;
    let (ibis, hidden) = (bob.identity("ibis").await, bob.identity("hidden").await);
    assert_eq!((alice.knows("ibis").await, alice.knows("hidden").await), (ibis, hidden));
    alice.write("@hidden", "to the hidden one").await;
    bob.said(1).await;
    assert_eq!(bob.write("@alice", "here").await.author, Some(hidden), "whom she wrote to");
    alice.write("@ibis", "to the other").await;
    bob.said(3).await;
    let letter = || Letter::text(to("@alice"), "who am I?");
    let refused = bob.try_write(letter()).await.unwrap_err();
    assert!(matches!(refused, SendError::SeveralMet(_)), "{refused}");
    // One that ended is not replaced by the other either.
    let named = Letter { speaker: SpeakAs::Once(Some(ibis)), ..letter() };
    assert_eq!(bob.try_write(named).await.unwrap().author, Some(ibis));
    bob.handle().post().identities().revoke("hidden", bob.clock.wall()).unwrap();
    bob.handle().post().refresh_own();
    assert!(bob.try_write(letter()).await.is_err());
    let chosen = Letter { speaker: SpeakAs::Key(ibis), ..letter() };
    bob.try_write(chosen).await.unwrap();
    assert_eq!(bob.try_write(letter()).await.unwrap().author, Some(ibis), "it was said, and stays");
    drop((middle, hers));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn digits_must_be_those_of_the_name_and_nothing_is_sent_to_oneself() {
    let (alice, middle, bob) = line().await;
    bob.listen("alice").await;
    bob.listen("carol").await;
    let (hers, his) = (alice.identity("alice").await, bob.identity("bob").await);
    let others = alice.identity("carol").await;
    assert_eq!((bob.knows("alice").await, bob.knows("carol").await), (hers, others));
    let named = |key, name: &str| {
        let name: nightjar_core::name::TypedName = name.parse().unwrap();
        Letter::text(Addressee::Named(key, name.name().clone()), "for you alone")
    };
    let refused = bob.try_write(named(others, "alice")).await.unwrap_err();
    assert!(matches!(&refused, SendError::NotCalled { is, .. } if is.contains("carol")), "{refused}");
    let refused = bob.try_write(named(hers, "1234-44")).await.unwrap_err();
    assert!(matches!(&refused, SendError::NotCalled { .. }), "{refused}");
    assert!(matches!(bob.try_write(named(his, "bob")).await, Err(SendError::Oneself(_))));
    assert!(matches!(bob.try_write(Letter::text(to("@bob"), "note")).await, Err(SendError::Oneself(_))));
    assert_eq!(bob.try_write(named(hers, "alice")).await.unwrap().sealed, Sealed::ChatKey(hers, Standing::Claimed));
    drop(middle);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_channels_passphrase_is_not_replaced_by_another_without_a_word() {
    let alice = TestNode::start(&[]).await;
    let words = alice.join("#den", "").await.unwrap();
    let wish = |phrase: &str| JoinWish {
        name: "#den".parse().unwrap(),
        passphrase: Some(Zeroizing::new(phrase.to_owned())),
        weak: true,
        password: None,
    };
    let post = alice.handle().post();
    for other in ["", "another passphrase of ours"] {
        assert!(matches!(post.join(wish(other)).await, Err(JoinError::Joined(_))));
    }
    assert_eq!(post.join(wish(&words)).await.unwrap(), None, "the same again");
    assert!(post.part("#den".parse::<nightjar_core::name::TypedName>().unwrap().name()).await.unwrap());
    post.join(wish("another passphrase of ours")).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_key_says_whose_times_run_ahead_of_the_clock_can_be_read() {
    const AHEAD_MS: i64 = 20 * 60_000;
    let (alice, middle, bob) = line().await;
    bob.listen("#a").await;
    alice.identity("alice").await;
    alice.clock.step(AHEAD_MS);
    alice.write("#a", "ahead").await;
    alice.clock.step(-AHEAD_MS);
    // Its time lies behind the first, which is later than this one would live.
    let sent = alice.write("#a", "and after it").await;
    assert!(i64::from(sent.expiry) * 1000 > i64::try_from(alice.clock.wall().0).unwrap() + AHEAD_MS - 60_000);
    let said = bob.said(2).await;
    assert_eq!(said.iter().map(|(text, _)| text.as_str()).collect::<Vec<_>>(), ["ahead", "and after it"]);
    drop(middle);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_spoke_in_a_channel_alone_can_be_declined_and_made_a_contact() {
    let (alice, middle, bob) = line().await;
    bob.listen("#a").await;
    let hers = alice.identity("alice").await;
    alice.write("#a", "buy!").await;
    bob.said(1).await;
    let post = bob.handle().post();
    // That takes no chat key; to be a contact of somebody does.
    let nobody = post.decide(hers, Relation::Contact).await.unwrap_err();
    assert!(nobody.to_string().contains("`identity new`"), "{nobody}");
    post.decide(hers, Relation::Declined).await.unwrap();
    let temp = bob.stop().await;
    let bob = TestNode::start_in(temp, &[middle.tls()], |_| {}).await;
    let post = bob.handle().post();
    // What is said before the link stands does not come.
    let declined = async {
        while post.counters().declined == 0 {
            alice.write("#a", "buy now!").await;
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, declined).await.expect("it comes and is dropped");
    let his = bob.identity("bob").await;
    assert!(matches!(post.decide(his, Relation::Declined).await, Err(DecideError::Oneself(_))));
    post.decide(hers, Relation::Contact).await.unwrap();
    let sent = bob.write("@alice", "what is it?").await;
    assert_eq!(sent.sealed, Sealed::ChatKey(hers, Standing::Claimed));
    let stranger = middle.identity("middle").await;
    for relation in [Relation::Contact, Relation::Declined] {
        assert!(matches!(post.decide(stranger, relation).await, Err(DecideError::NeverHeardOf(_))));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_signs_in_clear_to_a_nick_of_ours_asks_and_can_be_accepted_and_whom_one_declined_can_be_written_to() {
    let (alice, middle, bob) = line().await;
    alice.listen("bob").await;
    bob.listen("alice").await;
    let (hers, his) = (alice.identity("alice").await, bob.identity("bob").await);
    assert_eq!((alice.knows("bob").await, bob.knows("alice").await), (his, hers));
    let open = |text: &str| Letter { seal: SealWish::None, ..Letter::text(to("@bob"), text) };
    let sent = alice.try_write(open("in the open")).await.unwrap();
    assert_eq!((sent.sealed, sent.author), (Sealed::Open, Some(hers)));
    let (said, message) = bob.said(1).await.remove(0);
    let reading = message.reading.unwrap();
    assert_eq!((said.as_str(), reading.request, reading.author), ("in the open", true, Some(hers)));
    let post = bob.handle().post();
    assert_eq!(post.requests().iter().map(|known| known.speaker.key).collect::<Vec<_>>(), [hers]);
    post.decide(hers, Relation::Contact).await.unwrap();
    alice.try_write(open("again")).await.unwrap();
    assert!(!bob.said(2).await[1].1.reading.clone().unwrap().request, "a contact asks no more");
    post.decide(hers, Relation::Declined).await.unwrap();
    // Who writes to somebody wants to hear the answer.
    let answer = bob.write("@alice", "no").await;
    assert_eq!(answer.sealed, Sealed::ChatKey(hers, Standing::Claimed));
    assert_eq!(alice.said(3).await[2].0, "no");
    alice.write("@bob", "why?").await;
    assert_eq!(bob.said(4).await[3].0, "why?");
    drop(middle);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_is_by_the_identity_that_was_written_to_and_never_by_another_in_its_place() {
    let (alice, middle, bob) = line().await;
    let hers = alice.identity("alice").await;
    let (known, secret) = (bob.identity("bob").await, bob.identity("nightraven").await);
    alice.listen("nightraven").await;
    bob.listen("alice").await;
    // A card that was told before anybody listened is told again only tomorrow: who speaks in a channel tells it there.
    alice.listen("#a").await;
    bob.try_write(Letter { speaker: SpeakAs::Key(secret), ..Letter::text(to("#a"), "here") }).await.unwrap();
    assert_eq!(alice.knows("nightraven").await, secret);
    alice.write("@nightraven", "psst").await;
    let (_, message) = bob.said(2).await.remove(1);
    assert_eq!(message.reading.unwrap().own_key, Some(secret));
    for addressee in [Addressee::Key(hers), to("@alice")] {
        let answer = bob.try_write(Letter::text(addressee, "yes?")).await.unwrap();
        assert_eq!(answer.author, Some(secret), "not by the default {known}");
    }
    let post = bob.handle().post();
    post.identities().revoke("nightraven", bob.clock.wall()).unwrap();
    post.refresh_own();
    let after = bob.try_write(Letter::text(Addressee::Key(hers), "who am I?")).await;
    assert!(matches!(after, Err(SendError::SpokeBefore(key)) if key == secret), "{after:?}");
    drop(middle);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_spoke_to_a_name_speaks_to_the_person_too_whose_key_is_heard_later() {
    let (alice, middle, bob) = line().await;
    bob.listen("alice").await;
    bob.identity("bob").await;
    let other = bob.identity("other").await;
    let as_other = Letter { speaker: SpeakAs::Key(other), ..Letter::text(to("@alice"), "are you there?") };
    assert_eq!(bob.try_write(as_other).await.unwrap().sealed, Sealed::Open, "no key of hers is known");
    let hers = alice.identity("alice").await;
    assert_eq!(bob.knows("alice").await, hers);
    let sealed = bob.write("@alice", "now sealed").await;
    assert_eq!((sealed.author, sealed.sealed), (Some(other), Sealed::ChatKey(hers, Standing::Claimed)));
    let nobody = Letter { speaker: SpeakAs::Nobody, ..Letter::text(to("@alice"), "in the open?") };
    assert!(matches!(bob.try_write(nobody.clone()).await, Err(SendError::Unnamed)));
    let open = bob.try_write(Letter { seal: SealWish::None, ..nobody }).await.unwrap();
    assert_eq!((open.author, open.sealed), (None, Sealed::Open));
    drop(middle);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_keys_are_locked_nothing_for_a_known_key_goes_out_readable() {
    let (alice, middle, bob) = line().await;
    bob.listen("alice").await;
    bob.identity("bob").await;
    let hers = alice.identity("alice").await;
    assert_eq!(bob.knows("alice").await, hers);
    let post = bob.handle().post();
    let sealed = post.identities().off_the_tasks(|all| {
        all.set_passphrase(None, Some("open sesame")).unwrap();
        all.lock()
    });
    assert!(sealed.await.is_ok());
    post.refresh_own();
    for addressee in [to("@alice"), Addressee::Key(hers)] {
        let refused = bob.try_write(Letter::text(addressee, "secret")).await;
        assert!(matches!(refused, Err(SendError::Locked)), "{refused:?}");
    }
    let open = bob.try_write(Letter::text(to("#a"), "to all")).await.unwrap();
    assert!(open.author.is_none() && open.note.unwrap().contains("locked"));
    drop(middle);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_calls_himself_like_another_makes_a_name_ambiguous() {
    let (alice, middle, bob) = line().await;
    middle.listen("raven").await;
    let (hers, his) = (alice.identity("raven").await, bob.identity("raven").await);
    middle.identity("middle").await;
    let both = async {
        let who = nightjar_node::post::Who::Name(nightjar_core::name::Name::Nick("raven".to_owned()));
        while middle.handle().post().who_is(&who).len() < 2 {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, both).await.expect("both cards come");
    match middle.try_write(Letter::text(to("@raven"), "which?")).await {
        Err(SendError::Ambiguous { keys, .. }) => {
            assert!(keys.contains(&hers.to_string()) && keys.contains(&his.to_string()));
        }
        other => panic!("{other:?}"),
    }
    // One of them is written to by the key, and is then the one that is meant.
    middle.try_write(Letter::text(Addressee::Key(hers), "you")).await.unwrap();
    assert_eq!(middle.write("@raven", "you").await.sealed, Sealed::ChatKey(hers, Standing::Claimed));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_nick_that_was_written_to_under_seal_means_that_key_when_it_is_renamed_and_forgotten() {
    let (alice, middle, bob) = line().await;
    for name in ["raven", "crow"] {
        alice.listen(name).await;
    }
    alice.identity("alice").await;
    let his = bob.identity("raven").await;
    assert_eq!(alice.knows("raven").await, his);
    let sealed = Sealed::ChatKey(his, Standing::Claimed);
    let first = alice.write("@raven", "are you there?").await;
    assert_eq!((first.sealed, first.note), (sealed, None));
    // A name that is given up before its message is opened opens nothing.
    bob.said(1).await;

    let post = bob.handle().post();
    post.identities().off_the_tasks(|all| all.set_nick("raven", Some("crow"))).await.unwrap();
    post.refresh_own();
    assert_eq!(alice.knows("crow").await, his);
    for seal in [SealWish::Best, SealWish::ChatKey] {
        let sent = alice.try_write(Letter { seal, ..Letter::text(to("@raven"), "and now?") }).await.unwrap();
        let short = his.short();
        let note = format!("raven is ~{short} here, as before; that key calls itself crow now");
        assert_eq!((sent.sealed, sent.note), (sealed, Some(note)));
    }
    // The first contact went to where he is listening now.
    let said: Vec<String> = bob.said(3).await.into_iter().map(|(said, _)| said).collect();
    assert_eq!(said, ["are you there?", "and now?", "and now?"]);

    // The same in the open needs the user's word.
    let open = Letter { seal: SealWish::None, ..Letter::text(to("@raven"), "for all") };
    assert_eq!(alice.try_write(open).await.unwrap().sealed, Sealed::Open);

    let temp = alice.stop().await;
    let file = temp.path().join("data").join("nightjar.db");
    let forgotten = rusqlite::Connection::open(file).unwrap().execute("DELETE FROM speaker WHERE nick = 'crow'", []);
    assert_eq!(forgotten.unwrap(), 1);
    let alice = TestNode::start_in(temp, &[], |_| {}).await;
    let sent = alice.write("@raven", "still?").await;
    assert_eq!(sent.sealed, sealed);
    assert!(sent.note.unwrap().contains("nothing else is known"));
    // The key alone tells no name to reach it by, but the pin does.
    assert_eq!(alice.try_write(Letter::text(Addressee::Key(his), "you")).await.unwrap().sealed, sealed);
    let post = alice.handle().post();
    let raven = nightjar_core::name::Name::Nick("raven".to_owned());
    assert_eq!(
        post.conversations(&raven),
        ["raven".to_owned(), format!("@{his}")],
        "what is said stands under the name"
    );
    // Nor does it go out in the open while the keys are locked, or without any.
    let lock = post.identities().off_the_tasks(|all| {
        all.set_passphrase(None, Some("open sesame")).unwrap();
        all.lock()
    });
    assert!(lock.await.is_ok());
    post.refresh_own();
    assert!(matches!(alice.try_write(Letter::text(to("@raven"), "secret")).await, Err(SendError::Locked)));
    let temp = alice.stop().await;
    std::fs::remove_file(temp.path().join("data").join("identities")).unwrap();
    let alice = TestNode::start_in(temp, &[], |_| {}).await;
    let refused = alice.try_write(Letter::text(to("@raven"), "secret")).await;
    assert!(matches!(refused, Err(SendError::SpokeBefore(_) | SendError::NoIdentity)), "{refused:?}");
    drop(middle);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_nick_whose_request_was_accepted_means_that_key_and_the_user_can_say_another() {
    let (alice, middle, bob) = line().await;
    alice.listen("raven").await;
    middle.listen("raven").await;
    let his = bob.identity("raven").await;
    let hers = alice.identity("alice").await;
    assert_eq!(alice.knows("raven").await, his);
    bob.listen("alice").await;
    let post = alice.handle().post();
    bob.try_write(Letter { seal: SealWish::None, ..Letter::text(to("@alice"), "it is me") }).await.unwrap();
    alice.said(1).await;
    post.decide(his, Relation::Contact).await.unwrap();

    // Another takes the nick; neither hearing nor accepting him makes the name his.
    let other = middle.identity("raven").await;
    middle.try_write(Letter { seal: SealWish::None, ..Letter::text(to("@alice"), "no, me") }).await.unwrap();
    alice.said(2).await;
    post.decide(other, Relation::Contact).await.unwrap();
    let raven = nightjar_node::post::Who::Name(nightjar_core::name::Name::Nick("raven".to_owned()));
    let both = async {
        while post.who_is(&raven).len() < 2 {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, both).await.expect("his card comes");
    let sent = alice.write("@raven", "you?").await;
    assert_eq!(sent.sealed, Sealed::ChatKey(his, Standing::Claimed));
    assert!(sent.note.unwrap().contains(&format!("another, ~{}, goes by raven now", other.short())));

    let named = Addressee::Named(other, nightjar_core::name::Name::Nick("raven".to_owned()));
    let sent = alice.try_write(Letter::text(named, "or you?")).await.unwrap();
    assert_eq!((sent.sealed, sent.author), (Sealed::ChatKey(other, Standing::Claimed), Some(hers)));
    assert_eq!(sent.note.unwrap(), format!("raven is ~{} here from now on, and was ~{}", other.short(), his.short()));
    assert_eq!(alice.write("@raven", "so you").await.sealed, Sealed::ChatKey(other, Standing::Claimed));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_a_channel_with_a_passphrase_was_left_nothing_goes_out_in_the_open_by_accident() {
    let node = TestNode::start(&[]).await;
    let words = node.join("#den", "").await.unwrap();
    let open = || Letter { seal: SealWish::None, ..Letter::text(to("#den"), "for all") };
    assert!(node.try_write(open()).await.unwrap().note.unwrap().contains("does not hear that"));
    let name: nightjar_core::name::TypedName = "#Den".parse().unwrap();
    assert!(node.handle().post().note_of_open(name.name()).unwrap().contains("does not hear that"));
    assert!(node.handle().post().part(name.name()).await.unwrap());
    let refused = node.try_write(Letter::text(to("#Den"), "for us")).await;
    assert!(matches!(&refused, Err(SendError::Parted(name)) if name == "#den"), "{refused:?}");
    let temp = node.stop().await;
    let node = TestNode::start_in(temp, &[], |_| {}).await;
    assert!(matches!(node.try_write(Letter::text(to("#den"), "for us")).await, Err(SendError::Parted(_))));
    let sent = node.try_write(open()).await.unwrap();
    assert_eq!((sent.sealed, sent.note), (Sealed::Open, None));
    assert_eq!(node.write("#elsewhere", "for all").await.sealed, Sealed::Open);
    node.join("#den", &words).await;
    assert_eq!(node.write("#den", "for us").await.sealed, Sealed::Channel);
    // A name with a password was never written to under it.
    let wish = JoinWish {
        name: "#pit".parse().unwrap(),
        passphrase: None,
        weak: false,
        password: Some(Zeroizing::new("secret".to_owned())),
    };
    assert!(node.handle().post().join(wish.clone()).await.unwrap().is_none());
    assert!(node.handle().post().part(wish.name.name()).await.unwrap());
    assert_eq!(node.write("#pit", "for all").await.sealed, Sealed::Open);
}
