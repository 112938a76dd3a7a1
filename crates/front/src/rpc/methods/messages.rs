//! Messages: those to be sent and those that came.

use std::time::Duration;

use nightjar_core::record::{
    BODY_BYTES_MAX, LIFETIME_S_DEFAULT, LIFETIME_S_MAX, LIFETIME_S_MIN, PAYLOAD_BYTES_MAX, Record,
};
use nightjar_node::handle::{Handle, PAGE_MESSAGES_MAX};
use nightjar_node::message::{Content, Destination, Draft, Filter, Message, Page};
use serde::Serialize;

use super::hex;
use crate::rpc::arguments::{Arguments, Kind, Need, Param};
use crate::rpc::error::RpcError;
use crate::rpc::message::Answer;
use crate::rpc::table::{Call, Method, WAIT_S_MAX, field, field_if};

/// Messages that one call gives when it does not say how many.
const PAGE_MESSAGES_DEFAULT: usize = 100;
/// An answer ends early when its messages may take this many bytes: only long texts of wallets come near it.
const PAGE_BYTES_MAX: usize = 4 << 20;
/// The coding of a body that is text or bytes as they are.
const CODING_RAW: u8 = 0;

// The reference page says so.
const _: () = assert!(LIFETIME_S_MIN == 10 && LIFETIME_S_MAX == 3600 && LIFETIME_S_DEFAULT == 600);
const _: () = assert!(BODY_BYTES_MAX == 239 && PAYLOAD_BYTES_MAX == 255);

pub(crate) const SEND: Method<Handle> = Method {
    name: "sendmessage",
    summary: "Sends a text or data to whoever listens to a name or a target.",
    notes: "Done when it was handed to the links. Texts are UTF-8; at most 239 bytes fit, 255 into a plain record.",
    params: &[
        Param { name: "name", kind: Kind::Name, need: Need::Either("target"), doc: "The account, nick or channel." },
        Param {
            name: "target",
            kind: Kind::Target,
            need: Need::Either("name"),
            doc: "The target, when its name is not known.",
        },
        Param { name: "text", kind: Kind::Text, need: Need::Either("payload"), doc: "What to say." },
        Param { name: "payload", kind: Kind::Bytes, need: Need::Either("text"), doc: "Or data." },
        Param {
            name: "plain",
            kind: Kind::Boolean,
            need: Need::Optional,
            doc: "Send exactly the record of PIP-0038's text: no date, and the name hashed as it is typed. `false` when left out.",
        },
        Param {
            name: "lifetime_s",
            kind: Kind::Integer(0, u64::MAX),
            need: Need::Optional,
            doc: "For how many seconds it may be passed on, 10 to 3600; 600 when left out. A plain record has none.",
        },
    ],
    result: &[
        field("msgid", "hex", "The id of the record."),
        field("target", "hex", "Where it is addressed to."),
        field("expiry", "integer or null", "Until when it may be passed on, Unix seconds; `null` for a plain record."),
        field(
            "peers",
            "integer",
            "To how many peers it went at once; with 0 it goes to whoever connects while it lives.",
        ),
    ],
    example: r##"{"name":"#pascalcoin","text":"good night"}"##,
    example_result: r#"{"msgid":"9e107d9d372bb6826bd81d3542a419d6","target":"eae5a48fe7a4de6d6096fbd6d85ccbac","expiry":1767225600,"peers":8}"#,
    run: |call, arguments| Box::pin(send(call, arguments)),
};

