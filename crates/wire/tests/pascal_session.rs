//! A PascalCoin session with somebody who plays an unmodified daemon, or breaks the rules: nobody may get a reason to
//! ban us, and nothing but broken bytes is held against a peer.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs, reason = "a test may fail loudly")]

mod common;

use common::*;
use nightjar_core::chain::Network;
use nightjar_core::fault::Fault;
use nightjar_core::item::{ByeCode, Control, Item, NoAnswer};
use nightjar_core::link::{Carries, NodeKey};
use nightjar_core::record::{MsgId, Record};
use nightjar_pasc::ecies;
use nightjar_wire::pascal::frame::{
    DATA_BYTES_MAX, HEADER_BYTES, Header, PROTOCOL_AVAILABLE, RECORDS_DATA_BYTES_SENT, RECORDS_PER_FRAME_MAX,
    SKIPPED_BYTES_MAX, Transfer, error, frame, operation,
};
use nightjar_wire::pascal::hello::Hello;
use nightjar_wire::pascal::{
    CAREFUL_PAUSE_MS, CONTROLS_PER_MINUTE_MAX, ERROR_BYE, Feature, HELLOS_PER_MINUTE_MAX, LITERAL_PAUSE_MS,
    MESSAGES_PER_MINUTE_MAX, PROBE_MS_MAX, PascalConfig, PascalLimits, PascalSession, QUESTION_MS_MAX,
    QUESTIONS_WAITING_MAX, WALLET_TEXT_BYTES_MAX, WALLET_TEXTS_WAITING_MAX,
};
use nightjar_wire::session::{Session, SessionEvent};

const MINUTE_MS: u64 = 60_000;

fn request(operation: u16, id: u32, data: &[u8]) -> Vec<u8> {
    frame(Network::Main, Header { transfer: Transfer::Request, operation, error: 0, id, length: 0 }, data)
}

fn response(operation: u16, error: u16, id: u32, data: &[u8]) -> Vec<u8> {
    frame(Network::Main, Header { transfer: Transfer::Response, operation, error, id, length: 0 }, data)
}

fn autosend(operation: u16, error: u16, data: &[u8]) -> Vec<u8> {
    frame(Network::Main, Header { transfer: Transfer::Autosend, operation, error, id: 0, length: 0 }, data)
}

fn records_frame(records: &[Record]) -> Vec<u8> {
    let data: Vec<u8> = records.iter().flat_map(|record| record.bytes().to_vec()).collect();
    autosend(operation::RECORDS, 0, &data)
}

/// One frame of ours, and when it was given to the socket.
#[derive(Clone, Debug)]
struct Said {
    at_ms: u64,
    header: Header,
    data: Vec<u8>,
}

/// Somebody at the other end, whose socket takes all at once.
struct Other {
    session: PascalSession,
    now_ms: u64,
    said: Vec<Said>,
    /// How many frames came with each write.
    writes: Vec<usize>,
    events: Vec<SessionEvent>,
    fault: Option<Fault>,
}

impl Other {
    fn new(session: PascalSession) -> Self {
        let mut other =
            Self { session, now_ms: 0, said: Vec::new(), writes: Vec::new(), events: Vec::new(), fault: None };
        other.write();
        other
    }

    /// Somebody dialled us.
    fn dialled_us() -> Self {
        Self::new(pascal(false, pascal_config(1)))
    }

    /// A daemon that we dialled, and that has answered HELLO and the probe as one does.
    fn daemon() -> Self {
        let mut other = Self::unknown(pascal_config(1));
        let id = other.wait_for(operation::RECORDS).header.id;
        other.say(&response(operation::RECORDS, error::UNKNOWN_RESERVED, id, &[]));
        assert_eq!(other.carries(), Some(Carries::Nothing));
        other.forget();
        other
    }

    /// A PIP-0038 node that we dialled.
    fn node() -> Self {
        let mut other = Self::unknown(pascal_config(1));
        other.say(&request(operation::RECORDS, 1, &Feature::HIDDEN.write()));
        assert_eq!(other.carries(), Some(Carries::Records));
        other.run(1000);
        other.forget();
        other
    }

    /// Somebody whom we dialled and who has answered HELLO, no more.
    fn unknown(config: PascalConfig) -> Self {
        let mut other = Self::new(pascal(true, config));
        let id = other.wait_for(operation::HELLO).header.id;
        other.say(&response(operation::HELLO, 0, id, &daemon_hello(&pascal_key(77).public_key())));
        assert!(matches!(other.events[..], [SessionEvent::Open(_)]), "{:?}", other.events);
        other
    }

    fn say(&mut self, bytes: &[u8]) {
        if self.fault.is_none() {
            self.fault = self.session.receive(at(self.now_ms), bytes).err();
        }
        self.poll();
        self.write();
    }

    fn send(&mut self, item: Item) {
        self.session.send(at(self.now_ms), &item);
        self.poll();
        self.write();
    }

    fn poll(&mut self) {
        self.events.extend(std::iter::from_fn(|| self.session.poll()));
    }

