//! The task of one connection. It reads while it writes: one select over the socket both ways, the outbox, the
//! session's deadline and room at the engine, so that it cannot stand still while the other end does the same.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::pending;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use nightjar_core::fault::Fault;
use nightjar_core::item::{ByeCode, Control, Item};
use nightjar_core::link::{LinkId, PeerInfo};
use nightjar_core::router::Closed;
use nightjar_core::time::Mono;
use nightjar_wire::session::{Session, SessionEvent};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, Interest, Ready};
use tokio::net::TcpStream;
use tokio::sync::mpsc::OwnedPermit;
use tokio::sync::mpsc::error::{SendError, TrySendError};
use tokio::sync::{oneshot, watch};
use tokio::time::{sleep, timeout};

use super::half_open::{HalfOpenPlace, Outcome};
use super::outbox::{Ending, Outbox, Queue};
use super::{Admission, LinkReport, Shared};

/// What one read takes at the most; then it is the turn of writing, and of other links.
const READ_BYTES: usize = 64 * 1024;
/// A session that holds this much gets no more items. It is written in one go, so it is also about what a peer that does
/// not read costs; with more, nothing gets faster.
const PENDING_BYTES_MAX: usize = 32 * 1024;
/// Items that are taken out of the outbox at a time: by so many the bytes above may be overrun.
const TAKE_ITEMS: usize = 64;
/// A buffer above this is given back when it is empty: an idle link is to be small.
const KEPT_BYTES_MAX: usize = 1024;

thread_local! {
    /// What one read brings is taken before the next: the links of a thread share a buffer, and an idle one has none.
    static READ_BUFFER: RefCell<Vec<u8>> = RefCell::new(Vec::with_capacity(READ_BYTES));
}

/// How a connection began.
pub(super) enum Place {
    /// We dialled it, and it has its number.
    Dialled { link: LinkId, stop: watch::Receiver<()> },
    /// It came to us.
    Accepted { outbox: Outbox, place: HalfOpenPlace, stop: watch::Receiver<()> },
}

pub(super) async fn run(shared: Arc<Shared>, stream: TcpStream, session: Box<dyn Session>, queue: Queue, place: Place) {
    let written_at = shared.options.clock.now().mono;
    let mut task = Task {
        shared,
        stream,
        session,
        queue,
        stage: Stage::Handshake(place),
        out: Vec::new(),
        written: 0,
        written_at,
        waiting: VecDeque::new(),
        bye: None,
    };
    let end = task.drive().await;
    task.finish(end).await;
}

struct Task {
    shared: Arc<Shared>,
    stream: TcpStream,
    session: Box<dyn Session>,
    queue: Queue,
    stage: Stage,
    /// Bytes for the socket, and how many of them it took.
    out: Vec<u8>,
    written: usize,
    /// When the socket last took some, or began to owe.
    written_at: Mono,
    /// Reports for which the engine had no room: nothing more is read meanwhile.
    waiting: VecDeque<LinkReport>,
    /// What the peer said last.
    bye: Option<(ByeCode, String)>,
}

enum Stage {
    Handshake(Place),
    /// The engine was asked whether this connection becomes a link.
    Asking {
        reply: oneshot::Receiver<Admission>,
        place: HalfOpenPlace,
    },
    Open(LinkId),
    /// It was not admitted, and goes as soon as it was told.
    Refused(HalfOpenPlace),
    /// It was given up before it was a link.
    GivenUp,
}

enum Event {
    Socket(io::Result<Ready>),
    Queue,
    Timer,
    Room(Result<OwnedPermit<LinkReport>, SendError<()>>),
    Admission(Option<Admission>),
    /// It is not yet a link and is not wanted any more.
    Unwanted,
}

/// How it ends.
enum End {
    /// There is a last word to be said, or heard: by the session, and by the outbox if we end it.
    Farewell(Closed),
    /// There is not.
    AtOnce(Closed),
}

type Room = Pin<Box<dyn Future<Output = Result<OwnedPermit<LinkReport>, SendError<()>>> + Send>>;

