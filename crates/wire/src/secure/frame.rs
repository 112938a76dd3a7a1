//! The inner frame of a TLS link: `type u8, flags u8, length u24, body`; `docs/wire/tls-link.md` has it to the byte.
//! Never knows what was said before: whether a frame may come now is for the session to say.

use nightjar_core::address::{Address, Host, LinkKind};
use nightjar_core::fault::Fault;
use nightjar_core::item::{BYE_TEXT_BYTES_MAX, ByeCode, PEERS_MAX};
use nightjar_core::record::{Record, RecordRef};

use super::open::Open;
use crate::text::clean;

/// Type, flags and length come before the body.
pub const HEADER_BYTES: usize = 5;
/// The longest frame, header included. It bounds what a peer can make us hold before it is looked at.
pub const FRAME_BYTES_MAX: usize = 64 * 1024;
/// The longest RECORDS frame that is sent: the plaintext of one TLS record, so that every TLS record can be
/// parsed where it was decrypted, without waiting for the next.
pub const RECORDS_FRAME_BYTES_MAX: usize = 16 * 1024;
/// A buffer above this is given back when it is empty: an idle link is to be small.
const KEPT_BYTES_MAX: usize = 1024;
/// A frame of a type with this bit may be skipped by who does not know it.
const SKIPPABLE: u8 = 0x80;

/// Types of frames.
pub(super) mod kind {
    pub(in super::super) const OPEN: u8 = 1;
    pub(in super::super) const RECORDS: u8 = 2;
    pub(in super::super) const PEERS: u8 = 3;
    pub(in super::super) const PING: u8 = 4;
    pub(in super::super) const PONG: u8 = 5;
    pub(in super::super) const BYE: u8 = 6;
}

/// One frame, as far as its body could be read without its history.
#[derive(Clone, Debug, PartialEq)]
pub enum Frame<'a> {
    /// The first frame of each side.
    Open(Open),
    /// Records, read one by one.
    Records(Records<'a>),
    /// Addresses of other nodes. Those that cannot be read are left out.
    Peers(Vec<Address>),
    /// A question whether the link is alive.
    Ping([u8; 8]),
    /// The answer, with the eight bytes of the question.
    Pong([u8; 8]),
    /// The link ends.
    Bye {
        /// For programs.
        code: ByeCode,
        /// For people.
        text: String,
    },
    /// A frame of a later version that may be skipped.
    Skipped,
}

/// The records of a RECORDS frame that were not read yet.
#[derive(Clone, Debug, PartialEq)]
pub struct Records<'a> {
    left: u16,
    rest: &'a [u8],
}

impl<'a> Frame<'a> {
    /// The frame at the beginning of `bytes` and how many bytes it has; `None` while it is not whole.
    ///
    /// Type and length are judged as soon as they are there, so nobody waits for a body that is not wanted.
    pub fn parse(bytes: &'a [u8]) -> Result<Option<(Self, usize)>, Fault> {
        let Some((&[kind, _flags, a, b, c], rest)) = bytes.split_first_chunk::<HEADER_BYTES>() else {
            return Ok(None);
        };
        if !(kind::OPEN..=kind::BYE).contains(&kind) && kind & SKIPPABLE == 0 {
            // What must not be skipped and is not known comes from a later version.
            return Err(Fault::WrongVersion);
        }
        let length = u32::from_le_bytes([a, b, c, 0]) as usize;
        if length > FRAME_BYTES_MAX - HEADER_BYTES {
            return Err(Fault::Oversize);
        }
        let Some(body) = rest.get(..length) else { return Ok(None) };
        Ok(Some((Self::parse_body(kind, body)?, HEADER_BYTES + length)))
    }

    fn parse_body(kind: u8, body: &'a [u8]) -> Result<Self, Fault> {
        let mut body = Body(body);
        let frame = match kind {
            // More may follow in OPEN, and is for later versions.
            kind::OPEN => return Ok(Self::Open(Open::parse(body)?)),
            kind::RECORDS => {
                let left = body.u16()?;
                if left == 0 {
                    return Err(Fault::Malformed);
                }
                return Ok(Self::Records(Records { left, rest: body.0 }));
            }
            kind::PEERS => Self::Peers(parse_peers(&mut body)?),
            kind::PING => Self::Ping(body.array()?),
            kind::PONG => Self::Pong(body.array()?),
            kind::BYE => {
                Self::Bye { code: ByeCode::from_byte(body.u8()?), text: clean(body.str()?, BYE_TEXT_BYTES_MAX) }
            }
            _ => return Ok(Self::Skipped),
        };
        body.end()?;
        Ok(frame)
    }
}

