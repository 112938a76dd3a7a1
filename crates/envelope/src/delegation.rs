//! Delegations: the key of a PascalCoin account signs, once, that a chat key may speak for the account. Never signs anything; what is to be
//! signed is made of typed fields alone, so that nobody can slip in something else (`docs/wire/delegation.md`).

use nightjar_core::chain::Network;
use nightjar_pasc::key::{CompressedPointError, Curve, PointError, PublicKey};
use nightjar_pasc::signature::{Signature, SignatureError, VerifyError, verify};
use sha2::{Digest as _, Sha256};

use crate::key::ChatKey;

const DOMAIN: &[u8] = b"PascalCoin PIP-0038 delegation v1\n";
/// Stands where the preimage of every operation of the chain has its type, 01 to 0A: no operation has our digest.
const NO_OPERATION: u8 = 0xff;
const VERSION: u8 = 1;
/// The longest name of an account.
pub const NAME_BYTES_MAX: usize = 64;
/// The longest life of a delegation: who sold an account and kept a copy of its key speaks for it no longer.
pub const LIFE_S_MAX: u32 = 90 * 86_400;
/// So far ahead of our clock one may be issued.
const AHEAD_S: u32 = 3_600;
/// Each of the first bytes of a digest is as large as this: read as bytes, and not as a hash, it then names no account that exists.
const LEADING_BYTE_MIN: u8 = 0x10;
const LEADING_BYTES: usize = 4;

/// What a chat key may do for an account: bits; none = what it might is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Scope(u8);

impl Scope {
    /// The end of all.
    pub const NOTHING: Self = Self(0);
    /// Speak.
    pub const SPEAK: Self = Self(1);
    /// Make offers.
    pub const OFFER: Self = Self(2);
    /// Answer for a service.
    pub const SERVE: Self = Self(4);

    /// The scope of this byte; `None` when a bit has no meaning.
    pub const fn from_byte(byte: u8) -> Option<Self> {
        if byte & !7 == 0 { Some(Self(byte)) } else { None }
    }

    /// Its byte.
    pub const fn byte(self) -> u8 {
        self.0
    }

    /// Both together.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether all of the other is in it.
    pub const fn allows(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

/// What the key of an account is asked to sign.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The network of the account.
    pub network: Network,
    /// The account.
    pub account: u32,
    /// What the chat key may do.
    pub scope: Scope,
    /// Since when, Unix seconds.
    pub issued: u32,
    /// Until when.
    pub until: u32,
    /// The account's name, when that is claimed as well.
    pub name: String,
    /// The key that owns the account.
    pub key: PublicKey,
    /// The chat key.
    pub chat_key: ChatKey,
}

/// A delegation as it travels. Nothing of it has been checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delegation {
    account: u32,
    scope: Scope,
    issued: u32,
    until: u32,
    name: String,
    curve: Curve,
    point: Vec<u8>,
    signature: Signature,
    /// In the end of a delegation: whose.
    ended: Option<ChatKey>,
    bytes: Vec<u8>,
}

/// A delegation, or the end of one, that the key in it signed. Whether that key owns the account is for the chain to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked {
    /// What was signed.
    pub claim: Claim,
    /// The digest: what two delegations that say the same have in common (a signature has two forms).
    pub digest: [u8; 32],
    /// As it travels.
    pub bytes: Vec<u8>,
    /// The account's key in short, behind the number of its curve.
    pub point: Vec<u8>,
}