impl Task {
    async fn drive(&mut self) -> End {
        let mut timer = pin!(sleep(Duration::ZERO));
        let mut armed: Option<Mono> = None;
        let mut room: Option<Room> = None;
        loop {
            if self.queue.is_ended() {
                match self.stage {
                    Stage::Open(_) => return End::Farewell(Closed::ByUs),
                    Stage::Handshake(_) => return End::AtOnce(Closed::ByUs),
                    // The engine's answer says why.
                    Stage::Asking { .. } | Stage::Refused(_) | Stage::GivenUp => {}
                }
            }
            if let Err(end) = self.write() {
                return end;
            }
            if room.is_none() {
                match self.report() {
                    Ok(true) => {}
                    Ok(false) => room = Some(Box::pin(self.shared.reports.clone().reserve_owned())),
                    Err(end) => return end,
                }
            }
            let due = self.due();
            if let Some(due) = due
                && armed.is_none_or(|armed| due < armed)
            {
                timer.as_mut().reset(self.shared.options.clock.instant(due));
                armed = Some(due);
            }
            let interest = self.interest();
            let event = tokio::select! {
                ready = ready(&self.stream, interest) => Event::Socket(ready),
                () = self.queue.changed() => Event::Queue,
                () = timer.as_mut(), if armed.is_some() => Event::Timer,
                permit = granted(room.as_mut()) => Event::Room(permit),
                event = self.stage.changed() => event,
            };
            let result = match event {
                Event::Socket(Ok(ready)) => self.read(ready),
                Event::Socket(Err(error)) => Err(End::AtOnce(Closed::Broken(error.to_string()))),
                Event::Queue => Ok(()),
                Event::Timer => {
                    armed = None;
                    self.tick()
                }
                Event::Room(permit) => {
                    room = None;
                    self.report_with(permit)
                }
                Event::Admission(admission) => self.admitted(admission),
                Event::Unwanted => {
                    self.give_up();
                    Err(End::AtOnce(Closed::ByUs))
                }
            };
            if let Err(end) = result {
                return end;
            }
        }
    }

