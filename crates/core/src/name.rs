//! Names of accounts, nicks and channels, and the targets they hash to. Never sees the network.

use std::fmt;
use std::str::FromStr;

use md5::{Digest as _, Md5};
use unicode_normalization::{UnicodeNormalization as _, is_nfc};
use unicode_properties::{GeneralCategoryGroup, UnicodeGeneralCategory as _};

use crate::record::Target;

/// The shortest nick.
pub const NICK_BYTES_MIN: usize = 3;
/// The longest nick.
pub const NICK_BYTES_MAX: usize = 32;
/// The longest channel name, without its `#`.
pub const CHANNEL_BYTES_MAX: usize = 63;

/// A name in the one form that everybody hashes: the three kinds can never be the same text.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Name {
    /// A PascalCoin account, written `1234-44`.
    Account(u32),
    /// A nick, folded.
    Nick(String),
    /// A channel with its `#`, folded.
    Channel(String),
}

/// A name as somebody typed it, and what it means.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TypedName {
    name: Name,
    typed: String,
}

/// Why a text is no name. Each says which text, and what would be one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Nothing was typed.
    #[error("the name is empty: give an account (1234-44), a nick (nightraven) or a channel (#pascalcoin)")]
    Empty,
    /// An account number above the highest.
    #[error("account {0:?} does not exist: the highest number is 4294967295")]
    AccountTooHigh(String),
    /// An account number in another form than the one that is hashed.
    #[error(
        "account {0:?} is not written the one way that counts: digits without leading zeros, `-`, two checksum digits, as in 1234-44"
    )]
    AccountForm(String),
    /// The checksum is another one.
    #[error("the checksum of account {typed:?} is wrong: {right} is the account of that number")]
    AccountChecksum {
        /// What was typed.
        typed: String,
        /// The number with its own checksum.
        right: String,
    },
    /// Too short or too long for a nick.
    #[error("nick {typed:?} has {have} character{}: a nick has 3 to 32", if *have == 1 { "" } else { "s" })]
    NickLength {
        /// What was typed.
        typed: String,
        /// How long it is.
        have: usize,
    },
    /// A character that no nick has.
    #[error(
        "nick {typed:?} has {character:?} in it: a nick is made of a-z 0-9 _ [ ] \\ ^ {{ }} | and -, and begins with neither a digit nor -"
    )]
    NickCharacter {
        /// What was typed.
        typed: String,
        /// The first character that does not belong.
        character: char,
    },
    /// Too short or too long for a channel.
    #[error("channel {typed:?} has {have} bytes behind its #: a channel has 1 to 63")]
    ChannelLength {
        /// What was typed.
        typed: String,
        /// How long it is, without the `#`.
        have: usize,
    },
    /// A character that no channel has.
    #[error(
        "channel {typed:?} has {character:?} in it: a channel has no blanks, no control or invisible characters and no comma"
    )]
    ChannelCharacter {
        /// What was typed.
        typed: String,
        /// The first character that does not belong.
        character: char,
    },
    /// The same text in another Unicode form would be another target.
    #[error("channel {typed:?} is not in Unicode's composed form (NFC): write it as {composed:?}")]
    ChannelNotComposed {
        /// What was typed.
        typed: String,
        /// The form to use.
        composed: String,
    },
}

impl Name {
    /// The name that `text` means when a person typed it: an account's checksum is completed, A-Z is folded.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        match text.chars().next() {
            None => Err(NameError::Empty),
            Some('0'..='9') => parse_account(text, Checksum::Completed),
            Some('#') => parse_channel(text),
            Some(_) => parse_nick(text),
        }
    }

    /// The name that `text` is when it came over the network: nothing is completed.
    pub fn parse_full(text: &str) -> Result<Self, NameError> {
        match text.chars().next() {
            Some('0'..='9') => parse_account(text, Checksum::Wanted),
            _ => Self::parse(text),
        }
    }

    /// The text that is hashed.
    pub fn text(&self) -> String {
        self.to_string()
    }

    /// MD5 of the text.
    pub fn target(&self) -> Target {
        target_of_text(&self.text())
    }
}

/// MD5 of any text, as PIP-0038 has it: what somebody who knows no grammar and no folding sends to.
pub fn target_of_text(text: &str) -> Target {
    Target(Md5::digest(text.as_bytes()).into())
}

/// The two checksum digits behind an account's number: (number x 101 mod 89) + 10.
pub fn account_checksum(number: u32) -> u8 {
    let rest = u64::from(number) * 101 % 89;
    u8::try_from(rest + 10).expect("a rest of 89 is below 89")
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Account(number) => write!(f, "{number}-{}", account_checksum(*number)),
            Self::Nick(text) | Self::Channel(text) => f.write_str(text),
        }
    }
}

