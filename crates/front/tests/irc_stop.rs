//! The end of a gateway, and what a new one shows of before.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs, reason = "a test may fail loudly")]

mod irc_common;

use std::collections::BTreeSet;

use irc_common::{Client, Gateway, talk, the, two};
use nightjar_envelope::map::{Content, Map};
use nightjar_node::message::{Message, Said};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_clients_are_told_that_it_ends_and_what_was_said_is_in_the_log() {
    let mut gateway = Gateway::start(&[]).await;
    gateway.identity("raven").await;
    let mut speaker = gateway.rich("raven").await;
    let mut reader = gateway.plain("reader").await;
    let mut silent = Client::connect(gateway.address).await;
    silent.sync().await;
    speaker.ask("JOIN #a").await;
    reader.ask("JOIN #a").await;
    // More than goes out at once.
    let said: Vec<String> = (0..130).map(|number| format!("word {number}")).collect();
    let all: String = said.iter().map(|text| format!("PRIVMSG #a :{text}\r\n")).collect();
    speaker.ask(all.trim_end()).await;
    gateway.stop_serving().await;
    for client in [&mut speaker, &mut reader, &mut silent] {
        let lines = client.rest().await;
        assert!(lines.last().unwrap().is("ERROR"), "{lines:#?}");
        assert!(lines.last().unwrap().text().contains("the node ends"));
    }
    assert!(tokio::net::TcpStream::connect(gateway.address).await.is_err(), "nothing listens there any more");
    let kept = gateway.messages(said.len()).await;
    assert_eq!(kept.len(), said.len());
    gateway.stop().await;
}

/// What the messages of a log say.
fn texts(messages: &[Message]) -> Vec<String> {
    let says = |message: &Message| match &message.reading.as_ref().unwrap().said {
        Said::Map { map, .. } => match Map::read_all(map).unwrap().content() {
            Ok(Some(Content::Text(text))) => Some(text.into_owned()),
            _ => None,
        },
        _ => None,
    };
    messages.iter().filter_map(says).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_shown_of_a_burst_when_all_ends_is_in_the_log_and_goes_out_after_a_new_start() {
    let (here, there) = two().await;
    here.identity("raven").await;
    let mut speaker = here.rich("raven").await;
    let mut reader = here.plain("reader").await;
    let mut listener = there.plain("listener").await;
    for client in [&mut speaker, &mut reader, &mut listener] {
        client.ask("JOIN #a").await;
    }
    let said: Vec<String> = (0..300).map(|number| format!("word {number}")).collect();
    let all: String = said.iter().map(|text| format!("PRIVMSG #a :{text}\r\n")).collect();
    speaker.send(all.trim_end()).await;
    // More than goes out at once, and not all.
    let mut lines = reader.until("half of it", |line| line.says("word 150")).await;
    let temp = here.stop().await;
    lines.extend(reader.rest().await);
    let shown: Vec<String> = talk(&lines).into_iter().map(|(_, text)| text).collect();
    assert_eq!(shown, said[..shown.len()], "in order, and once");
    // It is not dialled any more: it dials.
    let here = Gateway::start_in(temp, &[there.tls()], |_| {}).await;
    let kept = texts(&here.messages(shown.len()).await);
    assert_eq!(kept, said[..kept.len()], "in the order in which it was said");
    let mut missing: BTreeSet<String> = kept.into_iter().collect();
    while !missing.is_empty() {
        let line = listener.line().await.expect("the listener stays");
        if line.is("PRIVMSG") {
            missing.remove(line.text());
        }
    }
    here.stop().await;
    there.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_start_shows_nothing_old_as_new() {
    let gateway = Gateway::start(&[]).await;
    gateway.identity("raven").await;
    for number in 0..20 {
        gateway.say("#a", &format!("old {number}")).await;
    }
    let temp = gateway.stop().await;
    let gateway = Gateway::start_in(temp, &[], |_| {}).await;
    // As clients do that come back by themselves: as soon as they can.
    let mut client = Client::enter(gateway.address, "raven", "draft/read-marker batch draft/chathistory").await;
    client.ask("JOIN #a").await;
    gateway.say("#a", "new").await;
    let lines = client.until("what is new", |line| line.says("new")).await;
    assert_eq!(talk(&lines), [("raven".to_owned(), "new".to_owned())]);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_quits_is_said_goodbye_and_its_neighbours_are_told() {
    let gateway = Gateway::start(&[]).await;
    let mut one = gateway.plain("one").await;
    let mut other = gateway.plain("other").await;
    let mut stranger = gateway.plain("stranger").await;
    one.ask("JOIN #a,#b").await;
    other.ask("JOIN #a,#b").await;
    one.send("QUIT :until tomorrow").await;
    let lines = one.rest().await;
    assert!(lines.last().unwrap().is("ERROR"));
    let lines = other.until("the end", |line| line.is("QUIT")).await;
    assert!(lines.last().unwrap().text().contains("until tomorrow") && lines.last().unwrap().nick() == "one");
    assert!(other.sync().await.is_empty(), "once, however many channels they shared");
    assert!(stranger.sync().await.is_empty());
    // One that is just gone.
    let mut third = gateway.plain("third").await;
    third.ask("JOIN #a").await;
    other.sync().await;
    drop(third);
    let lines = other.until("the end", |line| line.is("QUIT")).await;
    assert_eq!(the(&lines, "QUIT").nick(), "third");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_says_all_at_once_and_closes_his_side_hears_the_answers() {
    let gateway = Gateway::start(&[]).await;
    let mut script = Client::connect(gateway.address).await;
    // Whose connection it is cannot be told any more: it shows the token.
    script.send(&format!("PASS {}", gateway.token)).await;
    script.send("NICK script\r\nUSER u 0 * :r\r\nJOIN #a\r\nPRIVMSG #a :from a script\r\nHELP").await;
    script.close_own_side().await;
    let lines = script.rest().await;
    assert!(lines.last().unwrap().is("706"), "{lines:#?}");
    gateway.messages(1).await;
    gateway.stop().await;
}
