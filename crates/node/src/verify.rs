//! Signatures of records, checked beside the engine on the cores that it leaves free. Decides nothing about a record: it
//! says which signatures hold, in batches and in any order, and never makes the engine wait.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use nightjar_core::chain::Network;
use nightjar_core::router::{CHECKS_WAITING_MAX, Check, Verdict};
use nightjar_envelope::sign::record_holds;
use tokio::sync::mpsc;

/// Checks that a thread takes at once: a millisecond or two of work, so that what comes of the first is not held up by the
/// last, and the engine is not woken for each.
const BATCH_MAX: usize = 32;
/// Checks that wait for a thread. The router lets no more wait than half of it, so it is only reached when the router gave
/// checks up that still stand here; then new ones are dropped, and the router gives them up as well.
pub const CHECKS_QUEUED_MAX: usize = 2 * CHECKS_WAITING_MAX;

/// Threads that check. Dropped, they end, and what waits is not checked any more.
#[derive(Debug)]
pub struct VerifyPool {
    shared: Arc<Shared>,
}

/// What came of checks. It is bounded by what the router lets wait, so nobody waits to put something in.
pub type Verdicts = mpsc::UnboundedReceiver<Vec<Verdict>>;

#[derive(Debug)]
struct Shared {
    network: Network,
    threads: usize,
    state: Mutex<State>,
    /// There is something to do, or nothing any more for ever.
    wake: Condvar,
}

#[derive(Debug, Default)]
struct State {
    checks: VecDeque<Check>,
    closed: bool,
}

impl VerifyPool {
    /// One thread for each core but one, which is left to the flood; at least one.
    pub fn of_spare_cores(network: Network) -> io::Result<(Self, Verdicts)> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self::start(network, cores.saturating_sub(1))
    }

    /// So many threads, at least one.
    pub fn start(network: Network, threads: usize) -> io::Result<(Self, Verdicts)> {
        let threads = threads.max(1);
        let shared = Arc::new(Shared { network, threads, state: Mutex::default(), wake: Condvar::new() });
        // If a thread cannot be started, those before it end with the pool.
        let pool = Self { shared };
        let (sender, verdicts) = mpsc::unbounded_channel();
        for number in 0..threads {
            let (shared, sender) = (Arc::clone(&pool.shared), sender.clone());
            std::thread::Builder::new().name(format!("verify-{number}")).spawn(move || shared.check_all(&sender))?;
        }
        Ok((pool, verdicts))
    }

    /// Takes checks; says how many were dropped because too many wait. Returns at once.
    pub fn check(&self, mut checks: Vec<Check>) -> usize {
        let mut state = self.shared.state();
        let room = CHECKS_QUEUED_MAX.saturating_sub(state.checks.len());
        let dropped = checks.len().saturating_sub(room);
        checks.truncate(room);
        state.checks.extend(checks);
        let is_much = state.checks.len() > BATCH_MAX;
        drop(state);
        if is_much {
            self.shared.wake.notify_all();
        } else {
            self.shared.wake.notify_one();
        }
        dropped
    }
}

impl Drop for VerifyPool {
    fn drop(&mut self) {
        let mut state = self.shared.state();
        state.closed = true;
        state.checks.clear();
        drop(state);
        self.shared.wake.notify_all();
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        // Nobody panics while holding it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Checks until the pool is gone.
    fn check_all(&self, verdicts: &mpsc::UnboundedSender<Vec<Verdict>>) {
        while let Some(batch) = self.next_batch() {
            let batch = batch.iter();
            let made = batch
                .map(|Check { number, record }| Verdict { number: *number, holds: record_holds(self.network, record) });
            if verdicts.send(made.collect()).is_err() {
                return;
            }
        }
    }

    fn next_batch(&self) -> Option<Vec<Check>> {
        let mut state = self.state();
        loop {
            if state.closed {
                return None;
            }
            if !state.checks.is_empty() {
                // What is little is divided among the threads.
                let count = state.checks.len().div_ceil(self.threads).min(BATCH_MAX);
                return Some(state.checks.drain(..count).collect());
            }
            state = self.wake.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, missing_docs, reason = "a test may fail loudly")]

    use std::collections::BTreeMap;

    use nightjar_core::record::{Record, Target};
    use nightjar_envelope::key::ChatSecret;
    use nightjar_envelope::sign::{OuterForm, sign};
    use nightjar_envelope::{CODING, Place};
    use proptest::prelude::*;
    use zeroize::Zeroizing;

    use super::*;

    const PLACE: Place = Place { network: Network::Test, target: Target([5; 16]), expiry: 1_800_000_000 };

    fn check(number: u64, is_good: bool) -> Check {
        let secret = ChatSecret::from_seed(&Zeroizing::new([1; 32]));
        let map = number.to_le_bytes();
        let mut signature = sign(&secret, &PLACE, OuterForm::Clear, &map);
        if !is_good {
            signature[3] ^= 1;
        }
        let body = [&[2], secret.public().as_bytes().as_slice(), &signature, &map].concat();
        let record = Record::dated(PLACE.target, &body, PLACE.expiry, CODING, [0; 8]).unwrap();
        assert!(record.is_worth_a_check());
        Check { number, record }
    }

    #[tokio::test]
    async fn every_check_is_answered_once_and_rightly() {
        for threads in [0, 1, 3] {
            let (pool, mut verdicts) = VerifyPool::start(Network::Test, threads).unwrap();
            for first in (0..100).step_by(20) {
                let checks = (first..first + 20).map(|number| check(number, number % 3 != 0));
                assert_eq!(pool.check(checks.collect()), 0);
            }
            let mut answers = BTreeMap::new();
            while answers.len() < 100 {
                for verdict in verdicts.recv().await.unwrap() {
                    assert_eq!(answers.insert(verdict.number, verdict.holds), None);
                }
            }
            assert!((0..).zip(answers).all(|(number, answer)| answer == (number, number % 3 != 0)));
        }
    }

    #[tokio::test]
    async fn the_threads_end_with_the_pool() {
        let (pool, mut verdicts) = VerifyPool::start(Network::Test, 2).unwrap();
        pool.check((0..50).map(|number| check(number, true)).collect());
        drop(pool);
        // It ends when the last thread has dropped its sender.
        while verdicts.recv().await.is_some() {}
    }

    #[test]
    fn no_more_than_so_many_wait_for_a_thread() {
        let shared = Shared { network: Network::Test, threads: 1, state: Mutex::default(), wake: Condvar::new() };
        // No thread takes anything.
        let pool = VerifyPool { shared: Arc::new(shared) };
        let one = check(1, true);
        assert_eq!(pool.check(vec![one.clone(); CHECKS_QUEUED_MAX - 1]), 0);
        assert_eq!(pool.check(vec![one; 5]), 4);
        assert_eq!(pool.shared.state().checks.len(), CHECKS_QUEUED_MAX);
    }

    proptest! {
        /// The router asks only where it matters: what it lets through unasked, nobody would refuse.
        #[test]
        fn what_is_not_worth_a_check_holds(
            form in 0u8..10, coding in 0u8..8, length in 0usize..=238, byte in any::<u8>(),
        ) {
            let body = [&[form], vec![byte; length].as_slice()].concat();
            let record = Record::dated(PLACE.target, &body, PLACE.expiry, coding, [0; 8]).unwrap();
            prop_assert!(record.is_worth_a_check() || record_holds(Network::Test, &record));
            // And the other way: bytes of this kind are never a signature, so what is asked for is refused.
            prop_assert!(!record.is_worth_a_check() || !record_holds(Network::Test, &record));
        }
    }
}
