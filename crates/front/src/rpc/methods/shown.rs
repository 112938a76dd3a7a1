//! Messages of the log as they are shown, and what happened to them. Every member is declared beside it; reads no store.

use std::collections::BTreeMap;

use nightjar_core::name::Name;
use nightjar_core::record::Record;
use nightjar_envelope::form;
use nightjar_envelope::key::ChatKey;
use nightjar_envelope::map::{ContentType, Kind as MessageKind, Map};
use nightjar_node::message::{CODING_RAW, Content, Delivery, Event, Message, Reading, Said, Speaker, What, is_raw};
use serde::Serialize;

use super::hex;
use crate::rpc::row::words_of;
use crate::rpc::table::{Field, field, field_if};

/// An answer ends early when its messages may take this many bytes: only long texts of wallets come near it.
const PAGE_BYTES_MAX: usize = 4 << 20;

/// What is shown of messages.
pub(super) const SHOWN: &[Field] = &[
    field("messages", "array", "The messages."),
    field("messages[].seq", "integer", "Its place in this node's log, counted from 1, gap-free, never used again."),
    field_if("messages[].event", "text", "Only with `changes`: `stored`, `changed`, `author` or `erased`."),
    field_if("messages[].of", "integer", "Of `changed` and `erased`: the seq of the message."),
    field_if(
        "messages[].delivery",
        "text",
        "How far an own message came: `working` (work is done for it), `queued` (it waits for a peer), `sent` and `held` (`delivery_peers` took it, or say that they hold it), `acknowledged` (by the recipient), or `failed` (`delivery_error`).",
    ),
    field_if("messages[].delivery_peers", "integer", "Of `sent` and `held`: how many peers."),
    field_if("messages[].delivery_error", "text", "Of `failed`: why."),
    field_if(
        "messages[].id",
        "hex",
        "The id of the message, by which others answer it. Not in a wallet's text, nor in what cannot be read.",
    ),
    field_if("messages[].msgid", "hex", "The id of the record, or of the part that came last. Not in a wallet's text."),
    field_if("messages[].target", "hex", "Where it is addressed to. Not in a wallet's text."),
    field_if("messages[].name", "text or null", "The name it was listened to by. Not in a wallet's text."),
    field_if("messages[].bridge", "text", "Only in a wallet's text: the wallet's address, `host:port`."),
    field_if(
        "messages[].conversation",
        "text",
        "Where it belongs: a channel, nick or account in the form that is hashed, `@` and the chat key of the other for what is under seal between two, or a target.",
    ),
    field_if(
        "messages[].kind",
        "text",
        "Of an envelope: `text`, `action`, `reaction`, `edit`, `data`, `request`, `response`, `notice`, `handover`, `ack`, `offer`, or `kind ` and a number that means nothing to this program.",
    ),
    field_if(
        "messages[].heir",
        "hex",
        "Of a `handover`: the chat key that the author goes on as. Both have signed that.",
    ),
    field_if("messages[].author", "hex", "The chat key that wrote it. Not when nobody signed."),
    field_if("messages[].nick", "text", "What the author calls himself."),
    field_if(
        "messages[].looks_like",
        "text",
        "A nick of the user's own, or of a contact, that the author's looks like, or is, although he is somebody else.",
    ),
    field_if("messages[].own_key", "hex", "The chat key of this node that it was sealed for, or that wrote it."),
    field_if("messages[].account", "text", "The account that the author says is his."),
    field_if(
        "messages[].state",
        "text",
        "What was known of the author when it came: `proven`, `proven by 3 peers`, `lapsed`, `disputed`, `claimed`, `unchecked` or `anonymous`.",
    ),
    field_if("messages[].state_now", "text", "What is known of him now, when that is something else."),
    field_if("messages[].verified", "boolean", "Whether it is certain that the author wrote it."),
    field_if(
        "messages[].sealed",
        "text",
        "`none`, `channel`, `chatkey`, `dest` or `aes`: who could read it on the way.",
    ),
    field_if("messages[].time", "integer", "When the author says he wrote it, Unix milliseconds."),
    field_if("messages[].reply_to", "hex", "The first 8 bytes of the `id` that it answers, reacts to or edits."),
    field_if("messages[].correlation", "hex", "By what a request and its response belong together."),
    field_if(
        "messages[].content_type",
        "text",
        "What its content is, when the author says so: `text`, `json`, `cbor`, `octets`, a number, or a media type.",
    ),
    field_if(
        "messages[].request",
        "boolean",
        "`true` when it came from somebody whom the user does not know: see `requests`.",
    ),
    field_if("messages[].unreadable", "text", "Why it cannot be read."),
    field("messages[].payload", "hex", "What was said, without the date; the whole body of what cannot be read."),
    field_if("messages[].text", "text", "The same as text, when it is UTF-8."),
    field_if("messages[].coding", "integer", "Only when it cannot be read: the coding of its payload, 1 = envelope."),
    field_if("messages[].dated", "boolean", "Whether the record is dated. Not in a wallet's text."),
    field_if("messages[].expiry", "integer", "Until when a dated record may be passed on, Unix seconds."),
    field("messages[].own", "boolean", "Whether it was sent at this node."),
    field("messages[].received", "integer", "When it came, Unix milliseconds."),
    field(
        "messages[].shown",
        "integer",
        "When it was said, as it is to be shown and sorted by (of equal ones by `seq`), Unix milliseconds: `time`, but not after it came or its record ended, nor more than an hour before that end. Without `time` it is `received`, or the end of a record that came late. It never changes.",
    ),
    field_if(
        "messages[].late",
        "boolean",
        "`true` when it came after its time, from a neighbour who had kept it: it is history and no news. It is unread all the same.",
    ),
];

