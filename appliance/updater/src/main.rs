//! Owns: the command line of updater.
//! Never: anything else.
//! Called by: systemd (`parloir-updater.service`).
#![forbid(unsafe_code)]
fn main() {}
