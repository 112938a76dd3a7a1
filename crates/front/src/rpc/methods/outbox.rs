//! `outbox` and `cancelmessage`: own messages that wait for a peer.

use nightjar_envelope::id::MessageId;
use nightjar_node::handle::Handle;
use nightjar_node::store::{Again, Outgoing};
use serde::Serialize;

use crate::rpc::arguments::{Arguments, Kind, Need, Param};
use crate::rpc::error::{Code, RpcError};
use crate::rpc::message::Answer;
use crate::rpc::table::{Call, Method, field, field_if};

pub(crate) const OUTBOX: Method<Handle> = Method {
    name: "outbox",
    summary: "Own messages that did not all go out yet, longest waiting first.",
    notes: "They go out when there is a peer that takes records, until their deadline; then they have failed.",
    params: &[],
    result: &[
        field("[].id", "hex", "The id of the message."),
        field("[].conversation", "text", "Where it belongs, as in `getmessages`."),
        field("[].queued", "integer", "Since when it waits, Unix milliseconds."),
        field("[].deadline", "integer", "Until when, Unix seconds."),
        field_if("[].author", "hex", "The chat key that signs it. Not when nobody does."),
        field("[].worked", "boolean", "Whether its records get work."),
    ],
    example: "{}",
    example_result: r##"[{"id":"5f2b1d7c9a4e3f60817263544556677f","conversation":"#pascalcoin","queued":1767225600000,"deadline":1767312000,"author":"8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c","worked":false}]"##,
    run: |call, _| Box::pin(list(call)),
};

pub(crate) const CANCEL: Method<Handle> = Method {
    name: "cancelmessage",
    summary: "Takes back a message that waits for a peer.",
    notes: "What went out to anybody is not taken back.",
    params: &[Param { name: "id", kind: Kind::Bytes, need: Need::Required, doc: "The `id` of the message." }],
    result: &[field("cancelled", "boolean", "`false` when no message of that id waits.")],
    example: r#"{"id":"5f2b1d7c9a4e3f60817263544556677f"}"#,
    example_result: r#"{"cancelled":true}"#,
    run: |call, arguments| Box::pin(cancel(call, arguments)),
};

#[derive(Serialize)]
struct Waiting {
    id: String,
    conversation: String,
    queued: u64,
    deadline: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    author: Option<String>,
    worked: bool,
}

#[derive(Serialize)]
struct Cancelled {
    cancelled: bool,
}

async fn list(call: Call<Handle>) -> Result<Answer, RpcError> {
    let mut waiting = call.node.post().outbox();
    waiting.sort_by_key(|outgoing| outgoing.queued);
    let waiting =
        waiting.into_iter().map(|Outgoing { conversation, id, queued, deadline, worked, again, .. }| Waiting {
            id: id.to_string(),
            conversation,
            queued: queued.0,
            deadline,
            author: match again {
                Again::Anew { author, .. } => Some(author.to_string()),
                Again::AsItIs(_) => None,
            },
            worked,
        });
    Ok(Answer::of(&waiting.collect::<Vec<_>>()))
}

async fn cancel(call: Call<Handle>, mut arguments: Arguments) -> Result<Answer, RpcError> {
    let id = arguments.bytes("id").expect("it is required");
    let id: [u8; 16] = id.as_slice().try_into().map_err(|_| {
        RpcError::new(Code::InvalidParams, format!("parameter \"id\": it has 16 bytes, and here are {}", id.len()))
    })?;
    Ok(Answer::of(&Cancelled { cancelled: call.node.post().cancel(MessageId(id)) }))
}
