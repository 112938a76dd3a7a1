//! What a client answers to be let in with a name and a password (SASL PLAIN, RFC 4616).

use base64ct::{Base64, Encoding as _};
use zeroize::Zeroizing;

/// The longest name and the longest password: IRCv3 has clients send 300 bytes of an answer without asking, and names and
/// tokens of ours are far shorter.
pub const PLAIN_PART_BYTES_MAX: usize = 300;

/// Two names, a password, and a NUL between each.
const PLAIN_BYTES_MAX: usize = 3 * PLAIN_PART_BYTES_MAX + 2;

/// For whom one speaks (mostly empty), who one is, and the password. None if it is not that, if the last two are empty
/// or if one is longer than [`PLAIN_PART_BYTES_MAX`].
///
/// Leaves nothing of the password in memory but what it gives.
pub fn sasl_plain(base64: &str) -> Option<(String, String, Zeroizing<String>)> {
    let mut buffer = Zeroizing::new([0; PLAIN_BYTES_MAX]);
    let plain = Base64::decode(base64, buffer.as_mut_slice()).ok()?;
    let mut parts = plain.split(|byte| *byte == 0).map(|part| str::from_utf8(part).ok());
    let (authzid, authcid, password) = (parts.next()??, parts.next()??, parts.next()??);
    let fits = [authzid, authcid, password].iter().all(|part| part.len() <= PLAIN_PART_BYTES_MAX);
    let whole = parts.next().is_none() && !authcid.is_empty() && !password.is_empty();
    (fits && whole).then(|| (authzid.to_owned(), authcid.to_owned(), Zeroizing::new(password.to_owned())))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail loudly")]

    use super::*;
    use proptest::prelude::*;

    fn encoded(plain: &[u8]) -> String {
        let mut buffer = vec![0; Base64::encoded_len(plain)];
        Base64::encode(plain, &mut buffer).unwrap().to_owned()
    }

    fn read(plain: &str) -> Option<(String, String, String)> {
        sasl_plain(&encoded(plain.as_bytes()))
            .map(|(authzid, authcid, password)| (authzid, authcid, password.to_string()))
    }

    #[test]
    fn names_and_password_are_told_apart() {
        // The example of IRCv3 (SASL 3.1).
        let (authzid, authcid, password) = sasl_plain("amlsbGVzAGppbGxlcwBzZXNhbWU=").unwrap();
        assert_eq!((authzid.as_str(), authcid.as_str(), password.as_str()), ("jilles", "jilles", "sesame"));
        assert_eq!(read("\0tim\0tanstaaf tanstaaf"), Some(("".into(), "tim".into(), "tanstaaf tanstaaf".into())));
    }

    #[test]
    fn anything_else_is_refused() {
        for plain in ["", "\0", "\0\0", "a\0b", "\0a\0", "\0\0b", "\0a\0b\0", "\0a\0b\0c"] {
            assert_eq!(read(plain), None, "{plain:?}");
        }
        assert!(sasl_plain(&encoded(b"\0a\0\xff")).is_none());
        for text in [
            "+",
            "*",
            "=",
            "amlsbGVz",
            "amlsbGVzAGppbGxlcwBzZXNhbWU",
            "amls bGVzAGppbGxlcwBzZXNhbWU=",
            "amlsbGVzAGppbGxlcwBzZXNhbWV=",
        ] {
            assert!(sasl_plain(text).is_none(), "{text:?}");
        }
    }

    #[test]
    fn names_and_password_have_their_limit() {
        let long = "x".repeat(PLAIN_PART_BYTES_MAX);
        assert!(read(&format!("{long}\0{long}\0{long}")).is_some());
        assert!(read(&format!("\0a\0{long}x")).is_none());
        assert!(read(&format!("\0{long}x\0a")).is_none());
        assert!(read(&format!("{long}x\0a\0b")).is_none());
        assert!(sasl_plain(&"A".repeat(100_000)).is_none());
    }

    proptest! {
        #[test]
        fn what_was_encoded_is_read(authzid in "[^\0]{0,75}", authcid in "[^\0]{1,75}", password in "[^\0]{1,75}") {
            prop_assert_eq!(read(&format!("{authzid}\0{authcid}\0{password}")), Some((authzid, authcid, password)));
        }

        #[test]
        fn no_text_upsets_it(text in "[A-Za-z0-9+/=]{0,1300}|.{0,80}") {
            let _read = sasl_plain(&text);
        }
    }
}
