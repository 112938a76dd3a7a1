//! Text of strangers, made fit for lines of IRC. Never looks at what it means.

mod plain;
mod time;

use unicode_properties::{GeneralCategoryGroup, UnicodeGeneralCategory as _};

pub use plain::{PLAIN_PART_BYTES_MAX, sasl_plain};
pub use time::{TIME_MS_MAX, parse_time, time_tag};

/// The least a line is cut to: a character with its marks has room in it.
pub const CUT_BYTES_MIN: usize = 16;
/// How many bytes may be given up so that a character keeps its marks: far more than any script needs, and a text of
/// nothing but marks is still cut near the end.
const MARKS_BYTES_MAX: usize = 64;

/// What came from strangers, for one line: a tab becomes a blank, and what ends lines, turns the direction of writing or
/// steers a terminal or a client is left out. What IRC clients know as formatting stays: bold, colours, underlined and so on.
///
/// U+0001 goes too: with it around a text, clients would take it for a command or a question to them (CTCP).
pub fn clean(text: &str) -> String {
    let mut clean = String::new();
    clean_into(text, &mut clean);
    clean
}

/// The same in the place of what was there.
fn clean_into(text: &str, clean: &mut String) {
    clean.clear();
    clean.extend(
        text.chars()
            .filter_map(|character| if character == '\t' { Some(' ') } else { stays(character).then_some(character) }),
    );
}

fn stays(character: char) -> bool {
    match character {
        // Bold, colour, colour in hexadecimal digits, plain, monospace, reversed, italic, struck out, underlined.
        '\u{2}' | '\u{3}' | '\u{4}' | '\u{f}' | '\u{11}' | '\u{16}' | '\u{1d}' | '\u{1e}' | '\u{1f}' => true,
        // Ends of lines and paragraphs.
        '\u{2028}' | '\u{2029}' => false,
        // Embeddings, overrides and isolates of the direction of writing.
        '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => false,
        other => !other.is_control(),
    }
}

/// A text as lines of at most so many bytes, [`CUT_BYTES_MIN`] at the least: split where its lines end (CR, LF, CR LF),
/// cleaned, and what is longer is cut between words, or else where [`head`] cuts. Lines with nothing in them are left
/// out, but one is there always. Nothing else is lost than blanks where a line was cut.
pub fn lines(text: &str, bytes_max: usize) -> Vec<String> {
    first_lines(text, bytes_max, usize::MAX).0
}

/// The first so many [`lines`] of a text, and how many more there are. Those are counted and never kept: a text of nothing but ends of
/// lines has tens of thousands.
pub fn first_lines(text: &str, bytes_max: usize, lines_max: usize) -> (Vec<String>, usize) {
    let bytes_max = bytes_max.max(CUT_BYTES_MIN);
    let (mut lines, mut more, mut clean) = (Vec::new(), 0, String::new());
    for line in text.split(['\r', '\n']) {
        clean_into(line, &mut clean);
        let mut rest = clean.as_str();
        while !rest.is_empty() {
            let (piece, behind) = cut(rest, bytes_max);
            if lines.len() < lines_max {
                lines.push(piece.to_owned());
            } else {
                more += 1;
            }
            rest = behind;
        }
    }
    if lines.is_empty() && more == 0 {
        lines.push(String::new());
    }
    (lines, more)
}

/// A part of a text of several lines, which whoever gets it puts together again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Without an end of a line.
    pub text: String,
    /// Whether it goes on the line that the piece before it began.
    pub goes_on: bool,
}

/// The first pieces of a text, each of at most so many bytes, [`CUT_BYTES_MIN`] at the least, and how many more there are: cleaned, split
/// where lines end (LF), and cut behind blanks where that can be done. There are at most `pieces_max` of them, and `all_bytes_max` bytes
/// with one for the end of each. If that is enough nothing is lost: whoever puts them together has the text again.
pub fn first_pieces(text: &str, bytes_max: usize, pieces_max: usize, all_bytes_max: usize) -> (Vec<Piece>, usize) {
    let bytes_max = bytes_max.max(CUT_BYTES_MIN);
    let (mut pieces, mut bytes, mut more, mut clean) = (Vec::new(), 0, 0, String::new());
    for line in text.split('\n') {
        clean_into(line, &mut clean);
        let (mut rest, mut goes_on) = (clean.as_str(), false);
        loop {
            let whole = head(rest, bytes_max);
            let is_last = whole.len() == rest.len();
            let blank = whole.rfind(' ').filter(|_| !is_last);
            let (piece, behind) = rest.split_at(blank.map_or(whole.len(), |blank| blank + 1));
            bytes += piece.len() + 1;
            if more == 0 && pieces.len() < pieces_max && bytes <= all_bytes_max {
                pieces.push(Piece { text: piece.to_owned(), goes_on });
            } else {
                more += 1;
            }
            if is_last {
                break;
            }
            (rest, goes_on) = (behind, true);
        }
    }
    (pieces, more)
}

