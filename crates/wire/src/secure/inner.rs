//! What is said inside TLS: frames in, events out; items in, frames out. Never sees a TLS byte.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use nightjar_core::address::{Address, LinkKind};
use nightjar_core::fault::Fault;
use nightjar_core::item::{ByeCode, Control, Item};
use nightjar_core::link::{Carries, NodeKey, PeerInfo};
use nightjar_core::record::Expiry;
use nightjar_core::time::{Mono, Now, Wall};

use super::frame::{Frame, FrameWriter, Records};
use super::{CATCH_UP, Open, SecureConfig, VERSION};
use crate::intake::Intake;
use crate::session::SessionEvent;

/// Frames other than RECORDS that a peer may send in a minute. A node asks twice a minute whether the other is
/// there and tells addresses a few times an hour.
pub const CONTROLS_PER_MINUTE_MAX: u32 = 120;
/// Bytes of frames that wait for the end of the handshake; nobody sends before it is done, so this is a stop only.
pub const EARLY_BYTES_MAX: usize = 256 * 1024;
/// A record this many seconds behind its expiry, or this much too long-lived, is dropped and nobody blamed:
/// its way here took a moment, and clocks differ.
pub const EXPIRED_S_FORGIVEN: u32 = 120;

const MINUTE_MS: u64 = 60_000;

pub(super) struct Inner {
    config: Arc<SecureConfig>,
    outbound: bool,
    address: Address,
    stage: Stage,
    events: VecDeque<SessionEvent>,
    intake: Intake,
    blamed_in_batch: bool,
    /// The beginning of a frame whose end has not come.
    partial: Vec<u8>,
    out: FrameWriter,
    /// The newest question; who asks faster than it reads gets one answer.
    pong_due: Option<[u8; 8]>,
    frames_in_read: u32,
    /// When the last frame came.
    heard: Mono,
    /// Since when bytes come and no frame.
    partial_since: Option<Mono>,
    /// A question is out.
    asked: bool,
    controls: u32,
    controls_since: Mono,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// TLS is shaking hands.
    Handshake,
    /// Our OPEN is out, theirs has not come.
    Greeted(NodeKey),
    Open,
    /// Nothing is read or sent any more, but for what waits already.
    Over,
}

impl Inner {
    pub(super) fn new(config: Arc<SecureConfig>, outbound: bool, address: Address, now: Mono) -> Self {
        Self {
            intake: Intake::new(config.seen.clone()),
            config,
            outbound,
            address,
            stage: Stage::Handshake,
            events: VecDeque::new(),
            blamed_in_batch: false,
            partial: Vec::new(),
            out: FrameWriter::default(),
            pong_due: None,
            frames_in_read: 0,
            heard: now,
            partial_since: None,
            asked: false,
            controls: 0,
            controls_since: now,
        }
    }

    /// TLS is done and this is the peer's key: says OPEN.
    pub(super) fn greet(&mut self, now: Now, key: NodeKey) {
        let early = std::mem::take(&mut self.out);
        self.out.open(&Open {
            version: VERSION,
            network: self.config.network.byte(),
            features: self.config.features,
            listen_port: self.config.listen_port,
            wall_s: now.wall.unix_s(),
            agent: self.config.agent.clone(),
        });
        self.out.append(early);
        self.stage = Stage::Greeted(key);
    }

    /// Takes plaintext. Frames that are whole in it are read where they lie.
    pub(super) fn receive(&mut self, now: Now, plaintext: &[u8]) -> Result<(), Fault> {
        if self.is_over() {
            return Ok(());
        }
        if self.partial.is_empty() {
            let used = self.take_frames(now, plaintext)?;
            self.partial.extend_from_slice(plaintext.get(used..).unwrap_or_default());
        } else {
            let mut bytes = std::mem::take(&mut self.partial);
            bytes.extend_from_slice(plaintext);
            let used = self.take_frames(now, &bytes)?;
            // Mostly nothing is left, and then the buffer is given back.
            if used < bytes.len() {
                bytes.drain(..used);
                self.partial = bytes;
            }
        }
        Ok(())
    }

