//! PIP-0038's rule: what was not seen before goes to all neighbours but the one it came from, and is delivered to whoever
//! listens for its target. Only here is a record marked as seen, after every check.

use std::collections::VecDeque;

use hashbrown::HashSet;
use rand::RngExt as _;
use rand_chacha::ChaCha8Rng;

use super::fresh::Fresh;
use super::keyed::Keyed;
use super::pace::{Class, Offered};
use super::{Counters, Output, Report, Router, RouterConfig};
use crate::item::{Batch, How, Item, Repeat};
use crate::link::{LinkId, LinkSet};
use crate::record::{Expiry, LIFETIME_S_DEFAULT, Record, RecordRef, Target};
use crate::seen::{DATED_KEPT_MS, PLAIN_KEPT_MS, SeenEntry, SeenTable, SeenView};
use crate::time::{Mono, Now};

/// Records of this node that wait for its first neighbour; beyond them the oldest goes.
pub const UNSENT_MAX: usize = 1024;

pub(super) struct Flood {
    dated: SeenTable,
    plain: SeenTable,
    view: SeenView,
    window: bool,
    fresh: Fresh,
    listens: HashSet<Target, Keyed>,
    /// Records of this node that nobody has got yet, and when they were made.
    unsent: VecDeque<(Mono, Record)>,
    evicted_said: u64,
}

impl Flood {
    pub(super) fn new(config: &RouterConfig, chance: &mut ChaCha8Rng) -> Self {
        let dated_key = config.dated_key.unwrap_or_else(|| chance.random());
        let dated = SeenTable::new(config.dated_bytes, DATED_KEPT_MS, dated_key);
        let plain = SeenTable::new(config.plain_bytes, PLAIN_KEPT_MS, chance.random());
        let view = SeenView::new(&dated, &plain);
        let fresh = Fresh::new(chance.random());
        Self {
            dated,
            plain,
            view,
            window: config.window,
            fresh,
            listens: HashSet::with_hasher(Keyed(chance.random())),
            unsent: VecDeque::new(),
            evicted_said: 0,
        }
    }

    pub(super) fn view(&self) -> SeenView {
        self.view.clone()
    }

    pub(super) fn restore(&mut self, entries: impl IntoIterator<Item = SeenEntry>) {
        entries.into_iter().for_each(|entry| self.dated.restore(entry));
    }

    pub(super) fn advance(&mut self, now: Mono) {
        self.dated.advance(now);
        self.plain.advance(now);
    }

    pub(super) fn listen(&mut self, target: Target, on: bool) {
        if on {
            self.listens.insert(target);
        } else {
            self.listens.remove(&target);
        }
    }

    pub(super) fn is_listened_to(&self, target: Target) -> bool {
        self.listens.contains(&target)
    }

    pub(super) fn gauge(&self, counters: Counters) -> Counters {
        Counters {
            seen_live: self.dated.live() + self.plain.live(),
            seen_evicted: self.dated.evicted() + self.plain.evicted(),
            fresh: self.fresh.len() as u64,
            ..counters
        }
    }

    /// The key under which a record is seen: its id if it is dated, else a keyed hash of all of it.
    pub(super) fn key(&self, record: &Record) -> [u8; 16] {
        if record.stamp().is_some() {
            return record.msg_id().0;
        }
        self.whole_key(record)
    }

    /// A keyed hash of all of a record.
    pub(super) fn whole_key(&self, record: &Record) -> [u8; 16] {
        let (view, _) = RecordRef::parse(record.bytes()).expect("a record is whole");
        self.view.plain_key(view)
    }

    fn has_seen(&self, record: &Record, key: &[u8; 16]) -> bool {
        if record.stamp().is_some() { self.dated.contains(key) } else { self.plain.contains(key) }
    }

    fn mark_seen(&mut self, record: &Record, key: &[u8; 16]) {
        let table = if record.stamp().is_some() { &mut self.dated } else { &mut self.plain };
        table.insert(key);
    }

