//! What is to happen, in order of virtual time; of two things at one moment, what was planned first comes first.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Things to come.
pub(crate) struct Queue<T> {
    heap: BinaryHeap<Reverse<Planned<T>>>,
    planned: u64,
}

struct Planned<T> {
    at_ms: u64,
    number: u64,
    what: T,
}

impl<T> Queue<T> {
    pub(crate) fn new() -> Self {
        Self { heap: BinaryHeap::new(), planned: 0 }
    }

    pub(crate) fn plan(&mut self, at_ms: u64, what: T) {
        let number = self.planned;
        self.planned += 1;
        self.heap.push(Reverse(Planned { at_ms, number, what }));
    }

    /// The next thing, if it happens at or before `until_ms`, and when it does.
    pub(crate) fn next(&mut self, until_ms: u64) -> Option<(u64, T)> {
        let Reverse(first) = self.heap.peek()?;
        if first.at_ms > until_ms {
            return None;
        }
        self.heap.pop().map(|Reverse(planned)| (planned.at_ms, planned.what))
    }
}

impl<T> PartialEq for Planned<T> {
    fn eq(&self, other: &Self) -> bool {
        self.number == other.number
    }
}

impl<T> Eq for Planned<T> {}

impl<T> PartialOrd for Planned<T> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> Ord for Planned<T> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at_ms, self.number).cmp(&(other.at_ms, other.number))
    }
}
