//! The thread of the window: takes what waits, lets each link have its turn, writes down, and asks neighbours when it is time.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use nightjar_core::fault::Fault;
use nightjar_core::item::{Control, Item, SERVED_RECORDS_MAX};
use nightjar_core::link::LinkId;
use nightjar_core::reconcile::{
    Budget, End, Entry, Exchange, Hours, Limits, Message, Output, Progress, Session, Share,
};
use nightjar_core::record::{EXPIRY_AHEAD_S_MAX, Expiry, RECORD_BYTES_MAX, Record, Target};
use nightjar_core::time::{Mono, Now};
use nightjar_envelope::sign::record_holds;
use tokio::runtime::Handle as Runtime;
use tokio::sync::mpsc;

use super::alive::Alive;
use super::conversation::{BAD_MAX, Conversation, EXCHANGE_MS_MAX, Run, exchange};
use super::file::{File, OpenError, Row, is_damage};
use super::inbox::{Inbox, KEPT_BYTES_MAX, Kept, Said, Taken};
use super::shelf::{Intake, Shelf};
use super::watch::Watch;
use super::{
    ExchangeStatus, Finding, NEWCOMER_BYTES_MAX, NEWCOMER_HOURS, RECORD_BYTES_EXTRA, WindowOptions, WindowStatus,
};
use crate::clock::{Clock, STAYS_MS, Steady};
use crate::store::Store;

/// The newest hours are compared with one neighbour so often.
const ROUND_MS: u64 = 10_000;
/// In each round: records that were flooded so long ago may still be on their way somewhere.
const ROUND_S: u32 = 120;
/// What one exchange fetches.
const EXCHANGE_BYTES_MAX: u64 = 64 << 20;
/// What came is written down so often.
const WRITE_MS: u64 = 1_000;
/// Or when so much waits.
const WRITE_ROWS: usize = 4_096;
/// After a disk said no it is asked again in so long.
const WRITE_AGAIN_MS: u64 = 5_000;
/// Records too old are looked for so often.
const OLD_MS: u64 = 60_000;
/// Entries of which tallies are made while nothing else is to do.
const SETTLED_AT_ONCE: u64 = 250_000;
/// Records of one finding.
const FOUND_AT_ONCE: usize = 256;
/// The longest wait.
const REST: Duration = Duration::from_secs(10);
/// How often it is looked whether the log has room for history.
const STORE_POLL: Duration = Duration::from_millis(20);

/// Between the end of an exchange that brought records and the next: the last of them are on their way through the router.
const ASK_AFTER_MS: u64 = 1_000;
/// A log that has no room for so long has a disk that stands still.
const STORE_MS_MAX: u64 = 10_000;
/// So many hours has the list of a round: what is more is about the whole window.
const ROUND_HOURS_MAX: u32 = 4;

/// Names of what is noted in the file.
mod note {
    /// The first hour of the share: `since.0` and `since.1`.
    pub(super) const SINCE: [&str; 2] = ["since.dated", "since.worked"];
    /// Whether the node has never compared its whole window.
    pub(super) const NEWCOMER: &str = "newcomer";
    /// Bytes that a newcomer fetched.
    pub(super) const FETCHED: [&str; 2] = ["fetched.dated", "fetched.worked"];
}

pub(super) struct Keeper {
    options: WindowOptions,
    file: File,
    clock: Clock,
    store: Store,
    inbox: Arc<Inbox>,
    status: Arc<Mutex<WindowStatus>>,
    findings: mpsc::Sender<Finding>,
    runtime: Runtime,
    shelves: BTreeMap<Share, Shelf>,
    links: BTreeMap<LinkId, Conversation>,
    /// Who serves us just now, by share: one at a time, so that nothing is fetched twice.
    serving: BTreeMap<Share, LinkId>,
    /// Who brought old records, by share, until the others are asked whether they have them.
    news: BTreeMap<Share, LinkId>,
    /// Records that exchanges which ended early left over, by share.
    left_over: BTreeMap<Share, u64>,
    watch: Watch,
    /// Bytes a newcomer fetched, by share; `None` once the window was compared as a whole.
    newcomer: Option<BTreeMap<Share, Newcomer>>,
    round_due: Mono,
    /// Who was asked last in a round.
    round_last: Option<LinkId>,
    write_due: Option<Mono>,
    /// What waits to be written.
    unwritten_bytes: u64,
    /// Something that is noted in the file changed.
    unnoted: bool,
    /// Nobody is asked before: what was fetched last is on its way through the router.
    ask_after: Mono,
    old_due: Mono,
    steady: Steady,
    counted: WindowStatus,
}

