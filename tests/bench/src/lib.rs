//! Owns: the bench: it starts what a box and a facility are made of on one machine, runs visits, and measures them from outside.
//! Never: part of an image; nothing that ships depends on it.
//! Called by: `scripts/demo`, `scripts/test`, `scripts/bench`, `scripts/remote`.

pub mod cells;
pub mod closing;
pub mod compare;
pub mod demo;
pub mod faults;
pub mod floor;
pub mod guest;
pub mod hop;
pub mod kiosk;
pub mod lines;
pub mod moments;
pub mod network;
pub mod outside;
pub mod parts;
pub mod play;
pub mod remote;
pub mod report;
pub mod restarts;
pub mod resume;
pub mod revoke;
pub mod rogue;
pub mod roles;
pub mod spans;
pub mod stage;
pub mod supervisor;
pub mod tunnel;
pub mod usage;
pub mod walls;
pub mod watch;
pub mod watchdog;
