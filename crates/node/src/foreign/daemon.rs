//! A peer that behaves as an unmodified PascalCoin daemon: it knows nothing of PIP-0038, reads strictly, and remembers
//! everything for which it would ban.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use nightjar_core::chain::Network;
use nightjar_pasc::ecies;
use nightjar_pasc::key::{PrivateKey, PublicKey};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::accounts;
use super::frames::{AUTOSEND, Fields, Frame, HEADER_BYTES, Invalid, REQUEST, RESPONSE, text};
use super::hello::Hello;
use super::limits::Counts;
use super::literal::{new_key, new_rng};
use crate::clock::Clock;

/// A daemon reads so many bytes at a time.
const READ_BYTES: usize = 4096;
/// Frames that wait for a connection's socket; what does not fit is dropped.
const QUEUE_FRAMES_MAX: usize = 1024;
/// HELLOs it leaves unanswered before it is let go.
const UNANSWERED_MAX: u32 = 3;
/// Its clock may be this far from ours; beyond, it is asked again.
const CLOCK_S_MAX: u32 = 15;
/// How long a blacklisted address is kept before the socket is closed.
const BLACKLISTED_CLOSE: Duration = Duration::from_secs(5);
/// Texts and reasons that are kept for whoever reads the counters.
const KEPT_MAX: usize = 1000;

/// How the daemon behaves where tests cannot wait for the real thing.
#[derive(Clone, Debug)]
pub struct DaemonOptions {
    /// Whose magic it speaks.
    pub network: Network,
    /// From the last HELLO, in either direction, to the one it sends: 100 to 249 s in a real one.
    pub keep_alive: Duration,
    /// For the rest of a header, once its beginning is there.
    pub header_patience: Duration,
    /// For the first byte of a connection, and for the next one of a frame whose header is there.
    pub silence: Duration,
    /// Whether an address that broke a rule is refused from then on. A real one never does this to a loopback address.
    pub blacklists: bool,
    /// Whether it tells another owner of every account.
    pub lies: bool,
    /// Other nodes that it tells about.
    pub servers: Vec<(String, u16)>,
}

impl Default for DaemonOptions {
    fn default() -> Self {
        Self {
            network: Network::Main,
            keep_alive: Duration::from_secs(100),
            header_patience: Duration::from_millis(5),
            silence: Duration::from_secs(60),
            blacklists: false,
            lies: false,
            servers: Vec::new(),
        }
    }
}

/// What a daemon has seen of its peers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DaemonCounters {
    /// Whole frames, of any kind.
    pub frames: u64,
    /// Frames of operation 0x1038 that are no request: none of them should come.
    pub records: u64,
    /// HELLO requests.
    pub hellos: u64,
    /// Answers to its own HELLO requests.
    pub hello_answers: u64,
    /// Answers to GET_PENDING_OPERATIONS that were as they should be.
    pub pending_answers: u64,
    /// Requests for operation 0x1038.
    pub probes: u64,
    /// Questions about accounts.
    pub account_questions: u64,
    /// Reads that held more than one frame, or the beginning of a second: on a slow line such are broken headers.
    pub crowded_reads: u64,
    /// Connections that were closed, for whatever reason.
    pub closed: u64,
    /// Connections that are open.
    pub connected: usize,
    /// Texts for its user.
    pub messages: Vec<Vec<u8>>,
    /// Why it would have banned its peers.
    pub bans: Vec<String>,
}

/// The daemon. It lives until it is dropped.
#[derive(Debug)]
pub struct UnmodifiedDaemon {
    shared: Arc<Shared>,
    address: SocketAddr,
    /// Dropped with it: its connections end.
    _alive: watch::Sender<()>,
    stop: watch::Receiver<()>,
}

#[derive(Debug)]
struct Shared {
    options: DaemonOptions,
    key: PrivateKey,
    clock: Clock,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    counters: DaemonCounters,
    counts: Counts,
    peers: BTreeMap<u64, Peer>,
    blacklist: BTreeMap<IpAddr, String>,
    next_peer: u64,
}

#[derive(Debug)]
struct Peer {
    /// Known since its HELLO.
    key: Option<PublicKey>,
    out: mpsc::Sender<Vec<u8>>,
}

/// How a connection ends.
#[derive(Debug)]
enum End {
    /// Nobody is to blame.
    Closed,
    /// A real daemon would leave the address alone for an hour.
    Banned(String),
}

