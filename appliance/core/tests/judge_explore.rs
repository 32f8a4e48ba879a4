//! Owns: the exploration of Call, Camera, Remote and Maintenance together: every move in every state, all invariants after each step.
//! Never: an order that somebody thought of.
//! Called by: `scripts/test judge`; `scripts/soak judge` (until nothing is new, or PARLOIR_JUDGE_MINUTES).
#![allow(clippy::disallowed_methods, reason = "a test may read its surroundings; the core may not")]
#![allow(dead_code, reason = "of the walk's rooms not all is needed here")]

mod bed;
mod explore;
mod twin;
mod world;

use explore::world::{Words, World};
use explore::{Bound, explore};
use parloir_core::{call, camera, maintenance, remote, session};
use std::io::Write as _;

/// Of the five tables.
const CELLS: usize = call::Kind::ALL.len() * call::Cause::ALL.len()
    + camera::Kind::ALL.len() * camera::Cause::ALL.len()
    + remote::Kind::ALL.len() * remote::Cause::ALL.len()
    + maintenance::Kind::ALL.len() * maintenance::Cause::ALL.len()
    + session::Kind::ALL.len() * session::Cause::ALL.len();

fn home() -> World {
    let mut world = World::bare();
    for name in [
        "gate: hello",
        "Authority",
        "SitePolicy",
        "Entitlement",
        "broker connected",
        "time statement",
        "screen attaches",
        "screen takes the keys",
    ] {
        world.play(name);
    }
    world
}

/// A site that asks for a code; somebody is signed in.
fn shared() -> World {
    let mut world = home();
    for name in ["SitePolicy that asks for codes", "Agenda", "OK down", "SignIn", "a whole code", "the code's person"] {
        world.play(name);
    }
    world
}

fn joined() -> World {
    let mut world = home();
    for name in
        ["OK down", "Place", "certificate made", "gate: prepared", "a grant that fits", "gate: opened", "call: far verified"]
    {
        world.play(name);
    }
    world
}

fn live() -> World {
    let mut world = joined();
    world.play("call: decodes");
    world.play("visitor decodes");
    world
}

/// A visit in which what may be done a few times was done but for once.
fn worn() -> World {
    let mut world = joined();
    for _ in 0..2 {
        world.play("gate: call is gone");
        world.play("gate: relaunched");
    }
    for _ in 0..7 {
        world.play("call: the far side begins anew");
    }
    for _ in 0..3 {
        world.play("ask again");
        world.play("Deny of another question");
        world.pass(5001, Words { breath: true, far: false, beats: true });
    }
    world
}

#[test]
fn every_move_in_every_state() {
    let record = std::env::var_os("PARLOIR_JUDGE_RECORD");
    let minutes = world::course::env("PARLOIR_JUDGE_MINUTES", 60);
    let states = world::course::env("STATES", 3000) as usize;
    // By number here, so that a slow machine finds the same.
    let bound = if record.is_some() {
        Bound { expanded: usize::MAX, seconds: minutes * 60 }
    } else {
        Bound { expanded: states, seconds: 3600 }
    };
    let found = explore(&[("home", home), ("live", live), ("worn", worn), ("shared", shared)], &bound);
    let mut cells = found.cells.clone();
    // What only a long way leads to: the eighth offer, the fourth death, an answer that comes too late.
    cells.add(&world::course::walk(20_261_122, 400_000).cells);
    let wrong = world::never::wrong(&cells);
    println!("judge: {}", found.words());
    println!(
        "judge: cells of the five tables: {} reached, {} never, each reason true in all {} states",
        cells.len(),
        CELLS - cells.len(),
        found.expanded
    );
    assert!(wrong.is_empty(), "cells that are not as marked:\n{}", wrong.join("\n"));
    if let Some(record) = record {
        let commit = std::env::var("PARLOIR_JUDGE_COMMIT").unwrap_or_default();
        let mut file = std::fs::OpenOptions::new().append(true).create(true).open(record).expect("the record opens");
        writeln!(file, "\n## Exploration\n\nCommit `{commit}`. {}.", found.words()).expect("the record is written");
    }
}
