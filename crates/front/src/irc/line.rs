//! Bytes to lines of IRC and back (RFC 2812, 2.3; IRCv3 message tags). Knows no command.

use std::borrow::Cow;

use super::text::head;

/// What a line may have without its tags, with CR LF (RFC 2812, 2.3).
pub const BODY_BYTES_MAX: usize = 512;
/// What a client may send as tags, with `@` and the blank (IRCv3, message tags).
pub const CLIENT_TAGS_BYTES_MAX: usize = 4096;
/// What a server may send as tags, with `@` and the blank (IRCv3, message tags).
pub const SERVER_TAGS_BYTES_MAX: usize = 8191;
/// The longest line of a client, without its end.
pub const LINE_BYTES_MAX: usize = CLIENT_TAGS_BYTES_MAX + BODY_BYTES_MAX - LINE_END.len();
/// What is given to [`Lines::push`] at once: as much as is read at once, so that little is held.
pub const PUSH_BYTES_MAX: usize = 16 * 1024;
/// What a line has after its command (RFC 2812, 2.3).
pub const PARAMS_MAX: usize = 15;
/// What is written of a source: a nick, a user and a host have room in it, and half of the line is left for the rest.
pub const SOURCE_BYTES_MAX: usize = 255;
/// What is written of a command: more than any has, and with the longest source it still leaves room for its params.
pub const COMMAND_BYTES_MAX: usize = 32;

const LINE_END: &[u8] = b"\r\n";

/// A client's line, parsed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Its tags, each key once, `+` of the key and all, values unescaped.
    pub tags: Vec<(String, String)>,
    /// What is to be done, ASCII letters in upper case. Never empty, and anything but a blank may be in it.
    pub command: String,
    /// With what: [`PARAMS_MAX`] at the most. Only the last one may be empty, begin with `:` or have blanks.
    pub params: Vec<String>,
}

/// Why a client's line is none. What is said is for the client's user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LineFault {
    /// Another encoding, or bytes of something else.
    #[error("a line is not UTF-8: set your client to it and send the line again")]
    NotUtf8,
    /// Longer than [`BODY_BYTES_MAX`], or its tags than [`CLIENT_TAGS_BYTES_MAX`].
    #[error(
        "a line is longer than {BODY_BYTES_MAX} bytes, or its tags than {CLIENT_TAGS_BYTES_MAX}: send less at once"
    )]
    TooLong,
    /// NUL, CR or LF inside.
    #[error("a line has NUL, CR or LF inside: send it without")]
    ForbiddenByte,
    /// Tags or a source, and nothing behind them.
    #[error("a line has no command: send one after the tags and the source")]
    NoCommand,
}

impl Line {
    /// Reads a line that is given without its end. None if there is nothing in it.
    ///
    /// A line with a NUL is refused: the grammar has no place for one, servers differ in whether they drop it, make it
    /// a blank or refuse it, and only who is told of it knows that something else than was sent would have been said.
    pub fn parse(bytes: &[u8]) -> Result<Option<Self>, LineFault> {
        let bytes = after_blanks(bytes);
        if bytes.is_empty() {
            return Ok(None);
        }
        let (tags, body) = match bytes.strip_prefix(b"@") {
            Some(rest) => {
                let end = rest.iter().position(|byte| *byte == b' ').unwrap_or(rest.len());
                let (tags, body) = rest.split_at(end);
                (tags, after_blanks(body))
            }
            None => (&[][..], bytes),
        };
        if tags.len() + b"@ ".len() > CLIENT_TAGS_BYTES_MAX || body.len() + LINE_END.len() > BODY_BYTES_MAX {
            return Err(LineFault::TooLong);
        }
        if bytes.iter().any(|byte| matches!(byte, b'\0' | b'\r' | b'\n')) {
            return Err(LineFault::ForbiddenByte);
        }
        let tags = str::from_utf8(tags).map_err(|_| LineFault::NotUtf8)?;
        let mut body = str::from_utf8(body).map_err(|_| LineFault::NotUtf8)?;
        if body.starts_with(':') {
            // Who a client says it is: the session knows.
            body = word(body).1;
        }
        let (command, mut body) = word(body);
        if command.is_empty() {
            return Err(LineFault::NoCommand);
        }
        let mut params = Vec::new();
        while !body.is_empty() {
            if let Some(last) = body.strip_prefix(':') {
                params.push(last.to_owned());
                break;
            }
            if params.len() + 1 == PARAMS_MAX {
                params.push(body.to_owned());
                break;
            }
            let (param, rest) = word(body);
            params.push(param.to_owned());
            body = rest;
        }
        Ok(Some(Self { tags: read_tags(tags), command: command.to_ascii_uppercase(), params }))
    }

