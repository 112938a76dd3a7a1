//! What each method does, by the noun it is about. Every shape that leaves here is declared here: no type of the node's is JSON.

pub(super) mod account;
pub(super) mod history;
pub(super) mod identity;
pub(super) mod ignore;
pub(super) mod listen;
pub(super) mod log;
pub(super) mod messages;
pub(super) mod node;
pub(super) mod outbox;
pub(super) mod peers;
pub(super) mod people;
mod shown;
pub(super) mod wallet;
pub(super) mod window;

use std::fmt::Write as _;

/// Bytes as lower-case hex digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        write!(text, "{byte:02x}").expect("a String takes what is written to it");
    }
    text
}
