//! What the user erased does not come back when somebody brings it again: it is remembered by what makes it the same, and forgotten
//! when nobody can have it any more. Never holds what was said.

use std::time::{Duration, Instant};

use nightjar_core::record::EXPIRY_AHEAD_S_MAX;
use nightjar_core::time::Wall;
use nightjar_envelope::id::MessageId;
use rusqlite::{Transaction, params};
use sha2::{Digest as _, Sha256};

use super::log::identity;
use crate::message::{Content, Message, NewMessage};
use crate::post::{DEADLINE_S_MAX, WINDOW_S};

/// For so long after its expiry a record is remembered: others keep it for seven days, by their own clocks.
pub(super) const RECORD_S: u32 = WINDOW_S + 86_400;
/// And a message: its author may say it again under a later date, for as long as it waits in his outbox.
pub(super) const MESSAGE_S: u32 = DEADLINE_S_MAX + RECORD_S;
/// How often some are forgotten.
const FORGET_EVERY: Duration = Duration::from_secs(60);
/// Of a clock that went otherwise than this beside our own count of time nothing is believed for now.
const ASTRAY: Duration = Duration::from_secs(300);
/// So many are forgotten at a time, for no commit is to be long. More can't have run out in a minute than were erased in one.
const FORGET_SLICE: u32 = 4_096;
const DOMAIN: &[u8] = b"Nightjar erased message\0";

/// Remembers a message that is erased now, unless nobody can have it any more.
pub(super) fn remember(transaction: &Transaction<'_>, message: &Message, now: Wall) -> rusqlite::Result<()> {
    // Texts of wallets come once.
    let Content::Record(record) = &message.content else { return Ok(()) };
    let said = record.stamp().map_or(message.received.unix_s(), |stamp| stamp.expiry);
    // What was imported may have any date; what comes by others may not.
    let said = said.min(now.unix_s().saturating_add(EXPIRY_AHEAD_S_MAX));
    let mut insert = transaction.prepare_cached("INSERT OR REPLACE INTO erased (identity, until) VALUES (?1, ?2)")?;
    let mut put = |identity: &[u8], seconds: u32| -> rusqlite::Result<()> {
        let until = said.saturating_add(seconds);
        if until > now.unix_s() {
            insert.execute(params![identity, until])?;
        }
        Ok(())
    };
    put(&identity(record), RECORD_S)?;
    if let Some((conversation, id)) = message.reading.as_ref().and_then(|it| Some((&it.conversation, it.id?))) {
        put(&of_message(conversation, id), MESSAGE_S)?;
    }
    Ok(())
}

/// Whether anything is remembered.
pub(super) fn is_any(transaction: &Transaction<'_>) -> rusqlite::Result<bool> {
    transaction.prepare_cached("SELECT 1 FROM erased LIMIT 1")?.exists([])
}

/// Whether a message was erased, in this record or in another.
pub(super) fn was(transaction: &Transaction<'_>, message: &NewMessage) -> rusqlite::Result<bool> {
    let Content::Record(record) = &message.content else { return Ok(false) };
    let mut look = transaction.prepare_cached("SELECT 1 FROM erased WHERE identity = ?1")?;
    if look.exists([identity(record)])? {
        return Ok(true);
    }
    match message.reading.as_ref().and_then(|it| Some((&it.conversation, it.id?))) {
        Some((conversation, id)) => look.exists([of_message(conversation, id)]),
        None => Ok(false),
    }
}

/// Forgets some of what nobody can have any more.
pub(super) fn forget(transaction: &Transaction<'_>, now: Wall) -> rusqlite::Result<()> {
    transaction.prepare_cached(FORGET)?.execute(params![now.unix_s(), FORGET_SLICE]).map(drop)
}

const FORGET: &str =
    "DELETE FROM erased WHERE identity IN (SELECT identity FROM erased WHERE until <= ?1 ORDER BY until LIMIT ?2)";

/// One id may be that of messages in several conversations, each of which is erased by itself.
fn of_message(conversation: &str, id: MessageId) -> Vec<u8> {
    Sha256::new_with_prefix(DOMAIN).chain_update(id.0).chain_update(conversation).finalize().to_vec()
}

/// When it is time to forget. A clock that jumped ahead, and will be set back, forgets nothing.
#[derive(Debug, Default)]
pub(super) struct Forgetting {
    looked: Option<(Instant, Wall)>,
}

impl Forgetting {
    /// By which clock some are to be forgotten now, if they are.
    pub(super) fn due(&mut self, at: Instant, now: Wall) -> Option<Wall> {
        let Some((before, then)) = self.looked else {
            self.looked = Some((at, now));
            return None;
        };
        let passed = at.saturating_duration_since(before);
        if passed < FORGET_EVERY {
            return None;
        }
        self.looked = Some((at, now));
        let by_clock = Duration::from_millis(now.0.saturating_sub(then.0));
        (now >= then && by_clock.abs_diff(passed) <= ASTRAY).then_some(now)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

    use super::super::schema;
    use super::*;

    #[test]
    fn what_ran_out_is_forgotten_in_slices_by_an_index_and_the_rest_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let mut connection = schema::open_to_write(&dir.path().join("nightjar.db")).unwrap();
        let transaction = connection.transaction().unwrap();
        for number in 0..FORGET_SLICE + 10 {
            let until = 1_000 + u32::from(number >= FORGET_SLICE + 5);
            let row = params![number.to_be_bytes(), until];
            transaction.execute("INSERT INTO erased (identity, until) VALUES (?1, ?2)", row).unwrap();
        }
        let left = || transaction.query_row("SELECT count(*) FROM erased", [], |row| row.get::<_, u32>(0)).unwrap();
        for wanted in [10, 5, 5] {
            forget(&transaction, Wall(1_000_999)).unwrap();
            assert_eq!(left(), wanted);
        }
        assert!(is_any(&transaction).unwrap());
        forget(&transaction, Wall(1_001_000)).unwrap();
        assert!(!is_any(&transaction).unwrap());
        let plan = format!("EXPLAIN QUERY PLAN {FORGET}");
        let plan: String = transaction
            .prepare(&plan)
            .unwrap()
            .query_map(params![1, 1], |row| row.get::<_, String>(3))
            .unwrap()
            .map(Result::unwrap)
            .collect();
        assert!(plan.contains("USING COVERING INDEX erased_by_until (until<?)"), "{plan}");
    }

    #[test]
    fn some_are_forgotten_once_a_minute_and_never_by_a_clock_that_jumped() {
        let (mut forgetting, begin) = (Forgetting::default(), Instant::now());
        let at = |s: u64| begin + Duration::from_secs(s);
        let wall = |s: u64| Wall(1_800_000_000_000 + s * 1000);
        assert_eq!(forgetting.due(at(0), wall(0)), None);
        assert_eq!(forgetting.due(at(59), wall(59)), None);
        assert_eq!(forgetting.due(at(60), wall(61)), Some(wall(61)));
        assert_eq!(forgetting.due(at(90), wall(90)), None);
        // Ten years ahead, and back.
        assert_eq!(forgetting.due(at(150), wall(315_360_000)), None);
        assert_eq!(forgetting.due(at(220), wall(220)), None);
        assert_eq!(forgetting.due(at(290), wall(290)), Some(wall(290)));
    }
}