/// What an earlier process noted in the file.
#[derive(Debug, Default)]
struct Noted {
    newcomer: Option<bool>,
    since: BTreeMap<Share, u32>,
    fetched: BTreeMap<Share, u64>,
}

impl Noted {
    fn read(file: &File) -> rusqlite::Result<Self> {
        let mut noted = Self { newcomer: file.about(note::NEWCOMER)?.map(|value| value != 0), ..Self::default() };
        for share in Share::ALL {
            let at = usize::from(share.byte());
            let read = |names: &[&str; 2]| names.get(at).map(|name| file.about(name)).transpose().map(Option::flatten);
            noted.since.extend(read(&note::SINCE)?.and_then(|since| Some((share, u32::try_from(since).ok()?))));
            noted.fetched.extend(read(&note::FETCHED)?.and_then(|bytes| Some((share, u64::try_from(bytes).ok()?))));
        }
        Ok(noted)
    }
}

#[derive(Debug, Default)]
struct Newcomer {
    fetched: u64,
    complete: bool,
}

impl Keeper {
    #[expect(clippy::too_many_arguments, reason = "it is made in one place, of what it is made of")]
    pub(super) fn new(
        options: WindowOptions,
        mut file: File,
        clock: Clock,
        store: Store,
        inbox: Arc<Inbox>,
        status: Arc<Mutex<WindowStatus>>,
        findings: mpsc::Sender<Finding>,
        runtime: Runtime,
    ) -> Result<Self, OpenError> {
        let now = clock.now();
        let noted = match Noted::read(&file) {
            Err(fault) if is_damage(&fault) => {
                tracing::warn!(%fault, "the window is damaged: it is made anew, and filled from the neighbours");
                file.remake()?;
                Noted::default()
            }
            noted => noted.map_err(|fault| file.error(&fault))?,
        };
        // Whose log has something was here before, whatever became of the window.
        let is_newcomer = noted.newcomer.unwrap_or(*store.stored().borrow() == 0);
        let back = if is_newcomer { NEWCOMER_HOURS.min(options.limits.hours) } else { options.limits.hours };
        let first = now.wall.unix_s().saturating_sub(back * 3_600) / 3_600;
        let mut shelves = BTreeMap::new();
        let mut newcomer = BTreeMap::new();
        for share in Share::ALL {
            let (bytes_max, budget) = match share {
                Share::Worked => (options.limits.bytes_max / 4 * 3, options.budgets.map(|budgets| budgets.worked)),
                Share::Dated => (options.limits.bytes_max / 4, options.budgets.map(|budgets| budgets.dated)),
            };
            // A clock that was ahead for once is not to keep us from what is now.
            let since = noted.since.get(&share).map_or(first, |since| (*since).min(now.wall.unix_s() / 3_600));
            let alive = Alive::new(now.mono, budget);
            shelves.insert(share, Shelf::new(share, bytes_max, options.limits.hours, since, alive));
            let fetched = noted.fetched.get(&share).copied().unwrap_or(0);
            newcomer.insert(share, Newcomer { fetched, complete: false });
        }
        Ok(Self {
            options,
            file,
            clock,
            store,
            inbox,
            status,
            findings,
            runtime,
            shelves,
            links: BTreeMap::new(),
            serving: BTreeMap::new(),
            news: BTreeMap::new(),
            left_over: BTreeMap::new(),
            watch: Watch::default(),
            newcomer: is_newcomer.then_some(newcomer),
            round_due: now.mono + ROUND_MS,
            round_last: None,
            write_due: None,
            unwritten_bytes: 0,
            unnoted: true,
            ask_after: now.mono,
            old_due: now.mono + STAYS_MS,
            steady: Steady::new(now),
            counted: WindowStatus { loading: true, ..WindowStatus::default() },
        })
    }

    /// Runs until it is told to close.
    pub(super) fn run(mut self) {
        self.tell();
        self.load();
        loop {
            let now = self.clock.now();
            let busy = self.work(now);
            self.tell();
            let patience = if busy { Duration::ZERO } else { self.patience() };
            let taken = self.inbox.take(patience);
            let closing = taken.closing;
            self.take(taken);
            if closing {
                self.write(self.clock.now());
                return;
            }
        }
    }

    fn load(&mut self) {
        let mut newest = 0;
        let shelves = &mut self.shelves;
        let read = self.file.outline(|outline| {
            newest = newest.max(outline.entry.expiry);
            if let Some(shelf) = shelves.get_mut(&outline.share) {
                shelf.load(&outline);
            }
        });
        match read {
            Ok(()) => tracing::debug!(newest, "the window is read"),
            // What was read is there; what was not is fetched again.
            Err(fault) => self.failed(&fault),
        }
        self.counted.loading = false;
    }

