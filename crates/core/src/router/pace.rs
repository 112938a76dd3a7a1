//! How fast records of each class are let in: a budget for each peer and one for the node, and a place to wait.
//! Only first arrivals count; records of this node never come here. Never looks into a record.

use std::collections::VecDeque;

use crate::link::{LINKS_MAX, LinkId, LinkSet};
use crate::record::{Record, WORKED_BITS};
use crate::time::Mono;

/// How long a record waits for its budget before it is dropped.
pub const WAIT_MS_MAX: u64 = 10_000;
/// A budget that was not used is kept for so many seconds: people write in bursts.
const BURST_S: u64 = 10;
/// Those who wait are looked at so often.
const TURN_MS: u64 = 50;

/// Classes of records, each of which any relay can verify. A fourth, owner-backed, is reserved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// Dated, with [`WORKED_BITS`] of work.
    Worked,
    /// Dated.
    Dated,
    /// Exactly PIP-0038's.
    Plain,
}

/// How many records of one class are taken in, by first arrival, in a second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// From one peer, when there are five or more; with fewer, the node's budget is divided among them.
    pub per_peer: u32,
    /// From all peers together.
    pub per_node: u32,
}

/// The budgets of the three classes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budgets {
    /// Dated records with 20 bits of work.
    pub worked: Budget,
    /// Other dated records.
    pub dated: Budget,
    /// Plain records.
    pub plain: Budget,
}

impl Class {
    /// All classes; the first waits least.
    pub const ALL: [Self; 3] = [Self::Worked, Self::Dated, Self::Plain];

    /// The class of a record, and whether it claims work that it does not show. Costs a SHA-256 if it claims enough.
    pub fn of(record: &Record) -> (Self, bool) {
        match record.stamp() {
            None => (Self::Plain, false),
            Some(stamp) if stamp.claimed_bits < WORKED_BITS => (Self::Dated, false),
            Some(_) if record.work_bits() >= WORKED_BITS => (Self::Worked, false),
            Some(_) => (Self::Dated, true),
        }
    }

    pub(super) const fn index(self) -> usize {
        self as usize
    }
}

impl Default for Budgets {
    /// What a home line carries: 100 dated records a second are 16 KB/s to each neighbour.
    fn default() -> Self {
        Self {
            worked: Budget { per_peer: 100, per_node: 400 },
            dated: Budget { per_peer: 20, per_node: 100 },
            plain: Budget { per_peer: 10, per_node: 50 },
        }
    }
}

impl Budgets {
    const fn of(&self, class: Class) -> Budget {
        match class {
            Class::Worked => self.worked,
            Class::Dated => self.dated,
            Class::Plain => self.plain,
        }
    }
}

/// Thousandths of records that may come now.
#[derive(Clone, Copy, Debug, Default)]
struct Bucket {
    tokens: u64,
    filled: Option<Mono>,
}

impl Bucket {
    /// Adds what the time since the last look gives. The first look finds it full.
    fn fill(&mut self, now: Mono, per_s: u64) {
        let full = per_s * BURST_S * 1000;
        // A rate of records a second is one of thousandths a millisecond.
        let gained = self.filled.map_or(full, |filled| now.since(filled).saturating_mul(per_s));
        self.tokens = self.tokens.saturating_add(gained).min(full);
        self.filled = Some(now);
    }

    const fn has(&self, records: u64) -> bool {
        self.tokens >= 1000 * records
    }

    const fn take_one(&mut self) {
        self.tokens -= 1000;
    }
}

/// What became of a record that asked to come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Offered {
    /// It may come in now.
    Now,
    /// It waits.
    Waits,
    /// Too many wait already.
    Dropped,
}

/// A record that waited.
#[derive(Debug)]
pub(super) struct Waited {
    pub(super) link: LinkId,
    pub(super) class: Class,
    pub(super) record: Record,
}

/// One of something for each class.
#[derive(Default)]
struct PerClass<T> {
    worked: T,
    dated: T,
    plain: T,
}

impl<T> PerClass<T> {
    const fn of(&mut self, class: Class) -> &mut T {
        match class {
            Class::Worked => &mut self.worked,
            Class::Dated => &mut self.dated,
            Class::Plain => &mut self.plain,
        }
    }
}

/// What one peer may still send in one class, and what of it waits.
#[derive(Default)]
struct Share {
    bucket: Bucket,
    waiting: VecDeque<(Mono, LinkId, Record)>,
}

