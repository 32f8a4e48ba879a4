//! Owns: the tables of the machines as Markdown, for `docs/tables.md`, and the codes for `docs/refusals.md`.
//! Never: a word that is not in the code.
//! Called by: the tests that compare the documents, parloirctl.

use crate::refusal::{Code, EndReason, Place};
use crate::update::Word;
use crate::{call, camera, maintenance, remote};
use std::fmt::Write as _;

type Names = Vec<(&'static str, &'static str)>;

/// `docs/tables.md`.
#[must_use]
pub fn markdown() -> String {
    let mut out = String::from(
        "# The tables\n\nPrinted by `parloir_core::tables::markdown()` from the code that runs; a test compares. To print them anew: \
         `UPDATE=1 cargo test -p parloir-core --test docs`.\n\nA column is a state, a row is what happened; the cell is the next state. \
         A dot: the state stays. Effects hang on the edges (`appliance/core/src/edges.rs`), never on a row.\n",
    );
    let call_row =
        |cause: &call::Cause| call::Kind::ALL.iter().map(|state| cell(call::next(*state, *cause).name(), state.name())).collect();
    table(
        &mut out,
        "Call",
        &names(call::Kind::ALL, |k| (k.name(), k.words())),
        &names(call::Cause::ALL, |c| (c.name(), c.words())),
        &rows(call::Cause::ALL, call_row),
    );
    let camera_row = |cause: &camera::Cause| {
        camera::Kind::ALL.iter().map(|state| cell(camera::next(*state, *cause).name(), state.name())).collect()
    };
    table(
        &mut out,
        "Camera",
        &names(camera::Kind::ALL, |k| (k.name(), k.words())),
        &names(camera::Cause::ALL, |c| (c.name(), c.words())),
        &rows(camera::Cause::ALL, camera_row),
    );
    let remote_row = |cause: &remote::Cause| {
        remote::Kind::ALL.iter().map(|state| cell(remote::next(*state, *cause).name(), state.name())).collect()
    };
    table(
        &mut out,
        "Remote",
        &names(remote::Kind::ALL, |k| (k.name(), k.words())),
        &names(remote::Cause::ALL, |c| (c.name(), c.words())),
        &rows(remote::Cause::ALL, remote_row),
    );
    let shift_row = |cause: &maintenance::Cause| {
        maintenance::Kind::ALL.iter().map(|state| cell(maintenance::next(*state, *cause).name(), state.name())).collect()
    };
    table(
        &mut out,
        "Maintenance",
        &names(maintenance::Kind::ALL, |k| (k.name(), k.words())),
        &names(maintenance::Cause::ALL, |c| (c.name(), c.words())),
        &rows(maintenance::Cause::ALL, shift_row),
    );
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

fn rows<T>(all: &[T], of: impl Fn(&T) -> Vec<String>) -> Vec<Vec<String>> {
    all.iter().map(of).collect()
}

fn cell(next: &'static str, state: &'static str) -> String {
    if next == state { "·".to_owned() } else { next.to_owned() }
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