/// One page of the log.
#[derive(Serialize)]
pub(super) struct Messages {
    pub(super) messages: Vec<Shown>,
    pub(super) next: u64,
    pub(super) first: u64,
}

#[derive(Serialize)]
pub(super) struct Shown {
    seq: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    event: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    of: Option<u64>,
    #[serde(flatten)]
    what: ShownWhat,
}

#[derive(Serialize)]
#[serde(untagged)]
enum ShownWhat {
    Message(Box<ShownMessage>),
    Author(ShownAuthor),
    Nothing {},
}

#[derive(Serialize)]
struct ShownMessage {
    #[serde(flatten)]
    content: ShownContent,
    own: bool,
    #[serde(flatten)]
    delivery: ShownDelivery,
    received: u64,
    shown: u64,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    late: bool,
}

#[derive(Default, Serialize)]
struct ShownDelivery {
    #[serde(skip_serializing_if = "Option::is_none")]
    delivery: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    delivery_peers: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    delivery_error: Option<String>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum ShownContent {
    Record(Box<ShownRecord>),
    Wallet(ShownWallet),
}

#[derive(Serialize)]
struct ShownRecord {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    msgid: String,
    target: String,
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    conversation: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    own_key: Option<String>,
    #[serde(flatten)]
    said: ShownSaid,
    #[serde(flatten)]
    by: Option<ShownAuthor>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    request: bool,
    dated: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    expiry: Option<u32>,
}

#[derive(Default, Serialize)]
struct ShownSaid {
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    time: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reply_to: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    correlation: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    heir: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content_type: Option<String>,
    payload: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sealed: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unreadable: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    coding: Option<u8>,
}

#[derive(Serialize)]
struct ShownAuthor {
    #[serde(skip_serializing_if = "Option::is_none")]
    author: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    nick: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    looks_like: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    account: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    state_now: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    verified: Option<bool>,
}

#[derive(Serialize)]
struct ShownWallet {
    bridge: String,
    payload: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
}

/// The kinds that a user can send. The others are the node's own, or wait for a program that gives them a meaning.
pub(super) const KINDS: [(&str, MessageKind); 8] = [
    ("text", MessageKind::Text),
    ("action", MessageKind::Action),
    ("reaction", MessageKind::Reaction),
    ("edit", MessageKind::Edit),
    ("data", MessageKind::Data),
    ("request", MessageKind::Request),
    ("response", MessageKind::Response),
    ("notice", MessageKind::Notice),
];

/// The numbered types, in their order.
pub(super) const CONTENT_TYPES: [&str; 4] = ["text", "json", "cbor", "octets"];

fn word_of_kind(kind: MessageKind) -> String {
    match kind {
        MessageKind::HandOver => "handover".to_owned(),
        MessageKind::Ack => "ack".to_owned(),
        MessageKind::Offer => "offer".to_owned(),
        kind => KINDS
            .into_iter()
            .find(|(_, known)| *known == kind)
            .map_or_else(|| format!("kind {}", kind.number()), |(word, _)| word.to_owned()),
    }
}

fn word_of_content_type(kind: ContentType<'_>) -> String {
    match kind {
        ContentType::Number(number) => usize::try_from(number)
            .ok()
            .and_then(|number| CONTENT_TYPES.get(number))
            .map_or_else(|| number.to_string(), |word| (*word).to_owned()),
        ContentType::Media(media) => media.to_owned(),
    }
}

/// Authors whose nick looks like that of somebody else whom the user knows, and that nick.
pub(super) type Alike = BTreeMap<ChatKey, String>;

/// Messages as they are shown. If an answer does not hold all: the seq of the last that it holds.
pub(super) fn shown_messages(
    messages: Vec<Message>,
    look_alike: impl FnOnce(Vec<ChatKey>) -> Alike,
) -> (Vec<Shown>, Option<u64>) {
    let alike = look_alike(messages.iter().filter_map(|message| message.reading.as_ref()?.author).collect());
    shown_page(messages, |message| Entry {
        seq: message.seq,
        bytes: json_bytes_max(&message),
        shown: Shown { seq: message.seq, event: None, of: None, what: shown(message, &alike) },
    })
}

/// Who wrote the message that an event is about, or whom it is about.
pub(super) fn author_of(event: &Event) -> Option<ChatKey> {
    match &event.what {
        What::Stored(message) | What::Changed(message) => message.reading.as_ref()?.author,
        What::Author(speaker) => Some(speaker.key),
        What::Erased(_) => None,
    }
}

pub(super) fn shown_event(Event { seq, what }: Event, alike: &Alike) -> Entry<Shown> {
    let message = |message: Message, event: &'static str, of: Option<u64>| Entry {
        seq,
        bytes: json_bytes_max(&message),
        shown: Shown { seq, event: Some(event), of, what: shown(message, alike) },
    };
    let short = |event: &'static str, of: Option<u64>, what: ShownWhat| Entry {
        seq,
        bytes: 1024,
        shown: Shown { seq, event: Some(event), of, what },
    };
    match what {
        What::Stored(stored) => message(*stored, "stored", None),
        What::Changed(changed) => {
            let of = changed.seq;
            message(*changed, "changed", Some(of))
        }
        What::Author(speaker) => {
            let author = ShownAuthor {
                author: Some(speaker.key.to_string()),
                looks_like: alike.get(&speaker.key).cloned(),
                nick: speaker.nick,
                account: speaker.account.map(|account| Name::Account(account).text()),
                state: None,
                state_now: Some(speaker.standing.to_string()),
                verified: None,
            };
            short("author", None, ShownWhat::Author(author))
        }
        What::Erased(of) => short("erased", Some(of), ShownWhat::Nothing {}),
    }
}

