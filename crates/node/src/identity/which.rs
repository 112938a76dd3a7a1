//! Which identity a person means: `default`, a nick, or the first digits of its key. Never guesses between two.

use super::file::{Identity, nick_of};

/// The word for the identity that speaks when nobody says which.
pub const DEFAULT: &str = "default";
/// The word for no identity at all, where a message is to be by nobody.
pub const NOBODY: &str = "none";
/// So many digits of a key say which one is meant: fewer are a typing error rather than a choice.
pub const KEY_DIGITS_MIN: usize = 4;

/// Nobody, or more than one, is meant.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WhichError {
    /// There is no identity.
    #[error("there is no identity yet: `identity new NICK` makes one")]
    None,
    /// There are some, and none speaks by default.
    #[error("no identity is the default one: name one by its nick or key, or let `identity default` choose one")]
    NoDefault,
    /// Nothing of that name.
    #[error(
        "no identity is called {0:?}: name one by its nick, by at least {KEY_DIGITS_MIN} digits of its key, or say {DEFAULT:?}; {NOBODY:?} sends unsigned"
    )]
    Unknown(String),
    /// Several are called so.
    #[error("{typed:?} can mean {have} identities: name one by more digits of its key")]
    Several {
        /// What was typed.
        typed: String,
        /// How many it can mean.
        have: usize,
    },
}

/// The place of the identity that is meant. One that ended is meant only when no other has the name.
pub(super) fn find(identities: &[Identity], typed: &str) -> Result<usize, WhichError> {
    if identities.is_empty() {
        return Err(WhichError::None);
    }
    if typed == DEFAULT {
        return identities.iter().position(|identity| identity.default).ok_or(WhichError::NoDefault);
    }
    let nick = nick_of(typed).ok();
    let digits = typed.to_ascii_lowercase();
    let is_key = digits.len() >= KEY_DIGITS_MIN && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    let meant = |identity: &Identity| {
        let by_nick = nick.is_some() && identity.nick == nick;
        by_nick || (is_key && identity.key.to_string().starts_with(&digits))
    };
    let all: Vec<usize> = places(identities, meant);
    let living = places(identities, |identity| meant(identity) && !identity.ended());
    match (living.as_slice(), all.as_slice()) {
        (&[place], _) | (&[], &[place]) => Ok(place),
        (&[], &[]) => Err(WhichError::Unknown(typed.to_owned())),
        (&[], several) | (several, _) => Err(WhichError::Several { typed: typed.to_owned(), have: several.len() }),
    }
}

fn places(identities: &[Identity], wanted: impl Fn(&Identity) -> bool) -> Vec<usize> {
    identities.iter().enumerate().filter(|(_, identity)| wanted(identity)).map(|(place, _)| place).collect()
}
