//! Who was heard of, who may speak for an account, who talks with whom: bounded, and changed row by row. Every change that is
//! made here comes out as a [`Change`] for the store.

use std::collections::{BTreeMap, BTreeSet};

use nightjar_core::time::Wall;
use nightjar_envelope::delegation::{Checked, Delegation};
use nightjar_envelope::key::ChatKey;

use crate::chain::standing::Standing;
use crate::message::Speaker;
use crate::store::{Change, Pair, Proof, Relation};

/// People who are remembered: a few hundred bytes each. Those not heard of for longest go first.
pub const SPEAKERS_MAX: usize = 16_384;
/// How many go in one turn when there are too many, so that not every newcomer costs a look at all.
const SPEAKERS_DROPPED: usize = 1_024;
/// Delegations that are remembered, over all authors.
pub const PROOFS_MAX: usize = 16_384;
/// Accounts one chat key may claim: nobody speaks for more than a few, and each claim costs questions to the chain.
pub const PROOFS_PER_KEY_MAX: usize = 8;
/// Pairs that strangers made by writing to us; the one silent longest goes first.
pub const REQUESTS_MAX: usize = 1_024;
/// Pairs with people we wrote to or accepted. Each is listened for under the targets of nine days.
pub const CONTACTS_MAX: usize = 4_096;
/// Pairs with people whom we do not want to hear.
const DECLINED_MAX: usize = CONTACTS_MAX;
/// All pairs.
const PAIRS_MAX: usize = CONTACTS_MAX + REQUESTS_MAX + DECLINED_MAX;
/// "Last heard" is written down no more often than this.
const HEARD_MS: u64 = 3_600_000;

/// Everybody this node knows of.
#[derive(Debug, Default)]
pub(super) struct Known {
    speakers: BTreeMap<ChatKey, Speaker>,
    proofs: BTreeMap<ProofKey, Proof>,
    /// By the other's key: of every record it is asked whether its author is to be heard.
    pairs: BTreeMap<ChatKey, Vec<Pair>>,
    /// Pairs that came, went, or stand otherwise since it was last asked: ours and the other's key.
    changed: BTreeSet<(ChatKey, ChatKey)>,
}

/// The chat key first: what one key claims stands together.
type ProofKey = (ChatKey, u32, Vec<u8>);

/// There is no room for one more contact.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{CONTACTS_MAX} people are contacts, and that is the most: `requests decline` one whom you do not write to")]
pub struct TooManyContacts;

