//! A program that implements only PIP-0038's text over PascalCoin's protocol: it floods records as they are, compares
//! ids, and knows no probe, no trailer and no budget.
//!
//! Nobody can tell it from an unmodified daemon until it has sent its first record.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nightjar_core::chain::Network;
use nightjar_core::record::{MsgId, Record, Target};
use nightjar_pasc::key::{Curve, PrivateKey};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};

use super::frames::{AUTOSEND, Fields, Frame, REQUEST, RESPONSE, text};
use super::hello::Hello;
use crate::clock::Clock;

/// Frames that wait for a connection's socket; what does not fit is dropped.
const QUEUE_FRAMES_MAX: usize = 1024;
/// Deliveries that are kept for whoever reads the counters, and ids that are remembered.
const KEPT_MAX: usize = 100_000;
/// What one read takes.
const READ_BYTES: usize = 16 * 1024;

/// What a literal peer has seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LiteralCounters {
    /// Whole frames, of any kind.
    pub frames: u64,
    /// Records that came, known ones too.
    pub received: u64,
    /// Of them, those whose id was known.
    pub duplicates: u64,
    /// Records for targets that it listens to.
    pub deliveries: u64,
    /// Requests for operation 0x1038, which it does not know.
    pub probes: u64,
    /// Neighbours that have said HELLO.
    pub connected: usize,
}

/// The peer. It lives until it is dropped.
#[derive(Debug)]
pub struct LiteralPeer {
    shared: Arc<Shared>,
    address: SocketAddr,
    /// Dropped with it: its connections end.
    _alive: watch::Sender<()>,
    stop: watch::Receiver<()>,
}

#[derive(Debug)]
struct Shared {
    network: Network,
    key: PrivateKey,
    clock: Clock,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    counters: LiteralCounters,
    seen: BTreeSet<[u8; 16]>,
    targets: BTreeSet<[u8; 16]>,
    delivered: Vec<Record>,
    neighbours: BTreeMap<u64, Neighbour>,
    next_neighbour: u64,
}

#[derive(Debug)]
struct Neighbour {
    greeted: bool,
    out: mpsc::Sender<Vec<u8>>,
}

impl LiteralPeer {
    /// A peer that listens here; port 0 means any free port. Needs the runtime.
    pub async fn bind(address: SocketAddr, network: Network) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared { network, key: new_key(), clock: Clock::system(), state: Mutex::default() });
        let (alive, stop) = watch::channel(());
        tokio::spawn(accept(Arc::clone(&shared), listener, stop.clone()));
        Ok(Self { shared, address, _alive: alive, stop })
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Makes a neighbour of the node there.
    pub async fn dial(&self, to: SocketAddr) -> io::Result<()> {
        let stream = TcpStream::connect(to).await?;
        tokio::spawn(connection(Arc::clone(&self.shared), stream, true, self.stop.clone()));
        Ok(())
    }

    /// Delivers records for this target from now on.
    pub fn listen(&self, target: Target) {
        self.shared.state().targets.insert(target.0);
    }

    /// Floods a record under a random id. What is longer than a record can hold is cut.
    pub fn send(&self, target: Target, payload: &[u8]) -> Record {
        let mut id = [0; 16];
        new_rng().fill_bytes(&mut id);
        let payload = payload.get(..255).unwrap_or(payload);
        let record = Record::plain(MsgId(id), target, payload).expect("a payload of 255 bytes fits");
        self.send_record(&record);
        record
    }

    /// Floods a record as it is, even one that it has sent before.
    pub fn send_record(&self, record: &Record) {
        let mut state = self.shared.state();
        state.seen.insert(record.msg_id().0);
        state.flood(self.shared.network, None, record.bytes());
    }

    /// What came so far.
    pub fn counters(&self) -> LiteralCounters {
        let state = self.shared.state();
        let connected = state.neighbours.values().filter(|neighbour| neighbour.greeted).count();
        LiteralCounters { connected, ..state.counters.clone() }
    }

    /// The records that were delivered, in the order in which they came.
    pub fn delivered(&self) -> Vec<Record> {
        self.shared.state().delivered.clone()
    }
}

/// A key as a daemon draws one at its start.
pub(super) fn new_key() -> PrivateKey {
    PrivateKey::random(Curve::Secp256k1, &mut new_rng()).expect("secp256k1 is in every build")
}

pub(super) fn new_rng() -> ChaCha20Rng {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).expect("a system without random numbers cannot run a node");
    ChaCha20Rng::from_seed(seed)
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn hello(&self) -> Vec<u8> {
        Hello::write(self.clock.wall(), 0, &self.key.public_key(), &[], "literal/1")
    }
}

impl State {
    /// Hands records to every neighbour but the one they came from.
    fn flood(&self, network: Network, from: Option<u64>, records: &[u8]) {
        let frame = Frame::autosend(0x1038, 0, records.to_vec()).bytes(network);
        for (_, neighbour) in self.neighbours.iter().filter(|(number, _)| Some(**number) != from) {
            if neighbour.greeted {
                // A neighbour that does not read misses records.
                neighbour.out.try_send(frame.clone()).unwrap_or_default();
            }
        }
    }