impl From<Invalid> for End {
    fn from(why: Invalid) -> Self {
        Self::Banned(why.0.to_owned())
    }
}

impl UnmodifiedDaemon {
    /// A daemon that listens here; port 0 means any free port. Needs the runtime.
    pub async fn bind(address: SocketAddr, options: DaemonOptions) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let state = Mutex::default();
        let shared = Arc::new(Shared { options, key: new_key(), clock: Clock::system(), state });
        let (alive, stop) = watch::channel(());
        tokio::spawn(accept(Arc::clone(&shared), listener, stop.clone()));
        Ok(Self { shared, address, _alive: alive, stop })
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Connects to a node, as a daemon does that was told of it.
    pub async fn dial(&self, to: SocketAddr) -> io::Result<()> {
        let stream = TcpStream::connect(to).await?;
        tokio::spawn(connection(Arc::clone(&self.shared), stream, to.ip(), true, self.stop.clone()));
        Ok(())
    }

    /// What came so far.
    pub fn counters(&self) -> DaemonCounters {
        let state = self.shared.state();
        DaemonCounters { connected: state.peers.len(), ..state.counters.clone() }
    }

    /// Sends a text to the users of all peers whose HELLO has come; to how many.
    pub fn send_message(&self, plaintext: &[u8]) -> usize {
        let state = self.shared.state();
        let sealed = state.peers.values().filter_map(|peer| {
            let envelope = ecies::seal(peer.key.as_ref()?, plaintext, &mut new_rng()).ok()?;
            let frame = Frame::autosend(0x0003, 0, text(&envelope));
            peer.out.try_send(frame.bytes(self.shared.options.network)).ok()
        });
        sealed.count()
    }

    /// Says to all peers why it hangs up, as a real one does to those that it left alone.
    pub fn send_error(&self, error: u16, why: &str) {
        let frame = Frame::autosend(0x0002, error, text(why.as_bytes())).bytes(self.shared.options.network);
        for peer in self.shared.state().peers.values() {
            // A peer that is gone need not be told.
            peer.out.try_send(frame.clone()).unwrap_or_default();
        }
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn hello(&self) -> Vec<u8> {
        Hello::write(self.clock.wall(), 4004, &self.key.public_key(), &self.options.servers, "5.8amLf64b")
    }
}

async fn accept(shared: Arc<Shared>, listener: TcpListener, mut stop: watch::Receiver<()>) {
    loop {
        tokio::select! {
            accepted = listener.accept() => if let Ok((stream, peer)) = accepted {
                tokio::spawn(connection(Arc::clone(&shared), stream, peer.ip(), false, stop.clone()));
            },
            // Fails when the daemon is dropped.
            _ = stop.changed() => return,
        }
    }
}

async fn connection(shared: Arc<Shared>, stream: TcpStream, ip: IpAddr, outbound: bool, mut stop: watch::Receiver<()>) {
    // Only speed would be lost.
    stream.set_nodelay(true).unwrap_or_default();
    let (reader, writer) = stream.into_split();
    let (out, queue) = mpsc::channel(QUEUE_FRAMES_MAX);
    tokio::spawn(write(queue, writer));
    let number = {
        let mut state = shared.state();
        state.next_peer += 1;
        let number = state.next_peer;
        state.peers.insert(number, Peer { key: None, out: out.clone() });
        number
    };
    let mut link = Link {
        shared: Arc::clone(&shared),
        number,
        ip,
        out,
        next_id: 1,
        heard_any: false,
        asked_pending: false,
        pending_id: None,
        last_hello: None,
        unanswered: 0,
        clock_asked: false,
        buffer: Vec::new(),
    };
    let end = tokio::select! {
        end = link.run(reader, outbound) => end,
        // Fails when the daemon is dropped.
        _ = stop.changed() => End::Closed,
    };
    let mut state = shared.state();
    state.peers.remove(&number);
    state.counters.closed += 1;
    if let End::Banned(why) = end {
        if state.counters.bans.len() < KEPT_MAX {
            state.counters.bans.push(why.clone());
        }
        if shared.options.blacklists {
            state.blacklist.insert(ip, why);
        }
    }
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
    ip: IpAddr,
    out: mpsc::Sender<Vec<u8>>,
    next_id: u32,
    heard_any: bool,
    asked_pending: bool,
    pending_id: Option<u32>,
    last_hello: Option<Instant>,
    unanswered: u32,
    clock_asked: bool,
    buffer: Vec<u8>,
}

impl Link {
    async fn run(&mut self, mut reader: OwnedReadHalf, outbound: bool) -> End {
        let blacklisted = self.shared.state().blacklist.get(&self.ip).cloned();
        if let Some(why) = blacklisted {
            let why = format!("Your IP is blacklisted:{} {why}", self.ip);
            self.send(&Frame::autosend(0x0002, 2, text(why.as_bytes())));
            sleep(BLACKLISTED_CLOSE).await;
            return End::Closed;
        }
        if outbound {
            self.ask_hello();
        }
        loop {
            if let Err(end) = self.turn(&mut reader).await {
                return end;
            }
        }
    }

