//! Own messages on their way out: written down before they are sent, tried again until somebody takes them or their time is over, and
//! told how far they came. Never decides what a message says or for whom it is.

use std::collections::BTreeMap;
use std::time::Duration;

use nightjar_core::record::{LIFETIME_S_MIN, Record};
use nightjar_envelope::id::MessageId;
use tokio::time::sleep;

use super::Post;
use super::send::SendError;
use crate::handle::Handle;
use crate::message::{Delivery, NewMessage};
use crate::store::{Again, Change, Outgoing};

/// For so long a message waits for a peer when nothing else is said.
pub const DEADLINE_S_DEFAULT: u32 = 86_400;
/// And for so long at the most: what is older nobody keeps.
pub const DEADLINE_S_MAX: u32 = 7 * 86_400;
/// Messages that wait: a night without a network, in a busy hand.
pub const OUTBOX_MAX: usize = 1_024;
/// How often it is looked whether there is a peer, or a deadline is over.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// What a message is known by.
pub(super) type OutKey = (String, MessageId);

/// Messages that did not all go out yet.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    waiting: BTreeMap<OutKey, Entry>,
}

#[derive(Debug)]
struct Entry {
    outgoing: Outgoing,
    /// It is being sent now.
    busy: bool,
}

impl Outbox {
    /// What an earlier run of the node left.
    pub(super) fn new(left: Vec<Outgoing>) -> Self {
        let entries = left.into_iter().map(|outgoing| (key_of(&outgoing), Entry { outgoing, busy: false }));
        Self { waiting: entries.collect() }
    }

    /// A message is being sent.
    fn enter(&mut self, outgoing: Outgoing) -> Result<(), SendError> {
        if self.waiting.len() >= OUTBOX_MAX {
            return Err(SendError::OutboxFull);
        }
        self.waiting.insert(key_of(&outgoing), Entry { outgoing, busy: true });
        Ok(())
    }

    /// It waits for another try.
    fn wait(&mut self, key: &OutKey) {
        if let Some(entry) = self.waiting.get_mut(key) {
            entry.busy = false;
        }
    }

    /// Whose time is over.
    fn over(&mut self, now_s: u32) -> Vec<OutKey> {
        let over = self.waiting.iter().filter(|(_, entry)| !entry.busy && entry.outgoing.deadline <= now_s);
        over.map(|(key, _)| key.clone()).collect()
    }

    /// What waits, longest first; from now on it is being sent.
    fn take(&mut self) -> Vec<Outgoing> {
        let free = self.waiting.values_mut().filter(|entry| !entry.busy);
        let mut taken: Vec<Outgoing> = free
            .map(|entry| {
                entry.busy = true;
                entry.outgoing.clone()
            })
            .collect();
        taken.sort_by_key(|outgoing| outgoing.queued);
        taken
    }
}

pub(super) fn key_of(outgoing: &Outgoing) -> OutKey {
    (outgoing.conversation.clone(), outgoing.id)
}

impl Post {
    /// Writes a message down before it is sent. If the disk does not take it, it is sent all the same and written down later, and why is
    /// given back.
    pub(super) async fn enter(
        &self,
        own: NewMessage,
        outgoing: Outgoing,
        changes: Vec<Change>,
    ) -> Result<Option<String>, SendError> {
        self.shared.outbox().enter(outgoing.clone())?;
        let state = if outgoing.worked { Delivery::Working } else { Delivery::Queued };
        let mut all = vec![Change::Own(Box::new(own), state), Change::Outgoing(outgoing)];
        all.extend(changes);
        Ok(self.store.change_kept(all).await.err().map(|error| {
            format!("it is not in the log yet, and will not be if the node ends before the disk takes it: {error}")
        }))
    }

    /// A message went to so many peers. If `whole`, all of it.
    pub(super) fn went(&self, (conversation, id): OutKey, peers: usize, whole: bool) {
        let peers = u32::try_from(peers).unwrap_or(u32::MAX);
        let mut changes = vec![Change::Delivery(conversation.clone(), id, Delivery::Sent(peers))];
        if whole {
            self.shared.outbox().waiting.remove(&(conversation.clone(), id));
            changes.push(Change::NotOutgoing(conversation, id));
        }
        self.write_down(changes);
    }

    /// Nobody took it yet.
    pub(super) fn waits(&self, (conversation, id): OutKey) {
        self.shared.outbox().wait(&(conversation.clone(), id));
        self.write_down(vec![Change::Delivery(conversation, id, Delivery::Queued)]);
    }

    /// It does not go out any more.
    pub(super) fn gave_up(&self, (conversation, id): OutKey, why: String) {
        self.shared.outbox().waiting.remove(&(conversation.clone(), id));
        let failed = Change::Delivery(conversation.clone(), id, Delivery::Failed(why));
        self.write_down(vec![failed, Change::NotOutgoing(conversation, id)]);
    }

    /// Own messages that did not all go out yet.
    pub fn outbox(&self) -> Vec<Outgoing> {
        self.shared.outbox().waiting.values().map(|entry| entry.outgoing.clone()).collect()
    }

    /// Takes messages of this id back, as far as they did not go out; `false` if none waits.
    pub fn cancel(&self, id: MessageId) -> bool {
        let waiting: Vec<OutKey> = {
            let outbox = self.shared.outbox();
            let of_id = outbox.waiting.iter().filter(|((_, of), entry)| *of == id && !entry.busy);
            of_id.map(|(key, _)| key.clone()).collect()
        };
        let any = !waiting.is_empty();
        waiting.into_iter().for_each(|key| self.gave_up(key, "it was taken back".to_owned()));
        any
    }

    /// The records of a message that is tried again.
    fn records_again(&self, again: Again) -> Result<Vec<Record>, SendError> {
        match again {
            Again::AsItIs(records) => Ok(records),
            Again::Anew { way, map, author, lifetime_s } => {
                let expiry = self.now().unix_s().saturating_add(lifetime_s);
                let state = self.shared.lock();
                state.anew(&way, &map, &author, expiry, &mut self.shared.chance())
            }
        }
    }
}

/// Sends what waits when there is somebody to send to, until the node ends.
pub(crate) async fn run(handle: Handle) {
    let post = handle.post().clone();
    loop {
        tokio::select! {
            () = sleep(LOOK_EVERY) => {}
            () = handle.requests.closed() => return,
        }
        let now_s = post.now().unix_s();
        let over = post.shared.outbox().over(now_s);
        for key in over {
            post.gave_up(key, "no peer took it in time".to_owned());
        }
        if !handle.is_heard() {
            continue;
        }
        let waiting = post.shared.outbox().take();
        for outgoing in waiting {
            let key = key_of(&outgoing);
            // A record that is about to expire is not taken by anybody.
            let expires = |records: &[Record]| {
                records.iter().any(|it| it.stamp().is_some_and(|it| it.expiry < now_s + LIFETIME_S_MIN))
            };
            let (post_of, again) = (post.clone(), outgoing.again);
            let records = tokio::task::spawn_blocking(move || post_of.records_again(again)).await;
            match records {
                Ok(Ok(records)) if expires(&records) => post.gave_up(key, "no peer took it in time".to_owned()),
                Ok(Ok(records)) => {
                    let published = handle.publish_parts(records, outgoing.worked, true).await;
                    // What became of it stands with the message.
                    drop(handle.after(key, published));
                }
                // They are opened by and by.
                Ok(Err(SendError::Locked)) => post.shared.outbox().wait(&key),
                Ok(Err(error)) => post.gave_up(key, error.to_string()),
                Err(_) => return,
            }
        }
    }
}
