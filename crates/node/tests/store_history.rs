//! Conversations are read in the order in which they are shown, and have one place up to which they were read.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs, reason = "a test may fail loudly")]

mod store_common;

use std::path::{Path, PathBuf};

use nightjar_core::record::{LIFETIME_S_MAX, Record};
use nightjar_core::time::Wall;
use nightjar_envelope::id::MessageId;
use nightjar_envelope::map::{Content, Kind, MapDraft};
use nightjar_node::chain::standing::Standing;
use nightjar_node::message::{Erase, History, Message, NewMessage, Place, Reading, Said, Seq};
use nightjar_node::store::{Change, EMPTY_READ_MAX, FILTER_TARGETS_MAX, PAGE_BYTES_MAX, Store, UNREAD_COUNTED_MAX};
use proptest::prelude::*;
use store_common::{NO_LIMITS, dated, new, seqs, stored, wallet};
use tempfile::TempDir;

/// When all records of these tests end.
const EXPIRY: u32 = 1_800_000_000;
/// The earliest moment that their authors can name.
const BEGIN: u64 = (EXPIRY - LIFETIME_S_MAX) as u64 * 1000;

const NOTHING: [Seq; 0] = [];

fn file(dir: &TempDir) -> PathBuf {
    dir.path().join("nightjar.db")
}

fn open(path: &Path) -> Store {
    Store::open(path, NO_LIMITS).unwrap()
}

fn map(ms: u64) -> Vec<u8> {
    let draft = MapDraft { content: Some(Content::Text("hello".into())), ..MapDraft::new(Kind::Text, ms) };
    draft.build().unwrap().bytes().to_vec()
}

/// A message that comes an hour after the earliest moment, and was said so many ms after that moment.
fn said(conversation: &str, number: u64, ms: u64) -> NewMessage {
    let id = Some(MessageId((u128::from(number) << 64).to_be_bytes()));
    let reading = Reading {
        conversation: conversation.to_owned(),
        id,
        author: None,
        own_key: None,
        said: Said::Map { form: 2, map: map(BEGIN + ms) },
        standing: Standing::Anonymous,
        request: false,
        mention: false,
    };
    let received = Wall(BEGIN + u64::from(LIFETIME_S_MAX) * 1000);
    NewMessage { received, reading: Some(reading), ..new(dated(1, number)) }
}

fn own(message: NewMessage) -> NewMessage {
    NewMessage { own: true, ..message }
}

/// Stores messages of one conversation that were said at these moments.
async fn talk(store: &Store, moments: &[u64]) {
    let before = *store.stored().borrow();
    let messages = moments.iter().zip(before + 1..).map(|(ms, number)| said("#a", number, *ms));
    store.append(messages.collect());
    stored(store, before + moments.len() as u64).await;
}

fn of(conversations: &[&str]) -> History {
    let conversations = conversations.iter().map(ToString::to_string).collect();
    History { conversations, limit: 1_000, ..History::default() }
}

fn at(ms: u64, seq: Seq) -> Option<Place> {
    Some(Place { shown: Wall(BEGIN + ms), seq })
}

async fn read(store: &Store, wanted: History) -> Vec<Seq> {
    let messages = store.history(wanted).await.unwrap();
    assert!(messages.is_sorted_by_key(Message::place));
    seqs(&messages)
}

#[tokio::test]
async fn what_is_said_earlier_stands_before_what_came_earlier_and_equals_stand_by_seq() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&file(&dir));
    talk(&store, &[30, 10, 20, 10, 30]).await;
    // Late, and without an author's time: when its record ended.
    let late = NewMessage { late: true, received: Wall(BEGIN + 7 * 86_400_000), ..said("#a", 6, 0) };
    let reading = late.reading.clone().map(|reading| Reading { said: Said::Raw, ..reading });
    store.append(vec![NewMessage { reading, ..late }, wallet(b"of no conversation"), said("#b", 7, 15)]);
    stored(&store, 8).await;
    assert_eq!(read(&store, of(&["#a"])).await, [2, 4, 3, 1, 5, 6]);
    store.append(vec![said("#a", 9, 15)]);
    stored(&store, 9).await;
    assert_eq!(read(&store, of(&["#a"])).await, [2, 4, 9, 3, 1, 5, 6]);
    store.close().await;
    assert_eq!(read(&open(&file(&dir)), of(&["#a"])).await, [2, 4, 9, 3, 1, 5, 6]);
}

