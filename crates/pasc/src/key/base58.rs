//! The base58 form of a public key: what people copy and paste. Never touches a private key.

use std::str::FromStr;

use sha2::{Digest, Sha256};

use super::{COORDINATE_BYTES_MAX, KeyError, PublicKey};

/// Base58 in the Bitcoin alphabet of `01`, the raw key, and the first four bytes of the raw key's SHA-256.
impl PublicKey {
    /// The base58 form of the key as it came, leading zeros included.
    pub fn to_base58(&self) -> String {
        let raw = self.to_raw();
        let mut bytes = vec![PREFIX];
        bytes.extend(&raw);
        bytes.extend(checksum(&raw));
        bs58::encode(bytes).into_string()
    }
}

impl FromStr for PublicKey {
    type Err = Base58KeyError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() > TEXT_BYTES_MAX {
            return Err(Base58KeyError::TooLong { bytes: text.len() });
        }
        let bytes = bs58::decode(text).into_vec().map_err(|_| Base58KeyError::NotBase58)?;
        let (raw, claimed) = bytes
            .split_first()
            .filter(|(prefix, _)| **prefix == PREFIX)
            .and_then(|(_, rest)| rest.split_last_chunk::<CHECKSUM_BYTES>())
            .ok_or(Base58KeyError::NotAKey)?;
        if *claimed != checksum(raw) {
            return Err(Base58KeyError::Checksum);
        }
        let (key, used) = Self::parse_raw(raw)?;
        if used < raw.len() {
            return Err(Base58KeyError::Trailing { bytes: raw.len() - used });
        }
        Ok(key)
    }
}

/// Why a text is no public key in base58.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Base58KeyError {
    /// Longer than the longest key; not looked at further.
    #[error("the text has {bytes} bytes; a public key in base58 has at most {TEXT_BYTES_MAX}")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// A character outside the alphabet.
    #[error("the text is not base58: it has a character other than 1-9, A-Z without I and O, a-z without l")]
    NotBase58,
    /// Base58 of something else.
    #[error("the text is base58 but no PascalCoin public key: most of those start with 3Ghhb")]
    NotAKey,
    /// The four checksum bytes do not fit the key.
    #[error("the public key's checksum is wrong: a character was mistyped, or the text is cut")]
    Checksum,
    /// The checksum is right and the raw key is not.
    #[error(transparent)]
    Raw(#[from] KeyError),
    /// Bytes between the key and its checksum.
    #[error("{bytes} bytes follow the public key inside the base58 text")]
    Trailing {
        /// How many.
        bytes: usize,
    },
}

const PREFIX: u8 = 1;
const CHECKSUM_BYTES: usize = 4;

/// Decoding base58 takes time by the square of the length, so the length is bounded first. A byte takes at most 1.37 characters.
const TEXT_BYTES_MAX: usize = (1 + 6 + 2 * COORDINATE_BYTES_MAX + CHECKSUM_BYTES) * 137 / 100 + 1;

fn checksum(raw: &[u8]) -> [u8; CHECKSUM_BYTES] {
    let [a, b, c, d, ..] = <[u8; 32]>::from(Sha256::digest(raw));
    [a, b, c, d]
}
