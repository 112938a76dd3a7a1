//! Messages that were opened, and what is known of people: what comes out of the file is what went in.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs, reason = "a test may fail loudly")]

mod store_common;

use std::path::Path;
use std::sync::mpsc;

use nightjar_core::time::Wall;
use nightjar_envelope::id::MessageId;
use nightjar_envelope::key::{ChatKey, ChatSecret};
use nightjar_node::chain::standing::Standing;
use nightjar_node::message::{Filter, NewMessage, Reading, Said, Search, Speaker};
use nightjar_node::store::{Change, Ended, Joined, Opened, Opener, Pair, People, Pin, Proof, Relation, Store};
use store_common::{NO_LIMITS, all, dated, new, stored, wallet};
use tempfile::TempDir;
use zeroize::Zeroizing;

fn key(number: u8) -> ChatKey {
    ChatSecret::from_seed(&Zeroizing::new([number; 32])).public()
}

fn read(conversation: &str, id: u8, said: Said) -> NewMessage {
    let reading = Reading {
        conversation: conversation.to_owned(),
        id: Some(MessageId([id; 16])),
        author: Some(key(1)),
        own_key: None,
        said,
        standing: Standing::Unchecked,
        request: false,
        mention: false,
    };
    NewMessage { reading: Some(reading), ..new(dated(id, u64::from(id))) }
}

fn map(form: u8) -> Said {
    Said::Map { form, map: vec![0xa0, form] }
}

fn speaker(number: u8, standing: Standing) -> Speaker {
    Speaker {
        key: key(number),
        nick: Some("raven".to_owned()),
        nick_ms: 1_700_000_000_000,
        account: Some(1234),
        standing,
        source: "127.0.0.1:4003".to_owned(),
        block: 7,
        looked: Wall(3),
        first: Wall(2),
        heard: Wall(4),
    }
}

fn pair(number: u8, relation: Relation, heard: u32) -> Pair {
    Pair { own: key(9), other: key(number), relation, wrote: 1, answered: 2, heard, asked: 0 }
}

/// What the store knows of people when it is opened.
fn people(path: &Path) -> (Store, People) {
    struct AsItCame;
    impl Opener for AsItCame {
        fn open(&mut self, came: Vec<NewMessage>) -> Opened {
            Opened { messages: came, changes: Vec::new() }
        }
    }
    let (told, telling) = mpsc::channel();
    let store = Store::open_with(path, NO_LIMITS, |people| {
        told.send(people).unwrap();
        AsItCame
    });
    (store.unwrap(), telling.recv().unwrap())
}

fn file(dir: &TempDir) -> std::path::PathBuf {
    dir.path().join("nightjar.db")
}

#[tokio::test]
async fn what_was_understood_of_a_message_is_read_as_it_was_written() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(&file(&dir), NO_LIMITS).unwrap();
    let why = "sealed to another key".to_owned();
    let given = [
        read("#a", 1, map(2)),
        read("@x", 2, Said::Text { form: 6, text: "grüße".to_owned() }),
        NewMessage {
            reading: Some(Reading {
                id: None,
                author: None,
                own_key: Some(key(2)),
                said: Said::Unreadable { form: Some(4), why: why.clone() },
                standing: Standing::Anonymous,
                request: true,
                mention: false,
                ..read("raven", 3, map(2)).reading.unwrap()
            }),
            ..new(dated(3, 3))
        },
        read("#a", 4, Said::Raw),
        read("#a", 5, Said::Unreadable { form: None, why }),
        wallet(b"hello"),
    ];
    store.append(given.to_vec());
    stored(&store, 6).await;
    let read: Vec<_> = all(&store).await.into_iter().map(|message| message.reading).collect();
    assert_eq!(read, given.map(|message| message.reading));
}

