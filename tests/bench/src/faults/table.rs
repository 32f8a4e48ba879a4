//! Owns: the words and tables of the faults: a line for a row, the page for operators, the record of a sweep.
//! Never: runs anything.
//! Called by: the runner, the test that compares `docs/faults.md`.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};

use super::cells::{Blow, Cell, Process, State};
use super::rows;
use super::verdict::{Door, Expect, Observed, Paper, SHUT_LIMIT_MS};
use crate::moments;

/// A row that was played.
pub struct Played {
    /// Its name.
    pub name: String,
    /// What was declared.
    pub expect: Expect,
    /// What was seen.
    pub seen: Observed,
    /// What was not as declared.
    pub wrong: Vec<String>,
    /// From its begin until home again.
    pub took: Duration,
    /// Where the logs of its appliance are.
    pub logs: PathBuf,
}

impl Played {
    /// A row whose appliance did not even start.
    #[must_use]
    pub fn broken(name: &str, expect: Expect, why: String, logs: PathBuf) -> Self {
        Self { name: name.to_owned(), expect, seen: Observed::default(), wrong: vec![why], took: Duration::ZERO, logs }
    }

    /// One line for the terminal.
    #[must_use]
    pub fn line(&self) -> String {
        let verdict = if self.wrong.is_empty() { "ok" } else { "WRONG" };
        format!(
            "{verdict:5}  {:26} {} · {} · {} · {} · {} s",
            self.name,
            self.screens(),
            self.doors(),
            self.receipts(),
            if self.seen.left.is_empty() { "nothing left" } else { "left running" },
            self.took.as_secs()
        )
    }

    fn screens(&self) -> String {
        let mut path: Vec<String> = Vec::new();
        for screen in self.seen.screens.iter().map(|screen| format!("{} {}", screen.phase, screen.code).trim().to_owned()) {
            if path.last() != Some(&screen) {
                path.push(screen);
            }
        }
        path.join(" > ")
    }

    fn doors(&self) -> String {
        match (self.seen.ever_open, self.seen.open, self.seen.shut_ms) {
            (false, ..) => "no door opened".to_owned(),
            (true, true, _) => "doors open".to_owned(),
            (true, false, Some(ms)) => format!("all shut after {:.2} s", ms as f64 / 1000.0),
            (true, false, None) => "call still lives".to_owned(),
        }
    }

    fn receipts(&self) -> String {
        match self.seen.receipts.as_slice() {
            [] => "no receipt".to_owned(),
            [one] => format!("receipt {} {} s", one.reason, one.counted),
            more => format!("{} receipts", more.len()),
        }
    }

    /// From the fault until all was shut, if the row's fault should shut the doors at once.
    fn door_ms(&self) -> Option<u64> {
        match self.expect.door {
            Door::Within(_) => self.seen.shut_ms.filter(|_| self.seen.ever_open),
            Door::Never | Door::Due(_) | Door::Open => None,
        }
    }

    /// All of it.
    #[must_use]
    pub fn json(&self) -> Value {
        json!({
            "row": self.name,
            "ok": self.wrong.is_empty(),
            "wrong": self.wrong,
            "screens": self.seen.screens.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "doors": self.doors(),
            "shut_ms": self.seen.shut_ms,
            "ever_open": self.seen.ever_open,
            "receipts": self.seen.receipts.iter().map(|r| json!({"reason": r.reason, "seconds_counted": r.counted})).collect::<Vec<_>>(),
            "decoded_s": self.seen.decoded_s,
            "ended": self.seen.ended,
            "left": self.seen.left,
            "took_s": self.took.as_secs_f64(),
            "logs": self.logs,
        })
    }
}

/// The longest that a door stayed open after a fault that should shut it.
#[must_use]
pub fn worst(played: &[Played]) -> String {
    match played.iter().filter_map(|row| Some((row.door_ms()?, &row.name))).max() {
        Some((ms, name)) => format!("the slowest door: {ms} ms ({name}); the limit is {SHUT_LIMIT_MS} ms"),
        None => "no row had doors to shut at once".to_owned(),
    }
}

