//! What is said on a PascalCoin link: frames in, events out; items in, frames out, no faster than the peer can bear.

mod hear;

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use nightjar_core::address::Address;
use nightjar_core::fault::Fault;
use nightjar_core::item::{BYE_TEXT_BYTES_MAX, ByeCode, Control, Item, NoAnswer};
use nightjar_core::link::{Carries, PeerInfo};
use nightjar_core::record::{Expiry, Record};
use nightjar_core::time::{Mono, Now, Wall};
use nightjar_pasc::key::PublicKey;

use super::accounts::Range;
use super::feature::Feature;
use super::frame::operation as op;
use super::frame::{FrameQueue, error};
use super::hello::Hello;
use super::questions::Questions;
use super::wallet::Wallet;
use super::{PascalConfig, PascalLimits};
use crate::body::write_str;
use crate::intake::Intake;
use crate::session::SessionEvent;
use crate::text::clean;

/// Frames other than records that a peer may send in a minute. A daemon sends a handful.
pub const CONTROLS_PER_MINUTE_MAX: u32 = 240;
/// HELLO requests that a peer may send in a minute. A daemon sends one in two minutes.
pub const HELLOS_PER_MINUTE_MAX: u32 = 30;
/// Texts that a peer may send in a minute, each of which costs us the opening of an envelope: as a daemon has it.
pub const MESSAGES_PER_MINUTE_MAX: u32 = 20;
/// Bytes of texts that a peer may send in a minute, also as a daemon has it. Nobody asked for them, and they stand in
/// the log beside what was listened for.
pub const MESSAGE_BYTES_PER_MINUTE_MAX: u32 = 20_000;
/// How long a peer has for the answer to the question whether it knows PIP-0038.
pub const PROBE_MS_MAX: u64 = 10_000;
/// Rest behind each frame to a peer that is not known to take records. A daemon bans if a header comes in two parts, as
/// it does when frames run together on a slow line; it looks every 10 ms and answers within 130.
pub const CAREFUL_PAUSE_MS: u64 = 250;
/// Rest behind each frame to a peer that takes records and gave no feature record: it may read as a daemon does.
/// 16 KiB pass a line of 2 Mbit/s in this time.
pub const LITERAL_PAUSE_MS: u64 = 70;
/// An ERROR of one PIP-0038 node to another says with this code, and the byte of the [`ByeCode`], why the link ends.
pub const ERROR_BYE: u16 = 0x3800;

const MINUTE_MS: u64 = 60_000;
pub(super) struct Talk {
    config: Arc<PascalConfig>,
    outbound: bool,
    address: Address,
    opened: Mono,
    stage: Stage,
    carries: Carries,
    /// The peer gave a feature record.
    feature: Option<Feature>,
    peer_key: Option<PublicKey>,
    events: VecDeque<SessionEvent>,
    intake: Intake,
    /// The beginning of a frame whose end has not come.
    partial: Vec<u8>,
    /// Bytes of a frame that are still to be passed over.
    skip: usize,
    out: FrameQueue,
    /// No frame goes out before.
    rest_until: Option<Mono>,
    frames_in_read: u32,
    /// When the last frame came.
    heard: Mono,
    /// Since when bytes come and no frame.
    partial_since: Option<Mono>,
    /// When HELLO was last sent, and how often since the last frame came.
    asked_at: Mono,
    asked: u32,
    next_id: u32,
    probe: Option<Probe>,
    questions: Questions,
    wallet: Wallet,
    controls: Rate,
    hellos: Rate,
    messages: Rate,
    message_bytes: Rate,
}

#[derive(Debug)]
enum Stage {
    /// No HELLO has come.
    Greeting,
    /// The peer's HELLO came, and our answer is on its way.
    Greeted(Box<Greeting>),
    Open,
    /// Nothing is read or sent any more, but for what waits already.
    Over,
}

/// What the peer's first HELLO said.
#[derive(Debug)]
struct Greeting {
    peer: PeerInfo,
    /// Where it says that other nodes are.
    others: Vec<Address>,
}

