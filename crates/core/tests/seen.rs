//! What the seen table promises: nothing is forgotten before its time, and its memory never grows.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs, reason = "a test may fail loudly")]

use nightjar_core::record::{MsgId, Record, RecordRef, Target};
use nightjar_core::seen::{
    DATED_BYTES_DEFAULT, DATED_KEPT_MS, PLAIN_BYTES_DEFAULT, PLAIN_KEPT_MS, SeenEntry, SeenTable, SeenView,
};
use nightjar_core::time::Mono;
use proptest::prelude::*;
use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;

const KEPT_MS: u64 = 16_000;
const KEY: [u8; 16] = [0x5a; 16];

#[test]
fn an_id_is_new_once() {
    let mut table = table(1 << 16);
    assert!(!table.contains(&[1; 16]));
    assert!(table.insert(&[1; 16]));
    assert!(!table.insert(&[1; 16]));
    assert!(table.contains(&[1; 16]) && !table.contains(&[2; 16]));
    assert_eq!((table.live(), table.evicted()), (1, 0));
}

#[test]
fn an_id_is_kept_for_its_time_and_forgotten_soon_after() {
    for added_at in [0, 1, 999, 1_000, 1_001, 123_456] {
        let mut table = table(1 << 16);
        table.advance(Mono(added_at));
        table.insert(&[1; 16]);
        for at in [added_at, added_at + 1, added_at + KEPT_MS / 2, added_at + KEPT_MS - 1, added_at + KEPT_MS] {
            table.advance(Mono(at));
            assert!(table.contains(&[1; 16]), "added at {added_at}, asked at {at}");
        }
        table.advance(Mono(added_at + KEPT_MS + KEPT_MS / 16 + 1));
        assert!(!table.contains(&[1; 16]), "added at {added_at}");
        assert_eq!(table.live(), 0);
        assert!(table.insert(&[1; 16]), "a forgotten id is new");
    }
}

#[test]
fn a_time_that_is_no_multiple_of_the_epochs_is_kept_too() {
    for kept_ms in [1, 15, 17, 31, 1_001] {
        let mut table = SeenTable::new(1 << 10, kept_ms, KEY);
        table.advance(Mono(kept_ms));
        table.insert(&[1; 16]);
        table.advance(Mono(2 * kept_ms));
        assert!(table.contains(&[1; 16]), "{kept_ms} ms");
    }
}

#[test]
fn a_repeat_does_not_make_an_id_younger() {
    let mut table = table(1 << 16);
    table.insert(&[1; 16]);
    table.advance(Mono(KEPT_MS - 1));
    assert!(!table.insert(&[1; 16]));
    table.advance(Mono(2 * KEPT_MS));
    assert!(!table.contains(&[1; 16]));
}

#[test]
fn nothing_is_forgotten_before_its_time_at_seven_tenths_of_the_room() {
    let mut table = table(1 << 20);
    let wanted = table.capacity() * 7 / 10;
    let ids = random_ids(1, wanted);
    for (number, id) in (0..).zip(&ids) {
        table.advance(Mono(number * KEPT_MS / wanted));
        table.insert(id);
    }
    assert_eq!((table.live(), table.evicted()), (wanted, 0));
    assert!(ids.iter().all(|id| table.contains(id)));
}

/// In a stream, ids leave in the order they came, and lines fill less evenly than the first time round.
#[test]
fn a_steady_stream_at_half_the_room_loses_nothing() {
    let stream = Stream::run(50);
    assert_eq!((stream.evicted, stream.lost_in_first_half), (0, 0));
}

#[test]
fn a_steady_stream_at_seven_tenths_loses_less_than_one_in_a_thousand_and_only_old_ones() {
    let stream = Stream::run(70);
    assert!(stream.evicted < stream.added / 1_000, "{} of {}", stream.evicted, stream.added);
    assert_eq!(stream.lost_in_first_half, 0);
}

/// With the default sizes 1,000 records a second fill the table to 91 hundredths. A record may be flooded for 62
/// minutes at the most, half of the time its id is meant to be kept.
#[test]
fn at_a_thousand_records_a_second_no_id_goes_while_its_record_may_live() {
    let of_capacity = 1_000 * DATED_KEPT_MS / 1_000 * 17 / 16 * 100 / (DATED_BYTES_DEFAULT as u64 / 8);
    assert_eq!(of_capacity, 91);
    let stream = Stream::run(of_capacity);
    assert!(stream.lost_in_first_half < stream.added / 100_000, "{} of {}", stream.lost_in_first_half, stream.added);
}

