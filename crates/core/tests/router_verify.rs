//! Records that are signed in clear go nowhere before their signature was checked, and checks are no way to hold a node up.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs, reason = "a test may fail loudly")]

mod router_common;

use nightjar_core::link::LinkId;
use nightjar_core::record::{CODING_ENVELOPE, Record, SIGNED_BODY_BYTES_MIN};
use nightjar_core::router::{
    BAD_CHECK_COST, Budget, Budgets, CHECK_MS_MAX, CHECKS_PER_PEER, CHECKS_WAITING_MAX, Check, Closed, Input, Output,
    RouterConfig, Verdict,
};
use router_common::*;

/// A record that is worth a check, whether it holds or not.
fn signed(number: u64) -> Record {
    signed_until(number, START_S + 600)
}

fn signed_until(number: u64, expiry: u32) -> Record {
    let mut body = vec![7; SIGNED_BODY_BYTES_MIN];
    body[0] = 2;
    Record::dated(target(), &body, expiry, CODING_ENVELOPE, number.to_le_bytes()).unwrap()
}

fn checks(outputs: &[Output]) -> Vec<Check> {
    let checks = outputs.iter().filter_map(|output| match output {
        Output::Verify(checks) => Some(checks.clone()),
        _ => None,
    });
    checks.flatten().collect()
}

fn answer(bench: &mut Bench, checks: &[Check], holds: bool) -> Vec<Output> {
    let verdicts = checks.iter().map(|check| Verdict { number: check.number, holds }).collect();
    bench.handle(Input::Verified { verdicts })
}

fn bench_of(links: u8, change: impl FnOnce(&mut RouterConfig)) -> (Bench, Vec<LinkId>) {
    let mut bench = Bench::with(change);
    let links = (1..=links).map(|number| bench.accept(number)).collect();
    bench.handle(Input::Listen { target: target(), on: true });
    (bench, links)
}

fn no_class_budgets(config: &mut RouterConfig) {
    let plenty = Budget { per_peer: 1_000_000, per_node: 1_000_000 };
    config.budgets = Some(Budgets { worked: plenty, dated: plenty, plain: plenty });
}

#[test]
fn only_what_begins_like_a_signed_body_is_worth_a_check() {
    let good = signed(1);
    assert!(good.is_worth_a_check());
    let body = good.body();
    let made = |body: &[u8], coding| Record::dated(target(), body, START_S, coding, [0; 8]).unwrap();
    assert!(!made(body, 0).is_worth_a_check());
    assert!(!made(body, 2).is_worth_a_check());
    assert!(!made(&body[..SIGNED_BODY_BYTES_MIN - 1], CODING_ENVELOPE).is_worth_a_check());
    assert!(!made(b"", CODING_ENVELOPE).is_worth_a_check());
    for form in [0, 1, 3, 4, 8] {
        assert!(!made(&[&[form], &body[1..]].concat(), CODING_ENVELOPE).is_worth_a_check());
    }
    assert!(!Record::plain(good.msg_id(), target(), body).unwrap().is_worth_a_check());
}

#[test]
fn a_record_goes_on_when_its_signature_holds_and_not_before() {
    let (mut bench, links) = bench_of(3, |_| {});
    let outputs = bench.receive(links[0], &[signed(1), dated(2)]);
    assert_eq!(sent(&outputs), [(dated(2), set(&links[1..]))], "others do not wait for it");
    let asked = checks(&outputs);
    assert_eq!(asked.iter().map(|check| check.record.clone()).collect::<Vec<_>>(), [signed(1)]);
    let outputs = answer(&mut bench, &asked, true);
    assert_eq!(sent(&outputs), [(signed(1), set(&links[1..]))]);
    assert_eq!(delivered(&outputs), [signed(1)]);
    assert!(bench.receive(links[1], &[signed(1)]).is_empty(), "it was seen");
    assert!(answer(&mut bench, &asked, true).is_empty(), "an answer counts once");
    let counters = bench.router.counters();
    assert_eq!((counters.checked, counters.accepted, counters.checks_waiting), (1, 2, 0));
}

#[test]
fn a_record_whose_signature_does_not_hold_goes_nowhere_and_is_checked_once() {
    let (mut bench, links) = bench_of(3, |_| {});
    let asked = checks(&bench.receive(links[0], &[signed(1)]));
    assert!(answer(&mut bench, &asked, false).is_empty());
    for link in &links {
        assert!(bench.receive(*link, &[signed(1)]).is_empty());
    }
    let counters = bench.router.counters();
    assert_eq!((counters.checked, counters.bad_signatures, counters.accepted), (1, 4, 0));
    let faults: u32 = bench.router.open_links().map(|(_, _, counters, _)| counters.fault_points).sum();
    assert_eq!(faults, 0, "a relay need not check");
}

#[test]
fn a_copy_that_comes_meanwhile_is_neither_checked_twice_nor_echoed() {
    for holds in [true, false] {
        let (mut bench, links) = bench_of(3, |_| {});
        let asked = checks(&bench.receive(links[0], &[signed(1), signed(1)]));
        assert_eq!(asked.len(), 1);
        assert!(bench.receive(links[1], &[signed(1)]).is_empty());
        let outputs = answer(&mut bench, &asked, holds);
        let expected = if holds { vec![(signed(1), set(&links[2..]))] } else { Vec::new() };
        assert_eq!(sent(&outputs), expected);
        assert_eq!(delivered(&outputs).len(), usize::from(holds));
        assert_eq!(bench.router.counters().repeats, 2);
    }
}

