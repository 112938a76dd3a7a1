//! Signatures made by a daemon hold and ours are of the same kind; what was changed, or made by another key, does not.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    reason = "a test fails by panicking"
)]

mod support;

use std::collections::HashSet;

use nightjar_pasc::key::{
    CompressedPointError, Curve, PointError, PrivateKey, PrivateKeyError, PublicKey, Unsupported,
};
use nightjar_pasc::signature::{Signature, SignatureError, SignaturePart, VerifyError, sign, verify};
use proptest::prelude::*;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use support::{order, scalar, supported, unhex, vectors};

#[derive(Deserialize)]
struct Signed {
    vectors: Vec<Vector>,
}

#[derive(Deserialize)]
struct Delegations {
    vectors: Vec<Vector>,
    wrong: Vec<Vector>,
}

#[derive(Deserialize)]
struct Vector {
    nid: u16,
    private_key: String,
    enc_pubkey: String,
    digest: String,
    signature: String,
    r: String,
    s: String,
    scope: Option<u8>,
    point: Option<String>,
    record: Option<String>,
    why: Option<String>,
}

impl Vector {
    fn curve(&self) -> Curve {
        Curve::from_nid(self.nid).unwrap()
    }

    fn key(&self) -> PublicKey {
        let raw = unhex(&self.enc_pubkey);
        let (key, used) = PublicKey::parse_raw(&raw).unwrap();
        assert_eq!((key.curve(), used), (self.curve(), raw.len()));
        key
    }

    fn signature(&self) -> Signature {
        Signature::parse_raw(self.curve(), &unhex(&self.signature)).unwrap()
    }

    fn verify(&self) -> Result<(), VerifyError> {
        verify(&self.key(), &unhex(&self.digest), &self.signature())
    }
}

const UNSUPPORTED: VerifyError = VerifyError::Key(PointError::Unsupported(Unsupported(Curve::Sect283k1)));

/// What this build says where one that can compute with the curve says `said`.
fn of_this_build(curve: Curve, said: Result<(), VerifyError>) -> Result<(), VerifyError> {
    if curve == Curve::Sect283k1 && cfg!(not(feature = "sect283k1")) { Err(UNSUPPORTED) } else { said }
}

#[test]
fn signatures_made_by_a_daemon_hold() {
    let signed: Signed = vectors("signmessage.json");
    let delegations: Delegations = vectors("delegation.json");
    assert_eq!((signed.vectors.len(), delegations.vectors.len()), (16, 12));
    let (mut curves, mut lengths) = (HashSet::new(), HashSet::new());
    for vector in signed.vectors.iter().chain(&delegations.vectors) {
        assert_eq!(vector.verify(), of_this_build(vector.curve(), Ok(())), "{}", vector.digest);
        curves.insert(vector.curve());
        lengths.insert((vector.curve(), vector.digest.len() / 2));
    }
    assert_eq!(curves.len(), 4);
    // Shorter and longer than the order of each curve.
    assert_eq!(lengths.len(), 4 * [5, 16, 32, 80].len());
}

#[test]
fn what_a_daemon_refused_is_refused() {
    let delegations: Delegations = vectors("delegation.json");
    assert_eq!(delegations.wrong.len(), 20);
    for vector in &delegations.wrong {
        let refused = of_this_build(vector.curve(), Err(VerifyError::Mismatch));
        assert_eq!(vector.verify(), refused, "{:?}", vector.why);
    }
}

#[test]
fn the_daemons_signatures_are_read_and_written_byte_for_byte() {
    let signed: Signed = vectors("signmessage.json");
    let delegations: Delegations = vectors("delegation.json");
    let mut shortened = 0;
    for vector in signed.vectors.iter().chain(&delegations.vectors).chain(&delegations.wrong) {
        let (curve, signature) = (vector.curve(), vector.signature());
        assert_eq!((signature.r(), signature.s()), (&*unhex(&vector.r), &*unhex(&vector.s)));
        assert_eq!(signature.to_raw(), unhex(&vector.signature));
        assert_eq!(Signature::parse_fixed(curve, &signature.to_fixed()), Ok(signature.clone()));
        assert_eq!(Signature::from_scalars(curve, signature.r(), signature.s()), Ok(signature.clone()));
        shortened += usize::from(signature.r().len() < curve.field_bytes());
    }
    assert!(shortened > 0, "no vector has a number shorter than the field");
}

