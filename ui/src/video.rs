//! Owns: from the frame channel to images: the newest picture of each stream, at most 30 a second, converted once.
//! Never: keeps a slot longer than the conversion, believes a size it has not been checked, waits for the screen.
//! Called by: bridge (starts it), screen (takes what it made).

use parloir_frames::{Frame, FrameError, FrameReceiver, Stream};
use slint::{Rgb8Pixel, Rgba8Pixel, SharedPixelBuffer};
use std::os::fd::OwnedFd;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tracing::{info, warn};
use yuv::{YuvPlanarImage, YuvRange, YuvStandardMatrix};

/// Time between two pictures of a stream.
const PERIOD: Duration = Duration::from_nanos(33_333_333);
/// A picture may come this much early, so that a sender at exactly 30 a second loses none to jitter.
const EARLY: Duration = Duration::from_millis(10);
/// Radius of the own picture's corners, in 320ths of its width, as in `slint/parts/ownview.slint`.
const CORNER_OF_320: u32 = 20;

/// The newest pictures that the screen has not taken yet.
#[derive(Default)]
pub struct Mailbox {
    inside: Mutex<Pictures>,
}

type Pictures = (Option<SharedPixelBuffer<Rgb8Pixel>>, Option<SharedPixelBuffer<Rgba8Pixel>>);

impl Mailbox {
    /// Takes the far and the own picture.
    #[must_use]
    pub fn take(&self) -> Pictures {
        std::mem::take(&mut *self.lock())
    }
    /// Forgets both.
    pub fn clear(&self) {
        *self.lock() = Pictures::default();
    }
    fn lock(&self) -> MutexGuard<'_, Pictures> {
        // Pictures cannot be left half made: each is put in whole.
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs until the channel ends. `wake` is called after each picture that was put into an empty place.
pub fn run(socket: OwnedFd, mailbox: &Mailbox, wake: &(dyn Fn() + Send + Sync)) {
    let mut receiver = FrameReceiver::new(socket);
    let mut paces = [Pace::default(), Pace::default()];
    let mut waiting: [Option<Frame>; 2] = [None, None];
    loop {
        wait(&receiver, &waiting, &paces);
        match receive(&mut receiver, &mut waiting) {
            Ok(()) => {}
            Err(FrameError::Closed) => {
                info!("the frame channel ended");
                return;
            }
            Err(error) => {
                warn!(%error, "the frame channel is dropped");
                return;
            }
        }
        for (place, pace) in waiting.iter_mut().zip(&mut paces) {
            if pace.due()
                && let Some(frame) = place.take()
            {
                pace.shown();
                if put(mailbox, &frame) {
                    wake();
                }
            }
        }
    }
}

/// Keeps the average at one in [`PERIOD`], whatever the sender does.
#[derive(Default)]
struct Pace {
    next: Option<Instant>,
}

impl Pace {
    fn due(&self) -> bool {
        self.left().is_zero()
    }
    fn left(&self) -> Duration {
        self.next.map_or(Duration::ZERO, |next| next.saturating_duration_since(Instant::now() + EARLY))
    }
    fn shown(&mut self) {
        let now = Instant::now();
        let base = self.next.map_or(now, |next| next.max(now.checked_sub(PERIOD).unwrap_or(now)));
        self.next = Some(base + PERIOD);
    }
}

fn wait(receiver: &FrameReceiver, waiting: &[Option<Frame>; 2], paces: &[Pace; 2]) {
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
    let soonest = waiting.iter().zip(paces).filter(|(frame, _)| frame.is_some()).map(|(_, pace)| pace.left()).min();
    if let Some(left) = soonest {
        // While one waits for its time, a flood of others is not looked at more often than that.
        std::thread::sleep(left);
        return;
    }
    let mut fds = [PollFd::new(receiver.fd(), PollFlags::POLLIN)];
    // An interrupted wait is a wait.
    let _ = poll(&mut fds, PollTimeout::NONE);
}

fn receive(receiver: &mut FrameReceiver, waiting: &mut [Option<Frame>; 2]) -> Result<(), FrameError> {
    // One burst: a sender that floods cannot keep us from drawing.
    for _ in 0..Stream::ALL.len() {
        let Some(frame) = receiver.receive()? else { return Ok(()) };
        let place = frame.stream() as usize;
        waiting[place] = Some(frame);
    }
    Ok(())
}

/// Converts; `true` if the screen is to be told, that is if it had taken the one before.
fn put(mailbox: &Mailbox, frame: &Frame) -> bool {
    match frame.stream() {
        Stream::Far => far_image(frame).is_some_and(|image| mailbox.lock().0.replace(image).is_none()),
        Stream::SelfView => own_image(frame).is_some_and(|image| mailbox.lock().1.replace(image).is_none()),
    }
}

fn planar(frame: &Frame) -> YuvPlanarImage<'_, u8> {
    let stride = |n: usize| u32::try_from(n).unwrap_or(0);
    YuvPlanarImage {
        y_plane: frame.y(),
        y_stride: stride(frame.y_stride()),
        u_plane: frame.u(),
        u_stride: stride(frame.c_stride()),
        v_plane: frame.v(),
        v_stride: stride(frame.c_stride()),
        width: frame.width().into(),
        height: frame.height().into(),
    }
}

fn far_image(frame: &Frame) -> Option<SharedPixelBuffer<Rgb8Pixel>> {
    let mut image = SharedPixelBuffer::<Rgb8Pixel>::new(frame.width().into(), frame.height().into());
    let stride = image.width() * 3;
    yuv::yuv420_to_rgb(&planar(frame), image.make_mut_bytes(), stride, YuvRange::Limited, YuvStandardMatrix::Bt709)
        .inspect_err(|error| warn!(%error, "a far picture could not be converted"))
        .ok()?;
    Some(image)
}

fn own_image(frame: &Frame) -> Option<SharedPixelBuffer<Rgba8Pixel>> {
    let mut image = SharedPixelBuffer::<Rgba8Pixel>::new(frame.width().into(), frame.height().into());
    let stride = image.width() * 4;
    yuv::yuv420_to_rgba(&planar(frame), image.make_mut_bytes(), stride, YuvRange::Limited, YuvStandardMatrix::Bt709)
        .inspect_err(|error| warn!(%error, "an own picture could not be converted"))
        .ok()?;
    let (width, height) = (image.width(), image.height());
    round_corners(image.make_mut_slice(), width, height);
    Some(image)
}

/// Clears what lies outside the rounded corners: the software renderer clips to rectangles only.
fn round_corners(pixels: &mut [Rgba8Pixel], width: u32, height: u32) {
    let radius = (width * CORNER_OF_320 / 320).min(width / 2).min(height / 2);
    let edge = (radius * radius) as usize;
    for dy in 0..radius {
        for dx in 0..radius {
            let (a, b) = ((radius - dx) as usize, (radius - dy) as usize);
            if a * a + b * b <= edge {
                continue;
            }
            for (x, y) in [(dx, dy), (width - 1 - dx, dy), (dx, height - 1 - dy), (width - 1 - dx, height - 1 - dy)] {
                if let Some(pixel) = pixels.get_mut((y * width + x) as usize) {
                    *pixel = Rgba8Pixel::default();
                }
            }
        }
    }
}
