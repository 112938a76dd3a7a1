//! Public keys as PascalCoin writes them, raw, in base58 and as compressed points, and private keys. Never signs.
//!
//! Reading a key checks its form only. Whether its point lies on the curve is another question ([`PublicKey::check`]), because
//! nodes may announce and accounts may have keys that are no points, and those must be readable, comparable and shown.

mod base58;
mod compressed;
mod private;

use std::fmt;

pub use base58::Base58KeyError;
pub use compressed::CompressedPointError;
pub use private::{PrivateKey, PrivateKeyError};

pub use crate::curve::{Curve, Unsupported};

/// The raw form that stands where no key is meant, as the buyer of an account anyone may buy. [`PublicKey::parse_raw`] refuses it.
pub const NULL_KEY_RAW: [u8; 6] = [0; 6];

/// A daemon accepts coordinates of up to this many bytes, on every curve.
pub const COORDINATE_BYTES_MAX: usize = 99;

/// A public key, its coordinates kept as they came.
///
/// Equality is the daemon's: by the bytes of the raw form, so a key written with leading zeros differs from the same one without.
/// [`same_point`](Self::same_point) looks through that.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct PublicKey {
    curve: Curve,
    x: Vec<u8>,
    y: Vec<u8>,
}

impl PublicKey {
    /// Reads a raw key from the start of `bytes`: u16 curve number, u16 length and x, u16 length and y; lengths little-endian,
    /// coordinates big-endian. Also says how many bytes it took; what follows them is the caller's.
    pub fn parse_raw(bytes: &[u8]) -> Result<(Self, usize), KeyError> {
        let mut rest = bytes;
        let nid = take_u16(&mut rest, KeyPart::CurveNumber)?;
        let curve = Curve::from_nid(nid).ok_or(KeyError::UnknownCurve { nid })?;
        let x = take_coordinate(&mut rest, KeyPart::X)?.to_vec();
        let y = take_coordinate(&mut rest, KeyPart::Y)?.to_vec();
        Ok((Self { curve, x, y }, bytes.len() - rest.len()))
    }

    /// The raw form, byte for byte as it was read.
    pub fn to_raw(&self) -> Vec<u8> {
        let mut raw = Vec::with_capacity(6 + self.x.len() + self.y.len());
        raw.extend(self.curve.nid().to_le_bytes());
        for coordinate in [&self.x, &self.y] {
            let length = u16::try_from(coordinate.len()).expect("COORDINATE_BYTES_MAX is far below 64 KiB");
            raw.extend(length.to_le_bytes());
            raw.extend(coordinate);
        }
        raw
    }

    /// The curve the key says it is on.
    pub fn curve(&self) -> Curve {
        self.curve
    }

    /// The x coordinate, big-endian, as it came.
    pub fn x(&self) -> &[u8] {
        &self.x
    }

    /// The y coordinate, big-endian, as it came.
    pub fn y(&self) -> &[u8] {
        &self.y
    }

    /// The same key without leading zeros in its coordinates: the form a daemon writes.
    pub fn minimal(&self) -> Self {
        Self {
            curve: self.curve,
            x: without_leading_zeros(&self.x).to_vec(),
            y: without_leading_zeros(&self.y).to_vec(),
        }
    }

    /// Whether both keys name one point, however many leading zeros their coordinates carry.
    pub fn same_point(&self, other: &Self) -> bool {
        self.curve == other.curve
            && without_leading_zeros(&self.x) == without_leading_zeros(&other.x)
            && without_leading_zeros(&self.y) == without_leading_zeros(&other.y)
    }

    /// Whether the key is a point one can compute with: on its curve and in the group of the base point.
    pub fn check(&self) -> Result<(), PointError> {
        let group = self.curve.group()?;
        let point = self.to_sec1().ok_or(PointError::Invalid(self.curve))?;
        group.compress(&point).map(drop).ok_or(PointError::Invalid(self.curve))
    }

