//! The file in which a wallet keeps its keys: read, and its private keys taken out with the wallet's password. Never writes one, and
//! never opens a file: the bytes come in.
//!
//! The file is not authenticated. Each private key lies in a password container of its own ([`aes_form`]), most often under the empty
//! password, so the bytes of the file are as secret as the keys: they are wiped here, and whoever read them should wipe its copy.

use std::borrow::Cow;
use std::fmt;

use zeroize::Zeroizing;

use crate::aes_form;
use crate::key::{KeyError, PrivateKey, PrivateKeyError, PublicKey, Unsupported};

/// The longest file that is read: room for all keys with long names. A wallet has a few keys, a pool's a few thousand.
pub const FILE_BYTES_MAX: usize = 8 << 20;
/// The most keys of one file.
pub const KEYS_MAX: usize = 16_384;
/// The longest name of a key. People write them; a daemon names its own by date and time, in 40 bytes.
pub const NAME_BYTES_MAX: usize = 1_024;
/// The longest container of a private key. The largest scalar, of secp521r1, takes 160 bytes.
pub const CONTAINER_BYTES_MAX: usize = 256;

/// The keys of a wallet, in the file's order.
#[derive(Debug)]
pub struct WalletFile {
    keys: Vec<WalletKey>,
}

impl WalletFile {
    /// Reads a whole file. Every length and the count of keys is compared with its limit and with the bytes that are there.
    pub fn parse(file: &[u8]) -> Result<Self, WalletFileError> {
        if file.len() > FILE_BYTES_MAX {
            return Err(WalletFileError::TooLong { bytes: file.len() });
        }
        let mut rest = file.strip_prefix(MAGIC).ok_or(WalletFileError::NotAWallet)?;
        let version = take_u32(&mut rest).ok_or(WalletFileError::Truncated { key: None })?;
        if version != VERSION {
            return Err(WalletFileError::Version { version });
        }
        let count = take_u32(&mut rest).ok_or(WalletFileError::Truncated { key: None })?;
        let count = usize::try_from(count).ok().filter(|count| *count <= KEYS_MAX);
        let count = count.ok_or(WalletFileError::TooManyKeys)?;
        // Grows with what is really there: the count alone reserves nothing.
        let mut keys = Vec::new();
        for number in 1..=count {
            keys.push(WalletKey::take(&mut rest, number)?);
        }
        match rest.len() {
            0 => Ok(Self { keys }),
            bytes => Err(WalletFileError::Trailing { bytes }),
        }
    }

    /// All keys.
    pub fn keys(&self) -> &[WalletKey] {
        &self.keys
    }

    /// The key whose public half this is, however many leading zeros its coordinates carry.
    pub fn find(&self, public: &PublicKey) -> Option<&WalletKey> {
        self.keys.iter().find(|key| key.public.same_point(public))
    }
}

/// One key of a wallet: its name, its public half, and the private one under the wallet's password.
pub struct WalletKey {
    name: Vec<u8>,
    public: PublicKey,
    /// Wiped, for under the empty password it hides nothing.
    container: Zeroizing<Vec<u8>>,
}

impl WalletKey {
    /// The name that its owner gave it, for display. Names are not unique, and no wallet promises that they are UTF-8: what is not is
    /// replaced.
    pub fn name(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.name)
    }

    /// The public key.
    pub fn public_key(&self) -> &PublicKey {
        &self.public
    }

    /// Whether the file has the private key at all: a wallet may watch a key of others.
    pub fn has_private_key(&self) -> bool {
        !self.container.is_empty()
    }

    /// The private key, by the password of the wallet as bytes (those of its UTF-8), empty if it has none. The key is compared with the
    /// public one, so that neither a wrong password nor a file that was changed gives another key.
    pub fn decrypt(&self, password: &[u8]) -> Result<PrivateKey, DecryptError> {
        if !self.has_private_key() {
            return Err(DecryptError::PublicOnly);
        }
        let text = aes_form::open(password, &self.container).ok_or(DecryptError::Password)?;
        let scalar = unhex(&text).ok_or(DecryptError::Password)?;
        let key = PrivateKey::from_scalar(self.public.curve(), &scalar).map_err(|error| match error {
            PrivateKeyError::Unsupported(unsupported) => DecryptError::Unsupported(unsupported),
            PrivateKeyError::OutOfRange(_) => DecryptError::OtherKey,
        })?;
        if !key.public_key().same_point(&self.public) {
            return Err(DecryptError::OtherKey);
        }
        Ok(key)
    }

    fn take(rest: &mut &[u8], number: usize) -> Result<Self, WalletFileError> {
        let cut = WalletFileError::Truncated { key: Some(number) };
        let name = take_text(rest).ok_or(cut.clone())?;
        if name.len() > NAME_BYTES_MAX {
            return Err(WalletFileError::NameTooLong { key: number, bytes: name.len() });
        }
        let parsed = PublicKey::parse_raw(rest);
        let (public, bytes) = parsed.map_err(|error| WalletFileError::PublicKey { key: number, error })?;
        *rest = rest.get(bytes..).ok_or(cut.clone())?;
        let container = take_text(rest).ok_or(cut)?;
        if container.len() > CONTAINER_BYTES_MAX {
            return Err(WalletFileError::ContainerTooLong { key: number, bytes: container.len() });
        }
        Ok(Self { name: name.to_vec(), public, container: Zeroizing::new(container.to_vec()) })
    }
}

