//! Who was heard of, who may speak for an account, who talks with whom: bounded, and changed row by row. Every change that is
//! made here comes out as a [`Change`] for the store.

use std::collections::{BTreeMap, BTreeSet};

use nightjar_core::time::Wall;
use nightjar_envelope::delegation::{Checked, Delegation};
use nightjar_envelope::key::ChatKey;

use super::proofs::Proofs;
use crate::chain::standing::{Standing, is_in_force};
use crate::message::Speaker;
use crate::store::{Change, Pair, Proof, Relation};

/// People who are remembered: a few hundred bytes each. Those worth least go first, and of them those not heard of for longest.
pub const SPEAKERS_MAX: usize = 16_384;
/// How many go in one turn when there are too many, so that not every newcomer costs a look at all.
const SPEAKERS_DROPPED: usize = 1_024;
/// Chat keys of one account that count as somebody's: whoever owns one can let any number of keys speak for it.
const KEYS_PER_ACCOUNT_MAX: usize = 8;
/// Who was heard over such a time is more than a key that was made for a flood.
const REGULAR_MS: u64 = 24 * 3_600_000;
/// Pairs that strangers made by writing to us. Those worth least go first, and of them the one silent longest.
pub const REQUESTS_MAX: usize = 1_024;
/// Pairs with people we wrote to or accepted. Each is listened for under the targets of nine days.
pub const CONTACTS_MAX: usize = 4_096;
/// Pairs with people whom we do not want to hear; and as many others.
pub(super) const DECLINED_MAX: usize = CONTACTS_MAX;
/// All pairs.
const PAIRS_MAX: usize = CONTACTS_MAX + REQUESTS_MAX + DECLINED_MAX;
/// "Last heard" is written down no more often than this.
const HEARD_MS: u64 = 3_600_000;

/// Everybody this node knows of.
#[derive(Debug, Default)]
pub(super) struct Known {
    speakers: BTreeMap<ChatKey, Speaker>,
    /// Keys of this node.
    own: BTreeSet<ChatKey>,
    proofs: Proofs,
    /// By the other's key: of every record it is asked whether its author is to be heard.
    pairs: BTreeMap<ChatKey, Vec<Pair>>,
    /// Those not to be heard whom no pair is about, and since when.
    declined: BTreeMap<ChatKey, Wall>,
    /// Pairs that came, went, or stand otherwise since it was last asked: ours and the other's key.
    changed: BTreeSet<(ChatKey, ChatKey)>,
}

/// When something came, and by when it was said at the latest: the same, but for what came late.
#[derive(Clone, Copy, Debug)]
pub(super) struct When {
    pub(super) came: Wall,
    pub(super) said: Wall,
}

impl When {
    /// When a message of this kind was last said, in Unix seconds, if it was at `before` so far. What comes late does not undo what
    /// came before it.
    pub(super) fn last_s(self, before: u32) -> u32 {
        let said = self.said.unix_s();
        if self.said < self.came { said.max(before) } else { said }
    }
}

impl From<Wall> for When {
    fn from(now: Wall) -> Self {
        Self { came: now, said: now }
    }
}

/// There is no room for one more contact.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{CONTACTS_MAX} people are contacts, and that is the most: `requests decline` one whom you do not write to")]
pub struct TooManyContacts;

impl Known {
    pub(super) fn new(
        speakers: Vec<Speaker>,
        proofs: Proofs,
        pairs: Vec<Pair>,
        declined: Vec<(ChatKey, Wall)>,
    ) -> Self {
        let speakers = speakers.into_iter().take(SPEAKERS_MAX).map(|speaker| (speaker.key, speaker)).collect();
        let declined = declined.into_iter().take(DECLINED_MAX).collect();
        let mut known = Self { speakers, proofs, declined, ..Self::default() };
        for pair in pairs.into_iter().take(PAIRS_MAX) {
            known.pairs.entry(pair.other).or_default().push(pair);
        }
        known
    }

    pub(super) fn speaker(&self, key: &ChatKey) -> Option<&Speaker> {
        self.speakers.get(key)
    }

