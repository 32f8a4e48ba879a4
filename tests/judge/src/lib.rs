//! Owns: the attacks on a running box: what hostile callers say on the bus, in what flood, and what a process that was taken over tries.
//! Never: part of an image; nothing that ships depends on it.
//! Called by: its tests, in the stage `judge` of `scripts/test`.

pub mod captive;
pub mod client;
pub mod contract;
pub mod course;
pub mod deeds;
pub mod dice;
pub mod hostile;
pub mod marshal;
