//! Owns: rows in which the box itself is not well: camera, disk, clock, a screen that hangs.
//! Never: a fault that cannot be taken back; what would stay gets an appliance of its own.
//! Called by: the list of rows.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use nix::sys::signal::Signal;
use parloir_wire::keys::Key;

use super::{On, Row, ends, goes_on, refused, refused_at_home};
use crate::faults::rig::Rig;
use crate::faults::verdict::{Door, Expect, SHUT_LIMIT_MS};
use crate::outside::FileId;
use crate::play::{Halt, Play};
use crate::walls::{RUN, bind, show};

/// See the module.
pub const ROWS: &[Row] = &[
    row("camera-missing", "the camera is not there when a visit is granted", camera_missing, refused(&["NoDevice"])),
    row("disk-full", "the arbiter's disk is full when somebody calls", disk_full, refused_at_home(&["Storage"])),
    row("disk-full-visit", "the arbiter's disk gets full in a visit", disk_full_in_visit, goes_on(&["joining"], 15)),
    row("unwritable", "the arbiter may not write its data directory when it starts", unwritable, unstarted()),
    own("clock-1970", "the box's clock says 1970", |play| clock(play, "1970-01-02 00:00:00"), under_a_false_clock),
    own("clock-2100", "the box's clock says 2100", |play| clock(play, "2100-01-01 00:00:00"), under_a_false_clock),
    Row {
        on: On::Browser,
        ..row("camera-ends", "the camera's pictures end in a visit", camera_ends, goes_on(&["live", "held"], 20))
    },
    row("end-key", "the screen hangs in a visit, and Back is pressed once", end_key, ended_without_a_screen()),
];

/// Debian's package libfaketime, preloaded into the box's processes.
pub const FAKE_TIME: &str = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1";

const fn row(name: &'static str, fault: &'static str, course: fn(&mut Rig) -> Result<(), Halt>, expect: Expect) -> Row {
    Row { name, fault, on: On::Shared, ci: true, course, expect }
}

const fn own(
    name: &'static str,
    fault: &'static str,
    before: fn(&mut Play) -> Result<(), Halt>,
    course: fn(&mut Rig) -> Result<(), Halt>,
) -> Row {
    Row { name, fault, on: On::Own(before), ci: true, course, expect: goes_on(&["joining"], 20) }
}

/// The arbiter runs and says why it lets nobody call.
const fn unstarted() -> Expect {
    Expect { restarts: &["arbiter"], within_s: 30, ..refused_at_home(&["Storage"]) }
}

/// The doors at once; the sentence when the screen's watchdog has brought the next one.
const fn ended_without_a_screen() -> Expect {
    Expect { restarts: &["ui"], ..ends(&["PersonEnded"], Door::Within(SHUT_LIMIT_MS), 30) }
}

fn end_key(rig: &mut Rig) -> Result<(), Halt> {
    rig.joining()?;
    rig.hurt("ui", Signal::SIGSTOP)?;
    rig.fault();
    rig.press(Key::Back);
    Ok(())
}

fn granted_on_paper(rig: &mut Rig) -> Result<(), Halt> {
    rig.with_paper()?;
    rig.asking()
}

fn camera_missing(rig: &mut Rig) -> Result<(), Halt> {
    granted_on_paper(rig)?;
    rig.camera("")?;
    rig.fault();
    rig.paper_joins()
}

fn camera_ends(rig: &mut Rig) -> Result<(), Halt> {
    let short = Path::new(RUN).join("clip/short.y4m");
    if !short.exists() {
        shorten(&Path::new(RUN).join("clip/cell.y4m"), &short, 60)?;
    }
    rig.doors.also(FileId::of(&short)?);
    rig.camera("short.y4m")?;
    rig.live()?;
    rig.fault();
    rig.idle(Duration::from_secs(5))
}

/// The first `frames` of a Y4M file with 4:2:0 frames of 1280x720.
fn shorten(from: &Path, to: &Path, frames: u64) -> Result<(), Halt> {
    const FRAME: u64 = 6 + 1280 * 720 * 3 / 2;
    let mut from = BufReader::new(fs::File::open(from)?);
    let mut to = fs::File::create(to)?;
    let mut head = Vec::new();
    from.read_until(b'\n', &mut head)?;
    to.write_all(&head)?;
    std::io::copy(&mut from.take(frames * FRAME), &mut to)?;
    Ok(())
}

fn disk_full(rig: &mut Rig) -> Result<(), Halt> {
    rig.fill_disk()?;
    rig.fault();
    rig.ok()
}

fn disk_full_in_visit(rig: &mut Rig) -> Result<(), Halt> {
    rig.joining()?;
    rig.fault();
    rig.fill_disk()?;
    // Longer than the visit's record is old.
    rig.idle(Duration::from_secs(6))
}

fn unwritable(rig: &mut Rig) -> Result<(), Halt> {
    // Until then it would go on with the files that it has open.
    rig.mending.push(Box::new(|rig| rig.hurt("arbiter", Signal::SIGKILL).map(drop)));
    rig.writable(false)?;
    rig.fault();
    rig.hurt("arbiter", Signal::SIGKILL)?;
    rig.until("the arbiter again", 15, |rig| rig.trail.showed("starting", rig.since()))?;
    rig.until("the home screen", 15, |rig| rig.trail.phase() == "home" && rig.trail.stands.online)?;
    rig.ok()
}

/// Every process of the box believes in this time; its monotonic clocks stay true. A shell between `setpriv` and the cell preloads the
/// library: preloaded into `setpriv`, it would make its shared memory as root, and the cell could not open it.
fn clock(_: &mut Play, when: &str) -> Result<(), Halt> {
    if !Path::new(FAKE_TIME).exists() {
        return Err(Halt::Failed(format!("{FAKE_TIME} is not there: install libfaketime")));
    }
    for cell in ["gate", "arbiter", "link", "ui", "call"] {
        let binary = Path::new(RUN).join(format!("bin/parloir-{cell}"));
        let real = show(&binary, &format!("real/parloir-{cell}"))?;
        let script = Path::new(RUN).join(format!("etc/late-{cell}"));
        fs::write(
            &script,
            format!(
                "#!/bin/sh\nexec env LD_PRELOAD={FAKE_TIME} FAKETIME='@{when}' FAKETIME_DONT_FAKE_MONOTONIC=1 {} \"$@\"\n",
                real.display()
            ),
        )?;
        fs::set_permissions(&script, fs::Permissions::from_mode(0o755))?;
        bind(&script, &binary)?;
    }
    Ok(())
}

fn under_a_false_clock(rig: &mut Rig) -> Result<(), Halt> {
    for cell in ["gate", "arbiter", "link", "ui"] {
        let pid = rig.play.stage.supervisor.pid(cell).unwrap_or(0);
        let maps = fs::read_to_string(format!("/proc/{pid}/maps")).unwrap_or_default();
        rig.want(maps.contains("libfaketime"), &format!("{cell} sees the true time: nothing was tried"));
    }
    rig.joining_is_the_fault()
}
