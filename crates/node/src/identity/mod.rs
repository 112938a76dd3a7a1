//! Chat identities: the keys that say who is speaking, in one file of the data directory. Never the key of the node, nor
//! that of an account; never prints, logs or sends a secret.
//!
//! What is in memory is what is on the disk: a change is written first. With a passphrase the secrets are sealed on the
//! disk, and locked after a start; keys and nicks can be seen all the same.
//!
//! **Every method that changes something, and every one that takes a passphrase, blocks**: the disk may be slow, and a
//! passphrase takes 0.1 s or more of a processor and 64 MiB. On a task they are called by [`Identities::off_the_tasks`].

pub mod armour;
mod error;
pub mod file;
pub mod lookalike;
pub mod passphrase;
mod which;

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nightjar_core::chain::Network;
use nightjar_core::record::LIFETIME_S_MAX;
use nightjar_core::time::Wall;
use nightjar_envelope::key::{ChatKey, ChatSecret};
use nightjar_envelope::map::HandOver;
use zeroize::Zeroizing;

use crate::private_file;
use file::{Contents, FILE_BYTES_MAX, IDENTITIES_MAX, PROOF_BYTES_MAX, PROOFS_MAX, Secrets, nick_of};
use passphrase::{Cost, SealKey};

pub use error::{
    ChangeError, ExportError, ImportError, LoadError, LockError, Locked, PassphraseError, SecretError, TimeError,
    WriteError,
};
pub use file::{Identity, Proof, UnlockError};
pub use nightjar_envelope::key::SHORT_DIGITS;
pub use which::{DEFAULT, KEY_DIGITS_MIN, NOBODY, WhichError};

/// So far ahead author's times are written down as used, so that not every message waits for the disk. After a kill they
/// go on from there; it is less than the shortest life of a record, whose expiry no author's time may pass.
const TIMES_AHEAD_MS: u64 = 5_000;
/// An author's time further ahead of the clock than this fits into no record.
const TIME_AHEAD_MS_MAX: u64 = LIFETIME_S_MAX as u64 * 1000;

/// The identities of a data directory. A clone is the same ones.
#[derive(Clone)]
pub struct Identities {
    shared: Arc<Shared>,
}

/// Locks are taken in this order, and only the first is held while something is slow.
struct Shared {
    path: PathBuf,
    /// Whose turn it is to change something.
    turn: Mutex<()>,
    /// The last time that each identity was given. Those that were given none since the start go on from the file.
    times: Mutex<HashMap<ChatKey, u64>>,
    /// What is on the disk.
    contents: Mutex<Contents>,
}

