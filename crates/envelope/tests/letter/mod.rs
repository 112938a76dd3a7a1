//! Letters: bodies of any form, written here or there, and who reads what in them.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    unreachable_pub,
    reason = "helpers of a test"
)]

use nightjar_core::chain::Network;
use nightjar_core::record::{BODY_BYTES_MAX, Target};
use nightjar_envelope::Place;
use nightjar_envelope::cbor::{self, Value};
use nightjar_envelope::compose::{TextSeal, Wrap, compose, compose_text};
use nightjar_envelope::form;
use nightjar_envelope::fragment::CHUNK_BYTES;
use nightjar_envelope::id::MessageId;
use nightjar_envelope::key::{ChatKey, ChatSecret};
use nightjar_envelope::map::Map;
use nightjar_envelope::open::{Meaning, Opened, Refused, Says, open};
use nightjar_envelope::seal::channel::ChannelKey;
use nightjar_envelope::seal::pair::PairKey;
use serde_json::{Value as Json, json};
use zeroize::Zeroizing;

use crate::as_json::{bytes, hex, in_json, number, says, text};
use crate::chance::{Account, Chance};
use crate::python::Python;

/// A body, and who reads what in it.
pub struct Letter {
    pub place: Place,
    pub body: Vec<u8>,
    pub reader: Reader,
    pub read: Read,
}

impl Letter {
    pub fn written_here(form: u8, chance: &mut Chance) -> Self {
        let who = Correspondence::by_chance(form, chance);
        let map = chance.draft(who.place.expiry);
        let body = who.body(form, &map, chance);
        who.letter(form, &map, body, chance)
    }

    pub fn written_there(form: u8, python: &Python, chance: &mut Chance) -> Self {
        let who = Correspondence::by_chance(form, chance);
        let entries = Value::Map(chance.entries(who.place.expiry));
        let map = Map::read_all(&cbor::write(&entries)).unwrap();
        let ask = who.request(form, &map, &entries);
        let made = python.ask(&ask);
        assert_eq!(made["ok"], true, "{made} to {ask}");
        assert_eq!(text(&made, "target"), hex(&who.place.target.0));
        let (there, here) = (bytes(&made, "body"), who.body(form, &map, chance));
        if form <= form::SIGNED {
            assert_eq!(there, here, "there is no chance in it");
        }
        // Padded alike, too.
        assert_eq!(there.len(), here.len());
        let letter = who.letter(form, &map, there, chance);
        assert_eq!(text(&made, "id"), letter.read.id);
        if let Said::Map(map) = &letter.read.says {
            assert_eq!(text(&made, "map"), map);
        }
        letter
    }

    pub fn is_read_by_both(&self, python: &Python) {
        let bytes = self.body.len();
        let is_sealed = (form::CHANNEL..=form::PAIR).contains(&self.read.form);
        assert!(
            !is_sealed || [160, BODY_BYTES_MAX].contains(&bytes) || bytes.is_multiple_of(CHUNK_BYTES),
            "{bytes} bytes"
        );
        let verdict = agreed(python, &self.place, &self.body, &self.reader);
        assert_eq!(verdict, Verdict::Read(self.read.clone()), "{}", hex(&self.body));
    }

    /// Changed, moved, or with the keys of somebody else it is not read, or, where nothing vouches for it, it is another message.
    pub fn is_refused_elsewhere(&self, python: &Python, chance: &mut Chance) {
        let Self { place, body, reader, read } = self;
        let is_proof = (form::SIGNED..=form::PAIR).contains(&read.form);
        let is_other = |place: &Place, body: &[u8], reader: &Reader| match agreed(python, place, body, reader) {
            Verdict::Read(other) => assert!(!is_proof && other.id != read.id, "{other:?}: {}", hex(body)),
            Verdict::Outsider | Verdict::Refused => {}
        };
        for _ in 0..3 {
            let mut changed = body.clone();
            chance.change(&mut changed);
            // A part is joined before it is opened.
            if changed[0] != form::PART {
                is_other(place, &changed, reader);
            }
        }
        is_other(place, &body[..chance.below_len(body)], reader);
        let moved = match chance.below(3) {
            0 => Place { network: other(place.network), ..*place },
            1 => Place { expiry: place.expiry ^ 1, ..*place },
            _ => Place { target: Target(chance.array()), ..*place },
        };
        is_other(&moved, body, reader);
        if read.form >= form::CHANNEL {
            let stranger = Correspondence::by_chance(read.form, chance).reader(read.form, chance);
            is_other(place, body, &stranger);
        }
    }
}

/// Who writes to whom, under which keys.
struct Correspondence {
    place: Place,
    alice: ChatSecret,
    bob: ChatSecret,
    channel: ChannelKey,
    pair: PairKey,
    owner: Account,
    password: String,
    /// Of the forms that hold no map.
    text: String,
    /// Whether the author signs where that may be left out.
    signs: bool,
}

