//! The bytes of chat identities, as they lie in the data directory and, one alone, in an export. Never touches a disk.
//!
//! `NJIDENT\n`, format u32; lock u8: 0 open, or 1 and salt (16), memory in KiB u32, passes u32, lanes u32, nonce (12); number of
//! identities u16; for each: key (32), flags u8 (1 default, 2 nick, 4 revoked, 8 replaced), made u64, used up to u64, then as the
//! flags say: length u8 and nick; revoked u64; replaced u64 and by which key (32); number of proofs u8, and for each account
//! u32, until u32, length u16 and bytes; the seeds (32 each), open or sealed, then with a tag (16); SHA-256 of all that.
//!
//! Times are Unix milliseconds, `until` is in seconds, integers are little-endian. What stands before the seeds can be read
//! without the passphrase, but not changed: it is covered by the tag. The checksum tells damage from a wrong passphrase.

use std::collections::HashSet;

use nightjar_core::name::{NICK_BYTES_MAX, Name, NameError, TypedName};
use nightjar_core::time::Wall;
use nightjar_envelope::key::{ChatKey, ChatSecret};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::passphrase::{Cost, NONCE_BYTES, SALT_BYTES, SealKey, TAG_BYTES, UnusablePassphrase};

/// The form that this program writes and knows.
pub const FORMAT: u32 = 1;
/// A person has a handful; each is tried on every direct message that comes in.
pub const IDENTITIES_MAX: usize = 64;
/// Accounts that one identity can show: one proof for each. Every one is published again and again.
pub const PROOFS_MAX: usize = 8;
/// The longest proof is a revocation for secp521r1 with a name, 328 bytes.
pub const PROOF_BYTES_MAX: usize = 512;
/// The longest file.
pub const FILE_BYTES_MAX: usize = MAGIC.len()
    + 4
    + LOCK_BYTES_MAX
    + 2
    + IDENTITIES_MAX * (IDENTITY_BYTES_MAX + SEED_BYTES)
    + TAG_BYTES
    + CHECKSUM_BYTES;

const MAGIC: [u8; 8] = *b"NJIDENT\n";
const CHECKSUM_BYTES: usize = 32;
const SEED_BYTES: usize = 32;
const LOCK_BYTES_MAX: usize = 1 + SALT_BYTES + 12 + NONCE_BYTES;
const IDENTITY_BYTES_MAX: usize =
    32 + 1 + 8 + 8 + 1 + NICK_BYTES_MAX + 8 + 8 + 32 + 1 + PROOFS_MAX * (4 + 4 + 2 + PROOF_BYTES_MAX);

const LOCK_OPEN: u8 = 0;
const LOCK_PASSPHRASE: u8 = 1;
const FLAG_DEFAULT: u8 = 1;
const FLAG_NICK: u8 = 2;
const FLAG_REVOKED: u8 = 4;
const FLAG_REPLACED: u8 = 8;
const FLAGS: u8 = FLAG_DEFAULT | FLAG_NICK | FLAG_REVOKED | FLAG_REPLACED;

/// What everybody may see of an identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Its public key.
    pub key: ChatKey,
    /// The nick it goes by, folded.
    pub nick: Option<String>,
    /// When it was made.
    pub made: Wall,
    /// Whether it is the one that speaks when nobody says which. An ended one never is.
    pub default: bool,
    /// Since when it is no longer used because its key may be in other hands.
    pub revoked: Option<Wall>,
    /// Since when another one speaks in its place, and which.
    pub replaced: Option<(Wall, ChatKey)>,
    /// Author's times up to here may have been used, Unix milliseconds.
    pub used_up_to_ms: u64,
    /// What it shows to prove accounts, at most one for each account.
    pub proofs: Vec<Proof>,
}

impl Identity {
    /// Whether it no longer speaks.
    pub const fn ended(&self) -> bool {
        self.revoked.is_some() || self.replaced.is_some()
    }

    /// The names under which others write to it.
    pub fn names(&self) -> impl Iterator<Item = Name> + use<'_> {
        let nick = self.nick.iter().map(|nick| Name::Nick(nick.clone()));
        nick.chain(self.proofs.iter().map(|proof| Name::Account(proof.account)))
    }
}

/// Bytes that bind an identity to an account, or end that; what they say is not looked at here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    /// The account.
    pub account: u32,
    /// Until when it is worth showing, Unix seconds.
    pub until: u32,
    /// The delegation or revocation.
    pub bytes: Vec<u8>,
}

