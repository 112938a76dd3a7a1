//! The side that asks: goes down into the hours that differ, the newest first, and finds what each side lacks.

use std::collections::{BTreeMap, VecDeque};
use std::ops::ControlFlow;

use super::entry::{Entry, Lot, Span};
use super::fetch::Fetch;
use super::index::Index;
use super::limits::{
    ASK_LOTS_MAX, ASK_SPANS_MAX, Budget, DEPTH_MAX, End, FUTILE_MAX, LIST_MAX, LOTS_WAITING_MAX, PARTS_MAX, ROUNDS_MAX,
};
use super::message::{Answer, HourList, MESSAGE_BYTES_MAX, Message};
use super::tally::{Cut, Part, Walk};

/// Entries in a gap up to which they are named one by one: 21 bytes each, while a stretch has about 45.
const NAMED_MAX: u32 = 2;

/// What is still to be looked at.
#[derive(Clone, Debug)]
pub(super) struct Find {
    /// The last is asked about first. Below each other lie at most `DEPTH_MAX` times as many as one round brings.
    open: Vec<Open>,
    /// Asked about and not answered yet.
    asked: VecDeque<Open>,
    told: VecDeque<(Open, Answer)>,
    comparing: Option<Comparing>,
    /// What the other side lacks and was not told of yet.
    lacks: VecDeque<Lot>,
    unanswered: bool,
    rounds: u32,
    futile: u32,
    hours: u32,
    /// Open spans of each hour that has some.
    left: BTreeMap<u32, u32>,
}

/// A span in which the sides differ.
#[derive(Clone, Debug)]
struct Open {
    span: Span,
    theirs: u32,
    depth: u8,
}

/// Our parts are made between the same places as theirs.
#[derive(Clone, Debug)]
struct Comparing {
    open: Open,
    theirs: Vec<Part>,
    walk: Walk,
}

impl Find {
    /// Begins with the hours in which the lists differ. The other side's has hours of ours only.
    pub(super) fn new(ours: &HourList, theirs: &HourList) -> Result<Self, End> {
        if ours.hours().common(&theirs.hours()).count() != theirs.hours().count() {
            return Err(End::Disordered);
        }
        let differing = ours.differing(theirs);
        let open: Vec<_> =
            differing.map(|(hour, tally)| Open { span: Span::hour(hour), theirs: tally.count, depth: 0 }).collect();
        let left: BTreeMap<u32, u32> = open.iter().map(|open| (open.span.lower().hour(), 1)).collect();
        Ok(Self {
            hours: u32::try_from(left.len()).expect("a list has few hours"),
            open,
            asked: VecDeque::new(),
            told: VecDeque::new(),
            comparing: None,
            lacks: VecDeque::new(),
            unanswered: false,
            rounds: 0,
            futile: 0,
            left,
        })
    }

    /// Hours that differ, and those of them that are done.
    pub(super) fn progress(&self) -> (u32, u32) {
        let left = u32::try_from(self.left.len()).expect("a list has few hours");
        (self.hours, self.hours - left)
    }

    /// Whether all was asked and answered.
    pub(super) fn is_finished(&self) -> bool {
        !self.unanswered
            && self.open.is_empty()
            && self.told.is_empty()
            && self.comparing.is_none()
            && self.lacks.is_empty()
    }

    /// Asks no more; what was asked is still heard out.
    pub(super) fn give_up(&mut self) {
        self.open.clear();
    }

    pub(super) fn tell(&mut self, answers: Vec<Answer>, last: bool) -> Result<(), End> {
        if !self.unanswered || answers.len() > self.asked.len() || answers.is_empty() && !last {
            return Err(End::OutOfTurn);
        }
        let asked = self.asked.drain(..answers.len());
        for (open, answer) in asked.zip(answers) {
            check(&open.span, &answer)?;
            self.told.push_back((open, answer));
        }
        if last && !self.asked.is_empty() {
            return Err(End::OutOfTurn);
        }
        self.unanswered = !last;
        Ok(())
    }

    /// Looks at the answers, and asks what follows from them, as far as the budget goes.
    pub(super) fn turn(
        &mut self,
        index: &impl Index,
        budget: &mut Budget,
        fetch: &mut Fetch,
    ) -> Result<Option<Message>, End> {
        while self.lacks.len() < LOTS_WAITING_MAX {
            if let Some(comparing) = &mut self.comparing {
                let Some(ours) = comparing.walk.advance(index, &mut budget.work) else { return Ok(None) };
                if let Some(Comparing { open, theirs, .. }) = self.comparing.take() {
                    self.compare(&open, &ours, &theirs)?;
                }
                continue;
            }
            let Some(left) = budget.work.checked_sub(1) else { return Ok(None) };
            let Some((open, answer)) = self.told.pop_front() else { break };
            budget.work = left;
            match answer {
                Answer::Parts(theirs) => {
                    let places = theirs.iter().map(|part| part.upper).take(theirs.len() - 1).collect();
                    let walk = Walk::new(open.span, Cut::Before(places));
                    self.comparing = Some(Comparing { open, theirs, walk });
                }
                Answer::Entries(theirs) => {
                    budget.work = budget.work.saturating_sub(2 * theirs.len() as u64);
                    self.compare_entries(&open, &theirs, index, fetch)?;
                }
            }
        }
        if self.unanswered || budget.bytes < MESSAGE_BYTES_MAX || !fetch.has_room() {
            return Ok(None);
        }
        self.ask(index, budget, fetch)
    }

