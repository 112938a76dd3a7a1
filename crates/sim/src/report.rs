//! What became of the records of a run, in whole numbers: two runs of one seed give equal reports.

use std::fmt;

use nightjar_core::router::Counters;

/// What a run came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Nodes in the network, silent ones included.
    pub nodes: u64,
    /// Links between them.
    pub links: u64,
    /// Records that were published.
    pub records: u64,
    /// Nodes that were to get a record, over all records: what nodes in order bring them.
    pub expected: u64,
    /// How many of them got it.
    pub delivered: u64,
    /// How many of them did not.
    pub missing: u64,
    /// Nodes that got it more than once.
    pub delivered_again: u64,
    /// Nodes that got it though it was out of its time by their clock.
    pub unexpected: u64,
    /// Deliveries of what nobody published.
    pub foreign: u64,
    /// Milliseconds from publication to delivery: half of the deliveries, 99 of 100, all.
    pub latency_ms: [u32; 3],
    /// Records that arrived on a link.
    pub arrived: u64,
    /// Bytes of records sent, 33 and the payload each.
    pub bytes: u64,
    /// Records that were lost on links.
    pub lost: u64,
    /// Links that a router ended.
    pub ended_links: u64,
    /// What all routers counted.
    pub counters: Counters,
}

impl Report {
    /// Whether every node got every record that it was to get.
    pub const fn is_complete(&self) -> bool {
        self.missing == 0
    }

    /// Whether no node got anything twice, out of its time, or that nobody published.
    pub const fn is_sound(&self) -> bool {
        self.delivered_again == 0 && self.foreign == 0 && self.unexpected == 0
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counted = &self.counters;
        let per_delivery = |value: u64| format!("{:.2}", value as f64 / self.delivered.max(1) as f64);
        let [half, most, last] = self.latency_ms;
        let rows = [
            ("nodes, links", format!("{}, {}", self.nodes, self.links)),
            ("records", self.records.to_string()),
            ("deliveries", format!("{} of {}", self.delivered, self.expected)),
            ("missing", self.missing.to_string()),
            ("delivered again", self.delivered_again.to_string()),
            ("delivered wrongly", (self.foreign + self.unexpected).to_string()),
            ("latency p50, p99, last", format!("{half}, {most}, {last} ms")),
            ("arrivals per delivery", per_delivery(self.arrived)),
            ("repeats per delivery", per_delivery(counted.repeats)),
            ("bytes per delivery", per_delivery(self.bytes)),
            ("bytes", self.bytes.to_string()),
            ("lost on links", self.lost.to_string()),
            ("expired", counted.expired.to_string()),
            ("forged", counted.forged.to_string()),
            ("delayed, over budget", format!("{}, {}", counted.delayed, counted.over_budget)),
            ("signatures checked, bad", format!("{}, {}", counted.checked, counted.bad_signatures)),
            ("unchecked, over budget", format!("{}, {}", counted.checks_dropped, counted.checks_over_budget)),
            ("links ended", self.ended_links.to_string()),
        ];
        rows.iter().try_for_each(|(name, value)| writeln!(f, "  {name:<24} {value}"))
    }
}
