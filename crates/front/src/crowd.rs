//! Places for connections: so many, and the one that was idle longest makes room. Never touches a socket.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;
use tokio::time::Instant;

/// The places.
pub(crate) struct Crowd {
    places_max: usize,
    places: Mutex<Places>,
}

#[derive(Default)]
struct Places {
    /// Connections and requests so far: tells which came before which.
    turn: u64,
    taken: BTreeMap<u64, Taken>,
}

struct Taken {
    /// Requests that are being answered.
    busy: u32,
    /// The turn at which it became busy, or idle, and the moment.
    turn: u64,
    since: Instant,
    _stay: oneshot::Sender<()>,
}

/// One place; it is free again when this is dropped.
pub(crate) struct Place {
    number: u64,
    crowd: Arc<Crowd>,
}

/// A request that is being answered: its connection stays until this is dropped.
pub(crate) struct Busy(Arc<Place>);

/// Fails when the place was given to another.
pub(crate) type Evicted = oneshot::Receiver<()>;

impl Crowd {
    pub(crate) fn new(places_max: usize) -> Arc<Self> {
        Arc::new(Self { places_max, places: Mutex::default() })
    }

    /// Takes a place: that of the connection that was idle longest, when none is free. `None` when none is idle either.
    pub(crate) fn enter(self: &Arc<Self>) -> Option<(Place, Evicted)> {
        let mut places = self.places();
        if places.taken.len() >= self.places_max {
            let idle = places.taken.iter().filter(|(_, taken)| taken.busy == 0);
            let longest = idle.min_by_key(|(_, taken)| taken.turn).map(|(number, _)| *number)?;
            places.taken.remove(&longest);
        }
        let (stay, evicted) = oneshot::channel();
        places.turn += 1;
        let number = places.turn;
        places.taken.insert(number, Taken { busy: 0, turn: number, since: Instant::now(), _stay: stay });
        drop(places);
        Some((Place { number, crowd: Arc::clone(self) }, evicted))
    }

    fn places(&self) -> MutexGuard<'_, Places> {
        // Nobody panics while holding it.
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// A request came. `None` when the place is lost already: the request is not to be run.
    pub(crate) fn busy(self: &Arc<Self>) -> Option<Busy> {
        self.change(|taken| taken.busy += 1)?;
        Some(Busy(Arc::clone(self)))
    }

    /// Since when no request is being answered; `None` while one is.
    pub(crate) fn idle_since(&self) -> Option<Instant> {
        let places = self.crowd.places();
        places.taken.get(&self.number).filter(|taken| taken.busy == 0).map(|taken| taken.since)
    }

    fn change(&self, change: impl FnOnce(&mut Taken)) -> Option<()> {
        let mut places = self.crowd.places();
        let turn = places.turn + 1;
        let taken = places.taken.get_mut(&self.number)?;
        change(taken);
        (taken.turn, taken.since) = (turn, Instant::now());
        places.turn = turn;
        Some(())
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        // A busy place is never given away, so it is there.
        self.0.change(|taken| taken.busy -= 1);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.crowd.places().taken.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

    use super::*;

    #[tokio::test]
    async fn the_one_that_was_idle_longest_makes_room() {
        let crowd = Crowd::new(2);
        let (first, first_evicted) = crowd.enter().unwrap();
        let first = Arc::new(first);
        let (second, second_evicted) = crowd.enter().unwrap();
        // The first was here longer, but it has just been used.
        drop(first.busy().unwrap());
        let (_third, _third_evicted) = crowd.enter().unwrap();
        second_evicted.await.unwrap_err();
        assert!(Arc::new(second).busy().is_none(), "a lost place runs nothing");
        drop((first_evicted, first));
    }

    #[test]
    fn nobody_who_is_being_answered_makes_room() {
        let crowd = Crowd::new(1);
        let (only, _evicted) = crowd.enter().unwrap();
        let only = Arc::new(only);
        let busy = only.busy().unwrap();
        assert!(only.idle_since().is_none());
        assert!(crowd.enter().is_none());
        drop(busy);
        assert!(only.idle_since().is_some());
        assert!(crowd.enter().is_some());
    }

    #[test]
    fn a_place_is_free_again_when_its_connection_ends() {
        let crowd = Crowd::new(1);
        for _ in 0..3 {
            let place = crowd.enter().unwrap();
            drop(place);
        }
        assert!(crowd.places().taken.is_empty());
    }
}
