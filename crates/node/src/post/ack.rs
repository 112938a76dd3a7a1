//! That a direct message came, told to the contact who wrote it, if the user wants that. It is the one thing that what comes makes this
//! node send, so it is off unless it is asked for, goes to contacts alone, and has a bound for each. Never kept, never tried again.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use nightjar_core::record::Record;
use nightjar_core::time::Wall;
use nightjar_envelope::id::MessageId;
use nightjar_envelope::key::ChatKey;
use rand_chacha::rand_core::Rng as _;
use tokio::time::sleep;

use super::Post;
use super::send::SendError;
use crate::handle::Handle;

/// An acknowledgement waits for at least so long: an answer at once would tell by its time where the message was opened.
pub const ACK_DELAY_MS_MIN: u64 = 3_000;
/// And for so long at the most: who wrote looks whether it came while he remembers.
pub const ACK_DELAY_MS_MAX: u64 = 60_000;
/// Acknowledgements to one contact in a minute: nobody reads faster, and a contact who floods makes nobody flood. What is more is not
/// acknowledged.
pub const ACKS_PER_MINUTE_MAX: usize = 10;
/// Acknowledgements that wait, to all contacts.
pub const ACKS_WAITING_MAX: usize = 1_024;
/// Messages of which it is remembered that they were acknowledged: all repeats of an hour, at the pace above of dozens of contacts.
const ACKNOWLEDGED_MAX: usize = 16_384;
const MINUTE_MS: u64 = 60_000;
/// How often it is looked what is due, while something waits.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// An acknowledgement that is to go out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ack {
    pub(super) at: Wall,
    /// The key that was written to.
    pub(super) own: ChatKey,
    pub(super) other: ChatKey,
    pub(super) id: MessageId,
}

/// Those that wait, and what bounds them.
#[derive(Debug, Default)]
pub(super) struct Acks {
    waiting: Vec<Ack>,
    /// When one was last owed to each contact.
    lately: BTreeMap<ChatKey, VecDeque<Wall>>,
    known: BTreeSet<MessageId>,
    /// The same in the order in which they came.
    order: VecDeque<MessageId>,
}

impl Acks {
    /// A message came that is to be acknowledged, once. `chance` says when. Says whether it will be.
    pub(super) fn owe(&mut self, own: ChatKey, other: ChatKey, id: MessageId, now: Wall, chance: u64) -> bool {
        if self.known.contains(&id) {
            return false;
        }
        self.known.insert(id);
        self.order.push_back(id);
        if self.order.len() > ACKNOWLEDGED_MAX {
            self.order.pop_front().map(|oldest| self.known.remove(&oldest));
        }
        // A time that is ahead is that of a clock that was set back since.
        let is_recent = |then: &Wall| now >= *then && now.0 - then.0 < MINUTE_MS;
        self.lately.retain(|_, times| times.iter().any(is_recent));
        let times = self.lately.entry(other).or_default();
        times.retain(is_recent);
        if times.len() >= ACKS_PER_MINUTE_MAX || self.waiting.len() >= ACKS_WAITING_MAX {
            return false;
        }
        times.push_back(now);
        let delay = ACK_DELAY_MS_MIN + chance % (ACK_DELAY_MS_MAX - ACK_DELAY_MS_MIN + 1);
        self.waiting.push(Ack { at: Wall(now.0.saturating_add(delay)), own, other, id });
        true
    }

    /// Those whose time has come. One that this machine slept over, or whose clock was set back, is dropped: it says that one is there now.
    fn due(&mut self, now: Wall) -> Vec<Ack> {
        let due = self.waiting.extract_if(.., |ack| ack.at <= now || ack.at.0 > now.0.saturating_add(ACK_DELAY_MS_MAX));
        due.filter(|ack| ack.at <= now && now.0 - ack.at.0 <= ACK_DELAY_MS_MAX).collect()
    }
}

impl Post {
    /// The records of an acknowledgement, while the other is a contact. Blocks: author's times are written down now and then.
    fn acknowledgement(&self, ack: &Ack) -> Result<Vec<Record>, SendError> {
        let now = self.now();
        let time_ms = self.identities.next_time_ms(&ack.own.to_string(), now)?;
        self.shared.lock().acknowledgement(ack, time_ms, now, &mut self.shared.chance())
    }
}

impl super::Shared {
    /// A direct message of a contact came that is to be acknowledged, if the user wants that.
    pub(super) fn owe_ack(&self, own: ChatKey, other: ChatKey, id: MessageId) {
        if !self.acknowledges {
            return;
        }
        let chance = self.chance().next_u64();
        if self.acks().owe(own, other, id, self.clock.wall(), chance) {
            self.ack.notify_one();
        }
    }
}

