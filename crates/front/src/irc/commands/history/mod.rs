//! What was said before: played back on joining, asked for by CHATHISTORY, and how far it was read.

mod marker;
mod part;
mod playback;

use std::collections::VecDeque;
use std::str::FromStr as _;
use std::sync::Arc;

use nightjar_core::name::{Name, TypedName};
use nightjar_node::identity::Identity;
use nightjar_node::message::{History, Message};
use nightjar_node::post::Who;
use nightjar_node::store::ReadError;

use super::channel::channel_of;
use super::register::speaking;
use crate::irc::event::{Place, Said};
use crate::irc::feed;
use crate::irc::hub::Hub;
use crate::irc::people::{MARK, Person, Source};
use crate::irc::session::Session;
use crate::irc::show::{Past, Room};

pub(in crate::irc) use crate::irc::ask::HISTORY_MAX;
pub(super) use marker::{markread, tell_read};
pub(super) use part::chathistory;
pub(super) use playback::{play_back, play_back_people, play_back_person, seed};

/// Messages of a read when few are wanted: some may be for nobody's eyes.
const READ_MIN: usize = 16;
/// Messages of a read when many are wanted: they are in memory as long as they are, and then cut to what is shown.
const READ_MAX: usize = 50;

/// Somebody's eyes: what he may see, and what he is called where he spoke himself.
struct Viewer {
    hub: Arc<Hub>,
    me: Option<Identity>,
    source: Arc<Source>,
}

impl Viewer {
    fn of(session: &Session) -> Self {
        Self { hub: Arc::clone(&session.hub), me: speaking(session), source: Arc::clone(&session.source) }
    }

    /// A message as it is for this client; `None` if it is not for it. A stranger's first words wait until he is accepted, and what was
    /// written to, or by, another identity is that one's.
    async fn said(&self, message: &Message) -> Option<Said> {
        let reading = message.reading.as_ref().filter(|reading| !reading.request)?;
        let me = self.me.as_ref().map(|me| &me.key);
        let is_channel = reading.conversation.starts_with('#');
        if !is_channel && reading.own_key.as_ref().is_some_and(|own| Some(own) != me) {
            return None;
        }
        let mut said = feed::said_of(&self.hub, message, me.map(|me| (me, &self.source))).await?;
        // Unsigned as this client speaks: its own words, or those of another front end that speaks so.
        if message.own && reading.author.is_none() && me.is_none() {
            said.from = Arc::clone(&self.source);
        }
        Some(said)
    }

    /// All of these messages that are for this client, cut to what is shown of them. What is cut off is not kept.
    async fn all(&self, session: &Session, messages: Vec<Message>) -> Vec<Past> {
        let mut all = Vec::with_capacity(messages.len());
        for message in messages {
            all.extend(self.said(&message).await.map(|said| Past::of(session, &said)));
        }
        all
    }

    /// What is wanted of the log, as far as it is for this client: read on until there is enough, or no more, or enough was looked at, or
    /// there is no room for more. What has no room is what is farthest from where the client began: it pages on from there.
    async fn read(
        &self,
        session: &Session,
        mut wanted: History,
        looked_max: usize,
        room: &mut Room,
    ) -> Result<VecDeque<Past>, ReadError> {
        let limit = wanted.limit;
        let (mut found, mut looked) = (VecDeque::new(), 0);
        while found.len() < limit && looked < looked_max {
            wanted.limit = limit.saturating_sub(found.len()).clamp(READ_MIN, READ_MAX);
            let page = self.hub.node.history(wanted.clone()).await?;
            let (Some(first), Some(last)) = (page.first(), page.last()) else { break };
            looked += page.len();
            if wanted.newest {
                wanted.before = Some(first.place());
            } else {
                wanted.after = Some(last.place());
            }
            let mut all = self.all(session, page).await;
            if wanted.newest {
                all.reverse();
            }
            for past in all.into_iter().take(limit.saturating_sub(found.len())) {
                if !room.takes(&past) {
                    return Ok(found);
                }
                if wanted.newest {
                    found.push_front(past);
                } else {
                    found.push_back(past);
                }
            }
        }
        Ok(found)
    }
}

