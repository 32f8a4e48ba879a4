//! Owns: the messages between the arbiter and gate.
//! Never: says who is right; gate believes tickets, not the arbiter.
//! Called by: gate, arbiter.

use crate::codec::{Reader, Refused, Writer, refused};
use crate::keys::KeyPress;
use crate::{Id, door_record, tag, ticket};

/// Bytes of every message, either way.
pub const SIZE: usize = 272;
/// The only version.
pub const VERSION: u8 = 1;
/// Gate shuts every door when no heartbeat came for this long.
pub const HEARTBEAT_LIMIT_MS: u64 = 2000;
/// How often either side sends one.
pub const HEARTBEAT_EVERY_MS: u64 = 500;

/// What the arbiter tells gate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ToGate {
    /// I live. Grows by one.
    Heartbeat {
        /** Count. */
        count: u64,
    },
    /// Whose tickets to believe; gate checks the roots' signatures itself.
    DoorRecord {
        /** 256 bytes, see [`door_record`]. */
        record: Box<[u8; door_record::SIZE]>,
    },
    /// Start the call process for this lease, every door shut, and give a nonce. One fd beside it: call's end of the arbiter's
    /// socketpair. Gate refuses unless `serial` is an OK press that it stamped within the last two seconds and that was never used.
    Prepare {
        /** New lease. */
        lease: Id,
        /** The OK press. */
        serial: u64,
    },
    /// Open the doors of this lease.
    Open {
        /** Signed by the door key. */
        ticket: Box<[u8; ticket::SIZE]>,
    },
    /// The call process of an open lease died, or does not answer: start it again, at most three times in a lease. One that lives
    /// is killed first, doors shut, and no `CallGone` is said of it. One fd beside it, as in `Prepare`.
    Relaunch {
        /** The open lease. */
        lease: Id,
    },
    /// Shut the doors and end the call process.
    Close {
        /** The lease. */
        lease: Id,
    },
}

/// Why gate would not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum GateRefusal {
    /// The serial is no OK press of the last two seconds, or was used before.
    NoFreshKey = 1,
    /// A lease is prepared or open already.
    Busy = 2,
    /// The ticket's signature is not by the door key.
    TicketSignature = 3,
    /// The ticket names another device, nonce or lease than the one that waits.
    TicketBinding = 4,
    /// The ticket is not of a form that gate knows.
    TicketForm = 5,
    /// The nonce is older than 60 s.
    NonceExpired = 6,
    /// No door key record is known.
    NoDoorKey = 7,
    /// Too few roots signed the record, or another site is named.
    RecordSignature = 8,
    /// The record's revision is below the one kept.
    RecordOld = 9,
    /// Gate knows no such lease.
    NoLease = 10,
    /// The call process could not be started or is gone.
    NoCall = 11,
    /// The door's device could not be opened.
    NoDevice = 12,
    /// The message was malformed or its fd was missing.
    Malformed = 13,
    /// Gate could not persist the revision floor.
    NoState = 14,
}

impl GateRefusal {
    /// All of them, in wire order.
    pub const ALL: [Self; 14] = [
        Self::NoFreshKey,
        Self::Busy,
        Self::TicketSignature,
        Self::TicketBinding,
        Self::TicketForm,
        Self::NonceExpired,
        Self::NoDoorKey,
        Self::RecordSignature,
        Self::RecordOld,
        Self::NoLease,
        Self::NoCall,
        Self::NoDevice,
        Self::Malformed,
        Self::NoState,
    ];
    fn from_wire(byte: u8) -> Result<Self, Refused> {
        Self::ALL.into_iter().find(|r| *r as u8 == byte).ok_or(refused("gate refusal", "unknown"))
    }
}

/// Why doors are shut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum ShutReason {
    /// The arbiter asked.
    Asked = 1,
    /// The ticket's longest run is over.
    RunOver = 2,
    /// No heartbeat for [`HEARTBEAT_LIMIT_MS`].
    HeartbeatLost = 3,
    /// The arbiter's socket hung up.
    ArbiterGone = 4,
    /// The call process ended by itself, or could not be given its doors.
    CallEnded = 5,
    /// The nonce was not answered in 60 s.
    NonceExpired = 6,
    /// Gate itself was told to stop.
    GateStopped = 7,
}

