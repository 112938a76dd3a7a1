//! What cannot be made anew is copied while it is in use, brought back where nothing is, and never written over.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs, reason = "a test may fail loudly")]

mod store_common;

use std::path::Path;

use nightjar_node::backup::{BackupError, backup, restore};
use nightjar_node::store::Store;
use store_common::{NO_LIMITS, all, dated, new, seqs, stored};

fn open(dir: &Path) -> Store {
    Store::open(&dir.join("nightjar.db"), NO_LIMITS).unwrap()
}

#[tokio::test]
async fn a_store_in_use_is_copied_as_it_is_at_one_moment_and_goes_on_elsewhere() {
    let temp = tempfile::tempdir().unwrap();
    let (from, copy, to) = (temp.path().join("from"), temp.path().join("copy"), temp.path().join("to"));
    std::fs::create_dir(&from).unwrap();
    let store = open(&from);
    store.append((0..100).map(|number| new(dated(1, number))).collect());
    stored(&store, 100).await;
    std::fs::write(from.join("identities"), b"keys").unwrap();
    std::fs::write(from.join("token"), b"a secret of this run").unwrap();
    assert_eq!(backup(&from, &copy).unwrap(), ["nightjar.db", "identities"]);
    store.append(vec![new(dated(2, 1))]);
    stored(&store, 101).await;

    assert_eq!(restore(&copy, &to).unwrap(), ["nightjar.db", "identities"]);
    let restored = open(&to);
    assert_eq!(seqs(&all(&restored).await), (1..=100).collect::<Vec<_>>());
    restored.append(vec![new(dated(3, 1))]);
    stored(&restored, 101).await;
    assert!(!to.join("token").exists());
    #[cfg(unix)]
    for path in [copy.clone(), copy.join("nightjar.db"), copy.join("identities"), to.join("nightjar.db")] {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o077, 0, "{path:?}");
    }
}

#[tokio::test]
async fn nothing_is_overwritten_and_what_is_no_backup_is_not_taken() {
    let temp = tempfile::tempdir().unwrap();
    let (from, copy, to) = (temp.path().join("from"), temp.path().join("copy"), temp.path().join("to"));
    assert!(matches!(backup(&from, &copy), Err(BackupError::Nothing(_))));
    std::fs::create_dir(&from).unwrap();
    open(&from).close().await;
    backup(&from, &copy).unwrap();
    assert!(matches!(backup(&from, &copy), Err(BackupError::Taken(_))));
    assert!(matches!(restore(&copy, &from), Err(BackupError::Taken(_))));
    assert!(matches!(restore(temp.path(), &to), Err(BackupError::Nothing(_))));
    // A copy that was damaged on its way.
    let database = copy.join("nightjar.db");
    let mut bytes = std::fs::read(&database).unwrap();
    let half = bytes.len() / 2;
    bytes[half..].fill(0xa5);
    std::fs::write(&database, bytes).unwrap();
    let error = restore(&copy, &to).unwrap_err().to_string();
    assert!(error.contains("nightjar.db") && (error.contains("damaged") || error.contains("malformed")), "{error}");
    assert!(!to.exists());
}
