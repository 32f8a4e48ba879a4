//! Owns: what gate does, shown on the real binary between a stub arbiter, a stub supervisor and a stub call process.
//! Never: looks inside gate.
//! Called by: `cargo test -p parloir-gate --features bench`.

mod harness;

mod command_line;
mod consent;
mod endings;
mod good_path;
mod hardware;
mod hostile;
mod records;
mod relaunch;
mod size;
mod switches;
mod table;
mod tickets;
