//! The way out of a letter: prepared beside the tasks, worked for if that is wanted, handed to the engine part by part, written
//! down.

use std::collections::BTreeSet;
use std::time::Duration;

use nightjar_core::link::Carries;
use nightjar_core::name::Name;
use nightjar_core::record::{MsgId, Record, Target, WORKED_BITS};
use nightjar_core::time::Wall;
use nightjar_envelope::id::MessageId;
use nightjar_envelope::key::ChatKey;

use super::outbox::{OutKey, key_of};
use super::send::{AccountKey, Letter, PARTS_AT_ONCE, PARTS_PER_S, Prepared, Sealed, SendError, SpeakAs, seconds_for};
use super::state::State;
use super::upkeep::CardPlace;
use super::{Known, Post, Who};
use crate::chain::view::{Ask, Looked};
use crate::handle::{Handle, PublishError};
use crate::identity::Identity;
use crate::store::{Change, Outgoing};
use crate::work::{Search, Wanted, WorkPool};
use tokio::task::JoinHandle;

/// People whose accounts are looked at when the user asks who somebody is: their number is in the hands of strangers.
const WHO_LOOKS_MAX: usize = 8;
/// Waits between two groups of parts.
const PART_PAUSE: Duration = Duration::from_secs(1);

/// What became of a letter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// The id of the message.
    pub id: MessageId,
    /// The id of its record, or of the first of its parts.
    pub msg_id: MsgId,
    /// Its target.
    pub target: Target,
    /// Until when it may be flooded, Unix seconds.
    pub expiry: u32,
    /// To how many peers it went at once.
    pub peers: usize,
    /// With no peer: until when it waits for one, Unix seconds.
    pub waits_until: Option<u32>,
    /// Records that it was cut into; 1 = none.
    pub parts: usize,
    /// For how long the parts go out from now on.
    pub seconds: u32,
    /// Under which seal.
    pub sealed: Sealed,
    /// As whom.
    pub author: Option<ChatKey>,
    /// Leading zero bits of work in each record; 0 = none.
    pub work_bits: u8,
    /// What the author calls himself.
    pub nick: Option<String>,
    /// What the user should know.
    pub note: Option<String>,
}

/// A letter that is signed, sealed and cut, and that nobody has yet.
#[derive(Debug)]
pub struct Ready(Box<Prepared>);

impl Ready {
    /// The id that the message has for everybody.
    pub const fn id(&self) -> MessageId {
        self.0.id
    }

    /// As whom.
    pub const fn author(&self) -> Option<ChatKey> {
        self.0.author
    }

    /// Under which seal.
    pub const fn sealed(&self) -> Sealed {
        self.0.sealed
    }

    /// Where it belongs, as in [`crate::message::Reading::conversation`].
    pub fn conversation(&self) -> &str {
        &self.0.conversation
    }

    /// When it is shown as said.
    pub fn shown(&self) -> Wall {
        self.0.own.shown()
    }

    /// What the user should know.
    pub fn note(&self) -> Option<&str> {
        self.0.note.as_deref()
    }
}

/// A letter that is written down and that nobody has yet. Dropped, it waits for the next run of the node.
#[derive(Debug)]
#[must_use = "only the next run of the node would send it"]
pub struct Kept {
    records: Vec<Record>,
    worked: bool,
    key: OutKey,
    target: Target,
    expiry: u32,
    sealed: Sealed,
    author: Option<ChatKey>,
    place: Option<CardPlace>,
    note: Option<String>,
    /// Why it is not on disk yet.
    not_kept: Option<String>,
    deadline: u32,
}

impl Kept {
    /// Whether it is on disk. If not, it will be as soon as the disk takes it.
    pub const fn is_on_disk(&self) -> bool {
        self.not_kept.is_none()
    }
}

/// Whether a letter gets work.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Work {
    /// When this node had to drop dated records for want of budget lately: then its neighbours have to as well.
    #[default]
    WhenCrowded,
    /// In any case.
    Always,
    /// In no case.
    Never,
}

impl Handle {
    /// Sends a letter. Done when it, or its first parts, were handed to the links; the others follow at a pace that
    /// neighbours take.
    pub async fn send(&self, letter: Letter, work: Work) -> Result<Sent, SendError> {
        let ready = self.prepare(letter).await?;
        self.send_ready(ready, work).await
    }

