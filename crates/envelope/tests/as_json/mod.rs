//! Maps and their values in JSON, the way the vectors and the lines of the second implementation write them.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    unreachable_pub,
    dead_code,
    reason = "helpers of tests, each of which uses a part"
)]

use nightjar_core::chain::Network;
use nightjar_core::record::Target;
use nightjar_envelope::Place;
use nightjar_envelope::cbor::Value;
use nightjar_envelope::key::ChatKey;
use nightjar_envelope::map::{Content, ContentType, Map};
use nightjar_pasc::key::Curve;
use serde_json::{Value as Json, json};
use sha2::{Digest as _, Sha256};

/// Whether the map says what the vector says of it.
pub fn says(map: &Map, said: &Json, what: &str) {
    assert_eq!((map.kind().number(), map.time_ms()), (number(said, "kind"), number(said, "time_ms")), "{what}");
    let content = map.content().unwrap();
    match (&content, said.get("content"), said.get("content_sha256")) {
        (None, None, None) => {}
        (Some(content), Some(Json::String(text)), _) => assert_eq!(content.as_text(), Some(text.as_str()), "{what}"),
        (Some(content), Some(said), _) => {
            assert!(matches!(content, Content::Bytes(_)), "{what}");
            assert_eq!(content.as_bytes(), bytes(said, "bytes"), "{what}");
        }
        (Some(content), None, Some(hash)) => assert_eq!(hex(&Sha256::digest(content.as_bytes())), *hash, "{what}"),
        (content, ..) => panic!("{what}: {content:?}"),
    }
    let content_type = said.get("content_type").map(|content_type| match content_type {
        Json::String(media) => ContentType::Media(media),
        number => ContentType::Number(number.as_u64().unwrap()),
    });
    assert_eq!(map.content_type(), content_type, "{what}");
    let optional = |name| said.get(name).map(|_| bytes(said, name));
    assert_eq!(map.reply_to().map(Vec::from), optional("reply_to"), "{what}");
    assert_eq!(map.correlation().map(Vec::from), optional("correlation"), "{what}");
    assert_eq!(map.delegation().map(Vec::from), optional("delegation"), "{what}");
    let hand_over = map.hand_over().map(|to| [to.new_key.as_slice(), &to.signature].concat());
    assert_eq!(hand_over, optional("hand_over"), "{what}");
    assert_eq!(map.nick(), said.get("nick").map(|nick| nick.as_str().unwrap()), "{what}");
    let empty = serde_json::Map::new();
    let unknown = said.get("unknown").map_or(&empty, |unknown| unknown.as_object().unwrap());
    assert_eq!(map.other().count(), unknown.len(), "{what}");
    for (key, value) in map.other() {
        assert!(is_value(value, &unknown[&key.to_string()]), "{what}: {key} is {value:?}");
    }
}

/// Whether a value is what the JSON says of it.
pub fn is_value(value: &Value, said: &Json) -> bool {
    match (value, said) {
        (Value::Unsigned(number), Json::Number(said)) => said.as_u64() == Some(*number),
        // The lowest are beyond what this reader of JSON reads exactly.
        (Value::Negative(number), Json::Number(said)) if i64::try_from(*number).is_err() => {
            said.as_i64().is_none() && said.as_f64() == Some((-1 - i128::from(*number)) as f64)
        }
        (Value::Negative(number), Json::Number(said)) => {
            said.as_i64().map(i128::from) == Some(-1 - i128::from(*number))
        }
        (Value::Bool(truth), Json::Bool(said)) => truth == said,
        (Value::Null, Json::Null) => true,
        (Value::Text(text), Json::String(said)) => text == said,
        (Value::Bytes(bytes), Json::Object(said)) => said["bytes"].as_str().map(unhex).as_ref() == Some(bytes),
        (Value::Array(values), Json::Object(said)) => {
            let said = said["array"].as_array().unwrap();
            values.len() == said.len() && values.iter().zip(said).all(|(value, said)| is_value(value, said))
        }
        (Value::Map(entries), Json::Object(said)) => {
            let said = said["map"].as_object().unwrap();
            let is_entry =
                |(key, value): (&u64, &Value)| said.get(&key.to_string()).is_some_and(|said| is_value(value, said));
            entries.len() == said.len() && entries.iter().all(is_entry)
        }
        _ => false,
    }
}

/// A value in JSON; `None` for numbers that have no exact form there.
pub fn in_json(value: &Value) -> Option<Json> {
    Some(match value {
        Value::Unsigned(number) => json!(number),
        Value::Negative(number) => json!(-1 - i64::try_from(*number).ok()?),
        Value::Bytes(bytes) => json!({ "bytes": hex(bytes) }),
        Value::Text(text) => json!(text),
        Value::Array(values) => json!({ "array": values.iter().map(in_json).collect::<Option<Vec<_>>>()? }),
        Value::Map(entries) => {
            let entry = |(key, value): (&u64, &Value)| Some((key.to_string(), in_json(value)?));
            json!({ "map": entries.iter().map(entry).collect::<Option<serde_json::Map<_, _>>>()? })
        }
        Value::Bool(truth) => json!(truth),
        Value::Null => Json::Null,
    })
}

pub fn curve(name: &str) -> Curve {
    Curve::ALL.into_iter().find(|curve| curve.to_string() == name).unwrap()
}

pub fn place(case: &Json) -> Place {
    let target = Target(bytes(case, "target").try_into().unwrap());
    Place { network: network(case), target, expiry: number(case, "expiry") as u32 }
}

pub fn network(case: &Json) -> Network {
    if number(case, "network") == 0 { Network::Main } else { Network::Test }
}

pub fn key(case: &Json, name: &str) -> ChatKey {
    text(case, name).parse().unwrap()
}

pub fn list<'j>(json: &'j Json, name: &str) -> &'j [Json] {
    let list = json[name].as_array().unwrap();
    assert!(!list.is_empty(), "no {name}");
    list
}

pub fn number(json: &Json, name: &str) -> u64 {
    json[name].as_u64().unwrap()
}

pub fn text<'j>(json: &'j Json, name: &str) -> &'j str {
    json[name].as_str().unwrap_or_else(|| panic!("no text {name} in {json}"))
}

pub fn bytes(json: &Json, name: &str) -> Vec<u8> {
    unhex(text(json, name))
}

pub fn all_bytes(json: &Json, name: &str) -> Vec<Vec<u8>> {
    list(json, name).iter().map(|bytes| unhex(bytes.as_str().unwrap())).collect()
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub fn unhex(text: &str) -> Vec<u8> {
    // A scalar may be written without its leading zero.
    let text = if text.len().is_multiple_of(2) { text.to_owned() } else { format!("0{text}") };
    let digits: Vec<u8> = text.chars().map(|digit| digit.to_digit(16).unwrap() as u8).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}
