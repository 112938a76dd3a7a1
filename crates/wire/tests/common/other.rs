//! Somebody at the other end of a PascalCoin session, who says what a test wants and writes down what we say.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    unreachable_pub,
    dead_code,
    reason = "helpers of tests, each of which uses a part"
)]

use nightjar_core::chain::Network;
use nightjar_core::fault::Fault;
use nightjar_core::item::{ByeCode, Control, Item, NoAnswer};
use nightjar_core::link::Carries;
use nightjar_core::record::Record;
use nightjar_wire::pascal::frame::{HEADER_BYTES, Header, PROTOCOL_AVAILABLE, Transfer, error, frame, operation};
use nightjar_wire::pascal::{Feature, PascalConfig, PascalSession};
use nightjar_wire::session::{Session, SessionEvent};

use super::{at, daemon_hello, pascal, pascal_config, pascal_key};

pub const MINUTE_MS: u64 = 60_000;

pub fn request(operation: u16, id: u32, data: &[u8]) -> Vec<u8> {
    frame(Network::Main, Header { transfer: Transfer::Request, operation, error: 0, id, length: 0 }, data)
}

pub fn response(operation: u16, error: u16, id: u32, data: &[u8]) -> Vec<u8> {
    frame(Network::Main, Header { transfer: Transfer::Response, operation, error, id, length: 0 }, data)
}

pub fn autosend(operation: u16, error: u16, data: &[u8]) -> Vec<u8> {
    frame(Network::Main, Header { transfer: Transfer::Autosend, operation, error, id: 0, length: 0 }, data)
}

pub fn pascal_records(records: &[Record]) -> Vec<u8> {
    let data: Vec<u8> = records.iter().flat_map(|record| record.bytes().to_vec()).collect();
    autosend(operation::RECORDS, 0, &data)
}

/// One frame of ours, and when it was given to the socket.
#[derive(Clone, Debug)]
pub struct Said {
    pub at_ms: u64,
    pub header: Header,
    pub data: Vec<u8>,
}

/// Somebody at the other end, whose socket takes all at once.
pub struct Other {
    pub session: PascalSession,
    pub now_ms: u64,
    pub said: Vec<Said>,
    /// How many frames came with each write.
    pub writes: Vec<usize>,
    pub events: Vec<SessionEvent>,
    pub fault: Option<Fault>,
}

impl Other {
    pub fn new(session: PascalSession) -> Self {
        let mut other =
            Self { session, now_ms: 0, said: Vec::new(), writes: Vec::new(), events: Vec::new(), fault: None };
        other.write();
        other
    }

    /// Somebody dialled us.
    pub fn dialled_us() -> Self {
        Self::new(pascal(false, pascal_config(1)))
    }

    /// A daemon that we dialled, and that has answered HELLO and the probe as one does.
    pub fn daemon() -> Self {
        let mut other = Self::unknown(pascal_config(1));
        let id = other.wait_for(operation::RECORDS).header.id;
        other.say(&response(operation::RECORDS, error::UNKNOWN_RESERVED, id, &[]));
        assert_eq!(other.carries(), Some(Carries::Nothing));
        other.forget();
        other
    }

    /// A PIP-0038 node that we dialled.
    pub fn node() -> Self {
        let mut other = Self::unknown(pascal_config(1));
        other.say(&request(operation::RECORDS, 1, &Feature::HIDDEN.write()));
        assert_eq!(other.carries(), Some(Carries::Records));
        other.run(1000);
        other.forget();
        other
    }

    /// Somebody whom we dialled and who has answered HELLO, no more.
    pub fn unknown(config: PascalConfig) -> Self {
        let mut other = Self::new(pascal(true, config));
        let id = other.wait_for(operation::HELLO).header.id;
        other.say(&response(operation::HELLO, 0, id, &daemon_hello(&pascal_key(77).public_key())));
        assert!(matches!(other.events[..], [SessionEvent::Open(_)]), "{:?}", other.events);
        other
    }

    pub fn say(&mut self, bytes: &[u8]) {
        if self.fault.is_none() {
            self.fault = self.session.receive(at(self.now_ms), bytes).err();
        }
        self.poll();
        self.write();
    }

    pub fn send(&mut self, item: Item) {
        self.session.send(at(self.now_ms), &item);
        self.poll();
        self.write();
    }

    pub fn poll(&mut self) {
        self.events.extend(std::iter::from_fn(|| self.session.poll()));
    }

    pub fn write(&mut self) {
        loop {
            let mut bytes = Vec::new();
            self.session.transmit(at(self.now_ms), &mut bytes);
            if bytes.is_empty() {
                return;
            }
            let mut rest = bytes.as_slice();
            let mut frames = 0;
            while !rest.is_empty() {
                let header = Header::parse(Network::Main, rest).unwrap().expect("only whole headers are written");
                assert_eq!(rest[14..18], [14, 0, PROTOCOL_AVAILABLE as u8, 0]);
                let end = HEADER_BYTES + header.length as usize;
                let data = rest.get(HEADER_BYTES..end).expect("header and data go out in one write").to_vec();
                self.said.push(Said { at_ms: self.now_ms, header, data });
                rest = &rest[end..];
                frames += 1;
            }
            self.writes.push(frames);
        }
    }

    /// Lets time pass, stopping at every deadline.
    pub fn run(&mut self, ms: u64) {
        let end_ms = self.now_ms + ms;
        while self.fault.is_none()
            && let Some(due) = self.session.deadline().filter(|due| due.0 <= end_ms)
        {
            self.now_ms = self.now_ms.max(due.0);
            self.fault = self.session.tick(at(self.now_ms)).err();
            self.poll();
            self.write();
        }
        self.now_ms = end_ms;
    }

    /// Lets time pass until a frame of this operation was said.
    pub fn wait_for(&mut self, operation: u16) -> Said {
        for _ in 0..1000 {
            if let Some(said) = self.said.iter().find(|said| said.header.operation == operation) {
                return said.clone();
            }
            self.run(10);
        }
        panic!("{operation:04x} was not said: {:?}", self.said);
    }

    pub fn said(&self, operation: u16) -> Vec<Said> {
        self.said.iter().filter(|said| said.header.operation == operation).cloned().collect()
    }

    pub fn carries(&self) -> Option<Carries> {
        self.events.iter().rev().find_map(|event| match event {
            SessionEvent::Control(Control::Speaks { carries, .. }) => Some(*carries),
            _ => None,
        })
    }

    pub fn answers(&self) -> Vec<(u64, Result<usize, NoAnswer>)> {
        self.events
            .iter()
            .filter_map(|event| match event {
                SessionEvent::Control(Control::Accounts { question, answer }) => {
                    Some((*question, answer.clone().map(|answer| answer.accounts.len())))
                }
                _ => None,
            })
            .collect()
    }

    pub fn forget(&mut self) {
        self.said.clear();
        self.writes.clear();
        self.events.clear();
    }
}

pub fn ask(question: u64, first: u32, count: u32) -> Item {
    Item::Control(Control::AskAccounts { question, first, count })
}

pub fn wallet(text: &[u8]) -> Item {
    Item::Control(Control::Wallet { text: text.to_vec() })
}

pub fn bye() -> Item {
    Item::Control(Control::Bye { code: ByeCode::Full, text: "full".to_owned() })
}

pub fn hello_of(seed: u8) -> Vec<u8> {
    daemon_hello(&pascal_key(seed).public_key())
}
