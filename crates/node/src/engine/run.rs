//! The loop itself. All reports that wait are taken before what came of them goes out, so that nothing is done per
//! record that can be done per batch.

use std::collections::BTreeSet;
use std::future::pending;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nightjar_core::address::LinkKind;
use nightjar_core::fault::Fault;
use nightjar_core::item::{Batch, ByeCode, Control, How, Item};
use nightjar_core::link::{LINKS_MAX, LinkId, LinkSet, PeerInfo};
use nightjar_core::record::{Record, Target};
use nightjar_core::router::{AddressSource, Closed, Input, KnownAddress, Output, Report, Router};
use nightjar_core::time::{Mono, Now, Wall};
use nightjar_wire::pascal::WALLET_TEXT_BYTES_MAX;
use nightjar_wire::secure::CATCH_UP;
use rand_chacha::ChaCha20Rng;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::{sleep_until, timeout};

use super::asks::{ASKED_MAX, Asks, run_of};
use super::listens::{Change, Listens};
use super::{STOP_MS_MAX, draft, ms};
use crate::clock::Clock;
use crate::handle::{
    Connection, LEASE_S_MAX, ListenError, ListenTo, ListenWish, Listening, Outgoing, PendingAnswer, Publish,
    PublishError, Request, Status, WalletError,
};
use crate::link::{Admission, LinkReport, Links, Outbox};
use crate::message::{Content, Draft, NewMessage, Receipt};
use crate::post::Post;
use crate::post::targets::{Keyed, Moved};
use crate::private_file;
use crate::seen_file;
use crate::store::Store;
use crate::verify::{Verdicts, VerifyPool};
use crate::window::{Finding, Kept, Said, Window};

/// Reports taken in one go.
const REPORTS_AT_ONCE: usize = 64;
/// With fewer free places for records that wait for their check, no more reports are taken until checks come back: one
/// read may bring so many signed records. Within the classes' budgets it does not come to that.
const CHECKS_ROOM_MIN: usize = 1024;
/// What was seen is written so often: a node that is killed may take in again what came since, and its log still has the
/// hits among it.
const SEEN_SAVE_MS: u64 = 60_000;
/// What front ends see of the node is at most so old, when something happened.
const STATUS_MS: u64 = 500;

/// What comes to the engine.
pub(super) struct Inlets {
    pub(super) reports: mpsc::Receiver<LinkReport>,
    pub(super) verdicts: Verdicts,
    /// What comes out of the window, if there is one.
    pub(super) findings: Option<mpsc::Receiver<Finding>>,
    pub(super) requests: mpsc::Receiver<Request>,
    pub(super) publishes: mpsc::Receiver<Publish>,
    /// The targets of which the keys of this node make something.
    pub(super) keyed: Arc<Keyed>,
}

/// What a node is made of, handed over once.
pub(super) struct Parts {
    pub(super) router: Router,
    pub(super) links: Links,
    pub(super) listens: Listens,
    pub(super) store: Store,
    pub(super) window: Option<Window>,
    pub(super) post: Post,
    pub(super) verify: VerifyPool,
    pub(super) seen_file: PathBuf,
    pub(super) clock: Clock,
    pub(super) chance: ChaCha20Rng,
    pub(super) status: watch::Sender<Arc<Status>>,
    pub(super) budgets: bool,
}

pub(super) struct Engine {
    router: Router,
    links: Links,
    listens: Listens,
    asks: Asks,
    store: Store,
    window: Option<Window>,
    post: Post,
    verify: VerifyPool,
    seen_file: PathBuf,
    seen_due: Mono,
    /// What was seen is being written just now.
    saving: Option<JoinHandle<()>>,
    clock: Clock,
    chance: ChaCha20Rng,
    status: watch::Sender<Arc<Status>>,
    status_due: Option<Mono>,
    budgets: bool,
    began: Mono,
    /// By slot.
    outboxes: Vec<Option<(LinkId, Outbox)>>,
    /// By slot: what goes out when all that waited was taken.
    outgoing: Vec<Vec<Item>>,
    /// The slots for which something goes out.
    filled: LinkSet,
    hits: Vec<NewMessage>,
    /// What goes into the window, behind the hits.
    kept: Vec<Kept>,
    /// Targets that are listened to because of keys.
    keyed: BTreeSet<Target>,
    /// What is being published just now.
    publishing: Option<Publishing>,
}

