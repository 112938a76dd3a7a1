//! What can be said to the node in its channel. One table: dispatch, help, suggestions and the page of docs read it.

use std::pin::Pin;

use super::words::{aligned, head};
use super::{identity, log, node, people, places};
use crate::irc::session::Session;
use crate::typed::{quoted, suggestion};

/// What is answered: lines for a person, or why nothing was done, and what to do.
pub(super) type Answer = Result<Vec<String>, String>;

/// What does it, with what stands behind the name.
type Run = for<'a> fn(&'a mut Session, &'a str) -> Pin<Box<dyn Future<Output = Answer> + Send + 'a>>;

/// However many words: the rest of the line is one text.
const REST: usize = usize::MAX;

/// A command of the channel.
pub(super) struct Order {
    /// One word, or two of which the first is another command.
    pub(super) name: &'static str,
    /// What stands behind it.
    pub(super) params: &'static str,
    /// What for.
    pub(super) about: &'static str,
    /// So many words stand behind it at the least, and at the most.
    words: (usize, usize),
    run: Run,
}

const fn order(
    name: &'static str,
    params: &'static str,
    words: (usize, usize),
    about: &'static str,
    run: Run,
) -> Order {
    Order { name, params, about, words, run }
}

/// All of them, in the order of the help.
pub(super) const ORDERS: &[Order] = &[
    order("help", "[COMMAND]", (0, 2), "what can be said here", |_, rest| Box::pin(async move { help(rest) })),
    order("status", "", (0, 0), "how the node is", |session, _| Box::pin(node::status(session))),
    order("peers", "", (0, 0), "the nodes that this one is linked to", |session, _| {
        Box::pin(async move { node::peers(session) })
    }),
    order("connect", "HOST:PORT", (1, 1), "links to a peer for as long as the node runs", |session, rest| {
        Box::pin(node::connect(session, rest))
    }),
    order("identity", "", (0, 0), "the chat keys of this node, and which one speaks for you", |session, _| {
        Box::pin(async move { identity::list(session) })
    }),
    order("identity new", "[NICK]", (0, 1), "makes a chat key; the first one speaks by default", |session, rest| {
        Box::pin(identity::new(session, rest))
    }),
    order("identity nick", "NICK", (1, 1), "gives the one that speaks for you another nick", |session, rest| {
        Box::pin(identity::nick(session, rest))
    }),
    order("identity default", "WHICH", (1, 1), "lets one speak for whoever chooses none", |session, rest| {
        Box::pin(identity::default(session, rest))
    }),
    order("identity use", "WHICH|default", (1, 1), "lets one speak for this client alone", |session, rest| {
        Box::pin(async move { identity::choose(session, rest) })
    }),
    order("identity lock", "", (0, 0), "forgets the secrets of all until they are unlocked", |session, _| {
        Box::pin(identity::lock(session))
    }),
    order("requests", "", (0, 0), "strangers who ask to talk to you", |session, _| {
        Box::pin(async move { people::requests(session) })
    }),
    order("accept", "WHO", (1, 1), "makes somebody a contact, and shows what he wrote", |session, rest| {
        Box::pin(people::accept(session, rest))
    }),
    order("decline", "WHO", (1, 1), "hears somebody no more; he is not told", |session, rest| {
        Box::pin(people::decline(session, rest))
    }),
    order(
        "ignore",
        "WHO|@NICK|word PATTERN",
        (1, REST),
        "reads no more of a key, of whoever claims an account or a nick, or with a word in it",
        |session, rest| Box::pin(people::ignore(session, rest)),
    ),
    order("unignore", "WHO|@NICK|word PATTERN", (1, REST), "reads it again from now on", |session, rest| {
        Box::pin(people::unignore(session, rest))
    }),
    order("ignored", "", (0, 0), "what is ignored, and who is declined", |session, _| {
        Box::pin(async move { people::ignored(session) })
    }),
    order("channels", "", (0, 0), "what the node listens to, and what is unread there", |session, _| {
        Box::pin(places::channels(session))
    }),
    order(
        "join",
        "#CHANNEL [PASSPHRASE]",
        (1, REST),
        "joins it; a passphrase may have blanks in it here",
        |session, rest| Box::pin(places::join(session, rest, false)),
    ),
    order(
        "joinweak",
        "#CHANNEL PASSPHRASE",
        (2, REST),
        "the same with a passphrase that is easily guessed",
        |session, rest| Box::pin(places::join(session, rest, true)),
    ),
    order("passphrase", "#CHANNEL", (1, 1), "puts it under six words, which are shown once", |session, rest| {
        Box::pin(places::passphrase(session, rest))
    }),
    order("leave", "#CHANNEL", (1, 1), "the node listens to it no more", |session, rest| {
        Box::pin(places::leave(session, rest))
    }),
    order("outbox", "", (0, 0), "what you said and nobody took yet", |session, _| {
        Box::pin(async move { log::outbox(session) })
    }),
    order("outbox cancel", "ID|all", (1, 1), "takes back what waits", |session, rest| {
        Box::pin(async move { log::cancel(session, rest) })
    }),
    order("catchup", "[HOURS]", (0, 1), "fetches what was said while the node was off", |session, rest| {
        Box::pin(async move { node::catch_up(session, rest) })
    }),
    order("history", "#CHANNEL|WHO [COUNT]", (1, 2), "what was said last there", |session, rest| {
        Box::pin(log::history(session, rest))
    }),
    order("search", "WORDS", (1, REST), "the newest messages with all of these words", |session, rest| {
        Box::pin(log::search(session, rest))
    }),
    order("presence", "[on|off]", (0, 1), "whether those who are heard join and leave", |session, rest| {
        Box::pin(async move { node::presence(session, rest) })
    }),
];

