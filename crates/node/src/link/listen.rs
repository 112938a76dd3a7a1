//! One port for both protocols, which their first four bytes tell apart; anything else is closed without an answer.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use nightjar_core::address::LinkKind;
use nightjar_core::chain::Network;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::AsyncReadExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::half_open::{HalfOpenPlace, Outcome};
use super::task::{self, Place};
use super::{Shared, address_of, outbox};

/// Connections that the system keeps for us until we look.
const BACKLOG: i32 = 1024;
/// After the system had no socket for us (usually: too many open files) it is left alone for so long.
const ACCEPT_PAUSE_MS: u64 = 500;

/// A port that peers can connect to.
#[derive(Debug)]
pub struct Listener {
    listener: TcpListener,
    address: SocketAddr,
}

/// The port cannot be had.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}: {source}; {}", advice(.source))]
pub struct BindError {
    /// The address that was wanted.
    pub address: SocketAddr,
    /// What the system said.
    #[source]
    pub source: io::Error,
}

fn advice(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => "another program has this port: end it, or choose another port with --listen",
        io::ErrorKind::PermissionDenied => "ports below 1024 need rights: choose another port with --listen",
        io::ErrorKind::AddrNotAvailable => "this machine does not have that address: choose another with --listen",
        _ => "choose another address with --listen",
    }
}

impl Listener {
    /// Listens. `[::]` means all IPv6 and IPv4 addresses, and all IPv4 ones on a machine without IPv6; port 0 means any
    /// free port. Needs the runtime.
    pub fn bind(address: SocketAddr) -> Result<Self, BindError> {
        let everywhere = address.ip() == IpAddr::V6(Ipv6Addr::UNSPECIFIED);
        let result = match bind(address) {
            Err(error) if everywhere && is_without_ipv6(&error) => {
                bind(SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), address.port()))
            }
            other => other,
        };
        result.map_err(|source| BindError { address, source })
    }

    /// Where it listens: with the port that port 0 became.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }
}

fn bind(address: SocketAddr) -> io::Result<Listener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.ip() == IpAddr::V6(Ipv6Addr::UNSPECIFIED) {
        socket.set_only_v6(false)?;
    }
    // On Unix this only skips the minutes after an earlier listener; on Windows it would let others take the port.
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    let listener = TcpListener::from_std(socket.into())?;
    let address = listener.local_addr()?;
    Ok(Listener { listener, address })
}

fn is_without_ipv6(error: &io::Error) -> bool {
    // EAFNOSUPPORT has no kind of its own; a kernel with IPv6 switched off says that it has no such address.
    error.kind() == io::ErrorKind::AddrNotAvailable || matches!(error.raw_os_error(), Some(97 | 47 | 10047))
}

pub(super) async fn accept(shared: Arc<Shared>, listener: Listener, mut stop: watch::Receiver<()>) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.listener.accept() => accepted,
            // Fails when nobody wants links any more.
            _ = stop.changed() => return,
        };
        match accepted {
            Ok((stream, peer)) => {
                let group = address_of(peer, LinkKind::Tls).group();
                let place = shared.half_open.enter(group);
                tokio::spawn(tell_apart(Arc::clone(&shared), stream, peer, place, stop.clone()));
            }
            // The other end went away while it waited for us.
            Err(error) if matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset) => {
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                sleep(Duration::from_millis(ACCEPT_PAUSE_MS)).await;
            }
        }
    }
}

async fn tell_apart(
    shared: Arc<Shared>,
    mut stream: TcpStream,
    peer: SocketAddr,
    mut place: HalfOpenPlace,
    mut stop: watch::Receiver<()>,
) {
    let mut first = [0; 4];
    let limit = Duration::from_millis(shared.options.limits.first_bytes_ms_max);
    let kind = tokio::select! {
        read = timeout(limit, stream.read_exact(&mut first)) => match read {
            Ok(Ok(_)) => protocol(first, shared.options.network),
            Ok(Err(_)) | Err(_) => None,
        },
        () = place.evicted() => return,
        _ = stop.changed() => return,
    };
    let Some(kind) = kind else {
        place.count(Outcome::Unknown);
        return;
    };
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "a connection broke before it began");
        place.count(Outcome::Failed);
        return;
    }
    let address = address_of(peer, kind);
    let now = shared.options.clock.now();
    let mut session = shared.sessions.session(kind, false, &address, now);
    if let Err(fault) = session.receive(now, &first) {
        tracing::debug!(%fault, "a connection failed at its first bytes");
        place.count(Outcome::Failed);
        return;
    }
    let (outbox, queue) = outbox::outbox(&shared.room);
    task::run(shared, stream, session, queue, Place::Accepted { outbox, place, stop }).await;
}

/// The protocol that begins with these bytes.
fn protocol(first: [u8; 4], network: Network) -> Option<LinkKind> {
    let magic = match network {
        Network::Main => [0x80, 0x35, 0x04, 0x0a],
        Network::Test => [0x05, 0x00, 0x00, 0x05],
    };
    match first {
        [0x16, 0x03, ..] => Some(LinkKind::Tls),
        _ if first == magic => Some(LinkKind::Pascal),
        _ => None,
    }
}
