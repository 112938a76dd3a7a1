//! Messages for people: opens what comes, wraps what is sent, knows who is who. Never decides where a record goes, and nothing
//! that a stranger sends makes it send anything.

pub(crate) mod ack;
mod heirs;
mod held;
mod ignore;
pub(crate) mod look;
mod meaning;
mod names;
mod opener;
mod out;
pub(crate) mod outbox;
mod people;
mod person;
mod proofs;
mod send;
mod state;
pub(crate) mod targets;
pub(crate) mod upkeep;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nightjar_core::chain::Network;
use nightjar_core::name::{Name, TypedName};
use nightjar_core::time::Wall;
use nightjar_envelope::delegation::Checked;
use nightjar_envelope::fragment::Assembly;
use nightjar_envelope::key::ChatKey;
use nightjar_envelope::seal::channel::{ChannelKey, PassphraseFault};
use nightjar_envelope::seal::words::{Weak, passphrase, weakness};
use rand_chacha::ChaCha20Rng;
use tokio::sync::Notify;
use zeroize::Zeroizing;

use crate::chain::view::Ask;
use crate::clock::Clock;
use crate::identity::Identities;
use crate::message::Speaker;
use crate::store::{Change, Joined, OpenError, Pair, People, Relation, Store, StoreLimits, WriteError};
use crate::work::WorkPool;

pub use ack::{ACK_DELAY_MS_MAX, ACK_DELAY_MS_MIN, ACKS_PER_MINUTE_MAX, ACKS_WAITING_MAX};
pub use heirs::{HEIRS_MAX, IN_A_ROW_MAX};
pub use held::HELD_RECORDS_MAX;
pub use ignore::{IGNORED_MAX, Ignored, NotIgnorable, PATTERN_BYTES_MAX, Pattern, TooManyIgnored};
pub use meaning::WINDOW_S;
pub use out::{Kept, Ready, Sent, Work};
pub use outbox::{DEADLINE_S_DEFAULT, DEADLINE_S_MAX, OUTBOX_MAX};
pub use people::{CONTACTS_MAX, REQUESTS_MAX, SPEAKERS_MAX, TooManyContacts};
pub use proofs::{ENDS_MAX, ENDS_PER_POINT_MAX, PROOFS_MAX, PROOFS_PER_KEY_MAX};
pub use send::{
    Addressee, Letter, PARTS_AT_ONCE, PARTS_PER_S, SealWish, Sealed, SendError, SpeakAs, TypeOfContent, seconds_for,
};
pub use state::{JOINED_MAX, PARTED_MAX, PINS_MAX};

use ack::Acks;
use held::Sendings;
use opener::PostOpener;
use outbox::Outbox;
use people::DECLINED_MAX;
use state::{JoinedName, OwnKey, State};
use targets::Keyed;

/// Accounts that wait for a look at the chain. What does not fit is looked at when the next block comes, if its claimant is among
/// those heard last.
pub const LOOKS_MAX: usize = 1_024;

/// People one question is answered with: anybody can make thousands of keys with one nick.
pub const WHO_IS_MAX: usize = 100;

/// The messages of a node. A clone is the same.
#[derive(Clone)]
pub struct Post {
    shared: Arc<Shared>,
    identities: Identities,
    store: Store,
    work: WorkPool,
}

impl std::fmt::Debug for Post {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Post").finish_non_exhaustive()
    }
}

struct Shared {
    network: Network,
    clock: Clock,
    state: Mutex<State>,
    assembly: Mutex<Assembly>,
    chance: Mutex<ChaCha20Rng>,
    /// What the engine is to listen to because of keys.
    keyed: Arc<Keyed>,
    /// Strangers changed what there is to listen to.
    pairs_changed: Notify,
    /// Accounts that somebody claims, and the chain was not asked about yet, in the order in which they came.
    looks: Mutex<VecDeque<(u32, Ask)>>,
    look: Notify,
    /// A key spoke somewhere, or says something else of itself.
    tell: Notify,
    cards: Mutex<upkeep::Cards>,
    outbox: Mutex<Outbox>,
    sendings: Mutex<Sendings>,
    /// Whether direct messages of contacts are acknowledged.
    acknowledges: bool,
    acks: Mutex<Acks>,
    /// One more waits.
    ack: Notify,
    counters: Counters,
}

#[derive(Default)]
struct Counters {
    outsiders: AtomicU64,
    refused: AtomicU64,
    declined: AtomicU64,
    ignored: AtomicU64,
    bad_proofs: AtomicU64,
}

