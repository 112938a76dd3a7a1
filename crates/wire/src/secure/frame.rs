//! The inner frame of a TLS link: `type u8, flags u8, length u24, body`; `docs/wire/tls-link.md` has it to the byte.
//! Never knows what was said before: whether a frame may come now is for the session to say.

use nightjar_core::address::{Address, Host, LinkKind};
use nightjar_core::fault::Fault;
use nightjar_core::item::{BYE_TEXT_BYTES_MAX, ByeCode, PEERS_MAX, SERVED_RECORDS_MAX};
use nightjar_core::reconcile::{Exchange, Message, Share};
use nightjar_core::record::{Record, RecordRef};

use super::catch_up::{self, ASKS};
use super::open::Open;
use crate::body::{Body, write_str};
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
    pub(in super::super) const CATCH_UP: u8 = 7;
    pub(in super::super) const SERVED: u8 = 8;
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
    /// A message of catch-up.
    CatchUp {
        /// The exchange it belongs to, as of the sender.
        exchange: Exchange,
        /// The message.
        message: Message,
    },
    /// Records that were asked for.
    Served {
        /// The exchange in which they were, as of the sender.
        exchange: Exchange,
        /// The records.
        records: Vec<Record>,
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
        if !(kind::OPEN..=kind::SERVED).contains(&kind) && kind & SKIPPABLE == 0 {
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
            kind::CATCH_UP => {
                let share = Share::from_byte(body.u8()?).ok_or(Fault::Malformed)?;
                let (message, asks) = catch_up::parse(body.0)?;
                return Ok(Self::CatchUp { exchange: Exchange { share, asks }, message });
            }
            kind::SERVED => {
                let byte = body.u8()?;
                let share = Share::from_byte(byte & !ASKS).ok_or(Fault::Malformed)?;
                let records = parse_served(&mut body)?;
                Self::Served { exchange: Exchange { share, asks: byte & ASKS != 0 }, records }
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

fn parse_served(body: &mut Body<'_>) -> Result<Vec<Record>, Fault> {
    let count = usize::from(body.u8()?);
    if count == 0 || count > SERVED_RECORDS_MAX {
        return Err(Fault::Malformed);
    }
    let mut records = Vec::with_capacity(count);
    for _ in 0..count {
        let (record, used) = RecordRef::parse(body.0).map_err(|_| Fault::Malformed)?;
        body.bytes(used)?;
        let record = record.to_record();
        // Nobody has a plain one in his window, nor one whose id is not that of its bytes.
        if record.stamp().is_none() {
            return Err(Fault::Malformed);
        }
        records.push(record);
    }
    Ok(records)
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
                write_str(bytes, peer.host.to_string().as_bytes());
            }
        });
    }

    pub(super) fn catch_up(&mut self, exchange: Exchange, message: &Message) {
        self.frame(kind::CATCH_UP, |bytes| {
            bytes.push(exchange.share.byte());
            catch_up::write(message, exchange.asks, bytes);
        });
    }

    /// At most [`SERVED_RECORDS_MAX`] go out.
    pub(super) fn served(&mut self, exchange: Exchange, records: &[Record]) {
        let records = records.get(..SERVED_RECORDS_MAX).unwrap_or(records);
        self.frame(kind::SERVED, |bytes| {
            bytes.push(exchange.share.byte() | if exchange.asks { ASKS } else { 0 });
            bytes.push(u8::try_from(records.len()).expect("SERVED_RECORDS_MAX is below 256"));
            records.iter().for_each(|record| bytes.extend_from_slice(record.bytes()));
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
            write_str(bytes, text.as_bytes());
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test may fail loudly")]

    use nightjar_core::record::{MsgId, Target};
    use proptest::prelude::*;

    use super::*;

    const PAGE: &str = include_str!("../../../../docs/wire/tls-link.md");

    fn written(write: impl FnOnce(&mut FrameWriter)) -> Vec<u8> {
        let mut writer = FrameWriter::default();
        write(&mut writer);
        let mut bytes = Vec::new();
        writer.drain(|piece| bytes.extend_from_slice(piece));
        bytes
    }

    fn parsed(bytes: &[u8]) -> Frame<'_> {
        let (frame, used) = Frame::parse(bytes).unwrap().unwrap();
        assert_eq!(used, bytes.len());
        frame
    }

    fn assert_on_page(bytes: &[u8]) {
        let hex = bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ");
        let page = PAGE.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(page.contains(&hex), "docs/wire/tls-link.md lacks {hex}");
    }

    fn record(payload: &[u8]) -> Record {
        Record::plain(MsgId([0x11; 16]), Target([0x22; 16]), payload).unwrap()
    }

    #[test]
    fn frames_of_catch_up_are_what_is_written_and_read() {
        let exchange = Exchange { share: Share::Worked, asks: true };
        let bytes = written(|out| out.catch_up(exchange, &Message::Done));
        assert_on_page(&bytes);
        assert_eq!(parsed(&bytes), Frame::CatchUp { exchange, message: Message::Done });

        let exchange = Exchange { share: Share::Dated, asks: true };
        let records = vec![Record::dated(Target([0x22; 16]), b"hi", 1_800_000_000, 0, [3; 8]).unwrap()];
        let bytes = written(|out| out.served(exchange, &records));
        assert_on_page(&bytes);
        assert_eq!(parsed(&bytes), Frame::Served { exchange, records });
        for share in Share::ALL {
            assert_eq!(Share::from_byte(share.byte()), Some(share));
        }
    }

    #[test]
    fn served_records_are_dated_and_not_more_than_fit() {
        let longest = Record::dated(Target([1; 16]), &[7; 200], 1_800_000_000, 0, [3; 8]).unwrap();
        let exchange = Exchange { share: Share::Dated, asks: false };
        let bytes = written(|out| out.served(exchange, &vec![longest.clone(); SERVED_RECORDS_MAX + 1]));
        assert!(bytes.len() <= RECORDS_FRAME_BYTES_MAX);
        const { assert!(SERVED_RECORDS_MAX * nightjar_core::record::RECORD_BYTES_MAX < RECORDS_FRAME_BYTES_MAX) };
        let Frame::Served { records, .. } = parsed(&bytes) else { panic!("these are records") };
        assert_eq!(records.len(), SERVED_RECORDS_MAX);
        for broken in [vec![], vec![record(b"a plain one")]] {
            let bytes = written(|out| out.served(exchange, &broken));
            assert_eq!(Frame::parse(&bytes), Err(Fault::Malformed));
        }
        let mut too_many = bytes.clone();
        too_many[HEADER_BYTES + 1] += 1;
        assert_eq!(Frame::parse(&too_many), Err(Fault::Malformed));
        let mut no_share = bytes;
        no_share[HEADER_BYTES] = 2;
        assert_eq!(Frame::parse(&no_share), Err(Fault::Malformed));
    }

    #[test]
    fn the_examples_of_the_page_are_what_is_written_and_read() {
        let open =
            Open { version: 1, network: 0, features: 0, listen_port: 4038, wall_s: 1_800_000_000, agent: "x/1".into() };
        let bytes = written(|out| out.open(&open));
        assert_on_page(&bytes);
        assert_eq!(parsed(&bytes), Frame::Open(open));

        let bytes = written(|out| {
            out.record(&record(b"hi"), 0);
            out.record(&record(b""), 7);
        });
        assert_on_page(&bytes);
        let Frame::Records(mut records) = parsed(&bytes) else { panic!("these are records") };
        let (first, tag) = records.next().unwrap().unwrap();
        assert_eq!((first.payload(), tag), (&b"hi"[..], 0));
        assert_eq!(records.next().unwrap().unwrap().1, 7);
        assert!(records.next().unwrap().is_none());

        let peers: Vec<Address> = ["192.0.2.7:4038", "[2001:db8::7]:4038", "pascal://node.example:4004"]
            .map(|text| text.parse().unwrap())
            .into();
        let bytes = written(|out| out.peers(&peers));
        assert_on_page(&bytes);
        assert_eq!(parsed(&bytes), Frame::Peers(peers));

        let bytes = written(|out| out.ping([1, 2, 3, 4, 5, 6, 7, 8]));
        assert_on_page(&bytes);
        assert_eq!(parsed(&bytes), Frame::Ping([1, 2, 3, 4, 5, 6, 7, 8]));
        let bytes = written(|out| out.pong([1, 2, 3, 4, 5, 6, 7, 8]));
        assert_on_page(&bytes);

        let bytes = written(|out| out.bye(ByeCode::Full, "full"));
        assert_on_page(&bytes);
        assert_eq!(parsed(&bytes), Frame::Bye { code: ByeCode::Full, text: "full".into() });
    }

    #[test]
    fn peers_that_cannot_be_read_are_left_out() {
        let mut body = vec![4];
        for (kind, port, host) in [(0, 1u16, "a.example"), (9, 1, "b.example"), (0, 0, "c.example"), (0, 1, "no host!")]
        {
            body.push(kind);
            body.extend(port.to_le_bytes());
            write_str(&mut body, host.as_bytes());
        }
        let bytes = written(|out| out.frame(kind::PEERS, |bytes| bytes.extend(&body)));
        assert_eq!(parsed(&bytes), Frame::Peers(vec!["a.example:1".parse().unwrap()]));
    }

    #[test]
    fn a_body_that_is_not_what_its_type_demands_is_malformed() {
        let malformed: [(u8, &[u8]); 10] = [
            (kind::OPEN, &[1, 0, 0]),
            (kind::RECORDS, &[]),
            (kind::RECORDS, &[0, 0]),
            (kind::PEERS, &[]),
            (kind::PEERS, &[1, 0, 1]),
            (kind::PEERS, &[0, 0]),
            (kind::PING, &[1; 7]),
            (kind::PONG, &[1; 9]),
            (kind::BYE, &[1, 2, 0, b'x']),
            (kind::BYE, &[1, 0, 0, 0]),
        ];
        for (kind, body) in malformed {
            let bytes = written(|out| out.frame(kind, |bytes| bytes.extend_from_slice(body)));
            assert_eq!(Frame::parse(&bytes).unwrap_err(), Fault::Malformed, "type {kind} with {body:?}");
        }
        let bytes = written(|out| out.frame(kind::PEERS, |bytes| bytes.push(65)));
        assert_eq!(Frame::parse(&bytes).unwrap_err(), Fault::Oversize);
    }

    #[test]
    fn type_and_length_are_judged_before_the_body_is_there() {
        assert_eq!(Frame::parse(&[kind::SERVED + 1, 0, 0, 0, 0]), Err(Fault::WrongVersion));
        assert_eq!(Frame::parse(&[0, 0, 1, 0, 0]), Err(Fault::WrongVersion));
        assert_eq!(Frame::parse(&[kind::PING, 0, 0xfc, 0xff, 0]), Err(Fault::Oversize));
        assert_eq!(Frame::parse(&[0x80, 0, 0xfb, 0xff, 0]), Ok(None));
        assert_eq!(Frame::parse(&[0xff, 0, 1, 0, 0, 42]), Ok(Some((Frame::Skipped, 6))));
    }

    #[test]
    fn no_piece_is_above_one_tls_record_and_none_cuts_a_short_frame() {
        let mut writer = FrameWriter::default();
        (0..1000).for_each(|_| writer.record(&record(&[1; 255]), 0));
        writer.ping([0; 8]);
        writer.frame(0x80, |bytes| bytes.extend([0; 50_000]));
        let mut bytes = Vec::new();
        let mut pieces = Vec::new();
        writer.drain(|piece| {
            bytes.extend_from_slice(piece);
            pieces.push(bytes.len());
        });
        assert_eq!(writer.len(), 0);
        assert_eq!(pieces.last(), Some(&bytes.len()));
        assert!(pieces.windows(2).all(|pair| pair[1] - pair[0] <= RECORDS_FRAME_BYTES_MAX));
        let mut at = 0;
        while let Some((frame, used)) = Frame::parse(&bytes[at..]).unwrap() {
            let cut = pieces.iter().any(|end| at < *end && *end < at + used);
            assert_eq!(cut, frame == Frame::Skipped);
            at += used;
        }
        assert_eq!(at, bytes.len());
    }

    fn any_item() -> impl Strategy<Value = (u8, Vec<u8>, u16)> {
        (0..5u8, prop::collection::vec(any::<u8>(), 0..256), any::<u16>())
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_parser_panic_or_read_beyond_them(bytes in prop::collection::vec(any::<u8>(), 0..400), kind in 0..8u8) {
            let mut bytes = bytes;
            if let Some(first) = bytes.first_mut() {
                *first = kind;
            }
            if let Some(length) = bytes.get_mut(3..5) {
                length.fill(0);
            }
            if let Ok(Some((frame, used))) = Frame::parse(&bytes) {
                prop_assert!(used <= bytes.len());
                if let Frame::Records(mut records) = frame {
                    while let Ok(Some((record, _))) = records.next() {
                        prop_assert!(record.bytes().len() <= used);
                    }
                }
            }
        }

        #[test]
        fn what_is_written_is_read_in_order(items in prop::collection::vec(any_item(), 0..200)) {
            let bytes = written(|out| {
                for (kind, payload, tag) in &items {
                    match kind {
                        0 => out.ping([payload.len() as u8; 8]),
                        1 => out.bye(ByeCode::from_byte(*tag as u8), "text"),
                        _ => out.record(&record(&payload[..payload.len().min(255)]), *tag),
                    }
                }
            });
            let mut read = Vec::new();
            let mut at = 0;
            while let Some((frame, used)) = Frame::parse(&bytes[at..]).unwrap() {
                at += used;
                match frame {
                    Frame::Ping(question) => read.push((0, vec![question[0]], 0)),
                    Frame::Bye { code, .. } => read.push((1, vec![code.byte()], 0)),
                    Frame::Records(mut records) => {
                        while let Some((record, tag)) = records.next().unwrap() {
                            read.push((2, record.payload().to_vec(), tag));
                        }
                    }
                    other => panic!("{other:?} was not written"),
                }
            }
            prop_assert_eq!(at, bytes.len());
            let wanted: Vec<_> = items.iter().map(|(kind, payload, tag)| match kind {
                0 => (0, vec![payload.len() as u8], 0),
                1 => (1, vec![*tag as u8], 0),
                _ => (2, payload[..payload.len().min(255)].to_vec(), *tag),
            }).collect();
            prop_assert_eq!(read, wanted);
        }
    }
}
