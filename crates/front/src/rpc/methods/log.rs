//! `exportmessages` and `importmessages`: the log as it is, out of one node and into another.

use std::time::Duration;

use nightjar_core::name::TypedName;
use nightjar_node::handle::{Handle, PAGE_MESSAGES_MAX};
use nightjar_node::message::{Filter, Logged};
use serde::Serialize;

use super::shown::{Entry, shown_page};
use crate::rpc::arguments::{Arguments, Kind, Need, Param};
use crate::rpc::error::{Code, RpcError};
use crate::rpc::message::Answer;
use crate::rpc::row::{self, Row};
use crate::rpc::table::{Call, Method, field, field_if};

/// Messages that one call gives when it does not say how many.
const EXPORTED_DEFAULT: usize = 500;

pub(crate) const EXPORT: Method<Handle> = Method {
    name: "exportmessages",
    summary: "Messages of the log, oldest first, each with all that `importmessages` needs to bring it back.",
    notes: "To read all, call it again with `since` = the last `next` until it gives no message. An answer may hold fewer messages than `limit` \
            although there are more. What came under seal stands here as it was opened: an export is as secret as the log.",
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
            doc: "At most so many; 500 when left out.",
        },
        Param {
            name: "name",
            kind: Kind::Name,
            need: Need::Optional,
            doc: "Only messages to this name, and those under seal with who goes by it. Texts of wallets have none.",
        },
    ],
    result: &[
        field("messages", "array", "The messages."),
        field("messages[].seq", "integer", "Its place in this log. In another it gets another."),
        field("messages[].received", "integer", "When it came, Unix milliseconds."),
        field("messages[].own", "boolean", "Whether it was sent at this node."),
        field_if("messages[].late", "boolean", "`true` when it came after its time, as in `getmessages`."),
        field_if("messages[].name", "text", "The name it was listened to by, as it was typed."),
        field_if("messages[].record", "hex", "All bytes of the record, or of the part that came last."),
        field_if("messages[].peer", "text", "Of a wallet's text, in place of `record`: the wallet's address."),
        field_if("messages[].text", "hex", "Of a wallet's text: its bytes."),
        field_if("messages[].conversation", "text", "Where it belongs. What follows is there only beside it."),
        field_if("messages[].id", "hex", "The id of the message. Not of what cannot be read."),
        field_if("messages[].author", "hex", "The chat key that wrote it."),
        field_if("messages[].own_key", "hex", "The chat key of the node that it was opened, or written, with."),
        field_if("messages[].form", "integer", "The first byte of an envelope: how it was wrapped."),
        field_if(
            "messages[].said",
            "hex",
            "What an envelope says once it is opened: its map, or the text inside PascalCoin's own seals (`form` 6 and 7).",
        ),
        field_if("messages[].unreadable", "text", "Why it could not be read."),
        field_if("messages[].state", "text", "What was known of the author when it came, as in `getmessages`."),
        field_if("messages[].request", "boolean", "`true` when it came from somebody whom the user does not know."),
        field_if("messages[].mention", "boolean", "`true` when it names the user."),
        field_if("messages[].delivery", "text", "How far an own message came, as in `getmessages`."),
        field_if("messages[].delivery_peers", "integer", "Of `sent` and `held`: how many peers."),
        field_if("messages[].delivery_error", "text", "Of `failed`: why."),
        field("next", "integer", "Where to read on."),
        field("first", "integer", "The oldest seq that is still kept; 0 when nothing ever came."),
    ],
    example: r#"{"since":56,"limit":10}"#,
    example_result: r##"{"messages":[{"seq":57,"received":1767225000123,"own":false,"name":"#pascalcoin","record":"010101010101010101010101010101016c6fd7f6f1d7a20d2b35cbc86e5f0cd80a676f6f64206e69676874","conversation":"#pascalcoin","id":"5f2b1d7c9a4e3f60817263544556677f","state":"anonymous"}],"next":57,"first":1}"##,
    run: |call, arguments| Box::pin(export(call, arguments)),
};

pub(crate) const IMPORT: Method<Handle> = Method {
    name: "importmessages",
    summary: "Takes messages that `exportmessages` gave into the log, all of them or none.",
    notes: "Each gets a new seq at the end and keeps the time when it came, so who follows the log sees it come. What is there already is left out: the \
            same record, the same `id` in its conversation, or the same text of a wallet at the same time. What was erased comes back, for it is your later word, and what is ignored, for to ignore somebody erases nothing that stands in a log. Nothing is sent, and nobody is known otherwise because of it; \
            an own message that waited to go out (`working`, `queued`) is `failed` here. The limits of the log hold: when it is full the messages that were in it longest go.\n\n\
            What a message says of its author is believed, not checked: import only what you, or somebody you trust, exported.",
    params: &[Param {
        name: "messages",
        kind: Kind::Objects(PAGE_MESSAGES_MAX),
        need: Need::Required,
        doc: "The messages, as `exportmessages` gives them; `seq` may be left out.",
    }],
    result: &[
        field("came", "integer", "How many were taken in."),
        field("there", "integer", "How many were there already."),
    ],
    example: r##"{"messages":[{"received":1767225000123,"own":false,"peer":"127.0.0.1:4004","text":"676f6f64206e69676874"}]}"##,
    example_result: r#"{"came":1,"there":0}"#,
    run: |call, arguments| Box::pin(import(call, arguments)),
};

#[derive(Serialize)]
struct Exported {
    messages: Vec<Row>,
    next: u64,
    first: u64,
}

#[derive(Serialize)]
struct Imported {
    came: usize,
    there: usize,
}

async fn export(call: Call<Handle>, mut arguments: Arguments) -> Result<Answer, RpcError> {
    let since = arguments.integer("since").unwrap_or(0);
    let limit = arguments.integer("limit").unwrap_or(EXPORTED_DEFAULT);
    let name = arguments.name("name");
    let filter = Filter {
        targets: name.as_ref().map(TypedName::targets).unwrap_or_default(),
        conversations: name.map(|name| call.node.post().conversations(name.name())).unwrap_or_default(),
    };
    let page = call.node.messages(since, limit, &filter, Duration::ZERO).await?;
    let (messages, cut) = shown_page(page.messages, |message| {
        let shown = Row::of(message.seq, Logged::from(message));
        Entry { seq: shown.seq, bytes: shown.json_bytes_max(), shown }
    });
    Ok(Answer::of(&Exported { messages, next: cut.unwrap_or(page.next), first: page.first }))
}

async fn import(call: Call<Handle>, mut arguments: Arguments) -> Result<Answer, RpcError> {
    let given = arguments.objects("messages").expect("it is required");
    let wrong = |number: usize, why: row::NotARow| {
        RpcError::new(Code::InvalidParams, format!("parameter \"messages\": message {number}: {why}"))
    };
    let messages: Vec<Logged> = (1..)
        .zip(given)
        .map(|(number, members)| row::read(members).map_err(|why| wrong(number, why)))
        .collect::<Result<_, _>>()?;
    let given = messages.len();
    let came = call.node.import(messages).await.map_err(|error| RpcError::new(Code::Internal, error.to_string()))?;
    Ok(Answer::of(&Imported { came, there: given - came }))
}
