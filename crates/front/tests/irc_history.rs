//! What was said before is played back on joining, given when it is asked for, and read in one place by all clients of a node.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs, reason = "a test may fail loudly")]

use std::future::Future;
use std::net::SocketAddr;
use std::str::FromStr as _;
use std::time::Duration;

use nightjar_core::address::{Address, LinkKind};
use nightjar_core::chain::Network;
use nightjar_core::name::{Name, TypedName};
use nightjar_core::record::Record;
use nightjar_core::time::Wall;
use nightjar_envelope::key::{ChatKey, ChatSecret};
use nightjar_envelope::map::{Content, Kind};
use nightjar_front::irc::ask::HISTORY_MAX;
use nightjar_front::irc::{IrcConfig, serve};
use nightjar_node::chain::standing::Standing;
use nightjar_node::clock::Clock;
use nightjar_node::config::Checked;
use nightjar_node::data_dir::DataDir;
use nightjar_node::engine::Node;
use nightjar_node::handle::{Handle, ListenTo, ListenWish};
use nightjar_node::message::{CODING_RAW, Content as MessageContent, Logged, NewMessage, Reading, Said};
use nightjar_node::post::{Addressee, Known, Letter, SpeakAs, Who, Work};
use nightjar_node::store::{Relation, StoreLimits};
use nightjar_node::window::WindowLimits;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

/// No test waits so long unless something is broken.
const HANGS: Duration = Duration::from_secs(60);
/// All that a client with history has.
const FULL: &str = "batch draft/chathistory draft/read-marker echo-message message-tags server-time standard-replies";
/// One that knows batches, and cannot ask.
const BATCHES: &str = "batch message-tags server-time";

/// A node with its gateway.
struct TestNode {
    node: Node,
    data: DataDir,
    gateway: SocketAddr,
    token: String,
    stop: watch::Sender<()>,
    serving: JoinHandle<()>,
}

impl TestNode {
    async fn start(dir: &TempDir) -> Self {
        let data = DataDir::open(dir.path()).unwrap();
        let config = Checked {
            data_dir: dir.path().to_owned(),
            listen: "127.0.0.1:0".parse().unwrap(),
            http: "127.0.0.1:0".parse().unwrap(),
            irc: None,
            irc_name: "nightjar.irc".to_owned(),
            irc_presence: true,
            connect: Vec::new(),
            discovery: false,
            network: Network::Main,
            socks5: None,
            daemon: None,
            acknowledge: false,
            log: "off".to_owned(),
            ready_json: false,
            budgets: None,
            seen_bytes: 1 << 20,
            store: StoreLimits { messages_max: 10_000, bytes_max: 10 << 20 },
            log_days: None,
            window: Some(WindowLimits::default()),
        };
        let node = Node::start(&config, &data, Clock::system()).await.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let gateway = listener.local_addr().unwrap();
        let token = data.token().unwrap();
        let (stop, stopped) = watch::channel(());
        let config = IrcConfig {
            name: "nightjar.irc".to_owned(),
            presence: true,
            token: token.clone(),
            token_file: data.token_file(),
        };
        let serving = tokio::spawn(serve(node.handle().clone(), listener, config, stopped));
        Self { node, data, gateway, token, stop, serving }
    }

    fn handle(&self) -> &Handle {
        self.node.handle()
    }

    async fn listen(&self, name: &str) {
        let to = ListenTo::Name(typed(name));
        self.handle().listen(ListenWish { to, lease_s: None, lease: None }).await.unwrap();
    }

    async fn identity(&self, nick: &str) {
        let (post, nick) = (self.handle().post(), nick.to_owned());
        let now = post.now();
        post.identities().off_the_tasks(move |all| all.new_identity(Some(&nick), now)).await.unwrap();
        post.refresh_own();
    }

    /// Links two nodes.
    async fn link(&self, other: &Self) {
        let there = other.handle().about().listen;
        self.handle().add_peer(Address::new(LinkKind::Tls, there.ip(), there.port())).await.unwrap();
        for node in [self, other] {
            until("a link", async || !node.handle().status().connections.is_empty()).await;
        }
    }

