//! Owns: which sentence each stable code gets and what its screen offers: every code of `docs/refusals.md` has a row.
//! Never: words (slint/words has them), a decision.
//! Called by: present, acts; `tests/codes.rs` compares with the printed list of codes.

use crate::shown::{Cause, Ending};

/// What the screen of a refusal offers beside going back; asked for again only where the arbiter says that it would be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offer {
    /// Nothing: pressing again would change nothing.
    Back,
    /// The same call again.
    Again,
    /// The same call without a picture.
    Voice,
    /// Both.
    AgainOrVoice,
    /// A call to the person who called.
    CallBack,
}

/// What the screen of an end offers, the likeliest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum After {
    /// Only that it is read.
    Done,
    /// Done, or another call.
    DoneOrAgain,
    /// Another call, or done: nobody wanted this end.
    AgainOrDone,
}

/// Refusals.
pub const CAUSES: &[(&str, Cause, Offer)] = &[
    ("NotScreen", Cause::Screen, Offer::Again),
    ("NoFreshKey", Cause::PressAgain, Offer::Again),
    ("Busy", Cause::Busy, Offer::Again),
    ("DoorsNotShut", Cause::Closing, Offer::Again),
    ("GateAbsent", Cause::Guard, Offer::Again),
    ("GateForeign", Cause::Setup, Offer::Back),
    ("Offline", Cause::Offline, Offer::Again),
    ("NotReady", Cause::NotReady, Offer::Again),
    ("NoContact", Cause::NotOnList, Offer::Back),
    ("NotOutgoing", Cause::OnlyIncoming, Offer::Back),
    ("MediaNotAllowed", Cause::OnlyVoice, Offer::Voice),
    ("ClassNotAllowed", Cause::NoClass, Offer::Back),
    ("OutsideWindow", Cause::Hours, Offer::Again),
    ("Denied", Cause::Staff, Offer::Back),
    ("NoCall", Cause::NoCall, Offer::Again),
    ("NotIncoming", Cause::NotIncoming, Offer::Back),
    ("NoScreen", Cause::Screen, Offer::Again),
    ("ClockUnknown", Cause::Clock, Offer::Again),
    ("RingOld", Cause::CallerGone, Offer::CallBack),
    ("RingStray", Cause::Stray, Offer::Again),
    ("RingMissed", Cause::Missed, Offer::CallBack),
    ("RingDeclined", Cause::YouDeclined, Offer::CallBack),
    ("CallerGone", Cause::CallerGone, Offer::CallBack),
    ("AgainStray", Cause::Stray, Offer::Again),
    ("NoAnswer", Cause::NoAnswer, Offer::Again),
    ("VisitorDeclined", Cause::Declined, Offer::Again),
    ("VisitorAbsent", Cause::Absent, Offer::Again),
    ("NotEntitled", Cause::NotAllowed, Offer::Back),
    ("NoBooking", Cause::NoBooking, Offer::Back),
    ("FacilityRefused", Cause::Prison, Offer::Again),
    ("GrantNotGenuine", Cause::Safety, Offer::Again),
    ("GrantStray", Cause::Late, Offer::Again),
    ("GrantKey", Cause::Safety, Offer::Again),
    ("GrantDevice", Cause::Late, Offer::Again),
    ("GrantPerson", Cause::Late, Offer::Again),
    ("GrantContact", Cause::Late, Offer::Again),
    ("GrantClass", Cause::Terms, Offer::Again),
    ("GrantMedia", Cause::Terms, Offer::Again),
    ("GrantCertificate", Cause::Safety, Offer::Again),
    ("GrantParties", Cause::Parties, Offer::Again),
    ("GrantDuration", Cause::Terms, Offer::Again),
    ("GrantRecording", Cause::Recording, Offer::Again),
    ("GrantPrivate", Cause::Safety, Offer::Again),
    ("GrantPrice", Cause::Price, Offer::Again),
    ("GrantRoute", Cause::Terms, Offer::Again),
    ("GrantRelay", Cause::Terms, Offer::Again),
    ("GrantDirect", Cause::Terms, Offer::Again),
    ("GrantTicket", Cause::Safety, Offer::Again),
    ("TicketRefused", Cause::Safety, Offer::Again),
    ("NoDoorKey", Cause::Setup, Offer::Back),
    ("NoDevice", Cause::Device, Offer::AgainOrVoice),
    ("CallNotStarted", Cause::NotStarted, Offer::Again),
    ("DocumentSite", Cause::Stray, Offer::Again),
    ("DocumentOld", Cause::Stray, Offer::Again),
    ("DocumentForged", Cause::Stray, Offer::Again),
    ("TimeStray", Cause::Stray, Offer::Again),
    ("BeatStray", Cause::Stray, Offer::Again),
    ("StatementStray", Cause::Stray, Offer::Again),
    ("Storage", Cause::Storage, Offer::Again),
    ("Stopping", Cause::BoxStopping, Offer::Again),
    ("Updating", Cause::Updating, Offer::Again),
    ("SignInFirst", Cause::SignIn, Offer::Back),
    ("NoSignIn", Cause::SignIn, Offer::Back),
    ("WrongCode", Cause::SignIn, Offer::Back),
    ("SignInLocked", Cause::SignIn, Offer::Back),
    ("EntitlementStray", Cause::Stray, Offer::Again),
    // The updater's alone.
    ("InVisit", Cause::Busy, Offer::Again),
    ("Ringing", Cause::Busy, Offer::Again),
    ("Booked", Cause::Busy, Offer::Again),
    ("Internal", Cause::Trouble, Offer::Again),
];

