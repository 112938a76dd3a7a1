//! What a user wants to say becomes records: for whom, under which seal, signed by whom, cut into how many parts. Never decides
//! silently to say in the open what was to be sealed: what was chosen comes back in words.

use std::collections::BTreeSet;

use nightjar_core::name::{Name, TypedName};
use nightjar_core::record::{
    BODY_BYTES_MAX, LIFETIME_S_DEFAULT, LIFETIME_S_MAX, LIFETIME_S_MIN, MakeError, Record, Target,
};
use nightjar_core::time::Wall;
use nightjar_envelope::compose::{TextSeal, Wrap, compose, compose_text};
use nightjar_envelope::fragment::{self, CutFault};
use nightjar_envelope::id::MessageId;
use nightjar_envelope::key::ChatKey;
use nightjar_envelope::map::{Content, ContentType, DraftFault, HandOver, Kind, Map, MapDraft};
use nightjar_envelope::seal::SealFault;
use nightjar_envelope::{CODING, Place};
use zeroize::Zeroizing;

use super::ack::Ack;
use super::direct;
use super::outbox::{DEADLINE_S_DEFAULT, DEADLINE_S_MAX, OUTBOX_MAX};
use super::people::{TooManyContacts, rank};
use super::person::{Person, short};
use super::state::{OwnKey, State};
use super::upkeep::CardPlace;
use crate::chain::standing::Standing;
use crate::handle::PublishError;
use crate::identity::TimeError;
use crate::message::{CODING_RAW, Content as Came, NewMessage, Reading, Said};
use crate::store::{Again, Change, Pair, Relation, Way};
use crate::work::{BeginError, WorkError};

/// Parts that go out at once. Neighbours keep the budget of ten seconds for those who were silent; this is half of what one
/// with many neighbours keeps for each.
pub const PARTS_AT_ONCE: usize = 100;
/// Parts that follow each second: half of what such a neighbour takes of one peer.
pub const PARTS_PER_S: usize = 10;
/// A first contact is sent again when nothing was heard for so long.
const SILENT_S: u32 = 7 * 86_400;

/// For whom a message is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Addressee {
    /// Whoever listens to a name; a nick or an account means the person behind it.
    Name(TypedName),
    /// Whoever listens to a target.
    Target(Target),
    /// The holder of a chat key.
    Key(ChatKey),
    /// The same, and from now on this nick or account means that key.
    Named(ChatKey, Name),
}

/// As whom a message is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SpeakAs {
    /// As in this conversation before, else with the default identity, else as nobody.
    #[default]
    Usual,
    /// As nobody.
    Nobody,
    /// With this one of the node's chat keys, and from now on in this conversation.
    Key(ChatKey),
    /// With this one, or as nobody, for once.
    Once(Option<ChatKey>),
}

impl SpeakAs {
    /// Who it is to be, if that was said: a key, or nobody.
    #[expect(clippy::option_option, reason = "nobody is a choice too")]
    const fn chosen(self) -> Option<Option<ChatKey>> {
        match self {
            Self::Usual => None,
            Self::Nobody => Some(None),
            Self::Key(key) => Some(Some(key)),
            Self::Once(key) => Some(key),
        }
    }
}

/// Under which seal a message is wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum SealWish {
    /// The best that is possible: a channel's own, the chat key of a person, the key of an account, none.
    #[default]
    Best,
    /// None: everybody can read it.
    None,
    /// The channel's own.
    Channel,
    /// That of the recipient's chat key.
    ChatKey,
    /// PascalCoin's, for the key of the account.
    Dest,
    /// PascalCoin's, with a password.
    Aes(Zeroizing<String>),
}

/// What a content is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TypeOfContent {
    /// One of the numbered types.
    Number(u64),
    /// A media type.
    Media(String),
}

impl TypeOfContent {
    fn borrowed(&self) -> ContentType<'_> {
        match self {
            Self::Number(number) => ContentType::Number(*number),
            Self::Media(media) => ContentType::Media(media),
        }
    }
}

/// Something to be said.
#[derive(Clone, Debug)]
pub struct Letter {
    /// For whom.
    pub to: Addressee,
    /// What kind of message.
    pub kind: Kind,
    /// What it says.
    pub content: Option<Content<'static>>,
    /// What its content is; `None` = text.
    pub content_type: Option<TypeOfContent>,
    /// What it answers.
    pub reply_to: Option<[u8; 8]>,
    /// Which request it is, or answers.
    pub correlation: Option<[u8; 8]>,
    /// Who says it.
    pub speaker: SpeakAs,
    /// Under which seal.
    pub seal: SealWish,
    /// How long it may be flooded, 10..=3600 s; the default when `None`.
    pub lifetime_s: Option<u32>,
    /// For how long it waits for a peer, 0..=[`DEADLINE_S_MAX`]; the default when `None`.
    pub deadline_s: Option<u32>,
    /// In a card: what the author calls himself.
    pub nick: Option<String>,
    /// In a proof: the delegation.
    pub delegation: Option<Vec<u8>>,
    /// In a hand-over: which key goes on, and since when, which is the author's time each time it is told. Whoever says so has ended.
    pub hand_over: Option<(HandOver, Wall)>,
}

