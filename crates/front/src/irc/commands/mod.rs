//! What a client may say. One table: dispatch, parameters and HELP read it.

pub(super) mod channel;
pub(super) mod control;
pub(super) mod history;
pub(super) mod people;
pub(super) mod register;
pub(super) mod server;
pub(super) mod talk;

use std::pin::Pin;

use super::line::Line;
use super::session::Session;

/// What does it. Nothing that it waits for is a client's.
pub(super) type Run = for<'a> fn(&'a mut Session, &'a Line) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

/// A command.
pub(super) struct Command {
    pub(super) name: &'static str,
    /// With fewer parameters it says nothing.
    pub(super) params_min: usize,
    /// Whether it may be said before the registration.
    pub(super) before: bool,
    /// How it is said, and what for.
    pub(super) usage: &'static str,
    pub(super) run: Run,
}

const fn command(name: &'static str, params_min: usize, usage: &'static str, run: Run) -> Command {
    Command { name, params_min, before: false, usage, run }
}

const fn first(name: &'static str, params_min: usize, usage: &'static str, run: Run) -> Command {
    Command { name, params_min, before: true, usage, run }
}

/// All of them.
const COMMANDS: &[Command] = &[
    first("CAP", 1, "CAP LS|LIST|REQ|END: what client and gateway can do beyond IRC", |s, l| {
        Box::pin(register::cap(s, l))
    }),
    first("AUTHENTICATE", 1, "AUTHENTICATE PLAIN: logs in with the token of the data directory", |s, l| {
        Box::pin(register::authenticate(s, l))
    }),
    first("PASS", 1, "PASS [IDENTITY:]TOKEN: logs in with the token of the data directory", |s, l| {
        Box::pin(register::pass(s, l))
    }),
    first("NICK", 0, "NICK NAME: how you are called here", |s, l| Box::pin(register::nick(s, l))),
    first("USER", 4, "USER NAME 0 * :REAL NAME", |s, l| Box::pin(register::user(s, l))),
    first("PING", 0, "PING TEXT", |s, l| Box::pin(server::ping(s, l))),
    first("PONG", 0, "PONG TEXT", |s, l| Box::pin(server::pong(s, l))),
    first("QUIT", 0, "QUIT [:WHY]: ends the connection; the node goes on listening", |s, l| {
        Box::pin(register::quit(s, l))
    }),
    command("JOIN", 1, "JOIN #CHANNEL[,#OTHER] [PASSPHRASE[,...]]", |s, l| Box::pin(channel::join(s, l))),
    command("PART", 1, "PART #CHANNEL[,#OTHER] [:WHY]", |s, l| Box::pin(channel::part(s, l))),
    command("NAMES", 0, "NAMES [#CHANNEL]: who was heard there lately", |s, l| Box::pin(channel::names(s, l))),
    command("LIST", 0, "LIST: the channels that this node listens to", |s, l| Box::pin(channel::list(s, l))),
    command("TOPIC", 1, "TOPIC #CHANNEL [:TEXT]: seen by the clients of this node alone", |s, l| {
        Box::pin(channel::topic(s, l))
    }),
    command("MODE", 1, "MODE NICK|#CHANNEL", |s, l| Box::pin(channel::mode(s, l))),
    command("KICK", 2, "KICK #CHANNEL NICK: nobody can be kicked from a flood; /msg &nightjar ignore NICK", |s, l| {
        Box::pin(channel::kick(s, l))
    }),
    command("INVITE", 0, "INVITE NICK #CHANNEL", |s, l| Box::pin(channel::invite(s, l))),
    command("PRIVMSG", 0, "PRIVMSG #CHANNEL|NICK|ACCOUNT :TEXT", |s, l| Box::pin(talk::privmsg(s, l))),
    command("NOTICE", 0, "NOTICE #CHANNEL|NICK|ACCOUNT :TEXT", |s, l| Box::pin(talk::notice(s, l))),
    command("TAGMSG", 1, "TAGMSG #CHANNEL|NICK with tags such as +draft/react", |s, l| Box::pin(talk::tagmsg(s, l))),
    command("BATCH", 1, "BATCH +NAME draft/multiline #CHANNEL: several lines as one message", |s, l| {
        Box::pin(talk::batch(s, l))
    }),
    command("WHO", 0, "WHO #CHANNEL|NICK", |s, l| Box::pin(people::who(s, l))),
    command("WHOIS", 0, "WHOIS NICK|ACCOUNT: key, account, and what is known of it", |s, l| {
        Box::pin(people::whois(s, l))
    }),
    command("WHOWAS", 0, "WHOWAS NICK", |s, l| Box::pin(people::whowas(s, l))),
    command("ISON", 1, "ISON NICK [NICK ...]", |s, l| Box::pin(people::ison(s, l))),
    command("USERHOST", 1, "USERHOST NICK [NICK ...]", |s, l| Box::pin(people::userhost(s, l))),
    command("AWAY", 0, "AWAY [:WHY]: told to the clients of this node alone", |s, l| Box::pin(people::away(s, l))),
    command("SETNAME", 1, "SETNAME :REAL NAME", |s, l| Box::pin(people::setname(s, l))),
    command("CHATHISTORY", 0, "CHATHISTORY LATEST|BEFORE|AFTER|BETWEEN|AROUND|TARGETS ...", |s, l| {
        Box::pin(history::chathistory(s, l))
    }),
    command("MARKREAD", 0, "MARKREAD #CHANNEL|NICK [timestamp=WHEN]", |s, l| Box::pin(history::markread(s, l))),
    command("MOTD", 0, "MOTD: how this node is", |s, l| Box::pin(server::motd(s, l))),
    command("LUSERS", 0, "LUSERS", |s, l| Box::pin(server::lusers(s, l))),
    command("VERSION", 0, "VERSION", |s, l| Box::pin(server::version(s, l))),
    command("TIME", 0, "TIME", |s, l| Box::pin(server::time(s, l))),
    command("INFO", 0, "INFO", |s, l| Box::pin(server::info(s, l))),
    command("ADMIN", 0, "ADMIN", |s, l| Box::pin(server::admin(s, l))),
    command("STATS", 0, "STATS [u]", |s, l| Box::pin(server::stats(s, l))),
    command("LINKS", 0, "LINKS", |s, l| Box::pin(server::links(s, l))),
    command("HELP", 0, "HELP [COMMAND]", |s, l| Box::pin(server::help(s, l))),
    command("HELPOP", 0, "HELPOP [COMMAND]", |s, l| Box::pin(server::help(s, l))),
    command("USERS", 0, "USERS: nobody can list all on a flood", |s, l| Box::pin(server::users(s, l))),
    command("SUMMON", 0, "SUMMON: nobody can be called up", |s, l| Box::pin(server::summon(s, l))),
    command("SERVLIST", 0, "SERVLIST", |s, l| Box::pin(server::servlist(s, l))),
    command("OPER", 2, "OPER NAME PASSWORD: there are no operators", |s, l| Box::pin(server::oper(s, l))),
    command("KILL", 0, "KILL: there are no operators", |s, l| Box::pin(server::no_privileges(s, l))),
    command("WALLOPS", 0, "WALLOPS: there are no operators", |s, l| Box::pin(server::no_privileges(s, l))),
    command("REHASH", 0, "REHASH: there are no operators", |s, l| Box::pin(server::no_privileges(s, l))),
    command("RESTART", 0, "RESTART: there are no operators", |s, l| Box::pin(server::no_privileges(s, l))),
    command("DIE", 0, "DIE: there are no operators", |s, l| Box::pin(server::no_privileges(s, l))),
    command("CONNECT", 0, "CONNECT: there are no operators; /msg &nightjar connect HOST:PORT", |s, l| {
        Box::pin(server::no_privileges(s, l))
    }),
    command("SQUIT", 0, "SQUIT: there are no operators", |s, l| Box::pin(server::no_privileges(s, l))),
];

/// How commands are said, and what for: one, or all.
pub(super) fn usages(name: Option<&str>) -> Vec<&'static str> {
    let wanted = COMMANDS.iter().filter(|command| name.is_none_or(|name| command.name == name));
    wanted.map(|command| command.usage).collect()
}

/// The command of a name.
pub(super) fn find(name: &str) -> Option<&'static Command> {
    COMMANDS.iter().find(|command| command.name == name)
}
