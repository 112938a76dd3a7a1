#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail loudly")]

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

fn parsed(text: &str) -> Line {
    Line::parse(text.as_bytes()).unwrap().unwrap()
}

fn params(text: &str) -> Vec<String> {
    parsed(text).params
}

fn written(reply: &Reply) -> String {
    let mut out = Vec::new();
    reply.write(&mut out);
    String::from_utf8(out).unwrap()
}

fn all_of(lines: &mut Lines) -> Vec<Result<String, LineFault>> {
    lines.map(|line| line.map(|line| line.command)).collect()
}

#[test]
fn a_line_is_its_command_and_its_params() {
    let line = parsed("privmsg #pascal,bob :Hello, :world");
    assert_eq!(line.command, "PRIVMSG");
    assert_eq!(line.params, ["#pascal,bob", "Hello, :world"]);
    assert_eq!(line.tags, []);
    assert_eq!(params("TOPIC #pascal :"), ["#pascal", ""]);
    assert_eq!(params("  MODE   #a   +b  "), ["#a", "+b"]);
    assert_eq!(params("USER a 0 * :: b "), ["a", "0", "*", ": b "]);
    assert_eq!(params("JOIN a:b :c"), ["a:b", "c"]);
    assert_eq!(params("PING \t"), ["\t"]);
}

#[test]
fn a_source_is_skipped() {
    assert_eq!(parsed(":bob!b@host  quit :bye"), parsed("QUIT bye"));
}

#[test]
fn the_fifteenth_param_is_all_that_is_left() {
    assert_eq!(params("X 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16  :17 ")[14], "15 16  :17 ");
    assert_eq!(params("X 1 2 3 4 5 6 7 8 9 10 11 12 13 14   :15 16").len(), PARAMS_MAX);
    assert_eq!(params("X 1 2 3 4 5 6 7 8 9 10 11 12 13 14   :15 16")[14], "15 16");
    assert_eq!(params("X 1 2 3 4 5 6 7 8 9 10 11 12 13 14  ").len(), 14);
}

#[test]
fn tags_are_unescaped_and_of_doubles_the_last_one_counts() {
    let line = parsed(r"@+a=1;label=x\:y\s\\\r\n\q\;empty=;bare;;=keyless;+a=2=3;vendor.example/k=ü  PING");
    assert_eq!(line.tag("+a"), Some("2=3"));
    assert_eq!(line.tag("label"), Some("x;y \\\r\nq"));
    assert_eq!(line.tag("empty"), Some(""));
    assert_eq!(line.tag("bare"), Some(""));
    assert_eq!(line.tag("vendor.example/k"), Some("ü"));
    assert_eq!(line.tag("a"), None);
    assert_eq!(line.tags.len(), 5);
    assert_eq!(line.command, "PING");
}

#[test]
fn nothing_is_no_line_and_no_fault() {
    assert_eq!(Line::parse(b""), Ok(None));
    assert_eq!(Line::parse(b"   "), Ok(None));
}

#[test]
fn what_has_no_command_is_refused() {
    for text in ["@a=b", "@a=b ", ":bob", ":bob ", "@a :bob", "@", ":", "@ "] {
        assert_eq!(Line::parse(text.as_bytes()), Err(LineFault::NoCommand), "{text:?}");
    }
}

#[test]
fn other_encodings_and_forbidden_bytes_are_refused() {
    assert_eq!(Line::parse(b"PRIVMSG #a :gr\xfc\xdf"), Err(LineFault::NotUtf8));
    assert_eq!(Line::parse(b"@a=\xff PING"), Err(LineFault::NotUtf8));
    for text in ["PING a\0b", "@a=\0 PING", "PING a\rb", "PING\nQUIT"] {
        assert_eq!(Line::parse(text.as_bytes()), Err(LineFault::ForbiddenByte), "{text:?}");
    }
}

#[test]
fn a_body_and_tags_have_their_limits() {
    let body = |bytes: usize| format!("PING {}", "x".repeat(bytes - 5));
    let tags = |bytes: usize| format!("@{} PING", "k".repeat(bytes - 2));
    assert!(Line::parse(body(BODY_BYTES_MAX - 2).as_bytes()).is_ok());
    assert_eq!(Line::parse(body(BODY_BYTES_MAX - 1).as_bytes()), Err(LineFault::TooLong));
    assert!(Line::parse(tags(CLIENT_TAGS_BYTES_MAX).as_bytes()).is_ok());
    assert_eq!(Line::parse(tags(CLIENT_TAGS_BYTES_MAX + 1).as_bytes()), Err(LineFault::TooLong));
    let longest = format!("@{} {}", "k".repeat(CLIENT_TAGS_BYTES_MAX - 2), body(BODY_BYTES_MAX - 2));
    assert_eq!(longest.len(), LINE_BYTES_MAX);
    let mut lines = Lines::default();
    lines.push(longest.as_bytes());
    assert_eq!(all_of(&mut lines), []);
    lines.push(b"\r\n");
    assert_eq!(all_of(&mut lines), [Ok("PING".into())]);
}

