//! Who somebody is: clients here, and authors that were heard, with what is known of their keys and accounts.

use std::str::FromStr as _;
use std::sync::Arc;

use nightjar_core::name::{Name, TypedName};
use nightjar_node::identity::DEFAULT;
use nightjar_node::post::{Known, Who};

use super::channel::channel_of;
use super::control::{self, CONTROL, SERVANT};
use super::register;
use super::server::wildmatch;
use crate::irc::event::Deed;
use crate::irc::hub::{ClientLook, Listed};
use crate::irc::line::Line;
use crate::irc::numeric::*;
use crate::irc::people::{MARK, Source, fold};
use crate::irc::session::Session;
use crate::irc::text;

/// The longest text that says why somebody is away.
pub(in crate::irc) const AWAY_BYTES_MAX: usize = 200;
/// Lines of one answer to WHO.
const WHO_MAX: usize = 500;
/// Nicks that ISON and USERHOST look at.
const NICKS_MAX: usize = 20;

pub(super) async fn who(session: &mut Session, line: &Line) {
    let mask = line.params.first().map_or("*", String::as_str).to_owned();
    let mut found: Vec<(String, Listed)> = Vec::new();
    if mask.eq_ignore_ascii_case(CONTROL) {
        let here = session.in_control.then(|| [session.source.clone(), Arc::new(control::servant(session))]);
        let listed = |source| (CONTROL.to_owned(), Listed { source, away: false, local: true });
        found.extend(here.into_iter().flatten().map(listed));
    } else if mask.starts_with(['#', '&']) {
        let look = channel_of(&mask).ok().and_then(|(_, folded)| session.hub.channel(&folded));
        if let Some(look) = look {
            found.extend(look.people.into_iter().map(|listed| (look.typed.clone(), listed)));
        }
    } else {
        let folded = fold(&mask);
        let is_meant = |source: &Source| {
            wildmatch(&folded, &fold(&source.nick))
                || (folded.contains(['*', '?', '@', '!']) && wildmatch(&folded, &fold(&source.mask())))
        };
        let is_mask = folded.contains(['*', '?']);
        let own = session.hub.client_called(&session.source.nick).map_or_else(Vec::new, |(_, look)| look.channels);
        let is_hidden = |client: &ClientLook| {
            let shares = client.channels.iter().any(|channel| own.contains(channel));
            is_mask && client.invisible && !shares && client.source.nick != session.source.nick
        };
        let clients = session.hub.clients().into_iter();
        let clients = clients.filter(|client| is_meant(&client.source) && !is_hidden(client));
        let listed = |client: ClientLook| {
            ("*".to_owned(), Listed { source: client.source, away: client.away.is_some(), local: true })
        };
        found.extend(clients.map(listed));
        let heard = session.hub.channels().into_iter().flat_map(|look| {
            let heard = look.people.into_iter().filter(|listed| !listed.local);
            heard.map(|listed| (look.typed.clone(), listed)).collect::<Vec<_>>()
        });
        let mut told = std::collections::BTreeSet::new();
        found.extend(heard.filter(|(_, listed)| is_meant(&listed.source) && told.insert(listed.source.nick.clone())));
    }
    let name = session.hub.name().to_owned();
    for (channel, Listed { source, away, local }) in found.into_iter().take(WHO_MAX) {
        let flags = if away { "G" } else { "H" };
        let text = format!("{} {}", if local { 0 } else { 1 }, source.realname);
        session.numeric(RPL_WHOREPLY, &[&channel, &source.user, &source.host, &name, &source.nick, flags], &text);
    }
    session.numeric(RPL_ENDOFWHO, &[&mask], "End of WHO: others may listen and say nothing");
}

pub(super) async fn whois(session: &mut Session, line: &Line) {
    let nick = match line.params.as_slice() {
        [] => return session.numeric(ERR_NONICKNAMEGIVEN, &[], "say whose nick"),
        [nick] => nick,
        // Which server is asked does not matter: there is one.
        [server, nick, ..] => {
            let known = server.eq_ignore_ascii_case(session.hub.name())
                || session.hub.client_called(server).is_some()
                || server == nick;
            if !known {
                return session.numeric(ERR_NOSUCHSERVER, &[server], "there is no other server than this gateway");
            }
            nick
        }
    };
    let nick = nick.split(',').next().unwrap_or_default().to_owned();
    if nick.is_empty() {
        return session.numeric(ERR_NONICKNAMEGIVEN, &[], "say whose nick");
    }
    if let Some((_, look)) = session.hub.client_called(&nick) {
        whois_client(session, &look);
    } else if nick.eq_ignore_ascii_case(SERVANT) {
        session.numeric(RPL_WHOISUSER, &[SERVANT, SERVANT, "local", "*"], "this node itself: say help to it");
    } else {
        whois_heard(session, &nick).await;
    }
    session.numeric(RPL_ENDOFWHOIS, &[&nick], "End of WHOIS");
}

