//! Owns: the decision's shell: turns the bus, gate, call, the courier and the database into events of `parloir-core`, and carries out its effects.
//! Never: root, devices, the network; policy (that is the core's); a broadcast on the bus.
//! Called by: the binary beside it; tests.

pub mod bus;
pub mod channel;
mod deliver;
pub mod diagnostics;
pub mod disk;
pub mod documents;
mod effects;
pub mod floors;
pub mod gate;
pub mod input;
pub mod journal;
pub mod ledger;
mod maintenance;
pub mod outbox;
pub mod picture;
pub mod receipts;
pub mod record;
pub mod relays;
pub mod repeats;
pub mod run;
pub mod store;
pub mod translate;
pub mod view;
pub mod visit;
