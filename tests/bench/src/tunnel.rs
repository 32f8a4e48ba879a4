//! Owns: two TUN devices in two network namespaces and the threads that carry IP packets between them, through a hop each way.
//! Never: looks into a packet.
//! Called by: network.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::OpenOptionsExt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use nix::libc;
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::time::TimeSpec;

use crate::hop::{Hop, Impairment};

/// How often a direction looks whether its line was cut or taken away.
const LOOK: Duration = Duration::from_millis(20);
/// Larger than any packet of a device with the usual 1500.
const PACKET: usize = 4096;

/// A line between two devices; it is gone when this is dropped.
pub struct Tunnel {
    line: Arc<Mutex<Impairment>>,
}

impl Tunnel {
    /// Starts to carry packets both ways, unimpaired at first. `seed` says which packets a lossy line loses.
    #[must_use]
    pub fn between(near: File, far: File, seed: u64) -> Self {
        let line = Arc::new(Mutex::new(Impairment::default()));
        let (near, far) = (Arc::new(near), Arc::new(far));
        for (from, to, hop) in [(near.clone(), far.clone(), Hop::new(seed)), (far, near, Hop::new(!seed))] {
            let line = Arc::downgrade(&line);
            std::thread::spawn(move || {
                let mut direction = Direction { from: &from, to: &to, hop };
                while let Some(line) = line.upgrade() {
                    let now = *lock(&line);
                    drop(line);
                    direction.turn(&now);
                }
            });
        }
        Self { line }
    }

    /// What the line does from now on.
    pub fn impair(&self, change: impl FnOnce(&mut Impairment)) {
        change(&mut lock(&self.line));
    }
}

fn lock(line: &Mutex<Impairment>) -> MutexGuard<'_, Impairment> {
    // A thread that died in between left a whole value: it is four numbers.
    line.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Direction<'a> {
    from: &'a File,
    to: &'a File,
    hop: Hop,
}

impl Direction<'_> {
    /// Waits for a packet to come or to be due, and moves both.
    fn turn(&mut self, line: &Impairment) {
        let wait = self.hop.due().map_or(LOOK, |due| due.saturating_duration_since(Instant::now()).min(LOOK));
        let mut fds = [PollFd::new(self.from.as_fd(), PollFlags::POLLIN)];
        let _ = ppoll(&mut fds, Some(TimeSpec::from_duration(wait)), None);
        let mut bytes = [0; PACKET];
        // The device is not blocking: an error is "no more".
        while let Ok(n) = self.from.read(&mut bytes) {
            self.hop.enter(Instant::now(), bytes[..n].to_vec(), line);
        }
        while let Some(packet) = self.hop.leave(Instant::now(), line) {
            // A device that is down or full loses it, as a wire would.
            let _ = self.to.write(&packet);
        }
    }
}

/// Makes a TUN device (Linux' `Documentation/networking/tuntap.rst`) in the network namespace of the calling thread.
///
/// # Errors
/// `/dev/net/tun` cannot be opened, or the kernel refuses the device.
pub fn device(name: &str) -> io::Result<File> {
    let file = File::options().read(true).write(true).custom_flags(libc::O_NONBLOCK).open("/dev/net/tun")?;
    attach(&file, name)?;
    Ok(file)
}

#[allow(unsafe_code)]
fn attach(file: &File, name: &str) -> io::Result<()> {
    // SAFETY: all zeroes is a valid `ifreq`: it has only integers, and unions of them.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    if name.len() >= request.ifr_name.len() {
        return Err(io::Error::other(format!("{name} is too long for a network device")));
    }
    for (to, from) in request.ifr_name.iter_mut().zip(name.bytes()) {
        *to = libc::c_char::from_ne_bytes([from]);
    }
    request.ifr_ifru.ifru_flags = libc::c_short::try_from(libc::IFF_TUN | libc::IFF_NO_PI).map_err(io::Error::other)?;
    // SAFETY: the descriptor is open, and TUNSETIFF reads one `ifreq`, which outlives the call.
    let done = unsafe { libc::ioctl(file.as_raw_fd(), libc::TUNSETIFF, &raw const request) };
    if done < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::OwnedFd;
    use std::os::unix::net::UnixDatagram;

    fn wire() -> (UnixDatagram, File) {
        let (ours, line) = UnixDatagram::pair().expect("a pair");
        ours.set_read_timeout(Some(Duration::from_secs(5))).expect("timeout");
        line.set_nonblocking(true).expect("not blocking");
        (ours, File::from(OwnedFd::from(line)))
    }

    #[test]
    fn packets_pass_both_ways_until_the_line_is_cut_and_again_after() {
        let ((cell, near), (site, far)) = (wire(), wire());
        let tunnel = Tunnel::between(near, far, 1);
        let mut bytes = [0; 16];
        cell.send(b"up").expect("sent");
        assert_eq!(site.recv(&mut bytes).expect("it arrives"), 2);
        site.send(b"down").expect("sent");
        assert_eq!(cell.recv(&mut bytes).expect("it arrives"), 4);
        tunnel.impair(|line| line.cut = true);
        // A turn that had begun before the cut may carry one more, whenever the machine lets it.
        site.set_read_timeout(Some(4 * LOOK)).expect("timeout");
        let passes = |bytes: &mut [u8]| cell.send(b"lost").is_ok() && site.recv(bytes).is_ok();
        let still = (0..100).take_while(|_| passes(&mut bytes)).count();
        assert!(still < 100, "a cut line carries nothing");
        tunnel.impair(|line| (line.cut, line.delay) = (false, Duration::from_millis(30)));
        let start = Instant::now();
        let late = (0..100).find(|_| cell.send(b"late").is_ok() && site.recv(&mut bytes).is_ok());
        assert!(late.is_some() && bytes.starts_with(b"late"), "a line that was mended carries again");
        assert!(start.elapsed() >= Duration::from_millis(30), "{:?}", start.elapsed());
    }
}
