//! What a network stands: forged copies, floods, old records, ids without end, clocks that are set.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs, reason = "a test may fail loudly")]

mod common;

use common::*;
use nightjar_core::name::target_of_text;
use nightjar_core::record::Record;
use nightjar_core::router::{FRESH_BYTES_MAX, FRESH_MS_MAX};
use nightjar_core::time::Mono;
use nightjar_sim::{SETTLE_MS, World, run};

/// A neighbour that knows a record before the others do sends copies with another body under its id.
#[test]
fn a_copy_that_comes_before_the_true_record_takes_nobodys_place() {
    let mut world = World::new(&scenario("silent = 0.1"), 21);
    let (attacker, sender) = silent_and_honest(&world);
    let record = next_dated(&world, 10_000);
    let mut payload = record.payload().to_vec();
    payload[0] ^= 0x80;
    let copy = Record::plain(record.msg_id(), record.target(), &payload).unwrap();
    // It has the whole network to itself for ten seconds.
    world.speak(0, attacker, vec![copy]);
    world.publish(10_000, sender, record);
    world.run_until(SETTLE_MS);
    let report = world.report();
    assert!(report.is_complete() && report.delivered_again == 0, "{report}");
    // The copy is a plain record of its own, read as such: dated it is not, whatever it says.
    assert!(report.foreign > 0 && report.foreign <= report.nodes, "{report}");
}

#[test]
fn a_copy_that_races_the_true_record_takes_nobodys_place() {
    for head_start_ms in [0, 20, 100, 400] {
        let mut world = World::new(&scenario("silent = 0.1"), 22);
        let (attacker, _) = silent_and_honest(&world);
        let sender = neighbours(&world, attacker).iter().map(|(node, _)| *node).find(|node| world.is_in_order(*node));
        let record = next_dated(&world, 1_000);
        let copy = Record::plain(record.msg_id(), record.target(), b"a lie").unwrap();
        world.publish(1_000, sender.unwrap(), record);
        world.speak(1_000 + head_start_ms, attacker, vec![copy]);
        world.run_until(SETTLE_MS);
        let report = world.report();
        assert!(report.is_complete() && report.delivered_again == 0, "{head_start_ms} ms\n{report}");
    }
}

#[test]
fn a_copy_that_comes_after_the_true_record_reaches_nobody() {
    let mut world = World::new(&scenario("silent = 0.1"), 23);
    let (attacker, sender) = silent_and_honest(&world);
    let record = next_dated(&world, 0);
    let copies: Vec<_> = [&b"a lie"[..], record.payload(), b""]
        .iter()
        .map(|payload| {
            let target = if payload.len() > 16 { target_of_text("#elsewhere") } else { record.target() };
            Record::plain(record.msg_id(), target, payload).unwrap()
        })
        .collect();
    world.publish(0, sender, record);
    world.speak(20_000, attacker, copies);
    world.run_until(20_000 + SETTLE_MS);
    let report = world.report();
    assert!(report.is_complete() && report.is_sound(), "{report}");
    let neighbours = neighbours(&world, attacker).len() as u64;
    assert_eq!(report.counters.accepted, report.nodes - 1, "each neighbour stops the copies");
    assert!(report.counters.forged + report.counters.repeats >= 3 * neighbours, "{report}");
}

/// Ten times what one peer may send, for half a minute.
#[test]
fn a_flood_from_one_peer_stops_no_honest_record() {
    let text = "nodes = 100\ndegree = [6, 10]\nsilent = 0.01";
    let quiet = with_flood(World::new(&scenario(text), 24), 0);
    let flooded = with_flood(World::new(&scenario(text), 24), 200);
    for report in [&quiet, &flooded] {
        assert!(report.is_complete() && report.is_sound(), "{report}");
    }
    assert!(flooded.counters.over_budget > 1_000, "{flooded}");
    // What an honest node has of the flood is what its neighbours may let in: 20 a second and ten seconds' worth each.
    let [_, dated, _] = flooded.counters.by_class;
    let [_, honest, _] = quiet.counters.by_class;
    let let_in_a_node = (dated - honest) / 99;
    assert!(let_in_a_node <= 100 * 30 + 1000, "{let_in_a_node} of 6000 a node");
}

/// The neighbours of the forger check what their budgets let in, and nobody waits for it.
#[test]
fn forgeries_from_one_peer_neither_stop_nor_delay_signed_records() {
    let text = "nodes = 100\ndegree = [6, 10]\nsilent = 0.01\nsigned = 1\nplain = 0\nduration_s = 10\nforgeries = ";
    let [quiet, forged] = ["0", "10000"].map(|count| run(&scenario(&format!("{text}{count}")), 29));
    for report in [&quiet, &forged] {
        assert!(report.is_complete() && report.is_sound(), "{report}");
        assert_eq!(report.counters.checked - report.counters.bad_signatures, 50 * 99, "{report}");
        assert_eq!(report.ended_links, 0);
    }
    assert!(forged.counters.bad_signatures > 1_000, "{forged}");
    let [_, most, _] = quiet.latency_ms;
    assert!(forged.latency_ms[1] <= most * 11 / 10, "{quiet}{forged}");
}

