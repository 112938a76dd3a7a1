//! What a scenario file says, checked: a [`Scenario`] that was read can be run.

use std::str::FromStr;

use nightjar_core::link::LINKS_MAX;
use nightjar_core::record::{
    BODY_BYTES_MAX, LIFETIME_S_DEFAULT, LIFETIME_S_MAX, LIFETIME_S_MIN, SIGNED_BODY_BYTES_MIN,
};
use serde::Deserialize;

use crate::ledger::NUMBER_BYTES;

/// Routers in one run: what fits into the memory of a laptop.
const NODES_MAX: usize = 20_000;
/// Records in one run: each remembers which node got it.
const RECORDS_MAX: f64 = 1_000_000.0;
/// Forgeries in one run: all are planned before it begins.
const FORGERIES_MAX: u32 = 1_000_000;

/// A network and its traffic. Parts are between 0 and 1.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Scenario {
    /// Nodes.
    pub nodes: usize,
    /// The fewest and the most links a node has.
    pub degree: [usize; 2],
    /// The least and the most time a link takes, one way.
    pub latency_ms: [u64; 2],
    /// The part of what is sent on a lossy link that does not come.
    pub loss: f64,
    /// The part of the links that are lossy.
    pub lossy_links: f64,
    /// The part of the nodes that take records and send nothing.
    pub silent: f64,
    /// The part of the nodes whose clock is wrong.
    pub wrong_clocks: f64,
    /// How far ahead of time wrong clocks are, in seconds; negative: behind.
    pub wrong_by_s: i64,
    /// Records that are published in the whole network.
    pub records_per_s: f64,
    /// For how long.
    pub duration_s: u32,
    /// The part of them that is plain.
    pub plain: f64,
    /// The part of the dated ones that is signed in clear.
    pub signed: f64,
    /// Microseconds that the check of a signature takes; each node has one core for them.
    pub check_us: u64,
    /// Records with bad signatures that one silent node sends to its neighbours, evenly over the time.
    pub forgeries: u32,
    /// Bytes of a body.
    pub body_bytes: usize,
    /// How long a dated record lives.
    pub lifetime_s: u32,
    /// Whether routers hold budgets.
    pub budgets: bool,
    /// Memory of each of a router's two tables of seen ids, in KiB; one holds 128 ids a KiB. Small, as there are many.
    pub seen_kib: usize,
    /// Where chance begins.
    pub seed: u64,
}

impl Default for Scenario {
    /// A small network in good order.
    fn default() -> Self {
        Self {
            nodes: 200,
            degree: [5, 12],
            latency_ms: [10, 200],
            loss: 0.0,
            lossy_links: 0.0,
            silent: 0.0,
            wrong_clocks: 0.0,
            wrong_by_s: 3_600,
            records_per_s: 5.0,
            duration_s: 20,
            plain: 0.2,
            signed: 0.0,
            check_us: 60,
            forgeries: 0,
            body_bytes: 128,
            lifetime_s: LIFETIME_S_DEFAULT,
            budgets: true,
            seen_kib: 128,
            seed: 1,
        }
    }
}

/// Why a scenario cannot be run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScenarioError {
    /// It is no TOML, or has a key that does not exist.
    #[error("{0}")]
    Toml(String),
    /// A value is out of its range.
    #[error("{key} must be {wanted}")]
    Range {
        /// The key.
        key: &'static str,
        /// What it may be.
        wanted: String,
    },
}

impl FromStr for Scenario {
    type Err = ScenarioError;

    fn from_str(text: &str) -> Result<Self, ScenarioError> {
        let scenario: Self = toml::from_str(text).map_err(|error| ScenarioError::Toml(error.to_string()))?;
        scenario.check()?;
        Ok(scenario)
    }
}

impl Scenario {
    /// Whether some of its links lose records now and then, so that nobody can say who gets each.
    pub fn loses(&self) -> bool {
        self.loss > 0.0 && self.loss < 1.0 && self.lossy_links > 0.0
    }

    fn check(&self) -> Result<(), ScenarioError> {
        let demand = |holds: bool, key: &'static str, wanted: String| {
            if holds { Ok(()) } else { Err(ScenarioError::Range { key, wanted }) }
        };
        let [fewest, most] = self.degree;
        let [least_ms, longest_ms] = self.latency_ms;
        demand((2..=NODES_MAX).contains(&self.nodes), "nodes", format!("from 2 to {NODES_MAX}"))?;
        // With two links or more for each, any number of nodes can hang together.
        let fits = (1..=most).contains(&fewest) && (2..=LINKS_MAX).contains(&most) && fewest < self.nodes;
        demand(fits, "degree", format!("[fewest, most] with most from 2 to {LINKS_MAX}, and fewest below nodes"))?;
        demand(least_ms <= longest_ms && longest_ms <= 60_000, "latency_ms", "[least, most], at most 60000".into())?;
        let parts = [
            ("loss", self.loss),
            ("lossy_links", self.lossy_links),
            ("silent", self.silent),
            ("wrong_clocks", self.wrong_clocks),
            ("plain", self.plain),
            ("signed", self.signed),
        ];
        for (key, part) in parts {
            demand((0.0..=1.0).contains(&part), key, "a part from 0 to 1".into())?;
        }
        let honest = self.silent + self.wrong_clocks < 1.0;
        demand(honest, "silent", "so small that, with wrong_clocks, some nodes are in order".into())?;
        demand(self.wrong_by_s.abs() <= 86_400, "wrong_by_s", "from -86400 to 86400".into())?;
        demand(self.check_us <= 1_000_000, "check_us", "at most 1000000".into())?;
        demand(self.forgeries <= FORGERIES_MAX, "forgeries", format!("at most {FORGERIES_MAX}"))?;
        let has_forger = self.silent * self.nodes as f64 >= 0.5;
        demand(
            self.forgeries == 0 || has_forger,
            "silent",
            "so large that one node is silent: it sends the forgeries".into(),
        )?;
        let records = self.records_per_s * f64::from(self.duration_s);
        let bounded = self.records_per_s >= 0.0 && records <= RECORDS_MAX;
        demand(bounded, "records_per_s", format!("0 or more, and at most {RECORDS_MAX} records in all"))?;
        let is_signed = self.signed > 0.0 || self.forgeries > 0;
        let least = if is_signed { SIGNED_BODY_BYTES_MIN } else { NUMBER_BYTES };
        let bodies = least..=BODY_BYTES_MAX;
        demand(bodies.contains(&self.body_bytes), "body_bytes", format!("from {least} to {BODY_BYTES_MAX}"))?;
        let room = (1..=65_536).contains(&self.seen_kib);
        demand(room, "seen_kib", "from 1 to 65536".into())?;
        let lives = LIFETIME_S_MIN..=LIFETIME_S_MAX;
        demand(lives.contains(&self.lifetime_s), "lifetime_s", format!("from {LIFETIME_S_MIN} to {LIFETIME_S_MAX}"))
    }
}
