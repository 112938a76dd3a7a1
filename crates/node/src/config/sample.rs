//! The sample file and the reference of settings, written from the table of keys.

use std::path::Path;

use super::keys::{Entry, Key};
use super::value::Value;
use super::{Raw, file};

/// Stand for the settings that have no default.
const PROXY_EXAMPLE: &str = "\"127.0.0.1:9050\"";
const DAEMON_EXAMPLE: &str = "\"127.0.0.1:4003\"";
/// Width of comments in the sample.
const COLUMNS: usize = 100;

const HEAD: &str = "\
# Nightjar's settings. This file lies in the data directory as nightjar.toml; all in it is optional.
# What stands here is what holds anyway. A flag goes before a NIGHTJAR_* variable, a variable before this file.
# `nightjar config` shows what holds, and where each setting comes from.
";

const BUDGET_HEAD: &str = "\
# How many records of others are taken in each second, by first arrival; ten times that in a burst. What is more waits
# up to ten seconds and is then dropped. Own records are never counted.
";

/// The sample file: every setting with its default and what it is for.
pub fn sample() -> String {
    let mut text = String::from(HEAD);
    let mut table = "";
    let mut line = String::new();
    for key in Key::ALL.into_iter().filter(|key| key.is_in_file()) {
        let Entry { name, default, about, .. } = key.entry();
        let Some((class, field)) = name.strip_prefix("budget.").and_then(|name| name.split_once('.')) else {
            text.push('\n');
            text.push_str(&comment(about));
            match default {
                Some(value) => text.push_str(&format!("{name} = {value}\n")),
                None => {
                    let example = if key == Key::Daemon { DAEMON_EXAMPLE } else { PROXY_EXAMPLE };
                    text.push_str(&format!("# {name} = {example}\n"));
                }
            }
            continue;
        };
        if table.is_empty() {
            table = "budget";
            text.push('\n');
            text.push_str(BUDGET_HEAD);
            text.push_str("[budget]\n");
        }
        // A class has two fields, which share a line.
        let value = default.unwrap_or_default();
        text.push_str(&comment(&format!("{field}: {about}")));
        if line.is_empty() {
            line = format!("{class} = {{ {field} = {value}, ");
        } else {
            text.push_str(&format!("{line}{field} = {value} }}\n"));
            line.clear();
        }
    }
    text
}

/// The settings as a table of Markdown.
pub fn reference() -> String {
    let mut text = String::from("| setting | flag | value | default | what for |\n| --- | --- | --- | --- | --- |\n");
    let code = |text: Option<&str>| text.map(|text| format!("`{text}`")).unwrap_or_default();
    for key in Key::ALL {
        let Entry { name, flag, wants, default, about } = key.entry();
        let (flag, default) = (code(flag), code(default));
        text.push_str(&format!("| `{name}` | {flag} | {wants} | {default} | {about} |\n"));
    }
    text
}

/// A default of the table as a value.
pub(super) fn value_of_default(key: Key, default: &str) -> Value {
    let raw = file::parse(Path::new("default"), &format!("{} = {default}", key.name()));
    let raw: Raw = raw.expect("the defaults are TOML: a test reads them");
    let (_, typed) = raw.typed.into_iter().next().expect("one key was written");
    typed.value
}

fn comment(text: &str) -> String {
    let mut lines = String::new();
    let mut line = String::from("#");
    for word in text.split(' ') {
        if line.len() > 1 && line.len() + 1 + word.len() > COLUMNS {
            lines.push_str(&line);
            lines.push('\n');
            line = String::from("#");
        }
        line.push(' ');
        line.push_str(word);
    }
    lines + &line + "\n"
}