fn whois_client(session: &mut Session, look: &ClientLook) {
    let name = session.hub.name().to_owned();
    let nick = look.source.nick.clone();
    session.numeric(RPL_WHOISUSER, &[&nick, &look.source.user, &look.source.host, "*"], &look.source.realname);
    if !look.channels.is_empty() {
        session.numeric(RPL_WHOISCHANNELS, &[&nick], &look.channels.join(" "));
    }
    let identities = session.hub.node.post().identities();
    let identity = match look.identity {
        Some(key) => identities.list().into_iter().find(|identity| identity.key == key),
        None => identities.find(DEFAULT).ok(),
    };
    let speaks = match &identity {
        Some(identity) => {
            format!("a client of this node, speaks as {}, key {}", register::called(identity), identity.key)
        }
        None => "a client of this node, speaks unsigned".to_owned(),
    };
    session.numeric(RPL_WHOISSERVER, &[&nick, &name], &speaks);
    if let Some(account) = &look.source.account {
        session.numeric(RPL_WHOISACCOUNT, &[&nick, account], "is proven to speak for account");
    }
    if let Some(away) = &look.away {
        session.numeric(RPL_AWAY, &[&nick], away);
    }
    let (idle, since) = (look.idle_s.to_string(), (look.since.0 / 1000).to_string());
    session.numeric(RPL_WHOISIDLE, &[&nick, &idle, &since], "seconds idle, signon time");
}

async fn whois_heard(session: &mut Session, nick: &str) {
    let who = match session.hub.person_called(nick) {
        Some(person) => Some(Who::Key(person.speaker.key.to_string())),
        None => asked(nick),
    };
    let known = match who {
        Some(who) => session.hub.node.who_is(&who).await,
        None => Vec::new(),
    };
    if known.is_empty() {
        let why = if nick.contains(MARK) {
            "nobody of that name and key was heard"
        } else {
            "nobody of that name was heard; it can be written to all the same"
        };
        return session.numeric(ERR_NOSUCHNICK, &[nick], why);
    }
    for known in known.iter().take(5) {
        tell_known(session, known);
    }
    if known.len() > 1 {
        let text = format!("{} go by {nick}: their keys tell them apart", known.len());
        session.numeric(RPL_WHOISSPECIAL, &[nick], &text);
    }
}

/// Whom a text asks for: a nick, an account, or the digits of a key behind the mark.
fn asked(typed: &str) -> Option<Who> {
    if let Some((_, digits)) = typed.split_once(MARK) {
        return Some(Who::Key(digits.to_ascii_lowercase())).filter(|_| !digits.is_empty());
    }
    TypedName::from_str(typed).ok().map(|name| Who::Name(name.name().clone()))
}

fn tell_known(session: &mut Session, known: &Known) {
    let source = session.hub.meet(&known.speaker);
    let name = session.hub.name().to_owned();
    let speaker = &known.speaker;
    let nick = source.nick.clone();
    session.numeric(RPL_WHOISUSER, &[&nick, &source.user, &source.host, "*"], &source.realname);
    let channels = session.hub.heard_in(&speaker.key);
    if !channels.is_empty() {
        session.numeric(RPL_WHOISCHANNELS, &[&nick], &channels.join(" "));
    }
    session.numeric(RPL_WHOISSERVER, &[&nick, &name], "heard over the flood");
    if let Some(account) = &source.account {
        session.numeric(RPL_WHOISACCOUNT, &[&nick, account], "is proven to speak for account");
    }
    for line in lines_of(known) {
        session.numeric(RPL_WHOISSPECIAL, &[&nick], &line);
    }
    let now_s = session.hub.now_ms() / 1000;
    let idle = now_s.saturating_sub(speaker.heard.0 / 1000).to_string();
    session.numeric(
        RPL_WHOISIDLE,
        &[&nick, &idle, &(speaker.first.0 / 1000).to_string()],
        "seconds since heard, first heard",
    );
}

