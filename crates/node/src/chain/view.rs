//! Who owns which account, looked up when somebody wants to know: by the user's own daemon first, by what peers agree on
//! otherwise. Peers see the question, so none goes to them because of what came; never asks twice at a time for the same account.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use nightjar_core::chain::{AccountStatus, ListingKind};
use nightjar_core::time::{Mono, Wall};
use nightjar_pasc::key::PublicKey;
use tokio::sync::{Mutex as Turn, watch};
use tokio::time::{Instant, sleep, sleep_until};

use super::daemon::{Daemon, DaemonAccount, DaemonError, DaemonStatus};
use super::wire::{self, Agreement, NoAgreement};
use crate::clock::Clock;
use crate::handle::Handle;

/// Accounts whose view is kept: more people than anybody has in sight.
pub const ACCOUNTS_KEPT_MAX: usize = 4096;
/// Any view is looked at again after so long, which is about a block: peers do not tell when one comes.
pub const VIEW_MS: u64 = 5 * 60_000;
/// What could not be found out is tried again after so long.
pub const NO_VIEW_MS: u64 = 30_000;
/// The daemon is asked so often whether there is a new block.
const POLL: Duration = Duration::from_secs(10);
/// Peers are asked at most so often: two questions a second are a third of what a daemon takes from one address.
const ASK_EVERY: Duration = Duration::from_millis(500);
/// Questions to peers that wait for their turn; who comes later is told to come again.
const WAITING_MAX: usize = 64;
/// Numbers from here on cannot be asked for.
const NUMBERS_END: u32 = 1 << 31;

/// The chain, as far as this node knows it. Cheap to clone.
#[derive(Clone, Debug)]
pub struct ChainView {
    shared: Arc<Shared>,
}

/// Who may be asked about an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ask {
    /// The user's own daemon alone, which tells nobody. For what others can cause: a claim that came.
    Daemon,
    /// Peers as well, if the daemon does not help. For what the user wants to know, and for what is due by the clock.
    Anybody,
}

/// What was found out about an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Looked {
    /// It is so.
    Account(AccountView),
    /// There is no account of this number or name.
    Nobody {
        /// At this block.
        block: u32,
    },
    /// Peers do not agree; says who and on what.
    Disputed(String),
    /// Nothing is known; says why and what to do.
    Unavailable(String),
}

/// An account at a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountView {
    /// Its number.
    pub number: u32,
    /// Its owner's key.
    pub key: PublicKey,
    /// Its name; may be empty.
    pub name: String,
    /// For what it is offered, if it is.
    pub listed: Option<ListingKind>,
    /// The last block of who says so.
    pub block: u32,
    /// Who says so.
    pub who: Who,
    /// When it was asked.
    pub asked_at: Wall,
}

/// Who says what the chain says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Who {
    /// The user's own daemon.
    Daemon {
        /// Where it is.
        address: Arc<str>,
    },
    /// Peers who agree, by their addresses.
    Peers(Vec<String>),
}

/// When the chain moved, as far as this node noticed. Whoever holds views should look again when it changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moved {
    /// The last block that was seen.
    pub block: Option<u32>,
    /// Counts the changes, among them that views of peers have grown old.
    pub turn: u64,
}

#[derive(Debug)]
struct Shared {
    daemon: Option<Daemon>,
    handle: Handle,
    clock: Clock,
    kept: Mutex<BTreeMap<u32, Kept>>,
    moved: watch::Sender<Moved>,
    line: Mutex<Line>,
}

#[derive(Debug)]
struct Kept {
    /// Held while the account is asked for.
    place: Arc<Turn<Option<Seen>>>,
    used: Mono,
}

#[derive(Debug)]
struct Seen {
    looked: Looked,
    /// Who might have been asked.
    ask: Ask,
    at: Mono,
    /// The chain was here when it was asked.
    turn: u64,
}

