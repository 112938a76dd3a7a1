//! No text upsets the readers of names, ids and targets; what they take has one form, which is read as itself.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail loudly")]

use nightjar_core::name::{CHANNEL_BYTES_MAX, NICK_BYTES_MAX, Name, NameError, TypedName};
use nightjar_core::record::{MsgId, Target};

#[test]
fn name() {
    bolero::check!().for_each(|bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes);
        read(&text);
        // Random text seldom begins as a channel or an account does.
        read(&format!("#{text}"));
        read(&format!("@{text}"));
        read(&format!("1{text}"));
    });
}

/// Letters and marks that compose with each other: what is shown instead must be taken.
#[test]
fn channel_of_marks() {
    const PARTS: [char; 16] = [
        'H', 'h', 'J', 'T', 'e', 'I', 'i', '\u{301}', '\u{308}', '\u{30a}', '\u{30c}', '\u{323}', '\u{331}', '\u{307}',
        '\u{1100}', '\u{1161}',
    ];
    bolero::check!().for_each(|bytes: &[u8]| {
        let letters: String = bytes.iter().map(|byte| PARTS[usize::from(byte % 16)]).collect();
        read(&format!("#{letters}"));
    });
}

#[test]
fn sixteen_bytes() {
    bolero::check!().for_each(|bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes);
        if let Ok(id) = text.parse::<MsgId>() {
            assert_eq!(id.to_string(), text.to_ascii_lowercase());
        }
        if let Ok(bytes) = <[u8; 16]>::try_from(bytes) {
            assert_eq!(Target(bytes).to_string().parse(), Ok(Target(bytes)));
        }
    });
}

fn read(text: &str) {
    match Name::parse(text) {
        Ok(name) => {
            let one = name.text();
            assert_eq!(Name::parse_full(&one).as_ref(), Ok(&name));
            assert!(one.len() <= 1 + CHANNEL_BYTES_MAX.max(NICK_BYTES_MAX));
            let typed: TypedName = text.parse().unwrap();
            assert_eq!((typed.name(), typed.typed()), (&name, text));
            assert_eq!(typed.targets()[0], name.target());
        }
        Err(error) => {
            assert!(!error.to_string().is_empty());
            if let NameError::ChannelNotComposed { composed, .. } = error {
                assert!(
                    matches!(Name::parse(&composed), Ok(_) | Err(NameError::ChannelLength { .. })),
                    "{text:?} shows {composed:?}"
                );
            }
        }
    }
}
