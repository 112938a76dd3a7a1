//! No text upsets what else the gateway for IRC reads: the kernel's tables of connections, moments, names with passwords
//! and the texts of strangers.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail loudly")]

use std::net::SocketAddr;

use nightjar_front::irc::peer::owner_in;
use nightjar_front::irc::text::{
    CUT_BYTES_MIN, PLAIN_PART_BYTES_MAX, TIME_MS_MAX, clean, first_lines, first_pieces, head, lines, parse_time,
    sasl_plain, time_tag,
};

#[test]
fn table_of_connections() {
    let (client, server): (SocketAddr, SocketAddr) =
        ("127.0.0.1:50000".parse().unwrap(), "[::1]:6667".parse().unwrap());
    bolero::check!().for_each(|bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes);
        owner_in(&text, client, server);
        // Random bytes seldom begin as a row does.
        owner_in(&format!("0: 0100007F:C350 {text}"), client, server);
        owner_in(&format!("0: 0100007F:C350 00000000000000000000000001000000:1A0B 01 {text}"), client, server);
        owner_in(&format!("0: {text} 0100007F:1A0B 01 0 0 0 7 0"), client, server);
    });
}

/// Only what rows are made of.
#[test]
fn table_of_its_parts() {
    const PARTS: &[u8; 16] = b"0017FfC350: :\n 1";
    bolero::check!().for_each(|bytes: &[u8]| {
        let text: String = bytes.iter().map(|byte| char::from(PARTS[usize::from(byte % 16)])).collect();
        let client = SocketAddr::from(([127, 0, 0, 1], 7));
        owner_in(&text, client, client);
        let row = format!("0: 0100007F:0007 0100007F:0007 01 0:0 0:0 0 {text}\n");
        if let Some(uid) = owner_in(&row, client, client) {
            assert!(row.split_ascii_whitespace().any(|column| column.parse() == Ok(uid)));
        }
    });
}

#[test]
fn moment() {
    bolero::check!().for_each(|bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes);
        for text in [text.clone().into_owned(), format!("{text}T18:41:34.123Z"), format!("2026-11-30T{text}Z")] {
            if let Some(ms) = parse_time(&text) {
                assert!(ms <= TIME_MS_MAX);
                let written = time_tag(ms);
                assert!(written == text || written.strip_suffix(".000Z") == text.strip_suffix('Z'));
            }
        }
    });
}

#[test]
fn moment_written() {
    bolero::check!().with_type::<u64>().for_each(|ms| {
        assert_eq!(parse_time(&time_tag(*ms)), Some((*ms).min(TIME_MS_MAX)));
    });
}

#[test]
fn name_and_password() {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    bolero::check!().for_each(|bytes: &[u8]| {
        let letters: String = bytes.iter().map(|byte| char::from(LETTERS[usize::from(byte % 64)])).collect();
        for text in
            [String::from_utf8_lossy(bytes).into_owned(), format!("{letters}="), format!("AGEA{letters}"), letters]
        {
            if let Some((authzid, authcid, password)) = sasl_plain(&text) {
                assert!(!authcid.is_empty() && !password.is_empty());
                assert!([&authzid, &authcid, &*password].iter().all(|part| part.len() <= PLAIN_PART_BYTES_MAX));
                assert!([&authzid, &authcid, &*password].iter().all(|part| !part.contains('\0')));
            }
        }
    });
}

#[test]
fn text_of_strangers() {
    bolero::check!().with_type::<(String, u8)>().for_each(|(text, bytes_max)| {
        let bytes_max = usize::from(*bytes_max);
        let start = head(text, bytes_max);
        assert!(start.len() <= bytes_max && text.starts_with(start));
        let lines = lines(text, bytes_max);
        assert!(!lines.is_empty());
        assert!(lines.iter().all(|line| line.len() <= bytes_max.max(CUT_BYTES_MIN) && clean(line) == *line));
        let without_blanks = |text: &str| text.replace(' ', "");
        assert_eq!(without_blanks(&lines.concat()), without_blanks(&clean(text)));
        let (first, more) = first_lines(text, bytes_max, 3);
        assert!(first.len() <= 3 && lines.starts_with(&first) && first.len() + more == lines.len());
        let (pieces, more) = first_pieces(text, bytes_max, 9, 300);
        assert!(pieces.len() <= 9 && pieces.iter().map(|piece| piece.text.len() + 1).sum::<usize>() <= 300);
        assert!(pieces.iter().all(|piece| piece.text.len() <= bytes_max.max(CUT_BYTES_MIN)));
        assert!(pieces.len() + more > text.matches('\n').count());
    });
}
