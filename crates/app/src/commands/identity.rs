//! `nightjar identity`: the chat keys of the node, by which others know who is speaking.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use clap::Subcommand;
use nightjar_node::identity::Locked;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::client::Client;
use crate::exit::{Exit, Failure};
use crate::output::{self, Align, Paint, Table};
use crate::secret;

/// An exported identity is a few lines.
const FILE_BYTES_MAX: u64 = 64 * 1024;

/// A key file of thousands of keys; what is larger does not fit into a request.
const KEY_FILE_BYTES_MAX: u64 = 400 * 1024;

const HELP: &str = "\
WHICH is `default`, a nick, or the first digits (four or more) of a key.
A passphrase is asked for at the terminal, or read from a line of stdin; it is never an argument.

Examples:
  nightjar identity new nightraven
  nightjar identity list
  nightjar identity export default raven.identity     keep it where no other user can read it
  nightjar identity prove 1234-44                      show that you own an account
  nightjar identity passphrase                         seal the keys on the disk";

#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make a chat key; the first one speaks by default
    New {
        /// What it calls itself
        #[arg(value_name = "NICK")]
        nick: Option<String>,
        #[command(flatten)]
        json: Json,
    },
    /// List the chat keys of the node
    List {
        #[command(flatten)]
        json: Json,
    },
    /// Show one chat key and what it has proofs for
    Show {
        /// Which one
        #[arg(value_name = "WHICH", default_value = "default")]
        which: String,
        #[command(flatten)]
        json: Json,
    },
    /// Give a chat key another nick, or none
    Nick {
        /// Which one
        #[arg(value_name = "WHICH")]
        which: String,
        /// The nick; none when left out
        #[arg(value_name = "NICK")]
        nick: Option<String>,
        #[command(flatten)]
        json: Json,
    },
    /// Write a chat key to a file, from which `import` makes it elsewhere
    Export {
        /// Which one
        #[arg(value_name = "WHICH")]
        which: String,
        /// A file that is not there yet; - writes to stdout
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Do not ask for a passphrase: who reads the file has the key
        #[arg(long)]
        no_passphrase: bool,
    },
    /// Take in a chat key from a file
    Import {
        /// The file
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// It has a passphrase, which is asked for
        #[arg(long)]
        passphrase: bool,
        #[command(flatten)]
        json: Json,
    },
    /// Let a chat key speak when nobody says which
    Default {
        /// Which one
        #[arg(value_name = "WHICH")]
        which: String,
        #[command(flatten)]
        json: Json,
    },
    /// Show that a chat key speaks for a PascalCoin account: the account's key signs that, in your wallet
    Prove {
        /// The account
        #[arg(value_name = "ACCOUNT")]
        account: String,
        /// The chat key
        #[arg(long, value_name = "WHICH", default_value = "default")]
        identity: String,
        /// For how many days
        #[arg(long, value_name = "DAYS", default_value_t = 90, value_parser = clap::value_parser!(u32).range(1..=90))]
        days: u32,
        /// Claim the account's name on the chain as well
        #[arg(long)]
        with_name: bool,
        /// End what was proven
        #[arg(long)]
        revoke: bool,
        /// The wallet is locked: ask for its password, open it for this one call, and lock it again
        #[arg(long, conflicts_with = "key_file")]
        unlock: bool,
        /// Sign with a key of this wallet key file instead of a running wallet
        #[arg(long, value_name = "FILE")]
        key_file: Option<PathBuf>,
        /// The key file has a password, which is asked for
        #[arg(long, requires = "key_file")]
        password: bool,
        #[command(flatten)]
        json: Json,
    },
    /// End a chat key for good, because it may be in other hands
    Revoke {
        /// Which one
        #[arg(value_name = "WHICH")]
        which: String,
        /// Yes, for good
        #[arg(long)]
        yes: bool,
        #[command(flatten)]
        json: Json,
    },
    /// End a chat key for good in favour of another one of the node, and tell others so
    Handover {
        /// The one that ends
        #[arg(value_name = "WHICH")]
        which: String,
        /// The one that goes on: a nick, or the first digits of its key
        #[arg(value_name = "TO")]
        to: String,
        /// Yes, for good
        #[arg(long)]
        yes: bool,
        #[command(flatten)]
        json: Json,
    },
    /// Set, change or take away the passphrase of the chat keys
    Passphrase {
        /// Take it away
        #[arg(long)]
        remove: bool,
        /// There is one already, which is asked for first
        #[arg(long)]
        change: bool,
    },
    /// Open the chat keys with their passphrase until the node ends
    Unlock,
    /// Forget the secrets of the chat keys until `unlock`
    Lock,
}