/// What was counted since the node started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PostCounters {
    /// Records on targets of ours that were not under their seal.
    pub outsiders: u64,
    /// Messages that were forged, damaged, or sealed for another key.
    pub refused: u64,
    /// Messages of people the user does not want to hear from.
    pub declined: u64,
    /// Messages that were dropped for their author's nick or account, or for their text.
    pub ignored: u64,
    /// Proofs of accounts that were none.
    pub bad_proofs: u64,
    /// Acknowledgements of messages that were never sent to their author, or are acknowledged already.
    pub stray_acks: u64,
    /// Sets of parts that wait for more.
    pub sets_waiting: usize,
    /// Bytes of all loose parts.
    pub loose_bytes: usize,
}

/// A name cannot be joined. Says what to do.
#[derive(Debug, thiserror::Error)]
pub enum JoinError {
    /// Only channels have passphrases.
    #[error("{0} is no channel: a passphrase is for what begins with #; messages to a person are sealed by themselves")]
    NoChannel(String),
    /// The phrase is easily guessed.
    #[error("the passphrase is weak: {0}. Leave it out and six words are made; with `weak` it is taken all the same")]
    Weak(Weak),
    /// It cannot be used.
    #[error(transparent)]
    Passphrase(#[from] PassphraseFault),
    /// It has another one.
    #[error(
        "{0} is joined with another passphrase already, which its members have: `part` it first, if you have that one still or need it no more"
    )]
    Joined(String),
    /// Too many.
    #[error("{JOINED_MAX} names are joined with a secret, and that is the most: `part` one that is not needed")]
    TooMany,
    /// It could not be written down.
    #[error(transparent)]
    Store(#[from] WriteError),
}

/// A wish to read a name with a secret.
#[derive(Clone)]
pub struct JoinWish {
    /// The name.
    pub name: TypedName,
    /// A channel's passphrase; one is made when it is empty.
    pub passphrase: Option<Zeroizing<String>>,
    /// Whether a weak one will do.
    pub weak: bool,
    /// A password of PascalCoin's own kind.
    pub password: Option<Zeroizing<String>>,
}

/// Somebody, and all that is known of him here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// Who.
    pub speaker: Speaker,
    /// Whether it is one of this node's own keys.
    pub own: bool,
    /// How the user stands to him.
    pub relation: Option<Relation>,
    /// A nick of the user's own, or of a contact, that his looks like.
    pub looks_like: Option<String>,
    /// The key that he goes on as, by his own word, if the user has to do with him.
    pub heir: Option<ChatKey>,
}

impl Post {
    /// Opens the store and looks at what comes from now on with these identities.
    pub(crate) fn open(
        network: Network,
        path: &std::path::Path,
        limits: StoreLimits,
        acknowledges: bool,
        identities: Identities,
        clock: Clock,
        chance: ChaCha20Rng,
    ) -> Result<Self, OpenError> {
        let mut made = None;
        let store = Store::open_with(path, limits, |mut people: People| {
            let outbox = Outbox::new(std::mem::take(&mut people.outbox));
            let shared = Arc::new(Shared {
                network,
                state: Mutex::new(State::new(network, people, clock.wall())),
                clock,
                assembly: Mutex::default(),
                chance: Mutex::new(chance),
                keyed: Arc::default(),
                looks: Mutex::default(),
                pairs_changed: Notify::new(),
                look: Notify::new(),
                tell: Notify::new(),
                cards: Mutex::default(),
                outbox: Mutex::new(outbox),
                sendings: Mutex::default(),
                acknowledges,
                acks: Mutex::default(),
                ack: Notify::new(),
                counters: Counters::default(),
            });
            made = Some(Arc::clone(&shared));
            PostOpener { shared }
        })?;
        let shared = made.expect("a store that is open has made its opener");
        let work = WorkPool::of_spare_cores(shared.clock.clone());
        let post = Self { shared, identities, store, work };
        if post.identities.locked() {
            tracing::warn!(
                "the chat keys are locked until `identity unlock`: nothing is signed, and what comes sealed for them meanwhile is lost"
            );
        }
        post.refresh_own();
        Ok(post)
    }

    pub(crate) const fn store(&self) -> &Store {
        &self.store
    }

    /// What time it is for the messages.
    pub fn now(&self) -> Wall {
        self.shared.clock.wall()
    }

