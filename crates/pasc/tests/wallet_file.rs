//! The keys of a wallet's file are read, its private keys come out with its password and with no other, and no bytes do harm.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs, reason = "a test fails by panicking")]

mod support;

use nightjar_pasc::aes_form;
use nightjar_pasc::key::{Curve, KeyError, PrivateKey, PublicKey};
use nightjar_pasc::wallet_file::{
    CONTAINER_BYTES_MAX, DecryptError, FILE_BYTES_MAX, KEYS_MAX, NAME_BYTES_MAX, WalletFile, WalletFileError,
};
use proptest::prelude::*;
use serde::Deserialize;
use support::{scalar, supported, unhex, vectors};

#[derive(Deserialize)]
struct Captured {
    file: String,
    keys: Vec<CapturedKey>,
}

#[derive(Deserialize)]
struct CapturedKey {
    name: String,
    nid: u16,
    enc_pubkey: String,
    plaintext_ascii_hex_private_key: String,
}

fn captured() -> Captured {
    vectors("wallet_file.json")
}

fn text(bytes: &[u8]) -> Vec<u8> {
    [&(bytes.len() as u16).to_le_bytes(), bytes].concat()
}

/// A file of this count, and what stands behind it.
fn file(count: u32, keys: &[Vec<u8>]) -> Vec<u8> {
    [text(b"TWalletKeys"), 100u32.to_le_bytes().to_vec(), count.to_le_bytes().to_vec(), keys.concat()].concat()
}

fn key(name: &[u8], public: &PublicKey, container: &[u8]) -> Vec<u8> {
    [text(name), public.to_raw(), text(container)].concat()
}

fn some_key() -> PrivateKey {
    PrivateKey::from_scalar(Curve::Secp256k1, &[7; 32]).unwrap()
}

#[test]
fn the_keys_of_a_daemons_file_are_listed_and_come_out_with_the_empty_password() {
    let captured = captured();
    let wallet = WalletFile::parse(&unhex(&captured.file)).unwrap();
    assert_eq!(wallet.keys().len(), 9);
    assert_eq!(wallet.keys().len(), captured.keys.len());
    let mut opened = 0;
    for (key, expected) in wallet.keys().iter().zip(captured.keys) {
        assert_eq!(key.name(), expected.name);
        assert_eq!(key.public_key().to_raw(), unhex(&expected.enc_pubkey));
        assert_eq!(key.public_key().curve().nid(), expected.nid);
        assert!(key.has_private_key());
        assert_eq!(wallet.find(key.public_key()).unwrap().public_key(), key.public_key());
        let curve = key.public_key().curve();
        if curve.is_supported() {
            let wanted = PrivateKey::from_scalar(curve, &scalar(&expected.plaintext_ascii_hex_private_key)).unwrap();
            // The public half says the whole of a key that is compared.
            assert_eq!(key.decrypt(b"").unwrap().public_key(), wanted.public_key());
            assert_eq!(key.decrypt(b"secret").unwrap_err(), DecryptError::Password);
            opened += 1;
        } else {
            assert!(matches!(key.decrypt(b"").unwrap_err(), DecryptError::Unsupported(_)));
        }
    }
    assert_eq!(opened, if supported().len() == 4 { 9 } else { 7 });
}

#[test]
fn a_file_is_read_whole_or_not_at_all() {
    let file = unhex(&captured().file);
    for end in 0..file.len() {
        assert!(WalletFile::parse(&file[..end]).is_err(), "{end} bytes");
    }
    let longer = [file.as_slice(), &[0; 3]].concat();
    assert_eq!(WalletFile::parse(&longer).unwrap_err(), WalletFileError::Trailing { bytes: 3 });
}

#[test]
fn another_version_and_another_file_are_told_apart() {
    let mut bytes = file(0, &[]);
    assert!(WalletFile::parse(&bytes).unwrap().keys().is_empty());
    bytes[13] = 101;
    assert_eq!(WalletFile::parse(&bytes).unwrap_err(), WalletFileError::Version { version: 101 });
    bytes[2] = b't';
    assert_eq!(WalletFile::parse(&bytes).unwrap_err(), WalletFileError::NotAWallet);
}

#[test]
fn a_count_no_file_holds_reserves_nothing() {
    assert_eq!(WalletFile::parse(&file(u32::MAX, &[])).unwrap_err(), WalletFileError::TooManyKeys);
    assert_eq!(WalletFile::parse(&file(KEYS_MAX as u32 + 1, &[])).unwrap_err(), WalletFileError::TooManyKeys);
    let claimed = WalletFile::parse(&file(KEYS_MAX as u32, &[]));
    assert_eq!(claimed.unwrap_err(), WalletFileError::Truncated { key: Some(1) });
}

