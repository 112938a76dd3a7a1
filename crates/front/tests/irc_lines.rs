//! One message, however many lines it has, is a screen or two for a client, and one history some screens: nobody else is kept waiting.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs, reason = "a test may fail loudly")]

mod irc_common;

use irc_common::{Gateway, Line, RICH, of, the, two, wait_for, whole};
use nightjar_core::name::TypedName;
use nightjar_core::record::Record;
use nightjar_core::time::Wall;
use nightjar_envelope::form::AES;
use nightjar_envelope::key::ChatSecret;
use nightjar_envelope::map::Kind;
use nightjar_node::chain::standing::Standing;
use nightjar_node::message::{CODING_RAW, Content, Logged, NewMessage, Reading, Said};
use nightjar_node::post::{Addressee, Letter};

/// A client with history, which does not know messages of several lines.
const HISTORY: &str = "batch draft/chathistory message-tags server-time";
/// Lines of one message: as many as there is room for.
const MANY: usize = 32_500;
/// What is shown of it now, and within history.
const LIVE: usize = 40;
const PAST: usize = 10;
/// Bytes that one history takes.
const HISTORY_BYTES: usize = 512 << 10;

fn channel() -> TypedName {
    "#a".parse().unwrap()
}

/// A message of very many lines, which hardly takes more bytes on its way than one of one.
fn many(kind: Kind) -> Letter {
    let reply_to = (kind == Kind::Reaction).then_some([7; 8]);
    Letter { kind, reply_to, ..Letter::text(Addressee::Name(channel()), &"b\n".repeat(MANY)) }
}

/// What was not shown of it.
fn is_note(line: &Line, shown: usize) -> bool {
    line.text().starts_with(&format!("[{} more lines are not shown: \"nightjar listen --since ", MANY - shown))
}

/// Some lines as groups of the same command and text, and how many there are of each; notes are called so.
fn groups(lines: &[Line], shown: usize) -> Vec<(String, usize)> {
    let mut groups: Vec<(String, usize)> = Vec::new();
    for line in lines.iter().filter(|line| line.nick() == "jackdaw") {
        let text = if is_note(line, shown) { "(note)" } else { line.text() };
        let what = format!("{} {text}", line.command);
        match groups.last_mut().filter(|(last, _)| *last == what) {
            Some((_, count)) => *count += 1,
            None => groups.push((what, 1)),
        }
    }
    groups
}

/// All three kinds of words, line by line.
fn line_by_line(shown: usize) -> Vec<(String, usize)> {
    [
        ("PRIVMSG b", shown),
        ("PRIVMSG (note)", 1),
        ("PRIVMSG \u{1}ACTION b\u{1}", shown),
        ("PRIVMSG (note)", 1),
        ("NOTICE b", shown),
        ("NOTICE (note)", 1),
    ]
    .map(|(what, count)| (what.to_owned(), count))
    .into()
}