/// A record of this node on its way. What waited for its budget may come out with it, and is not ours.
struct Publishing {
    record: Record,
    /// To how many links it went.
    peers: usize,
}

impl Engine {
    pub(super) fn new(parts: Parts) -> Self {
        let Parts { router, links, listens, store, window, post, verify, seen_file, clock, chance, status, budgets } =
            parts;
        let began = clock.now().mono;
        let engine = Self {
            router,
            links,
            listens,
            asks: Asks::default(),
            store,
            window,
            post,
            verify,
            seen_file,
            seen_due: began + SEEN_SAVE_MS,
            saving: None,
            clock,
            chance,
            status,
            status_due: Some(began),
            budgets,
            began,
            outboxes: std::iter::repeat_with(|| None).take(LINKS_MAX).collect(),
            outgoing: std::iter::repeat_with(Vec::new).take(LINKS_MAX).collect(),
            filled: LinkSet::EMPTY,
            hits: Vec::new(),
            kept: Vec::new(),
            keyed: BTreeSet::new(),
            publishing: None,
        };
        engine.status.send_replace(Arc::new(engine.look(engine.clock.now())));
        engine
    }

    /// Runs until `stop` says so or its sender is gone.
    pub(super) async fn run(mut self, inlets: Inlets, mut stop: watch::Receiver<()>) {
        let Inlets { mut reports, mut verdicts, mut findings, mut requests, mut publishes, keyed } = inlets;
        let mut taken = Vec::with_capacity(REPORTS_AT_ONCE);
        let mut checked = Vec::new();
        // What is to be published while no neighbour has room.
        let mut held: Option<Publish> = None;
        self.do_outputs(self.clock.now());
        // What these listen to was listened to before the start: it is in the log.
        self.listen_keyed(keyed.take());
        loop {
            self.flush();
            if let Some(publish) = held.take_if(|publish| self.has_room(publish.what.len())) {
                self.publish(publish);
                continue;
            }
            let due = self.due();
            let room = self.links.room();
            tokio::select! {
                // From its end, so that what there is no room for can stay.
                _ = reports.recv_many(&mut taken, REPORTS_AT_ONCE), if taken.is_empty() => taken.reverse(),
                _ = verdicts.recv_many(&mut checked, REPORTS_AT_ONCE) => {
                    let verdicts = checked.drain(..).flatten().collect();
                    self.handle(self.clock.now(), Input::Verified { verdicts });
                }
                Some(finding) = found(&mut findings) => self.found(finding),
                Some(request) = requests.recv() => self.request(request),
                Some(publish) = publishes.recv(), if held.is_none() => held = Some(publish),
                () = keyed.told() => {
                    let begun = self.listen_keyed(keyed.take());
                    self.replay(begun);
                }
                () = room, if held.is_some() => {}
                () = self.until(due) => {}
                _ = stop.changed() => break,
            }
            while self.router.checks_room() >= CHECKS_ROOM_MIN
                && let Some(report) = taken.pop()
            {
                self.report(report);
            }
            self.tick();
        }
        // The window waits for nobody any more.
        drop(findings);
        self.end(reports).await;
    }

    fn due(&self) -> Option<Mono> {
        [self.router.deadline(), self.listens.due(), self.status_due, Some(self.seen_due)].into_iter().flatten().min()
    }

    async fn until(&self, due: Option<Mono>) {
        match due {
            Some(due) => sleep_until(self.clock.instant(due)).await,
            None => pending().await,
        }
    }

    fn tick(&mut self) {
        let now = self.clock.now();
        if self.router.deadline().is_some_and(|due| due <= now.mono) {
            self.handle(now, Input::Tick);
        }
        if self.listens.due().is_some_and(|due| due <= now.mono) {
            let change = self.listens.expire(now.mono);
            self.listen(now, change);
        }
        if self.seen_due <= now.mono {
            self.seen_due = now.mono + SEEN_SAVE_MS;
            // A disk that takes longer than a minute is not asked twice.
            if self.saving.as_ref().is_none_or(JoinHandle::is_finished) {
                self.saving = Some(save_seen(&self.router, &self.seen_file, now));
            }
        }
        if self.status_due.is_some_and(|due| due <= now.mono) {
            self.status_due = None;
            self.status.send_replace(Arc::new(self.look(now)));
        } else {
            self.status_due.get_or_insert(now.mono + STATUS_MS);
        }
    }

