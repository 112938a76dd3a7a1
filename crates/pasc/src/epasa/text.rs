//! The text of an E-PASA, read and printed. Never decides what an address may say: that is its types' affair.

use std::fmt::Write as _;
use std::str::FromStr;

use zeroize::Zeroizing;

use super::{AccountName, Content, Epasa, EpasaError, NAME_BYTES_MAX, PASSWORD_BYTES_MAX, PAYLOAD_BYTES_MAX};
use super::{Payee, Payload, Seal, checksum};
use crate::account::AccountNumber;
use crate::key::PublicKey;

/// The longest text: a name, a payload and a password, every character with its backslash, and what stands around them. Base58, whose
/// reading takes time by the square of the length, is bounded by this first.
pub const TEXT_BYTES_MAX: usize = 2 * (NAME_BYTES_MAX + PAYLOAD_BYTES_MAX + PASSWORD_BYTES_MAX) + 10;

/// What a text that is copied by a program must have: both checksums, that of the account's number and the one at the end.
pub fn parse_full(text: &str) -> Result<Epasa, EpasaError> {
    match parse(text)? {
        (epasa, true) => Ok(epasa),
        (_, false) => Err(EpasaError::ChecksumMissing),
    }
}

/// Reads what a person types: the checksums may be missing, but where one stands it must be right. A number before the one at the end
/// has its own.
impl FromStr for Epasa {
    type Err = EpasaError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse(text).map(|(epasa, _)| epasa)
    }
}

/// The address, and whether its checksum stood behind it.
fn parse(text: &str) -> Result<(Epasa, bool), EpasaError> {
    if text.len() > TEXT_BYTES_MAX {
        return Err(EpasaError::TooLong { bytes: text.len() });
    }
    if !text.bytes().all(is_printable) {
        return Err(EpasaError::Character);
    }
    let mut rest = text;
    let head = Head::take(&mut rest)?;
    let bare = rest.is_empty() || rest.starts_with(':');
    // The payload of a new account is its key, and was read with it.
    let payload = if bare || matches!(head, Head::Key(_)) { None } else { Some(take_payload(&mut rest)?) };
    let checked = match rest.strip_prefix(':') {
        None if rest.is_empty() => false,
        Some(claimed) if is_checksum(claimed) => {
            let classic = text.strip_suffix(rest).expect("the rest is the end of the text");
            if claimed != checksum::of(classic) {
                return Err(EpasaError::ChecksumWrong);
            }
            true
        }
        _ => return Err(EpasaError::Trailing),
    };
    let payee = match head {
        // The checksum covers the number with its own: wallets never print the one without the other.
        Head::Number(number) if checked => Payee::Number(AccountNumber::parse_full(number)?),
        Head::Number(number) => Payee::Number(number.parse()?),
        Head::Name(name) => Payee::Name(name),
        Head::Key(key) => Payee::Key(key),
    };
    Ok((Epasa::new(payee, payload)?, checked))
}

/// What stands first.
enum Head<'t> {
    Number(&'t str),
    Name(AccountName),
    Key(PublicKey),
}

impl<'t> Head<'t> {
    fn take(rest: &mut &'t str) -> Result<Self, EpasaError> {
        let ends = |letter: char| OPENING.contains(letter) || letter == ':';
        if rest.starts_with(|first: char| first.is_ascii_digit()) {
            let (number, after) = rest.split_at(rest.find(ends).unwrap_or(rest.len()));
            *rest = after;
            return Ok(Self::Number(number));
        }
        if let Some(after) = rest.strip_prefix('@')
            && (after.is_empty() || after.starts_with(ends))
        {
            *rest = after;
            return take_key(rest).map(Self::Key);
        }
        let name = take_escaped(rest)?;
        AccountName::new(&name).map(Self::Name)
    }
}

fn take_key(rest: &mut &str) -> Result<PublicKey, EpasaError> {
    let inside = rest.strip_prefix('[').ok_or(EpasaError::KeyPayload)?;
    let (key, after) = inside.split_once(']').ok_or(EpasaError::Unclosed)?;
    *rest = after;
    Ok(key.parse()?)
}

fn take_payload(rest: &mut &str) -> Result<Payload, EpasaError> {
    let mut letters = rest.chars();
    let (opening, after) = (letters.next(), letters.as_str());
    // A head ends at one of these, or at another special character that has no backslash.
    let closing = match opening {
        Some('[') => ']',
        Some('(') => ')',
        Some('<') => '>',
        Some('{') => '}',
        _ => return Err(EpasaError::Escape),
    };
    *rest = after;
    let content = take_content(rest)?;
    let seal = match closing {
        ']' => Seal::Public,
        ')' => Seal::Receiver,
        '>' => Seal::Sender,
        _ => {
            *rest = rest.strip_prefix(':').ok_or(EpasaError::Password)?;
            Seal::Password(take_escaped(rest)?)
        }
    };
    *rest = rest.strip_prefix(closing).ok_or(EpasaError::Unclosed)?;
    Ok(Payload { seal, content })
}

