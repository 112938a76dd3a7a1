//! Whom to dial, when, and what is remembered of each address. DNS seeds, the local network and buckets that resist an
//! eclipse are to stand beside this file; whoever brings an address goes through [`Router::add_addresses`].

use std::collections::BTreeMap;

use rand::RngExt as _;
use rand::seq::SliceRandom as _;

use super::peers::Link;
use super::{AddressSource, Closed, KnownAddress, Output, Router};
use crate::address::{Address, Host, LinkKind, NetworkGroup};
use crate::fault::Fault;
use crate::item::ByeCode;
use crate::link::{LinkId, NodeKey};
use crate::time::{Mono, Now, Wall};

/// Addresses that are kept. A thousand are enough to find eight that answer.
pub const ADDRESSES_MAX: usize = 1024;
/// Dials under way at one time.
pub const DIALS_MAX: usize = 16;
/// After a link that ended, or a first dial that came to nothing, an address is left alone for so long. Doubled by each
/// further one that comes to nothing.
pub const RETRY_MS_FIRST: u64 = 1_000;
/// The longest wait before an address is dialled again.
pub const RETRY_MS_LAST: u64 = 300_000;
/// The same as the first for a PascalCoin daemon that was reached: it takes 20 HELLOs in ten minutes from one address.
pub const RETRY_PASCAL_MS_FIRST: u64 = 60_000;
/// After a node said that it has no place, or that another link stays, it is left alone for at least so long.
const RETRY_REFUSED_MS: u64 = 60_000;
/// A link that stood for so long was a good one: its address begins anew.
const GOOD_LINK_MS: u64 = 60_000;
/// An address that others told and that was never reached is forgotten after so many dials.
const FAILURES_MAX: u32 = 6;
/// Addresses that one peer may bring into the book on one link.
const TOLD_PER_LINK_MAX: usize = 256;
/// The book is handed out to be written at most so often.
const SAVE_MS: u64 = 10_000;
/// Until when an address is left alone at which this node met itself: for ever, and no other node there is blamed for it.
const MYSELF: u32 = u32::MAX;
/// Peers are told addresses so often, beside the first time.
const TELL_MS: u64 = 15 * 60_000;
/// An address that was not reached for so long is not told to others, in seconds.
const TELL_REACHED_S: u32 = 3 * 24 * 3600;

struct Entry {
    known: KnownAddress,
    source: AddressSource,
    /// Who answered there.
    node_key: Option<NodeKey>,
    /// The link that was dialled to it.
    link: Option<LinkId>,
    next_try: Mono,
}

/// What is known of addresses.
#[derive(Default)]
pub(super) struct AddressBook {
    entries: BTreeMap<Address, Entry>,
    by_link: BTreeMap<LinkId, Address>,
    /// Hosts whose connections are refused: by host, since the port of a connection to us says nothing.
    bans: BTreeMap<Host, KnownAddress>,
    due: Option<Mono>,
    save_at: Option<Mono>,
    tell_at: Mono,
}

