//! Owns: what a row declares, what was observed, and the comparison; and the proof for each row that a wrong declaration would fail.
//! Never: runs anything, looks at a clock.
//! Called by: the rig (when is it enough?), the runner (was it right?), the tables.

use super::trail::{Receipt, Screen};

/// No door may be open longer than this after the fault that should close it, ms.
pub const SHUT_LIMIT_MS: u64 = 3_000;
/// How far the counted seconds may be from what was seen from outside: a second, and how seldom the decoders are looked at.
pub const COUNT_TOLERANCE_S: f64 = 1.0 + 0.5;
/// How old the last record of a visit may be that a dead arbiter left, s: so much may be missing, never too much counted.
pub const RECORD_AGE_S: f64 = 5.0;

/// What the screen must say at the end of the row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Says {
    /// One of these phases, without an outcome.
    Phase(&'static [&'static str]),
    /// A refusal with one of these codes, and its sentence.
    Refused(&'static [&'static str]),
    /// An end with one of these codes, and its sentence.
    Ended(&'static [&'static str]),
}

/// What must become of the doors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    /// Nobody held camera or microphone at any moment of the row.
    Never,
    /// All shut, and call dead, within this after the fault, ms.
    Within(u64),
    /// All shut at the latest [`SHUT_LIMIT_MS`] after this moment, seconds after the fault: a deadline that then comes.
    Due(u64),
    /// Open again, or still, at the end of the observation.
    Open,
}

/// What the facility must have got, all in all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Paper {
    /// No receipt: nothing was asked, or nothing was admitted before the arbiter died.
    None,
    /// Exactly one, with one of these reasons; its seconds are what was seen from outside.
    One(&'static [&'static str]),
    /// As One, made from the record of a dead arbiter: up to [`RECORD_AGE_S`] may be missing.
    Record(&'static [&'static str]),
    /// As One; up to so many seconds may be missing, because one side's word could not come.
    Less(u64, &'static [&'static str]),
    /// At most one, with one of these reasons: the fault may come before or after the question was sent.
    Perhaps(&'static [&'static str]),
}

/// The declaration of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expect {
    /// On the screen.
    pub screen: Says,
    /// From outside.
    pub door: Door,
    /// At the facility.
    pub receipt: Paper,
    /// Processes that end by the fault and are started again.
    pub restarts: &'static [&'static str],
    /// All of it within this after the fault, s.
    pub within_s: u64,
}

/// What happened in a row.
#[derive(Clone, Debug, Default)]
pub struct Observed {
    /// Screens from the fault to the end of the observation.
    pub screens: Vec<Screen>,
    /// Somebody held camera or microphone at some moment of the row.
    pub ever_open: bool,
    /// Somebody held them at the end of the observation.
    pub open: bool,
    /// From the fault until all was shut and call was dead, ms; `None`: it was not.
    pub shut_ms: Option<u64>,
    /// What the facility got until the appliance was at home again.
    pub receipts: Vec<Receipt>,
    /// Seconds in which both sides decoded, seen from outside; `None`: a page that nobody watches was in it.
    pub decoded_s: Option<f64>,
    /// Both decoders were real.
    pub real_visit: bool,
    /// Names of processes that ended and were not told to.
    pub ended: Vec<String>,
    /// What was left running at the end, or missing.
    pub left: Vec<String>,
    /// Lines at level ERROR.
    pub errors: Vec<String>,
    /// What the row's own course found wrong.
    pub trouble: Vec<String>,
}

impl Observed {
    /// The screen at the end.
    #[must_use]
    pub fn screen(&self) -> Screen {
        self.screens.last().cloned().unwrap_or_default()
    }

    /// Receipts without those that only came twice.
    fn distinct(&self) -> Vec<&Receipt> {
        let mut list: Vec<&Receipt> = Vec::new();
        for receipt in &self.receipts {
            if !list.iter().any(|known| known.id == receipt.id) {
                list.push(receipt);
            }
        }
        list
    }
}

impl Says {
    /// Whether that screen says it.
    #[must_use]
    pub fn fits(self, screen: &Screen) -> bool {
        let outcome = |phase: &str, codes: &[&str]| {
            screen.phase == phase
                && codes.contains(&screen.code.as_str())
                && screen.sentence == format!("{phase}-{}", screen.code)
        };
        match self {
            Self::Phase(phases) => phases.contains(&screen.phase.as_str()),
            Self::Refused(codes) => outcome("refused", codes),
            Self::Ended(codes) => outcome("ended", codes),
        }
    }

