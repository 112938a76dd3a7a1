//! The node itself: how it is, its peers, what it catches up with.

use nightjar_core::address::Address;
use nightjar_core::link::Carries;
use nightjar_node::handle::Connection;
use nightjar_node::window::HOURS_MAX;
use nightjar_node::window::WindowStatus;

use super::table::Answer;
use super::words::{aligned, count, duration, plain, table};
use super::{SHUTTING_DOWN, short};
use crate::irc::commands::register;
use crate::irc::session::Session;
use crate::irc::show::when;
use crate::typed::quoted;

pub(super) async fn status(session: &mut Session) -> Answer {
    let node = session.hub.node.clone();
    let (about, status, storing, post) = (node.about(), node.status(), node.storing(), node.post());
    let clients = session.hub.clients().len() as u64;
    let outbound = status.connections.iter().filter(|link| link.peer.outbound).count();
    let inbound = status.connections.len() - outbound;
    let takes_nothing = status.connections.iter().filter(|link| link.peer.carries == Carries::Nothing).count() as u64;
    let mut peers = format!(
        "{} linked, {outbound} by us and {inbound} by them; {} known",
        count(status.connections.len() as u64, "peer", "peers"),
        count(status.addresses_known as u64, "address", "addresses")
    );
    if takes_nothing > 0 {
        peers.push_str(&format!("; {takes_nothing} of PascalCoin's own kind, which carry no chat"));
    }
    if status.connections.is_empty() {
        peers.push_str(": connect HOST:PORT adds one");
    }
    let listened = node.listens().await.ok_or(SHUTTING_DOWN)?;
    let speaks = match register::speaking(session) {
        Some(identity) => format!("{}, key {}", register::called(&identity), short(&identity.key)),
        None => "nobody: what you say is unsigned, identity new NICK makes a chat key".to_owned(),
    };
    let identities = post.identities();
    let locked = if identities.locked() { "; locked: nightjar identity unlock opens it" } else { "" };
    let mut facts = vec![
        ["version".to_owned(), format!("{}, {} network", about.version, about.network.name())],
        [
            "runs for".to_owned(),
            format!("{}; {} here", duration(status.uptime_s), count(clients, "client is", "clients are")),
        ],
        ["peers".to_owned(), peers],
        ["speaks".to_owned(), format!("{speaks}{locked}")],
        [
            "listens".to_owned(),
            format!(
                "to {}, and reads {} under a secret",
                count(listened.len() as u64, "name", "names"),
                post.joined().len()
            ),
        ],
        [
            "outbox".to_owned(),
            match post.outbox().len() as u64 {
                0 => "nothing waits".to_owned(),
                waiting => {
                    format!("{} for a peer: outbox lists them", count(waiting, "message waits", "messages wait"))
                }
            },
        ],
        ["window".to_owned(), window(node.window().map(|window| window.status()).as_ref())],
    ];
    let requests = post.requests().len() as u64;
    if requests > 0 {
        let asks = count(requests, "stranger asks to talk to you", "strangers ask to talk to you");
        facts.push(["requests".to_owned(), format!("{asks}: requests")]);
    }
    if let Some(problem) = storing.problem {
        let waiting = count(storing.waiting, "message waits", "messages wait");
        facts.push(["store".to_owned(), format!("nothing is stored now, {waiting}: {problem}")]);
    }
    if storing.not_stored > 0 {
        let lost = count(storing.not_stored, "message", "messages");
        facts.push(["store".to_owned(), format!("{lost} could not be stored since the start: see the log")]);
    }
    Ok(aligned(facts))
}

/// How far the node is in fetching what was said while it was off.
fn window(status: Option<&WindowStatus>) -> String {
    let Some(status) = status else {
        return "none (window_mib = 0): what is said while this node is off does not reach it".to_owned();
    };
    if status.loading {
        return "being read".to_owned();
    }
    let mut line = count(status.records.iter().sum(), "record of everybody", "records of everybody");
    if status.missing > 0 {
        line.push_str(&format!("; catching up, {} to come", count(status.missing, "record", "records")));
    }
    if status.more {
        line.push_str("; neighbours have more than a new node fetches unasked: catchup 168");
    }
    if let Some(problem) = &status.problem {
        line.push_str(&format!("; {}", plain(problem)));
    }
    line
}

pub(super) fn peers(session: &Session) -> Answer {
    let status = session.hub.node.status();
    if status.connections.is_empty() {
        return Ok(vec!["no peer is linked: connect HOST:PORT adds one".to_owned()]);
    }
    let row = |link: &Connection| {
        let carries = match link.peer.carries {
            Carries::Records => "chat",
            Carries::Nothing => "no chat",
            Carries::Unknown => "not known yet",
        };
        [
            link.peer.address.to_string(),
            if link.peer.outbound { "by us" } else { "by peer" }.to_owned(),
            duration(link.open_s),
            carries.to_owned(),
            link.peer.agent.clone(),
        ]
    };
    let rows = status.connections.iter().map(row);
    Ok(table(["ADDRESS", "LINKED", "FOR", "CARRIES", "AGENT"], rows, "nightjar peers lists all"))
}

pub(super) async fn connect(session: &mut Session, typed: &str) -> Answer {
    let address: Address = typed.parse().map_err(|error: nightjar_core::address::AddressError| error.to_string())?;
    let shown = address.to_string();
    let added = session.hub.node.add_peer(address).await.ok_or(SHUTTING_DOWN)?;
    Ok(vec![if added {
        format!("{shown} is dialled now, and for as long as this node runs; peers shows when it is linked")
    } else {
        format!("{shown} is dialled already; peers shows whether it is linked")
    }])
}

pub(super) fn catch_up(session: &Session, typed: &str) -> Answer {
    let window_of_node = session.hub.node.window();
    if typed.is_empty() {
        return Ok(vec![window(window_of_node.map(|window| window.status()).as_ref())]);
    }
    let hours = typed.parse::<u32>().ok().filter(|hours| (1..=HOURS_MAX).contains(hours));
    let hours = hours.ok_or_else(|| format!("{} are no hours: give 1 to {HOURS_MAX}", quoted(typed)))?;
    let window = window_of_node.ok_or("this node keeps no window: set window_mib, and start it again")?;
    let hours = count(u64::from(window.reach_back(hours)), "hour", "hours");
    Ok(vec![match window.status().neighbours {
        0 => format!("no neighbour can be asked now; those that come are asked for {hours} back"),
        neighbours => {
            format!(
                "{} asked for {hours} back; catchup says how far it is",
                count(neighbours, "neighbour is", "neighbours are")
            )
        }
    }])
}

pub(super) fn presence(session: &Session, typed: &str) -> Answer {
    let wanted = match typed.to_ascii_lowercase().as_str() {
        "on" => true,
        "off" => false,
        "" => session.hub.presence(),
        _ => return Err(format!("{} is neither on nor off: presence [on|off]", quoted(typed))),
    };
    if !typed.is_empty() {
        session.hub.set_presence(wanted);
    }
    Ok(vec![if wanted {
        "presence is on: who is heard in a channel joins it, and leaves it when he was silent for half an hour"
            .to_owned()
    } else {
        "presence is off: nobody joins or leaves by being heard; irc_presence in the configuration keeps it so"
            .to_owned()
    }])
}

/// When something was or will be, in words.
pub(super) fn moment(time_ms: u64) -> String {
    format!("{} UTC", when(time_ms))
}
