//! Which chat key may speak for which account, as account keys signed it, and what of that they ended. Ends stand apart from what they
//! end and have a bound of their own, so that nobody can push one out and show again what is over. Never asks the chain.

use std::collections::BTreeMap;

use nightjar_core::time::Wall;
use nightjar_envelope::delegation::{Checked, Delegation, LIFE_S_MAX};
use nightjar_envelope::key::ChatKey;

use crate::store::{Change, Ended, Proof};

/// Delegations that are remembered, over all authors.
pub const PROOFS_MAX: usize = 16_384;
/// Accounts one chat key may claim: nobody speaks for more than a few, and each claim costs questions to the chain.
pub const PROOFS_PER_KEY_MAX: usize = 8;
/// Ends of delegations that are remembered. Anybody can sign ends of what never was, with a key that owns nothing: those go first.
pub const ENDS_MAX: usize = 16_384;
/// Ends by one account key of what the chain once confirmed. Such ends go last, and whoever owns one account can make any number of
/// them, with chat keys of his own: so he pushes out his own ones.
pub const ENDS_PER_POINT_MAX: usize = 64;
/// How many ends go in one turn when there are too many, so that not every one more costs a look at all.
const ENDS_DROPPED: usize = 1_024;

/// The chat key first: what one key claims stands together.
type ProofKey = (ChatKey, u32, Vec<u8>);

/// All of them. An end stays also where a later delegation counts: it still ends the earlier ones.
#[derive(Debug, Default)]
pub(super) struct Proofs {
    claims: BTreeMap<ProofKey, Proof>,
    ends: BTreeMap<ProofKey, End>,
}

#[derive(Debug)]
struct End {
    row: Ended,
    issued: u32,
}

/// How much is lost when an end is forgotten, the least first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Worth {
    /// What it ends has run out.
    Over,
    /// Nothing that it ends was seen here.
    Stray,
    /// Something was.
    Seen,
    /// The chain once confirmed it.
    Confirmed,
    /// It is the user's own.
    Own,
}

impl End {
    fn worth(&self, now_s: u32) -> Worth {
        let Ended { proof, seen } = &self.row;
        match (proof.own, proof.matched, seen) {
            _ if self.issued.saturating_add(LIFE_S_MAX) < now_s => Worth::Over,
            (true, ..) => Worth::Own,
            (_, true, _) => Worth::Confirmed,
            (.., true) => Worth::Seen,
            (.., false) => Worth::Stray,
        }
    }
}

impl Proofs {
    pub(super) fn new(claims: Vec<Proof>, ends: Vec<Ended>) -> Self {
        let claims = claims.into_iter().take(PROOFS_MAX).map(|proof| (key_of(&proof), proof)).collect();
        let ends = ends.into_iter().take(ENDS_MAX).filter_map(|row| {
            let issued = issued(&row.proof)?;
            Some((key_of(&row.proof), End { row, issued }))
        });
        Self { claims, ends: ends.collect() }
    }

    /// A delegation, or the end of one, that is well signed. Says whether it counts for anything that was not known: an end does if
    /// it ends what counted here.
    pub(super) fn take(&mut self, checked: &Checked, own: bool, now: Wall, changes: &mut Vec<Change>) -> bool {
        let proof = Proof {
            account: checked.claim.account,
            key: checked.claim.chat_key,
            point: checked.point.clone(),
            bytes: checked.bytes.clone(),
            matched: false,
            own,
            received: now,
        };
        if checked.is_end() {
            self.take_end(proof, checked.claim.issued, now, changes)
        } else {
            self.take_claim(proof, checked.claim.issued, changes)
        }
    }

    fn take_claim(&mut self, mut proof: Proof, issued_s: u32, changes: &mut Vec<Change>) -> bool {
        let key = key_of(&proof);
        if let Some(end) = self.ends.get_mut(&key) {
            if issued_s <= end.issued {
                // The end came first, and now it is known that there is something to end.
                if !end.row.seen {
                    end.row.seen = true;
                    changes.push(Change::End(end.row.clone()));
                }
                return false;
            }
            proof.matched = end.row.proof.matched;
        }
        if let Some(old) = self.claims.get(&key) {
            if issued(old).is_some_and(|old| issued_s <= old) {
                return false;
            }
            proof.matched = old.matched;
            proof.own |= old.own;
        } else if !self.make_room_for_claim(&key.0, changes) {
            return false;
        }
        changes.push(Change::Proof(proof.clone()));
        self.claims.insert(key, proof);
        true
    }