    fn report(&mut self, report: LinkReport) {
        let now = self.clock.now();
        match report {
            LinkReport::Records { link, batch } => {
                self.handle(now, Input::Received { link, how: How::Flooded, batch });
            }
            LinkReport::Served { link, exchange, records } => self.said(now, link, Said::Served(exchange, records)),
            LinkReport::Opened { link, peer } => self.opened(now, link, peer),
            LinkReport::Accepted { peer, outbox, admit } => self.accepted(now, peer, outbox, admit),
            LinkReport::Control { link, control } => self.control(now, link, control),
            LinkReport::Fault { link, fault } => {
                tracing::debug!(%link, fault = fault.name(), "a peer {fault}");
                self.handle(now, Input::Faulted { link, fault });
            }
            LinkReport::Closed { link, why } => self.closed(now, link, why),
        }
    }

    fn accepted(&mut self, now: Now, peer: PeerInfo, outbox: Outbox, admit: oneshot::Sender<Admission>) {
        let link = match self.router.admit(now, &peer) {
            Ok(link) => link,
            Err(refusal) => {
                tracing::debug!(peer = %peer.address, why = %refusal.code, "a connection is refused");
                let refused = Admission::Refused { peers: refusal.peers, code: refusal.code, text: refusal.text };
                // It may have gone by itself.
                return admit.send(refused).unwrap_or_default();
            }
        };
        self.put_outbox(link, outbox);
        if admit.send(Admission::Welcome(link)).is_ok() {
            self.opened(now, link, peer);
        } else {
            self.closed(now, link, Closed::ByPeer { code: None, text: String::new() });
        }
    }

    fn opened(&mut self, now: Now, link: LinkId, peer: PeerInfo) {
        tracing::info!(%link, peer = %peer.address, agent = peer.agent, "a link is open");
        if peer.features & CATCH_UP != 0
            && let (Some(window), Some(node)) = (&self.window, peer.node_key)
            && let Some((_, outbox)) = self.outbox(link.slot()).filter(|(id, _)| *id == link)
        {
            window.opened(link, node, peer.outbound, outbox);
        }
        self.handle(now, Input::Connected { link, peer });
    }

    /// A peer says something about the window.
    fn said(&mut self, now: Now, link: LinkId, said: Said) {
        let taken = self.window.as_ref().is_some_and(|window| window.said(link, said));
        if !taken {
            self.handle(now, Input::Faulted { link, fault: Fault::TooMany });
        }
    }

    /// Something came out of the window.
    fn found(&mut self, finding: Finding) {
        let now = self.clock.now();
        match finding {
            Finding::Alive(link, records) => {
                let records = records.into_iter().map(|record| (record, 0)).collect();
                let batch = Batch { records, ..Batch::default() };
                self.handle(now, Input::Received { link, how: How::Fetched, batch });
            }
            Finding::Late(records) => {
                for record in records {
                    self.deliver_late(now.wall, &record);
                    self.kept.push(Kept { record, came: now.wall, late: true, own: false });
                }
            }
            Finding::Again(records) => records.iter().for_each(|(record, came)| self.deliver_late(*came, record)),
            Finding::Fault(link, fault) => {
                tracing::debug!(%link, fault = fault.name(), "a peer {fault} while windows were compared");
                self.handle(now, Input::Faulted { link, fault });
            }
            Finding::Held(held) => self.post.held(held),
        }
    }

    /// What comes late is history, if anybody here wants it.
    fn deliver_late(&mut self, received: Wall, record: &Record) {
        if self.router.is_listened_to(record.target()) {
            let name = self.listens.name_of(record.target());
            let content = Content::Record(record.clone());
            self.hits.push(NewMessage { received, own: false, late: true, name, content, reading: None });
        }
    }

    fn closed(&mut self, now: Now, link: LinkId, why: Closed) {
        if let Some(peer) = self.peer(link).filter(|peer| self.has_a_double(link, peer, &why)) {
            tracing::warn!(
                peer = %peer.address,
                "another node with this node's key is linked there: if this data directory was copied, end one of the two and move its node_key away"
            );
        }
        if self.peer(link).is_some() {
            tracing::info!(%link, %why, "a link is gone");
        } else if let Some(peer) = self.router.dialled(link).filter(|address| self.router.is_users(address)) {
            tracing::info!(%peer, %why, "a peer is not reached: it is dialled again later");
        } else {
            tracing::debug!(%link, %why, "a dial came to nothing");
        }
        if let Some(place) = self.outboxes.get_mut(link.slot())
            && place.as_ref().is_some_and(|(id, _)| *id == link)
        {
            *place = None;
            self.outgoing_of(link.slot()).clear();
            self.filled.remove(link);
        }
        self.asks.forget(link);
        if let Some(window) = &self.window {
            window.gone(link);
        }
        self.handle(now, Input::Disconnected { link, why });
    }

