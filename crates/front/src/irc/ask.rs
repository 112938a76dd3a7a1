//! What a client asks of what was said before (IRCv3, chathistory and read marker), parsed. Knows nothing of what there is. Pure.

use super::text::parse_time;

/// Messages that one CHATHISTORY gives, and targets: a screen or some of a client, and a read of the log that takes no time.
pub const HISTORY_MAX: usize = 200;
/// Hex digits of the whole id of a message.
const ID_DIGITS: usize = 32;
/// Hex digits by which a message is answered.
const SHORT_ID_DIGITS: usize = 16;
/// What ids begin with of messages that stay among the clients of this node.
pub(super) const LOCAL_ID: &str = "local";

/// Which message or moment is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reference {
    /// The message whose id begins with these bytes, 8 or 16 of them.
    Message(Vec<u8>),
    /// A message that stayed among the clients of this node, and is in no log.
    Local(String),
    /// A moment, Unix milliseconds.
    Moment(u64),
}

/// Which part of a conversation is wanted. No bound is a part of what it bounds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// The newest, behind this if it is said.
    Latest(Option<Reference>),
    /// What is nearest before this.
    Before(Reference),
    /// What is nearest behind this.
    After(Reference),
    /// What is before and behind this, and this itself.
    Around(Reference),
    /// What is nearest behind the first, or nearest before it if the second is before it, up to the second.
    Between(Reference, Reference),
}

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask {
    /// Messages of one conversation.
    Messages {
        /// Which command it was, as it was typed.
        command: String,
        /// With whom or where, as it was typed.
        target: String,
        /// Which of them.
        part: Part,
        /// So many at the most: 1 to [`HISTORY_MAX`].
        limit: usize,
    },
    /// Conversations whose last message is between two moments, Unix milliseconds, counted from the first one.
    Targets {
        /// From here.
        from: u64,
        /// To here: after or before the first one.
        to: u64,
        /// So many at the most: 1 to [`HISTORY_MAX`].
        limit: usize,
    },
}

/// Why it cannot be known what is asked for. What is said is for the client's user.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AskFault {
    /// Nothing is said.
    #[error("say which part: LATEST, BEFORE, AFTER, BETWEEN, AROUND or TARGETS")]
    NoCommand,
    /// Something else than a part is asked for.
    #[error("there is no such part: LATEST, BEFORE, AFTER, BETWEEN, AROUND and TARGETS are known")]
    UnknownCommand(String),
    /// Not all was said.
    #[error("not enough parameters: a target, references to messages and a limit are wanted")]
    TooFew(String),
    /// More was said than there is.
    #[error("too many parameters: a target, references to messages and a limit are wanted")]
    TooMany(String),
    /// Something is not what it should be.
    #[error("{wanted} is wanted")]
    Wrong {
        /// The command.
        command: String,
        /// What it is.
        param: String,
        /// What it should be.
        wanted: &'static str,
    },
    /// A kind of reference that is not known.
    #[error("messages are referred to by msgid= and timestamp= alone")]
    WrongKind {
        /// The command.
        command: String,
        /// The target.
        target: String,
    },
}

impl AskFault {
    /// Its name in a standard reply.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NoCommand | Self::TooFew(_) => "NEED_MORE_PARAMS",
            Self::UnknownCommand(_) => "UNKNOWN_COMMAND",
            Self::TooMany(_) | Self::Wrong { .. } => "INVALID_PARAMS",
            Self::WrongKind { .. } => "INVALID_MSGREFTYPE",
        }
    }

    /// What stands between its name and its text there.
    pub fn context(&self) -> Vec<&str> {
        match self {
            Self::NoCommand => Vec::new(),
            Self::UnknownCommand(command) | Self::TooFew(command) | Self::TooMany(command) => vec![command],
            Self::Wrong { command, param, .. } => vec![command, param],
            Self::WrongKind { command, target } => vec![command, target],
        }
    }
}

