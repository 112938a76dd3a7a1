//! Messages as this node keeps and shows them, and drafts of those it is to send.

use std::borrow::Cow;

use nightjar_core::name::TypedName;
use nightjar_core::record::{LIFETIME_S_MAX, MsgId, Record, Target};
use nightjar_core::time::Wall;
use nightjar_envelope::id::MessageId;
use nightjar_envelope::key::ChatKey;
use nightjar_envelope::map::Map;

use crate::chain::standing::Standing;

/// The coding of a body that is text or bytes as they are.
pub const CODING_RAW: u8 = 0;

/// The place of a message in this node's own log: counted from 1, gap-free, never used again.
pub type Seq = u64;

/// A message before it has its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewMessage {
    /// When it came.
    pub received: Wall,
    /// Whether it was sent at this node.
    pub own: bool,
    /// Whether it came after its time: behind its expiry, or out of the window when its target was joined. It is history, never
    /// news: it is unread like all that was said meanwhile, but nothing that acts or notifies goes by it.
    pub late: bool,
    /// The name it was listened to by, as it was typed.
    pub name: Option<String>,
    /// What came.
    pub content: Content,
    /// What was understood of it; `None` until somebody looked, and of texts of wallets.
    pub reading: Option<Reading>,
}

impl NewMessage {
    /// By when it was said at the latest: of what came late the end of its life, if that is before it came.
    pub fn said_by(&self) -> Wall {
        shown_at(None, expiry_of(&self.content), self.received, self.late)
    }

    /// When it is shown as said, as [`shown_at`] has it.
    pub fn shown(&self) -> Wall {
        shown_of(&self.content, self.reading.as_ref(), self.received, self.late)
    }
}

/// A message of a log, without its place there: what one node gives away, another can take in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Logged {
    /// The message.
    pub message: NewMessage,
    /// How far it came; `None` unless it is an own one.
    pub delivery: Option<Delivery>,
}

impl From<Message> for Logged {
    fn from(message: Message) -> Self {
        let Message { seq: _, received, own, late, name, content, reading, speaker: _, delivery } = message;
        Self { message: NewMessage { received, own, late, name, content, reading }, delivery }
    }
}

/// What a message is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// A record that was flooded.
    Record(Record),
    /// A text from, or to, the user of a wallet that is linked to us.
    Wallet {
        /// Address of the wallet.
        peer: String,
        /// The text's bytes.
        text: Vec<u8>,
    },
}

/// What was understood of a record, or of all the records that one message was cut into.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    /// Where it belongs.
    pub conversation: String,
    /// What it has in common with a repeat of itself; `None` when it could not be read.
    pub id: Option<MessageId>,
    /// The key that wrote it, when that is certain.
    pub author: Option<ChatKey>,
    /// The chat key of this node that it was opened, or written, with.
    pub own_key: Option<ChatKey>,
    /// What it says.
    pub said: Said,
    /// What was known of the author's account when it came.
    pub standing: Standing,
    /// Whether it came from somebody whom the user does not know.
    pub request: bool,
    /// Whether it names the user.
    pub mention: bool,
}

/// What a message says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// The record's body, as it is: no envelope.
    Raw,
    /// One map.
    Map {
        /// The first byte of the body: how it was wrapped.
        form: u8,
        /// The map's bytes.
        map: Vec<u8>,
    },
    /// The text inside one of PascalCoin's own seals.
    Text {
        /// The first byte of the body: which seal.
        form: u8,
        /// What stood inside.
        text: String,
    },
    /// It could not be read, and why.
    Unreadable {
        /// The first byte of the body; `None` when the coding is not known.
        form: Option<u8>,
        /// The reason.
        why: String,
    },
}

/// Whether the body of a record is text or bytes as they are, and no envelope.
pub fn is_raw(record: &Record) -> bool {
    record.stamp().is_none_or(|stamp| stamp.coding == CODING_RAW && stamp.reserved == 0)
}

