//! Own messages on their way out: written down before they are sent, tried again until somebody takes them or their time is over, and
//! told how far they came. Never decides what a message says or for whom it is.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use nightjar_core::record::{EXPIRY_AHEAD_S_MAX, LIFETIME_S_MIN, Record};
use nightjar_core::time::{Mono, Now};
use nightjar_envelope::id::MessageId;
use nightjar_envelope::map::Map;
use tokio::time::sleep;

use super::Post;
use super::send::{SendError, earliest_expiry};
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
/// A message whose deadline is over is kept for so long all the same: a clock that jumped ahead may come back, and what it said was
/// over is not.
const KEPT_OVER_MS: u64 = 30 * 60_000;

/// A message that was handed to links may be in no socket and in no window yet, which a killed process takes with it: for so long its row
/// stays, and the next run of the node sends it once more.
const CERTAIN_MS: u64 = 10_000;

/// What a message is known by.
pub(super) type OutKey = (String, MessageId);

/// Messages that did not all go out yet.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    waiting: BTreeMap<OutKey, Entry>,
    /// All of these was handed to links, and since when; their rows are there yet. The earliest first, [`OUTBOX_MAX`] at the most.
    went: VecDeque<(Mono, OutKey)>,
}

#[derive(Debug)]
struct Entry {
    outgoing: Outgoing,
    /// It is being sent now, or whoever wrote it down is about to send it.
    busy: bool,
    /// The latter: it can be taken back yet.
    waits_turn: bool,
    /// Since when its deadline is over, by the clock that does not jump.
    over: Option<Mono>,
    /// No record of it is dated earlier than this, Unix seconds.
    dated: u32,
    /// It was said that this is too far ahead of the clock.
    told_ahead: bool,
    /// An earlier run of the node may have said that its time is over.
    is_left: bool,
}

impl Entry {
    fn new(outgoing: Outgoing, busy: bool) -> Self {
        let dated = match &outgoing.again {
            Again::AsItIs(records) => records.iter().filter_map(|it| it.stamp()).map(|stamp| stamp.expiry).max(),
            Again::Anew { map, .. } => Map::read_all(map).ok().map(|map| earliest_expiry(map.time_ms())),
        };
        Self {
            outgoing,
            busy,
            waits_turn: false,
            over: None,
            dated: dated.unwrap_or(0),
            told_ahead: false,
            is_left: false,
        }
    }

    /// Whether it was written while the clock was far ahead: then nobody would take it before that time has come.
    fn is_ahead(&self, now: Now) -> bool {
        self.dated > now.wall.unix_s().saturating_add(EXPIRY_AHEAD_S_MAX)
    }

    /// Whether the deadline is over. What is sent as it is must be taken before it expires.
    fn is_over(&self, now: Now) -> bool {
        let before_s = if matches!(self.outgoing.again, Again::AsItIs(_)) { LIFETIME_S_MIN } else { 0 };
        self.outgoing.deadline.saturating_sub(before_s) <= now.wall.unix_s()
    }

    const fn waits(&self) -> bool {
        !self.busy && self.over.is_none()
    }

    /// Whether a person would say that it waits: it did not go out yet, and its time is not over.
    fn is_left_to_do(&self, now_s: u32) -> bool {
        // Of one whose deadline was over before a restart it is looked a little later.
        !self.outgoing.went && self.over.is_none() && self.outgoing.deadline >= now_s
    }
}

/// What a look at the deadlines found.
#[derive(Debug, Default)]
struct Over {
    /// Whose time is over.
    over: Vec<OutKey>,
    /// Whose time is not over after all.
    back: Vec<OutKey>,
    /// Whose time is over for so long that they do not come back.
    gone: Vec<OutKey>,
}

impl Outbox {
    /// What an earlier run of the node left.
    pub(super) fn new(left: Vec<Outgoing>) -> Self {
        let entries = left
            .into_iter()
            .map(|outgoing| (key_of(&outgoing), Entry { is_left: true, ..Entry::new(outgoing, false) }));
        Self { waiting: entries.collect(), went: VecDeque::new() }
    }

    /// A message is about to be sent.
    fn enter(&mut self, outgoing: Outgoing) -> Result<(), SendError> {
        if self.waiting.values().filter(|entry| entry.over.is_none()).count() >= OUTBOX_MAX {
            return Err(SendError::OutboxFull);
        }
        // The same said again: its row is a new one.
        let key = key_of(&outgoing);
        self.went.retain(|(_, went)| *went != key);
        self.waiting.insert(key, Entry { waits_turn: true, ..Entry::new(outgoing, true) });
        Ok(())
    }

