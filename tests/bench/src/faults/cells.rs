//! Owns: the matrix: states of `Call` by processes by signals, and what is declared for each of its cells.
//! Never: waits, judges.
//! Called by: the runner (plays a cell as a row), the tables.

use std::time::Duration;

use nix::sys::signal::Signal;

use super::rig::Rig;
use super::verdict::{Door, Expect, Paper, SHUT_LIMIT_MS, Says};
use crate::play::Halt;

macro_rules! listed {
    ($(#[$doc:meta])* $kind:ident { $($(#[$words:meta])+ $name:ident = $text:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum $kind { $($(#[$words])+ $name,)+ }
        impl $kind {
            /// All, in the order of the tables.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];
            /// As it stands in names of rows.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => $text),+ }
            }
        }
    };
}

listed! {
    /// The states of `Call` in which something may happen.
    State {
        /// At home.
        Idle = "idle",
        /// Somebody calls in.
        Ringing = "ringing",
        /// The facility is asked, nobody has joined.
        Asking = "asking",
        /// Granted, no pictures yet.
        Joining = "joining",
        /// Pictures both ways.
        Live = "live",
        /// The page stands still.
        Held = "held",
        /// Ended here; the page's last word is waited for.
        Closing = "closing",
    }
}

listed! {
    /// What is hurt.
    Process {
        /// The decision.
        Arbiter = "arbiter",
        /// The doors.
        Gate = "gate",
        /// The way to the facility.
        Link = "link",
        /// The screen.
        Ui = "ui",
        /// The media of the visit.
        Call = "call",
        /// mosquitto.
        Broker = "broker",
        /// The other side of the wall.
        Facility = "facility",
    }
}

listed! {
    /// How.
    Blow {
        /// SIGKILL.
        Kill = "kill",
        /// SIGSTOP, and nobody continues it.
        Stop = "stop",
        /// SIGSTOP, and SIGCONT a second later.
        Pause = "pause",
        /// SIGTERM.
        Term = "term",
    }
}

/// Beats of a rig's policy, s: every so often.
pub const BEAT_EVERY_S: u64 = 4;
/// And so long may one be late, s.
pub const BEAT_GRACE_S: u64 = 12;
/// The facility of a rig gives a visitor so long to come, s.
pub const ABSENT_S: u64 = 18;
/// Without any beat a visit ends after this.
const BEATLESS: Door = Door::Due(BEAT_EVERY_S + BEAT_GRACE_S);
/// A ring that nobody can answer any more.
const MISSED: &[&str] = &["RingMissed"];
/// A second's pause.
const PAUSE: Duration = Duration::from_secs(1);

/// One cell of the matrix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cell {
    /// When.
    pub state: State,
    /// Who.
    pub process: Process,
    /// How.
    pub blow: Blow,
}

impl Cell {
    /// All that can be, ordered by state: a visit on paper needs no browser.
    pub fn all() -> impl Iterator<Item = Self> {
        State::ALL.iter().flat_map(|state| {
            Process::ALL
                .iter()
                .flat_map(move |process| Blow::ALL.iter().map(move |blow| Self { state: *state, process: *process, blow: *blow }))
        })
    }

    /// As rows are named: `live-gate-kill`.
    #[must_use]
    pub fn name(self) -> String {
        format!("{}-{}-{}", self.state.name(), self.process.name(), self.blow.name())
    }

