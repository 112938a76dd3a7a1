//! The state of the hub: clients, channels, who was heard. Held under one lock for as long as one thing takes.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;

use nightjar_core::time::Wall;
use nightjar_envelope::id::MessageId;
use nightjar_envelope::key::ChatKey;
use nightjar_node::message::Seq;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::ClientId;
use crate::irc::commands::control::SERVANT;
use crate::irc::event::{Deed, Did, Event};
use crate::irc::people::{People, Renamed, Source};
use crate::irc::requests::Requests;

/// A client that is registered.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) source: Arc<Source>,
    /// The identity that speaks, if it was chosen; else the default one.
    pub(super) identity: Option<ChatKey>,
    pub(super) away: Option<String>,
    pub(super) invisible: bool,
    pub(super) channels: BTreeSet<String>,
    pub(super) events: mpsc::Sender<Event>,
    pub(super) since: Wall,
    pub(super) spoke: Instant,
}

/// What others may see of a client.
#[derive(Clone, Debug)]
pub(in crate::irc) struct ClientLook {
    pub(in crate::irc) source: Arc<Source>,
    pub(in crate::irc) identity: Option<ChatKey>,
    pub(in crate::irc) away: Option<String>,
    /// It is listed only to those who share a channel with it, or know its nick.
    pub(in crate::irc) invisible: bool,
    /// As they were typed.
    pub(in crate::irc) channels: Vec<String>,
    pub(in crate::irc) since: Wall,
    pub(in crate::irc) idle_s: u64,
}

#[derive(Debug, Default)]
pub(super) struct Channel {
    pub(super) typed: String,
    pub(super) topic: Option<Topic>,
    pub(super) made: u64,
    pub(super) members: BTreeSet<ClientId>,
    pub(super) heard: BTreeMap<ChatKey, Instant>,
}

/// What a channel is about, as somebody here says.
#[derive(Clone, Debug)]
pub(in crate::irc) struct Topic {
    pub(in crate::irc) text: String,
    pub(in crate::irc) by: String,
    pub(in crate::irc) when_s: u64,
}

/// A channel as it is shown.
#[derive(Clone, Debug)]
pub(in crate::irc) struct ChannelLook {
    pub(in crate::irc) typed: String,
    pub(in crate::irc) topic: Option<Topic>,
    pub(in crate::irc) made_s: u64,
    pub(in crate::irc) people: Vec<Listed>,
}

/// Somebody in a channel.
#[derive(Clone, Debug)]
pub(in crate::irc) struct Listed {
    pub(in crate::irc) source: Arc<Source>,
    pub(in crate::irc) away: bool,
    /// Whether it is a client here.
    pub(in crate::irc) local: bool,
}

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) next: ClientId,
    pub(super) clients: BTreeMap<ClientId, Client>,
    pub(super) nicks: BTreeMap<String, ClientId>,
    pub(super) channels: BTreeMap<String, Channel>,
    pub(super) most: usize,
    pub(super) people: People,
    /// Clients that left, the last first.
    pub(super) gone: VecDeque<(Arc<Source>, Wall)>,
    /// Wallets that wrote to this node, by their nicks here.
    pub(super) wallets: BTreeMap<String, SocketAddr>,
    pub(super) sent: HashMap<MessageId, (ClientId, String)>,
    pub(super) sent_order: VecDeque<MessageId>,
    /// Those of them that are not in the log yet, and where they will stand.
    pub(super) unstored: HashMap<MessageId, String>,
    /// Strangers who ask to talk, and what was told of that.
    pub(super) requests: Requests,
    /// Conversations that were read by plain clients, which cannot say so, up to there.
    pub(super) read: BTreeMap<String, Seq>,
    pub(super) presence: bool,
    /// Whole ids of messages that were answered, by where they are and how they begin.
    pub(super) whole_ids: HashMap<(String, [u8; 8]), MessageId>,
    pub(super) whole_ids_order: VecDeque<(String, [u8; 8])>,
}