    /// The network of the node.
    pub(crate) fn network(&self) -> Network {
        self.shared.network
    }

    /// When the last delegation, or the end of one, that a point signed for a chat key and an account was issued, as far as it is
    /// known here. What others sign with keys of theirs does not count.
    pub(crate) fn last_issued(&self, account: u32, key: ChatKey, point: &[u8]) -> Option<u32> {
        self.shared.lock().known.proofs().last_issued(key, account, point)
    }

    /// The delegation of this account that a chat key has and that can be ended, of several the one that came last.
    pub(crate) fn claimed(&self, account: u32, key: ChatKey) -> Option<Vec<u8>> {
        let state = self.shared.lock();
        let claims = state.known.proofs().claimed_by(&key).filter(|proof| proof.account == account);
        claims.max_by_key(|proof| proof.received).map(|proof| proof.bytes.clone())
    }

    /// A proof was made here: it counts here as well, and is told where its key speaks.
    pub(crate) fn proven(&self, checked: &Checked) {
        let now = self.now();
        let mut changes = Vec::new();
        {
            let mut state = self.shared.lock();
            state.known.proof(checked, true, now, &mut changes);
            if !checked.is_end() {
                state.known.claims(checked.claim.chat_key, checked.claim.account, &mut changes);
            }
        }
        self.write_down(changes);
        self.shared.look_at(checked.claim.account, Ask::Anybody);
        self.refresh_own();
    }

    /// The chat keys of this node. Whoever changes them calls [`Post::refresh_own`].
    pub const fn identities(&self) -> &Identities {
        &self.identities
    }

    /// What the engine is to listen to.
    pub(crate) fn keyed(&self) -> Arc<Keyed> {
        Arc::clone(&self.shared.keyed)
    }

    /// Takes over what changed of the identities.
    pub fn refresh_own(&self) {
        let (all, locked) = (self.identities.list(), self.identities.locked());
        // One name may be that of one that ended and of another that goes by it now.
        let (ended, alive): (Vec<_>, Vec<_>) = all.iter().partition(|identity| identity.ended());
        let names = alive.into_iter().chain(ended);
        let names = names.flat_map(|identity| identity.names().map(|name| (name, identity.key)));
        let names: Vec<_> = names.collect();
        let secrets = self.identities.opening_secrets().unwrap_or_default();
        let own = all.into_iter().zip(secrets).map(|(identity, secret)| OwnKey {
            secret,
            ended: identity.ended(),
            heir: identity.replaced.map(|(_, heir)| heir),
            default: identity.default,
            nick: identity.nick,
        });
        let now = self.shared.clock.wall();
        let mut changes = Vec::new();
        {
            let mut state = self.shared.lock();
            state.set_own(own.collect(), names, locked, now);
            state.hand_on_contacts(&mut changes);
            state.refresh_pairs();
            let named: Vec<_> =
                state.own.iter().map(|own| (own.secret.public(), own.nick.clone().unwrap_or_default())).collect();
            for (key, nick) in named {
                state.known.call(key, Some(nick).filter(|nick| !nick.is_empty()), now, &mut changes);
            }
            self.shared.hand_over(&mut state);
        }
        self.write_down(changes);
        self.shared.tell.notify_one();
    }

    /// What was counted.
    pub fn counters(&self) -> PostCounters {
        let Counters { outsiders, refused, declined, ignored, bad_proofs } = &self.shared.counters;
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let (sets_waiting, loose_bytes) = self.shared.assembly().waiting();
        PostCounters {
            outsiders: read(outsiders),
            refused: read(refused),
            declined: read(declined),
            ignored: read(ignored),
            bad_proofs: read(bad_proofs),
            stray_acks: self.store.stray_acks(),
            sets_waiting,
            loose_bytes,
        }
    }

