//! What all clients of the gateway share: who is here, in which channels, and who was heard there. Hands what happens on to those
//! whom it concerns, and never waits for one.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use nightjar_core::link::Carries;
use nightjar_core::time::Wall;
use nightjar_envelope::id::MessageId;
use nightjar_envelope::key::ChatKey;
use nightjar_node::chain::standing::Standing;
use nightjar_node::handle::Handle;
use nightjar_node::identity::DEFAULT;
use nightjar_node::message::{Seq, Speaker};
use nightjar_node::post::{Known, Who};
use nightjar_node::store::Relation;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, timeout};

use super::IrcConfig;
use super::ask::LOCAL_ID;
use super::commands::control::SERVANT;
use crate::token::Token;

use super::people::{People, Person, Rank, Renamed, Source, fold, proven};

/// Clients at one time: more than a machine's users run, and each takes a file of those that a process may open.
pub(super) const CLIENTS_MAX: usize = 640;
/// Channels that one client is in.
pub(super) const CHANNELS_MAX: usize = 100;
/// Events that wait for one client. One that does not read is let go when there are more.
pub(super) const EVENTS_MAX: usize = 16_384;
/// Authors that are heard in one channel and listed. Those heard longest ago go first.
pub(super) const HEARD_MAX: usize = 500;
/// Who was silent for so long is not listed any more.
pub(super) const HEARD_MS: u64 = 30 * 60_000;
/// Own messages of which it is known which client sent them: for what is told of them later.
const SENT_MAX: usize = 8_192;
/// Wallets that can be answered by their nicks.
const WALLETS_MAX: usize = 256;
/// Clients that left and are remembered.
const GONE_MAX: usize = 256;
/// Strangers who ask to talk of whom it is known that it was told; then it is told again.
const ASKED_MAX: usize = 4_096;

/// Messages that were answered whose whole ids are kept: a talk answers its last ones again and again.
const WHOLE_IDS_MAX: usize = 1_024;

/// So long history waits for what clients said just before to be in the log: a disk's write, and some.
const UNSTORED_MAX: Duration = Duration::from_millis(500);

/// Which client.
pub(super) type ClientId = u64;

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

/// A client that is registered.
#[derive(Debug)]
struct Client {
    source: Arc<Source>,
    /// The identity that speaks, if it was chosen; else the default one.
    identity: Option<ChatKey>,
    away: Option<String>,
    invisible: bool,
    channels: BTreeSet<String>,
    events: mpsc::Sender<Event>,
    since: Wall,
    spoke: Instant,
}

/// What others may see of a client.
#[derive(Clone, Debug)]
pub(super) struct ClientLook {
    pub(super) source: Arc<Source>,
    pub(super) identity: Option<ChatKey>,
    pub(super) away: Option<String>,
    /// It is listed only to those who share a channel with it, or know its nick.
    pub(super) invisible: bool,
    /// As they were typed.
    pub(super) channels: Vec<String>,
    pub(super) since: Wall,
    pub(super) idle_s: u64,
}

#[derive(Debug, Default)]
struct Channel {
    typed: String,
    topic: Option<Topic>,
    made: u64,
    members: BTreeSet<ClientId>,
    heard: BTreeMap<ChatKey, Instant>,
}

/// What a channel is about, as somebody here says.
#[derive(Clone, Debug)]
pub(super) struct Topic {
    pub(super) text: String,
    pub(super) by: String,
    pub(super) when_s: u64,
}

/// A channel as it is shown.
#[derive(Clone, Debug)]
pub(super) struct ChannelLook {
    pub(super) typed: String,
    pub(super) topic: Option<Topic>,
    pub(super) made_s: u64,
    pub(super) people: Vec<Listed>,
}

/// Somebody in a channel.
#[derive(Clone, Debug)]
pub(super) struct Listed {
    pub(super) source: Arc<Source>,
    pub(super) away: bool,
    /// Whether it is a client here.
    pub(super) local: bool,
}

