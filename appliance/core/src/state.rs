//! Owns: all that the core knows between two events, and the one entry, `step`.
//! Never: an `Option` that means something only in some states of a machine.
//! Called by: arbiter.

use crate::call::{Call, Cause, Kind};
use crate::camera::Camera;
use crate::deny::DenySet;
use crate::effect::Effect;
use crate::event::{Event, Owner};
use crate::maintenance::Maintenance;
use crate::remote::Remote;
use crate::ring::Rung;
use crate::session::{Locks, Session};
use crate::time::{Now, Wall};
use crate::turn::{Turn, Verdict};
use crate::update::LastUpdate;
use crate::view::{Outcome, Phase, View};
use parloir_pass::{Agenda, Authority, Entitlement, Id, SitePolicy};

/// What is fixed when the arbiter starts.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Settings {
    /// This box.
    pub device: Id,
    /// Its site.
    pub site: Id,
    /// `--bench-direct`: a grant may allow direct candidates.
    pub bench_direct: bool,
    /// Highest revisions seen before this start; 0 none.
    pub floors: Floors,
}

/// Persisted revision floors.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[allow(missing_docs)]
pub struct Floors {
    pub authority: u64,
    pub policy: u64,
    pub entitlement: u64,
    pub agenda: u64,
}

/// One row of the table `Call` that was used: state before, cause, state after. For logs and for the coverage of the tests.
pub type Row = (Kind, Cause, Kind);

/// The same of the table `Camera`.
pub type DoorRow = (crate::camera::Kind, crate::camera::Cause, crate::camera::Kind);

/// The same of the table `Remote`.
pub type KeyRow = (crate::remote::Kind, crate::remote::Cause, crate::remote::Kind);

/// The same of the table `Maintenance`.
pub type Shift = (crate::maintenance::Kind, crate::maintenance::Cause, crate::maintenance::Kind);

/// The same of the table `Session`.
pub type SessionRow = (crate::session::Kind, crate::session::Cause, crate::session::Kind);

/// The core's state.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub struct State {
    pub(crate) settings: Settings,
    /// Time of the last step.
    pub(crate) at: u64,
    pub(crate) authority: Option<Authority>,
    pub(crate) policy: Option<SitePolicy>,
    pub(crate) entitlement: Option<Entitlement>,
    pub(crate) agenda: Option<Agenda>,
    pub(crate) floors: Floors,
    pub(crate) denied: DenySet,
    pub(crate) rung: Rung,
    pub(crate) clock: Clock,
    pub(crate) online: bool,
    pub(crate) life: Life,
    pub(crate) screen: Screen,
    pub(crate) remote: Remote,
    pub(crate) camera: Camera,
    pub(crate) call: Call,
    pub(crate) maintenance: Maintenance,
    pub(crate) session: Session,
    pub(crate) locks: Locks,
    pub(crate) update: LastUpdate,
    pub(crate) last: Last,
    #[serde(skip)]
    pub(crate) shown: View,
    #[serde(skip)]
    pub(crate) rows: Vec<Row>,
    #[serde(skip)]
    pub(crate) door_rows: Vec<DoorRow>,
    #[serde(skip)]
    pub(crate) key_rows: Vec<KeyRow>,
    #[serde(skip)]
    pub(crate) shifts: Vec<Shift>,
    #[serde(skip)]
    pub(crate) session_rows: Vec<SessionRow>,
    pub(crate) verdict: Verdict,
}

/// Wall time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) enum Clock {
    Unknown,
    /// A time request is out.
    Requested {
        nonce: Id,
        until: u64,
    },
    /// It was `unix_ms` at `at`.
    Trusted {
        unix_ms: i64,
        at: u64,
    },
}

/// Of the arbiter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) enum Life {
    Runs,
    /// It was told to stop: nothing new begins.
    Stopping,
}

/// The one screen.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) enum Screen {
    Nobody,
    Attached(Owner),
}

/// What is shown of the last call, until dismissed.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) enum Last {
    Nothing,
    /// Over, or refused, of this call (zero: none was made).
    Outcome {
        phase: Phase,
        call: Id,
        outcome: Box<Outcome>,
    },
}

impl State {
    /// Whom the box knows at present: the one whose entitlement is in force.
    #[must_use]
    pub fn person(&self) -> Option<Id> {
        self.entitlement.as_ref().map(|entitlement| entitlement.person)
    }

    /// Whom a refusal concerns: whose call goes on, else whoever is known; zero when nobody is.
    pub(crate) fn concerned(&self) -> Id {
        let rings = match &self.call {
            Call::Ringing(ringing) => Some(ringing.ring.person),
            _ => None,
        };
        self.call.want().map(|want| want.person).or(rings).or(self.person()).unwrap_or_default()
    }

