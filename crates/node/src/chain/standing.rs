//! How an author stands to the account that he claims. Pure: what was asked, and what was answered, come in as values.

use std::fmt;
use std::str::FromStr;

use nightjar_core::time::Wall;
use nightjar_envelope::delegation::{Checked, Claim, Scope};

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

/// Of delegations with one account, point and chat key the one that counts: the newest, and at the same time the end of
/// all. `None` when that one is an end, or there is none.
pub fn counting<'a>(delegations: impl IntoIterator<Item = &'a Checked>) -> Option<&'a Claim> {
    let newest = delegations.into_iter().max_by_key(|delegation| delegation.precedence());
    newest.filter(|delegation| !delegation.is_end()).map(|delegation| &delegation.claim)
}

/// Whether a delegation of good signature is in force: it was issued, and has not run out.
pub fn is_in_force(claim: &Claim, now: Wall) -> bool {
    let now = now.unix_s();
    claim.scope != Scope::NOTHING && claim.issued <= now.saturating_add(AHEAD_S_MAX) && now < claim.until
}

/// Whether the chain says what a delegation says.
pub fn matches(claim: &Claim, looked: &Looked) -> bool {
    let Looked::Account(view) = looked else { return false };
    view.number == claim.account
        && view.key.same_point(&claim.key)
        && (claim.name.is_empty() || claim.name == view.name)
}

/// How the author stands whose chat key has this delegation: the one of [`counting`], or `None` when he has none (any
/// more). `matched` says whether the chain was once seen to say what it says.
///
/// A delegation whose signature this build cannot check leaves its author [`Standing::Unchecked`], whatever the chain says.
pub fn standing(claim: Option<&Claim>, looked: &Looked, matched: bool, now: Wall) -> Standing {
    let not_now = if matched { Standing::Lapsed } else { Standing::Claimed };
    let Some(claim) = claim.filter(|claim| is_in_force(claim, now)) else { return not_now };
    match looked {
        Looked::Account(view) if matches(claim, looked) => match view.who {
            Who::Daemon { .. } => Standing::Proven,
            Who::Peers(_) => Standing::ProvenByPeers,
        },
        Looked::Account(_) | Looked::Nobody { .. } => not_now,
        Looked::Disputed(_) => Standing::Disputed,
        Looked::Unavailable(_) => Standing::Unchecked,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

    use nightjar_core::chain::Network;
    use nightjar_core::time::Wall;
    use nightjar_envelope::key::ChatSecret;
    use nightjar_pasc::key::PublicKey;
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

    fn key(raw: &[u8]) -> PublicKey {
        PublicKey::parse_raw(raw).unwrap().0
    }

    fn claim() -> Claim {
        Claim {
            network: Network::Main,
            account: 1234,
            scope: Scope::SPEAK,
            issued: NOW.unix_s() - 9,
            until: NOW.unix_s() + 9,
            name: String::new(),
            key: key(&[0xca, 0x02, 1, 0, 1, 1, 0, 7]),
            chat_key: ChatSecret::from_seed(&Zeroizing::new([1; 32])).public(),
        }
    }

    fn delegation(issued: u32, scope: Scope) -> Checked {
        let claim = Claim { issued, scope, ..claim() };
        Checked { claim, digest: [0; 32], bytes: Vec::new(), point: Vec::new() }
    }

    fn view(raw: &[u8], who: Who) -> Looked {
        let key = key(raw);
        let view = AccountView {
            number: 1234,
            key,
            name: "nightraven".to_owned(),
            listed: None,
            block: 7,
            who,
            asked_at: NOW,
        };
        Looked::Account(view)
    }

    fn by_daemon() -> Who {
        Who::Daemon { address: "127.0.0.1:4003".into() }
    }

    fn owned() -> Looked {
        // With leading zeros: the same point.
        view(&[0xca, 0x02, 2, 0, 0, 1, 1, 0, 7], by_daemon())
    }

    fn sold() -> Looked {
        view(&[0xca, 0x02, 1, 0, 2, 1, 0, 7], by_daemon())
    }

    fn stands(claim: &Claim, looked: &Looked, matched: bool) -> Standing {
        standing(Some(claim), looked, matched, NOW)
    }

    #[test]
    fn the_owner_of_now_is_proven_and_one_that_peers_name_is_shown_apart() {
        assert_eq!(stands(&claim(), &owned(), false), Standing::Proven);
        let by_peers = view(&[0xca, 0x02, 1, 0, 1, 1, 0, 7], Who::Peers(vec!["a".to_owned()]));
        assert_eq!(stands(&claim(), &by_peers, false), Standing::ProvenByPeers);
    }

    #[test]
    fn a_sold_account_lapses_if_it_was_once_seen_to_match_and_is_only_claimed_otherwise() {
        assert_eq!(stands(&claim(), &sold(), true), Standing::Lapsed);
        assert_eq!(stands(&claim(), &sold(), false), Standing::Claimed);
        let nobody = Looked::Nobody { block: 7 };
        assert_eq!(stands(&claim(), &nobody, false), Standing::Claimed);
        // Another account of the same key proves nothing.
        assert_eq!(stands(&Claim { account: 1235, ..claim() }, &owned(), false), Standing::Claimed);
    }

    #[test]
    fn a_name_must_be_the_one_of_the_account() {
        assert_eq!(stands(&Claim { name: "nightraven".to_owned(), ..claim() }, &owned(), false), Standing::Proven);
        assert_eq!(stands(&Claim { name: "satoshi".to_owned(), ..claim() }, &owned(), false), Standing::Claimed);
    }

    #[test]
    fn it_counts_until_its_last_second_and_not_from_the_future() {
        let now = NOW.unix_s();
        assert_eq!(stands(&Claim { until: now + 1, ..claim() }, &owned(), true), Standing::Proven);
        assert_eq!(stands(&Claim { until: now, ..claim() }, &owned(), true), Standing::Lapsed);
        assert_eq!(stands(&Claim { until: now, ..claim() }, &owned(), false), Standing::Claimed);
        assert_eq!(stands(&Claim { issued: now + AHEAD_S_MAX, ..claim() }, &owned(), false), Standing::Proven);
        assert_eq!(stands(&Claim { issued: now + AHEAD_S_MAX + 1, ..claim() }, &owned(), false), Standing::Claimed);
    }

    #[test]
    fn who_cannot_be_checked_is_unchecked_and_where_peers_do_not_agree_it_is_disputed() {
        let away = Looked::Unavailable("no daemon, no peers".to_owned());
        for matched in [false, true] {
            assert_eq!(stands(&claim(), &away, matched), Standing::Unchecked);
            assert_eq!(stands(&claim(), &Looked::Disputed("a and b".to_owned()), matched), Standing::Disputed);
        }
    }

    #[test]
    fn the_newest_counts_and_a_revocation_of_the_same_second_wins() {
        let speaks = |issued| delegation(issued, Scope::SPEAK);
        let (old, new) = (speaks(5), speaks(6));
        let ended_at = |issued| delegation(issued, Scope::NOTHING);
        assert_eq!(counting([&old, &new]), Some(&new.claim));
        assert_eq!(counting([&new, &old]), Some(&new.claim));
        assert_eq!(counting([&new, &ended_at(6), &old]), None);
        assert_eq!(counting([&ended_at(6), &new]), None);
        assert_eq!(counting([&ended_at(5), &new]), Some(&new.claim));
        assert_eq!(counting([]), None);
        assert_eq!(standing(None, &owned(), true, NOW), Standing::Lapsed);
        assert_eq!(stands(&ended_at(6).claim, &owned(), false), Standing::Claimed);
    }
}
