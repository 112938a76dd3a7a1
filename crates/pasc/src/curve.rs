//! The four curves of PascalCoin, and the small trait under which the rest of the crate computes on any of them. Never holds a
//! key.

mod prime;
#[cfg(feature = "sect283k1")]
mod sect283k1;

use std::fmt;
use std::panic::RefUnwindSafe;

use zeroize::Zeroizing;

/// A curve that PascalCoin keys live on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Curve {
    /// The default of all wallets.
    Secp256k1,
    /// NIST P-384.
    Secp384r1,
    /// NIST P-521.
    Secp521r1,
    /// A binary Koblitz curve with cofactor 4. Computing with it needs the feature `sect283k1`.
    Sect283k1,
}

impl Curve {
    /// All four, in the order of their numbers.
    pub const ALL: [Self; 4] = [Self::Secp256k1, Self::Secp384r1, Self::Secp521r1, Self::Sect283k1];

    /// The number that names the curve on the wire (OpenSSL's).
    pub const fn nid(self) -> u16 {
        match self {
            Self::Secp256k1 => 714,
            Self::Secp384r1 => 715,
            Self::Secp521r1 => 716,
            Self::Sect283k1 => 729,
        }
    }

    /// The curve of a wire number; `None` for all but the four.
    pub fn from_nid(nid: u16) -> Option<Self> {
        Self::ALL.into_iter().find(|curve| curve.nid() == nid)
    }

    /// Bytes of one coordinate with its leading zeros.
    pub const fn field_bytes(self) -> usize {
        match self {
            Self::Secp256k1 => 32,
            Self::Secp384r1 => 48,
            Self::Secp521r1 => 66,
            Self::Sect283k1 => 36,
        }
    }

    /// Whether this build can compute with keys of the curve.
    pub fn is_supported(self) -> bool {
        self.group().is_ok()
    }

    /// Bits of the order of the base point, for drawing scalars.
    pub(crate) const fn order_bits(self) -> usize {
        match self {
            Self::Secp256k1 => 256,
            Self::Secp384r1 => 384,
            Self::Secp521r1 => 521,
            Self::Sect283k1 => 281,
        }
    }

    pub(crate) fn group(self) -> Result<&'static dyn Group, Unsupported> {
        match self {
            Self::Secp256k1 => Ok(&prime::SECP256K1),
            Self::Secp384r1 => Ok(&prime::SECP384R1),
            Self::Secp521r1 => Ok(&prime::SECP521R1),
            #[cfg(feature = "sect283k1")]
            Self::Sect283k1 if sect283k1::is_there() => Ok(&sect283k1::Sect283k1),
            Self::Sect283k1 => Err(Unsupported(self)),
        }
    }
}

/// The name, as PascalCoin writes it.
impl fmt::Display for Curve {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Secp256k1 => "secp256k1",
            Self::Secp384r1 => "secp384r1",
            Self::Secp521r1 => "secp521r1",
            Self::Sect283k1 => "sect283k1",
        })
    }
}

/// This build cannot compute with keys of the curve. Says nothing about the key, which may well be valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unsupported(pub Curve);

impl std::error::Error for Unsupported {}

impl fmt::Display for Unsupported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(curve) = self;
        write!(f, "keys on the curve {curve} are not supported by this build: ")?;
        if cfg!(feature = "sect283k1") {
            f.write_str("the OpenSSL library it uses has no binary curves, take one that has, or a released package")
        } else {
            f.write_str("build with the feature `sect283k1`, or take a released package")
        }
    }
}

/// What ECIES needs of a curve. Scalars are big-endian and [`Curve::field_bytes`] long, points are in SEC1 form, compressed or not.
///
/// `None` always means that the bytes do not stand for what the method asks for: a scalar from 1 to the order of the base point less
/// one, a point other than infinity on the curve and in the subgroup of the base point.
pub(crate) trait Group: Sync + RefUnwindSafe {
    /// The uncompressed public point of a scalar.
    fn public_point(&self, scalar: &[u8]) -> Option<Vec<u8>>;

    /// The compressed form of a point.
    fn compress(&self, point: &[u8]) -> Option<Vec<u8>>;

    /// The x coordinate of scalar times point (ECDH), with its leading zeros.
    fn agree(&self, scalar: &[u8], point: &[u8]) -> Option<Zeroizing<Vec<u8>>>;
}
