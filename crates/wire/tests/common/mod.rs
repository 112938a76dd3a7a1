//! Two sessions and the wire between them, without a socket.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    unreachable_pub,
    dead_code,
    reason = "helpers of tests, each of which uses a part"
)]

pub mod other;

use std::sync::Arc;

use nightjar_core::address::Address;
use nightjar_core::chain::Network;
use nightjar_core::fault::Fault;
use nightjar_core::item::Item;
use nightjar_core::record::{MsgId, Record, Target};
use nightjar_core::seen::{SeenTable, SeenView};
use nightjar_core::time::Now;
use nightjar_pasc::key::{Curve, PrivateKey};
use nightjar_wire::pascal::{Feature, PascalConfig, PascalSession};
use nightjar_wire::secure::{NodeIdentity, SecureConfig, SecureSession};
use nightjar_wire::session::{Session, SessionEvent};

pub const START_S: u32 = 1_800_000_000;

/// `ms` milliseconds after the beginning of the test.
pub fn at(ms: u64) -> Now {
    Now::new(ms, u64::from(START_S) * 1000 + ms)
}

pub struct Seen {
    pub dated: SeenTable,
    pub plain: SeenTable,
}

impl Seen {
    pub fn new() -> Self {
        Self { dated: SeenTable::new(1 << 16, 1 << 40, [1; 16]), plain: SeenTable::new(1 << 16, 1 << 40, [2; 16]) }
    }

    pub fn view(&self) -> SeenView {
        SeenView::new(&self.dated, &self.plain)
    }
}

pub fn config(seed: u8) -> SecureConfig {
    config_of(seed, Network::Main, &Seen::new())
}

pub fn config_of(seed: u8, network: Network, seen: &Seen) -> SecureConfig {
    let identity = NodeIdentity::from_seed([seed; 32]);
    SecureConfig::new(&identity, network, 4000 + u16::from(seed), &format!("node {seed}"), seen.view())
}

pub fn address() -> Address {
    "192.0.2.7:4038".parse().unwrap()
}

pub fn dialled(config: SecureConfig) -> SecureSession {
    SecureSession::new(Arc::new(config), true, address(), at(0))
}

pub fn accepted(config: SecureConfig) -> SecureSession {
    SecureSession::new(Arc::new(config), false, address(), at(0))
}

pub fn pascal_key(seed: u8) -> PrivateKey {
    PrivateKey::from_scalar(Curve::Secp256k1, &[seed; 32]).unwrap()
}

pub fn pascal_config(seed: u8) -> PascalConfig {
    pascal_config_of(seed, Feature::HIDDEN, &Seen::new())
}

pub fn pascal_config_of(seed: u8, feature: Feature, seen: &Seen) -> PascalConfig {
    PascalConfig::new(Network::Main, pascal_key(seed), feature, &format!("node {seed}"), seen.view())
}

pub fn pascal(outbound: bool, config: PascalConfig) -> PascalSession {
    PascalSession::new(Arc::new(config), outbound, "pascal://192.0.2.7:4004".parse().unwrap(), at(0), [3; 32])
}

/// The data of a daemon's HELLO.
pub fn daemon_hello(key: &nightjar_pasc::key::PublicKey) -> Vec<u8> {
    let hello = nightjar_wire::pascal::hello::Hello {
        server_port: 4004,
        key: key.clone(),
        wall_s: START_S,
        block: 0,
        servers: Vec::new(),
        agent: "5.8amLf64b".to_owned(),
    };
    hello.write()
}

/// A session that has exchanged HELLO with somebody of whom nothing else is known yet.
pub fn opened_pascal(config: PascalConfig) -> PascalSession {
    use nightjar_wire::pascal::frame::{Header, Transfer, frame, operation};
    let mut session = pascal(true, config);
    session.transmit(at(0), &mut Vec::new());
    let header = Header { transfer: Transfer::Response, operation: operation::HELLO, error: 0, id: 1, length: 0 };
    session.receive(at(1), &frame(Network::Main, header, &daemon_hello(&pascal_key(77).public_key()))).unwrap();
    assert!(matches!(session.poll(), Some(SessionEvent::Open(_))));
    assert_eq!(session.poll(), None);
    session
}

/// What came of running a pair until both are silent.
#[derive(Debug, Default)]
pub struct Ran {
    pub left: Vec<SessionEvent>,
    pub right: Vec<SessionEvent>,
    pub left_fault: Option<Fault>,
    pub right_fault: Option<Fault>,
}

/// Carries bytes both ways, `piece` bytes at a time, until nobody has anything to say.
pub fn run(now: Now, left: &mut dyn Session, right: &mut dyn Session, piece: usize) -> Ran {
    let mut ran = Ran::default();
    let mut silent = 0;
    while silent < 2 {
        silent = if carry(now, left, right, piece, &mut ran.right, &mut ran.right_fault) { 0 } else { silent + 1 };
        silent = if carry(now, right, left, piece, &mut ran.left, &mut ran.left_fault) { 0 } else { silent + 1 };
    }
    ran
}

fn carry(
    now: Now,
    from: &mut dyn Session,
    to: &mut dyn Session,
    piece: usize,
    events: &mut Vec<SessionEvent>,
    fault: &mut Option<Fault>,
) -> bool {
    let mut bytes = Vec::new();
    from.transmit(now, &mut bytes);
    for piece in bytes.chunks(piece) {
        if fault.is_none() {
            *fault = to.receive(now, piece).err();
        }
        events.extend(std::iter::from_fn(|| to.poll()));
    }
    !bytes.is_empty()
}

