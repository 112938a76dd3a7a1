//! Public keys are read and written as daemons do, and private keys keep their secret.

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
    Base58KeyError, Curve, KeyError, KeyPart, NULL_KEY_RAW, PrivateKey, PrivateKeyError, PublicKey,
};
use proptest::prelude::*;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;
use serde::Deserialize;
use support::{order, scalar, supported, unhex, vectors};

#[derive(Deserialize)]
struct File {
    vectors: Vec<Vector>,
}

#[derive(Deserialize)]
struct Vector {
    curve: String,
    nid: u16,
    private_key: String,
    x: String,
    y: String,
    enc_pubkey: String,
    b58_pubkey: String,
}

#[test]
fn the_daemons_keys_are_read_and_written_byte_for_byte() {
    let file: File = vectors("pubkeys.json");
    assert_eq!(file.vectors.len(), 6);
    let mut curves = HashSet::new();
    for vector in file.vectors {
        let raw = unhex(&vector.enc_pubkey);
        let (key, used) = PublicKey::parse_raw(&raw).unwrap();
        assert_eq!(used, raw.len());
        assert_eq!(key.curve().nid(), vector.nid);
        assert_eq!(key.curve().to_string(), vector.curve);
        assert_eq!((key.x(), key.y()), (&*unhex(&vector.x), &*unhex(&vector.y)));
        assert_eq!(key.to_raw(), raw);
        assert_eq!(key.to_base58(), vector.b58_pubkey);
        assert_eq!(vector.b58_pubkey.parse(), Ok(key.clone()));
        assert_eq!(key.minimal(), key);
        curves.insert(key.curve());

        if key.curve().is_supported() {
            let private = PrivateKey::from_scalar(key.curve(), &scalar(&vector.private_key)).unwrap();
            assert_eq!(private.public_key(), key);
            assert_eq!(key.check(), Ok(()));
        }
    }
    assert_eq!(curves.len(), 4);
}

#[test]
fn what_follows_a_raw_key_is_left_to_the_caller() {
    let raw = unhex("ca02010005010007aabbcc");
    let (key, used) = PublicKey::parse_raw(&raw).unwrap();
    assert_eq!((key.x(), key.y(), used), (&[5][..], &[7][..], 8));
}

#[test]
fn leading_zeros_make_another_key_of_the_same_point() {
    let (minimal, _) = PublicKey::parse_raw(&unhex("ca02010005010007")).unwrap();
    let (padded, _) = PublicKey::parse_raw(&unhex("ca020300000005010007")).unwrap();
    let (other, _) = PublicKey::parse_raw(&unhex("ca02010005010008")).unwrap();
    let (other_curve, _) = PublicKey::parse_raw(&unhex("cb02010005010007")).unwrap();
    assert_ne!(minimal, padded);
    assert_ne!(minimal.to_base58(), padded.to_base58());
    assert!(minimal.same_point(&padded));
    assert_eq!(padded.minimal(), minimal);
    assert!(!minimal.same_point(&other));
    assert!(!minimal.same_point(&other_curve));
}

#[test]
fn a_padded_key_is_still_a_point() {
    for curve in supported() {
        let key = PrivateKey::random(curve, &mut rng(1)).unwrap().public_key();
        let mut raw = key.curve().nid().to_le_bytes().to_vec();
        for coordinate in [key.x(), key.y()] {
            raw.extend([99, 0]);
            raw.extend(vec![0; 99 - coordinate.len()]);
            raw.extend(coordinate);
        }
        let (padded, _) = PublicKey::parse_raw(&raw).unwrap();
        assert_eq!(padded.check(), Ok(()));
        assert_eq!(padded.to_base58().parse(), Ok(padded));
    }
}

#[test]
fn broken_raw_keys_are_refused_by_name() {
    let truncated = |part, wanted, got| KeyError::Truncated { part, wanted, got };
    for (raw, error) in [
        ("", truncated(KeyPart::CurveNumber, 2, 0)),
        ("ca", truncated(KeyPart::CurveNumber, 2, 1)),
        ("ca0205", truncated(KeyPart::X, 2, 1)),
        ("ca02050001", truncated(KeyPart::X, 5, 1)),
        ("ca02010001", truncated(KeyPart::Y, 2, 0)),
        ("ca0201000102000f", truncated(KeyPart::Y, 2, 1)),
        ("c902", KeyError::UnknownCurve { nid: 713 }),
        ("ca026400", KeyError::CoordinateTooLong { part: KeyPart::X, bytes: 100 }),
        ("ca020000ffff", KeyError::CoordinateTooLong { part: KeyPart::Y, bytes: 65_535 }),
    ] {
        assert_eq!(PublicKey::parse_raw(&unhex(raw)), Err(error), "{raw}");
    }
    assert_eq!(PublicKey::parse_raw(&NULL_KEY_RAW), Err(KeyError::UnknownCurve { nid: 0 }));
}

#[test]
fn broken_base58_keys_are_refused_by_name() {
    let key: PublicKey =
        "3GhhboqQ6Xcdhe4cHnkywbCPR7FP3m1kYQq13UNorvnPTKMRFRKHGRkjLvJh2KzLxKurhzVACTB73fZmjjinpZBrbq6rHTZBsK7D5f"
            .parse()
            .unwrap();
    let text = key.to_base58();
    let parse = |text: &str| text.parse::<PublicKey>().unwrap_err();
    assert_eq!(parse(""), Base58KeyError::NotAKey);
    assert_eq!(parse("2"), Base58KeyError::NotAKey);
    assert_eq!(parse("1"), Base58KeyError::NotAKey);
    assert_eq!(parse(&text.replace('q', "0")), Base58KeyError::NotBase58);
    assert_eq!(parse(&text.replace('q', "r")), Base58KeyError::Checksum);
    assert_eq!(parse(&"z".repeat(1_000_000)), Base58KeyError::TooLong { bytes: 1_000_000 });
    // An address of another coin: right alphabet, other prefix.
    assert_eq!(parse("1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2"), Base58KeyError::NotAKey);

    assert_eq!(parse(&sealed_text(&unhex("ca02010005010007ff"))), Base58KeyError::Trailing { bytes: 1 });
    assert_eq!(parse(&sealed_text(&unhex("0000"))), Base58KeyError::Raw(KeyError::UnknownCurve { nid: 0 }));
}