#[derive(Debug)]
struct Probe {
    id: u32,
    due: Mono,
}

/// How often something may happen in a minute.
#[derive(Debug)]
struct Rate {
    since: Mono,
    count: u32,
}

impl Rate {
    const fn new(now: Mono) -> Self {
        Self { since: now, count: 0 }
    }

    fn count(&mut self, now: Mono, limit: u32) -> Result<(), Fault> {
        self.count_many(now, 1, limit)
    }

    fn count_many(&mut self, now: Mono, many: u32, limit: u32) -> Result<(), Fault> {
        if now.since(self.since) >= MINUTE_MS {
            *self = Self::new(now);
        }
        self.count = self.count.saturating_add(many);
        if self.count > limit { Err(Fault::TooMany) } else { Ok(()) }
    }
}

impl Talk {
    pub(super) fn new(config: Arc<PascalConfig>, outbound: bool, address: Address, now: Now, seed: [u8; 32]) -> Self {
        let mut talk = Self {
            intake: Intake::new(config.seen.clone()),
            out: FrameQueue::new(config.network),
            config,
            outbound,
            address,
            opened: now.mono,
            stage: Stage::Greeting,
            carries: Carries::Unknown,
            feature: None,
            peer_key: None,
            events: VecDeque::new(),
            partial: Vec::new(),
            skip: 0,
            rest_until: None,
            frames_in_read: 0,
            heard: now.mono,
            partial_since: None,
            asked_at: now.mono,
            asked: 0,
            next_id: 1,
            probe: None,
            questions: Questions::default(),
            wallet: Wallet::new(seed),
            controls: Rate::new(now.mono),
            hellos: Rate::new(now.mono),
            messages: Rate::new(now.mono),
            message_bytes: Rate::new(now.mono),
        };
        if outbound {
            talk.ask_hello(now);
        }
        talk
    }

    /// Takes bytes. Frames that are whole in them are read where they lie.
    pub(super) fn receive(&mut self, now: Now, bytes: &[u8]) -> Result<(), Fault> {
        if self.partial.is_empty() {
            let used = self.take_frames(now, bytes)?;
            self.partial.extend_from_slice(bytes.get(used..).unwrap_or_default());
        } else {
            let mut joined = std::mem::take(&mut self.partial);
            joined.extend_from_slice(bytes);
            let used = self.take_frames(now, &joined)?;
            // Mostly nothing is left, and then the buffer is given back.
            if used < joined.len() {
                joined.drain(..used);
                self.partial = joined;
            }
        }
        Ok(())
    }

    /// All bytes of one read were taken: gives the batch out and looks at the clock.
    pub(super) fn end_of_read(&mut self, now: Mono) {
        self.give_batch();
        if self.frames_in_read > 0 {
            self.heard = now;
            self.asked = 0;
            self.partial_since = (self.skip > 0 || !self.partial.is_empty()).then_some(now);
        } else {
            self.partial_since.get_or_insert(now);
        }
        self.frames_in_read = 0;
    }

    pub(super) fn send(&mut self, now: Now, item: &Item) {
        if self.is_over() {
            return;
        }
        match item {
            Item::Record { record, .. } => self.send_record(now.wall, record),
            Item::Control(Control::Wallet { text }) => self.wallet.push(text),
            Item::Control(Control::AskAccounts { question, first, count }) => {
                // A daemon would hang up on a number this high, and no account has it.
                let range = Range::new(*first, *count).ok_or(NoAnswer::Refused(error::NOT_AVAILABLE));
                if let Err(why) = range.and_then(|range| self.questions.ask(*question, range)) {
                    self.events.push_back(no_answer(*question, why));
                }
            }
            Item::Control(Control::Bye { code, text }) => self.bye(*code, text),
            Item::Served { .. }
            | Item::Control(
                Control::Peers(_) | Control::Speaks { .. } | Control::Accounts { .. } | Control::CatchUp { .. },
            ) => {}
        }
    }