impl ChainView {
    /// A view by this daemon, if there is one, and by the peers of this node. Needs the runtime.
    pub fn start(daemon: Option<Daemon>, handle: Handle, clock: Clock) -> Self {
        Self::start_polling(daemon, handle, clock, POLL)
    }

    /// The same, with another pause between two looks for a new block: for tests.
    pub fn start_polling(daemon: Option<Daemon>, handle: Handle, clock: Clock, poll: Duration) -> Self {
        let shared = Arc::new(Shared {
            daemon,
            handle,
            clock,
            kept: Mutex::default(),
            moved: watch::channel(Moved::default()).0,
            line: Mutex::default(),
        });
        tokio::spawn(follow(Arc::downgrade(&shared), poll));
        Self { shared }
    }

    /// The daemon that is asked first.
    pub fn daemon(&self) -> Option<&Daemon> {
        self.shared.daemon.as_ref()
    }

    /// Follows the chain's moves.
    pub fn moved(&self) -> watch::Receiver<Moved> {
        self.shared.moved.subscribe()
    }

    /// What the chain says of an account, by whoever may be asked. Answers at once from what is known at this block.
    pub async fn account(&self, number: u32, ask: Ask) -> Looked {
        if number >= NUMBERS_END {
            return Looked::Unavailable(format!(
                "PascalCoin's protocol has no questions about accounts from {NUMBERS_END} on"
            ));
        }
        let place = self.shared.place(number);
        let mut seen = place.lock().await;
        let now = self.shared.clock.now();
        let turn = self.shared.moved.borrow().turn;
        // Without a daemon nobody says when there is a block.
        let is_of_now = |seen: &Seen| self.shared.daemon.is_none() || seen.turn == turn;
        let is_enough = |seen: &Seen| seen.ask >= ask || seen.looked.block().is_some();
        if let Some(seen) = seen.as_ref().filter(|seen| is_of_now(seen) && !seen.is_old(now.mono) && is_enough(seen)) {
            return seen.looked.clone();
        }
        let before = seen.take().map(|seen| seen.looked);
        let looked = self.shared.look(number, before, ask).await;
        let (moved, now) = (*self.shared.moved.borrow(), self.shared.clock.now().mono);
        // If a block came in the meantime, it is looked at again.
        let turn = if looked.block().is_none_or(|block| moved.block == Some(block)) { moved.turn } else { turn };
        *seen = Some(Seen { looked: looked.clone(), ask, at: now, turn });
        looked
    }

    /// The account of exactly this name. Only the user's own daemon can tell: peers know no question by name.
    pub async fn name(&self, name: &str) -> Looked {
        let Some(daemon) = &self.shared.daemon else {
            return Looked::Unavailable(
                "names are looked up by a PascalCoin daemon of your own: set `daemon`, or give the account's number"
                    .to_owned(),
            );
        };
        let block = match self.shared.status(daemon).await {
            Ok(block) => block,
            Err(why) => return Looked::Unavailable(why),
        };
        match daemon.find(name).await {
            Ok(None) => Looked::Nobody { block },
            Ok(Some(account)) => self.account(account.number, Ask::Daemon).await,
            Err(error) => Looked::Unavailable(error.to_string()),
        }
    }
}

impl Looked {
    /// The account, if it is certain.
    pub const fn account(&self) -> Option<&AccountView> {
        match self {
            Self::Account(view) => Some(view),
            Self::Nobody { .. } | Self::Disputed(_) | Self::Unavailable(_) => None,
        }
    }

    const fn block(&self) -> Option<u32> {
        match self {
            Self::Account(view) => Some(view.block),
            Self::Nobody { block } => Some(*block),
            Self::Disputed(_) | Self::Unavailable(_) => None,
        }
    }
}

impl Seen {
    fn is_old(&self, now: Mono) -> bool {
        let keeps_ms = match self.looked {
            Looked::Account(_) | Looked::Nobody { .. } => VIEW_MS,
            Looked::Disputed(_) | Looked::Unavailable(_) => NO_VIEW_MS,
        };
        now.since(self.at) >= keeps_ms
    }
}