/// One entry of a page, and about how many bytes its JSON may take.
pub(super) struct Entry<S> {
    pub(super) seq: u64,
    pub(super) bytes: usize,
    pub(super) shown: S,
}

/// Entries as they are shown. If an answer does not hold all: the seq of the last that it holds.
pub(super) fn shown_page<T, S>(entries: Vec<T>, show: impl Fn(T) -> Entry<S>) -> (Vec<S>, Option<u64>) {
    let mut bytes = 0;
    let mut messages = Vec::with_capacity(entries.len());
    let mut last = None;
    for entry in entries {
        let entry = show(entry);
        bytes += entry.bytes;
        match last {
            // The first one is shown however long it is: readers must get on.
            Some(last) if bytes > PAGE_BYTES_MAX => return (messages, Some(last)),
            _ => last = Some(entry.seq),
        }
        messages.push(entry.shown);
    }
    (messages, None)
}

/// No more than this many bytes of JSON: two hex digits for each byte, and up to six for each when it is a control character.
fn json_bytes_max(message: &Message) -> usize {
    let said = match &message.content {
        Content::Record(record) => record.body().len(),
        Content::Wallet { text, .. } => text.len(),
    };
    // What is compressed in a map may be far longer when it is shown.
    let read = match message.reading.as_ref().map(|reading| &reading.said) {
        Some(Said::Map { map, .. }) => match Map::read_all(map).as_ref().map(Map::content) {
            Ok(Ok(Some(content))) => map.len() + content.as_bytes().len(),
            _ => map.len(),
        },
        Some(Said::Text { text, .. }) => text.len(),
        Some(Said::Raw | Said::Unreadable { .. }) | None => 0,
    };
    2048 + 8 * (said + read)
}

