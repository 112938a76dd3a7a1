//! Many nodes of eight links each, all of which listen: bytes, milliseconds to the last, CPU.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::line::{arrivals, nanoseconds};
use crate::measure::{Failed, Span, loopback_bytes, percentile, print};
use crate::testbed::{BODY_BYTES, Bed, PATIENCE, draft};

/// Each node dials those that stand so many places behind it in the ring, and as many dial it.
const DIALLED: [usize; 4] = [1, 2, 4, 7];
/// Links of each node.
const DEGREE: usize = 2 * DIALLED.len();

pub(crate) async fn run(nodes: usize, rate: u64, seconds: u64) -> Result<(), Failed> {
    if nodes < 2 * DIALLED.iter().max().unwrap_or(&0) + 1 {
        return Err("with so few nodes two of them would dial each other: take 15 or more".into());
    }
    let mut beds = Vec::with_capacity(nodes);
    for _ in 0..nodes {
        beds.push(Bed::start(true).await?);
    }
    for (place, bed) in beds.iter().enumerate() {
        for step in DIALLED {
            let other = beds.get((place + step) % nodes).ok_or("there are too few nodes")?;
            bed.connect(other.address()).await?;
        }
    }
    for bed in &beds {
        bed.linked(DEGREE).await?;
        bed.listen().await?;
    }
    let origin = Instant::now();
    let records = rate * seconds;
    let readers: Vec<_> =
        beds.iter().map(|bed| tokio::spawn(arrivals(bed.handle().clone(), origin, records))).collect();

    let (span, bytes) = (Span::begin()?, loopback_bytes()?);
    let mut ticks = interval(Duration::from_secs(1) / u32::try_from(rate)?);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    for (_, bed) in (0..records).zip(beds.iter().cycle()) {
        ticks.tick().await;
        bed.handle().publish(draft(nanoseconds(origin))).await?;
    }
    // A record is known by the moment it was made; what counts is when the last node had it.
    let mut last_ms: BTreeMap<u64, f64> = BTreeMap::new();
    for reader in readers {
        for (made, ms) in timeout(PATIENCE, reader).await??? {
            let last = last_ms.entry(made).or_default();
            *last = last.max(ms);
        }
    }
    let bytes = loopback_bytes()? - bytes;
    let mut all: Vec<_> = last_ms.into_values().collect();
    all.sort_by(f64::total_cmp);
    let deliveries = records as f64 * nodes as f64;
    let from_others = records as f64 * (nodes - 1) as f64;
    print(
        &format!("mesh of {nodes}, degree {DEGREE}"),
        &[
            ("records", records as f64),
            ("records_per_s", records as f64 / span.seconds()),
            ("wire_bytes_per_body_byte", bytes as f64 / (from_others * BODY_BYTES as f64)),
            ("p50_ms", percentile(&all, 50)),
            ("p99_ms", percentile(&all, 99)),
            ("cpu_us_per_delivery", span.cpu_us()? as f64 / deliveries),
            ("body_bytes", BODY_BYTES as f64),
        ],
    );
    Ok(())
}
