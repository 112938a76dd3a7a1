//! What can be read is found, what was dropped is not, and what was read is counted.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs, reason = "a test may fail loudly")]

mod store_common;

use nightjar_core::record::Record;
use nightjar_core::time::Wall;
use nightjar_envelope::id::MessageId;
use nightjar_envelope::key::{ChatKey, ChatSecret};
use nightjar_envelope::map::{Content, Kind, MapDraft};
use nightjar_node::chain::standing::Standing;
use nightjar_node::message::{Content as Stored, Erase, NewMessage, Reading, Said, Search, Seq};
use nightjar_node::store::{Change, Store, StoreLimits};
use store_common::{NO_LIMITS, dated, new, seqs, stored, wallet};

fn key(number: u8) -> ChatKey {
    ChatSecret::from_seed(&zeroize::Zeroizing::new([number; 32])).public()
}

fn message(conversation: &str, number: u8, author: u8, text: &str) -> NewMessage {
    let draft = MapDraft { content: Some(Content::Text(text.into())), ..MapDraft::new(Kind::Text, 1) };
    let reading = Reading {
        conversation: conversation.to_owned(),
        id: Some(MessageId([number; 16])),
        author: Some(key(author)),
        own_key: None,
        said: Said::Map { form: 2, map: draft.build().unwrap().bytes().to_vec() },
        standing: Standing::Claimed,
        request: false,
        mention: text.contains("owl"),
    };
    let received = Wall(1_700_000_000_000 + u64::from(number) * 1000);
    NewMessage { received, reading: Some(reading), ..new(dated(number, u64::from(number))) }
}

fn talk() -> Vec<NewMessage> {
    vec![
        message("#a", 1, 1, "Good night, Zürich and 世界!"),
        message("#a", 2, 2, "good morning owl"),
        message("#b", 3, 1, "a night at the opera"),
        NewMessage { own: true, ..message("#b", 4, 2, "nightly builds") },
        wallet("from a wallet, at night".as_bytes()),
    ]
}

async fn open(dir: &tempfile::TempDir, limits: StoreLimits) -> Store {
    let store = Store::open(&dir.path().join("nightjar.db"), limits).unwrap();
    let last = *store.stored().borrow();
    store.append(talk());
    stored(&store, last + 5).await;
    store
}

async fn found(store: &Store, wanted: Search) -> Vec<Seq> {
    seqs(&store.search(Search { limit: 10, ..wanted }).await.unwrap().messages)
}

async fn found_by(store: &Store, words: &str) -> Vec<Seq> {
    found(store, Search { words: words.to_owned(), ..Search::default() }).await
}

#[tokio::test]
async fn words_phrases_and_beginnings_are_found_newest_first_in_whatever_case_and_with_whatever_marks() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir, NO_LIMITS).await;
    for (words, wanted) in [
        ("night", vec![5, 3, 1]),
        ("NIGHT good", vec![1]),
        ("zurich", vec![1]),
        ("\"good night\"", vec![1]),
        ("\"night good\"", vec![]),
        ("nigh*", vec![5, 4, 3, 1]),
        ("世界", vec![1]),
        ("wallet", vec![5]),
        ("absent", vec![]),
        ("\" OR 1 --", vec![]),
        ("", vec![]),
        ("*", vec![]),
    ] {
        assert_eq!(found_by(&store, words).await, wanted, "{words}");
    }
    store.close().await;
    let store = Store::open(&dir.path().join("nightjar.db"), NO_LIMITS).unwrap();
    assert_eq!(found_by(&store, "opera").await, [3], "after a restart");
}

#[tokio::test]
async fn a_search_is_narrowed_and_gone_on_with() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir, NO_LIMITS).await;
    let night = || Search { words: "nigh*".to_owned(), ..Search::default() };
    assert_eq!(found(&store, Search { author: Some(key(1)), ..night() }).await, [3, 1]);
    assert_eq!(found(&store, Search { conversations: vec!["#b".to_owned()], ..night() }).await, [4, 3]);
    let at = |number: u64| Some(Wall(1_700_000_000_000 + number * 1000));
    assert_eq!(found(&store, Search { since: at(3), until: at(4), ..night() }).await, [3]);
    let first = store.search(Search { limit: 3, ..night() }).await.unwrap();
    assert_eq!((seqs(&first.messages), first.next), (vec![5, 4, 3], Some(3)));
    let rest = store.search(Search { limit: 3, before: first.next, ..night() }).await.unwrap();
    assert_eq!((seqs(&rest.messages), rest.next), (vec![1], None));
}

