//! Owns: whether samples may pass, each way, and how many did.
//! Never: opens without a granted certificate; opens again once it was refused.
//! Called by: the pads of capture, sending and playback beside it (ask), session (opens or refuses), run (reads).

use gstreamer::prelude::*;
use parloir_shell::BootTime;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering};

const SHUT: u8 = 0;
const OPEN: u8 = 1;
const REFUSED: u8 = 2;

/// What a turn of the gate did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turned {
    /// It turned.
    Now,
    /// It was so.
    Before,
    /// It was refused before and stays so.
    Never,
}

/// What the visit lets out, whatever sessions come and go.
#[derive(Default)]
pub struct Lets {
    held: AtomicBool,
    camera_off: AtomicBool,
    refused: AtomicBool,
}

impl Lets {
    /// The person lets the camera out; the self view shows it.
    #[must_use]
    pub fn camera_on(&self) -> bool {
        !self.camera_off.load(Ordering::Acquire) && !self.refused.load(Ordering::Acquire)
    }
    /// See [`Self::camera_on`].
    pub fn set_camera(&self, on: bool) {
        self.camera_off.store(!on, Ordering::Release);
    }
    /// Held: nothing leaves.
    pub fn set_held(&self, held: bool) {
        self.held.store(held, Ordering::Release);
    }
    /// Nothing leaves any more, whatever is ordered.
    pub fn refuse(&self) {
        self.refused.store(true, Ordering::Release);
    }
    fn holds(&self) -> bool {
        self.held.load(Ordering::Acquire) || self.refused.load(Ordering::Acquire)
    }
}

/// One session's gate. It starts shut both ways.
#[derive(Default)]
pub struct Gate {
    far: AtomicU8,
    lets: Arc<Lets>,
    sound_only: AtomicBool,
    /// Bytes of RTP that entered the transport.
    pub bytes_out: AtomicU64,
    /// Bytes of RTP that left it to us.
    pub bytes_in: AtomicU64,
    /// Whole pictures that entered the transport.
    pub frames_sent: AtomicU64,
    /// Far pictures decoded.
    pub frames_decoded: AtomicU64,
    /// When the last one was, `CLOCK_BOOTTIME` nanoseconds; 0 never.
    pub last_picture_ns: AtomicU64,
    /// When the last far sound was decoded; 0 never.
    pub last_sound_ns: AtomicU64,
    /// Width and height of the last far picture, `width << 16 | height`.
    pub size: AtomicU32,
}

impl Gate {
    /// Of a new session.
    #[must_use]
    pub fn new(lets: Arc<Lets>) -> Self {
        Self { lets, ..Self::default() }
    }
    /// The far certificate is granted.
    pub fn open(&self) -> Turned {
        match self.far.compare_exchange(SHUT, OPEN, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => Turned::Now,
            Err(REFUSED) => Turned::Never,
            Err(_) => Turned::Before,
        }
    }
    /// The far certificate is not granted, or the visit is over: nothing passes any more.
    pub fn refuse(&self) -> Turned {
        if self.far.swap(REFUSED, Ordering::AcqRel) == REFUSED { Turned::Before } else { Turned::Now }
    }
    /// Far samples may be shown.
    #[must_use]
    pub fn lets_in(&self) -> bool {
        self.far.load(Ordering::Acquire) == OPEN
    }
    /// Own sound may leave (silence when the microphone is off).
    #[must_use]
    pub fn lets_sound_out(&self) -> bool {
        self.lets_in() && !self.lets.holds()
    }
    /// Own pictures may leave: the camera's, or black ones.
    #[must_use]
    pub fn lets_pictures_out(&self) -> bool {
        self.lets_sound_out() && !self.sound_only.load(Ordering::Acquire)
    }
    /// They may be the camera's.
    #[must_use]
    pub fn lets_camera_out(&self) -> bool {
        self.lets_pictures_out() && self.lets.camera_on()
    }
    /// True when this changed something.
    pub fn set_sound_only(&self, on: bool) -> bool {
        self.sound_only.swap(on, Ordering::AcqRel) != on
    }