    fn patience(&self) -> Duration {
        let now = self.clock.now().mono;
        let links = self.links.values().filter_map(Conversation::due);
        let young = self.shelves.values().filter_map(Shelf::matures);
        let alive = self.shelves.values().filter_map(|shelf| shelf.alive.due(self.links.len()));
        let asks = Share::ALL.into_iter().filter(|share| self.may_be_served(*share));
        let asks = asks.filter_map(|share| self.links.values().filter_map(|talk| talk.whole_due(share)).min());
        let asks = asks.map(|due| due.max(self.ask_after));
        let due =
            links.chain(young).chain(alive).chain(asks).chain([self.round_due, self.old_due]).chain(self.write_due);
        // What is due now was done already as far as it could be.
        due.min().map_or(REST, |due| Duration::from_millis(due.since(now).max(1))).min(REST)
    }

    fn take(&mut self, taken: Taken) {
        let now = self.clock.now();
        for opened in taken.opened {
            self.links.insert(opened.link, Conversation::new(now.mono, opened));
        }
        taken.kept.into_iter().for_each(|kept| self.keep(now.mono, kept));
        for (link, said) in taken.said {
            let now = self.clock.now();
            match said {
                Said::Message(exchange, message) => self.hear(now, link, exchange.seen_by_other(), message),
                Said::Served(exchange, records) => self.served(now, link, exchange.seen_by_other(), records),
            }
        }
        for link in taken.gone {
            let runs = self.links.remove(&link).into_iter().flat_map(|talk| talk.runs);
            for ((share, _), run) in runs.filter(|(_, run)| run.is_running() && run.fetches && run.whole) {
                self.left_over.insert(share, left_over(&run.session.progress()));
            }
            self.serving.retain(|_, serving| *serving != link);
            self.shelves.values_mut().for_each(|shelf| shelf.alive.forget(link));
        }
        for target in taken.replays {
            self.replay(now, target);
        }
        if let Some(hours) = taken.more {
            self.reach_back(now, hours);
        }
    }

    fn keep(&mut self, now: Mono, kept: Kept) {
        let Kept { record, came, late, own } = kept;
        let (Some(share), Some(entry)) = (Share::of(&record), Entry::of(&record)) else { return };
        let bytes = record.bytes().len() as u64 + RECORD_BYTES_EXTRA;
        if self.unwritten_bytes.saturating_add(bytes) > KEPT_BYTES_MAX {
            // The disk stands still. Neighbours have it.
            self.counted.not_kept += 1;
            return;
        }
        let Some(shelf) = self.shelves.get_mut(&share) else { return };
        if own {
            self.watch.add(now, entry, record.msg_id());
        }
        if shelf.keep(now, Row { share, entry, late, came, record }) {
            self.unwritten_bytes += bytes;
            // Of ours there may be no other copy if this process is killed now.
            let soon = if own || shelf.unwritten.len() >= WRITE_ROWS { now } else { now + WRITE_MS };
            let due = self.write_due.get_or_insert(soon);
            // After a disk said no, it is left alone for a while.
            if self.counted.problem.is_none() {
                *due = (*due).min(soon);
            }
        }
    }

    fn hear(&mut self, now: Now, link: LinkId, Exchange { share, asks: ours }: Exchange, message: Message) {
        let Some(talk) = self.links.get_mut(&link).filter(|talk| !talk.mute) else { return };
        // What both sides closed makes room for the next.
        talk.tidy(now.mono);
        if let Some(run) = talk.runs.get_mut(&(share, ours)) {
            let was_running = run.is_running();
            let ended = run.session.receive(now, message).err();
            if let Some(end) = ended.filter(|_| was_running) {
                self.over(now, link, share, ours, end);
            }
            return;
        }
        match message {
            Message::Hours(_) if !ours => {}
            // An answer to our STOP for something that never was.
            Message::Stop(_) => return,
            _ => return self.find(Finding::Fault(link, Fault::OutOfTurn)),
        }
        if !talk.may_begin(share, now.mono) {
            let stop = Message::Stop(nightjar_core::reconcile::StopCode::Limit);
            talk.aside
                .push_all(vec![Item::Control(Control::CatchUp { exchange: exchange(share, ours), message: stop })]);
            return self.find(Finding::Fault(link, Fault::TooMany));
        }
        let Some(hours) = self.shelves.get(&share).map(|shelf| shelf.hours(now.wall)) else { return };
        let whole = !matches!(&message, Message::Hours(list) if list.hours().count() <= ROUND_HOURS_MAX);
        // Whom we are to ask comes before who asks us.
        let is_due = |other: &Conversation| other.whole_due(share).is_some_and(|due| due <= now.mono);
        let others_wait =
            self.links.iter().any(|(id, other)| *id != link && is_due(other)) && self.may_be_served(share);
        let helpful = self.links.get(&link).is_some_and(|talk| talk.is_helpful(now.mono));
        let (limits, fetches) = self.limits(share, link, whole, helpful && !others_wait);
        let Some(talk) = self.links.get_mut(&link) else { return };
        let mut session = Session::answer(now, hours, limits);
        let ended = session.receive(now, message).err();
        talk.runs.insert((share, ours), Run::new(session, now.mono, whole, fetches));
        if let Some(end) = ended {
            self.over(now, link, share, ours, end);
        }
    }