/// Reads the parameters of CHATHISTORY.
pub fn ask(params: &[String]) -> Result<Ask, AskFault> {
    let [typed, rest @ ..] = params else { return Err(AskFault::NoCommand) };
    let command = typed.to_ascii_uppercase();
    let wants = match command.as_str() {
        "LATEST" | "BEFORE" | "AFTER" | "AROUND" | "TARGETS" => 3,
        "BETWEEN" => 4,
        _ => return Err(AskFault::UnknownCommand(typed.clone())),
    };
    if rest.len() > wants {
        return Err(AskFault::TooMany(typed.clone()));
    }
    match (command.as_str(), rest) {
        ("TARGETS", [from, to, limit]) => {
            let moment = |param: &String| match moment(param) {
                Some(ms) => Ok(ms),
                None => Err(wrong(typed, param, MOMENT)),
            };
            Ok(Ask::Targets { from: moment(from)?, to: moment(to)?, limit: limit_of(typed, limit)? })
        }
        ("BETWEEN", [target, from, to, limit]) => {
            let part = Part::Between(reference(typed, target, from)?, reference(typed, target, to)?);
            messages(typed, target, part, limit)
        }
        ("LATEST", [target, star, limit]) if star == "*" => messages(typed, target, Part::Latest(None), limit),
        (_, [target, at, limit]) if wants == 3 => {
            let at = reference(typed, target, at)?;
            let part = match command.as_str() {
                "LATEST" => Part::Latest(Some(at)),
                "BEFORE" => Part::Before(at),
                "AFTER" => Part::After(at),
                _ => Part::Around(at),
            };
            messages(typed, target, part, limit)
        }
        _ => Err(AskFault::TooFew(typed.clone())),
    }
}

fn messages(command: &str, target: &str, part: Part, limit: &str) -> Result<Ask, AskFault> {
    let limit = limit_of(command, limit)?;
    Ok(Ask::Messages { command: command.to_owned(), target: target.to_owned(), part, limit })
}

fn wrong(command: &str, param: &str, wanted: &'static str) -> AskFault {
    AskFault::Wrong { command: command.to_owned(), param: param.to_owned(), wanted }
}

const MOMENT: &str = "timestamp=YYYY-MM-DDThh:mm:ss.sssZ";

/// The moment of a reference, Unix milliseconds; `None` if it is none.
pub fn moment(param: &str) -> Option<u64> {
    parse_time(param.strip_prefix("timestamp=")?)
}

fn reference(command: &str, target: &str, param: &str) -> Result<Reference, AskFault> {
    match param.split_once('=') {
        Some(("timestamp", _)) => moment(param).map(Reference::Moment).ok_or_else(|| wrong(command, param, MOMENT)),
        Some(("msgid", id)) if id.starts_with(LOCAL_ID) => Ok(Reference::Local(id.to_owned())),
        Some(("msgid", id)) => {
            id_bytes(id).map(Reference::Message).ok_or_else(|| wrong(command, param, "msgid= and 32 hex digits"))
        }
        Some(_) => Err(AskFault::WrongKind { command: command.to_owned(), target: target.to_owned() }),
        None => Err(wrong(command, param, "msgid=ID or timestamp=WHEN")),
    }
}

/// The bytes of a message's id, or of the beginning by which it is answered.
fn id_bytes(id: &str) -> Option<Vec<u8>> {
    let is_id = matches!(id.len(), ID_DIGITS | SHORT_ID_DIGITS) && id.bytes().all(|digit| digit.is_ascii_hexdigit());
    let number = u128::from_str_radix(id, 16).ok().filter(|_| is_id)?;
    // Those digits are the last ones of the number.
    Some(number.to_be_bytes().into_iter().skip((ID_DIGITS - id.len()) / 2).collect())
}

