//! What can go wrong with chat identities, one type for each act.

use std::io;
use std::path::PathBuf;

use nightjar_core::name::NameError;
use nightjar_envelope::key::ChatKey;

use super::armour::ArmourFault;
use super::file::{FileFault, IDENTITIES_MAX, PROOF_BYTES_MAX, PROOFS_MAX, UnlockError};
use super::passphrase::UnusablePassphrase;
use super::which::WhichError;
use crate::private_file::advice;

/// The file cannot be used. It is left as it is.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The disk or the rights.
    #[error("identities {path:?} cannot be read: {error}: look after its rights and the disk")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// It is not what was written, or not by this program.
    #[error(
        "identities {path:?}: {fault}: restore a backup or, if there is none, move it away and make or import identities anew"
    )]
    Fault {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        fault: FileFault,
    },
}

/// The secrets wait for their passphrase.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the chat keys are locked: `identity unlock` opens them")]
pub struct Locked;

/// They stay unlocked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LockError {
    /// Nothing could open them again.
    #[error("the chat keys have no passphrase: `identity passphrase` sets one, then they can be locked")]
    NoPassphrase,
    /// The system gives no random numbers.
    #[error("the system gives no random numbers: {0}")]
    Chance(String),
}

/// Nothing was written down, and nothing changed.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The disk or the rights.
    #[error(
        "identities {path:?} cannot be written: {error}: {}; nothing was changed",
        advice(error, "look after the disk")
    )]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// The system gives no random numbers.
    #[error("the system gives no random numbers: {0}; nothing was changed")]
    Chance(String),
    /// The secrets wait for their passphrase, and could not be written down again.
    #[error(transparent)]
    Locked(#[from] Locked),
}

/// Nothing changed.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// It could not be written down.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// Nobody is meant, or several are.
    #[error(transparent)]
    Which(#[from] WhichError),
    /// The nick is none.
    #[error(transparent)]
    Nick(#[from] NameError),
    /// It is a word of this program.
    #[error("nobody can be called {0:?}: it is the word for an identity, or for none; choose another nick")]
    Reserved(String),
    /// Another one of ours has it.
    #[error("identity {key} is called {nick:?} already: choose another nick, or give that one another")]
    Taken {
        /// The nick.
        nick: String,
        /// Who has it.
        key: ChatKey,
    },
    /// There are enough.
    #[error(
        "there are {IDENTITIES_MAX} identities, the most that a node keeps: a data directory of its own is for more"
    )]
    TooMany,
    /// It ended.
    #[error("identity {0} was revoked or replaced: it cannot speak again; choose another, or make a new one")]
    Ended(ChatKey),
    /// It stands in its own place.
    #[error("identity {0} cannot replace itself: make a new one first")]
    Itself(ChatKey),
    /// It is there.
    #[error("identity {0} is here already: nothing was imported")]
    AlreadyHere(ChatKey),
    /// It shows enough accounts.
    #[error("an identity shows at most {PROOFS_MAX} accounts: take one away first")]
    TooManyProofs,
    /// No proof is so long.
    #[error("a proof of {0} bytes is none: the most is {PROOF_BYTES_MAX}")]
    ProofTooLong(usize),
}

/// The passphrase stays what it was.
#[derive(Debug, thiserror::Error)]
pub enum PassphraseError {
    /// There is one already, and it was not given.
    #[error(
        "the chat keys have a passphrase: give it along with the new one (`identity passphrase --change` asks for both)"
    )]
    OldWanted,
    /// The old one is wrong, or cannot be used.
    #[error("the old passphrase does not open the identities: {0}")]
    Old(#[source] UnlockError),
    /// The new one cannot be used.
    #[error("the new passphrase cannot be used: {0}")]
    New(#[source] UnusablePassphrase),
    /// It could not be written down.
    #[error(transparent)]
    Write(#[from] WriteError),
}

/// The secret is not given out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    /// Nobody is meant, or several are.
    #[error(transparent)]
    Which(#[from] WhichError),
    /// It waits for the passphrase.
    #[error(transparent)]
    Locked(#[from] Locked),
    /// It ended.
    #[error("identity {0} was revoked or replaced and does not speak any more: name another")]
    Ended(ChatKey),
}

/// There is no text.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The secret is not given out.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// The passphrase cannot be used.
    #[error("the export cannot be protected: {0}")]
    Passphrase(#[from] UnusablePassphrase),
    /// The system gives no random numbers.
    #[error("the system gives no random numbers: {0}")]
    Chance(String),
}

/// Nothing was taken in.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The text is no identity.
    #[error(transparent)]
    Armour(#[from] ArmourFault),
    /// It was exported with a passphrase, and none was given.
    #[error(
        "the exported identity is protected: give the passphrase that it was exported with (`identity import --passphrase` asks for it)"
    )]
    PassphraseWanted,
    /// The passphrase is wrong, or cannot be used.
    #[error("the exported identity stays locked: {0}")]
    Unlock(#[from] UnlockError),
    /// It could not be added.
    #[error(transparent)]
    Change(#[from] ChangeError),
}

/// There is no time for a message.
#[derive(Debug, thiserror::Error)]
pub enum TimeError {
    /// Nobody is meant, or several are.
    #[error(transparent)]
    Which(#[from] WhichError),
    /// The time could not be written down, and could be given out again by the next start.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// It spoke at a later time than it is now.
    #[error(
        "identity {key} last spoke {ahead_s} s ahead of this machine's clock, and its times must rise: set the clock, wait, or let another identity take its place"
    )]
    ClockBehind {
        /// The identity.
        key: ChatKey,
        /// Seconds between the clock and its next time.
        ahead_s: u64,
    },
}