    /// What an exchange with this link may cost, and whether we fetch in it: only when no other neighbour serves us.
    fn limits(&mut self, share: Share, link: LinkId, whole: bool, wanted: bool) -> (Limits, bool) {
        let left = self.left(share).filter(|_| whole).unwrap_or(EXCHANGE_BYTES_MAX);
        let fetches = wanted && !self.serving.contains_key(&share);
        let fetch_bytes = if fetches { left } else { 0 };
        if fetches {
            self.serving.insert(share, link);
        }
        (Limits { fetch_bytes, lasting_ms: EXCHANGE_MS_MAX, ..Limits::default() }, fetches)
    }

    /// What a newcomer may still fetch unasked; `None` for one that is none any more.
    fn left(&self, share: Share) -> Option<u64> {
        let of_share = self.newcomer.as_ref()?.get(&share)?;
        Some(newcomer_max(share).saturating_sub(of_share.fetched))
    }

    /// Whether a newcomer has fetched all that it fetches unasked.
    fn has_fetched_enough(&self, share: Share) -> bool {
        self.left(share).is_some_and(|left| left < RECORD_BYTES_MAX as u64 * 2)
    }

    /// Whether a neighbour may be asked for the whole share now.
    fn may_be_served(&self, share: Share) -> bool {
        !self.serving.contains_key(&share) && !self.has_fetched_enough(share)
    }

    fn begin(&mut self, now: Now, link: LinkId, share: Share, hours: Hours, whole: bool) {
        let (limits, fetches) = self.limits(share, link, whole, true);
        if let Some(talk) = self.links.get_mut(&link) {
            let session = Session::ask(now, hours, limits);
            if whole {
                talk.asked_whole(share, now.mono);
            }
            talk.runs.insert((share, true), Run::new(session, now.mono, whole, fetches));
        }
    }

    /// Records came that we asked for.
    fn served(&mut self, now: Now, link: LinkId, Exchange { share, asks: ours }: Exchange, records: Vec<Record>) {
        let Some(talk) = self.links.get_mut(&link).filter(|talk| !talk.mute) else { return };
        let Some(run) = talk.runs.get_mut(&(share, ours)) else {
            return self.find(Finding::Fault(link, Fault::OutOfTurn));
        };
        if !run.is_running() {
            // It was on its way when it ended.
            return;
        }
        let bytes: u64 = records.iter().map(|record| record.bytes().len() as u64).sum();
        let entries: Vec<Entry> = records.iter().filter_map(Entry::of).collect();
        if let Err(end) = run.session.arrived(now, &entries, bytes) {
            return self.over(now, link, share, ours, end);
        }
        if records.iter().any(|record| Share::of(record) != Some(share)) {
            // It is not where it belongs: no honest node has it there.
            return self.shut(link, Some(Fault::Malformed));
        }
        self.counted.fetched += records.len() as u64;
        if let Some(newcomer) = self.newcomer.as_mut().and_then(|all| all.get_mut(&share)) {
            newcomer.fetched += bytes;
            self.unnoted = true;
        }
        self.sort(now, link, share, entries.into_iter().zip(records));
    }

