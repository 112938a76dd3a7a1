//! One share of the window: which records it holds, and which go when it is full. Never touches the disk.

use std::collections::{BTreeMap, VecDeque};
use std::ops::ControlFlow;

use nightjar_core::reconcile::{Entry, HOUR_S, Hours, Index, MemoryIndex, Share, Span, Tally, YOUNG_MS};
use nightjar_core::record::EXPIRY_AHEAD_S_MAX;
use nightjar_core::time::{Mono, Wall};

use super::alive::Alive;
use super::file::{Outline, Row};
use super::{LATE_PER_S_MAX, RECORD_BYTES_EXTRA};

/// Entries that are dropped at a time: some 20 ms.
const DROPPED_AT_ONCE: usize = 1024;

pub(super) struct Shelf {
    pub(super) share: Share,
    pub(super) index: MemoryIndex,
    /// What came a moment ago, the oldest first.
    young: VecDeque<(Mono, Entry)>,
    /// What is not on the disk yet.
    pub(super) unwritten: BTreeMap<Entry, Row>,
    /// What was fetched and is alive, on its way through the router.
    pub(super) alive: Alive,
    /// All records, with what each costs.
    pub(super) bytes: u64,
    bytes_max: u64,
    /// So many hours back are kept.
    hours_max: u32,
    /// The first hour of which nothing was dropped, as far as bytes go.
    since: u32,
    /// Records without work that came late, by hour.
    late: BTreeMap<u32, u32>,
}

/// What a late record is to the share it is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Intake {
    /// It is to be taken in.
    Wanted,
    /// It is here, or was refused before.
    Known,
    /// As many came late for its hour as may.
    TooMany,
}

/// A shelf as exchanges see it: late records of an hour that has enough of them are not wanted.
pub(super) struct View<'s> {
    shelf: &'s Shelf,
    now_s: u32,
}

impl Shelf {
    pub(super) fn new(share: Share, bytes_max: u64, hours_max: u32, since: u32, alive: Alive) -> Self {
        Self {
            share,
            index: MemoryIndex::default(),
            young: VecDeque::new(),
            unwritten: BTreeMap::new(),
            alive,
            bytes: 0,
            bytes_max,
            hours_max,
            since,
            late: BTreeMap::new(),
        }
    }

    /// Forgets all that was written down; what waits to be is here as if it came now.
    pub(super) fn begin_anew(&mut self, now: Mono) {
        let unwritten = std::mem::take(&mut self.unwritten);
        self.index = MemoryIndex::default();
        self.young.clear();
        self.late.clear();
        self.bytes = 0;
        for row in unwritten.into_values() {
            self.keep(now, row);
        }
    }

    /// Takes note of a record that an earlier process wrote down.
    pub(super) fn load(&mut self, outline: &Outline) {
        self.index.insert(outline.entry);
        self.bytes += outline.bytes + RECORD_BYTES_EXTRA;
        if outline.late {
            self.count_late(&outline.entry);
        }
    }

    /// Takes a record in; `false` if it is here.
    pub(super) fn keep(&mut self, now: Mono, row: Row) -> bool {
        if self.index.contains(&row.entry) || self.unwritten.contains_key(&row.entry) {
            return false;
        }
        if row.late {
            self.index.insert(row.entry);
        } else if self.index.wants(&row.entry) {
            // It is still on its way to others by flood.
            self.index.note(row.entry);
            self.young.push_back((now, row.entry));
        } else {
            return false;
        }
        self.bytes += row.record.bytes().len() as u64 + RECORD_BYTES_EXTRA;
        self.unwritten.insert(row.entry, row);
        true
    }

    /// What came long enough ago is compared from now on.
    pub(super) fn mature(&mut self, now: Mono) {
        while let Some((came, entry)) = self.young.front()
            && now.since(*came) >= YOUNG_MS
        {
            self.index.insert(*entry);
            self.young.pop_front();
        }
    }

    /// When the next one is old enough.
    pub(super) fn matures(&self) -> Option<Mono> {
        self.young.front().map(|(came, _)| *came + YOUNG_MS)
    }

    /// Whether a record that came after its time is to be taken in.
    pub(super) fn intake(&self, entry: &Entry) -> Intake {
        if !self.index.wants(entry) || self.unwritten.contains_key(entry) {
            return Intake::Known;
        }
        if self.is_sated(entry.hour()) { Intake::TooMany } else { Intake::Wanted }
    }

