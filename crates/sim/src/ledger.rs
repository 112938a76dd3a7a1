//! Which records were published, who was to get each, and who got it when. Never influences a run.

use nightjar_core::record::Record;

/// A body begins with the number of its record; a signed one has it behind its form.
pub(crate) const NUMBER_BYTES: usize = 8;

#[derive(Default)]
pub(crate) struct Ledger {
    entries: Vec<Entry>,
    /// Deliveries of what nobody published.
    pub(crate) foreign: u64,
    latencies_ms: Vec<u32>,
}

struct Entry {
    record: Record,
    at_ms: u64,
    /// By node: whether it is to get it, and how often it did.
    nodes: Vec<(Demand, u8)>,
}

/// What is asked of a node and a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Demand {
    /// Nodes in order bring it there: it must be delivered.
    Wanted,
    /// It may be delivered or not.
    Open,
    /// The node's clock says that it is out of its time: it must not be delivered.
    Refused,
}

/// What became of all records.
pub(crate) struct Balance {
    pub(crate) records: u64,
    pub(crate) expected: u64,
    pub(crate) delivered: u64,
    pub(crate) missing: u64,
    pub(crate) repeated: u64,
    pub(crate) unexpected: u64,
    pub(crate) latency_ms: [u32; 3],
}

impl Ledger {
    /// The number of the record that is published next, as its body begins.
    pub(crate) fn next_number(&self) -> [u8; NUMBER_BYTES] {
        (self.entries.len() as u64).to_le_bytes()
    }

    pub(crate) fn publish(&mut self, record: Record, at_ms: u64, demands: impl Iterator<Item = Demand>) {
        let nodes = demands.map(|demand| (demand, 0)).collect();
        self.entries.push(Entry { record, at_ms, nodes });
    }

    pub(crate) fn deliver(&mut self, node: usize, record: &Record, now_ms: u64) {
        let at = usize::from(record.is_worth_a_check());
        let number = record.body().get(at..).and_then(<[u8]>::first_chunk).map(|bytes| u64::from_le_bytes(*bytes));
        let entry = number.and_then(|number| self.entries.get_mut(usize::try_from(number).ok()?));
        let Some(entry) = entry.filter(|entry| entry.record == *record) else {
            self.foreign += 1;
            return;
        };
        let (_, times) = entry.nodes.get_mut(node).expect("there is a place for each node");
        *times = times.saturating_add(1);
        let took_ms = now_ms.saturating_sub(entry.at_ms);
        self.latencies_ms.push(u32::try_from(took_ms).unwrap_or(u32::MAX));
    }

    /// How often each node got the record of this number.
    pub(crate) fn times(&self, number: usize) -> Vec<u8> {
        self.entries.get(number).map(|entry| entry.nodes.iter().map(|(_, times)| *times).collect()).unwrap_or_default()
    }

    pub(crate) fn balance(&self) -> Balance {
        let all = || self.entries.iter().flat_map(|entry| &entry.nodes);
        let count = |which: fn(&(Demand, u8)) -> bool| all().filter(|node| which(node)).count() as u64;
        let mut sorted = self.latencies_ms.clone();
        sorted.sort_unstable();
        let at = |hundredths: usize| sorted.get((sorted.len() * hundredths / 100).min(sorted.len().saturating_sub(1)));
        Balance {
            records: self.entries.len() as u64,
            expected: count(|(demand, _)| *demand == Demand::Wanted),
            delivered: count(|(demand, times)| *demand == Demand::Wanted && *times > 0),
            missing: count(|(demand, times)| *demand == Demand::Wanted && *times == 0),
            repeated: count(|(_, times)| *times > 1),
            unexpected: count(|(demand, times)| *demand == Demand::Refused && *times > 0),
            latency_ms: [50, 99, 100].map(|hundredths| at(hundredths).copied().unwrap_or(0)),
        }
    }
}
