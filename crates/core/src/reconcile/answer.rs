//! The side that answers: tells parts and lists of what it holds, and takes note of what it lacks.

use std::collections::VecDeque;
use std::ops::ControlFlow;

use super::entry::{Hours, Lot, Span};
use super::fetch::Fetch;
use super::index::Index;
use super::limits::{Budget, End, LIST_MAX, PARTS_MAX, ROUNDS_MAX};
use super::message::{ANSWER_BYTES_MAX, Answer, MESSAGE_BYTES_MAX, Message};
use super::tally::{Cut, Walk};

/// The questions of one `Ask`, and the answers that were not sent yet.
#[derive(Clone, Debug, Default)]
pub(super) struct Answering {
    open: bool,
    spans: VecDeque<Span>,
    walk: Option<Walk>,
    answers: Vec<Answer>,
    bytes: usize,
    rounds: u32,
}

impl Answering {
    /// Whether nothing is left to answer.
    pub(super) const fn is_idle(&self) -> bool {
        !self.open
    }

    pub(super) fn ask(
        &mut self,
        spans: Vec<Span>,
        lots: Vec<Lot>,
        hours: &Hours,
        fetch: &mut Fetch,
    ) -> Result<(), End> {
        if self.open || spans.is_empty() && lots.is_empty() {
            return Err(End::OutOfTurn);
        }
        let asked = spans.iter().map(|span| span.lower().hour());
        if !asked.chain(lots.iter().map(Lot::hour)).all(|hour| hours.contains(hour)) {
            return Err(End::Disordered);
        }
        self.rounds += 1;
        if self.rounds > ROUNDS_MAX {
            return Err(End::Rounds);
        }
        self.open = true;
        self.spans = spans.into();
        lots.into_iter().for_each(|lot| fetch.add(lot));
        Ok(())
    }

    /// The next message, if the budget suffices for the answers in it.
    pub(super) fn turn(&mut self, index: &impl Index, budget: &mut Budget, has_room: bool) -> Option<Message> {
        if !self.open || budget.bytes < MESSAGE_BYTES_MAX {
            return None;
        }
        while self.bytes < MESSAGE_BYTES_MAX - ANSWER_BYTES_MAX && (self.walk.is_some() || !self.spans.is_empty()) {
            let answer = self.answer(index, &mut budget.work)?;
            self.bytes += answer.bytes();
            self.answers.push(answer);
        }
        let last = self.walk.is_none() && self.spans.is_empty();
        if last && !has_room {
            return None;
        }
        self.open = !last;
        self.bytes = 0;
        Some(Message::Tell { answers: std::mem::take(&mut self.answers), last })
    }

    fn answer(&mut self, index: &impl Index, work: &mut u64) -> Option<Answer> {
        loop {
            if let Some(walk) = &mut self.walk {
                let parts = walk.advance(index, work)?;
                let span = walk.span();
                self.walk = None;
                if parts.len() > 1 {
                    return Some(Answer::Parts(parts));
                }
                // It was cut for more, and most of it was dropped since.
                self.spans.push_front(span);
            }
            *work = work.checked_sub(1)?;
            let span = self.spans.pop_front()?;
            let count = index.count(&span);
            let parts_max = u32::try_from(PARTS_MAX).expect("parts are few");
            if usize::try_from(count).is_ok_and(|count| count <= LIST_MAX) {
                *work = work.saturating_sub(count.into());
                let mut entries = Vec::new();
                index.walk(&span, &mut |entry| {
                    entries.push(entry);
                    ControlFlow::Continue(())
                });
                return Some(Answer::Entries(entries));
            }
            self.walk = Some(Walk::new(span, Cut::Every(count.div_ceil(parts_max))));
        }
    }
}
