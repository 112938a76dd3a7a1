//! What tests of whole networks share.
#![allow(dead_code, reason = "each test uses a part")]

use nightjar_core::record::{MsgId, Record, Target};
use nightjar_sim::{EPOCH_MS, Scenario, World};

pub(crate) fn scenario(text: &str) -> Scenario {
    text.parse().unwrap_or_else(|error| panic!("{error}"))
}

/// A record that is published next at this moment, living for ten minutes.
pub(crate) fn next_dated(world: &World, at_ms: u64) -> Record {
    dated(World::target(), &world.next_number(), at_ms, 600)
}

pub(crate) fn dated(target: Target, body: &[u8], at_ms: u64, lives_s: u32) -> Record {
    let expiry = u32::try_from((EPOCH_MS + at_ms) / 1000).unwrap() + lives_s;
    Record::dated(target, body, expiry, 0, [7; 8]).unwrap()
}

pub(crate) fn plain(number: u64, target: Target, body: &[u8]) -> Record {
    let mut id = [0x77; 16];
    id[..8].copy_from_slice(&number.to_le_bytes());
    Record::plain(MsgId(id), target, body).unwrap()
}

/// The first node that passes nothing on, and the first in order.
pub(crate) fn silent_and_honest(world: &World) -> (usize, usize) {
    let nodes = 0..world.graph().nodes;
    let silent = nodes.clone().find(|node| !world.is_in_order(*node)).unwrap();
    let honest = nodes.clone().find(|node| world.is_in_order(*node)).unwrap();
    (silent, honest)
}

/// The nodes linked to this one, with the time of the link.
pub(crate) fn neighbours(world: &World, node: usize) -> Vec<(usize, u64)> {
    let edges = world.graph().edges.iter();
    edges
        .filter_map(|edge| match (edge.from == node, edge.to == node) {
            (true, _) => Some((edge.to, edge.latency_ms)),
            (_, true) => Some((edge.from, edge.latency_ms)),
            _ => None,
        })
        .collect()
}
