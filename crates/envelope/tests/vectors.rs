//! The vectors of `docs/wire/vectors`, which another program computed, hold here: what it wrote is read, written and opened as it
//! says, and what it says must be refused is.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs, reason = "a test may fail loudly")]

mod as_json;

use std::collections::BTreeSet;

use nightjar_core::chain::Network;
use nightjar_core::record::Record;
use nightjar_envelope::delegation::{Claim, Delegation, Scope};
use nightjar_envelope::form;
use nightjar_envelope::fragment::{Assembly, Joined, Part, cut};
use nightjar_envelope::key::{ChatKey, ChatSecret};
use nightjar_envelope::map::{HandOver, Map};
use nightjar_envelope::open::{Meaning, Opened, OpenedMessage, Refused, Says, open};
use nightjar_envelope::seal::channel::ChannelKey;
use nightjar_envelope::seal::pair::PairKey;
use nightjar_envelope::sign::OuterForm;
use nightjar_envelope::{CODING, Place};
use nightjar_pasc::key::{Curve, PrivateKey, PublicKey};
use nightjar_pasc::signature::Signature;
use serde_json::Value as Json;
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use as_json::{all_bytes, bytes, curve, hex, key, list, network, number, place, says, text, unhex};

const ENVELOPE: &str = include_str!("../../../docs/wire/vectors/envelope.json");
const SEALS: &str = include_str!("../../../docs/wire/vectors/seals.json");
const FRAGMENTS: &str = include_str!("../../../docs/wire/vectors/fragments.json");
const DELEGATION: &str = include_str!("../../../docs/wire/vectors/delegation.json");
const REFUSED: &str = include_str!("../../../docs/wire/vectors/refused.json");

#[test]
fn what_is_said_in_clear_is_read_and_written_to_the_byte() {
    let file = json(ENVELOPE);
    let cases = list(&file, "cases");
    for case in cases {
        let (what, place, body) = (text(case, "what"), place(case), bytes(case, "body"));
        check_record(case, &body);
        let map = Map::read_all(&bytes(case, "map")).unwrap_or_else(|fault| panic!("{what}: {fault}"));
        says(&map, &case["says"], what);
        let made = match case.get("author") {
            Some(author) => form::signed(&person_of(&file, author), &place, OuterForm::Clear, &map),
            None => form::anonymous(&map),
        };
        assert_eq!(made, body, "{what}");
        let message = opened(&file, case, &body);
        assert_eq!((message.id.to_string().as_str(), &message.says), (text(case, "id"), &Says::Map(map)), "{what}");
    }
    assert!(cases.len() > 30);
    let hand_over = hand_over(&file["hand_over"]);
    let old = key(&file["hand_over"], "old");
    assert_eq!(hand_over.heir(network(&file["hand_over"]), &old), ChatKey::from_bytes(hand_over.new_key));
    assert!(ChatKey::from_bytes(hand_over.new_key).is_some());
}

#[test]
fn what_is_sealed_is_opened() {
    let file = json(SEALS);
    let mut seen = BTreeSet::new();
    for case in list(&file, "cases").iter().filter(|case| is_supported(&case["meaning"])) {
        let (what, body) = (text(case, "what"), bytes(case, "body"));
        check_record(case, &body);
        let message = opened(&file, case, &body);
        assert_eq!(message.id.to_string(), text(case, "id"), "{what}");
        assert_eq!(message.author, case["author"].as_str().map(|key| key.parse().unwrap()), "{what}");
        match &message.says {
            Says::Map(map) => says(map, &case["says"], what),
            Says::Text(said) => assert_eq!(said, text(case, "text"), "{what}"),
        }
        seen.insert(message.form);
    }
    assert_eq!(seen, (3..=7).collect());
}

#[test]
fn what_is_cut_is_cut_so_and_is_joined_in_any_order() {
    let file = json(FRAGMENTS);
    for case in list(&file, "cases") {
        let (what, place, body) = (text(case, "what"), place(case), bytes(case, "body"));
        let parts = all_bytes(case, "parts");
        assert_eq!(cut(&place, &body).unwrap(), parts, "{what}");
        assert_eq!(whole(&place, parts.iter()), Some(body.clone()), "{what}");
        assert_eq!(whole(&place, parts.iter().rev()), Some(body), "{what}, backwards");
    }
    let longest = &file["longest"];
    let unit = bytes(longest, "unit");
    let mut body = unit.repeat(312);
    body[0] = form::ANONYMOUS;
    assert_eq!(hex(&Sha256::digest(&body)), text(longest, "body_sha256"));
    let parts = cut(&place(longest), &body).unwrap();
    assert_eq!(parts.len() as u64, number(longest, "count"));
    assert_eq!((&parts[0], &parts[311]), (&bytes(longest, "first"), &bytes(longest, "last")));
    assert_eq!(hex(&Sha256::digest(parts.concat())), text(longest, "parts_sha256"));
    assert_eq!(whole(&place(longest), parts.iter().rev()), Some(body));
}

