//! What a network promises: every node gets every record, once, whatever some nodes and links do.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs, reason = "a test may fail loudly")]

mod common;

use common::*;
use nightjar_sim::{Scenario, run};

#[test]
fn two_hundred_routers_deliver_each_record_exactly_once() {
    let report = run(&Scenario::default(), 1);
    assert_eq!((report.nodes, report.records), (200, 100));
    assert_eq!(report.expected, 200 * 100);
    assert!(report.is_complete() && report.is_sound(), "{report}");
    assert_eq!(report.counters.accepted + report.counters.published, 200 * 100);
    // On each link each way once, less the one way each node but the first got it by; some cross on the way.
    let most = (2 * report.links - (report.nodes - 1)) * report.records;
    assert!(report.arrived <= most && report.arrived > 199 * 100, "{} of {most} arrivals", report.arrived);
    assert_eq!(report.arrived, report.counters.sent);
    assert_eq!(report.counters.repeats + report.counters.accepted, report.arrived);
}

#[test]
fn one_seed_gives_one_report_and_another_seed_another() {
    let scenario = scenario("nodes = 60\ndegree = [3, 6]\nloss = 0.1\nlossy_links = 0.5\nsilent = 0.1");
    let first = run(&scenario, 11);
    assert_eq!(first, run(&scenario, 11));
    assert_eq!(first.to_string(), run(&scenario, 11).to_string());
    assert_ne!(first, run(&scenario, 12));
}

#[test]
fn links_that_lose_everything_cut_off_only_whom_no_other_link_reaches() {
    for seed in 1..=5 {
        let report = run(&scenario("nodes = 120\ndegree = [1, 5]\nloss = 1.0\nlossy_links = 0.3"), seed);
        assert!(report.expected < report.nodes * report.records, "seed {seed}: nobody is cut off\n{report}");
        assert!(report.lost > 0 && report.is_complete() && report.is_sound(), "seed {seed}\n{report}");
    }
}

#[test]
fn what_some_links_lose_comes_over_others() {
    let report = run(&scenario("loss = 0.1\nlossy_links = 0.5"), 2);
    assert!(report.lost > 1000 && report.is_complete() && report.is_sound(), "{report}");
}

#[test]
fn a_fifth_of_silent_peers_stops_nothing() {
    let report = run(&scenario("silent = 0.2"), 3);
    assert!(report.expected >= report.records * 159, "{report}");
    assert!(report.is_complete() && report.is_sound(), "{report}");
}

/// To some everything is past, to others everything lies too far ahead.
#[test]
fn nodes_whose_clock_is_an_hour_off_neither_accept_nor_break() {
    for wrong_by_s in [3_600, -3_600] {
        let text = format!("wrong_clocks = 0.1\nwrong_by_s = {wrong_by_s}\nplain = 0\nlifetime_s = 900");
        let report = run(&scenario(&text), 4);
        assert_eq!(report.unexpected, 0, "{report}");
        assert_eq!(report.expected, 180 * report.records);
        assert_eq!(report.ended_links, 0, "who is in the minority blames nobody\n{report}");
        assert!(report.counters.expired > 0 && report.is_complete() && report.is_sound(), "{report}");
    }
}

#[test]
fn a_clock_that_is_half_a_minute_off_is_not_wrong() {
    for wrong_by_s in [30, -30] {
        let text = format!("wrong_clocks = 0.3\nwrong_by_s = {wrong_by_s}\nlifetime_s = 60");
        let report = run(&scenario(&text), 5);
        assert!(report.counters.expired == 0 && report.is_complete() && report.is_sound(), "{report}");
        assert_eq!(report.counters.accepted + report.counters.published, report.nodes * report.records);
    }
}

#[test]
fn what_fills_the_budgets_waits_and_is_not_lost() {
    let report = run(&scenario("nodes = 60\ndegree = [6, 10]\nrecords_per_s = 80\nduration_s = 30\nplain = 0"), 6);
    assert!(report.is_complete() && report.is_sound() && report.counters.over_budget == 0, "{report}");
}
