//! Owns: the table of the machine `Call`, and what each of its states holds.
//! Never: an effect (edges), a judgement (guard, visit): a cause says already how the guard decided.
//! Called by: edges (one `next` per cause), tables (prints it), invariants.

use crate::refusal::{Code, EndReason};
use crate::time::END_KEY_MS;
use crate::visit::Visit;
use parloir_pass::{Ask, Bytes32, Class, ClassRule, Id, Media, Ring};

macro_rules! named {
    ($(#[$doc:meta])* $kind:ident { $($(#[doc = $words:literal])+ $name:ident,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $kind { $($(#[doc = $words])+ $name,)+ }
        impl $kind {
            /// All, in the order of the table.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];
            /// As the table prints it.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => stringify!($name)),+ }
            }
            /// What it means, as the table prints it.
            #[must_use]
            pub const fn words(self) -> &'static str {
                match self { $(Self::$name => concat!($($words),+)),+ }
            }
        }
    };
}
pub(crate) use named;

named! {
    /// The states.
    Kind {
        /// No call.
        Idle,
        /// Somebody calls in; every door shut, nothing asked; 45 s at most.
        Ringing,
        /// The facility is asked; the call process prepares; every door shut.
        Asking,
        /// Granted; doors open; not both ends decode yet.
        Joining,
        /// Both ends decode; the fair clock runs.
        Live,
        /// One end does not decode; the fair clock stands; 60 s at most.
        Held,
        /// Doors shut; waiting for gate's word and the visitor's last statement, 3 s at most.
        Closing,
    }
}

impl Kind {
    /// The states in which doors are open; in no other may one be.
    #[must_use]
    pub const fn opens_doors(self) -> bool {
        matches!(self, Self::Joining | Self::Live | Self::Held)
    }
    /// The states that hold a lease at gate.
    #[must_use]
    pub const fn holds_lease(self) -> bool {
        matches!(self, Self::Asking | Self::Joining | Self::Live | Self::Held)
    }
}

named! {
    /// What happened, with the guard's outcome in its name.
    Cause {
        /// `Place`, and consent, entitlement, policy, window, gate and network allow it.
        PlaceAllowed,
        /// `Place`, and something does not.
        PlaceRefused,
        /// A ring, and entitlement, policy, window, clock, gate, screen and network allow it.
        RingAllowed,
        /// A ring, and something does not.
        RingRefused,
        /// `Answer` with an OK press of at least 0.7 s after the ring began, and all that `Place` needs.
        AnswerAllowed,
        /// `Answer` without such a press, for another ring, or with more media than the ring's.
        AnswerRefused,
        /// `Answer` with such a press, and what allowed the ring does not allow a call any more.
        AnswerTooLate,
        /// A grant that answers the pending question and keeps every rule.
        GrantFits,
        /// A grant that answers it and breaks a rule, or one that is not genuine.
        GrantUnfit,
        /// A grant that answers no pending question.
        GrantStray,
        /// A grant that answers the question for another one in a visit, and extends nothing.
        RegrantFits,
        /// A grant that answers that question and breaks a rule or extends; or nobody answered.
        RegrantUnfit,
        /// A deny that names this ring, ask, grant, contact, person or box.
        DenyHits,
        /// The person ends it, or declines; or the end key went down 1 s ago and the screen did not say so.
        EndPressed,
        /// Both ends decode.
        BothDecode,
        /// One end stopped to decode, or its word is missing for 3 s.
        MediaStopped,
        /// The far side starts anew.
        FarAgain,
        /// Connecting failed; the call process lives.
        SetupFailed,
        /// The call process of open doors died, or said nothing for 4 s, and may be started again.
        ProcessDied,
        /// It did so once too often, or cannot be started again.
        ProcessSpent,
        /// The far certificate is not the granted one.
        FarForeign,
        /// Every far party left.
        FarLeft,
        /// The arbiter is told to stop.
        Stopped,
        /// Certificate or channels of the visit could not be made.
        NotStarted,
        /// Gate refused to prepare or to open.
        GateRefused,
        /// Gate hung up, fell silent, or came back as a new one.
        GateLost,
        /// Gate says that the doors are shut.
        DoorsShut,
        /// The screen is gone: while ringing or asking at once, in a visit after 5 s.
        ScreenMissing,
        /// The state's own deadline: 45 s ringing, 10 s preparing and 60 s nonce, 60 s joining, 60 s held, 3 s closing.
        TimeUp,
        /// The fair clock reached the slot.
        SlotOver,
        /// The lease's monotonic duration is over.
        LeaseOver,
        /// No beat for its interval and the class's grace.
        BeatMissing,
        /// Gate's word and the visitor's last statement are here, or will not come.
        Settled,
    }
}