impl AddressBook {
    pub(super) const fn due(&self) -> Option<Mono> {
        self.due
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn is_users(&self, address: &Address) -> bool {
        self.entries.get(address).is_some_and(|entry| entry.source == AddressSource::User)
    }

    pub(super) fn source(&self, address: &Address) -> Option<AddressSource> {
        self.entries.get(address).map(|entry| entry.source)
    }

    pub(super) fn known(&self) -> Vec<KnownAddress> {
        let hosts = self.bans.values().filter(|known| !self.entries.contains_key(&known.address));
        self.entries.values().map(|entry| &entry.known).chain(hosts).cloned().collect()
    }

    pub(super) fn dialled_by(&self, link: LinkId) -> Option<&Address> {
        self.by_link.get(&link)
    }

    pub(super) fn ban_on(&self, address: &Address, now: Wall) -> Option<&KnownAddress> {
        self.bans.get(&address.host).filter(|known| known.banned_until > now.unix_s())
    }

    /// Who is left alone for a while: banned, or given by the user and not reached. `banned_until` says until when.
    pub(super) fn banned(&self, now: Now, linked: &[NodeKey]) -> Vec<KnownAddress> {
        let now_s = now.wall.unix_s();
        let until = |entry: &Entry| {
            let wait_s = u32::try_from(entry.next_try.since(now.mono) / 1000).unwrap_or(u32::MAX);
            entry.known.banned_until.max(now_s.saturating_add(wait_s))
        };
        let not_reached = |entry: &Entry| {
            let has_link = entry.link.is_some() || entry.node_key.is_some_and(|key| linked.contains(&key));
            entry.source == AddressSource::User && !has_link && !entry.known.reason.is_empty()
        };
        let entries = self.entries.values().filter(|entry| entry.known.banned_until > now_s || not_reached(entry));
        let entries = entries.map(|entry| KnownAddress { banned_until: until(entry), ..entry.known.clone() });
        let hosts = self.bans.values().filter(|known| known.banned_until > now_s);
        entries.chain(hosts.filter(|known| !self.entries.contains_key(&known.address)).cloned()).collect()
    }

    pub(super) fn ban(&mut self, address: &Address, until: u32, reason: &str, bans_max: usize) {
        let known = match self.entries.get_mut(address) {
            Some(entry) => {
                entry.known.banned_until = until;
                reason.clone_into(&mut entry.known.reason);
                entry.known.clone()
            }
            None => KnownAddress {
                banned_until: until,
                reason: reason.to_owned(),
                ..KnownAddress::unknown(address.clone())
            },
        };
        self.bans.insert(address.host.clone(), known);
        if self.bans.len() > bans_max
            && let Some(host) =
                self.bans.iter().min_by_key(|(_, known)| known.banned_until).map(|(host, _)| host.clone())
        {
            self.bans.remove(&host);
        }
    }

    /// Addresses of Nightjar nodes that answered not long ago.
    pub(super) fn reached(&self, now: Wall) -> impl Iterator<Item = Address> {
        let newest = self.entries.values().map(|entry| entry.known.reached).max().unwrap_or(0);
        let known = self.entries.values().map(|entry| &entry.known);
        let good = known.filter(move |known| {
            known.address.kind == LinkKind::Tls
                && known.reached > 0
                && known.reached.saturating_add(TELL_REACHED_S) >= newest
                && known.failures == 0
                && known.banned_until <= now.unix_s()
        });
        good.map(|known| known.address.clone())
    }

    /// A place for one more address: one that was never reached makes room.
    fn make_room(&mut self) -> bool {
        if self.entries.len() < ADDRESSES_MAX {
            return true;
        }
        let idle =
            |entry: &Entry| entry.source != AddressSource::User && entry.link.is_none() && entry.known.reached == 0;
        let worst = self.entries.iter().filter(|(_, entry)| idle(entry) && entry.known.failures > 0);
        let goes = worst.max_by_key(|(_, entry)| entry.known.failures).map(|(address, _)| address.clone());
        goes.is_some_and(|address| self.entries.remove(&address).is_some())
    }
}

impl KnownAddress {
    /// An address of which nothing is remembered.
    pub fn unknown(address: Address) -> Self {
        Self { address, reached: 0, tried: 0, failures: 0, banned_until: 0, reason: String::new() }
    }
}

impl Router {
    pub(super) fn add_addresses(&mut self, source: AddressSource, known: Vec<KnownAddress>) {
        let now = self.now;
        for mut known in known {
            let is_users = source == AddressSource::User;
            if is_users {
                self.book.bans.remove(&known.address.host);
            } else if known.banned_until > now.wall.unix_s() && known.banned_until != MYSELF {
                // Of a book that was written while the clock was years ahead.
                known.banned_until = known.banned_until.min(now.wall.unix_s().saturating_add(super::BAN_S));
                self.book.bans.insert(known.address.host.clone(), known.clone());
            }
            if let Some(entry) = self.book.entries.get_mut(&known.address) {
                if is_users {
                    entry.source = source;
                    entry.known.banned_until = 0;
                    entry.known.failures = 0;
                    entry.next_try = now.mono;
                }
                continue;
            }
            // A peer that came to us and was banned: nobody knows where it listens.
            let only_banned =
                source == AddressSource::Book && known.reached == 0 && known.tried == 0 && known.failures == 0;
            if (only_banned && known.banned_until > 0) || !self.book.make_room() {
                continue;
            }
            let next_try = now.mono + if known.failures == 0 { 0 } else { self.retry_ms(&known, RETRY_MS_FIRST) };
            let entry = Entry { known, source, node_key: None, link: None, next_try };
            self.book.entries.insert(entry.known.address.clone(), entry);
        }
        self.book_changed();
    }

