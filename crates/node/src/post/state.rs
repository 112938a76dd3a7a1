//! Keys and people in memory: which targets they make something of, and with which of them a record is opened. Never reads a
//! socket or a disk; what is to be kept comes out as changes for the store.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use nightjar_core::chain::Network;
use nightjar_core::name::Name;
use nightjar_core::record::Target;
use nightjar_core::time::Wall;
use nightjar_envelope::key::{ChatKey, ChatSecret};
use nightjar_envelope::seal::channel::ChannelKey;
use nightjar_envelope::seal::pair::PairKey;
use zeroize::Zeroizing;

use super::Known;
use super::heirs::Heirs;
use super::ignore::Ignores;
use super::meaning::{Meant, days, meanings};
use super::names::Names;
use super::people;
use super::proofs::Proofs;
use super::targets::Moved;
use crate::identity::lookalike::skeleton;
use crate::store::{Joined, People, Pin, Relation};

/// Names that are read with a secret, at one time. Each is listened for under the targets of nine days.
pub const JOINED_MAX: usize = 256;
/// Names that mean a key since they were written to under seal: as many as there can be contacts.
pub const PINS_MAX: usize = people::CONTACTS_MAX;
/// Channels that were joined with a passphrase and left: four times as many as can be joined, each a name alone.
pub const PARTED_MAX: usize = 4 * JOINED_MAX;
/// Conversations whose identity is remembered.
pub(super) const SPEAKS_MAX: usize = 4_096;

/// One of this node's chat keys, unlocked.
#[derive(Clone, Debug)]
pub(super) struct OwnKey {
    pub(super) secret: ChatSecret,
    /// Whether it only opens what was sent before, and speaks no more.
    pub(super) ended: bool,
    /// The key that it was handed over to.
    pub(super) heir: Option<ChatKey>,
    /// Whether it speaks when nobody says who.
    pub(super) default: bool,
    /// What it calls itself.
    pub(super) nick: Option<String>,
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
    /// Names of ours under which others write to us, also while the keys are locked.
    pub(super) names: Vec<(Name, ChatKey)>,
    /// Whether there are keys that wait for their passphrase.
    pub(super) locked: bool,
    /// Their secrets alone: what opens.
    pub(super) secrets: Vec<ChatSecret>,
    pub(super) joined: BTreeMap<String, JoinedName>,
    pub(super) known: people::Known,
    pub(super) speaks: BTreeMap<String, Option<ChatKey>>,
    /// Whom nicks and accounts mean.
    pub(super) pins: Names<ChatKey>,
    /// Channels whose passphrase was given up.
    pub(super) parted: Names<()>,
    /// Which keys of others go on as another.
    pub(super) heirs: Heirs,
    /// What is not to be read.
    pub(super) ignores: Ignores,
    pair_keys: BTreeMap<(ChatKey, ChatKey), PairKey>,
    meanings: BTreeMap<Target, Meant>,
    moved: Moved,
    days: RangeInclusive<u32>,
}

impl State {
    pub(super) fn new(network: Network, people: People, now: Wall) -> Self {
        let People { joined, pairs, declined, speakers, proofs, ends, speaks, pins, parted, heirs, ignored, outbox: _ } =
            people;
        let joined = joined.into_iter().take(JOINED_MAX).map(|Joined { name, typed, root, password }| {
            (name, JoinedName { typed, channel: root.map(ChannelKey::from_root), password })
        });
        let mut state = Self {
            network,
            own: Vec::new(),
            names: Vec::new(),
            locked: false,
            secrets: Vec::new(),
            joined: joined.collect(),
            known: people::Known::new(speakers, Proofs::new(proofs, ends), pairs, declined),
            speaks: speaks.into_iter().take(SPEAKS_MAX).collect(),
            pins: Names::new(PINS_MAX, pins.into_iter().map(|Pin { name, key, used }| (name, key, used))),
            parted: Names::new(PARTED_MAX, parted.into_iter().map(|(name, when)| (name, (), when))),
            heirs: Heirs::new(heirs),
            ignores: Ignores::new(ignored),
            pair_keys: BTreeMap::new(),
            meanings: BTreeMap::new(),
            moved: Moved::default(),
            days: days(now),
        };
        state.refresh(now);
        state
    }

