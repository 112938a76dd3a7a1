//! Which records own messages went out in, so that who holds a record is told of its message. In memory alone: after a restart of the
//! node nothing is told of what went out before. Never asks anybody.

use std::collections::BTreeMap;

use nightjar_core::record::{MsgId, Record};

use super::Post;
use super::outbox::OutKey;
use crate::message::Delivery;
use crate::store::Change;

/// Records that are remembered: of fifty of the longest messages, or of as many short ones as somebody says in a week. About 2 MiB. Of more,
/// those of the oldest sendings go.
pub const HELD_RECORDS_MAX: usize = 16_384;

/// Sendings of own messages, each of which may be held.
#[derive(Debug, Default)]
pub(super) struct Sendings {
    /// By number: the oldest first.
    all: BTreeMap<u64, Sending>,
    /// Which part of which sending a record is.
    records: BTreeMap<MsgId, (u64, usize)>,
    /// Of all sendings.
    parts: usize,
    last: u64,
}

/// A message as it went out once. A repeat is cut anew, and the parts of one do not make up for those of another.
#[derive(Debug)]
struct Sending {
    key: OutKey,
    /// The record of each part, and how many neighbours say that they hold it.
    parts: Vec<(Option<MsgId>, u32)>,
    /// How many were told of the whole.
    told: u32,
}

impl Sendings {
    /// A message of so many parts begins to go out. Gives the number of the sending.
    pub(super) fn begin(&mut self, key: OutKey, parts: usize) -> u64 {
        self.last += 1;
        self.parts += parts;
        while self.parts > HELD_RECORDS_MAX
            && let Some((_, oldest)) = self.all.pop_first()
        {
            self.parts -= oldest.parts.len();
            for (id, _) in oldest.parts {
                id.map(|id| self.records.remove(&id));
            }
        }
        self.all.insert(self.last, Sending { key, parts: vec![(None, 0); parts], told: 0 });
        self.last
    }

    /// These are the parts of a sending from this one on.
    pub(super) fn went(&mut self, number: u64, from: usize, records: &[Record]) {
        let Some(sending) = self.all.get_mut(&number) else { return };
        for (part, record) in (from..).zip(records) {
            if let Some((id, _)) = sending.parts.get_mut(part) {
                *id = Some(record.msg_id());
                self.records.insert(record.msg_id(), (number, part));
            }
        }
    }

    /// So many neighbours hold a record. Gives the message, and how many hold all of it, if they are more than before.
    fn held(&mut self, id: MsgId, neighbours: u32) -> Option<(OutKey, u32)> {
        let (number, part) = self.records.get(&id)?;
        let sending = self.all.get_mut(number)?;
        let (_, held) = sending.parts.get_mut(*part)?;
        *held = neighbours.max(*held);
        let least = sending.parts.iter().map(|(_, held)| *held).min()?;
        if least <= sending.told {
            return None;
        }
        sending.told = least;
        Some((sending.key.clone(), least))
    }
}

impl Post {
    /// So many neighbours say that they hold these records of ours. Never waits.
    pub fn held(&self, records: Vec<(MsgId, u32)>) {
        let mut sendings = self.shared.sendings();
        // What is told of one message in one go is told once.
        let mut held: BTreeMap<OutKey, u32> = BTreeMap::new();
        for (key, neighbours) in records.into_iter().filter_map(|(id, neighbours)| sendings.held(id, neighbours)) {
            let most = held.entry(key).or_default();
            *most = neighbours.max(*most);
        }
        drop(sendings);
        let told =
            held.into_iter().map(|((conversation, id), most)| Change::Delivery(conversation, id, Delivery::Held(most)));
        self.write_down(told.collect());
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail loudly")]

    use nightjar_core::record::Target;
    use nightjar_envelope::id::MessageId;

    use super::*;

    fn key(number: u8) -> OutKey {
        ("#a".to_owned(), MessageId([number; 16]))
    }

    fn records(count: u64, sending: u64) -> Vec<Record> {
        let nonce = |number: u64| ((sending << 32) | number).to_le_bytes();
        (0..count)
            .map(|number| Record::dated(Target([1; 16]), b"x", 1_800_000_000, 1, nonce(number)).unwrap())
            .collect()
    }

    #[test]
    fn a_message_of_several_parts_is_held_by_as_many_as_its_least_part() {
        let mut sendings = Sendings::default();
        let (number, parts) = (sendings.begin(key(1), 3), records(3, 1));
        sendings.went(number, 0, &parts[..2]);
        assert_eq!(sendings.held(parts[0].msg_id(), 5), None);
        assert_eq!(sendings.held(parts[1].msg_id(), 4), None);
        assert_eq!(sendings.held(parts[2].msg_id(), 9), None, "it did not go out yet");
        sendings.went(number, 2, &parts[2..]);
        assert_eq!(sendings.held(parts[2].msg_id(), 2), Some((key(1), 2)));
        assert_eq!(sendings.held(parts[2].msg_id(), 1), None, "never less");
        assert_eq!(sendings.held(parts[2].msg_id(), 7), Some((key(1), 4)));
        assert_eq!(sendings.held(parts[0].msg_id(), 7), None);
    }

    #[test]
    fn a_repeat_in_other_records_counts_and_the_parts_of_two_sendings_are_not_mixed() {
        let mut sendings = Sendings::default();
        let (first, again) = (records(2, 1), records(2, 2));
        for parts in [&first, &again] {
            let number = sendings.begin(key(1), 2);
            sendings.went(number, 0, parts);
        }
        assert_eq!(sendings.held(first[0].msg_id(), 1), None);
        assert_eq!(sendings.held(again[1].msg_id(), 1), None);
        assert_eq!(sendings.held(again[0].msg_id(), 1), Some((key(1), 1)));
        assert_eq!(sendings.held(records(1, 3)[0].msg_id(), 1), None, "nobody's");
    }

    #[test]
    fn the_records_that_are_remembered_are_bounded_and_the_oldest_sending_goes() {
        let mut sendings = Sendings::default();
        let parts = |sending: u64| records(300, sending);
        for sending in 1..=60 {
            let number = sendings.begin(key(1), 300);
            sendings.went(number, 0, &parts(sending));
            assert!(sendings.records.len() <= HELD_RECORDS_MAX);
        }
        assert!(!sendings.records.contains_key(&parts(1)[0].msg_id()));
        assert!(sendings.records.contains_key(&parts(60)[299].msg_id()));
        assert_eq!((sendings.records.len(), sendings.parts), (300 * sendings.all.len(), 300 * sendings.all.len()));
        // Also those of which nothing went out.
        for _ in 0..HELD_RECORDS_MAX {
            sendings.begin(key(2), 312);
        }
        assert!(sendings.all.len() <= HELD_RECORDS_MAX / 312 && sendings.records.is_empty());
    }
}
