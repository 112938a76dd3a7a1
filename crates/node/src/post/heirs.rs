//! Chat keys that go on as another: what was meant for the old key is the new one's from then on, here. Never believes more than
//! the first word of a key, nor anything of accounts, which need a proof; and remembers it of people alone whom the user has to do with.

use std::collections::BTreeMap;

use nightjar_core::name::Name;
use nightjar_core::time::Wall;
use nightjar_envelope::key::ChatKey;

use super::direct;
use super::people::{CONTACTS_MAX, DECLINED_MAX};
use super::state::{PINS_MAX, State};
use crate::store::{Change, Pair, Relation};

/// Keys whose heirs are remembered: no more are contacts, declined or meant by a name at one time.
pub const HEIRS_MAX: usize = CONTACTS_MAX + 2 * DECLINED_MAX + PINS_MAX;
/// Hand-overs that are followed one after the other without a word from the user to any of the keys: nobody changes his key so often,
/// and no contact can take the places of all others by it.
pub const IN_A_ROW_MAX: usize = 8;

/// Which key goes on as which.
#[derive(Debug, Default)]
pub(super) struct Heirs {
    heirs: BTreeMap<ChatKey, ChatKey>,
}

impl Heirs {
    pub(super) fn new(heirs: impl IntoIterator<Item = (ChatKey, ChatKey)>) -> Self {
        let mut all = Self::default();
        for (old, heir) in heirs.into_iter().take(HEIRS_MAX) {
            all.put(old, heir);
        }
        all
    }

    /// What a key goes on as.
    pub(super) fn of(&self, old: &ChatKey) -> Option<ChatKey> {
        self.heirs.get(old).copied()
    }

    /// The last of those that go on one as the other: the key itself when it goes on as no other.
    pub(super) fn last(&self, key: ChatKey) -> ChatKey {
        // It comes to an end: none of them goes on as one before it.
        std::iter::successors(Some(key), |key| self.of(key)).last().unwrap_or(key)
    }

    /// Whether the first word of a key would be taken: not its second one, nor one that closes a ring.
    fn is_open(&self, old: &ChatKey, heir: ChatKey) -> bool {
        !self.heirs.contains_key(old) && self.last(heir) != *old
    }

    fn put(&mut self, old: ChatKey, heir: ChatKey) -> bool {
        self.is_open(&old, heir) && self.heirs.insert(old, heir).is_none()
    }

    /// A key that goes on as this one.
    fn before(&self, heir: &ChatKey) -> Option<ChatKey> {
        self.heirs.iter().find(|(_, of)| *of == heir).map(|(old, _)| *old)
    }
}

impl State {
    /// The key of ours that speaks in the place of another one, which may have been handed over.
    pub(super) fn in_place_of(&self, own: ChatKey) -> ChatKey {
        let next = |own: &ChatKey| self.own_key(own)?.heir.filter(|heir| self.own_key(heir).is_some());
        // Files of several nodes, brought together, may hold a ring.
        std::iter::successors(Some(own), next).take(self.own.len().max(1)).last().unwrap_or(own)
    }

    /// The contacts of a key of ours are those of the one it was handed over to as well.
    pub(super) fn hand_on_contacts(&mut self, changes: &mut Vec<Change>) {
        let heirs: Vec<_> = self.own.iter().filter_map(|own| Some((own.secret.public(), own.heir?))).collect();
        for (old, heir) in heirs {
            if self.own_key(&heir).is_none() {
                continue;
            }
            let contacts = self.known.pairs().filter(|pair| pair.own == old && pair.relation == Relation::Contact);
            for contact in contacts.copied().collect::<Vec<_>>() {
                let is_new = contact.other != heir && self.known.pair(&heir, &contact.other).is_none();
                // Where there is no room, he is one when he is written to.
                if is_new && self.known.set_pair(inherited(contact, heir, contact.other), changes).is_err() {
                    return;
                }
            }
        }
    }

