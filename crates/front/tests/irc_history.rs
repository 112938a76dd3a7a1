//! What was said before is played back on joining, given when it is asked for, and read in one place by all clients of a node.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs, reason = "a test may fail loudly")]

mod irc_common;

use irc_common::{Client, Gateway, Line, of, talk, the, wait_for};
use nightjar_core::name::TypedName;
use nightjar_core::record::Record;
use nightjar_core::time::Wall;
use nightjar_envelope::key::{ChatKey, ChatSecret};
use nightjar_envelope::map::{Content, Kind};
use nightjar_front::irc::ask::HISTORY_MAX;
use nightjar_node::chain::standing::Standing;
use nightjar_node::handle::{ListenTo, ListenWish};
use nightjar_node::message::{CODING_RAW, Content as MessageContent, Logged, NewMessage, Reading, Said};
use nightjar_node::post::{Addressee, Letter, SpeakAs};
use nightjar_node::store::Relation;

/// All that a client with history has.
const FULL: &str = "batch draft/chathistory draft/read-marker echo-message message-tags server-time standard-replies";
/// One that knows batches, and cannot ask.
const BATCHES: &str = "batch message-tags server-time";
/// Times before and after all that is said.
const LONG_AGO: &str = "timestamp=2020-01-01T00:00:00.000Z";
const FAR: &str = "timestamp=2262-01-01T00:00:00.000Z";

impl Gateway {
    async fn listen(&self, name: &str) {
        let to = ListenTo::Name(typed(name));
        self.handle().listen(ListenWish { to, lease_s: None, lease: None }).await.unwrap();
    }

    /// What is said from now on has another time.
    async fn next_moment(&self) {
        let post = self.handle().post();
        let now = post.now();
        wait_for("the next moment", async || (post.now() > now).then_some(())).await;
    }

    async fn unread(&self, conversation: &str) -> u64 {
        let all = self.handle().conversations().await.unwrap();
        all.iter().find(|it| it.name == conversation).map_or(0, |it| it.unread)
    }

    async fn has_unread(&self, conversation: &str, count: u64) {
        wait_for("what is unread", async || (self.unread(conversation).await == count).then_some(())).await;
    }

    /// A client with all that it is greeted with.
    async fn greets(&self, nick: &str, caps: &str) -> (Client, Vec<Line>) {
        let mut client = Client::connect(self.address).await;
        let greeting = client.register(nick, caps).await;
        (client, greeting)
    }
}

impl Client {
    /// Asks for history: all that is in the one batch of the answer, which has this target.
    async fn history(&mut self, line: &str, target: &str) -> Vec<Line> {
        let lines = self.ask(line).await;
        // What is news may come between.
        let begin = lines.iter().position(|line| line.is("BATCH"));
        let inside = &lines[begin.unwrap_or_else(|| panic!("{lines:#?}"))..];
        let begin = &inside[0];
        assert_eq!(begin.params[1..], ["chathistory", target]);
        let name = begin.param(0).strip_prefix('+').unwrap();
        let end = inside.iter().position(|line| line.params == [format!("-{name}")]).unwrap();
        let inside = &inside[1..end];
        assert!(inside.iter().all(|line| line.tag("batch") == Some(name)), "{lines:#?}");
        inside.to_vec()
    }

    async fn texts(&mut self, line: &str, target: &str) -> Vec<String> {
        self.history(line, target).await.iter().map(|line| line.param(1).to_owned()).collect()
    }
}

fn typed(name: &str) -> TypedName {
    name.parse().unwrap()
}

/// What is said in some lines, by whomever.
fn texts(lines: &[Line]) -> Vec<String> {
    talk(lines).into_iter().map(|(_, text)| text).collect()
}

fn times(lines: &[Line]) -> Vec<String> {
    lines.iter().map(|line| line.tag("time").unwrap().to_owned()).collect()
}

/// The lines as they came.
fn raw(lines: &[Line]) -> Vec<&str> {
    lines.iter().map(|line| line.raw.as_str()).collect()
}

