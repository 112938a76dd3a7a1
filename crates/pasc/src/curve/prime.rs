//! The three prime curves in pure Rust. Never sees a key format.

use std::marker::PhantomData;

use k256::elliptic_curve::sec1::{FromSec1Point, ModulusSize, ToSec1Point};
use k256::elliptic_curve::{AffinePoint, CurveArithmetic, FieldBytesSize, PublicKey, SecretKey};
use zeroize::Zeroizing;

use super::Group;

pub(super) static SECP256K1: Prime<k256::Secp256k1> = Prime(PhantomData);
pub(super) static SECP384R1: Prime<p384::NistP384> = Prime(PhantomData);
pub(super) static SECP521R1: Prime<p521::NistP521> = Prime(PhantomData);

/// A curve of the RustCrypto family. Their cofactor is 1, so a point on the curve is in the group.
pub(super) struct Prime<C>(PhantomData<fn() -> C>);

impl<C> Group for Prime<C>
where
    C: CurveArithmetic,
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

    fn agree(&self, scalar: &[u8], point: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let secret = SecretKey::<C>::from_slice(scalar).ok()?;
        let point = PublicKey::<C>::from_sec1_bytes(point).ok()?;
        let shared = secret.diffie_hellman(&point);
        Some(Zeroizing::new(shared.raw_secret_bytes().to_vec()))
    }
}