    /// Waits until somebody is known here by a nick.
    async fn known(&self, nick: &str) -> Known {
        let who = Who::Name(Name::parse(nick).unwrap());
        until("a card", async || !self.handle().post().who_is(&who).is_empty()).await;
        self.handle().post().who_is(&who).remove(0)
    }

    async fn say(&self, to: &str, text: &str) -> String {
        self.send(Letter::text(Addressee::Name(typed(to)), text)).await
    }

    /// Gives the id.
    async fn send(&self, letter: Letter) -> String {
        self.handle().send(letter, Work::Never).await.unwrap().id.to_string()
    }

    /// What is said from now on has another time.
    async fn next_moment(&self) {
        let post = self.handle().post();
        let now = post.now();
        until("the next moment", async || post.now() > now).await;
    }

    async fn unread(&self, conversation: &str) -> u64 {
        let all = self.handle().conversations().await.unwrap();
        all.iter().find(|it| it.name == conversation).map_or(0, |it| it.unread)
    }

    async fn has_unread(&self, conversation: &str, count: u64) {
        until("what is unread", async || self.unread(conversation).await == count).await;
    }

    /// A client that heard its greeting.
    async fn client(&self, nick: &str, caps: &str) -> Client {
        let mut client = self.enter(nick, caps).await;
        client.lines().await;
        client
    }

    async fn enter(&self, nick: &str, caps: &str) -> Client {
        let stream = TcpStream::connect(self.gateway).await.unwrap();
        let (read, write) = stream.into_split();
        let mut client = Client { read: BufReader::new(read), write, pings: 0 };
        client.say(&format!("CAP REQ :{caps}")).await;
        client.say(&format!("PASS {}", self.token)).await;
        client.say(&format!("NICK {nick}")).await;
        client.say(&format!("USER {nick} 0 * :{nick}")).await;
        client.say("CAP END").await;
        client
    }

    async fn stop(self) {
        // The directory is held until the node has ended.
        let Self { node, data: _held, stop, serving, .. } = self;
        drop(stop);
        timeout(HANGS, serving).await.expect("the gateway ends").unwrap();
        timeout(HANGS, node.stop()).await.expect("the node ends");
    }
}

fn typed(name: &str) -> TypedName {
    TypedName::from_str(name).unwrap()
}

