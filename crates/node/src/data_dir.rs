//! The data directory: made, locked, of a known form; node key, token and `ready.json` in it. Never opens a socket,
//! never shows a secret.

mod ready;

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use etcetera::BaseStrategy as _;
use nightjar_wire::secure::NodeIdentity;
use zeroize::Zeroizing;

use crate::private_file;

pub use ready::Ready;

/// The form of the directory that this program makes and knows.
pub const FORMAT: u32 = 1;
/// Settings.
pub const CONFIG_FILE: &str = "nightjar.toml";
pub(crate) const DATABASE_FILE: &str = "nightjar.db";
pub(crate) const FORMAT_FILE: &str = "format";
pub(crate) const IDENTITIES_FILE: &str = "identities";
const LOCK_FILE: &str = "lock";
pub(crate) const NODE_KEY_FILE: &str = "node_key";
const READY_FILE: &str = "ready.json";
const SEEN_FILE: &str = "seen";
const TOKEN_FILE: &str = "token";
const WINDOW_FILE: &str = "window.db";
/// Files that were there before the directory is ours, and do not make it somebody else's.
const BEFORE_FIRST_START: [&str; 2] = [CONFIG_FILE, LOCK_FILE];
/// The most that is read of a small file: ours are shorter by far.
const SMALL_FILE_BYTES_MAX: u64 = 4096;
/// A command that asks whether a node runs holds the lock for a moment: this often it is tried again.
const LOCK_TRIES: u32 = 20;
/// Between two of them.
const LOCK_PAUSE: Duration = Duration::from_millis(10);
/// A token that somebody else made has at least so many characters: 128 bits in hex.
const TOKEN_CHARS_MIN: usize = 32;

/// A data directory that this process holds. Given back, with `ready.json` gone, when it is dropped.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    /// Locked for as long as it is open.
    _lock: File,
}

/// It cannot be used. Says what, which one, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum DataDirError {
    /// There is no place to begin with.
    #[error("the home directory is not known: set HOME, or name a data directory with --data-dir")]
    NoHome,
    /// Something else has its name.
    #[error("data directory {0:?} is not a directory: move it away, or choose another data_dir")]
    NotADirectory(PathBuf),
    /// The disk or the rights.
    #[error(
        "data directory {path:?} cannot be used: {error}: {}, or choose another data_dir",
        private_file::advice(error, "make it writable for this user")
    )]
    Unusable {
        /// The directory.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// Other users see what is in it, and it is not ours to close.
    #[error(
        "data directory {0:?} is open to other users and holds files that are not Nightjar's: close it (chmod 700), or choose another data_dir"
    )]
    OpenToOthers(PathBuf),
    /// A later program made it.
    #[error(
        "data directory {path:?} is format {have}, this program knows {FORMAT}: update it, or choose another data_dir"
    )]
    Newer {
        /// The directory.
        path: PathBuf,
        /// Its format.
        have: u32,
    },
    /// Another process holds it.
    #[error(
        "data directory {path:?} is in use by {}: stop it, or choose another data_dir",
        .pid.map_or("another process".to_owned(), |pid| format!("process {pid}"))
    )]
    InUse {
        /// The directory.
        path: PathBuf,
        /// Who holds it, if that could be read.
        pid: Option<u32>,
    },
    /// A file in it cannot be read or written, or is not what it should be.
    #[error("{what} {path:?}: {problem}")]
    File {
        /// What the file is.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong, and what to do.
        problem: String,
    },
    /// No process holds it.
    #[error(
        "no node is running on data directory {0:?}: start one with `nightjar run`, or name another with --data-dir"
    )]
    NoNode(PathBuf),
    /// A process holds it, but does not serve yet, or no longer.
    #[error("the node on data directory {0:?} is just starting or ending: try again in a moment")]
    NotReady(PathBuf),
}

