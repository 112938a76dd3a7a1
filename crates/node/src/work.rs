//! Proof of work, searched for in the background on the cores that the node can spare. Decides neither who works nor for
//! what; never sends what it found.
//!
//! A search is cut into slices, which the threads take in turn from all searches: a short one does not wait for a long one,
//! and one alone has all threads. The expiry is part of what is searched for, so it is chosen before; a record that is
//! found when half of its life is over is not worth sending, and the search ends without one.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use nightjar_core::record::{LIFETIME_S_MIN, MakeError, Record, Target, WorkSearch};
use nightjar_core::time::Mono;
use tokio::sync::oneshot;

use crate::clock::Clock;

/// Searches at once. A person waits for a few; a program that asks for more than the cores can do is told so.
pub const SEARCHES_MAX: usize = 32;
/// Tries between two looks at what is wanted: some hundredths of a second.
const SLICE_TRIES: u64 = 1 << 16;

/// What is to be found: the nonce of a record of these parts.
#[derive(Clone)]
pub struct Wanted {
    /// Where it goes.
    pub target: Target,
    /// What it says.
    pub body: Vec<u8>,
    /// Until when it lives, Unix seconds. It is chosen before the search, which uses up to half of its life.
    pub expiry: u32,
    /// Coding of the body.
    pub coding: u8,
    /// Leading zero bits. Every bit doubles the work; 20 make a worked record.
    pub bits: u8,
}

/// Threads that search. A clone is the same pool; with the last one all searches end.
#[derive(Clone, Debug)]
pub struct WorkPool {
    owner: Arc<Owner>,
}

/// One search. Dropped, it ends.
#[derive(Debug)]
pub struct Search {
    id: u64,
    found: oneshot::Receiver<Result<Record, WorkError>>,
    shared: Arc<Shared>,
}

/// How far a search is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Progress {
    /// By this it can be stopped.
    pub id: u64,
    /// The bits it wants.
    pub bits: u8,
    /// Nonces that were tried.
    pub tries: u64,
    /// Nonces that have to be tried on the average. It has no memory: after so many in vain it takes so many more.
    pub tries_expected: u64,
    /// Nonces tried a second since it began; 0 in the first moment.
    pub tries_per_s: f64,
}

/// A search that did not begin.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BeginError {
    /// There is no such record.
    #[error(transparent)]
    Make(#[from] MakeError),
    /// It would be over before it is on its way.
    #[error("a record that lives for {0} s is not worth any work: the least is {LIFETIME_S_MIN} s")]
    TooShort(u32),
    /// There are enough.
    #[error("{SEARCHES_MAX} searches for work run, and that is the most: wait for one, stop one, or send without work")]
    TooMany,
    /// The system gives no thread.
    #[error("no thread can be started for the work: {0}")]
    NoThread(String),
    /// The system gives no random numbers.
    #[error("the system gives no random numbers: {0}")]
    Chance(String),
}

/// A search that ended without a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WorkError {
    /// It took so long that too little of the record's life was left.
    #[error(
        "the work took too long: after {tries} tries half of the record's life was over; send it again with a longer lifetime, with less work, or without"
    )]
    TooLate {
        /// Nonces that were tried.
        tries: u64,
    },
    /// Somebody ended it, or the node ends.
    #[error("the search for work was stopped")]
    Stopped,
}

#[derive(Debug)]
struct Owner {
    shared: Arc<Shared>,
    threads: usize,
}

#[derive(Debug)]
struct Shared {
    clock: Clock,
    state: Mutex<State>,
    /// There is something to do, or nothing any more for ever.
    wake: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// The first one is next.
    searches: VecDeque<Running>,
    last_id: u64,
    threads_running: bool,
    closed: bool,
}

struct Running {
    id: u64,
    wanted: Arc<Wanted>,
    next_nonce: u64,
    tries: u64,
    began: Mono,
    /// The Unix second after which it is given up.
    found_by: u32,
    found: oneshot::Sender<Result<Record, WorkError>>,
}

