//! Names for links and sets of them, and what is known of the peer at the other end.

use std::fmt;

use crate::address::{Address, LinkKind};

/// Links a router can hold at one time: a set of them is one number.
pub const LINKS_MAX: usize = 128;

/// One link of this node, never used again for another.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkId {
    slot: u8,
    serial: u64,
}

impl LinkId {
    /// The link with this serial number in this slot; slots are below [`LINKS_MAX`].
    pub const fn new(slot: u8, serial: u64) -> Self {
        assert!((slot as usize) < LINKS_MAX, "slots are numbered below LINKS_MAX");
        Self { slot, serial }
    }

    /// Its place in a table of [`LINKS_MAX`].
    pub const fn slot(self) -> usize {
        self.slot as usize
    }

    /// Its number, counted from the start of the node.
    pub const fn serial(self) -> u64 {
        self.serial
    }
}

impl fmt::Debug for LinkId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.serial)
    }
}

impl fmt::Display for LinkId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.serial)
    }
}

/// A set of slots.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct LinkSet(u128);

impl LinkSet {
    /// No link.
    pub const EMPTY: Self = Self(0);

    /// The link in this slot alone; slots are below [`LINKS_MAX`].
    pub const fn of_slot(slot: usize) -> Self {
        assert!(slot < LINKS_MAX, "slots are numbered below LINKS_MAX");
        Self(1 << slot)
    }

    /// Adds the link.
    pub const fn insert(&mut self, link: LinkId) {
        self.0 |= 1 << link.slot;
    }

    /// Takes the link out.
    pub const fn remove(&mut self, link: LinkId) {
        self.0 &= !(1 << link.slot);
    }

    /// Whether the link is in it.
    pub const fn contains(self, link: LinkId) -> bool {
        self.0 >> link.slot & 1 == 1
    }

    /// What is in this set, in the other, or in both.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// What is in this set and not in the other.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Whether no link is in it.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// How many links are in it.
    pub const fn len(self) -> usize {
        self.0.count_ones() as usize
    }

    /// The slots, in ascending order.
    pub fn slots(self) -> impl Iterator<Item = usize> {
        let mut rest = self.0;
        std::iter::from_fn(move || {
            let slot = rest.trailing_zeros();
            rest &= rest.wrapping_sub(1);
            (slot < u128::BITS).then_some(slot as usize)
        })
    }
}

impl fmt::Debug for LinkSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.slots()).finish()
    }
}

/// The Ed25519 public key of a Nightjar node. It identifies a node, never a person.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeKey(pub [u8; 32]);

impl fmt::Display for NodeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for NodeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What the handshake told about the peer at the other end of a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerInfo {
    /// The protocol of the link.
    pub kind: LinkKind,
    /// Whether we opened the link.
    pub outbound: bool,
    /// Where the other end is, as the socket says; its port is not the one it listens on unless we dialled it.
    pub address: Address,
    /// Its node key: always on TLS links, on PascalCoin links only if its feature record names one.
    pub node_key: Option<NodeKey>,
    /// The port it says it listens on; 0 = none.
    pub listen_port: u16,
    /// What it says it is: cut to [`AGENT_BYTES_MAX`], control characters replaced.
    pub agent: String,
    /// The features it offers and we know.
    pub features: u64,
    /// Its clock less ours, in seconds, when it said hello.
    pub clock_ahead_s: i64,
    /// Whether it takes records.
    pub carries: Carries,
}

/// The most that is kept of what a peer says it is.
pub const AGENT_BYTES_MAX: usize = 64;

/// Whether a peer takes records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Carries {
    /// Not known yet: it gets none.
    Unknown,
    /// It implements PIP-0038: it gets records.
    Records,
    /// An unmodified PascalCoin daemon or wallet: it never gets one.
    Nothing,
}
