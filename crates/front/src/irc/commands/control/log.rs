//! What was said, and what waits to be sent: shown as lines, and only to the client that asks.

use std::collections::BTreeMap;

use nightjar_envelope::key::ChatKey;
use nightjar_node::handle::PAGE_MESSAGES_MAX;
use nightjar_node::identity::KEY_DIGITS_MIN;
use nightjar_node::message::{History, Message, Search};
use nightjar_node::store::Outgoing;

use super::node::moment;
use super::people::who;
use super::table::Answer;
use super::words::{ROWS_MAX, count, head, plain, table};
use crate::irc::commands::{channel::channel_of, register};
use crate::irc::event::Kind;
use crate::irc::feed::said_of;
use crate::irc::session::Session;
use crate::irc::show::when;
use crate::irc::text;
use crate::typed::quoted;

/// Messages that one search shows: who wants more of them gives more words.
const FOUND_MAX: usize = 10;
/// Messages that are shown of a conversation when nobody says how many.
const SHOWN_DEFAULT: usize = 10;
/// Bytes of a message that are shown in one line of an answer.
const SHOWN_BYTES_MAX: usize = 300;
/// Digits of the id of a message, as many as tell it from others that wait.
const ID_DIGITS: usize = 8;

pub(super) fn outbox(session: &Session) -> Answer {
    let mut waiting = session.hub.node.post().outbox();
    if waiting.is_empty() {
        return Ok(vec!["nothing waits: all that you said went out".to_owned()]);
    }
    waiting.sort_by_key(|outgoing| outgoing.queued);
    let row = |outgoing: &Outgoing| {
        let id = outgoing.id.to_string();
        let until = moment(u64::from(outgoing.deadline).saturating_mul(1000));
        let to = session.hub.name_of(&outgoing.conversation);
        [id.get(..ID_DIGITS).unwrap_or(&id).to_owned(), to, moment(outgoing.queued.0), until]
    };
    let rows = waiting.iter().map(row);
    let mut lines = table(["ID", "TO", "SAID", "TRIED UNTIL"], rows, "nightjar outbox lists all");
    lines.push(
        "they go out when there is a peer that takes them; outbox cancel ID, or all, takes back what waits".to_owned(),
    );
    Ok(lines)
}

pub(super) fn cancel(session: &Session, typed: &str) -> Answer {
    let post = session.hub.node.post();
    let waiting = post.outbox();
    if typed.eq_ignore_ascii_case("all") {
        let taken = waiting.iter().filter(|outgoing| post.cancel(outgoing.id)).count() as u64;
        return Ok(vec![match (taken, waiting.len()) {
            (0, 0) => "nothing waits".to_owned(),
            (taken, _) => format!("{} taken back", count(taken, "message is", "messages are")),
        }]);
    }
    let digits = typed.to_ascii_lowercase();
    if digits.len() < KEY_DIGITS_MIN || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return Err(format!(
            "{} is no id: outbox shows them, and {KEY_DIGITS_MIN} digits or more are wanted",
            quoted(typed)
        ));
    }
    let mut meant: Vec<_> = waiting.iter().map(|outgoing| outgoing.id).collect();
    meant.retain(|id| id.to_string().starts_with(&digits));
    meant.sort_unstable_by_key(ToString::to_string);
    meant.dedup();
    match meant.as_slice() {
        [one] if post.cancel(*one) => Ok(vec![format!("message {typed} is taken back")]),
        [] | [_] => Err(format!("no message {} waits: it went out, or was given up", quoted(typed))),
        several => Err(format!("{} ids begin like {}: give more digits", several.len(), quoted(typed))),
    }
}

