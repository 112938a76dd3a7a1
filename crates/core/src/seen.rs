//! What was seen: a table of fixed memory, keyed, without rehash pauses, which forgets by age.
//!
//! Two-choice, 8-way: an id lives in one of two lines of 64 bytes, as a 56-bit keyed fingerprint and an
//! 8-bit epoch. The router alone writes; links look through a [`SeenView`] to drop repeats early. When both
//! lines are full of ids that are still wanted, the oldest goes, and is counted: by epoch, and within an epoch by
//! its place, for a line is a queue. No bit of an id that an
//! attacker chooses decides where it lies: the key is random for each process.

use std::hash::Hasher as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

use siphasher::sip128::{Hasher128 as _, SipHasher13};
use zerocopy::FromZeros as _;

use crate::record::{MsgId, RecordRef};
use crate::time::Mono;

/// Slots in a line: eight of eight bytes are one cache line.
const LINE_SLOTS: usize = 8;
/// An id is kept for at least this many epochs.
pub const EPOCHS_KEPT: u8 = 16;
/// Lines are cleaned within this many epochs, long before an 8-bit epoch comes round again.
const CLEANING_EPOCHS: usize = 64;
/// How long the id of a dated record is kept: longer than any lifetime and both clock margins.
pub const DATED_KEPT_MS: u64 = 2 * 60 * 60 * 1000;
/// How long an epoch of the table of dated ids is.
pub const DATED_EPOCH_MS: u64 = DATED_KEPT_MS.div_ceil(EPOCHS_KEPT as u64);
/// How long the hash of a plain record is kept.
pub const PLAIN_KEPT_MS: u64 = 8 * 60 * 60 * 1000;
/// Memory of the table of dated ids: 1,000 records a second for over an hour.
pub const DATED_BYTES_DEFAULT: usize = 64 << 20;
/// Memory of the table of plain records: 8 hours at the full plain budget of 50 a second.
pub const PLAIN_BYTES_DEFAULT: usize = 16 << 20;

/// What one look reads: one cache line.
type Line = [AtomicU64; LINE_SLOTS];

/// The part that is shared: readable from every thread, written by the one [`SeenTable`].
struct Shared {
    /// Zeros from the allocator, so that memory no id was put into is not taken from the system. It gives them only at
    /// the alignment of a slot: the lines begin behind the slots before the first whole cache line.
    slots: Box<[AtomicU64]>,
    before: usize,
    key: [u8; 16],
    epoch: AtomicU8,
}

/// A table of ids seen. Only its owner can add to it.
pub struct SeenTable {
    shared: Arc<Shared>,
    epoch_ms: u64,
    /// The epoch of the caller's clock when it was last told; `None` until then.
    clock_epoch: Option<u64>,
    /// Ids that are kept, by the epoch they were added in.
    by_epoch: Box<[u64; 256]>,
    live: u64,
    evicted: u64,
}

/// A look at a [`SeenTable`] from another thread. What it says may be a moment old; the router decides.
#[derive(Clone)]
pub struct SeenView {
    dated: Arc<Shared>,
    plain: Arc<Shared>,
}

/// One kept id in the form in which it outlives a restart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SeenEntry {
    /// Number of the line.
    pub line: u32,
    /// Fingerprint; the lowest 8 bits are 0.
    pub fingerprint: u64,
    /// Epochs since it was added.
    pub age_epochs: u8,
}

/// How many lines a table of so many bytes has.
pub const fn lines_of(bytes: usize) -> usize {
    let lines = bytes / size_of::<Line>();
    if lines == 0 { 1 } else { lines }
}

/// How many ids a table of so many lines has room for.
pub const fn ids_of(lines: usize) -> usize {
    lines * LINE_SLOTS
}

struct Place {
    first: usize,
    second: usize,
    fingerprint: u64,
}

impl Shared {
    fn new(bytes: usize, key: [u8; 16]) -> Self {
        let count = ids_of(lines_of(bytes)) + LINE_SLOTS - 1;
        let slots = <[AtomicU64]>::new_box_zeroed_with_elems(count).expect("there is memory for the seen table");
        let before = slots.as_ptr().align_offset(size_of::<Line>()).min(LINE_SLOTS - 1);
        Self { slots, before, key, epoch: AtomicU8::new(0) }
    }

    fn lines(&self) -> &[Line] {
        self.slots.get(self.before..).expect("there are more slots than are left out").as_chunks().0
    }

    fn place(&self, id: &[u8; 16]) -> Place {
        let mut hash = SipHasher13::new_with_key(&self.key);
        hash.write(id);
        let hash = hash.finish128();
        // The low bits choose lines, other bits are the fingerprint: they say nothing about each other.
        let lines = self.lines().len() as u64;
        let scale = |half: u64| usize::try_from((half * lines) >> 32).expect("a scaled index is below the length");
        // A fingerprint of 0 would be an empty slot.
        let fingerprint = (hash.h2 & !0xff).max(0x100);
        Place { first: scale(hash.h1 & 0xffff_ffff), second: scale(hash.h1 >> 32), fingerprint }
    }

