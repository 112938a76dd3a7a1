//! A JSON-RPC 2.0 body to requests, and answers to a body. Knows no method and calls none.

use std::fmt;

use serde::Serialize;
use serde_json::{Map, Value};

use super::error::{Code, RpcError};
use super::json;
use crate::typed::{quoted, suggestion};

/// Requests in one batch.
pub const BATCH_REQUESTS_MAX: usize = 1000;
/// Bytes of an id: it comes back in every answer.
pub const ID_BYTES_MAX: usize = 256;
const MEMBERS: [&str; 4] = ["jsonrpc", "method", "params", "id"];

/// What one HTTP body asks for.
#[derive(Clone, Debug, PartialEq)]
pub enum Incoming {
    /// One request.
    One(Result<Request, Invalid>),
    /// Requests to be run in this order: at least one, at most [`BATCH_REQUESTS_MAX`].
    Batch(Vec<Result<Request, Invalid>>),
}

/// A well-formed request. Whether its method exists and takes its parameters is seen later.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// The method's name.
    pub method: String,
    /// Parameters by name.
    pub params: Map<String, Value>,
    /// Comes back with the answer; `None` = a notification, which gets none.
    pub id: Option<Id>,
}

/// An entry that is no request.
#[derive(Clone, Debug, PartialEq)]
pub struct Invalid {
    /// Its id, as far as it had one.
    pub id: Id,
    /// What is wrong.
    pub error: RpcError,
}

/// What tells answers apart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Id {
    /// `null`, or none that could be read.
    Null,
    /// An integer below zero.
    Negative(i64),
    /// Any other integer.
    Integer(u64),
    /// A text.
    Text(String),
}

/// Reads a body.
pub fn parse(body: &[u8]) -> Result<Incoming, RpcError> {
    let value = json::read(body).map_err(|error| {
        let what =
            if body.is_empty() { "the body is empty".to_owned() } else { format!("the body is not JSON: {error}") };
        RpcError::new(Code::Parse, format!("{what}; send {EXAMPLE}"))
    })?;
    match value {
        Value::Array(entries) if entries.is_empty() => {
            Err(invalid("the batch is empty: put at least one request into it"))
        }
        Value::Array(entries) if entries.len() > BATCH_REQUESTS_MAX => Err(invalid(format!(
            "the batch has {} requests and the most is {BATCH_REQUESTS_MAX}: send them in more than one",
            entries.len()
        ))),
        Value::Array(entries) => Ok(Incoming::Batch(entries.into_iter().map(request).collect())),
        other => Ok(Incoming::One(request(other))),
    }
}

/// One request, as it is told to those who sent something else.
const EXAMPLE: &str = r#"{"jsonrpc":"2.0","method":"nodestatus","params":{},"id":1}"#;

fn invalid(message: impl Into<String>) -> RpcError {
    RpcError::new(Code::InvalidRequest, message)
}

fn request(value: Value) -> Result<Request, Invalid> {
    let Value::Object(mut members) = value else {
        let error = invalid(format!("a request is an object, not {}: send {EXAMPLE}", kind_of(&value)));
        return Err(Invalid { id: Id::Null, error });
    };
    let id = members.remove("id").map(id).transpose().map_err(|error| Invalid { id: Id::Null, error })?;
    match call(members) {
        Ok((method, params)) => Ok(Request { method, params, id }),
        Err(error) => Err(Invalid { id: id.unwrap_or(Id::Null), error }),
    }
}

fn id(value: Value) -> Result<Id, RpcError> {
    let wrong = |what: &str| {
        invalid(format!(
            "member \"id\" is {what}: give an integer or a text of at most {ID_BYTES_MAX} bytes, or leave it out"
        ))
    };
    match value {
        Value::Null => Ok(Id::Null),
        Value::String(text) if text.len() > ID_BYTES_MAX => Err(wrong("too long")),
        Value::String(text) => Ok(Id::Text(text)),
        Value::Number(number) => number
            .as_u64()
            .map(Id::Integer)
            .or_else(|| number.as_i64().map(Id::Negative))
            .ok_or_else(|| wrong("a number with a fraction, or out of range")),
        other => Err(wrong(kind_of(&other))),
    }
}