    fn write(&mut self) {
        loop {
            let mut bytes = Vec::new();
            self.session.transmit(at(self.now_ms), &mut bytes);
            if bytes.is_empty() {
                return;
            }
            let mut rest = bytes.as_slice();
            let mut frames = 0;
            while !rest.is_empty() {
                let header = Header::parse(Network::Main, rest).unwrap().expect("only whole headers are written");
                assert_eq!(rest[14..18], [14, 0, PROTOCOL_AVAILABLE as u8, 0]);
                let end = HEADER_BYTES + header.length as usize;
                let data = rest.get(HEADER_BYTES..end).expect("header and data go out in one write").to_vec();
                self.said.push(Said { at_ms: self.now_ms, header, data });
                rest = &rest[end..];
                frames += 1;
            }
            self.writes.push(frames);
        }
    }

    /// Lets time pass, stopping at every deadline.
    fn run(&mut self, ms: u64) {
        let end_ms = self.now_ms + ms;
        while self.fault.is_none()
            && let Some(due) = self.session.deadline().filter(|due| due.0 <= end_ms)
        {
            self.now_ms = self.now_ms.max(due.0);
            self.fault = self.session.tick(at(self.now_ms)).err();
            self.poll();
            self.write();
        }
        self.now_ms = end_ms;
    }

    /// Lets time pass until a frame of this operation was said.
    fn wait_for(&mut self, operation: u16) -> Said {
        for _ in 0..1000 {
            if let Some(said) = self.said.iter().find(|said| said.header.operation == operation) {
                return said.clone();
            }
            self.run(10);
        }
        panic!("{operation:04x} was not said: {:?}", self.said);
    }

    fn said(&self, operation: u16) -> Vec<Said> {
        self.said.iter().filter(|said| said.header.operation == operation).cloned().collect()
    }

    fn carries(&self) -> Option<Carries> {
        self.events.iter().rev().find_map(|event| match event {
            SessionEvent::Control(Control::Speaks { carries, .. }) => Some(*carries),
            _ => None,
        })
    }

    fn answers(&self) -> Vec<(u64, Result<usize, NoAnswer>)> {
        self.events
            .iter()
            .filter_map(|event| match event {
                SessionEvent::Control(Control::Accounts { question, answer }) => {
                    Some((*question, answer.clone().map(|answer| answer.accounts.len())))
                }
                _ => None,
            })
            .collect()
    }

    fn forget(&mut self) {
        self.said.clear();
        self.writes.clear();
        self.events.clear();
    }
}

fn ask(question: u64, first: u32, count: u32) -> Item {
    Item::Control(Control::AskAccounts { question, first, count })
}

fn wallet(text: &[u8]) -> Item {
    Item::Control(Control::Wallet { text: text.to_vec() })
}

fn bye() -> Item {
    Item::Control(Control::Bye { code: ByeCode::Full, text: "full".to_owned() })
}

fn hello_of(seed: u8) -> Vec<u8> {
    daemon_hello(&pascal_key(seed).public_key())
}

mod towards_a_daemon {
    use super::*;

    #[test]
    fn one_frame_goes_out_at_a_time_with_a_rest_behind_it() {
        let mut other = Other::dialled_us();
        let asked = [
            request(operation::HELLO, 1, &hello_of(7)),
            request(operation::GET_PENDING_OPERATIONS, 2, &[1]),
            request(operation::HELLO, 3, &hello_of(7)),
            request(0x1101, 4, &[]),
            request(operation::GET_ACCOUNT, 5, &[1, 0, 0, 0, 0]),
        ];
        other.say(&asked.concat());
        for number in 0..5 {
            other.send(wallet(b"text"));
            other.send(ask(number, 5, 2));
        }
        other.run(MINUTE_MS);
        assert!(other.said.len() > 12, "{:?}", other.said);
        assert!(other.writes.iter().all(|frames| *frames == 1));
        assert!(other.said.windows(2).all(|pair| pair[1].at_ms - pair[0].at_ms >= CAREFUL_PAUSE_MS));
    }

    #[test]
    fn a_slow_socket_makes_nobody_spin() {
        let mut session = opened_pascal(pascal_config(1));
        for number in 0..5 {
            session.send(at(1), &ask(number, 5, 1));
            session.send(at(1), &wallet(b"x"));
        }
        // The socket takes nothing, so nothing is asked of the session but its deadlines.
        let mut ticks = 0;
        let mut now_ms = 1;
        while let Some(due) = session.deadline().filter(|due| due.0 < 100_000) {
            now_ms = now_ms.max(due.0);
            session.tick(at(now_ms)).unwrap();
            ticks += 1;
        }
        assert!(ticks < 40, "{ticks}");
        assert!(session.pending_bytes() < 4096);
    }