#[test]
fn a_delegation_holds_point_and_signature_in_fixed_width() {
    let delegations: Delegations = vectors("delegation.json");
    for vector in &delegations.vectors {
        let (curve, key) = (vector.curve(), vector.key());
        let mut record = unhex(vector.record.as_ref().unwrap());
        if vector.scope == Some(0) {
            record.truncate(record.len() - 32);
        }
        let (head, fixed) = record.split_at(record.len() - 2 * curve.field_bytes());
        assert_eq!(vector.signature().to_fixed(), fixed);

        let (_, point) = head.split_at(head.len() - 1 - curve.field_bytes());
        assert_eq!(point, unhex(vector.point.as_ref().unwrap()));
        match PublicKey::from_compressed(curve, point) {
            Ok(read) => {
                assert_eq!(read, key);
                assert_eq!(read.to_compressed(), Ok(point.to_vec()));
            }
            Err(error) => {
                assert_eq!(error, CompressedPointError::Unsupported(Unsupported(Curve::Sect283k1)));
                assert!(!curve.is_supported());
            }
        }
    }
}

#[test]
fn ours_are_signatures_of_the_same_digest_and_key_alone() {
    let signed: Signed = vectors("signmessage.json");
    let mut made = 0;
    for (index, vector) in signed.vectors.iter().enumerate() {
        let key = match PrivateKey::from_scalar(vector.curve(), &scalar(&vector.private_key)) {
            Ok(key) => key,
            Err(error) => {
                assert_eq!(error, PrivateKeyError::Unsupported(Unsupported(Curve::Sect283k1)));
                continue;
            }
        };
        let digest = unhex(&vector.digest);
        let signature = sign(&key, &digest, &mut rng(index as u64));
        assert_eq!(signature.curve(), key.curve());
        assert_eq!(verify(&vector.key(), &digest, &signature), Ok(()));
        assert_eq!(verify(&vector.key(), &Sha256::digest(&digest), &signature), Err(VerifyError::Mismatch));

        let other = PrivateKey::random(key.curve(), &mut rng(99)).unwrap().public_key();
        assert_eq!(verify(&other, &digest, &signature), Err(VerifyError::Mismatch));
        made += 1;
    }
    assert_eq!(made, if cfg!(feature = "sect283k1") { 16 } else { 12 });
}

#[test]
fn both_values_of_s_hold() {
    for curve in supported() {
        let key = PrivateKey::random(curve, &mut rng(3)).unwrap();
        let signature = sign(&key, b"either", &mut rng(4));
        let twin = Signature::from_scalars(curve, signature.r(), &less(&order(curve), signature.s())).unwrap();
        assert_ne!(signature, twin);
        for signature in [signature, twin] {
            assert_eq!(verify(&key.public_key(), b"either", &signature), Ok(()), "{curve}");
        }
    }
}

#[test]
fn the_leftmost_bits_of_a_digest_count() {
    for curve in supported() {
        let key = PrivateKey::random(curve, &mut rng(5)).unwrap();
        let public = key.public_key();
        let bits = order_bits(curve);
        let digest: Vec<u8> = (1..=100).collect();
        let signature = sign(&key, &digest, &mut rng(6));
        for bit in 0..8 * digest.len() {
            let mut changed = digest.clone();
            changed[bit / 8] ^= 0x80 >> (bit % 8);
            let said = if bit < bits { Err(VerifyError::Mismatch) } else { Ok(()) };
            assert_eq!(verify(&public, &changed, &signature), said, "{curve} bit {bit}");
        }
        // A short digest is the number it says.
        let signature = sign(&key, &digest[..8], &mut rng(7));
        let padded = [&[0; 4], &digest[..8]].concat();
        assert_eq!(verify(&public, &padded, &signature), Ok(()));
        assert_eq!(verify(&public, &digest[..7], &signature), Err(VerifyError::Mismatch));
    }
}

#[test]
fn nothing_and_zeros_are_one_digest() {
    for curve in supported() {
        let key = PrivateKey::random(curve, &mut rng(8)).unwrap();
        let signature = sign(&key, &[], &mut rng(9));
        for zeros in [0, 1, 31, 32, 66, 67, 1000] {
            assert_eq!(verify(&key.public_key(), &vec![0; zeros], &signature), Ok(()), "{curve} {zeros}");
        }
        assert_eq!(verify(&key.public_key(), &[1], &signature), Err(VerifyError::Mismatch));
    }
}

