//! One exchange over one link, from the lists of hours to the last record: the side that began it asks, the other answers.

use super::answer::Answering;
use super::entry::{Entry, Hours};
use super::fetch::Fetch;
use super::find::Find;
use super::hours::Tallying;
use super::index::Index;
use super::limits::{Budget, End, Limits, TOLD_BYTES_MAX, WORK_BASE, WORK_PER_ENTRY};
use super::message::{HourList, MESSAGE_BYTES_MAX, Message, StopCode};
use super::serve::Serve;
use crate::time::{Mono, Now};

/// What a turn wants done, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Send the message.
    Send(Message),
    /// Send these records before any later message, and drop none of them; one that is not here any more is left out.
    Serve(Vec<Entry>),
}

/// How far a session is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Hours in which the sides differed when it began.
    pub hours: u32,
    /// Those of them in which all differences are found. The side that answers knows it only at the end.
    pub hours_done: u32,
    /// Records that the other side said it has and we lack.
    pub promised: u64,
    /// Those of them that came.
    pub fetched: u64,
    /// Records that went to the other side.
    pub served: u64,
}

/// The state of one exchange. Drive it with [`Session::receive`], [`Session::arrived`] and [`Session::turn`] until
/// [`Session::ended`] says why it is over.
#[derive(Clone, Debug)]
pub struct Session {
    /// The hours that we keep, and after both lists are there, those that both keep.
    hours: Hours,
    stage: Stage,
    fetch: Fetch,
    serve: Serve,
    limits: Limits,
    began: Mono,
    active: Mono,
    /// Bytes of messages that may still go out, and come in.
    said_left: u64,
    heard_left: u64,
    /// Visits to our entries that may still be made; known when our tallies are.
    work_left: u64,
    /// Whether we, and the other side, said that nothing more is wanted.
    said_done: bool,
    heard_done: bool,
    /// What is still to be said of the end.
    stop: Option<StopCode>,
    heard_stop: bool,
    ended: Option<End>,
}

#[derive(Clone, Debug)]
enum Stage {
    /// The side that answers waits for the list of the one that asks.
    Waiting,
    /// Our own list is being made. The other side's is there if it is the one that asks.
    Tallying(Tallying, Option<HourList>),
    /// The side that asks waits for the other's list.
    Told(HourList),
    Finding(Find),
    /// So many hours differ.
    Answering(Answering, u32),
}

impl Session {
    /// Begins to ask about these hours, of which we keep everything.
    pub fn ask(now: Now, hours: Hours, limits: Limits) -> Self {
        Self::new(now, hours, Stage::Tallying(Tallying::new(hours), None), limits)
    }

    /// Waits for the first question of the other side. These are the hours of which we keep everything.
    pub fn answer(now: Now, hours: Hours, limits: Limits) -> Self {
        Self::new(now, hours, Stage::Waiting, limits)
    }

    fn new(now: Now, hours: Hours, stage: Stage, limits: Limits) -> Self {
        Self {
            hours,
            stage,
            fetch: Fetch::new(limits.fetch_bytes),
            serve: Serve::default(),
            limits,
            began: now.mono,
            active: now.mono,
            said_left: TOLD_BYTES_MAX,
            heard_left: TOLD_BYTES_MAX,
            work_left: u64::MAX,
            said_done: false,
            heard_done: false,
            stop: None,
            heard_stop: false,
            ended: None,
        }
    }

    /// A message of the other side came. It is only looked at for what is wrong with it: what follows is done by turns.
    pub fn receive(&mut self, now: Now, message: Message) -> Result<(), End> {
        self.heard_stop |= matches!(message, Message::Stop(_));
        self.guarded(now, |session| session.hear(message))
    }

    /// Records came that this session asked for: all of them, before anything else is checked of them, with their bytes.
    pub fn arrived(&mut self, now: Now, entries: &[Entry], bytes: u64) -> Result<(), End> {
        self.guarded(now, |session| session.fetch.arrived(entries, bytes))
    }

    fn guarded(&mut self, now: Now, act: impl FnOnce(&mut Self) -> Result<(), End>) -> Result<(), End> {
        if self.ended.is_some() {
            // What was on its way when it ended.
            return Ok(());
        }
        self.active = now.mono;
        act(self).inspect_err(|end| self.end(*end))
    }

    fn hear(&mut self, message: Message) -> Result<(), End> {
        self.heard_left = self.heard_left.checked_sub(message.bytes() as u64).ok_or(End::Wordy)?;
        if !message.fits() {
            return Err(End::Disordered);
        }
        match (message, &mut self.stage) {
            (Message::Stop(code), _) => Err(End::Stopped(code)),
            (Message::Served { done, at }, _) => self.fetch.served(done, at),
            _ if self.heard_done => Err(End::OutOfTurn),
            (Message::Hours(theirs), Stage::Waiting) => {
                self.hours = self.hours.common(&theirs.hours());
                self.stage = Stage::Tallying(Tallying::new(self.hours), Some(theirs));
                Ok(())
            }
            (Message::Hours(theirs), Stage::Told(ours)) => {
                let find = Find::new(ours, &theirs)?;
                self.hours = theirs.hours();
                self.stage = Stage::Finding(find);
                Ok(())
            }
            (Message::Ask { spans, lots }, Stage::Answering(answering, _)) => {
                answering.ask(spans, lots, &self.hours, &mut self.fetch)
            }
            (Message::Tell { answers, last }, Stage::Finding(find)) => find.tell(answers, last),
            (Message::Want { lots, most }, Stage::Answering(..) | Stage::Finding(_)) => {
                self.serve.want(lots, most, &self.hours)
            }
            (Message::Done, Stage::Answering(answering, _)) if answering.is_idle() && self.serve.is_idle() => {
                self.heard_done = true;
                Ok(())
            }
            (Message::Done, Stage::Finding(_)) if self.said_done && self.serve.is_idle() => {
                self.heard_done = true;
                Ok(())
            }
            _ => Err(End::OutOfTurn),
        }
    }

