//! Texts of strangers that try to be more than texts: no second line, no forged source, no question to a client's program.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs, reason = "a test may fail loudly")]

mod irc_common;

use irc_common::{Client, Gateway, Line, of, two, whole};
use nightjar_envelope::map::{Content, Kind};
use nightjar_node::message::Draft;
use nightjar_node::post::{Addressee, Letter};

fn to(channel: &str) -> Addressee {
    Addressee::Name(channel.parse().unwrap())
}

/// All that a client hears up to this text, which comes last.
async fn up_to(client: &mut Client, last: &str) -> Vec<Line> {
    client.until(last, |line| line.text() == last).await
}

/// Whether no line is other than it must be: from the stranger, to the channel, without what steers.
fn assert_tame(lines: &[Line]) {
    for line in lines.iter().filter(|line| !line.source.starts_with(irc_common::SERVER)) {
        assert!(line.nick() == "stranger" || line.nick() == "anon~", "{line:?}");
        assert!(["PRIVMSG", "NOTICE", "JOIN", "TAGMSG", "BATCH"].contains(&&*line.command), "{line:?}");
        assert!(["PRIVMSG", "NOTICE"].iter().all(|it| !line.is(it)) || line.param(0) == "#a", "{line:?}");
        let words = line.text();
        let words = words.strip_prefix("\u{1}ACTION ").and_then(|words| words.strip_suffix('\u{1}')).unwrap_or(words);
        let steers =
            |it: char| matches!(it, '\u{1}' | '\u{1b}' | '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}' | '\u{202e}');
        assert!(!words.contains(steers), "{line:?}");
    }
}

const NASTY: [&str; 22] = [
    "\r\nPRIVMSG #a :forged",
    "a\r\n:raven!raven@local PRIVMSG #a :forged",
    "a\nQUIT :x",
    "a\rb",
    "\n\n\n",
    "nul\0byte",
    "\u{2028}PRIVMSG #a :x",
    "\u{2029}para",
    "\u{1b}[2J\u{1b}]0;title\u{7}",
    "\u{1}VERSION\u{1}",
    "\u{1}DCC SEND file 2130706433 80 1\u{1}",
    "\u{1}ACTION \u{1}VERSION\u{1}\u{1}",
    "\u{1}PING",
    "\u{202e}drow\u{202c}",
    "\u{9b}31m",
    ":leading colon",
    " leading blank",
    "@time=2000-01-01T00:00:00.000Z :x PRIVMSG #a :forged",
    "\u{85}next line",
    "\u{feff}mark",
    "\u{3}4,4 coloured \u{2}bold\u{f}",
    "BATCH +1 chathistory #a",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_text_makes_a_second_line_or_another_source() {
    let (here, there) = two().await;
    there.identity("stranger").await;
    let mut plain = here.plain("plain").await;
    let mut rich = here.rich("rich").await;
    plain.ask("JOIN #a").await;
    rich.ask("JOIN #a").await;
    plain.sync().await;
    rich.sync().await;
    let mut sent = 0;
    for text in NASTY {
        for kind in [Kind::Text, Kind::Action, Kind::Notice] {
            let letter = Letter { kind, ..Letter::text(to("#a"), text) };
            // Some the node itself does not send; another program would.
            if there.handle().send(letter, nightjar_node::post::Work::Never).await.is_ok() {
                sent += 1;
            }
        }
        let asked: [u8; 8] = [7; 8];
        let reaction = Letter { kind: Kind::Reaction, reply_to: Some(asked), ..Letter::text(to("#a"), text) };
        if there.handle().send(reaction, nightjar_node::post::Work::Never).await.is_ok() {
            sent += 1;
        }
        // Records of others, with no envelope.
        if there.handle().publish(Draft::text("#a".parse().unwrap(), text)).await.is_ok() {
            sent += 1;
        }
    }
    assert!(sent >= 3 * NASTY.len(), "{sent}");
    here.messages(sent).await;
    there.say("#a", "the last one").await;
    assert_tame(&up_to(&mut plain, "the last one").await);
    assert_tame(&up_to(&mut rich, "the last one").await);
    here.stop().await;
    there.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_client_says_is_tamed_as_well_before_others_here_see_it() {
    let gateway = Gateway::start(&[]).await;
    let mut speaker = gateway.plain("stranger").await;
    let mut reader = gateway.rich("reader").await;
    speaker.ask("JOIN #a").await;
    reader.ask("JOIN #a").await;
    for text in NASTY.iter().filter(|text| !text.contains(['\r', '\n', '\0'])) {
        speaker.ask(&format!("PRIVMSG #a :{text}\r\nNOTICE #a :{text}\r\nTOPIC #a :{text}\r\nAWAY :{text}")).await;
        speaker.ask(&format!("SETNAME :{text}\r\nPART #a :{text}\r\nJOIN #a")).await;
    }
    speaker.send("QUIT :\u{1b}[2J\u{1}").await;
    let lines = reader.until("the end", |line| line.is("QUIT")).await;
    for line in &lines {
        let words = line.raw.replace("\u{1}ACTION ", "");
        let words = words.trim_end_matches('\u{1}');
        assert!(!words.contains(['\u{1b}', '\u{1}', '\u{9b}', '\u{2028}', '\u{202e}']), "{line:?}");
    }
    gateway.stop().await;
}

/// What is left of texts that were cut.
fn put_together(lines: &[Line]) -> String {
    let said: Vec<&str> = lines.iter().filter(|line| line.is("PRIVMSG")).map(|line| line.text()).collect();
    said.join(" ")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn long_texts_are_cut_between_words_and_never_inside_a_letter() {
    let (here, there) = two().await;
    there.identity("stranger").await;
    let mut plain = here.plain("plain").await;
    let mut rich = here.rich("rich").await;
    plain.ask("JOIN #a").await;
    rich.ask("JOIN #a").await;
    let words = "žluťoučký kůň úpěl ďábelské ódy 👩\u{200d}🔬 ".repeat(60);
    let words = words.trim_end().to_owned();
    there.say("#a", &words).await;
    there.say("#a", "the end").await;
    let lines = up_to(&mut plain, "the end").await;
    // Each line was held against the limit when it was read.
    assert_eq!(put_together(&lines[..lines.len() - 1]), words);
    assert!(of(&lines, "PRIVMSG").len() > 4);
    let lines = up_to(&mut rich, "the end").await;
    let (begin, text) = whole(&lines);
    assert_eq!((text, begin.nick()), (words, "stranger"));
    // One word longer than any line.
    let word = "ü".repeat(1_000);
    there.say("#a", &word).await;
    there.say("#a", "the end").await;
    let lines = up_to(&mut plain, "the end").await;
    assert_eq!(put_together(&lines[..lines.len() - 1]).replace(' ', ""), word);
    here.stop().await;
    there.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_text_is_told_of_and_not_shown() {
    let (here, there) = two().await;
    there.identity("stranger").await;
    let mut plain = here.plain("plain").await;
    plain.ask("JOIN #a").await;
    let data = Letter {
        kind: Kind::Data,
        content: Some(Content::Bytes(vec![0, 13, 10, 1, 255].into())),
        ..Letter::text(to("#a"), "")
    };
    there.send(data).await;
    there.say("#a", "the end").await;
    let lines = up_to(&mut plain, "the end").await;
    assert_tame(&lines);
    assert!(of(&lines, "NOTICE").iter().any(|line| line.text() == "[5 bytes of data for a program]"), "{lines:#?}");
    here.stop().await;
    there.stop().await;
}