/// Name and public key alone.
impl fmt::Debug for WalletKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WalletKey({:?}, {:?}, ..)", self.name(), self.public)
    }
}

/// Why bytes are no wallet file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WalletFileError {
    /// Longer than any wallet.
    #[error(
        "the file has {bytes} bytes; a wallet of PascalCoin has at most {FILE_BYTES_MAX}: take the file of its keys"
    )]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// It does not begin as a wallet does.
    #[error(
        "the file is no wallet of PascalCoin: it does not begin with TWalletKeys; take WalletKeys.dat from the wallet's folder"
    )]
    NotAWallet,
    /// A version nobody has described.
    #[error(
        "the wallet file is of version {version}, and only version {VERSION} is known: export the key from the wallet instead"
    )]
    Version {
        /// Its version.
        version: u32,
    },
    /// More keys than anybody has.
    #[error("the wallet file claims more than {KEYS_MAX} keys: it is damaged")]
    TooManyKeys,
    /// The file ends before what it promises.
    #[error("the wallet file ends early, {}: copy it again", key.map_or("in its first bytes".to_owned(), |key| format!("in key {key}")))]
    Truncated {
        /// In which key, counted from 1; `None` before the first.
        key: Option<usize>,
    },
    /// A name that nobody gave.
    #[error(
        "the name of key {key} in the wallet file has {bytes} bytes, at most {NAME_BYTES_MAX} are read: give the key a shorter one"
    )]
    NameTooLong {
        /// Which key, counted from 1.
        key: usize,
        /// The length it claims.
        bytes: usize,
    },
    /// A public key that is none.
    #[error("key {key} of the wallet file cannot be read: {error}")]
    PublicKey {
        /// Which key, counted from 1.
        key: usize,
        /// What is wrong.
        error: KeyError,
    },
    /// No private key is so long.
    #[error(
        "the private part of key {key} in the wallet file has {bytes} bytes, at most {CONTAINER_BYTES_MAX} belong there: it is damaged"
    )]
    ContainerTooLong {
        /// Which key, counted from 1.
        key: usize,
        /// The length it claims.
        bytes: usize,
    },
    /// Something stands behind the last key.
    #[error("{bytes} bytes follow the last key of the wallet file: it is damaged, or of a newer wallet")]
    Trailing {
        /// How many.
        bytes: usize,
    },
}

/// Why a private key did not come out of a wallet file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecryptError {
    /// Only the public key is there.
    #[error("the wallet file has only the public half of this key: take the wallet that owns it")]
    PublicOnly,
    /// What came out is no private key.
    #[error("the wallet's password is another one, or the key is damaged: try the password with the wallet itself")]
    Password,
    /// A private key came out that is not the one.
    #[error(
        "the private key in the wallet file does not belong to the public one beside it: the file was changed or damaged"
    )]
    OtherKey,
    /// It may be right; this build cannot tell.
    #[error(transparent)]
    Unsupported(#[from] Unsupported),
}

/// Eleven letters behind their length.
const MAGIC: &[u8] = b"\x0b\x00TWalletKeys";
const VERSION: u32 = 100;

/// What hex stands for, wiped when dropped. Wallets write capitals; the comparison with the public key decides, so small letters do no
/// harm.
fn unhex(text: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let digit = |byte: &u8| char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let (pairs, odd) = text.as_chunks::<2>();
    // Filled in place: a vector that grew would leave copies behind.
    let mut bytes = Zeroizing::new(vec![0; pairs.len()]);
    for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
        *byte = digit(high)? << 4 | digit(low)?;
    }
    (odd.is_empty() && !pairs.is_empty()).then_some(bytes)
}

fn take_u32(rest: &mut &[u8]) -> Option<u32> {
    let (bytes, after) = rest.split_first_chunk()?;
    *rest = after;
    Some(u32::from_le_bytes(*bytes))
}

/// Bytes behind their length, which is a u16.
fn take_text<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (length, after) = rest.split_first_chunk()?;
    let (text, after) = after.split_at_checked(u16::from_le_bytes(*length).into())?;
    *rest = after;
    Some(text)
}