impl Identities {
    /// Reads the file, if there is one. What cannot be read is neither repaired nor overwritten.
    pub fn load(path: &Path) -> Result<Self, LoadError> {
        let unreadable = |error: io::Error| LoadError::Unreadable { path: path.to_owned(), error };
        let contents = match private_file::read(path, FILE_BYTES_MAX as u64).map(Zeroizing::new) {
            Ok(bytes) => {
                if File::open(path).and_then(|file| private_file::tighten(&file)).map_err(unreadable)? {
                    tracing::warn!("identities {path:?} could be read by other users: closed (0600)");
                }
                Contents::read(&bytes).map_err(|fault| LoadError::Fault { path: path.to_owned(), fault })?
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Contents::empty(),
            Err(error) => return Err(unreadable(error)),
        };
        let shared = Shared {
            path: path.to_owned(),
            turn: Mutex::new(()),
            times: Mutex::new(HashMap::new()),
            contents: Mutex::new(contents),
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Runs something that blocks where it may.
    pub async fn off_the_tasks<T: Send + 'static>(&self, act: impl FnOnce(&Self) -> T + Send + 'static) -> T {
        let identities = self.clone();
        match tokio::task::spawn_blocking(move || act(&identities)).await {
            Ok(done) => done,
            // It cannot be cancelled once it runs, so it is over only by a panic, which goes on here.
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        }
    }

    /// Whether the secrets wait for a passphrase.
    pub fn locked(&self) -> bool {
        self.contents().locked()
    }

    /// Whether there is a passphrase.
    pub fn has_passphrase(&self) -> bool {
        self.contents().has_passphrase()
    }

    /// All of them, in the order in which they came. Seen without the passphrase too.
    pub fn list(&self) -> Vec<Identity> {
        self.contents().identities.clone()
    }

    /// The one that is meant by `default`, a nick, or at least four digits of its key. One that ended is meant only when
    /// no other can be.
    pub fn find(&self, which: &str) -> Result<Identity, WhichError> {
        let contents = self.contents();
        let place = which::find(&contents.identities, which)?;
        Ok(identity(&contents, place).clone())
    }

    /// Opens the secrets. The passphrase is looked at also when they are open already.
    pub fn unlock(&self, passphrase: &str) -> Result<(), UnlockError> {
        let _turn = self.turn();
        // Not under the lock of the contents: it takes a while.
        let contents = self.contents().clone();
        if !contents.has_passphrase() {
            return Err(UnlockError::NoPassphrase);
        }
        let locked = if contents.locked() { contents } else { relocked(&contents).map_err(UnlockError::Chance)? };
        let open = locked.unlocked(passphrase)?;
        *self.contents() = open;
        Ok(())
    }

    /// Forgets the secrets and the key until the next [`Identities::unlock`]. What others hold of them stays with them.
    pub fn lock(&self) -> Result<(), LockError> {
        let _turn = self.turn();
        let open = self.contents().clone();
        if !open.has_passphrase() {
            return Err(LockError::NoPassphrase);
        }
        *self.contents() = relocked(&open).map_err(LockError::Chance)?;
        Ok(())
    }

    /// Sets, changes or (with no new one) takes away the passphrase. The secrets are open afterwards.
    pub fn set_passphrase(&self, old: Option<&str>, new: Option<&str>) -> Result<(), PassphraseError> {
        let _turn = self.turn();
        let contents = self.contents().clone();
        let mut open = if contents.has_passphrase() {
            let old = old.ok_or(PassphraseError::OldWanted)?;
            // Asked for even when they are open: who comes by an open node must not be able to change it.
            relocked(&contents).map_err(WriteError::Chance)?.unlocked(old).map_err(PassphraseError::Old)?
        } else {
            contents
        };
        let key = match new {
            Some(new) => {
                let salt = random().map_err(WriteError::Chance)?;
                Some(SealKey::compute(new, salt, Cost::STANDARD).map_err(PassphraseError::New)?)
            }
            None => None,
        };
        if let Secrets::Open { key: before, .. } = &mut open.secrets {
            *before = key;
        }
        Ok(self.keep(open)?)
    }

    /// Makes a new key. The first identity is the default one.
    pub fn new_identity(&self, nick: Option<&str>, now: Wall) -> Result<Identity, ChangeError> {
        let nick = nick.map(own_nick).transpose()?;
        let mut seed = Zeroizing::new([0; 32]);
        getrandom::fill(&mut *seed).map_err(|error| WriteError::Chance(error.to_string()))?;
        let secret = ChatSecret::from_seed(&seed);
        let new = Identity {
            key: secret.public(),
            nick,
            made: now,
            default: false,
            revoked: None,
            replaced: None,
            used_up_to_ms: 0,
            proofs: Vec::new(),
        };
        self.change(|contents| {
            not_taken(&contents.identities, new.nick.as_deref(), new.key)?;
            add(contents, new, secret)
        })
    }

    /// Gives it another nick, or none.
    pub fn set_nick(&self, which: &str, nick: Option<&str>) -> Result<Identity, ChangeError> {
        let nick = nick.map(own_nick).transpose()?;
        self.change(|contents| {
            let place = which::find(&contents.identities, which)?;
            not_taken(&contents.identities, nick.as_deref(), identity(contents, place).key)?;
            identity_mut(contents, place).nick = nick;
            Ok(identity(contents, place).clone())
        })
    }

    /// Lets it speak when nobody says which.
    pub fn make_default(&self, which: &str) -> Result<Identity, ChangeError> {
        self.change(|contents| {
            let place = which::find(&contents.identities, which)?;
            set_default(contents, place)
        })
    }

    /// Ends it, because its key may be in other hands. Its secret stays: that its proofs no longer count is
    /// published again. Revoked once, it stays so, since the first time.
    pub fn revoke(&self, which: &str, now: Wall) -> Result<Identity, ChangeError> {
        self.change_one(which, |identity| {
            identity.revoked = identity.revoked.or(Some(now));
            identity.default = false;
            Ok(())
        })
    }

    /// Ends it in favour of another one of ours, which becomes the default if this was. When it ended is its author's time of the
    /// message that says so to others ([`Identities::hand_over_of`]): behind all that it said before.
    pub fn hand_over(&self, which: &str, to: &str, now: Wall) -> Result<Identity, ChangeError> {
        self.change(|contents| {
            let (from, to) = (which::find(&contents.identities, which)?, which::find(&contents.identities, to)?);
            let heir = identity(contents, to).clone();
            let leaving = identity_mut(contents, from);
            if from == to {
                return Err(ChangeError::Itself(heir.key));
            }
            if let Some(ended) = [&*leaving, &heir].into_iter().find(|identity| identity.ended()) {
                return Err(ChangeError::Ended(ended.key));
            }
            let said = self.times().get(&leaving.key).copied().unwrap_or(leaving.used_up_to_ms);
            leaving.replaced = Some((now.max(Wall(said.saturating_add(1))), heir.key));
            if std::mem::take(&mut leaving.default) {
                set_default(contents, to)?;
            }
            Ok(identity(contents, from).clone())
        })
    }

    /// Keeps what it shows for an account, in place of what it showed for that one before. When there are too many, one
    /// that is over makes room.
    pub fn add_proof(&self, which: &str, proof: Proof, now: Wall) -> Result<Identity, ChangeError> {
        if proof.bytes.len() > PROOF_BYTES_MAX {
            return Err(ChangeError::ProofTooLong(proof.bytes.len()));
        }
        self.change_one(which, |identity| {
            let proofs = &mut identity.proofs;
            proofs.retain(|other| other.account != proof.account);
            if proofs.len() >= PROOFS_MAX {
                proofs.retain(|other| other.until > now.unix_s());
            }
            if proofs.len() >= PROOFS_MAX {
                return Err(ChangeError::TooManyProofs);
            }
            proofs.push(proof);
            Ok(())
        })
    }

    /// Shows nothing for the account any more.
    pub fn remove_proof(&self, which: &str, account: u32) -> Result<Identity, ChangeError> {
        self.change_one(which, |identity| {
            identity.proofs.retain(|proof| proof.account != account);
            Ok(())
        })
    }

    /// The secret it speaks with. One that ended gives none.
    pub fn secret(&self, which: &str) -> Result<ChatSecret, SecretError> {
        let (identity, secret) = self.secret_of(which)?;
        if identity.ended() { Err(SecretError::Ended(identity.key)) } else { Ok(secret) }
    }

    /// The secret of one that may have ended: to publish again that it did, and for nothing else.
    pub fn secret_even_if_ended(&self, which: &str) -> Result<ChatSecret, SecretError> {
        Ok(self.secret_of(which)?.1)
    }

    /// What one that was handed over tells others, agreed to by the one that speaks in its place: `None` while the secrets are locked,
    /// and where that one is not ours.
    pub fn hand_over_of(&self, identity: &Identity, network: Network) -> Option<HandOver> {
        let (_, heir) = identity.replaced?;
        let Secrets::Open { secrets, .. } = &self.contents().secrets else { return None };
        let heir = secrets.iter().find(|secret| secret.public() == heir)?;
        Some(HandOver::agreed(network, &identity.key, heir))
    }

    /// All secrets, to open what was sealed for one of them: also of those that ended, for what was sent before.
    pub fn opening_secrets(&self) -> Result<Vec<ChatSecret>, Locked> {
        match &self.contents().secrets {
            Secrets::Open { secrets, .. } => Ok(secrets.clone()),
            Secrets::Locked(_) => Err(Locked),
        }
    }

    /// The time of its next message: `now`, or one millisecond after the last. Strictly rising, over restarts too. Now and
    /// then it is written to the disk.
    pub fn next_time_ms(&self, which: &str, now: Wall) -> Result<u64, TimeError> {
        if let Some(time) = self.time_in_memory(which, now)? {
            return Ok(time);
        }
        let _turn = self.turn();
        // Another one may have written it down in the meantime.
        if let Some(time) = self.time_in_memory(which, now)? {
            return Ok(time);
        }
        let mut contents = self.contents().clone();
        let place = which::find(&contents.identities, which)?;
        let reserved = identity_mut(&mut contents, place);
        let key = reserved.key;
        let last = self.times().get(&key).copied().unwrap_or(reserved.used_up_to_ms);
        let time = next_after(key, last, now)?;
        reserved.used_up_to_ms = time.saturating_add(TIMES_AHEAD_MS);
        self.keep(contents)?;
        self.times().insert(key, time);
        Ok(time)
    }

    /// A text from which [`Identities::import`] makes the identity elsewhere; it says what it is. Without a passphrase it
    /// says the secret to whoever sees it.
    pub fn export(&self, which: &str, passphrase: Option<&str>) -> Result<Zeroizing<String>, ExportError> {
        let (identity, secret) = self.secret_of(which)?;
        let key = match passphrase {
            Some(passphrase) => {
                let salt = random().map_err(ExportError::Chance)?;
                Some(SealKey::compute(passphrase, salt, Cost::STANDARD)?)
            }
            None => None,
        };
        let alone = Contents {
            identities: vec![Identity { default: false, ..identity }],
            secrets: Secrets::Open { secrets: vec![secret], key },
        };
        let bytes = alone.write(random().map_err(ExportError::Chance)?).expect("it is open");
        Ok(armour::write(&alone, &bytes))
    }

    /// Takes in an exported identity, with its passphrase if it has one.
    pub fn import(&self, text: &[u8], passphrase: Option<&str>) -> Result<Identity, ImportError> {
        let alone = armour::read(text)?;
        let open = match passphrase {
            Some(passphrase) => alone.unlocked(passphrase)?,
            None => alone,
        };
        let Secrets::Open { secrets, .. } = open.secrets else { return Err(ImportError::PassphraseWanted) };
        let (identity, secret) =
            open.identities.into_iter().zip(secrets).next().expect("an armoured text holds one identity");
        Ok(self.change(|contents| add(contents, Identity { default: false, ..identity }, secret))?)
    }

    /// The next time if it was written down already that it may have been used.
    fn time_in_memory(&self, which: &str, now: Wall) -> Result<Option<u64>, TimeError> {
        let mut times = self.times();
        let contents = self.contents();
        let identity = identity(&contents, which::find(&contents.identities, which)?);
        let last = times.get(&identity.key).copied().unwrap_or(identity.used_up_to_ms);
        let time = next_after(identity.key, last, now)?;
        if time > identity.used_up_to_ms {
            return Ok(None);
        }
        times.insert(identity.key, time);
        Ok(Some(time))
    }

    fn secret_of(&self, which: &str) -> Result<(Identity, ChatSecret), SecretError> {
        let contents = self.contents();
        let place = which::find(&contents.identities, which)?;
        match &contents.secrets {
            Secrets::Locked(_) => Err(Locked.into()),
            Secrets::Open { secrets, .. } => {
                let secret = secrets.get(place).expect("there is a secret for each identity").clone();
                Ok((identity(&contents, place).clone(), secret))
            }
        }
    }

    fn change_one(
        &self,
        which: &str,
        act: impl FnOnce(&mut Identity) -> Result<(), ChangeError>,
    ) -> Result<Identity, ChangeError> {
        self.change(|contents| {
            let place = which::find(&contents.identities, which)?;
            let changed = identity_mut(contents, place);
            act(changed)?;
            Ok(changed.clone())
        })
    }

    /// Changes a copy, writes it down, and takes it for the truth: a change that fails has not happened.
    fn change<T>(&self, act: impl FnOnce(&mut Contents) -> Result<T, ChangeError>) -> Result<T, ChangeError> {
        let _turn = self.turn();
        let mut contents = self.contents().clone();
        if contents.locked() {
            return Err(WriteError::Locked(Locked).into());
        }
        let done = act(&mut contents)?;
        self.keep(contents)?;
        Ok(done)
    }

    /// Only in one's turn.
    fn keep(&self, contents: Contents) -> Result<(), WriteError> {
        let bytes = contents.write(random().map_err(WriteError::Chance)?).ok_or(Locked)?;
        private_file::write(&self.shared.path, |file| file.write_all(&bytes))
            .map_err(|error| WriteError::Unwritable { path: self.shared.path.clone(), error })?;
        *self.contents() = contents;
        Ok(())
    }

    // All three hold whole values at any moment, so a panic elsewhere leaves nothing half done.
    fn turn(&self) -> MutexGuard<'_, ()> {
        self.shared.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn times(&self) -> MutexGuard<'_, HashMap<ChatKey, u64>> {
        self.shared.times.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn contents(&self) -> MutexGuard<'_, Contents> {
        self.shared.contents.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Says how many, and nothing of the secrets.
impl std::fmt::Debug for Identities {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Identities")
            .field("path", &self.shared.path)
            .field("contents", &*self.contents())
            .finish_non_exhaustive()
    }
}

/// A nick that an identity of ours may have.
fn own_nick(typed: &str) -> Result<String, ChangeError> {
    let nick = nick_of(typed)?;
    if [DEFAULT, NOBODY].contains(&nick.as_str()) { Err(ChangeError::Reserved(nick)) } else { Ok(nick) }
}

/// Two that answer to one nick could not be told apart by it.
fn not_taken(identities: &[Identity], nick: Option<&str>, except: ChatKey) -> Result<(), ChangeError> {
    let Some(nick) = nick else { return Ok(()) };
    let has_it = |other: &&Identity| other.key != except && !other.ended() && other.nick.as_deref() == Some(nick);
    match identities.iter().find(has_it) {
        Some(other) => Err(ChangeError::Taken { nick: nick.to_owned(), key: other.key }),
        None => Ok(()),
    }
}

fn add(contents: &mut Contents, new: Identity, secret: ChatSecret) -> Result<Identity, ChangeError> {
    if contents.identities.iter().any(|other| other.key == new.key) {
        return Err(ChangeError::AlreadyHere(new.key));
    }
    if contents.identities.len() >= IDENTITIES_MAX {
        return Err(ChangeError::TooMany);
    }
    let Secrets::Open { secrets, .. } = &mut contents.secrets else { return Err(WriteError::Locked(Locked).into()) };
    let new = Identity { default: !new.ended() && !contents.identities.iter().any(|other| other.default), ..new };
    secrets.push(secret);
    contents.identities.push(new.clone());
    Ok(new)
}

fn set_default(contents: &mut Contents, place: usize) -> Result<Identity, ChangeError> {
    let chosen = identity(contents, place).key;
    if identity(contents, place).ended() {
        return Err(ChangeError::Ended(chosen));
    }
    contents.identities.iter_mut().for_each(|identity| identity.default = identity.key == chosen);
    Ok(identity(contents, place).clone())
}

fn identity(contents: &Contents, place: usize) -> &Identity {
    contents.identities.get(place).expect("the place was found among them")
}

fn identity_mut(contents: &mut Contents, place: usize) -> &mut Identity {
    contents.identities.get_mut(place).expect("the place was found among them")
}

fn next_after(key: ChatKey, last: u64, now: Wall) -> Result<u64, TimeError> {
    let time = now.0.max(last.saturating_add(1));
    let ahead = time - now.0;
    if ahead > TIME_AHEAD_MS_MAX {
        return Err(TimeError::ClockBehind { key, ahead_s: ahead / 1000 });
    }
    Ok(time)
}

/// The same as it would be read from the disk.
fn relocked(contents: &Contents) -> Result<Contents, String> {
    match contents.write(random()?) {
        Some(bytes) => Ok(Contents::read(&bytes).expect("what was written can be read")),
        None => Ok(contents.clone()),
    }
}

fn random<const N: usize>() -> Result<[u8; N], String> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| error.to_string())?;
    Ok(bytes)
}
