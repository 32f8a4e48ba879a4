//! Owns: whom a process of the box may speak to: from two small files to the sets of the firewall.
//! Never: opens anything that it is not told; asks a name server; changes a rule (those are `systemd/nftables/parloir.nft`).
//! Called by: the binary beside it; tests; the fuzzer.
#![forbid(unsafe_code)]

pub mod files;
pub mod judge;
pub mod kernel;
pub mod refusal;

pub use files::{Host, Transport, Wish};
pub use judge::{Net, Peers, judge};
pub use refusal::{Code, Refused};