/// The table.
#[must_use]
#[rustfmt::skip]
pub const fn next(state: Kind, cause: Cause) -> Kind {
    use Cause::*;
    use Kind::*;
    match (state, cause) {
        (Idle, PlaceAllowed) => Asking,
        (Idle, RingAllowed) => Ringing,
        (Idle, PlaceRefused | RingRefused | AnswerAllowed | AnswerRefused | AnswerTooLate | GrantFits | GrantUnfit | GrantStray
            | RegrantFits | RegrantUnfit | DenyHits | EndPressed | BothDecode | MediaStopped | FarAgain | SetupFailed | ProcessDied
            | ProcessSpent | FarForeign | FarLeft | Stopped | NotStarted | GateRefused | GateLost | DoorsShut | ScreenMissing | TimeUp | SlotOver
            | LeaseOver | BeatMissing | Settled) => Idle,

        (Ringing, AnswerAllowed) => Asking,
        (Ringing, AnswerTooLate | DenyHits | EndPressed | Stopped | GateLost | ScreenMissing | TimeUp) => Idle,
        (Ringing, PlaceAllowed | PlaceRefused | RingAllowed | RingRefused | AnswerRefused | GrantFits | GrantUnfit | GrantStray
            | RegrantFits | RegrantUnfit | BothDecode | MediaStopped | FarAgain | SetupFailed | ProcessDied | ProcessSpent | FarForeign
            | FarLeft | NotStarted | GateRefused | DoorsShut | SlotOver | LeaseOver | BeatMissing | Settled) => Ringing,

        (Asking, GrantFits) => Joining,
        (Asking, GrantUnfit | DenyHits | EndPressed | SetupFailed | ProcessDied | ProcessSpent | FarForeign | FarLeft | Stopped | NotStarted
            | GateRefused | GateLost | DoorsShut | ScreenMissing | TimeUp | SlotOver | LeaseOver | BeatMissing | Settled) => Closing,
        (Asking, PlaceAllowed | PlaceRefused | RingAllowed | RingRefused | AnswerAllowed | AnswerRefused | AnswerTooLate | GrantStray
            | RegrantFits | RegrantUnfit | BothDecode | MediaStopped | FarAgain) => Asking,

        (Joining, BothDecode) => Live,
        (Joining, ProcessDied) => Held,
        (Joining, DenyHits | EndPressed | ProcessSpent | FarForeign | FarLeft | Stopped | NotStarted | GateRefused | GateLost | DoorsShut
            | ScreenMissing | TimeUp | SlotOver | LeaseOver | BeatMissing | Settled) => Closing,
        (Joining, PlaceAllowed | PlaceRefused | RingAllowed | RingRefused | AnswerAllowed | AnswerRefused | AnswerTooLate | GrantFits
            | GrantUnfit | GrantStray | RegrantFits | RegrantUnfit | MediaStopped | FarAgain | SetupFailed) => Joining,

        (Live, RegrantFits | MediaStopped | FarAgain | SetupFailed | ProcessDied) => Held,
        (Live, DenyHits | EndPressed | ProcessSpent | FarForeign | FarLeft | Stopped | NotStarted | GateRefused | GateLost | DoorsShut
            | ScreenMissing | TimeUp | SlotOver | LeaseOver | BeatMissing | Settled) => Closing,
        (Live, PlaceAllowed | PlaceRefused | RingAllowed | RingRefused | AnswerAllowed | AnswerRefused | AnswerTooLate | GrantFits
            | GrantUnfit | GrantStray | RegrantUnfit | BothDecode) => Live,

        (Held, BothDecode) => Live,
        (Held, DenyHits | EndPressed | ProcessSpent | FarForeign | FarLeft | Stopped | NotStarted | GateRefused | GateLost | DoorsShut
            | ScreenMissing | TimeUp | SlotOver | LeaseOver | BeatMissing | Settled) => Closing,
        (Held, PlaceAllowed | PlaceRefused | RingAllowed | RingRefused | AnswerAllowed | AnswerRefused | AnswerTooLate | GrantFits
            | GrantUnfit | GrantStray | RegrantFits | RegrantUnfit | MediaStopped | FarAgain | SetupFailed | ProcessDied) => Held,

        (Closing, TimeUp | Settled) => Idle,
        (Closing, PlaceAllowed | PlaceRefused | RingAllowed | RingRefused | AnswerAllowed | AnswerRefused | AnswerTooLate | GrantFits
            | GrantUnfit | GrantStray | RegrantFits | RegrantUnfit | DenyHits | EndPressed | BothDecode | MediaStopped | FarAgain
            | SetupFailed | ProcessDied | ProcessSpent | FarForeign | FarLeft | Stopped | NotStarted | GateRefused | GateLost | DoorsShut
            | ScreenMissing | SlotOver | LeaseOver | BeatMissing) => Closing,
    }
}