#[derive(Debug, clap::Args)]
struct Json {
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

/// What the node says of one identity.
#[derive(Debug, Deserialize)]
struct Identity {
    key: String,
    nick: Option<String>,
    default: bool,
    made: u64,
    revoked: Option<u64>,
    heir: Option<String>,
    accounts: Vec<Account>,
}

#[derive(Debug, Deserialize)]
struct Account {
    account: String,
    until: u64,
}

#[derive(Debug, Deserialize)]
struct List {
    locked: bool,
    identities: Vec<Identity>,
}

#[derive(Debug, Deserialize)]
struct Proven {
    account: String,
    key: String,
    until: u64,
    revoked: bool,
}

#[derive(Debug, Deserialize)]
struct Exported {
    file: String,
}

pub(super) async fn run(client: Client, args: Args) -> Result<(), Failure> {
    match args.command {
        Command::New { nick, json } => one(&client, "identitynew", optional("nick", nick), &json, "made").await,
        Command::List { json } => list(&client, json.json).await,
        Command::Show { which, json } => show(&client, &which, json.json).await,
        Command::Nick { which, nick, json } => {
            let mut params = optional("nick", nick);
            params.insert("which".to_owned(), json!(which));
            one(&client, "identitynick", params, &json, "changed").await
        }
        Command::Export { which, file, no_passphrase } => export(&client, &which, &file, no_passphrase).await,
        Command::Import { file, passphrase, json } => {
            let text = read(&file)?;
            let mut params = optional("passphrase", passphrase.then(|| secret::ask("its passphrase")).transpose()?);
            params.insert("file".to_owned(), json!(text));
            one(&client, "identityimport", params, &json, "taken in").await
        }
        Command::Default { which, json } => {
            one(&client, "identitydefault", which_params(which), &json, "speaks by default now").await
        }
        Command::Prove { account, identity, days, with_name, revoke, unlock, key_file, password, json } => {
            let mut params = which_params(identity);
            params.insert("account".to_owned(), json!(account));
            params.insert("days".to_owned(), json!(days));
            params.insert("with_name".to_owned(), json!(with_name));
            params.insert("revoke".to_owned(), json!(revoke));
            if let Some(file) = key_file {
                params.insert("key_file".to_owned(), json!(hex_of(&file)?));
            }
            params.extend(optional("wallet_pwd", unlock.then(|| secret::ask("password of the wallet")).transpose()?));
            params.extend(optional("file_pwd", password.then(|| secret::ask("password of the key file")).transpose()?));
            prove(&client, params, json.json).await
        }
        Command::Revoke { yes: false, .. } => {
            Err(Failure::usage("a chat key that was revoked never speaks again: say --yes if that is meant"))
        }
        Command::Revoke { which, yes: true, json } => {
            one(&client, "identityrevoke", which_params(which), &json, "revoked").await?;
            let list: List = super::understood("identitylist", client.call("identitylist", json!({})).await?)?;
            if !list.identities.iter().any(|identity| identity.default) {
                output::note(
                    "nightjar: no chat key speaks by default now: messages go out unsigned until `identity default` chooses one, or `identity new` makes one",
                );
            }
            Ok(())
        }
        Command::Handover { yes: false, .. } => {
            Err(Failure::usage("a chat key that was handed over never speaks again: say --yes if that is meant"))
        }
        Command::Handover { which, to, yes: true, json } => hand_over(&client, which, &to, json.json).await,
        Command::Passphrase { remove, change } => passphrase(&client, remove, change).await,
        Command::Unlock => {
            let params = json!({ "passphrase": secret::ask("passphrase of the identities")? });
            client.call("identityunlock", params).await?;
            Ok(output::print("the identities are open until the node ends, or `identity lock`\n")?)
        }
        Command::Lock => {
            client.call("identitylock", json!({})).await?;
            Ok(output::print("the identities are locked: `identity unlock` opens them\n")?)
        }
    }
}

async fn passphrase(client: &Client, remove: bool, change: bool) -> Result<(), Failure> {
    let old = (remove || change).then(|| secret::ask("passphrase that is set now")).transpose()?;
    let new = (!remove).then(|| secret::ask_new("new passphrase")).transpose()?;
    let mut params = optional("old", old);
    params.extend(optional("new", new));
    client.call("identitypassphrase", Value::Object(params)).await?;
    let done = if remove {
        "the identities lie open on the disk now\n"
    } else {
        "the identities are sealed on the disk: after each start of the node `identity unlock` opens them\n"
    };
    Ok(output::print(done)?)
}

fn which_params(which: String) -> Map<String, Value> {
    optional("which", Some(which))
}

fn optional(name: &str, value: Option<String>) -> Map<String, Value> {
    value.map(|value| (name.to_owned(), json!(value))).into_iter().collect()
}

async fn one(
    client: &Client,
    method: &str,
    params: Map<String, Value>,
    json: &Json,
    done: &str,
) -> Result<(), Failure> {
    let result = client.call(method, Value::Object(params)).await?;
    if json.json {
        return Ok(output::print(&output::json(&result))?);
    }
    let identity: Identity = super::understood(method, result)?;
    let nick = identity.nick.as_deref().unwrap_or("without a nick");
    Ok(output::print(&format!("{} ({}) {done}\n", output::visible(&identity.key), output::visible(nick)))?)
}

async fn hand_over(client: &Client, which: String, to: &str, json: bool) -> Result<(), Failure> {
    let mut params = which_params(which);
    params.insert("to".to_owned(), json!(to));
    let result = client.call("identityhandover", Value::Object(params)).await?;
    let identity: Identity = super::understood("identityhandover", result.clone())?;
    let line = format!(
        "{} {}; others are told under its names and where it spoke today, now and daily for 90 days",
        output::short(&identity.key),
        state(&identity)
    );
    output::print(&if json { output::json(&result) } else { format!("{}\n", output::visible(&line)) })?;
    let heir = identity.heir.as_deref().map_or("", output::short);
    for Account { account, .. } in &identity.accounts {
        let note = format!(
            "nightjar: {account} does not go over: `identity prove {account} --identity {heir}` shows that it is yours still"
        );
        output::note(&output::visible(&note));
    }
    Ok(())
}

async fn prove(client: &Client, params: Map<String, Value>, json: bool) -> Result<(), Failure> {
    let result = client.call("prove", Value::Object(params)).await?;
    if json {
        return Ok(output::print(&output::json(&result))?);
    }
    let proven: Proven = super::understood("prove", result)?;
    let key = output::short(&proven.key);
    let line = if proven.revoked {
        format!("{key} does not speak for {} any more; others are told now", proven.account)
    } else {
        let until = output::date(proven.until.saturating_mul(1000));
        format!(
            "{key} speaks for {} until {until}; others are told where it speaks, within ten minutes",
            proven.account
        )
    };
    Ok(output::print(&format!("{}\n", output::visible(&line)))?)
}

async fn list(client: &Client, json: bool) -> Result<(), Failure> {
    let result = client.call("identitylist", json!({})).await?;
    if json {
        return Ok(output::print(&output::json(&result))?);
    }
    let list: List = super::understood("identitylist", result)?;
    if list.identities.is_empty() {
        return Ok(output::print("no identity yet: `nightjar identity new NICK` makes one\n")?);
    }
    let columns = [("KEY", Align::Left), ("NICK", Align::Left), ("STATE", Align::Left), ("ACCOUNTS", Align::Left)];
    let mut table = Table::new(&columns);
    for identity in &list.identities {
        let accounts: Vec<&str> = identity.accounts.iter().map(|account| account.account.as_str()).collect();
        let cells = [
            identity.key.get(..16).unwrap_or(&identity.key).to_owned(),
            identity.nick.clone().unwrap_or_else(|| "-".to_owned()),
            state(identity),
            if accounts.is_empty() { "-".to_owned() } else { accounts.join(" ") },
        ];
        table.row(cells.map(|cell| output::visible(&cell)));
    }
    output::print(&table.render(Paint::stdout()))?;
    if list.locked {
        output::note("nightjar: they are locked: `nightjar identity unlock` opens them");
    }
    Ok(())
}

fn state(identity: &Identity) -> String {
    match (identity.revoked, &identity.heir, identity.default) {
        (Some(_), ..) => "revoked".to_owned(),
        (None, Some(heir), _) => format!("goes on as ~{}", output::short(heir)),
        (None, None, true) => "default".to_owned(),
        (None, None, false) => String::new(),
    }
}

async fn show(client: &Client, which: &str, json: bool) -> Result<(), Failure> {
    let result = client.call("identitylist", json!({})).await?;
    let members = result.get("identities").and_then(Value::as_array).cloned().unwrap_or_default();
    let list: List = super::understood("identitylist", result)?;
    let is_meant = |identity: &Identity| match which {
        "default" => identity.default,
        which => {
            identity.nick.as_deref() == Some(&which.to_ascii_lowercase())
                || (which.len() >= 4 && identity.key.starts_with(&which.to_ascii_lowercase()))
        }
    };
    let found: Vec<_> = list.identities.iter().zip(members).filter(|(identity, _)| is_meant(identity)).collect();
    let (identity, member) = match found.as_slice() {
        [one] => one,
        [] => {
            return Err(Failure::failed(format!(
                "no identity is called {which:?}: `nightjar identity list` shows them"
            )));
        }
        several => {
            return Err(Failure::failed(format!(
                "{which:?} can mean {} identities: give more of the key",
                several.len()
            )));
        }
    };
    if json {
        return Ok(output::print(&output::json(member))?);
    }
    let mut facts = vec![
        ("key", identity.key.clone()),
        ("nick", identity.nick.clone().unwrap_or_else(|| "-".to_owned())),
        ("made", output::date(identity.made)),
    ];
    if !state(identity).is_empty() {
        facts.push(("state", state(identity)));
    }
    for account in &identity.accounts {
        let until = output::date(account.until.saturating_mul(1000));
        facts.push(("account", format!("{} until {until}", account.account)));
    }
    let facts: Vec<(&str, String)> = facts.into_iter().map(|(name, fact)| (name, output::visible(&fact))).collect();
    Ok(output::print(&output::facts(&facts, Paint::stdout()))?)
}

async fn export(client: &Client, which: &str, file: &Path, no_passphrase: bool) -> Result<(), Failure> {
    let is_stdout = file == Path::new("-");
    if !is_stdout && file.exists() {
        return Err(Failure::usage(format!("{file:?} is there already: it is not overwritten")));
    }
    // Nobody is to think of a passphrase for nothing.
    let list: List = super::understood("identitylist", client.call("identitylist", json!({})).await?)?;
    if list.locked {
        return Err(Failure::new(Exit::Refused, Locked));
    }
    let passphrase = (!no_passphrase).then(|| secret::ask_new("passphrase for the file")).transpose()?;
    let mut params = which_params(which.to_owned());
    params.extend(optional("passphrase", passphrase));
    let result = client.call("identityexport", Value::Object(params)).await?;
    let exported: Exported = super::understood("identityexport", result)?;
    if is_stdout {
        return Ok(output::print(&exported.file)?);
    }
    let mut new = super::new_file(file)?;
    let written = new.write_all(exported.file.as_bytes()).and_then(|()| new.sync_all());
    written.map_err(|error| Failure::failed(format!("{file:?} cannot be written: {error}")))?;
    Ok(output::print(&format!(
        "{file:?} written: who has it{} speaks as you\n",
        match no_passphrase {
            true => "",
            false => " and its passphrase",
        }
    ))?)
}

/// A wallet's key file, whole.
fn hex_of(file: &Path) -> Result<String, Failure> {
    use std::fmt::Write as _;
    use std::io::Read as _;
    let unreadable = |error: std::io::Error| Failure::failed(format!("{file:?} cannot be read: {error}"));
    let mut bytes = Vec::new();
    let opened = std::fs::File::open(file).map_err(unreadable)?;
    opened.take(KEY_FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > KEY_FILE_BYTES_MAX {
        return Err(Failure::usage(format!("{file:?} is no key file: it has more than {KEY_FILE_BYTES_MAX} bytes")));
    }
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        write!(text, "{byte:02x}").expect("a String takes what is written to it");
    }
    Ok(text)
}

fn read(file: &Path) -> Result<String, Failure> {
    use std::io::Read as _;
    let unreadable = |error: std::io::Error| Failure::failed(format!("{file:?} cannot be read: {error}"));
    let mut text = String::new();
    let opened = std::fs::File::open(file).map_err(unreadable)?;
    opened.take(FILE_BYTES_MAX + 1).read_to_string(&mut text).map_err(|error| match error.kind() {
        std::io::ErrorKind::InvalidData => Failure::usage(format!("{file:?} is no exported identity: it is no text")),
        _ => unreadable(error),
    })?;
    if text.len() as u64 > FILE_BYTES_MAX {
        return Err(Failure::usage(format!(
            "{file:?} is no exported identity: it has more than {FILE_BYTES_MAX} bytes"
        )));
    }
    Ok(text)
}