/// What is done with the command line, because a secret would have to be typed, or because it cannot be taken back.
const ELSEWHERE: [(&str, &str); 7] = [
    ("identity unlock", "nightjar identity unlock"),
    ("identity passphrase", "nightjar identity passphrase"),
    ("identity export", "nightjar identity export"),
    ("identity import", "nightjar identity import"),
    ("identity prove", "nightjar identity prove"),
    ("identity revoke", "nightjar identity revoke"),
    ("identity handover", "nightjar identity handover"),
];

impl Order {
    /// How it is said.
    pub(super) fn usage(&self) -> String {
        format!("{} {}", self.name, self.params).trim_end().to_owned()
    }

    /// Whether a text is its name, or the first word of it.
    fn goes_by(&self, asked: &str) -> bool {
        self.name.eq_ignore_ascii_case(asked)
            || self.name.split_once(' ').is_some_and(|(first, _)| first.eq_ignore_ascii_case(asked))
    }
}

/// Does what a line says.
pub(super) async fn run(session: &mut Session, line: &str) -> Vec<String> {
    let done = match find(line) {
        Ok((order, rest)) => (order.run)(session, rest).await,
        Err(why) => Err(why),
    };
    done.unwrap_or_else(|why| vec![why])
}

/// Which command a line means, and what stands behind it: of the two that begin alike the longer one.
fn find(line: &str) -> Result<(&'static Order, &str), String> {
    let (first, rest) = head(line);
    let (second, behind) = head(rest);
    if first.is_empty() {
        return Err("say what is to be done: help lists the commands".to_owned());
    }
    let named = |name: &str| ORDERS.iter().find(|order| order.name.eq_ignore_ascii_case(name));
    let both = format!("{first} {second}");
    if let Some((_, there)) = ELSEWHERE.iter().find(|(name, _)| name.eq_ignore_ascii_case(&both)) {
        return Err(format!(
            "that is not done here, where programs keep what is typed: on the command line {there} does it"
        ));
    }
    let (order, rest) = match (named(&both), named(first)) {
        (Some(order), _) if !second.is_empty() => (order, behind),
        (_, Some(order)) => (order, rest),
        (_, None) => {
            let like = suggestion(first, ORDERS.iter().map(|order| order.name));
            return Err(format!(
                "{} is no command{like}{} help lists them",
                quoted(first),
                if like.is_empty() { ":" } else { "" }
            ));
        }
    };
    let (least, most) = order.words;
    let have = rest.split_whitespace().count();
    if have < least {
        return Err(format!("something is missing: {}", order.usage()));
    }
    if have > most {
        return Err(too_much(order, second, rest));
    }
    Ok((order, rest))
}

/// More stands behind a name than can: what may have been meant.
fn too_much(order: &Order, second: &str, rest: &str) -> String {
    let behind = ORDERS.iter().filter_map(|other| other.name.strip_prefix(order.name)?.strip_prefix(' '));
    let behind: Vec<&str> = behind.collect();
    if behind.is_empty() || order.words.1 > 0 {
        return format!("{} is more than can stand there: {}", quoted(rest), order.usage());
    }
    let like = suggestion(second, behind.iter().copied());
    format!("{} cannot stand behind {}, but {} can{like}", quoted(second), order.usage(), behind.join(", "))
}

