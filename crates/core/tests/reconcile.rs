//! What catch-up promises: after an exchange both sides have what either had, in whatever steps it went.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs, reason = "a test may fail loudly")]

mod reconcile_common;

use std::collections::BTreeSet;

use nightjar_core::reconcile::{
    Budget, End, Entry, HOUR_S, Index as _, Limits, MESSAGE_BYTES_MAX, MemoryIndex, NOTED_MAX, Tally,
};
use proptest::prelude::*;

use reconcile_common::{ALL, HOUR, Pair, RECORD_BYTES, entries, entry, hours, index};

#[test]
fn equal_sets_are_told_by_their_hours_alone() {
    let all = || index((0..10_000).map(|number| entry(number * 60, number.into())));
    let mut pair = Pair::new(all(), all(), hours(168));
    assert_eq!(pair.run(|| ALL), (End::Complete, End::Complete));
    assert_eq!((pair.cost.records, pair.cost.rounds), (0, 0));
    assert!(pair.asks.session.is_closed() && pair.answers.session.is_closed());
    assert!(pair.cost.bytes() < 10_000, "{:?}", pair.cost);
}

#[test]
fn a_side_that_has_nothing_is_served_by_the_hour_without_one_id() {
    let mut pair = Pair::new(index([]), index((0..10_000).map(|number| entry(number, number.into()))), hours(168));
    assert_eq!(pair.run(|| ALL), (End::Complete, End::Complete));
    assert_eq!((pair.asks.got.len(), pair.answers.got.len(), pair.cost.rounds), (10_000, 0, 0));
    assert!(pair.cost.bytes() - 10_000 * RECORD_BYTES < 14_000, "{:?}", pair.cost);
}

#[test]
fn the_side_that_answers_may_be_the_one_that_lacks() {
    let mut pair = Pair::new(index((0..10_000).map(|number| entry(number, number.into()))), index([]), hours(168));
    assert_eq!(pair.run(|| ALL), (End::Complete, End::Complete));
    assert_eq!((pair.asks.got.len(), pair.answers.got.len()), (0, 10_000));
}

#[test]
fn the_newest_hours_come_first_and_progress_is_told() {
    let mut pair = Pair::new(index([]), index((0..168).map(|hour| entry(hour * HOUR_S, hour.into()))), hours(168));
    for _ in 0..3 {
        pair.step(Budget { bytes: MESSAGE_BYTES_MAX + 3_000, ..ALL });
    }
    let progress = pair.asks.session.progress();
    assert_eq!((progress.hours, progress.promised), (168, 168));
    assert!(0 < progress.fetched && progress.fetched < 168, "{progress:?}");
    pair.run(|| ALL);
    let expiries: Vec<_> = pair.asks.got.iter().map(|entry| entry.expiry).collect();
    assert!(expiries.is_sorted_by(|a, b| a > b));
    let progress = pair.asks.session.progress();
    assert_eq!((progress.hours_done, progress.fetched), (168, 168));
    assert_eq!((pair.answers.session.progress().hours_done, pair.answers.session.progress().served), (168, 168));
}

#[test]
fn hours_that_one_side_does_not_keep_are_no_difference() {
    let long = index((0..100_000).step_by(10).map(|second| entry(second, second.into())));
    let mut pair = Pair::with(
        long,
        index([]),
        hours(28),
        nightjar_core::reconcile::Hours::new(HOUR + 27, 1).unwrap(),
        Limits::default(),
    );
    assert_eq!(pair.run(|| ALL), (End::Complete, End::Complete));
    assert_eq!(pair.answers.got.len(), 280);
    let apart = nightjar_core::reconcile::Hours::new(HOUR + 500, 9).unwrap();
    let mut pair = Pair::with(index([entry(1, 1)]), index([]), hours(2), apart, Limits::default());
    assert_eq!(pair.run(|| ALL), (End::Complete, End::Complete));
    assert_eq!(pair.cost.records, 0);
}

#[test]
fn a_limit_stops_the_fetching_and_the_next_exchange_goes_on() {
    let all = || index((0..5_000).map(|number| entry(number * 100, number.into())));
    let limits = Limits { fetch_bytes: 2_000 * RECORD_BYTES, ..Limits::default() };
    let mut pair = Pair::with(index([]), all(), hours(168), hours(168), limits);
    assert_eq!(pair.run(|| ALL), (End::Full, End::Complete));
    assert!((1_999..=2_000).contains(&pair.asks.got.len()), "{}", pair.asks.got.len());
    let came = pair.asks.got.len();
    let mut pair = Pair::new(pair.asks.index, all(), hours(168));
    assert_eq!(pair.run(|| ALL), (End::Complete, End::Complete));
    assert_eq!(pair.asks.got.len() + came, 5_000);
    assert!(pair.cost.rounds < 3, "one hour was left half: {:?}", pair.cost);
}