impl WorkPool {
    /// One thread for each core but one, which is left to the flood; they start with the first search.
    pub fn of_spare_cores(clock: Clock) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self::new(cores.saturating_sub(1), clock)
    }

    /// So many threads, at least one.
    pub fn new(threads: usize, clock: Clock) -> Self {
        let shared = Arc::new(Shared { clock, state: Mutex::default(), wake: Condvar::new() });
        Self { owner: Arc::new(Owner { shared, threads: threads.max(1) }) }
    }

    /// Begins a search. Returns at once.
    pub fn begin(&self, wanted: Wanted) -> Result<Search, BeginError> {
        let shared = &self.owner.shared;
        let now = shared.clock.now();
        let lifetime_s = wanted.expiry.saturating_sub(now.wall.unix_s());
        if lifetime_s < LIFETIME_S_MIN {
            return Err(BeginError::TooShort(lifetime_s));
        }
        let mut nonce = [0; 8];
        getrandom::fill(&mut nonce).map_err(|error| BeginError::Chance(error.to_string()))?;
        let next_nonce = u64::from_le_bytes(nonce);
        wanted.at(next_nonce)?;
        let (found, when_found) = oneshot::channel();
        let mut state = shared.state();
        if state.searches.len() >= SEARCHES_MAX {
            return Err(BeginError::TooMany);
        }
        if !state.threads_running {
            self.start_threads()?;
            state.threads_running = true;
        }
        state.last_id += 1;
        let id = state.last_id;
        state.searches.push_back(Running {
            id,
            found_by: wanted.expiry - lifetime_s / 2,
            wanted: Arc::new(wanted),
            next_nonce,
            tries: 0,
            began: now.mono,
            found,
        });
        drop(state);
        shared.wake.notify_all();
        Ok(Search { id, found: when_found, shared: Arc::clone(shared) })
    }

    /// How far all searches are that run, the oldest first.
    pub fn progress(&self) -> Vec<Progress> {
        let mut all: Vec<_> = {
            let shared = &self.owner.shared;
            shared.state().searches.iter().map(|search| search.progress(shared.clock.now().mono)).collect()
        };
        all.sort_unstable_by_key(|progress| progress.id);
        all
    }

    /// Ends a search; says whether there was one.
    pub fn stop(&self, id: u64) -> bool {
        self.owner.shared.end(id, Err(WorkError::Stopped))
    }

    fn start_threads(&self) -> Result<(), BeginError> {
        for number in 0..self.owner.threads {
            let shared = Arc::clone(&self.owner.shared);
            let started = std::thread::Builder::new().name(format!("work-{number}")).spawn(move || shared.work());
            match started {
                Ok(_) => {}
                // Fewer do as well.
                Err(error) if number > 0 => {
                    tracing::warn!("{number} threads work instead of {}: {error}", self.owner.threads);
                    break;
                }
                Err(error) => return Err(BeginError::NoThread(error.to_string())),
            }
        }
        Ok(())
    }
}

impl Wanted {
    fn at(&self, nonce: u64) -> Result<WorkSearch, MakeError> {
        WorkSearch::new(self.target, &self.body, self.expiry, self.coding, self.bits, nonce)
    }
}

impl Search {
    /// By this it can be stopped.
    pub const fn id(&self) -> u64 {
        self.id
    }

    /// How far it is; `None` when it is over.
    pub fn progress(&self) -> Option<Progress> {
        let now = self.shared.clock.now().mono;
        self.shared.state().searches.iter().find(|search| search.id == self.id).map(|search| search.progress(now))
    }

    /// The record, when it is found.
    pub async fn finished(mut self) -> Result<Record, WorkError> {
        (&mut self.found).await.unwrap_or(Err(WorkError::Stopped))
    }
}

impl Drop for Search {
    fn drop(&mut self) {
        self.shared.end(self.id, Err(WorkError::Stopped));
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        let mut state = self.shared.state();
        state.closed = true;
        // Whoever waits for one of them is told so by its absence.
        state.searches.clear();
        drop(state);
        self.shared.wake.notify_all();
    }
}