    fn digest(&self, record: &Record) -> u64 {
        digest(&self.view, record)
    }

    /// Notes that a link has a record that is known. `Some(false)` if it is another body under the same key.
    fn came_again(&mut self, key: &[u8; 16], from: LinkId, with_digest: u64) -> Option<bool> {
        self.fresh.came_again(key, from, with_digest, |record| digest(&self.view, record))
    }
}

fn digest(view: &SeenView, record: &Record) -> u64 {
    let (record, _) = RecordRef::parse(record.bytes()).expect("a record is whole");
    view.digest(record)
}

impl Router {
    pub(super) fn received(&mut self, from: LinkId, how: How, batch: Batch) {
        self.flood.advance(self.now.mono);
        let came = (batch.records.len() + batch.repeats.len()) as u64 + u64::from(batch.expired);
        // A link that was ended may still have had something to say.
        let Some(link) = self.links.get_mut(from) else { return };
        link.counted.received += came;
        self.counters.received += came;
        self.counters.expired += u64::from(batch.expired);
        for repeat in &batch.repeats {
            self.came_again(from, repeat);
        }
        for (record, _tag) in batch.records {
            if how == How::Fetched && self.flood.dated.contains(&record.msg_id().0) {
                // Accepted once, and yet not in the window: an earlier process may not have come to write it down, here or there.
                self.keep(&record);
                if self.flood.is_listened_to(record.target()) {
                    self.outputs.push_back(Output::Deliver(record));
                }
            } else {
                self.came(from, record);
            }
        }
    }

    /// A record of this node.
    pub(super) fn publish(&mut self, record: Record) {
        self.flood.advance(self.now.mono);
        self.counters.published += 1;
        let key = self.flood.key(&record);
        self.flood.mark_seen(&record, &key);
        if self.links.carrying().is_empty() {
            if self.flood.unsent.len() == UNSENT_MAX {
                self.flood.unsent.pop_front();
            }
            self.flood.unsent.push_back((self.now.mono, record.clone()));
            self.outputs.push_back(Output::Report(Report::NobodyToSendTo));
        }
        self.spread(key, record, LinkSet::EMPTY);
    }

    /// Those who waited for their budget.
    pub(super) fn release(&mut self) {
        let mut pace = std::mem::take(&mut self.pace);
        let in_vain = pace.release(self.now.mono, self.links.carrying().len(), |waited| {
            let key = self.flood.key(&waited.record);
            if !self.is_new(waited.link, &waited.record, &key) || self.is_in_check(waited.link, &waited.record) {
                return false;
            }
            self.accept_checked(waited.link, waited.class, key, waited.record);
            true
        });
        self.counters.over_budget += in_vain;
        self.pace = pace;
    }

    /// A neighbour begins to take records: what nobody has got yet goes to it.
    pub(super) fn send_unsent(&mut self, link: LinkId) {
        let mut links = LinkSet::EMPTY;
        links.insert(link);
        let now = self.now;
        for (made, record) in std::mem::take(&mut self.flood.unsent) {
            if is_alive(now, made, &record) {
                self.send(links, record);
            }
        }
    }

    pub(super) fn forget_old(&mut self) {
        let now = self.now;
        let flood = &mut self.flood;
        flood.advance(now.mono);
        flood.fresh.forget_old(now.mono);
        flood.unsent.retain(|(made, record)| is_alive(now, *made, record));
        let evicted = flood.dated.evicted() + flood.plain.evicted();
        if evicted > flood.evicted_said {
            let report = Report::SeenOverflow { evicted: evicted - flood.evicted_said };
            flood.evicted_said = evicted;
            self.outputs.push_back(Output::Report(report));
        }
    }

    fn came_again(&mut self, from: LinkId, repeat: &Repeat) {
        if self.flood.came_again(&repeat.msg_id.0, from, repeat.digest) == Some(false) {
            self.counters.forged += 1;
        } else {
            self.repeated(from);
        }
    }

