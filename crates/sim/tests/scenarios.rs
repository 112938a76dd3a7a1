//! Every scenario of the folder can be run, and mistakes in one are named.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs, reason = "a test may fail loudly")]

use std::path::Path;

use nightjar_sim::{Graph, Scenario, ScenarioError, run};
use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;

#[test]
fn every_scenario_of_the_folder_holds() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let mut scenario: Scenario = std::fs::read_to_string(&path)
            .unwrap()
            .parse()
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        // Smaller than they are meant to be: a test is run often.
        scenario.nodes = scenario.nodes.min(100);
        scenario.duration_s = scenario.duration_s.min(10);
        let report = run(&scenario, scenario.seed);
        assert!(report.records > 0 && report.is_sound(), "{}\n{report}", path.display());
        assert!(report.is_complete() || scenario.loses(), "{}\n{report}", path.display());
        // A forger's records were looked at, and ours went on after the same look.
        let counters = report.counters;
        assert!(scenario.forgeries == 0 || counters.bad_signatures > 0, "{}\n{report}", path.display());
        assert!(scenario.signed == 0.0 || counters.checked > counters.bad_signatures, "{}\n{report}", path.display());
        count += 1;
    }
    assert!(count >= 5);
}

#[test]
fn an_empty_scenario_is_the_default() {
    assert_eq!("".parse(), Ok(Scenario::default()));
}

#[test]
fn a_mistake_is_named() {
    for (text, wanted) in [
        ("node = 3", "unknown field `node`"),
        ("nodes = 1", "nodes must be from 2 to 20000"),
        ("nodes = \"many\"", "invalid type"),
        ("degree = [0, 4]", "degree must be [fewest, most]"),
        ("degree = [5, 4]", "degree must be"),
        ("degree = [1, 1]", "degree must be"),
        ("degree = [1, 129]", "degree must be"),
        ("nodes = 4\ndegree = [4, 8]", "fewest below nodes"),
        ("latency_ms = [2, 1]", "latency_ms must be [least, most]"),
        ("loss = 1.1", "loss must be a part from 0 to 1"),
        ("plain = -0.1", "plain must be"),
        ("plain = nan", "plain must be"),
        ("silent = 0.5\nwrong_clocks = 0.5", "some nodes are in order"),
        ("records_per_s = 1e9", "at most 1000000 records"),
        ("records_per_s = nan", "records_per_s must be"),
        ("body_bytes = 7", "body_bytes must be from 8 to 239"),
        ("body_bytes = 240", "body_bytes must be"),
        ("signed = 2", "signed must be"),
        ("signed = 0.5\nbody_bytes = 97", "body_bytes must be from 98 to 239"),
        ("forgeries = 9", "one node is silent"),
        ("forgeries = 1000001\nsilent = 0.5", "forgeries must be at most"),
        ("check_us = 1000001", "check_us must be"),
        ("lifetime_s = 9", "lifetime_s must be from 10 to 3600"),
    ] {
        let error = text.parse::<Scenario>().unwrap_err();
        assert!(error.to_string().contains(wanted), "{text}: {error}");
        assert_eq!(matches!(error, ScenarioError::Toml(_)), text.starts_with("node =") || text.contains('"'), "{text}");
    }
}

#[test]
fn every_graph_hangs_together_within_its_degrees() {
    for (nodes, degree) in [(2, [1, 2]), (3, [2, 2]), (50, [1, 2]), (200, [5, 12]), (1000, [8, 8]), (129, [1, 128])] {
        for seed in 0..5 {
            let scenario = Scenario { nodes, degree, ..Scenario::default() };
            let graph = Graph::random(&scenario, &mut ChaCha8Rng::seed_from_u64(seed));
            assert!(graph.reached_from(0, |_| true).iter().all(|reached| *reached), "{nodes} {degree:?} {seed}");
            let mut degrees = vec![0; nodes];
            for edge in &graph.edges {
                assert_ne!(edge.from, edge.to);
                degrees[edge.from] += 1;
                degrees[edge.to] += 1;
            }
            assert!(degrees.iter().all(|count| (1..=degree[1]).contains(count)), "{nodes} {degree:?} {seed}");
            let short = degrees.iter().filter(|count| **count < degree[0]).count();
            // The last few may find no partner with a place.
            assert!(short * 20 <= nodes.max(20), "{short} of {nodes} have fewer than {} links", degree[0]);
        }
    }
}