fn shown(message: Message, alike: &Alike) -> ShownWhat {
    let when = message.shown().0;
    let Message { seq: _, received, own, late, name, content, reading, speaker, delivery } = message;
    let content = match content {
        Content::Record(record) => ShownContent::Record(Box::new(shown_record(&record, name, reading, speaker, alike))),
        Content::Wallet { peer, text } => {
            ShownContent::Wallet(ShownWallet { bridge: peer, payload: hex(&text), text: String::from_utf8(text).ok() })
        }
    };
    let delivery = delivery.map(shown_delivery).unwrap_or_default();
    ShownWhat::Message(Box::new(ShownMessage { content, own, delivery, received: received.0, shown: when, late }))
}

fn shown_delivery(delivery: Delivery) -> ShownDelivery {
    let (delivery, delivery_peers, delivery_error) = words_of(delivery);
    ShownDelivery { delivery, delivery_peers, delivery_error }
}

fn shown_record(
    record: &Record,
    name: Option<String>,
    reading: Option<Reading>,
    speaker: Option<Speaker>,
    alike: &Alike,
) -> ShownRecord {
    let stamp = record.stamp();
    let (said, by) = match &reading {
        Some(reading) => (shown_said(record, &reading.said), shown_author(reading, speaker, alike)),
        // What an earlier program stored: it opened nothing.
        None => (shown_raw(record), None),
    };
    ShownRecord {
        id: reading.as_ref().and_then(|reading| reading.id).map(|id| id.to_string()),
        msgid: record.msg_id().to_string(),
        target: record.target().to_string(),
        name,
        said,
        by,
        request: reading.as_ref().is_some_and(|reading| reading.request),
        own_key: reading.as_ref().and_then(|reading| reading.own_key).map(|key| key.to_string()),
        conversation: reading.map(|reading| reading.conversation),
        dated: stamp.is_some(),
        expiry: stamp.map(|dated| dated.expiry),
    }
}

fn shown_raw(record: &Record) -> ShownSaid {
    let stamp = record.stamp();
    let coding = stamp.map(|dated| dated.coding).filter(|coding| *coding != CODING_RAW);
    let text = std::str::from_utf8(record.body()).ok().filter(|_| is_raw(record)).map(str::to_owned);
    ShownSaid { payload: hex(record.body()), text, coding, ..ShownSaid::default() }
}

