//! Messages inside records: who wrote one, for whom it is, what it says. `docs/wire/envelope.md` gives all of it to the byte.
//!
//! Pure: bytes and keys in, bytes and values out. Time and chance come in; nothing is stored, sent or decided here.

pub mod cbor;
pub mod compose;
pub mod delegation;
pub mod form;
pub mod fragment;
pub mod hand_over;
pub mod id;
pub mod key;
pub mod map;
pub mod open;
pub mod seal;
pub mod sign;

use nightjar_core::chain::Network;
use nightjar_core::record::{Record, Target};

/// The coding of a record whose body is an envelope.
pub const CODING: u8 = 1;

const DAY_S: u32 = 86_400;

/// Where a body stands: what signatures and seals cover beside it, so that nothing can be moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The network it was written for.
    pub network: Network,
    /// The target of its record.
    pub target: Target,
    /// The expiry of its record, Unix seconds.
    pub expiry: u32,
}

impl Place {
    /// Where the body of a dated record stands; `None` for a plain record, which has no expiry.
    pub fn of(network: Network, record: &Record) -> Option<Self> {
        let dated = record.stamp()?;
        Some(Self { network, target: record.target(), expiry: dated.expiry })
    }

    /// The day of its expiry, counted from 1970: targets of seals change with it.
    pub const fn day(&self) -> u32 {
        self.expiry / DAY_S
    }
}
