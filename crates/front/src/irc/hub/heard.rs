//! Who is heard: what he is called here, and where he was heard lately.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use nightjar_core::name::Name;
use nightjar_core::time::Wall;
use nightjar_envelope::key::ChatKey;
use nightjar_node::chain::standing::Standing;
use nightjar_node::identity::DEFAULT;
use nightjar_node::message::Speaker;
use nightjar_node::post::{Known, Who};
use nightjar_node::store::Relation;
use tokio::time::Instant;

use super::Hub;
use super::state::{Client, State};
use crate::irc::event::{Deed, Did, Event};
use crate::irc::people::{Person, Rank, Source, fold, proven};

/// Authors that are heard in one channel and listed. Those heard longest ago go first.
pub(in crate::irc) const HEARD_MAX: usize = 500;
/// Who was silent for so long is not listed any more.
pub(in crate::irc) const HEARD_MS: u64 = 30 * 60_000;
/// Wallets that can be answered by their nicks.
const WALLETS_MAX: usize = 256;

impl Hub {
    /// The user of a wallet wrote to this node: he can be answered by this nick.
    pub(in crate::irc) fn meet_wallet(&self, peer: &str) -> Arc<Source> {
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
    pub(in crate::irc) fn wallet_called(&self, nick: &str) -> Option<SocketAddr> {
        self.lock().wallets.get(&fold(nick)).copied()
    }

    /// Somebody who was heard, by his nick here.
    pub(in crate::irc) fn person_called(&self, nick: &str) -> Option<Person> {
        self.lock().people.called(nick).cloned()
    }

    /// The channels in which somebody was heard lately, as they were typed.
    pub(in crate::irc) fn heard_in(&self, key: &ChatKey) -> Vec<String> {
        let state = self.lock();
        let heard = state.channels.values().filter(|channel| channel.heard.contains_key(key));
        heard.map(|channel| channel.typed.clone()).collect()
    }

    /// How somebody who is heard, or known otherwise than before, is called here. Who sees him, or another that is called otherwise because
    /// of him, is told.
    pub(in crate::irc) fn meet(&self, speaker: &Speaker) -> Arc<Source> {
        let (post, nick) = (self.node.post(), speaker.nick.clone().map(Name::Nick));
        let pinned = nick.as_ref().and_then(|nick| post.pinned(nick));
        // Asks for more than a pin only when something about him changed: the node looks through all it knows for that.
        let rank = || {
            let known = post.who_is(&Who::Key(speaker.key.to_string()));
            match rank_of(known.first(), speaker) {
                Rank::Contact => Rank::Contact,
                _ if nick.is_some_and(|nick| is_nick_of_contact(&post.who_is(&Who::Name(nick)), speaker)) => {
                    Rank::Impostor
                }
                rank => rank,
            }
        };
        let now_ms = self.now_ms();
        let own = self.own_nicks();
        let mut state = self.lock();
        let State { people, nicks, .. } = &mut *state;
        let is_local = |nick: &str| nicks.contains_key(nick) || own.iter().any(|own| own == nick);
        let (source, renamed) = people.meet(speaker, pinned, rank, is_local);
        renamed.into_iter().for_each(|renamed| state.tell_renamed(renamed, now_ms));
        source
    }

    /// How somebody is called of whom nothing but the key is known.
    pub(in crate::irc) fn meet_key(&self, key: ChatKey) -> Arc<Source> {
        let known = self.node.post().who_is(&Who::Key(key.to_string()));
        match known.into_iter().find(|known| known.speaker.key == key) {
            Some(known) => self.meet(&known.speaker),
            None => self.meet(&Speaker::new(key, Wall(0))),
        }
    }

    /// Somebody is known otherwise than before: that matters to those who heard him.
    pub(in crate::irc) fn known_otherwise(&self, speaker: &Speaker) {
        if self.lock().people.with_key(&speaker.key).is_some() {
            self.meet(speaker);
        }
    }

    /// The user decided about somebody: who goes before whom is another matter now, and he may ask anew.
    pub(in crate::irc) fn look_again(&self, key: ChatKey) -> Arc<Source> {
        {
            let mut state = self.lock();
            state.people.look_again(&key);
            state.requests.forget(&key);
        }
        self.meet_key(key)
    }

    /// How somebody who was heard is called now.
    pub(in crate::irc) fn source_of(&self, key: &ChatKey) -> Option<Arc<Source>> {
        self.lock().people.with_key(key).map(|person| Arc::clone(&person.source))
    }

    /// How the user himself is called here when he spoke by another way in: as the client that speaks as the same, else as others see him.
    /// Whoever was heard by that nick gets digits.
    pub(in crate::irc) fn own_source(&self, author: Option<ChatKey>) -> Option<Arc<Source>> {
        let default = self.default_key();
        let identities = self.node.post().identities().list();
        let nick = identities.into_iter().find(|identity| Some(identity.key) == author).and_then(|it| it.nick);
        let mut state = self.lock();
        let is_called = |client: &&Client| nick.as_ref().is_some_and(|nick| fold(&client.source.nick) == *nick);
        let mut same = state.clients.values().filter(|client| client.identity.or(default) == author);
        if let Some(client) = same.clone().find(is_called).or_else(|| same.next()) {
            return Some(Arc::clone(&client.source));
        }
        let nick = nick.filter(|nick| !state.nicks.contains_key(nick))?;
        state.yield_nick(&nick, self.now_ms());
        Some(Arc::new(Source {
            user: nick.clone(),
            nick,
            host: "local".to_owned(),
            account: None,
            realname: "the user of this node".to_owned(),
        }))
    }

    /// Who speaks for clients that chose nobody.
    pub(in crate::irc) fn default_key(&self) -> Option<ChatKey> {
        self.node.post().identities().find(DEFAULT).ok().map(|identity| identity.key)
    }

    /// The account that a key is proven to speak for.
    pub(in crate::irc) fn proven_account(&self, key: &ChatKey) -> Option<String> {
        let known = self.node.post().who_is(&Who::Key(key.to_string()));
        known.iter().find(|known| known.speaker.key == *key).and_then(|known| proven(&known.speaker))
    }

    /// What the other side of a conversation is called: the nick of a person, or the name itself.
    pub(in crate::irc) fn name_of(&self, conversation: &str) -> String {
        match conversation.strip_prefix('@').and_then(|digits| digits.parse::<ChatKey>().ok()) {
            Some(key) => self.meet_key(key).nick.clone(),
            None => conversation.to_owned(),
        }
    }

    /// A stranger asks to talk; `false` when he is not named, for that was told already or too many are.
    pub(in crate::irc) fn asks_anew(&self, key: &ChatKey) -> bool {
        let now = self.began.elapsed();
        self.lock().requests.asks(*key, now)
    }

    /// How many strangers asked to talk who were not named, when that is to be told.
    pub(in crate::irc) fn more_ask(&self) -> usize {
        let now = self.began.elapsed();
        self.lock().requests.more(now)
    }

    /// Whether somebody asks, and was not answered yet.
    pub(in crate::irc) fn asks(&self, key: &ChatKey) -> bool {
        self.lock().requests.has_asked(key)
    }

    /// Somebody was heard in a channel so long ago: he is listed there, and nobody is told.
    pub(in crate::irc) fn heard_before(&self, folded: &str, key: ChatKey, ago: Duration) {
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

    /// Identities may have been made or renamed by another way in: whoever was heard by a nick of theirs gets digits.
    pub(in crate::irc) fn yield_own_nicks(&self) {
        let (own, now_ms) = (self.own_nicks(), self.now_ms());
        let mut state = self.lock();
        own.iter().for_each(|nick| state.yield_nick(nick, now_ms));
    }

    /// Nicks of this node's own identities: nobody else is shown by them.
    fn own_nicks(&self) -> Vec<String> {
        self.node.post().identities().list().into_iter().filter_map(|identity| identity.nick).collect()
    }

    /// Somebody was heard in a channel: he is listed there. Those there are told when he was not before, if that is wanted:
    /// with the time of what he said, so that he does not come in after it.
    pub(in crate::irc) fn heard(&self, folded: &str, key: ChatKey, source: &Arc<Source>, time_ms: u64) {
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
        if let Some(gone) = gone {
            state.tell_parted(folded, &gone, self.now_ms());
        }
        if presence {
            let did = Did { who: Arc::clone(source), what: Deed::Joined(typed), time_ms };
            state.tell_channel(folded, None, &Event::Did(Arc::new(did)));
        }
    }

    /// Who was silent for long is not listed any more.
    pub(in crate::irc) fn forget_silent(&self) {
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
    pub(in crate::irc) fn presence(&self) -> bool {
        self.lock().presence
    }

    /// Lets authors who are heard join, or not any more. Those who are listed join or leave at once: nobody would tell later.
    pub(in crate::irc) fn set_presence(&self, presence: bool) {
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
}

/// Whether of those who go by his nick another is a contact.
fn is_nick_of_contact(known: &[Known], speaker: &Speaker) -> bool {
    let is_other = |known: &&Known| known.speaker.key != speaker.key && known.speaker.nick == speaker.nick;
    known.iter().filter(is_other).any(|known| known.relation == Some(Relation::Contact))
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
