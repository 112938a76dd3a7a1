//! Keys and people in memory: which targets they make something of, and with which of them a record is opened. Never reads a
//! socket or a disk; what is to be kept comes out as changes for the store.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::sync::Arc;

use nightjar_core::chain::Network;
use nightjar_core::name::Name;
use nightjar_core::record::Target;
use nightjar_core::time::Wall;
use nightjar_envelope::key::{ChatKey, ChatSecret};
use nightjar_envelope::seal::channel::ChannelKey;
use nightjar_envelope::seal::pair::PairKey;
use zeroize::Zeroizing;

use super::Known;
use super::meaning::{Meant, days, meanings};
use super::people;
use crate::identity::lookalike::looks_like;
use crate::store::{Joined, People, Relation};

/// Names that are read with a secret, at one time. Each is listened for under the targets of nine days.
pub const JOINED_MAX: usize = 256;
/// Conversations whose identity is remembered.
pub(super) const SPEAKS_MAX: usize = 4_096;

/// One of this node's chat keys, unlocked.
#[derive(Clone, Debug)]
pub(super) struct OwnKey {
    pub(super) secret: ChatSecret,
    /// Whether it only opens what was sent before, and speaks no more.
    pub(super) ended: bool,
    /// Whether it speaks when nobody says who.
    pub(super) default: bool,
    /// What it calls itself.
    pub(super) nick: Option<String>,
    /// The accounts it may speak for.
    pub(super) accounts: Vec<u32>,
}

impl OwnKey {
    /// The names under which it is written to.
    pub(super) fn names(&self) -> impl Iterator<Item = Name> + use<'_> {
        let nick = self.nick.iter().map(|nick| Name::Nick(nick.clone()));
        nick.chain(self.accounts.iter().map(|account| Name::Account(*account)))
    }
}

/// A joined name with its key.
pub(super) struct JoinedName {
    pub(super) typed: String,
    pub(super) channel: Option<ChannelKey>,
    pub(super) password: Option<Zeroizing<String>>,
}

/// All of it.
pub(super) struct State {
    pub(super) network: Network,
    pub(super) own: Vec<OwnKey>,
    /// Their secrets alone: what opens.
    pub(super) secrets: Vec<ChatSecret>,
    pub(super) joined: BTreeMap<String, JoinedName>,
    pub(super) known: people::Known,
    pub(super) speaks: BTreeMap<String, Option<ChatKey>>,
    pair_keys: BTreeMap<(ChatKey, ChatKey), PairKey>,
    meanings: BTreeMap<Target, Meant>,
    days: RangeInclusive<u32>,
}

impl State {
    pub(super) fn new(network: Network, people: People, now: Wall) -> Self {
        let People { joined, pairs, speakers, proofs, speaks } = people;
        let joined = joined.into_iter().take(JOINED_MAX).map(|Joined { name, typed, root, password }| {
            (name, JoinedName { typed, channel: root.map(ChannelKey::from_root), password })
        });
        let mut state = Self {
            network,
            own: Vec::new(),
            secrets: Vec::new(),
            joined: joined.collect(),
            known: people::Known::new(speakers, proofs, pairs),
            speaks: speaks.into_iter().take(SPEAKS_MAX).collect(),
            pair_keys: BTreeMap::new(),
            meanings: BTreeMap::new(),
            days: days(now),
        };
        state.refresh(now);
        state
    }

    /// The keys that are unlocked now.
    pub(super) fn set_own(&mut self, own: Vec<OwnKey>, now: Wall) {
        self.secrets = own.iter().map(|own| own.secret.clone()).collect();
        self.own = own;
        self.refresh(now);
    }

    /// Computes anew which targets mean something.
    pub(super) fn refresh(&mut self, now: Wall) {
        let own: BTreeMap<ChatKey, &ChatSecret> =
            self.own.iter().map(|own| (own.secret.public(), &own.secret)).collect();
        let pairs = self.known.pairs().filter(|pair| own.contains_key(&pair.own));
        let wanted: BTreeSet<(ChatKey, ChatKey)> = pairs.map(|pair| (pair.own, pair.other)).collect();
        self.pair_keys.retain(|pair, _| wanted.contains(pair));
        for pair in wanted {
            let Some(secret) = own.get(&pair.0) else { continue };
            if !self.pair_keys.contains_key(&pair)
                // A key that has no such secret was refused when it was met.
                && let Ok(key) = PairKey::between(self.network, secret, &pair.1)
            {
                self.pair_keys.insert(pair, key);
            }
        }
        self.days = days(now);
        let channels = self.joined.iter().filter_map(|(name, joined)| Some((name, joined.channel.as_ref()?)));
        // One who is not to be heard can still be written to.
        let is_heard = |own: &ChatKey, other: &ChatKey| {
            self.known.pair(own, other).is_some_and(|pair| pair.relation != Relation::Declined)
        };
        let pairs = self.pair_keys.iter().filter(|((own, other), _)| is_heard(own, other));
        let pairs = pairs.map(|((own, other), key)| (*own, *other, key));
        self.meanings = meanings(&self.days, self.own.iter().flat_map(OwnKey::names), channels, pairs);
    }

