//! The record of PIP-0038 (TMsg) and the dated form of it; `docs/wire/record.md` has it to the byte.
//!
//! A [`Record`] that exists is whole, and if it says it is dated, its MsgId has been computed and
//! matches. It never looks inside the body and knows no clock but the one it is handed.

use std::fmt;
use std::sync::Arc;

use md5::{Digest as _, Md5};
use sha2::Sha256;

use crate::time::Wall;

/// `MsgId[16] Target[16] PayloadLen[1]` come before the payload.
pub const HEADER_BYTES: usize = 33;
/// PayloadLen is one byte.
pub const PAYLOAD_BYTES_MAX: usize = 255;
/// The longest record.
pub const RECORD_BYTES_MAX: usize = HEADER_BYTES + PAYLOAD_BYTES_MAX;
/// `nonce[8] expiry[4] flags[2] 50 38` end the payload of a dated record.
pub const TRAILER_BYTES: usize = 16;
/// The longest body of a dated record.
pub const BODY_BYTES_MAX: usize = PAYLOAD_BYTES_MAX - TRAILER_BYTES;
/// How far behind our clock an expiry may lie: clocks differ, and the flood takes a moment.
pub const EXPIRY_PAST_S_MAX: u32 = 60;
/// How far ahead of our clock an expiry may lie. With the seen cache's retention it makes sure that
/// no dated record is ever flooded twice. A constant of the protocol, never widened.
pub const EXPIRY_AHEAD_S_MAX: u32 = 3_660;
/// The shortest lifetime a sender may wish for.
pub const LIFETIME_S_MIN: u32 = 10;
/// The longest lifetime a sender may wish for.
pub const LIFETIME_S_MAX: u32 = 3_600;
/// The lifetime of a record whose sender does not say.
pub const LIFETIME_S_DEFAULT: u32 = 600;
/// The work that puts a dated record into the worked class, in leading zero bits.
pub const WORKED_BITS: u8 = 20;
/// The most work that the five bits of the flags can claim.
pub const WORK_BITS_MAX: u8 = 31;

/// The coding of a body that is an envelope: `docs/wire/envelope.md`.
pub const CODING_ENVELOPE: u8 = 1;
/// The shortest body that is signed in clear: its form, an author of 32 bytes, a signature of 64, and something said.
pub const SIGNED_BODY_BYTES_MIN: usize = 98;

/// The first byte of an envelope that is signed in clear.
const FORM_SIGNED: u8 = 2;
const TRAILER_END: [u8; 2] = *b"P8";
const ID_DOMAIN: &[u8] = b"PIP38v1";
const WORK_DOMAIN: &[u8] = b"PIP38w1";

/// The 16 bytes by which a record is known on its way.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MsgId(pub [u8; 16]);

/// The 16 bytes a record is addressed to: the MD5 of a name, or a derived value.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Target(pub [u8; 16]);

/// What a dated record says about itself in its trailer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dated {
    /// Unix seconds until when the record may be flooded.
    pub expiry: u32,
    /// Leading zero bits the sender claims to have worked for; [`Record::work_bits`] checks.
    pub claimed_bits: u8,
    /// Coding of the body: 0 raw text or bytes, 1 envelope, others unknown.
    pub coding: u8,
    /// The second flag byte; not 0 means that the record is carried and not read.
    pub reserved: u8,
}

/// One TMsg, whole and checked. Cloning it shares the bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct Record {
    bytes: Arc<[u8]>,
    dated: Option<Dated>,
}

/// A whole record where it lies in a buffer, before anything was computed or copied.
#[derive(Clone, Copy)]
pub struct RecordRef<'a> {
    bytes: &'a [u8],
}

/// The bytes end before the record does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the record is cut off: {have} bytes are here, it has {want}")]
pub struct Truncated {
    /// Bytes that are here.
    pub have: usize,
    /// Bytes the record has, as far as it can be told.
    pub want: usize,
}

/// Why a record cannot be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MakeError {
    /// The text or data does not fit.
    #[error("{have} bytes do not fit into one record: the most is {limit}")]
    TooLong {
        /// Bytes that were given.
        have: usize,
        /// Bytes that fit.
        limit: usize,
    },
    /// The coding is a number of three bits.
    #[error("coding {0} does not exist: 0 is raw, 1 is an envelope, 7 the highest")]
    Coding(u8),
    /// The claimed work is a number of five bits.
    #[error("{0} bits of work cannot be claimed: the most is 31")]
    Work(u8),
}

