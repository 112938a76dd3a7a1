//! Who is speaking: nodes that are processes of their own, the double of a daemon beside them, and a peer that forges.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs, reason = "a test may fail loudly")]
#![cfg(unix)]

mod common;

use std::io::Write as _;
use std::net::SocketAddr;
use std::process::{Child, Output, Stdio};

use common::{Lines, Node, complaint, signal, until};
use nightjar_core::chain::Network;
use nightjar_core::name::TypedName;
use nightjar_core::record::{Record, Target};
use nightjar_node::foreign::{LiteralPeer, WalletAccount, WalletDaemon};
use nightjar_pasc::key::{Curve, PrivateKey};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::runtime::Runtime;

const ACCOUNT: u32 = 1234;
const ANYWHERE: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);

fn key(number: u8) -> PrivateKey {
    PrivateKey::random(Curve::Secp256k1, &mut ChaCha20Rng::from_seed([number; 32])).unwrap()
}

fn target(name: &str) -> Target {
    name.parse::<TypedName>().unwrap().name().target()
}

/// What lives in the test's own process.
struct Stage {
    runtime: Runtime,
    dirs: Vec<TempDir>,
}

impl Stage {
    fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        Self { runtime, dirs: Vec::new() }
    }

    /// A node that is linked to these.
    fn node(&mut self, links: &[&Node], flags: &[&str]) -> Node {
        self.dirs.push(tempfile::tempdir().unwrap());
        let addresses: Vec<String> = links.iter().map(|node| node.listen()).collect();
        let connect = addresses.iter().flat_map(|address| ["--connect", address]);
        let flags: Vec<&str> = connect.chain(flags.iter().copied()).collect();
        let node = Node::start(self.dirs.last().unwrap().path(), &flags);
        node.until_linked(links.len());
        node
    }

    /// A daemon whose wallet holds the key of the account.
    fn wallet(&self) -> WalletDaemon {
        let daemon = self.runtime.block_on(WalletDaemon::bind(ANYWHERE)).unwrap();
        daemon.advance(1000);
        daemon.put_account(ACCOUNT, WalletAccount::new(key(1).public_key()));
        daemon.add_key(key(1));
        daemon
    }

    /// A neighbour that knows PIP-0038's text and nothing else.
    fn literal(&self, neighbour: &Node) -> LiteralPeer {
        let peer = self.runtime.block_on(LiteralPeer::bind(ANYWHERE, Network::Main)).unwrap();
        self.runtime.block_on(peer.dial(neighbour.listen().parse().unwrap())).unwrap();
        until("the literal peer has a neighbour", || peer.counters().connected == 1);
        peer
    }
}

/// Its first record says that it takes records.
fn says_hello(peer: &LiteralPeer, node: &Node) {
    let links = || node.http_call("getconnections", &json!({}));
    let carries = || links().as_array().unwrap().iter().filter(|link| link["carries"] == "records").count();
    let before = carries();
    peer.send(Target([7; 16]), b"here I am");
    until("it takes records", || carries() > before);
}

/// `nightjar listen`, which shows what comes from now on.
fn listens(node: &Node, names: &[&str]) -> (Child, Lines) {
    let before = node.http_call("nodestatus", &json!({}))["listens"].as_u64().unwrap();
    let mut child = node.command(&["listen"]).args(names).stdout(Stdio::piped()).spawn().unwrap();
    let lines = Lines::of(&mut child);
    until("it listens", || node.http_call("nodestatus", &json!({}))["listens"].as_u64() > Some(before));
    (child, lines)
}

/// A command that reads this line from stdin.
fn asked(node: &Node, args: &[&str], line: &str) -> Output {
    let mut child = node.command(args);
    let mut child = child.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    writeln!(child.stdin.take().unwrap(), "{line}").unwrap();
    common::output(child)
}

