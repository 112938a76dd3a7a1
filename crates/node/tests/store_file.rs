//! The file: its versions, its troubles, what is kept beside the log, and how a store ends.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs, reason = "a test may fail loudly")]

mod store_common;

use std::path::{Path, PathBuf};

use nightjar_core::router::KnownAddress;
use nightjar_node::handle::ListenTo;
use nightjar_node::message::Filter;
use nightjar_node::store::{OpenError, Store, VERSION};
use rusqlite::Connection;
use store_common::{NO_LIMITS, all, dated, new, page, seqs, stored, target, wallet};
use tempfile::TempDir;

fn file(dir: &TempDir) -> PathBuf {
    dir.path().join("nightjar.db")
}

fn open(path: &Path) -> Store {
    Store::open(path, NO_LIMITS).unwrap()
}

fn known(address: &str, reason: &str) -> KnownAddress {
    KnownAddress {
        address: address.parse().unwrap(),
        reached: 1,
        tried: u32::MAX,
        failures: 3,
        banned_until: 4,
        reason: reason.into(),
    }
}

#[tokio::test]
async fn a_file_of_a_later_version_is_refused_and_left_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let path = file(&dir);
    open(&path).close().await;
    Connection::open(&path).unwrap().pragma_update(None, "user_version", VERSION + 1).unwrap();
    let before = std::fs::read(&path).unwrap();
    let error = Store::open(&path, NO_LIMITS).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "store {path:?} is version {}, this program knows {VERSION}: update it, or choose another data_dir",
            VERSION + 1
        )
    );
    assert_eq!(std::fs::read(&path).unwrap(), before);
}

#[tokio::test]
async fn a_database_of_another_program_is_refused_and_left_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let path = file(&dir);
    Connection::open(&path).unwrap().execute_batch("CREATE TABLE theirs (a); PRAGMA user_version = 1;").unwrap();
    let before = std::fs::read(&path).unwrap();
    assert_eq!(Store::open(&path, NO_LIMITS).unwrap_err(), OpenError::Foreign(path.clone()));
    assert_eq!(std::fs::read(&path).unwrap(), before);
}

#[tokio::test]
async fn what_cannot_be_opened_says_why_and_what_to_do_in_one_line() {
    let dir = tempfile::tempdir().unwrap();
    let path = file(&dir);
    let no_folder = dir.path().join("nowhere").join("nightjar.db");
    let error = Store::open(&no_folder, NO_LIMITS).unwrap_err().to_string();
    assert!(error.starts_with(&format!("store {no_folder:?}: unable to open database file: make the ")), "{error}");
    assert!(!error.contains('\n'));
    open(&path).close().await;
}

/// Every file beside the store, and what is in it.
fn beside(dir: &TempDir) -> Vec<(String, Vec<u8>)> {
    let entries = std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap());
    entries
        .map(|entry| (entry.file_name().into_string().unwrap(), std::fs::read(entry.path()).unwrap()))
        .filter(|(name, _)| name.contains("damaged"))
        .collect()
}

#[tokio::test]
async fn a_file_that_is_no_store_any_more_is_put_aside_and_a_new_one_is_made() {
    let dir = tempfile::tempdir().unwrap();
    let path = file(&dir);
    let garbage =
        b"this is no database, and it is longer than a header of one hundred bytes, which is as long as they are";
    std::fs::write(&path, garbage).unwrap();
    let store = open(&path);
    let aside = store.put_aside().unwrap().to_owned();
    assert_eq!(std::fs::read(&aside).unwrap(), garbage);
    assert_eq!(beside(&dir).len(), 1);
    store.append(vec![new(dated(1, 1))]);
    stored(&store, 1).await;
    store.close().await;
    assert_eq!(open(&path).put_aside(), None, "the new one is in order");
}

#[tokio::test]
async fn damage_inside_is_looked_for_after_a_run_that_met_some() {
    let dir = tempfile::tempdir().unwrap();
    let path = file(&dir);
    let store = open(&path);
    store.append((0..2_000).map(|number| new(dated(1, number))).collect());
    stored(&store, 2_000).await;
    store.close().await;
    let whole = std::fs::read(&path).unwrap();
    let mut bytes = whole.clone();
    let (begin, end) = (bytes.len() / 2, bytes.len() / 2 + 64 * 1024);
    bytes[begin..end].fill(0xa5);
    std::fs::write(&path, &bytes).unwrap();
    // The first run sees nothing of it, and the mark of one that did is enough.
    let mark = dir.path().join("nightjar.db.suspect");
    std::fs::write(&mark, b"").unwrap();
    let store = open(&path);
    assert_eq!(std::fs::read(store.put_aside().unwrap()).unwrap()[begin..end], bytes[begin..end]);
    assert!(!mark.exists() && page(&store, 0, 10).await.messages.is_empty());
    store.close().await;
    // A file that was suspected in vain is kept.
    std::fs::write(&path, &whole).unwrap();
    std::fs::write(&mark, b"").unwrap();
    let store = open(&path);
    assert!(store.put_aside().is_none() && !mark.exists());
    assert_eq!(page(&store, 0, 10).await.messages.len(), 10);
}

