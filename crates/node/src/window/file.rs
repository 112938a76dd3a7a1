//! The records of the window on disk: a SQLite file of its own. It holds nothing that the neighbours do not have, so it need not
//! survive a power failure, and a damaged one is made anew.

use std::path::{Path, PathBuf};

use nightjar_core::reconcile::{Entry, Share};
use nightjar_core::record::{Record, Target};
use nightjar_core::time::Wall;
use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension as _, Transaction, params};

use super::RECORD_BYTES_EXTRA;
use crate::private_file;
use crate::store::passes;

/// The form of the file: another one is made anew.
const VERSION: u32 = 2;
/// Says of a SQLite file whose it is: "NJwi".
const APPLICATION_ID: i32 = 0x4e4a_7769;
/// Memory for pages: what is written lies mostly in the last hours.
const CACHE_KIB: u32 = 4096;
/// The write-ahead log is cut back to this after a burst.
const JOURNAL_BYTES_MAX: u32 = 16 << 20;

/// The target stands behind the id in a record's bytes.
const SCHEMA: &str = "
    CREATE TABLE record (
        share INTEGER NOT NULL,
        expiry INTEGER NOT NULL,
        id BLOB NOT NULL,
        late INTEGER NOT NULL,
        came_ms INTEGER NOT NULL,
        bytes BLOB NOT NULL,
        PRIMARY KEY (share, expiry, id)
    ) WITHOUT ROWID, STRICT;
    CREATE INDEX record_target ON record (substr(bytes, 17, 16));
    CREATE TABLE about (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID, STRICT;
";

/// The window cannot be opened. Says which file, why, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("window {path:?}: {what}")]
pub struct OpenError {
    path: PathBuf,
    what: String,
}

impl OpenError {
    /// Its thread cannot be started.
    pub(super) fn no_thread(path: &Path, error: &std::io::Error) -> Self {
        Self { path: path.to_owned(), what: format!("its thread cannot start: {error}: raise the limit of threads") }
    }

    /// It cannot be read, or written.
    pub(super) fn unreadable(path: &Path, fault: &rusqlite::Error) -> Self {
        Self { path: path.to_owned(), what: advice(fault) }
    }
}

/// A record as it is kept.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) share: Share,
    pub(super) entry: Entry,
    pub(super) late: bool,
    pub(super) came: Wall,
    pub(super) record: Record,
}

/// What is known of a row without reading its record.
#[derive(Clone, Copy, Debug)]
pub(super) struct Outline {
    pub(super) share: Share,
    pub(super) entry: Entry,
    pub(super) late: bool,
    pub(super) bytes: u64,
}

pub(super) struct File {
    connection: Connection,
    path: PathBuf,
}

impl File {
    /// Opens the file, or makes it. One that is damaged, or of another form, is thrown away first.
    pub(super) fn open(path: &Path) -> Result<Self, OpenError> {
        let error = |what: String| OpenError { path: path.to_owned(), what };
        match Self::open_as_it_is(path) {
            Ok(Some(file)) => return Ok(file),
            Ok(None) => tracing::info!(?path, "the window is of another version: it is made anew"),
            Err(fault) if is_damage(&fault) => {
                tracing::warn!(?path, %fault, "the window is damaged: it is made anew, and filled from the neighbours");
            }
            Err(fault) => return Err(error(advice(&fault))),
        }
        Self::make_anew(path)
    }

    fn make_anew(path: &Path) -> Result<Self, OpenError> {
        let error = |what: String| OpenError { path: path.to_owned(), what };
        for end in ["", "-wal", "-shm"] {
            let mut name = path.as_os_str().to_owned();
            name.push(end);
            match std::fs::remove_file(&name) {
                Err(fault) if fault.kind() != std::io::ErrorKind::NotFound => {
                    return Err(error(format!("{fault}: remove it by hand, nothing in it is the only copy")));
                }
                _ => {}
            }
        }
        let made = Self::open_as_it_is(path).map_err(|fault| error(advice(&fault)))?;
        made.ok_or_else(|| error("it cannot be made anew: remove it by hand, nothing in it is the only copy".into()))
    }

    /// Makes it anew: nothing in it is the only copy.
    pub(super) fn remake(&mut self) -> Result<(), OpenError> {
        let nowhere = Connection::open_in_memory().map_err(|fault| OpenError::unreadable(&self.path, &fault))?;
        drop(std::mem::replace(&mut self.connection, nowhere));
        *self = Self::make_anew(&self.path)?;
        Ok(())
    }

