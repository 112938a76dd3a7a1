//! MARKREAD (IRCv3, read marker): up to where a conversation was read, in one place for all clients and front ends of the node.

use std::sync::Arc;

use nightjar_core::time::Wall;

use super::{Refused, find};
use crate::irc::ask::moment;
use crate::irc::caps::Cap;
use crate::irc::event::{Event, Place};
use crate::irc::line::Line;
use crate::irc::numeric::ERR_UNKNOWNCOMMAND;
use crate::irc::session::Session;
use crate::irc::text;

/// Says how far a channel was read that the client enters.
pub(in crate::irc::commands) async fn tell_read(session: &mut Session, typed: &str, folded: &str) {
    if !session.caps.has(Cap::ReadMarker) {
        return;
    }
    match session.hub.node.read_until(folded).await {
        Ok(until) => reply_read(session, typed, until),
        Err(error) => Refused::new("INTERNAL_ERROR", &[typed], error).tell(session, "MARKREAD"),
    }
}

fn reply_read(session: &mut Session, typed: &str, until: Option<Wall>) {
    let until = until.map_or_else(|| "*".to_owned(), |until| format!("timestamp={}", text::time_tag(until.0)));
    let reply = session.server_line("MARKREAD").param(typed).param(until);
    session.reply(reply);
}

pub(in crate::irc::commands) async fn markread(session: &mut Session, line: &Line) {
    if !session.caps.has(Cap::ReadMarker) {
        let why = "ask for the capability draft/read-marker first";
        return session.numeric(ERR_UNKNOWNCOMMAND, &["MARKREAD"], why);
    }
    if let Err(refused) = mark(session, &line.params).await {
        refused.tell(session, "MARKREAD");
    }
}

async fn mark(session: &mut Session, params: &[String]) -> Result<(), Refused> {
    let (target, until) = match params {
        [] => {
            return Err(Refused::new(
                "NEED_MORE_PARAMS",
                &[],
                "say what was read: MARKREAD #CHANNEL|NICK [timestamp=WHEN]",
            ));
        }
        [target] => (target, None),
        [target, until] => match moment(until) {
            Some(until) => (target, Some(Wall(until))),
            None => {
                let why = "timestamp=YYYY-MM-DDThh:mm:ss.sssZ is wanted";
                return Err(Refused::new("INVALID_PARAMS", &[target, until], why));
            }
        },
        [target, ..] => return Err(Refused::new("INVALID_PARAMS", &[target], "too many parameters")),
    };
    let failed = |error: &dyn ToString| Refused::new("INTERNAL_ERROR", &[target], error.to_string());
    let Some(found) = find(session, target).await.map_err(|error| failed(&error))? else {
        let why = "no channel and no person can be called so";
        return Err(Refused::new("INVALID_PARAMS", &[target], why));
    };
    session.hub.until_stored(|conversation| found.conversations.contains(conversation)).await;
    let node = session.hub.node.clone();
    let mut before = None;
    for conversation in &found.conversations {
        before = before.max(node.read_until(conversation).await.map_err(|error| failed(&error))?);
    }
    let mut now = before;
    for conversation in found.conversations.iter().filter(|_| until.is_some()) {
        let until = until.unwrap_or_default();
        let marked = node.mark_read_until(conversation.clone(), until).await.map_err(|error| failed(&error))?;
        // There are places for so many without messages.
        now = now.max(Some(marked).filter(|marked| marked.0 > 0));
    }
    reply_read(session, target, now);
    if let Some(now) = now.filter(|_| now > before) {
        tell_others(session, found.place, now.0);
    }
    Ok(())
}

/// The user's other clients know it as well.
fn tell_others(session: &Session, place: Place, until_ms: u64) {
    let event = Event::Read(Arc::new(place.clone()), until_ms);
    match place {
        Place::Channel(folded) => session.hub.tell_channel(&folded, session.id, &event),
        Place::Person | Place::To(_) => {
            let default = session.hub.default_key();
            let me = session.identity.or(default);
            session.hub.tell_all(session.id, &event, |identity| identity.or(default) == me);
        }
    }
}