/// With the private key 1 and r = n - z the sum of both points is infinity, which has no x.
#[test]
fn a_sum_at_infinity_is_no_match() {
    for curve in supported() {
        let key = PrivateKey::from_scalar(curve, &[1]).unwrap().public_key();
        let signature = Signature::from_scalars(curve, &less(&order(curve), &[1]), &[1]).unwrap();
        assert_eq!(verify(&key, &[1], &signature), Err(VerifyError::Mismatch), "{curve}");
    }
}

#[test]
fn a_generator_that_repeats_itself_gives_no_nonce_twice() {
    for curve in [Curve::Secp256k1, Curve::Secp384r1, Curve::Secp521r1] {
        let key = PrivateKey::random(curve, &mut rng(10)).unwrap();
        let mut digest = vec![0x55; curve.field_bytes()];
        let mut seen = HashSet::new();
        seen.insert(sign(&key, &digest, &mut rng(11)).r().to_vec());
        // Every bit that counts, the last ones of the order too.
        for bit in 0..order_bits(curve) {
            digest[bit / 8] ^= 0x80 >> (bit % 8);
            assert!(seen.insert(sign(&key, &digest, &mut rng(11)).r().to_vec()), "{curve} bit {bit}");
            digest[bit / 8] ^= 0x80 >> (bit % 8);
        }
        let other = PrivateKey::random(curve, &mut rng(12)).unwrap();
        assert!(seen.insert(sign(&other, &digest, &mut rng(11)).r().to_vec()));
    }
}

#[test]
fn two_signatures_of_one_digest_differ() {
    let mut rng = rng(13);
    for curve in supported() {
        let key = PrivateKey::random(curve, &mut rng).unwrap();
        let [first, second] = [(), ()].map(|()| sign(&key, b"twice", &mut rng));
        assert_ne!(first.r(), second.r());
    }
}

#[test]
fn numbers_outside_the_order_are_refused_on_every_curve() {
    for curve in Curve::ALL {
        let order = order(curve);
        let out_of_range = |part| Err(SignatureError::OutOfRange { curve, part });
        for bad in
            [vec![], vec![0; 70], order.clone(), vec![0xFF; curve.field_bytes()], vec![1; curve.field_bytes() + 1]]
        {
            assert_eq!(Signature::from_scalars(curve, &bad, &[1]), out_of_range(SignaturePart::R), "{curve}");
            assert_eq!(Signature::from_scalars(curve, &[1], &bad), out_of_range(SignaturePart::S), "{curve}");
        }
        let largest = less(&order, &[1]);
        let signature = Signature::from_scalars(curve, &largest, &largest).unwrap();
        assert_eq!(Signature::parse_raw(curve, &signature.to_raw()), Ok(signature));

        let zeros = vec![0; 2 * curve.field_bytes()];
        assert_eq!(Signature::parse_fixed(curve, &zeros), out_of_range(SignaturePart::R));
        let over = [order.as_slice(), &order].concat();
        assert_eq!(Signature::parse_fixed(curve, &over), out_of_range(SignaturePart::R));
    }
}

#[test]
fn broken_signatures_are_refused_by_name() {
    let truncated = |part, wanted, got| SignatureError::Truncated { part, wanted, got };
    let curve = Curve::Secp256k1;
    for (raw, error) in [
        ("", truncated(SignaturePart::R, 2, 0)),
        ("01", truncated(SignaturePart::R, 2, 1)),
        ("020001", truncated(SignaturePart::R, 2, 1)),
        ("ffff01", truncated(SignaturePart::R, 65_535, 1)),
        ("01000501", truncated(SignaturePart::S, 2, 1)),
        ("0100050200ff", truncated(SignaturePart::S, 2, 1)),
        ("01000501000700", SignatureError::Trailing { bytes: 1 }),
        ("000001000700", SignatureError::Trailing { bytes: 1 }),
        ("0000010007", SignatureError::OutOfRange { curve, part: SignaturePart::R }),
        ("0100050000", SignatureError::OutOfRange { curve, part: SignaturePart::S }),
    ] {
        assert_eq!(Signature::parse_raw(curve, &unhex(raw)), Err(error), "{raw}");
    }
    for curve in Curve::ALL {
        let wanted = 2 * curve.field_bytes();
        for got in [0, wanted - 1, wanted + 1, 1000] {
            let refused = Err(SignatureError::FixedLength { curve, wanted, got });
            assert_eq!(Signature::parse_fixed(curve, &vec![1; got]), refused);
        }
    }
}

