//! `nightjar status`: how the node is doing, on one screen.

use serde::Deserialize;
use serde_json::{Value, json};

use super::catch_up;
use crate::client::Client;
use crate::exit::Failure;
use crate::output::{self, Align, Paint, Table};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Print the result of `nodestatus` as JSON
    #[arg(long)]
    json: bool,
}

/// The part of the status that is shown.
#[derive(Debug, Deserialize)]
struct Status {
    version: String,
    network: String,
    node_key: String,
    listen: String,
    data_dir: String,
    uptime_s: u64,
    connections: u64,
    addresses_known: u64,
    listens: u64,
    joined: u64,
    seq: u64,
    budgets: String,
    not_stored: u64,
    waiting: u64,
    store_problem: Option<String>,
    #[serde(default)]
    store_put_aside: Option<String>,
    counters: Counters,
    messages: Messages,
    banned: Vec<Banned>,
}

#[derive(Debug, Deserialize)]
struct Messages {
    outsiders: u64,
    refused: u64,
    declined: u64,
    ignored: u64,
    sets_waiting: u64,
}

#[derive(Debug, Deserialize)]
struct Counters {
    received: u64,
    accepted: u64,
    published: u64,
    repeats: u64,
    sent: u64,
    delivered: u64,
    expired: u64,
    forged: u64,
    over_budget: u64,
    checked: u64,
    bad_signatures: u64,
    checks_over_budget: u64,
    checks_dropped: u64,
    congested: u64,
    seen_live: u64,
    seen_evicted: u64,
}

#[derive(Debug, Deserialize)]
struct Banned {
    addr: String,
    until: u64,
    reason: String,
}

pub(super) async fn run(client: Client, args: Args) -> Result<(), Failure> {
    let result = client.call("nodestatus", json!({})).await?;
    if args.json {
        return Ok(output::print(&output::json(&result))?);
    }
    let window = catch_up::line(client.call("window", json!({})).await?)?;
    Ok(output::print(&page(result, window, Paint::stdout())?)?)
}

