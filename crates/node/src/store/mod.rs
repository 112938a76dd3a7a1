//! What outlives a restart, in one SQLite file: the log of messages, who is known, what is listened to, the address book.
//!
//! One writer commits what waits in one go; reads have connections of their own. It never makes the engine
//! wait, and never loses a message without counting it. No SQL about it stands outside this room.

mod copy;
mod erased;
mod events;
mod history;
mod log;
mod outbox;
mod overwrite;
mod people;
mod queue;
mod read;
mod schema;
mod search;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use nightjar_core::router::KnownAddress;
use nightjar_core::time::Wall;
use tokio::sync::watch;

use crate::handle::{ListenTo, PAGE_MESSAGES_MAX};
use crate::message::{
    Content, Conversation, Erase, EventPage, Filter, Found, History, Logged, Message, NewMessage, Page, Said, Search,
    Seq,
};

pub use copy::{check, copy};
pub use history::EMPTY_READ_MAX;
pub use outbox::{Again, Outgoing, Way};
pub use people::{Change, Ended, Joined, Pair, People, Pin, Proof, Relation};
pub use queue::{QUEUE_BYTES_MAX, QUEUE_MESSAGES_MAX};
pub use read::PAGE_BYTES_MAX;
pub(crate) use schema::passes;
pub use schema::{OpenError, VERSION};
pub use search::{CONVERSATIONS_MAX, SEARCH_WORDS_MAX, UNREAD_COUNTED_MAX};

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

/// Looks at what came before it is written: what it says, and what that changes. Called by the writer's thread.
pub trait Opener: Send {
    /// Opens these, in their order.
    fn open(&mut self, came: Vec<NewMessage>) -> Opened;
}

/// What became of messages that came.
#[derive(Debug, Default)]
pub struct Opened {
    /// Those that go into the log.
    pub messages: Vec<NewMessage>,
    /// What is to be changed with them.
    pub changes: Vec<Change>,
}

/// Stores everything as it came.
#[derive(Clone, Copy, Debug)]
struct Unopened;

impl Opener for Unopened {
    fn open(&mut self, came: Vec<NewMessage>) -> Opened {
        Opened { messages: came, changes: Vec::new() }
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
    aside: Option<PathBuf>,
}

/// How storing goes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Storing {
    /// Messages that wait for the disk.
    pub waiting: u64,
    /// Messages that could not be stored since the store was opened.
    pub not_stored: u64,
    /// Why nothing can be stored now, and what to do; `None` when the last try worked.
    pub problem: Option<String>,
}

/// A read failed. Says what, of which file, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ReadError(pub String);

/// A write failed. Says what, of which file, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct WriteError(pub String);

/// Messages could not all be erased.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EraseError {
    /// They could not be found.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// They could not be written over.
    #[error(transparent)]
    Write(#[from] WriteError),
}

/// It could not be said that a conversation was read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MarkError {
    /// It was written down, but not what holds now.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// It could not be written down.
    #[error(transparent)]
    Write(#[from] WriteError),
}

impl Store {
    /// Opens or makes the file, brings it to the newest form, and starts its writer. Everything is stored as it comes.
    pub fn open(path: &Path, limits: StoreLimits) -> Result<Self, OpenError> {
        Self::open_with(path, limits, |_| Unopened)
    }