/// Why bytes are no delegation, or why one does not count.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DelegationFault {
    /// Not of the length that its curve and name give.
    #[error("the delegation has {have} bytes, and one like it has {wanted}")]
    Length {
        /// How long it is.
        have: usize,
        /// How long it would be.
        wanted: usize,
    },
    /// Another version.
    #[error("the delegation is of version {0}: this program knows version {VERSION}")]
    Version(u8),
    /// A bit without meaning.
    #[error("the delegation's scope {0:#04x} has a bit that means nothing")]
    Scope(u8),
    /// No such curve.
    #[error("the delegation's curve {0} is none of 1 to 4")]
    Curve(u8),
    /// The name is no text that an account can have.
    #[error("the delegation's name is no name of an account")]
    Name,
    /// The point is none.
    #[error(transparent)]
    Point(#[from] CompressedPointError),
    /// The numbers are none.
    #[error(transparent)]
    Signature(#[from] SignatureError),
    /// Longer than allowed, or backwards.
    #[error("the delegation lives from {issued} until {until}: it must end later than it begins and within 90 days")]
    Life {
        /// Since when.
        issued: u32,
        /// Until when.
        until: u32,
    },
    /// It begins in the future.
    #[error("the delegation was issued at {0}, which is yet to come: is a clock wrong?")]
    Ahead(u32),
    /// The digest might be something else.
    #[error("the delegation's digest begins with bytes that might name an account: it was not made by the rules")]
    Digest,
    /// It is for a chat key that did not sign the message it came in.
    #[error("the delegation came without the signature of a chat key that it could be for")]
    NoAuthor,
    /// Its end names no chat key.
    #[error("the end of a delegation names no chat key")]
    NoKey,
    /// The signature is not that of the key.
    #[error(transparent)]
    Verify(#[from] VerifyError),
    /// The key is no point.
    #[error(transparent)]
    Key(#[from] PointError),
}

impl Claim {
    /// Moves the time of issue on, second by second, until the digest is one that verifiers take: two of nine are not. Where time
    /// ends, the digest may be one that they refuse.
    pub fn settle(&mut self) -> [u8; 32] {
        loop {
            let digest = self.digest();
            let Some(later) = self.issued.checked_add(1).filter(|_| !is_safe(&digest)) else { return digest };
            self.issued = later;
            if self.scope == Scope::NOTHING {
                self.until = self.issued.saturating_add(LIFE_S_MAX);
            }
        }
    }

    /// What the account's key signs.
    pub fn digest(&self) -> [u8; 32] {
        let Self { network, account, scope, issued, until, name, key, chat_key } = self;
        let length = u8::try_from(name.len()).expect("a name has at most 64 bytes");
        Sha256::new_with_prefix(DOMAIN)
            .chain_update([network.byte(), VERSION])
            .chain_update(account.to_le_bytes())
            .chain_update([scope.byte()])
            .chain_update(issued.to_le_bytes())
            .chain_update(until.to_le_bytes())
            .chain_update([length])
            .chain_update(name.as_bytes())
            .chain_update(Sha256::digest(key.minimal().to_raw()))
            .chain_update(chat_key.as_bytes())
            .chain_update([NO_OPERATION])
            .finalize()
            .into()
    }

    /// The delegation with this signature, if that is one of this claim.
    pub fn signed(&self, signature: &Signature) -> Result<Checked, DelegationFault> {
        self.check()?;
        let digest = self.digest();
        if !is_safe(&digest) {
            return Err(DelegationFault::Digest);
        }
        verify(&self.key, &digest, signature)?;
        let curve = self.key.curve();
        let mut bytes = vec![VERSION];
        bytes.extend(self.account.to_le_bytes());
        bytes.push(self.scope.byte());
        bytes.extend(self.issued.to_le_bytes());
        bytes.extend(self.until.to_le_bytes());
        bytes.push(curve_number(curve));
        bytes.push(u8::try_from(self.name.len()).map_err(|_| DelegationFault::Name)?);
        bytes.extend(self.name.as_bytes());
        let point = point_of(&self.key)?;
        bytes.extend(point.iter().skip(1));
        bytes.extend(signature.to_fixed());
        if self.scope == Scope::NOTHING {
            bytes.extend(self.chat_key.as_bytes());
        }
        Ok(Checked { claim: self.clone(), digest, bytes, point })
    }

    fn check(&self) -> Result<(), DelegationFault> {
        let Self { issued, until, .. } = *self;
        if !is_name(&self.name) {
            return Err(DelegationFault::Name);
        }
        if until <= issued || until - issued > LIFE_S_MAX {
            return Err(DelegationFault::Life { issued, until });
        }
        Ok(())
    }
}

impl Delegation {
    /// Reads what travels. Its length must be exact.
    pub fn parse(bytes: &[u8]) -> Result<Self, DelegationFault> {
        const HEAD: usize = 1 + 4 + 1 + 4 + 4 + 1 + 1;
        let short = || DelegationFault::Length { have: bytes.len(), wanted: HEAD };
        let (head, rest) = bytes.split_first_chunk::<HEAD>().ok_or_else(short)?;
        let [version, a, b, c, d, scope, e, f, g, h, i, j, k, l, curve, name_bytes] = *head;
        if version != VERSION {
            return Err(DelegationFault::Version(version));
        }
        let scope = Scope::from_byte(scope).ok_or(DelegationFault::Scope(scope))?;
        let curve = curve_of(curve).ok_or(DelegationFault::Curve(curve))?;
        let field = curve.field_bytes();
        let name_bytes = usize::from(name_bytes);
        let ended_bytes = if scope == Scope::NOTHING { 32 } else { 0 };
        let wanted = HEAD + name_bytes + 1 + 3 * field + ended_bytes;
        if bytes.len() != wanted {
            return Err(DelegationFault::Length { have: bytes.len(), wanted });
        }
        let (name, rest) = rest.split_at_checked(name_bytes).ok_or_else(short)?;
        let (point, rest) = rest.split_at_checked(1 + field).ok_or_else(short)?;
        let (signature, ended) = rest.split_at_checked(2 * field).ok_or_else(short)?;
        let name = std::str::from_utf8(name).ok().filter(|name| is_name(name)).ok_or(DelegationFault::Name)?;
        let ended = match ended.first_chunk() {
            Some(key) => Some(ChatKey::from_bytes(*key).ok_or(DelegationFault::NoKey)?),
            None => None,
        };
        Ok(Self {
            account: u32::from_le_bytes([a, b, c, d]),
            scope,
            issued: u32::from_le_bytes([e, f, g, h]),
            until: u32::from_le_bytes([i, j, k, l]),
            name: name.to_owned(),
            curve,
            point: point.to_vec(),
            signature: Signature::parse_fixed(curve, signature)?,
            ended,
            bytes: bytes.to_vec(),
        })
    }

    /// Of several with one account, point and chat key the highest counts: the last issued, and at equal times the end.
    pub fn precedence(&self) -> (u32, bool) {
        (self.issued, self.is_end())
    }

    /// Whether it ends what it names.
    pub fn is_end(&self) -> bool {
        self.scope == Scope::NOTHING
    }

    /// When it was issued, Unix seconds.
    pub const fn issued(&self) -> u32 {
        self.issued
    }

    /// Until when it counts, Unix seconds.
    pub const fn until(&self) -> u32 {
        self.until
    }

    /// What it allows.
    pub const fn scope(&self) -> Scope {
        self.scope
    }

    /// The account.
    pub const fn account(&self) -> u32 {
        self.account
    }

    /// The account's name, when that is claimed as well; else empty.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether it names the key of this point (see [`point_of`]) as its signer. Compares bytes, and checks no signature.
    pub fn is_by(&self, point: &[u8]) -> bool {
        point.split_first().is_some_and(|(curve, point)| *curve == curve_number(self.curve) && point == self.point)
    }

    /// Checks the signature, and all that can be checked without the chain. `author` is the chat key that signed the message it came in: a
    /// delegation is for that key and no other. The end of one names its key, and may come from anybody.
    pub fn check(self, network: Network, author: Option<&ChatKey>, now_s: u32) -> Result<Checked, DelegationFault> {
        let chat_key = self.ended.or(author.copied()).ok_or(DelegationFault::NoAuthor)?;
        let key = PublicKey::from_compressed(self.curve, &self.point)?;
        let Self { account, scope, issued, until, name, signature, bytes, .. } = self;
        if issued > now_s.saturating_add(AHEAD_S) {
            return Err(DelegationFault::Ahead(issued));
        }
        let claim = Claim { network, account, scope, issued, until, name, key, chat_key };
        let checked = claim.signed(&signature)?;
        // Of the two forms of a signature the one that came is kept.
        Ok(Checked { bytes, ..checked })
    }
}

impl Checked {
    /// Whether it ends what it names.
    pub fn is_end(&self) -> bool {
        self.claim.scope == Scope::NOTHING
    }

    /// Of several with one account, point and chat key the highest counts: the last issued, and at equal times the end.
    pub fn precedence(&self) -> (u32, bool) {
        (self.claim.issued, self.is_end())
    }
}

/// A key in short, behind the number of its curve: equal for equal points.
pub fn point_of(key: &PublicKey) -> Result<Vec<u8>, PointError> {
    Ok([&[curve_number(key.curve())], key.to_compressed()?.as_slice()].concat())
}

fn is_safe(digest: &[u8; 32]) -> bool {
    digest.iter().take(LEADING_BYTES).all(|byte| *byte >= LEADING_BYTE_MIN)
}

/// None, or 3 to 64 of the chain's alphabet, the first no digit.
fn is_name(name: &str) -> bool {
    const SYMBOLS: &str = "!@#$%^&*()-+{}[]\\_:\"|<>,.?/~";
    let of_alphabet =
        |character: char| character.is_ascii_lowercase() || character.is_ascii_digit() || SYMBOLS.contains(character);
    name.is_empty()
        || ((3..=NAME_BYTES_MAX).contains(&name.len())
            && name.chars().all(of_alphabet)
            && !name.starts_with(|first: char| first.is_ascii_digit()))
}

const fn curve_number(curve: Curve) -> u8 {
    match curve {
        Curve::Secp256k1 => 1,
        Curve::Secp384r1 => 2,
        Curve::Secp521r1 => 3,
        Curve::Sect283k1 => 4,
    }
}

fn curve_of(number: u8) -> Option<Curve> {
    Curve::ALL.into_iter().find(|curve| curve_number(*curve) == number)
}
