//! Owns: rows in which what the box needs around it is not there: broker, facility, relay, renewals; and staff who end a visit.
//! Never: the box's own processes; those are the matrix.
//! Called by: the list of rows.

use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::json;

use super::{On, Row, ends, goes_on, refused, refused_at_home};
use crate::faults::cells::{BEAT_EVERY_S, BEAT_GRACE_S};
use crate::faults::rig::Rig;
use crate::faults::verdict::{Door, Expect, Paper, SHUT_LIMIT_MS};
use crate::play::Halt;

/// Before a visit.
pub const BEFORE: &[Row] = &[
    row(
        "broker-down",
        "the broker is down when somebody calls",
        broker_down,
        restarts(refused_at_home(&["Offline"]), &["broker"]),
    ),
    row(
        "broker-back",
        "the broker was down for 10 s before somebody calls",
        broker_back,
        restarts(goes_on(&["joining"], 20), &["broker"]),
    ),
    row(
        "facility-back",
        "the facility was down for 10 s before somebody calls",
        facility_back,
        restarts(goes_on(&["joining"], 20), &["facility"]),
    ),
    row(
        "facility-asked-10s",
        "the facility goes down when it was asked, for 10 s",
        facility_asked,
        restarts(goes_on(&["joining"], 40), &["facility"]),
    ),
    soak(
        "facility-down",
        "the facility is down when somebody calls",
        facility_down,
        Expect { within_s: 75, ..restarts(refused(&["NoAnswer"]), &["facility"]) },
    ),
    soak(
        "relay-down",
        "the relay is down when a visit is granted",
        relay_down,
        restarts(ends(&["NeverConnected"], Door::Due(61), 75), &["relay"]),
    ),
];

/// In a visit.
pub const DURING: &[Row] = &[
    browser("deny", "staff end the visit", deny, ends(&["Revoked"], Door::Within(SHUT_LIMIT_MS), 15)),
    browser("beat-missing", "the facility's renewals stop", beats_stop, ends(&["BeatMissing"], BEATLESS, 30)),
    browser("broker-10s", "the broker is down for 10 s in a visit", |rig| away(rig, "broker"), back(&["broker"])),
    browser("facility-10s", "the facility is down for 10 s in a visit", |rig| away(rig, "facility"), back(&["facility"])),
    browser_soak(
        "broker-gone",
        "the broker goes down in a visit and does not come back",
        |rig| gone(rig, "broker"),
        over(&["broker"]),
    ),
    soak(
        "facility-gone",
        "the facility goes down in a visit and does not come back",
        |rig| gone(rig, "facility"),
        over(&["facility"]),
    ),
    browser(
        "relay-back",
        "the relay is started anew in a visit",
        relay_back,
        restarts(less(5, goes_on(&["live"], 55)), &["relay"]),
    ),
    soak(
        "relay-gone",
        "the relay goes down in a visit and does not come back",
        |rig| gone(rig, "relay"),
        restarts(ends(&["MediaLost"], Door::Due(66), 80), &["relay"]),
    ),
];

/// When the last beat's time and the grace are over.
const BEATLESS: Door = Door::Due(BEAT_EVERY_S + BEAT_GRACE_S);
const TEN: Duration = Duration::from_secs(10);

const fn row(name: &'static str, fault: &'static str, course: fn(&mut Rig) -> Result<(), Halt>, expect: Expect) -> Row {
    Row { name, fault, on: On::Shared, ci: true, course, expect }
}

const fn soak(name: &'static str, fault: &'static str, course: fn(&mut Rig) -> Result<(), Halt>, expect: Expect) -> Row {
    Row { ci: false, ..row(name, fault, course, expect) }
}

const fn browser(name: &'static str, fault: &'static str, course: fn(&mut Rig) -> Result<(), Halt>, expect: Expect) -> Row {
    Row { on: On::Browser, ..row(name, fault, course, expect) }
}

const fn browser_soak(name: &'static str, fault: &'static str, course: fn(&mut Rig) -> Result<(), Halt>, expect: Expect) -> Row {
    Row { ci: false, ..browser(name, fault, course, expect) }
}

const fn restarts(expect: Expect, restarts: &'static [&'static str]) -> Expect {
    Expect { restarts, ..expect }
}

/// The far side's word did not come for a while, so it does not count.
const fn less(seconds: u64, expect: Expect) -> Expect {
    match expect.receipt {
        Paper::One(reasons) => Expect { receipt: Paper::Less(seconds, reasons), ..expect },
        _ => expect,
    }
}

const fn back(names: &'static [&'static str]) -> Expect {
    restarts(less(15, goes_on(&["live"], 40)), names)
}

const fn over(names: &'static [&'static str]) -> Expect {
    restarts(less(BEAT_EVERY_S + BEAT_GRACE_S, ends(&["BeatMissing"], BEATLESS, 30)), names)
}

fn broker_down(rig: &mut Rig) -> Result<(), Halt> {
    rig.fault();
    rig.down("broker")?;
    rig.idle(Duration::from_secs(1))?;
    rig.ok()
}

fn outage(rig: &mut Rig, name: &str) -> Result<(), Halt> {
    rig.fault();
    rig.down(name)?;
    rig.idle(TEN)?;
    rig.up(name)
}

fn broker_back(rig: &mut Rig) -> Result<(), Halt> {
    outage(rig, "broker")?;
    rig.until("the box at the broker", 30, |rig| rig.trail.stands.online && rig.trail.told("attached"))?;
    rig.joining()
}

fn facility_back(rig: &mut Rig) -> Result<(), Halt> {
    outage(rig, "facility")?;
    rig.until("the facility", 20, |rig| rig.trail.told("ready"))?;
    rig.joining()
}

fn facility_asked(rig: &mut Rig) -> Result<(), Halt> {
    rig.asking()?;
    outage(rig, "facility")?;
    rig.until("the facility", 20, |rig| rig.trail.told("ready"))?;
    rig.with_paper()?;
    rig.paper_joins()
}

fn facility_down(rig: &mut Rig) -> Result<(), Halt> {
    rig.fault();
    rig.down("facility")?;
    rig.ok()
}

fn relay_down(rig: &mut Rig) -> Result<(), Halt> {
    rig.with_guest(true)?;
    rig.fault();
    rig.down("relay")?;
    rig.ok()?;
    rig.until("joining", 20, |rig| rig.trail.phase() == "joining")
}

fn settled(rig: &mut Rig) -> Result<(), Halt> {
    rig.live()?;
    rig.idle(Duration::from_secs(3))
}

fn deny(rig: &mut Rig) -> Result<(), Halt> {
    settled(rig)?;
    let grant = rig.trail.stands.grant.clone();
    rig.fault();
    rig.console(&json!({ "do": "deny", "target": { "grant": grant }, "words": "", "code": "Revoked" }))
}

fn beats_stop(rig: &mut Rig) -> Result<(), Halt> {
    settled(rig)?;
    rig.fault();
    rig.console(&json!({ "do": "beats", "on": false }))
}

fn away(rig: &mut Rig, name: &str) -> Result<(), Halt> {
    settled(rig)?;
    outage(rig, name)
}

fn gone(rig: &mut Rig, name: &str) -> Result<(), Halt> {
    settled(rig)?;
    rig.fault();
    rig.down(name)
}

fn relay_back(rig: &mut Rig) -> Result<(), Halt> {
    settled(rig)?;
    rig.fault();
    rig.hurt("relay", Signal::SIGKILL)?;
    rig.until("held", 15, |rig| rig.trail.phase() == "held")
}
