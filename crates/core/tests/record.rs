//! What a record promises: it is whole, its date is its own, and no bytes upset the parser.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs, reason = "a test may fail loudly")]

use nightjar_core::record::{
    BODY_BYTES_MAX, Dated, EXPIRY_AHEAD_S_MAX, EXPIRY_PAST_S_MAX, Expiry, HEADER_BYTES, MakeError, MsgId,
    NotSixteenBytes, PAYLOAD_BYTES_MAX, RECORD_BYTES_MAX, Record, RecordRef, TRAILER_BYTES, Target, Truncated,
    WORK_BITS_MAX, WORKED_BITS, WorkSearch,
};
use nightjar_core::time::Wall;
use proptest::collection::vec;
use proptest::prelude::*;

const TARGET: Target = Target([7; 16]);
const NOON: u32 = 1_800_000_000;

#[test]
fn a_record_is_33_bytes_and_its_payload() {
    assert_eq!((HEADER_BYTES, RECORD_BYTES_MAX), (33, 288));
    for len in [0, 1, 254, 255] {
        let record = Record::plain(MsgId([1; 16]), TARGET, &vec![9; len]).unwrap();
        assert_eq!(record.bytes().len(), 33 + len);
        assert_eq!(record.bytes()[32], u8::try_from(len).unwrap());
        assert_eq!(record.body(), record.payload());
    }
}

#[test]
fn a_cut_off_record_says_how_much_is_missing() {
    let whole = Record::plain(MsgId([1; 16]), TARGET, b"hello").unwrap();
    for have in 0..whole.bytes().len() {
        let want = if have < HEADER_BYTES { HEADER_BYTES } else { 38 };
        assert_eq!(Record::parse(&whole.bytes()[..have]), Err(Truncated { have, want }));
    }
    let text = Truncated { have: 3, want: 33 }.to_string();
    assert_eq!(text, "the record is cut off: 3 bytes are here, it has 33");
}

#[test]
fn bytes_behind_a_record_are_left_for_the_next() {
    let first = Record::plain(MsgId([1; 16]), TARGET, b"first").unwrap();
    let second = dated(b"second");
    let mut bytes = first.bytes().to_vec();
    bytes.extend(second.bytes());
    bytes.extend([0; 12]);
    let (read, used) = Record::parse(&bytes).unwrap();
    assert_eq!((&read, used), (&first, first.bytes().len()));
    let (read, used) = Record::parse(&bytes[used..]).unwrap();
    assert_eq!((&read, used), (&second, second.bytes().len()));
}

#[test]
fn what_does_not_fit_is_refused_with_the_limit() {
    let long = [0; PAYLOAD_BYTES_MAX + 1];
    assert!(Record::plain(MsgId([1; 16]), TARGET, &long[1..]).is_ok());
    assert_eq!(Record::plain(MsgId([1; 16]), TARGET, &long), Err(MakeError::TooLong { have: 256, limit: 255 }));
    assert_eq!(BODY_BYTES_MAX, 239);
    assert!(Record::dated(TARGET, &long[..BODY_BYTES_MAX], NOON, 0, [0; 8]).is_ok());
    let error = Record::dated(TARGET, &long[..=BODY_BYTES_MAX], NOON, 0, [0; 8]).unwrap_err();
    assert_eq!(error, MakeError::TooLong { have: 240, limit: 239 });
    assert_eq!(error.to_string(), "240 bytes do not fit into one record: the most is 239");
    assert_eq!(Record::dated(TARGET, b"", NOON, 8, [0; 8]), Err(MakeError::Coding(8)));
    assert_eq!(Record::dated_with_claim(TARGET, b"", NOON, 0, [0; 8], 32), Err(MakeError::Work(32)));
    assert!(WorkSearch::new(TARGET, &long, NOON, 0, 20, 0).is_err());
    assert!(WorkSearch::new(TARGET, b"", NOON, 0, 32, 0).is_err());
}

#[test]
fn the_end_of_a_trailer_under_a_foreign_id_is_part_of_a_plain_payload() {
    let true_one = dated(b"hello");
    let forged = Record::plain(MsgId([1; 16]), TARGET, true_one.payload()).unwrap();
    assert_eq!(forged.stamp(), None);
    assert_eq!(forged.body(), true_one.payload());
    assert_eq!(forged.work_bits(), 0);
    let view = RecordRef::parse(forged.bytes()).unwrap().0;
    assert!(view.trailer().is_some() && !view.id_matches());
}

