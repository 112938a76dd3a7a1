//! How a client comes in: capabilities, nick and user in any order, who may come in, and what it is greeted with.

use std::net::SocketAddr;
use std::sync::Arc;

use nightjar_node::identity::{DEFAULT, Identity, WhichError};
use tokio::task::spawn_blocking;
use zeroize::Zeroizing;

use super::control::{CONTROL, SERVANT};
use crate::irc::caps::{self, Cap};
use crate::irc::event::Deed;
use crate::irc::hub::{CHANNELS_MAX, ClientId};
use crate::irc::line::{Line, Reply};
use crate::irc::numeric::*;
use crate::irc::people::{DIGITS, MARK, Source, fold};
use crate::irc::session::{Session, TARGETS_MAX};
use crate::irc::{peer, text};
use crate::typed::quoted;

/// The longest nick of a client here: as long as one that others can see.
pub(in crate::irc) const NICK_BYTES_MAX: usize = 32;
/// The longest name of a user, and of a host.
const USER_BYTES_MAX: usize = 20;
/// The longest real name.
pub(in crate::irc) const REALNAME_BYTES_MAX: usize = 150;
/// Bytes of an answer of SASL in one line; one that is as long goes on in the next (IRCv3, SASL).
const SASL_LINE_BYTES: usize = 400;
/// Bytes of all of it: more than any name and token have.
const SASL_BYTES_MAX: usize = 1_600;
/// HTTP's verbs. None is a command of IRC.
const HTTP: [&str; 9] = ["GET", "POST", "PUT", "HEAD", "DELETE", "OPTIONS", "PATCH", "CONNECT", "TRACE"];

/// What a client has said before it is registered.
#[derive(Debug, Default)]
pub(in crate::irc) struct Entering {
    pub(in crate::irc) nick: Option<String>,
    user: Option<(String, String)>,
    /// Capabilities are being agreed on: the registration waits for CAP END.
    negotiates: bool,
    /// The client knows capabilities with values.
    knows_values: bool,
    /// It showed the token.
    pub(in crate::irc) is_let_in: bool,
    /// It said a command of IRC.
    pub(in crate::irc) has_spoken: bool,
    /// Its process is one of the node's own user.
    pub(in crate::irc) is_own_user: bool,
    /// A token that was wrong, or an identity that is none.
    refused: Option<String>,
    /// What came of an answer of SASL that is expected.
    sasl: Option<Zeroizing<String>>,
}

/// Whether a line of one who did not come in yet is a web browser's.
pub(in crate::irc) fn is_http(line: &Line) -> bool {
    let is_request = line.params.last().is_some_and(|last| last.starts_with("HTTP/"));
    // One of the lines of its head.
    let is_header = line.command.ends_with(':');
    HTTP.contains(&line.command.as_str()) || is_request || is_header
}

pub(super) async fn cap(session: &mut Session, line: &Line) {
    let [what, rest @ ..] = line.params.as_slice() else { return };
    let wish = rest.first().map_or("", String::as_str);
    let is_registered = session.id.is_some();
    match what.to_ascii_uppercase().as_str() {
        "LS" => {
            session.entering.negotiates |= !is_registered;
            if wish.parse::<u32>().is_ok_and(|version| version >= 302) {
                session.entering.knows_values = true;
                session.caps.add(Cap::NewsOfCaps);
            }
            let offered = caps::offered(session.entering.knows_values);
            cap_reply(session, "LS", &offered);
        }
        "LIST" => {
            let list = session.caps.list();
            cap_reply(session, "LIST", &list);
        }
        "REQ" => {
            session.entering.negotiates |= !is_registered;
            match session.caps.with(wish) {
                Some(mut caps) => {
                    // By the version that it said it has this one for good.
                    if session.entering.knows_values {
                        caps.add(Cap::NewsOfCaps);
                    }
                    session.caps = caps;
                    cap_reply(session, "ACK", wish);
                }
                None => cap_reply(session, "NAK", wish),
            }
        }
        "END" => {
            if std::mem::take(&mut session.entering.negotiates) {
                register(session).await;
            }
        }
        other => session.numeric(ERR_INVALIDCAPCMD, &[other], "CAP has LS, LIST, REQ and END"),
    }
}

