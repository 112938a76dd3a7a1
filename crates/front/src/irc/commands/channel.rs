//! Channels: joining one makes the node listen to it; who is there is who was heard there.

use std::str::FromStr as _;

use nightjar_core::name::{Name, TypedName};
use nightjar_node::handle::{Handle, ListenError, ListenTo, ListenWish};

use super::control::{self, CONTROL};
use super::history;
use crate::irc::caps::Cap;
use crate::irc::event::{Deed, Did, Event};
use crate::irc::hub::{CHANNELS_MAX, ChannelLook, Listed};
use crate::irc::line::{Line, Reply};
use crate::irc::numeric::*;
use crate::irc::session::Session;
use crate::irc::text;

/// The longest topic.
pub(in crate::irc) const TOPIC_BYTES_MAX: usize = 300;
/// The longest reason for leaving.
const REASON_BYTES_MAX: usize = 300;
/// Bytes of names in one line of NAMES.
const NAMES_BYTES_MAX: usize = 400;

/// The channel of a text, and why it is none.
pub(super) fn channel_of(typed: &str) -> Result<(TypedName, String), String> {
    if typed.starts_with('&') {
        return Err(format!("there is no {typed}: of channels that stay on this gateway there is {CONTROL} alone"));
    }
    let name = TypedName::from_str(typed).map_err(|error| error.to_string())?;
    match name.name() {
        Name::Channel(_) => Ok((name.clone(), name.name().text())),
        Name::Nick(_) | Name::Account(_) => Err(format!("{typed} is no channel: the names of channels begin with #")),
    }
}

pub(super) async fn join(session: &mut Session, line: &Line) {
    let [names, rest @ ..] = line.params.as_slice() else { return };
    if names == "0" {
        let all: Vec<String> = session.channels.keys().cloned().collect();
        for folded in all {
            leave(session, &folded, "left all channels");
        }
        control::leave(session, "left all channels");
        return;
    }
    if is_empty(names) {
        return session.numeric(ERR_NEEDMOREPARAMS, &["JOIN"], "say which channel");
    }
    let mut keys = rest.first().map_or("", String::as_str).split(',');
    for typed in names.split(',').filter(|typed| !typed.is_empty()) {
        let key = keys.next().filter(|key| !key.is_empty());
        if typed.eq_ignore_ascii_case(CONTROL) {
            control::enter(session);
        } else {
            join_one(session, typed, key).await;
        }
    }
}

async fn join_one(session: &mut Session, typed: &str, key: Option<&str>) {
    let (name, folded) = match channel_of(typed) {
        Ok(channel) => channel,
        Err(why) => return session.numeric(ERR_NOSUCHCHANNEL, &[typed], &why),
    };
    if session.channels.contains_key(&folded) && key.is_none() {
        return;
    }
    if let Err(why) = has_room(session, &folded) {
        return session.numeric(ERR_TOOMANYCHANNELS, &[typed], why);
    }
    if let Some(key) = key
        && let Err(why) = control::places::read_with(session, &name, key, false).await
    {
        // Some clients have their own words for this number, so what to do is said beside it.
        session.numeric(ERR_BADCHANNELKEY, &[typed], "Cannot join channel (+k)");
        return session.fail("JOIN", "CANNOT_JOIN", &[typed], &why);
    }
    if let Err(why) = enter(session, name, &folded, typed).await {
        session.numeric(ERR_TOOMANYCHANNELS, &[typed], &why);
    }
}

/// Whether the client can be in one more channel, if it is not in this one.
pub(super) fn has_room(session: &Session, folded: &str) -> Result<(), &'static str> {
    if session.channels.len() >= CHANNELS_MAX && !session.channels.contains_key(folded) {
        return Err("you are in as many channels as one client can be in: /part one first");
    }
    Ok(())
}

