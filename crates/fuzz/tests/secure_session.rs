//! No bytes make a TLS session panic or hold them without end: before the handshake, and inside it from a peer that
//! shook hands and then says anything.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail loudly")]

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use nightjar_core::chain::Network;
use nightjar_core::fault::Fault;
use nightjar_core::seen::{SeenTable, SeenView};
use nightjar_core::time::Now;
use nightjar_wire::secure::channel::{Heard, Listen};
use nightjar_wire::secure::{CATCH_UP, NodeIdentity, SecureConfig, SecureSession};
use nightjar_wire::session::{Session, SessionEvent};

const NOW: Now = Now::new(1, 1_800_000_000_000);

fn config(seed: u8) -> SecureConfig {
    let seen = || SeenTable::new(64, 1 << 40, [seed; 16]);
    let identity = NodeIdentity::from_seed([seed; 32]);
    SecureConfig::new(&identity, Network::Main, 4038, "fuzz", SeenView::new(&seen(), &seen())).with_features(CATCH_UP)
}

fn session(config: Arc<SecureConfig>) -> SecureSession {
    SecureSession::new(config, false, "192.0.2.7:4038".parse().unwrap(), NOW)
}

struct Deaf;

impl Listen for Deaf {
    fn heard(&mut self, _: Heard) -> Result<(), Fault> {
        Ok(())
    }

    fn plaintext(&mut self, _: &[u8]) -> Result<(), Fault> {
        Ok(())
    }
}

#[test]
fn secure_session_before_the_handshake() {
    let config = AssertUnwindSafe(Arc::new(config(1)));
    bolero::check!().for_each(|bytes: &[u8]| {
        let config = &config;
        let mut session = session(Arc::clone(config));
        let fault = bytes.chunks(100).find_map(|piece| session.receive(NOW, piece).err());
        assert!(fault.is_none() || fault == Some(Fault::Handshake));
        assert_eq!(session.poll(), None, "nobody is open without a key");
        session.transmit(NOW, &mut Vec::new());
    });
}

#[test]
fn secure_session_inside_tls() {
    let configs = AssertUnwindSafe((Arc::new(config(1)), config(2)));
    // A handshake costs more than all else: a thousand are enough in a test, and a fuzzer takes its time.
    bolero::check!().with_iterations(1000).for_each(|bytes: &[u8]| {
        let AssertUnwindSafe((ours, theirs)) = &configs;
        let mut peer = theirs.channel(true);
        let mut session = session(Arc::clone(ours));
        // An OPEN first if the first byte is even, so that both stages are reached.
        if bytes.first().is_some_and(|byte| byte % 2 == 0) {
            let open = [1, 0, 19, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
            peer.write(&open);
        }
        bytes.chunks(1000).for_each(|piece| peer.write(piece));
        let mut opened = 0;
        loop {
            let (mut there, mut back) = (Vec::new(), Vec::new());
            peer.transmit(&mut there);
            let fault = session.receive(NOW, &there).err();
            while let Some(event) = session.poll() {
                opened += usize::from(matches!(event, SessionEvent::Open(_)));
            }
            session.transmit(NOW, &mut back);
            assert!(back.len() <= 4096, "an answer is small");
            peer.receive(&back, &mut Deaf).unwrap();
            assert!(opened <= 1);
            if fault.is_some() || (there.is_empty() && back.is_empty()) {
                return;
            }
        }
    });
}
