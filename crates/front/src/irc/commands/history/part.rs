//! CHATHISTORY (IRCv3): a part of a conversation, or the conversations in which something was said.

use std::collections::{BTreeMap, VecDeque};

use nightjar_core::time::Wall;
use nightjar_node::message::{History, Place as Spot, Seq};
use nightjar_node::store::{CONVERSATIONS_MAX, ReadError};

use super::{Refused, Viewer, find};
use crate::irc::ask::{Ask, HISTORY_MAX, Part, Reference, ask};
use crate::irc::caps::Cap;
use crate::irc::event::Place;
use crate::irc::feed;
use crate::irc::line::Line;
use crate::irc::numeric::ERR_UNKNOWNCOMMAND;
use crate::irc::session::Session;
use crate::irc::show::{Past, Room};
use crate::irc::{show, text};

/// Messages that one CHATHISTORY looks at. In a conversation where so many in a row are for nobody's eyes, it gives less than there is.
const LOOKED_MAX: usize = 4 * HISTORY_MAX;
/// Messages that are looked at for the last one of a conversation that the client may see.
const LAST_LOOKED_MAX: usize = 32;
/// Conversations that one CHATHISTORY TARGETS looks into.
const TARGETS_LOOKED_MAX: usize = 2 * HISTORY_MAX;

pub(in crate::irc::commands) async fn chathistory(session: &mut Session, line: &Line) {
    if !session.caps.has(Cap::ChatHistory) {
        let why = "ask for the capability draft/chathistory first";
        return session.numeric(ERR_UNKNOWNCOMMAND, &["CHATHISTORY"], why);
    }
    let done = match ask(&line.params) {
        Ok(Ask::Messages { command, target, part, limit }) => tell_part(session, &command, &target, part, limit).await,
        Ok(Ask::Targets { from, to, limit }) => tell_targets(session, from, to, limit).await,
        Err(fault) => Err(Refused::new(fault.code(), &fault.context(), &fault)),
    };
    if let Err(refused) = done {
        refused.tell(session, "CHATHISTORY");
    }
}

async fn tell_part(
    session: &mut Session,
    command: &str,
    target: &str,
    part: Part,
    limit: usize,
) -> Result<(), Refused> {
    let unreadable = |error: ReadError| Refused::new("MESSAGE_ERROR", &[command, target], error);
    let Some(found) = find(session, target).await.map_err(unreadable)?.filter(|found| found.is_known) else {
        let why = "no such channel is known here, and no person can be called so";
        return Err(Refused::new("INVALID_TARGET", &[command, target], why));
    };
    session.hub.until_stored(|conversation| found.conversations.contains(conversation)).await;
    let viewer = Viewer::of(session);
    let bound = async |reference: Reference| match reference {
        Reference::Moment(ms) => Ok(Bound::Moment(Wall(ms))),
        Reference::Message(id) => {
            let message = viewer.hub.node.find_message(&found.conversations, &id).await.map_err(unreadable)?;
            let message = message.ok_or_else(|| {
                let id: String = id.iter().map(|byte| format!("{byte:02x}")).collect();
                Refused::new(
                    "MESSAGE_ERROR",
                    &[command, target, &id],
                    "no such message is there: refer to it by its time",
                )
            })?;
            Ok(Bound::At(message.place()))
        }
        Reference::Local(id) => {
            let why = "what clients here say to each other is in no log: refer to it by its time";
            Err(Refused::new("MESSAGE_ERROR", &[command, target, &id], why))
        }
    };
    let wanted = History { conversations: found.conversations.clone(), limit, ..History::default() };
    let wanted = match part {
        Part::Latest(None) => History { newest: true, ..wanted },
        Part::Latest(Some(at)) => History { after: Some(bound(at).await?.behind()), newest: true, ..wanted },
        Part::Before(at) => History { before: Some(bound(at).await?.before()), newest: true, ..wanted },
        Part::After(at) => History { after: Some(bound(at).await?.behind()), ..wanted },
        Part::Between(from, to) => between(bound(from).await?, bound(to).await?, wanted),
        Part::Around(at) => {
            let all = around(session, &viewer, bound(at).await?.at(), wanted).await.map_err(unreadable)?;
            tell_batch(session, target, all);
            return Ok(());
        }
    };
    let all = viewer.read(session, wanted, LOOKED_MAX, &mut Room::part(1)).await.map_err(unreadable)?;
    tell_batch(session, target, Vec::from(all));
    Ok(())
}

