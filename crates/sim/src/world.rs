//! The network: routers, the links between them, and the one clock. Links do here what they do alone in a node: they
//! drop what expired and what was seen, and hand the rest over in the batches in which it was sent.

use std::net::{IpAddr, Ipv4Addr};

use nightjar_core::address::{Address, LinkKind};
use nightjar_core::fault::Fault;
use nightjar_core::item::{Batch, ByeCode, How, Item, Repeat};
use nightjar_core::link::{Carries, LINKS_MAX, LinkId, NodeKey, PeerInfo};
use nightjar_core::name::target_of_text;
use nightjar_core::record::{Expiry, Record, RecordRef, Target};
use nightjar_core::router::{Budgets, Check, Closed, Counters, Input, Output, Router, RouterConfig, Verdict};
use nightjar_core::seen::SeenView;
use nightjar_core::time::{Mono, Now, Wall};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use crate::graph::Graph;
use crate::ledger::{Demand, Ledger, NUMBER_BYTES};
use crate::queue::Queue;
use crate::report::Report;
use crate::scenario::Scenario;
use crate::traffic;

/// The wall clock at the beginning of a run: 2027-01-15 08:00:00 UTC.
pub const EPOCH_MS: u64 = 1_800_000_000_000;
/// A dated record this far out of its time is a fault of the TLS peer that sent it.
const EXPIRED_S_FORGIVEN: u32 = 120;

/// A network in virtual time.
pub struct World {
    now_ms: u64,
    queue: Queue<Event>,
    nodes: Vec<Node>,
    graph: Graph,
    chance: ChaCha8Rng,
    ledger: Ledger,
    arrived: u64,
    bytes: u64,
    lost: u64,
    ended_links: u64,
    check_us: u64,
}

struct Node {
    router: Router,
    seen: SeenView,
    clock_ahead_ms: i64,
    /// It takes what comes and sends nothing by itself.
    silent: bool,
    /// By slot: the far ends of its links.
    links: Vec<Option<FarEnd>>,
    /// When the core that checks signatures has done what it was given, in microseconds.
    checked_us: u64,
    /// When its tick is planned.
    tick_ms: Option<u64>,
}

#[derive(Clone, Copy)]
struct FarEnd {
    near: LinkId,
    node: usize,
    link: LinkId,
    latency_ms: u64,
    loss: f64,
}

enum Event {
    Arrives {
        node: usize,
        link: LinkId,
        records: Vec<Record>,
    },
    Closes {
        node: usize,
        link: LinkId,
        why: Closed,
    },
    Publishes {
        node: usize,
        record: Record,
    },
    /// A node without a will of its own sends on all its links.
    Speaks {
        node: usize,
        records: Vec<Record>,
    },
    Checked {
        node: usize,
        verdicts: Vec<Verdict>,
    },
    SetsClock {
        node: usize,
        ahead_ms: i64,
    },
    Ticks {
        node: usize,
    },
}

impl World {
    /// The network of a scenario, all links open, nothing said yet. Every node listens to [`World::target`].
    pub fn new(scenario: &Scenario, seed: u64) -> Self {
        let mut chance = ChaCha8Rng::seed_from_u64(seed);
        let graph = Graph::random(scenario, &mut chance);
        let part = |part: f64| (part * scenario.nodes as f64).round() as usize;
        let (silent, wrong) = (part(scenario.silent), part(scenario.wrong_clocks));
        let mut order: Vec<usize> = (0..scenario.nodes).collect();
        shuffle(&mut order, &mut chance);
        let mut kinds = vec![(false, 0); scenario.nodes];
        for (place, node) in order.into_iter().enumerate() {
            let is_wrong = (silent..silent + wrong).contains(&place);
            let ahead_ms = if is_wrong { scenario.wrong_by_s * 1000 } else { 0 };
            *kinds.get_mut(node).expect("there is a kind for each node") = (place < silent, ahead_ms);
        }
        let nodes = (0..)
            .zip(kinds)
            .map(|(number, (silent, ahead_ms))| Node::new(number, silent, ahead_ms, scenario, chance.random()));
        let nodes = nodes.collect();
        let (queue, ledger) = (Queue::new(), Ledger::default());
        let mut world = Self {
            now_ms: 0,
            queue,
            nodes,
            graph,
            chance,
            ledger,
            arrived: 0,
            bytes: 0,
            lost: 0,
            ended_links: 0,
            check_us: scenario.check_us,
        };
        world.open_links();
        for node in 0..world.nodes.len() {
            world.handle(node, Input::Listen { target: Self::target(), on: true });
        }
        world
    }