#[test]
fn the_largest_of_everything_is_read_and_one_more_is_not() {
    let public = some_key().public_key();
    let read = |name: usize, container: usize| {
        WalletFile::parse(&file(1, &[key(&vec![b'n'; name], &public, &vec![1; container])]))
            .map(|wallet| wallet.keys().len())
    };
    assert_eq!(read(NAME_BYTES_MAX, CONTAINER_BYTES_MAX), Ok(1));
    assert_eq!(read(NAME_BYTES_MAX + 1, 0), Err(WalletFileError::NameTooLong { key: 1, bytes: NAME_BYTES_MAX + 1 }));
    assert_eq!(
        read(0, CONTAINER_BYTES_MAX + 1),
        Err(WalletFileError::ContainerTooLong { key: 1, bytes: CONTAINER_BYTES_MAX + 1 })
    );
    let full = file(KEYS_MAX as u32, &vec![key(b"", &public, &[1; 160]); KEYS_MAX]);
    assert_eq!(WalletFile::parse(&full).unwrap().keys().len(), KEYS_MAX);
    let bytes = FILE_BYTES_MAX + 1;
    assert_eq!(WalletFile::parse(&vec![0; bytes]).unwrap_err(), WalletFileError::TooLong { bytes });
}

#[test]
fn a_key_that_is_only_watched_has_no_private_half() {
    let public = some_key().public_key();
    let wallet = WalletFile::parse(&file(1, &[key(b"theirs", &public, b"")])).unwrap();
    assert!(!wallet.keys()[0].has_private_key());
    assert_eq!(wallet.keys()[0].decrypt(b"").unwrap_err(), DecryptError::PublicOnly);
}

#[test]
fn a_private_key_of_another_public_one_is_refused() {
    let public = some_key().public_key();
    for (scalar, error) in [
        ("08".repeat(32), DecryptError::OtherKey),
        ("00".repeat(32), DecryptError::OtherKey),
        ("FF".repeat(32), DecryptError::OtherKey),
        ("07".repeat(31) + "0", DecryptError::Password),
        (String::new(), DecryptError::Password),
        ("no hex at all".to_owned(), DecryptError::Password),
    ] {
        let container = aes_form::seal_with_salt(b"", scalar.as_bytes(), [1; 8]);
        let wallet = WalletFile::parse(&file(1, &[key(b"", &public, &container)])).unwrap();
        assert_eq!(wallet.keys()[0].decrypt(b"").unwrap_err(), error, "{scalar:?}");
    }
}

#[test]
fn a_key_of_no_curve_is_named_by_its_number() {
    let key = key(b"first", &some_key().public_key(), b"");
    let wrong = [text(b"second"), vec![0; 6], text(b"")].concat();
    let error = KeyError::UnknownCurve { nid: 0 };
    assert_eq!(WalletFile::parse(&file(2, &[key, wrong])).unwrap_err(), WalletFileError::PublicKey { key: 2, error });
}

#[test]
fn what_is_printed_for_debugging_has_no_secret() {
    let wallet = WalletFile::parse(&unhex(&captured().file)).unwrap();
    let printed = format!("{wallet:?}");
    assert!(printed.contains("test sect283k1") && printed.contains("3Ghhb"));
    assert!(!printed.contains("83, 97, 108, 116"), "the container's first bytes");
}

proptest! {
    #[test]
    fn a_key_under_any_name_and_password_comes_out_again(
        name in prop::collection::vec(any::<u8>(), 0..80),
        password in prop::collection::vec(any::<u8>(), 0..40),
        other in prop::collection::vec(any::<u8>(), 0..40),
        scalar in prop::array::uniform32(1u8..255),
        salt: [u8; 8],
    ) {
        let private = PrivateKey::from_scalar(Curve::Secp256k1, &scalar).unwrap();
        let hex: String = scalar.iter().map(|byte| format!("{byte:02X}")).collect();
        let container = aes_form::seal_with_salt(&password, hex.as_bytes(), salt);
        let wallet = WalletFile::parse(&file(1, &[key(&name, &private.public_key(), &container)])).unwrap();
        let found = &wallet.keys()[0];
        prop_assert_eq!(found.name(), String::from_utf8_lossy(&name));
        prop_assert_eq!(found.decrypt(&password).unwrap().public_key(), private.public_key());
        if other != password {
            prop_assert!(found.decrypt(&other).is_err());
        }
    }

    #[test]
    fn whatever_comes_does_no_harm(count in 0u32..4, bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(WalletFile::parse(&bytes).is_err(), "without the magic");
        if let Ok(wallet) = WalletFile::parse(&file(count, &[bytes])) {
            prop_assert_eq!(wallet.keys().len(), count as usize);
        }
    }
}

proptest! {
    // Slow curves are computed with for each of the keys.
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn a_changed_file_never_gives_another_key(place: prop::sample::Index, value: u8) {
        let captured = captured();
        let mut bytes = unhex(&captured.file);
        let place = place.index(bytes.len());
        bytes[place] = value;
        if let Ok(wallet) = WalletFile::parse(&bytes) {
            for key in wallet.keys() {
                if let Ok(private) = key.decrypt(b"") {
                    prop_assert!(private.public_key().same_point(key.public_key()));
                    prop_assert!(captured.keys.iter().any(|known| unhex(&known.enc_pubkey) == private.public_key().to_raw()));
                }
            }
        }
    }
}
