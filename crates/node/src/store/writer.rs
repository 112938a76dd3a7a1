//! The one writer: takes all that waits, commits once, tells the last seq, drops the oldest. Never gives a seq twice.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use nightjar_core::router::KnownAddress;
use nightjar_core::time::Wall;
use rusqlite::{Connection, ErrorCode, Transaction, TransactionBehavior, params};
use tokio::sync::watch;

use super::erased::{self, Forgetting};
use super::log::Log;
use super::overwrite::Overwriting;
use super::queue::{KEPT_BYTES_MAX, KEPT_ORDERS_MAX, Order, Patience, PlacedOrder, Queue, Work};
use super::read::{Readers, last_seq, signed};
use super::{Change, MESSAGE_BYTES_EXTRA, Opened, Opener, StoreLimits, WriteError, copy, people, schema, search};
use crate::handle::ListenTo;
use crate::message::Seq;

/// Messages that one commit drops beyond those it adds: a log that is far over its limits (they were lowered) shrinks
/// in slices between which new messages are stored.
const DROP_SLICE: u64 = 4096;
/// Free pages that are kept for what comes; more are given back to the disk.
const FREE_PAGES_MAX: i64 = 4096;
/// Pages given back in one go.
const FREED_PAGES: i64 = 1024;
/// How long a disk that failed is left alone.
const RETRY: Duration = Duration::from_secs(1);
/// How long the end of the node may be held up to overwrite words of messages that are gone.
const FINISH: Duration = Duration::from_millis(500);
/// How often trouble is told at the most.
const TELL_EVERY: Duration = Duration::from_secs(60);

/// What of the log goes.
#[derive(Clone, Copy, Debug)]
struct Retention {
    /// For want of room.
    limits: StoreLimits,
    /// For its age.
    before: Option<Wall>,
}

pub(super) struct Writer {
    connection: Connection,
    path: PathBuf,
    retention: Retention,
    opener: Box<dyn Opener>,
    queue: Arc<Queue>,
    readers: Arc<Readers>,
    stored: watch::Sender<Seq>,
    trouble: Trouble,
    forgetting: Forgetting,
    overwriting: Overwriting,
    /// A secret was given up, and may still stand in the write-ahead log.
    journal_has_secrets: bool,
}

/// What was told of failures and of messages that did not fit.
#[derive(Default)]
struct Trouble {
    failing: bool,
    told_at: Option<Instant>,
    told_not_stored: u64,
}

struct Committed {
    last_seq: Seq,
    /// How many messages each order stored.
    imported: Vec<usize>,
    /// Messages that were dropped or erased.
    forgotten: u64,
    /// Entries that are left.
    left: u64,
    /// Acknowledgements that fit no message.
    stray_acks: u64,
    /// Messages were dropped.
    dropped: bool,
    /// The log is still over its limits.
    over: bool,
}

impl Writer {
    pub(super) fn new(
        connection: Connection,
        path: &Path,
        limits: StoreLimits,
        opener: Box<dyn Opener>,
        queue: Arc<Queue>,
        readers: Arc<Readers>,
    ) -> rusqlite::Result<(Self, watch::Receiver<Seq>)> {
        let (stored, receiver) = watch::channel(last_seq(&connection)?);
        let (path, trouble) = (path.to_owned(), Trouble::default());
        let (forgetting, overwriting, journal_has_secrets) = (Forgetting::default(), Overwriting::default(), false);
        let writer = Self {
            connection,
            path,
            retention: Retention { limits, before: None },
            opener,
            queue,
            readers,
            stored,
            trouble,
            forgetting,
            overwriting,
            journal_has_secrets,
        };
        Ok((writer, receiver))
    }