fn with_flood(mut world: World, per_s: u64) -> nightjar_sim::Report {
    let (attacker, _) = silent_and_honest(&world);
    let elsewhere = target_of_text("#flood");
    for second in 0..30 {
        let flood =
            (0..per_s).map(|number| dated(elsewhere, &(second * per_s + number).to_le_bytes(), second * 1000, 600));
        let flood: Vec<_> = flood.collect();
        world.speak(second * 1000, attacker, flood);
        for part in 0..4 {
            let at_ms = second * 1000 + part * 250 + 7;
            let sender = (second * 4 + part) as usize % 100;
            if world.is_in_order(sender) {
                let record = next_dated(&world, at_ms);
                world.publish(at_ms, sender, record);
            }
        }
    }
    world.run_until(30_000 + SETTLE_MS);
    world.report()
}

#[test]
fn records_past_their_time_are_flooded_by_nobody() {
    let mut world = World::new(&scenario("nodes = 60\ndegree = [4, 8]\nsilent = 0.05"), 25);
    let (attacker, sender) = silent_and_honest(&world);
    let now_ms = 200_000;
    let record = next_dated(&world, 0);
    world.publish(0, sender, record.clone());
    world.run_until(now_ms);
    let accepted = world.report().counters.accepted;
    let old = (0..100u64).map(|number| dated(World::target(), &number.to_le_bytes(), now_ms - 100_000, 30));
    let far = (0..100u64).map(|number| dated(World::target(), &number.to_le_bytes(), now_ms, 3_700));
    world.speak(now_ms, attacker, old.chain(far).chain([record]).collect());
    world.run_until(now_ms + SETTLE_MS);
    let report = world.report();
    assert!(report.is_complete() && report.is_sound(), "{report}");
    assert_eq!(report.counters.accepted, accepted);
    assert_eq!(report.counters.expired, 200 * neighbours(&world, attacker).len() as u64);
}

/// Half an hour after a record has gone round, somebody who kept it sends it again.
#[test]
fn a_record_that_still_lives_is_not_delivered_again() {
    let mut world = World::new(&scenario("nodes = 60\ndegree = [4, 8]\nsilent = 0.05"), 26);
    let (attacker, sender) = silent_and_honest(&world);
    let record = dated(World::target(), &world.next_number(), 0, 3_600);
    world.publish(0, sender, record.clone());
    let last_ms = (3_600 + 60) * 1000;
    for at_ms in (60_000..last_ms).step_by(600_000) {
        world.speak(at_ms, attacker, vec![record.clone()]);
    }
    world.run_until(last_ms + SETTLE_MS);
    let report = world.report();
    assert!(report.is_complete() && report.is_sound(), "{report}");
    assert_eq!(report.counters.accepted, 59);
}

#[test]
fn a_million_random_ids_leave_memory_as_it_was() {
    for budgets in [true, false] {
        let text = format!("nodes = 3\ndegree = [2, 2]\nsilent = 0.34\nlatency_ms = [1, 1]\nbudgets = {budgets}");
        let mut world = World::new(&scenario(&text), 27);
        let (attacker, honest) = silent_and_honest(&world);
        let elsewhere = target_of_text("#flood");
        for at_ms in 0..1_000u64 {
            let records = (0..1_000).map(|number| {
                let number = at_ms * 1_000 + number;
                if number % 2 == 0 {
                    plain(number, elsewhere, &number.to_le_bytes())
                } else {
                    dated(elsewhere, &number.to_le_bytes(), at_ms, 600)
                }
            });
            let records = records.collect();
            world.speak(at_ms, attacker, records);
            world.run_until(at_ms);
        }
        world.run_until(1_000 + SETTLE_MS);
        let counters = world.router(honest).counters();
        // Two tables, 128 ids a KiB.
        assert!(counters.seen_live <= 2 * 128 * scenario(&text).seen_kib as u64, "{counters:?}");
        assert!(counters.fresh <= (FRESH_BYTES_MAX / (33 + 8)) as u64, "{counters:?}");
        assert_eq!(counters.seen_live + counters.seen_evicted, counters.accepted, "{counters:?}");
        if budgets {
            // Both classes of two neighbours: a burst of ten seconds, and a minute at the most of what comes later.
            assert!(counters.accepted <= 150 * 10 + 150 * (SETTLE_MS / 1000 + 1), "{counters:?}");
        } else {
            assert_eq!(counters.accepted, 1_000_000);
        }
        world.run_until(1_000 + SETTLE_MS + FRESH_MS_MAX + 20_000);
        assert_eq!(world.router(honest).counters().fresh, 0, "bodies go after two minutes");
    }
}

/// A laptop sleeps for an hour and wakes up: it takes part again at once, and repeats nothing.
#[test]
fn a_clock_that_is_set_right_takes_part_again() {
    let mut world = World::new(&scenario("nodes = 40\ndegree = [4, 8]"), 28);
    world.set_clock(0, 0, -3_600_000);
    world.run_until(1);
    let missed = next_dated(&world, 1);
    world.publish(1, 1, missed);
    world.run_until(3_000);
    assert_eq!(world.deliveries(0)[0], 0);
    world.set_clock(3_000, 0, 0);
    world.run_until(3_001);
    let heard = next_dated(&world, 3_001);
    world.publish(3_001, 1, heard);
    world.run_until(3_001 + SETTLE_MS);
    assert_eq!(world.deliveries(1)[0], 1);
    let report = world.report();
    assert!(report.is_complete() && report.is_sound(), "{report}");
    assert!(world.router(0).deadline() > Some(Mono(3_001)));
}
