//! Owns: the words and tables of the moments: the last lines for the terminal, the record that is kept.
//! Never: judges.
//! Called by: moments.

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::{Value, json};

use super::PROCESSES;
use super::verdict::Played;
use crate::faults::verdict::SHUT_LIMIT_MS;

/// What is done and what must hold, for the record and for the page of the faults.
pub const RULES: &str = "A moment is a time from the OK press on, whatever the box does then; arbiter, gate and link come in turn, the blow by the seed: \
     SIGKILL, SIGSTOP until its watchdog kills it, or SIGSTOP and SIGCONT 0.05 to 4 s later. Seen from outside:\n\n\
     - where arbiter or gate is killed, or silent for 2.5 s or more, nobody holds camera or microphone and call is dead 3 s after the \
     blow, and nothing opens after that; else (link, shorter pauses) a door that is open then has a visit on the screen;\n\
     - each visit whose doors were open has one receipt, each other call at most one, and none comes twice;\n\
     - a copy of the ledger is read whole, and its chain verified, after each moment;\n\
     - at home again nothing runs that should not, and no program reported a bug of its own.\n";

/// The phases of the screen, in the order of a visit.
const PHASES: [&str; 9] = ["home", "asking", "joining", "live", "held", "closing", "ended", "refused", "starting"];

/// A run that is to be told.
pub struct Told<'a> {
    /// What was played.
    pub played: &'a [Played],
    /// How many were wanted.
    pub asked: usize,
    /// Of the moments.
    pub seed: u64,
    /// The visitor was a real browser.
    pub browser: bool,
    /// What the box said of itself after all of them, or why it did not.
    pub account: &'a Result<Value, String>,
}

