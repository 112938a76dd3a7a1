//! Addresses are read and printed as a daemon does, and each has one text.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs, reason = "a test fails by panicking")]

mod support;

use nightjar_pasc::account::{AccountNumber, AccountNumberError};
use nightjar_pasc::epasa::{
    AccountName, Content, Epasa, EpasaError, NAME_BYTES_MAX, PASSWORD_BYTES_MAX, PAYLOAD_BYTES_MAX, Payee, Payload,
    Seal, TEXT_BYTES_MAX, parse_full,
};
use nightjar_pasc::key::Base58KeyError;
use proptest::prelude::*;
use serde::Deserialize;
use serde_json::Value;
use support::{unhex, vectors};

#[derive(Deserialize)]
struct Captured {
    calls: Vec<Call>,
}

#[derive(Deserialize)]
struct Call {
    request: String,
    response: String,
}

/// What was asked and answered with this method.
fn calls(method: &str) -> Vec<(Value, Value)> {
    let captured: Captured = vectors("jsonrpc_data_epasa.json");
    let calls = captured.calls.into_iter().map(|call| {
        let [request, response] =
            [call.request, call.response].map(|text| serde_json::from_str::<Value>(&text).unwrap());
        (request, response)
    });
    calls.filter(|(request, _)| request["method"] == method).collect()
}

fn compare(epasa: &Epasa, answer: &Value) {
    assert_eq!(epasa.to_string(), answer["account_epasa"].as_str().unwrap());
    assert_eq!(*epasa.classic(), answer["account_epasa_classic"].as_str().unwrap());
    assert_eq!(parse_full(&epasa.to_string()).as_ref(), Ok(epasa));
    assert_eq!(epasa.payload_type().map(u64::from), answer["payload_type"].as_u64());
    match epasa.payee() {
        Payee::Number(account) => assert_eq!(answer["account"], account.value()),
        Payee::Name(name) => assert_eq!(answer["account"], name.as_str()),
        Payee::Key(key) => {
            assert_eq!((&answer["account"], &answer["is_pay_to_key"]), (&"@".into(), &true.into()));
            // The raw key and its checksum.
            assert!(unhex(&answer["payload"].as_str().unwrap().to_lowercase()).starts_with(&key.to_raw()));
        }
    }
    let Some(payload) = epasa.payload() else { return };
    let (method, password) = match &payload.seal {
        Seal::Public => ("none", None),
        Seal::Receiver => ("dest", None),
        Seal::Sender => ("sender", None),
        Seal::Password(password) => ("aes", Some(password.as_str())),
    };
    assert_eq!((&answer["payload_method"], answer["pwd"].as_str()), (&method.into(), password));
    let Some(content) = &payload.content else { return assert_eq!(answer["payload"], Value::Null) };
    let told = unhex(&answer["payload"].as_str().unwrap().to_lowercase());
    match content {
        Content::Text(_) => assert_eq!((&answer["payload_encode"], content.bytes()), (&"string".into(), &*told)),
        Content::Hex(_) => assert_eq!((&answer["payload_encode"], content.bytes()), (&"hexa".into(), &*told)),
        // A daemon leaves the first byte out, as if it were the one before a key.
        Content::Base58(_) => {
            assert_eq!((&answer["payload_encode"], &content.bytes()[1..]), (&"base58".into(), &*told));
        }
    }
}

#[test]
fn what_a_daemon_took_is_taken_and_printed_as_it_printed_it_and_what_it_refused_is_refused() {
    let calls = calls("checkepasa");
    let (mut taken, mut refused) = (0, 0);
    for (request, response) in &calls {
        let text = request["params"]["account_epasa"].as_str().unwrap();
        // An address without content is answered with a result and an error.
        if response["result"].is_object() {
            compare(&text.parse().unwrap(), &response["result"]);
            taken += 1;
        } else {
            assert!(text.parse::<Epasa>().is_err(), "{text}");
            refused += 1;
        }
    }
    assert_eq!((calls.len(), taken, refused), (17, 14, 3));
}

#[test]
fn what_a_daemon_put_together_from_parts_is_put_together_alike() {
    let calls = calls("validateepasa");
    assert_eq!(calls.len(), 2);
    for (request, response) in calls {
        let params = &request["params"];
        let password = params["pwd"].as_str().map(|password| Seal::Password(password.to_owned().into()));
        let content = String::from_utf8(unhex(&params["payload"].as_str().unwrap().to_lowercase())).unwrap();
        let payload = Payload { seal: password.unwrap_or(Seal::Public), content: Some(Content::Text(content)) };
        let payee = Payee::Number(params["account"].as_str().unwrap().parse().unwrap());
        compare(&Epasa::new(payee, Some(payload)).unwrap(), &response["result"]);
    }
}

