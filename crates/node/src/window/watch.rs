//! Which neighbours hold records of ours, as far as exchanges told.

use std::collections::{BTreeMap, BTreeSet};

use nightjar_core::link::NodeKey;
use nightjar_core::reconcile::{Entry, Hours, Lot, YOUNG_MS};
use nightjar_core::record::MsgId;
use nightjar_core::time::{Mono, Wall};

/// Records of ours that are watched, the newest.
const WATCHED_MAX: usize = 4096;
/// So long behind its expiry a record is watched: whoever is asked every ten seconds has answered by then.
const WATCHED_S_PAST: u32 = 600;

#[derive(Debug, Default)]
pub(super) struct Watch {
    records: BTreeMap<Entry, Watched>,
}

#[derive(Debug)]
struct Watched {
    msg_id: MsgId,
    came: Mono,
    holders: BTreeSet<NodeKey>,
}

/// What one exchange told of our records: who lacks one was told so.
#[derive(Debug, Default)]
pub(super) struct Lacked(BTreeSet<Entry>);

impl Watch {
    pub(super) fn add(&mut self, now: Mono, entry: Entry, msg_id: MsgId) {
        self.records.insert(entry, Watched { msg_id, came: now, holders: BTreeSet::new() });
        if self.records.len() > WATCHED_MAX {
            self.records.pop_first();
        }
    }

    pub(super) fn forget_old(&mut self, now: Wall) {
        let first = Entry::first_of(now.unix_s().saturating_sub(WATCHED_S_PAST));
        if self.records.first_key_value().is_some_and(|(entry, _)| *entry < first) {
            self.records = self.records.split_off(&first);
        }
    }

    /// Takes note of records of ours that the other side was told it lacks.
    pub(super) fn lacked(&self, lots: &[Lot], lacked: &mut Lacked) {
        if self.records.is_empty() {
            return;
        }
        for lot in lots {
            match lot {
                Lot::One(entry) => {
                    lacked.0.extend(self.records.contains_key(entry).then_some(*entry));
                }
                Lot::All { span, .. } => {
                    lacked.0.extend(self.records.range(span.lower()..span.upper()).map(|(entry, _)| *entry));
                }
            }
        }
    }

    /// A neighbour's exchange, which began then, covered these hours and found all differences. Gives who gained a holder.
    pub(super) fn covered(&mut self, node: NodeKey, began: Mono, hours: Hours, lacked: &Lacked) -> Vec<(MsgId, u32)> {
        let mut gained = Vec::new();
        for (entry, watched) in &mut self.records {
            let compared =
                hours.contains(entry.hour()) && watched.came + YOUNG_MS <= began && !lacked.0.contains(entry);
            if compared && watched.holders.insert(node) {
                gained.push((watched.msg_id, u32::try_from(watched.holders.len()).unwrap_or(u32::MAX)));
            }
        }
        gained
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail loudly")]

    use super::*;
    use nightjar_core::reconcile::Span;

    fn entry(expiry: u32) -> Entry {
        Entry { expiry, id: [expiry as u8; 16] }
    }

    #[test]
    fn a_neighbour_holds_what_was_compared_and_what_it_did_not_lack() {
        let mut watch = Watch::default();
        for (came, expiry) in [(10, 3_600), (10, 3_601), (10, 3_602), (11, 3_603), (10, 7_200)] {
            watch.add(Mono(came), entry(expiry), MsgId([expiry as u8; 16]));
        }
        let hours = Hours::new(1, 1).unwrap();
        let mut lacked = Lacked::default();
        let span = Span::new(entry(3_602), Entry::first_of(3_603)).unwrap();
        watch.lacked(&[Lot::One(entry(3_600)), Lot::One(entry(9)), Lot::All { span, count: 1 }], &mut lacked);
        let (one, other) = (NodeKey([1; 32]), NodeKey([2; 32]));
        let held = MsgId([3_601_u32 as u8; 16]);
        assert_eq!(watch.covered(one, Mono(10 + YOUNG_MS), hours, &lacked), [(held, 1)]);
        assert_eq!(watch.covered(one, Mono(10 + YOUNG_MS), hours, &lacked), [], "it is said once");
        assert_eq!(watch.covered(other, Mono(10 + YOUNG_MS), hours, &lacked), [(held, 2)]);
        assert_eq!(watch.covered(other, Mono(11 + YOUNG_MS), hours, &Lacked::default()).len(), 3);
    }

    #[test]
    fn watched_are_the_newest_and_for_a_while() {
        let mut watch = Watch::default();
        for expiry in 0..WATCHED_MAX as u32 + 7 {
            watch.add(Mono(1), entry(expiry), MsgId([0; 16]));
        }
        assert_eq!(watch.records.len(), WATCHED_MAX);
        watch.forget_old(Wall(u64::from(WATCHED_S_PAST + 100) * 1000));
        assert_eq!(watch.records.first_key_value().map(|(entry, _)| entry.expiry), Some(100));
    }
}