/// What fits of a text, and the rest.
fn cut(text: &str, bytes_max: usize) -> (&str, &str) {
    let whole = head(text, bytes_max);
    let (_, rest) = text.split_at(whole.len());
    if rest.is_empty() {
        return (whole, rest);
    }
    let words_end = if rest.starts_with(' ') { Some(whole.len()) } else { whole.rfind(' ') };
    let (words, behind) = text.split_at(words_end.unwrap_or(0));
    match words.trim_end_matches(' ') {
        "" => (whole, rest),
        words => (words, behind.trim_start_matches(' ')),
    }
}

/// The beginning of a text: at most so many bytes of it, whole characters, and where it can be done none that is parted
/// from its marks.
pub fn head(text: &str, bytes_max: usize) -> &str {
    if text.len() <= bytes_max {
        return text;
    }
    let end = (0..=bytes_max).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    let whole = (end.saturating_sub(MARKS_BYTES_MAX).max(1)..=end).rev().find(|at| parts(text, *at));
    text.split_at(whole.unwrap_or(end)).0
}

/// Whether a text can be cut there without changing what is left and right of it.
fn parts(text: &str, at: usize) -> bool {
    let Some((left, right)) = text.split_at_checked(at) else { return false };
    !right.starts_with(clings) && !left.ends_with('\u{200d}')
}

