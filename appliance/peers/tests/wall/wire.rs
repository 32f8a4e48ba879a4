//! Owns: the other end of the box's one wire: a TUN device of which the test itself holds the far side. What leaves is read here, what
//! enters is written here.
//! Never: answers by itself.
//! Called by: world, the tests.
#![allow(unsafe_code, reason = "attaching a TUN device is an ioctl without a wrapper")]

use crate::packet::Seen;
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd as _, AsRawFd as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::time::{Duration, Instant};

/// Longest that a packet may take that must come.
const LIMIT: Duration = Duration::from_secs(5);

pub struct Wire(File);

impl Wire {
    pub fn new(name: &str) -> Self {
        let file =
            File::options().read(true).write(true).custom_flags(libc::O_NONBLOCK).open("/dev/net/tun").expect("/dev/net/tun");
        // SAFETY: all zeroes is a valid `ifreq`: it has only integers, and unions of them.
        let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
        for (to, from) in request.ifr_name.iter_mut().zip(name.bytes()) {
            *to = libc::c_char::from_ne_bytes([from]);
        }
        request.ifr_ifru.ifru_flags = libc::c_short::try_from(libc::IFF_TUN | libc::IFF_NO_PI).unwrap();
        // SAFETY: the descriptor is open, and TUNSETIFF reads one `ifreq`, which outlives the call.
        let done = unsafe { libc::ioctl(file.as_raw_fd(), libc::TUNSETIFF, &raw const request) };
        assert_eq!(done, 0, "a TUN device: {}", io::Error::last_os_error());
        Self(file)
    }

    /// Lets a packet in.
    pub fn put(&self, packet: &[u8]) {
        (&self.0).write_all(packet).expect("the packet goes into the wire");
    }

    /// The next packet that left the box.
    pub fn next(&self) -> Seen {
        let start = Instant::now();
        loop {
            let mut bytes = vec![0; 4096];
            match (&self.0).read(&mut bytes) {
                Ok(length) => {
                    bytes.truncate(length);
                    return Seen { bytes };
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => panic!("the wire: {error}"),
            }
            assert!(start.elapsed() < LIMIT, "nothing leaves the box");
            let mut ready = [PollFd::new(self.0.as_fd(), PollFlags::POLLIN)];
            poll(&mut ready, PollTimeout::from(100_u16)).unwrap();
        }
    }
}
