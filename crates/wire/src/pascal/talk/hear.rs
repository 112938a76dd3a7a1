//! The half of the talk that listens: judges each frame by its header, reads it when it is whole, and answers at once
//! what wants an answer. Never waits: what takes time is in the other half.

use nightjar_core::address::{Address, LinkKind};
use nightjar_core::fault::Fault;
use nightjar_core::item::{BYE_TEXT_BYTES_MAX, ByeCode, Control, NoAnswer};
use nightjar_core::link::{Carries, PeerInfo};
use nightjar_core::time::{Now, Wall};

use super::super::feature::Feature;
use super::super::frame::operation as op;
use super::super::frame::{DATA_BYTES_MAX, HEADER_BYTES, Header, Records, SKIPPED_BYTES_MAX, Transfer, error};
use super::super::hello::Hello;
use super::super::wallet;
use super::{
    CONTROLS_PER_MINUTE_MAX, ERROR_BYE, Greeting, HELLOS_PER_MINUTE_MAX, MESSAGE_BYTES_PER_MINUTE_MAX,
    MESSAGES_PER_MINUTE_MAX, Stage, Talk,
};
use crate::body::{Body, write_str};
use crate::session::SessionEvent;
use crate::text::clean;

/// What we say when asked for a part of the chain.
const NO_CHAIN: &str = "this node has no blockchain";

/// What becomes of a frame whose header is there.
enum Plan {
    Read,
    PassOver,
}

impl Talk {
    /// Takes the frames that are whole in these bytes; how many of the bytes were used.
    pub(super) fn take_frames(&mut self, now: Now, bytes: &[u8]) -> Result<usize, Fault> {
        let mut used = 0;
        loop {
            let rest = bytes.get(used..).unwrap_or_default();
            if self.skip > 0 {
                let skipped = self.skip.min(rest.len());
                self.skip -= skipped;
                used += skipped;
                if self.skip > 0 {
                    break;
                }
                continue;
            }
            if self.is_over() {
                return Ok(bytes.len());
            }
            let Some(header) = Header::parse(self.config.network, rest)? else { break };
            let length = usize::try_from(header.length).map_err(|_| Fault::Oversize)?;
            match self.plan(&header)? {
                Plan::Read => {
                    let Some(data) = rest.get(HEADER_BYTES..HEADER_BYTES + length) else { break };
                    used += HEADER_BYTES + length;
                    self.frames_in_read += 1;
                    self.take_frame(now, &header, data)?;
                }
                Plan::PassOver => {
                    self.controls.count(now.mono, CONTROLS_PER_MINUTE_MAX)?;
                    used += HEADER_BYTES;
                    self.skip = length;
                    self.frames_in_read += 1;
                }
            }
        }
        Ok(used)
    }

    /// Judges a frame by its header, before its data is there.
    fn plan(&self, header: &Header) -> Result<Plan, Fault> {
        let plan = match (header.transfer, header.operation) {
            (Transfer::Response, op::GET_ACCOUNT) => match self.questions.asked(header.id) {
                Some(asked) if header.length as usize > asked.range.answer_bytes_max() => return Err(Fault::Oversize),
                Some(_) => return Ok(Plan::Read),
                None => Plan::PassOver,
            },
            (Transfer::Autosend, op::RECORDS | op::MESSAGE | op::ERROR) => Plan::Read,
            (Transfer::Request | Transfer::Response, op::HELLO) => Plan::Read,
            // A daemon would ban whoever sends these.
            (_, op::HELLO | op::MESSAGE | op::ERROR) => return Err(Fault::OutOfTurn),
            (Transfer::Response, op::RECORDS) => Plan::Read,
            (Transfer::Request, op::NEW_BLOCK | op::NEW_BLOCK_FAST_PROPAGATION | op::ADD_OPERATIONS) => {
                return Err(Fault::OutOfTurn);
            }
            (Transfer::Request, operation) if is_known(operation) => Plan::Read,
            // Blocks nobody asked for, and answers nobody waits for.
            (_, operation) if is_known(operation) => Plan::PassOver,
            _ => return Err(Fault::WrongVersion),
        };
        let limit = match plan {
            Plan::Read => DATA_BYTES_MAX,
            Plan::PassOver => SKIPPED_BYTES_MAX,
        };
        if header.length as usize > limit { Err(Fault::Oversize) } else { Ok(plan) }
    }

