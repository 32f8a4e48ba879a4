//! Owns: everything that can reach the arbiter, and what ends it.
//! Never: an input without a bound on how many may wait (the queue's).
//! Called by: gate, bus, visit, effects (send), run (takes).

use crate::bus::{Answer, Ask};
use crate::diagnostics::Wanted;
use crate::gate::Link;
use crate::ledger::Page;
use parloir_bus::view::Moment;
use parloir_core::{Event, Fresh, Hidden, Owner, Request};
use parloir_pass::Id;
use parloir_seal::{Refused, random};
use parloir_wire::gate::FromGate;
use parloir_wire::lease::Fact;

/// Everything that reaches the arbiter.
#[derive(Debug)]
pub enum Input {
    /// A bus call of somebody who may make it.
    Bus {
        /// Unique name.
        caller: Owner,
        /// What.
        ask: Ask,
        /// Where the answer goes.
        answer: Answer,
    },
    /// A connection left the bus.
    Vanished(Owner),
    /// The bus itself is gone.
    BusGone,
    /// Gate is connected and said Hello.
    GateUp {
        /// The means to answer.
        link: Link,
        /// The box that it believes to be.
        device: [u8; 16],
        /// Highest door record that it has seen.
        revision: u64,
    },
    /// The connection to gate ended.
    GateGone,
    /// A message of gate.
    Gate(FromGate),
    /// A fact of a call process, or why there are no more.
    Call {
        /// Its call.
        call: Id,
        /// Which of the call's processes.
        run: u32,
        /// What.
        fact: Result<Fact, String>,
    },
    /// The holder of the keys closed its socket.
    KeysDropped {
        /// Who.
        owner: Owner,
        /// Which of the key sockets.
        run: u64,
    },
    /// The holder of the maintenance lease closed its end.
    LeaseDropped {
        /// Who.
        owner: Owner,
        /// Which of the leases.
        run: u64,
    },
    /// The disk's part of an export that somebody asked for.
    Page {
        /// What is wanted.
        wanted: Wanted,
        /// Rows of the ledger; `None`: the disk did not give any.
        page: Option<Page>,
        /// Where the answer goes.
        answer: Answer,
    },
    /// The disk's part of a page of the record.
    Recounted {
        /// Whose.
        person: Id,
        /// `None`: the disk did not give any.
        moments: Option<Vec<Moment>>,
        /// Where the answer goes.
        answer: Answer,
    },
    /// The service manager asks to stop.
    Stop,
}

/// Why the arbiter ends; gate shuts every door then.
#[derive(Debug, thiserror::Error)]
pub enum Fatal {
    /// No randomness: no nonce can be made.
    #[error(transparent)]
    Random(#[from] Refused),
    /// The bus is gone.
    #[error("bus: the connection ended; the service manager starts us again [org.parloir.Error.NoBus]")]
    Bus,
    /// The disk can be used again, or shows another database: what was denied is read anew.
    #[error("disk: there is a database again; the service manager starts us again to read it [org.parloir.Error.Storage]")]
    Disk,
}

/// A bus call that the core answers; `None` for those that the arbiter answers itself.
///
/// # Errors
/// No randomness.
pub(crate) fn to_event(request: Request, caller: Owner, ask: Ask) -> Result<Option<Event>, Fatal> {
    Ok(Some(match ask {
        Ask::Attach => Event::Attach { request, caller },
        Ask::Place { contact, video, serial } => Event::Place { request, caller, contact, video, serial, fresh: fresh()? },
        Ask::Answer { ring, video, serial } => Event::Answer { request, caller, ring, video, serial, fresh: fresh()? },
        Ask::Decline(ring) => Event::Decline { request, caller, ring },
        Ask::End => Event::End { request, caller },
        Ask::Let { camera, microphone, serial } => Event::Let { request, caller, camera, microphone, serial },
        Ask::Frames => Event::Frames { request, caller },
        Ask::Dismiss => Event::Dismiss { request, caller },
        Ask::SignIn { tag, serial } => {
            let dial = Hidden(random::id()?.0);
            Event::SignIn { request, caller, tag, serial, nonce: random::id()?, dial }
        }
        Ask::SignOut => Event::SignOut { request, caller },
        Ask::Focus => Event::Focus { request, caller },
        Ask::Signalling(call) => Event::Signalling { request, call },
        Ask::Begin { stage, version } => Event::Begin { request, caller, stage, version },
        Ask::Report { version, word } => Event::Report { request, version, word },
        // The arbiter's own, answered before this.
        Ask::AttachCourier
        | Ask::Online(_)
        | Ask::Deliver { .. }
        | Ask::Sent(_)
        | Ask::Drawn
        | Ask::Health
        | Ask::Export(_)
        | Ask::Record(_) => {
            return Ok(None);
        }
    }))
}

fn fresh() -> Result<Fresh, Refused> {
    Ok(Fresh { call: random::id()?, nonce: random::id()?, receipt: random::id()? })
}
