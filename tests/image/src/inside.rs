//! Owns: that a test's body runs within the bench's namespaces: the test binary starts itself there for this one test.
//! Never: outside of them a process of the box.
//! Called by: every test of a whole box, and `parloir-machine`.

use std::io;
use std::os::unix::process::CommandExt;
use std::panic::catch_unwind;
use std::process::{Command, Stdio};
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use parloir_bench::play::Halt;
use parloir_bench::stage::{cache, clips};
use parloir_bench::{network, walls};

/// Names the test whose body runs inside.
const INSIDE: &str = "PARLOIR_INSIDE";
/// For an orderly end after whoever started this has gone.
const GRACE: Duration = Duration::from_secs(15);

/// Whether this is not yet within the namespaces: what needs the machine's own root, or its files as they are, is done here.
#[must_use]
pub fn is_outside() -> bool {
    std::env::var_os(INSIDE).is_none()
}

/// Runs `body` within the namespaces; `test` is the name of the test function that calls this. Outside it returns whether the body
/// was run at all: where namespaces cannot be made it says "skipped: why".
///
/// # Panics
/// The body's error or panic; no image was built.
pub fn inside(test: &str, body: impl FnOnce() -> Result<(), Halt>) -> bool {
    if is_inside(test) {
        within(body);
        return true;
    }
    outside(test)
}

/// As [`inside`], for a life that says nothing by its own end: what it saw is judged afterwards. One that stops before its end is played
/// once more, and that is said: an emulated processor that shares two cores with a browser misses a limit now and then.
///
/// # Panics
/// As [`inside`], the second time.
pub fn inside_twice(test: &str, body: impl FnOnce() -> Result<(), Halt>) -> bool {
    if is_inside(test) {
        within(body);
        return true;
    }
    catch_unwind(|| outside(test)).unwrap_or_else(|_| {
        println!("{test}: stopped before its end, why is above; it is PLAYED ONCE MORE");
        outside(test)
    })
}

fn is_inside(test: &str) -> bool {
    std::env::var(INSIDE).is_ok_and(|name| name == test)
}

fn within(body: impl FnOnce() -> Result<(), Halt>) {
    end_with_the_outside();
    match body() {
        Ok(()) => {}
        Err(Halt::Stopped) => panic!("stopped: whoever started this has gone"),
        Err(Halt::Failed(why)) => panic!("{why}"),
    }
}

/// Starts this program again within the namespaces, for that test.
fn outside(test: &str) -> bool {
    if let Some(why) = walls::obstacle().or_else(network::obstacle) {
        println!("skipped: {why}");
        return false;
    }
    if let Err(why) = crate::tools::Built::find().map(drop).and_then(|()| clips(&cache()?)) {
        panic!("{why}");
    }
    let status = again(test).and_then(|mut child| {
        // Taken, or waiting would close it.
        let life = child.stdin.take();
        let status = child.wait();
        drop(life);
        status
    });
    match status {
        Ok(status) if status.success() => true,
        Ok(status) => panic!("{test}, within the namespaces: {status}; its words are above"),
        Err(why) => panic!("unshare cannot be started: {why}"),
    }
}

/// This program again, for that one test, in namespaces of its own. Its standard input is its life: this side never writes there.
fn again(test: &str) -> io::Result<std::process::Child> {
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "--map-auto", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]);
    command.arg(std::env::current_exe()?);
    if std::env::args().next().is_some_and(|name| name.contains("/deps/")) {
        command.args(["--exact", test, "--nocapture", "--test-threads=1"]);
    } else {
        command.args(std::env::args_os().skip(1));
    }
    command.env(INSIDE, test).stdin(Stdio::piped()).process_group(0).spawn()
}

/// When the outside is gone, so is its end of the pipe: after a grace for an orderly end this process ends, and with it, as the first
/// of its PID namespace, everything in it.
fn end_with_the_outside() {
    std::thread::spawn(|| {
        let input = io::stdin();
        let mut hung = [PollFd::new(std::os::fd::AsFd::as_fd(&input), PollFlags::POLLHUP)];
        while poll(&mut hung, PollTimeout::NONE).is_err() {}
        std::thread::sleep(GRACE);
        std::process::exit(130);
    });
}
