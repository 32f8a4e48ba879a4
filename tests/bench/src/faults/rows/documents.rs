//! Owns: rows in which a document is wrong: the grant that answers the question, or the list of contacts.
//! Never: signs one; the facility does, told to lie.
//! Called by: the list of rows.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sys::signal::Signal;
use parloir_wire::keys::Key;
use serde_json::{Value, json};

use super::{On, Row, refused, refused_at_home};
use crate::faults::cells::HOME;
use crate::faults::rig::Rig;
use crate::faults::verdict::Expect;
use crate::play::Halt;
use crate::walls::RUN;

/// A grant that does not hold opens nothing.
pub const ROWS: &[Row] = &[
    row(
        "unknown-version",
        "the grant is of a version that the box does not know",
        |rig| lie(rig, "unknown-version"),
        refused(GENUINE),
    ),
    row("wrong-typ", "the grant is signed as another kind of document", |rig| lie(rig, "wrong-typ"), refused(GENUINE)),
    row("one-bit", "one bit of the grant was changed after it was signed", |rig| lie(rig, "one-bit"), refused(GENUINE)),
    row("wrong-nonce", "the grant answers no pending question", |rig| lie(rig, "wrong-nonce"), refused(&["GrantStray"])),
    row("other-device", "the grant is for another box", |rig| lie(rig, "other-device"), refused(&["GrantDevice"])),
    row("forged-ticket", "the ticket in the grant is signed by nobody's key", |rig| lie(rig, "forged-ticket"), refused(GENUINE)),
    row("key-over", "the date of the key that signed the grant is over", |rig| lie(rig, "old-key"), refused(&["GrantKey"])),
    Row {
        ci: false,
        expect: Expect { within_s: 80, ..refused(&["NoAnswer"]) },
        ..row("late", "the grant came when its question had expired", |rig| lie(rig, "late"), refused(GENUINE))
    },
    row("no-window", "now is in none of the contact's windows", no_window, refused_at_home(&["OutsideWindow"])),
    row("only-incoming", "the contact may only call in", only_incoming, refused_at_home(&["NotOutgoing"])),
    row("no-contact", "nobody is on the list of contacts any more", no_contact, HOME),
];

const GENUINE: &[&str] = &["GrantNotGenuine"];

const fn row(name: &'static str, fault: &'static str, course: fn(&mut Rig) -> Result<(), Halt>, expect: Expect) -> Row {
    Row { name, fault, on: On::Shared, ci: true, course, expect }
}

/// The facility lies in this one way, and a page of paper joins.
fn lie(rig: &mut Rig, how: &str) -> Result<(), Halt> {
    rig.tamper(how)?;
    rig.with_paper()?;
    rig.asking()?;
    rig.fault();
    rig.paper_joins()
}

fn no_window(rig: &mut Rig) -> Result<(), Halt> {
    let past = json!([{ "from": 1_000_000_000, "to": 1_000_003_600 }]);
    changed_list(rig, |list| each(list, |contact| contact["windows"] = past.clone()))?;
    rig.ok()
}

fn only_incoming(rig: &mut Rig) -> Result<(), Halt> {
    changed_list(rig, |list| each(list, |contact| contact["outgoing"] = json!(false)))?;
    rig.ok()
}

fn no_contact(rig: &mut Rig) -> Result<(), Halt> {
    changed_list(rig, |list| (list["contacts"], list["bookings"]) = (json!([]), json!([])))?;
    // There is nothing that OK could mean; it must not mean the one who was there before.
    rig.press(Key::Ok);
    Ok(())
}

fn each(list: &mut Value, change: impl Fn(&mut Value)) {
    list["contacts"].as_array_mut().into_iter().flatten().for_each(change);
}

/// The fault is the changed list; the old one comes back with the row's end.
fn changed_list(rig: &mut Rig, change: impl FnOnce(&mut Value)) -> Result<(), Halt> {
    let before = entitlement()?;
    // It is put back even if what follows does not come to pass.
    rig.mending.push(Box::new(move |rig| {
        entitle(rig, |list| {
            let revision = list["revision"].clone();
            *list = before;
            list["revision"] = revision;
        })
    }));
    entitle(rig, change)?;
    rig.fault();
    Ok(())
}

/// Changes the list as staff would, and has the facility hand it out anew.
///
/// # Errors
/// The box does not take it.
pub(crate) fn entitle(rig: &mut Rig, change: impl FnOnce(&mut Value)) -> Result<(), Halt> {
    let mut list = entitlement()?;
    change(&mut list);
    list["revision"] = json!(list["revision"].as_u64().unwrap_or(0) + 1);
    fs::write(path(), list.to_string())?;
    let taken = |rig: &Rig| rig.trail.taken.iter().filter(|kind| *kind == "policy").count();
    let before = taken(rig);
    rig.hurt("facility", Signal::SIGKILL)?;
    rig.until("the facility's documents", 20, |rig| taken(rig) > before)?;
    // The list comes right behind the policy, and the screen draws it.
    rig.idle(Duration::from_secs(1))
}

fn path() -> PathBuf {
    Path::new(RUN).join("keys/site/entitlement.json")
}

fn entitlement() -> Result<Value, Halt> {
    serde_json::from_slice(&fs::read(path())?).map_err(|why| Halt::Failed(format!("{}: {why}", path().display())))
}
