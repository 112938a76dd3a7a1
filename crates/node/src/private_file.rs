//! Small files that are this user's alone: written whole or not at all, read up to a limit. Knows nothing of what is in them.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write};
use std::path::{Path, PathBuf};

/// Writes a file under another name, lets it reach the disk, and renames it: a reader, or the next start after a
/// power cut, finds the old one or the new one. On Unix only this user can read it; elsewhere its folder's rights count.
pub(crate) fn write(path: &Path, fill: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<()> {
    let other = other_name(path);
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let written = options.open(&other).and_then(|mut file| {
        // One that was left behind keeps the rights it had.
        tighten(&file)?;
        fill(&mut file)?;
        file.flush()?;
        file.sync_all()
    });
    let renamed = written.and_then(|()| std::fs::rename(&other, path));
    if let Err(error) = renamed {
        // It would be overwritten by the next try anyway; a full disk is glad of the room.
        std::fs::remove_file(&other).ok();
        return Err(error);
    }
    sync_folder(path)
}

/// Makes an empty file if there is none, and takes all rights to it from everybody else.
pub(crate) fn make(path: &Path) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    tighten(&options.open(path)?).map(|_| ())
}

/// The bytes of a file that has no more than `bytes_max`.
pub(crate) fn read(path: &Path, bytes_max: u64) -> io::Result<Vec<u8>> {
    let file = File::open(path)?;
    let mut bytes = Vec::new();
    file.take(bytes_max.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > bytes_max {
        return Err(io::Error::new(io::ErrorKind::InvalidData, format!("it has more than {bytes_max} bytes")));
    }
    Ok(bytes)
}

/// What to do when a file cannot be written: for a disk that takes nothing, that; else what the caller knows.
pub(crate) fn advice<'a>(error: &io::Error, otherwise: &'a str) -> &'a str {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "make room on the disk",
        io::ErrorKind::ReadOnlyFilesystem => "its disk is mounted read-only: mount it writable",
        _ => otherwise,
    }
}

/// Takes all rights from everybody else; says whether somebody else had some.
pub(crate) fn tighten(file: &File) -> io::Result<bool> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mut rights = file.metadata()?.permissions();
        if rights.mode() & 0o077 != 0 {
            rights.set_mode(rights.mode() & 0o700);
            file.set_permissions(rights)?;
            return Ok(true);
        }
    }
    let _ = file;
    Ok(false)
}

fn other_name(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    path.with_file_name(name)
}

/// A rename is on the disk when its folder is.
fn sync_folder(path: &Path) -> io::Result<()> {
    #[cfg(unix)]
    if let Some(folder) = path.parent() {
        File::open(folder)?.sync_all()?;
    }
    let _ = path;
    Ok(())
}
