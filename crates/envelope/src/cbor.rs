//! The one CBOR that envelopes are written in: RFC 8949's core deterministic encoding (4.2.1) of a few types. What has a second
//! form is refused, never repaired, since ids and signatures cover the bytes.

use std::collections::BTreeMap;

use minicbor::data::{Int, Type};
use minicbor::{Decoder, Encoder, decode};

/// How many maps and arrays stand in one another, the outermost counted. Enough for tables in a message; the reader calls itself
/// this often at most.
pub const DEPTH_MAX: usize = 4;
/// Entries of one map, so that whoever asks for a key does not search long.
pub const ENTRIES_MAX: usize = 32;

/// A value that an envelope can hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// An integer from 0 on.
    Unsigned(u64),
    /// An integer below 0: minus one, minus this.
    Negative(u64),
    /// Bytes.
    Bytes(Vec<u8>),
    /// A text.
    Text(String),
    /// Values in an order.
    Array(Vec<Value>),
    /// Values by their keys, which are numbers in every map.
    Map(BTreeMap<u64, Value>),
    /// True or false.
    Bool(bool),
    /// Nothing.
    Null,
}

/// Why bytes are no value of an envelope.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CborFault {
    /// More is claimed than there is.
    #[error("the bytes end inside a value, which begins at byte {at}")]
    Ends {
        /// Where the value begins.
        at: usize,
    },
    /// A float, a tag, a value of no fixed length, or no CBOR.
    #[error("at byte {at} stands what no envelope has: a float, a tag, an indefinite length or no CBOR")]
    Forbidden {
        /// Where it stands.
        at: usize,
    },
    /// A text that is none.
    #[error("the text at byte {at} is not UTF-8")]
    NotUtf8 {
        /// Where it stands.
        at: usize,
    },
    /// A key that is not a number from 0 on.
    #[error("at byte {at} stands a key that is not an unsigned integer")]
    Key {
        /// Where it stands.
        at: usize,
    },
    /// More entries than [`ENTRIES_MAX`].
    #[error("the map at byte {at} has {entries} entries: the most is {ENTRIES_MAX}")]
    Entries {
        /// Where the map stands.
        at: usize,
        /// How many entries it claims.
        entries: u64,
    },
    /// More depth than [`DEPTH_MAX`].
    #[error("the map or array at byte {at} stands in {DEPTH_MAX} others, which is one too many")]
    Depth {
        /// Where it stands.
        at: usize,
    },
    /// A head longer than need be, or keys that do not ascend.
    #[error("the bytes are a second form of a value that has another: a head too long, or keys out of order or twice")]
    NotCanonical,
}

/// The value that stands at the beginning of the bytes, and how many bytes it takes.
pub fn read(bytes: &[u8]) -> Result<(Value, usize), CborFault> {
    let mut decoder = Decoder::new(bytes);
    let value = read_value(&mut decoder, 0)?;
    let consumed = decoder.position();
    // There is one way to write a value: what was written another way shows here, be it by order, repeats or long heads.
    if bytes.get(..consumed) == Some(write(&value).as_slice()) {
        Ok((value, consumed))
    } else {
        Err(CborFault::NotCanonical)
    }
}

/// The bytes of a value. Does not look at the limits of [`read`].
pub fn write(value: &Value) -> Vec<u8> {
    let mut encoder = Encoder::new(Vec::new());
    write_value(&mut encoder, value).expect("writing to memory does not fail");
    encoder.into_writer()
}

/// Reads a value that stands in `depth` maps and arrays.
fn read_value(decoder: &mut Decoder<'_>, depth: usize) -> Result<Value, CborFault> {
    let at = decoder.position();
    let fault = |error: decode::Error| {
        if error.is_end_of_input() { CborFault::Ends { at } } else { CborFault::Forbidden { at } }
    };
    let kind = decoder.datatype().map_err(fault)?;
    if matches!(kind, Type::Array | Type::Map) && depth == DEPTH_MAX {
        return Err(CborFault::Depth { at });
    }
    match kind {
        Type::U8 | Type::U16 | Type::U32 | Type::U64 | Type::I8 | Type::I16 | Type::I32 | Type::I64 | Type::Int => {
            let number = i128::from(decoder.int().map_err(fault)?);
            match u64::try_from(number) {
                Ok(number) => Ok(Value::Unsigned(number)),
                Err(_) => Ok(Value::Negative(u64::try_from(-1 - number).expect("CBOR has no lower integer"))),
            }
        }
        Type::Bytes => Ok(Value::Bytes(decoder.bytes().map_err(fault)?.to_vec())),
        Type::String => match decoder.str() {
            Ok(text) => Ok(Value::Text(text.to_owned())),
            Err(error) if error.is_end_of_input() => Err(CborFault::Ends { at }),
            Err(_) => Err(CborFault::NotUtf8 { at }),
        },
        Type::Array => {
            let claimed = decoder.array().map_err(fault)?.ok_or(CborFault::Forbidden { at })?;
            let claimed = held(decoder, claimed, 1).ok_or(CborFault::Ends { at })?;
            (0..claimed).map(|_| read_value(decoder, depth + 1)).collect::<Result<_, _>>().map(Value::Array)
        }
        Type::Map => {
            let entries = decoder.map().map_err(fault)?.ok_or(CborFault::Forbidden { at })?;
            if entries > ENTRIES_MAX as u64 {
                return Err(CborFault::Entries { at, entries });
            }
            let claimed = held(decoder, entries, 2).ok_or(CborFault::Ends { at })?;
            (0..claimed)
                .map(|_| Ok((read_key(decoder)?, read_value(decoder, depth + 1)?)))
                .collect::<Result<_, _>>()
                .map(Value::Map)
        }
        Type::Bool => decoder.bool().map(Value::Bool).map_err(fault),
        Type::Null => decoder.null().map(|()| Value::Null).map_err(fault),
        _ => Err(CborFault::Forbidden { at }),
    }
}

