//! Owns: the stable codes of refusals and of ends, with the key of the person's sentence, the rule and the operator's hint.
//! Never: words that a person reads (the ui has them under the key).
//! Called by: every guard; printed into `docs/refusals.md`, which a test compares.

use parloir_pass::person::Window;

/// A "no", with everything that somebody needs to do something about it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: {}", .code.name(), .code.hint())]
pub struct Refusal {
    /// What.
    pub code: Code,
    /// When it would be possible, if that is known.
    pub next: Next,
}

/// When something would be possible.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Next {
    /// Not known, or at once.
    #[default]
    Unknown,
    /// In this window, Unix seconds UTC.
    Window {
        /** Start. */
        from: i64,
        /** End. */
        to: i64,
    },
}

impl Next {
    /// From a window of the entitlement, if there is one.
    #[must_use]
    pub fn from_window(window: Option<&Window>) -> Self {
        window.map_or(Self::Unknown, |w| Self::Window { from: w.from, to: w.to })
    }
}

impl From<Code> for Refusal {
    fn from(code: Code) -> Self {
        Self { code, next: Next::Unknown }
    }
}

/// Where a code appears.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// As the error of a call of `Calls1` or `Remote1`: the screen's.
    Calls,
    /// As the error of a call of `Courier1`: what was delivered was refused.
    Courier,
    /// As the error of a call of `Maintenance1`: the updater's.
    Maintenance,
    /// As the outcome that the screen shows.
    Screen,
    /// In the ledger.
    Ledger,
    /// In a message to the facility: `ring`, `ended`, and the receipt's `reason`.
    Facility,
}

macro_rules! table {
    ($(#[$doc:meta])* $kind:ident, $prefix:literal { $($name:ident, $rule:literal, [$($place:ident),+], $hint:literal;)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
        pub enum $kind { $(#[doc = $hint] $name,)+ }
        impl $kind {
            /// All, in the order of the documentation.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];
            /// The stable code: last part of a D-Bus error name, `reason` of a receipt.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => stringify!($name)),+ }
            }
            /// The rule behind it: a key of policy, entitlement or design; never empty.
            #[must_use]
            pub const fn rule(self) -> &'static str {
                match self { $(Self::$name => $rule),+ }
            }
            /// Key of the person's sentence.
            #[must_use]
            pub const fn sentence(self) -> &'static str {
                match self { $(Self::$name => concat!($prefix, stringify!($name))),+ }
            }
            /// Where it appears.
            #[must_use]
            pub const fn places(self) -> &'static [Place] {
                match self { $(Self::$name => &[$(Place::$place),+]),+ }
            }
            /// For the operator: what is wrong and what to do.
            #[must_use]
            pub const fn hint(self) -> &'static str {
                match self { $(Self::$name => $hint),+ }
            }
            /// The code with this name.
            #[must_use]
            pub fn from_name(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|c| c.name() == name)
            }
        }
    };
}