/// More than there can be is cut to that: ISUPPORT says it.
fn limit_of(command: &str, param: &str) -> Result<usize, AskFault> {
    let is_number = !param.is_empty() && param.bytes().all(|digit| digit.is_ascii_digit());
    // So many digits that it does not fit are more as well.
    let limit = param.parse().unwrap_or(usize::MAX).min(HISTORY_MAX);
    if is_number && limit > 0 { Ok(limit) } else { Err(wrong(command, param, "a limit from 1 on")) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

    use proptest::prelude::*;

    use super::*;
    use crate::irc::text::{TIME_MS_MAX, time_tag};

    const AT: &str = "timestamp=2026-11-30T18:41:34.123Z";
    const AT_MS: u64 = 1_796_064_094_123;

    fn read(line: &str) -> Result<Ask, AskFault> {
        ask(&line.split_ascii_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    fn part(line: &str) -> (Part, usize) {
        match read(line) {
            Ok(Ask::Messages { part, limit, .. }) => (part, limit),
            other => unreachable!("{line}: {other:?}"),
        }
    }

    #[test]
    fn every_part_is_read_with_both_kinds_of_references() {
        let at = Reference::Moment(AT_MS);
        let id = Reference::Message((0..16).collect());
        let msgid = "msgid=000102030405060708090a0b0c0d0e0f";
        assert_eq!(part("LATEST #a * 5"), (Part::Latest(None), 5));
        assert_eq!(part(&format!("latest #a {msgid} 5")), (Part::Latest(Some(id.clone())), 5));
        assert_eq!(part(&format!("BEFORE #a {AT} 5")), (Part::Before(at.clone()), 5));
        assert_eq!(part(&format!("AFTER bob {msgid} 5")), (Part::After(id.clone()), 5));
        assert_eq!(part(&format!("AROUND bob {AT} 5")), (Part::Around(at.clone()), 5));
        assert_eq!(part(&format!("BETWEEN #a {AT} {msgid} 5")), (Part::Between(at, id), 5));
        assert_eq!(
            part("AROUND #a msgid=0001020304050607 5").0,
            Part::Around(Reference::Message((0..8).collect())),
            "by what it is answered"
        );
        assert_eq!(part("AFTER #a msgid=local1x2 5").0, Part::After(Reference::Local("local1x2".to_owned())));
        let targets = Ask::Targets { from: AT_MS, to: 1_577_836_800_000, limit: 7 };
        assert_eq!(read(&format!("TARGETS {AT} timestamp=2020-01-01T00:00:00.000Z 7")), Ok(targets));
    }

    #[test]
    fn a_limit_is_cut_to_what_is_given_at_once() {
        for (limit, cut) in [("1", 1), ("200", 200), ("201", HISTORY_MAX), ("99999999999999999999999", HISTORY_MAX)] {
            assert_eq!(part(&format!("LATEST #a * {limit}")).1, cut);
        }
        for limit in ["0", "-1", "+1", "1.5", "five"] {
            let fault = read(&format!("LATEST #a * {limit}")).unwrap_err();
            assert_eq!((fault.code(), fault.context()), ("INVALID_PARAMS", vec!["LATEST", limit]));
        }
    }

    #[test]
    fn what_cannot_be_known_is_said_with_its_code_and_context() {
        for (line, code, context) in [
            ("", "NEED_MORE_PARAMS", ""),
            ("LATEST", "NEED_MORE_PARAMS", "LATEST"),
            ("latest #a *", "NEED_MORE_PARAMS", "latest"),
            ("BETWEEN #a msgid=0001020304050607 5", "NEED_MORE_PARAMS", "BETWEEN"),
            ("TARGETS", "NEED_MORE_PARAMS", "TARGETS"),
            ("OLDEST #a * 5", "UNKNOWN_COMMAND", "OLDEST"),
            ("LATEST #a * 5 6", "INVALID_PARAMS", "LATEST"),
            ("BEFORE #a * 5", "INVALID_PARAMS", "BEFORE *"),
            ("BEFORE #a msgid= 5", "INVALID_PARAMS", "BEFORE msgid="),
            ("BEFORE #a msgid=zz 5", "INVALID_PARAMS", "BEFORE msgid=zz"),
            ("BEFORE #a timestamp=now 5", "INVALID_PARAMS", "BEFORE timestamp=now"),
            ("BEFORE #a seq=5 5", "INVALID_MSGREFTYPE", "BEFORE #a"),
            ("TARGETS * * 5", "INVALID_PARAMS", "TARGETS *"),
        ] {
            let fault = read(line).unwrap_err();
            assert_eq!((fault.code(), fault.context().join(" ").as_str()), (code, context), "{line}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(ms in 0..=TIME_MS_MAX, id in any::<u128>(), limit in 1..=HISTORY_MAX) {
            let line = format!("BETWEEN #a timestamp={} msgid={id:032x} {limit}", time_tag(ms));
            let wanted = Part::Between(Reference::Moment(ms), Reference::Message(id.to_be_bytes().to_vec()));
            prop_assert_eq!(part(&line), (wanted, limit));
        }

        #[test]
        fn no_params_upset_it(params in proptest::collection::vec(any_param(), 0..6)) {
            match ask(&params) {
                Ok(Ask::Messages { limit, .. } | Ask::Targets { limit, .. }) => {
                    prop_assert!((1..=HISTORY_MAX).contains(&limit));
                }
                Err(fault) => prop_assert!(!fault.code().is_empty() && fault.context().len() <= 2),
            }
        }
    }

    fn any_param() -> impl Strategy<Value = String> {
        const KNOWN: [&str; 10] =
            ["LATEST", "before", "BETWEEN", "AROUND", "TARGETS", "#a", "*", AT, "msgid=0001020304050607", "5"];
        prop_oneof![proptest::sample::select(&KNOWN[..]).prop_map(str::to_owned), any::<String>()]
    }
}