    /// Somebody goes on as another, and both have signed it.
    pub(super) fn goes_on(&mut self, old: ChatKey, heir: ChatKey, now: Wall, changes: &mut Vec<Change>) {
        let is_own = |key: &ChatKey| self.own_key(key).is_some();
        if is_own(&old) || is_own(&heir) || !self.heirs.is_open(&old, heir) || self.known.is_declined(&heir) {
            return;
        }
        if !self.has_to_do_with(&old) {
            // Of strangers nothing is remembered but that they ask, which has a bound of its own.
            return self.inherit_pairs(&old, &heir, changes);
        }
        if self.in_a_row(old) >= IN_A_ROW_MAX || !self.has_room(&old, &heir) {
            return;
        }
        self.make_room_for_heir(changes);
        self.heirs.put(old, heir);
        changes.push(Change::Heir(old, heir));
        let (mut from, mut to) = (old, heir);
        loop {
            self.inherit(&from, to, now, changes);
            // The word of the next one may have come first.
            let Some(next) = self.heirs.of(&to) else { return };
            (from, to) = (to, next);
        }
    }

    /// Whether somebody is a contact, declined, or meant by a name.
    fn has_to_do_with(&self, key: &ChatKey) -> bool {
        self.known.is_contact(key) || self.known.is_declined(key) || self.pins.iter().any(|(_, pinned)| pinned == key)
    }

    /// How many hand-overs led to this key since the user last wrote to one of them.
    fn in_a_row(&self, key: ChatKey) -> usize {
        let wrote = |key: &ChatKey| self.known.pairs_with(key).iter().any(|pair| pair.wrote > 0);
        let before = |key: &ChatKey| self.heirs.before(key).filter(|_| !wrote(key));
        std::iter::successors(Some(key), before).take(IN_A_ROW_MAX + 1).count() - 1
    }

    /// Whether the heir can stand to each of our keys as the old one does.
    fn has_room(&self, old: &ChatKey, heir: &ChatKey) -> bool {
        let new = |relation: Relation| {
            let alike = self.known.pairs_with(old).iter().filter(|pair| pair.relation == relation);
            alike.filter(|pair| self.inherits(pair, heir)).count()
        };
        [Relation::Contact, Relation::Declined].into_iter().all(|it| new(it) == 0 || new(it) <= self.known.room_for(it))
            && (!self.is_declined_alone(old) || self.known.has_room_for_declined())
    }

    /// Whether somebody is declined with whom none of our keys has to do.
    fn is_declined_alone(&self, key: &ChatKey) -> bool {
        self.known.is_declined(key) && self.known.pairs_with(key).is_empty()
    }

    fn make_room_for_heir(&mut self, changes: &mut Vec<Change>) {
        if self.heirs.heirs.len() < HEIRS_MAX {
            return;
        }
        let strangers: Vec<ChatKey> =
            self.heirs.heirs.keys().filter(|old| !self.has_to_do_with(old)).copied().collect();
        for old in strangers {
            self.heirs.heirs.remove(&old);
            changes.push(Change::NoHeir(old));
        }
    }

    /// What was the old key's here is the heir's: how the user stands to it, the nicks that mean it, and who of us speaks to it.
    fn inherit(&mut self, old: &ChatKey, heir: ChatKey, now: Wall, changes: &mut Vec<Change>) {
        // Of the next one in a chain the user may have said so himself.
        if self.known.is_declined(&heir) {
            return;
        }
        self.known.heard(heir, now, changes);
        self.inherit_pairs(old, &heir, changes);
        if self.is_declined_alone(old) && !self.known.is_contact(&heir) && !self.known.is_declined(&heir) {
            self.known.decline(heir, now, changes);
        }
        let pinned = self.pins.iter().filter(|(_, pinned)| *pinned == old);
        let nicks = pinned.filter_map(|(name, _)| Name::parse(name).ok()).filter(|name| matches!(name, Name::Nick(_)));
        for nick in nicks.collect::<Vec<_>>() {
            self.pin(&nick, heir, now, changes);
        }
        let conversation = direct(&heir);
        if let Some(spoke) = self.speaks.get(&direct(old)).copied()
            && !self.speaks.contains_key(&conversation)
        {
            self.remember(&conversation, spoke);
            changes.push(Change::Speaks(conversation, spoke));
        }
    }