#[tokio::test]
async fn bounds_are_left_out_and_either_end_is_given() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&file(&dir));
    talk(&store, &[10, 20, 20, 20, 30, 40]).await;
    let all = || of(&["#a"]);
    assert_eq!(read(&store, History { after: at(20, 3), ..all() }).await, [4, 5, 6]);
    assert_eq!(read(&store, History { before: at(20, 3), ..all() }).await, [1, 2]);
    assert_eq!(read(&store, History { after: at(10, 1), before: at(40, 6), ..all() }).await, [2, 3, 4, 5]);
    // A moment alone.
    assert_eq!(read(&store, History { after: at(20, Seq::MAX), ..all() }).await, [5, 6]);
    assert_eq!(read(&store, History { before: at(20, 0), ..all() }).await, [1]);
    assert_eq!(read(&store, History { after: at(20, 0), before: at(20, Seq::MAX), ..all() }).await, [2, 3, 4]);
    assert_eq!(read(&store, History { after: at(40, 6), ..all() }).await, NOTHING);
    assert_eq!(read(&store, History { after: at(30, 5), before: at(20, 2), ..all() }).await, NOTHING);
    let end = Some(Place { shown: Wall(u64::MAX), seq: Seq::MAX });
    assert_eq!(read(&store, History { before: end, ..all() }).await.len(), 6);
    assert_eq!(read(&store, History { limit: 2, ..all() }).await, [1, 2]);
    assert_eq!(read(&store, History { limit: 2, newest: true, ..all() }).await, [5, 6]);
    assert_eq!(read(&store, History { limit: 2, newest: true, before: at(20, 4), ..all() }).await, [2, 3]);
    assert_eq!(read(&store, History { limit: 2, after: at(20, 2), ..all() }).await, [3, 4]);
    assert_eq!(read(&store, History { limit: 0, ..all() }).await, [1], "one at the least");
}

#[tokio::test]
async fn several_conversations_are_read_as_one() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&file(&dir));
    store.append(vec![said("#a", 1, 50), said("#b", 2, 20), said("#c", 3, 10), said("#a", 4, 20)]);
    stored(&store, 4).await;
    assert_eq!(read(&store, of(&["#a", "#b", "#a"])).await, [2, 4, 1]);
    assert_eq!(read(&store, History { limit: 2, ..of(&["#c", "#b", "#a"]) }).await, [3, 2]);
    assert_eq!(read(&store, History { limit: 2, newest: true, ..of(&["#c", "#b", "#a"]) }).await, [4, 1]);
    assert_eq!(read(&store, of(&[])).await, NOTHING);
    let many = vec!["#a"; FILTER_TARGETS_MAX + 1];
    let error = store.history(of(&many)).await.unwrap_err().to_string();
    assert_eq!(error, "65 conversations in one read: the most is 64");
    assert_eq!(read(&store, of(&many[1..])).await, [4, 1]);
}

#[tokio::test]
async fn a_page_of_long_messages_ends_where_it_is_full() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&file(&dir));
    let long = |number| {
        let mut message = said("#a", number, number);
        // It needs not be a map to be long: then it is shown when it came.
        let form_and_map = Said::Map { form: 2, map: vec![0; usize::try_from(PAGE_BYTES_MAX / 4).unwrap()] };
        message.reading.as_mut().unwrap().said = form_and_map;
        message
    };
    for number in 1..=10 {
        store.append(vec![long(number)]);
        stored(&store, number).await;
    }
    assert_eq!(read(&store, of(&["#a"])).await, [1, 2, 3, 4]);
    assert_eq!(read(&store, History { newest: true, ..of(&["#a"]) }).await, [7, 8, 9, 10]);
    assert_eq!(seqs(&store.unread("#a", 100).await.unwrap()), [7, 8, 9, 10]);
}

