//! Owns: the table "What a loss does in each state", found by running the machine: a box is brought into the state, the loss happens, and
//! what follows is written down.
//! Never: a cell that nobody ran.
//! Called by: docs.rs, which compares with `docs/tables.md`.

use crate::bed::*;
use parloir_core::call::Kind;
use parloir_core::*;
use parloir_pass::*;
use std::fmt::Write as _;

type Enter = fn(&mut Bed);
type Lose = fn(&mut Bed) -> Vec<Effect>;

const STATES: [(&str, Enter); 7] = [
    ("Idle", |_| ()),
    ("Ringing", |bed| drop(bed.step(Event::Ring(ring())))),
    ("Asking", |bed| {
        bed.ask();
    }),
    ("Joining", Bed::joining),
    ("Live", |bed| {
        bed.live();
        drop(bed.good_visit(10_000));
    }),
    ("Held", |bed| {
        bed.live();
        bed.good_visit(10_000);
        drop(bed.own(false));
    }),
    ("Closing", |bed| {
        bed.live();
        bed.good_visit(10_000);
        drop(bed.end());
    }),
];

const LOSSES: [(&str, Lose); 10] = [
    ("gate gone, or silent for 2 s", |bed| bed.gate(GateFact::Gone)),
    ("arbiter started again", started_again),
    ("arbiter told to stop", |bed| bed.step(Event::Stopping)),
    ("screen gone, back within 2 s", |bed| {
        let mut effects = bed.step(Event::OwnerGone { owner: screen() });
        effects.extend(statements_for(bed, 2));
        effects.extend(bed.attach(other()));
        effects
    }),
    ("screen gone for good", |bed| {
        let mut effects = bed.step(Event::OwnerGone { owner: screen() });
        effects.extend(statements_for(bed, 5));
        effects
    }),
    ("screen hangs or lies, the end key pressed", |bed| {
        let mut effects = bed.press(Stroke::BackDown);
        effects.extend(statements_for(bed, 1));
        effects
    }),
    ("link gone, or the broker", |bed| bed.step(Event::Online { up: false, fresh: SITE })),
    ("call process died", |bed| {
        let lease = bed.call_id();
        let asking = bed.state.call_kind() == Kind::Asking;
        if asking { bed.fact(CallFact::HungUp) } else { bed.gate(GateFact::CallGone { lease }) }
    }),
    ("call process silent for 4 s", |bed| {
        let mut effects = Vec::new();
        for _ in 0..4 {
            effects.extend(bed.pass_in_silence(1_000));
            if bed.state.call_kind() == Kind::Live {
                bed.decoded_ms += 1_000;
                effects.extend(bed.far(true));
            }
        }
        effects
    }),
    ("facility silent for good", |bed| {
        let mut effects = Vec::new();
        for _ in 0..120 {
            effects.extend(bed.pass(1_000));
            if bed.state.call_kind() == Kind::Live {
                bed.decoded_ms += 1_000;
                effects.extend(bed.far(true));
            }
        }
        effects
    }),
];

fn ring() -> Ring {
    let (ring, class, media) = (Id([0x81; 16]), Class::Family, Media::Video);
    Ring { v: 1, site: SITE, device: DEVICE, ring, person: PERSON, contact: ANA, class, media, at: NOON }
}

fn statements_for(bed: &mut Bed, seconds: u64) -> Vec<Effect> {
    let mut effects = Vec::new();
    for _ in 0..seconds {
        effects.extend(bed.pass(1_000));
        if bed.state.call_kind() == Kind::Live {
            bed.decoded_ms += 1_000;
            effects.extend(bed.far(true));
        }
    }
    effects
}

/// What the next arbiter knows is what lies on the disk: the open-visit record, if a visit was admitted and not closed.
fn started_again(bed: &mut Bed) -> Vec<Effect> {
    let visit = bed.state.call_kind().opens_doors() || bed.state.call_kind() == Kind::Closing;
    let record = visit.then(|| bed.last_record.clone()).flatten();
    let mut next = Bed::bare();
    next.now = bed.now + 1_000;
    let mut effects = Vec::new();
    if let Some(receipt) = record {
        effects.extend(next.step(Event::Recovered { receipt: Box::new(receipt), rebooted: false }));
    }
    next.step(Event::Entitlement(Box::new(entitlement())));
    next.step(Event::Policy(Box::new(policy())));
    next.gate(GateFact::Hello { device: DEVICE });
    *bed = next;
    effects
}

/// `Live → Closing, GateLost`: the states that were passed, and what the screen says in the end.
fn outcome(enter: Enter, lose: Lose) -> String {
    let mut bed = Bed::new();
    enter(&mut bed);
    let before = bed.state.call_kind();
    let mut effects = lose(&mut bed);
    let after = bed.state.call_kind();
    let relaunched = effects.iter().any(|e| matches!(e, Effect::Gate(ToGate::Relaunch { .. })));
    if after == Kind::Closing && before != Kind::Closing {
        effects.extend(bed.shut());
        effects.extend(bed.pass(3_000));
    }
    let told = bed.state.view().outcome.map_or("", |outcome| outcome.code);
    if (before, told) == (Kind::Closing, "PersonEnded") {
        return "·".to_owned();
    }
    let receipt = receipt(&effects).is_some();
    let mut cell = match (before == after, told) {
        (true, "") => "·".to_owned(),
        (false, "") => format!("→ {}", bed.state.call_kind().name()),
        (_, code) => format!("ends: {code}"),
    };
    if relaunched {
        cell += ", started again";
    }
    if receipt {
        cell += ", receipt";
    }
    cell
}

/// The table as Markdown.
pub fn markdown() -> String {
    let mut out = String::from(
        "\n## What a loss does in each state\n\nFound by running the machine; a dot: nothing changes for the person. Whatever ends closes \
         every door in the same step, by our word or, where gate or arbiter is lost, by gate's own rule.\n\n",
    );
    let heads: Vec<_> = STATES.iter().map(|(name, _)| *name).collect();
    let _ = writeln!(out, "| | {} |\n|{}", heads.join(" | "), " --- |".repeat(heads.len() + 1));
    for (loss, lose) in LOSSES {
        let cells: Vec<_> = STATES.iter().map(|(_, enter)| outcome(*enter, lose)).collect();
        let _ = writeln!(out, "| **{loss}** | {} |", cells.join(" | "));
    }
    out
}
