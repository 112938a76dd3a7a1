//! No bytes and no text upset the readers of PascalCoin's keys and account numbers; what they accept is written back as it came.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]

use nightjar_pasc::account::AccountNumber;
use nightjar_pasc::key::PublicKey;

#[test]
fn raw_key() {
    bolero::check!().for_each(|bytes: &[u8]| {
        read(bytes);
        // Random bytes seldom name a curve; with its number in front they reach the rest of the reader.
        for nid in [714_u16, 715, 716, 729] {
            let mut keyed = nid.to_le_bytes().to_vec();
            keyed.extend(bytes);
            read(&keyed);
        }
    });
}

/// Coordinates of every length with and around the limit, so that whole keys are read too.
#[test]
fn whole_raw_key() {
    bolero::check!().with_type::<(u8, u8, u8, Vec<u8>)>().for_each(|(curve, x, y, bytes)| {
        let mut raw = [714_u16, 715, 716, 729][usize::from(curve % 4)].to_le_bytes().to_vec();
        for length in [x % 102, y % 102] {
            raw.extend([length, 0]);
            raw.extend(bytes.iter().cycle().take(length.into()));
        }
        read(&raw);
    });
}

fn read(bytes: &[u8]) {
    if let Ok((key, used)) = PublicKey::parse_raw(bytes) {
        assert_eq!(key.to_raw(), &bytes[..used]);
        assert_eq!(key.to_base58().parse(), Ok(key.clone()));
        assert_eq!(PublicKey::parse_raw(&key.to_raw()), Ok((key.clone(), used)));
        assert!(key.minimal().same_point(&key));
    }
}

#[test]
fn base58_key() {
    bolero::check!().for_each(|bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes);
        if let Ok(key) = text.parse::<PublicKey>() {
            assert_eq!(key.to_base58(), text);
        }
    });
}

#[test]
fn account_number() {
    bolero::check!().for_each(|bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes);
        if let Ok(account) = text.parse::<AccountNumber>() {
            assert!(text == account.to_string() || text == account.value().to_string());
        }
        if let Ok(account) = AccountNumber::parse_full(&text) {
            assert_eq!(account.to_string(), text);
        }
    });
}
