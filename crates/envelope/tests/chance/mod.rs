//! Chance: keys, places, claims and maps that nobody chose.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    unreachable_pub,
    reason = "helpers of a test"
)]

use std::borrow::Cow;
use std::collections::BTreeMap;

use nightjar_core::chain::Network;
use nightjar_core::record::Target;
use nightjar_envelope::Place;
use nightjar_envelope::cbor::{self, Value};
use nightjar_envelope::delegation::{Claim, LIFE_S_MAX, Scope};
use nightjar_envelope::key::{ChatKey, ChatSecret};
use nightjar_envelope::map::{Content, ContentType, HandOver, Kind, Map, MapDraft};
use nightjar_pasc::key::{Curve, PrivateKey};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::Rng as _;
use unicode_normalization::UnicodeNormalization as _;
use zeroize::Zeroizing;

/// What is drawn by chance.
pub struct Chance(pub ChaCha20Rng);

impl Chance {
    pub fn below(&mut self, limit: u64) -> u64 {
        self.0.next_u64() % limit
    }

    /// A place in a list that is not empty.
    pub fn below_len<T>(&mut self, list: &[T]) -> usize {
        self.below(list.len() as u64) as usize
    }

    pub fn one_in(&mut self, many: u64) -> bool {
        self.below(many) == 0
    }

    pub fn byte(&mut self) -> u8 {
        self.0.next_u64() as u8
    }

    pub fn bytes(&mut self, many: usize) -> Vec<u8> {
        let mut bytes = vec![0; many];
        self.0.fill_bytes(&mut bytes);
        bytes
    }

