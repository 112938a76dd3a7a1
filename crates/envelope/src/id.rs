//! Message ids: by what a message is known, however often it was wrapped, cut, sealed or repeated. Never that of a record on its way.

use std::fmt;
use std::str::FromStr;

use nightjar_core::chain::Network;
use nightjar_core::record::Record;
use sha2::{Digest as _, Sha256};

use crate::Place;
use crate::key::ChatKey;

const MESSAGE_DOMAIN: &[u8] = b"PIP38 message v1\0";
const RAW_DOMAIN: &[u8] = b"PIP38 raw v1\0";
/// Stands where a message without an author would name one.
const NOBODY: [u8; 32] = [0; 32];

/// By what a message is known within its conversation.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageId(pub [u8; 16]);

impl MessageId {
    /// The id of a map at this place. With an author it is the same at every place of the network: a repeat under a new date is
    /// the same message.
    pub fn of(place: &Place, author: Option<&ChatKey>, map: &[u8]) -> Self {
        match author {
            Some(author) => digest(&[MESSAGE_DOMAIN, &[place.network.byte()], author.as_bytes(), map]),
            None => Self::of_nobody(place, map),
        }
    }

    /// The id of a text in a container of PascalCoin's, which has neither map nor author: of the body, with its form byte.
    pub fn of_container(place: &Place, body: &[u8]) -> Self {
        Self::of_nobody(place, body)
    }

    /// The id of a record that holds no envelope.
    pub fn of_raw(network: Network, record: &Record) -> Self {
        digest(&[RAW_DOMAIN, &[network.byte()], record.bytes()])
    }

    /// The part by which another message answers this one.
    pub fn short(&self) -> [u8; 8] {
        let Self([short @ .., _, _, _, _, _, _, _, _]) = *self;
        short
    }

    fn of_nobody(place: &Place, said: &[u8]) -> Self {
        let expiry = place.expiry.to_le_bytes();
        digest(&[MESSAGE_DOMAIN, &[place.network.byte()], &NOBODY, &place.target.0, &expiry, said])
    }
}

fn digest(parts: &[&[u8]]) -> MessageId {
    let hash = parts.iter().fold(Sha256::new(), |hash, part| hash.chain_update(part)).finalize();
    MessageId(*hash.first_chunk().expect("a SHA-256 has 32 bytes"))
}

/// In hex.
impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MessageId({self})")
    }
}

/// The text is no message id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a message id: 32 hex digits are wanted")]
pub struct NotAMessageId;

impl FromStr for MessageId {
    type Err = NotAMessageId;

    fn from_str(text: &str) -> Result<Self, NotAMessageId> {
        // A number of 16 bytes may have a sign in front, an id may not.
        if text.len() != 32 || !text.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return Err(NotAMessageId);
        }
        u128::from_str_radix(text, 16).map(|number| Self(number.to_be_bytes())).map_err(|_| NotAMessageId)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

    use nightjar_core::record::Target;
    use zeroize::Zeroizing;

    use super::*;
    use crate::key::ChatSecret;

    const PLACE: Place = Place { network: Network::Main, target: Target([5; 16]), expiry: 1_800_000_000 };

    fn author(seed: u8) -> ChatKey {
        ChatSecret::from_seed(&Zeroizing::new([seed; 32])).public()
    }

    #[test]
    fn a_signed_message_is_the_same_at_every_place_of_its_network() {
        let id = MessageId::of(&PLACE, Some(&author(1)), b"map");
        let elsewhere = Place { target: Target([6; 16]), expiry: 1_900_000_000, ..PLACE };
        assert_eq!(MessageId::of(&elsewhere, Some(&author(1)), b"map"), id);
        assert_ne!(MessageId::of(&Place { network: Network::Test, ..PLACE }, Some(&author(1)), b"map"), id);
        assert_ne!(MessageId::of(&PLACE, Some(&author(2)), b"map"), id);
        assert_ne!(MessageId::of(&PLACE, Some(&author(1)), b"mop"), id);
    }

    #[test]
    fn a_message_of_nobody_is_another_at_every_place() {
        let id = MessageId::of(&PLACE, None, b"map");
        for place in [
            Place { network: Network::Test, ..PLACE },
            Place { target: Target([6; 16]), ..PLACE },
            Place { expiry: PLACE.expiry + 1, ..PLACE },
        ] {
            assert_ne!(MessageId::of(&place, None, b"map"), id);
        }
        assert_eq!(MessageId::of_container(&PLACE, b"map"), id, "the body stands for the map");
    }

    #[test]
    fn the_bytes_that_are_hashed_are_these() {
        // Computed by another program: hashlib.sha256(...).
        let id = MessageId::of(&PLACE, None, b"map");
        assert_eq!(id.to_string(), "5e015c7a91c23d85a0ed94dcef9130f4");
        let record = Record::plain(nightjar_core::record::MsgId([1; 16]), PLACE.target, b"hi").unwrap();
        assert_eq!(MessageId::of_raw(Network::Test, &record).to_string(), "f66d1d82d384680d521f61e19b27c39d");
        let by_seven = MessageId::of(&PLACE, Some(&author(7)), b"map");
        assert_eq!(author(7).to_string(), "ea4a6c63e29c520abef5507b132ec5f9954776aebebe7b92421eea691446d22c");
        assert_eq!(by_seven.to_string(), "cf575b3a938c5530f25c31303c1dab58");
        assert_eq!(by_seven.short(), *by_seven.0.first_chunk().unwrap());
    }

    #[test]
    fn an_id_is_read_from_what_it_prints() {
        let id = MessageId::of(&PLACE, None, b"map");
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!(id.to_string().to_uppercase().parse(), Ok(id));
        assert_eq!(
            "00000000000000000000000000000001".parse(),
            Ok(MessageId([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]))
        );
        for text in ["", "0", "+0000000000000000000000000000001", "0000000000000000000000000000000g", &"é".repeat(16)]
        {
            assert_eq!(text.parse::<MessageId>(), Err(NotAMessageId), "{text:?}");
        }
    }
}
