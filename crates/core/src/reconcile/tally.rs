//! How many entries a stretch has, and a fingerprint of them: equal on both sides if and only if the entries are.

use std::fmt;
use std::ops::ControlFlow;

use sha2::{Digest as _, Sha256};

use super::entry::{Entry, Span};
use super::index::Index;
use super::limits::PARTS_MAX;

/// Bytes of a fingerprint. Records are cheap to invent, so it must not be possible to search for two sets of one fingerprint:
/// that takes 2^96 tries.
pub const FINGERPRINT_BYTES: usize = 24;
const FINGERPRINT_DOMAIN: &[u8] = b"PIP38 set v1\0";

/// The first bytes of a SHA-256 over the ids in their order.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint(pub [u8; FINGERPRINT_BYTES]);

/// What can be said of a set of entries in a few bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Tally {
    /// How many they are.
    pub count: u32,
    /// Which they are.
    pub fingerprint: Fingerprint,
}

/// A part of a span: from the end of the part before it, or the span's beginning, to before `upper`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Part {
    /// The first place behind it.
    pub upper: Entry,
    /// What lies in it.
    pub tally: Tally,
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl Tally {
    /// The tally of these entries, which ascend.
    pub fn of(entries: impl IntoIterator<Item = Entry>) -> Self {
        let mut adder = Adder::default();
        entries.into_iter().for_each(|entry| adder.add(&entry));
        adder.take()
    }
}

/// A tally that grows.
#[derive(Clone, Debug)]
struct Adder {
    count: u32,
    hasher: Sha256,
}

impl Default for Adder {
    fn default() -> Self {
        Self { count: 0, hasher: Sha256::new_with_prefix(FINGERPRINT_DOMAIN) }
    }
}

impl Adder {
    fn add(&mut self, entry: &Entry) {
        // An id depends on the expiry too, so the ids alone say all.
        self.hasher.update(entry.id);
        self.count = self.count.saturating_add(1);
    }

    fn take(&mut self) -> Tally {
        let Self { count, hasher } = std::mem::take(self);
        let hash = hasher.finalize();
        Tally { count, fingerprint: Fingerprint(*hash.first_chunk().expect("32 bytes are more than 24")) }
    }
}

/// Where a walk cuts its span into parts.
#[derive(Clone, Debug)]
pub(super) enum Cut {
    /// After so many entries, at the shortest place before the next.
    Every(u32),
    /// Before these places, which ascend and lie in the span.
    Before(Vec<Entry>),
}

/// The tallies of the parts of a span, taken in as many steps as the work allows.
#[derive(Clone, Debug)]
pub(super) struct Walk {
    span: Span,
    cut: Cut,
    /// The first place that was not visited.
    at: Entry,
    last: Option<Entry>,
    adder: Adder,
    parts: Vec<Part>,
}

impl Walk {
    pub(super) fn new(span: Span, cut: Cut) -> Self {
        Self { span, cut, at: span.lower(), last: None, adder: Adder::default(), parts: Vec::new() }
    }

    /// The span as one part.
    pub(super) fn whole(span: Span) -> Self {
        Self::new(span, Cut::Before(Vec::new()))
    }

    pub(super) const fn span(&self) -> Span {
        self.span
    }

    /// Goes on for at most `work` entries; the parts, when the end was reached. They are given once.
    pub(super) fn advance(&mut self, index: &impl Index, work: &mut u64) -> Option<Vec<Part>> {
        if let Some(rest) = self.span.from(self.at) {
            let mut stopped = false;
            index.walk(&rest, &mut |entry| {
                if *work == 0 {
                    self.at = entry;
                    stopped = true;
                    return ControlFlow::Break(());
                }
                *work -= 1;
                self.visit(&entry);
                ControlFlow::Continue(())
            });
            if stopped {
                return None;
            }
        }
        if let Cut::Before(places) = &self.cut {
            let open = places.get(self.parts.len()..).unwrap_or_default().to_vec();
            open.into_iter().for_each(|place| self.close(place));
        }
        self.close(self.span.upper());
        Some(std::mem::take(&mut self.parts))
    }

    fn visit(&mut self, entry: &Entry) {
        match &self.cut {
            Cut::Every(most) => {
                if let Some(last) = self.last
                    && self.adder.count >= *most
                    // The set may have grown since it was counted.
                    && self.parts.len() + 1 < PARTS_MAX
                {
                    self.close(Entry::between(&last, entry));
                }
            }
            Cut::Before(places) => {
                let passed = places.iter().skip(self.parts.len()).take_while(|place| **place <= *entry);
                let passed: Vec<_> = passed.copied().collect();
                passed.into_iter().for_each(|place| self.close(place));
            }
        }
        self.adder.add(entry);
        self.last = Some(*entry);
    }

    fn close(&mut self, upper: Entry) {
        let tally = self.adder.take();
        self.parts.push(Part { upper, tally });
    }
}
