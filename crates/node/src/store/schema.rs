//! The form of the file: its migrations, and how it is opened. Never reads or writes a message.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior};

use super::{history, overwrite, search};
use crate::private_file;

/// Migration n makes version n of version n - 1. New ones are added at the end, old ones never change.
const MIGRATIONS: [&str; 13] = [
    include_str!("migrations/1.sql"),
    include_str!("migrations/2.sql"),
    include_str!("migrations/3.sql"),
    include_str!("migrations/4.sql"),
    include_str!("migrations/5.sql"),
    include_str!("migrations/6.sql"),
    include_str!("migrations/7.sql"),
    include_str!("migrations/8.sql"),
    include_str!("migrations/9.sql"),
    include_str!("migrations/10.sql"),
    include_str!("migrations/11.sql"),
    include_str!("migrations/12.sql"),
    include_str!("migrations/13.sql"),
];
/// The version of the file that this program reads and writes.
pub const VERSION: u32 = MIGRATIONS.len() as u32;
/// Since this version messages have their places as they are shown.
const PLACED: u32 = 13;
/// Says of a SQLite file whose it is: "NJar".
const APPLICATION_ID: i32 = 0x4e4a_6172;
/// How long a statement waits for another program that holds the file: stopping must not take longer.
const BUSY_WAIT: Duration = Duration::from_secs(1);
/// The write-ahead log is cut back to this after a burst.
const JOURNAL_BYTES_MAX: u32 = 16 << 20;
/// Memory for pages of each connection, in KiB: reads follow the end of the log, which is small.
const CACHE_KIB: u32 = 1024;

/// The file cannot be used. Says which, why, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// A later program made it.
    #[error("store {path:?} is version {have}, this program knows {VERSION}: update it, or choose another data_dir")]
    Newer {
        /// The file.
        path: std::path::PathBuf,
        /// Its version.
        have: u32,
    },
    /// It is somebody else's.
    #[error("store {0:?} is a database of another program: move it away, or choose another data_dir")]
    Foreign(std::path::PathBuf),
    /// It is not what was written. [`Store::open`](super::Store::open) puts such a file aside and makes a new one.
    #[error("{0}")]
    Damaged(String),
    /// The disk or the rights; the text says it all.
    #[error("{0}")]
    Unusable(String),
}

/// Opens the file, makes it if it is not there, and brings it to the newest form.
pub(super) fn open_to_write(path: &Path) -> Result<Connection, OpenError> {
    let unusable = |error: rusqlite::Error| unusable(path, &error);
    // SQLite would let everybody read it; the files it makes beside have the rights of this one. What goes wrong here
    // goes wrong again below, and is said there.
    private_file::make(path).unwrap_or_default();
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags).map_err(unusable)?;
    connection.busy_timeout(BUSY_WAIT).map_err(unusable)?;
    // SQLite opens what it may not write for reading, and would say so with the first message.
    if connection.is_readonly(rusqlite::MAIN_DB).map_err(unusable)? {
        let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_READONLY);
        return Err(unusable(rusqlite::Error::SqliteFailure(code, Some("it can only be read".into()))));
    }
    // Before anything is written to it: a file of another program or of a later one stays as it is.
    let version = version(&connection, path)?;
    if version == 0 {
        // Possible only in an empty file: room of dropped messages can then be given back to the disk.
        connection.pragma_update(None, "auto_vacuum", "INCREMENTAL").map_err(unusable)?;
    }
    connection.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get::<_, String>(0)).map_err(unusable)?;
    // Each commit reaches the disk before its seq is told: a seq that was told is never given again, even when the
    // power fails. One commit takes all that waits, so a burst costs no more of them.
    connection.pragma_update(None, "synchronous", "FULL").map_err(unusable)?;
    connection.pragma_update(None, "journal_size_limit", JOURNAL_BYTES_MAX).map_err(unusable)?;
    connection.pragma_update(None, "cache_size", -i64::from(CACHE_KIB)).map_err(unusable)?;
    // Keys of channels and passwords are not to outlive their deletion. FAST would leave them in pages that became free as a whole;
    // for a full log ON writes 0.3 % more.
    connection.pragma_update_and_check(None, "secure_delete", "ON", |row| row.get::<_, i64>(0)).map_err(unusable)?;
    migrate(&mut connection, path)?;
    search::index_all(&mut connection).map_err(unusable)?;
    overwrite::by_merges(&connection).map_err(unusable)?;
    Ok(connection)
}

