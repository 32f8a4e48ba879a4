//! Owns: what must hold after a blow at any moment: doors, receipts, ledger; and the comparison.
//! Never: runs anything, looks at a clock.
//! Called by: moments.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::{Value, json};

use super::{Blow, Moment};
use crate::faults::trail::{Receipt, Screen};
use crate::faults::verdict::SHUT_LIMIT_MS;

/// Gate waits so long for a heartbeat, and its watchdog for gate: a pause that is shorter need shut no door.
const HEARTBEAT_LIMIT: Duration = Duration::from_secs(2);
/// A pause that is longer than the limit by this has shut every door.
const MARGIN: Duration = Duration::from_millis(500);

/// What was there when the blow came, and after it.
#[derive(Clone, Debug, Default)]
pub struct Struck {
    /// On the screen at the blow.
    pub phase: String,
    /// Somebody held camera or microphone at the blow.
    pub open: bool,
    /// A paused process runs again.
    pub continued: bool,
    /// Three seconds later: somebody held camera or microphone, and what the screen said.
    pub look: Option<(bool, String)>,
}

/// What was seen of a moment.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// At the blow, and three seconds later.
    pub struck: Struck,
    /// Somebody held camera or microphone at some time of the visit.
    pub opened: bool,
    /// From the blow until all was shut and call was dead, ms; `None`: it was not until the person had gone home.
    pub shut_ms: Option<u64>,
    /// Screens from the blow on.
    pub screens: Vec<Screen>,
    /// What the facility took, until the box was at home again.
    pub receipts: Vec<Receipt>,
    /// Rows of the ledger, each verified; `None`: it was not read.
    pub rows: Option<u64>,
    /// Why the ledger cannot be read, or its chain does not hold.
    pub broken: Option<String>,
    /// Lines at level ERROR.
    pub errors: Vec<String>,
    /// What ran at home that should not, or did not that should.
    pub left: Vec<String>,
    /// What did not come to its end.
    pub trouble: Vec<String>,
    /// The call that the facility was asked for.
    pub call: Option<String>,
}

/// All receipts of a run: a late one of an earlier moment must not be a second one.
#[derive(Debug, Default)]
pub struct Receipts(BTreeMap<String, BTreeSet<String>>);

/// A moment that was played.
pub struct Played {
    /// What was done.
    pub moment: Moment,
    /// What was seen.
    pub seen: Seen,
    /// What must not be.
    pub wrong: Vec<String>,
}

/// Whether a screen with that phase may have open doors behind it.
#[must_use]
pub fn is_visit(phase: &str) -> bool {
    ["joining", "live", "held"].contains(&phase)
}

impl Moment {
    /// Whether the blow must shut every door: whoever guards them is gone, or silent for longer than anybody waits.
    #[must_use]
    pub fn shuts(self) -> bool {
        let long = match self.blow {
            Blow::Kill | Blow::Stop => true,
            Blow::Pause(time) => time >= HEARTBEAT_LIMIT + MARGIN,
        };
        long && self.process != "link"
    }
}

impl Played {
    /// Judges what was seen.
    #[must_use]
    pub fn judged(moment: Moment, seen: Seen, receipts: &mut Receipts) -> Self {
        let mut wrong = seen.trouble.clone();
        wrong.extend(doors(moment, &seen));
        wrong.extend(receipts.take(&seen));
        wrong.extend(ledger(&seen));
        wrong.extend(seen.errors.iter().map(|line| format!("a bug by its own word: {line}")));
        wrong.extend(seen.left.iter().map(|what| format!("left running: {what}")));
        Self { moment, seen, wrong }
    }

    /// One line for the terminal.
    #[must_use]
    pub fn line(&self) -> String {
        let verdict = if self.wrong.is_empty() { "ok" } else { "WRONG" };
        let mut text = format!(
            "{verdict:5} {:7} {:5} at {:4} ms ({}) · {} · {} · {}",
            self.moment.process,
            self.moment.blow.name(),
            self.moment.at.as_millis(),
            self.phase(),
            self.path(),
            self.doors(),
            self.receipts(),
        );
        self.wrong.iter().for_each(|line| text.push_str(&format!("\n       {line}")));
        text
    }

