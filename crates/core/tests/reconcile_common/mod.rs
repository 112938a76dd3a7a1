//! Two nodes with an index each and one exchange between them, without a link: messages are handed over as they are.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test may fail loudly")]
#![allow(dead_code, reason = "each test uses some of it")]

use std::collections::{BTreeSet, VecDeque};

use nightjar_core::reconcile::{
    Budget, End, Entry, HOUR_S, Hours, Limits, MESSAGE_BYTES_MAX, MemoryIndex, Message, Output, Session,
};
use nightjar_core::time::Now;
use sha2::{Digest as _, Sha256};

/// The first hour of the windows here.
pub(crate) const HOUR: u32 = 500_000;
/// Bytes of a record, as they are counted here.
pub(crate) const RECORD_BYTES: u64 = 300;
/// Work and bytes without an end.
pub(crate) const ALL: Budget = Budget { work: u64::MAX / 2, bytes: usize::MAX / 2 };

/// The entry with this number, at this second from the beginning of the window.
pub(crate) fn entry(second: u32, number: u64) -> Entry {
    let hash = Sha256::digest(number.to_le_bytes());
    Entry { expiry: HOUR * HOUR_S + second, id: *hash.first_chunk().unwrap() }
}

pub(crate) fn index(entries: impl IntoIterator<Item = Entry>) -> MemoryIndex {
    let mut index = MemoryIndex::default();
    entries.into_iter().for_each(|entry| {
        index.insert(entry);
    });
    index
}

pub(crate) fn hours(count: u32) -> Hours {
    Hours::new(HOUR, count).unwrap()
}

/// The moment at which all happens that needs no time.
pub(crate) const fn now() -> Now {
    Now::new(0, 1_800_000_000_000)
}

/// One end of an exchange.
pub(crate) struct Side {
    pub(crate) index: MemoryIndex,
    pub(crate) session: Session,
    /// What came, in its order.
    pub(crate) got: Vec<Entry>,
    inbox: VecDeque<Output>,
    /// Whether what comes is put into the index at once.
    pub(crate) keeps: bool,
}

/// What an exchange took.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Cost {
    /// Bytes of messages from the side that asks, and to it.
    pub(crate) asked_bytes: u64,
    pub(crate) told_bytes: u64,
    /// Records, both ways.
    pub(crate) records: u64,
    /// Messages with questions.
    pub(crate) rounds: u64,
    /// Entries visited, by both.
    pub(crate) work: u64,
}

impl Cost {
    pub(crate) const fn bytes(&self) -> u64 {
        self.asked_bytes + self.told_bytes + self.records * RECORD_BYTES
    }
}

pub(crate) struct Pair {
    pub(crate) asks: Side,
    pub(crate) answers: Side,
    pub(crate) cost: Cost,
}

impl Side {
    fn new(index: MemoryIndex, session: Session) -> Self {
        Self { index, session, got: Vec::new(), inbox: VecDeque::new(), keeps: true }
    }

    fn take_in(&mut self) {
        while let Some(output) = self.inbox.pop_front() {
            match output {
                Output::Send(message) => {
                    assert!(message.bytes() <= MESSAGE_BYTES_MAX, "a message of {} bytes", message.bytes());
                    self.session.receive(now(), message).unwrap();
                }
                Output::Serve(entries) => {
                    self.session.arrived(now(), &entries, entries.len() as u64 * RECORD_BYTES).unwrap();
                    for entry in entries {
                        self.got.push(entry);
                        if self.keeps {
                            self.index.insert(entry);
                        }
                    }
                }
            }
        }
    }

    fn turn(&mut self, budget: Budget, cost: &mut Cost) -> (Vec<Output>, u64) {
        let mut left = budget;
        let out = self.session.turn(now(), &self.index, &mut left);
        cost.work += budget.work - left.work;
        let mut bytes = 0;
        for output in &out {
            match output {
                Output::Send(message) => {
                    bytes += message.bytes() as u64;
                    cost.rounds += u64::from(matches!(message, Message::Ask { .. }));
                }
                Output::Serve(entries) => cost.records += entries.len() as u64,
            }
        }
        (out, bytes)
    }
}

impl Pair {
    pub(crate) fn new(asks: MemoryIndex, answers: MemoryIndex, window: Hours) -> Self {
        Self::with(asks, answers, window, window, Limits::default())
    }

    pub(crate) fn with(asks: MemoryIndex, answers: MemoryIndex, asked: Hours, kept: Hours, limits: Limits) -> Self {
        Self {
            asks: Side::new(asks, Session::ask(now(), asked, limits)),
            answers: Side::new(answers, Session::answer(now(), kept, limits)),
            cost: Cost::default(),
        }
    }

    /// One turn of each side; whether anything was said or both are at work within a budget.
    pub(crate) fn step(&mut self, budget: Budget) {
        let (out, bytes) = self.asks.turn(budget, &mut self.cost);
        self.cost.asked_bytes += bytes;
        self.answers.inbox.extend(out);
        self.answers.take_in();
        let (out, bytes) = self.answers.turn(budget, &mut self.cost);
        self.cost.told_bytes += bytes;
        self.asks.inbox.extend(out);
        self.asks.take_in();
    }

    /// Runs to the end, with the budgets that `budget` gives.
    pub(crate) fn run(&mut self, mut budget: impl FnMut() -> Budget) -> (End, End) {
        for _ in 0..1_000_000 {
            if let (Some(asks), Some(answers)) = (self.asks.session.ended(), self.answers.session.ended()) {
                return (asks, answers);
            }
            self.step(budget());
        }
        panic!("the exchange has no end: {:?}", self.asks.session.progress());
    }
}

pub(crate) fn entries(index: &MemoryIndex, window: Hours) -> BTreeSet<Entry> {
    use nightjar_core::reconcile::{Index as _, Span};
    let mut all = BTreeSet::new();
    for hour in window.iter() {
        let span = Span::new(Entry::first_of(hour * HOUR_S), Entry::first_of((hour + 1) * HOUR_S)).unwrap();
        index.walk(&span, &mut |entry| {
            all.insert(entry);
            std::ops::ControlFlow::Continue(())
        });
    }
    all
}