impl Shared {
    /// What a thread does until the pool is gone.
    fn work(&self) {
        while let Some((id, wanted, nonce)) = self.next_slice() {
            let found = wanted.at(nonce).expect("it was tried before it was taken in").search(SLICE_TRIES);
            match found {
                Some(record) => {
                    self.end(id, Ok(record));
                }
                None => self.count(id),
            }
        }
    }

    /// Waits for something to do; `None` when there will be nothing more.
    fn next_slice(&self) -> Option<(u64, Arc<Wanted>, u64)> {
        let mut state = self.state();
        loop {
            if state.closed {
                return None;
            }
            let Some(mut search) = state.searches.pop_front() else {
                state = self.wake.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            if self.clock.wall().unix_s() > search.found_by {
                let tries = search.tries;
                search.end(Err(WorkError::TooLate { tries }));
                continue;
            }
            let slice = (search.id, Arc::clone(&search.wanted), search.next_nonce);
            search.next_nonce = search.next_nonce.wrapping_add(SLICE_TRIES);
            state.searches.push_back(search);
            return Some(slice);
        }
    }

    fn count(&self, id: u64) {
        if let Some(search) = self.state().searches.iter_mut().find(|search| search.id == id) {
            search.tries = search.tries.saturating_add(SLICE_TRIES);
        }
    }

    fn end(&self, id: u64, how: Result<Record, WorkError>) -> bool {
        let mut state = self.state();
        let place = state.searches.iter().position(|search| search.id == id);
        let search = place.and_then(|place| state.searches.remove(place));
        drop(state);
        search.map(|search| search.end(how)).is_some()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Whole at any moment: a panic elsewhere leaves nothing half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Running {
    fn progress(&self, now: Mono) -> Progress {
        let ms = now.since(self.began);
        Progress {
            id: self.id,
            bits: self.wanted.bits,
            tries: self.tries,
            tries_expected: 1 << self.wanted.bits,
            tries_per_s: if ms == 0 { 0.0 } else { self.tries as f64 * 1000.0 / ms as f64 },
        }
    }

    fn end(self, how: Result<Record, WorkError>) {
        // Nobody waits any more: then it was dropped, which is as good an end.
        self.found.send(how).ok();
    }
}

/// Neither target nor body: a search in a log must not say what is said to whom.
impl std::fmt::Debug for Wanted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Wanted").field("expiry", &self.expiry).field("bits", &self.bits).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Running {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Running")
            .field("id", &self.id)
            .field("wanted", &self.wanted)
            .field("tries", &self.tries)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

    use nightjar_core::record::{BODY_BYTES_MAX, WORK_BITS_MAX};

    use super::*;

    /// So many bits take far longer than any test: it ends in another way.
    const NEVER: u8 = WORK_BITS_MAX;

    fn wanted(clock: &Clock, bits: u8) -> Wanted {
        let expiry = clock.wall().unix_s() + 600;
        Wanted { target: Target([7; 16]), body: b"work".to_vec(), expiry, coding: 1, bits }
    }

    fn pool(threads: usize) -> (WorkPool, Clock) {
        let clock = Clock::system();
        (WorkPool::new(threads, clock.clone()), clock)
    }

    #[tokio::test]
    async fn what_is_found_is_the_record_that_was_wanted_with_its_work_done() {
        for threads in [0, 1, 3] {
            let (pool, clock) = pool(threads);
            for bits in [0, 1, 8, 12] {
                let wanted = wanted(&clock, bits);
                let record = pool.begin(wanted.clone()).unwrap().finished().await.unwrap();
                assert_eq!(record.work_bits(), bits);
                assert_eq!((record.target(), record.body()), (wanted.target, wanted.body.as_slice()));
                let stamp = record.stamp().unwrap();
                assert_eq!((stamp.expiry, stamp.coding, stamp.reserved), (wanted.expiry, 1, 0));
            }
            assert!(pool.progress().is_empty());
        }
    }

    #[tokio::test]
    async fn a_short_search_does_not_wait_for_a_long_one() {
        let (pool, clock) = pool(1);
        let long = pool.begin(wanted(&clock, NEVER)).unwrap();
        let short: Vec<_> = (0..5).map(|_| pool.begin(wanted(&clock, 10)).unwrap()).collect();
        for search in short {
            search.finished().await.unwrap();
        }
        assert_eq!(pool.progress().iter().map(|progress| progress.id).collect::<Vec<_>>(), [long.id()]);
    }

    #[tokio::test]
    async fn a_search_says_how_far_it_is_and_is_stopped() {
        let (pool, clock) = pool(2);
        let search = pool.begin(wanted(&clock, NEVER)).unwrap();
        let progress = loop {
            let progress = search.progress().unwrap();
            if progress.tries > 3 * SLICE_TRIES && progress.tries_per_s > 0.0 {
                break progress;
            }
            tokio::task::yield_now().await;
        };
        assert_eq!((progress.bits, progress.tries_expected), (31, 1 << 31));
        assert_eq!(pool.progress().len(), 1);
        assert!(pool.stop(search.id()));
        assert!(!pool.stop(search.id()), "only once");
        assert_eq!(search.progress(), None);
        assert_eq!(search.finished().await.unwrap_err(), WorkError::Stopped);
    }

    #[test]
    fn a_search_that_nobody_waits_for_ends() {
        let (pool, clock) = pool(1);
        let search = pool.begin(wanted(&clock, NEVER)).unwrap();
        assert_eq!(pool.progress().len(), 1);
        drop(search.finished());
        assert!(pool.progress().is_empty());
    }

    #[tokio::test]
    async fn with_the_pool_its_searches_and_threads_end() {
        let (pool, clock) = pool(2);
        let shared = Arc::clone(&pool.owner.shared);
        let search = pool.begin(wanted(&clock, NEVER)).unwrap();
        drop(pool.clone());
        assert!(search.progress().is_some());
        drop(pool);
        assert_eq!(search.finished().await.unwrap_err(), WorkError::Stopped);
        // Each thread holds one of the pool's parts for as long as it runs.
        while Arc::strong_count(&shared) > 1 {
            std::thread::yield_now();
        }
    }

    #[tokio::test]
    async fn what_would_be_found_too_late_is_given_up() {
        let (pool, clock) = pool(1);
        let search = pool.begin(wanted(&clock, NEVER)).unwrap();
        clock.step(290_000);
        pool.begin(wanted(&clock, 8)).unwrap().finished().await.unwrap();
        assert!(search.progress().is_some(), "more than half of its life is left");
        clock.step(12_000);
        let error = search.finished().await.unwrap_err();
        assert!(matches!(error, WorkError::TooLate { .. }), "{error}");
    }

    #[test]
    fn there_is_a_most_of_searches() {
        let (pool, clock) = pool(1);
        let searches: Vec<_> = (0..SEARCHES_MAX).map(|_| pool.begin(wanted(&clock, NEVER)).unwrap()).collect();
        assert_eq!(pool.begin(wanted(&clock, 1)).unwrap_err(), BeginError::TooMany);
        drop(searches);
        assert!(pool.begin(wanted(&clock, 1)).is_ok());
    }

    #[test]
    fn what_makes_no_record_does_not_begin() {
        let (pool, clock) = pool(1);
        let sound = wanted(&clock, 1);
        let long = Wanted { body: vec![0; BODY_BYTES_MAX + 1], ..sound.clone() };
        assert!(matches!(pool.begin(long).unwrap_err(), BeginError::Make(MakeError::TooLong { .. })));
        let much = Wanted { bits: 32, ..sound.clone() };
        assert_eq!(pool.begin(much).unwrap_err(), BeginError::Make(MakeError::Work(32)));
        let past = Wanted { expiry: clock.wall().unix_s() - 1, ..sound };
        assert_eq!(pool.begin(past).unwrap_err(), BeginError::TooShort(0));
        assert!(pool.progress().is_empty());
        assert!(!pool.owner.shared.state().threads_running, "nothing was to do");
    }
}
