//! Whom and what the user does not want to read: what he can say, and what it matches. Never knows who somebody is, and forgets
//! nothing by itself.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use nightjar_core::name::{Name, NameError, TypedName};
use nightjar_envelope::key::{ChatKey, NotAChatKey};
use unicode_normalization::UnicodeNormalization as _;

/// Accounts, nicks and patterns that are ignored: a list that a person keeps by hand. Each pattern is held against each message.
pub const IGNORED_MAX: usize = 1_024;
/// Bytes of a pattern in the form that is compared: a few words.
pub const PATTERN_BYTES_MAX: usize = 128;

/// What stands before a pattern.
const WORD: &str = "word:";

/// Something that is ignored. Its text is the one form that is kept, shown and read again.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ignored {
    /// Whatever this key signs or seals: `~` and its digits.
    Key(ChatKey),
    /// Whoever claims this account, proven or not.
    Account(u32),
    /// Whoever calls himself so.
    Nick(String),
    /// What reads so.
    Word(Pattern),
}

/// Words with `*` for anything. One with a blank in it is held against a whole text, one without against each word.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pattern(String);

/// Why a text says nothing that can be ignored.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotIgnorable {
    /// It is no nick and no account.
    #[error(transparent)]
    Name(#[from] NameError),
    /// It looks like a key.
    #[error("what stands behind ~ is {0}")]
    Key(#[from] NotAChatKey),
    /// What comes to a channel is by many.
    #[error("{0} is a channel, and nobody is ignored for where he speaks: `part` leaves it")]
    Channel(String),
    /// It would match everything.
    #[error(
        "the pattern has nothing but * and blanks in it and would match everything: give a letter of what is not to be read"
    )]
    Everything,
    /// It cannot stand on a line.
    #[error(
        "the pattern has {0:?} in it: control characters and line breaks are not matched, leave it out or put * in its place"
    )]
    Control(char),
    /// It is too long.
    #[error(
        "the pattern has {0} bytes, and {PATTERN_BYTES_MAX} are the most: put * in the place of what may be anything"
    )]
    TooLong(usize),
}

/// There is no room for one more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{IGNORED_MAX} accounts, nicks and patterns are ignored, and that is the most: `ignore WHAT --remove` one that is not needed"
)]
pub struct TooManyIgnored;

impl FromStr for Ignored {
    type Err = NotIgnorable;

    fn from_str(text: &str) -> Result<Self, NotIgnorable> {
        if let Some(pattern) = text.strip_prefix(WORD) {
            return pattern.parse().map(Self::Word);
        }
        if let Some(digits) = text.strip_prefix('~') {
            return Ok(Self::Key(digits.parse()?));
        }
        // Longer than any nick, and no account.
        if let Ok(key) = text.parse() {
            return Ok(Self::Key(key));
        }
        match text.parse::<TypedName>()?.name().clone() {
            Name::Account(account) => Ok(Self::Account(account)),
            Name::Nick(nick) => Ok(Self::Nick(nick)),
            Name::Channel(channel) => Err(NotIgnorable::Channel(channel)),
        }
    }
}

impl fmt::Display for Ignored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(key) => write!(f, "~{key}"),
            Self::Account(account) => Name::Account(*account).fmt(f),
            Self::Nick(nick) => write!(f, "@{nick}"),
            Self::Word(Pattern(pattern)) => write!(f, "{WORD}{pattern}"),
        }
    }
}

impl FromStr for Pattern {
    type Err = NotIgnorable;

    fn from_str(text: &str) -> Result<Self, NotIgnorable> {
        let pattern = folded(text.trim());
        if let Some(control) = pattern.chars().find(|it| it.is_control()) {
            return Err(NotIgnorable::Control(control));
        }
        if pattern.chars().all(|it| it == '*' || it.is_whitespace()) {
            return Err(NotIgnorable::Everything);
        }
        if pattern.len() > PATTERN_BYTES_MAX {
            return Err(NotIgnorable::TooLong(pattern.len()));
        }
        Ok(Self(pattern))
    }
}

impl Pattern {
    fn is_of_text(&self) -> bool {
        self.0.contains(char::is_whitespace)
    }