/// Waits until the node knows one person by this nick, whose key it is.
fn knows(node: &Node, nick: &str) -> String {
    let who = || node.http_call("whois", &json!({ "who": nick }));
    until("his card was heard", || who().as_array().unwrap().len() == 1);
    who()[0]["key"].as_str().unwrap().to_owned()
}

/// What stands behind time and name in a line of `listen`.
fn said(line: &str) -> &str {
    line.splitn(3, "  ").nth(2).unwrap()
}

#[test]
fn a_proven_message_keeps_its_mark_and_after_the_sale_the_next_one_is_lapsed() {
    let mut stage = Stage::new();
    let (hers, his) = (stage.wallet(), stage.wallet());
    let alice = stage.node(&[], &["--daemon", &hers.address().to_string()]);
    let bob = stage.node(&[&alice], &["--daemon", &his.address().to_string()]);
    let made = alice.does(&["identity", "new", "Nightraven"]);
    assert!(made.contains("nightraven"), "{made}");
    let proved = alice.does(&["identity", "prove", "1234-44"]);
    assert!(proved.contains("1234-44"), "{proved}");

    let (listen, lines) = listens(&bob, &["#market"]);
    let author = alice.http_call("sendmessage", &json!({ "name": "#market", "text": "mine" }))["author"].clone();
    let short = &author.as_str().unwrap()[..12].to_owned();
    // The first line may be faster than the card, the proof and the daemon; in the end it is proven.
    assert!(lines.next().ends_with(": mine"));
    let states = |count: usize| {
        let messages = bob.until_messages(count);
        messages.iter().map(|it| (it["state"].clone(), it.get("state_now").cloned())).collect::<Vec<_>>()
    };
    until("it is proven", || states(1) == [(json!("proven"), None)]);
    alice.does(&["send", "#market", "still mine"]);
    assert_eq!(said(&lines.next()), "nightraven 1234-44: still mine");
    let who = bob.does(&["whois", "1234-44"]);
    assert!(who.contains("nightraven") && who.contains("proven"), "{who}");
    assert_eq!(bob.messages()[1]["account"], "1234-44");

    his.sell(ACCOUNT, key(2).public_key());
    let lapsed = (json!("proven"), Some(json!("lapsed")));
    until("the sale is seen", || states(2) == [lapsed.clone(), lapsed.clone()]);
    alice.does(&["send", "#market", "is it?"]);
    assert_eq!(said(&lines.next()), format!("nightraven~{short} (1234-44 lapsed): is it?"));
    assert_eq!(states(3)[2], (json!("lapsed"), None));
    assert!(bob.does(&["whois", "@nightraven"]).contains("lapsed"));
    signal(&listen, "INT");
    common::output(listen);
}

#[test]
fn a_locked_wallet_is_told_and_is_locked_again_after_the_one_call() {
    let mut stage = Stage::new();
    let daemon = stage.wallet();
    daemon.lock_with("sesame");
    let alice = stage.node(&[], &["--daemon", &daemon.address().to_string()]);
    alice.does(&["identity", "new", "nightraven"]);
    let refused = alice.command(&["identity", "prove", "1234-44"]).output().unwrap();
    assert_eq!(refused.status.code(), Some(4), "{refused:?}");
    assert!(complaint(&refused).contains("unlock"), "{refused:?}");
    let wrong = asked(&alice, &["identity", "prove", "1234-44", "--unlock"], "open up");
    assert_eq!(wrong.status.code(), Some(4), "{wrong:?}");
    assert!(complaint(&wrong).contains("password"), "{wrong:?}");
    assert!(daemon.is_locked());
    let right = asked(&alice, &["identity", "prove", "1234-44", "--unlock"], "sesame");
    assert!(right.status.success(), "{right:?}");
    assert!(daemon.is_locked(), "it is locked again");
    let shown = alice.does(&["identity", "show"]);
    assert!(shown.contains("1234-44"), "{shown}");
}