/// Sends acknowledgements when they are due, until the node ends. What cannot go out at once does not go out.
pub(crate) async fn run(handle: Handle) {
    let post = handle.post().clone();
    loop {
        let waits = !post.shared.acks().waiting.is_empty();
        tokio::select! {
            () = post.shared.ack.notified() => {}
            () = sleep(LOOK_EVERY), if waits => {}
            () = handle.requests.closed() => return,
        }
        let due = post.shared.acks().due(post.now());
        for ack in due {
            if !handle.is_heard() {
                continue;
            }
            let post_of = post.clone();
            let records = tokio::task::spawn_blocking(move || post_of.acknowledgement(&ack)).await;
            let sent = match records {
                Ok(Ok(records)) => handle.publish_to_somebody(records).await.map(drop).map_err(SendError::from),
                Ok(Err(error)) => Err(error),
                Err(_) => return,
            };
            // Not to whom: with whom one talks is nobody's business in a log.
            if let Err(error) = sent {
                tracing::debug!(%error, "a message is not acknowledged");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

    use nightjar_envelope::key::ChatSecret;
    use zeroize::Zeroizing;

    use super::*;

    const NOW: Wall = Wall(1_800_000_000_000);

    fn key(number: u16) -> ChatKey {
        let mut seed = Zeroizing::new([9; 32]);
        seed.iter_mut().zip(number.to_le_bytes()).for_each(|(byte, of)| *byte = of);
        ChatSecret::from_seed(&seed).public()
    }

    fn id(number: u64) -> MessageId {
        let mut id = [0; 16];
        id.iter_mut().zip(number.to_le_bytes()).for_each(|(byte, of)| *byte = of);
        MessageId(id)
    }

    fn after(ms: u64) -> Wall {
        Wall(NOW.0 + ms)
    }

    #[test]
    fn an_acknowledgement_waits_a_while_by_chance_and_goes_out_once() {
        let mut acks = Acks::default();
        assert!(acks.owe(key(0), key(1), id(1), NOW, 0));
        assert!(acks.owe(key(0), key(1), id(2), NOW, ACK_DELAY_MS_MAX - ACK_DELAY_MS_MIN));
        assert!(!acks.owe(key(0), key(1), id(1), NOW, 0), "it came again");
        assert!(acks.due(after(ACK_DELAY_MS_MIN - 1)).is_empty());
        let ids = |due: Vec<Ack>| due.into_iter().map(|ack| ack.id).collect::<Vec<_>>();
        assert_eq!(ids(acks.due(after(ACK_DELAY_MS_MIN))), [id(1)]);
        assert!(acks.due(after(ACK_DELAY_MS_MAX - 1)).is_empty());
        assert_eq!(ids(acks.due(after(ACK_DELAY_MS_MAX))), [id(2)]);
        assert!(acks.due(after(2 * ACK_DELAY_MS_MAX)).is_empty());
    }

    #[test]
    fn one_that_was_slept_over_or_whose_clock_was_set_back_is_dropped() {
        for now in [after(3 * ACK_DELAY_MS_MAX), Wall(NOW.0 - 3_600_000)] {
            let mut acks = Acks::default();
            assert!(acks.owe(key(0), key(1), id(1), NOW, 0));
            assert!(acks.due(now).is_empty() && acks.waiting.is_empty());
        }
    }

    #[test]
    fn a_contact_who_floods_gets_ten_a_minute_and_takes_no_others() {
        let mut acks = Acks::default();
        let mut owed = 0;
        for number in 0..1_000 {
            owed += usize::from(acks.owe(key(0), key(1), id(number), after(number), number));
        }
        assert_eq!(owed, ACKS_PER_MINUTE_MAX);
        assert!(acks.owe(key(0), key(2), id(2_000), after(1_000), 0), "another");
        assert!(!acks.owe(key(0), key(1), id(2_001), after(59_000), 0));
        assert!(acks.owe(key(0), key(1), id(2_002), after(MINUTE_MS), 0), "the next minute");
        // A clock that is set back silences nobody.
        assert!(acks.owe(key(0), key(1), id(2_003), Wall(1_000), 0));
    }

    #[test]
    fn what_waits_and_what_is_remembered_is_bounded() {
        let mut acks = Acks::default();
        for number in 0..200 {
            for message in 0..10 {
                acks.owe(key(0), key(number), id(u64::from(number) * 10 + message), NOW, 0);
            }
        }
        assert_eq!(acks.waiting.len(), ACKS_WAITING_MAX);
        for number in 0..2 * ACKNOWLEDGED_MAX as u64 {
            acks.owe(key(0), key(1), id(1 << 32 | number), after(60_000 * number), 0);
            acks.due(after(60_000 * number));
        }
        assert_eq!((acks.known.len(), acks.order.len()), (ACKNOWLEDGED_MAX, ACKNOWLEDGED_MAX));
        assert_eq!(acks.lately.len(), 1);
    }
}
