//! Owns: the table of the machine `Maintenance`: when the box may be changed, who changes it, and when that is over.
//! Never: installs or restarts anything; a lease that coexists with a call.
//! Called by: turn (`Maintenance1`, an owner that vanished), due, documents (a booking), guard, tables, invariants.
//!
//! A lease is asked for again and again until it is given: nothing waits here, so nobody who calls ever waits for an update that waits.

use crate::call::{Call, Kind as CallKind, named};
use crate::camera::Camera;
use crate::effect::{Effect, Entry};
use crate::event::{Owner, Request, Stage};
use crate::refusal::Code;
use crate::state::{Life, State};
use crate::time::{BOOKED_S, INSTALL_MS, RESTART_MS};
use crate::turn::Turn;

named! {
    /// The states.
    Kind {
        /// The box is its person's.
        Idle,
        /// The other slot is written; nobody can call; 30 min at most.
        Installing,
        /// The box is about to start again; nobody can call; 3 min at most.
        Restarting,
    }
}

impl Kind {
    /// As in the view; empty: nothing is changed.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Idle => "",
            Self::Installing => "installing",
            Self::Restarting => "restarting",
        }
    }
}

named! {
    /// What happened, with the guard's outcome in its name.
    Cause {
        /// `Begin` of an installation, and no call, ring, lease or near booking stands against it.
        InstallAllowed,
        /// `Begin` of a restart, likewise.
        RestartAllowed,
        /// `Begin`, and something does.
        BeginRefused,
        /// The holder closed its end of the lease.
        HolderDone,
        /// The holder left the bus.
        HolderGone,
        /// The state's own deadline.
        TimeUp,
        /// An entitlement came whose next booking begins before that deadline.
        BookingNear,
        /// The arbiter is told to stop.
        Stopped,
    }
}

/// The table.
#[must_use]
#[rustfmt::skip]
pub const fn next(state: Kind, cause: Cause) -> Kind {
    use Cause::*;
    use Kind::*;
    match (state, cause) {
        (Idle, InstallAllowed) => Installing,
        (Idle, RestartAllowed) => Restarting,
        (Idle, BeginRefused | HolderDone | HolderGone | TimeUp | BookingNear | Stopped) => Idle,

        (Installing, HolderDone | HolderGone | TimeUp | BookingNear | Stopped) => Idle,
        (Installing, InstallAllowed | RestartAllowed | BeginRefused) => Installing,

        // Who is about to start again is told to stop, and is back sooner than a person who was promised a visit could have been told.
        (Restarting, HolderDone | HolderGone | TimeUp) => Idle,
        (Restarting, InstallAllowed | RestartAllowed | BeginRefused | BookingNear | Stopped) => Restarting,
    }
}

/// A state with what it owns.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) enum Maintenance {
    Idle,
    Installing(Lease),
    Restarting(Lease),
}

/// The right to change the box, for a while.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Lease {
    pub holder: Owner,
    pub until: u64,
}

impl Maintenance {
    pub(crate) fn kind(&self) -> Kind {
        match self {
            Self::Idle => Kind::Idle,
            Self::Installing(_) => Kind::Installing,
            Self::Restarting(_) => Kind::Restarting,
        }
    }

    pub(crate) fn lease(&self) -> Option<&Lease> {
        match self {
            Self::Idle => None,
            Self::Installing(lease) | Self::Restarting(lease) => Some(lease),
        }
    }
}

impl Stage {
    const fn allowed(self) -> Cause {
        match self {
            Self::Install => Cause::InstallAllowed,
            Self::Restart => Cause::RestartAllowed,
        }
    }
    const fn longest_ms(self) -> u64 {
        match self {
            Self::Install => INSTALL_MS,
            Self::Restart => RESTART_MS,
        }
    }
}