impl Letter {
    /// A text in the usual way.
    pub fn text(to: Addressee, text: &str) -> Self {
        Self {
            to,
            kind: Kind::Text,
            content: Some(Content::Text(text.to_owned().into())),
            content_type: None,
            reply_to: None,
            correlation: None,
            speaker: SpeakAs::Usual,
            seal: SealWish::Best,
            lifetime_s: None,
            deadline_s: None,
            nick: None,
            delegation: None,
            hand_over: None,
        }
    }
}

/// How a message was wrapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sealed {
    /// Everybody can read it.
    Open,
    /// Under the channel's passphrase.
    Channel,
    /// For a chat key.
    ChatKey(ChatKey, Standing),
    /// For an account's key.
    Dest(u32),
    /// With a password.
    Aes,
}

/// A message that is ready to be sent.
#[derive(Debug)]
pub(super) struct Prepared {
    /// The records, the head first.
    pub records: Vec<Record>,
    /// Its id.
    pub id: MessageId,
    /// Its target.
    pub target: Target,
    /// Until when it may be flooded, Unix seconds.
    pub expiry: u32,
    /// How it is wrapped.
    pub sealed: Sealed,
    /// Who says it.
    pub author: Option<ChatKey>,
    /// Where it belongs.
    pub conversation: String,
    /// Where its author speaks by it, if that is a channel.
    pub(super) place: Option<CardPlace>,
    /// What the user should know.
    pub note: Option<String>,
    /// For the log.
    pub(super) own: NewMessage,
    /// How it is sent again when nobody takes it, and until when, Unix seconds.
    pub(super) again: Again,
    pub(super) deadline: u32,
    pub(super) changes: Vec<Change>,
    /// Whom it was written to under seal.
    pub(super) pair: Option<Pair>,
}

