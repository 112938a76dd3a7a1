//! How an author stands to the account that he claims. Pure: what was asked, and what was answered, come in as values.

use std::fmt;
use std::str::FromStr;

use nightjar_core::time::Wall;
use nightjar_envelope::delegation::{Delegation, point_of};

use super::view::{Looked, Who};

/// A clock may be so far ahead of ours when a delegation is signed, in seconds.
const AHEAD_S_MAX: u32 = 3600;

/// What is known of an author.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Standing {
    /// His chat key carries a delegation of the key that owns the account now; the user's own daemon says so.
    Proven,
    /// The same, but three peers say so.
    ProvenByPeers,
    /// It was seen to be so once, and is so no more.
    Lapsed,
    /// The peers that were asked do not agree.
    Disputed,
    /// A key, or an account that could not be confirmed.
    Claimed,
    /// An account, and nobody to ask about it.
    Unchecked,
    /// No signature.
    Anonymous,
}

/// The text is no state of an author.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "not a state of an author: one of proven, proven by 3 peers, lapsed, disputed, claimed, unchecked, anonymous is"
)]
pub struct NoStanding;

impl Standing {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Proven,
        Self::ProvenByPeers,
        Self::Lapsed,
        Self::Disputed,
        Self::Claimed,
        Self::Unchecked,
        Self::Anonymous,
    ];

    /// In words.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Proven => "proven",
            Self::ProvenByPeers => "proven by 3 peers",
            Self::Lapsed => "lapsed",
            Self::Disputed => "disputed",
            Self::Claimed => "claimed",
            Self::Unchecked => "unchecked",
            Self::Anonymous => "anonymous",
        }
    }
}

impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.words())
    }
}

impl FromStr for Standing {
    type Err = NoStanding;

    fn from_str(text: &str) -> Result<Self, NoStanding> {
        Self::ALL.into_iter().find(|standing| standing.words() == text).ok_or(NoStanding)
    }
}

/// What the chain says of one account, ready to be compared with many delegations.
#[derive(Debug)]
pub struct Owner<'a> {
    looked: &'a Looked,
    /// The key that owns it, in short; `None` when there is no account, or this build cannot compute on its curve.
    point: Option<Vec<u8>>,
}

impl<'a> Owner<'a> {
    /// The owner, by this answer.
    pub fn of(looked: &'a Looked) -> Self {
        let point = looked.account().and_then(|view| point_of(&view.key).ok());
        Self { looked, point }
    }

    /// Whether the chain says what a delegation says. Its signature is not checked.
    pub fn confirms(&self, claim: &Delegation) -> bool {
        let Looked::Account(view) = self.looked else { return false };
        view.number == claim.account()
            && self.point.as_ref().is_some_and(|point| claim.is_by(point))
            && (claim.name().is_empty() || claim.name() == view.name)
    }

    /// How the author stands whose chat key has this delegation, of good signature and the last issued of its account and point. `matched`
    /// says whether the chain was once seen to say what it says.
    ///
    /// Where this build cannot compute on the curve of the account's key the author is [`Standing::Unchecked`].
    pub fn standing(&self, claim: &Delegation, matched: bool, now: Wall) -> Standing {
        let not_now = if matched { Standing::Lapsed } else { Standing::Claimed };
        if !is_in_force(claim, now) {
            return not_now;
        }
        match self.looked {
            Looked::Account(view) if self.confirms(claim) => match view.who {
                Who::Daemon { .. } => Standing::Proven,
                Who::Peers(_) => Standing::ProvenByPeers,
            },
            Looked::Account(_) if self.point.is_none() => Standing::Unchecked,
            Looked::Account(_) | Looked::Nobody { .. } => not_now,
            Looked::Disputed(_) => Standing::Disputed,
            Looked::Unavailable(_) => Standing::Unchecked,
        }
    }
}

