//! What a client says: to a channel, to a person, to another client here. It is shown here at once, and goes its way after that.

use std::str::FromStr as _;
use std::sync::Arc;

use nightjar_core::name::{Name, TypedName};
use nightjar_envelope::key::ChatKey;
use nightjar_envelope::map::{Content, Kind as MessageKind};
use nightjar_node::post::{Addressee, Letter, Sealed, SpeakAs};

use super::channel::channel_of;
use super::control::{self, CONTROL, SERVANT};
use crate::irc::caps::{Cap, MULTILINE_BYTES_MAX, MULTILINE_LINES_MAX};
use crate::irc::event::{Event, Kind, Place, Said};
use crate::irc::line::Line;
use crate::irc::numeric::*;
use crate::irc::people::{MARK, digits_of, is_service};
use crate::irc::session::{Session, TARGETS_MAX, ToSend};
use crate::irc::show;

/// Begins and ends what is for a client's program, not for its user.
pub(in crate::irc) const CTCP: char = '\u{1}';
const ACTION: &str = "ACTION";

/// A message of several lines that is not whole yet.
#[derive(Debug)]
pub(in crate::irc) struct Multiline {
    name: String,
    to: String,
    command: Option<String>,
    text: String,
    lines: usize,
    tags: Vec<(String, String)>,
    /// What its beginning was labelled with: all of it is answered by that.
    label: Option<String>,
    /// It was refused: what is still to come of it is passed over.
    refused: bool,
}

/// One thing that a client says.
struct Utterance {
    command: &'static str,
    kind: Kind,
    text: String,
    tags: Vec<(String, String)>,
}

impl Utterance {
    fn tag(&self, key: &str) -> Option<&str> {
        self.tags.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str())
    }

    /// The message that it answers.
    fn reply_to(&self) -> Option<&str> {
        self.tag("+draft/reply").or_else(|| self.tag("+reply")).filter(|id| !id.is_empty())
    }
}

/// The tags that clients give each other.
fn client_tags(line: &Line) -> Vec<(String, String)> {
    line.tags.iter().filter(|(key, _)| key.starts_with('+')).cloned().collect()
}

pub(super) async fn privmsg(session: &mut Session, line: &Line) {
    say(session, line, "PRIVMSG", Kind::Text).await;
}

pub(super) async fn notice(session: &mut Session, line: &Line) {
    say(session, line, "NOTICE", Kind::Notice).await;
}

async fn say(session: &mut Session, line: &Line, command: &'static str, kind: Kind) {
    let (targets, text) = match line.params.as_slice() {
        [] => return session.numeric(ERR_NORECIPIENT, &[], &format!("say to whom ({command})")),
        [_] => return session.numeric(ERR_NOTEXTTOSEND, &[], "say what"),
        [targets, text, ..] => (targets, text),
    };
    if text.is_empty() {
        return session.numeric(ERR_NOTEXTTOSEND, &[], "say what");
    }
    say_to_all(session, targets, &Utterance { command, kind, text: text.clone(), tags: client_tags(line) }).await;
}

pub(super) async fn tagmsg(session: &mut Session, line: &Line) {
    if !session.caps.has(Cap::MessageTags) {
        return session.numeric(ERR_UNKNOWNCOMMAND, &["TAGMSG"], "ask for the capability message-tags first");
    }
    let Some(targets) = line.params.first() else { return };
    let tags = client_tags(line);
    let sign = tags.iter().find(|(key, _)| key == "+draft/react" || key == "+react").map(|(_, sign)| sign.clone());
    let mut said = Utterance { command: "TAGMSG", kind: Kind::Tags, text: String::new(), tags };
    let is_answer = said.reply_to().and_then(reply_bytes).is_some();
    if let Some(sign) = sign.filter(|sign| !sign.is_empty() && is_answer) {
        (said.kind, said.text) = (Kind::Reaction, sign);
    }
    say_to_all(session, targets, &said).await;
}

async fn say_to_all(session: &mut Session, targets: &str, said: &Utterance) {
    if let Some(id) = session.id {
        session.hub.spoke(id);
    }
    let targets: Vec<&str> = targets.split(',').filter(|target| !target.is_empty()).collect();
    if targets.is_empty() {
        return session.numeric(ERR_NORECIPIENT, &[], &format!("say to whom ({})", said.command));
    }
    if targets.len() > TARGETS_MAX {
        let many = targets.len().to_string();
        return session.numeric(ERR_TOOMANYTARGETS, &[&many], &format!("{TARGETS_MAX} at once are the most"));
    }
    for to in targets {
        say_to(session, to, said).await;
    }
}

