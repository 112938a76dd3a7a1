//! Text of strangers, made fit for a line of IRC. Never looks at what it means.

use unicode_properties::{GeneralCategoryGroup, UnicodeGeneralCategory as _};

/// How many bytes may be given up so that a character keeps its marks: far more than any script needs, and a text of
/// nothing but marks is still cut near the end.
const MARKS_BYTES_MAX: usize = 64;

/// The beginning of a text: at most so many bytes of it, whole characters, and where it can be done none that is parted
/// from its marks.
pub fn head(text: &str, bytes_max: usize) -> &str {
    if text.len() <= bytes_max {
        return text;
    }
    let end = (0..=bytes_max).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    let whole = (end.saturating_sub(MARKS_BYTES_MAX).max(1)..=end).rev().find(|at| parts(text, *at));
    text.split_at(whole.unwrap_or(end)).0
}

/// Whether a text can be cut there without changing what is left and right of it.
fn parts(text: &str, at: usize) -> bool {
    let Some((left, right)) = text.split_at_checked(at) else { return false };
    !right.starts_with(clings) && !left.ends_with('\u{200d}')
}

/// Whether a character belongs to the one before it: a mark (as variation selectors are), a joiner or a tone of skin.
fn clings(character: char) -> bool {
    matches!(character, '\u{200d}' | '\u{1f3fb}'..='\u{1f3ff}')
        || character.general_category_group() == GeneralCategoryGroup::Mark
}