/// Why a message cannot be sent as it was wanted. Each says what to do.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// It says nothing, or something that no reader takes.
    #[error(transparent)]
    Draft(#[from] DraftFault),
    /// It cannot be wrapped so.
    #[error(transparent)]
    Seal(#[from] SealFault),
    /// It is too long even in parts.
    #[error(transparent)]
    Cut(#[from] CutFault),
    /// The record cannot be made.
    #[error(transparent)]
    Make(#[from] MakeError),
    /// It cannot be sent.
    #[error(transparent)]
    Publish(#[from] PublishError),
    /// About the identity.
    #[error(transparent)]
    Time(#[from] TimeError),
    /// The work cannot begin.
    #[error(transparent)]
    Begin(#[from] BeginError),
    /// The work came to nothing.
    #[error(transparent)]
    Work(#[from] WorkError),
    /// Too many people.
    #[error(transparent)]
    Contacts(#[from] TooManyContacts),
    /// No such identity.
    #[error("{0} is none of this node's identities, or it is locked or revoked: `identity list` shows them")]
    NoSuchIdentity(ChatKey),
    /// A seal that needs one.
    #[error("this needs a chat key of yours: `identity new` makes one")]
    NoIdentity,
    /// They wait for their passphrase.
    #[error(
        "the chat keys are locked: `identity unlock` opens them; or send it with the identity `none` and the seal `none`, readable by everybody"
    )]
    Locked,
    /// Somebody spoke here who can't any more.
    #[error("in this conversation {} was met, which can't speak any more: say with `identity` who speaks from now on", short(.0))]
    SpokeBefore(ChatKey),
    /// Several of our keys have to do with him.
    #[error(
        "several of your chat keys have to do with that person ({0}), who need not know that they are yours: say with `identity` who speaks"
    )]
    SeveralMet(String),
    /// A seal names its sender.
    #[error(
        "a seal names its sender, and here nobody is to speak: name an `identity`, or send it with the seal `none`, readable by everybody"
    )]
    Unnamed,
    /// These kinds say something of another message.
    #[error("{0} is about another message: say which one it answers")]
    NoReply(&'static str),
    /// The channel has no passphrase here.
    #[error("{0} was not joined with a passphrase: `join` it first, or send in the open")]
    NotJoined(String),
    /// It would be readable where it was sealed before.
    #[error(
        "{0} was left here, where it had a passphrase: `join` it with that again, or send it with the seal `none`, readable by everybody"
    )]
    Parted(String),
    /// A channel's seal is for channels.
    #[error("{0} is no channel: a channel's seal is for what follows a #")]
    NoChannel(String),
    /// A person's seal is for persons.
    #[error("{0} is a channel: this seal is for a person or an account, `join` with a passphrase seals a channel")]
    NoPerson(String),
    /// Nobody is known by that name.
    #[error("no chat key of {0} is known: it comes with the first message or card of theirs that is heard here")]
    NoKey(String),
    /// Several are.
    #[error("several call themselves {name}: {keys}; write to one of them by the key")]
    Ambiguous {
        /// The name.
        name: String,
        /// Their keys.
        keys: String,
    },
    /// The digits are those of somebody who goes by another name.
    #[error(
        "{key} does not go by {name} ({is}): mistyped? `whois` shows keys, and `~DIGITS` alone means the key whatever it is called"
    )]
    NotCalled {
        /// The key.
        key: String,
        /// The name that was typed.
        name: String,
        /// What is known of the key.
        is: String,
    },
    /// It would be to oneself.
    #[error("{0} is a chat key of your own: nothing is sent to oneself")]
    Oneself(String),
    /// A name means a key that became one of ours.
    #[error("{name} is {key} here, which is a chat key of your own by now: {}", another(name))]
    MeansOwn {
        /// The name.
        name: String,
        /// The key.
        key: String,
    },
    /// A name means somebody who is not to be heard any more, and may mean others as well.
    #[error("{name} is {key} here, who is declined, and {changed}: {}", another(name))]
    MeansDeclined {
        /// The name.
        name: String,
        /// The key.
        key: String,
        /// What is otherwise than it was.
        changed: String,
    },
    /// An account speaks with another key than it was written to.
    #[error("{name} is {pinned} here, as before, and now {other} is proven for it: {}", another(name))]
    OtherProven {
        /// The account.
        name: String,
        /// The key it was written to.
        pinned: String,
        /// The key that is proven now.
        other: String,
    },
    /// The key that an account was written to by is proven for it no more.
    #[error("{name} is {pinned} here, as before, and {why}: {}", another(name))]
    NotProven {
        /// The account.
        name: String,
        /// The key it was written to.
        pinned: String,
        /// What is known of it now.
        why: String,
    },
    /// How to reach the key is not known.
    #[error("{0} can't be reached: neither a nick nor an account of that key is known here")]
    NoWay(ChatKey),
    /// The account's key is not known.
    #[error("the key of account {account} is not known: {why}")]
    NoAccountKey {
        /// The account.
        account: String,
        /// Why.
        why: String,
    },
    /// PascalCoin's own seal for the key of an account.
    #[error("{0} is no account: the seal `dest` is for the key of an account")]
    NoAccount(String),
    /// Such a seal holds text alone.
    #[error(
        "PascalCoin's own seals hold text and nothing beside it: leave out kind, reply and type, or choose another seal"
    )]
    TextOnly,
    /// It cannot wait so long.
    #[error("a message waits for a peer for {DEADLINE_S_MAX} s at the most: {0} were asked for")]
    Deadline(u32),
    /// There is no room for more that wait.
    #[error("{OUTBOX_MAX} messages wait for a peer, and that is the most: `outbox` lists them, and takes them back")]
    OutboxFull,
    /// Before its turn came.
    #[error("it was taken back before it was sent: say it again if that was not meant")]
    TakenBack,
    /// A password that is empty.
    #[error("the password is empty")]
    NoPassword,
    /// It would be gone before it has been sent.
    #[error(
        "{parts} parts take {seconds} s to go out, and the message lives {lifetime_s} s: give it a longer lifetime"
    )]
    TooShort {
        /// The parts.
        parts: usize,
        /// How long they take.
        seconds: u32,
        /// How long they live.
        lifetime_s: u32,
    },
}

/// What to do when a name may not mean any more whom it meant.
fn another(name: &str) -> String {
    format!(
        "write to the key that you mean, as in `{name}~DIGITS`, and the name means that one from then on; or send it with the seal `none`, readable by everybody"
    )
}

/// How long these parts take to go out.
pub fn seconds_for(parts: usize) -> u32 {
    u32::try_from(parts.saturating_sub(PARTS_AT_ONCE).div_ceil(PARTS_PER_S)).unwrap_or(u32::MAX)
}

/// The account's key, for a seal that needs it, or why it is not known.
pub(super) type AccountKey = Result<nightjar_pasc::key::PublicKey, String>;

/// What was chosen.
struct Choice {
    how: How,
    conversation: String,
    author: Option<ChatKey>,
    note: Option<String>,
}

impl Choice {
    /// The same, of which the user should know this as well.
    fn with_note(self, note: Option<String>) -> Self {
        let notes: Vec<String> = note.into_iter().chain(self.note).collect();
        Self { note: (!notes.is_empty()).then(|| notes.join("; ")), ..self }
    }

    /// The channel that it is said in, and who hears it there.
    fn place(&self) -> Option<CardPlace> {
        match &self.how {
            How::Channel { name } => Some(CardPlace::sealed(name)),
            How::Open { .. } if self.conversation.starts_with('#') => Some(CardPlace::open(&self.conversation)),
            _ => None,
        }
    }
}

enum How {
    Open { target: Target },
    Channel { name: String },
    First { other: ChatKey, to: Name },
    Pair { other: ChatKey },
    Dest { account: u32, key: nightjar_pasc::key::PublicKey },
    Aes { target: Target, password: Zeroizing<String> },
}