async fn say_to(session: &mut Session, to: &str, said: &Utterance) {
    let is_control = to.eq_ignore_ascii_case(CONTROL) || to.eq_ignore_ascii_case(SERVANT);
    if is_control {
        // A notice is never answered: two programs would answer each other for ever (RFC 2812, 3.3.2).
        if said.kind == Kind::Text {
            control::said(session, to, &said.text).await;
        }
        return;
    }
    let ctcp = said.text.strip_prefix(CTCP).map(|inner| inner.strip_suffix(CTCP).unwrap_or(inner));
    let (kind, text) = match ctcp.map(|inner| inner.split_once(' ').unwrap_or((inner, ""))) {
        Some((ACTION, text)) if said.kind == Kind::Text => (Kind::Action, text),
        _ => (said.kind, said.text.as_str()),
    };
    let is_ctcp = ctcp.is_some() && kind != Kind::Action;
    let local = session.hub.client_called(to);
    if is_ctcp && local.is_none() {
        return session.fail(
            said.command,
            "CTCP_NOT_SENT",
            &[to],
            "CTCP is for programs: but for ACTION (/me) it is not sent over a flood",
        );
    }
    match (local, to.starts_with(['#', '&'])) {
        (Some((other, look)), _) => {
            let away = look.away.filter(|_| said.kind == Kind::Text);
            let whole = Said { kind, text: text.to_owned(), ..local_said(session, Place::Person, said) };
            echo(session, &whole, to);
            session.hub.tell(other, Event::Said(Arc::new(whole)));
            if let Some(away) = away {
                session.numeric(RPL_AWAY, &[&look.source.nick], &away);
            }
        }
        (None, true) => match channel_of(to) {
            Ok((name, folded)) => {
                publish(session, to, said, kind, text, Addressee::Name(name), Place::Channel(folded)).await;
            }
            Err(why) => session.numeric(ERR_NOSUCHCHANNEL, &[to], &why),
        },
        (None, false) => match addressee(session, to) {
            Ok(Whom::Letter(whom)) => publish(session, to, said, kind, text, whom, Place::To(to.to_owned())).await,
            Ok(Whom::Wallet(peer)) => to_wallet(session, to, peer, said, text).await,
            Err(why) => session.numeric(ERR_NOSUCHNICK, &[to], &why),
        },
    }
}

/// Something said that stays here.
fn local_said(session: &Session, place: Place, said: &Utterance) -> Said {
    Said {
        from: Arc::clone(&session.source),
        place,
        kind: said.kind,
        text: said.text.clone(),
        id: Some(session.hub.local_id()),
        reply_to: said.reply_to().map(str::to_owned),
        time_ms: session.hub.now_ms(),
        tags: said.tags.clone(),
        seq: None,
        conversation: String::new(),
    }
}

/// Gives the client its own message back, if it wants that.
fn echo(session: &mut Session, said: &Said, to: &str) {
    if session.caps.has(Cap::EchoMessage) {
        show::said(session, said, to);
    }
}

/// Whom a client means by a nick.
enum Whom {
    Letter(Addressee),
    Wallet(std::net::SocketAddr),
}

/// Whom a client means by a nick. One with digits is its key's. A plain one that the user has to do with is its key's by the node's memory,
/// whoever was heard by it since; else it is that of whoever was heard by it, from now on; else of whoever listens to the name.
fn addressee(session: &Session, to: &str) -> Result<Whom, String> {
    let name = TypedName::from_str(to);
    if let Some(person) = session.hub.person_called(to) {
        let key = person.speaker.key;
        let nick = name.as_ref().ok().filter(|name| matches!(name.name(), Name::Nick(_)));
        let Some(nick) = nick else { return Ok(Whom::Letter(Addressee::Key(key))) };
        return match session.hub.node.post().pinned(nick.name()) {
            None => Ok(Whom::Letter(Addressee::Named(key, nick.name().clone()))),
            Some(pinned) if pinned == key => Ok(Whom::Letter(Addressee::Name(nick.clone()))),
            // It was pinned after he was heard by it. What the user sees and what the nick means are to be the same before anything goes out.
            Some(pinned) => {
                let (shown, meant) = (session.hub.meet_key(key), session.hub.meet_key(pinned));
                let (shown, meant) = (&shown.nick, &meant.nick);
                Err(format!(
                    "{to} means {meant} now, who has the key {MARK}{}, and who was shown by it is {shown}: nothing was sent, say it again to the one you mean",
                    digits_of(&pinned.to_string())
                ))
            }
        };
    }
    if let Some(peer) = session.hub.wallet_called(to) {
        return Ok(Whom::Wallet(peer));
    }
    // Clients tell services passwords by themselves: those would go to everybody.
    if is_service(to) {
        return Err(format!("there is no {to} here, and nothing was sent"));
    }
    match name {
        Ok(name) if matches!(name.name(), Name::Channel(_)) => Err(format!("{to} is a channel")),
        Ok(name) => Ok(Whom::Letter(Addressee::Name(name))),
        Err(error) => Err(error.to_string()),
    }
}

