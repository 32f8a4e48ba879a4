//! Owns: the order in which a call process begins: sandbox, log, GStreamer, loop.
//! Never: takes more than the names of the board's devices; fd 3 is the start connection.
//! Called by: gate, by way of the accepting socket unit or the bench's supervisor.
#![allow(unsafe_code, reason = "fd 3 is ours by the contract of the start, and the kernel knows it only as a number; mallopt(3)")]

use parloir_call::devices::{Devices, FLAGS};
use parloir_call::sandbox::Files;
use parloir_call::{attempt, pipeline, run, sandbox};
use parloir_shell::args::{Args, Flag};
use std::os::fd::{FromRawFd as _, OwnedFd};
use std::os::unix::fs::PermissionsExt as _;
use std::process::ExitCode;

/// The start connection, `sd_listen_fds(3)`'s first.
const START: i32 = 3;
const ABOUT: &str = "one visit's media; started by gate with fd 3 (the first descriptor of the accepting socket unit)";
const ACTS: [Flag; 2] = [
    Flag::switch("--registry", "build the plugin registry that GST_REGISTRY names (at image build, outside the sandbox)"),
    Flag::switch("--probe", "enter the sandbox, start every element once, try what the sandbox forbids, print ok"),
];

fn main() -> ExitCode {
    keep_one_heap();
    let args = Args::from_command_line("parloir-call", ABOUT, &[&ACTS[..], &FLAGS].concat());
    if args.has("--registry") {
        return finish(pipeline::init().map_err(|e| e.to_string()).and_then(|()| open_registry().map_err(|e| e.to_string())));
    }
    let devices = Devices::read(&args);
    let entered = sandbox::enter(&devices);
    parloir_shell::log::init("call");
    match entered {
        Ok(Files::Closed) => {}
        Ok(files) => tracing::warn!("sandbox: this kernel's Landlock leaves files or ports {files:?}; not for the box"),
        Err(e) => return finish(Err(e)),
    }
    if let Err(e) = pipeline::init() {
        return finish(Err(e));
    }
    if args.has("--probe") { attempt::probe() } else { visit(devices) }
}

/// Each session brings some twenty threads, and an arena for each of them would keep megabytes of its pictures after it: about 5 MB a
/// re-call, measured by `tests/recall.rs`.
fn keep_one_heap() {
    // SAFETY: mallopt(3) takes two integers and changes a setting of the allocator; no other thread runs yet.
    let set = unsafe { nix::libc::mallopt(nix::libc::M_ARENA_MAX, 1) };
    if set != 1 {
        eprintln!("call: the allocator keeps its arenas; a re-call costs more memory");
    }
}

/// GStreamer writes the registry for its own user only; the call's user reads it.
fn open_registry() -> std::io::Result<()> {
    let path = std::env::var_os("GST_REGISTRY").ok_or_else(|| std::io::Error::other("GST_REGISTRY is not set"))?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o644))
}

fn finish<E: std::fmt::Display>(result: Result<(), E>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            parloir_shell::log::init("call");
            tracing::error!("{e}");
            ExitCode::FAILURE
        }
    }
}

fn visit(devices: Devices) -> ExitCode {
    // SAFETY: the starter puts the start connection at fd 3, and nothing in this process has touched that number before.
    let start = unsafe { OwnedFd::from_raw_fd(START) };
    let Err(e) = run::run(start, devices);
    parloir_shell::notify::stopping();
    if e.is_end() {
        tracing::info!("{e}");
        return ExitCode::SUCCESS;
    }
    finish(Err(e))
}