    /// Whether a peer ended a link because it has another one to this node, which has none.
    fn has_a_double(&self, link: LinkId, peer: &PeerInfo, why: &Closed) -> bool {
        let is_double = matches!(why, Closed::ByPeer { code: Some(ByeCode::Duplicate), .. });
        let is_other = |(id, other, ..): (LinkId, &PeerInfo, _, _)| id != link && other.node_key == peer.node_key;
        is_double && peer.node_key.is_some() && !self.router.open_links().any(is_other)
    }

    fn control(&mut self, now: Now, link: LinkId, control: Control) {
        match control {
            Control::Wallet { text } => {
                if let Some(peer) = self.peer(link).map(|peer| peer.address.clone()) {
                    let peer = format!("{}:{}", peer.host, peer.port);
                    let content = Content::Wallet { peer, text };
                    self.hits.push(NewMessage {
                        received: now.wall,
                        own: false,
                        late: false,
                        name: None,
                        content,
                        reading: None,
                    });
                }
            }
            Control::Accounts { question, answer } => self.asks.answered(link, question, answer),
            Control::CatchUp { exchange, message } => self.said(now, link, Said::Message(exchange, message)),
            control => self.handle(now, Input::Control { link, control }),
        }
    }

    fn request(&mut self, request: Request) {
        let now = self.clock.now();
        // Whoever asked may have gone: then nobody reads the answer.
        match request {
            Request::AddPeer { address, reply } => {
                let is_new = !self.router.is_users(&address);
                tracing::info!(peer = %address, "the user adds a peer");
                let known = vec![KnownAddress::unknown(address)];
                self.handle(now, Input::Addresses { source: AddressSource::User, known });
                reply.send(is_new).unwrap_or_default();
            }
            Request::Listen { wish, reply } => self.begin_to_listen(now, wish, reply),
            Request::Unlisten { what, lease, reply } => self.end_to_listen(now, &what, lease, reply),
            Request::Listens { reply } => reply.send(self.listens.list()).unwrap_or_default(),
            Request::AskAccount { number, reply } => reply.send(self.ask(number)).unwrap_or_default(),
            Request::SendWallet { peer, text, reply } => {
                reply.send(self.send_wallet(now, &peer.to_string(), peer, text)).unwrap_or_default();
            }
        }
    }

    /// Whether a neighbour takes so many records now, or there is none: then they wait for the first.
    fn has_room(&self, records: usize) -> bool {
        let mut links = self.router.carrying().slots().filter_map(|slot| self.outbox(slot)).peekable();
        links.peek().is_none() || links.any(|(_, outbox)| outbox.room() >= records)
    }

    fn publish(&mut self, publish: Publish) {
        let Publish { what, reply } = publish;
        let now = self.clock.now();
        let receipts = match what {
            Outgoing::Drafts(drafts) => self.publish_all(now, &drafts),
            Outgoing::ToSomebody(records) if self.router.carrying().is_empty() => {
                Ok(records.iter().map(|record| receipt(record, 0)).collect())
            }
            Outgoing::Records(records) | Outgoing::ToSomebody(records) => {
                Ok(records.into_iter().map(|record| self.publish_record(now, record)).collect())
            }
        };
        // "Sent" is said when it is on its way.
        self.flush();
        // Whoever asked may have gone.
        reply.send(receipts).unwrap_or_default();
    }

    fn publish_all(&mut self, now: Now, drafts: &[Draft]) -> Result<Vec<Receipt>, PublishError> {
        let records: Result<Vec<_>, _> =
            drafts.iter().map(|draft| draft::record(draft, now.wall, &mut self.chance)).collect();
        Ok(records?.into_iter().map(|record| self.publish_record(now, record)).collect())
    }

    fn publish_record(&mut self, now: Now, record: Record) -> Receipt {
        self.publishing = Some(Publishing { record: record.clone(), peers: 0 });
        self.handle(now, Input::Publish { record: record.clone() });
        receipt(&record, self.publishing.take().map_or(0, |publishing| publishing.peers))
    }

