//! The one way into a running node for front ends and commands. Reads never enter the engine.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures_util::Stream;
use nightjar_core::address::{Address, NetworkGroup};
use nightjar_core::chain::{AccountsAnswer, Network};
use nightjar_core::item::NoAnswer;
use nightjar_core::link::NodeKey;
use nightjar_core::name::TypedName;
use nightjar_core::record::{LIFETIME_S_MAX, LIFETIME_S_MIN, MakeError, Record, Target};
use nightjar_core::router::AddressSource;
use nightjar_core::time::Wall;
use tokio::sync::{mpsc, oneshot, watch};

use crate::chain::view::ChainView;
use crate::message::{
    Conversation, Delivery, Draft, Erase, Event, EventPage, Filter, Found, History, Logged, Message, Page, Receipt,
    Search, Seq,
};
use crate::post::Post;
use crate::store::{Again, Change, EraseError, MarkError, ReadError, Store, Storing, WriteError};
use crate::window::Window;

/// Requests that wait for the engine; a caller beyond it waits.
pub(crate) const REQUESTS_MAX: usize = 1024;
/// Publishes that wait for the engine; a caller beyond it waits. Each holds up to [`DRAFTS_MAX`] drafts.
pub(crate) const PUBLISHES_MAX: usize = 8;
/// Drafts that one request may carry: half of what a link's outbox takes of any kind.
pub const DRAFTS_MAX: usize = 2048;
/// The longest lease on a name.
pub const LEASE_S_MAX: u32 = 600;
/// Why an own message that waited to go out when it was exported did not go out where it was imported.
pub const NOT_SENT_HERE: &str =
    "it waited to go out when it was exported, and is not sent from here: send it again if it never went";
/// Messages one read gives at the most.
pub const PAGE_MESSAGES_MAX: usize = 1000;

/// A running node. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Handle {
    pub(crate) requests: mpsc::Sender<Request>,
    pub(crate) publishes: mpsc::Sender<Publish>,
    pub(crate) store: Store,
    pub(crate) window: Option<Window>,
    pub(crate) post: Post,
    /// Not in the handle that the view itself asks through.
    pub(crate) chain: Option<ChainView>,
    pub(crate) status: watch::Receiver<Arc<Status>>,
    pub(crate) about: Arc<About>,
}

/// What does not change while a node runs.
#[derive(Clone, Debug)]
pub struct About {
    /// Version of the program.
    pub version: &'static str,
    /// Network it belongs to.
    pub network: Network,
    /// Its node key.
    pub node_key: NodeKey,
    /// Where it listens for peers.
    pub listen: SocketAddr,
    /// Name of the data directory.
    pub data_dir: std::path::PathBuf,
}

/// What the engine asks to be done by a caller.
#[derive(Debug)]
pub(crate) enum Request {
    AddPeer { address: Address, reply: oneshot::Sender<bool> },
    Listen { wish: ListenWish, reply: oneshot::Sender<Result<Listening, ListenError>> },
    Unlisten { what: ListenTo, lease: Option<u64>, reply: oneshot::Sender<bool> },
    Listens { reply: oneshot::Sender<Vec<ListenEntry>> },
    AskAccount { number: u32, reply: oneshot::Sender<Vec<PendingAnswer>> },
    SendWallet { peer: SocketAddr, text: String, reply: oneshot::Sender<Result<(), WalletError>> },
}

/// Drafts to be sent, in a queue of their own: it stands still while no link has room.
#[derive(Debug)]
pub(crate) struct Publish {
    pub(crate) what: Outgoing,
    pub(crate) reply: oneshot::Sender<Result<Vec<Receipt>, PublishError>>,
}

/// What is published: the engine makes records of drafts; others made theirs, because something in them covers their date.
#[derive(Debug)]
pub(crate) enum Outgoing {
    Drafts(Vec<Draft>),
    Records(Vec<Record>),
    /// Not if there is nobody to send to: whoever made them tries again.
    ToSomebody(Vec<Record>),
}

impl Outgoing {
    pub(crate) const fn len(&self) -> usize {
        match self {
            Self::Drafts(drafts) => drafts.len(),
            Self::Records(records) | Self::ToSomebody(records) => records.len(),
        }
    }
}

