//! `nightjar catch-up`: how far the node is in fetching what was said while it was off.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::client::Client;
use crate::exit::Failure;
use crate::output::{self, Align, Paint, Table};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Fetch what the neighbours have of so many hours back, however much it is
    #[arg(long, value_name = "HOURS", value_parser = clap::value_parser!(u32).range(1..=168))]
    hours: Option<u32>,

    /// Print the result of `window` as JSON
    #[arg(long)]
    json: bool,
}

/// The window as it is shown.
#[derive(Debug, Deserialize)]
pub(super) struct Window {
    on: bool,
    #[serde(default)]
    loading: bool,
    #[serde(default)]
    records: OfShares,
    #[serde(default)]
    bytes: OfShares,
    #[serde(default)]
    since: u64,
    #[serde(default)]
    fetched: u64,
    #[serde(default)]
    late: u64,
    #[serde(default)]
    refused: u64,
    #[serde(default)]
    served: u64,
    #[serde(default)]
    missing: u64,
    #[serde(default)]
    neighbours: u64,
    #[serde(default)]
    not_kept: u64,
    #[serde(default)]
    more: bool,
    problem: Option<String>,
    #[serde(default)]
    exchanges: Vec<Exchange>,
}

#[derive(Debug, Default, Deserialize)]
struct OfShares {
    worked: u64,
    dated: u64,
}

#[derive(Debug, Deserialize)]
struct Exchange {
    link: u64,
    records: String,
    ours: bool,
    hours: u64,
    hours_done: u64,
    promised: u64,
    fetched: u64,
    served: u64,
}

/// What came of asking for more.
#[derive(Debug, Deserialize)]
struct Asked {
    hours: u64,
}

pub(super) async fn run(client: Client, args: Args) -> Result<(), Failure> {
    let asked = match args.hours {
        Some(hours) => {
            let result = client.call("catchup", json!({ "hours": hours })).await?;
            Some(super::understood::<Asked>("catchup", result)?.hours)
        }
        None => None,
    };
    let result = client.call("window", json!({})).await?;
    if args.json {
        return Ok(output::print(&output::json(&result))?);
    }
    Ok(output::print(&page(result, asked, Paint::stdout())?)?)
}

/// One line for `nightjar status`.
pub(super) fn line(result: Value) -> Result<String, Failure> {
    let window: Window = super::understood("window", result)?;
    if !window.on {
        return Ok("none (window_mib = 0): what is said while this node is off does not reach it".to_owned());
    }
    let mut line = window.kept();
    if window.missing > 0 {
        line.push_str(&format!("; catching up, {} to come", output::count(window.missing, "record", "records")));
    }
    if window.more {
        line.push_str("; neighbours have more: nightjar catch-up --hours 168");
    }
    if let Some(problem) = &window.problem {
        line.push_str(&format!("; {}", output::visible(problem)));
    }
    Ok(line)
}

impl Window {
    fn kept(&self) -> String {
        if self.loading {
            return "being read".to_owned();
        }
        let records = output::count(self.records.worked.saturating_add(self.records.dated), "record", "records");
        if self.since.saturating_mul(1000) > super::now_ms() {
            return format!("{records}: too few for all that is said at a time, raise window_mib");
        }
        let mib = self.bytes.worked.saturating_add(self.bytes.dated) as f64 / f64::from(1 << 20);
        format!("{records} since {}, {mib:.1} MiB", output::date(self.since.saturating_mul(1000)))
    }
}

