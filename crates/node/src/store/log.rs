//! The log while one commit writes to it: messages, and what happens to them, get numbers of one row. Never gives a number twice.

use nightjar_core::record::Record;
use nightjar_core::time::Wall;
use nightjar_envelope::id::MessageId;
use nightjar_envelope::key::ChatKey;
use rusqlite::{OptionalExtension as _, Transaction, params};
use sha2::{Digest as _, Sha256};

use super::read::{self, signed};
use super::{MESSAGE_BYTES_EXTRA, cost};
use super::{erased, search};
use crate::message::{Content, Delivery, Logged, NewMessage, Reading, Said};

/// A message says something else of itself.
pub(super) const CHANGED: i64 = 1;
/// An author is known otherwise.
pub(super) const AUTHOR: i64 = 2;
/// A message is gone.
pub(super) const ERASED: i64 = 3;

/// The log, within one transaction.
pub(super) struct Log<'t> {
    pub(super) transaction: &'t Transaction<'t>,
    /// The last number given.
    pub(super) last: i64,
    /// What all entries count against the limit.
    pub(super) bytes: i64,
    /// Messages that were erased.
    pub(super) erased: i64,
    /// Acknowledgements that fit no message.
    pub(super) stray_acks: u64,
    /// Whether any message is remembered as erased.
    pub(super) remembers: bool,
}

impl Log<'_> {
    /// Stores a message that came; `false` when the record, or the message, is there already, or was erased.
    pub(super) fn take(&mut self, message: &NewMessage) -> rusqlite::Result<bool> {
        if self.remembers && erased::was(self.transaction, message)? {
            return Ok(false);
        }
        self.store(message)
    }

    /// Stores a message; `false` when the record, or the message, is there already.
    fn store(&mut self, message: &NewMessage) -> rusqlite::Result<bool> {
        let stored = insert(self.transaction, self.last + 1, message)?;
        if stored {
            self.last += 1;
            self.bytes += signed(cost(message));
            search::remember(self.transaction, self.last, &message.content, message.reading.as_ref())?;
        }
        Ok(stored)
    }

    /// Stores a message of this node, and how far it came.
    pub(super) fn store_own(&mut self, message: &NewMessage, delivery: &Delivery) -> rusqlite::Result<()> {
        let stored = self.store(message)?;
        let Some((conversation, id)) = message.reading.as_ref().and_then(|it| Some((&it.conversation, it.id?))) else {
            return Ok(());
        };
        // Of a new one that is no news.
        let changed = self.set_delivery(conversation, id, delivery)?.filter(|_| !stored);
        changed.map_or(Ok(()), |seq| self.happened(CHANGED, seq))
    }

    /// Stores a message of another log; `false` when it is there already. One that was erased comes back: the user's later word counts.
    pub(super) fn import(&mut self, Logged { message, delivery }: &Logged) -> rusqlite::Result<bool> {
        // Two texts of wallets may be the same, but not when they came at the same moment.
        let stored = !self.has_wallet_text(message)? && self.store(message)?;
        if let (true, Some(delivery)) = (stored, delivery) {
            let (code, peers, why) = columns(delivery);
            let mut update = self.transaction.prepare_cached(
                "UPDATE message SET delivery = ?2, delivery_peers = ?3, delivery_why = ?4 WHERE seq = ?1",
            )?;
            update.execute(params![self.last, code, peers, why])?;
        }
        Ok(stored)
    }

    fn has_wallet_text(&self, message: &NewMessage) -> rusqlite::Result<bool> {
        let Content::Wallet { peer, text } = &message.content else { return Ok(false) };
        let mut same = self
            .transaction
            .prepare_cached("SELECT 1 FROM message WHERE peer = ?1 AND received_ms = ?2 AND text = ?3 AND own = ?4")?;
        same.exists(params![peer, signed(message.received.0), text, message.own])
    }

    /// How far an own message came. One that is gone by now has no delivery.
    pub(super) fn deliver(&mut self, conversation: &str, id: MessageId, delivery: &Delivery) -> rusqlite::Result<()> {
        let changed = self.set_delivery(conversation, id, delivery)?;
        changed.map_or(Ok(()), |seq| self.happened(CHANGED, seq))
    }

    /// The recipient says that the message of this node came whose id begins so. What fits none, or one that is acknowledged, is counted.
    pub(super) fn acknowledge(&mut self, conversation: &str, by: &ChatKey, id: &[u8; 8]) -> rusqlite::Result<()> {
        let mut update = self.transaction.prepare_cached(
            "UPDATE message SET delivery = 4, delivery_peers = 0, delivery_why = NULL
             WHERE conversation = ?1 AND message_id BETWEEN ?2 AND ?3 AND own AND author = ?4 AND delivery IS NOT 4
             RETURNING seq",
        )?;
        let (from, to) = ([id.as_slice(), &[0; 8]].concat(), [id.as_slice(), &[0xff; 8]].concat());
        let seq = update.query_row(params![conversation, from, to, by.as_bytes()], |row| row.get(0)).optional()?;
        match seq {
            Some(seq) => self.happened(CHANGED, seq),
            None => {
                self.stray_acks += 1;
                Ok(())
            }
        }
    }

    /// The seq of the message, if it had come otherwise far. What others said of it is not undone by what this node knows of its sending.
    fn set_delivery(&self, conversation: &str, id: MessageId, delivery: &Delivery) -> rusqlite::Result<Option<i64>> {
        let (code, peers, why) = columns(delivery);
        let mut update = self.transaction.prepare_cached(
            "UPDATE message SET delivery = ?3, delivery_peers = ?4, delivery_why = ?5
             WHERE conversation = ?1 AND message_id = ?2 AND own
                 AND (delivery, delivery_peers, delivery_why) IS NOT (?3, ?4, ?5)
                 -- Acknowledged once and for all; held by more, or acknowledged.
                 AND delivery IS NOT 4 AND (delivery IS NOT 3 OR ?3 = 4 OR (?3 = 3 AND ?4 > delivery_peers))
             RETURNING seq",
        )?;
        update.query_row(params![conversation, id.0, code, peers, why], |row| row.get(0)).optional()
    }

    /// Erases messages; that they are gone is an event of its own. Those that are gone already are left out.
    pub(super) fn erase(&mut self, seqs: &[i64], now: Wall) -> rusqlite::Result<()> {
        for seq in seqs {
            let Some((message, cost)) = read::one(self.transaction, *seq)? else { continue };
            erased::remember(self.transaction, &message, now)?;
            self.remembers = true;
            self.happened(ERASED, *seq)?;
            search::forget(self.transaction, *seq)?;
            self.transaction
                .prepare_cached(
                    "DELETE FROM outbox WHERE (conversation, message_id) IN (SELECT conversation, message_id FROM message WHERE seq = ?1)",
                )?
                .execute([seq])?;
            self.transaction.prepare_cached("DELETE FROM message WHERE seq = ?1")?.execute([seq])?;
            self.bytes -= signed(cost);
            self.erased += 1;
        }
        Ok(())
    }

    /// A message that is there changed, or is about to go.
    pub(super) fn happened(&mut self, kind: i64, message: i64) -> rusqlite::Result<()> {
        let mut insert = self.transaction.prepare_cached(
            "INSERT INTO event (seq, kind, message, conversation, target)
             SELECT ?1, ?2, seq, conversation, target FROM message WHERE seq = ?3",
        )?;
        let told = insert.execute(params![self.last + 1, kind, message])?;
        self.count(told);
        Ok(())
    }

    /// An author is known otherwise, which matters when there is a message of his.
    pub(super) fn author(&mut self, author: &ChatKey) -> rusqlite::Result<()> {
        let mut insert = self.transaction.prepare_cached(
            "INSERT INTO event (seq, kind, author)
             SELECT ?1, ?2, ?3 WHERE EXISTS (SELECT 1 FROM message WHERE author = ?3)",
        )?;
        let told = insert.execute(params![self.last + 1, AUTHOR, author.as_bytes()])?;
        self.count(told);
        Ok(())
    }

    fn count(&mut self, told: usize) {
        self.last += signed(told as u64);
        self.bytes += signed(told as u64 * MESSAGE_BYTES_EXTRA);
    }
}

