//! Owns: that a screen, a link and a call that were taken over can what docs/security.md says, and nothing more.
//! Never: looks inside; it has the course's word, its table and its exit.
//! Called by: the stage `judge`. To write the table anew: `UPDATE=1`.

use std::path::{Path, PathBuf};
use std::process::Command;

const BEGIN: &str = "<!-- taken over: printed by tests/judge -->\n";
const END: &str = "<!-- end -->";

#[test]
fn what_three_processes_that_were_taken_over_can_is_what_the_page_says() {
    if let Some(why) = parloir_bench::walls::obstacle() {
        println!("skipped: {why}");
        return;
    }
    let tree = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap();
    let out = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("judge-roles");
    let _ = std::fs::remove_dir_all(&out);
    let done = Command::new(env!("CARGO_BIN_EXE_parloir-judge")).arg("roles").arg(tree).arg(&out).output().unwrap();
    println!("{}\n{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    assert!(done.status.success(), "not as declared; see above, and {}", out.display());
    let table = std::fs::read_to_string(out.join("table.md")).unwrap();
    let page = tree.join("docs/security.md");
    let text = std::fs::read_to_string(&page).unwrap();
    let (before, rest) = text.split_once(BEGIN).expect("the mark of the table");
    let (written, after) = rest.split_once(END).expect("the mark of its end");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&page, format!("{before}{BEGIN}\n{table}\n{END}{after}")).unwrap();
    } else {
        assert_eq!(written.trim(), table.trim(), "docs/security.md differs from what was seen; write it anew with UPDATE=1");
    }
}
