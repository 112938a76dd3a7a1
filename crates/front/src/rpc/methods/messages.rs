//! Messages: those to be sent and those that came.

use std::collections::BTreeMap;
use std::time::Duration;

use nightjar_core::name::{Name, TypedName};
use nightjar_core::record::{
    BODY_BYTES_MAX, LIFETIME_S_DEFAULT, LIFETIME_S_MAX, LIFETIME_S_MIN, PAYLOAD_BYTES_MAX, Record,
};
use nightjar_envelope::form;
use nightjar_envelope::key::ChatKey;
use nightjar_envelope::map::{Content as Text, ContentType, Kind as MessageKind, Map};
use nightjar_node::handle::{Handle, PAGE_MESSAGES_MAX};
use nightjar_node::identity::NOBODY;
use nightjar_node::message::{
    Content, Delivery, Destination, Draft, Event, Filter, Message, Reading, Said, Speaker, What,
};
use nightjar_node::post::{Addressee, Letter, SealWish, Sealed, SendError, SpeakAs, TypeOfContent, Work};
use serde::Serialize;

use super::hex;
use crate::rpc::arguments::{Arguments, Kind, Need, Param};
use crate::rpc::error::{Code, RpcError, quoted, suggestion};
use crate::rpc::message::Answer;
use crate::rpc::row::words_of;
use crate::rpc::table::{Call, Field, Method, WAIT_S_MAX, field, field_if, followed_by};

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
    notes: "Done when it is written to the log and it, or its first parts, were handed to the links. With no peer it waits in the outbox, over \
            restarts too, and goes out when there is one; how far it came stands with the message in `getmessages`. Texts are UTF-8. What is longer than one record is cut into up to 312 parts, \
            which go out at a pace that neighbours take: `seconds` says how long that takes from now on.\n\n\
            A message is signed with the chat key of the conversation, else with the default one, else it is by nobody; then, \
            when it is short and nothing else is wanted, it is a record without envelope, which every program can read. To a nick or an account it \
            is sealed for the chat key of that person when one is known here, for the account's own key when only that is known, and \
            else not at all: `sealed` and `note` say so. A channel that was joined with a passphrase is written to under it; where one was left, nothing \
            goes out in the open without `\"payload_method\":\"none\"`.\n\n\
            A nick or an account that was written to under seal, or the nick of a request that was accepted, means that chat key from then on, over \
            restarts and whoever else goes by it: without `\"payload_method\":\"none\"` it is sealed for that key or refused.",
    params: &[
        Param {
            name: "name",
            kind: Kind::Name,
            need: Need::Optional,
            doc: "The account, nick or channel. One of `name`, `target` and `key` is given; a nick or an account beside `key` means that key from then on.",
        },
        Param {
            name: "target",
            kind: Kind::Target,
            need: Need::Optional,
            doc: "The target, when its name is not known.",
        },
        Param { name: "key", kind: Kind::Text, need: Need::Optional, doc: "A person's chat key, 64 hex digits." },
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
        Param {
            name: "deadline_s",
            kind: Kind::Integer(0, u64::MAX),
            need: Need::Optional,
            doc: "For how many seconds it waits for a peer, up to 604800; 86400 when left out. What nobody signed waits no longer than it may be passed on: under another date it would be another message.",
        },
        Param {
            name: "kind",
            kind: Kind::Text,
            need: Need::Optional,
            doc: "`text`, `action`, `reaction`, `edit`, `data`, `request`, `response` or `notice`; `text` or `data` when left out.",
        },
        Param {
            name: "identity",
            kind: Kind::Text,
            need: Need::Optional,
            doc: "Which chat key signs: `default`, a nick, the first digits of a key, or `none`. Remembered for the conversation.",
        },
        Param {
            name: "payload_method",
            kind: Kind::Text,
            need: Need::Optional,
            doc: "The seal: `none`, `channel`, `chatkey`, `dest` (PascalCoin's, for the account's key; text only, names no author) or `aes` (PascalCoin's, with `pwd`; the same). The best when left out.",
        },
        Param { name: "pwd", kind: Kind::Text, need: Need::Optional, doc: "The password for `aes`." },
        Param {
            name: "reply_to",
            kind: Kind::Bytes,
            need: Need::Optional,
            doc: "The `id` of the message that is answered, reacted to or edited, or its first 8 bytes.",
        },
        Param {
            name: "correlation",
            kind: Kind::Bytes,
            need: Need::Optional,
            doc: "8 bytes by which a request and its response belong together.",
        },
        Param {
            name: "content_type",
            kind: Kind::Text,
            need: Need::Optional,
            doc: "What data is: `text`, `json`, `cbor`, `octets`, or a media type such as `image/png`.",
        },
        Param {
            name: "work",
            kind: Kind::Boolean,
            need: Need::Optional,
            doc: "Search for 20 bits of work first, or do not. When left out it is done while this node has to drop records for want of budget.",
        },
    ],
    result: &[
        field_if("id", "hex", "The id of the message, by which others answer it. Not of a plain record."),
        field("msgid", "hex", "The id of the record, or of the first part."),
        field("target", "hex", "Where it is addressed to."),
        field("expiry", "integer or null", "Until when it may be passed on, Unix seconds; `null` for a plain record."),
        field(
            "peers",
            "integer",
            "To how many peers it went at once; with 0 it waits for one. A plain record goes to whoever connects while it lives.",
        ),
        field_if("waits_until", "integer", "With no peer: until when it waits for one, Unix seconds."),
        field_if("parts", "integer", "Records that it was cut into; 1 = none. Not of a plain record."),
        field_if("seconds", "integer", "For how long its parts go out. Not of a plain record."),
        field_if("sealed", "text", "`none`, `channel`, `chatkey`, `dest` or `aes`. Not of a plain record."),
        field_if("to", "hex", "The chat key it is sealed for."),
        field_if("to_state", "text", "What is known of that key, as in `whois`."),
        field_if("author", "hex", "The chat key that signed it."),
        field_if("nick", "text", "What that key calls itself."),
        field_if("work_bits", "integer", "Bits of work in each record, when there are any."),
        field_if("note", "text", "What the user should know, as that it could not be sealed or signed."),
    ],
    example: r##"{"name":"#pascalcoin","text":"good night"}"##,
    example_result: r#"{"id":"5f2b1d7c9a4e3f60817263544556677f","msgid":"9e107d9d372bb6826bd81d3542a419d6","target":"eae5a48fe7a4de6d6096fbd6d85ccbac","expiry":1767225600,"peers":8,"parts":1,"seconds":0,"sealed":"none","author":"8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c"}"#,
    run: |call, arguments| Box::pin(send(call, arguments)),
};

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
];