impl DataDir {
    /// Where it is when nobody says: `$XDG_DATA_HOME/nightjar`, or the native place of macOS and Windows.
    pub fn default_path() -> Result<PathBuf, DataDirError> {
        let strategy = etcetera::base_strategy::choose_native_strategy().map_err(|_| DataDirError::NoHome)?;
        Ok(strategy.data_dir().join("nightjar"))
    }

    /// Makes (0700), locks and checks it.
    pub fn open(path: &Path) -> Result<Self, DataDirError> {
        let unusable = |error: io::Error| DataDirError::Unusable { path: path.to_owned(), error };
        make(path)?;
        close_to_others(path)?;
        let mut lock = lock(path)?;
        check_format(path)?;
        // For people and for the error of whoever comes second: the lock itself ends with the process.
        lock.set_len(0)
            .and_then(|()| lock.rewind())
            .and_then(|()| writeln!(lock, "{}", std::process::id()))
            .map_err(unusable)?;
        let dir = Self { path: path.to_owned(), _lock: lock };
        // Whoever wrote it is dead.
        dir.remove_ready();
        Ok(dir)
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// `nightjar.db`
    pub fn database(&self) -> PathBuf {
        self.path.join(DATABASE_FILE)
    }

    /// `window.db`: records of everybody, which the neighbours have too.
    pub fn window(&self) -> PathBuf {
        self.path.join(WINDOW_FILE)
    }

    /// `seen`: the ids that outlive a restart.
    pub fn seen(&self) -> PathBuf {
        self.path.join(SEEN_FILE)
    }

    /// `identities`: the keys that say who is speaking.
    pub fn identities(&self) -> PathBuf {
        self.path.join(IDENTITIES_FILE)
    }

    /// The node's key pair, made at the first call (file `node_key`, 0600).
    pub fn identity(&self) -> Result<NodeIdentity, DataDirError> {
        let path = self.path.join(NODE_KEY_FILE);
        let what = "node key";
        let text = read_or_make(what, &path)?;
        let seed = seed_of_hex(&text).ok_or_else(|| DataDirError::File {
            what,
            path,
            problem:
                "64 hex digits are wanted, and nothing else: restore it, or move it away and the node becomes a new one"
                    .into(),
        })?;
        Ok(NodeIdentity::from_seed(*seed))
    }

    /// The token of the local API, made at the first call (file `token`, 0600).
    pub fn token(&self) -> Result<String, DataDirError> {
        let path = self.token_file();
        let text = read_or_make("token", &path)?;
        checked_token(&path, &text)
    }

    /// Path of the token file.
    pub fn token_file(&self) -> PathBuf {
        self.path.join(TOKEN_FILE)
    }

    /// Writes `ready.json` under another name and renames it.
    pub fn write_ready(&self, json: &str) -> Result<(), DataDirError> {
        let path = self.path.join(READY_FILE);
        private_file::write(&path, |file| writeln!(file, "{json}")).map_err(|error| DataDirError::File {
            what: "file",
            path,
            problem: format!("cannot be written: {error}: {}", private_file::advice(&error, "look after the disk")),
        })
    }

    /// Takes `ready.json` away; done when this is dropped as well.
    pub fn remove_ready(&self) {
        let path = self.path.join(READY_FILE);
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!("{path:?} cannot be taken away: {error}");
            }
            Ok(()) | Err(_) => {}
        }
    }

    /// What the node that runs on this directory says of itself. For its clients: takes nothing, changes nothing.
    pub fn ready(path: &Path) -> Result<Ready, DataDirError> {
        let pid = match holder(path) {
            Ok(Holder::Process(pid)) => pid,
            Ok(Holder::Nobody) => return Err(DataDirError::NoNode(path.to_owned())),
            Err(error) => return Err(DataDirError::Unusable { path: path.to_owned(), error }),
        };
        let file = path.join(READY_FILE);
        let bytes = match private_file::read(&file, SMALL_FILE_BYTES_MAX * 4) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(DataDirError::NotReady(path.to_owned()));
            }
            Err(error) => {
                return Err(DataDirError::File {
                    what: "file",
                    path: file,
                    problem: format!("cannot be read: {error}"),
                });
            }
        };
        let ready: Ready = serde_json::from_slice(&bytes).map_err(|error| DataDirError::File {
            what: "file",
            path: file,
            problem: format!("is not what a node writes ({error}): restart the node"),
        })?;
        // One that a killed node left, seen in the moment before the next one takes it away.
        if pid.is_some_and(|pid| pid != ready.pid) {
            return Err(DataDirError::NotReady(path.to_owned()));
        }
        Ok(ready)
    }

    /// The token in a token file, for clients.
    pub fn read_token(token_file: &Path) -> Result<String, DataDirError> {
        match private_file::read(token_file, SMALL_FILE_BYTES_MAX) {
            Ok(bytes) => checked_token(token_file, &Zeroizing::new(bytes)),
            Err(error) => Err(DataDirError::File {
                what: "token",
                path: token_file.to_owned(),
                problem: format!("cannot be read: {error}: be the user who runs the node"),
            }),
        }
    }
}