    /// What is alive goes to the router, what is past and in order to the log.
    fn sort(&mut self, now: Now, link: LinkId, share: Share, came: impl Iterator<Item = (Entry, Record)>) {
        let Some(shelf) = self.shelves.get_mut(&share) else { return };
        let mut late = Vec::new();
        let mut bad = 0;
        for (entry, record) in came {
            let Some(stamp) = record.stamp() else { continue };
            if stamp.expiry >= now.wall.unix_s() {
                if stamp.expiry_at(now.wall) == Expiry::Alive && shelf.intake(&entry) != Intake::Known {
                    shelf.alive.push(link, entry, record);
                }
                continue;
            }
            match shelf.intake(&entry) {
                Intake::Known => {}
                Intake::Wanted if !record.is_worth_a_check() || record_holds(self.options.network, &record) => {
                    shelf.expect(entry);
                    late.push(record);
                }
                refused => {
                    bad += u32::from(refused == Intake::Wanted);
                    self.counted.refused += 1;
                    shelf.refuse(entry);
                }
            }
        }
        if let Some(talk) = self.links.get_mut(&link) {
            talk.bad += bad;
            if talk.bad > BAD_MAX {
                self.shut(link, Some(Fault::Malformed));
            }
        }
        self.counted.late += late.len() as u64;
        if !late.is_empty() {
            self.news.insert(share, link);
        }
        if !self.history(late, Finding::Late) {
            tracing::warn!(%link, "the log takes no history: a neighbour is not asked any more");
            self.shut(link, None);
        }
    }

    /// Hands history over, when the log has room; `false` if it has none for long.
    fn history<T>(&self, mut records: Vec<T>, finding: impl Fn(Vec<T>) -> Finding) -> bool {
        let began = self.clock.now().mono;
        while !records.is_empty() {
            let rest = records.split_off(records.len().min(FOUND_AT_ONCE));
            while !self.store.has_room() {
                if self.inbox.is_closing() || self.clock.now().mono.since(began) >= STORE_MS_MAX {
                    return false;
                }
                std::thread::sleep(STORE_POLL);
            }
            self.find(finding(records));
            records = rest;
        }
        true
    }

    /// Hands over what is alive, as far as the budgets go; what is not any more by now is late.
    fn release(&mut self, now: Now) {
        for share in Share::ALL {
            let Some(shelf) = self.shelves.get_mut(&share) else { continue };
            let ready = shelf.alive.take(now.mono, self.links.len());
            let (alive, late): (Vec<_>, Vec<_>) =
                ready.into_iter().partition(|(_, entry, _)| entry.expiry >= now.wall.unix_s());
            let mut of_links: BTreeMap<LinkId, Vec<Record>> = BTreeMap::new();
            alive.into_iter().for_each(|(link, _, record)| of_links.entry(link).or_default().push(record));
            for (link, records) in of_links {
                self.find(Finding::Alive(link, records));
            }
            for (link, entry, record) in late {
                self.sort(now, link, share, std::iter::once((entry, record)));
            }
        }
    }

    fn find(&self, finding: Finding) {
        // Without an engine nobody wants it.
        self.findings.blocking_send(finding).unwrap_or_default();
    }

    /// Nothing more is said on this link.
    fn shut(&mut self, link: LinkId, fault: Option<Fault>) {
        if let Some(talk) = self.links.get_mut(&link) {
            talk.mute = true;
        }
        self.serving.retain(|_, serving| *serving != link);
        if let Some(fault) = fault {
            self.find(Finding::Fault(link, fault));
        }
    }

    /// An exchange is over.
    fn over(&mut self, now: Now, link: LinkId, share: Share, ours: bool, end: End) {
        let Some(talk) = self.links.get_mut(&link) else { return };
        talk.ended(share, ours, now.mono, end);
        let Some(run) = talk.runs.get_mut(&(share, ours)) else { return };
        let progress = run.session.progress();
        tracing::debug!(%link, ?share, ours, whole = run.whole, %end, ?progress, "an exchange is over");
        self.counted.served += progress.served;
        if run.fetches {
            self.serving.remove(&share);
            self.ask_after = now.mono + ASK_AFTER_MS;
            if run.whole {
                let left = if end == End::Complete { 0 } else { left_over(&progress) };
                self.left_over.insert(share, left);
            }
        }
        if end == End::Complete {
            self.counted.completed += 1;
            if run.whole && run.fetches && progress.fetched > 0 {
                tracing::info!(%link, records = progress.fetched, "caught up with what a neighbour had");
            }
            let held = if ours && talk.outbound {
                self.watch.covered(talk.node, run.began, run.session.hours(), &run.lacked)
            } else {
                Vec::new()
            };
            if run.whole && run.fetches {
                self.compared(share);
            }
            if !held.is_empty() {
                self.find(Finding::Held(held));
            }
        }
        if let Some(fault) = end.fault() {
            self.find(Finding::Fault(link, fault));
        }
    }

