//! The command line: what there is, its help, and who does it. A command is a file of its own and one line here.

mod backup;
mod catch_up;
mod config;
mod demo;
mod export;
mod history;
mod identity;
mod ignore;
mod import;
mod listen;
mod outbox;
mod peers;
mod people;
mod rpc;
mod run;
mod send;
mod settings;
mod status;

use std::ffi::OsString;
use std::fs::File;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::{Parser, Subcommand};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::client::Client;
use crate::exit::{self, Exit, Failure};

const ABOUT: &str = "A node for PIP-0038: chat and data beside the PascalCoin chain";

const EXAMPLES: &str = "\
Examples:
  nightjar run                              start a node and leave it running
  nightjar send '#pascalcoin' 'good night'  say something to a channel
  nightjar listen '#pascalcoin' 1234-44     hear what is sent to a channel and to an account
  nightjar identity new nightraven          sign what you say from now on
  nightjar send @nightraven 'are you in?'   say something to a person, sealed when a key is known
  nightjar demo                             see seven nodes at work, on this machine alone";

/// How long threads of the runtime may take to end: the node has had its own time before.
const RUNTIME_END_MS_MAX: u64 = 500;

#[derive(Debug, Parser)]
#[command(name = "nightjar", version, about = ABOUT, after_help = format!("{EXAMPLES}\n\n{}", exit::table()))]
#[command(max_term_width = 100, arg_required_else_help = true)]
struct Cli {
    /// The node's data directory [env: NIGHTJAR_DATA_DIR] [default: $XDG_DATA_HOME/nightjar]
    #[arg(long, global = true, value_name = "DIR")]
    data_dir: Option<PathBuf>,

    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a node until Ctrl-C or SIGTERM
    Run(run::Args),
    /// Send a line of text, or data, to a channel, nick or account
    Send(send::Args),
    /// Show what is sent to channels, nicks and accounts, as it comes
    Listen(listen::Args),
    /// Look for words in what was said
    Search(history::Search),
    /// List the conversations, and what is unread in them
    Conversations(history::Conversations),
    /// Erase messages of the log for good
    Erase(history::Erase),
    /// Write the log of messages into a file
    Export(export::Args),
    /// Take messages that were exported into the log
    Import(import::Args),
    /// List own messages that wait for a peer, or take one back
    Outbox(outbox::Args),
    /// Show how far the node is in fetching what was said while it was off, or fetch more
    CatchUp(catch_up::Args),
    /// Make and keep the chat keys that say who is speaking
    Identity(identity::Args),
    /// Join a channel, with a passphrase if it has one
    Join(people::Join),
    /// Leave a channel
    Part(people::Part),
    /// Say what is known of somebody
    Whois(people::Whois),
    /// List the strangers who wrote to you, accept or decline them
    Requests(people::Requests),
    /// List what you do not want to read, add to it or remove from it
    Ignore(ignore::Args),
    /// Copy the store, the chat keys and the settings to a folder, also while the node runs
    Backup(backup::Backup),
    /// Bring a backup into a data directory that holds nothing
    Restore(backup::Restore),
    /// List the links to other nodes
    Peers(peers::Args),
    /// Show how the node is doing
    Status(status::Args),
    /// Show the checked configuration, and where each value comes from
    Config(config::Args),
    /// Call any JSON-RPC method of the node
    Rpc(rpc::Args),
    /// Start seven nodes on this machine, send records through them and check what arrives
    Demo(demo::Args),
}

/// Does what a command line asks.
pub(crate) fn run_from(args: impl IntoIterator<Item = OsString>) -> Exit {
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version come this way too. If nobody reads them any more, that is no failure.
            let asked = !error.use_stderr();
            return match error.print() {
                Ok(()) if asked => Exit::Done,
                Ok(()) => Exit::Usage,
                Err(broken) => Failure::from(broken).report(),
            };
        }
    };
    match cli.run() {
        Ok(()) => Exit::Done,
        Err(failure) => failure.report(),
    }
}

impl Cli {
    fn run(self) -> Result<(), Failure> {
        let Self { data_dir, command } = self;
        let client = || -> Result<Client, Failure> { Ok(Client::of(&settings::data_dir(data_dir.clone())?)?) };
        match command {
            Command::Run(args) => on_runtime(run::run(args, data_dir)),
            Command::Send(args) => {
                let message = args.message()?;
                on_runtime(send::run(client()?, message))
            }
            Command::Listen(args) => {
                let names = args.names()?;
                on_runtime(listen::run(client()?, args, names))
            }
            Command::Identity(args) => on_runtime(identity::run(client()?, args)),
            Command::Join(args) => on_runtime(people::join(client()?, args)),
            Command::Part(args) => on_runtime(people::part(client()?, args)),
            Command::Backup(args) => backup::backup(&settings::data_dir(data_dir)?, &args),
            Command::Restore(args) => backup::restore(&settings::data_dir(data_dir)?, &args),
            Command::Search(args) => on_runtime(history::search(client()?, args)),
            Command::Conversations(args) => on_runtime(history::conversations(client()?, args)),
            Command::Erase(args) => on_runtime(history::erase(client()?, args)),
            Command::Export(args) => {
                let name = args.name()?;
                on_runtime(export::run(client()?, args, name))
            }
            Command::Import(args) => on_runtime(import::run(client()?, args)),
            Command::Outbox(args) => on_runtime(outbox::run(client()?, args)),
            Command::CatchUp(args) => on_runtime(catch_up::run(client()?, args)),
            Command::Whois(args) => on_runtime(people::whois(client()?, args)),
            Command::Requests(args) => on_runtime(people::requests(client()?, args)),
            Command::Ignore(args) => on_runtime(ignore::run(client()?, args)),
            Command::Peers(args) => on_runtime(peers::run(client()?, args)),
            Command::Status(args) => on_runtime(status::run(client()?, args)),
            Command::Config(args) => config::run(args, data_dir),
            Command::Rpc(args) => {
                let call = args.call()?;
                on_runtime(rpc::run(client()?, call))
            }
            Command::Demo(_) if data_dir.is_some() => {
                Err(Failure::usage("the demonstration has directories of its own: leave --data-dir out"))
            }
            Command::Demo(args) => on_runtime(demo::run(args)),
        }
    }
}

/// A new file, closed to other users from the first moment. One that is there already stays as it is.
fn new_file(path: &Path) -> Result<File, Failure> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => {
            Failure::usage(format!("{path:?} is there already: it is not overwritten"))
        }
        _ => Failure::failed(format!("{path:?} cannot be written: {error}")),
    })
}

/// Unix milliseconds; 0 while the clock is not set.
fn now_ms() -> u64 {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH);
    since_1970.map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// A node's answer as this program understands it.
fn understood<T: DeserializeOwned>(method: &str, result: Value) -> Result<T, Failure> {
    serde_json::from_value(result).map_err(|error| {
        let version = env!("CARGO_PKG_VERSION");
        Failure::failed(format!(
            "the node's answer to {method} is not understood ({error}): is it of another version than {version}?"
        ))
    })
}

fn on_runtime(command: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::failed(format!("the system gives no threads or no event queue: {error}")))?;
    let result = runtime.block_on(command);
    runtime.shutdown_timeout(Duration::from_millis(RUNTIME_END_MS_MAX));
    result
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_whole() {
        Cli::command().debug_assert();
    }
}