    fn words(self) -> String {
        match self {
            Self::Phase(phases) => phases.join(" or "),
            Self::Refused(codes) => format!("refused {}", codes.join(" or ")),
            Self::Ended(codes) => format!("ended {}", codes.join(" or ")),
        }
    }
}

impl std::fmt::Display for Says {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(&self.words())
    }
}

impl std::fmt::Display for Door {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Never => out.write_str("never open"),
            Self::Within(ms) => write!(out, "shut within {} s", *ms as f64 / 1000.0),
            Self::Due(s) => write!(out, "shut when {s} s are over"),
            Self::Open => out.write_str("open: the visit goes on"),
        }
    }
}

impl std::fmt::Display for Paper {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::None => out.write_str("none"),
            Self::One(reasons) | Self::Record(reasons) | Self::Less(_, reasons) => write!(out, "one, {}", reasons.join(" or ")),
            Self::Perhaps(reasons) => write!(out, "at most one, {}", reasons.join(" or ")),
        }
    }
}

impl Expect {
    /// Whether screen and doors are there, so that nothing more need be waited for.
    #[must_use]
    pub fn reached(&self, screen: &Screen, open: bool, shut: bool) -> bool {
        let door = match self.door {
            // While only asked, call waits behind shut doors.
            Door::Never => !open,
            Door::Within(_) | Door::Due(_) => shut,
            Door::Open => open,
        };
        door && self.screen.fits(screen)
    }

    /// What is not as declared; nothing when all is.
    #[must_use]
    pub fn judge(&self, seen: &Observed) -> Vec<String> {
        let mut wrong = Vec::new();
        if !self.screen.fits(&seen.screen()) {
            wrong.push(format!("the screen says {}, and should say {}", seen.screen(), self.screen));
        }
        wrong.extend(self.door_wrong(seen));
        wrong.extend(self.receipt_wrong(seen));
        let mut ended: Vec<&str> = seen.ended.iter().map(String::as_str).collect();
        ended.sort_unstable();
        ended.dedup();
        let mut declared = self.restarts.to_vec();
        declared.sort_unstable();
        if ended != declared {
            wrong.push(format!("ended: {ended:?}, declared: {declared:?}"));
        }
        wrong
    }

    fn door_wrong(&self, seen: &Observed) -> Option<String> {
        let shut = |limit: u64| match seen.shut_ms {
            None => Some("a door was still open at the end".to_owned()),
            Some(_) if !seen.ever_open => Some("no door was ever open: nothing was measured".to_owned()),
            Some(ms) if ms > limit => Some(format!("the last door shut {ms} ms after the fault, later than {limit} ms")),
            Some(_) => None,
        };
        match self.door {
            Door::Never => seen.ever_open.then(|| "somebody held camera or microphone".to_owned()),
            Door::Within(ms) => shut(ms),
            Door::Due(s) => shut(s * 1000 + SHUT_LIMIT_MS),
            Door::Open => (!seen.open).then(|| "the doors are not open".to_owned()),
        }
    }

    fn receipt_wrong(&self, seen: &Observed) -> Vec<String> {
        let got = seen.distinct();
        let mut wrong: Vec<String> =
            got.iter().filter(|r| !r.verified).map(|r| format!("the receipt is not right: {}", r.error)).collect();
        let told = || got.iter().map(|r| r.reason.as_str()).collect::<Vec<_>>().join(", ");
        match (self.receipt, got.as_slice()) {
            (Paper::None | Paper::Perhaps(_), []) => {}
            (Paper::One(reasons) | Paper::Record(reasons) | Paper::Less(_, reasons) | Paper::Perhaps(reasons), [one]) => {
                if !reasons.contains(&one.reason.as_str()) {
                    wrong.push(format!("the receipt says {}, and should say {}", one.reason, reasons.join(" or ")));
                }
                let missing = match self.receipt {
                    Paper::Record(_) => RECORD_AGE_S,
                    Paper::Less(seconds, _) => seconds as f64,
                    Paper::None | Paper::One(_) | Paper::Perhaps(_) => 0.0,
                };
                wrong.extend(count_wrong(one, seen, missing));
            }
            (wanted, _) => wrong.push(format!("receipts: {} ({}), wanted: {wanted}", got.len(), told())),
        }
        wrong
    }

