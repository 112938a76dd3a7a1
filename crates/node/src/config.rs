//! Settings: as typed, and as meant. Flags go before the environment, the environment before the file, the file
//! before the default. Never opens a socket, never keeps a password.

mod file;
mod keys;
mod sample;
mod value;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use nightjar_core::address::Address;
use nightjar_core::chain::Network;
use nightjar_core::router::{Budget, Budgets};

use crate::data_dir::{CONFIG_FILE, DataDir, DataDirError};
use crate::private_file;
use crate::store::StoreLimits;
use crate::window::WindowLimits;

pub use file::FILE_BYTES_MAX;
pub use keys::{Entry, Key};
pub use sample::{reference, sample};
pub use value::{CONNECT_MAX, IRC_NAME_BYTES_MAX, Value, Wants};

/// Where a node listens whose links go through a proxy, unless it is told otherwise; as it is written in the file.
const LISTEN_BEHIND_PROXY: &str = "\"127.0.0.1:4038\"";

/// Settings as meant: nothing is left open.
#[derive(Clone, Debug, PartialEq)]
pub struct Checked {
    /// The data directory.
    pub data_dir: PathBuf,
    /// Where peers connect to.
    pub listen: SocketAddr,
    /// Where programs and people of this machine connect to.
    pub http: SocketAddr,
    /// Where IRC clients of this machine connect to; `None` = there is no gateway.
    pub irc: Option<SocketAddr>,
    /// What the IRC gateway calls itself.
    pub irc_name: String,
    /// Whether authors that are heard join and leave for IRC clients.
    pub irc_presence: bool,
    /// Peers that are dialled for as long as the node runs.
    pub connect: Vec<Address>,
    /// Whether addresses that others tell are used.
    pub discovery: bool,
    /// Which network.
    pub network: Network,
    /// `host:port` of a SOCKS5 proxy for outgoing links.
    pub socks5: Option<String>,
    /// `host:port` of the JSON-RPC of the user's own PascalCoin daemon.
    pub daemon: Option<String>,
    /// Whether direct messages of contacts are acknowledged.
    pub acknowledge: bool,
    /// Filter of the log on stderr, in the form of tracing's EnvFilter.
    pub log: String,
    /// Whether the line of `ready.json` is printed on stdout.
    pub ready_json: bool,
    /// `None` = off.
    pub budgets: Option<Budgets>,
    /// Memory of the seen cache's dated table, bytes.
    pub seen_bytes: usize,
    /// How much the log keeps.
    pub store: StoreLimits,
    /// How many days the log keeps messages; `None` = as long as there is room.
    pub log_days: Option<u32>,
    /// How much the window keeps; `None` = there is none.
    pub window: Option<WindowLimits>,
}

/// Settings as typed, each with where it was typed; what nobody typed is not in it.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Raw {
    typed: BTreeMap<Key, Typed>,
}

#[derive(Clone, PartialEq, Eq)]
struct Typed {
    value: Value,
    origin: Origin,
}

/// Where a setting comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The command line.
    Flag(&'static str),
    /// An environment variable.
    Environment(String),
    /// The file.
    File {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// Column in characters, from 1.
        column: usize,
    },
    /// Nobody said anything.
    Default,
}

/// One setting in force, for `nightjar config`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// Its name.
    pub name: &'static str,
    /// Its value in the form that the file has for it; `None` when it is not set.
    pub value: Option<Value>,
    /// Where it comes from.
    pub origin: Origin,
}

/// Settings with what an operator may want to know of them.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// What is meant.
    pub checked: Checked,
    /// Every setting and where it comes from.
    pub shown: Vec<Shown>,
    /// Variables that look like a setting of ours and are none.
    pub warnings: Vec<String>,
}

/// The settings cannot be used. One line: where, what, and what to write instead.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A setting is wrong.
    #[error("{origin}: {problem}")]
    Value {
        /// Where it was typed.
        origin: Origin,
        /// What is wrong.
        problem: String,
    },
    /// The file is there and cannot be read.
    #[error("{path:?} cannot be read: {error}: look after its rights, or move it away")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// There is no data directory.
    #[error(transparent)]
    DataDir(#[from] DataDirError),
}

impl Config {
    /// The settings in force: of the command line, of these variables (those of the process, or a test's), of the file
    /// in the data directory, and the defaults.
    pub fn load(flags: Raw, environment: impl IntoIterator<Item = (OsString, OsString)>) -> Result<Self, ConfigError> {
        let (variables, warnings) = Raw::of_environment(environment)?;
        let typed = flags.or(variables);
        let (data_dir, _) = typed.data_dir()?;
        let file = Raw::of_data_dir(&data_dir)?;
        let (checked, shown) = typed.or(file).check()?;
        Ok(Self { checked, shown, warnings })
    }
}

