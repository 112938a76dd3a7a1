//! What was said and done, as lines for one client: by what it can take. Reads a node's message as IRC has it.

use std::sync::Arc;

use nightjar_envelope::map::{Kind as MessageKind, Map};
use nightjar_node::message::{Content, Message, Said as Says, text_of};

use super::caps::Cap;
use super::commands::channel::joined;
use super::commands::talk::CTCP;
use super::event::{Deed, Did, Kind, Place, Said};
use super::line::{BODY_BYTES_MAX, Reply};
use super::people::Source;
use super::session::Session;
use super::text;

/// Bytes that a text has at least in a line, however long names are.
const TEXT_BYTES_MIN: usize = 64;
/// What is quoted of a message to which somebody put a sign.
const QUOTE_BYTES_MAX: usize = 40;

/// What a message of the node says, if it is for people.
pub(super) struct Words {
    pub(super) kind: Kind,
    pub(super) text: String,
    /// The beginning of the id of what it answers.
    pub(super) reply_to: Option<[u8; 8]>,
}

/// What a message says to people; `None` if it says nothing to them.
pub(super) fn words_of(message: &Message) -> Option<Words> {
    let reading = message.reading.as_ref();
    let says = reading.map(|reading| &reading.said);
    let map = match says {
        Some(Says::Map { map, .. }) => Some(Map::read_all(map).ok()?),
        _ => None,
    };
    let reply_to = map.as_ref().and_then(Map::reply_to);
    let words = |kind, text: String| Some(Words { kind, text, reply_to });
    let text = text_of(&message.content, reading).map(std::borrow::Cow::into_owned);
    match (map.as_ref().map(Map::kind), says) {
        (_, Some(Says::Unreadable { why, .. })) => {
            words(Kind::Notice, format!("[a message that cannot be read here: {why}]"))
        }
        (None, _) => match (text, &message.content) {
            (Some(text), _) => words(Kind::Text, text),
            (None, Content::Record(record)) => {
                words(Kind::Notice, format!("[{} bytes that are no text]", record.body().len()))
            }
            (None, Content::Wallet { text, .. }) => {
                words(Kind::Notice, format!("[{} bytes that are no text]", text.len()))
            }
        },
        (Some(MessageKind::Text), _) => words(Kind::Text, text?),
        (Some(MessageKind::Action), _) => words(Kind::Action, text?),
        (Some(MessageKind::Notice), _) => words(Kind::Notice, text?),
        (Some(MessageKind::Reaction), _) => words(Kind::Reaction, text?),
        (Some(MessageKind::Edit), _) => words(Kind::Text, format!("{} [edited]", text?)),
        (Some(MessageKind::Data), _) => {
            let bytes = map.as_ref().and_then(|map| Some(map.content().ok()??.as_bytes().len())).unwrap_or(0);
            words(Kind::Notice, format!("[{bytes} bytes of data for a program]"))
        }
        (Some(_), _) => None,
    }
}

/// Shows something that was said. `to` is what stands where the recipient stands.
pub(super) fn said(session: &mut Session, said: &Said, to: &str) {
    said_in(session, said, to, None);
}

