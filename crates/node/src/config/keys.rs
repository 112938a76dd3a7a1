//! The one table of settings: names, flags, variables, defaults and reasons. Sample, documentation, `nightjar config`
//! and the checks read it from here.

use super::value::Wants;
use crate::window::HOURS_MAX;

/// Begins the name of every variable.
const VARIABLE_PREFIX: &str = "NIGHTJAR_";
/// The highest budget: more than a node on two cores can take in.
const BUDGET_MAX: u64 = 1_000_000;

/// A setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Key {
    /// Where everything lies.
    DataDir,
    /// Where peers connect to.
    Listen,
    /// Where programs and people connect to.
    Http,
    /// Where IRC clients connect to.
    Irc,
    /// What the IRC gateway calls itself.
    IrcName,
    /// Whether authors join and leave for IRC clients.
    IrcPresence,
    /// Peers that are dialled.
    Connect,
    /// Whether other nodes' addresses are used.
    Discovery,
    /// Which network.
    Network,
    /// A proxy.
    Socks5,
    /// The user's own PascalCoin daemon.
    Daemon,
    /// Whether messages are acknowledged.
    Acknowledge,
    /// What is logged.
    Log,
    /// Whether `ready.json` is printed.
    ReadyJson,
    /// Whether the budgets are in force.
    Budgets,
    /// Memory of what was seen.
    SeenMib,
    /// Messages the log keeps.
    LogMessagesMax,
    /// Mebibytes the log keeps.
    LogMibMax,
    /// Days the log keeps.
    LogDays,
    /// Hours the window reaches back.
    WindowHours,
    /// Mebibytes of the window.
    WindowMib,
    /// Worked records of one peer.
    WorkedPerPeer,
    /// Worked records of all peers.
    WorkedPerNode,
    /// Dated records of one peer.
    DatedPerPeer,
    /// Dated records of all peers.
    DatedPerNode,
    /// Plain records of one peer.
    PlainPerPeer,
    /// Plain records of all peers.
    PlainPerNode,
}

/// What is written down of a setting.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// Its name, with the tables of the file it stands in: `listen`, `budget.worked.per_peer`.
    pub name: &'static str,
    /// Its flag.
    pub flag: Option<&'static str>,
    /// What it may be.
    pub wants: Wants,
    /// What it is when nobody says, as it is written in the file; `None` = not set.
    pub default: Option<&'static str>,
    /// What it is for, and why the default is what it is.
    pub about: &'static str,
}

impl Key {
    /// All of them, in the order of the sample.
    pub const ALL: [Self; 27] = [
        Self::DataDir,
        Self::Listen,
        Self::Http,
        Self::Irc,
        Self::IrcName,
        Self::IrcPresence,
        Self::Connect,
        Self::Discovery,
        Self::Network,
        Self::Socks5,
        Self::Daemon,
        Self::Acknowledge,
        Self::Log,
        Self::ReadyJson,
        Self::Budgets,
        Self::SeenMib,
        Self::LogMessagesMax,
        Self::LogMibMax,
        Self::LogDays,
        Self::WindowHours,
        Self::WindowMib,
        Self::WorkedPerPeer,
        Self::WorkedPerNode,
        Self::DatedPerPeer,
        Self::DatedPerNode,
        Self::PlainPerPeer,
        Self::PlainPerNode,
    ];

