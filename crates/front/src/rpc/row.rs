//! One message of the log as JSON, with all that another log needs to take it in. What is read here is something that a log can hold.

use std::fmt;
use std::str::FromStr;

use nightjar_core::record::Record;
use nightjar_core::time::Wall;
use nightjar_envelope::form;
use nightjar_envelope::map::Map as MessageMap;
use nightjar_node::message::{Content, Delivery, Logged, NewMessage, Reading, Said, Seq};
use serde::Serialize;
use serde_json::{Map, Value};

use super::arguments::{bytes_of_hex, shorter};
use super::json;
use super::message::{Answer, kind_of};
use super::methods::hex;
use crate::typed::{quoted, suggestion};

/// Names, addresses, reasons: nothing of this kind that a node writes is nearly as long.
pub const TEXT_BYTES_MAX: usize = 4096;

/// The members of a row, each at its place.
#[derive(Debug, Default, Serialize)]
pub(super) struct Row {
    pub(super) seq: u64,
    received: u64,
    own: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    late: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    record: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    peer: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    conversation: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    author: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    own_key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    form: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    said: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unreadable: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    request: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    mention: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    delivery: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    delivery_peers: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    delivery_error: Option<String>,
}

/// All that a row may have.
const MEMBERS: [&str; 21] = [
    "seq",
    "received",
    "own",
    "late",
    "name",
    "record",
    "peer",
    "text",
    "conversation",
    "id",
    "author",
    "own_key",
    "form",
    "said",
    "unreadable",
    "state",
    "request",
    "mention",
    "delivery",
    "delivery_peers",
    "delivery_error",
];

impl Row {
    /// The row of a message.
    pub(super) fn of(seq: Seq, logged: Logged) -> Self {
        let Logged { message: NewMessage { received, own, late, name, content, reading }, delivery } = logged;
        let mut row = Self { seq, received: received.0, own, late, name, ..Self::default() };
        match content {
            Content::Record(record) => row.record = Some(hex(record.bytes())),
            Content::Wallet { peer, text } => (row.peer, row.text) = (Some(peer), Some(hex(&text))),
        }
        if let Some(Reading { conversation, id, author, own_key, said, standing, request, mention }) = reading {
            row.conversation = Some(conversation);
            row.id = id.map(|id| id.to_string());
            row.author = author.map(|key| key.to_string());
            row.own_key = own_key.map(|key| key.to_string());
            row.state = Some(standing.to_string());
            (row.request, row.mention) = (request, mention);
            (row.form, row.said, row.unreadable) = match said {
                Said::Raw => (None, None, None),
                Said::Map { form, map } => (Some(form), Some(hex(&map)), None),
                Said::Text { form, text } => (Some(form), Some(hex(text.as_bytes())), None),
                Said::Unreadable { form, why } => (form, None, Some(why)),
            };
        }
        (row.delivery, row.delivery_peers, row.delivery_error) = match delivery {
            None => (None, None, None),
            Some(delivery) => words_of(delivery),
        };
        row
    }

    /// No more than this many bytes of JSON: hex is as long as it is, and of other texts each byte may take six.
    pub(super) fn json_bytes_max(&self) -> usize {
        let len = |text: &Option<String>| text.as_ref().map_or(0, String::len);
        let free = [&self.name, &self.peer, &self.conversation, &self.unreadable, &self.delivery_error];
        1024 + len(&self.record) + len(&self.text) + len(&self.said) + 6 * free.into_iter().map(len).sum::<usize>()
    }
}

/// How far a message came, in the words of JSON-RPC: which, to how many peers, and why not.
pub(super) fn words_of(delivery: Delivery) -> (Option<&'static str>, Option<u32>, Option<String>) {
    match delivery {
        Delivery::Working => (Some("working"), None, None),
        Delivery::Queued => (Some("queued"), None, None),
        Delivery::Sent(peers) => (Some("sent"), Some(peers), None),
        Delivery::Held(peers) => (Some("held"), Some(peers), None),
        Delivery::Acknowledged => (Some("acknowledged"), None, None),
        Delivery::Failed(why) => (Some("failed"), None, Some(why)),
    }
}

/// It is no message of a log, and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NotARow(String);

/// A message as one line, without the end of the line.
pub fn line(seq: Seq, logged: Logged) -> String {
    Answer::of(&Row::of(seq, logged)).json().to_owned()
}

/// The members of a line, and the message that they are.
pub fn read_line(line: &[u8]) -> Result<(Map<String, Value>, Logged), NotARow> {
    match json::read(line).map_err(|error| NotARow(format!("it is not JSON: {error}")))? {
        Value::Object(members) => {
            let logged = read(members.clone())?;
            Ok((members, logged))
        }
        other => Err(NotARow(format!("{} is given, an object is wanted", kind_of(&other)))),
    }
}

