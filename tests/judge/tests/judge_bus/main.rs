//! Owns: the bus under attack: hostile callers and floods against the real arbiter, the real gate and a real bus with our policy.
//! Never: looks inside them.
//! Called by: the stage `judge`.

/// The arbiter's own surroundings, its facility, courier and gate, are the same here.
#[path = "../../../../appliance/arbiter/tests/arbiter/cell.rs"]
#[allow(dead_code)]
mod cell;
#[path = "../../../../appliance/arbiter/tests/arbiter/doors.rs"]
#[allow(dead_code, unsafe_code, reason = "pidfd_open has no wrapper")]
mod doors;
#[path = "../../../../appliance/arbiter/tests/arbiter/facility.rs"]
#[allow(dead_code)]
mod facility;
#[path = "../../../../appliance/arbiter/tests/arbiter/gate.rs"]
#[allow(dead_code)]
mod gate;
#[path = "../../../../appliance/arbiter/tests/arbiter/house.rs"]
#[allow(dead_code)]
mod house;

mod flood;
mod fuzz;
mod visit;