#[test]
fn what_an_account_signed_is_read_and_written_to_the_byte() {
    let mut seen = BTreeSet::new();
    let file = json(DELEGATION);
    for case in list(&file, "cases") {
        let (what, record) = (text(case, "what"), bytes(case, "delegation"));
        let claim = claim(case);
        assert_eq!(hex(&claim.digest()), text(case, "digest"), "{what}");
        if let Some(skipped) = case.get("skipped") {
            let mut before = Claim { issued: number(skipped, "issued") as u32, ..claim.clone() };
            assert_eq!(hex(&before.digest()), text(skipped, "digest"), "{what}");
            assert_eq!((hex(&before.settle()).as_str(), before.issued), (text(case, "digest"), claim.issued), "{what}");
        }
        let curve = claim.key.curve();
        if !curve.is_supported() {
            continue;
        }
        let signature = Signature::from_scalars(curve, &bytes(case, "r"), &bytes(case, "s")).unwrap();
        assert_eq!(claim.signed(&signature).unwrap().bytes, record, "{what}");
        // As it travels: in a proof, by its author or by anybody.
        let proof = &case["proof"];
        let Opened::Message(message) = open(&place(proof), &bytes(proof, "body"), &Meaning::Open { passwords: &[] })
        else {
            panic!("{what}: the proof is not opened")
        };
        let Says::Map(map) = &message.says else { panic!("{what}") };
        assert_eq!(map.delegation(), Some(record.as_slice()), "{what}");
        let delegation = Delegation::parse(&record).unwrap();
        let checked = delegation.check(claim.network, message.author.as_ref(), claim.issued).unwrap();
        assert_eq!(hex(&checked.digest), text(case, "digest"), "{what}");
        assert_eq!(checked.claim.chat_key, claim.chat_key, "{what}");
        seen.insert(curve);
    }
    assert!(seen.len() >= 3);
}

#[test]
fn a_body_that_must_be_refused_is() {
    let file = json(REFUSED);
    let cases = list(&file, "bodies");
    assert!(cases.len() > 200);
    for case in cases.iter().filter(|case| is_supported(&case["meaning"])) {
        let what = text(case, "what");
        match open_with(&file, case, &bytes(case, "body")) {
            Opened::Message(message) => panic!("{what}: opened as {message:?}"),
            Opened::Unreadable(_) => assert_eq!(text(case, "outcome"), "unreadable", "{what}"),
            // Not shown in either case: an outsider's is counted as such.
            Opened::Refused(why) => assert_eq!(why == Refused::Outsider, text(case, "outcome") == "outsider", "{what}"),
        }
    }
    for case in list(&file, "taken") {
        assert_eq!(
            opened(&file, case, &bytes(case, "body")).id.to_string(),
            text(case, "id"),
            "{}",
            text(case, "what")
        );
    }
}

#[test]
fn a_content_a_key_and_a_hand_over_that_must_be_refused_are() {
    let file = json(REFUSED);
    for case in list(&file, "contents") {
        let map = Map::read_all(&bytes(case, "map")).unwrap();
        assert!(map.content().is_err(), "{}", text(case, "what"));
    }
    for case in list(&file, "keys") {
        let may_sign = ChatKey::from_bytes(bytes(case, "key").try_into().unwrap());
        assert_eq!(may_sign.is_some(), case["may_sign"].as_bool().unwrap(), "{}", text(case, "what"));
        if let Some(key) = may_sign {
            let own = ChatSecret::from_seed(&Zeroizing::new([1; 32]));
            assert!(PairKey::between(Network::Main, &own, &key).is_err(), "{}", text(case, "what"));
        }
    }
    for case in list(&file, "hand_overs") {
        assert_eq!(hand_over(case).heir(network(case), &key(case, "old")), None, "{}", text(case, "what"));
    }
}

#[test]
fn a_part_and_a_set_that_must_be_refused_are() {
    let file = json(REFUSED);
    for case in list(&file, "parts") {
        let body = bytes(case, "body");
        let taken = Part::parse(&body).map(|part| Assembly::default().take(&place(case), &part));
        assert!(matches!(taken, None | Some(Joined::Dropped)), "{}", text(case, "what"));
    }
    for case in list(&file, "sets") {
        assert_eq!(whole(&place(case), all_bytes(case, "parts").iter()), None, "{}", text(case, "what"));
    }
    for case in list(&file, "joined") {
        let joined = whole(&place(case), all_bytes(case, "parts").iter());
        assert_eq!(joined, Some(bytes(case, "body")), "{}", text(case, "what"));
    }
}

