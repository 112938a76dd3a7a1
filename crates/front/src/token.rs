//! The token of a data directory, as it is compared with what somebody shows. Never kept as it is.

use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

/// A token. Hashes have one length, so a comparison tells nothing of the token's.
#[derive(Clone)]
pub(crate) struct Token([u8; 32]);

impl Token {
    pub(crate) fn new(token: &str) -> Self {
        Self(hash(token))
    }

    /// Whether it is what was shown.
    pub(crate) fn is(&self, shown: &str) -> bool {
        hash(shown).ct_eq(&self.0).into()
    }
}

fn hash(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
}
