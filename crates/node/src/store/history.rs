//! Conversations in the order in which they are shown, and up to where each was read. Never asks a clock what is shown when: that is
//! written down with each message.

use nightjar_core::record::Record;
use nightjar_core::time::Wall;
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::read::{self, AES, PASCAL, signed};
use super::search::{NEXT_CONVERSATION, UNREAD_COUNTED_MAX};
use super::{CONVERSATIONS_MAX, PAGE_BYTES_MAX};
use crate::message::{History, Message, Place, Seq, author_ms, shown_at};

/// Bytes of a message's id.
const ID_BYTES: usize = 16;
/// Messages of an earlier file that get their times in one go.
const PLACE_SLICE: i64 = 1_000;

/// When a message is shown, and its seq.
type Spot = (i64, i64);

/// Messages in the order in which they are shown: those nearest to the wanted end.
pub(super) fn history(connection: &mut Connection, wanted: &History) -> rusqlite::Result<Vec<Message>> {
    let look = connection.transaction()?;
    let History { conversations, after, before, newest, limit } = wanted;
    let bounds = |place: Option<Place>, none: Spot| place.map_or(none, |it| (signed(it.shown.0), signed(it.seq)));
    let (after, before) = (bounds(*after, (-1, 0)), bounds(*before, (i64::MAX, i64::MAX)));
    let mut statement = look.prepare_cached(if *newest { NEWEST } else { OLDEST })?;
    let mut spots: Vec<Spot> = Vec::new();
    for conversation in conversations {
        let found = statement
            .query_map(params![conversation, after.0, after.1, before.0, before.1, signed(*limit as u64)], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })?;
        for spot in found {
            spots.push(spot?);
        }
    }
    spots.sort_unstable();
    // The same conversation may be named twice.
    spots.dedup();
    if *newest {
        spots.reverse();
    }
    spots.truncate(*limit);
    let mut messages = read_all(&look, &spots)?;
    if *newest {
        messages.reverse();
    }
    Ok(messages)
}