#[test]
fn the_addresses_that_a_daemon_shows_in_operations_are_read() {
    let mut read = 0;
    for (_, response) in calls("senddata") {
        for side in ["senders", "receivers"] {
            for party in response["result"][side].as_array().into_iter().flatten() {
                let Some(text) = party["account_epasa"].as_str() else { continue };
                let epasa = parse_full(text).unwrap();
                assert_eq!(epasa.to_string(), text);
                assert_eq!(epasa.payload_type().map(u64::from), party["payload_type"].as_u64());
                let said = unhex(&party["payload"].as_str().unwrap().to_lowercase());
                assert_eq!(epasa.payload().unwrap().content.as_ref().unwrap().bytes(), said);
                read += 1;
            }
        }
    }
    assert!(read >= 4, "{read}");
}

#[test]
fn each_fault_has_its_name() {
    let long_text = format!("5[\"{}\"]", "x".repeat(PAYLOAD_BYTES_MAX + 1));
    let long_password = format!("5{{:{}}}", "x".repeat(PASSWORD_BYTES_MAX + 1));
    let long = "x".repeat(TEXT_BYTES_MAX + 1);
    let (no_name, escape) = (EpasaError::Name, EpasaError::Escape);
    for (text, error) in [
        ("", no_name),
        ("ab", no_name),
        ("aB3", no_name),
        ("ab`", no_name),
        ("a\\\\b", no_name),
        ("a b", no_name),
        ("ab\\", escape),
        ("a\\bc", escape),
        ("abc)", escape),
        ("abc\"", escape),
        ("5]", EpasaError::Account(AccountNumberError::NotANumber)),
        ("5_70", EpasaError::Account(AccountNumberError::NotANumber)),
        ("05-70", EpasaError::Account(AccountNumberError::LeadingZero)),
        ("5-71", EpasaError::Account(AccountNumberError::ChecksumWrong { account: AccountNumber::new(5) })),
        ("5[\"ä\"]", EpasaError::Character),
        ("5[\"a\nb\"]", EpasaError::Character),
        ("5[\"\"]", EpasaError::Payload),
        ("5[0x]", EpasaError::Payload),
        ("5[0x4]", EpasaError::Payload),
        ("5[0x4A]", EpasaError::Payload),
        ("5[0x4g]", EpasaError::Payload),
        ("5[lO0]", EpasaError::Payload),
        (&long_text, EpasaError::Payload),
        ("5[", EpasaError::Unclosed),
        ("5[\"a]", EpasaError::Unclosed),
        ("5[\"a\")", EpasaError::Unclosed),
        ("5[He World]", EpasaError::Unclosed),
        ("5[\"a\\", escape),
        ("5[\"a(b\"]", EpasaError::Unclosed),
        ("5[\"a\\b\"]", escape),
        ("5{\"a\"}", EpasaError::Password),
        ("5{\"a\":}", EpasaError::Password),
        (&long_password, EpasaError::Password),
        ("5{\"a\":pw", EpasaError::Unclosed),
        ("5[]x", EpasaError::Trailing),
        ("5[]:", EpasaError::Trailing),
        ("5-70:EA39", EpasaError::Trailing),
        ("5-70:ea390", EpasaError::Trailing),
        ("5-70:ea38", EpasaError::ChecksumWrong),
        ("@", EpasaError::KeyPayload),
        ("@(\"a\")", EpasaError::KeyPayload),
        ("@[\"a\"]", EpasaError::Key(Base58KeyError::NotBase58)),
        ("@[BukQL]", EpasaError::Key(Base58KeyError::NotAKey)),
        ("@[BukQL", EpasaError::Unclosed),
        (&long, EpasaError::TooLong { bytes: TEXT_BYTES_MAX + 1 }),
    ] {
        assert_eq!(text.parse::<Epasa>().unwrap_err(), error, "{text}");
        assert!(!error.to_string().is_empty());
    }
}

