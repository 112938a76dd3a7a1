//! An account number as people write it, `1234-44`: the number and two checksum digits. Never looks an account up.

use std::fmt;
use std::str::FromStr;

/// The number of an account. Its text carries a checksum that catches a mistyped digit.
///
/// ```
/// use nightjar_pasc::account::AccountNumber;
///
/// assert_eq!(AccountNumber::new(1234).to_string(), "1234-44");
/// assert_eq!("1234".parse::<AccountNumber>()?.value(), 1234);
/// assert!(AccountNumber::parse_full("1234").is_err());
/// # Ok::<(), nightjar_pasc::account::AccountNumberError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountNumber(u32);

impl AccountNumber {
    /// Every u32 is an account number, whether or not the chain has that account yet.
    pub const fn new(value: u32) -> Self {
        Self(value)
    }

    /// The bare number.
    pub const fn value(self) -> u32 {
        self.0
    }

    /// The two digits behind the dash, 10 to 98: `(number * 101 mod 89) + 10`.
    pub fn checksum(self) -> u8 {
        let remainder = u64::from(self.0) * 101 % 89;
        u8::try_from(remainder + 10).expect("a remainder below 89 plus 10 fits a byte")
    }

    /// Reads the full form with its checksum, `1234-44`, and refuses the bare number: for text that came from a program.
    pub fn parse_full(text: &str) -> Result<Self, AccountNumberError> {
        match split(text)? {
            (account, Some(checksum)) => account.checked(checksum),
            (account, None) => Err(AccountNumberError::ChecksumMissing { account }),
        }
    }

    fn checked(self, checksum: &str) -> Result<Self, AccountNumberError> {
        if checksum == self.checksum().to_string() {
            Ok(self)
        } else {
            Err(AccountNumberError::ChecksumWrong { account: self })
        }
    }
}

/// Reads what a person types: the bare number `1234`, or the full form, whose checksum must then be right.
impl FromStr for AccountNumber {
    type Err = AccountNumberError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match split(text)? {
            (account, Some(checksum)) => account.checked(checksum),
            (account, None) => Ok(account),
        }
    }
}

/// The full form, `1234-44`.
impl fmt::Display for AccountNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.0, self.checksum())
    }
}

/// Why a text is no account number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AccountNumberError {
    /// Something other than the digits 0 to 9 stands where the number should.
    #[error("an account number is digits with or without its checksum, as in 1234-44")]
    NotANumber,
    /// The number starts with a zero that does not count; one account has one text.
    #[error("an account number has no leading zeros: write it without them")]
    LeadingZero,
    /// The number is above 4294967295.
    #[error("this account number is too large: the largest is {}", AccountNumber::new(u32::MAX))]
    TooLarge,
    /// The text behind the dash is not this number's checksum.
    #[error("the checksum of account {} is {}: write {account}, or look at the number again", account.value(), account.checksum())]
    ChecksumWrong {
        /// The number before the dash, whose text shows the right checksum.
        account: AccountNumber,
    },
    /// The full form was asked for and only the number came.
    #[error("the checksum of account {} is missing: write {account}", account.value())]
    ChecksumMissing {
        /// The number, whose text shows the checksum.
        account: AccountNumber,
    },
}

/// The number before the first dash, and what stands behind it.
fn split(text: &str) -> Result<(AccountNumber, Option<&str>), AccountNumberError> {
    let (number, checksum) = match text.split_once('-') {
        Some((number, checksum)) => (number, Some(checksum)),
        None => (text, None),
    };
    // `parse` alone would also take a plus sign.
    if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(AccountNumberError::NotANumber);
    }
    if number.len() > 1 && number.starts_with('0') {
        return Err(AccountNumberError::LeadingZero);
    }
    let value = number.parse().map_err(|_| AccountNumberError::TooLarge)?;
    Ok((AccountNumber(value), checksum))
}