/// Two nodes that are linked, with an identity each, who know each other, and listen to a channel.
async fn two() -> [Gateway; 2] {
    let [alice, bob] = [Gateway::start(&[]).await, Gateway::start(&[]).await];
    for node in [&alice, &bob] {
        for name in ["alice", "bob", "#a"] {
            node.listen(name).await;
        }
    }
    alice.handle().add_peer(bob.tls()).await.unwrap();
    alice.linked(1).await;
    bob.linked(1).await;
    alice.identity("alice").await;
    bob.identity("bob").await;
    alice.knows("bob").await;
    bob.knows("alice").await;
    [alice, bob]
}

#[tokio::test]
async fn what_is_unread_is_played_back_once_to_those_who_cannot_ask() {
    let [alice, bob] = two().await;
    for text in ["one", "two", "three"] {
        bob.say("#a", text).await;
    }
    alice.has_unread("#a", 3).await;

    // Whose user is away reads nothing.
    let mut away = alice.client("away", "batch draft/chathistory").await;
    away.send("AWAY :later").await;
    let joined = away.ask("JOIN #a").await;
    assert!(of(&joined, "PRIVMSG").is_empty() && of(&joined, "BATCH").is_empty(), "it asks itself: {joined:?}");
    assert!(the(&joined, "353").text().contains("bob"), "he was heard: {joined:?}");
    assert!(of(&joined, "JOIN").iter().all(|line| line.nick() != "bob"), "{joined:?}");
    away.send("QUIT").await;

    let mut plain = alice.plain("plain").await;
    plain.send("AWAY :later").await;
    let joined = plain.ask("JOIN #a").await;
    let said = texts(&joined);
    assert!(
        said.len() == 3 && said.iter().all(|text| text.starts_with("[20")) && said[2].ends_with("] three"),
        "{joined:?}"
    );
    plain.send("QUIT").await;
    assert_eq!(alice.unread("#a").await, 3);

    let mut batches = alice.client("batches", BATCHES).await;
    let joined = batches.ask("JOIN #a").await;
    let end = joined.iter().position(|line| line.is("366")).unwrap();
    let [begin, .., last] = &joined[end + 1..] else { panic!("{joined:?}") };
    assert!(begin.raw.contains("BATCH +b1 chathistory #a") && last.raw.contains("BATCH -b1"), "{joined:?}");
    assert_eq!(texts(&joined), ["one", "two", "three"]);
    for line in of(&joined, "PRIVMSG") {
        let [batch, msgid, time] = ["batch", "msgid", "time"].map(|key| line.tag(key).unwrap());
        assert!(batch == "b1" && msgid.len() == 32 && time.starts_with("20"), "{line:?}");
        assert_eq!((line.nick(), line.param(0)), ("bob", "#a"));
    }
    alice.has_unread("#a", 0).await;
    batches.send("PART #a").await;
    assert_eq!(texts(&batches.ask("JOIN #a").await), [""; 0], "nothing is told twice");
    bob.say("#a", "four").await;
    assert_eq!(batches.hears("four").await.tag("batch"), None, "it is news");
    alice.stop().await;
    bob.stop().await;
}

#[tokio::test]
async fn of_much_that_is_unread_the_newest_is_played_back_and_the_rest_is_told_of() {
    let [alice, bob] = two().await;
    for number in 0..105 {
        bob.say("#a", &format!("line {number}")).await;
    }
    alice.has_unread("#a", 105).await;
    let mut client = alice.client("alice", BATCHES).await;
    let joined = client.ask("JOIN #a").await;
    let said = texts(&joined);
    assert_eq!((said.len(), said[0].as_str(), said[99].as_str()), (100, "line 5", "line 104"));
    let notices = of(&joined, "NOTICE");
    assert!(notices.iter().any(|line| line.text().contains("#a has more than 100 unread")), "{joined:?}");
    alice.has_unread("#a", 0).await;
    alice.stop().await;
    bob.stop().await;
}

