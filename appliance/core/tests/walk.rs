//! Owns: the random walk: a million and a half of events, most of them sensible, many of them not, in any order and at any time.
//! Never: finds a run that cannot be found again: a failure prints seed, run and step; `SEED=n` walks another way, `EVENTS=n` further.
//! Called by: cargo test.
//!
//! After each step: every invariant (in `State::step`, debug builds), the twin's doors, lease and fair clock, and the deadline.
//! What it guards, tried by taking the code out: `Gate Close` on leaving (doors), the lease's and the slot's deadline (over), the cut
//! back of a late stop (fair clock), the silence after 3 s (both_decode), the used-up serial (serials), the single-use nonce (nonces),
//! the 0.7 s after a ring (newer), the slot of a regrant (extends), the cap of a beat (over), the end key (over),
//! the lease of maintenance (lease).
#![allow(clippy::disallowed_methods, reason = "a test may read its surroundings; the core may not")]

mod bed;
mod twin;
mod world;

use bed::*;
use parloir_core::call::{Cause, Kind};
use parloir_core::*;
use std::collections::{BTreeMap, BTreeSet};
use world::{Dice, World};

fn env(name: &str, or: u64) -> u64 {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(or)
}

/// One run; its log.
fn run(seed: u64, steps: u64, rows: &mut BTreeMap<(Kind, Cause), u64>) -> World {
    let mut dice = Dice(seed | 1);
    let mut world = World::new(&mut dice);
    for _ in 0..steps {
        world.wait(&mut dice, rows);
        let event = if dice.one_in(world.mood.chaos) { world.chaos(&mut dice) } else { world.sensible(&mut dice) };
        if std::env::var_os("TRACE").is_some() {
            eprintln!("{} {:?} {event:?}", world.now, world.state.call_kind());
        }
        world.step(event);
        world.count_rows(rows);
        if world.stopped && world.state.call_kind() == Kind::Idle {
            break;
        }
    }
    world
}

/// Rows that move the machine and that no event can bring: the table has them so that it fails closed.
fn unreachable(kind: Kind, cause: Cause) -> bool {
    use Cause::*;
    match kind {
        Kind::Ringing => false,
        Kind::Asking => matches!(cause, ProcessSpent | SlotOver | LeaseOver | BeatMissing | Settled | FarLeft),
        // After the first death a visit is never joining again.
        Kind::Joining => matches!(cause, ProcessSpent | SlotOver | Settled),
        Kind::Live => matches!(cause, GateRefused | TimeUp | Settled),
        Kind::Held => matches!(cause, GateRefused | SlotOver | Settled),
        Kind::Idle | Kind::Closing => false,
    }
}

#[test]
fn a_million_random_events_break_no_invariant() {
    let (seed, events) = (env("SEED", 20_261_121), env("EVENTS", 1_500_000));
    let steps = 1000;
    let mut rows = BTreeMap::new();
    let (mut done, mut effects, mut number) = (0, 0, 0_u64);
    let (mut seen, mut shifts) = (BTreeSet::new(), BTreeMap::new());
    while done < events {
        let this = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(number);
        let walked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| run(this, steps, &mut rows)));
        let world = walked.unwrap_or_else(|_| panic!("SEED={seed}: run {number} (dice {this}) broke; see above"));
        seen.extend(world.seen.iter().copied());
        for (row, times) in &world.shifts {
            *shifts.entry(*row).or_default() += times;
        }
        (done, effects, number) = (done + world.log.len() as u64, effects + world.effects, number + 1);
    }
    let live: u64 = rows.iter().filter(|((kind, _), _)| kind.opens_doors()).map(|(_, n)| n).sum();
    println!("SEED={seed}: {live} causes in open doors; {done} events, {effects} effects, {} rows used", rows.len());
    for (name, place) in seen {
        let code = Code::from_name(name).map(Code::places);
        let places = code.or(EndReason::from_name(name).map(EndReason::places)).expect("a code of the printed list");
        assert!(places.contains(&place), "{name} was seen at {place:?}, which docs/refusals.md does not say");
    }
    if std::env::var_os("EVENTS").is_none() {
        covered(&rows);
        shifted(&shifts);
    }
}

/// The same of the table `Maintenance`.
fn shifted(shifts: &BTreeMap<(maintenance::Kind, maintenance::Cause), u64>) {
    for kind in maintenance::Kind::ALL {
        for cause in maintenance::Cause::ALL {
            let used = shifts.get(&(*kind, *cause)).copied().unwrap_or(0);
            let moves = maintenance::next(*kind, *cause) != *kind;
            assert!(!moves || used >= 10, "{} × {}: {used}", kind.name(), cause.name());
        }
    }
}

/// Every row that moves the machine was used often, but for those that cannot be, and those were not.
fn covered(rows: &BTreeMap<(Kind, Cause), u64>) {
    let mut missing = Vec::new();
    for kind in Kind::ALL {
        for cause in Cause::ALL {
            let moves = call::next(*kind, *cause) != *kind;
            let used = rows.get(&(*kind, *cause)).copied().unwrap_or(0);
            if moves && (unreachable(*kind, *cause) == (used > 0) || (used > 0 && used < 10)) {
                missing.push(format!("{} × {}: {used}", kind.name(), cause.name()));
            }
        }
    }
    assert!(missing.is_empty(), "rows used too seldom, or used although thought unreachable:\n{}", missing.join("\n"));
}

#[test]
fn the_same_log_makes_the_same_effects() {
    let mut rows = BTreeMap::new();
    for seed in 1..40 {
        let world = run(seed * 7919, 500, &mut rows);
        let (mut one, mut two) = (State::new(settings()), State::new(settings()));
        for (at, event) in world.log {
            let now = Now { mono_ms: at };
            assert_eq!(one.step(now, event.clone()), two.step(now, event));
        }
        assert_eq!(format!("{one:?}"), format!("{two:?}"));
    }
}