    /// The keys that are unlocked now, and the names of all.
    pub(super) fn set_own(&mut self, own: Vec<OwnKey>, names: Vec<(Name, ChatKey)>, locked: bool, now: Wall) {
        self.names = names;
        self.locked = locked;
        self.secrets = own.iter().map(|own| own.secret.clone()).collect();
        self.own = own;
        let locked = self.names.iter().map(|(_, key)| *key);
        self.known.set_own(self.own.iter().map(|own| own.secret.public()).chain(locked));
        self.pair_keys.retain(|(of, _), _| self.own.iter().any(|own| own.secret.public() == *of));
        self.refresh(now);
    }

    /// Computes anew which targets mean something.
    pub(super) fn refresh(&mut self, now: Wall) {
        self.days = days(now);
        let channels = self.joined.iter().filter_map(|(name, joined)| Some((name, joined.channel.as_ref()?)));
        let meanings = meanings(&self.days, self.names.iter().map(|(name, _)| name.clone()), channels);
        let before = std::mem::replace(&mut self.meanings, meanings);
        before.keys().for_each(|target| self.moved.note(*target, false));
        self.meanings.keys().for_each(|target| self.moved.note(*target, true));
        let pairs: BTreeSet<(ChatKey, ChatKey)> = self.known.pairs().map(|pair| (pair.own, pair.other)).collect();
        self.pair_keys.retain(|pair, _| pairs.contains(pair));
        self.known.take_changed();
        for (own, other) in pairs {
            self.hear_pair(own, other);
        }
    }

    /// The same for pairs that changed since, whose number strangers have a say in. Says whether there were any.
    pub(super) fn refresh_pairs(&mut self) -> bool {
        let changed = self.known.take_changed();
        for (own, other) in &changed {
            if let Some(key) = self.pair_keys.get(&(*own, *other)) {
                for day in self.days.clone() {
                    let target = key.target_to(own, day);
                    if self.meanings.remove(&target).is_some() {
                        self.moved.note(target, false);
                    }
                }
            }
            if self.known.pair(own, other).is_none() {
                self.pair_keys.remove(&(*own, *other));
            }
            self.hear_pair(*own, *other);
        }
        !changed.is_empty()
    }

    /// Listens where the two of them talk, if this key is ours and open, and the other is to be heard.
    fn hear_pair(&mut self, own: ChatKey, other: ChatKey) {
        let Some(relation) = self.known.pair(&own, &other).map(|pair| pair.relation) else { return };
        if !self.pair_keys.contains_key(&(own, other)) {
            let Some(secret) = self.own_key(&own).map(|own| &own.secret) else { return };
            // A key that has no such secret was refused when it was met.
            let Ok(key) = PairKey::between(self.network, secret, &other) else { return };
            self.pair_keys.insert((own, other), key);
        }
        // One who is not to be heard can still be written to.
        if relation != Relation::Declined
            && let Some(key) = self.pair_keys.get(&(own, other))
        {
            for day in self.days.clone() {
                let target = key.target_to(&own, day);
                if self.meanings.insert(target, Meant::Pair { own, other }).is_none() {
                    self.moved.note(target, true);
                }
            }
        }
    }

    /// Whether another day has begun since the targets were computed.
    pub(super) fn is_stale(&self, now: Wall) -> bool {
        self.days != days(now)
    }