#[test]
fn leading_zeros_are_read_and_not_written() {
    let padded = Signature::parse_raw(Curve::Secp256k1, &unhex("030000000502000007")).unwrap();
    assert_eq!(padded.to_raw(), unhex("010005010007"));
    let long = [vec![100, 0], vec![0; 99], vec![5], vec![1, 0, 7]].concat();
    assert_eq!(Signature::parse_raw(Curve::Secp256k1, &long), Ok(padded));
}

#[test]
fn a_key_that_is_no_point_and_one_of_another_curve_judge_nothing() {
    let signature = |curve| Signature::from_scalars(curve, &[5], &[7]).unwrap();
    let (no_point, _) = PublicKey::parse_raw(&unhex("ca02010005010007")).unwrap();
    let invalid = VerifyError::Key(PointError::Invalid(Curve::Secp256k1));
    assert_eq!(verify(&no_point, b"", &signature(Curve::Secp256k1)), Err(invalid));
    let (long, _) = PublicKey::parse_raw(&[unhex("ca024000"), vec![1; 64], unhex("010007")].concat()).unwrap();
    assert_eq!(verify(&long, b"", &signature(Curve::Secp256k1)), Err(invalid));
    let other = VerifyError::OtherCurve { key: Curve::Secp256k1, signature: Curve::Sect283k1 };
    assert_eq!(verify(&no_point, b"", &signature(Curve::Sect283k1)), Err(other));
}

#[test]
#[cfg(not(feature = "sect283k1"))]
fn what_this_build_cannot_compute_with_is_unsupported_and_never_invalid() {
    let delegations: Delegations = vectors("delegation.json");
    let vector = delegations.vectors.iter().find(|vector| vector.nid == 729).unwrap();
    let error = vector.verify().unwrap_err();
    assert_eq!(error, UNSUPPORTED);
    assert!(error.to_string().contains("not supported by this build"), "{error}");
    assert!(!error.to_string().contains("valid"), "{error}");
    let error = PublicKey::from_compressed(Curve::Sect283k1, &unhex(vector.point.as_ref().unwrap())).unwrap_err();
    assert!(error.to_string().contains("not supported by this build"), "{error}");
    assert_eq!(vector.key().to_compressed(), Err(PointError::Unsupported(Unsupported(Curve::Sect283k1))));
}

#[test]
fn broken_compressed_points_are_refused_by_name() {
    for curve in supported() {
        let key = PrivateKey::random(curve, &mut rng(14)).unwrap().public_key();
        let point = key.to_compressed().unwrap();
        let wanted = 1 + curve.field_bytes();
        assert_eq!((point.len(), PublicKey::from_compressed(curve, &point)), (wanted, Ok(key.clone())));
        for got in [0, 1, wanted - 1, wanted + 1, 2 * wanted - 1] {
            let refused = Err(CompressedPointError::Length { curve, wanted, got });
            assert_eq!(PublicKey::from_compressed(curve, &vec![2; got]), refused);
        }
        // Infinity, the uncompressed, hybrid and compact forms, and nothing.
        for first in [0, 1, 4, 5, 6, 7, 0xFF] {
            let mut other = point.clone();
            other[0] = first;
            assert_eq!(PublicKey::from_compressed(curve, &other), Err(CompressedPointError::NotCompressed), "{first}");
        }
        // The other sign is the other point.
        let mut negative = point.clone();
        negative[0] ^= 1;
        let negative = PublicKey::from_compressed(curve, &negative).unwrap();
        assert_eq!((negative.x(), negative.same_point(&key)), (key.x(), false));
        // About half of all numbers are the x of a point, on sect283k1 a quarter of those that of a point in the group.
        let refused = (0..64_u8).filter(|&x| {
            let mut other = point.clone();
            other[wanted - 1] ^= x;
            PublicKey::from_compressed(curve, &other) == Err(CompressedPointError::Invalid(curve))
        });
        assert!((10..64).contains(&refused.count()));
        assert!(PublicKey::from_compressed(curve, &[vec![2], vec![0xFF; curve.field_bytes()]].concat()).is_err());
    }
}

