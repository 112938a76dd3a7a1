//! The log: every message one seq, every record once, the oldest first out, and what readers are told.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs, reason = "a test may fail loudly")]

mod store_common;

use nightjar_core::time::Wall;
use nightjar_envelope::id::MessageId;
use nightjar_node::chain::standing::Standing;
use nightjar_node::handle::PAGE_MESSAGES_MAX;
use nightjar_node::message::{Content, Delivery, Filter, Logged, Message, NewMessage, Page, Reading, Said};
use nightjar_node::store::{FILTER_TARGETS_MAX, MESSAGE_BYTES_EXTRA, PAGE_BYTES_MAX, Store, StoreLimits};
use store_common::{NO_LIMITS, all, dated, new, page, page_of, plain, seqs, stored, target, wallet};
use tempfile::TempDir;

fn open(dir: &TempDir, limits: StoreLimits) -> Store {
    Store::open(&dir.path().join("nightjar.db"), limits).unwrap()
}

#[tokio::test]
async fn a_new_log_is_empty_and_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir, NO_LIMITS);
    assert_eq!(page(&store, 0, 10).await, Page { messages: vec![], next: 0, first: 0 });
    assert_eq!(page_of(&store, 0, 10, &[1]).await, Page::default());
}

#[tokio::test]
async fn what_was_stored_is_read_as_it_came_also_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir, NO_LIMITS);
    let late = NewMessage { late: true, ..new(plain(2, 9, b"")) };
    let given = [new(dated(1, 7)), new(plain(2, 9, b"no date")), wallet(b"hello"), late];
    store.append(given.to_vec());
    stored(&store, 4).await;
    let read = all(&store).await;
    for (message, (given, seq)) in read.iter().zip(given.iter().zip(1..)) {
        let wanted = Message {
            seq,
            received: given.received,
            own: given.own,
            late: given.late,
            name: given.name.clone(),
            content: given.content.clone(),
            reading: None,
            speaker: None,
            delivery: None,
        };
        assert_eq!(message, &wanted);
    }
    store.close().await;
    let store = open(&dir, NO_LIMITS);
    assert_eq!(*store.stored().borrow(), 4);
    assert_eq!(all(&store).await, read);
}

#[tokio::test]
async fn a_record_is_kept_once_and_a_repeat_takes_no_seq() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir, NO_LIMITS);
    // Twice in one batch, again in another, again after a restart.
    store.append(vec![new(dated(1, 7)), new(dated(1, 7)), new(plain(1, 3, b"x"))]);
    store.append(vec![new(plain(1, 3, b"x")), new(dated(1, 7))]);
    store.close().await;
    let store = open(&dir, NO_LIMITS);
    store.append(vec![new(dated(1, 7)), new(plain(1, 3, b"x")), new(dated(1, 8))]);
    stored(&store, 3).await;
    let read = all(&store).await;
    assert_eq!(seqs(&read), [1, 2, 3]);
    assert_eq!(read[2].content, Content::Record(dated(1, 8)));
    assert_eq!(store.not_stored(), 0, "a repeat is not a loss");
}

#[tokio::test]
async fn plain_records_of_one_id_are_different_when_any_byte_is() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir, NO_LIMITS);
    let copied_id = nightjar_core::record::Record::plain(dated(1, 7).msg_id(), target(1), b"forged").unwrap();
    store.append(vec![new(plain(1, 3, b"x")), new(plain(2, 3, b"x")), new(plain(1, 3, b"y"))]);
    store.append(vec![new(copied_id), new(dated(1, 7))]);
    store.close().await;
    assert_eq!(*open(&dir, NO_LIMITS).stored().borrow(), 5);
}

#[tokio::test]
async fn texts_of_wallets_may_repeat() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir, NO_LIMITS);
    store.append(vec![wallet(b"hello"), wallet(b"hello")]);
    stored(&store, 2).await;
    assert_eq!(all(&store).await.len(), 2);
}

#[tokio::test]
async fn a_page_ends_at_its_limit_and_says_where_to_read_on() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir, NO_LIMITS);
    store.append((1..=10).map(|number| new(dated(1, number))).collect());
    stored(&store, 10).await;
    let first = page(&store, 0, 4).await;
    assert_eq!((seqs(&first.messages), first.next, first.first), (vec![1, 2, 3, 4], 4, 1));
    let rest = page(&store, first.next, 100).await;
    assert_eq!((seqs(&rest.messages), rest.next), (vec![5, 6, 7, 8, 9, 10], 10));
    assert_eq!(page(&store, 10, 4).await, Page { messages: vec![], next: 10, first: 1 });
    let none_wanted = page(&store, 0, 0).await;
    assert_eq!(seqs(&none_wanted.messages), [1], "a page of nothing would lead nowhere");
}

