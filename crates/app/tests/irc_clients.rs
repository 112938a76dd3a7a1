//! People at real IRC clients, each at a node of his own, and a third node between these: what one types, the other reads.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs, reason = "a test may fail loudly")]
#![cfg(unix)]

mod common;

use std::time::{SystemTime, UNIX_EPOCH};

use common::irc_client::{Client, installed};
use common::{Node, ends, until};
use serde_json::{Value, json};
use tempfile::TempDir;

const CHANNEL: &str = "#pascalcoin";

/// Raven at irssi, magpie at WeeChat, and nothing but a node between their nodes.
struct Stage {
    raven: Client,
    magpie: Client,
    ravens: Node,
    middle: Node,
    magpies: Node,
    dirs: [TempDir; 5],
}

impl Stage {
    /// Both are in the channel, and look at it. `None` where a program is missing.
    fn set(test: &str) -> Option<Self> {
        if !installed(test, &["irssi", "weechat"]) {
            return None;
        }
        let dirs: [_; 5] = std::array::from_fn(|_| tempfile::tempdir().unwrap());
        let middle = Node::start(dirs[2].path(), &[]);
        let end = |dir: &TempDir, nick: &str| {
            let node = Node::start(dir.path(), &["--connect", &middle.listen()]);
            node.does(&["identity", "new", nick]);
            node.until_linked(1);
            node
        };
        let (ravens, magpies) = (end(&dirs[1], "raven"), end(&dirs[3], "magpie"));
        middle.until_linked(2);
        // What a client asks to be called is not what counts: an identity has its nick.
        let raven = Client::irssi(dirs[0].path(), &ravens.irc(), "somebody");
        let magpie = Client::weechat(dirs[4].path(), &magpies.irc(), "somebody");
        for client in [&raven, &magpie] {
            client.join(CHANNEL);
        }
        Some(Self { raven, magpie, ravens, middle, magpies, dirs })
    }

    fn raven_says(&self, text: &str) {
        self.raven.type_line(text);
        self.magpie.until_said("raven", text);
    }

    fn magpie_says(&self, text: &str) {
        self.magpie.type_line(text);
        self.raven.until_said("magpie", text);
    }
}

fn texts(messages: &[Value]) -> Vec<&str> {
    messages.iter().map(|message| message["text"].as_str().unwrap()).collect()
}

/// The hour at which something is shown that a node has in its log, with its seconds, in UTC.
fn hour_of(node: &Node, text: &str) -> String {
    let message = node.messages().into_iter().find(|message| message["text"] == text).unwrap();
    let second = message["shown"].as_u64().unwrap() / 1000 % 86_400;
    format!("{:02}:{:02}:{:02}", second / 3600, second / 60 % 60, second % 60)
}

/// Waits until the clock shows another second than when the last of these was said.
fn until_it_is_past(node: &Node) {
    let said = node.messages().last().unwrap()["shown"].as_u64().unwrap() / 1000;
    until("it is past", || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() > said);
}

/// Waits until it is written down that nothing is unread.
fn until_all_is_read(node: &Node) {
    until("all is read", || {
        let conversations = node.http_call("conversations", &json!({}));
        conversations.as_array().unwrap().iter().all(|conversation| conversation["unread"] == 0)
    });
}

#[test]
fn two_people_talk_in_a_channel() {
    let Some(stage) = Stage::set("two_people_talk_in_a_channel") else { return };
    stage.raven_says("Grüße aus dem Nest 🪺");
    stage.magpie_says("你好, Γειά σου, привіт");
    stage.raven_says("עורב, नमस्ते \u{1f469}\u{200d}\u{1f680}");
    stage.magpie_says("#1 <b>50 %</b> \"x\\y\" {z};");
    stage.raven.type_line("/me preens 🪶");
    stage.magpie.until_acts("raven", "preens 🪶");
    stage.magpie.type_line("/me looks up");
    stage.raven.until_acts("magpie", "looks up");

    // Nothing came twice, and who was heard is listed.
    let at_raven = stage.raven.screen();
    assert_eq!(at_raven.matches("你好").count(), 1, "{at_raven}");
    let at_magpie = stage.magpie.screen();
    assert_eq!(at_magpie.matches("aus dem Nest").count(), 1, "{at_magpie}");
    stage.raven.type_line("/names");
    stage.raven.until_shows("[ magpie] [ raven]");
    assert!(stage.middle.messages().is_empty());

    // A new nick is the others' with the next thing that is said.
    stage.raven.type_line("/nick crow");
    stage.raven.until_shows("You're now known as crow");
    stage.raven.type_line("it is me");
    stage.magpie.until_shows("raven is now known as crow");
    stage.magpie.until_said("crow", "it is me");
}

