//! Signatures of records: checks a second of one core and of the pool; what a signed record costs a node, and an unsigned one.

use std::hint::black_box;
use std::sync::Arc;

use nightjar_core::address::{Address, LinkKind};
use nightjar_core::chain::Network;
use nightjar_core::item::Item;
use nightjar_core::link::LinkId;
use nightjar_core::record::Record;
use nightjar_core::router::{CHECKS_WAITING_MAX, Check};
use nightjar_core::seen::{SeenTable, SeenView};
use nightjar_core::time::Now;
use nightjar_envelope::key::ChatSecret;
use nightjar_envelope::sign::{OuterForm, record_holds, sign};
use nightjar_envelope::{CODING, Place};
use nightjar_node::clock::Clock;
use nightjar_node::link::{LinkLimits, LinkOptions, LinkReport, Links};
use nightjar_node::verify::VerifyPool;
use nightjar_wire::secure::{NodeIdentity, SecureConfig, SecureSession};
use nightjar_wire::session::Session;
use tokio::time::timeout;

use crate::measure::{Failed, Span, print};
use crate::testbed::{BODY_BYTES, Bed, PATIENCE, TARGET};

/// Records that are handed to the link at once.
const ITEMS_AT_ONCE: usize = 256;

pub(crate) async fn run(checks: u64, records: u64) -> Result<(), Failed> {
    one_core(checks)?;
    pool(checks).await?;
    for signed in [false, true] {
        node(records, signed).await?;
    }
    Ok(())
}

fn one_core(checks: u64) -> Result<(), Failed> {
    let all = records(checks, true)?;
    let span = Span::begin()?;
    for record in &all {
        if !black_box(record_holds(Network::Main, record)) {
            return Err("a signature that was made a moment ago does not hold".into());
        }
    }
    print_rate("verify, one core", checks, &span)
}

async fn pool(checks: u64) -> Result<(), Failed> {
    let all = records(checks, true)?;
    let (pool, mut verdicts) = VerifyPool::of_spare_cores(Network::Main)?;
    let numbered: Vec<_> = (0..).zip(all).map(|(number, record)| Check { number, record }).collect();
    let span = Span::begin()?;
    for some in numbered.chunks(CHECKS_WAITING_MAX) {
        pool.check(some.to_vec());
        let mut left = some.len();
        while left > 0 {
            left -= timeout(PATIENCE, verdicts.recv()).await?.ok_or("the pool ended")?.len();
        }
    }
    print_rate("verify, pool", checks, &span)
}

fn print_rate(name: &str, checks: u64, span: &Span) -> Result<(), Failed> {
    let cpu_us = span.cpu_us()? as f64;
    print(
        name,
        &[
            ("checks", checks as f64),
            ("checks_per_s", checks as f64 / span.seconds()),
            ("cpu_us_per_check", cpu_us / checks as f64),
        ],
    );
    Ok(())
}

/// A link without a node sends records that were made before; a whole node takes them in. Both ends are in the figures, and
/// the same in both runs but for the checks.
async fn node(count: u64, signed: bool) -> Result<(), Failed> {
    let all = records(count, signed)?;
    let bed = Bed::start(false).await?;
    let seen = SeenView::new(&SeenTable::new(1 << 12, 1, [1; 16]), &SeenTable::new(1 << 12, 1, [2; 16]));
    let identity = NodeIdentity::from_seed([9; 32]);
    let secure = Arc::new(SecureConfig::new(&identity, Network::Main, 0, "bench", seen));
    let options =
        LinkOptions { network: Network::Main, socks5: None, clock: Clock::system(), limits: LinkLimits::default() };
    let (links, mut reports) = Links::new(options, move |_: LinkKind, outbound, address: &Address, now: Now| {
        Box::new(SecureSession::new(Arc::clone(&secure), outbound, address.clone(), now)) as Box<dyn Session>
    });
    let outbox = links.dial(LinkId::new(1, 1), bed.address());
    loop {
        match timeout(PATIENCE, reports.recv()).await?.ok_or("the links ended")? {
            LinkReport::Opened { .. } => break,
            LinkReport::Closed { why, .. } => return Err(format!("the link did not open: {why}").into()),
            _ => {}
        }
    }
    // Whatever else the link reports is of no interest, but has to be taken.
    let drain = tokio::spawn(async move { while reports.recv().await.is_some() {} });
    let span = Span::begin()?;
    for some in all.chunks(ITEMS_AT_ONCE) {
        while outbox.room() < some.len() {
            timeout(PATIENCE, links.room()).await?;
        }
        let mut items: Vec<_> = some.iter().map(|record| Item::Record { record: record.clone(), tag: 0 }).collect();
        outbox.push_all(&mut items);
    }
    let mut status = bed.handle().watch_status();
    timeout(PATIENCE, status.wait_for(|status| status.counters.accepted >= count)).await??;
    let (seconds, cpu_us) = (span.seconds(), span.cpu_us()? as f64);
    print(
        if signed { "verify, node, signed" } else { "verify, node, unsigned" },
        &[
            ("records", count as f64),
            ("records_per_s", count as f64 / seconds),
            ("cpu_us_per_record", cpu_us / count as f64),
            ("body_bytes", BODY_BYTES as f64),
        ],
    );
    drop(outbox);
    drop(links);
    drain.await?;
    Ok(())
}

/// Records of one length, signed in clear or not.
fn records(count: u64, signed: bool) -> Result<Vec<Record>, Failed> {
    let secret = ChatSecret::from_seed(&[7; 32].into());
    let place = Place { network: Network::Main, target: TARGET, expiry: Clock::system().wall().unix_s() + 3_000 };
    let one = |number: u64| {
        let mut body = vec![b'.'; BODY_BYTES];
        if signed {
            let mut map = number.to_le_bytes().to_vec();
            map.resize(BODY_BYTES - 97, b'.');
            let signature = sign(&secret, &place, OuterForm::Clear, &map);
            body = [&[OuterForm::Clear as u8], secret.public().as_bytes().as_slice(), &signature, &map].concat();
        }
        let coding = if signed { CODING } else { 0 };
        Record::dated(TARGET, &body, place.expiry, coding, number.to_le_bytes())
    };
    Ok((0..count).map(one).collect::<Result<_, _>>()?)
}
