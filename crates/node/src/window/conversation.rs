//! What is said with one neighbour: its exchanges, and when it is to be asked. Never touches what is held.

use std::collections::BTreeMap;

use nightjar_core::link::NodeKey;
use nightjar_core::reconcile::{End, Exchange, Session, Share};
use nightjar_core::time::Mono;

use super::inbox::Opened;
use super::watch::Lacked;
use crate::link::Aside;

/// A peer that came to us is asked so long after, if it has not begun by itself: who dialled begins.
const INBOUND_ASKED_AFTER_MS: u64 = 60_000;
/// After an exchange that came to nothing the same neighbour is asked again in so long, and twice as long each time.
const RETRY_MS_FIRST: u64 = 60_000;
/// But no later than that.
const RETRY_MS_LAST: u64 = 3_600_000;
/// Old records that one neighbour brought are offered to the others at most so often: who invents some makes this node say 20 KB
/// to each of them, with full windows.
const NEWS_EVERY_MS: u64 = 10_000;
/// Exchanges that a peer may begin in a row for one share; one more comes every [`BEGIN_EVERY_MS`]. An honest one begins one when it
/// connects, and one in ten seconds.
pub(super) const BEGINS_MAX: u64 = 6;
/// See [`BEGINS_MAX`].
const BEGIN_EVERY_MS: u64 = 5_000;
/// Who does not answer STOP with STOP for so long is not spoken to any more on this link.
const STOP_MS_MAX: u64 = 60_000;
/// The longest exchange. Only one neighbour at a time serves us, so one that goes slowly must not hold up the others; what is left
/// is done by the next exchange.
pub(super) const EXCHANGE_MS_MAX: u64 = 120_000;
/// So much longer it may last while the peer does not take what is for it.
const OVERDUE_MS: u64 = 10_000;
/// Whose exchange came to nothing cannot keep others from serving us by beginning the next, for so long.
const UNHELPFUL_MS: u64 = 600_000;
/// Records whose signature does not hold that a peer may serve on a link: it checked them itself before it kept them.
pub(super) const BAD_MAX: u32 = 32;

/// One neighbour.
pub(super) struct Conversation {
    pub(super) node: NodeKey,
    pub(super) outbound: bool,
    pub(super) aside: Aside,
    /// By share, and whether we began it.
    pub(super) runs: BTreeMap<(Share, bool), Run>,
    /// When the whole window is to be compared, by share.
    wholes: BTreeMap<Share, Whole>,
    /// When it may next begin, if it began all it may; by share.
    begins: BTreeMap<Share, Mono>,
    /// Until then it does not serve us in exchanges that it begins: one came to nothing.
    unhelpful_until: Mono,
    /// Records it served whose signature does not hold.
    pub(super) bad: u32,
    /// Nothing is said to it, or heard, any more.
    pub(super) mute: bool,
}

/// One exchange.
pub(super) struct Run {
    pub(super) session: Session,
    pub(super) began: Mono,
    /// Whether it is about the whole window.
    pub(super) whole: bool,
    /// Whether this side fetches in it.
    pub(super) fetches: bool,
    /// Records of ours that the other side was told it lacks.
    pub(super) lacked: Lacked,
    /// When it was over for us.
    over: Option<Mono>,
}

#[derive(Debug, Default)]
struct Whole {
    due: Option<Mono>,
    /// Because another neighbour brought old records: what was compared before does not count.
    for_news: bool,
    /// When we last asked.
    asked: Option<Mono>,
    failures: u32,
}

impl Conversation {
    pub(super) fn new(now: Mono, opened: Opened) -> Self {
        let due = if opened.outbound { now } else { now + INBOUND_ASKED_AFTER_MS };
        let wholes = Share::ALL.map(|share| (share, Whole { due: Some(due), ..Whole::default() }));
        Self {
            node: opened.node,
            outbound: opened.outbound,
            aside: opened.aside,
            runs: BTreeMap::new(),
            wholes: wholes.into(),
            begins: BTreeMap::new(),
            unhelpful_until: Mono(0),
            bad: 0,
            mute: false,
        }
    }

    /// Whether an exchange of ours may begin.
    pub(super) fn may_ask(&self, share: Share) -> bool {
        !self.mute && !self.runs.contains_key(&(share, true))
    }

    /// When the whole window is to be compared.
    pub(super) fn whole_due(&self, share: Share) -> Option<Mono> {
        self.wholes.get(&share).and_then(|whole| whole.due).filter(|_| self.may_ask(share))
    }