/// The three columns of a delivery.
fn columns(delivery: &Delivery) -> (u8, u32, Option<&str>) {
    match delivery {
        Delivery::Working => (0, 0, None),
        Delivery::Queued => (1, 0, None),
        Delivery::Sent(peers) => (2, *peers, None),
        Delivery::Held(peers) => (3, *peers, None),
        Delivery::Acknowledged => (4, 0, None),
        Delivery::Failed(why) => (5, 0, Some(why)),
    }
}

/// `false` when the record, or the message, is there already.
fn insert(transaction: &Transaction<'_>, seq: i64, message: &NewMessage) -> rusqlite::Result<bool> {
    let mut statement = transaction.prepare_cached(
        "INSERT INTO message (seq, received_ms, own, name, target, identity, record, peer, text,
                              conversation, message_id, author, own_key, form, said, unreadable, state, request, mention,
                              late, shown_ms)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21)
         ON CONFLICT DO NOTHING",
    )?;
    let (record, peer, text) = match &message.content {
        Content::Record(record) => (Some(record), None, None),
        Content::Wallet { peer, text } => (None, Some(peer), Some(text)),
    };
    let reading = message.reading.as_ref();
    let (form, said, unreadable): (Option<u8>, Option<&[u8]>, Option<&str>) = match reading.map(|reading| &reading.said)
    {
        Some(Said::Map { form, map }) => (Some(*form), Some(map), None),
        Some(Said::Text { form, text }) => (Some(*form), Some(text.as_bytes()), None),
        Some(Said::Unreadable { form, why }) => (*form, None, Some(why)),
        Some(Said::Raw) | None => (None, None, None),
    };
    let key_of = |key: fn(&Reading) -> Option<ChatKey>| reading.and_then(key).map(|key| *key.as_bytes());
    let inserted = statement.execute(params![
        seq,
        signed(message.received.0),
        message.own,
        message.name,
        record.map(|record| record.target().0),
        record.map(identity),
        record.map(Record::bytes),
        peer,
        text,
        reading.map(|reading| &reading.conversation),
        reading.and_then(|reading| reading.id).map(|id| id.0),
        key_of(|reading| reading.author),
        key_of(|reading| reading.own_key),
        form,
        said,
        unreadable,
        reading.map(|reading| reading.standing.to_string()),
        reading.is_some_and(|reading| reading.request),
        reading.is_some_and(|reading| reading.mention),
        message.late,
        signed(message.shown().0),
    ])?;
    Ok(inserted > 0)
}

/// What two records that are the same have in common: the id of a dated one is made of all its bytes; that of a
/// plain one is whatever its sender wrote there.
pub(super) fn identity(record: &Record) -> Vec<u8> {
    match record.stamp() {
        Some(_) => record.msg_id().0.to_vec(),
        None => Sha256::digest(record.bytes()).to_vec(),
    }
}