impl Shared {
    /// Where the view of this account is kept. Of too many, the one that nobody wanted for longest goes.
    fn place(&self, number: u32) -> Arc<Turn<Option<Seen>>> {
        let now = self.clock.now().mono;
        let mut kept = lock(&self.kept);
        if !kept.contains_key(&number) && kept.len() >= ACCOUNTS_KEPT_MAX {
            let oldest = kept.iter().min_by_key(|(_, kept)| kept.used).map(|(number, _)| *number);
            oldest.map(|number| kept.remove(&number));
        }
        let entry = kept.entry(number).or_insert_with(|| Kept { place: Arc::default(), used: now });
        entry.used = now;
        Arc::clone(&entry.place)
    }

    async fn look(&self, number: u32, before: Option<Looked>, ask: Ask) -> Looked {
        let by_daemon = match &self.daemon {
            None => None,
            Some(daemon) => match self.ask_daemon(daemon, number, before).await {
                Ok(looked) => return looked,
                Err(why) => Some(why),
            },
        };
        let by_peers = match ask {
            Ask::Daemon => Looked::Unavailable("none is asked because of what came, `whois` asks".to_owned()),
            Ask::Anybody => self.ask_peers(number).await,
        };
        match (by_peers, by_daemon) {
            (Looked::Unavailable(peers), Some(daemon)) => {
                Looked::Unavailable(format!("{daemon}; and of peers: {peers}"))
            }
            (looked, _) => looked,
        }
    }

    /// `Err` if the daemon does not know, so that peers are asked.
    async fn ask_daemon(&self, daemon: &Daemon, number: u32, before: Option<Looked>) -> Result<Looked, String> {
        let mut block = self.status(daemon).await?;
        let Some(account) = daemon.account(number).await.map_err(|error| error.to_string())? else {
            return Ok(Looked::Nobody { block });
        };
        if account.updated > block {
            // A block may have come between the two questions.
            block = self.status(daemon).await?;
        }
        let view = self.view(daemon, &account, block);
        if account.updated <= block {
            return Ok(Looked::Account(view));
        }
        // A change waits for its block. If it changes nothing that counts here, what was known before holds still.
        match before {
            Some(Looked::Account(old))
                if old.key.same_point(&view.key) && old.name == view.name && old.listed == view.listed =>
            {
                Ok(Looked::Account(view))
            }
            _ => Ok(Looked::Unavailable(format!("{}: look again when it has come", NoAgreement::Pending))),
        }
    }

    fn view(&self, daemon: &Daemon, account: &DaemonAccount, block: u32) -> AccountView {
        AccountView {
            number: account.number,
            key: account.key.clone(),
            name: account.name.clone(),
            listed: account.listed,
            block,
            who: Who::Daemon { address: Arc::clone(daemon.address()) },
            asked_at: self.clock.wall(),
        }
    }

    /// The number of the daemon's last block.
    async fn status(&self, daemon: &Daemon) -> Result<u32, String> {
        let block = last_block(daemon, daemon.status().await)?;
        self.saw(block);
        Ok(block)
    }

    /// The chain has come to this block, as the user's own daemon says.
    fn saw(&self, block: u32) {
        self.moved.send_if_modified(|moved| {
            let is_new = moved.block != Some(block);
            if is_new {
                *moved = Moved { block: Some(block), turn: moved.turn + 1 };
            }
            is_new
        });
    }