    fn came(&mut self, from: LinkId, record: Record) {
        let key = self.flood.key(&record);
        if !self.is_new(from, &record, &key) || self.is_in_check(from, &record) {
            return;
        }
        let (class, unmet) = Class::of(&record);
        self.counters.unmet_work += u64::from(unmet);
        let links = self.links.carrying().len();
        match self.pace.offer(self.now.mono, class, from, links, || record.clone()) {
            Offered::Now => self.accept_checked(from, class, key, record),
            Offered::Waits => self.counters.delayed += 1,
            Offered::Dropped => self.counters.over_budget += 1,
        }
    }

    /// Whether it may be flooded, as far as its budget allows; if not, it is counted as what it is.
    pub(super) fn is_new(&mut self, from: LinkId, record: &Record, key: &[u8; 16]) -> bool {
        match record.stamp() {
            Some(stamp) if stamp.expiry_at(self.now.wall) != Expiry::Alive => {
                self.counters.expired += 1;
                return false;
            }
            // Whoever has not got the true record yet is still to get it: a plain one never shadows it.
            None if self.flood.dated.contains(&record.msg_id().0) => {
                self.counters.forged += 1;
                return false;
            }
            Some(_) | None => {}
        }
        if !self.flood.has_seen(record, key) {
            return true;
        }
        // Links drop most repeats; these two crossed on their way here.
        let digest = self.flood.digest(record);
        if self.flood.came_again(key, from, digest) == Some(false) && record.stamp().is_some() {
            // Both ids were computed and match: only the author of both can do that.
            self.counters.collisions += 1;
            self.outputs.push_back(Output::Report(Report::Collision { link: from }));
        } else {
            self.repeated(from);
        }
        false
    }

    pub(super) fn repeated(&mut self, from: LinkId) {
        self.counters.repeats += 1;
        if let Some(link) = self.links.get_mut(from) {
            link.counted.repeats += 1;
        }
    }

    /// Lets a record in that passed every check; `have` are the links that brought it, `from` the first of them.
    pub(super) fn accept(&mut self, from: LinkId, have: LinkSet, class: Class, key: [u8; 16], record: Record) {
        self.flood.mark_seen(&record, &key);
        self.counters.accepted += 1;
        *self.counters.by_class.get_mut(class.index()).expect("there are three classes") += 1;
        if let Some(link) = self.links.get_mut(from) {
            link.counted.first += 1;
        }
        self.spread(key, record, have);
    }

    /// Sends to all who do not have it, delivers, and remembers.
    fn spread(&mut self, key: [u8; 16], record: Record, have: LinkSet) {
        self.flood.fresh.insert(self.now.mono, key, record.clone(), have);
        self.keep(&record);
        let links = self.links.carrying().without(have);
        let hit = self.flood.is_listened_to(record.target());
        if hit {
            self.counters.delivered += 1;
        }
        if !links.is_empty() {
            // Sent before delivered: the flood does not wait for what is done with a hit.
            if hit {
                self.send(links, record.clone());
            } else {
                return self.send(links, record);
            }
        }
        if hit {
            self.outputs.push_back(Output::Deliver(record));
        }
    }

    fn keep(&mut self, record: &Record) {
        if self.flood.window && record.stamp().is_some() {
            self.outputs.push_back(Output::Keep(record.clone()));
        }
    }

    fn send(&mut self, links: LinkSet, record: Record) {
        self.counters.sent += links.len() as u64;
        self.links.count_sent(links);
        self.outputs.push_back(Output::Send { links, item: Item::Record { record, tag: 0 } });
    }
}

/// Whether it may still be flooded; a plain record of ours waits as long as a dated one lives by default.
fn is_alive(now: Now, made: Mono, record: &Record) -> bool {
    match record.stamp() {
        Some(stamp) => stamp.expiry >= now.wall.unix_s(),
        None => now.mono.since(made) <= u64::from(LIFETIME_S_DEFAULT) * 1000,
    }
}