/// What is known of somebody, in sentences.
fn lines_of(known: &Known) -> Vec<String> {
    let speaker = &known.speaker;
    let mut lines = vec![format!("has the key {}", speaker.key)];
    let account = speaker.account.map(|account| Name::Account(account).text());
    lines.push(match &account {
        Some(account) => {
            let whence = match (speaker.source.as_str(), speaker.block) {
                ("", _) => String::new(),
                (source, 0) => format!(" (by {source})"),
                (source, block) => format!(" (by {source}, at block {block})"),
            };
            format!("account {account}: {}{whence}", speaker.standing)
        }
        None => "names no account".to_owned(),
    });
    if let Some(relation) = known.relation {
        lines.push(
            match relation {
                nightjar_node::store::Relation::Contact => "is a contact of yours",
                nightjar_node::store::Relation::Request => "asks to talk to you, and waits for your answer",
                nightjar_node::store::Relation::Declined => "is one you do not hear from",
            }
            .to_owned(),
        );
    }
    if known.own {
        lines.push("is one of this node's own identities".to_owned());
    }
    if let Some(looks_like) = &known.looks_like {
        lines.push(format!("is not {looks_like}, although the nick looks like it"));
    }
    if let Some(heir) = known.heir {
        lines.push(format!("goes on as the key {heir}"));
    }
    lines
}

pub(super) async fn whowas(session: &mut Session, line: &Line) {
    let Some(nick) = line.params.first().filter(|nick| !nick.is_empty()) else {
        return session.numeric(ERR_NONICKNAMEGIVEN, &[], "say whose nick");
    };
    let most = line.params.get(1).and_then(|count| count.parse::<usize>().ok()).filter(|count| *count > 0);
    let gone = session.hub.gone(nick);
    let name = session.hub.name().to_owned();
    for (source, when) in gone.iter().take(most.unwrap_or(usize::MAX)) {
        session.numeric(RPL_WHOWASUSER, &[&source.nick, &source.user, &source.host, "*"], &source.realname);
        session.numeric(RPL_WHOISSERVER, &[&source.nick, &name], &text::time_tag(when.0));
    }
    if gone.is_empty() {
        session.numeric(ERR_WASNOSUCHNICK, &[nick], "no client of that nick left; WHOIS knows who was heard");
    }
    session.numeric(RPL_ENDOFWHOWAS, &[nick], "End of WHOWAS");
}

fn nicks(line: &Line) -> Vec<String> {
    let nicks = line.params.iter().flat_map(|param| param.split(' ')).filter(|nick| !nick.is_empty());
    nicks.take(NICKS_MAX).map(str::to_owned).collect()
}

/// Somebody who is a client here, or was heard lately in a channel.
fn present(session: &Session, nick: &str) -> Option<(Arc<Source>, bool)> {
    if let Some((_, look)) = session.hub.client_called(nick) {
        return Some((look.source, look.away.is_some()));
    }
    let person = session.hub.person_called(nick)?;
    (!session.hub.heard_in(&person.speaker.key).is_empty()).then_some((person.source, false))
}

pub(super) async fn ison(session: &mut Session, line: &Line) {
    let there: Vec<String> =
        nicks(line).iter().filter_map(|nick| present(session, nick)).map(|it| it.0.nick.clone()).collect();
    session.numeric(RPL_ISON, &[], &there.join(" "));
}

pub(super) async fn userhost(session: &mut Session, line: &Line) {
    let there = nicks(line).into_iter().filter_map(|nick| present(session, &nick));
    let there = there.map(|(source, away)| {
        format!("{}={}{}@{}", source.nick, if away { '-' } else { '+' }, source.user, source.host)
    });
    let there: Vec<String> = there.collect();
    session.numeric(RPL_USERHOST, &[], &there.join(" "));
}

pub(super) async fn away(session: &mut Session, line: &Line) {
    let why = line.params.first().filter(|why| !why.is_empty());
    let why = why.map(|why| text::head(&text::clean(why), AWAY_BYTES_MAX).to_owned());
    session.away.clone_from(&why);
    if let Some(id) = session.id {
        session.hub.change(id, Arc::clone(&session.source), Deed::Away(why.clone()));
    }
    match why {
        Some(_) => session.numeric(RPL_NOWAWAY, &[], "You are marked as away, for the clients of this node"),
        None => session.numeric(RPL_UNAWAY, &[], "You are no longer marked as away"),
    }
}

pub(super) async fn setname(session: &mut Session, line: &Line) {
    let Some(name) = line.params.first() else { return };
    if name.len() > register::REALNAME_BYTES_MAX {
        return session.fail("SETNAME", "INVALID_REALNAME", &[], "the real name is too long");
    }
    register::changed_realname(session, name);
    if session.caps.has(crate::irc::caps::Cap::Setname) {
        let realname = session.source.realname.clone();
        let reply = session.own_line("SETNAME").text(realname);
        session.reply(reply);
    }
}