    /// Gives what may be written now: one frame, and then nothing for a while, unless the peer is known to read as
    /// tolerantly as we do.
    pub(super) fn transmit(&mut self, now: Now, out: &mut Vec<u8>) {
        if self.feature.is_some() || self.is_over() {
            return self.out.take_all(out);
        }
        if self.out.is_empty() || self.rest_until.is_some_and(|until| now.mono < until) {
            return;
        }
        self.out.take_one(out);
        let pause_ms = if self.carries == Carries::Records { LITERAL_PAUSE_MS } else { CAREFUL_PAUSE_MS };
        self.rest_until = Some(now.mono + pause_ms);
    }

    pub(super) fn poll(&mut self) -> Option<SessionEvent> {
        self.events.pop_front()
    }

    pub(super) fn deadline(&self) -> Option<Mono> {
        let limits = self.limits();
        let stage = match self.stage {
            Stage::Over => return None,
            Stage::Greeting => self.opened + limits.handshake_ms_max,
            // Our answer was handed over: the link is open.
            Stage::Greeted(_) if self.out.is_empty() => self.heard,
            Stage::Greeted(_) => self.opened + limits.handshake_ms_max,
            Stage::Open => self.hello_at(),
        };
        let frame = self.partial_since.map(|since| since + limits.frame_ms_max);
        let rest = self.rest_until.filter(|_| !self.out.is_empty());
        let mut dues = [Some(stage), frame, rest, None, None, None];
        if let Stage::Open = self.stage {
            let probe = self.probe.as_ref().map(|probe| probe.due);
            let [.., a, b, c] = &mut dues;
            (*a, *b, *c) = (probe, self.questions.due(), self.wallet.due());
        }
        dues.into_iter().flatten().min()
    }

    /// `deadline` has come.
    pub(super) fn tick(&mut self, now: Now) -> Result<(), Fault> {
        let limits = *self.limits();
        if self.partial_since.is_some_and(|since| now.mono.since(since) >= limits.frame_ms_max) {
            return Err(Fault::TimedOut);
        }
        // Whether it is used depends on when the socket takes more: not a moment to wake up for again.
        self.rest_until = self.rest_until.filter(|until| now.mono < *until);
        match self.stage {
            Stage::Greeted(_) if self.out.is_empty() => self.open(now),
            Stage::Greeting | Stage::Greeted(_) => {
                if now.mono.since(self.opened) >= limits.handshake_ms_max {
                    return Err(Fault::TimedOut);
                }
            }
            Stage::Open => self.tick_open(now, &limits)?,
            Stage::Over => {}
        }
        Ok(())
    }

    pub(super) fn pending_bytes(&self) -> usize {
        self.out.len()
    }

    pub(super) const fn is_over(&self) -> bool {
        matches!(self.stage, Stage::Over)
    }

    /// Is over, and says why if the peer is a PIP-0038 node. A daemon knows no such word from outside: it would ban us.
    pub(super) fn bye(&mut self, code: ByeCode, text: &str) {
        if self.is_over() {
            return;
        }
        if self.feature.is_some() {
            let mut data = Vec::new();
            write_str(&mut data, clean(text.as_bytes(), BYE_TEXT_BYTES_MAX).as_bytes());
            self.out.autosend(op::ERROR, ERROR_BYE | u16::from(code.byte()), &data);
        } else if self.carries != Carries::Records {
            self.out.clear();
        }
        self.end();
    }

    fn end(&mut self) {
        self.give_batch();
        for question in self.questions.close() {
            self.events.push_back(no_answer(question, NoAnswer::Closed));
        }
        self.stage = Stage::Over;
        self.partial = Vec::new();
        self.skip = 0;
    }

    fn limits(&self) -> &PascalLimits {
        &self.config.limits
    }

    fn send_record(&mut self, now: Wall, record: &Record) {
        // It may have waited long in an outbox.
        let expired = record.stamp().is_some_and(|stamp| matches!(stamp.expiry_at(now), Expiry::Past(_)));
        if self.carries == Carries::Records && !expired {
            self.out.record(record);
        }
    }

