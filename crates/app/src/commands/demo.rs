//! `nightjar demo`: seven nodes on this machine, records through all of them, and a check of what arrived where.
//!
//! Five are Nightjar nodes, linked over TLS in a ring with two chords. The sixth implements PIP-0038's text and nothing
//! else, the seventh is a PascalCoin daemon that has never heard of it; both are linked over PascalCoin's protocol.

mod expect;
mod native;
mod show;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use nightjar_core::address::{Address, LinkKind};
use nightjar_core::chain::Network;
use nightjar_core::link::Carries;
use nightjar_core::name::target_of_text;
use nightjar_core::record::{MsgId, Record};
use nightjar_node::foreign::{DaemonOptions, LiteralPeer, UnmodifiedDaemon};
use tokio::time::sleep;

use self::expect::{Expectations, counted, missing_counts, missing_ids, missing_links, missing_messages};
use self::native::Native;
use crate::exit::Failure;
use crate::output::{self, Paint};
use crate::signals::Signals;

const HELP: &str = "\
The demonstration uses no network but this machine's own, and temporary directories that it removes. The table has,
for each node: its open links, the records that came on them and how many of these it had already, the messages of
others in its log, and the milliseconds from the sending of the chat line to its arrival.

Examples:
  nightjar demo
  nightjar demo --keep                      leaves the nodes running, and says how to talk to them";

/// Names of the channel and of the nick that are used.
const CHANNEL: &str = "#demo";
const NICK: &str = "nightraven";
/// The chat line, the data and what the literal peer says.
const CHAT: &str = "Good night from node 1";
const DATA: &[u8] = &[0x00, 0x01, 0xfe, 0xff, 0x50, 0x41, 0x53, 0x43];
const LITERAL_CHAT: &str = "Good night from a peer that knows only the PIP";
const POISON: &str = "This is not what node 1 said";
const LAST: &str = "That was all";
/// Records of the burst.
const BURST: usize = 20;
/// Which nodes each node dials when it starts: a ring of five, with the chords 1-3 and 2-4.
const DIALS: [&[usize]; 5] = [&[], &[0], &[1, 0], &[2, 1], &[3, 0]];
/// The node that the literal peer dials, and the one that dials the daemon.
const BESIDE_LITERAL: usize = 2;
const BESIDE_DAEMON: usize = 4;
/// Who sends the burst, who sends data to the nick, and who listens to it.
const BURSTS: usize = 4;
const SENDS_DATA: usize = 1;
const HEARS_NICK: usize = 3;

/// The literal peer keeps no times: somebody looks this often, and no longer than the message may take.
const ARRIVAL_LOOK_MS: u64 = 1;
const ARRIVAL_LOOKS_MAX: u32 = 30_000;

#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(super) struct Args {
    /// Leave the nodes running until Ctrl-C, and say how to talk to them
    #[arg(long)]
    keep: bool,

    /// Show the nodes' logs on stderr, as in `run`
    #[arg(long, value_name = "FILTER")]
    log: Option<String>,
}

/// The seven nodes.
struct Net {
    natives: Vec<Native>,
    literal: Arc<LiteralPeer>,
    daemon: UnmodifiedDaemon,
}

/// What was sent in the course of the demonstration.
struct Sent {
    /// When the chat line was sent, and its record.
    begun: Instant,
    chat: MsgId,
    /// When the literal peer had the chat line.
    literal_at: Arc<OnceLock<Instant>>,
    /// What the flood is to bring to everyone, whoever listens for it.
    flooded: BTreeSet<MsgId>,
    /// Which messages each node is to have in its log, once.
    wanted: Vec<BTreeSet<MsgId>>,
}

pub(super) async fn run(args: Args) -> Result<(), Failure> {
    if let Some(filter) = &args.log {
        super::run::start_log(filter)?;
    }
    let mut signals = Signals::new()?;
    let net = Net::start().await?;
    let result = tokio::select! {
        result = demonstrate(&net) => result,
        signal = signals.next() => Err(Failure::failed(format!("ended by {signal} before the demonstration was through"))),
    };
    if args.keep && result.is_ok() {
        output::print(&net.how_to_talk())?;
        signals.next().await;
    }
    net.stop().await;
    result
}

/// Sends, waits, checks and prints.
async fn demonstrate(net: &Net) -> Result<(), Failure> {
    let mut expectations = Expectations::default();
    net.expect_links(&mut expectations).await;
    net.listen().await?;
    let mut sent = net.send(&mut expectations).await?;
    net.expect_deliveries(&mut expectations, &mut sent).await?;
    net.expect_peace(&mut expectations, &sent).await;
    output::print(&net.table(&sent, Paint::stdout()))?;
    if expectations.all_held() {
        output::print(&format!("{} expectations held\ndemo: ok\n", expectations.held()))?;
        return Ok(());
    }
    let failed = expectations.failed();
    Err(Failure::failed(format!(
        "demo: {} of {} expectations failed: {}",
        failed.len(),
        failed.len() + expectations.held(),
        failed.join("; ")
    )))
}