    #[test]
    fn we_claim_no_block_no_work_no_server_and_our_key_is_on_the_curve() {
        let mut other = Other::new(pascal(true, pascal_config(1)));
        let hello = other.wait_for(operation::HELLO);
        let read = Hello::parse(&hello.data).unwrap();
        assert_eq!((read.server_port, read.block, read.servers.len()), (0, 0, 0));
        assert_eq!(read.key, pascal_key(1).public_key());
        assert_eq!(read.key.check(), Ok(()));
        // Work, and the length of the hash rate.
        assert!(hello.data.ends_with(&[0; 8 + 2]));
        assert_eq!((hello.header.transfer, hello.header.id, hello.header.error), (Transfer::Request, 1, 0));
    }

    #[test]
    fn whoever_dials_says_hello_first_and_whoever_is_dialled_answers() {
        assert_eq!(Other::new(pascal(true, pascal_config(1))).said.len(), 1);
        let mut other = Other::dialled_us();
        assert!(other.said.is_empty());
        other.say(&request(operation::HELLO, 9, &hello_of(7)));
        other.run(0);
        let [SessionEvent::Open(peer)] = &other.events[..] else { panic!("{:?}", other.events) };
        assert_eq!((peer.listen_port, peer.agent.as_str(), peer.clock_ahead_s), (4004, "5.8amLf64b", 0));
        assert_eq!((peer.carries, peer.node_key, peer.outbound), (Carries::Unknown, None, false));
        assert_eq!((other.said[0].header.transfer, other.said[0].header.id), (Transfer::Response, 9));
    }

    #[test]
    fn every_hello_is_answered_with_its_own_id() {
        let mut other = Other::daemon();
        for id in [0, 1, u32::MAX] {
            other.say(&request(operation::HELLO, id, &hello_of(77)));
            other.run(CAREFUL_PAUSE_MS);
        }
        let ids: Vec<_> = other.said(operation::HELLO).iter().map(|said| said.header.id).collect();
        assert_eq!(ids, [0, 1, u32::MAX]);
        assert!(other.said.iter().all(|said| said.header.transfer == Transfer::Response && said.header.error == 0));
    }

    #[test]
    fn it_is_told_that_no_operations_wait_even_before_hello() {
        let mut other = Other::new(pascal(true, pascal_config(1)));
        other.say(&request(operation::GET_PENDING_OPERATIONS, 28, &[1]));
        let answer = other.wait_for(operation::GET_PENDING_OPERATIONS);
        assert_eq!((answer.header.transfer, answer.header.error, answer.header.id), (Transfer::Response, 0, 28));
        assert_eq!(answer.data, [0; 4]);
    }

    #[test]
    fn what_we_do_not_have_is_answered_politely() {
        let mut other = Other::daemon();
        let asked = [
            (operation::GET_BLOCK_HEADERS, error::NOT_AVAILABLE),
            (operation::GET_BLOCKS, error::NOT_AVAILABLE),
            (operation::GET_BLOCKCHAIN_OPERATIONS, error::NOT_AVAILABLE),
            (operation::GET_SAFEBOX, error::NOT_AVAILABLE),
            (operation::GET_ACCOUNT, error::NOT_AVAILABLE),
            (operation::GET_PUBKEY_ACCOUNTS, error::NOT_AVAILABLE),
            (0x1000, error::UNKNOWN_RESERVED),
            (0x1fff, error::UNKNOWN_RESERVED),
        ];
        for (asked, error) in asked {
            other.forget();
            other.say(&request(asked, 5, &[0; 8]));
            let answer = other.wait_for(asked);
            assert_eq!((answer.header.transfer, answer.header.error, answer.header.id), (Transfer::Response, error, 5));
            // An error's data begins with its text, and may be empty.
            let length = answer.data.get(..2).map_or(0, |length| 2 + usize::from(length[0]));
            assert_eq!(answer.data.len(), length);
        }
        assert_eq!(other.fault, None);
    }

    #[test]
    fn it_never_gets_a_record_or_a_word_when_we_hang_up() {
        for mut other in [Other::daemon(), Other::unknown(pascal_config(1)), Other::dialled_us()] {
            for number in 0..100 {
                other.send(item(&dated(number)));
            }
            other.run(30_000);
            other.say(&request(operation::GET_PENDING_OPERATIONS, 2, &[1]));
            other.say(&request(operation::HELLO, 3, &hello_of(77)));
            other.send(bye());
            other.run(30_000);
            assert!(other.said(operation::RECORDS).iter().all(|said| said.header.transfer != Transfer::Autosend));
            assert!(other.said(operation::ERROR).is_empty());
            assert_eq!(other.session.deadline(), None);
        }
        // Nor when it made a mistake.
        let mut other = Other::daemon();
        other.say(b"junk");
        assert_eq!(other.fault, Some(Fault::Framing));
        assert!(other.said.is_empty());
    }

    #[test]
    fn it_is_asked_once_whether_it_knows_pip_38() {
        let mut other = Other::daemon();
        other.run(50_000);
        for id in 0..5 {
            other.say(&request(operation::HELLO, id, &hello_of(77)));
            other.run(50_000);
        }
        assert!(other.said(operation::RECORDS).is_empty());
    }