    /// Writes until the queue is closed. When this returns all is on disk, or counted as not stored.
    pub(super) fn run(mut self) {
        let mut pending = Work::default();
        // The first round looks whether the log is over limits that were lowered.
        let mut patience = Patience::None;
        loop {
            let (mut later, closing) = self.queue.take(patience);
            let Opened { messages, changes } = self.opener.open(std::mem::take(&mut later.messages));
            for wish in later.orders.extract_if(.., |placed| matches!(placed.order, Order::Overwrite)) {
                if let Some(reply) = wish.reply {
                    self.overwriting.want(reply);
                }
            }
            pending.extend(Work { messages, changes, ..later });
            let last = pending.messages.iter().map(|message| message.received).max();
            let forget_by = last.and_then(|last| self.forgetting.due(Instant::now(), last));
            let ages = pending.orders.iter().filter_map(|placed| match placed.order {
                Order::DropBefore(when) => Some(when),
                _ => None,
            });
            self.retention.before = ages.chain(self.retention.before).max();
            let result = commit(&mut self.connection, self.retention, &pending, forget_by);
            self.journal_has_secrets |= result.is_ok() && pending.changes().any(gives_up_a_secret);
            let orders = std::mem::take(&mut pending.orders);
            match result {
                Ok(Committed { last_seq, imported, stray_acks, forgotten, left, dropped, over }) => {
                    self.queue.count_stray_acks(stray_acks);
                    self.queue.release(pending.held);
                    self.queue.set_kept(0);
                    pending = Work::default();
                    self.stored.send_if_modified(|seq| std::mem::replace(seq, last_seq) != last_seq);
                    self.journal_has_secrets = self.journal_has_secrets && !self.empty_journal();
                    answer(orders, imported.into_iter().map(Ok));
                    self.tell_success();
                    if !over {
                        self.retention.before = None;
                    }
                    if dropped && !over {
                        self.give_back_pages();
                    }
                    self.overwriting.forgot(forgotten, left);
                    // What was overwritten in the file may still stand as it was in the write-ahead log.
                    self.journal_has_secrets |=
                        self.overwriting.go_on(&self.connection, |error| schema::problem(&self.path, error));
                    let is_more = over || self.overwriting.is_under_way();
                    patience = if is_more { Patience::None } else { Patience::UntilWork };
                }
                Err(error) => {
                    if matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase)) {
                        copy::mark_suspect(&self.path);
                    }
                    let problem = schema::problem(&self.path, &error);
                    // Messages, addresses and what is to be kept are tried again; new ones wait with them as long as there is room.
                    pending.orders = self.put_back(orders, &WriteError(problem.clone()), schema::passes(&error));
                    self.queue.set_kept(pending.messages.len() as u64 + own_messages(&pending.orders));
                    self.tell_failure(&problem);
                    patience = Patience::Pause(RETRY);
                }
            }
            if closing {
                break;
            }
        }
        let lost = pending.messages.len() as u64 + own_messages(&pending.orders);
        if lost > 0 {
            self.queue.count_not_stored(lost);
            tracing::error!(messages = lost, "messages that waited for the disk are lost: the node ends");
        }
        self.overwriting.finish(&self.connection, Instant::now() + FINISH);
        // The last connection to close moves the write-ahead log into the file. `stored`, by which callers see the
        // end, ends after it: then the file is whole and free.
        let Self { connection, path, readers, stored, .. } = self;
        readers.close();
        if let Err((_, error)) = connection.close() {
            tracing::warn!("{}", schema::problem(&path, &error));
        }
        drop(stored);
    }

    /// Tells whoever waits that it failed, and gives back what is to be tried again: as much as there is room for, when trying may help.
    fn put_back(&self, orders: Vec<PlacedOrder>, error: &WriteError, may_help: bool) -> Vec<PlacedOrder> {
        let (mut kept, mut bytes) = (Vec::new(), 0u64);
        for mut order in orders {
            // Whoever gave up waiting needs no answer.
            order.reply.take().map(|reply| reply.send(Err(error.clone())).ok());
            if !order.keep {
                continue;
            }
            bytes = bytes.saturating_add(order.bytes());
            if may_help && kept.len() < KEPT_ORDERS_MAX && bytes <= KEPT_BYTES_MAX {
                kept.push(order);
            } else {
                self.queue.count_not_stored(order.own_messages());
            }
        }
        kept
    }

    /// Moves the write-ahead log into the file and leaves nothing in it. Says whether it could: a reader may hold it up.
    fn empty_journal(&self) -> bool {
        // What was to be stored is stored: the next commit tries again, and so does the end.
        schema::empty_journal(&self.connection).unwrap_or_else(|error| {
            tracing::debug!("the write-ahead log is kept: {}", schema::problem(&self.path, &error));
            false
        })
    }

    /// Gives some of the file's free pages back to the disk, when there are many.
    fn give_back_pages(&self) {
        let give = || {
            let free: i64 = self.connection.pragma_query_value(None, "freelist_count", |row| row.get(0))?;
            if free > FREE_PAGES_MAX {
                let mut statement = self.connection.prepare(&format!("PRAGMA incremental_vacuum({FREED_PAGES})"))?;
                let mut rows = statement.query([])?;
                while rows.next()?.is_some() {}
            }
            Ok(())
        };
        // What was to be stored is stored: the next drop tries again.
        if let Err(error) = give() {
            tracing::debug!("free pages are kept: {}", schema::problem(&self.path, &error));
        }
    }

    fn tell_success(&mut self) {
        if self.trouble.failing {
            self.queue.set_problem(None);
        }
        let not_stored = self.queue.not_stored();
        if self.trouble.failing {
            tracing::info!(not_stored, "the store works again");
            self.trouble = Trouble { told_not_stored: not_stored, ..Trouble::default() };
        } else if not_stored > self.trouble.told_not_stored && self.trouble.is_due() {
            tracing::warn!(not_stored, "messages came faster than the disk takes them: some were not stored");
            self.trouble.told_not_stored = not_stored;
        }
    }

    fn tell_failure(&mut self, problem: &str) {
        let began = !std::mem::replace(&mut self.trouble.failing, true);
        self.queue.set_problem(Some(problem.to_owned()));
        if self.trouble.is_due() || began {
            let not_stored = self.queue.not_stored();
            tracing::error!(not_stored, "messages are not stored now: {problem}");
            self.trouble.told_not_stored = not_stored;
        }
    }
}

