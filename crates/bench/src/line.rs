//! Three nodes in a line: how long a record is on its way, and what it costs.

use std::time::{Duration, Instant};

use nightjar_node::message::{Content, Filter};
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::measure::{Failed, Span, percentile, print};
use crate::testbed::{BODY_BYTES, Bed, PATIENCE, draft, made_ns};

pub(crate) async fn run(rate: u64, seconds: u64) -> Result<(), Failed> {
    let (one, two, three) = (Bed::start(false).await?, Bed::start(false).await?, Bed::start(false).await?);
    two.connect(one.address()).await?;
    three.connect(two.address()).await?;
    two.linked(2).await?;
    three.listen().await?;
    let origin = Instant::now();
    let records = rate * seconds;
    let reader = tokio::spawn(arrivals(three.handle().clone(), origin, records));

    let span = Span::begin()?;
    let mut ticks = interval(Duration::from_secs(1) / u32::try_from(rate)?);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    for _ in 0..records {
        ticks.tick().await;
        one.handle().publish(draft(nanoseconds(origin))).await?;
    }
    let mut ms: Vec<_> = timeout(PATIENCE, reader).await???.into_iter().map(|(_, ms)| ms).collect();
    ms.sort_by(f64::total_cmp);
    print(
        "line of three",
        &[
            ("records", records as f64),
            ("records_per_s", records as f64 / span.seconds()),
            ("p50_ms", percentile(&ms, 50)),
            ("p99_ms", percentile(&ms, 99)),
            ("cpu_us_per_delivery", span.cpu_us()? as f64 / records as f64),
            ("body_bytes", BODY_BYTES as f64),
        ],
    );
    Ok(())
}

pub(crate) fn nanoseconds(origin: Instant) -> u64 {
    u64::try_from(origin.elapsed().as_nanos()).unwrap_or(u64::MAX)
}

/// When each record was made, and how many milliseconds it took until it could be read from the log.
pub(crate) async fn arrivals(
    handle: nightjar_node::handle::Handle,
    origin: Instant,
    records: u64,
) -> Result<Vec<(u64, f64)>, Failed> {
    let mut came = Vec::new();
    let mut since = 0;
    while (came.len() as u64) < records {
        let page = handle.messages(since, 1000, &Filter::default(), PATIENCE).await?;
        let now = nanoseconds(origin);
        since = page.next;
        for message in page.messages {
            if let Content::Record(record) = &message.content {
                let made = made_ns(record);
                came.push((made, now.saturating_sub(made) as f64 / 1e6));
            }
        }
    }
    Ok(came)
}
