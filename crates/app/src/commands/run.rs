//! `nightjar run`: one node, until a signal ends it.

use std::path::PathBuf;
use std::process;

use nightjar_node::clock::Clock;
use nightjar_node::config::Config;
use nightjar_node::data_dir::DataDir;
use tracing_subscriber::EnvFilter;

use super::settings::{self, Flags};
use crate::exit::{Exit, Failure};
use crate::output::{self, Paint};
use crate::serve::{ServeError, serve};
use crate::signals::Signals;

const HELP: &str = "\
Every setting can also stand in DATA_DIR/nightjar.toml, or in the environment as NIGHTJAR_LISTEN and so on; a flag
goes before the environment, the environment before the file. `nightjar config` shows what holds and why.

Examples:
  nightjar run
  nightjar run --connect 192.0.2.7:4038 --connect pascal://localhost:4004
  nightjar run --data-dir ~/second --listen 127.0.0.1:0 --http 127.0.0.1:0 --irc off --log debug";

#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(super) struct Args {
    #[command(flatten)]
    flags: Flags,
}

impl From<ServeError> for Failure {
    fn from(error: ServeError) -> Self {
        Self::failed(error)
    }
}

pub(super) async fn run(args: Args, data_dir: Option<PathBuf>) -> Result<(), Failure> {
    let Config { checked: config, warnings, .. } = settings::load(args.flags, data_dir)?;
    start_log(&config.log)?;
    for warning in warnings {
        tracing::warn!("{warning}");
    }
    // From here on a signal ends the node in good order, even one that has just begun to start.
    let mut signals = Signals::new()?;
    let dir = DataDir::open(&config.data_dir).map_err(Failure::failed)?;
    if config.budgets.is_none() {
        tracing::warn!("budgets are off: any peer can make this node, and those behind it, carry whatever it sends");
    }
    let print_ready = config.ready_json;
    let running = serve(config, dir, Clock::system()).await?;
    let ready = running.ready();
    let irc = ready.irc.map_or_else(|| "off".to_owned(), |address| address.to_string());
    tracing::info!(
        version = ready.version, listen = %ready.listen, http = %ready.http, irc, node_key = %ready.node_key,
        data_dir = %running.data_dir().display(), "the node serves"
    );
    if print_ready && let Err(error) = output::print(&format!("{}\n", ready.json())) {
        tracing::warn!(%error, "nobody reads what --ready-json prints");
    }
    let signal = signals.next().await;
    tracing::info!(signal, "the node ends; a second signal ends it at once");
    tokio::select! {
        done = running.stop() => {
            if !done {
                return Err(Failure::failed("the node did not end in time and was left as it was"));
            }
            tracing::info!("the node has ended");
            Ok(())
        }
        _ = signals.next() => process::exit(Exit::Failed.code()),
    }
}

/// The log goes to stderr, in UTC.
pub(super) fn start_log(filter: &str) -> Result<(), Failure> {
    let filter = EnvFilter::try_new(filter).map_err(|error| {
        Failure::usage(format!("log {filter:?} is no filter ({error}): write info, or nightjar_node=debug,warn"))
    })?;
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(Paint::stderr().is_on())
        // Where the log cannot be written, neither can a complaint about it.
        .log_internal_errors(false)
        .try_init()
        .map_err(|error| Failure::failed(format!("the log cannot be started: {error}")))
}