impl Trouble {
    fn is_due(&mut self) -> bool {
        let due = self.told_at.is_none_or(|at| at.elapsed() >= TELL_EVERY);
        if due {
            self.told_at = Some(Instant::now());
        }
        due
    }
}

/// Whether a name's secret is deleted, or another takes its place, or what was said is erased.
const fn gives_up_a_secret(change: &Change) -> bool {
    matches!(change, Change::Part(_) | Change::Join(_) | Change::Erase(..))
}

fn own_messages(orders: &[PlacedOrder]) -> u64 {
    orders.iter().map(PlacedOrder::own_messages).sum()
}

fn answer(orders: Vec<PlacedOrder>, results: impl Iterator<Item = Result<usize, WriteError>>) {
    for (order, result) in orders.into_iter().zip(results) {
        // Whoever gave up waiting needs no answer.
        order.reply.map(|reply| reply.send(result).ok());
    }
}

/// Writes all of it, or nothing.
fn commit(
    connection: &mut Connection,
    retention: Retention,
    work: &Work,
    forget_by: Option<Wall>,
) -> rusqlite::Result<Committed> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let (before, entries, bytes): (i64, i64, i64) =
        transaction.query_row("SELECT last_seq, entries, bytes FROM log", [], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })?;
    let remembers = erased::is_any(&transaction)?;
    let mut log = Log { transaction: &transaction, last: before, bytes, erased: 0, stray_acks: 0, remembers };
    for message in &work.messages {
        log.take(message)?;
    }
    for change in &work.changes {
        people::change(&mut log, change)?;
    }
    let imported = work.orders.iter().map(|placed| carry_out(&mut log, &placed.order)).collect::<Result<_, _>>()?;
    if let Some(known) = &work.addresses {
        replace_addresses(&transaction, known)?;
    }
    let Log { last, mut bytes, erased, stray_acks, .. } = log;
    let forgets = forget_by.filter(|_| remembers);
    if let Some(now) = forgets {
        erased::forget(&transaction, now)?;
    }
    let mut entries = entries + (last - before) - erased;
    let slice = DROP_SLICE.saturating_add((last - before).cast_unsigned());
    let kept = entries;
    let (dropped, over) = drop_oldest(&transaction, retention, &mut entries, &mut bytes, slice)?;
    let (forgotten, left) = ((kept - entries + erased).cast_unsigned(), entries.cast_unsigned());
    let changed = last > before
        || dropped
        || forgets.is_some()
        || !work.changes.is_empty()
        || !work.orders.iter().all(PlacedOrder::is_nothing)
        || work.addresses.is_some();
    if changed {
        transaction.execute("UPDATE log SET last_seq = ?1, entries = ?2, bytes = ?3", params![last, entries, bytes])?;
        transaction.commit()?;
    } else {
        transaction.rollback()?;
    }
    Ok(Committed { last_seq: last.cast_unsigned(), imported, stray_acks, forgotten, left, dropped, over })
}