#[test]
fn a_checksum_at_the_end_wants_that_of_the_number_and_a_program_wants_both() {
    assert!("5-70:ea39".parse::<Epasa>().is_ok());
    let missing = AccountNumberError::ChecksumMissing { account: AccountNumber::new(5) };
    // One of these is the checksum of the text as it stands.
    let bare = (0..=u16::MAX).map(|sum| format!("5:{sum:04x}")).map(|text| text.parse::<Epasa>().unwrap_err());
    assert_eq!(bare.filter(|error| *error == EpasaError::Account(missing)).count(), 1);
    assert_eq!(parse_full("5-70").unwrap_err(), EpasaError::ChecksumMissing);
    assert_eq!(parse_full("5").unwrap_err(), EpasaError::ChecksumMissing);
}

#[test]
fn the_longest_of_everything_fits_the_text() {
    let name = AccountName::new(&"(".repeat(NAME_BYTES_MAX)).unwrap();
    let seal = Seal::Password("}".repeat(PASSWORD_BYTES_MAX).into());
    for content in [Content::Text("\\".repeat(PAYLOAD_BYTES_MAX)), Content::Hex(vec![255; PAYLOAD_BYTES_MAX])] {
        let payload = Payload { seal: seal.clone(), content: Some(content) };
        let epasa = Epasa::new(Payee::Name(name.clone()), Some(payload)).unwrap();
        assert!(epasa.to_string().len() <= TEXT_BYTES_MAX);
        assert_eq!(parse_full(&epasa.to_string()), Ok(epasa));
    }
    assert_eq!(AccountName::new(&"(".repeat(NAME_BYTES_MAX + 1)), Err(EpasaError::Name));
}

#[test]
fn what_is_printed_for_debugging_tells_neither_payload_nor_password() {
    let epasa: Epasa = "10{\"hidden\":sesame}".parse().unwrap();
    let printed = format!("{epasa:?} {:?} {:?}", epasa.payload().unwrap().seal, epasa.payload().unwrap().content);
    assert!(!printed.contains("hidden") && !printed.contains("sesame"), "{printed}");
}

/// What looks like an address and often is one: payee, payload with or without a password, checksum.
const NEARLY_ADDRESSES: &str = concat!(
    "(5|5-70|abc|@|a\\\\:c)",
    "([\\[(<{](\"([ -~]|\\\\.){0,8}\"|0x[0-9a-g]{0,6}|[0-9A-Za-z]{0,6})(:[ -~]{0,5})?[\\])>}])?",
    "(:[0-9a-f]{4})?",
);

fn payees() -> impl Strategy<Value = Payee> {
    prop_oneof![
        any::<u32>().prop_map(|number| Payee::Number(AccountNumber::new(number))),
        "[a-z!@#$%^&*()\\-+{}\\[\\]_:\"|<>,.?/~][a-z0-9!@#$%^&*()\\-+{}\\[\\]_:\"|<>,.?/~]{2,63}"
            .prop_map(|name| Payee::Name(AccountName::new(&name).unwrap())),
    ]
}

fn payloads() -> impl Strategy<Value = Payload> {
    let seal = prop_oneof![
        Just(Seal::Public),
        Just(Seal::Receiver),
        Just(Seal::Sender),
        "[ -~]{1,40}".prop_map(|password| Seal::Password(password.into())),
    ];
    let content = prop_oneof![
        "[ -~]{1,80}".prop_map(Content::Text),
        prop::collection::vec(any::<u8>(), 1..60).prop_map(Content::Hex),
        prop::collection::vec(any::<u8>(), 1..60).prop_map(Content::Base58),
    ];
    (seal, prop::option::of(content)).prop_map(|(seal, content)| Payload { seal, content })
}

proptest! {
    #[test]
    fn what_is_printed_is_read(payee in payees(), payload in prop::option::of(payloads())) {
        let epasa = Epasa::new(payee, payload).unwrap();
        prop_assert_eq!(parse_full(&epasa.to_string()), Ok(epasa.clone()));
        prop_assert_eq!(epasa.classic().parse(), Ok(epasa));
    }

    #[test]
    fn what_is_read_is_printed_as_it_came(text in NEARLY_ADDRESSES) {
        if let Ok(epasa) = text.parse::<Epasa>() {
            let bare = text.strip_prefix('5').filter(|rest| !rest.starts_with('-'));
            let typed = bare.map_or(text.clone(), |rest| format!("5-70{rest}"));
            prop_assert!(*epasa.classic() == typed || epasa.to_string() == typed);
        }
    }

    #[test]
    fn whatever_comes_does_no_harm(text in ".{0,80}") {
        if let Ok(epasa) = text.parse::<Epasa>() {
            prop_assert_eq!(parse_full(&epasa.to_string()), Ok(epasa));
        }
    }
}