#[tokio::test]
async fn a_message_is_found_by_the_beginning_of_its_id() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&file(&dir));
    let id = |bytes: [u8; 16]| Some(MessageId(bytes));
    let with = |name: &str, number: u64, ms: u64, bytes: [u8; 16]| {
        let mut message = said(name, number, ms);
        message.reading.as_mut().unwrap().id = id(bytes);
        message
    };
    let one = [7; 16];
    let mut two = one;
    two[15] = 9;
    store.append(vec![
        with("#a", 1, 30, one),
        with("#a", 2, 20, two),
        with("#b", 3, 10, one),
        with("#a", 4, 5, [0xff; 16]),
    ]);
    stored(&store, 4).await;
    let find = async |names: &[&str], id: &[u8]| {
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        store.find_message(&names, id).await.unwrap().map(|message| message.seq)
    };
    assert_eq!(find(&["#a"], &one).await, Some(1));
    assert_eq!(find(&["#a"], &two).await, Some(2));
    assert_eq!(find(&["#a"], &one[..8]).await, Some(2), "the one that is shown first");
    assert_eq!(find(&["#a", "#b"], &one[..8]).await, Some(3));
    assert_eq!(find(&["#a"], &[0xff]).await, Some(4));
    assert_eq!(find(&["#a"], &[8]).await, None);
    assert_eq!(find(&["#never"], &one).await, None);
    assert_eq!(find(&["#a"], &[]).await, None);
    assert_eq!(find(&["#a"], &[7; 17]).await, None);
}

async fn mark(store: &Store, seq: Seq) -> (Seq, Option<u64>) {
    store.change(vec![Change::Read("#a".to_owned(), seq)]).await.unwrap();
    position(store).await
}

/// Marks by a moment while it is this late.
async fn mark_until(store: &Store, ms: u64, now: u64) -> (Seq, Option<u64>) {
    let (until, now) = (Wall(BEGIN + ms), Wall(BEGIN + now));
    store.change(vec![Change::ReadUntil { conversation: "#a".to_owned(), until, now }]).await.unwrap();
    position(store).await
}

/// Up to which seq a conversation was read, and up to which moment.
async fn position(store: &Store) -> (Seq, Option<u64>) {
    let all = store.conversations().await.unwrap();
    let seq = all.into_iter().find(|it| it.name == "#a").unwrap().read;
    (seq, store.read_until("#a").await.unwrap().map(|wall| wall.0 - BEGIN))
}

#[tokio::test]
async fn read_by_seq_means_read_until_the_last_of_that_is_shown() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&file(&dir));
    talk(&store, &[10, 50, 20, 60]).await;
    assert_eq!(position(&store).await, (0, None));
    assert_eq!(mark(&store, 1).await, (1, Some(10)));
    assert_eq!(mark(&store, 3).await, (3, Some(50)));
    assert_eq!(mark(&store, 1).await, (3, Some(50)), "never back");
    assert_eq!(mark(&store, Seq::MAX).await, (4, Some(60)), "nobody has read what is yet to come");
    store.close().await;
    let store = open(&file(&dir));
    assert_eq!(position(&store).await, (4, Some(60)));
    assert_eq!(store.read_until("#never").await.unwrap(), None);
}

#[tokio::test]
async fn read_until_a_moment_means_read_up_to_the_last_that_is_shown_by_then() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&file(&dir));
    talk(&store, &[10, 50, 20, 60]).await;
    assert_eq!(mark_until(&store, 5, 1_000).await, (0, Some(5)), "before all of it");
    assert_eq!(mark_until(&store, 11, 1_000).await, (1, Some(11)), "exactly the moment that was given");
    assert_eq!(mark_until(&store, 20, 1_000).await, (3, Some(20)));
    assert_eq!(mark_until(&store, 11, 1_000).await, (3, Some(20)), "never back");
    assert_eq!(mark(&store, 3).await, (3, Some(50)), "both ways move one place");
    assert_eq!(mark_until(&store, 40, 1_000).await, (3, Some(50)));
    assert_eq!(mark_until(&store, 2_000, 1_000).await, (4, Some(1_000)), "what is still to come is cut to now");
    assert_eq!(mark_until(&store, 2_000, 900).await, (4, Some(1_000)));
    // What is said late is unread, whenever it is shown.
    talk(&store, &[15]).await;
    assert_eq!(seqs(&store.unread("#a", 10).await.unwrap()), [5]);
    assert_eq!(mark_until(&store, 1_001, 1_001).await, (5, Some(1_001)));
    // A clock was set back: what is shown ahead of it can be read all the same.
    talk(&store, &[5_000]).await;
    assert_eq!(mark_until(&store, 4_000, 2_000).await, (5, Some(4_000)));
    assert_eq!(mark_until(&store, 9_000, 2_000).await, (6, Some(5_000)));
}

