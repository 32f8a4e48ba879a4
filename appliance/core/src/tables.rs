//! Owns: the tables of the machines as Markdown, for `docs/tables.md`, and the codes for `docs/refusals.md`.
//! Never: a word that is not in the code.
//! Called by: the tests that compare the documents, parloirctl.

use crate::never::Never;
use crate::refusal::{Code, EndReason, Place};
use crate::update::Word;
use crate::{call, camera, maintenance, never, remote, session};
use std::fmt::Write as _;

type Names = Vec<(&'static str, &'static str)>;

/// The tables have states and causes of their own types, of one shape.
macro_rules! print {
    ($out:expr, $title:literal, $machine:ident, $never:path) => {{
        use $machine::{Cause, Kind, next};
        let row = |cause: &Cause| {
            Kind::ALL.iter().map(|state| cell(next(*state, *cause).name(), state.name(), $never(*state, *cause))).collect()
        };
        let rows: Vec<Vec<String>> = Cause::ALL.iter().map(row).collect();
        let states = names(Kind::ALL, |k| (k.name(), k.words()));
        table($out, $title, &states, &names(Cause::ALL, |c| (c.name(), c.words())), &rows);
        let cells = Cause::ALL.iter().flat_map(|c| Kind::ALL.iter().map(|k| (c.name(), k.name(), $never(*k, *c))));
        nevers($out, &cells.collect::<Vec<_>>());
    }};
}

/// `docs/tables.md`.
#[must_use]
pub fn markdown() -> String {
    let mut out = String::from(
        "# The tables\n\nPrinted by `parloir_core::tables::markdown()` from the code that runs; a test compares. To print them anew: \
         `UPDATE=1 cargo test -p parloir-core --test docs`.\n\nA column is a state, a row is what happened; the cell is the next state. \
         A dot: the state stays. In brackets: no event brings that cause in that state, for the reason below the table; the table has the cell \
         all the same, so that it fails closed. A test reaches every other cell and none of these, and holds each reason against every state \
         that it finds. Effects hang on the edges (`appliance/core/src/edges.rs`), never on a row.\n",
    );
    print!(&mut out, "Call", call, never::in_call);
    print!(&mut out, "Camera", camera, never::in_camera);
    print!(&mut out, "Remote", remote, never::in_remote);
    print!(&mut out, "Maintenance", maintenance, never::in_maintenance);
    print!(&mut out, "Session", session, never::in_session);
    out
}

/// `docs/refusals.md`.
#[must_use]
pub fn refusals() -> String {
    let mut out = String::from(
        "# Codes\n\nPrinted by `parloir_core::tables::refusals()`; a test compares. To print them anew: \
         `UPDATE=1 cargo test -p parloir-core --test docs`.\n\nA code never changes its meaning. The person's sentence stands under the key \
         in `ui/lang`. Where a code appears:\n\n- **error**: as the D-Bus error `org.parloir.Error.<Code>` of a call of `Calls1` or \
         `Remote1`;\n- **courier**: as that error of a call of `Courier1`: what was delivered was refused;\n- **maintenance**: as that error of a call of `Maintenance1`: what an update waits for;\n- **screen**: in the view's \
         `outcome.code`, until dismissed;\n- **ledger**: in the box's ledger;\n- **facility**: in a message of the kinds `ring` and \
         `ended`, and in a receipt's `reason`.\n\nThe random walk of core's tests sees no code at another place. Codes of documents that \
         did not verify, and of bus calls without form, are the arbiter's and seal's own.\n\n## Refusals\n\n\
         | Code | Sentence | Rule | Appears | For the operator |\n| --- | --- | --- | --- | --- |\n",
    );
    for code in Code::ALL {
        let (name, places) = (code.name(), appears(code.places()));
        let _ = writeln!(out, "| `{name}` | `{}` | `{}` | {places} | {} |", code.sentence(), code.rule(), code.hint());
    }
    out.push_str("\n## Ends\n\n| Code | Sentence | Rule | Appears | Meaning |\n| --- | --- | --- | --- | --- |\n");
    for reason in EndReason::ALL {
        let (name, places) = (reason.name(), appears(reason.places()));
        let _ = writeln!(out, "| `{name}` | `{}` | `{}` | {places} | {} |", reason.sentence(), reason.rule(), reason.hint());
    }
    out.push_str(
        "\n## Updates\n\nWords of `Maintenance1.Report`, each a row `update` of the ledger. One that says that an update failed stands on the \
         home screen, until a better one comes or the arbiter starts again.\n\n| Word | Failed | Meaning |\n| --- | --- | --- |\n",
    );
    for word in Word::ALL {
        let _ = writeln!(out, "| `{}` | {} | {} |", word.name(), if word.failed() { "yes" } else { "no" }, word.meaning());
    }
    out
}

fn appears(places: &[Place]) -> String {
    let word = |place: &Place| match place {
        Place::Calls => "error",
        Place::Courier => "courier",
        Place::Maintenance => "maintenance",
        Place::Screen => "screen",
        Place::Ledger => "ledger",
        Place::Facility => "facility",
    };
    places.iter().map(word).collect::<Vec<_>>().join(", ")
}

fn names<T>(all: &[T], of: impl Fn(&T) -> (&'static str, &'static str)) -> Names {
    all.iter().map(of).collect()
}

fn cell(next: &'static str, state: &'static str, never: Option<Never>) -> String {
    let stays = if next == state { "·" } else { next };
    if never.is_some() { format!("({stays})") } else { stays.to_owned() }
}

/// Below a table: which causes never come, where, and why not.
fn nevers(out: &mut String, of: &[(&'static str, &'static str, Option<Never>)]) {
    let _ = writeln!(out, "\n| Never comes | In | Because |\n| --- | --- | --- |");
    for why in Never::ALL {
        let mut causes: Vec<_> = of.iter().filter(|(_, _, never)| *never == Some(*why)).map(|(cause, _, _)| *cause).collect();
        causes.dedup();
        for cause in causes {
            let cells = of.iter().filter(|(c, _, never)| *c == cause && *never == Some(*why));
            let states: Vec<_> = cells.map(|(_, state, _)| *state).collect();
            let _ = writeln!(out, "| {cause} | {} |{} |", states.join(", "), why.words());
        }
    }
}

fn table(out: &mut String, title: &str, states: &Names, causes: &Names, rows: &[Vec<String>]) {
    let _ = writeln!(out, "\n## {title}\n\n| State | |\n| --- | --- |");
    for (name, words) in states {
        let _ = writeln!(out, "| {name} |{words} |");
    }
    let _ = writeln!(out, "\n| What happened | |\n| --- | --- |");
    for (name, words) in causes {
        let _ = writeln!(out, "| {name} |{words} |");
    }
    let heads: Vec<_> = states.iter().map(|(name, _)| *name).collect();
    let _ = writeln!(out, "\n| | {} |\n|{}", heads.join(" | "), " --- |".repeat(heads.len() + 1));
    for ((name, _), row) in causes.iter().zip(rows) {
        let _ = writeln!(out, "| **{name}** | {} |", row.join(" | "));
    }
}
