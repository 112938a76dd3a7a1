//! The records of a scenario: when, from whom, of what kind. All is drawn before the run begins.

use nightjar_core::record::{MsgId, Record};
use rand::RngExt as _;

use crate::scenario::Scenario;
use crate::world::{EPOCH_MS, World};

/// Plans all records of the scenario, each from some node in good order.
pub(crate) fn plan(world: &mut World, scenario: &Scenario) {
    let senders: Vec<usize> = (0..scenario.nodes).filter(|node| world.is_in_order(*node)).collect();
    let duration_ms = u64::from(scenario.duration_s) * 1000;
    // The cast drops a part of a record; the number was checked to be in range.
    let count = (scenario.records_per_s * f64::from(scenario.duration_s)) as u64;
    let mut moments: Vec<u64> = (0..count).map(|_| world.chance().random_range(0..=duration_ms)).collect();
    moments.sort_unstable();
    for at_ms in moments {
        let place = world.chance().random_range(0..senders.len());
        let sender = *senders.get(place).expect("the place was drawn below the length");
        let record = make(world, scenario, at_ms);
        world.publish(at_ms, sender, record);
    }
}

fn make(world: &mut World, scenario: &Scenario, at_ms: u64) -> Record {
    let mut body = world.next_number().to_vec();
    body.resize(scenario.body_bytes, b'.');
    let target = World::target();
    if world.chance().random_bool(scenario.plain) {
        let id = MsgId(world.chance().random());
        return Record::plain(id, target, &body).expect("the scenario's body fits");
    }
    let now_s = u32::try_from((EPOCH_MS + at_ms) / 1000).expect("a run ends before 2106");
    let nonce = world.chance().random();
    Record::dated(target, &body, now_s + scenario.lifetime_s, 0, nonce).expect("the scenario's body fits")
}
