//! Clocks that step, and clocks of peers that say something else. They warn, and change nothing but whom we blame.

use super::{Output, Report, Router};
use crate::time::{Mono, Now};

/// A wall clock that is this far from where the monotonic one says it is was set, or the machine slept.
pub(super) const STEP_MS: i64 = 5_000;
/// Peers whose median is this far from our clock make us say so: beyond it records of ours are soon refused.
const DISAGREE_S: i64 = 30;
/// A median of fewer clocks is no median.
const DISAGREE_PEERS_MIN: usize = 3;

/// What is known of our own clock.
pub(super) struct Clocks {
    /// Wall less monotonic, in milliseconds, when last looked.
    offset_ms: i64,
    /// When it was last set. What the peers' clocks showed before is no measure any more.
    set_at: Option<Mono>,
    /// What was said last of the peers' clocks, so that it is said once.
    disagrees: bool,
}

impl Clocks {
    pub(super) fn new(now: Now) -> Self {
        Self { offset_ms: offset_ms(now), set_at: None, disagrees: false }
    }

    pub(super) fn step(&mut self, now: Now) -> Option<Report> {
        let by_ms = offset_ms(now) - self.offset_ms;
        if by_ms.abs() <= STEP_MS {
            return None;
        }
        self.offset_ms += by_ms;
        self.set_at = Some(now.mono);
        self.disagrees = false;
        Some(Report::ClockStepped { by_ms })
    }
}

impl Router {
    pub(super) fn compare_clocks(&mut self) {
        let Some((ahead_s, peers)) = self.peers_ahead_s().filter(|(_, peers)| *peers >= DISAGREE_PEERS_MIN) else {
            return;
        };
        let disagrees = ahead_s.abs() >= DISAGREE_S;
        if disagrees && !self.clocks.disagrees {
            self.outputs.push_back(Output::Report(Report::ClockDisagrees { ahead_s, peers }));
        }
        self.clocks.disagrees = disagrees;
    }

    /// Whether peers say that our clock is right. If none does, a record that is out of its time may be so by our fault.
    pub(super) fn clock_is_confirmed(&self) -> bool {
        self.peers_ahead_s().is_some_and(|(ahead_s, _)| ahead_s.abs() < DISAGREE_S)
    }

    /// The median of how far the peers' clocks are ahead of ours, and of how many.
    fn peers_ahead_s(&self) -> Option<(i64, usize)> {
        let set_at = self.clocks.set_at;
        let said_since = self.links.open().filter(|link| set_at.is_none_or(|set_at| link.opened > set_at));
        let mut ahead: Vec<i64> = said_since.map(|link| link.clock_ahead_s()).collect();
        ahead.sort_unstable();
        ahead.get(ahead.len() / 2).map(|median| (*median, ahead.len()))
    }
}

fn offset_ms(now: Now) -> i64 {
    let ms = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
    ms(now.wall.0).saturating_sub(ms(now.mono.0))
}