    /// The whole share was compared with somebody's: this node is no newcomer any more, once it is so for both.
    fn compared(&mut self, share: Share) {
        let Some(newcomer) = &mut self.newcomer else { return };
        if let Some(of_share) = newcomer.get_mut(&share) {
            of_share.complete = true;
        }
        if newcomer.values().all(|it| it.complete) {
            self.newcomer = None;
            self.unnoted = true;
            self.write_due.get_or_insert(self.clock.now().mono);
        }
    }

    fn reach_back(&mut self, now: Now, hours: u32) {
        let first = now.wall.unix_s().saturating_sub(hours * 3_600) / 3_600;
        for shelf in self.shelves.values_mut().filter(|shelf| shelf.has_room()) {
            shelf.reach_back_to(first);
        }
        self.newcomer = None;
        self.unnoted = true;
        self.write_due.get_or_insert(now.mono);
        for talk in self.links.values_mut() {
            Share::ALL.into_iter().for_each(|share| talk.ask_whole(share, now.mono));
        }
    }

    /// Everything that is due. Says whether there is more to do at once.
    fn work(&mut self, now: Now) -> bool {
        for shelf in self.shelves.values_mut() {
            shelf.mature(now.mono);
        }
        self.release(now);
        // What begins now has its first turn at once.
        self.ask(now);
        let mut busy = self.converse();
        if self.write_due.is_some_and(|due| due <= now.mono) {
            self.write(now);
        }
        busy |= self.drop_some(now);
        if !busy {
            let mut work = SETTLED_AT_ONCE;
            self.shelves.values_mut().for_each(|shelf| shelf.index.settle(&mut work));
        }
        busy
    }

    /// Each link has its turn. Says whether one has more to do that waits for nobody.
    fn converse(&mut self) -> bool {
        let mut busy = false;
        let links: Vec<LinkId> = self.links.keys().copied().collect();
        for link in links {
            let now = self.clock.now();
            let mut budget = Budget::TURN;
            let mut items = Vec::new();
            let Some(talk) = self.links.get_mut(&link) else { continue };
            talk.tidy(now.mono);
            if !talk.mute && talk.is_overdue(now.mono) {
                self.shut(link, Some(Fault::TimedOut));
                continue;
            }
            if talk.mute || !talk.aside.is_empty() {
                continue;
            }
            let keys: Vec<(Share, bool)> = talk.runs.keys().copied().collect();
            for (share, ours) in keys {
                busy |= self.turn(now, link, share, ours, &mut budget, &mut items);
            }
            if !items.is_empty()
                && let Some(talk) = self.links.get_mut(&link)
            {
                talk.aside.push_all(items);
            }
        }
        busy
    }

    fn turn(
        &mut self,
        now: Now,
        link: LinkId,
        share: Share,
        ours: bool,
        budget: &mut Budget,
        items: &mut Vec<Item>,
    ) -> bool {
        let Some(talk) = self.links.get_mut(&link) else { return false };
        let Some(shelf) = self.shelves.get(&share) else { return false };
        let Some(run) = talk.runs.get_mut(&(share, ours)) else { return false };
        let work = budget.work;
        let was_running = run.is_running();
        let outputs = run.session.turn(now, &shelf.at(now.wall), budget);
        let is_silent = outputs.is_empty();
        let exchange = exchange(share, ours);
        let mut fault = None;
        for output in outputs {
            match output {
                Output::Send(message) => {
                    if let Message::Ask { lots, .. } = &message {
                        self.watch.lacked(lots, &mut run.lacked);
                    }
                    items.push(Item::Control(Control::CatchUp { exchange, message }));
                }
                Output::Serve(entries) => {
                    let mut records = Vec::with_capacity(entries.len());
                    for entry in &entries {
                        match shelf.unwritten.get(entry) {
                            Some(row) => records.push(row.record.clone()),
                            None => match self.file.get(share, entry) {
                                // What a power failure damaged is not given to anybody.
                                Ok(record) => records.extend(record.filter(|it| Entry::of(it).as_ref() == Some(entry))),
                                Err(error) => fault = Some(error),
                            },
                        }
                    }
                    for records in records.chunks(SERVED_RECORDS_MAX) {
                        items.push(Item::Served { exchange, records: records.to_vec() });
                    }
                }
            }
        }
        let ended = run.session.ended();
        if let Some(end) = ended.filter(|_| was_running) {
            self.over(now, link, share, ours, end);
        }
        if let Some(fault) = fault {
            self.failed(&fault);
        }
        is_silent && ended.is_none() && budget.work < work
    }