    /// On the screen at the blow.
    #[must_use]
    pub fn phase(&self) -> &str {
        if self.seen.struck.phase.is_empty() { "not reached" } else { &self.seen.struck.phase }
    }

    fn path(&self) -> String {
        let mut path: Vec<String> = Vec::new();
        for screen in self.seen.screens.iter().map(|screen| format!("{} {}", screen.phase, screen.code).trim().to_owned()) {
            if path.last() != Some(&screen) {
                path.push(screen);
            }
        }
        path.join(" > ")
    }

    /// In words.
    #[must_use]
    pub fn doors(&self) -> String {
        match (self.seen.opened, self.shut_by_blow(), &self.seen.struck.look) {
            (false, ..) => "no door opened".to_owned(),
            (true, Some(ms), _) => format!("all shut after {:.2} s", ms as f64 / 1000.0),
            (true, None, Some((true, phase))) => format!("open after 3 s, {phase}"),
            (true, None, _) => "shut in its course".to_owned(),
        }
    }

    /// From the blow until all was shut, where doors were open and had to shut, ms.
    #[must_use]
    pub fn shut_by_blow(&self) -> Option<u64> {
        self.seen.shut_ms.filter(|_| self.seen.struck.open && self.moment.shuts())
    }

    fn receipts(&self) -> String {
        match self.seen.receipts.as_slice() {
            [] => "no receipt".to_owned(),
            [one] => format!("receipt {}", one.reason),
            more => format!("{} receipts", more.len()),
        }
    }

    /// All of it.
    #[must_use]
    pub fn json(&self) -> Value {
        let pause = if let Blow::Pause(time) = self.moment.blow { Some(time.as_millis()) } else { None };
        json!({
            "process": self.moment.process, "blow": self.moment.blow.name(), "at_ms": self.moment.at.as_millis(), "pause_ms": pause,
            "phase": self.seen.struck.phase, "open": self.seen.struck.open, "look": self.seen.struck.look,
            "opened": self.seen.opened, "shut_ms": self.seen.shut_ms, "doors": self.doors(), "screens": self.path(),
            "receipts": self.seen.receipts.iter().map(|r| json!({ "reason": r.reason, "seconds_counted": r.counted })).collect::<Vec<_>>(),
            "ledger_rows": self.seen.rows, "wrong": self.wrong,
        })
    }
}

/// Where whoever guards the doors is lost, they are shut three seconds later and stay so; else an open door has a visit on the screen.
fn doors(moment: Moment, seen: &Seen) -> Option<String> {
    let Some((open, phase)) = &seen.struck.look else { return Some("nobody looked at the doors after the blow".to_owned()) };
    if moment.shuts() {
        return match seen.shut_ms {
            Some(ms) if ms <= SHUT_LIMIT_MS && !open => None,
            Some(ms) => Some(format!("the last door shut {ms} ms after the blow, later than {SHUT_LIMIT_MS} ms")),
            None => Some("a door is open, or call lives".to_owned()),
        };
    }
    (*open && !is_visit(phase))
        .then(|| format!("three seconds after the blow somebody holds a door, and the screen says {phase}"))
}

/// Its chain holds, and a visit whose doors were open is in it.
fn ledger(seen: &Seen) -> Option<String> {
    match (&seen.broken, seen.rows) {
        (Some(why), _) => Some(format!("the ledger: {why}")),
        (None, None | Some(0)) if seen.opened => Some("the ledger has no row of a visit whose doors were open".to_owned()),
        (None, _) => None,
    }
}

