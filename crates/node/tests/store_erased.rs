//! What the user erased does not come back, whoever brings it again.
#![allow(clippy::unwrap_used, missing_docs, reason = "a test may fail loudly")]

mod store_common;

use nightjar_core::record::{LIFETIME_S_MAX, Record};
use nightjar_core::time::Wall;
use nightjar_envelope::id::MessageId;
use nightjar_node::chain::standing::Standing;
use nightjar_node::message::{Content, Delivery, Erase, Filter, Logged, NewMessage, Reading, Said};
use nightjar_node::post::{DEADLINE_S_MAX, WINDOW_S};
use nightjar_node::store::{Change, Store};
use store_common::{NO_LIMITS, all, new, page, plain, seqs, stored, target};

const NOW_S: u32 = 1_800_000_000;
const DAY_S: u32 = 86_400;

fn at(unix_s: u32) -> Wall {
    Wall(u64::from(unix_s) * 1000)
}

/// A message of this id in the record of this number, which expires then.
fn message(conversation: &str, id: u8, number: u64, expiry: u32) -> NewMessage {
    let reading = Reading {
        conversation: conversation.to_owned(),
        id: Some(MessageId([id; 16])),
        author: None,
        own_key: None,
        said: Said::Map { form: 2, map: vec![0xa0] },
        standing: Standing::Anonymous,
        request: false,
        mention: false,
    };
    let body = format!("number {number}");
    let record = Record::dated(target(1), body.as_bytes(), expiry, 1, number.to_le_bytes()).unwrap();
    NewMessage { received: at(NOW_S), reading: Some(reading), ..new(record) }
}

fn late(message: NewMessage) -> NewMessage {
    NewMessage { received: at(NOW_S + DAY_S), late: true, ..message }
}

/// Waits until all that was handed over so far is written down.
async fn written(store: &Store) {
    store.change(Vec::new()).await.unwrap();
}

async fn erase(store: &Store, conversation: &str, now_s: u32) -> u64 {
    store.erase(Erase::Conversation(conversation.to_owned()), at(now_s)).await.unwrap()
}

#[tokio::test]
async fn neither_the_record_nor_the_message_in_another_comes_back_also_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("nightjar.db");
    let mut store = Store::open(&path, NO_LIMITS).unwrap();
    let undated = NewMessage { received: at(NOW_S), ..new(plain(2, 9, b"no date")) };
    store.append(vec![message("#a", 1, 1, NOW_S), message("#b", 1, 2, NOW_S), undated.clone()]);
    stored(&store, 3).await;
    assert_eq!(erase(&store, "#a", NOW_S).await, 1);
    assert_eq!(store.erase(Erase::All, at(NOW_S)).await.unwrap(), 2);
    for _ in 0..2 {
        store.append(vec![
            late(message("#a", 1, 1, NOW_S)),
            // Signed anew.
            late(message("#a", 1, 7, NOW_S + 600)),
            // The same record when it can't be read any more, and a text without one.
            late(NewMessage { reading: None, ..message("#b", 1, 2, NOW_S) }),
            late(undated.clone()),
        ]);
        written(&store).await;
        assert!(all(&store).await.is_empty());
        store.close().await;
        store = Store::open(&path, NO_LIMITS).unwrap();
    }
    // What was not erased comes, also where another of its id was.
    store.append(vec![message("#c", 1, 3, NOW_S), message("#a", 2, 4, NOW_S)]);
    stored(&store, 8).await;
    assert_eq!(seqs(&all(&store).await), [7, 8], "what does not come back takes no seq");
}

#[tokio::test]
async fn what_the_user_says_or_imports_is_there_whatever_was_erased() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(&dir.path().join("nightjar.db"), NO_LIMITS).unwrap();
    let own = |id: u8, number: u64| NewMessage { own: true, ..message("#a", id, number, NOW_S) };
    store.append(vec![own(1, 1), own(2, 2)]);
    stored(&store, 2).await;
    assert_eq!(erase(&store, "#a", NOW_S).await, 2);
    let logged = Logged { message: own(1, 1), delivery: None };
    assert_eq!(store.import(vec![logged]).await.unwrap(), 1);
    store.change(vec![Change::Own(Box::new(own(2, 2)), Delivery::Queued)]).await.unwrap();
    assert_eq!(page(&store, 0, 9).await.messages.len(), 2);
}

#[tokio::test]
async fn what_nobody_can_have_any_more_is_not_remembered_nor_a_date_that_nobody_can_bring() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("nightjar.db");
    let store = Store::open(&path, NO_LIMITS).unwrap();
    let remembered = || {
        let connection = rusqlite::Connection::open(&path).unwrap();
        connection.query_row("SELECT count(*) FROM erased", [], |row| row.get::<_, u32>(0)).unwrap()
    };
    let old = NOW_S - WINDOW_S - DEADLINE_S_MAX - 2 * DAY_S;
    // Of one it is remembered in which record it came, and which message it was. Of another only the latter. Of a third nothing.
    let ago = NOW_S - WINDOW_S - 2 * DAY_S;
    store.append(vec![message("#a", 1, 1, NOW_S), message("#a", 2, 2, ago), message("#a", 3, 3, old)]);
    stored(&store, 3).await;
    assert_eq!(erase(&store, "#a", NOW_S).await, 3);
    assert_eq!(remembered(), 3);
    // A date that no record can have that comes by others.
    store.append(vec![message("#a", 4, 4, u32::MAX)]);
    written(&store).await;
    assert_eq!(erase(&store, "#a", NOW_S).await, 1);
    let until = {
        let connection = rusqlite::Connection::open(&path).unwrap();
        connection.query_row("SELECT max(until) FROM erased", [], |row| row.get::<_, u32>(0)).unwrap()
    };
    assert!(until <= NOW_S + 2 * LIFETIME_S_MAX + WINDOW_S + DEADLINE_S_MAX + DAY_S);
    assert_eq!(store.messages(0, 9, &Filter::default()).await.unwrap().messages.len(), 0);
}

#[tokio::test]
async fn what_is_erased_stands_in_no_file_any_more_when_that_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("nightjar.db");
    let store = Store::open(&path, NO_LIMITS).unwrap();
    let content = Content::Wallet { peer: "192.0.2.7:4004".into(), text: b"swordfish, and nobody is to know".to_vec() };
    let text = NewMessage { received: Wall(1), own: false, late: false, name: None, content, reading: None };
    store.append(vec![text]);
    written(&store).await;
    let stands = || {
        let files = std::fs::read_dir(dir.path()).unwrap().map(|file| std::fs::read(file.unwrap().path()).unwrap());
        files.filter(|bytes| bytes.windows(9).any(|word| word == b"swordfish")).count()
    };
    assert!(stands() > 0);
    store.erase(Erase::All, Wall(2)).await.unwrap();
    assert_eq!(stands(), 0);
}
