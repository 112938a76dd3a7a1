//! Catch-up by itself: two indexes and one exchange between them, without a link, turn by turn within the budget of one.

use std::time::Instant;

use nightjar_core::reconcile::{Budget, Entry, HOUR_S, Hours, Limits, MemoryIndex, Message, Output, Session};
use nightjar_core::record::{HEADER_BYTES, Record, TRAILER_BYTES, Target};
use nightjar_core::time::{Now, Wall};

use crate::measure::{Failed, print, resident_bytes};
use crate::testbed::{BODY_BYTES, TARGET};

const START_S: u32 = 500_000 * HOUR_S;
const RECORD_BYTES: u64 = (HEADER_BYTES + BODY_BYTES + TRAILER_BYTES) as u64;

pub(crate) fn run(records: u32, hours: u32) -> Result<(), Failed> {
    let began = Instant::now();
    let entries: Vec<Entry> = (0..records).map(|number| entry(number, records, hours)).collect::<Result<_, _>>()?;
    let resident = resident_bytes()?;
    let mut all = MemoryIndex::default();
    let inserted = Instant::now();
    // Not in their order, as a flood brings them.
    scattered(records).for_each(|number| {
        entries.get(number as usize).map(|entry| all.insert(*entry));
    });
    let insert_us = inserted.elapsed().as_secs_f64() * 1e6 / f64::from(records);
    let bytes = resident_bytes()?.saturating_sub(resident) as f64 / f64::from(records);
    let settled = Instant::now();
    all.settle(&mut u64::from(records));
    print(
        "catch_up, index",
        &[
            ("records", records.into()),
            ("bytes_per_record", bytes),
            ("insert_us", insert_us),
            ("settle_ms", settled.elapsed().as_secs_f64() * 1e3),
            ("with_records_made_s", began.elapsed().as_secs_f64()),
        ],
    );
    let few: Vec<u32> = scattered(records).take(1_000).collect();
    let many: Vec<u32> = scattered(records).take(20_000).collect();
    let stretch: Vec<u32> = (records / 2..records / 2 + 20_000.min(records / 2)).collect();
    for (name, missing, settled) in [
        ("catch_up, nothing missing", &[][..], true),
        ("catch_up, nothing missing, no tally at hand", &[], false),
        ("catch_up, 1,000 missing all over", &few, true),
        ("catch_up, 20,000 missing at a stretch", &stretch, true),
        ("catch_up, 20,000 missing all over", &many, true),
    ] {
        let mut some = all.clone();
        missing.iter().filter_map(|number| entries.get(*number as usize)).for_each(|entry| {
            some.remove(entry);
        });
        let mut whole = all.clone();
        if settled {
            some.settle(&mut u64::from(records));
        } else {
            // A change and its opposite: each hour is to be counted anew.
            for entry in entries.chunks(records.div_ceil(hours) as usize / 2).filter_map(<[Entry]>::first) {
                for index in [&mut some, &mut whole] {
                    index.remove(entry);
                    index.insert(*entry);
                }
            }
        }
        exchange(name, some, whole, missing.len() as u64, hours)?;
    }
    Ok(())
}

/// One end of an exchange, and what it took.
struct Side {
    index: MemoryIndex,
    session: Session,
    cpu_ms: f64,
    longest_turn_ms: f64,
    work: u64,
    bytes: usize,
    records: u64,
    rounds: u64,
}

impl Side {
    const fn new(index: MemoryIndex, session: Session) -> Self {
        Self { index, session, cpu_ms: 0.0, longest_turn_ms: 0.0, work: 0, bytes: 0, records: 0, rounds: 0 }
    }

    /// One turn; what comes of it is taken in by the other end.
    fn turn(&mut self, now: Now, other: &mut Self) -> Result<(), Failed> {
        let mut budget = Budget::TURN;
        let began = Instant::now();
        let out = self.session.turn(now, &self.index, &mut budget);
        let ms = began.elapsed().as_secs_f64() * 1e3;
        self.cpu_ms += ms;
        self.longest_turn_ms = self.longest_turn_ms.max(ms);
        self.work += Budget::TURN.work - budget.work;
        let began = Instant::now();
        for output in out {
            match output {
                Output::Send(message) => {
                    self.bytes += message.bytes();
                    self.rounds += u64::from(matches!(message, Message::Ask { .. }));
                    other.session.receive(now, message)?;
                }
                Output::Serve(entries) => {
                    self.records += entries.len() as u64;
                    other.session.arrived(now, &entries, RECORD_BYTES * entries.len() as u64)?;
                    entries.into_iter().for_each(|entry| {
                        other.index.insert(entry);
                    });
                }
            }
        }
        other.cpu_ms += began.elapsed().as_secs_f64() * 1e3;
        Ok(())
    }
}

fn exchange(name: &str, asks: MemoryIndex, answers: MemoryIndex, missing: u64, hours: u32) -> Result<(), Failed> {
    let hours = Hours::new(START_S / HOUR_S, hours).ok_or("an exchange has at most 176 hours")?;
    let limits = Limits { fetch_bytes: u64::MAX, ..Limits::default() };
    let now = Now { wall: Wall::from_unix_s(START_S), ..Now::default() };
    let mut asks = Side::new(asks, Session::ask(now, hours, limits));
    let mut answers = Side::new(answers, Session::answer(now, hours, limits));
    let mut turns = 0u32;
    while asks.session.ended().is_none() || answers.session.ended().is_none() {
        turns += 1;
        asks.turn(now, &mut answers)?;
        answers.turn(now, &mut asks)?;
    }
    if asks.records + answers.records != missing {
        return Err(format!("{name}: {} records went over, {missing} were missing", answers.records).into());
    }
    let bytes = (asks.bytes + answers.bytes) as f64;
    // Nothing is missing: all bytes are for nothing.
    let of_missing = |each: u64| if missing > 0 { bytes / (each * missing) as f64 } else { 0.0 };
    print(
        name,
        &[
            ("asked_bytes", asks.bytes as f64),
            ("told_bytes", answers.bytes as f64),
            ("bytes_per_missing", of_missing(1)),
            ("share_of_300_byte_records", of_missing(300)),
            ("rounds", asks.rounds as f64),
            ("turns", turns.into()),
            ("asking_visits", asks.work as f64),
            ("answering_visits", answers.work as f64),
            ("asking_ms", asks.cpu_ms),
            ("answering_ms", answers.cpu_ms),
            ("longest_turn_ms", asks.longest_turn_ms.max(answers.longest_turn_ms)),
        ],
    );
    Ok(())
}

fn entry(number: u32, records: u32, hours: u32) -> Result<Entry, Failed> {
    let second = u64::from(number) * u64::from(hours * HOUR_S) / u64::from(records);
    let expiry = START_S + u32::try_from(second)?;
    let record = Record::dated(Target(TARGET.0), &[0x5a; BODY_BYTES], expiry, 0, u64::from(number).to_le_bytes())?;
    Ok(Entry::of(&record).ok_or("a dated record has an entry")?)
}

/// Each number below `count` once, all over.
fn scattered(count: u32) -> impl Iterator<Item = u32> {
    const STEP: u64 = 2_654_435_761;
    (0..u64::from(count)).map(move |number| (number * STEP % u64::from(count)) as u32)
}
