//! What waits for the writer: bounded by count and bytes. Who hands over never waits.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use nightjar_core::router::KnownAddress;
use nightjar_core::time::Wall;
use tokio::sync::oneshot;

use super::people::Change;
use super::{ADDRESSES_MAX, Storing, WriteError, cost};
use crate::handle::ListenTo;
use crate::message::{Logged, NewMessage};

/// Messages that wait, those that the writer holds among them: a disk may stand still for a minute at 500 hits a
/// second, which is all the budgets let through.
pub const QUEUE_MESSAGES_MAX: usize = 32_768;
/// Bytes that wait, counted as the log counts them, names on top: no more memory goes to a disk that stands still.
pub const QUEUE_BYTES_MAX: u64 = 16 << 20;
/// Listenings that wait to be kept or forgotten. Their callers wait for each, so it fills only by a fault of ours.
const ORDERS_MAX: usize = 1024;
/// Changes that are tried again while the disk takes nothing, by count and bytes: an hour of somebody who speaks every few seconds.
pub(super) const KEPT_ORDERS_MAX: usize = 1024;
pub(super) const KEPT_BYTES_MAX: u64 = 4 << 20;

/// The writer's queue.
#[derive(Default)]
pub(super) struct Queue {
    state: Mutex<State>,
    changed: Condvar,
    not_stored: AtomicU64,
    stray_acks: AtomicU64,
    /// Messages that the writer tries again.
    kept: AtomicU64,
    /// Why nothing can be stored now.
    problem: Mutex<Option<String>>,
}

#[derive(Default)]
struct State {
    waiting: Work,
    /// Of all messages that are not committed yet, wherever they are.
    messages: usize,
    bytes: u64,
    closing: bool,
}

/// What one commit writes.
#[derive(Default)]
pub(super) struct Work {
    pub(super) messages: Vec<NewMessage>,
    /// What the messages were when they were handed over: that room is theirs until they are committed, whatever became
    /// of them since.
    pub(super) held: Held,
    pub(super) changes: Vec<Change>,
    pub(super) orders: Vec<PlacedOrder>,
    pub(super) addresses: Option<Vec<KnownAddress>>,
}

impl Work {
    /// All that changes of people, whoever waits for it.
    pub(super) fn changes(&self) -> impl Iterator<Item = &Change> {
        let ordered = self.orders.iter().filter_map(|placed| match &placed.order {
            Order::Change(changes) => Some(changes),
            _ => None,
        });
        self.changes.iter().chain(ordered.flatten())
    }
}

/// Something whose caller waits for the commit.
#[derive(Debug)]
pub(super) enum Order {
    KeepListen(ListenTo),
    DropListen(ListenTo),
    Change(Vec<Change>),
    Import(Vec<Logged>),
    /// Drops, bit by bit, what came before, as far as nothing newer stands before it.
    DropBefore(Wall),
    /// Leaves nothing in the search of what went before.
    Overwrite,
}

/// Room in the queue.
#[derive(Clone, Copy, Default)]
pub(super) struct Held {
    messages: usize,
    bytes: u64,
}

pub(super) struct PlacedOrder {
    pub(super) order: Order,
    /// It is tried again until the disk takes it, whoever was told that it did not.
    pub(super) keep: bool,
    /// How many messages it stored. Nobody waits for one that failed before.
    pub(super) reply: Option<oneshot::Sender<Result<usize, WriteError>>>,
}

impl PlacedOrder {
    /// Messages of this node that it stores.
    pub(super) fn own_messages(&self) -> u64 {
        self.changes().iter().filter(|change| matches!(change, Change::Own(..))).count() as u64
    }

    /// What it costs while it waits.
    pub(super) fn bytes(&self) -> u64 {
        self.changes().iter().map(Change::bytes).sum()
    }

    /// Whether there is nothing to write: whoever waits for it waits for what stands before it.
    pub(super) fn is_nothing(&self) -> bool {
        match &self.order {
            Order::Change(changes) => changes.is_empty(),
            Order::Overwrite | Order::DropBefore(_) => true,
            Order::KeepListen(_) | Order::DropListen(_) | Order::Import(_) => false,
        }
    }