#[derive(Debug, Default)]
struct State {
    next: ClientId,
    clients: BTreeMap<ClientId, Client>,
    nicks: BTreeMap<String, ClientId>,
    channels: BTreeMap<String, Channel>,
    most: usize,
    people: People,
    /// Clients that left, the last first.
    gone: VecDeque<(Arc<Source>, Wall)>,
    /// Wallets that wrote to this node, by their nicks here.
    wallets: BTreeMap<String, SocketAddr>,
    sent: HashMap<MessageId, (ClientId, String)>,
    sent_order: VecDeque<MessageId>,
    /// Those of them that are not in the log yet, and where they will stand.
    unstored: HashMap<MessageId, String>,
    /// Strangers who ask to talk, and of whom that was told.
    asked: BTreeSet<ChatKey>,
    /// Conversations that were read by plain clients, which cannot say so, up to there.
    read: BTreeMap<String, Seq>,
    presence: bool,
    /// Whole ids of messages that were answered, by where they are and how they begin.
    whole_ids: HashMap<(String, [u8; 8]), MessageId>,
    whole_ids_order: VecDeque<(String, [u8; 8])>,
}

/// What all clients share.
pub(super) struct Hub {
    pub(super) node: Handle,
    pub(super) config: IrcConfig,
    pub(super) since: Wall,
    state: Mutex<State>,
    /// Connections, registered or not.
    pub(super) connections: watch::Sender<usize>,
    pub(super) token: Token,
    /// Messages that stay here get numbers.
    local: AtomicU64,
    /// How many messages of clients came into the log.
    stored: watch::Sender<u64>,
}

