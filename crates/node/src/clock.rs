//! What time it is: the one place of this crate that looks at the machine's clocks.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

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

fn millis(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

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