    /// Takes time that grows with the two lengths alone: what stands between two stars is looked for once, behind what was found.
    fn matches(&self, text: &str) -> bool {
        let Some((first, rest)) = self.0.split_once('*') else { return self.0 == text };
        let Some(text) = text.strip_prefix(first) else { return false };
        let Some((between, last)) = rest.rsplit_once('*') else { return text.ends_with(rest) };
        let Some(text) = text.strip_suffix(last) else { return false };
        let left = between.split('*').try_fold(text, |text, part| Some(text.split_once(part)?.1));
        left.is_some()
    }
}

/// What is ignored beside keys, which are declined.
#[derive(Debug, Default)]
pub(super) struct Ignores(BTreeSet<Ignored>);

impl Ignores {
    /// What was written down. What this program does not understand of it is left out, and said.
    pub(super) fn new(texts: Vec<String>) -> Self {
        let read = texts.into_iter().filter_map(|text| {
            let read = text.parse::<Ignored>();
            read.inspect_err(|error| tracing::warn!(%text, %error, "left out of what is ignored")).ok()
        });
        Self(read.take(IGNORED_MAX).collect())
    }

    /// Says whether it is new.
    pub(super) fn add(&mut self, what: Ignored) -> Result<bool, TooManyIgnored> {
        if self.0.len() >= IGNORED_MAX && !self.0.contains(&what) {
            return Err(TooManyIgnored);
        }
        Ok(self.0.insert(what))
    }

    /// Says whether it was there.
    pub(super) fn remove(&mut self, what: &Ignored) -> bool {
        self.0.remove(what)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Ignored> {
        self.0.iter()
    }

    /// Whether somebody who goes by these nicks and claims these accounts is ignored.
    pub(super) fn is_by<'a>(
        &self,
        nicks: impl IntoIterator<Item = &'a str>,
        accounts: impl IntoIterator<Item = u32>,
    ) -> bool {
        let mut nicks = nicks.into_iter().map(|nick| Ignored::Nick(nick.to_owned()));
        let mut accounts = accounts.into_iter().map(Ignored::Account);
        !self.0.is_empty() && (nicks.any(|it| self.0.contains(&it)) || accounts.any(|it| self.0.contains(&it)))
    }

    /// Whether a text reads like a pattern.
    pub(super) fn reads(&self, text: &str) -> bool {
        let patterns = self.0.iter().filter_map(|it| if let Ignored::Word(it) = it { Some(it) } else { None });
        let patterns: Vec<&Pattern> = patterns.collect();
        if patterns.is_empty() {
            return false;
        }
        let text = folded(text.trim());
        // A word at the end of a sentence, or in brackets, is that word.
        let words = text.split_whitespace().flat_map(|word| {
            let bare = word.trim_matches(|it: char| !it.is_alphanumeric());
            [Some(word), Some(bare).filter(|bare| bare.len() < word.len())]
        });
        let words: BTreeSet<&str> = words.flatten().collect();
        patterns.into_iter().any(|pattern| match (pattern.is_of_text(), pattern.0.contains('*')) {
            (true, _) => pattern.matches(&text),
            (false, true) => words.iter().any(|word| pattern.matches(word)),
            (false, false) => words.contains(pattern.0.as_str()),
        })
    }
}

