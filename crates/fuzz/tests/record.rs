//! No bytes make the parser of records panic or read beyond them; what it reads is written as it came.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail loudly")]

use nightjar_core::record::{
    BODY_BYTES_MAX, HEADER_BYTES, RECORD_BYTES_MAX, Record, RecordRef, TRAILER_BYTES, Target, Truncated, WorkSearch,
};
use nightjar_core::time::Wall;

#[test]
fn records_in_a_row() {
    bolero::check!().for_each(|bytes: &[u8]| {
        let mut rest = bytes;
        loop {
            match Record::parse(rest) {
                Ok((record, used)) => {
                    assert!((HEADER_BYTES..=RECORD_BYTES_MAX).contains(&used));
                    look_at(&record, &rest[..used]);
                    rest = &rest[used..];
                }
                Err(Truncated { have, want }) => {
                    assert!(have == rest.len() && want > have && want <= RECORD_BYTES_MAX);
                    break;
                }
            }
        }
    });
}

/// Random bytes are never dated: here the id is made right, and then one byte wrong.
#[test]
fn dated_record() {
    bolero::check!().with_type::<(Vec<u8>, u32, u8, u8, u64, u16)>().for_each(
        |(body, expiry, coding, bits, nonce, at)| {
            let made = Record::dated_with_claim(Target([9; 16]), body, *expiry, *coding, nonce.to_le_bytes(), *bits);
            let fits = body.len() <= BODY_BYTES_MAX && *coding <= 7 && *bits <= 31;
            assert_eq!(made.is_ok(), fits);
            let Ok(made) = made else { return };
            look_at(&made, made.bytes());
            assert_eq!(Record::parse(made.bytes()).unwrap().0, made);
            assert_eq!(made.body(), body);
            let mut bytes = made.bytes().to_vec();
            let at = usize::from(*at) % bytes.len();
            bytes[at] ^= 0x55;
            if let Ok((broken, _)) = Record::parse(&bytes) {
                assert_eq!(broken.stamp(), None);
            }
        },
    );
}

#[test]
fn work() {
    bolero::check!().with_type::<(Vec<u8>, u8, u64)>().for_each(|(body, bits, start)| {
        let bits = bits % 6;
        let Ok(mut search) = WorkSearch::new(Target([9; 16]), body, 1_800_000_000, 0, bits, *start) else { return };
        if let Some(found) = search.search(2_000) {
            assert_eq!(found.work_bits(), bits);
            assert_eq!(found.body(), body);
        }
    });
}

fn look_at(record: &Record, bytes: &[u8]) {
    assert_eq!(record.bytes(), bytes);
    let (view, used) = RecordRef::parse(bytes).unwrap();
    assert_eq!(used, bytes.len());
    assert_eq!((view.msg_id(), view.target(), view.payload()), (record.msg_id(), record.target(), record.payload()));
    assert_eq!(record.stamp(), view.trailer().filter(|_| view.id_matches()));
    let trailer = if record.stamp().is_some() { TRAILER_BYTES } else { 0 };
    assert_eq!(record.body().len() + trailer, record.payload().len());
    assert!(record.work_bits() <= 31);
    if let Some(stamp) = record.stamp() {
        for now in [0, 1_800_000_000_000, u64::MAX] {
            stamp.expiry_at(Wall(now));
        }
    }
}
