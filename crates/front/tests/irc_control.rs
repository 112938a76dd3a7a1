//! The channel `&nightjar` against real nodes: what is said there is done, and answered to that client alone.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs, reason = "a test may fail loudly")]

mod irc_common;

use irc_common::{Client, Gateway, Line, SERVER, of, the, wait_for};
use nightjar_front::irc::{IrcConfig, serve};
use nightjar_node::post::Who;
use nightjar_node::store::Relation;
use tokio::net::TcpListener;
use tokio::sync::watch;

fn is_of_the_node(line: &Line) -> bool {
    line.source == format!("nightjar!nightjar@{SERVER}")
}

/// Whether the node says it, by this command to this target.
fn is_told(line: &Line, command: &str, target: &str) -> bool {
    is_of_the_node(line) && line.is(command) && line.param(0) == target
}

/// Whether somebody of this nick does this.
fn does(line: &Line, nick: &str, command: &str) -> bool {
    line.nick() == nick && line.is(command)
}

impl Client {
    /// Says a command to the node: what it answers, and all other lines that came.
    async fn both(&mut self, command: &str) -> (Vec<String>, Vec<Line>) {
        let lines = self.ask(&format!("PRIVMSG &nightjar :{command}")).await;
        let (answers, others): (Vec<Line>, Vec<Line>) = lines.into_iter().partition(is_of_the_node);
        (answers.iter().map(|line| line.text().to_owned()).collect(), others)
    }

    /// What the node answers to a command.
    async fn answers(&mut self, command: &str) -> Vec<String> {
        self.both(command).await.0
    }

    /// What the node answers, as one text.
    async fn told(&mut self, command: &str) -> String {
        self.answers(command).await.join("\n")
    }

    /// Asks until the answer is as it is to be.
    async fn told_at_last(&mut self, command: &str, is_it: impl Fn(&str) -> bool) -> String {
        wait_for(command, async || Some(self.told(command).await).filter(|told| is_it(told))).await
    }

    /// Waits until somebody is listed in a channel.
    async fn listed(&mut self, channel: &str, is_it: impl Fn(&str) -> bool) {
        let listed = async || {
            let lines = self.ask(&format!("NAMES {channel}")).await;
            of(&lines, "353").iter().any(|line| line.text().split(' ').any(&is_it)).then_some(())
        };
        wait_for(&format!("that nick in {channel}"), listed).await;
    }
}

/// Two nodes that are linked, each with somebody who has a chat key.
async fn two() -> ([Gateway; 2], [Client; 2]) {
    let gateways = [Gateway::start(&[]).await, Gateway::start(&[]).await];
    let (mut alice, mut bob) = (gateways[0].plain("alice").await, gateways[1].plain("bob").await);
    let told = alice.told(&format!("connect {}", gateways[1].handle().about().listen)).await;
    assert!(told.contains("is dialled now"), "{told}");
    alice.told_at_last("peers", |told| told.contains(" chat")).await;
    bob.told_at_last("peers", |told| told.contains("by peer") && told.contains(" chat")).await;
    assert!(alice.told("identity new alice").await.contains("you speak as alice"));
    assert!(bob.told("identity new bob").await.contains("you speak as bob"));
    (gateways, [alice, bob])
}

/// Bob writes to alice, whom he was not heard of by before; gives the nick by which she is told of him.
async fn asks(alice: &mut Client, bob: &mut Client, text: &str) -> String {
    bob.send(&format!("PRIVMSG alice :{text}")).await;
    let notice = alice.first("a notice", |line| line.text().contains("asks to talk to you")).await;
    assert!(!notice.raw.contains(text), "what a stranger wrote is not shown: {notice:?}");
    notice.text().split(' ').next().unwrap().to_owned()
}

