//! What a client asks of the server itself, and what has no meaning on a flood.

use nightjar_node::handle::Status;

use super::control::CONTROL;
use crate::irc::line::{Line, Reply};
use crate::irc::numeric::*;
use crate::irc::session::Session;
use crate::irc::text;

pub(super) async fn ping(session: &mut Session, line: &Line) {
    let Some(token) = line.params.first() else {
        return session.numeric(ERR_NEEDMOREPARAMS, &["PING"], "not enough parameters: PING TEXT");
    };
    let name = session.hub.name().to_owned();
    let reply = session.server_line("PONG").param(name).text(token.clone());
    session.reply(reply);
}

pub(super) async fn pong(_session: &mut Session, _line: &Line) {
    // That something came is what matters, and it was noticed.
}

/// A server that is asked about must be this one: there is no other.
fn is_here(session: &mut Session, line: &Line) -> bool {
    let Some(asked) = line.params.first().filter(|asked| !asked.eq_ignore_ascii_case(session.hub.name())) else {
        return true;
    };
    let asked = asked.clone();
    let is_nick = asked.eq_ignore_ascii_case(&session.source.nick) || session.hub.client_called(&asked).is_some();
    let is_mask =
        asked.contains(['*', '?']) && wildmatch(&asked.to_ascii_lowercase(), &session.hub.name().to_ascii_lowercase());
    if !is_nick && !is_mask {
        session.numeric(ERR_NOSUCHSERVER, &[&asked], "there is no other server than this gateway");
    }
    is_nick || is_mask
}

/// Whether a text is one that a mask with `*` and `?` means. Takes no longer than the product of the lengths.
pub(in crate::irc) fn wildmatch(mask: &str, text: &str) -> bool {
    let (mask, text): (Vec<char>, Vec<char>) = (mask.chars().collect(), text.chars().collect());
    let (mut at, mut in_text, mut star) = (0, 0, None);
    while in_text < text.len() {
        match mask.get(at) {
            Some('*') => {
                star = Some((at, in_text));
                at += 1;
            }
            Some(&wanted) if wanted == '?' || text.get(in_text) == Some(&wanted) => {
                at += 1;
                in_text += 1;
            }
            _ => match star {
                Some((star_at, from)) => {
                    star = Some((star_at, from + 1));
                    at = star_at + 1;
                    in_text = from + 1;
                }
                None => return false,
            },
        }
    }
    mask.get(at..).is_none_or(|rest| rest.iter().all(|it| *it == '*'))
}

pub(super) async fn motd(session: &mut Session, line: &Line) {
    if is_here(session, line) {
        tell_motd(session);
    }
}

/// How the node is, in the lines that a client shows first.
pub(super) fn tell_motd(session: &mut Session) {
    let name = session.hub.name().to_owned();
    session.numeric(RPL_MOTDSTART, &[], &format!("- {name} Message of the day -"));
    for line in state_of(session) {
        session.numeric(RPL_MOTD, &[], &format!("- {line}"));
    }
    session.numeric(RPL_ENDOFMOTD, &[], "End of MOTD");
}

/// The state of the node in sentences.
pub(in crate::irc) fn state_of(session: &Session) -> Vec<String> {
    let node = &session.hub.node;
    let status = node.status();
    let about = node.about();
    let mut lines = vec![
        format!("nightjar {}: chat over a flood of small records beside PascalCoin's chain (PIP-0038).", about.version),
        linked(&status),
    ];
    let storing = node.storing();
    if let Some(problem) = storing.problem {
        lines.push(format!("Nothing is stored: {problem}"));
    }
    lines.push(format!("/join #pascalcoin to talk; \"/msg {CONTROL} help\" for the node's own commands."));
    lines
}

fn linked(status: &Status) -> String {
    match status.connections.len() {
        0 => format!(
            "No peer is linked: what you say waits until there is one; \"/msg {CONTROL} connect HOST:PORT\" adds one."
        ),
        1 => "1 peer is linked.".to_owned(),
        peers => format!("{peers} peers are linked."),
    }
}

pub(super) async fn lusers(session: &mut Session, _line: &Line) {
    tell_lusers(session);
}

pub(super) fn tell_lusers(session: &mut Session) {
    let clients = session.hub.clients().len();
    let unknown = session.hub.connections.borrow().saturating_sub(clients);
    let channels = session.hub.channels().len();
    session.numeric(RPL_LUSERCLIENT, &[], &format!("There are {clients} users and 0 invisible on 1 servers"));
    session.numeric(RPL_LUSEROP, &["0"], "operator(s) online");
    session.numeric(RPL_LUSERUNKNOWN, &[&unknown.to_string()], "unknown connection(s)");
    session.numeric(RPL_LUSERCHANNELS, &[&channels.to_string()], "channels formed");
    session.numeric(RPL_LUSERME, &[], &format!("I have {clients} clients and 0 servers"));
    let (now, most) = (clients.to_string(), session.hub.most_clients().to_string());
    session.numeric(RPL_LOCALUSERS, &[&now, &most], &format!("Current local users {now}, max {most}"));
    session.numeric(RPL_GLOBALUSERS, &[&now, &most], &format!("Current global users {now}, max {most}"));
}

