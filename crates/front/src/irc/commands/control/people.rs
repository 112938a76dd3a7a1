//! Who may talk to the user, and who is not read. Never guesses between two whom a name can mean.

use std::collections::BTreeMap;
use std::str::FromStr as _;

use nightjar_core::name::{Name, TypedName};
use nightjar_envelope::key::ChatKey;
use nightjar_node::chain::standing::Standing;
use nightjar_node::identity::KEY_DIGITS_MIN;
use nightjar_node::message::Seq;
use nightjar_node::post::{DecideError, IgnoreError, Ignored, Known, Who};
use nightjar_node::store::Relation;

use super::node::moment;
use super::short;
use super::table::Answer;
use super::words::{count, head, plain, table};
use crate::irc::commands::history;
use crate::irc::commands::register::speaking;
use crate::irc::people::MARK;
use crate::irc::session::Session;
use crate::typed::quoted;

/// Of those whom a name can mean so many are named.
const NAMED_MAX: usize = 5;
/// What stands before a pattern.
const WORD: &str = "word";

pub(super) fn requests(session: &Session) -> Answer {
    let asking = session.hub.node.post().requests();
    if asking.is_empty() {
        return Ok(vec!["nobody asks to talk to you".to_owned()]);
    }
    let row = |known: &Known| {
        let source = session.hub.meet(&known.speaker);
        let careful = known.looks_like.as_ref().map_or_else(String::new, |other| format!("; is not {other}"));
        let heard = moment(known.speaker.heard.0);
        [source.nick.clone(), short(&known.speaker.key), heard, format!("{}{careful}", source.host)]
    };
    let rows = asking.iter().map(row);
    let mut lines = table(["WHO", "KEY", "HEARD LAST", "STATE"], rows, "nightjar requests lists all");
    lines.push("accept WHO makes one a contact and shows what he wrote, decline WHO hears him no more".to_owned());
    Ok(lines)
}

pub(super) async fn accept(session: &mut Session, typed: &str) -> Answer {
    let key = who(session, typed)?;
    decide(session, key, Relation::Contact).await?;
    let nick = take_up(session, key).await;
    Ok(vec![format!("{nick}, key {}, is a contact now: /msg {nick} answers him", short(&key))])
}

/// Whoever answers a stranger has let him in, and reads what he wrote.
pub(in crate::irc::commands) async fn answered(session: &mut Session, key: ChatKey) {
    match decide(session, key, Relation::Contact).await {
        Ok(()) => drop(take_up(session, key).await),
        // What was answered goes out all the same, and what he wrote stays unread until the client comes in again.
        Err(why) => tracing::debug!(why, "somebody who was answered is not let in"),
    }
}

/// Shows what somebody wrote who is a contact from now on, and gives how he is called as one.
async fn take_up(session: &mut Session, key: ChatKey) -> String {
    let nick = session.hub.look_again(key).nick.clone();
    // Also to a client that asks for history itself: it does not know that there is something to ask for.
    let own = speaking(session).map(|me| me.names().map(|name| name.text()).collect::<Vec<_>>()).unwrap_or_default();
    for conversation in std::iter::once(format!("@{key}")).chain(own) {
        history::play_back_person(session, &conversation, Seq::MAX).await;
    }
    nick
}

pub(super) async fn decline(session: &mut Session, typed: &str) -> Answer {
    let key = who(session, typed)?;
    decide(session, key, Relation::Declined).await?;
    let nick = session.hub.look_again(key).nick.clone();
    Ok(vec![format!("{nick}, key {}, is not heard any more, until accept {nick}; he is not told", short(&key))])
}

async fn decide(session: &Session, key: ChatKey, relation: Relation) -> Result<(), String> {
    session.hub.node.post().decide(key, relation).await.map_err(|error| match error {
        DecideError::NoIdentity => {
            "this node has no chat key that others could be contacts of: identity new NICK makes one".to_owned()
        }
        DecideError::Locked => {
            "the chat keys are locked: on the command line nightjar identity unlock opens them".to_owned()
        }
        DecideError::Store(error) => format!("that holds until the node ends, but is not written down: {error}"),
        other => other.to_string(),
    })
}

