//! What is to be sent on a link: a bounded queue that the engine fills without waiting and the link's task empties.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nightjar_core::item::{ByeCode, Item};
use nightjar_core::record::WORKED_BITS;
use tokio::sync::Notify;

use crate::handle::DRAFTS_MAX;

/// Items that may wait for a link. At the budgets of a node it is a quarter of a minute of the whole flood: a peer
/// further behind does not come back. Records share their bytes with the router, so it is about half a megabyte.
pub const OUTBOX_ITEMS_MAX: usize = 8192;
/// Behind so many items a plain record is dropped: when a link cannot carry everything, what cost least goes first.
pub const OUTBOX_PLAIN_MAX: usize = OUTBOX_ITEMS_MAX / 2;
/// Behind so many items a dated record without work is dropped; the rest is for worked ones and controls.
pub const OUTBOX_DATED_MAX: usize = OUTBOX_ITEMS_MAX / 8 * 7;

/// Who waits for room is told when so few items are left: then [`DRAFTS_MAX`] of any kind fit.
const ROOM_ITEMS: usize = OUTBOX_PLAIN_MAX - DRAFTS_MAX;

/// A queue above this is given back when it is empty: an idle link is to be small.
const KEPT_ITEMS_MAX: usize = 16;

/// The engine's end. Dropping it ends the link.
#[derive(Debug)]
pub struct Outbox {
    shared: Arc<Shared>,
}

/// Another way into the same link, for who answers the peer at leisure: what it hands over goes out behind all that is in the outbox,
/// and none of it is dropped.
#[derive(Debug)]
pub struct Aside {
    shared: Arc<Shared>,
}

/// The link's end.
#[derive(Debug)]
pub(super) struct Queue {
    shared: Arc<Shared>,
}

/// Why a link is ended by us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ending {
    pub(super) code: ByeCode,
    pub(super) text: String,
}

struct Shared {
    state: Mutex<State>,
    wake: Notify,
    /// Shared by all links of a node: told when one has room again that had little.
    room: Arc<Notify>,
}

#[derive(Default)]
struct State {
    items: VecDeque<Item>,
    aside: VecDeque<Item>,
    /// Told when the last item of those aside was taken.
    aside_taken: Option<Box<dyn Fn() + Send>>,
    ending: Option<Ending>,
}

/// An outbox, and the link's end of it. `room` is told when it has room again.
pub(super) fn outbox(room: &Arc<Notify>) -> (Outbox, Queue) {
    let shared = Arc::new(Shared { state: Mutex::default(), wake: Notify::new(), room: Arc::clone(room) });
    (Outbox { shared: Arc::clone(&shared) }, Queue { shared })
}

impl Outbox {
    /// Hands items over, in order, and leaves the vector empty. What does not fit is dropped and counted in the answer:
    /// the newest first, and plain records before dated ones before worked ones. Behind [`Outbox::end`] nothing is taken,
    /// and nothing counted.
    pub fn push_all(&self, items: &mut Vec<Item>) -> u32 {
        if items.is_empty() {
            return 0;
        }
        let mut state = self.shared.state();
        if state.ending.is_some() {
            items.clear();
            return 0;
        }
        let was_empty = state.items.is_empty();
        let mut dropped = 0;
        if state.items.len() + items.len() <= OUTBOX_PLAIN_MAX {
            state.items.extend(items.drain(..));
        } else {
            for item in items.drain(..) {
                if state.items.len() < places(&item) {
                    state.items.push_back(item);
                } else {
                    dropped += 1;
                }
            }
        }
        drop(state);
        // A link that has not come to the end of its queue looks by itself.
        if was_empty {
            self.shared.wake.notify_one();
        }
        dropped
    }

    /// Hands one item over; `false` if it did not fit and was dropped.
    pub fn push(&self, item: Item) -> bool {
        self.push_all(&mut vec![item]) == 0
    }

    /// The way aside, of which there is one; `taken` is told each time when all that it handed over was taken. It is called under a
    /// lock: it is to do next to nothing.
    pub fn aside(&self, taken: impl Fn() + Send + 'static) -> Aside {
        self.shared.state().aside_taken = Some(Box::new(taken));
        Aside { shared: Arc::clone(&self.shared) }
    }

