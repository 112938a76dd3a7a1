//! OpenSSL, used as a second implementation of all four curves, of the envelope and of signatures, agrees with this one. It is there with the
//! feature `sect283k1` only.
#![cfg(feature = "sect283k1")]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    reason = "a test fails by panicking"
)]

mod support;

use nightjar_pasc::ecies::{open, seal};
use nightjar_pasc::key::{Curve, PrivateKey, PublicKey};
use nightjar_pasc::signature::{Signature, VerifyError, sign, verify};
use openssl::bn::{BigNum, BigNumContext};
use openssl::derive::Deriver;
use openssl::ec::{EcGroup, EcKey, EcPoint, PointConversionForm};
use openssl::ecdsa::EcdsaSig;
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::sha::sha512;
use openssl::sign::Signer;
use openssl::symm::{Cipher, Crypter, Mode};
use proptest::prelude::*;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use support::{order, supported};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn both_open_what_the_other_sealed(
        seed: u64,
        curve in proptest::sample::select(supported()),
        plaintext in proptest::collection::vec(any::<u8>(), 0..100),
    ) {
        let theirs = EcKey::generate(&group(curve)).unwrap();
        let raw = raw_of(curve, &theirs);
        let (to, used) = PublicKey::parse_raw(&raw).unwrap();
        prop_assert_eq!(used, raw.len());

        let ours = PrivateKey::from_scalar(curve, &theirs.private_key().to_vec()).unwrap();
        prop_assert_eq!(ours.public_key(), to.clone());

        let envelope = seal(&to, &plaintext, &mut ChaCha20Rng::seed_from_u64(seed)).unwrap();
        prop_assert_eq!(openssl_open(curve, &theirs, &envelope), plaintext.clone());

        let envelope = openssl_seal(curve, &theirs, &plaintext);
        prop_assert_eq!(open(&ours, &envelope), Ok(plaintext));
    }

    #[test]
    fn both_take_the_same_coordinates_for_points(
        seed: u64,
        curve in proptest::sample::select(supported()),
        bit in 0_usize..8 * 36,
        second: bool,
    ) {
        let key = PrivateKey::random(curve, &mut ChaCha20Rng::seed_from_u64(seed)).unwrap().public_key();
        let mut coordinates = [key.x().to_vec(), key.y().to_vec()];
        let moved = &mut coordinates[usize::from(second)];
        let place = bit / 8 % moved.len();
        moved[place] ^= 1 << (bit % 8);
        let [x, y] = coordinates;
        let mut raw = curve.nid().to_le_bytes().to_vec();
        for coordinate in [&x, &y] {
            raw.extend((coordinate.len() as u16).to_le_bytes());
            raw.extend(coordinate);
        }
        let (moved, _) = PublicKey::parse_raw(&raw).unwrap();
        let theirs = EcKey::from_public_key_affine_coordinates(
            &group(curve),
            &BigNum::from_slice(&x).unwrap(),
            &BigNum::from_slice(&y).unwrap(),
        )
        .and_then(|key| key.check_key());
        prop_assert_eq!(moved.check().is_ok(), theirs.is_ok());
    }
}

