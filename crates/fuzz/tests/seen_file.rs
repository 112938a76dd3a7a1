//! No bytes behind a right header and checksum make the reader of seen ids panic, or give an id that no table has.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail loudly")]

use std::io::Cursor;

use nightjar_core::seen::{DATED_EPOCH_MS, EPOCHS_KEPT};
use nightjar_core::time::Wall;
use nightjar_node::seen_file::read;
use sha2::{Digest as _, Sha256};

const TABLE_BYTES: usize = 1 << 16;
const LINES: u32 = (TABLE_BYTES / 64) as u32;

#[test]
fn seen_file() {
    bolero::check!().for_each(|bytes: &[u8]| {
        // The checksum is of all but itself: random bytes do not have it.
        assert!(read(Cursor::new(bytes), TABLE_BYTES, Wall(0)).is_err());
    });
}

#[test]
fn body_of_a_seen_file() {
    bolero::check!().with_type::<(u64, u64, Vec<u8>)>().for_each(|(saved, now, body)| {
        let mut file = b"NJSEEN1\n".to_vec();
        file.extend([7; 16]);
        file.extend(LINES.to_le_bytes());
        file.extend(DATED_EPOCH_MS.to_le_bytes());
        file.extend(saved.to_le_bytes());
        file.extend(body);
        file.extend(Sha256::digest(&file));
        // Any time of the day, and one that is near.
        for now in [*now, saved.saturating_add(now % (DATED_EPOCH_MS * u64::from(EPOCHS_KEPT)))] {
            let Ok(loaded) = read(Cursor::new(&file), TABLE_BYTES, Wall(now)) else { continue };
            let mut line = 0;
            for (count, entry) in loaded.entries.enumerate() {
                assert!(entry.line < LINES && entry.line >= line && entry.age_epochs <= EPOCHS_KEPT);
                assert!(entry.fingerprint & 0xff == 0 && count < body.len());
                line = entry.line;
            }
        }
    });
}
