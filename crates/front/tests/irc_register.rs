//! How clients of IRC come in: in any order, with what they can do, as whom, and who is kept out.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs, reason = "a test may fail loudly")]

mod irc_common;

use base64ct::{Base64, Encoding as _};
use irc_common::{Client, Gateway, Line, of, the};

/// The answer of SASL PLAIN.
fn plain(name: &str, password: &str) -> String {
    let plain = format!("\0{name}\0{password}");
    let mut buffer = vec![0; Base64::encoded_len(plain.as_bytes())];
    Base64::encode(plain.as_bytes(), &mut buffer).unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_is_let_in_whatever_the_order_of_its_first_lines() {
    let gateway = Gateway::start(&[]).await;
    let orders: [&[&str]; 7] = [
        &["NICK", "USER"],
        &["USER", "NICK"],
        &["CAP LS 302", "NICK", "USER", "CAP REQ :server-time", "CAP END"],
        &["CAP LS 302", "CAP REQ :server-time", "CAP END", "USER", "NICK"],
        // irssi.
        &["CAP LS 302", "JOIN :", "CAP REQ :server-time", "CAP END", "NICK", "USER"],
        &["NICK", "CAP REQ :server-time", "USER", "CAP END"],
        &["CAP LIST", "CAP END", "USER", "NICK"],
    ];
    for (number, order) in orders.into_iter().enumerate() {
        let nick = format!("order{number}");
        let mut client = Client::connect(gateway.address).await;
        for line in order {
            match *line {
                "NICK" => client.send(&format!("NICK {nick}")).await,
                "USER" => client.send("USER u 0 * :a real name").await,
                line => client.send(line).await,
            }
        }
        let lines = client.until("the end of the greeting", |line| line.is("376")).await;
        let greeting: Vec<&str> = lines.iter().map(|line| line.command.as_str()).filter(|it| *it < "A").collect();
        let first = greeting.iter().position(|it| *it == "001").unwrap();
        assert_eq!(greeting[first..first + 5], ["001", "002", "003", "004", "005"], "{order:?}");
        assert!(
            lines
                .iter()
                .filter(|line| line.command.as_str() < "A" && !line.is("451"))
                .all(|line| line.param(0) == nick)
        );
        assert!(client.sync().await.iter().all(|line| line.is("NOTICE")), "{order:?}");
    }
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_registration_waits_for_the_end_of_the_capabilities() {
    let gateway = Gateway::start(&[]).await;
    let mut client = Client::connect(gateway.address).await;
    client.send("CAP LS 302\r\nNICK waits\r\nUSER u 0 * :r").await;
    let lines = client.sync().await;
    assert!(of(&lines, "001").is_empty() && the(&lines, "CAP").param(1) == "LS");
    client.send("CAP END").await;
    client.until("the welcome", |line| line.is("001")).await;
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn capabilities_are_listed_asked_for_and_given_back() {
    let gateway = Gateway::start(&[]).await;
    let mut client = Client::connect(gateway.address).await;
    let lines = client.ask("CAP LS").await;
    assert!(!the(&lines, "CAP").text().contains('='));
    let lines = client.ask("CAP LS 302").await;
    let offered = the(&lines, "CAP").text().to_owned();
    assert!(offered.contains("sasl=PLAIN") && offered.contains("cap-notify"), "{offered}");
    let all: Vec<&str> = offered.split(' ').map(|cap| cap.split('=').next().unwrap()).collect();
    let lines = client.ask("CAP REQ :server-time no-such-thing batch").await;
    assert_eq!(the(&lines, "CAP").params, ["*", "NAK", "server-time no-such-thing batch"]);
    let lines = client.ask("CAP LIST").await;
    assert_eq!(the(&lines, "CAP").params, ["*", "LIST", "cap-notify"]);
    let lines = client.ask(&format!("CAP REQ :{}", all.join(" "))).await;
    assert_eq!(the(&lines, "CAP").params, ["*", "ACK", &*all.join(" ")]);
    let lines = client.ask("CAP LIST").await;
    assert_eq!(the(&lines, "CAP").text(), all.join(" "));
    let lines = client.ask("CAP REQ :-batch -cap-notify").await;
    assert_eq!(the(&lines, "CAP").param(1), "ACK");
    let lines = client.ask("CAP LIST").await;
    let left = the(&lines, "CAP").text().to_owned();
    // Who says version 302 has it for good.
    assert!(!left.contains("batch") && left.contains("cap-notify"), "{left}");
    let lines = client.ask("CAP WHAT").await;
    assert_eq!(the(&lines, "410").param(1), "WHAT");
    let lines = client.ask("CAP").await;
    assert_eq!(the(&lines, "461").param(1), "CAP");
    gateway.stop().await;
}

/// Says these lines and then who it is; gives what is answered up to the end of the greeting, or of the connection.
async fn come_in(gateway: &Gateway, first: &[String], nick: &str) -> (Client, Vec<Line>) {
    let mut client = Client::connect(gateway.address).await;
    for line in first {
        client.send(line).await;
    }
    client.send(&format!("NICK {nick}\r\nUSER u 0 * :r\r\nCAP END")).await;
    let mut lines = Vec::new();
    while let Some(line) = client.line().await {
        let is_last = line.is("376");
        lines.push(line);
        if is_last {
            break;
        }
    }
    (client, lines)
}

/// Who speaks for a client, by what WHOIS says.
async fn speaks(client: &mut Client, nick: &str) -> String {
    let lines = client.ask(&format!("WHOIS {nick}")).await;
    lines.iter().find(|line| line.text().contains("speaks")).unwrap_or_else(|| panic!("{lines:#?}")).text().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_token_lets_in_and_says_as_which_identity() {
    let gateway = Gateway::start(&[]).await;
    let first = gateway.identity("raven").await;
    let second = gateway.identity("jackdaw").await;
    let token = &gateway.token;
    for (number, (said, speaker)) in [
        (format!("PASS {token}"), first),
        (format!("PASS :{token}"), first),
        (format!("PASS raven:{token}"), first),
        (format!("PASS jackdaw:{token}"), second),
    ]
    .into_iter()
    .enumerate()
    {
        let nick = format!("pass{number}");
        let (mut client, lines) = come_in(&gateway, &[said], &nick).await;
        let nick = the(&lines, "001").param(0).to_owned();
        assert!(speaks(&mut client, &nick).await.contains(&speaker.to_string()));
    }
    for (number, (name, password, speaker)) in [
        ("raven".to_owned(), token.clone(), first),
        ("jackdaw".to_owned(), token.clone(), second),
        ("anything".to_owned(), format!("jackdaw:{token}"), second),
    ]
    .into_iter()
    .enumerate()
    {
        let sasl = [
            "CAP REQ :sasl".to_owned(),
            "AUTHENTICATE PLAIN".to_owned(),
            format!("AUTHENTICATE {}", plain(&name, &password)),
        ];
        let (mut client, lines) = come_in(&gateway, &sasl, &format!("sasl{number}")).await;
        assert_eq!(the(&lines, "AUTHENTICATE").params, ["+"]);
        the(&lines, "900");
        the(&lines, "903");
        let nick = the(&lines, "001").param(0).to_owned();
        assert!(speaks(&mut client, &nick).await.contains(&speaker.to_string()));
        let lines = client.ask("AUTHENTICATE PLAIN").await;
        the(&lines, "907");
    }
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_shows_a_wrong_token_is_told_where_the_right_one_stands_and_let_go() {
    let gateway = Gateway::start(&[]).await;
    gateway.identity("raven").await;
    let token = gateway.token.clone();
    let sasl = |name: &str, password: &str| {
        vec![
            "CAP REQ :sasl".to_owned(),
            "AUTHENTICATE PLAIN".to_owned(),
            format!("AUTHENTICATE {}", plain(name, password)),
        ]
    };
    let wrong_token = [
        vec!["PASS wrong".to_owned()],
        vec![format!("PASS raven:{}", &token[1..])],
        vec!["PASS :".to_owned()],
        sasl("raven", "wrong"),
        sasl("raven", &format!("{token}0")),
    ];
    let wrong_identity = [vec![format!("PASS nobody:{token}")], sasl("x", &format!("nobody:{token}"))];
    for (said, is_token) in
        wrong_token.into_iter().map(|it| (it, true)).chain(wrong_identity.into_iter().map(|it| (it, false)))
    {
        let (_client, lines) = come_in(&gateway, &said, "thief").await;
        let all: String = lines.iter().map(|line| line.raw.as_str()).collect();
        assert!(of(&lines, "001").is_empty() && lines.last().unwrap().is("ERROR"), "{said:?}: {lines:#?}");
        assert!(!all.contains(&token), "{lines:#?}");
        if is_token {
            assert!(the(&lines, "464").text().contains(gateway.token_file.to_str().unwrap()), "{lines:#?}");
        }
    }
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sasl_is_given_up_tried_again_and_refused_with_its_numbers() {
    let gateway = Gateway::start(&[]).await;
    let mut client = Client::connect(gateway.address).await;
    client.ask("CAP REQ :sasl").await;
    let lines = client.ask("AUTHENTICATE EXTERNAL").await;
    assert_eq!(the(&lines, "908").param(1), "PLAIN");
    the(&lines, "904");
    client.ask("AUTHENTICATE PLAIN").await;
    the(&client.ask("AUTHENTICATE *").await, "906");
    client.ask("AUTHENTICATE PLAIN").await;
    // An answer in several lines, without an end.
    let line = format!("AUTHENTICATE {}", "A".repeat(400));
    for _ in 0..16 {
        client.send(&line).await;
    }
    let lines = client.until("that it is too long", |line| line.is("905")).await;
    assert_eq!(lines.len(), 1, "{lines:#?}");
    client.sync().await;
    client.ask("AUTHENTICATE PLAIN").await;
    the(&client.ask("AUTHENTICATE +").await, "904");
    client.ask("AUTHENTICATE PLAIN").await;
    the(&client.ask(&format!("AUTHENTICATE {}", plain("me", "wrong"))).await, "904");
    client.ask("AUTHENTICATE PLAIN").await;
    the(&client.ask(&format!("AUTHENTICATE {}", plain("me", &gateway.token))).await, "903");
    client.send("NICK sasl\r\nUSER u 0 * :r\r\nCAP END").await;
    client.until("the welcome", |line| line.is("001")).await;
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_web_browser_is_hung_up_on_without_a_word() {
    let gateway = Gateway::start(&[]).await;
    for verb in ["GET", "POST", "PUT", "HEAD", "DELETE", "OPTIONS", "PATCH", "CONNECT", "TRACE"] {
        let mut browser = Client::connect(gateway.address).await;
        let body = "NICK forged\r\nUSER a 0 * :b\r\nPRIVMSG #pascalcoin :forged";
        browser.send(&format!("{verb} / HTTP/1.1\r\nHost: localhost\r\n\r\n{body}")).await;
        assert!(browser.is_hung_up_on().await, "{verb}");
    }
    let mut client = gateway.plain("reader").await;
    // Once a client is in, CONNECT is a word of IRC.
    the(&client.ask("CONNECT somewhere").await, "481");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_irc_from_its_first_line_on_speaks_for_nobody() {
    let gateway = Gateway::start(&[]).await;
    let long = format!("POST /{} HTTP/1.1", "a".repeat(700));
    let starts: [&[u8]; 7] = [
        long.as_bytes(),
        b"\0",
        b"\xff\xfe",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"ANY / HTTP/1.1",
        b"Content-Type: text/plain",
        b":only.a.source",
    ];
    for start in starts {
        let mut page = Client::connect(gateway.address).await;
        let body = b"\r\nNICK forged\r\nUSER a 0 * :b\r\nPRIVMSG #pascalcoin :forged\r\n";
        page.send_bytes(&[start, body].concat()).await;
        let answer = page.rest().await;
        assert!(answer.iter().all(|line| line.is("ERROR")), "{start:?}: {answer:#?}");
    }
    assert!(gateway.handle().post().outbox().is_empty(), "and nothing was said");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_clients_never_have_one_nick() {
    let gateway = Gateway::start(&[]).await;
    let mut first = gateway.plain("Magpie").await;
    let mut second = Client::connect(gateway.address).await;
    second.send("NICK magpie\r\nUSER u 0 * :r").await;
    assert_eq!(the(&second.sync().await, "433").params[..2], ["*", "magpie"]);
    second.send("NICK magpie_").await;
    second.until("the welcome", |line| line.is("001")).await;
    second.sync().await;
    assert_eq!(the(&second.ask("NICK MAGPIE").await, "433").params[..2], ["magpie_", "MAGPIE"]);
    // Both come at the same time, and both asked before either was in.
    let (mut third, mut fourth) = (Client::connect(gateway.address).await, Client::connect(gateway.address).await);
    third.ask("NICK rook").await;
    fourth.ask("NICK rook").await;
    third.send("USER u 0 * :r").await;
    third.until("the welcome", |line| line.is("001")).await;
    fourth.send("USER u 0 * :r").await;
    the(&fourth.sync().await, "433");
    fourth.send("NICK rook2").await;
    fourth.until("the welcome", |line| line.is("001")).await;
    // One that is gone has none.
    first.send("QUIT :bye").await;
    assert!(first.rest().await.last().unwrap().is("ERROR"));
    let mut again = second;
    let freed = async { while of(&again.ask("NICK magpie").await, "NICK").is_empty() {} };
    tokio::time::timeout(irc_common::PATIENCE, freed).await.unwrap();
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nicks_that_are_none_and_the_nodes_own_are_refused() {
    let gateway = Gateway::start(&[]).await;
    let mut client = Client::connect(gateway.address).await;
    let long = "n".repeat(33);
    for nick in ["1abc", "-abc", "a b", "#abc", "a!b", "a@b", "a~b", "a.b", "ä", "*", &long] {
        let lines = client.ask(&format!("NICK :{nick}")).await;
        the(&lines, "432");
    }
    // As of one that another client has: a program then takes another by itself.
    for nick in ["nightjar", "NightJar"] {
        the(&client.ask(&format!("NICK {nick}")).await, "433");
    }
    the(&client.ask("NICK").await, "431");
    the(&client.ask("NICK :").await, "431");
    client.send("NICK [w]eird^_`{|}-\r\nUSER u 0 * :r").await;
    client.until("the welcome", |line| line.is("001")).await;
    the(&client.ask("USER u 0 * :r").await, "462");
    the(&client.ask("PASS x").await, "462");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_comes_in_gets_the_nick_by_which_others_know_the_user() {
    let gateway = Gateway::start(&[]).await;
    gateway.identity("raven").await;
    let mut first = Client::connect(gateway.address).await;
    let lines = first.register("typed", "").await;
    assert_eq!(the(&lines, "001").param(0), "raven");
    assert!(of(&lines, "NOTICE").is_empty(), "{lines:#?}");
    // A second one keeps its own, and is told.
    let mut second = Client::connect(gateway.address).await;
    let lines = second.register("typed", "").await;
    assert_eq!(the(&lines, "001").param(0), "typed");
    assert!(the(&lines, "NOTICE").text().contains("raven"), "{lines:#?}");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nick_changes_how_others_know_the_user() {
    let gateway = Gateway::start(&[]).await;
    let key = gateway.identity("raven").await;
    let nick = || {
        let all = gateway.handle().post().identities().list();
        all.into_iter().find(|identity| identity.key == key).unwrap().nick
    };
    let mut client = gateway.plain("raven").await;
    let lines = client.ask("NICK Chough").await;
    assert_eq!((the(&lines, "NICK").nick(), the(&lines, "NICK").param(0)), ("raven", "Chough"));
    assert_eq!(nick().as_deref(), Some("chough"));
    // Only the letters' case: nothing that others see.
    client.ask("NICK CHOUGH").await;
    assert_eq!(nick().as_deref(), Some("chough"));
    // One that others could not see is refused as a whole.
    let lines = client.ask("NICK ab").await;
    the(&lines, "432");
    assert_eq!(nick().as_deref(), Some("chough"));
    // A client that goes by another nick changes but its own.
    let mut other = gateway.plain("other").await;
    other.ask("NICK another").await;
    assert_eq!(nick().as_deref(), Some("chough"));
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_said_before_the_registration_is_refused_and_ends_nothing() {
    let gateway = Gateway::start(&[]).await;
    let mut client = Client::connect(gateway.address).await;
    for line in
        ["JOIN #a", "PRIVMSG #a :x", "WHOIS a", "NOSUCH", "MODE #a", "HELP", "TAGMSG #a", "BATCH +1 draft/multiline #a"]
    {
        assert_eq!(the(&client.ask(line).await, "451").param(0), "*", "{line}");
    }
    client.register("late", "").await;
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_gateway_says_of_itself_is_true() {
    let gateway = Gateway::start(&[]).await;
    let mut client = Client::connect(gateway.address).await;
    let lines = client.register("wren", "").await;
    let tokens: Vec<String> =
        of(&lines, "005").iter().flat_map(|line| line.params[1..line.params.len() - 1].to_vec()).collect();
    for wanted in ["CASEMAPPING=ascii", "CHANTYPES=#&", "NICKLEN=32", "UTF8ONLY"] {
        assert!(tokens.iter().any(|token| token == wanted), "{wanted}: {tokens:?}");
    }
    assert_eq!(the(&lines, "004").param(1), irc_common::SERVER);
    assert!(lines.iter().all(|line| line.source == irc_common::SERVER || line.is("AUTHENTICATE")), "{lines:#?}");
    gateway.stop().await;
}
