//! Owns: the cells of the tables that no event reaches, and why not.
//! Never: decides anything: the tables have these cells all the same, so that they fail closed.
//! Called by: tables (prints them), the tests that reach every other cell and none of these, and hold each reason against every state.

use crate::call::named;
use crate::{call, camera, maintenance, remote, session};

named! {
    /// Why a cause never comes in a state.
    Never {
        /// A call, a ring or a lease is there already: the guard refuses a second one.
        Busy,
        /// Nothing rings that could be answered.
        NothingRings,
        /// No question is pending that such a grant would answer: it is `GrantStray`.
        NothingAsked,
        /// There is no call, or it is over: there is nothing to end.
        NoCall,
        /// There is no call process whose words count.
        NobodySpeaks,
        /// Before a grant the call process can only fail to start; its other words are dropped.
        NotGranted,
        /// The fair clock runs in `Live` and in no other state: it can only stop there, and only begin elsewhere.
        FairClock,
        /// A call process that dies makes `Held` of `Joining`, so it dies there once.
        DiedOnce,
        /// Gate refuses what it was told; with open doors it is told to start the process again, and its no is `ProcessSpent`.
        NothingTold,
        /// The state has no deadline of its own.
        NoDeadline,
        /// No grant is in force, so there is neither a lease nor a beat.
        NoGrant,
        /// Nothing is being closed.
        NotClosing,
        /// No lease is held: words about another one do not get to the table.
        NoLease,
        /// Gate that comes anew was lost first.
        LostFirst,
        /// Gate is told so in one state only, by the edge that needs it.
        ToldOnce,
        /// Gate's word is taken in the one state that awaits it.
        NotAwaited,
        /// The state is left in the step that entered it.
        WithinAStep,
        /// Nobody holds the keys.
        NoHolder,
        /// No fresh press is left.
        NoPress,
        /// Only where nobody is signed in, and a code is asked for, can one begin to enter it: else it is `BeginRefused`.
        NotShut,
        /// No code is being entered: a digit is nobody's.
        NoEntry,
        /// The facility has no code of now: an entitlement that answers one is `PersonStray`, and a no concerns nobody.
        NoQuestion,
    }
}

/// Of the table `Call`.
#[must_use]
#[rustfmt::skip]
pub const fn in_call(state: call::Kind, cause: call::Cause) -> Option<Never> {
    use call::Cause::*;
    use call::Kind::*;
    Some(match (state, cause) {
        (Ringing | Asking | Joining | Live | Held | Closing, PlaceAllowed | RingAllowed) => Never::Busy,
        (Idle | Asking | Joining | Live | Held | Closing, AnswerAllowed | AnswerTooLate) => Never::NothingRings,
        (Idle | Ringing | Joining | Live | Held | Closing, GrantFits | GrantUnfit) => Never::NothingAsked,
        (Idle | Ringing | Asking | Closing, RegrantFits | RegrantUnfit) => Never::NothingAsked,
        (Idle | Closing, DenyHits | ScreenMissing) => Never::NoCall,
        (Idle | Ringing | Closing, BothDecode | MediaStopped | FarAgain | SetupFailed | ProcessDied | ProcessSpent | FarForeign | FarLeft) => Never::NobodySpeaks,
        (Asking, BothDecode | MediaStopped | FarAgain | ProcessSpent | FarLeft) => Never::NotGranted,
        (Live, BothDecode) | (Joining | Held, MediaStopped | SlotOver) => Never::FairClock,
        (Joining, ProcessSpent) => Never::DiedOnce,
        (Idle | Ringing, NotStarted | GateRefused | DoorsShut) | (Closing, GateRefused | DoorsShut) => Never::NoCall,
        (Live | Held, GateRefused) => Never::NothingTold,
        (Idle | Live, TimeUp) => Never::NoDeadline,
        (Idle | Ringing | Asking | Closing, SlotOver | LeaseOver | BeatMissing) => Never::NoGrant,
        (Idle | Ringing | Asking | Joining | Live | Held, Settled) => Never::NotClosing,
        _ => return None,
    })
}

/// Of the table `Camera`.
#[must_use]
#[rustfmt::skip]
pub const fn in_camera(state: camera::Kind, cause: camera::Cause) -> Option<Never> {
    use camera::Cause as C;
    use camera::Kind as K;
    Some(match (state, cause) {
        (K::Absent, C::Hello) => return None,
        (_, C::Hello) => Never::LostFirst,
        (K::Shut, C::Prepare) | (K::Ready, C::Open) | (K::Broken, C::Relaunch) => return None,
        (_, C::Prepare | C::Open | C::Relaunch) | (K::Absent | K::Shut | K::Shutting, C::Close) => Never::ToldOnce,
        (K::Starting, C::Prepared) | (K::Opening, C::Opened) | (K::Restarting, C::Relaunched) => return None,
        (_, C::Prepared | C::Opened | C::Relaunched) => Never::NotAwaited,
        (K::Absent | K::Shut, C::CallGone | C::Shut | C::Refused) => Never::NoLease,
        (K::Broken, C::Gone | C::CallGone | C::Shut | C::Refused) => Never::WithinAStep,
        _ => return None,
    })
}

/// Of the table `Remote`.
#[must_use]
pub const fn in_remote(state: remote::Kind, cause: remote::Cause) -> Option<Never> {
    use remote::Cause::{Faded, HolderGone, Pressed, Quoted, QuotedLast};
    use remote::Kind::{Focused, Free};
    Some(match (state, cause) {
        (Free, HolderGone | Pressed | Quoted | QuotedLast | Faded) => Never::NoHolder,
        (Focused, Quoted | QuotedLast | Faded) => Never::NoPress,
        _ => return None,
    })
}

/// Of the table `Maintenance`.
#[must_use]
pub const fn in_maintenance(state: maintenance::Kind, cause: maintenance::Cause) -> Option<Never> {
    use maintenance::Cause::{BookingNear, HolderDone, HolderGone, InstallAllowed, RestartAllowed, TimeUp};
    use maintenance::Kind::{Idle, Installing, Restarting};
    Some(match (state, cause) {
        (Idle, HolderDone | HolderGone | TimeUp | BookingNear) => Never::NoLease,
        (Installing | Restarting, InstallAllowed | RestartAllowed) => Never::Busy,
        _ => return None,
    })
}

/// Of the table `Session`.
#[must_use]
#[rustfmt::skip]
pub const fn in_session(state: session::Kind, cause: session::Cause) -> Option<Never> {
    use session::Cause::*;
    use session::Kind::*;
    Some(match (state, cause) {
        (Free | Entering | Asking | Open, BeginAllowed) => Never::NotShut,
        (Free | Closed | Asking | Open, Digit | CodeWhole) => Never::NoEntry,
        (Free | Closed | Entering | Open, PersonCame) => Never::NoQuestion,
        (Free | Closed | Entering | Asking, PersonAnew) => Never::NoQuestion,
        (Free | Closed | Entering, Denied) => Never::NoQuestion,
        (Free | Closed, TimeUp) => Never::NoDeadline,
        _ => return None,
    })
}