/// An answer that is still to come.
#[derive(Debug)]
pub(crate) struct PendingAnswer {
    pub(crate) peer: String,
    pub(crate) agent: String,
    pub(crate) group: NetworkGroup,
    pub(crate) source: Option<AddressSource>,
    pub(crate) answer: oneshot::Receiver<Result<AccountsAnswer, NoAnswer>>,
}

/// What to listen to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListenTo {
    /// A name, and the text it was typed as.
    Name(TypedName),
    /// A target whose name is not known.
    Target(Target),
}

impl ListenTo {
    /// The targets that are meant.
    pub fn targets(&self) -> Vec<Target> {
        match self {
            Self::Name(name) => name.targets(),
            Self::Target(target) => vec![*target],
        }
    }
}

/// A wish to listen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenWish {
    /// To what.
    pub to: ListenTo,
    /// For this long, to be renewed; `None` = until unlistened, over restarts.
    pub lease_s: Option<u32>,
    /// The lease that is renewed.
    pub lease: Option<u64>,
}

/// A wish that was granted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listening {
    /// The targets that are listened to now.
    pub targets: Vec<Target>,
    /// The lease, when one was asked for.
    pub lease: Option<u64>,
}

/// Something that is listened to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenEntry {
    /// The name as it was typed; `None` for a bare target.
    pub name: Option<String>,
    /// Its targets.
    pub targets: Vec<Target>,
    /// Whether it is kept until unlistened.
    pub kept: bool,
    /// Leases on it that have not run out.
    pub leases: usize,
}

/// Why a draft was not sent. Each says what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PublishError {
    /// It does not fit, or cannot be made.
    #[error("{0}")]
    Make(#[from] MakeError),
    /// Too short or too long a life.
    #[error("a lifetime of {0} s is not possible: give {LIFETIME_S_MIN} to {LIFETIME_S_MAX} seconds")]
    Lifetime(u32),
    /// A plain record carries no date.
    #[error("a plain record has no lifetime: leave out the lifetime, or send it dated")]
    PlainLifetime,
    /// More than one request carries.
    #[error("{0} drafts in one request: the most is {DRAFTS_MAX}")]
    TooMany(usize),
    /// The node ends.
    #[error("the node is shutting down: start it again")]
    Stopping,
}

/// Why a name is not listened to.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ListenError {
    /// Too many names.
    #[error("{0} names are listened to, and that is the most: unlisten one that is not needed")]
    TooMany(usize),
    /// Too many leases.
    #[error("{0} leases stand, and that is the most: renew a lease by its number, and end those that are not needed")]
    TooManyLeases(usize),
    /// Too long a lease.
    #[error("a lease of {0} s is not possible: give 1 to {LEASE_S_MAX} seconds and renew it")]
    Lease(u32),
    /// It could not be written down.
    #[error("it is listened to until this node ends, but not over a restart: {0}")]
    Store(String),
    /// The node ends.
    #[error("the node is shutting down: start it again")]
    Stopping,
}

/// Why a text did not go to a wallet.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WalletError {
    /// No link to it.
    #[error("no PascalCoin link to {0} is open: `addnode` with pascal://{0} opens one, `getconnections` lists them")]
    NotConnected(SocketAddr),
    /// It does not fit.
    #[error("{have} bytes are too long for a wallet's message: the most is {limit}")]
    TooLong {
        /// Bytes that were given.
        have: usize,
        /// Bytes that fit.
        limit: usize,
    },
    /// Too many wait already.
    #[error("texts to this wallet wait already: a wallet takes few a minute; try again later")]
    Busy,
    /// The node ends.
    #[error("the node is shutting down: start it again")]
    Stopping,
}

/// What one PascalCoin peer said of an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountAnswer {
    /// Its address.
    pub peer: String,
    /// What it says it is.
    pub agent: String,
    /// The part of the Internet that it is in.
    pub group: NetworkGroup,
    /// Where its address was learnt; `None` when it came by itself.
    pub source: Option<AddressSource>,
    /// What it answered.
    pub answer: Result<AccountsAnswer, NoAnswer>,
}

impl Handle {
    /// What does not change while the node runs.
    pub fn about(&self) -> &About {
        &self.about
    }