#[tokio::test]
async fn where_nothing_was_said_yet_the_moment_alone_is_kept_of_so_many() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&file(&dir));
    talk(&store, &[10]).await;
    let until =
        |conversation: &str| Change::ReadUntil { conversation: conversation.to_owned(), until: Wall(5), now: Wall(9) };
    store.change(vec![Change::Read("#never".to_owned(), 1)]).await.unwrap();
    assert_eq!(store.read_until("#never").await.unwrap(), None);
    store.change(vec![until("#never")]).await.unwrap();
    assert_eq!(store.read_until("#never").await.unwrap(), Some(Wall(5)));
    let others: Vec<String> = (1..=EMPTY_READ_MAX).map(|number| format!("#never{number}")).collect();
    store.change(others.iter().map(|conversation| until(conversation)).collect()).await.unwrap();
    assert_eq!(store.read_until(&others[others.len() - 2]).await.unwrap(), Some(Wall(5)));
    assert_eq!(store.read_until(&others[others.len() - 1]).await.unwrap(), None, "one too many");
    // What was read stays read when it is erased.
    mark(&store, 1).await;
    store.erase(Erase::All, Wall(BEGIN)).await.unwrap();
    assert_eq!(store.read_until("#a").await.unwrap(), Some(Wall(BEGIN + 10)));
    assert_eq!(store.unread("#a", 10).await.unwrap(), []);
    assert_eq!(read(&store, of(&["#a"])).await, NOTHING);
}

#[tokio::test]
async fn unread_is_what_others_said_behind_the_place_and_the_newest_of_it_is_given() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&file(&dir));
    let mut messages = vec![said("#a", 1, 40), own(said("#a", 2, 45)), said("#b", 3, 1), said("#a", 4, 10)];
    messages.extend([said("#a", 5, 30), said("#a", 6, 20)]);
    store.append(messages);
    stored(&store, 6).await;
    let unread = async |limit| seqs(&store.unread("#a", limit).await.unwrap());
    assert_eq!(unread(10).await, [4, 6, 5, 1]);
    assert_eq!(unread(2).await, [5, 1]);
    mark(&store, 4).await;
    assert_eq!(unread(10).await, [6, 5]);
    mark(&store, 6).await;
    assert_eq!(unread(10).await, NOTHING);
    // Of very many the newest are found in another way.
    let many = UNREAD_COUNTED_MAX + 500;
    talk(&store, &(0..many).map(|number| 100 + (number * 7) % many).collect::<Vec<_>>()).await;
    let wanted = store.history(History { newest: true, limit: 20, ..of(&["#a"]) }).await.unwrap();
    assert_eq!(store.unread("#a", 20).await.unwrap(), wanted);
    let last = *store.stored().borrow();
    mark(&store, last - 20).await;
    let mut behind = store.unread("#a", 1_000).await.unwrap();
    behind.sort_by_key(|message| message.seq);
    assert_eq!(seqs(&behind), (last - 19..=last).collect::<Vec<_>>());
}

#[tokio::test]
async fn conversations_are_told_by_when_something_is_last_shown_in_them() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&file(&dir));
    let messages = [("#a", 50), ("#b", 20), ("#c", 40), ("#a", 10), ("#b", 30), ("#d", 30)];
    store.append(messages.iter().zip(1..).map(|((name, ms), number)| said(name, number, *ms)).collect());
    stored(&store, 6).await;
    let active = async |after: Option<u64>, before: Option<u64>, limit| {
        let wall = |ms: Option<u64>| ms.map(|ms| Wall(BEGIN + ms));
        let found = store.active_conversations(wall(after), wall(before), limit).await.unwrap();
        found.into_iter().map(|(name, wall)| (name, wall.0 - BEGIN)).collect::<Vec<_>>()
    };
    let wanted = [("#b", 30), ("#d", 30), ("#c", 40), ("#a", 50)].map(|(name, ms)| (name.to_owned(), ms));
    assert_eq!(active(None, None, 10).await, wanted);
    assert_eq!(active(None, None, 2).await, wanted[..2]);
    assert_eq!(active(Some(30), Some(50), 10).await, wanted[2..3]);
    assert_eq!(active(Some(29), Some(51), 10).await, wanted);
    assert_eq!(active(Some(20), Some(30), 10).await, [], "something was said there since");
    assert_eq!(active(Some(50), Some(20), 10).await, []);
}

