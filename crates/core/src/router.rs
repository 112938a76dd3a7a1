//! The router: a state machine that decides which record goes where, who is a neighbour and who is not.
//! It never touches a socket, a clock or a disk: inputs go in with the time, outputs are polled until none is left.
//!
//! Policies sit side by side, one a file: `flood` (records), `pace` (budgets), `peers` (links and faults),
//! `addresses` (whom to dial),
//! `verify` (what waits for the check of its signature). They share the links and one queue of outputs.

mod addresses;
mod clocks;
mod counters;
mod flood;
mod fresh;
mod io;
mod keyed;
mod pace;
mod peers;
mod verify;

use std::collections::VecDeque;

use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;

pub use addresses::{ADDRESSES_MAX, DIALS_MAX, RETRY_MS_FIRST, RETRY_MS_LAST, RETRY_PASCAL_MS_FIRST};
pub use counters::{Counters, LinkCounters};
pub use flood::UNSENT_MAX;
pub use fresh::{FRESH_BYTES_MAX, FRESH_MS_MAX};
pub use io::{AddressSource, Closed, Input, KnownAddress, Output, Report};
pub use pace::{Budget, Budgets, Class, WAIT_MS_MAX};
pub use peers::{BAN_S, CONGESTED_MS_MAX, FAULT_POINTS_MAX, Refusal};
pub use verify::{BAD_CHECK_COST, CHECK_MS_MAX, CHECKS_PER_NODE, CHECKS_PER_PEER, CHECKS_WAITING_MAX, Check, Verdict};

use self::addresses::AddressBook;
use self::clocks::Clocks;
use self::flood::Flood;
use self::pace::Pace;
use self::peers::Links;
use self::verify::Checks;
use crate::address::Address;
use crate::item::Control;
use crate::link::{LinkId, LinkSet, NodeKey, PeerInfo};
use crate::record::Target;
use crate::seen::{DATED_BYTES_DEFAULT, PLAIN_BYTES_DEFAULT, SeenEntry, SeenView};
use crate::time::{Mono, Now};

/// A router looks after itself at least so often: the seen cache forgets, the clocks are compared.
const UPKEEP_MS: u64 = 10_000;

/// What a router is to know from the start.
#[derive(Clone, Debug)]
pub struct RouterConfig {
    /// The node's own key, by which two nodes that dial each other agree on one link.
    pub node_key: NodeKey,
    /// How many records of each class are taken in; `None` = all.
    pub budgets: Option<Budgets>,
    /// Whether addresses that peers tell, and those of the address book, are used and handed on.
    pub discovery: bool,
    /// TLS links this node wants to have opened itself.
    pub outbound_wanted: usize,
    /// Links that others may have opened to it.
    pub inbound_max: usize,
    /// Memory of the table of dated ids.
    pub dated_bytes: usize,
    /// Memory of the table of plain records.
    pub plain_bytes: usize,
    /// Whether there is a window: [`Output::Keep`] then comes for each dated record.
    pub window: bool,
    /// Key of the table of dated ids of an earlier process, whose ids are to be restored; a new one when `None`.
    pub dated_key: Option<[u8; 16]>,
}

impl RouterConfig {
    /// The defaults for a node of this key: 8 links out, 24 in. With the default budgets a link carries at most
    /// some 89 KB/s, both ways together (`docs/decisions/links.md`).
    pub fn new(node_key: NodeKey) -> Self {
        Self {
            node_key,
            budgets: Some(Budgets::default()),
            discovery: true,
            outbound_wanted: 8,
            inbound_max: 24,
            dated_bytes: DATED_BYTES_DEFAULT,
            plain_bytes: PLAIN_BYTES_DEFAULT,
            window: false,
            dated_key: None,
        }
    }
}

/// The state machine of one node.
pub struct Router {
    config: RouterConfig,
    now: Now,
    chance: ChaCha8Rng,
    outputs: VecDeque<Output>,
    links: Links,
    flood: Flood,
    pace: Pace,
    checks: Checks,
    book: AddressBook,
    clocks: Clocks,
    counters: Counters,
    upkeep_at: Mono,
}

impl Router {
    /// A router that begins at `now`. All its chance comes from `seed`, which is to be random.
    pub fn new(config: RouterConfig, seed: [u8; 32], now: Now) -> Self {
        let mut chance = ChaCha8Rng::from_seed(seed);
        let flood = Flood::new(&config, &mut chance);
        let checks = Checks::new(config.budgets.is_some(), &mut chance);
        Self {
            now,
            outputs: VecDeque::new(),
            links: Links::default(),
            flood,
            pace: Pace::new(config.budgets),
            checks,
            book: AddressBook::default(),
            clocks: Clocks::new(now),
            counters: Counters::default(),
            upkeep_at: now.mono + UPKEEP_MS,
            chance,
            config,
        }
    }