/// The message that these members are.
pub fn read(members: Map<String, Value>) -> Result<Logged, NotARow> {
    Members(members).logged().map_err(NotARow)
}

struct Members(Map<String, Value>);

impl Members {
    fn logged(mut self) -> Result<Logged, String> {
        if let Some(stranger) = self.0.keys().find(|name| !MEMBERS.contains(&name.as_str())) {
            return Err(format!("member {} is unknown{}", quoted(stranger), suggestion(stranger, MEMBERS)));
        }
        // It gets another.
        self.number::<u64>("seq", u64::MAX)?;
        let received = self.number("received", i64::MAX.cast_unsigned())?;
        let received = Wall(received.ok_or("member \"received\" is missing")?);
        let own = self.flag("own")?.ok_or("member \"own\" is missing")?;
        let late = self.flag("late")?.unwrap_or(false);
        let name = self.text("name")?;
        let content = self.content()?;
        let reading = self.reading(&content)?;
        let delivery = self.delivery(own)?;
        match self.0.keys().next() {
            None => Ok(Logged { message: NewMessage { received, own, late, name, content, reading }, delivery }),
            Some(left) => Err(format!("member {left:?} does not belong to a message of this kind")),
        }
    }

    fn content(&mut self) -> Result<Content, String> {
        match (self.bytes("record")?, self.text("peer")?, self.bytes("text")?) {
            (Some(bytes), None, None) => match Record::parse(&bytes) {
                Ok((record, used)) if used == bytes.len() => Ok(Content::Record(record)),
                Ok((_, used)) => {
                    Err(format!("member \"record\": {} bytes stand behind the record", bytes.len() - used))
                }
                Err(error) => Err(format!("member \"record\": {error}")),
            },
            (None, Some(peer), Some(text)) => Ok(Content::Wallet { peer, text }),
            _ => Err("either \"record\" is wanted, or \"peer\" and \"text\"".to_owned()),
        }
    }

    fn reading(&mut self, content: &Content) -> Result<Option<Reading>, String> {
        if matches!(content, Content::Wallet { .. }) {
            return Ok(None);
        }
        let Some(conversation) = self.text("conversation")? else { return Ok(None) };
        Ok(Some(Reading {
            conversation,
            id: self.parsed("id")?,
            author: self.parsed("author")?,
            own_key: self.parsed("own_key")?,
            said: self.said()?,
            standing: self.parsed("state")?.ok_or("member \"state\" is missing")?,
            request: self.flag("request")?.unwrap_or(false),
            mention: self.flag("mention")?.unwrap_or(false),
        }))
    }

    fn said(&mut self) -> Result<Said, String> {
        match (self.number("form", u8::MAX.into())?, self.bytes("said")?, self.text("unreadable")?) {
            (None, None, None) => Ok(Said::Raw),
            (form, None, Some(why)) => Ok(Said::Unreadable { form, why }),
            (Some(form @ (form::PASCAL | form::AES)), Some(said), None) => match String::from_utf8(said) {
                Ok(text) => Ok(Said::Text { form, text }),
                Err(error) => Err(format!("member \"said\": {error}")),
            },
            (Some(form), Some(map), None) => match MessageMap::read_all(&map) {
                Ok(_) => Ok(Said::Map { form, map }),
                Err(fault) => Err(format!("member \"said\": {fault}")),
            },
            _ => Err("\"form\" and \"said\" belong together, and neither \"said\" to \"unreadable\"".to_owned()),
        }
    }

    fn delivery(&mut self, own: bool) -> Result<Option<Delivery>, String> {
        let Some(word) = self.text("delivery")? else { return Ok(None) };
        if !own {
            return Err("member \"delivery\" does not belong to a message of somebody else".to_owned());
        }
        Ok(Some(match word.as_str() {
            "working" => Delivery::Working,
            "queued" => Delivery::Queued,
            "sent" => Delivery::Sent(self.peers()?),
            "held" => Delivery::Held(self.peers()?),
            "acknowledged" => Delivery::Acknowledged,
            "failed" => Delivery::Failed(self.text("delivery_error")?.ok_or("member \"delivery_error\" is missing")?),
            other => return Err(format!("member \"delivery\": {} is no way for a message to go", quoted(other))),
        }))
    }

    fn peers(&mut self) -> Result<u32, String> {
        Ok(self.number("delivery_peers", u32::MAX.into())?.ok_or("member \"delivery_peers\" is missing")?)
    }

