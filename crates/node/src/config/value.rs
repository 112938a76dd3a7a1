//! A setting's value as it was typed, and what it means. Knows neither files nor flags.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

use nightjar_core::address::{Address, LinkKind};

use super::keys::closest;

/// Peers that can be dialled for ever: a router has 128 links, and half of them are for those who come by themselves.
pub const CONNECT_MAX: usize = 64;
/// The longest name of the IRC gateway: that of a server has 63 characters at the most in RFC 2812.
pub const IRC_NAME_BYTES_MAX: usize = 63;
/// The shortest: a dot, and something on both sides of it.
const IRC_NAME_BYTES_MIN: usize = 3;
/// What is typed for no address at all.
const OFF: &str = "off";
/// The longest filter of the log.
const TEXT_BYTES_MAX: usize = 1024;
/// A wrong value is shown up to here.
const SHOWN_CHARS_MAX: usize = 60;

/// What somebody typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// A text. From flags and variables everything is.
    Text(String),
    /// A number of a file.
    Number(i64),
    /// A truth value of a file, or a flag that was given.
    Bool(bool),
    /// Texts.
    List(Vec<String>),
    /// A place on the disk.
    Path(PathBuf),
}

/// What a setting may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wants {
    /// A directory.
    Path,
    /// IP address and port.
    SocketAddress,
    /// IP address of this machine alone, and port.
    LoopbackAddress,
    /// The same, or `off`.
    LoopbackAddressOrOff,
    /// The name of a server, with a dot.
    ServerName,
    /// Addresses of peers.
    Addresses,
    /// Host and port of a proxy.
    Proxy,
    /// Host and port of a daemon.
    HostPort,
    /// One of these.
    Choice(&'static [&'static str]),
    /// A whole number.
    Number {
        /// The lowest.
        min: u64,
        /// The highest.
        max: u64,
    },
    /// true or false.
    Bool,
    /// Any text.
    Text,
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<Vec<String>> for Value {
    fn from(list: Vec<String>) -> Self {
        Self::List(list)
    }
}

impl From<PathBuf> for Value {
    fn from(path: PathBuf) -> Self {
        Self::Path(path)
    }
}

impl Value {
    pub(super) fn socket_address(&self, wants: Wants) -> Result<SocketAddr, String> {
        let text = self.text(wants)?;
        let (example, what_opens) = match wants {
            Wants::LoopbackAddress => ("127.0.0.1:4039", Some("the local API to other machines, with its token")),
            Wants::LoopbackAddressOrOff => (
                "127.0.0.1:6667, or \"off\"",
                Some("the IRC gateway to other machines, with its token and all that is said"),
            ),
            _ => ("0.0.0.0:4038 or [::]:4038", None),
        };
        let address: SocketAddr =
            text.parse().map_err(|_| format!("{} is no IP address with a port: write it as {example}", shown(text)))?;
        match what_opens {
            Some(what) if !address.ip().to_canonical().is_loopback() => Err(format!(
                "{address} would open {what} in the clear: give 127.0.0.1 or [::1] with a port, and use an SSH tunnel from afar"
            )),
            _ => Ok(address),
        }
    }

    /// `None` is `off`.
    pub(super) fn socket_address_or_off(&self, wants: Wants) -> Result<Option<SocketAddr>, String> {
        if self.text(wants)? == OFF { Ok(None) } else { self.socket_address(wants).map(Some) }
    }

    pub(super) fn server_name(&self, wants: Wants) -> Result<String, String> {
        let text = self.text(wants)?;
        let problem = if !(IRC_NAME_BYTES_MIN..=IRC_NAME_BYTES_MAX).contains(&text.len())
            || !text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.'))
        {
            format!("is not {wants}")
        } else if text.starts_with(['-', '.']) || text.ends_with(['-', '.']) {
            "begins or ends with - or .".to_owned()
        } else if !text.contains('.') {
            "has no dot, so it could be the nick of a person".to_owned()
        } else {
            return Ok(text.to_owned());
        };
        Err(format!("{} {problem}: write it as nightjar.irc", shown(text)))
    }

