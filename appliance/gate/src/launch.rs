//! Owns: the call process: started by connecting to its socket, killed by its control group, known to be dead or not.
//! Never: opens a door; starts two.
//! Called by: run.

use std::fs;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;

use parloir_wire::Id;
use parloir_wire::start::Start;

use crate::config::Config;
use crate::socket;

/// What the process is held by.
enum Hold {
    /// Its slice: whatever the process became is in there (cgroup v2, `cgroup.kill` and `cgroup.events`).
    Slice(PathBuf),
    /// The process itself, where a supervisor plays systemd.
    #[cfg(feature = "bench")]
    Process(crate::bench::Process),
}

/// A call process.
pub struct Call {
    start: OwnedFd,
    hold: Hold,
}

impl Call {
    /// Starts one and hands it `end`, its end of the arbiter's socketpair. Its doors are shut.
    ///
    /// # Errors
    /// Nobody starts call processes, or it is gone already.
    pub fn start(config: &Config, lease: Id, end: &OwnedFd) -> io::Result<Self> {
        let start = socket::dial(&config.call_socket)?;
        #[cfg(not(feature = "bench"))]
        let hold = Hold::Slice(config.call_slice.clone());
        #[cfg(feature = "bench")]
        let hold = match &config.bench.call_slice {
            Some(slice) => Hold::Slice(slice.clone()),
            None => Hold::Process(crate::bench::Process::receive(&start)?),
        };
        let call = Self { start, hold };
        if let Err(e) = socket::send(&call.start, &Start::Begin { lease }.encode(), &[end.as_raw_fd()]) {
            call.kill();
            return Err(e);
        }
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
        let killed = match &self.hold {
            Hold::Slice(slice) => kill_slice(slice),
            #[cfg(feature = "bench")]
            Hold::Process(process) => process.kill(),
        };
        if let Err(e) = killed {
            say!(3, "call process: could not be killed: {e}; tried again until it is dead");
        }
    }

    /// Whether it is certainly dead: nothing in its slice, and nobody holds the other end of its connection.
    #[must_use]
    pub fn dead(&self) -> bool {
        match &self.hold {
            Hold::Slice(slice) => slice_empty(slice) && socket::hung_up(&self.start),
            #[cfg(feature = "bench")]
            Hold::Process(process) => process.dead(),
        }
    }
}

impl AsFd for Call {
    /// Readable when the process hung up, or spoke where it has nothing to say; both are its end.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.start.as_fd()
    }
}

/// Kills everything in a slice; a slice that is not there has nothing in it.
///
/// # Errors
/// The kernel refuses the write.
pub fn kill_slice(slice: &std::path::Path) -> io::Result<()> {
    match fs::write(slice.join("cgroup.kill"), "1") {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

fn slice_empty(slice: &std::path::Path) -> bool {
    match fs::read_to_string(slice.join("cgroup.events")) {
        Ok(text) => text.lines().any(|line| line == "populated 0"),
        Err(e) => e.kind() == io::ErrorKind::NotFound,
    }
}
