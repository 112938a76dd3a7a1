//! What a wallet sealed with a password opens, and what we seal is the same to the byte.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs, reason = "a test fails by panicking")]

mod support;

use nightjar_pasc::aes_form::{open, seal, seal_with_salt, sealed_bytes};
use proptest::prelude::*;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng as _;
use serde::Deserialize;
use support::{unhex, vectors};

#[derive(Deserialize)]
struct Captured {
    vectors: Vec<Vector>,
}

#[derive(Deserialize)]
struct Vector {
    password_bytes: String,
    plaintext: String,
    ciphertext: String,
    salt: String,
}

#[test]
fn what_a_daemon_sealed_opens_and_is_sealed_again_to_the_same_bytes() {
    let captured: Captured = vectors("aes_password.json");
    assert!(!captured.vectors.is_empty());
    for vector in captured.vectors {
        let (password, plaintext) = (unhex(&vector.password_bytes), unhex(&vector.plaintext));
        let (container, salt) = (unhex(&vector.ciphertext), unhex(&vector.salt));
        assert_eq!(*open(&password, &container).unwrap(), plaintext);
        assert_eq!(seal_with_salt(&password, &plaintext, salt.try_into().unwrap()), container);
        assert_eq!(sealed_bytes(plaintext.len()), container.len());
    }
}

#[test]
fn what_is_no_container_is_not_opened() {
    let container = seal(b"secret", b"text", &mut ChaCha20Rng::from_seed([1; 32]));
    for end in [0, 7, 8, 15, 16, 17, container.len() - 1] {
        assert_eq!(open(b"secret", container.get(..end).unwrap()), None, "{end} bytes");
    }
}

proptest! {
    #[test]
    fn what_is_sealed_is_opened(password in prop::collection::vec(any::<u8>(), 0..40), text in prop::collection::vec(any::<u8>(), 0..300), seed: [u8; 32]) {
        let container = seal(&password, &text, &mut ChaCha20Rng::from_seed(seed));
        prop_assert_eq!(&**open(&password, &container).unwrap(), &text);
    }

    #[test]
    fn whatever_comes_does_no_harm(password in prop::collection::vec(any::<u8>(), 0..40), container in prop::collection::vec(any::<u8>(), 0..300)) {
        if let Some(text) = open(&password, &container) {
            prop_assert!(text.len() < container.len());
        }
    }
}