impl How {
    /// The way by which it can be sent again under a new date; `None` when it would be another message then.
    fn way(&self) -> Option<Way> {
        match self {
            Self::Open { target } => Some(Way::Open(*target)),
            Self::Channel { name } => Some(Way::Channel(name.clone())),
            Self::First { other, to } => Some(Way::First(*other, to.text())),
            Self::Pair { other } => Some(Way::Pair(*other)),
            Self::Dest { .. } | Self::Aes { .. } => None,
        }
    }
}

impl State {
    /// Whether the key of an account will be asked for.
    pub(super) fn wants_account_key(&self, letter: &Letter) -> Option<u32> {
        let Addressee::Name(name) = &letter.to else { return None };
        let Name::Account(account) = name.name() else { return None };
        let has_key = self.known.claiming(*account).first().is_some_and(|speaker| rank(speaker.standing) <= 1);
        match letter.seal {
            SealWish::Dest => Some(*account),
            // By the way it is seen whether the account is still whose it was when it was written to.
            SealWish::Best | SealWish::ChatKey if !has_key && self.pins.get(&name.name().text()).is_some() => {
                Some(*account)
            }
            SealWish::Best if !has_key && holds_only_text(letter) => Some(*account),
            _ => None,
        }
    }

    /// Makes the records of a letter that is sent now.
    pub(super) fn prepare(
        &self,
        letter: &Letter,
        account_key: Option<AccountKey>,
        time_ms: impl FnOnce(&ChatKey) -> Result<u64, TimeError>,
        has_told: impl FnOnce(&ChatKey, &str, &CardPlace) -> bool,
        now: Wall,
        chance: &mut rand_chacha::ChaCha20Rng,
    ) -> Result<Prepared, SendError> {
        let lifetime_s = letter.lifetime_s.unwrap_or(LIFETIME_S_DEFAULT);
        if !(LIFETIME_S_MIN..=LIFETIME_S_MAX).contains(&lifetime_s) {
            return Err(PublishError::Lifetime(lifetime_s).into());
        }
        let expiry = now.unix_s().saturating_add(lifetime_s);
        let deadline_s = letter.deadline_s.unwrap_or(DEADLINE_S_DEFAULT);
        if deadline_s > DEADLINE_S_MAX {
            return Err(SendError::Deadline(deadline_s));
        }
        let deadline = now.unix_s().saturating_add(deadline_s);
        match letter.kind {
            Kind::Reaction if letter.reply_to.is_none() => return Err(SendError::NoReply("a reaction")),
            Kind::Edit if letter.reply_to.is_none() => return Err(SendError::NoReply("an edit")),
            _ => {}
        }
        let choice = self.choose(letter, account_key, now)?;
        if let Some(body) = as_it_is(letter, &choice) {
            return self.prepare_raw(letter, choice, body, (expiry, deadline), now, chance);
        }
        let author = choice.author;
        let speaks = |key: &ChatKey| match letter.kind {
            Kind::HandOver => self.own_key(key),
            _ => self.speaking_key(key),
        };
        let own = author.map(|key| speaks(&key).ok_or(SendError::NoSuchIdentity(key))).transpose()?;
        let time_ms = match (&own, letter.hand_over) {
            // One map each time, so that it is one message to whoever heard it before.
            (_, Some((_, since))) => since.0,
            (Some(own), None) => time_ms(&own.secret.public())?,
            (None, None) => now.0,
        };
        // To a stranger a key alone says nothing, nor does it in a channel before its card is told there.
        let named = own.and_then(|own| Some((own.secret.public(), own.nick.as_deref()?)));
        let introduces = named.filter(|(key, nick)| match choice.place() {
            Some(place) => {
                !matches!(letter.kind, Kind::Card | Kind::Proof | Kind::HandOver) && !has_told(key, nick, &place)
            }
            None => matches!(choice.how, How::First { .. }),
        });
        let introduces = introduces.map(|(_, nick)| nick);
        let draft = MapDraft {
            content: letter.content.clone(),
            content_type: letter.content_type.as_ref().map(TypeOfContent::borrowed),
            reply_to: letter.reply_to,
            correlation: letter.correlation,
            nick: letter.nick.as_deref().or(introduces),
            delegation: letter.delegation.as_deref(),
            hand_over: letter.hand_over.map(|(hand_over, _)| hand_over),
            ..MapDraft::new(letter.kind, time_ms)
        };
        let map = draft.build()?;
        let text = match &letter.content {
            Some(Content::Text(text)) if !text.is_empty() => Some(text.as_ref()),
            _ => None,
        };
        let expiry = not_before(map.time_ms(), expiry);
        let Wrapped { place, body, sealed, text } = self.wrap(&choice.how, own, text, &map, expiry, chance)?;
        let form = body.first().copied().unwrap_or_default();
        let records = records(&place, &body, chance)?;
        let seconds = seconds_for(records.len());
        if seconds + LIFETIME_S_MIN > lifetime_s {
            return Err(SendError::TooShort { parts: records.len(), seconds, lifetime_s });
        }
        let (id, said) = match text {
            Some(text) => (MessageId::of_container(&place, &body), Said::Text { form, text }),
            None => {
                (MessageId::of(&place, author.as_ref(), map.bytes()), Said::Map { form, map: map.bytes().to_vec() })
            }
        };
        let head = records.first().cloned().expect("a body is one record or more");
        let (changes, pair) = self.changes(&choice, letter, now);
        let again = match choice.how.way().zip(author) {
            Some((way, author)) => Again::Anew { way, map: map.bytes().to_vec(), author, lifetime_s },
            None => Again::AsItIs(records.clone()),
        };
        let reading = Reading {
            conversation: choice.conversation.clone(),
            id: Some(id),
            author,
            own_key: author,
            said,
            standing: author.map_or(Standing::Anonymous, |key| {
                self.known.speaker(&key).map_or(Standing::Claimed, |speaker| speaker.standing)
            }),
            request: false,
            mention: false,
        };
        let name = typed(&letter.to);
        let own = NewMessage {
            received: now,
            own: true,
            late: false,
            name,
            content: Came::Record(head),
            reading: Some(reading),
        };
        Ok(Prepared {
            deadline: if matches!(again, Again::Anew { .. }) { deadline } else { deadline.min(expiry) },
            again,
            records,
            id,
            target: place.target,
            expiry,
            sealed,
            author,
            place: choice.place(),
            conversation: choice.conversation,
            note: choice.note,
            own,
            changes,
            pair,
        })
    }