    /// What everybody listens to.
    pub fn target() -> Target {
        target_of_text("#simulation")
    }

    /// Who is linked to whom.
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// The router of a node.
    pub fn router(&self, node: usize) -> &Router {
        &self.node(node).router
    }

    /// Whether the node passes records on and has the right time.
    pub fn is_in_order(&self, node: usize) -> bool {
        let node = self.node(node);
        !node.silent && node.clock_ahead_ms == 0
    }

    /// A node that sends nothing by itself, if there is one.
    pub(crate) fn first_silent(&self) -> Option<usize> {
        self.nodes.iter().position(|node| node.silent)
    }

    /// With what the body of the record that is published next is to begin.
    pub fn next_number(&self) -> [u8; NUMBER_BYTES] {
        self.ledger.next_number()
    }

    /// How often each node got the record that was the so many-th to be published.
    pub fn deliveries(&self, number: usize) -> Vec<u8> {
        self.ledger.times(number)
    }

    /// Lets a node publish a record; its body begins with [`World::next_number`].
    pub fn publish(&mut self, at_ms: u64, node: usize, record: Record) {
        let order: Vec<bool> = (0..self.nodes.len()).map(|node| self.is_in_order(node)).collect();
        let reached = self.graph.reached_from(node, |node| order.get(node).copied().unwrap_or(false));
        let demands = self.nodes.iter().zip(order).zip(reached).map(|((node, in_order), reached)| {
            let wall = Wall((EPOCH_MS + at_ms).saturating_add_signed(node.clock_ahead_ms));
            match record.stamp() {
                Some(stamp) if stamp.expiry_at(wall) != Expiry::Alive => Demand::Refused,
                _ if in_order && reached => Demand::Wanted,
                _ => Demand::Open,
            }
        });
        self.ledger.publish(record.clone(), at_ms, demands);
        self.queue.plan(at_ms, Event::Publishes { node, record });
    }

    /// Lets a silent node say something of its own to all its neighbours.
    pub fn speak(&mut self, at_ms: u64, node: usize, records: Vec<Record>) {
        self.queue.plan(at_ms, Event::Speaks { node, records });
    }

    /// Sets a node's wall clock so far ahead of time.
    pub fn set_clock(&mut self, at_ms: u64, node: usize, ahead_ms: i64) {
        self.queue.plan(at_ms, Event::SetsClock { node, ahead_ms });
    }

    /// Lets time pass until this moment.
    pub fn run_until(&mut self, until_ms: u64) {
        while let Some((at_ms, event)) = self.queue.next(until_ms) {
            self.now_ms = at_ms;
            self.happen(event);
        }
        self.now_ms = until_ms;
    }

    /// What the run came to so far.
    pub fn report(&self) -> Report {
        let balance = self.ledger.balance();
        let counters = self.nodes.iter().fold(Counters::default(), |sum, node| add(sum, node.router.counters()));
        Report {
            nodes: self.nodes.len() as u64,
            links: self.graph.edges.len() as u64,
            records: balance.records,
            expected: balance.expected,
            delivered: balance.delivered,
            missing: balance.missing,
            delivered_again: balance.repeated,
            unexpected: balance.unexpected,
            foreign: self.ledger.foreign,
            latency_ms: balance.latency_ms,
            arrived: self.arrived,
            bytes: self.bytes,
            lost: self.lost,
            ended_links: self.ended_links,
            counters,
        }
    }

