//! Time as values. This crate never looks at a clock: who calls it says what time it is.

use std::fmt;
use std::ops::Add;
use std::time::Duration;

/// Milliseconds on a clock that never steps, from an origin of the caller's choice. For timers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mono(pub u64);

/// Milliseconds since 1970 UTC, from a clock that may step. For dates and expiry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Wall(pub u64);

/// One moment on both clocks. Every call into a state machine carries one, so that a run can be
/// written down and replayed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// For timers.
    pub mono: Mono,
    /// For dates.
    pub wall: Wall,
}

impl Now {
    /// The moment at which both clocks show these milliseconds.
    pub const fn new(mono_ms: u64, wall_ms: u64) -> Self {
        Self { mono: Mono(mono_ms), wall: Wall(wall_ms) }
    }
}

impl Mono {
    /// Milliseconds that have passed since `earlier`; 0 when `earlier` is later.
    pub const fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// How long it is until this moment; zero when it is past.
    pub const fn until(self, now: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(now.0))
    }
}

impl Add<u64> for Mono {
    type Output = Self;

    /// This moment and `ms` milliseconds.
    fn add(self, ms: u64) -> Self {
        Self(self.0.saturating_add(ms))
    }
}

impl Wall {
    /// Whole seconds since 1970, as records and protocols carry them; stops at the year 2106.
    pub const fn unix_s(self) -> u32 {
        let s = self.0 / 1000;
        if s > u32::MAX as u64 { u32::MAX } else { s as u32 }
    }

    /// The moment at which this Unix second begins.
    pub const fn from_unix_s(s: u32) -> Self {
        Self(s as u64 * 1000)
    }
}

impl fmt::Display for Wall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:03}", self.0 / 1000, self.0 % 1000)
    }
}
