//! No line makes the reader of exported messages panic; what it takes is written as a line that means the same.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail loudly")]

use nightjar_front::rpc::row::{line, read_line};

#[test]
fn line_of_bytes() {
    bolero::check!().for_each(|bytes: &[u8]| read(bytes));
}

/// Random bytes seldom are an object: as values of its members they reach the rest of the reader.
#[test]
fn line_around_bytes() {
    bolero::check!().with_type::<(u8, u8, Vec<u8>)>().for_each(|(form, kind, bytes)| {
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let word = ["working", "sent", "failed", "claimed"][usize::from(kind % 4)];
        let base = format!(r#""received":{form},"own":true,"delivery":"{word}","delivery_peers":{kind}"#);
        read(format!(r#"{{{base},"peer":"{hex}","text":"{hex}"}}"#).as_bytes());
        read(format!(r#"{{{base},"record":"{hex}"}}"#).as_bytes());
        // A whole record in front: sixteen bytes of id, sixteen of target, no payload.
        let record = "00".repeat(33);
        let base = format!(r#""received":1,"own":false,"record":"{record}","conversation":"{hex}","state":"claimed""#);
        read(format!(r#"{{{base},"form":{form},"said":"{hex}"}}"#).as_bytes());
        read(format!(r#"{{{base},"form":{kind},"unreadable":"{hex}","id":"{hex}","author":"{hex}"}}"#).as_bytes());
    });
}

fn read(bytes: &[u8]) {
    match read_line(bytes) {
        Ok((_, logged)) => {
            let again = line(1, logged.clone());
            assert_eq!(read_line(again.as_bytes()).unwrap().1, logged);
        }
        Err(error) => {
            let error = error.to_string();
            assert!(!error.is_empty() && error.len() < 1024, "{error}");
        }
    }
}