async fn attack(node: &Gateway) {
    for kind in [Kind::Text, Kind::Action, Kind::Notice, Kind::Reaction] {
        node.send(many(kind)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_of_thousands_of_lines_is_a_screen_or_two_when_it_is_said() {
    let (here, there) = two().await;
    there.identity("jackdaw").await;
    let (mut plain, mut rich) = (here.plain("plain").await, here.rich("rich").await);
    let mut tags = here.client("tags", "message-tags").await;
    for client in [&mut plain, &mut rich, &mut tags] {
        client.ask("JOIN #a").await;
    }
    attack(&there).await;
    there.say("#a", "the end").await;

    let heard = plain.until("the end", |line| line.says("the end")).await;
    let mut wanted = line_by_line(LIVE);
    wanted.push(("PRIVMSG the end".to_owned(), 1));
    let groups_heard: Vec<_> = groups(&heard, LIVE).into_iter().filter(|(what, _)| !what.starts_with("JOIN")).collect();
    assert_eq!(groups_heard, wanted, "a sign of so many bytes is for nobody");

    let heard = rich.until("the end", |line| line.says("the end")).await;
    let (_, text) = whole(&heard);
    let lines: Vec<&str> = text.split('\n').collect();
    assert_eq!((lines.len(), lines[198]), (200, "b"), "no more than was agreed");
    // Where they are put together, the end of the last line is a line.
    assert!(lines[199].starts_with(&format!("[{} more lines", MANY + 1 - 199)), "{}", lines[199]);
    assert_eq!(heard.iter().filter(|line| line.tag("batch").is_some()).count(), 2 * 200);
    assert_eq!(heard.iter().filter(|line| line.text() == "\u{1}ACTION b\u{1}").count(), LIVE);
    assert!(of(&heard, "TAGMSG").is_empty());

    let heard = tags.until("the end", |line| line.says("the end")).await;
    assert!(of(&heard, "TAGMSG").is_empty());
    // A sign that is one is seen.
    there
        .send(Letter {
            reply_to: Some([7; 8]), kind: Kind::Reaction, ..Letter::text(Addressee::Name(channel()), "👍")
        })
        .await;
    let sign = tags.first("the sign", |line| line.is("TAGMSG")).await;
    assert_eq!(sign.tag("+draft/react"), Some("👍"));
    // All are there, and hear each other.
    plain.ask("PRIVMSG #a :still here").await;
    for client in [&mut rich, &mut tags] {
        client.hears("still here").await;
    }
    here.stop().await;
    there.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_of_thousands_of_lines_is_less_within_history() {
    let (here, there) = two().await;
    there.identity("jackdaw").await;
    let mut other = here.plain("other").await;
    // Somebody listens, and is away.
    other.ask("AWAY :later\r\nJOIN #a").await;
    attack(&there).await;
    there.say("#a", "the end").await;
    other.hears("the end").await;

    for (nick, caps) in [("one", HISTORY.to_owned()), ("another", format!("{HISTORY} draft/multiline"))] {
        let mut client = here.client(nick, &caps).await;
        let given = client.ask("CHATHISTORY LATEST #a * 200").await;
        let mut wanted = line_by_line(PAST);
        wanted.push(("PRIVMSG the end".to_owned(), 1));
        assert_eq!(groups(&given, PAST), wanted);
        assert_eq!(of(&given, "BATCH").len(), 2, "a batch is in no other");
        // One message has one id.
        assert_eq!(given.iter().filter(|line| line.tag("msgid").is_some()).count(), 4);
    }
    for (nick, caps) in [("plain", ""), ("batches", "batch"), ("rich", RICH)] {
        let mut client = here.client(nick, caps).await;
        client.send("AWAY :later").await;
        let joined = client.ask("JOIN #a").await;
        // The clients that know no times have them in words, in the first line.
        let joined: Vec<Line> = joined
            .into_iter()
            .map(|mut line| {
                let text = line.params.pop().unwrap_or_default();
                let words = text.split_once("] ").filter(|_| text.contains("[20")).map(|(before, words)| {
                    format!("{}{words}", if before.starts_with('\u{1}') { "\u{1}ACTION " } else { "" })
                });
                line.params.push(words.unwrap_or(text));
                line
            })
            .collect();
        let mut wanted = line_by_line(PAST);
        wanted.push(("PRIVMSG the end".to_owned(), 1));
        assert_eq!(groups(&joined, PAST), wanted, "{caps}");
    }
    there.say("#a", "and on").await;
    other.hears("and on").await;
    here.stop().await;
    there.stop().await;
}

/// One of many long messages, each of which has more lines than history shows. They came one after the other.
fn long(number: u64, late: bool) -> Logged {
    let received = Wall(1_790_000_000_000 + number);
    let text = format!("number {number} {}", format!("{}\n", "long ".repeat(80)).repeat(12));
    let expiry = u32::try_from(received.0 / 1000).unwrap() + 60;
    let target = channel().targets()[0];
    let record = Record::dated(target, b"sealed", expiry, CODING_RAW, number.to_le_bytes()).unwrap();
    let reading = Reading {
        conversation: "#a".to_owned(),
        id: Some(format!("{:016x}{number:016x}", 1).parse().unwrap()),
        author: Some(ChatSecret::from_seed(&[1; 32].into()).public()),
        own_key: None,
        said: Said::Text { form: AES, text },
        standing: Standing::Claimed,
        request: false,
        mention: false,
    };
    let (content, reading) = (Content::Record(record), Some(reading));
    Logged { message: NewMessage { received, own: false, late, name: None, content, reading }, delivery: None }
}

/// The numbers of the messages of which some lines are. All there is of them is less than a history takes.
fn numbers(lines: &[Line]) -> Vec<u64> {
    let bytes: usize = lines.iter().map(|line| line.raw.len() + 2).sum();
    assert!(bytes < HISTORY_BYTES + 4_096, "{bytes}");
    lines.iter().filter_map(|line| line.text().split_once("number ")?.1.split(' ').next()?.parse().ok()).collect()
}

async fn with_long_ones(count: u64) -> Gateway {
    let node = Gateway::start(&[]).await;
    node.handle().import((0..count).map(|number| long(number, false)).collect()).await.unwrap();
    let unread = async || {
        let all = node.handle().conversations().await.unwrap();
        all.iter().any(|it| it.name == "#a" && it.unread == count).then_some(())
    };
    wait_for("what is unread", unread).await;
    node
}

#[tokio::test]
async fn who_pages_through_long_messages_gets_all_of_them_and_little_at_once() {
    const ALL: u64 = 150;
    let node = with_long_ones(ALL).await;
    let mut client = node.client("asks", HISTORY).await;
    let id = |number: u64| format!("msgid={:016x}{number:016x}", 1);
    let latest = numbers(&client.ask("CHATHISTORY LATEST #a * 200").await);
    let count = u64::try_from(latest.len()).unwrap();
    assert!(count > 50 && latest == (ALL - count..ALL).collect::<Vec<_>>(), "the newest: {latest:?}");

    let mut back = latest;
    while back[0] > 0 {
        let before = numbers(&client.ask(&format!("CHATHISTORY BEFORE #a {} 200", id(back[0]))).await);
        assert!(!before.is_empty());
        back.splice(0..0, before);
    }
    assert_eq!(back, (0..ALL).collect::<Vec<_>>());

    let mut forth = vec![0];
    while *forth.last().unwrap() < ALL - 1 {
        let after = client.ask(&format!("CHATHISTORY AFTER #a {} 200", id(*forth.last().unwrap()))).await;
        let after = numbers(&after);
        assert!(!after.is_empty());
        forth.extend(after);
    }
    assert_eq!(forth, (0..ALL).collect::<Vec<_>>());

    let around = numbers(&client.ask(&format!("CHATHISTORY AROUND #a {} 200", id(75))).await);
    let (first, last) = (around[0], *around.last().unwrap());
    assert_eq!(around, (first..=last).collect::<Vec<_>>(), "nothing is missing between");
    assert!(first < 60 && last > 90, "some on both sides: {first} to {last}");
    node.stop().await;
}

#[tokio::test]
async fn of_long_messages_that_are_unread_the_newest_are_played_back_and_the_rest_is_told_of() {
    const ALL: u64 = 100;
    let node = with_long_ones(ALL).await;
    let mut other = node.plain("other").await;
    for (nick, caps) in [("times", "server-time"), ("batches", "server-time batch")] {
        let mut client = node.client(nick, caps).await;
        client.send("AWAY :later").await;
        let joined = client.ask("JOIN #a").await;
        let played = numbers(&joined);
        let count = u64::try_from(played.len()).unwrap();
        assert!((50..ALL).contains(&count) && played == (ALL - count..ALL).collect::<Vec<_>>(), "{played:?}");
        let told = format!("#a has {ALL} unread messages, and long ones: the last {count} follow.");
        assert_eq!(joined.iter().filter(|line| line.text().starts_with(&told)).count(), 1, "{told}");
    }
    assert!(other.sync().await.is_empty(), "it is there, and nothing was for it");
    node.stop().await;
}

#[tokio::test]
async fn of_long_messages_that_come_late_the_newest_are_shown_and_the_rest_is_told_of() {
    const ALL: u64 = 150;
    let node = Gateway::start(&[]).await;
    let (mut plain, mut asks) = (node.plain("plain").await, node.client("asks", HISTORY).await);
    plain.ask("JOIN #a").await;
    asks.ask("JOIN #a").await;
    node.handle().import((0..ALL).map(|number| long(number, true)).collect()).await.unwrap();
    let heard = plain.until("the end", |line| line.text() == "that was said before").await;
    let batch = asks.until("the end", |line| line.is("BATCH") && line.param(0).starts_with('-')).await;
    for lines in [heard, batch] {
        let shown = numbers(&lines);
        let count = u64::try_from(shown.len()).unwrap();
        assert!((50..ALL).contains(&count) && shown == (ALL - count..ALL).collect::<Vec<_>>(), "{shown:?}");
        let notices = lines.iter().filter(|line| line.source == irc_common::SERVER && line.tag("batch").is_none());
        let notices: Vec<Line> = notices.filter(|line| line.text().contains("came late")).cloned().collect();
        let told = the(&notices, "NOTICE");
        assert!(told.text().starts_with(&format!("#a: {} messages that came late", ALL - count)), "{told:?}");
    }
    node.stop().await;
}
