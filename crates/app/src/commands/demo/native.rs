//! A Nightjar node of the demonstration: started by the function that `run` uses, on a directory and ports of its own,
//! and somebody who reads its log and notes when each message came.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use nightjar_core::address::{Address, LinkKind};
use nightjar_core::name::TypedName;
use nightjar_core::record::Record;
use nightjar_node::clock::Clock;
use nightjar_node::data_dir::DataDir;
use nightjar_node::handle::{Handle, ListenTo, ListenWish, PAGE_MESSAGES_MAX, Status};
use nightjar_node::message::{Content, Draft, Filter, Message, Receipt};
use tempfile::TempDir;
use tokio::task::JoinHandle;

use crate::commands::settings;
use crate::exit::Failure;
use crate::serve::{Running, serve};

/// One look into the log waits so long for the next message.
const READ_MS: u64 = 1_000;

/// A node and its reader.
pub(super) struct Native {
    /// What the table calls it.
    pub(super) name: String,
    running: Running,
    log: Arc<Mutex<Vec<Noted>>>,
    reader: JoinHandle<()>,
    /// Removed when it is dropped, after all that uses it.
    dir: TempDir,
}

/// A message of somebody else, and when it was in the log.
#[derive(Clone, Debug)]
pub(super) struct Noted {
    /// The record.
    pub(super) record: Record,
    /// When the reader had it.
    pub(super) at: Instant,
}

impl Native {
    /// Starts it, with links to these addresses.
    pub(super) async fn start(name: String, connect: Vec<Address>) -> Result<Self, Failure> {
        let dir = tempfile::Builder::new()
            .prefix("nightjar-demo-")
            .tempdir()
            .map_err(|error| Failure::failed(format!("no temporary directory can be made: {error}")))?;
        let config = settings::for_demo(dir.path(), connect);
        let held = DataDir::open(dir.path()).map_err(Failure::failed)?;
        let running = serve(config, held, Clock::system()).await?;
        let log = Arc::default();
        let reader = tokio::spawn(read(running.handle().clone(), Arc::clone(&log)));
        Ok(Self { name, running, log, reader, dir })
    }

    /// Where its peers reach it.
    pub(super) fn address(&self, kind: LinkKind) -> Address {
        let listen = self.running.ready().listen;
        Address::new(kind, listen.ip(), listen.port())
    }

    /// Its directory, ports and token file.
    pub(super) const fn running(&self) -> &Running {
        &self.running
    }

    /// How it is doing.
    pub(super) fn status(&self) -> Arc<Status> {
        self.running.handle().watch_status().borrow().clone()
    }

    /// Links of a kind that are open, in words for the table.
    pub(super) fn links(&self) -> String {
        links_in_words(self.status().connections.iter().map(|connection| connection.peer.kind))
    }

    /// Begins to listen, as `rpc listen` does.
    pub(super) async fn listen(&self, name: &str) -> Result<(), Failure> {
        let name: TypedName = name.parse().map_err(Failure::failed)?;
        let wish = ListenWish { to: ListenTo::Name(name), lease_s: None, lease: None };
        self.running.handle().listen(wish).await.map(|_| ()).map_err(Failure::failed)
    }

    /// Sends.
    pub(super) async fn send(&self, to: &str, body: &[u8]) -> Result<Receipt, Failure> {
        let name: TypedName = to.parse().map_err(Failure::failed)?;
        let draft = Draft { body: body.to_vec(), ..Draft::text(name, "") };
        self.running.handle().publish(draft).await.map_err(Failure::failed)
    }

    /// What others sent and it has kept, in the order of its log.
    pub(super) fn noted(&self) -> Vec<Noted> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Ends it, and removes its directory.
    pub(super) async fn stop(self) {
        let Self { name, running, log: _, reader, dir } = self;
        reader.abort();
        if !running.stop().await {
            super::progress(&format!("{name} did not end in time"));
        }
        if let Err(error) = dir.close() {
            super::progress(&format!("the directory of {name} cannot be removed: {error}"));
        }
    }
}

/// `3 tls, 1 pascal`
pub(super) fn links_in_words(kinds: impl Iterator<Item = LinkKind>) -> String {
    let mut counted: BTreeMap<LinkKind, usize> = BTreeMap::new();
    for kind in kinds {
        *counted.entry(kind).or_default() += 1;
    }
    let words: Vec<String> = counted.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
    if words.is_empty() { "none".to_owned() } else { words.join(", ") }
}

/// Reads the node's log for as long as it is there.
async fn read(handle: Handle, log: Arc<Mutex<Vec<Noted>>>) {
    let mut since = 0;
    loop {
        let wait = Duration::from_millis(READ_MS);
        let Ok(page) = handle.messages(since, PAGE_MESSAGES_MAX, &Filter::default(), wait).await else {
            // The node has ended; if it should not have, what is missing in the log says so.
            return;
        };
        since = page.next;
        let at = Instant::now();
        let others = page.messages.into_iter().filter_map(|message| match message {
            Message { own: false, content: Content::Record(record), .. } => Some(Noted { record, at }),
            _ => None,
        });
        log.lock().unwrap_or_else(PoisonError::into_inner).extend(others);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_counted_by_kind() {
        assert_eq!(links_in_words([LinkKind::Pascal, LinkKind::Tls, LinkKind::Tls].into_iter()), "2 tls, 1 pascal");
        assert_eq!(links_in_words(std::iter::empty()), "none");
    }
}
