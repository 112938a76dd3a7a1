//! An index in memory: some 30 bytes for each record.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use super::entry::{Entry, Hours, Span};
use super::index::Index;
use super::tally::Tally;

/// Entries of one block. An insertion moves half of them on the average, and a full block becomes two.
const BLOCK_ENTRIES_MAX: usize = 256;
/// Entries that are noted, and not held: young ones, of which five seconds bring 2,500, and refused ones. Of more, those of the
/// oldest expiry go.
pub const NOTED_MAX: usize = 16_384;

/// Entries by hour, with the tallies of the hours that have not changed.
#[derive(Clone, Debug, Default)]
pub struct MemoryIndex {
    hours: BTreeMap<u32, Hour>,
    noted: BTreeSet<Entry>,
    count: usize,
}

/// Blocks of ascending entries, one behind the other; none is empty.
#[derive(Clone, Debug, Default)]
struct Hour {
    blocks: Vec<Vec<Entry>>,
    tally: Option<Tally>,
}

impl MemoryIndex {
    /// Adds an entry; whether it was not held before.
    pub fn insert(&mut self, entry: Entry) -> bool {
        self.noted.remove(&entry);
        let added = self.hours.entry(entry.hour()).or_default().insert(entry);
        self.count += usize::from(added);
        added
    }

    /// Takes an entry out; whether it was held.
    pub fn remove(&mut self, entry: &Entry) -> bool {
        let Some(hour) = self.hours.get_mut(&entry.hour()) else { return false };
        let removed = hour.remove(entry);
        if hour.blocks.is_empty() {
            self.hours.remove(&entry.hour());
        }
        self.count -= usize::from(removed);
        removed
    }

    /// Notes an entry that is not to be fetched and not to be told of: its record is young, or was refused.
    pub fn note(&mut self, entry: Entry) {
        self.noted.insert(entry);
        if self.noted.len() > NOTED_MAX {
            self.noted.pop_first();
        }
    }

    /// Forgets all that is older than these hours.
    pub fn forget_before(&mut self, hours: &Hours) {
        self.noted = self.noted.split_off(&Span::hour(hours.first()).lower());
        self.hours = self.hours.split_off(&hours.first());
        self.count = self.hours.values().map(|hour| hour.len() as usize).sum();
    }

    /// Whether the entry is held.
    pub fn contains(&self, entry: &Entry) -> bool {
        self.count(&Span::only(entry)) > 0
    }

    /// The entries that are held, in their order.
    pub fn iter(&self) -> impl Iterator<Item = Entry> {
        self.hours.values().flat_map(|hour| hour.blocks.iter().flatten().copied())
    }

    /// How many entries are held.
    pub const fn len(&self) -> usize {
        self.count
    }

    /// Whether none is held.
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Makes the tallies of hours that changed, the newest first, as far as whole hours fit into `work` entries. So sessions find
    /// them at hand; an hour that is larger is left to them.
    pub fn settle(&mut self, work: &mut u64) {
        for hour in self.hours.values_mut().rev().filter(|hour| hour.tally.is_none()) {
            if let Some(left) = work.checked_sub(hour.len().into()) {
                *work = left;
                hour.tally = Some(Tally::of(hour.blocks.iter().flatten().copied()));
            }
        }
    }
}

impl Index for MemoryIndex {
    fn tally(&self, hour: u32) -> Option<Tally> {
        self.hours.get(&hour).map_or_else(|| Some(Tally::of([])), |hour| hour.tally)
    }

    fn count(&self, span: &Span) -> u32 {
        let Some(hour) = self.hours.get(&span.lower().hour()) else { return 0 };
        hour.before(&span.upper()).saturating_sub(hour.before(&span.lower()))
    }

    fn walk(&self, span: &Span, visit: &mut dyn FnMut(Entry) -> ControlFlow<()>) {
        let Some(hour) = self.hours.get(&span.lower().hour()) else { return };
        let blocks = hour.blocks.get(hour.block_of(&span.lower())..).unwrap_or_default();
        let entries = blocks.iter().flatten().skip_while(|entry| **entry < span.lower());
        for entry in entries.take_while(|entry| **entry < span.upper()) {
            if visit(*entry).is_break() {
                return;
            }
        }
    }

    fn wants(&self, entry: &Entry) -> bool {
        !self.noted.contains(entry) && self.count(&Span::only(entry)) == 0
    }

    fn left_out(&self, span: &Span) -> u32 {
        let noted = self.noted.range(span.lower()..span.upper()).count();
        u32::try_from(noted).expect("NOTED_MAX is far below 32 bits")
    }
}

impl Hour {
    /// The block that has the entry, or would have it.
    fn block_of(&self, entry: &Entry) -> usize {
        let behind = self.blocks.partition_point(|block| block.first().is_some_and(|first| first <= entry));
        behind.saturating_sub(1)
    }

    fn insert(&mut self, entry: Entry) -> bool {
        let at = self.block_of(&entry);
        let Some(block) = self.blocks.get_mut(at) else {
            self.blocks.push(vec![entry]);
            self.tally = None;
            return true;
        };
        let Err(place) = block.binary_search(&entry) else { return false };
        block.insert(place, entry);
        if block.len() >= BLOCK_ENTRIES_MAX {
            let behind = block.split_off(block.len() / 2);
            self.blocks.insert(at + 1, behind);
        }
        self.tally = None;
        true
    }

    fn remove(&mut self, entry: &Entry) -> bool {
        let at = self.block_of(entry);
        let Some(block) = self.blocks.get_mut(at) else { return false };
        let Ok(place) = block.binary_search(entry) else { return false };
        block.remove(place);
        if block.is_empty() {
            self.blocks.remove(at);
        }
        self.tally = None;
        true
    }

    /// How many entries lie before the place.
    fn before(&self, place: &Entry) -> u32 {
        let at = self.block_of(place);
        let whole: usize = self.blocks.iter().take(at).map(Vec::len).sum();
        let inside = self.blocks.get(at).map_or(0, |block| block.partition_point(|entry| entry < place));
        u32::try_from(whole + inside).unwrap_or(u32::MAX)
    }

    fn len(&self) -> u32 {
        u32::try_from(self.blocks.iter().map(Vec::len).sum::<usize>()).unwrap_or(u32::MAX)
    }
}