pub(super) async fn version(session: &mut Session, line: &Line) {
    if is_here(session, line) {
        let version = format!("nightjar-{}.", session.hub.node.about().version);
        let name = session.hub.name().to_owned();
        session.numeric(RPL_VERSION, &[&version, &name], "a gateway to PIP-0038's flood");
        super::register::tell_isupport(session);
    }
}

pub(super) async fn time(session: &mut Session, line: &Line) {
    if is_here(session, line) {
        let (name, now_ms) = (session.hub.name().to_owned(), session.hub.now_ms());
        session.numeric(RPL_TIME, &[&name], &text::time_tag(now_ms));
    }
}

pub(super) async fn info(session: &mut Session, line: &Line) {
    if is_here(session, line) {
        for line in [
            "Nightjar is a node for PIP-0038, P2P Chat and Communication, beside PascalCoin's chain.",
            "What is said goes as small records from node to node; nobody owns a channel, and nobody can take a word back.",
            "Licensed under MIT or Apache-2.0.",
        ] {
            session.numeric(RPL_INFO, &[], line);
        }
        session.numeric(RPL_ENDOFINFO, &[], "End of INFO");
    }
}

pub(super) async fn admin(session: &mut Session, line: &Line) {
    if is_here(session, line) {
        let name = session.hub.name().to_owned();
        session.numeric(RPL_ADMINME, &[&name], "Administrative info");
        session.numeric(RPL_ADMINLOC1, &[], "a node on this machine");
        session.numeric(RPL_ADMINLOC2, &[], &format!("\"/msg {CONTROL} help\" says what can be asked and changed"));
        session.numeric(RPL_ADMINEMAIL, &[], "it is yours: there is nobody to write to");
    }
}

pub(super) async fn stats(session: &mut Session, line: &Line) {
    let what = line.params.first().map_or("u", String::as_str).to_owned();
    if what == "u" {
        let uptime_s = session.hub.node.status().uptime_s;
        let (days, rest) = (uptime_s / 86_400, uptime_s % 86_400);
        let text = format!("Server Up {days} days {}:{:02}:{:02}", rest / 3600, rest / 60 % 60, rest % 60);
        session.numeric(RPL_STATSUPTIME, &[], &text);
    }
    session.numeric(RPL_ENDOFSTATS, &[&what], &format!("End of STATS: \"/msg {CONTROL} status\" says more"));
}

pub(super) async fn links(session: &mut Session, _line: &Line) {
    let name = session.hub.name().to_owned();
    session.numeric(RPL_LINKS, &[&name, &name], "0 a gateway to a flood; its peers are no servers");
    session.numeric(RPL_ENDOFLINKS, &["*"], &format!("End of LINKS: \"/msg {CONTROL} peers\" lists the node's peers"));
}

pub(super) async fn help(session: &mut Session, line: &Line) {
    let subject = line.params.first().map_or_else(|| "*".to_owned(), |it| it.to_ascii_uppercase());
    let about = super::usages(Some(subject.as_str()).filter(|name| *name != "*"));
    if about.is_empty() {
        return session.numeric(ERR_HELPNOTFOUND, &[&subject], "there is no such command: HELP alone lists them");
    }
    session.numeric(RPL_HELPSTART, &[&subject], &format!("Commands; the node's own are said to {CONTROL}"));
    for usage in about {
        session.numeric(RPL_HELPTXT, &[&subject], usage);
    }
    session.numeric(RPL_ENDOFHELP, &[&subject], "End of HELP");
}

pub(super) async fn users(session: &mut Session, _line: &Line) {
    session.numeric(ERR_USERSDISABLED, &[], "USERS has been disabled: nobody knows who listens to a flood");
}

pub(super) async fn summon(session: &mut Session, _line: &Line) {
    session.numeric(ERR_SUMMONDISABLED, &[], "SUMMON has been disabled");
}

pub(super) async fn servlist(session: &mut Session, _line: &Line) {
    session.numeric(RPL_SERVLISTEND, &["*", "*"], "End of service listing");
}

pub(super) async fn oper(session: &mut Session, _line: &Line) {
    session.numeric(
        ERR_NOOPERHOST,
        &[],
        &format!("there are no operators; whoever is let in commands the node by {CONTROL}"),
    );
}

pub(super) async fn no_privileges(session: &mut Session, line: &Line) {
    let text = format!(
        "{}: nobody has such powers over a flood; \"/msg {CONTROL} help\" says what can be done here",
        line.command
    );
    session.numeric(ERR_NOPRIVILEGES, &[], &text);
}

/// The line by which a client learns whether the gateway is still there.
pub(in crate::irc) fn ping_line(name: &str) -> Reply {
    Reply::new("PING").text(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mask_means_what_it_matches() {
        for (mask, text, means) in [
            ("*", "", true),
            ("*", "nightjar.irc", true),
            ("*.irc", "nightjar.irc", true),
            ("n?ght*r.*", "nightjar.irc", true),
            ("*.org", "nightjar.irc", false),
            ("", "x", false),
            ("a*b*c", "aXbXbYc", true),
            ("a*b*c", "aXbXbY", false),
        ] {
            assert_eq!(wildmatch(mask, text), means, "{mask} {text}");
        }
        let long = "a".repeat(400);
        assert!(!wildmatch(&"*a".repeat(100), &format!("{long}b")));
    }
}
