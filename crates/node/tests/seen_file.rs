//! The file of seen ids: what was seen is still known after a restart, for as long as it counts and no longer.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs, reason = "a test may fail loudly")]

use std::io::Cursor;

use nightjar_core::record::MsgId;
use nightjar_core::seen::{DATED_EPOCH_MS, DATED_KEPT_MS, SeenTable, SeenView};
use nightjar_core::time::{Mono, Wall};
use nightjar_node::seen_file::{SeenFileError, load, read, save, write};
use proptest::prelude::*;

const BYTES: usize = 1 << 16;
const WALL: Wall = Wall(1_800_000_000_000);

fn id(number: u64) -> [u8; 16] {
    let mut id = [7; 16];
    id[..8].copy_from_slice(&number.to_le_bytes());
    id
}

fn table(bytes: usize, key: u8) -> SeenTable {
    SeenTable::new(bytes, DATED_KEPT_MS, [key; 16])
}

fn view(dated: &SeenTable) -> SeenView {
    SeenView::new(dated, &SeenTable::new(64, DATED_KEPT_MS, [0; 16]))
}

fn after(ms: u64) -> Wall {
    Wall(WALL.0 + ms)
}

/// A file with these ids.
fn file_of(numbers: std::ops::Range<u64>) -> Vec<u8> {
    let mut seen = table(BYTES, 3);
    numbers.for_each(|number| assert!(seen.insert(&id(number))));
    let mut bytes = Vec::new();
    write(&mut bytes, &view(&seen), WALL).unwrap();
    bytes
}

/// The table that a process has which starts with this file at this time.
fn restored(bytes: &[u8], wall: Wall) -> SeenTable {
    let loaded = read(Cursor::new(bytes), BYTES, wall).unwrap();
    let mut seen = SeenTable::new(BYTES, DATED_KEPT_MS, loaded.key);
    loaded.entries.for_each(|entry| seen.restore(entry));
    seen
}

#[test]
fn what_was_seen_is_known_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("seen");
    assert!(load(&path, BYTES, WALL).is_none(), "the first start");
    let mut seen = table(BYTES, 3);
    for number in 0..2000 {
        seen.insert(&id(number));
    }
    assert_eq!(save(&path, &view(&seen), WALL).unwrap(), 2000);
    assert_eq!(save(&path, &view(&seen), WALL).unwrap(), 2000, "the old one is replaced");

    let loaded = load(&path, BYTES, after(60_000)).unwrap();
    let mut restored = SeenTable::new(BYTES, DATED_KEPT_MS, loaded.key);
    loaded.entries.for_each(|entry| restored.restore(entry));
    assert_eq!(restored.live(), 2000);
    let look = view(&restored);
    assert!((0..2000).all(|number| look.knows_dated(MsgId(id(number)))));
    assert!((2000..4000).all(|number| !look.knows_dated(MsgId(id(number)))));
}

#[cfg(unix)]
#[test]
fn nobody_else_can_read_it() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("seen");
    save(&path, &view(&table(BYTES, 3)), WALL).unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let names: Vec<_> = std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["seen"]);
}

#[test]
fn ids_age_by_the_time_that_passed_while_no_node_ran() {
    let mut seen = table(BYTES, 3);
    seen.advance(Mono(0));
    seen.insert(&id(1));
    seen.advance(Mono(4 * DATED_EPOCH_MS));
    seen.insert(&id(2));
    let mut bytes = Vec::new();
    write(&mut bytes, &view(&seen), WALL).unwrap();
    let live = |passed_ms: u64| restored(&bytes, after(passed_ms)).live();
    assert_eq!(live(0), 2);
    assert_eq!(live(13 * DATED_EPOCH_MS - 1), 2);
    assert_eq!(live(13 * DATED_EPOCH_MS), 1, "the older one is 17 epochs old");
    assert_eq!(live(17 * DATED_EPOCH_MS - 1), 1);
    let error = read(Cursor::new(&bytes), BYTES, after(17 * DATED_EPOCH_MS)).unwrap_err();
    assert!(matches!(error, SeenFileError::TooOld));
    // Those that were restored go on ageing.
    let mut later = restored(&bytes, after(10 * DATED_EPOCH_MS));
    later.advance(Mono(0));
    later.advance(Mono(3 * DATED_EPOCH_MS));
    assert_eq!(later.live(), 1);
}