#[tokio::test]
async fn every_part_of_a_conversation_is_given_by_both_kinds_of_references() {
    let node = Gateway::start(&[]).await;
    let mut client = node.client("raven", FULL).await;
    client.ask("JOIN #Many").await;
    let mut all = Vec::new();
    for number in 0..10 {
        let lines = client.ask(&format!("PRIVMSG #Many :line {number}")).await;
        let said = the(&lines, "PRIVMSG");
        assert_eq!(said.param(0), "#Many");
        all.push(said.clone());
        node.next_moment().await;
    }
    let id = |at: usize| format!("msgid={}", all[at].tag("msgid").unwrap());
    let said_at = times(&all);
    let time = |at: usize| format!("timestamp={}", said_at[at]);
    let plain = |line: &Line| {
        let [msgid, time] = ["msgid", "time"].map(|key| line.tag(key).unwrap().to_owned());
        (line.source.clone(), msgid, time, line.params.clone())
    };
    let whole: Vec<_> = all.iter().map(plain).collect();
    for (ask, wanted) in [
        ("LATEST #Many * 20".to_owned(), 0..10),
        ("LATEST #Many * 5".to_owned(), 5..10),
        (format!("LATEST #Many {} 20", id(4)), 5..10),
        (format!("LATEST #Many {} 2", time(4)), 8..10),
        (format!("BEFORE #Many {} 20", id(6)), 0..6),
        (format!("BEFORE #Many {} 2", time(6)), 4..6),
        (format!("AFTER #Many {} 20", id(3)), 4..10),
        (format!("AFTER #Many {} 3", time(3)), 4..7),
        (format!("BETWEEN #Many {} {} 20", id(0), id(9)), 1..9),
        (format!("BETWEEN #Many {} {} 20", id(9), id(0)), 1..9),
        (format!("BETWEEN #Many {} {} 3", time(0), time(9)), 1..4),
        (format!("BETWEEN #Many {} {} 3", time(9), id(0)), 6..9),
        (format!("BETWEEN #Many {} {} 3", id(4), time(4)), 0..0),
        (format!("AROUND #Many {} 1", id(7)), 7..8),
        (format!("AROUND #Many {} 3", id(7)), 6..9),
        (format!("AROUND #Many {} 3", time(7)), 6..9),
        (format!("AROUND #Many {} 6", id(9)), 4..10),
        (format!("AROUND #Many {} 6", id(0)), 0..6),
        (format!("AFTER #Many {FAR} 5"), 0..0),
    ] {
        let given = client.history(&format!("CHATHISTORY {ask}"), "#Many").await;
        assert_eq!(given.iter().map(plain).collect::<Vec<_>>(), whole[wanted], "{ask}");
    }
    let targets = client.ask(&format!("CHATHISTORY TARGETS {LONG_AGO} {FAR} 10")).await;
    assert!(targets[0].text() == "draft/chathistory-targets" && targets.len() == 3, "{targets:?}");
    assert_eq!(targets[1].params, ["TARGETS", "#Many", &said_at[9]]);
    let targets = client.ask(&format!("CHATHISTORY TARGETS {LONG_AGO} {} 10", time(9))).await;
    assert_eq!(targets.len(), 2, "its last message is not before that: {targets:?}");

    // Another client of the node sees what was said there, joined or not.
    let mut other = node.client("other", FULL).await;
    assert_eq!(other.texts("CHATHISTORY LATEST #MANY * 1", "#MANY").await, ["line 9"]);
    node.stop().await;
}