#[tokio::test]
async fn every_command_is_answered_with_too_little_with_enough_and_with_too_much() {
    let gateway = Gateway::start(&[]).await;
    let mut client = gateway.plain("alice").await;
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
            let answer = client.answers(&line).await;
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
    let gateway = Gateway::start(&[]).await;
    let (mut one, mut other) = (gateway.plain("one").await, gateway.plain("other").await);
    other.ask("JOIN &nightjar").await;
    let lines = one.ask("PRIVMSG nightjar :presence").await;
    assert!(!lines.is_empty() && lines.iter().all(|line| is_told(line, "NOTICE", "one")), "{lines:?}");
    one.ask("JOIN &nightjar").await;
    let lines = one.ask("PRIVMSG &nightjar :presence").await;
    assert!(!lines.is_empty() && lines.iter().all(|line| is_told(line, "PRIVMSG", "&nightjar")), "{lines:?}");
    assert_eq!(one.ask("NOTICE &nightjar :status").await, Vec::<Line>::new(), "a notice is never answered");
    assert_eq!(other.sync().await, Vec::<Line>::new());
    gateway.stop().await;
}

#[tokio::test]
async fn an_identity_is_made_chosen_and_renamed_and_the_client_is_called_so() {
    let gateway = Gateway::start(&[]).await;
    let (mut client, mut other) = (gateway.plain("guest").await, gateway.plain("other").await);
    assert!(client.told("identity").await.contains("no chat key"));
    assert!(client.told("status").await.contains("unsigned"));

    let (told, others) = client.both("identity new Raven").await;
    assert!(told.iter().any(|line| line == "you speak as raven from now on"), "{told:?}");
    assert!(others.iter().any(|line| does(line, "guest", "NICK") && line.text() == "raven"), "{others:?}");
    let notices = other.sync().await;
    assert!(notices.iter().any(|line| line.text().contains("You speak as raven from now on")), "{notices:?}");

    let told = client.told("identity new crow").await;
    assert!(told.contains("identity use crow"), "{told}");
    let (told, others) = client.both("identity use crow").await;
    assert!(told[0].starts_with("you speak as crow from now on"), "{told:?}");
    assert!(others.iter().any(|line| does(line, "raven", "NICK") && line.text() == "crow"), "{others:?}");
    let list = client.told("identity").await;
    let row = |nick: &str, list: &str| list.lines().find(|line| line.starts_with(nick)).unwrap().to_owned();
    assert!(row("crow", &list).contains("speaks for you") && !row("crow", &list).contains("default"), "{list}");
    assert!(row("raven", &list).contains("default") && !row("raven", &list).contains("speaks"), "{list}");
    let list = other.told("identity").await;
    assert!(row("raven", &list).contains("speaks for you"), "another client is not concerned: {list}");

    // What it says is signed by the one that was chosen.
    client.send("JOIN #den").await;
    client.send("PRIVMSG #den :caw").await;
    client.sync().await;
    let crow = gateway.handle().post().identities().find("crow").unwrap().key;
    let outgoing = wait_for("what goes out", async || gateway.handle().post().outbox().into_iter().next()).await;
    assert!(format!("{:?}", outgoing.again).contains(&format!("{crow:?}")), "{:?}", outgoing.again);

    let (told, others) = client.both("identity nick Rook").await;
    assert!(told[0].starts_with("others see you as rook"), "{told:?}");
    assert!(others.iter().any(|line| does(line, "crow", "NICK") && line.text() == "rook"), "{others:?}");
    // A nick that another client has is not taken from it.
    let (told, others) = client.both("identity nick other").await;
    assert!(told[0].starts_with("others see you as other"), "{told:?}");
    assert!(others.iter().any(|line| line.text().contains("another client has that nick")), "{others:?}");
    let (told, _) = client.both("identity use default").await;
    assert!(told[0].starts_with("you speak as raven, the default one,"), "{told:?}");
    let told = client.told("identity default other").await;
    assert!(told.starts_with("other speaks for whoever chooses none, and so for you"), "{told}");

    // Nor is that of the node itself.
    client.told("identity new nightjar").await;
    let (told, others) = client.both("identity use nightjar").await;
    assert!(told[0].starts_with("you speak as nightjar"), "{told:?}");
    assert!(of(&others, "NICK").is_empty(), "{others:?}");
    the(&client.ask("NICK nightjar").await, "433");

    for (command, says) in [
        ("identity use nobody-at-all", "no identity of this node is called"),
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
    let ([one, two], [mut alice, mut bob]) = two().await;
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
    let relation = || one.handle().post().who_is(&Who::Key(key.to_string()))[0].relation;
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
    let ([one, two], [mut alice, mut bob]) = two().await;
    alice.send("JOIN #den,&nightjar").await;
    bob.send("JOIN #den").await;
    alice.sync().await;
    bob.sync().await;
    // Another one calls himself bob, and is heard first.
    let three = Gateway::start(&[]).await;
    let mut other = three.plain("other").await;
    other.told(&format!("connect {}", one.handle().about().listen)).await;
    other.told_at_last("peers", |told| told.contains(" chat")).await;
    other.told("identity new bob").await;
    other.send("PRIVMSG #den :first").await;
    alice.listed("#den", |nick| nick == "bob").await;
    bob.send("PRIVMSG #den :second").await;
    alice.listed("#den", |nick| nick.starts_with("bob~")).await;
    bob.send("PRIVMSG alice :it is me").await;
    let notice = alice.first("a notice", |line| line.text().contains("asks to talk to you")).await;
    assert!(is_told(&notice, "PRIVMSG", "&nightjar"), "{notice:?}");
    let nick = notice.text().split(' ').next().unwrap();
    assert!(nick.starts_with("bob~"), "{notice:?}");
    let told = alice.told(&format!("accept {nick}")).await;
    assert!(told.starts_with("bob, key ~") && told.contains("is a contact now"), "{told}");
    one.stop().await;
    two.stop().await;
    three.stop().await;
}

#[tokio::test]
async fn what_is_ignored_is_not_read_until_it_is_read_again() {
    let ([one, two], [mut alice, mut bob]) = two().await;
    alice.ask("JOIN #den").await;
    bob.send("JOIN #den").await;
    bob.send("PRIVMSG #den :first").await;
    alice.hears("first").await;
    assert!(alice.told("ignore word airdrop*").await.starts_with("what has word airdrop* in it is not read"));
    assert!(alice.told("ignore word airdrop*").await.contains("already"));
    bob.send("PRIVMSG #den :airdrops for all").await;
    bob.send("PRIVMSG #den :second").await;
    let line = alice.first("the second", |line| line.is("PRIVMSG") && line.param(0) == "#den").await;
    assert_eq!(line.text(), "second");
    assert!(alice.told("ignored").await.contains("word airdrop*"));
    assert!(alice.told("unignore word airdrop*").await.contains("read again"));

    let told = alice.told("ignore bob").await;
    assert!(told.starts_with("what bob, key ~"), "{told}");
    bob.send("PRIVMSG #den :third").await;
    let counted = async || (one.handle().post().counters().declined > 0).then_some(());
    wait_for("what is not read", counted).await;
    assert!(alice.sync().await.iter().all(|line| !line.raw.contains("third")));
    assert!(alice.told("unignore bob").await.contains("a stranger's again"));
    bob.send("PRIVMSG #den :fourth").await;
    alice.hears("fourth").await;

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
    let ([one, two], [mut alice, mut bob]) = two().await;
    alice.ask("JOIN #den").await;
    assert!(alice.told("presence").await.starts_with("presence is on"));
    bob.send("PRIVMSG #den :x").await;
    alice.first("bob joins", |line| does(line, "bob", "JOIN")).await;
    let (told, others) = alice.both("presence off").await;
    assert!(told[0].starts_with("presence is off"), "{told:?}");
    let came = if others.is_empty() { alice.sync().await } else { others };
    assert!(came.iter().any(|line| does(line, "bob", "PART")), "{came:?}");
    alice.told("presence on").await;
    alice.sync().await;
    assert!(alice.told("presence perhaps").await.contains("neither on nor off"));
    one.stop().await;
    two.stop().await;
}

#[tokio::test]
async fn a_channel_is_put_under_a_passphrase_left_by_all_and_joined_again() {
    let gateway = Gateway::start(&[]).await;
    let (mut client, mut other) = (gateway.plain("one").await, gateway.plain("other").await);
    let told = client.answers("passphrase #Den").await;
    assert!(told[0].starts_with("#Den is under a passphrase") && told[1].split(' ').count() == 6, "{told:?}");
    let words = told[1].clone();
    assert!(client.told("passphrase #den").await.contains("another passphrase already"));
    other.send("JOIN #den").await;
    other.first("the end of the names", |line| line.is("366")).await;
    let channels = client.told("channels").await;
    let row = channels.lines().find(|line| line.starts_with("#Den")).unwrap();
    assert_eq!(row.split_whitespace().collect::<Vec<_>>(), ["#Den", "yes", "sealed", "alone", "yes", "0"]);

    let (told, others) = client.both("leave #den").await;
    assert!(told[0].contains("the node listens to it no more") && told[1].contains("join #den PASSPHRASE"), "{told:?}");
    assert!(others.iter().any(|line| does(line, "one", "PART")), "{others:?}");
    other.first("the end", |line| does(line, "other", "PART")).await;
    assert_eq!(gateway.handle().listens().await.unwrap(), []);
    assert!(gateway.handle().post().joined().is_empty());
    assert!(client.told("leave #den").await.contains("was not listened to"));
    let (told, _) = other.both("channels").await;
    assert!(told[0].contains("listens to no channel"), "{told:?}");

    let (told, others) = client.both(&format!("join #den {words}")).await;
    assert!(told[0].contains("sealed for those who have the passphrase"), "{told:?}");
    assert!(others.iter().any(|line| does(line, "one", "JOIN")), "{others:?}");
    let told = client.told("join #nest short").await;
    assert!(told.contains("is weak") && told.contains("joinweak #nest PASSPHRASE"), "{told}");
    assert!(client.told("joinweak #nest short").await.contains("sealed for those"));
    assert!(client.told("join #open").await.contains("is joined"));
    gateway.stop().await;
}

#[tokio::test]
async fn what_waits_is_listed_and_taken_back() {
    let gateway = Gateway::start(&[]).await;
    let mut client = gateway.plain("raven").await;
    client.told("identity new raven").await;
    assert!(client.told("outbox").await.contains("nothing waits"));
    for text in ["one", "two", "three"] {
        client.send(&format!("PRIVMSG #den :{text}")).await;
    }
    let told =
        client.told_at_last("outbox", |told| told.lines().filter(|line| line.contains("#den")).count() == 3).await;
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
async fn that_the_last_peer_goes_is_told_and_that_the_first_came_is_not() {
    let two = Gateway::start(&[]).await;
    let one = Gateway::start(&[two.tls()]).await;
    one.linked(1).await;
    // A gateway that begins when the peer is there.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = watch::channel(());
    let (token, token_file) = (one.token.clone(), one.token_file.clone());
    let config = IrcConfig { name: SERVER.to_owned(), presence: true, token, token_file };
    let serving = tokio::spawn(serve(one.handle().clone(), listener, config, stopped));
    let mut alice = Client::enter(address, "alice", "").await;
    alice.ask("JOIN &nightjar").await;
    two.stop().await;
    let told = alice.first("the last peer", |line| line.text().contains(" peer is ")).await;
    assert!(is_told(&told, "PRIVMSG", "&nightjar") && told.text().contains("The last peer is gone"), "{told:?}");
    drop(stop);
    serving.await.unwrap();
    one.stop().await;
}