pub(crate) const GET: Method<Handle> = Method {
    name: "getmessages",
    summary: "Messages to what is listened to and those sent at this node (`own`), oldest first; with `changes` also what happened to them.",
    notes: "With `changes` each entry has an `event`: `stored`, a new message; `changed`, how an older one (`of`) is now, such as how far it came; `author`, what is \
            known of an author now; `erased`, the message `of` is gone. All have numbers of one row, so that who reads on from `next` misses none.\n\nTo lose nothing, call it again with `since` = the last `next`. When `first` is greater than `since` + 1, messages in between were \
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
            name: "changes",
            kind: Kind::Boolean,
            need: Need::Optional,
            doc: "Also what happened to messages after they were stored. `false` when left out.",
        },
        Param {
            name: "name",
            kind: Kind::Name,
            need: Need::Optional,
            doc: "Only messages to this name, and those under seal with who goes by it. Texts of wallets have none.",
        },
    ],
    result: &followed_by::<{ SHOWN.len() + 2 }>(
        SHOWN,
        &[
            field("next", "integer", "Where to read on."),
            field("first", "integer", "The oldest seq that is still kept; 0 when nothing ever came."),
        ],
    ),
    example: r#"{"since":56,"limit":10,"wait_s":30}"#,
    example_result: r##"{"messages":[{"seq":57,"msgid":"9e107d9d372bb6826bd81d3542a419d6","target":"eae5a48fe7a4de6d6096fbd6d85ccbac","name":"#pascalcoin","payload":"676f6f64206e69676874","text":"good night","dated":true,"expiry":1767225600,"own":false,"received":1767225000123}],"next":57,"first":1}"##,
    run: |call, arguments| Box::pin(get(call, arguments)),
};

#[derive(Serialize)]
struct SentPlain {
    msgid: String,
    target: String,
    expiry: Option<u32>,
    peers: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
}

#[derive(Serialize)]
struct SentMessage {
    id: String,
    msgid: String,
    target: String,
    expiry: u32,
    peers: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    waits_until: Option<u32>,
    parts: usize,
    seconds: u32,
    sealed: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    to_state: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    author: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    nick: Option<String>,
    #[serde(skip_serializing_if = "is_zero")]
    work_bits: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
}