/// The same as a part of a batch, or of history for a client that knows neither batches nor times.
pub(super) fn said_in(session: &mut Session, said: &Said, to: &str, batch: Option<&str>) {
    // In a batch of history are words alone (IRCv3, chathistory): a sign is told in words there.
    let has_tags = session.caps.has(Cap::MessageTags) && batch.is_none();
    let command = match said.kind {
        Kind::Text | Kind::Action => "PRIVMSG",
        Kind::Notice => "NOTICE",
        Kind::Tags | Kind::Reaction if has_tags => "TAGMSG",
        // Nothing to see.
        Kind::Tags => return,
        // A sign is for people: without tags it is told in words.
        Kind::Reaction => "PRIVMSG",
    };
    let mask = said.from.mask();
    let room = BODY_BYTES_MAX.saturating_sub(mask.len() + command.len() + to.len() + 32).max(TEXT_BYTES_MIN);
    let base = Reply::new(command).from(mask).param(to);
    let base = tagged(session, base, said, batch);
    if command == "TAGMSG" {
        let base = if said.kind == Kind::Reaction && said.tags.is_empty() {
            base.tag("+draft/react", text::clean(&said.text))
        } else {
            base
        };
        session.reply(base);
        return;
    }
    let is_own_ctcp =
        said.seq.is_none() && said.text.starts_with(CTCP) && said.id.as_ref().is_some_and(|id| id.starts_with("local"));
    if is_own_ctcp {
        // Between clients of this node, whose programs may talk to each other.
        session.reply(base.text(said.text.clone()));
        return;
    }
    let words = match said.kind {
        Kind::Reaction => format!("reacts with {}", said.text),
        _ => said.text.clone(),
    };
    let lines = text::lines(&words, room);
    let is_action = matches!(said.kind, Kind::Action | Kind::Reaction);
    let as_text = |line: String| if is_action { format!("{CTCP}ACTION {line}{CTCP}") } else { line };
    let is_long = lines.len() > 1 || words.contains('\n');
    if is_long && batch.is_none() && session.caps.has(Cap::Multiline) && session.caps.has(Cap::Batch) && !is_action {
        multiline(session, said, to, room, base);
        return;
    }
    for (number, line) in lines.into_iter().enumerate() {
        let mut reply = base.clone();
        if number > 0 {
            // One message has one id: of what it is cut into only the first line has it.
            reply.tags.retain(|(key, _)| matches!(key.as_ref(), "time" | "account" | "batch") || key.starts_with('+'));
        }
        session.reply(reply.text(as_text(line)));
    }
}

/// A message of several lines, as one.
fn multiline(session: &mut Session, said: &Said, to: &str, room: usize, base: Reply) {
    let name = session.batch_name();
    let Reply { tags, source, command, .. } = base;
    let mut begin = Reply { tags, source: source.clone(), ..Reply::new("BATCH") };
    begin = begin.param(format!("+{name}")).param("draft/multiline").param(to);
    session.reply(begin);
    for paragraph in said.text.split('\n') {
        // Put together by the client, so that no blank may be lost.
        for (number, line) in text::pieces(paragraph, room).into_iter().enumerate() {
            let reply = Reply { source: source.clone(), ..Reply::new(command.clone()) }.tag("batch", name.clone());
            let reply = if number > 0 { reply.tag("draft/multiline-concat", "") } else { reply };
            session.reply(reply.param(to).text(line));
        }
    }
    let end = session.server_line("BATCH").param(format!("-{name}"));
    session.reply(end);
}

fn tagged(session: &Session, reply: Reply, said: &Said, batch: Option<&str>) -> Reply {
    let mut reply = session.stamped(reply, said.time_ms);
    if let Some(batch) = batch {
        reply = reply.tag("batch", batch);
    }
    if let Some(account) = said.from.account.as_ref().filter(|_| session.caps.has(Cap::AccountTag)) {
        reply = reply.tag("account", account.clone());
    }
    if session.caps.has(Cap::MessageTags) {
        if let Some(id) = &said.id {
            reply = reply.tag("msgid", id.clone());
        }
        for (key, value) in &said.tags {
            reply = reply.tag(key.clone(), value.clone());
        }
        let has_reply = said.tags.iter().any(|(key, _)| key == "+draft/reply");
        if let Some(reply_to) = said.reply_to.as_ref().filter(|_| !has_reply) {
            reply = reply.tag("+draft/reply", reply_to.clone());
        }
    }
    reply
}

/// Where something that was said stands for this client.
pub(super) fn place_of(session: &Session, place: &Place) -> String {
    match place {
        Place::Channel(folded) => session.hub.channel(folded).map_or_else(|| folded.clone(), |look| look.typed),
        Place::Person => session.source.nick.clone(),
        Place::To(nick) => nick.clone(),
    }
}

