//! Two links that are full in both directions.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "a test may fail loudly")]

mod link_common;

use link_common::{PATIENCE, Side, narrow, record, tls_address};
use nightjar_core::time::Now;
use nightjar_node::link::{LinkReport, Outbox};
use tokio::sync::mpsc;
use tokio::task::yield_now;

const RECORDS: u64 = 20_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_links_under_two_way_load_never_stand_still() {
    let (mut left, mut right) = (Side::new(1), Side::new(2));
    let to = right.listen();
    let link = left.new_link();
    let outbox = left.links.attach(link, narrow(to).await, tls_address(to));
    let (_, back) = right.admit().await;
    let now = left.clock.now();

    let all = async {
        tokio::join!(
            keep_full(&outbox, now, 0),
            keep_full(&back, now, RECORDS),
            all_arrive(&mut left.reports),
            all_arrive(&mut right.reports),
        )
    };
    tokio::time::timeout(PATIENCE, all).await.expect("the links stand still");
}

/// Pushes whenever there is room, so that the outbox is never empty before the end.
async fn keep_full(outbox: &Outbox, now: Now, from: u64) {
    let mut numbers = from..from + RECORDS;
    while !numbers.is_empty() {
        let mut items: Vec<_> = numbers.by_ref().take(outbox.room()).map(|number| record(now, number)).collect();
        assert_eq!(outbox.push_all(&mut items), 0, "there was room");
        yield_now().await;
    }
}

async fn all_arrive(reports: &mut mpsc::Receiver<LinkReport>) {
    let mut came = 0;
    while came < RECORDS {
        match reports.recv().await {
            Some(LinkReport::Records { batch, .. }) => came += u64::try_from(batch.records.len()).unwrap(),
            Some(LinkReport::Opened { .. }) => {}
            other => panic!("{other:?}"),
        }
    }
}
