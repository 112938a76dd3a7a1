//! Whole nodes in this process, each on a data directory of its own.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    unreachable_pub,
    dead_code,
    reason = "helpers of tests, each of which uses a part"
)]

use std::path::Path;
use std::time::Duration;

use nightjar_core::address::{Address, LinkKind};
use nightjar_node::clock::Clock;
use nightjar_node::config::Checked;
use nightjar_node::data_dir::DataDir;
use nightjar_node::engine::Node;
use nightjar_node::handle::{Handle, ListenTo, ListenWish, Status};
use nightjar_node::message::{Content, Draft, Filter, Message};
use tempfile::TempDir;

/// How long a test waits for a condition before it says that it does not come.
pub const PATIENCE: Duration = Duration::from_secs(60);

pub struct TestNode {
    pub node: Node,
    pub clock: Clock,
    pub dir: Option<DataDir>,
    pub temp: TempDir,
}

pub fn config(dir: &Path) -> Checked {
    let own = "127.0.0.1:0".parse().unwrap();
    Checked { listen: own, http: own, irc: None, discovery: false, seen_bytes: 1 << 20, ..Checked::defaults(dir) }
}

impl TestNode {
    pub async fn start(connect: &[Address]) -> Self {
        Self::start_with(connect, |_| {}).await
    }

    pub async fn start_with(connect: &[Address], change: impl FnOnce(&mut Checked)) -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), connect, change).await
    }

    pub async fn start_in(temp: TempDir, connect: &[Address], change: impl FnOnce(&mut Checked)) -> Self {
        Self::start_by(Clock::system(), temp, connect, change).await
    }

    /// Starts one whose wall clock is ahead by so much.
    pub async fn start_at(
        temp: TempDir,
        connect: &[Address],
        ahead_ms: i64,
        change: impl FnOnce(&mut Checked),
    ) -> Self {
        let clock = Clock::system();
        clock.step(ahead_ms);
        Self::start_by(clock, temp, connect, change).await
    }

    /// The same, with a clock that may be wrong from the start.
    pub async fn start_by(clock: Clock, temp: TempDir, connect: &[Address], change: impl FnOnce(&mut Checked)) -> Self {
        let path = temp.path().join("data");
        let dir = DataDir::open(&path).unwrap();
        let mut config = config(&path);
        config.connect = connect.to_vec();
        change(&mut config);
        let node = Node::start(&config, &dir, clock.clone()).await.unwrap();
        Self { node, clock, dir: Some(dir), temp }
    }

    pub fn handle(&self) -> &Handle {
        self.node.handle()
    }

    pub fn tls(&self) -> Address {
        self.address(LinkKind::Tls)
    }

    pub fn address(&self, kind: LinkKind) -> Address {
        let listen = self.handle().about().listen;
        Address::new(kind, listen.ip(), listen.port())
    }

    /// Ends it in good order; what is left is its directory.
    pub async fn stop(self) -> TempDir {
        self.node.stop().await;
        self.temp
    }

    pub async fn listen(&self, name: &str) {
        let to = ListenTo::Name(name.parse().unwrap());
        self.handle().listen(ListenWish { to, lease_s: None, lease: None }).await.unwrap();
    }

    pub async fn say(&self, name: &str, text: &str) {
        self.handle().publish(Draft::text(name.parse().unwrap(), text)).await.unwrap();
    }

    /// Waits until so many links are open.
    pub async fn linked(&self, count: usize) {
        self.until(|status| status.connections.len() == count).await;
    }

    /// Waits until the node's status fits.
    pub async fn until(&self, fits: impl Fn(&Status) -> bool) {
        let mut status = self.handle().watch_status();
        let waited = tokio::time::timeout(PATIENCE, status.wait_for(|status| fits(status))).await;
        assert!(waited.is_ok(), "it does not come: {:?}", self.handle().status());
    }

    /// Waits until the log has so many messages.
    pub async fn messages(&self, count: usize) -> Vec<Message> {
        let all = async {
            loop {
                let page = self.handle().messages(0, 1000, &Filter::default(), PATIENCE).await.unwrap();
                if page.messages.len() >= count {
                    return page.messages;
                }
                self.handle().messages(page.next, 1000, &Filter::default(), PATIENCE).await.unwrap();
            }
        };
        tokio::time::timeout(PATIENCE, all).await.expect("messages come")
    }

    pub async fn texts(&self, count: usize) -> Vec<String> {
        self.messages(count).await.iter().map(text).collect()
    }
}

pub fn text(message: &Message) -> String {
    match &message.content {
        Content::Record(record) => String::from_utf8_lossy(record.body()).into_owned(),
        Content::Wallet { text, .. } => String::from_utf8_lossy(text).into_owned(),
    }
}
