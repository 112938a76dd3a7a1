//! Records that are kept by one measure are one share, and are compared for themselves: if the other side has dropped all without
//! work, those with work are still the same.

use crate::record::Record;
use crate::router::Class;

/// One of the sets that are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Share {
    /// Dated records.
    Dated,
    /// Dated records with work.
    Worked,
}

/// One of the exchanges that a link can have at a time, as of the side that sends: each side can begin one for each share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Exchange {
    /// What is compared.
    pub share: Share,
    /// Whether the side that sends this began it.
    pub asks: bool,
}

impl Share {
    /// Both, the one that waits least first.
    pub const ALL: [Self; 2] = [Self::Worked, Self::Dated];

    /// The share of a record; plain ones have none. Costs a SHA-256 if it claims work.
    pub fn of(record: &Record) -> Option<Self> {
        match Class::of(record).0 {
            Class::Plain => None,
            Class::Dated => Some(Self::Dated),
            Class::Worked => Some(Self::Worked),
        }
    }

    /// The byte on the wire.
    pub const fn byte(self) -> u8 {
        match self {
            Self::Dated => 0,
            Self::Worked => 1,
        }
    }

    /// The share of a byte, if it is one.
    pub const fn from_byte(byte: u8) -> Option<Self> {
        match byte {
            0 => Some(Self::Dated),
            1 => Some(Self::Worked),
            _ => None,
        }
    }
}

impl Exchange {
    /// The same as of the other side.
    #[must_use]
    pub const fn seen_by_other(self) -> Self {
        Self { asks: !self.asks, ..self }
    }
}