#[test]
fn lines_end_with_lf_cr_lf_or_cr() {
    let mut lines = Lines::default();
    lines.push(b"a\nb\r\nc\rd\r");
    assert_eq!(all_of(&mut lines), ["A", "B", "C", "D"].map(|command| Ok(command.to_owned())));
    lines.push(b"\n\r\n  \ne");
    assert_eq!(all_of(&mut lines), []);
    lines.push(b"f\n\xff\ng\n");
    assert_eq!(all_of(&mut lines), [Ok("EF".into()), Err(LineFault::NotUtf8), Ok("G".into())]);
}

#[test]
fn a_line_too_long_is_told_once_and_no_more_than_a_line_is_held() {
    let mut lines = Lines::default();
    let mut faults = 0;
    for _ in 0..100 {
        lines.push(&[b'x'; 1000]);
        faults += all_of(&mut lines).iter().filter(|line| **line == Err(LineFault::TooLong)).count();
        assert!(lines.held.len() <= LINE_BYTES_MAX);
    }
    assert_eq!(faults, 1);
    lines.push(b"tail\r\nping\r\n");
    assert_eq!(all_of(&mut lines), [Ok("PING".into())]);
    lines.push(&[&[b'x'; LINE_BYTES_MAX + 1][..], b"\nping\n"].concat());
    assert_eq!(all_of(&mut lines), [Err(LineFault::TooLong), Ok("PING".into())]);
}

#[test]
fn a_reply_is_written_as_clients_know_it() {
    let reply = Reply::new("PRIVMSG").from("bob!b@host").param("#a").text("hi").tag("time", "t").tag("+x", "a; \\");
    assert_eq!(written(&reply), "@time=t;+x=a\\:\\s\\\\ :bob!b@host PRIVMSG #a :hi\r\n");
    assert_eq!(written(&Reply::new("PONG").param("a")), "PONG a\r\n");
    assert_eq!(written(&Reply::new("PONG").param("a b")), "PONG :a b\r\n");
    assert_eq!(written(&Reply::new("PONG").param("")), "PONG :\r\n");
    assert_eq!(written(&Reply::new("PONG").param(":")), "PONG ::\r\n");
    assert_eq!(written(&Reply::new("PONG").text("a").param("b")), "PONG a b\r\n");
    assert_eq!(written(&Reply::new("PONG").tag("k", "").tag("", "v")), "@k PONG\r\n");
}

#[test]
fn nobody_ends_a_line_early_or_adds_a_param() {
    let reply = Reply::new("4\r0 1").from("a b\n").param("").param(":c d").text("e\r\nQUIT\0").tag("a; =b", "\r\n\0");
    assert_eq!(written(&reply), "@ab=\\r\\n :ab 40_1 * c_d :eQUIT\r\n");
    assert_eq!(written(&Reply::new("@:")), "*\r\n");
    assert_eq!(written(&Reply::new("").from("\n ")), "*\r\n");
}

#[test]
fn a_reply_too_long_is_cut_between_characters() {
    let line = written(&Reply::new("PRIVMSG").from("bob!").param("#a").text("ü".repeat(300)));
    assert_eq!(line.len(), BODY_BYTES_MAX);
    let line = written(&Reply::new("PRIVMSG").from("bob").param("#a").text("ü".repeat(300)));
    assert_eq!(line.len(), BODY_BYTES_MAX - 1);
    let line = written(&Reply::new("PRIVMSG").from("bob").param("#a").text("e\u{301}".repeat(300)));
    assert!(line.ends_with("\u{301}\r\n"));
    // The text has no room behind what comes first.
    let line = written(&Reply::new("X").param("y".repeat(600)).text("z"));
    assert_eq!(line, format!("X {}\r\n", "y".repeat(508)));
}

#[test]
fn a_source_and_a_command_leave_room_for_the_rest() {
    let line = written(&Reply::new("C".repeat(600)).from("s".repeat(600)).text("words"));
    assert_eq!(line, format!(":{} {} :words\r\n", "s".repeat(SOURCE_BYTES_MAX), "C".repeat(COMMAND_BYTES_MAX)));
}

