//! `search`, `conversations` and `markread`: what the log holds, and how far it was read.

use nightjar_core::name::TypedName;
use nightjar_core::time::Wall;
use nightjar_envelope::key::{ChatKey, NotAChatKey};
use nightjar_node::handle::{Handle, PAGE_MESSAGES_MAX};
use nightjar_node::message::{Erase, Search};
use nightjar_node::store::{CONVERSATIONS_MAX, SEARCH_WORDS_MAX, UNREAD_COUNTED_MAX};
use serde::Serialize;

use super::shown::{SHOWN, Shown, shown_messages};
use crate::rpc::arguments::{Arguments, Kind, Need, Param, shorter};
use crate::rpc::error::{Code, RpcError};
use crate::rpc::message::Answer;
use crate::rpc::table::{Call, Field, Method, field, field_if, followed_by};

/// Messages that one search gives when it does not say how many.
const FOUND_DEFAULT: usize = 50;
/// Bytes of what is searched for.
const WORDS_BYTES_MAX: usize = 1024;

// The reference page says so.
const _: () = assert!(SEARCH_WORDS_MAX == 32 && CONVERSATIONS_MAX == 10_000 && UNREAD_COUNTED_MAX == 1_000);

pub(crate) const SEARCH: Method<Handle> = Method {
    name: "search",
    summary: "Messages in which words are, newest first.",
    notes: "All of the words must be in it, in whatever order, case and with whatever accents; up to 32 count. A phrase stands between double \
            quotes, and a word that ends with `*` is the beginning of one. What is unreadable, and data that is no text, is not found. A search \
            that takes longer than five seconds is ended: give more words, or a time.",
    params: &[
        Param { name: "words", kind: Kind::Text, need: Need::Required, doc: "What to look for, up to 1024 bytes." },
        Param {
            name: "name",
            kind: Kind::Name,
            need: Need::Optional,
            doc: "Only messages to this name, and those under seal with who goes by it.",
        },
        Param { name: "author", kind: Kind::Text, need: Need::Optional, doc: "Only by this chat key, 64 hex digits." },
        Param {
            name: "from",
            kind: Kind::Integer(0, u64::MAX),
            need: Need::Optional,
            doc: "Only what came then or later, Unix milliseconds.",
        },
        Param {
            name: "until",
            kind: Kind::Integer(0, u64::MAX),
            need: Need::Optional,
            doc: "Only what came before that, Unix milliseconds.",
        },
        Param {
            name: "before",
            kind: Kind::Integer(0, u64::MAX),
            need: Need::Optional,
            doc: "Only before this seq: the `next` of an earlier search.",
        },
        Param {
            name: "limit",
            kind: Kind::Integer(1, PAGE_MESSAGES_MAX as u64),
            need: Need::Optional,
            doc: "At most so many; 50 when left out.",
        },
    ],
    result: &followed_by::<{ SHOWN.len() + 1 }>(
        SHOWN,
        &[field_if("next", "integer", "There may be more: search on with `before` = this.")],
    ),
    example: r#"{"words":"\"good night\" rav*"}"#,
    example_result: r#"{"messages":[]}"#,
    run: |call, arguments| Box::pin(search(call, arguments)),
};

const CONVERSATION: &[Field] = &[
    field("[].conversation", "text", "Where it is held, as in `getmessages`."),
    field("[].last_seq", "integer", "The seq of its last message."),
    field("[].last", "integer", "When that came, Unix milliseconds."),
    field("[].request", "boolean", "Whether that came from a stranger who asks to be heard."),
    field("[].read", "integer", "Up to which seq it was read; 0 = never."),
    field("[].unread", "integer", "Messages of others behind that, counted up to 1000."),
    field("[].mentions", "integer", "Those of them that name one of your nicks, counted up to 1000."),
];

pub(crate) const CONVERSATIONS: Method<Handle> = Method {
    name: "conversations",
    summary: "All conversations of the log, those in which something was said last first, up to 10000.",
    notes: "Texts of wallets have none.",
    params: &[],
    result: CONVERSATION,
    example: "{}",
    example_result: r##"[{"conversation":"#pascalcoin","last_seq":57,"last":1767225600000,"request":false,"read":50,"unread":7,"mentions":1}]"##,
    run: |call, _| Box::pin(conversations(call)),
};

pub(crate) const MARK_READ: Method<Handle> = Method {
    name: "markread",
    summary: "Says that a conversation was read up to a message.",
    notes: "There is one place for all front ends, and it goes neither back nor beyond the last message.",
    params: &[
        Param {
            name: "conversation",
            kind: Kind::Text,
            need: Need::Required,
            doc: "Which one, as in `conversations`.",
        },
        Param {
            name: "seq",
            kind: Kind::Integer(0, i64::MAX as u64),
            need: Need::Required,
            doc: "The seq of the last message that was read.",
        },
    ],
    result: &[field("read", "boolean", "`true`.")],
    example: r##"{"conversation":"#pascalcoin","seq":57}"##,
    example_result: r#"{"read":true}"#,
    run: |call, arguments| Box::pin(mark_read(call, arguments)),
};

