//! Copies of what cannot be made anew: the store, the chat keys, the node key, the settings. A copy is made of a running node as well, and
//! restored into a data directory that holds nothing. Never overwrites anything.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use crate::data_dir::{CONFIG_FILE, DATABASE_FILE, FORMAT_FILE, IDENTITIES_FILE, NODE_KEY_FILE};
use crate::private_file;
use crate::store;

/// Files that are copied as they are: each is written whole or not at all, so a copy is one state of it.
const FILES: [&str; 4] = [IDENTITIES_FILE, NODE_KEY_FILE, CONFIG_FILE, FORMAT_FILE];
/// None of them is longer.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// There is no copy. Says what, of which file, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// It would take the place of something.
    #[error("{0:?} is there already, and nothing is overwritten: name another")]
    Taken(PathBuf),
    /// There is nothing to copy.
    #[error("{0:?} holds neither a store nor chat keys: name a node's data directory, or a backup of one")]
    Nothing(PathBuf),
    /// A file cannot be read or written.
    #[error("{path:?}: {error}: {}", private_file::advice(error, "look after its rights and the disk"))]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// The store.
    #[error("{0}")]
    Store(String),
}

/// Copies a data directory to a new one, also while its node runs. Gives the names of the files.
pub fn backup(data_dir: &Path, to: &Path) -> Result<Vec<&'static str>, BackupError> {
    holds_something(data_dir)?;
    if to.exists() {
        return Err(BackupError::Taken(to.to_owned()));
    }
    make_folder(to)?;
    let copied = copy_all(data_dir, to);
    if copied.is_err() {
        // What is incomplete must not look like a backup.
        std::fs::remove_dir_all(to).ok();
    }
    copied
}

/// Copies a backup into a data directory that holds neither a store nor keys. The store is checked first.
pub fn restore(from: &Path, data_dir: &Path) -> Result<Vec<&'static str>, BackupError> {
    holds_something(from)?;
    let is_there = |name: &&str| data_dir.join(name).exists();
    if let Some(name) =
        [DATABASE_FILE].iter().chain(&FILES).copied().find(|name| *name != CONFIG_FILE && is_there(name))
    {
        return Err(BackupError::Taken(data_dir.join(name)));
    }
    let database = from.join(DATABASE_FILE);
    if database.exists() {
        store::check(&database).map_err(BackupError::Store)?;
    }
    make_folder(data_dir)?;
    let copied = copy_all(from, data_dir);
    if copied.is_err() {
        // None of them was there before, and half a node must not stand in the way of the next try.
        for name in [DATABASE_FILE].iter().chain(&FILES).filter(|name| **name != CONFIG_FILE) {
            std::fs::remove_file(data_dir.join(name)).ok();
        }
    }
    copied
}

fn holds_something(dir: &Path) -> Result<(), BackupError> {
    match [DATABASE_FILE, IDENTITIES_FILE].iter().any(|name| dir.join(name).exists()) {
        true => Ok(()),
        false => Err(BackupError::Nothing(dir.to_owned())),
    }
}

fn copy_all(from: &Path, to: &Path) -> Result<Vec<&'static str>, BackupError> {
    let mut copied = Vec::new();
    if from.join(DATABASE_FILE).exists() {
        store::copy(&from.join(DATABASE_FILE), &to.join(DATABASE_FILE)).map_err(BackupError::Store)?;
        copied.push(DATABASE_FILE);
    }
    for name in FILES {
        let (source, target) = (from.join(name), to.join(name));
        if !source.exists() || target.exists() {
            continue;
        }
        let bytes = private_file::read(&source, FILE_BYTES_MAX).map_err(|error| fault(&source, error))?;
        private_file::write(&target, |file| file.write_all(&bytes)).map_err(|error| fault(&target, error))?;
        copied.push(name);
    }
    Ok(copied)
}

fn make_folder(path: &Path) -> Result<(), BackupError> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path).map_err(|error| fault(path, error))
}

fn fault(path: &Path, error: io::Error) -> BackupError {
    BackupError::File { path: path.to_owned(), error }
}