    /// All bytes of one read were taken: gives the batch out and looks at the clock.
    pub(super) fn end_of_read(&mut self, now: Mono) {
        self.give_batch();
        if self.frames_in_read > 0 {
            self.heard = now;
            self.asked = false;
            self.partial_since = (!self.partial.is_empty()).then_some(now);
        } else {
            // Bytes came that made no frame: an unfinished TLS record counts as much as an unfinished frame.
            self.partial_since.get_or_insert(now);
        }
        self.frames_in_read = 0;
    }

    pub(super) fn send(&mut self, now: Now, item: &Item) {
        if self.is_over() || (self.stage == Stage::Handshake && self.out.len() > EARLY_BYTES_MAX) {
            return;
        }
        match item {
            Item::Record { record, tag } => {
                // It may have waited long in an outbox.
                let expired = record.stamp().is_some_and(|stamp| matches!(stamp.expiry_at(now.wall), Expiry::Past(_)));
                if !expired {
                    self.out.record(record, *tag);
                }
            }
            Item::Served { exchange, records } => self.out.served(*exchange, records),
            Item::Control(Control::CatchUp { exchange, message }) => self.out.catch_up(*exchange, message),
            Item::Control(Control::Peers(peers)) => self.out.peers(peers),
            Item::Control(Control::Bye { code, text }) => self.bye(*code, text),
            Item::Control(
                Control::Speaks { .. }
                | Control::Wallet { .. }
                | Control::AskAccounts { .. }
                | Control::Accounts { .. },
            ) => {}
        }
    }

    /// Says BYE, if this side has said OPEN, and is over.
    pub(super) fn bye(&mut self, code: ByeCode, text: &str) {
        match self.stage {
            Stage::Handshake => self.out = FrameWriter::default(),
            Stage::Greeted(_) | Stage::Open => self.out.bye(code, text),
            Stage::Over => {}
        }
        self.end();
    }

    /// Is over without a word.
    fn end(&mut self) {
        self.stage = Stage::Over;
        self.partial = Vec::new();
    }

    /// The peer said that it sends no more.
    pub(super) fn peer_closed(&mut self) {
        if !self.is_over() {
            self.close();
        }
    }

    /// Gives the frames that wait, in pieces that one TLS record holds.
    pub(super) fn drain(&mut self, write: impl FnMut(&[u8])) {
        if let Some(question) = self.pong_due.take()
            && !self.is_over()
        {
            self.out.pong(question);
        }
        self.out.drain(write);
    }

    pub(super) fn poll(&mut self) -> Option<SessionEvent> {
        self.events.pop_front()
    }

    pub(super) fn deadline(&self) -> Mono {
        let limits = &self.config.limits;
        let idle = self.heard + if self.asked { limits.idle_ms_max } else { limits.ping_after_ms };
        self.partial_since.map_or(idle, |since| idle.min(since + limits.frame_ms_max))
    }

    /// `deadline` has come.
    pub(super) fn tick(&mut self, now: Mono) -> Result<(), Fault> {
        let limits = &self.config.limits;
        let slow_frame = self.partial_since.is_some_and(|since| now.since(since) >= limits.frame_ms_max);
        if slow_frame || now.since(self.heard) >= limits.idle_ms_max {
            return Err(Fault::TimedOut);
        }
        if !self.asked && now.since(self.heard) >= limits.ping_after_ms {
            self.asked = true;
            self.out.ping(now.0.to_le_bytes());
        }
        Ok(())
    }

    pub(super) fn pending_bytes(&self) -> usize {
        self.out.len()
    }

    pub(super) fn is_open(&self) -> bool {
        self.stage == Stage::Open
    }

    pub(super) fn is_over(&self) -> bool {
        self.stage == Stage::Over
    }

    fn take_frames(&mut self, now: Now, bytes: &[u8]) -> Result<usize, Fault> {
        let mut used = 0;
        while !self.is_over()
            && let Some((frame, length)) = Frame::parse(bytes.get(used..).unwrap_or_default())?
        {
            used += length;
            self.frames_in_read += 1;
            self.take_frame(now, frame)?;
        }
        Ok(if self.is_over() { bytes.len() } else { used })
    }