    /// When the peer is to be sent HELLO because nothing came from it.
    fn hello_at(&self) -> Mono {
        self.heard.max(self.asked_at) + self.limits().hello_after_ms
    }

    fn tick_open(&mut self, now: Now, limits: &PascalLimits) -> Result<(), Fault> {
        if now.mono >= self.hello_at() {
            if self.asked >= limits.unanswered_max {
                return Err(Fault::TimedOut);
            }
            self.ask_hello(now);
        }
        if self.probe.as_ref().is_some_and(|probe| now.mono >= probe.due) {
            self.probe = None;
            if self.carries == Carries::Unknown {
                self.decide(Carries::Nothing, None);
            }
        }
        while let Some(question) = self.questions.overdue(now.mono) {
            self.events.push_back(no_answer(question, NoAnswer::TimedOut));
        }
        if let Some(range) = self.questions.next(now.mono, self.next_id) {
            let id = self.new_id();
            self.out.request(op::GET_ACCOUNT, id, &range.write());
        }
        if let Some(key) = &self.peer_key
            && let Some(data) = self.wallet.next(now.mono, key)
        {
            self.out.autosend(op::MESSAGE, error::NONE, &data);
        }
        Ok(())
    }

    fn new_id(&mut self) -> u32 {
        let id = self.next_id;
        // A daemon drops a response with id 0 unread.
        self.next_id = self.next_id.checked_add(1).unwrap_or(1);
        id
    }

    fn ask_hello(&mut self, now: Now) {
        self.asked += 1;
        self.asked_at = now.mono;
        let id = self.new_id();
        let hello = self.our_hello(now.wall);
        self.out.request(op::HELLO, id, &hello);
    }

    fn our_hello(&self, now: Wall) -> Vec<u8> {
        let hello = Hello {
            server_port: 0,
            key: self.config.node_key.public_key(),
            wall_s: now.unix_s(),
            block: 0,
            servers: Vec::new(),
            agent: self.config.agent.clone(),
        };
        hello.write()
    }

    /// Both have said HELLO: tells who is there and asks whether it knows PIP-0038.
    fn open(&mut self, now: Now) {
        let greeting = match std::mem::replace(&mut self.stage, Stage::Open) {
            Stage::Greeted(greeting) => *greeting,
            other => {
                self.stage = other;
                return;
            }
        };
        self.events.push_back(SessionEvent::Open(greeting.peer));
        self.tell_others(greeting.others);
        if self.carries != Carries::Unknown {
            // It asked us before.
            self.tell_speaks();
        }
        let id = self.new_id();
        self.out.request(op::RECORDS, id, &self.config.feature.write());
        self.probe = Some(Probe { id, due: now.mono + PROBE_MS_MAX });
    }

    /// Notes whether the peer takes records, and tells it if that is news.
    fn decide(&mut self, carries: Carries, feature: Option<Feature>) {
        if self.carries == carries && (feature.is_none() || self.feature == feature) {
            return;
        }
        self.carries = carries;
        self.feature = feature.or(self.feature);
        if let Stage::Open = self.stage {
            self.tell_speaks();
        }
    }

    fn tell_speaks(&mut self) {
        let Feature { tls_port, node_key } = self.feature.unwrap_or(Feature::HIDDEN);
        self.tell(Control::Speaks { carries: self.carries, node_key, tls_port });
    }

    fn tell(&mut self, control: Control) {
        self.give_batch();
        self.events.push_back(SessionEvent::Control(control));
    }

    fn give_batch(&mut self) {
        if let Some(batch) = self.intake.give() {
            self.events.push_back(SessionEvent::Records(batch));
        }
    }
}

fn no_answer(question: u64, why: NoAnswer) -> SessionEvent {
    SessionEvent::Control(Control::Accounts { question, answer: Err(why) })
}

impl fmt::Debug for Talk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Talk")
            .field("address", &self.address)
            .field("stage", &self.stage)
            .field("carries", &self.carries)
            .finish_non_exhaustive()
    }
}