    /// A record without envelope: what is short and by nobody can be read by every program.
    fn prepare_raw(
        &self,
        letter: &Letter,
        choice: Choice,
        body: &[u8],
        (expiry, deadline): (u32, u32),
        now: Wall,
        chance: &mut rand_chacha::ChaCha20Rng,
    ) -> Result<Prepared, SendError> {
        let (changes, pair) = self.changes(&choice, letter, now);
        let How::Open { target } = choice.how else { unreachable!("only what is in the open stays as it is") };
        let record = Record::dated(target, body, expiry, CODING_RAW, nonce(chance))?;
        let id = MessageId::of_raw(self.network, &record);
        let reading = Reading {
            conversation: choice.conversation.clone(),
            id: Some(id),
            author: None,
            own_key: None,
            said: Said::Raw,
            standing: Standing::Anonymous,
            request: false,
            mention: false,
        };
        let content = Came::Record(record.clone());
        Ok(Prepared {
            id,
            own: NewMessage {
                received: now,
                own: true,
                late: false,
                name: typed(&letter.to),
                content,
                reading: Some(reading),
            },
            again: Again::AsItIs(vec![record.clone()]),
            deadline: deadline.min(expiry),
            records: vec![record],
            target,
            expiry,
            sealed: Sealed::Open,
            author: None,
            place: None,
            conversation: choice.conversation,
            note: choice.note,
            changes,
            pair,
        })
    }
}

/// A key's times rise, and after kills they run ahead of the clock for a while: a reader takes no message whose time is later than its
/// expiry, so that is moved on, by an hour at the most.
fn not_before(time_ms: u64, expiry: u32) -> u32 {
    expiry.max(earliest_expiry(time_ms))
}

/// The first that a message of this author's time may have.
pub(super) fn earliest_expiry(time_ms: u64) -> u32 {
    u32::try_from(time_ms.div_ceil(1000)).unwrap_or(u32::MAX)
}

/// The name that somebody typed.
fn typed(to: &Addressee) -> Option<String> {
    match to {
        Addressee::Name(name) => Some(name.typed().to_owned()),
        Addressee::Target(_) | Addressee::Key(_) | Addressee::Named(..) => None,
    }
}

/// What the record of a letter holds as it is: when nobody signs, nothing seals, and there is nothing beside the text or data.
fn as_it_is<'l>(letter: &'l Letter, choice: &Choice) -> Option<&'l [u8]> {
    let is_plain = matches!(choice.how, How::Open { .. })
        && choice.author.is_none()
        && matches!(letter.kind, Kind::Text | Kind::Data)
        && letter.content_type.is_none()
        && letter.reply_to.is_none()
        && letter.correlation.is_none();
    let body = letter.content.as_ref().filter(|_| is_plain)?.as_bytes();
    (body.len() <= BODY_BYTES_MAX).then_some(body)
}

fn nonce(chance: &mut rand_chacha::ChaCha20Rng) -> [u8; 8] {
    let mut nonce = [0; 8];
    rand_chacha::rand_core::Rng::fill_bytes(chance, &mut nonce);
    nonce
}

/// A body at its place.
struct Wrapped {
    place: Place,
    body: Vec<u8>,
    sealed: Sealed,
    /// What it says, when that is a text and no map.
    text: Option<String>,
}

