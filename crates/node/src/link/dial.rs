//! Opens connections: directly, or through a SOCKS5 proxy, which is then the one to resolve names.

use std::fmt::Display;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use nightjar_core::address::{Address, Host, is_public_ip};
use nightjar_core::link::LinkId;
use nightjar_core::router::Closed;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_socks::tcp::Socks5Stream;

use super::outbox::Queue;
use super::task::{self, Place};
use super::{LinkReport, Shared};

/// Addresses of one name that are tried, one after the other, within the time for all.
const ADDRESSES_PER_NAME_MAX: usize = 4;

/// Where a name may lead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    Anywhere,
    Internet,
}

pub(super) async fn dial(
    shared: Arc<Shared>,
    link: LinkId,
    address: Address,
    reach: Reach,
    queue: Queue,
    mut stop: watch::Receiver<()>,
) {
    let connected = tokio::select! {
        connected = connect(&shared, &address, reach) => connected.map_err(Closed::NotReached),
        () = queue.ended() => Err(Closed::ByUs),
        // Fails when nobody wants links any more.
        _ = stop.changed() => Err(Closed::ByUs),
    };
    match connected {
        Ok(stream) => {
            let session = shared.sessions.session(address.kind, true, &address, shared.options.clock.now());
            task::run(shared, stream, session, queue, Place::Dialled { link, stop }).await;
        }
        Err(why) => {
            // The engine may be gone as well: then there is nobody to tell.
            shared.reports.send(LinkReport::Closed { link, why }).await.unwrap_or_default();
        }
    }
}

async fn connect(shared: &Shared, address: &Address, reach: Reach) -> Result<TcpStream, String> {
    let limits = &shared.options.limits;
    let stream = if let Some(proxy) = &shared.options.socks5 {
        within(limits.proxy_ms_max, through_proxy(proxy, address)).await?
    } else {
        within(limits.connect_ms_max, directly(address, reach)).await?
    };
    stream.set_nodelay(true).map_err(|error| error.to_string())?;
    Ok(stream)
}

async fn within<E: Display>(
    limit_ms: u64,
    connect: impl Future<Output = Result<TcpStream, E>>,
) -> Result<TcpStream, String> {
    match timeout(Duration::from_millis(limit_ms), connect).await {
        Ok(connected) => connected.map_err(|error| error.to_string()),
        Err(_) => Err(format!("no connection within {} s", limit_ms / 1000)),
    }
}

async fn through_proxy(proxy: &str, address: &Address) -> Result<TcpStream, String> {
    let target = match &address.host {
        Host::Ip(ip) => Socks5Stream::connect(proxy, (*ip, address.port)).await,
        Host::Name(name) => Socks5Stream::connect(proxy, (name.as_str(), address.port)).await,
    };
    target.map(Socks5Stream::into_inner).map_err(|error| format!("the SOCKS5 proxy {proxy} could not: {error}"))
}

async fn directly(address: &Address, reach: Reach) -> io::Result<TcpStream> {
    let name = match &address.host {
        Host::Ip(ip) => return TcpStream::connect((*ip, address.port)).await,
        Host::Name(name) => name.as_str(),
    };
    let (kind, may) = match reach {
        Reach::Anywhere => ("address", true),
        Reach::Internet => ("address on the Internet", false),
    };
    let mut last = io::Error::new(io::ErrorKind::NotFound, format!("the name {name} has no {kind}"));
    let found = tokio::net::lookup_host((name, address.port)).await?;
    for found in found.filter(|found| may || is_public_ip(found.ip())).take(ADDRESSES_PER_NAME_MAX) {
        match TcpStream::connect(found).await {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(last)
}