    /// The whole window is to be compared now.
    pub(super) fn ask_whole(&mut self, share: Share, now: Mono) {
        self.wholes.insert(share, Whole { due: Some(now), ..Whole::default() });
    }

    /// Another neighbour brought old records, which this one may lack.
    pub(super) fn ask_for_news(&mut self, share: Share, now: Mono) {
        let whole = self.wholes.entry(share).or_default();
        let due = whole.asked.map_or(now, |asked| now.max(asked + NEWS_EVERY_MS));
        whole.due = Some(whole.due.map_or(due, |before| before.min(due)));
        whole.for_news = true;
    }

    /// The whole window is being compared.
    pub(super) fn asked_whole(&mut self, share: Share, now: Mono) {
        let whole = self.wholes.entry(share).or_default();
        *whole = Whole { due: None, for_news: false, asked: Some(now), failures: whole.failures };
    }

    /// Whether the peer may begin an exchange; it is counted.
    pub(super) fn may_begin(&mut self, share: Share, now: Mono) -> bool {
        let paid = self.begins.entry(share).or_insert(Mono(0));
        let next = (*paid).max(now) + BEGIN_EVERY_MS;
        let may = next.since(now) <= BEGINS_MAX * BEGIN_EVERY_MS;
        if may {
            *paid = next;
        }
        may
    }

    /// Whether it may serve us in an exchange that it begins.
    pub(super) fn is_helpful(&self, now: Mono) -> bool {
        self.unhelpful_until <= now
    }

    /// Whether an exchange goes on for longer than one may: a peer that does not read keeps us from ending it in good order.
    pub(super) fn is_overdue(&self, now: Mono) -> bool {
        self.runs.values().any(|run| run.is_running() && now.since(run.began) >= EXCHANGE_MS_MAX + OVERDUE_MS)
    }

    /// An exchange is over: says when the next one is due.
    pub(super) fn ended(&mut self, share: Share, ours: bool, now: Mono, end: End) {
        let Some(run) = self.runs.get_mut(&(share, ours)) else { return };
        run.over = Some(now);
        let (whole, fetches) = (run.whole, run.fetches);
        if !matches!(end, End::Complete | End::Full) {
            self.unhelpful_until = now + UNHELPFUL_MS;
        }
        let state = self.wholes.entry(share).or_default();
        match end {
            End::Complete if whole && fetches => {
                state.failures = 0;
                if !state.for_news {
                    state.due = None;
                }
            }
            // There is more, or we did not fetch because another neighbour served just then.
            End::Full | End::Lasting if whole => state.due = Some(now),
            End::Complete | End::Full if !ours => {}
            _ if whole && ours => {
                let wait = RETRY_MS_FIRST.saturating_mul(1 << state.failures.min(10));
                state.due = Some(now + wait.min(RETRY_MS_LAST));
                state.failures += 1;
            }
            _ => {}
        }
    }

    /// Drops what is closed, and falls silent if the other side does not close.
    pub(super) fn tidy(&mut self, now: Mono) {
        self.runs.retain(|_, run| !run.session.is_closed());
        let is_stuck = |run: &Run| run.over.is_some_and(|over| now.since(over) >= STOP_MS_MAX);
        if self.runs.values().any(is_stuck) {
            self.mute = true;
        }
        if self.mute {
            self.runs.clear();
        }
    }

    /// When something is due even if nothing comes.
    pub(super) fn due(&self) -> Option<Mono> {
        let waits = !self.aside.is_empty();
        let runs = self.runs.values().map(|run| match run.over {
            Some(over) => over + STOP_MS_MAX,
            // Without a turn nothing happens before.
            None if waits => run.began + EXCHANGE_MS_MAX + OVERDUE_MS,
            None => run.session.deadline(),
        });
        runs.min()
    }
}

impl Run {
    pub(super) fn new(session: Session, began: Mono, whole: bool, fetches: bool) -> Self {
        Self { session, began, whole, fetches, lacked: Lacked::default(), over: None }
    }

    /// Whether it goes on.
    pub(super) const fn is_running(&self) -> bool {
        self.over.is_none()
    }
}

/// An exchange as of the side that sends: ours if `ours`.
pub(super) const fn exchange(share: Share, ours: bool) -> Exchange {
    Exchange { share, asks: ours }
}