pub(crate) const ERASE: Method<Handle> = Method {
    name: "erase",
    summary: "Erases messages of this node's log for good: those of a conversation, of an author, or all.",
    notes: "One of `name`, `author` and `all` is given. Others keep what they have. Each message that is gone is told as an event `erased`; its text and \
            its words are overwritten in the file. It does not come back when others bring it again, in the same record or in another; `importmessages` brings it back. What waits in the outbox is taken back. Who somebody is, and who \
            is a contact, is not forgotten.",
    params: &[
        Param {
            name: "name",
            kind: Kind::Name,
            need: Need::Optional,
            doc: "Those to this channel, nick or account, and those under seal with who goes by it.",
        },
        Param { name: "author", kind: Kind::Text, need: Need::Optional, doc: "Those by this chat key, 64 hex digits." },
        Param { name: "all", kind: Kind::Boolean, need: Need::Optional, doc: "`true`: all." },
    ],
    result: &[field("erased", "integer", "How many there were.")],
    example: r##"{"name":"#pascalcoin"}"##,
    example_result: r#"{"erased":57}"#,
    run: |call, arguments| Box::pin(erase(call, arguments)),
};

#[derive(Serialize)]
struct Erased {
    erased: u64,
}

async fn erase(call: Call<Handle>, mut arguments: Arguments) -> Result<Answer, RpcError> {
    let (name, author, all) = (arguments.name("name"), arguments.text("author"), arguments.boolean("all"));
    let refused = |why: String| RpcError::new(Code::InvalidParams, why);
    let erasures: Vec<Erase> = match (name, author, all) {
        (Some(name), None, None | Some(false)) => {
            call.node.post().conversations(name.name()).into_iter().map(Erase::Conversation).collect()
        }
        (None, Some(author), None | Some(false)) => {
            let key = author.parse().map_err(|error: NotAChatKey| refused(format!("parameter \"author\": {error}")))?;
            vec![Erase::Author(key)]
        }
        (None, None, Some(true)) => vec![Erase::All],
        _ => return Err(refused("one of the parameters \"name\", \"author\" and \"all\" is wanted".to_owned())),
    };
    let mut erased = 0;
    for what in erasures {
        erased += call.node.erase(what).await.map_err(|error| RpcError::new(Code::Internal, error.to_string()))?;
    }
    Ok(Answer::of(&Erased { erased }))
}

#[derive(Serialize)]
struct Found {
    messages: Vec<Shown>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<u64>,
}

#[derive(Serialize)]
struct Held {
    conversation: String,
    last_seq: u64,
    last: u64,
    request: bool,
    read: u64,
    unread: u64,
    mentions: u64,
}

#[derive(Serialize)]
struct Read {
    read: bool,
}

async fn search(call: Call<Handle>, mut arguments: Arguments) -> Result<Answer, RpcError> {
    let refused = |name: &str, why: String| RpcError::new(Code::InvalidParams, format!("parameter {name:?}: {why}"));
    let words = arguments.text("words").expect("it is required");
    shorter(&words, WORDS_BYTES_MAX).map_err(|why| refused("words", why))?;
    let author = arguments.text("author").map(|key| key.parse::<ChatKey>()).transpose();
    let name: Option<TypedName> = arguments.name("name");
    let post = call.node.post();
    let wanted = Search {
        words,
        conversations: name.map(|name| post.conversations(name.name())).unwrap_or_default(),
        author: author.map_err(|error| refused("author", error.to_string()))?,
        since: arguments.integer("from").map(Wall),
        until: arguments.integer("until").map(Wall),
        before: arguments.integer("before"),
        limit: arguments.integer("limit").unwrap_or(FOUND_DEFAULT),
    };
    let found = call.node.search(wanted).await?;
    let (messages, cut) = shown_messages(found.messages, |authors| post.look_alike(authors));
    Ok(Answer::of(&Found { messages, next: cut.or(found.next) }))
}

async fn conversations(call: Call<Handle>) -> Result<Answer, RpcError> {
    let held = call.node.conversations().await?.into_iter().map(|it| Held {
        conversation: it.name,
        last_seq: it.last_seq,
        last: it.last.0,
        request: it.request,
        read: it.read,
        unread: it.unread,
        mentions: it.mentions,
    });
    Ok(Answer::of(&held.collect::<Vec<_>>()))
}

async fn mark_read(call: Call<Handle>, mut arguments: Arguments) -> Result<Answer, RpcError> {
    let conversation = arguments.text("conversation").expect("it is required");
    shorter(&conversation, 512)
        .map_err(|why| RpcError::new(Code::InvalidParams, format!("parameter \"conversation\": {why}")))?;
    let seq = arguments.integer("seq").expect("it is required");
    call.node.mark_read(conversation, seq).await.map_err(|error| RpcError::new(Code::Internal, error.to_string()))?;
    Ok(Answer::of(&Read { read: true }))
}