impl ShutReason {
    /// All of them, in wire order.
    pub const ALL: [Self; 7] = [
        Self::Asked,
        Self::RunOver,
        Self::HeartbeatLost,
        Self::ArbiterGone,
        Self::CallEnded,
        Self::NonceExpired,
        Self::GateStopped,
    ];
    fn from_wire(byte: u8) -> Result<Self, Refused> {
        Self::ALL.into_iter().find(|r| *r as u8 == byte).ok_or(refused("shut reason", "unknown"))
    }
}

/// What gate tells the arbiter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FromGate {
    /// I live. Grows by one.
    Heartbeat {
        /** Count. */
        count: u64,
    },
    /// First message of a connection.
    Hello {
        /** This box. */
        device: Id,
        /** Highest door record revision seen, 0 for none. */
        revision: u64,
    },
    /// A key of the remote.
    Key(KeyPress),
    /// The call process runs, doors shut; the ticket must answer this nonce within 60 s.
    Prepared {
        /** Lease. */
        lease: Id,
        /** Fresh and random. */
        nonce: Id,
    },
    /// The doors are open.
    Opened {
        /** Lease. */
        lease: Id,
        /** Mask of what opened. */
        media: u8,
        /** When. */
        at_ns: u64,
    },
    /// The doors are shut and the call process is dead and reaped; the last message of a lease.
    Shut {
        /** Lease. */
        lease: Id,
        /** Why. */
        reason: ShutReason,
        /** When. */
        at_ns: u64,
        /** From the decision to the death of the call process, milliseconds. */
        took_ms: u32,
    },
    /// The call process of an open lease died; the doors are shut until `Relaunch`, for 60 s at most.
    CallGone {
        /** Lease. */
        lease: Id,
    },
    /// The call process of an open lease runs again and has its doors.
    Relaunched {
        /** Lease. */
        lease: Id,
    },
    /// No. `lease` is zero when the message named none.
    Refused {
        /** Lease. */
        lease: Id,
        /** Why. */
        why: GateRefusal,
    },
    /// The record is believed.
    RecordKept {
        /** Its revision. */
        revision: u64,
    },
}

fn head(kind: u8) -> Writer {
    let mut w = Writer::new();
    w.u8(VERSION).u8(kind).raw(&[0; 6]);
    w
}

fn open(bytes: &[u8]) -> Result<(u8, Reader<'_>), Refused> {
    if bytes.len() != SIZE {
        return Err(refused("gate message", "not 272 bytes"));
    }
    let mut r = Reader::new(bytes);
    if r.u8("gate message version")? != VERSION {
        return Err(refused("gate message version", "unknown"));
    }
    let kind = r.u8("gate message kind")?;
    if r.array::<6>("gate message padding")? != [0; 6] {
        return Err(refused("gate message padding", "not zero"));
    }
    Ok((kind, r))
}

impl ToGate {
    /// As it travels.
    #[must_use]
    pub fn encode(&self) -> [u8; SIZE] {
        let w = match self {
            Self::Heartbeat { count } => {
                let mut w = head(1);
                w.u64(*count);
                w
            }
            Self::DoorRecord { record } => {
                let mut w = head(2);
                w.raw(&record[..]);
                w
            }
            Self::Prepare { lease, serial } => {
                let mut w = head(3);
                w.raw(lease).u64(*serial);
                w
            }
            Self::Open { ticket } => {
                let mut w = head(4);
                w.raw(&ticket[..]);
                w
            }
            Self::Relaunch { lease } => {
                let mut w = head(5);
                w.raw(lease);
                w
            }
            Self::Close { lease } => {
                let mut w = head(6);
                w.raw(lease);
                w
            }
        };
        w.finish_fixed()
    }
    /// # Errors
    /// Wrong size, version, kind, or padding.
    pub fn decode(bytes: &[u8]) -> Result<Self, Refused> {
        let (kind, mut r) = open(bytes)?;
        let message = match kind {
            1 => Self::Heartbeat { count: r.u64("heartbeat")? },
            2 => Self::DoorRecord { record: Box::new(r.array("door record")?) },
            3 => Self::Prepare { lease: r.array("lease")?, serial: r.u64("key serial")? },
            4 => Self::Open { ticket: Box::new(r.array("ticket")?) },
            5 => Self::Relaunch { lease: r.array("lease")? },
            6 => Self::Close { lease: r.array("lease")? },
            _ => return Err(refused("gate message kind", "unknown")),
        };
        r.zeros("gate message padding")?;
        Ok(message)
    }
}