/// The one form in which texts are compared: without case, and with one form for each of Unicode's doubles.
fn folded(text: &str) -> String {
    // Some letters have several small forms and one large one, and one has it the other way.
    let small = text.nfkc().flat_map(char::to_lowercase).flat_map(char::to_uppercase).flat_map(char::to_lowercase);
    small.nfkc().collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

    use nightjar_core::chain::Network;
    use nightjar_envelope::key::ChatSecret;
    use rand_chacha::ChaCha20Rng;
    use rand_chacha::rand_core::SeedableRng as _;
    use zeroize::Zeroizing;

    use super::super::people::DECLINED_MAX;
    use super::super::{IgnoreError, Post};
    use super::*;
    use crate::clock::Clock;
    use crate::identity::Identities;
    use crate::store::StoreLimits;

    const KEY: &str = "8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c";

    #[tokio::test]
    async fn there_is_room_for_so_many_keys_that_none_of_ours_has_to_do_with_and_more_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let identities = Identities::load(&dir.path().join("identities.json")).unwrap();
        let (path, clock) = (dir.path().join("nightjar.db"), Clock::system());
        let chance = ChaCha20Rng::seed_from_u64(1);
        let post = Post::open(Network::Main, &path, StoreLimits::default(), false, identities, clock, chance).unwrap();
        let key = |number: usize| {
            let mut seed = Zeroizing::new([7; 32]);
            seed.iter_mut().zip(number.to_le_bytes()).for_each(|(byte, of)| *byte = of);
            ChatSecret::from_seed(&seed).public()
        };
        {
            let (mut state, now) = (post.shared.lock(), post.now());
            (1..DECLINED_MAX).for_each(|number| state.known.decline(key(number), now, &mut Vec::new()));
        }
        assert!(post.ignore(Ignored::Key(key(DECLINED_MAX))).await.unwrap(), "the last there is room for");
        let refused = post.ignore(Ignored::Key(key(0))).await.unwrap_err();
        assert!(matches!(refused, IgnoreError::TooManyKeys));
        assert!(refused.to_string().starts_with("4096 keys are ignored"), "{refused}");
        assert!(!post.ignore(Ignored::Key(key(1))).await.unwrap(), "it is ignored already");
        assert_eq!(post.ignored().len(), DECLINED_MAX, "nobody is heard again for it");
        assert!(post.unignore(&Ignored::Key(key(1))).await.unwrap());
        assert!(post.ignore(Ignored::Key(key(0))).await.unwrap());
    }

    fn ignores(texts: &[&str]) -> Ignores {
        let mut ignores = Ignores::default();
        for text in texts {
            assert!(ignores.add(text.parse().unwrap()).unwrap());
        }
        ignores
    }

    #[test]
    fn each_thing_has_one_text_that_is_read_again() {
        for (typed, shown) in [
            (format!("~{KEY}"), format!("~{KEY}")),
            (KEY.to_uppercase(), format!("~{KEY}")),
            ("1234".to_owned(), "1234-44".to_owned()),
            ("1234-44".to_owned(), "1234-44".to_owned()),
            ("Raven".to_owned(), "@raven".to_owned()),
            ("@CAFE".to_owned(), "@cafe".to_owned()),
            ("word: Buy*NOW ".to_owned(), "word:buy*now".to_owned()),
            ("word:#pump*".to_owned(), "word:#pump*".to_owned()),
        ] {
            let read: Ignored = typed.parse().unwrap();
            assert_eq!(read.to_string(), shown);
            assert_eq!(shown.parse(), Ok(read));
        }
    }

    #[test]
    fn what_cannot_be_ignored_is_refused_with_a_reason() {
        let long = format!("word:{}", "x".repeat(PATTERN_BYTES_MAX + 1));
        for (text, says) in [
            ("", "the name is empty"),
            ("#pascalcoin", "#pascalcoin is a channel"),
            ("1234-45", "checksum"),
            ("no", "2 characters"),
            ("~8a88", "64 hex digits are wanted"),
            ("word:", "would match everything"),
            ("word:* *", "would match everything"),
            ("word:a\nb", "'\\n'"),
            (&long, "129 bytes"),
        ] {
            let error = text.parse::<Ignored>().unwrap_err().to_string();
            assert!(error.contains(says), "{text:?}: {error}");
        }
        let longest = format!("word:{}", "x".repeat(PATTERN_BYTES_MAX));
        assert!(longest.parse::<Ignored>().is_ok());
    }

    #[test]
    fn a_pattern_matches_whole_words_or_with_a_blank_the_whole_text() {
        for (pattern, text, is_read) in [
            ("spam", "Eat SPAM!", true),
            ("spam", "(spam)", true),
            ("spam", "spammer", false),
            ("spam*", "a Spammer", true),
            ("*spam", "antispam, no more", true),
            ("*spam*", "x:antispam,eggs", true),
            ("c*t", "a cat.", true),
            ("c*t", "come and get it", false),
            ("c*t", "ct", true),
            ("ab*ba", "aba", false),
            ("a*b*c", "axcxb", false),
            ("a*b*c", "axbxc", true),
            ("https://evil.example/*", "see https://evil.example/x", true),
            ("evil.example", "see evil.example.", true),
            ("buy now", "Buy now", true),
            ("buy now", "buy now or never", false),
            ("*buy*now*", "would buy it now?", false),
            ("*buy * now*", "would buy it now?", true),
            ("straße", "STRASSE", true),
            ("σας", "ΣΑΣ", true),
            ("caf\u{e9}", "cafe\u{301}", true),
            ("\u{1f389}", "\u{1f389}", true),
        ] {
            let ignores = ignores(&[&format!("word:{pattern}")]);
            assert_eq!(ignores.reads(text), is_read, "{pattern:?} and {text:?}");
        }
        assert!(!ignores(&["@spam"]).reads("spam"));
    }

    #[test]
    fn patterns_agree_with_what_stars_mean() {
        /// What they mean, in time without bound.
        fn means(pattern: &[char], text: &[char]) -> bool {
            match (pattern.split_first(), text.split_first()) {
                (None, _) => text.is_empty(),
                (Some(('*', rest)), None) => means(rest, text),
                (Some(('*', rest)), Some((_, behind))) => means(rest, text) || means(pattern, behind),
                (Some((one, rest)), Some((other, behind))) => one == other && means(rest, behind),
                (Some(_), None) => false,
            }
        }
        let texts = |letters: &[char], most: usize| {
            let mut all = vec![String::new()];
            let mut last = all.clone();
            for _ in 0..most {
                last = last.iter().flat_map(|text| letters.iter().map(move |it| format!("{text}{it}"))).collect();
                all.extend(last.iter().cloned());
            }
            all
        };
        for pattern in texts(&['a', 'b', '*'], 5) {
            let letters: Vec<char> = pattern.chars().collect();
            for text in texts(&['a', 'b'], 5) {
                let meant = means(&letters, &text.chars().collect::<Vec<_>>());
                assert_eq!(Pattern(pattern.clone()).matches(&text), meant, "{pattern:?} and {text:?}");
            }
        }
    }

    #[test]
    fn the_worst_pattern_for_those_who_try_every_place_ends() {
        // Whoever tries each star at each place would need more steps than there are atoms.
        let pattern = Pattern(format!("{}c", "*a".repeat(PATTERN_BYTES_MAX / 2 - 1)));
        assert!(!pattern.matches(&"a".repeat(1 << 20)));
    }

    #[test]
    fn to_fold_twice_is_to_fold_once() {
        for character in '\0'..=char::MAX {
            let once = folded(&character.to_string());
            assert_eq!(folded(&once), once, "{character:?}");
        }
    }

    #[test]
    fn who_goes_by_a_nick_or_claims_an_account_is_ignored() {
        let ignores = ignores(&["raven", "1234"]);
        assert!(ignores.is_by(["crow", "raven"], []) && ignores.is_by([], [7, 1234]));
        assert!(!ignores.is_by(["crow"], [7]) && !ignores.is_by([], []));
    }

    #[test]
    fn what_is_ignored_is_bounded_and_the_one_too_many_is_refused() {
        let mut ignores = Ignores::default();
        for account in 0..IGNORED_MAX as u32 {
            assert_eq!(ignores.add(Ignored::Account(account)), Ok(true));
        }
        assert_eq!(ignores.add(Ignored::Account(u32::MAX)), Err(TooManyIgnored));
        assert_eq!(ignores.add(Ignored::Account(7)), Ok(false), "it is there");
        assert!(ignores.remove(&Ignored::Account(7)) && !ignores.remove(&Ignored::Account(7)));
        assert_eq!(ignores.add(Ignored::Account(u32::MAX)), Ok(true));
    }

    #[test]
    fn what_was_written_down_is_read_again_and_nonsense_is_left_out() {
        let texts = ["@raven", "1234-44", "nonsense: 1", "word:a b"].map(str::to_owned);
        let read = Ignores::new(texts.to_vec());
        assert_eq!(read.iter().map(ToString::to_string).collect::<Vec<_>>(), ["1234-44", "@raven", "word:a b"]);
    }

    /// Prints figures: `cargo test --release -p nightjar-node --lib what_the_longest_text_costs -- --ignored --nocapture`.
    #[test]
    #[ignore = "it measures"]
    fn what_the_longest_text_costs() {
        let mut text = String::new();
        for number in 0..9_000 {
            text.push_str(&format!("w{number:x}x "));
        }
        for (of, star) in [("words", ""), ("beginnings", "*"), ("anywhere", "**")] {
            let mut ignores = Ignores::default();
            for number in 0..IGNORED_MAX {
                let (before, behind) = (if star == "**" { "*" } else { "" }, if star.is_empty() { "" } else { "*" });
                ignores.add(format!("word:{before}w{number}zz{behind}").parse().unwrap()).unwrap();
            }
            let begun = std::time::Instant::now();
            assert!(!ignores.reads(&text));
            println!("{} bytes against {IGNORED_MAX} patterns, {of}: {:?}", text.len(), begun.elapsed());
        }
    }
}
