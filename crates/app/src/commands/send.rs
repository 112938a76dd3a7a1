//! `nightjar send NAME TEXT`: a message to whoever listens to the name, or to a person.

use std::io::{self, Read as _};

use nightjar_core::name::TypedName;
use nightjar_core::record::{LIFETIME_S_DEFAULT, LIFETIME_S_MAX, LIFETIME_S_MIN, PAYLOAD_BYTES_MAX};
use nightjar_node::post::DEADLINE_S_MAX;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::client::Client;
use crate::exit::Failure;
use crate::{output, secret};

/// What is read of stdin: more than fits into a message, in hex and with line breaks as well.
const STDIN_BYTES_MAX: u64 = 256 * 1024;
/// The longest content of a message, in many records.
const CONTENT_BYTES_MAX: usize = 65_536;
/// What goes out so fast that nobody needs to be told: 8 KiB.
const PARTS_QUIET: u64 = 40;

const HELP: &str = "\
NAME is a channel (#pascalcoin), a nick (nightraven or @nightraven) or an account (1234 or 1234-44).
Quote a channel, because # begins a comment in a shell, and a text of more than one word.
A text that begins with - stands behind --: nightjar send '#a' -- '-1'

What goes to a nick or an account is sealed when a key of that person is known here, and said to be open when
not. A name that was sealed to once means that key from then on, and NAME~DIGITS, as `listen` shows people, makes
it mean the key that begins so. A channel that was joined with a passphrase is written to under it. What is long
goes out in parts.

Examples:
  nightjar send '#pascalcoin' 'good night'
  date | nightjar send 1234-44 -
  nightjar send nightraven --hex 00ff10
  xxd -p photo.bin | nightjar send nightraven - --hex
  nightjar send '#pascalcoin' 'only for a minute' --lifetime 60
  nightjar send @nightraven 'for you alone' --seal chatkey    or not at all
  nightjar send '#pascalcoin' 'so say I' --identity none       unsigned, here and from now on";

#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(super) struct Args {
    /// Channel, nick or account to send to
    #[arg(value_name = "NAME")]
    name: String,

    /// What to send; - reads it from stdin
    #[arg(value_name = "TEXT")]
    text: String,

    /// TEXT is data, in hex digits
    #[arg(long)]
    hex: bool,

    /// Send exactly PIP-0038's record: without date, and to the name as it is typed
    #[arg(long, conflicts_with = "lifetime")]
    plain: bool,

    #[arg(long, value_name = "SECONDS", allow_negative_numbers = true, value_parser = lifetime(), help = lifetime_help())]
    lifetime: Option<u32>,

    /// For how long it waits for a peer, up to 604800 seconds [default: 86400]
    #[arg(long, value_name = "SECONDS", conflicts_with = "plain", value_parser = clap::value_parser!(u32).range(..=i64::from(DEADLINE_S_MAX)))]
    deadline: Option<u32>,

    /// Who signs: `default`, a nick, the first digits of a key, or `none`; remembered for the conversation
    #[arg(long, value_name = "WHICH", conflicts_with = "plain")]
    identity: Option<String>,

    /// The seal that it must have
    #[arg(long, value_name = "SEAL", conflicts_with = "plain")]
    seal: Option<Seal>,

    /// What kind of message: text, action, reaction, edit, data, request, response or notice
    #[arg(long, value_name = "KIND", conflicts_with = "plain")]
    kind: Option<String>,

    /// The id of the message that is answered
    #[arg(long, value_name = "ID", conflicts_with = "plain")]
    reply: Option<String>,

    /// What data is: text, json, cbor, octets, or a media type
    #[arg(long, value_name = "TYPE", conflicts_with = "plain")]
    content_type: Option<String>,

    /// Search for proof of work first, so that it passes where records are too many
    #[arg(long, conflicts_with = "plain")]
    work: bool,

    /// Print the result of `sendmessage` as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Seal {
    /// None: everybody can read it
    None,
    /// The channel's passphrase
    Channel,
    /// The recipient's chat key
    Chatkey,
    /// PascalCoin's, for the key of the account; text only, not authenticated
    Dest,
    /// PascalCoin's, with a password that is asked for; text only, not authenticated
    Aes,
}

fn lifetime() -> clap::builder::RangedI64ValueParser<u32> {
    clap::value_parser!(u32).range(i64::from(LIFETIME_S_MIN)..=i64::from(LIFETIME_S_MAX))
}

fn lifetime_help() -> String {
    format!("For how long it may travel, {LIFETIME_S_MIN} to {LIFETIME_S_MAX} seconds [default: {LIFETIME_S_DEFAULT}]")
}