    /// Whether another day has begun since the targets were computed.
    pub(super) fn is_stale(&self, now: Wall) -> bool {
        self.days != days(now)
    }

    /// The targets that mean something.
    pub(super) fn targets(&self) -> Arc<BTreeSet<Target>> {
        Arc::new(self.meanings.keys().copied().collect())
    }

    pub(super) fn meant(&self, target: Target) -> Option<&Meant> {
        self.meanings.get(&target)
    }

    pub(super) fn pair_key(&self, own: &ChatKey, other: &ChatKey) -> Option<&PairKey> {
        self.pair_keys.get(&(*own, *other))
    }

    pub(super) fn own_key(&self, key: &ChatKey) -> Option<&OwnKey> {
        self.own.iter().find(|own| own.secret.public() == *key)
    }

    /// The key that may speak, if it is one of ours.
    pub(super) fn speaking_key(&self, key: &ChatKey) -> Option<&OwnKey> {
        self.own_key(key).filter(|own| !own.ended)
    }

    /// The key that speaks when nobody says which.
    pub(super) fn default_key(&self) -> Option<ChatKey> {
        self.own.iter().find(|own| own.default && !own.ended).map(|own| own.secret.public())
    }

    /// Remembers who speaks in a conversation. When there are too many, any other is forgotten: the default speaks there.
    pub(super) fn remember(&mut self, conversation: &str, key: Option<ChatKey>) {
        if self.speaks.len() >= SPEAKS_MAX && !self.speaks.contains_key(conversation) {
            self.speaks.pop_first();
        }
        self.speaks.insert(conversation.to_owned(), key);
    }

    /// All that is known of somebody.
    pub(super) fn known(&self, key: &ChatKey) -> Option<Known> {
        let speaker = self.known.speaker(key)?.clone();
        let own = self.own_key(key).is_some();
        let relation = self.known.pairs().find(|pair| pair.other == *key).map(|pair| pair.relation);
        let looks_like = speaker.nick.as_deref().filter(|_| !own).and_then(|nick| self.looks_like(key, nick));
        Some(Known { speaker, own, relation, looks_like })
    }

    /// A nick of ours, or of a contact, that somebody else's looks like or is.
    fn looks_like(&self, key: &ChatKey, nick: &str) -> Option<String> {
        let own = self.own.iter().filter_map(|own| own.nick.as_deref());
        let contacts = self.known.pairs().filter(|pair| pair.relation == Relation::Contact && pair.other != *key);
        let contacts = contacts.filter_map(|pair| self.known.speaker(&pair.other)?.nick.as_deref());
        looks_like(nick, own.chain(contacts)).map(str::to_owned)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

    use super::*;
    use crate::store::Pair;

    const DAY_MS: u64 = 86_400_000;

    fn secret(number: u8) -> ChatSecret {
        ChatSecret::from_seed(&Zeroizing::new([number; 32]))
    }

    #[test]
    fn a_pair_is_listened_for_on_all_days_of_the_window_and_on_the_next_before_it_begins() {
        let (own, other) = (secret(1), secret(2).public());
        let pair = Pair { own: own.public(), other, relation: Relation::Contact, wrote: 1, answered: 0, heard: 0 };
        let people = People { pairs: vec![pair], ..People::default() };
        // Noon of a day, and half an hour before its end.
        let noon = Wall(20_000 * DAY_MS + DAY_MS / 2);
        let late = Wall(20_001 * DAY_MS - 1_800_000);
        let mut state = State::new(Network::Main, people, noon);
        let key = OwnKey { secret: own.clone(), ended: false, default: true, nick: None, accounts: Vec::new() };
        state.set_own(vec![key], noon);
        let hers = PairKey::between(Network::Main, &secret(2), &own.public()).unwrap();
        let heard = |state: &State, day: u32| state.meant(hers.target_to(&own.public(), day)).is_some();
        assert!((19_993..=20_000).all(|day| heard(&state, day)));
        assert!(!heard(&state, 19_992) && !heard(&state, 20_001));
        assert!(state.is_stale(late) && !state.is_stale(noon));
        state.refresh(late);
        assert!(heard(&state, 20_001) && heard(&state, 20_000));
        let next = Wall(20_001 * DAY_MS);
        state.refresh(next);
        assert!(heard(&state, 20_001) && heard(&state, 19_994) && !heard(&state, 19_993));
    }

    #[test]
    fn conversations_that_are_remembered_are_bounded() {
        let mut state = State::new(Network::Main, People::default(), Wall(0));
        for number in 0..=SPEAKS_MAX {
            state.remember(&format!("#{number}"), None);
        }
        assert_eq!(state.speaks.len(), SPEAKS_MAX);
    }
}
