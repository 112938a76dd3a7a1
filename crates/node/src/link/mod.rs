//! Links to peers: the only place with sockets to them. One task per link moves bytes between its socket and its
//! `Session`, items from its outbox, and reports to the engine. Never decides who is a neighbour.
//!
//! Waiting points one way: a link waits for the engine, the engine never waits for a link.

mod dial;
mod half_open;
mod listen;
mod outbox;
mod task;

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use nightjar_core::address::{Address, LinkKind};
use nightjar_core::chain::Network;
use nightjar_core::fault::Fault;
use nightjar_core::item::{Batch, ByeCode, Control};
use nightjar_core::link::{LinkId, PeerInfo};
use nightjar_core::reconcile::Exchange;
use nightjar_core::record::Record;
use nightjar_core::router::Closed;
use nightjar_core::time::Now;
use nightjar_wire::session::Session;
use tokio::net::TcpStream;
use tokio::sync::{Notify, mpsc, oneshot, watch};

use self::dial::Reach;
use self::half_open::HalfOpen;
pub use self::listen::{BindError, Listener};
pub use self::outbox::{Aside, OUTBOX_DATED_MAX, OUTBOX_ITEMS_MAX, OUTBOX_PLAIN_MAX, Outbox};
use self::task::Place;
use crate::clock::Clock;

/// Reports that wait for the engine; a link beyond it waits, and its peer with it. A report holds the records of one
/// read, about 64 KiB: together they are bounded to some 16 MiB.
pub const REPORTS_MAX: usize = 256;

/// What a link tells the engine.
#[derive(Debug)]
pub enum LinkReport {
    /// The handshake of a link that we dialled is done.
    Opened {
        /// The link.
        link: LinkId,
        /// Who is at the other end.
        peer: PeerInfo,
    },
    /// The handshake of a connection that came to us is done. It becomes a link when the engine admits it; until
    /// then it is not read any further, and nothing else is reported of it.
    Accepted {
        /// Who is at the other end.
        peer: PeerInfo,
        /// What is to be sent on it.
        outbox: Outbox,
        /// The engine's answer. Dropping it closes the connection.
        admit: oneshot::Sender<Admission>,
    },
    /// Records of one read.
    Records {
        /// The link.
        link: LinkId,
        /// The records.
        batch: Batch,
    },
    /// Records that were asked for.
    Served {
        /// The link.
        link: LinkId,
        /// In which exchange, as of the peer.
        exchange: Exchange,
        /// The records.
        records: Vec<Record>,
    },
    /// Anything else that was said.
    Control {
        /// The link.
        link: LinkId,
        /// What.
        control: Control,
    },
    /// The peer did something wrong. If the fault ends the link, `Closed` follows.
    Fault {
        /// The link.
        link: LinkId,
        /// What it did.
        fault: Fault,
    },
    /// The link is gone, or the dial came to nothing; the last report of a link.
    Closed {
        /// The link.
        link: LinkId,
        /// Why.
        why: Closed,
    },
}

/// What becomes of a connection that came to us.
#[derive(Debug)]
pub enum Admission {
    /// It is a link from now on.
    Welcome(LinkId),
    /// It is told other addresses, and why there is no place, and is closed.
    Refused {
        /// Addresses to try instead.
        peers: Vec<Address>,
        /// For programs.
        code: ByeCode,
        /// For people.
        text: String,
    },
}

/// Makes the session of a connection. Closures of this form are factories.
pub trait SessionFactory: Send + Sync + 'static {
    /// The session of a connection of this kind that is open as of `now`: dialled by us (`outbound`) or accepted.
    fn session(&self, kind: LinkKind, outbound: bool, address: &Address, now: Now) -> Box<dyn Session>;
}

impl<F> SessionFactory for F
where
    F: Fn(LinkKind, bool, &Address, Now) -> Box<dyn Session> + Send + Sync + 'static,
{
    fn session(&self, kind: LinkKind, outbound: bool, address: &Address, now: Now) -> Box<dyn Session> {
        self(kind, outbound, address, now)
    }
}

/// What links need to know.
#[derive(Clone, Debug)]
pub struct LinkOptions {
    /// Tells the first bytes of a PascalCoin link apart from those of the other network.
    pub network: Network,
    /// `host:port` of a SOCKS5 proxy for outgoing links; then no name is resolved here.
    pub socks5: Option<String>,
    /// The node's clock.
    pub clock: Clock,
    /// How long and how much.
    pub limits: LinkLimits,
}

/// How long links wait, in milliseconds, and how many connections may be half open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkLimits {
    /// For the four bytes that tell the protocol. The handshake's time begins behind them.
    pub first_bytes_ms_max: u64,
    /// For name resolution and TCP, all addresses of a name together.
    pub connect_ms_max: u64,
    /// The same through a proxy, which may build a circuit first.
    pub proxy_ms_max: u64,
    /// Without a byte written for so long while some wait, the peer is one that does not read.
    pub write_ms_max: u64,
    /// For the last words of a link. All links together must end within the five seconds a shutdown may take.
    pub farewell_ms_max: u64,
    /// Connections to us whose handshake is not done; the oldest makes place for the newest. An honest handshake
    /// takes a few round trips, so whoever wants to keep honest ones out has to open hundreds a second.
    pub half_open_max: usize,
    /// Of them in one network group.
    pub half_open_per_group_max: usize,
}