#[test]
fn a_changed_byte_anywhere_makes_a_dated_record_plain() {
    let record = dated(b"hello");
    for at in (0..record.bytes().len()).filter(|at| *at != HEADER_BYTES - 1) {
        let mut bytes = record.bytes().to_vec();
        bytes[at] ^= 1;
        assert_eq!(Record::parse(&bytes).unwrap().0.stamp(), None, "byte {at}");
    }
}

#[test]
fn a_plain_record_under_the_right_id_is_the_dated_one() {
    let record = dated(b"hello");
    let again = Record::plain(record.msg_id(), TARGET, record.payload()).unwrap();
    assert_eq!(again, record);
    assert!(again.stamp().is_some());
}

#[test]
fn unknown_codings_and_flags_are_carried_as_they_are() {
    for coding in 0..=7 {
        let record = Record::dated(TARGET, b"body", NOON, coding, [3; 8]).unwrap();
        let read = Record::parse(record.bytes()).unwrap().0;
        assert_eq!(read.stamp(), Some(Dated { expiry: NOON, claimed_bits: 0, coding, reserved: 0 }));
        assert_eq!((read.body(), read.bytes()), (&b"body"[..], record.bytes()));
    }
}

#[test]
fn a_record_may_be_flooded_from_a_minute_past_its_expiry_to_61_minutes_before() {
    assert_eq!((EXPIRY_PAST_S_MAX, EXPIRY_AHEAD_S_MAX), (60, 3_660));
    let now = Wall::from_unix_s(NOON);
    let at = |expiry| Dated { expiry, claimed_bits: 0, coding: 0, reserved: 0 }.expiry_at(now);
    assert_eq!(at(NOON - 61), Expiry::Past(61));
    assert_eq!(at(NOON - 60), Expiry::Alive);
    assert_eq!(at(NOON), Expiry::Alive);
    assert_eq!(at(NOON + 3_660), Expiry::Alive);
    assert_eq!(at(NOON + 3_661), Expiry::TooFarAhead(1));
    assert_eq!(at(0), Expiry::Past(NOON));
    assert_eq!(at(u32::MAX), Expiry::TooFarAhead(u32::MAX - NOON - 3_660));
}

#[test]
fn expiry_counts_whole_seconds() {
    let stamp = Dated { expiry: NOON, claimed_bits: 0, coding: 0, reserved: 0 };
    assert_eq!(stamp.expiry_at(Wall(u64::from(NOON + 60) * 1000 + 999)), Expiry::Alive);
    assert_eq!(stamp.expiry_at(Wall(u64::from(NOON + 61) * 1000)), Expiry::Past(61));
}

#[test]
fn no_clock_is_too_early_or_too_late_for_an_expiry() {
    let at = |expiry, now| Dated { expiry, claimed_bits: 0, coding: 0, reserved: 0 }.expiry_at(now);
    assert_eq!(at(0, Wall(0)), Expiry::Alive);
    assert_eq!(at(3_661, Wall(0)), Expiry::TooFarAhead(1));
    assert_eq!(at(u32::MAX, Wall(u64::MAX)), Expiry::Alive);
    assert_eq!(at(0, Wall(u64::MAX)), Expiry::Past(u32::MAX));
}

#[test]
fn a_claim_of_work_counts_only_when_it_is_met() {
    let cheap = worked(8);
    assert_eq!(cheap.work_bits(), 8);
    let boast = Record::dated_with_claim(TARGET, b"work", NOON, 0, [0; 8], WORK_BITS_MAX).unwrap();
    assert_eq!((boast.work_bits(), boast.stamp().unwrap().claimed_bits), (0, 31));
    let modest = Record::dated(TARGET, b"work", NOON, 0, [0; 8]).unwrap();
    assert_eq!(modest.work_bits(), 0);
}

#[test]
fn a_search_for_work_finds_what_it_was_asked_for_and_goes_on_where_it_stopped() {
    let record = worked(WORKED_BITS);
    assert_eq!(record.work_bits(), WORKED_BITS);
    assert_eq!(record.body(), b"work");
    assert_eq!(record.stamp(), Some(Dated { expiry: NOON, claimed_bits: WORKED_BITS, coding: 1, reserved: 0 }));
    assert_eq!(Record::parse(record.bytes()).unwrap().0, record);

    let mut search = WorkSearch::new(TARGET, b"work", NOON, 1, 10, u64::MAX).unwrap();
    let mut in_slices = None;
    while in_slices.is_none() {
        in_slices = search.search(1);
    }
    let mut at_once = WorkSearch::new(TARGET, b"work", NOON, 1, 10, u64::MAX).unwrap();
    assert_eq!(in_slices, at_once.search(u64::MAX));
}

