//! The demonstration holds what it promises.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs, reason = "a test may fail loudly")]
#![cfg(unix)]

mod common;

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use common::{Lines, ends, nightjar, signal};

/// The demonstration with its temporary directories in this one.
fn demo(temp: &Path) -> Command {
    let mut command = nightjar();
    command.arg("demo").env("TMPDIR", temp);
    command
}

fn is_empty(dir: &Path) -> bool {
    fs::read_dir(dir).unwrap().next().is_none()
}

#[test]
fn seven_nodes_pass_what_they_should_and_clean_up() {
    let temp = tempfile::tempdir().unwrap();
    let output = demo(temp.path()).output().unwrap();
    let (table, progress) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert!(output.status.success(), "{table}{progress}");
    assert_eq!(table.lines().last().unwrap(), "demo: ok", "{table}");
    assert_eq!(table.lines().count(), 10, "a heading, seven nodes and a verdict of two lines: {table}");
    assert!(!progress.contains("FAILED"), "{progress}");
    let daemon = table.lines().find(|line| line.starts_with("daemon")).unwrap();
    assert!(daemon.contains("1 pascal") && daemon.split_whitespace().any(|cell| cell == "0"), "{daemon}");
    assert!(is_empty(temp.path()));
}

#[test]
fn it_can_be_kept_and_talked_to() {
    let temp = tempfile::tempdir().unwrap();
    let mut kept = demo(temp.path()).arg("--keep").stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let lines = Lines::of(&mut kept);
    // The last thing it says is a command for a shell that sends something.
    let said: Vec<String> =
        std::iter::repeat_with(|| lines.next()).take_while(|line| !line.contains("-d '{")).collect();
    let dirs: Vec<&str> = said
        .iter()
        .filter_map(|line| line.trim().strip_prefix("node ")?.split_once("  "))
        .map(|(_, dir)| dir)
        .collect();
    let dirs: Vec<&str> = dirs.into_iter().filter(|dir| Path::new(dir).is_absolute()).collect();
    assert_eq!(dirs.len(), 5, "{said:?}");
    let mut listen = nightjar()
        .args(["--data-dir", dirs[3], "listen", "#demo", "--since", "0"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let heard = Lines::of(&mut listen);
    let sent = nightjar().args(["--data-dir", dirs[0], "send", "#demo", "is anybody there?"]).output().unwrap();
    assert!(sent.status.success(), "{sent:?}");
    while !heard.next().ends_with("#demo  (unsigned): is anybody there?") {}
    signal(&listen, "INT");
    assert!(ends(&mut listen).success());
    signal(&kept, "INT");
    assert!(ends(&mut kept).success());
    assert!(is_empty(temp.path()));
}