    fn take_frame(&mut self, now: Now, header: &Header, data: &[u8]) -> Result<(), Fault> {
        if (header.transfer, header.operation) == (Transfer::Autosend, op::RECORDS) {
            return self.take_records(now, data);
        }
        self.controls.count(now.mono, CONTROLS_PER_MINUTE_MAX)?;
        // Anything but HELLO says that our own was read; the peer's HELLO came before.
        if let Stage::Greeted(_) = self.stage
            && header.operation != op::HELLO
        {
            self.open(now);
        }
        match (header.transfer, header.operation) {
            (Transfer::Request, op::HELLO) => self.take_hello_request(now, header, data)?,
            (Transfer::Response, op::HELLO) if header.error == error::NONE => self.take_hello_response(now, data)?,
            (Transfer::Autosend, op::ERROR) => self.take_error(header, data),
            (Transfer::Autosend, op::MESSAGE) => self.take_message(now, data)?,
            (Transfer::Request, op::RECORDS) => {
                self.out.response(op::RECORDS, error::NONE, header.id, &self.config.feature.write());
                if let Some(feature) = Feature::parse(data) {
                    self.decide(Carries::Records, Some(feature));
                }
            }
            (Transfer::Response, op::RECORDS) => self.take_probe_answer(header, data),
            (Transfer::Response, op::GET_ACCOUNT) => self.take_accounts(header, data),
            (Transfer::Request, op::GET_PENDING_OPERATIONS) => {
                // An error here, or an answer without the count, is a ban.
                self.out.response(header.operation, error::NONE, header.id, &0u32.to_le_bytes());
            }
            (Transfer::Request, operation) if op::RESERVED.contains(&operation) => {
                self.out.response(operation, error::UNKNOWN_RESERVED, header.id, &[]);
            }
            (Transfer::Request, operation) => {
                let mut why = Vec::new();
                write_str(&mut why, NO_CHAIN.as_bytes());
                self.out.response(operation, error::NOT_AVAILABLE, header.id, &why);
            }
            (Transfer::Response | Transfer::Autosend, _) => {}
        }
        Ok(())
    }

    fn take_hello_request(&mut self, now: Now, header: &Header, data: &[u8]) -> Result<(), Fault> {
        self.hellos.count(now.mono, HELLOS_PER_MINUTE_MAX)?;
        let hello = self.take_hello(data)?;
        let answer = self.our_hello(now.wall);
        self.out.response(op::HELLO, error::NONE, header.id, &answer);
        self.greeted(now.wall, &hello);
        Ok(())
    }

    fn take_hello_response(&mut self, now: Now, data: &[u8]) -> Result<(), Fault> {
        let hello = self.take_hello(data)?;
        self.greeted(now.wall, &hello);
        self.open(now);
        Ok(())
    }

    fn greeted(&mut self, now: Wall, hello: &Hello) {
        let others = hello.addresses(self.config.network, now);
        match self.stage {
            Stage::Greeting => {
                let peer = self.peer_info(now, hello);
                self.stage = Stage::Greeted(Box::new(Greeting { peer, others }));
            }
            Stage::Open => self.tell_others(others),
            Stage::Greeted(_) | Stage::Over => {}
        }
    }

    fn take_hello(&mut self, data: &[u8]) -> Result<Hello, Fault> {
        let hello = Hello::parse(data)?;
        if hello.key == self.config.node_key.public_key() {
            return Err(Fault::Myself);
        }
        self.peer_key = Some(hello.key.clone());
        Ok(hello)
    }