    /// Targets that mean something since the last call, and those that do no more.
    pub(super) fn take_moved(&mut self) -> Moved {
        std::mem::take(&mut self.moved)
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

    /// Whether a key is one of this node's, locked or not.
    pub(super) fn is_ours(&self, key: &ChatKey) -> bool {
        self.own_key(key).is_some() || self.names.iter().any(|(_, own)| own == key)
    }

    /// Whether a message of another is not to be read: for its author, by what is known of him or what he calls himself in it, or for
    /// its text.
    pub(super) fn is_ignored(&self, author: Option<&ChatKey>, nick: Option<&str>, text: Option<&str>) -> bool {
        let is_by = |author: &ChatKey| {
            let speaker = self.known.speaker(author);
            let known = speaker.and_then(|speaker| speaker.nick.as_deref());
            let account = speaker.and_then(|speaker| speaker.account);
            let claimed = self.known.proofs().claimed_by(author).map(|proof| proof.account);
            self.ignores.is_by(known.into_iter().chain(nick), account.into_iter().chain(claimed))
        };
        !author.is_some_and(|author| self.is_ours(author))
            && (author.is_some_and(is_by) || text.is_some_and(|text| self.ignores.reads(text)))
    }

    /// The key that may speak, if it is one of ours.
    pub(super) fn speaking_key(&self, key: &ChatKey) -> Option<&OwnKey> {
        self.own_key(key).filter(|own| !own.ended)
    }

    /// Whether a text has one of our nicks in it, as a word.
    pub(super) fn names_us(&self, text: &str) -> bool {
        let nicks = self.own.iter().filter(|own| !own.ended).filter_map(|own| own.nick.as_deref());
        let nicks: Vec<&str> = nicks.collect();
        // What no nick can hold ends a word; a sentence may end with some of what one can.
        let words = text.split(|it: char| it.is_whitespace() || ",:;!?()\"'@".contains(it));
        let is_ours = |word: &str| nicks.iter().any(|nick| nick.eq_ignore_ascii_case(word));
        !nicks.is_empty() && words.into_iter().any(|word| is_ours(word) || is_ours(word.trim_end_matches('.')))
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

    /// All that is known of these people.
    pub(super) fn people(&self, keys: impl IntoIterator<Item = ChatKey>) -> Vec<Known> {
        let familiar = self.familiar();
        keys.into_iter().filter_map(|key| self.known(&key, &familiar)).collect()
    }

    fn known(&self, key: &ChatKey, familiar: &Familiar<'_>) -> Option<Known> {
        let speaker = self.known.speaker(key)?.clone();
        let own = self.own_key(key).is_some();
        let relation = self.known.relation(key);
        let looks_like = speaker.nick.as_deref().filter(|_| !own).and_then(|nick| {
            let alike =
                familiar.get(&skeleton(nick))?.iter().find(|(of, _)| self.heirs.last(*of) != self.heirs.last(*key));
            alike.map(|(_, nick)| (*nick).to_owned())
        });
        Some(Known { speaker, own, relation, looks_like, heir: self.heirs.of(key) })
    }

    /// The nicks that are ours or a contact's.
    fn familiar(&self) -> Familiar<'_> {
        let own = self.own.iter().filter_map(|own| Some((own.secret.public(), own.nick.as_deref()?)));
        let contacts = self.known.pairs().filter(|pair| pair.relation == Relation::Contact);
        let contacts =
            contacts.filter_map(|pair| Some((pair.other, self.known.speaker(&pair.other)?.nick.as_deref()?)));
        let mut familiar = Familiar::new();
        for (key, nick) in own.chain(contacts) {
            familiar.entry(skeleton(nick)).or_default().push((key, nick));
        }
        familiar
    }
}

/// Nicks by what they look like, and whose they are.
type Familiar<'s> = BTreeMap<String, Vec<(ChatKey, &'s str)>>;

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
        let pair =
            Pair { own: own.public(), other, relation: Relation::Contact, wrote: 1, answered: 0, heard: 0, asked: 0 };
        let people = People { pairs: vec![pair], ..People::default() };
        // Noon of a day, and half an hour before its end.
        let noon = Wall(20_000 * DAY_MS + DAY_MS / 2);
        let late = Wall(20_001 * DAY_MS - 1_800_000);
        let mut state = State::new(Network::Main, people, noon);
        let key = OwnKey { secret: own.clone(), ended: false, heir: None, default: true, nick: None };
        state.set_own(vec![key], Vec::new(), false, noon);
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

    #[test]
    fn when_one_request_takes_the_place_of_another_it_is_listened_for_and_the_other_is_not() {
        let now = Wall(20_000 * DAY_MS + DAY_MS / 2);
        let mut state = State::new(Network::Main, People::default(), now);
        let own = secret(1);
        let ours = own.public();
        state.set_own(
            vec![OwnKey { secret: own, ended: false, heir: None, default: true, nick: None }],
            Vec::new(),
            false,
            now,
        );
        let stranger = |number: usize| {
            let mut seed = Zeroizing::new([9; 32]);
            seed.iter_mut().zip(number.to_le_bytes()).for_each(|(byte, of)| *byte = of);
            ChatSecret::from_seed(&seed)
        };
        let asks = |state: &mut State, number: usize| {
            let (relation, heard) = (Relation::Request, u32::try_from(number).unwrap());
            let other = stranger(number).public();
            let pair = Pair { own: ours, other, relation, wrote: 0, answered: 0, heard, asked: 0 };
            state.known.set_pair(pair, &mut Vec::new()).unwrap();
        };
        let heard = |state: &State, number: usize| {
            let key = PairKey::between(Network::Main, &stranger(number), &ours).unwrap();
            state.meant(key.target_to(&ours, 20_000)).is_some()
        };
        (0..people::REQUESTS_MAX).for_each(|number| asks(&mut state, number));
        assert!(state.refresh_pairs());
        assert!(heard(&state, 0) && heard(&state, people::REQUESTS_MAX - 1));
        state.take_moved();
        asks(&mut state, people::REQUESTS_MAX);
        assert!(state.refresh_pairs());
        // What one stranger changes costs what he changes, whatever there is.
        let (on, off): (Vec<_>, Vec<_>) = state.take_moved().into_iter().partition(|(_, on)| *on);
        let days = state.days.clone().count();
        assert_eq!((on.len(), off.len()), (days, days));
        asks(&mut state, people::REQUESTS_MAX + 1);
        assert!(state.refresh_pairs());
        assert!(heard(&state, people::REQUESTS_MAX) && !heard(&state, 0) && !heard(&state, 1) && heard(&state, 2));
        assert!(!state.refresh_pairs(), "nothing changed");
        state.take_moved();
        state.refresh(now);
        assert_eq!(state.take_moved(), Moved::default(), "the same targets as when they are all computed anew");
    }

    #[test]
    fn who_looks_like_a_contact_or_oneself_is_told() {
        let now = Wall(20_000 * DAY_MS);
        let mut state = State::new(Network::Main, People::default(), now);
        let own = OwnKey { secret: secret(1), ended: false, heir: None, default: true, nick: Some("sam".into()) };
        state.set_own(vec![own], Vec::new(), false, now);
        let mut changes = Vec::new();
        for (number, nick) in [(2, "nightraven"), (3, "n1ght_raven"), (4, "sarn"), (5, "zoe")] {
            state.known.card(secret(number).public(), nick, 1, now, &mut changes);
        }
        let friend = secret(2).public();
        let pair = Pair {
            own: secret(1).public(),
            other: friend,
            relation: Relation::Contact,
            wrote: 0,
            answered: 0,
            heard: 0,
            asked: 0,
        };
        state.known.set_pair(pair, &mut changes).unwrap();
        let people = state.people((2..=5).map(|number| secret(number).public()));
        let alike: Vec<_> = people.iter().map(|known| known.looks_like.as_deref()).collect();
        assert_eq!(alike, [None, Some("nightraven"), Some("sam"), None]);
    }

    /// Prints figures: `cargo test --release -p nightjar-node --lib what_first_contacts_cost -- --ignored --nocapture`.
    #[test]
    #[ignore = "it measures"]
    fn what_first_contacts_cost() {
        const ASKING: u32 = 10_000;
        let now = Wall(20_000 * DAY_MS + DAY_MS / 2);
        let mut state = State::new(Network::Main, People::default(), now);
        let own = secret(1);
        let ours = own.public();
        state.set_own(
            vec![OwnKey { secret: own, ended: false, heir: None, default: true, nick: None }],
            Vec::new(),
            false,
            now,
        );
        let mut changes = Vec::new();
        let mut meets = |state: &mut State, relation, number: u32| {
            let mut seed = Zeroizing::new([9; 32]);
            seed.iter_mut().zip(number.to_le_bytes()).for_each(|(byte, of)| *byte = of);
            let other = ChatSecret::from_seed(&seed).public();
            let begun = std::time::Instant::now();
            state.known.heard(other, now, &mut changes);
            let pair = Pair { own: ours, other, relation, wrote: 0, answered: 0, heard: number, asked: number };
            state.known.set_pair(pair, &mut changes).unwrap();
            begun.elapsed()
        };
        let contacts = u32::try_from(people::CONTACTS_MAX).unwrap();
        for number in 0..contacts {
            meets(&mut state, Relation::Contact, number);
        }
        state.refresh_pairs();
        state.take_moved();
        let [mut met, mut keys, mut told] = [std::time::Duration::ZERO; 3];
        let mut targets = 0;
        for number in contacts..contacts + ASKING {
            met += meets(&mut state, Relation::Request, number);
            let begun = std::time::Instant::now();
            state.refresh_pairs();
            keys += begun.elapsed();
            let begun = std::time::Instant::now();
            targets += state.take_moved().into_iter().count();
            told += begun.elapsed();
        }
        let of_each = |all: std::time::Duration| all / ASKING;
        println!(
            "of each of {ASKING} first contacts beside {contacts} contacts, {} targets: {:?} to find its place, {:?} for the \
             key and targets of the pair, {:?} to hand {} targets on",
            state.meanings.len(),
            of_each(met),
            of_each(keys),
            of_each(told),
            targets / ASKING as usize,
        );
    }
}