/// Identities with their secrets, which may be locked.
#[derive(Clone)]
pub struct Contents {
    pub(super) identities: Vec<Identity>,
    pub(super) secrets: Secrets,
}

#[derive(Clone)]
pub(super) enum Secrets {
    /// One for each identity, in order; the key seals them when they are written.
    Open { secrets: Vec<ChatSecret>, key: Option<SealKey> },
    /// As they were read.
    Locked(Sealed),
}

#[derive(Clone)]
pub(super) struct Sealed {
    salt: [u8; SALT_BYTES],
    cost: Cost,
    nonce: [u8; NONCE_BYTES],
    sealed: Vec<u8>,
    /// The bytes before it.
    beside: Vec<u8>,
}

/// The bytes are no identities, or not ours to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FileFault {
    /// It is not what was written.
    #[error("it is damaged, or not such a file")]
    Damaged,
    /// A later program wrote it.
    #[error("it is format {0}, this program knows {FORMAT}: update it")]
    Newer(u32),
    /// A seal that costs more than any that this program makes or allows.
    #[error("its passphrase would cost more memory or time than this program spends: no Nightjar wrote it so")]
    Cost,
}

/// The secrets stay locked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnlockError {
    /// The passphrase is another one.
    #[error("the passphrase is wrong: nothing was unlocked")]
    Wrong,
    /// There is none.
    #[error("the chat keys have no passphrase and are open: `identity passphrase` sets one")]
    NoPassphrase,
    /// The system gives no random numbers.
    #[error("the system gives no random numbers: {0}")]
    Chance(String),
    /// It cannot be used at all.
    #[error(transparent)]
    Unusable(#[from] UnusablePassphrase),
    /// The passphrase is right, and what it opens is not what was written.
    #[error("the passphrase is right, but the secrets are not those of the keys beside them: restore a backup")]
    Damaged,
}

impl Contents {
    /// No identity, no passphrase.
    pub(super) const fn empty() -> Self {
        Self { identities: Vec::new(), secrets: Secrets::Open { secrets: Vec::new(), key: None } }
    }

    /// Reads the form above. No bytes make it panic; nothing but exactly that form is taken.
    pub fn read(bytes: &[u8]) -> Result<Self, FileFault> {
        let mut from = Reader { bytes };
        if bytes.len() > FILE_BYTES_MAX || from.array()? != MAGIC {
            return Err(FileFault::Damaged);
        }
        let format = from.u32()?;
        if format > FORMAT {
            // Looked at before the checksum, which a later form may have elsewhere.
            return Err(FileFault::Newer(format));
        }
        let (body, checksum) = bytes.split_last_chunk::<CHECKSUM_BYTES>().ok_or(FileFault::Damaged)?;
        if format != FORMAT || Sha256::digest(body).as_slice() != checksum {
            return Err(FileFault::Damaged);
        }
        from.bytes = from.bytes.get(..from.bytes.len() - CHECKSUM_BYTES).ok_or(FileFault::Damaged)?;

        let lock = match from.u8()? {
            LOCK_OPEN => None,
            LOCK_PASSPHRASE => {
                let salt = from.array()?;
                let cost = Cost::bounded(from.u32()?, from.u32()?, from.u32()?).ok_or(FileFault::Cost)?;
                Some((salt, cost, from.array()?))
            }
            _ => return Err(FileFault::Damaged),
        };
        let count = usize::from(from.u16()?);
        if count > IDENTITIES_MAX {
            return Err(FileFault::Damaged);
        }
        let mut identities = Vec::with_capacity(count);
        for _ in 0..count {
            identities.push(read_identity(&mut from)?);
        }
        let keys: HashSet<_> = identities.iter().map(|identity| identity.key).collect();
        if keys.len() != count || identities.iter().filter(|identity| identity.default).count() > 1 {
            return Err(FileFault::Damaged);
        }

        let secrets = match lock {
            None => {
                Secrets::Open { secrets: read_seeds(from.bytes, &identities).ok_or(FileFault::Damaged)?, key: None }
            }
            Some(_) if from.bytes.len() != count * SEED_BYTES + TAG_BYTES => return Err(FileFault::Damaged),
            Some((salt, cost, nonce)) => {
                let beside = body.get(..body.len() - from.bytes.len()).ok_or(FileFault::Damaged)?.to_vec();
                Secrets::Locked(Sealed { salt, cost, nonce, sealed: from.bytes.to_vec(), beside })
            }
        };
        Ok(Self { identities, secrets })
    }

