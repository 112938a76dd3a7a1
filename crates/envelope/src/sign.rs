//! Signatures of chat keys over a message and the place where it stands.
//!
//! Every implementation must accept the same ones, else a network splits over a message: `s` is below the order, the author's
//! key is canonical and not of small order, `R` is not of small order, the equation holds without the cofactor.

use ed25519_dalek::{Signature, Signer as _};
use nightjar_core::chain::Network;
use nightjar_core::record::Record;

use crate::key::{ChatKey, ChatSecret};
use crate::{CODING, Place};

const DOMAIN: &[u8] = b"PIP38 sign v1\0";
/// Bytes of a signature.
pub const SIGNATURE_BYTES: usize = 64;

/// What stands around a signed message, so that it cannot be lifted out of a seal: the first byte of the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OuterForm {
    /// Nothing: everybody can read it.
    Clear = 2,
    /// A channel's seal.
    Channel = 3,
    /// A first contact.
    First = 4,
    /// A pair's seal.
    Pair = 5,
}

/// Signs a map that is to stand at this place.
pub fn sign(secret: &ChatSecret, place: &Place, outer: OuterForm, map: &[u8]) -> [u8; SIGNATURE_BYTES] {
    secret.signing().sign(&signed_bytes(&secret.public(), place, outer, map)).to_bytes()
}

/// Whether the author signed this map for this place.
pub fn verify(
    author: &ChatKey,
    signature: &[u8; SIGNATURE_BYTES],
    place: &Place,
    outer: OuterForm,
    map: &[u8],
) -> bool {
    let signed = signed_bytes(author, place, outer, map);
    author.verifying().verify_strict(&signed, &Signature::from_bytes(signature)).is_ok()
}

/// Whether a record that is signed in clear is signed truly, which any node on its way can tell. True of every other record:
/// what is sealed, is in parts or has no author is not for a relay to judge.
pub fn record_holds(network: Network, record: &Record) -> bool {
    let (Some(place), Some(stamp)) = (Place::of(network, record), record.stamp()) else { return true };
    if stamp.coding != CODING || stamp.reserved != 0 {
        return true;
    }
    let Some(([form, author @ ..], rest)) = record.body().split_first_chunk::<33>() else { return true };
    let Some((signature, map)) = rest.split_first_chunk::<SIGNATURE_BYTES>() else { return true };
    if *form != OuterForm::Clear as u8 || map.is_empty() {
        return true;
    }
    ChatKey::from_bytes(*author).is_some_and(|author| verify(&author, signature, &place, OuterForm::Clear, map))
}

fn signed_bytes(author: &ChatKey, place: &Place, outer: OuterForm, map: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(DOMAIN.len() + 1 + 16 + 4 + 1 + 32 + map.len());
    bytes.extend(DOMAIN);
    bytes.push(place.network.byte());
    bytes.extend(place.target.0);
    bytes.extend(place.expiry.to_le_bytes());
    bytes.push(outer as u8);
    bytes.extend(author.as_bytes());
    bytes.extend(map);
    bytes
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail loudly")]

    use nightjar_core::record::Target;
    use proptest::prelude::*;
    use zeroize::Zeroizing;

    use super::*;

    const PLACE: Place = Place { network: Network::Main, target: Target([5; 16]), expiry: 1_800_000_000 };

    fn secret(seed: u8) -> ChatSecret {
        ChatSecret::from_seed(&Zeroizing::new([seed; 32]))
    }

    fn body(secret: &ChatSecret, place: &Place, map: &[u8]) -> Vec<u8> {
        let signature = sign(secret, place, OuterForm::Clear, map);
        [&[OuterForm::Clear as u8], secret.public().as_bytes().as_slice(), &signature, map].concat()
    }

    fn record(body: &[u8], expiry: u32) -> Record {
        Record::dated(PLACE.target, body, expiry, CODING, [9; 8]).unwrap()
    }

    #[test]
    fn a_signature_holds_only_where_it_was_made() {
        let (author, map) = (secret(1), b"map");
        let signature = sign(&author, &PLACE, OuterForm::Clear, map);
        let holds =
            |key: &ChatSecret, place: Place, outer, map: &[u8]| verify(&key.public(), &signature, &place, outer, map);
        assert!(holds(&author, PLACE, OuterForm::Clear, map));
        assert!(!holds(&secret(2), PLACE, OuterForm::Clear, map));
        assert!(!holds(&author, Place { network: Network::Test, ..PLACE }, OuterForm::Clear, map));
        assert!(!holds(&author, Place { target: Target([6; 16]), ..PLACE }, OuterForm::Clear, map));
        assert!(!holds(&author, Place { expiry: PLACE.expiry + 1, ..PLACE }, OuterForm::Clear, map));
        for outer in [OuterForm::Channel, OuterForm::First, OuterForm::Pair] {
            assert!(!holds(&author, PLACE, outer, map), "lifted out of {outer:?}");
        }
        assert!(!holds(&author, PLACE, OuterForm::Clear, b"mop"));
    }

    #[test]
    fn a_second_form_of_a_signature_is_refused() {
        // The order of the group, little-endian: s + order is the same number to who does not look.
        const ORDER: [u8; 32] = [
            0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0, 0, 0,
            0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
        ];
        let author = secret(1);
        let mut signature = sign(&author, &PLACE, OuterForm::Clear, b"map");
        let mut carry = 0;
        for (byte, order) in signature[32..].iter_mut().zip(ORDER) {
            carry += u16::from(*byte) + u16::from(order);
            *byte = carry.to_le_bytes()[0];
            carry >>= 8;
        }
        assert_eq!(carry, 0);
        assert!(!verify(&author.public(), &signature, &PLACE, OuterForm::Clear, b"map"));
    }

    #[test]
    fn a_relay_judges_only_what_is_signed_in_clear() {
        let author = secret(1);
        let good = body(&author, &PLACE, b"map");
        assert!(record_holds(Network::Main, &record(&good, PLACE.expiry)));
        assert!(!record_holds(Network::Test, &record(&good, PLACE.expiry)));
        assert!(!record_holds(Network::Main, &record(&good, PLACE.expiry - 1)), "wrapped again under another date");
        let weak = [&[2], [0u8; 32].as_slice(), &[0; 65]].concat();
        assert!(!record_holds(Network::Main, &record(&weak, PLACE.expiry)));
        for form in [0, 1, 3, 4, 5, 6, 7, 8, 9] {
            let mut other = good.clone();
            other[0] = form;
            assert!(record_holds(Network::Main, &record(&other, PLACE.expiry)));
        }
        assert!(
            record_holds(Network::Main, &record(&good[..97], PLACE.expiry)),
            "there is no map: unreadable, not forged"
        );
        let raw = Record::dated(PLACE.target, &[2; 200], PLACE.expiry, 0, [9; 8]).unwrap();
        assert!(record_holds(Network::Main, &raw));
    }

    proptest! {
        #[test]
        fn a_changed_bit_is_noticed(map in prop::collection::vec(any::<u8>(), 1..100), at in any::<prop::sample::Index>(), bit in 0u8..8) {
            let good = body(&secret(3), &PLACE, &map);
            prop_assert!(record_holds(Network::Main, &record(&good, PLACE.expiry)));
            let mut bad = good.clone();
            let at = at.index(bad.len() - 1) + 1;
            bad[at] ^= 1 << bit;
            prop_assert!(!record_holds(Network::Main, &record(&bad, PLACE.expiry)));
        }
    }
}