impl Default for LinkLimits {
    fn default() -> Self {
        Self {
            first_bytes_ms_max: 10_000,
            connect_ms_max: 10_000,
            proxy_ms_max: 60_000,
            write_ms_max: 30_000,
            farewell_ms_max: 2_000,
            half_open_max: 256,
            half_open_per_group_max: 64,
        }
    }
}

/// What became of connections that came to us and did not become links.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AcceptCounters {
    /// Connections that came.
    pub accepted: u64,
    /// Closed because newer ones came before their handshake was done.
    pub evicted: u64,
    /// Closed because they began like no protocol of ours, or with nothing.
    pub unknown: u64,
    /// Closed because the handshake failed or was broken off.
    pub failed: u64,
    /// Sent away by the engine.
    pub refused: u64,
    /// Half open at this moment.
    pub half_open: usize,
}

/// Opens and accepts links. When it is dropped, nothing is dialled or accepted any more; links that are open go on
/// until their [`Outbox`] ends them, and when the last is gone the engine's receiver says so.
pub struct Links {
    shared: Arc<Shared>,
    /// Dropped with the last handle: what is not yet a link ends.
    _alive: watch::Sender<()>,
    stop: watch::Receiver<()>,
}

/// What every task of a link uses.
struct Shared {
    reports: mpsc::Sender<LinkReport>,
    sessions: Box<dyn SessionFactory>,
    options: LinkOptions,
    half_open: Arc<HalfOpen>,
    room: Arc<Notify>,
}

impl Links {
    /// Links that report to the receiver that comes with them; take many at once with `recv_many`.
    pub fn new(options: LinkOptions, sessions: impl SessionFactory) -> (Self, mpsc::Receiver<LinkReport>) {
        let (reports, receiver) = mpsc::channel(REPORTS_MAX);
        let (alive, stop) = watch::channel(());
        let half_open = Arc::new(HalfOpen::new(options.limits.half_open_max, options.limits.half_open_per_group_max));
        let room = Arc::default();
        let shared = Arc::new(Shared { reports, sessions: Box::new(sessions), options, half_open, room });
        (Self { shared, _alive: alive, stop }, receiver)
    }

    /// Opens a link: [`LinkReport::Opened`] follows, or only [`LinkReport::Closed`]. Ending the outbox before breaks
    /// the dial off. Needs the runtime, and returns at once.
    pub fn dial(&self, link: LinkId, address: Address) -> Outbox {
        self.dial_within(Reach::Anywhere, link, address)
    }

    /// The same for an address on the Internet that a stranger told: if it is a name, it is dialled only where it leads
    /// to the Internet. Whoever owns a name can point it into our own house.
    pub fn dial_public(&self, link: LinkId, address: Address) -> Outbox {
        self.dial_within(Reach::Internet, link, address)
    }

    fn dial_within(&self, reach: Reach, link: LinkId, address: Address) -> Outbox {
        let (outbox, queue) = outbox::outbox(&self.shared.room);
        tokio::spawn(dial::dial(Arc::clone(&self.shared), link, address, reach, queue, self.stop.clone()));
        outbox
    }

    /// Makes a link of a connection that is open already, as if it had been dialled.
    pub fn attach(&self, link: LinkId, stream: TcpStream, address: Address) -> Outbox {
        let (outbox, queue) = outbox::outbox(&self.shared.room);
        let session = self.shared.sessions.session(address.kind, true, &address, self.shared.options.clock.now());
        let place = Place::Dialled { link, stop: self.stop.clone() };
        tokio::spawn(task::run(Arc::clone(&self.shared), stream, session, queue, place));
        outbox
    }

    /// Accepts connections for as long as these `Links` live.
    pub fn accept(&self, listener: Listener) {
        tokio::spawn(listen::accept(Arc::clone(&self.shared), listener, self.stop.clone()));
    }

    /// Comes back when an outbox that was more than half full is not any more; perhaps without a reason.
    pub fn room(&self) -> impl Future<Output = ()> + Send + 'static {
        Arc::clone(&self.shared.room).notified_owned()
    }

    /// What became of connections that came to us.
    pub fn accept_counters(&self) -> AcceptCounters {
        self.shared.half_open.counters()
    }
}

impl fmt::Debug for Links {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Links").field("options", &self.shared.options).finish_non_exhaustive()
    }
}

/// Where a connection to us comes from, as an address of this kind.
fn address_of(peer: SocketAddr, kind: LinkKind) -> Address {
    Address::new(kind, peer.ip(), peer.port())
}
