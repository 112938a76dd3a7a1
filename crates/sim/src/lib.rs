//! Many real routers on one virtual clock, with all chance from one seed: what a network does, in seconds and on one
//! machine. Nothing here opens a socket or looks at a clock, so a seed replays a run to the last record.
//!
//! ```
//! let scenario: nightjar_sim::Scenario = "nodes = 20\ndegree = [3, 6]\nduration_s = 2".parse()?;
//! let report = nightjar_sim::run(&scenario, 7);
//! assert!(report.is_complete());
//! assert_eq!(report, nightjar_sim::run(&scenario, 7));
//! # Ok::<(), nightjar_sim::ScenarioError>(())
//! ```

mod graph;
mod ledger;
mod queue;
mod report;
mod scenario;
mod traffic;
mod world;

pub use graph::{Edge, Graph};
pub use report::Report;
pub use scenario::{Scenario, ScenarioError};
pub use world::{EPOCH_MS, World};

/// How long a network is left alone behind the last record: longer than a record may wait for its budget on one hop.
pub const SETTLE_MS: u64 = 30_000;

/// Runs a scenario from its first record to the rest behind its last.
pub fn run(scenario: &Scenario, seed: u64) -> Report {
    let mut world = World::new(scenario, seed);
    traffic::plan(&mut world, scenario);
    world.run_until(u64::from(scenario.duration_s) * 1000 + SETTLE_MS);
    world.report()
}
