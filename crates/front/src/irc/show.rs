//! What was said and done, as lines for one client: by what it can take. Reads a node's message as IRC has it.

use std::borrow::Cow;
use std::sync::Arc;

use nightjar_envelope::map::{Kind as MessageKind, Map};
use nightjar_node::message::{Content, Message, Said as Says, Seq, text_of};

use super::caps::{Cap, MULTILINE_BYTES_MAX, MULTILINE_LINES_MAX};
use super::commands::channel::joined;
use super::commands::talk::CTCP;
use super::event::{Deed, Did, Kind, Place, Said};
use super::line::{BODY_BYTES_MAX, Reply, SERVER_TAGS_BYTES_MAX};
use super::people::Source;
use super::session::Session;
use super::text;

/// Bytes that a text has at least in a line, however long names are.
const TEXT_BYTES_MIN: usize = 64;
/// Lines of one message that are shown of what is said now, to clients that do not get it as one: two screens. What a message has room for
/// would be tens of thousands.
pub(super) const LINES_MAX: usize = 40;
/// The same of what was said before, where many messages are shown at once.
pub(super) const HISTORY_LINES_MAX: usize = 10;
/// What all lines of one history take at the most: all that it can have of messages of a few lines, and nothing that a client chokes on.
pub(super) const HISTORY_BYTES_MAX: usize = 512 << 10;
/// Longer than what says that lines are not shown.
const NOTE_BYTES_MAX: usize = 128;
/// What a line of history has besides its tags, its words and who says them where: the name of its batch, and the marks of an action.
const LINE_MORE_BYTES: usize = 40;
/// The longest sign that somebody can put to a message: any emoji has room, and a word.
pub(super) const SIGN_BYTES_MAX: usize = 64;

// Whatever a message says, there is room for it in half of a history, so that a part of a conversation that is not empty never seems to be.
const _: () = assert!(
    (HISTORY_LINES_MAX + 1) * (BODY_BYTES_MAX + SERVER_TAGS_BYTES_MAX + LINE_MORE_BYTES) <= HISTORY_BYTES_MAX / 2
);

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
    let text = text_of(&message.content, reading).map(Cow::into_owned);
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
        (Some(MessageKind::Reaction), _) => words(Kind::Reaction, text.filter(|sign| is_sign(sign))?),
        (Some(MessageKind::Edit), _) => words(Kind::Text, format!("{} [edited]", text?)),
        (Some(MessageKind::Data), _) => {
            let bytes = map.as_ref().and_then(|map| Some(map.content().ok()??.as_bytes().len())).unwrap_or(0);
            words(Kind::Notice, format!("[{bytes} bytes of data for a program]"))
        }
        (Some(_), _) => None,
    }
}

/// Whether somebody can put this to a message: a sign, and no message of its own.
fn is_sign(sign: &str) -> bool {
    sign.len() <= SIGN_BYTES_MAX && !sign.contains(['\r', '\n']) && !text::clean(sign).trim().is_empty()
}

/// Shows something that was said. `to` is what stands where the recipient stands.
pub(super) fn said(session: &mut Session, said: &Said, to: &str) {
    let Some(command) = command_of(session, said, false) else { return };
    let is_own_ctcp =
        said.seq.is_none() && said.text.starts_with(CTCP) && said.id.as_ref().is_some_and(|id| id.starts_with("local"));
    if is_own_ctcp && command != "TAGMSG" {
        // Between clients of this node, whose programs may talk to each other.
        let reply = base(session, said, command, to, None).text(said.text.clone());
        session.reply(reply);
        return;
    }
    let room = room(said, command, to);
    let shown = shown_lines(said, &words_in(said), room, LINES_MAX);
    let is_long = shown.lines.len() > 1 || said.text.contains('\n');
    if is_long && session.caps.has(Cap::Multiline) && session.caps.has(Cap::Batch) && !is_action(said) {
        multiline(session, said, to, room, base(session, said, command, to, None));
        return;
    }
    show_lines(session, said, shown, base(session, said, command, to, None));
}

/// What says it to this client; `None` if there is nothing to see.
fn command_of(session: &Session, said: &Said, in_batch: bool) -> Option<&'static str> {
    // In a batch of history are words alone (IRCv3, chathistory): a sign is told in words there.
    let has_tags = session.caps.has(Cap::MessageTags) && !in_batch;
    match said.kind {
        Kind::Text | Kind::Action => Some("PRIVMSG"),
        Kind::Notice => Some("NOTICE"),
        Kind::Tags | Kind::Reaction if has_tags => Some("TAGMSG"),
        Kind::Tags => None,
        // A sign is for people: without tags it is told in words.
        Kind::Reaction => Some("PRIVMSG"),
    }
}