async fn to_wallet(session: &mut Session, to: &str, peer: std::net::SocketAddr, said: &Utterance, text: &str) {
    if !matches!(said.kind, Kind::Text | Kind::Notice) {
        return session.fail(said.command, "NOT_FOR_WALLETS", &[to], "a wallet takes texts alone");
    }
    match session.hub.node.send_wallet(peer, text.to_owned()).await {
        Ok(()) => {
            let whole = local_said(session, Place::To(to.to_owned()), said);
            echo(session, &whole, to);
        }
        Err(error) => session.fail(said.command, "CANNOT_SEND", &[to], &error.to_string()),
    }
}

/// Signs and seals a message, shows it to the clients here, and hands it on to be sent.
async fn publish(
    session: &mut Session,
    to: &str,
    said: &Utterance,
    kind: Kind,
    text: &str,
    whom: Addressee,
    place: Place,
) {
    let Some(id) = session.id else { return };
    if kind == Kind::Tags {
        // Such as that somebody is typing: for those here alone.
        let whole = local_said(session, place.clone(), said);
        echo(session, &whole, to);
        if let Place::Channel(folded) = &place {
            session.hub.say_in(folded, whole, Some(id));
        }
        return;
    }
    // What has no id on the network can be answered only among clients here: they get the tag.
    let reply_to = said.reply_to().and_then(reply_bytes);
    let letter = Letter {
        kind: match kind {
            Kind::Text | Kind::Tags => MessageKind::Text,
            Kind::Action => MessageKind::Action,
            Kind::Notice => MessageKind::Notice,
            Kind::Reaction => MessageKind::Reaction,
        },
        content: Some(Content::Text(text.to_owned().into())),
        reply_to,
        speaker: session.identity.map_or(SpeakAs::Usual, SpeakAs::Key),
        ..Letter::text(whom, "")
    };
    let ready = match session.hub.node.prepare(letter).await {
        Ok(ready) => ready,
        Err(error) => return session.fail(said.command, "CANNOT_SEND", &[to], &error.to_string()),
    };
    let other = ready.conversation().strip_prefix('@').and_then(|key| key.parse::<ChatKey>().ok());
    if let Some(other) = other.filter(|other| session.hub.asks(other)) {
        control::people::answered(session, other).await;
    }
    let is_person = matches!(place, Place::To(_));
    let whole = Said {
        kind,
        text: text.to_owned(),
        id: Some(ready.id().to_string()),
        time_ms: ready.shown().0,
        conversation: ready.conversation().to_owned(),
        ..local_said(session, place.clone(), said)
    };
    session.hub.sends(id, ready.id(), to, ready.conversation());
    echo(session, &whole, to);
    match &place {
        Place::Channel(folded) => session.hub.say_in(folded, whole, Some(id)),
        Place::To(_) | Place::Person => {
            // Another client that speaks as the same sees it as well.
            let (default, event) = (session.hub.default_key(), Event::Said(Arc::new(whole)));
            let identity = session.identity.or(default);
            session.hub.tell_all(Some(id), &event, |other| other.or(default) == identity);
        }
    }
    if session.sends.try_send(ToSend { ready, to: to.to_owned(), is_person }).is_err() {
        session.fail(said.command, "CANNOT_SEND", &[to], "the gateway ends: start the node again, and say it again");
    }
}