/// Waits until something is so.
async fn until<F: Future<Output = bool>>(what: &str, mut is_so: impl FnMut() -> F) {
    let wait = async {
        while !is_so().await {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(HANGS, wait).await.unwrap_or_else(|_| panic!("still to come: {what}"));
}

struct Client {
    read: BufReader<OwnedReadHalf>,
    write: OwnedWriteHalf,
    pings: u32,
}

impl Client {
    async fn say(&mut self, line: &str) {
        self.write.write_all(format!("{line}\r\n").as_bytes()).await.unwrap();
    }

    async fn line(&mut self) -> String {
        let mut line = String::new();
        timeout(HANGS, self.read.read_line(&mut line)).await.expect("a line comes").unwrap();
        assert!(!line.is_empty(), "the gateway ended the connection");
        line.trim_end().to_owned()
    }

    /// All lines up to the answer of a PING: what was said before that is answered.
    async fn lines(&mut self) -> Vec<String> {
        self.pings += 1;
        let token = format!("sync{}", self.pings);
        self.say(&format!("PING {token}")).await;
        let mut lines = Vec::new();
        loop {
            let line = self.line().await;
            if line.contains("PONG") && line.ends_with(&token) {
                return lines;
            }
            lines.push(line);
        }
    }

    /// Asks, and gives what is answered.
    async fn ask(&mut self, line: &str) -> Vec<String> {
        self.say(line).await;
        self.lines().await
    }

    /// Waits for a line in which this is.
    async fn until(&mut self, part: &str) -> String {
        loop {
            let line = self.line().await;
            if line.contains(part) {
                return line;
            }
        }
    }

    /// Asks for history: all that is in the one batch of the answer, which has this target.
    async fn history(&mut self, line: &str, target: &str) -> Vec<Shown> {
        let lines = self.ask(line).await;
        // What is news may come between.
        let begin = lines.iter().map(|line| shown(line)).position(|it| it.command == "BATCH");
        let inside = &lines[begin.unwrap_or_else(|| panic!("{lines:?}"))..];
        let begin = shown(&inside[0]);
        assert_eq!(begin.params[1..], ["chathistory", target]);
        let name = begin.params[0].strip_prefix('+').unwrap();
        let end = inside.iter().position(|line| shown(line).params == [format!("-{name}")]).unwrap();
        let inside: Vec<Shown> = inside[1..end].iter().map(|line| shown(line)).collect();
        assert!(inside.iter().all(|it| it.tag("batch") == name), "{lines:?}");
        inside
    }

    async fn texts(&mut self, line: &str, target: &str) -> Vec<String> {
        self.history(line, target).await.into_iter().map(|shown| shown.params[1].clone()).collect()
    }
}

/// A line of the gateway.
#[derive(Clone, Debug, PartialEq)]
struct Shown {
    tags: Vec<(String, String)>,
    from: String,
    command: String,
    params: Vec<String>,
}

impl Shown {
    fn tag(&self, key: &str) -> &str {
        self.tags.iter().find(|(name, _)| name == key).map_or("", |(_, value)| value)
    }

    fn nick(&self) -> &str {
        self.from.split('!').next().unwrap()
    }
}

fn shown(line: &str) -> Shown {
    let (tags, rest) = match line.strip_prefix('@') {
        Some(line) => line.split_once(' ').unwrap(),
        None => ("", line),
    };
    let tags = tags.split(';').filter_map(|tag| tag.split_once('=')).map(|(key, value)| (key.into(), value.into()));
    let (from, rest) = rest.strip_prefix(':').and_then(|rest| rest.split_once(' ')).unwrap_or(("", rest));
    let (middle, text) = rest.split_once(" :").map_or((rest, None), |(middle, text)| (middle, Some(text)));
    let mut words = middle.split(' ').map(str::to_owned);
    let command = words.next().unwrap();
    Shown {
        tags: tags.collect(),
        from: from.to_owned(),
        command,
        params: words.chain(text.map(str::to_owned)).collect(),
    }
}

fn texts(lines: &[String]) -> Vec<String> {
    let said = lines.iter().map(|line| shown(line)).filter(|it| it.command == "PRIVMSG");
    said.map(|it| it.params[1].clone()).collect()
}

/// Two nodes that are linked, with an identity each, who know each other, and listen to a channel.
async fn two(dirs: &[TempDir; 2]) -> [TestNode; 2] {
    let [alice, bob] = [TestNode::start(&dirs[0]).await, TestNode::start(&dirs[1]).await];
    for node in [&alice, &bob] {
        for name in ["alice", "bob", "#a"] {
            node.listen(name).await;
        }
    }
    alice.link(&bob).await;
    alice.identity("alice").await;
    bob.identity("bob").await;
    alice.known("bob").await;
    bob.known("alice").await;
    [alice, bob]
}

fn dirs() -> [TempDir; 2] {
    [TempDir::new().unwrap(), TempDir::new().unwrap()]
}

#[tokio::test]
async fn what_is_unread_is_played_back_once_to_those_who_cannot_ask() {
    let dirs = dirs();
    let [alice, bob] = two(&dirs).await;
    for text in ["one", "two", "three"] {
        bob.say("#a", text).await;
    }
    alice.has_unread("#a", 3).await;

    // Whose user is away reads nothing.
    let mut away = alice.client("away", "batch draft/chathistory").await;
    away.say("AWAY :later").await;
    let joined = away.ask("JOIN #a").await;
    assert!(
        !joined.iter().any(|line| line.contains("PRIVMSG") || line.contains("BATCH")),
        "it asks itself: {joined:?}"
    );
    assert!(joined.iter().any(|line| line.contains(" 353 ") && line.contains("bob")), "he was heard: {joined:?}");
    assert!(!joined.iter().any(|line| line.contains(":bob!") && line.contains("JOIN")), "{joined:?}");
    away.say("QUIT").await;

    let mut plain = alice.client("plain", "").await;
    plain.say("AWAY :later").await;
    let joined = plain.ask("JOIN #a").await;
    let said = texts(&joined);
    assert!(
        said.len() == 3 && said.iter().all(|text| text.starts_with("[20")) && said[2].ends_with("] three"),
        "{joined:?}"
    );
    plain.say("QUIT").await;
    assert_eq!(alice.unread("#a").await, 3);

    let mut batches = alice.client("batches", BATCHES).await;
    let joined = batches.ask("JOIN #a").await;
    let end = joined.iter().position(|line| line.contains(" 366 ")).unwrap();
    let [begin, .., last] = &joined[end + 1..] else { panic!("{joined:?}") };
    assert!(begin.contains("BATCH +b1 chathistory #a") && last.contains("BATCH -b1"), "{joined:?}");
    assert_eq!(texts(&joined), ["one", "two", "three"]);
    for line in joined.iter().map(|line| shown(line)).filter(|it| it.command == "PRIVMSG") {
        assert!(line.tag("batch") == "b1" && line.tag("msgid").len() == 32 && line.tag("time").starts_with("20"));
        assert_eq!((line.nick(), line.params[0].as_str()), ("bob", "#a"));
    }
    alice.has_unread("#a", 0).await;
    batches.say("PART #a").await;
    assert_eq!(texts(&batches.ask("JOIN #a").await), [""; 0], "nothing is told twice");
    bob.say("#a", "four").await;
    assert!(!batches.until("four").await.contains("batch="), "it is news");
    alice.stop().await;
    bob.stop().await;
}

#[tokio::test]
async fn of_much_that_is_unread_the_newest_is_played_back_and_the_rest_is_told_of() {
    let dirs = dirs();
    let [alice, bob] = two(&dirs).await;
    for number in 0..105 {
        bob.say("#a", &format!("line {number}")).await;
    }
    alice.has_unread("#a", 105).await;
    let mut client = alice.client("alice", BATCHES).await;
    let joined = client.ask("JOIN #a").await;
    let said = texts(&joined);
    assert_eq!((said.len(), said[0].as_str(), said[99].as_str()), (100, "line 5", "line 104"));
    assert!(
        joined.iter().any(|line| line.contains("NOTICE") && line.contains("#a has more than 100 unread")),
        "{joined:?}"
    );
    alice.has_unread("#a", 0).await;
    alice.stop().await;
    bob.stop().await;
}

#[tokio::test]
async fn every_part_of_a_conversation_is_given_by_both_kinds_of_references() {
    let dir = TempDir::new().unwrap();
    let node = TestNode::start(&dir).await;
    let mut client = node.client("raven", FULL).await;
    client.ask("JOIN #Many").await;
    let mut all = Vec::new();
    for number in 0..10 {
        let lines = client.ask(&format!("PRIVMSG #Many :line {number}")).await;
        all.push(shown(lines.iter().find(|line| line.contains(" PRIVMSG #Many :")).unwrap()));
        node.next_moment().await;
    }
    let id = |at: usize| format!("msgid={}", all[at].tag("msgid"));
    let time = |at: usize| format!("timestamp={}", all[at].tag("time"));
    let plain = |it: Shown| (it.from.clone(), it.tag("msgid").to_owned(), it.tag("time").to_owned(), it.params);
    let whole: Vec<_> = all.iter().cloned().map(plain).collect();
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
        ("AFTER #Many timestamp=2262-01-01T00:00:00.000Z 5".to_owned(), 0..0),
    ] {
        let given = client.history(&format!("CHATHISTORY {ask}"), "#Many").await;
        assert_eq!(given.into_iter().map(plain).collect::<Vec<_>>(), whole[wanted], "{ask}");
    }
    let last = all[9].tag("time").to_owned();
    let (long_ago, far) = ("timestamp=2020-01-01T00:00:00.000Z", "timestamp=2262-01-01T00:00:00.000Z");
    let targets = client.ask(&format!("CHATHISTORY TARGETS {long_ago} {far} 10")).await;
    assert!(targets[0].contains(" draft/chathistory-targets") && targets.len() == 3, "{targets:?}");
    assert_eq!(shown(&targets[1]).params, ["TARGETS", "#Many", &last]);
    let targets = client.ask(&format!("CHATHISTORY TARGETS {long_ago} {} 10", time(9))).await;
    assert_eq!(targets.len(), 2, "its last message is not before that: {targets:?}");

    // Another client of the node sees what was said there, joined or not.
    let mut other = node.client("other", FULL).await;
    assert_eq!(other.texts("CHATHISTORY LATEST #MANY * 1", "#MANY").await, ["line 9"]);
    node.stop().await;
}

#[tokio::test]
async fn what_cannot_be_asked_is_refused_with_the_words_of_the_standard() {
    let dir = TempDir::new().unwrap();
    let node = TestNode::start(&dir).await;
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
        assert!(line.starts_with(&format!(":nightjar.irc FAIL {wanted} :")), "{ask}: {line}");
    }
    assert_eq!(client.history(&format!("CHATHISTORY LATEST #a * {}", HISTORY_MAX + 1), "#a").await, []);
    assert_eq!(client.history("CHATHISTORY LATEST stranger * 5", "stranger").await, [], "he may be somebody");
    assert_eq!(client.ask("MARKREAD #nowhere").await, [":nightjar.irc MARKREAD #nowhere *"]);

    let mut plain = node.client("plain", "batch").await;
    for command in ["CHATHISTORY", "MARKREAD"] {
        let lines = plain.ask(&format!("{command} LATEST #a * 5")).await;
        assert!(lines.len() == 1 && lines[0].contains(&format!(" 421 plain {command} :")), "{lines:?}");
    }
    node.stop().await;
}