/// A message that fits.
#[derive(Debug)]
pub(super) struct Message {
    to: To,
    params: Map<String, Value>,
    json: bool,
}

/// For whom it is.
#[derive(Debug, PartialEq, Eq)]
enum To {
    Name(TypedName),
    /// A person by the chat key, or as `listen` shows one; a name before the digits means that person from then on.
    Person(String),
}

impl To {
    fn of(typed: &str) -> Result<Self, Failure> {
        // Fewer digits alone may be an account.
        match super::people::key_digits(typed) {
            Some(digits) if digits.len() == super::people::KEY_DIGITS || typed.contains('~') => {
                Ok(Self::Person(typed.to_owned()))
            }
            _ => typed.parse().map(Self::Name).map_err(Failure::usage),
        }
    }
}

/// What the node says of a message it sent.
#[derive(Debug, Deserialize)]
struct Sent {
    #[serde(default)]
    id: Option<String>,
    msgid: String,
    peers: u64,
    expiry: Option<u64>,
    #[serde(default)]
    waits_until: Option<u64>,
    #[serde(default)]
    parts: u64,
    #[serde(default)]
    seconds: u64,
    #[serde(default)]
    sealed: Option<String>,
    #[serde(default)]
    to: Option<String>,
    #[serde(default)]
    to_state: Option<String>,
    #[serde(default)]
    author: Option<String>,
    #[serde(default)]
    nick: Option<String>,
    #[serde(default)]
    work_bits: u64,
    #[serde(default)]
    note: Option<String>,
}

impl Args {
    /// The message, if it is one that can be sent. Reads stdin if it stands there.
    pub(super) fn message(self) -> Result<Message, Failure> {
        let to = To::of(&self.name)?;
        // Before the text: of what comes on stdin the first line is the password.
        let password = matches!(self.seal, Some(Seal::Aes)).then(|| secret::ask("PascalCoin password")).transpose()?;
        let text = if self.text == "-" { read_stdin(io::stdin().lock())? } else { self.text };
        let mut params = Map::new();
        let bytes = if self.hex {
            let digits: String = text.split_whitespace().collect();
            let bytes = bytes_of_hex(&digits)?;
            params.insert("payload".to_owned(), json!(digits));
            bytes
        } else {
            // One end of line: the one that `echo` writes.
            let text = text.strip_suffix('\n').map_or(text.as_str(), |text| text.strip_suffix('\r').unwrap_or(text));
            params.insert("text".to_owned(), json!(text));
            text.len()
        };
        fits(bytes, self.plain)?;
        if self.plain {
            params.insert("plain".to_owned(), json!(true));
        }
        let words = [
            ("identity", self.identity),
            ("kind", self.kind),
            ("reply_to", self.reply),
            ("content_type", self.content_type),
            ("payload_method", self.seal.map(|seal| format!("{seal:?}").to_ascii_lowercase())),
        ];
        params.extend(words.into_iter().filter_map(|(name, word)| Some((name.to_owned(), json!(word?)))));
        if let Some(password) = password {
            params.insert("pwd".to_owned(), json!(password));
        }
        if self.work {
            params.insert("work".to_owned(), json!(true));
        }
        if let Some(deadline) = self.deadline {
            params.insert("deadline_s".to_owned(), json!(deadline));
        }
        if let Some(lifetime) = self.lifetime {
            params.insert("lifetime_s".to_owned(), json!(lifetime));
        }
        Ok(Message { to, params, json: self.json })
    }
}

pub(super) async fn run(client: Client, mut message: Message) -> Result<(), Failure> {
    let (name, key) = match &message.to {
        // What was typed without the `@`, which a nick is that begins like one.
        To::Name(name) => (Some(name.typed()), None),
        To::Person(who) => (name_before_digits(who), Some(super::people::key_of(&client, who).await?)),
    };
    message.params.extend(name.map(|name| ("name".to_owned(), json!(name))));
    message.params.extend(key.map(|key| ("key".to_owned(), json!(key))));
    let result = client.call("sendmessage", Value::Object(message.params)).await?;
    if message.json {
        return Ok(output::print(&output::json(&result))?);
    }
    let sent: Sent = super::understood("sendmessage", result)?;
    output::print(&sentence(&sent))?;
    if sent.parts > PARTS_QUIET && sent.peers > 0 {
        let how_long = match sent.work_bits {
            0 => format!("which takes {} from now on", output::duration(sent.seconds.max(1))),
            _ => "each when the work for it is done".to_owned(),
        };
        output::note(&format!("nightjar: it goes out in {} parts, {how_long}; the node must run as long", sent.parts));
    }
    if let Some(note) = &sent.note {
        output::note(&format!("nightjar: {}", output::visible(note)));
    }
    Ok(())
}