/// A connection to a file that somebody else may use, to read all of it.
pub(super) fn open_to_copy(path: &Path) -> rusqlite::Result<Connection> {
    let connection =
        Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.busy_timeout(BUSY_WAIT)?;
    Ok(connection)
}

/// The same for a file beside which nothing can be written, which SQLite wants to do even to read: nobody else may use it.
pub(super) fn open_to_copy_alone(path: &Path) -> rusqlite::Result<Connection> {
    let name = path.to_str().ok_or(rusqlite::Error::InvalidPath(path.to_owned()))?;
    let name = name.replace('%', "%25").replace('?', "%3f").replace('#', "%23");
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_URI;
    Connection::open_with_flags(format!("file:{name}?immutable=1"), flags)
}

/// Moves the write-ahead log into the file and leaves nothing in it; `false` if a reader holds it up.
pub(super) fn empty_journal(connection: &Connection) -> rusqlite::Result<bool> {
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, bool>(0)).map(|is_busy| !is_busy)
}

/// One more connection to a file that is in order, for reads only.
pub(super) fn open_to_read(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY_WAIT)?;
    connection.pragma_update(None, "query_only", true)?;
    connection.pragma_update(None, "cache_size", -i64::from(CACHE_KIB))?;
    Ok(connection)
}

fn migrate(connection: &mut Connection, path: &Path) -> Result<(), OpenError> {
    let unusable = |error: rusqlite::Error| unusable(path, &error);
    for (sql, to) in MIGRATIONS.iter().zip(1u32..) {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(unusable)?;
        if version(&transaction, path)? >= to {
            continue;
        }
        let run = || {
            transaction.execute_batch(sql)?;
            if to == PLACED {
                history::place_all(&transaction)?;
            }
            transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
            transaction.pragma_update(None, "user_version", to)
        };
        run().and_then(|()| transaction.commit()).map_err(unusable)?;
    }
    Ok(())
}

/// The version of a file that is ours: 0 when it is new.
pub(super) fn version(connection: &Connection, path: &Path) -> Result<u32, OpenError> {
    let look = || {
        let application: i32 = connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
        let version: u32 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
        let empty: bool =
            connection.query_row("SELECT NOT EXISTS (SELECT 1 FROM sqlite_schema)", [], |row| row.get(0))?;
        Ok((application, version, empty))
    };
    match look() {
        Ok((APPLICATION_ID, have, _)) if have > VERSION => Err(OpenError::Newer { path: path.to_owned(), have }),
        Ok((APPLICATION_ID, version, _)) => Ok(version),
        Ok((0, 0, true)) => Ok(0),
        Ok(_) => Err(OpenError::Foreign(path.to_owned())),
        Err(error) => Err(unusable(path, &error)),
    }
}

/// The same as an error of opening.
pub(super) fn unusable(path: &Path, error: &rusqlite::Error) -> OpenError {
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
            OpenError::Damaged(format!("store {path:?} is damaged: {error}"))
        }
        _ => OpenError::Unusable(problem(path, error)),
    }
}

/// Whether the same may work later: it was the disk, its rights, or another program.
pub(crate) fn passes(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(
            ErrorCode::DiskFull
                | ErrorCode::SystemIoFailure
                | ErrorCode::ReadOnly
                | ErrorCode::CannotOpen
                | ErrorCode::PermissionDenied
                | ErrorCode::DatabaseBusy
                | ErrorCode::DatabaseLocked
        )
    )
}

/// What went wrong with the file, and what to do.
pub(super) fn problem(path: &Path, error: &rusqlite::Error) -> String {
    let advice = match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => "make room on the disk",
        Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => {
            "make the data directory writable for this user, or choose another data_dir"
        }
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => "another program holds the file: end it",
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
            "start the node again: it is looked at, and put aside if it is damaged"
        }
        Some(ErrorCode::SystemIoFailure) => "look after the disk: it may be full",
        Some(ErrorCode::OperationInterrupted) => "the search took too long: give more words, a conversation or a time",
        _ => "run `sqlite3 FILE 'PRAGMA integrity_check'` on it with the node stopped",
    };
    // SQLite ends some of its messages with the file's name: once is enough.
    let what = error.to_string();
    let what = what.strip_suffix(&format!(": {}", path.display())).unwrap_or(&what);
    format!("store {path:?}: {what}: {advice}")
}
