//! Account numbers agree with the daemon's, and a wrong one is told what is wrong with it.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    reason = "a test fails by panicking"
)]

mod support;

use nightjar_pasc::account::{AccountNumber, AccountNumberError};
use proptest::prelude::*;
use serde::Deserialize;
use support::vectors;

#[derive(Deserialize)]
struct File {
    accounts: Vec<Vector>,
}

#[derive(Deserialize)]
struct Vector {
    account: u32,
    text: String,
    checksum: u8,
}

#[test]
fn the_daemons_checksums_are_ours() {
    let file: File = vectors("account_numbers.json");
    assert_eq!(file.accounts.len(), 17);
    for vector in file.accounts {
        let account = AccountNumber::new(vector.account);
        assert_eq!(account.checksum(), vector.checksum, "{}", vector.text);
        assert_eq!(account.to_string(), vector.text);
        assert_eq!(vector.text.parse(), Ok(account));
        assert_eq!(AccountNumber::parse_full(&vector.text), Ok(account));
    }
}

#[test]
fn a_person_may_leave_the_checksum_out_and_a_program_may_not() {
    let account = AccountNumber::new(1234);
    assert_eq!("1234".parse(), Ok(account));
    assert_eq!(AccountNumber::parse_full("1234"), Err(AccountNumberError::ChecksumMissing { account }));
}

#[test]
fn a_wrong_checksum_is_answered_with_the_right_one() {
    for text in ["1234-45", "1234-", "1234-4", "1234-044", "1234-44 ", "1234-44-44", "1234-+44"] {
        let error = text.parse::<AccountNumber>().unwrap_err();
        let account = AccountNumber::new(1234);
        assert_eq!(error, AccountNumberError::ChecksumWrong { account }, "{text}");
        assert_eq!(AccountNumber::parse_full(text), Err(error));
        assert!(error.to_string().contains("write 1234-44"), "{error}");
    }
}

#[test]
fn what_is_no_number_is_refused_by_name() {
    for (text, error) in [
        ("", AccountNumberError::NotANumber),
        ("-44", AccountNumberError::NotANumber),
        ("+5", AccountNumberError::NotANumber),
        (" 5", AccountNumberError::NotANumber),
        ("5.70", AccountNumberError::NotANumber),
        ("5_70", AccountNumberError::NotANumber),
        ("five", AccountNumberError::NotANumber),
        ("\u{0665}-70", AccountNumberError::NotANumber),
        ("0005-70", AccountNumberError::LeadingZero),
        ("00", AccountNumberError::LeadingZero),
        ("4294967296", AccountNumberError::TooLarge),
        ("99999999999999999999999-10", AccountNumberError::TooLarge),
    ] {
        assert_eq!(text.parse::<AccountNumber>(), Err(error), "{text}");
        assert_eq!(AccountNumber::parse_full(text), Err(error), "{text}");
    }
}

proptest! {
    #[test]
    fn every_number_survives_its_text(value: u32) {
        let account = AccountNumber::new(value);
        prop_assert!((10..=98).contains(&account.checksum()));
        prop_assert_eq!(AccountNumber::parse_full(&account.to_string()), Ok(account));
        prop_assert_eq!(value.to_string().parse(), Ok(account));
    }

    #[test]
    fn no_text_makes_the_parser_panic(text in ".*") {
        if let Ok(account) = AccountNumber::parse_full(&text) {
            prop_assert_eq!(account.to_string(), text);
        }
    }

    #[test]
    fn one_mistyped_digit_is_always_noticed(value: u32, place: usize, other in 0_u8..10) {
        let mut text = AccountNumber::new(value).to_string().into_bytes();
        let digits = text.iter().position(|&byte| byte == b'-').unwrap();
        let place = place % digits;
        prop_assume!(text[place] != b'0' + other);
        text[place] = b'0' + other;
        prop_assert!(AccountNumber::parse_full(&String::from_utf8(text).unwrap()).is_err());
    }
}
