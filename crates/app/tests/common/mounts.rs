//! File systems that a test mounts for itself, in a mount namespace that nobody else sees and that ends with it.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, unreachable_pub, dead_code, reason = "helpers of tests")]

use std::fs::{File, OpenOptions};
use std::io::{Write as _, stderr};
use std::path::Path;
use std::process::{Command, Output};

/// In the test that runs in its own namespace.
const INSIDE: &str = "NIGHTJAR_TEST_MOUNTS";
/// Set to anything, it makes a test fail that would be skipped because nothing may be mounted.
const NO_SKIP: &str = "NIGHTJAR_TEST_NO_SKIP";
/// Root has a namespace for the asking; others need one of users beside it, in which they are root.
const WAYS: [&[&str]; 2] = [&["--mount"], &["--mount", "--map-root-user"]];

/// Runs this test once more where it may mount, and says whether this is that run: `if !mounts::own("its name") { return; }`.
/// Where the system forbids it the test is skipped, and says why.
pub fn own(test: &str) -> bool {
    if std::env::var_os(INSIDE).is_some() {
        return true;
    }
    let mut why = String::new();
    for way in WAYS {
        let probe = unshare(way).args(["sh", "-c", "mount -t tmpfs none /mnt"]).output();
        match probe {
            Ok(output) if output.status.success() => {
                let this = std::env::current_exe().unwrap();
                let args = ["--exact", test, "--include-ignored", "--nocapture"];
                let status = unshare(way).arg(this).args(args).env(INSIDE, "1").status().unwrap();
                assert!(status.success(), "{test}, in a mount namespace of its own: {status}");
                return false;
            }
            Ok(Output { stderr, .. }) => why = String::from_utf8_lossy(&stderr).trim().to_owned(),
            Err(error) => why = format!("unshare: {error}"),
        }
    }
    assert!(std::env::var_os(NO_SKIP).is_none(), "nothing can be mounted ({why}), and {NO_SKIP} is set");
    // Not by a macro, whose words a test that passes keeps to itself.
    stderr().write_all(format!("{test} is skipped: nothing can be mounted ({why})\n").as_bytes()).unwrap();
    false
}

fn unshare(way: &[&str]) -> Command {
    let mut command = Command::new("unshare");
    command.args(way).arg("--");
    command
}

fn mount(args: &[&str], at: &Path) {
    let output = Command::new("mount").args(args).arg(at).output().unwrap();
    assert!(output.status.success(), "mount {args:?}: {output:?}");
}

/// A disk of so many KiB.
pub fn small_disk(at: &Path, kib: u32) {
    mount(&["-t", "tmpfs", "-o", &format!("size={kib}k,mode=700"), "none"], at);
}

/// Nothing under this path can be written from now on; what is open already stays as it is.
pub fn read_only(at: &Path) {
    mount(&["--bind", at.to_str().unwrap()], at);
    mount(&["-o", "remount,bind,ro"], at);
}

/// The last of them is undone.
pub fn undo(at: &Path) {
    let output = Command::new("umount").arg("--lazy").arg(at).output().unwrap();
    assert!(output.status.success(), "{output:?}");
}

/// Takes all room that is left, but for so many bytes.
pub fn fill(file: &Path, but_for: u64) {
    let mut filler = OpenOptions::new().create(true).append(true).open(file).unwrap();
    while filler.write_all(&[0; 4096]).is_ok() {}
    let bytes = filler.metadata().unwrap().len();
    File::set_len(&filler, bytes.saturating_sub(but_for)).unwrap();
}