/// Shows what was said while the client could not hear it: as a batch, or with times in words for those who know neither. `to` is what the
/// whole is called: the channel, or the other one.
pub(super) fn history(session: &mut Session, to: &str, all: &[Arc<Said>]) {
    let batch = session.caps.has(Cap::Batch).then(|| session.batch_name());
    let is_channel = to.starts_with('#');
    match (&batch, all.first()) {
        (Some(name), _) => {
            let begin = session.server_line("BATCH").param(format!("+{name}")).param("chathistory").param(to);
            session.reply(begin);
        }
        (None, Some(first)) => {
            let what = format!("what was said from {} UTC on ({})", when(first.time_ms), all.len());
            if is_channel {
                mark(session, to, format!("{what}:"));
            } else {
                // It stands in another window than what it is about, and so alone.
                session.notice(&format!("{to}: {what}"));
            }
        }
        (None, None) => {}
    }
    for said in all {
        let mut shown = (**said).clone();
        if !session.caps.has(Cap::ServerTime) && is_words(said.kind) {
            shown.text = format!("[{}] {}", when(said.time_ms), said.text);
        }
        // Where each stands is its own: of a talk of two, some is to the one and some to the other.
        let place = place_of(session, &said.place);
        said_in(session, &shown, &place, batch.as_deref());
    }
    match batch {
        Some(name) => {
            let end = session.server_line("BATCH").param(format!("-{name}"));
            session.reply(end);
        }
        None if is_channel => mark(session, to, "that was said before".to_owned()),
        None => {}
    }
}

/// Says where history begins and ends, to clients that know no batches: some show the time at which a line came, whatever the line says.
fn mark(session: &mut Session, channel: &str, what: String) {
    let reply = session.server_line("NOTICE").param(channel).text(what);
    session.reply(reply);
}

/// Whether it is a text that a person reads.
const fn is_words(kind: Kind) -> bool {
    matches!(kind, Kind::Text | Kind::Action | Kind::Notice)
}

/// A moment in words, without its seconds.
pub(super) fn when(time_ms: u64) -> String {
    let tag = text::time_tag(time_ms);
    tag.get(..16).map_or(tag.clone(), |minute| minute.replace('T', " "))
}

/// Shows what somebody did.
pub(super) fn did(session: &mut Session, did: &Did) {
    let from = |session: &Session, command: &'static str, who: &Source| {
        session.stamped(Reply::new(command).from(who.mask()), did.time_ms)
    };
    let who = &did.who;
    let reply = match &did.what {
        Deed::Joined(channel) => joined(session, from(session, "JOIN", who), channel, who),
        Deed::Parted(channel, why) => {
            let reply = from(session, "PART", who).param(channel.clone());
            if why.is_empty() { reply } else { reply.text(why.clone()) }
        }
        Deed::Quit(why) => from(session, "QUIT", who).text(why.clone()),
        Deed::Renamed(nick) => from(session, "NICK", who).param(nick.clone()),
        Deed::Away(why) => {
            if !session.caps.has(Cap::AwayNotify) {
                return;
            }
            let reply = from(session, "AWAY", who);
            match why {
                Some(why) => reply.text(why.clone()),
                None => reply,
            }
        }
        Deed::Realname(name) => {
            if !session.caps.has(Cap::Setname) {
                return;
            }
            from(session, "SETNAME", who).text(name.clone())
        }
        Deed::Invited(channel) => {
            let nick = session.source.nick.clone();
            from(session, "INVITE", who).param(nick).param(channel.clone())
        }
        Deed::Topic(channel, topic) => from(session, "TOPIC", who).param(channel.clone()).text(topic.clone()),
    };
    session.reply(reply);
}

/// The beginning of a text, for a quote.
pub(super) fn quote(words: &str) -> String {
    let clean = text::clean(words);
    let head = text::head(&clean, QUOTE_BYTES_MAX);
    if head.len() < clean.len() { format!("{head}…") } else { clean }
}
