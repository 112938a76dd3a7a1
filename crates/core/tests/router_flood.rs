//! PIP-0038's rule, and what may not get past it.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs, reason = "a test may fail loudly")]

mod router_common;

use nightjar_core::item::{Batch, How, Repeat};
use nightjar_core::link::Carries;
use nightjar_core::record::{MsgId, Record, RecordRef, WorkSearch};
use nightjar_core::router::{Budget, Budgets, Closed, Input, Report, RouterConfig, UNSENT_MAX, WAIT_MS_MAX};
use router_common::*;

#[test]
fn what_was_not_seen_goes_to_all_but_the_one_it_came_from_once() {
    let mut bench = Bench::new();
    let (one, two, three) = (bench.accept(1), bench.accept(2), bench.accept(3));
    for record in [dated(1), plain(1)] {
        assert_eq!(sent(&bench.receive(one, std::slice::from_ref(&record))), [(record.clone(), set(&[two, three]))]);
        assert!(bench.receive(two, &[record]).is_empty());
    }
    let counters = bench.router.counters();
    assert_eq!((counters.received, counters.accepted, counters.repeats, counters.sent), (4, 2, 2, 4));
}

#[test]
fn the_same_record_twice_in_one_batch_counts_once() {
    let mut bench = Bench::new();
    let (one, _two) = (bench.accept(1), bench.accept(2));
    assert_eq!(sent(&bench.receive(one, &[dated(1), dated(1), plain(1), plain(1)])).len(), 2);
}

#[test]
fn hits_are_delivered_while_somebody_listens() {
    let mut bench = Bench::new();
    let one = bench.accept(1);
    assert!(delivered(&bench.receive(one, &[dated(1)])).is_empty());
    bench.handle(Input::Listen { target: target(), on: true });
    assert_eq!(delivered(&bench.receive(one, &[dated(2), plain(2)])), [dated(2), plain(2)]);
    assert_eq!(delivered(&bench.handle(Input::Publish { record: dated(3) })), [dated(3)]);
    bench.handle(Input::Listen { target: target(), on: false });
    assert!(delivered(&bench.receive(one, &[dated(4)])).is_empty());
    assert_eq!(bench.router.counters().delivered, 3);
}

#[test]
fn a_record_of_ours_goes_to_all_and_does_not_come_back() {
    let mut bench = Bench::new();
    let (one, two) = (bench.accept(1), bench.accept(2));
    assert_eq!(sent(&bench.handle(Input::Publish { record: dated(1) })), [(dated(1), set(&[one, two]))]);
    assert!(bench.receive(one, &[dated(1)]).is_empty());
}

#[test]
fn a_plain_copy_never_shadows_the_dated_record_it_was_copied_from() {
    let mut bench = Bench::new();
    let (one, two) = (bench.accept(1), bench.accept(2));
    bench.handle(Input::Listen { target: target(), on: true });
    let forged = Record::plain(dated(1).msg_id(), target(), b"not what was said").unwrap();
    // First the forgery: it is a plain record like any other, and the true one passes behind it.
    assert_eq!(delivered(&bench.receive(one, std::slice::from_ref(&forged))), std::slice::from_ref(&forged));
    let outputs = bench.receive(two, &[dated(1)]);
    assert_eq!(delivered(&outputs), [dated(1)]);
    assert_eq!(sent(&outputs), [(dated(1), set(&[one]))]);
    // Once the true one is known, plain ones under its id are proof of forgery.
    let other = Record::plain(dated(1).msg_id(), target(), b"nor this").unwrap();
    assert!(bench.receive(one, &[other]).is_empty());
    assert_eq!(bench.router.counters().forged, 1);
}

#[test]
fn expired_records_and_those_from_the_far_future_go_nowhere() {
    let mut bench = Bench::new();
    let (one, _two) = (bench.accept(1), bench.accept(2));
    let until = |expiry| Record::dated(target(), b"x", expiry, 0, [0; 8]).unwrap();
    for (expiry, goes) in [(START_S - 61, 0), (START_S - 60, 1), (START_S + 3660, 1), (START_S + 3661, 0)] {
        assert_eq!(sent(&bench.receive(one, &[until(expiry)])).len(), goes, "{expiry}");
    }
    assert_eq!(bench.router.counters().expired, 2);
}