impl Hub {
    pub(super) fn new(node: Handle, config: IrcConfig) -> Self {
        let since = node.post().now();
        let state = State { presence: config.presence, ..State::default() };
        let token = Token::new(&config.token);
        let (connections, local, stored) = (watch::channel(0).0, AtomicU64::new(0), watch::channel(0).0);
        Self { node, config, since, state: Mutex::new(state), connections, token, local, stored }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Peers that carry what is said, as of a moment ago.
    pub(super) fn peers(&self) -> usize {
        self.node.status().connections.iter().filter(|link| link.peer.carries == Carries::Records).count()
    }

    /// Now, in Unix milliseconds.
    pub(super) fn now_ms(&self) -> u64 {
        self.node.post().now().0
    }

    /// An id for what stays here. No message of the network has one like it.
    pub(super) fn local_id(&self) -> String {
        format!("{LOCAL_ID}{}x{}", self.since.0, self.local.fetch_add(1, Ordering::Relaxed))
    }

    /// The gateway as the source of a line.
    pub(super) fn name(&self) -> &str {
        &self.config.name
    }

    /// Takes a client in; `None` when its nick is taken by another.
    pub(super) fn register(
        &self,
        source: Arc<Source>,
        identity: Option<ChatKey>,
    ) -> Option<(ClientId, mpsc::Receiver<Event>)> {
        let (events, receiver) = mpsc::channel(EVENTS_MAX);
        let mut state = self.lock();
        let folded = fold(&source.nick);
        if !state.is_free(&folded, None) {
            return None;
        }
        state.yield_nick(&source.nick, self.now_ms());
        state.next += 1;
        let id = state.next;
        state.nicks.insert(folded, id);
        let since = self.node.post().now();
        let client = Client {
            source,
            identity,
            away: None,
            invisible: false,
            channels: BTreeSet::new(),
            events,
            since,
            spoke: Instant::now(),
        };
        state.clients.insert(id, client);
        state.most = state.most.max(state.clients.len());
        Some((id, receiver))
    }

    /// Whether a client here has this nick.
    pub(super) fn is_taken(&self, nick: &str) -> bool {
        !self.lock().is_free(&fold(nick), None)
    }

    /// A client takes another nick; `false` when another has it. All who see it are told, but not itself.
    pub(super) fn rename(&self, id: ClientId, source: Arc<Source>) -> bool {
        let mut state = self.lock();
        let folded = fold(&source.nick);
        if !state.is_free(&folded, Some(id)) {
            return false;
        }
        let now_ms = self.now_ms();
        state.yield_nick(&source.nick, now_ms);
        let Some(client) = state.clients.get_mut(&id) else { return false };
        let before = std::mem::replace(&mut client.source, Arc::clone(&source));
        state.nicks.remove(&fold(&before.nick));
        state.nicks.insert(folded, id);
        state.tell_neighbours(id, &Did { who: before, what: Deed::Renamed(source.nick.clone()), time_ms: now_ms });
        true
    }

    /// Something else about a client changed, its nick not; all who see it are told, but not itself.
    pub(super) fn change(&self, id: ClientId, source: Arc<Source>, what: Deed) {
        let mut state = self.lock();
        let Some(client) = state.clients.get_mut(&id) else { return };
        client.source = Arc::clone(&source);
        if let Deed::Away(text) = &what {
            client.away.clone_from(text);
        }
        state.tell_neighbours(id, &Did { who: source, what, time_ms: self.now_ms() });
    }

    /// Another identity speaks for a client, `None` for the default one. Its nick is the same.
    pub(super) fn speak_as(&self, id: ClientId, identity: Option<ChatKey>, source: Arc<Source>) {
        if let Some(client) = self.lock().clients.get_mut(&id) {
            (client.identity, client.source) = (identity, source);
        }
    }

    /// An identity of this node goes by a nick now: nobody else is shown by it.
    pub(super) fn yield_to_own(&self, nick: &str) {
        let now_ms = self.now_ms();
        self.lock().yield_nick(nick, now_ms);
    }

    /// A client is gone.
    pub(super) fn leave(&self, id: ClientId, why: &str) {
        let mut state = self.lock();
        let Some(who) = state.clients.get(&id).map(|client| Arc::clone(&client.source)) else { return };
        state.nicks.remove(&fold(&who.nick));
        state.gone.push_front((Arc::clone(&who), self.node.post().now()));
        state.gone.truncate(GONE_MAX);
        state.tell_neighbours(id, &Did { who, what: Deed::Quit(why.to_owned()), time_ms: self.now_ms() });
        for channel in state.clients.remove(&id).map(|client| client.channels).unwrap_or_default() {
            state.forget_member(&channel, id);
        }
    }

    /// A client enters a channel; `false` when it is there already. Those who are there are told.
    pub(super) fn join(&self, id: ClientId, folded: &str, typed: &str) -> bool {
        let mut state = self.lock();
        let Some(client) = state.clients.get_mut(&id) else { return false };
        if !client.channels.insert(folded.to_owned()) {
            return false;
        }
        let (who, away) = (Arc::clone(&client.source), client.away.clone());
        let now_ms = self.now_ms();
        let channel = state.channels.entry(folded.to_owned()).or_insert_with(|| Channel {
            typed: typed.to_owned(),
            made: now_ms / 1000,
            ..Channel::default()
        });
        channel.members.insert(id);
        let typed = channel.typed.clone();
        let did = Did { who: Arc::clone(&who), what: Deed::Joined(typed), time_ms: now_ms };
        state.tell_channel(folded, Some(id), &Event::Did(Arc::new(did)));
        if away.is_some() {
            let did = Did { who, what: Deed::Away(away), time_ms: now_ms };
            state.tell_channel(folded, Some(id), &Event::Did(Arc::new(did)));
        }
        true
    }

    /// A client leaves a channel; `false` when it is not there.
    pub(super) fn part(&self, id: ClientId, folded: &str, why: &str) -> bool {
        let mut state = self.lock();
        let Some(client) = state.clients.get_mut(&id) else { return false };
        if !client.channels.remove(folded) {
            return false;
        }
        let who = Arc::clone(&client.source);
        let typed = state.channels.get(folded).map(|channel| channel.typed.clone()).unwrap_or_default();
        let did = Did { who, what: Deed::Parted(typed, why.to_owned()), time_ms: self.now_ms() };
        state.tell_channel(folded, Some(id), &Event::Did(Arc::new(did)));
        state.forget_member(folded, id);
        true
    }

    /// Those channels in which clients are.
    pub(super) fn channels(&self) -> Vec<ChannelLook> {
        let state = self.lock();
        state.channels.values().map(|channel| state.look_at(channel)).collect()
    }

    /// A channel, if a client is in it.
    pub(super) fn channel(&self, folded: &str) -> Option<ChannelLook> {
        let state = self.lock();
        state.channels.get(folded).map(|channel| state.look_at(channel))
    }

    /// Says what a channel is about, to those here.
    pub(super) fn set_topic(&self, id: ClientId, folded: &str, text: &str) {
        let mut state = self.lock();
        let Some(who) = state.clients.get(&id).map(|client| Arc::clone(&client.source)) else { return };
        let now_ms = self.now_ms();
        let Some(channel) = state.channels.get_mut(folded) else { return };
        let topic = Topic { text: text.to_owned(), by: who.mask(), when_s: now_ms / 1000 };
        channel.topic = Some(topic).filter(|topic| !topic.text.is_empty());
        let did = Did { who, what: Deed::Topic(channel.typed.clone(), text.to_owned()), time_ms: now_ms };
        state.tell_channel(folded, Some(id), &Event::Did(Arc::new(did)));
    }

    /// Hands something said in a channel to the clients there, but not to the one that said it.
    pub(super) fn say_in(&self, folded: &str, said: Said, but: Option<ClientId>) {
        self.lock().tell_channel(folded, but, &Event::Said(Arc::new(said)));
    }

    /// Hands something to one client.
    pub(super) fn tell(&self, id: ClientId, event: Event) {
        if let Some(client) = self.lock().clients.get_mut(&id) {
            client.tell(event);
        }
    }

    /// Hands something to all clients in a channel, but one.
    pub(super) fn tell_channel(&self, folded: &str, but: Option<ClientId>, event: &Event) {
        self.lock().tell_channel(folded, but, event);
    }

    /// Hands something to those clients, but one, whose identity is meant, with `None` for the default one.
    pub(super) fn tell_all(&self, but: Option<ClientId>, event: &Event, is_meant: impl Fn(Option<ChatKey>) -> bool) {
        let mut state = self.lock();
        let meant = state.clients.iter_mut().filter(|(id, client)| Some(**id) != but && is_meant(client.identity));
        meant.for_each(|(_, client)| client.tell(event.clone()));
    }

    /// Clients that had this nick and left, the last first, and when.
    pub(super) fn gone(&self, nick: &str) -> Vec<(Arc<Source>, Wall)> {
        let state = self.lock();
        state.gone.iter().filter(|(source, _)| fold(&source.nick) == fold(nick)).cloned().collect()
    }

    /// Whether a client is listed only to those who share a channel with it.
    pub(super) fn set_invisible(&self, id: ClientId, invisible: bool) {
        if let Some(client) = self.lock().clients.get_mut(&id) {
            client.invisible = invisible;
        }
    }

    /// The client here that has this nick.
    pub(super) fn client_called(&self, nick: &str) -> Option<(ClientId, ClientLook)> {
        let state = self.lock();
        let id = *state.nicks.get(&fold(nick))?;
        Some((id, state.look_at_client(state.clients.get(&id)?)))
    }

    /// All clients.
    pub(super) fn clients(&self) -> Vec<ClientLook> {
        let state = self.lock();
        state.clients.values().map(|client| state.look_at_client(client)).collect()
    }

    /// The most clients that were here at one time.
    pub(super) fn most_clients(&self) -> usize {
        self.lock().most
    }

    /// The user of a wallet wrote to this node: he can be answered by this nick.
    pub(super) fn meet_wallet(&self, peer: &str) -> Arc<Source> {
        let source = Source::wallet(peer);
        if let Ok(address) = peer.parse() {
            let mut state = self.lock();
            if state.wallets.len() >= WALLETS_MAX {
                state.wallets.pop_first();
            }
            state.wallets.insert(fold(&source.nick), address);
        }
        Arc::new(source)
    }

    /// The wallet that has this nick here.
    pub(super) fn wallet_called(&self, nick: &str) -> Option<SocketAddr> {
        self.lock().wallets.get(&fold(nick)).copied()
    }

    /// A client said something.
    pub(super) fn spoke(&self, id: ClientId) {
        if let Some(client) = self.lock().clients.get_mut(&id) {
            client.spoke = Instant::now();
        }
    }

    /// Somebody who was heard, by his nick here.
    pub(super) fn person_called(&self, nick: &str) -> Option<Person> {
        self.lock().people.called(nick).cloned()
    }

    /// The channels in which somebody was heard lately, as they were typed.
    pub(super) fn heard_in(&self, key: &ChatKey) -> Vec<String> {
        let state = self.lock();
        let heard = state.channels.values().filter(|channel| channel.heard.contains_key(key));
        heard.map(|channel| channel.typed.clone()).collect()
    }

    /// How somebody who is heard, or known otherwise than before, is called here. Who sees him, or another that is called otherwise because
    /// of him, is told.
    pub(super) fn meet(&self, speaker: &Speaker) -> Arc<Source> {
        let rank = || {
            let known = self.node.post().who_is(&Who::Key(speaker.key.to_string()));
            rank_of(known.first(), speaker)
        };
        let now_ms = self.now_ms();
        let own = self.own_nicks();
        let mut state = self.lock();
        let State { people, nicks, .. } = &mut *state;
        let is_local = |nick: &str| nicks.contains_key(nick) || own.iter().any(|own| own == nick);
        let (source, renamed) = people.meet(speaker, rank, is_local);
        renamed.into_iter().for_each(|renamed| state.tell_renamed(renamed, now_ms));
        source
    }

    /// How somebody is called of whom nothing but the key is known.
    pub(super) fn meet_key(&self, key: ChatKey) -> Arc<Source> {
        let known = self.node.post().who_is(&Who::Key(key.to_string()));
        match known.into_iter().find(|known| known.speaker.key == key) {
            Some(known) => self.meet(&known.speaker),
            None => self.meet(&Speaker {
                key,
                nick: None,
                nick_ms: 0,
                account: None,
                standing: Standing::Claimed,
                source: String::new(),
                block: 0,
                looked: Wall(0),
                first: Wall(0),
                heard: Wall(0),
            }),
        }
    }

    /// Somebody is known otherwise than before: that matters to those who heard him.
    pub(super) fn known_otherwise(&self, speaker: &Speaker) {
        if self.lock().people.with_key(&speaker.key).is_some() {
            self.meet(speaker);
        }
    }

    /// The user decided about somebody: who goes before whom is another matter now, and he may ask anew.
    pub(super) fn look_again(&self, key: ChatKey) -> Arc<Source> {
        {
            let mut state = self.lock();
            state.people.look_again(&key);
            state.asked.remove(&key);
        }
        self.meet_key(key)
    }

    /// How somebody who was heard is called now.
    pub(super) fn source_of(&self, key: &ChatKey) -> Option<Arc<Source>> {
        self.lock().people.with_key(key).map(|person| Arc::clone(&person.source))
    }

    /// How the user himself is called here when he spoke by another way in: as the client that speaks as the same, else as others see him.
    pub(super) fn own_source(&self, author: Option<ChatKey>) -> Option<Arc<Source>> {
        let default = self.default_key();
        let identities = self.node.post().identities().list();
        let nick = identities.into_iter().find(|identity| Some(identity.key) == author).and_then(|it| it.nick);
        let state = self.lock();
        let is_called = |client: &&Client| nick.as_ref().is_some_and(|nick| fold(&client.source.nick) == *nick);
        let mut same = state.clients.values().filter(|client| client.identity.or(default) == author);
        if let Some(client) = same.clone().find(is_called).or_else(|| same.next()) {
            return Some(Arc::clone(&client.source));
        }
        let nick = nick.filter(|nick| !state.nicks.contains_key(nick))?;
        Some(Arc::new(Source {
            user: nick.clone(),
            nick,
            host: "local".to_owned(),
            account: None,
            realname: "the user of this node".to_owned(),
        }))
    }

    /// Who speaks for clients that chose nobody.
    pub(super) fn default_key(&self) -> Option<ChatKey> {
        self.node.post().identities().find(DEFAULT).ok().map(|identity| identity.key)
    }

    /// The account that a key is proven to speak for.
    pub(super) fn proven_account(&self, key: &ChatKey) -> Option<String> {
        let known = self.node.post().who_is(&Who::Key(key.to_string()));
        known.iter().find(|known| known.speaker.key == *key).and_then(|known| proven(&known.speaker))
    }

    /// What the other side of a conversation is called: the nick of a person, or the name itself.
    pub(super) fn name_of(&self, conversation: &str) -> String {
        match conversation.strip_prefix('@').and_then(|digits| digits.parse::<ChatKey>().ok()) {
            Some(key) => self.meet_key(key).nick.clone(),
            None => conversation.to_owned(),
        }
    }

    /// A stranger asks to talk; `false` when that was told already.
    pub(super) fn asks_anew(&self, key: &ChatKey) -> bool {
        let mut state = self.lock();
        if state.asked.len() >= ASKED_MAX {
            state.asked.clear();
        }
        state.asked.insert(*key)
    }

    /// The whole id of a message, of which this is the beginning; the beginning when it is not there. A stranger can name any: what
    /// is not there costs one read by an index, each time, and takes no place here.
    pub(super) async fn whole_id(&self, conversation: &str, id: &[u8; 8]) -> String {
        let place = (conversation.to_owned(), *id);
        if let Some(whole) = self.lock().whole_ids.get(&place) {
            return whole.to_string();
        }
        let found = self.node.find_message(std::slice::from_ref(&place.0), id).await;
        let found =
            found.inspect_err(|error| tracing::debug!(%error, "what is answered is not looked up")).ok().flatten();
        match found.and_then(|message| message.reading?.id) {
            Some(whole) => {
                self.lock().know_id(place, whole);
                whole.to_string()
            }
            None => id.iter().map(|byte| format!("{byte:02x}")).collect(),
        }
    }

    /// Whether a channel has no more than one client.
    pub(super) fn has_one_client(&self, folded: &str) -> bool {
        self.lock().channels.get(folded).is_some_and(|channel| channel.members.len() <= 1)
    }

    /// Somebody was heard in a channel so long ago: he is listed there, and nobody is told.
    pub(super) fn heard_before(&self, folded: &str, key: ChatKey, ago: Duration) {
        // A machine that began after that: the time that it runs is all that can be told apart.
        let when = Instant::now().checked_sub(ago).unwrap_or_else(Instant::now);
        let mut state = self.lock();
        let Some(channel) = state.channels.get_mut(folded) else { return };
        let has_room = channel.heard.len() < HEARD_MAX;
        if let Some(heard) = channel.heard.get_mut(&key) {
            *heard = when.max(*heard);
        } else if has_room {
            channel.heard.insert(key, when);
        }
    }

    /// Nicks of this node's own identities: nobody else is shown by them.
    fn own_nicks(&self) -> Vec<String> {
        self.node.post().identities().list().into_iter().filter_map(|identity| identity.nick).collect()
    }

    /// Somebody was heard in a channel: he is listed there. Those there are told when he was not before, if that is wanted.
    pub(super) fn heard(&self, folded: &str, key: ChatKey, source: &Arc<Source>) {
        let mut state = self.lock();
        let presence = state.presence;
        let Some(channel) = state.channels.get_mut(folded) else { return };
        if channel.heard.insert(key, Instant::now()).is_some() {
            return;
        }
        let oldest = channel.heard.iter().min_by_key(|(_, when)| **when).map(|(key, _)| *key);
        let too_many = channel.heard.len() > HEARD_MAX;
        let typed = channel.typed.clone();
        let gone = oldest.filter(|oldest| too_many && channel.heard.remove(oldest).is_some());
        let time_ms = self.now_ms();
        if let Some(gone) = gone {
            state.tell_parted(folded, &gone, time_ms);
        }
        if presence {
            let did = Did { who: Arc::clone(source), what: Deed::Joined(typed), time_ms };
            state.tell_channel(folded, None, &Event::Did(Arc::new(did)));
        }
    }

    /// Who was silent for long is not listed any more.
    pub(super) fn forget_silent(&self) {
        let mut state = self.lock();
        let time_ms = self.now_ms();
        let is_silent = |when: &Instant| when.elapsed().as_millis() >= u128::from(HEARD_MS);
        let silent = state.channels.iter().flat_map(|(name, channel)| {
            let silent = channel.heard.iter().filter(|(_, when)| is_silent(when));
            silent.map(|(key, _)| (name.clone(), *key))
        });
        let silent: Vec<(String, ChatKey)> = silent.collect();
        for (name, key) in silent {
            if let Some(channel) = state.channels.get_mut(&name) {
                channel.heard.remove(&key);
            }
            state.tell_parted(&name, &key, time_ms);
        }
    }

    /// Whether authors that are heard join for the clients.
    pub(super) fn presence(&self) -> bool {
        self.lock().presence
    }

    /// Lets authors who are heard join, or not any more. Those who are listed join or leave at once: nobody would tell later.
    pub(super) fn set_presence(&self, presence: bool) {
        let time_ms = self.now_ms();
        let mut state = self.lock();
        if std::mem::replace(&mut state.presence, presence) == presence {
            return;
        }
        let listed = state.channels.iter().flat_map(|(folded, channel)| {
            let listed = channel.heard.keys().filter_map(|key| state.people.with_key(key));
            listed.map(|person| (folded.clone(), channel.typed.clone(), Arc::clone(&person.source)))
        });
        let listed: Vec<(String, String, Arc<Source>)> = listed.collect();
        for (folded, typed, who) in listed {
            let what = if presence { Deed::Joined(typed) } else { Deed::Parted(typed, "presence is off".to_owned()) };
            state.tell_channel(&folded, None, &Event::Did(Arc::new(Did { who, what, time_ms })));
        }
    }

    /// A client sends a message: the log's copy of it is no news to the clients.
    pub(super) fn sends(&self, client: ClientId, id: MessageId, to: &str, conversation: &str) {
        let mut state = self.lock();
        state.unstored.insert(id, conversation.to_owned());
        if state.sent.insert(id, (client, to.to_owned())).is_none() {
            state.sent_order.push_back(id);
        }
        while state.sent_order.len() > SENT_MAX
            && let Some(oldest) = state.sent_order.pop_front()
        {
            state.sent.remove(&oldest);
            state.unstored.remove(&oldest);
        }
    }

    /// A message that a client sent stands in the log, or never will.
    pub(super) fn is_stored(&self, id: &MessageId) {
        if self.lock().unstored.remove(id).is_some() {
            self.stored.send_modify(|count| *count += 1);
        }
    }

    /// Waits until what clients said in some conversations stands in the log, so that whoever asks for it is given what he saw; but not
    /// for long, for a message may wait for its turn to be sent.
    pub(super) async fn until_stored(&self, is_meant: impl Fn(&String) -> bool) {
        let mut stored = self.stored.subscribe();
        let meant: Vec<MessageId> = {
            let state = self.lock();
            state.unstored.iter().filter(|(_, conversation)| is_meant(conversation)).map(|(id, _)| *id).collect()
        };
        let all = async {
            while meant.iter().any(|id| self.lock().unstored.contains_key(id)) && stored.changed().await.is_ok() {}
        };
        if timeout(UNSTORED_MAX, all).await.is_err() {
            tracing::debug!("an IRC client asks for what still waits to be sent");
            // Whatever became of it, it is waited for once.
            let mut state = self.lock();
            meant.iter().for_each(|id| drop(state.unstored.remove(id)));
        }
    }

    /// The client that sent a message, and to whom as it was typed.
    pub(super) fn sender(&self, id: &MessageId) -> Option<(ClientId, String)> {
        self.lock().sent.get(id).cloned()
    }

    /// A conversation was shown by a client that cannot say itself how far it was read.
    pub(super) fn shown(&self, conversation: &str, seq: Seq) {
        let mut state = self.lock();
        match state.read.get_mut(conversation) {
            Some(read) => *read = seq.max(*read),
            None => drop(state.read.insert(conversation.to_owned(), seq)),
        }
    }

    /// What was shown so since the last time.
    pub(super) fn take_shown(&self) -> BTreeMap<String, Seq> {
        std::mem::take(&mut self.lock().read)
    }
}

fn rank_of(known: Option<&Known>, speaker: &Speaker) -> Rank {
    if known.is_some_and(|known| known.relation == Some(Relation::Contact)) {
        Rank::Contact
    } else if matches!(speaker.standing, Standing::Proven | Standing::ProvenByPeers) {
        Rank::Proven
    } else {
        Rank::Stranger
    }
}

impl Client {
    fn tell(&mut self, event: Event) {
        // Full: the client does not read. Its session sees that the events end, and says so.
        if self.events.try_send(event).is_err() {
            self.events = mpsc::channel(1).0;
        }
    }
}

impl State {
    fn know_id(&mut self, place: (String, [u8; 8]), whole: MessageId) {
        if self.whole_ids.insert(place.clone(), whole).is_none() {
            self.whole_ids_order.push_back(place);
        }
        while self.whole_ids_order.len() > WHOLE_IDS_MAX
            && let Some(oldest) = self.whole_ids_order.pop_front()
        {
            self.whole_ids.remove(&oldest);
        }
    }

