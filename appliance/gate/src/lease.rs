//! Owns: the states of a lease, as one table; every door is open in [`State::Open`] and in no other.
//! Never: IO, a clock (time is an argument, `CLOCK_BOOTTIME` nanoseconds), a signature.
//! Called by: run, which does what the edges ask for.
#![allow(missing_docs, reason = "a field is told by the line of its variant")]

use parloir_wire::{Id, gate::ShutReason};

/// How long a nonce can be answered, nanoseconds.
pub const NONCE_NS: u64 = 60_000_000_000;
/// How long a lease waits for a new call process, nanoseconds.
pub const RELAUNCH_NS: u64 = 60_000_000_000;
/// How often a lease may start its call process again.
pub const RELAUNCHES: u8 = 3;

/// What a ticket admitted: these doors until then; how often its call process was started again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    pub lease: Id,
    pub media: u8,
    pub until: u64,
    pub relaunched: u8,
}

/// Where a lease stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// No lease.
    Shut,
    /// The call process runs, doors shut; the ticket has until `until`. `pressed` is when OK was pressed for it.
    Prepared { lease: Id, nonce: Id, pressed: u64, until: u64 },
    /// Doors open.
    Open(Run),
    /// The call process ended by itself: doors shut, its death not yet certain.
    Falling(Run),
    /// It is dead; a new one may be started until the time beside it.
    Gone(Run, u64),
    /// Doors shut, call process killed, its death not yet certain.
    Ending { lease: Id, reason: ShutReason, since: u64 },
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A call process was started for a new lease.
    Started { lease: Id, nonce: Id, pressed: u64 },
    /// A verified ticket: for these doors, for so many nanoseconds.
    Admitted { media: u8, ns: u64 },
    /// A call process was started again and has its doors.
    Restarted,
    /// The call process hung up.
    CallEnded,
    /// The call process is certainly dead, or there is none.
    CallDead,
    /// Someone or something ends the lease.
    Stop(ShutReason),
    /// Time passed.
    Tick,
}

impl State {
    /// The table.
    pub fn step(self, event: Event, now: u64) -> Self {
        use Event::{Admitted, CallDead, CallEnded, Restarted, Started, Stop, Tick};
        use State::{Ending, Falling, Gone, Open, Prepared, Shut};
        let end = |lease, reason| Ending { lease, reason, since: now };
        match (self, event) {
            (Shut, Started { lease, nonce, pressed }) => Prepared { lease, nonce, pressed, until: now.saturating_add(NONCE_NS) },
            (Prepared { lease, until, .. }, Admitted { .. } | Tick) if now >= until => end(lease, ShutReason::NonceExpired),
            (Prepared { lease, .. }, Admitted { media, ns }) => {
                Open(Run { lease, media, until: now.saturating_add(ns), relaunched: 0 })
            }
            (Prepared { lease, .. }, CallEnded | CallDead) => end(lease, ShutReason::CallEnded),
            (Open(run) | Falling(run) | Gone(run, _), Tick | Restarted) if now >= run.until => {
                end(run.lease, ShutReason::RunOver)
            }
            (Open(run), CallEnded | CallDead) if run.relaunched < RELAUNCHES => Falling(run),
            (Open(run), CallEnded | CallDead) => end(run.lease, ShutReason::CallEnded),
            (Falling(run), CallDead) => Gone(run, now.saturating_add(RELAUNCH_NS)),
            (Gone(run, give_up), Tick | Restarted) if now >= give_up => end(run.lease, ShutReason::CallEnded),
            (Gone(run, _), Restarted) => Open(Run { relaunched: run.relaunched + 1, ..run }),
            (Prepared { lease, .. }, Stop(reason)) => end(lease, reason),
            (Open(run) | Falling(run) | Gone(run, _), Stop(reason)) => end(run.lease, reason),
            (Ending { .. }, CallDead) => Shut,
            (Shut, Admitted { .. } | Restarted | CallEnded | CallDead | Stop(_) | Tick)
            | (Prepared { .. }, Started { .. } | Restarted | Tick)
            | (Open(_), Started { .. } | Admitted { .. } | Restarted | Tick)
            | (Falling(_), Started { .. } | Admitted { .. } | Restarted | CallEnded | Tick)
            | (Gone(..), Started { .. } | Admitted { .. } | CallEnded | CallDead | Tick)
            | (Ending { .. }, Started { .. } | Admitted { .. } | Restarted | CallEnded | Stop(_) | Tick) => self,
        }
    }

    /// The lease, if there is one.
    pub const fn lease(&self) -> Option<Id> {
        match self {
            Self::Shut => None,
            Self::Prepared { lease, .. } | Self::Ending { lease, .. } => Some(*lease),
            Self::Open(run) | Self::Falling(run) | Self::Gone(run, _) => Some(run.lease),
        }
    }

    /// Whether the death of the call process is waited for.
    pub const fn dying(&self) -> bool {
        matches!(self, Self::Falling(_) | Self::Ending { .. })
    }
}