    pub(super) fn addresses(&self, wants: Wants) -> Result<Vec<Address>, String> {
        let texts: Vec<&str> = match self {
            Self::List(list) => list.iter().map(String::as_str).collect(),
            // A variable has room for one text.
            Self::Text(text) => {
                text.split([',', ' ', '\t', '\n', '\r']).map(str::trim).filter(|text| !text.is_empty()).collect()
            }
            Self::Number(_) | Self::Bool(_) | Self::Path(_) => return Err(self.misfit(wants)),
        };
        if texts.len() > CONNECT_MAX {
            return Err(format!("{} addresses are too many: the most is {CONNECT_MAX}", texts.len()));
        }
        let mut addresses = Vec::with_capacity(texts.len());
        for text in texts {
            let address = text.parse().map_err(|error| cut(&format!("{error}")))?;
            if !addresses.contains(&address) {
                addresses.push(address);
            }
        }
        Ok(addresses)
    }

    pub(super) fn proxy(&self, wants: Wants) -> Result<String, String> {
        let text = self.text(wants)?;
        // A password is not even repeated in the error.
        if text.contains('@') {
            return Err("a proxy that wants user and password is not supported: give host:port of one that lets this machine in without".into());
        }
        let rest = text.strip_prefix("socks5://").or_else(|| text.strip_prefix("socks5h://")).unwrap_or(text);
        match rest.parse::<Address>() {
            Ok(address) if address.kind == LinkKind::Tls => Ok(address.to_string()),
            Ok(_) | Err(_) => Err(format!("{} is no host:port: write it as 127.0.0.1:9050", shown(text))),
        }
    }

    pub(super) fn host_port(&self, wants: Wants) -> Result<String, String> {
        let text = self.text(wants)?;
        let rest = text.strip_prefix("http://").unwrap_or(text);
        match rest.strip_suffix('/').unwrap_or(rest).parse::<Address>() {
            Ok(address) if address.kind == LinkKind::Tls => Ok(address.to_string()),
            Ok(_) | Err(_) => Err(format!("{} is no host:port: write it as 127.0.0.1:4003", shown(text))),
        }
    }

    pub(super) fn choice(&self, wants: Wants) -> Result<&str, String> {
        let text = self.text(wants)?;
        let Wants::Choice(choices) = wants else { return Err(self.misfit(wants)) };
        if choices.contains(&text) {
            return Ok(text);
        }
        let meant = closest(text, choices.iter().copied());
        let meant = meant.map(|meant| format!("; did you mean {meant:?}?")).unwrap_or_default();
        Err(format!("{} is not {wants}{meant}", shown(text)))
    }

    pub(super) fn number(&self, wants: Wants) -> Result<u64, String> {
        let Wants::Number { min, max } = wants else { return Err(self.misfit(wants)) };
        let number = match self {
            Self::Number(number) => u64::try_from(*number).ok(),
            Self::Text(text) if text.bytes().all(|byte| byte.is_ascii_digit()) => text.parse().ok(),
            Self::Text(_) | Self::Bool(_) | Self::List(_) | Self::Path(_) => return Err(self.misfit(wants)),
        };
        number.filter(|number| (min..=max).contains(number)).ok_or_else(|| self.misfit(wants))
    }

    pub(super) fn truth(&self, wants: Wants) -> Result<bool, String> {
        match self {
            Self::Bool(value) => Ok(*value),
            Self::Text(text) => match text.to_ascii_lowercase().as_str() {
                "true" | "1" | "yes" | "on" => Ok(true),
                "false" | "0" | "no" | "off" => Ok(false),
                _ => Err(self.misfit(wants)),
            },
            Self::Number(_) | Self::List(_) | Self::Path(_) => Err(self.misfit(wants)),
        }
    }

