//! Owns: what time is to the core: milliseconds that only grow, and a wall clock that is believed or is not.
//! Never: reads a clock.
//! Called by: everything here; the arbiter fills [`Now`] from `CLOCK_BOOTTIME`.

/// The moment of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Now {
    /// Milliseconds of `CLOCK_BOOTTIME`. One that is smaller than an earlier one is taken as that earlier one.
    pub mono_ms: u64,
}

/// Wall time, as far as it is believed within this boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wall {
    /// The facility has not confirmed it since boot.
    Unknown,
    /// Milliseconds since 1970 UTC, from a time statement that echoed our nonce.
    Trusted(i64),
}

impl Wall {
    /// Whole seconds since 1970 UTC; `None` when it is not believed.
    #[must_use]
    pub fn seconds(self) -> Option<i64> {
        match self {
            Self::Unknown => None,
            Self::Trusted(ms) => Some(ms.div_euclid(1000)),
        }
    }
}

/// How long the box's nonce, and gate's, may be answered.
pub const NONCE_MS: u64 = 60_000;
/// How long an OK press is consent.
pub const CONSENT_MS: u64 = 1_000;
/// How long the screen has to end a call after the end key went down, before the key ends it by itself.
pub const END_KEY_MS: u64 = 1_000;
/// How long certificate and call process may take before anything is asked.
pub const PREPARE_MS: u64 = 10_000;
/// How long after the grant both ends must decode.
pub const JOIN_MS: u64 = 60_000;
/// How long a visit is held.
pub const HELD_MS: u64 = 60_000;
/// How long the end waits for gate's word and for the visitor's last statement.
pub const CLOSING_MS: u64 = 3_000;
/// How old the visitor's last statement may be while it counts as decoding.
pub const STATEMENT_MS: u64 = 3_000;
/// How long a visit goes on without a screen.
pub const SCREEN_MS: u64 = 5_000;
/// How often the open-visit record is written.
pub const RECORD_MS: u64 = 5_000;
/// How long an incoming call rings.
pub const RING_MS: u64 = 45_000;
/// How long after it began to ring a press is still taken for one that was meant for something else.
pub const RING_CATCH_MS: u64 = 700;
/// How far the caller's time in a ring may be from ours, seconds.
pub const RING_AGE_S: i64 = 60;
/// How long a call process of open doors may say nothing; it speaks every half second.
pub const SILENT_MS: u64 = 4_000;
/// How long a box waits at least before it asks for another grant again.
pub const AGAIN_EVERY_MS: u64 = 5_000;
/// How often it asks for another grant in one visit.
pub const AGAINS: u8 = 4;
/// How much longer than their interval beats may be apart and still all count, per mille: clocks differ.
pub const BEAT_SLACK_PERMILLE: u64 = 20;
/// How long a time request may be answered, and how often it is asked anew.
pub const TIME_REQUEST_MS: u64 = 10_000;
/// How often a dead call process is started again under one grant.
pub const RELAUNCHES: u8 = 3;
/// How often a connection is offered anew in one visit.
pub const RECALLS: u8 = 8;
/// How long after a key a code that is not whole is waited for.
pub const CODE_MS: u64 = 60_000;
/// How long the facility has to look at a code.
pub const VERIFY_MS: u64 = 20_000;
/// How long somebody stays signed in without a key or a call.
pub const IDLE_MS: u64 = 5 * 60 * 1000;
/// How long an installation may keep the box from its person.
pub const INSTALL_MS: u64 = 30 * 60 * 1000;
/// How long it may take until the box starts again.
pub const RESTART_MS: u64 = 3 * 60 * 1000;
/// How long before a booked visit nothing is begun that would keep the box from its person, seconds.
pub const BOOKED_S: i64 = 30 * 60;