/// The text of a message, if it is one that can be read.
pub fn text_of<'m>(content: &'m Content, reading: Option<&'m Reading>) -> Option<Cow<'m, str>> {
    match (reading.map(|reading| &reading.said), content) {
        (Some(Said::Text { text, .. }), _) => Some(Cow::Borrowed(text)),
        (Some(Said::Map { map, .. }), _) => {
            let map = Map::read_all(map).ok()?;
            let text = map.content().ok()??.as_text()?.to_owned();
            Some(Cow::Owned(text))
        }
        (Some(Said::Unreadable { .. }), _) => None,
        (Some(Said::Raw) | None, Content::Record(record)) => {
            std::str::from_utf8(record.body()).ok().filter(|_| is_raw(record)).map(Cow::Borrowed)
        }
        (Some(Said::Raw) | None, Content::Wallet { text, .. }) => std::str::from_utf8(text).ok().map(Cow::Borrowed),
    }
}

/// When a message is shown as said: at its author's time, if that can be.
///
/// It was not said after it came, nor after its record's expiry, nor longer before that than a record lives. Without an author's time it
/// is shown when it came, and late by its expiry at the latest. It depends on what is stored alone: no clock moves it later.
pub fn shown_at(author_ms: Option<u64>, expiry_s: Option<u32>, received: Wall, late: bool) -> Wall {
    let ms = |seconds: u32| u64::from(seconds) * 1000;
    let expiry = expiry_s.filter(|_| author_ms.is_some() || late);
    let by = expiry.map_or(received.0, |expiry| received.0.min(ms(expiry)));
    let from = expiry.map_or(0, |expiry| ms(expiry.saturating_sub(LIFETIME_S_MAX)));
    // Where the two disagree, the clock of this node or of the author was wrong: when it came is certain.
    Wall(author_ms.unwrap_or(by).max(from).min(by))
}

impl Message {
    /// When it is shown as said, as [`shown_at`] has it.
    pub fn shown(&self) -> Wall {
        shown_of(&self.content, self.reading.as_ref(), self.received, self.late)
    }

    /// Its place in the order in which a conversation is shown.
    pub fn place(&self) -> Place {
        Place { shown: self.shown(), seq: self.seq }
    }
}

fn shown_of(content: &Content, reading: Option<&Reading>, received: Wall, late: bool) -> Wall {
    let author_ms = match reading.map(|reading| &reading.said) {
        Some(Said::Map { map, .. }) => author_ms(map),
        _ => None,
    };
    shown_at(author_ms, expiry_of(content), received, late)
}

/// When a map was made, as its author says.
pub(crate) fn author_ms(map: &[u8]) -> Option<u64> {
    Map::read_all(map).ok().map(|map| map.time_ms())
}

fn expiry_of(content: &Content) -> Option<u32> {
    match content {
        Content::Record(record) => record.stamp().map(|stamp| stamp.expiry),
        Content::Wallet { .. } => None,
    }
}

/// A message in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Its place.
    pub seq: Seq,
    /// When it came.
    pub received: Wall,
    /// Whether it was sent at this node.
    pub own: bool,
    /// Whether it came after its time, as in [`NewMessage::late`].
    pub late: bool,
    /// The name it was listened to by, as it was typed.
    pub name: Option<String>,
    /// What came.
    pub content: Content,
    /// What was understood of it.
    pub reading: Option<Reading>,
    /// Who the author is, as far as it is known now.
    pub speaker: Option<Speaker>,
    /// How far it came; `None` unless it is an own one.
    pub delivery: Option<Delivery>,
}

/// Somebody with a chat key, as far as this node knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Speaker {
    /// The key.
    pub key: ChatKey,
    /// What he calls himself.
    pub nick: Option<String>,
    /// When he said so, by his own clock, Unix milliseconds.
    pub nick_ms: u64,
    /// The account he says is his.
    pub account: Option<u32>,
    /// What the chain says of that.
    pub standing: Standing,
    /// Who was asked.
    pub source: String,
    /// At which block; 0 = nobody answered.
    pub block: u32,
    /// When, in time of this node.
    pub looked: Wall,
    /// When something first came from him.
    pub first: Wall,
    /// When something last came from him.
    pub heard: Wall,
}

