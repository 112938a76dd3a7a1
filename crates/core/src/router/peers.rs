//! The links of a node and the peers at their other ends: who is let in, who is let go, who gets records.

use super::{Closed, KnownAddress, LinkCounters, Output, Report, Router};
use crate::address::{Address, LinkKind};
use crate::fault::Fault;
use crate::item::{ByeCode, Control, Item, PEERS_MAX};
use crate::link::{Carries, LINKS_MAX, LinkId, LinkSet, NodeKey, PeerInfo};
use crate::time::Mono;

/// A peer whose faults come to so many points is let go, and its address left alone.
pub const FAULT_POINTS_MAX: u32 = 100;
/// For so long, in seconds: as long as PascalCoin's daemons do.
pub const BAN_S: u32 = 3600;
/// A peer whose outbox overflows for so long is let go: it will not catch up.
pub const CONGESTED_MS_MAX: u64 = 10_000;
/// Overflows that lie so far apart are not one.
const CONGESTED_GAP_MS: u64 = 5_000;
/// Peers that are left alone and remembered; beyond them the one whose time ends first is forgotten.
const BANS_MAX: usize = 1024;
/// Of the places for links that others open, one network group on the Internet gets this part.
const GROUP_SHARE: usize = 4;

/// A connection that does not become a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Addresses to try instead.
    pub peers: Vec<Address>,
    /// For programs.
    pub code: ByeCode,
    /// For people.
    pub text: String,
}

/// An open link.
pub(super) struct Link {
    pub(super) id: LinkId,
    pub(super) peer: PeerInfo,
    pub(super) opened: Mono,
    pub(super) counted: LinkCounters,
    /// The address it was dialled by.
    pub(super) dialled: Option<Address>,
    /// Addresses it told us that were new.
    pub(super) told: usize,
    fault_points: u32,
    fault_at: Mono,
    congested_since: Option<Mono>,
    congested_at: Mono,
    /// It was told to end.
    ending: bool,
}

impl Link {
    pub(super) fn counters(&self, now: Mono) -> LinkCounters {
        LinkCounters { fault_points: self.points(now), ..self.counted }
    }

    pub(super) const fn clock_ahead_s(&self) -> i64 {
        self.peer.clock_ahead_s
    }

    fn points(&self, now: Mono) -> u32 {
        let forgiven = u32::try_from(now.since(self.fault_at) / 1000).unwrap_or(u32::MAX);
        self.fault_points.saturating_sub(forgiven)
    }

    /// Whether the other end opened it and it counts for the places of those.
    fn is_inbound(&self) -> bool {
        !self.peer.outbound
    }
}

enum Place {
    Free,
    /// Dialled, not yet open.
    Dialling(LinkId),
    /// Admitted, and `Connected` is to come.
    Admitted(LinkId),
    Open(Box<Link>),
}

impl Place {
    fn id(&self) -> Option<LinkId> {
        match self {
            Self::Free => None,
            Self::Dialling(id) | Self::Admitted(id) => Some(*id),
            Self::Open(link) => Some(link.id),
        }
    }
}

/// The table of links.
pub(super) struct Links {
    places: Vec<Place>,
    /// Links that get records.
    carrying: LinkSet,
    serial: u64,
}

impl Default for Links {
    fn default() -> Self {
        Self {
            places: std::iter::repeat_with(|| Place::Free).take(LINKS_MAX).collect(),
            carrying: LinkSet::EMPTY,
            serial: 0,
        }
    }
}

impl Links {
    pub(super) const fn carrying(&self) -> LinkSet {
        self.carrying
    }

    pub(super) fn open(&self) -> impl Iterator<Item = &Link> {
        self.places.iter().filter_map(|place| match place {
            Place::Open(link) => Some(link.as_ref()),
            Place::Free | Place::Dialling(_) | Place::Admitted(_) => None,
        })
    }

    pub(super) fn get(&self, id: LinkId) -> Option<&Link> {
        match self.places.get(id.slot()) {
            Some(Place::Open(link)) if link.id == id => Some(link),
            _ => None,
        }
    }

