//! What was fetched and is alive, on its way to the router: within half of what one peer may bring, for the other half is for what it
//! floods. History does not wait for it.

use std::collections::{BTreeSet, VecDeque};

use nightjar_core::link::LinkId;
use nightjar_core::reconcile::Entry;
use nightjar_core::record::Record;
use nightjar_core::router::Budget;
use nightjar_core::time::Mono;

/// Records that wait; with what each costs some 6 MiB. A lone neighbour's come in within six minutes.
pub(super) const WAITING_MAX: usize = 16_384;
/// Seconds of the rate that may come at once after a rest.
const BURST_S: u64 = 5;

/// The records of one share that wait.
#[derive(Debug)]
pub(super) struct Alive {
    waiting: VecDeque<(LinkId, Entry, Record)>,
    entries: BTreeSet<Entry>,
    /// `None` = they need not wait.
    budget: Option<Budget>,
    /// In thousandths of records.
    tokens: u64,
    filled: Mono,
}

impl Alive {
    pub(super) fn new(now: Mono, budget: Option<Budget>) -> Self {
        Self { waiting: VecDeque::new(), entries: BTreeSet::new(), budget, tokens: 0, filled: now }
    }

    /// Lets one wait; `false` if there is no room, and it is to be fetched again later.
    pub(super) fn push(&mut self, link: LinkId, entry: Entry, record: Record) -> bool {
        let fits = self.waiting.len() < WAITING_MAX;
        if fits && self.entries.insert(entry) {
            self.waiting.push_back((link, entry, record));
        }
        fits
    }

    /// Takes those whose turn it is, with so many neighbours.
    pub(super) fn take(&mut self, now: Mono, links: usize) -> Vec<(LinkId, Entry, Record)> {
        let count = match self.per_s(links) {
            None => self.waiting.len(),
            Some(per_s) => {
                let gained = now.since(self.filled).saturating_mul(per_s);
                self.tokens = self.tokens.saturating_add(gained).min(per_s * BURST_S * 1_000);
                self.filled = now;
                let count = usize::try_from(self.tokens / 1_000).unwrap_or(usize::MAX).min(self.waiting.len());
                self.tokens -= count as u64 * 1_000;
                count
            }
        };
        let taken: Vec<_> = self.waiting.drain(..count).collect();
        for (_, entry, _) in &taken {
            self.entries.remove(entry);
        }
        taken
    }

    /// A link is gone: what it brought is fetched from another.
    pub(super) fn forget(&mut self, link: LinkId) {
        self.waiting.retain(|(from, ..)| *from != link);
        self.entries = self.waiting.iter().map(|(_, entry, _)| *entry).collect();
    }

    /// When the next one has its turn.
    pub(super) fn due(&self, links: usize) -> Option<Mono> {
        let per_s = self.per_s(links).filter(|_| !self.waiting.is_empty())?;
        Some(self.filled + (1_000_u64.saturating_sub(self.tokens)).div_ceil(per_s))
    }

    /// How many wait.
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Whether no more are to be asked for.
    pub(super) fn is_crowded(&self) -> bool {
        self.waiting.len() >= WAITING_MAX / 2
    }

    pub(super) fn contains(&self, entry: &Entry) -> bool {
        self.entries.contains(entry)
    }

    /// How many of those from one place to before another wait.
    pub(super) fn between(&self, lower: Entry, upper: Entry) -> usize {
        self.entries.range(lower..upper).count()
    }

    /// Half of what the router lets one of so many peers bring in a second.
    fn per_s(&self, links: usize) -> Option<u64> {
        let Budget { per_peer, per_node } = self.budget?;
        let links = u32::try_from(links.max(1)).unwrap_or(u32::MAX);
        Some(u64::from(per_peer.max(per_node / links) / 2).max(1))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail loudly")]

    use super::*;
    use nightjar_core::record::Target;

    fn one(number: u32) -> (Entry, Record) {
        let record = Record::dated(Target([1; 16]), b"x", number, 0, [0; 8]).unwrap();
        (Entry::of(&record).unwrap(), record)
    }

    #[test]
    fn they_come_at_half_of_what_a_peer_may_bring_and_a_lone_one_brings_more() {
        let budget = Budget { per_peer: 20, per_node: 100 };
        let mut alive = Alive::new(Mono(0), Some(budget));
        let link = LinkId::new(1, 1);
        for number in 0..1_000 {
            let (entry, record) = one(number);
            assert!(alive.push(link, entry, record.clone()) && alive.push(link, entry, record), "once is enough");
        }
        assert_eq!(alive.len(), 1_000);
        assert_eq!(alive.due(1), Some(Mono(20)));
        assert_eq!(alive.take(Mono(1_000), 1).len(), 50);
        assert_eq!(alive.take(Mono(2_000), 10).len(), 10);
        assert_eq!(alive.take(Mono(1_000_000), 10).len(), 50, "a rest counts for five seconds");
        let mut free = Alive::new(Mono(0), None);
        let (entry, record) = one(7);
        free.push(link, entry, record);
        assert!(free.contains(&entry) && free.between(Entry::first_of(7), Entry::first_of(8)) == 1);
        assert_eq!((free.take(Mono(0), 1).len(), free.contains(&entry), free.due(1)), (1, false, None));
    }

    #[test]
    fn they_are_bounded_and_those_of_a_link_go_with_it() {
        let mut alive = Alive::new(Mono(0), None);
        let (one_link, other) = (LinkId::new(1, 1), LinkId::new(2, 2));
        for number in 0..WAITING_MAX as u32 + 3 {
            let (entry, record) = one(number);
            let link = if number % 2 == 0 { one_link } else { other };
            assert_eq!(alive.push(link, entry, record), (number as usize) < WAITING_MAX);
        }
        assert!(alive.is_crowded());
        alive.forget(one_link);
        assert_eq!((alive.len(), alive.contains(&one(0).0), alive.contains(&one(1).0)), (WAITING_MAX / 2, false, true));
    }
}