#[tokio::test]
async fn how_far_was_read_is_the_same_for_all_clients_and_the_node() {
    let dirs = dirs();
    let [alice, bob] = two(&dirs).await;
    let mut first = alice.client("first", FULL).await;
    let mut second = alice.client("second", FULL).await;
    let joined = first.ask("JOIN #a").await;
    let marker = joined.iter().position(|line| line == ":nightjar.irc MARKREAD #a *").expect("nothing was read");
    assert!(marker < joined.iter().position(|line| line.contains(" 366 ")).unwrap());
    second.ask("JOIN #a").await;
    for text in ["one", "two", "three"] {
        bob.say("#a", text).await;
        bob.next_moment().await;
    }
    alice.has_unread("#a", 3).await;
    let times: Vec<String> = {
        let all = first.history("CHATHISTORY LATEST #a * 5", "#a").await;
        all.iter().map(|shown| shown.tag("time").to_owned()).collect()
    };
    first.until("three").await;
    second.until("three").await;
    let marked = |time: &str| format!(":nightjar.irc MARKREAD #a timestamp={time}");
    assert_eq!(first.ask(&format!("MARKREAD #a timestamp={}", times[1])).await, [marked(&times[1])]);
    assert_eq!(alice.unread("#a").await, 1);
    assert_eq!(second.lines().await, [marked(&times[1])], "the other is told");
    assert_eq!(second.ask(&format!("MARKREAD #a timestamp={}", times[0])).await, [marked(&times[1])], "never back");
    assert_eq!(first.lines().await, [""; 0], "nothing is new");
    assert_eq!(first.ask("MARKREAD #a").await, [marked(&times[1])]);
    // Another front end.
    let last = alice.handle().conversations().await.unwrap().into_iter().find(|it| it.name == "#a").unwrap().last_seq;
    alice.handle().mark_read("#a".to_owned(), last).await.unwrap();
    assert_eq!(first.ask("MARKREAD #A").await, [marked(&times[2]).replace("#a", "#A")]);
    // What is still to come cannot have been read.
    let lines = first.ask("MARKREAD #a timestamp=2262-01-01T00:00:00.000Z").await;
    assert!(lines.len() == 1 && !lines[0].contains("2262"), "{lines:?}");
    assert_eq!(first.ask("MARKREAD bob").await, [":nightjar.irc MARKREAD bob *"]);
    alice.stop().await;
    bob.stop().await;
}

