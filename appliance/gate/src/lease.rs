//! Owns: the states of a lease, as one table; every door is open in [`State::Open`] and in no other.
//! Never: IO, a clock (time is an argument, `CLOCK_BOOTTIME` nanoseconds), a signature.
//! Called by: run, which does what the edges ask for.

use parloir_wire::Id;
use parloir_wire::gate::ShutReason;

/// How long a nonce can be answered, nanoseconds.
pub const NONCE_NS: u64 = 60_000_000_000;
/// How long a lease waits for a new call process, nanoseconds.
pub const RELAUNCH_NS: u64 = 60_000_000_000;
/// How often a lease may start its call process again.
pub const RELAUNCHES: u8 = 3;

/// Where a lease stands. `media` is the mask of its doors, `until` when its time is over, `relaunched` how often its call
/// process was started again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum State {
    /// No lease.
    Shut,
    /// The call process runs, doors shut; the ticket has until `until`. `pressed` is when OK was pressed for it.
    Prepared { lease: Id, nonce: Id, pressed: u64, until: u64 },
    /// Doors open until `until`.
    Open { lease: Id, media: u8, until: u64, relaunched: u8 },
    /// The call process ended by itself: doors shut, its death not yet certain.
    Falling { lease: Id, media: u8, until: u64, relaunched: u8 },
    /// It is dead; a new one may be started until `give_up`.
    Gone { lease: Id, media: u8, until: u64, relaunched: u8, give_up: u64 },
    /// Doors shut, call process killed, its death not yet certain.
    Ending { lease: Id, reason: ShutReason, since: u64 },
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Event {
    /// A call process was started for a new lease.
    Started { lease: Id, nonce: Id, pressed: u64 },
    /// A verified ticket: for these doors, for so many nanoseconds.
    Admitted { media: u8, run: u64 },
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
    #[must_use]
    pub fn step(self, event: Event, now: u64) -> Self {
        use Event::{Admitted, CallDead, CallEnded, Restarted, Started, Stop, Tick};
        let end = |lease, reason| Self::Ending { lease, reason, since: now };
        match (self, event) {
            (Self::Shut, Started { lease, nonce, pressed }) => {
                Self::Prepared { lease, nonce, pressed, until: now.saturating_add(NONCE_NS) }
            }
            (Self::Prepared { lease, until, .. }, Admitted { .. } | Tick) if now >= until => end(lease, ShutReason::NonceExpired),
            (Self::Prepared { lease, .. }, Admitted { media, run }) => {
                Self::Open { lease, media, until: now.saturating_add(run), relaunched: 0 }
            }
            (Self::Prepared { lease, .. }, CallEnded | CallDead) => end(lease, ShutReason::CallEnded),
            (
                Self::Open { lease, until, .. } | Self::Falling { lease, until, .. } | Self::Gone { lease, until, .. },
                Tick | Restarted,
            ) if now >= until => end(lease, ShutReason::RunOver),
            (Self::Open { lease, media, until, relaunched }, CallEnded | CallDead) if relaunched < RELAUNCHES => {
                Self::Falling { lease, media, until, relaunched }
            }
            (Self::Open { lease, .. }, CallEnded | CallDead) => end(lease, ShutReason::CallEnded),
            (Self::Falling { lease, media, until, relaunched }, CallDead) => {
                Self::Gone { lease, media, until, relaunched, give_up: now.saturating_add(RELAUNCH_NS) }
            }
            (Self::Gone { lease, give_up, .. }, Tick | Restarted) if now >= give_up => end(lease, ShutReason::CallEnded),
            (Self::Gone { lease, media, until, relaunched, .. }, Restarted) => {
                Self::Open { lease, media, until, relaunched: relaunched + 1 }
            }
            (
                Self::Prepared { lease, .. } | Self::Open { lease, .. } | Self::Falling { lease, .. } | Self::Gone { lease, .. },
                Stop(reason),
            ) => end(lease, reason),
            (Self::Ending { .. }, CallDead) => Self::Shut,
            (Self::Shut, Admitted { .. } | Restarted | CallEnded | CallDead | Stop(_) | Tick)
            | (Self::Prepared { .. }, Started { .. } | Restarted | Tick)
            | (Self::Open { .. }, Started { .. } | Admitted { .. } | Restarted | Tick)
            | (Self::Falling { .. }, Started { .. } | Admitted { .. } | Restarted | CallEnded | Tick)
            | (Self::Gone { .. }, Started { .. } | Admitted { .. } | CallEnded | CallDead | Tick)
            | (Self::Ending { .. }, Started { .. } | Admitted { .. } | Restarted | CallEnded | Stop(_) | Tick) => self,
        }
    }

    /// The lease, if there is one.
    #[must_use]
    pub const fn lease(&self) -> Option<Id> {
        match self {
            Self::Shut => None,
            Self::Prepared { lease, .. }
            | Self::Open { lease, .. }
            | Self::Falling { lease, .. }
            | Self::Gone { lease, .. }
            | Self::Ending { lease, .. } => Some(*lease),
        }
    }

    /// When [`Event::Tick`] will change it, if time alone can.
    #[must_use]
    pub fn deadline(&self) -> Option<u64> {
        match self {
            Self::Shut | Self::Ending { .. } => None,
            Self::Prepared { until, .. } | Self::Open { until, .. } | Self::Falling { until, .. } => Some(*until),
            Self::Gone { until, give_up, .. } => Some(*until.min(give_up)),
        }
    }

    /// Whether the death of the call process is waited for.
    #[must_use]
    pub const fn dying(&self) -> bool {
        matches!(self, Self::Falling { .. } | Self::Ending { .. })
    }
}