    /// Where the store of this node was put when it was found damaged at the start, if it was.
    pub fn store_put_aside(&self) -> Option<&Path> {
        self.store.put_aside()
    }

    /// The node as it was a moment ago.
    pub fn status(&self) -> Arc<Status> {
        Arc::clone(&self.status.borrow())
    }

    /// Messages for people: identities, what is joined, who is who.
    pub const fn post(&self) -> &Post {
        &self.post
    }

    /// The window; `None` if the node has none.
    pub const fn window(&self) -> Option<&Window> {
        self.window.as_ref()
    }

    /// What the chain says of accounts.
    pub const fn chain(&self) -> Option<&ChainView> {
        self.chain.as_ref()
    }

    /// How storing goes at this moment.
    pub fn storing(&self) -> Storing {
        self.store.storing()
    }

    /// Follows the node's status: changes are seen at most a second late.
    pub fn watch_status(&self) -> watch::Receiver<Arc<Status>> {
        self.status.clone()
    }

    /// Sends a draft; done when it was handed to the links.
    pub async fn publish(&self, draft: Draft) -> Result<Receipt, PublishError> {
        let receipts = self.publish_all(vec![draft]).await?;
        receipts.into_iter().next().ok_or(PublishError::Stopping)
    }

    /// Sends drafts, all or none. Waits while no neighbour takes more: nobody can publish faster than the fastest link.
    pub async fn publish_all(&self, drafts: Vec<Draft>) -> Result<Vec<Receipt>, PublishError> {
        if drafts.len() > DRAFTS_MAX {
            return Err(PublishError::TooMany(drafts.len()));
        }
        self.publish_what(Outgoing::Drafts(drafts)).await
    }

    /// Sends records that are made.
    pub(crate) async fn publish_records(&self, records: Vec<Record>) -> Result<Vec<Receipt>, PublishError> {
        self.publish_what(Outgoing::Records(records)).await
    }

    /// The same, but without a peer nothing is published.
    pub(crate) async fn publish_to_somebody(&self, records: Vec<Record>) -> Result<Vec<Receipt>, PublishError> {
        self.publish_what(Outgoing::ToSomebody(records)).await
    }

    async fn publish_what(&self, what: Outgoing) -> Result<Vec<Receipt>, PublishError> {
        let (reply, answer) = oneshot::channel();
        self.publishes.send(Publish { what, reply }).await.map_err(|_| PublishError::Stopping)?;
        answer.await.unwrap_or(Err(PublishError::Stopping))
    }

    /// Adds a peer that is dialled now and for as long as the node runs; `false` if it was known as such.
    pub async fn add_peer(&self, address: Address) -> Option<bool> {
        self.ask(|reply| Request::AddPeer { address, reply }).await
    }

    /// Begins to listen.
    pub async fn listen(&self, wish: ListenWish) -> Result<Listening, ListenError> {
        self.ask(|reply| Request::Listen { wish, reply }).await.unwrap_or(Err(ListenError::Stopping))
    }

    /// Ends the kept listening, or only one lease; `false` if there was none. Others who listen to the same go on.
    pub async fn unlisten(&self, what: ListenTo, lease: Option<u64>) -> Option<bool> {
        self.ask(|reply| Request::Unlisten { what, lease, reply }).await
    }

    /// What is listened to.
    pub async fn listens(&self) -> Option<Vec<ListenEntry>> {
        self.ask(|reply| Request::Listens { reply }).await
    }

    /// Asks every PascalCoin peer (a few at the most) for an account; waits for each, or for its time-out.
    pub async fn ask_account(&self, number: u32) -> Option<Vec<AccountAnswer>> {
        let pending = self.ask(|reply| Request::AskAccount { number, reply }).await?;
        let mut answers = Vec::with_capacity(pending.len());
        for PendingAnswer { peer, agent, group, source, answer } in pending {
            let answer = answer.await.unwrap_or(Err(NoAnswer::Closed));
            answers.push(AccountAnswer { peer, agent, group, source, answer });
        }
        Some(answers)
    }

    /// Sends a text to the user of a linked wallet.
    pub async fn send_wallet(&self, peer: SocketAddr, text: String) -> Result<(), WalletError> {
        self.ask(|reply| Request::SendWallet { peer, text, reply }).await.unwrap_or(Err(WalletError::Stopping))
    }

