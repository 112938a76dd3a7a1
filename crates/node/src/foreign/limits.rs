//! How many frames of a kind a daemon takes from one address, and how many came. Never looks into a frame.

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::time::Duration;

use tokio::time::Instant;

/// Operation, window in seconds, frames, bytes of data (0 = any).
const LIMITS: [(u16, u64, usize, usize); 10] = [
    (0x0001, 600, 20, 20_000),
    (0x0003, 60, 20, 20_000),
    (0x0005, 10, 30, 0),
    (0x0010, 5, 10, 0),
    (0x0013, 60, 10, 0),
    (0x0021, 1200, 100, 0),
    (0x0021, 10, 40, 0),
    (0x0030, 300, 100, 0),
    (0x0031, 10, 60, 0),
    (0x0032, 10, 50, 0),
];

/// Entries that are kept of one kind: a daemon keeps so many.
const KEPT_MAX: usize = 1000;

/// Frames that came, by address, transfer type and operation. Responses are not counted.
#[derive(Debug, Default)]
pub(super) struct Counts(BTreeMap<(IpAddr, u16, u16), VecDeque<(Instant, usize)>>);

impl Counts {
    /// Counts a frame; whether it is one too many. Those that are refused count as well.
    pub(super) fn count(&mut self, now: Instant, ip: IpAddr, transfer: u16, operation: u16, bytes: usize) -> bool {
        let came = self.0.entry((ip, transfer, operation)).or_default();
        came.push_back((now, bytes));
        if came.len() > KEPT_MAX {
            came.pop_front();
        }
        LIMITS.iter().filter(|limit| limit.0 == operation).any(|(_, window_s, frames_max, bytes_max)| {
            let window = Duration::from_secs(*window_s);
            let recent = came.iter().filter(|(at, _)| now.duration_since(*at) < window);
            let (frames, bytes) = recent.fold((0, 0), |(frames, bytes), (_, more)| (frames + 1, bytes + more));
            frames > *frames_max || (*bytes_max > 0 && bytes > *bytes_max)
        })
    }
}