/// Says how many messages were stored by it.
fn carry_out(log: &mut Log<'_>, order: &Order) -> rusqlite::Result<usize> {
    let transaction = log.transaction;
    match order {
        Order::Import(messages) => {
            return messages.iter().try_fold(0, |stored, message| Ok(stored + usize::from(log.import(message)?)));
        }
        // Done by the loop, without a commit of their own.
        Order::Overwrite | Order::DropBefore(_) => Ok(0),
        Order::Change(changes) => changes.iter().try_for_each(|change| people::change(log, change)).map(|()| 0),
        Order::KeepListen(ListenTo::Name(name)) => {
            transaction.execute("INSERT INTO listen (typed) VALUES (?1) ON CONFLICT DO NOTHING", [name.typed()])
        }
        Order::KeepListen(ListenTo::Target(target)) => {
            transaction.execute("INSERT INTO listen (target) VALUES (?1) ON CONFLICT DO NOTHING", [target.0])
        }
        Order::DropListen(ListenTo::Name(name)) => {
            transaction.execute("DELETE FROM listen WHERE typed = ?1", [name.typed()])
        }
        Order::DropListen(ListenTo::Target(target)) => {
            transaction.execute("DELETE FROM listen WHERE target = ?1", [target.0])
        }
    }
    .map(|_| 0)
}