    /// Takes one input; what is to be done about it is polled afterwards.
    pub fn handle(&mut self, now: Now, input: Input) {
        self.now = now;
        if let Some(report) = self.clocks.step(now) {
            self.outputs.push_back(Output::Report(report));
            self.clock_stepped();
        }
        match input {
            Input::Received { link, how, batch } => self.received(link, how, batch),
            Input::Publish { record } => self.publish(record),
            Input::Listen { target, on } => self.flood.listen(target, on),
            Input::Connected { link, peer } => self.connected(link, peer),
            Input::Disconnected { link, why } => self.disconnected(link, why),
            Input::Control { link, control } => self.control(link, control),
            Input::Faulted { link, fault } => self.faulted(link, fault),
            Input::Congested { link, dropped } => self.congested(link, dropped),
            Input::Addresses { source, known } => self.add_addresses(source, known),
            Input::Verified { verdicts } => self.verified(&verdicts),
            Input::Tick => {}
        }
        self.tick();
        self.hand_out_checks();
    }

    /// The next thing to be done; `None` when nothing is left.
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`Input::Tick`] is due.
    pub fn deadline(&self) -> Option<Mono> {
        [Some(self.upkeep_at), self.pace.due(), self.book.due()].into_iter().flatten().min()
    }

    /// Whether a connection that came to us becomes a link; if so, [`Input::Connected`] is to follow.
    pub fn admit(&mut self, now: Now, peer: &PeerInfo) -> Result<LinkId, Refusal> {
        self.now = now;
        self.admit_peer(peer)
    }

    /// A look at what was seen, for the links.
    pub fn seen_view(&self) -> SeenView {
        self.flood.view()
    }

    /// Takes over what an earlier process had seen, whose key was given in the configuration.
    pub fn restore_seen(&mut self, entries: impl IntoIterator<Item = SeenEntry>) {
        self.flood.restore(entries);
    }

    /// What was counted over all links.
    pub fn counters(&self) -> Counters {
        self.checks.gauge(self.flood.gauge(self.counters))
    }

    /// The links that are open: who is there and what was counted.
    pub fn open_links(&self) -> impl Iterator<Item = (LinkId, &PeerInfo, LinkCounters, Mono)> {
        self.links.open().map(|link| (link.id, &link.peer, link.counters(self.now.mono), link.opened))
    }

    /// Whether records for the target are delivered.
    pub fn is_listened_to(&self, target: Target) -> bool {
        self.flood.is_listened_to(target)
    }

    /// The links that get records.
    pub const fn carrying(&self) -> LinkSet {
        self.links.carrying()
    }

    /// Every address that is known, with what is remembered of it.
    pub fn known_addresses(&self) -> Vec<KnownAddress> {
        self.book.known()
    }

    /// Who is left alone now, until when (`banned_until`) and why: who was banned, and addresses of the user's that were
    /// not reached.
    pub fn banned(&self) -> Vec<KnownAddress> {
        self.banned_now()
    }

    /// How many addresses are known.
    pub fn addresses_len(&self) -> usize {
        self.book.len()
    }

    /// The address that a link was dialled by, until the link is gone.
    pub fn dialled(&self, link: LinkId) -> Option<&Address> {
        self.book.dialled_by(link)
    }

    /// Whether this address was given by the user.
    pub fn is_users(&self, address: &Address) -> bool {
        self.book.is_users(address)
    }

    /// Where the address that a link was dialled by comes from; `None` for a link that the other end opened.
    pub fn source(&self, link: LinkId) -> Option<AddressSource> {
        self.book.source(self.book.dialled_by(link)?)
    }

    fn control(&mut self, link: LinkId, control: Control) {
        match control {
            Control::Peers(addresses) => self.told(link, addresses),
            Control::Speaks { carries, node_key, tls_port } => self.speaks(link, carries, node_key, tls_port),
            // A farewell comes with `Disconnected`; accounts, wallets and the window are not the flood's.
            Control::Bye { .. }
            | Control::Wallet { .. }
            | Control::AskAccounts { .. }
            | Control::Accounts { .. }
            | Control::CatchUp { .. } => {}
        }
    }

    fn tick(&mut self) {
        let now = self.now.mono;
        if self.pace.due().is_some_and(|due| due <= now) {
            self.release();
        }
        if self.book.due().is_some_and(|due| due <= now) {
            self.look_after_addresses();
        }
        if self.upkeep_at <= now {
            self.upkeep_at = now + UPKEEP_MS;
            self.forget_old();
            self.forget_checks();
            self.compare_clocks();
        }
    }
}

impl std::fmt::Debug for Router {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Router").field("config", &self.config).field("counters", &self.counters).finish_non_exhaustive()
    }
}