/// What can be said, all of it or all about one word.
fn help(asked: &str) -> Answer {
    let asked = asked.split_whitespace().collect::<Vec<_>>().join(" ");
    let meant: Vec<&Order> = ORDERS.iter().filter(|order| asked.is_empty() || order.goes_by(&asked)).collect();
    if meant.is_empty() {
        let like = suggestion(&asked, ORDERS.iter().map(|order| order.name));
        return Err(format!(
            "{} is no command{like}{} help lists them",
            quoted(&asked),
            if like.is_empty() { ":" } else { "" }
        ));
    }
    let mut lines = aligned(meant.into_iter().map(|order| [order.usage(), order.about.to_owned()]));
    if asked.is_empty() {
        lines.push(
            "WHO is a nick as it is shown here, an account, or digits of a chat key. /helpop is about IRC.".to_owned(),
        );
    }
    Ok(lines)
}

/// The commands as a table of Markdown, for the docs.
pub(super) fn reference() -> String {
    let row = |order: &Order| format!("| `{}` | {} |\n", order.usage().replace('|', "\\|"), order.about);
    let rows: String = ORDERS.iter().map(row).collect();
    format!("| Command | What for |\n| --- | --- |\n{rows}")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_command_says_how_it_is_said_and_what_for_and_none_twice() {
        let mut names = std::collections::BTreeSet::new();
        for order in ORDERS {
            assert!(names.insert(order.name), "{}", order.name);
            assert!(order.usage().starts_with(order.name) && !order.about.is_empty(), "{}", order.name);
            assert_eq!(order.params.is_empty(), order.words.1 == 0, "{}", order.name);
            assert_eq!(order.name, order.name.to_lowercase());
            if let Some((first, _)) = order.name.split_once(' ') {
                assert!(ORDERS.iter().any(|other| other.name == first), "{first} lists what {} changes", order.name);
            }
            let lines = help(order.name).unwrap();
            assert!(lines.iter().any(|line| line.starts_with(&order.usage())), "{lines:?}");
        }
    }

    #[test]
    fn what_is_missing_or_too_much_is_said_with_the_usage() {
        for order in ORDERS {
            let (least, most) = order.words;
            if least > 0 {
                let why = find(&format!("{} {}", order.name, "x ".repeat(least - 1))).map(|_| ()).unwrap_err();
                assert_eq!(why, format!("something is missing: {}", order.usage()));
            }
            if most != REST {
                let why = find(&format!("{} {}", order.name, "x ".repeat(most + 1))).map(|_| ()).unwrap_err();
                assert!(why.contains(&order.usage()) && why.contains(" stand "), "{why}");
            }
            for words in least..=most.min(least + 2) {
                let line = format!("{} {}", order.name.to_uppercase(), "x ".repeat(words));
                assert_eq!(find(&line).map(|(found, _)| found.name), Ok(order.name), "{line}");
            }
        }
    }

    #[test]
    fn of_two_that_begin_alike_the_longer_one_is_meant() {
        assert_eq!(find("identity").map(|(order, rest)| (order.name, rest)), Ok(("identity", "")));
        assert_eq!(
            find(" identity  use raven ").map(|(order, rest)| (order.name, rest)),
            Ok(("identity use", "raven"))
        );
    }

    #[test]
    fn what_is_no_command_is_answered_with_what_may_have_been_meant() {
        let why = |line| find(line).map(|_| ()).unwrap_err();
        assert_eq!(why("stauts"), "\"stauts\" is no command; did you mean \"status\"? help lists them");
        assert_eq!(why("mint me a coin"), "\"mint\" is no command: help lists them");
        let like = "\"defualt\" cannot stand behind identity, but new, nick, default, use, lock can; did you mean \"default\"?";
        assert_eq!(why("identity defualt raven"), like);
        assert!(why("status now").contains("more than can stand there: status"));
        assert!(why("  ").contains("help lists"));
        assert!(help("identyti").unwrap_err().contains("did you mean \"identity\"?"));
    }

    #[test]
    fn what_needs_a_secret_names_the_command_line() {
        for (name, there) in ELSEWHERE {
            assert!(find(&format!("{name} x")).map(|_| ()).unwrap_err().contains(there));
        }
    }

    #[test]
    fn the_page_has_every_command() {
        let page = reference();
        assert_eq!(page.lines().count(), ORDERS.len() + 2);
    }

    proptest! {
        #[test]
        fn whatever_is_said_a_command_is_found_with_so_many_words_as_it_takes_or_it_is_said_why(
            name in proptest::sample::select(ORDERS.iter().map(|order| order.name).collect::<Vec<_>>()),
            rest in ".{0,60}",
            anything in ".{0,60}",
        ) {
            for line in [anything, format!("{name} {rest}"), format!("{name}{rest}")] {
                match find(&line) {
                    Ok((order, rest)) => {
                        let (least, most) = order.words;
                        prop_assert!((least..=most).contains(&rest.split_whitespace().count()));
                    }
                    Err(why) => prop_assert!(!why.is_empty() && why.chars().all(|it| !it.is_control())),
                }
            }
        }
    }
}
