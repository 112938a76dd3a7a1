//! Reads: few connections of their own, each read one consistent look and bounded work. Never writes.

use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use nightjar_core::record::{Record, Target};
use nightjar_core::router::KnownAddress;
use nightjar_envelope::id::MessageId;
use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension as _, Row, params};
use tokio::sync::Semaphore;

use super::people::{SPEAKER, broken, checked, speaker, standing, wall};
use super::{ADDRESSES_MAX, LISTENS_MAX, MESSAGE_BYTES_EXTRA, ReadError, schema};
use crate::handle::ListenTo;
use crate::message::{Content, Delivery, Erase, Filter, Message, Page, Reading, Said, Seq};

/// Reads at one time: more would only wait for the same disk. Others wait their turn.
const READS_MAX: usize = 4;
/// The forms whose message is a text: PascalCoin's own seals.
pub(super) const PASCAL: u8 = 6;
pub(super) const AES: u8 = 7;
/// A page is not filled beyond this, counted as the log counts: memory and answer stay small when texts are long.
pub const PAGE_BYTES_MAX: u64 = 4 << 20;

/// Connections for reads, opened when they are needed.
pub(super) struct Readers {
    path: PathBuf,
    permits: Semaphore,
    idle: Mutex<Vec<Connection>>,
}

impl Readers {
    pub(super) fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), permits: Semaphore::new(READS_MAX), idle: Mutex::default() }
    }

    /// Runs a read where it may block.
    pub(super) async fn read<T: Send + 'static>(
        self: &Arc<Self>,
        read: impl FnOnce(&mut Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, ReadError> {
        let closed = || ReadError("the store is closed: the node is shutting down, start it again".into());
        let _permit = self.permits.acquire().await.map_err(|_| closed())?;
        let readers = Arc::clone(self);
        let task = tokio::task::spawn_blocking(move || {
            let run = || {
                let mut connection = readers.pop().map_or_else(|| schema::open_to_read(&readers.path), Ok)?;
                let answer = read(&mut connection)?;
                // A connection on which a read failed is not used again.
                readers.push(connection);
                Ok(answer)
            };
            run().map_err(|error| ReadError(schema::problem(&readers.path, &error)))
        });
        task.await.unwrap_or_else(|_| Err(closed()))
    }

    pub(super) fn close(&self) {
        self.permits.close();
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    fn pop(&self) -> Option<Connection> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    fn push(&self, connection: Connection) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.permits.is_closed() {
            idle.push(connection);
        }
    }
}

/// One page. The filter's targets are sorted and without doubles.
pub(super) fn page(connection: &mut Connection, since: Seq, limit: usize, filter: &Filter) -> rusqlite::Result<Page> {
    // One transaction: what is dropped or stored meanwhile does not come between first, last and the rows.
    let look = connection.transaction()?;
    let (first, last) = ends(&look)?;
    let mut page = Page { messages: Vec::new(), next: last, first };
    if since >= last {
        return Ok(page);
    }
    let wanted = (!filter.is_empty()).then(|| seqs_of(&look, since, limit, filter)).transpose()?;
    let mut bytes = 0;
    let mut add = |page: &mut Page, (message, cost): (Message, u64)| {
        bytes += cost;
        page.messages.push(message);
        bytes < PAGE_BYTES_MAX && page.messages.len() < limit
    };
    let mut ended = true;
    if let Some(seqs) = wanted {
        for seq in seqs {
            if let Some(message) = one(&look, seq)?
                && !add(&mut page, message)
            {
                ended = false;
                break;
            }
        }
    } else {
        let mut behind = look.prepare_cached(&MESSAGES_BEHIND)?;
        let mut rows = behind.query(params![signed(since), signed(limit as u64)])?;
        while let Some(row) = rows.next()? {
            if !add(&mut page, message(row)?) {
                ended = false;
                break;
            }
        }
    }
    // The index knows of every message whether it passes, so all up to the last were looked at.
    if let (false, Some(message)) = (ended, page.messages.last()) {
        page.next = message.seq;
    }
    Ok(page)
}