    /// The bytes of all of it. A nonce is used once. `None` while the secrets are locked: nobody could seal them again.
    pub(super) fn write(&self, nonce: [u8; NONCE_BYTES]) -> Option<Zeroizing<Vec<u8>>> {
        let Secrets::Open { secrets, key } = &self.secrets else { return None };
        // Reserved for the longest, so that no copy with open seeds stays behind when it grows.
        let mut to = Zeroizing::new(Vec::with_capacity(FILE_BYTES_MAX));
        to.extend(MAGIC);
        to.extend(FORMAT.to_le_bytes());
        match key {
            None => to.push(LOCK_OPEN),
            Some(key) => {
                to.push(LOCK_PASSPHRASE);
                to.extend(key.salt);
                key.cost.parts().iter().for_each(|part| to.extend(part.to_le_bytes()));
                to.extend(nonce);
            }
        }
        to.extend(u16::try_from(self.identities.len()).expect("their number is bounded").to_le_bytes());
        self.identities.iter().for_each(|identity| write_identity(&mut to, identity));
        let mut seeds = Zeroizing::new(Vec::with_capacity(secrets.len() * SEED_BYTES + TAG_BYTES));
        secrets.iter().for_each(|secret| seeds.extend_from_slice(&*secret.seed()));
        if let Some(key) = key {
            key.seal(nonce, &to, &mut seeds);
        }
        to.extend_from_slice(&seeds);
        let checksum = Sha256::digest(&*to);
        to.extend_from_slice(&checksum);
        Some(to)
    }

    /// The identities, which can be seen while the secrets are locked.
    pub fn identities(&self) -> &[Identity] {
        &self.identities
    }

    /// Whether the secrets wait for a passphrase.
    pub const fn locked(&self) -> bool {
        matches!(self.secrets, Secrets::Locked(_))
    }

    /// Whether there is a passphrase.
    pub(super) const fn has_passphrase(&self) -> bool {
        matches!(self.secrets, Secrets::Locked(_) | Secrets::Open { key: Some(_), .. })
    }

    /// The same with its secrets open. Takes 0.1 s or more of a processor: only where it may block.
    pub fn unlocked(&self, passphrase: &str) -> Result<Self, UnlockError> {
        let Secrets::Locked(Sealed { salt, cost, nonce, sealed, beside }) = &self.secrets else {
            return Ok(self.clone());
        };
        let key = SealKey::compute(passphrase, *salt, *cost)?;
        let seeds = key.open(*nonce, beside, sealed).ok_or(UnlockError::Wrong)?;
        let secrets = read_seeds(&seeds, &self.identities).ok_or(UnlockError::Damaged)?;
        Ok(Self { identities: self.identities.clone(), secrets: Secrets::Open { secrets, key: Some(key) } })
    }
}

/// Says how many, and nothing of the secrets.
impl std::fmt::Debug for Contents {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Contents")
            .field("identities", &self.identities.len())
            .field("locked", &self.locked())
            .finish_non_exhaustive()
    }
}

/// The nick that a person typed, folded; `@` before it is not part of it.
pub(super) fn nick_of(typed: &str) -> Result<String, NameError> {
    let nick = typed.strip_prefix('@').unwrap_or(typed);
    // With an @ it is read as a nick and as nothing else.
    Ok(format!("@{nick}").parse::<TypedName>()?.name().text())
}

