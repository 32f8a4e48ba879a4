//! Owns: the process that gate's tests start in the place of parloir-call: tells what it is given and holds it until killed.
//! Never: part of the product.
//! Called by: `tests/gate`. Standard input is the start connection; each report is one datagram to `$STUB_REPORT`.
//!
//! `$STUB_MODE`: `stay` (default); at the microphone's door `hang-up` (closes the start connection and lives on) or `speak`
//! (writes to it and lives on); at the camera's door `fork` (a child of its own keeps the clip); `deaf` (blocks every signal
//! that can be blocked and does not mind a hang-up). As arguments `stranger PATH`:
//! connects to gate's socket and exits 0 if it was greeted, 1 if it may not connect, 2 if it was hung up on.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixDatagram;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use parloir_gate::socket;
use parloir_wire::start::{SIZE, Start};
use parloir_wire::{CAMERA, MICROPHONE};

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if let [role, path] = words.as_slice()
        && role == "stranger"
    {
        std::process::exit(stranger(path));
    }
    let reports = std::env::var("STUB_REPORT").expect("STUB_REPORT");
    let mode = std::env::var("STUB_MODE").unwrap_or_default();
    let out = UnixDatagram::unbound().expect("socket");
    let report = |text: String| {
        let _ = out.send_to(text.as_bytes(), &reports);
    };
    let mut start = Some(std::io::stdin().as_fd().try_clone_to_owned().expect("start connection"));
    nix::unistd::close(0).expect("close");
    if mode == "deaf" {
        nix::sys::signal::SigSet::all().thread_block().expect("signals");
    }
    report(format!("born {}", std::process::id()));
    let mut kept: Vec<OwnedFd> = Vec::new();
    while let Some(connection) = &start {
        poll(&mut [PollFd::new(connection.as_fd(), PollFlags::POLLIN)], PollTimeout::NONE).expect("poll");
        let mut bytes = [0; SIZE + 1];
        let (len, fds) = socket::receive(connection, &mut bytes).unwrap_or_default();
        if len == 0 && mode != "deaf" {
            return;
        } else if len == 0 {
            break;
        }
        match Start::decode(&bytes[..len]).expect("start message") {
            Start::Spawned { .. } => panic!("Spawned is for gate"),
            Start::Begin { lease } => {
                for fd in &fds {
                    let _ = nix::unistd::write(fd, b"here");
                }
                report(format!("begin {} {}", lease[0], fds.len()));
            }
            Start::Door { media } => {
                let inode = fds.first().map_or(0, inode);
                report(format!("door {media} {inode}"));
                match (mode.as_str(), media) {
                    ("hang-up", MICROPHONE) => start = None,
                    ("speak", MICROPHONE) => socket::send(connection, b"!", &[]).expect("speak"),
                    // Never waited for: it is the child that outlives its parent.
                    #[allow(clippy::zombie_processes)]
                    ("fork", CAMERA) => {
                        let clip = fds[0].try_clone().expect("clip");
                        Command::new("sleep").arg("60").stdin(clip).process_group(0).spawn().expect("child");
                    }
                    _ => {}
                }
            }
        }
        kept.extend(fds);
    }
    std::thread::sleep(Duration::from_secs(60));
}

fn inode(fd: &OwnedFd) -> u64 {
    std::fs::metadata(format!("/proc/self/fd/{}", fd.as_raw_fd())).map_or(0, |m| m.ino())
}

fn stranger(path: &str) -> i32 {
    let Ok(connection) = socket::dial(path.as_ref()) else { return 1 };
    let _ = poll(&mut [PollFd::new(connection.as_fd(), PollFlags::POLLIN)], PollTimeout::from(5000u16));
    match socket::receive(&connection, &mut [0; 300]) {
        Ok((len, _)) if len > 0 => 0,
        _ => 2,
    }
}
