//! Owns: the call process: started by connecting to its socket, killed by its control group, known to be dead or not.
//! Never: opens a door; starts two.
//! Called by: run.

use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::{fs, io};

use nix::{libc, poll::PollFlags};
use parloir_wire::{Id, start::Start};

use crate::{config::Config, socket};

/// A call process, held by its slice: whatever it became is in there (cgroup v2, `cgroup.kill` and `cgroup.events`).
pub struct Call {
    /// Readable when the process hung up, or spoke where it has nothing to say; both are its end.
    pub start: OwnedFd,
    /// The process itself, where a supervisor plays systemd.
    #[cfg(feature = "bench")]
    process: Option<crate::bench::Process>,
}

impl Call {
    /// Starts one and hands it `end`, its end of the arbiter's socketpair. Its doors are shut.
    ///
    /// # Errors
    /// Nobody starts call processes, or it is gone already.
    pub fn start(config: &Config, lease: Id, end: &OwnedFd) -> io::Result<Self> {
        let start = socket::dial(&config.call_socket)?;
        #[cfg(feature = "bench")]
        let process = config.bench.receive_process(&start)?;
        let call = Self {
            start,
            #[cfg(feature = "bench")]
            process,
        };
        let begun = socket::send(&call.start, &Start::Begin { lease }.encode(), &[end.as_raw_fd()]);
        begun.inspect_err(|_| call.kill(config)).map(|()| call)
    }

    /// Tells it that a door is open.
    ///
    /// # Errors
    /// It is gone.
    pub fn door(&self, media: u8, beside: &[RawFd]) -> io::Result<()> {
        socket::send(&self.start, &Start::Door { media }.encode(), beside)
    }

    /// Kills whatever lives. Called again until [`Call::dead`]: a process that is only being forked while the first kill
    /// comes is not in its control group yet.
    pub fn kill(&self, config: &Config) {
        #[cfg(feature = "bench")]
        if let Some(process) = &self.process {
            return process.kill();
        }
        let _ = kill_slice(config).inspect_err(|e| say!(3, "{e}; killed again until it is dead"));
    }

    /// Whether it is certainly dead: nothing in its slice, and nobody holds the other end of its connection.
    pub fn dead(&self, config: &Config) -> bool {
        #[cfg(feature = "bench")]
        if let Some(process) = &self.process {
            return process.dead();
        }
        let events = fs::read_to_string(config.call_slice.join("cgroup.events"));
        let empty = events.map_or_else(|e| absent(&e), |e| e.lines().any(|line| line == "populated 0"));
        empty && socket::ready(&self.start).contains(PollFlags::POLLHUP)
    }
}

/// Kills everything in the slice of call processes; a slice that is not there has nothing in it.
///
/// # Errors
/// The kernel refuses; in words.
pub fn kill_slice(config: &Config) -> Result<(), String> {
    let killed = fs::write(config.call_slice.join("cgroup.kill"), "1").or_else(|e| if absent(&e) { Ok(()) } else { Err(e) });
    killed.map_err(|e| format!("{}: {e}", config.call_slice.display()))
}

/// Whether what was to be read or written is no longer there: a file, or the device or control group behind it.
pub fn absent(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::ENOENT | libc::ENODEV))
}
