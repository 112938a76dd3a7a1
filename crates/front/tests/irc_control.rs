//! The channel `&nightjar` against real nodes: what is said there is done, and answered to that client alone.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs, reason = "a test may fail loudly")]

use std::path::PathBuf;
use std::time::Duration;

use nightjar_core::chain::Network;
use nightjar_front::irc::{IrcConfig, serve};
use nightjar_node::clock::Clock;
use nightjar_node::config::Checked;
use nightjar_node::data_dir::DataDir;
use nightjar_node::engine::Node;
use nightjar_node::handle::Handle;
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

/// A node with its gateway, in a data directory of its own.
struct Gateway {
    node: Node,
    data: DataDir,
    address: std::net::SocketAddr,
    token: String,
    stop: watch::Sender<()>,
    serving: JoinHandle<()>,
}

impl Gateway {
    async fn start(dir: &TempDir) -> Self {
        let data = DataDir::open(dir.path()).unwrap();
        let node = Node::start(&config(dir.path().to_owned()), &data, Clock::system()).await.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let token = data.token().unwrap();
        let (stop, stopped) = watch::channel(());
        let config = IrcConfig {
            name: "nightjar.irc".to_owned(),
            presence: true,
            token: token.clone(),
            token_file: data.token_file(),
        };
        let serving = tokio::spawn(serve(node.handle().clone(), listener, config, stopped));
        Self { node, data, address, token, stop, serving }
    }

    fn handle(&self) -> &Handle {
        self.node.handle()
    }

