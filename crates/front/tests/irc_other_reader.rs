//! Lines of IRC are read as another program reads them, and what is written is read by it as it was meant.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "a test may fail loudly")]

use irc_proto::{Command, Message};
use nightjar_front::irc::line::{Line, Reply};
use proptest::collection::{btree_map, vec};
use proptest::option::of;
use proptest::prelude::*;

/// A line as the other one reads it.
fn other(text: &str) -> Line {
    let message: Message = text.parse().unwrap();
    // It tells a tag without a value from one with an empty value, which mean the same.
    let tags = message.tags.into_iter().flatten().map(|tag| (tag.0, tag.1.unwrap_or_default())).collect();
    let (command, params) = parts(message.command);
    Line { tags, command, params }
}

/// What it knows of the commands that are compared, as a name and params again.
fn parts(command: Command) -> (String, Vec<String>) {
    let (name, params) = match command {
        Command::PRIVMSG(target, text) => ("PRIVMSG", vec![Some(target), Some(text)]),
        Command::NOTICE(target, text) => ("NOTICE", vec![Some(target), Some(text)]),
        Command::TOPIC(channel, topic) => ("TOPIC", vec![Some(channel), topic]),
        Command::JOIN(channels, keys, name) => ("JOIN", vec![Some(channels), keys, name]),
        Command::PART(channels, text) => ("PART", vec![Some(channels), text]),
        Command::NICK(nick) => ("NICK", vec![Some(nick)]),
        Command::PASS(password) => ("PASS", vec![Some(password)]),
        Command::PING(server, further) => ("PING", vec![Some(server), further]),
        Command::QUIT(text) => ("QUIT", vec![text]),
        Command::Response(response, params) => return (format!("{:03}", response as u16), params),
        // A name that it does not know stays as it was typed.
        Command::Raw(name, params) => return (name.to_ascii_uppercase(), params),
        command => panic!("{command:?} is not compared"),
    };
    (name.to_owned(), params.into_iter().flatten().collect())
}

fn ours(text: &str) -> Line {
    Line::parse(text.as_bytes()).unwrap().unwrap()
}

fn command() -> impl Strategy<Value = String> {
    const KNOWN: [&str; 11] =
        ["PRIVMSG", "notice", "Topic", "JOIN", "PART", "nick", "PASS", "PING", "quit", "TAGMSG", "ChatHistory"];
    prop_oneof![3 => prop::sample::select(&KNOWN[..]).prop_map(str::to_owned), 1 => "X[a-zA-Z]{0,9}", 1 => "00[1-4]|4[0-9]{2}"]
}

/// What stands between two blanks, within what a line has room for.
const MIDDLE: &str = "[a-z#&+*,!é🦜][a-z:;@=,é\\\\]{0,9}";
const TEXT: &str = "[a-z :@;=\\\\é🦜\t\u{2}]{0,30}";

prop_compose! {
    /// Well formed by the grammar, put together without any code of ours.
    fn any_line()(
        tags in btree_map("[+]?([a-z]{1,5}\\.[a-z]{1,5}/)?[a-zA-Z0-9-]{1,9}", of("([a-z=@:,é]|\\\\[:snr\\\\xé]){0,20}\\\\?"), 0..5),
        source in of("[a-z]{1,9}(![a-z]{1,9}@[a-z.:]{1,9})?"),
        command in command(),
        middle in vec(MIDDLE, 0..=13),
        text in of(TEXT),
    ) -> String {
        let tags: Vec<_> = tags.into_iter().map(|(key, value)| match value {
            Some(value) => format!("{key}={value}"),
            None => key,
        }).collect();
        let tags = if tags.is_empty() { String::new() } else { format!("@{} ", tags.join(";")) };
        let source = source.map(|source| format!(":{source} ")).unwrap_or_default();
        let middle: String = middle.into_iter().map(|param| format!(" {param}")).collect();
        let text = text.map(|text| format!(" :{text}")).unwrap_or_default();
        format!("{tags}{source}{command}{middle}{text}")
    }
}

proptest! {
    #[test]
    fn a_line_is_read_as_another_program_reads_it(line in any_line()) {
        prop_assert_eq!(ours(&line), other(&line));
    }

    #[test]
    fn a_reply_is_read_by_another_program_as_it_was_meant(
        tags in btree_map("[+]?[a-z]{1,9}", "[^\0]{0,20}", 0..4),
        source in of("[a-z]{1,9}![a-z]{1,9}@[a-z.]{1,9}"),
        command in command(),
        middle in vec(MIDDLE, 0..=13),
        text in of(TEXT),
        trailing: bool,
    ) {
        let mut reply = Reply::new(command.to_ascii_uppercase());
        reply.source = source;
        reply.tags = tags.iter().map(|(key, value)| (key.clone().into(), value.clone())).collect();
        reply.params = middle.into_iter().chain(text).collect();
        reply.trailing = trailing;
        let mut out = Vec::new();
        reply.write(&mut out);
        let read = other(str::from_utf8(&out).unwrap());
        prop_assert_eq!(read.command, reply.command);
        prop_assert_eq!(read.params, reply.params);
        prop_assert_eq!(read.tags, tags.into_iter().collect::<Vec<_>>());
    }
}

/// Where the other one does not do what RFC 2812, the IRCv3 papers and servers do, so that no line above is like these.
#[test]
fn where_the_other_program_errs_the_papers_are_followed() {
    let line = |tags: &[(&str, &str)], command: &str, params: &[&str]| Line {
        tags: tags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
        command: command.to_owned(),
        params: params.iter().map(|param| (*param).to_owned()).collect(),
    };
    const MANY: [&str; 15] = ["1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12", "13", "14", "15 :16"];
    for (text, meant) in [
        // Of a key that comes twice the last value counts (IRCv3, message tags); it gives both.
        ("@a=1;a=2 XA", line(&[("a", "2")], "XA", &[])),
        // A key has a letter at the least; it gives an empty one.
        ("@=1;b XA", line(&[("b", "")], "XA", &[])),
        // What is behind fourteen params is the fifteenth, with `:` or without (RFC 2812, 2.3.1); it stops at thirteen, and
        // takes the first ` :` for the last param's beginning wherever it stands.
        ("XA 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 :16", line(&[], "XA", &MANY)),
        // Several blanks count as one; it takes the second one for the command's end.
        ("@a   XA  1", line(&[("a", "")], "XA", &["1"])),
        (":source   XA  1", line(&[], "XA", &["1"])),
        ("  XA 1", line(&[], "XA", &["1"])),
    ] {
        assert_eq!(ours(text), meant, "{text:?}");
        assert_ne!(other(text), meant, "{text:?}: it is mended, and can be compared");
    }
}