fn read_identity(from: &mut Reader<'_>) -> Result<Identity, FileFault> {
    let key = from.key()?;
    let flags = from.u8()?;
    if flags & !FLAGS != 0 {
        return Err(FileFault::Damaged);
    }
    let has = |flag: u8| flags & flag != 0;
    let (made, used_up_to_ms) = (Wall(from.u64()?), from.u64()?);
    let nick = if has(FLAG_NICK) {
        let length = usize::from(from.u8()?);
        let text = str::from_utf8(from.take(length)?).map_err(|_| FileFault::Damaged)?;
        Some(nick_of(text).ok().filter(|nick| nick == text).ok_or(FileFault::Damaged)?)
    } else {
        None
    };
    let revoked = if has(FLAG_REVOKED) { Some(Wall(from.u64()?)) } else { None };
    let replaced = if has(FLAG_REPLACED) { Some((Wall(from.u64()?), from.key()?)) } else { None };
    let count = usize::from(from.u8()?);
    if count > PROOFS_MAX {
        return Err(FileFault::Damaged);
    }
    let mut proofs = Vec::<Proof>::with_capacity(count);
    for _ in 0..count {
        let (account, until, length) = (from.u32()?, from.u32()?, usize::from(from.u16()?));
        if length > PROOF_BYTES_MAX || proofs.iter().any(|proof| proof.account == account) {
            return Err(FileFault::Damaged);
        }
        proofs.push(Proof { account, until, bytes: from.take(length)?.to_vec() });
    }
    let identity = Identity { key, nick, made, default: has(FLAG_DEFAULT), revoked, replaced, used_up_to_ms, proofs };
    if identity.default && identity.ended() {
        return Err(FileFault::Damaged);
    }
    Ok(identity)
}

fn write_identity(to: &mut Vec<u8>, identity: &Identity) {
    let flag = |flag: u8, set: bool| if set { flag } else { 0 };
    to.extend(identity.key.as_bytes());
    to.push(
        flag(FLAG_DEFAULT, identity.default)
            | flag(FLAG_NICK, identity.nick.is_some())
            | flag(FLAG_REVOKED, identity.revoked.is_some())
            | flag(FLAG_REPLACED, identity.replaced.is_some()),
    );
    to.extend(identity.made.0.to_le_bytes());
    to.extend(identity.used_up_to_ms.to_le_bytes());
    if let Some(nick) = &identity.nick {
        to.push(u8::try_from(nick.len()).expect("a nick has at most 32 bytes"));
        to.extend(nick.as_bytes());
    }
    if let Some(at) = identity.revoked {
        to.extend(at.0.to_le_bytes());
    }
    if let Some((at, by)) = identity.replaced {
        to.extend(at.0.to_le_bytes());
        to.extend(by.as_bytes());
    }
    to.push(u8::try_from(identity.proofs.len()).expect("their number is bounded"));
    for proof in &identity.proofs {
        to.extend(proof.account.to_le_bytes());
        to.extend(proof.until.to_le_bytes());
        to.extend(u16::try_from(proof.bytes.len()).expect("their length is bounded").to_le_bytes());
        to.extend(&proof.bytes);
    }
}

/// The secrets of the identities, one seed each; `None` when they are not theirs.
fn read_seeds(bytes: &[u8], identities: &[Identity]) -> Option<Vec<ChatSecret>> {
    let (seeds, rest) = bytes.as_chunks::<SEED_BYTES>();
    if !rest.is_empty() || seeds.len() != identities.len() {
        return None;
    }
    let secret = |(seed, identity): (&[u8; SEED_BYTES], &Identity)| {
        let secret = ChatSecret::from_seed(&Zeroizing::new(*seed));
        (secret.public() == identity.key).then_some(secret)
    };
    seeds.iter().zip(identities).map(secret).collect()
}