/// Bytes of a text that have room in one line.
fn room(said: &Said, command: &str, to: &str) -> usize {
    let others = said.from.mask().len() + command.len() + to.len() + 32;
    BODY_BYTES_MAX.saturating_sub(others).max(TEXT_BYTES_MIN)
}

/// The line without its words.
fn base(session: &Session, said: &Said, command: &'static str, to: &str, batch: Option<&str>) -> Reply {
    let base = Reply::new(command).from(said.from.mask()).param(to);
    tagged(session, base, said, batch)
}

/// What was said, in words.
fn words_in(said: &Said) -> Cow<'_, str> {
    match said.kind {
        Kind::Reaction => format!("reacts with {}", said.text).into(),
        _ => said.text.as_str().into(),
    }
}

const fn is_action(said: &Said) -> bool {
    matches!(said.kind, Kind::Action | Kind::Reaction)
}

/// The lines of a message that are shown.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Shown {
    lines: Vec<String>,
    /// Says that there are more, if there are.
    note: Option<String>,
}

fn shown_lines(said: &Said, words: &str, room: usize, lines_max: usize) -> Shown {
    let (lines, more) = text::first_lines(words, room, lines_max);
    Shown { lines, note: not_shown(more, said.seq) }
}

/// Says that lines are not shown, and where they are if they are anywhere.
fn not_shown(more: usize, seq: Option<Seq>) -> Option<String> {
    let what = match more {
        0 => return None,
        1 => "1 more line is not shown".to_owned(),
        more => format!("{more} more lines are not shown"),
    };
    Some(match seq {
        Some(seq) => format!("[{what}: \"nightjar listen --since {}\" shows all]", seq.saturating_sub(1)),
        None => format!("[{what}]"),
    })
}

/// Shows a message line by line.
fn show_lines(session: &mut Session, said: &Said, shown: Shown, base: Reply) {
    if base.command == "TAGMSG" {
        let is_bare = said.kind == Kind::Reaction && said.tags.is_empty();
        let base = if is_bare { base.tag("+draft/react", text::clean(&said.text)) } else { base };
        session.reply(base);
        return;
    }
    let as_text = |line: String| if is_action(said) { format!("{CTCP}ACTION {line}{CTCP}") } else { line };
    for (number, line) in shown.lines.into_iter().map(as_text).chain(shown.note).enumerate() {
        let mut reply = base.clone();
        if number > 0 {
            // One message has one id: of what it is cut into only the first line has it.
            reply.tags.retain(|(key, _)| matches!(key.as_ref(), "time" | "account" | "batch") || key.starts_with('+'));
        }
        session.reply(reply.text(line));
    }
}

/// A message of several lines, as one.
fn multiline(session: &mut Session, said: &Said, to: &str, room: usize, base: Reply) {
    let name = session.batch_name();
    let Reply { tags, source, command, .. } = base;
    let mut begin = Reply { tags, source: source.clone(), ..Reply::new("BATCH") };
    begin = begin.param(format!("+{name}")).param("draft/multiline").param(to);
    session.reply(begin);
    // Put together by the client, so that no blank may be lost.
    for text::Piece { text, goes_on } in shown_pieces(said, room) {
        let reply = Reply { source: source.clone(), ..Reply::new(command.clone()) }.tag("batch", name.clone());
        let reply = if goes_on { reply.tag("draft/multiline-concat", "") } else { reply };
        session.reply(reply.param(to).text(text));
    }
    let end = session.server_line("BATCH").param(format!("-{name}"));
    session.reply(end);
}