    /// What a tag says, if it is there.
    pub fn tag(&self, key: &str) -> Option<&str> {
        self.tags.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str())
    }
}

/// A text's first word, and what is behind the blanks after it.
fn word(text: &str) -> (&str, &str) {
    let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
    (word, rest.trim_start_matches(' '))
}

fn after_blanks(bytes: &[u8]) -> &[u8] {
    let start = bytes.iter().position(|byte| *byte != b' ').unwrap_or(bytes.len());
    bytes.split_at(start).1
}

fn read_tags(text: &str) -> Vec<(String, String)> {
    let mut tags: Vec<(String, String)> = Vec::new();
    for tag in text.split(';') {
        let (key, value) = tag.split_once('=').unwrap_or((tag, ""));
        if key.is_empty() {
            continue;
        }
        let value = unescape(value);
        // Of doubles the last one counts.
        match tags.iter_mut().find(|(name, _)| name == key) {
            Some(double) => double.1 = value,
            None => tags.push((key.to_owned(), value)),
        }
    }
    tags
}

fn unescape(value: &str) -> String {
    let mut plain = String::with_capacity(value.len());
    let mut characters = value.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => match characters.next() {
                Some(':') => plain.push(';'),
                Some('s') => plain.push(' '),
                Some('r') => plain.push('\r'),
                Some('n') => plain.push('\n'),
                Some(other) => plain.push(other),
                None => {}
            },
            other => plain.push(other),
        }
    }
    plain
}

/// Cuts what a client sends into lines: LF, CR LF and CR end one, and empty ones are skipped. Holds at most
/// [`LINE_BYTES_MAX`] bytes and the last push, if all lines are taken out before the next push.
#[derive(Debug, Default)]
pub struct Lines {
    held: Vec<u8>,
    /// Up to here, lines were taken out.
    taken: usize,
    /// Whether the rest of a line that was too long is still to come.
    overlong: bool,
}

impl Lines {
    /// Takes in what was read, [`PUSH_BYTES_MAX`] at the most. Take out all lines before the next push.
    pub fn push(&mut self, bytes: &[u8]) {
        self.held.drain(..self.taken);
        self.taken = 0;
        self.held.extend_from_slice(bytes);
    }
}

impl Iterator for Lines {
    type Item = Result<Line, LineFault>;

    /// The next line, or why it is none. None until more is pushed.
    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let (_, held) = self.held.split_at(self.taken);
            // The LF of CR LF ends an empty line, which is skipped.
            let Some(end) = held.iter().position(|byte| matches!(byte, b'\r' | b'\n')) else {
                let is_long = held.len() > LINE_BYTES_MAX;
                let is_told = self.overlong;
                if is_long || is_told {
                    self.overlong = true;
                    self.held.clear();
                    self.taken = 0;
                }
                return (is_long && !is_told).then_some(Err(LineFault::TooLong));
            };
            let (line, _) = held.split_at(end);
            self.taken += end + 1;
            if std::mem::take(&mut self.overlong) {
                continue;
            }
            if line.len() > LINE_BYTES_MAX {
                return Some(Err(LineFault::TooLong));
            }
            if let Some(line) = Line::parse(line).transpose() {
                return Some(line);
            }
        }
    }
}

/// A line of the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// Its tags, values as they are meant.
    pub tags: Vec<(Cow<'static, str>, String)>,
    /// Whom it is from.
    pub source: Option<String>,
    /// A word, or three digits.
    pub command: Cow<'static, str>,
    /// Of more than [`PARAMS_MAX`], the first ones are written.
    pub params: Vec<String>,
    /// Whether the last param is text, and has its `:` even if it is one word.
    pub trailing: bool,
}

impl Reply {
    /// A line with nothing but its command.
    pub fn new(command: impl Into<Cow<'static, str>>) -> Self {
        Self { tags: Vec::new(), source: None, command: command.into(), params: Vec::new(), trailing: false }
    }

