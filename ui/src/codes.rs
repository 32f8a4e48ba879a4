//! Owns: which sentence each stable code gets: every code of `docs/refusals.md` is sorted into one cause or ending.
//! Never: words (slint/words has them), a decision.
//! Called by: present; `tests/codes.rs` compares with the printed list of codes.

use crate::shown::{Cause, Ending};

/// Refusals.
pub const CAUSES: &[(&str, Cause)] = &[
    ("OutsideWindow", Cause::Hours),
    ("NoBooking", Cause::Hours),
    ("NoAnswer", Cause::NoAnswer),
    ("VisitorAbsent", Cause::NoAnswer),
    ("VisitorDeclined", Cause::Declined),
    ("NoContact", Cause::NotAllowed),
    ("NotOutgoing", Cause::NotAllowed),
    ("MediaNotAllowed", Cause::NotAllowed),
    ("ClassNotAllowed", Cause::NotAllowed),
    ("NotEntitled", Cause::NotAllowed),
    ("NotIncoming", Cause::NotAllowed),
    ("NoScreen", Cause::Trouble),
    ("ClockUnknown", Cause::Trouble),
    ("RingOld", Cause::Trouble),
    ("RingStray", Cause::Trouble),
    ("RingMissed", Cause::NoAnswer),
    ("RingDeclined", Cause::Declined),
    ("CallerGone", Cause::NoAnswer),
    ("AgainStray", Cause::Trouble),
    ("Offline", Cause::Offline),
    ("NotReady", Cause::Offline),
    ("Busy", Cause::Busy),
    ("DoorsNotShut", Cause::Busy),
    ("NoFreshKey", Cause::PressAgain),
    ("NotScreen", Cause::PressAgain),
    ("NoCall", Cause::PressAgain),
    ("Denied", Cause::Staff),
    ("FacilityRefused", Cause::Trouble),
    ("GrantNotGenuine", Cause::Safety),
    ("GrantStray", Cause::Safety),
    ("GrantKey", Cause::Safety),
    ("GrantDevice", Cause::Safety),
    ("GrantPerson", Cause::Safety),
    ("GrantContact", Cause::Safety),
    ("GrantClass", Cause::Safety),
    ("GrantMedia", Cause::Safety),
    ("GrantCertificate", Cause::Safety),
    ("GrantParties", Cause::Safety),
    ("GrantDuration", Cause::Safety),
    ("GrantRecording", Cause::Safety),
    ("GrantPrice", Cause::Safety),
    ("GrantRoute", Cause::Safety),
    ("GrantRelay", Cause::Safety),
    ("GrantDirect", Cause::Safety),
    ("GrantTicket", Cause::Safety),
    ("TicketRefused", Cause::Safety),
    ("DocumentSite", Cause::Safety),
    ("DocumentOld", Cause::Safety),
    ("DocumentForged", Cause::Safety),
    ("TimeStray", Cause::Safety),
    ("BeatStray", Cause::Safety),
    ("StatementStray", Cause::Safety),
    ("GateAbsent", Cause::Trouble),
    ("GateForeign", Cause::Trouble),
    ("NoDoorKey", Cause::Trouble),
    ("NoDevice", Cause::Trouble),
    ("CallNotStarted", Cause::Trouble),
    ("Internal", Cause::Trouble),
];

/// Ends of a visit.
pub const ENDINGS: &[(&str, Ending)] = &[
    ("PersonEnded", Ending::You),
    ("VisitorLeft", Ending::Far),
    ("SlotOver", Ending::Time),
    ("LeaseOver", Ending::Time),
    ("Revoked", Ending::Staff),
    ("BeatMissing", Ending::Picture),
    ("MediaLost", Ending::Picture),
    ("NeverConnected", Ending::Picture),
    ("FarCertificate", Ending::Safety),
    ("CallFailed", Ending::Trouble),
    ("GateLost", Ending::Trouble),
    ("GateShut", Ending::Trouble),
    ("ScreenGone", Ending::Trouble),
    ("PowerLost", Ending::Trouble),
    ("Fault", Ending::Trouble),
];

fn find<T: Copy>(table: &[(&str, T)], code: &str) -> Option<T> {
    table.iter().find(|(name, _)| *name == code).map(|(_, to)| *to)
}

/// What a refusal is about. An unknown code gets the general sentence; the code stands under it.
#[must_use]
pub fn cause(code: &str) -> Cause {
    // A call may also be refused for what ended it before it was one.
    find(CAUSES, code).unwrap_or(match find(ENDINGS, code) {
        Some(Ending::Safety) => Cause::Safety,
        Some(Ending::Far) => Cause::Declined,
        Some(Ending::Staff) => Cause::Staff,
        _ => Cause::Trouble,
    })
}

/// Why a visit ended. An unknown code gets the general sentence.
#[must_use]
pub fn ending(code: &str) -> Ending {
    find(ENDINGS, code).unwrap_or(match find(CAUSES, code) {
        Some(Cause::Safety) => Ending::Safety,
        Some(Cause::Staff) => Ending::Staff,
        Some(Cause::Declined) => Ending::Far,
        _ => Ending::Trouble,
    })
}