fn cap_reply(session: &mut Session, what: &str, names: &str) {
    let nick = session.source.nick.clone();
    let reply = session.server_line("CAP").param(nick).param(what).text(names);
    session.reply(reply);
}

pub(super) async fn authenticate(session: &mut Session, line: &Line) {
    let said = line.params.first().map_or("", String::as_str);
    if session.entering.is_let_in {
        session.numeric(ERR_SASLALREADY, &[], "you are logged in already");
        return;
    }
    if session.id.is_some() {
        session.numeric(ERR_SASLFAIL, &[], "you are in already: connect anew to log in as another identity");
        return;
    }
    let Some(mut answer) = session.entering.sasl.take() else {
        if said.eq_ignore_ascii_case("PLAIN") {
            session.entering.sasl = Some(Zeroizing::default());
            let reply = Reply::new("AUTHENTICATE").param("+");
            session.reply(reply);
        } else if said == "*" {
            session.numeric(ERR_SASLABORTED, &[], "given up");
        } else {
            session.numeric(RPL_SASLMECHS, &["PLAIN"], "are the mechanisms");
            session.numeric(ERR_SASLFAIL, &[], "this mechanism is not known: take PLAIN");
        }
        return;
    };
    if said == "*" {
        session.numeric(ERR_SASLABORTED, &[], "given up");
        return;
    }
    if said.len() > SASL_LINE_BYTES || answer.len() + said.len() > SASL_BYTES_MAX {
        session.numeric(ERR_SASLTOOLONG, &[], "that is too long: the password is the token of the data directory");
        return;
    }
    if said != "+" {
        answer.push_str(said);
    }
    if said.len() == SASL_LINE_BYTES {
        session.entering.sasl = Some(answer);
        return;
    }
    let allowed = match text::sasl_plain(&answer) {
        None => Err("that is no SASL PLAIN".to_owned()),
        // Clients that send one text as both, or `identity:token` as the password.
        Some((_, name, password)) => match password.rsplit_once(':') {
            Some((identity, token)) => let_in(session, identity, token),
            None => let_in(session, &name, &password),
        },
    };
    match allowed {
        Ok(account) => {
            let mask = session.source.mask();
            let text = format!("you speak as {account}");
            session.numeric(RPL_LOGGEDIN, &[&mask, &account], &text);
            session.numeric(RPL_SASLSUCCESS, &[], "you are logged in");
        }
        Err(why) => {
            session.numeric(ERR_SASLFAIL, &[], &why);
            // Clients that go on all the same would speak as somebody else than the user thinks.
            session.entering.refused = Some(why);
        }
    }
}

pub(super) async fn pass(session: &mut Session, line: &Line) {
    if session.id.is_some() {
        session.numeric(ERR_ALREADYREGISTERED, &[], "you are in already");
        return;
    }
    let shown = line.params.first().map_or("", String::as_str);
    let (identity, token) = shown.rsplit_once(':').unwrap_or((DEFAULT, shown));
    if let Err(why) = let_in(session, identity, token) {
        session.entering.refused = Some(why);
    }
}

/// Whoever shows the token may come in, as one of the node's identities. Gives what that one is called.
fn let_in(session: &mut Session, identity: &str, token: &str) -> Result<String, String> {
    if !session.hub.token.is(token) {
        return Err(format!("the token is wrong: it stands in {}", session.hub.config.token_file.display()));
    }
    let identities = session.hub.node.post().identities().clone();
    let found = identities.find(identity);
    let identity = match found {
        Ok(identity) => Some(identity),
        // Where there is no identity yet, a name is the client's own idea: SASL wants one.
        Err(_) if identity == DEFAULT || identity.is_empty() || identities.list().is_empty() => None,
        Err(error) => return Err(no_identity(identity, &error)),
    };
    session.entering.is_let_in = true;
    session.entering.refused = None;
    session.identity =
        identity.as_ref().map(|identity| identity.key).filter(|_| identity.as_ref().is_some_and(|it| !it.default));
    Ok(identity.map_or_else(|| "nobody: this node has no identity yet".to_owned(), |identity| called(&identity)))
}