    /// Does what there is to do, as far as the budget goes.
    pub fn turn(&mut self, now: Now, index: &impl Index, budget: &mut Budget) -> Vec<Output> {
        let mut out = Vec::new();
        if self.ended.is_none()
            && let Err(end) = self.work(now, index, budget, &mut out)
        {
            self.end(end);
        }
        if let Some(code) = self.stop.take() {
            out.push(Output::Send(Message::Stop(code)));
        }
        out
    }

    fn work(&mut self, now: Now, index: &impl Index, budget: &mut Budget, out: &mut Vec<Output>) -> Result<(), End> {
        if now.mono.since(self.began) >= self.limits.lasting_ms {
            return Err(End::Lasting);
        }
        let work = budget.work;
        while let Some(message) = self.advance(index, budget)? {
            self.say(message, budget, out)?;
        }
        let (entries, served) = self.serve.turn(index, budget)?;
        if !entries.is_empty() {
            out.push(Output::Serve(entries));
        }
        if let Some(served) = served {
            self.say(served, budget, out)?;
        }
        if budget.bytes >= MESSAGE_BYTES_MAX
            && let Some(want) = self.fetch.ask(index)
        {
            self.say(want, budget, out)?;
        }
        let spent = work - budget.work;
        self.work_left = self.work_left.checked_sub(spent).ok_or(End::Work)?;
        self.finish(budget, out)?;
        if spent > 0 || !out.is_empty() {
            self.active = now.mono;
        }
        if now.mono.since(self.active) >= self.limits.silence_ms { Err(End::Silent) } else { Ok(()) }
    }

    /// The next message of finding out, if there is one and the budget suffices.
    fn advance(&mut self, index: &impl Index, budget: &mut Budget) -> Result<Option<Message>, End> {
        match &mut self.stage {
            Stage::Waiting | Stage::Told(_) => Ok(None),
            Stage::Tallying(tallying, theirs) => {
                if budget.bytes < MESSAGE_BYTES_MAX {
                    return Ok(None);
                }
                let Some(ours) = tallying.advance(index, &mut budget.work) else { return Ok(None) };
                self.serve.holds(ours.count());
                self.work_left = WORK_BASE.saturating_add(ours.count().saturating_mul(WORK_PER_ENTRY));
                self.stage = match theirs {
                    None => Stage::Told(ours.clone()),
                    Some(theirs) => {
                        let differ = theirs.differing(&ours).count();
                        Stage::Answering(Answering::default(), u32::try_from(differ).unwrap_or(u32::MAX))
                    }
                };
                Ok(Some(Message::Hours(ours)))
            }
            Stage::Finding(find) => {
                if self.fetch.is_full() {
                    find.give_up();
                }
                find.turn(index, budget, &mut self.fetch)
            }
            Stage::Answering(answering, _) => Ok(answering.turn(index, budget, self.fetch.has_room())),
        }
    }

    /// Says that nothing more is wanted, and ends when both have said so.
    fn finish(&mut self, budget: &mut Budget, out: &mut Vec<Output>) -> Result<(), End> {
        let found = match &self.stage {
            Stage::Finding(find) => find.is_finished(),
            Stage::Answering(..) => self.heard_done,
            _ => false,
        };
        if found && !self.said_done && self.fetch.is_idle() {
            self.said_done = true;
            self.say(Message::Done, budget, out)?;
        }
        if self.said_done && self.heard_done {
            let end = if self.fetch.is_full() { End::Full } else { End::Complete };
            self.ended = Some(end);
        }
        Ok(())
    }

    fn say(&mut self, message: Message, budget: &mut Budget, out: &mut Vec<Output>) -> Result<(), End> {
        let bytes = message.bytes();
        budget.bytes = budget.bytes.saturating_sub(bytes);
        self.said_left = self.said_left.checked_sub(bytes as u64).ok_or(End::Wordy)?;
        out.push(Output::Send(message));
        Ok(())
    }

    fn end(&mut self, end: End) {
        self.stop = end.code();
        self.ended = Some(end);
    }

    /// Why it is over, if it is.
    pub const fn ended(&self) -> Option<End> {
        self.ended
    }

    /// The hours that are compared: until both lists are there, those that were given.
    pub const fn hours(&self) -> Hours {
        self.hours
    }

    /// Whether nothing of it can be on its way any more. Before that no other of the same direction may begin on this link.
    pub const fn is_closed(&self) -> bool {
        match self.ended {
            Some(End::Complete | End::Full) => true,
            Some(_) => self.stop.is_none() && self.heard_stop,
            None => false,
        }
    }

    /// When [`Session::turn`] is due even if nothing comes.
    pub fn deadline(&self) -> Mono {
        (self.active + self.limits.silence_ms).min(self.began + self.limits.lasting_ms)
    }

    /// How far it is.
    pub fn progress(&self) -> Progress {
        let (hours, hours_done) = match &self.stage {
            Stage::Finding(find) => find.progress(),
            Stage::Answering(_, hours) => (*hours, if self.heard_done { *hours } else { 0 }),
            Stage::Waiting | Stage::Tallying(..) | Stage::Told(_) => (0, 0),
        };
        Progress {
            hours,
            hours_done,
            promised: self.fetch.promised(),
            fetched: self.fetch.fetched(),
            served: self.serve.served(),
        }
    }
}
