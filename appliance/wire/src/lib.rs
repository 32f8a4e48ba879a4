//! Owns: the bytes that pass between Parloir's processes over sockets, as plain Rust types with one encoding each.
//! Never: IO, allocation beyond the stated bounds, serde, zbus, policy.
//! Called by: gate, call, arbiter, link, ui, and the bench; every decoder takes hostile bytes and answers a value or a [`Refused`].
//!
//! | Module | Between | Socket |
//! | --- | --- | --- |
//! | [`gate`] | arbiter and gate | seqpacket, 272 bytes each, fds beside `Prepare` and `Relaunch` |
//! | [`start`] | gate (and the bench's supervisor) and call | seqpacket, 64 bytes each, fds beside `Start` and `Door` |
//! | [`lease`] | arbiter and call | seqpacket, at most 8 KiB, fds beside `Certificate`, `FrameEnd`, `SignalEnd` |
//! | [`signal`] | link and call | seqpacket, at most 48 KiB |
//! | [`keys`] | gate to arbiter to ui | part of [`gate`]; 24 bytes each to the ui |
//! | [`ticket`], [`door_record`] | facility to gate, through others that cannot change them | 128 and 256 bytes |
//!
//! All integers are little-endian. Times are nanoseconds of `CLOCK_BOOTTIME`.
#![forbid(unsafe_code)]

pub mod codec;
pub mod door_record;
pub mod gate;
pub mod keys;
pub mod lease;
pub mod signal;
pub mod start;
pub mod ticket;

pub use codec::Refused;

/// A 16-byte identifier: of a device, a site, a lease.
pub type Id = [u8; 16];

/// Bit of a media mask: the camera.
pub const CAMERA: u8 = 1;
/// Bit of a media mask: the microphone.
pub const MICROPHONE: u8 = 2;

/// The first bytes of an identifier in hexadecimal: enough for a log, and no more than a log needs.
#[must_use]
pub fn tag(id: &Id) -> String {
    id[..4].iter().map(|b| format!("{b:02x}")).collect()
}