    /// Takes a member out.
    fn take<T>(&mut self, name: &str, wanted: &str, of: impl FnOnce(&Value) -> Option<T>) -> Result<Option<T>, String> {
        let Some(value) = self.0.remove(name) else { return Ok(None) };
        match of(&value) {
            Some(taken) => Ok(Some(taken)),
            None => Err(format!("member {name:?}: {} is given, {wanted} is wanted", kind_of(&value))),
        }
    }

    fn text(&mut self, name: &str) -> Result<Option<String>, String> {
        let text = self.take(name, "a text", |value| value.as_str().map(str::to_owned))?;
        let fits = text.as_ref().map_or(Ok(()), |text| shorter(text, TEXT_BYTES_MAX));
        fits.map(|()| text).map_err(|why| format!("member {name:?}: {why}"))
    }

    fn parsed<T: FromStr<Err: fmt::Display>>(&mut self, name: &str) -> Result<Option<T>, String> {
        let text = self.text(name)?;
        text.map(|text| text.parse()).transpose().map_err(|error: T::Err| format!("member {name:?}: {error}"))
    }

    fn bytes(&mut self, name: &str) -> Result<Option<Vec<u8>>, String> {
        let read = |value: &Value| value.as_str().map(bytes_of_hex);
        let bytes = self.take(name, "a text of hex digits", read)?;
        bytes.transpose().map_err(|why| format!("member {name:?}: {why}"))
    }

    /// A number up to `most`, which fits.
    fn number<T: TryFrom<u64>>(&mut self, name: &str, most: u64) -> Result<Option<T>, String> {
        let read = |value: &Value| T::try_from(value.as_u64().filter(|number| *number <= most)?).ok();
        self.take(name, &format!("a whole number from 0 to {most}"), read)
    }