    fn line(&self, index: usize) -> &[AtomicU64; LINE_SLOTS] {
        self.lines().get(index).expect("an index is scaled to the length")
    }

    fn contains(&self, id: &[u8; 16]) -> bool {
        let place = self.place(id);
        let epoch = self.epoch.load(Ordering::Relaxed);
        self.find(&place, epoch).is_some()
    }

    /// Which line a new id goes to: the emptier one, or, when both are full, that of which the oldest id is older.
    fn line_for(&self, place: &Place, epoch: u8) -> &[AtomicU64; LINE_SLOTS] {
        let (first, second) = (self.line(place.first), self.line(place.second));
        let room = |line: &[AtomicU64; LINE_SLOTS]| {
            let values = line.iter().map(|slot| slot.load(Ordering::Relaxed));
            let free = values.clone().filter(|value| is_free(*value, epoch)).count();
            (free, values.map(|value| age(value, epoch)).max().filter(|_| free == 0))
        };
        if room(second) > room(first) { second } else { first }
    }

    fn find(&self, place: &Place, epoch: u8) -> Option<&AtomicU64> {
        [place.first, place.second].into_iter().flat_map(|index| self.line(index)).find(|slot| {
            let value = slot.load(Ordering::Relaxed);
            value & !0xff == place.fingerprint && age(value, epoch) <= EPOCHS_KEPT
        })
    }
}

fn age(value: u64, epoch: u8) -> u8 {
    epoch.wrapping_sub((value & 0xff) as u8)
}

fn is_free(value: u64, epoch: u8) -> bool {
    value == 0 || age(value, epoch) > EPOCHS_KEPT
}

impl SeenTable {
    /// A table of about `bytes` bytes that keeps an id for at least `kept_ms`. The key is to be random.
    pub fn new(bytes: usize, kept_ms: u64, key: [u8; 16]) -> Self {
        Self {
            shared: Arc::new(Shared::new(bytes, key)),
            epoch_ms: kept_ms.div_ceil(u64::from(EPOCHS_KEPT)).max(1),
            clock_epoch: None,
            by_epoch: Box::new([0; 256]),
            live: 0,
            evicted: 0,
        }
    }

    /// Notes that it is `now`: forgets what is too old. Call it before a batch of additions.
    ///
    /// Ids age from the first call on, wherever the caller's clock begins.
    pub fn advance(&mut self, now: Mono) {
        let wanted = now.0 / self.epoch_ms;
        let steps = self.clock_epoch.map_or(0, |epoch| wanted.saturating_sub(epoch));
        // After a long sleep everything is stale, and an 8-bit epoch cannot count that far.
        if steps > CLEANING_EPOCHS as u64 {
            self.clear();
        }
        for _ in 0..steps.min(CLEANING_EPOCHS as u64) {
            self.step();
        }
        self.clock_epoch = self.clock_epoch.max(Some(wanted));
    }

    /// Whether the id is in it.
    pub fn contains(&self, id: &[u8; 16]) -> bool {
        self.shared.contains(id)
    }

    /// Adds the id; `false` if it was there, and then its age stays what it was.
    pub fn insert(&mut self, id: &[u8; 16]) -> bool {
        let place = self.shared.place(id);
        let epoch = self.shared.epoch.load(Ordering::Relaxed);
        if self.shared.find(&place, epoch).is_some() {
            return false;
        }
        self.put(&place, epoch, place.fingerprint | u64::from(epoch));
        true
    }

    /// Ids that are kept.
    pub const fn live(&self) -> u64 {
        self.live
    }

    /// Ids that had to go before their time since the table was made.
    pub const fn evicted(&self) -> u64 {
        self.evicted
    }

    /// Ids the table has room for.
    pub fn capacity(&self) -> u64 {
        ids_of(self.shared.lines().len()) as u64
    }

    /// Bytes the table has; it never has more.
    pub fn bytes(&self) -> usize {
        size_of_val(self.shared.lines())
    }

    /// Takes over an id from an earlier process that had the same key and size.
    pub fn restore(&mut self, entry: SeenEntry) {
        let index = entry.line as usize;
        if index >= self.shared.lines().len() || entry.age_epochs > EPOCHS_KEPT || entry.fingerprint & !0xff == 0 {
            return;
        }
        let epoch = self.shared.epoch.load(Ordering::Relaxed);
        let place = Place { first: index, second: index, fingerprint: entry.fingerprint & !0xff };
        if self.shared.find(&place, epoch).is_none() {
            let added = epoch.wrapping_sub(entry.age_epochs);
            self.put(&place, epoch, place.fingerprint | u64::from(added));
        }
    }

