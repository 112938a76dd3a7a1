//! A chat key that goes on as another: both must want it. Knows nothing of who believes whom, nor of what came before.
//!
//! The old key signs the message that says so, as it signs every message; the new key signs that it takes the place, so that
//! nobody can make a stranger's key the heir of a bad name.

use ed25519_dalek::{Signature, Signer as _};
use nightjar_core::chain::Network;

use crate::key::{ChatKey, ChatSecret};
use crate::map::HandOver;

const DOMAIN: &[u8] = b"PIP38 hand-over v1\0";

impl HandOver {
    /// What the new key says to take the place of the old one.
    pub fn agreed(network: Network, old: &ChatKey, new: &ChatSecret) -> Self {
        let new_key = *new.public().as_bytes();
        Self { new_key, signature: new.signing().sign(&signed_bytes(network, old, &new_key)).to_bytes() }
    }

    /// The key that goes on, when it agreed to follow this one. The old key is the author of the message it stands in, which
    /// must be signed in clear (form 02): that is for the caller to see.
    pub fn heir(&self, network: Network, old: &ChatKey) -> Option<ChatKey> {
        let heir = ChatKey::from_bytes(self.new_key).filter(|new| new != old)?;
        let signed = signed_bytes(network, old, &self.new_key);
        heir.verifying().verify_strict(&signed, &Signature::from_bytes(&self.signature)).is_ok().then_some(heir)
    }
}

fn signed_bytes(network: Network, old: &ChatKey, new: &[u8; 32]) -> Vec<u8> {
    [DOMAIN, &[network.byte()], old.as_bytes(), new].concat()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail loudly")]

    use proptest::prelude::*;
    use zeroize::Zeroizing;

    use super::*;

    fn secret(seed: u8) -> ChatSecret {
        ChatSecret::from_seed(&Zeroizing::new([seed; 32]))
    }

    #[test]
    fn an_heir_is_one_that_agreed_to_follow_this_key_on_this_network() {
        let (old, new) = (secret(1).public(), secret(2));
        let agreed = HandOver::agreed(Network::Main, &old, &new);
        assert_eq!(agreed.heir(Network::Main, &old), Some(new.public()));
        assert_eq!(agreed.heir(Network::Test, &old), None);
        assert_eq!(agreed.heir(Network::Main, &secret(3).public()), None, "it agreed to follow another");
        let stranger = HandOver { new_key: *secret(3).public().as_bytes(), ..agreed };
        assert_eq!(stranger.heir(Network::Main, &old), None, "nobody asked it");
        let weak = HandOver { new_key: [0; 32], ..agreed };
        assert_eq!(weak.heir(Network::Main, &old), None);
        let itself = HandOver::agreed(Network::Main, &old, &secret(1));
        assert_eq!(itself.heir(Network::Main, &old), None);
    }

    #[test]
    fn the_signed_bytes_are_those_of_the_page() {
        let bytes = signed_bytes(Network::Test, &secret(1).public(), secret(2).public().as_bytes());
        assert_eq!(&bytes[..19], b"PIP38 hand-over v1\0");
        assert_eq!(bytes[19], 1);
        assert_eq!(&bytes[20..52], secret(1).public().as_bytes());
        assert_eq!(&bytes[52..], secret(2).public().as_bytes());
    }

    proptest! {
        #[test]
        fn nothing_else_makes_an_heir(new_key in any::<[u8; 32]>(), half in any::<[u8; 32]>(), bit in 0usize..768) {
            let old = secret(1).public();
            let random = HandOver { new_key, signature: [half, half].concat().try_into().unwrap() };
            prop_assert_eq!(random.heir(Network::Main, &old), None);
            let mut changed = HandOver::agreed(Network::Main, &old, &secret(2));
            match bit / 8 {
                at @ 0..32 => changed.new_key[at] ^= 1 << (bit % 8),
                at => changed.signature[at - 32] ^= 1 << (bit % 8),
            }
            prop_assert_eq!(changed.heir(Network::Main, &old), None);
        }
    }
}
