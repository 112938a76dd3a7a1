//! TLS alone: bytes in, plaintext out, and the other way. Never looks into the plaintext.

use std::fmt;
use std::io::{BufRead as _, Write as _};

use nightjar_core::chain::Network;
use nightjar_core::fault::Fault;
use nightjar_core::link::NodeKey;
use rustls::Connection;

use super::tls::{Endpoints, alpn, node_key_of};

/// One TLS connection between two node keys. A session speaks frames through it; tests and fuzzers speak what they
/// like.
pub struct Channel {
    tls: Connection,
    network: Network,
    peer: Option<NodeKey>,
    closing: bool,
    /// TLS found the peer's bytes broken and said so in an alert: nothing can be sealed behind it.
    broken: bool,
}

/// What came of bytes that were read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// The handshake is done, and this is the key of the peer. Comes once, before any plaintext.
    Peer(NodeKey),
    /// The peer says that it sends no more. The last that comes.
    Closed,
}

/// What a channel gives while it reads.
pub trait Listen {
    /// Something happened.
    fn heard(&mut self, heard: Heard) -> Result<(), Fault>;
    /// Plaintext came, in pieces as it was sealed.
    fn plaintext(&mut self, bytes: &[u8]) -> Result<(), Fault>;
}

impl Channel {
    pub(super) fn new(endpoints: &Endpoints, network: Network, outbound: bool) -> Self {
        Self { tls: endpoints.connection(outbound), network, peer: None, closing: false, broken: false }
    }

    /// Takes bytes as they were read, and tells `listener` what they hold. An error, also one of the listener's, ends
    /// the channel.
    pub fn receive(&mut self, mut bytes: &[u8], listener: &mut impl Listen) -> Result<(), Fault> {
        while !bytes.is_empty() {
            // Errors are those of the bytes: a slice can always be read.
            let taken = self.tls.read_tls(&mut bytes).map_err(|_| self.break_off())?;
            let state = self.tls.process_new_packets().map_err(|_| self.break_off())?;
            if self.peer.is_none() && !self.tls.is_handshaking() {
                let peer = self.check_peer()?;
                self.peer = Some(peer);
                listener.heard(Heard::Peer(peer))?;
            }
            self.read_plaintext(listener)?;
            if state.peer_has_closed() {
                return listener.heard(Heard::Closed);
            }
            if taken == 0 {
                break;
            }
        }
        Ok(())
    }

    /// Whether the handshake is done.
    pub const fn is_open(&self) -> bool {
        self.peer.is_some()
    }

    /// Seals plaintext; what is above 16 KiB makes more than one TLS record. Before the handshake is done it waits;
    /// behind broken bytes of the peer's it is lost.
    pub fn write(&mut self, plaintext: &[u8]) {
        if self.broken {
            return;
        }
        self.tls.writer().write_all(plaintext).expect("rustls was told not to limit its buffer");
    }

    /// Says that nothing more will be sent.
    pub fn close(&mut self) {
        if !std::mem::replace(&mut self.closing, true) && !self.broken {
            self.tls.send_close_notify();
        }
    }

    /// Appends the bytes that are to be written now.
    pub fn transmit(&mut self, out: &mut Vec<u8>) {
        while self.tls.wants_write() {
            self.tls.write_tls(out).expect("a vector takes all that is written");
        }
    }

    /// Who is there, and does it mean this protocol? rustls has seen to it that it holds the key.
    fn check_peer(&self) -> Result<NodeKey, Fault> {
        if self.tls.alpn_protocol() != Some(alpn(self.network)) {
            return Err(Fault::Handshake);
        }
        self.tls.peer_certificates().and_then(|keys| node_key_of(keys.first()?)).ok_or(Fault::Handshake)
    }

    fn read_plaintext(&mut self, listener: &mut impl Listen) -> Result<(), Fault> {
        let mut reader = self.tls.reader();
        // An error says that nothing is there, or never will be again: `process_new_packets` tells them apart.
        while let Ok(plaintext) = reader.fill_buf() {
            let length = plaintext.len();
            if length == 0 {
                break;
            }
            listener.plaintext(plaintext)?;
            reader.consume(length);
        }
        Ok(())
    }

    fn break_off(&mut self) -> Fault {
        self.broken = true;
        if self.tls.is_handshaking() { Fault::Handshake } else { Fault::Framing }
    }
}

impl fmt::Debug for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Channel").field("peer", &self.peer).finish_non_exhaustive()
    }
}
