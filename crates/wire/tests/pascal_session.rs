//! A PascalCoin session with peers that take records, and with some that break the rules: nothing but broken bytes and
//! floods of questions is held against them.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs, reason = "a test may fail loudly")]

mod common;

use common::other::*;
use common::*;
use nightjar_core::chain::Network;
use nightjar_core::fault::Fault;
use nightjar_core::item::{ByeCode, Control, NoAnswer};
use nightjar_core::link::{Carries, NodeKey};
use nightjar_core::record::{MsgId, Record};
use nightjar_wire::pascal::frame::{
    DATA_BYTES_MAX, HEADER_BYTES, RECORDS_DATA_BYTES_SENT, RECORDS_PER_FRAME_MAX, SKIPPED_BYTES_MAX, Transfer, error,
    operation,
};
use nightjar_wire::pascal::{
    CONTROLS_PER_MINUTE_MAX, ERROR_BYE, Feature, HELLOS_PER_MINUTE_MAX, LITERAL_PAUSE_MS, MESSAGE_BYTES_PER_MINUTE_MAX,
    MESSAGES_PER_MINUTE_MAX, PROBE_MS_MAX, PascalConfig, PascalLimits,
};
use nightjar_wire::session::{Session, SessionEvent};

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
        other.say(&pascal_records(&[dated(1)]));
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
        other.say(&pascal_records(&[dated(1), plain(2)]));
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
            let whole = pascal_records(&[dated(1), dated(2)]);
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
        other.say(&pascal_records(&[late.clone(), early, dated(3)]));
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
        other.say(&pascal_records(&[dated(1), dated(2)]));
        let Some(SessionEvent::Records(batch)) = other.events.last() else { panic!("{:?}", other.events) };
        assert_eq!((batch.repeats.len(), batch.records.len()), (1, 1));
        assert_eq!(batch.repeats[0].msg_id, dated(1).msg_id());
    }

    #[test]
    fn a_frame_may_have_256_records_and_64_kib_and_no_more() {
        let empty = Record::plain(MsgId([1; 16]), target(), b"").unwrap();
        let full = Record::plain(MsgId([1; 16]), target(), &[1; 255]).unwrap();
        let mut other = Other::node();
        other.say(&pascal_records(&vec![empty.clone(); RECORDS_PER_FRAME_MAX]));
        other.say(&pascal_records(&vec![full.clone(); DATA_BYTES_MAX / full.bytes().len()]));
        assert_eq!(other.fault, None);
        other.say(&pascal_records(&vec![empty; RECORDS_PER_FRAME_MAX + 1]));
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
        let long_text = autosend(operation::MESSAGE, 0, &vec![0; MESSAGE_BYTES_PER_MINUTE_MAX as usize / 2]);
        let cases = [
            (&pending, CONTROLS_PER_MINUTE_MAX),
            (&block, CONTROLS_PER_MINUTE_MAX),
            (&hello, HELLOS_PER_MINUTE_MAX),
            (&text, MESSAGES_PER_MINUTE_MAX),
            (&long_text, 2),
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
fn the_test_network_has_its_own_magic_and_no_one_gets_across() {
    let seen = Seen::new();
    let config = || PascalConfig::new(Network::Test, pascal_key(1), Feature::HIDDEN, "test", seen.view());
    let (mut left, mut right) = (pascal(true, config()), pascal(false, pascal_config(2)));
    let ran = run(at(0), &mut left, &mut right, usize::MAX);
    assert_eq!(ran.right_fault, Some(Fault::WrongNetwork));
    let other = PascalConfig::new(Network::Test, pascal_key(2), Feature::HIDDEN, "test", seen.view());
    let (mut left, mut right) = (pascal(true, config()), pascal(false, other));
    let ran = run(at(0), &mut left, &mut right, usize::MAX);
    assert!(matches!(ran.left[..], [SessionEvent::Open(_)]), "{ran:?}");
}

#[test]
fn debug_shows_no_secret() {
    let config = pascal_config(0x5a);
    let shown = format!("{config:?} {:?}", pascal(true, pascal_config(0x5a)));
    assert!(!shown.contains("90, 90") && !shown.to_lowercase().contains("5a5a"), "{shown}");
}