impl Net {
    async fn start() -> Result<Self, Failure> {
        let own = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let foreign = |error| Failure::failed(format!("a foreign peer cannot be started: {error}"));
        let daemon = UnmodifiedDaemon::bind(own, DaemonOptions::default()).await.map_err(foreign)?;
        let literal = LiteralPeer::bind(own, Network::Main).await.map_err(foreign)?;
        literal.listen(target_of_text(CHANNEL));
        literal.listen(target_of_text(NICK));
        let mut natives: Vec<Native> = Vec::new();
        for (place, dials) in DIALS.iter().enumerate() {
            let mut connect: Vec<Address> =
                dials.iter().filter_map(|dialled| natives.get(*dialled)).map(|it| it.address(LinkKind::Tls)).collect();
            if place == BESIDE_DAEMON {
                connect.push(Address::new(LinkKind::Pascal, daemon.address().ip(), daemon.address().port()));
            }
            natives.push(Native::start(format!("node {}", place + 1), connect).await?);
        }
        let beside = natives.get(BESIDE_LITERAL).expect("there are five nodes");
        literal.dial(beside.running().ready().listen).await.map_err(foreign)?;
        progress("seven nodes are started");
        Ok(Self { natives, literal: Arc::new(literal), daemon })
    }

    async fn stop(self) {
        let Self { natives, literal, daemon } = self;
        drop((literal, daemon));
        for native in natives {
            native.stop().await;
        }
    }

    fn native(&self, place: usize) -> &Native {
        self.natives.get(place).expect("there are five nodes")
    }

    /// How many nodes each node is linked to, over TLS: those it dials, and those that dial it.
    fn neighbours(place: usize) -> usize {
        let dialled = DIALS.get(place).map_or(0, |dials| dials.len());
        dialled + DIALS.iter().filter(|dials| dials.contains(&place)).count()
    }

    async fn expect_links(&self, expectations: &mut Expectations) {
        for (place, native) in self.natives.iter().enumerate() {
            let wanted = Self::neighbours(place);
            let sentence = format!("{} is linked to {wanted} others over TLS", native.name);
            expectations
                .wait(&sentence, || async { missing_links(native, LinkKind::Tls, Carries::Records, wanted) })
                .await;
        }
        let beside = self.native(BESIDE_DAEMON);
        let sentence = format!("{} has found out that the daemon takes no records", beside.name);
        expectations.wait(&sentence, || async { missing_links(beside, LinkKind::Pascal, Carries::Nothing, 1) }).await;
    }

    async fn listen(&self) -> Result<(), Failure> {
        for native in &self.natives {
            native.listen(CHANNEL).await?;
        }
        self.native(HEARS_NICK).listen(NICK).await
    }

    async fn send(&self, expectations: &mut Expectations) -> Result<Sent, Failure> {
        // The literal peer speaks first: by that its node learns that it takes records.
        expectations
            .wait("the literal peer is linked to node 3", || async {
                missing_counts("links", self.literal.counters().connected as u64, 1)
            })
            .await;
        let spoken = self.literal.send(target_of_text(CHANNEL), LITERAL_CHAT.as_bytes()).msg_id();
        let beside = self.native(BESIDE_LITERAL);
        let sentence = format!("{} has found out that the literal peer takes records", beside.name);
        expectations.wait(&sentence, || async { missing_links(beside, LinkKind::Pascal, Carries::Records, 1) }).await;

        let begun = Instant::now();
        let chat = self.native(0).send(CHANNEL, CHAT.as_bytes()).await?.msg_id;
        let mut sent = Sent {
            begun,
            chat,
            literal_at: Arc::default(),
            flooded: BTreeSet::from([chat]),
            wanted: vec![BTreeSet::new(); self.natives.len()],
        };
        tokio::spawn(note_arrival(Arc::clone(&self.literal), chat, Arc::clone(&sent.literal_at)));
        sent.want(None, spoken);
        sent.want(Some(0), chat);
        for number in 1..=BURST {
            let text = format!("{number} of {BURST}");
            let msg_id = self.native(BURSTS).send(CHANNEL, text.as_bytes()).await?.msg_id;
            sent.want(Some(BURSTS), msg_id);
            sent.flooded.insert(msg_id);
        }
        let data = self.native(SENDS_DATA).send(NICK, DATA).await?.msg_id;
        sent.wanted.get_mut(HEARS_NICK).expect("there are five nodes").insert(data);
        sent.flooded.insert(data);
        Ok(sent)
    }