    /// Reads a name with a secret from now on. Stretching a passphrase blocks for some tenths of a second. Gives the
    /// passphrase when it was made here.
    pub async fn join(&self, wish: JoinWish) -> Result<Option<Zeroizing<String>>, JoinError> {
        let JoinWish { name, passphrase: phrase, weak, password } = wish;
        let folded = name.name().text();
        if self.shared.lock().joined.len() >= JOINED_MAX && !self.shared.lock().joined.contains_key(&folded) {
            return Err(JoinError::TooMany);
        }
        let mut made = None;
        let channel = match phrase {
            Some(_) if !matches!(name.name(), Name::Channel(_)) => return Err(JoinError::NoChannel(folded)),
            Some(phrase) => {
                let phrase = if phrase.is_empty() {
                    let words = Zeroizing::new(passphrase(&mut *self.shared.chance()));
                    made = Some(words.clone());
                    words
                } else {
                    phrase
                };
                if let Some(why) = weakness(&phrase).filter(|_| !weak) {
                    return Err(JoinError::Weak(why));
                }
                let (network, channel) = (self.shared.network, folded.clone());
                let derived = tokio::task::spawn_blocking(move || ChannelKey::derive(network, &channel, &phrase)).await;
                Some(derived.map_err(|_| PassphraseFault::Memory)??)
            }
            None => None,
        };
        let changes = {
            let mut state = self.shared.lock();
            let held = state.joined.get(&folded).and_then(|joined| joined.channel.as_ref());
            if let (Some(held), Some(wanted)) = (held, &channel)
                && held.root() != wanted.root()
            {
                return Err(JoinError::Joined(folded));
            }
            let before = state.joined.remove(&folded);
            let (old_channel, old_password) = before.map_or((None, None), |it| (it.channel, it.password));
            let now = JoinedName {
                typed: name.typed().to_owned(),
                channel: channel.or(old_channel),
                password: password.or(old_password),
            };
            let mut changes = Vec::new();
            if now.channel.is_some() && state.parted.remove(&folded) {
                changes.push(Change::NoParted(folded.clone()));
            }
            changes.push(Change::Join(Joined {
                name: folded.clone(),
                typed: now.typed.clone(),
                root: now.channel.as_ref().map(|channel| channel.root().clone()),
                password: now.password.clone(),
            }));
            state.joined.insert(folded, now);
            state.refresh(self.shared.clock.wall());
            self.shared.hand_over(&mut state);
            changes
        };
        self.store.change(changes).await?;
        Ok(made)
    }

    /// Reads a name with a secret no more; `false` if it was not joined. A channel with a passphrase is remembered by its name.
    pub async fn part(&self, name: &Name) -> Result<bool, WriteError> {
        let (folded, now) = (name.text(), self.now());
        let changes = {
            let mut state = self.shared.lock();
            let Some(was) = state.joined.remove(&folded) else { return Ok(false) };
            let mut changes = vec![Change::Part(folded.clone())];
            if was.channel.is_some() {
                changes.extend(state.parted.put(folded.clone(), (), now).map(Change::NoParted));
                changes.push(Change::Parted(folded, now));
            }
            state.refresh(now);
            self.shared.hand_over(&mut state);
            changes
        };
        self.shared.cards().parted(&name.text());
        self.store.change(changes).await?;
        Ok(true)
    }

    /// What the user should know of a message that he sends to a name in the open.
    pub fn note_of_open(&self, name: &Name) -> Option<String> {
        self.shared.lock().note_of_open(name)
    }

    /// The names that are read with a secret, as they were typed: whether it is a passphrase, and whether a password.
    pub fn joined(&self) -> Vec<(String, bool, bool)> {
        let state = self.shared.lock();
        let joined = state.joined.values();
        joined.map(|it| (it.typed.clone(), it.channel.is_some(), it.password.is_some())).collect()
    }

    /// Strangers who signed or sealed what they wrote to us, and were neither answered nor declined; those heard last first.
    pub fn requests(&self) -> Vec<Known> {
        let state = self.shared.lock();
        let asking = state.known.pairs().filter(|pair| pair.relation == Relation::Request).map(|pair| pair.other);
        let asking = asking.filter(|other| !state.known.is_contact(other));
        let asking: BTreeSet<ChatKey> = asking.collect();
        let mut people = state.people(asking);
        people.sort_by_key(|known| std::cmp::Reverse(known.speaker.heard));
        people
    }