    /// From whom.
    #[must_use]
    pub fn from(mut self, source: impl Into<String>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// One more param. If it is not the last, it is written as one word: see [`Reply::write`].
    #[must_use]
    pub fn param(mut self, param: impl Into<String>) -> Self {
        self.params.push(param.into());
        self.trailing = false;
        self
    }

    /// The last param, written with its `:` always, as clients are used to where people's words stand.
    #[must_use]
    pub fn text(mut self, text: impl Into<String>) -> Self {
        self.params.push(text.into());
        self.trailing = true;
        self
    }

    /// One more tag.
    #[must_use]
    pub fn tag(mut self, key: impl Into<Cow<'static, str>>, value: impl Into<String>) -> Self {
        self.tags.push((key.into(), value.into()));
        self
    }

    /// Appends the line with CR LF. Whatever the parts hold, it is one line of at most [`SERVER_TAGS_BYTES_MAX`] bytes of
    /// tags and [`BODY_BYTES_MAX`] of the rest.
    ///
    /// CR, LF and NUL are left out, but of the values of tags, where CR and LF are escaped. In what has to be one word,
    /// blanks become `_`, what is empty becomes `*`, and no `:` comes first. What is too long is cut, and what comes
    /// after the cut is left out. A tag that does not fit is left out as a whole.
    pub fn write(&self, out: &mut Vec<u8>) {
        self.write_tags(out);
        let start = out.len();
        if let Some(source) = &self.source {
            let source: String =
                source.chars().filter(|character| !is_forbidden(*character) && *character != ' ').collect();
            if !source.is_empty() {
                out.push(b':');
                out.extend_from_slice(head(&source, SOURCE_BYTES_MAX).as_bytes());
                out.push(b' ');
            }
        }
        out.extend_from_slice(head(&one_word(&self.command, &[':', '@']), COMMAND_BYTES_MAX).as_bytes());
        let last = self.params.len().min(PARAMS_MAX).saturating_sub(1);
        for (at, param) in self.params.iter().take(PARAMS_MAX).enumerate() {
            let room = (BODY_BYTES_MAX - LINE_END.len()).saturating_sub(out.len() - start);
            let is_last = at == last;
            let kept: String = param.chars().filter(|character| !is_forbidden(*character)).collect();
            let has_colon =
                is_last && (self.trailing || kept.is_empty() || kept.starts_with(':') || kept.contains(' '));
            let (before, kept) = if has_colon { (" :", kept.into()) } else { (" ", one_word(&kept, &[':'])) };
            let Some(room) = room.checked_sub(before.len()) else { break };
            let written = head(&kept, room);
            if written.is_empty() && !has_colon {
                break;
            }
            out.extend_from_slice(before.as_bytes());
            out.extend_from_slice(written.as_bytes());
            if written.len() < kept.len() {
                break;
            }
        }
        out.extend_from_slice(LINE_END);
    }

    fn write_tags(&self, out: &mut Vec<u8>) {
        let start = out.len();
        for (key, value) in &self.tags {
            let key: String = key
                .chars()
                .filter(|character| !is_forbidden(*character) && !matches!(character, ' ' | ';' | '='))
                .collect();
            if key.is_empty() {
                continue;
            }
            let value = escape(value);
            // Each has one byte before it: the first one `@`, the others `;`.
            let bytes = 1 + key.len() + if value.is_empty() { 0 } else { 1 + value.len() };
            if out.len() - start + bytes + b" ".len() > SERVER_TAGS_BYTES_MAX {
                continue;
            }
            out.push(if out.len() == start { b'@' } else { b';' });
            out.extend_from_slice(key.as_bytes());
            if !value.is_empty() {
                out.push(b'=');
                out.extend_from_slice(value.as_bytes());
            }
        }
        if out.len() > start {
            out.push(b' ');
        }
    }
}

fn is_forbidden(character: char) -> bool {
    matches!(character, '\0' | '\r' | '\n')
}

/// What can stand between two blanks.
fn one_word<'a>(text: &'a str, never_first: &[char]) -> Cow<'a, str> {
    let text = text.trim_start_matches(|character| is_forbidden(character) || never_first.contains(&character));
    if text.is_empty() {
        return "*".into();
    }
    if !text.contains(|character| is_forbidden(character) || character == ' ') {
        return text.into();
    }
    let kept = text.chars().filter(|character| !is_forbidden(*character));
    kept.map(|character| if character == ' ' { '_' } else { character }).collect::<String>().into()
}

fn escape(value: &str) -> String {
    let mut escaped = String::with_capacity(value.len());
    for character in value.chars() {
        match character {
            ';' => escaped.push_str("\\:"),
            ' ' => escaped.push_str("\\s"),
            '\\' => escaped.push_str("\\\\"),
            '\r' => escaped.push_str("\\r"),
            '\n' => escaped.push_str("\\n"),
            '\0' => {}
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests;