    /// `None` when it is of another form.
    fn open_as_it_is(path: &Path) -> rusqlite::Result<Option<Self>> {
        // SQLite would let everybody read it. What goes wrong here goes wrong again below, and is said there.
        private_file::make(path).unwrap_or_default();
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut connection = Connection::open_with_flags(path, flags)?;
        let application: i32 = connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
        let version: u32 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
        let empty: bool =
            connection.query_row("SELECT NOT EXISTS (SELECT 1 FROM sqlite_schema)", [], |row| row.get(0))?;
        if !empty && (application, version) != (APPLICATION_ID, VERSION) {
            return Ok(None);
        }
        if empty {
            // Room of dropped records can then be given back to the disk.
            connection.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
        }
        connection.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get::<_, String>(0))?;
        // What a power failure takes away or damages, the neighbours bring back; and the log need not wait for the disk because of it.
        connection.pragma_update(None, "synchronous", "OFF")?;
        connection.pragma_update(None, "journal_size_limit", JOURNAL_BYTES_MAX)?;
        connection.pragma_update(None, "cache_size", -i64::from(CACHE_KIB))?;
        if empty {
            let transaction = connection.transaction()?;
            transaction.execute_batch(SCHEMA)?;
            transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
            transaction.pragma_update(None, "user_version", VERSION)?;
            transaction.commit()?;
        }
        Ok(Some(Self { connection, path: path.to_owned() }))
    }

    /// Shows all rows, in the order of their entries.
    pub(super) fn outline(&self, mut visit: impl FnMut(Outline)) -> rusqlite::Result<()> {
        let mut all = self.connection.prepare("SELECT share, expiry, id, late, length(bytes) FROM record")?;
        let mut rows = all.query([])?;
        while let Some(row) = rows.next()? {
            // A row of which nothing can be made is not there.
            let share = Share::from_byte(row.get(0)?);
            if let Some(share) = share {
                let entry = Entry { expiry: row.get(1)?, id: row.get(2)? };
                visit(Outline { share, entry, late: row.get(3)?, bytes: row.get::<_, u32>(4)?.into() });
            }
        }
        Ok(())
    }

    /// Writes rows down, all or none; those that are there stay as they are.
    pub(super) fn insert<'r>(&mut self, rows: impl Iterator<Item = &'r Row>) -> rusqlite::Result<()> {
        let transaction = self.connection.transaction()?;
        {
            let mut insert =
                transaction.prepare_cached("INSERT OR IGNORE INTO record VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?;
            for Row { share, entry, late, came, record } in rows {
                let came_ms = i64::try_from(came.0).unwrap_or(i64::MAX);
                insert.execute(params![share.byte(), entry.expiry, entry.id, late, came_ms, record.bytes()])?;
            }
        }
        transaction.commit()
    }

    /// The record of an entry, if it is there.
    pub(super) fn get(&self, share: Share, entry: &Entry) -> rusqlite::Result<Option<Record>> {
        let mut one =
            self.connection.prepare_cached("SELECT bytes FROM record WHERE (share, expiry, id) = (?1, ?2, ?3)")?;
        let bytes: Option<Vec<u8>> =
            one.query_row(params![share.byte(), entry.expiry, entry.id], |row| row.get(0)).optional()?;
        Ok(bytes.and_then(|bytes| Record::parse(&bytes).ok()).map(|(record, _)| record))
    }

    /// The records for a target and when each came, the oldest first, as many as `count` and beginning behind `skip` of them.
    pub(super) fn for_target(
        &self,
        target: Target,
        skip: usize,
        count: usize,
    ) -> rusqlite::Result<Vec<(Record, Wall)>> {
        let mut all = self.connection.prepare_cached(
            "SELECT bytes, came_ms FROM record WHERE substr(bytes, 17, 16) = ?1 ORDER BY came_ms, expiry, id LIMIT ?2 OFFSET ?3",
        )?;
        let rows = all.query_map(params![target.0, signed(count), signed(skip)], |row| {
            Ok((row.get::<_, Vec<u8>>(0)?, row.get::<_, i64>(1)?))
        })?;
        let parsed = rows.map(|row| {
            let (bytes, came_ms) = row?;
            let record = Record::parse(&bytes).ok().map(|(record, _)| record);
            Ok(record.map(|record| (record, Wall(u64::try_from(came_ms).unwrap_or(0)))))
        });
        parsed.filter_map(Result::transpose).collect()
    }

    /// Drops these, and gives what they cost.
    pub(super) fn remove(&mut self, share: Share, entries: &[Entry]) -> rusqlite::Result<u64> {
        let transaction = self.connection.transaction()?;
        let mut freed = 0;
        {
            let mut delete = transaction.prepare_cached(
                "DELETE FROM record WHERE (share, expiry, id) = (?1, ?2, ?3) RETURNING length(bytes)",
            )?;
            for entry in entries {
                let key = params![share.byte(), entry.expiry, entry.id];
                let bytes: Option<u32> = delete.query_row(key, |row| row.get(0)).optional()?;
                freed += bytes.map_or(0, |bytes| u64::from(bytes) + RECORD_BYTES_EXTRA);
            }
        }
        give_back(&transaction)?;
        transaction.commit()?;
        Ok(freed)
    }

    /// A number that was noted.
    pub(super) fn about(&self, name: &str) -> rusqlite::Result<Option<i64>> {
        let mut one = self.connection.prepare_cached("SELECT value FROM about WHERE name = ?1")?;
        one.query_row([name], |row| row.get(0)).optional()
    }

    /// Notes a number.
    pub(super) fn note(&self, name: &str, value: i64) -> rusqlite::Result<()> {
        let mut note = self.connection.prepare_cached("INSERT OR REPLACE INTO about VALUES (?1, ?2)")?;
        note.execute(params![name, value]).map(drop)
    }

    /// What went wrong with it, and what to do.
    pub(super) fn error(&self, fault: &rusqlite::Error) -> OpenError {
        OpenError::unreadable(&self.path, fault)
    }
}