    #[test]
    fn silence_is_met_with_a_quarter_of_the_hellos_that_it_allows_and_then_left() {
        let mut other = Other::new(pascal(true, pascal_config(1)));
        let id = other.wait_for(operation::HELLO).header.id;
        other.say(&response(operation::HELLO, 0, id, &hello_of(77)));
        other.run(10 * MINUTE_MS);
        assert_eq!(other.fault, Some(Fault::TimedOut));
        let hellos = other.said(operation::HELLO);
        assert_eq!(hellos.len(), 1 + 3);
        assert!(hellos.iter().map(|said| said.data.len()).sum::<usize>() < 20_000 / 4);
        assert_eq!(other.now_ms, 10 * MINUTE_MS);

        // One that answers is kept, and in ten minutes it gets no more than a quarter of the twenty it would bear.
        let mut other = Other::daemon();
        for _ in 0..60 {
            other.run(MINUTE_MS);
            for said in std::mem::take(&mut other.said) {
                assert_eq!((said.header.operation, said.header.transfer), (operation::HELLO, Transfer::Request));
                other.say(&response(operation::HELLO, 0, said.header.id, &hello_of(77)));
                other.events.push(SessionEvent::Fault(Fault::Expired));
            }
        }
        assert_eq!(other.fault, None);
        assert!(other.events.len() <= 6 * 5, "{}", other.events.len());
    }

    #[test]
    fn texts_are_paced_sealed_for_its_key_and_never_too_long() {
        let mut other = Other::daemon();
        for number in 0..50_u8 {
            other.send(wallet(&[number; WALLET_TEXT_BYTES_MAX]));
        }
        other.send(wallet(&[b'x'; WALLET_TEXT_BYTES_MAX + 1]));
        let start_ms = other.now_ms;
        other.run(MINUTE_MS - 1);
        let texts = other.said(operation::MESSAGE);
        assert_eq!(texts.len(), 6);
        assert!(texts.iter().map(|said| said.data.len()).sum::<usize>() < 20_000 / 2);
        other.run(10 * MINUTE_MS);
        let texts = other.said(operation::MESSAGE);
        assert_eq!(texts.len(), WALLET_TEXTS_WAITING_MAX, "{start_ms}");
        for (number, text) in texts.iter().enumerate() {
            assert_eq!((text.header.transfer, text.header.id), (Transfer::Autosend, 0));
            let envelope = &text.data[2..];
            assert_eq!(usize::from(u16::from_le_bytes([text.data[0], text.data[1]])), envelope.len());
            let opened = ecies::open(&pascal_key(77), envelope).unwrap();
            assert_eq!(opened, [number as u8; WALLET_TEXT_BYTES_MAX]);
        }
    }

    #[test]
    fn a_key_for_which_nothing_can_be_sealed_gets_no_text() {
        let mut other = Other::new(pascal(true, pascal_config(1)));
        let mut hello = hello_of(77);
        // x and y on no curve.
        hello[8..40].fill(5);
        other.say(&response(operation::HELLO, 0, 1, &hello));
        other.send(wallet(b"text"));
        other.run(MINUTE_MS);
        assert_eq!(other.fault, None);
        assert!(other.said(operation::MESSAGE).is_empty());
    }

    #[test]
    fn questions_are_paced_bounded_and_given_up() {
        let mut other = Other::daemon();
        other.run(1000);
        for question in 0..100 {
            other.send(ask(question, 5, if question % 2 == 0 { 1 } else { 7 }));
        }
        let waiting = QUESTIONS_WAITING_MAX as u64;
        let busy = (waiting..100).map(|question| (question, Err(NoAnswer::Busy))).collect::<Vec<_>>();
        assert_eq!(other.answers(), busy);
        other.forget();
        other.run(9_999);
        let asked = other.said(operation::GET_ACCOUNT);
        assert_eq!(asked.len(), QUESTIONS_WAITING_MAX);
        assert!(asked.windows(2).all(|pair| pair[1].at_ms - pair[0].at_ms >= 500));
        // Never the third form, which names numbers: one that does not exist would be a ban.
        assert!(asked.iter().all(|said| matches!((said.data[0], said.data.len()), (1, 5) | (2, 9))));
        assert!(asked.iter().all(|said| said.header.id != 0 && said.header.transfer == Transfer::Request));
        other.run(QUESTION_MS_MAX + 10_000);
        let given_up = other.answers();
        assert_eq!(given_up.len(), QUESTIONS_WAITING_MAX);
        assert!(given_up.iter().all(|(_, answer)| *answer == Err(NoAnswer::TimedOut)));
        // An answer that comes now is passed over.
        other.forget();
        other.say(&response(operation::GET_ACCOUNT, 0, asked[0].header.id, &[0; 8]));
        assert!(other.events.is_empty() && other.fault.is_none());
    }

    #[test]
    fn numbers_that_would_be_a_ban_are_never_asked_for() {
        let mut other = Other::daemon();
        for (question, first, count) in [(1, 1 << 31, 1), (2, u32::MAX, u32::MAX), (3, 5, 0)] {
            other.send(ask(question, first, count));
        }
        other.run(MINUTE_MS);
        assert!(other.said(operation::GET_ACCOUNT).is_empty());
        assert_eq!(other.answers().len(), 3);
    }