    pub(super) fn get_mut(&mut self, id: LinkId) -> Option<&mut Link> {
        match self.places.get_mut(id.slot()) {
            Some(Place::Open(link)) if link.id == id => Some(link),
            _ => None,
        }
    }

    pub(super) fn count_sent(&mut self, links: LinkSet) {
        for slot in links.slots() {
            if let Some(Place::Open(link)) = self.places.get_mut(slot) {
                link.counted.sent += 1;
            }
        }
    }

    pub(super) fn dialling(&self) -> usize {
        self.places.iter().filter(|place| matches!(place, Place::Dialling(_))).count()
    }

    /// A place for a dial, if one is free.
    pub(super) fn dial(&mut self) -> Option<LinkId> {
        self.take(Place::Dialling)
    }

    /// Places are given out in turn, so that what still refers to an old link seldom meets a new one in its place.
    fn take(&mut self, place: fn(LinkId) -> Place) -> Option<LinkId> {
        let slot = (1..=LINKS_MAX as u64).map(|step| (self.serial + step) % LINKS_MAX as u64).find(|slot| {
            let slot = usize::try_from(*slot).expect("a slot is below LINKS_MAX");
            matches!(self.places.get(slot), Some(Place::Free))
        })?;
        self.serial += 1;
        let id = LinkId::new(u8::try_from(slot).expect("a slot is below LINKS_MAX"), self.serial);
        *self.places.get_mut(id.slot()).expect("there is a place for each slot") = place(id);
        Some(id)
    }

    fn put(&mut self, link: Link) {
        let slot = link.id.slot();
        *self.places.get_mut(slot).expect("there is a place for each slot") = Place::Open(Box::new(link));
    }

    /// Gives the place free, if it is still that link's.
    fn free(&mut self, id: LinkId) -> Option<Place> {
        let place = self.places.get_mut(id.slot())?;
        if place.id() != Some(id) {
            return None;
        }
        self.carrying.remove(id);
        Some(std::mem::replace(place, Place::Free))
    }

    /// Connections that others opened, and how many of them come from the network group of `like`.
    fn inbound(&self, like: &Address) -> (usize, usize) {
        let group = like.group();
        let mut counts = (0, 0);
        for place in &self.places {
            match place {
                Place::Open(link) if link.is_inbound() => {
                    counts.0 += 1;
                    counts.1 += usize::from(link.peer.address.group() == group);
                }
                Place::Admitted(_) => counts.0 += 1,
                Place::Open(_) | Place::Free | Place::Dialling(_) => {}
            }
        }
        counts
    }

    /// The nodes to which a TLS link is open.
    pub(super) fn tls_keys(&self) -> Vec<NodeKey> {
        self.open().filter(|link| link.peer.kind == LinkKind::Tls).filter_map(|link| link.peer.node_key).collect()
    }

    fn tls_link_to(&self, key: NodeKey, but: Option<LinkId>) -> Option<&Link> {
        self.open().find(|link| {
            link.peer.kind == LinkKind::Tls && link.peer.node_key == Some(key) && Some(link.id) != but && !link.ending
        })
    }
}

impl Router {
    pub(super) fn admit_peer(&mut self, peer: &PeerInfo) -> Result<LinkId, Refusal> {
        if let Some(known) = self.book.ban_on(&peer.address, self.now.wall) {
            let text = format!("this address is left alone until {} (Unix time): {}", known.banned_until, known.reason);
            return Err(Refusal { peers: Vec::new(), code: ByeCode::Banned, text });
        }
        if let Some(refusal) = self.refuse_second_link(peer) {
            return Err(refusal);
        }
        let (inbound, of_group) = self.links.inbound(&peer.address);
        let group_full = peer.address.is_public() && of_group * GROUP_SHARE >= self.config.inbound_max;
        if inbound >= self.config.inbound_max || group_full {
            return Err(self.refuse_full(&peer.address));
        }
        self.links.take(Place::Admitted).ok_or_else(|| self.refuse_full(&peer.address))
    }

    fn refuse_full(&mut self, asker: &Address) -> Refusal {
        let peers = self.sample(asker);
        Refusal { peers, code: ByeCode::Full, text: "this node has no place left: try the others it told".to_owned() }
    }