/// What the node may still take in one class, and for which slots something waits.
#[derive(Default)]
struct Whole {
    bucket: Bucket,
    waiting: LinkSet,
}

/// Without budgets by default.
#[derive(Default)]
pub(super) struct Pace {
    budgets: Option<Budgets>,
    node: PerClass<Whole>,
    /// By slot; none without budgets.
    peers: Vec<PerClass<Share>>,
    /// The slot whose turn it was last.
    turn: usize,
    due: Option<Mono>,
}

impl Pace {
    pub(super) fn new(budgets: Option<Budgets>) -> Self {
        let places = if budgets.is_some() { LINKS_MAX } else { 0 };
        Self { budgets, peers: std::iter::repeat_with(PerClass::default).take(places).collect(), ..Self::default() }
    }

    /// When those who wait are to be looked at.
    pub(super) const fn due(&self) -> Option<Mono> {
        self.due
    }

    /// Asks for one record of a link to come in; `links` is how many links there are that bring records.
    pub(super) fn offer(
        &mut self,
        now: Mono,
        class: Class,
        link: LinkId,
        links: usize,
        record: impl FnOnce() -> Record,
    ) -> Offered {
        let Some(budgets) = self.budgets else { return Offered::Now };
        let budget = budgets.of(class);
        let rate = rate_of_peer(budget, links);
        let node = self.node.of(class);
        let share = share(&mut self.peers, link.slot(), class);
        node.bucket.fill(now, u64::from(budget.per_node));
        share.bucket.fill(now, rate);
        // Who waits for the node's budget comes before who arrives.
        let wanted = 1 + node.waiting.len() as u64;
        if share.waiting.is_empty() && share.bucket.has(1) && node.bucket.has(wanted) {
            share.bucket.take_one();
            node.bucket.take_one();
            return Offered::Now;
        }
        // More could not come in within the wait.
        if share.waiting.len() as u64 >= rate * WAIT_MS_MAX / 1000 {
            return Offered::Dropped;
        }
        share.waiting.push_back((now, link, record()));
        node.waiting.insert(link);
        self.due.get_or_insert(now + TURN_MS);
        Offered::Waits
    }

    /// Looks at those who wait, one peer after the other: gives those that may come in to `let_in`, which says whether the
    /// record was still new (if not, it costs nothing), and says how many waited in vain.
    pub(super) fn release(&mut self, now: Mono, links: usize, mut let_in: impl FnMut(Waited) -> bool) -> u64 {
        let mut in_vain = 0;
        self.due = None;
        let Some(budgets) = self.budgets else { return 0 };
        for class in Class::ALL {
            let budget = budgets.of(class);
            let rate = rate_of_peer(budget, links);
            let node = self.node.of(class);
            node.bucket.fill(now, u64::from(budget.per_node));
            let mut hungry = node.waiting;
            while let Some(slot) = next_slot(hungry, self.turn) {
                self.turn = slot;
                let share = share(&mut self.peers, slot, class);
                while share.waiting.front().is_some_and(|(came, ..)| now.since(*came) > WAIT_MS_MAX) {
                    share.waiting.pop_front();
                    in_vain += 1;
                }
                share.bucket.fill(now, rate);
                let may = share.bucket.has(1) && node.bucket.has(1);
                let next = if may { share.waiting.pop_front() } else { None };
                if let Some((_, link, record)) = next {
                    if let_in(Waited { link, class, record }) {
                        share.bucket.take_one();
                        node.bucket.take_one();
                    }
                } else {
                    hungry = hungry.without(LinkSet::of_slot(slot));
                }
                if share.waiting.is_empty() {
                    node.waiting = node.waiting.without(LinkSet::of_slot(slot));
                    hungry = hungry.without(LinkSet::of_slot(slot));
                } else {
                    self.due = Some(now + TURN_MS);
                }
            }
        }
        in_vain
    }

    /// A link is gone: what waited of it is dropped, and its slot begins anew. How many waited.
    pub(super) fn forget(&mut self, link: LinkId) -> u64 {
        let Some(peer) = self.peers.get_mut(link.slot()) else { return 0 };
        let waited = Class::ALL.iter().map(|class| peer.of(*class).waiting.len() as u64).sum();
        *peer = PerClass::default();
        for class in Class::ALL {
            self.node.of(class).waiting.remove(link);
        }
        waited
    }
}

