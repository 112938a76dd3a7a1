//! What a peer that lies about its window can do: it holds nobody up, fills no more than its share, and is let go.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs, reason = "a test may fail loudly")]

mod link_common;
mod node_common;

use std::collections::BTreeMap;
use std::time::Duration;

use nightjar_core::item::{Control, Item, SERVED_RECORDS_MAX};
use nightjar_core::reconcile::{
    Budget, End, Entry, Exchange, HourList, Hours, Limits, MemoryIndex, Message, Output, Session, Share, Span, Tally,
};
use nightjar_core::record::{Record, Target};
use nightjar_envelope::CODING;
use nightjar_node::config::Checked;
use nightjar_node::link::{LinkReport, Outbox};
use nightjar_node::window::{LATE_PER_S_MAX, WindowLimits, WindowStatus};

use link_common::Side;
use node_common::{PATIENCE, TestNode};

/// A peer with a window of its own making.
struct Peer {
    side: Side,
    outbox: Outbox,
    index: MemoryIndex,
    records: BTreeMap<Entry, Record>,
    back_hours: u32,
}

impl Peer {
    async fn connect(seed: u8, node: &TestNode) -> Self {
        let mut side = Side::new(seed);
        let (_, outbox) = side.dial(node.handle().about().listen);
        assert!(matches!(side.report().await, LinkReport::Opened { .. }));
        Self { side, outbox, index: MemoryIndex::default(), records: BTreeMap::new(), back_hours: 20 }
    }

    fn hold(&mut self, record: Record) {
        let entry = Entry::of(&record).unwrap();
        self.index.insert(entry);
        self.records.insert(entry, record);
    }

    fn hours(&self) -> Hours {
        let now = self.side.clock.wall().unix_s();
        Hours::touching(now - self.back_hours * 3_600, now + 3_660)
    }

    fn send(&self, share: Share, asks: bool, message: Message) {
        let exchange = Exchange { share, asks };
        assert!(self.outbox.push(Item::Control(Control::CatchUp { exchange, message })));
    }

    /// What the node says next in the exchange that we began.
    async fn hear(&mut self) -> Heard {
        loop {
            match self.side.report().await {
                LinkReport::Control { control: Control::CatchUp { exchange, message }, .. } if !exchange.asks => {
                    return Heard::Message(message);
                }
                LinkReport::Served { records, .. } => return Heard::Records(records),
                LinkReport::Closed { .. } => return Heard::Closed,
                _ => {}
            }
        }
    }

    /// Begins an exchange and goes through with it, but for what `lie` makes of what is said. Says how it ended.
    async fn exchange(&mut self, share: Share, lie: impl Fn(Output) -> Option<Output>) -> End {
        let mut session = Session::ask(self.side.clock.now(), self.hours(), Limits::default());
        loop {
            let mut budget = Budget::TURN;
            let outputs = session.turn(self.side.clock.now(), &self.index, &mut budget);
            if outputs.is_empty() && budget != Budget::TURN {
                // There is more to count.
                continue;
            }
            for output in outputs {
                match lie(output) {
                    Some(Output::Send(message)) => self.send(share, true, message),
                    Some(Output::Serve(entries)) => {
                        let records: Vec<_> = entries.iter().map(|entry| self.records[entry].clone()).collect();
                        for records in records.chunks(SERVED_RECORDS_MAX) {
                            let exchange = Exchange { share, asks: true };
                            let mut served = vec![Item::Served { exchange, records: records.to_vec() }];
                            assert_eq!(self.outbox.push_all(&mut served), 0);
                        }
                    }
                    None => {}
                }
            }
            if let Some(end) = session.ended() {
                return end;
            }
            let now = self.side.clock.now();
            match self.hear().await {
                Heard::Message(message) => drop(session.receive(now, message)),
                Heard::Records(records) => {
                    let entries: Vec<_> = records.iter().filter_map(Entry::of).collect();
                    session.arrived(now, &entries, 1).unwrap();
                }
                Heard::Closed => panic!("the node ended the link"),
            }
        }
    }
}

#[derive(Debug)]
enum Heard {
    Message(Message),
    Records(Vec<Record>),
    Closed,
}

fn status(node: &TestNode) -> WindowStatus {
    node.handle().window().unwrap().status()
}

