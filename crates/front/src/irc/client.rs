//! The connection of one client: reads what it says, writes what is for it, and ends it when it does neither. Says nothing itself.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use nightjar_envelope::id::MessageId;
use nightjar_node::post::{Kept, OUTBOX_MAX, PARTS_AT_ONCE, PARTS_PER_S, SendError, Work};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::sync::{OwnedSemaphorePermit, mpsc, watch};
use tokio::time::{Instant, sleep_until, timeout, timeout_at};

use super::commands::channel::leave_if_in;
use super::commands::control;
use super::commands::register::is_own_user;
use super::commands::server::ping_line;
use super::commands::talk::is_open;
use super::event::{Event, Fate, Outcome, Place, Said};
use super::hub::Hub;
use super::line::Lines;
use super::session::{SENDS_MAX, Session, TARGETS_MAX, ToSend};
use super::show;
use crate::crowd::{self, Evicted};

/// Bytes that are read at once.
const READ_BYTES: usize = 8 << 10;
/// While so much waits to be written, no line and no event of the client is looked at.
const OUT_BYTES_SOFT: usize = 256 << 10;
/// A client that was asked for a sign of life, or is not registered yet, has so long.
const PATIENCE: Duration = Duration::from_secs(60);
/// One of which nothing was heard for so long is asked.
const SILENT: Duration = Duration::from_secs(90);
/// A client that takes nothing for so long does not read.
const STALLED: Duration = Duration::from_secs(60);
/// What was said last may take so long to be read.
const LINGER: Duration = Duration::from_millis(1_000);
/// What all clients said last is written down within this when the node ends.
const LAST_SENDS: Duration = Duration::from_millis(1_500);
/// Messages of all clients that are written down and wait for their turn. They lie in the node's outbox, where others need room as well;
/// what is more waits before it is written down.
pub(super) const TURNS_MAX: usize = OUTBOX_MAX / 2;

/// Serves one client until it leaves, or `stop` changes or its sender is gone.
pub(super) async fn run(hub: Arc<Hub>, mut stream: TcpStream, peer: SocketAddr, mut stop: watch::Receiver<()>) {
    let Ok(listen) = stream.local_addr().and_then(|listen| stream.set_nodelay(true).map(|()| listen)) else { return };
    // Room for one line and no more: what stands here is shown, and written down by nobody yet.
    let (sends, queue) = mpsc::channel(TARGETS_MAX);
    let mut session = Session::new(Arc::clone(&hub), sends);
    // Now, for the system does not say it any more of one that closes its own side.
    session.entering.is_own_user = is_own_user(peer, listen).await;
    let stranger = (!session.entering.is_own_user).then(|| hub.strangers.enter()).flatten();
    let (mut read, mut write) = stream.split();
    let sending = tokio::spawn(send_all(Arc::clone(&hub), queue, stop.clone()));
    let why = talk(&mut session, &mut read, &mut write, stranger, &mut stop).await;
    if let Some(id) = session.id {
        hub.leave(id, &why);
    }
    tracing::debug!(%peer, why, "an IRC client is gone");
    let Session { sends, .. } = session;
    drop(sends);
    // What it said is still sent, or written down. It fails only if it panicked.
    sending.await.unwrap_or_default();
}

/// Gives why it ended.
async fn talk(
    session: &mut Session,
    read: &mut ReadHalf<'_>,
    write: &mut WriteHalf<'_>,
    mut stranger: Option<(crowd::Place, Evicted)>,
    stop: &mut watch::Receiver<()>,
) -> String {
    let mut lines = Lines::default();
    let mut buffer = vec![0; READ_BYTES];
    let mut events: Option<mpsc::Receiver<Event>> = None;
    let (mut heard, mut written, mut asked) = (Instant::now(), Instant::now(), None::<Instant>);
    loop {
        if let Some(why) = session.ended().map(str::to_owned) {
            linger(session, write).await;
            return why;
        }
        let has_room = session.out().len() < OUT_BYTES_SOFT;
        // First what happened: who asks for a sign of life knows by the answer that nothing is on its way that was said before.
        if has_room && let Some(event) = events.as_mut().and_then(|events| events.try_recv().ok()) {
            take_event(session, event);
            continue;
        }
        if has_room
            && session.takes_lines()
            && let Some(line) = lines.next()
        {
            session.take(line).await;
            events = events.or_else(|| session.events.take());
            if session.id.is_some() {
                stranger = None;
            }
            continue;
        }
        let may_read = has_room && session.takes_lines();
        let due = due(session, heard, written, asked);
        let (sends, out) = (session.sends.clone(), session.out());
        let had_nothing = out.is_empty();
        tokio::select! {
            count = read.read(&mut buffer), if may_read => match count {
                Ok(0) => {
                    // It may have closed its side alone, as scripts do, and still read.
                    linger(session, write).await;
                    return "closed the connection".to_owned();
                }
                Ok(count) => {
                    // Who is not registered has so long for all that it has to say, however slowly it comes.
                    if session.id.is_some() {
                        (heard, asked) = (Instant::now(), None);
                    }
                    lines.push(buffer.get(..count).unwrap_or_default());
                }
                Err(error) => return error.to_string(),
            },
            count = write.write(out), if !out.is_empty() => match count {
                Ok(count) => {
                    out.drain(..count);
                    written = Instant::now();
                }
                Err(error) => return error.to_string(),
            },
            event = next(&mut events), if has_room => match event {
                Some(event) => take_event(session, event),
                None => session.close("you do not read what is for you: too much waits"),
            },
            // Room for more that is to be sent.
            _ = sends.reserve_many(TARGETS_MAX), if has_room && !may_read => {}
            () = sleep_until(due) => look(session, heard, written, &mut asked),
            () = evicted(&mut stranger) => session.close("too many wait to come in"),
            // Fails when nobody wants the gateway any more.
            _ = stop.changed() => session.close("the node ends"),
        }
        if !may_read && session.id.is_some() {
            // It may have said something, and was not listened to.
            (heard, asked) = (Instant::now(), None);
        }
        if had_nothing || session.out().is_empty() {
            written = Instant::now();
        }
    }
}