#[test]
fn tags_that_do_not_fit_are_left_out_whole() {
    let fits = "v".repeat(SERVER_TAGS_BYTES_MAX - "@a= ".len());
    let line = written(&Reply::new("PING").tag("a", fits.clone()).tag("b", "1"));
    assert_eq!(line.len(), SERVER_TAGS_BYTES_MAX + "PING\r\n".len());
    assert!(line.starts_with("@a=v"));
    assert_eq!(written(&Reply::new("PING").tag("a", fits + "v").tag("b", "1")), "@b=1 PING\r\n");
}

#[test]
fn of_too_many_params_the_first_ones_are_written() {
    let reply = (1..=20).fold(Reply::new("X"), |reply, number| reply.param(number.to_string()));
    assert_eq!(params(written(&reply).trim_end()).len(), PARAMS_MAX);
    assert!(written(&reply).ends_with(" 14 15\r\n"));
}

/// Texts that are made of what matters in a line.
fn parts() -> impl Strategy<Value = String> {
    const PARTS: [&str; 14] = [" ", ":", "@", ";", "=", "\\", "\r", "\n", "\0", "a", "Z", "ü", "\u{301}", "🦜"];
    vec(prop::sample::select(&PARTS[..]), 0..12).prop_map(|parts| parts.concat())
}

fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![4 => parts(), 2 => ".{0,20}", 1 => (parts(), 0..9000usize).prop_map(|(text, times)| text.repeat(times / 12))]
}

prop_compose! {
    fn any_reply()(
        tags in vec((any_text(), any_text()), 0..5),
        source in proptest::option::of(any_text()),
        command in any_text(),
        params in vec(any_text(), 0..18),
        trailing: bool,
    ) -> Reply {
        let tags = tags.into_iter().map(|(key, value)| (key.into(), value)).collect();
        Reply { tags, source, command: command.into(), params, trailing }
    }
}

prop_compose! {
    /// What needs no cleaning and no cutting.
    fn clean_reply()(
        tags in prop::collection::btree_map("[+]?[a-z.]{1,9}/?[a-z0-9-]{1,9}", "[^\0]{0,20}", 0..5),
        source in proptest::option::of("[a-z!@.]{1,30}"),
        command in "[A-Z]{1,10}|[0-9]{3}",
        middle in vec("[a-z#+*é][a-z:@,é]{0,10}", 0..14),
        last in proptest::option::of("[^\0\r\n]{0,30}"),
        trailing: bool,
    ) -> Reply {
        let tags = tags.into_iter().map(|(key, value)| (key.into(), value)).collect();
        let params = middle.into_iter().chain(last).collect();
        Reply { tags, source, command: command.into(), params, trailing }
    }
}

proptest! {
    #[test]
    fn whatever_the_parts_hold_one_line_within_its_limits_is_written(reply in any_reply()) {
        let line = written(&reply);
        let bare = line.strip_suffix("\r\n").unwrap();
        prop_assert!(!bare.contains(['\r', '\n', '\0']));
        let body = if bare.starts_with('@') { bare.split_once(' ').unwrap().1 } else { bare };
        prop_assert!(body.len() + 2 <= BODY_BYTES_MAX);
        prop_assert!(bare.len() - body.len() <= SERVER_TAGS_BYTES_MAX);
        let line = parsed(body);
        prop_assert!(line.params.len() <= reply.params.len().min(PARAMS_MAX));
        prop_assert!(line.tags.is_empty());
    }

    #[test]
    fn what_was_written_is_read_as_it_was_meant(reply in clean_reply()) {
        let line = written(&reply);
        let line = parsed(line.trim_end_matches(['\r', '\n']));
        prop_assert_eq!(line.command, reply.command);
        prop_assert_eq!(line.params, reply.params);
        prop_assert_eq!(line.tags.len(), reply.tags.len());
        for ((key, value), (key_meant, value_meant)) in line.tags.iter().zip(&reply.tags) {
            prop_assert_eq!((key.as_str(), value), (key_meant.as_ref(), value_meant));
        }
    }

    #[test]
    fn chunks_make_no_difference(bytes in vec(prop_oneof![any::<u8>(), Just(b'\r'), Just(b'\n'), Just(b' ')], 0..300), cuts in vec(1..20usize, 1..20)) {
        let mut at_once = Lines::default();
        at_once.push(&bytes);
        let whole: Vec<_> = at_once.collect();
        let mut lines = Lines::default();
        let mut parts = Vec::new();
        let mut rest = &bytes[..];
        for cut in cuts.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (part, behind) = rest.split_at((*cut).min(rest.len()));
            rest = behind;
            lines.push(part);
            parts.extend(&mut lines);
        }
        prop_assert_eq!(parts, whole);
    }
}
