#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail loudly")]

use std::borrow::Cow;

use proptest::prelude::*;

use super::*;
use crate::cbor::tests::any_value;

const TIME_MS: u64 = 1_790_000_000_123;

fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

/// The bytes of a map of kind 0 and time 0, and further entries.
fn with(entries: &[(u64, Value)]) -> Vec<u8> {
    let mut all: BTreeMap<u64, Value> = [(1, Value::Unsigned(0)), (2, Value::Unsigned(0))].into();
    all.extend(entries.iter().cloned());
    cbor::write(&Value::Map(all))
}

fn bytes(length: usize) -> Value {
    Value::Bytes(vec![7; length])
}

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

fn inflated(stream: &[u8], content_type: Option<Value>) -> Result<Content<'static>, ContentFault> {
    let mut entries = vec![(3, Value::Bytes(stream.to_vec())), (6, Value::Unsigned(1))];
    entries.extend(content_type.map(|content_type| (4, content_type)));
    let map = Map::read_all(&with(&entries)).unwrap();
    map.content().map(|content| content.unwrap().into_owned())
}

#[test]
fn a_short_text_is_these_bytes() {
    let map = MapDraft::text(TIME_MS, "grüß dich").build().unwrap();
    assert_eq!(map.bytes(), unhex("a3 0100 021b000001a0c4506c7b 036b6772c3bcc39f2064696368"));
    assert_eq!((map.kind(), map.time_ms()), (Kind::Text, TIME_MS));
    assert_eq!(map.content(), Ok(Some(Content::Text("grüß dich".into()))));
    assert_eq!((map.reply_to(), map.nick(), map.hand_over(), map.other().next()), (None, None, None, None));
}

#[test]
fn kind_and_time_are_wanted_as_numbers() {
    let read = |hex: &str| Map::read_all(&unhex(hex)).map(drop);
    assert_eq!(read("a2 0100 0200"), Ok(()));
    assert_eq!(read("a1 0200"), Err(MapFault::Missing { key: 1 }));
    assert_eq!(read("a1 0100"), Err(MapFault::Missing { key: 2 }));
    assert_eq!(read("a2 0120 0200"), Err(MapFault::Type { key: 1 }));
    assert_eq!(read("a2 0100 0220"), Err(MapFault::Type { key: 2 }));
    assert_eq!(read("80"), Err(MapFault::NotAMap));
    assert_eq!(read(""), Err(CborFault::Ends { at: 0 }.into()));
    assert_eq!(read("a2 0100 0200 00"), Err(MapFault::Behind { bytes: 1 }));
    assert_eq!(Map::read(&unhex("a2 0100 0200 00")).unwrap().1, 5, "in a seal, padding follows");
}

#[test]
fn a_key_of_the_table_has_its_type_and_length() {
    let fits = [
        (3, text("")),
        (3, bytes(0)),
        (4, Value::Unsigned(99)),
        (4, text("image/png")),
        (5, bytes(8)),
        (6, Value::Unsigned(9)),
        (7, bytes(8)),
        (8, text("abc")),
        (8, text(&"a".repeat(32))),
        (8, text("[x]-1")),
        (9, bytes(0)),
        (10, bytes(96)),
        // Reserved, and unknown: of any type.
        (11, Value::Null),
        (0, text("")),
        (64, Value::Bool(true)),
    ];
    for (key, value) in fits {
        assert!(Map::read_all(&with(&[(key, value.clone())])).is_ok(), "{key} {value:?}");
    }
    let other = [
        (3, Value::Unsigned(0)),
        (3, Value::Null),
        (4, bytes(1)),
        (4, Value::Negative(0)),
        (5, bytes(7)),
        (5, bytes(9)),
        (5, text("12345678")),
        (6, Value::Negative(0)),
        (7, bytes(16)),
        (8, bytes(3)),
        (8, text("ab")),
        (8, text(&"a".repeat(33))),
        (8, text("Abc")),
        (8, text("1abc")),
        (8, text("#abc")),
        (8, text("1234-44")),
        (8, text("a b")),
        (9, text("")),
        (10, bytes(95)),
        (10, bytes(97)),
    ];
    for (key, value) in other {
        let read = Map::read_all(&with(&[(key, value.clone())]));
        assert_eq!(read, Err(MapFault::Type { key }), "{value:?}");
    }
}

#[test]
fn every_kind_has_its_number() {
    for (number, kind) in Kind::KNOWN.into_iter().enumerate() {
        assert_eq!(kind.number(), number as u64);
        assert_eq!(Kind::from_number(number as u64), kind);
    }
    assert_eq!(Kind::from_number(13), Kind::Other(13));
    assert_eq!(Kind::from_number(u64::MAX).number(), u64::MAX);
}

#[test]
fn a_message_is_not_younger_than_its_record() {
    let map = MapDraft::new(Kind::Text, 1_800_000_000_000).build().unwrap();
    assert!(map.fits(1_800_000_000));
    assert!(!map.fits(1_799_999_999));
    let late = MapDraft::new(Kind::Text, 1_800_000_000_001).build().unwrap();
    assert!(!late.fits(1_800_000_000));
    assert!(MapDraft::new(Kind::Text, 4_294_967_295_000).build().unwrap().fits(u32::MAX));
    assert!(!MapDraft::new(Kind::Text, u64::MAX).build().unwrap().fits(u32::MAX));
}

