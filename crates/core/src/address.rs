//! Where a peer is reached. Never resolves a name: that is done where the socket is opened.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

/// The port Nightjar listens on when none is given.
pub const PORT_DEFAULT: u16 = 4038;
/// The port of PascalCoin's main network.
pub const PASCAL_PORT_MAIN: u16 = 4004;
/// The longest host name (RFC 1035, 2.3.4).
pub const HOST_BYTES_MAX: usize = 253;
/// The longest part between two dots of one (RFC 1035, 2.3.4).
const LABEL_BYTES_MAX: usize = 63;

/// The protocol spoken on a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LinkKind {
    /// TLS 1.3 between Nightjar nodes.
    Tls,
    /// PascalCoin's own protocol.
    Pascal,
}

/// Where a peer is reached, and by which protocol: `host:port` means TLS, `pascal://host:port` a PascalCoin link.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    /// The protocol.
    pub kind: LinkKind,
    /// Host name or IP address.
    pub host: Host,
    /// TCP port, never 0.
    pub port: u16,
}

/// A host, by address or by name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Host {
    /// An IP address; IPv4 addresses in IPv6 form are stored as IPv4.
    Ip(IpAddr),
    /// A name in ASCII, lower case.
    Name(String),
}

/// Addresses that one operator is likely to hold together: /16 of IPv4, /32 of IPv6, a name by itself.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NetworkGroup {
    /// The first two bytes of an IPv4 address.
    V4([u8; 2]),
    /// The first four bytes of an IPv6 address.
    V6([u8; 4]),
    /// A host name.
    Name(String),
}

/// The text is no address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// No port, or none that can be dialled.
    #[error("address {0:?} needs a port from 1 to 65535, as in 192.0.2.7:4038 or [2001:db8::7]:4038")]
    Port(String),
    /// The host is neither an IP address nor a host name.
    #[error("address {0:?} has no host that could be reached: give an IP address (IPv6 in [ ]) or a host name")]
    Host(String),
    /// Another protocol before `://`.
    #[error(
        "address {0:?} names a protocol that does not exist here: leave it out for TLS, or write pascal://host:port"
    )]
    Scheme(String),
}

impl Address {
    /// An address by IP.
    pub fn new(kind: LinkKind, ip: IpAddr, port: u16) -> Self {
        Self { kind, host: Host::Ip(ip.to_canonical()), port }
    }

    /// The group it belongs to.
    pub fn group(&self) -> NetworkGroup {
        match &self.host {
            Host::Ip(IpAddr::V4(ip)) => {
                let [a, b, _, _] = ip.octets();
                NetworkGroup::V4([a, b])
            }
            Host::Ip(IpAddr::V6(ip)) => {
                let [a, b, c, d, ..] = ip.octets();
                NetworkGroup::V6([a, b, c, d])
            }
            Host::Name(name) => NetworkGroup::Name(name.clone()),
        }
    }

    /// Whether strangers on the Internet can reach it, and so whether it is worth handing on.
    pub fn is_public(&self) -> bool {
        match &self.host {
            Host::Ip(ip) => is_public_ip(*ip),
            Host::Name(name) => name.contains('.') && !name.ends_with(".localhost") && !name.ends_with(".local"),
        }
    }
}

/// Whether an IP address is routed on the Internet (RFC 6890 without the exotic parts).
pub fn is_public_ip(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(ip) => {
            let [a, b, ..] = ip.octets();
            let shared = a == 100 && (64..128).contains(&b);
            let benchmark = a == 198 && (18..20).contains(&b);
            !(ip.is_private()
                || ip.is_loopback()
                || ip.is_link_local()
                || ip.is_unspecified()
                || ip.is_broadcast()
                || ip.is_documentation()
                || a == 0
                || a >= 224
                || shared
                || benchmark)
        }
        IpAddr::V6(ip) => is_public_ipv6(ip),
    }
}

fn is_public_ipv6(ip: Ipv6Addr) -> bool {
    let [first, second, ..] = ip.segments();
    let documentation = first == 0x2001 && second == 0x0db8;
    let global = first & 0xe000 == 0x2000;
    global && !documentation
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let (kind, rest) = match text.split_once("://") {
            None => (LinkKind::Tls, text),
            Some(("pascal", rest)) => (LinkKind::Pascal, rest),
            Some(_) => return Err(AddressError::Scheme(text.to_owned())),
        };
        let (host, port) = rest.rsplit_once(':').ok_or_else(|| AddressError::Port(text.to_owned()))?;
        let digits = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
        let port: u16 =
            port.parse().ok().filter(|port| digits && *port > 0).ok_or_else(|| AddressError::Port(text.to_owned()))?;
        let host = parse_host(host).ok_or_else(|| AddressError::Host(text.to_owned()))?;
        Ok(Self { kind, host, port })
    }
}

impl FromStr for Host {
    type Err = AddressError;

    /// An IPv6 address stands in [ ], as it does before a port.
    fn from_str(text: &str) -> Result<Self, AddressError> {
        parse_host(text).ok_or_else(|| AddressError::Host(text.to_owned()))
    }
}

fn parse_host(text: &str) -> Option<Host> {
    if let Some(inner) = text.strip_prefix('[') {
        let ip: Ipv6Addr = inner.strip_suffix(']')?.parse().ok()?;
        return Some(Host::Ip(IpAddr::V6(ip).to_canonical()));
    }
    if let Ok(ip) = text.parse::<std::net::Ipv4Addr>() {
        return Some(Host::Ip(IpAddr::V4(ip)));
    }
    let label = |part: &str| {
        !part.is_empty()
            && part.len() <= LABEL_BYTES_MAX
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
            && !part.starts_with('-')
            && !part.ends_with('-')
    };
    let last = text.rsplit('.').next().unwrap_or(text);
    let named = text.len() <= HOST_BYTES_MAX && text.split('.').all(label) && !is_number(last);
    named.then(|| Host::Name(text.to_ascii_lowercase()))
}

/// Resolvers read a host of which the last part is a number as an IPv4 address in an old form (0x7f.1 is
/// 127.0.0.1), so that it would lead where its text does not say.
fn is_number(label: &str) -> bool {
    match label.strip_prefix("0x").or_else(|| label.strip_prefix("0X")) {
        Some(digits) => digits.bytes().all(|byte| byte.is_ascii_hexdigit()),
        None => label.bytes().all(|byte| byte.is_ascii_digit()),
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(IpAddr::V6(ip)) => write!(f, "[{ip}]"),
            Self::Ip(ip) => write!(f, "{ip}"),
            Self::Name(name) => f.write_str(name),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.kind {
            LinkKind::Tls => "",
            LinkKind::Pascal => "pascal://",
        };
        write!(f, "{scheme}{}:{}", self.host, self.port)
    }
}

impl fmt::Display for LinkKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tls => "tls",
            Self::Pascal => "pascal",
        })
    }
}