    /// Signs, seals and cuts a letter. Nobody has it yet, nor has the log: whoever prepares one sends it.
    pub async fn prepare(&self, letter: Letter) -> Result<Ready, SendError> {
        let account = self.post.wants_account_key(&letter);
        let account_key = match account {
            Some(account) => Some(self.account_key(account).await),
            None => None,
        };
        let post = self.post.clone();
        let prepared = tokio::task::spawn_blocking(move || post.prepare(&letter, account_key)).await;
        Ok(Ready(Box::new(prepared.map_err(|_| SendError::Publish(PublishError::Stopping))??)))
    }

    /// Everybody who goes by a nick, an account or the name of one, or whose key begins with these hex digits. The likeliest
    /// first. The chain is asked about the accounts that the first of them claim. A name of an account is looked up by the user's own
    /// daemon; without one only nicks are known.
    pub async fn who_is(&self, who: &Who) -> Vec<Known> {
        let Some(chain) = &self.chain else { return self.post.who_are(&[who]) };
        let owner = match who {
            Who::Name(Name::Nick(name)) if chain.daemon().is_some() => {
                chain.name(name).await.account().map(|it| it.number)
            }
            _ => None,
        };
        let owner = owner.map(|number| Who::Name(Name::Account(number)));
        let who: Vec<&Who> = std::iter::once(who).chain(&owner).collect();
        let accounts: BTreeSet<u32> =
            self.post.who_are(&who).iter().take(WHO_LOOKS_MAX).filter_map(|known| known.speaker.account).collect();
        self.post.look_now(chain, accounts).await;
        self.post.who_are(&who)
    }

    /// Sends what is ready: written down first, tried again until somebody takes it. Done as [`Handle::send`] is.
    pub async fn send_ready(&self, ready: Ready, work: Work) -> Result<Sent, SendError> {
        let kept = self.keep(ready, work).await?;
        self.send_kept(kept).await
    }

    /// Writes down what is ready, in the order of the calls; done when it is on disk. From the call on the next run of the node sends it
    /// if this one does not.
    pub fn keep(&self, ready: Ready, work: Work) -> impl Future<Output = Result<Kept, SendError>> + Send + use<> {
        let worked = self.is_worked(work);
        let Prepared { records, id, target, expiry, sealed, author, place, note, own, again, deadline, .. } = *ready.0;
        let (conversation, changes, queued) = (ready.0.conversation, ready.0.changes, self.post.now());
        let outgoing = Outgoing { conversation, id, queued, deadline, worked, again, went: false };
        let key = key_of(&outgoing);
        // Not when somebody waits for it: what is written down must not hang on that.
        let entered = self.post.enter(own, outgoing, changes);
        async move {
            let not_kept = entered?.await;
            Ok(Kept { records, worked, key, target, expiry, sealed, author, place, note, not_kept, deadline })
        }
    }

    /// Sends what is written down, unless it was taken back. Done as [`Handle::send`] is.
    pub async fn send_kept(&self, kept: Kept) -> Result<Sent, SendError> {
        let Kept { records, worked, key, target, expiry, sealed, author, place, note, not_kept, deadline } = kept;
        if !self.post.begins(&key) {
            return Err(SendError::TakenBack);
        }
        if let (Some(author), Some(place)) = (author, place) {
            self.post.spoke(author, place);
        }
        let (parts, id) = (records.len(), key.1);
        let (msg_id, peers) = self.after(key.clone(), self.publish_parts(records, worked, Some(key)).await)?;
        let notes: Vec<String> = [note, not_kept].into_iter().flatten().collect();
        Ok(Sent {
            id,
            msg_id,
            target,
            expiry,
            peers,
            waits_until: Some(deadline).filter(|_| peers == 0),
            parts,
            seconds: if worked { 0 } else { seconds_for(parts) },
            sealed,
            author,
            work_bits: if worked { WORKED_BITS } else { 0 },
            nick: author.and_then(|author| self.post.nick_of(&author)),
            note: Some(notes.join("; ")).filter(|notes| !notes.is_empty()),
        })
    }

    /// Sends what the node says by itself: it is no message, and said again in time. Says to how many peers it went.
    pub(super) async fn tell(&self, prepared: Prepared, work: Work) -> Result<usize, SendError> {
        let published = self.publish_parts(prepared.records, self.is_worked(work), None).await?;
        self.post.write_down(prepared.changes);
        Ok(published.peers)
    }

