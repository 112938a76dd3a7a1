//! `nightjar join`, `part`, `whois` and `requests`: channels behind a passphrase, who is who, who asks to be heard.

use std::time::Duration;

use clap::Subcommand;
use nightjar_core::name::{Name, TypedName};
use nightjar_node::identity::KEY_DIGITS_MIN;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::client::Client;
use crate::exit::Failure;
use crate::output::{self, Paint};
use crate::secret;

/// What takes longer is told to take its time.
const QUICK: Duration = Duration::from_secs(2);
/// Hex digits of a whole chat key.
pub(super) const KEY_DIGITS: usize = 64;

const JOIN_HELP: &str = "\
With --passphrase alone six words are made, which you give to the others on another way. What follows
--passphrase= is seen by other users of this machine while the command runs: `--passphrase=-` asks for it.
What was joined is read again after a restart without being asked for: the node keeps it in the clear in nightjar.db,
of a passphrase the key made of it, of a --password the password itself. So that file and its copies are secrets.

Examples:
  nightjar join '#den' --passphrase            make six words
  nightjar join '#den' --passphrase=-          ask for the words that another was given
  nightjar join '#pascalcoin'                  listen to an open channel, also over restarts";

#[derive(Debug, clap::Args)]
#[command(after_help = JOIN_HELP)]
pub(super) struct Join {
    /// Channel, nick or account
    #[arg(value_name = "NAME")]
    name: String,

    /// The channel's passphrase: none = make six words, - = ask for it
    #[arg(long, value_name = "PHRASE", num_args = 0..=1, require_equals = true)]
    #[expect(clippy::option_option, reason = "the flag alone is a wish too")]
    passphrase: Option<Option<String>>,

    /// Take a passphrase that is easily guessed
    #[arg(long, requires = "passphrase")]
    weak: bool,

    /// Ask for a PascalCoin password: what others sealed with it to this name is opened
    #[arg(long, conflicts_with = "passphrase")]
    password: bool,

    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
pub(super) struct Part {
    /// Channel, nick or account
    #[arg(value_name = "NAME")]
    name: String,

    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

const WHOIS_HELP: &str = "\
WHO is a nick (nightraven), an account (1234-44), the first digits (four or more) of a chat key, or nick and digits
as `listen` shows them (nightraven~8a88e3dd7409). Anybody may call himself anything: only `proven` and `proven by 3 peers` say more than
the author himself does. Whether they still own what they claim is asked of your daemon, or of PascalCoin peers.";

#[derive(Debug, clap::Args)]
#[command(after_help = WHOIS_HELP)]
pub(super) struct Whois {
    /// Nick, account or chat key
    #[arg(value_name = "WHO")]
    who: String,

    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
pub(super) struct Requests {
    #[command(subcommand)]
    command: Option<Decision>,

