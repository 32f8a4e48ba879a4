//! Owns: everything that can happen, as plain values.
//! Never: unverified bytes; whatever carries a document says that seal has verified it.
//! Called by: arbiter (makes), the machines (judge).

use crate::hidden::Hidden;
use parloir_pass::authority::Authority;
use parloir_pass::grant::{Beat, Deny, DenyTarget, Grant, Ring, Time};
use parloir_pass::person::Entitlement;
use parloir_pass::policy::SitePolicy;
use parloir_pass::receipt::{Receipt, Statement};
use parloir_pass::shared::Agenda;
use parloir_pass::{Bytes32, Id, Typ};

/// A caller on the bus: its unique name. It dies with the connection and is never given to another.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub struct Owner(pub String);

/// Quoted in the [`crate::Effect::Reply`] (or the handing over of an fd) that answers a bus call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub struct Request(pub u64);

/// Random bytes that a call will need, made by the arbiter for this event and used for nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Fresh {
    /// Call id, which is the lease id too.
    pub call: Id,
    /// The box's nonce.
    pub nonce: Id,
    /// Receipt id.
    pub receipt: Id,
}

/// One event.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub enum Event {
    /// A deadline of [`crate::State::deadline`] has come (or nothing has; a tick too many does no harm).
    Tick {
        /** 16 random bytes, used only when a time request is due. */
        fresh: Id,
    },

    /// The site's keys.
    Authority(Box<Authority>),
    /// The site's rules.
    Policy(Box<SitePolicy>),
    /// What the person may do.
    Entitlement(Box<Entitlement>),
    /// Who lives in the cell, and when a visit is booked.
    Agenda(Box<Agenda>),
    /// The facility's answer to a time request.
    Time(Time),
    /// Somebody calls the person.
    Ring(Ring),
    /// The facility's hint that the visitor's page came back with another certificate; it is unsigned and only makes the box ask.
    AskAgain {
        /** Which call. */
        call: Id,
        /** 16 random bytes: the box's nonce of that Ask. */
        fresh: Id,
    },
    /// The facility's answer to an Ask.
    Grant {
        /** The document. */
        grant: Box<Grant>,
        /** The key that signed it; the core looks up what it may sign. */
        key: Bytes32,
        /** What the ticket in it says (seal has checked its signature). */
        ticket: TicketFacts,
        /** The short code of both ends, six digits; `None`: the grant or this box lacks what makes one. */
        code: Option<u32>,
    },
    /// Revocation, or the facility's "no".
    Deny(Box<Deny>),
    /// A revocation that the arbiter kept from before its start.
    DenyRestored(DenyTarget),
    /// Renewal of the live grant.
    Beat(Beat),
    /// A far party's own word, verified with that party's statement key.
    Statement {
        /** Index into the grant's parties. */
        party: usize,
        /** The document. */
        statement: Statement,
        /** The compact JWS as it came. */
        jws: String,
    },
    /// A document that came and was not believed: the seal, a signature, a role or the form is wrong. It has no other effect than
    /// that a `Grant` of this sort ends the asking.
    Unverified {
        /** What it claimed to be. */
        typ: Typ,
    },

    /// Link says whether the broker is connected; link that leaves the bus counts as `false`.
    Online {
        /** Connected. */
        up: bool,
        /** 16 random bytes for a time request. */
        fresh: Id,
    },

    /// `Calls1.Attach`.
    Attach {
        /** To be answered by [`crate::Answer::View`]. */
        request: Request,
        /** Who. */
        caller: Owner,
    },
    /// `Remote1.Focus`.
    Focus {
        /** To be answered by [`crate::Effect::HandKeys`]. */
        request: Request,
        /** Who. */
        caller: Owner,
    },
    /// The holder of the keys closed their socket.
    FocusDropped {
        /** Who. */
        owner: Owner,
    },
    /// A caller left the bus.
    OwnerGone {
        /** Who. */
        owner: Owner,
    },
    /// `Calls1.Place`.
    Place {
        /** To be answered. */
        request: Request,
        /** Who. */
        caller: Owner,
        /** Contact. */
        contact: Id,
        /** Video wanted (else voice). */
        video: bool,
        /** Of the OK press. */
        serial: u64,
        /** Random bytes. */
        fresh: Fresh,
    },
    /// `Calls1.Answer`.
    Answer {
        /** To be answered. */
        request: Request,
        /** Who. */
        caller: Owner,
        /** Which ring. */
        ring: Id,
        /** Video wanted (else voice). */
        video: bool,
        /** Of the OK press. */
        serial: u64,
        /** Random bytes. */
        fresh: Fresh,
    },
    /// `Calls1.Decline`.
    Decline {
        /** To be answered. */
        request: Request,
        /** Who. */
        caller: Owner,
        /** Which ring. */
        ring: Id,
    },
    /// `Calls1.End`.
    End {
        /** To be answered. */
        request: Request,
        /** Who. */
        caller: Owner,
    },
    /// `Calls1.Let`.
    Let {
        /** To be answered. */
        request: Request,
        /** Who. */
        caller: Owner,
        /** Pictures may leave. */
        camera: bool,
        /** Sound may leave. */
        microphone: bool,
        /** Of a key press; counts only when something is switched on. */
        serial: u64,
    },
    /// `Calls1.Frames`.
    Frames {
        /** To be answered by [`crate::Effect::HandFrames`]. */
        request: Request,
        /** Who. */
        caller: Owner,
    },
    /// `Calls1.Dismiss`.
    Dismiss {
        /** To be answered. */
        request: Request,
        /** Who. */
        caller: Owner,
    },
    /// `Calls1.SignIn`.
    SignIn {
        /** To be answered. */
        request: Request,
        /** Who. */
        caller: Owner,
        /** Whose code. */
        tag: u8,
        /** Of the OK press. */
        serial: u64,
        /** 16 random bytes: the sign-in's nonce. */
        nonce: Id,
        /** 16 random bytes: where the dial begins for each digit. */
        dial: Hidden<[u8; 16]>,
    },
    /// `Calls1.SignOut`.
    SignOut {
        /** To be answered. */
        request: Request,
        /** Who. */
        caller: Owner,
    },
    /// `Maintenance1.Begin`.
    Begin {
        /** To be answered by [`crate::Effect::HandLease`]. */
        request: Request,
        /** Who. */
        caller: Owner,
        /** What for. */
        stage: Stage,
        /** Of the update, for the ledger. */
        version: String,
    },
    /// The holder closed its end of the maintenance lease, or none could be made.
    LeaseDropped {
        /** Who. */
        owner: Owner,
    },
    /// `Maintenance1.Report`.
    Report {
        /** To be answered. */
        request: Request,
        /** Of the update, for the ledger. */
        version: String,
        /** How it goes. */
        word: crate::update::Word,
    },
    /// `Courier1.Signalling`.
    Signalling {
        /** To be answered by [`crate::Effect::HandSignalling`]. */
        request: Request,
        /** Of which call. */
        call: Id,
    },

    /// From gate.
    Gate(GateFact),
    /// From the call process of this call.
    Call {
        /** Whose socket it came from. */
        call: Id,
        /** What. */
        fact: CallFact,
    },
    /// The certificate of this visit exists.
    CertificateMade {
        /** For which call. */
        call: Id,
        /** SHA-256 of its DER bytes. */
        fingerprint: Bytes32,
        /** To this box's half of the short code. */
        commitment: Bytes32,
    },
    /// It could not be made, or its channels could not.
    CertificateFailed {
        /** For which call. */
        call: Id,
    },
    /// The arbiter was told to stop: what goes on ends as by its person, and nothing new begins.
    Stopping,
    /// At start: an open-visit record that nobody closed.
    Recovered {
        /** As it was in the last [`crate::Effect::OpenVisitRecord`]. */
        receipt: Box<Receipt>,
        /** The box has booted since (power), else only the arbiter has started (fault). */
        rebooted: bool,
    },
}

