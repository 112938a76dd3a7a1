//! What somebody typed: quoted in a message to him, and which word of ours he may have meant.

/// A text that somebody typed, quoted for a message: control characters escaped, cut when it is long.
pub(crate) fn quoted(text: &str) -> String {
    /// As much as a person needs to find it again.
    const QUOTED_CHARS_MAX: usize = 48;
    match text.char_indices().nth(QUOTED_CHARS_MAX) {
        None => format!("{text:?}"),
        Some((end, _)) => format!("{:?}...", text.get(..end).unwrap_or(text)),
    }
}

/// `; did you mean "x"?` when one of the words is like the text.
pub(crate) fn suggestion<'a>(text: &str, words: impl IntoIterator<Item = &'a str>) -> String {
    /// Jaro-Winkler: a letter wrong, missing or swapped stays above it.
    const LIKENESS_MIN: f64 = 0.8;
    /// Nothing longer is like a word of ours.
    const LIKE_BYTES_MAX: usize = 64;
    if text.len() > LIKE_BYTES_MAX {
        return String::new();
    }
    words
        .into_iter()
        .map(|word| (strsim::jaro_winkler(&text.to_ascii_lowercase(), word), word))
        .filter(|(likeness, _)| *likeness >= LIKENESS_MIN)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map_or_else(String::new, |(_, word)| format!("; did you mean {word:?}?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_caller_sent_is_quoted_short_and_without_control_characters() {
        assert_eq!(quoted("a\u{1b}[2J"), r#""a\u{1b}[2J""#);
        assert!(quoted(&"ä".repeat(5000)).chars().count() < 60);
    }

    #[test]
    fn only_what_is_alike_is_suggested() {
        let words = ["nodestatus", "listen", "unlisten"];
        assert_eq!(suggestion("nodestats", words), "; did you mean \"nodestatus\"?");
        assert_eq!(suggestion("Listen", words), "; did you mean \"listen\"?");
        assert_eq!(suggestion("mint", words), "");
        assert_eq!(suggestion(&"listen".repeat(50), words), "");
    }
}