#[tokio::test]
async fn what_cannot_be_asked_is_refused_with_the_words_of_the_standard() {
    let node = Gateway::start(&[]).await;
    let mut client = node.client("raven", "batch draft/chathistory draft/read-marker").await;
    client.ask("JOIN #a").await;
    for (ask, wanted) in [
        ("CHATHISTORY", "CHATHISTORY NEED_MORE_PARAMS"),
        ("CHATHISTORY LATEST #a", "CHATHISTORY NEED_MORE_PARAMS LATEST"),
        ("CHATHISTORY OLDEST #a * 5", "CHATHISTORY UNKNOWN_COMMAND OLDEST"),
        ("CHATHISTORY LATEST #a * none", "CHATHISTORY INVALID_PARAMS LATEST none"),
        ("CHATHISTORY LATEST #nowhere * 5", "CHATHISTORY INVALID_TARGET LATEST #nowhere"),
        ("CHATHISTORY LATEST * * 5", "CHATHISTORY INVALID_TARGET LATEST *"),
        ("CHATHISTORY BEFORE #a seq=1 5", "CHATHISTORY INVALID_MSGREFTYPE BEFORE #a"),
        ("CHATHISTORY BEFORE #a msgid=local1x2 5", "CHATHISTORY MESSAGE_ERROR BEFORE #a local1x2"),
        ("CHATHISTORY BEFORE #a msgid=0001020304050607 5", "CHATHISTORY MESSAGE_ERROR BEFORE #a 0001020304050607"),
        ("MARKREAD", "MARKREAD NEED_MORE_PARAMS"),
        ("MARKREAD #a *", "MARKREAD INVALID_PARAMS #a *"),
        ("MARKREAD #a timestamp=now", "MARKREAD INVALID_PARAMS #a timestamp=now"),
        ("MARKREAD *", "MARKREAD INVALID_PARAMS *"),
    ] {
        let lines = client.ask(ask).await;
        let [line] = lines.as_slice() else { panic!("{ask}: {lines:?}") };
        assert!(line.raw.starts_with(&format!(":nightjar.irc FAIL {wanted} :")), "{ask}: {line:?}");
    }
    assert_eq!(client.history(&format!("CHATHISTORY LATEST #a * {}", HISTORY_MAX + 1), "#a").await, []);
    assert_eq!(client.history("CHATHISTORY LATEST stranger * 5", "stranger").await, [], "he may be somebody");
    assert_eq!(raw(&client.ask("MARKREAD #nowhere").await), [":nightjar.irc MARKREAD #nowhere *"]);

    let mut plain = node.client("plain", "batch").await;
    for command in ["CHATHISTORY", "MARKREAD"] {
        let lines = plain.ask(&format!("{command} LATEST #a * 5")).await;
        assert!(lines.len() == 1 && lines[0].is("421") && lines[0].params[..2] == ["plain", command], "{lines:?}");
    }
    node.stop().await;
}

#[tokio::test]
async fn how_far_was_read_is_the_same_for_all_clients_and_the_node() {
    let [alice, bob] = two().await;
    let mut first = alice.client("first", FULL).await;
    let mut second = alice.client("second", FULL).await;
    let joined = first.ask("JOIN #a").await;
    let marker = joined.iter().position(|line| line.raw == ":nightjar.irc MARKREAD #a *").expect("nothing was read");
    assert!(marker < joined.iter().position(|line| line.is("366")).unwrap());
    second.ask("JOIN #a").await;
    for text in ["one", "two", "three"] {
        bob.say("#a", text).await;
        bob.next_moment().await;
    }
    alice.has_unread("#a", 3).await;
    // The news are heard before the history is asked for, so that they are not among what is answered.
    first.hears("three").await;
    second.hears("three").await;
    let times = times(&first.history("CHATHISTORY LATEST #a * 5", "#a").await);
    let marked = |time: &str| format!(":nightjar.irc MARKREAD #a timestamp={time}");
    assert_eq!(raw(&first.ask(&format!("MARKREAD #a timestamp={}", times[1])).await), [marked(&times[1])]);
    assert_eq!(alice.unread("#a").await, 1);
    assert_eq!(raw(&second.sync().await), [marked(&times[1])], "the other is told");
    assert_eq!(
        raw(&second.ask(&format!("MARKREAD #a timestamp={}", times[0])).await),
        [marked(&times[1])],
        "never back"
    );
    assert_eq!(raw(&first.sync().await), [""; 0], "nothing is new");
    assert_eq!(raw(&first.ask("MARKREAD #a").await), [marked(&times[1])]);
    // Another front end.
    let last = alice.handle().conversations().await.unwrap().into_iter().find(|it| it.name == "#a").unwrap().last_seq;
    alice.handle().mark_read("#a".to_owned(), last).await.unwrap();
    assert_eq!(raw(&first.ask("MARKREAD #A").await), [marked(&times[2]).replace("#a", "#A")]);
    // What is still to come cannot have been read.
    let lines = first.ask(&format!("MARKREAD #a {FAR}")).await;
    assert!(lines.len() == 1 && !lines[0].raw.contains("2262"), "{lines:?}");
    assert_eq!(raw(&first.ask("MARKREAD bob").await), [":nightjar.irc MARKREAD bob *"]);
    alice.stop().await;
    bob.stop().await;
}

