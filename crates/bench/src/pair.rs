//! Two processes and one TLS link: what a record costs when everything else is small.

use std::process::Stdio;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use nightjar_core::router::Budgets;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::measure::{Failed, Span, print};
use crate::testbed::{BODY_BYTES, Bed, PATIENCE, WINDOW, draft};

const DRAFTS_AT_ONCE: u64 = 1024;
/// Publishes under way at one time, so that the engine never waits for us.
const PUBLISHERS: u64 = 4;
/// Seconds of the run with budgets.
const PACED_S: u64 = 10;

pub(crate) async fn run(records: u64) -> Result<(), Failed> {
    full_speed(records).await?;
    paced().await
}

async fn full_speed(records: u64) -> Result<(), Failed> {
    let (bed, mut other, mut lines) = pair(records, false).await?;
    let span = Span::begin()?;
    let mut publishers = Vec::new();
    for _ in 0..PUBLISHERS {
        let handle = bed.handle().clone();
        publishers.push(tokio::spawn(async move {
            let mut left = records / PUBLISHERS;
            while left > 0 {
                let count = left.min(DRAFTS_AT_ONCE);
                handle.publish_all((0..count).map(draft).collect()).await?;
                left -= count;
            }
            Ok::<_, Failed>(())
        }));
    }
    for publisher in publishers {
        publisher.await??;
    }
    let end = report(&mut lines).await?;
    let cpu_us = span.cpu_us()? + whole(&end, "cpu_us")?;
    let sent = records / PUBLISHERS * PUBLISHERS;
    print(
        "pair, budgets off",
        &[
            ("records", sent as f64),
            ("records_per_s", end.get("records_per_s").and_then(Value::as_f64).ok_or("the other end said no rate")?),
            ("records_per_s_with_start", sent as f64 / span.seconds()),
            ("cpu_us_per_record", cpu_us as f64 / sent as f64),
            ("body_bytes", BODY_BYTES as f64),
        ],
    );
    other.wait().await?;
    Ok(())
}

async fn paced() -> Result<(), Failed> {
    let rate = u64::from(Budgets::default().dated.per_node) * 8 / 10;
    let records = rate * PACED_S;
    let (bed, mut other, mut lines) = pair(records, true).await?;
    let span = Span::begin()?;
    let mut ticks = interval(Duration::from_secs(1) / u32::try_from(rate)?);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    for number in 0..records {
        ticks.tick().await;
        bed.handle().publish(draft(number)).await?;
    }
    let end = report(&mut lines).await?;
    let cpu_us = span.cpu_us()? + whole(&end, "cpu_us")?;
    print(
        "pair, 80 % of the budgets",
        &[
            ("records", records as f64),
            ("records_per_s", rate as f64),
            ("cpu_us_per_record", cpu_us as f64 / records as f64),
            ("body_bytes", BODY_BYTES as f64),
        ],
    );
    other.wait().await?;
    Ok(())
}

/// This process's node, linked to that of another process.
async fn pair(records: u64, budgets: bool) -> Result<(Bed, Child, Lines<BufReader<ChildStdout>>), Failed> {
    let mut command = Command::new(std::env::current_exe()?);
    if !WINDOW.load(Ordering::Relaxed) {
        command.arg("--no-window");
    }
    command.args(["pair-end", "--records", &(records / PUBLISHERS * PUBLISHERS).to_string()]);
    if budgets {
        command.arg("--budgets");
    }
    let mut other = command.stdout(Stdio::piped()).kill_on_drop(true).spawn()?;
    let stdout = other.stdout.take().ok_or("the other end has no stdout")?;
    let mut lines = BufReader::new(stdout).lines();
    let ready = report(&mut lines).await?;
    let address = ready.get("listen").and_then(Value::as_str).ok_or("the other end does not listen")?.parse()?;
    let bed = Bed::start(budgets).await?;
    bed.connect(address).await?;
    bed.linked(1).await?;
    Ok((bed, other, lines))
}

async fn report(lines: &mut Lines<BufReader<ChildStdout>>) -> Result<Value, Failed> {
    let line = timeout(PATIENCE, lines.next_line()).await??.ok_or("the other end is gone")?;
    Ok(serde_json::from_str(&line)?)
}

fn whole(value: &Value, field: &str) -> Result<u64, Failed> {
    Ok(value.get(field).and_then(Value::as_u64).ok_or_else(|| format!("the other end said no {field}"))?)
}

/// The other process: says where it listens, waits for the records, says what it measured.
pub(crate) async fn end(records: u64, budgets: bool) -> Result<(), Failed> {
    let bed = Bed::start(budgets).await?;
    println!("{}", json!({ "listen": bed.address().to_string() }));
    bed.linked(1).await?;
    let span = Span::begin()?;
    let mut status = bed.handle().watch_status();
    // The rate between the first and the last look that saw it move: neither start nor end is in it.
    let mut looks: Vec<(Instant, u64)> = Vec::new();
    loop {
        let accepted = status.borrow_and_update().counters.accepted;
        if accepted > 0 && looks.last().is_none_or(|(_, before)| *before < accepted) {
            looks.push((Instant::now(), accepted));
        }
        if accepted >= records {
            break;
        }
        timeout(PATIENCE, status.changed()).await??;
    }
    // The last look may be a moment late: it counts only when there is no other.
    let ends = looks.len().saturating_sub(2).max(1);
    let rate = match (looks.first(), looks.get(ends)) {
        (Some((began, first)), Some((ended, last))) => {
            (last - first) as f64 / ended.duration_since(*began).as_secs_f64()
        }
        _ => f64::NAN,
    };
    println!("{}", json!({ "cpu_us": span.cpu_us()?, "records_per_s": rate }));
    Ok(())
}