    /// The uncompressed SEC1 form, not checked to be a point; `None` when a coordinate is longer than the curve's field.
    pub(crate) fn to_sec1(&self) -> Option<Vec<u8>> {
        let mut point = vec![SEC1_UNCOMPRESSED];
        for coordinate in [&self.x, &self.y] {
            point.extend(padded(coordinate, self.curve.field_bytes())?);
        }
        Some(point)
    }

    fn from_sec1(curve: Curve, point: &[u8]) -> Self {
        let (_, coordinates) = point.split_first().expect("an uncompressed point starts with a byte that says so");
        let (x, y) = coordinates.split_at(curve.field_bytes());
        let (x, y) = (x.to_vec(), y.to_vec());
        Self { curve, x, y }.minimal()
    }
}

/// Curve and base58 form.
impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({} {})", self.curve, self.to_base58())
    }
}

/// Why bytes are no raw public key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The bytes end inside the key.
    #[error("the public key ends early: its {part} wants {wanted} more bytes, {got} are there")]
    Truncated {
        /// What was being read.
        part: KeyPart,
        /// Bytes it takes.
        wanted: usize,
        /// Bytes that were left.
        got: usize,
    },
    /// The first two bytes name none of the four curves.
    #[error("the public key names curve number {nid}; PascalCoin knows 714, 715, 716 and 729")]
    UnknownCurve {
        /// The number it names.
        nid: u16,
    },
    /// A coordinate that no daemon would accept.
    #[error("the public key's {part} has {bytes} bytes, at most {COORDINATE_BYTES_MAX} are accepted")]
    CoordinateTooLong {
        /// Which of the two.
        part: KeyPart,
        /// The length it claims.
        bytes: usize,
    },
}

/// A part of the raw form, for messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyPart {
    /// The u16 that names the curve.
    CurveNumber,
    /// The x coordinate with its length.
    X,
    /// The y coordinate with its length.
    Y,
}

impl fmt::Display for KeyPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::CurveNumber => "curve number",
            Self::X => "x coordinate",
            Self::Y => "y coordinate",
        })
    }
}

/// Why a well-formed public key cannot be computed with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PointError {
    /// The key may be valid; this build cannot tell.
    #[error(transparent)]
    Unsupported(#[from] Unsupported),
    /// The coordinates are no point of the curve's group.
    #[error("the public key is no point of its curve {0}: nothing can be sealed for it or signed with it")]
    Invalid(Curve),
}

const SEC1_UNCOMPRESSED: u8 = 4;

fn take_coordinate<'a>(rest: &mut &'a [u8], part: KeyPart) -> Result<&'a [u8], KeyError> {
    let bytes = usize::from(take_u16(rest, part)?);
    if bytes > COORDINATE_BYTES_MAX {
        return Err(KeyError::CoordinateTooLong { part, bytes });
    }
    take(rest, bytes, part)
}

fn take_u16(rest: &mut &[u8], part: KeyPart) -> Result<u16, KeyError> {
    let bytes = take(rest, 2, part)?;
    let bytes = bytes.try_into().expect("two bytes were taken");
    Ok(u16::from_le_bytes(bytes))
}

fn take<'a>(rest: &mut &'a [u8], wanted: usize, part: KeyPart) -> Result<&'a [u8], KeyError> {
    let (taken, after) = rest.split_at_checked(wanted).ok_or(KeyError::Truncated { part, wanted, got: rest.len() })?;
    *rest = after;
    Ok(taken)
}

pub(crate) fn without_leading_zeros(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|&&byte| byte == 0).count();
    number.split_at(zeros).1
}

/// The number with as many leading zeros as fill `length`; `None` when it is longer than that without any.
pub(crate) fn padded(number: &[u8], length: usize) -> Option<Vec<u8>> {
    let number = without_leading_zeros(number);
    let zeros = length.checked_sub(number.len())?;
    let mut padded = Vec::with_capacity(length);
    padded.resize(zeros, 0);
    padded.extend(number);
    Some(padded)
}
