//! Owns: what the arbiter does, shown on the real binary between a real bus with our policy, a stub of gate on the real wire and a
//! stub of the courier with the facility's keys.
//! Never: looks inside the arbiter; waits without a bound.
//! Called by: `cargo test -p parloir-arbiter`.

mod cell;
#[allow(unsafe_code, reason = "pidfd_open has no wrapper")]
mod doors;
mod facility;
mod gate;
mod house;

mod callers;
mod clocks;
mod contract;
mod diagnostics;
mod disk;
mod endings;
mod hostile;
mod incoming;
mod maintenance;
mod methods;
mod path;
mod real_gate;
mod receipts;
mod record;
mod refusals;
mod relays;
mod restarts;
mod signin;
mod states;
mod stored;