#[tokio::test]
async fn a_reader_ahead_of_the_log_goes_on_at_its_end() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir, NO_LIMITS);
    store.append(vec![new(dated(1, 1))]);
    stored(&store, 1).await;
    for since in [2, 1 << 40, u64::MAX] {
        assert_eq!(page(&store, since, 4).await, Page { messages: vec![], next: 1, first: 1 });
    }
}

#[tokio::test]
async fn a_filter_gives_its_targets_in_order_and_skips_the_rest_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir, NO_LIMITS);
    store.append((1..=5000).map(|number| new(dated(if number % 1000 == 0 { 2 } else { 1 }, number))).collect());
    store.append(vec![wallet(b"no target"), new(dated(3, 1))]);
    stored(&store, 5002).await;
    let first = page_of(&store, 0, 2, &[2, 3, 2]).await;
    assert_eq!((seqs(&first.messages), first.next, first.first), (vec![1000, 2000], 2000, 1));
    let rest = page_of(&store, 2000, 100, &[3, 2]).await;
    assert_eq!((seqs(&rest.messages), rest.next), (vec![3000, 4000, 5000, 5002], 5002));
    // What does not pass was looked at as well.
    let none = page_of(&store, 0, 1, &[9]).await;
    assert_eq!((none.messages.len(), none.next), (0, 5002));
}

#[tokio::test]
async fn a_filter_of_too_many_targets_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir, NO_LIMITS);
    let many =
        |count: usize| Filter { targets: (0..count).map(|number| target(number as u8)).collect(), ..Filter::default() };
    store.messages(0, 1, &many(FILTER_TARGETS_MAX)).await.unwrap();
    let error = store.messages(0, 1, &many(FILTER_TARGETS_MAX + 1)).await.unwrap_err();
    assert_eq!(error.to_string(), "65 targets and conversations in one filter: the most is 64");
}

#[tokio::test]
async fn a_page_is_bounded_by_count_and_bytes_whatever_is_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir, NO_LIMITS);
    store.append((0..PAGE_MESSAGES_MAX as u64 + 1).map(|number| new(dated(1, number))).collect());
    let long = vec![7; PAGE_BYTES_MAX as usize / 2];
    store.append(vec![wallet(&long), wallet(&long), wallet(&long)]);
    stored(&store, PAGE_MESSAGES_MAX as u64 + 4).await;
    assert_eq!(page(&store, 0, usize::MAX).await.messages.len(), PAGE_MESSAGES_MAX);
    assert_eq!(page_of(&store, 0, usize::MAX, &[1]).await.messages.len(), PAGE_MESSAGES_MAX);
    let texts = page(&store, PAGE_MESSAGES_MAX as u64 + 1, 1000).await;
    assert_eq!((texts.messages.len(), texts.next), (2, PAGE_MESSAGES_MAX as u64 + 3));
}

#[tokio::test]
async fn the_oldest_go_first_and_readers_are_told_the_oldest_that_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir, StoreLimits { messages_max: 100, bytes_max: u64::MAX });
    for number in 1..=250 {
        store.append(vec![new(dated(1, number))]);
    }
    stored(&store, 250).await;
    let kept = page(&store, 0, 1000).await;
    assert_eq!((kept.first, kept.next, kept.messages.len()), (151, 250, 100));
    assert_eq!(seqs(&kept.messages), (151..=250).collect::<Vec<_>>());
}

#[tokio::test]
async fn bytes_count_as_record_or_text_and_64_for_each_message() {
    let dir = tempfile::tempdir().unwrap();
    let text = vec![0; 1000 - MESSAGE_BYTES_EXTRA as usize];
    let store = open(&dir, StoreLimits { messages_max: u64::MAX, bytes_max: 10_000 });
    store.append((0..10).map(|_| wallet(&text)).collect());
    stored(&store, 10).await;
    assert_eq!(page(&store, 0, 100).await.messages.len(), 10);
    store.append(vec![wallet(b"")]);
    stored(&store, 11).await;
    assert_eq!(page(&store, 0, 100).await.first, 2);
    // The sum outlives a restart.
    store.close().await;
    let store = open(&dir, StoreLimits { messages_max: u64::MAX, bytes_max: 10_000 });
    store.append(vec![wallet(&text)]);
    stored(&store, 12).await;
    assert_eq!(page(&store, 0, 100).await.first, 3);
}

#[tokio::test]
async fn no_seq_is_given_again_when_every_message_was_dropped() {
    let dir = tempfile::tempdir().unwrap();
    let nothing_fits = StoreLimits { messages_max: 10, bytes_max: 1 };
    let store = open(&dir, nothing_fits);
    store.append(vec![new(dated(1, 1)), new(dated(1, 2))]);
    stored(&store, 2).await;
    assert_eq!(page(&store, 0, 10).await, Page { messages: vec![], next: 2, first: 3 });
    store.close().await;
    let store = open(&dir, NO_LIMITS);
    assert_eq!(page(&store, 0, 10).await, Page { messages: vec![], next: 2, first: 3 });
    store.append(vec![new(dated(1, 3))]);
    stored(&store, 3).await;
    assert_eq!(seqs(&all(&store).await), [3]);
}

