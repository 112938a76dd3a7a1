//! What happens at the node, handed to the clients: in the order in which it was said, and what came late as history.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use nightjar_core::name::Name;
use nightjar_envelope::form;
use nightjar_envelope::key::ChatKey;
use nightjar_node::message::{Content, Delivery, Event as NodeEvent, Filter, Message, Said as Says, What};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::commands::channel::has_passphrase;
use super::commands::control::CONTROL;
use super::event::{Event, Fate, Outcome, Place, Said};
use super::hub::Hub;
use super::news::News;
use super::order::HoldBack;
use super::people::Source;
use super::show::{quote, words_of};

/// What came late waits so long for more of it, so that it is shown in its order.
const LATE_MS: u64 = 2_000;
/// Late messages that wait; then they are shown.
const LATE_MAX: usize = 2_000;
/// Bytes of their texts: one message may have 64 KiB.
const LATE_BYTES_MAX: usize = 4 << 20;
/// Hex digits of a target.
const TARGET_DIGITS: usize = 32;
/// How often it is looked who was silent for long, which nicks are the user's own, how far plain clients read, and how the node is.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Something that is for clients.
pub(super) struct Arrival {
    said: Said,
    whom: Whom,
    /// Who signed it, if that is another.
    author: Option<ChatKey>,
}

/// Which clients it is for.
enum Whom {
    /// Those in a channel.
    Channel(String),
    /// Those that speak as this key, which is the default one or not.
    Key(ChatKey),
    /// All, for they are one user's.
    All,
}

/// Follows the node until it ends, or `stop` changes or its sender is gone.
pub(super) async fn run(hub: Arc<Hub>, mut stop: watch::Receiver<()>) {
    let since = hub.node.status().seq;
    let mut events = std::pin::pin!(hub.node.follow(since, Filter::default()));
    let began = Instant::now();
    let now_ms = || u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    let mut held = HoldBack::new();
    let (mut late, mut late_bytes): (Vec<Arrival>, usize) = (Vec::new(), 0);
    let mut late_due: Option<Instant> = None;
    let mut news = News::new(&hub.node.storing(), hub.peers());
    let mut look_at = Instant::now() + LOOK_EVERY;
    loop {
        let due = held.due().map(|due| began + Duration::from_millis(due));
        let next = [due, late_due, Some(look_at)].into_iter().flatten().min().unwrap_or(look_at);
        tokio::select! {
            event = events.next() => match event {
                Some(Ok(NodeEvent { seq, what })) => match what {
                    What::Stored(message) if message.late => {
                        let arrival = arrival(&hub, *message).await;
                        late_bytes += arrival.as_ref().map_or(0, |arrival| arrival.said.text.len());
                        late.extend(arrival);
                        late_due.get_or_insert_with(|| Instant::now() + Duration::from_millis(LATE_MS));
                    }
                    What::Stored(message) => {
                        let shown = message.shown().0;
                        if let Some(arrival) = arrival(&hub, *message).await {
                            held.push(now_ms(), shown, seq, arrival);
                        }
                    }
                    What::Changed(message) => fate(&hub, &message),
                    What::Author(speaker) => hub.known_otherwise(&speaker),
                    What::Erased(_) => {}
                },
                Some(Err(error)) => {
                    tracing::warn!(%error, "the log cannot be read for IRC clients: they hear of nothing new until it can");
                    tokio::time::sleep(LOOK_EVERY).await;
                }
                None => break,
            },
            () = sleep_until(next) => {}
            // Fails when nobody wants the gateway any more.
            _ = stop.changed() => break,
        }
        while let Some(arrival) = held.pop(now_ms()) {
            hand_over(&hub, arrival);
        }
        let is_much = late.len() >= LATE_MAX || late_bytes >= LATE_BYTES_MAX;
        if is_much || late_due.is_some_and(|due| due <= Instant::now()) {
            (late_due, late_bytes) = (None, 0);
            hand_over_late(&hub, std::mem::take(&mut late));
        }
        if look_at <= Instant::now() {
            look_at = Instant::now() + LOOK_EVERY;
            hub.forget_silent();
            hub.yield_own_nicks();
            tell_of_more_requests(&hub);
            for told in news.look(began.elapsed(), &hub.node.storing(), hub.peers()) {
                hub.tell_all(None, &Event::Notice(told.into()), |_| true);
            }
            mark_read(&hub).await;
        }
    }
    held.flush().for_each(|arrival| hand_over(&hub, arrival));
    mark_read(&hub).await;
}

