//! A PascalCoin session with somebody who plays an unmodified daemon: it may get no record, and no reason to ban us.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs, reason = "a test may fail loudly")]

mod common;

use common::other::*;
use common::*;
use nightjar_core::fault::Fault;
use nightjar_core::item::{ByeCode, Control, NoAnswer};
use nightjar_core::link::Carries;
use nightjar_pasc::ecies;
use nightjar_wire::pascal::frame::{SKIPPED_BYTES_MAX, Transfer, error, operation};
use nightjar_wire::pascal::hello::Hello;
use nightjar_wire::pascal::{
    CAREFUL_PAUSE_MS, ERROR_BYE, QUESTION_MS_MAX, QUESTIONS_WAITING_MAX, WALLET_TEXT_BYTES_MAX,
    WALLET_TEXTS_WAITING_MAX,
};
use nightjar_wire::session::{Session, SessionEvent};

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
fn the_nodes_that_it_knows_are_told_from_every_hello() {
    // Address, port 4004 and last contact go behind the count, which stands before version, work and hash rate.
    let mut hello = hello_of(77);
    let rest = hello.split_off(hello.len() - (2 + 10) - 8 - 2);
    hello.truncate(hello.len() - 4);
    hello.extend([1, 0, 0, 0, 12, 0]);
    hello.extend(b"203.0.113.10");
    hello.extend(4004u16.to_le_bytes());
    hello.extend((START_S - 5).to_le_bytes());
    hello.extend(rest);
    let told = SessionEvent::Control(Control::Peers(vec!["pascal://203.0.113.10:4004".parse().unwrap()]));
    for (outbound, bytes) in
        [(true, response(operation::HELLO, 0, 1, &hello)), (false, request(operation::HELLO, 1, &hello))]
    {
        let mut other = Other::new(pascal(outbound, pascal_config(1)));
        other.say(&bytes);
        other.run(0);
        assert!(matches!(other.events[0], SessionEvent::Open(_)));
        assert_eq!(other.events[1..], *std::slice::from_ref(&told));
        other.forget();
        other.say(&request(operation::HELLO, 2, &hello));
        assert_eq!(other.events, *std::slice::from_ref(&told));
    }
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
