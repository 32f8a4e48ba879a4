//! Owns: everything that the core can want done.
//! Never: does it; nor says how (no fd, no path, no bus name beyond an owner's).
//! Called by: the edges (make), arbiter (carries out, in order).

use crate::event::{Owner, Request};
use crate::hidden::Hidden;
use crate::refusal::{Code, EndReason, Refusal};
use parloir_pass::grant::{Ask, DenyTarget, RelayCredentials};
use parloir_pass::receipt::Receipt;
use parloir_pass::{Bytes32, Id, Ticket128, Typ};

/// One effect.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Answer a bus call.
    Reply {
        /** Which. */
        request: Request,
        /** What. */
        answer: Result<Answer, Refusal>,
    },
    /// [`crate::State::view`] is not what it was; tell the screen (the arbiter counts revisions).
    ViewChanged,
    /// Make a key socket: the old one is closed, one end answers the request.
    HandKeys {
        /** Which. */
        request: Request,
        /** Who gets it. */
        holder: Owner,
    },
    /// The holder lost the keys: close its socket.
    TakeKeys {
        /** Who had it. */
        holder: Owner,
    },
    /// Pass this press to the holder's socket.
    RouteKey {
        /** Who. */
        holder: Owner,
        /** Which press. */
        serial: u64,
    },
    /// Make the socket pair of a maintenance lease: one end is kept and watched, the other answers the request.
    HandLease {
        /** Which. */
        request: Request,
        /** Who gets it. */
        holder: Owner,
    },
    /// The lease is over or taken back: close our end.
    TakeLease {
        /** Who had it. */
        holder: Owner,
    },
    /// Make a frame channel: one end to call (`FrameEnd`), the other answers the request.
    HandFrames {
        /** Which. */
        request: Request,
        /** Of which call. */
        call: Id,
    },
    /// Make a signalling channel: one end to call (`SignalEnd`), the other answers the request.
    HandSignalling {
        /** Which. */
        request: Request,
        /** Of which call. */
        call: Id,
    },

    /// Make the visit's certificate and answer by an event.
    MakeCertificate {
        /** For which call. */
        call: Id,
    },
    /// To gate. `Prepare` and `Relaunch` carry call's end of a new socketpair.
    Gate(ToGate),
    /// The call process runs (again): send it the certificate.
    StartCallChannels {
        /** Which. */
        call: Id,
    },
    /// To the call process.
    SendToCall {
        /** Which. */
        call: Id,
        /** What. */
        message: ToCall,
    },
    /// Tell link that signalling is wanted (`Route`, direct): it asks for its end.
    OpenRoute {
        /** Of which call. */
        call: Id,
    },
    /// Tell link that there is none any more.
    CloseRoute {
        /** Of which call. */
        call: Id,
    },
    /// The call is over: forget its certificate, sockets and fds.
    DropCall {
        /** Which. */
        call: Id,
    },

    /// Sign, seal, send.
    SendAsk(Box<Ask>),
    /// Sign, seal, send a code.
    SendSignIn {
        /** To be named by whoever answers. */
        nonce: Id,
        /** Whose it should be. */
        tag: u8,
        /** The digits, 0 to 9. */
        code: Hidden<[u8; parloir_pass::shared::CODE_DIGITS]>,
    },
    /// No code waits for an answer any more: one that is not sent is not to be.
    ForgetSignIn,
    /// Show the far side this box's half of the short code: the far side's half is here and fixed.
    SendReveal {
        /** Of which call. */
        call: Id,
    },
    /// Send a time request.
    SendTimeRequest {
        /** To be echoed. */
        nonce: Id,
    },
    /// Tell the facility how a ring goes (kind `ring`, unsigned: it changes nothing that matters).
    SendRing {
        /** Which. */
        ring: Id,
        /** How. */
        state: RingState,
    },
    /// Tell the facility that the call is over.
    SendEnded {
        /** Which. */
        call: Id,
        /** Code of the end or the refusal. */
        reason: &'static str,
    },
    /// Fill in `ledger_head` and `visitor_statement`'s place, sign, seal, keep until acknowledged, send.
    MakeReceipt {
        /** All but the head of the ledger. */
        receipt: Box<Receipt>,
    },

    /// Write the open-visit record (before what follows is done).
    OpenVisitRecord {
        /** What the receipt would say if the box stopped now. */
        receipt: Box<Receipt>,
    },
    /// The record is no longer needed: its receipt is made.
    CloseVisitRecord {
        /** Of which call. */
        call: Id,
    },
    /// Append to the ledger.
    Ledger(Entry),
    /// Keep a revocation over restarts.
    KeepDeny(DenyTarget),
    /// Keep the highest revision of a document over restarts.
    KeepFloor {
        /** Which document. */
        typ: Typ,
        /** Its revision. */
        revision: u64,
    },
}

/// How a ring goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RingState {
    /// The screen shows it.
    Ringing,
    /// The person pressed; the Ask follows.
    Answered,
    /// It was refused, or is over before anything was asked.
    Over(Code),
}

