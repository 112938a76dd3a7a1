//! Private keys: made, held and wiped. Never written out; `wallet_file` reads those of a wallet.

use std::fmt;

use zeroize::Zeroizing;

use super::{Curve, PublicKey, Unsupported, padded};
use crate::curve::{ENTROPY_BYTES, Group};
use crate::rand_core::CryptoRng;

/// A private key of a curve this build can compute with. Wiped from memory when dropped; its debug form shows the curve alone.
pub struct PrivateKey {
    curve: Curve,
    group: &'static dyn Group,
    /// Big-endian, as long as the curve's field, from 1 to the order of the base point less one.
    scalar: Zeroizing<Vec<u8>>,
    /// The public key in uncompressed SEC1 form. Checking the scalar computes it, so it is kept.
    point: Vec<u8>,
}

impl PrivateKey {
    /// The key of a big-endian scalar, with or without leading zeros.
    pub fn from_scalar(curve: Curve, scalar: &[u8]) -> Result<Self, PrivateKeyError> {
        let group = curve.group()?;
        let scalar = padded(scalar, curve.field_bytes()).map(Zeroizing::new);
        let scalar = scalar.ok_or(PrivateKeyError::OutOfRange(curve))?;
        let point = group.public_point(&scalar).ok_or(PrivateKeyError::OutOfRange(curve))?;
        Ok(Self { curve, group, scalar, point })
    }

    /// A new key, every scalar equally likely.
    pub fn random(curve: Curve, rng: &mut impl CryptoRng) -> Result<Self, Unsupported> {
        let group = curve.group()?;
        let surplus_bits = 8 * curve.field_bytes() - curve.order_bits();
        let mut scalar = Zeroizing::new(vec![0; curve.field_bytes()]);
        // Drawn again rather than reduced, which would prefer small scalars.
        for _ in 0..DRAWS_MAX {
            rng.fill_bytes(&mut scalar);
            if let Some(first) = scalar.first_mut() {
                *first &= 0xFF >> surplus_bits; // at most 7 on the four curves
            }
            if let Some(point) = group.public_point(&scalar) {
                return Ok(Self { curve, group, scalar, point });
            }
        }
        unreachable!("a generator fit for keys does not miss the range {DRAWS_MAX} times in a row")
    }

    /// The public key, with minimal coordinates.
    pub fn public_key(&self) -> PublicKey {
        PublicKey::from_sec1(self.curve, &self.point)
    }

    /// The curve the key is on.
    pub fn curve(&self) -> Curve {
        self.curve
    }

    /// The public key in compressed SEC1 form.
    pub(crate) fn compressed_point(&self) -> Vec<u8> {
        self.group.compress(&self.point).expect("a private key's public point is a point")
    }

    /// r and s of an ECDSA signature of the digest, each as long as the curve's field.
    pub(crate) fn sign(&self, digest: &[u8], entropy: &[u8; ENTROPY_BYTES]) -> (Vec<u8>, Vec<u8>) {
        self.group.sign(&self.scalar, digest, entropy).expect("a private key's scalar is one of its curve")
    }

    /// The x coordinate shared with whoever has the private key of `point`, SEC1; `None` when that is no point of the group.
    pub(crate) fn agree(&self, point: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        self.group.agree(&self.scalar, point)
    }
}

/// The curve alone.
impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PrivateKey({}, ..)", self.curve)
    }
}

/// Why a scalar is no private key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PrivateKeyError {
    /// The scalar may be valid; this build cannot tell.
    #[error(transparent)]
    Unsupported(#[from] Unsupported),
    /// Zero, or not below the order of the base point.
    #[error("the private key is outside the range of its curve {0}: it is damaged, or of another curve")]
    OutOfRange(Curve),
}

/// A draw misses the range of a scalar with a chance below 2^-100 on each of the four curves; a generator that always misses is broken,
/// and must not hang its caller.
const DRAWS_MAX: usize = 4;
