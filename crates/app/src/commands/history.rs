//! `nightjar search` and `conversations`: what the log holds.

use std::time::Duration;

use nightjar_core::name::TypedName;
use serde::Deserialize;
use serde_json::{Value, json};

use super::listen;
use crate::client::Client;
use crate::exit::Failure;
use crate::output::{self, Align, Paint, Table};

/// A million messages take some minutes, on a slow disk more.
const ERASE_WAIT: Duration = Duration::from_secs(3_600);

const SEARCH_HELP: &str = "\
All WORDS must be in a message, in whatever order and case. A phrase stands between double quotes, and a word that ends with * is
the beginning of one. What was said last stands last, also if others came late.

Examples:
  nightjar search good night                      both words
  nightjar search '\"good night\"' --in '#pascalcoin'
  nightjar search 'offer*' --by nightraven~8a88e3dd7409 --last 7d";

#[derive(Debug, clap::Args)]
#[command(after_help = SEARCH_HELP)]
pub(super) struct Search {
    /// What to look for
    #[arg(value_name = "WORDS", required = true)]
    words: Vec<String>,

    /// Only in this channel, or with this nick or account
    #[arg(long = "in", value_name = "NAME")]
    name: Option<String>,

    /// Only by this chat key: its first digits, or nick and digits
    #[arg(long, value_name = "KEY")]
    by: Option<String>,

    /// Only of this last time: 90s, 30m, 12h, 7d
    #[arg(long, value_name = "TIME", value_parser = milliseconds)]
    last: Option<u64>,

    /// So many messages at the most
    #[arg(long, value_name = "COUNT", default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..=1000))]
    limit: u16,

    /// Print JSON, a message a line
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
pub(super) struct Conversations {
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
pub(super) struct Erase {
    /// A channel, a nick or an account: what was said there, and under seal with who goes by it
    #[arg(value_name = "NAME", required_unless_present_any = ["by", "all"], conflicts_with_all = ["by", "all"])]
    name: Option<String>,

    /// What is by this chat key: its first digits, or nick and digits
    #[arg(long, value_name = "KEY", conflicts_with = "all")]
    by: Option<String>,

    /// Everything
    #[arg(long)]
    all: bool,

    /// Yes, for good
    #[arg(long)]
    yes: bool,

    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Deserialize)]
struct Erased {
    erased: u64,
}

pub(super) async fn erase(client: Client, args: Erase) -> Result<(), Failure> {
    if !args.yes {
        return Err(Failure::usage("what is erased does not come back: say --yes if that is meant"));
    }
    let params = match (args.name, args.by) {
        (Some(name), _) => {
            let name: TypedName = name.parse().map_err(Failure::usage)?;
            json!({ "name": name.typed() })
        }
        (None, Some(by)) => json!({ "author": super::people::key_of(&client, &by).await? }),
        (None, None) => json!({ "all": true }),
    };
    let result = client.call_waiting("erase", params, ERASE_WAIT).await?;
    if args.json {
        return Ok(output::print(&output::json(&result))?);
    }
    let Erased { erased } = super::understood("erase", result)?;
    Ok(output::print(&format!("{} erased\n", output::count(erased, "message", "messages")))?)
}

#[derive(Debug, Deserialize)]
struct Found {
    messages: Vec<Value>,
    next: Option<u64>,
}

#[derive(Debug, Deserialize)]
struct Held {
    conversation: String,
    last: u64,
    request: bool,
    unread: u64,
    mentions: u64,
}

/// A number and one of s, m, h and d.
pub(super) fn milliseconds(typed: &str) -> Result<u64, String> {
    let wanted = || "a time is a number and s, m, h or d, as in 30m or 7d".to_owned();
    let unit = typed.chars().last().ok_or_else(wanted)?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        _ => return Err(wanted()),
    };
    let number: u64 = typed.strip_suffix(unit).and_then(|number| number.parse().ok()).ok_or_else(wanted)?;
    Ok(number.saturating_mul(seconds * 1000))
}

/// So many milliseconds ago, in Unix milliseconds.
pub(super) fn ago(ms: u64) -> u64 {
    super::now_ms().saturating_sub(ms)
}

/// As they were said. What came late came behind what was said after it.
fn in_order(mut messages: Vec<Value>) -> Vec<Value> {
    let number = |message: &Value, name: &str| message.get(name).and_then(Value::as_u64);
    messages.sort_by_key(|message| (number(message, "shown"), number(message, "seq")));
    messages
}

pub(super) async fn search(client: Client, args: Search) -> Result<(), Failure> {
    let mut params = json!({ "words": args.words.join(" "), "limit": args.limit });
    let members = params.as_object_mut().expect("it was made as an object");
    if let Some(name) = args.name {
        let name: TypedName = name.parse().map_err(Failure::usage)?;
        members.insert("name".to_owned(), json!(name.typed()));
    }
    if let Some(by) = args.by {
        members.insert("author".to_owned(), json!(super::people::key_of(&client, &by).await?));
    }
    if let Some(last) = args.last {
        members.insert("from".to_owned(), json!(ago(last)));
    }
    let Found { messages, next } = super::understood("search", client.call("search", params).await?)?;
    let found = messages.len();
    output::print(&listen::lines(in_order(messages).into_iter(), args.json, Paint::stdout())?)?;
    if found == 0 {
        output::note("nightjar: nothing found");
    } else if next.is_some() {
        output::note(&format!("nightjar: these are the newest {found}; there may be more: --limit, or more words"));
    }
    Ok(())
}

pub(super) async fn conversations(client: Client, args: Conversations) -> Result<(), Failure> {
    let result = client.call("conversations", json!({})).await?;
    if args.json {
        return Ok(output::print(&output::json(&result))?);
    }
    let held: Vec<Held> = super::understood("conversations", result)?;
    if held.is_empty() {
        return Ok(output::print("no conversation yet\n")?);
    }
    let columns = [
        ("CONVERSATION", Align::Left),
        ("UNREAD", Align::Right),
        ("MENTIONS", Align::Right),
        ("LAST", Align::Left),
        ("", Align::Left),
    ];
    let mut table = Table::new(&columns);
    for Held { conversation, last, request, unread, mentions } in held {
        let count = |number: u64| if number >= 1000 { "999+".to_owned() } else { number.to_string() };
        table.row([
            output::visible(&output::conversation(&conversation)),
            count(unread),
            count(mentions),
            output::date(last),
            if request { "stranger".to_owned() } else { String::new() },
        ]);
    }
    Ok(output::print(&table.render(Paint::stdout()))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_found_stands_in_the_order_in_which_it_was_said() {
        let found = [(9, 50), (7, 20), (8, 20), (3, 30)].map(|(seq, shown)| json!({ "seq": seq, "shown": shown }));
        let seqs: Vec<u64> = in_order(found.to_vec()).iter().filter_map(|it| it.get("seq")?.as_u64()).collect();
        assert_eq!(seqs, [7, 8, 3, 9]);
    }

    #[test]
    fn a_time_is_a_number_and_a_unit() {
        assert_eq!(milliseconds("30m"), Ok(1_800_000));
        assert_eq!((milliseconds("7d"), milliseconds("0s")), (Ok(604_800_000), Ok(0)));
        for wrong in ["", "7", "d", "-1h", "1w", "1.5h", "7 d", "é"] {
            assert!(milliseconds(wrong).is_err(), "{wrong}");
        }
        assert_eq!(milliseconds("99999999999999999d"), Ok(u64::MAX));
    }
}