fn shown_said(record: &Record, said: &Said) -> ShownSaid {
    match said {
        Said::Raw => ShownSaid { sealed: Some("none"), ..shown_raw(record) },
        Said::Unreadable { why, .. } => ShownSaid {
            payload: hex(record.body()),
            unreadable: Some(why.clone()),
            coding: record.stamp().map(|stamp| stamp.coding).filter(|coding| *coding != CODING_RAW),
            ..ShownSaid::default()
        },
        Said::Text { form, text } => ShownSaid {
            kind: Some("text".to_owned()),
            payload: hex(text.as_bytes()),
            text: Some(text.clone()),
            sealed: Some(word_of_form(*form)),
            ..ShownSaid::default()
        },
        Said::Map { form, map } => shown_map(*form, map),
    }
}

fn shown_map(form: u8, bytes: &[u8]) -> ShownSaid {
    let map = match Map::read_all(bytes) {
        Ok(map) => map,
        // It was read when it came; a file that was changed since may hold anything.
        Err(fault) => {
            return ShownSaid { payload: hex(bytes), unreadable: Some(fault.to_string()), ..ShownSaid::default() };
        }
    };
    // One that does not hold was not taken in.
    let heir = map.hand_over().filter(|_| map.kind() == MessageKind::HandOver && form == form::SIGNED);
    let base = ShownSaid {
        kind: Some(word_of_kind(map.kind())),
        time: Some(map.time_ms()),
        reply_to: map.reply_to().map(|id| hex(&id)),
        correlation: map.correlation().map(|id| hex(&id)),
        heir: heir.map(|to| hex(&to.new_key)),
        content_type: map.content_type().map(word_of_content_type),
        sealed: Some(word_of_form(form)),
        ..ShownSaid::default()
    };
    match map.content() {
        Ok(Some(content)) => {
            ShownSaid { payload: hex(content.as_bytes()), text: content.as_text().map(str::to_owned), ..base }
        }
        Ok(None) => base,
        Err(fault) => ShownSaid { payload: hex(bytes), unreadable: Some(fault.to_string()), ..base },
    }
}

fn shown_author(reading: &Reading, speaker: Option<Speaker>, alike: &Alike) -> Option<ShownAuthor> {
    let now = speaker.as_ref().map(|speaker| speaker.standing).filter(|now| *now != reading.standing);
    let read = !matches!(reading.said, Said::Unreadable { .. });
    read.then(|| ShownAuthor {
        author: reading.author.map(|key| key.to_string()),
        nick: speaker.as_ref().and_then(|speaker| speaker.nick.clone()),
        looks_like: reading.author.and_then(|author| alike.get(&author).cloned()),
        account: speaker.and_then(|speaker| speaker.account).map(|account| Name::Account(account).text()),
        state: Some(reading.standing.to_string()),
        state_now: now.map(|now| now.to_string()),
        verified: Some(reading.author.is_some()),
    })
}

