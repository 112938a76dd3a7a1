//! From the command line to settings: what was typed goes to `node::config`, which knows the rest and checks it.

use std::path::{Path, PathBuf};

use nightjar_core::address::Address;
use nightjar_node::config::{Checked, Config, ConfigError, Key, Raw, Value};

use crate::exit::Failure;

/// Settings as flags of `run`.
#[derive(Debug, Default, clap::Args)]
pub(super) struct Flags {
    /// Where peers connect to [default: port 4038 of all addresses, IPv6 and IPv4]
    #[arg(long, value_name = "ADDR")]
    listen: Option<String>,

    /// Where programs and people of this machine connect to [default: 127.0.0.1:4039]
    #[arg(long, value_name = "ADDR")]
    http: Option<String>,

    /// Where IRC clients of this machine connect to, or off [default: 127.0.0.1:6667]
    #[arg(long, value_name = "ADDR|off")]
    irc: Option<String>,

    /// What the IRC gateway calls itself, a name with a dot [default: nightjar.irc]
    #[arg(long, value_name = "NAME")]
    irc_name: Option<String>,

    /// For IRC clients nobody joins a channel when he is heard, or leaves when he is silent
    #[arg(long)]
    no_irc_presence: bool,

    /// A peer to dial, again and again: HOST:PORT (TLS) or pascal://HOST:PORT; may be given often
    #[arg(long, value_name = "ADDR")]
    connect: Vec<String>,

    /// Dial only the peers of --connect, not those that others tell
    #[arg(long)]
    no_discovery: bool,

    /// PascalCoin's network, main or test [default: main]
    #[arg(long, value_name = "NETWORK")]
    network: Option<String>,

    /// SOCKS5 proxy for outgoing links, for example Tor's
    #[arg(long, value_name = "HOST:PORT")]
    socks5: Option<String>,

    /// JSON-RPC of your own PascalCoin daemon or wallet, which is asked who owns which account
    #[arg(long, value_name = "HOST:PORT")]
    daemon: Option<String>,

    /// Tell contacts, under seal, that their messages came; so they learn that this node was on then
    #[arg(long)]
    acknowledge: bool,

    /// Whether what peers may send is limited, on or off; off is for benchmarks only [default: on]
    #[arg(long, value_name = "ON|OFF")]
    budgets: Option<String>,

    /// What is logged: info, debug, or by part as in nightjar_node=debug,warn [default: info]
    #[arg(long, value_name = "FILTER")]
    log: Option<String>,

    /// Print the text of DATA_DIR/ready.json on stdout when the node serves
    #[arg(long)]
    ready_json: bool,
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::usage(error)
    }
}

/// The data directory that a command is about.
pub(super) fn data_dir(flag: Option<PathBuf>) -> Result<PathBuf, Failure> {
    let flags = Flags::default().raw(flag);
    let (variables, _) = Raw::of_environment(std::env::vars_os())?;
    let (path, _) = flags.or(variables).data_dir()?;
    Ok(path)
}

/// The settings in force.
pub(super) fn load(flags: Flags, data_dir: Option<PathBuf>) -> Result<Config, Failure> {
    Ok(Config::load(flags.raw(data_dir), std::env::vars_os())?)
}

/// The settings of a node of the demonstration: nothing of this machine's own, and nobody it is not told to talk to.
pub(super) fn for_demo(data_dir: &Path, connect: Vec<Address>) -> Checked {
    let own = "127.0.0.1:0".parse().expect("an address of this machine with any free port");
    Checked { listen: own, http: own, irc: None, discovery: false, connect, ..Checked::defaults(data_dir) }
}

impl Flags {
    fn raw(self, data_dir: Option<PathBuf>) -> Raw {
        let Self {
            listen,
            http,
            irc,
            irc_name,
            no_irc_presence,
            connect,
            no_discovery,
            network,
            socks5,
            daemon,
            acknowledge,
            budgets,
            log,
            ready_json,
        } = self;
        let text = |text: Option<String>| text.map(Value::from);
        let typed = [
            (Key::DataDir, data_dir.map(Value::from)),
            (Key::Listen, text(listen)),
            (Key::Http, text(http)),
            (Key::Irc, text(irc)),
            (Key::IrcName, text(irc_name)),
            (Key::IrcPresence, no_irc_presence.then(|| Value::from(false))),
            (Key::Connect, (!connect.is_empty()).then(|| Value::from(connect))),
            (Key::Discovery, no_discovery.then(|| Value::from(false))),
            (Key::Network, text(network)),
            (Key::Socks5, text(socks5)),
            (Key::Daemon, text(daemon)),
            (Key::Acknowledge, acknowledge.then(|| Value::from(true))),
            (Key::Budgets, text(budgets)),
            (Key::Log, text(log)),
            (Key::ReadyJson, ready_json.then(|| Value::from(true))),
        ];
        typed.into_iter().fold(Raw::default(), |raw, (key, value)| match value {
            Some(value) => raw.flag(key, value),
            None => raw,
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail loudly")]
    use super::*;
    use clap::{Args as _, FromArgMatches as _};

    fn flags(args: &[&str]) -> Flags {
        let command = Flags::augment_args(clap::Command::new("run").no_binary_name(true));
        Flags::from_arg_matches(&command.try_get_matches_from(args).unwrap()).unwrap()
    }

    #[test]
    fn every_flag_of_the_table_of_settings_is_one_of_run() {
        let command = Flags::augment_args(clap::Command::new("run"));
        let ours: Vec<String> =
            command.get_arguments().filter_map(|arg| Some(format!("--{}", arg.get_long()?))).collect();
        for flag in Key::ALL.iter().filter_map(|key| key.entry().flag) {
            assert!(flag == "--data-dir" || ours.iter().any(|ours| ours == flag), "{flag}");
        }
        for ours in &ours {
            assert!(Key::ALL.iter().any(|key| key.entry().flag == Some(ours.as_str())), "{ours}");
        }
    }

    #[test]
    fn flags_arrive_as_they_are_meant() {
        let args = [
            "--listen",
            "127.0.0.1:0",
            "--http",
            "127.0.0.1:0",
            "--irc",
            "off",
            "--irc-name",
            "night.raven",
            "--no-irc-presence",
            "--connect",
            "192.0.2.7:4038",
            "--connect",
            "pascal://192.0.2.8:4004",
            "--no-discovery",
            "--network",
            "test",
            "--socks5",
            "127.0.0.1:9050",
            "--daemon",
            "127.0.0.1:4003",
            "--acknowledge",
            "--budgets",
            "off",
            "--log",
            "warn",
            "--ready-json",
        ];
        let (checked, _) = flags(&args).raw(Some("/d".into())).check().unwrap();
        let meant = Checked {
            irc_name: "night.raven".to_owned(),
            irc_presence: false,
            connect: vec!["192.0.2.7:4038".parse().unwrap(), "pascal://192.0.2.8:4004".parse().unwrap()],
            network: nightjar_core::chain::Network::Test,
            socks5: Some("127.0.0.1:9050".to_owned()),
            daemon: Some("127.0.0.1:4003".to_owned()),
            acknowledge: true,
            budgets: None,
            log: "warn".to_owned(),
            ready_json: true,
            ..for_demo(Path::new("/d"), Vec::new())
        };
        assert_eq!(checked, meant);
    }

    #[test]
    fn without_flags_nothing_is_typed() {
        let (checked, _) = flags(&[]).raw(Some("/d".into())).check().unwrap();
        assert_eq!(checked, Checked::defaults(Path::new("/d")));
    }
}
