//! `nightjar.toml`: which keys stand where. Never judges a value, except that it is of no kind a setting has.

use std::ops::Range;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

use super::keys::{Key, closest};
use super::value::Value;
use super::{ConfigError, Origin, Raw};

/// The longest file: a hundred times the sample with all its comments.
pub const FILE_BYTES_MAX: u64 = 1 << 20;

/// The settings in the text of a file; `path` is for what is said about it.
pub(super) fn parse(path: &Path, text: &str) -> Result<Raw, ConfigError> {
    let mut walk = Walk { path, text, raw: Raw::default(), first_error: None };
    let table = DeTable::parse(text).map_err(|error| walk.error(error.span().unwrap_or_default(), error.message()))?;
    walk.table("", table.get_ref());
    match walk.first_error {
        Some((_, error)) => Err(error),
        None => Ok(walk.raw),
    }
}

struct Walk<'a> {
    path: &'a Path,
    text: &'a str,
    raw: Raw,
    /// Where it is in the text, and what. Tables are walked in the order of their keys, people read from the top.
    first_error: Option<(usize, ConfigError)>,
}

impl Walk<'_> {
    /// `prefix` is the table's name with a dot, as the names of keys begin.
    fn table(&mut self, prefix: &str, table: &DeTable<'_>) {
        for (name, value) in table {
            let full = format!("{prefix}{}", name.get_ref());
            let known = Key::ALL.into_iter().filter(|key| key.is_in_file()).find(|key| key.name() == full);
            if let Some(key) = known {
                match value_of(value.get_ref()) {
                    Some(typed) => {
                        let (line, column) = position(self.text, value.span().start);
                        self.raw.set(key, typed, Origin::File { path: self.path.to_owned(), line, column });
                    }
                    None => {
                        let what = format!("{full}: it wants {}, not a {}", key.entry().wants, kind(value.get_ref()));
                        self.fail(value.span(), &what);
                    }
                }
                continue;
            }
            let below = format!("{full}.");
            let is_table = Key::ALL.iter().any(|key| key.name().starts_with(&below));
            match (is_table, value.get_ref()) {
                (true, DeValue::Table(inner)) => self.table(&below, inner),
                (true, _) => self.fail(value.span(), &format!("{full} is a table of settings: write [{full}]")),
                (false, _) => self.unknown(prefix, name),
            }
        }
    }

    fn unknown(&mut self, prefix: &str, name: &Spanned<std::borrow::Cow<'_, str>>) {
        let typed = name.get_ref();
        let shown: String = typed.chars().take(60).collect();
        if prefix.is_empty() && typed == Key::DataDir.name() {
            let what = "data_dir cannot stand in the file that lies in it: give --data-dir or set NIGHTJAR_DATA_DIR";
            self.fail(name.span(), what);
            return;
        }
        // Of each name the part that stands in this table.
        let mut siblings: Vec<&str> = Key::ALL
            .iter()
            .filter(|key| key.is_in_file())
            .filter_map(|key| key.name().strip_prefix(prefix)?.split('.').next())
            .collect();
        siblings.dedup();
        let help = match closest(typed, siblings.iter().copied()) {
            Some(meant) => format!("did you mean {meant:?}?"),
            None => format!("known are {}", siblings.join(", ")),
        };
        let place = prefix.strip_suffix('.').map(|table| format!(" in [{table}]")).unwrap_or_default();
        self.fail(name.span(), &format!("unknown key {shown:?}{place}; {help}"));
    }

    fn fail(&mut self, span: Range<usize>, what: &str) {
        if self.first_error.as_ref().is_none_or(|(at, _)| span.start < *at) {
            self.first_error = Some((span.start, self.error(span, what)));
        }
    }

    fn error(&self, span: Range<usize>, what: &str) -> ConfigError {
        let (line, column) = position(self.text, span.start);
        // One line, whatever the parser has to say.
        let problem = what.split_whitespace().collect::<Vec<_>>().join(" ");
        ConfigError::Value { origin: Origin::File { path: self.path.to_owned(), line, column }, problem }
    }
}

fn value_of(value: &DeValue<'_>) -> Option<Value> {
    match value {
        DeValue::String(text) => Some(Value::Text(text.to_string())),
        DeValue::Integer(integer) => {
            // Beyond 64 bits nothing is within any limit.
            Some(Value::Number(i64::from_str_radix(integer.as_str(), integer.radix()).unwrap_or(i64::MAX)))
        }
        DeValue::Boolean(value) => Some(Value::Bool(*value)),
        DeValue::Array(array) => list_of(array),
        DeValue::Float(_) | DeValue::Datetime(_) | DeValue::Table(_) => None,
    }
}

fn list_of(array: &DeArray<'_>) -> Option<Value> {
    let texts = array.iter().map(|item| Some(item.get_ref().as_str()?.to_owned()));
    texts.collect::<Option<Vec<String>>>().map(Value::List)
}

fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::Float(_) => "number with a fraction",
        DeValue::Datetime(_) => "date",
        DeValue::Table(_) => "table",
        DeValue::Array(_) => "list of other things than texts",
        DeValue::String(_) | DeValue::Integer(_) | DeValue::Boolean(_) => "single value",
    }
}

/// Line and column, both from 1, of a byte of the text. Columns are characters.
fn position(text: &str, at: usize) -> (usize, usize) {
    text.char_indices().take_while(|(place, _)| *place < at).fold((1, 1), |(line, column), (_, character)| {
        if character == '\n' { (line + 1, 1) } else { (line, column + 1) }
    })
}