/// What a maintenance lease is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Stage {
    /// The other slot is written.
    Install,
    /// The box starts again.
    Restart,
}

impl Stage {
    /// As in the bus contract and the ledger.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Install => "install",
            Self::Restart => "restart",
        }
    }
}

/// What the signed ticket of a grant says (`parloir_wire::ticket::Ticket`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct TicketFacts {
    /// It answers a nonce (the only kind until the standing grants come).
    pub answers_nonce: bool,
    /// Names the camera.
    pub camera: bool,
    /// Names the microphone.
    pub microphone: bool,
    /// Device.
    pub device: Id,
    /// Gate's nonce.
    pub nonce: Id,
    /// Lease.
    pub lease: Id,
    /// Longest run, seconds.
    pub longest_run_s: u32,
}

/// What gate says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum GateFact {
    /// First message of a connection.
    Hello {
        /** The box that gate believes to be. */
        device: Id,
    },
    /// The socket hung up, or no heartbeat came for 2 s.
    Gone,
    /// A key moved.
    Key(Press),
    /// The call process runs with every door shut.
    Prepared {
        /** Lease. */
        lease: Id,
        /** Gate's nonce. */
        nonce: Id,
    },
    /// The doors are open.
    Opened {
        /** Lease. */
        lease: Id,
        /** The camera is. */
        camera: bool,
        /** The microphone is. */
        microphone: bool,
    },
    /// The doors are shut and the call process is dead.
    Shut {
        /** Lease. */
        lease: Id,
        /** Why. */
        reason: ShutReason,
        /** From the decision to the death of the call process, milliseconds. */
        took_ms: u32,
    },
    /// The call process of an open lease died.
    CallGone {
        /** Lease. */
        lease: Id,
    },
    /// It runs again and has its doors.
    Relaunched {
        /** Lease. */
        lease: Id,
    },
    /// No.
    Refused {
        /** Lease; zero when the message named none. */
        lease: Id,
        /** Why. */
        why: GateRefusal,
    },
}