#[tokio::test]
async fn what_persons_wrote_is_played_back_and_asked_for_by_their_nicks_also_after_a_restart() {
    let [alice, bob] = two().await;
    let key = alice.knows("bob").await;
    let direct = format!("@{key}");
    bob.say("alice", "are you there?").await;
    wait_for("his request", async || alice.handle().post().requests().pop()).await;
    alice.has_unread(&direct, 1).await;
    let (mut early, greeting) = alice.greets("early", BATCHES).await;
    assert_eq!(texts(&greeting), [""; 0], "a stranger's request is not shown");
    let mut asks = alice.client("asks", FULL).await;
    assert_eq!(asks.history("CHATHISTORY LATEST bob * 5", "bob").await, []);
    alice.handle().post().decide(key, Relation::Contact).await.unwrap();
    assert_eq!(asks.texts("CHATHISTORY LATEST BOB * 5", "BOB").await, ["are you there?"]);
    early.send("QUIT").await;

    let (plain, greeting) = alice.greets("plain", BATCHES).await;
    let [begin, _] = of(&greeting, "BATCH")[..] else { panic!("{greeting:#?}") };
    assert_eq!(begin.params[1..], ["chathistory", "bob"]);
    assert_eq!(talk(&greeting), [("bob".to_owned(), "are you there?".to_owned())]);
    alice.has_unread(&direct, 0).await;

    let mut full = alice.client("full", FULL).await;
    let sent = full.ask("PRIVMSG bob :yes, I am").await;
    let nick = the(&sent, "PRIVMSG").nick().to_owned();
    let both = full.history("CHATHISTORY LATEST bob * 5", "bob").await;
    let parts = |line: &Line| (line.nick().to_owned(), line.params[0].clone(), line.params[1].clone());
    let wanted = |me: &str| {
        let line = |from: &str, to: &str, text: &str| (from.to_owned(), to.to_owned(), text.to_owned());
        [line("bob", me, "are you there?"), line(me, "bob", "yes, I am")]
    };
    assert_eq!(both.iter().map(parts).collect::<Vec<_>>(), wanted(&nick));
    let targets = full.ask(&format!("CHATHISTORY TARGETS {LONG_AGO} {FAR} 9")).await;
    assert!(targets.iter().any(|line| line.params[..2] == ["TARGETS", "bob"]), "{targets:?}");
    let said_at = times(&both);
    drop((asks, plain, full));
    let left = alice.stop().await;

    let alice = Gateway::start_in(left, &[], |_| {}).await;
    let (mut again, greeting) = alice.greets("again", FULL).await;
    let nick = the(&greeting, "001").param(0);
    let after = again.history(&format!("CHATHISTORY BEFORE bob timestamp={} 5", said_at[1]), "bob").await;
    assert_eq!(after.iter().map(parts).collect::<Vec<_>>(), wanted(nick)[..1]);
    let both = again.history("CHATHISTORY LATEST bob * 5", "bob").await;
    assert_eq!(both.iter().map(parts).collect::<Vec<_>>(), wanted(nick));
    assert_eq!(times(&both), said_at);
    alice.stop().await;
    bob.stop().await;
}

