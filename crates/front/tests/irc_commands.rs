//! Every command has an answer: what a flood cannot do is refused by the right number, and nothing a client says ends its connection.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs, reason = "a test may fail loudly")]

mod irc_common;

use irc_common::{Client, Gateway, Line, RICH, SERVER, of, the};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};

/// The numbers of some lines.
fn numbers(lines: &[Line]) -> Vec<&str> {
    lines
        .iter()
        .filter(|line| line.command.bytes().all(|byte| byte.is_ascii_digit()))
        .map(|line| &*line.command)
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_has_no_meaning_on_a_flood_is_refused_by_its_number() {
    let gateway = Gateway::start(&[]).await;
    let mut client = gateway.plain("wren").await;
    let _other = gateway.plain("other").await;
    client.ask("JOIN #a").await;
    for (line, wanted) in [
        ("MODE #a", &["324", "329"][..]),
        ("MODE #a b", &["368"]),
        ("MODE #a +b", &["368"]),
        ("MODE #a +e", &["349"]),
        ("MODE #a +I", &["347"]),
        ("MODE #a +b *!*@*", &["482"]),
        ("MODE #a +o wren", &["482"]),
        ("MODE #nosuch", &["403"]),
        ("MODE wren", &["221"]),
        ("MODE other", &["502"]),
        ("MODE wren +x", &["501"]),
        ("KICK #a other", &["482"]),
        ("KICK #nosuch other", &["403"]),
        ("KICK #a", &["461"]),
        ("INVITE", &["347"]),
        ("INVITE other", &["461"]),
        ("INVITE nobody #a", &["401"]),
        ("INVITE wren #a", &["443"]),
        ("INVITE other #a", &["341"]),
        ("INVITE other #nosuch", &["403"]),
        ("OPER a b", &["491"]),
        ("OPER", &["461"]),
        ("KILL other :x", &["481"]),
        ("WALLOPS :x", &["481"]),
        ("REHASH", &["481"]),
        ("DIE", &["481"]),
        ("RESTART", &["481"]),
        ("SQUIT x :y", &["481"]),
        ("CONNECT x", &["481"]),
        ("TOPIC #a", &["331"]),
        ("TOPIC #nosuch", &["403"]),
        ("LUSERS", &["251", "252", "253", "254", "255", "265", "266"]),
        ("AWAY :gone", &["306"]),
        ("AWAY", &["305"]),
        ("USERS", &["446"]),
        ("SUMMON x", &["445"]),
        ("SERVLIST", &["235"]),
        ("LINKS", &["364", "365"]),
        ("STATS", &["242", "219"]),
        ("STATS x", &["219"]),
        ("TIME", &["391"]),
        ("TIME other.server", &["402"]),
        ("ADMIN", &["256", "257", "258", "259"]),
        ("MOTD *.irc", &["375"]),
        ("WHOWAS nobody", &["406", "369"]),
        ("WHO nobody", &["315"]),
        ("NAMES", &["366"]),
        ("NAMES #nosuch", &["366"]),
        ("JOIN &other", &["403"]),
        ("JOIN nochannel", &["403"]),
        ("JOIN #", &["403"]),
        ("PART #nosuch", &["403"]),
        ("JOIN", &["461"]),
        ("NOSUCHCOMMAND", &["421"]),
        ("HELP nosuch", &["524"]),
        ("PRIVMSG #a", &["412"]),
        ("TAGMSG #a", &["421"]),
        ("USER a b c d", &["462"]),
    ] {
        let lines = client.ask(line).await;
        let numbers = numbers(&lines);
        assert!(numbers.starts_with(wanted), "{line}: {wanted:?}, and not {lines:#?}");
        let numbered = lines.iter().filter(|line| line.command.bytes().all(|byte| byte.is_ascii_digit()));
        assert!(numbered.into_iter().all(|line| line.source == SERVER && line.param(0) == "wren"), "{lines:#?}");
    }
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn topics_and_absences_are_for_the_clients_here() {
    let gateway = Gateway::start(&[]).await;
    let mut one = gateway.rich("one").await;
    let mut other = gateway.rich("other").await;
    one.ask("JOIN #a").await;
    other.ask("JOIN #a").await;
    one.ask("TOPIC #a :what it is about\r\nAWAY :at lunch\r\nSETNAME :A New Name").await;
    let lines = other.sync().await;
    assert_eq!(the(&lines, "TOPIC").text(), "what it is about");
    assert_eq!(the(&lines, "AWAY").text(), "at lunch");
    assert_eq!(the(&lines, "SETNAME").text(), "A New Name");
    let lines = other.ask("PRIVMSG one :there?").await;
    assert_eq!(the(&lines, "301").text(), "at lunch");
    assert_eq!(the(&other.ask("TOPIC #a").await, "332").text(), "what it is about");
    let who = other.ask("WHO #a").await;
    let away = of(&who, "352").into_iter().find(|line| line.param(5) == "one").unwrap().clone();
    assert_eq!((away.param(6), away.text()), ("G", "0 A New Name"));
    let mut third = gateway.plain("third").await;
    let lines = third.ask("JOIN #a").await;
    assert_eq!(the(&lines, "332").text(), "what it is about");
    one.ask("AWAY").await;
    assert!(the(&other.sync().await, "AWAY").params.is_empty());
    third.ask("TOPIC #b :x\r\nPART #a").await;
    the(&third.ask("TOPIC #a :y").await, "442");
    gateway.stop().await;
}

/// It ends the connection.
const NOT_TRIED: [&str; 1] = ["QUIT"];

/// What is answered by nothing, by the rules of IRC or because it did what it says and that is no news for the one who said it.
fn may_be_silent(command: &str, params: &[String]) -> bool {
    match command {
        // An answer itself.
        "PONG" => true,
        // It ends the agreement, or there was none.
        "CAP" => params.first().is_some_and(|what| what.eq_ignore_ascii_case("END")),
        // It goes its way; who wants to see it again asks for echo-message, and who wants to know for labeled-response.
        "PRIVMSG" | "NOTICE" => params.len() >= 2,
        "TAGMSG" => !params.is_empty(),
        // Half of one is to come.
        "BATCH" => params.first().is_some_and(|name| name.starts_with('+')),
        // Nothing changes by it.
        "NICK" => !params.is_empty(),
        "JOIN" | "TOPIC" | "SETNAME" => !params.is_empty(),
        "MODE" => params.first().is_some_and(|nick| !nick.starts_with('#')) && params.len() > 1,
        _ => false,
    }
}

fn param() -> impl Strategy<Value = String> {
    let good = prop::sample::select(vec![
        "wren",
        "other",
        "WREN",
        "nobody",
        "#a",
        "#b",
        "#A",
        "&nightjar",
        "nightjar",
        "*",
        "",
        "+",
        "-",
        "0",
        "1",
        "302",
        "4294967296",
        "PLAIN",
        "LS",
        "LIST",
        "REQ",
        "END",
        "+b",
        "+o",
        "LATEST",
        "BEFORE",
        "AROUND",
        "TARGETS",
        "timestamp=2026-01-01T00:00:00.000Z",
        "msgid=00112233445566778899aabbccddeeff",
        "#a,#b,#c",
        ",,,",
        "wren,other",
        "nightjar.irc",
        "*.irc",
        "draft/multiline",
        "+x",
        "-x",
        "žluťoučký",
        "#žluťoučký",
        "👩\u{200d}🔬",
        "1234-44",
        "86646-64",
        "key~00112233",
        "a!b@c",
        "\u{1}VERSION\u{1}",
        "status",
        "help",
    ]);
    let long = prop::sample::select(vec!["x".repeat(100), "#".repeat(70), "ü".repeat(60), "a,".repeat(40)]);
    prop_oneof![8 => good.prop_map(str::to_owned), 1 => long, 1 => "[^\r\n\0 :][^\r\n\0 ]{0,20}"]
}

/// A line of a command, as it goes over the wire.
fn line(command: &str, params: &[String]) -> String {
    let mut line = command.to_owned();
    for (at, param) in params.iter().enumerate() {
        let is_last = at + 1 == params.len();
        match (is_last, param.is_empty() || param.starts_with(':')) {
            (true, _) => line.push_str(&format!(" :{param}")),
            // Only the last one may be empty.
            (false, true) => line.push_str(" *"),
            (false, false) => line.push_str(&format!(" {param}")),
        }
    }
    line
}

/// The commands that there are, by what HELP says.
async fn commands(client: &mut Client) -> Vec<String> {
    let lines = client.ask("HELP").await;
    let names = of(&lines, "705").into_iter().map(|line| line.text().split([' ', ':']).next().unwrap().to_owned());
    let names: Vec<String> = names.collect();
    assert!(
        names.len() > 40 && names.iter().all(|name| name.bytes().all(|byte| byte.is_ascii_uppercase())),
        "{names:?}"
    );
    names
}

#[test]
fn every_command_with_any_parameters_is_answered_and_ends_nothing() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let (gateway, client, commands) = runtime.block_on(async {
        let gateway = Gateway::start(&[]).await;
        let caps = format!("{RICH} draft/chathistory draft/read-marker");
        let mut client = Client::enter(gateway.address, "wren", &caps).await;
        let commands = commands(&mut client).await;
        (gateway, client, commands)
    });
    let is_meant = |command: &String| !NOT_TRIED.contains(&command.as_str());
    let commands: Vec<String> = commands.into_iter().filter(is_meant).collect();
    let asked = (prop::sample::select(commands), prop::collection::vec(param(), 0..5));
    let client = tokio::sync::Mutex::new(client);
    let mut runner =
        TestRunner::new(Config { cases: 1_500, failure_persistence: None, max_shrink_iters: 100, ..Config::default() });
    let run = runner.run(&asked, |(command, params)| {
        runtime.block_on(async {
            let mut client = client.lock().await;
            // A batch that an earlier case left open, and a nick that it took.
            client.ask("BATCH -x\r\nBATCH -\r\nNICK wren\r\nJOIN #a").await;
            let line = line(&command, &params);
            let lines = client.ask(&line).await;
            let told = lines.iter().filter(|line| !line.is("WARN") || !line.text().contains("outbox"));
            let is_silent = told.count() == 0;
            if is_silent && !may_be_silent(&command, &params) {
                return Err(TestCaseError::fail(format!("nothing was answered to {line:?}")));
            }
            Ok(())
        })
    });
    if let Err(error) = run {
        panic!("{error}");
    }
    runtime.block_on(gateway.stop());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_line_is_refused_and_the_client_stays() {
    let gateway = Gateway::start(&[]).await;
    let mut client = gateway.plain("wren").await;
    client.send_bytes(b"PRIVMSG #a :\xff\xfe\r\n").await;
    assert_eq!(the(&client.sync().await, "FAIL").params[..2], ["*", "INVALID_UTF8"]);
    client.send_bytes(b"PRIVMSG #a :nul\0\r\n").await;
    assert!(!client.sync().await.is_empty());
    the(&client.ask(&format!("PRIVMSG #a :{}", "x".repeat(600))).await, "417");
    the(&client.ask(&format!("@+x={} PRIVMSG #a :x", "y".repeat(5_000))).await, "417");
    client.send_bytes(b"@only-tags\r\n").await;
    assert!(!client.sync().await.is_empty());
    client.send_bytes(b"\r\n\n\r\n   \r\n").await;
    assert!(client.sync().await.is_empty());
    // LF alone ends a line as well, as telnet and some clients send it.
    client.send_bytes(b"PING one\nPING two\n").await;
    assert_eq!(of(&client.sync().await, "PONG").len(), 2);
    gateway.stop().await;
}
