//! Owns: the printed table equals the code.
//! Never: passes when the document is missing.
//! Called by: cargo test; `UPDATE=1` writes the document anew.

use std::path::Path;

#[test]
fn the_table_is_what_the_code_prints() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/updates.md");
    let printed = parloir_updater::table::markdown();
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, &printed).expect("docs are writable");
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(kept == printed, "docs/updates.md: UPDATE=1 cargo test -p parloir-updater --test docs");
}
