//! What is unread, played back to clients that cannot ask for it, and who was heard in a channel before a client entered it.

use std::collections::BTreeMap;
use std::time::Duration;

use nightjar_core::time::Wall;
use nightjar_node::message::{History, Place as Spot, Seq};

use super::Viewer;
use crate::irc::caps::Cap;
use crate::irc::commands::register::speaking;
use crate::irc::hub::{HEARD_MS, Hub};
use crate::irc::session::Session;
use crate::irc::show::{self, Past};

/// Unread messages that are played back on joining.
const PLAYBACK_MAX: usize = 100;
/// Conversations with people that are played back on coming in: those in which something was said last. What follows is some screens.
const PLAYBACK_PEOPLE_MAX: usize = 20;
/// Unread messages of each of them.
const PLAYBACK_PERSON_MAX: usize = 50;
/// Messages that are looked at when a client enters a channel, for who was heard there: most talk of half an hour.
const SEED_MAX: usize = 300;

/// Who was heard lately in a channel that a client enters is listed there from the start.
pub(in crate::irc::commands) async fn seed(hub: &Hub, folded: &str) {
    if !hub.has_one_client(folded) {
        return;
    }
    let now_ms = hub.now_ms();
    let wanted = History {
        conversations: vec![folded.to_owned()],
        after: Some(Spot { shown: Wall(now_ms.saturating_sub(HEARD_MS)), seq: 0 }),
        newest: true,
        limit: SEED_MAX,
        ..History::default()
    };
    let messages = match hub.node.history(wanted).await {
        Ok(messages) => messages,
        Err(error) => return tracing::debug!(%error, "who was heard before is not known to IRC clients"),
    };
    for message in messages.iter().filter(|message| !message.own && show::words_of(message).is_some()) {
        let Some(author) = message.reading.as_ref().and_then(|reading| reading.author) else { continue };
        match &message.speaker {
            Some(speaker) => drop(hub.meet(speaker)),
            None => drop(hub.meet_key(author)),
        }
        hub.heard_before(folded, author, Duration::from_millis(now_ms.saturating_sub(message.shown().0)));
    }
}

/// Plays back what is unread in a channel, to clients that cannot ask for it themselves.
pub(in crate::irc::commands) async fn play_back(session: &mut Session, typed: &str, folded: &str) {
    if session.caps.has(Cap::ChatHistory) {
        return;
    }
    let Some(unread) = unread(session, folded, PLAYBACK_MAX, Seq::MAX).await else { return };
    tell_of_more(session, typed, &unread, PLAYBACK_MAX);
    let Unread { all, last, .. } = unread;
    if !all.is_empty() {
        show::past(session, typed, all);
    }
    session.channels.insert(folded.to_owned(), last);
    session.has_shown_up_to(folded, last);
}

/// The same of what persons wrote to the identity that speaks for the client.
pub(in crate::irc::commands) async fn play_back_people(session: &mut Session) {
    if session.caps.has(Cap::ChatHistory) {
        return;
    }
    let all = match session.hub.node.conversations().await {
        Ok(all) => all,
        Err(error) => return session.notice(&format!("what is unread cannot be read: {error}")),
    };
    // What is behind this comes as news: it was stored after the client came in.
    let last = all.iter().map(|conversation| conversation.last_seq).max().unwrap_or(0);
    let own = speaking(session).map(|me| me.names().map(|name| name.text()).collect::<Vec<_>>()).unwrap_or_default();
    let unread = all.into_iter().filter(|it| it.unread > 0 && (it.name.starts_with('@') || own.contains(&it.name)));
    // Strangers who ask to talk must not take the places of those whom the user knows.
    let unread = unread.filter(|conversation| !conversation.request);
    let names: Vec<String> = unread.map(|conversation| conversation.name).collect();
    if names.len() > PLAYBACK_PEOPLE_MAX {
        session.notice(&format!(
            "You have unread messages in {} conversations: {PLAYBACK_PEOPLE_MAX} follow, \"nightjar conversations\" lists all.",
            names.len()
        ));
    }
    // The one in which something was said last comes last.
    for conversation in names.into_iter().take(PLAYBACK_PEOPLE_MAX).rev() {
        play_back_person(session, &conversation, last).await;
    }
    session.played_people = last;
}

/// Plays back what is unread of a conversation that is no channel, up to a place in the log: each person's as history of its own.
pub(in crate::irc::commands) async fn play_back_person(session: &mut Session, conversation: &str, until: Seq) {
    let Some(unread) = unread(session, conversation, PLAYBACK_PERSON_MAX, until).await else { return };
    if unread.all.is_empty() {
        // Strangers' requests, or another identity's: unread they stay.
        return;
    }
    let name = session.hub.name_of(conversation);
    tell_of_more(session, &name, &unread, PLAYBACK_PERSON_MAX);
    let Unread { all, last, .. } = unread;
    let mut rows: BTreeMap<String, Vec<Past>> = BTreeMap::new();
    for past in all {
        rows.entry(past.said.from.nick.clone()).or_default().push(past);
    }
    for (nick, all) in rows {
        show::past(session, &nick, all);
    }
    session.has_shown_up_to(conversation, last);
}

/// Says that not all is played back, if it is not.
fn tell_of_more(session: &mut Session, name: &str, unread: &Unread, max: usize) {
    let (shown, long) = (unread.all.len(), unread.left_out);
    let what = match (unread.has_more, long) {
        (false, 0) => return,
        (true, 0) => format!("{name} has more than {max} unread messages: the last {max} follow."),
        (true, _) => format!("{name} has more than {max} unread messages, and long ones: the last {shown} follow."),
        (false, long) => {
            format!("{name} has {} unread messages, and long ones: the last {shown} follow.", shown + long)
        }
    };
    session
        .notice(&format!("{what} \"nightjar listen --since 0\" shows all, as do clients that know draft/chathistory."));
}

/// What is unread of a conversation.
struct Unread {
    /// The newest of it, as far as it is for the client.
    all: Vec<Past>,
    /// How many more are for the client, and have no room.
    left_out: usize,
    /// The last of it in the log.
    last: Seq,
    /// Whether there is more.
    has_more: bool,
}

/// What is unread up to a place in the log; `None` if nothing is, or it cannot be read, which is said.
async fn unread(session: &mut Session, conversation: &str, max: usize, until: Seq) -> Option<Unread> {
    // One more than is shown tells whether there is more; to count all takes longer.
    let mut messages = match session.hub.node.unread(conversation, max + 1).await {
        Ok(messages) => messages,
        Err(error) => {
            session.notice(&format!("what is unread cannot be read: {error}"));
            return None;
        }
    };
    messages.retain(|message| message.seq <= until);
    let has_more = messages.len() > max;
    if has_more {
        messages.remove(0);
    }
    let last = messages.iter().map(|message| message.seq).max()?;
    let all = Viewer::of(session).all(session, messages).await;
    let (all, left_out) = show::newest(all.into_iter().rev());
    Some(Unread { all, left_out, last, has_more })
}