/// A state with what it owns.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub(crate) enum Call {
    Idle,
    Ringing(Box<Ringing>),
    Asking(Box<Asking>),
    Joining(Box<Visit>),
    Live(Box<Visit>),
    Held(Box<Held>),
    Closing(Box<Closing>),
}

impl Call {
    pub(crate) fn kind(&self) -> Kind {
        match self {
            Self::Idle => Kind::Idle,
            Self::Ringing(_) => Kind::Ringing,
            Self::Asking(_) => Kind::Asking,
            Self::Joining(_) => Kind::Joining,
            Self::Live(_) => Kind::Live,
            Self::Held(_) => Kind::Held,
            Self::Closing(_) => Kind::Closing,
        }
    }
    /// The visit, while doors are open.
    pub(crate) fn visit(&self) -> Option<&Visit> {
        match self {
            Self::Joining(visit) | Self::Live(visit) => Some(visit),
            Self::Held(held) => Some(&held.visit),
            Self::Idle | Self::Ringing(_) | Self::Asking(_) | Self::Closing(_) => None,
        }
    }
    pub(crate) fn visit_mut(&mut self) -> Option<&mut Visit> {
        match self {
            Self::Joining(visit) | Self::Live(visit) => Some(visit),
            Self::Held(held) => Some(&mut held.visit),
            Self::Idle | Self::Ringing(_) | Self::Asking(_) | Self::Closing(_) => None,
        }
    }
    /// Whether the end key went down, in every state in which it always means the end.
    pub(crate) fn end_key(&self) -> EndKey {
        match self {
            Self::Asking(asking) => asking.end_key,
            other => other.visit().map_or(EndKey::Untouched, |visit| visit.end_key),
        }
    }
    pub(crate) fn end_key_mut(&mut self) -> Option<&mut EndKey> {
        match self {
            Self::Asking(asking) => Some(&mut asking.end_key),
            other => other.visit_mut().map(|visit| &mut visit.end_key),
        }
    }
    /// What is wanted, in every state that has a call.
    pub(crate) fn want(&self) -> Option<&Want> {
        match self {
            Self::Idle | Self::Ringing(_) => None,
            Self::Asking(asking) => Some(&asking.want),
            Self::Joining(visit) | Self::Live(visit) => Some(&visit.want),
            Self::Held(held) => Some(&held.visit.want),
            Self::Closing(closing) => Some(closing.came.want()),
        }
    }
}

