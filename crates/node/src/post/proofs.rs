//! Which chat key may speak for which account, as account keys signed it, and what of that they ended. Ends stand apart from what they
//! end and have a bound of their own, so that nobody can push one out and show again what is over. Never asks the chain.

use std::collections::BTreeMap;

use nightjar_core::time::Wall;
use nightjar_envelope::delegation::{Checked, Delegation, LIFE_S_MAX};
use nightjar_envelope::key::ChatKey;

use crate::store::{Change, Proof};

/// Delegations that are remembered, over all authors.
pub const PROOFS_MAX: usize = 16_384;
/// Accounts one chat key may claim: nobody speaks for more than a few, and each claim costs questions to the chain.
pub const PROOFS_PER_KEY_MAX: usize = 8;
/// Ends of delegations that are remembered. Anybody can sign ends of what never was, with a key that owns nothing, but he needs more than
/// this many, and those of what the chain once confirmed stay all the same.
pub const ENDS_MAX: usize = 16_384;

/// The chat key first: what one key claims stands together.
type ProofKey = (ChatKey, u32, Vec<u8>);

/// All of them. Of one chat key, account and point there is either a delegation or an end.
#[derive(Debug, Default)]
pub(super) struct Proofs {
    claims: BTreeMap<ProofKey, Proof>,
    ends: BTreeMap<ProofKey, End>,
}

#[derive(Debug)]
struct End {
    proof: Proof,
    /// What it ends has run out by then, Unix seconds.
    over: u32,
}

impl Proofs {
    pub(super) fn new(proofs: Vec<Proof>) -> Self {
        let mut all = Self::default();
        for proof in proofs {
            match Delegation::parse(&proof.bytes) {
                Ok(end) if end.is_end() && all.ends.len() < ENDS_MAX => {
                    let over = end.issued().saturating_add(LIFE_S_MAX);
                    all.ends.insert(key_of(&proof), End { proof, over });
                }
                Ok(claim) if !claim.is_end() && all.claims.len() < PROOFS_MAX => {
                    all.claims.insert(key_of(&proof), proof);
                }
                _ => {}
            }
        }
        all
    }

    /// A delegation, or the end of one, that is well signed. Says whether it counts for anything that was not known.
    pub(super) fn take(&mut self, checked: &Checked, own: bool, now: Wall, changes: &mut Vec<Change>) -> bool {
        let key = (checked.claim.chat_key, checked.claim.account, checked.point.clone());
        let old = self.claims.get(&key).or_else(|| Some(&self.ends.get(&key)?.proof));
        let old = old.and_then(|old| Some((Delegation::parse(&old.bytes).ok()?, old.matched, old.own)));
        let (matched, was_own) = match old {
            Some((known, ..)) if checked.precedence() <= known.precedence() => return false,
            Some((_, matched, own)) => (matched, own),
            None => (false, false),
        };
        let (chat_key, account, point) = key.clone();
        let bytes = checked.bytes.clone();
        let proof = Proof { account, key: chat_key, point, bytes, matched, own: own || was_own, received: now };
        let change = Change::Proof(proof.clone());
        if checked.is_end() {
            // What ends something known here is kept in any case.
            let is_known = self.claims.remove(&key).is_some() || self.ends.contains_key(&key) || proof.own;
            if !self.make_room_for_end(is_known, now, changes) {
                return false;
            }
            let over = checked.claim.issued.saturating_add(LIFE_S_MAX);
            self.ends.insert(key, End { proof, over });
        } else {
            self.ends.remove(&key);
            if !self.claims.contains_key(&key) && !self.make_room_for_claim(&key.0, changes) {
                return false;
            }
            self.claims.insert(key, proof);
        }
        changes.push(change);
        true
    }

    /// The delegations of one chat key.
    pub(super) fn claimed_by(&self, key: &ChatKey) -> impl Iterator<Item = &Proof> {
        self.claims.range((*key, 0, Vec::new())..).take_while(move |((of, ..), _)| of == key).map(|(_, proof)| proof)
    }

    /// All delegations.
    pub(super) fn claims(&self) -> impl Iterator<Item = &Proof> {
        self.claims.values()
    }

    /// Whether this very delegation of a chat key counts already.
    pub(super) fn knows(&self, key: &ChatKey, bytes: &[u8]) -> bool {
        self.claimed_by(key).any(|proof| proof.bytes == bytes)
    }

    /// When the last that a point signed for a chat key and an account was issued.
    pub(super) fn last_issued(&self, key: ChatKey, account: u32, point: &[u8]) -> Option<u32> {
        let key = (key, account, point.to_vec());
        let last = self.claims.get(&key).or_else(|| Some(&self.ends.get(&key)?.proof));
        Some(Delegation::parse(&last?.bytes).ok()?.issued())
    }