/// Whether a channel is read under a passphrase at this node.
pub(in crate::irc) fn has_passphrase(node: &Handle, folded: &str) -> bool {
    let is_this = |typed: &str| channel_of(typed).is_ok_and(|(_, other)| other == folded);
    node.post().joined().iter().any(|(typed, passphrase, _)| *passphrase && is_this(typed))
}

/// Listens to a channel, and lets the client in. Where it has a passphrase nobody listens to what outsiders say under its name.
pub(super) async fn enter(session: &mut Session, name: TypedName, folded: &str, typed: &str) -> Result<(), String> {
    if !has_passphrase(&session.hub.node, folded) {
        let wish = ListenWish { to: ListenTo::Name(name), lease_s: None, lease: None };
        match session.hub.node.listen(wish).await {
            Ok(_) => {}
            Err(error @ ListenError::Store(_)) => session.warn("JOIN", "NOT_STORED", &[typed], &error.to_string()),
            Err(error) => return Err(error.to_string()),
        }
    }
    let Some(id) = session.id else { return Ok(()) };
    if !session.hub.join(id, folded, typed) {
        return Ok(());
    }
    session.channels.insert(folded.to_owned(), 0);
    history::seed(&session.hub, folded).await;
    let Some(look) = session.hub.channel(folded) else { return Ok(()) };
    let reply = joined(session, session.own_line("JOIN"), &look.typed, &session.source.clone());
    session.reply(reply);
    if look.topic.is_some() {
        tell_topic(session, &look);
    }
    history::tell_read(session, &look.typed, folded).await;
    tell_names(session, &look);
    history::play_back(session, &look.typed, folded).await;
    Ok(())
}

/// Whether a list of names has none.
fn is_empty(names: &str) -> bool {
    names.bytes().all(|byte| byte == b',')
}

/// A line that says that somebody joined, with what the client wants to know of him.
pub(in crate::irc) fn joined(
    session: &Session,
    reply: Reply,
    channel: &str,
    who: &crate::irc::people::Source,
) -> Reply {
    let reply = reply.param(channel);
    if session.caps.has(Cap::ExtendedJoin) {
        reply.param(who.account.as_deref().unwrap_or("*")).text(&*who.realname)
    } else {
        reply
    }
}

pub(super) async fn part(session: &mut Session, line: &Line) {
    let [names, rest @ ..] = line.params.as_slice() else { return };
    if is_empty(names) {
        return session.numeric(ERR_NEEDMOREPARAMS, &["PART"], "say which channel");
    }
    let why = rest.first().map_or(String::new(), |why| text::head(&text::clean(why), REASON_BYTES_MAX).to_owned());
    for typed in names.split(',').filter(|typed| !typed.is_empty()) {
        if typed.eq_ignore_ascii_case(CONTROL) {
            if !control::leave(session, &why) {
                session.numeric(ERR_NOTONCHANNEL, &[typed], "you are not there");
            }
            continue;
        }
        match channel_of(typed) {
            Err(why) => session.numeric(ERR_NOSUCHCHANNEL, &[typed], &why),
            Ok((_, folded)) if session.channels.contains_key(&folded) => {
                leave(session, &folded, &why);
                if !std::mem::replace(&mut session.told.part, true) {
                    session.notice(&format!(
                        "This node goes on listening to {typed} and keeps what is said there; \"/msg {CONTROL} leave {typed}\" ends that."
                    ));
                }
            }
            Ok((_, folded)) if session.hub.channel(&folded).is_none() => {
                session.numeric(ERR_NOSUCHCHANNEL, &[typed], "nobody here is in that channel");
            }
            Ok(_) => session.numeric(ERR_NOTONCHANNEL, &[typed], "you are not in that channel"),
        }
    }
}

/// Lets the client leave a channel; `false` if it is not there.
pub(in crate::irc) fn leave_if_in(session: &mut Session, folded: &str, why: &str) -> bool {
    let is_in = session.channels.contains_key(folded);
    if is_in {
        leave(session, folded, why);
    }
    is_in
}

