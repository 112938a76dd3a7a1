//! No bytes make the reader of account records panic or keep more than they hold, and what it reads is within the
//! protocol's limits.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail loudly")]

use nightjar_core::chain::AccountStatus;
use nightjar_wire::pascal::accounts::{ACCOUNT_BYTES_MAX, Range, parse_answer};

#[test]
fn account_records() {
    bolero::check!().for_each(|bytes: &[u8]| {
        read(bytes);
        // One record, so that what is behind the count is reached.
        read(&[&[1, 0, 0, 0, 1, 0, 0, 0, 5, 0], bytes].concat());
    });
}

/// A whole record with parts of any length and content.
#[test]
fn whole_account_record() {
    bolero::check!().with_type::<(u8, u8, [u8; 4], Vec<u8>)>().for_each(|(protocol, kind, lengths, bytes)| {
        let part = |length: u8| {
            let mut part = vec![length, 0];
            part.extend(bytes.iter().chain([&7]).cycle().take(length.into()));
            part
        };
        let key = [&[0xca, 2][..], &part(lengths[0] % 101), &part(lengths[1] % 101)].concat();
        let mut info = Vec::new();
        match kind % 4 {
            0 => info.extend(&key),
            tag => {
                info.extend((999 + u16::from(tag)).to_le_bytes());
                info.extend(&key);
                info.extend([9; 16]);
                info.extend(if kind & 4 == 0 { key.clone() } else { vec![0; 6] });
                if tag > 1 {
                    info.extend(part(lengths[2] % 35));
                }
            }
        }
        let protocol = 3 + u16::from(protocol % 5);
        let mut answer = vec![1, 0, 0, 0, 1, 0, 0, 0];
        answer.extend(protocol.to_le_bytes());
        answer.extend([5, 0, 0, 0]);
        answer.extend(u16::try_from(info.len()).unwrap().to_le_bytes());
        answer.extend(info);
        answer.extend(vec![1; if protocol >= 5 { 20 } else { 16 }]);
        answer.extend(part(lengths[3] % 67));
        answer.extend([0, 0]);
        if protocol >= 5 {
            answer.extend(part(lengths[2] % 35));
            answer.extend(part(19 + lengths[3] % 2));
        }
        read(&answer);
    });
}

fn read(bytes: &[u8]) {
    let Ok(answer) = parse_answer(bytes) else { return };
    assert!(bytes.len() - 8 <= answer.accounts.len() * ACCOUNT_BYTES_MAX);
    for account in &answer.accounts {
        assert!(account.name.len() <= 64 && account.data.len() <= 32 && account.key.len() <= 204);
        assert!(matches!(account.seal.len(), 0 | 20));
        if let AccountStatus::Listed(listing) = &account.status {
            assert!(listing.new_key.len() <= 204 && listing.hashed_secret.len() <= 32);
        }
    }
    if let Ok(answer) = Range::new(0, 1000).unwrap().parse_answer(bytes) {
        assert!(answer.accounts.iter().all(|account| account.number < 1000));
    }
}