impl Told<'_> {
    fn wrong(&self) -> impl Iterator<Item = &Played> {
        self.played.iter().filter(|row| !row.wrong.is_empty())
    }

    /// Visits whose doors were open, and the receipts of them.
    fn receipts(&self) -> (usize, usize) {
        let open = || self.played.iter().filter(|row| row.seen.opened);
        (open().count(), open().map(|row| row.seen.receipts.len()).sum())
    }

    fn worst(&self) -> String {
        let shut: Vec<(u64, &Played)> = self.played.iter().filter_map(|row| Some((row.shut_by_blow()?, row))).collect();
        match shut.iter().max_by_key(|(ms, _)| *ms) {
            Some((ms, row)) => format!(
                "{} blows had to shut open doors; the slowest took {ms} ms ({} {} in {}), the limit is {SHUT_LIMIT_MS} ms",
                shut.len(),
                row.moment.process,
                row.moment.blow.name(),
                row.phase()
            ),
            None => "no blow had open doors to shut".to_owned(),
        }
    }

    fn ledger(&self) -> String {
        let whole = self.played.iter().filter(|row| row.seen.rows.is_some()).count();
        let rows = self.played.iter().filter_map(|row| row.seen.rows).max().unwrap_or(0);
        format!("the ledger verified after {whole} of {} moments, at most {rows} rows", self.played.len())
    }

    /// The export that the facility fetched after the last moment.
    fn account(&self) -> String {
        match self.account {
            Ok(account) => format!(
                "the box's export, fetched by the facility's console after the last of them: {} pages, {} rows of the ledger, whose chain \
                 holds; a replay of {} steps did the same",
                account["pages"], account["rows"], account["steps"]
            ),
            Err(why) => format!("no export of the box after the last of them: {why}"),
        }
    }

    /// The last lines for the terminal.
    #[must_use]
    pub fn summary(&self) -> String {
        let (visits, receipts) = self.receipts();
        let mut text = String::new();
        self.wrong().for_each(|row| {
            let _ = writeln!(text, "wrong: {}", row.line());
        });
        let _ = write!(
            text,
            "{} moments of {} played, {} wrong; {}; {visits} visits with open doors, {receipts} receipts of them; {}",
            self.played.len(),
            self.asked,
            self.wrong().count(),
            self.worst(),
            self.ledger()
        );
        let _ = write!(text, "; {}", self.account());
        text
    }

    /// All of it.
    #[must_use]
    pub fn json(&self) -> Value {
        let rows: Vec<Value> = self.played.iter().map(Played::json).collect();
        json!({ "asked": self.asked, "seed": self.seed, "moments": rows, "account": self.account.as_ref().ok() })
    }

    /// The record.
    #[must_use]
    pub fn markdown(&self, commit: &str, took: Duration) -> String {
        let (visits, receipts) = self.receipts();
        let visitor = if self.browser { "a real browser, with pictures" } else { "a page that joins and has no pictures" };
        let mut text = format!(
            "\n## Arbiter, gate and link struck at random moments of a visit\n\n\
             Commit `{commit}`, seed {}, {} min. **{} moments of {} played, {} wrong.** The visitor is {visitor}.\n\n\
             {RULES}\n",
            self.seed,
            took.as_secs().div_ceil(60),
            self.played.len(),
            self.asked,
            self.wrong().count(),
        );
        let _ = writeln!(
            text,
            "{}. {visits} visits had open doors, {receipts} receipts came of them; {}; {}.\n",
            self.worst(),
            self.ledger(),
            self.account()
        );
        text.push_str("What the screen said at the blow:\n\n");
        let phases: Vec<&str> = PHASES.into_iter().filter(|phase| self.played.iter().any(|row| row.phase() == *phase)).collect();
        let _ = writeln!(text, "| | {} |\n| --- |{}", phases.join(" | "), " --- |".repeat(phases.len()));
        for process in PROCESSES {
            for blow in ["kill", "stop", "pause"] {
                let count = |phase: &str| {
                    let of =
                        |row: &&Played| row.moment.process == process && row.moment.blow.name() == blow && row.phase() == phase;
                    self.played.iter().filter(of).count().to_string()
                };
                let counts: Vec<String> = phases.iter().map(|phase| count(phase)).collect();
                let _ = writeln!(text, "| {process}, {blow} | {} |", counts.join(" | "));
            }
        }
        for row in self.wrong() {
            let _ = writeln!(text, "\n- {}", row.line().replace("\n       ", "; "));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::moments::verdict::{Receipts, Seen, Struck};
    use crate::moments::{Blow, Moment};

    #[test]
    fn a_record_says_how_many_were_played_what_was_struck_and_what_was_wrong() {
        let mut receipts = Receipts::default();
        let row = |process: &'static str, blow: Blow, shut_ms: Option<u64>, receipts: &mut Receipts| {
            let moment = Moment { at: Duration::from_millis(1_500), process, blow };
            let struck = Struck { phase: "live".into(), open: true, continued: false, look: Some((false, "ended".into())) };
            Played::judged(moment, Seen { struck, shut_ms, rows: Some(40), ..Seen::default() }, receipts)
        };
        let played = [row("gate", Blow::Kill, Some(15), &mut receipts), row("arbiter", Blow::Stop, Some(9_000), &mut receipts)];
        let account = Ok(json!({ "pages": 3, "rows": 90, "holds": true, "same": true, "steps": 700 }));
        let told = Told { played: &played, asked: 200, seed: 5, browser: true, account: &account };
        let text = told.markdown("abc", Duration::from_secs(61));
        for part in [
            "`abc`, seed 5, 2 min",
            "**2 moments of 200 played, 1 wrong.**",
            "| gate, kill | 1 |",
            "| link, kill | 0 |",
            "9000 ms (arbiter stop in live)",
            "later than 3000 ms",
            "verified after 2 of 2 moments, at most 40 rows; the box's export",
            "3 pages, 90 rows of the ledger, whose chain holds; a replay of 700 steps did the same",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert!(told.summary().contains("wrong: WRONG arbiter"), "{}", told.summary());
        assert_eq!(told.json()["moments"][0]["blow"], json!("kill"));
    }
}
