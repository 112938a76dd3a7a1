//! What a link can check of a record alone, the cheapest look first, on whichever protocol the record came.
//! Never marks a record as seen: the router does, after the check.

use std::fmt;

use nightjar_core::item::{Batch, Repeat};
use nightjar_core::record::{Expiry, RecordRef};
use nightjar_core::seen::SeenView;
use nightjar_core::time::Wall;

/// Records of one read, sorted into those that are new, known and out of their time.
pub(crate) struct Intake {
    seen: SeenView,
    batch: Batch,
}

impl Intake {
    pub(crate) fn new(seen: SeenView) -> Self {
        Self { seen, batch: Batch::default() }
    }

    /// Looks at one record. If it is dropped because its expiry is past or too far ahead, the answer says by how many
    /// seconds: what that means for the peer is for the protocol to say.
    pub(crate) fn take(&mut self, now: Wall, record: RecordRef<'_>, tag: u16) -> Option<u32> {
        let trailer = record.trailer();
        if let Some(stamp) = trailer {
            let overdue_s = match stamp.expiry_at(now) {
                Expiry::Alive => None,
                Expiry::Past(s) | Expiry::TooFarAhead(s) => Some(s),
            };
            if let Some(overdue_s) = overdue_s {
                // A plain text may happen to end as a trailer does, with any bytes for a date: it is no dated record.
                if record.id_matches() {
                    self.batch.expired += 1;
                    return Some(overdue_s);
                }
            } else if self.seen.knows_dated(record.msg_id()) {
                self.repeat(record, tag);
                return None;
            }
        }
        if trailer.is_none() && self.seen.knows_plain(record) {
            self.repeat(record, tag);
            return None;
        }
        let kept = record.to_record();
        // It looked dated and is not.
        if trailer.is_some() && kept.stamp().is_none() && self.seen.knows_plain(record) {
            self.repeat(record, tag);
            return None;
        }
        self.batch.records.push((kept, tag));
        None
    }

    /// What was taken since the last call, if anything was.
    pub(crate) fn give(&mut self) -> Option<Batch> {
        (!self.batch.is_empty()).then(|| std::mem::take(&mut self.batch))
    }

    fn repeat(&mut self, record: RecordRef<'_>, tag: u16) {
        let digest = self.seen.digest(record);
        self.batch.repeats.push(Repeat { msg_id: record.msg_id(), digest, tag });
    }
}

impl fmt::Debug for Intake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Intake").field("records", &self.batch.records.len()).finish_non_exhaustive()
    }
}