impl Speaker {
    /// Somebody of whom nothing but the key is known, and that something came from him then.
    pub const fn new(key: ChatKey, first: Wall) -> Self {
        Self {
            key,
            nick: None,
            nick_ms: 0,
            account: None,
            standing: Standing::Claimed,
            source: String::new(),
            block: 0,
            looked: Wall(0),
            first,
            heard: Wall(0),
        }
    }
}

/// One read of the log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// The messages, in ascending order of seq.
    pub messages: Vec<Message>,
    /// Read on with `since` = this: the seq of the last message looked at, whether it passed the filter or not.
    pub next: Seq,
    /// The oldest seq still kept; 0 when the log is empty and nothing was ever dropped.
    pub first: Seq,
}

/// Something that happened in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Its place in the one row of messages and of what happened to them.
    pub seq: Seq,
    /// What it is.
    pub what: What,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// A message was stored. Its seq is that of the event.
    Stored(Box<Message>),
    /// A message, by its own seq, says something else of itself; this is how it is now.
    Changed(Box<Message>),
    /// An author of messages is known otherwise; this is what is known now.
    Author(Speaker),
    /// The message of this seq was erased.
    Erased(Seq),
}

/// One read of the log with all that happened in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventPage {
    /// The events, in ascending order of seq.
    pub events: Vec<Event>,
    /// Read on with `since` = this: the seq of the last event looked at, whether it passed the filter or not.
    pub next: Seq,
    /// The oldest seq still kept; 0 when the log is empty and nothing was ever dropped.
    pub first: Seq,
}

/// How far an own message came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// Work is done for it.
    Working,
    /// It waits for a peer.
    Queued,
    /// It went to so many peers.
    Sent(u32),
    /// So many neighbours say that they hold it.
    Held(u32),
    /// The recipient says that it came.
    Acknowledged,
    /// It did not go out, and why.
    Failed(String),
}

/// Which messages of the log are wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Only those to one of these targets, or in one of these conversations; all when both are empty. Texts of wallets have
    /// neither.
    pub targets: Vec<Target>,
    /// Conversations.
    pub conversations: Vec<String>,
}

impl Filter {
    /// Whether everything passes.
    pub const fn is_empty(&self) -> bool {
        self.targets.is_empty() && self.conversations.is_empty()
    }
}

/// What is looked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Search {
    /// The words, in any order; a phrase stands between quotes, and what ends with `*` is the beginning of a word.
    pub words: String,
    /// Only in these conversations; in all when empty.
    pub conversations: Vec<String>,
    /// Only by this author.
    pub author: Option<ChatKey>,
    /// Only what came then or later.
    pub since: Option<Wall>,
    /// Only what came before that.
    pub until: Option<Wall>,
    /// Only before this seq: where an earlier search left off.
    pub before: Option<Seq>,
    /// So many at the most.
    pub limit: usize,
}

/// What a search found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// The messages, newest first.
    pub messages: Vec<Message>,
    /// There may be more: search on with `before` = this.
    pub next: Option<Seq>,
}

/// A place in the order in which a conversation is shown: by time, at the same time by seq.
///
/// Of a moment alone, `seq` 0 stands before all that is shown then, and [`Seq::MAX`] behind it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Place {
    /// When it is shown as said, as [`Message::shown`] has it.
    pub shown: Wall,
    /// Its place in the log.
    pub seq: Seq,
}

/// Which part of what was said is wanted, in the order in which it is shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct History {
    /// In these conversations, which are read as one.
    pub conversations: Vec<String>,
    /// Only behind this place.
    pub after: Option<Place>,
    /// Only before this place.
    pub before: Option<Place>,
    /// When there is more than is given: whether the newest of it is wanted, not the oldest.
    pub newest: bool,
    /// So many at the most.
    pub limit: usize,
}

/// Which messages are to be erased.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Erase {
    /// Those of one conversation.
    Conversation(String),
    /// Those of one author.
    Author(ChatKey),
    /// All.
    All,
}

/// One conversation of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conversation {
    /// Where it is held, as in [`Reading::conversation`].
    pub name: String,
    /// The seq of its last message.
    pub last_seq: Seq,
    /// When that came.
    pub last: Wall,
    /// Whether that came from somebody whom the user does not know.
    pub request: bool,
    /// Up to which seq it was read.
    pub read: Seq,
    /// Messages of others behind that.
    pub unread: u64,
    /// Those of them that name the user.
    pub mentions: u64,
}

