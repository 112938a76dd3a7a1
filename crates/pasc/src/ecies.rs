//! PascalCoin's ECIES envelope: a text that one key can open, from a sender who stays unnamed. Never says who wrote it; anyone who
//! has the public key can seal.
//!
//! The body is AES-256-CBC under HMAC-MD5, both keyed from an ECDH with a key made for this one envelope. Two things stand outside
//! the MAC, so whoever carries the envelope can change them unseen: the plaintext's length, by as many zero bytes as it ends in (or
//! as pad it to 16), and the sign of the ephemeral point, which changes nothing.

use aes::Aes256;
use cbc::cipher::block_padding::NoPadding;
use cbc::cipher::{BlockModeDecrypt, BlockModeEncrypt, KeyIvInit};
use hmac::{Hmac, KeyInit, Mac};
use md5::Md5;
use sha2::{Digest, Sha512};
use zeroize::Zeroizing;

use crate::key::{Curve, PointError, PrivateKey, PublicKey};
use crate::rand_core::CryptoRng;

/// The longest plaintext: its length padded to 16 must fit the body's u16.
pub const PLAINTEXT_BYTES_MAX: usize = 65_520;

/// Seals `plaintext` for the key `to`, with an ephemeral key drawn from `rng`.
pub fn seal(to: &PublicKey, plaintext: &[u8], rng: &mut impl CryptoRng) -> Result<Vec<u8>, SealError> {
    let ephemeral = PrivateKey::random(to.curve(), rng).map_err(PointError::from)?;
    seal_with_ephemeral(to, plaintext, &ephemeral)
}

/// Seals with an ephemeral key that is given: for test vectors. A key used for two envelopes gives both the same AES and MAC keys, so
/// everything else calls [`seal`].
pub fn seal_with_ephemeral(to: &PublicKey, plaintext: &[u8], ephemeral: &PrivateKey) -> Result<Vec<u8>, SealError> {
    let plaintext_bytes = u16::try_from(plaintext.len())
        .ok()
        .filter(|_| plaintext.len() <= PLAINTEXT_BYTES_MAX)
        .ok_or(SealError::TooLong { bytes: plaintext.len() })?;
    let curve = to.curve();
    if ephemeral.curve() != curve {
        return Err(SealError::OtherCurve { to: curve, ephemeral: ephemeral.curve() });
    }
    let shared = to.to_sec1().and_then(|point| ephemeral.agree(&point)).ok_or(PointError::Invalid(curve))?;
    let point = ephemeral.compressed_point();

    let body_bytes = plaintext_bytes.next_multiple_of(BLOCK_BYTES);
    let mut envelope = Vec::with_capacity(HEADER_BYTES + point.len() + MAC_BYTES + usize::from(body_bytes));
    envelope.push(u8::try_from(point.len()).expect("a compressed point has at most 67 bytes"));
    envelope.push(MAC_BYTES_U8);
    envelope.extend(plaintext_bytes.to_le_bytes());
    envelope.extend(body_bytes.to_le_bytes());
    envelope.extend(&point);

    let keys = Keys::derive(&shared);
    let body = keys.encrypt(plaintext, usize::from(body_bytes));
    envelope.extend(keys.mac(&body).finalize().into_bytes());
    envelope.extend(body);
    Ok(envelope)
}

/// Opens an envelope with the key it was sealed for. Every length in it is checked against the bytes at hand before it is used, and
/// the MAC, in constant time, before anything is decrypted.
pub fn open(key: &PrivateKey, envelope: &[u8]) -> Result<Vec<u8>, OpenError> {
    let parts = Parts::parse(key.curve(), envelope)?;
    let shared = key.agree(parts.point).ok_or(OpenError::Point(key.curve()))?;
    let keys = Keys::derive(&shared);
    keys.mac(parts.body).verify_slice(parts.mac).map_err(|_| OpenError::Mac)?;
    let mut plaintext = keys.decrypt(parts.body);
    let padding = plaintext.split_off(parts.plaintext_bytes);
    if padding.iter().any(|&byte| byte != 0) {
        return Err(OpenError::Padding);
    }
    Ok(plaintext)
}

/// Why nothing was sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// More than the envelope's length fields can tell.
    #[error("{bytes} bytes are too many for one envelope, it takes {PLAINTEXT_BYTES_MAX}: split them")]
    TooLong {
        /// Length of the plaintext.
        bytes: usize,
    },
    /// The recipient's key cannot be computed with, in this build or at all.
    #[error(transparent)]
    Recipient(#[from] PointError),
    /// The ephemeral key that was given is not on the recipient's curve.
    #[error("the ephemeral key is on {ephemeral} and the recipient's on {to}: make one on {to}")]
    OtherCurve {
        /// The recipient's curve.
        to: Curve,
        /// The ephemeral key's.
        ephemeral: Curve,
    },
}