#[test]
fn a_sealed_first_contact_is_a_request_and_its_answer_comes_on_a_target_of_the_two() {
    let mut stage = Stage::new();
    let middle = stage.node(&[], &[]);
    let (alice, bob) = (stage.node(&[&middle], &[]), stage.node(&[&middle], &[]));
    middle.until_linked(2);
    for name in ["alice", "bob"] {
        middle.http_call("listen", &json!({ "name": name }));
    }
    // Who wants to hear of a nick listens to it.
    alice.http_call("listen", &json!({ "name": "bob" }));
    alice.does(&["identity", "new", "alice"]);
    bob.does(&["identity", "new", "bob"]);
    let his = knows(&alice, "bob");
    let (listen, lines) = listens(&bob, &["bob"]);

    let first = alice.does(&["send", "@bob", "are you there?"]);
    assert!(first.contains(&format!("sealed for the chat key {}", &his[..12])), "{first}");
    let line = lines.next();
    assert!(
        said(&line).starts_with("alice~") && said(&line).ends_with(" [sealed] [stranger]: are you there?"),
        "{line}"
    );
    let requests = bob.http_call("requests", &json!({}));
    let hers = requests[0]["key"].as_str().unwrap();
    assert!(bob.does(&["requests"]).contains("alice"));

    // By curl the one way, by command line the other.
    let answer = bob.http_call("sendmessage", &json!({ "key": hers, "text": "yes" }));
    assert_eq!(answer["sealed"], "chatkey");
    assert_eq!(bob.http_call("requests", &json!({})), json!([]));
    let hears = |node: &Node, text: &str| {
        until("it is heard", || {
            node.messages().iter().any(|message| message["text"] == text && message["own"] == false)
        });
        node.messages().into_iter().find(|message| message["text"] == text).unwrap()
    };
    let heard = hears(&alice, "yes");
    assert_eq!((&heard["sealed"], &heard["author"]), (&json!("chatkey"), &json!(his)));
    assert!(heard.get("request").is_none_or(|request| request == false), "{heard}");
    let targets = [target("alice"), target("bob")].map(|target| json!(target.to_string()));
    assert!(!targets.contains(&answer["target"]), "{answer}");
    let second = alice.http_call("sendmessage", &json!({ "name": "bob", "text": "good" }));
    assert!(!targets.contains(&second["target"]), "{second}");
    hears(&bob, "good");

    bob.does(&["requests", "decline", hers]);
    assert!(bob.does(&["whois", "alice"]).contains("declined"));
    let nobody = "8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c";
    for args in [&["requests", "decline", nobody][..], &["requests", "accept", nobody, "--json"]] {
        let output = bob.command(args).output().unwrap();
        assert_eq!(output.status.code(), Some(4), "{output:?}");
        assert!(complaint(&output).contains("nothing is changed"), "{output:?}");
    }

    bob.does(&["ignore", "word:Airdrop*"]);
    bob.does(&["ignore", "@magpie"]);
    let ignored = format!("~{hers}\n@magpie\nword:airdrop*\n");
    assert_eq!(bob.does(&["ignore"]), ignored);
    let list = stage.dirs[0].path().join("ignored");
    let list = list.to_str().unwrap();
    bob.does(&["ignore", "--export", list]);
    assert_eq!(bob.does(&["ignore", &format!("~{}", &hers[..12]), "--remove"]), format!("~{hers} is read again\n"));
    bob.does(&["ignore", "@magpie", "--remove"]);
    assert_eq!(bob.does(&["ignore", "--import", list]), "2 entries added\n");
    assert_eq!(bob.does(&["ignore", "--export", "-"]), ignored);

    // The node in between listened to both nicks: it has nothing, neither in its log nor among its requests.
    assert!(middle.messages().is_empty());
    assert_eq!(middle.http_call("requests", &json!({})), json!([]));
    signal(&listen, "INT");
    common::output(listen);
}

