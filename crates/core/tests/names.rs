//! What names promise: one text for each, three kinds that never mix, and errors that say what to write instead.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs, reason = "a test may fail loudly")]

use nightjar_core::name::{
    CHANNEL_BYTES_MAX, NICK_BYTES_MAX, NICK_BYTES_MIN, Name, NameError, TypedName, account_checksum, target_of_text,
};
use proptest::prelude::*;
use unicode_normalization::{UnicodeNormalization as _, is_nfc};

#[test]
fn an_account_is_completed_when_a_person_types_it() {
    assert_eq!(Name::parse("1234"), Ok(Name::Account(1234)));
    assert_eq!(Name::parse("1234-44"), Ok(Name::Account(1234)));
    assert_eq!(Name::Account(1234).text(), "1234-44");
    assert_eq!(Name::Account(0).text(), "0-10");
    assert_eq!(Name::parse("4294967295").unwrap().text(), "4294967295-93");
}

#[test]
fn an_account_from_the_network_must_be_whole() {
    assert_eq!(Name::parse_full("1234-44"), Ok(Name::Account(1234)));
    assert_eq!(Name::parse_full("1234"), Err(NameError::AccountForm("1234".into())));
    assert_eq!(Name::parse_full(""), Err(NameError::Empty));
    assert_eq!(Name::parse_full("nightraven"), Name::parse("nightraven"));
    assert_eq!(Name::parse_full("#pascalcoin"), Name::parse("#pascalcoin"));
}

#[test]
fn an_account_has_no_second_form() {
    for text in
        ["01234-44", "01234", "00-10", "1234-044", "1234-4", "1234--44", "1234-+4", "1_234", "12.34", "1234-44 "]
    {
        assert_eq!(Name::parse(text), Err(NameError::AccountForm(text.into())), "{text}");
    }
}

#[test]
fn a_wrong_checksum_shows_the_account_of_the_number() {
    let error = Name::parse("1234-45").unwrap_err();
    assert_eq!(error, NameError::AccountChecksum { typed: "1234-45".into(), right: "1234-44".into() });
    assert_eq!(
        error.to_string(),
        "the checksum of account \"1234-45\" is wrong: 1234-44 is the account of that number"
    );
}

#[test]
fn one_wrong_digit_always_changes_the_checksum() {
    for number in [0u32, 7, 88, 1234, 999_999_999] {
        for place in 0..9 {
            let step = 10u32.pow(place);
            let other = number.wrapping_add(step);
            assert_ne!(account_checksum(number), account_checksum(other), "{number} and {other}");
        }
    }
}

#[test]
fn nicks_have_3_to_32_characters_and_are_folded() {
    assert_eq!((NICK_BYTES_MIN, NICK_BYTES_MAX), (3, 32));
    assert_eq!(Name::parse("NightRaven"), Ok(Name::Nick("nightraven".into())));
    assert!(Name::parse("abc").is_ok() && Name::parse(&"a".repeat(32)).is_ok());
    for text in ["a", "ab", &"a".repeat(33)] {
        assert_eq!(Name::parse(text), Err(NameError::NickLength { typed: text.into(), have: text.len() }));
    }
}

#[test]
fn every_character_of_a_nick_is_the_grammars_and_no_other_is() {
    let first = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_[]\\^{}|";
    let later = "0123456789-";
    for character in (0..=0x2ff).filter_map(char::from_u32) {
        let begins = Name::parse(&format!("@{character}bc"))
            .or_else(|_| format!("@{character}bc").parse().map(|name: TypedName| name.name().clone()));
        assert_eq!(begins.is_ok(), first.contains(character), "{character:?} at the beginning");
        let inside = Name::parse(&format!("a{character}c"));
        assert_eq!(inside.is_ok(), first.contains(character) || later.contains(character), "{character:?} inside");
        if inside.is_err() {
            assert_eq!(inside, Err(NameError::NickCharacter { typed: format!("a{character}c"), character }));
        }
    }
}

#[test]
fn nothing_is_folded_but_a_to_z() {
    // RFC 1459 also folds [ ] \ ^ to { } | ~, and Unicode much more.
    assert_ne!(Name::parse("[abc]"), Name::parse("{abc}"));
    assert_ne!(Name::parse("#Ä"), Name::parse("#ä"));
    assert_eq!(Name::parse("#ÄRGER"), Ok(Name::Channel("#Ärger".into())));
}

#[test]
fn an_at_sign_means_a_nick_and_is_hashed_by_nobody() {
    let name: TypedName = "@NightRaven".parse().unwrap();
    assert_eq!(name.name(), &Name::Nick("nightraven".into()));
    assert_eq!(name.typed(), "NightRaven");
    assert_eq!(name.targets(), [target_of_text("nightraven"), target_of_text("NightRaven")]);
    assert!(matches!("@1234".parse::<TypedName>(), Err(NameError::NickCharacter { character: '1', .. })));
    assert_eq!("@".parse::<TypedName>(), Err(NameError::Empty));
}

#[test]
fn who_listens_to_an_unfolded_name_hears_both_forms() {
    let folded: TypedName = "#pascalcoin".parse().unwrap();
    assert_eq!(folded.targets(), [target_of_text("#pascalcoin")]);
    assert_eq!(folded.literal_target(), folded.name().target());
    let typed: TypedName = "#PascalCoin".parse().unwrap();
    assert_eq!(typed.targets(), [target_of_text("#pascalcoin"), target_of_text("#PascalCoin")]);
    assert_eq!(typed.literal_target(), target_of_text("#PascalCoin"));
    let account: TypedName = "1234".parse().unwrap();
    assert_eq!(account.targets(), [target_of_text("1234-44"), target_of_text("1234")]);
}

