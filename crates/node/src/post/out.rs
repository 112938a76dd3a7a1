//! The way out of a letter: prepared beside the tasks, worked for if that is wanted, handed to the engine part by part, written
//! down.

use std::collections::BTreeSet;
use std::time::Duration;

use nightjar_core::name::Name;
use nightjar_core::record::{MsgId, Record, Target, WORKED_BITS};
use nightjar_envelope::id::MessageId;
use nightjar_envelope::key::ChatKey;

use super::send::{AccountKey, Letter, PARTS_AT_ONCE, PARTS_PER_S, Prepared, Sealed, SendError, SpeakAs, seconds_for};
use super::state::State;
use super::upkeep::CardPlace;
use super::{Known, Post, Who};
use crate::chain::view::{Ask, Looked};
use crate::handle::{Handle, PublishError};
use crate::identity::Identity;
use crate::store::Change;
use crate::work::{Search, Wanted, WorkPool};

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
        let account = self.post.wants_account_key(&letter);
        let account_key = match account {
            Some(account) => Some(self.account_key(account).await),
            None => None,
        };
        let post = self.post.clone();
        let prepared = tokio::task::spawn_blocking(move || post.prepare(&letter, account_key)).await;
        let prepared = prepared.map_err(|_| SendError::Publish(PublishError::Stopping))??;
        self.send_prepared(prepared, work, true).await
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

    pub(super) async fn send_prepared(&self, prepared: Prepared, work: Work, keep: bool) -> Result<Sent, SendError> {
        let Prepared { records, id, target, expiry, sealed, author, place, note, own, changes, .. } = prepared;
        let with_work = match work {
            Work::Always => true,
            Work::Never => false,
            Work::WhenCrowded => self.post.is_crowded(&self.status()),
        };
        let parts = records.len();
        let mut rest = records.into_iter();
        let msg_id;
        let peers;
        let work_bits = if with_work { WORKED_BITS } else { 0 };
        if with_work {
            let head = rest.next().expect("a body is one record or more");
            let head = worked(self.post.work(), &head)?.finished().await?;
            msg_id = head.msg_id();
            peers = self.publish_some(vec![head]).await?;
            let (handle, rest) = (self.clone(), rest.collect());
            tokio::spawn(async move { handle.publish_worked(rest).await });
        } else {
            let at_once: Vec<Record> = rest.by_ref().take(PARTS_AT_ONCE).collect();
            msg_id = at_once.first().expect("a body is one record or more").msg_id();
            peers = self.publish_some(at_once).await?;
            let (handle, rest) = (self.clone(), rest.collect());
            tokio::spawn(async move { handle.publish_paced(rest).await });
        }
        if let Some(own) = own.filter(|_| keep) {
            if let (Some(author), Some(place)) = (author, place) {
                self.post.spoke(author, place);
            }
            self.post.store.append(vec![own]);
        }
        self.post.write_down(changes);
        Ok(Sent {
            id,
            msg_id,
            target,
            expiry,
            peers,
            parts,
            seconds: if with_work { 0 } else { seconds_for(parts) },
            sealed,
            author,
            work_bits,
            nick: author.and_then(|author| self.post.nick_of(&author)),
            note,
        })
    }

    async fn publish_some(&self, records: Vec<Record>) -> Result<usize, PublishError> {
        let receipts = self.publish_records(records).await?;
        Ok(receipts.first().map_or(0, |receipt| receipt.peers))
    }

    async fn publish_paced(&self, records: Vec<Record>) {
        for some in records.chunks(PARTS_PER_S) {
            tokio::time::sleep(PART_PAUSE).await;
            if self.publish_records(some.to_vec()).await.is_err() {
                tracing::warn!(parts = records.len(), "the node ends before all parts of a message went out");
                return;
            }
        }
    }

    /// Worked records have a budget of their own; the work is pace enough.
    async fn publish_worked(&self, records: Vec<Record>) {
        for record in records {
            let search = worked(self.post.work(), &record);
            let found = match search {
                Ok(search) => search.finished().await.map_err(|error| error.to_string()),
                Err(error) => Err(error.to_string()),
            };
            match found {
                Ok(record) => {
                    if self.publish_records(vec![record]).await.is_err() {
                        return;
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "the parts of a message that are left do not go out");
                    return;
                }
            }
        }
    }
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
            let has_told = |key: &ChatKey, place: &CardPlace| self.shared.cards().has_told(key, place, now);
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

fn worked(pool: &WorkPool, record: &Record) -> Result<Search, SendError> {
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
