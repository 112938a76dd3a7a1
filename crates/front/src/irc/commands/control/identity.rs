//! The chat keys of this node, and which one speaks for a client. Takes and gives no passphrase and no secret: the command line is for those.

use nightjar_core::name::Name;
use nightjar_core::time::Wall;
use nightjar_envelope::key::ChatKey;
use nightjar_node::identity::{ChangeError, DEFAULT, Identities, Identity, LockError, WriteError};

use super::short;
use super::table::Answer;
use super::words::table;
use crate::irc::commands::register;
use crate::irc::event::Event;
use crate::irc::session::Session;

/// Behind what cannot be done while the chat keys are locked.
const UNLOCK: &str = "on the command line nightjar identity unlock opens them";

pub(super) fn list(session: &Session) -> Answer {
    let identities = session.hub.node.post().identities();
    let all = identities.list();
    if all.is_empty() {
        return Ok(vec![
            "this node has no chat key, and what you say is unsigned: identity new NICK makes one".to_owned(),
        ]);
    }
    let speaks = register::speaking(session).map(|identity| identity.key);
    let mut lines =
        table(["NICK", "KEY", "WHAT IT IS"], all.iter().map(|it| row(it, speaks)), "nightjar identity list");
    if speaks.is_none() {
        lines.push(
            "none speaks for you, and what you say is unsigned: identity use WHICH, or identity default WHICH"
                .to_owned(),
        );
    }
    if identities.locked() {
        lines.push(format!("they are locked: {UNLOCK}"));
    }
    Ok(lines)
}

fn row(identity: &Identity, speaks: Option<ChatKey>) -> [String; 3] {
    let proven = identity.proofs.iter().map(|proof| format!("for account {}", Name::Account(proof.account).text()));
    let what = [
        (speaks == Some(identity.key)).then(|| "speaks for you".to_owned()),
        identity.default.then(|| "default".to_owned()),
        identity.revoked.map(|_| "revoked".to_owned()),
        identity.replaced.map(|(_, heir)| format!("goes on as {}", short(&heir))),
    ];
    let what: Vec<String> = what.into_iter().flatten().chain(proven).collect();
    [identity.nick.clone().unwrap_or_else(|| "-".to_owned()), short(&identity.key), what.join(", ")]
}

pub(super) async fn new(session: &mut Session, nick: &str) -> Answer {
    let nick = (!nick.is_empty()).then(|| nick.to_owned());
    let made = change(session, move |all, now| all.new_identity(nick.as_deref(), now)).await?;
    let called = register::called(&made);
    let mut lines = vec![format!("{called} is made, key {}", made.key)];
    if register::speaking(session).is_some_and(|speaks| speaks.key == made.key) {
        lines.push(format!("you speak as {called} from now on"));
        tell_others(session, &called);
        register::go_by(session, &made);
    } else {
        lines.push(format!(
            "identity use {called} lets it speak for you, identity default {called} for whoever chooses none"
        ));
    }
    Ok(lines)
}

pub(super) async fn nick(session: &mut Session, nick: &str) -> Answer {
    let speaks = register::speaking(session);
    let key = speaks.ok_or("no chat key speaks for you: identity new NICK makes one")?.key.to_string();
    let nick = nick.to_owned();
    let changed = change(session, move |all, _| all.set_nick(&key, Some(&nick))).await?;
    register::go_by(session, &changed);
    Ok(vec![format!("others see you as {} from your next message on", register::called(&changed))])
}

pub(super) async fn default(session: &mut Session, which: &str) -> Answer {
    let which = which.to_owned();
    let now_default = change(session, move |all, _| all.make_default(&which)).await?;
    let called = register::called(&now_default);
    tell_others(session, &called);
    if session.identity.is_none() {
        register::go_by(session, &now_default);
        return Ok(vec![format!("{called} speaks for whoever chooses none, and so for you")]);
    }
    let own = register::speaking(session).map_or_else(|| "nobody".to_owned(), |identity| register::called(&identity));
    Ok(vec![format!("{called} speaks for whoever chooses none; you chose {own}, and speak as that one")])
}

/// Only this client is concerned: nothing is written down.
pub(super) fn choose(session: &mut Session, which: &str) -> Answer {
    let identities = session.hub.node.post().identities();
    let chosen = identities.find(which).map_err(|error| register::no_identity(which, &error))?;
    if chosen.ended() {
        return Err(ChangeError::Ended(chosen.key).to_string());
    }
    let is_locked = identities.locked();
    session.identity = Some(chosen.key).filter(|_| which != DEFAULT);
    register::go_by(session, &chosen);
    let called = register::called(&chosen);
    let how = if which == DEFAULT { ", the default one," } else { "" };
    let mut lines = vec![format!("you speak as {called}{how} from now on, and hear what is written to that one")];
    if is_locked {
        lines.push(format!("the chat keys are locked, and nothing can be signed: {UNLOCK}"));
    }
    Ok(lines)
}

pub(super) async fn lock(session: &mut Session) -> Answer {
    let post = session.hub.node.post();
    match post.identities().off_the_tasks(Identities::lock).await {
        Ok(()) => {
            post.refresh_own();
            Ok(vec![format!(
                "the chat keys are locked: nothing is signed, and what comes sealed for them is lost, until they are opened; {UNLOCK}"
            )])
        }
        Err(LockError::NoPassphrase) => Err(
            "the chat keys have no passphrase: on the command line nightjar identity passphrase sets one, then they can be locked"
                .to_owned(),
        ),
        Err(error @ LockError::Chance(_)) => Err(error.to_string()),
    }
}

async fn change(
    session: &Session,
    act: impl FnOnce(&Identities, Wall) -> Result<Identity, ChangeError> + Send + 'static,
) -> Result<Identity, String> {
    let post = session.hub.node.post();
    let now = post.now();
    let changed = post.identities().off_the_tasks(move |all| act(all, now)).await.map_err(|error| match error {
        ChangeError::Write(WriteError::Locked(_)) => format!("the chat keys are locked: {UNLOCK}"),
        other => other.to_string(),
    })?;
    post.refresh_own();
    if let Some(nick) = &changed.nick {
        session.hub.yield_to_own(nick);
    }
    Ok(changed)
}

/// The other clients that chose nobody speak as another one from now on.
fn tell_others(session: &Session, called: &str) {
    let text = format!("You speak as {called} from now on: another client of this node made that one the default.");
    session.hub.tell_all(session.id, &Event::Notice(text.into()), |identity| identity.is_none());
}
