//! Links with real sessions and sockets, and an engine that admits everyone and counts.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    unreachable_pub,
    dead_code,
    reason = "helpers of tests, each of which uses a part"
)]

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use nightjar_core::address::{Address, LinkKind};
use nightjar_core::chain::Network;
use nightjar_core::fault::Fault;
use nightjar_core::item::Item;
use nightjar_core::link::LinkId;
use nightjar_core::record::{Record, Target};
use nightjar_core::seen::{SeenTable, SeenView};
use nightjar_core::time::Now;
use nightjar_node::clock::Clock;
use nightjar_node::link::{Admission, LinkLimits, LinkOptions, LinkReport, Links, Listener, Outbox};
use nightjar_pasc::key::{Curve, PrivateKey};
use nightjar_wire::pascal::{Feature, PascalConfig, PascalSession};
use nightjar_wire::secure::channel::{Channel, Heard, Listen};
use nightjar_wire::secure::{CATCH_UP, NodeIdentity, SecureConfig, SecureLimits, SecureSession};
use nightjar_wire::session::Session;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::mpsc;

/// How long a test waits for a condition before it says that it does not come.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A node without an engine: its links, and what they report.
pub struct Side {
    pub links: Links,
    pub reports: mpsc::Receiver<LinkReport>,
    pub clock: Clock,
    next: u64,
}

impl Side {
    pub fn new(seed: u8) -> Self {
        Self::with_limits(seed, LinkLimits::default(), SecureLimits::default())
    }

    pub fn with_limits(seed: u8, limits: LinkLimits, secure: SecureLimits) -> Self {
        Self::with(seed, secure, |clock| LinkOptions { network: Network::Main, socks5: None, clock, limits })
    }

    pub fn with(seed: u8, secure: SecureLimits, options: impl FnOnce(Clock) -> LinkOptions) -> Self {
        let dated = SeenTable::new(1 << 12, 1 << 40, [1; 16]);
        let plain = SeenTable::new(1 << 12, 1 << 40, [2; 16]);
        let identity = NodeIdentity::from_seed([seed; 32]);
        let seen = SeenView::new(&dated, &plain);
        let node_key = PrivateKey::from_scalar(Curve::Secp256k1, &[seed; 32]).unwrap();
        let pascal = Arc::new(PascalConfig::new(Network::Main, node_key, Feature::HIDDEN, "test", seen.clone()));
        let config = SecureConfig::new(&identity, Network::Main, 0, "test", seen);
        let config = Arc::new(config.with_features(CATCH_UP).with_limits(secure));
        let clock = Clock::system();
        let (links, reports) =
            Links::new(options(clock.clone()), move |kind, outbound, address: &Address, now: Now| {
                let address = address.clone();
                match kind {
                    LinkKind::Tls => {
                        Box::new(SecureSession::new(Arc::clone(&config), outbound, address, now)) as Box<dyn Session>
                    }
                    LinkKind::Pascal => {
                        Box::new(PascalSession::new(Arc::clone(&pascal), outbound, address, now, [seed; 32]))
                    }
                }
            });
        Self { links, reports, clock, next: 0 }
    }

    pub fn listen(&self) -> SocketAddr {
        let listener = Listener::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = listener.address();
        self.links.accept(listener);
        address
    }

    pub fn new_link(&mut self) -> LinkId {
        self.next += 1;
        LinkId::new(u8::try_from(self.next % 128).unwrap(), self.next)
    }

    pub async fn report(&mut self) -> LinkReport {
        tokio::time::timeout(PATIENCE, self.reports.recv()).await.expect("a report comes").expect("links live")
    }

    /// Waits for a connection from outside and makes a link of it.
    pub async fn admit(&mut self) -> (LinkId, Outbox) {
        match self.report().await {
            LinkReport::Accepted { outbox, admit, .. } => {
                let link = self.new_link();
                admit.send(Admission::Welcome(link)).unwrap();
                (link, outbox)
            }
            other => panic!("{other:?}"),
        }
    }