#[test]
fn a_content_is_compressed_when_that_is_shorter() {
    let long = "night ".repeat(40);
    let map = MapDraft::text(TIME_MS, &long).build().unwrap();
    assert!(map.bytes().len() < 60);
    assert_eq!(map.content(), Ok(Some(Content::Text(long.into()))));
    assert!(map.other().next().is_none());
    let short = MapDraft::text(TIME_MS, "night").build().unwrap();
    assert!(short.bytes().ends_with(b"night"));
}

#[test]
fn what_is_inflated_is_text_or_bytes_as_its_type_says() {
    let stream = content::deflate(b"[1]");
    for content_type in [None, Some(Value::Unsigned(0)), Some(Value::Unsigned(1)), Some(text("text/markdown"))] {
        assert_eq!(inflated(&stream, content_type), Ok(Content::Text("[1]".into())));
    }
    for content_type in [Value::Unsigned(2), Value::Unsigned(3), Value::Unsigned(4), text("image/png")] {
        assert_eq!(inflated(&stream, Some(content_type)), Ok(Content::Bytes(b"[1]".as_slice().into())));
    }
    assert_eq!(inflated(&content::deflate(b"\xff"), None), Err(ContentFault::NotUtf8));

    // So bytes that do not say what they are stay as they are.
    let zeros = vec![0; 100];
    let draft = |content_type| {
        let content = Some(Content::Bytes(Cow::Borrowed(zeros.as_slice())));
        MapDraft { content, content_type, ..MapDraft::new(Kind::Data, 0) }.build().unwrap()
    };
    for (content_type, is_short) in [(None, false), (Some(ContentType::JSON), false), (Some(ContentType::OCTETS), true)]
    {
        let map = draft(content_type);
        assert_eq!(map.bytes().len() < 100, is_short);
        assert_eq!(map.content(), Ok(Some(Content::Bytes(zeros.as_slice().into()))));
    }
}

#[test]
fn a_compressed_content_has_bounds() {
    let most = "a".repeat(CONTENT_BYTES_MAX);
    let map = MapDraft::text(TIME_MS, &most).build().unwrap();
    assert!(map.bytes().len() < 500);
    assert_eq!(map.content(), Ok(Some(Content::Text(most.into()))));

    let over = "a".repeat(CONTENT_BYTES_MAX + 1);
    let refused = MapDraft::text(TIME_MS, &over).build();
    assert_eq!(refused, Err(DraftFault::TooLong { bytes: CONTENT_BYTES_MAX + 1 }));
    assert_eq!(inflated(&content::deflate(over.as_bytes()), None), Err(ContentFault::TooLong));
    let bomb = content::deflate(&vec![0; 10_000_000]);
    assert_eq!(inflated(&bomb, None), Err(ContentFault::TooLong));
}

#[test]
fn a_compressed_content_ends_with_its_stream() {
    let stream = content::deflate(b"some words, some words, some words");
    for cut in 0..stream.len() {
        assert_eq!(inflated(&stream[..cut], None), Err(ContentFault::Deflate), "{cut}");
    }
    for behind in 1..20 {
        let longer = [stream.as_slice(), &vec![0; behind]].concat();
        assert_eq!(inflated(&longer, None), Err(ContentFault::Behind { bytes: behind }));
    }
    // A stream in stored blocks, as a writer that does not compress makes it, is one all the same.
    assert_eq!(inflated(&unhex("01 0300 fcff 616263"), None), Ok(Content::Text("abc".into())));
    assert_eq!(inflated(&unhex("01 0300 fcff 61626300"), None), Err(ContentFault::Behind { bytes: 1 }));
    assert_eq!(inflated(&unhex("07"), None), Err(ContentFault::Deflate), "a block of no kind");
}

#[test]
fn only_the_content_is_unreadable_when_it_cannot_be_inflated() {
    let content = |entries: &[(u64, Value)]| {
        let map = Map::read_all(&with(entries)).unwrap();
        map.content().map(|content| content.map(Content::into_owned))
    };
    let unknown = |number| (6, Value::Unsigned(number));
    assert_eq!(content(&[(3, bytes(1)), unknown(0)]), Err(ContentFault::Compression(0)));
    assert_eq!(content(&[(3, text("a")), unknown(2)]), Err(ContentFault::Compression(2)));
    assert_eq!(content(&[(3, text("a")), unknown(1)]), Err(ContentFault::NotBytes));
    assert_eq!(content(&[unknown(1)]), Err(ContentFault::NotBytes), "there is none");
    assert_eq!(content(&[]), Ok(None));
}

#[test]
fn a_text_is_written_composed_and_read_as_it_came() {
    let map = MapDraft::text(TIME_MS, "u\u{308}").build().unwrap();
    assert_eq!(map.content(), Ok(Some(Content::Text("ü".into()))));
    let map = Map::read_all(&with(&[(3, text("u\u{308}"))])).unwrap();
    assert_eq!(map.content(), Ok(Some(Content::Text("u\u{308}".into()))));
}