pub(super) async fn ignore(session: &mut Session, typed: &str) -> Answer {
    let what = ignorable(session, typed)?;
    let is_new = session.hub.node.post().ignore(what.clone()).await.map_err(|error| match error {
        IgnoreError::TooMany(_) | IgnoreError::TooManyKeys => {
            "no more can be ignored: ignored lists what is, and unignore takes away what is not needed".to_owned()
        }
        IgnoreError::Store(error) => format!("that holds until the node ends, but is not written down: {error}"),
        other @ IgnoreError::Oneself(_) => other.to_string(),
    })?;
    let shown = shown(session, &what);
    Ok(vec![if is_new {
        format!("{shown} is not read any more, and nobody is told; unignore takes that back. What is stored stays")
    } else {
        format!("{shown} is ignored already")
    }])
}

pub(super) async fn unignore(session: &mut Session, typed: &str) -> Answer {
    let what = ignorable(session, typed)?;
    let was = session.hub.node.post().unignore(&what).await;
    let was = was.map_err(|error| format!("that holds until the node ends, but is not written down: {error}"))?;
    let shown = shown(session, &what);
    if !was {
        return Err(format!("{shown} was not ignored: ignored lists what is"));
    }
    Ok(vec![match what {
        Ignored::Key(_) => format!("{shown} is a stranger's again: accept makes him a contact"),
        _ => format!("{shown} is read again from now on"),
    }])
}

pub(super) fn ignored(session: &Session) -> Answer {
    let all = session.hub.node.post().ignored();
    if all.is_empty() {
        return Ok(vec!["nothing is ignored, and nobody is declined".to_owned()]);
    }
    let row = |what: &Ignored| {
        let what_it_is = match what {
            Ignored::Key(key) => format!("the key of {}", session.hub.meet_key(*key).nick),
            Ignored::Account(_) => "whoever claims this account".to_owned(),
            Ignored::Nick(_) => "whoever calls himself so".to_owned(),
            Ignored::Word(_) => "what has this word in it".to_owned(),
        };
        [asked_by(what), what_it_is]
    };
    Ok(table(["UNIGNORE", "WHAT IT IS"], all.iter().map(row), "nightjar ignore lists all"))
}

/// What `unignore` takes for it.
fn asked_by(what: &Ignored) -> String {
    let text = what.to_string();
    match text.strip_prefix("word:") {
        Some(pattern) => format!("{WORD} {pattern}"),
        None => text,
    }
}

/// What was done to whom, so that a person sees it.
fn shown(session: &Session, what: &Ignored) -> String {
    match what {
        Ignored::Key(key) => format!("what {}, key {}, writes", session.hub.meet_key(*key).nick, short(key)),
        Ignored::Account(account) => format!("whoever claims {}", Name::Account(*account).text()),
        Ignored::Nick(nick) => format!("whoever calls himself {nick}"),
        Ignored::Word(_) => format!("what has {} in it", asked_by(what)),
    }
}

/// What is meant by `word PATTERN`, an account, `@NICK` for whoever goes by it, or somebody, whose key it is then.
fn ignorable(session: &Session, typed: &str) -> Result<Ignored, String> {
    let (first, pattern) = head(typed);
    let parsed = |text: &str| text.parse::<Ignored>().map_err(|error| error.to_string());
    if first.eq_ignore_ascii_case(WORD) && !pattern.is_empty() {
        return parsed(&format!("word:{pattern}"));
    }
    if first.starts_with("word:") {
        return parsed(typed);
    }
    if !pattern.is_empty() {
        return Err(format!("{} is more than one: ignore WHO, ignore @NICK, or ignore word PATTERN", quoted(typed)));
    }
    if first.starts_with('#') {
        return Err(format!("{} is a channel: leave {first} ends that the node listens to it", quoted(first)));
    }
    let is_account = matches!(TypedName::from_str(first).map(|name| name.name().clone()), Ok(Name::Account(_)));
    if first.starts_with('@') || is_account {
        return parsed(first);
    }
    match (who(session, first), first.strip_prefix(MARK).unwrap_or(first).parse::<ChatKey>()) {
        // A whole key needs not to have been heard of.
        (_, Ok(key)) => Ok(Ignored::Key(key)),
        (who, Err(_)) => who.map(Ignored::Key),
    }
}

