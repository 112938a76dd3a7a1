//! The worked examples of `docs/wire/pascalcoin-formats.md` are true: each step is computed here, and then looked for on the page.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    reason = "a test fails by panicking"
)]

mod support;

use aes::Aes256;
use cbc::cipher::block_padding::NoPadding;
use cbc::cipher::{BlockModeDecrypt, KeyIvInit};
use hmac::{Hmac, KeyInit, Mac};
use md5::Md5;
use nightjar_pasc::account::AccountNumber;
use nightjar_pasc::ecies::open;
use nightjar_pasc::key::{Curve, PrivateKey};
use sha2::{Digest, Sha256, Sha512};
use support::unhex;

const PAGE: &str = include_str!("../../../docs/wire/pascalcoin-formats.md");

#[test]
fn the_account_numbers_are_right() {
    for account in [1234, u32::MAX] {
        shown(&format!("`{}`", AccountNumber::new(account)));
    }
}

#[test]
fn the_key_is_right() {
    let key = private().public_key();
    let raw = key.to_raw();
    assert_eq!(raw.len(), 2 * (2 + 32) + 2);
    shown(&format!("raw             {}", hex(&raw[..2])));
    shown(&format!("{} {}", hex(&raw[2..4]), hex(&raw[4..36])));
    shown(&format!("{} {}", hex(&raw[36..38]), hex(&raw[38..])));
    shown(&format!("SHA-256(raw)    {}...", hex(&Sha256::digest(&raw)[..4])));
    shown(&key.to_base58());
}

#[test]
fn the_envelope_is_right() {
    let part = |name: &str| {
        let line = PAGE.lines().rfind(|line| line.trim_start().starts_with(name)).unwrap();
        unhex(&line.trim_start()[name.len()..].replace(' ', ""))
    };
    let envelope = [part("header"), part("point"), part("MAC"), part("body")].concat();
    assert_eq!(open(&private(), &envelope), Ok(b"A".to_vec()));

    let keys = Sha512::digest(part("x "));
    assert_eq!((part("AES key"), part("HMAC key")), (keys[..32].to_vec(), keys[32..].to_vec()));
    let mac = Hmac::<Md5>::new_from_slice(&part("HMAC key")).unwrap().chain_update(part("body")).finalize();
    assert_eq!(mac.into_bytes()[..], part("MAC"));
    let decrypted = cbc::Decryptor::<Aes256>::new_from_slices(&part("AES key"), &[0; 16])
        .unwrap()
        .decrypt_padded_vec::<NoPadding>(&part("body"))
        .unwrap();
    assert_eq!(decrypted, part("decrypted"));
}

fn private() -> PrivateKey {
    let scalar = "8393ac46e350683b22411685c4ba8470a6a3c83365c85251c8cf206c158dc0c1";
    shown(scalar);
    PrivateKey::from_scalar(Curve::Secp256k1, &unhex(scalar)).unwrap()
}

fn shown(text: &str) {
    assert!(PAGE.contains(text), "the page does not show {text}");
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
