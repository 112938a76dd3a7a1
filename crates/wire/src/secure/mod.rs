//! The link between Nightjar nodes: records in frames inside TLS 1.3, a raw Ed25519 key on both sides.
//! `docs/wire/tls-link.md` has it to the byte. Never a socket, never a policy: it checks what one link can check alone.

pub mod catch_up;
pub mod channel;
pub mod frame;
mod inner;
mod open;
mod tls;

use std::fmt;
use std::sync::Arc;

use nightjar_core::address::Address;
use nightjar_core::chain::Network;
use nightjar_core::fault::Fault;
use nightjar_core::item::{ByeCode, Item};
use nightjar_core::link::NodeKey;
use nightjar_core::seen::SeenView;
use nightjar_core::time::{Mono, Now};

use self::channel::{Channel, Heard, Listen};
use self::inner::Inner;
pub use self::inner::{CONTROLS_PER_MINUTE_MAX, EARLY_BYTES_MAX, EXPIRED_S_FORGIVEN};
pub use self::open::{Open, VERSION};
pub use self::tls::NodeIdentity;
use crate::session::{Session, SessionEvent};

/// The feature of catch-up; bit 0 is for the trees.
pub const CATCH_UP: u64 = 1 << 1;

/// What all TLS sessions of a node share.
pub struct SecureConfig {
    endpoints: tls::Endpoints,
    node_key: NodeKey,
    network: Network,
    listen_port: u16,
    agent: String,
    features: u64,
    seen: SeenView,
    limits: SecureLimits,
}

/// How long a session waits for its peer, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SecureLimits {
    /// TLS handshake and OPEN together: several round trips through Tor fit in.
    pub handshake_ms_max: u64,
    /// From the first byte of a frame to its last: 64 KiB take 16 s on a line of 32 kbit/s.
    pub frame_ms_max: u64,
    /// Without a frame for so long, the peer is asked whether it is there: below what home routers forget.
    pub ping_after_ms: u64,
    /// Without a frame for so long, it is not: the answer had 45 s.
    pub idle_ms_max: u64,
}

impl Default for SecureLimits {
    fn default() -> Self {
        Self { handshake_ms_max: 10_000, frame_ms_max: 20_000, ping_after_ms: 30_000, idle_ms_max: 75_000 }
    }
}

impl SecureConfig {
    /// What sessions say and check. `listen_port` is told to peers, 0 = none; `agent` is the program's name and
    /// version.
    pub fn new(identity: &NodeIdentity, network: Network, listen_port: u16, agent: &str, seen: SeenView) -> Self {
        Self {
            endpoints: tls::Endpoints::new(identity, network),
            node_key: identity.node_key(),
            network,
            listen_port,
            agent: agent.to_owned(),
            features: 0,
            seen,
            limits: SecureLimits::default(),
        }
    }

    /// The same with these features, which are offered to peers.
    #[must_use]
    pub fn with_features(mut self, features: u64) -> Self {
        self.features = features;
        self
    }

    /// The same with other limits.
    #[must_use]
    pub fn with_limits(mut self, limits: SecureLimits) -> Self {
        self.limits = limits;
        self
    }

    /// TLS without a session: for who wants to say to a node what no session would.
    pub fn channel(&self, outbound: bool) -> Channel {
        Channel::new(&self.endpoints, self.network, outbound)
    }
}

impl fmt::Debug for SecureConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecureConfig")
            .field("node_key", &self.node_key)
            .field("network", &self.network)
            .field("listen_port", &self.listen_port)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

/// One TLS link.
pub struct SecureSession {
    channel: Channel,
    inner: Inner,
    config: Arc<SecureConfig>,
    opened: Mono,
}

impl SecureSession {
    /// The session of a connection to `address` that is open as of `now`: dialled by us (`outbound`), or accepted.
    pub fn new(config: Arc<SecureConfig>, outbound: bool, address: Address, now: Now) -> Self {
        let channel = config.channel(outbound);
        let inner = Inner::new(Arc::clone(&config), outbound, address, now.mono);
        Self { channel, inner, config, opened: now.mono }
    }

    /// What is said to a peer before the link ends with its fault.
    fn farewell(&mut self, fault: Fault) -> Fault {
        self.inner.bye(ByeCode::Fault, &format!("this peer {fault}"));
        fault
    }
}

/// What the channel says goes to the inner protocol.
struct Read<'a> {
    inner: &'a mut Inner,
    node_key: NodeKey,
    now: Now,
}

impl Listen for Read<'_> {
    fn heard(&mut self, heard: Heard) -> Result<(), Fault> {
        match heard {
            Heard::Peer(key) if key == self.node_key => return Err(Fault::Myself),
            Heard::Peer(key) => self.inner.greet(self.now, key),
            Heard::Closed => self.inner.peer_closed(),
        }
        Ok(())
    }

    fn plaintext(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        self.inner.receive(self.now, bytes)
    }
}

impl Session for SecureSession {
    fn receive(&mut self, now: Now, bytes: &[u8]) -> Result<(), Fault> {
        if self.inner.is_over() || bytes.is_empty() {
            return Ok(());
        }
        let mut read = Read { inner: &mut self.inner, node_key: self.config.node_key, now };
        let result = self.channel.receive(bytes, &mut read);
        self.inner.end_of_read(now.mono);
        result.map_err(|fault| self.farewell(fault))
    }

    fn send(&mut self, now: Now, item: &Item) {
        self.inner.send(now, item);
    }

    fn transmit(&mut self, _now: Now, out: &mut Vec<u8>) {
        if self.channel.is_open() {
            self.inner.drain(|frames| self.channel.write(frames));
        }
        if self.inner.is_over() {
            self.channel.close();
        }
        self.channel.transmit(out);
    }

    fn poll(&mut self) -> Option<SessionEvent> {
        self.inner.poll()
    }

    fn deadline(&self) -> Option<Mono> {
        if self.inner.is_over() {
            None
        } else if self.inner.is_open() {
            Some(self.inner.deadline())
        } else {
            Some(self.opened + self.config.limits.handshake_ms_max)
        }
    }

    fn tick(&mut self, now: Now) -> Result<(), Fault> {
        if self.deadline().is_none_or(|due| now.mono < due) {
            return Ok(());
        }
        let result = if self.inner.is_open() { self.inner.tick(now.mono) } else { Err(Fault::TimedOut) };
        result.map_err(|fault| self.farewell(fault))
    }

    fn pending_bytes(&self) -> usize {
        self.inner.pending_bytes()
    }
}

impl fmt::Debug for SecureSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecureSession").field("inner", &self.inner).finish_non_exhaustive()
    }
}