    fn peer_info(&self, now: Wall, hello: &Hello) -> PeerInfo {
        PeerInfo {
            kind: LinkKind::Pascal,
            outbound: self.outbound,
            address: self.address.clone(),
            node_key: None,
            listen_port: hello.server_port,
            agent: hello.agent.clone(),
            features: 0,
            clock_ahead_s: i64::from(hello.wall_s) - i64::from(now.unix_s()),
            carries: Carries::Unknown,
        }
    }

    pub(super) fn tell_others(&mut self, others: Vec<Address>) {
        if !others.is_empty() {
            self.tell(Control::Peers(others));
        }
    }

    fn take_probe_answer(&mut self, header: &Header, data: &[u8]) {
        if self.probe.take_if(|probe| probe.id == header.id).is_none() {
            return;
        }
        let feature = Feature::parse(data).filter(|_| header.error == error::NONE);
        if feature.is_some() {
            self.decide(Carries::Records, feature);
        } else if self.carries == Carries::Unknown {
            self.decide(Carries::Nothing, None);
        }
    }

    fn take_records(&mut self, now: Now, data: &[u8]) -> Result<(), Fault> {
        if let Stage::Greeted(_) = self.stage {
            self.open(now);
        }
        // All of it is looked at before any is believed: a frame that is broken at its end is no sign of PIP-0038.
        let mut records = Records::parse(data)?;
        while records.next()?.is_some() {}
        if !matches!(self.stage, Stage::Open) {
            // From somebody who has not said who it is.
            return self.controls.count(now.mono, CONTROLS_PER_MINUTE_MAX);
        }
        self.decide(Carries::Records, None);
        let mut records = Records::parse(data)?;
        while let Some(record) = records.next()? {
            self.intake.take(now.wall, record, 0);
        }
        Ok(())
    }

    fn take_message(&mut self, now: Now, data: &[u8]) -> Result<(), Fault> {
        self.messages.count(now.mono, MESSAGES_PER_MINUTE_MAX)?;
        let bytes = u32::try_from(data.len()).map_err(|_| Fault::Oversize)?;
        self.message_bytes.count_many(now.mono, bytes, MESSAGE_BYTES_PER_MINUTE_MAX)?;
        // It may have been sealed for a key that this address had before: nobody is to blame.
        if matches!(self.stage, Stage::Open)
            && let Some(text) = wallet::open(&self.config.node_key, data)
        {
            self.tell(Control::Wallet { text });
        }
        Ok(())
    }

    fn take_accounts(&mut self, header: &Header, data: &[u8]) {
        if let Some(asked) = self.questions.take(header.id) {
            let answer = if header.error == error::NONE {
                asked.range.parse_answer(data).map_err(|_| NoAnswer::Broken)
            } else {
                Err(NoAnswer::Refused(header.error))
            };
            self.tell(Control::Accounts { question: asked.question, answer });
        }
    }

    fn take_error(&mut self, header: &Header, data: &[u8]) {
        let code = match header.error.to_le_bytes() {
            _ if header.error == error::BLACKLISTED => ByeCode::Banned,
            [code, mark] if u16::from(mark) == ERROR_BYE >> 8 => ByeCode::from_byte(code),
            _ => ByeCode::Fault,
        };
        let text = clean(Body(data).str().unwrap_or_default(), BYE_TEXT_BYTES_MAX);
        self.tell(Control::Bye { code, text });
        self.end();
        self.out.clear();
        self.events.push_back(SessionEvent::Closed);
    }
}

fn is_known(operation: u16) -> bool {
    op::RESERVED.contains(&operation)
        || matches!(
            operation,
            op::HELLO
                | op::ERROR
                | op::MESSAGE
                | op::GET_BLOCK_HEADERS
                | op::GET_BLOCKS
                | op::NEW_BLOCK
                | op::NEW_BLOCK_FAST_PROPAGATION
                | op::GET_BLOCKCHAIN_OPERATIONS
                | op::ADD_OPERATIONS
                | op::GET_SAFEBOX
                | op::GET_PENDING_OPERATIONS
                | op::GET_ACCOUNT
                | op::GET_PUBKEY_ACCOUNTS
        )
}