    /// Whether as many came late for an hour as may.
    fn is_sated(&self, hour: u32) -> bool {
        let came = self.late.get(&hour).copied().unwrap_or(0);
        self.share == Share::Dated && came >= LATE_PER_S_MAX * HOUR_S
    }

    /// What is held, for an exchange that goes on now.
    pub(super) fn at(&self, now: Wall) -> View<'_> {
        View { shelf: self, now_s: now.unix_s() }
    }

    /// A late record is on its way to be kept: it counts, and is not wanted once more.
    pub(super) fn expect(&mut self, entry: Entry) {
        self.count_late(&entry);
        self.index.note(entry);
    }

    /// It is not wanted, now or later.
    pub(super) fn refuse(&mut self, entry: Entry) {
        self.index.note(entry);
    }

    /// The hours of which everything is kept, and those that records alive now can have.
    pub(super) fn hours(&self, now: Wall) -> Hours {
        let all = Hours::touching(self.first_s(now), now.unix_s().saturating_add(EXPIRY_AHEAD_S_MAX));
        let end = all.first() + all.count();
        let first = self.since.clamp(all.first(), end);
        Hours::new(first, end - first).expect("they are some of those")
    }

    /// The first second that is kept for its age.
    fn first_s(&self, now: Wall) -> u32 {
        now.unix_s().saturating_sub(self.hours_max.saturating_mul(HOUR_S))
    }

    /// The first hour of which nothing was dropped for want of room.
    pub(super) const fn since(&self) -> u32 {
        self.since
    }

    /// From now on these hours are wanted as well.
    pub(super) fn reach_back_to(&mut self, hour: u32) {
        self.since = self.since.min(hour);
    }

    /// Whether there is room for more.
    pub(super) const fn has_room(&self) -> bool {
        self.bytes < self.bytes_max / 16 * 15
    }

    /// Entries that are too many: the oldest.
    pub(super) fn excess(&self) -> Vec<Entry> {
        if self.bytes <= self.bytes_max {
            return Vec::new();
        }
        self.index.iter().take(DROPPED_AT_ONCE).collect()
    }

    /// Entries that are too old.
    pub(super) fn outdated(&self, now: Wall) -> Vec<Entry> {
        let first = self.first_s(now) / HOUR_S;
        self.index.iter().take_while(|entry| entry.hour() < first).take(DROPPED_AT_ONCE).collect()
    }

    /// These were dropped for want of room, or for their age; `freed` is what they took.
    pub(super) fn dropped(&mut self, entries: &[Entry], freed: u64, for_room: bool) {
        for entry in entries {
            self.index.remove(entry);
        }
        self.bytes = self.bytes.saturating_sub(freed);
        if let Some(last) = entries.last() {
            if for_room {
                self.since = self.since.max(last.hour() + 1);
            }
            self.late = self.late.split_off(&last.hour());
        }
    }

    fn count_late(&mut self, entry: &Entry) {
        *self.late.entry(entry.hour()).or_default() += 1;
    }
}

impl Index for View<'_> {
    fn tally(&self, hour: u32) -> Option<Tally> {
        self.shelf.index.tally(hour)
    }

    fn count(&self, span: &Span) -> u32 {
        self.shelf.index.count(span)
    }

    fn walk(&self, span: &Span, visit: &mut dyn FnMut(Entry) -> ControlFlow<()>) {
        self.shelf.index.walk(span, visit);
    }

    fn wants(&self, entry: &Entry) -> bool {
        let not_now = if entry.expiry < self.now_s {
            self.shelf.is_sated(entry.hour())
        } else {
            self.shelf.alive.is_crowded() || self.shelf.alive.contains(entry)
        };
        !not_now && self.shelf.index.wants(entry)
    }

    fn left_out(&self, span: &Span) -> u32 {
        // All of it would be refused, or there is no room for it now.
        let sated = span.upper().expiry <= self.now_s && self.shelf.is_sated(span.lower().hour());
        let crowded = span.lower().expiry >= self.now_s && self.shelf.alive.is_crowded();
        if sated || crowded {
            return u32::MAX;
        }
        let waiting = u32::try_from(self.shelf.alive.between(span.lower(), span.upper())).unwrap_or(u32::MAX);
        self.shelf.index.left_out(span).saturating_add(waiting)
    }
}