    fn look_at(&self, channel: &Channel) -> ChannelLook {
        let local = channel.members.iter().filter_map(|id| self.clients.get(id));
        let local =
            local.map(|client| Listed { source: Arc::clone(&client.source), away: client.away.is_some(), local: true });
        let heard = channel.heard.keys().filter_map(|key| self.people.with_key(key));
        let heard = heard.map(|person| Listed { source: Arc::clone(&person.source), away: false, local: false });
        let (typed, topic) = (channel.typed.clone(), channel.topic.clone());
        ChannelLook { typed, topic, made_s: channel.made, people: local.chain(heard).collect() }
    }

    fn look_at_client(&self, client: &Client) -> ClientLook {
        let typed = client.channels.iter().filter_map(|name| self.channels.get(name));
        ClientLook {
            source: Arc::clone(&client.source),
            identity: client.identity,
            away: client.away.clone(),
            invisible: client.invisible,
            channels: typed.map(|channel| channel.typed.clone()).collect(),
            since: client.since,
            idle_s: client.spoke.elapsed().as_secs(),
        }
    }

    /// Whether no other client has a nick, nor the node itself.
    fn is_free(&self, folded: &str, but: Option<ClientId>) -> bool {
        folded != SERVANT && self.nicks.get(folded).is_none_or(|holder| Some(*holder) == but)
    }