#[test]
fn points_are_compared_whatever_zeros_their_coordinates_carry() {
    for curve in supported() {
        let key = PrivateKey::random(curve, &mut rng(15)).unwrap().public_key();
        let mut raw = curve.nid().to_le_bytes().to_vec();
        for coordinate in [key.x(), key.y()] {
            raw.extend([99, 0]);
            raw.extend(vec![0; 99 - coordinate.len()]);
            raw.extend(coordinate);
        }
        let (padded, _) = PublicKey::parse_raw(&raw).unwrap();
        assert_ne!(padded, key);
        let read = PublicKey::from_compressed(curve, &padded.to_compressed().unwrap()).unwrap();
        assert!(read.same_point(&padded));
        assert_eq!(read, key);
        let signature = sign(&PrivateKey::random(curve, &mut rng(15)).unwrap(), b"padded", &mut rng(16));
        assert_eq!(verify(&padded, b"padded", &signature), Ok(()));
    }
}

proptest! {
    #[test]
    fn no_bytes_make_the_readers_of_signatures_panic(
        curve in proptest::sample::select(Curve::ALL.to_vec()),
        bytes in signature_like(),
    ) {
        if let Ok(signature) = Signature::parse_raw(curve, &bytes) {
            prop_assert!(signature.to_raw().len() <= bytes.len());
            prop_assert_eq!(Signature::parse_raw(curve, &signature.to_raw()), Ok(signature.clone()));
            prop_assert_eq!(Signature::parse_fixed(curve, &signature.to_fixed()), Ok(signature));
        }
        if let Ok(signature) = Signature::parse_fixed(curve, &bytes) {
            prop_assert_eq!(signature.to_fixed(), bytes.clone());
        }
        if let Ok(key) = PublicKey::from_compressed(curve, &bytes) {
            prop_assert_eq!(key.to_compressed(), Ok(bytes));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn a_changed_signature_or_digest_does_not_hold(
        seed: u64,
        curve in proptest::sample::select(supported()),
        digest in proptest::collection::vec(any::<u8>(), 1..=32),
        place: prop::sample::Index,
        bit in 0_u8..8,
    ) {
        let key = PrivateKey::random(curve, &mut rng(seed)).unwrap();
        let signature = sign(&key, &digest, &mut rng(seed));
        prop_assert_eq!(verify(&key.public_key(), &digest, &signature), Ok(()));

        let mut fixed = signature.to_fixed();
        let changed_place = place.index(fixed.len());
        fixed[changed_place] ^= 1 << bit;
        if let Ok(changed) = Signature::parse_fixed(curve, &fixed) {
            prop_assert_eq!(verify(&key.public_key(), &digest, &changed), Err(VerifyError::Mismatch));
        }
        let mut changed = digest.clone();
        let changed_place = place.index(changed.len());
        changed[changed_place] ^= 1 << bit;
        prop_assert_eq!(verify(&key.public_key(), &changed, &signature), Err(VerifyError::Mismatch));
    }
}

/// Random bytes, and bytes that look enough like a signature to reach the last line of the readers.
fn signature_like() -> impl Strategy<Value = Vec<u8>> {
    let bytes = |length| proptest::collection::vec(any::<u8>(), length);
    let number = move || (0_u16..80, bytes(0..80));
    let raw = (number(), number()).prop_map(|numbers| {
        let mut raw = Vec::new();
        for (length, mut bytes) in [numbers.0, numbers.1] {
            // Most often the length fits.
            let length = if length < 8 { length } else { bytes.len() as u16 };
            raw.extend(length.to_le_bytes());
            raw.append(&mut bytes);
        }
        raw
    });
    let whole = proptest::sample::select(vec![33_usize, 37, 49, 67, 64, 72, 96, 132]);
    let fixed = (2_u8..4, whole).prop_flat_map(move |(first, length)| {
        bytes(length..length + 1).prop_map(move |mut bytes| {
            bytes[0] = first;
            bytes
        })
    });
    prop_oneof![bytes(0..150), raw, fixed]
}

fn order_bits(curve: Curve) -> usize {
    let order = order(curve);
    let zeros: usize = order.iter().take_while(|&&byte| byte == 0).count();
    8 * (order.len() - zeros) - order[zeros].leading_zeros() as usize
}

/// number - other, both big-endian, the first not the smaller.
fn less(number: &[u8], other: &[u8]) -> Vec<u8> {
    let mut result = number.to_vec();
    let mut borrow = 0_i16;
    for index in 0..result.len() {
        let place = result.len() - 1 - index;
        let other = other.len().checked_sub(index + 1).map_or(0, |place| other[place]);
        let digit = i16::from(result[place]) - i16::from(other) - borrow;
        borrow = i16::from(digit < 0);
        result[place] = digit.rem_euclid(256) as u8;
    }
    assert_eq!(borrow, 0);
    result
}

fn rng(seed: u64) -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(seed)
}