    /// What is written down of it.
    pub const fn entry(self) -> Entry {
        match self {
            Self::DataDir => Entry {
                name: "data_dir",
                flag: Some("--data-dir"),
                wants: Wants::Path,
                default: None,
                about: "Where everything lies, this file included, in which it can therefore not stand. By default $XDG_DATA_HOME/nightjar (~/.local/share/nightjar), or the native place of macOS and Windows.",
            },
            Self::Listen => Entry {
                name: "listen",
                flag: Some("--listen"),
                wants: Wants::SocketAddress,
                default: Some("\"[::]:4038\""),
                about: "Where peers connect to. By default all addresses of this machine, IPv6 and IPv4: a network lives from nodes that can be reached. Port 0 takes any that is free; ready.json says which. With socks5 the default is this machine alone, \"127.0.0.1:4038\".",
            },
            Self::Http => Entry {
                name: "http",
                flag: Some("--http"),
                wants: Wants::LoopbackAddress,
                default: Some("\"127.0.0.1:4039\""),
                about: "Where programs and people of this machine connect to. Only this machine: whoever has the token reads and sends as you, and HTTP carries it in the clear. From afar use an SSH tunnel.",
            },
            Self::Irc => Entry {
                name: "irc",
                flag: Some("--irc"),
                wants: Wants::LoopbackAddressOrOff,
                default: Some("\"127.0.0.1:6667\""),
                about: "Where IRC clients of this machine connect to, or \"off\". Only this machine: IRC carries the token and all that is said in the clear. From afar use an SSH tunnel. 6667 is where IRC clients look by themselves; when it is taken the node serves without IRC and its log says so.",
            },
            Self::IrcName => Entry {
                name: "irc_name",
                flag: Some("--irc-name"),
                wants: Wants::ServerName,
                default: Some("\"nightjar.irc\""),
                about: "What the gateway calls itself to IRC clients. There is a dot in it, as in no nick, so that nobody can be taken for the gateway.",
            },
            Self::IrcPresence => Entry {
                name: "irc_presence",
                flag: Some("--no-irc-presence"),
                wants: Wants::Bool,
                default: Some("true"),
                about: "Whether authors that are heard in a channel join it for IRC clients, and leave it when they were silent for half an hour. Nobody tells the network that he is there: this is what was heard, no more. Without it nobody joins or leaves.",
            },
            Self::Connect => Entry {
                name: "connect",
                flag: Some("--connect"),
                wants: Wants::Addresses,
                default: Some("[]"),
                about: "Peers that are dialled for as long as the node runs: \"host:port\" is another Nightjar node, \"pascal://host:port\" a PascalCoin node. The first start needs one; others are learnt from it.",
            },
            Self::Discovery => Entry {
                name: "discovery",
                flag: Some("--no-discovery"),
                wants: Wants::Bool,
                default: Some("true"),
                about: "Whether addresses that other nodes tell are dialled and handed on. Without it only `connect` and `addnode` make links: for closed networks and tests.",
            },
            Self::Network => Entry {
                name: "network",
                flag: Some("--network"),
                wants: Wants::Choice(&["main", "test"]),
                default: Some("\"main\""),
                about: "PascalCoin's network the node belongs to, \"main\" or \"test\". Nodes of different networks do not talk to each other.",
            },
            Self::Socks5 => Entry {
                name: "socks5",
                flag: Some("--socks5"),
                wants: Wants::Proxy,
                default: None,
                about: "A SOCKS5 proxy for all links that are dialled, \"host:port\" (Tor: \"127.0.0.1:9050\"). It resolves host names as well, so that they are not asked for in the clear. The node then has a new node key at every start, tells nobody a port, and listens on this machine alone unless `listen` says otherwise. Not set by default.",
            },
            Self::Daemon => Entry {
                name: "daemon",
                flag: Some("--daemon"),
                wants: Wants::HostPort,
                default: None,
                about: "Where the JSON-RPC of your own PascalCoin daemon or wallet listens, \"host:port\" (usually \"127.0.0.1:4003\"). It is asked who owns which account, and signs proofs of account when you ask for one; its word goes before that of peers. It speaks HTTP in the clear: keep it on this machine or behind an SSH tunnel. Not set by default; without it three peers are compared.",
            },
            Self::Acknowledge => Entry {
                name: "acknowledge",
                flag: Some("--acknowledge"),
                wants: Wants::Bool,
                default: Some("false"),
                about: "Whether contacts are told, under seal, that what they wrote to you came, within a minute: at most ten messages of each contact in a minute, never what came late. It tells them that this node was on then, and so perhaps you; others on the way see that something was answered to something. Therefore not by default.",
            },
            Self::Log => Entry {
                name: "log",
                flag: Some("--log"),
                wants: Wants::Text,
                default: Some("\"info\""),
                about: "What is logged on stderr: error, warn, info, debug or trace, also by part as in \"info,nightjar_node::link=debug\". Above debug there is no name, target or payload in it, and a secret never.",
            },
            Self::ReadyJson => Entry {
                name: "ready_json",
                flag: Some("--ready-json"),
                wants: Wants::Bool,
                default: Some("false"),
                about: "Whether the line of ready.json is printed on stdout as soon as the node serves: for programs that start a node and wait for it.",
            },
            Self::Budgets => Entry {
                name: "budgets",
                flag: Some("--budgets"),
                wants: Wants::Choice(&["on", "off"]),
                default: Some("\"on\""),
                about: "Whether the limits of [budget] are in force. \"off\" is for benchmarks: any peer can then make this node, and those behind it, carry whatever it sends.",
            },
            Self::SeenMib => Entry {
                name: "seen_mib",
                flag: None,
                wants: Wants::Number { min: 1, max: 4096 },
                default: Some("64"),
                about: "Memory, in MiB, for the ids of dated records that were seen. 64 hold 1,000 records a second for over an hour, twice what the budgets let in; with less the oldest go first, and the log says so.",
            },
            Self::LogMessagesMax => Entry {
                name: "log_messages_max",
                flag: None,
                wants: Wants::Number { min: 1, max: 1_000_000_000 },
                default: Some("1_000_000"),
                about: "Messages that are kept; the oldest go first. A million are eleven days of a channel in which somebody speaks every second.",
            },
            Self::LogMibMax => Entry {
                name: "log_mib_max",
                flag: None,
                wants: Wants::Number { min: 1, max: 1 << 20 },
                default: Some("256"),
                about: "MiB of records and texts that are kept, counting 64 bytes more for each message; the oldest go first. A million messages of usual length fit.",
            },
            Self::LogDays => Entry {
                name: "log_days",
                flag: None,
                wants: Wants::Number { min: 0, max: 36_500 },
                default: Some("0"),
                about: "Messages that came so many days ago are dropped, at the latest an hour later; 0 = they stay as long as there is room. In the first ten minutes of the node, and after the clock was set forward, nothing is dropped for its age.",
            },
            Self::WindowHours => Entry {
                name: "window_hours",
                flag: None,
                wants: Wants::Number { min: 1, max: HOURS_MAX as u64 },
                default: Some("168"),
                about: "Dated records of everybody are kept for so many hours, in window.db, and compared with those of the neighbours: so whoever was off gets what he missed. 168 are seven days, the most.",
            },
            Self::WindowMib => Entry {
                name: "window_mib",
                flag: None,
                wants: Wants::Number { min: 0, max: 1 << 20 },
                default: Some("1024"),
                about: "MiB of these records, counting 64 bytes more for each: three quarters for those with work, a quarter for others; the oldest go first. 1024 hold three million, of which the index takes 93 MB of memory. With 0 there is no window: what is said while this node is off does not reach it.",
            },
            Self::WorkedPerPeer => budget(
                "budget.worked.per_peer",
                "100",
                "Records with 20 bits of work that one peer may bring in a second, when there are five or more; with fewer the node's budget is divided among them.",
            ),
            Self::WorkedPerNode => budget(
                "budget.worked.per_node",
                "400",
                "Records with 20 bits of work from all peers together. Work costs their senders: most of the room is theirs.",
            ),
            Self::DatedPerPeer => budget(
                "budget.dated.per_peer",
                "20",
                "Other dated records of one peer in a second: a lively channel, and too few for one peer to fill the network.",
            ),
            Self::DatedPerNode => budget("budget.dated.per_node", "100", "Other dated records of all peers together."),
            Self::PlainPerPeer => budget(
                "budget.plain.per_peer",
                "10",
                "Plain records of one peer in a second. Nothing says how old they are, so they get the least.",
            ),
            Self::PlainPerNode => budget("budget.plain.per_node", "50", "Plain records of all peers together."),
        }
    }