fn name_before_digits(who: &str) -> Option<&str> {
    let (name, _) = who.rsplit_once('~')?;
    Some(name.strip_prefix('@').unwrap_or(name)).filter(|name| !name.is_empty())
}

fn sentence(sent: &Sent) -> String {
    let Sent { id, msgid, peers, expiry, waits_until, sealed, to, to_state, author, nick, .. } = sent;
    let signed = match author {
        Some(key) => {
            let who = format!("{}~{}", nick.as_deref().unwrap_or(""), output::short(key));
            format!(", signed by {}", output::visible(&who))
        }
        // A plain record, and PascalCoin's own seals, are never signed.
        None if id.is_none() || matches!(sealed.as_deref(), Some("dest" | "aes")) => String::new(),
        None => ", unsigned".to_owned(),
    };
    let msgid = id.as_ref().unwrap_or(msgid);
    let to = to.as_deref().map(|key| format!(" {}", output::short(key))).unwrap_or_default();
    let state = to_state.as_deref().map(|state| format!(" ({state})")).unwrap_or_default();
    let sealed = match sealed.as_deref() {
        None | Some("none") => ", readable by everybody".to_owned(),
        Some("channel") => ", sealed for the channel".to_owned(),
        Some("chatkey") => format!(", sealed for the chat key{to}{state}"),
        Some("dest") => ", sealed for the account's key".to_owned(),
        Some("aes") => ", sealed with the password".to_owned(),
        Some(other) => format!(", sealed ({other})"),
    };
    let sealed = format!("{signed}{sealed}");
    let until = waits_until.or(*expiry).map(|until| output::date(until.saturating_mul(1000)));
    match (peers, until) {
        (0, Some(until)) => {
            format!("{msgid} queued{sealed}: no peer is connected, and it goes out when one is, until {until}\n")
        }
        (0, None) => {
            format!("{msgid} made{sealed}, but no peer is connected: it goes to whoever connects within minutes\n")
        }
        (1, _) => format!("{msgid} sent to 1 peer{sealed}\n"),
        (peers, _) => format!("{msgid} sent to {peers} peers{sealed}\n"),
    }
}

fn read_stdin(stdin: impl io::Read) -> Result<String, Failure> {
    let mut bytes = Vec::new();
    stdin
        .take(STDIN_BYTES_MAX + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| Failure::failed(format!("stdin cannot be read: {error}")))?;
    if bytes.len() as u64 > STDIN_BYTES_MAX {
        return Err(Failure::usage(format!("stdin has more than {STDIN_BYTES_MAX} bytes: {}", how_many_fit())));
    }
    String::from_utf8(bytes)
        .map_err(|_| Failure::usage("stdin is not UTF-8 text: data is sent in hex, as in `xxd -p | ... - --hex`"))
}

fn bytes_of_hex(digits: &str) -> Result<usize, Failure> {
    if let Some(strange) = digits.chars().find(|digit| !digit.is_ascii_hexdigit()) {
        return Err(Failure::usage(format!("{strange:?} is no hex digit: with --hex, data is digits 0-9 a-f")));
    }
    if digits.len() % 2 == 1 {
        return Err(Failure::usage(format!("{} hex digits are half a byte too many or too few", digits.len())));
    }
    Ok(digits.len() / 2)
}

fn fits(bytes: usize, plain: bool) -> Result<(), Failure> {
    let limit = if plain { PAYLOAD_BYTES_MAX } else { CONTENT_BYTES_MAX };
    match bytes {
        0 => Err(Failure::usage("there is nothing to send: the text is empty")),
        _ if bytes > limit => Err(Failure::usage(format!("{bytes} bytes are too long: {}", how_many_fit()))),
        _ => Ok(()),
    }
}