    /// Begins exchanges that are due.
    fn ask(&mut self, now: Now) {
        for share in Share::ALL {
            if now.mono < self.ask_after || !self.may_be_served(share) {
                continue;
            }
            // Nothing old is flooded: where a network was split, it goes on from one to the next so.
            if let Some(from) = self.news.remove(&share) {
                let others = self.links.iter_mut().filter(|(link, _)| **link != from);
                others.for_each(|(_, talk)| talk.ask_for_news(share, now.mono));
            }
            let due = |(link, talk): (&LinkId, &Conversation)| {
                let due = talk.whole_due(share).filter(|due| *due <= now.mono)?;
                Some((due, *link))
            };
            let Some(hours) = self.shelves.get(&share).map(|shelf| shelf.hours(now.wall)) else { continue };
            // Who waits longest; one that was slow waits again.
            if let Some((_, link)) = self.links.iter().filter_map(due).min() {
                self.begin(now, link, share, hours, true);
            }
        }
        if self.round_due <= now.mono {
            self.round_due = now.mono + ROUND_MS;
            self.round(now);
        }
    }

    /// Compares the newest hours with one neighbour, another one each time.
    fn round(&mut self, now: Now) {
        let can = |talk: &Conversation| Share::ALL.into_iter().all(|share| talk.may_ask(share));
        let any_outbound = self.links.values().any(|talk| talk.outbound && !talk.mute);
        let fit =
            |(link, talk): (&LinkId, &Conversation)| (can(talk) && talk.outbound == any_outbound).then_some(*link);
        let all: Vec<LinkId> = self.links.iter().filter_map(fit).collect();
        let Some(link) = all.iter().find(|link| Some(**link) > self.round_last).or(all.first()).copied() else {
            return;
        };
        self.round_last = Some(link);
        let now_s = now.wall.unix_s();
        let newest = Hours::touching(now_s.saturating_sub(ROUND_S), now_s.saturating_add(EXPIRY_AHEAD_S_MAX));
        for share in Share::ALL {
            let Some(hours) = self.shelves.get(&share).map(|shelf| shelf.hours(now.wall).common(&newest)) else {
                continue;
            };
            if hours.count() > 0 && !self.serving.contains_key(&share) {
                self.begin(now, link, share, hours, false);
            }
        }
    }

    /// Reads again what is there for a target.
    fn replay(&mut self, now: Now, target: Target) {
        self.write(now);
        let mut skip = 0;
        loop {
            match self.file.for_target(target, skip, FOUND_AT_ONCE) {
                Ok(records) if records.is_empty() => return,
                Ok(records) => {
                    skip += records.len();
                    if !self.history(records, Finding::Again) {
                        return tracing::warn!(
                            "the log takes no history: what the window has for a new target is not read"
                        );
                    }
                }
                Err(fault) => return self.failed(&fault),
            }
        }
    }

    /// Writes down what came, once the log has what of it is for us.
    fn write(&mut self, now: Now) {
        self.write_due = None;
        if !self.unnoted && self.shelves.values().all(|shelf| shelf.unwritten.is_empty()) {
            return;
        }
        let stored = self.runtime.block_on(self.store.change(Vec::new()));
        if let Err(error) = stored {
            // A window that knows more than the log would never bring it again.
            self.counted.problem = Some(error.to_string());
            self.write_due = Some(now.mono + WRITE_AGAIN_MS);
            return;
        }
        let rows = self.shelves.values().flat_map(|shelf| shelf.unwritten.values());
        let written = self.file.insert(rows).and_then(|()| self.note());
        match written {
            Ok(()) => {
                self.shelves.values_mut().for_each(|shelf| shelf.unwritten.clear());
                self.unwritten_bytes = 0;
                self.unnoted = false;
                if self.counted.problem.take().is_some() {
                    tracing::info!("the window is written down again");
                }
            }
            Err(fault) => {
                self.failed(&fault);
                self.write_due = Some(now.mono + WRITE_AGAIN_MS);
            }
        }
    }

    fn note(&self) -> rusqlite::Result<()> {
        for (share, shelf) in &self.shelves {
            let at = usize::from(share.byte());
            if let Some(name) = note::SINCE.get(at) {
                self.file.note(name, shelf.since().into())?;
            }
            let fetched = self.newcomer.as_ref().and_then(|all| all.get(share)).map(|it| it.fetched);
            if let (Some(name), Some(fetched)) = (note::FETCHED.get(at), fetched) {
                self.file.note(name, i64::try_from(fetched).unwrap_or(i64::MAX))?;
            }
        }
        self.file.note(note::NEWCOMER, self.newcomer.is_some().into())
    }