/// Two sessions that have shaken hands.
pub fn open_pair() -> (SecureSession, SecureSession) {
    let (mut left, mut right) = (dialled(config(1)), accepted(config(2)));
    let ran = run(at(0), &mut left, &mut right, usize::MAX);
    assert!(matches!(ran.left[..], [SessionEvent::Open(_)]), "{ran:?}");
    assert!(matches!(ran.right[..], [SessionEvent::Open(_)]), "{ran:?}");
    (left, right)
}

pub fn target() -> Target {
    Target([7; 16])
}

/// A dated record that lives, another for each number.
pub fn dated(number: u64) -> Record {
    dated_until(START_S + 600, number)
}

pub fn dated_until(expiry: u32, number: u64) -> Record {
    Record::dated(target(), b"a body of a usual length", expiry, 0, number.to_le_bytes()).unwrap()
}

/// A plain record, another for each number.
pub fn plain(number: u64) -> Record {
    let mut id = [9; 16];
    id[..8].copy_from_slice(&number.to_le_bytes());
    Record::plain(MsgId(id), target(), b"plain").unwrap()
}

pub fn item(record: &Record) -> Item {
    Item::Record { record: record.clone(), tag: 0 }
}

/// The records among the events, in the order they came in.
pub fn records(events: &[SessionEvent]) -> Vec<(Record, u16)> {
    events
        .iter()
        .filter_map(|event| match event {
            SessionEvent::Records(batch) => Some(batch.records.clone()),
            _ => None,
        })
        .flatten()
        .collect()
}

/// A peer inside TLS that says what it is told to, and keeps what it hears.
pub struct Raw {
    pub channel: nightjar_wire::secure::channel::Channel,
    pub heard: Vec<u8>,
    pub closed: bool,
}

struct Ear<'a>(&'a mut Vec<u8>, &'a mut bool);

impl nightjar_wire::secure::channel::Listen for Ear<'_> {
    fn heard(&mut self, heard: nightjar_wire::secure::channel::Heard) -> Result<(), Fault> {
        *self.1 |= heard == nightjar_wire::secure::channel::Heard::Closed;
        Ok(())
    }

    fn plaintext(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }
}

impl Raw {
    pub fn dial(seed: u8) -> Self {
        Self { channel: config(seed).channel(true), heard: Vec::new(), closed: false }
    }

    /// Carries bytes both ways until both are silent; what `session` said of them.
    pub fn run(&mut self, now: Now, session: &mut dyn Session) -> Result<Vec<SessionEvent>, Fault> {
        let mut events = Vec::new();
        loop {
            let (mut there, mut back) = (Vec::new(), Vec::new());
            self.channel.transmit(&mut there);
            let result = session.receive(now, &there);
            events.extend(std::iter::from_fn(|| session.poll()));
            session.transmit(now, &mut back);
            self.channel.receive(&back, &mut Ear(&mut self.heard, &mut self.closed)).unwrap();
            result?;
            if there.is_empty() && back.is_empty() {
                return Ok(events);
            }
        }
    }

    /// Says bytes inside TLS.
    pub fn say(&mut self, now: Now, session: &mut dyn Session, bytes: &[u8]) -> Result<Vec<SessionEvent>, Fault> {
        self.channel.write(bytes);
        self.run(now, session)
    }

    /// The frames that were heard since the last call.
    pub fn frames(&mut self) -> Vec<(u8, Vec<u8>)> {
        let mut frames = Vec::new();
        let mut rest = std::mem::take(&mut self.heard);
        while !rest.is_empty() {
            let length = u32::from_le_bytes([rest[2], rest[3], rest[4], 0]) as usize;
            frames.push((rest[0], rest[5..5 + length].to_vec()));
            rest.drain(..5 + length);
        }
        frames
    }
}

pub fn frame(kind: u8, body: &[u8]) -> Vec<u8> {
    let [a, b, c, _] = u32::try_from(body.len()).unwrap().to_le_bytes();
    [&[kind, 0, a, b, c], body].concat()
}

pub fn open_frame(version: u16, network: u8, agent: &[u8]) -> Vec<u8> {
    let mut body = version.to_le_bytes().to_vec();
    body.push(network);
    body.extend(u64::MAX.to_le_bytes());
    body.extend(4038u16.to_le_bytes());
    body.extend((START_S - 100).to_le_bytes());
    body.extend(u16::try_from(agent.len()).unwrap().to_le_bytes());
    body.extend(agent);
    frame(1, &body)
}

pub fn records_frame(records: &[Record]) -> Vec<u8> {
    let mut body = u16::try_from(records.len()).unwrap().to_le_bytes().to_vec();
    for record in records {
        body.extend([0, 0]);
        body.extend(record.bytes());
    }
    frame(2, &body)
}

/// A session that has shaken hands with a peer that can say anything.
pub fn open_with_raw(config: SecureConfig) -> (Raw, SecureSession) {
    let (mut raw, mut session) = (Raw::dial(9), accepted(config));
    let events = raw.say(at(0), &mut session, &open_frame(1, 0, b"raw")).unwrap();
    assert!(matches!(events[..], [SessionEvent::Open(_)]), "{events:?}");
    assert_eq!(raw.frames().len(), 1, "OPEN came");
    (raw, session)
}
