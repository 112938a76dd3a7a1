//! What waits for the window's thread: bounded, and who hands something over never waits.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use nightjar_core::link::{LinkId, NodeKey};
use nightjar_core::reconcile::{Exchange, Message};
use nightjar_core::record::{Record, Target};
use nightjar_core::time::Wall;

use super::RECORD_BYTES_EXTRA;
use crate::link::Aside;

/// Bytes of records that wait to be kept, with what each costs: a minute of what the budgets let in.
pub(super) const KEPT_BYTES_MAX: u64 = 16 << 20;
/// What one link may have said that nobody looked at: a megabyte. An honest peer has four exchanges at the most, in each of which it
/// waits for our answer behind some ten messages.
pub(super) const SAID_MAX: usize = 64;
/// What comes to be kept is gathered for so long, so that the thread is not woken for each record.
const GATHER: Duration = Duration::from_millis(100);
/// Or until so many bytes have come.
const GATHER_BYTES: u64 = 1 << 20;
/// Targets whose records are to be read again; more are not.
const REPLAYS_MAX: usize = 65_536;

/// A record for the window.
#[derive(Clone, Debug)]
pub struct Kept {
    /// The record.
    pub record: Record,
    /// When it came.
    pub came: Wall,
    /// Whether that was after its time.
    pub late: bool,
    /// Whether it is of this node.
    pub own: bool,
}

/// What a peer says.
#[derive(Debug)]
pub enum Said {
    /// A message of an exchange, as of the peer.
    Message(Exchange, Message),
    /// Records that were asked for.
    Served(Exchange, Vec<Record>),
}

/// A link with catch-up.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) link: LinkId,
    pub(super) node: NodeKey,
    pub(super) outbound: bool,
    pub(super) aside: Aside,
}

/// All that waits.
#[derive(Debug, Default)]
pub(super) struct Taken {
    pub(super) opened: Vec<Opened>,
    pub(super) kept: Vec<Kept>,
    pub(super) said: Vec<(LinkId, Said)>,
    pub(super) gone: Vec<LinkId>,
    pub(super) replays: Vec<Target>,
    /// So many hours back are wanted.
    pub(super) more: Option<u32>,
    pub(super) closing: bool,
}

#[derive(Default)]
pub(super) struct Inbox {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    taken: Taken,
    kept_bytes: u64,
    /// By link, what of it waits.
    links: BTreeMap<LinkId, VecDeque<Said>>,
    /// There is something to do.
    stirred: bool,
    not_kept: u64,
}

impl Inbox {
    /// Records that were accepted, in their order. Those that do not fit are counted.
    pub(super) fn keep(&self, kept: Vec<Kept>) {
        let mut state = self.lock();
        let before = state.kept_bytes;
        // What is ours nobody else may have yet.
        state.stirred |= kept.iter().any(|kept| kept.own);
        for kept in kept {
            let bytes = kept.record.bytes().len() as u64 + RECORD_BYTES_EXTRA;
            if state.kept_bytes.saturating_add(bytes) > KEPT_BYTES_MAX {
                state.not_kept += 1;
            } else {
                state.kept_bytes += bytes;
                state.taken.kept.push(kept);
            }
        }
        let is_news = state.stirred || before == 0 || (before < GATHER_BYTES && state.kept_bytes >= GATHER_BYTES);
        drop(state);
        if is_news {
            self.changed.notify_one();
        }
    }

    pub(super) fn open(&self, opened: Opened) {
        let mut state = self.lock();
        state.links.insert(opened.link, VecDeque::new());
        state.taken.opened.push(opened);
        self.stir(state);
    }

    /// `false` if too much waits, or the link has no catch-up.
    pub(super) fn say(&self, link: LinkId, said: Said) -> bool {
        let mut state = self.lock();
        let Some(waiting) = state.links.get_mut(&link).filter(|waiting| waiting.len() < SAID_MAX) else { return false };
        waiting.push_back(said);
        self.stir(state);
        true
    }