impl Known {
    pub(super) fn new(speakers: Vec<Speaker>, proofs: Vec<Proof>, pairs: Vec<Pair>) -> Self {
        let speakers = speakers.into_iter().take(SPEAKERS_MAX).map(|speaker| (speaker.key, speaker)).collect();
        let proofs = proofs.into_iter().take(PROOFS_MAX).map(|proof| (proof_key(&proof), proof)).collect();
        let mut known = Self { speakers, proofs, ..Self::default() };
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
        self.pairs_with(other).iter().any(|pair| pair.relation == Relation::Declined)
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
    pub(super) fn heard(&mut self, key: ChatKey, now: Wall, changes: &mut Vec<Change>) -> &Speaker {
        if !self.speakers.contains_key(&key) {
            self.make_room_for_speaker(changes);
        }
        let speaker = self.speakers.entry(key).or_insert_with(|| Speaker {
            key,
            nick: None,
            nick_ms: 0,
            account: None,
            standing: Standing::Claimed,
            source: String::new(),
            block: 0,
            looked: Wall(0),
            heard: Wall(0),
        });
        if now.0 >= speaker.heard.0.saturating_add(HEARD_MS) || speaker.heard == Wall(0) {
            speaker.heard = now;
            changes.push(Change::Speaker(speaker.clone()));
        }
        speaker
    }

    /// What somebody calls himself: the last word counts, by his own clock.
    pub(super) fn card(&mut self, key: ChatKey, nick: &str, time_ms: u64, now: Wall, changes: &mut Vec<Change>) {
        self.heard(key, now, changes);
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
        let key = (checked.claim.chat_key, checked.claim.account, checked.point.clone());
        let old = self.proofs.get(&key);
        let old = old.and_then(|old| Some((Delegation::parse(&old.bytes).ok()?, old.matched, old.own)));
        let (matched, was_own) = match old {
            Some((known, ..)) if checked.precedence() <= known.precedence() => return false,
            Some((_, matched, own)) => (matched, own),
            None if !self.make_room_for_proof(&key.0, changes) => return false,
            None => (false, false),
        };
        let (chat_key, account, point) = key.clone();
        let bytes = checked.bytes.clone();
        let proof = Proof { account, key: chat_key, point, bytes, matched, own: own || was_own, received: now };
        changes.push(Change::Proof(proof.clone()));
        self.proofs.insert(key, proof);
        true
    }

    /// The delegations of one chat key.
    pub(super) fn proofs_of(&self, key: &ChatKey) -> impl Iterator<Item = &Proof> {
        self.proofs.range((*key, 0, Vec::new())..).take_while(move |((of, ..), _)| of == key).map(|(_, proof)| proof)
    }

    pub(super) fn last_issued(&self, account: u32, key: &ChatKey) -> Option<u32> {
        let proofs = self.proofs_of(key).filter(|proof| proof.account == account);
        proofs.filter_map(|proof| Some(Delegation::parse(&proof.bytes).ok()?.issued())).max()
    }

    /// All delegations.
    pub(super) fn proofs(&self) -> impl Iterator<Item = &Proof> {
        self.proofs.values()
    }

    /// A delegation's point was seen to be the account's key.
    pub(super) fn matched(&mut self, proof: &Proof, changes: &mut Vec<Change>) {
        if let Some(known) = self.proofs.get_mut(&proof_key(proof))
            && !known.matched
        {
            known.matched = true;
            changes.push(Change::Proof(known.clone()));
        }
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

    /// Changes a pair, or makes it.
    pub(super) fn set_pair(&mut self, pair: Pair, changes: &mut Vec<Change>) -> Result<(), TooManyContacts> {
        let is_new = self.pair(&pair.own, &pair.other).is_none_or(|old| old.relation != pair.relation);
        if is_new {
            let alike = self.pairs().filter(|other| other.relation == pair.relation).count();
            match pair.relation {
                Relation::Contact if alike >= CONTACTS_MAX => return Err(TooManyContacts),
                Relation::Request if alike >= REQUESTS_MAX => self.forget_silent(Relation::Request, changes),
                // A list of those not wanted has a bound as well.
                Relation::Declined if alike >= DECLINED_MAX => self.forget_silent(Relation::Declined, changes),
                _ => {}
            }
            self.changed.insert((pair.own, pair.other));
        }
        changes.push(Change::Pair(pair));
        let with = self.pairs.entry(pair.other).or_default();
        with.retain(|other| other.own != pair.own);
        with.push(pair);
        Ok(())
    }

    fn forget_silent(&mut self, relation: Relation, changes: &mut Vec<Change>) {
        let of_kind = self.pairs().filter(|pair| pair.relation == relation);
        let Some(Pair { own, other, .. }) = of_kind.min_by_key(|pair| pair.heard.max(pair.answered)).copied() else {
            return;
        };
        if let Some(with) = self.pairs.get_mut(&other) {
            with.retain(|pair| pair.own != own);
            if with.is_empty() {
                self.pairs.remove(&other);
            }
        }
        self.changed.insert((own, other));
        changes.push(Change::NoPair(own, other));
    }

    fn make_room_for_speaker(&mut self, changes: &mut Vec<Change>) {
        if self.speakers.len() < SPEAKERS_MAX {
            return;
        }
        let strangers = self.speakers.values().filter(|speaker| self.pairs_with(&speaker.key).is_empty());
        let mut silent: Vec<_> = strangers.map(|speaker| (speaker.heard, speaker.key)).collect();
        silent.sort_unstable();
        for (_, key) in silent.into_iter().take(SPEAKERS_DROPPED) {
            self.speakers.remove(&key);
            changes.push(Change::NoSpeaker(key));
        }
    }

    /// `false` when this key claims enough.
    fn make_room_for_proof(&mut self, key: &ChatKey, changes: &mut Vec<Change>) -> bool {
        let claims: Vec<Proof> = self.proofs_of(key).cloned().collect();
        if claims.len() >= PROOFS_PER_KEY_MAX {
            // What the chain never confirmed goes for what it may.
            let Some(oldest) = claims.iter().filter(|proof| !proof.matched && !proof.own).min_by_key(|it| it.received)
            else {
                return false;
            };
            self.forget_proof(oldest, changes);
        }
        if self.proofs.len() >= PROOFS_MAX {
            let foreign = self.proofs.values().filter(|proof| !proof.own);
            if let Some(oldest) = foreign.min_by_key(|proof| (proof.matched, proof.received)).cloned() {
                self.forget_proof(&oldest, changes);
            }
        }
        true
    }

    fn forget_proof(&mut self, proof: &Proof, changes: &mut Vec<Change>) {
        self.proofs.remove(&proof_key(proof));
        changes.push(Change::NoProof(proof.account, proof.key, proof.point.clone()));
    }
}

fn proof_key(proof: &Proof) -> ProofKey {
    (proof.key, proof.account, proof.point.clone())
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

    use nightjar_core::chain::Network;
    use nightjar_envelope::delegation::{Claim, Scope};
    use nightjar_envelope::key::ChatSecret;
    use nightjar_pasc::key::{Curve, PrivateKey};
    use nightjar_pasc::signature::sign;
    use rand_chacha::ChaCha20Rng;
    use rand_chacha::rand_core::SeedableRng as _;
    use zeroize::Zeroizing;

    use super::*;

    fn key(number: u32) -> ChatKey {
        let mut seed = Zeroizing::new([0; 32]);
        seed[..4].copy_from_slice(&number.to_le_bytes());
        ChatSecret::from_seed(&seed).public()
    }

    fn pair(other: u32, relation: Relation, heard: u32) -> Pair {
        Pair { own: key(0), other: key(other), relation, wrote: 0, answered: 0, heard }
    }

    fn checked(chat_key: ChatKey, account: u32, issued: u32, scope: Scope) -> Checked {
        let owner = PrivateKey::random(Curve::Secp256k1, &mut ChaCha20Rng::from_seed([1; 32])).unwrap();
        let mut claim = Claim {
            network: Network::Main,
            account,
            scope,
            issued,
            until: issued + 90 * 86_400,
            name: String::new(),
            key: owner.public_key(),
            chat_key,
        };
        claim.settle();
        claim.until = claim.issued + 90 * 86_400;
        while claim.digest()[..4].iter().any(|byte| *byte < 0x10) {
            claim.until -= 1;
        }
        claim.signed(&sign(&owner, &claim.digest(), &mut ChaCha20Rng::from_seed([2; 32]))).unwrap()
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
    fn one_key_claims_few_accounts_and_what_the_chain_confirmed_stays() {
        let mut known = Known::default();
        let mut changes = Vec::new();
        for account in 0..PROOFS_PER_KEY_MAX as u32 {
            let checked = checked(key(1), account, 1_795_000_000, Scope::SPEAK);
            assert!(known.proof(&checked, false, Wall(u64::from(account)), &mut changes));
        }
        let first = known.proofs_of(&key(1)).next().unwrap().clone();
        known.matched(&first, &mut changes);
        let ninth = checked(key(1), 99, 1_795_000_000, Scope::SPEAK);
        assert!(known.proof(&ninth, false, Wall(99), &mut changes));
        let accounts: Vec<u32> = known.proofs_of(&key(1)).map(|proof| proof.account).collect();
        assert_eq!(accounts, [0, 2, 3, 4, 5, 6, 7, 99]);
    }

    #[test]
    fn the_last_issued_counts_and_at_one_time_the_end() {
        let mut known = Known::default();
        let mut changes = Vec::new();
        let told = |known: &mut Known, issued, scope| {
            known.proof(&checked(key(1), 7, issued, scope), false, Wall(1), &mut Vec::new())
        };
        assert!(told(&mut known, 1_795_000_000, Scope::SPEAK));
        assert!(!told(&mut known, 1_794_000_000, Scope::SPEAK), "an older one");
        assert!(!told(&mut known, 1_795_000_000, Scope::SPEAK), "a repeat");
        assert!(told(&mut known, 1_795_500_000, Scope::NOTHING));
        assert!(!told(&mut known, 1_795_000_000, Scope::SPEAK), "it has ended");
        assert!(told(&mut known, 1_796_000_000, Scope::SPEAK), "made anew");
        known.heard(key(1), Wall(1), &mut changes);
        known.claims(key(1), 7, &mut changes);
        assert_eq!(known.claiming(7)[0].standing, Standing::Unchecked);
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