    /// Messages behind `since`, oldest first. If there is none yet it waits up to `wait` for one.
    pub async fn messages(&self, since: Seq, limit: usize, filter: &Filter, wait: Duration) -> Result<Page, ReadError> {
        let read = |since| async move {
            let page = self.store.messages(since, limit.clamp(1, PAGE_MESSAGES_MAX), filter).await?;
            Ok((page.next, page.messages.is_empty(), page))
        };
        self.read_on(since, wait, read).await
    }

    /// The same with all that happened to messages and to their authors.
    pub async fn events(
        &self,
        since: Seq,
        limit: usize,
        filter: &Filter,
        wait: Duration,
    ) -> Result<EventPage, ReadError> {
        let read = |since| async move {
            let page = self.store.events(since, limit.clamp(1, PAGE_MESSAGES_MAX), filter).await?;
            Ok((page.next, page.events.is_empty(), page))
        };
        self.read_on(since, wait, read).await
    }

    /// Messages in which words are, newest first.
    pub async fn search(&self, wanted: Search) -> Result<Found, ReadError> {
        self.store.search(wanted).await
    }

    /// Erases messages; gives how many there were. Once begun it goes on, also when nobody waits for it any more.
    pub async fn erase(&self, what: Erase) -> Result<u64, EraseError> {
        // What still waits to go out is not sent after it was erased.
        for outgoing in self.post.all_in_outbox() {
            let is_meant = match (&what, &outgoing.again) {
                (Erase::All, _) => true,
                (Erase::Conversation(conversation), _) => *conversation == outgoing.conversation,
                (Erase::Author(key), Again::Anew { author, .. }) => key == author,
                (Erase::Author(_), Again::AsItIs(_)) => false,
            };
            if is_meant {
                self.post.cancel(outgoing.id);
            }
        }
        let (store, now) = (self.store.clone(), self.post.now());
        let erasing = tokio::spawn(async move { store.erase(what, now).await });
        erasing.await.unwrap_or_else(|_| Err(EraseError::Write(WriteError("the node is shutting down".into()))))
    }

    /// All conversations, those in which something was said last first.
    pub async fn conversations(&self) -> Result<Vec<Conversation>, ReadError> {
        self.store.conversations().await
    }

    /// A conversation was read up to there: all front ends have one place, which never moves back.
    pub async fn mark_read(&self, conversation: String, seq: Seq) -> Result<(), WriteError> {
        self.store.change(vec![Change::Read(conversation, seq)]).await
    }

    /// The same by a moment: up to the last message shown by then. Gives the moment that holds now. One that is still to come is cut to
    /// now, or to the last message shown, if that is later; of conversations in which nothing was said yet some
    /// thousands are kept, and of more it is 0.
    pub async fn mark_read_until(&self, conversation: String, until: Wall) -> Result<Wall, MarkError> {
        let now = self.post.now();
        self.store.change(vec![Change::ReadUntil { conversation: conversation.clone(), until, now }]).await?;
        Ok(self.store.read_until(&conversation).await?.unwrap_or_default())
    }

    /// Up to which moment of what is shown a conversation was read; `None` when it never was.
    pub async fn read_until(&self, conversation: &str) -> Result<Option<Wall>, ReadError> {
        self.store.read_until(conversation).await
    }

    /// Messages of conversations, read as one, in the order in which they are shown: oldest first, whichever end is wanted.
    pub async fn history(&self, wanted: History) -> Result<Vec<Message>, ReadError> {
        self.store.history(wanted).await
    }

    /// The message in one of these conversations whose id begins with these bytes, 1 to 16 of them; of several the one that is shown first.
    pub async fn find_message(&self, conversations: &[String], id: &[u8]) -> Result<Option<Message>, ReadError> {
        self.store.find_message(conversations, id).await
    }

    /// Messages of others behind the place up to which a conversation was read: the newest, in the order in which they are shown.
    pub async fn unread(&self, conversation: &str, limit: usize) -> Result<Vec<Message>, ReadError> {
        self.store.unread(conversation, limit).await
    }

