//! Signatures are checked outside: records that are worth a check wait here, unseen, until somebody says whether they hold.
//! Never knows what a signature is, only that a body begins like a signed one ([`Record::is_worth_a_check`]).
//!
//! A copy that comes meanwhile is noted, so that it is neither checked twice nor echoed. Checks have a budget for each peer;
//! a record that is refused for it, or for want of room, was never here: the next copy is looked at anew. What was found bad
//! is remembered, so that one forgery from many peers is checked once. A bad signature is no fault of the peer that
//! brought it, which may be a relay that checks nothing.

use std::collections::BTreeMap;

use hashbrown::HashMap;
use rand::RngExt as _;
use rand_chacha::ChaCha8Rng;

use super::keyed::Keyed;
use super::pace::Class;
use super::{Counters, Output, Router};
use crate::link::{LINKS_MAX, LinkId, LinkSet};
use crate::record::Record;
use crate::seen::{DATED_KEPT_MS, SeenTable};
use crate::time::Mono;

/// Records that wait for their check; with what an entry costs beside its record they take less than 2 MiB. A usual core
/// checks so many in a quarter of a second: who is further behind does not catch up by waiting.
pub const CHECKS_WAITING_MAX: usize = 4096;
/// Checks a second for records of one peer, with five peers or more; with fewer they share [`CHECKS_PER_NODE`]. Twice what
/// the classes' budgets let in from one peer, so that it is no brake on who signs truly.
pub const CHECKS_PER_PEER: u32 = 200;
/// Checks a second for all peers together, as far as they are fewer than five: a lone neighbour brings everything.
pub const CHECKS_PER_NODE: u32 = 1000;
/// What a bad signature costs, in checks: who sends nothing else gets a tenth.
pub const BAD_CHECK_COST: u32 = 10;
/// A record whose check does not come back for so long is given up: whoever checks is gone or far behind.
pub const CHECK_MS_MAX: u64 = 10_000;
/// A budget that was not used is kept for so many seconds, as those of the classes are. No debt is larger.
const BURST_S: i64 = 10;
/// Memory of the table of what was found bad: 131,072 records, more than the classes' budgets let in in twenty minutes.
/// What is forgotten is only checked again.
const BAD_BYTES: usize = 1 << 20;

/// One record to be checked, and the number to answer by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// Counted from the start of the router.
    pub number: u64,
    /// The record.
    pub record: Record,
}

/// What came of a [`Check`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The number of the check.
    pub number: u64,
    /// Whether the signature holds.
    pub holds: bool,
}

/// A record that waits.
struct Waiting {
    record: Record,
    key: [u8; 16],
    class: Class,
    from: LinkId,
    /// The links that brought it.
    have: LinkSet,
    since: Mono,
}

/// What one peer may have checked, in thousandths of checks; below 0 it is in debt.
#[derive(Clone, Copy, Default)]
struct Bucket {
    tokens: i64,
    filled: Option<Mono>,
}

impl Bucket {
    fn fill(&mut self, now: Mono, per_s: i64) {
        let full = per_s * BURST_S * 1000;
        let gained = self.filled.map_or(full, |filled| {
            let ms = i64::try_from(now.since(filled)).unwrap_or(i64::MAX);
            ms.saturating_mul(per_s)
        });
        self.tokens = self.tokens.max(-full).saturating_add(gained).min(full);
        self.filled = Some(now);
    }
}

pub(super) struct Checks {
    /// Without budgets there is none for checks either.
    paced: bool,
    /// By number: the oldest is the first.
    waiting: BTreeMap<u64, Waiting>,
    /// The numbers by the keyed hash of the whole record: two bodies under one id are two checks.
    numbers: HashMap<[u8; 16], u64, Keyed>,
    last: u64,
    /// Keyed hashes of whole records.
    bad: SeenTable,
    /// By slot.
    buckets: Vec<Bucket>,
    /// Goes out with the end of the input.
    batch: Vec<Check>,
}

impl Checks {
    pub(super) fn new(paced: bool, chance: &mut ChaCha8Rng) -> Self {
        Self {
            paced,
            waiting: BTreeMap::new(),
            numbers: HashMap::with_hasher(Keyed(chance.random())),
            last: 0,
            bad: SeenTable::new(BAD_BYTES, DATED_KEPT_MS, chance.random()),
            buckets: vec![Bucket::default(); LINKS_MAX],
            batch: Vec::new(),
        }
    }

    pub(super) fn gauge(&self, counters: Counters) -> Counters {
        Counters { checks_waiting: self.waiting.len() as u64, ..counters }
    }

    fn bucket(&mut self, link: LinkId) -> &mut Bucket {
        self.buckets.get_mut(link.slot()).expect("there is a bucket for each slot")
    }

    /// Takes one check from the peer's budget, if there is one.
    fn take(&mut self, now: Mono, link: LinkId, links: usize) -> bool {
        if !self.paced {
            return true;
        }
        let bucket = self.bucket(link);
        bucket.fill(now, rate_of_peer(links));
        let may = bucket.tokens >= 1000;
        if may {
            bucket.tokens -= 1000;
        }
        may
    }

    fn remove(&mut self, number: u64) -> Option<Waiting> {
        let waiting = self.waiting.remove(&number)?;
        self.numbers.remove(&waiting.key);
        Some(waiting)
    }
}

