//! What one client may cost: who does not read is let go, many hear one, a burst is told in order, and all places taken are taken.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs, reason = "a test may fail loudly")]

mod irc_common;

use std::time::Duration;

use irc_common::{Client, Gateway, PATIENCE, of, talk, the, two};
use nightjar_node::post::OUTBOX_MAX;
use tokio::net::TcpSocket;

/// The clients that a gateway takes.
const CLIENTS_MAX: usize = 640;

/// How many files this process may have open, where that can be told.
fn files_max() -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let row = limits.lines().find(|row| row.starts_with("Max open files"));
    row.and_then(|row| row.split_whitespace().nth(3)?.parse().ok()).unwrap_or(usize::MAX)
}

/// Whether there is room for so many clients, both ends of whom are in this process.
fn has_room_for(clients: usize) -> bool {
    let has_room = files_max() >= 2 * clients + 200;
    if !has_room {
        println!("not tried: {clients} clients need more open files than the {} of this process", files_max());
    }
    has_room
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes a minute: so long a client may read nothing"]
async fn a_client_that_does_not_read_is_let_go_and_disturbs_nobody() {
    let gateway = Gateway::start(&[]).await;
    let mut loud = gateway.rich("loud").await;
    let mut reader = gateway.rich("reader").await;
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4 << 10).unwrap();
    let mut deaf = Client::of(socket.connect(gateway.address).await.unwrap());
    deaf.register("deaf", irc_common::RICH).await;
    for client in [&mut loud, &mut reader, &mut deaf] {
        client.ask("JOIN #a").await;
    }
    loud.sync().await;
    reader.sync().await;
    // What stays on this node has no pace: it is as loud as it can be. The deaf one is let go when more waits than is kept, or when it
    // took nothing for a minute, whatever comes first.
    let filler = "f".repeat(3_000);
    let tried = async {
        loop {
            loud.send(&format!("@+x={filler} TAGMSG #a\r\n").repeat(50)).await;
            let heard = loud.sync().await.into_iter().chain(reader.sync().await);
            if let Some(gone) = heard.into_iter().find(|line| line.is("QUIT")) {
                return gone;
            }
        }
    };
    let gone = tokio::time::timeout(3 * PATIENCE, tried).await.expect("it is let go");
    assert_eq!(gone.nick(), "deaf");
    assert!(gone.text().contains("do not read"), "{gone:?}");
    // The others go on.
    loud.ask("PRIVMSG #a :still here").await;
    assert_eq!(talk(&reader.sync().await).len(), 1);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_hundred_clients_hear_one_message_once() {
    if !has_room_for(500) {
        return;
    }
    let (here, there) = two().await;
    there.identity("jackdaw").await;
    let mut clients = Vec::new();
    for number in 0..500 {
        let mut client = Client::connect(here.address).await;
        client.send(&format!("NICK c{number}\r\nUSER u 0 * :r\r\nJOIN #a")).await;
        client.until("the names", |line| line.is("366")).await;
        clients.push(client);
    }
    there.say("#a", "to all of you").await;
    for client in &mut clients {
        let lines = client.until("it", |line| line.says("to all of you")).await;
        assert_eq!(talk(&lines).len(), 1);
    }
    // One of them answers; all others hear it, once.
    let mut first = clients.remove(0);
    first.ask("PRIVMSG #a :thank you").await;
    for client in &mut clients {
        assert_eq!(talk(&client.sync().await), [("c0".to_owned(), "thank you".to_owned())]);
    }
    // And the names of all are listed.
    let lines = first.ask("NAMES #a").await;
    let names: usize = of(&lines, "353").iter().map(|line| line.text().split(' ').count()).sum();
    assert_eq!(names, 501);
    here.stop().await;
    there.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_burst_of_ten_thousand_lines_is_heard_in_order_and_nothing_is_dropped_unsaid() {
    // The debug build on a busy machine takes its time.
    let (lines, patience) = (10_000, 3 * PATIENCE);
    let gateway = Gateway::start(&[]).await;
    gateway.identity("raven").await;
    let mut sender = gateway.rich("raven").await;
    let mut reader = gateway.plain("reader").await;
    sender.ask("JOIN #a").await;
    reader.ask("JOIN #a").await;
    sender.sync().await;
    let all: String = (0..lines).map(|number| format!("PRIVMSG #a :line {number}\r\n")).collect();
    let writing = async {
        // Read while it is written, as clients do: the echoes would stand in the way.
        for part in all.as_bytes().chunks(4 << 10) {
            sender.send_bytes(part).await;
        }
        sender.send("PING :the end").await;
        sender.until_within(patience, "the PONG", |line| line.is("PONG")).await
    };
    let reading = async {
        let mut heard = Vec::new();
        while heard.len() < lines {
            let line = reader.line_within(patience).await.expect("the reader stays");
            if line.is("PING") {
                reader.send("PONG :x").await;
            }
            if line.is("PRIVMSG") {
                heard.push(line.text().to_owned());
            }
        }
        heard
    };
    let (answered, heard) = tokio::join!(writing, reading);
    assert!(heard.iter().enumerate().all(|(number, text)| *text == format!("line {number}")), "in order, once");
    assert_eq!(of(&answered, "PRIVMSG").len(), lines, "each is echoed");
    // Each is kept in the log, or it is said that it is not.
    let mut told = of(&answered, "FAIL").len();
    let kept = gateway.handle().post().outbox().len();
    while kept + told < lines && kept == OUTBOX_MAX {
        let line = sender.line_within(patience).await.expect("the sender stays");
        told += usize::from(line.is("FAIL"));
    }
    gateway.messages(lines - told).await;
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bursts_of_many_clients_leave_others_room_in_the_outbox() {
    let (here, there) = two().await;
    here.identity("raven").await;
    let mut speakers = Vec::new();
    for number in 0..18 {
        let (mut speaker, mut reader) =
            (here.rich(&format!("s{number}")).await, here.plain(&format!("r{number}")).await);
        for client in [&mut speaker, &mut reader] {
            client.ask(&format!("JOIN #a{number}")).await;
        }
        let all: String = (0..300).map(|word| format!("PRIVMSG #a{number} :word {word}\r\n")).collect();
        speaker.send(all.trim_end()).await;
        speakers.push((speaker, reader));
    }
    // More of each than goes out at once: if all that waits lay in the outbox, it were full.
    for (_, reader) in &mut speakers {
        reader.until("more than goes out", |line| line.says("word 170")).await;
    }
    here.say("#b", "by another way in").await;
    here.stop().await;
    for (speaker, _) in &mut speakers {
        let lines = speaker.rest().await;
        assert!(of(&lines, "FAIL").is_empty(), "all is taken: {lines:#?}");
    }
    there.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_more_than_there_are_places_is_turned_away_with_a_reason() {
    if !has_room_for(CLIENTS_MAX + 1) {
        return;
    }
    let gateway = Gateway::start(&[]).await;
    let mut first = gateway.plain("first").await;
    let mut idle = Vec::new();
    while idle.len() + 1 < CLIENTS_MAX {
        let mut client = Client::connect(gateway.address).await;
        // It was accepted when it is answered.
        client.sync().await;
        idle.push(client);
    }
    let mut last = Client::connect(gateway.address).await;
    let lines = last.rest().await;
    assert!(the(&lines, "ERROR").text().contains(&CLIENTS_MAX.to_string()), "{lines:#?}");
    assert_eq!(the(&first.ask("LUSERS").await, "253").param(1), (CLIENTS_MAX - 1).to_string());
    // One that leaves makes room.
    drop(idle.pop());
    let enters = async {
        loop {
            let mut client = Client::connect(gateway.address).await;
            client.send("PING :x").await;
            if client.line().await.is_some_and(|line| line.is("PONG")) {
                return;
            }
        }
    };
    tokio::time::timeout(PATIENCE, enters).await.expect("there is room again");
    drop(idle);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_line_without_end_is_refused_at_the_limit_and_forgotten() {
    let gateway = Gateway::start(&[]).await;
    let mut client = gateway.plain("wren").await;
    let filler = vec![b'x'; 64 << 10];
    for _ in 0..16 {
        client.send_bytes(&filler).await;
    }
    // Said as soon as it is too long, and once.
    client.until("that it is too long", |line| line.is("417")).await;
    client.send_bytes(b"PRIVMSG #a :still the same line\r\n").await;
    assert!(client.sync().await.is_empty());
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_is_in_more_channels_than_one_can_be_in() {
    let gateway = Gateway::start(&[]).await;
    let mut client = gateway.plain("wren").await;
    for number in 0..100 {
        client.send(&format!("JOIN #c{number}")).await;
    }
    let lines = client.sync().await;
    assert_eq!(of(&lines, "JOIN").len(), 100);
    assert_eq!(the(&client.ask("JOIN #onemore").await, "405").param(1), "#onemore");
    client.ask("PART #c0").await;
    the(&client.ask("JOIN #onemore").await, "JOIN");
    let lines = client.ask("JOIN 0").await;
    assert_eq!(of(&lines, "PART").len(), 100);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes three minutes: so long nothing is said"]
async fn a_client_of_which_nothing_is_heard_is_asked_and_stays_when_it_answers() {
    let gateway = Gateway::start(&[]).await;
    let patience = 2 * PATIENCE;
    // One that hears nothing, one that hears something after a long silence, and one that does not answer.
    let (mut one, mut deaf) = (gateway.plain("one").await, gateway.plain("deaf").await);
    one.ask("JOIN #a").await;
    deaf.ask("JOIN #a").await;
    one.sync().await;
    one.until_within(patience, "the question", |line| line.is("PING")).await;
    gateway.say("#a", "hello").await;
    one.hears("hello").await;
    let lines = one.until_within(patience, "the end of the other", |line| line.is("QUIT")).await;
    assert_eq!((lines.last().unwrap().nick(), lines.last().unwrap().text()), ("deaf", "ping timeout"));
    assert!(deaf.rest().await.last().unwrap().text().contains("ping timeout"));
    one.sync().await;
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes a minute: so long a client may take to come in"]
async fn who_does_not_come_in_is_let_go_however_it_dawdles() {
    let gateway = Gateway::start(&[]).await;
    let mut slow = Client::connect(gateway.address).await;
    let ended = async {
        loop {
            slow.send("PING x").await;
            let Some(line) = slow.line().await else { panic!("no reason was given") };
            if line.is("ERROR") {
                return line;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    let line = tokio::time::timeout(2 * PATIENCE, ended).await.expect("it is let go");
    assert!(line.text().contains("registration timed out"), "{line:?}");
    gateway.stop().await;
}