    /// Print the result as JSON
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Decision {
    /// Make somebody a contact
    Accept {
        /// His chat key, its first digits, or nick and digits as `listen` shows them
        #[arg(value_name = "KEY")]
        key: String,
    },
    /// Hear somebody no more
    Decline {
        /// His chat key, its first digits, or nick and digits as `listen` shows them
        #[arg(value_name = "KEY")]
        key: String,
    },
}

#[derive(Debug, Deserialize)]
struct Joined {
    name: String,
    sealed: bool,
    #[serde(default)]
    passphrase: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Removed {
    removed: bool,
}

#[derive(Debug, Deserialize)]
struct Decided {
    relation: String,
}

/// What the node says of somebody.
#[derive(Debug, Deserialize)]
struct Person {
    key: String,
    nick: Option<String>,
    account: Option<String>,
    state: String,
    #[serde(default)]
    source: Option<String>,
    #[serde(default)]
    block: Option<u64>,
    #[serde(default)]
    looked: Option<u64>,
    heard: u64,
    own: bool,
    relation: Option<String>,
    #[serde(default)]
    looks_like: Option<String>,
    #[serde(default)]
    heir: Option<String>,
}

pub(super) async fn join(client: Client, args: Join) -> Result<(), Failure> {
    let name: TypedName = args.name.parse().map_err(Failure::usage)?;
    let mut params = json!({ "name": name.typed() });
    let members = params.as_object_mut().expect("it was made as an object");
    if let Some(phrase) = args.passphrase {
        let phrase = match phrase.as_deref() {
            None => String::new(),
            Some("-") => given(secret::ask("passphrase of the channel")?)?,
            Some(_) => given(phrase.unwrap_or_default())?,
        };
        members.insert("passphrase".to_owned(), json!(phrase));
        members.insert("weak".to_owned(), json!(args.weak));
    }
    if args.password {
        members.insert("pwd".to_owned(), json!(secret::ask("PascalCoin password")?));
    }
    let result = client.call("join", params).await?;
    if args.json {
        return Ok(output::print(&output::json(&result))?);
    }
    let joined: Joined = super::understood("join", result)?;
    let name = output::visible(&joined.name);
    let line = match (joined.passphrase, joined.sealed) {
        (Some(words), _) => format!(
            "{name} joined under six words, which are shown this once:\n\n    {}\n\nGive them to the others on another way.\n",
            output::visible(&words)
        ),
        (None, true) => format!("{name} joined under its passphrase\n"),
        (None, false) => format!("{name} joined\n"),
    };
    Ok(output::print(&line)?)
}

/// A phrase that somebody gave: an empty one was to be that of others, and must not become one that is made here.
fn given(phrase: String) -> Result<String, Failure> {
    if phrase.is_empty() {
        return Err(Failure::usage("the passphrase is empty: --passphrase alone makes six words"));
    }
    Ok(phrase)
}

pub(super) async fn part(client: Client, args: Part) -> Result<(), Failure> {
    let name: TypedName = args.name.parse().map_err(Failure::usage)?;
    let result = client.call("part", json!({ "name": name.typed() })).await?;
    if args.json {
        return Ok(output::print(&output::json(&result))?);
    }
    let Removed { removed } = super::understood("part", result)?;
    let name = output::visible(name.typed());
    if !removed {
        return Err(Failure::failed(format!("{name} was neither joined nor listened to: nothing is changed")));
    }
    Ok(output::print(&format!("{name} left\n"))?)
}

pub(super) async fn whois(client: Client, args: Whois) -> Result<(), Failure> {
    let result = {
        let mut asked = std::pin::pin!(client.call("whois", json!({ "who": args.who })));
        tokio::select! {
            biased;
            result = &mut asked => result?,
            () = tokio::time::sleep(QUICK) => {
                output::note("nightjar: asking who owns the account; some take ten seconds to answer");
                asked.await?
            }
        }
    };
    if args.json {
        return Ok(output::print(&output::json(&result))?);
    }
    let people: Vec<Person> = super::understood("whois", result)?;
    if people.is_empty() {
        let who = output::visible(&args.who);
        return Ok(output::print(&format!("nobody of the name {who} was heard of here\n"))?);
    }
    Ok(output::print(&cards(&people))?)
}

pub(super) async fn requests(client: Client, args: Requests) -> Result<(), Failure> {
    let (method, key) = match &args.command {
        None => {
            let result = client.call("requests", json!({})).await?;
            if args.json {
                return Ok(output::print(&output::json(&result))?);
            }
            let people: Vec<Person> = super::understood("requests", result)?;
            if people.is_empty() {
                return Ok(output::print("nobody asks to be heard\n")?);
            }
            output::print(&cards(&people))?;
            output::note(
                "nightjar: `requests accept KEY` makes one a contact, `requests decline KEY` hears him no more",
            );
            return Ok(());
        }
        Some(Decision::Accept { key }) => ("accept", key),
        Some(Decision::Decline { key }) => ("decline", key),
    };
    let key = key_of(&client, key).await?;
    let result: Value = client.call(method, json!({ "key": key })).await?;
    if args.json {
        return Ok(output::print(&output::json(&result))?);
    }
    let Decided { relation } = super::understood(method, result)?;
    let line = match relation.as_str() {
        "contact" => "is a contact now",
        _ => "is not heard any more, until `requests accept`",
    };
    Ok(output::print(&format!("{key} {line}\n"))?)
}

/// The digits of a chat key that somebody means by them alone, or behind a nick as `listen` shows them, or an account.
pub(super) fn key_digits(typed: &str) -> Option<&str> {
    let digits = match typed.rsplit_once('~') {
        // A channel may have such a name.
        Some((name, digits)) if name.is_empty() || is_person(name) => digits,
        Some(_) => return None,
        None => typed,
    };
    let are_digits = (KEY_DIGITS_MIN..=KEY_DIGITS).contains(&digits.len());
    (are_digits && digits.bytes().all(|digit| digit.is_ascii_hexdigit())).then_some(digits)
}

fn is_person(typed: &str) -> bool {
    typed.parse::<TypedName>().is_ok_and(|name| !matches!(name.name(), Name::Channel(_)))
}

/// The one chat key that is meant by its first digits, or by nick and digits as `listen` shows them.
pub(super) async fn key_of(client: &Client, who: &str) -> Result<String, Failure> {
    let shown = output::visible(who);
    let Some(digits) = key_digits(who) else {
        return Err(Failure::usage(format!(
            "{shown} is no chat key: its first digits are wanted, four or more, as `requests` and `whois` show them; anybody may take a nick"
        )));
    };
    if digits.len() == KEY_DIGITS {
        return Ok(digits.to_owned());
    }
    let people: Vec<Person> =
        super::understood("whois", client.call("whois", json!({ "who": format!("~{digits}"), "look": false })).await?)?;
    let who = shown;
    match people.as_slice() {
        [one] => Ok(one.key.clone()),
        [] => {
            Err(Failure::usage(format!("nobody of the key {who} was heard of here: `requests` and `whois` show keys")))
        }
        several => Err(Failure::usage(format!("{} keys begin like {who}: give more of its digits", several.len()))),
    }
}

/// One block of facts for each, with a blank line between.
fn cards(people: &[Person]) -> String {
    people.iter().map(|person| output::facts(&card(person), Paint::stdout())).collect::<Vec<_>>().join("\n")
}

fn card(person: &Person) -> Vec<(&'static str, String)> {
    let mut facts = vec![("key", person.key.clone()), ("nick", person.nick.clone().unwrap_or_else(|| "-".to_owned()))];
    if let Some(account) = &person.account {
        facts.push(("account", account.clone()));
    }
    let asked = match (&person.source, person.block, person.looked) {
        (Some(source), Some(block), Some(looked)) => {
            format!(", says {source} at block {block} ({})", output::date(looked))
        }
        (Some(source), ..) => format!(", asked: {source}"),
        _ => String::new(),
    };
    let state = match &person.account {
        Some(_) => format!("{}{asked}", person.state),
        None => "shows no account".to_owned(),
    };
    facts.push(("state", state));
    if person.own {
        facts.push(("whose", "yours".to_owned()));
    }
    if let Some(relation) = &person.relation {
        facts.push(("relation", relation.clone()));
    }
    if let Some(heir) = &person.heir {
        facts.push(("goes on as", format!("~{}", output::short(heir))));
    }
    if let Some(other) = &person.looks_like {
        facts.push(("careful", format!("looks like {other}, which is somebody else")));
    }
    facts.push(("heard", output::date(person.heard)));
    facts.into_iter().map(|(name, fact)| (name, output::visible(&fact))).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

    use super::*;

    #[test]
    fn a_card_says_who_was_asked_and_warns_of_a_double() {
        let person: Person = serde_json::from_value(json!({
            "key": "aa", "nick": "n1ght\u{1b}raven", "account": "1234-44", "state": "proven", "source": "127.0.0.1:4003",
            "block": 7, "looked": 0, "heard": 0, "own": false, "relation": null, "looks_like": "nightraven"
        }))
        .unwrap();
        let text = output::facts(&card(&person), Paint::stdout());
        assert!(text.contains("proven, says 127.0.0.1:4003 at block 7 (1970-01-01T00:00:00Z)"), "{text}");
        assert!(text.contains("n1ght\\u{1b}raven") && text.contains("looks like nightraven"), "{text}");
    }
}
