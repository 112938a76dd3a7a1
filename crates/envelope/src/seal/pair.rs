//! The seal of two who know each other (form 05), on targets that nobody else can compute.

use hmac::{Hmac, KeyInit as _, Mac as _};
use nightjar_core::chain::Network;
use nightjar_core::record::Target;
use rand_core::CryptoRng;
use sha2::Sha256;
use zeroize::Zeroizing;

use super::direct::{ENC_BYTES, Step, open_from, seal_from};
use super::padding::pad;
use super::x25519::{self, Private, Public};
use super::{SealFault, TAG_BYTES, derive, network_byte};
use crate::Place;
use crate::form;
use crate::key::{ChatKey, ChatSecret};

const DOMAIN: &[u8] = b"PIP38 pair v1\0";
/// Bytes around the inner body.
const OVERHEAD: usize = 1 + ENC_BYTES + TAG_BYTES;

/// One of our chat keys and another's.
#[derive(Clone)]
pub struct PairKey {
    own: (ChatKey, Private, Public),
    other: (ChatKey, Public),
    targets: Zeroizing<[u8; 32]>,
}

/// Only whose it is.
impl std::fmt::Debug for PairKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PairKey({}, {})", self.own.0, self.other.0)
    }
}

impl PairKey {
    /// The key of these two.
    pub fn between(network: Network, own: &ChatSecret, other: &ChatKey) -> Result<Self, SealFault> {
        let secret = x25519::shared(own, other)?;
        let public = own.public();
        let (lower, higher) = if public.as_bytes() <= other.as_bytes() { (&public, other) } else { (other, &public) };
        let info = [DOMAIN, &network_byte(network), lower.as_bytes(), higher.as_bytes()];
        Ok(Self {
            own: (public, x25519::private(own), x25519::public(&public)?),
            other: (*other, x25519::public(other)?),
            targets: derive(secret.as_slice(), None, &info),
        })
    }

    /// Our key.
    pub fn own(&self) -> &ChatKey {
        &self.own.0
    }

    /// The other's key.
    pub fn other(&self) -> &ChatKey {
        &self.other.0
    }

    /// Where one of the two is written to on this day.
    pub fn target_to(&self, recipient: &ChatKey, day: u32) -> Target {
        let mac = Hmac::<Sha256>::new_from_slice(self.targets.as_slice())
            .expect("HMAC takes keys of any length")
            .chain_update(b"target")
            .chain_update(day.to_le_bytes())
            .chain_update(recipient.as_bytes())
            .finalize()
            .into_bytes();
        Target(*mac.first_chunk().expect("a SHA-256 has 32 bytes"))
    }

    /// Seals an inner body for the other.
    pub fn seal(&self, place: &Place, inner: Vec<u8>, rng: &mut impl CryptoRng) -> Result<Vec<u8>, SealFault> {
        let text = Zeroizing::new(pad(inner, OVERHEAD)?);
        let (_, own, public) = &self.own;
        let head = [form::PAIR];
        Ok(seal_from(Some((own, public)), &self.other.1, place, Step::PAIR, &head, &text, rng))
    }

    /// The inner body, with its padding, of what the other sealed for us.
    pub fn open(&self, place: &Place, body: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let ([form::PAIR], sealed) = body.split_first_chunk::<1>()? else { return None };
        open_from(&self.own.1, Some(&self.other.1), place, Step::PAIR, &[form::PAIR], sealed)
    }
}