fn share(peers: &mut [PerClass<Share>], slot: usize, class: Class) -> &mut Share {
    peers.get_mut(slot).expect("with budgets there is a place for each slot").of(class)
}

/// Records a second that one peer may bring.
fn rate_of_peer(budget: Budget, links: usize) -> u64 {
    let share = u64::from(budget.per_node) / links.max(1) as u64;
    share.max(u64::from(budget.per_peer)).max(1)
}

/// The slot of the set that comes behind `turn`, and from the beginning when there is none.
fn next_slot(set: LinkSet, turn: usize) -> Option<usize> {
    set.slots().find(|slot| *slot > turn).or_else(|| set.slots().next())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs, reason = "a test may fail loudly")]

    use super::*;
    use crate::record::{MsgId, Target};

    fn link(number: u8) -> LinkId {
        LinkId::new(number, u64::from(number))
    }

    fn record(number: u64) -> Record {
        let mut id = [0; 16];
        id[..8].copy_from_slice(&number.to_le_bytes());
        Record::plain(MsgId(id), Target([1; 16]), b"x").unwrap()
    }

    /// Offers so many records at once; how many came in now, wait, were dropped.
    fn offer(pace: &mut Pace, now: u64, from: LinkId, links: usize, count: u64) -> (u64, u64, u64) {
        let mut result = (0, 0, 0);
        for number in 0..count {
            match pace.offer(Mono(now), Class::Dated, from, links, || record(number)) {
                Offered::Now => result.0 += 1,
                Offered::Waits => result.1 += 1,
                Offered::Dropped => result.2 += 1,
            }
        }
        result
    }

    #[test]
    fn one_neighbour_has_the_whole_budget_of_the_node_and_ten_seconds_of_burst() {
        let mut pace = Pace::new(Some(Budgets::default()));
        assert_eq!(offer(&mut pace, 0, link(1), 1, 5000), (1000, 1000, 3000));
    }

    #[test]
    fn with_five_peers_or_more_each_has_its_own() {
        for links in [5, 20] {
            let mut pace = Pace::new(Some(Budgets::default()));
            assert_eq!(offer(&mut pace, 0, link(1), links, 1000), (200, 200, 600));
            assert_eq!(offer(&mut pace, 0, link(2), links, 100).0, 100, "another peer is not held up");
        }
    }

    #[test]
    fn what_waits_comes_in_as_the_budget_does_and_goes_after_ten_seconds() {
        let mut pace = Pace::new(Some(Budgets::default()));
        offer(&mut pace, 0, link(1), 5, 400);
        let mut came = 0;
        assert_eq!(
            pace.release(Mono(1000), 5, |_| {
                came += 1;
                true
            }),
            0
        );
        assert_eq!(came, 20);
        let mut late = 0;
        let in_vain = pace.release(Mono(WAIT_MS_MAX + 1), 5, |_| {
            late += 1;
            true
        });
        assert_eq!((late, in_vain), (0, 180));
        assert_eq!(pace.due(), None);
    }

    #[test]
    fn those_who_wait_take_turns() {
        let mut pace = Pace::new(Some(Budgets::default()));
        for peer in 1..=4 {
            offer(&mut pace, 0, link(peer), 4, 1000);
        }
        let mut came = [0; 5];
        pace.release(Mono(1000), 4, |waited| {
            came[waited.link.slot()] += 1;
            true
        });
        assert!(came[1..].iter().all(|came| (25..=28).contains(came)), "{came:?}");
    }

    #[test]
    fn a_record_that_is_not_new_any_more_costs_nothing() {
        let mut pace = Pace::new(Some(Budgets::default()));
        offer(&mut pace, 0, link(1), 5, 400);
        let mut looked = 0;
        pace.release(Mono(50), 5, |_| {
            looked += 1;
            false
        });
        assert_eq!(looked, 200);
    }

    #[test]
    fn a_link_that_is_gone_waits_for_nothing() {
        let mut pace = Pace::new(Some(Budgets::default()));
        offer(&mut pace, 0, link(1), 5, 400);
        assert_eq!(pace.forget(link(1)), 200);
        assert_eq!(pace.release(Mono(1000), 5, |_| unreachable!("nothing waits")), 0);
        assert_eq!(pace.due(), None);
    }

    #[test]
    fn without_budgets_everything_comes_in() {
        let mut pace = Pace::new(None);
        assert_eq!(offer(&mut pace, 0, link(1), 1, 100_000), (100_000, 0, 0));
    }
}
