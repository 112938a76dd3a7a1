//! E-PASA: an account together with what a payment to it shall say, `1234-44["order 7"]:5f4d`, as PascalCoin's wallets write it
//! (PIP-0027). Read and printed; never looks an account or a name up, and seals nothing.
//!
//! One address has one text, but for the checksums, which a person may leave out: what needs no escape must have none, hex is in small
//! letters. So what is read is printed as it came.

mod checksum;
mod text;

use std::fmt;

use zeroize::Zeroizing;

use crate::account::{AccountNumber, AccountNumberError};
use crate::key::{Base58KeyError, PublicKey};

pub use text::{TEXT_BYTES_MAX, parse_full};

/// The most bytes of a payload: an operation of the chain has no more.
pub const PAYLOAD_BYTES_MAX: usize = 255;
/// The longest password. The chain never sees it; nobody types more.
pub const PASSWORD_BYTES_MAX: usize = 255;
/// The shortest name of an account.
pub const NAME_BYTES_MIN: usize = 3;
/// The longest name of an account.
pub const NAME_BYTES_MAX: usize = 64;

/// An account, and what a payment to it shall say.
///
/// ```
/// use nightjar_pasc::epasa::Epasa;
///
/// let epasa: Epasa = r#"5["Hello"]"#.parse()?;
/// assert_eq!(epasa.to_string(), r#"5-70["Hello"]:563f"#);
/// # Ok::<(), nightjar_pasc::epasa::EpasaError>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Epasa {
    payee: Payee,
    payload: Option<Payload>,
}

/// Who is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Payee {
    /// The account of this number.
    Number(AccountNumber),
    /// The account that has this name now.
    Name(AccountName),
    /// A new account, for this key. Its payload is the key, so it has no other.
    Key(PublicKey),
}

/// What a payment shall say, and who can read it.
#[derive(Clone, PartialEq, Eq)]
pub struct Payload {
    /// Who can read it.
    pub seal: Seal,
    /// What it says; `None` where the payer may choose.
    pub content: Option<Content>,
}

/// Who can read a payload.
#[derive(Clone, PartialEq, Eq)]
pub enum Seal {
    /// `[..]`: everybody.
    Public,
    /// `(..)`: whoever has the receiver's key.
    Receiver,
    /// `<..>`: whoever has the sender's key.
    Sender,
    /// `{..:password}`: whoever knows the password.
    Password(Zeroizing<String>),
}

/// What a payload says, in the form in which it was written.
#[derive(Clone, PartialEq, Eq)]
pub enum Content {
    /// `"Hello"`: printable ASCII, at least one character.
    Text(String),
    /// `0x48656c6c6f`: at least one byte.
    Hex(Vec<u8>),
    /// `9Ajdvzr`: all bytes that the text stands for, at least one. A daemon, asked for the bytes, leaves the first one out.
    Base58(Vec<u8>),
}

impl Epasa {
    /// Puts an address together. What has no text is refused: [`EpasaError`] says what that is.
    pub fn new(payee: Payee, payload: Option<Payload>) -> Result<Self, EpasaError> {
        if let Some(Payload { seal, content }) = &payload {
            if matches!(payee, Payee::Key(_)) {
                return Err(EpasaError::KeyPayload);
            }
            if let Seal::Password(password) = seal {
                text::check(password, PASSWORD_BYTES_MAX, EpasaError::Password)?;
            }
            if let Some(content) = content {
                content.check()?;
            }
        }
        Ok(Self { payee, payload })
    }

    /// Who is meant.
    pub fn payee(&self) -> &Payee {
        &self.payee
    }

    /// What a payment shall say.
    pub fn payload(&self) -> Option<&Payload> {
        self.payload.as_ref()
    }

    /// The text without its last checksum: what wallets call the classic form.
    pub fn classic(&self) -> Zeroizing<String> {
        text::print(self)
    }

    /// The byte that tells in an operation how its payload came to be; `None` without a content, for then no byte was ever seen.
    pub fn payload_type(&self) -> Option<u8> {
        const KEY: u8 = 1 | 64;
        let described = match (&self.payee, &self.payload) {
            (Payee::Key(_), _) => KEY,
            (_, Some(Payload { seal, content: Some(content) })) => seal.bit() | content.bit(),
            _ => return None,
        };
        Some(described | if matches!(self.payee, Payee::Number(_)) { 0 } else { 128 })
    }
}

/// The whole text, with both checksums. A password stands in it.
impl fmt::Display for Epasa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let classic = self.classic();
        write!(f, "{}:{}", *classic, checksum::of(&classic))
    }
}

/// Who is meant and who can read what is said, but not what that is: it may be a secret.
impl fmt::Debug for Epasa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Epasa({:?}, {:?})", self.payee, self.payload)
    }
}

