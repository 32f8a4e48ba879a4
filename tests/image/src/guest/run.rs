//! Owns: programs that the probe runs: to their end within a limit, or left running.
//! Never: a shell; the image has none.
//! Called by: guest.

use std::io::{self, Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use super::role::NONE;
use crate::talk::{Ran, Run, decode, encode};

/// Most of each stream that is kept, bytes.
const KEPT: u64 = 4 << 20;
/// How often the end is looked for.
const TICK: Duration = Duration::from_millis(10);

/// Runs it to its end.
///
/// # Errors
/// The probe itself cannot be started again.
pub fn run(wanted: &Run) -> io::Result<Ran> {
    let begun = Instant::now();
    let mut child = command(wanted).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let (out, err) = (drain(child.stdout.take()), drain(child.stderr.take()));
    if let Some(mut input) = child.stdin.take() {
        // A program that does not read its input is no trouble of ours.
        let _ = input.write_all(&decode(&wanted.input));
    }
    let limit = Duration::from_millis(if wanted.limit_ms == 0 { 60_000 } else { wanted.limit_ms });
    let (status, late) = loop {
        if let Some(status) = child.try_wait()? {
            break (status, false);
        }
        if begun.elapsed() > limit {
            kill_all(&child);
            break (child.wait()?, true);
        }
        std::thread::sleep(TICK);
    };
    let took_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
    let text = |from: JoinHandle<Vec<u8>>| encode(&from.join().unwrap_or_default());
    Ok(Ran { code: status.code(), signal: status.signal(), late, stdout: text(out), stderr: text(err), took_ms })
}

/// Starts it and returns its process id.
///
/// # Errors
/// As [`run`].
pub fn start(wanted: &Run) -> io::Result<u32> {
    let mut child = command(wanted).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    let pid = child.id();
    std::thread::spawn(move || child.wait());
    Ok(pid)
}

fn command(wanted: &Run) -> Command {
    let or_none = |text: &str| if text.is_empty() { NONE.to_owned() } else { text.to_owned() };
    let mut command = Command::new("/proc/self/exe");
    command.arg("as").arg(or_none(&wanted.user)).arg(or_none(&wanted.unit)).arg(or_none(&wanted.groups.join(",")));
    command.args(&wanted.argv).process_group(0);
    command.env_clear().env("PATH", "/usr/bin:/usr/sbin").env("LANG", "C.UTF-8").env("SYSTEMD_COLORS", "0");
    command.envs(wanted.environment.iter().map(|(name, value)| (name, value)));
    command
}

fn kill_all(child: &Child) {
    if let Ok(pid) = i32::try_from(child.id()) {
        let _ = killpg(Pid::from_raw(pid), Signal::SIGKILL);
    }
}

fn drain(from: Option<impl Read + Send + 'static>) -> JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut from) = from {
            let _ = from.by_ref().take(KEPT).read_to_end(&mut bytes);
            let _ = io::copy(&mut from, &mut io::sink());
        }
        bytes
    })
}