    pub(crate) const fn chance(&mut self) -> &mut ChaCha8Rng {
        &mut self.chance
    }

    fn open_links(&mut self) {
        for edge in self.graph.edges.clone() {
            let ends = [(edge.from, edge.to, true), (edge.to, edge.from, false)];
            let infos = ends.map(|(near, far, outbound)| {
                let ahead_ms = self.node(far).clock_ahead_ms - self.node(near).clock_ahead_ms;
                peer_info(far, outbound, ahead_ms / 1000)
            });
            let [mut from, mut to] = [None, None];
            for (place, (near, ..), info) in [(&mut from, ends[0], &infos[0]), (&mut to, ends[1], &infos[1])] {
                let now = self.now(near);
                let link = self.node_mut(near).router.admit(now, info);
                *place = Some(link.expect("a router of the simulator has a place for every link"));
            }
            let (from, to) = (from.expect("both ends were admitted"), to.expect("both ends were admitted"));
            for ((near, far, _), info, near_link, far_link) in
                [(ends[0], infos[0].clone(), from, to), (ends[1], infos[1].clone(), to, from)]
            {
                let (latency_ms, loss) = (edge.latency_ms, edge.loss);
                let far_end = FarEnd { near: near_link, node: far, link: far_link, latency_ms, loss };
                *self.node_mut(near).slot(near_link) = Some(far_end);
                self.handle(near, Input::Connected { link: near_link, peer: info });
            }
        }
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Arrives { node, link, records } => self.arrive(node, link, &records),
            Event::Publishes { node, record } => self.handle(node, Input::Publish { record }),
            Event::Speaks { node, records } => {
                let links: Vec<_> = self.node(node).links.iter().flatten().copied().collect();
                links.into_iter().for_each(|far| self.transmit(far, records.clone()));
            }
            Event::Closes { node, link, why } => {
                let place = self.node_mut(node).slot(link);
                if place.is_some_and(|far| far.near == link) {
                    *place = None;
                }
                self.handle(node, Input::Disconnected { link, why });
            }
            Event::Checked { node, verdicts } => self.handle(node, Input::Verified { verdicts }),
            Event::SetsClock { node, ahead_ms } => {
                self.node_mut(node).clock_ahead_ms = ahead_ms;
                self.handle(node, Input::Tick);
            }
            Event::Ticks { node } => {
                if self.node(node).tick_ms == Some(self.now_ms) {
                    self.node_mut(node).tick_ms = None;
                    self.handle(node, Input::Tick);
                }
            }
        }
    }

    /// What a link does before the router sees a record, in the same order.
    fn arrive(&mut self, node: usize, link: LinkId, records: &[Record]) {
        self.arrived += records.len() as u64;
        let now = self.now(node);
        let seen = &self.node(node).seen;
        let mut batch = Batch::default();
        let mut fault = None;
        for record in records {
            let (view, _) = RecordRef::parse(record.bytes()).expect("a record is whole");
            let known = match record.stamp() {
                Some(stamp) => {
                    if let Expiry::Past(by_s) | Expiry::TooFarAhead(by_s) = stamp.expiry_at(now.wall) {
                        batch.expired += 1;
                        fault = fault.or((by_s >= EXPIRED_S_FORGIVEN).then_some(Fault::Expired));
                        continue;
                    }
                    seen.knows_dated(record.msg_id())
                }
                None => seen.knows_plain(view),
            };
            if known {
                batch.repeats.push(Repeat { msg_id: record.msg_id(), digest: seen.digest(view), tag: 0 });
            } else {
                batch.records.push((record.clone(), 0));
            }
        }
        self.handle(node, Input::Received { link, how: How::Flooded, batch });
        if let Some(fault) = fault {
            self.handle(node, Input::Faulted { link, fault });
        }
    }

    /// Gives a router an input and does what it wants done.
    fn handle(&mut self, node: usize, input: Input) {
        let now = self.now(node);
        self.node_mut(node).router.handle(now, input);
        let mut outboxes: Vec<(FarEnd, Vec<Record>)> = Vec::new();
        while let Some(output) = self.node_mut(node).router.poll() {
            match output {
                Output::Send { links, item: Item::Record { record, .. } } => {
                    let here = self.node(node);
                    for far in links.slots().filter_map(|slot| *here.links.get(slot)?) {
                        match outboxes.iter_mut().find(|(other, _)| other.near == far.near) {
                            Some((_, records)) => records.push(record.clone()),
                            None => outboxes.push((far, vec![record.clone()])),
                        }
                    }
                }
                Output::Deliver(record) => self.ledger.deliver(node, &record, self.now_ms),
                Output::Verify(checks) => self.check(node, &checks),
                Output::Disconnect { link, code, text } => self.disconnect(node, link, code, text),
                Output::Connect { link, .. } => {
                    let why = Closed::NotReached("nobody is dialled in a simulation".to_owned());
                    self.queue.plan(self.now_ms, Event::Closes { node, link, why });
                }
                Output::Keep(_)
                | Output::Send { item: Item::Control(_) | Item::Served { .. }, .. }
                | Output::Addresses(_)
                | Output::Report(_) => {}
            }
        }
        if !self.node(node).silent {
            outboxes.into_iter().for_each(|(far, records)| self.transmit(far, records));
        }
        self.plan_tick(node);
    }

    /// One core of each node checks, one signature after the other, and answers a batch when it is done with it.
    fn check(&mut self, node: usize, checks: &[Check]) {
        let verdicts =
            checks.iter().map(|check| Verdict { number: check.number, holds: traffic::holds(&check.record) }).collect();
        let (now_us, took_us) = (self.now_ms * 1000, self.check_us * checks.len() as u64);
        let here = self.node_mut(node);
        here.checked_us = here.checked_us.max(now_us) + took_us;
        let at_ms = here.checked_us.div_ceil(1000);
        self.queue.plan(at_ms, Event::Checked { node, verdicts });
    }

    fn transmit(&mut self, far: FarEnd, mut records: Vec<Record>) {
        self.bytes += records.iter().map(|record| record.bytes().len() as u64).sum::<u64>();
        if far.loss > 0.0 {
            let before = records.len();
            records.retain(|_| !self.chance.random_bool(far.loss));
            self.lost += (before - records.len()) as u64;
        }
        if !records.is_empty() {
            self.queue.plan(self.now_ms + far.latency_ms, Event::Arrives { node: far.node, link: far.link, records });
        }
    }

    fn disconnect(&mut self, node: usize, link: LinkId, code: ByeCode, text: String) {
        let Some(far) = self.node_mut(node).slot(link).filter(|far| far.near == link) else { return };
        self.ended_links += 1;
        self.queue.plan(self.now_ms, Event::Closes { node, link, why: Closed::ByUs });
        let why = Closed::ByPeer { code: Some(code), text };
        self.queue.plan(self.now_ms + far.latency_ms, Event::Closes { node: far.node, link: far.link, why });
    }

    fn plan_tick(&mut self, node: usize) {
        let now_ms = self.now_ms;
        let here = self.node_mut(node);
        let Some(due) = here.router.deadline() else { return };
        // A router that wants its tick at once gets it with the next millisecond, so that time goes on.
        let due_ms = due.0.max(now_ms + 1);
        if here.tick_ms.is_none_or(|planned| planned > due_ms) {
            here.tick_ms = Some(due_ms);
            self.queue.plan(due_ms, Event::Ticks { node });
        }
    }

    fn now(&self, node: usize) -> Now {
        let wall = (EPOCH_MS + self.now_ms).saturating_add_signed(self.node(node).clock_ahead_ms);
        Now { mono: Mono(self.now_ms), wall: Wall(wall) }
    }

    fn node(&self, node: usize) -> &Node {
        self.nodes.get(node).expect("nodes are numbered from 0")
    }

    fn node_mut(&mut self, node: usize) -> &mut Node {
        self.nodes.get_mut(node).expect("nodes are numbered from 0")
    }
}