const fn word_of_form(form: u8) -> &'static str {
    match form {
        form::CHANNEL => "channel",
        form::FIRST | form::PAIR => "chatkey",
        form::PASCAL => "dest",
        form::AES => "aes",
        _ => "none",
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail loudly")]

    use nightjar_core::name::target_of_text;
    use nightjar_core::record::{MsgId, PAYLOAD_BYTES_MAX};
    use nightjar_core::time::Wall;
    use nightjar_node::handle::PAGE_MESSAGES_MAX;
    use serde_json::{Value, json};

    use super::super::messages::GET;
    use super::*;
    use crate::rpc::message::Answer;
    use crate::rpc::reference::undocumented;

    fn message(seq: u64, content: Content) -> Message {
        Message {
            seq,
            received: Wall(1_767_225_000_123),
            own: seq.is_multiple_of(2),
            late: false,
            name: Some("#Ch".to_owned()),
            content,
            reading: None,
            speaker: None,
            delivery: None,
        }
    }

    fn dated(body: &[u8], coding: u8) -> Content {
        Content::Record(Record::dated(target_of_text("#ch"), body, 1_767_225_600, coding, [7; 8]).unwrap())
    }

    fn plain(body: &[u8]) -> Content {
        Content::Record(Record::plain(MsgId([1; 16]), target_of_text("#ch"), body).unwrap())
    }

    fn wallet(text: &[u8]) -> Content {
        Content::Wallet { peer: "127.0.0.1:4004".to_owned(), text: text.to_vec() }
    }

    fn json_of(messages: Vec<Message>) -> Value {
        let next = messages.last().map_or(0, |message| message.seq);
        let (messages, cut) = shown_messages(messages, |_| Alike::new());
        let shown = Messages { messages, next: cut.unwrap_or(next), first: 1 };
        let json: Value = serde_json::from_str(Answer::of(&shown).json()).unwrap();
        assert_eq!(undocumented(GET.result, &json), Vec::<String>::new());
        json
    }

    #[test]
    fn a_dated_record_is_shown_without_its_trailer_and_with_its_expiry() {
        let json = json_of(vec![message(1, dated("grüße".as_bytes(), 0))]);
        let shown = &json["messages"][0];
        assert_eq!(shown["payload"], "6772c3bcc39f65");
        assert_eq!(
            (&shown["text"], &shown["dated"], &shown["expiry"]),
            (&json!("grüße"), &json!(true), &json!(1_767_225_600))
        );
        assert_eq!(
            (&shown["name"], &shown["own"], &shown["received"]),
            (&json!("#Ch"), &json!(false), &json!(1_767_225_000_123_u64))
        );
        assert!(shown.get("coding").is_none() && shown.get("bridge").is_none());
    }

    #[test]
    fn what_is_not_text_is_shown_as_payload_only() {
        let json =
            json_of(vec![message(1, plain(b"\xff\x00")), message(2, dated(b"sealed", 1)), message(3, wallet(b"\xe9"))]);
        for shown in json["messages"].as_array().unwrap() {
            assert!(shown.get("text").is_none(), "{shown}");
        }
        assert_eq!(json["messages"][0]["payload"], "ff00");
        assert_eq!(json["messages"][0]["dated"], json!(false));
        assert!(json["messages"][0].get("expiry").is_none());
        assert_eq!(json["messages"][1]["coding"], json!(1));
    }

    #[test]
    fn a_text_of_a_wallet_says_which_wallet_and_has_no_target() {
        let json = json_of(vec![message(4, wallet(b"hello"))]);
        assert_eq!(
            json["messages"][0],
            json!({"seq": 4, "bridge": "127.0.0.1:4004", "payload": "68656c6c6f", "text": "hello", "own": true, "received": 1_767_225_000_123_u64, "shown": 1_767_225_000_123_u64})
        );
    }

    #[test]
    fn control_characters_stay_as_they_are_and_the_json_escapes_them() {
        let json = json_of(vec![message(1, plain(b"\x1b[2J\x00"))]);
        assert_eq!(json["messages"][0]["text"], "\u{1b}[2J\0");
    }

    #[test]
    fn an_answer_that_would_be_too_long_ends_early_and_says_where_to_read_on() {
        let long = "\u{1}".repeat(20_000);
        let json = json_of((1..=100).map(|seq| message(seq, wallet(long.as_bytes()))).collect());
        let shown = json["messages"].as_array().unwrap();
        assert!(!shown.is_empty() && shown.len() < 100);
        assert_eq!(json["next"], shown.last().unwrap()["seq"]);
        assert!(json.to_string().len() <= PAGE_BYTES_MAX);
        // A single one is shown however long it is.
        let huge = json_of(vec![message(1, wallet(&[1; 1 << 20])), message(2, wallet(b"x"))]);
        assert_eq!((huge["messages"].as_array().unwrap().len(), &huge["next"]), (1, &json!(1)));
    }

    #[test]
    fn a_full_page_of_the_longest_records_is_given_whole() {
        let body = [1; PAYLOAD_BYTES_MAX];
        let page = (1..).take(PAGE_MESSAGES_MAX).map(|seq| message(seq, plain(&body))).collect();
        assert_eq!(json_of(page)["messages"].as_array().unwrap().len(), PAGE_MESSAGES_MAX);
    }
}
