//! PascalCoin's frame: 22 bytes of header, then data; `docs/wire/pascalcoin.md` has it to the byte.
//! Never knows what was said before: whether a frame may come now is for the session to say.

use nightjar_core::chain::Network;
use nightjar_core::fault::Fault;
use nightjar_core::record::{Record, RecordRef};

/// The header before the data of every frame.
pub const HEADER_BYTES: usize = 22;
/// Data of a frame of records, and of every other frame that is looked at, answers about accounts apart.
pub const DATA_BYTES_MAX: usize = 64 * 1024;
/// Records in one frame.
pub const RECORDS_PER_FRAME_MAX: usize = 256;
/// Data of a frame that is passed over, which is not kept but still has to be read.
pub const SKIPPED_BYTES_MAX: usize = 1 << 20;
/// Data of a frame of records that is sent: a program that reads like PascalCoin's daemon, 4096 bytes at a time with
/// rests between, is slow with larger ones.
pub const RECORDS_DATA_BYTES_SENT: usize = 16 * 1024;
/// The version of PascalCoin's protocol that frames say they are of.
pub const PROTOCOL_VERSION: u16 = 14;
/// The highest version their sender says it could speak.
pub const PROTOCOL_AVAILABLE: u16 = 15;
/// A buffer above this is given back when it is empty: an idle link is to be small.
const KEPT_BYTES_MAX: usize = 1024;

/// Operations, as far as they are known by name.
pub mod operation {
    /// Who speaks.
    pub const HELLO: u16 = 0x0001;
    /// Why the other side hangs up.
    pub const ERROR: u16 = 0x0002;
    /// A text for the user of a wallet.
    pub const MESSAGE: u16 = 0x0003;
    /// Headers of blocks.
    pub const GET_BLOCK_HEADERS: u16 = 0x0005;
    /// Whole blocks.
    pub const GET_BLOCKS: u16 = 0x0010;
    /// A block was found.
    pub const NEW_BLOCK: u16 = 0x0011;
    /// A block was found: its short form.
    pub const NEW_BLOCK_FAST_PROPAGATION: u16 = 0x0012;
    /// Operations of blocks.
    pub const GET_BLOCKCHAIN_OPERATIONS: u16 = 0x0013;
    /// Operations for the next block.
    pub const ADD_OPERATIONS: u16 = 0x0020;
    /// The state of all accounts.
    pub const GET_SAFEBOX: u16 = 0x0021;
    /// Operations that wait for a block.
    pub const GET_PENDING_OPERATIONS: u16 = 0x0030;
    /// Accounts by number.
    pub const GET_ACCOUNT: u16 = 0x0031;
    /// Accounts by key.
    pub const GET_PUBKEY_ACCOUNTS: u16 = 0x0032;
    /// PIP-0038: as autosend records, as request the question whether the other side knows this operation.
    pub const RECORDS: u16 = 0x1038;
    /// Operations of this area are answered when they are not known, and nobody is blamed.
    pub const RESERVED: std::ops::RangeInclusive<u16> = 0x1000..=0x1fff;
}

/// Codes of errors in responses.
pub mod error {
    /// None.
    pub const NONE: u16 = 0;
    /// The address of the reader is left alone for a while.
    pub const BLACKLISTED: u16 = 0x0002;
    /// What was asked for is not to be had here.
    pub const NOT_AVAILABLE: u16 = 0x0021;
    /// An operation of the reserved area that this node does not know.
    pub const UNKNOWN_RESERVED: u16 = 0x00ff;
}

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transfer {
    /// A question, which gets a response.
    Request,
    /// The response to a request.
    Response,
    /// Neither.
    Autosend,
}

/// The header of a frame, without the versions that nobody needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Question, response or neither.
    pub transfer: Transfer,
    /// About what.
    pub operation: u16,
    /// 0 if all is well.
    pub error: u16,
    /// Chosen by who asks, and given back in the response.
    pub id: u32,
    /// Bytes of the data that follows.
    pub length: u32,
}

/// The first four bytes of every frame.
pub const fn magic(network: Network) -> [u8; 4] {
    match network {
        Network::Main => [0x80, 0x35, 0x04, 0x0a],
        Network::Test => [0x05, 0x00, 0x00, 0x05],
    }
}

impl Header {
    /// The header at the beginning of `bytes`; `None` while it is not whole. It may be cut anywhere.
    ///
    /// The magic is judged as far as it is there, so nobody waits for the rest of what is no frame.
    pub fn parse(network: Network, bytes: &[u8]) -> Result<Option<Self>, Fault> {
        let (ours, other) = match network {
            Network::Main => (magic(Network::Main), magic(Network::Test)),
            Network::Test => (magic(Network::Test), magic(Network::Main)),
        };
        let begin = bytes.get(..4.min(bytes.len())).unwrap_or_default();
        if !ours.starts_with(begin) {
            return Err(if begin == other { Fault::WrongNetwork } else { Fault::Framing });
        }
        let Some(header) = bytes.first_chunk::<HEADER_BYTES>() else { return Ok(None) };
        let [_, _, _, _, t0, t1, o0, o1, e0, e1, i0, i1, i2, i3, _, _, _, _, l0, l1, l2, l3] = *header;
        let transfer = match u16::from_le_bytes([t0, t1]) {
            1 => Transfer::Request,
            2 => Transfer::Response,
            3 => Transfer::Autosend,
            _ => return Err(Fault::Framing),
        };
        Ok(Some(Self {
            transfer,
            operation: u16::from_le_bytes([o0, o1]),
            error: u16::from_le_bytes([e0, e1]),
            id: u32::from_le_bytes([i0, i1, i2, i3]),
            length: u32::from_le_bytes([l0, l1, l2, l3]),
        }))
    }