    #[test]
    fn each_question_gets_its_own_answer_whatever_the_order() {
        let mut other = Other::daemon();
        for question in 1..=4 {
            other.send(ask(question, 5, 2));
        }
        other.run(5000);
        let ids: Vec<_> = other.said(operation::GET_ACCOUNT).iter().map(|said| said.header.id).collect();
        assert_eq!(ids.len(), 4);
        let empty = [7, 0, 0, 0, 0, 0, 0, 0];
        other.say(&response(operation::GET_ACCOUNT, 0, ids[2], &empty));
        other.say(&response(operation::GET_ACCOUNT, 0x21, ids[0], &[]));
        other.say(&response(operation::GET_ACCOUNT, 0, ids[1], &[1, 2, 3]));
        other.say(&response(operation::GET_ACCOUNT, 0, 4711, &empty));
        other.send(bye());
        let answers =
            [(3, Ok(0)), (1, Err(NoAnswer::Refused(0x21))), (2, Err(NoAnswer::Broken)), (4, Err(NoAnswer::Closed))];
        assert_eq!(other.answers(), answers);
    }

    #[test]
    fn its_reason_for_hanging_up_is_told() {
        // As captured: error 2, and a text.
        let text = b"Your IP is blacklisted:203.0.113.11:46613 Invalid operation";
        let data = [&(text.len() as u16).to_le_bytes()[..], text].concat();
        for (code, wanted) in
            [(2, ByeCode::Banned), (1, ByeCode::Fault), (ERROR_BYE | 1, ByeCode::Full), (0x3900, ByeCode::Fault)]
        {
            let mut other = Other::new(pascal(true, pascal_config(1)));
            other.say(&autosend(operation::ERROR, code, &data));
            let text = String::from_utf8(text.to_vec()).unwrap();
            let bye = SessionEvent::Control(Control::Bye { code: wanted, text });
            assert_eq!(other.events, [bye, SessionEvent::Closed]);
            assert_eq!((other.fault, other.session.deadline()), (None, None));
        }
    }

    #[test]
    fn blocks_that_nobody_asked_for_are_passed_over_and_not_kept() {
        let mut other = Other::daemon();
        let big = autosend(operation::NEW_BLOCK, 0, &vec![7; SKIPPED_BYTES_MAX]);
        for piece in big.chunks(10_000) {
            other.say(piece);
        }
        other.say(&autosend(operation::ADD_OPERATIONS, 0, &[1; 500]));
        other.say(&response(operation::GET_BLOCKS, 0, 3, &[1; 500]));
        other.say(&autosend(0x1200, 0, &[1; 500]));
        other.say(&request(operation::GET_PENDING_OPERATIONS, 28, &[1]));
        assert_eq!(other.fault, None);
        assert_eq!(other.wait_for(operation::GET_PENDING_OPERATIONS).header.id, 28);
    }
}

mod pip_38 {
    use super::*;

    #[test]
    fn what_the_peer_answers_decides_whether_it_gets_records() {
        let feature = Feature { tls_port: 4038, node_key: Some(NodeKey([5; 32])) };
        let record = feature.write();
        let longer = [&record[..], &[1, 2, 3]].concat();
        let cases: [(u16, &[u8], Carries); 6] = [
            (0, &record, Carries::Records),
            (0, &longer, Carries::Records),
            (0, b"PIP38", Carries::Records),
            (error::UNKNOWN_RESERVED, b"", Carries::Nothing),
            (error::UNKNOWN_RESERVED, &record, Carries::Nothing),
            (0, b"something else", Carries::Nothing),
        ];
        for (error, data, wanted) in cases {
            let mut other = Other::unknown(pascal_config(1));
            let id = other.wait_for(operation::RECORDS).header.id;
            assert_eq!(other.carries(), None);
            // An answer to another question says nothing.
            other.say(&response(operation::RECORDS, error, id + 1, data));
            assert_eq!(other.carries(), None);
            other.say(&response(operation::RECORDS, error, id, data));
            assert_eq!(other.carries(), Some(wanted), "{error} {data:?}");
            let spoken = other.events.iter().filter(|event| matches!(event, SessionEvent::Control(_))).count();
            assert_eq!(spoken, 1);
            if data.len() >= record.len() && wanted == Carries::Records {
                let speaks = Control::Speaks { carries: wanted, node_key: Some(NodeKey([5; 32])), tls_port: 4038 };
                assert_eq!(other.events.last(), Some(&SessionEvent::Control(speaks)));
            }
        }
    }

    #[test]
    fn whoever_does_not_answer_in_time_gets_none() {
        let mut other = Other::unknown(pascal_config(1));
        other.run(PROBE_MS_MAX - 1);
        assert_eq!(other.carries(), None);
        other.run(1);
        assert_eq!(other.carries(), Some(Carries::Nothing));
    }