/// All that is kept of when messages are shown.
fn shown_in(path: &Path) -> Vec<(Seq, u64)> {
    let connection = rusqlite::Connection::open(path).unwrap();
    let fault: String = connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(fault, "ok");
    let mut statement = connection.prepare("SELECT seq, shown_ms FROM message ORDER BY seq").unwrap();
    let rows = statement.query_map([], |row| Ok((row.get::<_, i64>(0)? as u64, row.get::<_, i64>(1)? as u64)));
    rows.unwrap().collect::<rusqlite::Result<_>>().unwrap()
}

#[tokio::test]
async fn a_file_of_version_12_gets_the_times_at_which_its_messages_are_shown() {
    let dir = tempfile::tempdir().unwrap();
    let new_path = file(&dir);
    let store = open(&new_path);
    // Of each kind, and more than are looked at in one go.
    let mut messages: Vec<_> = (0..2_500).map(|number| said("#a", number, (number * 37) % 2_500)).collect();
    let mut with = |number: u64, said: Said, late: bool, record: Record| {
        let message = self::said("#b", number, 0);
        let reading = message.reading.map(|reading| Reading { said, ..reading });
        let (content, received) = (new(record).content, Wall(BEGIN + 9_000_000));
        messages.push(NewMessage { late, received, content, reading, ..new(dated(1, number)) });
    };
    with(2_501, Said::Raw, false, dated(1, 2_501));
    with(2_502, Said::Raw, true, dated(1, 2_502));
    with(2_503, Said::Raw, true, store_common::plain(1, 3, b"of no date"));
    with(
        2_504,
        Said::Text { form: 6, text: String::from_utf8_lossy(&map(BEGIN)).into_owned() },
        false,
        dated(1, 2_504),
    );
    with(2_505, Said::Text { form: 7, text: "sealed".into() }, true, dated(1, 2_505));
    with(2_506, Said::Unreadable { form: Some(2), why: "no key".into() }, true, dated(1, 2_506));
    with(2_507, Said::Unreadable { form: None, why: "unknown coding".into() }, false, dated(1, 2_507));
    with(2_508, Said::Map { form: 1, map: map(BEGIN + 77) }, true, dated(1, 2_508));
    with(2_509, Said::Map { form: 1, map: b"no map".to_vec() }, true, dated(1, 2_509));
    with(2_510, Said::Map { form: 1, map: map(BEGIN + 5) }, true, store_common::plain(1, 4, b"of no date"));
    messages.extend([wallet(b"text"), new(dated(1, 9_999))]);
    let last = messages.len() as u64;
    store.append(messages);
    stored(&store, last).await;
    store.change(vec![Change::Read("#a".into(), 1_000), Change::Read("#b".into(), last)]).await.unwrap();
    let pages = async |store: &Store| {
        let b = store.history(of(&["#b"])).await.unwrap();
        let a = store.history(History { newest: true, ..of(&["#a"]) }).await.unwrap();
        let until = (store.read_until("#a").await.unwrap(), store.read_until("#b").await.unwrap());
        (a, b, until, store.conversations().await.unwrap())
    };
    let wanted = pages(&store).await;
    store.close().await;

    let old_path = dir.path().join("old.db");
    let old = rusqlite::Connection::open(&old_path).unwrap();
    for sql in [
        include_str!("../src/store/migrations/1.sql"),
        include_str!("../src/store/migrations/2.sql"),
        include_str!("../src/store/migrations/3.sql"),
        include_str!("../src/store/migrations/4.sql"),
        include_str!("../src/store/migrations/5.sql"),
        include_str!("../src/store/migrations/6.sql"),
        include_str!("../src/store/migrations/7.sql"),
        include_str!("../src/store/migrations/8.sql"),
        include_str!("../src/store/migrations/9.sql"),
        include_str!("../src/store/migrations/10.sql"),
        include_str!("../src/store/migrations/11.sql"),
        include_str!("../src/store/migrations/12.sql"),
        "PRAGMA application_id = 1313497458; PRAGMA user_version = 12;",
    ] {
        old.execute_batch(sql).unwrap();
    }
    let columns: Vec<String> = {
        let mut statement = old.prepare("SELECT name FROM pragma_table_info('message')").unwrap();
        statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    };
    let columns = columns.join(", ");
    old.execute("ATTACH ?1 AS new", [new_path.to_str().unwrap()]).unwrap();
    old.execute_batch(&format!(
        "INSERT INTO message ({columns}) SELECT {columns} FROM new.message;
         INSERT INTO read (conversation, seq) SELECT conversation, seq FROM new.read;
         INSERT INTO read (conversation, seq) VALUES ('#gone', 3);
         UPDATE log SET (last_seq, entries, bytes) = (SELECT last_seq, entries, bytes FROM new.log);
         DETACH new;"
    ))
    .unwrap();
    drop(old);
    let store = open(&old_path);
    assert_eq!(pages(&store).await, wanted);
    assert_eq!(store.read_until("#gone").await.unwrap(), None, "nobody knows any more");
    assert!(wanted.1.is_sorted_by_key(Message::place) && wanted.1.len() == 10);
    store.close().await;
    assert_eq!(shown_in(&old_path), shown_in(&new_path));
    let store = open(&old_path);
    let shown = store_common::all(&store).await.into_iter().map(|message| (message.seq, message.shown().0));
    assert_eq!(shown.collect::<Vec<_>>(), shown_in(&old_path), "it is what each message says of itself");
}