#[test]
fn what_a_reader_would_refuse_is_not_made() {
    let draft = || MapDraft::new(Kind::Card, TIME_MS);
    for nick in ["", "ab", "Abc", "1ab", "ä23"] {
        let refused = MapDraft { nick: Some(nick), ..draft() }.build();
        assert_eq!(refused, Err(MapFault::Type { key: 8 }.into()), "{nick}");
    }
    for key in 1..=10 {
        let refused = MapDraft { other: [(key, Value::Null)].into(), ..draft() }.build();
        assert_eq!(refused, Err(DraftFault::Key { key }));
    }
    let refused = MapDraft { kind: Kind::Other(12), ..draft() }.build();
    assert_eq!(refused, Err(DraftFault::Kind(12)));
    let deep = Value::Array(vec![Value::Array(vec![Value::Array(vec![Value::Array(vec![])])])]);
    let refused = MapDraft { other: [(64, deep)].into(), ..draft() }.build();
    assert!(matches!(refused, Err(DraftFault::Map(MapFault::Cbor(CborFault::Depth { .. })))));
    let many = (64..64 + 31).map(|key| (key, Value::Null)).collect();
    let refused = MapDraft { other: many, ..draft() }.build();
    assert!(matches!(refused, Err(DraftFault::Map(MapFault::Cbor(CborFault::Entries { .. })))));
}

#[test]
fn what_it_says_is_not_in_the_log() {
    let map = MapDraft::text(TIME_MS, "secret").build().unwrap();
    assert_eq!(format!("{map:?}"), "Map(Text, 21 bytes)");
}

fn any_content() -> impl Strategy<Value = Content<'static>> {
    prop_oneof![
        ".{0,60}".prop_map(|text| Content::Text(text.into())),
        "(ab ?){0,200}".prop_map(|text| Content::Text(text.into())),
        prop::collection::vec(any::<u8>(), 0..60).prop_map(|bytes| Content::Bytes(bytes.into())),
        prop::collection::vec(0u8..2, 0..400).prop_map(|bytes| Content::Bytes(bytes.into())),
    ]
}

proptest! {
    #[test]
    fn what_is_built_is_read(
        (kind, time_ms) in (0u64..20, any::<u64>()),
        content in prop::option::of(any_content()),
        content_type in prop::option::of(prop_oneof![
            (0u64..6).prop_map(ContentType::Number),
            prop::sample::select(vec!["text/html", "image/png", "application/json", ""]).prop_map(ContentType::Media),
        ]),
        (reply_to, correlation) in any::<(Option<[u8; 8]>, Option<[u8; 8]>)>(),
        nick in prop::option::of("[a-z_\\[\\]^{}|][a-z0-9-]{2,31}"),
        delegation in prop::option::of(prop::collection::vec(any::<u8>(), 0..220)),
        hand_over in any::<Option<([u8; 32], [u8; 32])>>(),
        other in prop::collection::btree_map(prop_oneof![Just(0), 11u64..70, any::<u64>().prop_map(|key| key.max(11))], any_value(), 0..8),
    ) {
        let draft = MapDraft {
            kind: Kind::from_number(kind),
            time_ms,
            content,
            content_type,
            reply_to,
            correlation,
            nick: nick.as_deref(),
            delegation: delegation.as_deref(),
            hand_over: hand_over.map(|(new_key, half)| HandOver { new_key, signature: [half, half].concat().try_into().unwrap() }),
            other,
        };
        let map = draft.build().unwrap();
        prop_assert_eq!(Map::read_all(map.bytes()), Ok(map.clone()));
        prop_assert_eq!((map.kind(), map.time_ms()), (draft.kind, time_ms));
        use unicode_normalization::UnicodeNormalization as _;
        let said = draft.content.map(|content| match content {
            Content::Text(text) => Content::Text(text.nfc().collect::<String>().into()),
            bytes => bytes,
        });
        prop_assert_eq!(map.content(), Ok(said));
        prop_assert_eq!(map.content_type(), content_type);
        prop_assert_eq!((map.reply_to(), map.correlation(), map.nick()), (reply_to, correlation, nick.as_deref()));
        prop_assert_eq!((map.delegation(), map.hand_over()), (delegation.as_deref(), draft.hand_over));
        prop_assert_eq!(map.other().map(|(key, value)| (key, value.clone())).collect::<BTreeMap<_, _>>(), draft.other);
    }

    #[test]
    fn any_bytes_are_a_map_or_none(tail in prop::collection::vec(any::<u8>(), 0..60), entries in 2u8..6) {
        let bytes = [&[0xa0 | entries, 1, 0, 2, 0], tail.as_slice()].concat();
        if let Ok((map, consumed)) = Map::read(&bytes) {
            prop_assert_eq!(map.bytes(), &bytes[..consumed]);
            prop_assert_eq!(Map::read_all(map.bytes()), Ok(map.clone()));
            if let Ok(Some(content)) = map.content() {
                prop_assert!(content.as_bytes().len() <= CONTENT_BYTES_MAX);
            }
        }
    }
}