/// Where a draft is to go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    /// To whoever listens to a name.
    Name(TypedName),
    /// To whoever listens to a target.
    Target(Target),
}

/// Something to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    /// Where to.
    pub to: Destination,
    /// The text's bytes, or data.
    pub body: Vec<u8>,
    /// Exactly PIP-0038's record: no date, no work, the name hashed as it was typed.
    pub plain: bool,
    /// How long it may be flooded, 10..=3600 s; the default when `None`. A plain record has none.
    pub lifetime_s: Option<u32>,
}

/// What became of a draft.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The id of the record.
    pub msg_id: MsgId,
    /// Its target.
    pub target: Target,
    /// Until when it may be flooded, Unix seconds; `None` for a plain record.
    pub expiry: Option<u32>,
    /// To how many peers it went at once.
    pub peers: usize,
}

impl Draft {
    /// A text to a name, as most are.
    pub fn text(name: TypedName, text: &str) -> Self {
        Self { to: Destination::Name(name), body: text.as_bytes().to_vec(), plain: false, lifetime_s: None }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const EXPIRY: u32 = 1_800_000_000;

    fn at(unix_s: u32) -> Wall {
        Wall(u64::from(unix_s) * 1000)
    }

    #[test]
    fn a_message_is_shown_at_its_authors_time_if_that_can_be() {
        let shown = |author: u32, received: u32| shown_at(Some(at(author).0), Some(EXPIRY), at(received), false);
        assert_eq!(shown(EXPIRY - 600, EXPIRY - 590), at(EXPIRY - 600));
        assert_eq!(shown(EXPIRY - 600, EXPIRY + 86_400), at(EXPIRY - 600), "by catch-up");
        assert_eq!(shown(EXPIRY - 500, EXPIRY - 590), at(EXPIRY - 590), "not after it came");
        assert_eq!(shown(EXPIRY + 50, EXPIRY + 60), at(EXPIRY), "not after its record's end");
        assert_eq!(shown(0, EXPIRY - 590), at(EXPIRY - LIFETIME_S_MAX), "not before its record was made");
        assert_eq!(shown(0, EXPIRY - 2 * LIFETIME_S_MAX), at(EXPIRY - 2 * LIFETIME_S_MAX), "a clock was wrong");
    }

    #[test]
    fn without_an_authors_time_it_is_shown_when_it_came_or_late_by_its_expiry() {
        assert_eq!(shown_at(None, Some(EXPIRY), at(EXPIRY + 50), false), at(EXPIRY + 50));
        assert_eq!(shown_at(None, Some(EXPIRY), at(EXPIRY + 50), true), at(EXPIRY));
        assert_eq!(shown_at(None, Some(EXPIRY), at(EXPIRY - 50), true), at(EXPIRY - 50));
        assert_eq!(shown_at(None, None, at(EXPIRY), true), at(EXPIRY));
    }

    proptest! {
        #[test]
        fn no_time_is_shown_that_cannot_be(
            author in proptest::option::of(prop_oneof![any::<u64>(), (0..10_000_000u64).prop_map(|ms| at(EXPIRY).0 - 5_000_000 + ms)]),
            expiry in proptest::option::of(prop_oneof![any::<u32>(), Just(EXPIRY)]),
            received in prop_oneof![any::<u64>(), (0..10_000_000u64).prop_map(|ms| at(EXPIRY).0 - 5_000_000 + ms)],
            late: bool,
        ) {
            let shown = shown_at(author, expiry, Wall(received), late);
            prop_assert!(shown.0 <= received);
            let dated = expiry.filter(|_| author.is_some() || late);
            let from = dated.map_or(0, |expiry| at(expiry.saturating_sub(LIFETIME_S_MAX)).0).min(received);
            let by = dated.map_or(received, |expiry| received.min(at(expiry).0));
            prop_assert!((from..=by).contains(&shown.0));
            if let Some(author) = author {
                prop_assert!(shown.0 == author || shown.0 == from || shown.0 == by);
                prop_assert!(!(from..=by).contains(&author) || shown.0 == author);
            }
        }
    }
}