    async fn expect_deliveries(&self, expectations: &mut Expectations, sent: &mut Sent) -> Result<(), Failure> {
        for (native, wanted) in self.natives.iter().zip(&sent.wanted) {
            let sentence = format!("{} has its {} messages", native.name, wanted.len());
            expectations.wait(&sentence, || async { missing_messages(native, wanted) }).await;
        }
        let flooded = &sent.flooded;
        let sentence = format!("the literal peer has the {} records that the others sent, each once", flooded.len());
        expectations.wait(&sentence, || async { missing_ids(flooded, &self.literal_counted()) }).await;

        let beside = self.native(BESIDE_LITERAL);
        let Some(chat) = self.literal.delivered().into_iter().find(|record| record.msg_id() == sent.chat) else {
            // Said already: without it nothing can be copied.
            return Ok(());
        };
        self.literal.send_record(&chat);
        let poisoned = Record::plain(chat.msg_id(), chat.target(), POISON.as_bytes()).map_err(Failure::failed)?;
        self.literal.send_record(&poisoned);
        let sentence = format!("{} has dropped the literal peer's copy of the chat line as known", beside.name);
        expectations
            .wait(&sentence, || async {
                let status = beside.status();
                let links = status.connections.iter().filter(|link| link.peer.kind == LinkKind::Pascal);
                missing_counts("repeats on its link", links.map(|link| link.counters.repeats).sum(), 1)
            })
            .await;
        let sentence = format!("{} has dropped the poisoned copy as forged", beside.name);
        expectations.wait(&sentence, || async { missing_counts("forged", beside.status().counters.forged, 1) }).await;

        // What any node should have passed on, it has passed on before this.
        let last = beside.send(CHANNEL, LAST.as_bytes()).await?.msg_id;
        sent.want(Some(BESIDE_LITERAL), last);
        for (native, wanted) in self.natives.iter().zip(&sent.wanted) {
            let sentence = format!("{} has its {} messages, each once, and nothing else", native.name, wanted.len());
            expectations.wait(&sentence, || async { missing_messages(native, wanted) }).await;
        }
        Ok(())
    }

    /// What must not have happened, looked at when all else has.
    async fn expect_peace(&self, expectations: &mut Expectations, sent: &Sent) {
        // What the literal peer said, and the last line, came beside the others. The status is told a moment later than
        // the messages: when it has these, it has what came before them as well.
        let records = u64::try_from(sent.flooded.len() + 2).unwrap_or(u64::MAX);
        for native in &self.natives {
            let sentence = format!("{} has taken in each of the {records} records once, or sent it", native.name);
            expectations
                .wait(&sentence, || async {
                    let counters = native.status().counters;
                    missing_counts("records", counters.accepted + counters.published, records)
                })
                .await;
        }
        let poison = "the poisoned copy went no further than the node it was sent to";
        expectations
            .check(poison, || async {
                let places = 0..self.natives.len();
                let others = places.filter(|place| *place != BESIDE_LITERAL).map(|place| self.native(place));
                others.filter_map(|native| missing_counts("forged", native.status().counters.forged, 0)).next()
            })
            .await;
        let beside = self.native(BESIDE_DAEMON);
        expectations
            .check("the daemon got no record, is still linked and has banned nobody", || async {
                let daemon = self.daemon.counters();
                let linked = missing_links(beside, LinkKind::Pascal, Carries::Nothing, 1);
                let records = (daemon.records > 0).then(|| format!("it got {} records", daemon.records));
                let ban = daemon.bans.first().map(|why| format!("it has banned us: {why}"));
                let closed = (daemon.closed > 0).then(|| format!("{} connections to it are closed", daemon.closed));
                records.or(ban).or(closed).or(linked)
            })
            .await;
        expectations
            .check("no node has a peer that it leaves alone", || async {
                let banned = self.natives.iter().filter(|native| !native.status().banned.is_empty());
                banned.map(|native| format!("{} has", native.name)).next()
            })
            .await;
    }

    fn literal_counted(&self) -> BTreeMap<MsgId, usize> {
        counted(self.literal.delivered().iter().map(Record::msg_id))
    }
}

impl Sent {
    /// All who listen to the channel are to have it, but who sent it.
    fn want(&mut self, from: Option<usize>, msg_id: MsgId) {
        for (place, ids) in self.wanted.iter_mut().enumerate() {
            if Some(place) != from {
                ids.insert(msg_id);
            }
        }
    }
}

/// Notes when the literal peer has the message.
async fn note_arrival(literal: Arc<LiteralPeer>, msg_id: MsgId, at: Arc<OnceLock<Instant>>) {
    for _ in 0..ARRIVAL_LOOKS_MAX {
        if literal.delivered().iter().any(|record| record.msg_id() == msg_id) {
            at.get_or_init(Instant::now);
            return;
        }
        sleep(Duration::from_millis(ARRIVAL_LOOK_MS)).await;
    }
}

/// Says on stderr how far it is.
fn progress(line: &str) {
    output::note(line);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ring_has_five_nodes_and_two_chords() {
        let neighbours: Vec<usize> = (0..DIALS.len()).map(Net::neighbours).collect();
        assert_eq!(neighbours, [3, 3, 3, 3, 2]);
    }
}