    fn take_frame(&mut self, now: Now, frame: Frame<'_>) -> Result<(), Fault> {
        match (self.stage, frame) {
            (Stage::Greeted(key), Frame::Open(open)) => self.take_open(now.wall, key, open),
            (Stage::Open, Frame::Records(records)) => self.take_records(now.wall, records),
            (Stage::Open, Frame::Open(_)) | (_, Frame::Open(_) | Frame::Records(_)) => Err(Fault::OutOfTurn),
            // Whoever was not offered it has no reason to speak of it. How much of it comes is bounded by the exchange.
            (Stage::Open, Frame::CatchUp { exchange, message }) if self.offers(CATCH_UP) => {
                self.tell(Control::CatchUp { exchange, message });
                Ok(())
            }
            (Stage::Open, Frame::Served { exchange, records }) if self.offers(CATCH_UP) => {
                self.give_batch();
                self.events.push_back(SessionEvent::Served { exchange, records });
                Ok(())
            }
            (_, Frame::CatchUp { .. } | Frame::Served { .. }) => Err(Fault::OutOfTurn),
            (Stage::Open, control) => self.take_control(now.mono, control),
            (_, _) => Err(Fault::OutOfTurn),
        }
    }

    fn take_open(&mut self, now: Wall, key: NodeKey, open: Open) -> Result<(), Fault> {
        // The network first: versions are counted by each for itself.
        if open.network != self.config.network.byte() {
            return Err(Fault::WrongNetwork);
        }
        if open.version != VERSION {
            return Err(Fault::WrongVersion);
        }
        self.stage = Stage::Open;
        self.events.push_back(SessionEvent::Open(PeerInfo {
            kind: LinkKind::Tls,
            outbound: self.outbound,
            address: self.address.clone(),
            node_key: Some(key),
            listen_port: open.listen_port,
            agent: open.agent,
            features: open.features & self.config.features,
            clock_ahead_s: i64::from(open.wall_s) - i64::from(now.unix_s()),
            carries: Carries::Records,
        }));
        Ok(())
    }

    fn take_control(&mut self, now: Mono, frame: Frame<'_>) -> Result<(), Fault> {
        if now.since(self.controls_since) >= MINUTE_MS {
            self.controls_since = now;
            self.controls = 0;
        }
        self.controls += 1;
        if self.controls > CONTROLS_PER_MINUTE_MAX {
            return Err(Fault::TooMany);
        }
        match frame {
            Frame::Peers(peers) => self.tell(Control::Peers(peers)),
            Frame::Ping(question) => self.pong_due = Some(question),
            Frame::Bye { code, text } => {
                self.tell(Control::Bye { code, text });
                self.close();
            }
            Frame::Pong(_)
            | Frame::Skipped
            | Frame::Open(_)
            | Frame::Records(_)
            | Frame::CatchUp { .. }
            | Frame::Served { .. } => {}
        }
        Ok(())
    }

    fn take_records(&mut self, now: Wall, mut records: Records<'_>) -> Result<(), Fault> {
        while let Some((record, tag)) = records.next()? {
            let overdue_s = self.intake.take(now, record, tag);
            if overdue_s.is_some_and(|s| s >= EXPIRED_S_FORGIVEN) && !self.blamed_in_batch {
                self.blamed_in_batch = true;
                self.events.push_back(SessionEvent::Fault(Fault::Expired));
            }
        }
        Ok(())
    }

    fn offers(&self, feature: u64) -> bool {
        self.config.features & feature != 0
    }

    fn tell(&mut self, control: Control) {
        self.give_batch();
        self.events.push_back(SessionEvent::Control(control));
    }

    fn close(&mut self) {
        self.give_batch();
        self.events.push_back(SessionEvent::Closed);
        self.end();
    }

    fn give_batch(&mut self) {
        if let Some(batch) = self.intake.give() {
            self.events.push_back(SessionEvent::Records(batch));
        }
        self.blamed_in_batch = false;
    }
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inner").field("stage", &self.stage).field("address", &self.address).finish_non_exhaustive()
    }
}