/// What an identity is called: its nick, or the beginning of its key.
pub(in crate::irc) fn called(identity: &Identity) -> String {
    let key = identity.key.to_string();
    identity.nick.clone().unwrap_or_else(|| format!("key{MARK}{}", key.get(..DIGITS).unwrap_or(&key)))
}

pub(super) async fn nick(session: &mut Session, line: &Line) {
    let Some(nick) = line.params.first().filter(|nick| !nick.is_empty()) else {
        session.numeric(ERR_NONICKNAMEGIVEN, &[], "say which nick");
        return;
    };
    if let Err(why) = check_nick(nick) {
        session.numeric(ERR_ERRONEUSNICKNAME, &[nick], why);
        return;
    }
    if session.id.is_some() {
        rename(session, nick).await;
        return;
    }
    if session.hub.is_taken(nick) {
        session.numeric(ERR_NICKNAMEINUSE, &[nick], taken(nick));
        return;
    }
    session.entering.nick = Some(nick.clone());
    register(session).await;
}

/// Why a nick cannot be had that is one.
fn taken(nick: &str) -> &'static str {
    if nick.eq_ignore_ascii_case(SERVANT) {
        "the node itself is called so here"
    } else {
        "another client here has this nick"
    }
}

/// The words for an identity that there is not, or that can be several.
pub(in crate::irc) fn no_identity(which: &str, error: &WhichError) -> String {
    match error {
        WhichError::Unknown(_) => {
            format!("no identity of this node is called {}: \"/msg {CONTROL} identity\" lists them", quoted(which))
        }
        WhichError::None | WhichError::NoDefault | WhichError::Several { .. } => error.to_string(),
    }
}

/// Whether a nick can be one here. Those that others see are narrower still.
fn check_nick(nick: &str) -> Result<(), &'static str> {
    let is_special = |byte: u8| matches!(byte, b'[' | b']' | b'\\' | b'`' | b'_' | b'^' | b'{' | b'|' | b'}');
    let is_first = nick.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic() || is_special(byte));
    let is_rest = nick.bytes().all(|byte| byte.is_ascii_alphanumeric() || is_special(byte) || byte == b'-');
    match (nick.len() <= NICK_BYTES_MAX, is_first && is_rest) {
        (false, _) => Err("a nick has 32 characters at the most"),
        (true, false) => Err("a nick has letters, digits and []\\`_^{|}-, and begins with no digit or -"),
        (true, true) => Ok(()),
    }
}

/// A client that goes by its identity's nick changes that by a change of its own; else it is called so here alone.
async fn rename(session: &mut Session, nick: &str) {
    let Some(id) = session.id else { return };
    if *nick == session.source.nick {
        return;
    }
    if fold(nick) != fold(&session.source.nick) && session.hub.is_taken(nick) {
        session.numeric(ERR_NICKNAMEINUSE, &[nick], taken(nick));
        return;
    }
    let speaks = speaking(session);
    let is_its_own = |identity: &Identity| match &identity.nick {
        Some(own) => *own == fold(&session.source.nick) && *own != fold(nick),
        None => true,
    };
    if let Some(identity) = speaks.filter(is_its_own) {
        let (post, key, wanted) = (session.hub.node.post().clone(), identity.key.to_string(), nick.to_owned());
        let set = post.identities().off_the_tasks(move |all| all.set_nick(&key, Some(&wanted))).await;
        if let Err(error) = set {
            session.numeric(ERR_ERRONEUSNICKNAME, &[nick], &error.to_string());
            return;
        }
        post.refresh_own();
        session.notice(&format!("others see you as {} from your next message on", fold(nick)));
    }
    if !take_nick(session, id, nick) {
        session.numeric(ERR_NICKNAMEINUSE, &[nick], taken(nick));
    }
}

/// A client is called otherwise; `false` when another has that nick.
fn take_nick(session: &mut Session, id: ClientId, nick: &str) -> bool {
    let source = Arc::new(Source { nick: nick.to_owned(), ..(*session.source).clone() });
    if !session.hub.rename(id, Arc::clone(&source)) {
        return false;
    }
    let reply = session.own_line("NICK").param(nick);
    session.reply(reply);
    session.source = source;
    true
}

