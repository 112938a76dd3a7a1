//! The map of a message: what it says, of what kind it is, what it answers. Never asks who wrote it.
//!
//! A map keeps the bytes that it came in, since ids and signatures cover them. What it holds and this program does not know is kept.

mod content;
mod draft;

use std::collections::BTreeMap;

use nightjar_core::name::Name;

use crate::cbor::{self, CborFault, Value};

pub use content::{CONTENT_BYTES_MAX, Content, ContentFault, ContentType};
pub use draft::{DraftFault, MapDraft};

/// The keys that are read and written here, by their numbers.
pub(crate) mod key {
    pub(crate) const KIND: u64 = 1;
    pub(crate) const TIME_MS: u64 = 2;
    pub(crate) const CONTENT: u64 = 3;
    pub(crate) const CONTENT_TYPE: u64 = 4;
    pub(crate) const REPLY_TO: u64 = 5;
    pub(crate) const COMPRESSION: u64 = 6;
    pub(crate) const CORRELATION: u64 = 7;
    pub(crate) const NICK: u64 = 8;
    pub(crate) const DELEGATION: u64 = 9;
    pub(crate) const HAND_OVER: u64 = 10;
    /// The highest of them.
    pub(crate) const LAST: u64 = HAND_OVER;
}

/// Keys from here on are free for applications.
pub const APPLICATION_KEY_MIN: u64 = 64;

/// What a message is meant as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// 0: somebody says something.
    Text,
    /// 1: somebody does something, as IRC's `/me`.
    Action,
    /// 2: a sign put to another message.
    Reaction,
    /// 3: a message in another wording.
    Edit,
    /// 4: something for a program.
    Data,
    /// 5: a question to a service.
    Request,
    /// 6: an answer of a service.
    Response,
    /// 7: what nobody must answer automatically.
    Notice,
    /// 8: an author's nick and what else they say about themselves.
    Card,
    /// 9: a chat key speaks for an account.
    Proof,
    /// 10: a chat key is followed by another.
    HandOver,
    /// 11: a message has arrived.
    Ack,
    /// 12: something is offered.
    Offer,
    /// A kind that this program does not know: kept and passed over.
    Other(u64),
}

impl Kind {
    /// The known ones, at the place of their number.
    pub const KNOWN: [Self; 13] = [
        Self::Text,
        Self::Action,
        Self::Reaction,
        Self::Edit,
        Self::Data,
        Self::Request,
        Self::Response,
        Self::Notice,
        Self::Card,
        Self::Proof,
        Self::HandOver,
        Self::Ack,
        Self::Offer,
    ];

    /// The kind of a number.
    pub fn from_number(number: u64) -> Self {
        let known = usize::try_from(number).ok().and_then(|number| Self::KNOWN.get(number));
        known.copied().unwrap_or(Self::Other(number))
    }

    /// Its number.
    pub const fn number(self) -> u64 {
        match self {
            Self::Text => 0,
            Self::Action => 1,
            Self::Reaction => 2,
            Self::Edit => 3,
            Self::Data => 4,
            Self::Request => 5,
            Self::Response => 6,
            Self::Notice => 7,
            Self::Card => 8,
            Self::Proof => 9,
            Self::HandOver => 10,
            Self::Ack => 11,
            Self::Offer => 12,
            Self::Other(number) => number,
        }
    }
}

/// The map of a message, whole and of the right types.
#[derive(Clone, PartialEq, Eq)]
pub struct Map {
    bytes: Vec<u8>,
    /// Every key of the table that is there was seen to be of its type.
    entries: BTreeMap<u64, Value>,
}

/// Where a chat key's owner goes on speaking. Whether the signature holds is not looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HandOver {
    /// The key that follows.
    pub new_key: [u8; 32],
    /// The new key's signature, by which it agrees.
    pub signature: [u8; 64],
}

/// Why bytes are no map of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MapFault {
    /// They are no CBOR of an envelope.
    #[error(transparent)]
    Cbor(#[from] CborFault),
    /// They are another value.
    #[error("the message is no map")]
    NotAMap,
    /// A key that every message has is not there.
    #[error("the message has no key {key}: kind (1) and time (2) are wanted")]
    Missing {
        /// The key.
        key: u64,
    },
    /// A key of the table has a value of another type or length than the table says.
    #[error("key {key} of the message is of another type or length than it has to be")]
    Type {
        /// The key.
        key: u64,
    },
    /// Something follows where nothing may.
    #[error("{bytes} bytes follow the map of the message")]
    Behind {
        /// How many bytes.
        bytes: usize,
    },
}

impl Map {
    /// The map at the beginning of the bytes, and how many bytes it takes: what follows is padding in a seal.
    pub fn read(bytes: &[u8]) -> Result<(Self, usize), MapFault> {
        let (value, consumed) = cbor::read(bytes)?;
        let Value::Map(entries) = value else { return Err(MapFault::NotAMap) };
        for key in [key::KIND, key::TIME_MS] {
            if !entries.contains_key(&key) {
                return Err(MapFault::Missing { key });
            }
        }
        if let Some((key, _)) = entries.iter().find(|(key, value)| !fits_the_table(**key, value)) {
            return Err(MapFault::Type { key: *key });
        }
        let bytes = bytes.iter().take(consumed).copied().collect();
        Ok((Self { bytes, entries }, consumed))
    }