/// `docs/faults.md`.
#[must_use]
pub fn page() -> String {
    let mut text = String::from(
        "# What happens when\n\n\
         Printed from the table that the tests play (`tests/bench/src/faults`); a test compares. To print it anew: \
         `UPDATE=1 cargo test -p parloir-bench --lib faults`.\n\n\
         Played by `scripts/test faults`; rows with a star and the whole matrix by `scripts/soak faults`, whose records are in \
         `docs/soak/`. Doors are watched from outside: nobody holds the source of camera or microphone, and the call process is dead. \
         The sentences behind the codes are in `docs/refusals.md`.\n\n\
         ## By fault\n\n\
         | Row | What happens | The screen says | Doors | Receipt | Started again |\n| --- | --- | --- | --- | --- | --- |\n",
    );
    for row in rows::all() {
        let star = if row.ci { "" } else { " *" };
        let Expect { screen, door, receipt, restarts, .. } = row.expect;
        let restarts = if restarts.is_empty() { "-".to_owned() } else { restarts.join(", ") };
        let _ = writeln!(text, "| `{}`{star} | {} | {screen} | {door} | {receipt} | {restarts} |", row.name, row.fault);
    }
    text.push_str("\n## By state and process\n\n");
    for (blow, words) in [
        (Blow::Kill, "Killed (SIGKILL); SIGTERM differs only where it says so below"),
        (Blow::Stop, "Stopped for ever (SIGSTOP): its watchdog, where it has one, kills it"),
    ] {
        let _ = writeln!(text, "{words}:\n");
        matrix(&mut text, |cell| (cell.blow == blow).then(|| cell.expect().map_or_else(|| "-".to_owned(), words_of)));
        text.push('\n');
    }
    text.push_str(
        "Stopped for one second, in any state and process: what was goes on.\n\nSIGTERM, where it differs from SIGKILL:\n\n",
    );
    for cell in Cell::all().filter(|cell| cell.blow == Blow::Term) {
        let kill = Cell { blow: Blow::Kill, ..cell };
        if let Some(expect) = cell.expect().filter(|expect| Some(*expect) != kill.expect()) {
            let _ = writeln!(text, "- {}, {}: {}", cell.state.name(), cell.process.name(), words_of(expect));
        }
    }
    let _ = write!(
        text,
        "\n## At random moments\n\nA few in `scripts/test judge`, 200 with a browser in `scripts/soak judge`. {}",
        moments::record::RULES
    );
    text
}

fn words_of(expect: Expect) -> String {
    let doors = match expect.door {
        Door::Never => String::new(),
        door => format!("; {door}"),
    };
    let receipt = match expect.receipt {
        Paper::None => String::new(),
        receipt => format!("; receipt: {receipt}"),
    };
    format!("{}{doors}{receipt}", expect.screen)
}

fn matrix(text: &mut String, words: impl Fn(Cell) -> Option<String>) {
    let heads: Vec<&str> = State::ALL.iter().map(|state| state.name()).collect();
    let _ = writeln!(text, "| | {} |\n| --- |{}", heads.join(" | "), " --- |".repeat(heads.len()));
    for process in Process::ALL {
        let _ = write!(text, "| **{}** |", process.name());
        for state in State::ALL {
            let told: Vec<String> =
                Blow::ALL.iter().filter_map(|blow| words(Cell { state: *state, process: *process, blow: *blow })).collect();
            let _ = write!(text, " {} |", told.join("<br>"));
        }
        text.push('\n');
    }
}

/// The record of a sweep.
#[must_use]
pub fn record(commit: &str, seed: u64, took: Duration, played: &[Played], left: &[String]) -> String {
    let good = played.iter().filter(|row| row.wrong.is_empty()).count();
    let mut text = format!(
        "# Sweep: states by processes by signals\n\n\
         Commit `{commit}`, seed {seed}, {} min. {good} of {} cells as declared (`docs/faults.md`), {} not reached.\n\n\
         {}.\n\n\
         Each cell: signal, outcome on the screen, from the fault until nobody held camera or microphone and call was dead (where the \
         visit goes on, the doors stay), receipts.\n\n",
        took.as_secs().div_ceil(60),
        played.len(),
        left.len(),
        worst(played),
    );
    matrix(&mut text, |cell| {
        let row = played.iter().find(|row| row.name == cell.name())?;
        let sign = if row.wrong.is_empty() { "" } else { " **wrong**" };
        let screen = row.seen.screen();
        let said = format!("{} {}", screen.phase, screen.code);
        Some(format!("{}{sign}: {}, {}, {}", cell.blow.name(), said.trim(), row.doors(), row.receipts()))
    });
    let rows: Vec<&Played> = played.iter().filter(|row| Cell::named(&row.name).is_none()).collect();
    if !rows.is_empty() {
        text.push_str("\nRows that take minutes:\n\n");
        rows.iter().for_each(|row| text.push_str(&format!("- {}\n", row.line())));
    }
    for row in played.iter().filter(|row| !row.wrong.is_empty()) {
        let _ = writeln!(text, "\n- `{}`: {}", row.name, row.wrong.join("; "));
    }
    if !left.is_empty() {
        let _ = writeln!(text, "\nNot reached: {}.", left.join(", "));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn the_page_for_operators_is_what_is_declared() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/faults.md");
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(&path, page()).expect("docs/faults.md");
        }
        let there = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            there == page(),
            "docs/faults.md is not what the table prints: UPDATE=1 cargo test -p parloir-bench --lib faults"
        );
    }

    #[test]
    fn a_record_names_the_worst_door_the_wrong_and_the_unreached() {
        let cell = Cell::named("live-gate-kill").expect("a cell");
        let seen = Observed { ever_open: true, shut_ms: Some(412), ..Observed::default() };
        let wrong = vec!["too late".to_owned()];
        let expect = cell.expect().expect("declared");
        let row = Played { name: cell.name(), expect, seen, wrong, took: Duration::ZERO, logs: PathBuf::new() };
        let text = record("abc", 7, Duration::from_secs(61), &[row], &["idle-ui-kill".to_owned()]);
        for part in ["`abc`", "seed 7, 2 min", "0 of 1", "412 ms", "kill **wrong**", "too late", "Not reached: idle-ui-kill"] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }
}