impl State {
    fn choose(&self, letter: &Letter, account_key: Option<AccountKey>, now: Wall) -> Result<Choice, SendError> {
        let open = |target: Target, conversation: String, note: Option<String>| {
            let author = self.author(letter, &conversation)?;
            Ok(Choice { how: How::Open { target }, conversation, author, note })
        };
        let name = match &letter.to {
            Addressee::Key(other) => return self.choose_direct(letter, *other, None, now),
            Addressee::Named(other, name) => {
                self.goes_by(other, name)?;
                let before = self.pins.get(&name.text()).filter(|before| *before != other).map(short);
                let note =
                    before.map(|before| format!("{name} is {} here from now on, and was {before}", short(other)));
                return Ok(self.choose_direct(letter, *other, None, now)?.with_note(note));
            }
            Addressee::Target(target) => {
                return match &letter.seal {
                    SealWish::Best | SealWish::None => open(*target, target.to_string(), None),
                    SealWish::Aes(password) => aes(letter, *target, target.to_string(), password),
                    SealWish::Channel => Err(SendError::NoChannel(target.to_string())),
                    SealWish::ChatKey => Err(SendError::NoKey(target.to_string())),
                    SealWish::Dest => Err(SendError::NoAccount(target.to_string())),
                };
            }
            Addressee::Name(name) => name.name(),
        };
        let (text, target) = (name.text(), name.target());
        match (&letter.seal, name) {
            (SealWish::None, _) => open(target, text, self.note_of_open(name)),
            (SealWish::Aes(password), _) => aes(letter, target, text, password),
            (SealWish::Best | SealWish::Channel, Name::Channel(_)) => match (self.is_sealed(&text), &letter.seal) {
                (true, _) => {
                    let author = self.author(letter, &text)?;
                    Ok(Choice { how: How::Channel { name: text.clone() }, conversation: text, author, note: None })
                }
                (false, SealWish::Channel) => Err(SendError::NotJoined(text)),
                (false, _) if self.parted.get(&text).is_some() => Err(SendError::Parted(text)),
                (false, _) => open(target, text, None),
            },
            (SealWish::Channel, _) => Err(SendError::NoChannel(text)),
            (SealWish::ChatKey | SealWish::Dest, Name::Channel(_)) => Err(SendError::NoPerson(text)),
            (SealWish::ChatKey, _) => {
                let person = self.person(name)?.ok_or(SendError::NoKey(text))?;
                self.choose_person(letter, person, name, now)
            }
            (SealWish::Dest, Name::Account(account)) => dest(letter, *account, account_key),
            (SealWish::Dest, _) => Err(SendError::NoAccount(text)),
            (SealWish::Best, _) => {
                let found = self.person(name)?;
                let is_known = found.is_some();
                // Where there are chat keys, a message that can't be sealed for want of one does not go out readable in its place.
                if let Some(person) = found
                    && (person.pinned || self.locked || !self.own.is_empty())
                {
                    return self.choose_person(letter, person, name, now);
                }
                let why = match (name, account_key) {
                    (Name::Account(account), Some(Ok(key))) if holds_only_text(letter) => {
                        return dest(letter, *account, Some(Ok(key)));
                    }
                    (Name::Account(_), Some(Err(why))) if !is_known => why,
                    _ if is_known => "this node has no chat key of its own (`identity new` makes one)".to_owned(),
                    _ => format!("no chat key of {text} is known here"),
                };
                let note = format!("sent in the open, everybody can read it: {why}");
                open(target, text, Some(note))
            }
        }
    }

    /// Whether a channel is written to under a passphrase.
    fn is_sealed(&self, channel: &str) -> bool {
        self.joined.get(channel).is_some_and(|joined| joined.channel.is_some())
    }

    /// What the user should know of a message that he sends to a name in the open.
    pub(super) fn note_of_open(&self, name: &Name) -> Option<String> {
        let name = name.text();
        self.is_sealed(&name).then(|| {
            format!("sent to the open channel {name}: who joined it with the passphrase alone does not hear that")
        })
    }

    /// Who writes to the listeners of a name or target.
    fn author(&self, letter: &Letter, conversation: &str) -> Result<Option<ChatKey>, SendError> {
        match (letter.speaker.chosen(), self.speaks.get(conversation)) {
            (Some(chosen), _) => Ok(chosen),
            (None, Some(spoke)) => self.again(*spoke),
            (None, None) => Ok(self.default_key()),
        }
    }

    /// Who writes to one person: who did so before, under the key or the name, or whom he wrote to; else the default.
    fn author_to(&self, letter: &Letter, other: &ChatKey, name: Option<&Name>) -> Result<Option<ChatKey>, SendError> {
        if let Some(chosen) = letter.speaker.chosen() {
            return Ok(chosen);
        }
        let by_name = || self.speaks.get(&name?.text());
        if let Some(spoke) = self.speaks.get(&direct(other)).or_else(by_name) {
            return self.again(*spoke);
        }
        let met: BTreeSet<ChatKey> =
            self.known.pairs_with(other).iter().map(|pair| self.in_place_of(pair.own)).collect();
        match Vec::from_iter(met).as_slice() {
            [] => Ok(self.default_key()),
            [one] => self.again(Some(*one)),
            // Whichever of them answers, he may have written to another, and must not learn that both are one.
            several => Err(SendError::SeveralMet(several.iter().map(short).collect::<Vec<_>>().join(", "))),
        }
    }