fn is_zero(number: &u8) -> bool {
    *number == 0
}

#[derive(Serialize)]
struct Messages {
    messages: Vec<Shown>,
    next: u64,
    first: u64,
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

async fn send(call: Call<Handle>, mut arguments: Arguments) -> Result<Answer, RpcError> {
    let refused = |why: String| RpcError::new(Code::InvalidParams, why);
    let (name, target, key) = (arguments.name("name"), arguments.target("target"), arguments.text("key"));
    let to = match (name, target, key) {
        (Some(name), None, None) => Addressee::Name(name),
        (None, Some(target), None) => Addressee::Target(target),
        (None, None, Some(key)) => Addressee::Key(key_of(&key).map_err(refused)?),
        (Some(name), None, Some(key)) => match name.name() {
            Name::Channel(name) => return Err(refused(format!("{name} is a channel, and \"key\" is a person's"))),
            name => Addressee::Named(key_of(&key).map_err(refused)?, name.clone()),
        },
        _ => {
            return Err(refused(
                "one of the parameters \"name\", \"target\" and \"key\" is wanted, or \"key\" and the \"name\" of that person"
                    .to_owned(),
            ));
        }
    };
    let text = arguments.text("text");
    let payload = arguments.bytes("payload");
    // What does not fit is too long in any case, and the node says what is not.
    let lifetime_s = arguments.integer("lifetime_s").map(|s: u64| u32::try_from(s).unwrap_or(u32::MAX));
    if arguments.boolean("plain").unwrap_or(false) {
        return send_plain(&call, arguments, to, text.map(String::into_bytes).or(payload), lifetime_s).await;
    }
    let content = match (text, payload) {
        (Some(text), _) => Text::Text(text.into()),
        (None, payload) => Text::Bytes(payload.expect("one of the two is there").into()),
    };
    let usual = if matches!(content, Text::Text(_)) { MessageKind::Text } else { MessageKind::Data };
    let letter = Letter {
        kind: arguments.text("kind").map_or(Ok(usual), |word| kind_of_word(&word)).map_err(refused)?,
        content_type: arguments.text("content_type").map(|word| content_type_of(&word)),
        reply_to: arguments.bytes("reply_to").map(|bytes| eight("reply_to", &bytes)).transpose().map_err(refused)?,
        correlation: arguments
            .bytes("correlation")
            .map(|bytes| eight("correlation", &bytes))
            .transpose()
            .map_err(refused)?,
        speaker: match arguments.text("identity").as_deref() {
            None => SpeakAs::Usual,
            Some(NOBODY) => SpeakAs::Nobody,
            Some(which) => SpeakAs::Key(call.node.post().identities().find(which)?.key),
        },
        seal: seal(&mut arguments).map_err(refused)?,
        content: Some(content),
        lifetime_s,
        deadline_s: arguments.integer("deadline_s").map(|s: u64| u32::try_from(s).unwrap_or(u32::MAX)),
        ..Letter::text(to, "")
    };
    let work = match arguments.boolean("work") {
        None => Work::WhenCrowded,
        Some(true) => Work::Always,
        Some(false) => Work::Never,
    };
    let sent = call.node.send(letter, work).await?;
    let (to, to_state) = match sent.sealed {
        Sealed::ChatKey(key, standing) => (Some(key.to_string()), Some(standing.to_string())),
        _ => (None, None),
    };
    Ok(Answer::of(&SentMessage {
        id: sent.id.to_string(),
        msgid: sent.msg_id.to_string(),
        target: sent.target.to_string(),
        expiry: sent.expiry,
        peers: sent.peers,
        waits_until: sent.waits_until,
        parts: sent.parts,
        seconds: sent.seconds,
        sealed: match sent.sealed {
            Sealed::Open => "none",
            Sealed::Channel => "channel",
            Sealed::ChatKey(..) => "chatkey",
            Sealed::Dest(_) => "dest",
            Sealed::Aes => "aes",
        },
        to,
        to_state,
        author: sent.author.map(|key| key.to_string()),
        nick: sent.nick,
        work_bits: sent.work_bits,
        note: sent.note,
    }))
}

/// Exactly PIP-0038's record, with nothing that it cannot say.
async fn send_plain(
    call: &Call<Handle>,
    mut arguments: Arguments,
    to: Addressee,
    body: Option<Vec<u8>>,
    lifetime_s: Option<u32>,
) -> Result<Answer, RpcError> {
    let texts = ["kind", "identity", "payload_method", "pwd", "content_type"];
    let too_much = texts.into_iter().find(|name| arguments.text(name).is_some());
    let too_much = too_much
        .or_else(|| ["reply_to", "correlation"].into_iter().find(|name| arguments.bytes(name).is_some()))
        .or_else(|| arguments.boolean("work").map(|_| "work"));
    let to = match (to, too_much) {
        (_, Some(name)) => {
            let why = format!("a plain record has no room for parameter {name:?}: leave it, or \"plain\", out");
            return Err(RpcError::new(Code::InvalidParams, why));
        }
        (Addressee::Name(name), None) => Destination::Name(name),
        (Addressee::Target(target), None) => Destination::Target(target),
        (Addressee::Key(_) | Addressee::Named(..), None) => {
            let why = "a plain record goes to a name or a target, and not to a key: leave \"plain\" out";
            return Err(RpcError::new(Code::InvalidParams, why));
        }
    };
    let note = match &to {
        Destination::Name(name) => call.node.post().note_of_open(name.name()),
        Destination::Target(_) => None,
    };
    let body = body.expect("one of the two is there");
    let receipt = call.node.publish(Draft { to, body, plain: true, lifetime_s }).await?;
    Ok(Answer::of(&SentPlain {
        msgid: receipt.msg_id.to_string(),
        target: receipt.target.to_string(),
        expiry: receipt.expiry,
        peers: receipt.peers,
        note,
    }))
}

fn key_of(text: &str) -> Result<ChatKey, String> {
    text.parse().map_err(|error: nightjar_envelope::key::NotAChatKey| format!("parameter \"key\": {error}"))
}

/// The kinds that a user can send. The others are the node's own, or wait for a program that gives them a meaning.
const KINDS: [(&str, MessageKind); 8] = [
    ("text", MessageKind::Text),
    ("action", MessageKind::Action),
    ("reaction", MessageKind::Reaction),
    ("edit", MessageKind::Edit),
    ("data", MessageKind::Data),
    ("request", MessageKind::Request),
    ("response", MessageKind::Response),
    ("notice", MessageKind::Notice),
];

fn kind_of_word(word: &str) -> Result<MessageKind, String> {
    let found = KINDS.into_iter().find(|(known, _)| *known == word);
    found.map(|(_, kind)| kind).ok_or_else(|| {
        let like = suggestion(word, KINDS.map(|(known, _)| known));
        let words = KINDS.map(|(known, _)| known).join(", ");
        format!("parameter \"kind\": {} is none of {words}{like}", quoted(word))
    })
}

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

fn content_type_of(word: &str) -> TypeOfContent {
    CONTENT_TYPES
        .iter()
        .zip(0..)
        .find(|(known, _)| **known == word)
        .map_or_else(|| TypeOfContent::Media(word.to_owned()), |(_, number)| TypeOfContent::Number(number))
}

/// The numbered types, in their order.
const CONTENT_TYPES: [&str; 4] = ["text", "json", "cbor", "octets"];

fn word_of_content_type(kind: ContentType<'_>) -> String {
    match kind {
        ContentType::Number(number) => usize::try_from(number)
            .ok()
            .and_then(|number| CONTENT_TYPES.get(number))
            .map_or_else(|| number.to_string(), |word| (*word).to_owned()),
        ContentType::Media(media) => media.to_owned(),
    }
}

/// The first 8 bytes of an id, which may be given whole.
fn eight(name: &str, bytes: &[u8]) -> Result<[u8; 8], String> {
    let fits = bytes.len() == 8 || (name == "reply_to" && bytes.len() == 16);
    bytes.first_chunk().filter(|_| fits).copied().ok_or_else(|| {
        let wanted = if name == "reply_to" { "16 (an id) or its first 8" } else { "8" };
        format!("parameter {name:?}: {} bytes are given, {wanted} are wanted", bytes.len())
    })
}

fn seal(arguments: &mut Arguments) -> Result<SealWish, String> {
    let password = arguments.text("pwd").map(zeroize::Zeroizing::new);
    let method = arguments.text("payload_method");
    match (method.as_deref(), password) {
        (Some("aes"), Some(password)) => Ok(SealWish::Aes(password)),
        (Some("aes"), None) => Err("parameter \"pwd\" is missing: `aes` seals with a password".to_owned()),
        (_, Some(_)) => Err("parameter \"pwd\" is for \"payload_method\": \"aes\" alone".to_owned()),
        (None, None) => Ok(SealWish::Best),
        (Some("none"), None) => Ok(SealWish::None),
        (Some("channel"), None) => Ok(SealWish::Channel),
        (Some("chatkey"), None) => Ok(SealWish::ChatKey),
        (Some("dest"), None) => Ok(SealWish::Dest),
        (Some(other), None) => {
            let words = ["none", "channel", "chatkey", "dest", "aes"];
            let like = suggestion(other, words);
            Err(format!("parameter \"payload_method\": {} is none of {}{like}", quoted(other), words.join(", ")))
        }
    }
}

async fn get(call: Call<Handle>, mut arguments: Arguments) -> Result<Answer, RpcError> {
    let since = arguments.integer("since").unwrap_or(0);
    let limit = arguments.integer("limit").unwrap_or(PAGE_MESSAGES_DEFAULT);
    let wait = Duration::from_secs(arguments.integer("wait_s").unwrap_or(0));
    let name = arguments.name("name");
    let node = &call.node;
    let filter = Filter {
        targets: name.as_ref().map(TypedName::targets).unwrap_or_default(),
        conversations: name.map(|name| node.post().conversations(name.name())).unwrap_or_default(),
    };
    let page = if arguments.boolean("changes").unwrap_or(false) {
        let mut page = node.events(since, limit, &filter, Duration::ZERO).await?;
        if page.events.is_empty() && !wait.is_zero() {
            let from = page.next;
            page = call.patience.wait(wait, |wait| node.events(from, limit, &filter, wait)).await??;
        }
        page
    } else {
        let mut page = node.messages(since, limit, &filter, Duration::ZERO).await?;
        if page.messages.is_empty() && !wait.is_zero() {
            let from = page.next;
            page = call.patience.wait(wait, |wait| node.messages(from, limit, &filter, wait)).await??;
        }
        let (messages, cut) = shown_messages(page.messages, |authors| node.post().look_alike(authors));
        return Ok(Answer::of(&Messages { messages, next: cut.unwrap_or(page.next), first: page.first }));
    };
    let alike = node.post().look_alike(page.events.iter().filter_map(author_of));
    let (messages, cut) = shown_page(page.events, |event| shown_event(event, &alike));
    Ok(Answer::of(&Messages { messages, next: cut.unwrap_or(page.next), first: page.first }))
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

fn author_of(event: &Event) -> Option<ChatKey> {
    match &event.what {
        What::Stored(message) | What::Changed(message) => message.reading.as_ref()?.author,
        What::Author(speaker) => Some(speaker.key),
        What::Erased(_) => None,
    }
}

fn shown_event(Event { seq, what }: Event, alike: &Alike) -> Entry<Shown> {
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
    let Message { seq: _, received, own, name, content, reading, speaker, delivery } = message;
    let content = match content {
        Content::Record(record) => ShownContent::Record(Box::new(shown_record(&record, name, reading, speaker, alike))),
        Content::Wallet { peer, text } => {
            ShownContent::Wallet(ShownWallet { bridge: peer, payload: hex(&text), text: String::from_utf8(text).ok() })
        }
    };
    let delivery = delivery.map(shown_delivery).unwrap_or_default();
    ShownWhat::Message(Box::new(ShownMessage { content, own, delivery, received: received.0 }))
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
    let readable = coding.is_none() && stamp.is_none_or(|dated| dated.reserved == 0);
    let text = readable.then(|| std::str::from_utf8(record.body()).ok().map(str::to_owned)).flatten();
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

impl From<SendError> for RpcError {
    fn from(error: SendError) -> Self {
        let code = match &error {
            SendError::Publish(error) => return Self::from(error.clone()),
            SendError::NoPerson(_) | SendError::NoChannel(_) | SendError::NoAccount(_) => Code::InvalidParams,
            SendError::NoSuchIdentity(_) | SendError::NoIdentity | SendError::NoKey(_) | SendError::NoWay(_) => {
                Code::NotFound
            }
            SendError::NoAccountKey { .. } | SendError::NotJoined(_) | SendError::Ambiguous { .. } => Code::NotFound,
            SendError::Contacts(_) | SendError::Begin(_) | SendError::OutboxFull => Code::TooMany,
            SendError::Locked => Code::Locked,
            SendError::Deadline(_) => Code::InvalidParams,
            _ => Code::CannotBeSent,
        };
        Self::new(code, error.to_string())
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