/// The one who is meant by a nick as it is shown here, digits of his key, or an account that is proven to be his.
pub(super) fn who(session: &Session, typed: &str) -> Result<ChatKey, String> {
    let (hub, post) = (&session.hub, session.hub.node.post());
    let digits = typed.rsplit_once(MARK).map_or(typed, |(_, digits)| digits).to_ascii_lowercase();
    let are_digits = digits.len() >= KEY_DIGITS_MIN && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    let name = TypedName::from_str(typed).ok().map(|name| name.name().clone());
    if let Some(Name::Account(account)) = name {
        return owner(session, account);
    }
    let mut meant: BTreeMap<ChatKey, String> = BTreeMap::new();
    if let Some(person) = hub.person_called(typed.strip_prefix('@').unwrap_or(typed)) {
        meant.insert(person.speaker.key, person.source.nick.clone());
    } else if let Some(nick @ Name::Nick(called)) = &name {
        let known = post.who_is(&Who::Name(nick.clone())).into_iter().filter(|known| !known.own);
        let called = known.filter(|known| known.speaker.nick.as_ref() == Some(called));
        meant.extend(called.map(|known| (known.speaker.key, hub.meet(&known.speaker).nick.clone())));
    }
    if are_digits && !typed.starts_with(['@', '#']) {
        let known = post.who_is(&Who::Key(digits.clone())).into_iter();
        let begun = known.filter(|known| known.speaker.key.to_string().starts_with(&digits));
        meant.extend(begun.map(|known| (known.speaker.key, hub.meet(&known.speaker).nick.clone())));
    }
    match only(typed, &meant)? {
        Some(key) => Ok(key),
        None if hub.client_called(typed).is_some() => {
            Err(format!("{} is a client of this node, and speaks as you do", quoted(typed)))
        }
        None => Err(format!(
            "nobody of the name {} was heard of here: requests, /names and /whois show who was",
            quoted(typed)
        )),
    }
}

/// The only one whom a text can mean; of several none.
fn only(typed: &str, meant: &BTreeMap<ChatKey, String>) -> Result<Option<ChatKey>, String> {
    if meant.len() < 2 {
        return Ok(meant.keys().next().copied());
    }
    let named = meant.iter().take(NAMED_MAX).map(|(key, nick)| format!("{} (key {})", plain(nick), short(key)));
    Err(format!(
        "{} can mean {}: {}{}; name one by that nick, or by digits of his key behind {MARK}",
        quoted(typed),
        count(meant.len() as u64, "person", "people"),
        named.collect::<Vec<_>>().join(", "),
        if meant.len() > NAMED_MAX { " ..." } else { "" }
    ))
}

/// The one whose account it is by the word of the chain: anybody may claim one.
fn owner(session: &Session, account: u32) -> Result<ChatKey, String> {
    let text = Name::Account(account).text();
    let claims: Vec<Known> = session.hub.node.post().who_is(&Who::Name(Name::Account(account)));
    let claims: Vec<Known> = claims.into_iter().filter(|known| known.speaker.account == Some(account)).collect();
    let is_proven = |known: &&Known| matches!(known.speaker.standing, Standing::Proven | Standing::ProvenByPeers);
    let proven: Vec<ChatKey> = claims.iter().filter(is_proven).map(|known| known.speaker.key).collect();
    let named = claims.iter().take(NAMED_MAX).map(|known| session.hub.meet(&known.speaker).nick.clone());
    let named = named.collect::<Vec<_>>().join(", ");
    match (proven.as_slice(), claims.len()) {
        ([one], _) => Ok(*one),
        ([], 0) => Err(format!("nobody who was heard of here claims account {text}")),
        ([], _) => Err(format!(
            "nobody is proven to speak for account {text}, though it is claimed: name him by his nick ({named})"
        )),
        (several, _) => {
            Err(format!("{} chat keys speak for account {text}: name one by his nick ({named})", several.len()))
        }
    }
}

#[cfg(test)]
mod tests {
    use nightjar_envelope::key::ChatSecret;

    use super::*;

    #[test]
    fn of_several_whom_a_name_can_mean_nobody_is_chosen_and_they_are_named() {
        let key = |number: usize| ChatSecret::from_seed(&[u8::try_from(number).unwrap_or(0); 32].into()).public();
        let people = |count: usize| (0..count).map(|number| (key(number), format!("bob{number}"))).collect();
        assert_eq!(only("bob", &people(0)), Ok(None));
        assert_eq!(only("bob", &people(1)), Ok(Some(key(0))));
        for count in [2, NAMED_MAX, NAMED_MAX + 3] {
            let why = only("bob", &people(count)).map(|_| ()).expect_err("there are several");
            assert_eq!(why.matches("(key ~").count(), count.min(NAMED_MAX), "{why}");
            assert_eq!(why.contains("..."), count > NAMED_MAX, "{why}");
            assert!(why.starts_with(&format!("\"bob\" can mean {count} people: ")), "{why}");
        }
    }
}
