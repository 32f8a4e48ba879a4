//! Owns: a walk of many runs, one after the other, and what it used of the printed tables.
//! Never: finds a run that cannot be found again: a failure prints seed, run and step.
//! Called by: walk.rs (a short one, with every build), judge_walk.rs (a million events, and more).

use super::{Dice, World};
use parloir_core::call::{Cause, Kind};
use parloir_core::*;
use std::collections::{BTreeMap, BTreeSet};

pub fn env(name: &str, or: u64) -> u64 {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(or)
}

/// One run; its log.
pub fn run(seed: u64, steps: u64, rows: &mut BTreeMap<(Kind, Cause), u64>) -> World {
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

/// What a walk came across.
#[derive(Debug, Default)]
pub struct Walked {
    pub runs: u64,
    pub events: u64,
    pub effects: u64,
    /// How often each row of the tables `Call` and `Maintenance` was used.
    pub rows: BTreeMap<(Kind, Cause), u64>,
    pub shifts: BTreeMap<(maintenance::Kind, maintenance::Cause), u64>,
}

/// Runs of a thousand steps until there were so many events.
pub fn walk(seed: u64, events: u64) -> Walked {
    let steps = 1000;
    let mut all = Walked::default();
    let mut seen = BTreeSet::new();
    while all.events < events {
        let this = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(all.runs);
        let walked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| run(this, steps, &mut all.rows)));
        let world = walked.unwrap_or_else(|_| panic!("SEED={seed}: run {} (dice {this}) broke; see above", all.runs));
        seen.extend(world.seen.iter().copied());
        for (row, times) in &world.shifts {
            *all.shifts.entry(*row).or_default() += times;
        }
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
        self.rows.iter().filter(|((kind, _), _)| kind.opens_doors()).map(|(_, n)| n).sum()
    }
}

/// The same of the table `Maintenance`.
pub fn shifted(shifts: &BTreeMap<(maintenance::Kind, maintenance::Cause), u64>) {
    for kind in maintenance::Kind::ALL {
        for cause in maintenance::Cause::ALL {
            let used = shifts.get(&(*kind, *cause)).copied().unwrap_or(0);
            let moves = maintenance::next(*kind, *cause) != *kind;
            assert!(!moves || used > 0, "{} × {}: {used}", kind.name(), cause.name());
        }
    }
}

/// Every row that moves the machine was used, but for those that cannot be, and those were not.
pub fn covered(rows: &BTreeMap<(Kind, Cause), u64>) {
    let mut missing = Vec::new();
    for kind in Kind::ALL {
        for cause in Cause::ALL {
            let moves = call::next(*kind, *cause) != *kind;
            let used = rows.get(&(*kind, *cause)).copied().unwrap_or(0);
            if moves && unreachable(*kind, *cause) == (used > 0) {
                missing.push(format!("{} × {}: {used}", kind.name(), cause.name()));
            }
        }
    }
    assert!(missing.is_empty(), "rows not used, or used although thought unreachable:\n{}", missing.join("\n"));
}