    /// One read, or one HELLO that is due.
    async fn turn(&mut self, reader: &mut OwnedReadHalf) -> Result<(), End> {
        let hello_at = self.last_hello.map(|last| last + self.shared.options.keep_alive);
        let patience = self.patience();
        let read = tokio::select! {
            read = read(reader, &mut self.buffer, patience) => read,
            () = until(hello_at) => {
                if self.unanswered >= UNANSWERED_MAX {
                    return Err(End::Closed);
                }
                self.ask_hello();
                return Ok(());
            }
        };
        match read {
            Read::Some => self.take_frames(),
            Read::TooLate if (1..HEADER_BYTES).contains(&self.buffer.len()) => {
                Err(Invalid("Invalid data received in buffer").into())
            }
            Read::TooLate | Read::End => Err(End::Closed),
        }
    }

    /// How long it waits for the next byte.
    fn patience(&self) -> Option<Duration> {
        let options = &self.shared.options;
        match self.buffer.len() {
            0 => (!self.heard_any).then_some(options.silence),
            1..HEADER_BYTES => Some(options.header_patience),
            _ => Some(options.silence),
        }
    }

    fn take_frames(&mut self) -> Result<(), End> {
        let mut came = 0u64;
        while let Some(frame) = Frame::take(self.shared.options.network, &mut self.buffer)? {
            came += 1;
            self.shared.state().counters.frames += 1;
            let first = !std::mem::replace(&mut self.heard_any, true);
            self.take(&frame)?;
            if first && frame.operation != 0x0001 {
                self.ask_hello();
            }
        }
        if came > 1 || (came == 1 && !self.buffer.is_empty()) {
            self.shared.state().counters.crowded_reads += 1;
        }
        Ok(())
    }

    fn take(&mut self, frame: &Frame) -> Result<(), End> {
        if frame.transfer != RESPONSE {
            let now = Instant::now();
            let counted = (frame.transfer, frame.operation, frame.data.len());
            let over = self.shared.state().counts.count(now, self.ip, counted.0, counted.1, counted.2);
            if over {
                return Err(End::Banned(format!("Reached limit {:04X}", frame.operation)));
            }
        }
        match (frame.transfer, frame.operation) {
            (REQUEST | RESPONSE, 0x0001) => self.take_hello(frame),
            (_, 0x0001) => Err(End::Banned("Invalid header type".to_owned())),
            (AUTOSEND, 0x0003) => self.take_message(&frame.data),
            (_, 0x0003) => Err(End::Banned("Not autosend".to_owned())),
            (RESPONSE, 0x0030) => self.take_pending(frame),
            (REQUEST, 0x0030) => {
                self.send(&Frame::response(frame, 0, vec![0; 4]));
                Ok(())
            }
            (REQUEST, 0x0031) => self.take_account_question(frame),
            (REQUEST, 0x0005 | 0x0010 | 0x0013 | 0x0021 | 0x0032) => {
                // It has no blocks.
                self.send(&Frame::response(frame, 0x21, text(b"Not available")));
                Ok(())
            }
            (_, 0x0005 | 0x0010 | 0x0011 | 0x0012 | 0x0013 | 0x0020 | 0x0021 | 0x0030 | 0x0031 | 0x0032) => Ok(()),
            (_, 0x1000..=0x1fff) => {
                self.take_reserved(frame);
                Ok(())
            }
            (_, operation) => Err(End::Banned(format!("Invalid operation: {operation:04X}"))),
        }
    }

