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

use std::sync::Arc;

use nightjar_core::address::Address;
use nightjar_core::chain::Network;
use nightjar_core::fault::Fault;
use nightjar_core::item::Item;
use nightjar_core::record::{MsgId, Record, Target};
use nightjar_core::seen::{SeenTable, SeenView};
use nightjar_core::time::Now;
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