/// Where a part of a conversation ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Bound {
    /// At a message.
    At(Spot),
    /// At a moment, and all that was said then.
    Moment(Wall),
}

impl Bound {
    /// What is wanted stands behind this.
    const fn behind(self) -> Spot {
        match self {
            Self::At(spot) => spot,
            Self::Moment(shown) => Spot { shown, seq: Seq::MAX },
        }
    }

    /// What is wanted stands before this.
    const fn before(self) -> Spot {
        match self {
            Self::At(spot) => spot,
            Self::Moment(shown) => Spot { shown, seq: 0 },
        }
    }

    /// What is wanted stands behind this, and begins with what is meant.
    const fn at(self) -> Spot {
        match self {
            Self::At(Spot { shown, seq }) => Spot { shown, seq: seq.saturating_sub(1) },
            Self::Moment(shown) => Spot { shown, seq: 0 },
        }
    }
}

/// What is between two bounds, counted from the first.
fn between(from: Bound, to: Bound, wanted: History) -> History {
    if from.before() <= to.before() {
        History { after: Some(from.behind()), before: Some(to.before()), ..wanted }
    } else {
        History { after: Some(to.behind()), before: Some(from.before()), newest: true, ..wanted }
    }
}

/// Half of it from a place on, half before it; more of the one where there is less of the other.
async fn around(session: &Session, viewer: &Viewer, from: Spot, wanted: History) -> Result<Vec<Past>, ReadError> {
    let limit = wanted.limit;
    let read = async |after: Option<Spot>, limit, room: &mut Room| match limit {
        0 => Ok(VecDeque::new()),
        // Up to and with the place itself, which is the one before the wanted one.
        limit => {
            let before = after.is_none().then_some(Spot { seq: from.seq.saturating_add(1), ..from });
            let wanted = History { after, before, newest: after.is_none(), limit, ..wanted.clone() };
            viewer.read(session, wanted, LOOKED_MAX, room).await
        }
    };
    // Half of the room as well, so that of long messages there are some on both sides.
    let mut room = Room::part(2);
    let mut behind = read(Some(from), limit - limit / 2, &mut room).await?;
    room.add(Room::part(2));
    let mut all = read(None, limit.saturating_sub(behind.len()), &mut room).await?;
    let more = limit.saturating_sub(all.len() + behind.len());
    let last = behind.back().map(|past| &past.said);
    if let Some(last) = last.and_then(|said| Some(Spot { shown: Wall(said.time_ms), seq: said.seq? })) {
        behind.extend(read(Some(last), more, &mut room).await?);
    }
    all.extend(behind);
    Ok(all.into())
}

/// What was asked for, also when that is nothing.
fn tell_batch(session: &mut Session, target: &str, all: Vec<Past>) {
    if !all.is_empty() || session.caps.has(Cap::Batch) {
        show::past(session, target, all);
    }
}