impl Checked {
    /// The defaults, on this data directory.
    pub fn defaults(data_dir: &Path) -> Self {
        let raw = Raw::default().flag(Key::DataDir, data_dir.to_owned());
        raw.check().expect("the defaults are right: a test reads them").0
    }
}

impl Raw {
    /// A flag was given with this value.
    #[must_use]
    pub fn flag(mut self, key: Key, value: impl Into<Value>) -> Self {
        self.set(key, value.into(), Origin::Flag(key.entry().flag.unwrap_or(key.name())));
        self
    }

    /// Settings of the environment, and warnings about variables that are almost one. An empty variable is not set.
    pub fn of_environment(
        variables: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Result<(Self, Vec<String>), ConfigError> {
        let (mut raw, mut warnings) = (Self::default(), Vec::new());
        for (name, value) in variables {
            let Some(name) = name.to_str() else { continue };
            match keys::variable(name) {
                keys::Variable::Is(_) if value.is_empty() => {}
                keys::Variable::Is(key) => {
                    let origin = Origin::Environment(name.to_owned());
                    let value = if key == Key::DataDir {
                        Value::Path(value.into())
                    } else {
                        let not_text = |_| ConfigError::Value {
                            origin: origin.clone(),
                            problem: format!("it is not UTF-8: it wants {}", key.entry().wants),
                        };
                        Value::Text(value.into_string().map_err(not_text)?)
                    };
                    raw.set(key, value, origin);
                }
                keys::Variable::Resembles(meant) => {
                    warnings.push(format!("{name} is no setting and has no effect; did you mean {meant}?"));
                }
                keys::Variable::Other => {}
            }
        }
        Ok((raw, warnings))
    }

    /// Settings of the text of a file; `path` is its name in errors.
    pub fn of_file(path: &Path, text: &str) -> Result<Self, ConfigError> {
        file::parse(path, text)
    }

    /// Settings of the file in a data directory; none when there is no file.
    pub fn of_data_dir(data_dir: &Path) -> Result<Self, ConfigError> {
        let path = data_dir.join(CONFIG_FILE);
        let text = private_file::read(&path, FILE_BYTES_MAX).and_then(|bytes| {
            String::from_utf8(bytes).map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is not UTF-8"))
        });
        match text {
            Ok(text) => Self::of_file(&path, &text),
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                Ok(Self::default())
            }
            Err(error) => Err(ConfigError::File { path, error }),
        }
    }

    /// These, and the others where nothing was typed here.
    #[must_use]
    pub fn or(mut self, others: Self) -> Self {
        for (key, typed) in others.typed {
            self.typed.entry(key).or_insert(typed);
        }
        self
    }

    /// The data directory and where it was named: what has to be known before its file can be read.
    pub fn data_dir(&self) -> Result<(PathBuf, Origin), ConfigError> {
        match self.typed.get(&Key::DataDir) {
            None => Ok((DataDir::default_path()?, Origin::Default)),
            Some(Typed { value: Value::Path(path), origin }) if !path.as_os_str().is_empty() => {
                Ok((path.clone(), origin.clone()))
            }
            Some(Typed { value, origin }) => {
                let text = value.text(Key::DataDir.entry().wants);
                let problem = |problem| ConfigError::Value { origin: origin.clone(), problem };
                Ok((text.map_err(problem)?.into(), origin.clone()))
            }
        }
    }

