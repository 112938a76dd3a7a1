//! The loop that accepts connections, and the task of each: limits in number and time, and an end when it is asked for.

use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};

use super::http::Site;
use crate::accept::accept;
use crate::crowd::{Crowd, Evicted, Place};

/// Connections at one time. Programs of one machine: far more than there are, far below the files a process may open.
pub(super) const CONNECTIONS_MAX: usize = 256;
/// Bytes of a request's head.
pub(super) const HEAD_BYTES_MAX: usize = 16 << 10;
/// Headers of a request.
pub(super) const HEADERS_MAX: usize = 64;
/// How long a head may take, and so how long a connection may be idle.
pub(super) const HEAD_MS_MAX: u64 = 10_000;
/// How long a client may take to read an answer, and to ask again.
pub(super) const ANSWER_MS_MAX: u64 = 30_000;
/// How long requests may go on after the stop.
pub(super) const STOP_MS_MAX: u64 = 2_000;
/// How long a client that was refused while it was sending may go on sending, so that it reads why.
pub(super) const LINGER_MS_MAX: u64 = 1_000;

/// The limits, which tests make small.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) connections_max: usize,
    pub(super) head_ms_max: u64,
    pub(super) answer_ms_max: u64,
    pub(super) stop_ms_max: u64,
    pub(super) linger_ms_max: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections_max: CONNECTIONS_MAX,
            head_ms_max: HEAD_MS_MAX,
            answer_ms_max: ANSWER_MS_MAX,
            stop_ms_max: STOP_MS_MAX,
            linger_ms_max: LINGER_MS_MAX,
        }
    }
}

/// Accepts until `stop` changes or its sender is gone; returns when open requests have ended, or were given up.
pub(super) async fn run<N>(site: Site<N>, listener: TcpListener, limits: Limits, mut stop: watch::Receiver<()>)
where
    N: Clone + Send + Sync + 'static,
{
    let site = Arc::new(site);
    let crowd = Crowd::new(limits.connections_max);
    let mut tasks = JoinSet::new();
    loop {
        let (stream, _) = tokio::select! {
            accepted = accept(&listener) => accepted,
            // Fails when nobody wants the server any more.
            _ = stop.changed() => break,
            Some(ended) = tasks.join_next() => {
                report(ended);
                continue;
            }
        };
        match crowd.enter() {
            Some((place, evicted)) => {
                let connection = Connection { place: Arc::new(place), evicted, limits, stop: stop.clone() };
                tasks.spawn(connection.run(Arc::clone(&site), stream));
            }
            None => turn_away(&stream),
        }
    }
    drop(listener);
    let ended = timeout(Duration::from_millis(limits.stop_ms_max), async {
        while let Some(ended) = tasks.join_next().await {
            report(ended);
        }
    });
    if ended.await.is_err() {
        tracing::debug!(requests = tasks.len(), "requests were given up at the end");
        tasks.shutdown().await;
    }
}

fn report(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended {
        tracing::error!(%error, "a local connection's task broke: this is a bug");
    }
}

/// Says that there is no place, as far as that can be said without waiting.
fn turn_away(stream: &TcpStream) {
    const FULL: &[u8] =
        b"HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\ncontent-length: 0\r\nretry-after: 1\r\n\r\n";
    match stream.try_write(FULL) {
        Ok(_) => tracing::debug!("a local connection was turned away: all places are busy"),
        Err(error) => tracing::debug!(%error, "a local connection was turned away unheard: all places are busy"),
    }
}

struct Connection {
    place: Arc<Place>,
    evicted: Evicted,
    limits: Limits,
    stop: watch::Receiver<()>,
}

impl Connection {
    async fn run<N>(mut self, site: Arc<Site<N>>, stream: TcpStream)
    where
        N: Clone + Send + Sync + 'static,
    {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "a local connection broke before it began");
            return;
        }
        let place = Arc::clone(&self.place);
        let service = service_fn(move |request| {
            let (site, busy) = (Arc::clone(&site), place.busy());
            Box::pin(async move {
                let Some(_busy) = busy else { return std::future::pending().await };
                site.answer(request).await
            })
        });
        let mut connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(Duration::from_millis(self.limits.head_ms_max))
            .max_buf_size(HEAD_BYTES_MAX)
            .max_headers(HEADERS_MAX)
            .serve_connection(TokioIo::new(stream), service);
        let answer_limit = Duration::from_millis(self.limits.answer_ms_max);
        let mut look_at = Instant::now() + answer_limit;
        let mut stopping = false;
        loop {
            tokio::select! {
                // Dropped at each turn, which loses nothing: all state is in the connection.
                ended = poll_fn(|cx| connection.poll_without_shutdown(cx)) => {
                    if let Err(error) = ended {
                        tracing::debug!(%error, "a local connection ended");
                        return;
                    }
                    break;
                }
                // Fails when the place was given to another, who waits.
                _ = &mut self.evicted => return,
                // Fails when nobody wants the server any more.
                _ = self.stop.changed(), if !stopping => {
                    stopping = true;
                    std::pin::Pin::new(&mut connection).graceful_shutdown();
                }
                () = sleep_until(look_at) => match self.place.idle_since() {
                    Some(since) if since + answer_limit <= Instant::now() => {
                        tracing::debug!("a local connection was cut: its client does not read");
                        return;
                    }
                    Some(since) => look_at = since + answer_limit,
                    None => look_at = Instant::now() + answer_limit,
                },
            }
        }
        if !stopping {
            let limit = Duration::from_millis(self.limits.linger_ms_max);
            linger(connection.into_parts().io.into_inner(), limit).await;
        }
    }
}

/// Closes so that the other end can read the last answer: a socket closed with unread bytes in it would take it back.
async fn linger(mut stream: TcpStream, limit: Duration) {
    let mut sink = [0; 4096];
    let gone = timeout(limit, async {
        stream.shutdown().await?;
        while stream.read(&mut sink).await? > 0 {}
        Ok::<_, std::io::Error>(())
    });
    match gone.await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::trace!(%error, "a local connection broke at its end"),
        Err(_) => tracing::trace!("a local connection was closed while its client was still sending"),
    }
}

#[cfg(test)]
mod tests;