/// Where the expiry of a dated record stands against a clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expiry {
    /// It may be flooded.
    Alive,
    /// It expired this many seconds ago.
    Past(u32),
    /// It claims to live longer than the protocol allows, by this many seconds.
    TooFarAhead(u32),
}

impl<'a> RecordRef<'a> {
    /// The record at the beginning of `bytes`, and how many bytes it has.
    pub fn parse(bytes: &'a [u8]) -> Result<(Self, usize), Truncated> {
        let Some(&payload_len) = bytes.get(HEADER_BYTES - 1) else {
            return Err(Truncated { have: bytes.len(), want: HEADER_BYTES });
        };
        let want = HEADER_BYTES + usize::from(payload_len);
        let whole = bytes.get(..want).ok_or(Truncated { have: bytes.len(), want })?;
        Ok((Self { bytes: whole }, want))
    }

    /// The id it claims.
    pub fn msg_id(&self) -> MsgId {
        MsgId(array_at(self.bytes, 0))
    }

    /// Where it is addressed to.
    pub fn target(&self) -> Target {
        Target(array_at(self.bytes, 16))
    }

    /// Its payload, with the trailer if there is one.
    pub fn payload(&self) -> &'a [u8] {
        self.bytes.get(HEADER_BYTES..).expect("parse saw the whole header")
    }

    /// All its bytes.
    pub const fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The trailer its payload seems to end in. Only [`RecordRef::id_matches`] tells whether it is one.
    pub fn trailer(&self) -> Option<Dated> {
        let payload = self.payload();
        let trailer = payload.get(payload.len().checked_sub(TRAILER_BYTES)?..)?;
        if trailer.get(14..) != Some(&TRAILER_END) {
            return None;
        }
        let flags: [u8; 2] = array_at(trailer, 12);
        Some(Dated {
            expiry: u32::from_le_bytes(array_at(trailer, 8)),
            claimed_bits: flags[0] & 0x1f,
            coding: flags[0] >> 5,
            reserved: flags[1],
        })
    }

    /// Whether the MsgId is the MD5 of the rest, as that of a dated record is. Costs one MD5.
    pub fn id_matches(&self) -> bool {
        compute_msg_id(self.bytes.get(16..).expect("parse saw the whole header")) == self.msg_id()
    }

    /// The record for keeps: computes whether it is dated, and copies the bytes.
    pub fn to_record(&self) -> Record {
        let dated = self.trailer().filter(|_| self.id_matches());
        Record { bytes: Arc::from(self.bytes), dated }
    }
}

impl Record {
    /// The record at the beginning of `bytes`, and how many bytes it has.
    pub fn parse(bytes: &[u8]) -> Result<(Self, usize), Truncated> {
        let (record, used) = RecordRef::parse(bytes)?;
        Ok((record.to_record(), used))
    }

    /// A plain record: exactly PIP-0038's, with an id of the caller's choice.
    ///
    /// A payload of which the id happens to be the dated one makes a dated record.
    pub fn plain(msg_id: MsgId, target: Target, payload: &[u8]) -> Result<Self, MakeError> {
        let len = payload_len(payload.len(), PAYLOAD_BYTES_MAX)?;
        let mut bytes = [0; RECORD_BYTES_MAX];
        let used = assemble(&mut bytes, &msg_id, &target, len, &[payload]);
        let (record, _) = RecordRef::parse(used).expect("a whole record was assembled");
        Ok(record.to_record())
    }

    /// A dated record without work.
    pub fn dated(target: Target, body: &[u8], expiry: u32, coding: u8, nonce: [u8; 8]) -> Result<Self, MakeError> {
        Self::dated_with_claim(target, body, expiry, coding, nonce, 0)
    }

