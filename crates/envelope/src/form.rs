//! The forms of a body: its first byte, and what follows. Never opens or checks anything.

use crate::Place;
use crate::key::ChatSecret;
use crate::map::Map;
use crate::sign::{OuterForm, SIGNATURE_BYTES, sign};

/// A map, by nobody.
pub const ANONYMOUS: u8 = 1;
/// An author, a signature, a map.
pub const SIGNED: u8 = 2;
/// Under a channel's passphrase.
pub const CHANNEL: u8 = 3;
/// For a chat key, from somebody new.
pub const FIRST: u8 = 4;
/// For a chat key, on a target that only two can compute.
pub const PAIR: u8 = 5;
/// PascalCoin's ECIES, for the key of an account.
pub const PASCAL: u8 = 6;
/// PascalCoin's AES container, with a password.
pub const AES: u8 = 7;
/// A part of a body.
pub const PART: u8 = 8;

/// An inner body: what stands in clear, or inside a seal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inner<'b> {
    /// A map by nobody, and what stands behind it.
    Anonymous(&'b [u8]),
    /// The author's key, the signature, the map and what stands behind it.
    Signed(&'b [u8; 32], &'b [u8; SIGNATURE_BYTES], &'b [u8]),
}

impl<'b> Inner<'b> {
    /// Takes an inner body apart; `None` when it is no such body.
    pub fn parse(body: &'b [u8]) -> Option<Self> {
        match body.split_first()? {
            (&ANONYMOUS, map) => Some(Self::Anonymous(map)),
            (&SIGNED, rest) => {
                let (author, rest) = rest.split_first_chunk()?;
                let (signature, map) = rest.split_first_chunk()?;
                Some(Self::Signed(author, signature, map))
            }
            _ => None,
        }
    }
}

/// The inner body of a map by nobody; inside a direct seal, by its sender.
pub fn anonymous(map: &Map) -> Vec<u8> {
    [&[ANONYMOUS], map.bytes()].concat()
}

/// The inner body of a map that its author signs for this place and this form around it.
pub fn signed(author: &ChatSecret, place: &Place, outer: OuterForm, map: &Map) -> Vec<u8> {
    let signature = sign(author, place, outer, map.bytes());
    [&[SIGNED], author.public().as_bytes().as_slice(), &signature, map.bytes()].concat()
}