#[test]
fn a_name_means_whom_it_was_sealed_to_until_another_is_named_by_his_digits() {
    let mut stage = Stage::new();
    let alice = stage.node(&[], &[]);
    let (bob, eve) = (stage.node(&[&alice], &[]), stage.node(&[&alice], &[]));
    alice.http_call("listen", &json!({ "name": "raven" }));
    alice.does(&["identity", "new", "alice"]);
    bob.does(&["identity", "new", "raven"]);
    let his = knows(&alice, "raven");
    alice.does(&["send", "@raven", "hello"]);
    eve.does(&["identity", "new", "raven"]);
    let called = || alice.http_call("whois", &json!({ "who": "raven" })).as_array().unwrap().clone();
    until("both go by it", || called().len() == 2);
    let hers = called().into_iter().map(|it| it["key"].as_str().unwrap().to_owned()).find(|key| *key != his).unwrap();

    let (his, hers) = (&his[..12], &hers[..12]);
    let sent = alice.command(&["send", "@raven", "still you?"]).output().unwrap();
    let line = String::from_utf8(sent.stdout.clone()).unwrap();
    assert!(line.contains(&format!("sealed for the chat key {his}")), "{sent:?}");
    let note = String::from_utf8(sent.stderr).unwrap();
    assert_eq!(note, format!("nightjar: raven is ~{his} here, as before; another, ~{hers}, goes by raven now\n"));
    let moved = alice.command(&["send", &format!("raven~{hers}"), "or you?"]).output().unwrap();
    assert!(String::from_utf8(moved.stdout).unwrap().contains(&format!("sealed for the chat key {hers}")));
    let note = String::from_utf8(moved.stderr).unwrap();
    assert_eq!(note, format!("nightjar: raven is ~{hers} here from now on, and was ~{his}\n"));
    assert!(alice.does(&["send", "raven", "you"]).contains(&format!("sealed for the chat key {hers}")));
}

#[test]
fn a_key_that_is_handed_over_goes_on_as_the_other_for_whoever_hears_it() {
    let mut stage = Stage::new();
    let daemon = stage.wallet();
    let alice = stage.node(&[], &["--daemon", &daemon.address().to_string()]);
    let bob = stage.node(&[&alice], &[]);
    bob.http_call("listen", &json!({ "name": "raven" }));
    alice.does(&["identity", "new", "raven"]);
    alice.does(&["identity", "prove", "1234-44"]);
    bob.does(&["identity", "new", "bob"]);
    let old = knows(&bob, "raven");
    bob.does(&["send", "@raven", "hello"]);
    let (listen, lines) = listens(&bob, &["raven"]);
    let heir = alice.http_call("identitynew", &json!({ "nick": "crow" }))["key"].as_str().unwrap().to_owned();
    let (old, heir) = (&old[..12], &heir[..12]);

    let hasty = alice.command(&["identity", "handover", "raven", "crow"]).output().unwrap();
    assert_eq!(hasty.status.code(), Some(2), "{hasty:?}");
    assert!(complaint(&hasty).contains("--yes"), "{hasty:?}");
    let refused = alice.command(&["identity", "handover", "raven", "raven", "--yes"]).output().unwrap();
    assert!(complaint(&refused).contains("cannot replace itself"), "{refused:?}");
    let done = alice.command(&["identity", "handover", "raven", "crow", "--yes"]).output().unwrap();
    let line = String::from_utf8(done.stdout).unwrap();
    assert!(line.starts_with(&format!("{old} goes on as ~{heir}; others are told")), "{line}");
    let note = String::from_utf8(done.stderr).unwrap();
    assert!(note.contains(&format!("`identity prove 1234-44 --identity {heir}`")), "{note}");
    let list = alice.does(&["identity", "list"]);
    assert!(list.contains(&format!("goes on as ~{heir}")) && list.contains("default"), "{list}");

    assert_eq!(said(&lines.next()), format!("raven~{old} [hand-over]: goes on as ~{heir}"));
    let messages = bob.messages();
    let told = messages.iter().find(|message| message["kind"] == "handover").unwrap();
    assert!(told["heir"].as_str().unwrap().starts_with(heir), "{told}");
    assert!(bob.does(&["send", "@raven", "and now?"]).contains(&format!("sealed for the chat key {heir}")));
    assert!(lines.next().ends_with("(you) [sealed]: and now?"), "what goes on is shown as before");
    let who = bob.does(&["whois", "@raven"]);
    assert!(who.contains(&format!("goes on as  ~{heir}")) && who.matches("key  ").count() == 2, "{who}");
    signal(&listen, "INT");
    common::output(listen);
}