    async fn ask_peers(&self, number: u32) -> Looked {
        let Some(turn) = self.turn() else {
            return Looked::Unavailable(
                "too many questions about accounts wait already: try again in a minute".to_owned(),
            );
        };
        sleep_until(turn.at).await;
        let Some(answers) = self.handle.ask_account(number).await else {
            return Looked::Unavailable("the node is shutting down: start it again".to_owned());
        };
        drop(turn);
        match wire::agreement(number, &answers) {
            Ok(Agreement { account: None, block, .. }) => Looked::Nobody { block },
            Ok(Agreement { account: Some(account), block, peers }) => Looked::Account(AccountView {
                number,
                key: account.key,
                name: account.name,
                listed: match account.status {
                    AccountStatus::Normal => None,
                    AccountStatus::Listed(listing) => Some(listing.kind),
                },
                block,
                who: Who::Peers(peers),
                asked_at: self.clock.wall(),
            }),
            Err(dissent @ NoAgreement::Dissent { .. }) => Looked::Disputed(dissent.to_string()),
            Err(
                why @ (NoAgreement::Nobody
                | NoAgreement::Few { .. }
                | NoAgreement::OneSource
                | NoAgreement::Pending
                | NoAgreement::Apart
                | NoAgreement::Broken),
            ) => Looked::Unavailable(why.to_string()),
        }
    }

    /// A place in the line of those who ask peers.
    fn turn(&self) -> Option<AskTurn<'_>> {
        let at = lock(&self.line).enter(Instant::now())?;
        Some(AskTurn { line: &self.line, at })
    }
}

/// Those who wait to ask peers.
#[derive(Debug, Default)]
struct Line {
    waiting: usize,
    next: Option<Instant>,
}

impl Line {
    /// When it is the turn of who enters now; `None` if too many wait.
    fn enter(&mut self, now: Instant) -> Option<Instant> {
        if self.waiting >= WAITING_MAX {
            return None;
        }
        let at = self.next.map_or(now, |next| next.max(now));
        self.next = Some(at + ASK_EVERY);
        self.waiting += 1;
        Some(at)
    }

    const fn leave(&mut self) {
        self.waiting = self.waiting.saturating_sub(1);
    }
}

/// Leaves the line when it is dropped.
struct AskTurn<'a> {
    line: &'a Mutex<Line>,
    at: Instant,
}

impl Drop for AskTurn<'_> {
    fn drop(&mut self) {
        lock(self.line).leave();
    }
}

/// Notices new blocks, for as long as somebody holds the view.
async fn follow(shared: Weak<Shared>, poll: Duration) {
    let mut grown_old = Instant::now() + Duration::from_millis(VIEW_MS);
    loop {
        let Some(daemon) = shared.upgrade().map(|shared| shared.daemon.clone()) else { return };
        let block = match &daemon {
            None => None,
            // It is said when somebody wants to know.
            Some(daemon) => last_block(daemon, daemon.status().await).ok(),
        };
        {
            let Some(shared) = shared.upgrade() else { return };
            if let Some(block) = block {
                shared.saw(block);
            } else if grown_old <= Instant::now() {
                grown_old = Instant::now() + Duration::from_millis(VIEW_MS);
                shared.moved.send_modify(|moved| moved.turn += 1);
            }
        }
        sleep(poll).await;
    }
}

fn last_block(daemon: &Daemon, status: Result<DaemonStatus, DaemonError>) -> Result<u32, String> {
    let status = status.map_err(|error| error.to_string())?;
    let address = daemon.address();
    if let Err(why) = status.ready {
        return Err(format!("the PascalCoin daemon at {address} does not follow the chain yet: {why}"));
    }
    status.blocks.checked_sub(1).ok_or_else(|| format!("the PascalCoin daemon at {address} has no blocks yet"))
}

/// Nobody panics while holding it.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peers_are_asked_twice_a_second_at_most_and_not_by_too_many() {
        let (mut line, now) = (Line::default(), Instant::now());
        for turn in 0..WAITING_MAX {
            let turn = u32::try_from(turn).expect("WAITING_MAX is small");
            assert_eq!(line.enter(now), Some(now + turn * Duration::from_millis(500)));
        }
        assert_eq!(line.enter(now), None);
        line.leave();
        let last = now + Duration::from_millis(500) * u32::try_from(WAITING_MAX).expect("it is small");
        assert_eq!(line.enter(now), Some(last));
        line.leave();
        let much_later = now + Duration::from_secs(3600);
        assert_eq!(line.enter(much_later), Some(much_later));
    }
}