    pub fn array<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.0.fill_bytes(&mut bytes);
        bytes
    }

    pub fn pick<'l, T>(&mut self, list: &'l [T]) -> &'l T {
        &list[self.below_len(list)]
    }

    pub fn shuffle<T>(&mut self, list: &mut [T]) {
        for at in (1..list.len()).rev() {
            list.swap(at, self.below(at as u64 + 1) as usize);
        }
    }

    /// Makes one byte another.
    pub fn change(&mut self, bytes: &mut [u8]) {
        let at = self.below_len(bytes);
        bytes[at] ^= 1 + self.below(255) as u8;
    }

    /// A number of any length, small ones as often as large ones.
    pub fn number(&mut self) -> u64 {
        let bits = self.below(65);
        self.0.next_u64().checked_shr(bits as u32).unwrap_or_default()
    }

    /// A text of at most so many characters, of many scripts and of none.
    pub fn text(&mut self, characters_max: u64) -> String {
        let some =
            ['a', 'Z', '7', ' ', '\0', '\n', '\r', '"', '\\', '\u{7f}', 'é', 'ß', 'Ж', '夜', 'か', '\u{3099}', '🦉'];
        let others =
            ['e', '\u{301}', '\u{85}', '\u{2028}', '\u{202e}', '\u{feff}', '\u{fffd}', '\u{d7ff}', '\u{10ffff}'];
        let characters = self.below(characters_max + 1);
        (0..characters).map(|_| if self.one_in(4) { *self.pick(&others) } else { *self.pick(&some) }).collect()
    }

    pub fn nick(&mut self) -> String {
        let (first, behind) = ("abcxyz_[]\\^{}|", "abcxyz_[]\\^{}|0189-");
        let of = |chance: &mut Self, from: &str| char::from(*chance.pick(from.as_bytes()));
        let length = 2 + self.below(30);
        let mut nick = String::from(of(self, first));
        (0..length).for_each(|_| nick.push(of(self, behind)));
        nick
    }

    pub fn network(&mut self) -> Network {
        *self.pick(&[Network::Main, Network::Test])
    }

    pub fn expiry(&mut self) -> u32 {
        match self.below(4) {
            0 => self.number() as u32,
            1 => 86_400 * (20_000 + self.below(1_000) as u32) + self.below(2) as u32,
            _ => 1_800_000_000 + self.below(1_000_000) as u32,
        }
    }

    pub fn place(&mut self) -> Place {
        Place { network: self.network(), target: Target(self.array()), expiry: self.expiry() }
    }

    pub fn secret(&mut self) -> ChatSecret {
        ChatSecret::from_seed(&Zeroizing::new(self.array()))
    }

    pub fn account(&mut self) -> Account {
        let curves: Vec<_> = Curve::ALL.into_iter().filter(|curve| curve.is_supported()).collect();
        let curve = *self.pick(&curves);
        self.account_on(curve)
    }

    pub fn account_on(&mut self, curve: Curve) -> Account {
        // As long as the field, less what could be above the order; short ones make short coordinates no rarer.
        let scalar = self.bytes(curve.field_bytes() - 2);
        Account { key: PrivateKey::from_scalar(curve, &scalar).unwrap(), scalar }
    }

    pub fn claim(&mut self, owner: &Account, chat_key: ChatKey) -> Claim {
        let scope = Scope::from_byte(self.below(8) as u8).unwrap();
        let issued = self.0.next_u32() / 2;
        let life = if scope == Scope::NOTHING { LIFE_S_MAX } else { LIFE_S_MAX - self.below(1_000_000) as u32 };
        let letters = "abcxyz!@#$%^&*()-+{}[]\\_:\"|<>,.?/~";
        let mut name = String::new();
        if self.one_in(2) {
            let length = 3 + self.below(62);
            (0..length).for_each(|_| name.push(char::from(*self.pick(letters.as_bytes()))));
        }
        Claim {
            network: self.network(),
            account: self.number() as u32,
            scope,
            issued,
            until: issued + life,
            name,
            key: owner.key.public_key(),
            chat_key,
        }
    }

    pub fn time_ms(&mut self, expiry: u32) -> u64 {
        let latest = 1_000 * u64::from(expiry);
        match self.below(4) {
            0 => latest,
            1 => self.below(latest + 1),
            _ => latest.saturating_sub(self.below(600_000)),
        }
    }

    pub fn kind(&mut self) -> Kind {
        if self.one_in(4) { Kind::from_number(self.number()) } else { Kind::from_number(self.below(13)) }
    }

    /// A map as the program itself makes it.
    pub fn draft(&mut self, expiry: u32) -> Map {
        let (nick, media) = (self.nick(), *self.pick(&["text/markdown", "image/png", ""]));
        let delegation_bytes = self.below(200) as usize;
        let delegation = self.bytes(delegation_bytes);
        let text = match self.below(8) {
            0 => self.text(20).repeat(300),
            1 => self.text(3_000),
            _ => self.text(150),
        };
        let content = match self.below(4) {
            0 => None,
            1 => {
                let many = self.below(300) as usize;
                let content = if self.one_in(2) { self.bytes(many) } else { vec![0; many] };
                Some(Content::Bytes(Cow::Owned(content)))
            }
            _ => Some(Content::Text(Cow::Borrowed(text.as_str()))),
        };
        let mut draft = MapDraft { content, ..MapDraft::new(self.kind(), self.time_ms(expiry)) };
        draft.content_type = match self.below(4) {
            0 => Some(ContentType::Number(self.below(5))),
            1 => Some(ContentType::Media(media)),
            _ => None,
        };
        draft.reply_to = self.one_in(4).then(|| self.array());
        draft.correlation = self.one_in(4).then(|| self.array());
        draft.nick = self.one_in(4).then_some(nick.as_str());
        draft.delegation = self.one_in(6).then_some(delegation.as_slice());
        draft.hand_over = self.one_in(8).then(|| HandOver { new_key: self.array(), signature: self.array() });
        draft.other = self.other();
        let map = draft.build().unwrap();
        if let Some(Content::Text(text)) = &draft.content {
            let composed: String = text.nfc().collect();
            assert_eq!(map.content().unwrap().unwrap().as_text(), Some(composed.as_str()));
        }
        map
    }

    /// The bytes of a map of any entries.
    pub fn map(&mut self, expiry: u32) -> Vec<u8> {
        cbor::write(&Value::Map(self.entries(expiry)))
    }

    /// Entries that a map may have, also some that this program would write another way.
    pub fn entries(&mut self, expiry: u32) -> BTreeMap<u64, Value> {
        let mut entries = self.other();
        entries.insert(1, Value::Unsigned(self.kind().number()));
        entries.insert(2, Value::Unsigned(self.time_ms(expiry)));
        let text = self.text(100);
        match self.below(6) {
            0 => {}
            1 => {
                let many = self.below(100) as usize;
                entries.extend([(3, Value::Bytes(self.bytes(many)))]);
            }
            2 => {
                let level = self.below(10) as u8;
                let content = if self.one_in(2) { text.into_bytes() } else { self.bytes(20) };
                let mut compressed = miniz_oxide::deflate::compress_to_vec(&content, level);
                if self.one_in(3) {
                    self.change(&mut compressed);
                }
                entries.extend([(3, Value::Bytes(compressed)), (6, Value::Unsigned(1))]);
            }
            // Said to be compressed, and it is not.
            3 => entries.extend([(3, Value::Text(text)), (6, Value::Unsigned(self.below(3)))]),
            _ => entries.extend([(3, Value::Text(text))]),
        }
        if self.one_in(3) {
            let media = Value::Text(self.text(10));
            entries.insert(4, if self.one_in(2) { Value::Unsigned(self.below(5)) } else { media });
        }
        for (key, many) in [(5, 8), (7, 8), (9, self.below(150) as usize), (10, 96)] {
            if self.one_in(5) {
                entries.insert(key, Value::Bytes(self.bytes(many)));
            }
        }
        if self.one_in(5) {
            entries.insert(8, Value::Text(self.nick()));
        }
        entries
    }

    /// Values under keys that nobody has given a meaning.
    pub fn other(&mut self) -> BTreeMap<u64, Value> {
        let many = self.below(4);
        let key = |chance: &mut Self| match chance.below(4) {
            0 => 0,
            1 => u64::MAX - chance.below(2),
            2 => 64 + chance.number() / 2,
            _ => 11 + chance.below(60),
        };
        (0..many).map(|_| (key(self), self.value(3))).collect()
    }

    pub fn value(&mut self, depth: u64) -> Value {
        let some = self.below(4);
        match self.below(if depth == 0 { 6 } else { 8 }) {
            0 => Value::Unsigned(self.number()),
            1 => Value::Negative(self.number()),
            2 => Value::Bytes(self.bytes(some as usize)),
            3 => Value::Text(self.text(some)),
            4 => Value::Bool(self.one_in(2)),
            5 => Value::Null,
            6 => Value::Array((0..some).map(|_| self.value(depth - 1)).collect()),
            _ => Value::Map((0..some).map(|_| (self.number(), self.value(depth - 1))).collect()),
        }
    }
}

/// The key of an account, with the number that it is made from.
pub struct Account {
    pub key: PrivateKey,
    pub scalar: Vec<u8>,
}

impl Account {
    pub fn curve_name(&self) -> String {
        self.key.curve().to_string()
    }

    /// What this account signed, under the name of another.
    pub fn spliced(&self, other: Self, delegation: &[u8]) -> Vec<u8> {
        let own = self.key.public_key().to_compressed().unwrap();
        let at = delegation.windows(own.len()).position(|point| point == own).unwrap();
        let other = other.key.public_key().to_compressed().unwrap();
        [&delegation[..at], &other, &delegation[at + own.len()..]].concat()
    }
}
