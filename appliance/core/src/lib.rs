//! Owns: the policy as a pure machine: who may see whom, when, and for how long. `State::step(now, event)` answers effects.
//! Never: a clock, IO, async, unsafe, panic, randomness or hash order; whoever calls brings time and fresh random bytes in.
//! Called by: arbiter (turns sockets, bus and timers into events and carries out the effects), parloirctl (replays a log).
//!
//! Documents arrive here already opened and verified by seal; this crate binds them to the pending question and to each other.
//! Effects are to be carried out in the order in which they are answered: the visit's record is on disk before the door opens.
#![forbid(unsafe_code)]

mod again;
pub mod call;
pub mod camera;
mod deny;
mod documents;
mod due;
mod edges;
pub mod effect;
pub mod event;
mod facts;
mod fair;
mod guard;
pub mod hidden;
pub mod invariants;
pub mod journal;
pub mod maintenance;
pub mod never;
mod project;
mod receipt;
pub mod refusal;
pub mod remote;
mod ring;
pub mod session;
pub mod state;
pub mod tables;
pub mod time;
mod turn;
pub mod update;
pub mod view;
mod visit;

pub use effect::{Answer, Effect, Entry, RingState, ToCall, ToGate};
pub use event::{
    CallFact, Event, Fresh, GateFact, GateRefusal, Owner, Press, Request, ShutReason, Stage, Stroke, TicketFacts, Trouble,
};
pub use hidden::Hidden;
pub use refusal::{Code, EndReason, Refusal};
pub use state::{Settings, State};
pub use time::{Now, Wall};
pub use view::View;
