//! ECDSA signatures as PascalCoin makes them, of bytes that are *not hashed again*. Never decides what is signed: whoever signs bytes of
//! foreign origin with an account's key may have signed away its coins.
//!
//! Of a digest the leftmost bits count, as many as the order of the curve has; a shorter one is the number it says. So digests that
//! agree in these bits, or differ in leading zeros alone, share their signatures: what is signed should be a hash. Of each signature
//! there are two, with s and with the order less s, and both hold: nothing may be known by its signature's bytes.

use std::fmt;

use zeroize::Zeroizing;

use crate::curve::ENTROPY_BYTES;
use crate::key::{Curve, PointError, PrivateKey, PublicKey, padded, without_leading_zeros};
use crate::rand_core::CryptoRng;

/// Signs a digest of any length, also an empty one, as it is. Two signatures of one digest differ.
///
/// The nonce comes from the key, the digest and `rng` together (RFC 6979, 3.6), so a generator that repeats itself does not give the key
/// away. On sect283k1 it is OpenSSL that draws it, in the same manner but from its own generator.
pub fn sign(key: &PrivateKey, digest: &[u8], rng: &mut impl CryptoRng) -> Signature {
    let mut entropy = Zeroizing::new([0; ENTROPY_BYTES]);
    rng.fill_bytes(entropy.as_mut_slice());
    let (r, s) = key.sign(digest, &entropy);
    Signature { curve: key.curve(), r, s }
}

/// Whether the signature is one of this digest by the owner of the key.
pub fn verify(key: &PublicKey, digest: &[u8], signature: &Signature) -> Result<(), VerifyError> {
    let curve = key.curve();
    if signature.curve != curve {
        return Err(VerifyError::OtherCurve { key: curve, signature: signature.curve });
    }
    let group = curve.group().map_err(PointError::from)?;
    let point = key.to_sec1().ok_or(PointError::Invalid(curve))?;
    match group.verify(&point, digest, &signature.r, &signature.s) {
        Some(true) => Ok(()),
        Some(false) => Err(VerifyError::Mismatch),
        None => Err(PointError::Invalid(curve).into()),
    }
}

/// The two numbers of a signature, both from 1 to the order of the curve's base point less one. Says nothing about what it signs.
///
/// Every build reads and writes the signatures of all four curves.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Signature {
    curve: Curve,
    /// Big-endian, as long as the curve's field.
    r: Vec<u8>,
    /// Likewise.
    s: Vec<u8>,
}

impl Signature {
    /// The signature of two big-endian numbers, with or without leading zeros.
    pub fn from_scalars(curve: Curve, r: &[u8], s: &[u8]) -> Result<Self, SignatureError> {
        let scalar = |number: &[u8], part| {
            let bytes = without_leading_zeros(number).len();
            let number = padded(number, curve.field_bytes()).filter(|number| number.as_slice() < curve.order());
            number.filter(|_| bytes > 0).ok_or(SignatureError::OutOfRange { curve, part })
        };
        let r = scalar(r, SignaturePart::R)?;
        let s = scalar(s, SignaturePart::S)?;
        Ok(Self { curve, r, s })
    }

    /// Reads what a daemon writes: u16 length and r, u16 length and s, nothing behind them; lengths little-endian, numbers big-endian.
    /// A daemon writes them without leading zeros; with some they are the same numbers, and read as well.
    pub fn parse_raw(curve: Curve, bytes: &[u8]) -> Result<Self, SignatureError> {
        let mut rest = bytes;
        let r = take_number(&mut rest, SignaturePart::R)?;
        let s = take_number(&mut rest, SignaturePart::S)?;
        if !rest.is_empty() {
            return Err(SignatureError::Trailing { bytes: rest.len() });
        }
        Self::from_scalars(curve, r, s)
    }