async fn until(node: &TestNode, fits: impl Fn(&WindowStatus) -> bool) {
    let waited = async {
        while !fits(&status(node)) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    assert!(tokio::time::timeout(PATIENCE, waited).await.is_ok(), "it does not come: {:?}", status(node));
}

/// Records whose time was so many hours ago.
fn old(node: &TestNode, hours: u32, count: u32) -> impl Iterator<Item = Record> {
    let expiry = (node.clock.wall().unix_s() / 3_600 - hours) * 3_600;
    (0..count).map(move |number| {
        let nonce = u64::from(number).to_le_bytes();
        Record::dated(Target([9; 16]), b"invented", expiry + number % 3_600, 0, nonce).unwrap()
    })
}

fn points(node: &TestNode) -> u32 {
    node.handle().status().connections.first().map_or(0, |connection| connection.counters.fault_points)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn invented_old_records_are_taken_in_at_two_a_second_of_their_time() {
    let node = TestNode::start(&[]).await;
    let mut peer = Peer::connect(1, &node).await;
    let quota = LATE_PER_S_MAX * 3_600;
    old(&node, 5, quota + 3_000).chain(old(&node, 3, 500)).for_each(|record| peer.hold(record));
    assert_eq!(peer.exchange(Share::Dated, Some).await, End::Complete);
    let wanted = u64::from(quota) + 500;
    until(&node, |status| status.records[1] == wanted && status.exchanges.is_empty()).await;
    assert_eq!(points(&node), 0);
    // What is too much is hardly asked for.
    let status = self::status(&node);
    assert_eq!(status.fetched, wanted + status.refused);
    assert!(status.refused <= 200, "{status:?}");
    // Nor later, nor from another, nor after a restart.
    let temp = node.stop().await;
    let node = TestNode::start_in(temp, &[], |_| {}).await;
    until(&node, |status| status.records[1] == wanted).await;
    let mut other = Peer::connect(2, &node).await;
    old(&node, 5, quota + 4_000).for_each(|record| other.hold(record));
    assert_eq!(other.exchange(Share::Dated, Some).await, End::Complete);
    until(&node, |status| status.completed >= 1 && status.exchanges.is_empty()).await;
    assert_eq!((self::status(&node).records[1], self::status(&node).fetched), (wanted, 0));
}

/// Records that are invented, when nobody says otherwise in the environment (`NIGHTJAR_TEST_INVENTED`).
const INVENTED: u32 = 200_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes a minute, and longer with five million"]
async fn however_many_old_records_are_invented_the_share_and_the_rate_hold() {
    let invented = std::env::var("NIGHTJAR_TEST_INVENTED").ok();
    let invented: u32 = invented.map_or(INVENTED, |count| count.parse().unwrap());
    let node = TestNode::start(&[]).await;
    node.handle().window().unwrap().reach_back(168);
    let mut peer = Peer::connect(1, &node).await;
    peer.back_hours = 168;
    let hours = 160;
    for hour in 2..2 + hours {
        old(&node, hour, invented / hours).for_each(|record| peer.hold(record));
    }
    let wanted = u64::from(hours * (invented / hours).min(LATE_PER_S_MAX * 3_600));
    // It may take more than one exchange: each fetches 64 MiB at the most, and lasts two minutes.
    while status(&node).records[1] < wanted && status(&node).bytes[1] < 250 << 20 {
        let end = peer.exchange(Share::Dated, Some).await;
        let now = status(&node);
        println!(
            "{end}: {} fetched, {} refused, {:?} held, {:?} bytes",
            now.fetched, now.refused, now.records, now.bytes
        );
        assert!(now.records[1] <= wanted && now.bytes[1] <= 256 << 20);
    }
    node.say("#a", "and yet it is heard").await;
    until(&node, |status| status.records[1] > 0 && status.exchanges.is_empty()).await;
    assert_eq!(points(&node), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn invented_old_records_fill_no_more_than_the_share_of_those_without_work() {
    let small = |config: &mut Checked| config.window = Some(WindowLimits { hours: 168, bytes_max: 4 << 20 });
    let node = TestNode::start_with(&[], small).await;
    let mut peer = Peer::connect(1, &node).await;
    for hours in 2..10 {
        old(&node, hours, 3_000).for_each(|record| peer.hold(record));
    }
    let end = peer.exchange(Share::Dated, Some).await;
    assert!(matches!(end, End::Complete | End::Stopped(_)), "{end}");
    until(&node, |status| status.exchanges.is_empty() && status.fetched > 5_000 && status.bytes[1] <= 1 << 20).await;
    assert_eq!(status(&node).records[0], 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_claims_all_and_serves_nothing_holds_up_nobody_for_long() {
    let node = TestNode::start(&[]).await;
    // Two hours ago, so that nothing of it is flooded.
    let two_hours_ms = 2 * 3_600_000;
    let honest = TestNode::start_at(tempfile::tempdir().unwrap(), &[], -two_hours_ms, |_| {}).await;
    honest.say("#a", "true").await;
    until(&honest, |status| status.records[1] == 1).await;
    honest.clock.step(two_hours_ms);
    let mut liar = Peer::connect(1, &node).await;
    old(&node, 5, 100).for_each(|record| liar.hold(record));
    // It says SERVED without a record.
    let lie = |output| match output {
        Output::Serve(_) => None,
        other => Some(other),
    };
    assert_eq!(liar.exchange(Share::Dated, lie).await, End::Complete);
    until(&node, |status| status.exchanges.is_empty()).await;
    assert_eq!((status(&node).records, status(&node).fetched), ([0, 0], 0));
    // One that never answers stands in the way of others until it is let go.
    let hours = liar.hours();
    let huge = Tally::of(liar.records.keys().copied());
    let list = HourList::new(hours.first(), hours.iter().map(|_| huge).collect()).unwrap();
    liar.send(Share::Dated, true, Message::Hours(list));
    until(&node, |status| !status.exchanges.is_empty()).await;
    node.handle().add_peer(honest.tls()).await.unwrap();
    until(&node, |status| status.records[1] == 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_nobody_asked_for_and_what_has_no_sense_ends_the_exchange_and_costs_points() {
    let node = TestNode::start(&[]).await;
    let record = || old(&node, 2, 1).next().unwrap();
    let exchange = Exchange { share: Share::Dated, asks: true };
    let served = |records| Item::Served { exchange, records };

    // Records without an exchange.
    let peer = Peer::connect(1, &node).await;
    assert!(peer.outbox.push(served(vec![record()])));
    node.until(|status| status.connections.first().is_some_and(|it| it.counters.fault_points > 0)).await;
    drop(peer);
    node.linked(0).await;

    // Records that were not asked for in one.
    let mut peer = Peer::connect(2, &node).await;
    let list = HourList::new(peer.hours().first(), vec![Tally::of([])]).unwrap();
    peer.send(Share::Dated, true, Message::Hours(list));
    assert!(matches!(peer.hear().await, Heard::Message(Message::Hours(_))));
    assert!(peer.outbox.push(served(vec![record()])));
    assert!(matches!(peer.hear().await, Heard::Message(Message::Stop(_))));
    node.until(|status| status.connections.first().is_some_and(|it| it.counters.fault_points > 0)).await;
    drop(peer);
    node.linked(0).await;

    // Questions without end.
    let mut peer = Peer::connect(3, &node).await;
    let hours = peer.hours();
    for _ in 0..20 {
        let list = HourList::new(hours.first(), vec![Tally::of([])]).unwrap();
        peer.send(Share::Worked, true, Message::Hours(list));
        peer.send(Share::Worked, true, Message::Done);
    }
    let refused = async {
        loop {
            match peer.hear().await {
                Heard::Message(Message::Stop(_)) | Heard::Closed => return,
                _ => {}
            }
        }
    };
    tokio::time::timeout(PATIENCE, refused).await.unwrap();
    drop(peer);

    // A span that lies elsewhere.
    let mut peer = Peer::connect(4, &node).await;
    let list = HourList::new(hours.first(), vec![Tally::of([])]).unwrap();
    peer.send(Share::Dated, true, Message::Hours(list));
    assert!(matches!(peer.hear().await, Heard::Message(Message::Hours(_))));
    let span = Span::new(Entry::first_of(7_200), Entry::first_of(7_201)).unwrap();
    peer.send(Share::Dated, true, Message::Ask { spans: vec![span], lots: Vec::new() });
    assert!(matches!(peer.hear().await, Heard::Message(Message::Stop(_)) | Heard::Closed));
    assert_eq!(status(&node).records, [0, 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_without_work_are_no_worked_ones_and_forged_signatures_are_not_kept() {
    let node = TestNode::start(&[]).await;
    let mut peer = Peer::connect(1, &node).await;
    peer.hold(old(&node, 2, 1).next().unwrap());
    // The node falls silent on this link, and says nothing of it.
    let lied = tokio::time::timeout(Duration::from_secs(2), peer.exchange(Share::Worked, Some)).await;
    assert!(lied.is_err(), "{lied:?}");
    node.until(|status| status.connections.first().is_some_and(|it| it.counters.fault_points > 0)).await;
    assert_eq!(status(&node).records, [0, 0]);
    drop(peer);
    node.linked(0).await;

    let mut peer = Peer::connect(2, &node).await;
    let expiry = node.clock.wall().unix_s() - 7_200;
    for number in 0..20_u64 {
        // A body that begins as one signed in clear, and is not.
        let mut body = vec![1; 110];
        body[0] = nightjar_envelope::form::SIGNED;
        let nonce = number.to_le_bytes();
        let record = Record::dated(Target([9; 16]), &body, expiry, CODING, nonce).unwrap();
        assert!(record.is_worth_a_check(), "{record:?}");
        peer.hold(record);
    }
    old(&node, 2, 7).for_each(|record| peer.hold(record));
    assert_eq!(peer.exchange(Share::Dated, Some).await, End::Complete);
    until(&node, |status| status.records[1] == 7 && status.refused == 20).await;
    // They are not asked for again.
    let fetched = status(&node).fetched;
    assert_eq!(peer.exchange(Share::Dated, Some).await, End::Complete);
    until(&node, |status| status.exchanges.is_empty()).await;
    assert_eq!(status(&node).fetched, fetched);
}
