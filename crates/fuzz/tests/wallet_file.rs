//! No bytes upset the reader of a wallet's file, and no key comes out that does not belong to its public half.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail loudly")]

use nightjar_pasc::aes_form::seal_with_salt;
use nightjar_pasc::key::{Curve, PrivateKey};
use nightjar_pasc::wallet_file::{KEYS_MAX, NAME_BYTES_MAX, WalletFile};

#[test]
fn wallet_file() {
    bolero::check!().for_each(|bytes: &[u8]| {
        look_at(bytes);
        // Random bytes hardly ever begin as a wallet does.
        for count in [0, 1, 2, u32::MAX] {
            look_at(&file(count, bytes));
        }
    });
}

/// Keys with random names and containers, so that the reader gets to the end.
#[test]
fn wallet_of_keys() {
    bolero::check!().with_type::<(Vec<(u8, Vec<u8>, Vec<u8>)>, u8)>().with_iterations(500).for_each(|(keys, more)| {
        let mut bytes = Vec::new();
        for (curve, name, container) in keys {
            bytes.extend(text(name));
            bytes.extend([714u16, 715, 716, 729][usize::from(curve % 4)].to_le_bytes());
            bytes.extend(text(name));
            bytes.extend(text(container));
            bytes.extend(text(container));
        }
        look_at(&file(keys.len() as u32 + u32::from(*more % 8 == 0), &bytes));
    });
}

/// A private half that the password opens, whatever it says.
#[test]
fn sealed_private_half() {
    let public = PrivateKey::from_scalar(Curve::Secp256k1, &[7; 32]).unwrap().public_key();
    bolero::check!().with_iterations(500).for_each(|bytes: &[u8]| {
        let hex: String = bytes.iter().map(|byte| format!("{byte:02X}")).collect();
        for private in [bytes, hex.as_bytes(), &hex.as_bytes()[hex.len().min(1)..]] {
            let container = seal_with_salt(b"", private, [3; 8]);
            look_at(&file(1, &[text(b"name"), public.to_raw(), text(&container)].concat()));
        }
    });
}

fn text(bytes: &[u8]) -> Vec<u8> {
    [&(bytes.len() as u16).to_le_bytes(), bytes].concat()
}

fn file(count: u32, rest: &[u8]) -> Vec<u8> {
    [b"\x0b\x00TWalletKeys\x64\x00\x00\x00", count.to_le_bytes().as_slice(), rest].concat()
}

fn look_at(bytes: &[u8]) {
    let Ok(wallet) = WalletFile::parse(bytes) else { return };
    assert!(wallet.keys().len() <= KEYS_MAX);
    for key in wallet.keys() {
        assert!(key.name().len() <= 3 * NAME_BYTES_MAX);
        if let Ok(private) = key.decrypt(b"") {
            assert!(private.public_key().same_point(key.public_key()));
        }
        assert!(wallet.find(key.public_key()).is_some());
    }
}
