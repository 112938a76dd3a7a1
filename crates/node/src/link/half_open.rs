//! Connections to us whose handshake is not done: few, and the oldest goes first.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nightjar_core::address::NetworkGroup;
use tokio::sync::oneshot;

use super::AcceptCounters;

pub(super) struct HalfOpen {
    places_max: usize,
    per_group_max: usize,
    places: Mutex<Places>,
    accepted: AtomicU64,
    evicted: AtomicU64,
    unknown: AtomicU64,
    failed: AtomicU64,
    refused: AtomicU64,
}

#[derive(Default)]
struct Places {
    next: u64,
    /// In the order they came.
    taken: BTreeMap<u64, Taken>,
}

struct Taken {
    group: NetworkGroup,
    _stay: oneshot::Sender<()>,
}

/// One place; it is free again when this is dropped.
pub(super) struct HalfOpenPlace {
    number: u64,
    all: Arc<HalfOpen>,
    /// Fails when the place was given to another.
    evicted: oneshot::Receiver<()>,
}

/// Why a connection did not become a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Unknown,
    Failed,
    Refused,
}

impl HalfOpen {
    pub(super) fn new(places_max: usize, per_group_max: usize) -> Self {
        Self {
            places_max,
            per_group_max,
            places: Mutex::default(),
            accepted: AtomicU64::new(0),
            evicted: AtomicU64::new(0),
            unknown: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            refused: AtomicU64::new(0),
        }
    }

    /// Takes a place: that of the oldest of the group, or of all, when there is none left.
    pub(super) fn enter(self: &Arc<Self>, group: NetworkGroup) -> HalfOpenPlace {
        self.accepted.fetch_add(1, Ordering::Relaxed);
        let (stay, evicted) = oneshot::channel();
        let mut places = self.places();
        let of_group = places.taken.values().filter(|taken| taken.group == group).count();
        let goes = if of_group >= self.per_group_max {
            places.taken.iter().find(|(_, taken)| taken.group == group).map(|(number, _)| *number)
        } else if places.taken.len() >= self.places_max {
            places.taken.keys().next().copied()
        } else {
            None
        };
        if let Some(goes) = goes {
            places.taken.remove(&goes);
            self.evicted.fetch_add(1, Ordering::Relaxed);
        }
        let number = places.next;
        places.next += 1;
        places.taken.insert(number, Taken { group, _stay: stay });
        drop(places);
        HalfOpenPlace { number, all: Arc::clone(self), evicted }
    }

    pub(super) fn counters(&self) -> AcceptCounters {
        AcceptCounters {
            accepted: self.accepted.load(Ordering::Relaxed),
            evicted: self.evicted.load(Ordering::Relaxed),
            unknown: self.unknown.load(Ordering::Relaxed),
            failed: self.failed.load(Ordering::Relaxed),
            refused: self.refused.load(Ordering::Relaxed),
            half_open: self.places().taken.len(),
        }
    }

    fn places(&self) -> MutexGuard<'_, Places> {
        // Nobody panics while holding it.
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl HalfOpenPlace {
    /// Comes back when the place was given to another.
    pub(super) async fn evicted(&mut self) {
        // The sender never sends: its end is the message.
        drop((&mut self.evicted).await);
    }

    pub(super) fn count(&self, outcome: Outcome) {
        let counter = match outcome {
            Outcome::Unknown => &self.all.unknown,
            Outcome::Failed => &self.all.failed,
            Outcome::Refused => &self.all.refused,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

impl Drop for HalfOpenPlace {
    fn drop(&mut self) {
        self.all.places().taken.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(number: u8) -> NetworkGroup {
        NetworkGroup::V4([10, number])
    }

    #[tokio::test]
    async fn the_oldest_of_a_full_group_goes_then_the_oldest_of_all() {
        let all = Arc::new(HalfOpen::new(3, 2));
        let mut other = all.enter(group(1));
        let mut first = all.enter(group(2));
        let _second = all.enter(group(2));
        let third = all.enter(group(2));
        first.evicted().await;
        let _fourth = all.enter(group(3));
        other.evicted().await;
        assert_eq!(all.counters().half_open, 3);
        assert_eq!((all.counters().accepted, all.counters().evicted), (5, 2));
        drop(third);
        assert_eq!(all.counters().half_open, 2);
    }
}