    /// Appends the header; `length` is taken as it is.
    pub fn write(&self, network: Network, bytes: &mut Vec<u8>) {
        let transfer: u16 = match self.transfer {
            Transfer::Request => 1,
            Transfer::Response => 2,
            Transfer::Autosend => 3,
        };
        bytes.extend_from_slice(&magic(network));
        for field in [transfer, self.operation, self.error] {
            bytes.extend_from_slice(&field.to_le_bytes());
        }
        bytes.extend_from_slice(&self.id.to_le_bytes());
        bytes.extend_from_slice(&PROTOCOL_VERSION.to_le_bytes());
        bytes.extend_from_slice(&PROTOCOL_AVAILABLE.to_le_bytes());
        bytes.extend_from_slice(&self.length.to_le_bytes());
    }
}

/// A whole frame with this data, header and all.
pub fn frame(network: Network, header: Header, data: &[u8]) -> Vec<u8> {
    let length = u32::try_from(data.len()).expect("nothing here has 4 GiB");
    let mut bytes = Vec::with_capacity(HEADER_BYTES + data.len());
    Header { length, ..header }.write(network, &mut bytes);
    bytes.extend_from_slice(data);
    bytes
}

/// The records of a frame that were not read yet.
#[derive(Clone, Debug)]
pub struct Records<'a> {
    rest: &'a [u8],
    count: usize,
}

impl<'a> Records<'a> {
    /// The records in the data of an autosend of operation 0x1038. There is at least one.
    pub fn parse(data: &'a [u8]) -> Result<Self, Fault> {
        if data.is_empty() {
            return Err(Fault::Malformed);
        }
        if data.len() > DATA_BYTES_MAX {
            return Err(Fault::Oversize);
        }
        Ok(Self { rest: data, count: 0 })
    }

    /// The next record; `None` behind the last.
    #[expect(clippy::should_implement_trait, reason = "an iterator of results would invite to go on behind a fault")]
    pub fn next(&mut self) -> Result<Option<RecordRef<'a>>, Fault> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        if self.count == RECORDS_PER_FRAME_MAX {
            return Err(Fault::Oversize);
        }
        let (record, used) = RecordRef::parse(self.rest).map_err(|_| Fault::Malformed)?;
        self.rest = self.rest.get(used..).expect("the record lies in these bytes");
        self.count += 1;
        Ok(Some(record))
    }
}

/// Frames that wait to be sent, and one of records at their end that can still grow.
#[derive(Debug)]
pub(super) struct FrameQueue {
    network: Network,
    bytes: Vec<u8>,
    /// Where the frame of records begins that is still open, and how many are in it.
    growing: Option<(usize, usize)>,
}

impl FrameQueue {
    pub(super) const fn new(network: Network) -> Self {
        Self { network, bytes: Vec::new(), growing: None }
    }

    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    pub(super) fn request(&mut self, operation: u16, id: u32, data: &[u8]) {
        self.frame(Header { transfer: Transfer::Request, operation, error: 0, id, length: 0 }, data);
    }

    pub(super) fn response(&mut self, operation: u16, error: u16, id: u32, data: &[u8]) {
        self.frame(Header { transfer: Transfer::Response, operation, error, id, length: 0 }, data);
    }

    pub(super) fn autosend(&mut self, operation: u16, error: u16, data: &[u8]) {
        self.frame(Header { transfer: Transfer::Autosend, operation, error, id: 0, length: 0 }, data);
    }

    pub(super) fn record(&mut self, record: &Record) {
        let more = record.bytes().len();
        let fits = |(at, count): (usize, usize)| {
            count < RECORDS_PER_FRAME_MAX && self.bytes.len() - at - HEADER_BYTES + more <= RECORDS_DATA_BYTES_SENT
        };
        let (at, count) = match self.growing.filter(|growing| fits(*growing)) {
            Some(growing) => growing,
            None => {
                self.close_growing();
                let at = self.bytes.len();
                let header =
                    Header { transfer: Transfer::Autosend, operation: operation::RECORDS, error: 0, id: 0, length: 0 };
                header.write(self.network, &mut self.bytes);
                (at, 0)
            }
        };
        self.bytes.extend_from_slice(record.bytes());
        self.growing = Some((at, count + 1));
    }

    /// Gives the first frame.
    pub(super) fn take_one(&mut self, out: &mut Vec<u8>) {
        self.close_growing();
        if let Ok(Some(header)) = Header::parse(self.network, &self.bytes) {
            out.extend(self.bytes.drain(..HEADER_BYTES + header.length as usize));
        }
        self.give_back();
    }

    /// Gives all frames.
    pub(super) fn take_all(&mut self, out: &mut Vec<u8>) {
        self.close_growing();
        out.append(&mut self.bytes);
        self.give_back();
    }

    pub(super) fn clear(&mut self) {
        self.bytes = Vec::new();
        self.growing = None;
    }

    fn frame(&mut self, header: Header, data: &[u8]) {
        self.close_growing();
        self.bytes.append(&mut frame(self.network, header, data));
    }

    fn close_growing(&mut self) {
        if let Some((at, _)) = self.growing.take() {
            let length = u32::try_from(self.bytes.len() - at - HEADER_BYTES).expect("a frame is below 64 KiB");
            let field = self.bytes.get_mut(at + HEADER_BYTES - 4..at + HEADER_BYTES);
            field.expect("the frame was begun with its header").copy_from_slice(&length.to_le_bytes());
        }
    }

    fn give_back(&mut self) {
        if self.bytes.is_empty() && self.bytes.capacity() > KEPT_BYTES_MAX {
            self.bytes = Vec::new();
        }
    }
}