#[test]
fn the_gauge_counts_what_is_kept_and_nothing_else() {
    let mut table = table(1 << 16);
    let ids = random_ids(3, 3_000);
    for (number, id) in (0..).zip(&ids) {
        table.advance(Mono(number * 100));
        table.insert(id);
        if number % 50 == 0 {
            let kept = ids[..=usize::try_from(number).unwrap()].iter().filter(|id| table.contains(id)).count();
            assert_eq!(table.live(), kept as u64, "after {number}");
        }
    }
}

#[test]
fn above_its_room_the_oldest_go_first_and_are_counted() {
    let mut table = table(1 << 18);
    let ids = random_ids(4, 2 * table.capacity());
    let total = ids.len() as u64;
    for (number, id) in (0..).zip(&ids) {
        table.advance(Mono(number * (KEPT_MS - 1_000) / total));
        table.insert(id);
    }
    assert!(table.live() > table.capacity() * 99 / 100 && table.live() <= table.capacity());
    assert_eq!(table.live() + table.evicted(), total);
    let kept = |part: &[[u8; 16]]| part.iter().filter(|id| table.contains(id)).count() * 1000 / part.len();
    let (old, young) = (kept(&ids[..ids.len() / 4]), kept(&ids[ids.len() * 3 / 4..]));
    assert!(old <= 10, "{old} of a thousand of the oldest quarter are left");
    assert!(young >= 990, "only {young} of a thousand of the youngest quarter are left");
}

/// Within one epoch all ids are of one age; yet a flood must not push out what came a moment ago, or records that
/// go round in it would be taken for new.
#[test]
fn the_oldest_go_first_within_an_epoch_too() {
    let mut table = table(1 << 18);
    let ids = random_ids(11, 4 * table.capacity());
    let back = usize::try_from(table.capacity() / 8).unwrap();
    let mut lost = 0;
    for (number, id) in ids.iter().enumerate() {
        assert!(table.insert(id));
        lost += usize::from(number >= back && !table.contains(&ids[number - back]));
    }
    assert_eq!(lost, 0, "of those that came an eighth of the room ago");
    let newest = &ids[ids.len() - ids.len() / 8..];
    let kept = newest.iter().filter(|id| table.contains(id)).count();
    assert!(kept * 100 >= newest.len() * 90, "{kept} of {} are left", newest.len());
}

#[test]
fn a_million_random_ids_take_no_byte_more() {
    let mut table = table(1 << 20);
    let before = table.bytes();
    let mut random = ChaCha8Rng::seed_from_u64(5);
    let mut id = [0; 16];
    for number in 0..1_000_000u64 {
        random.fill_bytes(&mut id);
        table.advance(Mono(number / 1_000));
        table.insert(&id);
    }
    assert_eq!((table.bytes(), before), (1 << 20, 1 << 20));
    assert_eq!(table.live() + table.evicted(), 1_000_000);
    assert!(table.live() <= table.capacity());
}

#[test]
fn ids_that_differ_in_one_bit_are_told_apart() {
    let mut table = table(1 << 16);
    for bit in 0..128 {
        let mut id = [0; 16];
        id[bit / 8] ^= 1 << (bit % 8);
        assert!(table.insert(&id), "bit {bit}");
    }
    assert!(!table.contains(&[0; 16]));
}

#[test]
fn ids_chosen_for_one_key_spread_under_another() {
    let mut crowded = table(1 << 16);
    // Ids that share a line under KEY: found by what they push out.
    let mut chosen = Vec::new();
    let mut one_line = SeenTable::new(64, KEPT_MS, KEY);
    for id in random_ids(6, 64) {
        one_line.insert(&id);
        chosen.push(id);
    }
    assert_eq!((one_line.live(), one_line.evicted()), (8, 56));
    for id in &chosen {
        crowded.insert(id);
    }
    assert_eq!(crowded.evicted(), 0);
}

#[test]
fn the_smallest_table_has_one_line() {
    let table = SeenTable::new(0, 0, KEY);
    assert_eq!((table.bytes(), table.capacity()), (64, 8));
}

#[test]
fn the_default_sizes_hold_what_their_reasons_say() {
    // 1,000 records a second for an hour and both margins; 50 a second for eight hours. Both at seven tenths.
    let hours = |ms: u64| ms / 3_600_000;
    assert_eq!((hours(DATED_KEPT_MS), hours(PLAIN_KEPT_MS)), (2, 8));
    let room = |bytes: usize| bytes as u64 / 8 * 7 / 10;
    assert!(room(DATED_BYTES_DEFAULT) > 1_000 * 3_720);
    assert!(room(PLAIN_BYTES_DEFAULT) > 50 * 8 * 3_600 * 17 / 16 * 9 / 10);
}

