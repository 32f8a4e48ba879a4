//! Owns: a call process that was taken over after it had entered its sandbox, as every call does before it hears anybody.
//! Never: shows or sends a picture.
//! Called by: the captive.
#![allow(unsafe_code, reason = "a signal is ignored; sigaction(2)")]

use super::{at, common, say, start_connection, stay, tell};
use nix::sys::signal::{SigHandler, Signal, signal};
use parloir_bench::walls::RUN;
use parloir_call::devices::Devices;
use parloir_call::sandbox;
use parloir_shell::{BootTime, fds, notify};
use parloir_wire::lease::{Fact, MAX, Plan, ToCall};
use parloir_wire::start::{self, Start};
use std::fs::File;
use std::io::Read as _;
use std::net::TcpStream;
use std::os::fd::{AsFd as _, OwnedFd};
use std::process::{Command, ExitCode};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// What it was handed.
#[derive(Default)]
struct Held {
    arbiter: Option<OwnedFd>,
    frames: Option<OwnedFd>,
    signalling: Option<OwnedFd>,
    plan: Option<Box<Plan>>,
    doors: Vec<OwnedFd>,
}

pub fn taken_over() -> ExitCode {
    let start = start_connection();
    let devices = Devices { camera: None, microphone: "default".into(), loudspeaker: "default".into() };
    let entered = sandbox::enter(&devices);
    say(&format!("sandbox {entered:?}"));
    // It does not hear when it is asked to end.
    // SAFETY: ignoring a signal runs no code of ours.
    let _ = unsafe { signal(Signal::SIGTERM, SigHandler::SigIgn) };
    notify::ready();
    let held = until_open(&start);
    let mut pixels = vec![0; 4096];
    let seen = held.doors.first().and_then(|door| File::from(door.try_clone().ok()?).read(&mut pixels).ok()).unwrap_or(0);
    tell("watch", seen > 0, &format!("{seen} bytes"));
    common(None);
    reach();
    pretend(&held);
    pass_on(&held);
    // Closes what it was started by, and stays.
    drop(start);
    stay()
}

/// Takes what gate and arbiter say until both doors are open; a sign of life now and then, so that nobody replaces it.
fn until_open(start: &OwnedFd) -> Held {
    let (mut held, began) = (Held::default(), Instant::now());
    while (held.doors.len() < 2 || held.plan.is_none()) && began.elapsed() < super::LIMIT {
        while let Some(mut message) = receive(start, start::SIZE) {
            match Start::decode(&message.bytes) {
                Ok(Start::Begin { .. }) => held.arbiter = message.fds.pop(),
                Ok(Start::Door { .. }) => held.doors.append(&mut message.fds),
                _ => {}
            }
        }
        sleep(Duration::from_millis(20));
        let Some(arbiter) = held.arbiter.take() else { continue };
        while let Some(mut message) = receive(&arbiter, MAX) {
            match ToCall::decode(&message.bytes) {
                Ok(ToCall::FrameEnd) => held.frames = message.fds.pop(),
                Ok(ToCall::SignalEnd) => held.signalling = message.fds.pop(),
                Ok(ToCall::Plan(plan)) => held.plan = Some(plan),
                _ => {}
            }
        }
        let lives = Fact::Progress(parloir_wire::lease::Progress { at_ns: BootTime::now_ns(), ..Default::default() });
        let _ = fds::send(&arbiter, &lives.encode(), &[]);
        held.arbiter = Some(arbiter);
        notify::watchdog();
    }
    held
}

fn receive(fd: &OwnedFd, max: usize) -> Option<fds::Message> {
    fds::recv(fd, max, 2).unwrap_or_default()
}

fn reach() {
    let broker = std::env::var("PARLOIR_JUDGE_BROKER").unwrap_or_default();
    let tried = [
        ("program", Command::new("/bin/true").status().is_ok()),
        ("file in /tmp", File::create("/tmp/parloir-judge").is_ok()),
        ("file", File::create(at("call/judge")).is_ok()),
        ("passwd", File::open("/etc/passwd").is_ok()),
        ("list", std::fs::read_dir(RUN).is_ok()),
        ("bus", std::os::unix::net::UnixStream::connect(at("bus/socket")).is_ok()),
        ("broker", broker.is_empty() || TcpStream::connect(broker.as_str()).is_ok()),
    ];
    let done: Vec<&str> = tried.iter().filter(|(_, done)| *done).map(|(what, _)| *what).collect();
    tell("reach", !done.is_empty(), &done.join(" "));
}

/// Says all that makes a visit live, for a far end that is not there; the course looks what came of it.
fn pretend(held: &Held) {
    let (Some(arbiter), Some(plan)) = (&held.arbiter, &held.plan) else { return };
    let at_ns = BootTime::now_ns();
    let first = plan.far.first().copied().unwrap_or_default();
    let mut facts = vec![Fact::FarVerified { fingerprint: first }];
    facts.push(Fact::FirstPicture { at_ns, width: 1280, height: 720, codec: "H264".into() });
    facts.push(Fact::FirstSound { at_ns });
    facts.push(Fact::Decoding { on: true, at_ns });
    facts.iter().for_each(|fact| drop(fds::send(arbiter, &fact.encode(), &[])));
    for second in 1..4 {
        let progress =
            parloir_wire::lease::Progress { at_ns: BootTime::now_ns(), frames_decoded: 30 * second, ..Default::default() };
        let _ = fds::send(arbiter, &Fact::Progress(progress).encode(), &[]);
        notify::watchdog();
        sleep(Duration::from_millis(500));
    }
    say("pretended");
}

/// The camera's descriptor beside a message to the screen, and to link; the course looks who holds it.
fn pass_on(held: &Held) {
    let Some(camera) = held.doors.first() else { return };
    for end in [&held.frames, &held.signalling].into_iter().flatten() {
        for size in [16, 32, 64, 128] {
            let _ = fds::send(end, &vec![1; size], &[camera.as_fd()]);
        }
    }
    sleep(Duration::from_millis(500));
    say("passed");
}