impl TypedName {
    /// What was typed, as it was typed.
    pub fn typed(&self) -> &str {
        &self.typed
    }

    /// What it means.
    pub const fn name(&self) -> &Name {
        &self.name
    }

    /// The targets to listen to: that of the name, and that of the text as it was typed, because a program
    /// that implements only PIP-0038's text does not fold.
    pub fn targets(&self) -> Vec<Target> {
        let mut targets = vec![self.name.target()];
        let literal = self.literal_target();
        if !targets.contains(&literal) {
            targets.push(literal);
        }
        targets
    }

    /// The target of the text as it was typed: where a plain record goes.
    pub fn literal_target(&self) -> Target {
        target_of_text(&self.typed)
    }
}

impl FromStr for TypedName {
    type Err = NameError;

    /// Reads what a person typed. `@x` means the nick x: the `@` is not part of the name.
    fn from_str(text: &str) -> Result<Self, NameError> {
        let (typed, name) = match text.strip_prefix('@') {
            Some(nick) => (nick, parse_nick(nick)?),
            None => (text, Name::parse(text)?),
        };
        Ok(Self { name, typed: typed.to_owned() })
    }
}

enum Checksum {
    Completed,
    Wanted,
}

fn parse_account(text: &str, checksum: Checksum) -> Result<Name, NameError> {
    let form = || NameError::AccountForm(text.to_owned());
    let (digits, check) = match text.split_once('-') {
        Some((digits, check)) => (digits, Some(check)),
        None => (text, None),
    };
    let has_form = digits.bytes().all(|byte| byte.is_ascii_digit()) && (digits == "0" || !digits.starts_with('0'));
    if !has_form {
        return Err(form());
    }
    let number: u32 = digits.parse().map_err(|_| NameError::AccountTooHigh(text.to_owned()))?;
    match (check, checksum) {
        (None, Checksum::Completed) => Ok(Name::Account(number)),
        (None, Checksum::Wanted) => Err(form()),
        (Some(check), _) if check.len() != 2 || !check.bytes().all(|byte| byte.is_ascii_digit()) => Err(form()),
        (Some(check), _) if check != account_checksum(number).to_string() => {
            Err(NameError::AccountChecksum { typed: text.to_owned(), right: Name::Account(number).text() })
        }
        (Some(_), _) => Ok(Name::Account(number)),
    }
}

fn parse_nick(text: &str) -> Result<Name, NameError> {
    if text.is_empty() {
        return Err(NameError::Empty);
    }
    let folded = text.to_ascii_lowercase();
    for (place, (typed, character)) in text.chars().zip(folded.chars()).enumerate() {
        let anywhere = matches!(character, 'a'..='z' | '_' | '[' | ']' | '\\' | '^' | '{' | '}' | '|');
        let later = matches!(character, '0'..='9' | '-') && place > 0;
        if !anywhere && !later {
            return Err(NameError::NickCharacter { typed: text.to_owned(), character: typed });
        }
    }
    if !(NICK_BYTES_MIN..=NICK_BYTES_MAX).contains(&folded.len()) {
        return Err(NameError::NickLength { typed: text.to_owned(), have: folded.len() });
    }
    Ok(Name::Nick(folded))
}

fn parse_channel(text: &str) -> Result<Name, NameError> {
    let behind = text.strip_prefix('#').unwrap_or(text);
    if behind.is_empty() || behind.len() > CHANNEL_BYTES_MAX {
        return Err(NameError::ChannelLength { typed: text.to_owned(), have: behind.len() });
    }
    let forbidden = |character: &char| {
        let group = character.general_category_group();
        *character == ',' || matches!(group, GeneralCategoryGroup::Other | GeneralCategoryGroup::Separator)
    };
    if let Some(character) = behind.chars().find(forbidden) {
        return Err(NameError::ChannelCharacter { typed: text.to_owned(), character });
    }
    let folded = text.to_ascii_lowercase();
    if !is_nfc(text) || !is_nfc(&folded) {
        return Err(NameError::ChannelNotComposed { typed: text.to_owned(), composed: compose(text) });
    }
    Ok(Name::Channel(folded))
}

/// The text in a composed form that stays one when it is folded: H with a line below is two characters, but h
/// with a line below is one.
fn compose(text: &str) -> String {
    let composed: String = text.nfc().collect();
    let folded = composed.to_ascii_lowercase();
    if is_nfc(&folded) { composed } else { folded.nfc().collect() }
}
