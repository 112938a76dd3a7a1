//! What a passphrase closes: Argon2id makes the key, ChaCha20-Poly1305 seals with it. Never stores or logs a passphrase.

use argon2::{Algorithm, Argon2, Params, Version};
use chacha20poly1305::aead::inout::InOutBuf;
use chacha20poly1305::{AeadInOut as _, ChaCha20Poly1305, KeyInit as _};
use unicode_normalization::UnicodeNormalization as _;
use zeroize::Zeroizing;

/// The longest passphrase. Nobody types more; a program that hands over a file by mistake is told.
pub const PASSPHRASE_BYTES_MAX: usize = 1024;
/// Bytes that a seal adds.
pub(super) const TAG_BYTES: usize = 16;
pub(super) const SALT_BYTES: usize = 16;
pub(super) const NONCE_BYTES: usize = 12;
/// The most memory that a file may ask for, in KiB: four times today's, which a node in 1 GiB still has to spare.
const MEMORY_KIB_MAX: u32 = 256 << 10;
/// The most passes that a file may ask for: with the most memory it takes some seconds.
const PASSES_MAX: u32 = 16;
/// The most lanes that a file may ask for. One is used.
const LANES_MAX: u32 = 8;

/// What one try at a passphrase costs. It stands in the file, so that it can rise later; a file may not ask for any amount.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    memory_kib: u32,
    passes: u32,
    lanes: u32,
}

impl Cost {
    /// What new seals cost: 64 MiB, three passes; RFC 9106 recommends it where memory is scarce, with one lane instead of
    /// four because only one is computed at a time.
    pub const STANDARD: Self = Self { memory_kib: 64 << 10, passes: 3, lanes: 1 };

    /// The cost that a file names; `None` when it is none of Argon2's, or more than a file may ask for.
    pub fn bounded(memory_kib: u32, passes: u32, lanes: u32) -> Option<Self> {
        let bounded = memory_kib <= MEMORY_KIB_MAX && passes <= PASSES_MAX && lanes <= LANES_MAX;
        let cost = Self { memory_kib, passes, lanes };
        (bounded && cost.params().is_some()).then_some(cost)
    }

    pub(super) const fn parts(&self) -> [u32; 3] {
        [self.memory_kib, self.passes, self.lanes]
    }

    fn params(&self) -> Option<Params> {
        Params::new(self.memory_kib, self.passes, self.lanes, Some(32)).ok()
    }
}

/// The passphrase cannot be used. None of these says anything about a stored one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnusablePassphrase {
    /// Nothing was typed.
    #[error("the passphrase is empty: type at least one character, or give none at all")]
    Empty,
    /// Longer than a passphrase is.
    #[error("the passphrase has {0} bytes: the most is {PASSPHRASE_BYTES_MAX}")]
    TooLong(usize),
    /// Not enough memory.
    #[error("the key of the passphrase cannot be computed: {} MiB of memory are wanted for a moment", .0 >> 10)]
    Memory(u32),
}

/// The key that a passphrase came to, and what it was made with. Wiped from memory when dropped.
#[derive(Clone)]
pub(super) struct SealKey {
    pub(super) salt: [u8; SALT_BYTES],
    pub(super) cost: Cost,
    key: Zeroizing<[u8; 32]>,
}

impl SealKey {
    /// Computes it: 0.1 s or more, and tens of MiB. Only where it may block.
    ///
    /// The same text typed on another machine must be the same bytes, so it is composed first (NFC); nothing is trimmed.
    pub(super) fn compute(passphrase: &str, salt: [u8; SALT_BYTES], cost: Cost) -> Result<Self, UnusablePassphrase> {
        if passphrase.is_empty() {
            return Err(UnusablePassphrase::Empty);
        }
        if passphrase.len() > PASSPHRASE_BYTES_MAX {
            return Err(UnusablePassphrase::TooLong(passphrase.len()));
        }
        // Reserved for the longest, so that no copy of a part stays behind when it grows: one character becomes three at the most.
        let mut composed = Zeroizing::new(String::with_capacity(3 * passphrase.len()));
        composed.extend(passphrase.nfc());
        let mut key = Zeroizing::new([0; 32]);
        let params = cost.params().expect("a cost was checked when it was made");
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password_into(composed.as_bytes(), &salt, &mut *key)
            .map_err(|_| UnusablePassphrase::Memory(cost.memory_kib))?;
        Ok(Self { salt, cost, key })
    }

    /// Seals the bytes where they lie; the tag stands behind them. `beside` is not sealed, and cannot be changed either.
    /// A nonce is used once.
    pub(super) fn seal(&self, nonce: [u8; NONCE_BYTES], beside: &[u8], bytes: &mut Vec<u8>) {
        let tag = self
            .cipher()
            .encrypt_inout_detached(&nonce.into(), beside, InOutBuf::from(bytes.as_mut_slice()))
            .expect("a few kilobytes are below what the cipher takes");
        bytes.extend_from_slice(&tag);
    }