/// Writes down how far plain clients read.
async fn mark_read(hub: &Hub) {
    for (conversation, seq) in hub.take_shown() {
        if let Err(error) = hub.node.mark_read(conversation, seq).await {
            tracing::debug!(%error, "how far was read is not written down");
        }
    }
}

/// A message that came, as it is for clients; `None` if it is not for them.
async fn arrival(hub: &Hub, message: Message) -> Option<Arrival> {
    let reading = message.reading.as_ref();
    let id = reading.and_then(|reading| reading.id);
    if let Some(id) = id.filter(|id| message.own && hub.sender(id).is_some()) {
        // The clients have it.
        hub.is_stored(&id);
        return None;
    }
    if reading.is_some_and(|reading| reading.request) {
        tell_of_request(hub, &message);
        return None;
    }
    let said = said_of(hub, &message, None).await?;
    let whom = match &said.place {
        Place::Channel(folded) => Whom::Channel(folded.clone()),
        Place::Person | Place::To(_) => match reading.and_then(|reading| reading.own_key) {
            Some(key) => Whom::Key(key),
            None => Whom::All,
        },
    };
    let author = reading.and_then(|reading| reading.author).filter(|_| !message.own);
    Some(Arrival { said, whom, author })
}

/// A message of the log as something said, for a client that speaks as this key.
pub(super) async fn said_of(hub: &Hub, message: &Message, me: Option<(&ChatKey, &Arc<Source>)>) -> Option<Said> {
    let words = words_of(message)?;
    let reading = message.reading.as_ref();
    let conversation = reading.map(|reading| reading.conversation.clone()).unwrap_or_default();
    let from = match (&message.content, reading.and_then(|reading| reading.author), &message.speaker) {
        (Content::Wallet { peer, .. }, ..) => hub.meet_wallet(peer),
        (_, Some(author), _) if me.is_some_and(|(key, _)| *key == author) => {
            me.map(|(_, source)| Arc::clone(source)).unwrap_or_else(|| Arc::new(Source::anonymous()))
        }
        (_, author, _)
            if message.own
                && let Some(own) = hub.own_source(author) =>
        {
            own
        }
        // Without a nick it may have been read before the nick was written down which the same message tells.
        (_, Some(author), Some(speaker)) if speaker.nick.is_some() || hub.source_of(&author).is_some() => {
            hub.meet(speaker)
        }
        (_, Some(author), _) => hub.meet_key(author),
        (_, None, _) => Arc::new(Source::anonymous()),
    };
    let place = match &conversation {
        channel if channel.starts_with('#') => Place::Channel(channel.clone()),
        // What was said by this node to somebody.
        direct if message.own => Place::To(hub.name_of(direct)),
        _ => Place::Person,
    };
    let reply_to = match words.reply_to {
        Some(id) => Some(hub.whole_id(&conversation, &id).await),
        None => None,
    };
    let text = match (&place, name_in_the_open(&conversation)) {
        // Which of the user's names it was written to, if that is not plain.
        (Place::Person, Some(name)) => format!("[to {name}] {}", words.text),
        // Among what only members can say, what anybody can.
        (Place::Channel(folded), _) if !is_under_passphrase(message) && has_passphrase(&hub.node, folded) => {
            format!("[not sealed] {}", words.text)
        }
        _ => words.text,
    };
    Some(Said {
        from,
        place,
        kind: words.kind,
        text,
        id: reading.and_then(|reading| reading.id).map(|id| id.to_string()),
        reply_to,
        time_ms: message.shown().0,
        tags: Vec::new(),
        seq: Some(message.seq),
        conversation,
    })
}

/// Whether a message was sealed under the passphrase of its channel.
fn is_under_passphrase(message: &Message) -> bool {
    let said = message.reading.as_ref().map(|reading| &reading.said);
    matches!(said, Some(Says::Map { form: form::CHANNEL, .. }))
}

/// The nick or account that a conversation is about: what was written to it in the open.
pub(super) fn name_in_the_open(conversation: &str) -> Option<String> {
    let is_name = matches!(Name::parse_full(conversation), Ok(Name::Nick(_) | Name::Account(_)));
    // A target whose name is not known may look like a nick.
    let is_target = conversation.len() == TARGET_DIGITS && conversation.bytes().all(|digit| digit.is_ascii_hexdigit());
    (is_name && !is_target).then(|| conversation.to_owned())
}