#[tokio::test]
async fn what_was_dropped_is_not_found_and_its_words_are_in_no_file() {
    let dir = tempfile::tempdir().unwrap();
    let limits = StoreLimits { messages_max: 5, ..NO_LIMITS };
    let store = Store::open(&dir.path().join("nightjar.db"), limits).unwrap();
    store.append(vec![message("#a", 77, 1, "xylophone")]);
    stored(&store, 1).await;
    assert_eq!(found_by(&store, "xylophone").await, [1]);
    store.append(talk());
    stored(&store, 6).await;
    assert!(found_by(&store, "xylophone").await.is_empty());
    assert_eq!(found_by(&store, "night").await, [6, 4, 2]);
    store.close().await;
    let file = std::fs::read(dir.path().join("nightjar.db")).unwrap();
    assert!(!file.windows(9).any(|window| window == b"xylophone"));
}

#[tokio::test]
async fn what_was_erased_is_in_no_file_when_that_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("nightjar.db");
    let store = Store::open(&path, NO_LIMITS).unwrap();
    // In several parts of the index, and merged in between.
    for number in 0..200u64 {
        let word = if number == 100 { "xylophone" } else { "cymbal" };
        let record = dated(1, number);
        let body = format!("{word} {number}");
        let content = Stored::Record(
            Record::dated(record.target(), body.as_bytes(), 1_800_000_000, 0, number.to_le_bytes()).unwrap(),
        );
        store.append(vec![NewMessage { content, ..raw("#a", number) }]);
        stored(&store, number + 1).await;
    }
    assert_eq!(found_by(&store, "xylophone").await, [101]);
    store.append(vec![raw("#b", 1_000)]);
    stored(&store, 201).await;
    assert_eq!(store.erase(Erase::Conversation("#a".to_owned()), Wall(1_700_000_000_000)).await.unwrap(), 200);
    assert!(found_by(&store, "xylophone").await.is_empty() && found_by(&store, "cymbal").await.is_empty());
    let other = rusqlite::Connection::open(&path).unwrap();
    let busy: bool = other.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0)).unwrap();
    assert!(!busy);
    let file = std::fs::read(&path).unwrap();
    assert!(!file.windows(9).any(|window| window == b"xylophone"), "it is overwritten");
    // Twice at once is twice done.
    let (one, two) = tokio::join!(
        store.erase(Erase::All, Wall(1_700_000_000_000)),
        store.erase(Erase::All, Wall(1_700_000_000_000))
    );
    assert!(one.unwrap() >= 1 && two.is_ok());
}

fn raw(conversation: &str, number: u64) -> NewMessage {
    let reading = Reading {
        conversation: conversation.to_owned(),
        id: None,
        author: None,
        own_key: None,
        said: Said::Raw,
        standing: Standing::Anonymous,
        request: false,
        mention: false,
    };
    NewMessage { reading: Some(reading), ..new(dated(2, number)) }
}

#[tokio::test]
async fn each_conversation_has_one_place_up_to_which_it_was_read() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir, NO_LIMITS).await;
    let counts = || async {
        let all = store.conversations().await.unwrap();
        all.into_iter().map(|it| (it.name, it.last_seq, it.read, it.unread, it.mentions)).collect::<Vec<_>>()
    };
    let of = |name: &str| name.to_owned();
    // An own message is never unread, and wallets have no conversation.
    assert_eq!(counts().await, [(of("#b"), 4, 0, 1, 0), (of("#a"), 2, 0, 2, 1)]);
    store.change(vec![Change::Read(of("#a"), 1), Change::Read(of("#b"), 4)]).await.unwrap();
    assert_eq!(counts().await, [(of("#b"), 4, 4, 0, 0), (of("#a"), 2, 1, 1, 1)]);
    // Another front end is behind.
    store.change(vec![Change::Read(of("#a"), 2), Change::Read(of("#a"), 1)]).await.unwrap();
    assert_eq!(counts().await[1], (of("#a"), 2, 2, 0, 0));
    // Nobody has read what is yet to come, nor where nothing was said.
    store.change(vec![Change::Read(of("#a"), Seq::MAX), Change::Read(of("#never"), 1)]).await.unwrap();
    store.append(vec![message("#a", 9, 1, "and then")]);
    stored(&store, 6).await;
    assert_eq!(counts().await[0], (of("#a"), 6, 5, 1, 0));
    assert_eq!(counts().await.len(), 2);
}