    fn put(&mut self, place: &Place, epoch: u8, value: u64) {
        *self.added_in(value) += 1;
        self.live += 1;
        // A line is in the order of age, the youngest first: what is older moves on, the last falls out.
        let mut moved = value;
        for slot in self.shared.line_for(place, epoch) {
            let here = slot.load(Ordering::Relaxed);
            if is_free(here, epoch) {
                return slot.store(moved, Ordering::Relaxed);
            }
            if age(here, epoch) >= age(moved, epoch) {
                slot.store(moved, Ordering::Relaxed);
                moved = here;
            }
        }
        *self.added_in(moved) -= 1;
        self.live -= 1;
        self.evicted += 1;
    }

    fn step(&mut self) {
        let epoch = self.shared.epoch.load(Ordering::Relaxed).wrapping_add(1);
        self.shared.epoch.store(epoch, Ordering::Relaxed);
        let forgotten = epoch.wrapping_sub(EPOCHS_KEPT + 1);
        self.live -= std::mem::take(self.added_in(u64::from(forgotten)));
        let part = self.shared.lines().len().div_ceil(CLEANING_EPOCHS);
        let turn = usize::from(epoch) % CLEANING_EPOCHS;
        for slot in self.shared.lines().iter().skip(turn * part).take(part).flatten() {
            let value = slot.load(Ordering::Relaxed);
            if value != 0 && is_free(value, epoch) {
                slot.store(0, Ordering::Relaxed);
            }
        }
    }

    fn clear(&mut self) {
        for slot in self.shared.lines().iter().flatten() {
            if slot.load(Ordering::Relaxed) != 0 {
                slot.store(0, Ordering::Relaxed);
            }
        }
        self.by_epoch.fill(0);
        self.live = 0;
    }

    /// How many ids are kept of those added in the epoch that is in this slot's lowest 8 bits.
    fn added_in(&mut self, value: u64) -> &mut u64 {
        self.by_epoch.get_mut((value & 0xff) as usize).expect("there is a count for each of the 256 epochs")
    }
}

impl SeenView {
    /// A look at the two tables of a router.
    pub fn new(dated: &SeenTable, plain: &SeenTable) -> Self {
        Self { dated: Arc::clone(&dated.shared), plain: Arc::clone(&plain.shared) }
    }

    /// Whether a record that seems dated was seen. Only its id is looked at.
    pub fn knows_dated(&self, msg_id: MsgId) -> bool {
        self.dated.contains(&msg_id.0)
    }

    /// Whether exactly this plain record was seen, or a dated record under its id.
    pub fn knows_plain(&self, record: RecordRef<'_>) -> bool {
        self.dated.contains(&record.msg_id().0) || self.plain.contains(&self.plain_key(record))
    }

    /// The key under which a plain record is seen: a keyed hash of all its bytes.
    pub fn plain_key(&self, record: RecordRef<'_>) -> [u8; 16] {
        let mut hash = SipHasher13::new_with_key(&self.plain.key);
        hash.write(record.bytes());
        hash.finish128().as_bytes()
    }

    /// A keyed hash of all bytes of a record, by which two bodies under one id are told apart.
    pub fn digest(&self, record: RecordRef<'_>) -> u64 {
        let mut hash = siphasher::sip::SipHasher13::new_with_key(&self.dated.key);
        hash.write(record.bytes());
        hash.finish()
    }

    /// The key of the table of dated ids: a snapshot has to keep it beside the ids.
    pub fn snapshot_key(&self) -> [u8; 16] {
        self.dated.key
    }

    /// Lines of the table of dated ids: a snapshot fits only into a table that has as many.
    pub fn dated_lines(&self) -> usize {
        self.dated.lines().len()
    }

    /// The dated ids that are kept, for a snapshot. Reads the whole table: not on the way of a record.
    pub fn dated_entries(&self) -> impl Iterator<Item = SeenEntry> + '_ {
        let epoch = self.dated.epoch.load(Ordering::Relaxed);
        self.dated.lines().iter().zip(0u32..).flat_map(move |(line, index)| {
            line.iter().filter_map(move |slot| {
                let value = slot.load(Ordering::Relaxed);
                let entry = SeenEntry { line: index, fingerprint: value & !0xff, age_epochs: age(value, epoch) };
                (!is_free(value, epoch)).then_some(entry)
            })
        })
    }
}

impl std::fmt::Debug for SeenView {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The key is a secret: who knows it can choose ids that share a line.
        f.debug_struct("SeenView").field("lines", &self.dated.lines().len()).finish_non_exhaustive()
    }
}