#[tokio::test]
async fn one_id_is_one_message_within_a_conversation_and_two_in_two() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(&file(&dir), NO_LIMITS).unwrap();
    let wrapped_again = NewMessage { content: new(dated(8, 8)).content, ..read("#a", 1, map(2)) };
    let elsewhere = NewMessage { content: new(dated(9, 9)).content, ..read("#b", 1, map(2)) };
    store.append(vec![read("#a", 1, map(2)), wrapped_again, elsewhere, read("#a", 2, map(2))]);
    stored(&store, 3).await;
    let conversations: Vec<_> = all(&store).await.into_iter().map(|it| it.reading.unwrap().conversation).collect();
    assert_eq!(conversations, ["#a", "#b", "#a"]);
    let of = |name: &str| Filter { conversations: vec![name.to_owned()], ..Filter::default() };
    let page = store.messages(0, 10, &of("#a")).await.unwrap();
    assert_eq!(store_common::seqs(&page.messages), [1, 3]);
}

#[tokio::test]
async fn people_are_kept_over_restarts_row_by_row() {
    let dir = tempfile::tempdir().unwrap();
    let (store, none) = people(&file(&dir));
    assert!(none.joined.is_empty() && none.pairs.is_empty() && none.speakers.is_empty() && none.speaks.is_empty());
    let joined = Joined {
        name: "#a".to_owned(),
        typed: "#A".to_owned(),
        root: Some(Zeroizing::new([5; 32])),
        password: Some(Zeroizing::new("secret".to_owned())),
    };
    let pin = |name: &str, number, used| Pin { name: name.to_owned(), key: key(number), used: Wall(used) };
    let proof = |number| Proof {
        account: 1234,
        key: key(1),
        point: vec![1, number],
        bytes: vec![number],
        matched: true,
        own: false,
        received: Wall(u64::from(number)),
    };
    let ended = |number, seen| Ended { proof: proof(number), seen };
    let changes = vec![
        Change::Join(joined.clone()),
        Change::Join(Joined { name: "#gone".to_owned(), ..joined.clone() }),
        Change::Part("#gone".to_owned()),
        Change::Pair(pair(1, Relation::Request, 5)),
        Change::Pair(pair(1, Relation::Contact, 6)),
        Change::Pair(pair(2, Relation::Declined, 9)),
        Change::Pair(pair(3, Relation::Request, 9)),
        Change::NoPair(key(9), key(3)),
        Change::Declined(key(4), Wall(1)),
        Change::Declined(key(5), Wall(2)),
        Change::Declined(key(6), Wall(3)),
        Change::NotDeclined(key(5)),
        Change::Speaker(speaker(1, Standing::Proven)),
        Change::Speaker(speaker(2, Standing::Lapsed)),
        Change::NoSpeaker(key(2)),
        Change::Proof(proof(1)),
        Change::Proof(proof(2)),
        Change::NoProof(1234, key(1), vec![1, 1]),
        Change::End(ended(2, false)),
        Change::End(ended(2, true)),
        Change::End(ended(3, true)),
        Change::NoEnd(1234, key(1), vec![1, 3]),
        Change::Speaks("#a".to_owned(), Some(key(1))),
        Change::Speaks("#b".to_owned(), None),
        Change::Pin(pin("raven", 1, 5)),
        Change::Pin(pin("1234-44", 1, 6)),
        Change::Pin(pin("raven", 2, 7)),
        Change::Pin(pin("crow", 1, 8)),
        Change::NoPin("crow".to_owned()),
        Change::Parted("#den".to_owned(), Wall(1)),
        Change::Parted("#pit".to_owned(), Wall(2)),
        Change::Parted("#lair".to_owned(), Wall(3)),
        Change::NoParted("#pit".to_owned()),
        Change::Heir(key(1), key(2)),
        Change::Heir(key(3), key(4)),
        Change::NoHeir(key(3)),
        Change::Ignored("@raven".to_owned()),
        Change::Ignored("word:spam".to_owned()),
        Change::Ignored("@raven".to_owned()),
        Change::NotIgnored("word:spam".to_owned()),
    ];
    store.change(changes).await.unwrap();
    store.close().await;
    let (_store, people) = people(&file(&dir));
    assert_eq!(people.joined, [joined]);
    assert_eq!(people.pairs, [pair(2, Relation::Declined, 9), pair(1, Relation::Contact, 6)]);
    assert_eq!(people.declined, [(key(6), Wall(3)), (key(4), Wall(1))]);
    assert_eq!(people.speakers, [speaker(1, Standing::Proven)]);
    assert_eq!(people.proofs, [proof(2)]);
    assert_eq!(people.ends, [ended(2, true)]);
    assert_eq!(people.speaks, [("#a".to_owned(), Some(key(1))), ("#b".to_owned(), None)]);
    assert_eq!(people.parted, [("#lair".to_owned(), Wall(3)), ("#den".to_owned(), Wall(1))]);
    assert_eq!(people.pins, [pin("raven", 2, 7), pin("1234-44", 1, 6)]);
    assert_eq!(people.heirs, [(key(1), key(2))]);
    assert_eq!(people.ignored, ["@raven"]);
}

