//! Opens a body with the keys that its target can mean, and with no others. What is not for us, or forged, is refused without a word to
//! whoever sent it.

use nightjar_pasc::key::PrivateKey;
use zeroize::Zeroizing;

use crate::Place;
use crate::form::{self, Inner};
use crate::id::MessageId;
use crate::key::{ChatKey, ChatSecret};
use crate::map::{Map, MapFault};
use crate::seal::channel::ChannelKey;
use crate::seal::padding::is_padding;
use crate::seal::pair::PairKey;
use crate::seal::{direct, pascal};
use crate::sign::{OuterForm, verify};

/// What the target of a body can mean to us.
#[derive(Clone, Copy, Debug)]
pub enum Meaning<'k> {
    /// A channel, or a target, that everybody knows.
    Open {
        /// Passwords of PascalCoin's kind that were set for it.
        passwords: &'k [&'k str],
    },
    /// Our own nick or account.
    Own {
        /// Our chat keys.
        secrets: &'k [ChatSecret],
        /// Keys of accounts.
        accounts: &'k [PrivateKey],
        /// Passwords of PascalCoin's kind that were set for it.
        passwords: &'k [&'k str],
    },
    /// A channel behind a passphrase.
    Channel(&'k ChannelKey),
    /// Where the other of a pair writes to us.
    Pair(&'k PairKey),
}

/// What came of opening a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Opened {
    /// A message.
    Message(OpenedMessage),
    /// Something to be shown as unreadable.
    Unreadable(Unreadable),
    /// Nothing to be shown.
    Refused(Refused),
}

/// An opened message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenedMessage {
    /// Its id.
    pub id: MessageId,
    /// Who wrote it, when that is certain.
    pub author: Option<ChatKey>,
    /// Whether the author signed it, so that others could be convinced.
    pub signed: bool,
    /// The first byte of the body: how it was wrapped.
    pub form: u8,
    /// Our chat key that it was sealed for.
    pub recipient: Option<ChatKey>,
    /// What it says.
    pub says: Says,
}

/// What a message says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Says {
    /// A map.
    Map(Map),
    /// A text, in a seal of PascalCoin's.
    Text(String),
}

/// Why something is shown as unreadable.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// A form that nobody has described yet, or one that has no meaning on such a target.
    #[error("it is of form {0:02x}, which means nothing here")]
    Form(u8),
    /// There is nothing.
    #[error("it is empty")]
    Empty,
    /// No message stands in it.
    #[error("no message stands in it: {0}")]
    Map(#[from] MapFault),
    /// Shorter than its form.
    #[error("it ends before its message begins")]
    Short,
    /// The author's time is later than the record's own date.
    #[error("its author's clock is later than the date until when it may be told")]
    Time,
    /// It is for the key of an account, which this node does not hold.
    #[error("it is sealed for the key of an account: a wallet that holds the key opens it (`payloaddecrypt`)")]
    Account,
    /// It is under a password.
    #[error("it is sealed with a password that was not set here")]
    Password,
}

/// Why nothing is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// It came from somebody who saw a target of ours, and does not know what it is for.
    Outsider,
    /// It was sealed for another key, or was damaged.
    NotForUs,
    /// Its signature is not that of its author at this place.
    Forged,
}