table! {
    /// Why something was refused.
    Code, "refused-" {
        NotScreen, "one-screen", [Calls, Ledger], "The caller is not the screen that attached last; let it call Attach.";
        NoFreshKey, "key-consent", [Calls, Screen, Ledger, Facility], "The serial is no OK press that was routed to this caller within the last second, or it was used; press OK again.";
        Busy, "one-call", [Calls, Courier, Maintenance, Ledger, Facility], "Another call is not over yet; wait for its end.";
        DoorsNotShut, "one-lease", [Calls, Courier, Maintenance, Screen, Ledger, Facility], "Gate has not said that the doors of the last call are shut; wait, then look at gate's journal.";
        GateAbsent, "gate", [Calls, Courier, Screen, Ledger, Facility], "Gate is not connected; look at parloir-gate.service.";
        GateForeign, "gate", [Ledger], "Gate says that it is another box; look at both command lines.";
        Offline, "online", [Calls, Courier, Screen, Ledger, Facility], "The broker is not connected; look at parloir-link.service and the network.";
        NotReady, "documents", [Calls, Courier, Screen, Ledger, Facility], "Authority, policy or entitlement has not come yet; look at the facility's retained documents.";
        NoContact, "contact-list", [Calls, Courier, Screen, Ledger, Facility], "The entitlement names no such contact.";
        NotOutgoing, "contact-direction", [Calls, Screen, Ledger], "The entitlement lets this contact only call in.";
        MediaNotAllowed, "contact-media", [Calls, Courier, Screen, Ledger, Facility], "Entitlement or policy allows this contact sound only.";
        ClassNotAllowed, "class", [Calls, Courier, Screen, Ledger, Facility], "The policy has no rule for this class of call, or no grant key may sign for it.";
        OutsideWindow, "contact-hours", [Calls, Courier, Screen, Ledger, Facility], "Now is in none of the contact's windows.";
        Denied, "deny", [Calls, Courier, Screen, Ledger, Facility], "A signed revocation names this person, contact, box or grant.";
        Stopping, "stopping", [Calls, Courier, Maintenance, Screen, Ledger, Facility], "The arbiter is being stopped; nothing new begins until it is started again.";
        NoCall, "one-call", [Calls, Courier, Ledger], "There is no call to which this could apply.";
        NotIncoming, "contact-direction", [Calls, Courier, Screen, Ledger, Facility], "The entitlement does not let this contact call in.";
        NoScreen, "one-screen", [Courier, Ledger, Facility], "No screen is attached that could ring; look at parloir-ui.service.";
        ClockUnknown, "clock", [Courier, Maintenance, Ledger, Facility], "No facility has told the time since the start, so nobody can say whether a ring is fresh, or when a booked visit begins.";
        RingOld, "freshness", [Courier, Ledger, Facility], "The ring was sent more than 60 s ago, or in the future; compare the facility's clock.";
        RingStray, "freshness", [Courier, Ledger], "This ring came before; a box rings once for it.";
        RingMissed, "ring", [Screen, Ledger, Facility], "Nobody answered within 45 s.";
        RingDeclined, "ring", [Ledger, Facility], "The person declined.";
        CallerGone, "ring", [Screen, Ledger, Facility], "The caller gave up, or staff stopped the call, before anybody answered.";
        AgainStray, "regrant", [Courier, Ledger], "A hint to ask again came for no call of now, too soon after another, or once too often; it was dropped.";
        NoAnswer, "freshness", [Screen, Ledger, Facility], "Nobody answered within 60 s.";
        VisitorDeclined, "visitor", [Screen, Ledger, Facility], "The visitor declined.";
        VisitorAbsent, "visitor", [Screen, Ledger, Facility], "The visitor is not there.";
        NotEntitled, "facility", [Screen, Ledger, Facility], "The facility says that the person is not entitled to this visit now.";
        NoBooking, "facility", [Screen, Ledger, Facility], "The facility has no booking for this visit.";
        FacilityRefused, "facility", [Screen, Ledger, Facility], "The facility refused, with a code that this release does not know.";
        GrantNotGenuine, "signature", [Courier, Screen, Ledger, Facility], "A grant came whose seal, signature, role or form is wrong.";
        GrantStray, "freshness", [Courier, Screen, Ledger, Facility], "A grant came that answers no pending question; it was dropped.";
        GrantKey, "authority", [Courier, Screen, Ledger, Facility], "The grant's key may not sign for this class or its date is over.";
        GrantDevice, "binding", [Courier, Screen, Ledger, Facility], "The grant names another site or box.";
        GrantPerson, "binding", [Courier, Screen, Ledger, Facility], "The grant names another person.";
        GrantContact, "binding", [Courier, Screen, Ledger, Facility], "The grant names another contact.";
        GrantClass, "binding", [Courier, Screen, Ledger, Facility], "The grant names another class.";
        GrantMedia, "binding", [Courier, Screen, Ledger, Facility], "The grant names other media than were asked for.";
        GrantCertificate, "binding", [Courier, Screen, Ledger, Facility], "The grant names another certificate of this box, or another call.";
        GrantParties, "parties", [Courier, Screen, Ledger, Facility], "The grant names no party, more than three, or one twice.";
        GrantDuration, "longest", [Courier, Screen, Ledger, Facility], "The grant's durations are zero or longer than entitlement, policy or key allow.";
        GrantRecording, "recording", [Courier, Screen, Ledger, Facility], "The grant says recorded or watched where the policy forbids it.";
        GrantPrivate, "private", [Courier, Screen, Ledger, Facility], "In a private class the grant says recorded or watched, names another route than direct or more than one far party, or lacks the visitor's half of the short code.";
        GrantPrice, "price", [Courier, Screen, Ledger, Facility], "The grant's price is not the policy's.";
        GrantRoute, "route", [Courier, Screen, Ledger, Facility], "The grant's route is not offered by this release.";
        GrantRelay, "relays", [Courier, Screen, Ledger, Facility], "The grant names no relay, or one that is not in the policy.";
        GrantDirect, "relays", [Courier, Screen, Ledger, Facility], "The grant allows direct candidates, which only a bench may.";
        GrantTicket, "ticket", [Courier, Screen, Ledger, Facility], "The ticket in the grant does not match the grant.";
        TicketRefused, "ticket", [Screen, Ledger, Facility], "Gate refused the ticket; look at gate's journal.";
        NoDoorKey, "door-record", [Screen, Ledger, Facility], "Gate has no valid door key record; look at the retained door record.";
        Storage, "storage", [Calls, Screen, Ledger, Facility], "What must be on the disk before a door opens could not be written; look at the space and the health of the disk.";
        NoDevice, "doors", [Screen, Ledger, Facility], "Camera or microphone could not be opened; look at the cables and gate's journal.";
        CallNotStarted, "call-process", [Screen, Ledger, Facility], "The call process could not be started or died before the visit.";
        DocumentSite, "binding", [Courier, Ledger], "A document names another site or box; it was dropped.";
        DocumentOld, "revision", [Courier, Ledger], "A document has a lower revision than one seen before; it was dropped.";
        DocumentForged, "signature", [Courier, Ledger], "A document came whose seal, signature, role or form is wrong; it was dropped.";
        TimeStray, "freshness", [Courier, Ledger], "A time statement answers no pending request; it was dropped.";
        BeatStray, "freshness", [Courier, Ledger], "A beat names no live grant or an old count; it was dropped.";
        StatementStray, "freshness", [Courier, Ledger], "A visitor's statement names no live call or party, or an old count; it was dropped.";
        Updating, "maintenance", [Calls, Maintenance, Screen, Ledger], "The box is being updated, or starts again; wait until it is done, half an hour at most.";
        InVisit, "maintenance", [Maintenance, Ledger], "A visit goes on; an update waits for its end.";
        Ringing, "maintenance", [Maintenance, Ledger], "Somebody calls; an update waits until that is over.";
        Booked, "maintenance", [Maintenance, Ledger], "A booked visit goes on or begins within 30 min; an update waits for its end.";
        SignInFirst, "sign-in", [Calls, Screen, Ledger, Facility], "Nobody is signed in at this TV; the person enters their code first.";
        NoSignIn, "sign-in", [Calls, Ledger], "Somebody is signed in or enters a code already, the site asks for none, or the agenda names nobody with this tag.";
        WrongCode, "sign-in", [Screen, Ledger], "The facility says that the code is not this person's; it counts them.";
        SignInLocked, "sign-in", [Calls, Screen, Ledger], "After wrong codes the facility looks at no other one of this person for a while; wait, or give the person a new code.";
        EntitlementStray, "freshness", [Courier, Ledger], "An entitlement answers no code of now, or is another person's than the code's; it was dropped.";
        Internal, "fail-closed", [Calls, Courier, Screen, Ledger, Facility], "A defect of this software; everything was shut. Report it with the diagnostics export.";
    }
}