    #[test]
    fn whoever_asks_as_a_node_does_is_one_and_is_answered() {
        let feature = Feature { tls_port: 4038, node_key: Some(NodeKey([5; 32])) };
        let mut other = Other::unknown(pascal_config_of(1, feature, &Seen::new()));
        other.say(&request(operation::RECORDS, 6, &Feature::HIDDEN.write()));
        assert_eq!(other.carries(), Some(Carries::Records));
        other.run(1000);
        let said = other.said(operation::RECORDS);
        assert!(said.iter().all(|said| said.data == feature.write()));
        assert!(said.iter().any(|said| said.header.transfer == Transfer::Response && said.header.id == 6));
        assert!(said.iter().any(|said| said.header.transfer == Transfer::Request));
    }

    #[test]
    fn a_node_that_is_not_public_tells_nothing_by_which_it_could_be_known_again() {
        let mut other = Other::unknown(pascal_config(1));
        let probe = other.wait_for(operation::RECORDS);
        assert_eq!(probe.data, b"PIP38\x01\x00\x00\x00\x00\x00");
    }

    #[test]
    fn what_is_said_before_hello_waits_for_it() {
        let mut other = Other::new(pascal(true, pascal_config(1)));
        other.say(&records_frame(&[dated(1)]));
        other.say(&request(operation::RECORDS, 6, &Feature::HIDDEN.write()));
        assert!(other.events.is_empty());
        other.say(&response(operation::HELLO, 0, 1, &hello_of(7)));
        assert!(matches!(other.events[0], SessionEvent::Open(_)));
        assert_eq!(other.carries(), Some(Carries::Records));
        assert!(records(&other.events).is_empty());
    }

    #[test]
    fn one_record_frame_by_itself_makes_a_peer_of_a_daemon() {
        let mut other = Other::daemon();
        other.say(&records_frame(&[dated(1), plain(2)]));
        assert_eq!(other.carries(), Some(Carries::Records));
        assert!(matches!(other.events[0], SessionEvent::Control(_)), "what it is comes before what it sent");
        assert_eq!(records(&other.events), [(dated(1), 0), (plain(2), 0)]);
        other.send(item(&dated(3)));
        other.run(1000);
        assert_eq!(other.said(operation::RECORDS)[0].data, dated(3).bytes());
        // Still as careful with its reader, and still not a word when we hang up.
        (10..300).for_each(|number| other.send(item(&dated(number))));
        other.run(10_000);
        other.send(bye());
        assert!(other.writes.iter().all(|frames| *frames == 1));
        assert!(other.said.windows(2).all(|pair| pair[1].at_ms - pair[0].at_ms >= LITERAL_PAUSE_MS));
        assert!(other.said(operation::ERROR).is_empty());
        let sent: usize = other.said(operation::RECORDS).iter().map(|said| said.data.len()).sum();
        assert_eq!(sent, 291 * dated(3).bytes().len());
    }

    #[test]
    fn a_frame_that_is_broken_at_its_end_makes_nobody_a_peer() {
        for mut other in [Other::daemon(), Other::unknown(pascal_config(1))] {
            let whole = records_frame(&[dated(1), dated(2)]);
            let mut data = whole[HEADER_BYTES..].to_vec();
            data.pop();
            other.say(&autosend(operation::RECORDS, 0, &data));
            assert_eq!(other.fault, Some(Fault::Malformed));
            assert_ne!(other.carries(), Some(Carries::Records));
            assert!(records(&other.events).is_empty());
        }
    }

    #[test]
    fn records_go_out_in_few_frames_within_the_limits() {
        let mut other = Other::node();
        let short = Record::plain(MsgId([1; 16]), target(), b"").unwrap();
        (0..1000).for_each(|_| other.session.send(at(other.now_ms), &item(&short)));
        (0..1000).for_each(|number| other.session.send(at(other.now_ms), &item(&dated(number))));
        assert!(other.session.pending_bytes() > 1000 * 60);
        other.write();
        assert_eq!(other.session.pending_bytes(), 0);
        let said = other.said(operation::RECORDS);
        assert_eq!(other.writes.len(), 1);
        assert!(said.len() < 12, "{}", said.len());
        assert!(said.iter().all(|said| said.data.len() <= RECORDS_DATA_BYTES_SENT));
        assert!(said.iter().all(|said| said.data.len() <= RECORDS_PER_FRAME_MAX * dated(0).bytes().len()));
        let bytes: usize = said.iter().map(|said| said.data.len()).sum();
        assert_eq!(bytes, 1000 * 33 + 1000 * dated(0).bytes().len());
    }

    #[test]
    fn a_node_is_told_why_we_hang_up() {
        let mut other = Other::node();
        other.send(item(&dated(1)));
        other.send(bye());
        let error = other.said(operation::ERROR);
        assert_eq!(error[0].header.error, ERROR_BYE | u16::from(ByeCode::Full.byte()));
        assert_eq!(error[0].data, [4, 0, b'f', b'u', b'l', b'l']);
        assert_eq!(other.said(operation::RECORDS).len(), 1, "what waited went out before");
        let mut other = Other::node();
        other.say(b"junk");
        assert_eq!(other.said(operation::ERROR)[0].header.error, ERROR_BYE | u16::from(ByeCode::Fault.byte()));
    }

