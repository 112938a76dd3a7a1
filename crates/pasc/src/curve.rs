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

    /// The order of the base point, big-endian and [`field_bytes`](Self::field_bytes) long. Known of every curve, whatever this build
    /// can compute with.
    pub(crate) const fn order(self) -> &'static [u8] {
        match self {
            Self::Secp256k1 => &ORDER_SECP256K1,
            Self::Secp384r1 => &ORDER_SECP384R1,
            Self::Secp521r1 => &ORDER_SECP521R1,
            Self::Sect283k1 => &ORDER_SECT283K1,
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

/// What ECIES and signatures need of a curve. Scalars are big-endian and [`Curve::field_bytes`] long, points are in SEC1 form, compressed or not.
///
/// `None` always means that the bytes do not stand for what the method asks for: a scalar from 1 to the order of the base point less
/// one, a point other than infinity on the curve and in the subgroup of the base point.
pub(crate) trait Group: Sync + RefUnwindSafe {
    /// The uncompressed public point of a scalar.
    fn public_point(&self, scalar: &[u8]) -> Option<Vec<u8>>;

    /// The compressed form of a point.
    fn compress(&self, point: &[u8]) -> Option<Vec<u8>>;

    /// The uncompressed form of a point.
    fn uncompress(&self, point: &[u8]) -> Option<Vec<u8>>;

    /// The x coordinate of scalar times point (ECDH), with its leading zeros.
    fn agree(&self, scalar: &[u8], point: &[u8]) -> Option<Zeroizing<Vec<u8>>>;

    /// An ECDSA signature of the digest, of which the leftmost bits count, as many as the order has: r and s, each a scalar. The nonce
    /// is drawn from the scalar, the digest and the entropy together, so that bad entropy alone does not give the key away.
    fn sign(&self, scalar: &[u8], digest: &[u8], entropy: &[u8; ENTROPY_BYTES]) -> Option<(Vec<u8>, Vec<u8>)>;

    /// Whether r and s, both scalars, are a signature of the digest under the key of the point.
    fn verify(&self, point: &[u8], digest: &[u8], r: &[u8], s: &[u8]) -> Option<bool>;
}

/// What a signature takes of chance: as many bits as the strongest of the four curves has of security.
pub(crate) const ENTROPY_BYTES: usize = 32;

/// The orders of the base points (SEC 2, version 2.0), big-endian and as long as the curve's field.
const ORDER_SECP256K1: [u8; 32] = [
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe, 0xba, 0xae, 0xdc,
    0xe6, 0xaf, 0x48, 0xa0, 0x3b, 0xbf, 0xd2, 0x5e, 0x8c, 0xd0, 0x36, 0x41, 0x41,
];
const ORDER_SECP384R1: [u8; 48] = [
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xff, 0xff, 0xff, 0xff, 0xff, 0xc7, 0x63, 0x4d, 0x81, 0xf4, 0x37, 0x2d, 0xdf, 0x58, 0x1a, 0x0d, 0xb2, 0x48, 0xb0,
    0xa7, 0x7a, 0xec, 0xec, 0x19, 0x6a, 0xcc, 0xc5, 0x29, 0x73,
];
const ORDER_SECP521R1: [u8; 66] = [
    0x01, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfa, 0x51, 0x86, 0x87, 0x83,
    0xbf, 0x2f, 0x96, 0x6b, 0x7f, 0xcc, 0x01, 0x48, 0xf7, 0x09, 0xa5, 0xd0, 0x3b, 0xb5, 0xc9, 0xb8, 0x89, 0x9c, 0x47,
    0xae, 0xbb, 0x6f, 0xb7, 0x1e, 0x91, 0x38, 0x64, 0x09,
];
const ORDER_SECT283K1: [u8; 36] = [
    0x01, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xe9,
    0xae, 0x2e, 0xd0, 0x75, 0x77, 0x26, 0x5d, 0xff, 0x7f, 0x94, 0x45, 0x1e, 0x06, 0x1e, 0x16, 0x3c, 0x61,
];