    /// How many items of any kind fit.
    pub fn room(&self) -> usize {
        OUTBOX_PLAIN_MAX.saturating_sub(self.shared.state().items.len())
    }

    /// Ends the link: what was pushed before goes out, then BYE, within the farewell's time. A dial is broken off.
    pub fn end(&self, code: ByeCode, text: &str) {
        self.shared.end(code, text);
    }
}

impl Aside {
    /// Hands items over. To be called only when what was handed over before is taken: so they are bounded.
    pub fn push_all(&self, items: Vec<Item>) {
        let mut state = self.shared.state();
        if state.ending.is_none() {
            state.aside.extend(items);
            drop(state);
            self.shared.wake.notify_one();
        }
    }

    /// Whether all that was handed over is taken.
    pub fn is_empty(&self) -> bool {
        self.shared.state().aside.is_empty()
    }
}

impl Drop for Outbox {
    fn drop(&mut self) {
        self.shared.end(ByeCode::Leaving, "");
    }
}

impl Queue {
    /// Comes back when something was pushed into the empty queue, or the link is to end; perhaps without a reason.
    pub(super) async fn changed(&self) {
        self.shared.wake.notified().await;
    }

    /// Comes back when the link is to end.
    pub(super) async fn ended(&self) {
        while !self.is_ended() {
            self.changed().await;
        }
    }

    pub(super) fn is_ended(&self) -> bool {
        self.shared.state().ending.is_some()
    }

    /// At most `limit` items, oldest first, and, behind the last of all, the ending.
    pub(super) fn take(&self, limit: usize) -> (Vec<Item>, Option<Ending>) {
        let mut state = self.shared.state();
        let before = state.items.len();
        let count = limit.min(before);
        let items = state.items.drain(..count).collect();
        if before > ROOM_ITEMS && before - count <= ROOM_ITEMS {
            self.shared.room.notify_one();
        }
        if state.items.is_empty() && state.items.capacity() > KEPT_ITEMS_MAX {
            state.items = VecDeque::new();
        }
        let ending = if state.items.is_empty() { state.ending.clone() } else { None };
        (items, ending)
    }
}

impl Queue {
    /// The next item of those aside.
    pub(super) fn take_aside(&self) -> Option<Item> {
        let mut state = self.shared.state();
        let item = state.aside.pop_front()?;
        if state.aside.is_empty() {
            state.aside = VecDeque::new();
            if let Some(taken) = &state.aside_taken {
                taken();
            }
        }
        Some(item)
    }
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let state = self.state();
        f.debug_struct("Shared")
            .field("items", &state.items.len())
            .field("ending", &state.ending)
            .finish_non_exhaustive()
    }
}

