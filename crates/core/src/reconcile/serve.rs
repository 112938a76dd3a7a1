//! What the other side wants of this one: ids of records, a few at a time, and no more than there are.

use std::collections::VecDeque;
use std::ops::ControlFlow;

use super::entry::{Entry, Hours, Lot};
use super::index::Index;
use super::limits::{ASK_LOTS_MAX, Budget, End, RECORD_CHARGE_BYTES, SERVED_BEYOND_MAX, WANT_RECORDS_MAX};
use super::message::Message;

/// The lots that the other side wants, and how much of them it got.
#[derive(Clone, Debug, Default)]
pub(super) struct Serve {
    wanted: Option<Wanted>,
    /// Records that may go out; known when our tallies are.
    left: u64,
    served: u64,
}

#[derive(Clone, Debug)]
struct Wanted {
    lots: VecDeque<Lot>,
    most: u32,
    done: u32,
    /// Where the first lot is to be gone on with.
    at: Option<Entry>,
}

impl Serve {
    /// So many entries are held in the hours of this session.
    pub(super) const fn holds(&mut self, count: u64) {
        self.left = count.saturating_add(SERVED_BEYOND_MAX);
    }

    pub(super) const fn is_idle(&self) -> bool {
        self.wanted.is_none()
    }

    pub(super) const fn served(&self) -> u64 {
        self.served
    }

    /// The other side wants these, which lie in the hours of this session.
    pub(super) fn want(&mut self, lots: Vec<Lot>, most: u32, hours: &Hours) -> Result<(), End> {
        if self.wanted.is_some() || most == 0 || most > WANT_RECORDS_MAX {
            return Err(End::OutOfTurn);
        }
        if lots.is_empty() || lots.len() > ASK_LOTS_MAX || !lots.iter().all(|lot| hours.contains(lot.hour())) {
            return Err(End::Disordered);
        }
        self.wanted = Some(Wanted { lots: lots.into(), most, done: 0, at: None });
        Ok(())
    }

    /// The next records to send, as far as the budget goes, and what is said behind them when the last of them went.
    pub(super) fn turn(
        &mut self,
        index: &impl Index,
        budget: &mut Budget,
    ) -> Result<(Vec<Entry>, Option<Message>), End> {
        let mut out = Vec::new();
        let Some(wanted) = &mut self.wanted else { return Ok((out, None)) };
        while let Some(lot) = wanted.lots.front() {
            let span = lot.span();
            let rest = wanted.at.map_or(Some(span), |at| span.from(at));
            let mut stopped = None;
            if let Some(rest) = rest {
                index.walk(&rest, &mut |entry| {
                    let spent = budget.work == 0 || budget.bytes < RECORD_CHARGE_BYTES;
                    if spent || wanted.most == 0 {
                        stopped = Some(entry);
                        return ControlFlow::Break(());
                    }
                    budget.work -= 1;
                    budget.bytes -= RECORD_CHARGE_BYTES;
                    wanted.most -= 1;
                    out.push(entry);
                    ControlFlow::Continue(())
                });
            }
            if let Some(entry) = stopped {
                // Nothing went of a lot that is still at its beginning.
                wanted.at = (entry > span.lower()).then_some(entry);
                break;
            }
            wanted.lots.pop_front();
            wanted.done += 1;
            wanted.at = None;
        }
        let count = out.len() as u64;
        self.left = self.left.checked_sub(count).ok_or(End::Greedy)?;
        self.served += count;
        if !wanted.lots.is_empty() && wanted.most > 0 {
            return Ok((out, None));
        }
        let served = Message::Served { done: wanted.done, at: wanted.at };
        self.wanted = None;
        Ok((out, Some(served)))
    }
}