/// Another identity speaks for a client, or the same under another nick: it is called so here as well, if no other client is.
pub(super) fn go_by(session: &mut Session, identity: &Identity) {
    let Some(id) = session.id else { return };
    let account = session.hub.proven_account(&identity.key);
    session.source = Arc::new(Source { account, ..(*session.source).clone() });
    session.hub.speak_as(id, session.identity, Arc::clone(&session.source));
    if let Some(nick) = identity.nick.as_ref().filter(|nick| **nick != fold(&session.source.nick)) {
        take_nick(session, id, nick);
    }
    tell_identity(session, Some(identity));
}

/// Who speaks for a client: the identity that it chose, else the default one.
pub(in crate::irc) fn speaking(session: &Session) -> Option<Identity> {
    let identities = session.hub.node.post().identities();
    match session.identity {
        Some(key) => identities.list().into_iter().find(|identity| identity.key == key),
        None => identities.find(DEFAULT).ok(),
    }
}

pub(super) async fn user(session: &mut Session, line: &Line) {
    if session.id.is_some() || session.entering.user.is_some() {
        session.numeric(ERR_ALREADYREGISTERED, &[], "you said USER already");
        return;
    }
    let [user, .., realname] = line.params.as_slice() else { return };
    if realname.is_empty() {
        return session.numeric(ERR_NEEDMOREPARAMS, &["USER"], "not enough parameters: the real name is empty");
    }
    let user: String = user.chars().filter(|it| it.is_ascii_alphanumeric() || matches!(it, '-' | '_' | '.')).collect();
    let user = text::head(&user, USER_BYTES_MAX).to_owned();
    let user = if user.is_empty() { "user".to_owned() } else { user };
    let realname = text::clean(realname);
    session.entering.user = Some((user, text::head(&realname, REALNAME_BYTES_MAX).to_owned()));
    register(session).await;
}

pub(super) async fn quit(session: &mut Session, line: &Line) {
    let why = line.params.first().map_or(String::new(), |why| text::clean(why));
    session.close(&format!("Quit: {why}"));
}

/// Takes the client in when it said all that is wanted.
async fn register(session: &mut Session) {
    if session.id.is_some() || session.entering.negotiates {
        return;
    }
    let (Some(nick), Some((user, realname))) = (session.entering.nick.clone(), session.entering.user.clone()) else {
        return;
    };
    if let Some(why) = session.entering.refused.take() {
        session.numeric(ERR_PASSWDMISMATCH, &[], &why);
        session.close("access denied");
        return;
    }
    if !session.entering.is_let_in && !session.entering.is_own_user {
        let file = session.hub.config.token_file.display();
        let why = format!("log in by SASL PLAIN or PASS; the password is the token that stands in {file}");
        session.numeric(ERR_PASSWDMISMATCH, &[], &why);
        session.close("access denied");
        return;
    }
    let identity = speaking(session);
    let own = identity.as_ref().and_then(|identity| identity.nick.clone());
    let mut named =
        own.into_iter().filter(|own| fold(&nick) != *own && !session.hub.is_taken(own)).chain([nick.clone()]);
    let account = identity.as_ref().and_then(|identity| session.hub.proven_account(&identity.key));
    let source = |nick: String| {
        let (user, realname, account) = (user.clone(), realname.clone(), account.clone());
        Arc::new(Source { nick, user, host: "local".to_owned(), account, realname })
    };
    let entered = named.find_map(|nick| {
        let source = source(nick);
        session.hub.register(Arc::clone(&source), session.identity).map(|entered| (source, entered))
    });
    let Some((source, (id, events))) = entered else {
        session.entering.nick = None;
        session.numeric(ERR_NICKNAMEINUSE, &[&nick], taken(&nick));
        return;
    };
    session.id = Some(id);
    session.events = Some(events);
    session.source = source;
    greet(session, identity.as_ref()).await;
}

/// On Linux whoever runs the node needs no token, for he can read it.
pub(in crate::irc) async fn is_own_user(client: SocketAddr, server: SocketAddr) -> bool {
    if !client.ip().is_loopback() {
        return false;
    }
    let owner =
        spawn_blocking(move || peer::owner(client, server).filter(|owner| Some(*owner) == peer::own_uid())).await;
    matches!(owner, Ok(Some(_)))
}

