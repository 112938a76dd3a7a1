//! What people and programs read on stdout: text that cannot harm a terminal, colours, tables, lines.
//! Never writes to a pipe that is closed, and never lets a stranger's text move the cursor.

use std::fmt::Write as _;
use std::io::{self, IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

use nightjar_node::identity::SHORT_DIGITS;
use serde_json::Value;
use unicode_properties::{GeneralCategory, UnicodeGeneralCategory as _};

/// How often progress is told.
const TELL_EVERY: Duration = Duration::from_secs(1);

/// Writes whole lines to stdout and hands them on at once, so that a pipe's reader sees each when it comes.
pub(crate) fn print(lines: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(lines.as_bytes())?;
    out.flush()
}

/// Says something on stderr. If nobody reads that either, there is nobody left to tell.
pub(crate) fn note(line: &str) {
    writeln!(io::stderr().lock(), "{line}").unwrap_or(());
}

/// How far something is that takes long, on one line of stderr, if a person is there to read it.
pub(crate) struct Progress {
    told: Option<Instant>,
    is_shown: bool,
}

impl Progress {
    /// Nothing is said within the first second.
    pub(crate) fn new() -> Self {
        Self { told: io::stderr().is_terminal().then(Instant::now), is_shown: false }
    }

    /// So many messages are done.
    pub(crate) fn at(&mut self, messages: u64) {
        if let Some(told) = self.told.as_mut().filter(|told| told.elapsed() >= TELL_EVERY) {
            *told = Instant::now();
            self.is_shown = true;
            // If nobody reads that, there is nobody left to tell.
            write!(io::stderr().lock(), "\rnightjar: {} ", count(messages, "message", "messages")).unwrap_or(());
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.is_shown {
            note("");
        }
    }
}

/// Whether stdout is read by a person at a terminal.
pub(crate) fn at_terminal() -> bool {
    io::stdout().is_terminal()
}

/// Where a message belongs, as it is shown: of one with a person the first digits of the key are enough.
pub(crate) fn conversation(conversation: &str) -> String {
    match conversation.strip_prefix('@') {
        Some(key) => format!("@{}", short(key)),
        None => conversation.to_owned(),
    }
}

/// The first digits of a chat key, as they stand beside a nick.
pub(crate) fn short(key: &str) -> &str {
    key.get(..SHORT_DIGITS).unwrap_or(key)
}

/// Text of strangers as it may stand on a terminal: what would move the cursor, turn the direction of writing or not be
/// seen at all becomes an escape like `\u{202e}`.
pub(crate) fn visible(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        if is_harmless(character) {
            out.push(character);
        } else {
            out.extend(character.escape_default());
        }
    }
    out
}

fn is_harmless(character: char) -> bool {
    let hidden = matches!(
        character.general_category(),
        GeneralCategory::Control
            | GeneralCategory::Format
            | GeneralCategory::LineSeparator
            | GeneralCategory::ParagraphSeparator
            | GeneralCategory::PrivateUse
            | GeneralCategory::Surrogate
            | GeneralCategory::Unassigned
    );
    // Letters, marks and symbols that are drawn as nothing (Unicode's Default_Ignorable_Code_Point, and the empty
    // Braille pattern). The sixteen variation selectors that choose between text and emoji stay.
    let empty = matches!(
        character,
        '\u{34f}'
            | '\u{115f}'
            | '\u{1160}'
            | '\u{17b4}'
            | '\u{17b5}'
            | '\u{180b}'..='\u{180f}'
            | '\u{2800}'
            | '\u{3164}'
            | '\u{ffa0}'
            | '\u{e0000}'..='\u{e0fff}'
    );
    !hidden && !empty
}

/// A line of JSON for a program behind a pipe; for a person at a terminal it is laid out, and harmless.
pub(crate) fn json(value: &Value) -> String {
    let mut text = if at_terminal() { harmless_json(&format!("{value:#}")) } else { value.to_string() };
    text.push('\n');
    text
}

/// The same JSON with what a terminal should not get as escapes. JSON itself leaves only those below U+0020 out.
pub(crate) fn harmless_json(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for character in json.chars() {
        if character == '\n' || is_harmless(character) {
            out.push(character);
        } else {
            let mut units = [0; 2];
            for unit in character.encode_utf16(&mut units) {
                write!(out, "\\u{unit:04x}").expect("a string takes what is written to it");
            }
        }
    }
    out
}

/// A payload that is no text.
pub(crate) fn binary(hex: &str) -> String {
    let bytes = hex.len() / 2;
    format!("[{bytes} {}] {hex}", if bytes == 1 { "byte" } else { "bytes" })
}

/// A number of things, by their right name.
pub(crate) fn count(number: u64, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

/// Colours, if anybody wants them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Paint {
    on: bool,
}

impl Paint {
    /// For stdout: on a terminal, unless the environment says NO_COLOR.
    pub(crate) fn stdout() -> Self {
        Self { on: at_terminal() && colours_wanted() }
    }

    /// None, for a file.
    pub(crate) const fn none() -> Self {
        Self { on: false }
    }

    /// For stderr.
    pub(crate) fn stderr() -> Self {
        Self { on: io::stderr().is_terminal() && colours_wanted() }
    }

    /// Whether there are colours.
    pub(crate) const fn is_on(self) -> bool {
        self.on
    }

    /// What steps back: times, notes.
    pub(crate) fn dim(self, text: &str) -> String {
        self.wrap("2", text)
    }

    /// What one looks for: names.
    pub(crate) fn name(self, text: &str) -> String {
        self.wrap("36", text)
    }

    /// Headings.
    pub(crate) fn bold(self, text: &str) -> String {
        self.wrap("1", text)
    }

    fn wrap(self, code: &str, text: &str) -> String {
        if self.on { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// no-color.org: a variable that is there and not empty.
fn colours_wanted() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
        && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

/// Where the text of a column stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Align {
    Left,
    Right,
}

/// Rows under headings, each column as wide as its widest cell.
#[derive(Debug)]
pub(crate) struct Table {
    columns: Vec<(&'static str, Align)>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table without rows.
    pub(crate) fn new(columns: &[(&'static str, Align)]) -> Self {
        Self { columns: columns.to_vec(), rows: Vec::new() }
    }

    /// Adds a row; what a stranger wrote is made harmless.
    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().map(|cell| visible(&cell)).collect());
    }

    /// The table as lines.
    pub(crate) fn render(&self, paint: Paint) -> String {
        let width_of = |at: usize, heading: &str| {
            let cells = self.rows.iter().filter_map(|row| row.get(at));
            cells.map(|cell| cell.chars().count()).chain([heading.chars().count()]).max().unwrap_or(0)
        };
        let widths: Vec<usize> =
            self.columns.iter().enumerate().map(|(at, (heading, _))| width_of(at, heading)).collect();
        let line = |cells: &mut dyn Iterator<Item = &str>| {
            let mut out = String::new();
            for ((cell, (_, align)), width) in cells.zip(&self.columns).zip(&widths) {
                if !out.is_empty() {
                    out.push_str("  ");
                }
                let padding = " ".repeat(width.saturating_sub(cell.chars().count()));
                match align {
                    Align::Left => out.extend([cell, padding.as_str()]),
                    Align::Right => out.extend([padding.as_str(), cell]),
                }
            }
            out.trim_end().to_owned()
        };
        let mut out = paint.bold(&line(&mut self.columns.iter().map(|(heading, _)| *heading)));
        out.push('\n');
        for row in &self.rows {
            out.push_str(&line(&mut row.iter().map(String::as_str)));
            out.push('\n');
        }
        out
    }
}

/// Names and values, one a line.
pub(crate) fn facts(facts: &[(&str, String)], paint: Paint) -> String {
    let width = facts.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let mut out = String::new();
    for (name, value) in facts {
        let name = paint.dim(&format!("{name:<width$}"));
        writeln!(out, "{name}  {}", visible(value)).expect("a string takes what is written to it");
    }
    out
}

/// Seconds as a person says them.
pub(crate) fn duration(seconds: u64) -> String {
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, _) => format!("{minutes} min {} s", seconds % 60),
        (0, _, _) => format!("{hours} h {minutes} min"),
        _ => format!("{days} d {hours} h"),
    }
}

/// Milliseconds since 1970 as a date in UTC.
pub(crate) fn date(unix_ms: u64) -> String {
    let seconds = unix_ms / 1000;
    let (year, month, day) = civil(seconds / 86_400);
    let (hour, minute, second) = (seconds / 3_600 % 24, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// Year, month and day of a day counted from 1970-01-01, in the Gregorian calendar. Counts in years that begin in March,
/// so that the leap day is the last one.
const fn civil(days: u64) -> (u64, u64, u64) {
    const ERA_DAYS: u64 = 146_097;
    // From 0000-03-01. A number of milliseconds in 64 bits is far from making this overflow.
    let days = days + 719_468;
    let (era, of_era) = (days / ERA_DAYS, days % ERA_DAYS);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    let year = era * 400 + year_of_era + if month <= 2 { 1 } else { 0 };
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn whatever_comes_is_harmless_on_one_line(text in any::<String>()) {
            prop_assert!(visible(&text).chars().all(is_harmless));
            let value = Value::String(text);
            let shown = harmless_json(&value.to_string());
            prop_assert!(shown.chars().all(is_harmless));
            prop_assert_eq!(serde_json::from_str::<Value>(&shown).ok(), Some(value));
        }
    }

    #[test]
    fn text_of_strangers_cannot_command_a_terminal_or_hide() {
        assert_eq!(visible("grüße, 世界 🐦\u{fe0f} [a]\\"), "grüße, 世界 🐦\u{fe0f} [a]\\");
        assert_eq!(visible("\x1b[2Jgone\r\n\t\0"), "\\u{1b}[2Jgone\\r\\n\\t\\u{0}");
        assert_eq!(visible("\u{9b}31m\u{7f}"), "\\u{9b}31m\\u{7f}");
        assert_eq!(visible("abc\u{202e}txt.exe\u{2066}"), "abc\\u{202e}txt.exe\\u{2066}");
        assert_eq!(visible("a\u{200b}b\u{feff}c\u{2028}d\u{ad}"), "a\\u{200b}b\\u{feff}c\\u{2028}d\\u{ad}");
        assert_eq!(visible("\u{3164}\u{e0041}\u{e0101}\u{e000}"), "\\u{3164}\\u{e0041}\\u{e0101}\\u{e000}");
    }

    #[test]
    fn json_on_a_terminal_is_harmless_and_means_the_same() {
        let value = serde_json::json!({ "text": "a\u{1b}\u{9b}\u{202e}\u{e0041}\n\u{7f}ü", "n": [1, {}] });
        let shown = harmless_json(&format!("{value:#}"));
        assert!(shown.chars().all(|character| character == '\n' || is_harmless(character)), "{shown:?}");
        assert_eq!(serde_json::from_str::<Value>(&shown).ok(), Some(value));
    }

    #[test]
    fn a_table_is_aligned_and_has_no_blanks_at_its_ends() {
        let mut table = Table::new(&[("NAME", Align::Left), ("N", Align::Right), ("END", Align::Left)]);
        table.row(["a".to_owned(), "1000".to_owned(), "x".to_owned()]);
        table.row(["longer".to_owned(), "7".to_owned(), "\x07".to_owned()]);
        let plain = Paint { on: false };
        assert_eq!(table.render(plain), "NAME       N  END\na       1000  x\nlonger     7  \\u{7}\n");
    }

    #[test]
    fn dates_are_those_of_the_calendar() {
        assert_eq!(date(0), "1970-01-01T00:00:00Z");
        assert_eq!(date(951_782_399_999), "2000-02-28T23:59:59Z");
        assert_eq!(date(951_782_400_000), "2000-02-29T00:00:00Z");
        assert_eq!(date(1_764_034_335_000), "2025-11-25T01:32:15Z");
        assert_eq!(date(4_107_542_400_000), "2100-03-01T00:00:00Z");
        assert!(date(u64::MAX).ends_with('Z'));
    }

    #[test]
    fn durations_are_short() {
        assert_eq!(duration(0), "0 s");
        assert_eq!(duration(61), "1 min 1 s");
        assert_eq!(duration(7_500), "2 h 5 min");
        assert_eq!(duration(200_000), "2 d 7 h");
    }

    #[test]
    fn bytes_say_how_many_they_are() {
        assert_eq!(binary("00ff"), "[2 bytes] 00ff");
        assert_eq!(binary("00"), "[1 byte] 00");
    }
}