pub(super) async fn history(session: &mut Session, rest: &str) -> Answer {
    let (typed, many) = head(rest);
    let limit = match many {
        "" => SHOWN_DEFAULT,
        many => many
            .parse()
            .ok()
            .filter(|many| (1..=ROWS_MAX).contains(many))
            .ok_or_else(|| format!("{} is no number of messages: give 1 to {ROWS_MAX}", quoted(many)))?,
    };
    let found = if typed.starts_with('#') {
        let wanted = History { conversations: vec![channel_of(typed)?.1], newest: true, limit, ..History::default() };
        session.hub.node.history(wanted).await.map_err(|error| error.to_string())?
    } else {
        with_person(session, who(session, typed)?, typed, limit).await?
    };
    if found.is_empty() {
        return Ok(vec![format!("nothing is kept of what was said to {}", quoted(typed))]);
    }
    let mut lines = Vec::with_capacity(found.len());
    for message in &found {
        lines.extend(line(session, message, None).await);
    }
    Ok(lines)
}

/// The newest messages of a person, and to him. What he wrote in the open stands among those of others to the same name of ours.
async fn with_person(session: &Session, key: ChatKey, typed: &str, limit: usize) -> Result<Vec<Message>, String> {
    let post = session.hub.node.post();
    // What a stranger wrote is read when he was accepted, not before.
    if post.requests().iter().any(|known| known.speaker.key == key) {
        return Err(format!("{} asks to talk to you: accept {} shows what he wrote", quoted(typed), plain(typed)));
    }
    let direct = format!("@{key}");
    let names = post.identities().list().into_iter().flat_map(|identity| identity.names().collect::<Vec<_>>());
    let conversations = std::iter::once(direct.clone()).chain(names.map(|name| name.text())).collect();
    let wanted = History { conversations, newest: true, limit: PAGE_MESSAGES_MAX, ..History::default() };
    let mut found = session.hub.node.history(wanted).await.map_err(|error| error.to_string())?;
    found.retain(|message| {
        let reading = message.reading.as_ref();
        reading.is_some_and(|reading| reading.conversation == direct || reading.author == Some(key))
    });
    found.drain(..found.len().saturating_sub(limit));
    Ok(found)
}

pub(super) async fn search(session: &mut Session, words: &str) -> Answer {
    let wanted = Search { words: words.to_owned(), limit: FOUND_MAX, ..Search::default() };
    let found = session.hub.node.search(wanted).await.map_err(|error| error.to_string())?;
    let is_request = |message: &&Message| message.reading.as_ref().is_some_and(|reading| reading.request);
    let shown: Vec<&Message> = found.messages.iter().filter(|message| !is_request(message)).collect();
    if shown.is_empty() {
        return Ok(vec![format!("no message has {} in it", quoted(words))]);
    }
    let mut names: BTreeMap<String, String> = BTreeMap::new();
    let mut lines = Vec::with_capacity(shown.len() + 1);
    for message in shown {
        let conversation = message.reading.as_ref().map(|reading| reading.conversation.clone()).unwrap_or_default();
        let name = names.entry(conversation.clone()).or_insert_with(|| session.hub.name_of(&conversation)).clone();
        lines.extend(line(session, message, Some(&name)).await);
    }
    if found.next.is_some() {
        lines.push("there may be older ones: give more words, or nightjar search on the command line".to_owned());
    }
    Ok(lines)
}

/// A message in one line.
async fn line(session: &Session, message: &Message, place: Option<&str>) -> Option<String> {
    let speaks = register::speaking(session);
    let me = speaks.as_ref().map(|identity| (&identity.key, &session.source));
    let said = said_of(&session.hub, message, me).await?;
    let place = place.filter(|place| !place.is_empty()).map(|place| format!(" {}", plain(place))).unwrap_or_default();
    let words: Vec<&str> = said.text.lines().collect();
    let words = plain(&words.join(" / "));
    let short = text::head(&words, SHOWN_BYTES_MAX);
    let cut = if short.len() < words.len() { " ..." } else { "" };
    let (nick, at) = (&said.from.nick, when(said.time_ms));
    Some(match said.kind {
        Kind::Action => format!("[{at}]{place} * {nick} {short}{cut}"),
        Kind::Reaction => format!("[{at}]{place} * {nick} reacts with {short}{cut}"),
        Kind::Text | Kind::Notice | Kind::Tags => format!("[{at}]{place} <{nick}> {short}{cut}"),
    })
}
