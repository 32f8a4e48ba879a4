//! Owns: the tables of the machines as Markdown, for `docs/tables.md`, and the codes for `docs/refusals.md`.
//! Never: a word that is not in the code.
//! Called by: the tests that compare the documents, parloirctl.

use crate::refusal::{Code, EndReason};
use crate::{call, camera, remote};
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
    out
}

/// `docs/refusals.md`.
#[must_use]
pub fn refusals() -> String {
    let mut out = String::from(
        "# Codes\n\nPrinted by `parloir_core::tables::refusals()`; a test compares. To print them anew: \
         `UPDATE=1 cargo test -p parloir-core --test docs`.\n\nA code never changes its meaning. On the bus it stands behind \
         `org.parloir.Error.`, in a receipt in `reason`, in the view in `outcome.code`. The person's sentence stands under the key in \
         `ui/lang`.\n\n## Refusals\n\n| Code | Sentence | Rule | For the operator |\n| --- | --- | --- | --- |\n",
    );
    for code in Code::ALL {
        let _ = writeln!(out, "| `{}` | `{}` | `{}` | {} |", code.name(), code.sentence(), code.rule(), code.hint());
    }
    out.push_str("\n## Ends\n\n| Code | Sentence | Rule | Meaning |\n| --- | --- | --- | --- |\n");
    for reason in EndReason::ALL {
        let _ = writeln!(out, "| `{}` | `{}` | `{}` | {} |", reason.name(), reason.sentence(), reason.rule(), reason.hint());
    }
    out
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