    /// What is meant, and every setting for `nightjar config`.
    pub fn check(self) -> Result<(Checked, Vec<Shown>), ConfigError> {
        let (data_dir, origin) = self.data_dir()?;
        let value = Some(Value::Path(data_dir.clone()));
        let mut reader = Reader { raw: self, shown: vec![Shown { name: Key::DataDir.name(), value, origin }] };
        if reader.raw.typed.contains_key(&Key::Socks5) {
            // Who connects to us would see where we are, which is what a proxy is to hide.
            let value = sample::value_of_default(Key::Listen, LISTEN_BEHIND_PROXY);
            reader.raw.typed.entry(Key::Listen).or_insert(Typed { value, origin: Origin::Default });
        }
        let listen = reader.read(Key::Listen, Value::socket_address)?;
        let http = reader.read(Key::Http, Value::socket_address)?;
        let irc = reader.read(Key::Irc, Value::socket_address_or_off)?;
        let irc_name = reader.read(Key::IrcName, Value::server_name)?;
        let irc_presence = reader.read(Key::IrcPresence, Value::truth)?;
        let connect = reader.read(Key::Connect, Value::addresses)?;
        let discovery = reader.read(Key::Discovery, Value::truth)?;
        let network = reader.read(Key::Network, |value, wants| {
            let name = value.choice(wants)?;
            Ok(if name == Network::Test.name() { Network::Test } else { Network::Main })
        })?;
        let socks5 = reader.read_if_set(Key::Socks5, Value::proxy)?;
        let daemon = reader.read_if_set(Key::Daemon, Value::host_port)?;
        let acknowledge = reader.read(Key::Acknowledge, Value::truth)?;
        let log = reader.read(Key::Log, |value, wants| value.text(wants).map(str::to_owned))?;
        let ready_json = reader.read(Key::ReadyJson, Value::truth)?;
        let limited = reader.read(Key::Budgets, |value, wants| Ok(value.choice(wants)? == "on"))?;
        let mib = |mib: u64| mib << 20;
        let seen_bytes = reader.read(Key::SeenMib, |value, wants| {
            let bytes = mib(value.number(wants)?);
            usize::try_from(bytes).map_err(|_| "this machine cannot address so much: give less".into())
        })?;
        let store = StoreLimits {
            messages_max: reader.read(Key::LogMessagesMax, Value::number)?,
            bytes_max: reader.read(Key::LogMibMax, Value::number).map(mib)?,
        };
        let small = |number: u64| u32::try_from(number).map_err(|_| "that is too much".to_owned());
        let log_days = reader.read(Key::LogDays, |value, wants| value.number(wants).and_then(small))?;
        let window = WindowLimits {
            hours: reader.read(Key::WindowHours, |value, wants| value.number(wants).and_then(small))?,
            bytes_max: reader.read(Key::WindowMib, Value::number).map(mib)?,
        };
        let budgets = Budgets {
            worked: reader.budget(Key::WorkedPerPeer, Key::WorkedPerNode)?,
            dated: reader.budget(Key::DatedPerPeer, Key::DatedPerNode)?,
            plain: reader.budget(Key::PlainPerPeer, Key::PlainPerNode)?,
        };
        let budgets = limited.then_some(budgets);
        let checked = Checked {
            data_dir,
            listen,
            http,
            irc,
            irc_name,
            irc_presence,
            connect,
            discovery,
            network,
            socks5,
            daemon,
            acknowledge,
            log,
            ready_json,
            budgets,
            seen_bytes,
            store,
            log_days: Some(log_days).filter(|days| *days > 0),
            window: Some(window).filter(|window| window.bytes_max > 0),
        };
        Ok((checked, reader.shown))
    }

    fn set(&mut self, key: Key, value: Value, origin: Origin) {
        self.typed.insert(key, Typed { value, origin });
    }
}

impl fmt::Debug for Raw {
    /// Not what was typed: a proxy's password may be in it until it is refused.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let entries = self.typed.iter().map(|(key, typed)| (key.name(), &typed.origin));
        f.debug_map().entries(entries).finish()
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(flag) => f.write_str(flag),
            Self::Environment(variable) => f.write_str(variable),
            Self::File { path, line, column } => write!(f, "{path:?} line {line}, column {column}"),
            Self::Default => f.write_str("default"),
        }
    }
}

/// Takes settings one by one, and notes each for show.
struct Reader {
    raw: Raw,
    shown: Vec<Shown>,
}

impl Reader {
    fn read<T>(&mut self, key: Key, meant: impl Fn(&Value, Wants) -> Result<T, String>) -> Result<T, ConfigError> {
        let set = self.read_if_set(key, meant)?;
        Ok(set.expect("every setting that is read so has a default"))
    }

    fn read_if_set<T>(
        &mut self,
        key: Key,
        meant: impl Fn(&Value, Wants) -> Result<T, String>,
    ) -> Result<Option<T>, ConfigError> {
        let Entry { name, wants, default, .. } = key.entry();
        let typed = self.raw.typed.remove(&key).or_else(|| {
            let value = sample::value_of_default(key, default?);
            Some(Typed { value, origin: Origin::Default })
        });
        let Some(Typed { value, origin }) = typed else {
            self.shown.push(Shown { name, value: None, origin: Origin::Default });
            return Ok(None);
        };
        match meant(&value, wants) {
            Ok(meant) => {
                self.shown.push(Shown { name, value: Some(value.in_form_of(wants)), origin });
                Ok(Some(meant))
            }
            Err(problem) => {
                // A flag and a variable say which setting it is; a place in a file does not.
                let problem = match origin {
                    Origin::File { .. } => format!("{name}: {problem}"),
                    Origin::Flag(_) | Origin::Environment(_) | Origin::Default => problem,
                };
                Err(ConfigError::Value { origin, problem })
            }
        }
    }

    fn budget(&mut self, per_peer: Key, per_node: Key) -> Result<Budget, ConfigError> {
        let number =
            |value: &Value, wants| u32::try_from(value.number(wants)?).map_err(|_| "it is too high".to_owned());
        Ok(Budget { per_peer: self.read(per_peer, number)?, per_node: self.read(per_node, number)? })
    }
}