    /// Drops some of what is too much or too old. Says whether there is more.
    fn drop_some(&mut self, now: Now) -> bool {
        let look_for_old = self.old_due <= now.mono;
        let mut aged = false;
        if look_for_old {
            aged = self.steady.look(now);
            self.old_due = now.mono + OLD_MS;
            self.watch.forget_old(now.wall);
        }
        let mut more = false;
        for share in Share::ALL {
            let Some(shelf) = self.shelves.get_mut(&share) else { continue };
            let excess = shelf.excess();
            let for_room = !excess.is_empty();
            let entries = if for_room {
                excess
            } else if aged {
                shelf.outdated(now.wall)
            } else {
                continue;
            };
            if entries.is_empty() {
                continue;
            }
            // What is to go may not be on the disk yet.
            self.write(now);
            if self.counted.problem.is_some() {
                return false;
            }
            match self.file.remove(share, &entries) {
                Ok(freed) => {
                    if let Some(shelf) = self.shelves.get_mut(&share) {
                        shelf.dropped(&entries, freed, for_room);
                    }
                    self.unnoted |= for_room;
                    more = true;
                    if aged {
                        // The rest of them at once, too.
                        self.old_due = now.mono;
                    }
                }
                Err(fault) => self.failed(&fault),
            }
        }
        more
    }

    fn failed(&mut self, fault: &rusqlite::Error) {
        let problem = self.file.error(fault).to_string();
        if is_damage(fault) {
            tracing::warn!("{problem}: it is made anew, and filled from the neighbours");
            match self.file.remake() {
                Ok(()) => return self.begin_anew(),
                Err(error) => tracing::warn!(%error, "the window cannot be made anew"),
            }
        } else if self.counted.problem.as_ref() != Some(&problem) {
            tracing::warn!("{problem}; records are flooded all the same");
        }
        self.counted.problem = Some(problem);
    }

    /// The file is a new one: what was in it comes back from the neighbours.
    fn begin_anew(&mut self) {
        let now = self.clock.now();
        self.counted.problem = None;
        self.unnoted = true;
        self.write_due.get_or_insert(now.mono + WRITE_MS);
        self.shelves.values_mut().for_each(|shelf| shelf.begin_anew(now.mono));
        for talk in self.links.values_mut() {
            Share::ALL.into_iter().for_each(|share| talk.ask_whole(share, now.mono));
        }
    }

    /// Says how it is.
    fn tell(&mut self) {
        let (now, counted) = (self.clock.now().wall, &mut self.counted);
        for (at, share) in Share::ALL.into_iter().enumerate() {
            if let (Some(shelf), Some(records), Some(bytes)) =
                (self.shelves.get(&share), counted.records.get_mut(at), counted.bytes.get_mut(at))
            {
                *records = shelf.index.len() as u64;
                *bytes = shelf.bytes;
            }
        }
        counted.since_s = self.shelves.values().map(|shelf| shelf.hours(now).first()).max().unwrap_or(0) * 3_600;
        counted.exchanges = (self.links.iter())
            .flat_map(|(link, talk)| talk.runs.iter().map(move |(key, run)| (link, key, run)))
            .filter(|(.., run)| run.is_running())
            .map(|(link, (share, ours), run)| ExchangeStatus {
                link: link.serial(),
                share: *share,
                ours: *ours,
                progress: run.session.progress(),
            })
            .collect();
        let running =
            self.links.values().flat_map(|talk| talk.runs.values()).filter(|run| run.is_running() && run.fetches);
        let promised: u64 =
            running.map(|run| run.session.progress()).map(|it| it.promised.saturating_sub(it.fetched)).sum();
        let waiting: usize = self.shelves.values().map(|shelf| shelf.alive.len()).sum();
        let left_over: u64 = self.left_over.values().sum();
        self.counted.missing = left_over.max(promised) + waiting as u64;
        self.counted.neighbours = self.links.values().filter(|talk| !talk.mute).count() as u64;
        self.counted.more = Share::ALL.into_iter().any(|share| self.has_fetched_enough(share));
        let mut status = self.status.lock().unwrap_or_else(PoisonError::into_inner);
        status.clone_from(&self.counted);
    }
}

/// Records that were promised and did not come.
const fn left_over(progress: &Progress) -> u64 {
    progress.promised.saturating_sub(progress.fetched)
}

/// What a newcomer fetches of a share, unasked.
const fn newcomer_max(share: Share) -> u64 {
    match share {
        Share::Worked => NEWCOMER_BYTES_MAX / 4 * 3,
        Share::Dated => NEWCOMER_BYTES_MAX / 4,
    }
}
