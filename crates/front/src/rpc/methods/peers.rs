//! Links and the addresses they lead to.

use nightjar_core::link::Carries;
use nightjar_node::handle::{Connection, Handle};
use serde::Serialize;

use crate::rpc::arguments::{Arguments, Kind, Need, Param};
use crate::rpc::error::RpcError;
use crate::rpc::message::Answer;
use crate::rpc::table::{Call, Method, field};

pub(crate) const CONNECTIONS: Method<Handle> = Method {
    name: "getconnections",
    summary: "The links that are open.",
    notes: "At most a second old. What a peer says it is (`agent`) is the peer's word and nothing more.",
    params: &[],
    result: &[
        field("[].link", "integer", "Number of the link, never used again while the node runs."),
        field("[].addr", "text", "Where the other end is, `host:port`; `pascal://` before it for a PascalCoin link."),
        field("[].kind", "text", "`tls` or `pascal`."),
        field("[].outbound", "boolean", "Whether this node opened it."),
        field("[].node_key", "hex or null", "The peer's node key, when it has one."),
        field("[].listen_port", "integer", "The port the peer says it listens on; 0 = none."),
        field("[].agent", "text", "What the peer says it is."),
        field(
            "[].carries",
            "text",
            "`records`, `nothing` (an unmodified PascalCoin daemon or wallet) or `unknown` yet.",
        ),
        field("[].clock_ahead_s", "integer", "Its clock less ours, seconds."),
        field("[].open_s", "integer", "Seconds since it was opened."),
        field("[].received", "integer", "Records that came on it, repeats included."),
        field("[].first", "integer", "Records that were new here."),
        field("[].repeats", "integer", "Records that came again."),
        field("[].sent", "integer", "Records handed to it."),
        field(
            "[].bad_signatures",
            "integer",
            "Records it brought whose signature does not hold; no fault: it may be a relay.",
        ),
        field("[].checks_over_budget", "integer", "Records dropped because it had too many signatures checked."),
        field("[].congested", "integer", "Records that did not fit into its outbox."),
        field("[].fault_points", "integer", "Points of the peer's faults, falling by one a second."),
    ],
    example: "{}",
    example_result: r#"[{"link":3,"addr":"192.0.2.7:4038","kind":"tls","outbound":true,"node_key":"3b6a27bcceb6a42d62a3a8d02a6f0d73653215771de243a63ac048a18b59da29","listen_port":4038,"agent":"Nightjar/0.1.0","carries":"records","clock_ahead_s":0,"open_s":240,"received":900,"first":400,"repeats":500,"sent":450,"bad_signatures":0,"checks_over_budget":0,"congested":0,"fault_points":0}]"#,
    run: |call, arguments| Box::pin(connections(call, arguments)),
};

pub(crate) const ADD: Method<Handle> = Method {
    name: "addnode",
    summary: "Adds a peer that is dialled now and for as long as the node runs.",
    notes: "The configuration file's `connect` keeps peers over restarts.",
    params: &[Param { name: "addr", kind: Kind::Peer, need: Need::Required, doc: "The peer's address." }],
    result: &[
        field("addr", "text", "The address, as it is understood."),
        field("added", "boolean", "`false` when it was dialled for ever already."),
    ],
    example: r#"{"addr":"192.0.2.7:4038"}"#,
    example_result: r#"{"addr":"192.0.2.7:4038","added":true}"#,
    run: |call, arguments| Box::pin(add(call, arguments)),
};

#[derive(Serialize)]
struct Link {
    link: u64,
    addr: String,
    kind: String,
    outbound: bool,
    node_key: Option<String>,
    listen_port: u16,
    agent: String,
    carries: &'static str,
    clock_ahead_s: i64,
    open_s: u64,
    received: u64,
    first: u64,
    repeats: u64,
    sent: u64,
    bad_signatures: u64,
    checks_over_budget: u64,
    congested: u64,
    fault_points: u32,
}

async fn connections(call: Call<Handle>, _arguments: Arguments) -> Result<Answer, RpcError> {
    let status = call.node.status();
    let links: Vec<_> = status.connections.iter().map(link).collect();
    Ok(Answer::of(&links))
}

fn link(connection: &Connection) -> Link {
    let Connection { link, peer, open_s, counters } = connection;
    Link {
        link: *link,
        addr: peer.address.to_string(),
        kind: peer.kind.to_string(),
        outbound: peer.outbound,
        node_key: peer.node_key.map(|key| key.to_string()),
        listen_port: peer.listen_port,
        agent: peer.agent.clone(),
        carries: match peer.carries {
            Carries::Records => "records",
            Carries::Nothing => "nothing",
            Carries::Unknown => "unknown",
        },
        clock_ahead_s: peer.clock_ahead_s,
        open_s: *open_s,
        received: counters.received,
        first: counters.first,
        repeats: counters.repeats,
        sent: counters.sent,
        bad_signatures: counters.bad_signatures,
        checks_over_budget: counters.checks_over_budget,
        congested: counters.congested,
        fault_points: counters.fault_points,
    }
}

#[derive(Serialize)]
struct Added {
    addr: String,
    added: bool,
}

async fn add(call: Call<Handle>, mut arguments: Arguments) -> Result<Answer, RpcError> {
    let address = arguments.peer("addr").expect("it is required");
    let addr = address.to_string();
    let added = call.node.add_peer(address).await.ok_or_else(RpcError::stopping)?;
    Ok(Answer::of(&Added { addr, added }))
}
