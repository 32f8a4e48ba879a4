//! Owns: a walk of many runs, one after the other, and what it used of the printed tables.
//! Never: finds a run that cannot be found again: a failure prints seed, run and step.
//! Called by: walk.rs (a short one, with every build), judge_walk.rs (a million events, and more).

use super::cells::Cells;
use super::{Dice, World};
use parloir_core::call::Kind;
use parloir_core::*;
use std::collections::BTreeSet;

pub fn env(name: &str, or: u64) -> u64 {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(or)
}

/// One run; its log.
pub fn run(seed: u64, steps: u64) -> World {
    let mut dice = Dice(seed | 1);
    let mut world = World::new(&mut dice);
    for _ in 0..steps {
        world.wait(&mut dice);
        let event = if dice.one_in(world.mood.chaos) { world.chaos(&mut dice) } else { world.sensible(&mut dice) };
        if std::env::var_os("TRACE").is_some() {
            eprintln!("{} {:?} {event:?}", world.now, world.state.call_kind());
        }
        world.step(event);
        if world.stopped && world.state.call_kind() == Kind::Idle {
            break;
        }
    }
    world
}

/// What a walk came across.
#[derive(Debug, Default)]
pub struct Walked {
    pub runs: u64,
    pub events: u64,
    pub effects: u64,
    pub cells: Cells,
}

/// Runs of a thousand steps until there were so many events.
pub fn walk(seed: u64, events: u64) -> Walked {
    let steps = 1000;
    let mut all = Walked::default();
    let mut seen = BTreeSet::new();
    while all.events < events {
        let this = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(all.runs);
        let walked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| run(this, steps)));
        let world = walked.unwrap_or_else(|_| panic!("SEED={seed}: run {} (dice {this}) broke; see above", all.runs));
        seen.extend(world.seen.iter().copied());
        all.cells.add(&world.cells);
        all.events += world.log.len() as u64;
        all.effects += world.effects;
        all.runs += 1;
    }
    for (name, place) in seen {
        let code = Code::from_name(name).map(Code::places);
        let places = code.or(EndReason::from_name(name).map(EndReason::places)).expect("a code of the printed list");
        assert!(places.contains(&place), "{name} was seen at {place:?}, which docs/refusals.md does not say");
    }
    all
}

impl Walked {
    /// Events that brought a cause while doors were open.
    pub fn in_open_doors(&self) -> u64 {
        self.cells.call.iter().filter(|((kind, _), _)| kind.opens_doors()).map(|(_, n)| n).sum()
    }
}