#[test]
fn a_channel_has_1_to_63_bytes() {
    assert_eq!(CHANNEL_BYTES_MAX, 63);
    assert!(Name::parse("#a").is_ok() && Name::parse(&format!("#{}", "a".repeat(63))).is_ok());
    // 21 times three bytes.
    assert!(Name::parse(&format!("#{}", "猫".repeat(21))).is_ok());
    for behind in [String::new(), "a".repeat(64), "猫".repeat(22)] {
        let typed = format!("#{behind}");
        assert_eq!(Name::parse(&typed), Err(NameError::ChannelLength { typed, have: behind.len() }));
    }
}

#[test]
fn a_channel_has_no_blank_no_comma_and_nothing_that_cannot_be_seen() {
    let forbidden = [
        ' ',
        ',',
        '\0',
        '\n',
        '\t',
        '\u{7f}',
        '\u{85}',
        '\u{a0}',
        '\u{ad}',
        '\u{200b}',
        '\u{200d}',
        '\u{2028}',
        '\u{2029}',
        '\u{202e}',
        '\u{2066}',
        '\u{3000}',
        '\u{e000}',
        '\u{feff}',
        '\u{378}',
        '\u{ffff}',
        '\u{e0041}',
    ];
    for character in forbidden {
        let typed = format!("#a{character}b");
        assert_eq!(Name::parse(&typed), Err(NameError::ChannelCharacter { typed, character }));
    }
    for typed in ["#-", "##", "#!", "#1234-44", "#a.b", "#a+b", "#ナイト", "#🐦", "#é"] {
        assert_eq!(Name::parse(typed), Ok(Name::Channel(typed.into())), "{typed}");
    }
}

#[test]
fn a_channel_that_is_not_composed_is_refused_with_the_form_to_use() {
    let typed = "#Cafe\u{301}";
    let error = Name::parse(typed).unwrap_err();
    assert_eq!(error, NameError::ChannelNotComposed { typed: typed.into(), composed: "#Café".into() });
    assert!(error.to_string().ends_with("write it as \"#Café\""), "{error}");
    assert!(Name::parse("#Café").is_ok());
}

/// H and a macron below are two characters, h and the same are one: folding must not leave NFC.
#[test]
fn a_channel_is_composed_after_folding_too() {
    for (typed, composed) in [
        ("#H\u{331}", "#\u{1e96}"),
        ("#aT\u{308}", "#a\u{1e97}"),
        ("#W\u{30a}", "#\u{1e98}"),
        ("#Y\u{30a}", "#\u{1e99}"),
        ("#J\u{30c}", "#\u{1f0}"),
    ] {
        assert!(is_nfc(typed));
        assert_eq!(
            Name::parse(typed),
            Err(NameError::ChannelNotComposed { typed: typed.into(), composed: composed.into() })
        );
        assert!(Name::parse(composed).is_ok(), "{composed}");
    }
}

#[test]
fn every_error_says_which_text_and_what_to_write() {
    for (typed, wanted) in [
        ("", "give an account (1234-44), a nick (nightraven) or a channel (#pascalcoin)"),
        ("4294967296", "the highest number is 4294967295"),
        ("007", "digits without leading zeros"),
        ("ab", "a nick has 3 to 32"),
        ("abc.de", "a nick is made of a-z 0-9 _ [ ] \\ ^ { } | and -, and begins with neither a digit nor -"),
        ("#", "a channel has 1 to 63"),
        ("#a b", "no blanks"),
        ("#a\u{202e}b", "invisible"),
    ] {
        let error = Name::parse(typed).unwrap_err().to_string();
        assert!(error.contains(wanted), "{error}");
        assert!(typed.is_empty() || error.contains(&format!("{typed:?}")), "{error}");
        assert!(!error.contains('\u{202e}'), "what cannot be seen is shown by its number");
    }
}

proptest! {
    #[test]
    fn no_text_panics_and_a_name_is_its_own_one_form(text in "\\PC{0,40}|#\\PC{1,20}|[0-9]{1,11}(-[0-9]{1,3})?|@?[A-Za-z_|^-]{2,33}") {
        if let Ok(name) = Name::parse(&text) {
            let one = name.text();
            prop_assert_eq!(Name::parse(&one), Ok(name.clone()));
            prop_assert_eq!(Name::parse_full(&one), Ok(name.clone()));
            prop_assert_eq!(name.target(), target_of_text(&one));
            prop_assert!(is_nfc(&one) && !one.bytes().any(|byte| byte.is_ascii_uppercase()));
            let typed: TypedName = text.parse().unwrap();
            prop_assert_eq!(typed.name(), &name);
            prop_assert!((1..=2).contains(&typed.targets().len()));
        }
    }

    #[test]
    fn the_form_shown_for_a_channel_is_one_that_is_taken(letters in "[A-Za-z\u{300}-\u{345}]{1,12}") {
        let typed = format!("#{letters}");
        match Name::parse(&typed) {
            Err(NameError::ChannelNotComposed { composed, .. }) => {
                prop_assert!(Name::parse(&composed).is_ok(), "{:?} shows {:?}", typed, composed);
                let as_typed: String = typed.nfc().collect();
                let folded: String = as_typed.to_ascii_lowercase().nfc().collect();
                prop_assert!(composed == as_typed || composed == folded);
            }
            other => prop_assert!(other.is_ok(), "{:?}", other),
        }
    }

    #[test]
    fn every_account_number_is_one_name(number in any::<u32>()) {
        let text = Name::Account(number).text();
        prop_assert_eq!(Name::parse_full(&text), Ok(Name::Account(number)));
        prop_assert_eq!(Name::parse(&number.to_string()), Ok(Name::Account(number)));
        prop_assert!((10..=98).contains(&account_checksum(number)));
    }
}
