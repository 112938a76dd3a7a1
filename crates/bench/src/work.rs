//! The search for a proof of work: tries a second of one core, and what 20 bits come to.

use std::hint::black_box;

use nightjar_core::record::{BODY_BYTES_MAX, Target, WORK_BITS_MAX, WORKED_BITS, WorkSearch};
use nightjar_node::clock::Clock;
use nightjar_node::work::{Wanted, WorkPool};

use crate::measure::{Failed, Span, print};

/// No body, a usual one, and the longest: what stands before the nonce is hashed once, so they should differ little.
const BODY_BYTES: [usize; 3] = [0, 128, BODY_BYTES_MAX];

pub(crate) async fn run(tries: u64, records: u32) -> Result<(), Failed> {
    for bytes in BODY_BYTES {
        // Nobody finds so many bits in so few tries but by a chance of one in a hundred: then it is a little faster.
        let mut search = WorkSearch::new(Target([7; 16]), &vec![7; bytes], u32::MAX, 0, WORK_BITS_MAX, 0)?;
        let span = Span::begin()?;
        black_box(search.search(tries));
        let tries_per_s = tries as f64 * 1e6 / span.cpu_us()?.max(1) as f64;
        print(
            "work",
            &[
                ("body_bytes", bytes as f64),
                ("tries_per_s", tries_per_s),
                ("expected_s", f64::from(1u32 << WORKED_BITS) / tries_per_s),
            ],
        );
    }

    let clock = Clock::system();
    let pool = WorkPool::of_spare_cores(clock.clone());
    let span = Span::begin()?;
    for number in 0..records {
        let body = [number.to_le_bytes().as_slice(), &[7; 124]].concat();
        let expiry = clock.wall().unix_s() + 600;
        let wanted = Wanted { target: Target([7; 16]), body, expiry, coding: 0, bits: WORKED_BITS };
        black_box(pool.begin(wanted)?.finished().await?);
    }
    let s_per_record = span.seconds() / f64::from(records);
    print("work_pool", &[("records", f64::from(records)), ("s_per_record", s_per_record)]);
    Ok(())
}
