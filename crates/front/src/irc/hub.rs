//! What all clients of the gateway share: who is here, in which channels, and who was heard there. Hands what happens on to those
//! whom it concerns, and never waits for one.

mod heard;
mod sent;
mod state;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nightjar_core::link::Carries;
use nightjar_core::time::Wall;
use nightjar_envelope::key::ChatKey;
use nightjar_node::handle::Handle;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::time::Instant;

pub(super) use self::heard::HEARD_MS;
use self::state::{Channel, Client, State};
pub(super) use self::state::{ChannelLook, ClientLook, Listed, Topic};
use super::IrcConfig;
use super::ask::LOCAL_ID;
use super::client::TURNS_MAX;
use super::event::{Deed, Did, Event, Said};
use super::people::{Source, fold};
use crate::crowd::Crowd;
use crate::token::Token;

/// Clients at one time: more than a machine's users run, and each takes a file of those that a process may open.
pub(super) const CLIENTS_MAX: usize = 640;
/// Those of them that are not of the node's own user and did not come in yet: whoever has no token must not take the places of those who do
/// not need one. The one that waits longest makes room.
const STRANGERS_MAX: usize = 64;
/// Channels that one client is in.
pub(super) const CHANNELS_MAX: usize = 100;
/// Events that wait for one client. One that does not read is let go when there are more.
pub(super) const EVENTS_MAX: usize = 16_384;
/// Clients that left and are remembered.
const GONE_MAX: usize = 256;

/// Which client.
pub(super) type ClientId = u64;

/// What all clients share.
pub(super) struct Hub {
    pub(super) node: Handle,
    pub(super) config: IrcConfig,
    pub(super) since: Wall,
    /// The same by a clock that nobody sets.
    began: Instant,
    state: Mutex<State>,
    /// Those who may have to show the token, and did not yet.
    pub(super) strangers: Arc<Crowd>,
    /// Connections, registered or not.
    pub(super) connections: watch::Sender<usize>,
    pub(super) token: Token,
    /// Messages that stay here get numbers.
    local: AtomicU64,
    /// How many messages of clients came into the log.
    stored: watch::Sender<u64>,
    /// Places for messages that are written down and wait for their turn to be sent.
    pub(super) turns: Arc<Semaphore>,
}

impl Hub {
    pub(super) fn new(node: Handle, config: IrcConfig) -> Self {
        let since = node.post().now();
        let state = State { presence: config.presence, ..State::default() };
        let token = Token::new(&config.token);
        let (connections, local, stored) = (watch::channel(0).0, AtomicU64::new(0), watch::channel(0).0);
        Self {
            node,
            config,
            since,
            began: Instant::now(),
            state: Mutex::new(state),
            strangers: Crowd::new(STRANGERS_MAX),
            connections,
            token,
            local,
            stored,
            turns: Arc::new(Semaphore::new(TURNS_MAX)),
        }
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

    /// A client said something.
    pub(super) fn spoke(&self, id: ClientId) {
        if let Some(client) = self.lock().clients.get_mut(&id) {
            client.spoke = Instant::now();
        }
    }

    /// Whether a channel has no more than one client.
    pub(super) fn has_one_client(&self, folded: &str) -> bool {
        self.lock().channels.get(folded).is_some_and(|channel| channel.members.len() <= 1)
    }
}