    fn ask(&mut self, index: &impl Index, budget: &mut Budget, fetch: &mut Fetch) -> Result<Option<Message>, End> {
        let mut spans = Vec::new();
        while spans.len() < ASK_SPANS_MAX && self.lacks.len() < ASK_LOTS_MAX && fetch.has_room() && budget.work > 0 {
            let Some(open) = self.open.pop() else { break };
            budget.work -= 1;
            let ours = index.count(&open.span);
            // What is left out is not wanted again: where that is, the ids are to be seen.
            if open.theirs > 0 && (ours > 0 || index.left_out(&open.span) > 0) {
                spans.push(open.span);
                self.asked.push_back(open);
                continue;
            }
            if ours > 0 {
                self.lacks.push_back(Lot::All { span: open.span, count: ours });
            } else if open.theirs > 0 {
                fetch.add(Lot::All { span: open.span, count: open.theirs });
            }
            self.resolve(&open.span, 0);
        }
        let lots: Vec<_> = self.lacks.drain(..self.lacks.len().min(ASK_LOTS_MAX)).collect();
        if spans.is_empty() && lots.is_empty() {
            return Ok(None);
        }
        self.rounds += 1;
        if self.rounds > ROUNDS_MAX {
            return Err(End::Rounds);
        }
        self.unanswered = true;
        Ok(Some(Message::Ask { spans, lots }))
    }

    /// Opens the parts in which the tallies differ.
    fn compare(&mut self, open: &Open, ours: &[Part], theirs: &[Part]) -> Result<(), End> {
        let mut lower = open.span.lower();
        let mut opened = 0;
        for (ours, theirs) in ours.iter().zip(theirs) {
            if ours.tally != theirs.tally {
                if open.depth >= DEPTH_MAX {
                    return Err(End::Deep);
                }
                let span = Span::new(lower, theirs.upper).ok_or(End::Disordered)?;
                self.open.push(Open { span, theirs: theirs.tally.count, depth: open.depth + 1 });
                opened += 1;
            }
            lower = theirs.upper;
        }
        self.resolve(&open.span, opened);
        self.note_futile(opened == 0)
    }

    fn compare_entries(
        &mut self,
        open: &Open,
        theirs: &[Entry],
        index: &impl Index,
        fetch: &mut Fetch,
    ) -> Result<(), End> {
        let mut differ = false;
        for entry in theirs.iter().filter(|entry| index.count(&Span::only(entry)) == 0) {
            differ = true;
            if index.wants(entry) {
                fetch.add(Lot::One(*entry));
            }
        }
        for gap in open.span.gaps(theirs) {
            let count = index.count(&gap);
            differ |= count > 0;
            if count > NAMED_MAX {
                self.lacks.push_back(Lot::All { span: gap, count });
            } else if count > 0 {
                index.walk(&gap, &mut |entry| {
                    self.lacks.push_back(Lot::One(entry));
                    ControlFlow::Continue(())
                });
            }
        }
        self.resolve(&open.span, 0);
        self.note_futile(!differ)
    }

    /// One span of the hour is done; from it came so many others.
    fn resolve(&mut self, span: &Span, opened: u32) {
        let hour = span.lower().hour();
        let left = self.left.entry(hour).or_default();
        *left = (*left + opened).saturating_sub(1);
        if *left == 0 {
            self.left.remove(&hour);
        }
    }

    fn note_futile(&mut self, futile: bool) -> Result<(), End> {
        self.futile += u32::from(futile);
        if self.futile > FUTILE_MAX { Err(End::Futile) } else { Ok(()) }
    }
}

/// Whether the places of an answer ascend and lie in the span, and lead on.
fn check(span: &Span, answer: &Answer) -> Result<(), End> {
    let sound = match answer {
        Answer::Parts(parts) => {
            let ascend = parts.is_sorted_by(|a, b| a.upper < b.upper);
            let ends = parts.last().is_some_and(|last| last.upper == span.upper());
            let begins = parts.first().is_some_and(|first| first.upper > span.lower());
            (2..=PARTS_MAX).contains(&parts.len()) && ascend && begins && ends
        }
        Answer::Entries(entries) => {
            let inside = entries.iter().all(|entry| span.contains(entry));
            entries.len() <= LIST_MAX && entries.is_sorted_by(|a, b| a < b) && inside
        }
    };
    if sound { Ok(()) } else { Err(End::Disordered) }
}
