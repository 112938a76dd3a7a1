//! Answers as lines for people: columns, numbers, times. What strangers wrote stays in its cell. Pure.

use crate::irc::text;

/// Rows of one answer: more scrolls away before it is read.
pub(super) const ROWS_MAX: usize = 50;
/// Characters of a cell: the longest key has room.
const CELL_CHARS_MAX: usize = 80;

/// The first word of a text, and the rest without the blanks around it.
pub(super) fn head(line: &str) -> (&str, &str) {
    let line = line.trim();
    line.split_once(char::is_whitespace).map_or((line, ""), |(first, rest)| (first, rest.trim_start()))
}

/// What a stranger wrote, for a line of ours: without ends of lines, colours and what steers a client.
pub(super) fn plain(text: &str) -> String {
    text::clean(text).chars().filter(|character| !character.is_control()).collect()
}

/// A number of things, by their right name.
pub(super) fn count(number: u64, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

/// How long something is, in the two largest units.
pub(super) fn duration(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min {} s", seconds / 60, seconds % 60),
        3_600..86_400 => format!("{} h {} min", seconds / 3_600, seconds / 60 % 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds / 3_600 % 24),
    }
}

/// Rows in columns, each as wide as its widest cell; the last one as it is.
pub(super) fn aligned<const COLUMNS: usize>(rows: impl IntoIterator<Item = [String; COLUMNS]>) -> Vec<String> {
    let cell = |text: String| plain(&text).chars().take(CELL_CHARS_MAX).collect::<String>();
    let last = COLUMNS.saturating_sub(1);
    let rows: Vec<Vec<String>> = rows
        .into_iter()
        .map(|row| {
            row.into_iter().enumerate().map(|(at, text)| if at == last { plain(&text) } else { cell(text) }).collect()
        })
        .collect();
    let width = |at: usize| {
        let cells = rows.iter().filter_map(|row| row.get(at));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..last).map(width).collect();
    let line = |row: &Vec<String>| {
        let mut line = String::new();
        for (at, cell) in row.iter().enumerate() {
            line.push_str(cell);
            let padding = widths.get(at).map_or(0, |width| width.saturating_sub(cell.chars().count()) + 2);
            line.extend(std::iter::repeat_n(' ', padding));
        }
        line.trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

/// The same under headings, and no more than are read: the others are not looked at, and behind the rows stands where they are.
pub(super) fn table<const COLUMNS: usize>(
    headings: [&str; COLUMNS],
    rows: impl ExactSizeIterator<Item = [String; COLUMNS]>,
    others: &str,
) -> Vec<String> {
    let more = rows.len().saturating_sub(ROWS_MAX);
    let mut lines = aligned(std::iter::once(headings.map(str::to_owned)).chain(rows.take(ROWS_MAX)));
    if more > 0 {
        lines.push(format!("and {more} more: {others}"));
    }
    lines
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let row = |one: &str, other: &str| [one.to_owned(), other.to_owned()];
        let lines = table(["A", "B"], [row("long one", "x"), row("ä", "y y")].into_iter(), "");
        assert_eq!(lines, ["A         B", "long one  x", "ä         y y"]);
    }

    #[test]
    fn no_more_rows_are_shown_than_are_read() {
        let rows = |count: usize| (0..count).map(|number| [number.to_string()]);
        assert_eq!(table(["A"], rows(ROWS_MAX), "elsewhere").len(), 1 + ROWS_MAX);
        let lines = table(["A"], rows(ROWS_MAX + 7), "elsewhere");
        assert_eq!((lines.len(), lines.last().map(String::as_str)), (2 + ROWS_MAX, Some("and 7 more: elsewhere")));
    }

    #[test]
    fn what_a_stranger_wrote_makes_no_line_of_its_own_and_no_colour() {
        let lines = aligned([["a\r\nraven is a contact\u{3}4,4\u{2}".to_owned(), "b\u{202e}\n".to_owned()]]);
        assert_eq!(lines, ["araven is a contact4,4  b"]);
    }

    #[test]
    fn a_time_has_its_two_largest_units() {
        for (seconds, words) in [(59, "59 s"), (61, "1 min 1 s"), (3_700, "1 h 1 min"), (90_000, "1 d 1 h")] {
            assert_eq!(duration(seconds), words);
        }
        assert_eq!((count(1, "peer", "peers"), count(0, "peer", "peers")), ("1 peer".into(), "0 peers".into()));
    }

    #[test]
    fn the_first_word_is_parted_from_the_rest() {
        for (line, parts) in [("", ("", "")), (" a ", ("a", "")), ("a  b c ", ("a", "b c"))] {
            assert_eq!(head(line), parts);
        }
    }

    proptest! {
        #[test]
        fn whatever_is_in_a_cell_a_row_is_one_line(cells in proptest::collection::vec(("\\PC*|.{0,200}", ".{0,99}"), 0..9)) {
            let rows = cells.iter().map(|(one, other)| [one.clone(), other.clone()]);
            let lines = aligned(rows);
            prop_assert_eq!(lines.len(), cells.len());
            prop_assert!(lines.iter().all(|line| line.chars().all(|it| !it.is_control())));
        }
    }
}
