//! The three prime curves in pure Rust. Never sees a key format.

use std::marker::PhantomData;

use ecdsa::hazmat::{sign_prehashed_rfc6979, verify_prehashed};
use ecdsa::{EcdsaCurve, Signature};
use k256::elliptic_curve::sec1::{FromSec1Point, ModulusSize, ToSec1Point};
use k256::elliptic_curve::{AffinePoint, CurveArithmetic, FieldBytes, FieldBytesSize, PublicKey, SecretKey};
use sha2::Sha512;
use zeroize::Zeroizing;

use super::{Curve, ENTROPY_BYTES, Group};

pub(super) static SECP256K1: Prime<k256::Secp256k1> = Prime::new(Curve::Secp256k1);
pub(super) static SECP384R1: Prime<p384::NistP384> = Prime::new(Curve::Secp384r1);
pub(super) static SECP521R1: Prime<p521::NistP521> = Prime::new(Curve::Secp521r1);

/// A curve of the RustCrypto family. Their cofactor is 1, so a point on the curve is in the group.
pub(super) struct Prime<C> {
    curve: Curve,
    arithmetic: PhantomData<fn() -> C>,
}

impl<C> Prime<C> {
    const fn new(curve: Curve) -> Self {
        Self { curve, arithmetic: PhantomData }
    }

    /// The leftmost bits of the digest, as many as the order has: a shorter digest is the number it says, a longer one is cut (SEC 1,
    /// 4.1.3; OpenSSL does the same). As long as the field, with leading zeros.
    ///
    /// The library is never left to cut a digest itself: where the order is not a whole number of bytes, on secp521r1, it would drop
    /// the leftmost bits instead of the rightmost.
    fn leftmost_bits(&self, digest: &[u8]) -> Vec<u8> {
        let bytes = self.curve.field_bytes();
        let kept = digest.get(..bytes).unwrap_or(digest);
        let surplus_bits = (8 * kept.len()).saturating_sub(self.curve.order_bits());
        let mut number = vec![0; bytes - kept.len()];
        let mut carried = 0;
        for byte in kept {
            let both = u16::from_be_bytes([carried, *byte]) >> surplus_bits; // at most 7
            let [_, shifted] = both.to_be_bytes();
            number.push(shifted);
            carried = *byte;
        }
        number
    }
}

impl<C> Group for Prime<C>
where
    C: CurveArithmetic + EcdsaCurve,
    FieldBytesSize<C>: ModulusSize,
    AffinePoint<C>: FromSec1Point<C> + ToSec1Point<C>,
{
    fn public_point(&self, scalar: &[u8]) -> Option<Vec<u8>> {
        let secret = SecretKey::<C>::from_slice(scalar).ok()?;
        Some(secret.public_key().to_sec1_point(false).as_bytes().to_vec())
    }

    fn compress(&self, point: &[u8]) -> Option<Vec<u8>> {
        let point = PublicKey::<C>::from_sec1_bytes(point).ok()?;
        Some(point.to_sec1_point(true).as_bytes().to_vec())
    }

    fn uncompress(&self, point: &[u8]) -> Option<Vec<u8>> {
        let point = PublicKey::<C>::from_sec1_bytes(point).ok()?;
        Some(point.to_sec1_point(false).as_bytes().to_vec())
    }

    fn agree(&self, scalar: &[u8], point: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let secret = SecretKey::<C>::from_slice(scalar).ok()?;
        let point = PublicKey::<C>::from_sec1_bytes(point).ok()?;
        let shared = secret.diffie_hellman(&point);
        Some(Zeroizing::new(shared.raw_secret_bytes().to_vec()))
    }

    fn sign(&self, scalar: &[u8], digest: &[u8], entropy: &[u8; ENTROPY_BYTES]) -> Option<(Vec<u8>, Vec<u8>)> {
        let secret = SecretKey::<C>::from_slice(scalar).ok()?;
        let scalar = Zeroizing::new(secret.to_nonzero_scalar());
        let number = self.leftmost_bits(digest);
        // RFC 6979 with additional data (3.6). The number is part of that data because the generator takes a digest of whole bytes and
        // cuts it once more, on secp521r1 by seven bits that count: with repeating entropy two digests would get one nonce.
        let additional = [entropy, number.as_slice()].concat();
        let (signature, _) = sign_prehashed_rfc6979::<C, Sha512>(&scalar, &number, &additional);
        let (r, s) = signature.split_bytes();
        Some((r.to_vec(), s.to_vec()))
    }

    fn verify(&self, point: &[u8], digest: &[u8], r: &[u8], s: &[u8]) -> Option<bool> {
        let point = PublicKey::<C>::from_sec1_bytes(point).ok()?;
        let [r, s] = [FieldBytes::<C>::try_from(r).ok()?, FieldBytes::<C>::try_from(s).ok()?];
        // On secp256k1 the library takes the lower of the two values of s alone, which says the same: PascalCoin has no such rule.
        let signature = Signature::<C>::from_scalars(r, s).ok()?.normalize_s();
        Some(verify_prehashed(&point.to_projective(), &self.leftmost_bits(digest), &signature).is_ok())
    }
}