#[tokio::test]
async fn what_persons_wrote_is_played_back_and_asked_for_by_their_nicks_also_after_a_restart() {
    let dirs = dirs();
    let [alice, bob] = two(&dirs).await;
    let key = alice.known("bob").await.speaker.key;
    let direct = format!("@{key}");
    bob.say("alice", "are you there?").await;
    until("his request", async || !alice.handle().post().requests().is_empty()).await;
    alice.has_unread(&direct, 1).await;
    let mut early = alice.enter("early", BATCHES).await;
    assert_eq!(texts(&early.lines().await), [""; 0], "a stranger's request is not shown");
    let mut asks = alice.client("asks", FULL).await;
    assert_eq!(asks.history("CHATHISTORY LATEST bob * 5", "bob").await, []);
    alice.handle().post().decide(key, Relation::Contact).await.unwrap();
    assert_eq!(asks.texts("CHATHISTORY LATEST BOB * 5", "BOB").await, ["are you there?"]);
    early.say("QUIT").await;

    let mut plain = alice.enter("plain", BATCHES).await;
    let lines = plain.lines().await;
    let batch = lines.iter().find(|line| line.contains("BATCH +")).unwrap_or_else(|| panic!("{lines:?}"));
    assert!(batch.ends_with("chathistory bob"), "{batch}");
    let said = lines.iter().map(|line| shown(line)).find(|it| it.command == "PRIVMSG").unwrap();
    assert_eq!((said.nick(), said.params[1].as_str()), ("bob", "are you there?"));
    alice.has_unread(&direct, 0).await;

    let mut full = alice.client("full", FULL).await;
    let sent = full.ask("PRIVMSG bob :yes, I am").await;
    let nick = shown(sent.iter().find(|line| line.contains("yes, I am")).unwrap()).nick().to_owned();
    let both = full.history("CHATHISTORY LATEST bob * 5", "bob").await;
    let of = |it: &Shown| (it.nick().to_owned(), it.params[0].clone(), it.params[1].clone());
    let wanted = |me: &str| {
        let line = |from: &str, to: &str, text: &str| (from.to_owned(), to.to_owned(), text.to_owned());
        [line("bob", me, "are you there?"), line(me, "bob", "yes, I am")]
    };
    assert_eq!(both.iter().map(of).collect::<Vec<_>>(), wanted(&nick));
    let targets =
        full.ask("CHATHISTORY TARGETS timestamp=2020-01-01T00:00:00.000Z timestamp=2262-01-01T00:00:00.000Z 9").await;
    assert!(targets.iter().any(|line| shown(line).params[..2] == ["TARGETS", "bob"]), "{targets:?}");
    let times: Vec<String> = both.iter().map(|shown| shown.tag("time").to_owned()).collect();
    drop((asks, plain, full));
    alice.stop().await;

    let alice = TestNode::start(&dirs[0]).await;
    let mut again = alice.enter("again", FULL).await;
    let nick = shown(&again.until(" 001 ").await).params[0].clone();
    again.lines().await;
    let after = again.history(&format!("CHATHISTORY BEFORE bob timestamp={} 5", times[1]), "bob").await;
    assert_eq!(after.iter().map(of).collect::<Vec<_>>(), wanted(&nick)[..1]);
    let both = again.history("CHATHISTORY LATEST bob * 5", "bob").await;
    assert_eq!(both.iter().map(of).collect::<Vec<_>>(), wanted(&nick));
    assert_eq!(both.iter().map(|shown| shown.tag("time").to_owned()).collect::<Vec<_>>(), times);
    alice.stop().await;
    bob.stop().await;
}

