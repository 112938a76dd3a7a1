//! What happens to messages after they were stored has numbers of the same row, and is read on from any of them.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs, reason = "a test may fail loudly")]

mod store_common;

use nightjar_core::record::Record;
use nightjar_core::time::Wall;
use nightjar_envelope::id::MessageId;
use nightjar_envelope::key::{ChatKey, ChatSecret};
use nightjar_node::chain::standing::Standing;
use nightjar_node::message::{Delivery, Erase, Event, Filter, NewMessage, Reading, Said, Search, Seq, Speaker, What};
use nightjar_node::store::{Change, Store, StoreLimits};
use store_common::{NO_LIMITS, all, dated, new, seqs, stored};

fn key(number: u8) -> ChatKey {
    ChatSecret::from_seed(&zeroize::Zeroizing::new([number; 32])).public()
}

fn message(conversation: &str, number: u8, author: Option<ChatKey>, own: bool) -> NewMessage {
    let reading = Reading {
        conversation: conversation.to_owned(),
        id: Some(MessageId([number; 16])),
        author,
        own_key: None,
        said: Said::Map { form: 2, map: vec![0xa0] },
        standing: Standing::Unchecked,
        request: true,
        mention: false,
    };
    NewMessage { own, reading: Some(reading), ..new(dated(number, u64::from(number))) }
}

fn own(number: u8, delivery: Delivery) -> Change {
    Change::Own(Box::new(message("#a", number, None, true)), delivery)
}

fn delivery(number: u8, delivery: Delivery) -> Change {
    Change::Delivery("#a".to_owned(), MessageId([number; 16]), delivery)
}

fn speaker(number: u8, nick: &str, standing: Standing, heard: u64) -> Change {
    Change::Speaker(Speaker {
        key: key(number),
        nick: Some(nick.to_owned()),
        nick_ms: 1,
        account: Some(1234),
        standing,
        source: String::new(),
        block: 7,
        looked: Wall(heard),
        first: Wall(1),
        heard: Wall(heard),
    })
}

fn of(conversation: &str) -> Filter {
    Filter { conversations: vec![conversation.to_owned()], ..Filter::default() }
}

/// All that happened behind `since`, read in pages of two.
async fn happened(store: &Store, mut since: Seq, filter: &Filter) -> Vec<Event> {
    let (last, mut events) = (*store.stored().borrow(), Vec::new());
    while since < last {
        let page = store.events(since, 2, filter).await.unwrap();
        assert!(page.next > since, "every page leads on");
        since = page.next;
        events.extend(page.events);
    }
    events
}

/// In short: the seq, and what it is.
fn short(events: &[Event]) -> Vec<String> {
    let line = |Event { seq, what }: &Event| match what {
        What::Stored(message) => format!("{seq} stored {}", message.seq),
        What::Changed(message) => format!("{seq} changed {}", message.seq),
        What::Author(speaker) => format!("{seq} author {}", speaker.nick.as_deref().unwrap_or_default()),
        What::Erased(message) => format!("{seq} erased {message}"),
    };
    events.iter().map(line).collect()
}

#[tokio::test]
async fn an_own_message_and_how_far_it_comes_are_one_row_of_events() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(&dir.path().join("nightjar.db"), NO_LIMITS).unwrap();
    store.change(vec![own(1, Delivery::Queued)]).await.unwrap();
    store.append(vec![message("#b", 2, None, false)]);
    stored(&store, 2).await;
    store.change(vec![delivery(1, Delivery::Sent(2))]).await.unwrap();
    // The same again is no news, and neither is what nobody sent.
    store.change(vec![delivery(1, Delivery::Sent(2)), delivery(9, Delivery::Acknowledged)]).await.unwrap();
    store.change(vec![delivery(1, Delivery::Failed("no peer".to_owned()))]).await.unwrap();
    let events = happened(&store, 0, &Filter::default()).await;
    assert_eq!(short(&events), ["1 stored 1", "2 stored 2", "3 changed 1", "4 changed 1"]);
    // Whoever reads later sees how it is now.
    let What::Stored(first) = &events[0].what else { unreachable!("it is the first") };
    assert_eq!(first.delivery, Some(Delivery::Failed("no peer".to_owned())));
    assert_eq!(short(&happened(&store, 0, &of("#b")).await), ["2 stored 2"]);
    assert_eq!(short(&happened(&store, 2, &of("#a")).await), ["3 changed 1", "4 changed 1"]);
    assert_eq!(seqs(&all(&store).await), [1, 2], "who wants messages alone gets each once");
    store.close().await;
    let store = Store::open(&dir.path().join("nightjar.db"), NO_LIMITS).unwrap();
    assert_eq!(happened(&store, 0, &Filter::default()).await, events);
    store.append(vec![message("#b", 3, None, false)]);
    stored(&store, 5).await;
}

