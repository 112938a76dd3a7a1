//! The data directory: made closed, held by one process, of a known form, and what stands in it.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs, reason = "a test may fail loudly")]

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use nightjar_node::data_dir::{CONFIG_FILE, DataDir, DataDirError, Ready};
use tempfile::TempDir;

/// In the child: the data directory.
const PATH_VARIABLE: &str = "NIGHTJAR_TEST_DATA_DIR";

fn new_dir() -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a").join("nightjar");
    (dir, path)
}

fn ready(path: &Path, pid: u32) -> Ready {
    Ready {
        version: "0.1.0".into(),
        pid,
        listen: "[::]:4038".parse().unwrap(),
        http: "127.0.0.1:4039".parse().unwrap(),
        irc: Some("127.0.0.1:6667".parse().unwrap()),
        irc_name: "nightjar.irc".into(),
        token_file: path.join("token"),
        node_key: "00".repeat(32),
    }
}

#[cfg(unix)]
fn mode(path: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[cfg(unix)]
fn set_mode(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn it_is_made_with_its_parents_and_a_format() {
    let (_dir, path) = new_dir();
    let data_dir = DataDir::open(&path).unwrap();
    assert_eq!(data_dir.path(), path);
    assert_eq!(std::fs::read_to_string(path.join("format")).unwrap(), "1\n");
    assert_eq!(data_dir.database(), path.join("nightjar.db"));
    drop(data_dir);
    DataDir::open(&path).unwrap();
}

#[cfg(unix)]
#[test]
fn nobody_else_can_look_into_it_or_into_its_secrets() {
    let (_dir, path) = new_dir();
    let data_dir = DataDir::open(&path).unwrap();
    data_dir.token().unwrap();
    data_dir.identity().unwrap();
    data_dir.write_ready("{}").unwrap();
    assert_eq!(mode(&path), 0o700);
    for file in ["token", "node_key", "ready.json", "lock", "format"] {
        assert_eq!(mode(&path.join(file)), 0o600, "{file}");
    }
}

#[cfg(unix)]
#[test]
fn an_open_directory_is_closed_when_it_is_ours_or_new() {
    let dir = tempfile::tempdir().unwrap();
    set_mode(dir.path(), 0o755);
    std::fs::write(dir.path().join(CONFIG_FILE), "").unwrap();
    let data_dir = DataDir::open(dir.path()).unwrap();
    assert_eq!(mode(dir.path()), 0o700);
    data_dir.token().unwrap();
    drop(data_dir);
    // Opened up again later, and a secret with it.
    std::fs::write(dir.path().join("somebody's notes"), "").unwrap();
    set_mode(dir.path(), 0o755);
    set_mode(&dir.path().join("token"), 0o644);
    DataDir::open(dir.path()).unwrap().token().unwrap();
    assert_eq!((mode(dir.path()), mode(&dir.path().join("token"))), (0o700, 0o600));
}

#[cfg(unix)]
#[test]
fn an_open_directory_with_other_files_is_refused_and_left_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("thesis.tex"), "").unwrap();
    set_mode(dir.path(), 0o755);
    let error = DataDir::open(dir.path()).unwrap_err();
    assert!(matches!(&error, DataDirError::OpenToOthers(path) if path == dir.path()), "{error}");
    assert_eq!(mode(dir.path()), 0o755);
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[test]
fn a_second_user_is_told_which_process_has_it() {
    let (_dir, path) = new_dir();
    let _held = DataDir::open(&path).unwrap();
    let error = DataDir::open(&path).unwrap_err().to_string();
    let pid = std::process::id();
    assert_eq!(
        error,
        format!("data directory {path:?} is in use by process {pid}: stop it, or choose another data_dir")
    );
}

#[test]
fn a_later_format_is_refused() {
    let (_dir, path) = new_dir();
    drop(DataDir::open(&path).unwrap());
    std::fs::write(path.join("format"), "2\n").unwrap();
    assert_eq!(
        DataDir::open(&path).unwrap_err().to_string(),
        format!("data directory {path:?} is format 2, this program knows 1: update it, or choose another data_dir")
    );
    for broken in ["", "0", "-1", "one", "99999999999", "1 2"] {
        std::fs::write(path.join("format"), broken).unwrap();
        let error = DataDir::open(&path).unwrap_err().to_string();
        assert!(error.contains("the number of a format is wanted"), "{error}");
    }
}

#[test]
fn what_cannot_be_a_data_directory_is_refused_in_one_line() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, "").unwrap();
    assert!(matches!(DataDir::open(&file).unwrap_err(), DataDirError::NotADirectory(_)));
    let below = file.join("below");
    let error = DataDir::open(&below).unwrap_err();
    assert!(matches!(&error, DataDirError::Unusable { .. }), "{error}");
    assert!(!error.to_string().contains('\n'));
    // As on a read-only disk: the first file cannot be opened for writing.
    let path = dir.path().join("taken");
    std::fs::create_dir_all(path.join("lock")).unwrap();
    #[cfg(unix)]
    set_mode(&path, 0o700);
    let error = DataDir::open(&path).unwrap_err().to_string();
    assert!(error.ends_with("make it writable for this user, or choose another data_dir"), "{error}");
}