/// The first bytes of a message's id, by which it is answered.
fn reply_bytes(id: &str) -> Option<[u8; 8]> {
    let digits = id.get(..16).filter(|_| id.len() == 32 || id.len() == 16)?;
    let number =
        u64::from_str_radix(digits, 16).ok().filter(|_| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
    Some(number.to_be_bytes())
}

/// Whether everybody can read what was sent.
pub(in crate::irc) const fn is_open(sealed: Sealed) -> bool {
    matches!(sealed, Sealed::Open)
}

pub(super) async fn batch(session: &mut Session, line: &Line) {
    let [name, rest @ ..] = line.params.as_slice() else { return };
    if let Some(name) = name.strip_prefix('-') {
        match session.multiline.take_if(|open| open.name == *name) {
            Some(whole) if whole.refused => {}
            Some(whole) => finish(session, whole).await,
            None => session.fail("BATCH", "INVALID_REFTAG", &[name], "no such batch is open"),
        }
        return;
    }
    let Some(name) = name.strip_prefix('+').filter(|name| !name.is_empty()) else {
        return session.fail("BATCH", "INVALID_REFTAG", &[name], "a batch begins with + and ends with -");
    };
    match rest {
        [kind, to, ..] if kind == "draft/multiline" && session.caps.has(Cap::Multiline) => {
            if session.multiline.take_if(|open| !open.refused).is_some() {
                return session.fail("BATCH", "MULTILINE_INVALID", &[], "a batch is open already: both are dropped");
            }
            session.multiline = Some(Multiline {
                name: name.to_owned(),
                to: to.clone(),
                command: None,
                text: String::new(),
                lines: 0,
                tags: client_tags(line),
                label: session.take_label(),
                refused: false,
            });
        }
        _ => {
            let why = "only draft/multiline with a target is taken, by those who asked for it";
            session.fail("BATCH", "UNKNOWN_TYPE", &[name], why);
        }
    }
}

async fn finish(session: &mut Session, whole: Multiline) {
    let Multiline { to, command, text, tags, label, lines, .. } = whole;
    session.set_label(label);
    if lines == 0 || text.trim_matches('\n').is_empty() {
        return session.fail("BATCH", "MULTILINE_INVALID", &[], "the batch says nothing");
    }
    let (command, kind) = match command.as_deref() {
        Some("NOTICE") => ("NOTICE", Kind::Notice),
        _ => ("PRIVMSG", Kind::Text),
    };
    say_to_all(session, &to, &Utterance { command, kind, text, tags }).await;
}

impl Session {
    /// Takes a line that is a part of a message of several; `false` if it is none.
    pub(in crate::irc) fn take_multiline(&mut self, line: &Line) -> bool {
        let Some(name) = line.tag("batch").filter(|_| self.caps.has(Cap::Multiline)) else { return false };
        let added = match self.multiline.as_mut().filter(|open| open.name == name) {
            Some(open) if open.refused => Ok(()),
            Some(open) => open.add(line),
            None => Err(("MULTILINE_INVALID", None, "no such batch is open")),
        };
        if let Err((code, limit, why)) = added {
            if let Some(open) = &mut self.multiline {
                open.refused = true;
                let label = open.label.take();
                self.set_label(label);
            }
            let limit = limit.map(|limit: usize| limit.to_string());
            self.fail("BATCH", code, &limit.iter().map(String::as_str).collect::<Vec<_>>(), why);
        }
        true
    }
}

impl Multiline {
    /// One more line, or why it is refused: by which code, and over which limit.
    fn add(&mut self, line: &Line) -> Result<(), (&'static str, Option<usize>, &'static str)> {
        let is_join = line.tag("draft/multiline-concat").is_some();
        let ("PRIVMSG" | "NOTICE", [to, text, ..]) = (line.command.as_str(), line.params.as_slice()) else {
            return Err(("MULTILINE_INVALID", None, "only PRIVMSG and NOTICE with a text are lines of a message"));
        };
        if *to != self.to {
            return Err(("MULTILINE_INVALID_TARGET", None, "all lines of a message go to one target"));
        }
        if self.command.get_or_insert_with(|| line.command.clone()) != &line.command {
            return Err(("MULTILINE_INVALID", None, "a message is PRIVMSG or NOTICE, not both"));
        }
        if is_join && text.is_empty() {
            return Err(("MULTILINE_INVALID", None, "an empty line cannot be put to the one before it"));
        }
        if self.lines >= MULTILINE_LINES_MAX {
            return Err(("MULTILINE_MAX_LINES", Some(MULTILINE_LINES_MAX), "these are too many lines for one message"));
        }
        if self.text.len() + text.len() + 1 > MULTILINE_BYTES_MAX {
            return Err(("MULTILINE_MAX_BYTES", Some(MULTILINE_BYTES_MAX), "these are too many bytes for one message"));
        }
        if self.lines > 0 && !is_join {
            self.text.push('\n');
        }
        self.text.push_str(text);
        self.lines += 1;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_answered_by_the_first_bytes_of_its_id() {
        assert_eq!(reply_bytes("00010203040506078899aabbccddeeff"), Some([0, 1, 2, 3, 4, 5, 6, 7]));
        assert_eq!(reply_bytes("0001020304050607"), Some([0, 1, 2, 3, 4, 5, 6, 7]));
        for wrong in ["", "local1x2", "0001", "+001020304050607", "0001020304050607ä"] {
            assert_eq!(reply_bytes(wrong), None, "{wrong}");
        }
    }
}