/// Whether a character belongs to the one before it: a mark (as variation selectors are), a joiner or a tone of skin.
fn clings(character: char) -> bool {
    matches!(character, '\u{200d}' | '\u{1f3fb}'..='\u{1f3ff}')
        || character.general_category_group() == GeneralCategoryGroup::Mark
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail loudly")]

    use super::*;
    use proptest::prelude::*;

    #[test]
    fn formatting_stays_and_what_steers_goes() {
        assert_eq!(clean("\u{2}bold\u{f} \u{3}04red\tblue"), "\u{2}bold\u{f} \u{3}04red blue");
        assert_eq!(clean("\u{4}ff0000\u{11}\u{16}\u{1d}\u{1e}\u{1f}"), "\u{4}ff0000\u{11}\u{16}\u{1d}\u{1e}\u{1f}");
        assert_eq!(clean("\u{1}ACTION waves\u{1}"), "ACTION waves");
        assert_eq!(clean("\u{1b}[31m\u{7f}\0\r\n\u{85}\u{9b}x"), "[31mx");
        assert_eq!(clean("a\u{202e}b\u{2066}c\u{2069}\u{2028}d\u{2029}"), "abcd");
        assert_eq!(clean("e\u{301} 👩\u{200d}🔬 \u{200f}שלום"), "e\u{301} 👩\u{200d}🔬 \u{200f}שלום");
    }

    #[test]
    fn a_text_is_split_where_its_lines_end() {
        assert_eq!(lines("a\r\nb\n\n\rc\r", 400), ["a", "b", "c"]);
        assert_eq!(lines("", 400), [""]);
        assert_eq!(lines("\r\n\u{1}\n", 400), [""]);
        assert_eq!(lines(" a ", 400), [" a "]);
    }

    #[test]
    fn what_is_too_long_is_cut_between_words() {
        assert_eq!(lines("one two three four five", 16), ["one two three", "four five"]);
        assert_eq!(lines("0123456789abcdef  x", 16), ["0123456789abcdef", "x"]);
        assert_eq!(lines("0123456789 abcdefghijklmnopq", 16), ["0123456789", "abcdefghijklmnop", "q"]);
        assert_eq!(lines("                 x", 16), [" ".repeat(16), " x".into()]);
        assert_eq!(lines("short", 0), ["short"]);
    }

    #[test]
    fn characters_keep_what_belongs_to_them() {
        let scientist = "👩\u{200d}🔬";
        assert_eq!(head(&format!("0123456{scientist}"), 14), "0123456");
        assert_eq!(head(&format!("0123456{scientist}"), 12), "0123456");
        assert_eq!(head("0123456❤\u{fe0f}", 10), "0123456");
        assert_eq!(head("0123456👍🏽", 14), "0123456");
        assert_eq!(head("012345e\u{301}", 7), "012345");
        assert_eq!(head("ü", 1), "");
        assert_eq!(lines(&format!("0123456{scientist}"), 16), ["0123456", scientist]);
        // Nothing but marks: somewhere it has to be cut.
        assert_eq!(head(&"\u{301}".repeat(300), 401).len(), 400);
    }

    #[test]
    fn a_text_of_nothing_but_ends_of_lines_is_counted() {
        let many = "b\n".repeat(32_000);
        assert_eq!(first_lines(&many, 400, 2), (vec!["b".to_owned(), "b".to_owned()], 31_998));
        assert_eq!(first_lines("", 400, 0), (vec![String::new()], 0));
        let (pieces, more) = first_pieces(&many, 400, 3, 400);
        // What is behind the last end of a line is a piece as well.
        assert_eq!((pieces.len(), more), (3, 31_998));
        let (pieces, more) = first_pieces("one two three four five\nsix", 16, 9, 99);
        let pieces: Vec<_> = pieces.iter().map(|piece| (piece.text.as_str(), piece.goes_on)).collect();
        assert_eq!((pieces, more), (vec![("one two three ", false), ("four five", true), ("six", false)], 0));
    }

    fn any_text() -> impl Strategy<Value = String> {
        const PARTS: [&str; 12] =
            [" ", "  ", "\n", "\r\n", "word", "ü", "e\u{301}", "👩\u{200d}🔬", "\t", "\u{1}", "\u{3}12,4", "\u{301}"];
        let parts =
            proptest::collection::vec(prop::sample::select(&PARTS[..]), 0..200).prop_map(|parts| parts.concat());
        prop_oneof![3 => parts, 1 => ".{0,300}", 1 => any::<String>()]
    }

    proptest! {
        #[test]
        fn nothing_is_lost_but_blanks_and_ends_of_lines(text in any_text(), bytes_max in 0..100usize) {
            let lines = lines(&text, bytes_max);
            let without_blanks = |text: &str| text.replace(' ', "");
            prop_assert_eq!(without_blanks(&lines.concat()), without_blanks(&clean(&text)));
            prop_assert!(lines.iter().all(|line| line.len() <= bytes_max.max(CUT_BYTES_MIN)));
            prop_assert!(lines.len() == 1 || lines.iter().all(|line| !line.is_empty()));
        }

        #[test]
        fn the_first_lines_are_those_of_all_and_the_others_are_counted(
            text in any_text(),
            bytes_max in 0..100usize,
            lines_max in 0..20usize,
        ) {
            let all = lines(&text, bytes_max);
            let (first, more) = first_lines(&text, bytes_max, lines_max);
            if all == [""] {
                prop_assert_eq!((first, more), (all, 0));
            } else {
                prop_assert_eq!(&first[..], &all[..all.len().min(lines_max)]);
                prop_assert_eq!(first.len() + more, all.len());
            }
        }

        #[test]
        fn pieces_are_the_text_again(text in any_text(), bytes_max in 0..100usize) {
            let (pieces, more) = first_pieces(&text, bytes_max, usize::MAX, usize::MAX);
            let mut again = String::new();
            for (at, piece) in pieces.iter().enumerate() {
                prop_assert!(!piece.goes_on || (at > 0 && !piece.text.is_empty()));
                prop_assert!(piece.text.len() <= bytes_max.max(CUT_BYTES_MIN));
                again += if at > 0 && !piece.goes_on { "\n" } else { "" };
                again += &piece.text;
            }
            let clean_lines: Vec<String> = text.split('\n').map(clean).collect();
            prop_assert_eq!((again, more), (clean_lines.join("\n"), 0));
        }

        #[test]
        fn the_first_pieces_have_room_and_the_others_are_counted(
            text in any_text(),
            bytes_max in 0..100usize,
            pieces_max in 0..20usize,
            all_bytes_max in 0..400usize,
        ) {
            let (all, _) = first_pieces(&text, bytes_max, usize::MAX, usize::MAX);
            let (first, more) = first_pieces(&text, bytes_max, pieces_max, all_bytes_max);
            prop_assert!(first.len() <= pieces_max);
            prop_assert_eq!(&first[..], &all[..first.len()]);
            prop_assert_eq!(first.len() + more, all.len());
            let bytes = |pieces: &[Piece]| pieces.iter().map(|piece| piece.text.len() + 1).sum::<usize>();
            prop_assert!(bytes(&first) <= all_bytes_max);
            prop_assert!(more == 0 || first.len() == pieces_max || bytes(&all[..=first.len()]) > all_bytes_max);
        }

        #[test]
        fn what_is_clean_stays_so(text in any_text()) {
            let text = clean(&text);
            prop_assert_eq!(clean(&text), text.clone());
            let is_free = !text.contains(['\r', '\n', '\0', '\u{1}', '\u{2028}', '\u{202e}']);
            prop_assert!(is_free);
        }

        #[test]
        fn a_text_that_fits_is_one_line_as_it_is(text in "[^\r\n]{1,40}") {
            let text = clean(&text);
            prop_assert_eq!(lines(&text, 160), [text]);
        }
    }
}