#[cfg(unix)]
#[tokio::test]
async fn nobody_else_can_read_the_file_or_what_lies_beside_it() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = tempfile::tempdir().unwrap();
    // One that an earlier program left open is closed.
    std::fs::write(file(&dir), "").unwrap();
    let store = open(&file(&dir));
    store.append(vec![new(dated(1, 1))]);
    stored(&store, 1).await;
    let files: Vec<_> = std::fs::read_dir(dir.path()).unwrap().map(|file| file.unwrap().path()).collect();
    assert!(files.len() >= 2, "{files:?}");
    for file in files {
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o077, 0, "{file:?}");
    }
}

#[tokio::test]
async fn listenings_are_kept_over_restarts_once_and_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let path = file(&dir);
    let name = |text: &str| ListenTo::Name(text.parse().unwrap());
    let store = open(&path);
    for what in [name("#Demo"), ListenTo::Target(target(7)), name("@Nightraven"), name("1234"), name("#Demo")] {
        store.keep_listen(what).await.unwrap();
    }
    store.close().await;
    let store = open(&path);
    let kept = [name("#Demo"), ListenTo::Target(target(7)), name("Nightraven"), name("1234")];
    assert_eq!(store.listens().await.unwrap(), kept);
    // Another spelling is another listening: it has a target of its own.
    store.drop_listen(name("#demo")).await.unwrap();
    store.drop_listen(ListenTo::Target(target(7))).await.unwrap();
    store.drop_listen(name("1234")).await.unwrap();
    assert_eq!(store.listens().await.unwrap(), [name("#Demo"), name("Nightraven")]);
}

#[tokio::test]
async fn listenings_are_written_in_the_order_of_the_calls_whoever_waits_first() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&file(&dir));
    let what = || ListenTo::Target(target(7));
    let (kept, dropped) = (store.keep_listen(what()), store.drop_listen(what()));
    dropped.await.unwrap();
    kept.await.unwrap();
    assert_eq!(store.listens().await.unwrap(), []);
}

#[tokio::test]
async fn the_address_book_is_replaced_as_a_whole_and_kept_over_restarts() {
    let dir = tempfile::tempdir().unwrap();
    let path = file(&dir);
    let store = open(&path);
    store.save_addresses(vec![known("192.0.2.1:1", "old"), known("192.0.2.2:2", "old")]);
    let book = vec![known("pascal://node.example:4004", "refused"), known("[2001:db8::7]:4038", "")];
    store.save_addresses(book.clone());
    store.close().await;
    let store = open(&path);
    assert_eq!(store.addresses().await.unwrap(), book);
    store.save_addresses(vec![]);
    store.close().await;
    assert_eq!(open(&path).addresses().await.unwrap(), []);
}

#[tokio::test]
async fn closing_writes_what_was_handed_over_and_ends_every_reader() {
    let dir = tempfile::tempdir().unwrap();
    let path = file(&dir);
    let store = open(&path);
    let mut follower = store.stored();
    page(&store, 0, 1).await;
    store.append((1..=10_000).map(|number| new(dated(1, number))).collect());
    store.close().await;
    store.close().await;
    assert_eq!(*follower.borrow_and_update(), 10_000);
    follower.changed().await.unwrap_err();
    assert!(!dir.path().join("nightjar.db-wal").exists(), "nothing is left beside the file");

    store.append(vec![new(dated(1, 1))]);
    store.save_addresses(vec![]);
    assert_eq!(store.not_stored(), 1);
    let closed = "the store is closed: the node is shutting down, start it again";
    assert_eq!(store.messages(0, 1, &Filter::default()).await.unwrap_err().to_string(), closed);
    assert_eq!(store.keep_listen(ListenTo::Target(target(1))).await.unwrap_err().to_string(), closed);
}

#[tokio::test]
async fn a_store_that_is_dropped_writes_what_waits() {
    let dir = tempfile::tempdir().unwrap();
    let path = file(&dir);
    let store = open(&path);
    let mut follower = store.stored();
    store.append(vec![wallet(b"last words")]);
    drop(store);
    while follower.changed().await.is_ok() {}
    assert_eq!(*open(&path).stored().borrow(), 1);
}

#[tokio::test]
async fn a_file_that_cannot_be_written_is_waited_for_and_nothing_is_lost_or_doubled() {
    let dir = tempfile::tempdir().unwrap();
    let path = file(&dir);
    let store = open(&path);
    store.append(vec![wallet(b"one")]);
    stored(&store, 1).await;

    let mut other = Connection::open(&path).unwrap();
    let lock = other.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate).unwrap();
    store.append(vec![wallet(b"two")]);
    let error = store.keep_listen(ListenTo::Target(target(1))).await.unwrap_err().to_string();
    assert!(error.contains("another program holds the file"), "{error}");
    store.append(vec![wallet(b"three")]);
    assert_eq!(page(&store, 0, 10).await.messages.len(), 1, "reads go on");
    lock.rollback().unwrap();

    stored(&store, 3).await;
    assert_eq!(seqs(&all(&store).await), [1, 2, 3]);
    assert_eq!(store.not_stored(), 0);
    store.keep_listen(ListenTo::Target(target(1))).await.unwrap();
}

#[tokio::test]
async fn what_a_dead_disk_did_not_take_is_counted_at_the_end() {
    let dir = tempfile::tempdir().unwrap();
    let path = file(&dir);
    let store = open(&path);
    let mut other = Connection::open(&path).unwrap();
    let _lock = other.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate).unwrap();
    store.append(vec![wallet(b"one"), wallet(b"two")]);
    store.close().await;
    assert_eq!(store.not_stored(), 2);
}