table! {
    /// Why a call that was asked for ended.
    EndReason, "ended-" {
        PersonEnded, "person", [Screen, Ledger, Facility], "The person ended it.";
        VisitorLeft, "visitor", [Screen, Ledger, Facility], "The visitor left.";
        SlotOver, "slot", [Screen, Ledger, Facility], "The counted time of the slot was used.";
        LeaseOver, "lease", [Screen, Ledger, Facility], "The longest time that the doors may be open is over.";
        Revoked, "deny", [Screen, Ledger, Facility], "A signed revocation came during the visit.";
        BeatMissing, "renewal", [Screen, Ledger, Facility], "The facility's renewals stopped for longer than the class's grace.";
        MediaLost, "held", [Screen, Ledger, Facility], "Media stopped and did not come back within 60 s.";
        NeverConnected, "joining", [Screen, Ledger, Facility], "After the grant the two ends did not see each other within 60 s.";
        FarCertificate, "far-certificate", [Screen, Ledger, Facility], "The far end's certificate is not the one that the grant names; nothing was sent or shown.";
        CallFailed, "call-process", [Screen, Ledger, Facility], "The call process died more often than it may be started again.";
        GateLost, "gate", [Screen, Ledger, Facility], "Gate was lost; it shuts every door by itself.";
        GateShut, "gate", [Screen, Ledger, Facility], "Gate shut the doors by its own rule.";
        ScreenGone, "screen", [Screen, Ledger, Facility], "The screen was gone for longer than 5 s.";
        BoxStopped, "stopping", [Screen, Ledger, Facility], "The box was stopped or restarted in order, during the visit.";
        PowerLost, "power", [Screen, Ledger, Facility], "The box lost power or was restarted during the visit.";
        Fault, "fault", [Screen, Ledger, Facility], "The arbiter stopped during the visit.";
    }
}