    /// What a daemon writes and reads: both numbers without leading zeros, each behind its length.
    pub fn to_raw(&self) -> Vec<u8> {
        let mut raw = Vec::with_capacity(2 * (2 + self.r.len()));
        for number in [self.r(), self.s()] {
            let length = u16::try_from(number.len()).expect("a scalar has at most 66 bytes");
            raw.extend(length.to_le_bytes());
            raw.extend(number);
        }
        raw
    }

    /// Reads r and s side by side, each big-endian and as long as the curve's field: 64, 96, 132 or 72 bytes in all.
    pub fn parse_fixed(curve: Curve, bytes: &[u8]) -> Result<Self, SignatureError> {
        let wanted = 2 * curve.field_bytes();
        if bytes.len() != wanted {
            return Err(SignatureError::FixedLength { curve, wanted, got: bytes.len() });
        }
        let (r, s) = bytes.split_at(curve.field_bytes());
        Self::from_scalars(curve, r, s)
    }

    /// r and s side by side, each as long as the curve's field.
    pub fn to_fixed(&self) -> Vec<u8> {
        [self.r.as_slice(), &self.s].concat()
    }

    /// The curve of the key it was made with.
    pub fn curve(&self) -> Curve {
        self.curve
    }

    /// The first number, big-endian without leading zeros.
    pub fn r(&self) -> &[u8] {
        without_leading_zeros(&self.r)
    }

    /// The second number, big-endian without leading zeros.
    pub fn s(&self) -> &[u8] {
        without_leading_zeros(&self.s)
    }
}

/// Why bytes are no signature of a curve.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// The bytes end inside a number.
    #[error("the signature ends early: its {part} wants {wanted} more bytes, {got} are there")]
    Truncated {
        /// What was being read.
        part: SignaturePart,
        /// Bytes it takes.
        wanted: usize,
        /// Bytes that were left.
        got: usize,
    },
    /// Bytes behind the second number.
    #[error("{bytes} bytes follow the signature")]
    Trailing {
        /// How many.
        bytes: usize,
    },
    /// Not as long as r and s side by side.
    #[error("a signature on {curve} has {wanted} bytes, here are {got}: it is cut, or of another curve")]
    FixedLength {
        /// The curve.
        curve: Curve,
        /// What its signatures take.
        wanted: usize,
        /// What is there.
        got: usize,
    },
    /// Zero, or not below the order of the base point.
    #[error("the signature's {part} is outside the range of the curve {curve}: it is damaged, or of another curve")]
    OutOfRange {
        /// The curve.
        curve: Curve,
        /// Which of the two.
        part: SignaturePart,
    },
}

/// A number of a signature, for messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignaturePart {
    /// The first.
    R,
    /// The second.
    S,
}

impl fmt::Display for SignaturePart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::R => "number r",
            Self::S => "number s",
        })
    }
}

/// Why a signature does not hold, or cannot be judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// The key is no point, or on a curve this build cannot compute with; then the signature may be good.
    #[error(transparent)]
    Key(#[from] PointError),
    /// Signature and key are of two curves.
    #[error("the signature is on {signature} and the key on {key}: they do not belong together")]
    OtherCurve {
        /// The key's curve.
        key: Curve,
        /// The signature's.
        signature: Curve,
    },
    /// The owner of the key did not sign these bytes with it.
    #[error("the signature does not match: other bytes were signed, or another key was used")]
    Mismatch,
}

fn take_number<'a>(rest: &mut &'a [u8], part: SignaturePart) -> Result<&'a [u8], SignatureError> {
    let length = take(rest, 2, part)?.try_into().expect("two bytes were taken");
    take(rest, u16::from_le_bytes(length).into(), part)
}

fn take<'a>(rest: &mut &'a [u8], wanted: usize, part: SignaturePart) -> Result<&'a [u8], SignatureError> {
    let truncated = SignatureError::Truncated { part, wanted, got: rest.len() };
    let (taken, after) = rest.split_at_checked(wanted).ok_or(truncated)?;
    *rest = after;
    Ok(taken)
}