    /// A peer told addresses.
    pub(super) fn told(&mut self, id: LinkId, addresses: Vec<Address>) {
        if !self.config.discovery {
            return;
        }
        let Some(link) = self.links.get_mut(id) else { return };
        // Nobody on the Internet sends us knocking at doors in our own house. Where a name leads is seen when it is dialled.
        let teller_is_public = link.peer.address.is_public();
        let mut new = Vec::new();
        for address in addresses {
            let wanted = address.kind == LinkKind::Tls && (address.is_public() || !teller_is_public);
            if wanted && link.told < TOLD_PER_LINK_MAX && !self.book.entries.contains_key(&address) {
                link.told += 1;
                new.push(KnownAddress::unknown(address));
            }
        }
        if !new.is_empty() {
            self.add_addresses(AddressSource::Peer, new);
        }
    }

    /// Something changed: the addresses are looked after at once, and written soon.
    pub(super) fn book_changed(&mut self) {
        let now = self.now.mono;
        self.book.due = Some(now);
        self.book.save_at.get_or_insert(now + SAVE_MS);
    }

    /// The wall clock stepped: whoever was banned by the old one is looked at again.
    pub(super) fn clock_stepped(&mut self) {
        let until_max = self.now.wall.unix_s().saturating_add(super::BAN_S);
        let entries = self.book.entries.values_mut().map(|entry| &mut entry.known);
        for known in entries.chain(self.book.bans.values_mut()) {
            known.banned_until = if known.banned_until == MYSELF { MYSELF } else { known.banned_until.min(until_max) };
        }
        self.book_changed();
    }

    pub(super) fn book_connected(&mut self, id: LinkId) {
        let now = self.now;
        let Some(link) = self.links.get(id) else { return };
        let (key, kind) = (link.peer.node_key, link.peer.kind);
        if let Some(entry) = link.dialled.as_ref().and_then(|address| self.book.entries.get_mut(address)) {
            entry.known.reached = now.wall.unix_s();
            entry.known.reason.clear();
            entry.node_key = key;
        } else if kind == LinkKind::Tls && link.peer.listen_port > 0 {
            // It says where it listens; whether that is true is seen when it is dialled.
            let address = Address { kind, host: link.peer.address.host.clone(), port: link.peer.listen_port };
            self.told(id, vec![address.clone()]);
            if let Some(entry) = self.book.entries.get_mut(&address) {
                entry.node_key = entry.node_key.or(key);
            }
        }
        self.book_changed();
    }

    pub(super) fn book_disconnected(&mut self, id: LinkId, link: Option<&Link>, why: &Closed) {
        let now = self.now;
        let Some(address) = self.book.by_link.remove(&id) else {
            // Places are free again for others.
            return self.book_changed();
        };
        let was_good = link.is_some_and(|link| now.mono.since(link.opened) >= GOOD_LINK_MS);
        let Some(entry) = self.book.entries.get_mut(&address) else { return };
        entry.link = None;
        let known = &mut entry.known;
        known.failures = if was_good || *why == Closed::ByUs { 0 } else { known.failures.saturating_add(1) };
        let mut first_ms = match (address.kind, why) {
            // It was not there, and counted nothing.
            (LinkKind::Pascal, Closed::NotReached(_)) | (LinkKind::Tls, _) => RETRY_MS_FIRST,
            (LinkKind::Pascal, _) => RETRY_PASCAL_MS_FIRST,
        };
        if *why != Closed::ByUs {
            known.reason = why.to_string();
        }
        match why {
            Closed::Fault(Fault::Myself) => known.banned_until = MYSELF,
            Closed::ByPeer { code: Some(ByeCode::Full | ByeCode::Duplicate), .. } => {
                first_ms = first_ms.max(RETRY_REFUSED_MS);
            }
            Closed::ByPeer { code: Some(ByeCode::Banned), .. } => {
                known.banned_until = now.wall.unix_s().saturating_add(super::BAN_S);
            }
            Closed::ByPeer { .. } | Closed::ByUs | Closed::NotReached(_) | Closed::Broken(_) | Closed::Fault(_) => {}
        }
        let known = known.clone();
        let keep = entry.source == AddressSource::User || known.reached > 0 || known.failures < FAILURES_MAX;
        let next_try = now.mono + self.retry_ms(&known, first_ms);
        if keep && let Some(entry) = self.book.entries.get_mut(&address) {
            entry.next_try = next_try;
        } else {
            self.book.entries.remove(&address);
        }
        self.book_changed();
    }

