//! A node that cannot start says why in one line, and what to do.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs, reason = "a test may fail loudly")]
#![cfg(unix)]

mod common;

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;

use common::{Node, complaint, fails};

#[test]
fn a_port_that_is_taken() {
    for flag in ["--listen", "--http"] {
        let dir = tempfile::tempdir().unwrap();
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = taken.local_addr().unwrap().to_string();
        let output = fails(dir.path(), &[flag, &address]);
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        let said = complaint(&output);
        assert!(said.contains(&address) && said.contains(flag), "{said}");
        assert!(output.stdout.is_empty());
        assert!(!dir.path().join("ready.json").exists());
    }
}

#[test]
fn a_directory_in_use_by_another_node() {
    let dir = tempfile::tempdir().unwrap();
    let node = Node::start(dir.path(), &[]);
    let output = fails(dir.path(), &[]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(complaint(&output).contains(&dir.path().display().to_string()), "{output:?}");
    // The first one goes on undisturbed.
    assert!(node.does(&["status"]).contains("node key"));
}

#[test]
fn a_directory_that_cannot_be_written() {
    let dir = tempfile::tempdir().unwrap();
    let read_only = dir.path().join("read-only");
    fs::create_dir(&read_only).unwrap();
    fs::set_permissions(&read_only, fs::Permissions::from_mode(0o500)).unwrap();
    // Whoever is root may write everywhere but below a file.
    let unwritable = match fs::write(read_only.join("probe"), "") {
        Err(_) => read_only,
        Ok(()) => read_only.join("probe").join("below"),
    };
    let output = fails(&unwritable, &[]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(complaint(&output).contains(&unwritable.display().to_string()), "{output:?}");
}

#[test]
fn a_directory_of_a_newer_format() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("format"), "999\n").unwrap();
    let output = fails(dir.path(), &[]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let said = complaint(&output);
    assert!(said.contains("999") && said.contains(&dir.path().display().to_string()), "{said}");
    // Nothing was touched.
    assert_eq!(fs::read_to_string(dir.path().join("format")).unwrap(), "999\n");
}

#[test]
fn a_key_that_no_configuration_has() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("nightjar.toml"), "# settings\nlisten = \"127.0.0.1:0\"\nlissen = \"x\"\n").unwrap();
    let output = fails(dir.path(), &[]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let said = complaint(&output);
    assert!(said.contains("nightjar.toml") && said.contains('3') && said.contains("lissen"), "{said}");
    assert!(said.contains("listen"), "it should suggest what was meant: {said}");
}

#[test]
fn a_value_that_makes_no_sense_is_told_with_where_it_stands() {
    let dir = tempfile::tempdir().unwrap();
    let output = fails(dir.path(), &["--listen", "everywhere"]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(String::from_utf8(output.stderr).unwrap().contains("everywhere"));
    let output = common::run(dir.path(), &[]).env("NIGHTJAR_NETWORK", "moon").output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(complaint(&output).contains("NIGHTJAR_NETWORK"), "{output:?}");
}