    fn flag(&mut self, name: &str) -> Result<Option<bool>, String> {
        self.take(name, "true or false", Value::as_bool)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may fail loudly")]

    use nightjar_core::record::{MsgId, Target};
    use nightjar_envelope::id::MessageId;
    use nightjar_envelope::key::{ChatKey, ChatSecret};
    use nightjar_envelope::map::MapDraft;
    use nightjar_node::chain::standing::Standing;
    use proptest::prelude::*;
    use serde_json::json;
    use zeroize::Zeroizing;

    use super::*;

    fn key(seed: u8) -> ChatKey {
        ChatSecret::from_seed(&Zeroizing::new([seed; 32])).public()
    }

    fn said() -> impl Strategy<Value = Said> {
        let map = |(form, text): (u8, String)| Said::Map {
            form,
            map: MapDraft::text(7, &text).build().unwrap().bytes().to_vec(),
        };
        prop_oneof![
            Just(Said::Raw),
            (1..=form::PAIR, ".{0,20}").prop_map(map),
            (form::PASCAL..=form::AES, ".*").prop_map(|(form, text)| Said::Text { form, text }),
            (any::<Option<u8>>(), ".*").prop_map(|(form, why)| Said::Unreadable { form, why }),
        ]
    }

    fn reading() -> impl Strategy<Value = Reading> {
        let ids = (".*", any::<Option<[u8; 16]>>(), any::<Option<u8>>(), any::<Option<u8>>());
        (ids, said(), 0..Standing::ALL.len(), any::<bool>(), any::<bool>()).prop_map(
            |((conversation, id, author, own_key), said, standing, request, mention)| Reading {
                conversation,
                id: id.map(MessageId),
                author: author.map(key),
                own_key: own_key.map(key),
                said,
                standing: Standing::ALL[standing],
                request,
                mention,
            },
        )
    }

    fn delivery() -> impl Strategy<Value = Delivery> {
        prop_oneof![
            Just(Delivery::Working),
            Just(Delivery::Queued),
            Just(Delivery::Acknowledged),
            any::<u32>().prop_map(Delivery::Sent),
            any::<u32>().prop_map(Delivery::Held),
            ".*".prop_map(Delivery::Failed),
        ]
    }

    fn content() -> impl Strategy<Value = (Content, Option<Reading>)> {
        let bytes = || proptest::collection::vec(any::<u8>(), 0..=255);
        let record =
            (any::<[u8; 16]>(), bytes(), proptest::option::of(reading())).prop_map(|(id, payload, reading)| {
                (Content::Record(Record::plain(MsgId(id), Target([7; 16]), &payload).unwrap()), reading)
            });
        let wallet = (".*", bytes()).prop_map(|(peer, text)| (Content::Wallet { peer, text }, None));
        prop_oneof![3 => record, 1 => wallet]
    }

    prop_compose! {
        fn logged()(
            received in 0..i64::MAX.cast_unsigned(), own: bool, late: bool, name in proptest::option::of(".*"),
            (content, reading) in content(), delivery in proptest::option::of(delivery()),
        ) -> Logged {
            let delivery = delivery.filter(|_| own);
            Logged { message: NewMessage { received: Wall(received), own, late, name, content, reading }, delivery }
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_as_it_was(seq: u64, logged in logged()) {
            let line = line(seq, logged.clone());
            prop_assert!(!line.contains('\n') && line.len() <= Row::of(seq, logged.clone()).json_bytes_max());
            let (members, read) = read_line(line.as_bytes()).unwrap();
            prop_assert_eq!(read, logged);
            prop_assert_eq!(&members["seq"], seq);
        }

        #[test]
        fn a_line_with_a_byte_changed_is_read_or_refused(logged in logged(), at: prop::sample::Index, byte: u8) {
            let mut line = line(1, logged).into_bytes();
            let at = at.index(line.len());
            line[at] = byte;
            if let Ok((_, read)) = read_line(&line) {
                prop_assert_eq!(read_line(super::line(1, read.clone()).as_bytes()).unwrap().1, read);
            }
        }

        #[test]
        fn a_line_that_is_cut_is_refused(logged in logged(), at: prop::sample::Index) {
            let line = line(1, logged);
            prop_assert!(read_line(&line.as_bytes()[..at.index(line.len())]).is_err());
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        let record = hex(Record::plain(MsgId([1; 16]), Target([2; 16]), b"x").unwrap().bytes());
        let wrong = |more: Value| {
            let mut line =
                json!({ "received": 1, "own": false, "record": record, "conversation": "#a", "state": "claimed" });
            line.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            read_line(line.to_string().as_bytes()).err().map(|error| error.to_string()).unwrap_or_default()
        };
        assert_eq!(wrong(json!({})), "");
        let long = "x".repeat(TEXT_BYTES_MAX);
        assert_eq!(wrong(json!({ "name": long })), "");
        for (more, says) in [
            (json!({ "name": format!("{long}x") }), r#"member "name": 4097 bytes are given"#),
            (json!({ "recieved": 1 }), r#"member "recieved" is unknown; did you mean "received"?"#),
            (json!({ "received": u64::MAX }), r#"member "received": a number is given, a whole number from 0 to"#),
            (json!({ "late": 0 }), r#"member "late": a number is given, true or false is wanted"#),
            (json!({ "own": 1 }), r#"member "own": a number is given, true or false is wanted"#),
            (json!({ "record": format!("{record}00") }), r#"member "record": 1 bytes stand behind the record"#),
            (json!({ "record": "00" }), r#"member "record": "#),
            (json!({ "record": "0g" }), r#"member "record": 'g' is no hex digit"#),
            (json!({ "peer": "a", "text": "" }), r#"either "record" is wanted, or "peer" and "text""#),
            (json!({ "id": "00" }), r#"member "id": not a message id"#),
            (json!({ "author": "00" }), r#"member "author": not a chat key"#),
            (json!({ "state": "king" }), r#"member "state": not a state"#),
            (json!({ "form": 256, "said": "" }), r#"member "form": a number is given, a whole number from 0 to 255"#),
            (json!({ "form": 2, "said": "00" }), r#"member "said": "#),
            (json!({ "form": 7, "said": "ff" }), r#"member "said": invalid utf-8"#),
            (json!({ "said": "00" }), r#""form" and "said" belong together"#),
            (json!({ "form": 2, "said": "a0", "unreadable": "why" }), r#""form" and "said" belong together"#),
            (json!({ "delivery": "sent" }), r#"member "delivery" does not belong to a message of somebody else"#),
            (json!({ "own": true, "delivery": "sent" }), r#"member "delivery_peers" is missing"#),
            (json!({ "own": true, "delivery": "lost" }), r#"member "delivery": "lost" is no way"#),
            (json!({ "delivery_peers": 1 }), r#"member "delivery_peers" does not belong to a message of this kind"#),
        ] {
            let error = wrong(more);
            assert!(error.starts_with(says), "{error}");
        }
        for (line, says) in [
            ("", "it is not JSON"),
            ("[]", "an array is given, an object is wanted"),
            (r#"{"own":true,"own":true}"#, r#"it is not JSON: member "own" stands there twice"#),
            ("{}", r#"member "received" is missing"#),
            (r#"{"received":1}"#, r#"member "own" is missing"#),
            (r#"{"received":1,"own":false,"peer":"a","text":"","id":"00"}"#, r#"member "id" does not belong"#),
        ] {
            let error = read_line(line.as_bytes()).unwrap_err().to_string();
            assert!(error.starts_with(says), "{error}");
        }
    }
}