impl Receipts {
    /// Takes in a moment's receipts: one for a visit whose doors opened, at most one for what was only asked, none for anything else.
    fn take(&mut self, seen: &Seen) -> Vec<String> {
        let mut wrong = Vec::new();
        for receipt in &seen.receipts {
            if !receipt.verified {
                wrong.push(format!("the receipt is not right: {}", receipt.error));
            }
            if seen.call.as_ref() != Some(&receipt.call) {
                wrong.push(format!("a receipt {} of another call than this one", receipt.reason));
            }
            let ids = self.0.entry(receipt.call.clone()).or_default();
            ids.insert(receipt.id.clone());
            if ids.len() > 1 {
                wrong.push(format!("a second receipt of one call, {}", receipt.reason));
            }
        }
        let here = seen.call.as_ref().and_then(|call| self.0.get(call)).map_or(0, BTreeSet::len);
        if seen.opened && here == 0 {
            wrong.push("the doors were open and there is no receipt".to_owned());
        }
        wrong
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn receipt(call: &str, id: &str) -> Receipt {
        let text = str::to_owned;
        Receipt {
            id: text(id),
            call: text(call),
            reason: text("Fault"),
            counted: 0,
            granted: true,
            verified: true,
            error: String::new(),
        }
    }

    fn moment(process: &'static str, blow: Blow) -> Moment {
        Moment { at: Duration::from_millis(2_000), process, blow }
    }

    fn good() -> Seen {
        Seen {
            struck: Struck { phase: "joining".into(), open: true, continued: false, look: Some((false, "ended".into())) },
            opened: true,
            shut_ms: Some(14),
            receipts: vec![receipt("c", "r")],
            rows: Some(9),
            call: Some("c".into()),
            ..Seen::default()
        }
    }

    fn wrong(moment: Moment, change: impl Fn(&mut Seen)) -> Vec<String> {
        let mut seen = good();
        change(&mut seen);
        Played::judged(moment, seen, &mut Receipts::default()).wrong
    }

    #[test]
    fn what_must_hold_holds_and_each_breach_is_told() {
        let kill = moment("gate", Blow::Kill);
        assert_eq!(wrong(kill, |_| ()), Vec::<String>::new());
        let breaches: [(&str, fn(&mut Seen)); 11] = [
            ("later than", |s| s.shut_ms = Some(3_001)),
            ("a door is open", |s| s.shut_ms = None),
            ("nobody looked", |s| s.struck.look = None),
            ("no receipt", |s| s.receipts.clear()),
            ("a second receipt", |s| s.receipts.push(receipt("c", "other"))),
            ("another call", |s| s.receipts.push(receipt("d", "r2"))),
            ("not right", |s| s.receipts[0].verified = false),
            ("the chain", |s| s.broken = Some("the chain breaks at row 2".into())),
            ("no row", |s| s.rows = Some(0)),
            ("left running", |s| s.left.push("1 processes of call, not 0".into())),
            ("by its own word", |s| s.errors.push("x".into())),
        ];
        for (words, change) in breaches {
            let told = wrong(kill, change);
            assert!(told.iter().any(|line| line.contains(words)), "{words}: {told:?}");
        }
    }

    #[test]
    fn a_receipt_that_comes_again_in_a_later_moment_is_told() {
        let mut receipts = Receipts::default();
        let kill = moment("arbiter", Blow::Kill);
        assert_eq!(Played::judged(kill, good(), &mut receipts).wrong, Vec::<String>::new());
        let mut next = good();
        next.call = Some("d".into());
        next.receipts = vec![receipt("d", "q"), receipt("c", "late")];
        let told = Played::judged(kill, next, &mut receipts).wrong;
        assert!(told.iter().any(|line| line.contains("a second receipt of one call")), "{told:?}");
    }

    #[test]
    fn a_visit_may_go_on_without_its_carrier_and_after_a_short_pause_but_no_door_without_a_visit() {
        let on = |s: &mut Seen| (s.shut_ms, s.struck.look) = (Some(4_500), Some((true, "live".into())));
        let alone = |s: &mut Seen| (s.shut_ms, s.struck.look) = (Some(4_500), Some((true, "home".into())));
        let short = Blow::Pause(Duration::from_millis(800));
        for moment in [moment("link", Blow::Kill), moment("link", Blow::Stop), moment("arbiter", short), moment("gate", short)] {
            assert_eq!(wrong(moment, on), Vec::<String>::new(), "{moment:?}");
            assert_eq!(wrong(moment, alone).len(), 1, "{moment:?}");
        }
        let long = Blow::Pause(Duration::from_millis(2_500));
        for moment in [moment("arbiter", long), moment("gate", long), moment("arbiter", Blow::Stop), moment("gate", Blow::Kill)] {
            assert_eq!(wrong(moment, on).len(), 1, "{moment:?}");
        }
    }
}