    /// It is being sent from now on; `false` if it was taken back.
    fn begin(&mut self, key: &OutKey) -> bool {
        self.waiting.get_mut(key).is_some_and(|entry| {
            entry.waits_turn = false;
            true
        })
    }

    /// All of it was handed to links. Gives those of which that is certain because there are too many.
    fn went(&mut self, key: &OutKey, now: Mono) -> Option<OutKey> {
        self.waiting.remove(key);
        self.went.push_back((now, key.clone()));
        if self.went.len() > OUTBOX_MAX { self.went.pop_front().map(|(_, key)| key) } else { None }
    }

    /// Those that went out for certain by now.
    fn certain(&mut self, now: Mono) -> Vec<OutKey> {
        let count = self.went.partition_point(|(since, _)| now.since(*since) >= CERTAIN_MS);
        self.went.drain(..count).map(|(_, key)| key).collect()
    }

    /// It waits for another try. `true` if it was told as sent, and stays so.
    fn wait(&mut self, key: &OutKey) -> bool {
        self.waiting.get_mut(key).is_some_and(|entry| {
            entry.busy = false;
            entry.outgoing.went
        })
    }

    /// Looks at the deadlines. What is over longest goes when too many are.
    fn look(&mut self, now: Now) -> Over {
        let mut found = Over::default();
        for (key, entry) in self.waiting.iter_mut().filter(|(_, entry)| !entry.busy) {
            if entry.is_ahead(now) && !std::mem::replace(&mut entry.told_ahead, true) {
                tracing::warn!(
                    ahead_s = entry.dated - now.wall.unix_s(),
                    "an own message was written ahead of this machine's clock and waits until it shows that time: set the clock, or take the message back (`nightjar outbox`) and send it again"
                );
            }
            let was_left = std::mem::take(&mut entry.is_left);
            match (entry.is_over(now), entry.over) {
                // It was told as sent, and stays so.
                (over, _) if entry.outgoing.went => found.gone.extend(over.then(|| key.clone())),
                (true, None) => {
                    entry.over = Some(now.mono);
                    found.over.push(key.clone());
                }
                (false, over) if over.is_some() || was_left => {
                    entry.over = None;
                    found.back.push(key.clone());
                }
                _ => {}
            }
        }
        let mut over: Vec<(Mono, OutKey)> =
            self.waiting.iter().filter_map(|(key, entry)| Some((entry.over?, key.clone()))).collect();
        over.sort_unstable_by_key(|(since, _)| *since);
        let too_many = over.len().saturating_sub(OUTBOX_MAX);
        let is_gone = |at: usize, since: Mono| at < too_many || now.mono.since(since) >= KEPT_OVER_MS;
        let gone = over.into_iter().enumerate().filter(|(at, (since, _))| is_gone(*at, *since));
        found.gone.extend(gone.map(|(_, (_, key))| key));
        for key in &found.gone {
            self.waiting.remove(key);
        }
        found
    }