impl FromGate {
    /// As it travels.
    #[must_use]
    pub fn encode(&self) -> [u8; SIZE] {
        let w = match self {
            Self::Heartbeat { count } => {
                let mut w = head(1);
                w.u64(*count);
                w
            }
            Self::Hello { device, revision } => {
                let mut w = head(2);
                w.raw(device).u64(*revision);
                w
            }
            Self::Key(press) => {
                let mut w = head(3);
                press.write(&mut w);
                w
            }
            Self::Prepared { lease, nonce } => {
                let mut w = head(4);
                w.raw(lease).raw(nonce);
                w
            }
            Self::Opened { lease, media, at_ns } => {
                let mut w = head(5);
                w.raw(lease).u8(*media).u64(*at_ns);
                w
            }
            Self::Shut { lease, reason, at_ns, took_ms } => {
                let mut w = head(6);
                w.raw(lease).u8(*reason as u8).u64(*at_ns).u32(*took_ms);
                w
            }
            Self::CallGone { lease } => {
                let mut w = head(7);
                w.raw(lease);
                w
            }
            Self::Relaunched { lease } => {
                let mut w = head(8);
                w.raw(lease);
                w
            }
            Self::Refused { lease, why } => {
                let mut w = head(9);
                w.raw(lease).u8(*why as u8);
                w
            }
            Self::RecordKept { revision } => {
                let mut w = head(10);
                w.u64(*revision);
                w
            }
        };
        w.finish_fixed()
    }
    /// # Errors
    /// Wrong size, version, kind, or padding.
    pub fn decode(bytes: &[u8]) -> Result<Self, Refused> {
        let (kind, mut r) = open(bytes)?;
        let message = match kind {
            1 => Self::Heartbeat { count: r.u64("heartbeat")? },
            2 => Self::Hello { device: r.array("device")?, revision: r.u64("revision")? },
            3 => Self::Key(KeyPress::read(&mut r)?),
            4 => Self::Prepared { lease: r.array("lease")?, nonce: r.array("nonce")? },
            5 => Self::Opened { lease: r.array("lease")?, media: r.u8("media")?, at_ns: r.u64("time")? },
            6 => Self::Shut {
                lease: r.array("lease")?,
                reason: ShutReason::from_wire(r.u8("shut reason")?)?,
                at_ns: r.u64("time")?,
                took_ms: r.u32("duration")?,
            },
            7 => Self::CallGone { lease: r.array("lease")? },
            8 => Self::Relaunched { lease: r.array("lease")? },
            9 => Self::Refused { lease: r.array("lease")?, why: GateRefusal::from_wire(r.u8("gate refusal")?)? },
            10 => Self::RecordKept { revision: r.u64("revision")? },
            _ => return Err(refused("gate message kind", "unknown")),
        };
        r.zeros("gate message padding")?;
        Ok(message)
    }
}

/// For the log: never a nonce, and never which key it was (digits are a person's code).
impl core::fmt::Display for FromGate {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Heartbeat { count } => write!(f, "heartbeat {count}"),
            Self::Hello { revision, .. } => write!(f, "hello, door key record revision {revision}"),
            Self::Key(press) => write!(f, "key serial {}", press.serial),
            Self::Prepared { lease, .. } => write!(f, "lease {}: prepared, doors shut", tag(lease)),
            Self::Opened { lease, media, .. } => write!(f, "lease {}: doors {media:#04b} open", tag(lease)),
            Self::Shut { lease, reason, took_ms, .. } => {
                write!(f, "lease {}: shut ({reason:?}), call process dead after {took_ms} ms", tag(lease))
            }
            Self::CallGone { lease } => write!(f, "lease {}: call process ended by itself, doors shut", tag(lease)),
            Self::Relaunched { lease } => write!(f, "lease {}: call process started again, doors open", tag(lease)),
            Self::Refused { lease, why } => write!(f, "lease {}: refused ({why:?})", tag(lease)),
            Self::RecordKept { revision } => write!(f, "door key record revision {revision} kept"),
        }
    }
}
