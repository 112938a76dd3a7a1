//! Words of messages that are gone. Their index only notes that a message went; what it said is overwritten when the index is merged
//! into one again, some pages at a time, between commits. Never waited for by what is stored.

use std::time::Instant;

use rusqlite::Connection;
use tokio::sync::oneshot;

use super::{WriteError, schema};

/// Pages of the index that are merged in one go: some milliseconds.
const SLICE_PAGES: i64 = 500;
/// When messages were dropped from a full log, that share of it (1 / so many), the index is merged: a merge costs as much for each message
/// that is left as some part of storing it.
const SHARE: u64 = 2;
/// A small log is not merged for a few.
const FORGOTTEN_MIN: u64 = 10_000;

type Reply = oneshot::Sender<Result<usize, WriteError>>;

/// How far the index is overwritten.
#[derive(Default)]
pub(super) struct Overwriting {
    /// Messages that went since the last merge began.
    forgotten: u64,
    /// The merge that is under way, and who waits for it.
    now: Option<Merge>,
    /// Who came when it was under way already, and waits for the next.
    next: Vec<Reply>,
}

#[derive(Default)]
struct Merge {
    begun: bool,
    waiting: Vec<Reply>,
}

impl Overwriting {
    /// So many messages went, and so many are left.
    pub(super) fn forgot(&mut self, messages: u64, left: u64) {
        self.forgotten += messages;
        if self.now.is_none() && self.forgotten >= FORGOTTEN_MIN.max(left / SHARE) {
            self.begin(Vec::new());
        }
    }

    /// Whoever waits for this is told when nothing is left of what went before.
    pub(super) fn want(&mut self, reply: Reply) {
        if self.now.is_some() {
            self.next.push(reply);
        } else {
            self.begin(vec![reply]);
        }
    }

    pub(super) const fn is_under_way(&self) -> bool {
        self.now.is_some()
    }

    /// Merges some pages, if a merge is under way. Who waits is told of a failure, and may ask again. Says whether what was overwritten
    /// may still stand in the write-ahead log, because a reader held up its end.
    pub(super) fn go_on(&mut self, connection: &Connection, problem: impl FnOnce(&rusqlite::Error) -> String) -> bool {
        let Some(merge) = &mut self.now else { return false };
        // The first time all of the index is to become one; then that goes on.
        let pages = if merge.begun { SLICE_PAGES } else { -SLICE_PAGES };
        merge.begun = true;
        let emptied = match merge_pages(connection, pages) {
            Ok(false) => return false,
            Ok(true) => schema::empty_journal(connection),
            Err(error) => Err(error),
        };
        let is_left = !matches!(emptied, Ok(true));
        let outcome = emptied.map(|_| 0).map_err(|error| WriteError(problem(&error)));
        for reply in self.now.take().into_iter().flat_map(|merge| merge.waiting) {
            // Whoever gave up waiting needs no answer.
            reply.send(outcome.clone()).ok();
        }
        if !self.next.is_empty() {
            let next = std::mem::take(&mut self.next);
            self.begin(next);
        }
        is_left
    }

    /// At the end of the node: merges as much as there is time for, if any message went.
    pub(super) fn finish(&mut self, connection: &Connection, until: Instant) {
        if self.now.is_none() && self.forgotten > 0 {
            self.begin(Vec::new());
        }
        while self.now.is_some() && Instant::now() < until {
            self.go_on(connection, |error| {
                tracing::debug!(%error, "words of messages that are gone were not overwritten");
                error.to_string()
            });
        }
    }

    fn begin(&mut self, waiting: Vec<Reply>) {
        self.forgotten = 0;
        self.now = Some(Merge { begun: false, waiting });
    }
}

/// Whether there was nothing left to merge.
fn merge_pages(connection: &Connection, pages: i64) -> rusqlite::Result<bool> {
    let changes = || connection.query_row("SELECT total_changes()", [], |row| row.get::<_, i64>(0));
    let before = changes()?;
    connection
        .prepare_cached("INSERT INTO message_text (message_text, rank) VALUES ('merge', ?1)")?
        .execute([pages])?;
    // The statement itself counts as one.
    Ok(changes()? - before < 2)
}

/// Words are overwritten by merges. Overwriting them one by one, as the index did at first, takes eight times as long as storing them.
pub(super) fn by_merges(connection: &Connection) -> rusqlite::Result<()> {
    let one_by_one = "SELECT EXISTS (SELECT 1 FROM message_text_config WHERE k = 'secure-delete' AND v <> 0)";
    if connection.query_row(one_by_one, [], |row| row.get(0))? {
        connection.execute("INSERT INTO message_text (message_text, rank) VALUES ('secure-delete', 0)", [])?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

    use super::super::schema;
    use super::*;

    #[test]
    fn a_merge_begins_when_half_of_the_log_went_and_one_that_is_asked_for_meanwhile_follows_it() {
        let dir = tempfile::tempdir().unwrap();
        let connection = schema::open_to_write(&dir.path().join("nightjar.db")).unwrap();
        let mut overwriting = Overwriting::default();
        overwriting.forgot(FORGOTTEN_MIN - 1, 0);
        assert!(!overwriting.is_under_way(), "too few");
        overwriting.forgot(1, 1_000_000);
        assert!(!overwriting.is_under_way(), "a small share");
        overwriting.forgot(500_000, 1_000_000);
        assert!(overwriting.is_under_way());
        let (reply, mut answer) = oneshot::channel();
        overwriting.want(reply);
        overwriting.go_on(&connection, ToString::to_string);
        assert!(
            overwriting.is_under_way() && answer.try_recv().is_err(),
            "what went before it came may not be in this one"
        );
        overwriting.go_on(&connection, ToString::to_string);
        assert_eq!(answer.try_recv(), Ok(Ok(0)));
        assert!(!overwriting.is_under_way());
    }

    #[test]
    fn a_merge_that_fails_is_told_and_ends() {
        let nothing = Connection::open_in_memory().unwrap();
        let mut overwriting = Overwriting::default();
        let (reply, mut answer) = oneshot::channel();
        overwriting.want(reply);
        overwriting.go_on(&nothing, |_| "no room".to_owned());
        assert_eq!(answer.try_recv(), Ok(Err(WriteError("no room".to_owned()))));
        assert!(!overwriting.is_under_way());
    }
}
