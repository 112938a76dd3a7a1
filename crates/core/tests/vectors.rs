//! The vectors of `docs/wire/vectors/record.json`, which another program computed, hold here; the page shows them.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs, reason = "a test may fail loudly")]

use nightjar_core::name::{Name, NameError, TypedName};
use nightjar_core::record::{MsgId, Record, RecordRef, Target};
use serde::Deserialize;

const VECTORS: &str = include_str!("../../../docs/wire/vectors/record.json");
const PAGE: &str = include_str!("../../../docs/wire/record.md");

#[test]
fn every_name_has_the_target_of_its_text() {
    for vector in vectors().names {
        let name: TypedName = vector.typed.parse().unwrap_or_else(|error| panic!("{:?}: {error}", vector.typed));
        assert_eq!(name.name().text(), vector.name, "{:?}", vector.typed);
        assert_eq!(name.name().target(), target(&vector.target), "{:?}", vector.typed);
        assert_eq!(name.literal_target(), target(&vector.literal_target), "{:?}", vector.typed);
        let kind = match name.name() {
            Name::Account(_) => "account",
            Name::Nick(_) => "nick",
            Name::Channel(_) => "channel",
        };
        assert_eq!(kind, vector.kind, "{:?}", vector.typed);
    }
}

#[test]
fn every_text_that_breaks_a_rule_is_refused_for_that_rule() {
    for vector in vectors().refused_names {
        let error = vector.typed.parse::<TypedName>().expect_err(&vector.typed);
        let why = match &error {
            NameError::Empty => "empty",
            NameError::AccountTooHigh(_) => "account too high",
            NameError::AccountForm(_) => "account form",
            NameError::AccountChecksum { .. } => "account checksum",
            NameError::NickLength { .. } => "nick length",
            NameError::NickCharacter { .. } => "nick character",
            NameError::ChannelLength { .. } => "channel length",
            NameError::ChannelCharacter { .. } => "channel character",
            NameError::ChannelNotComposed { .. } => "channel not composed",
        };
        assert_eq!(why, vector.why, "{:?}", vector.typed);
        let composed = match error {
            NameError::ChannelNotComposed { composed, .. } => Some(composed),
            _ => None,
        };
        assert_eq!(composed, vector.composed, "{:?}", vector.typed);
    }
}

#[test]
fn every_plain_record_is_made_and_read_as_it_stands() {
    for vector in vectors().plain {
        let made = Record::plain(msg_id(&vector.msgid), target(&vector.target), &hex(&vector.payload)).unwrap();
        assert_eq!(made.bytes(), hex(&vector.record), "{}", vector.what);
        assert_plain(&vector);
    }
}

#[test]
fn every_dated_record_is_made_and_read_as_it_stands() {
    for vector in vectors().dated {
        let bytes = hex(&vector.record);
        let (read, used) = Record::parse(&bytes).unwrap();
        assert_eq!(used, bytes.len(), "{}", vector.what);
        assert_eq!(read.msg_id(), msg_id(&vector.msgid), "{}", vector.what);
        assert_eq!(read.target(), target(&vector.target), "{}", vector.what);
        assert_eq!(read.body(), hex(&vector.body), "{}", vector.what);
        assert_eq!(read.work_bits(), vector.work_bits, "{}", vector.what);
        let stamp = read.stamp().unwrap_or_else(|| panic!("{} is dated", vector.what));
        assert_eq!(stamp.expiry, vector.expiry, "{}", vector.what);
        assert_eq!(
            (stamp.claimed_bits, stamp.coding, stamp.reserved),
            (vector.claimed_bits, vector.coding, vector.reserved),
            "{}",
            vector.what
        );
        // What has an unknown flag is carried, never made.
        if vector.reserved == 0 {
            let made = Record::dated_with_claim(
                target(&vector.target),
                &hex(&vector.body),
                vector.expiry,
                vector.coding,
                hex(&vector.nonce).try_into().unwrap(),
                vector.claimed_bits,
            );
            assert_eq!(made.unwrap(), read, "{}", vector.what);
        }
    }
}

#[test]
fn every_near_miss_is_plain() {
    for vector in vectors().near_misses {
        assert_plain(&vector);
    }
}

#[test]
fn the_vectors_hold_what_they_are_for() {
    let vectors = vectors();
    assert!(vectors.dated.iter().any(|vector| vector.work_bits == 20));
    assert!(vectors.dated.iter().any(|vector| vector.claimed_bits >= 20 && vector.work_bits == 0));
    assert!(vectors.dated.iter().any(|vector| vector.reserved != 0) && vectors.near_misses.len() > 8);
}

#[test]
fn the_page_shows_bytes_that_the_vectors_have() {
    let page: String = PAGE.split_whitespace().collect();
    let vectors = vectors();
    for (shown, from) in [
        (&vectors.plain[0].record, "the plain record"),
        (&vectors.dated[0].record, "the dated record"),
        (&vectors.dated.last().unwrap().record, "the worked record"),
    ] {
        assert!(page.contains(shown.as_str()), "{from} of the page is not that of the vectors: {shown}");
    }
    for name in &vectors.names {
        let row = format!("|`{}`|`{}`|`{}`|", name.typed, name.name, name.target);
        let on_page = ["1234", "NightRaven", "@nightraven", "#PascalCoin", "#Ärger"].contains(&name.typed.as_str());
        assert!(!on_page || page.contains(&row), "the page has no row {row}");
    }
}

fn assert_plain(vector: &Plain) {
    let bytes = hex(&vector.record);
    let (read, used) = RecordRef::parse(&bytes).unwrap();
    assert_eq!(used, bytes.len(), "{}", vector.what);
    let kept = read.to_record();
    assert_eq!(kept.stamp(), None, "{}", vector.what);
    assert_eq!(kept.work_bits(), 0, "{}", vector.what);
    assert_eq!(kept.msg_id(), msg_id(&vector.msgid), "{}", vector.what);
    assert_eq!(kept.target(), target(&vector.target), "{}", vector.what);
    assert_eq!(kept.payload(), hex(&vector.payload), "{}", vector.what);
    assert_eq!(kept.body(), kept.payload(), "{}", vector.what);
}

fn vectors() -> Vectors {
    serde_json::from_str(VECTORS).unwrap()
}

fn msg_id(text: &str) -> MsgId {
    text.parse().unwrap()
}

fn target(text: &str) -> Target {
    text.parse().unwrap()
}

fn hex(text: &str) -> Vec<u8> {
    assert!(text.len().is_multiple_of(2));
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

#[derive(Deserialize)]
struct Vectors {
    names: Vec<Named>,
    refused_names: Vec<Refused>,
    plain: Vec<Plain>,
    dated: Vec<Dated>,
    near_misses: Vec<Plain>,
}

#[derive(Deserialize)]
struct Named {
    kind: String,
    typed: String,
    name: String,
    target: String,
    literal_target: String,
}

#[derive(Deserialize)]
struct Refused {
    typed: String,
    why: String,
    composed: Option<String>,
}

#[derive(Deserialize)]
struct Plain {
    what: String,
    msgid: String,
    target: String,
    payload: String,
    record: String,
}

#[derive(Deserialize)]
struct Dated {
    what: String,
    target: String,
    body: String,
    nonce: String,
    expiry: u32,
    claimed_bits: u8,
    coding: u8,
    reserved: u8,
    work_bits: u8,
    msgid: String,
    record: String,
}