    /// Makes somebody who was heard of a contact, or one we do not hear from.
    pub async fn decide(&self, other: ChatKey, relation: Relation) -> Result<(), DecideError> {
        if self.is_own(&other) {
            return Err(DecideError::Oneself(other));
        }
        let mut changes = Vec::new();
        {
            let mut state = self.shared.lock();
            if state.known.relation(&other).is_none() && state.known.speaker(&other).is_none() {
                return Err(DecideError::NeverHeardOf(other));
            }
            let mut pairs = state.known.pairs_with(&other).to_vec();
            match (pairs.is_empty(), relation) {
                (false, _) => {}
                (true, Relation::Declined) => state.known.decline(other, self.now(), &mut changes),
                // He was heard in a channel, and never wrote to us.
                (true, _) => {
                    let speaking = state.own.iter().find(|own| !own.ended).map(|own| own.secret.public());
                    let own = state.default_key().or(speaking);
                    let own = own.ok_or(if state.locked { DecideError::Locked } else { DecideError::NoIdentity })?;
                    pairs.push(Pair::new(own, other, relation));
                }
            }
            for pair in pairs {
                state.known.set_pair(Pair { relation, ..pair }, &mut changes)?;
            }
            if relation == Relation::Contact {
                changes.push(Change::Accepted(other));
                state.pin_nick(other, self.now(), &mut changes);
            }
        }
        self.keep(changes).await?;
        Ok(())
    }

    /// Reads something no more. A key that is ignored is declined, whether it was heard of or not. Says whether it is new.
    pub async fn ignore(&self, what: Ignored) -> Result<bool, IgnoreError> {
        let mut changes = Vec::new();
        let is_new = {
            let mut state = self.shared.lock();
            match what {
                Ignored::Key(key) if self.is_own(&key) => return Err(IgnoreError::Oneself(key)),
                Ignored::Key(key) if state.known.is_declined(&key) => false,
                Ignored::Key(key) => {
                    if state.known.pairs_with(&key).is_empty() && !state.known.has_room_for_declined() {
                        return Err(IgnoreError::TooManyKeys);
                    }
                    state.known.hear_no_more(key, self.now(), &mut changes);
                    true
                }
                what => {
                    let text = what.to_string();
                    let is_new = state.ignores.add(what)?;
                    changes.extend(is_new.then_some(Change::Ignored(text)));
                    is_new
                }
            }
        };
        self.keep(changes).await?;
        Ok(is_new)
    }

    /// Reads something again. Says whether it was ignored.
    pub async fn unignore(&self, what: &Ignored) -> Result<bool, WriteError> {
        let mut changes = Vec::new();
        let was = {
            let mut state = self.shared.lock();
            match what {
                Ignored::Key(key) => state.known.hear_again(key, &mut changes),
                what => {
                    let was = state.ignores.remove(what);
                    changes.extend(was.then(|| Change::NotIgnored(what.to_string())));
                    was
                }
            }
        };
        self.keep(changes).await?;
        Ok(was)
    }

    /// All that is ignored, the keys first.
    pub fn ignored(&self) -> Vec<Ignored> {
        let state = self.shared.lock();
        let keys = state.known.all_declined().into_iter().map(Ignored::Key);
        keys.chain(state.ignores.iter().cloned()).collect()
    }

    fn is_own(&self, key: &ChatKey) -> bool {
        self.identities.list().iter().any(|identity| identity.key == *key)
    }

    /// Listens to what pairs that changed mean now, and waits until the changes are written down.
    async fn keep(&self, changes: Vec<Change>) -> Result<(), WriteError> {
        {
            let mut state = self.shared.lock();
            if state.refresh_pairs() {
                self.shared.hand_over(&mut state);
            }
        }
        self.store.change(changes).await
    }

    /// Those who go by a nick or an account, or whose key begins with these hex digits, by what is known here.
    pub fn who_is(&self, who: &Who) -> Vec<Known> {
        self.who_are(&[who])
    }

    /// Those who go by one of these nicks or accounts, or whose key begins with these hex digits, and whom they go on as: our own first,
    /// then the likeliest, and of too many the first alone.
    fn who_are(&self, who: &[&Who]) -> Vec<Known> {
        let state = self.shared.lock();
        let found = who.iter().flat_map(|who| match who {
            Who::Name(Name::Nick(nick)) => state.known.called(nick),
            Who::Name(Name::Account(account)) => state.known.claiming(*account),
            Who::Name(Name::Channel(_)) => Vec::new(),
            Who::Key(digits) => state.known.with_key(digits),
        });
        let mut seen = BTreeSet::new();
        let found = found.flat_map(|it| [it.key, state.heirs.last(it.key)]);
        let mut found: Vec<ChatKey> = found.filter(|key| seen.insert(*key)).collect();
        found.sort_by_key(|key| state.own_key(key).is_none());
        state.people(found.into_iter().take(WHO_IS_MAX))
    }

    /// Of these people those whose nick looks like one of the user's own, or of a contact: whose.
    pub fn look_alike(&self, people: impl IntoIterator<Item = ChatKey>) -> BTreeMap<ChatKey, String> {
        let people = self.shared.lock().people(people.into_iter().collect::<BTreeSet<_>>());
        people.into_iter().filter_map(|known| Some((known.speaker.key, known.looks_like?))).collect()
    }