async fn greet(session: &mut Session, identity: Option<&Identity>) {
    let about = session.hub.node.about().clone();
    let (mask, name) = (session.source.mask(), session.hub.name().to_owned());
    session.numeric(RPL_WELCOME, &[], &format!("Welcome to the PIP-0038 chat of PascalCoin, {mask}"));
    session.numeric(RPL_YOURHOST, &[], &format!("Your host is {name}, a gateway of nightjar {}", about.version));
    let since = text::time_tag(session.hub.since.0);
    session.numeric(RPL_CREATED, &[], &format!("This gateway serves since {since}"));
    session.numeric_bare(RPL_MYINFO, &[&name, &format!("nightjar-{}", about.version), "i", "bk"]);
    tell_isupport(session);
    super::server::tell_lusers(session);
    super::server::tell_motd(session);
    tell_identity(session, identity);
    super::history::play_back_people(session).await;
}

/// What the gateway can do, in lines of no more than 12 tokens: 15 parameters are all that a line has.
pub(super) fn tell_isupport(session: &mut Session) {
    for tokens in isupport().chunks(12) {
        let tokens: Vec<&str> = tokens.iter().map(String::as_str).collect();
        session.numeric(RPL_ISUPPORT, &tokens, "are supported by this server");
    }
}

/// What is true of the gateway.
fn isupport() -> Vec<String> {
    let own = |text: &str| text.to_owned();
    vec![
        own("CASEMAPPING=ascii"),
        own("CHANTYPES=#&"),
        own("PREFIX="),
        own("CHANMODES=b,k,,"),
        own("UTF8ONLY"),
        own("NETWORK=PascalCoin"),
        format!("NICKLEN={NICK_BYTES_MAX}"),
        format!("CHANNELLEN={}", nightjar_core::name::CHANNEL_BYTES_MAX + 1),
        format!("CHANLIMIT=#:{CHANNELS_MAX},&:1"),
        format!("TOPICLEN={}", super::channel::TOPIC_BYTES_MAX),
        format!("AWAYLEN={}", super::people::AWAY_BYTES_MAX),
        format!("NAMELEN={REALNAME_BYTES_MAX}"),
        format!(
            "TARGMAX=PRIVMSG:{TARGETS_MAX},NOTICE:{TARGETS_MAX},TAGMSG:{TARGETS_MAX},JOIN:,PART:,WHOIS:1,NAMES:1,KICK:1"
        ),
        own("MODES=1"),
        own("SAFELIST"),
        format!("CHATHISTORY={}", super::history::HISTORY_MAX),
        own("MSGREFTYPES=msgid,timestamp"),
        format!("LINELEN={}", crate::irc::line::BODY_BYTES_MAX),
    ]
}

/// As whom the others see the user: what a client cannot know, said once.
fn tell_identity(session: &mut Session, identity: Option<&Identity>) {
    let nick = session.source.nick.clone();
    match identity {
        None => session.notice(
            "You speak unsigned, as nobody in particular: this node has no chat key. \"/msg &nightjar identity new NICK\" makes one.",
        ),
        Some(identity) if identity.nick.is_none() => session.notice(
            "Others see you by your chat key alone. \"/nick NICK\" or \"/msg &nightjar identity nick NICK\" gives it a nick.",
        ),
        Some(identity) if identity.nick.as_deref() != Some(&fold(&nick)) => {
            let called = called(identity);
            session.notice(&format!(
                "Others see you as {called}; {nick} are you to the clients of this node, for another client has that nick."
            ));
        }
        Some(_) => {}
    }
}

pub(in crate::irc) fn changed_realname(session: &mut Session, realname: &str) {
    let realname = text::head(&text::clean(realname), REALNAME_BYTES_MAX).to_owned();
    let source = Arc::new(Source { realname: realname.clone(), ..(*session.source).clone() });
    session.source = Arc::clone(&source);
    if let Some(id) = session.id {
        session.hub.change(id, source, Deed::Realname(realname));
    }
}
