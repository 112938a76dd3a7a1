//! The table of seen ids by itself.

use std::hint::black_box;
use std::time::Instant;

use nightjar_core::seen::{DATED_KEPT_MS, SeenTable};

use crate::measure::{Failed, print};

/// Above this share of its places a table begins to forget too early.
const LOAD: f64 = 0.7;
const LOOKUPS: u64 = 8_000_000;

pub(crate) fn run(mib: usize) -> Result<(), Failed> {
    let mut table = SeenTable::new(mib << 20, DATED_KEPT_MS, [0x5e; 16]);
    let ids = (table.capacity() as f64 * LOAD) as u64;
    let began = Instant::now();
    (0..ids).for_each(|number| {
        table.insert(&id(number));
    });
    let inserts_per_s = ids as f64 / began.elapsed().as_secs_f64();
    let evicted = table.evicted();
    let began = Instant::now();
    // Every second one is there.
    let found = (0..LOOKUPS).filter(|number| black_box(table.contains(&id(scatter(*number, ids))))).count();
    let lookups_per_s = LOOKUPS as f64 / began.elapsed().as_secs_f64();
    (ids..3 * ids).for_each(|number| {
        table.insert(&id(number));
    });
    print(
        "ids",
        &[
            ("ids", ids as f64),
            ("bytes_per_id", table.bytes() as f64 / ids as f64),
            ("bytes_max", table.bytes() as f64),
            ("inserts_per_s", inserts_per_s),
            ("lookups_per_s", lookups_per_s),
            ("found_share", found as f64 / LOOKUPS as f64),
            ("evicted_at_this_load", evicted as f64),
            ("evicted_at_three_times_the_load", table.evicted() as f64),
        ],
    );
    Ok(())
}

/// Numbers all over the ids, half of them beyond.
const fn scatter(number: u64, ids: u64) -> u64 {
    number.wrapping_mul(0x9e37_79b9_7f4a_7c15) % (2 * ids)
}

fn id(number: u64) -> [u8; 16] {
    let mut id = [0; 16];
    id.first_chunk_mut::<8>().expect("16 bytes are more than 8").copy_from_slice(&number.to_le_bytes());
    id
}