fn replace_addresses(transaction: &Transaction<'_>, known: &[KnownAddress]) -> rusqlite::Result<()> {
    transaction.execute("DELETE FROM address", [])?;
    let mut statement = transaction.prepare_cached(
        "INSERT OR REPLACE INTO address (address, reached, tried, failures, banned_until, reason)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?;
    for entry in known {
        let KnownAddress { address, reached, tried, failures, banned_until, reason } = entry;
        statement.execute(params![address.to_string(), reached, tried, failures, banned_until, reason])?;
    }
    Ok(())
}

/// Drops the oldest entries until the log is within its limits and none is too old, `slice` of them at the most. Says whether it
/// dropped any, and whether there are still too many.
fn drop_oldest(
    transaction: &Transaction<'_>,
    Retention { limits, before }: Retention,
    entries: &mut i64,
    bytes: &mut i64,
    slice: u64,
) -> rusqlite::Result<(bool, bool)> {
    let (entries_max, bytes_max) = (signed(limits.messages_max), signed(limits.bytes_max));
    let before = before.map(|when| signed(when.0));
    let is_over = |entries: i64, bytes: i64| entries > entries_max || bytes > bytes_max;
    if before.is_none() && !is_over(*entries, *bytes) {
        return Ok((false, false));
    }
    let mut oldest = transaction.prepare_cached(
        "SELECT seq, coalesce(length(record), length(text)) + coalesce(length(said), 0), received_ms FROM message
         UNION ALL SELECT seq, 0, NULL FROM event ORDER BY seq LIMIT ?1",
    )?;
    let mut rows = oldest.query([signed(slice)])?;
    let mut drop_to = None;
    // What happened to messages is as old as the message before it.
    let mut is_old = before.is_some();
    let mut dropped = 0;
    while let Some(row) = rows.next()? {
        let received: Option<i64> = row.get(2)?;
        is_old = match (before, received) {
            (Some(before), Some(received)) => received < before,
            _ => is_old,
        };
        if !is_old && !is_over(*entries, *bytes) {
            break;
        }
        let seq: i64 = row.get(0)?;
        search::forget(transaction, seq)?;
        drop_to = Some(seq);
        dropped += 1;
        *bytes -= row.get::<_, i64>(1)? + signed(MESSAGE_BYTES_EXTRA);
        *entries -= 1;
    }
    transaction.execute("DELETE FROM message WHERE seq <= ?1", [drop_to])?;
    transaction.execute("DELETE FROM event WHERE seq <= ?1", [drop_to])?;
    let cut_short = before.is_some() && dropped == slice;
    Ok((drop_to.is_some(), cut_short || is_over(*entries, *bytes)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

    use super::super::Unopened;
    use super::*;
    use crate::message::{Content, NewMessage};

    #[test]
    fn a_full_disk_stores_nothing_of_a_batch_and_all_of_it_when_there_is_room_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("nightjar.db");
        let mut connection = schema::open_to_write(&path).unwrap();
        let text = |bytes: usize| NewMessage {
            received: Wall(1),
            own: false,
            late: false,
            name: None,
            content: Content::Wallet { peer: "192.0.2.7:4004".into(), text: vec![0; bytes] },
            reading: None,
        };
        let retention = Retention { limits: StoreLimits::default(), before: None };
        let fits = Work { messages: vec![text(1)], ..Work::default() };
        commit(&mut connection, retention, &fits, None).unwrap();

        let pages: i64 = connection.pragma_query_value(None, "page_count", |row| row.get(0)).unwrap();
        let full = |connection: &Connection, pages: i64| {
            connection.query_row(&format!("PRAGMA max_page_count = {pages}"), [], |row| row.get::<_, i64>(0)).unwrap()
        };
        full(&connection, pages + 1);
        let too_much = Work { messages: vec![text(1), text(1 << 20)], ..Work::default() };
        let error = commit(&mut connection, retention, &too_much, None).err().unwrap();
        let problem = schema::problem(&path, &error);
        assert!(problem.ends_with("disk is full: make room on the disk"), "{problem}");
        assert_eq!(last_seq(&connection).unwrap(), 1);

        full(&connection, 1 << 20);
        let done = commit(&mut connection, retention, &too_much, None).unwrap();
        assert_eq!(done.last_seq, 3);
        let rows: i64 = connection.query_row("SELECT count(*) FROM message", [], |row| row.get(0)).unwrap();
        assert_eq!(rows, 3);
    }

    #[test]
    fn what_is_tried_again_is_bounded_and_own_messages_beyond_that_are_counted() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("nightjar.db");
        let connection = schema::open_to_write(&path).unwrap();
        let (queue, readers) = (Arc::new(Queue::default()), Arc::new(Readers::new(&path)));
        let (writer, _) =
            Writer::new(connection, &path, StoreLimits::default(), Box::new(Unopened), Arc::clone(&queue), readers)
                .unwrap();
        let own = |bytes: usize| {
            let content = Content::Wallet { peer: "192.0.2.7:4004".into(), text: vec![0; bytes] };
            let message = NewMessage { received: Wall(1), own: true, name: None, content, reading: None, late: false };
            let changes = vec![Change::Own(Box::new(message), crate::message::Delivery::Queued)];
            PlacedOrder { order: Order::Change(changes), keep: true, reply: None }
        };
        let error = WriteError("the disk is full".into());
        let many = || (0..KEPT_ORDERS_MAX + 3).map(|_| own(1)).collect();
        assert_eq!(writer.put_back(many(), &error, true).len(), KEPT_ORDERS_MAX);
        assert_eq!(queue.not_stored(), 3);
        let half = usize::try_from(KEPT_BYTES_MAX / 2).unwrap();
        assert_eq!(writer.put_back(vec![own(half), own(half)], &error, true).len(), 1);
        assert_eq!(queue.not_stored(), 4);
        // What fails for its own sake would fail again.
        assert!(writer.put_back(vec![own(1)], &error, false).is_empty());
        assert_eq!(queue.not_stored(), 5);
        // Whoever was told and decides for himself is not gone behind.
        let decided = PlacedOrder { keep: false, ..own(1) };
        assert!(writer.put_back(vec![decided], &error, true).is_empty());
    }

    #[test]
    fn room_of_dropped_messages_goes_back_to_the_disk() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("nightjar.db");
        let connection = schema::open_to_write(&path).unwrap();
        let vacuum: i64 = connection.pragma_query_value(None, "auto_vacuum", |row| row.get(0)).unwrap();
        assert_eq!(vacuum, 2, "incremental");
        let (queue, readers) = (Arc::new(Queue::default()), Arc::new(Readers::new(&path)));
        let (mut writer, _stored) =
            Writer::new(connection, &path, StoreLimits::default(), Box::new(Unopened), queue, readers).unwrap();
        let content = Content::Wallet { peer: "192.0.2.7:4004".into(), text: vec![0; 8 << 20] };
        let message = NewMessage { received: Wall(1), own: false, late: false, name: None, content, reading: None };
        let work = Work { messages: vec![message; 4], ..Work::default() };
        let retention = Retention { limits: StoreLimits::default(), before: None };
        commit(&mut writer.connection, retention, &work, None).unwrap();
        let none = Retention { limits: StoreLimits { messages_max: 1, bytes_max: 1 }, ..retention };
        commit(&mut writer.connection, none, &Work::default(), None).unwrap();
        let free = |writer: &Writer| -> i64 {
            writer.connection.pragma_query_value(None, "freelist_count", |row| row.get(0)).unwrap()
        };
        let before = free(&writer);
        assert!(before > FREE_PAGES_MAX);
        writer.give_back_pages();
        assert_eq!(free(&writer), before - FREED_PAGES);
    }
}