impl State {
    /// Whether the box may be changed now; gate's absence is no reason against it, for an update may be what it needs.
    ///
    /// # Errors
    /// What to wait for.
    pub fn may_maintain(&self) -> Result<(), Code> {
        if self.life == Life::Stopping {
            return Err(Code::Stopping);
        }
        if self.maintenance != Maintenance::Idle {
            return Err(Code::Updating);
        }
        match self.call.kind() {
            CallKind::Idle => {}
            CallKind::Ringing => return Err(Code::Ringing),
            CallKind::Joining | CallKind::Live | CallKind::Held => return Err(Code::InVisit),
            CallKind::Asking | CallKind::Closing => return Err(Code::Busy),
        }
        if matches!((&self.call, self.camera), (Call::Idle, Camera::Leased(_))) {
            return Err(Code::DoorsNotShut);
        }
        self.unbooked(BOOKED_S)
    }

    /// Whether no booked visit runs, or begins within so many seconds.
    fn unbooked(&self, within_s: i64) -> Result<(), Code> {
        let person = self.entitlement.as_ref().filter(|e| !e.bookings.is_empty());
        let cell = self.agenda.as_ref().filter(|a| !a.bookings.is_empty());
        if person.is_none() && cell.is_none() {
            return Ok(());
        }
        let now = self.wall_now().seconds().ok_or(Code::ClockUnknown)?;
        let booked = person.and_then(|e| e.next_booking(now)).map(|booking| booking.from);
        let slot = cell.and_then(|a| a.next_slot(now)).map(|slot| slot.from);
        let near = booked.into_iter().chain(slot).any(|from| from <= now.saturating_add(within_s));
        if near { Err(Code::Booked) } else { Ok(()) }
    }
}

impl Turn<'_> {
    pub(crate) fn begin_maintenance(&mut self, request: Request, holder: Owner, stage: Stage, version: String) {
        match self.state.may_maintain() {
            Ok(()) => {
                let lease = Lease { holder: holder.clone(), until: self.now.saturating_add(stage.longest_ms()) };
                self.shift(stage.allowed(), Some(lease));
                self.push(Effect::Ledger(Entry::MaintenanceBegan { stage, version }));
                self.push(Effect::HandLease { request, holder });
            }
            Err(code) => {
                self.shift(Cause::BeginRefused, None);
                self.decline(request, code.into());
            }
        }
    }

    /// The holder left the bus, or closed its end of the lease.
    pub(crate) fn lease_dropped(&mut self, owner: &Owner, cause: Cause) {
        if self.state.maintenance.lease().is_some_and(|lease| lease.holder == *owner) {
            self.shift(cause, None);
        }
    }

    /// After an entitlement: a booked visit is not kept waiting by an installation that began before anybody knew of it.
    pub(crate) fn make_way(&mut self) {
        let Some(until) = self.state.maintenance.lease().map(|lease| lease.until) else { return };
        let left_s = i64::try_from(until.saturating_sub(self.now) / 1000).unwrap_or(i64::MAX);
        if self.state.unbooked(left_s) == Err(Code::Booked) {
            self.shift(Cause::BookingNear, None);
        }
    }

    /// Brings a cause to the table and crosses the edge that it names, if any; `lease` is what a state other than `Idle` will own.
    pub(crate) fn shift(&mut self, cause: Cause, lease: Option<Lease>) {
        let before = self.state.maintenance.kind();
        let after = next(before, cause);
        self.state.shifts.push((before, cause, after));
        if before == after {
            return;
        }
        if let Some(Lease { holder, .. }) = self.state.maintenance.lease().cloned() {
            self.push(Effect::TakeLease { holder });
            self.push(Effect::Ledger(Entry::MaintenanceOver { why: cause.name() }));
        }
        self.state.maintenance = match (after, lease) {
            (Kind::Installing, Some(lease)) => Maintenance::Installing(lease),
            (Kind::Restarting, Some(lease)) => Maintenance::Restarting(lease),
            // Without a lease nobody may change anything.
            (Kind::Idle, _) | (Kind::Installing | Kind::Restarting, None) => Maintenance::Idle,
        };
    }
}