#[test]
fn a_long_sleep_forgets_all_at_once_and_breaks_nothing() {
    for slept_epochs in [17, 63, 64, 65, 80, 81, 255, 256, 257, 272, 1 << 40] {
        let mut table = table(1 << 16);
        let ids = random_ids(7, 1_000);
        ids.iter().for_each(|id| assert!(table.insert(id)));
        table.advance(Mono(slept_epochs * KEPT_MS / 16));
        assert!(ids.iter().all(|id| !table.contains(id)), "{slept_epochs} epochs");
        assert_eq!(table.live(), 0, "{slept_epochs} epochs");
        ids.iter().for_each(|id| assert!(table.insert(id), "{slept_epochs} epochs"));
        table.advance(Mono((slept_epochs + 16) * KEPT_MS / 16));
        assert!(ids.iter().all(|id| table.contains(id)), "{slept_epochs} epochs");
    }
}

/// An 8-bit epoch comes round after 256: an id must be long gone from its slot by then.
#[test]
fn an_epoch_that_comes_round_brings_nothing_back() {
    let mut table = table(1 << 14);
    let ids = random_ids(8, 500);
    ids.iter().for_each(|id| assert!(table.insert(id)));
    for epoch in 17..600 {
        table.advance(Mono(epoch * KEPT_MS / 16));
        assert!(ids.iter().all(|id| !table.contains(id)), "epoch {epoch}");
    }
}

#[test]
fn a_clock_that_goes_back_changes_nothing() {
    let mut table = table(1 << 14);
    table.advance(Mono(10 * KEPT_MS));
    table.insert(&[1; 16]);
    table.advance(Mono(0));
    assert!(table.contains(&[1; 16]));
    table.advance(Mono(11 * KEPT_MS));
    assert!(table.contains(&[1; 16]));
}

/// A process may count its milliseconds from anywhere: what was restored ages from the first look at the clock.
#[test]
fn what_was_restored_outlives_the_first_look_at_the_clock() {
    let (mut first, plain) = (table(1 << 16), SeenTable::new(64, KEPT_MS, KEY));
    let ids = random_ids(9, 2_000);
    for (number, id) in (0..).zip(&ids) {
        first.advance(Mono(number * 4));
        first.insert(id);
    }
    let view = SeenView::new(&first, &plain);
    let entries: Vec<SeenEntry> = view.dated_entries().collect();
    assert_eq!(entries.len(), ids.len());

    let mut second = SeenTable::new(1 << 16, KEPT_MS, view.snapshot_key());
    entries.iter().for_each(|entry| second.restore(*entry));
    second.advance(Mono(86_400_000));
    assert!(ids.iter().all(|id| second.contains(id)));
    assert_eq!((second.live(), second.evicted()), (2_000, 0));
    assert!(ids.iter().all(|id| !second.insert(id)));

    // The first were added seven epochs before the last.
    second.advance(Mono(86_400_000 + KEPT_MS * 10 / 16));
    let left = ids.iter().filter(|id| second.contains(id)).count();
    assert!((1_500..2_000).contains(&left), "{left} are left");
    second.advance(Mono(86_400_000 + KEPT_MS * 17 / 16));
    assert_eq!(second.live(), 0);
}

#[test]
fn a_snapshot_read_twice_fills_no_second_place() {
    let (mut first, plain) = (table(1 << 12), SeenTable::new(64, KEPT_MS, KEY));
    random_ids(10, 200).iter().for_each(|id| assert!(first.insert(id)));
    let entries: Vec<SeenEntry> = SeenView::new(&first, &plain).dated_entries().collect();
    let mut second = table(1 << 12);
    for _ in 0..3 {
        entries.iter().for_each(|entry| second.restore(*entry));
    }
    assert_eq!((second.live(), second.evicted()), (200, 0));
}

#[test]
fn a_broken_snapshot_does_no_harm() {
    let mut table = table(1 << 12);
    for entry in [
        SeenEntry { line: 64, fingerprint: 0x100, age_epochs: 0 },
        SeenEntry { line: u32::MAX, fingerprint: 0x100, age_epochs: 0 },
        SeenEntry { line: 0, fingerprint: 0, age_epochs: 0 },
        SeenEntry { line: 0, fingerprint: 0xff, age_epochs: 0 },
        SeenEntry { line: 0, fingerprint: 0x100, age_epochs: 17 },
        SeenEntry { line: 0, fingerprint: 0x100, age_epochs: 255 },
    ] {
        table.restore(entry);
    }
    assert_eq!(table.live(), 0);
}