    fn changes(&self) -> &[Change] {
        match &self.order {
            Order::Change(changes) => changes,
            _ => &[],
        }
    }
}

/// How long the writer waits for work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Patience {
    /// Until there is some.
    UntilWork,
    /// Not at all: it has work of its own.
    None,
    /// So long, even if there is some: the disk gets a pause. Closing ends it.
    Pause(Duration),
}

impl Queue {
    pub(super) fn push_messages(&self, messages: Vec<NewMessage>) {
        let mut state = self.lock();
        let mut refused = 0;
        for message in messages {
            let bytes = queued_bytes(&message);
            let full = state.messages >= QUEUE_MESSAGES_MAX || state.bytes.saturating_add(bytes) > QUEUE_BYTES_MAX;
            // Once one is refused so are all behind it: what is stored keeps its order.
            if state.closing || full || refused > 0 {
                refused += 1;
                continue;
            }
            state.messages += 1;
            state.bytes += bytes;
            state.waiting.held.messages += 1;
            state.waiting.held.bytes += bytes;
            state.waiting.messages.push(message);
        }
        drop(state);
        self.count_not_stored(refused);
        self.changed.notify_all();
    }

    /// Whether less than half of it waits.
    pub(super) fn has_room(&self) -> bool {
        let state = self.lock();
        state.messages < QUEUE_MESSAGES_MAX / 2 && state.bytes < QUEUE_BYTES_MAX / 2
    }

    pub(super) fn push_addresses(&self, mut known: Vec<KnownAddress>) {
        known.truncate(ADDRESSES_MAX);
        let mut state = self.lock();
        if !state.closing {
            state.waiting.addresses = Some(known);
        }
        drop(state);
        self.changed.notify_all();
    }

    pub(super) fn push_order(
        &self,
        order: Order,
        keep: bool,
    ) -> Result<oneshot::Receiver<Result<usize, WriteError>>, WriteError> {
        let (reply, answer) = oneshot::channel();
        let mut state = self.lock();
        if !state.closing {
            if state.waiting.orders.len() >= ORDERS_MAX {
                self.count_not_stored(PlacedOrder { order, keep, reply: None }.own_messages());
                return Err(WriteError(format!("{ORDERS_MAX} changes wait for the disk already: try again later")));
            }
            state.waiting.orders.push(PlacedOrder { order, keep, reply: Some(reply) });
        }
        drop(state);
        self.changed.notify_all();
        Ok(answer)
    }

    /// All that waits, and whether it is the last.
    pub(super) fn take(&self, patience: Patience) -> (Work, bool) {
        let mut state = self.lock();
        state = match patience {
            Patience::None => state,
            Patience::UntilWork => self
                .changed
                .wait_while(state, |state| !state.closing && state.waiting.is_empty())
                .unwrap_or_else(PoisonError::into_inner),
            Patience::Pause(pause) => {
                let waited = self.changed.wait_timeout_while(state, pause, |state| !state.closing);
                waited.unwrap_or_else(PoisonError::into_inner).0
            }
        };
        (std::mem::take(&mut state.waiting), state.closing)
    }

    /// These need no room any more: they are committed, or given up.
    pub(super) fn release(&self, held: Held) {
        let mut state = self.lock();
        state.messages = state.messages.saturating_sub(held.messages);
        state.bytes = state.bytes.saturating_sub(held.bytes);
    }

    pub(super) fn close(&self) {
        self.lock().closing = true;
        self.changed.notify_all();
    }

    pub(super) fn count_not_stored(&self, messages: u64) {
        self.not_stored.fetch_add(messages, Ordering::Relaxed);
    }

    pub(super) fn count_stray_acks(&self, acks: u64) {
        self.stray_acks.fetch_add(acks, Ordering::Relaxed);
    }

    pub(super) fn stray_acks(&self) -> u64 {
        self.stray_acks.load(Ordering::Relaxed)
    }

    pub(super) fn not_stored(&self) -> u64 {
        self.not_stored.load(Ordering::Relaxed)
    }

