//! Catch-up between whole nodes: from the dial to the last record in the window, and in the log, of one that was off for a day.

use std::time::{Duration, Instant};

use nightjar_node::clock::Clock;

use crate::measure::{Failed, Span, loopback_bytes, print, resident_bytes};
use crate::testbed::{BODY_BYTES, Bed, PATIENCE, draft};

const HOURS: u64 = 24;
const HOUR_MS: i64 = 3_600_000;
/// Drafts handed over at a time.
const AT_ONCE: u64 = 1_000;
/// How often it is looked whether all is there.
const POLL: Duration = Duration::from_millis(5);

pub(crate) async fn run(records: u64) -> Result<(), Failed> {
    let clock = Clock::system();
    let near = Bed::start_with(false, clock.clone()).await?;
    let origin = Instant::now();
    let mut made = 0;
    for hour in 1..=HOURS {
        while made < records * hour / HOURS {
            let count = AT_ONCE.min(records * hour / HOURS - made);
            let drafts = (made..made + count).map(|number| {
                // Told apart by it.
                draft(number + 1)
            });
            near.handle().publish_all(drafts.collect()).await?;
            made += count;
        }
        clock.step(HOUR_MS);
    }
    let window = near.handle().window().ok_or("there is no window")?;
    until(|| window.status().records.iter().sum::<u64>() == records).await?;
    let filled_s = origin.elapsed().as_secs_f64();

    let far_clock = Clock::system();
    far_clock.step(i64::try_from(HOURS)? * HOUR_MS);
    let far = Bed::start_with(false, far_clock).await?;
    far.listen().await?;
    let (span, bytes, resident) = (Span::begin()?, loopback_bytes()?, resident_bytes()?);
    far.connect(near.address()).await?;
    let window = far.handle().window().ok_or("there is no window")?;
    // However much it is: a new node would stop at 64 MiB.
    window.reach_back(u32::try_from(HOURS)?);
    until(|| window.status().fetched >= records).await?;
    let (seconds, cpu_us, bytes) = (span.seconds(), span.cpu_us()?, loopback_bytes()? - bytes);
    until(|| far.handle().status().seq >= records).await?;
    let logged_s = span.seconds();
    until(|| window.status().records.iter().sum::<u64>() == records).await?;
    let status = window.status();
    let of_records = status.bytes.iter().sum::<u64>() - 64 * records;
    print(
        "windows, a day off",
        &[
            ("records", records as f64),
            ("fetched_s", seconds),
            ("logged_s", logged_s),
            ("records_per_s", records as f64 / seconds),
            ("cpu_us_per_record", cpu_us as f64 / records as f64),
            ("bytes_per_missing_byte", bytes as f64 / of_records as f64),
            ("loopback_bytes", bytes as f64),
            ("resident_bytes_more", resident_bytes()?.saturating_sub(resident) as f64),
            ("body_bytes", BODY_BYTES as f64),
            ("made_and_filled_s", filled_s),
        ],
    );
    near.node.stop().await;
    far.node.stop().await;
    Ok(())
}

async fn until(is_so: impl Fn() -> bool) -> Result<(), Failed> {
    let waited = async {
        while !is_so() {
            tokio::time::sleep(POLL).await;
        }
    };
    Ok(tokio::time::timeout(PATIENCE, waited).await?)
}