    /// Of two TLS links to one node the one that was opened by the lower key stays; of two opened by one side, the first.
    fn refuse_second_link(&self, peer: &PeerInfo) -> Option<Refusal> {
        let key = peer.node_key.filter(|_| peer.kind == LinkKind::Tls)?;
        let first = self.links.tls_link_to(key, None)?;
        if self.second_wins(first, peer, key) {
            return None;
        }
        Some(Refusal {
            peers: Vec::new(),
            code: ByeCode::Duplicate,
            text: "another link to this node stays".to_owned(),
        })
    }

    fn second_wins(&self, first: &Link, second: &PeerInfo, key: NodeKey) -> bool {
        first.peer.outbound != second.outbound && second.outbound == (self.config.node_key < key)
    }

    pub(super) fn connected(&mut self, id: LinkId, peer: PeerInfo) {
        let now = self.now.mono;
        let dialled = self.book.dialled_by(id).cloned();
        let link = Link {
            id,
            opened: now,
            counted: LinkCounters::default(),
            dialled,
            told: 0,
            fault_points: 0,
            fault_at: now,
            congested_since: None,
            congested_at: now,
            ending: false,
            peer,
        };
        let (kind, key, carries) = (link.peer.kind, link.peer.node_key, link.peer.carries);
        let second = link.peer.clone();
        self.links.put(link);
        self.book_connected(id);
        if kind == LinkKind::Tls
            && let Some(key) = key
        {
            if let Some(first) = self.links.tls_link_to(key, Some(id)) {
                let goes = if self.second_wins(first, &second, key) { first.id } else { id };
                self.end(goes, ByeCode::Duplicate, "another link to this node stays");
            }
            self.rest_pascal_links(key);
        }
        self.carry(id, carries);
        if kind == LinkKind::Tls {
            self.tell(id);
        }
    }

    pub(super) fn disconnected(&mut self, id: LinkId, why: Closed) {
        self.counters.over_budget += self.pace.forget(id);
        self.forget_checks_of(id);
        let place = self.links.free(id);
        let link = match place {
            Some(Place::Open(link)) => Some(link),
            Some(Place::Free | Place::Dialling(_) | Place::Admitted(_)) | None => None,
        };
        self.book_disconnected(id, link.as_deref(), &why);
        // What a PascalCoin link to the same node rested for is gone.
        if let Some(key) = link.and_then(|link| link.peer.node_key.filter(|_| link.peer.kind == LinkKind::Tls)) {
            self.rest_pascal_links(key);
        }
    }

    pub(super) fn speaks(&mut self, id: LinkId, carries: Carries, node_key: Option<NodeKey>, tls_port: u16) {
        let Some(link) = self.links.get_mut(id) else { return };
        link.peer.carries = carries;
        link.peer.node_key = node_key.or(link.peer.node_key);
        let host = link.peer.address.host.clone();
        self.carry(id, carries);
        if node_key.is_some() && tls_port > 0 {
            self.told(id, vec![Address { kind: LinkKind::Tls, host, port: tls_port }]);
        }
    }

    pub(super) fn faulted(&mut self, id: LinkId, fault: Fault) {
        let now = self.now;
        if fault == Fault::Expired && !self.clock_is_confirmed() {
            // A node whose own clock is wrong would let all its peers go.
            return;
        }
        let Some(link) = self.links.get_mut(id) else {
            // A dial that failed: the address remembers it when the link is gone.
            return;
        };
        link.fault_points = link.points(now.mono).saturating_add(fault.cost());
        link.fault_at = now.mono;
        if link.fault_points < FAULT_POINTS_MAX {
            return;
        }
        if fault == Fault::Expired {
            // Its clock may have been set wrong since it said hello, and be set right again soon: it may come back.
            return self.end(id, ByeCode::Fault, &format!("this peer {fault}"));
        }
        let address = link.dialled.clone().unwrap_or_else(|| link.peer.address.clone());
        self.ban(address, format!("it {fault}"));
    }