    /// Takes the records of one frame; `None` if they are none.
    fn take_records(&mut self, network: Network, from: u64, mut data: &[u8]) -> Option<()> {
        let mut news = Vec::new();
        while !data.is_empty() {
            let (record, used) = Record::parse(data).ok()?;
            data = data.get(used..)?;
            self.counters.received += 1;
            if !self.seen.insert(record.msg_id().0) {
                self.counters.duplicates += 1;
                continue;
            }
            while self.seen.len() > KEPT_MAX {
                self.seen.pop_first();
            }
            news.extend(record.bytes());
            if self.targets.contains(&record.target().0) {
                self.counters.deliveries += 1;
                if self.delivered.len() < KEPT_MAX {
                    self.delivered.push(record);
                }
            }
        }
        if !news.is_empty() {
            self.flood(network, Some(from), &news);
        }
        Some(())
    }
}

async fn accept(shared: Arc<Shared>, listener: TcpListener, mut stop: watch::Receiver<()>) {
    loop {
        tokio::select! {
            accepted = listener.accept() => if let Ok((stream, _)) = accepted {
                tokio::spawn(connection(Arc::clone(&shared), stream, false, stop.clone()));
            },
            // Fails when the peer is dropped.
            _ = stop.changed() => return,
        }
    }
}

async fn connection(shared: Arc<Shared>, stream: TcpStream, outbound: bool, mut stop: watch::Receiver<()>) {
    // Only speed would be lost.
    stream.set_nodelay(true).unwrap_or_default();
    let (reader, writer) = stream.into_split();
    let (out, queue) = mpsc::channel(QUEUE_FRAMES_MAX);
    tokio::spawn(write(queue, writer));
    let number = {
        let mut state = shared.state();
        state.next_neighbour += 1;
        let number = state.next_neighbour;
        state.neighbours.insert(number, Neighbour { greeted: false, out: out.clone() });
        number
    };
    let mut link = Link { shared: Arc::clone(&shared), number, out };
    tokio::select! {
        () = link.run(reader, outbound) => {}
        // Fails when the peer is dropped.
        _ = stop.changed() => {}
    }
    shared.state().neighbours.remove(&number);
}

/// Writes each frame with one call, until nobody has any more.
async fn write(mut queue: mpsc::Receiver<Vec<u8>>, mut writer: OwnedWriteHalf) {
    while let Some(frame) = queue.recv().await {
        if writer.write_all(&frame).await.is_err() {
            return;
        }
    }
}

/// One connection.
struct Link {
    shared: Arc<Shared>,
    number: u64,
    out: mpsc::Sender<Vec<u8>>,
}

impl Link {
    async fn run(&mut self, mut reader: OwnedReadHalf, outbound: bool) {
        if outbound {
            self.send(&Frame::request(0x0001, 1, self.shared.hello()));
        }
        let mut buffer = Vec::new();
        let mut bytes = [0; READ_BYTES];
        while let Ok(count) = reader.read(&mut bytes).await
            && count > 0
        {
            buffer.extend(bytes.iter().take(count));
            loop {
                match Frame::take(self.shared.network, &mut buffer) {
                    Ok(Some(frame)) => {
                        if self.take(&frame).is_none() {
                            return;
                        }
                    }
                    Ok(None) => break,
                    Err(_) => return,
                }
            }
        }
    }

    /// `None` ends the connection.
    fn take(&mut self, frame: &Frame) -> Option<()> {
        let mut state = self.shared.state();
        state.counters.frames += 1;
        match (frame.transfer, frame.operation) {
            (REQUEST | RESPONSE, 0x0001) => {
                Hello::parse(&frame.data).ok()?;
                state.neighbours.get_mut(&self.number)?.greeted = true;
                drop(state);
                if frame.transfer == REQUEST {
                    self.send(&Frame::response(frame, 0, self.shared.hello()));
                }
            }
            (AUTOSEND, 0x1038) => state.take_records(self.shared.network, self.number, &frame.data)?,
            (REQUEST, 0x0030) => self.send(&Frame::response(frame, 0, vec![0; 4])),
            (REQUEST, 0x1000..=0x1fff) => {
                state.counters.probes += u64::from(frame.operation == 0x1038);
                self.send(&Frame::response(frame, 0x00ff, Vec::new()));
            }
            (REQUEST, _) => self.send(&Frame::response(frame, 0x21, text(b"Not available"))),
            (AUTOSEND, 0x0002) => {
                tracing::debug!(text = %String::from_utf8_lossy(Fields(&frame.data).text()?), "a neighbour hangs up");
                return None;
            }
            (_, _) => {}
        }
        Some(())
    }

    fn send(&self, frame: &Frame) {
        // A peer that does not read misses frames.
        self.out.try_send(frame.bytes(self.shared.network)).unwrap_or_default();
    }
}
