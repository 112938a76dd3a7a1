//! What happened after a message was stored: it changed, its author is known otherwise, it was erased. Such events have their
//! numbers in one row with the messages, so that who reads on from a number misses neither.

use std::sync::LazyLock;

use rusqlite::{Connection, OptionalExtension as _};

use super::log::{AUTHOR, CHANGED, ERASED};
use super::read::{self, signed};
use super::{PAGE_BYTES_MAX, people};
use crate::message::{Event, EventPage, Filter, Message, Seq, What};

/// The kind of the entries that are messages themselves.
const STORED: i64 = 0;
/// What an event without a message counts against a page.
const EVENT_BYTES: u64 = 256;

/// One entry of the row of numbers, before what it is about was read.
struct Entry {
    seq: i64,
    kind: i64,
    /// The message that it is about.
    message: Option<i64>,
    author: Option<[u8; 32]>,
}

/// One page of messages and of what happened to them. The filter's targets are sorted and without doubles.
pub(super) fn page(
    connection: &mut Connection,
    since: Seq,
    limit: usize,
    filter: &Filter,
) -> rusqlite::Result<EventPage> {
    let look = connection.transaction()?;
    let (first, last) = read::ends(&look)?;
    let mut page = EventPage { events: Vec::new(), next: last, first };
    if since >= last {
        return Ok(page);
    }
    let entries = entries(&look, since, limit, filter)?;
    let (mut bytes, mut looked_at) = (0, 0);
    for entry in &entries {
        looked_at += 1;
        page.next = entry.seq.cast_unsigned();
        // Of what was dropped or erased since then there is nothing to show; that it was erased is an event of its own.
        if let Some((what, cost)) = what(&look, entry)? {
            bytes += cost;
            page.events.push(Event { seq: page.next, what });
        }
        if bytes >= PAGE_BYTES_MAX {
            break;
        }
    }
    if looked_at < limit && looked_at == entries.len() {
        page.next = last;
    }
    Ok(page)
}

/// The first entries behind `since` that pass the filter. What is known of authors passes each.
fn entries(connection: &Connection, since: Seq, limit: usize, filter: &Filter) -> rusqlite::Result<Vec<Entry>> {
    let (since, most) = (signed(since), signed(limit as u64));
    let mut entries = Vec::new();
    let mut add = |sql: &str, parameters: &[&dyn rusqlite::ToSql]| -> rusqlite::Result<()> {
        let mut statement = connection.prepare_cached(sql)?;
        let found = statement.query_map(parameters, |row| {
            Ok(Entry { seq: row.get(0)?, kind: row.get(1)?, message: row.get(2)?, author: row.get(3)? })
        })?;
        found.for_each(|entry| entries.push(entry));
        Ok(())
    };
    if filter.is_empty() {
        add(MESSAGES, &[&since, &most])?;
        add(EVENTS, &[&since, &most])?;
    } else {
        for conversation in &filter.conversations {
            add(MESSAGES_IN_CONVERSATION, &[&since, &most, conversation])?;
            add(EVENTS_IN_CONVERSATION, &[&since, &most, conversation])?;
        }
        for target in &filter.targets {
            add(MESSAGES_AT_TARGET, &[&since, &most, &target.0])?;
            add(EVENTS_AT_TARGET, &[&since, &most, &target.0])?;
        }
        add(EVENTS_OF_AUTHORS, &[&since, &most])?;
    }
    let mut entries = entries.into_iter().collect::<rusqlite::Result<Vec<Entry>>>()?;
    entries.sort_unstable_by_key(|entry| entry.seq);
    entries.dedup_by_key(|entry| entry.seq);
    entries.truncate(limit);
    Ok(entries)
}

const MESSAGES: &str = "SELECT seq, 0, seq, NULL FROM message WHERE seq > ?1 ORDER BY seq LIMIT ?2";
const EVENTS: &str = "SELECT seq, kind, message, author FROM event WHERE seq > ?1 ORDER BY seq LIMIT ?2";
const MESSAGES_IN_CONVERSATION: &str =
    "SELECT seq, 0, seq, NULL FROM message WHERE conversation = ?3 AND seq > ?1 ORDER BY seq LIMIT ?2";
const EVENTS_IN_CONVERSATION: &str =
    "SELECT seq, kind, message, author FROM event WHERE conversation = ?3 AND seq > ?1 ORDER BY seq LIMIT ?2";
const MESSAGES_AT_TARGET: &str =
    "SELECT seq, 0, seq, NULL FROM message WHERE target = ?3 AND seq > ?1 ORDER BY seq LIMIT ?2";
const EVENTS_AT_TARGET: &str =
    "SELECT seq, kind, message, author FROM event WHERE target = ?3 AND seq > ?1 ORDER BY seq LIMIT ?2";
const EVENTS_OF_AUTHORS: &str =
    "SELECT seq, kind, message, author FROM event WHERE kind = 2 AND seq > ?1 ORDER BY seq LIMIT ?2";

/// What an entry is about, and about how many bytes that takes.
fn what(connection: &Connection, entry: &Entry) -> rusqlite::Result<Option<(What, u64)>> {
    let of_message = |wrap: fn(Message) -> What| {
        let Some(seq) = entry.message else { return Ok(None) };
        Ok(read::one(connection, seq)?.map(|(message, cost)| (wrap(message), cost)))
    };
    match (entry.kind, entry.message, entry.author) {
        (STORED, ..) => of_message(|message| What::Stored(Box::new(message))),
        (CHANGED, ..) => of_message(|message| What::Changed(Box::new(message))),
        (ERASED, Some(message), _) => Ok(Some((What::Erased(message.cast_unsigned()), EVENT_BYTES))),
        (AUTHOR, _, Some(author)) => {
            let mut one = connection.prepare_cached(&ONE_SPEAKER)?;
            let speaker = one.query_row([author], |row| people::speaker(row, 0)).optional()?;
            Ok(speaker.map(|speaker| (What::Author(speaker), EVENT_BYTES)))
        }
        _ => Ok(None),
    }
}

static ONE_SPEAKER: LazyLock<String> =
    LazyLock::new(|| format!("SELECT {} FROM speaker WHERE key = ?1", people::SPEAKER));
