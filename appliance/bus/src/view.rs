//! Owns: what the arbiter tells the screen, as one value that travels as `a{sv}`.
//! Never: words that a person reads (the ui has them), anything that was pressed but has not happened.
//! Called by: arbiter (makes), ui (shows).

use serde::{Deserialize, Serialize};
use zbus::zvariant::{DeserializeDict, SerializeDict, Type};

/// The whole view.
#[derive(Clone, Debug, Default, PartialEq, SerializeDict, DeserializeDict, Type)]
#[zvariant(signature = "a{sv}")]
pub struct View {
    /// Grows by one with each change since the arbiter started.
    pub revision: u64,
    /// Which screen this is about.
    pub phase: Phase,
    /// The person's shown name; empty before the entitlement is here.
    pub person: String,
    /// BCP 47 tag of the person's language, `en` when unknown.
    pub language: String,
    /// Whether the facility can be reached now.
    pub online: bool,
    /// Whether wall time was confirmed by the facility since boot.
    pub clock_trusted: bool,
    /// Unix milliseconds less `CLOCK_BOOTTIME` milliseconds, by the facility's word; it counts while `clock_trusted`. The screen adds its
    /// own `CLOCK_BOOTTIME`, so that it never shows the system's clock.
    pub clock_offset_ms: i64,
    /// Minutes east of UTC for display.
    pub zone_minutes: i32,
    /// The person's contacts, in the entitlement's order.
    pub contacts: Vec<Contact>,
    /// The next booked visit, if any.
    pub next_visit: Option<Booking>,
    /// The call, in `Ringing`, `Asking`, `Joining`, `Live`, `Held`, `Closing`.
    pub call: Option<Call>,
    /// How the last call ended or why it was refused, in `Ended` and `Refused`, until dismissed.
    pub outcome: Option<Outcome>,
    /// Where the site asks for a code: who can sign in, and how far somebody is.
    pub sign_in: Option<SignIn>,
    /// `installing` or `restarting` while the box is being changed, else empty. Nobody can call then.
    pub maintenance: String,
    /// Word of `Maintenance1.Report` of the last update, if it failed; else empty.
    pub update: String,
}

/// Which screen.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, Type, zbus::zvariant::Value, zbus::zvariant::OwnedValue,
)]
#[zvariant(signature = "s")]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// Not enough is known to show anything but that.
    #[default]
    Starting,
    /// Nobody is signed in, and the site asks for a code: who is it?
    SignIn,
    /// A code is being entered; its keys do not come to the screen.
    Code,
    /// The facility looks at it.
    Checking,
    /// People and the next visit.
    Home,
    /// Somebody calls; every door shut. The call's id is the ring's, for `Answer` and `Decline`.
    Ringing,
    /// The facility was asked; every door shut.
    Asking,
    /// Granted; doors open, waiting for media.
    Joining,
    /// Both ends see.
    Live,
    /// Media stopped; the counted time stands still.
    Held,
    /// Doors shut, the receipt is being made.
    Closing,
    /// Over, with a receipt.
    Ended,
    /// It did not come to a call.
    Refused,
}

/// Who can sign in, and how far somebody is; no name, no digit of a code.
#[derive(Clone, Debug, Default, PartialEq, SerializeDict, DeserializeDict, Type)]
#[zvariant(signature = "a{sv}")]
pub struct SignIn {
    /// Who lives in the cell.
    pub people: Vec<Occupant>,
    /// Whose code is entered or looked at, or who is signed in; 0 nobody's.
    pub tag: u8,
    /// Digits entered, of six.
    pub dots: u8,
    /// The digit that the dial begins with while a code is entered. Arrows move it, and nothing shows how far.
    pub start: u8,
    /// Why the last code did not do: the code part of an error name; empty: nothing is to be told.
    pub told: String,
    /// For whose tag it rings while nobody is signed in; 0 for nobody's.
    pub rings_for: u8,
}

/// One person of the cell.
#[derive(Clone, Debug, Default, PartialEq, SerializeDict, DeserializeDict, Type)]
#[zvariant(signature = "a{sv}")]
pub struct Occupant {
    /// 1 to 8; the screen has a sign for each.
    pub tag: u8,
    /// Until when the facility looks at no code of theirs, milliseconds of `CLOCK_BOOTTIME`; 0: it does.
    pub locked_until: u64,
}

