//! The window: dated records of the last days, of others and of ours, so that whoever was off gets what he missed, and catch-up, by
//! which neighbours compare theirs. `docs/wire/catch-up.md` has what they say, `docs/decisions/window.md` why it is kept so.
//!
//! One thread does it all, beside the engine: it owns the file, what is held, and the exchanges of all links. The engine hands over
//! and never waits; what comes out of it is a source like a link. A record is in the window only after the log has what is for us.

mod alive;
mod conversation;
mod file;
mod inbox;
mod keeper;
mod shelf;
mod watch;

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use nightjar_core::chain::Network;
use nightjar_core::fault::Fault;
use nightjar_core::link::{LinkId, NodeKey};
use nightjar_core::reconcile::{Progress, Share};
use nightjar_core::record::{MsgId, Record, Target};
use nightjar_core::router::Budgets;
use nightjar_core::time::Wall;
use tokio::sync::mpsc;

use self::file::File;
pub use self::file::OpenError;
use self::inbox::{Inbox, Opened};
pub use self::inbox::{Kept, Said};
use self::keeper::Keeper;
use crate::clock::Clock;
use crate::link::Outbox;
use crate::store::Store;

/// What a record costs beside its bytes.
pub const RECORD_BYTES_EXTRA: u64 = 64;
/// The longest window: a list of hours has no room for more.
pub const HOURS_MAX: u32 = 168;
/// Mebibytes of a window when nothing else is said: 3.2 million records of 268 bytes, of which the index takes 93 MB of memory.
pub const MIB_DEFAULT: u64 = 1024;
/// A node that is new fetches so many hours, and asks its user before more.
pub const NEWCOMER_HOURS: u32 = 24;
/// And so many bytes of records.
pub const NEWCOMER_BYTES_MAX: u64 = 64 << 20;
/// Records without work that came after their time are taken in at no more than so many for each second of the time they are of:
/// whoever invents old ones fills no more of the window than a talkative network would.
pub const LATE_PER_S_MAX: u32 = 2;
/// What comes out of the window and waits for the engine; the window waits.
const FINDINGS_MAX: usize = 16;

/// How much a window keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WindowLimits {
    /// So many hours back, 1..=[`HOURS_MAX`].
    pub hours: u32,
    /// So many bytes: three quarters for records with work, one for others.
    pub bytes_max: u64,
}

impl Default for WindowLimits {
    fn default() -> Self {
        Self { hours: HOURS_MAX, bytes_max: MIB_DEFAULT << 20 }
    }
}

/// What a window is to know.
#[derive(Clone, Debug)]
pub struct WindowOptions {
    /// Which network's signatures hold.
    pub network: Network,
    /// How much it keeps.
    pub limits: WindowLimits,
    /// The budgets of the node: what was fetched and is alive comes to the router within them.
    pub budgets: Option<Budgets>,
}

/// What comes out of the window.
#[derive(Debug)]
pub enum Finding {
    /// Records that a neighbour had, which may still be flooded: they are to be looked at as any others.
    Alive(LinkId, Vec<Record>),
    /// Records whose time is past, checked: they are to be delivered as history, and kept.
    Late(Vec<Record>),
    /// Records of the window for targets that were not listened to when they came, and when that was: they are to be delivered as
    /// history.
    Again(Vec<(Record, Wall)>),
    /// A peer did something wrong.
    Fault(LinkId, Fault),
    /// So many neighbours say that they hold records of ours.
    Held(Vec<(MsgId, u32)>),
}

/// How the window is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WindowStatus {
    /// Whether what an earlier process wrote down is still being read.
    pub loading: bool,
    /// Records with work, and without.
    pub records: [u64; 2],
    /// What they take, with [`RECORD_BYTES_EXTRA`] for each.
    pub bytes: [u64; 2],
    /// From when on everything is kept, Unix seconds.
    pub since_s: u32,
    /// Records that were fetched since the start.
    pub fetched: u64,
    /// Those of them that came after their time.
    pub late: u64,
    /// Records that were offered and refused: too many for their time, or with a signature that does not hold.
    pub refused: u64,
    /// Records that others fetched here.
    pub served: u64,
    /// Exchanges in which everything was found and fetched.
    pub completed: u64,
    /// Records that neighbours are known to have and this node lacks: exchanges about them run, or came to an end too early.
    pub missing: u64,
    /// Neighbours that can be asked.
    pub neighbours: u64,
    /// Records that could not be kept.
    pub not_kept: u64,
    /// A newcomer has fetched all that it fetches unasked, and there is more.
    pub more: bool,
    /// What is wrong with the file, if something is.
    pub problem: Option<String>,
    /// The exchanges that run.
    pub exchanges: Vec<ExchangeStatus>,
}