/// The place of one who did not come in yet is given to another.
async fn evicted(stranger: &mut Option<(crowd::Place, Evicted)>) {
    match stranger {
        // Fails when it is given away.
        Some((_, evicted)) => evicted.await.unwrap_or(()),
        None => std::future::pending().await,
    }
}

async fn next(events: &mut Option<mpsc::Receiver<Event>>) -> Option<Event> {
    match events {
        Some(events) => events.recv().await,
        None => std::future::pending().await,
    }
}

/// When it is to be looked whether the client is still there.
fn due(session: &mut Session, heard: Instant, written: Instant, asked: Option<Instant>) -> Instant {
    let silent = match (session.id, asked) {
        (None, _) => heard + PATIENCE,
        (Some(_), None) => heard + SILENT,
        (Some(_), Some(asked)) => asked + PATIENCE,
    };
    if session.out().is_empty() { silent } else { silent.min(written + STALLED) }
}

fn look(session: &mut Session, heard: Instant, written: Instant, asked: &mut Option<Instant>) {
    let now = Instant::now();
    if !session.out().is_empty() && now >= written + STALLED {
        session.close("you do not read what is for you");
    } else if session.id.is_none() && now >= heard + PATIENCE {
        session.close("registration timed out");
    } else if asked.is_some_and(|asked| now >= asked + PATIENCE) {
        session.close("ping timeout");
    } else if session.id.is_some() && asked.is_none() && now >= heard + SILENT {
        *asked = Some(now);
        let ping = ping_line(session.hub.name());
        session.reply(ping);
        session.write(None);
    }
}

/// Shows what happened.
fn take_event(session: &mut Session, event: Event) {
    match event {
        Event::Said(said) => {
            if session.was_played_back(&said) {
                return;
            }
            let to = show::place_of(session, &said.place);
            match said.place {
                // What the user said to somebody by another way in is shown as what the client itself would have sent.
                Place::To(_) => {
                    let own = Said { from: Arc::clone(&session.source), ..(*said).clone() };
                    show::said(session, &own, &to);
                }
                Place::Channel(_) | Place::Person => show::said(session, &said, &to),
            }
            session.has_shown(&said);
        }
        Event::History(place, all) => {
            let all: Vec<_> = all.iter().filter(|said| !session.was_played_back(said)).cloned().collect();
            if all.is_empty() {
                return;
            }
            let to = match (&*place, all.first()) {
                (super::event::Place::Person, Some(said)) => said.from.nick.clone(),
                (place, _) => show::place_of(session, place),
            };
            show::history(session, &to, &all);
            all.iter().for_each(|said| session.has_shown(said));
        }
        Event::Did(did) => show::did(session, &did),
        Event::Notice(text) => control::notice(session, &text),
        Event::Left(folded, why) => {
            leave_if_in(session, &folded, &why);
        }
        Event::Fate(fate) => session.tell_fate(&fate),
        Event::Read(place, time_ms) => session.tell_read(&place, time_ms),
    }
    session.write(None);
}

/// The last words go out, as far as somebody reads them.
async fn linger(session: &mut Session, write: &mut WriteHalf<'_>) {
    let out = session.out();
    let last = timeout(LINGER, async {
        write.write_all(out).await?;
        write.shutdown().await
    });
    match last.await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::trace!(%error, "an IRC client did not hear the last words"),
        Err(_) => tracing::trace!("an IRC client did not read the last words"),
    }
}