    fn yield_nick(&mut self, nick: &str, now_ms: u64) {
        if let Some(renamed) = self.people.yield_nick(nick) {
            self.tell_renamed(renamed, now_ms);
        }
    }

    fn tell_channel(&mut self, folded: &str, but: Option<ClientId>, event: &Event) {
        let Some(channel) = self.channels.get(folded) else { return };
        for id in channel.members.iter().filter(|id| Some(**id) != but) {
            if let Some(client) = self.clients.get_mut(id) {
                client.tell(event.clone());
            }
        }
    }

    /// Tells the clients that are in a channel with this one.
    fn tell_neighbours(&mut self, id: ClientId, did: &Did) {
        let Some(client) = self.clients.get(&id) else { return };
        let members = client.channels.iter().filter_map(|name| self.channels.get(name)).flat_map(|it| &it.members);
        let neighbours: BTreeSet<ClientId> = members.copied().filter(|member| *member != id).collect();
        self.tell_some(&neighbours, did);
    }

    fn tell_renamed(&mut self, Renamed { key, before, after }: Renamed, time_ms: u64) {
        let heard_in = self.channels.values().filter(|channel| channel.heard.contains_key(&key));
        let members: BTreeSet<ClientId> = heard_in.flat_map(|channel| channel.members.iter().copied()).collect();
        self.tell_some(&members, &Did { who: before, what: Deed::Renamed(after.nick.clone()), time_ms });
    }

