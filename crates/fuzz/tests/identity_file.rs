//! No bytes make the readers of chat identities panic, whatever stands behind a right checksum, and no passphrase opens what
//! none sealed.
#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

use nightjar_node::identity::armour;
use nightjar_node::identity::file::{Contents, FILE_BYTES_MAX, FORMAT, IDENTITIES_MAX, PROOF_BYTES_MAX, PROOFS_MAX};
use sha2::{Digest as _, Sha256};

/// A file with this behind its format.
fn file_of(body: &[u8]) -> Vec<u8> {
    let mut file = b"NJIDENT\n".to_vec();
    file.extend(FORMAT.to_le_bytes());
    file.extend(body);
    file.extend(Sha256::digest(&file));
    file
}

fn check(contents: &Contents) {
    assert!(contents.identities().len() <= IDENTITIES_MAX);
    for identity in contents.identities() {
        assert!(identity.proofs.len() <= PROOFS_MAX);
        assert!(identity.proofs.iter().all(|proof| proof.bytes.len() <= PROOF_BYTES_MAX));
    }
}

#[test]
fn identity_file() {
    bolero::check!().for_each(|bytes: &[u8]| {
        // The checksum is of all but itself: random bytes do not have it.
        assert!(Contents::read(bytes).is_err());
    });
}

#[test]
fn body_of_an_identity_file() {
    bolero::check!().for_each(|body: &[u8]| {
        if let Ok(contents) = Contents::read(&file_of(body)) {
            assert!(body.len() < FILE_BYTES_MAX);
            check(&contents);
        }
    });
}

#[test]
fn locked_identity_file() {
    bolero::check!().with_type::<([u8; 16], [u8; 12], Vec<u8>)>().for_each(|(salt, nonce, body)| {
        // As cheap as Argon2 can be: a seal that nobody made.
        let cost = [8u32, 1, 1].map(u32::to_le_bytes).concat();
        let empty = [&[1], salt.as_slice(), &cost, nonce, &[0; 2], &[7; 16]].concat();
        let contents = Contents::read(&file_of(&empty)).unwrap();
        assert!(contents.locked() && contents.unlocked("open sesame").is_err());
        let body = [&[1], salt.as_slice(), &cost, nonce, body].concat();
        if let Ok(contents) = Contents::read(&file_of(&body)) {
            check(&contents);
            assert!(contents.unlocked("open sesame").is_err());
        }
    });
}

#[test]
fn exported_identity() {
    bolero::check!().for_each(|bytes: &[u8]| {
        assert!(armour::read(bytes).is_err());
        let hex: String = file_of(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        for inside in [bytes, hex.as_bytes()] {
            let [begin, end] = ["BEGIN", "END"].map(|word| format!("-----{word} NIGHTJAR IDENTITY-----\n"));
            let text = [begin.as_bytes(), b"\n", inside, b"\n", end.as_bytes()].concat();
            if let Ok(contents) = armour::read(&text) {
                check(&contents);
                assert_eq!(contents.identities().len(), 1);
            }
        }
    });
}
