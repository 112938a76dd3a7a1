//! Channels: what the node listens to, under which secret, and how that ends. A passphrase that is made is answered, and never logged.

use std::collections::BTreeMap;

use nightjar_core::name::TypedName;
use nightjar_node::handle::ListenTo;
use nightjar_node::post::{JoinError, JoinWish};
use zeroize::Zeroizing;

use super::table::Answer;
use super::words::{head, table};
use super::{CONTROL, SHUTTING_DOWN};
use crate::irc::commands::channel::{self, channel_of, has_passphrase};
use crate::irc::event::Event;
use crate::irc::session::Session;
use crate::typed::quoted;

/// Why a client leaves a channel that the node listens to no more.
const NOT_LISTENED: &str = "this node listens to it no more";

#[derive(Default)]
struct Row {
    typed: String,
    is_in: bool,
    listened: bool,
    passphrase: bool,
    unread: u64,
}

pub(super) async fn channels(session: &mut Session) -> Answer {
    let node = session.hub.node.clone();
    let mut rows: BTreeMap<String, Row> = BTreeMap::new();
    let mut others = Vec::new();
    fn row<'a>(rows: &'a mut BTreeMap<String, Row>, typed: &str) -> Option<&'a mut Row> {
        let folded = channel_of(typed).ok()?.1;
        Some(rows.entry(folded).or_insert_with(|| Row { typed: typed.to_owned(), ..Row::default() }))
    }
    for name in node.listens().await.ok_or(SHUTTING_DOWN)?.into_iter().filter_map(|listen| listen.name) {
        match row(&mut rows, &name) {
            Some(row) => row.listened = true,
            None => others.push(name),
        }
    }
    for (name, passphrase, _) in node.post().joined() {
        if let Some(row) = row(&mut rows, &name) {
            row.passphrase = passphrase;
        }
    }
    for folded in session.channels.keys() {
        if let Some(row) = row(&mut rows, folded) {
            row.is_in = true;
        }
    }
    let held = node.conversations().await.map_err(|error| error.to_string())?;
    for conversation in held {
        if let Some(row) = rows.get_mut(&conversation.name) {
            row.unread = conversation.unread;
        }
    }
    let mut lines = if rows.is_empty() {
        vec!["this node listens to no channel: /join #pascalcoin listens to one".to_owned()]
    } else {
        let yes = |is: bool| if is { "yes" } else { "-" }.to_owned();
        let rows = rows.into_values().map(|row| {
            let listens = if row.listened {
                "in the open"
            } else if row.passphrase {
                "sealed alone"
            } else {
                "-"
            };
            [row.typed, yes(row.is_in), listens.to_owned(), yes(row.passphrase), row.unread.to_string()]
        });
        table(["CHANNEL", "JOINED", "LISTENS", "PASSPHRASE", "UNREAD"], rows, "/list lists all")
    };
    if !others.is_empty() {
        others.truncate(super::words::ROWS_MAX);
        lines.push(format!("and to these names: {}", others.join(" ")));
    }
    Ok(lines)
}

/// Joins a channel, under a passphrase if one is given. One may have blanks in it, which a JOIN line of most clients cannot say.
pub(super) async fn join(session: &mut Session, rest: &str, weak: bool) -> Answer {
    let (typed, phrase) = head(rest);
    if typed.eq_ignore_ascii_case(CONTROL) {
        return Err(format!("/join {CONTROL} enters this one"));
    }
    let (name, folded) = channel_of(typed)?;
    channel::has_room(session, &folded)?;
    if !phrase.is_empty() {
        read_with(session, &name, phrase, weak).await?;
    }
    channel::enter(session, name, &folded, typed).await?;
    Ok(vec![if phrase.is_empty() {
        format!("{typed} is joined")
    } else {
        format!("{typed} is joined, and what you say there is sealed for those who have the passphrase")
    }])
}

pub(super) async fn passphrase(session: &mut Session, typed: &str) -> Answer {
    let (name, folded) = channel_of(typed)?;
    channel::has_room(session, &folded)?;
    let words = read_with(session, &name, "", false).await?;
    // Told whatever comes next: they are shown this once.
    let mut lines = match words {
        Some(words) => vec![
            format!("{typed} is under a passphrase from now on. It is not shown again:"),
            words.to_string(),
            format!("give it to the others on another way; they say to their node: join {typed} and these words"),
        ],
        None => Vec::new(),
    };
    if let Err(why) = channel::enter(session, name, &folded, typed).await {
        lines.push(why);
    }
    Ok(lines)
}

/// Reads a channel with a passphrase from now on; an empty one is made, and given. Says what can be done when that fails.
pub(in crate::irc) async fn read_with(
    session: &mut Session,
    name: &TypedName,
    phrase: &str,
    weak: bool,
) -> Result<Option<Zeroizing<String>>, String> {
    let typed = name.typed();
    let passphrase = Some(Zeroizing::new(phrase.to_owned()));
    let wish = JoinWish { name: name.clone(), passphrase, weak, password: None };
    match session.hub.node.post().join(wish).await {
        Ok(made) => Ok(made),
        Err(JoinError::Store(error)) if phrase.is_empty() => {
            // Nobody would ever see the words under which the channel is read now.
            let undone = session.hub.node.post().part(name.name()).await;
            undone
                .map_or_else(|error| tracing::debug!(%error, "a channel is left, but that is not written down"), drop);
            Err(format!("no passphrase is made for {typed}, for it could not be written down: {error}"))
        }
        Err(JoinError::Store(error)) => {
            session.warn("JOIN", "NOT_STORED", &[typed], &error.to_string());
            Ok(None)
        }
        Err(JoinError::Weak(why)) => Err(format!(
            "the passphrase is weak: {why}. \"/msg {CONTROL} passphrase {typed}\" makes six words; \"/msg {CONTROL} joinweak {typed} PASSPHRASE\" takes it all the same"
        )),
        Err(JoinError::Joined(_)) => Err(format!(
            "{typed} is joined with another passphrase already, which its members have: \"/msg {CONTROL} leave {typed}\" first, if you have that one still or need it no more"
        )),
        Err(JoinError::TooMany) => Err(format!(
            "as many names as can be are joined with a secret: \"/msg {CONTROL} leave #CHANNEL\" one that is not needed"
        )),
        Err(error) => Err(error.to_string()),
    }
}

/// Neither listens to a channel nor reads what is under its passphrase. All clients leave it.
pub(super) async fn leave(session: &mut Session, typed: &str) -> Answer {
    let (name, folded) = channel_of(typed)?;
    let node = session.hub.node.clone();
    let had_passphrase = has_passphrase(&node, &folded);
    let parted = node.post().part(name.name()).await;
    let listened = node.unlisten(ListenTo::Name(name), None).await.ok_or(SHUTTING_DOWN)?;
    let was_in = channel::leave_if_in(session, &folded, NOT_LISTENED);
    session.hub.tell_channel(&folded, None, &Event::Left(folded.as_str().into(), NOT_LISTENED.into()));
    let parted = parted
        .map_err(|error| format!("{typed} is left until the node ends, but that is not written down: {error}"))?;
    if !parted && !listened && !was_in {
        return Err(format!("{} was not listened to: channels lists what is", quoted(typed)));
    }
    let mut lines = vec![format!("{typed} is left: the node listens to it no more, and keeps what was said")];
    if had_passphrase {
        lines.push(format!("its passphrase is forgotten here: join {typed} PASSPHRASE comes back, for who has it"));
    }
    Ok(lines)
}