    /// A dated record that claims `claimed_bits` of work, whether the nonce meets them or not.
    pub fn dated_with_claim(
        target: Target,
        body: &[u8],
        expiry: u32,
        coding: u8,
        nonce: [u8; 8],
        claimed_bits: u8,
    ) -> Result<Self, MakeError> {
        if coding > 7 {
            return Err(MakeError::Coding(coding));
        }
        if claimed_bits > WORK_BITS_MAX {
            return Err(MakeError::Work(claimed_bits));
        }
        payload_len(body.len(), BODY_BYTES_MAX)?;
        let len = payload_len(body.len() + TRAILER_BYTES, PAYLOAD_BYTES_MAX)?;
        let flags = [claimed_bits | coding << 5, 0];
        let mut bytes = [0; RECORD_BYTES_MAX];
        let parts: [&[u8]; 5] = [body, &nonce, &expiry.to_le_bytes(), &flags, &TRAILER_END];
        let used = assemble(&mut bytes, &MsgId([0; 16]), &target, len, &parts);
        let id = compute_msg_id(used.get(16..).expect("a whole record was assembled"));
        used.get_mut(..16).expect("a whole record was assembled").copy_from_slice(&id.0);
        let dated = Dated { expiry, claimed_bits, coding, reserved: 0 };
        Ok(Self { bytes: Arc::from(&*used), dated: Some(dated) })
    }

    /// Its id.
    pub fn msg_id(&self) -> MsgId {
        self.view().msg_id()
    }

    /// Where it is addressed to.
    pub fn target(&self) -> Target {
        self.view().target()
    }

    /// Its payload, with the trailer if it is dated.
    pub fn payload(&self) -> &[u8] {
        self.view().payload()
    }

    /// What its sender wanted to say: the payload, without the trailer if it is dated.
    pub fn body(&self) -> &[u8] {
        let payload = self.payload();
        let trailer = if self.dated.is_some() { TRAILER_BYTES } else { 0 };
        payload.get(..payload.len() - trailer).expect("a dated payload has its trailer")
    }

    /// Its trailer, if it is dated.
    pub const fn stamp(&self) -> Option<Dated> {
        self.dated
    }

    /// Whether its body begins like one that is signed in clear, so that any node on its way can check the signature.
    pub fn is_worth_a_check(&self) -> bool {
        let readable = self.dated.is_some_and(|dated| dated.coding == CODING_ENVELOPE && dated.reserved == 0);
        readable && self.body().first() == Some(&FORM_SIGNED) && self.body().len() >= SIGNED_BODY_BYTES_MIN
    }

    /// All its bytes, as they travel.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The work it claims and meets, in leading zero bits: 0 when the claim is not met. Costs one SHA-256
    /// if anything is claimed.
    pub fn work_bits(&self) -> u8 {
        let claimed = self.dated.map_or(0, |dated| dated.claimed_bits);
        let met = claimed > 0 && leading_zero_bits(&work_digest(self.sealed())) >= u32::from(claimed);
        if met { claimed } else { 0 }
    }

    fn sealed(&self) -> &[u8] {
        self.bytes.get(16..).expect("a record has its header")
    }

    fn view(&self) -> RecordRef<'_> {
        RecordRef { bytes: &self.bytes }
    }
}

impl Dated {
    /// Where the expiry stands against `now`.
    pub const fn expiry_at(&self, now: Wall) -> Expiry {
        let now_s = now.unix_s();
        if self.expiry < now_s.saturating_sub(EXPIRY_PAST_S_MAX) {
            Expiry::Past(now_s - self.expiry)
        } else if self.expiry > now_s.saturating_add(EXPIRY_AHEAD_S_MAX) {
            Expiry::TooFarAhead(self.expiry - now_s.saturating_add(EXPIRY_AHEAD_S_MAX))
        } else {
            Expiry::Alive
        }
    }
}

/// A search for the nonce of a worked record, in slices, so that it can be stopped and shown.
#[derive(Clone, Debug)]
pub struct WorkSearch {
    target: Target,
    payload: Vec<u8>,
    bits: u8,
    nonce: u64,
}

impl WorkSearch {
    /// Begins the search at `start`, a random number.
    pub fn new(target: Target, body: &[u8], expiry: u32, coding: u8, bits: u8, start: u64) -> Result<Self, MakeError> {
        let record = Record::dated_with_claim(target, body, expiry, coding, start.to_le_bytes(), bits)?;
        Ok(Self { target, payload: record.payload().to_vec(), bits, nonce: start })
    }