#[test]
fn a_search_without_tries_finds_nothing() {
    assert_eq!(WorkSearch::new(TARGET, b"", NOON, 0, 0, 0).unwrap().search(0), None);
}

#[test]
fn ids_and_targets_are_written_and_read_as_32_digits() {
    let id = MsgId([0xab; 16]);
    assert_eq!(id.to_string(), "ab".repeat(16));
    assert_eq!("AB".repeat(16).parse(), Ok(id));
    for text in ["", "ab", &"ab".repeat(17), &"g".repeat(32), &"+a".repeat(16), &"\u{e9}".repeat(16)] {
        let error = text.parse::<Target>().unwrap_err().to_string();
        assert!(error.starts_with("not 16 bytes in hex"), "{error}");
    }
    assert_eq!("ab".parse::<MsgId>(), Err(NotSixteenBytes::Length(2)));
    assert_eq!("#chat".parse::<Target>().unwrap_err().to_string(), "not 16 bytes in hex: '#' is none of 0-9 a-f");
}

#[test]
fn a_record_in_a_log_says_nothing_of_what_was_said_to_whom() {
    let shown = format!("{:?}", Record::dated(Target([0xee; 16]), b"secret", NOON, 0, [0; 8]).unwrap());
    assert!(!shown.contains("eeee") && !shown.contains("secret") && !shown.contains("115, 101"), "{shown}");
}

proptest! {
    #[test]
    fn no_bytes_panic_the_parser(bytes in vec(any::<u8>(), 0..600)) {
        match Record::parse(&bytes) {
            Ok((record, used)) => {
                prop_assert_eq!(record.bytes(), &bytes[..used]);
                prop_assert!(record.body().len() <= record.payload().len());
                record.work_bits();
            }
            Err(Truncated { have, want }) => {
                prop_assert_eq!(have, bytes.len());
                prop_assert!(want > have && want <= RECORD_BYTES_MAX);
            }
        }
    }

    #[test]
    fn a_plain_record_comes_back_as_it_was_made(
        id in any::<[u8; 16]>(), target in any::<[u8; 16]>(), payload in vec(any::<u8>(), 0..=255), behind in vec(any::<u8>(), 0..40),
    ) {
        let made = Record::plain(MsgId(id), Target(target), &payload).unwrap();
        let mut bytes = made.bytes().to_vec();
        bytes.extend(behind);
        let (read, used) = Record::parse(&bytes).unwrap();
        prop_assert_eq!(&read, &made);
        prop_assert_eq!(used, 33 + payload.len());
        prop_assert_eq!((read.msg_id(), read.target(), read.payload()), (MsgId(id), Target(target), &payload[..]));
        prop_assert_eq!(read.stamp(), None);
    }

    #[test]
    fn a_dated_record_comes_back_as_it_was_made(
        target in any::<[u8; 16]>(), body in vec(any::<u8>(), 0..=BODY_BYTES_MAX), expiry in any::<u32>(),
        coding in 0..=7u8, claimed_bits in 0..=31u8, nonce in any::<[u8; 8]>(),
    ) {
        let made = Record::dated_with_claim(Target(target), &body, expiry, coding, nonce, claimed_bits).unwrap();
        let (read, used) = Record::parse(made.bytes()).unwrap();
        prop_assert_eq!(&read, &made);
        prop_assert_eq!(used, 33 + body.len() + TRAILER_BYTES);
        prop_assert_eq!(read.stamp(), Some(Dated { expiry, claimed_bits, coding, reserved: 0 }));
        prop_assert_eq!(read.body(), &body[..]);
        prop_assert!([0, claimed_bits].contains(&read.work_bits()));
    }

    #[test]
    fn the_nonce_alone_makes_another_id(body in vec(any::<u8>(), 0..=BODY_BYTES_MAX), one in any::<[u8; 8]>(), other in any::<[u8; 8]>()) {
        prop_assume!(one != other);
        let made = |nonce| Record::dated(TARGET, &body, NOON, 0, nonce).unwrap().msg_id();
        prop_assert_ne!(made(one), made(other));
    }
}

fn dated(body: &[u8]) -> Record {
    Record::dated(TARGET, body, NOON, 0, [5; 8]).unwrap()
}

fn worked(bits: u8) -> Record {
    WorkSearch::new(TARGET, b"work", NOON, 1, bits, 0).unwrap().search(u64::MAX).unwrap()
}