fn take_content(rest: &mut &str) -> Result<Option<Content>, EpasaError> {
    if let Some(after) = rest.strip_prefix('"') {
        *rest = after;
        let text = take_escaped(rest)?;
        *rest = rest.strip_prefix('"').ok_or(EpasaError::Unclosed)?;
        return Ok(Some(Content::Text(text.to_string())));
    }
    let (word, after) = rest.split_at(rest.find(|letter: char| !letter.is_ascii_alphanumeric()).unwrap_or(rest.len()));
    *rest = after;
    if word.is_empty() {
        return Ok(None);
    }
    match word.strip_prefix("0x") {
        Some(hex) => unhex(hex).map(Content::Hex).map(Some),
        None => bs58::decode(word).into_vec().map(Content::Base58).map(Some).map_err(|_| EpasaError::Payload),
    }
}

/// Takes text up to the next special character that has no backslash before it, without its backslashes.
fn take_escaped(rest: &mut &str) -> Result<Zeroizing<String>, EpasaError> {
    // As long as it can get: one that grew would leave copies of a password behind.
    let mut text = Zeroizing::new(String::with_capacity(rest.len()));
    let mut letters = rest.chars();
    loop {
        let here = letters.as_str();
        match letters.next() {
            Some('\\') => {
                text.push(letters.next().filter(|letter| SPECIAL.contains(*letter)).ok_or(EpasaError::Escape)?)
            }
            Some(letter) if !SPECIAL.contains(letter) => text.push(letter),
            _ => {
                *rest = here;
                return Ok(text);
            }
        }
    }
}

fn unhex(text: &str) -> Result<Vec<u8>, EpasaError> {
    let digit = |digit: &u8| match digit {
        b'0'..=b'9' => Ok(digit - b'0'),
        b'a'..=b'f' => Ok(digit - b'a' + 10),
        _ => Err(EpasaError::Payload),
    };
    let (pairs, odd) = text.as_bytes().as_chunks::<2>();
    if !odd.is_empty() {
        return Err(EpasaError::Payload);
    }
    pairs.iter().map(|[high, low]| Ok(digit(high)? << 4 | digit(low)?)).collect()
}

fn is_checksum(text: &str) -> bool {
    text.len() == 4 && text.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'))
}

const fn is_printable(byte: u8) -> bool {
    matches!(byte, b' '..=b'~')
}

/// Whether a text of this length can stand in an address.
pub(super) fn check(text: &str, bytes_max: usize, error: EpasaError) -> Result<(), EpasaError> {
    if text.is_empty() || text.len() > bytes_max || !text.bytes().all(is_printable) { Err(error) } else { Ok(()) }
}

/// The text without the checksum at its end.
pub(super) fn print(epasa: &Epasa) -> Zeroizing<String> {
    // Reserved whole, since a password may stand in it.
    let mut text = Zeroizing::new(String::with_capacity(TEXT_BYTES_MAX));
    match &epasa.payee {
        Payee::Number(account) => write!(text, "{account}").expect("a String takes all"),
        Payee::Name(name) => push_escaped(&mut text, name.as_str()),
        Payee::Key(key) => write!(text, "@[{}]", key.to_base58()).expect("a String takes all"),
    }
    if let Some(Payload { seal, content }) = &epasa.payload {
        let (opening, closing) = match seal {
            Seal::Public => ('[', ']'),
            Seal::Receiver => ('(', ')'),
            Seal::Sender => ('<', '>'),
            Seal::Password(_) => ('{', '}'),
        };
        text.push(opening);
        match content {
            None => {}
            Some(Content::Text(said)) => {
                text.push('"');
                push_escaped(&mut text, said);
                text.push('"');
            }
            Some(Content::Hex(bytes)) => {
                text.push_str("0x");
                for byte in bytes {
                    write!(text, "{byte:02x}").expect("a String takes all");
                }
            }
            Some(Content::Base58(bytes)) => text.push_str(&bs58::encode(bytes).into_string()),
        }
        if let Seal::Password(password) = seal {
            text.push(':');
            push_escaped(&mut text, password);
        }
        text.push(closing);
    }
    text
}

fn push_escaped(text: &mut String, said: &str) {
    for letter in said.chars() {
        if SPECIAL.contains(letter) {
            text.push('\\');
        }
        text.push(letter);
    }
}

/// What begins a payload.
const OPENING: &str = "[(<{";
/// What has a backslash before it in a name, a text or a password. (No name has a backslash itself.)
const SPECIAL: &str = "\"()<>[\\]{}:";
