//! Seals: who can read a message. A channel's passphrase, a chat key, an account's key, a password. Opening fails in silence: what is
//! not for us looks like what was damaged.

pub mod channel;
pub mod direct;
pub mod padding;
pub mod pair;
pub mod pascal;
pub mod words;
mod x25519;

use hkdf::Hkdf;
use nightjar_core::chain::Network;
use sha2::Sha256;
use zeroize::Zeroizing;

/// Bytes of the mark by which ChaCha20-Poly1305 knows its own.
const TAG_BYTES: usize = 16;

/// A body cannot be sealed so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealFault {
    /// The key has a part of small order, so a secret with it would not be one.
    #[error("the chat key cannot be sealed to: it has a part of small order")]
    Torsion,
    /// Longer than the parts of one message hold.
    #[error("{bytes} bytes are too long for a sealed message: the most is {limit}")]
    TooLong {
        /// How long it is.
        bytes: usize,
        /// How long it may be.
        limit: usize,
    },
    /// The key of the account cannot be used by this build.
    #[error(transparent)]
    Pascal(#[from] nightjar_pasc::ecies::SealError),
}

/// HKDF-SHA256 (RFC 5869) to 32 bytes.
fn derive(key: &[u8], salt: Option<&[u8]>, info: &[&[u8]]) -> Zeroizing<[u8; 32]> {
    let mut out = Zeroizing::new([0; 32]);
    Hkdf::<Sha256>::new(salt, key)
        .expand_multi_info(info, out.as_mut_slice())
        .expect("32 bytes are fewer than HKDF gives");
    out
}

/// The byte that binds something to its network.
const fn network_byte(network: Network) -> [u8; 1] {
    [network.byte()]
}