    fn begin_to_listen(&mut self, now: Now, wish: ListenWish, reply: oneshot::Sender<Result<Listening, ListenError>>) {
        let ListenWish { to, lease_s, lease } = wish;
        let result = match lease_s {
            Some(lease_s) if !(1..=LEASE_S_MAX).contains(&lease_s) => Err(ListenError::Lease(lease_s)),
            Some(lease_s) => self
                .listens
                .lease(to.clone(), lease, now.mono + u64::from(lease_s) * 1000)
                .map(|(change, number)| (change, Some(number))),
            None => self.listens.keep(to.clone()).map(|change| (change, None)),
        };
        let (change, lease) = match result {
            Ok(granted) => granted,
            Err(error) => return reply.send(Err(error)).unwrap_or_default(),
        };
        self.listen(now, change);
        let listening = Listening { targets: to.targets(), lease };
        if lease.is_some() {
            return reply.send(Ok(listening)).unwrap_or_default();
        }
        // The flood does not wait for the disk; who asked does.
        let keep = self.store.keep_listen(to);
        tokio::spawn(async move {
            let kept = keep.await.map_err(|error| ListenError::Store(error.to_string()));
            reply.send(kept.map(|()| listening)).unwrap_or_default();
        });
    }

    fn end_to_listen(&mut self, now: Now, what: &ListenTo, lease: Option<u64>, reply: oneshot::Sender<bool>) {
        let Some((change, forget)) = self.listens.end(what, lease) else {
            return reply.send(false).unwrap_or_default();
        };
        self.listen(now, change);
        let drops: Vec<_> = forget.into_iter().map(|what| self.store.drop_listen(what)).collect();
        tokio::spawn(async move {
            for dropped in drops {
                if let Err(error) = dropped.await {
                    tracing::warn!(%error, "a name that is not listened to any more will be again after a restart");
                }
            }
            reply.send(true).unwrap_or_default();
        });
    }

    fn listen(&mut self, now: Now, change: Change) {
        for target in &change.on {
            self.handle(now, Input::Listen { target: *target, on: true });
        }
        self.replay(change.on);
        for target in change.off {
            if !self.keyed.contains(&target) {
                self.handle(now, Input::Listen { target, on: false });
            }
        }
    }

    /// Listens to what the node's keys make something of, beside what is listened to by name. Gives the targets that are new.
    fn listen_keyed(&mut self, moved: Moved) -> Vec<Target> {
        let now = self.clock.now();
        let named: BTreeSet<Target> = self.listens.targets().into_iter().collect();
        let mut begun = Vec::new();
        for (target, on) in moved {
            let changes = if on { self.keyed.insert(target) } else { self.keyed.remove(&target) };
            if changes && !named.contains(&target) {
                self.handle(now, Input::Listen { target, on });
            }
            if changes && on {
                begun.push(target);
            }
        }
        begun
    }

    /// What the window has for targets that begin to mean something comes once more, as history.
    fn replay(&self, targets: Vec<Target>) {
        if let Some(window) = self.window.as_ref().filter(|_| !targets.is_empty()) {
            window.replay(targets);
        }
    }

    fn ask(&mut self, number: u32) -> Vec<PendingAnswer> {
        let (first, count) = run_of(number);
        let is_pascal = |(_, peer, ..): &(LinkId, &PeerInfo, _, _)| peer.kind == LinkKind::Pascal;
        let mut peers: Vec<_> = self
            .router
            .open_links()
            .filter(is_pascal)
            .map(|(link, peer, ..)| (link, peer.address.clone(), peer.agent.clone(), self.router.source(link)))
            .collect();
        // Those whom we chose go first: whoever comes by himself may come often.
        peers.sort_by_key(|(.., source)| source.is_none());
        peers.truncate(ASKED_MAX);
        let mut pending = Vec::with_capacity(peers.len());
        for (link, address, agent, source) in peers {
            let (question, answer) = self.asks.ask(link);
            self.push(link, Item::Control(Control::AskAccounts { question, first, count }));
            pending.push(PendingAnswer { peer: address.to_string(), agent, group: address.group(), source, answer });
        }
        pending
    }