    /// Those who call themselves so: contacts, then those whose account is the surest, then those heard last.
    pub(super) fn called(&self, nick: &str) -> Vec<&Speaker> {
        let mut found: Vec<_> =
            self.speakers.values().filter(|speaker| speaker.nick.as_deref() == Some(nick)).collect();
        found.sort_by_cached_key(|speaker| {
            (!self.is_contact(&speaker.key), rank(speaker.standing), std::cmp::Reverse(speaker.heard))
        });
        found
    }

    /// Those who claim an account, the proven first.
    pub(super) fn claiming(&self, account: u32) -> Vec<&Speaker> {
        let mut found: Vec<_> = self.speakers.values().filter(|speaker| speaker.account == Some(account)).collect();
        found.sort_by_key(|speaker| (rank(speaker.standing), std::cmp::Reverse(speaker.heard)));
        found
    }

    /// Those whose key begins with these hex digits.
    pub(super) fn with_key(&self, digits: &str) -> Vec<&Speaker> {
        self.speakers.values().filter(|speaker| speaker.key.to_string().starts_with(digits)).collect()
    }

    /// How we stand with somebody, by each of our keys that is concerned.
    pub(super) fn pairs_with(&self, other: &ChatKey) -> &[Pair] {
        self.pairs.get(other).map_or(&[], Vec::as_slice)
    }

    pub(super) fn is_contact(&self, other: &ChatKey) -> bool {
        self.pairs_with(other).iter().any(|pair| pair.relation == Relation::Contact)
    }

    pub(super) fn is_declined(&self, other: &ChatKey) -> bool {
        self.declined.contains_key(other)
            || self.pairs_with(other).iter().any(|pair| pair.relation == Relation::Declined)
    }

    /// How we stand to somebody.
    pub(super) fn relation(&self, other: &ChatKey) -> Option<Relation> {
        if self.is_declined(other) {
            return Some(Relation::Declined);
        }
        if self.is_contact(other) {
            return Some(Relation::Contact);
        }
        self.pairs_with(other).first().map(|pair| pair.relation)
    }

    /// Somebody is not to be heard with whom none of our keys has to do. That takes no key of ours.
    pub(super) fn decline(&mut self, other: ChatKey, now: Wall, changes: &mut Vec<Change>) {
        if self.declined.len() >= DECLINED_MAX
            && !self.declined.contains_key(&other)
            && let Some(oldest) = self.declined.iter().min_by_key(|(_, when)| **when).map(|(key, _)| *key)
        {
            self.declined.remove(&oldest);
            changes.push(Change::NotDeclined(oldest));
        }
        self.declined.insert(other, now);
        changes.push(Change::Declined(other, now));
    }

    /// Those not to be heard.
    pub(super) fn all_declined(&self) -> BTreeSet<ChatKey> {
        let in_pairs = self.pairs().filter(|pair| pair.relation == Relation::Declined).map(|pair| pair.other);
        in_pairs.chain(self.declined.keys().copied()).collect()
    }

    /// Somebody is not to be heard, whichever of our keys has to do with him.
    pub(super) fn hear_no_more(&mut self, other: ChatKey, now: Wall, changes: &mut Vec<Change>) {
        let pairs = self.pairs_with(&other).to_vec();
        if pairs.is_empty() {
            self.decline(other, now, changes);
        }
        self.relate(pairs, Relation::Declined, changes);
    }

    /// One who was declined is a stranger again. Says whether he was.
    pub(super) fn hear_again(&mut self, other: &ChatKey, changes: &mut Vec<Change>) -> bool {
        let was = self.is_declined(other);
        if self.declined.remove(other).is_some() {
            changes.push(Change::NotDeclined(*other));
        }
        let declined = self.pairs_with(other).iter().filter(|pair| pair.relation == Relation::Declined);
        self.relate(declined.copied().collect(), Relation::Request, changes);
        was
    }

    /// There is always room for one more who is no contact: another goes.
    fn relate(&mut self, pairs: Vec<Pair>, relation: Relation, changes: &mut Vec<Change>) {
        for pair in pairs {
            self.set_pair(Pair { relation, ..pair }, changes).unwrap_or(());
        }
    }