    pub(super) fn text(&self, wants: Wants) -> Result<&str, String> {
        match self {
            Self::Text(text) if text.is_empty() => Err(format!("it is empty: it wants {wants}")),
            Self::Text(text) if text.len() > TEXT_BYTES_MAX => {
                Err(format!("{} bytes are too long: the most is {TEXT_BYTES_MAX}", text.len()))
            }
            Self::Text(text) => Ok(text),
            Self::Number(_) | Self::Bool(_) | Self::List(_) | Self::Path(_) => Err(self.misfit(wants)),
        }
    }

    /// The same in the form that a file has for it: a variable has only texts.
    pub(super) fn in_form_of(self, wants: Wants) -> Self {
        let meant = match wants {
            Wants::Number { .. } => {
                self.number(wants).ok().and_then(|number| i64::try_from(number).ok()).map(Self::Number)
            }
            Wants::Bool => self.truth(wants).ok().map(Self::Bool),
            Wants::Addresses => {
                let texts = |list: Vec<Address>| list.iter().map(Address::to_string).collect();
                self.addresses(wants).ok().map(|list| Self::List(texts(list)))
            }
            Wants::Path
            | Wants::SocketAddress
            | Wants::LoopbackAddress
            | Wants::LoopbackAddressOrOff
            | Wants::ServerName
            | Wants::Proxy
            | Wants::HostPort
            | Wants::Choice(_)
            | Wants::Text => None,
        };
        meant.unwrap_or(self)
    }

    fn misfit(&self, wants: Wants) -> String {
        match wants {
            // It could be one with a password.
            Wants::Proxy => format!("it wants {wants}, as a text"),
            _ => format!("it wants {wants}, not {}", cut(&self.to_string())),
        }
    }
}

impl fmt::Display for Value {
    /// As it is written in the file.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => write!(f, "{text:?}"),
            Self::Number(number) => write!(f, "{number}"),
            Self::Bool(value) => write!(f, "{value}"),
            Self::List(list) => write!(f, "{list:?}"),
            Self::Path(path) => write!(f, "{path:?}"),
        }
    }
}

impl fmt::Display for Wants {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path => f.write_str("a directory"),
            Self::SocketAddress => f.write_str("an IP address with a port"),
            Self::LoopbackAddress => f.write_str("an IP address of this machine alone with a port"),
            Self::LoopbackAddressOrOff => write!(f, "{}, or {OFF:?}", Self::LoopbackAddress),
            Self::ServerName => write!(
                f,
                "a name of {IRC_NAME_BYTES_MIN} to {IRC_NAME_BYTES_MAX} ASCII letters, digits, - and ., with a . inside"
            ),
            Self::Addresses => f.write_str("a list of host:port or pascal://host:port"),
            Self::Proxy => f.write_str("the host:port of a proxy"),
            Self::HostPort => f.write_str("the host:port of a daemon"),
            Self::Choice(choices) => {
                for (place, choice) in choices.iter().enumerate() {
                    let joint = if place == 0 { "" } else { " or " };
                    write!(f, "{joint}{choice:?}")?;
                }
                Ok(())
            }
            Self::Number { min, max } => write!(f, "a whole number from {min} to {max}"),
            Self::Bool => f.write_str("true or false"),
            Self::Text => f.write_str("a text"),
        }
    }
}

fn shown(text: &str) -> String {
    cut(&format!("{text:?}"))
}

/// A text of one line that is not longer than it is worth.
fn cut(text: &str) -> String {
    if text.chars().count() <= 2 * SHOWN_CHARS_MAX {
        return text.to_owned();
    }
    text.chars().take(SHOWN_CHARS_MAX).chain(" ... ".chars()).collect::<String>() + &tail(text)
}

fn tail(text: &str) -> String {
    text.chars().skip(text.chars().count().saturating_sub(SHOWN_CHARS_MAX)).collect()
}
