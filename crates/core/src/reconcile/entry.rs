//! What is compared: an entry for each dated record, in one order that all nodes share, and stretches of that order.

use std::fmt;

use sha2::{Digest as _, Sha256};

use crate::record::Record;

/// Seconds of an hour, by which expiries are grouped.
pub const HOUR_S: u32 = 3_600;
/// Bytes of an id. Who wants to hide another's record behind one of his own has 2^128 to try; a pair of his own that collides
/// (2^64) hides nothing but his own.
pub const ID_BYTES: usize = 16;
/// The most hours of one list: seven days, and what lies ahead of the clock (3,660 s touch three hours), rounded up.
pub const HOURS_MAX: u32 = 176;
/// The last hour that is whole in 32 bits of seconds.
const HOUR_LAST: u32 = u32::MAX / HOUR_S - 1;

/// A dated record as it is compared, and a place in the order: by expiry, then by id.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Entry {
    /// The expiry of its trailer.
    pub expiry: u32,
    /// The first bytes of the SHA-256 of all its bytes.
    pub id: [u8; ID_BYTES],
}

/// Hours of expiry, one behind the other: `first` to the one before `end`, numbered from 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Hours {
    first: u32,
    end: u32,
}

/// All entries from `lower` to the one before `upper`, in one hour. Never empty as a stretch, whatever lies in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Span {
    lower: Entry,
    upper: Entry,
}

/// Records that one side has and the other lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Lot {
    /// One.
    One(Entry),
    /// All in a stretch of which the other side has nothing.
    All {
        /// The stretch.
        span: Span,
        /// How many they are said to be.
        count: u32,
    },
}

impl Entry {
    /// The entry of a record; plain records have none.
    pub fn of(record: &Record) -> Option<Self> {
        let expiry = record.stamp()?.expiry;
        let hash = Sha256::digest(record.bytes());
        let id = *hash.first_chunk().expect("32 bytes are more than an id has");
        Some(Self { expiry, id })
    }

    /// The place before all entries of this second.
    pub const fn first_of(expiry: u32) -> Self {
        Self { expiry, id: [0; ID_BYTES] }
    }

    /// The hour it lies in.
    pub const fn hour(&self) -> u32 {
        self.expiry / HOUR_S
    }

    /// The bytes of its id without the zeros at the end: what a place needs on the wire.
    pub fn significant(&self) -> &[u8] {
        let length = self.id.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        self.id.get(..length).unwrap_or(&self.id)
    }

    /// The shortest place behind `before` and not behind `at`, which comes after it.
    pub(super) fn between(before: &Self, at: &Self) -> Self {
        if before.expiry != at.expiry {
            return Self::first_of(at.expiry);
        }
        let shared = before.id.iter().zip(&at.id).take_while(|(a, b)| a == b).count();
        let mut place = Self::first_of(at.expiry);
        place.id.iter_mut().zip(&at.id).take(shared + 1).for_each(|(to, from)| *to = *from);
        place
    }

    /// The place right behind it.
    fn next(&self) -> Self {
        match u128::from_be_bytes(self.id).checked_add(1) {
            Some(id) => Self { expiry: self.expiry, id: id.to_be_bytes() },
            None => Self::first_of(self.expiry.saturating_add(1)),
        }
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/", self.expiry)?;
        self.id.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl Hours {
    /// The `count` hours from `first` on; `None` for more than [`HOURS_MAX`], or beyond what 32 bits of seconds can say.
    pub fn new(first: u32, count: u32) -> Option<Self> {
        let end = first.checked_add(count)?;
        (count <= HOURS_MAX && end <= HOUR_LAST + 1).then_some(Self { first, end })
    }

    /// The hours that the expiries from `from_s` to `to_s` touch; where they are more than [`HOURS_MAX`], the newest.
    pub fn touching(from_s: u32, to_s: u32) -> Self {
        let end = (to_s / HOUR_S).min(HOUR_LAST) + 1;
        Self { first: (from_s / HOUR_S).clamp(end.saturating_sub(HOURS_MAX), end), end }
    }

    /// The first.
    pub const fn first(&self) -> u32 {
        self.first
    }

    /// How many.
    pub const fn count(&self) -> u32 {
        self.end - self.first
    }

    /// Whether the hour is one of them.
    pub const fn contains(&self, hour: u32) -> bool {
        self.first <= hour && hour < self.end
    }

    /// Those of both.
    pub fn common(&self, other: &Self) -> Self {
        let first = self.first.max(other.first);
        Self { first, end: self.end.min(other.end).max(first) }
    }

    /// All of them, the oldest first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = u32> + use<> {
        self.first..self.end
    }
}

impl Span {
    /// The stretch from `lower` to before `upper`; `None` if it is none, or leaves the hour of `lower`.
    pub fn new(lower: Entry, upper: Entry) -> Option<Self> {
        let end = lower.hour().checked_add(1)?.checked_mul(HOUR_S)?;
        (lower < upper && upper <= Entry::first_of(end)).then_some(Self { lower, upper })
    }

    /// A whole hour; it is one of [`Hours`], so that its end can be said.
    pub(super) fn hour(hour: u32) -> Self {
        let hour = hour.min(HOUR_LAST);
        Self { lower: Entry::first_of(hour * HOUR_S), upper: Entry::first_of((hour + 1) * HOUR_S) }
    }

    /// The one place of this entry.
    pub(super) fn only(entry: &Entry) -> Self {
        Self { lower: *entry, upper: entry.next() }
    }

    /// Where it begins.
    pub const fn lower(&self) -> Entry {
        self.lower
    }

