//! Chat keys: Ed25519 keys that say who is speaking. Never the key of a node, and never that of an account.

use std::fmt;

use ed25519_dalek::{SigningKey, VerifyingKey};
use zeroize::Zeroizing;

/// Hex digits of the short form, which is shown beside a nick: a key that shares 8 of them with another is found by one core in a day,
/// and one that shares these takes 65,536 times as long.
pub const SHORT_DIGITS: usize = 12;

/// The public half of a chat key, in the one form that it has: canonical, and not of small order.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ChatKey([u8; 32]);

impl ChatKey {
    /// The key that these bytes are; `None` for bytes that are no point, a second form of one, or a point of small order
    /// (under which anybody can sign).
    pub fn from_bytes(bytes: [u8; 32]) -> Option<Self> {
        let key = VerifyingKey::from_bytes(&bytes).ok()?;
        let canonical = key.to_edwards().compress().0 == bytes;
        (canonical && !key.is_weak()).then_some(Self(bytes))
    }

    /// Its 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The first digits, for people: beside a nick they show that two who share it are two.
    pub fn short(&self) -> String {
        self.0.iter().take(SHORT_DIGITS / 2).map(|byte| format!("{byte:02x}")).collect()
    }

    pub(crate) fn verifying(&self) -> VerifyingKey {
        VerifyingKey::from_bytes(&self.0).expect("a chat key was made from a point")
    }
}

/// All of it, in hex.
impl fmt::Display for ChatKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for ChatKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ChatKey({self})")
    }
}

/// The text is no chat key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAChatKey {
    /// Not 64 hex digits.
    #[error("not a chat key: 64 hex digits are wanted")]
    Form,
    /// 64 hex digits that are no key.
    #[error("not a chat key: these 64 hex digits are no point that one can sign with")]
    Point,
}

impl std::str::FromStr for ChatKey {
    type Err = NotAChatKey;

    fn from_str(text: &str) -> Result<Self, NotAChatKey> {
        let mut bytes = [0; 32];
        if text.len() != 64 || !text.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return Err(NotAChatKey::Form);
        }
        for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
            let pair = std::str::from_utf8(pair).expect("hex digits are ASCII");
            *byte = u8::from_str_radix(pair, 16).expect("two hex digits are a byte");
        }
        Self::from_bytes(bytes).ok_or(NotAChatKey::Point)
    }
}

/// The secret half of a chat key. Wiped from memory when dropped.
#[derive(Clone)]
pub struct ChatSecret {
    signing: SigningKey,
}

impl ChatSecret {
    /// The key of a seed of 32 random bytes (RFC 8032 5.1.5).
    pub fn from_seed(seed: &Zeroizing<[u8; 32]>) -> Self {
        Self { signing: SigningKey::from_bytes(seed) }
    }

    /// The seed, to be kept.
    pub fn seed(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.signing.to_bytes())
    }

    /// The public half.
    pub fn public(&self) -> ChatKey {
        ChatKey(self.signing.verifying_key().to_bytes())
    }

    pub(crate) fn signing(&self) -> &SigningKey {
        &self.signing
    }
}

/// Only the public half.
impl fmt::Debug for ChatSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ChatSecret({})", self.public())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

    use super::*;

    fn hex(text: &str) -> [u8; 32] {
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks(2)) {
            *byte = u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
        }
        bytes
    }

    #[test]
    fn a_key_of_small_order_or_in_a_second_form_is_none() {
        let order_1 = hex("0100000000000000000000000000000000000000000000000000000000000000");
        let order_2 = hex("ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f");
        let order_4 = hex("0000000000000000000000000000000000000000000000000000000000000000");
        let order_8 = hex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05");
        // y = p + 3, which is y = 3 written a second way: 3 is the y of a point.
        let second_form = hex("f0ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f");
        let no_point = hex("0200000000000000000000000000000000000000000000000000000000000000");
        for bytes in [order_1, order_2, order_4, order_8, second_form, no_point] {
            assert_eq!(ChatKey::from_bytes(bytes), None, "{bytes:02x?}");
        }
        assert!(VerifyingKey::from_bytes(&second_form).is_ok(), "a reader who does not look takes it");
    }

    #[test]
    fn a_key_is_read_from_what_it_prints() {
        let key = ChatSecret::from_seed(&Zeroizing::new([7; 32])).public();
        assert_eq!(key.to_string().parse::<ChatKey>(), Ok(key));
        assert_eq!(key.to_string().to_uppercase().parse::<ChatKey>(), Ok(key));
        assert!(key.to_string().starts_with(&key.short()));
        assert_eq!("".parse::<ChatKey>(), Err(NotAChatKey::Form));
        assert_eq!("é".repeat(32).parse::<ChatKey>(), Err(NotAChatKey::Form));
        assert_eq!("00".repeat(32).parse::<ChatKey>(), Err(NotAChatKey::Point));
    }

    #[test]
    fn what_is_printed_of_a_secret_is_public() {
        let secret = ChatSecret::from_seed(&Zeroizing::new([7; 32]));
        assert_eq!(format!("{secret:?}"), format!("ChatSecret({})", secret.public()));
    }
}
