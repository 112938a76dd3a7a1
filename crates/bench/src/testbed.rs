//! Nodes to measure, each on a data directory that goes with it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use nightjar_core::address::{Address, LinkKind};
use nightjar_core::record::{Record, Target};
use nightjar_core::router::Budgets;
use nightjar_node::clock::Clock;
use nightjar_node::config::Checked;
use nightjar_node::data_dir::DataDir;
use nightjar_node::engine::Node;
use nightjar_node::handle::{Handle, ListenTo, ListenWish};
use nightjar_node::message::{Destination, Draft};
use nightjar_node::window::WindowLimits;
use tempfile::TempDir;

use crate::measure::Failed;

/// Where everything goes.
pub(crate) const TARGET: Target = Target([0x4e; 16]);
/// The body of every record: a chat line of some length.
pub(crate) const BODY_BYTES: usize = 128;
/// Whatever does not come within it never comes.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// Whether the nodes have a window.
pub(crate) static WINDOW: AtomicBool = AtomicBool::new(true);

pub(crate) struct Bed {
    pub(crate) node: Node,
    _dir: DataDir,
    _temp: TempDir,
}

impl Bed {
    pub(crate) async fn start(budgets: bool) -> Result<Self, Failed> {
        Self::start_with(budgets, Clock::system()).await
    }

    /// The same with a clock that may be wrong.
    pub(crate) async fn start_with(budgets: bool, clock: Clock) -> Result<Self, Failed> {
        let temp = tempfile::tempdir()?;
        let path = temp.path().join("data");
        let dir = DataDir::open(&path)?;
        let config = Checked {
            listen: "127.0.0.1:0".parse()?,
            irc: None,
            discovery: false,
            budgets: budgets.then(Budgets::default),
            window: WINDOW.load(Ordering::Relaxed).then(WindowLimits::default),
            ..Checked::defaults(&path)
        };
        let node = Node::start(&config, &dir, clock).await?;
        Ok(Self { node, _dir: dir, _temp: temp })
    }

    pub(crate) fn handle(&self) -> &Handle {
        self.node.handle()
    }

    pub(crate) fn address(&self) -> Address {
        let listen = self.handle().about().listen;
        Address::new(LinkKind::Tls, listen.ip(), listen.port())
    }

    pub(crate) async fn connect(&self, address: Address) -> Result<(), Failed> {
        self.handle().add_peer(address).await.ok_or("the node ended")?;
        Ok(())
    }

    pub(crate) async fn listen(&self) -> Result<(), Failed> {
        let wish = ListenWish { to: ListenTo::Target(TARGET), lease_s: Some(600), lease: None };
        self.handle().listen(wish).await?;
        Ok(())
    }

    /// Waits until so many links are open.
    pub(crate) async fn linked(&self, links: usize) -> Result<(), Failed> {
        let mut status = self.handle().watch_status();
        tokio::time::timeout(PATIENCE, status.wait_for(|status| status.connections.len() >= links)).await??;
        Ok(())
    }
}

/// A draft that says when it was made, in nanoseconds of the caller's clock.
pub(crate) fn draft(made_ns: u64) -> Draft {
    let mut body = vec![b'.'; BODY_BYTES];
    body.splice(..8, made_ns.to_le_bytes());
    Draft { to: Destination::Target(TARGET), body, plain: false, lifetime_s: None }
}

/// When a record was made.
pub(crate) fn made_ns(record: &Record) -> u64 {
    record.body().first_chunk().map_or(0, |made| u64::from_le_bytes(*made))
}
