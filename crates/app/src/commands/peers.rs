//! `nightjar peers`: the links to other nodes as a table.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::client::Client;
use crate::exit::Failure;
use crate::output::{self, Align, Paint, Table};

const HELP: &str = "\
Columns:
  CARRIES  whether the peer takes records: an unmodified PascalCoin daemon takes nothing
  IN       records that came on this link; NEW of them came here first
  OUT      records handed to the link; LOST of them did not fit because the peer is too slow";

#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(super) struct Args {
    /// Print the result of `getconnections` as JSON
    #[arg(long)]
    json: bool,
}

/// The part of a connection that the table shows.
#[derive(Debug, Deserialize)]
struct Connection {
    link: u64,
    addr: String,
    kind: String,
    outbound: bool,
    agent: String,
    carries: String,
    open_s: u64,
    received: u64,
    first: u64,
    sent: u64,
    congested: u64,
}

pub(super) async fn run(client: Client, args: Args) -> Result<(), Failure> {
    let result = client.call("getconnections", json!({})).await?;
    if args.json {
        return Ok(output::print(&output::json(&result))?);
    }
    Ok(output::print(&table(result, Paint::stdout())?)?)
}

fn table(result: Value, paint: Paint) -> Result<String, Failure> {
    let connections: Vec<Connection> = super::understood("getconnections", result)?;
    if connections.is_empty() {
        return Ok("no peer is connected: `nightjar rpc addnode addr=HOST:PORT` dials one\n".to_owned());
    }
    let mut table = Table::new(&[
        ("LINK", Align::Right),
        ("ADDRESS", Align::Left),
        ("KIND", Align::Left),
        ("OPENED", Align::Left),
        ("CARRIES", Align::Left),
        ("OPEN FOR", Align::Right),
        ("IN", Align::Right),
        ("NEW", Align::Right),
        ("OUT", Align::Right),
        ("LOST", Align::Right),
        ("AGENT", Align::Left),
    ]);
    for connection in connections {
        table.row([
            connection.link.to_string(),
            connection.addr,
            connection.kind,
            if connection.outbound { "by us" } else { "by peer" }.to_owned(),
            connection.carries,
            output::duration(connection.open_s),
            connection.received.to_string(),
            connection.first.to_string(),
            connection.sent.to_string(),
            connection.congested.to_string(),
            connection.agent,
        ]);
    }
    Ok(table.render(paint))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail loudly")]
    use super::*;

    #[test]
    fn a_connection_is_a_row_and_its_agent_harmless() {
        let connection = json!([{
            "link": 3, "addr": "192.0.2.7:4038", "kind": "tls", "outbound": true, "node_key": null,
            "listen_port": 4038, "agent": "nightjar\u{1b}[31m", "carries": "records", "clock_ahead_s": 0,
            "open_s": 75, "received": 10, "first": 4, "repeats": 6, "sent": 8, "congested": 0, "fault_points": 0
        }]);
        let text = table(connection, Paint::stdout()).unwrap();
        assert_eq!(text.lines().count(), 2);
        assert!(text.contains("192.0.2.7:4038") && text.contains("1 min 15 s"));
        assert!(text.contains(r"nightjar\u{1b}[31m") && !text.contains('\u{1b}'));
    }

    #[test]
    fn without_peers_it_says_what_to_do() {
        assert!(table(json!([]), Paint::stdout()).unwrap().contains("addnode"));
    }
}
