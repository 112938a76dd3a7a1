//! `nightjar outbox`: own messages that wait for a peer.

use serde::Deserialize;
use serde_json::json;

use crate::client::Client;
use crate::exit::Failure;
use crate::output::{self, Align, Paint, Table};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Take this message back, by its id
    #[arg(long, value_name = "ID")]
    cancel: Option<String>,

    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Deserialize)]
struct Waiting {
    id: String,
    conversation: String,
    queued: u64,
    deadline: u64,
}

#[derive(Debug, Deserialize)]
struct Cancelled {
    cancelled: bool,
}

pub(super) async fn run(client: Client, args: Args) -> Result<(), Failure> {
    if let Some(id) = args.cancel {
        let result = client.call("cancelmessage", json!({ "id": id })).await?;
        if args.json {
            return Ok(output::print(&output::json(&result))?);
        }
        let Cancelled { cancelled } = super::understood("cancelmessage", result)?;
        let id = output::visible(&id);
        if !cancelled {
            return Err(Failure::failed(format!("no message {id} waits: it went out, or was given up")));
        }
        return Ok(output::print(&format!("{id} is taken back\n"))?);
    }
    let result = client.call("outbox", json!({})).await?;
    if args.json {
        return Ok(output::print(&output::json(&result))?);
    }
    let waiting: Vec<Waiting> = super::understood("outbox", result)?;
    if waiting.is_empty() {
        return Ok(output::print("no message waits\n")?);
    }
    let columns = [("ID", Align::Left), ("TO", Align::Left), ("WRITTEN", Align::Left), ("WAITS UNTIL", Align::Left)];
    let mut table = Table::new(&columns);
    for Waiting { id, conversation, queued, deadline } in waiting {
        let to = output::conversation(&conversation);
        table.row([
            output::visible(&id),
            output::visible(&to),
            output::date(queued),
            output::date(deadline.saturating_mul(1000)),
        ]);
    }
    Ok(output::print(&table.render(Paint::stdout()))?)
}
