//! Envelopes made by a daemon open, and ours are byte for byte those that a daemon opened. Tampered ones are refused.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    reason = "a test fails by panicking"
)]

mod support;

use nightjar_pasc::ecies::{OpenError, PLAINTEXT_BYTES_MAX, SealError, open, seal, seal_with_ephemeral};
use nightjar_pasc::key::{Curve, PointError, PrivateKey, PrivateKeyError, PublicKey, Unsupported};
use proptest::prelude::*;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;
use serde::Deserialize;
use support::{scalar, supported, unhex, vectors};

#[derive(Deserialize)]
struct File<T> {
    vectors: Vec<T>,
}

#[derive(Deserialize)]
struct DaemonMade {
    nid: u16,
    private_key: String,
    plaintext: String,
    ciphertext: String,
}

#[derive(Deserialize)]
struct ClientMade {
    nid: u16,
    private_key: String,
    enc_pubkey: String,
    ephemeral_private_key: String,
    plaintext: String,
    ciphertext: String,
}

#[derive(Deserialize)]
struct MessageFrame {
    nid: u16,
    recipient_private_key: String,
    recipient_enc_pubkey: String,
    envelope: String,
    plaintext: String,
}

#[test]
fn envelopes_made_by_a_daemon_open() {
    let file: File<DaemonMade> = vectors("ecies.json");
    let mut opened = 0;
    for vector in &file.vectors {
        let curve = Curve::from_nid(vector.nid).unwrap();
        if let Some(key) = private(curve, &vector.private_key) {
            let plaintext = open(&key, &unhex(&vector.ciphertext));
            assert_eq!(plaintext, Ok(unhex(&vector.plaintext)), "{curve}");
            opened += 1;
        }
    }
    assert_eq!((file.vectors.len(), opened), (18, of_this_build(18, 4)));
}

#[test]
fn an_envelope_is_byte_for_byte_one_that_a_daemon_opened() {
    let file: File<ClientMade> = vectors("ecies_client_made.json");
    let mut sealed = 0;
    for vector in &file.vectors {
        let curve = Curve::from_nid(vector.nid).unwrap();
        let (to, _) = PublicKey::parse_raw(&unhex(&vector.enc_pubkey)).unwrap();
        if let Some(ephemeral) = private(curve, &vector.ephemeral_private_key) {
            let plaintext = unhex(&vector.plaintext);
            let envelope = seal_with_ephemeral(&to, &plaintext, &ephemeral);
            assert_eq!(envelope, Ok(unhex(&vector.ciphertext)), "{curve}");

            let key = private(curve, &vector.private_key).unwrap();
            assert_eq!(key.public_key(), to);
            assert_eq!(open(&key, &envelope.unwrap()), Ok(plaintext));
            sealed += 1;
        }
    }
    assert_eq!((file.vectors.len(), sealed), (4, of_this_build(4, 1)));
}

#[test]
fn what_a_wallet_wrote_to_a_node_can_be_read() {
    let file: File<MessageFrame> = vectors("message_frames.json");
    let mut opened = 0;
    for vector in &file.vectors {
        let curve = Curve::from_nid(vector.nid).unwrap();
        if let Some(key) = private(curve, &vector.recipient_private_key) {
            assert_eq!(key.public_key().to_raw(), unhex(&vector.recipient_enc_pubkey));
            let plaintext = open(&key, &unhex(&vector.envelope));
            assert_eq!(plaintext, Ok(vector.plaintext.clone().into_bytes()), "{curve}");
            opened += 1;
        }
    }
    assert_eq!((file.vectors.len(), opened), (12, of_this_build(12, 3)));
}

/// The key, or none on a curve that this build reports as unsupported. Any other refusal fails the test.
fn private(curve: Curve, text: &str) -> Option<PrivateKey> {
    match PrivateKey::from_scalar(curve, &scalar(text)) {
        Ok(key) => Some(key),
        Err(error) => {
            let unsupported = PrivateKeyError::Unsupported(Unsupported(Curve::Sect283k1));
            assert_eq!(error, unsupported);
            assert!(!curve.is_supported());
            None
        }
    }
}

fn of_this_build(all: usize, on_sect283k1: usize) -> usize {
    if cfg!(feature = "sect283k1") { all } else { all - on_sect283k1 }
}

#[test]
#[cfg(not(feature = "sect283k1"))]
fn keys_this_build_cannot_compute_with_are_unsupported_and_never_invalid() {
    let unsupported = Unsupported(Curve::Sect283k1);
    let file: File<ClientMade> = vectors("ecies_client_made.json");
    let vector = file.vectors.iter().find(|vector| vector.nid == 729).unwrap();
    let (to, _) = PublicKey::parse_raw(&unhex(&vector.enc_pubkey)).unwrap();
    assert_eq!(to.to_base58().parse(), Ok(to.clone()));

    assert_eq!(to.check(), Err(PointError::Unsupported(unsupported)));
    assert_eq!(seal(&to, b"text", &mut rng(0)), Err(SealError::Recipient(PointError::Unsupported(unsupported))));
    // Even a key that could not be valid: this build does not know.
    let no_point = unhex("d902010005010007");
    let (no_point, _) = PublicKey::parse_raw(&no_point).unwrap();
    assert_eq!(no_point.check(), Err(PointError::Unsupported(unsupported)));
    assert_eq!(PrivateKey::from_scalar(Curve::Sect283k1, &[0]).unwrap_err(), PrivateKeyError::Unsupported(unsupported));
    assert_eq!(PrivateKey::random(Curve::Sect283k1, &mut rng(0)).unwrap_err(), unsupported);
    let message = unsupported.to_string();
    assert!(message.contains("not supported by this build"), "{message}");
}

