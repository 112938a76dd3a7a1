//! What an unmodified wallet sealed is read as a message of forms 06 and 07, and what a wallet cannot open we cannot either.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs, reason = "a test may fail loudly")]

use nightjar_core::chain::Network;
use nightjar_core::record::Target;
use nightjar_envelope::compose::{TextSeal, compose_text};
use nightjar_envelope::id::MessageId;
use nightjar_envelope::open::{Meaning, Opened, OpenedMessage, Says, Unreadable, open};
use nightjar_envelope::{Place, form};
use nightjar_pasc::key::{Curve, PrivateKey, PublicKey};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng as _;
use serde::Deserialize;
use serde_json::Value;

const PLACE: Place = Place { network: Network::Main, target: Target([5; 16]), expiry: 1_800_000_000 };

#[derive(Deserialize)]
struct Sealed {
    vectors: Vec<Envelope>,
}

#[derive(Deserialize)]
struct Envelope {
    nid: u16,
    private_key: String,
    plaintext: String,
    ciphertext: String,
}

#[derive(Deserialize)]
struct Passwords {
    vectors: Vec<Container>,
}

#[derive(Deserialize)]
struct Container {
    password: String,
    password_bytes: String,
    plaintext: String,
    ciphertext: String,
}

#[derive(Deserialize)]
struct Calls {
    calls: Vec<Call>,
}

#[derive(Deserialize)]
struct Call {
    note: String,
    request: String,
    response: String,
}

/// The vectors of the crate that has the seals: one copy of what was captured.
macro_rules! captured {
    ($name:literal) => {
        serde_json::from_str(include_str!(concat!("../../pasc/tests/vectors/", $name))).unwrap()
    };
}

/// Also of a scalar, which the vectors write without a leading zero digit.
fn unhex(text: &str) -> Vec<u8> {
    let text = if text.len().is_multiple_of(2) { text.to_owned() } else { format!("0{text}") };
    let digits: Vec<u8> = text.chars().map(|digit| digit.to_digit(16).unwrap() as u8).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

fn body(form: u8, container: &[u8]) -> Vec<u8> {
    [&[form], container].concat()
}

/// What a message of a wallet is: a text by nobody, known by the bytes that it stands in.
fn says(body: &[u8], text: String) -> Opened {
    let (id, form) = (MessageId::of_container(&PLACE, body), body[0]);
    Opened::Message(OpenedMessage { id, author: None, signed: false, form, recipient: None, says: Says::Text(text) })
}

#[test]
fn what_a_wallet_sealed_for_a_key_is_read_by_its_owner_alone() {
    let by_wallets: Sealed = captured!("ecies.json");
    // Made elsewhere and opened by a wallet.
    let for_wallets: Sealed = captured!("ecies_client_made.json");
    let stranger = [PrivateKey::from_scalar(Curve::Secp256k1, &[7; 32]).unwrap()];
    let (mut texts, mut others, mut unsupported) = (0, 0, 0);
    for sealed in by_wallets.vectors.into_iter().chain(for_wallets.vectors) {
        let curve = Curve::from_nid(sealed.nid).unwrap();
        if !curve.is_supported() {
            unsupported += 1;
            continue;
        }
        let key = PrivateKey::from_scalar(curve, &unhex(&sealed.private_key)).unwrap();
        let body = body(form::PASCAL, &unhex(&sealed.ciphertext));
        let by = |accounts: &[PrivateKey]| {
            open(&PLACE, &body, &Meaning::Own { secrets: &[], accounts, passwords: &["secret"] })
        };
        match String::from_utf8(unhex(&sealed.plaintext)) {
            Ok(text) => {
                assert_eq!(by(&[key]), says(&body, text));
                texts += 1;
            }
            // Bytes that are no text are a payload, and no message.
            Err(_) => {
                assert_eq!(by(&[key]), Opened::Unreadable(Unreadable::Account));
                others += 1;
            }
        }
        assert_eq!(by(&stranger), Opened::Unreadable(Unreadable::Account));
        assert_eq!(by(&[]), Opened::Unreadable(Unreadable::Account));
    }
    let of_sect283k1 = 5;
    assert_eq!(texts + others + unsupported, 22);
    assert_eq!(unsupported, if Curve::Sect283k1.is_supported() { 0 } else { of_sect283k1 });
    assert!(texts >= 14 && others >= 3, "{texts} {others}");
}

#[test]
fn what_a_wallet_sealed_with_a_password_is_read_with_it_and_with_no_other() {
    let captured: Passwords = captured!("aes_password.json");
    assert_eq!(captured.vectors.len(), 5);
    let mut read = 0;
    for sealed in captured.vectors {
        let text = String::from_utf8(unhex(&sealed.plaintext)).unwrap();
        let body = body(form::AES, &unhex(&sealed.ciphertext));
        let passwords = ["other", sealed.password.as_str()];
        let meanings = [
            Meaning::Open { passwords: &passwords },
            Meaning::Own { secrets: &[], accounts: &[], passwords: &passwords },
        ];
        for meaning in meanings {
            let opened = open(&PLACE, &body, &meaning);
            if sealed.password.as_bytes() == unhex(&sealed.password_bytes) {
                assert_eq!(opened, says(&body, text.clone()));
                read += 1;
            } else {
                // The wallet was given an ñ in one byte: what it takes for the password depends on its caller.
                assert_eq!((opened, sealed.password.is_ascii()), (Opened::Unreadable(Unreadable::Password), false));
            }
        }
        let others = Meaning::Open { passwords: &["other"] };
        assert_eq!(open(&PLACE, &body, &others), Opened::Unreadable(Unreadable::Password));
    }
    assert_eq!(read, 8);
}

#[test]
fn what_a_wallet_did_not_open_or_seal_is_not_opened_or_sealed() {
    let captured: Calls = serde_json::from_str(include_str!("vectors/payload_calls.json")).unwrap();
    let (mut opened, mut sealed) = (0, 0);
    for call in captured.calls {
        let [request, response] =
            [&call.request, &call.response].map(|text| serde_json::from_str::<Value>(text).unwrap());
        let params = &request["params"];
        if request["method"] == "payloaddecrypt" && response["result"]["result"] == false {
            // A daemon reads what is no hex as one byte.
            let payload = unhex(&response["result"]["enc_payload"].as_str().unwrap().to_lowercase());
            let passwords: Vec<&str> =
                params["pwds"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
            let accounts = [PrivateKey::from_scalar(Curve::Secp256k1, &[7; 32]).unwrap()];
            let own = Meaning::Own { secrets: &[], accounts: &accounts, passwords: &passwords };
            for (form, why) in [(form::PASCAL, Unreadable::Account), (form::AES, Unreadable::Password)] {
                assert_eq!(open(&PLACE, &body(form, &payload), &own), Opened::Unreadable(why), "{}", call.note);
            }
            opened += 1;
        }
        if let (Some(key), "") = (params["enc_pubkey"].as_str(), response["result"].as_str().unwrap_or_default()) {
            let (key, _) = PublicKey::parse_raw(&unhex(&key.to_lowercase())).unwrap();
            let mut rng = ChaCha20Rng::from_seed([4; 32]);
            assert!(compose_text(&TextSeal::Key(&key), "text", &mut rng).is_err(), "{}", call.note);
            sealed += 1;
        }
    }
    assert_eq!((opened, sealed), (3, 1));
}