impl Shared {
    fn end(&self, code: ByeCode, text: &str) {
        let mut state = self.state();
        state.ending.get_or_insert_with(|| Ending { code, text: text.to_owned() });
        drop(state);
        self.wake.notify_one();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nobody panics while holding it; and a queue is whole after every step.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Into which place of the queue, from the front, an item may go at the most.
fn places(item: &Item) -> usize {
    match item {
        Item::Control(_) | Item::Served { .. } => OUTBOX_ITEMS_MAX,
        Item::Record { record, .. } => match record.stamp() {
            None => OUTBOX_PLAIN_MAX,
            // Whether the claim is met was seen by the router; one that is not met gains nothing else.
            Some(stamp) if stamp.claimed_bits >= WORKED_BITS => OUTBOX_ITEMS_MAX,
            Some(_) => OUTBOX_DATED_MAX,
        },
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, missing_docs, reason = "a test may fail loudly")]

    use super::*;
    use nightjar_core::item::Control;
    use nightjar_core::record::{MsgId, Record, Target};

    fn outbox() -> (Outbox, Queue) {
        super::outbox(&Arc::default())
    }

    fn record(claimed_bits: u8) -> Item {
        let record = Record::dated_with_claim(Target([1; 16]), b"x", 1, 0, [0; 8], claimed_bits).unwrap();
        Item::Record { record, tag: 0 }
    }

    fn plain() -> Item {
        let record = Record::plain(MsgId([2; 16]), Target([1; 16]), b"x").unwrap();
        Item::Record { record, tag: 0 }
    }

    #[test]
    fn plain_records_are_dropped_before_dated_ones_and_those_before_worked_ones() {
        let (outbox, queue) = outbox();
        let push = |item: fn() -> Item, count| {
            let mut items: Vec<_> = std::iter::repeat_with(item).take(count).collect();
            count - usize::try_from(outbox.push_all(&mut items)).unwrap()
        };
        assert_eq!(push(plain, OUTBOX_ITEMS_MAX), OUTBOX_PLAIN_MAX);
        assert_eq!(push(|| record(0), OUTBOX_ITEMS_MAX), OUTBOX_DATED_MAX - OUTBOX_PLAIN_MAX);
        assert_eq!(push(plain, 1), 0);
        assert_eq!(push(|| record(WORKED_BITS), OUTBOX_ITEMS_MAX), OUTBOX_ITEMS_MAX - OUTBOX_DATED_MAX);
        assert_eq!(queue.take(usize::MAX).0.len(), OUTBOX_ITEMS_MAX);
    }

    #[test]
    fn what_is_aside_is_neither_dropped_nor_counted_and_its_end_is_told() {
        let (outbox, queue) = outbox();
        let (taken, told) = std::sync::mpsc::channel();
        let aside = outbox.aside(move || taken.send(()).unwrap());
        assert!(aside.is_empty());
        aside.push_all(vec![item(1), item(2)]);
        let mut items: Vec<_> = (0..OUTBOX_ITEMS_MAX).map(|_| item(3)).collect();
        assert_eq!(outbox.push_all(&mut items), 0);
        assert_eq!(queue.take_aside(), Some(item(1)));
        assert!(told.try_recv().is_err() && !aside.is_empty());
        assert_eq!(queue.take_aside(), Some(item(2)));
        assert!(told.try_recv().is_ok() && aside.is_empty());
        assert_eq!(queue.take_aside(), None);
        outbox.end(ByeCode::Leaving, "");
        aside.push_all(vec![item(1)]);
        assert!(aside.is_empty(), "the link has ended");
    }

    #[tokio::test]
    async fn whoever_waits_for_room_is_told() {
        let room = Arc::new(Notify::new());
        let (outbox, queue) = super::outbox(&room);
        let mut items: Vec<_> = std::iter::repeat_with(|| record(0)).take(OUTBOX_DATED_MAX).collect();
        assert_eq!((outbox.push_all(&mut items), outbox.room()), (0, 0));
        queue.take(OUTBOX_DATED_MAX - ROOM_ITEMS);
        room.notified().await;
        assert_eq!(outbox.room(), DRAFTS_MAX);
    }

    fn item(number: u8) -> Item {
        Item::Control(Control::Wallet { text: vec![number] })
    }

    #[test]
    fn the_newest_that_do_not_fit_are_dropped_and_counted() {
        let (outbox, queue) = outbox();
        let mut items: Vec<_> = (0..OUTBOX_ITEMS_MAX + 3).map(|_| item(1)).collect();
        assert_eq!(outbox.push_all(&mut items), 3);
        assert!(items.is_empty());
        assert!(!outbox.push(item(2)));
        assert_eq!(queue.take(1).0, [item(1)]);
        assert!(outbox.push(item(3)));
        assert_eq!(queue.take(usize::MAX).0.last(), Some(&item(3)));
    }

    #[test]
    fn the_ending_comes_behind_the_last_item_and_the_first_reason_counts() {
        let (outbox, queue) = outbox();
        assert!(outbox.push(item(1)) && outbox.push(item(2)));
        outbox.end(ByeCode::Duplicate, "twice");
        outbox.end(ByeCode::Full, "full");
        assert!(outbox.push(item(3)), "it is not counted as dropped");
        assert_eq!(queue.take(1), (vec![item(1)], None));
        let ending = Ending { code: ByeCode::Duplicate, text: "twice".into() };
        assert_eq!(queue.take(9), (vec![item(2)], Some(ending)));
    }

    #[test]
    fn dropping_the_engines_end_ends_the_link() {
        let (outbox, queue) = outbox();
        assert!(!queue.is_ended());
        drop(outbox);
        assert!(queue.is_ended());
    }
}