#[tokio::test]
async fn another_identitys_letters_are_not_shown() {
    let [alice, bob] = two().await;
    alice.identity("carol").await;
    let key = alice.knows("bob").await;
    bob.say("alice", "for alice alone").await;
    alice.has_unread(&format!("@{key}"), 1).await;
    alice.handle().post().decide(key, Relation::Contact).await.unwrap();
    let mut client = Client::connect(alice.address).await;
    client.send(&format!("PASS carol:{}", alice.token)).await;
    client.register("carol", FULL).await;
    assert_eq!(client.history("CHATHISTORY LATEST bob * 5", "bob").await, []);
    let targets = client.ask(&format!("CHATHISTORY TARGETS {LONG_AGO} {FAR} 9")).await;
    assert_eq!(targets.len(), 2, "{targets:?}");
    alice.stop().await;
    bob.stop().await;
}

#[tokio::test]
async fn what_is_answered_is_named_by_its_whole_id_and_a_sign_is_told_in_words() {
    let [alice, bob] = two().await;
    let id = bob.say("#a", "a question").await.id.to_string();
    alice.has_unread("#a", 1).await;
    let short: Vec<u8> = (0..16).step_by(2).map(|at| u8::from_str_radix(&id[at..at + 2], 16).unwrap()).collect();
    let sign = Letter {
        kind: Kind::Reaction,
        content: Some(Content::Text("👍".into())),
        reply_to: Some(short.try_into().unwrap()),
        speaker: SpeakAs::Usual,
        ..Letter::text(Addressee::Name(typed("#a")), "")
    };
    bob.send(sign).await;
    alice.has_unread("#a", 2).await;
    let mut client = alice.client("alice", FULL).await;
    let all = client.history("CHATHISTORY LATEST #a * 5", "#a").await;
    assert_eq!((all.len(), all[1].command.as_str(), all[1].tag("+draft/reply")), (2, "PRIVMSG", Some(id.as_str())));
    assert_eq!(all[1].params[1], "\u{1}ACTION reacts with 👍\u{1}");
    alice.stop().await;
    bob.stop().await;
}

/// Somebody's message as another log gives it away, said so many milliseconds ago.
fn logged(
    node: &Gateway,
    conversation: &str,
    author: u64,
    number: u64,
    ago_ms: u64,
    own_key: Option<ChatKey>,
) -> Logged {
    let mut seed = [0; 32];
    seed[..8].copy_from_slice(&author.to_le_bytes());
    let received = Wall(node.handle().post().now().0 - ago_ms);
    let expiry = u32::try_from(received.0 / 1000).unwrap() + 60;
    let (nonce, body) = ((author << 32 | number).to_le_bytes(), format!("said {number}"));
    let record = Record::dated(typed("#any").targets()[0], body.as_bytes(), expiry, CODING_RAW, nonce).unwrap();
    let reading = Reading {
        conversation: conversation.to_owned(),
        id: Some(format!("{author:016x}{number:016x}").parse().unwrap()),
        author: Some(ChatSecret::from_seed(&seed.into()).public()),
        own_key,
        said: Said::Raw,
        standing: Standing::Claimed,
        request: false,
        mention: false,
    };
    let (content, reading) = (MessageContent::Record(record), Some(reading));
    let message = NewMessage { received, own: false, late: false, name: None, content, reading };
    Logged { message, delivery: None }
}

/// The same of a stranger who asks to talk: for nobody's eyes.
fn unseen(logged: Logged) -> Logged {
    let reading = logged.message.reading.map(|reading| Reading { request: true, ..reading });
    Logged { message: NewMessage { reading, ..logged.message }, ..logged }
}

