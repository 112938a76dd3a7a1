//! What happens and concerns clients, before it is lines. Knows no capability and no socket.

use std::sync::Arc;

use nightjar_node::message::Seq;

use super::people::Source;

/// What happens and concerns a client.
#[derive(Clone, Debug)]
pub(super) enum Event {
    /// Something was said.
    Said(Arc<Said>),
    /// What was said while it could not be heard, in the order in which it was said.
    History(Arc<Place>, Arc<[Arc<Said>]>),
    /// Somebody did something.
    Did(Arc<Did>),
    /// The server says something.
    Notice(Arc<str>),
    /// A message of the client's own: what became of it.
    Fate(Arc<Fate>),
    /// A conversation was read up to a moment, Unix milliseconds.
    Read(Arc<Place>, u64),
    /// A channel, by its folded name, is left by all clients, and why.
    Left(Arc<str>, Arc<str>),
}

/// Where something is said.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    /// In a channel, by its folded name.
    Channel(String),
    /// To the user of the client, by somebody.
    Person,
    /// By the user of the client to somebody, by the nick of that one: said with another client.
    To(String),
}

/// What kind of thing was said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Action,
    Notice,
    /// A sign put to another message.
    Reaction,
    /// Nothing but tags, which only clients here get.
    Tags,
}

/// Something that was said.
#[derive(Clone, Debug)]
pub(super) struct Said {
    pub(super) from: Arc<Source>,
    pub(super) place: Place,
    pub(super) kind: Kind,
    pub(super) text: String,
    /// The id of the message.
    pub(super) id: Option<String>,
    /// What it answers.
    pub(super) reply_to: Option<String>,
    /// When it was said, Unix milliseconds.
    pub(super) time_ms: u64,
    /// Tags of clients, from one here to others here.
    pub(super) tags: Vec<(String, String)>,
    /// Its place in the log.
    pub(super) seq: Option<Seq>,
    /// Where it stands in the log.
    pub(super) conversation: String,
}

/// Somebody did something.
#[derive(Clone, Debug)]
pub(super) struct Did {
    pub(super) who: Arc<Source>,
    pub(super) what: Deed,
    pub(super) time_ms: u64,
}

#[derive(Clone, Debug)]
pub(super) enum Deed {
    Joined(String),
    Parted(String, String),
    Quit(String),
    Renamed(String),
    Away(Option<String>),
    Realname(String),
    Invited(String),
    Topic(String, String),
}

/// What became of a message.
#[derive(Clone, Debug)]
pub(super) struct Fate {
    /// To whom it was, as it was typed.
    pub(super) to: String,
    pub(super) what: Outcome,
}

#[derive(Clone, Debug)]
pub(super) enum Outcome {
    /// It went out, or waits for a peer.
    Sent {
        peers: usize,
        /// To a person, and everybody can read it.
        in_the_open: bool,
        note: Option<String>,
    },
    /// It did not, or will not.
    Failed(String),
}