    fn is_worked(&self, work: Work) -> bool {
        match work {
            Work::Always => true,
            Work::Never => false,
            Work::WhenCrowded => self.post.is_crowded(&self.status()),
        }
    }

    /// Hands the records of one message to the links: the first, or the first parts, at once, the others at a pace that neighbours take.
    /// Of an own message (`of`) nothing goes out while there is no peer, and who holds its records is told; else it goes to whoever connects
    /// while it lives.
    pub(super) async fn publish_parts(
        &self,
        records: Vec<Record>,
        worked: bool,
        of: Option<OutKey>,
    ) -> Result<Published, SendError> {
        let to_somebody = of.is_some();
        let sending = of.map(|key| self.post.shared.sendings().begin(key, records.len()));
        let mut rest = records.into_iter();
        let first = if worked && to_somebody && !self.is_heard() {
            // The work would be in vain.
            rest.by_ref().take(1).collect()
        } else if worked {
            let head = rest.next().expect("a body is one record or more");
            // Worked records have a budget of their own; the work is pace enough.
            vec![worked_one(self.post.work(), &head)?.finished().await?]
        } else {
            rest.by_ref().take(PARTS_AT_ONCE).collect()
        };
        let msg_id = first.first().expect("a body is one record or more").msg_id();
        let sent = first.len();
        let peers = self.publish_some(first, sending.map(|number| (number, 0))).await?;
        let rest: Vec<Record> = rest.collect();
        let rest = (!rest.is_empty() && peers > 0).then(|| {
            let handle = self.clone();
            tokio::spawn(async move {
                let gone = if worked {
                    handle.publish_worked(rest, sending, sent).await
                } else {
                    handle.publish_paced(rest, sending, sent).await
                };
                gone.inspect_err(|error| tracing::warn!(%error, "not all parts of a message went out")).unwrap_or(false)
            })
        });
        Ok(Published { msg_id, peers, rest })
    }

    /// What became of a message of the user's. Gives the id of its first record, and to how many peers it went.
    pub(super) fn after(
        &self,
        key: OutKey,
        published: Result<Published, SendError>,
    ) -> Result<(MsgId, usize), SendError> {
        let Published { msg_id, peers, rest } = match published {
            Ok(published) => published,
            Err(error) => {
                // The next run of the node sends what this one could not.
                if !matches!(error, SendError::Publish(PublishError::Stopping)) {
                    self.post.gave_up(key, error.to_string());
                }
                return Err(error);
            }
        };
        if peers == 0 {
            self.post.waits(key);
            return Ok((msg_id, 0));
        }
        self.post.went(key.clone(), peers, rest.is_none());
        if let Some(rest) = rest {
            let post = self.post.clone();
            tokio::spawn(async move {
                match rest.await {
                    Ok(true) => post.went(key, peers, true),
                    // All of it is sent again.
                    Ok(false) | Err(_) => post.waits(key),
                }
            });
        }
        Ok((msg_id, peers))
    }

    /// Whether there is a peer that takes records, as of a moment ago.
    pub(super) fn is_heard(&self) -> bool {
        self.status().connections.iter().any(|link| link.peer.carries == Carries::Records)
    }

    /// To how many peers the first went. Of an own message they are the parts of this sending from that one on.
    async fn publish_some(&self, records: Vec<Record>, part_of: Option<(u64, usize)>) -> Result<usize, SendError> {
        let receipts = match part_of {
            Some((number, from)) => {
                self.post.shared.sendings().went(number, from, &records);
                self.publish_to_somebody(records).await?
            }
            None => self.publish_records(records).await?,
        };
        Ok(receipts.first().map_or(0, |receipt| receipt.peers))
    }

    /// Whether there was somebody to send to all the time.
    async fn publish_paced(&self, records: Vec<Record>, sending: Option<u64>, from: usize) -> Result<bool, SendError> {
        for (some, from) in records.chunks(PARTS_PER_S).zip((from..).step_by(PARTS_PER_S)) {
            tokio::time::sleep(PART_PAUSE).await;
            if self.publish_some(some.to_vec(), sending.map(|number| (number, from))).await? == 0 {
                return Ok(false);
            }
        }
        Ok(true)
    }