    fn take_end(&mut self, mut proof: Proof, issued_s: u32, now: Wall, changes: &mut Vec<Change>) -> bool {
        let key = key_of(&proof);
        let mut seen = proof.own;
        if let Some(old) = self.ends.get(&key) {
            if issued_s <= old.issued {
                return false;
            }
            seen |= old.row.seen;
            proof.matched = old.row.proof.matched;
            proof.own |= old.row.proof.own;
        }
        let mut ends_it = false;
        if let Some(claim) = self.claims.get(&key) {
            seen = true;
            proof.matched |= claim.matched;
            proof.own |= claim.own;
            ends_it = issued(claim).is_none_or(|issued| issued <= issued_s);
        }
        if ends_it && let Some(claim) = self.claims.remove(&key) {
            changes.push(forgotten(&claim));
        }
        let row = Ended { proof, seen };
        changes.push(Change::End(row.clone()));
        self.ends.insert(key.clone(), End { row, issued: issued_s });
        self.drop_of_one_point(&key, changes);
        self.drop_ends(now, changes);
        ends_it
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
        self.claims.get(&key).and_then(issued).max(self.ends.get(&key).map(|end| end.issued))
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
        self.ends.get(&key).is_some_and(|end| end.row.proof.matched)
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

    /// Of too many confirmed ends by the point of this one, the oldest goes.
    fn drop_of_one_point(&mut self, key: &ProofKey, changes: &mut Vec<Change>) {
        let counts = |end: &End| end.row.proof.matched && !end.row.proof.own;
        if !self.ends.get(key).is_some_and(counts) {
            return;
        }
        let alike = self.ends.iter().filter(|((.., point), end)| *point == key.2 && counts(end));
        let alike: Vec<_> = alike.map(|(key, end)| (end.row.proof.received, key)).collect();
        if alike.len() > ENDS_PER_POINT_MAX
            && let Some((_, oldest)) = alike.into_iter().min()
        {
            let oldest = oldest.clone();
            self.forget_end(&oldest, changes);
        }
    }

    /// Of too many ends those go that are worth least, and of them the oldest.
    fn drop_ends(&mut self, now: Wall, changes: &mut Vec<Change>) {
        if self.ends.len() <= ENDS_MAX {
            return;
        }
        let ranked = self.ends.iter().map(|(key, end)| (end.worth(now.unix_s()), end.row.proof.received, key));
        let mut ranked: Vec<_> = ranked.collect();
        let (least, ..) = ranked.select_nth_unstable(ENDS_DROPPED);
        least.sort_unstable();
        let Some(worth) = least.first().map(|(worth, ..)| *worth) else { return };
        let many = if worth < Worth::Confirmed { ENDS_DROPPED } else { 1 };
        let gone = least.iter().take_while(|(it, ..)| *it == worth).take(many);
        let gone: Vec<ProofKey> = gone.map(|(.., key)| (*key).clone()).collect();
        for key in gone {
            self.forget_end(&key, changes);
        }
    }

    fn forget_end(&mut self, key: &ProofKey, changes: &mut Vec<Change>) {
        self.ends.remove(key);
        let (chat_key, account, point) = key.clone();
        changes.push(Change::NoEnd(account, chat_key, point));
    }
}

fn issued(proof: &Proof) -> Option<u32> {
    Some(Delegation::parse(&proof.bytes).ok()?.issued())
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
        assert!(!told(&speak(ISSUED)), "but still what it ended");
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

    /// Ends that were signed now, by a point for a chat key and so many accounts, as strangers sign them. Unsigned ones do here.
    fn flood(proofs: &mut Proofs, (point, chat_key): (u8, ChatKey), many: u32, now: Wall, changes: &mut Vec<Change>) {
        let one = end(ISSUED);
        for account in 0..many {
            let claim = Claim { account: 1000 + account, chat_key, issued: now.unix_s(), ..one.claim.clone() };
            assert!(!proofs.take(&Checked { claim, point: vec![point], ..one.clone() }, false, now, changes));
        }
    }

    fn confirm(proofs: &mut Proofs, checked: &Checked) {
        let is_it = |proof: &&Proof| proof.account == checked.claim.account;
        let seen = proofs.claimed_by(&checked.claim.chat_key).find(is_it).unwrap().clone();
        proofs.matched(&seen, &mut Vec::new());
    }

    fn is_ended(proofs: &mut Proofs, claim: &Checked) -> bool {
        !proofs.take(claim, false, NOW, &mut Vec::new())
    }

    #[test]
    fn an_end_is_not_pushed_out_by_strangers_nor_takes_a_claims_place() {
        for confirmed in [true, false] {
            let mut proofs = Proofs::default();
            let mut changes = Vec::new();
            proofs.take(&speak(ISSUED), false, NOW, &mut changes);
            if confirmed {
                confirm(&mut proofs, &speak(ISSUED));
            }
            assert!(proofs.take(&end(ISSUED + 5), false, NOW, &mut changes));
            flood(&mut proofs, (9, key(1)), ENDS_MAX as u32, NOW, &mut changes);
            flood(&mut proofs, (9, key(2)), ENDS_DROPPED as u32, NOW, &mut changes);
            assert!((ENDS_MAX - ENDS_DROPPED..=ENDS_MAX).contains(&proofs.ends.len()));
            assert!(is_ended(&mut proofs, &speak(ISSUED)), "what was ended is not shown again");
            // All eight places are free for what the key claims.
            for account in 0..PROOFS_PER_KEY_MAX as u32 {
                assert!(proofs.take(&checked(1, key(1), account + 50, ISSUED, Scope::SPEAK), false, NOW, &mut changes));
            }
            assert_eq!(proofs.claimed_by(&key(1)).count(), PROOFS_PER_KEY_MAX);
            assert!(is_ended(&mut proofs, &speak(ISSUED)), "nor when its key claims as much as it may");
        }
    }

    #[test]
    fn an_end_that_came_first_stays_once_what_it_ends_was_shown() {
        let mut proofs = Proofs::default();
        let mut changes = Vec::new();
        let before = Wall(NOW.0 - 1);
        assert!(!proofs.take(&end(ISSUED), false, before, &mut changes), "there is nothing to end yet");
        assert!(is_ended(&mut proofs, &speak(ISSUED)));
        flood(&mut proofs, (9, key(2)), ENDS_MAX as u32, NOW, &mut changes);
        assert!(is_ended(&mut proofs, &speak(ISSUED)));
    }

    #[test]
    fn who_owns_an_account_pushes_out_no_ends_but_his_own() {
        let mut proofs = Proofs::default();
        let mut changes = Vec::new();
        let of = |number: u8| checked(1, key(number), 7, ISSUED, Scope::SPEAK);
        let end_of = |number: u8| checked(1, key(number), 7, ISSUED, Scope::NOTHING);
        let theirs = |scope| checked(2, key(200), 7, ISSUED, scope);
        proofs.take(&theirs(Scope::SPEAK), false, NOW, &mut changes);
        confirm(&mut proofs, &theirs(Scope::SPEAK));
        assert!(proofs.take(&theirs(Scope::NOTHING), false, NOW, &mut changes));
        for number in 0..=ENDS_PER_POINT_MAX as u8 {
            let later = Wall(NOW.0 + 1 + u64::from(number));
            proofs.take(&of(number), false, later, &mut changes);
            confirm(&mut proofs, &of(number));
            assert!(proofs.take(&end_of(number), false, later, &mut changes));
        }
        assert_eq!(proofs.ends.len(), 1 + ENDS_PER_POINT_MAX);
        assert!(is_ended(&mut proofs, &theirs(Scope::SPEAK)));
        assert!(!is_ended(&mut proofs, &of(0)) && is_ended(&mut proofs, &of(1)));
    }

    #[test]
    fn an_end_is_forgotten_first_when_what_it_ends_has_run_out() {
        let mut proofs = Proofs::default();
        let mut changes = Vec::new();
        proofs.take(&speak(ISSUED), false, NOW, &mut changes);
        confirm(&mut proofs, &speak(ISSUED));
        assert!(proofs.take(&end(ISSUED), false, NOW, &mut changes));
        let later = |s: u32| Wall(u64::from(ISSUED + LIFE_S_MAX + s) * 1000);
        flood(&mut proofs, (9, key(2)), ENDS_MAX as u32 - 1, later(0), &mut changes);
        assert_eq!(proofs.ends.len(), ENDS_MAX);
        flood(&mut proofs, (9, key(3)), 1, later(1), &mut changes);
        assert_eq!(proofs.ends.len(), ENDS_MAX, "one is over, and went for the one more");
        assert_eq!(proofs.last_issued(key(1), 7, &end(ISSUED).point), None);
    }

    #[test]
    fn a_claim_for_which_there_is_no_room_ends_no_end() {
        let mut proofs = Proofs::default();
        let mut changes = Vec::new();
        proofs.take(&end(ISSUED), false, NOW, &mut changes);
        for account in 0..PROOFS_PER_KEY_MAX as u32 {
            let claim = checked(1, key(1), account + 50, ISSUED, Scope::SPEAK);
            proofs.take(&claim, false, NOW, &mut changes);
            confirm(&mut proofs, &claim);
        }
        assert!(!proofs.take(&speak(ISSUED + 1), false, NOW, &mut changes));
        assert_eq!(proofs.last_issued(key(1), 7, &speak(ISSUED).point), Some(ISSUED));
    }

    #[test]
    fn what_was_kept_is_read_as_it_was() {
        let mut proofs = Proofs::default();
        let mut changes = Vec::new();
        proofs.take(&speak(ISSUED), true, NOW, &mut changes);
        let end = checked(1, key(2), 7, ISSUED, Scope::NOTHING);
        proofs.take(&end, false, NOW, &mut changes);
        let (mut claims, mut ends) = (Vec::new(), Vec::new());
        for change in changes {
            match change {
                Change::Proof(proof) => claims.push(proof),
                Change::End(end) => ends.push(end),
                _ => {}
            }
        }
        let mut read = Proofs::new(claims, ends);
        assert!(read.claimed_by(&key(1)).all(|proof| proof.own));
        assert_eq!((read.claims.len(), read.ends.len()), (1, 1));
        assert!(is_ended(&mut read, &checked(1, key(2), 7, ISSUED, Scope::SPEAK)));
    }
}
