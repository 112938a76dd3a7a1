//! No text upsets the reader of E-PASA, and what it takes it prints as it came.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail loudly")]

use nightjar_pasc::epasa::{Epasa, PASSWORD_BYTES_MAX, PAYLOAD_BYTES_MAX, Seal, TEXT_BYTES_MAX, parse_full};

#[test]
fn epasa() {
    bolero::check!().for_each(|bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes);
        look_at(&text);
        // Random text seldom begins as an address does.
        for around in
            [["5[", "]"], ["name(\"", "\")"], ["7-91{0x", ":pw}"], ["5{\"a\":", "}"], ["@[", "]"], ["5<", ">:ea39"]]
        {
            look_at(&around.join(&text));
        }
    });
}

/// Characters that mean something, in any order.
#[test]
fn epasa_of_its_own_characters() {
    const CHARACTERS: &[u8; 32] = b"0159-abcxyz@[](){}<>\"\\:   0xAZ!~";
    bolero::check!().for_each(|bytes: &[u8]| {
        let text: String = bytes.iter().map(|byte| char::from(CHARACTERS[usize::from(byte % 32)])).collect();
        look_at(&text);
        look_at(&format!("5-70[\"{text}\"]"));
    });
}

fn look_at(text: &str) {
    let Ok(epasa) = text.parse::<Epasa>() else {
        assert!(parse_full(text).is_err());
        return;
    };
    let whole = epasa.to_string();
    assert!(whole.len() <= TEXT_BYTES_MAX);
    assert_eq!(parse_full(&whole).as_ref(), Ok(&epasa));
    assert_eq!(epasa.classic().parse().as_ref(), Ok(&epasa));
    // But for the checksums, one address has one text.
    let typed = text.split_at(text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len()));
    let without = format!("{}{}", typed.0, typed.1.strip_prefix(&checksum_of(typed.0)).unwrap_or(typed.1));
    let printed = whole.strip_prefix(typed.0).unwrap();
    let printed = format!("{}{}", typed.0, printed.strip_prefix(&checksum_of(typed.0)).unwrap_or(printed));
    assert!(printed.starts_with(&without), "{text:?} was printed as {whole:?}");
    if let Some(payload) = epasa.payload() {
        assert!(
            payload.content.as_ref().is_none_or(|content| (1..=PAYLOAD_BYTES_MAX).contains(&content.bytes().len()))
        );
        if let Seal::Password(password) = &payload.seal {
            assert!((1..=PASSWORD_BYTES_MAX).contains(&password.len()));
        }
    }
}

/// The dash and two digits behind a number.
fn checksum_of(number: &str) -> String {
    number.parse().map_or(String::new(), |number| {
        let whole = nightjar_pasc::account::AccountNumber::new(number).to_string();
        whole[whole.find('-').unwrap()..].to_owned()
    })
}