    /// Its name.
    pub const fn name(self) -> &'static str {
        self.entry().name
    }

    /// Its environment variable.
    pub fn variable(self) -> String {
        format!("{VARIABLE_PREFIX}{}", self.name().replace('.', "_").to_ascii_uppercase())
    }

    /// Whether it can stand in the file.
    pub fn is_in_file(self) -> bool {
        self != Self::DataDir
    }
}

const fn budget(name: &'static str, default: &'static str, about: &'static str) -> Entry {
    Entry { name, flag: None, wants: Wants::Number { min: 1, max: BUDGET_MAX }, default: Some(default), about }
}

/// The setting whose variable this is, or the one that was meant.
pub(super) enum Variable {
    Is(Key),
    /// Almost the name of one.
    Resembles(String),
    /// Not for us.
    Other,
}

pub(super) fn variable(name: &str) -> Variable {
    let Some(rest) = name.strip_prefix(VARIABLE_PREFIX) else { return Variable::Other };
    let all = Key::ALL.map(|key| (key, key.variable()));
    if let Some((key, _)) = all.iter().find(|(_, variable)| variable == name) {
        return Variable::Is(*key);
    }
    // The prefix, which all have, says nothing about likeness.
    let rests = all.iter().filter_map(|(_, variable)| variable.strip_prefix(VARIABLE_PREFIX));
    closest(rest, rests).map_or(Variable::Other, |rest| Variable::Resembles(format!("{VARIABLE_PREFIX}{rest}")))
}

/// The one that was meant, if it can be guessed.
pub(super) fn closest<'a>(typed: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    // `no-discovery` is the flag of `discovery`; file and flags differ in their dashes.
    let typed = typed.trim().replace('-', "_").to_ascii_lowercase();
    let typed = typed.strip_prefix("no_").unwrap_or(&typed);
    let similarity = |name: &str| strsim::normalized_damerau_levenshtein(typed, &name.to_ascii_lowercase());
    names
        .map(|name| (similarity(name), name))
        .filter(|(similarity, _)| *similarity >= SIMILARITY_MIN)
        .max_by(|(one, _), (other, _)| one.total_cmp(other))
        .map(|(_, name)| name)
}

/// Below this a suggestion puzzles more than it helps: two of five letters may be wrong.
const SIMILARITY_MIN: f64 = 0.6;