/// The oldest seq that is kept (0 when there was never one), and the last that was given.
pub(super) fn ends(look: &Connection) -> rusqlite::Result<(Seq, Seq)> {
    let last = last_seq(look)?;
    let oldest: Option<i64> = look.query_row(
        "SELECT min(seq) FROM (SELECT min(seq) AS seq FROM message UNION ALL SELECT min(seq) FROM event)",
        [],
        |row| row.get(0),
    )?;
    let first = match oldest {
        Some(seq) => seq.cast_unsigned(),
        None if last == 0 => 0,
        None => last + 1,
    };
    Ok((first, last))
}

/// Messages behind a seq, in their order.
pub(super) fn behind(connection: &Connection, since: Seq, limit: usize) -> rusqlite::Result<Vec<Message>> {
    let mut statement = connection.prepare_cached(&MESSAGES_BEHIND)?;
    let rows = statement.query_map(params![signed(since), signed(limit as u64)], |row| Ok(message(row)?.0))?;
    rows.collect()
}

/// The message of this seq, if it is still there, and about how many bytes it takes.
pub(super) fn one(connection: &Connection, seq: i64) -> rusqlite::Result<Option<(Message, u64)>> {
    connection.prepare_cached(&ONE_MESSAGE)?.query_row(params![seq], message).optional()
}

/// The first seqs behind `since` of the messages that pass the filter.
fn seqs_of(connection: &Connection, since: Seq, limit: usize, filter: &Filter) -> rusqlite::Result<Vec<i64>> {
    let mut seqs = Vec::new();
    let mut of_conversation = connection.prepare_cached(SEQS_OF_CONVERSATION)?;
    for conversation in &filter.conversations {
        let found =
            of_conversation.query_map(params![conversation, signed(since), signed(limit as u64)], |row| row.get(0))?;
        for seq in found {
            seqs.push(seq?);
        }
    }
    let mut of_target = connection.prepare_cached(SEQS_OF_TARGET)?;
    for target in &filter.targets {
        let found = of_target.query_map(params![target.0, signed(since), signed(limit as u64)], |row| row.get(0))?;
        for seq in found {
            seqs.push(seq?);
        }
    }
    seqs.sort_unstable();
    seqs.dedup();
    seqs.truncate(limit);
    Ok(seqs)
}

static MESSAGES_BEHIND: LazyLock<String> = LazyLock::new(|| messages("WHERE seq > ?1 ORDER BY seq LIMIT ?2"));
static ONE_MESSAGE: LazyLock<String> = LazyLock::new(|| messages("WHERE seq = ?1"));
const SEQS_OF_TARGET: &str = "SELECT seq FROM message WHERE target = ?1 AND seq > ?2 ORDER BY seq LIMIT ?3";
const SEQS_OF_CONVERSATION: &str = "SELECT seq FROM message WHERE conversation = ?1 AND seq > ?2 ORDER BY seq LIMIT ?3";

/// Reads messages, and who their authors are as far as it is known now.
fn messages(which: &str) -> String {
    format!(
        "SELECT seq, received_ms, own, name, record, peer, text, conversation, message_id, author, own_key, form, said,
                unreadable, message.state, request, delivery, delivery_peers, delivery_why, mention, late,
                {SPEAKER}
         FROM message LEFT JOIN speaker ON speaker.key = message.author {which}"
    )
}