/// The message of a conversation whose id begins so; of several the one that is shown first.
pub(super) fn find(
    connection: &mut Connection,
    conversations: &[String],
    id: &[u8],
) -> rusqlite::Result<Option<Message>> {
    let look = connection.transaction()?;
    let Some(rest) = ID_BYTES.checked_sub(id.len()).filter(|_| !id.is_empty()) else { return Ok(None) };
    let (from, to) = ([id, &vec![0; rest]].concat(), [id, &vec![0xff; rest]].concat());
    let mut statement = look.prepare_cached(BY_ID)?;
    let mut first: Option<Spot> = None;
    for conversation in conversations {
        let found =
            statement.query_row(params![conversation, from, to], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
        first = first.into_iter().chain(found).min();
    }
    let Some((_, seq)) = first else { return Ok(None) };
    Ok(read::one(&look, seq)?.map(|(message, _)| message))
}

/// Messages of others behind the place up to which a conversation was read: the newest, in the order in which they are shown.
pub(super) fn unread(connection: &mut Connection, conversation: &str, limit: usize) -> rusqlite::Result<Vec<Message>> {
    let look = connection.transaction()?;
    let read_to: i64 = look
        .prepare_cached("SELECT seq FROM read WHERE conversation = ?1")?
        .query_row([conversation], |row| row.get(0))
        .optional()?
        .unwrap_or(0);
    let spots = |sql: &str, most: u64| -> rusqlite::Result<Vec<Spot>> {
        let mut statement = look.prepare_cached(sql)?;
        let found =
            statement.query_map(params![conversation, read_to, signed(most)], |row| Ok((row.get(0)?, row.get(1)?)))?;
        found.collect()
    };
    // Few are found by their seq and sorted. Of many the newest are soon met from the end; of few that would be a way through all
    // that was read.
    let mut newest = spots(UNREAD_BY_SEQ, UNREAD_COUNTED_MAX + 1)?;
    if newest.len() as u64 > UNREAD_COUNTED_MAX {
        newest = spots(UNREAD_BY_PLACE, limit as u64)?;
    }
    newest.sort_unstable_by(|one, other| other.cmp(one));
    newest.truncate(limit);
    let mut messages = read_all(&look, &newest)?;
    messages.reverse();
    Ok(messages)
}

/// Up to which moment a conversation was read.
pub(super) fn read_until(connection: &mut Connection, conversation: &str) -> rusqlite::Result<Option<Wall>> {
    let mut statement =
        connection.prepare_cached("SELECT until_ms FROM read WHERE conversation = ?1 AND until_ms > 0")?;
    statement.query_row([conversation], |row| row.get::<_, i64>(0).map(wall)).optional()
}

/// Conversations whose last message is shown behind one moment and before another, by that time.
pub(super) fn active(
    connection: &mut Connection,
    after: Option<Wall>,
    before: Option<Wall>,
    limit: usize,
) -> rusqlite::Result<Vec<(String, Wall)>> {
    let look = connection.transaction()?;
    let mut next = look.prepare_cached(NEXT_CONVERSATION)?;
    let mut last = look.prepare_cached(LAST_SHOWN)?;
    let (mut active, mut name, mut seen) = (Vec::new(), String::new(), 0);
    while seen < CONVERSATIONS_MAX
        && let Some(found) = next.query_row([&name], |row| row.get::<_, Option<String>>(0))?
    {
        (name, seen) = (found, seen + 1);
        let shown = last.query_row([&name], |row| row.get::<_, i64>(0).map(wall))?;
        if after.is_none_or(|after| shown > after) && before.is_none_or(|before| shown < before) {
            active.push((name.clone(), shown));
        }
    }
    // Those of one time stay in the order of their names.
    active.sort_by_key(|(_, shown)| *shown);
    active.truncate(limit);
    Ok(active)
}

/// A conversation was read up to this seq, and so up to the moment of what is shown last of that: never back, and never beyond what
/// there is. One without messages has no place.
pub(super) fn mark_read(connection: &Connection, conversation: &str, seq: Seq) -> rusqlite::Result<usize> {
    let seq = signed(seq.min(read::last_seq(connection)?));
    let Some(_) = last_shown(connection, conversation)? else { return Ok(0) };
    let until: Option<i64> = connection
        .prepare_cached(LAST_SHOWN_UP_TO)?
        .query_row(params![conversation, seq], |row| row.get(0))
        .optional()?;
    move_on(connection, conversation, seq, until.unwrap_or(0))
}

/// A conversation was read up to this moment, and so up to the last seq of what is shown by then: never back. A moment that is still to
/// come is cut to now, or to the last that is shown: a clock that was set back leaves some of it ahead. One in which nothing was said yet keeps
/// the moment alone, and there are places for [`EMPTY_READ_MAX`] of them.
pub(super) fn mark_read_until(
    connection: &Connection,
    conversation: &str,
    until: Wall,
    now: Wall,
) -> rusqlite::Result<usize> {
    let last = last_shown(connection, conversation)?;
    if last.is_none()
        && connection.prepare_cached(EMPTY_READ)?.query_row([conversation], |row| row.get::<_, i64>(0))?
            >= EMPTY_READ_MAX
    {
        return Ok(0);
    }
    let until = signed(until.0).min(last.unwrap_or(0).max(signed(now.0)));
    let seq: Option<i64> = connection
        .prepare_cached(LAST_SEQ_UNTIL)?
        .query_row(params![conversation, until], |row| row.get(0))
        .optional()?;
    move_on(connection, conversation, seq.unwrap_or(0), until)
}

fn move_on(connection: &Connection, conversation: &str, seq: i64, until: i64) -> rusqlite::Result<usize> {
    let mut statement = connection.prepare_cached(
        "INSERT INTO read (conversation, seq, until_ms) VALUES (?1, ?2, ?3)
         ON CONFLICT (conversation) DO UPDATE SET seq = max(seq, excluded.seq), until_ms = max(until_ms, excluded.until_ms)",
    )?;
    statement.execute(params![conversation, seq, until])
}

fn last_shown(connection: &Connection, conversation: &str) -> rusqlite::Result<Option<i64>> {
    connection.prepare_cached(LAST_SHOWN)?.query_row([conversation], |row| row.get(0)).optional()
}

/// Reads messages in this order until a page is full.
fn read_all(look: &Connection, spots: &[Spot]) -> rusqlite::Result<Vec<Message>> {
    let (mut messages, mut bytes) = (Vec::with_capacity(spots.len()), 0);
    for (_, seq) in spots {
        let Some((message, cost)) = read::one(look, *seq)? else { continue };
        bytes += cost;
        messages.push(message);
        if bytes >= PAGE_BYTES_MAX {
            break;
        }
    }
    Ok(messages)
}

const fn wall(ms: i64) -> Wall {
    Wall(ms.cast_unsigned())
}

/// Conversations without messages of which it is kept how far they were read: a program may say so of names that it invents.
pub const EMPTY_READ_MAX: i64 = 4_096;
const EMPTY_READ: &str = "SELECT count(*) FROM read WHERE seq = 0 AND conversation != ?1";

const OLDEST: &str = "SELECT shown_ms, seq FROM message
     WHERE conversation = ?1 AND (shown_ms, seq) > (?2, ?3) AND (shown_ms, seq) < (?4, ?5)
     ORDER BY shown_ms, seq LIMIT ?6";
const NEWEST: &str = "SELECT shown_ms, seq FROM message
     WHERE conversation = ?1 AND (shown_ms, seq) > (?2, ?3) AND (shown_ms, seq) < (?4, ?5)
     ORDER BY shown_ms DESC, seq DESC LIMIT ?6";
const BY_ID: &str = "SELECT shown_ms, seq FROM message WHERE conversation = ?1 AND message_id BETWEEN ?2 AND ?3
     ORDER BY shown_ms, seq LIMIT 1";
const UNREAD_BY_SEQ: &str =
    "SELECT shown_ms, seq FROM message WHERE conversation = ?1 AND seq > ?2 AND own = 0 LIMIT ?3";
// With the plus no index is looked for that begins at this seq: the order is the one of places.
const UNREAD_BY_PLACE: &str = "SELECT shown_ms, seq FROM message WHERE conversation = ?1 AND +seq > ?2 AND own = 0
     ORDER BY shown_ms DESC, seq DESC LIMIT ?3";
const LAST_SHOWN: &str = "SELECT shown_ms FROM message WHERE conversation = ?1 ORDER BY shown_ms DESC LIMIT 1";
const LAST_SHOWN_UP_TO: &str =
    "SELECT shown_ms FROM message WHERE conversation = ?1 AND +seq <= ?2 ORDER BY shown_ms DESC LIMIT 1";
// What is read anew lies near the end, whatever was shown before: the way there is short by seq, and long by place.
const LAST_SEQ_UNTIL: &str = "SELECT seq FROM message WHERE conversation = ?1 AND +shown_ms <= ?2
         AND seq > coalesce((SELECT seq FROM read WHERE conversation = ?1), 0)
     ORDER BY seq DESC LIMIT 1";

/// Gives the messages of an earlier file their times, and makes the index of them. A part of a migration: it looks only at what that
/// version of the file has.
pub(super) fn place_all(transaction: &Connection) -> rusqlite::Result<()> {
    let mut some = transaction.prepare(
        "SELECT seq, received_ms, late, record, conversation IS NOT NULL AND unreadable IS NULL AND form NOT IN (?3, ?4), said
         FROM message WHERE seq > ?1 ORDER BY seq LIMIT ?2",
    )?;
    let mut place = transaction.prepare("UPDATE message SET shown_ms = ?2 WHERE seq = ?1")?;
    let mut since = 0;
    loop {
        // In slices, so that no row is looked at while it is written.
        let spots = some
            .query_map(params![since, PLACE_SLICE, PASCAL, AES], |row| Ok((shown(row)?, row.get(0)?)))?
            .collect::<rusqlite::Result<Vec<Spot>>>()?;
        let Some((_, last)) = spots.last() else { break };
        since = *last;
        for (shown, seq) in spots {
            place.execute(params![seq, shown])?;
        }
    }
    transaction.execute_batch(include_str!("migrations/13_placed.sql"))
}

/// When a message of an earlier file is shown.
fn shown(row: &Row<'_>) -> rusqlite::Result<i64> {
    let received = wall(row.get(1)?);
    let record = row.get_ref(3)?.as_blob_or_null()?.and_then(|bytes| Record::parse(bytes).ok());
    let expiry = record.and_then(|(record, _)| record.stamp().map(|stamp| stamp.expiry));
    let is_map = row.get::<_, Option<bool>>(4)?.unwrap_or(false);
    let author = row.get_ref(5)?.as_blob_or_null()?.filter(|_| is_map).and_then(author_ms);
    Ok(signed(shown_at(author, expiry, received, row.get(2)?).0))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

    use super::super::read::tests::plan;
    use super::super::schema;
    use super::*;

    #[test]
    fn every_read_by_place_goes_by_an_index() {
        let dir = tempfile::tempdir().unwrap();
        let connection = schema::open_to_write(&dir.path().join("nightjar.db")).unwrap();
        let plan = |sql: &str, count: usize| plan(&connection, sql, count);
        let in_order =
            "SEARCH message USING COVERING INDEX message_by_shown (conversation=? AND shown_ms>? AND shown_ms<?)";
        assert_eq!(plan(OLDEST, 6), in_order);
        assert_eq!(plan(NEWEST, 6), in_order);
        let of_conversation = "SEARCH message USING COVERING INDEX message_by_shown (conversation=?)";
        assert_eq!(plan(LAST_SHOWN, 1), of_conversation);
        assert_eq!(plan(LAST_SHOWN_UP_TO, 2), of_conversation);
        assert_eq!(plan(UNREAD_BY_PLACE, 3), "SEARCH message USING INDEX message_by_shown (conversation=?)");
        let by_seq = "SEARCH message USING INDEX message_by_conversation (conversation=? AND rowid>?)";
        assert_eq!(plan(UNREAD_BY_SEQ, 3), by_seq);
        assert!(plan(LAST_SEQ_UNTIL, 2).starts_with(&format!("{by_seq}; SCALAR SUBQUERY 1;")));
        let by_id = "SEARCH message USING INDEX message_by_id (conversation=? AND message_id>? AND message_id<?)";
        // Few begin alike.
        assert_eq!(plan(BY_ID, 3), format!("{by_id}; USE TEMP B-TREE FOR ORDER BY"));
        let next = "SEARCH message USING COVERING INDEX message_by_conversation (conversation>?)";
        assert_eq!(plan(NEXT_CONVERSATION, 1), next);
    }
}
