//! What is listened to.

use nightjar_core::name::TypedName;
use nightjar_node::handle::{Handle, LEASE_S_MAX, ListenTo, ListenWish};
use serde::Serialize;

use crate::rpc::arguments::{Arguments, Kind, Need, Param};
use crate::rpc::error::{Code, RpcError};
use crate::rpc::message::Answer;
use crate::rpc::table::{Call, Method, field, field_if};

const NAME: Param =
    Param { name: "name", kind: Kind::Name, need: Need::Either("target"), doc: "The account, nick or channel." };
const TARGET: Param = Param {
    name: "target",
    kind: Kind::Target,
    need: Need::Either("name"),
    doc: "The target, when its name is not known.",
};

pub(crate) const LISTEN: Method<Handle> = Method {
    name: "listen",
    summary: "Listens to a name or a target: what is sent to it from now on is kept in the log of messages.",
    notes: "Without `lease_s` it is kept until `unlisten`, also over restarts. With it, it ends by itself unless it is renewed in time by \
            the same call with the `lease` that was given. Leases on one name do not end each other.",
    params: &[
        NAME,
        TARGET,
        Param {
            name: "lease_s",
            kind: Kind::Integer(1, LEASE_S_MAX as u64),
            need: Need::Optional,
            doc: "Listen for so many seconds.",
        },
        Param {
            name: "lease",
            kind: Kind::Integer(0, u64::MAX),
            need: Need::Optional,
            doc: "The lease to renew, together with `lease_s`.",
        },
    ],
    result: &[
        field(
            "targets",
            "array of hex",
            "The targets that are listened to: that of the name, and that of the name as it was typed.",
        ),
        field_if("lease", "integer", "The lease, when one was asked for."),
    ],
    example: r##"{"name":"#pascalcoin"}"##,
    example_result: r#"{"targets":["eae5a48fe7a4de6d6096fbd6d85ccbac"]}"#,
    run: |call, arguments| Box::pin(listen(call, arguments)),
};

pub(crate) const UNLISTEN: Method<Handle> = Method {
    name: "unlisten",
    summary: "Ends the kept listening to a name or a target, or one lease on it.",
    notes: "Others who listen to the same go on. Messages in the log stay.",
    params: &[
        NAME,
        TARGET,
        Param { name: "lease", kind: Kind::Integer(0, u64::MAX), need: Need::Optional, doc: "End only this lease." },
    ],
    result: &[field("removed", "boolean", "`false` when there was none.")],
    example: r##"{"name":"#pascalcoin"}"##,
    example_result: r#"{"removed":true}"#,
    run: |call, arguments| Box::pin(unlisten(call, arguments)),
};

pub(crate) const TARGETS: Method<Handle> = Method {
    name: "listtargets",
    summary: "What is listened to.",
    notes: "",
    params: &[],
    result: &[
        field("[].name", "text or null", "The name as it was typed; `null` for a bare target."),
        field("[].targets", "array of hex", "Its targets."),
        field("[].kept", "boolean", "Whether it is kept until `unlisten`."),
        field("[].leases", "integer", "Leases on it that have not run out."),
    ],
    example: "{}",
    example_result: r##"[{"name":"#pascalcoin","targets":["eae5a48fe7a4de6d6096fbd6d85ccbac"],"kept":true,"leases":0}]"##,
    run: |call, arguments| Box::pin(targets(call, arguments)),
};

#[derive(Serialize)]
struct Listening {
    targets: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lease: Option<u64>,
}

#[derive(Serialize)]
struct Removed {
    removed: bool,
}

#[derive(Serialize)]
struct Entry {
    name: Option<String>,
    targets: Vec<String>,
    kept: bool,
    leases: usize,
}

async fn listen(call: Call<Handle>, mut arguments: Arguments) -> Result<Answer, RpcError> {
    let to = what(&mut arguments);
    let lease_s = arguments.integer("lease_s");
    let lease = arguments.integer("lease");
    if lease.is_some() && lease_s.is_none() {
        let message = "parameter \"lease_s\" is missing: say for how many seconds the lease is renewed";
        return Err(RpcError::new(Code::InvalidParams, message));
    }
    let granted = call.node.listen(ListenWish { to, lease_s, lease }).await?;
    Ok(Answer::of(&Listening { targets: texts(&granted.targets), lease: granted.lease }))
}

async fn unlisten(call: Call<Handle>, mut arguments: Arguments) -> Result<Answer, RpcError> {
    let what = what(&mut arguments);
    let removed = call.node.unlisten(what, arguments.integer("lease")).await.ok_or_else(RpcError::stopping)?;
    Ok(Answer::of(&Removed { removed }))
}

/// Listens to a name until it is ended.
pub(super) async fn keep(call: &Call<Handle>, name: TypedName) -> Result<(), RpcError> {
    call.node.listen(ListenWish { to: ListenTo::Name(name), lease_s: None, lease: None }).await?;
    Ok(())
}

/// Ends what is kept of a name; `false` when there was nothing.
pub(super) async fn end(call: &Call<Handle>, name: TypedName) -> Result<bool, RpcError> {
    call.node.unlisten(ListenTo::Name(name), None).await.ok_or_else(RpcError::stopping)
}

async fn targets(call: Call<Handle>, _arguments: Arguments) -> Result<Answer, RpcError> {
    let listens = call.node.listens().await.ok_or_else(RpcError::stopping)?;
    let entries: Vec<_> = listens
        .into_iter()
        .map(|listen| Entry {
            name: listen.name,
            targets: texts(&listen.targets),
            kept: listen.kept,
            leases: listen.leases,
        })
        .collect();
    Ok(Answer::of(&entries))
}

fn what(arguments: &mut Arguments) -> ListenTo {
    let name = arguments.name("name").map(ListenTo::Name);
    name.or_else(|| arguments.target("target").map(ListenTo::Target)).expect("one of the two is there")
}

fn texts(targets: &[nightjar_core::record::Target]) -> Vec<String> {
    targets.iter().map(ToString::to_string).collect()
}