struct Reader<'a> {
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], FileFault> {
        let (taken, rest) = self.bytes.split_at_checked(length).ok_or(FileFault::Damaged)?;
        self.bytes = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], FileFault> {
        let (taken, rest) = self.bytes.split_first_chunk().ok_or(FileFault::Damaged)?;
        self.bytes = rest;
        Ok(*taken)
    }

    fn key(&mut self) -> Result<ChatKey, FileFault> {
        ChatKey::from_bytes(self.array()?).ok_or(FileFault::Damaged)
    }

    fn u8(&mut self) -> Result<u8, FileFault> {
        self.array().map(u8::from_le_bytes)
    }

    fn u16(&mut self) -> Result<u16, FileFault> {
        self.array().map(u16::from_le_bytes)
    }

    fn u32(&mut self) -> Result<u32, FileFault> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Result<u64, FileFault> {
        self.array().map(u64::from_le_bytes)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail loudly")]

    use proptest::prelude::*;

    use super::*;

    fn secret(seed: u8) -> ChatSecret {
        ChatSecret::from_seed(&Zeroizing::new([seed; 32]))
    }

    fn plain(seed: u8) -> Identity {
        let key = secret(seed).public();
        Identity {
            key,
            nick: None,
            made: Wall(1_800_000_000_000),
            default: false,
            revoked: None,
            replaced: None,
            used_up_to_ms: 7,
            proofs: Vec::new(),
        }
    }

    fn open(identities: Vec<(Identity, u8)>) -> Contents {
        let (identities, secrets) = identities.into_iter().map(|(identity, seed)| (identity, secret(seed))).unzip();
        Contents { identities, secrets: Secrets::Open { secrets, key: None } }
    }

    fn with_passphrase(mut contents: Contents) -> Contents {
        let cheap = Cost::bounded(8, 1, 1).unwrap();
        if let Secrets::Open { key, .. } = &mut contents.secrets {
            *key = Some(SealKey::compute("open sesame", [3; 16], cheap).unwrap());
        }
        contents
    }

    fn seeds(contents: &Contents) -> Vec<[u8; 32]> {
        let Secrets::Open { secrets, .. } = &contents.secrets else { return Vec::new() };
        secrets.iter().map(|secret| *secret.seed()).collect()
    }

    /// Bytes with the right checksum behind them.
    fn summed(body: &[u8]) -> Vec<u8> {
        [body, &Sha256::digest(body)].concat()
    }

    fn changed(contents: &Contents, change: impl FnOnce(&mut Vec<u8>)) -> Result<Contents, FileFault> {
        let mut body = contents.write([5; 12]).unwrap().to_vec();
        body.truncate(body.len() - CHECKSUM_BYTES);
        change(&mut body);
        Contents::read(&summed(&body))
    }

    fn identities() -> impl Strategy<Value = Vec<(Identity, u8)>> {
        let nick = prop::option::of("[a-z_][a-z0-9_-]{2,31}");
        let times = any::<(u64, u64, Option<u64>, Option<u64>)>();
        let proof = (any::<u32>(), prop::collection::vec(any::<u8>(), 0..80));
        let proofs = prop::collection::btree_map(any::<u32>(), proof, 0..=PROOFS_MAX);
        let one = (nick, times, proofs).prop_map(|(nick, (made, used_up_to_ms, revoked, replaced), proofs)| {
            let proofs = proofs.into_iter().map(|(account, (until, bytes))| Proof { account, until, bytes });
            Identity {
                nick,
                made: Wall(made),
                revoked: revoked.map(Wall),
                replaced: replaced.map(|at| (Wall(at), secret(99).public())),
                used_up_to_ms,
                proofs: proofs.collect(),
                ..plain(1)
            }
        });
        (prop::collection::vec(one, 0..6), 0usize..6).prop_map(|(all, default)| {
            let keyed = |(place, identity): (usize, Identity)| {
                let seed = u8::try_from(place).unwrap() + 1;
                let default = place == default && !identity.ended();
                (Identity { key: secret(seed).public(), default, ..identity }, seed)
            };
            all.into_iter().enumerate().map(keyed).collect()
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn what_was_written_is_read_and_written_the_same(all in identities()) {
            let contents = open(all);
            let bytes = contents.write([1; 12]).unwrap();
            let read = Contents::read(&bytes).unwrap();
            prop_assert_eq!(&read.identities, &contents.identities);
            prop_assert_eq!(seeds(&read), seeds(&contents));
            prop_assert_eq!(read.write([2; 12]).unwrap(), bytes, "there is one form");
        }

        #[test]
        fn with_a_passphrase_all_but_the_seeds_is_seen(all in identities()) {
            let contents = with_passphrase(open(all));
            let bytes = contents.write([1; 12]).unwrap();
            for seed in seeds(&contents) {
                prop_assert!(!bytes.windows(32).any(|window| window == seed));
            }
            let locked = Contents::read(&bytes).unwrap();
            prop_assert!(locked.locked() && locked.has_passphrase());
            prop_assert_eq!(&locked.identities, &contents.identities);
            prop_assert!(locked.write([2; 12]).is_none(), "nobody can seal them again");
            prop_assert_eq!(locked.unlocked("open sesam").unwrap_err(), UnlockError::Wrong);
            let open = locked.unlocked("open sesame").unwrap();
            prop_assert_eq!(seeds(&open), seeds(&contents));
            prop_assert_eq!(&open.identities, &contents.identities);
        }

        #[test]
        fn a_changed_bit_is_noticed(all in identities(), at in any::<prop::sample::Index>(), bit in 0u8..8) {
            let mut bytes = open(all).write([1; 12]).unwrap().to_vec();
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
            prop_assert!(Contents::read(&bytes).is_err());
        }

        #[test]
        fn what_is_seen_without_the_passphrase_cannot_be_changed_without_it(
            all in identities(), at in any::<prop::sample::Index>(), bit in 0u8..8,
        ) {
            let contents = with_passphrase(open(all));
            let read = changed(&contents, |body| {
                let at = at.index(body.len());
                body[at] ^= 1 << bit;
            });
            // Where it still can be read, the passphrase no longer opens it.
            if let Ok(locked) = read {
                prop_assert!(!locked.locked() || locked.unlocked("open sesame").is_err());
            }
        }

        #[test]
        fn no_bytes_make_it_panic(body in prop::collection::vec(any::<u8>(), 0..400)) {
            Contents::read(&body).unwrap_err();
            let body = [MAGIC.as_slice(), &FORMAT.to_le_bytes(), &body].concat();
            if let Ok(contents) = Contents::read(&summed(&body)) {
                prop_assert!(contents.locked() || *contents.write([0; 12]).unwrap() == summed(&body));
            }
        }
    }

    #[test]
    fn the_longest_file_is_read_and_one_byte_more_is_not() {
        let full = |seed| Identity {
            nick: Some("n".repeat(NICK_BYTES_MAX)),
            revoked: Some(Wall(1)),
            replaced: Some((Wall(2), secret(200).public())),
            proofs: (0..PROOFS_MAX as u32)
                .map(|account| Proof { account, until: 3, bytes: vec![0; PROOF_BYTES_MAX] })
                .collect(),
            ..plain(seed)
        };
        let seeds = 1..=u8::try_from(IDENTITIES_MAX).unwrap();
        let bytes = with_passphrase(open(seeds.map(|seed| (full(seed), seed)).collect())).write([1; 12]).unwrap();
        assert_eq!(bytes.len(), FILE_BYTES_MAX);
        assert_eq!(bytes.capacity(), FILE_BYTES_MAX, "no copy was left behind");
        Contents::read(&bytes).unwrap();
        assert_eq!(Contents::read(&summed(&bytes)).unwrap_err(), FileFault::Damaged);
    }

    #[test]
    fn a_later_format_is_said_to_be_one() {
        let later = changed(&open(Vec::new()), |body| body[8] = 2);
        assert_eq!(later.unwrap_err(), FileFault::Newer(2));
        let none = changed(&open(Vec::new()), |body| body[8] = 0);
        assert_eq!(none.unwrap_err(), FileFault::Damaged);
    }

    #[test]
    fn a_file_that_asks_for_gigabytes_is_refused_before_it_gets_them() {
        let contents = with_passphrase(open(vec![(plain(1), 1)]));
        let cost_at = MAGIC.len() + 4 + 1 + SALT_BYTES;
        for at in [cost_at, cost_at + 4, cost_at + 8] {
            let fault = changed(&contents, |body| body[at..at + 4].copy_from_slice(&u32::MAX.to_le_bytes()));
            assert_eq!(fault.unwrap_err(), FileFault::Cost);
        }
    }

    #[test]
    fn what_no_program_writes_is_refused() {
        let refused = |contents: &Contents| {
            let bytes = contents.write([1; 12]).unwrap();
            assert_eq!(Contents::read(&bytes).unwrap_err(), FileFault::Damaged);
        };
        refused(&open(vec![(plain(1), 1), (plain(1), 1)]));
        refused(&open(vec![(plain(1), 2)]));
        let default = |seed| (Identity { default: true, ..plain(seed) }, seed);
        refused(&open(vec![default(1), default(2)]));
        refused(&open(vec![(Identity { default: true, revoked: Some(Wall(1)), ..plain(1) }, 1)]));
        refused(&open(vec![(Identity { nick: Some("Raven".into()), ..plain(1) }, 1)]));
        refused(&open(vec![(Identity { nick: Some("@raven".into()), ..plain(1) }, 1)]));
        refused(&open(vec![(Identity { nick: Some("ra".into()), ..plain(1) }, 1)]));
        let proof = || Proof { account: 5, until: 1, bytes: vec![1] };
        refused(&open(vec![(Identity { proofs: vec![proof(), proof()], ..plain(1) }, 1)]));
        assert!(changed(&open(vec![(plain(1), 1)]), |body| body.push(0)).is_err());
        assert!(changed(&open(vec![(plain(1), 1)]), |body| body.truncate(body.len() - 1)).is_err());
    }
}