    async fn client(&self, nick: &str) -> Client {
        let (read, write) = TcpStream::connect(self.address).await.unwrap().into_split();
        let mut client = Client { read: BufReader::new(read), write, syncs: 0 };
        client.say(&format!("PASS {}", self.token)).await;
        client.say(&format!("NICK {nick}")).await;
        client.say(&format!("USER {nick} 0 * :somebody")).await;
        client.line("the greeting", |line| line.contains(" 001 ")).await;
        client.sync().await;
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

struct Client {
    read: BufReader<OwnedReadHalf>,
    write: OwnedWriteHalf,
    syncs: usize,
}

impl Client {
    async fn say(&mut self, line: &str) {
        self.write.write_all(format!("{line}\r\n").as_bytes()).await.unwrap();
    }

    async fn next(&mut self) -> String {
        let mut line = String::new();
        let read = timeout(HANGS, self.read.read_line(&mut line)).await;
        assert!(read.expect("a line is still to come").unwrap() > 0, "the connection ended");
        line.trim_end().to_owned()
    }

    /// Waits for a line; gives it, and drops those before it.
    async fn line(&mut self, what: &str, is_it: impl Fn(&str) -> bool) -> String {
        let wait = async {
            loop {
                let line = self.next().await;
                if is_it(&line) {
                    return line;
                }
            }
        };
        timeout(HANGS, wait).await.unwrap_or_else(|_| panic!("still to come: {what}"))
    }

    /// All lines up to now.
    async fn sync(&mut self) -> Vec<String> {
        self.syncs += 1;
        let token = format!("sync{}", self.syncs);
        self.say(&format!("PING {token}")).await;
        let mut lines = Vec::new();
        loop {
            let line = self.next().await;
            if line.contains(" PONG ") && line.ends_with(&token) {
                return lines;
            }
            lines.push(line);
        }
    }

    /// Says a command to the node: what it answers, and all other lines that came.
    async fn both(&mut self, command: &str) -> (Vec<String>, Vec<String>) {
        self.say(&format!("PRIVMSG &nightjar :{command}")).await;
        let lines = self.sync().await;
        let is_answer = |line: &String| line.starts_with(":nightjar!nightjar@nightjar.irc ");
        let (answers, others): (Vec<_>, Vec<_>) = lines.into_iter().partition(is_answer);
        let text = |line: &String| {
            let mut parts = line.splitn(4, ' ');
            let text = parts.nth(3).unwrap();
            text.strip_prefix(':').unwrap_or(text).to_owned()
        };
        (answers.iter().map(text).collect(), others)
    }

    /// What the node answers to a command.
    async fn ask(&mut self, command: &str) -> Vec<String> {
        self.both(command).await.0
    }

    /// What the node answers, as one text.
    async fn told(&mut self, command: &str) -> String {
        self.ask(command).await.join("\n")
    }

    /// Waits until somebody is listed in a channel.
    async fn listed(&mut self, channel: &str, is_it: impl Fn(&str) -> bool) {
        let wait = async {
            loop {
                self.say(&format!("NAMES {channel}")).await;
                let lines = self.sync().await;
                let names = lines.iter().filter(|line| line.contains(" 353 ")).flat_map(|line| line.split([' ', ':']));
                if names.into_iter().any(&is_it) {
                    return;
                }
                sleep(Duration::from_millis(20)).await;
            }
        };
        timeout(HANGS, wait).await.unwrap_or_else(|_| panic!("nobody of that nick is in {channel}"));
    }

    /// Asks until the answer is as it is to be.
    async fn until(&mut self, command: &str, is_it: impl Fn(&str) -> bool) -> String {
        let wait = async {
            loop {
                let told = self.told(command).await;
                if is_it(&told) {
                    return told;
                }
                sleep(Duration::from_millis(20)).await;
            }
        };
        timeout(HANGS, wait).await.unwrap_or_else(|_| panic!("{command} is not answered so"))
    }
}

/// Two nodes that are linked, each with somebody who has a chat key.
async fn two(dirs: &[TempDir; 2]) -> ([Gateway; 2], [Client; 2]) {
    let gateways = [Gateway::start(&dirs[0]).await, Gateway::start(&dirs[1]).await];
    let mut alice = gateways[0].client("alice").await;
    let mut bob = gateways[1].client("bob").await;
    let told = alice.told(&format!("connect {}", gateways[1].handle().about().listen)).await;
    assert!(told.contains("is dialled now"), "{told}");
    alice.until("peers", |told| told.contains(" chat")).await;
    bob.until("peers", |told| told.contains("by peer") && told.contains(" chat")).await;
    assert!(alice.told("identity new alice").await.contains("you speak as alice"));
    assert!(bob.told("identity new bob").await.contains("you speak as bob"));
    (gateways, [alice, bob])
}

/// Bob writes to alice, whom he was not heard of by before; gives the nick by which she is told of him.
async fn asks(alice: &mut Client, bob: &mut Client, text: &str) -> String {
    bob.say(&format!("PRIVMSG alice :{text}")).await;
    let notice = alice.line("a notice", |line| line.contains("asks to talk to you")).await;
    assert!(!notice.contains(text), "what a stranger wrote is not shown: {notice}");
    let told = notice.split(" :").nth(1).unwrap();
    told.split(' ').next().unwrap().to_owned()
}

#[tokio::test]
async fn every_command_is_answered_with_too_little_with_enough_and_with_too_much() {
    let dir = TempDir::new().unwrap();
    let gateway = Gateway::start(&dir).await;
    let mut client = gateway.client("alice").await;
    let page = nightjar_front::irc::control_reference();
    let usages: Vec<String> = page.lines().skip(2).map(|row| row.split('`').nth(1).unwrap().to_owned()).collect();
    assert!(usages.len() > 20);
    for usage in usages {
        let name = usage.split(' ').take_while(|word| word.chars().all(|it| it.is_ascii_lowercase()));
        let name = name.collect::<Vec<_>>().join(" ");
        for params in
            ["", "x", "#den", "raven~8a88e3dd", "1234-44", "all", "a b", "a b c d e f g h", "\u{1}\u{3}4", "*"]
        {
            let line = format!("{name} {params}");
            let answer = client.ask(&line).await;
            assert!(answer.iter().any(|line| !line.is_empty()), "{line}: {answer:?}");
        }
    }
    let help = client.told("help").await;
    assert!(help.contains("identity new [NICK]") && help.contains("joinweak #CHANNEL PASSPHRASE"), "{help}");
    assert!(client.told("hlep").await.contains("did you mean \"help\"?"));
    gateway.stop().await;
}

#[test]
fn the_page_has_the_commands_as_they_are() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/irc.md");
    let page = std::fs::read_to_string(path).unwrap().replace("\r\n", "\n");
    let table = nightjar_front::irc::control_reference();
    assert!(page.contains(&table), "docs/irc.md has other commands than the channel: put this there\n{table}");
}

#[tokio::test]
async fn the_answer_comes_where_it_was_asked_for_and_to_nobody_else() {
    let dir = TempDir::new().unwrap();
    let gateway = Gateway::start(&dir).await;
    let (mut one, mut other) = (gateway.client("one").await, gateway.client("other").await);
    other.say("JOIN &nightjar").await;
    other.sync().await;
    one.say("PRIVMSG nightjar :presence").await;
    let lines = one.sync().await;
    assert!(lines.iter().all(|line| line.starts_with(":nightjar!nightjar@nightjar.irc NOTICE one :")), "{lines:?}");
    one.say("JOIN &nightjar").await;
    one.sync().await;
    one.say("PRIVMSG &nightjar :presence").await;
    let lines = one.sync().await;
    assert!(
        lines.iter().all(|line| line.starts_with(":nightjar!nightjar@nightjar.irc PRIVMSG &nightjar :")),
        "{lines:?}"
    );
    one.say("NOTICE &nightjar :status").await;
    assert_eq!(one.sync().await, Vec::<String>::new(), "a notice is never answered");
    assert_eq!(other.sync().await, Vec::<String>::new());
    gateway.stop().await;
}

#[tokio::test]
async fn an_identity_is_made_chosen_and_renamed_and_the_client_is_called_so() {
    let dir = TempDir::new().unwrap();
    let gateway = Gateway::start(&dir).await;
    let (mut client, mut other) = (gateway.client("guest").await, gateway.client("other").await);
    assert!(client.told("identity").await.contains("no chat key"));
    assert!(client.told("status").await.contains("unsigned"));

    let (told, others) = client.both("identity new Raven").await;
    assert!(told.iter().any(|line| line == "you speak as raven from now on"), "{told:?}");
    assert!(
        others.iter().any(|line| line.starts_with(":guest!") && line.contains(" NICK ") && line.ends_with("raven")),
        "{others:?}"
    );
    let notices = other.sync().await;
    assert!(notices.iter().any(|line| line.contains("You speak as raven from now on")), "{notices:?}");

    let told = client.told("identity new crow").await;
    assert!(told.contains("identity use crow"), "{told}");
    let (told, others) = client.both("identity use crow").await;
    assert!(told[0].starts_with("you speak as crow from now on"), "{told:?}");
    assert!(others.iter().any(|line| line.starts_with(":raven!") && line.ends_with("crow")), "{others:?}");
    let list = client.told("identity").await;
    let row = |nick: &str, list: &str| list.lines().find(|line| line.starts_with(nick)).unwrap().to_owned();
    assert!(row("crow", &list).contains("speaks for you") && !row("crow", &list).contains("default"), "{list}");
    assert!(row("raven", &list).contains("default") && !row("raven", &list).contains("speaks"), "{list}");
    let list = other.told("identity").await;
    assert!(row("raven", &list).contains("speaks for you"), "another client is not concerned: {list}");

    // What it says is signed by the one that was chosen.
    client.say("JOIN #den").await;
    client.say("PRIVMSG #den :caw").await;
    client.sync().await;
    let crow = gateway.handle().post().identities().find("crow").unwrap().key;
    let outgoing = wait_for(|| gateway.handle().post().outbox().into_iter().next()).await;
    assert!(format!("{:?}", outgoing.again).contains(&format!("{crow:?}")), "{:?}", outgoing.again);

    let (told, others) = client.both("identity nick Rook").await;
    assert!(told[0].starts_with("others see you as rook"), "{told:?}");
    assert!(others.iter().any(|line| line.starts_with(":crow!") && line.ends_with("rook")), "{others:?}");
    // A nick that another client has is not taken from it.
    let (told, others) = client.both("identity nick other").await;
    assert!(told[0].starts_with("others see you as other"), "{told:?}");
    assert!(others.iter().any(|line| line.contains("another client has that nick")), "{others:?}");
    let (told, _) = client.both("identity use default").await;
    assert!(told[0].starts_with("you speak as raven, the default one,"), "{told:?}");
    let told = client.told("identity default other").await;
    assert!(told.starts_with("other speaks for whoever chooses none, and so for you"), "{told}");

    // Nor is that of the node itself.
    client.told("identity new nightjar").await;
    let (told, others) = client.both("identity use nightjar").await;
    assert!(told[0].starts_with("you speak as nightjar"), "{told:?}");
    assert!(others.iter().all(|line| !line.contains(" NICK ")), "{others:?}");
    client.say("NICK nightjar").await;
    assert!(client.sync().await.iter().any(|line| line.contains(" 433 ")));

    for (command, says) in [
        ("identity use nobody-at-all", "no identity is called"),
        ("identity lock", "nightjar identity passphrase"),
        ("identity unlock secret", "nightjar identity unlock"),
        ("identity export raven", "nightjar identity export"),
        ("identity new raven", "is called \"raven\" already"),
        ("identity new a,b", "a nick is made of"),
    ] {
        let told = client.told(command).await;
        assert!(told.contains(says), "{command}: {told}");
    }
    gateway.stop().await;
}

#[tokio::test]
async fn a_stranger_is_accepted_by_the_nick_that_is_shown_and_then_declined() {
    let dirs = [TempDir::new().unwrap(), TempDir::new().unwrap()];
    let ([one, two], [mut alice, mut bob]) = two(&dirs).await;
    let nick = asks(&mut alice, &mut bob, "are you there?").await;
    let key = two.handle().post().identities().find("bob").unwrap().key;
    let digits = &key.to_string()[..12];
    let requests = alice.told("requests").await;
    assert!(requests.contains(&nick) && requests.contains(digits), "{requests}");
    assert!(alice.told(&format!("history {nick}")).await.contains(&format!("accept {nick}")));
    assert!(alice.told("search there").await.contains("no message has"));
    assert!(alice.told("status").await.contains("1 stranger asks to talk to you"));

    assert!(alice.told("accept nobody-at-all").await.contains("nobody of the name"));
    assert!(alice.told("accept 1234-44").await.contains("claims account 1234-44"));
    let told = alice.told(&format!("accept {nick}")).await;
    assert!(told.contains("is a contact now") && told.contains(digits), "{told}");
    let relation = || one.handle().post().who_is(&nightjar_node::post::Who::Key(key.to_string()))[0].relation;
    assert_eq!(relation(), Some(Relation::Contact));
    assert!(alice.told("requests").await.contains("nobody asks"));
    let history = alice.told(&format!("history {nick}")).await;
    assert!(history.contains("are you there?"), "{history}");
    assert!(alice.told("search there").await.contains("are you there?"));

    let told = alice.told(&format!("decline ~{}", &digits[..8])).await;
    assert!(told.contains("is not heard any more"), "{told}");
    assert_eq!(relation(), Some(Relation::Declined));
    let ignored = alice.told("ignored").await;
    assert!(ignored.contains(&format!("~{key}")) && ignored.contains(&nick), "{ignored}");
    assert!(alice.told(&format!("unignore ~{key}")).await.contains("a stranger's again"));
    assert!(alice.told("ignored").await.contains("nothing is ignored"));
    one.stop().await;
    two.stop().await;
}

#[tokio::test]
async fn who_is_accepted_takes_the_nick_of_a_stranger_and_the_notice_comes_into_the_channel() {
    let dirs = [TempDir::new().unwrap(), TempDir::new().unwrap()];
    let ([one, two], [mut alice, mut bob]) = two(&dirs).await;
    alice.say("JOIN #den,&nightjar").await;
    bob.say("JOIN #den").await;
    alice.sync().await;
    bob.sync().await;
    // Another one calls himself bob, and is heard first.
    let dir = TempDir::new().unwrap();
    let three = Gateway::start(&dir).await;
    let mut other = three.client("other").await;
    other.told(&format!("connect {}", one.handle().about().listen)).await;
    other.until("peers", |told| told.contains(" chat")).await;
    other.told("identity new bob").await;
    other.say("PRIVMSG #den :first").await;
    alice.listed("#den", |nick| nick == "bob").await;
    bob.say("PRIVMSG #den :second").await;
    alice.listed("#den", |nick| nick.starts_with("bob~")).await;
    bob.say("PRIVMSG alice :it is me").await;
    let notice = alice.line("a notice", |line| line.contains("asks to talk to you")).await;
    assert!(notice.starts_with(":nightjar!nightjar@nightjar.irc PRIVMSG &nightjar :bob~"), "{notice}");
    let nick = notice.split(" :").nth(1).unwrap().split(' ').next().unwrap().to_owned();
    let told = alice.told(&format!("accept {nick}")).await;
    assert!(told.starts_with("bob, key ~") && told.contains("is a contact now"), "{told}");
    one.stop().await;
    two.stop().await;
    three.stop().await;
}

#[tokio::test]
async fn what_is_ignored_is_not_read_until_it_is_read_again() {
    let dirs = [TempDir::new().unwrap(), TempDir::new().unwrap()];
    let ([one, two], [mut alice, mut bob]) = two(&dirs).await;
    alice.say("JOIN #den").await;
    alice.sync().await;
    bob.say("JOIN #den").await;
    bob.say("PRIVMSG #den :first").await;
    alice.line("the first", |line| line.ends_with(":first")).await;
    assert!(alice.told("ignore word airdrop*").await.starts_with("what has word airdrop* in it is not read"));
    assert!(alice.told("ignore word airdrop*").await.contains("already"));
    bob.say("PRIVMSG #den :airdrops for all").await;
    bob.say("PRIVMSG #den :second").await;
    let line = alice.line("the second", |line| line.contains(" PRIVMSG #den ")).await;
    assert!(line.ends_with(":second"), "{line}");
    assert!(alice.told("ignored").await.contains("word airdrop*"));
    assert!(alice.told("unignore word airdrop*").await.contains("read again"));

    let told = alice.told("ignore bob").await;
    assert!(told.starts_with("what bob, key ~"), "{told}");
    bob.say("PRIVMSG #den :third").await;
    let counted = || (one.handle().post().counters().declined > 0).then_some(());
    wait_for(counted).await;
    assert!(alice.sync().await.iter().all(|line| !line.contains("third")));
    assert!(alice.told("unignore bob").await.contains("a stranger's again"));
    bob.say("PRIVMSG #den :fourth").await;
    alice.line("the fourth", |line| line.ends_with(":fourth")).await;

    assert!(alice.told("ignore @magpie").await.contains("whoever calls himself magpie"));
    assert!(alice.told("ignore 1234").await.contains("whoever claims 1234-44"));
    for (command, says) in [
        ("unignore @raven", "was not ignored"),
        ("ignore #den", "leave #den"),
        ("ignore word *", "would match everything"),
        ("ignore bob and others", "more than one"),
        ("ignore alice", "of this node"),
    ] {
        let told = alice.told(command).await;
        assert!(told.contains(says), "{command}: {told}");
    }
    one.stop().await;
    two.stop().await;
}

#[tokio::test]
async fn who_comes_and_goes_is_shown_while_presence_is_on() {
    let dirs = [TempDir::new().unwrap(), TempDir::new().unwrap()];
    let ([one, two], [mut alice, mut bob]) = two(&dirs).await;
    alice.say("JOIN #den").await;
    alice.sync().await;
    assert!(alice.told("presence").await.starts_with("presence is on"));
    bob.say("PRIVMSG #den :x").await;
    alice.line("bob joins", |line| line.starts_with(":bob!") && line.contains(" JOIN ")).await;
    let (told, others) = alice.both("presence off").await;
    assert!(told[0].starts_with("presence is off"), "{told:?}");
    let came = if others.is_empty() { alice.sync().await } else { others };
    assert!(came.iter().any(|line| line.starts_with(":bob!") && line.contains(" PART ")), "{came:?}");
    alice.told("presence on").await;
    alice.sync().await;
    assert!(alice.told("presence perhaps").await.contains("neither on nor off"));
    one.stop().await;
    two.stop().await;
}

#[tokio::test]
async fn a_channel_is_put_under_a_passphrase_left_by_all_and_joined_again() {
    let dir = TempDir::new().unwrap();
    let gateway = Gateway::start(&dir).await;
    let (mut client, mut other) = (gateway.client("one").await, gateway.client("other").await);
    let told = client.ask("passphrase #Den").await;
    assert!(told[0].starts_with("#Den is under a passphrase") && told[1].split(' ').count() == 6, "{told:?}");
    let words = told[1].clone();
    assert!(client.told("passphrase #den").await.contains("another passphrase already"));
    other.say("JOIN #den").await;
    other.line("the names", |line| line.contains(" 366 ")).await;
    let channels = client.told("channels").await;
    let row = channels.lines().find(|line| line.starts_with("#Den")).unwrap();
    assert_eq!(row.split_whitespace().collect::<Vec<_>>(), ["#Den", "yes", "sealed", "alone", "yes", "0"]);

    let (told, others) = client.both("leave #den").await;
    assert!(told[0].contains("the node listens to it no more") && told[1].contains("join #den PASSPHRASE"), "{told:?}");
    assert!(others.iter().any(|line| line.starts_with(":one!") && line.contains(" PART ")), "{others:?}");
    other.line("the end", |line| line.starts_with(":other!") && line.contains(" PART ")).await;
    assert_eq!(gateway.handle().listens().await.unwrap(), []);
    assert!(gateway.handle().post().joined().is_empty());
    assert!(client.told("leave #den").await.contains("was not listened to"));
    let (told, _) = other.both("channels").await;
    assert!(told[0].contains("listens to no channel"), "{told:?}");

    let (told, others) = client.both(&format!("join #den {words}")).await;
    assert!(told[0].contains("sealed for those who have the passphrase"), "{told:?}");
    assert!(others.iter().any(|line| line.starts_with(":one!") && line.contains(" JOIN ")), "{others:?}");
    let told = client.told("join #nest short").await;
    assert!(told.contains("is weak") && told.contains("joinweak #nest PASSPHRASE"), "{told}");
    assert!(client.told("joinweak #nest short").await.contains("sealed for those"));
    assert!(client.told("join #open").await.contains("is joined"));
    gateway.stop().await;
}

#[tokio::test]
async fn what_waits_is_listed_and_taken_back() {
    let dir = TempDir::new().unwrap();
    let gateway = Gateway::start(&dir).await;
    let mut client = gateway.client("raven").await;
    client.told("identity new raven").await;
    assert!(client.told("outbox").await.contains("nothing waits"));
    for text in ["one", "two", "three"] {
        client.say(&format!("PRIVMSG #den :{text}")).await;
    }
    let told = client.until("outbox", |told| told.lines().filter(|line| line.contains("#den")).count() == 3).await;
    let id = told.lines().nth(1).unwrap().split(' ').next().unwrap().to_owned();
    assert!(client.told("status").await.contains("3 messages wait for a peer"));
    assert!(client.told(&format!("outbox cancel {id}")).await.contains("is taken back"));
    assert!(client.told(&format!("outbox cancel {id}")).await.contains("no message"));
    assert!(client.told("outbox cancel xyz").await.contains("is no id"));
    assert_eq!(client.told("outbox cancel all").await, "2 messages are taken back");
    assert!(client.told("outbox").await.contains("nothing waits"));
    gateway.stop().await;
}

#[tokio::test]
async fn that_peers_come_and_that_the_last_one_goes_is_told_once() {
    let dirs = [TempDir::new().unwrap(), TempDir::new().unwrap()];
    let [one, two] = [Gateway::start(&dirs[0]).await, Gateway::start(&dirs[1]).await];
    let mut alice = one.client("alice").await;
    alice.say("JOIN &nightjar").await;
    alice.told(&format!("connect {}", two.handle().about().listen)).await;
    alice.line("the first peer", |line| line.contains("PRIVMSG &nightjar :A peer is linked")).await;
    two.stop().await;
    let told = alice.line("the last peer", |line| line.contains(" peer is ")).await;
    assert!(told.contains("The last peer is gone"), "{told}");
    one.stop().await;
}

/// Waits until it is there.
async fn wait_for<T>(mut look: impl FnMut() -> Option<T>) -> T {
    let wait = async {
        loop {
            match look() {
                Some(found) => return found,
                None => sleep(Duration::from_millis(20)).await,
            }
        }
    };
    timeout(HANGS, wait).await.expect("still to come")
}

fn config(data_dir: PathBuf) -> Checked {
    Checked {
        data_dir,
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
        budgets: Some(nightjar_core::router::Budgets::default()),
        seen_bytes: 1 << 20,
        store: StoreLimits { messages_max: 10_000, bytes_max: 10 << 20 },
        log_days: None,
        window: Some(WindowLimits::default()),
    }
}