    /// Dials who is due, tells peers, hands the book out to be written; sets the time for the next look.
    pub(super) fn look_after_addresses(&mut self) {
        let now = self.now;
        if self.book.save_at.is_some_and(|at| at <= now.mono) {
            self.book.save_at = None;
            self.outputs.push_back(Output::Addresses(self.book.known()));
        }
        if self.book.tell_at <= now.mono {
            self.book.tell_at = now.mono + TELL_MS;
            let links: Vec<_> =
                self.links.open().filter(|link| link.peer.kind == LinkKind::Tls).map(|link| link.id).collect();
            links.into_iter().for_each(|link| self.tell(link));
        }
        let users = self.dialable(|source| source == AddressSource::User);
        self.dial(users);
        if self.config.discovery && self.outbound_missing() > 0 {
            let mut others = self.dialable(|source| source != AddressSource::User);
            self.shuffle(&mut others);
            self.dial_diverse(others);
        }
        self.book.due = self.next_look();
    }

    /// When something is due: what waits for another reason (no place, enough links) is looked at when that changes.
    fn next_look(&self) -> Option<Mono> {
        let now = self.now.mono;
        let wants = self.config.discovery && self.outbound_missing() > 0;
        let tries = self.book.entries.values().filter(|entry| {
            entry.link.is_none() && entry.next_try > now && (wants || entry.source == AddressSource::User)
        });
        let bans_end = self.book.entries.values().filter(|entry| entry.known.banned_until > self.now.wall.unix_s());
        let ban_look = bans_end
            .map(|entry| now + (u64::from(entry.known.banned_until) * 1000).saturating_sub(self.now.wall.0).max(1000));
        let times = tries.map(|entry| entry.next_try).chain(ban_look);
        times.chain(self.book.save_at).chain([self.book.tell_at]).min()
    }

    fn dialable(&self, from: impl Fn(AddressSource) -> bool) -> Vec<Address> {
        let now = self.now;
        let linked = self.links.tls_keys();
        let due = |entry: &&Entry| {
            from(entry.source)
                && entry.link.is_none()
                && entry.next_try <= now.mono
                && entry.known.banned_until <= now.wall.unix_s()
                && !entry.node_key.is_some_and(|key| entry.known.address.kind == LinkKind::Tls && linked.contains(&key))
        };
        self.book.entries.values().filter(due).map(|entry| entry.known.address.clone()).collect()
    }

    fn outbound_missing(&self) -> usize {
        let open = self.links.open().filter(|link| link.peer.outbound && link.peer.kind == LinkKind::Tls).count();
        self.config.outbound_wanted.saturating_sub(open + self.links.dialling())
    }

    /// Of each network group on the Internet one at a time: who owns many addresses seldom owns many groups.
    fn dial_diverse(&mut self, addresses: Vec<Address>) {
        let linked = self.links.open().filter(|link| link.peer.outbound).map(|link| link.peer.address.clone());
        let mut groups: Vec<NetworkGroup> = linked.filter(Address::is_public).map(|address| address.group()).collect();
        let mut chosen = Vec::new();
        for address in addresses {
            if chosen.len() == self.outbound_missing() {
                break;
            }
            let group = address.group();
            if address.is_public() && groups.contains(&group) {
                continue;
            }
            groups.push(group);
            chosen.push(address);
        }
        self.dial(chosen);
    }

    fn dial(&mut self, addresses: Vec<Address>) {
        for address in addresses {
            if self.links.dialling() >= DIALS_MAX {
                return;
            }
            let Some(link) = self.links.dial() else { return };
            let entry = self.book.entries.get_mut(&address).expect("it was just found in the book");
            entry.link = Some(link);
            entry.known.tried = self.now.wall.unix_s();
            self.book.by_link.insert(link, address.clone());
            self.outputs.push_back(Output::Connect { link, address });
        }
    }

    /// How long an address is left alone, with a quarter of chance so that nodes do not dial in step.
    fn retry_ms(&mut self, known: &KnownAddress, first_ms: u64) -> u64 {
        let doublings = known.failures.saturating_sub(1).min(16);
        let wait_ms = (first_ms << doublings).min(RETRY_MS_LAST.max(first_ms));
        wait_ms - wait_ms / 4 + self.chance.random_range(0..=wait_ms / 2)
    }

    pub(super) fn shuffle<T>(&mut self, list: &mut [T]) {
        list.shuffle(&mut self.chance);
    }
}