/// Checks a second that one peer may cause.
fn rate_of_peer(links: usize) -> i64 {
    let links = i64::try_from(links.max(1)).unwrap_or(i64::MAX);
    i64::from(CHECKS_PER_PEER).max(i64::from(CHECKS_PER_NODE) / links)
}

impl Router {
    /// How many more records can wait for their check. Who has fewer places than the next read may bring takes none, and
    /// the peers wait.
    pub fn checks_room(&self) -> usize {
        CHECKS_WAITING_MAX.saturating_sub(self.checks.waiting.len())
    }

    /// Whether a record that is worth a check waits for it already, or was found bad before: then it is dealt with.
    pub(super) fn is_in_check(&mut self, from: LinkId, record: &Record) -> bool {
        if !record.is_worth_a_check() {
            return false;
        }
        let key = self.flood.whole_key(record);
        if let Some(waiting) = self.checks.numbers.get(&key).and_then(|number| self.checks.waiting.get_mut(number)) {
            waiting.have.insert(from);
            self.repeated(from);
            return true;
        }
        if self.checks.bad.contains(&key) {
            // It costs nothing, so it is charged to nobody.
            self.counted_bad(from);
            return true;
        }
        false
    }

    /// Lets a new record in whose budget was granted: at once, or when its check says that it holds.
    pub(super) fn accept_checked(&mut self, from: LinkId, class: Class, seen_key: [u8; 16], record: Record) {
        if !record.is_worth_a_check() {
            let mut have = LinkSet::EMPTY;
            have.insert(from);
            return self.accept(from, have, class, seen_key, record);
        }
        let (now, links) = (self.now.mono, self.links.carrying().len());
        if self.checks.waiting.len() >= CHECKS_WAITING_MAX {
            self.counters.checks_dropped += 1;
            return;
        }
        if !self.checks.take(now, from, links) {
            self.counters.checks_over_budget += 1;
            if let Some(link) = self.links.get_mut(from) {
                link.counted.checks_over_budget += 1;
            }
            return;
        }
        let key = self.flood.whole_key(&record);
        let checks = &mut self.checks;
        checks.last += 1;
        let number = checks.last;
        checks.batch.push(Check { number, record: record.clone() });
        checks.numbers.insert(key, number);
        let mut have = LinkSet::EMPTY;
        have.insert(from);
        checks.waiting.insert(number, Waiting { record, key, class, from, have, since: now });
    }

    /// Hands out what is to be checked.
    pub(super) fn hand_out_checks(&mut self) {
        if !self.checks.batch.is_empty() {
            self.outputs.push_back(Output::Verify(std::mem::take(&mut self.checks.batch)));
        }
    }

    /// What came of checks.
    pub(super) fn verified(&mut self, verdicts: &[Verdict]) {
        self.flood.advance(self.now.mono);
        for verdict in verdicts {
            // It may have been given up meanwhile.
            let Some(Waiting { record, key, class, from, have, .. }) = self.checks.remove(verdict.number) else {
                continue;
            };
            self.counters.checked += 1;
            if !verdict.holds {
                self.checks.bad.insert(&key);
                self.charge_bad(from);
                self.counted_bad(from);
                continue;
            }
            // Its time may have passed, and another body under its id may have come before it.
            let seen_key = self.flood.key(&record);
            if self.is_new(from, &record, &seen_key) {
                self.accept(from, have, class, seen_key, record);
            }
        }
    }

    /// Gives up what nobody answered for.
    pub(super) fn forget_checks(&mut self) {
        let now = self.now.mono;
        self.checks.bad.advance(now);
        while let Some((number, waiting)) = self.checks.waiting.first_key_value()
            && now.since(waiting.since) > CHECK_MS_MAX
        {
            let number = *number;
            self.checks.remove(number);
            self.counters.checks_dropped += 1;
        }
    }

    /// A link is gone: its slot begins anew, and another link in it is not taken for one that has what waits.
    pub(super) fn forget_checks_of(&mut self, link: LinkId) {
        *self.checks.bucket(link) = Bucket::default();
        self.checks.waiting.values_mut().for_each(|waiting| waiting.have.remove(link));
    }

    fn charge_bad(&mut self, from: LinkId) {
        // Another link in the same slot owes nothing.
        if self.checks.paced && self.links.get(from).is_some() {
            // One was taken before.
            self.checks.bucket(from).tokens -= i64::from(BAD_CHECK_COST - 1) * 1000;
        }
    }

    fn counted_bad(&mut self, from: LinkId) {
        self.counters.bad_signatures += 1;
        if let Some(link) = self.links.get_mut(from) {
            link.counted.bad_signatures += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, missing_docs, reason = "a test may fail loudly")]

    use super::*;

    #[test]
    fn a_budget_is_ten_seconds_of_checks_and_a_debt_no_more() {
        let mut bucket = Bucket::default();
        bucket.fill(Mono(5), 200);
        assert_eq!(bucket.tokens, 2_000_000);
        bucket.tokens = -9_000_000;
        bucket.fill(Mono(5), 200);
        assert_eq!(bucket.tokens, -2_000_000);
        bucket.fill(Mono(5 + 10_000), 200);
        assert_eq!(bucket.tokens, 0);
        bucket.fill(Mono(u64::MAX), 200);
        assert_eq!(bucket.tokens, 2_000_000);
    }

    #[test]
    fn a_lone_neighbour_brings_everything_and_five_share_it() {
        assert_eq!([0, 1, 2, 5, 20].map(rate_of_peer), [1000, 1000, 500, 200, 200]);
    }
}