#[test]
fn a_side_that_may_fetch_nothing_still_serves() {
    let limits = Limits { fetch_bytes: 0, ..Limits::default() };
    let some = |from: u32| index((from..from + 400).map(|number| entry(number * 10, number.into())));
    let mut pair = Pair::with(some(0), some(200), hours(2), hours(2), Limits::default());
    pair.answers.session = nightjar_core::reconcile::Session::answer(reconcile_common::now(), hours(2), limits);
    assert_eq!(pair.run(|| ALL), (End::Complete, End::Full));
    assert_eq!((pair.asks.got.len(), pair.answers.got.len()), (200, 0));
}

#[test]
fn what_is_noted_is_neither_fetched_nor_told_of() {
    let mut asks = index([entry(1, 1)]);
    asks.note(entry(2, 2));
    let mut answers = index([entry(1, 1), entry(2, 2), entry(3, 3)]);
    answers.note(entry(4, 4));
    let mut pair = Pair::new(asks, answers, hours(1));
    assert_eq!(pair.run(|| ALL), (End::Complete, End::Complete));
    assert_eq!(pair.asks.got, [entry(3, 3)]);
    assert!(pair.answers.got.is_empty());
}

#[test]
fn what_was_refused_is_not_fetched_again_with_its_hour() {
    let held: Vec<_> = (0..40).map(|number| entry(number * 60, number.into())).collect();
    // Whoever asks: all of the hour was refused, or all but one.
    for refused in [40, 39] {
        for asks in [true, false] {
            let mut picky = index([]);
            held.iter().take(refused).for_each(|entry| picky.note(*entry));
            let (a, b) = if asks { (picky, index(held.clone())) } else { (index(held.clone()), picky) };
            let mut pair = Pair::new(a, b, hours(1));
            assert_eq!(pair.run(|| ALL), (End::Complete, End::Complete));
            let got = if asks { pair.asks.got } else { pair.answers.got };
            // Who is only told of the hour sees no ids, and has it served once more.
            let expected = match (refused, asks) {
                (40, _) => 0,
                (_, true) => 1,
                _ => 40,
            };
            assert_eq!(got.len(), expected, "{refused} refused, asks: {asks}");
        }
    }
}

#[test]
fn notes_have_a_bound() {
    let mut index = MemoryIndex::default();
    (0..=NOTED_MAX as u32).for_each(|number| index.note(entry(number, number.into())));
    assert!(index.wants(&entry(0, 0)), "the oldest went");
    assert!(!index.wants(&entry(1, 1)));
    assert!(index.insert(entry(1, 1)) && !index.insert(entry(1, 1)));
    assert_eq!(index.len(), 1);
}

#[test]
fn the_last_place_of_all_is_a_place_like_others() {
    let last = Entry { expiry: u32::MAX, id: [0xff; 16] };
    let mut index = index([last]);
    index.note(Entry { expiry: u32::MAX, id: [0xfe; 16] });
    assert_eq!(index.len(), 1);
    // It lies in no hour that is ever compared; asking for it upsets nothing.
    index.wants(&last);
    assert!(index.remove(&last));
}

#[test]
fn a_week_with_twenty_thousand_missing_takes_little_more_than_the_records() {
    // 60,000 records in 7 days; one side was off for two days and some minutes. Lives of ten minutes, an hour, or less.
    let lives = [600, 600, 600, 3_600, 60];
    let records =
        (0..60_000u32).map(|number| (number * 10, entry(number * 10 + lives[number as usize % 5], number.into())));
    let (off, on) = (300_000, 500_000);
    let present: Vec<_> =
        records.clone().filter(|(sent, _)| !(off..on).contains(sent)).map(|(_, entry)| entry).collect();
    assert_eq!(present.len(), 40_000);
    let mut pair = Pair::new(index(present), index(records.map(|(_, entry)| entry)), hours(168));
    assert_eq!(pair.run(|| ALL), (End::Complete, End::Complete));
    assert_eq!((pair.asks.got.len(), pair.answers.got.len()), (20_000, 0));
    let missing = 20_000 * RECORD_BYTES;
    println!(
        "20,000 missing at a stretch: {:?}, {:.4} of the records",
        pair.cost,
        pair.cost.bytes() as f64 / missing as f64
    );
    assert!(pair.cost.bytes() <= missing * 12 / 10 + 65_536, "{:?}", pair.cost);
}

#[test]
fn the_index_in_memory_is_a_sorted_set() {
    let numbers: Vec<u64> = (0..3_000).map(|number| number * 7_919 % 3_000).collect();
    let mut held = MemoryIndex::default();
    let mut wanted = BTreeSet::new();
    for number in &numbers {
        let entry = entry((*number % 5_000) as u32, *number);
        assert_eq!(held.insert(entry), wanted.insert(entry));
    }
    assert_eq!(entries(&held, hours(2)), wanted);
    held.settle(&mut 1_000_000);
    assert_eq!(held.tally(HOUR), Some(Tally::of(wanted.iter().copied())));
    for number in numbers.iter().filter(|number| *number % 3 != 0) {
        let entry = entry((*number % 5_000) as u32, *number);
        assert!(held.remove(&entry) && !held.remove(&entry));
        wanted.remove(&entry);
    }
    assert_eq!(held.tally(HOUR), None);
    assert_eq!((entries(&held, hours(2)), held.len()), (wanted.clone(), wanted.len()));
    let mut work = 10;
    held.settle(&mut work);
    assert_eq!((held.tally(HOUR), work), (None, 10), "an hour is settled as a whole or not");
    held.forget_before(&nightjar_core::reconcile::Hours::new(HOUR + 1, 1).unwrap());
    assert!(held.is_empty());
}