fn page(result: Value, asked: Option<u64>, paint: Paint) -> Result<String, Failure> {
    let window: Window = super::understood("window", result)?;
    if !window.on {
        return Err(Failure::failed("this node keeps no window: set window_mib, and start it again"));
    }
    let missing = if window.neighbours == 0 {
        "not known: no neighbour can be asked".to_owned()
    } else if let Some(hours) = asked {
        let neighbours = output::count(window.neighbours, "neighbour is", "neighbours are");
        format!("{neighbours} asked for {} back", output::count(hours, "hour", "hours"))
    } else if window.more {
        "neighbours have more than a new node fetches unasked: nightjar catch-up --hours 168".to_owned()
    } else if window.missing > 0 {
        format!("{} that neighbours have", output::count(window.missing, "record", "records"))
    } else {
        "nothing that is known of".to_owned()
    };
    let refused = match window.refused {
        0 => String::new(),
        refused => format!("; {refused} refused: too many for their time, or forged"),
    };
    let mut facts = vec![
        ("window", window.kept()),
        ("", format!("{} with work, {} without", window.records.worked, window.records.dated)),
        ("missing", missing),
        ("fetched", format!("{} since the start, {} of them after their time{refused}", window.fetched, window.late)),
        ("given", format!("{} to neighbours", window.served)),
    ];
    if window.not_kept > 0 {
        facts.push(("not kept", output::count(window.not_kept, "record", "records")));
    }
    if let Some(problem) = &window.problem {
        facts.push(("problem", output::visible(problem)));
    }
    let mut text = output::facts(&facts, paint);
    if !window.exchanges.is_empty() {
        let mut table = Table::new(&[
            ("LINK", Align::Right),
            ("RECORDS", Align::Left),
            ("BEGUN BY", Align::Left),
            ("HOURS", Align::Right),
            ("FETCHED", Align::Right),
            ("GIVEN", Align::Right),
        ]);
        for Exchange { link, records, ours, hours, hours_done, promised, fetched, served } in window.exchanges {
            table.row([
                link.to_string(),
                if records == "worked" { "with work".to_owned() } else { "without".to_owned() },
                if ours { "us".to_owned() } else { "the peer".to_owned() },
                format!("{hours_done}/{hours}"),
                format!("{fetched}/{promised}"),
                served.to_string(),
            ]);
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

    fn window() -> Value {
        json!({
            "on": true, "loading": false, "records": {"worked": 1, "dated": 20}, "bytes": {"worked": 300, "dated": 2_097_152},
            "since": 86_400, "fetched": 7, "missing": 0, "neighbours": 2, "late": 5, "refused": 0, "served": 3, "completed": 2, "not_kept": 0, "more": false,
            "exchanges": []
        })
    }

    #[test]
    fn a_quiet_window_is_five_lines() {
        let text = page(window(), None, Paint::stdout()).unwrap();
        assert_eq!(text.lines().count(), 5, "{text}");
        assert!(
            text.contains("21 records since 1970-01-02T00:00:00Z, 2.0 MiB")
                && text.contains("nothing that is known of")
        );
        assert_eq!(line(window()).unwrap(), "21 records since 1970-01-02T00:00:00Z, 2.0 MiB");
    }

    #[test]
    fn progress_and_trouble_are_said() {
        let mut value = window();
        let exchange = json!({"link": 3, "records": "dated", "ours": true, "hours": 5, "hours_done": 2, "promised": 800, "fetched": 400, "served": 1});
        *value.get_mut("exchanges").unwrap() = json!([exchange]);
        *value.get_mut("refused").unwrap() = json!(4);
        *value.get_mut("missing").unwrap() = json!(400);
        let object = value.as_object_mut().unwrap();
        object.insert("problem".into(), json!("window \"/d/window.db\": disk is full: make room on the disk"));
        let text = page(value.clone(), None, Paint::stdout()).unwrap();
        assert!(text.contains("400/800") && text.contains("2/5") && text.contains("make room"), "{text}");
        assert!(text.contains("4 refused") && text.contains("400 records that neighbours have"), "{text}");
        assert!(line(value.clone()).unwrap().contains("catching up, 400 records to come"));
        *value.get_mut("more").unwrap() = json!(true);
        assert!(page(value.clone(), None, Paint::stdout()).unwrap().contains("catch-up --hours 168"));
        assert!(
            page(value.clone(), Some(48), Paint::stdout())
                .unwrap()
                .contains("2 neighbours are asked for 48 hours back")
        );
        *value.get_mut("neighbours").unwrap() = json!(0);
        assert!(page(value.clone(), Some(48), Paint::stdout()).unwrap().contains("no neighbour can be asked"));
        *value.get_mut("since").unwrap() = json!(9_999_999_999_u64);
        assert!(line(value).unwrap().contains("raise window_mib"));
    }

    #[test]
    fn a_node_without_a_window_says_so() {
        let off = json!({"on": false});
        assert!(line(off.clone()).unwrap().contains("window_mib"));
        assert!(page(off, None, Paint::stdout()).is_err());
    }
}