/// Base58 with a right checksum of any bytes.
fn sealed_text(raw: &[u8]) -> String {
    use sha2::{Digest, Sha256};
    let mut bytes = vec![1];
    bytes.extend(raw);
    bytes.extend(&Sha256::digest(raw)[..4]);
    bs58::encode(bytes).into_string()
}

#[test]
fn the_longest_key_has_a_text_that_is_read() {
    let mut raw = vec![0xCC, 2];
    for _ in 0..2 {
        raw.extend([99, 0]);
        raw.extend([0xFF; 99]);
    }
    let (key, used) = PublicKey::parse_raw(&raw).unwrap();
    assert_eq!(used, raw.len());
    assert_eq!(key.to_base58().parse(), Ok(key));
}

#[test]
fn scalars_outside_the_order_are_refused() {
    for curve in supported() {
        let refused = |scalar: &[u8]| {
            assert_eq!(PrivateKey::from_scalar(curve, scalar).unwrap_err(), PrivateKeyError::OutOfRange(curve));
        };
        let order = order(curve);
        assert_eq!(order.len(), curve.field_bytes());
        refused(&[]);
        refused(&[0]);
        refused(&vec![0; curve.field_bytes()]);
        refused(&order);
        refused(&vec![0xFF; curve.field_bytes()]);
        refused(&vec![1; curve.field_bytes() + 1]);
        refused(&vec![1; 10_000]);

        let mut largest = order.clone();
        *largest.last_mut().unwrap() -= 1;
        let largest = PrivateKey::from_scalar(curve, &largest).unwrap();
        let one = PrivateKey::from_scalar(curve, &[1]).unwrap();
        // The base point and its negative share x.
        assert_eq!(largest.public_key().x(), one.public_key().x());
        assert_ne!(largest.public_key(), one.public_key());

        let mut padded = vec![0; 100];
        padded.push(1);
        let padded = PrivateKey::from_scalar(curve, &padded).unwrap();
        assert_eq!(padded.public_key(), one.public_key());
    }
}

#[test]
fn the_debug_form_of_a_private_key_shows_the_curve_alone() {
    let key = PrivateKey::from_scalar(Curve::Secp256k1, &[0xAB; 32]).unwrap();
    assert_eq!(format!("{key:?}"), "PrivateKey(secp256k1, ..)");
}

proptest! {
    #[test]
    fn no_bytes_make_the_raw_parser_panic(bytes in raw_like()) {
        if let Ok((key, used)) = PublicKey::parse_raw(&bytes) {
            prop_assert_eq!(key.to_raw(), &bytes[..used]);
            prop_assert_eq!(key.to_base58().parse(), Ok(key.clone()));
            prop_assert!(key.same_point(&key.minimal()));
            if key.curve().is_supported() {
                prop_assert!(key.check().is_err(), "a random key lay on its curve");
            }
        }
    }

    #[test]
    fn no_text_makes_the_base58_parser_panic(text in "([1-9A-HJ-NP-Za-km-z]{0,300}|.{0,300})") {
        if let Ok(key) = text.parse::<PublicKey>() {
            prop_assert_eq!(key.to_base58(), text);
        }
    }

    #[test]
    fn every_cut_of_a_raw_key_is_truncated(seed: u64, cut: usize) {
        let raw = PrivateKey::random(Curve::Secp256k1, &mut rng(seed)).unwrap().public_key().to_raw();
        let cut = cut % raw.len();
        let truncated = matches!(PublicKey::parse_raw(&raw[..cut]), Err(KeyError::Truncated { .. }));
        prop_assert!(truncated);
    }

    #[test]
    fn a_mistyped_base58_character_is_noticed(seed: u64, place: usize, other in "[1-9A-HJ-NP-Za-km-z]") {
        let key = PrivateKey::random(Curve::Secp256k1, &mut rng(seed)).unwrap().public_key();
        let mut text = key.to_base58();
        let place = place % text.len();
        prop_assume!(text[place..=place] != other);
        text.replace_range(place..=place, &other);
        prop_assert!(text.parse::<PublicKey>().is_err());
    }
}

/// Random bytes, and bytes that look enough like a key to reach the last line of the parser.
fn raw_like() -> impl Strategy<Value = Vec<u8>> {
    let bytes = |length| proptest::collection::vec(any::<u8>(), length);
    let nid = proptest::sample::select(vec![713_u16, 714, 715, 716, 729]);
    let coordinate = || (0_u16..110, bytes(0..110));
    let key = (nid, coordinate(), coordinate()).prop_map(|(nid, x, y)| {
        let mut raw = nid.to_le_bytes().to_vec();
        for (length, mut bytes) in [x, y] {
            // Most often the length fits.
            let length = if length < 10 { length } else { bytes.len() as u16 };
            raw.extend(length.to_le_bytes());
            raw.append(&mut bytes);
        }
        raw
    });
    prop_oneof![bytes(0..300), key]
}

fn rng(seed: u64) -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(seed)
}
