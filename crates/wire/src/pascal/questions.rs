//! Questions about accounts that wait to be asked, and those that wait for their answer. Never asks faster than a
//! daemon likes, and never twice.

use std::collections::VecDeque;

use nightjar_core::item::NoAnswer;
use nightjar_core::time::Mono;

use super::accounts::Range;

/// Time between two questions. A daemon bans who asks more than 60 in ten seconds, all connections of an address
/// together; this is a third of it.
pub const QUESTIONS_PAUSE_MS: u64 = 500;
/// Questions that wait to be asked: the last of them has 8 s to wait, which a person just bears.
pub const QUESTIONS_WAITING_MAX: usize = 16;
/// How long an answer may take.
pub const QUESTION_MS_MAX: u64 = 10_000;

#[derive(Debug, Default)]
pub(super) struct Questions {
    waiting: VecDeque<(u64, Range)>,
    asked: VecDeque<Asked>,
    /// When the next may be asked.
    next_at: Mono,
}

#[derive(Debug)]
pub(super) struct Asked {
    /// The id of the request.
    id: u32,
    /// The number it is known by to who asked.
    pub(super) question: u64,
    pub(super) range: Range,
    due: Mono,
}

impl Questions {
    pub(super) fn ask(&mut self, question: u64, range: Range) -> Result<(), NoAnswer> {
        if self.waiting.len() == QUESTIONS_WAITING_MAX {
            return Err(NoAnswer::Busy);
        }
        self.waiting.push_back((question, range));
        Ok(())
    }

    /// When the next question may be asked, or an answer is overdue.
    pub(super) fn due(&self) -> Option<Mono> {
        let next = (!self.waiting.is_empty()).then_some(self.next_at);
        let overdue = self.asked.front().map(|asked| asked.due);
        next.into_iter().chain(overdue).min()
    }

    /// The question to be asked now, under this id.
    pub(super) fn next(&mut self, now: Mono, id: u32) -> Option<Range> {
        if now < self.next_at {
            return None;
        }
        let (question, range) = self.waiting.pop_front()?;
        self.next_at = now + QUESTIONS_PAUSE_MS;
        self.asked.push_back(Asked { id, question, range, due: now + QUESTION_MS_MAX });
        Some(range)
    }

    /// What the request with this id asked.
    pub(super) fn asked(&self, id: u32) -> Option<&Asked> {
        self.asked.iter().find(|asked| asked.id == id)
    }

    /// The question that this response answers; it waits no longer.
    pub(super) fn take(&mut self, id: u32) -> Option<Asked> {
        let place = self.asked.iter().position(|asked| asked.id == id)?;
        self.asked.remove(place)
    }

    /// A question whose answer is overdue; it waits no longer.
    pub(super) fn overdue(&mut self, now: Mono) -> Option<u64> {
        // Asked one after the other, so the first is due first.
        if self.asked.front().is_none_or(|asked| now < asked.due) {
            return None;
        }
        self.asked.pop_front().map(|asked| asked.question)
    }

    /// All questions without an answer: there will be none.
    pub(super) fn close(&mut self) -> impl Iterator<Item = u64> {
        let asked = std::mem::take(&mut self.asked).into_iter().map(|asked| asked.question);
        asked.chain(std::mem::take(&mut self.waiting).into_iter().map(|(question, _)| question))
    }
}
