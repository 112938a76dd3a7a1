//! The binary curve sect283k1 through OpenSSL; no Rust crate has it. Never sees a key format.

use openssl::bn::{BigNum, BigNumContext, BigNumRef};
use openssl::ec::{EcGroup, EcKey, EcPoint, EcPointRef, PointConversionForm};
use openssl::ecdsa::EcdsaSig;
use openssl::error::ErrorStack;
use openssl::nid::Nid;
use zeroize::Zeroizing;

use super::{Curve, ENTROPY_BYTES, Group};

pub(super) struct Sect283k1;

/// Whether the OpenSSL library has the curve: some distributions leave the binary curves out.
pub(super) fn is_there() -> bool {
    EcGroup::from_curve_name(Nid::SECT283K1).is_ok()
}

impl Group for Sect283k1 {
    fn public_point(&self, scalar: &[u8]) -> Option<Vec<u8>> {
        let group = group();
        let scalar = Scalar::parse(&group, scalar)?;
        let mut context = context();
        let mut point = allocated(EcPoint::new(&group));
        allocated(point.mul_generator2(&group, &scalar.0, &mut context));
        Some(to_sec1(&group, &point, PointConversionForm::UNCOMPRESSED))
    }

    fn compress(&self, point: &[u8]) -> Option<Vec<u8>> {
        let group = group();
        let point = parse_point(&group, point)?;
        Some(to_sec1(&group, &point, PointConversionForm::COMPRESSED))
    }

    fn uncompress(&self, point: &[u8]) -> Option<Vec<u8>> {
        let group = group();
        let point = parse_point(&group, point)?;
        Some(to_sec1(&group, &point, PointConversionForm::UNCOMPRESSED))
    }

    fn agree(&self, scalar: &[u8], point: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let group = group();
        let scalar = Scalar::parse(&group, scalar)?;
        let point = parse_point(&group, point)?;
        let mut context = context();
        let mut shared = allocated(EcPoint::new(&group));
        allocated(shared.mul2(&group, &point, &scalar.0, &mut context));
        // The compressed form is one byte for the sign, then x with its leading zeros.
        let mut x = Zeroizing::new(to_sec1(&group, &shared, PointConversionForm::COMPRESSED));
        x.remove(0);
        Some(x)
    }

    /// OpenSSL draws the nonce itself, from the scalar, the digest and its own generator; it takes no entropy from elsewhere. Its way
    /// keeps the time from telling the nonce, which one put together from its big numbers would not.
    fn sign(&self, scalar: &[u8], digest: &[u8], _: &[u8; ENTROPY_BYTES]) -> Option<(Vec<u8>, Vec<u8>)> {
        let group = group();
        let scalar = Scalar::parse(&group, scalar)?;
        let mut context = context();
        let mut point = allocated(EcPoint::new(&group));
        allocated(point.mul_generator2(&group, &scalar.0, &mut context));
        let key = allocated(EcKey::from_private_components(&group, &scalar.0, &point));
        let signature = allocated(EcdsaSig::sign(digest, &key));
        Some((fixed(signature.r()), fixed(signature.s())))
    }

    fn verify(&self, point: &[u8], digest: &[u8], r: &[u8], s: &[u8]) -> Option<bool> {
        let group = group();
        let point = parse_point(&group, point)?;
        let key = allocated(EcKey::from_public_key(&group, &point));
        let (r, s) = (allocated(BigNum::from_slice(r)), allocated(BigNum::from_slice(s)));
        let signature = allocated(EcdsaSig::from_private_components(r, s));
        // A signature whose sum of points is infinity is an error to OpenSSL, and to us one that does not match.
        Some(signature.verify(digest, &key).unwrap_or(false))
    }
}

/// A number below the order with its leading zeros.
fn fixed(number: &BigNumRef) -> Vec<u8> {
    let bytes = i32::try_from(Curve::Sect283k1.field_bytes()).expect("36 fits");
    allocated(number.to_vec_padded(bytes))
}

/// A scalar from 1 to the order less one, wiped when dropped.
struct Scalar(BigNum);

impl Scalar {
    fn parse(group: &EcGroup, bytes: &[u8]) -> Option<Self> {
        let scalar = Self(allocated(BigNum::from_slice(bytes)));
        let mut order = allocated(BigNum::new());
        allocated(group.order(&mut order, &mut context()));
        (scalar.0.num_bits() > 0 && scalar.0 < order).then_some(scalar)
    }
}

impl Drop for Scalar {
    fn drop(&mut self) {
        self.0.clear();
    }
}

/// Reads a point and refuses all that are not in the subgroup of the base point: the curve's cofactor is 4, and a point of order 2 or 4
/// would draw the private scalar's low bits out of whoever answers.
fn parse_point(group: &EcGroup, sec1: &[u8]) -> Option<EcPoint> {
    let point = EcPoint::from_bytes(group, sec1, &mut context()).ok()?;
    EcKey::from_public_key(group, &point).and_then(|key| key.check_key()).ok()?;
    Some(point)
}

fn to_sec1(group: &EcGroup, point: &EcPointRef, form: PointConversionForm) -> Vec<u8> {
    allocated(point.to_bytes(group, form, &mut context()))
}

fn group() -> EcGroup {
    EcGroup::from_curve_name(Nid::SECT283K1).expect("the curve was there when this group was handed out")
}

fn context() -> BigNumContext {
    allocated(BigNumContext::new())
}

/// For calls whose arguments are known to be valid.
fn allocated<T>(result: Result<T, ErrorStack>) -> T {
    result.expect("on valid arguments OpenSSL fails only when memory is exhausted")
}