impl Drop for DataDir {
    fn drop(&mut self) {
        self.remove_ready();
    }
}

fn make(path: &Path) -> Result<(), DataDirError> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    match builder.create(path) {
        Ok(()) => Ok(()),
        Err(_) if path.exists() && !path.is_dir() => Err(DataDirError::NotADirectory(path.to_owned())),
        Err(error) => Err(DataDirError::Unusable { path: path.to_owned(), error }),
    }
}

/// Other users see nothing in it. One that holds other things than ours is not closed behind its owner's back:
/// `--data-dir /home/me` must not lock out what else looks there.
fn close_to_others(path: &Path) -> Result<(), DataDirError> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let unusable = |error: io::Error| DataDirError::Unusable { path: path.to_owned(), error };
        let mut rights = std::fs::metadata(path).map_err(unusable)?.permissions();
        if rights.mode() & 0o077 != 0 {
            if !is_ours(path).map_err(unusable)? {
                return Err(DataDirError::OpenToOthers(path.to_owned()));
            }
            rights.set_mode(0o700);
            std::fs::set_permissions(path, rights).map_err(unusable)?;
            tracing::info!(data_dir = ?path, "the data directory was open to other users: closed (0700)");
        }
    }
    let _ = path;
    Ok(())
}

#[cfg(unix)]
fn is_ours(path: &Path) -> io::Result<bool> {
    if path.join(FORMAT_FILE).exists() {
        return Ok(true);
    }
    for entry in std::fs::read_dir(path)? {
        let name = entry?.file_name();
        if !BEFORE_FIRST_START.iter().any(|ours| name == *ours) {
            return Ok(false);
        }
    }
    Ok(true)
}

fn lock(path: &Path) -> Result<File, DataDirError> {
    let unusable = |error: io::Error| DataDirError::Unusable { path: path.to_owned(), error };
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path.join(LOCK_FILE)).map_err(unusable)?;
    for _ in 0..LOCK_TRIES {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) => std::thread::sleep(LOCK_PAUSE),
            Err(TryLockError::Error(error)) => return Err(unusable(error)),
        }
    }
    Err(DataDirError::InUse { path: path.to_owned(), pid: pid_in(&mut file) })
}

enum Holder {
    Nobody,
    /// The process, if it could be read.
    Process(Option<u32>),
}