impl RingState {
    /// The word of the message.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Ringing => "ringing",
            Self::Answered => "answered",
            Self::Over(_) => "over",
        }
    }
    /// The code of the message; empty while it goes on.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Ringing | Self::Answered => "",
            Self::Over(code) => code.name(),
        }
    }
}

/// Good answers to bus calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Nothing to say.
    Done,
    /// The view as it is after this step.
    View,
    /// Id of the call.
    Placed(Id),
}

/// As `parloir_wire::gate::ToGate`.
#[derive(Clone, Debug, PartialEq)]
pub enum ToGate {
    /// Start the call process, every door shut.
    Prepare {
        /** New lease. */
        lease: Id,
        /** The OK press. */
        serial: u64,
    },
    /// Open the doors.
    Open {
        /** Which. */
        lease: Id,
        /** Signed by the door key. */
        ticket: Ticket128,
    },
    /// Start the call process again.
    Relaunch {
        /** Which. */
        lease: Id,
    },
    /// Shut the doors and end the call process.
    Close {
        /** Which. */
        lease: Id,
    },
}

/// As `parloir_wire::lease::ToCall`, as far as policy decides it.
#[derive(Clone, Debug, PartialEq)]
pub enum ToCall {
    /// Connect.
    Plan {
        /** Grows with each re-call. */
        generation: u32,
        /** Far certificates. */
        far: Vec<Bytes32>,
        /** Relays with credentials. */
        relays: Vec<RelayCredentials>,
        /** Bench only. */
        direct_candidates: bool,
        /** Video, else sound only. */
        video: bool,
    },
    /// What the person lets out.
    Let {
        /** Camera. */
        camera: bool,
        /** Microphone. */
        microphone: bool,
    },
    /// Nothing leaves the box while `true`.
    Hold {
        /** Held. */
        held: bool,
    },
}

/// One line of the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// The facility was asked.
    Asked {
        /** Call. */
        call: Id,
        /** Whose call it is. */
        person: Id,
        /** Contact. */
        contact: Id,
        /** The OK press. */
        serial: u64,
    },
    /// A grant was accepted; the doors are about to open.
    Admitted {
        /** Call. */
        call: Id,
        /** Grant. */
        grant: Id,
    },
    /// Gate opened them.
    DoorsOpened {
        /** Call. */
        call: Id,
        /** The camera. */
        camera: bool,
        /** The microphone. */
        microphone: bool,
    },
    /// Gate shut them.
    DoorsShut {
        /** Call. */
        call: Id,
        /** Milliseconds it took. */
        took_ms: u32,
    },
    /// Somebody calls; the screen rings.
    Rang {
        /** Ring. */
        ring: Id,
        /** Who is called. */
        person: Id,
        /** Who calls. */
        contact: Id,
    },
    /// The person answered: this ring became this call.
    Answered {
        /** Ring. */
        ring: Id,
        /** Call. */
        call: Id,
    },
    /// It rings no more, and nothing was asked.
    RingOver {
        /** Ring. */
        ring: Id,
        /** Why. */
        code: Code,
    },
    /// The facility was asked for another grant for the time that is left.
    AskedAgain {
        /** Call. */
        call: Id,
        /** How often now. */
        count: u8,
    },
    /// Another grant took the place of the one before.
    Regranted {
        /** Call. */
        call: Id,
        /** The new one. */
        grant: Id,
        /** The old one. */
        replaced: Id,
    },
    /// The call process died and is started again.
    Relaunched {
        /** Call. */
        call: Id,
        /** How often now. */
        count: u8,
    },
    /// Something in the call process failed without ending the visit.
    Trouble {
        /** Call. */
        call: Id,
        /** What. */
        what: crate::event::Trouble,
    },
    /// The call is over.
    Ended {
        /** Call. */
        call: Id,
        /** Why. */
        reason: EndReason,
        /** Seconds counted. */
        seconds_counted: u32,
    },
    /// Something was refused; each refusal stands here once.
    Refused {
        /** Why. */
        code: Code,
        /** The call it was about; zero when none. */
        call: Id,
        /** Who was there to be refused anything; zero when nobody. */
        person: Id,
    },
    /// Somebody is signed in.
    SignedIn {
        /** Who. */
        person: Id,
    },
    /// They are not any more.
    SignedOut {
        /** Who. */
        person: Id,
        /** Name of the cause in the table. */
        why: &'static str,
    },
    /// A revocation came.
    Denied(DenyTarget),
    /// The box may be changed.
    MaintenanceBegan {
        /** What for. */
        stage: crate::event::Stage,
        /** Of the update. */
        version: String,
    },
    /// It may not any more.
    MaintenanceOver {
        /** Name of the cause in the table. */
        why: &'static str,
    },
    /// How an update goes, by the updater's word.
    Update {
        /** How. */
        word: crate::update::Word,
        /** Which. */
        version: String,
    },
}