/// Digests of every length from none to longer than any order. The bits of some are all ones, so that as a number they are above it.
#[test]
fn both_accept_the_signatures_of_the_other_whatever_the_length_of_the_digest() {
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    for curve in supported() {
        let theirs = EcKey::generate(&group(curve)).unwrap();
        let ours = PrivateKey::from_scalar(curve, &theirs.private_key().to_vec()).unwrap();
        let public = ours.public_key();
        for length in 0..=100 {
            let mut random = vec![0; length];
            rng.fill_bytes(&mut random);
            for digest in [random, vec![0xFF; length], vec![0; length]] {
                let signature = sign(&ours, &digest, &mut rng);
                assert!(openssl_verify(&theirs, &digest, &signature), "{curve} {length}");

                let signature = openssl_sign(curve, &theirs, &digest);
                assert_eq!(verify(&public, &digest, &signature), Ok(()), "{curve} {length}");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// With numbers changed, other keys and other digests: what the one calls a match is one for the other.
    #[test]
    fn both_judge_signatures_alike(
        seed: u64,
        curve in proptest::sample::select(supported()),
        digest in proptest::collection::vec(any::<u8>(), 0..=100),
        other in proptest::collection::vec(any::<u8>(), 0..=100),
        change in 0..5,
        place: prop::sample::Index,
        bit in 0_u8..8,
    ) {
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let theirs = EcKey::generate(&group(curve)).unwrap();
        let ours = PrivateKey::from_scalar(curve, &theirs.private_key().to_vec()).unwrap();
        let by_us = seed.is_multiple_of(2);
        let signature =
            if by_us { sign(&ours, &digest, &mut rng) } else { openssl_sign(curve, &theirs, &digest) };
        let (mut judged, mut signature) = (digest.clone(), signature);
        match change {
            0 => {}
            // A bit of the digest; those behind the order's length do not count.
            1 if !judged.is_empty() => {
                let place = place.index(judged.len());
                judged[place] ^= 1 << bit;
            }
            1 | 2 => judged = other,
            3 => {
                let mut fixed = signature.to_fixed();
                let place = place.index(fixed.len());
                fixed[place] ^= 1 << bit;
                signature = Signature::parse_fixed(curve, &fixed).unwrap_or(signature);
            }
            _ => signature = Signature::from_scalars(curve, signature.r(), &negated(curve, signature.s())).unwrap(),
        }
        let said = verify(&ours.public_key(), &judged, &signature);
        prop_assert!(matches!(said, Ok(()) | Err(VerifyError::Mismatch)));
        prop_assert_eq!(said.is_ok(), openssl_verify(&theirs, &judged, &signature));
        if matches!(change, 0 | 4) {
            prop_assert_eq!(said, Ok(()));
        }
    }

    #[test]
    fn both_compress_points_alike(seed: u64, curve in proptest::sample::select(supported())) {
        let key = PrivateKey::random(curve, &mut ChaCha20Rng::seed_from_u64(seed)).unwrap().public_key();
        let point = EcKey::from_public_key_affine_coordinates(
            &group(curve),
            &BigNum::from_slice(key.x()).unwrap(),
            &BigNum::from_slice(key.y()).unwrap(),
        )
        .unwrap();
        let mut context = BigNumContext::new().unwrap();
        let compressed =
            point.public_key().to_bytes(&group(curve), PointConversionForm::COMPRESSED, &mut context).unwrap();
        prop_assert_eq!(key.to_compressed(), Ok(compressed.clone()));
        prop_assert_eq!(PublicKey::from_compressed(curve, &compressed), Ok(key));
    }

    #[test]
    fn both_take_the_same_bytes_for_compressed_points(
        curve in proptest::sample::select(supported()),
        sign in 2_u8..4,
        bytes: [u8; 66],
    ) {
        let mut point = vec![sign];
        point.extend(&bytes[..curve.field_bytes()]);
        // Bits above the field's would make nearly all of them too large.
        point[1] &= if curve == Curve::Secp521r1 { 1 } else if curve == Curve::Sect283k1 { 7 } else { 0xFF };
        let mut context = BigNumContext::new().unwrap();
        let theirs = EcPoint::from_bytes(&group(curve), &point, &mut context)
            .and_then(|point| EcKey::from_public_key(&group(curve), &point))
            .and_then(|key| key.check_key());
        prop_assert_eq!(PublicKey::from_compressed(curve, &point).is_ok(), theirs.is_ok());
    }
}

#[test]
fn both_know_the_same_orders() {
    for curve in supported() {
        let (mut theirs, mut context) = (BigNum::new().unwrap(), BigNumContext::new().unwrap());
        group(curve).order(&mut theirs, &mut context).unwrap();
        assert_eq!(BigNum::from_slice(&order(curve)).unwrap(), theirs);
    }
}

fn group(curve: Curve) -> EcGroup {
    EcGroup::from_curve_name(Nid::from_raw(curve.nid().into())).unwrap()
}

fn raw_of(curve: Curve, key: &EcKey<Private>) -> Vec<u8> {
    let mut context = BigNumContext::new().unwrap();
    let (mut x, mut y) = (BigNum::new().unwrap(), BigNum::new().unwrap());
    key.public_key().affine_coordinates(key.group(), &mut x, &mut y, &mut context).unwrap();
    let mut raw = curve.nid().to_le_bytes().to_vec();
    for coordinate in [x.to_vec(), y.to_vec()] {
        raw.extend((coordinate.len() as u16).to_le_bytes());
        raw.extend(coordinate);
    }
    raw
}

fn openssl_sign(curve: Curve, key: &EcKey<Private>, digest: &[u8]) -> Signature {
    let signature = EcdsaSig::sign(digest, key).unwrap();
    Signature::from_scalars(curve, &signature.r().to_vec(), &signature.s().to_vec()).unwrap()
}

fn openssl_verify(key: &EcKey<Private>, digest: &[u8], signature: &Signature) -> bool {
    let [r, s] = [signature.r(), signature.s()].map(|number| BigNum::from_slice(number).unwrap());
    EcdsaSig::from_private_components(r, s).unwrap().verify(digest, key).unwrap()
}

/// The order less the number.
fn negated(curve: Curve, number: &[u8]) -> Vec<u8> {
    let mut result = BigNum::new().unwrap();
    let order = BigNum::from_slice(&order(curve)).unwrap();
    result.checked_sub(&order, &BigNum::from_slice(number).unwrap()).unwrap();
    result.to_vec()
}

fn openssl_seal(curve: Curve, to: &EcKey<Private>, plaintext: &[u8]) -> Vec<u8> {
    let group = group(curve);
    let ephemeral = EcKey::generate(&group).unwrap();
    let mut context = BigNumContext::new().unwrap();
    let point = ephemeral.public_key().to_bytes(&group, PointConversionForm::COMPRESSED, &mut context).unwrap();
    let keys = keys(&ephemeral, &EcKey::from_public_key(&group, to.public_key()).unwrap());
    let mut padded = plaintext.to_vec();
    padded.resize(plaintext.len().next_multiple_of(16), 0);
    let body = aes(Mode::Encrypt, &keys, &padded);
    let mut envelope = vec![point.len() as u8, 16];
    envelope.extend((plaintext.len() as u16).to_le_bytes());
    envelope.extend((body.len() as u16).to_le_bytes());
    envelope.extend(point);
    envelope.extend(mac(&keys, &body));
    envelope.extend(body);
    envelope
}

fn openssl_open(curve: Curve, key: &EcKey<Private>, envelope: &[u8]) -> Vec<u8> {
    let group = group(curve);
    let (point, sealed) = envelope[6..].split_at(usize::from(envelope[0]));
    let (claimed, body) = sealed.split_at(16);
    let mut context = BigNumContext::new().unwrap();
    let point = EcPoint::from_bytes(&group, point, &mut context).unwrap();
    let keys = keys(key, &EcKey::from_public_key(&group, &point).unwrap());
    assert_eq!(mac(&keys, body), claimed);
    let mut plaintext = aes(Mode::Decrypt, &keys, body);
    plaintext.truncate(usize::from(u16::from_le_bytes([envelope[2], envelope[3]])));
    plaintext
}

fn keys(key: &EcKey<Private>, peer: &EcKey<openssl::pkey::Public>) -> [u8; 64] {
    let key = PKey::from_ec_key(key.clone()).unwrap();
    let peer = PKey::from_ec_key(peer.clone()).unwrap();
    let mut deriver = Deriver::new(&key).unwrap();
    deriver.set_peer(&peer).unwrap();
    sha512(&deriver.derive_to_vec().unwrap())
}

fn mac(keys: &[u8; 64], body: &[u8]) -> Vec<u8> {
    let key = PKey::hmac(&keys[32..]).unwrap();
    let mut signer = Signer::new(MessageDigest::md5(), &key).unwrap();
    signer.sign_oneshot_to_vec(body).unwrap()
}

fn aes(mode: Mode, keys: &[u8; 64], input: &[u8]) -> Vec<u8> {
    let mut crypter = Crypter::new(Cipher::aes_256_cbc(), mode, &keys[..32], Some(&[0; 16])).unwrap();
    crypter.pad(false);
    let mut output = vec![0; input.len() + 16];
    let length = crypter.update(input, &mut output).unwrap();
    let rest = crypter.finalize(&mut output[length..]).unwrap();
    output.truncate(length + rest);
    output
}