    fn send_wallet(
        &mut self,
        now: Now,
        shown: &str,
        peer: std::net::SocketAddr,
        text: String,
    ) -> Result<(), WalletError> {
        let is_meant = |(_, info, ..): &(LinkId, &PeerInfo, _, _)| {
            info.kind == LinkKind::Pascal
                && info.address.port == peer.port()
                && info.address.host == nightjar_core::address::Host::Ip(peer.ip().to_canonical())
        };
        let Some((link, ..)) = self.router.open_links().find(is_meant) else {
            return Err(WalletError::NotConnected(peer));
        };
        if text.len() > WALLET_TEXT_BYTES_MAX {
            return Err(WalletError::TooLong { have: text.len(), limit: WALLET_TEXT_BYTES_MAX });
        }
        if !self.asks.may_text(link, now.mono) {
            return Err(WalletError::Busy);
        }
        let text = text.into_bytes();
        self.push(link, Item::Control(Control::Wallet { text: text.clone() }));
        let content = Content::Wallet { peer: shown.to_owned(), text };
        self.hits.push(NewMessage { received: now.wall, own: true, late: false, name: None, content, reading: None });
        Ok(())
    }

    fn handle(&mut self, now: Now, input: Input) {
        self.router.handle(now, input);
        self.do_outputs(now);
    }

    fn do_outputs(&mut self, now: Now) {
        while let Some(output) = self.router.poll() {
            match output {
                Output::Send { links, item } => {
                    if let Some(publishing) = &mut self.publishing
                        && let Item::Record { record, .. } = &item
                        && *record == publishing.record
                    {
                        publishing.peers += links.len();
                    }
                    self.filled = self.filled.with(links);
                    for slot in links.slots() {
                        self.outgoing_of(slot).push(item.clone());
                    }
                }
                Output::Deliver(record) => {
                    let name = self.listens.name_of(record.target());
                    let own = self.publishing.as_ref().is_some_and(|publishing| publishing.record == record);
                    let content = Content::Record(record);
                    self.hits.push(NewMessage { received: now.wall, own, late: false, name, content, reading: None });
                }
                Output::Keep(record) => {
                    let own = self.publishing.as_ref().is_some_and(|publishing| publishing.record == record);
                    self.kept.push(Kept { record, came: now.wall, late: false, own });
                }
                Output::Verify(checks) => {
                    let dropped = self.verify.check(checks);
                    if dropped > 0 {
                        tracing::debug!(dropped, "signatures are checked too slowly: records are dropped");
                    }
                }
                Output::Connect { link, address } => {
                    tracing::debug!(%link, peer = %address, "dialling");
                    let is_told = address.is_public() && !self.router.is_users(&address);
                    let outbox =
                        if is_told { self.links.dial_public(link, address) } else { self.links.dial(link, address) };
                    self.put_outbox(link, outbox);
                }
                Output::Disconnect { link, code, text } => {
                    tracing::debug!(%link, why = %code, "ending a link");
                    // What was to be sent before goes out first.
                    self.flush_link(link.slot());
                    if let Some((_, outbox)) = self.outbox(link.slot()).filter(|(id, _)| *id == link) {
                        outbox.end(code, &text);
                    }
                }
                Output::Addresses(known) => self.store.save_addresses(known),
                Output::Report(report) => say(&report),
            }
        }
    }

    /// Puts one item behind those for a link.
    fn push(&mut self, link: LinkId, item: Item) {
        self.outgoing_of(link.slot()).push(item);
        self.filled.insert(link);
    }

    /// Hands out what was gathered: to the links first, then to the writer.
    fn flush(&mut self) {
        while !self.filled.is_empty() {
            for slot in std::mem::take(&mut self.filled).slots() {
                self.flush_link(slot);
            }
        }
        if !self.hits.is_empty() {
            self.store.append(std::mem::take(&mut self.hits));
        }
        if !self.kept.is_empty()
            && let Some(window) = &self.window
        {
            // Behind the hits: what the window has, the log has.
            window.keep(std::mem::take(&mut self.kept));
        }
    }

    fn flush_link(&mut self, slot: usize) {
        let mut items = std::mem::take(self.outgoing_of(slot));
        let Some((link, outbox)) = self.outbox(slot) else { return };
        let (link, dropped) = (*link, outbox.push_all(&mut items));
        // The vector is empty now and keeps its room.
        *self.outgoing_of(slot) = items;
        if dropped > 0 {
            self.handle(self.clock.now(), Input::Congested { link, dropped });
        }
    }

