//! What the program says to who uses it, word for word: the transcripts in `tests/cli`.
#![allow(missing_docs, reason = "a test")]

#[test]
fn transcripts() {
    trycmd::TestCases::new()
        .env("NO_COLOR", "1")
        .env("NIGHTJAR_DATA_DIR", "/nonexistent/nightjar")
        .case("tests/cli/*.md");
}
