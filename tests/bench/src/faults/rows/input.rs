//! Owns: rows with hostile input: a second call, oversized and malformed bodies from the facility's side, a hostile page, hostile callers on the bus.
//! Never: a check of single parsers; they have tests and fuzz targets of their own.
//! Called by: the list of rows.

use std::time::Duration;

use parloir_link::topic::{KINDS, MAX_BODY, Way};
use serde_json::json;

use super::{On, Row, goes_on};
use crate::faults::paper::{Paper as Page, frame};
use crate::faults::rig::Rig;
use crate::faults::verdict::Expect;
use crate::play::Halt;

/// All of them while doors are open: whatever is said, the visit goes on, and nothing else opens.
pub const ROWS: &[Row] = &[
    row("second-ring", "somebody else calls in during a visit", second_ring, goes_on(&["joining"], 15)),
    row("hostile-callers", "strangers on the bus call every method during a visit", hostile_callers, goes_on(&["joining"], 20)),
    row(
        "malformed",
        "every kind of body comes oversized, truncated, random and as another kind during a visit",
        malformed,
        goes_on(&["joining"], 40),
    ),
    row("hostile-page", "the visitor's page says what no page says", hostile_page, goes_on(&["joining"], 20)),
];

const fn row(name: &'static str, fault: &'static str, course: fn(&mut Rig) -> Result<(), Halt>, expect: Expect) -> Row {
    Row { name, fault, on: On::Shared, ci: true, course, expect }
}

fn second_ring(rig: &mut Rig) -> Result<(), Halt> {
    rig.joining()?;
    let Some((.., other)) = rig.trail.stands.links.get(1).cloned() else {
        return Err(Halt::Failed("the list has only one contact: nobody else can call".to_owned()));
    };
    let page = Page::open(&other, &Rig::authority())?;
    rig.fault();
    page.call();
    rig.until("the answer to the second caller", 15, |rig| ring_over(rig).is_some())?;
    let code = ring_over(rig).unwrap_or_default();
    rig.want(code == "Busy", &format!("the second caller was told {code}, not Busy"));
    Ok(())
}

/// The code with which the last ring was over.
fn ring_over(rig: &Rig) -> Option<String> {
    let over = |event: &&serde_json::Value| event["event"] == "ring" && event["state"] == "over";
    let event = rig.trail.facility.iter().rev().map(|(_, event)| event).find(over)?;
    Some(event["code"].as_str().unwrap_or_default().to_owned())
}

fn hostile_callers(rig: &mut Rig) -> Result<(), Halt> {
    rig.joining()?;
    rig.fault();
    for user in ["parloir-ui", "parloir-link", "parloir-visitor"] {
        let before = rig.trail.rogue.len();
        rig.rogue(user)?;
        rig.until("an answer to every call", 20, |rig| rig.trail.rogue.len() > before)?;
    }
    let done: Vec<String> = rig
        .trail
        .rogue
        .iter()
        .flat_map(|told| told["granted"].as_array().into_iter().flatten())
        .map(ToString::to_string)
        .collect();
    rig.want(done.is_empty(), &format!("strangers were served: {}", done.join(", ")));
    Ok(())
}

fn malformed(rig: &mut Rig) -> Result<(), Halt> {
    rig.joining()?;
    // The retained ones are replaced by what the facility says when it starts.
    rig.mending.push(Box::new(|rig| {
        rig.hurt("facility", nix::sys::signal::Signal::SIGKILL)?;
        rig.until("the facility's documents again", 20, |rig| rig.trail.taken.iter().any(|kind| kind == "policy"))
    }));
    rig.fault();
    for kind in KINDS.iter().filter(|kind| kind.way == Way::Down) {
        for body in bodies(kind.name) {
            let hex: String = body.iter().map(|byte| format!("{byte:02x}")).collect();
            rig.console(&json!({ "do": "send", "kind": kind.name, "hex": hex }))?;
            rig.idle(Duration::from_millis(30))?;
        }
    }
    rig.idle(Duration::from_secs(2))
}

/// Oversized is left to a row of its own size: a console line holds half of it.
fn bodies(kind: &str) -> Vec<Vec<u8>> {
    let json = br#"{"v":1,"call":"00000000000000000000000000000000","kind":"bye","generation":1}"#;
    let header = b"eyJhbGciOiJFZERTQSIsInR5cCI6ImdyYW50In0.e30.AAAA";
    // A generator with a fixed seed: a row that fails fails again.
    let mut seed = kind.bytes().fold(0x9e37_79b9u32, |seed, byte| seed.rotate_left(5) ^ u32::from(byte));
    let random = std::iter::repeat_with(move || {
        seed ^= seed << 13;
        seed ^= seed >> 17;
        seed ^= seed << 5;
        seed as u8
    });
    vec![
        Vec::new(),
        b"{".to_vec(),
        json.to_vec(),
        json[..json.len() / 2].to_vec(),
        header.to_vec(),
        random.take(700).collect(),
        vec![b'['; 4000],
        vec![0; MAX_BODY + 1],
    ]
}

fn hostile_page(rig: &mut Rig) -> Result<(), Halt> {
    rig.joining()?;
    rig.fault();
    let call = rig.trail.stands.call.clone();
    let other = "0".repeat(32);
    if let Some(page) = &rig.paper {
        for said in [
            json!({ "type": "statement", "jws": "a.b.c", "stats": {} }),
            json!({ "type": "decline", "call": call }),
            json!({ "type": "join", "call": other, "certificate": "", "statement_key": "" }),
            json!({ "type": "signal", "body": { "v": 1, "call": other, "generation": 1, "kind": "bye" } }),
            json!({ "type": "signal", "body": { "v": 1, "call": call, "generation": 1, "kind": "answer", "sdp": "v=0\r\n" } }),
            json!({ "type": "signal", "body": { "v": 1, "call": call, "generation": 9, "kind": "offer", "sdp": "v=0\r\n" } }),
            json!({ "type": "grant" }),
            json!(["join"]),
        ] {
            page.say(&said);
        }
        page.raw(&frame(1, b"\xff\xfe not even text"));
        page.raw(&frame(2, &[0; 300]));
        page.raw(&frame(1, &vec![b'{'; 70_000]));
    }
    rig.idle(Duration::from_secs(2))
}