async fn tell_targets(session: &mut Session, from: u64, to: u64, limit: usize) -> Result<(), Refused> {
    let unreadable = |error: ReadError| Refused::new("MESSAGE_ERROR", &["TARGETS"], error);
    let (after, before) = (Wall(from.min(to)), Wall(from.max(to)));
    session.hub.until_stored(|_| true).await;
    let active = session.hub.node.active_conversations(Some(after), Some(before), CONVERSATIONS_MAX).await;
    let mut active: Vec<String> =
        active.map_err(unreadable)?.into_iter().map(|(conversation, _)| conversation).collect();
    if from > to {
        active.reverse();
    }
    let viewer = Viewer::of(session);
    // The same person may stand there under his key and under a name.
    let mut targets: BTreeMap<String, u64> = BTreeMap::new();
    for conversation in active.into_iter().take(TARGETS_LOOKED_MAX) {
        let Some(target) = target_of(session, &conversation) else { continue };
        if targets.len() >= limit && !targets.contains_key(&target) {
            break;
        }
        let wanted = History { conversations: vec![conversation], newest: true, limit: 1, ..History::default() };
        let last = viewer.read(session, wanted, LAST_LOOKED_MAX, &mut Room::part(1)).await.map_err(unreadable)?;
        let Some(last) = last.back().map(|past| past.said.time_ms).filter(|ms| (after.0 + 1..before.0).contains(ms))
        else {
            continue;
        };
        let told = targets.entry(target).or_insert(last);
        *told = last.max(*told);
    }
    let mut targets: Vec<(u64, String)> = targets.into_iter().map(|(target, ms)| (ms, target)).collect();
    targets.sort();
    let batch = session.caps.has(Cap::Batch).then(|| session.batch_name());
    if let Some(name) = &batch {
        let begin = session.server_line("BATCH").param(format!("+{name}")).param("draft/chathistory-targets");
        session.reply(begin);
    }
    for (ms, target) in targets {
        let reply = session.server_line("CHATHISTORY").param("TARGETS").param(target).param(text::time_tag(ms));
        let reply = batch.iter().fold(reply, |reply, name| reply.tag("batch", name.clone()));
        session.reply(reply);
    }
    if let Some(name) = batch {
        let end = session.server_line("BATCH").param(format!("-{name}"));
        session.reply(end);
    }
    Ok(())
}

/// What a conversation is asked for by; `None` when clients have no name for it.
fn target_of(session: &Session, conversation: &str) -> Option<String> {
    if conversation.starts_with('#') {
        return Some(show::place_of(session, &Place::Channel(conversation.to_owned())));
    }
    if conversation.starts_with('@') {
        return Some(session.hub.name_of(conversation));
    }
    feed::name_in_the_open(conversation)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Which of these places are wanted, and from which end.
    fn wanted(places: &[Spot], history: &History) -> (Vec<Spot>, bool) {
        let is_wanted = |spot: &Spot| {
            history.after.is_none_or(|after| *spot > after) && history.before.is_none_or(|before| *spot < before)
        };
        (places.iter().copied().filter(is_wanted).collect(), history.newest)
    }

    fn any_bound() -> impl Strategy<Value = Bound> {
        let spot = || (0..5u64, 1..5u64).prop_map(|(ms, seq)| Spot { shown: Wall(ms), seq });
        prop_oneof![spot().prop_map(Bound::At), (0..5u64).prop_map(|ms| Bound::Moment(Wall(ms)))]
    }

    /// What a bound bounds, as it is meant: a message stands at itself, a moment at all that was said then.
    fn is_at(bound: Bound, spot: Spot) -> bool {
        match bound {
            Bound::At(at) => at == spot,
            Bound::Moment(shown) => spot.shown == shown,
        }
    }

    proptest! {
        #[test]
        fn what_is_between_is_the_same_both_ways_and_counted_from_the_first(one in any_bound(), other in any_bound()) {
            let places: Vec<Spot> =
                (0..5).flat_map(|ms| (1..5).map(move |seq| Spot { shown: Wall(ms), seq })).collect();
            let (there, newest) = wanted(&places, &between(one, other, History::default()));
            let (back, newest_back) = wanted(&places, &between(other, one, History::default()));
            prop_assert_eq!(&there, &back);
            prop_assert!(newest != newest_back || one.before() == other.before());
            prop_assert!(there.iter().all(|spot| !is_at(one, *spot) && !is_at(other, *spot)));
            let (low, high) = if newest { (other, one) } else { (one, other) };
            let all = places.iter().filter(|spot| **spot > low.behind() && **spot < high.before());
            prop_assert_eq!(there.len(), all.count());
        }

        #[test]
        fn a_bound_is_no_part_of_what_it_bounds_and_begins_what_is_around_it(bound in any_bound()) {
            for spot in (0..5).flat_map(|ms| (1..5).map(move |seq| Spot { shown: Wall(ms), seq })) {
                let sides = [spot < bound.before(), is_at(bound, spot), spot > bound.behind()];
                prop_assert_eq!(sides.iter().filter(|is_so| **is_so).count(), 1);
                prop_assert_eq!(spot > bound.at(), !sides[0]);
            }
        }
    }
}