#[tokio::test]
async fn another_identitys_letters_are_not_shown() {
    let dirs = dirs();
    let [alice, bob] = two(&dirs).await;
    alice.identity("carol").await;
    let key = alice.known("bob").await.speaker.key;
    bob.say("alice", "for alice alone").await;
    alice.has_unread(&format!("@{key}"), 1).await;
    alice.handle().post().decide(key, Relation::Contact).await.unwrap();
    let token = format!("carol:{}", alice.token);
    let carol = TestNode { token, ..alice };
    let mut client = carol.client("carol", FULL).await;
    assert_eq!(client.history("CHATHISTORY LATEST bob * 5", "bob").await, []);
    let targets =
        client.ask("CHATHISTORY TARGETS timestamp=2020-01-01T00:00:00.000Z timestamp=2262-01-01T00:00:00.000Z 9").await;
    assert_eq!(targets.len(), 2, "{targets:?}");
    carol.stop().await;
    bob.stop().await;
}

#[tokio::test]
async fn what_is_answered_is_named_by_its_whole_id_and_a_sign_is_told_in_words() {
    let dirs = dirs();
    let [alice, bob] = two(&dirs).await;
    let id = bob.say("#a", "a question").await;
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
    assert_eq!((all.len(), all[1].command.as_str(), all[1].tag("+draft/reply")), (2, "PRIVMSG", id.as_str()));
    assert_eq!(all[1].params[1], "\u{1}ACTION reacts with 👍\u{1}");
    alice.stop().await;
    bob.stop().await;
}