    #[test]
    fn expired_records_are_dropped_without_blame_and_not_sent() {
        let mut other = Other::node();
        let late = dated_until(START_S - 200, 1);
        let early = dated_until(START_S + 100_000, 2);
        other.say(&records_frame(&[late.clone(), early, dated(3)]));
        let [SessionEvent::Records(batch)] = &other.events[..] else { panic!("{:?}", other.events) };
        assert_eq!((batch.expired, batch.records.len()), (2, 1));
        other.send(item(&late));
        other.send(item(&dated(4)));
        assert_eq!(other.said(operation::RECORDS).len(), 1);
        assert_eq!(other.said(operation::RECORDS)[0].data, dated(4).bytes());
        assert_eq!(other.fault, None);
    }

    #[test]
    fn what_is_known_comes_as_a_repeat() {
        let mut seen = Seen::new();
        let mut other = Other::unknown(pascal_config_of(1, Feature::HIDDEN, &seen));
        seen.dated.insert(&dated(1).msg_id().0);
        other.say(&records_frame(&[dated(1), dated(2)]));
        let Some(SessionEvent::Records(batch)) = other.events.last() else { panic!("{:?}", other.events) };
        assert_eq!((batch.repeats.len(), batch.records.len()), (1, 1));
        assert_eq!(batch.repeats[0].msg_id, dated(1).msg_id());
    }

    #[test]
    fn a_frame_may_have_256_records_and_64_kib_and_no_more() {
        let empty = Record::plain(MsgId([1; 16]), target(), b"").unwrap();
        let full = Record::plain(MsgId([1; 16]), target(), &[1; 255]).unwrap();
        let mut other = Other::node();
        other.say(&records_frame(&vec![empty.clone(); RECORDS_PER_FRAME_MAX]));
        other.say(&records_frame(&vec![full.clone(); DATA_BYTES_MAX / full.bytes().len()]));
        assert_eq!(other.fault, None);
        other.say(&records_frame(&vec![empty; RECORDS_PER_FRAME_MAX + 1]));
        assert_eq!(other.fault, Some(Fault::Oversize));
        let mut other = Other::node();
        // Judged by its header, before its data is there.
        let big = autosend(operation::RECORDS, 0, &vec![0; DATA_BYTES_MAX + 1]);
        other.say(&big[..HEADER_BYTES]);
        assert_eq!(other.fault, Some(Fault::Oversize));
        let mut other = Other::node();
        other.say(&autosend(operation::RECORDS, 0, &[]));
        assert_eq!(other.fault, Some(Fault::Malformed));
    }
}

mod a_peer_that_breaks_the_rules {
    use super::*;

    #[test]
    fn is_found_out_by_its_header() {
        let whole = |transfer: u8, operation: u16, length: u32| {
            let mut bytes = request(operation, 1, &[]);
            bytes[4] = transfer;
            bytes[18..22].copy_from_slice(&length.to_le_bytes());
            bytes
        };
        let mut wrong_network = request(operation::HELLO, 1, &[]);
        wrong_network[..4].copy_from_slice(&[5, 0, 0, 5]);
        let limit = DATA_BYTES_MAX as u32;
        let cases = [
            (wrong_network, Fault::WrongNetwork),
            (vec![0x80, 0x36], Fault::Framing),
            (whole(0, 1, 0), Fault::Framing),
            (whole(4, 1, 0), Fault::Framing),
            (whole(1, 0x40, 0), Fault::WrongVersion),
            (whole(3, 0x2000, 0), Fault::WrongVersion),
            (whole(3, operation::HELLO, 0), Fault::OutOfTurn),
            (whole(1, operation::MESSAGE, 0), Fault::OutOfTurn),
            (whole(1, operation::ERROR, 0), Fault::OutOfTurn),
            (whole(1, operation::NEW_BLOCK, 0), Fault::OutOfTurn),
            (whole(1, operation::HELLO, limit + 1), Fault::Oversize),
            (whole(1, operation::GET_ACCOUNT, limit + 1), Fault::Oversize),
            (whole(3, operation::MESSAGE, limit + 1), Fault::Oversize),
            (whole(3, operation::NEW_BLOCK, SKIPPED_BYTES_MAX as u32 + 1), Fault::Oversize),
            (whole(2, operation::GET_ACCOUNT, u32::MAX), Fault::Oversize),
            (request(operation::HELLO, 1, &[1, 2, 3]), Fault::Malformed),
        ];
        for (bytes, wanted) in cases {
            let mut other = Other::daemon();
            other.say(&bytes);
            assert_eq!(other.fault, Some(wanted), "{bytes:02x?}");
        }
    }

    #[test]
    fn an_answer_may_be_as_long_as_its_question_and_no_longer() {
        for (count, fault) in [(1000, None), (1, Some(Fault::Oversize))] {
            let mut other = Other::daemon();
            other.send(ask(1, 5, count));
            let id = other.wait_for(operation::GET_ACCOUNT).header.id;
            other.say(&response(operation::GET_ACCOUNT, 0, id, &vec![0; 8 + 900 * 640]));
            assert_eq!(other.fault, fault);
            if fault.is_none() {
                assert_eq!(other.answers(), [(1, Err(NoAnswer::Broken))]);
            }
        }
    }

