//! The bodies of records that came a moment ago, and which links have each. Never decides what is new.

use std::collections::VecDeque;

use hashbrown::HashMap;

use super::keyed::Keyed;
use crate::link::{LinkId, LinkSet};
use crate::record::Record;
use crate::time::Mono;

/// How long a body is kept.
pub const FRESH_MS_MAX: u64 = 120_000;
/// What all bodies together may take, with 128 for each.
pub const FRESH_BYTES_MAX: usize = 32 << 20;
/// What an entry costs beside its record's bytes.
const ENTRY_BYTES: usize = 128;

pub(super) struct Fresh {
    entries: HashMap<[u8; 16], Entry, Keyed>,
    /// In the order they came.
    order: VecDeque<(Mono, [u8; 16])>,
    bytes: usize,
    key: [u8; 16],
}

struct Entry {
    record: Record,
    have: LinkSet,
    /// Keyed hash of the record, computed when a repeat asks for it.
    digest: Option<u64>,
}

impl Fresh {
    pub(super) fn new(key: [u8; 16]) -> Self {
        Self { entries: HashMap::with_hasher(Keyed(key)), order: VecDeque::new(), bytes: 0, key }
    }

    /// Keeps a record that was just accepted, under the key by which it is seen.
    pub(super) fn insert(&mut self, now: Mono, key: [u8; 16], record: Record, have: LinkSet) {
        self.bytes += cost(&record);
        if let Some(before) = self.entries.insert(key, Entry { record, have, digest: None }) {
            self.bytes -= cost(&before.record);
        }
        self.order.push_back((now, key));
        while self.bytes > FRESH_BYTES_MAX {
            self.drop_oldest();
        }
    }

    /// Notes that a link has the record as well. `Some(false)` if its digest says that it is another body.
    pub(super) fn came_again(
        &mut self,
        key: &[u8; 16],
        link: LinkId,
        digest: u64,
        digest_of: impl FnOnce(&Record) -> u64,
    ) -> Option<bool> {
        let entry = self.entries.get_mut(key)?;
        let ours = *entry.digest.get_or_insert_with(|| digest_of(&entry.record));
        if ours == digest {
            entry.have.insert(link);
        }
        Some(ours == digest)
    }

    pub(super) fn forget_old(&mut self, now: Mono) {
        while self.order.front().is_some_and(|(came, _)| now.since(*came) > FRESH_MS_MAX) {
            self.drop_oldest();
        }
        // After a burst the memory is given back.
        if self.entries.is_empty() && self.entries.capacity() > 1024 {
            self.entries = HashMap::with_hasher(Keyed(self.key));
            self.order = VecDeque::new();
        }
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    fn drop_oldest(&mut self) {
        if let Some((_, key)) = self.order.pop_front()
            && let Some(entry) = self.entries.remove(&key)
        {
            self.bytes -= cost(&entry.record);
        }
    }
}

fn cost(record: &Record) -> usize {
    record.bytes().len() + ENTRY_BYTES
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, missing_docs, reason = "a test may fail loudly")]

    use std::hash::Hasher as _;

    use siphasher::sip::SipHasher13;

    use super::*;
    use crate::record::{MsgId, Target};

    fn record(number: u64, payload: &[u8]) -> Record {
        let mut id = [0; 16];
        id[..8].copy_from_slice(&number.to_le_bytes());
        Record::plain(MsgId(id), Target([1; 16]), payload).unwrap()
    }

    fn digest(record: &Record) -> u64 {
        let mut hash = SipHasher13::new_with_key(&[3; 16]);
        hash.write(record.bytes());
        hash.finish()
    }

    fn key(number: u64) -> [u8; 16] {
        record(number, b"").msg_id().0
    }

    #[test]
    fn bodies_go_after_two_minutes() {
        let mut fresh = Fresh::new([7; 16]);
        fresh.insert(Mono(0), key(1), record(1, b"one"), LinkSet::EMPTY);
        fresh.insert(Mono(50_000), key(2), record(2, b"two"), LinkSet::EMPTY);
        fresh.forget_old(Mono(FRESH_MS_MAX + 1));
        assert_eq!(fresh.len(), 1);
        assert!(fresh.entries.contains_key(&key(2)));
    }

    #[test]
    fn bodies_never_take_more_than_their_bytes_and_the_oldest_goes_first() {
        let mut fresh = Fresh::new([7; 16]);
        let fit = FRESH_BYTES_MAX / (33 + 255 + ENTRY_BYTES);
        for number in 0..fit as u64 + 10 {
            fresh.insert(Mono(0), key(number), record(number, &[1; 255]), LinkSet::EMPTY);
            assert!(fresh.bytes <= FRESH_BYTES_MAX);
        }
        assert_eq!(fresh.len(), fit);
        assert!(!fresh.entries.contains_key(&key(0)) && fresh.entries.contains_key(&key(10)));
    }

    #[test]
    fn another_body_under_the_same_key_is_told_apart() {
        let mut fresh = Fresh::new([7; 16]);
        let (kept, other) = (record(1, b"true"), record(1, b"false"));
        let link = LinkId::new(3, 1);
        fresh.insert(Mono(0), key(1), kept.clone(), LinkSet::EMPTY);
        assert_eq!(fresh.came_again(&key(1), link, digest(&kept), digest), Some(true));
        assert_eq!(fresh.came_again(&key(1), link, digest(&other), digest), Some(false));
        assert_eq!(fresh.came_again(&key(2), link, digest(&kept), digest), None);
    }
}