#[test]
fn a_record_that_expired_while_it_waited_for_its_budget_is_dropped() {
    let mut bench = Bench::with(tiny_budgets);
    let links: Vec<_> = (1..=5).map(|number| bench.accept(number)).collect();
    let short = |number: u64| Record::dated(target(), b"x", START_S - 59, 0, number.to_le_bytes()).unwrap();
    let records: Vec<_> = (0..20).map(short).collect();
    assert_eq!(sent(&bench.receive(links[0], &records)).len(), 10);
    assert!(sent(&bench.pass(5000)).len() <= 2);
    assert!(bench.router.counters().expired > 0);
}

#[test]
fn over_budget_records_wait_fairly_and_then_go() {
    let mut bench = Bench::with(tiny_budgets);
    let links: Vec<_> = (1..=5).map(|number| bench.accept(number)).collect();
    let spam: Vec<_> = (0..100).map(dated).collect();
    assert_eq!(sent(&bench.receive(links[0], &spam)).len(), 10, "a burst of ten seconds");
    assert_eq!(sent(&bench.receive(links[1], &[dated(1000)])).len(), 1, "an honest peer is not held up");
    let later = sent(&bench.pass(WAIT_MS_MAX + 100));
    assert!((9..=10).contains(&later.len()), "one a second: {}", later.len());
    let counters = bench.router.counters();
    assert_eq!(counters.delayed + counters.over_budget, 90 + counters.delayed - later.len() as u64);
}

#[test]
fn what_waited_may_come_in_together_with_a_record_of_ours() {
    let mut bench = Bench::with(tiny_budgets);
    let links: Vec<_> = (1..=5).map(|number| bench.accept(number)).collect();
    bench.handle(Input::Listen { target: target(), on: true });
    bench.receive(links[0], &(0..11).map(dated).collect::<Vec<_>>());
    // Nobody came to look at those who wait until we had something to say ourselves.
    bench.mono_ms += 1000;
    // So whoever asks what became of its own record has to tell it apart from the others.
    assert_eq!(delivered(&bench.handle(Input::Publish { record: dated(1000) })), [dated(1000), dated(10)]);
}

#[test]
fn a_record_that_waits_comes_in_at_once_by_a_peer_that_has_budget() {
    let mut bench = Bench::with(tiny_budgets);
    let links: Vec<_> = (1..=5).map(|number| bench.accept(number)).collect();
    bench.receive(links[0], &(0..15).map(dated).collect::<Vec<_>>());
    assert_eq!(sent(&bench.receive(links[1], &[dated(14)])).len(), 1);
    // Waiting copies cost nothing and are not sent again.
    assert!(sent(&bench.pass(WAIT_MS_MAX)).iter().all(|(record, _)| *record != dated(14)));
}

#[test]
fn work_puts_a_record_into_a_class_of_its_own_and_a_claim_alone_does_not() {
    let mut bench = Bench::with(tiny_budgets);
    let links: Vec<_> = (1..=5).map(|number| bench.accept(number)).collect();
    bench.receive(links[0], &(0..10).map(dated).collect::<Vec<_>>());
    let mut search = WorkSearch::new(target(), b"worked", START_S + 600, 0, 20, 1).unwrap();
    let worked = search.search(1 << 26).expect("20 bits are found in some million tries");
    let claimed = Record::dated_with_claim(target(), b"claimed", START_S + 600, 0, [5; 8], 20).unwrap();
    assert_eq!(sent(&bench.receive(links[0], &[claimed, worked.clone()])), [(worked, set(&links[1..]))]);
    let counters = bench.router.counters();
    assert_eq!((counters.unmet_work, counters.by_class), (1, [1, 10, 0]));
}

#[test]
fn without_budgets_everything_goes_at_once() {
    let mut bench = Bench::with(|config| config.budgets = None);
    let (one, _two) = (bench.accept(1), bench.accept(2));
    assert_eq!(sent(&bench.receive(one, &(0..5000).map(dated).collect::<Vec<_>>())).len(), 5000);
}