fn read_key(decoder: &mut Decoder<'_>) -> Result<u64, CborFault> {
    let at = decoder.position();
    match decoder.datatype() {
        Ok(Type::U8 | Type::U16 | Type::U32 | Type::U64) => decoder.u64().map_err(|_| CborFault::Ends { at }),
        Err(error) if error.is_end_of_input() => Err(CborFault::Ends { at }),
        _ => Err(CborFault::Key { at }),
    }
}

/// The claimed number of things of so many bytes at least, if the bytes that are left can hold them.
fn held(decoder: &Decoder<'_>, claimed: u64, bytes_each: usize) -> Option<usize> {
    let left = decoder.input().len().saturating_sub(decoder.position());
    usize::try_from(claimed).ok().filter(|claimed| *claimed <= left / bytes_each)
}

fn write_value(
    encoder: &mut Encoder<Vec<u8>>,
    value: &Value,
) -> Result<(), minicbor::encode::Error<std::convert::Infallible>> {
    match value {
        Value::Unsigned(number) => encoder.u64(*number)?.ok(),
        Value::Negative(number) => {
            let number = Int::try_from(-1 - i128::from(*number)).expect("CBOR goes down to minus one minus a u64");
            encoder.int(number)?.ok()
        }
        Value::Bytes(bytes) => encoder.bytes(bytes)?.ok(),
        Value::Text(text) => encoder.str(text)?.ok(),
        Value::Array(values) => {
            encoder.array(values.len() as u64)?;
            values.iter().try_for_each(|value| write_value(encoder, value))
        }
        Value::Map(entries) => {
            encoder.map(entries.len() as u64)?;
            entries.iter().try_for_each(|(key, value)| {
                encoder.u64(*key)?;
                write_value(encoder, value)
            })
        }
        Value::Bool(truth) => encoder.bool(*truth)?.ok(),
        Value::Null => encoder.null()?.ok(),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail loudly")]

    use proptest::prelude::*;

    use super::*;

    /// Any value whose depth fits into a map of a message.
    pub(crate) fn any_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            any::<u64>().prop_map(Value::Unsigned),
            (0u64..1000).prop_map(Value::Unsigned),
            any::<u64>().prop_map(Value::Negative),
            prop::collection::vec(any::<u8>(), 0..40).prop_map(Value::Bytes),
            ".{0,20}".prop_map(Value::Text),
            any::<bool>().prop_map(Value::Bool),
            Just(Value::Null),
        ];
        leaf.prop_recursive(2, 32, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::Array),
                prop::collection::btree_map(any::<u64>(), inner, 0..6).prop_map(Value::Map),
            ]
        })
    }

    fn unhex(text: &str) -> Vec<u8> {
        let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
        digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
    }

    #[test]
    fn the_values_of_the_rfc_are_read_and_written() {
        // RFC 8949, appendix A: those of its examples that an envelope can hold.
        let examples = [
            ("00", Value::Unsigned(0)),
            ("17", Value::Unsigned(23)),
            ("1818", Value::Unsigned(24)),
            ("1903e8", Value::Unsigned(1000)),
            ("1a000f4240", Value::Unsigned(1_000_000)),
            ("1bffffffffffffffff", Value::Unsigned(u64::MAX)),
            ("20", Value::Negative(0)),
            ("3903e7", Value::Negative(999)),
            ("3bffffffffffffffff", Value::Negative(u64::MAX)),
            ("f4", Value::Bool(false)),
            ("f5", Value::Bool(true)),
            ("f6", Value::Null),
            ("40", Value::Bytes(vec![])),
            ("4401020304", Value::Bytes(vec![1, 2, 3, 4])),
            ("62c3bc", Value::Text("ü".into())),
            ("8301820203820405", {
                let pair = |a, b| Value::Array(vec![Value::Unsigned(a), Value::Unsigned(b)]);
                Value::Array(vec![Value::Unsigned(1), pair(2, 3), pair(4, 5)])
            }),
            ("a0", Value::Map(BTreeMap::new())),
            ("a201020304", Value::Map([(1, Value::Unsigned(2)), (3, Value::Unsigned(4))].into())),
        ];
        for (hex, value) in examples {
            let bytes = unhex(hex);
            assert_eq!(read(&bytes), Ok((value.clone(), bytes.len())), "{hex}");
            assert_eq!(write(&value), bytes, "{hex}");
        }
    }

    #[test]
    fn a_second_form_is_refused() {
        for hex in [
            "1800",               // 0 in two bytes
            "1817",               // 23 in two bytes
            "190018",             // 24 in three
            "1a0000ffff",         // a u16 in five
            "1b00000000ffffffff", // a u32 in nine
            "3817",               // -24 in two
            "5803010203",         // the length of bytes
            "7801 61",            // the length of a text
            "9801 00",            // the length of an array
            "b801 0100",          // the length of a map
            "a2 0300 0100",       // keys that descend
            "a2 0100 0100",       // a key twice
            "a1 180100",          // a key in two bytes
            "81 a2 0300 0100",    // the same further in
        ] {
            assert_eq!(read(&unhex(hex)), Err(CborFault::NotCanonical), "{hex}");
        }
    }

    #[test]
    fn what_no_envelope_has_is_refused() {
        for hex in [
            "f90000", // floats
            "fa00000000",
            "fb0000000000000000",
            "f7", // undefined
            "e0", // other simple values
            "f8ff",
            "c000", // a tag
            "d9d9f700",
            "5f4100ff", // indefinite lengths
            "7f6161ff",
            "9f00ff",
            "bf0100ff",
            "ff", // an end of nothing
            "1c", // heads that mean nothing
            "3d",
            "5c",
            "7e",
            "9d",
            "bd",
        ] {
            assert_eq!(read(&unhex(hex)), Err(CborFault::Forbidden { at: 0 }), "{hex}");
        }
        assert_eq!(read(&unhex("61ff")), Err(CborFault::NotUtf8 { at: 0 }));
        assert_eq!(read(&unhex("63eda080")), Err(CborFault::NotUtf8 { at: 0 }), "half a surrogate pair");
        for key in ["20", "4101", "6161", "f4", "80"] {
            assert_eq!(read(&unhex(&format!("a1{key}00"))), Err(CborFault::Key { at: 1 }), "{key}");
        }
    }

    #[test]
    fn a_length_that_is_only_claimed_is_refused() {
        for hex in
            ["", "18", "1b00", "41", "5bffffffffffffffff", "7bffffffffffffffff", "9bffffffffffffffff", "9a00010000 00"]
        {
            assert_eq!(read(&unhex(hex)), Err(CborFault::Ends { at: 0 }), "{hex}");
        }
        assert_eq!(read(&unhex("a101")), Err(CborFault::Ends { at: 0 }));
        assert_eq!(read(&unhex("a10118")), Err(CborFault::Ends { at: 2 }));
        assert_eq!(read(&unhex("a11801")), Err(CborFault::Ends { at: 3 }));
        assert_eq!(read(&unhex("bbffffffffffffffff")), Err(CborFault::Entries { at: 0, entries: u64::MAX }));
    }

    #[test]
    fn depth_and_entries_have_their_limits() {
        assert!(read(&unhex("8181 8180")).is_ok());
        assert_eq!(read(&unhex("8181 8181 80")), Err(CborFault::Depth { at: 4 }));
        assert!(read(&unhex("a101a101a101a0")).is_ok());
        assert_eq!(read(&unhex("a101a101a101a101a0")), Err(CborFault::Depth { at: 8 }));
        assert!(read(&unhex("8181818100")).is_ok(), "what holds nothing is no deeper");
        assert_eq!(read(&[0x81; 100_000]), Err(CborFault::Depth { at: 4 }));

        let map = |entries| Value::Map((0..entries).map(|key| (key, Value::Null)).collect());
        assert!(read(&write(&map(32))).is_ok());
        assert_eq!(read(&write(&map(33))), Err(CborFault::Entries { at: 0, entries: 33 }));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(value in any_value(), behind in prop::collection::vec(any::<u8>(), 0..5)) {
            let bytes = write(&value);
            let consumed = bytes.len();
            prop_assert_eq!(read(&[bytes, behind].concat()), Ok((value, consumed)));
        }

        #[test]
        fn a_value_that_is_cut_is_refused(value in any_value(), at in any::<prop::sample::Index>()) {
            let bytes = write(&value);
            let refused = matches!(read(&bytes[..at.index(bytes.len())]), Err(CborFault::Ends { .. }));
            prop_assert!(refused);
        }

        #[test]
        fn what_is_read_is_written_as_it_came(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            if let Ok((value, consumed)) = read(&bytes) {
                prop_assert_eq!(write(&value), &bytes[..consumed]);
            }
        }
    }
}
