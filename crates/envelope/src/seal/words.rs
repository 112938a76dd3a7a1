//! Passphrases: six words that a machine chose, and what is to be said of one that a person chose. Never stores one.

use bip39::Language;
use rand_core::CryptoRng;

/// Words of a passphrase: 2,048^6 of them are 66 bits, which with 64 MiB for each guess nobody runs through.
const WORDS: usize = 6;
/// A passphrase of a person is asked to have so many characters,
const CHARACTERS_MIN: usize = 16;
/// and so many different ones.
const DIFFERENT_MIN: usize = 9;

/// Six words of the English list of BIP-39, with blanks between them.
pub fn passphrase(rng: &mut impl CryptoRng) -> String {
    let list = Language::English.word_list();
    let word = |_| {
        let mut bytes = [0; 2];
        rng.fill_bytes(&mut bytes);
        // 2,048 divides 65,536: each word is as likely as every other.
        *list.get(usize::from(u16::from_le_bytes(bytes)) % list.len()).expect("the rest is below the length")
    };
    (0..WORDS).map(word).collect::<Vec<_>>().join(" ")
}

/// Why a passphrase is weak, if it is. Nobody can tell a strong one by looking at it; these are the ones that surely are not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Weak {
    /// Too short.
    #[error("it has {0} characters: {CHARACTERS_MIN} or more are wanted")]
    Short(usize),
    /// Too few different characters.
    #[error("it has only {0} different characters: {DIFFERENT_MIN} or more are wanted")]
    Monotonous(usize),
}

/// Looks at a passphrase.
pub fn weakness(passphrase: &str) -> Option<Weak> {
    let characters = passphrase.chars().count();
    if characters < CHARACTERS_MIN {
        return Some(Weak::Short(characters));
    }
    let different = passphrase.chars().collect::<std::collections::BTreeSet<_>>().len();
    (different < DIFFERENT_MIN).then_some(Weak::Monotonous(different))
}

#[cfg(test)]
mod tests {
    use rand_chacha::ChaCha20Rng;
    use rand_chacha::rand_core::SeedableRng as _;

    use super::*;

    #[test]
    fn six_words_are_made_and_not_called_weak() {
        let mut rng = ChaCha20Rng::from_seed([1; 32]);
        let (one, other) = (passphrase(&mut rng), passphrase(&mut rng));
        assert_eq!(one.split(' ').count(), 6);
        assert_ne!(one, other);
        let many = (0..1000).map(|_| passphrase(&mut rng));
        assert_eq!(many.filter(|phrase| weakness(phrase).is_some()).count(), 0);
    }

    #[test]
    fn what_is_surely_weak_is_called_so() {
        assert_eq!(weakness("hunter2"), Some(Weak::Short(7)));
        assert_eq!(weakness("passwordpassword"), Some(Weak::Monotonous(7)));
        assert_eq!(weakness("grüße aus der nacht"), None);
    }
}
