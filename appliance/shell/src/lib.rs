//! Owns: what every binary needs of its host: clock, service notification, log, redaction, command line, fd passing.
//! Never: domain words, policy, threads of its own.
//! Called by: arbiter, call, link, ui, the bench.

pub mod args;
pub mod clock;
pub mod fds;
pub mod journal;
pub mod log;
pub mod memfd;
pub mod notify;
pub mod tag;

pub use clock::BootTime;
pub use tag::Tag;