#[test]
fn no_time_passed_on_a_clock_that_went_back() {
    let bytes = file_of(0..100);
    for wall in [Wall(0), Wall(WALL.0 - 1)] {
        assert_eq!(restored(&bytes, wall).live(), 100);
    }
    assert!(matches!(read(Cursor::new(&bytes), BYTES, Wall(u64::MAX)).unwrap_err(), SeenFileError::TooOld));
}

#[test]
fn a_file_of_another_table_is_left_aside() {
    let bytes = file_of(0..100);
    for other in [BYTES / 2, BYTES * 2, 0] {
        let error = read(Cursor::new(&bytes), other, WALL).unwrap_err();
        assert!(matches!(error, SeenFileError::OtherTable | SeenFileError::TooLong { .. }), "{error}");
    }
}

#[test]
fn a_damaged_file_is_left_aside_wherever_the_damage_is() {
    let bytes = file_of(0..30);
    for cut in 0..bytes.len() {
        assert!(matches!(read(Cursor::new(&bytes[..cut]), BYTES, WALL).unwrap_err(), SeenFileError::Damaged));
    }
    for place in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[place] ^= 1;
        assert!(matches!(read(Cursor::new(&changed), BYTES, WALL).unwrap_err(), SeenFileError::Damaged));
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("seen");
    std::fs::write(&path, &bytes[1..]).unwrap();
    assert!(load(&path, BYTES, WALL).is_none());
    std::fs::remove_file(&path).unwrap();
    std::fs::create_dir(&path).unwrap();
    assert!(load(&path, BYTES, WALL).is_none());
}

#[test]
fn a_file_longer_than_any_table_is_not_read() {
    let most = 44 + 32 + (BYTES / 8) * 13;
    let bytes = vec![0; most + 1];
    assert!(matches!(read(Cursor::new(&bytes), BYTES, WALL).unwrap_err(), SeenFileError::TooLong { .. }));
    assert!(matches!(read(Cursor::new(&bytes[1..]), BYTES, WALL).unwrap_err(), SeenFileError::Damaged));
}

#[test]
fn a_full_table_fits_and_takes_nine_bytes_an_id() {
    let mut seen = table(BYTES, 3);
    for number in 0..40_000 {
        seen.insert(&id(number));
    }
    let mut bytes = Vec::new();
    let count = write(&mut bytes, &view(&seen), WALL).unwrap();
    assert_eq!(count as u64, seen.live());
    assert_eq!(bytes.len(), 44 + 32 + 9 * count);
    assert_eq!(restored(&bytes, WALL).live(), seen.live());
}

#[test]
fn the_key_is_not_shown() {
    let loaded = read(Cursor::new(file_of(0..1)), BYTES, WALL).unwrap();
    let shown = format!("{loaded:?}");
    assert!(shown.starts_with("Loaded { entries: Entries { bytes_left: ") && !shown.contains("3, 3, 3"), "{shown}");
}

proptest! {
    #[test]
    fn any_set_of_ids_comes_back_and_no_other(
        numbers in proptest::collection::btree_set(any::<u64>(), 0..300),
        lines in 1..2000usize,
        passed_ms in 0..DATED_EPOCH_MS,
    ) {
        let mut seen = table(lines * 64, 9);
        for number in &numbers {
            seen.insert(&id(*number));
        }
        let mut bytes = Vec::new();
        let count = write(&mut bytes, &view(&seen), WALL).unwrap();
        let loaded = read(Cursor::new(&bytes), lines * 64, after(passed_ms)).unwrap();
        prop_assert_eq!(loaded.key, [9; 16]);
        let entries: Vec<_> = loaded.entries.collect();
        prop_assert_eq!(entries.len(), count);
        prop_assert_eq!(entries, view(&seen).dated_entries().collect::<Vec<_>>());
    }

    #[test]
    fn no_bytes_upset_it(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(read(Cursor::new(bytes), BYTES, WALL).is_err());
    }
}