    pub(super) fn pairs(&self) -> impl Iterator<Item = &Pair> {
        self.pairs.values().flatten()
    }

    pub(super) fn pair(&self, own: &ChatKey, other: &ChatKey) -> Option<&Pair> {
        self.pairs_with(other).iter().find(|pair| pair.own == *own)
    }

    /// Pairs of our keys and others' that came, went, or stand otherwise since the last call.
    pub(super) fn take_changed(&mut self) -> BTreeSet<(ChatKey, ChatKey)> {
        std::mem::take(&mut self.changed)
    }

    /// Something signed by this key came.
    pub(super) fn heard(&mut self, key: ChatKey, when: impl Into<When>, changes: &mut Vec<Change>) -> &Speaker {
        let When { came, said } = when.into();
        if !self.speakers.contains_key(&key) {
            self.make_room_for_speaker(changes);
        }
        // The date of what comes late is its author's word alone: nobody becomes known for long by it.
        let speaker = self.speakers.entry(key).or_insert_with(|| Speaker::new(key, came));
        if said.0 >= speaker.heard.0.saturating_add(HEARD_MS) || speaker.heard == Wall(0) {
            speaker.heard = said;
            changes.push(Change::Speaker(speaker.clone()));
        }
        speaker
    }

    /// What somebody calls himself: the last word counts, by his own clock.
    pub(super) fn card(
        &mut self,
        key: ChatKey,
        nick: &str,
        time_ms: u64,
        when: impl Into<When>,
        changes: &mut Vec<Change>,
    ) {
        self.heard(key, when, changes);
        let Some(speaker) = self.speakers.get_mut(&key) else { return };
        if speaker.nick.is_some() && time_ms <= speaker.nick_ms {
            return;
        }
        let is_new = speaker.nick.as_deref() != Some(nick);
        speaker.nick = Some(nick.to_owned());
        speaker.nick_ms = time_ms;
        if is_new {
            changes.push(Change::Speaker(speaker.clone()));
        }
    }

    /// What one of our own keys calls itself.
    pub(super) fn call(&mut self, key: ChatKey, nick: Option<String>, now: Wall, changes: &mut Vec<Change>) {
        self.heard(key, now, changes);
        if let Some(speaker) = self.speakers.get_mut(&key)
            && speaker.nick != nick
        {
            speaker.nick = nick;
            speaker.nick_ms = now.0;
            changes.push(Change::Speaker(speaker.clone()));
        }
    }

    /// A delegation, or the end of one, that is well signed. Says whether it counts for anything that was not known.
    pub(super) fn proof(&mut self, checked: &Checked, own: bool, now: Wall, changes: &mut Vec<Change>) -> bool {
        if !self.proofs.take(checked, own, now, changes) {
            return false;
        }
        let (key, account) = (checked.claim.chat_key, checked.claim.account);
        // What was ended is over whatever the chain says, unless another key of the account claims it for the same chat key.
        if checked.is_end() && !self.proofs.claimed_by(&key).any(|claim| claim.account == account) {
            let was = self.speaker(&key).filter(|speaker| speaker.account == Some(account)).map(|it| it.standing);
            let said = match was {
                Some(Standing::Proven | Standing::ProvenByPeers | Standing::Lapsed) => Standing::Lapsed,
                _ if self.proofs.was_matched(checked) => Standing::Lapsed,
                _ => Standing::Claimed,
            };
            self.judge(key, account, said, &("whoever signed the proof ended it".to_owned(), 0), now, changes);
        }
        true
    }

    /// Delegations and ends of them.
    pub(super) const fn proofs(&self) -> &Proofs {
        &self.proofs
    }

    /// A delegation's point was seen to be the account's key.
    pub(super) fn matched(&mut self, proof: &Proof, changes: &mut Vec<Change>) {
        self.proofs.matched(proof, changes);
    }

    /// These are the keys of this node: they are never forgotten.
    pub(super) fn set_own(&mut self, own: impl IntoIterator<Item = ChatKey>) {
        self.own = own.into_iter().collect();
    }