#[test]
fn a_view_on_another_thread_sees_what_the_router_adds() {
    let (mut dated, mut plain) = (table(1 << 12), SeenTable::new(1 << 12, KEPT_MS, [1; 16]));
    let view = SeenView::new(&dated, &plain);
    let dated_one = Record::dated(Target([1; 16]), b"dated", 1_800_000_000, 0, [0; 8]).unwrap();
    let plain_one = Record::plain(MsgId([2; 16]), Target([1; 16]), b"plain").unwrap();
    let other_plain = Record::plain(MsgId([2; 16]), Target([1; 16]), b"other").unwrap();
    assert!(!view.knows_dated(dated_one.msg_id()) && !view.knows_plain(look(&plain_one)));
    dated.insert(&dated_one.msg_id().0);
    plain.insert(&view.plain_key(look(&plain_one)));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            assert!(view.knows_dated(dated_one.msg_id()) && view.knows_plain(look(&plain_one)));
            assert!(!view.knows_plain(look(&other_plain)), "the same id is not the same plain record");
        });
    });
}

#[test]
fn a_view_knows_plain_copies_of_a_dated_record_and_never_the_other_way_round() {
    let (mut dated, mut plain) = (table(1 << 12), SeenTable::new(1 << 12, KEPT_MS, [1; 16]));
    let view = SeenView::new(&dated, &plain);
    let true_one = Record::dated(Target([1; 16]), b"true", 1_800_000_000, 0, [0; 8]).unwrap();
    let forged = Record::plain(true_one.msg_id(), Target([1; 16]), b"forged").unwrap();
    plain.insert(&view.plain_key(look(&forged)));
    assert!(!view.knows_dated(true_one.msg_id()), "a forgery does not shadow the true one");
    dated.insert(&true_one.msg_id().0);
    let later = Record::plain(true_one.msg_id(), Target([1; 16]), b"later").unwrap();
    assert!(view.knows_plain(look(&later)));
    assert_ne!(view.digest(look(&later)), view.digest(look(&true_one)));
    assert_eq!(view.digest(look(&true_one)), view.digest(look(&true_one.clone())));
}

#[test]
fn the_key_is_not_shown() {
    let (dated, plain) = (SeenTable::new(64, 1, KEY), SeenTable::new(64, 1, KEY));
    assert_eq!(format!("{:?}", SeenView::new(&dated, &plain)), "SeenView { lines: 1, .. }");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Any order of additions and steps: what is inside its time is there, what is beyond it is not.
    #[test]
    fn it_agrees_with_a_list_that_forgets_nothing(steps in proptest::collection::vec((0..2_500u64, any::<u8>()), 1..400)) {
        let mut table = table(1 << 16);
        let mut added: Vec<Option<u64>> = vec![None; 256];
        let mut now = 0;
        for (passed, number) in steps {
            now += passed;
            table.advance(Mono(now));
            let known = table.contains(&[number; 16]);
            let age = added[usize::from(number)].map(|at| now - at);
            prop_assert!(known || age.is_none_or(|age| age > KEPT_MS), "{age:?}");
            prop_assert!(!known || age.is_some_and(|age| age <= KEPT_MS + KEPT_MS / 16), "{age:?}");
            if table.insert(&[number; 16]) {
                prop_assert!(!known);
                added[usize::from(number)] = Some(now);
            }
        }
        prop_assert_eq!(table.evicted(), 0);
    }
}

/// Ids that come at an even pace for ten times the retention.
struct Stream {
    added: u64,
    evicted: u64,
    lost_in_first_half: u64,
}

impl Stream {
    /// At a pace that needs so many hundredths of the table's room.
    fn run(of_capacity: u64) -> Self {
        let mut table = table(1 << 18);
        // An id is kept for up to 17 sixteenths of its time.
        let in_retention = table.capacity() * of_capacity / 100 * 16 / 17;
        let ids = random_ids(2, 10 * in_retention);
        let mut lost_in_first_half = 0;
        for (number, id) in ids.iter().enumerate() {
            table.advance(Mono(number as u64 * KEPT_MS / in_retention));
            table.insert(id);
            let half_its_time_ago = number.checked_sub(usize::try_from(in_retention * 62 / 120).unwrap());
            lost_in_first_half += u64::from(half_its_time_ago.is_some_and(|at| !table.contains(&ids[at])));
        }
        Self { added: ids.len() as u64, evicted: table.evicted(), lost_in_first_half }
    }
}

/// A table whose clock has begun to run.
fn table(bytes: usize) -> SeenTable {
    let mut table = SeenTable::new(bytes, KEPT_MS, KEY);
    table.advance(Mono(0));
    table
}

fn random_ids(seed: u64, count: u64) -> Vec<[u8; 16]> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    (0..count)
        .map(|_| {
            let mut id = [0; 16];
            random.fill_bytes(&mut id);
            id
        })
        .collect()
}

fn look(record: &Record) -> RecordRef<'_> {
    RecordRef::parse(record.bytes()).unwrap().0
}