    /// The one who spoke before, or the one that it was handed over to, or nobody. One who can't any more is not replaced otherwise
    /// without a word: the one may be a name that the other is not to be known by.
    fn again(&self, spoke: Option<ChatKey>) -> Result<Option<ChatKey>, SendError> {
        match spoke.map(|key| self.in_place_of(key)) {
            Some(key) if self.speaking_key(&key).is_some() => Ok(Some(key)),
            Some(_) if self.locked => Err(SendError::Locked),
            Some(key) => Err(SendError::SpokeBefore(key)),
            None => Ok(None),
        }
    }

    fn choose_person(&self, letter: &Letter, person: Person, name: &Name, now: Wall) -> Result<Choice, SendError> {
        let Person { key, note, .. } = person;
        Ok(self.choose_direct(letter, key, Some(name), now)?.with_note(note))
    }

    fn choose_direct(
        &self,
        letter: &Letter,
        other: ChatKey,
        name: Option<&Name>,
        now: Wall,
    ) -> Result<Choice, SendError> {
        if self.is_ours(&other) {
            return Err(SendError::Oneself(short(&other)));
        }
        if !matches!(letter.seal, SealWish::Best | SealWish::ChatKey) {
            return Err(SendError::NoWay(other));
        }
        let conversation = direct(&other);
        let own = self.author_to(letter, &other, name)?.ok_or(match letter.speaker {
            SpeakAs::Usual if self.locked => SendError::Locked,
            SpeakAs::Usual if self.own.is_empty() => SendError::NoIdentity,
            _ => SendError::Unnamed,
        })?;
        let heard = self.known.pair(&own, &other).map_or(0, |pair| pair.heard.max(pair.answered));
        let how = if heard > 0 && now.unix_s().saturating_sub(heard) <= SILENT_S {
            How::Pair { other }
        } else {
            let typed = match &letter.to {
                Addressee::Named(_, typed) => Some(typed),
                _ => name,
            };
            How::First { other, to: self.name_to_reach(&other, typed).ok_or(SendError::NoWay(other))? }
        };
        let goes_on = self.heirs.of(&other).map(|heir| format!("{} goes on as {}", short(&other), short(&heir)));
        Ok(Choice { how, conversation, author: Some(own), note: goes_on })
    }

    fn wrap(
        &self,
        how: &How,
        own: Option<&OwnKey>,
        text: Option<&str>,
        map: &Map,
        expiry: u32,
        chance: &mut rand_chacha::ChaCha20Rng,
    ) -> Result<Wrapped, SendError> {
        let secret = own.map(|own| &own.secret);
        let at = |target: Target| Place { network: self.network, target, expiry };
        let day = at(Target([0; 16])).day();
        let text = || text.map(str::to_owned).ok_or(SendError::TextOnly);
        let standing = |key: &ChatKey| self.known.speaker(key).map_or(Standing::Claimed, |it| it.standing);
        let sender = || secret.ok_or(SendError::NoIdentity);
        // A claim is to be believed by others as well; what is said to one person is for that person alone.
        let shown = map.kind() == Kind::Proof;
        Ok(match how {
            How::Open { target } => {
                let wrap = secret.map_or(Wrap::Anonymous, Wrap::Signed);
                let place = at(*target);
                Wrapped { place, body: compose(&place, &wrap, map, chance)?, sealed: Sealed::Open, text: None }
            }
            How::Channel { name } => {
                let key = self.joined.get(name).and_then(|joined| joined.channel.as_ref());
                let key = key.ok_or_else(|| SendError::NotJoined(name.clone()))?;
                let place = at(key.target(day));
                let wrap = Wrap::Channel { key, author: secret };
                Wrapped { place, body: compose(&place, &wrap, map, chance)?, sealed: Sealed::Channel, text: None }
            }
            How::First { other, to } => {
                let place = at(to.target());
                let wrap = Wrap::First { sender: sender()?, recipient: other, shown };
                let sealed = Sealed::ChatKey(*other, standing(other));
                Wrapped { place, body: compose(&place, &wrap, map, chance)?, sealed, text: None }
            }
            How::Pair { other } => {
                let sender = sender()?;
                let key = self.pair_key(&sender.public(), other).ok_or(SendError::NoWay(*other))?;
                let place = at(key.target_to(other, day));
                let wrap = Wrap::Pair { key, shown: shown.then_some(sender) };
                let sealed = Sealed::ChatKey(*other, standing(other));
                Wrapped { place, body: compose(&place, &wrap, map, chance)?, sealed, text: None }
            }
            How::Dest { account, key } => {
                let (place, text) = (at(Name::Account(*account).target()), text()?);
                let body = compose_text(&TextSeal::Key(key), &text, chance)?;
                Wrapped { place, body, sealed: Sealed::Dest(*account), text: Some(text) }
            }
            How::Aes { target, password } => {
                let (place, text) = (at(*target), text()?);
                let body = compose_text(&TextSeal::Password(password), &text, chance)?;
                Wrapped { place, body, sealed: Sealed::Aes, text: Some(text) }
            }
        })
    }

