//! No container upsets the opener of the password form, and what was sealed is opened.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail loudly")]

use nightjar_pasc::aes_form::{open, seal_with_salt, sealed_bytes};

#[test]
fn container() {
    bolero::check!().for_each(|bytes: &[u8]| {
        look_at(bytes);
        // Random bytes seldom begin as a container does, or are whole blocks.
        look_at(&[b"Salted__", bytes].concat());
        look_at(&[b"Salted__saltsalt", &bytes[..bytes.len() / 16 * 16]].concat());
        look_at(&bytes[..bytes.len() / 16 * 16]);
    });
}

fn look_at(container: &[u8]) {
    for password in [b"".as_slice(), b"sesame"] {
        if let Some(text) = open(password, container) {
            // Padding of one block at the most went away.
            assert!(text.len() < container.len() && container.len() - text.len() <= 32);
        }
    }
}

#[test]
fn sealed_container() {
    bolero::check!().with_type::<(Vec<u8>, Vec<u8>, [u8; 8])>().for_each(|(password, text, salt)| {
        let container = seal_with_salt(password, text, *salt);
        assert_eq!(container.len(), sealed_bytes(text.len()));
        assert_eq!(open(password, &container).as_deref(), Some(text));
        for end in [0, 8, 16, container.len() - 1] {
            assert!(open(password, &container[..end]).is_none());
        }
    });
}
