//! Who is linked to whom: random graphs that hang together. Knows nothing of routers.

use std::collections::BTreeSet;

use rand::RngExt as _;
use rand_chacha::ChaCha8Rng;

use crate::scenario::Scenario;

/// Draws of a partner for a node that lacks links, before it is left with fewer.
const DRAWS_MAX: usize = 200;

/// One link.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Edge {
    /// Who opened it.
    pub from: usize,
    /// Whom it was opened to.
    pub to: usize,
    /// How long it takes, one way.
    pub latency_ms: u64,
    /// The part of what is sent on it that does not come.
    pub loss: f64,
}

/// The links of a network.
#[derive(Clone, Debug, PartialEq)]
pub struct Graph {
    /// How many nodes there are.
    pub nodes: usize,
    /// The links, each once.
    pub edges: Vec<Edge>,
}

impl Graph {
    /// A random graph in which every node reaches every other.
    pub fn random(scenario: &Scenario, chance: &mut ChaCha8Rng) -> Self {
        let [fewest, most] = scenario.degree;
        let mut pairs = BTreeSet::new();
        let mut degrees = vec![0; scenario.nodes];
        // A tree first, so that it hangs together: each node to an earlier one with a place.
        for node in 1..scenario.nodes {
            let mut earlier = chance.random_range(0..node);
            while degree(&degrees, earlier) >= most {
                earlier = (earlier + 1) % node;
            }
            join(&mut pairs, &mut degrees, node, earlier);
        }
        for node in 0..scenario.nodes {
            let wanted = chance.random_range(fewest..=most);
            for _ in 0..DRAWS_MAX {
                if degree(&degrees, node) >= wanted {
                    break;
                }
                let other = chance.random_range(0..scenario.nodes);
                let known = other == node || pairs.contains(&ordered(node, other));
                if !known && degree(&degrees, other) < most {
                    join(&mut pairs, &mut degrees, node, other);
                }
            }
        }
        let [least_ms, longest_ms] = scenario.latency_ms;
        let edges = pairs.into_iter().map(|(low, high)| {
            let (from, to) = if chance.random_bool(0.5) { (low, high) } else { (high, low) };
            let lossy = chance.random_bool(scenario.lossy_links);
            let latency_ms = chance.random_range(least_ms..=longest_ms);
            Edge { from, to, latency_ms, loss: if lossy { scenario.loss } else { 0.0 } }
        });
        Self { nodes: scenario.nodes, edges: edges.collect() }
    }

    /// Which nodes a record of `origin` comes to, when only nodes that `relays` names pass it on, and links that lose
    /// everything are none.
    pub fn reached_from(&self, origin: usize, relays: impl Fn(usize) -> bool) -> Vec<bool> {
        let mut neighbours = vec![Vec::new(); self.nodes];
        for edge in self.edges.iter().filter(|edge| edge.loss < 1.0) {
            for (one, other) in [(edge.from, edge.to), (edge.to, edge.from)] {
                neighbours.get_mut(one).expect("an edge is between nodes").push(other);
            }
        }
        let mut reached = vec![false; self.nodes];
        let mut open = vec![origin];
        while let Some(node) = open.pop() {
            let here = reached.get_mut(node).expect("an edge is between nodes");
            if !std::mem::replace(here, true) && relays(node) {
                open.extend(neighbours.get(node).expect("an edge is between nodes"));
            }
        }
        reached
    }
}

fn degree(degrees: &[usize], node: usize) -> usize {
    *degrees.get(node).expect("there is a degree for each node")
}

fn join(pairs: &mut BTreeSet<(usize, usize)>, degrees: &mut [usize], one: usize, other: usize) {
    pairs.insert(ordered(one, other));
    for node in [one, other] {
        *degrees.get_mut(node).expect("there is a degree for each node") += 1;
    }
}

fn ordered(one: usize, other: usize) -> (usize, usize) {
    (one.min(other), one.max(other))
}