#[test]
fn a_stranger_asks_before_he_is_read_and_all_that_two_write_each_other_is_sealed() {
    let test = "a_stranger_asks_before_he_is_read_and_all_that_two_write_each_other_is_sealed";
    let Some(stage) = Stage::set(test) else { return };
    // By what is said in the open each learns the other's key.
    stage.raven_says("anybody awake?");
    stage.magpie_says("I am");

    stage.raven.type_line("/msg magpie are you alone?");
    stage.raven.type_line("/msg magpie I have found something");
    stage.magpie.show_server();
    stage.magpie.until_shows("asks to talk to you");
    let said = stage.magpies.until_messages(4);
    assert_eq!(texts(&said)[2..], ["are you alone?", "I have found something"]);
    stage.magpie.type_line("/msg &nightjar accept raven");
    let told = stage.magpie.until_shows("is a contact now");
    assert_eq!(told.matches("asks to talk to you").count(), 1, "{told}");
    assert!(!told.contains("alone") && !told.contains("found"), "{told}");

    stage.magpie.until_shows("raven: what was said from");
    stage.magpie.show("raven");
    stage.magpie.until_said("raven", "are you alone?");
    stage.magpie.until_said("raven", "I have found something");
    stage.magpie.type_line("something that shines?");
    stage.raven.show("magpie");
    stage.raven.until_said("magpie", "something that shines?");
    stage.raven_says("it does");
    stage.raven.type_line("/me nods");
    stage.magpie.until_acts("raven", "nods");

    for node in [&stage.ravens, &stage.magpies] {
        let messages = node.until_messages(7);
        for message in &messages[2..] {
            assert_eq!((&message["sealed"], &message["state"]), (&"chatkey".into(), &"claimed".into()), "{message}");
        }
    }
}

#[test]
fn they_talk_on_when_the_node_between_them_has_ended_and_is_back() {
    let test = "they_talk_on_when_the_node_between_them_has_ended_and_is_back";
    let Some(mut stage) = Stage::set(test) else { return };
    stage.raven_says("before");
    stage.magpie_says("before that");
    let listen = stage.middle.listen();
    stage.middle.signal("TERM");
    assert!(ends(&mut stage.middle.child).success());
    stage.ravens.until_linked(0);
    stage.magpies.until_linked(0);

    stage.raven.type_line("does anybody hear me?");
    stage.raven.show_server();
    stage.raven.until_shows("what you say waits in the outbox");
    stage.middle = Node::start(stage.dirs[2].path(), &["--listen", &listen]);
    stage.middle.until_linked(2);
    stage.magpie.until_said("raven", "does anybody hear me?");
    stage.raven.show(CHANNEL);
    stage.magpie_says("I do");
    stage.raven_says("good");
    for client in [&stage.raven, &stage.magpie] {
        client.show_server();
        let screen = client.screen();
        // They were greeted once, for they never were away from their own nodes.
        assert_eq!(screen.matches("End of MOTD").count(), 1, "{screen}");
    }
}

#[test]
fn who_comes_back_reads_what_was_said_meanwhile_and_when() {
    let Some(mut stage) = Stage::set("who_comes_back_reads_what_was_said_meanwhile_and_when") else { return };
    stage.raven_says("good night");
    stage.magpie.quit();
    until_all_is_read(&stage.magpies);
    stage.raven.type_line("it dreamt me of silver");
    stage.raven.type_line("/me sighs");
    stage.magpies.until_messages(3);
    until_it_is_past(&stage.magpies);
    stage.magpie.come();
    stage.magpie.join(CHANNEL);
    stage.magpie.until_said("raven", "it dreamt me of silver");
    let screen = stage.magpie.until_acts("raven", "sighs");
    // Each with the time at which it was said; what was read is not said again.
    let line = screen.lines().find(|line| line.contains("it dreamt me of silver")).unwrap();
    assert!(line.starts_with(&hour_of(&stage.magpies, "it dreamt me of silver")), "{screen}");
    assert!(screen.contains("what was said from") && !screen.contains("good night"), "{screen}");

    // The other way round, to a client that was never here before.
    stage.raven.quit();
    stage.magpie.type_line("of silver?");
    stage.magpie.type_line("where?");
    stage.ravens.until_messages(5);
    stage.raven = Client::irssi(&stage.dirs[0].path().join("another"), &stage.ravens.irc(), "somebody");
    stage.raven.join(CHANNEL);
    stage.raven.until_said("magpie", "of silver?");
    let screen = stage.raven.until_said("magpie", "where?");
    let line = screen.lines().find(|line| line.contains("of silver?")).unwrap();
    assert!(line.starts_with(&hour_of(&stage.ravens, "of silver?")[..5]), "{screen}");
    assert!(!screen.contains("good night"), "{screen}");
    stage.raven_says("under the old oak");
    stage.magpie_says("I come");
}

#[test]
fn whoever_cannot_join_reads_why_though_his_client_has_words_of_its_own() {
    if !installed("whoever_cannot_join_reads_why_though_his_client_has_words_of_its_own", &["irssi", "weechat"]) {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let node = Node::start(&dir.path().join("node"), &[]);
    let clients = [
        Client::irssi(&dir.path().join("irssi"), &node.irc(), "raven"),
        Client::weechat(&dir.path().join("weechat"), &node.irc(), "magpie"),
    ];
    for client in &clients {
        client.type_line("/join #nest oak");
        let screen = client.until_shows("joinweak #nest");
        assert_eq!(screen.matches("joinweak #nest").count(), 1, "{screen}");
    }
}