    /// Somebody claims an account, and nobody was asked yet.
    pub(super) fn claims(&mut self, key: ChatKey, account: u32, changes: &mut Vec<Change>) {
        let Some(speaker) = self.speakers.get_mut(&key) else { return };
        if rank(speaker.standing) > rank(Standing::Unchecked) {
            speaker.account = Some(account);
            speaker.standing = Standing::Unchecked;
            changes.push(Change::Speaker(speaker.clone()));
        }
    }

    /// What the chain says of somebody and an account that he claims. Of several accounts the one counts that says most for him.
    pub(super) fn judge(
        &mut self,
        key: ChatKey,
        account: u32,
        standing: Standing,
        (source, block): &(String, u32),
        now: Wall,
        changes: &mut Vec<Change>,
    ) {
        let Some(speaker) = self.speakers.get_mut(&key) else { return };
        if speaker.account != Some(account) && rank(standing) >= rank(speaker.standing) {
            return;
        }
        speaker.account = Some(account);
        speaker.standing = standing;
        speaker.source = source.clone();
        speaker.block = *block;
        speaker.looked = now;
        changes.push(Change::Speaker(speaker.clone()));
    }

    /// How somebody stood to his account when he said something, as far as that can be known. The chain says what is now: that counts
    /// for what came late if his delegation was in force when it was said. Of what has run out since then nobody can say any more how it
    /// was.
    pub(super) fn standing(&self, key: &ChatKey, When { came, said }: When) -> Standing {
        let Some(speaker) = self.speaker(key) else { return Standing::Claimed };
        if said == came {
            return speaker.standing;
        }
        let claims = self.proofs.claimed_by(key).filter(|proof| Some(proof.account) == speaker.account);
        let mut claims = claims.filter_map(|proof| Delegation::parse(&proof.bytes).ok());
        match speaker.standing {
            Standing::Proven | Standing::ProvenByPeers if !claims.any(|claim| is_in_force(&claim, said)) => {
                Standing::Unchecked
            }
            Standing::Lapsed if claims.any(|claim| is_in_force(&claim, said) && !is_in_force(&claim, came)) => {
                Standing::Unchecked
            }
            standing => standing,
        }
    }

    /// Changes a pair, or makes it.
    pub(super) fn set_pair(&mut self, pair: Pair, changes: &mut Vec<Change>) -> Result<(), TooManyContacts> {
        let is_new = self.pair(&pair.own, &pair.other).is_none_or(|old| old.relation != pair.relation);
        if is_new {
            self.make_room_for_pair(pair.relation, changes)?;
            self.changed.insert((pair.own, pair.other));
        }
        if pair.relation == Relation::Contact {
            self.decline_no_more(&pair, changes);
        }
        changes.push(Change::Pair(pair));
        let with = self.pairs.entry(pair.other).or_default();
        with.retain(|other| other.own != pair.own);
        with.push(pair);
        Ok(())
    }

    /// Who is a contact of one of our keys is to be heard, whichever of them had declined him.
    fn decline_no_more(&mut self, contact: &Pair, changes: &mut Vec<Change>) {
        let Pair { own, other, .. } = contact;
        if self.declined.remove(other).is_some() {
            changes.push(Change::NotDeclined(*other));
        }
        let Some(with) = self.pairs.get_mut(other) else { return };
        for gone in with.extract_if(.., |pair| pair.relation == Relation::Declined && pair.own != *own) {
            self.changed.insert((gone.own, gone.other));
            changes.push(Change::NoPair(gone.own, gone.other));
        }
    }

    /// Whether one more can be declined without a pair, and nobody else be heard again for it.
    pub(super) fn has_room_for_declined(&self) -> bool {
        self.declined.len() < DECLINED_MAX
    }

    /// For how many more pairs of this kind there is room.
    pub(super) fn room_for(&self, relation: Relation) -> usize {
        most_of(relation).saturating_sub(self.pairs().filter(|pair| pair.relation == relation).count())
    }

