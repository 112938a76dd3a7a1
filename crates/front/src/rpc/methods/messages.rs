//! Messages: those to be sent and those that came.

use std::time::Duration;

use nightjar_core::name::{Name, TypedName};
use nightjar_core::record::{BODY_BYTES_MAX, LIFETIME_S_DEFAULT, LIFETIME_S_MAX, LIFETIME_S_MIN, PAYLOAD_BYTES_MAX};
use nightjar_envelope::key::ChatKey;
use nightjar_envelope::map::{Content as Text, Kind as MessageKind};
use nightjar_node::handle::{Handle, PAGE_MESSAGES_MAX};
use nightjar_node::identity::NOBODY;
use nightjar_node::message::{Destination, Draft, Filter};
use nightjar_node::post::{Addressee, Letter, SealWish, Sealed, SendError, SpeakAs, TypeOfContent, Work};
use serde::Serialize;

use super::shown::{CONTENT_TYPES, KINDS, Messages, SHOWN, author_of, shown_event, shown_messages, shown_page};
use crate::rpc::arguments::{Arguments, Kind, Need, Param};
use crate::rpc::error::{Code, RpcError};
use crate::rpc::message::Answer;
use crate::rpc::table::{Call, Method, WAIT_S_MAX, field, field_if, followed_by};
use crate::typed::{quoted, suggestion};

/// Messages that one call gives when it does not say how many.
const PAGE_MESSAGES_DEFAULT: usize = 100;

// The reference page says so.
const _: () = assert!(LIFETIME_S_MIN == 10 && LIFETIME_S_MAX == 3600 && LIFETIME_S_DEFAULT == 600);
const _: () = assert!(BODY_BYTES_MAX == 239 && PAYLOAD_BYTES_MAX == 255);

pub(crate) const SEND: Method<Handle> = Method {
    name: "sendmessage",
    summary: "Sends a text or data to whoever listens to a name or a target.",
    notes: "Done when it is written to the log and it, or its first parts, were handed to the links. A disk that takes nothing does not hold it up: \
            it goes out, `note` says why it is not in the log yet, and it is written down when the disk takes it. With no peer it waits in the outbox, over \
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
    example_result: r##"{"messages":[{"seq":57,"msgid":"9e107d9d372bb6826bd81d3542a419d6","target":"eae5a48fe7a4de6d6096fbd6d85ccbac","name":"#pascalcoin","payload":"676f6f64206e69676874","text":"good night","dated":true,"expiry":1767225600,"own":false,"received":1767225000123,"shown":1767225000123}],"next":57,"first":1}"##,
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

fn kind_of_word(word: &str) -> Result<MessageKind, String> {
    let found = KINDS.into_iter().find(|(known, _)| *known == word);
    found.map(|(_, kind)| kind).ok_or_else(|| {
        let like = suggestion(word, KINDS.map(|(known, _)| known));
        let words = KINDS.map(|(known, _)| known).join(", ");
        format!("parameter \"kind\": {} is none of {words}{like}", quoted(word))
    })
}

fn content_type_of(word: &str) -> TypeOfContent {
    CONTENT_TYPES
        .iter()
        .zip(0..)
        .find(|(known, _)| **known == word)
        .map_or_else(|| TypeOfContent::Media(word.to_owned()), |(_, number)| TypeOfContent::Number(number))
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