    pub(super) fn gone(&self, link: LinkId) {
        let mut state = self.lock();
        if state.links.remove(&link).is_some() {
            state.taken.gone.push(link);
            self.stir(state);
        }
    }

    pub(super) fn replay(&self, targets: impl IntoIterator<Item = Target>) {
        let mut state = self.lock();
        let room = REPLAYS_MAX.saturating_sub(state.taken.replays.len());
        state.taken.replays.extend(targets.into_iter().take(room));
        self.stir(state);
    }

    pub(super) fn more(&self, hours: u32) {
        let mut state = self.lock();
        state.taken.more = Some(hours);
        self.stir(state);
    }

    /// A link has taken all that was for it.
    pub(super) fn wake(&self) {
        self.stir(self.lock());
    }

    pub(super) fn close(&self) {
        let mut state = self.lock();
        state.taken.closing = true;
        self.stir(state);
    }

    pub(super) fn is_closing(&self) -> bool {
        self.lock().taken.closing
    }

    /// Records that did not fit.
    pub(super) fn not_kept(&self) -> u64 {
        self.lock().not_kept
    }

    /// All that waits, when something does, or after `patience`.
    pub(super) fn take(&self, patience: Duration) -> Taken {
        let is_quiet = |state: &mut State| !state.stirred && state.kept_bytes == 0;
        let waited = self.changed.wait_timeout_while(self.lock(), patience, is_quiet);
        let state = waited.unwrap_or_else(PoisonError::into_inner).0;
        let is_little = |state: &mut State| !state.stirred && (1..GATHER_BYTES).contains(&state.kept_bytes);
        let waited = self.changed.wait_timeout_while(state, patience.min(GATHER), is_little);
        let mut state = waited.unwrap_or_else(PoisonError::into_inner).0;
        state.stirred = false;
        state.kept_bytes = 0;
        let closing = state.taken.closing;
        let mut taken = std::mem::replace(&mut state.taken, Taken { closing, ..Taken::default() });
        for (link, waiting) in &mut state.links {
            taken.said.extend(waiting.drain(..).map(|said| (*link, said)));
        }
        taken
    }

    fn stir(&self, mut state: MutexGuard<'_, State>) {
        state.stirred = true;
        drop(state);
        self.changed.notify_one();
    }

    // Nothing in this file can panic between two changes that belong together.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail loudly")]

    use super::*;
    use nightjar_core::reconcile::Share;

    const EXCHANGE: Exchange = Exchange { share: Share::Dated, asks: true };

    #[test]
    fn what_a_peer_says_is_bounded_and_nothing_of_a_link_without_catch_up_is_taken() {
        let inbox = Inbox::default();
        let link = LinkId::new(3, 7);
        let say = || inbox.say(link, Said::Message(EXCHANGE, Message::Done));
        assert!(!say(), "it was not opened");
        inbox.lock().links.insert(link, VecDeque::new());
        assert_eq!((0..SAID_MAX + 5).filter(|_| say()).count(), SAID_MAX);
        assert_eq!(inbox.take(Duration::ZERO).said.len(), SAID_MAX);
        assert!(say());
        inbox.gone(link);
        let taken = inbox.take(Duration::ZERO);
        assert_eq!((taken.said.len(), taken.gone), (0, vec![link]), "what a link that is gone said is of no use");
    }

    #[test]
    fn records_that_wait_are_bounded_by_their_bytes() {
        let inbox = Inbox::default();
        let record = Record::dated(Target([1; 16]), &[7; 200], 1, 0, [1; 8]).unwrap();
        let fit = KEPT_BYTES_MAX / (record.bytes().len() as u64 + RECORD_BYTES_EXTRA);
        let one = Kept { record, came: Wall(1), late: false, own: false };
        inbox.keep(vec![one.clone(); usize::try_from(fit).unwrap() + 3]);
        assert_eq!(inbox.not_kept(), 3);
        assert_eq!(inbox.take(Duration::ZERO).kept.len() as u64, fit);
        inbox.keep(vec![one]);
        assert_eq!((inbox.take(Duration::ZERO).kept.len(), inbox.not_kept()), (1, 3));
    }
}