fn how_many_fit() -> String {
    format!("a message takes {CONTENT_BYTES_MAX} bytes, a record of --plain {PAYLOAD_BYTES_MAX}")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail loudly")]
    use super::*;

    fn args(name: &str, text: &str) -> Args {
        Args {
            name: name.to_owned(),
            text: text.to_owned(),
            hex: false,
            plain: false,
            lifetime: None,
            deadline: None,
            identity: None,
            seal: None,
            kind: None,
            reply: None,
            content_type: None,
            work: false,
            json: false,
        }
    }

    fn params(args: Args) -> Value {
        let mut message = args.message().unwrap();
        if let To::Name(name) = &message.to {
            message.params.insert("name".to_owned(), json!(name.typed()));
        }
        Value::Object(message.params)
    }

    #[test]
    fn an_at_sign_means_a_nick_and_does_not_travel() {
        assert_eq!(params(args("@Raven", "x")), json!({"name": "Raven", "text": "x"}));
        assert_eq!(params(args("1234", "x")), json!({"name": "1234", "text": "x"}));
        assert!(args("@#raven", "x").message().is_err());
    }

    #[test]
    fn a_person_is_named_by_key_or_nick_and_digits_and_a_channel_may_look_like_that() {
        let key = "8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c";
        for (person, name) in [
            (key, None),
            ("~8a88e3dd7409", None),
            ("raven~8A88", Some("raven")),
            ("@Raven~8a88", Some("Raven")),
            ("1234-44~8a88", Some("1234-44")),
        ] {
            assert_eq!(To::of(person).unwrap(), To::Person(person.to_owned()));
            assert_eq!(name_before_digits(person), name);
        }
        for name in ["#a~8a88", "#~8a88", "1234", "cafe", "nightraven", "1234-44"] {
            assert!(matches!(To::of(name).unwrap(), To::Name(_)), "{name}");
        }
        for neither in ["raven~", "raven~8a8", "~xyz1", "1234-45~8a88", &format!("{key}0")] {
            assert!(To::of(neither).is_err(), "{neither}");
        }
    }

    #[test]
    fn one_end_of_line_is_taken_off_a_text() {
        for (typed, sent) in [("a\n", "a"), ("a\r\n", "a"), ("a\n\n", "a\n"), ("a\r", "a\r"), (" a ", " a ")] {
            assert_eq!(params(args("#a", typed)), json!({"name": "#a", "text": sent}));
        }
    }

    #[test]
    fn hex_may_have_blanks_and_nothing_else() {
        let hex = |text: &str| Args { hex: true, ..args("#a", text) };
        assert_eq!(params(hex("00 Ff\n10\n")), json!({"name": "#a", "payload": "00Ff10"}));
        assert!(hex("0").message().is_err());
        assert!(hex("0g").message().is_err());
    }

    #[test]
    fn what_does_not_fit_is_told_how_much_does() {
        assert!(args("#a", &"x".repeat(CONTENT_BYTES_MAX)).message().is_ok());
        let failure = args("#a", &"x".repeat(CONTENT_BYTES_MAX + 1)).message().unwrap_err();
        assert!(format!("{failure:?}").contains("65536 bytes"));
        let plain = |bytes: usize| Args { plain: true, ..args("#a", &"x".repeat(bytes)) };
        assert!(plain(PAYLOAD_BYTES_MAX).message().is_ok());
        assert!(plain(PAYLOAD_BYTES_MAX + 1).message().is_err());
        assert!(args("#a", "\n").message().is_err());
    }

    #[test]
    fn stdin_without_end_is_not_read_to_its_end() {
        assert!(read_stdin(io::repeat(b'a')).is_err());
        assert!(read_stdin(io::Cursor::new(vec![0xff])).is_err());
        assert_eq!(read_stdin(io::Cursor::new(b"a\n")).unwrap(), "a\n");
    }

    #[test]
    fn nobody_being_there_is_said_in_words() {
        let sent = |peers: u64, expiry: Option<u64>| {
            let sent = json!({ "msgid": "00", "peers": peers, "expiry": expiry });
            sentence(&serde_json::from_value(sent).unwrap())
        };
        assert!(sent(0, Some(86_400)).contains("no peer is connected"));
        assert!(sent(0, Some(86_400)).contains("1970-01-02"));
        assert!(sent(0, None).contains("made, readable by everybody, but no peer is connected"));
        assert_eq!(sent(1, None), "00 sent to 1 peer, readable by everybody\n");
        assert_eq!(sent(3, None), "00 sent to 3 peers, readable by everybody\n");
        let sealed = json!({
            "id": "ff", "msgid": "00", "peers": 1, "expiry": 1, "sealed": "chatkey", "to": "0123456789abcdef", "to_state": "claimed",
            "author": "89abcdef012345", "nick": "raven"
        });
        let said = sentence(&serde_json::from_value(sealed).unwrap());
        assert_eq!(
            said,
            "ff sent to 1 peer, signed by raven~89abcdef0123, sealed for the chat key 0123456789ab (claimed)\n"
        );
        let open = json!({ "id": "ff", "msgid": "00", "peers": 2, "expiry": 1, "sealed": "none" });
        assert_eq!(
            sentence(&serde_json::from_value(open).unwrap()),
            "ff sent to 2 peers, unsigned, readable by everybody\n"
        );
    }
}