    /// What was sealed; `None` when the key is another one or a bit was changed.
    pub(super) fn open(&self, nonce: [u8; NONCE_BYTES], beside: &[u8], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let (sealed, tag) = sealed.split_last_chunk::<TAG_BYTES>()?;
        let mut bytes = Zeroizing::new(sealed.to_vec());
        self.cipher()
            .decrypt_inout_detached(&nonce.into(), beside, InOutBuf::from(bytes.as_mut_slice()), &(*tag).into())
            .ok()?;
        Some(bytes)
    }

    fn cipher(&self) -> ChaCha20Poly1305 {
        ChaCha20Poly1305::new((&*self.key).into())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail loudly")]

    use super::*;

    const CHEAP: Cost = Cost { memory_kib: 8, passes: 1, lanes: 1 };

    fn key(passphrase: &str) -> SealKey {
        SealKey::compute(passphrase, [1; 16], CHEAP).unwrap()
    }

    #[test]
    fn only_the_same_passphrase_opens() {
        let mut sealed = b"seed".to_vec();
        key("correct horse").seal([2; 12], b"beside", &mut sealed);
        assert_ne!(&sealed[..4], b"seed");
        assert_eq!(key("correct horse").open([2; 12], b"beside", &sealed).unwrap().as_slice(), b"seed");
        for (passphrase, nonce, beside) in [
            ("correct horse ", [2; 12], b"beside".as_slice()),
            ("correct horse", [3; 12], b"beside"),
            ("correct horse", [2; 12], b"besides"),
        ] {
            assert!(key(passphrase).open(nonce, beside, &sealed).is_none());
        }
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert!(key("correct horse").open([2; 12], b"beside", &changed).is_none(), "byte {at}");
        }
        assert!(key("correct horse").open([2; 12], b"beside", &sealed[..TAG_BYTES - 1]).is_none());
    }

    #[test]
    fn a_passphrase_is_the_same_however_a_keyboard_writes_its_letters() {
        let mut sealed = b"seed".to_vec();
        key("na\u{ef}ve").seal([2; 12], b"", &mut sealed);
        assert!(key("nai\u{308}ve").open([2; 12], b"", &sealed).is_some());
    }

    #[test]
    fn the_key_is_the_one_that_argon2id_has_by_another_program() {
        // argon2-cffi 25: hash_secret_raw(b"password", b"somesaltsomesalt", 3, 65536, 1, 32, Type.ID)
        let by_cffi = [
            0x76, 0x64, 0xad, 0x4b, 0xa1, 0xa3, 0xc9, 0x99, 0xfc, 0xdd, 0x09, 0x91, 0xff, 0xc2, 0x27, 0x0f, 0x78, 0x30,
            0x2d, 0x23, 0x83, 0x23, 0x3d, 0xb5, 0xe7, 0xbe, 0xfc, 0x85, 0xd1, 0xbb, 0x18, 0x19,
        ];
        let key = SealKey::compute("password", *b"somesaltsomesalt", Cost::STANDARD).unwrap();
        assert_eq!(*key.key, by_cffi);
    }

    #[test]
    fn a_passphrase_that_is_none_is_refused() {
        let refused = |text: &str| SealKey::compute(text, [1; 16], CHEAP).err().unwrap();
        assert_eq!(refused(""), UnusablePassphrase::Empty);
        assert_eq!(refused(&"x".repeat(PASSPHRASE_BYTES_MAX + 1)), UnusablePassphrase::TooLong(1025));
        assert!(SealKey::compute(&"x".repeat(PASSPHRASE_BYTES_MAX), [1; 16], CHEAP).is_ok());
    }

    #[test]
    fn a_file_cannot_ask_for_any_amount_of_memory_or_time() {
        assert_eq!(Cost::bounded(65_536, 3, 1), Some(Cost::STANDARD));
        assert!(Cost::bounded(MEMORY_KIB_MAX, PASSES_MAX, LANES_MAX).is_some());
        for (memory, passes, lanes) in [
            (MEMORY_KIB_MAX + 1, 3, 1),
            (65_536, PASSES_MAX + 1, 1),
            (65_536, 3, LANES_MAX + 1),
            (u32::MAX, u32::MAX, u32::MAX),
            (7, 3, 1),
            (65_536, 0, 1),
            (65_536, 3, 0),
            (0, 0, 0),
        ] {
            assert_eq!(Cost::bounded(memory, passes, lanes), None, "{memory} {passes} {lanes}");
        }
    }
}