impl Correspondence {
    fn by_chance(form: u8, chance: &mut Chance) -> Self {
        let (place, alice, bob) = (chance.place(), chance.secret(), chance.secret());
        let channel = ChannelKey::from_root(Zeroizing::new(chance.array()));
        let pair = PairKey::between(place.network, &alice, &bob.public()).unwrap();
        let target = match form {
            form::CHANNEL => channel.target(place.day()),
            form::PAIR => pair.target_to(&bob.public(), place.day()),
            _ => place.target,
        };
        Self {
            place: Place { target, ..place },
            alice,
            bob,
            channel,
            pair,
            owner: chance.account(),
            // What is random makes it another than a stranger's.
            password: format!("{}{}", chance.text(12), hex(&chance.array::<4>())),
            text: chance.text(120),
            signs: chance.one_in(2),
        }
    }

    /// What this program makes of the map, or of the text.
    fn body(&self, form: u8, map: &Map, chance: &mut Chance) -> Vec<u8> {
        let alice = Some(&self.alice).filter(|_| self.signs);
        let recipient = self.bob.public();
        let wrap = match form {
            form::ANONYMOUS => Wrap::Anonymous,
            form::SIGNED => Wrap::Signed(&self.alice),
            form::CHANNEL => Wrap::Channel { key: &self.channel, author: alice },
            form::FIRST => Wrap::First { sender: &self.alice, recipient: &recipient, shown: self.signs },
            form::PAIR => Wrap::Pair { key: &self.pair, shown: alice },
            _ => {
                let key = self.owner.key.public_key();
                let to = if form == form::PASCAL { TextSeal::Key(&key) } else { TextSeal::Password(&self.password) };
                return compose_text(&to, &self.text, &mut chance.0).unwrap();
            }
        };
        compose(&self.place, &wrap, map, &mut chance.0).unwrap()
    }

    /// What the other program is asked for to make the same.
    fn request(&self, form: u8, map: &Map, entries: &Value) -> Json {
        let mut ask = at(&self.place, "make");
        ask["form"] = json!(form);
        let seed = json!(hex(self.alice.seed().as_slice()));
        match form {
            form::CHANNEL => ask["channel"] = json!({ "root": hex(self.channel.root().as_slice()) }),
            form::FIRST | form::PAIR => {
                (ask["sender"], ask["recipient"]) = (seed.clone(), json!(self.bob.public().to_string()));
            }
            form::PASCAL => ask["raw_key"] = json!(hex(&self.owner.key.public_key().to_raw())),
            form::AES => ask["password"] = json!(self.password),
            _ => {}
        }
        if form >= form::PASCAL {
            ask["text"] = json!(self.text);
            return ask;
        }
        match in_json(entries) {
            Some(entries) => ask["entries"] = entries["map"].clone(),
            None => ask["map"] = json!(hex(map.bytes())),
        }
        if form == form::SIGNED || (form != form::ANONYMOUS && self.signs) {
            ask["author"] = seed;
        }
        if matches!(form, form::CHANNEL | form::PAIR) {
            // It derives the same.
            ask.as_object_mut().unwrap().remove("target");
        }
        ask
    }

    fn letter(self, form: u8, map: &Map, body: Vec<u8>, chance: &mut Chance) -> Letter {
        let is_named = matches!(form, form::SIGNED | form::FIRST | form::PAIR) || (form == form::CHANNEL && self.signs);
        let author = is_named.then(|| self.alice.public());
        let (id, says) = if form >= form::PASCAL {
            (MessageId::of_container(&self.place, &body), Said::Text(self.text.clone()))
        } else {
            (MessageId::of(&self.place, author.as_ref(), map.bytes()), Said::Map(hex(map.bytes())))
        };
        let author = author.map(|author| author.to_string());
        let read = Read { id: id.to_string(), form, authenticated: author.is_some(), author, says };
        Letter { place: self.place, body, reader: self.reader(form, chance), read }
    }

    fn reader(self, form: u8, chance: &mut Chance) -> Reader {
        let passwords = vec![self.password];
        match form {
            form::CHANNEL => Reader::Channel(self.channel),
            form::PAIR => Reader::Pair(self.bob, self.alice.public()),
            form::ANONYMOUS | form::SIGNED | form::AES if chance.one_in(2) => Reader::Open(passwords),
            // It has other keys beside the one that opens.
            _ => Reader::Own { chat: vec![chance.secret(), self.bob], owner: Box::new(self.owner), passwords },
        }
    }
}

/// What a target means to a reader, for both programs.
pub enum Reader {
    Open(Vec<String>),
    Own { chat: Vec<ChatSecret>, owner: Box<Account>, passwords: Vec<String> },
    Channel(ChannelKey),
    Pair(ChatSecret, ChatKey),
}

impl Reader {
    pub fn is_derived(&self) -> bool {
        matches!(self, Self::Channel(_) | Self::Pair(..))
    }