    /// Declarations that differ from this one in one column, and that the observation must therefore not fit.
    #[must_use]
    pub fn contrary(&self) -> Vec<(&'static str, Self)> {
        let screen = if matches!(self.screen, Says::Refused(_)) { Says::Ended(&["Fault"]) } else { Says::Refused(&["Busy"]) };
        let door = if self.door == Door::Open { Door::Within(SHUT_LIMIT_MS) } else { Door::Open };
        let receipt = match self.receipt {
            Paper::None => Paper::One(&["Fault"]),
            Paper::One(_) | Paper::Record(_) | Paper::Less(..) => Paper::None,
            Paper::Perhaps(_) => Paper::One(&["no such reason"]),
        };
        let restarts: &[&str] = if self.restarts.is_empty() { &["gate"] } else { &[] };
        vec![
            ("screen", Self { screen, ..*self }),
            ("doors", Self { door, ..*self }),
            ("receipt", Self { receipt, ..*self }),
            ("restarts", Self { restarts, ..*self }),
        ]
    }
}

fn count_wrong(receipt: &Receipt, seen: &Observed, missing: f64) -> Option<String> {
    let counted = receipt.counted as f64;
    let wanted = if seen.real_visit { seen.decoded_s? } else { 0.0 };
    let fits = counted <= wanted + COUNT_TOLERANCE_S && counted >= wanted - COUNT_TOLERANCE_S - missing;
    (!fits).then(|| format!("{counted} s counted, {wanted:.1} s seen from outside"))
}

/// Columns whose contrary would pass as well: a check that cannot fail.
#[must_use]
pub fn toothless(expect: &Expect, seen: &Observed) -> Vec<&'static str> {
    expect.contrary().into_iter().filter(|(_, wrong)| wrong.judge(seen).is_empty()).map(|(column, _)| column).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn receipt(id: &str, reason: &str, counted: u64) -> Receipt {
        let (id, reason) = (id.to_owned(), reason.to_owned());
        Receipt { id, call: "c".into(), reason, counted, granted: true, verified: true, error: String::new() }
    }

    fn ended() -> (Expect, Observed) {
        let expect = Expect {
            screen: Says::Ended(&["GateLost"]),
            door: Door::Within(SHUT_LIMIT_MS),
            receipt: Paper::One(&["GateLost"]),
            restarts: &["gate"],
            within_s: 20,
        };
        let screen = Screen { phase: "ended".into(), code: "GateLost".into(), sentence: "ended-GateLost".into() };
        let seen = Observed {
            screens: vec![screen],
            ever_open: true,
            shut_ms: Some(12),
            receipts: vec![receipt("r", "GateLost", 4)],
            decoded_s: Some(4.4),
            real_visit: true,
            ended: vec!["gate".into()],
            ..Observed::default()
        };
        (expect, seen)
    }

    #[test]
    fn what_is_as_declared_passes_and_each_contrary_fails() {
        let (expect, seen) = ended();
        assert_eq!(expect.judge(&seen), Vec::<String>::new());
        assert_eq!(toothless(&expect, &seen), Vec::<&str>::new());
    }

    #[test]
    fn each_thing_that_may_go_wrong_is_told() {
        let (expect, good) = ended();
        let wrong: [(&str, fn(&mut Observed)); 9] = [
            ("should say", |seen| seen.screens[0].code = "Fault".into()),
            ("should say", |seen| seen.screens[0].sentence = "ended-Fault".into()),
            ("later than", |seen| seen.shut_ms = Some(3_001)),
            ("still open", |seen| seen.shut_ms = None),
            ("nothing was measured", |seen| seen.ever_open = false),
            ("receipts: 0", |seen| seen.receipts.clear()),
            ("receipts: 2", |seen| seen.receipts.push(receipt("other", "GateLost", 4))),
            ("s counted", |seen| seen.receipts[0].counted = 7),
            ("ended: ", |seen| seen.ended.push("ui".into())),
        ];
        for (words, change) in wrong {
            let mut seen = good.clone();
            change(&mut seen);
            let told = expect.judge(&seen);
            assert!(told.iter().any(|line| line.contains(words)), "{words}: {told:?}");
        }
    }

    #[test]
    fn a_receipt_that_only_came_twice_is_one_and_a_record_may_be_five_seconds_old() {
        let (mut expect, mut seen) = ended();
        seen.receipts.push(seen.receipts[0].clone());
        assert_eq!(expect.judge(&seen), Vec::<String>::new());
        seen.decoded_s = Some(9.0);
        assert_eq!(expect.judge(&seen).len(), 1);
        expect.receipt = Paper::Record(&["GateLost"]);
        assert_eq!(expect.judge(&seen), Vec::<String>::new());
        seen.decoded_s = Some(2.0);
        assert_eq!(expect.judge(&seen).len(), 1, "never more than was seen");
    }
}