#[test]
fn nothing_is_sealed_for_a_key_that_is_no_point() {
    for curve in supported() {
        let nid = curve.nid().to_le_bytes();
        // The first is what a daemon accepts in a HELLO, the second is too long for any field, the third says infinity.
        let mut long = vec![nid[0], nid[1], 99, 0];
        long.extend([1; 99]);
        long.extend([1, 0, 1]);
        for raw in [vec![nid[0], nid[1], 1, 0, 5, 1, 0, 7], long, vec![nid[0], nid[1], 0, 0, 0, 0]] {
            let (to, used) = PublicKey::parse_raw(&raw).unwrap();
            assert_eq!(used, raw.len());
            assert_eq!(seal(&to, b"text", &mut rng(1)), Err(SealError::Recipient(PointError::Invalid(curve))));
        }
    }
}

#[test]
fn an_ephemeral_point_outside_the_curve_is_refused() {
    for curve in supported() {
        let key = PrivateKey::random(curve, &mut rng(2)).unwrap();
        let envelope = seal(&key.public_key(), b"text", &mut rng(3)).unwrap();
        let point_end = 6 + 1 + curve.field_bytes();

        let mut above_the_field = envelope.clone();
        above_the_field[7..point_end].fill(0xFF);
        assert_eq!(open(&key, &above_the_field), Err(OpenError::Point(curve)));
        // Forms of SEC1 that do not belong here: infinity, uncompressed, compact, hybrid.
        for tag in [0, 4, 5, 6, 7, 0xFF] {
            let mut other_form = envelope.clone();
            other_form[6] = tag;
            assert_eq!(open(&key, &other_form), Err(OpenError::Point(curve)), "{tag}");
        }
        // About every second x has no point.
        let refused = (0..32)
            .filter(|bit| {
                let mut moved = envelope.clone();
                moved[point_end - 1 - bit / 8] ^= 1 << (bit % 8);
                match open(&key, &moved) {
                    Err(OpenError::Point(of)) => of == curve,
                    Err(OpenError::Mac) => false,
                    other => panic!("{other:?}"),
                }
            })
            .count();
        assert!((1..32).contains(&refused), "{curve}: {refused} of 32");
    }
}

/// A point of order 2 makes the shared secret depend on one bit of the private scalar alone.
#[test]
#[cfg(feature = "sect283k1")]
fn points_of_small_order_are_refused() {
    let curve = Curve::Sect283k1;
    // (0, 1) lies on y^2 + xy = x^3 + 1 and is its own negative.
    let (order_two, _) = PublicKey::parse_raw(&unhex("d902010000010001")).unwrap();
    assert_eq!(order_two.check(), Err(PointError::Invalid(curve)));
    assert_eq!(seal(&order_two, b"text", &mut rng(4)), Err(SealError::Recipient(PointError::Invalid(curve))));
    let key = PrivateKey::random(curve, &mut rng(5)).unwrap();
    let mut envelope = seal(&key.public_key(), b"text", &mut rng(6)).unwrap();
    envelope[6] = 2;
    envelope[7..43].fill(0);
    assert_eq!(open(&key, &envelope), Err(OpenError::Point(curve)));
}

#[test]
fn every_flipped_bit_of_mac_and_body_is_refused() {
    for curve in supported() {
        let key = PrivateKey::random(curve, &mut rng(7)).unwrap();
        let envelope = seal(&key.public_key(), b"seventeen letters", &mut rng(8)).unwrap();
        let sealed_from = 6 + 1 + curve.field_bytes();
        for bit in 8 * sealed_from..8 * envelope.len() {
            let mut flipped = envelope.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(open(&key, &flipped), Err(OpenError::Mac), "{curve}, bit {bit}");
        }
    }
}

#[test]
fn a_text_cannot_be_shortened_by_its_length_field() {
    let key = PrivateKey::random(Curve::Secp256k1, &mut rng(9)).unwrap();
    let mut envelope = seal(&key.public_key(), b"do not pay", &mut rng(10)).unwrap();
    envelope[2] = 2;
    assert_eq!(open(&key, &envelope), Err(OpenError::Padding));
}

