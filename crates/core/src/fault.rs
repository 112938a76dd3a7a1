//! What a peer can do wrong. A fault is a value with a name and a cost, so that log, metric and
//! score agree; it never holds bytes of the peer's.

use std::fmt;

/// A peer's mistake on a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Fault {
    /// Bytes that are no frame of the protocol.
    Framing,
    /// A frame, or a field that says how long it is, above the limit.
    Oversize,
    /// A frame whose body is not what its type demands.
    Malformed,
    /// A frame that must not come at this moment or in this direction.
    OutOfTurn,
    /// The other side speaks for another network.
    WrongNetwork,
    /// The other side speaks a version of the protocol that we do not.
    WrongVersion,
    /// The TLS handshake failed.
    Handshake,
    /// The other side is this node itself.
    Myself,
    /// A deadline passed: handshake, frame or idle.
    TimedOut,
    /// The TLS peer sent a record that expired long ago or lives too long.
    Expired,
    /// More frames of a kind than the protocol allows in the time.
    TooMany,
}

impl Fault {
    /// Every fault, for tables of metrics and tests.
    pub const ALL: [Self; 11] = [
        Self::Framing,
        Self::Oversize,
        Self::Malformed,
        Self::OutOfTurn,
        Self::WrongNetwork,
        Self::WrongVersion,
        Self::Handshake,
        Self::Myself,
        Self::TimedOut,
        Self::Expired,
        Self::TooMany,
    ];

    /// Its name in logs, metrics and RPC.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Framing => "framing",
            Self::Oversize => "oversize",
            Self::Malformed => "malformed",
            Self::OutOfTurn => "out_of_turn",
            Self::WrongNetwork => "wrong_network",
            Self::WrongVersion => "wrong_version",
            Self::Handshake => "handshake",
            Self::Myself => "myself",
            Self::TimedOut => "timed_out",
            Self::Expired => "expired",
            Self::TooMany => "too_many",
        }
    }

    /// What it costs the peer. With 100 points the address is left alone for a while; for [`Fault::Expired`] alone only the
    /// link ends.
    pub const fn cost(self) -> u32 {
        match self {
            Self::Framing | Self::Oversize | Self::Malformed | Self::WrongNetwork => 100,
            Self::OutOfTurn | Self::TooMany => 50,
            Self::Handshake | Self::WrongVersion => 20,
            Self::Expired => 10,
            Self::TimedOut => 5,
            Self::Myself => 0,
        }
    }

    /// Whether the link ends with it.
    pub const fn ends_link(self) -> bool {
        !matches!(self, Self::Expired)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Framing => "sent bytes that are no frame of the protocol",
            Self::Oversize => "sent a frame above the limit",
            Self::Malformed => "sent a frame whose body is broken",
            Self::OutOfTurn => "sent a frame out of turn",
            Self::WrongNetwork => "belongs to another network",
            Self::WrongVersion => "speaks another version of the protocol",
            Self::Handshake => "failed the TLS handshake",
            Self::Myself => "is this node itself",
            Self::TimedOut => "let a deadline pass",
            Self::Expired => "sent records past their expiry",
            Self::TooMany => "sent more than the protocol allows",
        })
    }
}

impl std::error::Error for Fault {}