/// Gives some of the room of dropped records back to the disk.
fn give_back(transaction: &Transaction<'_>) -> rusqlite::Result<()> {
    transaction.execute_batch("PRAGMA incremental_vacuum(256)")
}

/// A count as SQLite has them.
fn signed(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// Whether it is no fault of the disk, its rights or another program, which pass: then the file is not what was written.
pub(super) fn is_damage(fault: &rusqlite::Error) -> bool {
    let is_machine =
        matches!(fault.sqlite_error_code(), Some(ErrorCode::OutOfMemory | ErrorCode::FileLockingProtocolFailed));
    !is_machine && !passes(fault)
}

fn advice(fault: &rusqlite::Error) -> String {
    let advice = match fault.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => "make room on the disk",
        Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => {
            "make the data directory writable for this user, or choose another data_dir"
        }
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => "another program holds the file: end it",
        _ => "stop the node and remove it, nothing in it is the only copy",
    };
    format!("{fault}: {advice}")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail loudly")]

    use super::*;

    fn row(number: u8, target: u8) -> Row {
        let record =
            Record::dated(Target([target; 16]), &[number], 1_800_000_000 + u32::from(number), 0, [1; 8]).unwrap();
        Row {
            share: Share::Dated,
            entry: Entry::of(&record).unwrap(),
            late: number % 2 == 1,
            came: Wall(u64::from(number)),
            record,
        }
    }

    #[test]
    fn what_is_written_is_read_also_after_it_was_opened_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("window.db");
        let rows: Vec<_> = (0..9).map(|number| row(number, number / 5)).collect();
        let mut file = File::open(&path).unwrap();
        file.insert(rows.iter().rev()).unwrap();
        file.insert(rows.iter()).unwrap();
        file.note("since", 5).unwrap();
        file.note("since", 6).unwrap();
        drop(file);
        let mut file = File::open(&path).unwrap();
        assert_eq!((file.about("since").unwrap(), file.about("else").unwrap()), (Some(6), None));
        let mut outlines = Vec::new();
        file.outline(|outline| outlines.push(outline)).unwrap();
        assert_eq!(outlines.len(), rows.len());
        for (outline, row) in outlines.iter().zip(&rows) {
            assert_eq!((outline.share, outline.entry, outline.late), (row.share, row.entry, row.late));
            assert_eq!(outline.bytes, row.record.bytes().len() as u64);
            assert_eq!(file.get(row.share, &row.entry).unwrap().as_ref(), Some(&row.record));
        }
        let of_one: Vec<_> = rows[..5].iter().map(|row| (row.record.clone(), row.came)).collect();
        assert_eq!(file.for_target(Target([0; 16]), 0, 3).unwrap(), of_one[..3]);
        assert_eq!(file.for_target(Target([0; 16]), 3, 3).unwrap(), of_one[3..]);
        let freed = file.remove(Share::Dated, &[rows[0].entry, rows[2].entry]).unwrap();
        assert_eq!(freed, 2 * (rows[0].record.bytes().len() as u64 + RECORD_BYTES_EXTRA));
        assert_eq!(file.for_target(Target([0; 16]), 0, 9).unwrap().len(), 3);
        assert_eq!(file.get(Share::Worked, &rows[1].entry).unwrap(), None);
    }

    #[test]
    fn a_damaged_file_and_one_of_another_form_are_made_anew() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("window.db");
        std::fs::write(&path, b"this is no database, but it is long enough to look like one".repeat(100)).unwrap();
        let mut file = File::open(&path).unwrap();
        file.insert([row(1, 1)].iter()).unwrap();
        file.connection.pragma_update(None, "user_version", VERSION + 1).unwrap();
        drop(file);
        let file = File::open(&path).unwrap();
        assert_eq!(file.for_target(Target([1; 16]), 0, 9).unwrap().len(), 0);
    }

    #[test]
    fn a_file_that_cannot_be_made_says_what_to_do() {
        let error = File::open(Path::new("/nowhere/window.db")).err().unwrap().to_string();
        assert!(error.contains("/nowhere/window.db") && error.contains("data_dir"), "{error}");
    }
}