#[cfg(unix)]
#[test]
fn a_read_only_directory_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    set_mode(dir.path(), 0o500);
    if std::fs::write(dir.path().join("probe"), "").is_ok() {
        eprintln!("not looked at: this user may write everywhere");
        return;
    }
    let error = DataDir::open(dir.path()).unwrap_err().to_string();
    assert!(error.contains("cannot be used: ") && error.ends_with("or choose another data_dir"), "{error}");
    set_mode(dir.path(), 0o700);
}

#[test]
fn node_key_and_token_stay_the_same_and_differ_between_directories() {
    let (_dir, path) = new_dir();
    let data_dir = DataDir::open(&path).unwrap();
    let (token, key) = (data_dir.token().unwrap(), data_dir.identity().unwrap().node_key());
    assert_eq!((token.len(), token.bytes().all(|byte| byte.is_ascii_hexdigit())), (64, true));
    drop(data_dir);
    let data_dir = DataDir::open(&path).unwrap();
    assert_eq!((data_dir.token().unwrap(), data_dir.identity().unwrap().node_key()), (token.clone(), key));
    assert_eq!(DataDir::read_token(&data_dir.token_file()).unwrap(), token);

    let (_dir, other) = new_dir();
    let other = DataDir::open(&other).unwrap();
    assert_ne!(other.token().unwrap(), token);
    assert_ne!(other.identity().unwrap().node_key(), key);
}

#[test]
fn a_broken_secret_is_never_replaced_nor_shown() {
    let (_dir, path) = new_dir();
    let data_dir = DataDir::open(&path).unwrap();
    let long = "s3cret".repeat(1000);
    for broken in ["", "s3cret", "g3cret".repeat(11).as_str(), long.as_str()] {
        std::fs::write(path.join("node_key"), broken).unwrap();
        std::fs::write(path.join("token"), format!("{broken}\u{7f}")).unwrap();
        let errors = [data_dir.identity().unwrap_err(), data_dir.token().unwrap_err()];
        for error in errors {
            assert!(!format!("{error} {error:?}").contains("cret"), "{error}");
        }
        assert_eq!(std::fs::read_to_string(path.join("node_key")).unwrap(), broken);
    }
    std::fs::write(path.join("token"), "my-own-token-that-is-long-enough-1\n").unwrap();
    assert_eq!(data_dir.token().unwrap(), "my-own-token-that-is-long-enough-1");
    let shown = format!("{data_dir:?}");
    assert!(!shown.contains("my-own-token"));
}