pub(crate) const GET: Method<Handle> = Method {
    name: "getmessages",
    summary: "Messages to what is listened to, those sent at this node (`own`) among them, oldest first.",
    notes: "To lose nothing, call it again with `since` = the last `next`. When `first` is greater than `since` + 1, messages in between were \
            dropped because the log is full. With `wait_s` the call waits for a message when there is none yet; the calls of one \
            HTTP request wait 60 s together at the most. An answer may hold fewer messages than `limit` although there are more.\n\n\
            What came is a stranger's: `text` may hold control characters, which a terminal must not be given.",
    params: &[
        Param {
            name: "since",
            kind: Kind::Integer(0, u64::MAX),
            need: Need::Optional,
            doc: "Only messages behind this seq; 0 = all when left out.",
        },
        Param {
            name: "limit",
            kind: Kind::Integer(1, PAGE_MESSAGES_MAX as u64),
            need: Need::Optional,
            doc: "At most so many; 100 when left out.",
        },
        Param {
            name: "wait_s",
            kind: Kind::Integer(0, WAIT_S_MAX),
            need: Need::Optional,
            doc: "If there is none, wait so many seconds for one; 0 when left out.",
        },
        Param {
            name: "name",
            kind: Kind::Name,
            need: Need::Optional,
            doc: "Only messages to this name. Texts of wallets have none.",
        },
    ],
    result: &[
        field("messages", "array", "The messages."),
        field("messages[].seq", "integer", "Its place in this node's log, counted from 1, gap-free, never used again."),
        field_if("messages[].msgid", "hex", "The id of the record. Not in a wallet's text."),
        field_if("messages[].target", "hex", "Where it is addressed to. Not in a wallet's text."),
        field_if("messages[].name", "text or null", "The name it was listened to by. Not in a wallet's text."),
        field_if("messages[].bridge", "text", "Only in a wallet's text: the wallet's address, `host:port`."),
        field("messages[].payload", "hex", "What was said, without the date."),
        field_if("messages[].text", "text", "The same as text, when it is UTF-8."),
        field_if(
            "messages[].coding",
            "integer",
            "Only when the payload is not plain text or bytes: its coding, 1 = envelope.",
        ),
        field_if("messages[].dated", "boolean", "Whether the record is dated. Not in a wallet's text."),
        field_if("messages[].expiry", "integer", "Until when a dated record may be passed on, Unix seconds."),
        field("messages[].own", "boolean", "Whether it was sent at this node."),
        field("messages[].received", "integer", "When it came, Unix milliseconds."),
        field("next", "integer", "Where to read on."),
        field("first", "integer", "The oldest seq that is still kept; 0 when nothing ever came."),
    ],
    example: r#"{"since":56,"limit":10,"wait_s":30}"#,
    example_result: r##"{"messages":[{"seq":57,"msgid":"9e107d9d372bb6826bd81d3542a419d6","target":"eae5a48fe7a4de6d6096fbd6d85ccbac","name":"#pascalcoin","payload":"676f6f64206e69676874","text":"good night","dated":true,"expiry":1767225600,"own":false,"received":1767225000123}],"next":57,"first":1}"##,
    run: |call, arguments| Box::pin(get(call, arguments)),
};

#[derive(Serialize)]
struct Sent {
    msgid: String,
    target: String,
    expiry: Option<u32>,
    peers: usize,
}

#[derive(Serialize)]
struct Messages {
    messages: Vec<Shown>,
    next: u64,
    first: u64,
}

#[derive(Serialize)]
struct Shown {
    seq: u64,
    #[serde(flatten)]
    content: ShownContent,
    own: bool,
    received: u64,
}

#[derive(Serialize)]
#[serde(untagged)]
enum ShownContent {
    Record(ShownRecord),
    Wallet(ShownWallet),
}

#[derive(Serialize)]
struct ShownRecord {
    msgid: String,
    target: String,
    name: Option<String>,
    payload: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    coding: Option<u8>,
    dated: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    expiry: Option<u32>,
}

#[derive(Serialize)]
struct ShownWallet {
    bridge: String,
    payload: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
}

async fn send(call: Call<Handle>, mut arguments: Arguments) -> Result<Answer, RpcError> {
    let name = arguments.name("name").map(Destination::Name);
    let to = name.or_else(|| arguments.target("target").map(Destination::Target)).expect("one of the two is there");
    let text = arguments.text("text").map(String::into_bytes);
    let body = text.or_else(|| arguments.bytes("payload")).expect("one of the two is there");
    let plain = arguments.boolean("plain").unwrap_or(false);
    // What does not fit is too long in any case, and the node says what is not.
    let lifetime_s = arguments.integer("lifetime_s").map(|s: u64| u32::try_from(s).unwrap_or(u32::MAX));
    let receipt = call.node.publish(Draft { to, body, plain, lifetime_s }).await?;
    Ok(Answer::of(&Sent {
        msgid: receipt.msg_id.to_string(),
        target: receipt.target.to_string(),
        expiry: receipt.expiry,
        peers: receipt.peers,
    }))
}

