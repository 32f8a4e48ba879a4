//! Owns: one visit's media, from the certificate to the end of its lease.
//! Never: the bus, the disk, a long-lived key, life after the lease.
//! Called by: gate starts the binary; tests use the parts.
//!
//! | Module | Is |
//! | --- | --- |
//! | [`run`] | the one loop |
//! | [`lease`] | its sockets |
//! | [`plan`], [`sdp`], [`quality`], [`watchdog`], [`verify`] | pure decisions |
//! | [`devices`] | the board's devices, and which mode of a camera |
//! | [`camera`] | the bench's clips |
//! | [`pipeline`] | GStreamer, and the only place with element names |
//! | [`events`] | what the pipeline's threads tell the loop |
//! | [`sandbox`], [`attempt`] | what the kernel takes away first, and the proof by trying |
#![forbid(unsafe_code)]

pub mod attempt;
pub mod camera;
pub mod devices;
pub mod events;
pub mod lease;
pub mod pipeline;
pub mod plan;
pub mod quality;
pub mod run;
pub mod sandbox;
pub mod sdp;
pub mod verify;
pub mod watchdog;