#[tokio::test]
async fn what_others_said_of_a_message_is_not_undone_by_what_this_node_knows_of_its_sending() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(&dir.path().join("nightjar.db"), NO_LIMITS).unwrap();
    let failed = || Delivery::Failed("no peer took it in time".to_owned());
    store.change(vec![own(1, failed())]).await.unwrap();
    let now = async |next: Delivery| {
        store.change(vec![delivery(1, next)]).await.unwrap();
        all(&store).await.remove(0).delivery.unwrap()
    };
    assert_eq!(now(Delivery::Held(2)).await, Delivery::Held(2), "then it did go out after all");
    for less in [Delivery::Held(1), Delivery::Sent(8), Delivery::Queued, failed()] {
        assert_eq!(now(less).await, Delivery::Held(2));
    }
    assert_eq!(now(Delivery::Held(3)).await, Delivery::Held(3));
    assert_eq!(now(Delivery::Acknowledged).await, Delivery::Acknowledged);
    for less in [Delivery::Held(9), Delivery::Sent(8), failed()] {
        assert_eq!(now(less).await, Delivery::Acknowledged);
    }
}

#[tokio::test]
async fn that_an_author_is_known_otherwise_is_told_when_he_wrote_something() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(&dir.path().join("nightjar.db"), NO_LIMITS).unwrap();
    store.append(vec![message("#a", 1, Some(key(1)), false)]);
    stored(&store, 1).await;
    store
        .change(vec![speaker(1, "raven", Standing::Proven, 1), speaker(2, "silent", Standing::Proven, 1)])
        .await
        .unwrap();
    // That he was heard again changes nothing for a reader.
    store.change(vec![speaker(1, "raven", Standing::Proven, 2)]).await.unwrap();
    store.change(vec![speaker(1, "raven", Standing::Lapsed, 3)]).await.unwrap();
    store.change(vec![Change::Accepted(key(1)), Change::Accepted(key(2))]).await.unwrap();
    store.change(vec![Change::Accepted(key(1))]).await.unwrap();
    let events = happened(&store, 0, &of("#z")).await;
    assert_eq!(short(&events), ["2 author raven", "3 author raven", "4 author raven"]);
    let What::Author(now) = &events[0].what else { unreachable!("it is one") };
    assert_eq!(now.standing, Standing::Lapsed);
}

#[tokio::test]
async fn events_count_against_the_limits_and_go_with_the_messages_of_their_time() {
    let dir = tempfile::tempdir().unwrap();
    let limits = StoreLimits { messages_max: 5, ..NO_LIMITS };
    let store = Store::open(&dir.path().join("nightjar.db"), limits).unwrap();
    store.change(vec![own(1, Delivery::Queued)]).await.unwrap();
    for peers in 1..=5 {
        store.change(vec![delivery(1, Delivery::Sent(peers))]).await.unwrap();
    }
    // The message itself was the oldest of six; what happened to it is left and has nothing to show.
    let page = store.events(0, 10, &Filter::default()).await.unwrap();
    assert_eq!((page.events, page.next, page.first), (Vec::new(), 6, 2));
    store.append((2..=4).map(|number| message("#a", number, None, false)).collect());
    stored(&store, 9).await;
    assert_eq!(short(&happened(&store, 0, &Filter::default()).await), ["7 stored 7", "8 stored 8", "9 stored 9"]);
    assert_eq!(store.events(0, 10, &Filter::default()).await.unwrap().first, 5);
}

#[tokio::test]
async fn what_is_erased_is_gone_from_log_and_search_and_that_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("nightjar.db");
    let store = Store::open(&path, NO_LIMITS).unwrap();
    let text = |number: u8, conversation: &str, author: u8| {
        let whole = message(conversation, number, Some(key(author)), false).reading.unwrap();
        let body = format!("quixotic{number}");
        let record = Record::dated(store_common::target(1), body.as_bytes(), 1_800_000_000, 0, [number; 8]).unwrap();
        NewMessage { reading: Some(Reading { said: Said::Raw, ..whole }), ..new(record) }
    };
    store.append(vec![text(1, "#a", 1), text(2, "#b", 1), text(3, "#a", 2), text(4, "#b", 2)]);
    stored(&store, 4).await;
    assert_eq!(store.erase(Erase::Conversation("#a".to_owned()), Wall(1_700_000_000_000)).await.unwrap(), 2);
    let events = happened(&store, 0, &Filter::default()).await;
    assert_eq!(short(&events), ["2 stored 2", "4 stored 4", "5 erased 1", "6 erased 3"]);
    assert_eq!(store.erase(Erase::Conversation("#a".to_owned()), Wall(1_700_000_000_000)).await.unwrap(), 0);
    assert_eq!(store.erase(Erase::Author(key(1)), Wall(1_700_000_000_000)).await.unwrap(), 1);
    let wanted = Search { words: "quixotic*".to_owned(), limit: 9, ..Search::default() };
    assert_eq!(seqs(&store.search(wanted).await.unwrap().messages), [4]);
    assert_eq!(store.erase(Erase::All, Wall(1_700_000_000_000)).await.unwrap(), 1);
    assert!(all(&store).await.is_empty());
    store.close().await;
    let file = std::fs::read(&path).unwrap();
    assert!(!file.windows(8).any(|window| window == b"quixotic"), "neither texts nor words are left");
    // What is left counts as it is, and the numbers go on.
    let store = Store::open(&path, StoreLimits { messages_max: 5, ..NO_LIMITS }).unwrap();
    store.append(vec![text(5, "#a", 1)]);
    stored(&store, 9).await;
    assert_eq!(seqs(&all(&store).await), [9]);
    assert_eq!(store.events(0, 10, &Filter::default()).await.unwrap().first, 5);
}
