//! Owns: the rows of Show 5 as data: what goes wrong at the update server, what the box does, what the server then knows.
//! Never: how a row is played.
//! Called by: ddi_table.rs.

mod cancel;
mod download;
mod polling;
mod reports;

use crate::Do;
use std::fmt::Write as _;

/// A case.
pub struct Row {
    /// Its name.
    pub case: &'static str,
    /// What the box does.
    pub does: &'static str,
    /// What happens, in order.
    pub script: &'static [Do],
    /// Reports that the server took, in order.
    pub reports: &'static [&'static str],
    /// Where the newest action is at the end, in hawkBit's words.
    pub ends: &'static str,
    /// Code of the failure, if it is one.
    pub code: &'static str,
    /// Requests for the bundle that were answered with bytes.
    pub downloads: usize,
    /// Installations that RAUC was asked for.
    pub installs: u32,
    /// So long it may take, seconds: later than that is not what a server with a wish of its own asked for.
    pub within: u64,
    /// The version that runs at the end.
    pub runs: &'static str,
}

/// Of an update without trouble.
pub const WHOLE: &[&str] = &["download", "downloaded", "proceeding", "proceeding", "closed success"];

/// An update without trouble; a row says what is different.
pub const ROW: Row = Row {
    case: "",
    does: "",
    script: &[],
    reports: WHOLE,
    ends: "finished",
    code: "",
    downloads: 1,
    installs: 1,
    within: 40,
    runs: "1.1.0",
};

/// All, a group after the other.
pub static ROWS: std::sync::LazyLock<Vec<&'static Row>> =
    std::sync::LazyLock::new(|| [polling::ROWS, download::ROWS, reports::ROWS, cancel::ROWS].into_iter().flatten().collect());

const HEAD: &str = "# When the update server fails

What a box does when hawkBit's device interface (or whoever stands in its way) does not do what it should. Printed from the rows that
`appliance/updater/tests/ddi_table.rs` plays with the real binary, against the facility's update server with faults on order, RAUC and the arbiter
played on a real bus; each row is seen there, with the reports that the server took, in their order, once each. To print it anew:
`UPDATE=1 cargo test -p parloir-updater --test ddi_table the_docs`. Report numbers, retries and pauses: [updates.md](updates.md).

The reports of an update without trouble are: download, downloaded, proceeding (it is being written), proceeding (it waits for the restart),
closed success, which is said after the new version was blessed and not before.
";

/// `docs/ddi.md`.
pub fn markdown() -> String {
    let mut out = HEAD.to_owned();
    let groups = [
        ("Asking, and the connection", polling::ROWS),
        ("The bundle", download::ROWS),
        ("Reports", reports::ROWS),
        ("The same again, and taking back", cancel::ROWS),
    ];
    for (title, rows) in groups {
        let _ =
            writeln!(out, "\n## {title}\n\n| Case | What the box does | The server's reports | The action | Fetched, written |");
        out.push_str("| --- | --- | --- | --- | --- |\n");
        for row in rows {
            let reports = if row.reports == WHOLE { "as without trouble".to_owned() } else { row.reports.join(", ") };
            let ends = if row.code.is_empty() { row.ends.to_owned() } else { format!("{}, `{}`", row.ends, row.code) };
            let _ =
                writeln!(out, "| {} | {} | {} | {} | {}, {} |", row.case, row.does, reports, ends, row.downloads, row.installs);
        }
    }
    out
}