/// Where a target's messages stand.
struct Where {
    conversations: Vec<String>,
    place: Place,
    /// Whether anything is known here of a channel; of people nobody knows who there are.
    is_known: bool,
}

/// Where the messages of a target stand, as a client typed it; `None` if nobody and nothing can be called so.
async fn find(session: &Session, typed: &str) -> Result<Option<Where>, ReadError> {
    let hub = &session.hub;
    if typed.starts_with(['#', '&']) {
        let Ok((_, folded)) = channel_of(typed) else { return Ok(None) };
        let is_known = session.channels.contains_key(&folded)
            || hub.channel(&folded).is_some()
            || is_listened_to(hub, &folded).await
            || has_something(hub, &folded).await?;
        return Ok(Some(Where { conversations: vec![folded.clone()], place: Place::Channel(folded), is_known }));
    }
    let name = TypedName::from_str(typed).ok().map(|typed| typed.name().clone());
    let in_the_open = name.as_ref().map(Name::text);
    // Whoever else goes by a name of ours is called otherwise here.
    let identities = hub.node.post().identities().list();
    let is_ours = identities.iter().any(|own| own.nick.is_some() && own.nick == in_the_open);
    let is_local = is_ours || hub.client_called(typed).is_some();
    let person = if is_local { None } else { person(hub, typed, name.as_ref()) };
    let (conversations, nick) = match (&person, &name) {
        (Some(person), _) => {
            let direct = format!("@{}", person.speaker.key);
            (std::iter::once(direct).chain(in_the_open).collect(), person.source.nick.clone())
        }
        // What clients here say to each other is in no log.
        (None, _) if is_local => (in_the_open.into_iter().collect(), typed.to_owned()),
        (None, Some(name)) => (hub.node.post().conversations(name), typed.to_owned()),
        (None, None) if hub.wallet_called(typed).is_some() => (Vec::new(), typed.to_owned()),
        (None, None) => return Ok(None),
    };
    Ok(Some(Where { conversations, place: Place::To(nick), is_known: true }))
}

/// Who is called so here. Whoever is known to the node and was not heard since it began gets his nick now.
fn person(hub: &Hub, typed: &str, name: Option<&Name>) -> Option<Person> {
    if let Some(person) = hub.person_called(typed) {
        return Some(person);
    }
    let who = match (name, typed.rsplit_once(MARK)) {
        (Some(name @ Name::Nick(_)), _) => Who::Name(name.clone()),
        (None, Some((_, digits))) => Who::Key(digits.to_owned()),
        _ => return None,
    };
    let known = hub.node.post().who_is(&who);
    known.iter().filter(|known| !known.own).for_each(|known| drop(hub.meet(&known.speaker)));
    hub.person_called(typed)
}

async fn is_listened_to(hub: &Hub, folded: &str) -> bool {
    let is_it = |name: &TypedName| name.name().text() == folded;
    let listens = hub.node.listens().await.unwrap_or_default();
    listens
        .iter()
        .filter_map(|listen| listen.name.as_deref())
        .any(|typed| TypedName::from_str(typed).is_ok_and(|it| is_it(&it)))
}

async fn has_something(hub: &Hub, conversation: &str) -> Result<bool, ReadError> {
    let wanted = History { conversations: vec![conversation.to_owned()], newest: true, limit: 1, ..History::default() };
    Ok(!hub.node.history(wanted).await?.is_empty())
}

/// Why a command of history is not done, as a standard reply has it.
struct Refused {
    code: &'static str,
    context: Vec<String>,
    why: String,
}

impl Refused {
    fn new(code: &'static str, context: &[&str], why: impl ToString) -> Self {
        Self { code, context: context.iter().map(|part| (*part).to_owned()).collect(), why: why.to_string() }
    }

    fn tell(self, session: &mut Session, command: &str) {
        let context: Vec<&str> = self.context.iter().map(String::as_str).collect();
        session.fail(command, self.code, &context, &self.why);
    }
}
