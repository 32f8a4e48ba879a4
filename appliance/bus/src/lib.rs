//! Owns: the D-Bus contract in Rust: names, the view, proxies, error names. The XML in `dbus/` is the contract; this follows it.
//! Never: logic, policy, text that a person reads.
//! Called by: arbiter (serves), ui, link and updater (call).
#![forbid(unsafe_code)]

pub mod error;
pub mod proxy;
pub mod view;

/// Well-known name that the arbiter owns.
pub const NAME: &str = "org.parloir.Arbiter";
/// The one object.
pub const PATH: &str = "/org/parloir/arbiter";
/// Most bytes of a document through `Courier1`.
pub const MAX_DOCUMENT: usize = 64 * 1024;
