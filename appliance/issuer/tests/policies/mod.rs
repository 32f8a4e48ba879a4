//! Owns: that each worked policy of `docs/policies` is a policy, and what the linter says of it is what the page says.
//! Never: a signature. `UPDATE=1` prints the page's table anew.
//! Called by: provision.rs, whose program it shares.

use parloir_pass::SitePolicy;
use parloir_pass::lint::lint;
use std::fmt::Write as _;
use std::path::Path;

const MARK: &str = "a test compares -->\n\n";

fn table(dir: &Path) -> String {
    let mut files: Vec<_> = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|e| e == "json"));
    files.sort();
    let mut out = "| Policy | Classes | The linter |\n| --- | --- | --- |\n".to_owned();
    for path in files {
        let policy: SitePolicy = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        let classes: Vec<_> = policy.classes.iter().map(|rule| rule.class.name()).collect();
        let said: Vec<_> =
            lint(&policy).iter().map(|f| format!("{} `{}`", if f.error { "refuses:" } else { "warns:" }, f.code)).collect();
        let said = if said.is_empty() { "has nothing to say".to_owned() } else { said.join(", ") };
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let _ = writeln!(out, "| [{name}]({name}): {} | {} | {said} |", policy.site_name, classes.join(", "));
    }
    out
}

#[test]
fn each_worked_policy_is_judged_as_its_page_says() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/policies");
    let (page, table) = (dir.join("README.md"), table(&dir));
    let text = std::fs::read_to_string(&page).unwrap();
    let (head, printed) = text.split_once(MARK).unwrap();
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&page, format!("{head}{MARK}{table}")).unwrap();
        return;
    }
    assert_eq!(printed, table, "UPDATE=1 cargo test -p parloir-issuer --test provision");
    // What the four are there for, whatever their page says.
    let judged = |name: &str| table.lines().find(|line| line.contains(&format!("[{name}.json]"))).unwrap().to_owned();
    let all = "| family, parent-child, lawyer, health, authority, probation, lesson | has nothing to say |";
    assert!(judged("state-paid").ends_with(all));
    assert!(judged("lawyer-only").ends_with("| lawyer | has nothing to say |"));
    assert!(judged("recorded").contains("refuses: `RecordingWithoutRoute`"));
    assert!(judged("lawyer-recorded").contains("refuses: `PrivateClassRecorded`"));
}
