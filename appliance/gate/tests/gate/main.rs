//! Owns: what gate does, shown on the real binary between a stub arbiter, a stub supervisor and a stub call process.
//! Never: looks inside gate.
//! Called by: `cargo test -p parloir-gate --features bench`.

#![allow(clippy::unwrap_used)]

mod harness;

mod good_path;