fn leave(session: &mut Session, folded: &str, why: &str) {
    let typed = session.hub.channel(folded).map_or_else(|| folded.to_owned(), |look| look.typed);
    session.channels.remove(folded);
    if let Some(id) = session.id {
        session.hub.part(id, folded, why);
    }
    let reply = session.own_line("PART").param(typed);
    let reply = if why.is_empty() { reply } else { reply.text(why) };
    session.reply(reply);
}

pub(super) async fn names(session: &mut Session, line: &Line) {
    let Some(names) = line.params.first().filter(|names| !is_empty(names)) else {
        return session.numeric(RPL_ENDOFNAMES, &["*"], "End of NAMES: say which channel");
    };
    for typed in names.split(',').filter(|typed| !typed.is_empty()).take(1) {
        if typed.eq_ignore_ascii_case(CONTROL) {
            control::tell_names(session);
            continue;
        }
        match channel_of(typed).ok().and_then(|(_, folded)| session.hub.channel(&folded)) {
            Some(look) => tell_names(session, &look),
            None => session.numeric(RPL_ENDOFNAMES, &[typed], "End of NAMES"),
        }
    }
}

fn tell_names(session: &mut Session, look: &ChannelLook) {
    let with_host = session.caps.has(Cap::UserhostInNames);
    let name = |listed: &Listed| if with_host { listed.source.mask() } else { listed.source.nick.clone() };
    tell_all_names(session, &look.typed, look.people.iter().map(name));
}