    /// Leaves an address alone for a while. Addresses that are not on the Internet are not banned, as everything on this
    /// machine or in this house shares them: they are only dialled more seldom.
    fn ban(&mut self, address: Address, reason: String) {
        if !address.is_public() {
            return;
        }
        let until = self.now.wall.unix_s().saturating_add(BAN_S);
        self.book.ban(&address, until, &reason, BANS_MAX);
        self.outputs.push_back(Output::Report(Report::Banned { address, until, reason }));
        self.book_changed();
    }

    pub(super) fn congested(&mut self, id: LinkId, dropped: u32) {
        let now = self.now.mono;
        self.counters.congested += u64::from(dropped);
        let Some(link) = self.links.get_mut(id) else { return };
        link.counted.congested += u64::from(dropped);
        if now.since(link.congested_at) > CONGESTED_GAP_MS {
            link.congested_since = None;
        }
        link.congested_at = now;
        let since = *link.congested_since.get_or_insert(now);
        if now.since(since) >= CONGESTED_MS_MAX {
            self.end(id, ByeCode::Slow, "this peer does not read what is sent to it");
        }
    }

    /// Ends a link, once.
    pub(super) fn end(&mut self, id: LinkId, code: ByeCode, text: &str) {
        let Some(link) = self.links.get_mut(id).filter(|link| !link.ending) else { return };
        link.ending = true;
        self.links.carrying.remove(id);
        self.outputs.push_back(Output::Disconnect { link: id, code, text: text.to_owned() });
    }

    /// A peer takes records, or does not.
    fn carry(&mut self, id: LinkId, carries: Carries) {
        let rests = self.links.get(id).is_none_or(|link| link.ending || self.rests(link));
        let had = self.links.carrying.contains(id);
        if carries == Carries::Records && !rests {
            self.links.carrying.insert(id);
            if !had {
                self.send_unsent(id);
            }
        } else {
            self.links.carrying.remove(id);
        }
    }

    /// Whether the flood goes over a TLS link to the same node instead.
    fn rests(&self, link: &Link) -> bool {
        let key = link.peer.node_key.filter(|_| link.peer.kind == LinkKind::Pascal);
        key.is_some_and(|key| self.links.tls_link_to(key, None).is_some())
    }

    /// Looks again whether PascalCoin links to this node are to carry records.
    fn rest_pascal_links(&mut self, key: NodeKey) {
        let theirs = |link: &&Link| link.peer.kind == LinkKind::Pascal && link.peer.node_key == Some(key);
        let links: Vec<_> = self.links.open().filter(theirs).map(|link| (link.id, link.peer.carries)).collect();
        for (id, carries) in links {
            self.carry(id, carries);
        }
    }

    /// Tells a TLS peer addresses of others.
    pub(super) fn tell(&mut self, id: LinkId) {
        let Some(link) = self.links.get(id).filter(|link| !link.ending) else { return };
        let (asker, listens_on) = (link.peer.address.clone(), link.peer.listen_port);
        let mut peers = self.sample(&asker);
        peers.retain(|peer| peer.host != asker.host || (peer.port != asker.port && peer.port != listens_on));
        if !peers.is_empty() {
            let mut links = LinkSet::EMPTY;
            links.insert(id);
            self.outputs.push_back(Output::Send { links, item: Item::Control(Control::Peers(peers)) });
        }
    }

    /// Addresses that are worth trying, in no order: those that were reached, and those that peers who are linked to us say
    /// they listen on. Who is on the Internet is told addresses on the Internet only.
    fn sample(&mut self, asker: &Address) -> Vec<Address> {
        if !self.config.discovery {
            return Vec::new();
        }
        let listening = self.links.open().filter_map(|link| {
            let port = link.peer.listen_port;
            let known = link.peer.kind == LinkKind::Tls && link.is_inbound() && port > 0;
            known.then(|| Address { kind: LinkKind::Tls, host: link.peer.address.host.clone(), port })
        });
        let mut peers: Vec<_> = self.book.reached(self.now.wall).chain(listening).collect();
        peers.sort_unstable();
        peers.dedup();
        peers.retain(|address| address.is_public() || !asker.is_public());
        self.shuffle(&mut peers);
        peers.truncate(PEERS_MAX);
        peers
    }

    pub(super) fn banned_now(&self) -> Vec<KnownAddress> {
        self.book.banned(self.now, &self.links.tls_keys())
    }
}