/// Opens a body that stands at this place. Parts are joined before.
pub fn open(place: &Place, body: &[u8], meaning: &Meaning<'_>) -> Opened {
    let Some(&first) = body.first() else {
        return match meaning {
            Meaning::Open { .. } | Meaning::Own { .. } => Opened::Unreadable(Unreadable::Empty),
            Meaning::Channel(_) | Meaning::Pair(_) => Opened::Refused(Refused::Outsider),
        };
    };
    match (meaning, first) {
        (Meaning::Channel(key), form::CHANNEL) => {
            let inner = Some(*place).filter(|place| place.target == key.target(place.day()));
            match inner.and_then(|place| key.open(&place, body)) {
                Some(inner) => sealed(place, &inner, OuterForm::Channel, None, None),
                None => Opened::Refused(Refused::Outsider),
            }
        }
        (Meaning::Pair(key), form::PAIR) => {
            let inner = Some(*place).filter(|place| place.target == key.target_to(key.own(), place.day()));
            match inner.and_then(|place| key.open(&place, body)) {
                Some(inner) => sealed(place, &inner, OuterForm::Pair, Some(*key.other()), Some(*key.own())),
                None => Opened::Refused(Refused::Outsider),
            }
        }
        (Meaning::Channel(_) | Meaning::Pair(_), _) => Opened::Refused(Refused::Outsider),
        (_, form::ANONYMOUS | form::SIGNED) => clear(place, body),
        (Meaning::Own { secrets, .. }, form::FIRST) => {
            let opened = secrets.iter().find_map(|secret| {
                direct::open(secret, place, body).map(|(sender, inner)| (secret.public(), sender, inner))
            });
            match opened {
                Some((own, sender, inner)) => sealed(place, &inner, OuterForm::First, Some(sender), Some(own)),
                None => Opened::Refused(Refused::NotForUs),
            }
        }
        (Meaning::Own { accounts, .. }, form::PASCAL) => {
            let text = accounts.iter().find_map(|key| pascal::open_with_key(key, body));
            text.map_or(Opened::Unreadable(Unreadable::Account), |text| container(place, body, text))
        }
        (Meaning::Own { passwords, .. } | Meaning::Open { passwords }, form::AES) => {
            let text = passwords.iter().find_map(|password| pascal::open_with_password(password, body));
            text.map_or(Opened::Unreadable(Unreadable::Password), |text| container(place, body, text))
        }
        (_, first) => Opened::Unreadable(Unreadable::Form(first)),
    }
}

/// A message that everybody can read: nothing may stand behind it.
fn clear(place: &Place, body: &[u8]) -> Opened {
    let Some(inner) = Inner::parse(body) else { return Opened::Unreadable(Unreadable::Short) };
    let (Inner::Anonymous(bytes) | Inner::Signed(.., bytes)) = inner;
    let map = match Map::read_all(bytes) {
        Ok(map) => map,
        Err(fault) => return Opened::Unreadable(fault.into()),
    };
    message(place, inner, map, OuterForm::Clear, None, None)
}

/// What stood inside a seal, with its padding.
fn sealed(
    place: &Place,
    inner: &Zeroizing<Vec<u8>>,
    outer: OuterForm,
    sender: Option<ChatKey>,
    recipient: Option<ChatKey>,
) -> Opened {
    let Some(inner) = Inner::parse(inner) else {
        let why =
            inner.first().filter(|form| **form != form::SIGNED).copied().map_or(Unreadable::Short, Unreadable::Form);
        return Opened::Unreadable(why);
    };
    let (Inner::Anonymous(bytes) | Inner::Signed(.., bytes)) = inner;
    let (map, read) = match Map::read(bytes) {
        Ok(read) => read,
        Err(fault) => return Opened::Unreadable(fault.into()),
    };
    if !bytes.get(read..).is_some_and(is_padding) {
        return Opened::Refused(Refused::Forged);
    }
    message(place, inner, map, outer, sender, recipient)
}

fn message(
    place: &Place,
    inner: Inner<'_>,
    map: Map,
    outer: OuterForm,
    sender: Option<ChatKey>,
    recipient: Option<ChatKey>,
) -> Opened {
    let (author, signed) = match inner {
        Inner::Anonymous(_) => (sender, false),
        Inner::Signed(author, signature, _) => {
            let author = ChatKey::from_bytes(*author);
            let holds = author.filter(|author| {
                sender.is_none_or(|sender| sender == *author) && verify(author, signature, place, outer, map.bytes())
            });
            match holds {
                Some(author) => (Some(author), true),
                None => return Opened::Refused(Refused::Forged),
            }
        }
    };
    if !map.fits(place.expiry) {
        return Opened::Unreadable(Unreadable::Time);
    }
    let form = match (outer, inner) {
        (OuterForm::Clear, Inner::Anonymous(_)) => form::ANONYMOUS,
        _ => outer as u8,
    };
    let id = MessageId::of(place, author.as_ref(), map.bytes());
    Opened::Message(OpenedMessage { id, author, signed, form, recipient, says: Says::Map(map) })
}

fn container(place: &Place, body: &[u8], text: String) -> Opened {
    let id = MessageId::of_container(place, body);
    let form = body.first().copied().unwrap_or_default();
    Opened::Message(OpenedMessage { id, author: None, signed: false, form, recipient: None, says: Says::Text(text) })
}
