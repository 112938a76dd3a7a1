//! No bytes upset the reader of a message's map, nor what is asked of one; its content has a bound whatever it inflates to.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail loudly")]

use nightjar_envelope::map::{CONTENT_BYTES_MAX, Kind, Map, MapDraft};

#[test]
fn map() {
    bolero::check!().for_each(|bytes: &[u8]| {
        look_at(bytes);
        // Random bytes seldom begin with a kind and a time.
        for entries in 2..8 {
            look_at(&[&[0xa0 | entries, 1, 0, 2, 0], bytes].concat());
        }
    });
}

/// Bytes as a compressed content, which would otherwise seldom be reached.
#[test]
fn compressed_content() {
    bolero::check!().for_each(|bytes: &[u8]| {
        let length = u16::try_from(bytes.len()).unwrap().to_be_bytes();
        let head: &[u8] = match bytes.len() {
            0..24 => &[0x40 | length[1]],
            24..256 => &[0x58, length[1]],
            _ => &[0x59, length[0], length[1]],
        };
        look_at(&[&[0xa4, 1, 0, 2, 0, 3], head, bytes, &[6, 1]].concat());
    });
}

#[test]
fn draft() {
    bolero::check!().with_type::<(u64, u64, String)>().for_each(|(kind, time_ms, text)| {
        let map = MapDraft { kind: Kind::from_number(*kind), ..MapDraft::text(*time_ms, text) }.build().unwrap();
        assert_eq!(Map::read_all(map.bytes()), Ok(map.clone()));
        assert_eq!((map.kind().number(), map.time_ms()), (*kind, *time_ms));
    });
}

fn look_at(bytes: &[u8]) {
    let Ok((map, consumed)) = Map::read(bytes) else { return };
    assert_eq!(map.bytes(), &bytes[..consumed]);
    assert_eq!(Map::read_all(bytes).is_ok(), consumed == bytes.len());
    if let Ok(Some(content)) = map.content() {
        assert!(content.as_bytes().len() <= CONTENT_BYTES_MAX);
    }
    assert_eq!(map.fits(0), map.time_ms() == 0);
    assert_eq!(Kind::from_number(map.kind().number()), map.kind());
    assert!(map.nick().is_none_or(|nick| (3..=32).contains(&nick.len())));
    // Whatever stands there is of its type: what the table knows is not among the rest.
    let known =
        [map.reply_to().is_some(), map.correlation().is_some(), map.delegation().is_some(), map.hand_over().is_some()];
    assert!(map.other().count() + known.iter().filter(|known| **known).count() <= 30);
}