    fn inherit_pairs(&mut self, old: &ChatKey, heir: &ChatKey, changes: &mut Vec<Change>) {
        let pairs = self.known.pairs_with(old).iter().filter(|pair| self.inherits(pair, heir));
        for pair in pairs.copied().collect::<Vec<_>>() {
            let before = self.known.pair(&pair.own, heir).copied();
            let now = before.map(|before| Pair { relation: pair.relation, ..before });
            let now = now.unwrap_or_else(|| inherited(pair, pair.own, *heir));
            if self.known.set_pair(now, changes).is_ok() && before.is_some() && now.relation == Relation::Contact {
                changes.push(Change::Accepted(*heir));
            }
        }
    }

    /// Whether a pair with the old key makes one with the heir. What the user said of the heir himself counts more.
    fn inherits(&self, pair: &Pair, heir: &ChatKey) -> bool {
        let before = self.known.pair(&pair.own, heir).map(|pair| pair.relation);
        match pair.relation {
            Relation::Contact => before != Some(Relation::Contact),
            Relation::Declined => !self.known.is_contact(heir),
            Relation::Request => before.is_none(),
        }
    }
}

/// A pair in the place of another, in which nobody wrote yet.
const fn inherited(pair: Pair, own: ChatKey, other: ChatKey) -> Pair {
    let asked = if matches!(pair.relation, Relation::Request) { pair.asked } else { 0 };
    Pair { own, other, relation: pair.relation, wrote: 0, answered: 0, heard: 0, asked }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail loudly")]

    use nightjar_core::chain::Network;
    use nightjar_envelope::key::ChatSecret;
    use zeroize::Zeroizing;

    use super::super::state::OwnKey;
    use super::*;
    use crate::store::People;

    const NOW: Wall = Wall(1_800_000_000_000);

    fn secret(number: u32) -> ChatSecret {
        let mut seed = Zeroizing::new([7; 32]);
        seed[..4].copy_from_slice(&number.to_le_bytes());
        ChatSecret::from_seed(&seed)
    }

    fn key(number: u32) -> ChatKey {
        secret(number).public()
    }

    fn raven() -> Name {
        Name::Nick("raven".to_owned())
    }

    fn own(number: u32, heir: Option<u32>) -> OwnKey {
        OwnKey {
            secret: secret(number),
            ended: heir.is_some(),
            heir: heir.map(key),
            default: heir.is_none(),
            nick: None,
        }
    }

    fn pair(own: u32, other: u32, relation: Relation, wrote: u32) -> Pair {
        Pair { own: key(own), other: key(other), relation, wrote, answered: wrote, heard: wrote, asked: 7 }
    }

    /// The first key is ours, the second stands so to us.
    fn with(relation: Relation) -> State {
        let mut state = State::new(Network::Main, People::default(), NOW);
        state.set_own(vec![own(1, None)], Vec::new(), false, NOW);
        state.known.set_pair(pair(1, 2, relation, 9), &mut Vec::new()).unwrap();
        state
    }

    /// What changes when the one goes on as the other.
    fn goes_on(state: &mut State, old: u32, heir: u32) -> Vec<Change> {
        let mut changes = Vec::new();
        state.goes_on(key(old), key(heir), NOW, &mut changes);
        changes
    }

    fn stands(state: &State, other: u32) -> Option<Relation> {
        state.known.pair(&key(1), &key(other)).map(|pair| pair.relation)
    }

    #[test]
    fn the_heir_of_a_contact_is_one_and_has_the_nicks_but_no_account() {
        let mut state = with(Relation::Contact);
        for name in [raven(), Name::Account(1234)] {
            state.pin(&name, key(2), NOW, &mut Vec::new());
        }
        state.remember(&direct(&key(2)), Some(key(1)));
        let changes = goes_on(&mut state, 2, 3);
        assert_eq!((stands(&state, 2), stands(&state, 3)), (Some(Relation::Contact), Some(Relation::Contact)));
        assert_eq!(state.known.pair(&key(1), &key(3)).unwrap().heard, 0, "he does not listen where they talk yet");
        assert_eq!((state.pins.get("raven"), state.pins.get("1234-44")), (Some(&key(3)), Some(&key(2))));
        assert_eq!(state.speaks.get(&direct(&key(3))), Some(&Some(key(1))));
        assert!(changes.iter().any(|change| matches!(change, Change::Heir(..))));
        // He may have no nick yet, or the same; the old one is not meant any more.
        state.known.card(key(2), "crow", 1, NOW, &mut Vec::new());
        assert_eq!(state.person(&Name::Nick("crow".to_owned())).unwrap().unwrap().key, key(3));
        state.known.card(key(3), "crow", 1, NOW, &mut Vec::new());
        assert_eq!(state.person(&Name::Nick("crow".to_owned())).unwrap().unwrap().key, key(3));
        assert!(state.people([key(2), key(3)]).iter().all(|it| it.looks_like.is_none()), "they are one");
        assert!(goes_on(&mut state, 2, 3).is_empty(), "it is told daily");
    }

    #[test]
    fn the_first_word_counts_and_a_second_one_changes_nothing() {
        let mut state = with(Relation::Contact);
        state.pin(&raven(), key(2), NOW, &mut Vec::new());
        goes_on(&mut state, 2, 3);
        assert!(goes_on(&mut state, 2, 4).is_empty(), "who stole the old key");
        assert!(goes_on(&mut state, 3, 2).is_empty(), "nor back");
        assert_eq!((stands(&state, 4), state.pins.get("raven")), (None, Some(&key(3))));
        let kept = [(key(2), key(3)), (key(3), key(2)), (key(2), key(4))];
        let heirs = Heirs::new(kept);
        assert_eq!((heirs.of(&key(2)), heirs.of(&key(3)), heirs.last(key(2))), (Some(key(3)), None, key(3)));
    }

    #[test]
    fn a_chain_leads_to_its_end_in_whatever_order_it_is_heard() {
        for steps in [[(2, 3), (3, 4)], [(3, 4), (2, 3)]] {
            let mut state = with(Relation::Contact);
            // Of the one in the middle the user knows as well.
            state.known.set_pair(pair(1, 3, Relation::Contact, 0), &mut Vec::new()).unwrap();
            state.pin(&raven(), key(2), NOW, &mut Vec::new());
            steps.iter().for_each(|(old, heir)| drop(goes_on(&mut state, *old, *heir)));
            assert_eq!((stands(&state, 4), state.pins.get("raven")), (Some(Relation::Contact), Some(&key(4))));
            assert!(goes_on(&mut state, 4, 2).is_empty(), "a ring is not closed");
            assert_eq!(state.heirs.last(key(2)), key(4));
        }
    }

    #[test]
    fn who_asks_goes_on_asking_and_who_is_declined_stays_so() {
        let mut asks = with(Relation::Request);
        goes_on(&mut asks, 2, 3);
        assert_eq!((stands(&asks, 3), asks.heirs.of(&key(2))), (Some(Relation::Request), None));
        let mut declined = with(Relation::Declined);
        goes_on(&mut declined, 2, 3);
        assert_eq!(stands(&declined, 3), Some(Relation::Declined));
        let mut alone = with(Relation::Contact);
        alone.known.decline(key(4), NOW, &mut Vec::new());
        goes_on(&mut alone, 4, 5);
        assert!(alone.known.is_declined(&key(5)) && alone.heirs.of(&key(4)) == Some(key(5)));
        // What the user said of the heir himself counts more.
        let mut friend = with(Relation::Declined);
        friend.known.set_pair(pair(1, 3, Relation::Contact, 0), &mut Vec::new()).unwrap();
        goes_on(&mut friend, 2, 3);
        assert_eq!(stands(&friend, 3), Some(Relation::Contact));
        let mut enemy = with(Relation::Contact);
        enemy.known.set_pair(pair(1, 3, Relation::Declined, 0), &mut Vec::new()).unwrap();
        assert!(goes_on(&mut enemy, 2, 3).is_empty());
        let mut later = with(Relation::Contact);
        later.known.set_pair(pair(1, 3, Relation::Contact, 0), &mut Vec::new()).unwrap();
        goes_on(&mut later, 3, 4);
        later.known.set_pair(pair(1, 4, Relation::Declined, 0), &mut Vec::new()).unwrap();
        goes_on(&mut later, 2, 3);
        assert_eq!(stands(&later, 4), Some(Relation::Declined), "nor is he heard again by the end of a chain");
        // Whom he asked as a stranger, he writes to as a contact.
        let mut known = with(Relation::Contact);
        known.known.set_pair(pair(1, 3, Relation::Request, 5), &mut Vec::new()).unwrap();
        let changes = goes_on(&mut known, 2, 3);
        assert_eq!(
            (stands(&known, 3), known.known.pair(&key(1), &key(3)).unwrap().heard),
            (Some(Relation::Contact), 5)
        );
        assert!(changes.iter().any(|change| matches!(change, Change::Accepted(of) if *of == key(3))));
    }

    #[test]
    fn of_strangers_and_of_ourselves_nothing_is_remembered() {
        let mut state = with(Relation::Contact);
        for (old, heir) in [(5, 6), (1, 6), (2, 1)] {
            assert!(goes_on(&mut state, old, heir).is_empty());
        }
        assert!(state.heirs.heirs.is_empty());
    }

    #[test]
    fn hand_overs_in_a_row_are_bounded_until_the_user_writes() {
        let mut state = with(Relation::Contact);
        let links = IN_A_ROW_MAX as u32;
        (2..2 + links + 3).for_each(|number| drop(goes_on(&mut state, number, number + 1)));
        assert_eq!(state.heirs.last(key(2)), key(2 + links));
        state.known.set_pair(pair(1, 2 + links, Relation::Contact, 9), &mut Vec::new()).unwrap();
        goes_on(&mut state, 2 + links, 3 + links);
        assert_eq!(stands(&state, 3 + links), Some(Relation::Contact));
    }

    #[test]
    fn where_there_is_no_room_for_the_heir_nothing_changes() {
        for relation in [Relation::Contact, Relation::Declined] {
            let mut state = with(relation);
            state.pin(&raven(), key(2), NOW, &mut Vec::new());
            for number in 0..CONTACTS_MAX as u32 - 1 {
                state.known.set_pair(pair(1, 1000 + number, relation, 1), &mut Vec::new()).unwrap();
            }
            assert!(goes_on(&mut state, 2, 3).is_empty());
            assert_eq!(state.pins.get("raven"), Some(&key(2)));
        }
    }

    #[test]
    fn where_the_list_of_those_declined_is_full_nobody_is_heard_again_for_an_heir() {
        let mut state = with(Relation::Contact);
        (0..DECLINED_MAX as u32).for_each(|number| state.known.decline(key(1000 + number), NOW, &mut Vec::new()));
        assert!(goes_on(&mut state, 1000, 3).is_empty());
        assert!(state.known.is_declined(&key(1001)) && !state.known.is_declined(&key(3)));
    }

    #[test]
    fn heirs_are_bounded_and_those_of_people_whom_nobody_knows_any_more_go() {
        let mut state = with(Relation::Contact);
        let other = key(9);
        // They need not be keys that somebody has: only their number counts.
        let strangers = (0..HEIRS_MAX as u32).map(|number| (key(10_000 + number), other));
        state.heirs = Heirs::new(strangers);
        assert_eq!(state.heirs.heirs.len(), HEIRS_MAX);
        let changes = goes_on(&mut state, 2, 3);
        assert_eq!(state.heirs.heirs.len(), 1);
        assert_eq!(changes.iter().filter(|change| matches!(change, Change::NoHeir(_))).count(), HEIRS_MAX);
    }

    #[test]
    fn the_heir_of_a_key_of_ours_speaks_in_its_place_to_its_contacts() {
        let mut state = with(Relation::Contact);
        state.known.set_pair(pair(1, 5, Relation::Request, 9), &mut Vec::new()).unwrap();
        state.set_own(vec![own(1, Some(8)), own(8, Some(9)), own(9, None)], Vec::new(), false, NOW);
        state.hand_on_contacts(&mut Vec::new());
        assert_eq!(state.in_place_of(key(1)), key(9));
        let relation = |own: u32, other: u32| state.known.pair(&key(own), &key(other)).map(|pair| pair.relation);
        assert_eq!((relation(9, 2), relation(9, 5)), (Some(Relation::Contact), None));
        // Files brought together may hold a ring, or name an heir who is elsewhere.
        state.set_own(vec![own(1, Some(8)), own(8, Some(1)), own(9, Some(20))], Vec::new(), false, NOW);
        assert_eq!((state.in_place_of(key(9)), state.in_place_of(key(20))), (key(9), key(20)));
        assert!([key(1), key(8)].contains(&state.in_place_of(key(1))));
    }
}