#[tokio::test]
async fn what_came_before_a_time_is_dropped_in_slices_and_nothing_behind_what_came_later() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir, NO_LIMITS);
    let at = |second: u64, number: u64| NewMessage { received: Wall(second * 1000), ..new(dated(1, number)) };
    // More than one slice, and one that is old behind a new one.
    store.append((0..5_000).map(|number| at(10, number)).collect());
    store.append(vec![at(30, 5_000), at(10, 5_001), at(40, 5_002)]);
    stored(&store, 5_003).await;
    store.drop_before(Wall(10_000)).await.unwrap();
    assert_eq!(page(&store, 0, 1).await.messages[0].seq, 1, "that is when they came, and not before");
    store.drop_before(Wall(20_000)).await.unwrap();
    while page(&store, 0, 1).await.first < 5_001 {
        tokio::task::yield_now().await;
    }
    let left: Vec<_> = all(&store).await.iter().map(|message| message.seq).collect();
    assert_eq!(left, [5_001, 5_002, 5_003]);
    store.append(vec![at(50, 5_003)]);
    stored(&store, 5_004).await;
    assert_eq!(all(&store).await.len(), 4, "it ends with that");
    store.drop_before(Wall(u64::MAX)).await.unwrap();
    store.append(vec![at(60, 5_004)]);
    stored(&store, 5_005).await;
    assert_eq!(page(&store, 0, 9).await.first, 5_005, "a seq is never given again");
}

#[tokio::test]
async fn a_log_above_lowered_limits_shrinks_by_itself() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir, NO_LIMITS);
    store.append((1..=20_000).map(|number| new(dated(1, number))).collect());
    store.close().await;
    let store = open(&dir, StoreLimits { messages_max: 50, bytes_max: u64::MAX });
    loop {
        let page = page(&store, 0, 1).await;
        assert!(page.first <= 19_951);
        if page.first == 19_951 {
            break;
        }
        tokio::task::yield_now().await;
    }
    assert_eq!(*store.stored().borrow(), 20_000);
}

#[tokio::test]
async fn times_of_any_value_are_kept() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir, NO_LIMITS);
    let mut early = wallet(b"1970");
    early.received = Wall(0);
    let mut late = wallet(b"never");
    late.received = Wall(u64::MAX);
    store.append(vec![early, late]);
    stored(&store, 2).await;
    let read = all(&store).await;
    assert_eq!((read[0].received, read[1].received), (Wall(0), Wall(i64::MAX as u64)));
}

#[tokio::test]
async fn what_is_imported_stands_at_the_end_as_it_was_and_what_is_there_is_left_out() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir, NO_LIMITS);
    store.append(vec![new(dated(1, 7)), wallet(b"hello")]);
    stored(&store, 2).await;
    let logged = |message, delivery| Logged { message, delivery };
    let reading = |id| Reading {
        conversation: "#demo".to_owned(),
        id: Some(MessageId([id; 16])),
        author: None,
        own_key: None,
        said: Said::Raw,
        standing: Standing::Proven,
        request: true,
        mention: true,
    };
    let read = |number, id| NewMessage { reading: Some(reading(id)), own: true, ..new(dated(1, number)) };
    let given = vec![
        logged(new(dated(1, 7)), None),
        logged(wallet(b"hello"), None),
        logged(NewMessage { received: Wall(5), ..wallet(b"hello") }, None),
        logged(wallet(b"hello you"), None),
        logged(read(8, 1), Some(Delivery::Held(3))),
        // The same message in another record.
        logged(read(9, 1), Some(Delivery::Acknowledged)),
        logged(read(10, 2), Some(Delivery::Failed("nobody took it".to_owned()))),
    ];
    assert_eq!(store.import(given.clone()).await, Ok(4));
    let log = all(&store).await;
    let have: Vec<Logged> = log.iter().skip(2).cloned().map(Logged::from).collect();
    assert_eq!(have, [2, 3, 4, 6].map(|place: usize| given[place].clone()));
    assert_eq!(seqs(&log), [1, 2, 3, 4, 5, 6]);
    assert_eq!(store.import(given).await, Ok(0));
    assert_eq!(store.import(Vec::new()).await, Ok(0));
    assert_eq!(*store.stored().borrow(), 6);
}

#[tokio::test]
async fn an_import_counts_against_the_limits_as_messages_do() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir, StoreLimits { messages_max: 3, ..NO_LIMITS });
    let given = (0..5).map(|number| Logged { message: new(dated(1, number)), delivery: None });
    assert_eq!(store.import(given.collect()).await, Ok(5));
    assert_eq!(seqs(&all(&store).await), [3, 4, 5]);
}
