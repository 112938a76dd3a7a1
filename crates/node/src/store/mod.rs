//! What outlives a restart, in one SQLite file: the log of messages, what is listened to, the address book.
//!
//! One writer commits what waits in one go; reads have connections of their own. It never makes the engine
//! wait, and never loses a message without counting it. No SQL stands outside this room.

mod queue;
mod read;
mod schema;
mod writer;

use std::path::Path;
use std::sync::Arc;

use nightjar_core::record::Target;
use nightjar_core::router::KnownAddress;
use tokio::sync::watch;

use crate::handle::{ListenTo, PAGE_MESSAGES_MAX};
use crate::message::{Content, Filter, NewMessage, Page, Seq};

pub use queue::{QUEUE_BYTES_MAX, QUEUE_MESSAGES_MAX};
pub use read::PAGE_BYTES_MAX;
pub use schema::{OpenError, VERSION};

use queue::{Order, Queue};
use read::Readers;
use writer::Writer;

/// Messages kept when nothing else is said: eleven days of a channel in which somebody speaks every second.
pub const MESSAGES_MAX_DEFAULT: u64 = 1_000_000;
/// Bytes kept when nothing else is said: a million of the longest records would be more than a small disk likes.
pub const BYTES_MAX_DEFAULT: u64 = 256 << 20;
/// What a message costs beside its record or text.
pub const MESSAGE_BYTES_EXTRA: u64 = 64;
/// Targets that one filter may have. A name has two; each costs a read a search of its own.
pub const FILTER_TARGETS_MAX: usize = 64;
/// Kept names and targets that are read at start: far more than the engine listens to.
pub const LISTENS_MAX: usize = 65_536;
/// Addresses that are kept, and read at start: far more than the router remembers.
pub const ADDRESSES_MAX: usize = 65_536;

/// How much the log keeps; the oldest messages go first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoreLimits {
    /// Messages.
    pub messages_max: u64,
    /// Bytes of records and texts, with [`MESSAGE_BYTES_EXTRA`] for each message.
    pub bytes_max: u64,
}

impl Default for StoreLimits {
    fn default() -> Self {
        Self { messages_max: MESSAGES_MAX_DEFAULT, bytes_max: BYTES_MAX_DEFAULT }
    }
}

/// The store of a node. Cheap to clone; the writer ends, after what waits, with the last clone.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    queue: Arc<Queue>,
    readers: Arc<Readers>,
    stored: watch::Receiver<Seq>,
}

/// A read failed. Says what, of which file, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ReadError(pub String);

/// A write failed. Says what, of which file, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct WriteError(pub String);

impl Store {
    /// Opens or makes the file, brings it to the newest form, and starts its writer.
    pub fn open(path: &Path, limits: StoreLimits) -> Result<Self, OpenError> {
        let connection = schema::open_to_write(path)?;
        let queue = Arc::new(Queue::default());
        let readers = Arc::new(Readers::new(path));
        let (writer, stored) = Writer::new(connection, path, limits, Arc::clone(&queue), Arc::clone(&readers))
            .map_err(|error| OpenError::Unusable(schema::problem(path, &error)))?;
        std::thread::Builder::new()
            .name("store".into())
            .spawn(move || writer.run())
            .map_err(|error| OpenError::Unusable(format!("store {path:?}: its writer cannot start: {error}")))?;
        Ok(Self { inner: Arc::new(Inner { queue, readers, stored }) })
    }

    /// Hands messages to the writer without waiting; those that do not fit are counted in `not_stored`.
    /// A record that is in the log already is left as it is and gets no new seq.
    pub fn append(&self, messages: Vec<NewMessage>) {
        self.inner.queue.push_messages(messages);
    }

    /// The last seq that was committed. Ends when the store is closed.
    pub fn stored(&self) -> watch::Receiver<Seq> {
        self.inner.stored.clone()
    }

    /// Messages behind `since` that pass the filter, oldest first: at most `limit`, [`PAGE_MESSAGES_MAX`] and about
    /// [`PAGE_BYTES_MAX`]. A `since` beyond the last seq means: from the end on.
    pub async fn messages(&self, since: Seq, limit: usize, filter: &Filter) -> Result<Page, ReadError> {
        let mut targets: Vec<Target> = filter.targets.clone();
        targets.sort_unstable();
        targets.dedup();
        if targets.len() > FILTER_TARGETS_MAX {
            let have = targets.len();
            return Err(ReadError(format!("{have} targets in one filter: the most is {FILTER_TARGETS_MAX}")));
        }
        let limit = limit.clamp(1, PAGE_MESSAGES_MAX);
        self.inner.readers.read(move |connection| read::page(connection, since, limit, &targets)).await
    }

    /// What is kept as listened to, in the order in which it was begun.
    pub async fn listens(&self) -> Result<Vec<ListenTo>, ReadError> {
        self.inner.readers.read(read::listens).await
    }

    /// Keeps a listening. Done when it is on disk; what is called first is written first, whoever waits for it.
    pub fn keep_listen(&self, what: ListenTo) -> impl Future<Output = Result<(), WriteError>> + use<> {
        self.order(Order::KeepListen(what))
    }

    /// Forgets a listening. Done when it is on disk; what is called first is written first, whoever waits for it.
    pub fn drop_listen(&self, what: ListenTo) -> impl Future<Output = Result<(), WriteError>> + use<> {
        self.order(Order::DropListen(what))
    }

    /// The address book.
    pub async fn addresses(&self) -> Result<Vec<KnownAddress>, ReadError> {
        self.inner.readers.read(read::addresses).await
    }

    /// Replaces the address book, soon; never waits. What is handed over before it was written is replaced as well.
    pub fn save_addresses(&self, known: Vec<KnownAddress>) {
        self.inner.queue.push_addresses(known);
    }

    /// Messages that could not be stored since the store was opened.
    pub fn not_stored(&self) -> u64 {
        self.inner.queue.not_stored()
    }

    /// Writes what was handed over, and ends the writer. Nothing is stored or read afterwards.
    pub async fn close(&self) {
        self.inner.queue.close();
        let mut stored = self.inner.stored.clone();
        while stored.changed().await.is_ok() {}
    }

    fn order(&self, order: Order) -> impl Future<Output = Result<(), WriteError>> + use<> {
        let placed = self.inner.queue.push_order(order);
        async move {
            let closed = || Err(WriteError("the store is closed: the node is shutting down, start it again".into()));
            placed?.await.unwrap_or_else(|_| closed())
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.queue.close();
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("stored", &*self.inner.stored.borrow()).finish_non_exhaustive()
    }
}

/// What a message counts against the limits.
fn cost(content: &Content) -> u64 {
    let bytes = match content {
        Content::Record(record) => record.bytes().len(),
        Content::Wallet { text, .. } => text.len(),
    };
    bytes as u64 + MESSAGE_BYTES_EXTRA
}