#[derive(Clone, Debug)]
enum Step {
    Say {
        conversation: usize,
        ms: u64,
        own: bool,
        late: bool,
    },
    History {
        conversations: Vec<usize>,
        after: Option<(u64, Seq)>,
        before: Option<(u64, Seq)>,
        newest: bool,
        limit: usize,
    },
    Unread {
        conversation: usize,
        limit: usize,
    },
    Mark {
        conversation: usize,
        seq: Seq,
    },
    MarkUntil {
        conversation: usize,
        ms: u64,
        now: u64,
    },
    Restart,
}

const NAMES: [&str; 3] = ["#a", "#b", "#c"];

fn step() -> impl Strategy<Value = Step> {
    let name = 0..NAMES.len();
    let place = || proptest::option::of((0..12_u64, 0..40_u64));
    let names = prop::collection::vec(0..NAMES.len(), 0..4);
    prop_oneof![
        8 => (name.clone(), 0..12_u64, any::<bool>(), any::<bool>())
            .prop_map(|(conversation, ms, own, late)| Step::Say { conversation, ms, own, late }),
        4 => (names, place(), place(), any::<bool>(), 1..8_usize).prop_map(
            |(conversations, after, before, newest, limit)| Step::History { conversations, after, before, newest, limit }
        ),
        2 => (name.clone(), 1..8_usize).prop_map(|(conversation, limit)| Step::Unread { conversation, limit }),
        2 => (name.clone(), 0..40_u64).prop_map(|(conversation, seq)| Step::Mark { conversation, seq }),
        2 => (name, 0..15_u64, 0..15_u64)
            .prop_map(|(conversation, ms, now)| Step::MarkUntil { conversation, ms, now }),
        1 => Just(Step::Restart),
    ]
}

/// One message as it should be.
#[derive(Clone, Copy, Debug)]
struct Line {
    place: Place,
    conversation: usize,
    own: bool,
}

/// The log as it should be, and up to where each conversation was read.
#[derive(Default)]
struct Model {
    lines: Vec<Line>,
    read: [(Seq, u64); NAMES.len()],
}

impl Model {
    fn of(&self, conversation: usize) -> impl Iterator<Item = &Line> {
        self.lines.iter().filter(move |line| line.conversation == conversation)
    }