impl Node {
    fn new(number: usize, silent: bool, clock_ahead_ms: i64, scenario: &Scenario, seed: [u8; 32]) -> Self {
        let config = RouterConfig {
            budgets: scenario.budgets.then(Budgets::default),
            discovery: false,
            outbound_wanted: 0,
            inbound_max: LINKS_MAX,
            dated_bytes: scenario.seen_kib << 10,
            plain_bytes: scenario.seen_kib << 10,
            ..RouterConfig::new(node_key(number))
        };
        let wall = EPOCH_MS.saturating_add_signed(clock_ahead_ms);
        let router = Router::new(config, seed, Now { mono: Mono(0), wall: Wall(wall) });
        let seen = router.seen_view();
        Self { router, seen, clock_ahead_ms, silent, links: vec![None; LINKS_MAX], checked_us: 0, tick_ms: None }
    }

    fn slot(&mut self, link: LinkId) -> &mut Option<FarEnd> {
        self.links.get_mut(link.slot()).expect("there is a place for each slot")
    }
}

fn peer_info(far: usize, outbound: bool, clock_ahead_s: i64) -> PeerInfo {
    let [_, a, b, c] = u32::try_from(far).expect("a network has less than 2^24 nodes").to_be_bytes();
    PeerInfo {
        kind: LinkKind::Tls,
        outbound,
        address: Address::new(LinkKind::Tls, IpAddr::V4(Ipv4Addr::new(10, a, b, c)), 4038),
        node_key: Some(node_key(far)),
        listen_port: 4038,
        agent: format!("node {far}"),
        features: 0,
        clock_ahead_s,
        carries: Carries::Records,
    }
}

