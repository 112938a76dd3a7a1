//! A gateway for IRC clients on this machine: channels and people of the flood, as an IRC server shows them.

pub mod ask;
mod caps;
mod client;
mod commands;
mod event;
mod feed;
mod hub;
pub mod line;
mod news;
mod numeric;
pub mod order;
pub mod peer;
mod people;
mod requests;
mod session;
mod show;
pub mod text;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use nightjar_node::handle::Handle;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};
use tokio::time::timeout;

use self::hub::{CLIENTS_MAX, Hub};
use crate::accept::accept;

/// How long clients may take to hear the last words.
const STOP_MS_MAX: u64 = 1_800;

/// What the gateway needs to know.
#[derive(Clone)]
pub struct IrcConfig {
    /// What it calls itself: a host name with a dot, so that no nick is like it.
    pub name: String,
    /// Whether authors that are heard join, and leave when they were silent for long.
    pub presence: bool,
    /// Who shows it is let in.
    pub token: String,
    /// The file it stands in: told to those who come without it.
    pub token_file: PathBuf,
}

impl fmt::Debug for IrcConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IrcConfig")
            .field("name", &self.name)
            .field("token_file", &self.token_file)
            .finish_non_exhaustive()
    }
}

/// Serves until `stop` changes or its sender is gone.
pub async fn serve(node: Handle, listener: TcpListener, config: IrcConfig, mut stop: watch::Receiver<()>) {
    let hub = Arc::new(Hub::new(node, config));
    let feed = tokio::spawn(feed::run(Arc::clone(&hub), stop.clone()));
    let mut clients = JoinSet::new();
    loop {
        let (stream, peer) = tokio::select! {
            accepted = accept(&listener) => accepted,
            // Fails when nobody wants the gateway any more.
            _ = stop.changed() => break,
            Some(ended) = clients.join_next() => {
                report(ended);
                hub.connections.send_replace(clients.len());
                continue;
            }
        };
        if clients.len() >= CLIENTS_MAX {
            turn_away(&stream);
            continue;
        }
        clients.spawn(client::run(Arc::clone(&hub), stream, peer, stop.clone()));
        hub.connections.send_replace(clients.len());
    }
    drop(listener);
    let ended = timeout(Duration::from_millis(STOP_MS_MAX), async {
        while let Some(ended) = clients.join_next().await {
            report(ended);
        }
        report(feed.await);
    });
    if ended.await.is_err() {
        tracing::debug!(clients = clients.len(), "IRC clients were given up at the end");
        clients.shutdown().await;
    }
}

/// The commands of the channel `&nightjar` as a table of Markdown: the page of docs holds it.
pub fn control_reference() -> String {
    commands::control::reference()
}

fn report(ended: Result<(), JoinError>) {
    if let Err(error) = ended {
        tracing::error!(%error, "an IRC client's task broke: this is a bug");
    }
}

/// Says that there is no place, as far as that can be said without waiting.
fn turn_away(stream: &TcpStream) {
    let full = format!("ERROR :Closing link: {CLIENTS_MAX} clients are the most\r\n");
    match stream.try_write(full.as_bytes()) {
        Ok(_) => tracing::debug!("an IRC client was turned away: all places are taken"),
        Err(error) => tracing::debug!(%error, "an IRC client was turned away unheard: all places are taken"),
    }
}