impl Client {
    pub(super) fn tell(&mut self, event: Event) {
        // Full: the client does not read. Its session sees that the events end, and says so.
        if self.events.try_send(event).is_err() {
            self.events = mpsc::channel(1).0;
        }
    }
}

impl State {
    pub(super) fn look_at(&self, channel: &Channel) -> ChannelLook {
        let local = channel.members.iter().filter_map(|id| self.clients.get(id));
        let local =
            local.map(|client| Listed { source: Arc::clone(&client.source), away: client.away.is_some(), local: true });
        let heard = channel.heard.keys().filter_map(|key| self.people.with_key(key));
        let heard = heard.map(|person| Listed { source: Arc::clone(&person.source), away: false, local: false });
        let (typed, topic) = (channel.typed.clone(), channel.topic.clone());
        ChannelLook { typed, topic, made_s: channel.made, people: local.chain(heard).collect() }
    }

    pub(super) fn look_at_client(&self, client: &Client) -> ClientLook {
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
    pub(super) fn is_free(&self, folded: &str, but: Option<ClientId>) -> bool {
        folded != SERVANT && self.nicks.get(folded).is_none_or(|holder| Some(*holder) == but)
    }

    pub(super) fn yield_nick(&mut self, nick: &str, now_ms: u64) {
        if let Some(renamed) = self.people.yield_nick(nick) {
            self.tell_renamed(renamed, now_ms);
        }
    }

    pub(super) fn tell_channel(&mut self, folded: &str, but: Option<ClientId>, event: &Event) {
        let Some(channel) = self.channels.get(folded) else { return };
        for id in channel.members.iter().filter(|id| Some(**id) != but) {
            if let Some(client) = self.clients.get_mut(id) {
                client.tell(event.clone());
            }
        }
    }

    /// Tells the clients that are in a channel with this one.
    pub(super) fn tell_neighbours(&mut self, id: ClientId, did: &Did) {
        let Some(client) = self.clients.get(&id) else { return };
        let members = client.channels.iter().filter_map(|name| self.channels.get(name)).flat_map(|it| &it.members);
        let neighbours: BTreeSet<ClientId> = members.copied().filter(|member| *member != id).collect();
        self.tell_some(&neighbours, did);
    }

    pub(super) fn tell_renamed(&mut self, Renamed { key, before, after }: Renamed, time_ms: u64) {
        let heard_in = self.channels.values().filter(|channel| channel.heard.contains_key(&key));
        let members: BTreeSet<ClientId> = heard_in.flat_map(|channel| channel.members.iter().copied()).collect();
        self.tell_some(&members, &Did { who: before, what: Deed::Renamed(after.nick.clone()), time_ms });
    }

    pub(super) fn tell_parted(&mut self, folded: &str, key: &ChatKey, time_ms: u64) {
        let Some(typed) = self.channels.get(folded).map(|channel| channel.typed.clone()) else { return };
        if let Some(person) = self.people.with_key(key).filter(|_| self.presence) {
            let what = Deed::Parted(typed, "silent for a while".to_owned());
            let did = Did { who: Arc::clone(&person.source), what, time_ms };
            self.tell_channel(folded, None, &Event::Did(Arc::new(did)));
        }
    }

    pub(super) fn tell_some(&mut self, clients: &BTreeSet<ClientId>, did: &Did) {
        let did = Arc::new(did.clone());
        for id in clients {
            if let Some(client) = self.clients.get_mut(id) {
                client.tell(Event::Did(Arc::clone(&did)));
            }
        }
    }

    pub(super) fn forget_member(&mut self, folded: &str, id: ClientId) {
        if let Some(channel) = self.channels.get_mut(folded) {
            channel.members.remove(&id);
            if channel.members.is_empty() {
                self.channels.remove(folded);
            }
        }
    }
}