    /// A delegation's point was seen to be the account's key.
    pub(super) fn matched(&mut self, proof: &Proof, changes: &mut Vec<Change>) {
        if let Some(known) = self.claims.get_mut(&key_of(proof))
            && !known.matched
        {
            known.matched = true;
            changes.push(Change::Proof(known.clone()));
        }
    }

    /// Whether what this ends was once seen to be true.
    pub(super) fn was_matched(&self, end: &Checked) -> bool {
        let key = (end.claim.chat_key, end.claim.account, end.point.clone());
        self.ends.get(&key).is_some_and(|end| end.proof.matched)
    }

    /// `false` when this key claims enough.
    fn make_room_for_claim(&mut self, key: &ChatKey, changes: &mut Vec<Change>) -> bool {
        if self.claimed_by(key).count() >= PROOFS_PER_KEY_MAX {
            // What the chain never confirmed goes for what it may.
            let doubtful = self.claimed_by(key).filter(|proof| !proof.matched && !proof.own);
            let Some(oldest) = doubtful.min_by_key(|proof| proof.received).cloned() else { return false };
            self.claims.remove(&key_of(&oldest));
            changes.push(forgotten(&oldest));
        }
        if self.claims.len() >= PROOFS_MAX {
            let foreign = self.claims.values().filter(|proof| !proof.own);
            if let Some(oldest) = foreign.min_by_key(|proof| (proof.matched, proof.received)).cloned() {
                self.claims.remove(&key_of(&oldest));
                changes.push(forgotten(&oldest));
            }
        }
        true
    }

    /// `false` when all that is kept is worth more than one of which nothing is known.
    fn make_room_for_end(&mut self, is_known: bool, now: Wall, changes: &mut Vec<Change>) -> bool {
        if self.ends.len() < ENDS_MAX {
            return true;
        }
        let counts = |proof: &Proof| proof.own || proof.matched;
        self.ends.retain(|_, end| {
            let over = end.over < now.unix_s();
            if over {
                changes.push(forgotten(&end.proof));
            }
            !over
        });
        if self.ends.len() < ENDS_MAX {
            return true;
        }
        let least = self.ends.values().map(|end| &end.proof).min_by_key(|proof| (counts(proof), proof.received));
        match least.cloned() {
            Some(least) if counts(&least) && !is_known => false,
            Some(least) => {
                self.ends.remove(&key_of(&least));
                changes.push(forgotten(&least));
                true
            }
            None => true,
        }
    }
}

fn key_of(proof: &Proof) -> ProofKey {
    (proof.key, proof.account, proof.point.clone())
}

fn forgotten(proof: &Proof) -> Change {
    Change::NoProof(proof.account, proof.key, proof.point.clone())
}

#[cfg(test)]
pub(super) mod tests {
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

    const ISSUED: u32 = 1_795_000_000;
    const NOW: Wall = Wall(ISSUED as u64 * 1000);

    fn key(number: u8) -> ChatKey {
        ChatSecret::from_seed(&Zeroizing::new([number; 32])).public()
    }

    /// Signed by the owner of this number.
    pub(in super::super) fn checked(owner: u8, chat_key: ChatKey, account: u32, issued: u32, scope: Scope) -> Checked {
        let owner = PrivateKey::random(Curve::Secp256k1, &mut ChaCha20Rng::from_seed([owner; 32])).unwrap();
        let mut claim = Claim {
            network: Network::Main,
            account,
            scope,
            issued,
            until: issued + LIFE_S_MAX,
            name: String::new(),
            key: owner.public_key(),
            chat_key,
        };
        // The time of issue is what tests go by: another end makes the digest one that verifiers take.
        while claim.digest()[..4].iter().any(|byte| *byte < 0x10) {
            claim.until -= 1;
        }
        claim.signed(&sign(&owner, &claim.digest(), &mut ChaCha20Rng::from_seed([2; 32]))).unwrap()
    }

    fn speak(issued: u32) -> Checked {
        checked(1, key(1), 7, issued, Scope::SPEAK)
    }

    fn end(issued: u32) -> Checked {
        checked(1, key(1), 7, issued, Scope::NOTHING)
    }

    #[test]
    fn one_key_claims_few_accounts_and_what_the_chain_confirmed_stays() {
        let mut known = Proofs::default();
        let mut changes = Vec::new();
        for account in 0..PROOFS_PER_KEY_MAX as u32 {
            let checked = checked(1, key(1), account, 1_795_000_000, Scope::SPEAK);
            assert!(known.take(&checked, false, Wall(u64::from(account)), &mut changes));
        }
        let first = known.claimed_by(&key(1)).next().unwrap().clone();
        known.matched(&first, &mut changes);
        let ninth = checked(1, key(1), 99, 1_795_000_000, Scope::SPEAK);
        assert!(known.take(&ninth, false, Wall(99), &mut changes));
        let accounts: Vec<u32> = known.claimed_by(&key(1)).map(|proof| proof.account).collect();
        assert_eq!(accounts, [0, 2, 3, 4, 5, 6, 7, 99]);
    }