    fn take_hello(&mut self, frame: &Frame) -> Result<(), End> {
        let banned = |why: &str| End::Banned(why.to_owned());
        if frame.error != 0 {
            return Ok(());
        }
        let hello = Hello::parse(&frame.data).map_err(banned)?;
        if hello.block > 0 || hello.work > 0 {
            // It has no blocks itself: any claim starts a download that nobody can serve.
            return Err(banned("Possible scammer!"));
        }
        if hello.key == self.shared.key.public_key() {
            return Err(End::Closed);
        }
        let duplicate = {
            let mut state = self.shared.state();
            let others = state.peers.iter().filter(|(number, _)| **number != self.number);
            let duplicate = others.into_iter().any(|(_, peer)| peer.key.as_ref() == Some(&hello.key));
            if let Some(peer) = state.peers.get_mut(&self.number) {
                peer.key = Some(hello.key.clone());
            }
            if frame.transfer == REQUEST {
                state.counters.hellos += 1;
            } else {
                state.counters.hello_answers += 1;
            }
            duplicate
        };
        if duplicate {
            return Err(End::Closed);
        }
        self.last_hello = Some(Instant::now());
        if frame.transfer == REQUEST {
            let hello = self.shared.hello();
            self.send(&Frame::response(frame, 0, hello));
        } else {
            self.unanswered = 0;
            if !std::mem::replace(&mut self.asked_pending, true) {
                self.pending_id = Some(self.ask(0x0030, vec![1]));
            }
        }
        let clock_off = hello.wall_s.abs_diff(self.shared.clock.wall().unix_s()) > CLOCK_S_MAX;
        if clock_off && !std::mem::replace(&mut self.clock_asked, true) {
            self.ask_hello();
        }
        Ok(())
    }

    fn take_pending(&mut self, frame: &Frame) -> Result<(), End> {
        if self.pending_id.take_if(|id| *id == frame.id).is_none() {
            return Ok(());
        }
        if frame.error != 0 || Fields(&frame.data).u32() != Some(0) {
            return Err(End::Banned("Invalid data returned on GetPendingOperations".to_owned()));
        }
        self.shared.state().counters.pending_answers += 1;
        Ok(())
    }

    fn take_message(&self, data: &[u8]) -> Result<(), End> {
        let envelope = Fields(data).text();
        let opened = envelope.and_then(|envelope| ecies::open(&self.shared.key, envelope).ok());
        let plaintext = opened.ok_or_else(|| End::Banned("Error on decrypting message".to_owned()))?;
        let mut state = self.shared.state();
        if state.counters.messages.len() < KEPT_MAX {
            state.counters.messages.push(plaintext);
        }
        Ok(())
    }

    fn take_account_question(&mut self, frame: &Frame) -> Result<(), End> {
        self.shared.state().counters.account_questions += 1;
        let answer =
            accounts::answer(&frame.data, self.shared.options.lies).map_err(|why| End::Banned(why.to_owned()))?;
        self.send(&Frame::response(frame, 0, answer));
        Ok(())
    }

    fn take_reserved(&mut self, frame: &Frame) {
        let records = frame.operation == 0x1038;
        if frame.transfer == REQUEST {
            self.shared.state().counters.probes += u64::from(records);
            self.send(&Frame::response(frame, 0x00ff, Vec::new()));
        } else {
            self.shared.state().counters.records += u64::from(records);
        }
    }

    fn ask_hello(&mut self) {
        self.unanswered += 1;
        self.last_hello = Some(Instant::now());
        let hello = self.shared.hello();
        self.ask(0x0001, hello);
    }

    fn ask(&mut self, operation: u16, data: Vec<u8>) -> u32 {
        let id = self.next_id;
        self.next_id += 1;
        self.send(&Frame::request(operation, id, data));
        id
    }

    fn send(&self, frame: &Frame) {
        // A peer that does not read misses frames, as it would with a real daemon.
        self.out.try_send(frame.bytes(self.shared.options.network)).unwrap_or_default();
    }
}

enum Read {
    Some,
    TooLate,
    End,
}

async fn read(reader: &mut OwnedReadHalf, buffer: &mut Vec<u8>, patience: Option<Duration>) -> Read {
    let mut bytes = [0; READ_BYTES];
    let read = match patience {
        Some(patience) => match timeout(patience, reader.read(&mut bytes)).await {
            Ok(read) => read,
            Err(_) => return Read::TooLate,
        },
        None => reader.read(&mut bytes).await,
    };
    match read {
        Ok(count) if count > 0 => {
            buffer.extend(bytes.iter().take(count));
            Read::Some
        }
        Ok(_) | Err(_) => Read::End,
    }
}

async fn until(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}