impl<'a> Records<'a> {
    /// The next record and its tag; `None` behind the last.
    #[expect(clippy::should_implement_trait, reason = "an iterator of results would invite to go on behind a fault")]
    pub fn next(&mut self) -> Result<Option<(RecordRef<'a>, u16)>, Fault> {
        if self.left == 0 {
            return if self.rest.is_empty() { Ok(None) } else { Err(Fault::Malformed) };
        }
        let (&tag, rest) = self.rest.split_first_chunk::<2>().ok_or(Fault::Malformed)?;
        let (record, used) = RecordRef::parse(rest).map_err(|_| Fault::Malformed)?;
        self.rest = rest.get(used..).expect("the record lies in these bytes");
        self.left -= 1;
        Ok(Some((record, u16::from_le_bytes(tag))))
    }
}

fn parse_peers(body: &mut Body<'_>) -> Result<Vec<Address>, Fault> {
    let count = usize::from(body.u8()?);
    if count > PEERS_MAX {
        return Err(Fault::Oversize);
    }
    let mut peers = Vec::with_capacity(count);
    for _ in 0..count {
        let kind = match body.u8()? {
            0 => Some(LinkKind::Tls),
            1 => Some(LinkKind::Pascal),
            _ => None,
        };
        let port = body.u16()?;
        let host = std::str::from_utf8(body.str()?).ok().and_then(|text| text.parse::<Host>().ok());
        // A protocol or a form of host that we do not know is not the teller's mistake.
        if let (Some(kind), Some(host)) = (kind, host)
            && port > 0
        {
            peers.push(Address { kind, host, port });
        }
    }
    Ok(peers)
}

/// What is left of a body.
pub(super) struct Body<'a>(&'a [u8]);

impl<'a> Body<'a> {
    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], Fault> {
        let (array, rest) = self.0.split_first_chunk::<N>().ok_or(Fault::Malformed)?;
        self.0 = rest;
        Ok(*array)
    }

    pub(super) fn u8(&mut self) -> Result<u8, Fault> {
        self.array().map(u8::from_le_bytes)
    }

    pub(super) fn u16(&mut self) -> Result<u16, Fault> {
        self.array().map(u16::from_le_bytes)
    }

    pub(super) fn u32(&mut self) -> Result<u32, Fault> {
        self.array().map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self) -> Result<u64, Fault> {
        self.array().map(u64::from_le_bytes)
    }

    /// A text: its length in a u16, then its bytes.
    pub(super) fn str(&mut self) -> Result<&'a [u8], Fault> {
        let length = usize::from(self.u16()?);
        let (text, rest) = self.0.split_at_checked(length).ok_or(Fault::Malformed)?;
        self.0 = rest;
        Ok(text)
    }

    fn end(&self) -> Result<(), Fault> {
        if self.0.is_empty() { Ok(()) } else { Err(Fault::Malformed) }
    }
}

/// Frames that wait to be sent, and a RECORDS frame at their end that can still grow.
#[derive(Debug, Default)]
pub(super) struct FrameWriter {
    bytes: Vec<u8>,
    /// Where the RECORDS frame begins that is still open, and how many records are in it.
    growing: Option<(usize, u16)>,
}

impl FrameWriter {
    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    pub(super) fn record(&mut self, record: &Record, tag: u16) {
        let (at, count) = self.growing_frame(2 + record.bytes().len());
        self.bytes.extend_from_slice(&tag.to_le_bytes());
        self.bytes.extend_from_slice(record.bytes());
        self.growing = Some((at, count + 1));
    }

    pub(super) fn open(&mut self, open: &Open) {
        self.frame(kind::OPEN, |bytes| open.write(bytes));
    }

