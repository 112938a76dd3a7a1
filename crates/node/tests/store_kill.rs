//! A process that is killed while it stores leaves a whole file: no gap, no double, nothing of what it told.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs, reason = "a test may fail loudly")]

mod store_common;

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use nightjar_node::store::Store;
use rusqlite::Connection;
use store_common::{NO_LIMITS, all, dated, new, seqs};

/// In the child: where the store is.
const PATH_VARIABLE: &str = "NIGHTJAR_TEST_STORE";
/// The child is killed when it has told this many more.
const TOLD_BEFORE_KILL: u64 = 300;
const BATCH: u64 = 20;

#[tokio::test]
async fn kill_9_leaves_no_gap_no_double_and_all_that_was_told() {
    kill_in_rounds(3).await;
}

#[tokio::test]
#[ignore = "takes about a minute"]
async fn kill_9_again_and_again_leaves_no_gap_no_double_and_all_that_was_told() {
    let rounds = std::env::var("NIGHTJAR_TEST_ROUNDS").ok();
    kill_in_rounds(rounds.map_or(50, |rounds| rounds.parse().unwrap())).await;
}

async fn kill_in_rounds(rounds: u32) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("nightjar.db");
    let mut told = 0;
    for _ in 0..rounds {
        told = run_and_kill(&path, told + TOLD_BEFORE_KILL);
        let check: String =
            Connection::open(&path).unwrap().pragma_query_value(None, "integrity_check", |row| row.get(0)).unwrap();
        assert_eq!(check, "ok");
        let store = Store::open(&path, NO_LIMITS).unwrap();
        let messages = all(&store).await;
        let last = messages.len() as u64;
        assert!(last >= told, "{told} were told, {last} are there");
        assert_eq!(seqs(&messages), (1..=last).collect::<Vec<_>>());
        // Record n has seq n: the order is that in which they came, and none is there twice.
        for message in &messages {
            assert_eq!(message.content, new(dated(1, message.seq)).content);
        }
        // Those that came once come again, as they do when a node restarts while they are flooded.
        store.append((1..=last).map(|number| new(dated(1, number))).collect());
        store.close().await;
        assert_eq!(*store.stored().borrow(), last);
        told = last;
    }
}

/// Runs a child that stores until it has told `until`, and kills it. The highest seq that it told.
fn run_and_kill(path: &Path, until: u64) -> u64 {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "child_that_stores_until_it_is_killed", "--nocapture"])
        .env(PATH_VARIABLE, path)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut told = 0;
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    while told < until {
        let line = lines.next().expect("it stores until it is killed").unwrap();
        if let Some(seq) = line.strip_prefix("stored ") {
            told = seq.parse().unwrap();
        }
    }
    child.kill().unwrap();
    child.wait().unwrap();
    told
}

/// Not a test of its own: the child of the test above.
#[tokio::test]
#[ignore = "run by kill_9_leaves_no_gap_no_double_and_all_that_was_told"]
async fn child_that_stores_until_it_is_killed() {
    let Some(path) = std::env::var_os(PATH_VARIABLE) else { return };
    let store = Store::open(Path::new(&path), NO_LIMITS).unwrap();
    let mut stored = store.stored();
    let mut number = *stored.borrow();
    println!();
    loop {
        store.append((1..=BATCH).map(|offset| new(dated(1, number + offset))).collect());
        number += BATCH;
        stored.changed().await.unwrap();
        println!("stored {}", *stored.borrow_and_update());
    }
}