    #[test]
    fn and_is_this_node_itself_is_found_out() {
        let mut other = Other::dialled_us();
        other.say(&request(operation::HELLO, 1, &hello_of(1)));
        assert_eq!(other.fault, Some(Fault::Myself));
        assert!(other.events.is_empty());
    }

    #[test]
    fn has_ten_seconds_for_hello_and_twenty_for_a_frame() {
        let mut other = Other::new(pascal(true, pascal_config(1)));
        other.run(9_999);
        assert_eq!(other.fault, None);
        other.run(1);
        assert_eq!(other.fault, Some(Fault::TimedOut));

        let mut other = Other::daemon();
        let bytes = request(operation::HELLO, 1, &hello_of(77));
        for byte in &bytes[..19] {
            other.say(&[*byte]);
            other.run(1000);
        }
        assert_eq!(other.fault, None);
        other.run(1000);
        assert_eq!(other.fault, Some(Fault::TimedOut));

        // As long as a frame to be passed over.
        let mut other = Other::daemon();
        let bytes = autosend(operation::NEW_BLOCK, 0, &[0; 100]);
        other.say(&bytes[..50]);
        other.run(20_000);
        assert_eq!(other.fault, Some(Fault::TimedOut));
    }

    #[test]
    fn may_ask_and_talk_so_often_and_no_more() {
        let pending = request(operation::GET_PENDING_OPERATIONS, 1, &[1]);
        let block = autosend(operation::NEW_BLOCK, 0, &[]);
        let hello = request(operation::HELLO, 1, &hello_of(77));
        let text = autosend(operation::MESSAGE, 0, &[1, 0, 0]);
        let cases = [
            (&pending, CONTROLS_PER_MINUTE_MAX),
            (&block, CONTROLS_PER_MINUTE_MAX),
            (&hello, HELLOS_PER_MINUTE_MAX),
            (&text, MESSAGES_PER_MINUTE_MAX),
        ];
        for (bytes, limit) in cases {
            let mut other = Other::daemon();
            other.run(MINUTE_MS);
            for _ in 0..limit {
                other.say(bytes);
            }
            assert_eq!(other.fault, None);
            assert!(other.session.pending_bytes() < 64 * 1024);
            other.run(MINUTE_MS);
            for _ in 0..limit {
                other.say(bytes);
            }
            assert_eq!(other.fault, None);
            other.say(bytes);
            assert_eq!(other.fault, Some(Fault::TooMany));
        }
    }

    #[test]
    fn a_text_that_is_not_for_us_is_nobodys_fault() {
        let mut other = Other::daemon();
        other.say(&autosend(operation::MESSAGE, 0, &[3, 0, 1, 2, 3]));
        other.say(&autosend(operation::MESSAGE, 0, &[]));
        assert!(other.events.is_empty() && other.fault.is_none());
    }

    #[test]
    fn limits_can_be_set() {
        let limits = PascalLimits { handshake_ms_max: 5, ..PascalLimits::default() };
        let mut other = Other::new(pascal(true, pascal_config(1).with_limits(limits)));
        other.run(5);
        assert_eq!(other.fault, Some(Fault::TimedOut));
    }
}

#[test]
fn two_sessions_find_each_other_out_whichever_asks_first() {
    let feature = Feature { tls_port: 4038, node_key: Some(NodeKey([5; 32])) };
    let mut left = pascal(true, pascal_config_of(1, feature, &Seen::new()));
    let mut right = pascal(false, pascal_config(2));
    let mut events = (Vec::new(), Vec::new());
    for ms in 0..2000 {
        for session in [&mut left, &mut right] {
            session.tick(at(ms)).unwrap();
        }
        let ran = run(at(ms), &mut left, &mut right, usize::MAX);
        assert_eq!((ran.left_fault, ran.right_fault), (None, None));
        for (session, (all, some)) in
            [&mut left, &mut right].into_iter().zip([(&mut events.0, ran.left), (&mut events.1, ran.right)])
        {
            all.extend(some);
            all.extend(std::iter::from_fn(|| session.poll()));
        }
    }
    let speaks = |node_key, tls_port| Control::Speaks { carries: Carries::Records, node_key, tls_port };
    let [SessionEvent::Open(_), SessionEvent::Control(told)] = &events.0[..] else { panic!("{events:?}") };
    assert_eq!(told, &speaks(None, 0));
    let [SessionEvent::Open(_), SessionEvent::Control(told)] = &events.1[..] else { panic!("{events:?}") };
    assert_eq!(told, &speaks(Some(NodeKey([5; 32])), 4038));
}

#[test]
fn debug_shows_no_secret() {
    let config = pascal_config(0x5a);
    let shown = format!("{config:?} {:?}", pascal(true, pascal_config(0x5a)));
    assert!(!shown.contains("90, 90") && !shown.to_lowercase().contains("5a5a"), "{shown}");
}