    /// At most [`PEERS_MAX`] go out.
    pub(super) fn peers(&mut self, peers: &[Address]) {
        let peers = peers.get(..PEERS_MAX).unwrap_or(peers);
        self.frame(kind::PEERS, |bytes| {
            bytes.push(u8::try_from(peers.len()).expect("PEERS_MAX is below 256"));
            for peer in peers {
                bytes.push(match peer.kind {
                    LinkKind::Tls => 0,
                    LinkKind::Pascal => 1,
                });
                bytes.extend_from_slice(&peer.port.to_le_bytes());
                write_str(bytes, &peer.host.to_string());
            }
        });
    }

    pub(super) fn ping(&mut self, question: [u8; 8]) {
        self.frame(kind::PING, |bytes| bytes.extend_from_slice(&question));
    }

    pub(super) fn pong(&mut self, question: [u8; 8]) {
        self.frame(kind::PONG, |bytes| bytes.extend_from_slice(&question));
    }

    pub(super) fn bye(&mut self, code: ByeCode, text: &str) {
        let text = clean(text.as_bytes(), BYE_TEXT_BYTES_MAX);
        self.frame(kind::BYE, |bytes| {
            bytes.push(code.byte());
            write_str(bytes, &text);
        });
    }

    /// Gives all frames, in pieces that one TLS record holds; a longer frame is cut.
    pub(super) fn drain(&mut self, mut write: impl FnMut(&[u8])) {
        self.close_growing();
        let mut rest = self.bytes.as_slice();
        while !rest.is_empty() {
            let (piece, behind) = rest.split_at(whole_frames(rest));
            write(piece);
            rest = behind;
        }
        if self.bytes.capacity() > KEPT_BYTES_MAX {
            self.bytes = Vec::new();
        } else {
            self.bytes.clear();
        }
    }

    /// Puts the frames of another behind its own.
    pub(super) fn append(&mut self, mut other: Self) {
        other.close_growing();
        self.close_growing();
        self.bytes.append(&mut other.bytes);
    }

    fn growing_frame(&mut self, more: usize) -> (usize, u16) {
        if let Some((at, count)) = self.growing
            && self.bytes.len() - at + more <= RECORDS_FRAME_BYTES_MAX
        {
            return (at, count);
        }
        self.close_growing();
        let at = self.bytes.len();
        self.bytes.extend_from_slice(&[kind::RECORDS, 0, 0, 0, 0, 0, 0]);
        (at, 0)
    }

    fn close_growing(&mut self) {
        if let Some((at, count)) = self.growing.take() {
            self.set_length(at);
            let count_at = at + HEADER_BYTES;
            let field = self.bytes.get_mut(count_at..count_at + 2).expect("the frame was begun with its count");
            field.copy_from_slice(&count.to_le_bytes());
        }
    }

    fn frame(&mut self, kind: u8, write_body: impl FnOnce(&mut Vec<u8>)) {
        self.close_growing();
        let at = self.bytes.len();
        self.bytes.extend_from_slice(&[kind, 0, 0, 0, 0]);
        write_body(&mut self.bytes);
        self.set_length(at);
    }

    fn set_length(&mut self, at: usize) {
        let length = self.bytes.len() - at - HEADER_BYTES;
        let [a, b, c, _] = u32::try_from(length).expect("a frame is below 64 KiB").to_le_bytes();
        let field = self.bytes.get_mut(at + 2..at + HEADER_BYTES).expect("the frame was begun with its header");
        field.copy_from_slice(&[a, b, c]);
    }
}

/// How many of these bytes are whole frames that one TLS record holds: at least one byte, at most 16 KiB.
fn whole_frames(bytes: &[u8]) -> usize {
    let limit = bytes.len().min(RECORDS_FRAME_BYTES_MAX);
    let mut end = 0;
    while let Some(&[_, _, a, b, c]) = bytes.get(end..).and_then(|rest| rest.first_chunk::<HEADER_BYTES>()) {
        let next = end + HEADER_BYTES + u32::from_le_bytes([a, b, c, 0]) as usize;
        if next > limit {
            break;
        }
        end = next;
    }
    if end == 0 { limit } else { end }
}

pub(super) fn write_str(bytes: &mut Vec<u8>, text: &str) {
    let length = u16::try_from(text.len()).expect("texts on this link are cut far below 64 KiB");
    bytes.extend_from_slice(&length.to_le_bytes());
    bytes.extend_from_slice(text.as_bytes());
}