    /// Knows nothing yet but itself.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        let floors = settings.floors;
        Self {
            settings,
            at: 0,
            authority: None,
            policy: None,
            entitlement: None,
            agenda: None,
            floors,
            denied: DenySet::default(),
            rung: Rung::default(),
            clock: Clock::Unknown,
            online: false,
            life: Life::Runs,
            screen: Screen::Nobody,
            remote: Remote::Free,
            camera: Camera::Absent,
            call: Call::Idle,
            maintenance: Maintenance::Idle,
            session: Session::Free,
            locks: Locks::default(),
            update: LastUpdate::Fine,
            last: Last::Nothing,
            shown: View::default(),
            rows: Vec::new(),
            door_rows: Vec::new(),
            key_rows: Vec::new(),
            shifts: Vec::new(),
            session_rows: Vec::new(),
            verdict: Verdict::Taken,
        }
    }

    /// One event; its effects in the order in which they are to be carried out. Deadlines that have come are dealt with first, each at
    /// its own time, so that a late event changes nothing about what was over before it.
    ///
    /// # Panics
    /// In debug builds only, when an invariant is broken.
    pub fn step(&mut self, now: Now, event: Event) -> Vec<Effect> {
        let now = now.mono_ms.max(self.at);
        self.rows.clear();
        self.door_rows.clear();
        self.key_rows.clear();
        self.shifts.clear();
        self.session_rows.clear();
        #[cfg(debug_assertions)]
        let (before, copy) = (crate::invariants::Before::of(self), event.clone());
        let mut turn = Turn { state: self, now, effects: Vec::new(), verdict: Verdict::Taken };
        turn.run(event);
        let effects = turn.effects;
        #[cfg(debug_assertions)]
        if let Err(broken) = crate::invariants::check(&before, &copy, self, &effects) {
            panic!("invariant broken: {broken} after {copy:?}");
        }
        effects
    }

    /// When the next [`Event::Tick`] is due, milliseconds of `CLOCK_BOOTTIME`; `None`: no sooner than the next event.
    #[must_use]
    pub fn deadline(&self) -> Option<u64> {
        self.next_due()
    }

    /// The relays that the policy in force names; none before there is one.
    #[must_use]
    pub fn relays(&self) -> &[String] {
        self.policy.as_ref().map_or(&[], |policy| &policy.relays)
    }

    /// Wall time as far as it is believed.
    #[must_use]
    pub fn wall(&self, now: Now) -> Wall {
        self.wall_at(now.mono_ms)
    }

    pub(crate) fn wall_now(&self) -> Wall {
        self.wall_at(self.at)
    }

    fn wall_at(&self, mono_ms: u64) -> Wall {
        match self.clock {
            Clock::Trusted { unix_ms, at } => {
                let passed = i64::try_from(mono_ms.saturating_sub(at)).unwrap_or(i64::MAX);
                Wall::Trusted(unix_ms.saturating_add(passed))
            }
            Clock::Unknown | Clock::Requested { .. } => Wall::Unknown,
        }
    }

    /// What a screen shows, as of the last step.
    #[must_use]
    pub fn view(&self) -> View {
        self.shown.clone()
    }

    /// Why the last step refused its event; `None`: it was taken, whatever else a deadline ended in the same step. A grant that ends an
    /// asking by breaking a rule is refused, a revocation that ends one is taken.
    #[must_use]
    pub fn verdict(&self) -> Option<crate::Code> {
        match self.verdict {
            Verdict::Taken => None,
            Verdict::Refused(code) => Some(code),
        }
    }

    /// State of the machine `Call`.
    #[must_use]
    pub fn call_kind(&self) -> Kind {
        self.call.kind()
    }

    /// State of the machine `Camera`.
    #[must_use]
    pub fn camera_kind(&self) -> crate::camera::Kind {
        self.camera.kind()
    }

    /// State of the machine `Remote`.
    #[must_use]
    pub fn remote_kind(&self) -> crate::remote::Kind {
        self.remote.kind()
    }

    /// State of the machine `Maintenance`.
    #[must_use]
    pub fn maintenance_kind(&self) -> crate::maintenance::Kind {
        self.maintenance.kind()
    }

    /// State of the machine `Session`.
    #[must_use]
    pub fn session_kind(&self) -> crate::session::Kind {
        self.session.kind()
    }

    /// Rows of the table `Session` that the last step used, in order.
    #[must_use]
    pub fn session_rows(&self) -> &[SessionRow] {
        &self.session_rows
    }

    /// Rows of the table `Camera` that the last step used, in order.
    #[must_use]
    pub fn door_rows(&self) -> &[DoorRow] {
        &self.door_rows
    }

    /// Rows of the table `Remote` that the last step used, in order.
    #[must_use]
    pub fn key_rows(&self) -> &[KeyRow] {
        &self.key_rows
    }

    /// Rows of the table `Maintenance` that the last step used, in order.
    #[must_use]
    pub fn shifts(&self) -> &[Shift] {
        &self.shifts
    }

    /// Rows of the table `Call` that the last step used, in order.
    #[must_use]
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// The fair clock of the visit, milliseconds; 0 without one.
    #[must_use]
    pub fn counted_ms(&self, now: Now) -> u64 {
        self.call.visit().map_or(0, |visit| visit.counted_ms(now.mono_ms))
    }

    /// The pending Ask's or the visit's statement keys, in the order of `party` in [`Event::Statement`]; empty without a visit. Still
    /// answered while closing, for the last statement.
    #[must_use]
    pub fn statement_keys(&self) -> Vec<parloir_pass::Bytes32> {
        let keys = |grant: &parloir_pass::Grant| grant.parties.iter().map(|p| p.statement_key).collect();
        match (&self.call, self.call.visit()) {
            (_, Some(visit)) => keys(&visit.grant),
            (Call::Closing(closing), None) => match &closing.came {
                crate::call::Came::Admitted(visit) => keys(&visit.grant),
                crate::call::Came::Unasked(_) | crate::call::Came::Asked { .. } => Vec::new(),
            },
            (_, None) => Vec::new(),
        }
    }

    /// The Authority that is believed now, for whoever verifies what comes next.
    #[must_use]
    pub fn authority(&self) -> Option<&Authority> {
        self.authority.as_ref()
    }

    /// The highest revision seen of each document, also before this start.
    #[must_use]
    pub fn floors(&self) -> Floors {
        self.floors
    }

    /// Settings of this start.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }
}