/// Writes down what one client says, at once, and sends it in its order at a pace that neighbours take. When the node ends it is only
/// written down: the next run of the node sends it.
async fn send_all(hub: Arc<Hub>, mut queue: mpsc::Receiver<ToSend>, mut stop: watch::Receiver<()>) {
    let (kept, mut turns) = mpsc::channel(SENDS_MAX);
    let (mut said, mut first) = (None, None);
    let going = async {
        tokio::join!(keep_all(&hub, &mut queue, &mut said, kept), publish_all(&hub, &mut turns, &mut first));
    };
    tokio::select! {
        () = going => return,
        // Fails when nobody wants the gateway any more.
        _ = stop.changed() => {}
    }
    let until = Instant::now() + LAST_SENDS;
    let mut last: Vec<Turn> = first.into_iter().collect();
    while let Ok(turn) = turns.try_recv() {
        last.push(turn);
    }
    last.extend(said.map(|said| Turn::of(&hub, said, None)));
    // The client may have a line in hand.
    let all = async {
        while let Some(said) = queue.recv().await {
            last.push(Turn::of(&hub, said, None));
        }
    };
    let mut lost: usize = 0;
    if timeout_at(until, all).await.is_err() {
        queue.close();
        while queue.try_recv().is_ok() {
            lost += 1;
        }
    }
    for turn in last {
        let is_kept = timeout_at(until, turn.keeping).await.is_ok_and(|kept| kept.is_ok_and(|kept| kept.is_on_disk()));
        lost += usize::from(!is_kept);
    }
    if lost > 0 {
        tracing::warn!(lost, "the node ended before all that an IRC client said last was written down: say it again");
    }
}

/// Begins to write down what a client said as soon as it did. `said` is what waits for a place.
async fn keep_all(hub: &Hub, queue: &mut mpsc::Receiver<ToSend>, said: &mut Option<ToSend>, kept: mpsc::Sender<Turn>) {
    loop {
        if said.is_none() {
            *said = queue.recv().await;
        }
        if said.is_none() {
            return;
        }
        let Ok(slot) = kept.reserve().await else { return };
        let Ok(place) = Arc::clone(&hub.turns).acquire_owned().await else { return };
        if let Some(said) = said.take() {
            slot.send(Turn::of(hub, said, Some(place)));
        }
    }
}

/// Sends what is written down when its turn comes, and tells what became of it. `first` is what is not written down yet.
async fn publish_all(hub: &Hub, turns: &mut mpsc::Receiver<Turn>, first: &mut Option<Turn>) {
    let mut pace = Pace::new(Instant::now());
    loop {
        *first = turns.recv().await;
        let Some(turn) = first.as_mut() else { return };
        let kept = (&mut turn.keeping).await;
        let Some(Turn { id, to, is_person, place: _place, .. }) = first.take() else { return };
        // Without a neighbour there is nobody to whom it could be too much.
        let until = pace.next(Instant::now()).filter(|_| kept.is_ok() && hub.peers() > 0);
        if let Some(until) = until {
            sleep_until(until).await;
        }
        let sent = match kept {
            Ok(kept) => hub.node.send_kept(kept).await,
            Err(error) => Err(error),
        };
        let what = match sent {
            Ok(sent) => {
                Outcome::Sent { peers: sent.peers, in_the_open: is_person && is_open(sent.sealed), note: sent.note }
            }
            Err(error) => {
                hub.is_stored(&id);
                Outcome::Failed(error.to_string())
            }
        };
        if let Some((client, _)) = hub.sender(&id) {
            hub.tell(client, Event::Fate(Arc::new(Fate { to, what })));
        }
    }
}

/// A message that is being written down, or is, and waits for its turn to be sent.
struct Turn {
    keeping: Pin<Box<dyn Future<Output = Result<Kept, SendError>> + Send>>,
    id: MessageId,
    /// To whom, as it was typed.
    to: String,
    is_person: bool,
    /// Its place among those of all clients, [`TURNS_MAX`]; when the node ends it needs none.
    place: Option<OwnedSemaphorePermit>,
}

impl Turn {
    /// From now on the next run of the node sends it if this one does not.
    fn of(hub: &Hub, ToSend { ready, to, is_person }: ToSend, place: Option<OwnedSemaphorePermit>) -> Self {
        let id = ready.id();
        Self { keeping: Box::pin(hub.node.keep(ready, Work::WhenCrowded)), id, to, is_person, place }
    }
}

/// So many messages at once, and so many in each second after them: what neighbours take of one who was silent.
struct Pace {
    room: f64,
    at: Instant,
}

impl Pace {
    fn new(now: Instant) -> Self {
        Self { room: PARTS_AT_ONCE as f64, at: now }
    }

    /// Takes a place. If there is none yet: from when on there is.
    fn next(&mut self, now: Instant) -> Option<Instant> {
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        self.room = passed.mul_add(PARTS_PER_S as f64, self.room).min(PARTS_AT_ONCE as f64) - 1.0;
        self.at = now;
        (self.room < 0.0).then(|| now + Duration::from_secs_f64(-self.room / PARTS_PER_S as f64))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

    use super::*;

    #[test]
    fn a_burst_goes_at_once_and_what_is_more_at_the_pace_of_parts() {
        let now = Instant::now();
        let mut pace = Pace::new(now);
        assert!((0..PARTS_AT_ONCE).all(|_| pace.next(now).is_none()));
        let until = pace.next(now).unwrap();
        assert_eq!((until - now).as_millis(), 1_000 / PARTS_PER_S as u128);
        let later = pace.next(until).unwrap();
        assert_eq!((later - until).as_millis(), 1_000 / PARTS_PER_S as u128);
        assert!(pace.next(later + Duration::from_secs(60)).is_none());
    }
}
