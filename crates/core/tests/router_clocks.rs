//! Clocks that are wrong, step, or disagree: they are reported, and nobody is blamed for what may be our own clock.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs, reason = "a test may fail loudly")]

mod router_common;

use nightjar_core::fault::Fault;
use nightjar_core::item::ByeCode;
use nightjar_core::link::{LinkId, PeerInfo};
use nightjar_core::router::{Input, Report};
use router_common::*;

#[test]
fn a_clock_that_is_set_is_reported_with_how_far() {
    let mut bench = Bench::new();
    bench.wall_ms += 3_600_000;
    assert_eq!(reports(&bench.pass(10_000)), [Report::ClockStepped { by_ms: 3_600_000 }]);
    bench.wall_ms -= 3_600_000;
    assert_eq!(reports(&bench.pass(10_000)), [Report::ClockStepped { by_ms: -3_600_000 }]);
    bench.wall_ms += 5_000;
    assert_eq!(reports(&bench.pass(10_000)), []);
}

/// What peers' clocks showed when they said hello was measured with the clock as it was then.
#[test]
fn a_clock_that_was_set_right_is_not_said_to_disagree_any_more() {
    let mut bench = Bench::new();
    accept_ahead(&mut bench, 1..=4, 3600);
    assert_eq!(reports(&bench.pass(60_000)), [Report::ClockDisagrees { ahead_s: 3600, peers: 4 }]);
    bench.wall_ms += 3_600_000;
    assert_eq!(reports(&bench.pass(60_000)), [Report::ClockStepped { by_ms: 3_600_000 }]);
    accept_ahead(&mut bench, 5..=8, 0);
    assert_eq!(reports(&bench.pass(60_000)), []);
}

#[test]
fn a_clock_that_was_set_wrong_is_said_to_disagree_as_soon_as_peers_say_hello_again() {
    let mut bench = Bench::new();
    accept_ahead(&mut bench, 1..=4, 0);
    bench.wall_ms += 3_600_000;
    bench.pass(60_000);
    accept_ahead(&mut bench, 5..=7, -3600);
    assert_eq!(reports(&bench.pass(60_000)), [Report::ClockDisagrees { ahead_s: -3600, peers: 3 }]);
}

/// A node whose own clock is wrong would let all its peers go, and leave them alone for an hour.
#[test]
fn peers_that_most_others_agree_with_are_not_blamed_for_old_records() {
    for ahead_s in [3600, -3600] {
        let mut bench = Bench::new();
        let links = accept_ahead(&mut bench, 1..=3, ahead_s);
        assert_eq!(blame(&mut bench, &links), []);
    }
}

#[test]
fn nobody_is_blamed_for_old_records_between_a_step_of_our_clock_and_the_next_hello() {
    let mut bench = Bench::new();
    let links = accept_ahead(&mut bench, 1..=3, 0);
    bench.wall_ms += 3_600_000;
    assert_eq!(blame(&mut bench, &links), []);
}

#[test]
fn a_peer_against_whose_clock_the_others_are_with_us_is_blamed_for_old_records() {
    let mut bench = Bench::new();
    accept_ahead(&mut bench, 1..=2, 0);
    let links = accept_ahead(&mut bench, 3..=3, 3600);
    assert_eq!(blame(&mut bench, &links), [(links[0], ByeCode::Fault)]);
}

#[test]
fn other_faults_are_blamed_whatever_the_clock_says() {
    let mut bench = Bench::new();
    let links = accept_ahead(&mut bench, 1..=3, 3600);
    bench.handle(Input::Faulted { link: links[0], fault: Fault::TooMany });
    bench.handle(Input::Faulted { link: links[0], fault: Fault::TooMany });
    let points: Vec<_> = bench.router.open_links().map(|(link, _, counted, _)| (link, counted.fault_points)).collect();
    assert!(points.contains(&(links[0], 100)), "{points:?}");
}

fn accept_ahead(bench: &mut Bench, numbers: std::ops::RangeInclusive<u8>, clock_ahead_s: i64) -> Vec<LinkId> {
    numbers.map(|number| bench.try_accept(PeerInfo { clock_ahead_s, ..peer(number) }).unwrap()).collect()
}

/// Each link brings old records twenty times; which links end.
fn blame(bench: &mut Bench, links: &[LinkId]) -> Vec<(LinkId, ByeCode)> {
    let faults = links.iter().flat_map(|link| std::iter::repeat_n(*link, 20));
    faults.flat_map(|link| ended(&bench.handle(Input::Faulted { link, fault: Fault::Expired }))).collect()
}
