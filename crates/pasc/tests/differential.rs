//! OpenSSL, used as a second implementation of all four curves and of the envelope, agrees with this one. It is there with the
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
use openssl::bn::{BigNum, BigNumContext};
use openssl::derive::Deriver;
use openssl::ec::{EcGroup, EcKey, EcPoint, PointConversionForm};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::sha::sha512;
use openssl::sign::Signer;
use openssl::symm::{Cipher, Crypter, Mode};
use proptest::prelude::*;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;
use support::supported;

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
