//! A message before it is one: what is to be said, as typed fields. Never makes a map that a reader would refuse.

use std::borrow::Cow;
use std::collections::BTreeMap;

use unicode_normalization::{UnicodeNormalization as _, is_nfc};

use super::content::{self, CONTENT_BYTES_MAX, Content, ContentFault, ContentType, DEFLATE};
use super::{HandOver, Kind, Map, MapFault, is_known, key};
use crate::cbor::{self, Value};

/// What a map is to hold.
#[derive(Clone, Debug)]
pub struct MapDraft<'a> {
    /// What it is meant as.
    pub kind: Kind,
    /// The author's time, ms since 1970; strictly rising for each author.
    pub time_ms: u64,
    /// What it says. Texts are brought to Unicode's composed form; what gets shorter by it is compressed.
    pub content: Option<Content<'a>>,
    /// What the content is to be read as.
    pub content_type: Option<ContentType<'a>>,
    /// The first bytes of the id of the message that it answers.
    pub reply_to: Option<[u8; 8]>,
    /// By what a request and its response belong together.
    pub correlation: Option<[u8; 8]>,
    /// A nick, folded.
    pub nick: Option<&'a str>,
    /// A delegation's bytes.
    pub delegation: Option<&'a [u8]>,
    /// The key that follows the author's.
    pub hand_over: Option<HandOver>,
    /// Values under keys that are not in the table, such as an application's own.
    pub other: BTreeMap<u64, Value>,
}

/// Why a draft cannot become a map.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DraftFault {
    /// The content is longer than a reader takes.
    #[error("the content has {bytes} bytes: the most is {CONTENT_BYTES_MAX}")]
    TooLong {
        /// How long it is.
        bytes: usize,
    },
    /// A key that has its own field.
    #[error("key {key} has a meaning of its own: an application's keys begin at {}", super::APPLICATION_KEY_MIN)]
    Key {
        /// The key.
        key: u64,
    },
    /// A known kind under the name of an unknown one.
    #[error("kind {0} is a known one: it has a name of its own")]
    Kind(u64),
    /// A reader would refuse it.
    #[error("nobody could read such a message: {0}")]
    Map(#[from] MapFault),
    /// A reader could not read what it says.
    #[error("nobody could read such a content: {0}")]
    Content(#[from] ContentFault),
}

impl<'a> MapDraft<'a> {
    /// A draft of this kind and time that says nothing yet.
    pub fn new(kind: Kind, time_ms: u64) -> Self {
        Self {
            kind,
            time_ms,
            content: None,
            content_type: None,
            reply_to: None,
            correlation: None,
            nick: None,
            delegation: None,
            hand_over: None,
            other: BTreeMap::new(),
        }
    }

    /// Somebody says this.
    pub fn text(time_ms: u64, text: &'a str) -> Self {
        Self { content: Some(Content::Text(Cow::Borrowed(text))), ..Self::new(Kind::Text, time_ms) }
    }

    /// The map of it.
    pub fn build(&self) -> Result<Map, DraftFault> {
        if let Some(key) = self.other.keys().copied().find(|key| is_known(*key)) {
            return Err(DraftFault::Key { key });
        }
        if Kind::from_number(self.kind.number()) != self.kind {
            return Err(DraftFault::Kind(self.kind.number()));
        }
        let mut entries = self.other.clone();
        entries.insert(key::KIND, Value::Unsigned(self.kind.number()));
        entries.insert(key::TIME_MS, Value::Unsigned(self.time_ms));
        if let Some(content) = &self.content {
            let (value, deflated) = self.content_value(content)?;
            entries.insert(key::CONTENT, value);
            if deflated {
                entries.insert(key::COMPRESSION, Value::Unsigned(DEFLATE));
            }
        }
        match self.content_type {
            Some(ContentType::Number(number)) => entries.insert(key::CONTENT_TYPE, Value::Unsigned(number)),
            Some(ContentType::Media(media)) => entries.insert(key::CONTENT_TYPE, Value::Text(media.to_owned())),
            None => None,
        };
        let bytes = [
            (key::REPLY_TO, self.reply_to.map(|id| id.to_vec())),
            (key::CORRELATION, self.correlation.map(|correlation| correlation.to_vec())),
            (key::DELEGATION, self.delegation.map(<[u8]>::to_vec)),
            (key::HAND_OVER, self.hand_over.map(|to| [to.new_key.as_slice(), &to.signature].concat())),
        ];
        entries.extend(bytes.into_iter().filter_map(|(key, bytes)| Some((key, Value::Bytes(bytes?)))));
        entries.extend(self.nick.map(|nick| (key::NICK, Value::Text(nick.to_owned()))));

        // Reading it is the one check that misses nothing a reader would object to.
        let map = Map::read_all(&cbor::write(&Value::Map(entries)))?;
        map.content()?;
        Ok(map)
    }

    /// The value of the content, and whether it is compressed.
    fn content_value(&self, content: &Content<'_>) -> Result<(Value, bool), DraftFault> {
        let (plain, bytes, is_text) = match content {
            Content::Text(text) if is_nfc(text) => (Value::Text(text.to_string()), text.as_bytes().to_vec(), true),
            Content::Text(text) => {
                let composed: String = text.nfc().collect();
                (Value::Text(composed.clone()), composed.into_bytes(), true)
            }
            Content::Bytes(bytes) => (Value::Bytes(bytes.to_vec()), bytes.to_vec(), false),
        };
        if bytes.len() > CONTENT_BYTES_MAX {
            return Err(DraftFault::TooLong { bytes: bytes.len() });
        }
        // Compressed, a text and bytes look alike, and the type tells what they are. Where it would tell the wrong thing, they
        // stay as they are. Key 6 takes two bytes.
        if is_text == content::inflates_to_text(self.content_type) {
            let deflated = content::deflate(&bytes);
            if deflated.len() + 2 < bytes.len() {
                return Ok((Value::Bytes(deflated), true));
            }
        }
        Ok((plain, false))
    }
}
