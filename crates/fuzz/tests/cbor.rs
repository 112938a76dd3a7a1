//! No bytes upset the reader of an envelope's CBOR; what it accepts has no second form.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail loudly")]

use nightjar_envelope::cbor::{DEPTH_MAX, ENTRIES_MAX, Value, read, write};

#[test]
fn cbor() {
    bolero::check!().for_each(|bytes: &[u8]| {
        if let Ok((value, consumed)) = read(bytes) {
            assert_eq!(write(&value), &bytes[..consumed]);
            assert_eq!(read(&bytes[..consumed]), Ok((value.clone(), consumed)));
            assert!(read(&bytes[..consumed - 1]).is_err());
            look_at(&value, DEPTH_MAX);
        }
    });
}

fn look_at(value: &Value, depth: usize) {
    match value {
        Value::Array(values) => values.iter().for_each(|value| look_at(value, depth.checked_sub(1).unwrap())),
        Value::Map(entries) => {
            assert!(entries.len() <= ENTRIES_MAX);
            entries.values().for_each(|value| look_at(value, depth.checked_sub(1).unwrap()));
        }
        _ => {}
    }
}