/// All names in lines that are not too long.
pub(super) fn tell_all_names(session: &mut Session, channel: &str, names: impl Iterator<Item = String>) {
    let mut line = String::new();
    let mut lines = Vec::new();
    for name in names {
        if !line.is_empty() && line.len() + 1 + name.len() > NAMES_BYTES_MAX {
            lines.push(std::mem::take(&mut line));
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(&name);
    }
    lines.push(line);
    for line in lines {
        session.numeric(RPL_NAMREPLY, &["=", channel], &line);
    }
    session.numeric(RPL_ENDOFNAMES, &[channel], "End of NAMES");
}

pub(super) async fn list(session: &mut Session, line: &Line) {
    let looks = session.hub.channels();
    let listened = session.hub.node.listens().await.unwrap_or_default();
    let joined = session.hub.node.post().joined();
    let wanted: Vec<String> = match line.params.first() {
        Some(names) if names.starts_with(['#', '&']) => names
            .split(',')
            .map(|typed| channel_of(typed).map_or_else(|_| typed.to_owned(), |(_, folded)| folded))
            .collect(),
        _ => Vec::new(),
    };
    session.numeric(RPL_LISTSTART, &["Channel"], "Users  Name");
    let kept = listened.into_iter().filter_map(|listen| listen.name).chain(joined.into_iter().map(|(typed, ..)| typed));
    let mut told = std::collections::BTreeSet::new();
    for typed in looks.iter().map(|look| look.typed.clone()).chain(kept) {
        let Ok((_, folded)) = channel_of(&typed) else { continue };
        if (!wanted.is_empty() && !wanted.contains(&folded)) || !told.insert(folded.clone()) {
            continue;
        }
        let look = looks.iter().find(|look| look.typed == typed);
        let people = look.map_or(0, |look| look.people.len()).to_string();
        let topic = look.and_then(|look| look.topic.as_ref()).map_or("", |topic| topic.text.as_str());
        session.numeric(RPL_LIST, &[&typed, &people], topic);
    }
    session.numeric(RPL_LISTEND, &[], "End of LIST: others may talk where nobody here listens");
}

pub(super) async fn topic(session: &mut Session, line: &Line) {
    let [typed, rest @ ..] = line.params.as_slice() else { return };
    if typed.eq_ignore_ascii_case(CONTROL) {
        return match rest {
            [] => session.numeric(RPL_TOPIC, &[CONTROL], control::TOPIC),
            _ => {
                session.numeric(ERR_CHANOPRIVSNEEDED, &[CONTROL], "the topic of the node's own channel stays as it is")
            }
        };
    }
    let look = channel_of(typed).ok().and_then(|(_, folded)| session.hub.channel(&folded).map(|look| (folded, look)));
    let Some((folded, look)) = look else {
        return session.numeric(ERR_NOSUCHCHANNEL, &[typed], "nobody here is in that channel");
    };
    let Some(new) = rest.first() else { return tell_topic(session, &look) };
    if !session.channels.contains_key(&folded) {
        return session.numeric(ERR_NOTONCHANNEL, &[typed], "you are not in that channel");
    }
    let new = text::head(&text::clean(new), TOPIC_BYTES_MAX).to_owned();
    if look.topic.as_ref().map_or("", |topic| topic.text.as_str()) == new {
        return;
    }
    if let Some(id) = session.id {
        session.hub.set_topic(id, &folded, &new);
    }
    let reply = session.own_line("TOPIC").param(look.typed).text(new);
    session.reply(reply);
    if !std::mem::replace(&mut session.told.topic, true) {
        session.notice(
            "A topic is seen by the clients of this node alone, until the last of them leaves: a flood has none.",
        );
    }
}

fn tell_topic(session: &mut Session, look: &ChannelLook) {
    match &look.topic {
        None => session.numeric(RPL_NOTOPIC, &[&look.typed], "No topic is set"),
        Some(topic) => {
            session.numeric(RPL_TOPIC, &[&look.typed], &topic.text);
            session.numeric_bare(RPL_TOPICWHOTIME, &[&look.typed, &topic.by, &topic.when_s.to_string()]);
        }
    }
}

pub(super) async fn mode(session: &mut Session, line: &Line) {
    let [what, rest @ ..] = line.params.as_slice() else { return };
    if what.starts_with(['#', '&']) { channel_mode(session, what, rest) } else { user_mode(session, what, rest) }
}

fn channel_mode(session: &mut Session, typed: &str, rest: &[String]) {
    let look = channel_of(typed).ok().and_then(|(_, folded)| session.hub.channel(&folded));
    let is_control = typed.eq_ignore_ascii_case(CONTROL);
    let (typed, made_s) = match &look {
        Some(look) => (look.typed.clone(), look.made_s),
        None if is_control => (CONTROL.to_owned(), session.hub.since.0 / 1000),
        None => return session.numeric(ERR_NOSUCHCHANNEL, &[typed], "nobody here is in that channel"),
    };
    let Some(modes) = rest.first() else {
        let has_passphrase = channel_of(&typed).is_ok_and(|(_, folded)| has_passphrase(&session.hub.node, &folded));
        session.numeric_bare(RPL_CHANNELMODEIS, &[&typed, if has_passphrase { "+k" } else { "+" }]);
        return session.numeric_bare(RPL_CREATIONTIME, &[&typed, &made_s.to_string()]);
    };
    match (modes.trim_start_matches('+'), rest.len()) {
        ("b", 1) => session.numeric(RPL_ENDOFBANLIST, &[&typed], "End of ban list: nobody can be banned from a flood"),
        ("e", 1) => session.numeric(RPL_EXCEPTLIST_END, &[&typed], "End of exception list"),
        ("I", 1) => session.numeric(RPL_ENDOFINVITELIST, &[&typed], "End of invite list"),
        _ => session.numeric(
            ERR_CHANOPRIVSNEEDED,
            &[&typed],
            "a channel of a flood has no operators and no modes; /msg &nightjar ignore hides somebody from you",
        ),
    }
}

fn user_mode(session: &mut Session, nick: &str, rest: &[String]) {
    // A client that got another nick than it asked for may still think of itself by that.
    let is_asked = session.entering.nick.as_ref().is_some_and(|asked| asked.eq_ignore_ascii_case(nick));
    if !nick.eq_ignore_ascii_case(&session.source.nick) && !is_asked {
        return session.numeric(ERR_USERSDONTMATCH, &[], "the modes of others cannot be seen or changed");
    }
    let Some(modes) = rest.first() else {
        return session.numeric_bare(RPL_UMODEIS, &[if session.invisible { "+i" } else { "+" }]);
    };
    let (mut on, mut unknown, before) = (true, false, session.invisible);
    for mode in modes.chars() {
        match mode {
            '+' => on = true,
            '-' => on = false,
            'i' => session.invisible = on,
            _ => unknown = true,
        }
    }
    if before != session.invisible {
        if let Some(id) = session.id {
            session.hub.set_invisible(id, session.invisible);
        }
        let nick = session.source.nick.clone();
        let reply = session.own_line("MODE").param(nick).text(if session.invisible { "+i" } else { "-i" });
        session.reply(reply);
    }
    if unknown {
        session.numeric(ERR_UMODEUNKNOWNFLAG, &[], "only +i is known, and it changes nothing: nobody is listed anyway");
    }
}

pub(super) async fn kick(session: &mut Session, line: &Line) {
    let [typed, nick, ..] = line.params.as_slice() else { return };
    let look = channel_of(typed).ok().and_then(|(_, folded)| session.hub.channel(&folded).map(|look| (folded, look)));
    match look {
        None => session.numeric(ERR_NOSUCHCHANNEL, &[typed], "nobody here is in that channel"),
        Some((folded, _)) if !session.channels.contains_key(&folded) => {
            session.numeric(ERR_NOTONCHANNEL, &[typed], "you are not in that channel");
        }
        Some(_) => session.numeric(
            ERR_CHANOPRIVSNEEDED,
            &[typed],
            &format!("nobody can be kicked from a flood; \"/msg {CONTROL} ignore {nick}\" hides {nick} from you"),
        ),
    }
}

pub(super) async fn invite(session: &mut Session, line: &Line) {
    match line.params.as_slice() {
        [] => session.numeric(RPL_ENDOFINVITELIST, &[], "End of invitations: there are none on a flood"),
        [_] => session.numeric(ERR_NEEDMOREPARAMS, &["INVITE"], "not enough parameters: INVITE NICK #CHANNEL"),
        [nick, typed, ..] => match channel_of(typed) {
            Err(why) => session.numeric(ERR_NOSUCHCHANNEL, &[typed], &why),
            Ok((_, folded)) if session.hub.channel(&folded).is_none() => {
                session.numeric(ERR_NOSUCHCHANNEL, &[typed], "nobody here is in that channel");
            }
            Ok((_, folded)) if !session.channels.contains_key(&folded) => {
                session.numeric(ERR_NOTONCHANNEL, &[typed], "you are not in that channel");
            }
            Ok((_, folded)) => invite_to(session, nick, typed, &folded),
        },
    }
}

/// A client of this node is told; others would have to be written to, which is for the user to do.
fn invite_to(session: &mut Session, nick: &str, typed: &str, folded: &str) {
    let Some((other, look)) = session.hub.client_called(nick) else {
        let text =
            format!("{nick} is no client of this node: write to {nick} and name the channel, everybody may join it");
        return session.numeric(ERR_NOSUCHNICK, &[nick], &text);
    };
    let Some(channel) = session.hub.channel(folded) else { return };
    if channel.people.iter().any(|listed| listed.local && listed.source.nick == look.source.nick) {
        return session.numeric(ERR_USERONCHANNEL, &[&look.source.nick, typed], "is there already");
    }
    let did = Did { who: session.source.clone(), what: Deed::Invited(channel.typed), time_ms: session.hub.now_ms() };
    session.hub.tell(other, Event::Did(std::sync::Arc::new(did)));
    session.numeric_bare(RPL_INVITING, &[&look.source.nick, typed]);
    if let Some(away) = look.away {
        session.numeric(RPL_AWAY, &[&look.source.nick], &away);
    }
}
