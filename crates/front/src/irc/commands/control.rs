//! The channel by which the node is asked and told: `&nightjar`, for the client alone that says something there.

use crate::irc::caps::Cap;
use crate::irc::line::Reply;
use crate::irc::numeric::*;
use crate::irc::people::Source;
use crate::irc::session::Session;
use crate::irc::text;

/// Its name.
pub(in crate::irc) const CONTROL: &str = "&nightjar";
/// Who answers there, and can be written to as well.
pub(in crate::irc) const SERVANT: &str = "nightjar";
/// Bytes of an answer's line.
const ANSWER_BYTES_MAX: usize = 400;

fn servant(session: &Session) -> Source {
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
    let reply = super::channel::joined(session, session.from_self("JOIN"), CONTROL, &session.source.clone());
    session.reply(reply);
    session.numeric(RPL_TOPIC, &[CONTROL], "this node, and you: nobody else is here. Say help");
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
    let reply = session.from_self("PART").param(CONTROL).text(why);
    session.reply(reply);
    true
}

/// A client says something to the node: it is a command. The answer comes where it was said.
pub(super) async fn said(session: &mut Session, to: &str, words: &str) {
    if session.caps.has(Cap::EchoMessage) {
        let reply = session.from_self("PRIVMSG").param(to).text(words);
        session.reply(reply);
    }
    let answer = run(session, words).await;
    let is_channel = to.starts_with('&');
    let (mask, to) =
        (servant(session).mask(), if is_channel { CONTROL.to_owned() } else { session.source.nick.clone() });
    let command = if is_channel && session.in_control { "PRIVMSG" } else { "NOTICE" };
    let to = if is_channel && !session.in_control { session.source.nick.clone() } else { to };
    for line in answer.iter().flat_map(|line| text::lines(line, ANSWER_BYTES_MAX)) {
        let reply = Reply::new(command).from(mask.clone()).param(to.clone()).text(line);
        let reply = session.stamped(reply, session.hub.now_ms());
        session.reply(reply);
    }
}

async fn run(session: &mut Session, words: &str) -> Vec<String> {
    match words.trim() {
        "status" => super::server::state_of(session),
        _ => vec!["commands: help, status".to_owned()],
    }
}