    /// So many messages the writer tries again.
    pub(super) fn set_kept(&self, messages: u64) {
        self.kept.store(messages, Ordering::Relaxed);
    }

    /// Why nothing can be stored now; `None` when something was.
    pub(super) fn set_problem(&self, problem: Option<String>) {
        *self.problem.lock().unwrap_or_else(PoisonError::into_inner) = problem;
    }

    pub(super) fn storing(&self) -> Storing {
        let problem = self.problem.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let waiting = self.lock().waiting.messages.len() as u64 + self.kept.load(Ordering::Relaxed);
        Storing { waiting, not_stored: self.not_stored(), problem }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing in this file can panic between two changes that belong together.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Work {
    pub(super) fn is_empty(&self) -> bool {
        self.messages.is_empty() && self.changes.is_empty() && self.orders.is_empty() && self.addresses.is_none()
    }

    /// Adds what came later.
    pub(super) fn extend(&mut self, later: Self) {
        if self.messages.is_empty() {
            self.messages = later.messages;
        } else {
            self.messages.extend(later.messages);
        }
        self.held.messages += later.held.messages;
        self.held.bytes += later.held.bytes;
        self.changes.extend(later.changes);
        self.orders.extend(later.orders);
        self.addresses = later.addresses.or(self.addresses.take());
    }
}

fn queued_bytes(message: &NewMessage) -> u64 {
    cost(message) + message.name.as_ref().map_or(0, String::len) as u64
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

    use super::*;
    use crate::message::Content;
    use nightjar_core::time::Wall;

    fn text(bytes: usize) -> NewMessage {
        let content = Content::Wallet { peer: "192.0.2.7:4004".into(), text: vec![0; bytes] };
        NewMessage { received: Wall(0), own: false, late: false, name: None, content, reading: None }
    }

    #[test]
    fn the_queue_is_bounded_by_count_and_what_does_not_fit_is_counted() {
        let queue = Queue::default();
        queue.push_messages((0..QUEUE_MESSAGES_MAX + 7).map(|_| text(1)).collect());
        assert_eq!(queue.not_stored(), 7);
        let (work, last) = queue.take(Patience::UntilWork);
        assert_eq!((work.messages.len(), last), (QUEUE_MESSAGES_MAX, false));
        // What the writer holds still counts.
        queue.push_messages(vec![text(1)]);
        assert_eq!(queue.not_stored(), 8);
        queue.release(work.held);
        queue.push_messages(vec![text(1)]);
        assert_eq!(queue.not_stored(), 8);
    }

    #[test]
    fn the_queue_is_bounded_by_bytes_and_stores_nothing_behind_a_gap() {
        let queue = Queue::default();
        let half = usize::try_from(QUEUE_BYTES_MAX / 2).unwrap();
        queue.push_messages(vec![text(half), text(half), text(1)]);
        assert_eq!(queue.not_stored(), 2);
        assert_eq!(queue.take(Patience::None).0.messages.len(), 1);
    }

    #[test]
    fn listenings_that_wait_are_bounded_and_the_newest_address_book_wins() {
        let queue = Queue::default();
        let target = nightjar_core::record::Target([7; 16]);
        for _ in 0..ORDERS_MAX {
            queue.push_order(Order::KeepListen(ListenTo::Target(target)), false).unwrap();
        }
        queue.push_order(Order::DropListen(ListenTo::Target(target)), false).unwrap_err();
        queue.push_addresses(Vec::new());
        let (mut work, _) = queue.take(Patience::None);
        assert_eq!(work.orders.len(), ORDERS_MAX);
        work.extend(Work::default());
        assert!(work.addresses.is_some());
    }

    #[test]
    fn a_closed_queue_takes_nothing_and_ends_every_pause() {
        let queue = Queue::default();
        queue.close();
        queue.push_messages(vec![text(1)]);
        let (work, last) = queue.take(Patience::Pause(Duration::MAX));
        assert!(work.is_empty() && last);
        assert_eq!(queue.not_stored(), 1);
    }
}