    pub fn dial(&mut self, to: SocketAddr) -> (LinkId, Outbox) {
        let link = self.new_link();
        (link, self.links.dial(link, tls_address(to)))
    }

    pub fn dial_pascal(&mut self, to: SocketAddr) -> (LinkId, Outbox) {
        let link = self.new_link();
        (link, self.links.dial(link, Address::new(LinkKind::Pascal, to.ip(), to.port())))
    }

    /// Waits until a link is closed, and why; other reports are passed over.
    pub async fn closed(&mut self) -> (LinkId, nightjar_core::router::Closed) {
        loop {
            if let LinkReport::Closed { link, why } = self.report().await {
                return (link, why);
            }
        }
    }
}

pub fn tls_address(to: SocketAddr) -> Address {
    Address::new(LinkKind::Tls, to.ip(), to.port())
}

/// A connection whose buffers in the kernel are small, so that it is full at once.
pub async fn narrow(to: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_send_buffer_size(4096).unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    socket.connect(to).await.unwrap()
}

/// A record that lives, another for each number.
pub fn record(now: Now, number: u64) -> Item {
    let expiry = now.wall.unix_s() + 600;
    let record = Record::dated(Target([7; 16]), &[0x61; 128], expiry, 0, number.to_le_bytes()).unwrap();
    Item::Record { record, tag: 0 }
}

/// A peer that has shaken hands over a socket and from then on does what the test says.
pub struct Raw {
    pub stream: TcpStream,
    pub channel: Channel,
    pub heard: Vec<u8>,
}

struct Ear<'a>(&'a mut Vec<u8>);

impl Listen for Ear<'_> {
    fn heard(&mut self, _: Heard) -> Result<(), Fault> {
        Ok(())
    }

    fn plaintext(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }
}

impl Raw {
    pub async fn connect(seed: u8, stream: TcpStream) -> Self {
        let table = || SeenTable::new(64, 1 << 40, [1; 16]);
        let identity = NodeIdentity::from_seed([seed; 32]);
        let config = SecureConfig::new(&identity, Network::Main, 0, "raw", SeenView::new(&table(), &table()));
        let mut raw = Self { stream, channel: config.channel(true), heard: Vec::new() };
        while raw.heard.is_empty() {
            raw.flush().await;
            raw.hear().await;
        }
        // OPEN: version 1, main network, no features, no port, some clock, no agent.
        raw.channel.write(&[1, 0, 19, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        raw.flush().await;
        raw
    }

    pub fn sealed(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.channel.transmit(&mut bytes);
        bytes
    }

    pub async fn flush(&mut self) {
        let bytes = self.sealed();
        self.stream.write_all(&bytes).await.unwrap();
    }

    /// One read; `false` at the end of the connection.
    pub async fn hear(&mut self) -> bool {
        let mut bytes = [0; 16 * 1024];
        let read = tokio::time::timeout(PATIENCE, self.stream.read(&mut bytes)).await.expect("something comes");
        let count = read.unwrap_or(0);
        self.channel.receive(&bytes[..count], &mut Ear(&mut self.heard)).unwrap();
        count > 0
    }

    /// The types of all frames that were heard; those of records are 2.
    pub fn frames(&self) -> Vec<u8> {
        let mut types = Vec::new();
        let mut rest = self.heard.as_slice();
        while let [kind, _, a, b, c, ..] = *rest {
            types.push(kind);
            rest = &rest[5 + u32::from_le_bytes([a, b, c, 0]) as usize..];
        }
        types
    }
}

/// Waits until the other end has closed the connection, whatever comes before.
pub async fn until_closed(stream: &mut TcpStream) {
    let mut bytes = [0; 4096];
    let closed = async { while stream.read(&mut bytes).await.is_ok_and(|count| count > 0) {} };
    tokio::time::timeout(PATIENCE, closed).await.expect("the connection is closed");
}

/// Waits for a condition.
pub async fn until(condition: impl Fn() -> bool) {
    let holds = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(PATIENCE, holds).await.expect("the condition comes true");
}