fn call(mut members: Map<String, Value>) -> Result<(String, Map<String, Value>), RpcError> {
    match members.remove("jsonrpc") {
        Some(Value::String(version)) if version == "2.0" => {}
        Some(_) => return Err(invalid("member \"jsonrpc\" is not \"2.0\", the one version that is spoken here")),
        None => return Err(invalid("member \"jsonrpc\" is missing: add \"jsonrpc\":\"2.0\"")),
    }
    let method = match members.remove("method") {
        Some(Value::String(method)) => method,
        Some(other) => {
            return Err(invalid(format!("member \"method\" is {}: give the method's name", kind_of(&other))));
        }
        None => return Err(invalid("member \"method\" is missing: give the method's name")),
    };
    let params = match members.remove("params") {
        None => Map::new(),
        Some(Value::Object(params)) => params,
        // What some clients send for "none".
        Some(Value::Array(params)) if params.is_empty() => Map::new(),
        Some(Value::Array(_)) => {
            return Err(RpcError::new(
                Code::InvalidParams,
                "parameters go by name: make \"params\" an object, as in {\"name\":\"#pascalcoin\"}",
            ));
        }
        Some(other) => return Err(invalid(format!("member \"params\" is {}: make it an object", kind_of(&other)))),
    };
    match members.keys().next() {
        None => Ok((method, params)),
        Some(unknown) => {
            Err(invalid(format!("member {} is unknown in a request{}", quoted(unknown), suggestion(unknown, MEMBERS))))
        }
    }
}

/// What a value is, in a sentence.
pub(crate) fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(number) if number.is_f64() => "a number with a fraction, or out of range",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

/// The JSON of what a method found.
#[derive(Clone, PartialEq, Eq)]
pub struct Answer(String);

impl Answer {
    /// Its JSON.
    pub fn of<T: Serialize>(found: &T) -> Self {
        Self(serde_json::to_string(found).expect("answers are structs, texts and numbers, which JSON can hold"))
    }

    /// The text.
    pub fn json(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not what it says: messages are nobody's business in a log.
        write!(f, "Answer({} bytes)", self.0.len())
    }
}