/// Whether a delegation of good signature is in force: it was issued, and has not run out.
pub(crate) fn is_in_force(claim: &Delegation, now: Wall) -> bool {
    let now = now.unix_s();
    !claim.is_end() && claim.issued() <= now.saturating_add(AHEAD_S_MAX) && now < claim.until()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail loudly")]

    use nightjar_core::chain::Network;
    use nightjar_core::time::Wall;
    use nightjar_envelope::delegation::{Claim, Scope};
    use nightjar_envelope::key::ChatSecret;
    use nightjar_pasc::key::{Curve, PrivateKey, PublicKey};
    use nightjar_pasc::signature::sign;
    use rand_chacha::ChaCha20Rng;
    use rand_chacha::rand_core::SeedableRng as _;
    use zeroize::Zeroizing;

    use super::*;
    use crate::chain::view::AccountView;

    const NOW: Wall = Wall(1_795_363_200_000);

    #[test]
    fn each_state_is_read_from_what_it_prints() {
        for standing in Standing::ALL {
            assert_eq!(standing.to_string().parse(), Ok(standing));
        }
        assert_eq!("Proven".parse::<Standing>(), Err(NoStanding));
    }

    fn key(seed: u64) -> PrivateKey {
        PrivateKey::random(Curve::Secp256k1, &mut ChaCha20Rng::seed_from_u64(seed)).unwrap()
    }

    fn claim() -> Claim {
        Claim {
            network: Network::Main,
            account: 1234,
            scope: Scope::SPEAK,
            issued: NOW.unix_s() - 9,
            until: NOW.unix_s() + 9,
            name: String::new(),
            key: key(1).public_key(),
            chat_key: ChatSecret::from_seed(&Zeroizing::new([1; 32])).public(),
        }
    }

    /// Signed, for whichever chat key has a digest that verifiers take at these times.
    fn delegation(claim: Claim) -> Delegation {
        let of =
            |seed| Claim { chat_key: ChatSecret::from_seed(&Zeroizing::new([seed; 32])).public(), ..claim.clone() };
        let signed =
            |claim: Claim| claim.signed(&sign(&key(1), &claim.digest(), &mut ChaCha20Rng::seed_from_u64(2))).ok();
        let checked = (0..=255).map(of).find_map(signed).unwrap();
        Delegation::parse(&checked.bytes).unwrap()
    }

    fn view(key: PublicKey, who: Who) -> Looked {
        let name = "nightraven".to_owned();
        Looked::Account(AccountView { number: 1234, key, name, listed: None, block: 7, who, asked_at: NOW })
    }

    fn by_daemon() -> Who {
        Who::Daemon { address: "127.0.0.1:4003".into() }
    }

    fn owned() -> Looked {
        view(key(1).public_key(), by_daemon())
    }

    fn sold() -> Looked {
        view(key(2).public_key(), by_daemon())
    }

    fn stands(claim: Claim, looked: &Looked, matched: bool) -> Standing {
        Owner::of(looked).standing(&delegation(claim), matched, NOW)
    }

    #[test]
    fn the_owner_of_now_is_proven_and_one_that_peers_name_is_shown_apart() {
        assert_eq!(stands(claim(), &owned(), false), Standing::Proven);
        let by_peers = view(key(1).public_key(), Who::Peers(vec!["a".to_owned()]));
        assert_eq!(stands(claim(), &by_peers, false), Standing::ProvenByPeers);
    }

    #[test]
    fn a_key_with_leading_zeros_is_the_same_point() {
        let raw = key(1).public_key().to_raw();
        let (curve, x, y) = (&raw[..2], &raw[4..36], &raw[38..]);
        let padded = [curve, &[33, 0, 0], x, &[33, 0, 0], y].concat();
        let padded = PublicKey::parse_raw(&padded).unwrap().0;
        assert!(padded != key(1).public_key() && padded.same_point(&key(1).public_key()));
        assert_eq!(stands(claim(), &view(padded, by_daemon()), false), Standing::Proven);
    }

    #[test]
    fn a_key_that_is_no_point_of_its_curve_leaves_its_owner_unchecked() {
        let none = PublicKey::parse_raw(&[0xca, 0x02, 1, 0, 1, 1, 0, 7]).unwrap().0;
        assert_eq!(stands(claim(), &view(none, by_daemon()), true), Standing::Unchecked);
    }

    #[test]
    fn a_sold_account_lapses_if_it_was_once_seen_to_match_and_is_only_claimed_otherwise() {
        assert_eq!(stands(claim(), &sold(), true), Standing::Lapsed);
        assert_eq!(stands(claim(), &sold(), false), Standing::Claimed);
        let nobody = Looked::Nobody { block: 7 };
        assert_eq!(stands(claim(), &nobody, false), Standing::Claimed);
        // Another account of the same key proves nothing.
        assert_eq!(stands(Claim { account: 1235, ..claim() }, &owned(), false), Standing::Claimed);
    }

    #[test]
    fn a_name_must_be_the_one_of_the_account() {
        assert_eq!(stands(Claim { name: "nightraven".to_owned(), ..claim() }, &owned(), false), Standing::Proven);
        assert_eq!(stands(Claim { name: "satoshi".to_owned(), ..claim() }, &owned(), false), Standing::Claimed);
    }

    #[test]
    fn it_counts_until_its_last_second_and_not_from_the_future() {
        let now = NOW.unix_s();
        assert_eq!(stands(Claim { until: now + 1, ..claim() }, &owned(), true), Standing::Proven);
        assert_eq!(stands(Claim { until: now, ..claim() }, &owned(), true), Standing::Lapsed);
        assert_eq!(stands(Claim { until: now, ..claim() }, &owned(), false), Standing::Claimed);
        let issued = |issued| Claim { issued, until: issued + 9, ..claim() };
        assert_eq!(stands(issued(now + AHEAD_S_MAX), &owned(), false), Standing::Proven);
        assert_eq!(stands(issued(now + AHEAD_S_MAX + 1), &owned(), false), Standing::Claimed);
    }

    #[test]
    fn who_cannot_be_checked_is_unchecked_and_where_peers_do_not_agree_it_is_disputed() {
        let away = Looked::Unavailable("no daemon, no peers".to_owned());
        for matched in [false, true] {
            assert_eq!(stands(claim(), &away, matched), Standing::Unchecked);
            assert_eq!(stands(claim(), &Looked::Disputed("a and b".to_owned()), matched), Standing::Disputed);
        }
    }

    #[test]
    fn the_end_of_a_delegation_confirms_nobody() {
        let end = || Claim { scope: Scope::NOTHING, ..claim() };
        assert_eq!(stands(end(), &owned(), false), Standing::Claimed);
        assert_eq!(stands(end(), &owned(), true), Standing::Lapsed);
    }
}
