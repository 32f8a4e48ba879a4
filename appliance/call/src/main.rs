//! Owns: the order in which a call process begins: sandbox, log, GStreamer, loop.
//! Never: takes arguments in a visit; fd 3 is the start connection.
//! Called by: gate, by way of the accepting socket unit or the bench's supervisor.
#![allow(unsafe_code, reason = "fd 3 is ours by the contract of the start, and the kernel knows it only as a number")]

use parloir_call::{pipeline, run};
use std::os::fd::{FromRawFd as _, OwnedFd};
use std::process::ExitCode;

/// The start connection, `sd_listen_fds(3)`'s first.
const START: i32 = 3;

fn main() -> ExitCode {
    parloir_shell::log::init("call");
    if let Err(e) = pipeline::init() {
        tracing::error!("{e}");
        return ExitCode::FAILURE;
    }
    // SAFETY: the starter puts the start connection at fd 3 and nothing in this process has touched it.
    let start = unsafe { OwnedFd::from_raw_fd(START) };
    let Err(e) = run::run(start);
    if e.is_end() {
        tracing::info!("{e}");
        return ExitCode::SUCCESS;
    }
    tracing::error!("{e}");
    ExitCode::FAILURE
}