    fn put_outbox(&mut self, link: LinkId, outbox: Outbox) {
        *self.outboxes.get_mut(link.slot()).expect("there is a place for each slot") = Some((link, outbox));
    }

    fn outbox(&self, slot: usize) -> Option<&(LinkId, Outbox)> {
        self.outboxes.get(slot).and_then(Option::as_ref)
    }

    fn outgoing_of(&mut self, slot: usize) -> &mut Vec<Item> {
        self.outgoing.get_mut(slot).expect("there is a place for each slot")
    }

    fn peer(&self, link: LinkId) -> Option<&PeerInfo> {
        self.router.open_links().find(|(id, ..)| *id == link).map(|(_, peer, ..)| peer)
    }

    fn look(&self, now: Now) -> Status {
        let connection = |(link, peer, counters, opened): (LinkId, &PeerInfo, _, Mono)| Connection {
            link: link.serial(),
            peer: peer.clone(),
            open_s: now.mono.since(opened) / 1000,
            counters,
        };
        Status {
            uptime_s: now.mono.since(self.began) / 1000,
            connections: self.router.open_links().map(connection).collect(),
            addresses_known: self.router.addresses_len(),
            listens: self.listens.len(),
            seq: *self.store.stored().borrow(),
            counters: self.router.counters(),
            banned: self.router.banned(),
            budgets: self.budgets,
            not_stored: self.store.not_stored(),
        }
    }

    /// Says BYE everywhere, hears the links out, writes down what is to be kept.
    async fn end(self, mut reports: mpsc::Receiver<LinkReport>) {
        let Self { router, links, outboxes, store, window, post, saving, seen_file, clock, .. } = self;
        for (_, outbox) in outboxes.iter().flatten() {
            outbox.end(ByeCode::Leaving, "this node is shutting down");
        }
        drop((links, outboxes));
        let last = async { while reports.recv().await.is_some() {} };
        if timeout(ms(STOP_MS_MAX), last).await.is_err() {
            tracing::debug!("some links did not end in time");
        }
        store.save_addresses(router.known_addresses());
        // It fails only if it panicked; then the file is as it was.
        if let Some(saving) = saving {
            saving.await.unwrap_or_default();
        }
        save_seen(&router, &seen_file, clock.now()).await.unwrap_or_default();
        if let Some(window) = window {
            window.close().await;
        }
        post.all_went();
        store.close().await;
    }
}

/// The next thing that comes out of the window, if there is one.
async fn found(findings: &mut Option<mpsc::Receiver<Finding>>) -> Option<Finding> {
    match findings {
        Some(findings) => findings.recv().await,
        None => pending().await,
    }
}

fn receipt(record: &Record, peers: usize) -> Receipt {
    let expiry = record.stamp().map(|stamp| stamp.expiry);
    Receipt { msg_id: record.msg_id(), target: record.target(), expiry, peers }
}

/// Writes down what was seen, beside the loop.
fn save_seen(router: &Router, path: &Path, now: Now) -> JoinHandle<()> {
    let (view, path) = (router.seen_view(), path.to_owned());
    tokio::task::spawn_blocking(move || match seen_file::save(&path, &view, now.wall) {
        Ok(ids) => tracing::debug!(ids, "what was seen is written down"),
        Err(error) => {
            let advice = private_file::advice(&error, "look after the disk");
            tracing::warn!(?path, %error, "what was seen cannot be written down: {advice}");
        }
    })
}

/// What an operator wants to know.
fn say(report: &Report) {
    match report {
        Report::ClockStepped { by_ms } => {
            tracing::warn!(by_ms, "the clock of this machine was set, or it slept: dates are looked at again");
        }
        Report::ClockDisagrees { ahead_s, peers } => tracing::warn!(
            ahead_s,
            peers,
            "the peers' clocks say something else than ours: set this machine's clock, or its messages may be refused"
        ),
        Report::Banned { address, until, reason } => {
            tracing::warn!(peer = %address, until, reason, "a peer is left alone for a while");
        }
        Report::Collision { link } => {
            tracing::warn!(%link, "two records under one id: their author made an MD5 collision; the first one counts");
        }
        Report::SeenOverflow { evicted } => tracing::warn!(
            evicted,
            "ids of records had to be forgotten before their time: raise seen_mib, or records may come twice"
        ),
        Report::NobodyToSendTo => tracing::debug!("a record waits for the first neighbour"),
    }
}