/// Somebody's message as another log gives it away, said so many milliseconds ago.
fn logged(
    node: &TestNode,
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
    let dir = TempDir::new().unwrap();
    let node = TestNode::start(&dir).await;
    node.identity("alice").await;
    let me = node.handle().post().identities().list()[0].key;
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
    let mut client = node.enter("alice", BATCHES).await;
    let lines = client.lines().await;
    let batches: Vec<Shown> =
        lines.iter().map(|line| shown(line)).filter(|it| it.command == "BATCH" && it.params.len() == 3).collect();
    assert_eq!(batches.len(), 20, "{lines:?}");
    let last = format!("key~{}", &with(21)[1..13]);
    assert_eq!((&batches[0].params[2][..16], &batches[19].params[2]), (&*format!("key~{}", &with(2)[1..13]), &last));
    let said = texts(&lines);
    assert_eq!((said.len(), said[19].as_str(), said[68].as_str()), (19 + 50, "said 2", "said 51"));
    for notice in ["unread messages in 21 conversations: 20 follow", &format!("{last} has more than 50 unread")] {
        assert!(lines.iter().any(|line| line.contains("NOTICE") && line.contains(notice)), "{notice}: {lines:?}");
    }
    node.stop().await;
}

#[tokio::test]
async fn those_who_spoke_last_in_half_an_hour_are_listed_from_the_start() {
    let dir = TempDir::new().unwrap();
    let node = TestNode::start(&dir).await;
    let mut all: Vec<Logged> = (0..301).map(|author| logged(&node, "#a", author, 1, 60_000 - author, None)).collect();
    all.push(logged(&node, "#a", 1_000, 1, 31 * 60_000, None));
    node.handle().import(all).await.unwrap();
    let mut client = node.client("raven", FULL).await;
    let names = |lines: &[String]| -> Vec<String> {
        let lines = lines.iter().map(|line| shown(line)).filter(|it| it.command == "353");
        lines.flat_map(|it| it.params[3].split(' ').map(str::to_owned).collect::<Vec<_>>()).collect()
    };
    let joined = client.ask("JOIN #a").await;
    assert_eq!(names(&joined).len(), 1 + 300);
    assert_eq!(joined.iter().filter(|line| line.contains(" JOIN ")).count(), 1, "nobody joins");
    node.stop().await;
}

#[tokio::test]
async fn work_for_one_question_is_bounded_whatever_lies_in_the_log() {
    let dir = TempDir::new().unwrap();
    let node = TestNode::start(&dir).await;
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
    let (long_ago, far) = ("timestamp=2020-01-01T00:00:00.000Z", "timestamp=2262-01-01T00:00:00.000Z");
    let targets = |lines: Vec<String>| -> Vec<String> {
        lines
            .iter()
            .map(|line| shown(line))
            .filter(|it| it.command == "CHATHISTORY")
            .map(|it| it.params[1].clone())
            .collect()
    };
    let all = targets(client.ask(&format!("CHATHISTORY TARGETS {long_ago} {far} 10")).await);
    assert_eq!(all, ["#few"], "of the others the last are for nobody's eyes");

    // So many conversations that only one more is looked into.
    let hidden = (0..399).map(|number| unseen(logged(&node, &format!("#h{number}"), 3, number, 40_000 - number, None)));
    let seen = [logged(&node, "#seen", 4, 1, 30, None), logged(&node, "#seen2", 4, 2, 20, None)];
    node.handle().import(hidden.chain(seen).collect()).await.unwrap();
    let forward =
        targets(client.ask(&format!("CHATHISTORY TARGETS timestamp=2020-01-01T00:00:00.000Z {far} 10")).await);
    assert_eq!(forward, ["#few"]);
    let backward = targets(client.ask(&format!("CHATHISTORY TARGETS {far} {long_ago} 1")).await);
    assert_eq!(backward, ["#seen2"], "counted from the first");
    let backward = targets(client.ask(&format!("CHATHISTORY TARGETS {far} {long_ago} 2")).await);
    assert_eq!(backward, ["#seen", "#seen2"], "in the order of their times");
    node.stop().await;
}