#[test]
fn another_key_does_not_open() {
    for curve in supported() {
        let key = PrivateKey::random(curve, &mut rng(11)).unwrap();
        let other = PrivateKey::random(curve, &mut rng(12)).unwrap();
        let envelope = seal(&key.public_key(), b"text", &mut rng(13)).unwrap();
        assert_eq!(open(&other, &envelope), Err(OpenError::Mac));
    }
    let key = PrivateKey::random(Curve::Secp256k1, &mut rng(14)).unwrap();
    let other = PrivateKey::random(Curve::Secp384r1, &mut rng(15)).unwrap();
    let envelope = seal(&key.public_key(), b"text", &mut rng(16)).unwrap();
    assert_eq!(open(&other, &envelope), Err(OpenError::PointLength { curve: Curve::Secp384r1, got: 33 }));
}

#[test]
fn lengths_that_do_not_fit_are_refused_before_use() {
    let key = PrivateKey::random(Curve::Secp256k1, &mut rng(17)).unwrap();
    let envelope = seal(&key.public_key(), b"text", &mut rng(18)).unwrap();
    let with = |place: usize, bytes: &[u8]| {
        let mut changed = envelope.clone();
        changed[place..place + bytes.len()].copy_from_slice(bytes);
        open(&key, &changed).unwrap_err()
    };
    let curve = Curve::Secp256k1;
    assert_eq!(with(0, &[0xFF]), OpenError::PointLength { curve, got: 255 });
    assert_eq!(with(0, &[0]), OpenError::PointLength { curve, got: 0 });
    assert_eq!(with(1, &[0xFF]), OpenError::MacLength { got: 255 });
    assert_eq!(with(1, &[0]), OpenError::MacLength { got: 0 });
    assert_eq!(with(2, &[17, 0]), OpenError::BodyLength { plaintext: 17, body: 16 });
    assert_eq!(with(2, &[0xFF; 4]), OpenError::BodyLength { plaintext: 65_535, body: 65_535 });
    assert_eq!(with(2, &[0xF0, 0xFF, 0xF0, 0xFF]), OpenError::Length { wanted: 6 + 33 + 16 + 65_520, got: 71 });
    for length in 0..envelope.len() {
        assert!(matches!(
            open(&key, &envelope[..length]),
            Err(OpenError::Length { got, .. }) if got == length
        ));
    }
    let mut longer = envelope.clone();
    longer.push(0);
    assert_eq!(open(&key, &longer), Err(OpenError::Length { wanted: 71, got: 72 }));
}

#[test]
fn the_longest_text_is_sealed_and_one_byte_more_is_not() {
    let key = PrivateKey::random(Curve::Secp256k1, &mut rng(19)).unwrap();
    let text = vec![7; PLAINTEXT_BYTES_MAX + 1];
    let (_, longest) = text.split_first().unwrap();
    let envelope = seal(&key.public_key(), longest, &mut rng(20)).unwrap();
    assert_eq!(open(&key, &envelope).as_deref(), Ok(longest));
    assert_eq!(seal(&key.public_key(), &text, &mut rng(21)), Err(SealError::TooLong { bytes: 65_521 }));
}

#[test]
fn an_ephemeral_key_of_another_curve_is_refused() {
    let to = PrivateKey::random(Curve::Secp256k1, &mut rng(22)).unwrap();
    let ephemeral = PrivateKey::random(Curve::Secp521r1, &mut rng(23)).unwrap();
    assert_eq!(
        seal_with_ephemeral(&to.public_key(), b"text", &ephemeral),
        Err(SealError::OtherCurve { to: Curve::Secp256k1, ephemeral: Curve::Secp521r1 })
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_sealed_opens_on_every_curve(
        seed: u64,
        plaintext in proptest::collection::vec(any::<u8>(), 0..600),
    ) {
        for curve in supported() {
            let mut rng = rng(seed);
            let key = PrivateKey::random(curve, &mut rng).unwrap();
            let envelope = seal(&key.public_key(), &plaintext, &mut rng).unwrap();
            prop_assert_eq!(open(&key, &envelope), Ok(plaintext.clone()));
        }
    }

    #[test]
    fn a_flipped_bit_never_makes_another_text_but_for_the_zeros_at_its_end(
        seed: u64,
        plaintext in proptest::collection::vec(any::<u8>(), 0..80),
        bit: usize,
    ) {
        let mut rng = rng(seed);
        let key = PrivateKey::random(Curve::Secp256k1, &mut rng).unwrap();
        let mut envelope = seal(&key.public_key(), &plaintext, &mut rng).unwrap();
        let bit = bit % (8 * envelope.len());
        envelope[bit / 8] ^= 1 << (bit % 8);
        if let Ok(opened) = open(&key, &envelope) {
            let end = |text: &[u8]| text.iter().rposition(|&byte| byte != 0);
            prop_assert_eq!(end(&opened), end(&plaintext));
            let common = opened.len().min(plaintext.len());
            prop_assert_eq!(&opened[..common], &plaintext[..common]);
        }
    }

    #[test]
    fn no_bytes_make_open_panic(
        curve in proptest::sample::select(supported()),
        bytes in proptest::collection::vec(any::<u8>(), 0..300),
    ) {
        let key = PrivateKey::random(curve, &mut rng(24)).unwrap();
        prop_assert!(open(&key, &bytes).is_err());
    }
}

fn rng(seed: u64) -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(seed)
}