/// The answer to one request, as it goes over the wire.
pub fn response(id: &Id, outcome: &Result<Answer, RpcError>) -> String {
    let id = Answer::of(id);
    match outcome {
        Ok(answer) => format!(r#"{{"jsonrpc":"2.0","result":{},"id":{}}}"#, answer.0, id.0),
        Err(error) => format!(r#"{{"jsonrpc":"2.0","error":{},"id":{}}}"#, Answer::of(error).0, id.0),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test may fail loudly")]

    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn one(text: &str) -> Result<Request, Invalid> {
        match parse(text.as_bytes()).unwrap() {
            Incoming::One(request) => request,
            Incoming::Batch(_) => panic!("{text} is no batch"),
        }
    }

    fn refused(text: &str) -> (Id, i32, String) {
        let Invalid { id, error } = one(text).unwrap_err();
        (id, error.code.number(), error.message)
    }

    #[test]
    fn a_request_is_read_with_or_without_parameters_and_id() {
        let request = one(r##"{"jsonrpc":"2.0","method":"listen","params":{"name":"#x"},"id":7}"##).unwrap();
        assert_eq!((request.method.as_str(), request.id), ("listen", Some(Id::Integer(7))));
        assert_eq!(request.params["name"], json!("#x"));
        for text in [
            r#"{"jsonrpc":"2.0","method":"a"}"#,
            r#"{"jsonrpc":"2.0","method":"a","params":{}}"#,
            r#"{"jsonrpc":"2.0","method":"a","params":[]}"#,
        ] {
            assert_eq!(one(text).unwrap(), Request { method: "a".into(), params: Map::new(), id: None });
        }
    }

    #[test]
    fn an_id_comes_back_as_it_was() {
        for id in ["null", "0", "-3", "18446744073709551615", r#""a\"b""#] {
            let request = one(&format!(r#"{{"jsonrpc":"2.0","method":"a","id":{id}}}"#)).unwrap();
            let line = response(&request.id.unwrap(), &Ok(Answer::of(&true)));
            assert_eq!(line, format!(r#"{{"jsonrpc":"2.0","result":true,"id":{id}}}"#));
        }
    }

    #[test]
    fn an_id_that_cannot_come_back_is_refused() {
        let long = format!("{:?}", "x".repeat(ID_BYTES_MAX + 1));
        for id in ["1.5", "1e3", "18446744073709551616", "true", "[]", "{}", &long] {
            let (answered, code, message) = refused(&format!(r#"{{"jsonrpc":"2.0","method":"a","id":{id}}}"#));
            assert_eq!((answered, code), (Id::Null, -32600));
            assert!(message.contains("\"id\""), "{message}");
        }
    }

    #[test]
    fn what_is_wrong_with_a_request_is_named_and_its_id_comes_back() {
        for (text, code, says) in [
            (r#"{"method":"a","id":1}"#, -32600, r#"add "jsonrpc":"2.0""#),
            (r#"{"jsonrpc":"1.0","method":"a","id":1}"#, -32600, "is not \"2.0\""),
            (r#"{"jsonrpc":2.0,"method":"a","id":1}"#, -32600, "is not \"2.0\""),
            (r#"{"jsonrpc":"2.0","id":1}"#, -32600, "\"method\" is missing"),
            (r#"{"jsonrpc":"2.0","method":5,"id":1}"#, -32600, "\"method\" is a number"),
            (r#"{"jsonrpc":"2.0","method":"a","params":null,"id":1}"#, -32600, "\"params\" is null"),
            (r#"{"jsonrpc":"2.0","method":"a","params":["x"],"id":1}"#, -32602, "parameters go by name"),
            (r#"{"jsonrpc":"2.0","method":"a","parms":{},"id":1}"#, -32600, "did you mean \"params\"?"),
        ] {
            let (id, refused_with, message) = refused(text);
            assert_eq!((id, refused_with), (Id::Integer(1), code), "{text}");
            assert!(message.contains(says), "{message}");
        }
        for text in ["1", "null", r#""a""#] {
            assert!(refused(text).2.contains("a request is an object"));
        }
    }

    #[test]
    fn a_batch_keeps_its_order_and_its_good_requests() {
        let Incoming::Batch(entries) =
            parse(br#"[{"jsonrpc":"2.0","method":"a"},1,{"jsonrpc":"2.0","method":"b"}]"#).unwrap()
        else {
            panic!("it is a batch")
        };
        assert_eq!(entries[0].as_ref().unwrap().method, "a");
        assert_eq!(entries[1].as_ref().unwrap_err().id, Id::Null);
        assert_eq!(entries[2].as_ref().unwrap().method, "b");
    }

    #[test]
    fn a_batch_has_at_least_one_request_and_at_most_the_limit() {
        assert_eq!(parse(b"[]").unwrap_err().code, Code::InvalidRequest);
        let batch = |count: usize| format!("[{}]", vec![r#"{"jsonrpc":"2.0","method":"a"}"#; count].join(","));
        assert!(parse(batch(BATCH_REQUESTS_MAX).as_bytes()).is_ok());
        let error = parse(batch(BATCH_REQUESTS_MAX + 1).as_bytes()).unwrap_err();
        assert!(error.message.contains("1001 requests"), "{error}");
    }

    #[test]
    fn what_is_no_json_says_where_and_shows_a_request() {
        let error = parse(b"{\"jsonrpc\":\"2.0\",\n x}").unwrap_err();
        assert_eq!(error.code, Code::Parse);
        assert!(error.message.contains("line 2") && error.message.contains(EXAMPLE), "{error}");
        assert!(parse(b"").unwrap_err().message.contains("the body is empty"));
        assert!(one(EXAMPLE).is_ok());
    }

    #[test]
    fn an_answer_does_not_show_itself_in_a_log() {
        assert_eq!(format!("{:?}", Answer::of(&"whisper")), "Answer(9 bytes)");
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            if let Ok(Incoming::Batch(entries)) = parse(&bytes) {
                prop_assert!((1..=BATCH_REQUESTS_MAX).contains(&entries.len()));
            }
        }

        #[test]
        fn every_request_that_can_be_written_is_read_back(method in ".{0,20}", key in ".{1,10}", value in any::<i64>(), id in ".{0,60}") {
            let text = json!({"jsonrpc": "2.0", "method": &method, "params": {&key: value}, "id": &id}).to_string();
            let request = one(&text).unwrap();
            prop_assert_eq!(request.method, method);
            prop_assert_eq!(&request.params[&key], &json!(value));
            prop_assert_eq!(request.id, Some(Id::Text(id)));
        }
    }
}
