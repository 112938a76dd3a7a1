//! Own messages that did not all go out yet. Rows that come and go with what becomes of a message; read once at the start.

use nightjar_core::record::{Record, Target};
use nightjar_core::time::Wall;
use nightjar_envelope::id::MessageId;
use nightjar_envelope::key::ChatKey;
use rusqlite::types::Type;
use rusqlite::{Connection, Row, Transaction, params};

use super::people::{broken, checked, key, rows, wall};
use super::read::signed;

/// A message that did not all go out yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outgoing {
    /// Where it belongs.
    pub conversation: String,
    /// Its id.
    pub id: MessageId,
    /// Since when it waits.
    pub queued: Wall,
    /// Until when it is tried, Unix seconds.
    pub deadline: u32,
    /// Whether each record gets work.
    pub worked: bool,
    /// How it is sent again.
    pub again: Again,
    /// All of it was handed to links, and told as sent: it goes once more only because the process ended before that was certain.
    pub went: bool,
}

/// How a message is sent again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Again {
    /// In the same records: under another date it would be another message.
    AsItIs(Vec<Record>),
    /// Wrapped and signed anew under a new date; it is the same message all the same.
    Anew {
        /// Where to, and under which seal.
        way: Way,
        /// What it says.
        map: Vec<u8>,
        /// Who says it.
        author: ChatKey,
        /// For how many seconds it may be flooded.
        lifetime_s: u32,
    },
}

/// Where a signed message goes, and under which seal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Way {
    /// In the open.
    Open(Target),
    /// Under the passphrase of a channel, by its folded name.
    Channel(String),
    /// Sealed for a chat key, to a name that it listens to.
    First(ChatKey, String),
    /// Where only the two of them know.
    Pair(ChatKey),
}

pub(super) fn put(transaction: &Transaction<'_>, outgoing: &Outgoing) -> rusqlite::Result<usize> {
    let Outgoing { conversation, id, queued, deadline, worked, again, went } = outgoing;
    let records = match again {
        Again::AsItIs(records) => Some(records.iter().flat_map(Record::bytes).copied().collect::<Vec<u8>>()),
        Again::Anew { .. } => None,
    };
    let (way, target, name, other) = match again {
        Again::AsItIs(_) => (None, None, None, None),
        Again::Anew { way: Way::Open(target), .. } => (Some(0), Some(target.0), None, None),
        Again::Anew { way: Way::Channel(name), .. } => (Some(1), None, Some(name), None),
        Again::Anew { way: Way::First(other, name), .. } => (Some(2), None, Some(name), Some(other)),
        Again::Anew { way: Way::Pair(other), .. } => (Some(3), None, None, Some(other)),
    };
    let (map, author, lifetime_s) = match again {
        Again::AsItIs(_) => (None, None, None),
        Again::Anew { map, author, lifetime_s, .. } => (Some(map), Some(author.as_bytes()), Some(lifetime_s)),
    };
    transaction
        .prepare_cached(
            "INSERT OR REPLACE INTO outbox (conversation, message_id, queued_ms, deadline, worked, records, way, target, name, other,
                                            map, author, lifetime, went)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)",
        )?
        .execute(params![
            conversation,
            id.0,
            signed(queued.0),
            deadline,
            worked,
            records,
            way,
            target,
            name,
            other.map(|other| *other.as_bytes()),
            map,
            author,
            lifetime_s,
            went
        ])
}

/// All of it was handed to links.
pub(super) fn went(transaction: &Transaction<'_>, conversation: &str, id: MessageId) -> rusqlite::Result<usize> {
    transaction
        .prepare_cached("UPDATE outbox SET went = 1 WHERE conversation = ?1 AND message_id = ?2")?
        .execute(params![conversation, id.0])
}

pub(super) fn remove(transaction: &Transaction<'_>, conversation: &str, id: MessageId) -> rusqlite::Result<usize> {
    transaction
        .prepare_cached("DELETE FROM outbox WHERE conversation = ?1 AND message_id = ?2")?
        .execute(params![conversation, id.0])
}

/// All of it, what waits longest first.
pub(super) fn all(look: &Connection) -> rusqlite::Result<Vec<Outgoing>> {
    rows(
        look,
        "SELECT conversation, message_id, queued_ms, deadline, worked, records, way, target, name, other, map, author, lifetime, went
         FROM outbox ORDER BY queued_ms",
        |row| {
            let again = match row.get::<_, Option<u8>>(6)? {
                None => Again::AsItIs(records(row, 5)?),
                Some(way) => {
                    let way = match way {
                        0 => Way::Open(Target(row.get(7)?)),
                        1 => Way::Channel(row.get(8)?),
                        2 => Way::First(checked(row.get(9)?, 9)?, row.get(8)?),
                        3 => Way::Pair(checked(row.get(9)?, 9)?),
                        _ => return Err(broken(6, Type::Integer, "no way")),
                    };
                    Again::Anew { way, map: row.get(10)?, author: key(row, 11)?, lifetime_s: row.get(12)? }
                }
            };
            Ok(Outgoing {
                conversation: row.get(0)?,
                id: MessageId(row.get(1)?),
                queued: wall(row, 2)?,
                deadline: row.get(3)?,
                worked: row.get(4)?,
                again,
                went: row.get(13)?,
            })
        },
    )
}

fn records(row: &Row<'_>, column: usize) -> rusqlite::Result<Vec<Record>> {
    let bytes: Vec<u8> = row.get(column)?;
    let (mut rest, mut records) = (bytes.as_slice(), Vec::new());
    while !rest.is_empty() {
        let (record, used) = Record::parse(rest).map_err(|_| broken(column, Type::Blob, "no record"))?;
        records.push(record);
        rest = rest.get(used..).unwrap_or_default();
    }
    Ok(records)
}