    fn tell_parted(&mut self, folded: &str, key: &ChatKey, time_ms: u64) {
        let Some(typed) = self.channels.get(folded).map(|channel| channel.typed.clone()) else { return };
        if let Some(person) = self.people.with_key(key).filter(|_| self.presence) {
            let what = Deed::Parted(typed, "silent for a while".to_owned());
            let did = Did { who: Arc::clone(&person.source), what, time_ms };
            self.tell_channel(folded, None, &Event::Did(Arc::new(did)));
        }
    }

    fn tell_some(&mut self, clients: &BTreeSet<ClientId>, did: &Did) {
        let did = Arc::new(did.clone());
        for id in clients {
            if let Some(client) = self.clients.get_mut(id) {
                client.tell(Event::Did(Arc::clone(&did)));
            }
        }
    }

    fn forget_member(&mut self, folded: &str, id: ClientId) {
        if let Some(channel) = self.channels.get_mut(folded) {
            channel.members.remove(&id);
            if channel.members.is_empty() {
                self.channels.remove(folded);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_whole_ids_that_are_kept_the_oldest_go_first() {
        let mut state = State::default();
        let place = |number: usize| ("#a".to_owned(), (number as u64).to_be_bytes());
        let whole: MessageId = "000102030405060708090a0b0c0d0e0f".parse().expect("32 digits");
        for number in 0..WHOLE_IDS_MAX + 10 {
            state.know_id(place(number), whole);
            // What is looked up twice at once takes one place.
            state.know_id(place(number), whole);
        }
        assert_eq!((state.whole_ids.len(), state.whole_ids_order.len()), (WHOLE_IDS_MAX, WHOLE_IDS_MAX));
        assert!(!state.whole_ids.contains_key(&place(9)) && state.whole_ids.contains_key(&place(10)));
    }
}