    /// The records of a message that did not go out, under a new date.
    pub(super) fn anew(
        &self,
        way: &Way,
        map: &[u8],
        author: &ChatKey,
        expiry: u32,
        chance: &mut rand_chacha::ChaCha20Rng,
    ) -> Result<Vec<Record>, SendError> {
        let own = self.speaking_key(author).ok_or(if self.locked {
            SendError::Locked
        } else {
            SendError::NoSuchIdentity(*author)
        })?;
        let map = Map::read_all(map).map_err(|_| SendError::TextOnly)?;
        let how = match way {
            Way::Open(target) => How::Open { target: *target },
            Way::Channel(name) => How::Channel { name: name.clone() },
            Way::First(other, name) => {
                let to: TypedName = name.parse().map_err(|_| SendError::NoWay(*other))?;
                How::First { other: *other, to: to.name().clone() }
            }
            Way::Pair(other) => How::Pair { other: *other },
        };
        let expiry = not_before(map.time_ms(), expiry);
        let Wrapped { place, body, .. } = self.wrap(&how, Some(own), None, &map, expiry, chance)?;
        records(&place, &body, chance)
    }

    /// The records of an acknowledgement, as long as the other is a contact. It changes nothing of how the two stand: the user did not write.
    pub(super) fn acknowledgement(
        &self,
        Ack { own, other, id, .. }: &Ack,
        time_ms: u64,
        now: Wall,
        chance: &mut rand_chacha::ChaCha20Rng,
    ) -> Result<Vec<Record>, SendError> {
        let speaker = self.speaking_key(own).ok_or(SendError::NoSuchIdentity(*own))?;
        if self.known.pair(own, other).is_none_or(|pair| pair.relation != Relation::Contact) {
            return Err(SendError::NoWay(*other));
        }
        let draft = MapDraft { reply_to: id.0.first_chunk().copied(), ..MapDraft::new(Kind::Ack, time_ms) };
        let map = draft.build()?;
        let expiry = not_before(time_ms, now.unix_s().saturating_add(LIFETIME_S_DEFAULT));
        let Wrapped { place, body, .. } =
            self.wrap(&How::Pair { other: *other }, Some(speaker), None, &map, expiry, chance)?;
        records(&place, &body, chance)
    }

    /// What changes with the sending: whom we wrote to is a contact, and who spoke is remembered.
    fn changes(&self, choice: &Choice, letter: &Letter, now: Wall) -> (Vec<Change>, Option<Pair>) {
        let mut changes = Vec::new();
        if let SpeakAs::Key(_) | SpeakAs::Nobody = letter.speaker {
            changes.push(Change::Speaks(choice.conversation.clone(), choice.author));
        }
        let pair = match (&choice.how, choice.author) {
            (How::First { other, .. } | How::Pair { other }, Some(own)) => {
                let known = self.known.pair(&own, other).copied();
                let known = known.unwrap_or(Pair::new(own, *other, Relation::Contact));
                Some(Pair { relation: Relation::Contact, wrote: now.unix_s(), ..known })
            }
            _ => None,
        };
        (changes, pair)
    }
}

fn aes(
    letter: &Letter,
    target: Target,
    conversation: String,
    password: &Zeroizing<String>,
) -> Result<Choice, SendError> {
    if password.is_empty() {
        return Err(SendError::NoPassword);
    }
    if !holds_only_text(letter) {
        return Err(SendError::TextOnly);
    }
    Ok(Choice { how: How::Aes { target, password: password.clone() }, conversation, author: None, note: None })
}

fn dest(letter: &Letter, account: u32, key: Option<AccountKey>) -> Result<Choice, SendError> {
    let name = Name::Account(account).text();
    if !holds_only_text(letter) {
        return Err(SendError::TextOnly);
    }
    match key {
        Some(Ok(key)) => Ok(Choice { how: How::Dest { account, key }, conversation: name, author: None, note: None }),
        Some(Err(why)) => Err(SendError::NoAccountKey { account: name, why }),
        None => Err(SendError::NoAccountKey { account: name, why: "nobody was asked".to_owned() }),
    }
}

/// Whether PascalCoin's own seals can carry it: a text, and nothing beside it.
fn holds_only_text(letter: &Letter) -> bool {
    letter.kind == Kind::Text
        && matches!(letter.content, Some(Content::Text(_)))
        && letter.reply_to.is_none()
        && letter.correlation.is_none()
        && letter.content_type.is_none()
}

/// The records of a body: one, or one for each part.
fn records(place: &Place, body: &[u8], chance: &mut rand_chacha::ChaCha20Rng) -> Result<Vec<Record>, SendError> {
    let parts;
    let bodies = if body.len() <= BODY_BYTES_MAX {
        vec![body]
    } else {
        parts = fragment::cut(place, body)?;
        parts.iter().map(Vec::as_slice).collect()
    };
    let mut make = |body: &[u8]| Ok(Record::dated(place.target, body, place.expiry, CODING, nonce(chance))?);
    bodies.into_iter().map(&mut make).collect()
}
