//! Nicks, and names of accounts, that look like each other though they are not the same. Only says so; it never refuses one.
//!
//! The grammar of nicks is ASCII, so the letters of other scripts that look Latin are out already. What is left is what
//! one ASCII text can do to another: `n1ghtraven` and `night_raven` look like `nightraven`, `sarn` looks like `sam`.

/// Whether a reader may take one for the other. A text looks like itself, and like itself in other case.
pub fn same_looking(one: &str, other: &str) -> bool {
    skeleton(one) == skeleton(other)
}

/// The first of the known nicks that a stranger's looks like.
pub fn looks_like<'k>(stranger: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let skeleton_of_stranger = skeleton(stranger);
    known.into_iter().find(|nick| skeleton(nick) == skeleton_of_stranger)
}

/// One text for all that look the same. It is for comparing, not for showing, and may change with the program.
///
/// Letters that look like two others become those two, so that it does not matter where one begins to read: `vvv` is `wv`
/// and `vw`. Marks that the eye passes over are left out.
pub fn skeleton(text: &str) -> String {
    let mut skeleton = String::with_capacity(2 * text.len());
    for character in text.chars() {
        match character.to_ascii_lowercase() {
            '-' | '_' | '.' => {}
            '0' => skeleton.push('o'),
            // Large i is small L in many a typeface, and folds to small i.
            '1' | 'i' | '|' | '!' => skeleton.push('l'),
            '2' => skeleton.push('z'),
            '5' | '$' => skeleton.push('s'),
            '6' => skeleton.push('b'),
            '9' | 'q' => skeleton.push('g'),
            '{' | '(' => skeleton.push('['),
            '}' | ')' => skeleton.push(']'),
            'd' => skeleton.push_str("cl"),
            'm' => skeleton.push_str("rn"),
            'w' => skeleton.push_str("vv"),
            other => skeleton.push(other),
        }
    }
    skeleton
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_a_reader_takes_for_another_looks_the_same() {
        for (one, other) in [
            ("nightraven", "n1ghtraven"),
            ("nightraven", "nlghtraven"),
            ("nightraven", "night_raven"),
            ("nightraven", "_night--raven_"),
            ("nightraven", "NightRaven"),
            ("|ord", "lord"),
            ("bob", "b0b"),
            ("bob", "6ob"),
            ("zoe", "2oe"),
            ("sam", "5am"),
            ("sam", "sarn"),
            ("gina", "9ina"),
            ("wim", "vvim"),
            ("vvv", "wv"),
            ("vvv", "vw"),
            ("clara", "dara"),
            ("[ann]", "{ann}"),
            ("pascal.coin", "pascalcoin"),
        ] {
            assert!(same_looking(one, other) && same_looking(other, one), "{one} {other}");
        }
    }

    #[test]
    fn what_differs_to_the_eye_does_not() {
        for (one, other) in [
            ("nightraven", "nightheron"),
            ("anna", "ana"),
            ("raven", "ravens"),
            ("raven", "crow"),
            ("bob", "rob"),
            ("ann", "anm"),
            ("r4ven", "raven"),
            ("raven^", "raven"),
            ("[ann]", "ann"),
        ] {
            assert!(!same_looking(one, other), "{one} {other}");
        }
    }

    #[test]
    fn the_known_one_is_named() {
        let known = ["crow", "nightraven"];
        assert_eq!(looks_like("night-raven", known), Some("nightraven"));
        assert_eq!(looks_like("jay", known), None);
    }

    proptest! {
        #[test]
        fn a_skeleton_looks_like_what_it_is_of(text in ".{0,64}") {
            prop_assert_eq!(skeleton(&skeleton(&text)), skeleton(&text));
            prop_assert!(same_looking(&text, &text.to_ascii_uppercase()));
        }
    }
}