#[test]
fn ends_that_an_earlier_version_kept_among_the_delegations_stand_beside_them() {
    let dir = tempfile::tempdir().unwrap();
    let path = file(&dir);
    let earlier = rusqlite::Connection::open(&path).unwrap();
    for sql in [
        include_str!("../src/store/migrations/1.sql"),
        include_str!("../src/store/migrations/2.sql"),
        include_str!("../src/store/migrations/3.sql"),
    ] {
        earlier.execute_batch(sql).unwrap();
    }
    for (number, scope, matched) in [(1_u8, 1_u8, true), (2, 0, true), (3, 0, false)] {
        let bytes = [1, 0xd2, 4, 0, 0, scope, number];
        let sql = "INSERT INTO proof (account, key, point, bytes, matched, own, received_ms) VALUES (1234, ?1, ?2, ?3, ?4, 0, ?5)";
        earlier.execute(sql, rusqlite::params![key(number).as_bytes(), [1, number], bytes, matched, number]).unwrap();
    }
    earlier.execute_batch("PRAGMA application_id = 1313497458; PRAGMA user_version = 3").unwrap();
    drop(earlier);
    let (_store, people) = people(&path);
    assert_eq!(people.proofs.iter().map(|proof| proof.key).collect::<Vec<_>>(), [key(1)]);
    let ends: Vec<_> = people.ends.iter().map(|end| (end.proof.key, end.proof.matched, end.seen)).collect();
    assert_eq!(ends, [(key(3), false, false), (key(2), true, true)]);
}

#[tokio::test]
async fn the_state_at_the_time_of_writing_stays_when_the_author_loses_the_account() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(&file(&dir), NO_LIMITS).unwrap();
    let at = |ms: u64, id: u8| NewMessage { received: Wall(ms), ..read("#a", id, map(2)) };
    store.append(vec![at(10, 1), at(20, 2)]);
    stored(&store, 2).await;
    let checked = |since, standing| Change::Checked { author: key(1), since: Wall(since), standing };
    store.change(vec![Change::Speaker(speaker(1, Standing::Proven)), checked(15, Standing::Proven)]).await.unwrap();
    store.change(vec![Change::Speaker(speaker(1, Standing::Lapsed)), checked(0, Standing::Lapsed)]).await.unwrap();
    let states: Vec<_> = all(&store)
        .await
        .into_iter()
        .map(|message| (message.reading.unwrap().standing, message.speaker.unwrap().standing))
        .collect();
    // The first could not be checked in its time; the second could.
    assert_eq!(states, [(Standing::Lapsed, Standing::Lapsed), (Standing::Proven, Standing::Lapsed)]);
}

