//! Owns: the call process: started by connecting to its socket, killed by its control group, known to be dead or not.
//! Never: opens a door; starts two.
//! Called by: run.

use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::{fs, io};

use parloir_wire::{Id, start::Start};

use crate::{config::Config, socket};

/// A call process, held by its slice: whatever it became is in there (cgroup v2, `cgroup.kill` and `cgroup.events`).
pub struct Call {
    /// Readable when the process hung up, or spoke where it has nothing to say; both are its end.
    pub start: OwnedFd,
    slice: PathBuf,
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
            slice: config.call_slice.clone(),
            #[cfg(feature = "bench")]
            process,
        };
        let begun = socket::send(&call.start, &Start::Begin { lease }.encode(), &[end.as_raw_fd()]);
        begun.inspect_err(|_| call.kill())?;
        Ok(call)
    }

    /// Tells it that a door is open.
    ///
    /// # Errors
    /// It is gone.
    pub fn door(&self, media: u8, clip: Option<&OwnedFd>) -> io::Result<()> {
        let beside: Vec<_> = clip.iter().map(|fd| fd.as_raw_fd()).collect();
        socket::send(&self.start, &Start::Door { media }.encode(), &beside)
    }

    /// Kills whatever lives. Called again until [`Call::dead`]: a process that is only being forked while the first kill
    /// comes is not in its control group yet.
    pub fn kill(&self) {
        #[cfg(feature = "bench")]
        if let Some(process) = &self.process {
            return process.kill();
        }
        let _ = kill_slice(&self.slice).inspect_err(|e| say!(3, "{}: {e}; killed again until it is dead", self.slice.display()));
    }

    /// Whether it is certainly dead: nothing in its slice, and nobody holds the other end of its connection.
    pub fn dead(&self) -> bool {
        #[cfg(feature = "bench")]
        if let Some(process) = &self.process {
            return process.dead();
        }
        let empty = match fs::read_to_string(self.slice.join("cgroup.events")) {
            Ok(text) => text.lines().any(|line| line == "populated 0"),
            Err(e) => e.kind() == io::ErrorKind::NotFound,
        };
        empty && socket::ready(&self.start).contains(nix::poll::PollFlags::POLLHUP)
    }
}

/// Kills everything in a slice; a slice that is not there has nothing in it.
///
/// # Errors
/// The kernel refuses.
pub fn kill_slice(slice: &Path) -> io::Result<()> {
    fs::write(slice.join("cgroup.kill"), "1").or_else(|e| if e.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(e) })
}