    /// The cell of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::all().find(|cell| cell.name() == name && cell.expect().is_some())
    }

    /// Into the state, a moment, and the blow.
    ///
    /// # Errors
    /// The state is not reached.
    pub fn play(self, rig: &mut Rig, moment: Duration) -> Result<(), Halt> {
        match self.state {
            State::Idle => {}
            State::Ringing => rig.ringing()?,
            State::Asking => rig.asking()?,
            State::Joining => rig.joining()?,
            State::Live => rig.live()?,
            State::Held => rig.held()?,
            State::Closing => rig.closing()?,
        }
        // Closing lasts three seconds, with the page's silence; every other state much longer.
        let short = self.state == State::Closing;
        rig.idle(if short { moment.mul_f64(0.25) } else { moment })?;
        rig.fault();
        let name = self.process.name();
        let before = rig.play.stage.supervisor.pid(name);
        match self.blow {
            Blow::Kill => rig.hurt(name, Signal::SIGKILL)?,
            Blow::Term => rig.hurt(name, Signal::SIGTERM)?,
            Blow::Stop => rig.hurt(name, Signal::SIGSTOP)?,
            Blow::Pause => {
                rig.hurt(name, Signal::SIGSTOP)?;
                rig.idle(PAUSE)?;
                rig.hurt(name, Signal::SIGCONT)?
            }
        };
        if self.call_is_replaced() {
            // Nothing on the screen need change, and nothing that is asked of the row may be there before the new one.
            rig.until("another call process", 20, |rig| {
                rig.play.stage.supervisor.pid(name).is_some_and(|now| Some(now) != before)
            })?;
        }
        Ok(())
    }

    /// Whether the call process is started again under its grant.
    fn call_is_replaced(self) -> bool {
        let open = matches!(self.state, State::Joining | State::Live | State::Held);
        self.process == Process::Call && self.blow != Blow::Pause && open
    }

    /// What is declared; `None` where the process does not run in that state.
    #[must_use]
    pub fn expect(self) -> Option<Expect> {
        if self.blow == Blow::Pause {
            let there = self.process != Process::Call || self.state.has_call();
            return there.then(|| self.state.goes_on());
        }
        let ended = self.blow == Blow::Term;
        Some(match self.process {
            Process::Arbiter => self.arbiter(ended),
            Process::Gate => self.gate(ended),
            Process::Link => self.carrier(&["link"]),
            Process::Ui => self.screen(),
            Process::Call => return self.media(),
            Process::Broker if self.blow == Blow::Stop => self.silent(),
            Process::Facility if self.blow == Blow::Stop => self.silent(),
            Process::Broker => self.carrier(&["broker"]),
            Process::Facility => self.carrier(&["facility"]),
        })
    }

    /// Every door shuts at gate's hand; what comes back grants nothing and says what happened.
    fn arbiter(self, ordered: bool) -> Expect {
        let restarts: &[&str] = &["arbiter"];
        let base = Expect { restarts, within_s: 30, ..HOME };
        let reasons: &[&str] = if ordered { &["BoxStopped"] } else { &["Fault"] };
        match self.state {
            State::Idle | State::Ringing => base,
            State::Asking if ordered => Expect { receipt: Paper::One(reasons), ..base },
            State::Asking => base,
            // Told to stop, it says so and makes the receipt; what comes back finds nothing to tell.
            State::Joining | State::Live | State::Held if ordered => {
                Expect { door: Door::Within(SHUT_LIMIT_MS), receipt: Paper::One(reasons), ..base }
            }
            State::Joining | State::Live | State::Held => {
                let receipt = Paper::Record(reasons);
                Expect { screen: Says::Ended(reasons), door: Door::Within(SHUT_LIMIT_MS), receipt, ..base }
            }
            State::Closing if ordered => {
                Expect { door: Door::Within(SHUT_LIMIT_MS), receipt: Paper::One(&["PersonEnded", "BoxStopped"]), ..base }
            }
            State::Closing => {
                let reasons: &[&str] = &["Fault", "PersonEnded"];
                let receipt = Paper::Record(reasons);
                Expect { screen: Says::Ended(reasons), door: Door::Within(SHUT_LIMIT_MS), receipt, ..base }
            }
        }
    }

    /// Call dies with gate. A gate that is told to stop shuts its doors and may still say so.
    fn gate(self, ordered: bool) -> Expect {
        let restarts: &[&str] = &["gate"];
        let base = Expect { restarts, within_s: 20, ..HOME };
        // Call dies with it, and its hang-up may be heard first.
        let absent: &[&str] = &["GateAbsent", "CallNotStarted"];
        let lost: &[&str] = if ordered { &["GateLost", "GateShut"] } else { &["GateLost"] };
        match self.state {
            State::Idle => base,
            State::Ringing => Expect { screen: Says::Refused(MISSED), ..base },
            State::Asking => Expect { screen: Says::Refused(absent), receipt: Paper::One(absent), ..base },
            State::Joining | State::Live | State::Held => {
                Expect { screen: Says::Ended(lost), door: Door::Within(SHUT_LIMIT_MS), receipt: Paper::One(lost), ..base }
            }
            State::Closing => Expect { restarts, ..State::Closing.goes_on() },
        }
    }

    /// The way to the facility breaks and mends: nothing ends by it. What the page says meanwhile is not counted.
    fn carrier(self, restarts: &'static [&'static str]) -> Expect {
        let mut expect = Expect { restarts, within_s: 30, ..self.state.goes_on() };
        if self.state == State::Live {
            expect.receipt = Paper::Less(16, &["PersonEnded"]);
        }
        if self.state == State::Ringing && self.process == Process::Facility {
            // The caller's page loses its socket with the facility; whether it is back in five seconds is the caller's luck.
            expect.screen = Says::Phase(&["ringing", "refused"]);
        }
        expect
    }

    /// The way to the facility is silent for ever.
    fn silent(self) -> Expect {
        let missing: &[&str] = &["BeatMissing"];
        match self.state {
            State::Idle => HOME,
            State::Ringing => Expect { screen: Says::Refused(MISSED), within_s: 60, ..HOME },
            State::Asking => {
                Expect { screen: Says::Refused(&["NoAnswer"]), receipt: Paper::One(&["NoAnswer"]), within_s: 75, ..HOME }
            }
            State::Joining | State::Live | State::Held => Expect {
                screen: Says::Ended(missing),
                door: BEATLESS,
                receipt: Paper::Less(BEAT_EVERY_S + BEAT_GRACE_S, missing),
                within_s: 30,
                ..HOME
            },
            State::Closing => State::Closing.goes_on(),
        }
    }

    /// The screen comes back where it was; without one, nothing is asked.
    fn screen(self) -> Expect {
        let restarts: &[&str] = &["ui"];
        let base = Expect { restarts, within_s: 20, ..self.state.goes_on() };
        match self.state {
            State::Ringing => Expect { screen: Says::Refused(MISSED), ..base },
            State::Asking => Expect { screen: Says::Ended(&["ScreenGone"]), receipt: Paper::One(&["ScreenGone"]), ..base },
            State::Idle | State::Joining | State::Live | State::Held | State::Closing => base,
        }
    }

    /// Call is started again under its grant.
    fn media(self) -> Option<Expect> {
        let held = Expect { within_s: 25, ..State::Held.goes_on() };
        match self.state {
            State::Idle | State::Ringing | State::Closing => None,
            // Stopped while it only waits: nobody can tell, and it shows when it has work.
            State::Asking if self.blow == Blow::Stop => Some(State::Asking.goes_on()),
            State::Asking => Some(Expect {
                screen: Says::Refused(&["CallNotStarted"]),
                receipt: Paper::One(&["CallNotStarted"]),
                ..State::Asking.goes_on()
            }),
            State::Joining => Some(held),
            State::Live => Some(Expect { within_s: 30, ..State::Live.goes_on() }),
            State::Held => Some(held),
        }
    }
}