    fn open(&self, place: &Place, body: &[u8]) -> Opened {
        match self {
            Self::Open(passwords) => {
                let passwords: Vec<_> = passwords.iter().map(String::as_str).collect();
                open(place, body, &Meaning::Open { passwords: &passwords })
            }
            Self::Own { chat, owner, passwords } => {
                let passwords: Vec<_> = passwords.iter().map(String::as_str).collect();
                let accounts = std::slice::from_ref(&owner.key);
                open(place, body, &Meaning::Own { secrets: chat, accounts, passwords: &passwords })
            }
            Self::Channel(key) => open(place, body, &Meaning::Channel(key)),
            Self::Pair(own, other) => {
                open(place, body, &Meaning::Pair(&PairKey::between(place.network, own, other).unwrap()))
            }
        }
    }

    pub fn in_json(&self) -> Json {
        let seed = |secret: &ChatSecret| hex(secret.seed().as_slice());
        match self {
            Self::Open(passwords) => json!({ "open": { "passwords": passwords } }),
            Self::Own { chat, owner, passwords } => json!({ "own": {
                "chat": chat.iter().map(seed).collect::<Vec<_>>(),
                "accounts": [{ "curve": owner.curve_name(), "scalar": hex(&owner.scalar) }],
                "passwords": passwords,
            } }),
            Self::Channel(key) => json!({ "channel": { "root": hex(key.root().as_slice()) } }),
            Self::Pair(own, other) => json!({ "pair": { "own": seed(own), "other": other.to_string() } }),
        }
    }
}

/// What comes of opening a body.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// Counted, never shown.
    Outsider,
    /// Everything else that is not read.
    Refused,
    Read(Read),
}

#[derive(Clone, Debug, PartialEq)]
pub struct Read {
    id: String,
    form: u8,
    author: Option<String>,
    authenticated: bool,
    says: Said,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Said {
    Map(String),
    Text(String),
}

impl Verdict {
    fn here(place: &Place, body: &[u8], reader: &Reader) -> (Self, Option<Map>) {
        let message = match reader.open(place, body) {
            Opened::Message(message) => message,
            Opened::Refused(Refused::Outsider) => return (Self::Outsider, None),
            Opened::Refused(_) | Opened::Unreadable(_) => return (Self::Refused, None),
        };
        let author = message.author.map(|key| key.to_string());
        let (says, map) = match message.says {
            Says::Map(map) => (Said::Map(hex(map.bytes())), Some(map)),
            Says::Text(text) => (Said::Text(text), None),
        };
        let read =
            Read { id: message.id.to_string(), form: message.form, authenticated: author.is_some(), author, says };
        (Self::Read(read), map)
    }

    /// Of an answer to `open`.
    pub fn of(answer: &Json) -> Self {
        match (&answer["ok"], answer["outcome"].as_str()) {
            (Json::Bool(true), None) => Self::Read(Read {
                id: text(answer, "id").to_owned(),
                form: number(answer, "form") as u8,
                author: answer["author"].as_str().map(str::to_owned),
                authenticated: answer["authenticated"].as_bool().unwrap(),
                says: match answer.get("map") {
                    Some(map) => Said::Map(map.as_str().unwrap().to_owned()),
                    None => Said::Text(text(answer, "text").to_owned()),
                },
            }),
            (Json::Bool(false), Some("outsider")) => Self::Outsider,
            (Json::Bool(false), Some("unreadable")) => Self::Refused,
            _ => panic!("{answer}"),
        }
    }
}

/// What both say of a body.
pub fn agreed(python: &Python, place: &Place, body: &[u8], reader: &Reader) -> Verdict {
    let (here, map) = Verdict::here(place, body, reader);
    let mut ask = at(place, "open");
    (ask["body"], ask["meaning"]) = (json!(hex(body)), reader.in_json());
    let answer = python.ask(&ask);
    assert_eq!(here, Verdict::of(&answer), "{answer} to {ask}");
    if let Some(map) = map {
        agree_on_content(&map, &answer);
    }
    here
}

/// What both read in the content of a map.
pub fn agree_on_content(map: &Map, answer: &Json) {
    match (map.content(), answer.get("says")) {
        (Ok(_), Some(said)) => says(map, said, "both read it"),
        (Err(_), None) => assert!(answer.get("content_unreadable").is_some(), "{answer}"),
        (content, _) => panic!("{content:?} here, {answer} there: {}", hex(map.bytes())),
    }
}

/// The beginning of a request.
pub fn at(place: &Place, what: &str) -> Json {
    json!({ "do": what, "network": place.network.byte(), "target": hex(&place.target.0), "expiry": place.expiry })
}

/// Another network.
pub const fn other(network: Network) -> Network {
    match network {
        Network::Main => Network::Test,
        Network::Test => Network::Main,
    }
}