/// Why an envelope could not be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// The bytes are fewer or more than the envelope's header says.
    #[error("the envelope has {got} bytes where {wanted} belong: it is cut, or something follows it")]
    Length {
        /// What its header says; the length of a header when not even that is whole.
        wanted: usize,
        /// What is there.
        got: usize,
    },
    /// The ephemeral point has not the length of a compressed point on the key's curve.
    #[error("the envelope is for a key on another curve than {curve}, or no envelope: its point has {got} bytes")]
    PointLength {
        /// The key's curve.
        curve: Curve,
        /// The length it claims.
        got: usize,
    },
    /// The MAC has a length other than HMAC-MD5's.
    #[error("the envelope's MAC has {got} bytes, PascalCoin's has 16: it is no envelope of PascalCoin")]
    MacLength {
        /// The length it claims.
        got: usize,
    },
    /// The body is not as long as the plaintext padded to 16.
    #[error(
        "the envelope's body has {body} bytes, which {plaintext} bytes of text do not fill: it was changed on the way"
    )]
    BodyLength {
        /// Length of the plaintext it claims.
        plaintext: usize,
        /// Length of the body it claims.
        body: usize,
    },
    /// The ephemeral point is not compressed, or no point of the curve's group.
    #[error(
        "the envelope's ephemeral key is no point of the curve {0}: it was changed on the way, or made to probe this key"
    )]
    Point(Curve),
    /// The MAC does not fit body and key.
    #[error("the envelope was sealed for another key, or changed on the way")]
    Mac,
    /// The bytes behind the plaintext are not zero.
    #[error("the envelope's padding is not zero: its length was changed on the way")]
    Padding,
}

const HEADER_BYTES: usize = 6;
const MAC_BYTES: usize = 16;
const MAC_BYTES_U8: u8 = 16;
const BLOCK_BYTES: u16 = 16;

/// An envelope whose lengths hold.
struct Parts<'a> {
    plaintext_bytes: usize,
    point: &'a [u8],
    mac: &'a [u8],
    body: &'a [u8],
}

impl<'a> Parts<'a> {
    fn parse(curve: Curve, envelope: &'a [u8]) -> Result<Self, OpenError> {
        let got = envelope.len();
        let (&header, rest) =
            envelope.split_first_chunk::<HEADER_BYTES>().ok_or(OpenError::Length { wanted: HEADER_BYTES, got })?;
        let [point_bytes, mac_bytes, plaintext_low, plaintext_high, body_low, body_high] = header;
        let point_bytes = usize::from(point_bytes);
        let mac_bytes = usize::from(mac_bytes);
        let plaintext_bytes = usize::from(u16::from_le_bytes([plaintext_low, plaintext_high]));
        let body_bytes = usize::from(u16::from_le_bytes([body_low, body_high]));

        if point_bytes != 1 + curve.field_bytes() {
            return Err(OpenError::PointLength { curve, got: point_bytes });
        }
        if mac_bytes != MAC_BYTES {
            return Err(OpenError::MacLength { got: mac_bytes });
        }
        if body_bytes != plaintext_bytes.next_multiple_of(usize::from(BLOCK_BYTES)) {
            return Err(OpenError::BodyLength { plaintext: plaintext_bytes, body: body_bytes });
        }
        let wanted = HEADER_BYTES + point_bytes + MAC_BYTES + body_bytes;
        if got != wanted {
            return Err(OpenError::Length { wanted, got });
        }
        let (point, rest) = rest.split_at(point_bytes);
        let (mac, body) = rest.split_at(MAC_BYTES);
        // A point of this length could also be in a compact form that SEC1 knows and PascalCoin does not.
        if !matches!(point.first(), Some(2 | 3)) {
            return Err(OpenError::Point(curve));
        }
        Ok(Self { plaintext_bytes, point, mac, body })
    }
}

/// SHA-512 of the shared x coordinate: the first half is the AES key, the second the HMAC key.
struct Keys(Zeroizing<[u8; 64]>);

impl Keys {
    fn derive(shared: &[u8]) -> Self {
        Self(Zeroizing::new(Sha512::digest(shared).into()))
    }

    fn mac(&self, body: &[u8]) -> Hmac<Md5> {
        let (_, key) = self.0.split_at(32);
        let mut mac = Hmac::<Md5>::new_from_slice(key).expect("HMAC takes keys of any length");
        mac.update(body);
        mac
    }

    fn encrypt(&self, plaintext: &[u8], body_bytes: usize) -> Vec<u8> {
        let mut body = Vec::with_capacity(body_bytes);
        body.extend(plaintext);
        body.resize(body_bytes, 0);
        self.cipher::<cbc::Encryptor<Aes256>>()
            .encrypt_padded::<NoPadding>(&mut body, body_bytes)
            .expect("the body was filled to whole blocks");
        body
    }

    fn decrypt(&self, body: &[u8]) -> Vec<u8> {
        self.cipher::<cbc::Decryptor<Aes256>>()
            .decrypt_padded_vec::<NoPadding>(body)
            .expect("the body's length was checked to be whole blocks")
    }

    /// The zero IV is harmless here: each envelope has an AES key of its own.
    fn cipher<C: KeyIvInit>(&self) -> C {
        let (key, _) = self.0.split_at(32);
        C::new_from_slices(key, &[0; 16]).expect("AES-256-CBC takes 32 and 16 bytes")
    }
}
