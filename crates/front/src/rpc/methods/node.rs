//! The node itself.

use nightjar_core::router::Counters;
use nightjar_node::handle::Handle;
use nightjar_node::post::PostCounters;
use nightjar_node::store::Storing;
use serde::Serialize;

use crate::rpc::arguments::Arguments;
use crate::rpc::error::RpcError;
use crate::rpc::message::Answer;
use crate::rpc::table::{Call, Method, field, field_if};

pub(crate) const STATUS: Method<Handle> = Method {
    name: "nodestatus",
    summary: "The node at this moment, and what it counted since it started.",
    notes: "At most a second old.",
    params: &[],
    result: &[
        field("version", "text", "Version of the program."),
        field("network", "text", "`main` or `test`."),
        field("node_key", "hex", "The node's public key."),
        field("listen", "text", "Where it listens for peers, `ip:port`."),
        field("data_dir", "text", "Its data directory."),
        field("uptime_s", "integer", "Seconds since it started."),
        field("connections", "integer", "Links that are open."),
        field("addresses_known", "integer", "Addresses in the address book."),
        field("listens", "integer", "Names and targets that are listened to."),
        field("joined", "integer", "Names that are read with a secret."),
        field("seq", "integer", "The seq of the newest message; 0 when there was none yet."),
        field("budgets", "text", "`on`, or `off` when the budgets of the classes are not in force."),
        field("not_stored", "integer", "Messages that could not be stored, and are lost to the log."),
        field("waiting", "integer", "Messages that wait for the disk."),
        field(
            "store_problem",
            "text or null",
            "Why nothing can be stored now, and what to do; `null` when all is well.",
        ),
        field_if(
            "store_put_aside",
            "text",
            "Only when the store was found damaged at the start, and a new one was made: where the damaged one lies.",
        ),
        field("counters", "object", "Counted over all links since the node started."),
        field("counters.received", "integer", "Records that came, repeats included."),
        field("counters.accepted", "integer", "Records that were new."),
        field("counters.published", "integer", "Records sent at this node."),
        field("counters.repeats", "integer", "Records that came again."),
        field("counters.sent", "integer", "Records handed to links, once for each link."),
        field("counters.delivered", "integer", "Records for a target that is listened to here."),
        field("counters.expired", "integer", "Records past their expiry, or living too long."),
        field("counters.forged", "integer", "Plain records under the id of a dated one."),
        field("counters.collisions", "integer", "Dated records under the id of another dated one."),
        field("counters.unmet_work", "integer", "Records whose claim of work is not met."),
        field("counters.delayed", "integer", "Records that waited for the budget of their class."),
        field("counters.over_budget", "integer", "Records dropped because the budget did not come in time."),
        field("counters.checked", "integer", "Signatures that were checked."),
        field("counters.bad_signatures", "integer", "Records whose signature does not hold, copies included."),
        field(
            "counters.checks_over_budget",
            "integer",
            "Records dropped because their peer had too many signatures checked.",
        ),
        field("counters.checks_dropped", "integer", "Records dropped because too many waited for their check."),
        field("counters.checks_waiting", "integer", "Records that wait for their check."),
        field("counters.congested", "integer", "Records that did not fit into a link's outbox."),
        field("counters.seen_live", "integer", "Ids in the seen cache."),
        field("counters.seen_evicted", "integer", "Ids the seen cache had to forget before their time."),
        field("counters.fresh", "integer", "Records whose bodies are held for the flood."),
        field("counters.by_class", "object", "Records that were new, by class."),
        field("counters.by_class.worked", "integer", "Dated records with 20 bits of work."),
        field("counters.by_class.dated", "integer", "Other dated records."),
        field("counters.by_class.plain", "integer", "Plain records."),
        field("messages", "object", "Counted over all messages since the node started."),
        field(
            "messages.outsiders",
            "integer",
            "Records on targets of ours that were not under the seal that belongs there.",
        ),
        field("messages.refused", "integer", "Messages that were forged, damaged, or sealed for another key."),
        field("messages.declined", "integer", "Messages of people who are not to be heard."),
        field(
            "messages.ignored",
            "integer",
            "Messages that were dropped for their author's nick or account, or for their text.",
        ),
        field("messages.bad_proofs", "integer", "Proofs of account that were none."),
        field(
            "messages.stray_acks",
            "integer",
            "Acknowledgements of what was never sent to their author, or is acknowledged already.",
        ),
        field("messages.sets_waiting", "integer", "Messages of which parts are missing."),
        field("messages.loose_bytes", "integer", "Bytes that their parts take."),
        field("banned", "array", "Addresses that are left alone for a while: banned, or of yours and not reached."),
        field("banned[].addr", "text", "The address."),
        field("banned[].until", "integer", "Until when, Unix seconds."),
        field("banned[].reason", "text", "Why."),
    ],
    example: "{}",
    example_result: r#"{"version":"0.1.0","network":"main","node_key":"3b6a27bcceb6a42d62a3a8d02a6f0d73653215771de243a63ac048a18b59da29","listen":"[::]:4038","data_dir":"/home/ann/.local/share/nightjar","uptime_s":3600,"connections":8,"addresses_known":120,"listens":2,"joined":1,"seq":57,"budgets":"on","not_stored":0,"waiting":0,"store_problem":null,"counters":{"received":4000,"accepted":1000,"published":3,"repeats":3000,"sent":6000,"delivered":57,"expired":0,"forged":0,"collisions":0,"unmet_work":0,"delayed":0,"over_budget":0,"checked":400,"bad_signatures":0,"checks_over_budget":0,"checks_dropped":0,"checks_waiting":0,"congested":0,"seen_live":1003,"seen_evicted":0,"fresh":30,"by_class":{"worked":0,"dated":990,"plain":10}},"messages":{"outsiders":0,"refused":0,"declined":0,"ignored":0,"bad_proofs":0,"stray_acks":0,"sets_waiting":0,"loose_bytes":0},"banned":[{"addr":"192.0.2.7:4038","until":1767225600,"reason":"not the same network"}]}"#,
    run: |call, arguments| Box::pin(status(call, arguments)),
};