/// A key motion, as far as the core cares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Press {
    /// Gate's stamp.
    pub serial: u64,
    /// What moved.
    pub stroke: Stroke,
}

/// Which motion.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Stroke {
    /// OK went down: the only motion that is consent to a call.
    OkDown,
    /// Back went down: the key that ends a call, whatever the screen makes of it.
    BackDown,
    /// A digit key went down.
    Digit(Hidden<u8>),
    /// An arrow went down: what it adds to a digit, modulo ten.
    Step(Hidden<u8>),
    /// Another key went down.
    OtherDown,
    /// A release or an automatic repeat of a digit key.
    DigitUp,
    /// A release or an automatic repeat of any other key.
    NotDown,
}

/// As `parloir_wire::gate::GateRefusal`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[allow(missing_docs)]
pub enum GateRefusal {
    NoFreshKey,
    Busy,
    TicketSignature,
    TicketBinding,
    TicketForm,
    NonceExpired,
    NoDoorKey,
    RecordSignature,
    RecordOld,
    NoLease,
    NoCall,
    NoDevice,
    Malformed,
    NoState,
}

/// As `parloir_wire::gate::ShutReason`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[allow(missing_docs)]
pub enum ShutReason {
    Asked,
    RunOver,
    HeartbeatLost,
    ArbiterGone,
    CallEnded,
    NonceExpired,
}

/// What the call process says; hostile until shown otherwise, so it can only shorten.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum CallFact {
    /// Everything is built that needs no door and no grant.
    Ready,
    /// The far certificate is one of the plan's.
    FarVerified {
        /** Which. */
        fingerprint: Bytes32,
    },
    /// The far side's first picture was decoded.
    FirstPicture {
        /** When, milliseconds of `CLOCK_BOOTTIME`. */
        at_ms: u64,
    },
    /// The far side's first sound was decoded.
    FirstSound {
        /** When. */
        at_ms: u64,
    },
    /// Far media began, or stopped for 2 s.
    Decoding {
        /** Now. */
        on: bool,
        /** When it began, or when the last frame was decoded. */
        at_ms: u64,
    },
    /// Every half second.
    Progress {
        /** Far frames decoded since the process began. */
        frames_decoded: u64,
        /** Pixels. */
        width: u16,
        /** Pixels. */
        height: u16,
        /** What congestion control allows now, kbit/s. */
        target_kbps: u32,
        /** Lost packets of the far video, thousandths. */
        loss_permille: u16,
        /** Round trip, milliseconds; 0 unknown. */
        rtt_ms: u16,
    },
    /// What the person lets out is so now.
    Lets {
        /** Camera. */
        camera: bool,
        /** Microphone. */
        microphone: bool,
    },
    /// The far side said good-bye by signalling.
    FarLeft,
    /// The far side starts anew and wants another offer; call says so at most once a second.
    FarAgain,
    /// Something failed.
    Trouble(Trouble),
    /// Its socket hung up.
    HungUp,
}

/// As `parloir_wire::lease::Trouble`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[allow(missing_docs)]
pub enum Trouble {
    FarCertificate,
    NotConnected,
    Camera,
    Microphone,
    Signalling,
    Pipeline,
}
