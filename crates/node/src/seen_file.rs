//! The ids of dated records that were seen, on disk, so that a restart delivers none of them again. Never holds more
//! than a table does, and never keeps a node from starting: what cannot be used is left aside.
//!
//! `NJSEEN1\n`, key of the table (16 bytes), its lines u32, milliseconds of an epoch u64, Unix milliseconds u64; for each
//! id: lines since the one before (LEB128), fingerprint (7 bytes), epochs since it was added u8; SHA-256 of all that.
//! Integers are little-endian.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::Path;

use nightjar_core::seen::{DATED_EPOCH_MS, EPOCHS_KEPT, SeenEntry, SeenView, ids_of, lines_of};
use nightjar_core::time::Wall;
use sha2::{Digest as _, Sha256};

use crate::private_file;

const MAGIC: [u8; 8] = *b"NJSEEN1\n";
const HEADER_BYTES: usize = 44;
const CHECKSUM_BYTES: usize = 32;
/// LEB128 of a u32 has five bytes at the most.
const ENTRY_BYTES_MAX: usize = 5 + 7 + 1;

/// What an earlier process saw.
pub struct Loaded<R> {
    /// The key that the table has to have.
    pub key: [u8; 16],
    /// The ids that are still to be known, for `Router::restore_seen`.
    pub entries: Entries<R>,
}

/// The ids in a file whose checksum was right.
pub struct Entries<R> {
    body: R,
    left: u64,
    lines: usize,
    line: u32,
    passed_epochs: u8,
}

/// The file cannot be used. The node starts without it.
#[derive(Debug, thiserror::Error)]
pub enum SeenFileError {
    /// It is not what was written.
    #[error("it is damaged, or not such a file")]
    Damaged,
    /// It is longer than any table.
    #[error("it has {have} bytes, a table of {lines} lines has at most {most}")]
    TooLong {
        /// How long it is.
        have: u64,
        /// Lines of the table.
        lines: usize,
        /// Bytes it could have.
        most: u64,
    },
    /// The table has another size now, or other epochs.
    #[error("it is of a table of another size")]
    OtherTable,
    /// All its ids may be forgotten.
    #[error("it is so old that nothing in it counts any more")]
    TooOld,
    /// The disk or the rights.
    #[error("it cannot be read: {0}")]
    Io(#[from] io::Error),
}

/// Writes the ids of the view, whole or not at all; says how many. Reads the whole table: where it may block.
pub fn save(path: &Path, view: &SeenView, wall: Wall) -> io::Result<usize> {
    let mut count = 0;
    private_file::write(path, |file| {
        count = write(BufWriter::new(file), view, wall)?;
        Ok(())
    })?;
    Ok(count)
}

/// What was saved, aged by the time since; `None` when there is nothing that can be used. A file that is damaged is
/// said so in the log, and overwritten by the next [`save`].
pub fn load(path: &Path, table_bytes: usize, wall: Wall) -> Option<Loaded<BufReader<File>>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
        Err(error) => {
            tracing::warn!("{path:?} is left aside: it cannot be read: {error}");
            return None;
        }
    };
    match read(BufReader::new(file), table_bytes, wall) {
        Ok(loaded) => Some(loaded),
        Err(error @ (SeenFileError::TooOld | SeenFileError::OtherTable)) => {
            tracing::info!("{path:?} is left aside: {error}");
            None
        }
        Err(error) => {
            tracing::warn!("{path:?} is left aside: {error}; records of the last hour may be delivered once more");
            None
        }
    }
}

/// Writes the ids of the view; says how many.
pub fn write(to: impl Write, view: &SeenView, wall: Wall) -> io::Result<usize> {
    let mut to = Hashed { to, hash: Sha256::new() };
    let lines = u32::try_from(view.dated_lines()).map_err(|_| io::Error::other("a table of 2^32 lines"))?;
    to.write_all(&MAGIC)?;
    to.write_all(&view.snapshot_key())?;
    to.write_all(&lines.to_le_bytes())?;
    to.write_all(&DATED_EPOCH_MS.to_le_bytes())?;
    to.write_all(&wall.0.to_le_bytes())?;
    let (mut count, mut line) = (0, 0);
    for entry in view.dated_entries() {
        let mut delta = entry.line.saturating_sub(line);
        line = entry.line;
        let mut bytes = [0; ENTRY_BYTES_MAX];
        let mut used = 0;
        let mut put = |byte: u8| {
            *bytes.get_mut(used).expect("a u32 has five bytes of LEB128, seven and one follow") = byte;
            used += 1;
        };
        while delta >= 0x80 {
            put((delta & 0x7f) as u8 | 0x80);
            delta >>= 7;
        }
        put(delta as u8);
        let [_, fingerprint @ ..] = entry.fingerprint.to_le_bytes();
        fingerprint.into_iter().for_each(&mut put);
        put(entry.age_epochs);
        to.write_all(bytes.get(..used).expect("so many bytes were put"))?;
        count += 1;
    }
    let Hashed { mut to, hash } = to;
    to.write_all(&hash.finalize())?;
    to.flush()?;
    Ok(count)
}