    pub(super) fn saw_picture(&self, width: u16, height: u16) -> u64 {
        let now = BootTime::now_ns();
        self.size.store(u32::from(width) << 16 | u32::from(height), Ordering::Relaxed);
        self.last_picture_ns.store(now, Ordering::Release);
        self.frames_decoded.fetch_add(1, Ordering::AcqRel);
        now
    }
}

/// Drops the buffer of a probe. `Drop` would do the same, but the bindings have taken the buffer by then and GStreamer 1.22 complains about its absence.
pub const SWALLOW: gstreamer::PadProbeReturn = gstreamer::PadProbeReturn::Handled;

/// What passes a guarded pad.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Guard {
    /// Raw pictures on their way to the encoder; `blank` makes them black there while the camera is off.
    CameraToEncoder,
    /// RTP of own pictures on its way to the transport.
    PicturesOut,
    /// RTP of own sound on its way to the transport.
    SoundOut,
    /// RTP of the far side.
    In,
}

/// Puts the gate on a pad: buffers that may not pass are dropped there, and those that pass are counted.
pub fn guard(pad: &gstreamer::Pad, gate: &Arc<Gate>, what: Guard) {
    let gate = gate.clone();
    pad.add_probe(gstreamer::PadProbeType::BUFFER | gstreamer::PadProbeType::BUFFER_LIST, move |_, info| {
        let passes = match what {
            Guard::CameraToEncoder | Guard::PicturesOut => gate.lets_pictures_out(),
            Guard::SoundOut => gate.lets_sound_out(),
            Guard::In => gate.lets_in(),
        };
        if !passes {
            return SWALLOW;
        }
        match &info.data {
            Some(gstreamer::PadProbeData::Buffer(b)) => count(&gate, what, b),
            Some(gstreamer::PadProbeData::BufferList(list)) => list.iter().for_each(|b| count(&gate, what, b)),
            _ => {}
        }
        gstreamer::PadProbeReturn::Ok
    });
}

fn count(gate: &Gate, what: Guard, buffer: &gstreamer::BufferRef) {
    match what {
        Guard::PicturesOut | Guard::SoundOut => gate.bytes_out.fetch_add(buffer.size() as u64, Ordering::Relaxed),
        Guard::In => gate.bytes_in.fetch_add(buffer.size() as u64, Ordering::Relaxed),
        Guard::CameraToEncoder => return,
    };
    // The marker bit ends a picture (RFC 6184, section 5.1; RFC 3550, section 5.1).
    let mut head = [0; 2];
    if what == Guard::PicturesOut && buffer.copy_to_slice(0, &mut head).is_ok() && head[1] & 0x80 != 0 {
        gate.frames_sent.fetch_add(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gate_starts_shut_and_a_refusal_is_final() {
        let gate = Gate::default();
        assert!(!gate.lets_in() && !gate.lets_sound_out() && !gate.lets_pictures_out());
        assert_eq!((gate.open(), gate.open()), (Turned::Now, Turned::Before));
        assert!(gate.lets_in() && gate.lets_sound_out() && gate.lets_pictures_out());
        assert_eq!((gate.refuse(), gate.refuse()), (Turned::Now, Turned::Before));
        assert_eq!(gate.open(), Turned::Never);
        assert!(!gate.lets_in() && !gate.lets_sound_out() && !gate.lets_pictures_out());
    }

    #[test]
    fn held_lets_nothing_out_and_camera_off_no_picture_of_it() {
        let lets = Arc::new(Lets::default());
        let gate = Gate::new(lets.clone());
        gate.open();
        lets.set_camera(false);
        assert!(gate.lets_sound_out() && gate.lets_pictures_out() && !gate.lets_camera_out() && !lets.camera_on());
        lets.set_camera(true);
        lets.set_held(true);
        assert!(!gate.lets_sound_out() && !gate.lets_pictures_out() && gate.lets_in() && lets.camera_on());
        let next = Gate::new(lets.clone());
        next.open();
        assert!(!next.lets_sound_out() && !next.lets_pictures_out(), "the next session is held too");
        lets.set_held(false);
        assert!(gate.set_sound_only(true) && !gate.set_sound_only(true));
        assert!(gate.lets_sound_out() && !gate.lets_pictures_out());
        lets.refuse();
        lets.set_held(false);
        lets.set_camera(true);
        assert!(!gate.lets_sound_out() && !lets.camera_on(), "a refusal is final");
    }
}