/// Who can read it, but not what it says.
impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let content = if self.content.is_some() { ".." } else { "empty" };
        write!(f, "Payload({:?}, {content})", self.seal)
    }
}

/// Without the password.
impl fmt::Debug for Seal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Public => "Public",
            Self::Receiver => "Receiver",
            Self::Sender => "Sender",
            Self::Password(_) => "Password(..)",
        })
    }
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Text(_) => "Text(..)",
            Self::Hex(_) => "Hex(..)",
            Self::Base58(_) => "Base58(..)",
        })
    }
}

impl Seal {
    const fn bit(&self) -> u8 {
        match self {
            Self::Public => 1,
            Self::Receiver => 2,
            Self::Sender => 4,
            Self::Password(_) => 8,
        }
    }
}

impl Content {
    /// The bytes that it says.
    pub fn bytes(&self) -> &[u8] {
        match self {
            Self::Text(text) => text.as_bytes(),
            Self::Hex(bytes) | Self::Base58(bytes) => bytes,
        }
    }

    const fn bit(&self) -> u8 {
        match self {
            Self::Text(_) => 16,
            Self::Hex(_) => 32,
            Self::Base58(_) => 64,
        }
    }

    fn check(&self) -> Result<(), EpasaError> {
        match self {
            Self::Text(text) => text::check(text, PAYLOAD_BYTES_MAX, EpasaError::Payload),
            Self::Hex(bytes) | Self::Base58(bytes) => match bytes.len() {
                1..=PAYLOAD_BYTES_MAX => Ok(()),
                _ => Err(EpasaError::Payload),
            },
        }
    }
}

/// The name of an account that can be written as E-PASA. The chain also has names with backslashes, which cannot.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountName(String);

impl AccountName {
    /// Checks a name: 3 to 64 characters of the chain's alphabet, the first no digit, no backslash.
    pub fn new(name: &str) -> Result<Self, EpasaError> {
        const SYMBOLS: &str = "!@#$%^&*()-+{}[]_:\"|<>,.?/~";
        let of_alphabet =
            |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || SYMBOLS.contains(letter);
        let fits = (NAME_BYTES_MIN..=NAME_BYTES_MAX).contains(&name.len())
            && name.chars().all(of_alphabet)
            && !name.starts_with(|first: char| first.is_ascii_digit());
        if fits { Ok(Self(name.to_owned())) } else { Err(EpasaError::Name) }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Why a text is no E-PASA.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EpasaError {
    /// Longer than the longest; not looked at further.
    #[error("the address has {bytes} bytes, an E-PASA has at most {TEXT_BYTES_MAX}: is it one?")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// A character that no E-PASA has.
    #[error("an E-PASA is printable ASCII without letters like ä: write the payload as hex, 0x and the bytes")]
    Character,
    /// The account's number.
    #[error(transparent)]
    Account(#[from] AccountNumberError),
    /// The account's name.
    #[error(
        "an E-PASA begins with an account's number, its name or @ for a new account; names have {NAME_BYTES_MIN} to \
        {NAME_BYTES_MAX} small letters, digits and symbols, no digit first and no backslash"
    )]
    Name,
    /// A special character stands without its backslash, or a backslash before one that needs none.
    #[error(
        "in names, texts and passwords each of ( ) < > [ ] {{ }} : \" \\ has a backslash before it, and nothing else has"
    )]
    Escape,
    /// The payload is not closed by its bracket.
    #[error("the payload of the E-PASA does not end with its bracket: copy all of it, and write text as \"text\"")]
    Unclosed,
    /// The payload is no text, hex or base58, empty in its quotes, or too long.
    #[error(
        "a payload is \"text\", 0x and hex in small letters, base58, or nothing, and has 1 to {PAYLOAD_BYTES_MAX} bytes"
    )]
    Payload,
    /// No password, one too long or of other characters.
    #[error(
        "a payload in braces has a colon and a password behind it, printable ASCII of 1 to {PASSWORD_BYTES_MAX} characters"
    )]
    Password,
    /// An address of a new account with anything but its key.
    #[error("an E-PASA for a new account is @[..] with its public key in base58, and nothing else")]
    KeyPayload,
    /// The key of a new account.
    #[error(transparent)]
    Key(#[from] Base58KeyError),
    /// Something stands behind the address that is no checksum.
    #[error(
        "behind the address of an E-PASA only its checksum may stand, a colon and four hex digits in small letters"
    )]
    Trailing,
    /// The checksum at the end is not that of the text.
    #[error("the checksum of this E-PASA is wrong: a character was mistyped, ask for the address again")]
    ChecksumWrong,
    /// The whole text was asked for.
    #[error("the checksum at the end of this E-PASA is missing: take all of the address")]
    ChecksumMissing,
}