    #[test]
    fn the_last_issued_counts_and_at_one_time_the_end() {
        let mut proofs = Proofs::default();
        let mut told = |checked: &Checked| proofs.take(checked, false, NOW, &mut Vec::new());
        assert!(told(&speak(ISSUED)));
        assert!(!told(&speak(ISSUED - 1_000_000)), "an older one");
        assert!(!told(&speak(ISSUED)), "a repeat");
        assert!(told(&end(ISSUED)));
        assert!(!told(&speak(ISSUED)), "it has ended");
        assert!(told(&speak(ISSUED + 1)), "made anew");
        assert!(!told(&end(ISSUED)), "and the old end ends it no more");
        assert_eq!(proofs.claimed_by(&key(1)).count(), 1);
    }

    #[test]
    fn the_time_of_issue_is_that_of_the_same_signer() {
        let mut proofs = Proofs::default();
        proofs.take(&speak(ISSUED), false, NOW, &mut Vec::new());
        proofs.take(&checked(2, key(1), 7, ISSUED + 3000, Scope::NOTHING), false, NOW, &mut Vec::new());
        let last = |of: &Checked| proofs.last_issued(key(1), 7, &of.point);
        assert_eq!(last(&speak(ISSUED)), Some(ISSUED));
        assert_eq!(last(&checked(3, key(1), 7, ISSUED, Scope::SPEAK)), None);
    }

    /// Ends of what never was, for a chat key, as strangers sign them. Unsigned ones do here.
    fn flood(proofs: &mut Proofs, chat_key: ChatKey, many: u32, changes: &mut Vec<Change>) {
        let one = end(ISSUED);
        for account in 0..many {
            let claim = Claim { account: 1000 + account, chat_key, ..one.claim.clone() };
            proofs.take(&Checked { claim, ..one.clone() }, false, NOW, changes);
        }
    }

    #[test]
    fn an_end_is_not_pushed_out_by_strangers_nor_takes_a_claims_place() {
        let mut proofs = Proofs::default();
        let mut changes = Vec::new();
        proofs.take(&speak(ISSUED), false, NOW, &mut changes);
        let seen = proofs.claimed_by(&key(1)).next().unwrap().clone();
        proofs.matched(&seen, &mut changes);
        assert!(proofs.take(&end(ISSUED + 5), false, NOW, &mut changes));
        flood(&mut proofs, key(1), ENDS_MAX as u32 + 100, &mut changes);
        assert_eq!(proofs.ends.len(), ENDS_MAX);
        assert!(!proofs.take(&speak(ISSUED), false, NOW, &mut changes), "what was ended is not shown again");
        // All eight places are free for what the key claims.
        for account in 0..PROOFS_PER_KEY_MAX as u32 {
            assert!(proofs.take(&checked(1, key(1), account + 50, ISSUED, Scope::SPEAK), false, NOW, &mut changes));
        }
        assert_eq!(proofs.claimed_by(&key(1)).count(), PROOFS_PER_KEY_MAX);
        let gone = changes.iter().filter(|change| matches!(change, Change::NoProof(..))).count();
        assert_eq!(gone, 101);
    }

    #[test]
    fn an_end_is_forgotten_first_when_what_it_ends_has_run_out() {
        let mut proofs = Proofs::default();
        let mut changes = Vec::new();
        proofs.take(&speak(ISSUED), false, NOW, &mut changes);
        let seen = proofs.claimed_by(&key(1)).next().unwrap().clone();
        proofs.matched(&seen, &mut changes);
        proofs.take(&end(ISSUED - LIFE_S_MAX), false, NOW, &mut changes);
        proofs.take(&end(ISSUED), false, NOW, &mut changes);
        flood(&mut proofs, key(2), ENDS_MAX as u32 - 1, &mut changes);
        changes.clear();
        let later = Wall(u64::from(ISSUED + LIFE_S_MAX + 1) * 1000);
        let other = checked(1, key(3), 9, ISSUED + 9, Scope::NOTHING);
        assert!(proofs.take(&other, false, later, &mut changes));
        assert_eq!(proofs.ends.len(), 1, "all others are over");
    }

    #[test]
    fn what_was_kept_is_read_as_it_was() {
        let mut proofs = Proofs::default();
        let mut changes = Vec::new();
        proofs.take(&speak(ISSUED), true, NOW, &mut changes);
        proofs.take(&checked(1, key(2), 7, ISSUED, Scope::NOTHING), false, NOW, &mut changes);
        let rows: Vec<Proof> = changes
            .into_iter()
            .filter_map(|change| match change {
                Change::Proof(proof) => Some(proof),
                _ => None,
            })
            .collect();
        let read = Proofs::new(rows);
        assert_eq!((read.claims.len(), read.ends.len()), (1, 1));
        assert!(read.claimed_by(&key(1)).all(|proof| proof.own));
    }
}
