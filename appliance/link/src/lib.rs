//! Owns: the way to the facility: MQTT topics, the broker connection, the courier between it and the arbiter, signalling adapters.
//! Never: frames, media keys, signing keys, the content of a document, or a judgement about one.
//! Called by: `parloir-link` (the cell's user of this name); the facility of the tests uses [`topic`] and [`broker`] from the other side.
#![forbid(unsafe_code)]

pub mod adapter;
pub mod backoff;
pub mod broker;
pub mod courier;
pub mod direct;
pub mod message;
pub mod outbox;
pub mod poller;
pub mod run;
pub mod session;
pub mod signalling;
pub mod topic;