#[test]
fn clients_find_a_running_node_and_only_a_running_one() {
    let (_dir, path) = new_dir();
    assert!(matches!(DataDir::ready(&path).unwrap_err(), DataDirError::NoNode(_)));
    let data_dir = DataDir::open(&path).unwrap();
    assert!(matches!(DataDir::ready(&path).unwrap_err(), DataDirError::NotReady(_)));
    let wanted = ready(&path, std::process::id());
    data_dir.write_ready(&wanted.json()).unwrap();
    assert_eq!(DataDir::ready(&path).unwrap(), wanted);
    data_dir.remove_ready();
    data_dir.remove_ready();
    assert!(matches!(DataDir::ready(&path).unwrap_err(), DataDirError::NotReady(_)));
    data_dir.write_ready(&wanted.json()).unwrap();
    drop(data_dir);
    assert!(!path.join("ready.json").exists());
    assert!(matches!(DataDir::ready(&path).unwrap_err(), DataDirError::NoNode(_)));
}

#[test]
fn a_node_that_knew_no_irc_yet_is_found_by_a_newer_command() {
    let (_dir, path) = new_dir();
    let data_dir = DataDir::open(&path).unwrap();
    let now = Ready { irc: None, irc_name: String::new(), ..ready(&path, std::process::id()) };
    let before = now.json().replace("\"irc\":null,\"irc_name\":\"\",", "");
    assert!(before.len() < now.json().len());
    data_dir.write_ready(&before).unwrap();
    assert_eq!(DataDir::ready(&path).unwrap(), now);
}

#[test]
fn a_ready_file_that_is_none_is_an_error_and_one_of_another_process_is_not_taken() {
    let (_dir, path) = new_dir();
    let data_dir = DataDir::open(&path).unwrap();
    data_dir.write_ready(&ready(&path, std::process::id() + 1).json()).unwrap();
    assert!(matches!(DataDir::ready(&path).unwrap_err(), DataDirError::NotReady(_)));
    for broken in ["", "[]", "{\"pid\": 1}", &"x".repeat(100_000)] {
        data_dir.write_ready(broken).unwrap();
        assert!(matches!(DataDir::ready(&path).unwrap_err(), DataDirError::File { .. }));
    }
}

#[test]
fn asking_whether_a_node_runs_never_keeps_one_from_starting() {
    let (_dir, path) = new_dir();
    drop(DataDir::open(&path).unwrap());
    std::thread::scope(|scope| {
        let (stop, stopped) = std::sync::mpsc::channel::<()>();
        let path = &path;
        scope.spawn(move || {
            while stopped.try_recv() == Err(std::sync::mpsc::TryRecvError::Empty) {
                DataDir::ready(path).unwrap_err();
                std::thread::yield_now();
            }
        });
        for _ in 0..50 {
            DataDir::open(path).unwrap();
        }
        drop(stop);
    });
}

#[test]
fn a_killed_node_leaves_a_directory_that_is_free_and_no_running_node() {
    let (_dir, path) = new_dir();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "child_that_holds_a_directory", "--nocapture"])
        .env(PATH_VARIABLE, &path)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    while lines.next().expect("it says when it is ready").unwrap() != "ready" {}
    assert_eq!(DataDir::ready(&path).unwrap().pid, child.id());
    let error = DataDir::open(&path).unwrap_err();
    assert!(matches!(error, DataDirError::InUse { pid: Some(pid), .. } if pid == child.id()));
    child.kill().unwrap();
    child.wait().unwrap();

    assert!(path.join("ready.json").exists());
    assert!(matches!(DataDir::ready(&path).unwrap_err(), DataDirError::NoNode(_)));
    let _held = DataDir::open(&path).unwrap();
    assert!(!path.join("ready.json").exists());
}

/// Not a test of its own: the child of the test above.
#[test]
#[ignore = "run by a_killed_node_leaves_a_directory_that_is_free_and_no_running_node"]
fn child_that_holds_a_directory() {
    let Some(path) = std::env::var_os(PATH_VARIABLE) else { return };
    let path = PathBuf::from(path);
    let data_dir = DataDir::open(&path).unwrap();
    data_dir.write_ready(&ready(&path, std::process::id()).json()).unwrap();
    println!("\nready");
    // Until it is killed; the pipe ends with the parent.
    std::io::stdin().lines().for_each(drop);
}
