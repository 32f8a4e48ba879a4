//! Owns: the projection of the state that a screen shows; the same fields as `parloir_bus::view`, in plain types.
//! Never: words that a person reads, or anything that was pressed but has not happened.
//! Called by: arbiter (turns it into the bus's type).

use parloir_pass::Id;

/// The whole view, without its revision (the arbiter counts [`crate::Effect::ViewChanged`]).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct View {
    /// Which screen.
    pub phase: Phase,
    /// The person's shown name; empty before the entitlement is here.
    pub person: String,
    /// BCP 47 tag, `en` when unknown.
    pub language: String,
    /// Whether the facility can be reached now.
    pub online: bool,
    /// Whether wall time was confirmed since boot.
    pub clock_trusted: bool,
    /// Unix milliseconds less `CLOCK_BOOTTIME` milliseconds, as the facility told; 0 unless `clock_trusted`.
    pub clock_offset_ms: i64,
    /// Minutes east of UTC for display.
    pub zone_minutes: i32,
    /// In the entitlement's order.
    pub contacts: Vec<Contact>,
    /// The next booked visit.
    pub next_visit: Option<Booking>,
    /// In `Ringing` (with the ring's id), `Asking`, `Joining`, `Live`, `Held`, `Closing`.
    pub call: Option<Call>,
    /// In `Ended` and `Refused`.
    pub outcome: Option<Outcome>,
    /// Where the site asks for a code: who can sign in, and how far somebody is.
    pub sign_in: Option<SignIn>,
    /// [`crate::maintenance::Kind::word`]: whether the box is being changed.
    pub maintenance: &'static str,
    /// Word of the last update, if it failed; else empty.
    pub update: &'static str,
}

/// Which screen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[allow(missing_docs)]
pub enum Phase {
    #[default]
    Starting,
    SignIn,
    Code,
    Checking,
    Home,
    Ringing,
    Asking,
    Joining,
    Live,
    Held,
    Closing,
    Ended,
    Refused,
}

/// Who can sign in, and how far somebody is; no name, no digit of a code.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SignIn {
    /// Who lives in the cell.
    pub people: Vec<Occupant>,
    /// Whose code is entered or looked at, or who is signed in; 0 nobody's.
    pub tag: u8,
    /// Digits entered.
    pub dots: u8,
    /// The digit that the dial begins with, while a code is entered.
    pub start: u8,
    /// Why the last code did not do; empty: nothing is to be told.
    pub told: Known,
    /// For whom it rings; 0 for nobody, or for who is signed in.
    pub rings_for: u8,
}

/// One person of the cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Occupant {
    /// 1 to 8.
    pub tag: u8,
    /// Until when the facility looks at no code of theirs, milliseconds of `CLOCK_BOOTTIME`; 0: it does.
    pub locked_until: u64,
}

/// One contact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contact {
    /// For `Place`.
    pub id: Id,
    /// Shown name.
    pub name: String,
    /// Class.
    pub class: String,
    /// `video` or `voice`.
    pub media: String,
    /// Why `Place` would be refused now, key and focus aside; `None`: it would be asked.
    pub why_not: Option<crate::Code>,
    /// Next or present window, Unix seconds; 0 none known.
    pub window_from: i64,
    /// End of it.
    pub window_to: i64,
}

/// A booked visit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Booking {
    /// Contact.
    pub contact: Id,
    /// Unix seconds.
    pub from: i64,
    /// Unix seconds.
    pub to: i64,
}

/// How good the network is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[allow(missing_docs)]
pub enum Network {
    #[default]
    Unknown,
    Good,
    Fair,
    Poor,
}

impl Network {
    /// The word of the bus contract.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Good => "good",
            Self::Fair => "fair",
            Self::Poor => "poor",
        }
    }
}

/// The call as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// Id.
    pub id: Id,
    /// Contact.
    pub contact: Id,
    /// Shown name.
    pub name: String,
    /// Class.
    pub class: String,
    /// The person is called, or answered; else they call.
    pub incoming: bool,
    /// `video` or `voice`: what is wanted, while ringing what the caller wants.
    pub media: String,
    /// Of the slot, by the fair clock; while ringing the policy's longest, 0 while asking.
    pub seconds_left: u32,
    /// By the fair clock.
    pub seconds_counted: u32,
    /// Pictures leave the box now.
    pub camera: bool,
    /// Sound leaves the box now.
    pub microphone: bool,
    /// Who records; empty: nobody.
    pub recorded_by: String,
    /// Who watches; empty: nobody.
    pub watched_by: String,
    /// Network.
    pub network: Network,
    /// Price in words; empty: free.
    pub price: String,
    /// A beat is overdue: the visit ends when the class's grace is over.
    pub renewal_late: bool,
    /// The short code that both screens show, six digits; empty: nothing is said to be end to end.
    pub code: String,
}

/// A code or a rule of this release.
pub type Known = &'static str;

/// The last call's end.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Outcome {
    /// Contact.
    pub contact: Id,
    /// Shown name.
    pub name: String,
    /// [`crate::Code::name`] or [`crate::EndReason::name`].
    #[serde(with = "crate::journal::word")]
    pub code: Known,
    /// Words that staff gave.
    pub staff_words: String,
    /// By the fair clock.
    pub seconds_counted: u32,
    /// Between first media and end, not counted.
    pub seconds_lost: u32,
    /// Who recorded; empty: nobody.
    pub recorded_by: String,
    /// Gate has said that every door is shut and the media process dead.
    pub camera_shut: bool,
    /// The receipt holds the visitor's statement too.
    pub both_sides: bool,
    /// Receipt; `None` when refused before anything was asked.
    pub receipt: Option<Id>,
    /// Next window with this contact, Unix seconds; 0 none known.
    pub next_from: i64,
    /// End of it.
    pub next_to: i64,
    /// The rule behind it.
    #[serde(with = "crate::journal::word")]
    pub rule: Known,
}

impl Outcome {
    /// For whoever comes to the TV: what happened, and nothing of who and with whom.
    pub(crate) fn name_nobody(&mut self) {
        (self.contact, self.receipt) = (Id::default(), None);
        self.name.clear();
        self.recorded_by.clear();
        (self.next_from, self.next_to) = (0, 0);
    }
}
