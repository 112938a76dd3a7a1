//! PascalCoin's password form: what a wallet writes when a user seals a payload with a password, OpenSSL's `enc` container with SHA-256
//! and one round. It has *no authentication*: of all wrong passwords one in 256 opens something, and who holds the container can change
//! what it says. One round makes guessing passwords cheap, too. It is here to talk with wallets, not to keep secrets.

use aes::Aes256;
use cbc::cipher::block_padding::Pkcs7;
use cbc::cipher::{BlockModeDecrypt as _, BlockModeEncrypt as _, KeyIvInit as _};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use crate::rand_core::CryptoRng;

/// What the container begins with.
const MAGIC: [u8; 8] = *b"Salted__";
/// Bytes of the salt.
pub const SALT_BYTES: usize = 8;
const BLOCK_BYTES: usize = 16;

/// Bytes of the container of so many bytes: with magic and salt, and padded to whole blocks.
pub const fn sealed_bytes(plaintext: usize) -> usize {
    MAGIC.len() + SALT_BYTES + (plaintext / BLOCK_BYTES + 1) * BLOCK_BYTES
}

/// Seals with a password, as bytes: a wallet takes those of its UTF-8.
pub fn seal(password: &[u8], plaintext: &[u8], rng: &mut impl CryptoRng) -> Vec<u8> {
    let mut salt = [0; SALT_BYTES];
    rng.fill_bytes(&mut salt);
    seal_with_salt(password, plaintext, salt)
}

/// The same with a salt that is given.
pub fn seal_with_salt(password: &[u8], plaintext: &[u8], salt: [u8; SALT_BYTES]) -> Vec<u8> {
    let (key, iv) = key_and_iv(password, &salt);
    let sealed = cbc::Encryptor::<Aes256>::new((&*key).into(), (&*iv).into()).encrypt_padded_vec::<Pkcs7>(plaintext);
    [MAGIC.as_slice(), &salt, &sealed].concat()
}

/// What this password opens; `None` when the padding shows that it is the wrong one, or that this is no such container. A container
/// without the magic is one without salt.
pub fn open(password: &[u8], container: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let (salt, sealed) = match container.strip_prefix(&MAGIC) {
        Some(rest) => rest.split_at_checked(SALT_BYTES)?,
        None => ([].as_slice(), container),
    };
    let (key, iv) = key_and_iv(password, salt);
    let cipher = cbc::Decryptor::<Aes256>::new((&*key).into(), (&*iv).into());
    cipher.decrypt_padded_vec::<Pkcs7>(sealed).ok().map(Zeroizing::new)
}

fn key_and_iv(password: &[u8], salt: &[u8]) -> (Zeroizing<[u8; 32]>, Zeroizing<[u8; BLOCK_BYTES]>) {
    let hash = |parts: &[&[u8]]| -> Zeroizing<[u8; 32]> {
        Zeroizing::new(parts.iter().fold(Sha256::new(), |hash, part| hash.chain_update(part)).finalize().into())
    };
    let key = hash(&[password, salt]);
    let iv = hash(&[key.as_slice(), password, salt]);
    let iv = Zeroizing::new(*iv.first_chunk().expect("a SHA-256 has 32 bytes"));
    (key, iv)
}