#[test]
fn what_was_published_alone_goes_to_the_first_neighbour_while_it_lives() {
    let mut bench = Bench::new();
    assert_eq!(reports(&bench.handle(Input::Publish { record: dated(1) })), [Report::NobodyToSendTo]);
    let short = Record::dated(target(), b"short", START_S + 10, 0, [0; 8]).unwrap();
    bench.handle(Input::Publish { record: short });
    bench.handle(Input::Publish { record: plain(1) });
    bench.pass(11_000);
    let one = bench.accept(1);
    let first: Vec<_> = sent(&bench.outputs);
    assert_eq!(first, [(dated(1), set(&[one])), (plain(1), set(&[one]))]);
    bench.accept(2);
    assert_eq!(sent(&bench.outputs).len(), 2, "once");
}

#[test]
fn records_that_wait_for_a_neighbour_are_bounded() {
    let mut bench = Bench::new();
    for number in 0..UNSENT_MAX as u64 + 5 {
        bench.handle(Input::Publish { record: dated(number) });
    }
    bench.accept(1);
    let sent = sent(&bench.outputs);
    assert_eq!((sent.len(), &sent[0].0), (UNSENT_MAX, &dated(5)));
}

#[test]
fn an_unmodified_daemon_never_gets_a_record_and_a_pip_0038_peer_does_from_the_moment_it_is_known() {
    let mut bench = Bench::new();
    let one = bench.accept(1);
    let daemon = bench.try_accept(pascal_peer(2)).unwrap();
    let literal = bench.try_accept(pascal_peer(3)).unwrap();
    assert!(sent(&bench.receive(one, &[dated(1)])).is_empty());
    let speaks = |carries| nightjar_core::item::Control::Speaks { carries, node_key: None, tls_port: 0 };
    bench.handle(Input::Control { link: daemon, control: speaks(Carries::Nothing) });
    bench.handle(Input::Control { link: literal, control: speaks(Carries::Records) });
    assert_eq!(sent(&bench.receive(one, &[dated(2)])), [(dated(2), set(&[literal]))]);
}

#[test]
fn repeats_that_links_dropped_are_counted_and_another_body_is_told_apart() {
    let mut bench = Bench::new();
    let (one, two) = (bench.accept(1), bench.accept(2));
    bench.receive(one, &[dated(1)]);
    let view = bench.router.seen_view();
    let (true_copy, _) = RecordRef::parse(dated(1).bytes()).map(|(record, used)| (view.digest(record), used)).unwrap();
    for digest in [true_copy, true_copy ^ 1] {
        let repeats = vec![Repeat { msg_id: dated(1).msg_id(), digest, tag: 0 }];
        let batch = Batch { repeats, ..Batch::default() };
        bench.handle(Input::Received { link: two, how: How::Flooded, batch });
    }
    let counters = bench.router.counters();
    assert_eq!((counters.repeats, counters.forged), (1, 1));
}

#[test]
fn an_id_is_seen_until_no_clock_lets_its_record_live() {
    let mut bench = Bench::new();
    let (one, _two) = (bench.accept(1), bench.accept(2));
    let record = Record::dated(target(), b"long", START_S + 3660, 0, [0; 8]).unwrap();
    assert_eq!(sent(&bench.receive(one, std::slice::from_ref(&record))).len(), 1);
    for _ in 0..90 {
        bench.pass(60_000);
        assert!(sent(&bench.receive(one, std::slice::from_ref(&record))).is_empty());
    }
    // Not even when somebody sets our clock back.
    bench.wall_ms -= 90 * 60_000;
    assert!(sent(&bench.receive(one, &[record])).is_empty());
}

#[test]
fn a_million_random_ids_take_no_more_memory_than_the_tables_have() {
    let mut bench = Bench::with(|config| config.budgets = None);
    let one = bench.accept(1);
    let capacity = 2 * (1 << 20) / 8;
    for start in (0..1_000_000u64).step_by(1000) {
        let batch: Vec<_> = (start..start + 1000).map(plain).collect();
        bench.receive(one, &batch);
        bench.outputs.clear();
    }
    let counters = bench.router.counters();
    assert!(counters.seen_live <= capacity && counters.seen_evicted > 0, "{counters:?}");
    assert!(reports(&bench.pass(10_000)).iter().any(|report| matches!(report, Report::SeenOverflow { .. })));
}