/// Reads what [`write()`] wrote, for a table of so many bytes. The checksum is looked at first, so the ids are read twice.
pub fn read<R: Read + Seek>(mut from: R, table_bytes: usize, wall: Wall) -> Result<Loaded<R>, SeenFileError> {
    let lines = lines_of(table_bytes);
    let have = from.seek(SeekFrom::End(0))?;
    let most = (HEADER_BYTES + CHECKSUM_BYTES) as u64 + ids_of(lines) as u64 * ENTRY_BYTES_MAX as u64;
    if have > most {
        return Err(SeenFileError::TooLong { have, lines, most });
    }
    let body = have.checked_sub((HEADER_BYTES + CHECKSUM_BYTES) as u64).ok_or(SeenFileError::Damaged)?;
    from.rewind()?;
    check(&mut from, HEADER_BYTES as u64 + body)?;
    from.rewind()?;

    if array::<8>(&mut from)? != MAGIC {
        return Err(SeenFileError::Damaged);
    }
    let key = array(&mut from)?;
    let same_lines = u32::from_le_bytes(array(&mut from)?) as usize == lines;
    let same_epochs = u64::from_le_bytes(array(&mut from)?) == DATED_EPOCH_MS;
    if !same_lines || !same_epochs {
        return Err(SeenFileError::OtherTable);
    }
    // A clock that went back says nothing about the time that passed: nothing ages, which is the safe side.
    let passed_ms = wall.0.saturating_sub(u64::from_le_bytes(array(&mut from)?));
    let passed_epochs = u8::try_from(passed_ms / DATED_EPOCH_MS)
        .ok()
        .filter(|&passed| passed <= EPOCHS_KEPT)
        .ok_or(SeenFileError::TooOld)?;
    Ok(Loaded { key, entries: Entries { body: from, left: body, lines, line: 0, passed_epochs } })
}

/// Whether so many bytes have the checksum that follows them.
fn check(from: &mut impl Read, bytes: u64) -> Result<(), SeenFileError> {
    let mut hashed = Hashed { to: io::sink(), hash: Sha256::new() };
    io::copy(&mut from.take(bytes), &mut hashed)?;
    if hashed.hash.finalize().as_slice() != array::<CHECKSUM_BYTES>(from)? {
        return Err(SeenFileError::Damaged);
    }
    Ok(())
}

fn array<const N: usize>(from: &mut impl Read) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    from.read_exact(&mut bytes)?;
    Ok(bytes)
}

impl<R: Read> Entries<R> {
    /// The next id as it was; `None` at the end, and at anything that [`write()`] does not write.
    fn entry(&mut self) -> Option<SeenEntry> {
        let mut delta = 0u32;
        let mut bits = 0;
        loop {
            let [byte] = self.bytes()?;
            let part = u32::from(byte & 0x7f);
            delta = part.checked_shl(bits).filter(|shifted| shifted >> bits == part)?.checked_add(delta)?;
            bits += 7;
            if byte & 0x80 == 0 {
                break;
            }
        }
        self.line = self.line.checked_add(delta).filter(|&line| (line as usize) < self.lines)?;
        let fingerprint = self.bytes::<7>()?;
        let [age_epochs] = self.bytes()?;
        let fingerprint = fingerprint.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte)) << 8;
        Some(SeenEntry { line: self.line, fingerprint, age_epochs })
    }

    fn bytes<const N: usize>(&mut self) -> Option<[u8; N]> {
        let left = self.left.checked_sub(N as u64)?;
        match array(&mut self.body) {
            Ok(bytes) => {
                self.left = left;
                Some(bytes)
            }
            Err(error) => {
                tracing::warn!("the file of seen ids ends early: {error}");
                self.left = 0;
                None
            }
        }
    }
}

impl<R: Read> Iterator for Entries<R> {
    type Item = SeenEntry;

    fn next(&mut self) -> Option<SeenEntry> {
        while self.left > 0 {
            let Some(entry) = self.entry() else {
                self.left = 0;
                return None;
            };
            let age_epochs = entry.age_epochs.saturating_add(self.passed_epochs);
            if age_epochs <= EPOCHS_KEPT {
                return Some(SeenEntry { age_epochs, ..entry });
            }
        }
        None
    }
}

impl<R> std::fmt::Debug for Loaded<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The key is a secret: who knows it can choose ids that share a line.
        f.debug_struct("Loaded").field("entries", &self.entries).finish_non_exhaustive()
    }
}

impl<R> std::fmt::Debug for Entries<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Entries").field("bytes_left", &self.left).finish_non_exhaustive()
    }
}

struct Hashed<W> {
    to: W,
    hash: Sha256,
}

impl<W: Write> Write for Hashed<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let used = self.to.write(bytes)?;
        self.hash.update(bytes.get(..used).unwrap_or(bytes));
        Ok(used)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}
