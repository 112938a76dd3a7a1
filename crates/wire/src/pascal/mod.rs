//! The link to PascalCoin's own nodes and to programs that implement only PIP-0038's text: records in an operation of
//! PascalCoin's TCP protocol that is reserved for such. `docs/wire/pascalcoin.md` has it to the byte.
//!
//! A daemon that knows nothing of PIP-0038 never gets a record, and nothing that would make it hang up: towards it one
//! frame is under way at a time. Never a socket, never a policy: it checks what one link can check alone.

pub mod accounts;
pub mod feature;
pub mod frame;
pub mod hello;
mod questions;
mod talk;
mod wallet;

use std::fmt;
use std::sync::Arc;

use nightjar_core::address::Address;
use nightjar_core::chain::Network;
use nightjar_core::fault::Fault;
use nightjar_core::item::{ByeCode, Item};
use nightjar_core::seen::SeenView;
use nightjar_core::time::{Mono, Now};
use nightjar_pasc::key::PrivateKey;

pub use self::feature::Feature;
pub use self::questions::{QUESTION_MS_MAX, QUESTIONS_PAUSE_MS, QUESTIONS_WAITING_MAX};
use self::talk::Talk;
pub use self::talk::{
    CAREFUL_PAUSE_MS, CONTROLS_PER_MINUTE_MAX, ERROR_BYE, HELLOS_PER_MINUTE_MAX, LITERAL_PAUSE_MS,
    MESSAGE_BYTES_PER_MINUTE_MAX, MESSAGES_PER_MINUTE_MAX, PROBE_MS_MAX,
};
pub use self::wallet::{WALLET_PAUSE_MS, WALLET_TEXT_BYTES_MAX, WALLET_TEXTS_WAITING_MAX};
use crate::session::{Session, SessionEvent};

/// What all PascalCoin sessions of a node share.
pub struct PascalConfig {
    network: Network,
    node_key: PrivateKey,
    feature: Feature,
    agent: String,
    seen: SeenView,
    limits: PascalLimits,
}

/// How long a session waits for its peer, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PascalLimits {
    /// For HELLO from both sides.
    pub handshake_ms_max: u64,
    /// From the first byte of a frame to its last.
    pub frame_ms_max: u64,
    /// Without a frame for so long, the peer is sent HELLO, and again after as long. A daemon takes 20 HELLOs in ten
    /// minutes from one address, all connections together: this is a quarter of it.
    pub hello_after_ms: u64,
    /// So many HELLOs without any frame in answer, and it is gone: as a daemon has it.
    pub unanswered_max: u32,
}

impl Default for PascalLimits {
    fn default() -> Self {
        Self { handshake_ms_max: 10_000, frame_ms_max: 20_000, hello_after_ms: 120_000, unanswered_max: 3 }
    }
}

impl PascalConfig {
    /// What sessions say and check. `node_key` is random for each process, on secp256k1, and seals wallets' texts;
    /// `feature` is told to PIP-0038 nodes: [`Feature::HIDDEN`] unless this node listens on a public address. `agent`
    /// is the program's name and version.
    pub fn new(network: Network, node_key: PrivateKey, feature: Feature, agent: &str, seen: SeenView) -> Self {
        Self { network, node_key, feature, agent: agent.to_owned(), seen, limits: PascalLimits::default() }
    }

    /// The same with other limits.
    #[must_use]
    pub fn with_limits(mut self, limits: PascalLimits) -> Self {
        self.limits = limits;
        self
    }
}

impl fmt::Debug for PascalConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PascalConfig")
            .field("network", &self.network)
            .field("feature", &self.feature)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

/// One PascalCoin link.
pub struct PascalSession {
    talk: Talk,
}

impl PascalSession {
    /// The session of a connection to `address` that is open as of `now`: dialled by us (`outbound`), or accepted.
    /// `seed` is 32 random bytes, from which the keys are drawn that seal texts for the peer.
    pub fn new(config: Arc<PascalConfig>, outbound: bool, address: Address, now: Now, seed: [u8; 32]) -> Self {
        Self { talk: Talk::new(config, outbound, address, now, seed) }
    }

    fn farewell(&mut self, fault: Fault) -> Fault {
        self.talk.bye(ByeCode::Fault, &format!("this peer {fault}"));
        fault
    }
}

impl Session for PascalSession {
    fn receive(&mut self, now: Now, bytes: &[u8]) -> Result<(), Fault> {
        if self.talk.is_over() || bytes.is_empty() {
            return Ok(());
        }
        let result = self.talk.receive(now, bytes);
        self.talk.end_of_read(now.mono);
        result.map_err(|fault| self.farewell(fault))
    }

    fn send(&mut self, now: Now, item: &Item) {
        self.talk.send(now, item);
    }

    fn transmit(&mut self, now: Now, out: &mut Vec<u8>) {
        self.talk.transmit(now, out);
    }

    fn poll(&mut self) -> Option<SessionEvent> {
        self.talk.poll()
    }

    fn deadline(&self) -> Option<Mono> {
        self.talk.deadline()
    }

    fn tick(&mut self, now: Now) -> Result<(), Fault> {
        if self.deadline().is_none_or(|due| now.mono < due) {
            return Ok(());
        }
        self.talk.tick(now).map_err(|fault| self.farewell(fault))
    }

    fn pending_bytes(&self) -> usize {
        self.talk.pending_bytes()
    }
}

impl fmt::Debug for PascalSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PascalSession").field("talk", &self.talk).finish()
    }
}