/// Ends of a visit.
pub const ENDINGS: &[(&str, Ending, After)] = &[
    ("PersonEnded", Ending::You, After::DoneOrAgain),
    ("VisitorLeft", Ending::Far, After::DoneOrAgain),
    ("SlotOver", Ending::Time, After::Done),
    ("LeaseOver", Ending::Lease, After::Done),
    ("Revoked", Ending::Staff, After::Done),
    ("BeatMissing", Ending::Prison, After::AgainOrDone),
    ("MediaLost", Ending::Picture, After::AgainOrDone),
    ("NeverConnected", Ending::Never, After::AgainOrDone),
    ("FarCertificate", Ending::Safety, After::DoneOrAgain),
    ("CallFailed", Ending::StoppedOften, After::AgainOrDone),
    ("GateLost", Ending::Guard, After::AgainOrDone),
    ("GateShut", Ending::GuardRule, After::AgainOrDone),
    ("ScreenGone", Ending::Screen, After::AgainOrDone),
    ("PowerLost", Ending::Power, After::AgainOrDone),
    ("Fault", Ending::Fault, After::AgainOrDone),
    ("BoxStopped", Ending::BoxStopped, After::AgainOrDone),
];

fn find<T: Copy, O: Copy>(table: &[(&str, T, O)], code: &str) -> Option<(T, O)> {
    table.iter().find(|(name, ..)| *name == code).map(|(_, what, offer)| (*what, *offer))
}

/// What a refusal is about and what it offers. An unknown code gets the general sentence; the code stands under it.
#[must_use]
pub fn refusal(code: &str) -> (Cause, Offer) {
    // A call may also be refused for what ended it before it was one.
    find(CAUSES, code).unwrap_or_else(|| match find(ENDINGS, code) {
        Some((Ending::Safety, _)) => (Cause::Safety, Offer::Again),
        Some((Ending::Far, _)) => (Cause::Declined, Offer::Again),
        Some((Ending::Staff, _)) => (Cause::Staff, Offer::Back),
        Some((Ending::Screen, _)) => (Cause::Screen, Offer::Again),
        Some((Ending::Guard | Ending::GuardRule, _)) => (Cause::Guard, Offer::Again),
        Some((Ending::Never | Ending::StoppedOften, _)) => (Cause::NotStarted, Offer::Again),
        _ => (Cause::Trouble, Offer::Again),
    })
}

/// Why a visit ended and what its screen offers. An unknown code gets the general sentence.
#[must_use]
pub fn ending(code: &str) -> (Ending, After) {
    find(ENDINGS, code).unwrap_or_else(|| match find(CAUSES, code) {
        Some((Cause::Safety, _)) => (Ending::Safety, After::DoneOrAgain),
        Some((Cause::Staff, _)) => (Ending::Staff, After::Done),
        Some((Cause::Declined, _)) => (Ending::Far, After::DoneOrAgain),
        _ => (Ending::Trouble, After::AgainOrDone),
    })
}
