//! Whole files: a copy of one that may be in use, a look whether one is in order, and one that is not is put aside.

use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use rusqlite::{Connection, ErrorCode};

use super::schema::{self, OpenError};
use crate::private_file;

/// Beside a file that was found damaged while it was in use: it is looked at whole at the next start.
const SUSPECT: &str = ".suspect";

/// Copies a store as it is at one moment, also while a node writes to it. `to` must not be there. Says what went wrong and what to do.
pub fn copy(from: &Path, to: &Path) -> Result<(), String> {
    let run = |open: fn(&Path) -> rusqlite::Result<Connection>| -> rusqlite::Result<()> {
        let connection = open(from)?;
        // SQLite takes an empty file, and leaves its rights.
        private_file::make(to).unwrap_or_default();
        let name = to.to_str().ok_or(rusqlite::Error::InvalidPath(to.to_owned()))?;
        connection.execute("VACUUM INTO ?1", [name])?;
        Ok(())
    };
    let copied = match run(schema::open_to_copy) {
        // On a disk that is read-only nobody writes; what a node that was killed left beside the file would be missing.
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::CannotOpen) && !has_journal(from) => {
            run(schema::open_to_copy_alone)
        }
        done => done,
    };
    copied.map_err(|error| schema::problem(from, &error))
}

/// Looks at all of a store: whether it is one of ours, and in order.
pub fn check(path: &Path) -> Result<(), String> {
    let run = || {
        let connection = schema::open_to_copy(path).map_err(|error| schema::problem(path, &error))?;
        schema::version(&connection, path).map_err(|error| error.to_string())?;
        first_fault(&connection).map_err(|error| schema::problem(path, &error))
    };
    match run() {
        Ok(None) => Ok(()),
        Ok(Some(fault)) => Err(format!("store {path:?} is damaged ({fault}): use another backup")),
        Err(error) => Err(error),
    }
}

/// Whether something was written that is not in the file itself yet.
fn has_journal(path: &Path) -> bool {
    std::fs::metadata(with_end(path, "-wal")).is_ok_and(|journal| journal.len() > 0)
}

fn first_fault(connection: &Connection) -> rusqlite::Result<Option<String>> {
    let fault: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    Ok((fault != "ok").then_some(fault))
}

fn suspect(path: &Path) -> PathBuf {
    with_end(path, SUSPECT)
}

fn with_end(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    PathBuf::from(name)
}

/// Something in the file was found damaged: the next start looks at all of it.
pub(super) fn mark_suspect(path: &Path) {
    // A disk that does not take this either tells so again at the next start.
    private_file::make(&suspect(path)).unwrap_or_default();
}

/// Looks at the whole file if it was found damaged in its last run.
pub(super) fn look_if_suspect(connection: &Connection, path: &Path) -> Result<(), OpenError> {
    let mark = suspect(path);
    if !mark.exists() {
        return Ok(());
    }
    match first_fault(connection) {
        Ok(None) => {
            std::fs::remove_file(mark).unwrap_or_default();
            Ok(())
        }
        Ok(Some(fault)) => Err(OpenError::Damaged(format!("store {path:?} is damaged: {fault}"))),
        Err(error) => Err(schema::unusable(path, &error)),
    }
}

/// Puts a damaged file aside, with what belongs to it, so that a new one can be made. Gives its new name.
pub(super) fn set_aside(path: &Path) -> std::io::Result<PathBuf> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs());
    let aside = with_end(path, &format!(".damaged-{now}"));
    std::fs::rename(path, &aside)?;
    for end in ["-wal", "-shm"] {
        match std::fs::rename(with_end(path, end), with_end(&aside, end)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    std::fs::remove_file(suspect(path)).unwrap_or_default();
    Ok(aside)
}