/// A message, and about how many bytes it takes.
fn message(row: &Row<'_>) -> rusqlite::Result<(Message, u64)> {
    let content = match row.get_ref(4)?.as_blob_or_null()? {
        Some(bytes) => {
            let broken = |error| rusqlite::Error::FromSqlConversionFailure(4, Type::Blob, Box::new(error));
            Content::Record(Record::parse(bytes).map_err(broken)?.0)
        }
        None => Content::Wallet { peer: row.get(5)?, text: row.get(6)? },
    };
    let message = Message {
        seq: row.get::<_, i64>(0)?.cast_unsigned(),
        received: wall(row, 1)?,
        own: row.get(2)?,
        late: row.get(20)?,
        name: row.get(3)?,
        content,
        reading: reading(row)?,
        speaker: row.get_ref(21)?.as_blob_or_null()?.map(|_| speaker(row, 21)).transpose()?,
        delivery: delivery(row, 16)?,
    };
    let said = row.get_ref(12)?.as_blob_or_null()?.map_or(0, <[u8]>::len);
    let text = match &message.content {
        Content::Record(record) => record.bytes().len(),
        Content::Wallet { text, .. } => text.len(),
    };
    Ok((message, (said + text) as u64 + MESSAGE_BYTES_EXTRA))
}

/// How far it came, of three columns that begin at `from`.
fn delivery(row: &Row<'_>, from: usize) -> rusqlite::Result<Option<Delivery>> {
    let peers = row.get(from + 1)?;
    Ok(match row.get::<_, Option<u8>>(from)? {
        None => None,
        Some(0) => Some(Delivery::Working),
        Some(1) => Some(Delivery::Queued),
        Some(2) => Some(Delivery::Sent(peers)),
        Some(3) => Some(Delivery::Held(peers)),
        Some(4) => Some(Delivery::Acknowledged),
        Some(_) => Some(Delivery::Failed(row.get::<_, Option<String>>(from + 2)?.unwrap_or_default())),
    })
}

fn reading(row: &Row<'_>) -> rusqlite::Result<Option<Reading>> {
    let Some(conversation) = row.get::<_, Option<String>>(7)? else { return Ok(None) };
    let key = |column: usize| -> rusqlite::Result<_> {
        row.get::<_, Option<[u8; 32]>>(column)?.map(|bytes| checked(bytes, column)).transpose()
    };
    let (form, said): (Option<u8>, Option<Vec<u8>>) = (row.get(11)?, row.get(12)?);
    let said = match (form, said, row.get::<_, Option<String>>(13)?) {
        (form, _, Some(why)) => Said::Unreadable { form, why },
        (Some(form @ (PASCAL | AES)), Some(text), None) => {
            let text = String::from_utf8(text).map_err(|_| broken(12, Type::Blob, "no text"))?;
            Said::Text { form, text }
        }
        (Some(form), Some(map), None) => Said::Map { form, map },
        _ => Said::Raw,
    };
    Ok(Some(Reading {
        conversation,
        id: row.get::<_, Option<[u8; 16]>>(8)?.map(MessageId),
        author: key(9)?,
        own_key: key(10)?,
        said,
        standing: standing(row, 14)?,
        request: row.get(15)?,
        mention: row.get(19)?,
    }))
}

/// Messages that one slice of an erasure takes.
const ERASE_SLICE: usize = 1_000;

/// The next messages that are to be erased, behind `since` and up to `until`.
pub(super) fn seqs_to_erase(
    connection: &mut Connection,
    what: &Erase,
    since: Seq,
    until: Seq,
) -> rusqlite::Result<Vec<Seq>> {
    let (of, which): (&dyn rusqlite::ToSql, &str) = match what {
        Erase::Conversation(conversation) => (conversation, "conversation = ?3"),
        Erase::Author(author) => (&author.as_bytes().to_vec(), "author = ?3"),
        Erase::All => (&rusqlite::types::Null, "?3 IS NULL"),
    };
    let mut statement = connection.prepare_cached(&format!(
        "SELECT seq FROM message WHERE {which} AND seq > ?1 AND seq <= ?2 ORDER BY seq LIMIT {ERASE_SLICE}"
    ))?;
    let seqs = statement.query_map(params![signed(since), signed(until), of], |row| row.get::<_, i64>(0))?;
    seqs.map(|seq| Ok(seq?.cast_unsigned())).collect()
}