#[test]
fn an_account_that_was_sealed_to_and_sold_is_written_to_no_more_without_a_word() {
    let mut stage = Stage::new();
    let (hers, his) = (stage.wallet(), stage.wallet());
    let alice = stage.node(&[], &["--daemon", &hers.address().to_string()]);
    let bob = stage.node(&[&alice], &["--daemon", &his.address().to_string()]);
    bob.http_call("listen", &json!({ "name": "1234" }));
    alice.does(&["identity", "new", "nightraven"]);
    alice.does(&["identity", "prove", "1234-44"]);
    bob.does(&["identity", "new", "bob"]);
    let state = || bob.http_call("whois", &json!({ "who": "1234" }))[0]["state"].clone();
    until("her key is proven", || state() == "proven");
    let sent = bob.http_call("sendmessage", &json!({ "name": "1234", "text": "hello" }));
    assert_eq!((&sent["sealed"], &sent["to_state"]), (&json!("chatkey"), &json!("proven")));

    his.sell(ACCOUNT, key(2).public_key());
    until("the sale is seen", || state() == "lapsed");
    let hers = &sent["to"].as_str().unwrap()[..12];
    for seal in [&["--seal", "chatkey"][..], &[]] {
        let refused = bob.command(&["send", "1234-44", "still you?"]).args(seal).output().unwrap();
        let complaint = complaint(&refused);
        assert!(complaint.contains(&format!("1234-44 is ~{hers} here")) && complaint.contains("lapsed"), "{complaint}");
        assert!(complaint.contains("`1234-44~DIGITS`"), "{complaint}");
    }
    let to_her = bob.does(&["send", &format!("1234-44~{hers}"), "you at least"]);
    assert!(to_her.contains(&format!("sealed for the chat key {hers} (lapsed)")), "{to_her}");
    assert!(bob.does(&["send", "1234", "who is it?", "--seal", "none"]).contains("readable by everybody"));
}

#[test]
fn what_is_sealed_to_an_account_opens_in_its_owners_wallet() {
    let mut stage = Stage::new();
    let daemon = stage.wallet();
    let alice = stage.node(&[], &["--daemon", &daemon.address().to_string()]);
    let peer = stage.literal(&alice);
    says_hello(&peer, &alice);
    peer.listen(target("1234"));
    let sent = alice.does(&["send", "1234-44", "Gruß an den Besitzer"]);
    assert!(sent.contains("sealed") && sent.contains("account"), "{sent}");
    until("the record is out", || !peer.delivered().is_empty());
    let record = peer.delivered().remove(0);
    let (form, sealed) = record.body().split_first().unwrap();
    assert_eq!(*form, 6);
    let opened = payload_decrypt(&daemon, sealed);
    // The text beside it is shown as the daemon shows UTF-8.
    let hex: String = "Gruß an den Besitzer".bytes().map(|byte| format!("{byte:02X}")).collect();
    assert_eq!(opened["unenc_hexpayload"], hex, "{opened}");
    assert_eq!(opened["payload_method"], "key");

    // Without a chain to look at it cannot be sealed, which is said before anything goes.
    let lonely = stage.node(&[], &[]);
    let refused = lonely.command(&["send", "1234-44", "x", "--seal", "dest"]).output().unwrap();
    assert!(!refused.status.success(), "{refused:?}");
    complaint(&refused);
}