/// One contact.
#[derive(Clone, Debug, Default, PartialEq, SerializeDict, DeserializeDict, Type)]
#[zvariant(signature = "a{sv}")]
pub struct Contact {
    /// Id for `Place`.
    pub id: String,
    /// Shown name.
    pub name: String,
    /// Class of call (requirements section 2), `family`.
    pub class: String,
    /// `video` or `voice`.
    pub media: String,
    /// Whether `Place` would be asked of the facility now.
    pub can_call: bool,
    /// Why not: the code part of an error name, empty when it can.
    pub why_not: String,
    /// Start of the next window, Unix seconds UTC; 0 none known. In a window: its start.
    pub window_from: i64,
    /// End of that window, Unix seconds UTC.
    pub window_to: i64,
}

/// A booked visit.
#[derive(Clone, Debug, Default, PartialEq, SerializeDict, DeserializeDict, Type)]
#[zvariant(signature = "a{sv}")]
pub struct Booking {
    /// Contact id.
    pub contact: String,
    /// Start, Unix seconds UTC.
    pub from: i64,
    /// End, Unix seconds UTC.
    pub to: i64,
}

/// The call as it is.
#[derive(Clone, Debug, Default, PartialEq, SerializeDict, DeserializeDict, Type)]
#[zvariant(signature = "a{sv}")]
pub struct Call {
    /// Id of the call.
    pub id: String,
    /// Contact id.
    pub contact: String,
    /// Shown name.
    pub name: String,
    /// Class of call.
    pub class: String,
    /// `video` or `voice`: what was asked for; in `Ringing` what the caller wants.
    pub media: String,
    /// The person is called, or answered; else they call.
    pub incoming: bool,
    /// Seconds of the slot that are left; of the fair clock once `Live`.
    pub seconds_left: u32,
    /// Seconds counted so far.
    pub seconds_counted: u32,
    /// Pictures leave the box now.
    pub camera: bool,
    /// Sound leaves the box now.
    pub microphone: bool,
    /// Who records, shown name; empty: nobody does.
    pub recorded_by: String,
    /// Who watches or listens, shown name; empty: nobody does.
    pub watched_by: String,
    /// `good`, `fair`, `poor`, or `unknown`.
    pub network: String,
    /// Price in words of the policy; empty: free.
    pub price: String,
    /// The facility's renewal is overdue: the visit ends when the class's grace is over.
    pub renewal_late: bool,
    /// The short code that both screens show, six digits; empty: nothing may be called end to end.
    pub code: String,
}

/// The last call's end.
#[derive(Clone, Debug, Default, PartialEq, SerializeDict, DeserializeDict, Type)]
#[zvariant(signature = "a{sv}")]
pub struct Outcome {
    /// Contact id.
    pub contact: String,
    /// Shown name.
    pub name: String,
    /// Code part of the error name (refused) or of the end reason (ended), such as `OutsideWindow` or `PersonEnded`.
    pub code: String,
    /// Words that a member of staff gave, empty if none.
    pub staff_words: String,
    /// Seconds counted.
    pub seconds_counted: u32,
    /// Seconds between first media and end that were not counted.
    pub seconds_lost: u32,
    /// Who recorded, shown name; empty: nobody did.
    pub recorded_by: String,
    /// The gate has said that every door is shut and the media process dead.
    pub camera_shut: bool,
    /// The receipt holds the visitor's signed statement too.
    pub both_sides: bool,
    /// Receipt id, empty when refused before anything was asked.
    pub receipt: String,
    /// Start of the next window with this contact, Unix seconds UTC; 0 none known.
    pub next_from: i64,
    /// End of it.
    pub next_to: i64,
    /// The rule behind a refusal: a key of the policy such as `contact-hours`, empty if none.
    pub rule: String,
}

/// Something that the ledger says about the person, for them to read.
#[derive(Clone, Debug, Default, PartialEq, Eq, SerializeDict, DeserializeDict, Type)]
#[zvariant(signature = "a{sv}")]
pub struct Moment {
    /// Number of the row with which it begins; for the next page.
    pub seq: u64,
    /// When it began, Unix seconds UTC; 0 while the clock was not confirmed.
    pub at: i64,
    /// `call` (the facility was asked), `ring` (somebody called and it was not answered), `refused` (nobody was asked), `denied` (staff said
    /// no to the person or a contact from then on).
    pub kind: String,
    /// Contact id; empty where the ledger names none. It may be on the person's list no more.
    pub contact: String,
    /// Code part of the error name or of the end reason; empty where there is none yet.
    pub code: String,
    /// They called.
    pub incoming: bool,
    /// The camera was open.
    pub camera: bool,
    /// The microphone was open.
    pub microphone: bool,
    /// For how long, seconds; 0 with an open door: a power cut or a crash kept it from being written down.
    pub seconds_open: u32,
    /// Seconds counted.
    pub seconds_counted: u32,
}
