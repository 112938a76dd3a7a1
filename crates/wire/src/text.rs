//! Text that a peer says of itself, made fit to be shown and logged. Never used for messages.

/// The text of these bytes, at most `bytes_max` long: what is no UTF-8, controls a terminal, hides or turns the
/// direction of writing around becomes `?`.
pub(crate) fn clean(bytes: &[u8], bytes_max: usize) -> String {
    let mut text = String::new();
    for character in bytes.utf8_chunks().flat_map(|chunk| {
        let broken = (!chunk.invalid().is_empty()).then_some('?');
        chunk.valid().chars().chain(broken)
    }) {
        let shown = if is_unfit(character) { '?' } else { character };
        if text.len() + shown.len_utf8() > bytes_max {
            break;
        }
        text.push(shown);
    }
    text
}

fn is_unfit(character: char) -> bool {
    let invisible = matches!(
        character,
        '\u{ad}'
            | '\u{61c}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}'
    );
    character.is_control() || invisible
}

#[cfg(test)]
mod tests {
    use super::clean;

    #[test]
    fn text_of_a_peer_is_cut_at_a_character_and_cleaned() {
        assert_eq!(clean(b"Nightjar/0.1", 64), "Nightjar/0.1");
        assert_eq!(clean("a\u{1b}[2Jb\n\u{202e}c".as_bytes(), 64), "a?[2Jb??c");
        assert_eq!(clean(b"ok\xff\xfeok", 64), "ok??ok");
        assert_eq!(clean("\u{e9}\u{e9}\u{e9}".as_bytes(), 5), "\u{e9}\u{e9}");
        assert_eq!(clean(&[b'x'; 1000], 10), "xxxxxxxxxx");
    }
}