/// What the wallet makes of a payload, asked as its user would with curl.
fn payload_decrypt(daemon: &WalletDaemon, sealed: &[u8]) -> Value {
    use std::io::Read as _;
    let digits: String = sealed.iter().map(|byte| format!("{byte:02X}")).collect();
    let body =
        json!({ "jsonrpc": "2.0", "method": "payloaddecrypt", "params": { "payload": digits, "pwds": [] }, "id": 1 });
    let body = body.to_string();
    let mut stream = std::net::TcpStream::connect(daemon.address()).unwrap();
    let length = body.len();
    write!(stream, "POST / HTTP/1.1\r\nHost: wallet\r\nContent-Length: {length}\r\n\r\n{body}").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let answer: Value = serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap();
    answer["result"].clone()
}

#[test]
fn of_a_passphrase_channel_a_third_node_sees_records_and_nothing_else() {
    let mut stage = Stage::new();
    let middle = stage.node(&[], &[]);
    let (alice, bob) = (stage.node(&[&middle], &[]), stage.node(&[&middle], &[]));
    middle.until_linked(2);
    middle.http_call("listen", &json!({ "name": "#den" }));
    let peer = stage.literal(&middle);
    says_hello(&peer, &middle);
    peer.listen(target("#den"));

    let weak = alice.command(&["join", "#den", "--passphrase=raven"]).output().unwrap();
    assert!(complaint(&weak).contains("`weak`"), "{weak:?}");
    // A phrase that got lost on the way is not replaced by one that nobody else has.
    let empty = alice.command(&["join", "#den", "--passphrase="]).output().unwrap();
    assert!(complaint(&empty).contains("is empty"), "{empty:?}");
    let words = alice.does(&["join", "#den", "--passphrase"]);
    let phrase = six_words(&words);
    assert_eq!(phrase.split_whitespace().count(), 6, "{words}");
    let joined = asked(&bob, &["join", "#den", "--passphrase=-"], &phrase);
    assert!(joined.status.success(), "{joined:?}");
    let (listen, lines) = listens(&bob, &["#den"]);
    alice.does(&["identity", "new", "alice"]);
    let sent = alice.does(&["send", "#den", "only for us"]);
    assert!(sent.contains("sealed"), "{sent}");
    let line = lines.next();
    assert!(said(&line).ends_with(" [sealed]: only for us"), "{line}");
    let plain = alice.command(&["send", "#den", "for all", "--plain"]).output().unwrap();
    assert!(String::from_utf8(plain.stdout).unwrap().ends_with(", readable by everybody\n"));
    assert!(String::from_utf8(plain.stderr).unwrap().contains("does not hear that"));
    let texts = || middle.messages().iter().map(|it| it["text"].clone()).collect::<Vec<_>>();
    until("it is heard in the open", || texts() == ["for all"]);
    // Password and text come one after the other.
    assert!(asked(&bob, &["join", "#open", "--password"], "open sesame").status.success());
    let (listen_open, lines) = listens(&bob, &["#open"]);
    let sent = asked(&alice, &["send", "#open", "-", "--seal", "aes"], "open sesame\nfrom a pipe");
    assert!(sent.status.success(), "{sent:?}");
    let line = lines.next();
    assert!(said(&line).ends_with(" [sealed, not authenticated]: from a pipe"), "{line}");
    signal(&listen_open, "INT");
    common::output(listen_open);
    // Who knows the name alone has relayed the record, as its neighbour has, and that is all.
    until("it has passed the middle", || peer.counters().received >= 1);
    assert_eq!(texts(), ["for all"]);
    until("nor has the peer more", || peer.delivered().len() == 1);
    alice.does(&["part", "#den"]);
    let refused = alice.command(&["send", "#den", "for us"]).output().unwrap();
    assert!(complaint(&refused).contains("`join` it"), "{refused:?}");
    signal(&listen, "INT");
    common::output(listen);
}

