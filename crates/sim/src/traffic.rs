//! The records of a scenario: when, from whom, of what kind. All is drawn before the run begins.

use nightjar_core::record::{CODING_ENVELOPE, MsgId, Record};
use rand::RngExt as _;

use crate::scenario::Scenario;
use crate::world::{EPOCH_MS, World};

/// How often a forger sends.
const FORGER_MS: u64 = 100;
/// The last byte of a body that is signed badly. Nothing is really signed here: who checks looks at it.
const FORGED: u8 = b'!';

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
    plan_forgeries(world, scenario, duration_ms);
}

/// Whether the signature of a record that is worth a check holds.
pub(crate) fn holds(record: &Record) -> bool {
    record.body().last() != Some(&FORGED)
}

fn plan_forgeries(world: &mut World, scenario: &Scenario, duration_ms: u64) {
    let Some(forger) = world.first_silent().filter(|_| scenario.forgeries > 0) else { return };
    let times = (duration_ms / FORGER_MS).max(1);
    let mut left = u64::from(scenario.forgeries);
    for time in 0..times {
        let count = left / (times - time);
        left -= count;
        let at_ms = time * FORGER_MS;
        let records = (0..count).map(|number| {
            let mut body = [&[2], (left + number).to_le_bytes().as_slice()].concat();
            body.resize(scenario.body_bytes - 1, b'.');
            body.push(FORGED);
            dated(world, scenario, at_ms, &body, CODING_ENVELOPE)
        });
        let records = records.collect();
        world.speak(at_ms, forger, records);
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
    // Chance is only asked where it decides, so that scenarios without signatures run as they did.
    if scenario.signed > 0.0 && world.chance().random_bool(scenario.signed) {
        body.insert(0, 2);
        body.truncate(scenario.body_bytes);
        return dated(world, scenario, at_ms, &body, CODING_ENVELOPE);
    }
    dated(world, scenario, at_ms, &body, 0)
}

fn dated(world: &mut World, scenario: &Scenario, at_ms: u64, body: &[u8], coding: u8) -> Record {
    let now_s = u32::try_from((EPOCH_MS + at_ms) / 1000).expect("a run ends before 2106");
    let nonce = world.chance().random();
    let expiry = now_s + scenario.lifetime_s;
    Record::dated(World::target(), body, expiry, coding, nonce).expect("the scenario's body fits")
}
