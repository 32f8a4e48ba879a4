//! Owns: rows in which the visitor does what visitors do: does not come, says no, leaves, reloads, opens the link twice.
//! Never: the network's faults.
//! Called by: the list of rows.

use std::time::Duration;

use serde_json::json;

use super::{On, Row, ends, goes_on, refused};
use crate::faults::cells::ABSENT_S;
use crate::faults::rig::Rig;
use crate::faults::verdict::{Door, Expect, Paper, SHUT_LIMIT_MS};
use crate::play::Halt;

/// Those on paper first, then those of a browser.
pub const ROWS: &[Row] = &[
    row("visitor-refuses", "the visitor says not now", refuses, refused(&["VisitorDeclined"])),
    row("visitor-never-comes", "the visitor's page rings and nobody joins", never_comes, absent()),
    row(
        "visitor-joins-twice",
        "the visitor's page says Join twice, the second time with another certificate",
        joins_twice,
        goes_on(&["joining"], 15),
    ),
    browser("visitor-refuses-camera", "the visitor's browser may not use camera and microphone", refuses_camera, absent()),
    browser("visitor-leaves", "the visitor ends the visit", leaves, ends(&["VisitorLeft"], Door::Within(SHUT_LIMIT_MS), 15)),
    browser(
        "visitor-reloads",
        "the visitor reloads the page in a visit; the browser kept its certificate",
        reloads_with,
        resumes(),
    ),
    browser(
        "visitor-reloads-anew",
        "the visitor reloads the page in a visit; the browser lost its certificate",
        reloads_without,
        resumes(),
    ),
    browser("visitor-second-window", "the visitor opens the link a second time in a visit", second_window, resumes()),
    Row {
        ci: false,
        ..browser("visitor-closes", "the visitor closes the page in a visit and does not come back", closes, lost())
    },
];

const fn row(name: &'static str, fault: &'static str, course: fn(&mut Rig) -> Result<(), Halt>, expect: Expect) -> Row {
    Row { name, fault, on: On::Shared, ci: true, course, expect }
}

const fn browser(name: &'static str, fault: &'static str, course: fn(&mut Rig) -> Result<(), Halt>, expect: Expect) -> Row {
    Row { on: On::Browser, ..row(name, fault, course, expect) }
}

const fn absent() -> Expect {
    Expect { within_s: ABSENT_S + 10, ..refused(&["VisitorAbsent"]) }
}

/// Live again; what passed while the page was away is not counted by either side.
const fn resumes() -> Expect {
    Expect { receipt: Paper::Less(3, &["PersonEnded"]), ..goes_on(&["live"], 30) }
}

/// Held for a minute, then over.
const fn lost() -> Expect {
    ends(&["MediaLost"], Door::Due(66), 80)
}

fn refuses(rig: &mut Rig) -> Result<(), Halt> {
    rig.with_paper()?;
    rig.asking()?;
    rig.until("ringing at the page", 15, |rig| rig.paper.as_ref().is_some_and(|paper| paper.rings().is_some()))?;
    rig.fault();
    if let Some((paper, call)) = rig.paper.as_ref().and_then(|paper| Some((paper, paper.rings()?))) {
        paper.say(&json!({ "type": "decline", "call": call }));
    }
    Ok(())
}

fn never_comes(rig: &mut Rig) -> Result<(), Halt> {
    rig.with_paper()?;
    rig.asking()?;
    rig.fault();
    Ok(())
}

fn joins_twice(rig: &mut Rig) -> Result<(), Halt> {
    rig.joining()?;
    rig.fault();
    let call = rig.trail.stands.call.clone();
    if let Some(paper) = &rig.paper {
        let other = "A".repeat(43);
        paper.say(&json!({ "type": "join", "call": call, "certificate": other, "statement_key": crate::faults::paper::KEY }));
    }
    rig.idle(Duration::from_secs(2))
}

fn refuses_camera(rig: &mut Rig) -> Result<(), Halt> {
    rig.with_guest(true)?;
    // No visit comes of it: there is nothing to count.
    rig.real_visit = false;
    rig.mending.push(Box::new(|rig| {
        rig.guest_does(&json!({ "do": "camera", "allow": true }))?;
        rig.guest_does(&json!({ "do": "goto" }))
    }));
    rig.guest_does(&json!({ "do": "camera", "allow": false }))?;
    rig.guest(&json!({ "do": "goto" }))?;
    rig.until("the page that asks for a camera", 20, |rig| rig.trail.stands.view == "check")?;
    rig.fault();
    rig.asking()
}

fn leaves(rig: &mut Rig) -> Result<(), Halt> {
    rig.live()?;
    rig.idle(Duration::from_secs(3))?;
    rig.fault();
    rig.guest(&json!({ "do": "leave" }))
}

fn closes(rig: &mut Rig) -> Result<(), Halt> {
    rig.live()?;
    rig.idle(Duration::from_secs(3))?;
    rig.fault();
    rig.guest(&json!({ "do": "close" }))
}

fn reloads_with(rig: &mut Rig) -> Result<(), Halt> {
    reloads(rig, true)
}

fn reloads_without(rig: &mut Rig) -> Result<(), Halt> {
    reloads(rig, false)
}

fn reloads(rig: &mut Rig, keep: bool) -> Result<(), Halt> {
    rig.live()?;
    rig.idle(Duration::from_secs(3))?;
    rig.fault();
    rig.guest(&json!({ "do": "reload", "keep": keep }))?;
    rig.until("held", 15, |rig| rig.trail.phase() == "held")
}

fn second_window(rig: &mut Rig) -> Result<(), Halt> {
    rig.live()?;
    rig.idle(Duration::from_secs(3))?;
    rig.fault();
    rig.unwatched = true;
    rig.guest_does(&json!({ "do": "second" }))?;
    // The other window took the visit over and was closed: the visitor comes back to the first.
    rig.guest(&json!({ "do": "reload", "keep": true }))?;
    rig.idle(Duration::from_secs(3))
}