#[tokio::test]
async fn a_file_of_the_first_form_keeps_its_messages() {
    let dir = tempfile::tempdir().unwrap();
    let path = file(&dir);
    let old = rusqlite::Connection::open(&path).unwrap();
    old.execute_batch(include_str!("../src/store/migrations/1.sql")).unwrap();
    old.pragma_update(None, "application_id", 0x4e4a_6172).unwrap();
    old.pragma_update(None, "user_version", 1).unwrap();
    old.execute_batch(
        "INSERT INTO message (seq, received_ms, own, peer, text) VALUES (1, 2, 0, '192.0.2.7:4004', x'68');
         UPDATE log SET last_seq = 1, bytes = 65;",
    )
    .unwrap();
    drop(old);
    let store = Store::open(&path, NO_LIMITS).unwrap();
    store.append(vec![read("#a", 1, map(2))]);
    stored(&store, 2).await;
    let readings: Vec<_> = all(&store).await.into_iter().map(|message| message.reading.is_some()).collect();
    assert_eq!(readings, [false, true]);
    let found = store.search(Search { words: "h".to_owned(), limit: 1, ..Search::default() }).await.unwrap();
    assert_eq!(store_common::seqs(&found.messages), [1], "what was there before can be searched");
}

/// Whether the file or its write-ahead log holds these bytes.
fn holds(dir: &TempDir, secret: &[u8]) -> bool {
    let files = ["nightjar.db", "nightjar.db-wal"].map(|file| std::fs::read(dir.path().join(file)).unwrap());
    files.into_iter().any(|bytes| bytes.windows(secret.len()).any(|window| window == secret))
}

#[tokio::test]
async fn a_secret_that_was_given_up_is_neither_in_the_file_nor_beside_it() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = people(&file(&dir));
    let holds = |secret: &[u8]| holds(&dir, secret);
    let root = |number: u8| -> [u8; 32] { std::array::from_fn(|at| number.wrapping_mul(31) ^ (at as u8 * 7)) };
    // Enough of them fill several pages, which are free when all are left.
    let joined = |number: u8, root: [u8; 32]| Joined {
        name: format!("#{number}"),
        typed: format!("#{number} {}", "x".repeat(200)),
        root: Some(Zeroizing::new(root)),
        password: Some(Zeroizing::new(format!("open sesame {number:03}"))),
    };
    for number in 0..100 {
        store.change(vec![Change::Join(joined(number, root(number)))]).await.unwrap();
    }
    assert!((0..100).all(|number| holds(&root(number))) && holds(b"open sesame 007"), "they are in the clear");
    store.change(vec![Change::Join(joined(7, root(200)))]).await.unwrap();
    assert!(!holds(&root(7)) && holds(&root(200)), "another passphrase");
    for number in 0..100 {
        store.change(vec![Change::Part(format!("#{number}"))]).await.unwrap();
    }
    assert!(!(0..=200).any(|number| holds(&root(number))));
    assert!(!holds(b"open sesame"));
}

#[tokio::test]
async fn a_reader_that_holds_the_journal_keeps_a_secret_in_it_no_longer_than_he_reads() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = people(&file(&dir));
    let root = [0xa5; 32];
    let joined = Joined { name: "#den".into(), typed: "#den".into(), root: Some(Zeroizing::new(root)), password: None };
    store.change(vec![Change::Join(joined)]).await.unwrap();
    let mut reader = rusqlite::Connection::open(file(&dir)).unwrap();
    let reading = reader.transaction().unwrap();
    let names: u32 = reading.query_row("SELECT count(*) FROM joined", [], |row| row.get(0)).unwrap();
    assert_eq!(names, 1);
    store.change(vec![Change::Part("#den".to_owned())]).await.unwrap();
    assert!(holds(&dir, &root), "what is read is there");
    reading.finish().unwrap();
    store.change(vec![Change::Speaks("#a".to_owned(), None)]).await.unwrap();
    assert!(!holds(&dir, &root));
}