#[test]
fn what_an_earlier_process_saw_is_not_flooded_again() {
    let mut before = Bench::with(|config| config.dated_key = Some([3; 16]));
    let one = before.accept(1);
    before.receive(one, &[dated(1)]);
    let entries: Vec<_> = before.router.seen_view().dated_entries().collect();
    let mut after = Bench::with(|config| config.dated_key = Some([3; 16]));
    after.router.restore_seen(entries);
    let (one, _two) = (after.accept(1), after.accept(2));
    assert!(sent(&after.receive(one, &[dated(1)])).is_empty());
    assert_eq!(sent(&after.receive(one, &[dated(2)])).len(), 1);
}

#[test]
fn what_comes_on_a_link_that_was_ended_is_dropped() {
    let mut bench = Bench::new();
    let (one, _two) = (bench.accept(1), bench.accept(2));
    bench.disconnect(one, Closed::ByUs);
    assert!(bench.receive(one, &[dated(1)]).is_empty());
}

#[test]
fn one_seed_gives_one_run() {
    let run = || {
        let mut bench = Bench::new();
        let links: Vec<_> = (1..=4).map(|number| bench.accept(number)).collect();
        for number in 0..500 {
            bench.receive(links[number as usize % 4], &[dated(number), plain(number)]);
            bench.pass(number % 7);
        }
        format!("{:?}", bench.outputs)
    };
    assert_eq!(run(), run());
}

#[test]
fn another_body_under_the_id_of_a_dated_record_is_dropped_as_forged() {
    let mut bench = Bench::new();
    let (one, two) = (bench.accept(1), bench.accept(2));
    let second = Record::plain(MsgId(dated(1).msg_id().0), target(), dated(2).payload()).unwrap();
    assert!(second.stamp().is_none(), "an id that does not match makes a plain record");
    assert_eq!(sent(&bench.receive(one, &[dated(1)])).len(), 1);
    assert!(sent(&bench.receive(two, &[second])).is_empty());
    assert_eq!(bench.router.counters().forged, 1);
}

fn tiny_budgets(config: &mut RouterConfig) {
    let one = Budget { per_peer: 1, per_node: 5 };
    config.budgets = Some(Budgets { worked: one, dated: one, plain: one });
}

#[test]
fn a_clock_an_hour_off_breaks_nothing() {
    let mut bench = Bench::new();
    let (one, _two) = (bench.accept(1), bench.accept(2));
    bench.wall_ms += 3_600_000;
    let outputs = bench.handle(Input::Tick);
    assert_eq!(reports(&outputs), [Report::ClockStepped { by_ms: 3_600_000 }]);
    assert!(sent(&bench.receive(one, &[dated(1)])).is_empty(), "by our clock it is over");
    bench.wall_ms -= 3_600_000;
    assert_eq!(sent(&bench.receive(one, &[dated(1)])).len(), 1, "it was not marked as seen");
}

#[test]
fn dated_records_are_kept_in_the_window_if_there_is_one() {
    for (window, kept) in [(false, vec![]), (true, vec![dated(1), dated(2)])] {
        let mut bench = Bench::with(|config| config.window = window);
        let one = bench.accept(1);
        let mut outputs = bench.receive(one, &[dated(1), plain(1), dated(1)]);
        outputs.extend(bench.handle(Input::Publish { record: dated(2) }));
        outputs.extend(bench.handle(Input::Publish { record: plain(2) }));
        assert_eq!(keeps(&outputs), kept);
    }
}

#[test]
fn what_was_fetched_is_flooded_if_it_is_new_and_else_only_kept_and_delivered() {
    let mut bench = Bench::with(|config| config.window = true);
    let (one, two) = (bench.accept(1), bench.accept(2));
    bench.handle(Input::Listen { target: target(), on: true });
    bench.receive(one, &[dated(1)]);
    let mut fetch = |records: &[Record]| {
        let records = records.iter().map(|record| (record.clone(), 0)).collect();
        bench.handle(Input::Received { link: one, how: How::Fetched, batch: Batch { records, ..Batch::default() } })
    };
    let outputs = fetch(&[dated(1), dated(2)]);
    assert_eq!(sent(&outputs), [(dated(2), set(&[two]))]);
    assert_eq!(keeps(&outputs), [dated(1), dated(2)]);
    // Who has it already knows it: an earlier process may have ended between the two.
    assert_eq!(delivered(&outputs), [dated(1), dated(2)]);
    let past = Record::dated(target(), b"x", START_S - 61, 0, [0; 8]).unwrap();
    assert!(fetch(&[past]).is_empty(), "what is late is no business of the router's");
}
