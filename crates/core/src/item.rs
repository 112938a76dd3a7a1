//! What travels on a link, in types: records and controls. Bytes exist only where they are framed.

use std::fmt;

use crate::address::Address;
use crate::chain::AccountsAnswer;
use crate::link::NodeKey;
use crate::reconcile::{Exchange, Message};
use crate::record::{MsgId, Record};

/// Addresses that one PEERS frame can carry, and the most a peer may tell at a time.
pub const PEERS_MAX: usize = 64;
/// Bytes of the text in a BYE.
pub const BYE_TEXT_BYTES_MAX: usize = 128;

/// Records of one [`Item::Served`]: the longest of them fit into one frame.
pub const SERVED_RECORDS_MAX: usize = 50;

/// One thing to send.
#[derive(Clone, Debug, PartialEq)]
pub enum Item {
    /// A record.
    Record {
        /// The record.
        record: Record,
        /// What the policy of the flood wants the next node to know; 0 = nothing.
        tag: u16,
    },
    /// Records that the other side wants, in the order in which it is to have them, at most
    /// [`SERVED_RECORDS_MAX`] of them. TLS links with catch-up only.
    Served {
        /// The exchange in which it said so.
        exchange: Exchange,
        /// The records.
        records: Vec<Record>,
    },
    /// Anything else.
    Control(Control),
}

/// What travels beside records.
#[derive(Clone, Debug, PartialEq)]
pub enum Control {
    /// Addresses of other nodes. TLS links only.
    Peers(Vec<Address>),
    /// A message of catch-up. TLS links with catch-up only.
    CatchUp {
        /// The exchange it belongs to.
        exchange: Exchange,
        /// The message.
        message: Message,
    },
    /// The link ends, and why.
    Bye {
        /// For programs.
        code: ByeCode,
        /// For people.
        text: String,
    },
    /// The other side of a PascalCoin link turned out to take records, or not to.
    Speaks {
        /// Whether it takes records.
        carries: crate::link::Carries,
        /// Its node key, if it gave one.
        node_key: Option<NodeKey>,
        /// The port of its TLS listener, 0 = none.
        tls_port: u16,
    },
    /// Text of, or for, the user of a wallet (PascalCoin's MESSAGE). PascalCoin links only.
    Wallet {
        /// The text's bytes as they came, or UTF-8.
        text: Vec<u8>,
    },
    /// Asks a PascalCoin node for `count` accounts from number `first` on.
    AskAccounts {
        /// Comes back with the answer.
        question: u64,
        /// The first number, below 2^31.
        first: u32,
        /// How many, 1..=1000.
        count: u32,
    },
    /// What it answered.
    Accounts {
        /// The number that was asked with.
        question: u64,
        /// The answer, or why there is none.
        answer: Result<AccountsAnswer, NoAnswer>,
    },
}

/// Why a PascalCoin node did not answer a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoAnswer {
    /// It said no.
    #[error("the peer refused the question (error {0})")]
    Refused(u16),
    /// Its answer cannot be read.
    #[error("the peer's answer cannot be read")]
    Broken,
    /// No answer within the time the protocol gives.
    #[error("the peer did not answer within 10 s")]
    TimedOut,
    /// Too many questions wait for this peer.
    #[error("too many questions wait for this peer: ask again in some seconds")]
    Busy,
    /// The link ended before the answer.
    #[error("the link to the peer ended before it answered")]
    Closed,
}

/// Why a link is ended, for programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ByeCode {
    /// The node is shutting down.
    Leaving,
    /// No place is free; addresses of others came before.
    Full,
    /// Another link to the same node stays.
    Duplicate,
    /// The peer did something wrong.
    Fault,
    /// The peer did not read what was sent to it.
    Slow,
    /// The address is left alone for a while.
    Banned,
    /// A code of a later version.
    Other(u8),
}

impl ByeCode {
    /// The byte on the wire.
    pub const fn byte(self) -> u8 {
        match self {
            Self::Leaving => 0,
            Self::Full => 1,
            Self::Duplicate => 2,
            Self::Fault => 3,
            Self::Slow => 4,
            Self::Banned => 5,
            Self::Other(byte) => byte,
        }
    }

    /// The code of a byte.
    pub const fn from_byte(byte: u8) -> Self {
        match byte {
            0 => Self::Leaving,
            1 => Self::Full,
            2 => Self::Duplicate,
            3 => Self::Fault,
            4 => Self::Slow,
            5 => Self::Banned,
            other => Self::Other(other),
        }
    }
}

impl fmt::Display for ByeCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Leaving => f.write_str("leaving"),
            Self::Full => f.write_str("full"),
            Self::Duplicate => f.write_str("duplicate"),
            Self::Fault => f.write_str("fault"),
            Self::Slow => f.write_str("slow"),
            Self::Banned => f.write_str("banned"),
            Self::Other(byte) => write!(f, "code {byte}"),
        }
    }
}

/// Records as they came out of one read of a link, checked as far as a link can check alone.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Batch {
    /// Records that were not known when they were read, with their tags.
    pub records: Vec<(Record, u16)>,
    /// Records that were known already.
    pub repeats: Vec<Repeat>,
    /// Records that were dropped because their expiry is past or too far ahead.
    pub expired: u32,
}

impl Batch {
    /// Whether nothing came.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty() && self.repeats.is_empty() && self.expired == 0
    }
}

/// A record that was known when it came: not kept, only noted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Repeat {
    /// Its id.
    pub msg_id: MsgId,
    /// Keyed hash of the whole record, by which two bodies under one id are told apart.
    pub digest: u64,
    /// The tag it came with.
    pub tag: u16,
}

/// How a batch came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum How {
    /// Flooded by a neighbour. Trees, seeds, stems and repair come with their policies.
    Flooded,
    /// Asked for, because a neighbour had them and this node did not.
    Fetched,
}
