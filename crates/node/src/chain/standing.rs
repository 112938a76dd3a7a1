//! How an author stands to the account that he claims. Pure: what was asked, and what was answered, come in as values.

use std::fmt;
use std::str::FromStr;

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_state_is_read_from_what_it_prints() {
        for standing in Standing::ALL {
            assert_eq!(standing.to_string().parse(), Ok(standing));
        }
        assert_eq!("Proven".parse::<Standing>(), Err(NoStanding));
    }
}
