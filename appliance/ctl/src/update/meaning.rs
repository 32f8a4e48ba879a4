//! Owns: what each report of a box means and what an operator does about it; the tables of docs/operating.md.
//! Never: a word for a code; those are the updater's own.
//! Called by: status.

use parloir_updater::Code;
use parloir_updater::store::Phase;

/// A kind of report, as it stands in hawkBit's feedback: execution and result.
pub struct Meaning {
    pub execution: &'static str,
    pub finished: &'static str,
    /// Of a cancel, not of the update.
    pub of_cancel: bool,
    pub words: &'static str,
    pub next: &'static str,
    /// How it counts.
    pub kind: Kind,
}

/// What a box is counted as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// No update was offered, or nothing was heard of it.
    Quiet,
    UnderWay,
    /// Runs the new version and keeps it.
    Done,
    /// Runs the old version.
    Stopped,
    /// Runs the old version, and something is wrong.
    Failed,
}

const fn row(execution: &'static str, finished: &'static str, kind: Kind, words: &'static str, next: &'static str) -> Meaning {
    Meaning { execution, finished, of_cancel: false, words, next, kind }
}

/// Every report that a box makes.
pub const REPORTS: &[Meaning] = &[
    row("download", "none", Kind::UnderWay, "fetches the bundle", "nothing; it pauses while a visit is on"),
    row("downloaded", "none", Kind::UnderWay, "has the bundle, and its hash is right", "nothing"),
    row(
        "scheduled",
        "none",
        Kind::UnderWay,
        "waits for the end of a visit, a ring or a booked slot",
        "nothing; its words say for what",
    ),
    row(
        "proceeding",
        "none",
        Kind::UnderWay,
        "writes the other slot, or waits to start it",
        "nothing; do not cut its power without need",
    ),
    row("closed", "success", Kind::Done, "runs the new version, found itself healthy and keeps it", "nothing"),
    row("closed", "failure", Kind::Failed, "runs the old version", "halt the wave; do what its code says"),
    Meaning {
        of_cancel: true,
        ..row("closed", "success", Kind::Stopped, "stopped the update and runs the old version", "nothing")
    },
    Meaning {
        of_cancel: true,
        ..row("rejected", "none", Kind::UnderWay, "was past the point of stopping; its report follows", "wait for that")
    },
];

/// The row for a report.
pub fn of(execution: &str, finished: &str, of_cancel: bool) -> Option<&'static Meaning> {
    REPORTS.iter().find(|row| (row.execution, row.finished, row.of_cancel) == (execution, finished, of_cancel))
}

/// What an update under way means for a box that is found dead.
pub const fn phase(phase: Phase) -> &'static str {
    match phase {
        Phase::Downloading => "fetched a bundle; neither slot was touched",
        Phase::Installing => "wrote the other slot; the one that it ran is whole",
        Phase::Installed => "had written the other slot and waited to start it",
        Phase::Trial => "tried the new version, which had not yet been found healthy",
        Phase::Falling => "had found the new version wanting and was going back to the old one",
    }
}

/// The reports, as docs/operating.md has them.
#[cfg(test)]
pub fn reports_table() -> String {
    let rows = REPORTS.iter().map(|row| {
        let of = if row.of_cancel { "cancel" } else { "update" };
        format!("| {of} | `{}` | `{}` | {} | {} |\n", row.execution, row.finished, row.words, row.next)
    });
    format!(
        "| Of | Execution | Finished | The box | The operator |\n| --- | --- | --- | --- | --- |\n{}",
        rows.collect::<String>()
    )
}

/// The codes of a failure, as docs/operating.md has them.
#[cfg(test)]
pub fn codes_table() -> String {
    let kept = |code: &Code| if code.is_kept() { "is remembered" } else { "may be offered again" };
    let rows = Code::ALL.iter().map(|code| format!("| `{}` | {} | {} |\n", code.name(), code.hint(), kept(code)));
    format!("| Code | What it means, and what to do | The same bundle |\n| --- | --- | --- |\n{}", rows.collect::<String>())
}

/// What an operator does about a code.
pub fn hint(code: &str) -> &'static str {
    Code::from_name(code).map_or("This parloirctl does not know the code; use the one of the box's release.", Code::hint)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    fn tree() -> &'static Path {
        Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
    }

    /// What stands between `<!-- NAME -->` and `<!-- end -->`. To print it anew: UPDATE=1.
    #[test]
    fn the_operators_tables_are_printed_from_here() {
        let page = tree().join("docs/operating.md");
        let mut text = fs::read_to_string(&page).unwrap();
        for (name, table) in [("reports", reports_table()), ("codes", codes_table())] {
            let begin = format!("<!-- {name} -->\n");
            let from = text.find(&begin).unwrap_or_else(|| panic!("no {begin}")) + begin.len();
            let to = from + text[from..].find("<!-- end -->").expect("an end");
            if std::env::var_os("UPDATE").is_some() {
                text.replace_range(from..to, &table);
                fs::write(&page, &text).unwrap();
            } else {
                assert_eq!(text[from..to], table, "UPDATE=1 cargo test -p parloir-ctl prints it anew");
            }
        }
    }

    /// The updater's sources are read, because no list of its reports is kept there.
    #[test]
    fn every_report_that_the_updater_makes_is_explained() {
        let mut seen = Vec::new();
        for entry in fs::read_dir(tree().join("appliance/updater/src")).unwrap() {
            let text = fs::read_to_string(entry.unwrap().path()).unwrap();
            let product = text.split("#[cfg(test)]").next().unwrap_or_default();
            for call in product.split("self.progress(\"").skip(1) {
                seen.push((call.split('"').next().unwrap_or_default().to_owned(), "none".to_owned()));
            }
            for pair in ["(\"closed\", \"success\")", "(\"closed\", \"failure\")", "(\"rejected\", \"none\")"] {
                if product.contains(pair) {
                    let mut words = pair.split('"').skip(1).step_by(2);
                    seen.push((words.next().unwrap().to_owned(), words.next().unwrap().to_owned()));
                }
            }
        }
        assert!(seen.len() >= 7, "{seen:?}");
        for (execution, finished) in &seen {
            assert!(of(execution, finished, execution == "rejected").is_some(), "{execution} {finished}");
        }
        for row in REPORTS {
            assert!(seen.contains(&(row.execution.to_owned(), row.finished.to_owned())), "nobody reports {}", row.execution);
        }
    }
}