    /// The key that a nick or an account means to the user, whoever else goes by it: it was written to under seal, or was accepted.
    pub fn pinned(&self, name: &Name) -> Option<ChatKey> {
        self.shared.lock().pins.get(&name.text()).copied()
    }

    /// The conversations behind a name: the name's own, and those with people who go by it.
    pub fn conversations(&self, name: &Name) -> Vec<String> {
        let state = self.shared.lock();
        let people = match name {
            Name::Nick(nick) => state.known.called(nick),
            Name::Account(account) => state.known.claiming(*account),
            Name::Channel(_) => Vec::new(),
        };
        let pinned = state.pins.get(&name.text()).copied();
        let others = people.into_iter().map(|speaker| speaker.key).filter(|key| Some(*key) != pinned);
        let with_people = pinned.into_iter().chain(others).take(8).map(|key| direct(&key));
        std::iter::once(name.text()).chain(with_people).collect()
    }

    /// Writes changes down without waiting. A disk that fails is told of by the store itself.
    fn write_down(&self, changes: Vec<Change>) {
        if !changes.is_empty() {
            // What is known here is to be on the disk some time, whoever looks at it.
            drop(self.store.change_kept(changes));
        }
    }
}

/// The conversation with one person.
fn direct(other: &ChatKey) -> String {
    format!("@{other}")
}

/// Whom a user asks about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Who {
    /// A nick or an account.
    Name(Name),
    /// The first hex digits of a chat key.
    Key(String),
}

/// A decision about somebody could not be kept.
#[derive(Debug, thiserror::Error)]
pub enum DecideError {
    /// Too many.
    #[error(transparent)]
    Contacts(#[from] TooManyContacts),
    /// Nobody is meant.
    #[error("nobody of the key {0} was heard of here, so nothing is changed: `whois` and `requests` show who was")]
    NeverHeardOf(ChatKey),
    /// Whom he would be a contact of is not known.
    #[error("this node has no chat key that speaks, and that others could be contacts of: `identity new` makes one")]
    NoIdentity,
    /// The same, for now.
    #[error("the chat keys are locked: `identity unlock` opens them")]
    Locked,
    /// It is one of ours.
    #[error("{0} is a chat key of this node: `identity` is for those")]
    Oneself(ChatKey),
    /// It could not be written down.
    #[error(transparent)]
    Store(#[from] WriteError),
}

/// What was to be ignored is not.
#[derive(Debug, thiserror::Error)]
pub enum IgnoreError {
    /// Too many.
    #[error(transparent)]
    TooMany(#[from] TooManyIgnored),
    /// Too many keys.
    #[error(
        "{DECLINED_MAX} keys are ignored that none of yours has to do with, and that is the most: `ignore WHAT --remove` one that is not needed"
    )]
    TooManyKeys,
    /// It is one of ours.
    #[error("{0} is a chat key of this node, and what it says is never ignored: `identity` is for those")]
    Oneself(ChatKey),
    /// It could not be written down.
    #[error(transparent)]
    Store(#[from] WriteError),
}

impl Shared {
    // Nobody panics while holding one of these.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn assembly(&self) -> MutexGuard<'_, Assembly> {
        self.assembly.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn chance(&self) -> MutexGuard<'_, ChaCha20Rng> {
        self.chance.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn cards(&self) -> MutexGuard<'_, upkeep::Cards> {
        self.cards.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn outbox(&self) -> MutexGuard<'_, Outbox> {
        self.outbox.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn acks(&self) -> MutexGuard<'_, Acks> {
        self.acks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn sendings(&self) -> MutexGuard<'_, Sendings> {
        self.sendings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn looks(&self) -> MutexGuard<'_, VecDeque<(u32, Ask)>> {
        self.looks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells the engine which targets came and went. The lock is held, so that it is told in the order in which they did.
    fn hand_over(&self, state: &mut State) {
        self.keyed.hand_over(state.take_moved());
    }

    /// Asks for a look at an account.
    fn look_at(&self, account: u32, ask: Ask) {
        let mut looks = self.looks();
        if looks.len() < LOOKS_MAX && !looks.contains(&(account, ask)) {
            looks.push_back((account, ask));
        }
        drop(looks);
        self.look.notify_one();
    }
}

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}