    /// Hands the socket what it takes without waiting: one buffer at a time, so that reading has its turn.
    fn write(&mut self) -> Result<(), End> {
        if self.out.is_empty() {
            self.fill();
        }
        if self.out.is_empty() {
            return Ok(());
        }
        let rest = self.out.get(self.written..).expect("no more was written than there is");
        match self.stream.try_write(rest) {
            Ok(0) => return Err(End::AtOnce(Closed::Broken("the socket takes no more bytes".to_owned()))),
            Ok(count) => {
                self.written += count;
                self.written_at = self.shared.options.clock.now().mono;
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(End::AtOnce(broken(&error))),
        }
        if self.written == self.out.len() {
            self.written = 0;
            empty(&mut self.out);
            // If there is more, the select waits for the socket and not for the outbox.
            self.fill();
        }
        Ok(())
    }

    fn fill(&mut self) {
        let now = self.shared.options.clock.now();
        if matches!(self.stage, Stage::Open(_)) {
            while self.session.pending_bytes() < PENDING_BYTES_MAX {
                let (items, _) = self.queue.take(TAKE_ITEMS);
                if !items.is_empty() {
                    items.iter().for_each(|item| self.session.send(now, item));
                } else if let Some(item) = self.queue.take_aside() {
                    self.session.send(now, &item);
                } else {
                    break;
                }
            }
        }
        self.session.transmit(now, &mut self.out);
        self.written_at = now.mono;
    }

    fn read(&mut self, ready: Ready) -> Result<(), End> {
        if !self.wants_to_read() || !(ready.is_readable() || ready.is_read_closed()) {
            return Ok(());
        }
        READ_BUFFER.with_borrow_mut(|bytes| {
            bytes.clear();
            match self.stream.try_read_buf(bytes) {
                Ok(0) => Err(End::AtOnce(self.closed_by_peer())),
                Ok(_) => {
                    let result = self.session.receive(self.shared.options.clock.now(), bytes);
                    self.heard(result)
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
                Err(error) => Err(End::AtOnce(broken(&error))),
            }
        })
    }

    fn tick(&mut self) -> Result<(), End> {
        let now = self.shared.options.clock.now();
        if self.stalled_at().is_some_and(|due| due <= now.mono) {
            self.report_later(|link| LinkReport::Fault { link, fault: Fault::TimedOut });
            return Err(End::AtOnce(Closed::Fault(Fault::TimedOut)));
        }
        if self.session.deadline().is_some_and(|due| due <= now.mono) {
            let result = self.session.tick(now);
            return self.heard(result);
        }
        Ok(())
    }

    /// Turns what the session has to say into reports.
    fn heard(&mut self, result: Result<(), Fault>) -> Result<(), End> {
        self.poll()?;
        result.map_err(|fault| {
            if !matches!(self.stage, Stage::Open(_)) {
                tracing::debug!(%fault, "a connection failed before it was a link");
            }
            self.report_later(|link| LinkReport::Fault { link, fault });
            End::Farewell(Closed::Fault(fault))
        })
    }

    fn poll(&mut self) -> Result<(), End> {
        // While the engine is asked, what comes behind waits in the session.
        while !matches!(self.stage, Stage::Asking { .. })
            && let Some(event) = self.session.poll()
        {
            match event {
                SessionEvent::Open(peer) => self.opened(peer),
                SessionEvent::Records(batch) => self.report_later(|link| LinkReport::Records { link, batch }),
                SessionEvent::Control(Control::Bye { code, text }) => self.bye = Some((code, text)),
                SessionEvent::Control(control) => self.report_later(|link| LinkReport::Control { link, control }),
                SessionEvent::Served { exchange, records } => {
                    self.report_later(|link| LinkReport::Served { link, exchange, records });
                }
                SessionEvent::Fault(fault) => self.report_later(|link| LinkReport::Fault { link, fault }),
                SessionEvent::Closed => return Err(End::Farewell(self.closed_by_peer())),
            }
        }
        Ok(())
    }

    fn opened(&mut self, peer: PeerInfo) {
        match std::mem::replace(&mut self.stage, Stage::GivenUp) {
            Stage::Handshake(Place::Dialled { link, .. }) => {
                self.stage = Stage::Open(link);
                self.waiting.push_back(LinkReport::Opened { link, peer });
            }
            Stage::Handshake(Place::Accepted { outbox, place, .. }) => {
                let (admit, reply) = oneshot::channel();
                self.stage = Stage::Asking { reply, place };
                self.waiting.push_back(LinkReport::Accepted { peer, outbox, admit });
            }
            other => self.stage = other,
        }
    }

    fn admitted(&mut self, admission: Option<Admission>) -> Result<(), End> {
        if let Some(Admission::Welcome(link)) = admission {
            self.stage = Stage::Open(link);
            return self.poll();
        }
        if let Stage::Asking { place, .. } = std::mem::replace(&mut self.stage, Stage::GivenUp) {
            place.count(Outcome::Refused);
            self.stage = Stage::Refused(place);
        }
        if let Some(Admission::Refused { peers, code, text }) = admission {
            let now = self.shared.options.clock.now();
            self.session.send(now, &Item::Control(Control::Peers(peers)));
            self.session.send(now, &Item::Control(Control::Bye { code, text }));
        }
        Err(End::Farewell(Closed::ByUs))
    }

    fn give_up(&mut self) {
        if !matches!(self.stage, Stage::Handshake(Place::Dialled { .. })) {
            self.stage = Stage::GivenUp;
        }
    }

    fn wants_to_read(&self) -> bool {
        self.waiting.is_empty() && !matches!(self.stage, Stage::Asking { .. })
    }

    fn interest(&self) -> Option<Interest> {
        match (self.wants_to_read(), self.out.is_empty()) {
            (true, true) => Some(Interest::READABLE),
            (true, false) => Some(Interest::READABLE | Interest::WRITABLE),
            (false, false) => Some(Interest::WRITABLE),
            (false, true) => None,
        }
    }

    fn due(&self) -> Option<Mono> {
        self.session.deadline().into_iter().chain(self.stalled_at()).min()
    }

    /// When the peer will have taken nothing for too long.
    fn stalled_at(&self) -> Option<Mono> {
        (!self.out.is_empty()).then(|| self.written_at + self.shared.options.limits.write_ms_max)
    }

    fn closed_by_peer(&mut self) -> Closed {
        let (code, text) = self.bye.take().map_or((None, String::new()), |(code, text)| (Some(code), text));
        Closed::ByPeer { code, text }
    }

    /// Puts a report behind those that wait, if this is a link the engine knows.
    fn report_later(&mut self, report: impl FnOnce(LinkId) -> LinkReport) {
        if let Stage::Open(link) | Stage::Handshake(Place::Dialled { link, .. }) = self.stage {
            self.waiting.push_back(report(link));
        }
    }

    /// Tells the engine what it has room for; `false` when there is more.
    fn report(&mut self) -> Result<bool, End> {
        while let Some(report) = self.waiting.pop_front() {
            match self.shared.reports.try_send(report) {
                Ok(()) => {}
                Err(TrySendError::Full(report)) => {
                    self.waiting.push_front(report);
                    return Ok(false);
                }
                Err(TrySendError::Closed(_)) => return Err(End::Farewell(Closed::ByUs)),
            }
        }
        Ok(true)
    }

    fn report_with(&mut self, permit: Result<OwnedPermit<LinkReport>, SendError<()>>) -> Result<(), End> {
        // The engine is gone.
        let permit = permit.map_err(|_| End::Farewell(Closed::ByUs))?;
        if let Some(report) = self.waiting.pop_front() {
            permit.send(report);
        }
        Ok(())
    }

    async fn finish(mut self, end: End) {
        // What came before the end does not wait for the farewell.
        if !matches!(self.stage, Stage::Asking { .. }) {
            while let Some(report) = self.waiting.pop_front() {
                if self.shared.reports.send(report).await.is_err() {
                    break;
                }
            }
        }
        let why = match end {
            End::AtOnce(why) => why,
            End::Farewell(why) => {
                self.farewell().await;
                why
            }
        };
        let Self { shared, stream, stage, .. } = self;
        // The peer is to find the socket closed when the engine gives the place to another.
        drop(stream);
        let link = match stage {
            Stage::Open(link) | Stage::Handshake(Place::Dialled { link, .. }) => link,
            Stage::Handshake(Place::Accepted { place, .. }) => return place.count(Outcome::Failed),
            Stage::Asking { mut reply, place } => {
                place.count(Outcome::Failed);
                // An answer that comes now fails at the engine; one that has come made a link.
                reply.close();
                match reply.try_recv() {
                    Ok(Admission::Welcome(link)) => link,
                    Ok(Admission::Refused { .. }) | Err(_) => return,
                }
            }
            Stage::Refused(_) | Stage::GivenUp => return,
        };
        // The engine may be gone as well: then there is nobody to tell.
        shared.reports.send(LinkReport::Closed { link, why }).await.unwrap_or_default();
    }

    /// Says what is to be said and hears the other end out: bytes that nobody read would turn the close into a reset,
    /// and our last words could be lost with it.
    async fn farewell(&mut self) {
        let Self { shared, stream, session, queue, stage, out, written, .. } = self;
        let mut may_say_more = matches!(stage, Stage::Open(_));
        let (mut reader, mut writer) = stream.split();
        let say = async {
            loop {
                let rest = out.get(*written..).expect("no more was written than there is");
                writer.write_all(rest).await?;
                *written = 0;
                out.clear();
                let now = shared.options.clock.now();
                while may_say_more && session.pending_bytes() < PENDING_BYTES_MAX {
                    let (items, ending) = queue.take(TAKE_ITEMS);
                    may_say_more = !items.is_empty() && ending.is_none();
                    items.iter().for_each(|item| session.send(now, item));
                    if let Some(Ending { code, text }) = ending {
                        session.send(now, &Item::Control(Control::Bye { code, text }));
                    }
                }
                session.transmit(now, out);
                if out.is_empty() {
                    return writer.shutdown().await;
                }
            }
        };
        let hear = async {
            let mut bytes = Vec::with_capacity(READ_BYTES);
            while reader.read_buf(&mut bytes).await? > 0 {
                bytes.clear();
            }
            Ok(())
        };
        let limit = Duration::from_millis(shared.options.limits.farewell_ms_max);
        let said: Result<(), io::Error> = tokio::select! {
            said = timeout(limit, async { tokio::try_join!(say, hear) }) => said.map_or(Ok(()), |said| said.map(|_| ())),
            // It was given up: others need the place.
            () = stage.unwanted() => Ok(()),
        };
        if let Err(error) = said {
            tracing::debug!(%error, "a link broke while it was closed");
        }
    }
}

impl Stage {
    /// Waits for what only this stage waits for.
    async fn changed(&mut self) -> Event {
        match self {
            Self::Asking { reply, .. } => Event::Admission(reply.await.ok()),
            other => {
                other.unwanted().await;
                Event::Unwanted
            }
        }
    }

    /// Waits until what is not yet a link is not wanted any more: others need its place, or nobody wants links.
    async fn unwanted(&mut self) {
        match self {
            Self::Handshake(Place::Dialled { stop, .. }) => until_dropped(stop).await,
            Self::Handshake(Place::Accepted { place, stop, .. }) => {
                tokio::select! {
                    () = place.evicted() => {}
                    () = until_dropped(stop) => {}
                }
            }
            Self::Refused(place) => place.evicted().await,
            Self::Asking { .. } | Self::Open(_) | Self::GivenUp => pending().await,
        }
    }
}

/// Nothing is ever sent: the end of the sender is the message.
async fn until_dropped(stop: &mut watch::Receiver<()>) {
    while stop.changed().await.is_ok() {}
}

async fn ready(stream: &TcpStream, interest: Option<Interest>) -> io::Result<Ready> {
    match interest {
        Some(interest) => stream.ready(interest).await,
        None => pending().await,
    }
}

async fn granted(room: Option<&mut Room>) -> Result<OwnedPermit<LinkReport>, SendError<()>> {
    match room {
        Some(room) => room.await,
        None => pending().await,
    }
}

fn broken(error: &io::Error) -> Closed {
    Closed::Broken(error.to_string())
}

fn empty(buffer: &mut Vec<u8>) {
    if buffer.capacity() > KEPT_BYTES_MAX {
        *buffer = Vec::new();
    } else {
        buffer.clear();
    }
}
