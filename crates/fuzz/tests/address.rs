//! No text upsets the reader of addresses; what it takes can be dialled and is written so that it is read as itself.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail loudly")]

use nightjar_core::address::{Address, HOST_BYTES_MAX, Host};

#[test]
fn address() {
    bolero::check!().for_each(|bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes);
        read(&text);
        read(&format!("{text}:4038"));
        read(&format!("pascal://{text}:4004"));
        read(&format!("[{text}]:4038"));
    });
}

/// Only what addresses are made of.
#[test]
fn address_of_its_parts() {
    const PARTS: &[u8; 16] = b"0129af:.[]-x/%_g";
    bolero::check!().for_each(|bytes: &[u8]| {
        let text: String = bytes.iter().map(|byte| char::from(PARTS[usize::from(byte % 16)])).collect();
        read(&text);
        read(&format!("{text}:1"));
    });
}

fn read(text: &str) {
    match text.parse::<Address>() {
        Ok(address) => {
            assert!(address.port > 0);
            assert_eq!(address.to_string().parse(), Ok(address.clone()));
            assert_eq!(address.host.to_string().parse(), Ok(address.host.clone()));
            if let Host::Name(name) = &address.host {
                assert!(name.len() <= HOST_BYTES_MAX && name.is_ascii());
            }
            let _group = address.group();
            address.is_public();
        }
        Err(error) => assert!(error.to_string().starts_with("address ")),
    }
}