/// Nothing was asked, nothing opens.
pub const HOME: Expect =
    Expect { screen: Says::Phase(&["home"]), door: Door::Never, receipt: Paper::None, restarts: &[], within_s: 15 };

impl State {
    /// Whether a call process lives.
    const fn has_call(self) -> bool {
        matches!(self, Self::Asking | Self::Joining | Self::Live | Self::Held)
    }

    /// The state stays; at the end of the row the person hangs up.
    #[must_use]
    pub fn goes_on(self) -> Expect {
        let own: &[&str] = &["PersonEnded"];
        let visit = |phase: &'static [&'static str]| Expect {
            screen: Says::Phase(phase),
            door: Door::Open,
            receipt: Paper::One(own),
            ..HOME
        };
        match self {
            Self::Idle => HOME,
            Self::Ringing => Expect { screen: Says::Phase(&["ringing"]), ..HOME },
            Self::Asking => Expect { screen: Says::Phase(&["asking"]), receipt: Paper::One(own), ..HOME },
            Self::Joining => visit(&["joining"]),
            Self::Live => visit(&["live"]),
            Self::Held => visit(&["held"]),
            Self::Closing => {
                Expect { screen: Says::Ended(own), door: Door::Within(SHUT_LIMIT_MS), receipt: Paper::One(own), ..HOME }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_leads_back_to_its_cell_and_only_absent_processes_have_none() {
        let all: Vec<Cell> = Cell::all().collect();
        assert_eq!(all.len(), 7 * 7 * 4);
        let declared = all.iter().filter(|cell| cell.expect().is_some());
        assert_eq!(declared.clone().count(), 7 * 7 * 4 - 3 * 4);
        for cell in declared {
            assert_eq!(Cell::named(&cell.name()), Some(*cell));
        }
    }

    #[test]
    fn where_a_process_that_guards_the_doors_is_lost_they_shut_within_three_seconds() {
        for cell in Cell::all().filter(|c| matches!(c.process, Process::Arbiter | Process::Gate) && c.blow != Blow::Pause) {
            let door = cell.expect().expect("declared").door;
            assert!(matches!(door, Door::Never | Door::Within(SHUT_LIMIT_MS)), "{}: {door}", cell.name());
        }
    }
}