    /// The first place behind it.
    pub const fn upper(&self) -> Entry {
        self.upper
    }

    /// Whether the place lies in it.
    pub fn contains(&self, entry: &Entry) -> bool {
        self.lower <= *entry && *entry < self.upper
    }

    /// What of it lies from `place` on; `None` if that is nothing.
    pub(super) fn from(&self, place: Entry) -> Option<Self> {
        let lower = place.max(self.lower);
        (lower < self.upper).then_some(Self { lower, upper: self.upper })
    }

    /// The stretches between these entries of it, which ascend, and before and behind them.
    pub(super) fn gaps(&self, entries: &[Entry]) -> impl Iterator<Item = Self> {
        let lowers = std::iter::once(self.lower).chain(entries.iter().map(Entry::next));
        let uppers = entries.iter().copied().chain(std::iter::once(self.upper));
        lowers.zip(uppers).filter_map(|(lower, upper)| (lower < upper).then_some(Self { lower, upper }))
    }
}

impl Lot {
    /// How many records it is said to be.
    pub const fn count(&self) -> u32 {
        match self {
            Self::One(_) => 1,
            Self::All { count, .. } => *count,
        }
    }

    /// The hour it lies in.
    pub const fn hour(&self) -> u32 {
        match self {
            Self::One(entry) => entry.hour(),
            Self::All { span, .. } => span.lower.hour(),
        }
    }

    /// The stretch it lies in.
    pub(super) fn span(&self) -> Span {
        match self {
            Self::One(entry) => Span::only(entry),
            Self::All { span, .. } => *span,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail loudly")]

    use super::*;
    use crate::record::{MsgId, Target};

    fn entry(expiry: u32, first: u8, last: u8) -> Entry {
        let mut id = [0; ID_BYTES];
        id[0] = first;
        id[ID_BYTES - 1] = last;
        Entry { expiry, id }
    }

    #[test]
    fn dated_records_have_an_entry_and_plain_ones_none() {
        let dated = Record::dated(Target([1; 16]), b"hello", 7_201, 0, [2; 8]).unwrap();
        let entry = Entry::of(&dated).unwrap();
        assert_eq!((entry.expiry, entry.hour()), (7_201, 2));
        assert_eq!(entry.id, Sha256::digest(dated.bytes())[..ID_BYTES]);
        let plain = Record::plain(MsgId([3; 16]), Target([1; 16]), b"hello").unwrap();
        assert_eq!(Entry::of(&plain), None);
    }

    #[test]
    fn a_place_between_two_entries_is_the_shortest_there_is() {
        let places = [entry(5, 1, 0), entry(5, 1, 1), entry(5, 2, 9), entry(6, 0, 1), entry(9, 7, 7)];
        for pair in places.windows(2) {
            let between = Entry::between(&pair[0], &pair[1]);
            assert!(pair[0] < between && between <= pair[1], "{pair:?}");
        }
        assert_eq!(Entry::between(&places[1], &places[2]).significant(), [2]);
        assert_eq!(Entry::between(&places[3], &places[4]), Entry::first_of(9));
    }

    #[test]
    fn a_span_stays_in_its_hour() {
        let hour = Span::hour(3);
        assert_eq!(Span::new(hour.lower(), hour.upper()), Some(hour));
        assert_eq!(Span::new(hour.lower(), hour.lower()), None);
        assert_eq!(Span::new(hour.upper(), hour.lower()), None);
        assert_eq!(Span::new(hour.lower(), entry(4 * HOUR_S, 0, 1)), None);
        assert_eq!(Span::new(entry(u32::MAX, 0, 0), entry(u32::MAX, 1, 0)), None, "an hour that is not whole");
        assert!(Span::only(&entry(u32::MAX, 0xff, 0)).contains(&entry(u32::MAX, 0xff, 0)));
        let last = Entry { expiry: 4 * HOUR_S - 1, id: [0xff; ID_BYTES] };
        assert_eq!(Span::only(&last).upper(), hour.upper());
    }

    #[test]
    fn gaps_are_all_but_the_entries() {
        let span = Span::hour(0);
        assert_eq!(span.gaps(&[]).collect::<Vec<_>>(), [span]);
        let entries = [span.lower(), entry(8, 4, 4), entry(9, 1, 1)];
        let gaps: Vec<_> = span.gaps(&entries).collect();
        assert_eq!(gaps.len(), 3, "nothing lies before the first");
        assert!(entries.iter().all(|entry| gaps.iter().all(|gap| !gap.contains(entry))));
    }

    #[test]
    fn hours_have_a_bound_and_an_end() {
        assert!(Hours::new(0, HOURS_MAX).is_some() && Hours::new(0, HOURS_MAX + 1).is_none());
        assert!(Hours::new(HOUR_LAST, 1).is_some() && Hours::new(HOUR_LAST, 2).is_none());
        assert!(Hours::new(u32::MAX, 1).is_none());
        assert_eq!(Hours::touching(3_599, 7_200), Hours::new(0, 3).unwrap());
        assert_eq!(Hours::touching(0, u32::MAX).count(), HOURS_MAX);
        assert_eq!(Hours::touching(u32::MAX, 0).count(), 0);
        let (some, later) = (Hours::new(10, 5).unwrap(), Hours::new(13, 9).unwrap());
        assert_eq!(some.common(&later), Hours::new(13, 2).unwrap());
        assert_eq!(some.common(&Hours::new(90, 5).unwrap()).count(), 0);
        assert!(some.contains(14) && !some.contains(15) && !some.contains(9));
    }
}