#[tokio::test]
async fn the_last_conversations_with_people_are_played_back_and_of_each_the_newest() {
    let node = Gateway::start(&[]).await;
    let me = node.identity("alice").await;
    let with = |author: u64| {
        let mut seed = [0; 32];
        seed[..8].copy_from_slice(&author.to_le_bytes());
        format!("@{}", ChatSecret::from_seed(&seed.into()).public())
    };
    let mut all: Vec<Logged> =
        (1..=21).map(|author| logged(&node, &with(author), author, 1, 100_000 - author, Some(me))).collect();
    all.extend((2..=51).map(|number| logged(&node, &with(21), 21, number, 50_000 - number, Some(me))));
    // Strangers take nobody's place.
    all.extend((100..130).map(|author| unseen(logged(&node, &with(author), author, 1, 10, Some(me)))));
    node.handle().import(all).await.unwrap();
    node.has_unread(&with(21), 51).await;
    let (_client, lines) = node.greets("alice", BATCHES).await;
    let batches: Vec<&Line> = of(&lines, "BATCH").into_iter().filter(|line| line.params.len() == 3).collect();
    assert_eq!(batches.len(), 20, "{lines:?}");
    let last = format!("key~{}", &with(21)[1..13]);
    assert_eq!((&batches[0].params[2][..16], &batches[19].params[2]), (&*format!("key~{}", &with(2)[1..13]), &last));
    let said = texts(&lines);
    assert_eq!((said.len(), said[19].as_str(), said[68].as_str()), (19 + 50, "said 2", "said 51"));
    for notice in ["unread messages in 21 conversations: 20 follow", &format!("{last} has more than 50 unread")] {
        assert!(lines.iter().any(|line| line.is("NOTICE") && line.text().contains(notice)), "{notice}: {lines:?}");
    }
    node.stop().await;
}

#[tokio::test]
async fn those_who_spoke_last_in_half_an_hour_are_listed_from_the_start() {
    let node = Gateway::start(&[]).await;
    let mut all: Vec<Logged> = (0..301).map(|author| logged(&node, "#a", author, 1, 60_000 - author, None)).collect();
    all.push(logged(&node, "#a", 1_000, 1, 31 * 60_000, None));
    node.handle().import(all).await.unwrap();
    let mut client = node.client("raven", FULL).await;
    let joined = client.ask("JOIN #a").await;
    let names: Vec<&str> = of(&joined, "353").iter().flat_map(|line| line.param(3).split(' ')).collect();
    assert_eq!(names.len(), 1 + 300);
    assert_eq!(of(&joined, "JOIN").len(), 1, "nobody joins");
    node.stop().await;
}

#[tokio::test]
async fn work_for_one_question_is_bounded_whatever_lies_in_the_log() {
    let node = Gateway::start(&[]).await;
    let mut all = Vec::new();
    for (channel, hidden) in [("#few", 31), ("#more", 32), ("#many", 799), ("#most", 800)] {
        all.push(logged(&node, channel, 1, hidden, 100_000, None));
        all.extend(
            (0..hidden).map(|number| unseen(logged(&node, channel, 2, hidden << 16 | number, 50_000 - number, None))),
        );
    }
    node.handle().import(all).await.unwrap();
    let mut client = node.client("raven", FULL).await;
    for (channel, found) in [("#few", 1), ("#many", 1), ("#most", 0)] {
        let given = client.history(&format!("CHATHISTORY LATEST {channel} * 5"), channel).await;
        assert_eq!(given.len(), found, "{channel}");
    }
    let targets = |lines: Vec<Line>| -> Vec<String> {
        of(&lines, "CHATHISTORY").iter().map(|line| line.params[1].clone()).collect()
    };
    let all = targets(client.ask(&format!("CHATHISTORY TARGETS {LONG_AGO} {FAR} 10")).await);
    assert_eq!(all, ["#few"], "of the others the last are for nobody's eyes");

    // So many conversations that only one more is looked into.
    let hidden = (0..399).map(|number| unseen(logged(&node, &format!("#h{number}"), 3, number, 40_000 - number, None)));
    let seen = [logged(&node, "#seen", 4, 1, 30, None), logged(&node, "#seen2", 4, 2, 20, None)];
    node.handle().import(hidden.chain(seen).collect()).await.unwrap();
    let forward = targets(client.ask(&format!("CHATHISTORY TARGETS {LONG_AGO} {FAR} 10")).await);
    assert_eq!(forward, ["#few"]);
    let backward = targets(client.ask(&format!("CHATHISTORY TARGETS {FAR} {LONG_AGO} 1")).await);
    assert_eq!(backward, ["#seen2"], "counted from the first");
    let backward = targets(client.ask(&format!("CHATHISTORY TARGETS {FAR} {LONG_AGO} 2")).await);
    assert_eq!(backward, ["#seen", "#seen2"], "in the order of their times");
    node.stop().await;
}
