//! Search in what can be read, and all conversations with what is unread in them. Reads but for the index itself.

use std::time::{Duration, Instant};

use nightjar_core::time::Wall;
use rusqlite::{Connection, OptionalExtension as _, params};

use super::read::{self, signed};
use crate::message::{Content, Conversation, Found, Message, Reading, Search, Seq, text_of};

/// A search that looks for longer is ended: it holds one of few connections.
const SEARCH_MAX: Duration = Duration::from_secs(5);
/// Steps of SQLite between two looks at the clock: some milliseconds.
const STEPS: i32 = 100_000;
/// Words in one search.
pub const SEARCH_WORDS_MAX: usize = 32;
/// Unread messages of one conversation are counted up to here.
pub const UNREAD_COUNTED_MAX: u64 = 1_000;
/// Conversations that one read gives.
pub const CONVERSATIONS_MAX: usize = 10_000;

/// What FTS5 is asked: all of the words, in any order; what stands between quotes is a phrase, and a word that ends with `*` is the
/// beginning of one. Nothing that was typed is syntax beyond that. `None` when there is no word.
pub(super) fn expression(typed: &str) -> Option<String> {
    let mut terms = Vec::new();
    for (number, part) in typed.split('"').enumerate() {
        if number % 2 == 1 {
            terms.push(part.trim().to_owned());
        } else {
            terms.extend(part.split_whitespace().map(str::to_owned));
        }
    }
    let is_word = |term: &String| term.chars().any(char::is_alphanumeric);
    let terms = terms.into_iter().filter(is_word).take(SEARCH_WORDS_MAX).map(|term| match term.strip_suffix('*') {
        Some(beginning) => format!("\"{beginning}\" *"),
        None => format!("\"{term}\""),
    });
    let terms: Vec<String> = terms.collect();
    (!terms.is_empty()).then(|| terms.join(" "))
}

/// Messages in which the words are, newest first.
pub(super) fn search(connection: &mut Connection, wanted: &Search) -> rusqlite::Result<Found> {
    let Some(expression) = expression(&wanted.words) else { return Ok(Found::default()) };
    let until = Instant::now() + SEARCH_MAX;
    connection.progress_handler(STEPS, Some(move || Instant::now() >= until))?;
    let found = run(connection, wanted, &expression);
    connection.progress_handler(STEPS, None::<fn() -> bool>)?;
    found
}

fn run(connection: &mut Connection, wanted: &Search, expression: &str) -> rusqlite::Result<Found> {
    let look = connection.transaction()?;
    let Search { words: _, conversations, author, since, until, before, limit } = wanted;
    let conversations = (!conversations.is_empty()).then(|| serde_json::json!(conversations).to_string());
    let mut statement = look.prepare_cached(
        "SELECT message.seq FROM message_text JOIN message ON message.seq = message_text.rowid
         WHERE message_text MATCH ?1 AND message_text.rowid < ?2
             AND (?3 IS NULL OR conversation IN (SELECT value FROM json_each(?3)))
             AND (?4 IS NULL OR author = ?4)
             AND received_ms >= ?5 AND received_ms < ?6
         ORDER BY message_text.rowid DESC LIMIT ?7",
    )?;
    let limit = signed(*limit as u64);
    let seqs = statement.query_map(
        params![
            expression,
            signed(before.unwrap_or(Seq::MAX)),
            conversations,
            author.map(|author| *author.as_bytes()),
            signed(since.map_or(0, |since| since.0)),
            signed(until.map_or(u64::MAX, |until| until.0)),
            limit
        ],
        |row| row.get::<_, i64>(0),
    )?;
    let seqs = seqs.collect::<rusqlite::Result<Vec<i64>>>()?;
    let mut messages: Vec<Message> = Vec::with_capacity(seqs.len());
    let mut bytes = 0;
    for seq in &seqs {
        let Some((message, cost)) = read::one(&look, *seq)? else { continue };
        bytes += cost;
        messages.push(message);
        if bytes >= super::PAGE_BYTES_MAX {
            break;
        }
    }
    let is_more = signed(messages.len() as u64) == limit || messages.len() < seqs.len();
    let next = messages.last().map(|message| message.seq).filter(|_| is_more);
    Ok(Found { messages, next })
}