async fn get(call: Call<Handle>, mut arguments: Arguments) -> Result<Answer, RpcError> {
    let since = arguments.integer("since").unwrap_or(0);
    let limit = arguments.integer("limit").unwrap_or(PAGE_MESSAGES_DEFAULT);
    let wait = Duration::from_secs(arguments.integer("wait_s").unwrap_or(0));
    let targets = arguments.name("name").map(|name| name.targets());
    let filter = Filter { targets: targets.unwrap_or_default() };
    let node = &call.node;
    let mut page = node.messages(since, limit, &filter, Duration::ZERO).await?;
    if page.messages.is_empty() && !wait.is_zero() {
        let from = page.next;
        page = call.patience.wait(wait, |wait| node.messages(from, limit, &filter, wait)).await??;
    }
    Ok(Answer::of(&shown_page(page)))
}

fn shown_page(page: Page) -> Messages {
    let mut next = page.next;
    let mut bytes = 0;
    let mut messages = Vec::with_capacity(page.messages.len());
    let mut last = None;
    for message in page.messages {
        bytes += json_bytes_max(&message);
        match last {
            // The first one is shown however long it is: readers must get on.
            Some(last) if bytes > PAGE_BYTES_MAX => {
                next = last;
                break;
            }
            _ => last = Some(message.seq),
        }
        messages.push(shown(message));
    }
    Messages { messages, next, first: page.first }
}

/// No more than this many bytes of JSON: two hex digits for each byte, and up to six for each when it is a control character.
fn json_bytes_max(message: &Message) -> usize {
    let said = match &message.content {
        Content::Record(record) => record.body().len(),
        Content::Wallet { text, .. } => text.len(),
    };
    1024 + 8 * said
}

fn shown(message: Message) -> Shown {
    let content = match message.content {
        Content::Record(record) => ShownContent::Record(shown_record(&record, message.name)),
        Content::Wallet { peer, text } => {
            ShownContent::Wallet(ShownWallet { bridge: peer, payload: hex(&text), text: String::from_utf8(text).ok() })
        }
    };
    Shown { seq: message.seq, content, own: message.own, received: message.received.0 }
}

fn shown_record(record: &Record, name: Option<String>) -> ShownRecord {
    let stamp = record.stamp();
    let coding = stamp.map(|dated| dated.coding).filter(|coding| *coding != CODING_RAW);
    let readable = coding.is_none() && stamp.is_none_or(|dated| dated.reserved == 0);
    let text = readable.then(|| std::str::from_utf8(record.body()).ok().map(str::to_owned)).flatten();
    ShownRecord {
        msgid: record.msg_id().to_string(),
        target: record.target().to_string(),
        name,
        payload: hex(record.body()),
        text,
        coding,
        dated: stamp.is_some(),
        expiry: stamp.map(|dated| dated.expiry),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail loudly")]

    use nightjar_core::name::target_of_text;
    use nightjar_core::record::MsgId;
    use nightjar_core::time::Wall;
    use serde_json::{Value, json};

    use super::*;
    use crate::rpc::reference::undocumented;

    fn message(seq: u64, content: Content) -> Message {
        Message {
            seq,
            received: Wall(1_767_225_000_123),
            own: seq.is_multiple_of(2),
            name: Some("#Ch".to_owned()),
            content,
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
        let shown = shown_page(Page { messages, next, first: 1 });
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
            json!({"seq": 4, "bridge": "127.0.0.1:4004", "payload": "68656c6c6f", "text": "hello", "own": true, "received": 1_767_225_000_123_u64})
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
