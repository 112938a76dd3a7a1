//! An exported identity as a text that says what it is, for a file, a password store or a sheet of paper. Never decides
//! whether it is taken in.

use zeroize::Zeroizing;

use super::file::{Contents, FILE_BYTES_MAX, FileFault};

const BEGIN: &str = "-----BEGIN NIGHTJAR IDENTITY-----";
const END: &str = "-----END NIGHTJAR IDENTITY-----";
/// Bytes on a line, in hex: 64 digits.
const LINE_BYTES: usize = 32;
/// The longest text that is looked at: all in hex, with room for blanks and for what stands around it.
pub const ARMOUR_BYTES_MAX: usize = 3 * FILE_BYTES_MAX;

/// The text is no exported identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ArmourFault {
    /// The first or the last line is missing.
    #[error("no exported identity: it begins with the line {BEGIN:?} and ends with {END:?}")]
    NoFrame,
    /// Longer than any export.
    #[error("no exported identity: it has {0} bytes, the most is {ARMOUR_BYTES_MAX}")]
    TooLong(usize),
    /// A line that is not hex.
    #[error("the exported identity is damaged: line {0} has something else than hex digits")]
    Line(usize),
    /// The bytes are no identity.
    #[error("the exported identity cannot be used: {0}")]
    Bytes(#[from] FileFault),
    /// Several identities, or none.
    #[error("the exported identity is damaged: it holds {0} identities instead of one")]
    NotOne(usize),
}

/// The text of the bytes of one identity. What people read in it is not read back.
pub(super) fn write(contents: &Contents, bytes: &[u8]) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::with_capacity(1024 + 3 * bytes.len()));
    let mut line = |parts: &[&str]| {
        parts.iter().for_each(|part| text.push_str(part));
        text.push('\n');
    };
    line(&[BEGIN]);
    line(&["What: the secret key of an identity for chat, for `nightjar`. It is no wallet and owns no coins."]);
    for identity in contents.identities() {
        line(&["Key: ", &identity.key.to_string()]);
        if let Some(nick) = &identity.nick {
            line(&["Nick: ", nick]);
        }
        if identity.revoked.is_some() {
            line(&["State: revoked"]);
        } else if let Some((_, by)) = identity.replaced {
            line(&["State: replaced by ", &by.to_string()]);
        }
    }
    line(&[if contents.has_passphrase() {
        "Protection: a passphrase opens it; without the passphrase it is of no use."
    } else {
        "Protection: NONE. Whoever has this text can speak as this identity."
    }]);
    line(&[""]);
    for bytes in bytes.chunks(LINE_BYTES) {
        let mut digits = Zeroizing::new([0; 2 * LINE_BYTES]);
        for (pair, byte) in digits.chunks_exact_mut(2).zip(bytes) {
            let digit = |four: u8| if four < 10 { b'0' + four } else { b'a' + four - 10 };
            pair.copy_from_slice(&[digit(byte >> 4), digit(byte & 15)]);
        }
        let digits = digits.get(..2 * bytes.len()).and_then(|digits| str::from_utf8(digits).ok());
        line(&[digits.expect("hex digits are ASCII, and a line has no more than that")]);
    }
    line(&[END]);
    text
}

/// The identity in a text, still locked if it was exported with a passphrase. What stands before and behind the frame is
/// passed over, as are blanks in lines and the lines for people, which end at the first empty one.
pub fn read(text: &[u8]) -> Result<Contents, ArmourFault> {
    if text.len() > ARMOUR_BYTES_MAX {
        return Err(ArmourFault::TooLong(text.len()));
    }
    let mut lines = text.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii).enumerate();
    lines.find(|(_, line)| *line == BEGIN.as_bytes()).ok_or(ArmourFault::NoFrame)?;
    let mut bytes = Zeroizing::new(Vec::with_capacity(text.len() / 2));
    let mut people = true;
    let mut ended = false;
    for (place, line) in lines {
        if line == END.as_bytes() {
            ended = true;
            break;
        }
        if people {
            people = !line.is_empty();
        } else {
            let mut digits = line.iter().filter(|byte| !byte.is_ascii_whitespace());
            while let Some(first) = digits.next() {
                bytes.push(byte_of_hex(*first, digits.next()).ok_or(ArmourFault::Line(place + 1))?);
            }
        }
    }
    if !ended {
        return Err(ArmourFault::NoFrame);
    }
    let contents = Contents::read(&bytes)?;
    match contents.identities().len() {
        1 => Ok(contents),
        others => Err(ArmourFault::NotOne(others)),
    }
}

fn byte_of_hex(first: u8, second: Option<&u8>) -> Option<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    u8::try_from(digit(first)? << 4 | digit(*second?)?).ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

    use proptest::prelude::*;

    use super::*;

    const EMPTY: Contents = Contents::empty();

    fn framed(lines: &str) -> String {
        format!("{BEGIN}\nNick: x\n\n{lines}\n{END}\n")
    }

    #[test]
    fn a_text_that_is_none_says_why() {
        assert_eq!(read(b"").unwrap_err(), ArmourFault::NoFrame);
        assert_eq!(read(BEGIN.as_bytes()).unwrap_err(), ArmourFault::NoFrame);
        assert_eq!(read(framed("00 1g").as_bytes()).unwrap_err(), ArmourFault::Line(4));
        assert_eq!(read(framed("00 1").as_bytes()).unwrap_err(), ArmourFault::Line(4));
        assert_eq!(read(framed("00").as_bytes()).unwrap_err(), ArmourFault::Bytes(FileFault::Damaged));
        let long = vec![b' '; ARMOUR_BYTES_MAX + 1];
        assert_eq!(read(&long).unwrap_err(), ArmourFault::TooLong(long.len()));
        let none = write(&EMPTY, &EMPTY.write([0; 12]).unwrap());
        assert_eq!(read(none.as_bytes()).unwrap_err(), ArmourFault::NotOne(0));
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(before in ".{0,80}", bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            read(&bytes).unwrap_err();
            let framed = [before.as_bytes(), b"\n", BEGIN.as_bytes(), b"\n\n", &bytes, b"\n", END.as_bytes()].concat();
            read(&framed).unwrap_err();
        }
    }
}
