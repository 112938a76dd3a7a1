//! What time it is: the one place of this crate that looks at the machine's clocks.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use nightjar_core::record::LIFETIME_S_MAX;
use nightjar_core::time::{Mono, Now, Wall};
use tokio::time::Instant;

/// A node's clock. Clones are one clock: what is shifted in one is shifted in all.
#[derive(Clone, Debug)]
pub struct Clock {
    origin: Instant,
    wall_shift_ms: Arc<AtomicI64>,
}

impl Clock {
    /// The machine's clocks; the monotonic one counts from now on.
    pub fn system() -> Self {
        // A moment before: 0 is then never "now", and can say "never".
        let now = Instant::now();
        let origin = now.checked_sub(std::time::Duration::from_millis(1)).unwrap_or(now);
        Self { origin, wall_shift_ms: Arc::default() }
    }

    /// The moment on both clocks.
    pub fn now(&self) -> Now {
        let mono_ms = millis(Instant::now().duration_since(self.origin));
        // A clock before 1970 is not set: dated records are then dropped as too far ahead, and the router says so.
        let wall_ms = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, millis);
        Now::new(mono_ms, wall_ms.saturating_add_signed(self.wall_shift_ms.load(Ordering::Relaxed)))
    }

    /// The wall clock alone.
    pub fn wall(&self) -> Wall {
        self.now().wall
    }

    /// The moment of the runtime at which the monotonic clock shows this.
    pub fn instant(&self, at: Mono) -> Instant {
        // Beyond some centuries the runtime's clock ends: what is due then is due in a year.
        let year = std::time::Duration::from_secs(365 * 24 * 3600);
        let after = std::time::Duration::from_millis(at.0);
        self.origin.checked_add(after).unwrap_or_else(|| Instant::now() + year)
    }

    /// Sets the wall clock forward (+) or back (-), for this node alone: how tests make a clock that is wrong, or steps.
    pub fn step(&self, by_ms: i64) {
        self.wall_shift_ms.fetch_add(by_ms, Ordering::Relaxed);
    }
}

/// A clock that jumped ahead by more than this is not believed at once: what is told or dropped by it cannot be taken back when it
/// comes back. So far a key's own times may run ahead.
const JUMP_MS: i64 = LIFETIME_S_MAX as i64 * 1_000;
/// Before it stayed where it is for so long. A machine that slept waits as well.
pub(crate) const STAYS_MS: u64 = 10 * 60_000;

/// Whether the wall clock is to be trusted with what cannot be taken back.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Steady {
    /// Wall less monotonic, in milliseconds, when last looked.
    offset_ms: i64,
    jumped: Option<Mono>,
}

impl Steady {
    /// A clock that is looked at from now on.
    pub(crate) fn new(now: Now) -> Self {
        Self { offset_ms: offset_ms(now), jumped: None }
    }

    /// Looks at it, now and then: whether it stayed where it is long enough.
    pub(crate) fn look(&mut self, now: Now) -> bool {
        let offset_ms = offset_ms(now);
        let by_ms = offset_ms.saturating_sub(self.offset_ms);
        self.offset_ms = offset_ms;
        if by_ms > JUMP_MS {
            self.jumped = Some(now.mono);
        } else if by_ms < -JUMP_MS {
            // Behind nothing is spoilt.
            self.jumped = None;
        }
        self.jumped.is_none_or(|at| now.mono.since(at) >= STAYS_MS)
    }
}

fn offset_ms(now: Now) -> i64 {
    let ms = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
    ms(now.wall.0).saturating_sub(ms(now.mono.0))
}

fn millis(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: u64 = 60_000;

    #[test]
    fn a_clock_that_jumps_ahead_is_waited_for_and_one_that_comes_back_is_not() {
        let now = |mono_min: u64, ahead_min: u64| {
            Now::new(mono_min * MINUTE, 1_700_000_000_000 + (mono_min + ahead_min) * MINUTE)
        };
        let mut steady = Steady::new(now(0, 0));
        assert!(steady.look(now(1, 0)) && steady.look(now(2, 59)), "so far a key's times may run ahead");
        assert!(!steady.look(now(3, 24 * 60)) && !steady.look(now(12, 24 * 60)));
        assert!(steady.look(now(13, 24 * 60)), "it stays there");
        assert!(!steady.look(now(14, 3_653 * 24 * 60)));
        assert!(steady.look(now(15, 24 * 60)), "it came back");
        let never_set = Now::new(20 * MINUTE, 0);
        assert!(steady.look(never_set));
        assert!(!steady.look(now(21, 0)), "it was set, and is believed a little later");
        assert!(steady.look(now(31, 0)));
    }

    #[tokio::test]
    async fn a_step_moves_the_wall_clock_of_all_clones_and_no_timer() {
        let clock = Clock::system();
        let other = clock.clone();
        let before = clock.now();
        other.step(3_600_000);
        let after = clock.now();
        assert!(after.wall.0 >= before.wall.0 + 3_600_000);
        assert!(after.mono.since(before.mono) < 3_600_000);
        assert!(clock.instant(after.mono) <= Instant::now());
    }
}
