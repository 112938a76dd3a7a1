//! What goes into a router and what comes out, as values.

use super::verify::{Check, Verdict};
use crate::address::Address;
use crate::fault::Fault;
use crate::item::{Batch, ByeCode, Control, How, Item};
use crate::link::{LinkId, LinkSet, PeerInfo};
use crate::record::{Record, Target};

/// What happens to a router.
#[derive(Clone, Debug)]
pub enum Input {
    /// A link is open and its handshake done. For a link that we dialled the id is that of [`Output::Connect`],
    /// for an accepted one it comes from `Router::admit`.
    Connected {
        /// The link.
        link: LinkId,
        /// Who is at the other end.
        peer: PeerInfo,
    },
    /// A link is gone, or a dial came to nothing.
    Disconnected {
        /// The link.
        link: LinkId,
        /// Why.
        why: Closed,
    },
    /// Records came on a link, checked as far as a link can check alone.
    Received {
        /// The link.
        link: LinkId,
        /// How they came.
        how: How,
        /// What one read gave.
        batch: Batch,
    },
    /// A control came on a link.
    Control {
        /// The link.
        link: LinkId,
        /// The control.
        control: Control,
    },
    /// A peer did something wrong. If the fault ends the link, `Disconnected` follows.
    Faulted {
        /// The link.
        link: LinkId,
        /// What it did.
        fault: Fault,
    },
    /// Somebody at this node sends a record.
    Publish {
        /// The record.
        record: Record,
    },
    /// The outbox of a link was full: so many items were dropped.
    Congested {
        /// The link.
        link: LinkId,
        /// Items that did not fit.
        dropped: u32,
    },
    /// Addresses from the user, the configuration or the address book.
    Addresses {
        /// Where they come from.
        source: AddressSource,
        /// The addresses with what is remembered of each.
        known: Vec<KnownAddress>,
    },
    /// Somebody at this node begins, or ends, to listen to a target.
    Listen {
        /// The target.
        target: Target,
        /// Whether hits are delivered from now on.
        on: bool,
    },
    /// What came of an [`Output::Verify`], or of a part of it, in any order.
    Verified {
        /// One for each check that was made.
        verdicts: Vec<Verdict>,
    },
    /// `Router::deadline` has come.
    Tick,
}

/// What a router wants done.
#[derive(Clone, Debug)]
pub enum Output {
    /// Send the item on these links. Never wait: what does not fit comes back as [`Input::Congested`].
    Send {
        /// The links.
        links: LinkSet,
        /// The item; records share their bytes.
        item: Item,
    },
    /// A record for a target somebody here listens to: keep it and show it.
    Deliver(Record),
    /// A dated record that was accepted, or sent by this node: it belongs into the window. Only if the configuration says so.
    Keep(Record),
    /// Check the signatures of these records, which wait for [`Input::Verified`]. Never wait for it: a check that is not made
    /// is given up after [`CHECK_MS_MAX`](super::CHECK_MS_MAX).
    Verify(Vec<Check>),
    /// Open a link.
    Connect {
        /// The id it is to have.
        link: LinkId,
        /// Where to.
        address: Address,
    },
    /// End a link, after what was sent before has gone out.
    Disconnect {
        /// The link.
        link: LinkId,
        /// For programs.
        code: ByeCode,
        /// For people.
        text: String,
    },
    /// The address book changed: write it down.
    Addresses(Vec<KnownAddress>),
    /// Something an operator wants to know.
    Report(Report),
}

/// Why a link is gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Closed {
    /// The dial came to nothing: refused, unreachable, timed out, name not found.
    NotReached(String),
    /// The other end closed it, with BYE or without.
    ByPeer {
        /// The code of its BYE.
        code: Option<ByeCode>,
        /// The text of its BYE, or of PascalCoin's error.
        text: String,
    },
    /// It ended with a fault of the peer's.
    Fault(Fault),
    /// The connection broke.
    Broken(String),
    /// We ended it.
    ByUs,
}

impl std::fmt::Display for Closed {
    /// What a person is told of it, behind the name of the peer.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NotReached(reason) | Self::Broken(reason) => f.write_str(reason),
            Self::ByPeer { code: None, .. } => f.write_str("it ended the link"),
            Self::ByPeer { code: Some(code), text } if text.is_empty() => write!(f, "it ended the link: {code}"),
            Self::ByPeer { code: Some(code), text } => write!(f, "it ended the link: {code}: {text}"),
            Self::Fault(fault) => write!(f, "it {fault}"),
            Self::ByUs => f.write_str("ended by this node"),
        }
    }
}

/// Where an address comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum AddressSource {
    /// `--connect`, the configuration file or RPC: dialled for ever, never forgotten.
    User,
    /// The address book of this data directory.
    Book,
    /// Another node told us.
    Peer,
}

/// An address and what is remembered of it. Times are Unix seconds, 0 = never.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownAddress {
    /// The address.
    pub address: Address,
    /// When a link to it was last open.
    pub reached: u32,
    /// When it was last dialled.
    pub tried: u32,
    /// Dials in a row that came to nothing.
    pub failures: u32,
    /// It is left alone until then.
    pub banned_until: u32,
    /// Why it is left alone, or why the last dial came to nothing.
    pub reason: String,
}

/// What an operator wants to know, once each time it happens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Report {
    /// The wall clock was set forward (+) or back (-) by this many milliseconds.
    ClockStepped {
        /// By how much.
        by_ms: i64,
    },
    /// The median of the peers' clocks is this many seconds ahead of ours.
    ClockDisagrees {
        /// By how much.
        ahead_s: i64,
        /// How many peers were asked.
        peers: usize,
    },
    /// An address is left alone until then (Unix seconds).
    Banned {
        /// The address.
        address: Address,
        /// Until when.
        until: u32,
        /// Why.
        reason: String,
    },
    /// Two dated records under one id: their author made an MD5 collision.
    Collision {
        /// The link the second one came on.
        link: LinkId,
    },
    /// Ids had to be forgotten before their time: the seen cache is too small for this network.
    SeenOverflow {
        /// How many since the last report.
        evicted: u64,
    },
    /// A record of this node could not be sent to anyone; it is flooded to whoever connects while it lives.
    NobodyToSendTo,
}
