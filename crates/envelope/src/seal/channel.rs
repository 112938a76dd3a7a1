//! The seal of a channel (form 03): who knows the passphrase reads, and knows where to listen.

use argon2::{Algorithm, Argon2, Params, Version};
use chacha20poly1305::aead::{AeadInOut as _, KeyInit as _};
use chacha20poly1305::{ChaCha20Poly1305, Nonce};
use hmac::{Hmac, Mac as _};
use nightjar_core::chain::Network;
use nightjar_core::record::Target;
use rand_core::CryptoRng;
use sha2::{Digest as _, Sha256};
use unicode_normalization::UnicodeNormalization as _;
use zeroize::Zeroizing;

use super::padding::pad;
use super::{SealFault, TAG_BYTES, derive, network_byte};
use crate::Place;
use crate::form;

const DOMAIN: &[u8] = b"PIP38 channel v1\0";
const SEAL_DOMAIN: &[u8] = b"PIP38 channel seal v1";
/// Memory that one guess at a passphrase costs, in KiB.
const MEMORY_KIB: u32 = 64 * 1024;
/// Passes over it.
const PASSES: u32 = 3;
const NONCE_BYTES: usize = 16;
/// Bytes around the inner body.
const OVERHEAD: usize = 1 + NONCE_BYTES + TAG_BYTES;

/// What a channel's passphrase was stretched to.
#[derive(Clone)]
pub struct ChannelKey {
    root: Zeroizing<[u8; 32]>,
    seal: Zeroizing<[u8; 32]>,
    target: Zeroizing<[u8; 32]>,
}

/// Nothing of it.
impl std::fmt::Debug for ChannelKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ChannelKey(..)")
    }
}

/// A passphrase cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PassphraseFault {
    /// There is none.
    #[error("the passphrase is empty")]
    Empty,
    /// Stretching it takes more memory than there is.
    #[error("stretching the passphrase takes {MEMORY_KIB} KiB of memory, and they are not to be had")]
    Memory,
}

impl ChannelKey {
    /// Stretches a passphrase, as it is typed, for a channel by its folded name with the `#`. Takes 64 MiB and some tenths of a second:
    /// call it where that disturbs nobody.
    pub fn derive(network: Network, channel: &str, passphrase: &str) -> Result<Self, PassphraseFault> {
        if passphrase.is_empty() {
            return Err(PassphraseFault::Empty);
        }
        let salt = Sha256::new_with_prefix(DOMAIN)
            .chain_update(network_byte(network))
            .chain_update(channel.as_bytes())
            .finalize();
        let salt = salt.first_chunk::<16>().expect("a SHA-256 has 32 bytes");
        let composed = Zeroizing::new(passphrase.nfc().collect::<String>());
        let params = Params::new(MEMORY_KIB, PASSES, 1, Some(32)).map_err(|_| PassphraseFault::Memory)?;
        let mut root = Zeroizing::new([0; 32]);
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password_into(composed.as_bytes(), salt, root.as_mut_slice())
            .map_err(|_| PassphraseFault::Memory)?;
        Ok(Self::from_root(root))
    }

    /// What was stretched before.
    pub fn from_root(root: Zeroizing<[u8; 32]>) -> Self {
        let (seal, target) = (derive(root.as_slice(), None, &[b"seal"]), derive(root.as_slice(), None, &[b"target"]));
        Self { root, seal, target }
    }

    /// What is to be kept instead of the passphrase.
    pub fn root(&self) -> &Zeroizing<[u8; 32]> {
        &self.root
    }

    /// Where the channel is on this day.
    pub fn target(&self, day: u32) -> Target {
        let mac = Hmac::<Sha256>::new_from_slice(self.target.as_slice())
            .expect("HMAC takes keys of any length")
            .chain_update(day.to_le_bytes())
            .finalize()
            .into_bytes();
        Target(*mac.first_chunk().expect("a SHA-256 has 32 bytes"))
    }

    /// Seals an inner body.
    pub fn seal(&self, place: &Place, inner: Vec<u8>, rng: &mut impl CryptoRng) -> Result<Vec<u8>, SealFault> {
        let mut nonce = [0; NONCE_BYTES];
        rng.fill_bytes(&mut nonce);
        let mut text = pad(inner, OVERHEAD)?;
        self.cipher(&nonce)
            .encrypt_in_place(&Nonce::default(), &associated(place), &mut text)
            .expect("no message is as long as the cipher's limit");
        Ok([&[form::CHANNEL], nonce.as_slice(), &text].concat())
    }

    /// The inner body with its padding; `None` when it is not for this channel, or not for this place.
    pub fn open(&self, place: &Place, body: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let (head, text) = body.split_first_chunk::<{ 1 + NONCE_BYTES }>()?;
        let [form::CHANNEL, nonce @ ..] = head else { return None };
        let mut text = Zeroizing::new(text.to_vec());
        self.cipher(nonce).decrypt_in_place(&Nonce::default(), &associated(place), &mut *text).ok()?;
        Some(text)
    }

    /// Each message has a key of its own, so its nonce may be the same.
    fn cipher(&self, nonce: &[u8; NONCE_BYTES]) -> ChaCha20Poly1305 {
        let key = derive(self.seal.as_slice(), Some(nonce), &[SEAL_DOMAIN]);
        ChaCha20Poly1305::new((&*key).into())
    }
}

fn associated(place: &Place) -> Vec<u8> {
    [network_byte(place.network).as_slice(), &place.target.0, &place.expiry.to_le_bytes(), &[form::CHANNEL]].concat()
}