    /// Of too many one is forgotten, but of contacts, who are the user's choice: there is no room for one more.
    fn make_room_for_pair(&mut self, relation: Relation, changes: &mut Vec<Change>) -> Result<(), TooManyContacts> {
        let alike: Vec<&Pair> = self.pairs().filter(|pair| pair.relation == relation).collect();
        if alike.len() < most_of(relation) {
            return Ok(());
        }
        if relation == Relation::Contact {
            return Err(TooManyContacts);
        }
        let shown = self.shown(alike.iter().map(|pair| pair.other));
        let last = |pair: &Pair| pair.heard.max(pair.answered).max(pair.asked);
        let silent = alike.into_iter().min_by_key(|pair| (self.worth(&pair.other, &shown), last(pair)));
        let Some(Pair { own, other, .. }) = silent.copied() else { return Ok(()) };
        if let Some(with) = self.pairs.get_mut(&other) {
            with.retain(|pair| pair.own != own);
            if with.is_empty() {
                self.pairs.remove(&other);
            }
        }
        self.changed.insert((own, other));
        changes.push(Change::NoPair(own, other));
        Ok(())
    }

    /// Of those nobody has to do with some go. Those who showed an account go only when there is nobody else.
    fn make_room_for_speaker(&mut self, changes: &mut Vec<Change>) {
        if self.speakers.len() < SPEAKERS_MAX {
            return;
        }
        let is_stranger = |key: &&ChatKey| self.relation(key).is_none() && !self.own.contains(key);
        let strangers = || self.speakers.keys().filter(is_stranger).copied();
        let shown = self.shown(strangers());
        let heard = |key: &ChatKey| self.speaker(key).map(|speaker| speaker.heard);
        let mut silent: Vec<_> = strangers().map(|key| (self.worth(&key, &shown), heard(&key), key)).collect();
        silent.sort_unstable();
        let fresh = silent.iter().take_while(|(worth, ..)| *worth < Worth::Shown).count();
        silent.truncate(fresh.clamp(1, SPEAKERS_DROPPED));
        for (.., key) in silent {
            self.speakers.remove(&key);
            changes.push(Change::NoSpeaker(key));
        }
    }

    /// Those of these people who ever proved an account. Of many by one account those count who are known longest.
    fn shown(&self, people: impl Iterator<Item = ChatKey>) -> BTreeSet<ChatKey> {
        let shown = people.filter_map(|key| {
            let speaker = self.speaker(&key)?;
            let has = matches!(speaker.standing, Standing::Proven | Standing::ProvenByPeers | Standing::Lapsed);
            Some((speaker.account.filter(|_| has)?, speaker.first, key))
        });
        let shown: BTreeSet<_> = shown.collect();
        let mut of_account = BTreeMap::new();
        let counts = shown.into_iter().filter_map(|(account, _, key)| {
            let many: &mut usize = of_account.entry(account).or_default();
            *many += 1;
            (*many <= KEYS_PER_ACCOUNT_MAX).then_some(key)
        });
        counts.collect()
    }

    fn worth(&self, key: &ChatKey, shown: &BTreeSet<ChatKey>) -> Worth {
        let known_ms = self.speaker(key).map_or(0, |speaker| speaker.heard.0.saturating_sub(speaker.first.0));
        if shown.contains(key) {
            Worth::Shown
        } else if known_ms >= REGULAR_MS {
            Worth::Regular
        } else {
            Worth::Fresh
        }
    }
}

/// What speaks for remembering a stranger rather than another, the least first. Keys cost nothing; time and accounts do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Worth {
    /// Nothing does.
    Fresh,
    /// He was heard over a day at least.
    Regular,
    /// He once proved an account.
    Shown,
}

/// Pairs of one kind.
const fn most_of(relation: Relation) -> usize {
    match relation {
        Relation::Contact => CONTACTS_MAX,
        Relation::Request => REQUESTS_MAX,
        // A list of those not wanted has a bound as well.
        Relation::Declined => DECLINED_MAX,
    }
}

