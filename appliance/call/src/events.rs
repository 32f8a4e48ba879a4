//! Owns: what the pipeline's threads tell the one loop, and how they wake it.
//! Never: blocks the thread that tells.
//! Called by: pipeline (tells), run (listens).

pub use gstreamer_webrtc::WebRTCSessionDescription as Offer;
use nix::sys::eventfd::{EfdFlags, EventFd};
use parloir_wire::lease::{Fingerprint, Trouble};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Arc, mpsc};

/// What happened in the pipeline.
#[derive(Debug)]
pub enum Event {
    /// The offer is made.
    Offer(Offer),
    /// A candidate of our own (RFC 8838).
    Candidate {
        /** Index of the m-line. */
        mline: u32,
        /** `candidate:…`. */
        text: String,
    },
    /// The far certificate is the plan's; the gate is open.
    FarVerified(Fingerprint),
    /// It is not; the gate is shut for good.
    FarRefused(Fingerprint),
    /// The first far picture came out of the decoder.
    FirstPicture {
        /** `CLOCK_BOOTTIME` nanoseconds. */
        at_ns: u64,
        /** Pixels. */
        width: u16,
        /** Pixels. */
        height: u16,
        /** From the negotiated caps. */
        codec: String,
    },
    /// The first far sound came out of the decoder.
    FirstSound {
        /** `CLOCK_BOOTTIME` nanoseconds. */
        at_ns: u64,
    },
    /// Far sound of the last half second, hundredths of dBFS.
    Level(i16),
    /// What congestion control allows, kbit/s.
    Estimate(u32),
    /// What RTCP says.
    Network {
        /** Milliseconds. */
        rtt_ms: u16,
        /** Lost far video packets since the beginning. */
        lost: u64,
        /** Received far video packets since the beginning. */
        received: u64,
    },
    /// Something failed.
    Failed {
        /** What. */
        what: Trouble,
        /** For the log. */
        detail: String,
    },
}

/// The number of the pipeline that outlives the sessions: it is always heard.
pub const CAPTURE: u32 = 0;

/// The telling end; the number says which pipeline tells.
#[derive(Clone)]
pub struct Post {
    pipeline: u32,
    sender: mpsc::Sender<(u32, Event)>,
    wake: Arc<EventFd>,
}

/// The listening end.
pub struct Events {
    sender: mpsc::Sender<(u32, Event)>,
    receiver: mpsc::Receiver<(u32, Event)>,
    wake: Arc<EventFd>,
}

impl Events {
    /// # Errors
    /// No descriptor left.
    pub fn new() -> io::Result<Self> {
        let wake = Arc::new(EventFd::from_flags(EfdFlags::EFD_NONBLOCK | EfdFlags::EFD_CLOEXEC)?);
        let (sender, receiver) = mpsc::channel();
        Ok(Self { sender, receiver, wake })
    }
    /// A telling end for pipeline number `pipeline`.
    #[must_use]
    pub fn post(&self, pipeline: u32) -> Post {
        Post { pipeline, sender: self.sender.clone(), wake: self.wake.clone() }
    }
    /// Readable when something waits.
    #[must_use]
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.wake.as_fd()
    }
    /// The next event of capture or of session number `pipeline`; those of sessions before it are dropped.
    pub fn next(&self, pipeline: u32) -> Option<Event> {
        let _ = self.wake.read();
        self.receiver.try_iter().find(|(from, _)| *from == pipeline || *from == CAPTURE).map(|(_, event)| event)
    }
}

impl Post {
    /// Tells. An event after the loop's end is lost, as it should be.
    pub fn send(&self, event: Event) {
        if self.sender.send((self.pipeline, event)).is_ok() {
            let _ = self.wake.write(1);
        }
    }
}