fn page(result: Value, window: String, paint: Paint) -> Result<String, Failure> {
    let status: Status = super::understood("nodestatus", result)?;
    let (counters, messages) = (&status.counters, &status.messages);
    let mut stored = format!("last seq {}", status.seq);
    if status.not_stored > 0 {
        let lost = output::count(status.not_stored, "message", "messages");
        stored.push_str(&format!("; {lost} could not be stored: see the log"));
    }
    if let Some(problem) = status.store_problem {
        let waiting = output::count(status.waiting, "message waits", "messages wait");
        stored.push_str(&format!("; nothing is stored now, {waiting}: {problem}"));
    }
    let budgets = match status.budgets.as_str() {
        "off" => "off: this node takes in whatever comes, for benchmarks only".to_owned(),
        other => other.to_owned(),
    };
    let forgotten = match counters.seen_evicted {
        0 => String::new(),
        evicted => format!("; {evicted} forgotten before their time: seen_mib is too small for this network"),
    };
    let mut text = output::facts(
        &[
            ("version", status.version),
            ("network", status.network),
            ("node key", status.node_key),
            ("listens on", status.listen),
            ("data dir", status.data_dir),
            ("running for", output::duration(status.uptime_s)),
            (
                "peers",
                format!(
                    "{} connected, {} known",
                    status.connections,
                    output::count(status.addresses_known, "address", "addresses")
                ),
            ),
            (
                "listening",
                format!(
                    "{}, {} joined with a secret",
                    output::count(status.listens, "name or target", "names and targets"),
                    status.joined
                ),
            ),
            ("log", stored),
            ("window", window),
            ("budgets", budgets),
            (
                "records",
                format!(
                    "{} received: {} new, {} repeats, {} expired, {} forged, {} over budget",
                    counters.received,
                    counters.accepted,
                    counters.repeats,
                    counters.expired,
                    counters.forged,
                    counters.over_budget
                ),
            ),
            (
                "",
                format!(
                    "{} published here, {} delivered here, {} handed to links, {} lost to slow peers",
                    counters.published, counters.delivered, counters.sent, counters.congested
                ),
            ),
            (
                "signatures",
                format!(
                    "{} checked, {} bad; {} records dropped unchecked",
                    counters.checked,
                    counters.bad_signatures,
                    counters.checks_over_budget.saturating_add(counters.checks_dropped)
                ),
            ),
            (
                "messages",
                format!(
                    "{} refused, {} by outsiders, {} declined, {} ignored; {} wait for parts",
                    messages.refused, messages.outsiders, messages.declined, messages.ignored, messages.sets_waiting
                ),
            ),
            ("seen ids", format!("{}{forgotten}", counters.seen_live)),
        ],
        paint,
    );
    if let Some(aside) = status.store_put_aside {
        let aside = output::visible(&aside);
        text.push_str(&format!(
            "\nThe store was found damaged when the node started, and lies now as {aside}. Messages, contacts and joined channels\nare gone from this node until a backup is restored into an empty data directory (`nightjar restore`);\n`sqlite3 {aside} .recover` may bring some back.\n"
        ));
    }
    if !status.banned.is_empty() {
        let mut table = Table::new(&[("LEFT ALONE", Align::Left), ("UNTIL", Align::Left), ("WHY", Align::Left)]);
        for banned in status.banned {
            let until = output::date(banned.until.saturating_mul(1000));
            table.row([banned.addr, until, banned.reason]);
        }
        text.push('\n');
        text.push_str(&table.render(paint));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail loudly")]
    use super::*;

    fn status() -> Value {
        let counters = json!({
            "received": 30, "accepted": 10, "published": 1, "repeats": 20, "sent": 11, "delivered": 3,
            "expired": 0, "forged": 0, "collisions": 0, "unmet_work": 0, "delayed": 0, "over_budget": 0,
            "checked": 5, "bad_signatures": 1, "checks_over_budget": 2, "checks_dropped": 3, "checks_waiting": 0,
            "congested": 0, "seen_live": 11, "seen_evicted": 0, "fresh": 11,
            "by_class": {"worked": 0, "dated": 10, "plain": 0}
        });
        json!({
            "version": "0.1.0", "network": "main", "node_key": "00ff", "listen": "[::]:4038", "data_dir": "/d",
            "uptime_s": 3700, "connections": 2, "addresses_known": 5, "listens": 1, "joined": 2, "seq": 12, "budgets": "on",
            "not_stored": 0, "waiting": 0, "store_problem": null, "banned": [], "counters": counters,
            "messages": {"outsiders": 1, "refused": 2, "declined": 3, "ignored": 7, "bad_proofs": 4, "sets_waiting": 5, "loose_bytes": 6}
        })
    }

    #[test]
    fn a_quiet_node_fits_on_one_screen() {
        let text = page(status(), "3 records".into(), Paint::stdout()).unwrap();
        assert!(text.lines().count() < 20, "{text}");
        assert!(text.contains("1 h 1 min") && text.contains("last seq 12") && !text.contains("LEFT ALONE"));
        assert!(!text.contains("damaged"), "{text}");
        assert!(text.contains("5 checked, 1 bad; 5 records dropped unchecked"), "{text}");
        assert!(
            text.contains("2 connected, 5 addresses known\n")
                && text.contains("1 name or target, 2 joined with a secret\n"),
            "{text}"
        );
    }

    #[test]
    fn what_is_wrong_is_said() {
        let mut status = status();
        *status.get_mut("not_stored").unwrap() = json!(7);
        *status.get_mut("waiting").unwrap() = json!(1);
        *status.get_mut("store_problem").unwrap() = json!("the disk is full: make room");
        *status.get_mut("budgets").unwrap() = json!("off");
        *status.get_mut("counters").unwrap().get_mut("seen_evicted").unwrap() = json!(3);
        *status.get_mut("banned").unwrap() = json!([{"addr": "192.0.2.1:4038", "until": 86_400, "reason": "too fast"}]);
        status.as_object_mut().unwrap().insert("store_put_aside".to_owned(), json!("/d/nightjar.db.damaged-7"));
        let text = page(status, "3 records".into(), Paint::stdout()).unwrap();
        assert!(text.contains("nothing is stored now, 1 message waits: the disk is full: make room\n"), "{text}");
        assert!(text.contains("lies now as /d/nightjar.db.damaged-7. Messages"), "{text}");
        assert!(text.contains("7 messages could not be stored") && text.contains("for benchmarks only"));
        assert!(text.contains("3 forgotten before their time: seen_mib is too small"), "{text}");
        assert!(text.contains("192.0.2.1:4038  1970-01-02T00:00:00Z  too fast"));
    }
}
