//! No bytes make a PascalCoin session panic, hold them without end or answer at length: before HELLO, behind it, and as
//! frames that are whole but say anything.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail loudly")]

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use nightjar_core::chain::Network;
use nightjar_core::item::{Control, Item};
use nightjar_core::seen::{SeenTable, SeenView};
use nightjar_core::time::Now;
use nightjar_pasc::key::{Curve, PrivateKey};
use nightjar_wire::pascal::frame::{Header, Transfer, frame, operation};
use nightjar_wire::pascal::hello::Hello;
use nightjar_wire::pascal::{Feature, PascalConfig, PascalSession};
use nightjar_wire::session::{Session, SessionEvent};

/// What a session may have waiting for a stranger: answers to all that may be asked in a minute.
const WAITING_BYTES_MAX: usize = 64 * 1024;

fn key(seed: u8) -> PrivateKey {
    PrivateKey::from_scalar(Curve::Secp256k1, &[seed; 32]).unwrap()
}

fn config() -> Arc<PascalConfig> {
    let seen = || SeenTable::new(64, 1 << 40, [1; 16]);
    let seen = SeenView::new(&seen(), &seen());
    Arc::new(PascalConfig::new(Network::Main, key(1), Feature::HIDDEN, "fuzz", seen))
}

fn session(config: &Arc<PascalConfig>) -> PascalSession {
    PascalSession::new(Arc::clone(config), true, "pascal://192.0.2.7:4004".parse().unwrap(), at(0), [3; 32])
}

fn at(ms: u64) -> Now {
    Now::new(ms, 1_800_000_000_000 + ms)
}

fn hello() -> Vec<u8> {
    let hello = Hello {
        server_port: 0,
        key: key(2).public_key(),
        wall_s: 1_800_000_000,
        block: 0,
        servers: Vec::new(),
        agent: "fuzz".to_owned(),
    };
    let header = Header { transfer: Transfer::Response, operation: operation::HELLO, error: 0, id: 1, length: 0 };
    frame(Network::Main, header, &hello.write())
}

/// Feeds a session in pieces, lets its deadlines pass, and looks after it.
fn drive(session: &mut PascalSession, bytes: &[u8], piece: usize) {
    let mut opened = 0;
    let mut now_ms = 1;
    let mut over = false;
    for piece in bytes.chunks(piece.max(1)) {
        if !over {
            over = session.receive(at(now_ms), piece).is_err();
        }
        for _ in 0..8 {
            let Some(due) = session.deadline().filter(|due| !over && due.0 <= now_ms + 300) else { break };
            now_ms = now_ms.max(due.0);
            over = session.tick(at(now_ms)).is_err();
        }
        while let Some(event) = session.poll() {
            opened += usize::from(matches!(event, SessionEvent::Open(_)));
        }
        assert!(opened <= 1);
        assert!(session.pending_bytes() <= WAITING_BYTES_MAX);
        let mut out = Vec::new();
        session.transmit(at(now_ms), &mut out);
        assert!(out.len() <= WAITING_BYTES_MAX);
    }
}

#[test]
fn pascal_session_bytes() {
    let config = AssertUnwindSafe(config());
    bolero::check!().for_each(|bytes: &[u8]| {
        let config = &config;
        let piece = usize::from(bytes.first().copied().unwrap_or(1));
        drive(&mut session(config), bytes, piece);
        drive(&mut session(config), &[&hello()[..], bytes].concat(), piece);
    });
}

/// Whole frames of every kind, so that what is behind the header is reached.
#[test]
fn pascal_session_frames() {
    const OPERATIONS: [u16; 16] = [
        operation::HELLO,
        operation::ERROR,
        operation::MESSAGE,
        operation::GET_BLOCKS,
        operation::NEW_BLOCK,
        operation::GET_PENDING_OPERATIONS,
        operation::GET_ACCOUNT,
        operation::GET_ACCOUNT,
        operation::RECORDS,
        operation::RECORDS,
        operation::RECORDS,
        operation::RECORDS,
        0x1101,
        0x1fff,
        operation::GET_PUBKEY_ACCOUNTS,
        0x0040,
    ];
    let config = AssertUnwindSafe(config());
    bolero::check!().with_type::<Vec<(u8, u8, bool, Vec<u8>)>>().with_iterations(2000).for_each(|frames| {
        let config = &config;
        let mut session = session(config);
        drive(&mut session, &hello(), 1000);
        for question in 0..3 {
            session.send(at(1), &Item::Control(Control::AskAccounts { question, first: 5, count: 2 }));
            session.send(at(1), &Item::Control(Control::Wallet { text: vec![7; 20] }));
        }
        for (kind, id, error, data) in frames {
            let transfer = [Transfer::Request, Transfer::Response, Transfer::Autosend][usize::from(kind / 16) % 3];
            let operation = OPERATIONS[usize::from(kind % 16)];
            let data = if id % 3 == 0 { [b"PIP38", &data[..]].concat() } else { data.clone() };
            let header = Header { transfer, operation, error: u16::from(*error), id: u32::from(id % 8), length: 0 };
            drive(&mut session, &frame(Network::Main, header, &data), 4096);
        }
    });
}