    /// The map that these bytes are, and nothing behind it.
    pub fn read_all(bytes: &[u8]) -> Result<Self, MapFault> {
        let (map, consumed) = Self::read(bytes)?;
        match bytes.len() - consumed {
            0 => Ok(map),
            bytes => Err(MapFault::Behind { bytes }),
        }
    }

    /// Its bytes, as they came.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// What it is meant as.
    pub fn kind(&self) -> Kind {
        Kind::from_number(self.number(key::KIND).expect("every map has a kind"))
    }

    /// The author's time, in milliseconds since 1970 (UTC). May be anything: authors' clocks differ, and so do authors.
    pub fn time_ms(&self) -> u64 {
        self.number(key::TIME_MS).expect("every map has a time")
    }

    /// Whether the author's time can be that of a record of this expiry: a message is not younger than its record.
    pub fn fits(&self, expiry: u32) -> bool {
        self.time_ms() <= u64::from(expiry) * 1_000
    }

    /// What it says, if it says something.
    pub fn content(&self) -> Result<Option<Content<'_>>, ContentFault> {
        content::read(self.entries.get(&key::CONTENT), self.entries.get(&key::COMPRESSION), self.content_type())
    }

    /// What the content is to be read as.
    pub fn content_type(&self) -> Option<ContentType<'_>> {
        match self.entries.get(&key::CONTENT_TYPE)? {
            Value::Unsigned(number) => Some(ContentType::Number(*number)),
            Value::Text(media) => Some(ContentType::Media(media)),
            _ => None,
        }
    }

    /// The first bytes of the id of the message that it answers, edits, or acknowledges.
    pub fn reply_to(&self) -> Option<[u8; 8]> {
        self.fixed(key::REPLY_TO)
    }

    /// By what a request and its response belong together.
    pub fn correlation(&self) -> Option<[u8; 8]> {
        self.fixed(key::CORRELATION)
    }

    /// How its author wants to be called.
    pub fn nick(&self) -> Option<&str> {
        match self.entries.get(&key::NICK)? {
            Value::Text(nick) => Some(nick),
            _ => None,
        }
    }

    /// The bytes by which an account lets a chat key speak for it.
    pub fn delegation(&self) -> Option<&[u8]> {
        match self.entries.get(&key::DELEGATION)? {
            Value::Bytes(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// The key that its author goes on with.
    pub fn hand_over(&self) -> Option<HandOver> {
        let both: [u8; 96] = self.fixed(key::HAND_OVER)?;
        let (new_key, signature) = both.split_first_chunk().expect("96 bytes begin with 32");
        let signature = signature.try_into().expect("96 bytes less 32 are 64");
        Some(HandOver { new_key: *new_key, signature })
    }

    /// What this program does not know, by its keys.
    pub fn other(&self) -> impl Iterator<Item = (u64, &Value)> {
        self.entries.iter().filter(|(key, _)| !is_known(**key)).map(|(key, value)| (*key, value))
    }

    fn number(&self, key: u64) -> Option<u64> {
        match self.entries.get(&key)? {
            Value::Unsigned(number) => Some(*number),
            _ => None,
        }
    }

    fn fixed<const N: usize>(&self, key: u64) -> Option<[u8; N]> {
        match self.entries.get(&key)? {
            Value::Bytes(bytes) => bytes.as_slice().try_into().ok(),
            _ => None,
        }
    }
}

/// The kind and how long it is: what it says may be secret.
impl std::fmt::Debug for Map {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Map({:?}, {} bytes)", self.kind(), self.bytes.len())
    }
}

/// Whether the key has a meaning here.
fn is_known(key: u64) -> bool {
    (key::KIND..=key::LAST).contains(&key)
}

/// Whether the value is of the type and length that the table has for the key. Anything is, under a key that is not in it.
fn fits_the_table(key: u64, value: &Value) -> bool {
    match key {
        key::KIND | key::TIME_MS | key::COMPRESSION => matches!(value, Value::Unsigned(_)),
        key::CONTENT => matches!(value, Value::Text(_) | Value::Bytes(_)),
        key::CONTENT_TYPE => matches!(value, Value::Unsigned(_) | Value::Text(_)),
        key::REPLY_TO | key::CORRELATION => matches!(value, Value::Bytes(bytes) if bytes.len() == 8),
        key::NICK => matches!(value, Value::Text(nick) if is_folded_nick(nick)),
        key::DELEGATION => matches!(value, Value::Bytes(_)),
        key::HAND_OVER => matches!(value, Value::Bytes(bytes) if bytes.len() == 96),
        _ => true,
    }
}

/// Whether the text is a nick in the one form that it has.
fn is_folded_nick(text: &str) -> bool {
    matches!(Name::parse_full(text), Ok(Name::Nick(folded)) if folded == text)
}

#[cfg(test)]
mod tests;