/// The last seq that was given.
pub(super) fn last_seq(connection: &Connection) -> rusqlite::Result<Seq> {
    connection.query_row("SELECT last_seq FROM log", [], |row| Ok(row.get::<_, i64>(0)?.cast_unsigned()))
}

pub(super) fn listens(connection: &mut Connection) -> rusqlite::Result<Vec<ListenTo>> {
    let mut statement = connection.prepare("SELECT typed, target FROM listen ORDER BY place LIMIT ?1")?;
    let mut rows = statement.query(params![signed(LISTENS_MAX as u64)])?;
    let mut listens = Vec::new();
    while let Some(row) = rows.next()? {
        let typed: Option<String> = row.get(0)?;
        match typed.map(|typed| typed.parse()).transpose() {
            Ok(Some(name)) => listens.push(ListenTo::Name(name)),
            Ok(None) => listens.push(ListenTo::Target(Target(row.get(1)?))),
            // Kept by a program that allowed other names. What it was stays in the file, not in the log.
            Err(_) => tracing::warn!("a kept name is no name for this program: it is not listened to"),
        }
    }
    Ok(listens)
}

pub(super) fn addresses(connection: &mut Connection) -> rusqlite::Result<Vec<KnownAddress>> {
    let mut statement = connection.prepare(
        "SELECT address, reached, tried, failures, banned_until, reason FROM address ORDER BY rowid LIMIT ?1",
    )?;
    let mut rows = statement.query(params![signed(ADDRESSES_MAX as u64)])?;
    let mut known = Vec::new();
    while let Some(row) = rows.next()? {
        let text: String = row.get(0)?;
        match text.parse() {
            Ok(address) => known.push(KnownAddress {
                address,
                reached: row.get(1)?,
                tried: row.get(2)?,
                failures: row.get(3)?,
                banned_until: row.get(4)?,
                reason: row.get(5)?,
            }),
            Err(error) => tracing::warn!("left out of the address book: {error}"),
        }
    }
    Ok(known)
}

/// A number as SQLite has them; what is above its highest is its highest.
pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

#[cfg(test)]
pub(super) mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

    use super::*;

    /// How SQLite goes about a statement that has so many parameters.
    pub(in crate::store) fn plan(connection: &Connection, sql: &str, count: usize) -> String {
        let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        let rows = statement.query_map(rusqlite::params_from_iter(vec![1; count]), |row| row.get(3)).unwrap();
        rows.collect::<rusqlite::Result<Vec<String>>>().unwrap().join("; ")
    }

    #[test]
    fn every_read_of_the_log_goes_by_an_index() {
        let dir = tempfile::tempdir().unwrap();
        let connection = schema::open_to_write(&dir.path().join("nightjar.db")).unwrap();
        let plan = |sql: &str, count: usize| plan(&connection, sql, count);
        let by_target = "SEARCH message USING COVERING INDEX message_by_target (target=? AND rowid>?)";
        assert_eq!(plan(SEQS_OF_TARGET, 3), by_target);
        let by_conversation =
            "SEARCH message USING COVERING INDEX message_by_conversation (conversation=? AND rowid>?)";
        assert_eq!(plan(SEQS_OF_CONVERSATION, 3), by_conversation);
        let speaker = "SEARCH speaker USING PRIMARY KEY (key=?) LEFT-JOIN";
        let behind = format!("SEARCH message USING INTEGER PRIMARY KEY (rowid>?); {speaker}");
        assert_eq!(plan(&MESSAGES_BEHIND, 2), behind);
        assert_eq!(plan(&ONE_MESSAGE, 1), format!("SEARCH message USING INTEGER PRIMARY KEY (rowid=?); {speaker}"));
    }

    #[test]
    fn a_connection_for_reads_cannot_write() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("nightjar.db");
        let _writer = schema::open_to_write(&path).unwrap();
        let error = schema::open_to_read(&path).unwrap().execute("DELETE FROM message", []).unwrap_err();
        assert_eq!(error.sqlite_error_code(), Some(rusqlite::ErrorCode::ReadOnly));
    }
}
