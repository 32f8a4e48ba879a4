//! Owns: the exploration: every move in every state that can be reached, each state once, breadth first, until nothing is new or the bound.
//! Never: a state that the core did not make: what is kept of one is the moves that lead there.
//! Called by: judge_explore.rs.

pub mod key;
pub mod moves;
pub mod world;

use crate::world::cells::Cells;
use crate::world::never;
use moves::MOVES;
use parloir_core::never::Never;
use parloir_core::{call, maintenance};
use std::collections::HashSet;
use world::World;

/// How far to go.
pub struct Bound {
    /// So many states are gone on from.
    pub expanded: usize,
    pub seconds: u64,
}

/// A state, by the way that leads there: from that one, by that move; a root has itself and the number of the root.
#[derive(Clone, Copy)]
struct Way {
    from: u32,
    by: u8,
}

/// What was found.
#[derive(Default)]
pub struct Explored {
    pub states: usize,
    pub expanded: usize,
    pub moves: u64,
    pub steps: u64,
    pub depth: usize,
    /// Nothing new is left: every state was expanded.
    pub whole: bool,
    pub by_depth: Vec<usize>,
    pub cells: Cells,
}

/// Where it begins: the moves that lead to each root.
pub type Root = (&'static str, fn() -> World);

impl Explored {
    /// In words, for the log and the record.
    pub fn words(&self) -> String {
        let bound = if self.whole { "nothing new is left" } else { "the bound was reached, not the end" };
        format!(
            "exploration of Call, Camera, Remote, Maintenance and Session: {} states found, {} of them gone on from by every one of {} moves ({} moves, {} \
             steps of the core), whole to a depth of {} moves; {bound}; 0 invariants broken, silence leads home from each",
            self.states,
            self.expanded,
            MOVES.len(),
            self.moves,
            self.steps,
            self.depth
        )
    }
}

struct Search {
    roots: Vec<World>,
    ways: Vec<Way>,
    seen: HashSet<u64>,
    found: Explored,
}

pub fn explore(roots: &[Root], bound: &Bound) -> Explored {
    let began = std::time::Instant::now();
    let mut search = Search { roots: Vec::new(), ways: Vec::new(), seen: HashSet::new(), found: Explored::default() };
    let mut level = Vec::new();
    for (number, (_, make)) in roots.iter().enumerate() {
        let world = make();
        search.count(&world);
        if search.seen.insert(world.hash()) {
            let me = search.ways.len() as u32;
            search.ways.push(Way { from: me, by: number as u8 });
            level.push(me);
        }
        search.roots.push(world);
    }
    while !level.is_empty() {
        search.found.by_depth.push(level.len());
        let mut next = Vec::new();
        for at in &level {
            if search.found.expanded >= bound.expanded || began.elapsed().as_secs() >= bound.seconds {
                return search.done(false);
            }
            search.expand(*at, &mut next);
        }
        search.found.depth += 1;
        level = next;
    }
    search.done(true)
}

impl Search {
    fn done(mut self, whole: bool) -> Explored {
        self.found.states = self.ways.len();
        self.found.whole = whole;
        self.found
    }

    fn expand(&mut self, at: u32, next: &mut Vec<u32>) {
        let world = self.replay(at);
        self.leads_home(&world, at);
        for why in Never::ALL {
            let holds = never::holds(*why, &world.state, world.now, world.call, world.ask.as_ref());
            assert!(holds, "{why:?} is not so after {:?}", self.way(at, "nothing more"));
        }
        for (by, (name, happens)) in MOVES.iter().enumerate() {
            let mut after = world.clone();
            let walked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                happens(&mut after);
                after.hash()
            }));
            let Ok(hash) = walked else { panic!("broken by the last of: {:?}", self.way(at, name)) };
            self.found.moves += 1;
            self.count(&after);
            if self.seen.insert(hash) {
                next.push(self.ways.len() as u32);
                self.ways.push(Way { from: at, by: by as u8 });
            }
        }
        self.found.expanded += 1;
    }

    /// From everywhere silence alone leads home, with every door shut.
    fn leads_home(&self, world: &World, at: u32) {
        let mut world = world.clone();
        world.pass_at_once(31 * 60_000);
        let home = world.state.call_kind() == call::Kind::Idle && world.state.maintenance_kind() == maintenance::Kind::Idle;
        assert!(home && world.door.is_none(), "silence does not lead home after {:?}", self.way(at, "31 min"));
    }

    fn way(&self, at: u32, last: &'static str) -> Vec<&'static str> {
        let mut names = vec![last];
        let mut at = at;
        while self.ways[at as usize].from != at {
            names.push(MOVES[usize::from(self.ways[at as usize].by)].0);
            at = self.ways[at as usize].from;
        }
        names.push("root");
        names.reverse();
        names
    }

    fn replay(&self, at: u32) -> World {
        let mut moves = Vec::new();
        let mut at = at;
        while self.ways[at as usize].from != at {
            moves.push(usize::from(self.ways[at as usize].by));
            at = self.ways[at as usize].from;
        }
        let mut world = self.roots[usize::from(self.ways[at as usize].by)].clone();
        for by in moves.into_iter().rev() {
            MOVES[by].1(&mut world);
        }
        world.used = world::Used::default();
        world
    }

    fn count(&mut self, world: &World) {
        self.found.steps += world.used.steps;
        self.found.cells.add(&world.used.cells);
    }
}
