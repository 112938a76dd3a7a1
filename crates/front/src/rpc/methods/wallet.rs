//! The bridge to the users of PascalCoin wallets.

use nightjar_node::handle::Handle;
use serde::Serialize;

use crate::rpc::arguments::{Arguments, Kind, Need, Param};
use crate::rpc::error::RpcError;
use crate::rpc::message::Answer;
use crate::rpc::table::{Call, Method, field};

pub(crate) const SEND: Method<Handle> = Method {
    name: "sendwallet",
    summary: "Sends a text to the user of a PascalCoin wallet that is linked to this node.",
    notes: "It travels over this one link and is not flooded. Wallets take few texts a minute, so it may wait a while. Texts that wallets \
            send stand in the log of messages with `bridge`.",
    params: &[
        Param { name: "addr", kind: Kind::Wallet, need: Need::Required, doc: "The wallet's address." },
        Param { name: "text", kind: Kind::Text, need: Need::Required, doc: "What to say." },
    ],
    result: &[field("queued", "boolean", "`true`: it goes out as soon as the wallet may be sent one.")],
    example: r#"{"addr":"192.0.2.9:4004","text":"good night"}"#,
    example_result: r#"{"queued":true}"#,
    run: |call, arguments| Box::pin(send(call, arguments)),
};

#[derive(Serialize)]
struct Queued {
    queued: bool,
}

async fn send(call: Call<Handle>, mut arguments: Arguments) -> Result<Answer, RpcError> {
    let wallet = arguments.wallet("addr").expect("it is required");
    let text = arguments.text("text").expect("it is required");
    call.node.send_wallet(wallet, text).await?;
    Ok(Answer::of(&Queued { queued: true }))
}
