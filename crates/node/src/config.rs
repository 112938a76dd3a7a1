//! Settings: as typed, and as meant.

use std::net::SocketAddr;
use std::path::PathBuf;

use nightjar_core::address::Address;
use nightjar_core::chain::Network;
use nightjar_core::router::Budgets;

use crate::store::StoreLimits;

/// Settings as meant: nothing is left open.
#[derive(Clone, Debug, PartialEq)]
pub struct Checked {
    /// The data directory.
    pub data_dir: PathBuf,
    /// Where peers connect to.
    pub listen: SocketAddr,
    /// Where programs and people connect to.
    pub http: SocketAddr,
    /// Peers that are dialled for as long as the node runs.
    pub connect: Vec<Address>,
    /// Whether addresses that others tell are used.
    pub discovery: bool,
    /// Which network.
    pub network: Network,
    /// `host:port` of a SOCKS5 proxy for outgoing links.
    pub socks5: Option<String>,
    /// Filter of the log on stderr, in the form of tracing's EnvFilter.
    pub log: String,
    /// `None` = off.
    pub budgets: Option<Budgets>,
    /// Memory of the seen cache's dated table, bytes.
    pub seen_bytes: usize,
    /// How much the log keeps.
    pub store: StoreLimits,
}
