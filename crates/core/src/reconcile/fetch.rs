//! What this side lacks and wants to have: asked for a few at a time, in the order in which it was found.

use std::collections::VecDeque;

use super::entry::{Entry, Lot};
use super::index::Index;
use super::limits::{ASK_LOTS_MAX, End, LOTS_WAITING_MAX, RECORD_CHARGE_BYTES, UNSERVED_MAX, WANT_RECORDS_MAX};
use super::message::Message;

/// Lots that wait, and the few that were asked for.
#[derive(Clone, Debug)]
pub(super) struct Fetch {
    waiting: VecDeque<Lot>,
    asked: Option<Asked>,
    bytes_left: u64,
    full: bool,
    promised: u64,
    fetched: u64,
    unserved: u64,
}

#[derive(Clone, Debug)]
struct Asked {
    lots: Vec<Lot>,
    most: u32,
    came: u32,
}

impl Fetch {
    pub(super) const fn new(bytes: u64) -> Self {
        Self {
            waiting: VecDeque::new(),
            asked: None,
            bytes_left: bytes,
            full: false,
            promised: 0,
            fetched: 0,
            unserved: 0,
        }
    }

    /// Takes note of a lot that the other side has. Of no use once all was fetched that may be.
    pub(super) fn add(&mut self, lot: Lot) {
        if !self.full {
            self.promised += u64::from(lot.count());
            self.waiting.push_back(lot);
        }
    }

    /// Whether more may be added before something was fetched.
    pub(super) fn has_room(&self) -> bool {
        self.waiting.len() < LOTS_WAITING_MAX
    }

    /// Whether all that was added was fetched.
    pub(super) fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.asked.is_none()
    }

    /// Whether no more may be fetched, while there is more.
    pub(super) const fn is_full(&self) -> bool {
        self.full
    }

    pub(super) const fn promised(&self) -> u64 {
        self.promised
    }

    pub(super) const fn fetched(&self) -> u64 {
        self.fetched
    }

    /// The next question, if none is open. What came on another way in the meantime is not asked for.
    pub(super) fn ask(&mut self, index: &impl Index) -> Option<Message> {
        if self.asked.is_some() || self.waiting.is_empty() {
            return None;
        }
        let room = u32::try_from(self.bytes_left / RECORD_CHARGE_BYTES as u64).unwrap_or(u32::MAX);
        let most = WANT_RECORDS_MAX.min(room);
        if most == 0 {
            self.full = true;
            self.waiting.clear();
            return None;
        }
        let mut lots = Vec::new();
        let mut count = 0;
        while count < most && lots.len() < ASK_LOTS_MAX {
            let Some(lot) = self.waiting.pop_front() else { break };
            let missing = match &lot {
                Lot::One(entry) => index.wants(entry),
                Lot::All { span, count } => index.count(span).saturating_add(index.left_out(span)) < *count,
            };
            if missing {
                count += lot.count().min(most);
                lots.push(lot);
            }
        }
        if lots.is_empty() {
            return None;
        }
        self.asked = Some(Asked { lots: lots.clone(), most, came: 0 });
        Some(Message::Want { lots, most })
    }

    /// Records came, of `bytes` bytes together.
    pub(super) fn arrived(&mut self, entries: &[Entry], bytes: u64) -> Result<(), End> {
        let asked = self.asked.as_mut().ok_or(End::Unasked)?;
        let wanted = |entry: &Entry| asked.lots.iter().any(|lot| lot.span().contains(entry));
        let count = u32::try_from(entries.len()).map_err(|_| End::Unasked)?;
        if count > asked.most - asked.came || !entries.iter().all(wanted) {
            return Err(End::Unasked);
        }
        asked.came += count;
        self.fetched += u64::from(count);
        self.bytes_left = self.bytes_left.saturating_sub(bytes);
        Ok(())
    }

    /// What was asked for was served, as far as it says.
    pub(super) fn served(&mut self, done: u32, at: Option<Entry>) -> Result<(), End> {
        let Asked { mut lots, most, came } = self.asked.take().ok_or(End::OutOfTurn)?;
        let done = usize::try_from(done).ok().filter(|done| *done <= lots.len()).ok_or(End::Disordered)?;
        let mut rest = lots.split_off(done);
        let of_done: u64 = lots.iter().map(|lot| u64::from(lot.count())).sum();
        if rest.is_empty() && at.is_none() {
            self.unserved += of_done.saturating_sub(came.into());
        } else if came < most {
            // Who stops before the end has to have sent all that was to come.
            return Err(End::CutShort);
        }
        if let Some(at) = at {
            let first = rest.first_mut().ok_or(End::Disordered)?;
            let Lot::All { span, count } = first else { return Err(End::Disordered) };
            if at <= span.lower() {
                return Err(End::Disordered);
            }
            let of_it = u64::from(came).saturating_sub(of_done);
            let left = u64::from(*count).saturating_sub(of_it).max(1);
            *count = u32::try_from(left).unwrap_or(u32::MAX);
            *span = span.from(at).ok_or(End::Disordered)?;
        }
        rest.into_iter().rev().for_each(|lot| self.waiting.push_front(lot));
        if self.unserved > UNSERVED_MAX { Err(End::NotServed) } else { Ok(()) }
    }
}