/// Somebody calls in.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub(crate) struct Ringing {
    pub ring: Ring,
    pub name: String,
    /// A press before this was meant for something else.
    pub answer_from: u64,
    pub until: u64,
    /// As of the policy when it began.
    pub rule: ClassRule,
    /// Who may record or watch, as far as the policy says; empty: nobody.
    pub open_to: OpenTo,
}

/// Who may record and watch, shown names; empty: nobody. Who does stands in the grant.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct OpenTo {
    pub recorded_by: String,
    pub watched_by: String,
}

/// What the person wants.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Want {
    /// Call and lease.
    pub call: Id,
    pub nonce: Id,
    pub receipt: Id,
    pub person: Id,
    pub contact: Id,
    pub name: String,
    pub class: Class,
    pub media: Media,
    pub serial: u64,
    /// The ring that was answered; `None`: the person calls.
    pub ring: Option<Id>,
    /// Unix seconds, 0 unknown.
    pub wall_start: i64,
}

/// The facility is being asked.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub(crate) struct Asking {
    pub want: Want,
    pub stage: Stage,
    pub until: u64,
    pub end_key: EndKey,
}

/// Whether the end key went down in this call. The screen ends it; a screen that hangs or lies does not keep it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) enum EndKey {
    Untouched,
    Pressed { until: u64 },
}

impl EndKey {
    /// The first press counts: whoever presses again and again does not wait longer.
    pub(crate) fn press(&mut self, now: u64) {
        if *self == Self::Untouched {
            *self = Self::Pressed { until: now.saturating_add(END_KEY_MS) };
        }
    }
    pub(crate) fn until(self) -> Option<u64> {
        match self {
            Self::Untouched => None,
            Self::Pressed { until } => Some(until),
        }
    }
}

/// How far the asking is.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
#[allow(clippy::large_enum_variant)]
pub(crate) enum Stage {
    /// Gate starts the call process, the arbiter makes the certificate.
    Preparing,
    /// The certificate is there first.
    Certificate(Made),
    /// The call process is there first: gate's nonce, and when it came.
    Process { nonce: Id, at: u64 },
    /// The Ask is out.
    Asked { ask: Ask, at: u64 },
}

/// What the arbiter made for a visit.
#[derive(Clone, Copy, Debug, serde::Serialize, serde::Deserialize)]
pub(crate) struct Made {
    pub certificate: Bytes32,
    /// To the box's half of the short code.
    pub commitment: Bytes32,
}

/// Media stopped.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub(crate) struct Held {
    pub visit: Visit,
    pub until: u64,
}

/// The end.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub(crate) struct Closing {
    pub came: Came,
    pub ending: Ending,
    pub ended_at: u64,
    pub doors: Doors,
    pub until: u64,
}

/// How far it came before the end.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub(crate) enum Came {
    Unasked(Want),
    Asked { want: Want, at: u64 },
    Admitted(Box<Visit>),
}

impl Came {
    pub(crate) fn want(&self) -> &Want {
        match self {
            Self::Unasked(want) | Self::Asked { want, .. } => want,
            Self::Admitted(visit) => &visit.want,
        }
    }
}

/// What gate has said about the doors since the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) enum Doors {
    Waiting,
    /// Shut, and when the word came.
    Shut(u64),
    /// Gate is gone and will not say.
    Lost,
}

/// Why it is over.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Ending {
    pub why: Why,
    /// Words of staff.
    pub words: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) enum Why {
    Ended(EndReason),
    Refused(Code),
}

impl Why {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Ended(reason) => reason.name(),
            Self::Refused(code) => code.name(),
        }
    }
    pub(crate) fn rule(self) -> &'static str {
        match self {
            Self::Ended(reason) => reason.rule(),
            Self::Refused(code) => code.rule(),
        }
    }
}

impl From<EndReason> for Ending {
    fn from(reason: EndReason) -> Self {
        Self { why: Why::Ended(reason), words: String::new() }
    }
}

impl From<Code> for Ending {
    fn from(code: Code) -> Self {
        Self { why: Why::Refused(code), words: String::new() }
    }
}