/// The pieces of a message in a batch, no more than a client is told that there can be.
fn shown_pieces(said: &Said, room: usize) -> Vec<text::Piece> {
    let (pieces, more) = text::first_pieces(&said.text, room, MULTILINE_LINES_MAX, MULTILINE_BYTES_MAX);
    if more == 0 {
        return pieces;
    }
    // What says that there are more is a line as well.
    let (lines_max, bytes_max) = (MULTILINE_LINES_MAX - 1, MULTILINE_BYTES_MAX - NOTE_BYTES_MAX);
    let (mut pieces, more) = text::first_pieces(&said.text, room, lines_max, bytes_max);
    pieces.extend(not_shown(more, said.seq).map(|text| text::Piece { text, goes_on: false }));
    pieces
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

/// Something that was said, cut to what is shown of it within history.
pub(super) struct Past {
    /// Its words are not kept: they may be long, and there may be many of it.
    pub(super) said: Arc<Said>,
    command: Option<&'static str>,
    shown: Shown,
    /// What its lines take, at the most.
    bytes: usize,
}

impl Past {
    /// What is shown of it to this client.
    pub(super) fn of(session: &Session, said: &Said) -> Self {
        let silent = Said {
            from: Arc::clone(&said.from),
            place: said.place.clone(),
            kind: said.kind,
            // A sign is short, and is a tag to some.
            text: if said.kind == Kind::Reaction { said.text.clone() } else { String::new() },
            id: said.id.clone(),
            reply_to: said.reply_to.clone(),
            time_ms: said.time_ms,
            tags: said.tags.clone(),
            seq: said.seq,
            conversation: said.conversation.clone(),
        };
        let (to, command) = (place_of(session, &said.place), command_of(session, said, session.caps.has(Cap::Batch)));
        let words = match words_in(said) {
            words if !session.caps.has(Cap::ServerTime) && is_words(said.kind) => {
                format!("[{}] {words}", when(said.time_ms)).into()
            }
            words => words,
        };
        let line = command.unwrap_or_default();
        let shown = shown_lines(said, &words, room(said, line, &to), HISTORY_LINES_MAX);
        let mut empty = Vec::new();
        base(session, said, line, &to, Some("")).write(&mut empty);
        let each = empty.len() + LINE_MORE_BYTES;
        let bytes = shown.lines.iter().chain(&shown.note).map(|line| line.len() + each).sum();
        Self { said: Arc::new(silent), command, shown, bytes }
    }
}

/// What is free in a history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Room(usize);

impl Room {
    /// A part of all that one history may take.
    pub(super) const fn part(parts: usize) -> Self {
        Self(HISTORY_BYTES_MAX / parts)
    }

    /// Whether it has room, which is taken then.
    pub(super) const fn takes(&mut self, past: &Past) -> bool {
        let left = self.0.checked_sub(past.bytes);
        if let Some(left) = left {
            self.0 = left;
        }
        left.is_some()
    }

    /// Adds what is free in another one.
    pub(super) const fn add(&mut self, other: Self) {
        self.0 += other.0;
    }
}

/// The newest of these for which there is room, in their order, and how many others there are. They are given from the newest on.
pub(super) fn newest(all: impl IntoIterator<Item = Past>) -> (Vec<Past>, usize) {
    let (mut kept, mut room, mut left_out) = (Vec::new(), Room::part(1), 0);
    for past in all {
        if left_out == 0 && room.takes(&past) {
            kept.push(past);
        } else {
            left_out += 1;
        }
    }
    kept.reverse();
    (kept, left_out)
}

/// Shows what was said while the client could not hear it. `to` is what the whole is called: the channel, or the other one.
pub(super) fn history(session: &mut Session, to: &str, all: &[Arc<Said>]) {
    let (kept, left_out) = newest(all.iter().rev().map(|said| Past::of(session, said)));
    if left_out > 0 {
        session.notice(&format!(
            "{to}: {left_out} messages that came late are not shown, for they are long: \"nightjar listen --since 0\" shows all."
        ));
    }
    past(session, to, kept);
}

/// Shows what was said before: as a batch, or with times in words for those who know neither.
pub(super) fn past(session: &mut Session, to: &str, all: Vec<Past>) {
    let batch = session.caps.has(Cap::Batch).then(|| session.batch_name());
    let is_channel = to.starts_with('#');
    match (&batch, all.first()) {
        (Some(name), _) => {
            let begin = session.server_line("BATCH").param(format!("+{name}")).param("chathistory").param(to);
            session.reply(begin);
        }
        (None, Some(first)) => {
            let what = format!("what was said from {} UTC on ({})", when(first.said.time_ms), all.len());
            if is_channel {
                mark(session, to, format!("{what}:"));
            } else {
                // It stands in another window than what it is about, and so alone.
                session.notice(&format!("{to}: {what}"));
            }
        }
        (None, None) => {}
    }
    for Past { said, command, shown, .. } in all {
        let Some(command) = command else { continue };
        // Where each stands is its own: of a talk of two, some is to the one and some to the other.
        let place = place_of(session, &said.place);
        let base = base(session, &said, command, &place, batch.as_deref());
        show_lines(session, &said, shown, base);
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

#[cfg(test)]
mod tests {
    #![allow(clippy::indexing_slicing, clippy::panic, reason = "a test may fail loudly")]

    use super::super::people::Source;
    use super::*;

    fn said(kind: Kind, text: &str, seq: Option<Seq>) -> Said {
        Said {
            from: Arc::new(Source::anonymous()),
            place: Place::Person,
            kind,
            text: text.to_owned(),
            id: None,
            reply_to: None,
            time_ms: 0,
            tags: Vec::new(),
            seq,
            conversation: String::new(),
        }
    }

    fn past(bytes: usize) -> Past {
        let shown = Shown { lines: Vec::new(), note: None };
        Past { said: Arc::new(said(Kind::Text, "", None)), command: None, shown, bytes }
    }

    #[test]
    fn a_message_is_cut_to_some_lines_and_it_is_said_how_many_more_there_are() {
        let lines = |count: usize, seq| shown_lines(&said(Kind::Text, "", seq), &"b\n".repeat(count), 400, LINES_MAX);
        assert_eq!(lines(40, Some(7)), Shown { lines: vec!["b".to_owned(); 40], note: None });
        let note = |count, seq| lines(count, seq).note.unwrap_or_default();
        assert_eq!(note(41, Some(7)), "[1 more line is not shown: \"nightjar listen --since 6\" shows all]");
        assert_eq!(note(32_767, Some(7)), "[32727 more lines are not shown: \"nightjar listen --since 6\" shows all]");
        assert_eq!(note(42, None), "[2 more lines are not shown]", "it is in no log");
        assert_eq!(lines(32_767, None).lines.len(), 40);
    }

    #[test]
    fn what_says_that_lines_are_not_shown_has_room_where_lines_have() {
        let longest = not_shown(usize::MAX, Some(Seq::MAX)).unwrap_or_default();
        assert!(longest.len() < NOTE_BYTES_MAX, "{longest}");
    }

    #[test]
    fn one_batch_has_no_more_than_clients_are_told() {
        let bytes = |pieces: &[text::Piece]| pieces.iter().map(|piece| piece.text.len() + 1).sum::<usize>();
        let pieces = |text: &str| shown_pieces(&said(Kind::Text, text, Some(1)), 400);
        for (text, count) in [("b\n".repeat(199), 200), ("b\n".repeat(200), 200), ("b\n".repeat(32_000), 200)] {
            assert_eq!(pieces(&text).len(), count);
        }
        assert_eq!(pieces(&"b\n".repeat(199))[199].text, "", "it is whole");
        assert!(pieces(&"b\n".repeat(200))[199].text.starts_with("[2 more lines are not shown"));
        let long = pieces(&"b".repeat(65_000));
        assert!(bytes(&long) <= MULTILINE_BYTES_MAX && bytes(&long) > MULTILINE_BYTES_MAX - 1_000);
        let [.., last_of_text, last] = long.as_slice() else { panic!("it is longer") };
        assert!(last_of_text.goes_on && !last.goes_on && last.text.starts_with("[123 more lines"), "{last:?}");
    }

    #[test]
    fn of_much_the_newest_is_shown_and_the_rest_is_counted() {
        let sizes = |all: &[usize]| {
            let (kept, left_out) = newest(all.iter().rev().copied().map(past));
            (kept.iter().map(|past| past.bytes).collect::<Vec<_>>(), left_out)
        };
        let half = HISTORY_BYTES_MAX / 2;
        assert_eq!(sizes(&[]), (vec![], 0));
        assert_eq!(sizes(&[half - 1, half + 1]), (vec![half - 1, half + 1], 0));
        assert_eq!(sizes(&[half, 1, half]), (vec![1, half], 1));
        assert_eq!(sizes(&[1, half, 1, half]), (vec![1, half], 2), "nothing is missing between what is shown");
    }

    #[test]
    fn a_sign_is_short_and_one_line() {
        for sign in ["👍", "👩\u{200d}🔬", ":+1:", &"x".repeat(SIGN_BYTES_MAX)] {
            assert!(is_sign(sign), "{sign}");
        }
        for other in ["", " ", "\t", "\u{1}", "a\nb", "a\n", "a\rb", &"x".repeat(SIGN_BYTES_MAX + 1)] {
            assert!(!is_sign(other), "{other:?}");
        }
    }
}
