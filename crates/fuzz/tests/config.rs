//! No text makes the reader of settings panic; what it takes is within the limits, what it refuses is one line.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail loudly")]

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use nightjar_node::config::{CONNECT_MAX, Checked, ConfigError, IRC_NAME_BYTES_MAX, Key, Raw, sample};

fn look(result: Result<Checked, ConfigError>) {
    match result {
        Ok(checked) => {
            assert!(checked.http.ip().to_canonical().is_loopback());
            assert!(checked.irc.is_none_or(|irc| irc.ip().to_canonical().is_loopback()));
            // No nick has a dot, and nothing in it ends a word or a line of IRC.
            assert!(checked.irc_name.contains('.') && (3..=IRC_NAME_BYTES_MAX).contains(&checked.irc_name.len()));
            assert!(checked.irc_name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-.".contains(&byte)));
            assert!(checked.connect.len() <= CONNECT_MAX);
            assert!((1 << 20..=4096 << 20).contains(&checked.seen_bytes));
            assert!(checked.store.messages_max > 0 && checked.store.bytes_max > 0);
            assert!(checked.socks5.is_none_or(|proxy| !proxy.contains('@')));
        }
        Err(error) => assert!(!error.to_string().contains('\n')),
    }
}

fn check(raw: Raw) -> Result<Checked, ConfigError> {
    Ok(Raw::default().flag(Key::DataDir, PathBuf::from("/data")).or(raw).check()?.0)
}

fn read(text: &str) -> Result<Checked, ConfigError> {
    check(Raw::of_file(Path::new("/data/nightjar.toml"), text)?)
}

#[test]
fn config() {
    bolero::check!().for_each(|bytes: &[u8]| {
        look(read(&String::from_utf8_lossy(bytes)));
    });
}

/// The sample with one place changed, so that keys and values are reached.
#[test]
fn changed_sample() {
    let sample = sample();
    bolero::check!().with_type::<(u16, u8, Vec<u8>)>().for_each(|(place, cut, bytes)| {
        let mut text = sample.clone().into_bytes();
        let place = usize::from(*place) % text.len();
        let end = (place + usize::from(*cut)).min(text.len());
        text.splice(place..end, bytes.iter().copied());
        look(read(&String::from_utf8_lossy(&text)));
    });
}

#[test]
fn variables() {
    bolero::check!().with_type::<(u8, String)>().for_each(|(key, value)| {
        let key = Key::ALL[usize::from(*key) % Key::ALL.len()];
        let (raw, _) = Raw::of_environment([(key.variable().into(), OsString::from(value))]).unwrap();
        look(check(raw));
    });
}