/// How far an exchange is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExchangeStatus {
    /// The link, by its number.
    pub link: u64,
    /// What is compared.
    pub share: Share,
    /// Whether this node began it.
    pub ours: bool,
    /// How far it is.
    pub progress: Progress,
}

/// The window of a node. Cheap to clone.
#[derive(Clone)]
pub struct Window {
    inbox: Arc<Inbox>,
    status: Arc<Mutex<WindowStatus>>,
    thread: Arc<Mutex<Option<JoinHandle<()>>>>,
    /// So many hours are kept.
    hours: u32,
}

impl Window {
    /// Opens the file of a window, or makes it, and starts its thread. Needs the runtime.
    pub fn open(
        path: &Path,
        options: WindowOptions,
        clock: Clock,
        store: Store,
    ) -> Result<(Self, mpsc::Receiver<Finding>), OpenError> {
        let file = File::open(path)?;
        let (inbox, status) = (Arc::new(Inbox::default()), Arc::default());
        let (findings, receiver) = mpsc::channel(FINDINGS_MAX);
        let hours = options.limits.hours;
        let runtime = tokio::runtime::Handle::current();
        let keeper =
            Keeper::new(options, file, clock, store, Arc::clone(&inbox), Arc::clone(&status), findings, runtime)?;
        let thread = std::thread::Builder::new()
            .name("window".into())
            .spawn(move || keeper.run())
            .map_err(|error| OpenError::no_thread(path, &error))?;
        Ok((Self { inbox, status, thread: Arc::new(Mutex::new(Some(thread))), hours }, receiver))
    }

    /// Records that were accepted. What of them is for us was handed to the store before.
    pub fn keep(&self, kept: Vec<Kept>) {
        self.inbox.keep(kept);
    }

    /// A link with catch-up is open.
    pub fn opened(&self, link: LinkId, node: NodeKey, outbound: bool, outbox: &Outbox) {
        let inbox = Arc::clone(&self.inbox);
        let aside = outbox.aside(move || inbox.wake());
        self.inbox.open(Opened { link, node, outbound, aside });
    }

    /// A link is gone.
    pub fn gone(&self, link: LinkId) {
        self.inbox.gone(link);
    }

    /// A peer says something. `false` if it may not: the link has no catch-up, or says more than anybody has to.
    pub fn said(&self, link: LinkId, said: Said) -> bool {
        self.inbox.say(link, said)
    }

    /// Targets are listened to from now on: what is there for them comes as [`Finding::Again`].
    pub fn replay(&self, targets: impl IntoIterator<Item = Target>) {
        self.inbox.replay(targets);
    }

    /// The user wants what the neighbours have of so many hours back, however much it is. Gives how many it will be: no more are kept.
    pub fn reach_back(&self, hours: u32) -> u32 {
        let hours = hours.clamp(1, self.hours);
        self.inbox.more(hours);
        hours
    }

    /// How it is.
    pub fn status(&self) -> WindowStatus {
        let not_kept = self.inbox.not_kept();
        let status = self.status.lock().unwrap_or_else(PoisonError::into_inner).clone();
        WindowStatus { not_kept: status.not_kept + not_kept, ..status }
    }

    /// Writes down what waits, and ends. The store is to be open, and nobody to wait for findings.
    pub async fn close(&self) {
        self.inbox.close();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            // It fails only if it panicked: then there is nothing left to wait for.
            tokio::task::spawn_blocking(move || thread.join().unwrap_or_default()).await.unwrap_or_default();
        }
    }
}

impl Drop for Window {
    fn drop(&mut self) {
        // The last but the thread's own.
        if Arc::strong_count(&self.thread) == 1 {
            self.inbox.close();
        }
    }
}

impl std::fmt::Debug for Window {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Window").finish_non_exhaustive()
    }
}