/// The best first.
pub(super) const fn rank(standing: Standing) -> u8 {
    match standing {
        Standing::Proven => 0,
        Standing::ProvenByPeers => 1,
        Standing::Unchecked => 2,
        Standing::Disputed => 3,
        Standing::Lapsed => 4,
        Standing::Claimed => 5,
        Standing::Anonymous => 6,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail loudly")]

    use nightjar_envelope::delegation::Scope;
    use nightjar_envelope::key::ChatSecret;
    use zeroize::Zeroizing;

    use super::super::proofs::tests::checked;

    use super::*;

    fn key(number: u32) -> ChatKey {
        let mut seed = Zeroizing::new([0; 32]);
        seed[..4].copy_from_slice(&number.to_le_bytes());
        ChatSecret::from_seed(&seed).public()
    }

    fn pair(other: u32, relation: Relation, heard: u32) -> Pair {
        Pair { own: key(0), other: key(other), relation, wrote: 0, answered: 0, heard, asked: 0 }
    }

    #[test]
    fn what_the_chain_says_now_counts_for_what_came_late_if_the_delegation_was_in_force_then() {
        const ISSUED: u32 = 1_795_000_000;
        let at = |s: u32| Wall(u64::from(s) * 1000);
        let stands = |standing: Standing, said: u32, came: u32| {
            let (mut known, mut changes) = (Known::default(), Vec::new());
            known.heard(key(1), at(ISSUED), &mut changes);
            assert!(known.proof(&checked(7, key(1), 1234, ISSUED, Scope::SPEAK), false, at(ISSUED), &mut changes));
            known.judge(key(1), 1234, standing, &(String::new(), 1), at(came), &mut changes);
            known.standing(&key(1), When { came: at(came), said: at(said) })
        };
        let (day, life) = (86_400, nightjar_envelope::delegation::LIFE_S_MAX);
        assert_eq!(stands(Standing::Proven, ISSUED + day, ISSUED + 3 * day), Standing::Proven);
        assert_eq!(stands(Standing::ProvenByPeers, ISSUED + day, ISSUED + day), Standing::ProvenByPeers, "not late");
        assert_eq!(stands(Standing::Proven, ISSUED - day, ISSUED + day), Standing::Unchecked, "issued after that");
        assert_eq!(stands(Standing::Lapsed, ISSUED + day, ISSUED + 3 * day), Standing::Lapsed, "the account was sold");
        let (before, after) = (ISSUED + life - 3 * day, ISSUED + life + day);
        assert_eq!(stands(Standing::Lapsed, before, after), Standing::Unchecked, "it has run out since");
        assert_eq!(stands(Standing::Lapsed, after - 3_600, after), Standing::Lapsed, "it had run out");
        assert_eq!(stands(Standing::Claimed, ISSUED + day, after), Standing::Claimed);
    }

    #[test]
    fn of_too_many_requests_the_one_silent_longest_goes_and_contacts_stay() {
        let mut known = Known::default();
        let mut changes = Vec::new();
        known.set_pair(pair(1, Relation::Contact, 0), &mut changes).unwrap();
        for number in 0..=REQUESTS_MAX as u32 {
            known.set_pair(pair(2 + number, Relation::Request, 100 + number), &mut changes).unwrap();
        }
        let requests = known.pairs().filter(|pair| pair.relation == Relation::Request).count();
        assert_eq!(requests, REQUESTS_MAX);
        assert!(known.pair(&key(0), &key(2)).is_none() && known.pair(&key(0), &key(3)).is_some());
        assert!(known.is_contact(&key(1)));
        let gone = changes.iter().filter(|change| matches!(change, Change::NoPair(..))).count();
        assert_eq!(gone, 1);
    }

    #[test]
    fn contacts_are_bounded_and_the_one_too_many_is_refused() {
        let mut known = Known::default();
        let mut changes = Vec::new();
        for number in 0..CONTACTS_MAX as u32 {
            known.set_pair(pair(1 + number, Relation::Contact, 0), &mut changes).unwrap();
        }
        let one_more = pair(u32::MAX, Relation::Contact, 0);
        assert_eq!(known.set_pair(one_more, &mut changes), Err(TooManyContacts));
        // One that is there may change.
        known.set_pair(pair(1, Relation::Contact, 9), &mut changes).unwrap();
    }

    #[test]
    fn who_is_declined_in_whatever_way_can_be_heard_again() {
        let mut known = Known::default();
        let mut changes = Vec::new();
        known.set_pair(pair(1, Relation::Contact, 0), &mut changes).unwrap();
        for number in [1, 2] {
            known.hear_no_more(key(number), Wall(1), &mut changes);
        }
        assert_eq!(known.all_declined(), [key(1), key(2)].into());
        for number in [1, 2] {
            assert!(known.hear_again(&key(number), &mut changes), "{number}");
            assert!(!known.hear_again(&key(number), &mut changes), "{number}");
        }
        assert_eq!((known.relation(&key(1)), known.relation(&key(2))), (Some(Relation::Request), None));
        assert!(known.all_declined().is_empty());
    }

    #[test]
    fn who_is_declined_without_a_key_of_ours_is_bounded_and_heard_again_as_a_contact() {
        let mut known = Known::default();
        let mut changes = Vec::new();
        for number in 0..=DECLINED_MAX as u32 {
            known.decline(key(1 + number), Wall(u64::from(number)), &mut changes);
        }
        assert_eq!(known.declined.len(), DECLINED_MAX);
        assert!(!known.is_declined(&key(1)) && known.is_declined(&key(2)));
        assert_eq!(known.relation(&key(2)), Some(Relation::Declined));
        // One key of ours declined him, and another writes to him.
        known.set_pair(Pair { own: key(9), ..pair(2, Relation::Declined, 0) }, &mut changes).unwrap();
        known.set_pair(pair(2, Relation::Contact, 0), &mut changes).unwrap();
        assert_eq!(known.relation(&key(2)), Some(Relation::Contact));
        assert!(!known.is_declined(&key(2)));
    }

    #[test]
    fn people_are_bounded_and_those_silent_longest_go() {
        let mut known = Known::default();
        let mut changes = Vec::new();
        known.set_pair(pair(0, Relation::Contact, 0), &mut changes).unwrap();
        for number in 0..SPEAKERS_MAX as u32 {
            known.heard(key(number), Wall(1 + u64::from(number)), &mut changes);
        }
        known.heard(key(u32::MAX), Wall(1_000_000), &mut changes);
        assert_eq!(known.speakers.len(), SPEAKERS_MAX - SPEAKERS_DROPPED + 1);
        assert!(known.speaker(&key(0)).is_some(), "a contact stays");
        assert!(known.speaker(&key(1)).is_none() && known.speaker(&key(SPEAKERS_MAX as u32 - 1)).is_some());
    }

    #[test]
    fn who_ends_a_proof_lapses_at_once_if_the_chain_once_confirmed_it() {
        let source = (String::new(), 7);
        for (confirmed, said) in [(true, Standing::Lapsed), (false, Standing::Claimed)] {
            let mut known = Known::default();
            let mut changes = Vec::new();
            known.heard(key(1), Wall(1), &mut changes);
            let claim = checked(1, key(1), 7, 1_795_000_000, Scope::SPEAK);
            assert!(known.proof(&claim, false, Wall(1), &mut changes));
            known.claims(key(1), 7, &mut changes);
            assert_eq!(known.claiming(7)[0].standing, Standing::Unchecked);
            if confirmed {
                known.judge(key(1), 7, Standing::Proven, &source, Wall(2), &mut changes);
            }
            // Another account key ended what it never signed.
            let strange = checked(2, key(1), 7, 1_795_600_000, Scope::NOTHING);
            assert!(!known.proof(&strange, false, Wall(3), &mut changes));
            assert_ne!(known.claiming(7)[0].standing, said);
            let end = checked(1, key(1), 7, 1_795_500_000, Scope::NOTHING);
            assert!(known.proof(&end, false, Wall(3), &mut changes));
            assert_eq!(known.claiming(7)[0].standing, said);
        }
    }

    #[test]
    fn a_request_in_clear_has_its_turn_and_one_with_an_account_goes_last() {
        let mut known = Known::default();
        let mut changes = Vec::new();
        let asked = |other, asked| Pair { asked, ..pair(other, Relation::Request, 0) };
        known.heard(key(1), Wall(1), &mut changes);
        known.judge(key(1), 7, Standing::Proven, &(String::new(), 7), Wall(1), &mut changes);
        known.set_pair(asked(1, 1), &mut changes).unwrap();
        known.set_pair(asked(2, 5_000_000), &mut changes).unwrap();
        for number in 0..REQUESTS_MAX as u32 {
            known.set_pair(pair(3 + number, Relation::Request, 100 + number), &mut changes).unwrap();
        }
        assert!(known.pair(&key(0), &key(1)).is_some(), "it is somebody");
        assert!(known.pair(&key(0), &key(2)).is_some(), "it asked last");
        assert!(known.pair(&key(0), &key(3)).is_none() && known.pair(&key(0), &key(4)).is_none());
    }

    #[test]
    fn who_was_heard_on_another_day_outlasts_fresh_keys_and_one_account_is_worth_few_of_them() {
        let day = |days: u64| Wall(1_700_000_000_000 + days * REGULAR_MS);
        let mut known = Known::default();
        let mut changes = Vec::new();
        let asks = |known: &mut Known, number, heard| {
            known.heard(key(number), day(1), &mut Vec::new());
            known.set_pair(pair(number, Relation::Request, heard), &mut Vec::new()).unwrap();
        };
        // One was heard yesterday, in whatever place, and asks first.
        known.heard(key(1), day(0), &mut changes);
        asks(&mut known, 1, 1);
        // Then all the keys of one account, then keys of nobody.
        let of_account = 10..10 + 2 * KEYS_PER_ACCOUNT_MAX as u32;
        for number in of_account.clone() {
            known.heard(key(number), Wall(day(1).0 - u64::from(100 - number)), &mut changes);
            known.judge(key(number), 7, Standing::Proven, &(String::new(), 7), day(1), &mut changes);
            asks(&mut known, number, 2);
        }
        (100..100 + REQUESTS_MAX as u32).for_each(|number| asks(&mut known, number, number));
        assert!(known.pair(&key(0), &key(1)).is_some());
        let left: Vec<u32> = of_account.filter(|number| known.pair(&key(0), &key(*number)).is_some()).collect();
        assert_eq!(left, (10..10 + KEYS_PER_ACCOUNT_MAX as u32).collect::<Vec<_>>());

        // The same for who is remembered at all.
        let mut known = Known::default();
        known.heard(key(1), day(0), &mut changes);
        known.heard(key(1), day(1), &mut changes);
        for number in 2..2 + SPEAKERS_MAX as u32 {
            known.heard(key(number), day(2), &mut changes);
        }
        assert!(known.speaker(&key(1)).is_some());
        assert!(known.speakers.len() <= SPEAKERS_MAX);
    }

    #[test]
    fn a_flood_of_cards_pushes_out_neither_ourselves_nor_who_showed_an_account() {
        let mut known = Known::default();
        let mut changes = Vec::new();
        known.set_own([key(0)]);
        for number in 0..SPEAKERS_MAX as u32 {
            known.heard(key(number), Wall(1 + u64::from(number)), &mut changes);
        }
        known.judge(key(1), 7, Standing::Lapsed, &(String::new(), 7), Wall(1), &mut changes);
        known.heard(key(u32::MAX), Wall(1_000_000), &mut changes);
        assert!(known.speaker(&key(0)).is_some() && known.speaker(&key(1)).is_some());
        assert!(known.speaker(&key(2)).is_none());
    }

    #[test]
    fn a_card_counts_by_the_time_of_its_author() {
        let mut known = Known::default();
        let mut changes = Vec::new();
        known.card(key(1), "raven", 10, Wall(1), &mut changes);
        known.card(key(1), "crow", 9, Wall(2), &mut changes);
        assert_eq!(known.called("raven").len(), 1);
        known.card(key(1), "crow", 11, Wall(2), &mut changes);
        assert_eq!((known.called("raven").len(), known.called("crow").len()), (0, 1));
    }
}
