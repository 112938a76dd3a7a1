//! The channel by which the node is asked and told: `&nightjar`, for the client alone that says something there.

mod identity;
mod log;
mod node;
pub(in crate::irc::commands) mod people;
pub(in crate::irc) mod places;
mod table;
mod words;

use nightjar_envelope::key::ChatKey;

use crate::irc::caps::Cap;
use crate::irc::line::Reply;
use crate::irc::numeric::*;
use crate::irc::people::{DIGITS, MARK, Source};
use crate::irc::session::Session;
use crate::irc::text;

/// Its name.
pub(in crate::irc) const CONTROL: &str = "&nightjar";
/// Who answers there, and can be written to as well.
pub(in crate::irc) const SERVANT: &str = "nightjar";
/// Bytes of an answer's line.
const ANSWER_BYTES_MAX: usize = 400;
/// Why the node does not answer any more.
const SHUTTING_DOWN: &str = "the node is shutting down: start it again";

/// What it is about.
pub(super) const TOPIC: &str = "this node, and you: nobody else is here. Say help";

/// Who answers.
pub(super) fn servant(session: &Session) -> Source {
    Source {
        nick: SERVANT.to_owned(),
        user: SERVANT.to_owned(),
        host: session.hub.name().to_owned(),
        account: None,
        realname: "this node".to_owned(),
    }
}

/// A client enters.
pub(super) fn enter(session: &mut Session) {
    if std::mem::replace(&mut session.in_control, true) {
        return;
    }
    let reply = super::channel::joined(session, session.own_line("JOIN"), CONTROL, &session.source.clone());
    session.reply(reply);
    session.numeric(RPL_TOPIC, &[CONTROL], TOPIC);
    tell_names(session);
}

pub(super) fn tell_names(session: &mut Session) {
    let names = [session.source.nick.clone(), SERVANT.to_owned()];
    let names = names.into_iter().filter(|_| session.in_control).collect::<Vec<_>>();
    super::channel::tell_all_names(session, CONTROL, names.into_iter());
}

/// A client leaves; `false` if it was not there.
pub(super) fn leave(session: &mut Session, why: &str) -> bool {
    if !std::mem::replace(&mut session.in_control, false) {
        return false;
    }
    let reply = session.own_line("PART").param(CONTROL).text(why);
    session.reply(reply);
    true
}

/// A client says something to the node: each line is a command. The answer comes where it was said.
pub(super) async fn said(session: &mut Session, to: &str, words: &str) {
    for line in words.lines() {
        if session.caps.has(Cap::EchoMessage) {
            let reply = session.own_line("PRIVMSG").param(to).text(line);
            session.reply(reply);
        }
        let answer = table::run(session, line).await;
        let in_channel = to.starts_with('&') && session.in_control;
        for line in answer {
            answer_with(session, in_channel, &line);
        }
    }
}

/// What the node says by itself: in its channel to those who are there, to others as the server.
pub(in crate::irc) fn notice(session: &mut Session, what: &str) {
    if session.in_control { answer_with(session, true, what) } else { session.notice(what) }
}

fn answer_with(session: &mut Session, in_channel: bool, what: &str) {
    let (command, to) =
        if in_channel { ("PRIVMSG", CONTROL.to_owned()) } else { ("NOTICE", session.source.nick.clone()) };
    let mask = servant(session).mask();
    for line in text::lines(what, ANSWER_BYTES_MAX) {
        let reply = Reply::new(command).from(mask.clone()).param(to.clone()).text(line);
        let reply = session.stamped(reply, session.hub.now_ms());
        session.reply(reply);
    }
}

/// The commands as a table of Markdown, for the docs.
pub(in crate::irc) fn reference() -> String {
    table::reference()
}

/// The first digits of a key, as they stand behind a nick.
fn short(key: &ChatKey) -> String {
    let key = key.to_string();
    format!("{MARK}{}", key.get(..DIGITS).unwrap_or(&key))
}
