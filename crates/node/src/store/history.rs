//! When messages are shown. Never asks a clock: that is written down with each message.

use nightjar_core::record::Record;
use nightjar_core::time::Wall;
use rusqlite::{Connection, Row, params};

use super::read::{AES, PASCAL, signed};
use crate::message::{author_ms, shown_at};

/// Messages of an earlier file that get their times in one go.
const PLACE_SLICE: i64 = 1_000;

/// When a message is shown, and its seq.
type Spot = (i64, i64);

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

const fn wall(ms: i64) -> Wall {
    Wall(ms.cast_unsigned())
}