    fn move_on(&mut self, conversation: usize, seq: Option<Seq>, until: Option<u64>) {
        let read = &mut self.read[conversation];
        *read = (read.0.max(seq.unwrap_or(0)), read.1.max(until.unwrap_or(0)));
    }
}

/// The seqs of these, the last or the first of them, in their order.
fn cut(mut lines: Vec<Line>, newest: bool, limit: usize) -> Vec<Seq> {
    lines.sort_by_key(|line| line.place);
    let from = if newest { lines.len().saturating_sub(limit) } else { 0 };
    lines.iter().skip(from).take(limit).map(|line| line.place.seq).collect()
}

async fn run(steps: Vec<Step>) {
    let dir = tempfile::tempdir().unwrap();
    let (mut store, mut model) = (open(&file(&dir)), Model::default());
    for step in steps {
        match step {
            Step::Say { conversation, ms, own, late } => {
                let seq = model.lines.len() as Seq + 1;
                store.append(vec![NewMessage { own, late, ..said(NAMES[conversation], seq, ms) }]);
                stored(&store, seq).await;
                let place = Place { shown: Wall(BEGIN + ms), seq };
                model.lines.push(Line { place, conversation, own });
            }
            Step::History { conversations, after, before, newest, limit } => {
                let place = |it: Option<(u64, Seq)>| it.map(|(ms, seq)| Place { shown: Wall(BEGIN + ms), seq });
                let (after, before) = (place(after), place(before));
                let names: Vec<&str> = conversations.iter().map(|at| NAMES[*at]).collect();
                let wanted = History { after, before, newest, limit, ..of(&names) };
                let is_meant = |line: &&Line| {
                    conversations.contains(&line.conversation)
                        && after.is_none_or(|after| line.place > after)
                        && before.is_none_or(|before| line.place < before)
                };
                let lines: Vec<Line> = model.lines.iter().filter(is_meant).copied().collect();
                assert_eq!(read(&store, wanted).await, cut(lines, newest, limit));
            }
            Step::Unread { conversation, limit } => {
                let is_unread = |line: &&Line| !line.own && line.place.seq > model.read[conversation].0;
                let lines: Vec<Line> = model.of(conversation).filter(is_unread).copied().collect();
                let found = store.unread(NAMES[conversation], limit).await.unwrap();
                assert_eq!(seqs(&found), cut(lines, true, limit));
            }
            Step::Mark { conversation, seq } => {
                store.change(vec![Change::Read(NAMES[conversation].to_owned(), seq)]).await.unwrap();
                if model.of(conversation).next().is_some() {
                    let seq = seq.min(model.lines.len() as Seq);
                    let until = model.of(conversation).filter(|line| line.place.seq <= seq);
                    let until = until.map(|line| line.place.shown.0).max();
                    model.move_on(conversation, Some(seq), until);
                }
            }
            Step::MarkUntil { conversation, ms, now } => {
                let (until, now) = (Wall(BEGIN + ms), Wall(BEGIN + now));
                let change = Change::ReadUntil { conversation: NAMES[conversation].to_owned(), until, now };
                store.change(vec![change]).await.unwrap();
                let last = model.of(conversation).map(|line| line.place.shown).max().unwrap_or_default();
                let until = until.min(now.max(last));
                let seq = model.of(conversation).filter(|line| line.place.shown <= until);
                let seq = seq.map(|line| line.place.seq).max();
                model.move_on(conversation, seq, Some(until.0));
            }
            Step::Restart => {
                store.close().await;
                store = open(&file(&dir));
            }
        }
        for (name, (_, until)) in NAMES.iter().zip(model.read) {
            let wanted = (until > 0).then_some(Wall(until));
            assert_eq!(store.read_until(name).await.unwrap(), wanted);
        }
        for conversation in store.conversations().await.unwrap() {
            let at = NAMES.iter().position(|name| *name == conversation.name).unwrap();
            assert_eq!(conversation.read, model.read[at].0);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]
    #[test]
    fn whatever_is_said_read_and_marked_it_is_the_list_that_it_should_be(
        steps in prop::collection::vec(step(), 1..60)
    ) {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(run(steps));
    }
}