fn node_key(number: usize) -> NodeKey {
    let mut key = [0; 32];
    key.iter_mut().zip(number.to_be_bytes()).for_each(|(place, byte)| *place = byte);
    NodeKey(key)
}

fn shuffle(order: &mut [usize], chance: &mut ChaCha8Rng) {
    for place in (1..order.len()).rev() {
        order.swap(place, chance.random_range(0..=place));
    }
}

fn add(one: Counters, other: Counters) -> Counters {
    let [worked, dated, plain] = one.by_class;
    let [more_worked, more_dated, more_plain] = other.by_class;
    Counters {
        received: one.received + other.received,
        accepted: one.accepted + other.accepted,
        published: one.published + other.published,
        repeats: one.repeats + other.repeats,
        sent: one.sent + other.sent,
        delivered: one.delivered + other.delivered,
        expired: one.expired + other.expired,
        forged: one.forged + other.forged,
        collisions: one.collisions + other.collisions,
        unmet_work: one.unmet_work + other.unmet_work,
        delayed: one.delayed + other.delayed,
        over_budget: one.over_budget + other.over_budget,
        checked: one.checked + other.checked,
        bad_signatures: one.bad_signatures + other.bad_signatures,
        checks_over_budget: one.checks_over_budget + other.checks_over_budget,
        checks_dropped: one.checks_dropped + other.checks_dropped,
        checks_waiting: one.checks_waiting + other.checks_waiting,
        congested: one.congested + other.congested,
        seen_live: one.seen_live + other.seen_live,
        seen_evicted: one.seen_evicted + other.seen_evicted,
        fresh: one.fresh + other.fresh,
        by_class: [worked + more_worked, dated + more_dated, plain + more_plain],
    }
}