#[test]
fn a_delegation_that_must_be_refused_is() {
    let file = json(REFUSED);
    let cases = list(&file, "delegations");
    assert!(cases.len() > 100);
    for case in cases {
        let author = case["author"].as_str().map(|key| key.parse::<ChatKey>().unwrap());
        let checked = Delegation::parse(&bytes(case, "delegation"))
            .and_then(|delegation| delegation.check(network(case), author.as_ref(), u32::MAX));
        assert!(checked.is_err(), "{}", text(case, "what"));
    }
}

/// The record, where the body fits one, is a dated one of this body.
fn check_record(case: &Json, body: &[u8]) {
    let Some(record) = case.get("record") else { return };
    let (record, _) = Record::parse(&unhex(record.as_str().unwrap())).unwrap();
    assert_eq!((record.body(), record.stamp().unwrap().coding), (body, CODING), "{}", text(case, "what"));
    assert_eq!(Place::of(network(case), &record), Some(place(case)), "{}", text(case, "what"));
}

fn whole<'p>(place: &Place, parts: impl Iterator<Item = &'p Vec<u8>>) -> Option<Vec<u8>> {
    let mut assembly = Assembly::default();
    parts.fold(None, |whole, part| match Part::parse(part).map(|part| assembly.take(place, &part)) {
        Some(Joined::Whole(body)) => Some(body),
        _ => whole,
    })
}

fn opened(file: &Json, case: &Json, body: &[u8]) -> OpenedMessage {
    match open_with(file, case, body) {
        Opened::Message(message) => message,
        other => panic!("{}: {other:?}", text(case, "what")),
    }
}

/// Opens a body with what the vector says that its target means; in clear, where it says nothing.
fn open_with(file: &Json, case: &Json, body: &[u8]) -> Opened {
    let place = place(case);
    let open_channel = serde_json::json!({ "open": {} });
    let (meaning, keys) = case.get("meaning").unwrap_or(&open_channel).as_object().unwrap().iter().next().unwrap();
    let names = |what: &str| {
        let names = keys.get(what).and_then(Json::as_array).into_iter().flatten();
        names.map(|name| name.as_str().unwrap()).collect::<Vec<_>>()
    };
    let passwords = names("passwords");
    match meaning.as_str() {
        "open" => open(&place, body, &Meaning::Open { passwords: &passwords }),
        "own" => {
            let secrets: Vec<_> = names("chat").into_iter().map(|name| person(file, name)).collect();
            let accounts: Vec<_> = names("accounts").into_iter().map(|name| account(file, name)).collect();
            open(&place, body, &Meaning::Own { secrets: &secrets, accounts: &accounts, passwords: &passwords })
        }
        "channel" => {
            let channel = &file["channels"][keys.as_u64().unwrap() as usize];
            let root = Zeroizing::new(bytes(channel, "root").try_into().unwrap());
            open(&place, body, &Meaning::Channel(&ChannelKey::from_root(root)))
        }
        "pair" => {
            let (own, other) = (person(file, text(keys, "own")), person(file, text(keys, "other")).public());
            open(&place, body, &Meaning::Pair(&PairKey::between(place.network, &own, &other).unwrap()))
        }
        other => panic!("a meaning that is not known: {other}"),
    }
}

/// Whether this build computes on the curves that the vector needs.
fn is_supported(meaning: &Json) -> bool {
    let accounts = meaning["own"]["accounts"].as_array().into_iter().flatten();
    accounts.map(|name| curve(name.as_str().unwrap())).all(Curve::is_supported)
}

fn claim(case: &Json) -> Claim {
    Claim {
        network: network(case),
        account: number(case, "account") as u32,
        scope: Scope::from_byte(number(case, "scope") as u8).unwrap(),
        issued: number(case, "issued") as u32,
        until: number(case, "until") as u32,
        name: text(case, "name").to_owned(),
        key: PublicKey::parse_raw(&bytes(case, "raw_key")).unwrap().0,
        chat_key: key(case, "chat_key"),
    }
}

fn hand_over(case: &Json) -> HandOver {
    let value = bytes(case, "value");
    HandOver { new_key: value[..32].try_into().unwrap(), signature: value[32..].try_into().unwrap() }
}

fn person(file: &Json, name: &str) -> ChatSecret {
    let secret = ChatSecret::from_seed(&Zeroizing::new(bytes(&file["people"][name], "seed").try_into().unwrap()));
    assert_eq!(secret.public(), key(&file["people"][name], "public"), "{name}");
    secret
}

fn person_of(file: &Json, public: &Json) -> ChatSecret {
    let people = file["people"].as_object().unwrap();
    let (name, _) = people.iter().find(|(_, person)| person["public"] == *public).unwrap();
    person(file, name)
}

fn account(file: &Json, name: &str) -> PrivateKey {
    PrivateKey::from_scalar(curve(name), &bytes(&file["account_keys"][name], "scalar")).unwrap()
}

fn json(text: &str) -> Json {
    serde_json::from_str(text).unwrap()
}