/// While it was held back its author may have got another nick, and the clients know him by that.
fn called_as_now(hub: &Hub, mut arrival: Arrival) -> Arrival {
    if let Some(source) = arrival.author.and_then(|author| hub.source_of(&author)) {
        arrival.said.from = source;
    }
    arrival
}

fn hand_over(hub: &Hub, arrival: Arrival) {
    let Arrival { said, whom, author } = called_as_now(hub, arrival);
    match whom {
        Whom::Channel(folded) => {
            if let Some(key) = author {
                hub.heard(&folded, key, &said.from, said.time_ms);
            }
            hub.say_in(&folded, said, None);
        }
        Whom::Key(key) => {
            let default = hub.default_key();
            let event = Event::Said(Arc::new(said));
            hub.tell_all(None, &event, |identity| identity.or(default) == Some(key));
        }
        Whom::All => hub.tell_all(None, &Event::Said(Arc::new(said)), |_| true),
    }
}

/// What came late is shown as history, each conversation in its order.
fn hand_over_late(hub: &Hub, late: Vec<Arrival>) {
    let mut rows: BTreeMap<(String, Option<ChatKey>), Vec<Arc<Said>>> = BTreeMap::new();
    let (mut places, default) = (BTreeMap::new(), hub.default_key());
    for Arrival { said, whom, .. } in late.into_iter().map(|arrival| called_as_now(hub, arrival)) {
        let key = match whom {
            Whom::Key(key) => Some(key),
            Whom::Channel(_) | Whom::All => None,
        };
        // Each person's row is a conversation of its own.
        let row = match &said.place {
            Place::Channel(folded) => folded.clone(),
            Place::Person => format!("@{}", said.from.nick),
            Place::To(nick) => format!("@{nick}"),
        };
        places.insert(row.clone(), said.place.clone());
        rows.entry((row, key)).or_default().push(Arc::new(said));
    }
    for ((row, key), mut all) in rows {
        all.sort_by_key(|said| (said.time_ms, said.seq));
        let Some(place) = places.get(&row).cloned() else { continue };
        let event = Event::History(Arc::new(place.clone()), all.into());
        match (place, key) {
            (Place::Channel(folded), _) => hub.tell_channel(&folded, None, &event),
            (_, Some(key)) => hub.tell_all(None, &event, |identity| identity.or(default) == Some(key)),
            (_, None) => hub.tell_all(None, &event, |_| true),
        }
    }
}

/// A stranger wrote: it is said that he did, and not what.
fn tell_of_request(hub: &Hub, message: &Message) {
    let Some(speaker) = &message.speaker else { return };
    // By what the node knows now: the nick that his message tells was written down after the message was read.
    let source = hub.meet_key(speaker.key);
    if hub.asks_anew(&speaker.key) {
        let nick = &source.nick;
        let about = match speaker.account {
            Some(_) => format!("{}, {}", source.realname, source.host),
            None => source.realname.clone(),
        };
        let text = format!(
            "{nick} ({about}) asks to talk to you: \"/msg {CONTROL} accept {nick}\", \"decline {nick}\" or \"requests\""
        );
        hub.tell_all(None, &Event::Notice(text.into()), |_| true);
    }
}

/// Of strangers who were not named it is told how many they are.
fn tell_of_more_requests(hub: &Hub) {
    let text = match hub.more_ask() {
        0 => return,
        1 => format!("1 more stranger asks to talk: \"/msg {CONTROL} requests\" lists who"),
        more => format!("{more} more strangers ask to talk: \"/msg {CONTROL} requests\" lists them"),
    };
    hub.tell_all(None, &Event::Notice(text.into()), |_| true);
}

/// What became of an own message after it was said that it was sent, if a client here sent it.
fn fate(hub: &Hub, message: &Message) {
    let Some(id) = message.reading.as_ref().and_then(|reading| reading.id).filter(|_| message.own) else { return };
    let Some(Delivery::Failed(why)) = &message.delivery else { return };
    if let Some((client, to)) = hub.sender(&id) {
        let text = message
            .reading
            .as_ref()
            .and_then(|_| words_of(message))
            .map(|words| quote(&words.text))
            .unwrap_or_default();
        let what = Outcome::Failed(format!("\"{text}\" was not sent: {why}"));
        hub.tell(client, Event::Fate(Arc::new(Fate { to, what })));
    }
}