#[derive(Serialize)]
struct NodeStatus {
    version: &'static str,
    network: &'static str,
    node_key: String,
    listen: String,
    data_dir: String,
    uptime_s: u64,
    connections: usize,
    addresses_known: usize,
    listens: usize,
    joined: usize,
    seq: u64,
    budgets: &'static str,
    not_stored: u64,
    waiting: u64,
    store_problem: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    store_put_aside: Option<String>,
    counters: Counted,
    messages: Messages,
    banned: Vec<Banned>,
}

#[derive(Serialize)]
struct Messages {
    outsiders: u64,
    refused: u64,
    declined: u64,
    ignored: u64,
    bad_proofs: u64,
    stray_acks: u64,
    sets_waiting: usize,
    loose_bytes: usize,
}

#[derive(Serialize)]
struct Counted {
    received: u64,
    accepted: u64,
    published: u64,
    repeats: u64,
    sent: u64,
    delivered: u64,
    expired: u64,
    forged: u64,
    collisions: u64,
    unmet_work: u64,
    delayed: u64,
    over_budget: u64,
    checked: u64,
    bad_signatures: u64,
    checks_over_budget: u64,
    checks_dropped: u64,
    checks_waiting: u64,
    congested: u64,
    seen_live: u64,
    seen_evicted: u64,
    fresh: u64,
    by_class: ByClass,
}

#[derive(Serialize)]
struct ByClass {
    worked: u64,
    dated: u64,
    plain: u64,
}

#[derive(Serialize)]
struct Banned {
    addr: String,
    until: u32,
    reason: String,
}

async fn status(call: Call<Handle>, _arguments: Arguments) -> Result<Answer, RpcError> {
    let about = call.node.about();
    let status = call.node.status();
    let Storing { waiting, not_stored, problem } = call.node.storing();
    let banned = status.banned.iter().map(|known| Banned {
        addr: known.address.to_string(),
        until: known.banned_until,
        reason: known.reason.clone(),
    });
    Ok(Answer::of(&NodeStatus {
        version: about.version,
        network: about.network.name(),
        node_key: about.node_key.to_string(),
        listen: about.listen.to_string(),
        data_dir: about.data_dir.display().to_string(),
        uptime_s: status.uptime_s,
        connections: status.connections.len(),
        addresses_known: status.addresses_known,
        listens: status.listens,
        joined: call.node.post().joined().len(),
        seq: status.seq,
        budgets: if status.budgets { "on" } else { "off" },
        not_stored,
        waiting,
        store_problem: problem,
        store_put_aside: call.node.store_put_aside().map(|path| path.display().to_string()),
        counters: counted(&status.counters),
        messages: messages(&call.node.post().counters()),
        banned: banned.collect(),
    }))
}

fn messages(counters: &PostCounters) -> Messages {
    let PostCounters { outsiders, refused, declined, ignored, bad_proofs, stray_acks, sets_waiting, loose_bytes } =
        *counters;
    Messages { outsiders, refused, declined, ignored, bad_proofs, stray_acks, sets_waiting, loose_bytes }
}

fn counted(counters: &Counters) -> Counted {
    let [worked, dated, plain] = counters.by_class;
    Counted {
        received: counters.received,
        accepted: counters.accepted,
        published: counters.published,
        repeats: counters.repeats,
        sent: counters.sent,
        delivered: counters.delivered,
        expired: counters.expired,
        forged: counters.forged,
        collisions: counters.collisions,
        unmet_work: counters.unmet_work,
        delayed: counters.delayed,
        over_budget: counters.over_budget,
        checked: counters.checked,
        bad_signatures: counters.bad_signatures,
        checks_over_budget: counters.checks_over_budget,
        checks_dropped: counters.checks_dropped,
        checks_waiting: counters.checks_waiting,
        congested: counters.congested,
        seen_live: counters.seen_live,
        seen_evicted: counters.seen_evicted,
        fresh: counters.fresh,
        by_class: ByClass { worked, dated, plain },
    }
}