#[test]
fn a_record_of_ours_is_not_checked() {
    let (mut bench, links) = bench_of(2, |_| {});
    let outputs = bench.handle(Input::Publish { record: signed(1) });
    assert_eq!(sent(&outputs), [(signed(1), set(&links))]);
    assert!(checks(&outputs).is_empty());
}

#[test]
fn a_record_that_expired_while_it_waited_goes_nowhere() {
    let (mut bench, links) = bench_of(2, |_| {});
    let asked = checks(&bench.receive(links[0], &[signed_until(1, START_S - 59)]));
    bench.pass(5_000);
    assert!(answer(&mut bench, &asked, true).is_empty());
    assert_eq!(bench.router.counters().expired, 1);
}

#[test]
fn who_sends_bad_signatures_soon_has_none_checked_and_takes_no_honest_peers_place() {
    let (mut bench, links) = bench_of(6, no_class_budgets);
    let burst = u64::from(CHECKS_PER_PEER) * 10;
    let mut checked = 0;
    for number in 0..10_000 {
        let asked = checks(&bench.receive(links[0], &[signed(number)]));
        checked += asked.len() as u64;
        answer(&mut bench, &asked, false);
    }
    assert_eq!(checked, burst / u64::from(BAD_CHECK_COST));
    let counters = bench.router.counters();
    assert_eq!((counters.bad_signatures, counters.checks_over_budget), (checked, 10_000 - checked));
    // The same record by an honest peer: what was dropped unchecked is looked at, what was found bad is known.
    assert!(checks(&bench.receive(links[0], &[signed(20_000)])).is_empty());
    let asked = checks(&bench.receive(links[1], &[signed(20_000), signed(0)]));
    assert_eq!(asked.iter().map(|check| check.record.clone()).collect::<Vec<_>>(), [signed(20_000)]);
    assert_eq!(sent(&answer(&mut bench, &asked, true)).len(), 1);
    // And it has checks again as time goes on, a tenth as many.
    bench.pass(1_000);
    let mut again = 0;
    for number in 30_000..31_000 {
        let asked = checks(&bench.receive(links[0], &[signed(number)]));
        again += asked.len() as u32;
        answer(&mut bench, &asked, false);
    }
    assert_eq!(again, CHECKS_PER_PEER / BAD_CHECK_COST);
    assert!(ended(&bench.outputs).is_empty());
}

#[test]
fn a_debt_is_the_links_and_goes_with_it() {
    let (mut bench, links) = bench_of(6, no_class_budgets);
    let spam: Vec<_> = (0..3_000).map(signed).collect();
    let asked = checks(&bench.receive(links[0], &spam));
    assert_eq!(asked.len(), 2_000);
    bench.disconnect(links[0], Closed::ByUs);
    answer(&mut bench, &asked, false);
    // Every other slot is taken once before this one comes again.
    for number in 0..=nightjar_core::link::LINKS_MAX as u64 {
        let link = bench.accept(100);
        assert_eq!(checks(&bench.receive(link, &[signed(10_000 + number)])).len(), 1);
        bench.disconnect(link, Closed::ByUs);
    }
}

#[test]
fn a_new_link_in_the_place_of_one_that_brought_a_record_gets_it() {
    let (mut bench, links) = bench_of(2, |_| {});
    let asked = checks(&bench.receive(links[0], &[signed(1)]));
    bench.disconnect(links[0], Closed::ByUs);
    let next = loop {
        let link = bench.accept(100);
        if link.slot() == links[0].slot() {
            break link;
        }
        bench.disconnect(link, Closed::ByUs);
    };
    assert_eq!(sent(&answer(&mut bench, &asked, true)), [(signed(1), set(&[links[1], next]))]);
}

#[test]
fn only_so_many_records_wait_and_the_next_copy_of_others_is_looked_at() {
    let (mut bench, links) = bench_of(2, |config| config.budgets = None);
    let all: Vec<_> = (0..CHECKS_WAITING_MAX as u64 + 10).map(signed).collect();
    assert_eq!(bench.router.checks_room(), CHECKS_WAITING_MAX);
    let asked = checks(&bench.receive(links[0], &all));
    assert_eq!((asked.len(), bench.router.checks_room()), (CHECKS_WAITING_MAX, 0));
    assert_eq!(bench.router.counters().checks_dropped, 10);
    assert_eq!(sent(&answer(&mut bench, &asked, true)).len(), CHECKS_WAITING_MAX);
    assert_eq!(checks(&bench.receive(links[0], &all)).len(), 10);
}

#[test]
fn a_check_that_nobody_makes_is_given_up_and_can_be_asked_for_again() {
    let (mut bench, links) = bench_of(2, |_| {});
    let asked = checks(&bench.receive(links[0], &[signed(1)]));
    bench.pass(2 * CHECK_MS_MAX + 1_000);
    let counters = bench.router.counters();
    assert_eq!((counters.checks_waiting, counters.checks_dropped), (0, 1));
    assert!(answer(&mut bench, &asked, true).is_empty(), "too late");
    assert_eq!(checks(&bench.receive(links[1], &[signed(1)])).len(), 1);
}

#[test]
fn what_waits_for_the_budget_of_its_class_is_checked_after_it() {
    let one = Budget { per_peer: 1, per_node: 1 };
    let (mut bench, links) =
        bench_of(5, |config| config.budgets = Some(Budgets { worked: one, dated: one, plain: one }));
    let all: Vec<_> = (0..20).map(signed).collect();
    let mut asked = checks(&bench.receive(links[0], &all));
    assert_eq!(asked.len(), 10);
    asked.extend(checks(&bench.pass(5_000)));
    assert!((14..=15).contains(&asked.len()), "{}", asked.len());
    assert_eq!(sent(&answer(&mut bench, &asked, true)).len(), asked.len());
}
