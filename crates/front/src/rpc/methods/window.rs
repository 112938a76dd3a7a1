//! `window` and `catchup`: the records of everybody that the node keeps, and how it compares them with those of others.

use nightjar_core::reconcile::Share;
use nightjar_node::handle::Handle;
use nightjar_node::window::{ExchangeStatus, HOURS_MAX, Window};
use serde::Serialize;

use crate::rpc::arguments::{Arguments, Kind, Need, Param};
use crate::rpc::error::{Code, RpcError};
use crate::rpc::message::Answer;
use crate::rpc::table::{Call, Method, field, field_if};

pub(crate) const WINDOW: Method<Handle> = Method {
    name: "window",
    summary: "The window: dated records of everybody that this node keeps, and how far it is in comparing them with those of its neighbours.",
    notes: "Records of the last five seconds are not counted yet.",
    params: &[],
    result: &[
        field("on", "boolean", "`false` when the node keeps no window (`window_mib = 0`); then there is nothing else."),
        field_if("loading", "boolean", "Whether what an earlier process kept is still being read."),
        field_if("records", "object", "Records that are kept."),
        field("records.worked", "integer", "Those with work."),
        field("records.dated", "integer", "Those without."),
        field_if("bytes", "object", "What they take, with 64 bytes for each."),
        field("bytes.worked", "integer", "Those with work."),
        field("bytes.dated", "integer", "Those without."),
        field_if("since", "integer", "From when on everything is kept, Unix seconds."),
        field_if("fetched", "integer", "Records that neighbours gave since the start."),
        field_if("late", "integer", "Those of them whose time was past."),
        field_if("refused", "integer", "Records that were offered and not taken: too many for their time, or forged."),
        field_if("served", "integer", "Records that neighbours took."),
        field_if("completed", "integer", "Exchanges in which all that was missing was found and fetched."),
        field_if(
            "missing",
            "integer",
            "Records that neighbours are known to have and this node lacks: being fetched, or left over by an exchange that ended early and is done anew.",
        ),
        field_if("neighbours", "integer", "Neighbours that can be asked."),
        field_if("not_kept", "integer", "Records that could not be kept."),
        field_if(
            "more",
            "boolean",
            "Whether a new node has fetched all that it fetches unasked, and there may be more: see `catchup`.",
        ),
        field_if("problem", "text", "What is wrong with the file. Not when nothing is."),
        field_if("exchanges", "array", "Exchanges that run."),
        field("exchanges[].link", "integer", "The link, as in `connections`."),
        field("exchanges[].records", "text", "What is compared: `worked` or `dated`."),
        field("exchanges[].ours", "boolean", "Whether this node began it."),
        field("exchanges[].hours", "integer", "Hours in which the windows differ."),
        field("exchanges[].hours_done", "integer", "Those in which all differences are found."),
        field(
            "exchanges[].promised",
            "integer",
            "Records that the neighbour has and this node lacks, as far as is known.",
        ),
        field("exchanges[].fetched", "integer", "Those of them that came."),
        field("exchanges[].served", "integer", "Records that the neighbour took."),
    ],
    example: "{}",
    example_result: r#"{"on":true,"loading":false,"records":{"worked":120,"dated":48000},"bytes":{"worked":24000,"dated":9600000},"since":1766620800,"fetched":1200,"late":900,"refused":0,"served":300,"completed":14,"missing":400,"neighbours":2,"not_kept":0,"more":false,"exchanges":[{"link":3,"records":"dated","ours":true,"hours":5,"hours_done":2,"promised":800,"fetched":400,"served":0}]}"#,
    run: |call, _| Box::pin(async move { Ok(Answer::of(&shown(call.node.window()))) }),
};

pub(crate) const CATCH_UP: Method<Handle> = Method {
    name: "catchup",
    summary: "Fetches from the neighbours what they have of so many hours back.",
    notes: "A node catches up by itself. This is for one that is new, which fetches 24 hours and 64 MiB unasked, and for more after it. It returns at once; `window` says how far it is.",
    params: &[Param {
        name: "hours",
        kind: Kind::Integer(1, HOURS_MAX as u64),
        need: Need::Required,
        doc: "So many hours back from now; no more than `window_hours` are kept.",
    }],
    result: &[
        field("hours", "integer", "So many hours back they are asked for: no more than are kept."),
        field("neighbours", "integer", "Neighbours that can be asked now; others are when they come."),
    ],
    example: r#"{"hours":168}"#,
    example_result: r#"{"hours":168,"neighbours":2}"#,
    run: |call, arguments| Box::pin(catch_up(call, arguments)),
};

#[derive(Serialize)]
#[serde(untagged)]
enum Shown {
    Off { on: bool },
    On(Box<Status>),
}

#[derive(Serialize)]
struct Status {
    on: bool,
    loading: bool,
    records: OfShares,
    bytes: OfShares,
    since: u32,
    fetched: u64,
    late: u64,
    refused: u64,
    served: u64,
    completed: u64,
    missing: u64,
    neighbours: u64,
    not_kept: u64,
    more: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
    exchanges: Vec<Exchange>,
}

#[derive(Serialize)]
struct OfShares {
    worked: u64,
    dated: u64,
}

#[derive(Serialize)]
struct Exchange {
    link: u64,
    records: &'static str,
    ours: bool,
    hours: u32,
    hours_done: u32,
    promised: u64,
    fetched: u64,
    served: u64,
}

#[derive(Serialize)]
struct Asked {
    hours: u32,
    neighbours: u64,
}

fn shown(window: Option<&Window>) -> Shown {
    let Some(window) = window else { return Shown::Off { on: false } };
    let status = window.status();
    let of_shares = |[worked, dated]: [u64; 2]| OfShares { worked, dated };
    Shown::On(Box::new(Status {
        on: true,
        loading: status.loading,
        records: of_shares(status.records),
        bytes: of_shares(status.bytes),
        since: status.since_s,
        fetched: status.fetched,
        late: status.late,
        refused: status.refused,
        served: status.served,
        completed: status.completed,
        missing: status.missing,
        neighbours: status.neighbours,
        not_kept: status.not_kept,
        more: status.more,
        problem: status.problem,
        exchanges: status.exchanges.iter().map(exchange).collect(),
    }))
}

fn exchange(status: &ExchangeStatus) -> Exchange {
    let records = match status.share {
        Share::Worked => "worked",
        Share::Dated => "dated",
    };
    let progress = status.progress;
    Exchange {
        link: status.link,
        records,
        ours: status.ours,
        hours: progress.hours,
        hours_done: progress.hours_done,
        promised: progress.promised,
        fetched: progress.fetched,
        served: progress.served,
    }
}

async fn catch_up(call: Call<Handle>, mut arguments: Arguments) -> Result<Answer, RpcError> {
    let hours = arguments.integer("hours").expect("it is required");
    let window = call.node.window().ok_or_else(|| {
        RpcError::new(Code::InvalidParams, "this node keeps no window: set window_mib, and start it again")
    })?;
    Ok(Answer::of(&Asked { hours: window.reach_back(hours), neighbours: window.status().neighbours }))
}
