//! The reference page is what the table of methods says now.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "a test may fail loudly")]

use std::path::Path;

/// Set to anything, the test writes the page instead of comparing it.
const WRITE: &str = "NIGHTJAR_WRITE_DOCS";

#[test]
fn the_committed_page_is_fresh() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/rpc.md");
    let page = nightjar_front::rpc::reference::render();
    if std::env::var_os(WRITE).is_some() {
        std::fs::write(&path, page).unwrap();
        return;
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default().replace("\r\n", "\n");
    assert!(
        committed == page,
        "docs/rpc.md is not what the table of methods says: write it anew with `{WRITE}=1 cargo test -p nightjar-front --test reference`"
    );
}