/// Whether a process holds the directory, and which.
fn holder(path: &Path) -> io::Result<Holder> {
    let mut file = match File::open(path.join(LOCK_FILE)) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Holder::Nobody),
        Err(error) => return Err(error),
    };
    match file.try_lock_shared() {
        // Free; ours for the moment until `file` is dropped.
        Ok(()) => Ok(Holder::Nobody),
        Err(TryLockError::WouldBlock) => Ok(Holder::Process(pid_in(&mut file))),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// The process that wrote its number into the lock file. Where a locked file cannot be read it is not known.
fn pid_in(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.take(SMALL_FILE_BYTES_MAX).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

fn check_format(path: &Path) -> Result<(), DataDirError> {
    let file = path.join(FORMAT_FILE);
    match private_file::read(&file, SMALL_FILE_BYTES_MAX) {
        Ok(bytes) => {
            let have = str::from_utf8(&bytes).ok().and_then(|text| text.trim().parse().ok());
            match have {
                Some(FORMAT) => Ok(()),
                Some(have) if have > FORMAT => Err(DataDirError::Newer { path: path.to_owned(), have }),
                Some(_) | None => Err(DataDirError::File {
                    what: "file",
                    path: file,
                    problem: "the number of a format is wanted: choose another data_dir".to_owned(),
                }),
            }
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            private_file::write(&file, |file| writeln!(file, "{FORMAT}"))
                .map_err(|error| DataDirError::Unusable { path: path.to_owned(), error })
        }
        Err(error) => Err(DataDirError::Unusable { path: path.to_owned(), error }),
    }
}

/// The bytes of a secret file; one of 32 random bytes in hex is made if there is none.
fn read_or_make(what: &'static str, path: &Path) -> Result<Zeroizing<Vec<u8>>, DataDirError> {
    let failed = |verb: &str, error: io::Error| DataDirError::File {
        what,
        path: path.to_owned(),
        problem: format!(
            "cannot be {verb}: {error}: {}",
            private_file::advice(&error, "look after its rights and the disk")
        ),
    };
    match private_file::read(path, SMALL_FILE_BYTES_MAX) {
        Ok(bytes) => {
            let bytes = Zeroizing::new(bytes);
            match File::open(path).and_then(|file| private_file::tighten(&file)) {
                Ok(true) => tracing::warn!("{what} {path:?} could be read by other users: closed (0600)"),
                Ok(false) => {}
                Err(error) => return Err(failed("closed to other users", error)),
            }
            return Ok(bytes);
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(failed("read", error)),
    }
    let mut random = Zeroizing::new([0; 32]);
    getrandom::fill(&mut *random).map_err(|error| failed("made", io::Error::other(error.to_string())))?;
    let mut text = Zeroizing::new(Vec::with_capacity(65));
    for byte in random.iter() {
        write!(text, "{byte:02x}").map_err(|error| failed("made", error))?;
    }
    text.push(b'\n');
    private_file::write(path, |file| file.write_all(&text)).map_err(|error| failed("written", error))?;
    Ok(text)
}

fn seed_of_hex(text: &[u8]) -> Option<Zeroizing<[u8; 32]>> {
    let digits = text.trim_ascii();
    let mut seed = Zeroizing::new([0; 32]);
    if digits.len() != 2 * seed.len() {
        return None;
    }
    for (byte, pair) in seed.iter_mut().zip(digits.chunks_exact(2)) {
        let digit = |digit: Option<&u8>| char::from(*digit?).to_digit(16);
        *byte = u8::try_from(digit(pair.first())? << 4 | digit(pair.last())?).ok()?;
    }
    Some(seed)
}

/// A token may be somebody's own, but not a short one, nor one that a header cannot carry.
fn checked_token(path: &Path, text: &[u8]) -> Result<String, DataDirError> {
    let token = text.trim_ascii();
    if token.len() < TOKEN_CHARS_MIN || !token.iter().all(u8::is_ascii_graphic) {
        return Err(DataDirError::File {
            what: "token",
            path: path.to_owned(),
            problem: format!(
                "at least {TOKEN_CHARS_MIN} letters, digits or signs without blanks are wanted: move it away and start the node again, which makes a new one"
            ),
        });
    }
    Ok(token.iter().copied().map(char::from).collect())
}