    /// What waits, longest first; from now on it is being sent.
    fn take(&mut self, now: Now) -> Vec<Outgoing> {
        let free = self.waiting.values_mut().filter(|entry| entry.waits() && !entry.is_ahead(now));
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
    /// Writes a message down before it is sent, in the order of the calls. If the disk does not take it, it is sent all the same and written
    /// down later, and why is given back.
    pub(super) fn enter(
        &self,
        own: NewMessage,
        outgoing: Outgoing,
        changes: Vec<Change>,
    ) -> Result<impl Future<Output = Option<String>> + Send + use<>, SendError> {
        self.shared.outbox().enter(outgoing.clone())?;
        let state = if outgoing.worked { Delivery::Working } else { Delivery::Queued };
        let mut all = vec![Change::Own(Box::new(own), state), Change::Outgoing(outgoing)];
        all.extend(changes);
        let kept = self.store.change_kept(all);
        Ok(async move {
            kept.await.err().map(|error| {
                format!("it is not in the log yet, and will not be if the node ends before the disk takes it: {error}")
            })
        })
    }

    /// What was entered is being sent from now on; `false` if it was taken back.
    pub(super) fn begins(&self, key: &OutKey) -> bool {
        self.shared.outbox().begin(key)
    }

    /// A message went to so many peers. If `whole`, all of it.
    pub(super) fn went(&self, (conversation, id): OutKey, peers: usize, whole: bool) {
        let peers = u32::try_from(peers).unwrap_or(u32::MAX);
        let mut changes = vec![Change::Delivery(conversation.clone(), id, Delivery::Sent(peers))];
        if whole {
            let key = (conversation, id);
            let certain = self.shared.outbox().went(&key, self.shared.clock.now().mono);
            changes.push(Change::Went(key.0, key.1));
            changes.extend(certain.map(|(conversation, id)| Change::NotOutgoing(conversation, id)));
        }
        self.write_down(changes);
    }

    /// Nobody took it yet.
    pub(super) fn waits(&self, key: OutKey) {
        if !self.shared.outbox().wait(&key) {
            self.write_down(vec![Change::Delivery(key.0, key.1, Delivery::Queued)]);
        }
    }

    /// It does not go out any more.
    pub(super) fn gave_up(&self, (conversation, id): OutKey, why: String) {
        let entry = self.shared.outbox().waiting.remove(&(conversation.clone(), id));
        let mut changes = Vec::new();
        if !entry.is_some_and(|entry| entry.outgoing.went) {
            changes.push(Change::Delivery(conversation.clone(), id, Delivery::Failed(why)));
        }
        changes.push(Change::NotOutgoing(conversation, id));
        self.write_down(changes);
    }

    /// What was handed to links is out, or in the window: the node ended in order.
    pub(crate) fn all_went(&self) {
        let went = std::mem::take(&mut self.shared.outbox().went);
        self.write_down(
            went.into_iter().map(|(_, (conversation, id))| Change::NotOutgoing(conversation, id)).collect(),
        );
    }

    /// Looks at the deadlines. A message whose time is over failed, and waits again when the clock that said so is set back.
    fn look_at_deadlines(&self, now: Now) {
        let Over { over, back, gone } = self.shared.outbox().look(now);
        let tell = |(conversation, id): OutKey, delivery: Delivery| Change::Delivery(conversation, id, delivery);
        let failed = || Delivery::Failed("no peer took it in time".to_owned());
        let mut changes: Vec<Change> = over.into_iter().map(|key| tell(key, failed())).collect();
        changes.extend(back.into_iter().map(|key| tell(key, Delivery::Queued)));
        let certain = self.shared.outbox().certain(now.mono);
        changes.extend(gone.into_iter().chain(certain).map(|(conversation, id)| Change::NotOutgoing(conversation, id)));
        self.write_down(changes);
    }

    /// Own messages that did not all go out yet.
    pub fn outbox(&self) -> Vec<Outgoing> {
        let now_s = self.shared.clock.wall().unix_s();
        let outbox = self.shared.outbox();
        outbox.waiting.values().filter(|it| it.is_left_to_do(now_s)).map(|entry| entry.outgoing.clone()).collect()
    }

    /// The same with those whose deadline is over, and may not be over after all.
    pub(crate) fn all_in_outbox(&self) -> Vec<Outgoing> {
        self.shared.outbox().waiting.values().map(|entry| entry.outgoing.clone()).collect()
    }

    /// Takes messages of this id back, as far as they did not go out; `false` if none waits.
    pub fn cancel(&self, id: MessageId) -> bool {
        let waiting: Vec<OutKey> = {
            let outbox = self.shared.outbox();
            let of_id = outbox.waiting.iter().filter(|((_, of), entry)| *of == id && (!entry.busy || entry.waits_turn));
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
        let now = post.shared.clock.now();
        post.look_at_deadlines(now);
        if !handle.is_heard() {
            continue;
        }
        let waiting = post.shared.outbox().take(now);
        for outgoing in waiting {
            let key = key_of(&outgoing);
            // A record that is about to expire is not taken by anybody.
            let expires = |records: &[Record]| {
                records.iter().any(|it| it.stamp().is_some_and(|it| it.expiry < now.wall.unix_s() + LIFETIME_S_MIN))
            };
            let (post_of, again) = (post.clone(), outgoing.again);
            let records = tokio::task::spawn_blocking(move || post_of.records_again(again)).await;
            match records {
                Ok(Ok(records)) if expires(&records) => post.gave_up(key, "no peer took it in time".to_owned()),
                Ok(Ok(records)) => {
                    let published = handle.publish_parts(records, outgoing.worked, Some(key.clone())).await;
                    // What became of it stands with the message.
                    drop(handle.after(key, published));
                }
                // They are opened by and by.
                Ok(Err(SendError::Locked)) => drop(post.shared.outbox().wait(&key)),
                Ok(Err(error)) => post.gave_up(key, error.to_string()),
                Err(_) => return,
            }
        }
    }
}