/// The six words that `join` made.
fn six_words(said: &str) -> String {
    said.lines().map(str::trim).find(|line| line.split_whitespace().count() == 6).unwrap_or_default().to_owned()
}

#[test]
fn a_text_of_20_kib_comes_whole_although_a_node_on_the_way_falls_silent_and_dies() {
    let mut stage = Stage::new();
    let alice = stage.node(&[], &[]);
    let (left, right) = (stage.node(&[&alice], &[]), stage.node(&[&alice], &[]));
    let bob = stage.node(&[&left, &right], &[]);
    alice.until_linked(2);
    bob.http_call("listen", &json!({ "name": "#long" }));
    // Digits of chance, which no compression makes shorter than half.
    let mut chance = ChaCha20Rng::from_seed([5; 32]);
    let mut digits = [0; 10 * 1024];
    chance.fill_bytes(&mut digits);
    let text: String = digits.iter().map(|byte| format!("{byte:02x}")).collect();
    // What goes this way is lost, and nobody is told.
    left.signal("STOP");
    let send = alice
        .command(&["send", "#long", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut send = send.unwrap();
    send.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let passed = || bob.http_call("nodestatus", &json!({}))["counters"]["received"].as_u64().unwrap_or_default();
    until("some parts have come", || passed() > 10);
    left.signal("KILL");
    let output = common::output(send);
    assert!(output.status.success(), "{output:?}");
    let told = String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
    assert!(told.contains("parts"), "the time it takes is said: {told}");
    let messages = bob.until_messages(1);
    assert_eq!(messages[0]["text"].as_str().unwrap(), text);
    assert_eq!(messages.len(), 1);
}

#[test]
fn forgeries_reach_nobody_and_honest_messages_do() {
    let mut stage = Stage::new();
    let alice = stage.node(&[], &[]);
    let peer = stage.literal(&alice);
    let bob = stage.node(&[&alice], &[]);
    bob.http_call("listen", &json!({ "name": "#a" }));
    alice.does(&["identity", "new", "alice"]);
    says_hello(&peer, &alice);
    peer.listen(target("#a"));
    let sent = alice.http_call("sendmessage", &json!({ "name": "#a", "text": "I owe you nothing" }));
    bob.until_messages(1);
    until("the forger has it", || !peer.delivered().is_empty());
    let true_record = peer.delivered().remove(0);
    let stamp = true_record.stamp().unwrap();

    let mut body = true_record.body().to_vec();
    let place = body.windows(7).position(|window| window == b"nothing").unwrap();
    body[place..place + 7].copy_from_slice(b"a lot!!");
    let forged = Record::dated(target("#a"), &body, stamp.expiry, 1, [1; 8]).unwrap();
    // The same message under another id, and for another name.
    let rewrapped = Record::dated(target("#a"), true_record.body(), stamp.expiry, 1, [2; 8]).unwrap();
    let moved = Record::dated(target("#b"), true_record.body(), stamp.expiry, 1, [3; 8]).unwrap();
    bob.http_call("listen", &json!({ "name": "#b" }));
    for record in [&forged, &rewrapped, &moved] {
        peer.send_record(record);
    }
    let bad = || alice.http_call("nodestatus", &json!({}))["counters"]["bad_signatures"].as_u64().unwrap();
    until("two were refused", || bad() >= 2);
    alice.http_call("sendmessage", &json!({ "name": "#a", "text": "the end" }));
    let messages = bob.until_messages(2);
    let texts: Vec<&str> = messages.iter().map(|message| message["text"].as_str().unwrap()).collect();
    assert_eq!(texts, ["I owe you nothing", "the end"]);
    assert_eq!(messages[0]["id"], sent["id"]);
}