    /// Conversations whose last message is shown behind `after` and before `before`, and when that is, in the order of these times: the
    /// first `limit`.
    pub async fn active_conversations(
        &self,
        after: Option<Wall>,
        before: Option<Wall>,
        limit: usize,
    ) -> Result<Vec<(String, Wall)>, ReadError> {
        self.store.active_conversations(after, before, limit).await
    }

    /// Takes messages of another log in, all or none; says how many were not there. Nothing of them is sent, and nobody is known
    /// otherwise because of them.
    pub async fn import(&self, mut messages: Vec<Logged>) -> Result<usize, WriteError> {
        for logged in &mut messages {
            // What waited there has no place in the outbox here: nobody is to wait for it.
            if let Some(Delivery::Working | Delivery::Queued) = logged.delivery {
                logged.delivery = Some(Delivery::Failed(NOT_SENT_HERE.to_owned()));
            }
        }
        self.store.import(messages).await
    }

    /// Reads until there is something, or `wait` is over. `read` says up to where it looked, and whether that was nothing.
    async fn read_on<P, R>(&self, mut since: Seq, wait: Duration, read: impl Fn(Seq) -> R) -> Result<P, ReadError>
    where
        R: Future<Output = Result<(Seq, bool, P), ReadError>>,
    {
        let mut stored = self.store.stored();
        let until = tokio::time::Instant::now() + wait;
        loop {
            // Seen before the read: what is stored during the read is found by the next one.
            let seen = *stored.borrow_and_update();
            let (next, is_empty, page) = read(since).await?;
            if !is_empty {
                return Ok(page);
            }
            since = next;
            if since < seen {
                continue;
            }
            match tokio::time::timeout_at(until, stored.changed()).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) | Err(_) => return Ok(page),
            }
        }
    }

    /// Everything that happens behind `since`, stored and live, without gap or double; ends when the node does.
    pub fn follow(&self, since: Seq, filter: Filter) -> impl Stream<Item = Result<Event, ReadError>> + use<> {
        let state = Follow { handle: self.clone(), filter, since, ready: Vec::new().into_iter() };
        futures_util::stream::unfold(state, Follow::next)
    }

    async fn ask<T>(&self, request: impl FnOnce(oneshot::Sender<T>) -> Request) -> Option<T> {
        let (reply, answer) = oneshot::channel();
        self.requests.send(request(reply)).await.ok()?;
        answer.await.ok()
    }
}

struct Follow {
    handle: Handle,
    filter: Filter,
    since: Seq,
    ready: std::vec::IntoIter<Event>,
}

impl Follow {
    async fn next(mut self) -> Option<(Result<Event, ReadError>, Self)> {
        loop {
            if let Some(event) = self.ready.next() {
                return Some((Ok(event), self));
            }
            let wait = Duration::from_secs(3600);
            match self.handle.events(self.since, PAGE_MESSAGES_MAX, &self.filter, wait).await {
                Ok(page) => {
                    if page.events.is_empty() && self.handle.requests.is_closed() {
                        return None;
                    }
                    self.since = page.next;
                    self.ready = page.events.into_iter();
                }
                Err(error) => return Some((Err(error), self)),
            }
        }
    }
}

/// The node at one moment.
#[derive(Clone, Debug, Default)]
pub struct Status {
    /// Seconds since the node started.
    pub uptime_s: u64,
    /// Links that are open.
    pub connections: Vec<Connection>,
    /// Addresses in the address book.
    pub addresses_known: usize,
    /// Names and targets listened to.
    pub listens: usize,
    /// The last seq given.
    pub seq: Seq,
    /// What was counted since the node started.
    pub counters: nightjar_core::router::Counters,
    /// Peers that are left alone, and why.
    pub banned: Vec<nightjar_core::router::KnownAddress>,
    /// Whether the classes' budgets are in force.
    pub budgets: bool,
    /// Messages that could not be stored since the node started.
    pub not_stored: u64,
}

/// One open link.
#[derive(Clone, Debug)]
pub struct Connection {
    /// Number of the link.
    pub link: u64,
    /// Who is at the other end.
    pub peer: nightjar_core::link::PeerInfo,
    /// For how long it has been open, in seconds.
    pub open_s: u64,
    /// What was counted on it.
    pub counters: nightjar_core::router::LinkCounters,
}