/// Entries over some hours; those of a few seconds lie close together.
fn any_entries() -> impl Strategy<Value = (Vec<(Entry, u8)>, u32)> {
    let seconds = prop_oneof![Just(1u32), Just(60), Just(HOUR_S), Just(5 * HOUR_S)];
    (seconds, 0usize..3_000, 0u8..=20).prop_flat_map(|(seconds, count, common)| {
        let one = (0..seconds, any::<u64>(), 0u8..20)
            .prop_map(move |(second, number, who)| (entry(second, number), if who < common { 2 } else { who % 2 }));
        (prop::collection::vec(one, count), Just(seconds))
    })
}

fn split(all: &[(Entry, u8)]) -> (MemoryIndex, MemoryIndex) {
    let of = |side: u8| index(all.iter().filter(|(_, who)| *who == side || *who == 2).map(|(entry, _)| *entry));
    (of(0), of(1))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_two_sets_end_up_equal_and_nothing_is_sent_that_was_there(
        (all, _) in any_entries(), works in prop::collection::vec(1u64..3_000, 1..20), bytes in 0usize..100_000, settled: bool,
    ) {
        let (mut asks, mut answers) = split(&all);
        if settled {
            asks.settle(&mut u64::MAX.clone());
            answers.settle(&mut u64::MAX.clone());
        }
        let (a, b) = (entries(&asks, hours(6)), entries(&answers, hours(6)));
        let mut pair = Pair::new(asks, answers, hours(6));
        let mut works = works.iter().cycle();
        let ends = pair.run(|| Budget { work: *works.next().unwrap(), bytes: MESSAGE_BYTES_MAX + bytes });
        prop_assert_eq!(ends, (End::Complete, End::Complete));
        prop_assert_eq!(entries(&pair.asks.index, hours(6)), a.union(&b).copied().collect::<BTreeSet<_>>());
        prop_assert_eq!(entries(&pair.answers.index, hours(6)), entries(&pair.asks.index, hours(6)));
        prop_assert_eq!(pair.asks.got.len(), b.difference(&a).count());
        prop_assert_eq!(pair.answers.got.len(), a.difference(&b).count());
    }

    #[test]
    fn an_exchange_that_breaks_off_is_gone_on_with_by_the_next(
        (all, _) in any_entries(), steps in prop::collection::vec(1usize..30, 0..5), bytes in 0usize..20_000,
    ) {
        let (asks, answers) = split(&all);
        let (a, b) = (entries(&asks, hours(6)), entries(&answers, hours(6)));
        let mut pair = Pair::new(asks, answers, hours(6));
        let mut sent = 0;
        for steps in steps {
            for _ in 0..steps {
                pair.step(Budget { work: 5_000, bytes: MESSAGE_BYTES_MAX + bytes });
            }
            sent += pair.asks.got.len() + pair.answers.got.len();
            // Who asked is asked the next time.
            pair = Pair::new(pair.answers.index, pair.asks.index, hours(6));
        }
        prop_assert_eq!(pair.run(|| ALL), (End::Complete, End::Complete));
        sent += pair.asks.got.len() + pair.answers.got.len();
        prop_assert_eq!(entries(&pair.asks.index, hours(6)), a.union(&b).copied().collect::<BTreeSet<_>>());
        prop_assert_eq!(entries(&pair.answers.index, hours(6)), entries(&pair.asks.index, hours(6)));
        prop_assert_eq!(sent, a.symmetric_difference(&b).count());
    }

    #[test]
    fn sets_that_change_meanwhile_end_the_exchange_all_the_same(
        (all, _) in any_entries(), news in prop::collection::vec((0u32..6 * HOUR_S, any::<u64>(), any::<bool>()), 0..200),
    ) {
        let (asks, answers) = split(&all);
        let mut pair = Pair::new(asks, answers, hours(6));
        let mut news = news.into_iter();
        let mut gone = all.iter();
        for _ in 0..100_000 {
            if pair.asks.session.ended().is_some() && pair.answers.session.ended().is_some() {
                break;
            }
            if let Some((second, number, ours)) = news.next() {
                let side = if ours { &mut pair.asks } else { &mut pair.answers };
                side.index.insert(entry(second, number));
                if let Some((entry, _)) = gone.next() {
                    side.index.remove(entry);
                }
            }
            pair.step(Budget { work: 700, bytes: MESSAGE_BYTES_MAX + 3_000 });
        }
        prop_assert_eq!(pair.asks.session.ended(), Some(End::Complete));
        prop_assert_eq!(pair.answers.session.ended(), Some(End::Complete));
    }
}