/// All conversations, those in which something was said last first.
pub(super) fn conversations(connection: &mut Connection) -> rusqlite::Result<Vec<Conversation>> {
    let look = connection.transaction()?;
    let mut next = look.prepare(NEXT_CONVERSATION)?;
    let mut last = look
        .prepare("SELECT seq, received_ms, request FROM message WHERE conversation = ?1 ORDER BY seq DESC LIMIT 1")?;
    let mut read_to = look.prepare("SELECT seq FROM read WHERE conversation = ?1")?;
    let mut unread = look.prepare(&format!(
        "SELECT count(*) FROM (SELECT 1 FROM message WHERE conversation = ?1 AND seq > ?2 AND own = 0 LIMIT {UNREAD_COUNTED_MAX})"
    ))?;
    let mut mentions = look.prepare(&format!(
        "SELECT count(*) FROM (SELECT 1 FROM message WHERE conversation = ?1 AND mention AND seq > ?2 AND own = 0 LIMIT {UNREAD_COUNTED_MAX})"
    ))?;
    let (mut all, mut name) = (Vec::new(), String::new());
    while all.len() < CONVERSATIONS_MAX
        && let Some(found) = next.query_row([&name], |row| row.get::<_, Option<String>>(0))?
    {
        name = found;
        let (last_seq, last, request) = last.query_row([&name], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
        let read = read_to.query_row([&name], |row| row.get::<_, i64>(0)).optional()?.unwrap_or(0);
        let count = |it: &mut rusqlite::Statement<'_>| it.query_row(params![name, read], |row| row.get::<_, i64>(0));
        all.push(Conversation {
            name: name.clone(),
            last_seq: i64::cast_unsigned(last_seq),
            last: Wall(i64::cast_unsigned(last)),
            request,
            read: read.cast_unsigned(),
            unread: count(&mut unread)?.cast_unsigned(),
            mentions: count(&mut mentions)?.cast_unsigned(),
        });
    }
    all.sort_by_key(|conversation| std::cmp::Reverse(conversation.last_seq));
    Ok(all)
}

/// From each conversation to the next by an index: SQLite would look at every message to find the distinct ones.
pub(super) const NEXT_CONVERSATION: &str = "SELECT min(conversation) FROM message WHERE conversation > ?1";

/// Makes what was stored before there was a search findable, once.
pub(super) fn index_all(connection: &mut Connection) -> rusqlite::Result<()> {
    let transaction = connection.transaction()?;
    let indexed: bool = transaction.query_row("SELECT indexed FROM log", [], |row| row.get(0))?;
    if indexed {
        return Ok(());
    }
    let mut since = 0;
    loop {
        let some = read::behind(&transaction, since, 1_000)?;
        let Some(last) = some.last().map(|message| message.seq) else { break };
        for message in some {
            remember(&transaction, signed(message.seq), &message.content, message.reading.as_ref())?;
        }
        since = last;
    }
    transaction.execute("UPDATE log SET indexed = 1", [])?;
    transaction.commit()
}

/// Makes a message findable that is stored as this one.
pub(super) fn remember(
    transaction: &Connection,
    seq: i64,
    content: &Content,
    reading: Option<&Reading>,
) -> rusqlite::Result<()> {
    let Some(text) = text_of(content, reading).filter(|text| !text.is_empty()) else { return Ok(()) };
    transaction
        .prepare_cached("INSERT INTO message_text (rowid, text) VALUES (?1, ?2)")?
        .execute(params![seq, text])
        .map(drop)
}

/// The same undone, while the message is still there. The text must be the one that was remembered: a program that reads texts in another
/// way has to index all of them anew.
pub(super) fn forget(transaction: &Connection, seq: i64) -> rusqlite::Result<()> {
    let Some((message, _)) = read::one(transaction, seq)? else { return Ok(()) };
    let text = text_of(&message.content, message.reading.as_ref()).filter(|text| !text.is_empty());
    let Some(text) = text else { return Ok(()) };
    transaction
        .prepare_cached("INSERT INTO message_text (message_text, rowid, text) VALUES ('delete', ?1, ?2)")?
        .execute(params![seq, text])
        .map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_search_that_took_too_long_says_what_to_do() {
        let interrupted = rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(9), None);
        let problem = super::super::schema::problem(std::path::Path::new("nightjar.db"), &interrupted);
        assert!(problem.contains("took too long: give more words"), "{problem}");
    }

    #[test]
    fn what_is_typed_is_words_and_phrases_and_never_syntax() {
        let is = |typed: &str, wanted: &str| assert_eq!(expression(typed).unwrap_or_default(), wanted, "{typed}");
        is("good night", "\"good\" \"night\"");
        is("\"good night\" raven", "\"good night\" \"raven\"");
        is("nigh*", "\"nigh\" *");
        is("a AND b OR NOT c", "\"a\" \"AND\" \"b\" \"OR\" \"NOT\" \"c\"");
        is("text:x ^y (z)", "\"text:x\" \"^y\" \"(z)\"");
        is("\"open", "\"open\"");
        is(" \"\" * ??? ", "");
        is("Grüße 世界", "\"Grüße\" \"世界\"");
        assert_eq!(expression(&"x ".repeat(100)).unwrap_or_default().matches("\"x\"").count(), SEARCH_WORDS_MAX);
    }
}