    /// Tries `tries` nonces; the record, if one of them met the bits.
    pub fn search(&mut self, tries: u64) -> Option<Record> {
        let len = u8::try_from(self.payload.len()).expect("the payload was that of a record");
        let nonce_at = self.payload.len() - TRAILER_BYTES;
        let mut prefix = Sha256::new();
        prefix.update(WORK_DOMAIN);
        prefix.update(self.target.0);
        prefix.update([len]);
        prefix.update(self.payload.get(..nonce_at).expect("the payload ends in a trailer"));
        for _ in 0..tries {
            let nonce = self.nonce.to_le_bytes();
            self.nonce = self.nonce.wrapping_add(1);
            self.payload
                .get_mut(nonce_at..nonce_at + 8)
                .expect("the payload ends in a trailer")
                .copy_from_slice(&nonce);
            let mut hash = prefix.clone();
            hash.update(self.payload.get(nonce_at..).expect("the payload ends in a trailer"));
            if leading_zero_bits(&hash.finalize().into()) >= u32::from(self.bits) {
                let mut bytes = [0; RECORD_BYTES_MAX];
                let used = assemble(&mut bytes, &MsgId([0; 16]), &self.target, len, &[&self.payload]);
                let id = compute_msg_id(used.get(16..).expect("a whole record was assembled"));
                used.get_mut(..16).expect("a whole record was assembled").copy_from_slice(&id.0);
                let (record, _) = RecordRef::parse(used).expect("a whole record was assembled");
                return Some(record.to_record());
            }
        }
        None
    }
}

fn payload_len(have: usize, limit: usize) -> Result<u8, MakeError> {
    if have > limit {
        return Err(MakeError::TooLong { have, limit });
    }
    Ok(u8::try_from(have).expect("no limit is above 255"))
}

fn assemble<'b>(
    bytes: &'b mut [u8; RECORD_BYTES_MAX],
    msg_id: &MsgId,
    target: &Target,
    len: u8,
    parts: &[&[u8]],
) -> &'b mut [u8] {
    let mut at = 0;
    let header: [&[u8]; 3] = [&msg_id.0, &target.0, &[len]];
    for part in header.iter().chain(parts) {
        bytes.get_mut(at..at + part.len()).expect("lengths were checked").copy_from_slice(part);
        at += part.len();
    }
    bytes.get_mut(..at).expect("lengths were checked")
}

/// `sealed` = Target || PayloadLen || Payload.
fn compute_msg_id(sealed: &[u8]) -> MsgId {
    let mut hash = Md5::new();
    hash.update(ID_DOMAIN);
    hash.update(sealed);
    MsgId(hash.finalize().into())
}

fn work_digest(sealed: &[u8]) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(WORK_DOMAIN);
    hash.update(sealed);
    hash.finalize().into()
}

fn leading_zero_bits(digest: &[u8; 32]) -> u32 {
    let first = u64::from_be_bytes(array_at(digest, 0));
    first.leading_zeros()
}

fn array_at<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    bytes.get(at..at + N).and_then(|part| part.try_into().ok()).expect("the caller checked the length")
}

macro_rules! sixteen_bytes_as_hex {
    ($name:ident) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl std::str::FromStr for $name {
            type Err = NotSixteenBytes;

            fn from_str(text: &str) -> Result<Self, NotSixteenBytes> {
                if let Some(other) = text.chars().find(|digit| !digit.is_ascii_hexdigit()) {
                    return Err(NotSixteenBytes::Digit(other));
                }
                let mut out = [0; 16];
                if text.len() != 2 * out.len() {
                    return Err(NotSixteenBytes::Length(text.len()));
                }
                for (byte, pair) in out.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
                    let pair = std::str::from_utf8(pair).expect("hex digits are ASCII");
                    *byte = u8::from_str_radix(pair, 16).expect("two hex digits are a byte");
                }
                Ok(Self(out))
            }
        }
    };
}

sixteen_bytes_as_hex!(MsgId);
sixteen_bytes_as_hex!(Target);

/// The text is not 16 bytes in hex.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotSixteenBytes {
    /// Too few digits, or too many.
    #[error("not 16 bytes in hex: 32 digits are wanted, {0} are here")]
    Length(usize),
    /// A character that is no digit.
    #[error("not 16 bytes in hex: {0:?} is none of 0-9 a-f")]
    Digit(char),
}

impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Neither target nor payload: a record in a log must not say what was said to whom.
        f.debug_struct("Record").field("msg_id", &self.msg_id()).field("dated", &self.dated).finish_non_exhaustive()
    }
}