    async fn publish_worked(&self, records: Vec<Record>, sending: Option<u64>, from: usize) -> Result<bool, SendError> {
        for (record, part) in records.into_iter().zip(from..) {
            let record = worked_one(self.post.work(), &record)?.finished().await?;
            if self.publish_some(vec![record], sending.map(|number| (number, part))).await? == 0 {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// Records of one message that were handed to the links.
pub(super) struct Published {
    /// The id of the first.
    msg_id: MsgId,
    /// To how many peers it went at once.
    peers: usize,
    /// The others are on their way; says whether all of them went.
    rest: Option<JoinHandle<bool>>,
}

impl Post {
    fn wants_account_key(&self, letter: &Letter) -> Option<u32> {
        self.shared.lock().wants_account_key(letter)
    }

    /// Blocks: author's times are written down now and then.
    pub(super) fn prepare(&self, letter: &Letter, account_key: Option<AccountKey>) -> Result<Prepared, SendError> {
        let now = self.shared.clock.wall();
        // A first contact makes a pair, and what is sealed for a pair needs its key: both under one lock.
        let mut state = self.shared.lock();
        let mut prepared = {
            let time = |key: &ChatKey| self.identities.next_time_ms(&key.to_string(), now);
            let has_told =
                |key: &ChatKey, nick: &str, place: &CardPlace| self.shared.cards().has_told(key, nick, place, now);
            state.prepare(letter, account_key, time, has_told, now, &mut self.shared.chance())?
        };
        let mut notes: Vec<String> = prepared.note.take().into_iter().collect();
        if let Some(pair) = prepared.pair {
            if state.known.is_declined(&pair.other) {
                notes.push("who was declined is heard again: whoever is written to may answer".to_owned());
            }
            state.known.set_pair(pair, &mut prepared.changes)?;
            prepared.changes.push(Change::Accepted(pair.other));
            state.pin_addressee(&letter.to, pair.other, now, &mut prepared.changes);
            if state.refresh_pairs() {
                self.shared.hand_over(&mut state);
            }
        }
        for change in &prepared.changes {
            if let Change::Speaks(conversation, key) = change {
                state.remember(conversation, *key);
            }
        }
        let wanted_signed =
            letter.speaker == SpeakAs::Usual && matches!(prepared.sealed, Sealed::Open | Sealed::Channel);
        if prepared.author.is_none() && wanted_signed {
            notes.extend(self.why_unsigned(&state, &prepared.conversation));
        }
        prepared.note = Some(notes.join("; ")).filter(|notes| !notes.is_empty());
        Ok(prepared)
    }

    /// Why nobody signs although this node has chat keys.
    fn why_unsigned(&self, state: &State, conversation: &str) -> Option<String> {
        let identities = self.identities.list();
        let why = match state.speaks.get(conversation) {
            Some(None) => "as before in this conversation; send with the identity `default` and it is signed again",
            _ if identities.is_empty() => return None,
            _ if self.identities.locked() => "the chat keys are locked; `identity unlock` opens them",
            _ if identities.iter().all(Identity::ended) => "all chat keys of this node ended; `identity new` makes one",
            _ => "no chat key of this node is the default; `identity default` chooses one",
        };
        Some(format!("unsigned: {why}"))
    }

    fn nick_of(&self, own: &ChatKey) -> Option<String> {
        self.shared.lock().own_key(own)?.nick.clone()
    }

    fn spoke(&self, author: ChatKey, place: CardPlace) {
        self.shared.cards().spoke(author, place, self.shared.clock.wall());
        self.shared.tell.notify_one();
    }

    pub(crate) fn work(&self) -> &WorkPool {
        &self.work
    }
}

fn worked_one(pool: &WorkPool, record: &Record) -> Result<Search, SendError> {
    let (expiry, coding) = record.stamp().map_or((0, 0), |stamp| (stamp.expiry, stamp.coding));
    let body = record.body().to_vec();
    Ok(pool.begin(Wanted { target: record.target(), body, expiry, coding, bits: WORKED_BITS })?)
}

impl Handle {
    async fn account_key(&self, account: u32) -> AccountKey {
        let Some(chain) = &self.chain else { return Err("nobody is asked about the chain".to_owned()) };
        let looked = chain.account(account, Ask::Anybody).await;
        // A chat key that speaks for it may be proven by that.
        self.post.looked(account, &looked);
        match looked {
            Looked::Account(view) => Ok(view.key),
            Looked::Nobody { block } => Err(format!("there is no such account at block {block}")),
            Looked::Disputed(why) | Looked::Unavailable(why) => Err(why),
        }
    }
}