    /// The same, with somebody who looks at what comes. He is made when what is known of people was read.
    pub fn open_with<O: Opener + 'static>(
        path: &Path,
        limits: StoreLimits,
        opener: impl FnOnce(People) -> O,
    ) -> Result<Self, OpenError> {
        let unusable = |error| schema::unusable(path, &error);
        let (connection, people, aside) = match in_order(path) {
            Ok((connection, people)) => (connection, people, None),
            Err(OpenError::Damaged(fault)) => {
                let aside = copy::set_aside(path).map_err(|error| {
                    OpenError::Unusable(format!("{fault}, but it cannot be put aside ({error}): move it away"))
                })?;
                tracing::error!(
                    "{fault}; it lies now as {aside:?}, and a new store is made: messages, contacts and joined channels are gone until a backup is restored (`sqlite3 FILE .recover` may bring some back)"
                );
                let (connection, people) = in_order(path)?;
                (connection, people, Some(aside))
            }
            Err(error) => return Err(error),
        };
        let opener = Box::new(opener(people));
        let queue = Arc::new(Queue::default());
        let readers = Arc::new(Readers::new(path));
        let (writer, stored) = Writer::new(connection, path, limits, opener, Arc::clone(&queue), Arc::clone(&readers))
            .map_err(unusable)?;
        std::thread::Builder::new()
            .name("store".into())
            .spawn(move || writer.run())
            .map_err(|error| OpenError::Unusable(format!("store {path:?}: its writer cannot start: {error}")))?;
        Ok(Self { inner: Arc::new(Inner { queue, readers, stored, aside }) })
    }

    /// Where a damaged file was put when this store was opened, if it was.
    pub fn put_aside(&self) -> Option<&Path> {
        self.inner.aside.as_deref()
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
        let (limit, filter) = (limit.clamp(1, PAGE_MESSAGES_MAX), narrow(filter)?);
        self.inner.readers.read(move |connection| read::page(connection, since, limit, &filter)).await
    }

    /// The same with all that happened to messages and to their authors.
    pub async fn events(&self, since: Seq, limit: usize, filter: &Filter) -> Result<EventPage, ReadError> {
        let (limit, filter) = (limit.clamp(1, PAGE_MESSAGES_MAX), narrow(filter)?);
        self.inner.readers.read(move |connection| events::page(connection, since, limit, &filter)).await
    }

    /// Messages in which words are, newest first: at most [`PAGE_MESSAGES_MAX`] and about [`PAGE_BYTES_MAX`].
    pub async fn search(&self, wanted: Search) -> Result<Found, ReadError> {
        let have = wanted.conversations.len();
        if have > FILTER_TARGETS_MAX {
            return Err(ReadError(format!("{have} conversations in one search: the most is {FILTER_TARGETS_MAX}")));
        }
        let wanted = Search { limit: wanted.limit.clamp(1, PAGE_MESSAGES_MAX), ..wanted };
        self.inner.readers.read(move |connection| search::search(connection, &wanted)).await
    }

    /// All conversations, those in which something was said last first; [`CONVERSATIONS_MAX`] at the most.
    pub async fn conversations(&self) -> Result<Vec<Conversation>, ReadError> {
        self.inner.readers.read(search::conversations).await
    }

    /// Messages in the order in which they are shown, oldest first: at most [`PAGE_MESSAGES_MAX`] and about [`PAGE_BYTES_MAX`], of those
    /// that are wanted the first or the last.
    pub async fn history(&self, wanted: History) -> Result<Vec<Message>, ReadError> {
        few_conversations(&wanted.conversations)?;
        let wanted = History { limit: wanted.limit.clamp(1, PAGE_MESSAGES_MAX), ..wanted };
        self.inner.readers.read(move |connection| history::history(connection, &wanted)).await
    }

    /// The message in one of these conversations whose id begins with these bytes; of several the one that is shown first.
    pub async fn find_message(&self, conversations: &[String], id: &[u8]) -> Result<Option<Message>, ReadError> {
        few_conversations(conversations)?;
        let (conversations, id) = (conversations.to_vec(), id.to_vec());
        self.inner.readers.read(move |connection| history::find(connection, &conversations, &id)).await
    }

    /// Messages of others behind the place up to which a conversation was read: of those shown last at most `limit`,
    /// [`PAGE_MESSAGES_MAX`] and about [`PAGE_BYTES_MAX`], in the order in which they are shown.
    pub async fn unread(&self, conversation: &str, limit: usize) -> Result<Vec<Message>, ReadError> {
        let (conversation, limit) = (conversation.to_owned(), limit.clamp(1, PAGE_MESSAGES_MAX));
        self.inner.readers.read(move |connection| history::unread(connection, &conversation, limit)).await
    }

    /// Up to which moment of what is shown a conversation was read; `None` when it never was.
    pub async fn read_until(&self, conversation: &str) -> Result<Option<Wall>, ReadError> {
        let conversation = conversation.to_owned();
        self.inner.readers.read(move |connection| history::read_until(connection, &conversation)).await
    }

    /// Conversations whose last message is shown behind `after` and before `before`, and when that is, in the order of these times: the
    /// first `limit`, [`CONVERSATIONS_MAX`] at the most.
    pub async fn active_conversations(
        &self,
        after: Option<Wall>,
        before: Option<Wall>,
        limit: usize,
    ) -> Result<Vec<(String, Wall)>, ReadError> {
        self.inner.readers.read(move |connection| history::active(connection, after, before, limit)).await
    }

    /// Erases messages, up to the last that is there now, in slices between which others are stored. What others may bring again is
    /// remembered and not stored another time. Gives how many there were.
    pub async fn erase(&self, what: Erase, now: Wall) -> Result<u64, EraseError> {
        let (mut since, until, mut erased) = (0, *self.inner.stored.borrow(), 0);
        loop {
            let what = what.clone();
            let seqs =
                self.inner.readers.read(move |connection| read::seqs_to_erase(connection, &what, since, until)).await?;
            let Some(last) = seqs.last() else { break };
            since = *last;
            erased += seqs.len() as u64;
            self.change(vec![Change::Erase(seqs, now)]).await?;
        }
        // Also when there was nothing left: an earlier try may have ended before this.
        self.order(Order::Overwrite, false).await?;
        Ok(erased)
    }

    /// Drops messages that came before, in slices between which others are stored; but none behind a newer one, as an imported one may
    /// stand. Done when it has begun.
    pub fn drop_before(&self, when: Wall) -> impl Future<Output = Result<(), WriteError>> + use<> {
        self.done(Order::DropBefore(when))
    }

    /// What is kept as listened to, in the order in which it was begun.
    pub async fn listens(&self) -> Result<Vec<ListenTo>, ReadError> {
        self.inner.readers.read(read::listens).await
    }

    /// Keeps a listening. Done when it is on disk; what is called first is written first, whoever waits for it.
    pub fn keep_listen(&self, what: ListenTo) -> impl Future<Output = Result<(), WriteError>> + use<> {
        self.done(Order::KeepListen(what))
    }

    /// Forgets a listening. Done when it is on disk; what is called first is written first, whoever waits for it.
    pub fn drop_listen(&self, what: ListenTo) -> impl Future<Output = Result<(), WriteError>> + use<> {
        self.done(Order::DropListen(what))
    }

    /// Writes changes down, all or none. Done when they are on disk, in the order of the calls.
    pub fn change(&self, changes: Vec<Change>) -> impl Future<Output = Result<(), WriteError>> + use<> {
        self.done(Order::Change(changes))
    }

    /// The same, but tried again until the disk takes it. Done, with why, also when it was tried once and failed.
    pub fn change_kept(&self, changes: Vec<Change>) -> impl Future<Output = Result<(), WriteError>> + use<> {
        let placed = self.order(Order::Change(changes), true);
        async move { placed.await.map(drop) }
    }

    /// Stores messages of another log at the end of this one, all or none, as they are: nobody opens them. Says how many were not
    /// there. Done when they are on disk, in the order of the calls.
    pub fn import(&self, messages: Vec<Logged>) -> impl Future<Output = Result<usize, WriteError>> + use<> {
        self.order(Order::Import(messages), false)
    }

    /// The address book.
    pub async fn addresses(&self) -> Result<Vec<KnownAddress>, ReadError> {
        self.inner.readers.read(read::addresses).await
    }

    /// Replaces the address book, soon; never waits. What is handed over before it was written is replaced as well.
    pub fn save_addresses(&self, known: Vec<KnownAddress>) {
        self.inner.queue.push_addresses(known);
    }

    /// Whether there is room for many messages: who brings history waits until there is.
    pub fn has_room(&self) -> bool {
        self.inner.queue.has_room()
    }

    /// Acknowledgements that fitted no message since the store was opened.
    pub(crate) fn stray_acks(&self) -> u64 {
        self.inner.queue.stray_acks()
    }

    /// Messages that could not be stored since the store was opened.
    pub fn not_stored(&self) -> u64 {
        self.inner.queue.not_stored()
    }

    /// How storing goes.
    pub fn storing(&self) -> Storing {
        self.inner.queue.storing()
    }

    /// Writes what was handed over, and ends the writer. Nothing is stored or read afterwards.
    pub async fn close(&self) {
        self.inner.queue.close();
        let mut stored = self.inner.stored.clone();
        while stored.changed().await.is_ok() {}
    }

    fn done(&self, order: Order) -> impl Future<Output = Result<(), WriteError>> + use<> {
        let placed = self.order(order, false);
        async move { placed.await.map(drop) }
    }

    /// Says how many messages were stored by it.
    fn order(&self, order: Order, keep: bool) -> impl Future<Output = Result<usize, WriteError>> + use<> {
        let placed = self.inner.queue.push_order(order, keep);
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

/// Opens a file, if it is in order.
fn in_order(path: &Path) -> Result<(rusqlite::Connection, People), OpenError> {
    let mut connection = schema::open_to_write(path)?;
    copy::look_if_suspect(&connection, path)?;
    let people = people::people(&mut connection).map_err(|error| schema::unusable(path, &error))?;
    Ok((connection, people))
}

/// Each conversation costs a read a search of its own.
fn few_conversations(conversations: &[String]) -> Result<(), ReadError> {
    let have = conversations.len();
    if have > FILTER_TARGETS_MAX {
        return Err(ReadError(format!("{have} conversations in one read: the most is {FILTER_TARGETS_MAX}")));
    }
    Ok(())
}

/// The filter with its targets sorted, without doubles; not one that costs too much.
fn narrow(filter: &Filter) -> Result<Filter, ReadError> {
    let mut filter = filter.clone();
    filter.targets.sort_unstable();
    filter.targets.dedup();
    let have = filter.targets.len() + filter.conversations.len();
    if have > FILTER_TARGETS_MAX {
        return Err(ReadError(format!(
            "{have} targets and conversations in one filter: the most is {FILTER_TARGETS_MAX}"
        )));
    }
    Ok(filter)
}

/// What a message counts against the limits.
fn cost(message: &NewMessage) -> u64 {
    let bytes = match &message.content {
        Content::Record(record) => record.bytes().len(),
        Content::Wallet { text, .. } => text.len(),
    };
    let said = match message.reading.as_ref().map(|reading| &reading.said) {
        Some(Said::Map { map, .. }) => map.len(),
        Some(Said::Text { text, .. }) => text.len(),
        Some(Said::Raw | Said::Unreadable { .. }) | None => 0,
    };
    (bytes + said) as u64 + MESSAGE_BYTES_EXTRA
}
