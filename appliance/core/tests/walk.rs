//! Owns: the random walk, a short one: most events are sensible, many are not, in any order and at any time.
//! Never: the whole of it; a million events are walked by judge_walk.rs.
//! Called by: cargo test. `SEED=n` walks another way, `EVENTS=n` further, `TRACE=1` prints each event.
//!
//! After each step: every invariant (in `State::step`, debug builds), the twin's doors, lease and fair clock, and the deadline.
//! What it guards, tried by taking the code out: `Gate Close` on leaving (doors), the lease's and the slot's deadline (over), the cut
//! back of a late stop (fair clock), the silence after 3 s (both_decode), the used-up serial (serials), the single-use nonce (nonces),
//! the 0.7 s after a ring (newer), the slot of a regrant (extends), the cap of a beat (over), the end key (over),
//! the lease of maintenance (lease).
#![allow(clippy::disallowed_methods, reason = "a test may read its surroundings; the core may not")]
#![allow(dead_code, reason = "what the long walk needs of the shared rooms is not needed here")]

mod bed;
mod twin;
mod world;

use bed::*;
use parloir_core::*;
use world::course;

#[test]
fn random_events_break_no_invariant() {
    let walked = course::walk(course::env("SEED", 20_261_121), course::env("EVENTS", 200_000));
    assert!(walked.in_open_doors() > 1000, "{walked:?}");
}

#[test]
fn the_same_log_makes_the_same_effects() {
    for seed in 1..40 {
        let world = course::run(seed * 7919, 500);
        let (mut one, mut two) = (State::new(settings()), State::new(settings()));
        for (at, event) in world.log {
            let now = Now { mono_ms: at };
            assert_eq!(one.step(now, event.clone()), two.step(now, event));
        }
        assert_eq!(format!("{one:?}"), format!("{two:?}"));
    }
}
