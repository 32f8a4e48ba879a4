//! Owns: the screen on the TV by kernel mode setting: an event loop that draws what changed, and follows the TV when it comes, goes or
//! changes its mode.
//! Never: a key (they come from the arbiter), a terminal, a seat; draws faster than a visit's pictures come, or without a TV.
//! Called by: main with `--kms`.

use crate::queue::{Proxy, Queue};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use parloir_kms::{Card, News, Rect, Surface};
use slint::platform::software_renderer::{MinimalSoftwareWindow, RepaintBufferType};
use slint::platform::{self, EventLoopProxy, Platform, PlatformError, WindowAdapter, WindowEvent};
use slint::{PhysicalSize, Rgb8Pixel, SharedPixelBuffer};
use std::cell::RefCell;
use std::io;
use std::os::fd::AsFd as _;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tracing::warn;

/// Shortest time between two drawings.
const PERIOD: Duration = Duration::from_millis(33);
/// Time between two looks whether the TV is still the same.
const LOOK: Duration = Duration::from_millis(500);
/// The same while another has the card, as the still does for the moment in which it sets a mode.
const SOON: Duration = Duration::from_millis(50);
/// A card that has not come by now is not waited for.
const PATIENCE: Duration = Duration::from_secs(5);

/// Where the screen is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// The first picture stands on this TV.
    On(String),
    /// No TV is plugged in.
    NoTv,
    /// There is no card to show anything with, and why. Told after some seconds, not at once.
    NoCard(String),
}

/// Hears where the screen is when that changes.
pub type Told = Box<dyn Fn(&Place)>;

/// The platform that Slint runs on.
pub struct Tv {
    window: Rc<MinimalSoftwareWindow>,
    queue: Arc<Queue>,
    begun: Instant,
    told: Told,
}

impl Tv {
    /// # Errors
    /// No descriptors are left.
    pub fn new(told: Told) -> io::Result<Self> {
        let window = MinimalSoftwareWindow::new(RepaintBufferType::ReusedBuffer);
        Ok(Self { window, queue: Arc::new(Queue::with_descriptor()?), begun: Instant::now(), told })
    }
}

impl Platform for Tv {
    fn create_window_adapter(&self) -> Result<Rc<dyn WindowAdapter>, PlatformError> {
        Ok(self.window.clone())
    }

    fn duration_since_start(&self) -> Duration {
        self.begun.elapsed()
    }

    fn new_event_loop_proxy(&self) -> Option<Box<dyn EventLoopProxy>> {
        Some(Box::new(Proxy(self.queue.clone())))
    }

    fn run_event_loop(&self) -> Result<(), PlatformError> {
        let mut screen = Screen::new(self);
        let (mut next_look, mut next_draw) = (Instant::now(), Instant::now());
        while let Some(tasks) = self.queue.take() {
            tasks.into_iter().for_each(|task| task());
            platform::update_timers_and_animations();
            let now = Instant::now();
            if next_look <= now {
                next_look = now + screen.look();
            }
            if next_draw <= now && screen.draw() {
                next_draw = Instant::now() + PERIOD;
            }
            self.wait(&mut screen, next_look, next_draw)?;
        }
        Ok(())
    }
}

impl Tv {
    /// Until there is something to do: a task, a timer, the next look; something to draw, and a TV that can take it.
    fn wait(&self, screen: &mut Screen<'_>, next_look: Instant, next_draw: Instant) -> Result<(), PlatformError> {
        let now = Instant::now();
        let flipping = screen.surface.as_mut().is_some_and(Surface::busy);
        let drawing = screen.surface.is_some() && !flipping;
        let frame = drawing && (next_draw > now || self.window.has_active_animations());
        let frame = frame.then(|| next_draw.saturating_duration_since(now).max(Duration::from_millis(1)));
        let look = Some(next_look.saturating_duration_since(now));
        let longest = [look, frame, platform::duration_until_next_timer_update()].into_iter().flatten().min().unwrap_or(LOOK);
        let mut fds: Vec<PollFd<'_>> = self.queue.descriptor().map(|d| PollFd::new(d, PollFlags::POLLIN)).into_iter().collect();
        if let (Some(card), true) = (&screen.card, flipping) {
            fds.push(PollFd::new(card.as_fd(), PollFlags::POLLIN));
        }
        // Rounded up: a millisecond too early would be a round for nothing.
        let longest = PollTimeout::try_from(longest + Duration::from_micros(999)).unwrap_or(PollTimeout::MAX);
        match poll(&mut fds, longest) {
            Ok(_) | Err(nix::errno::Errno::EINTR) => Ok(()),
            Err(error) => Err(format!("the event loop cannot wait: {error}").into()),
        }
    }
}

/// What the loop holds between two rounds.
struct Screen<'a> {
    tv: &'a Tv,
    card: Option<Rc<Card>>,
    news: News,
    surface: Option<Surface>,
    pixels: RefCell<SharedPixelBuffer<Rgb8Pixel>>,
    /// Nothing has been drawn for this surface yet.
    fresh: bool,
    place: Option<Place>,
    /// What went wrong last, until a picture stands again.
    trouble: Option<String>,
}

impl<'a> Screen<'a> {
    fn new(tv: &'a Tv) -> Self {
        let pixels = RefCell::new(SharedPixelBuffer::new(1, 1));
        Self { tv, card: None, news: News::default(), surface: None, pixels, fresh: false, place: None, trouble: None }
    }

    /// Looks which TV is there; answers when to look again.
    fn look(&mut self) -> Duration {
        match self.follow() {
            Ok(()) => LOOK,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                if self.tv.begun.elapsed() > PATIENCE {
                    self.tell(Place::NoCard(error.to_string()));
                }
                LOOK
            }
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                // Another was the master when the card was opened: it is opened anew, in a moment.
                (self.surface, self.card) = (None, None);
                SOON
            }
            Err(error) => {
                self.give_up(&error, "the TV could not be looked at; trying again");
                LOOK
            }
        }
    }

    fn follow(&mut self) -> io::Result<()> {
        let card = match &self.card {
            Some(card) => card.clone(),
            None => {
                let card = Rc::new(Card::open()?);
                card.take()?;
                self.news = News::default();
                self.card.insert(card).clone()
            }
        };
        // Without a TV each look asks, whether or not the kernel has said something: a plug that nobody was told of is found, and there is
        // no description to read.
        let news = self.news.any() || self.surface.is_none();
        let Some(output) = card.output(news)? else {
            self.surface = None;
            self.tell(Place::NoTv);
            return Ok(());
        };
        if self.surface.as_ref().is_some_and(|s| s.output().is_as(&output)) {
            return Ok(());
        }
        // The old one goes first: two of the largest may be more than the card has room for.
        self.surface = None;
        let surface = Surface::new(card, output)?;
        let canvas = surface.canvas();
        *self.pixels.borrow_mut() = SharedPixelBuffer::new(canvas.width, canvas.height);
        let size = PhysicalSize::new(canvas.width, canvas.height);
        self.tv.window.dispatch_event(WindowEvent::ScaleFactorChanged { scale_factor: canvas.scale() });
        self.tv.window.set_size(size);
        self.tv.window.request_redraw();
        (self.surface, self.fresh) = (Some(surface), true);
        Ok(())
    }

    /// Draws what changed, if the TV can take it; `false` if nothing did.
    fn draw(&mut self) -> bool {
        let Some(surface) = self.surface.as_mut() else { return false };
        if surface.busy() {
            return false;
        }
        let (canvas, fresh, mut changed) = (surface.canvas(), self.fresh, Vec::new());
        let drawn = self.tv.window.draw_if_needed(|renderer| {
            renderer.set_repaint_buffer_type(if fresh { RepaintBufferType::NewBuffer } else { RepaintBufferType::ReusedBuffer });
            let region = renderer.render(self.pixels.borrow_mut().make_mut_slice(), canvas.width as usize);
            changed.extend(region.iter().map(|(at, size)| rect(at, size)));
        });
        if !drawn || changed.is_empty() {
            return drawn;
        }
        let put = surface.put(self.pixels.borrow().as_bytes(), &changed);
        let name = surface.output().name();
        match put {
            Ok(()) if fresh => {
                (self.fresh, self.trouble) = (false, None);
                self.tell(Place::On(name));
            }
            Ok(()) => {}
            Err(error) => self.give_up(&error, "a picture did not reach the TV; trying again"),
        }
        true
    }

    fn give_up(&mut self, error: &io::Error, what: &str) {
        // Twice a second the same would only fill the journal.
        let trouble = error.to_string();
        if self.trouble.as_ref() != Some(&trouble) {
            warn!(%error, "{what}");
            self.trouble = Some(trouble);
        }
        (self.surface, self.card) = (None, None);
    }

    fn tell(&mut self, place: Place) {
        if self.place.as_ref() != Some(&place) {
            (self.tv.told)(&place);
            self.place = Some(place);
        }
    }
}

fn rect(at: slint::PhysicalPosition, size: PhysicalSize) -> Rect {
    let positive = |n: i32| u32::try_from(n).unwrap_or(0);
    Rect { x: positive(at.x), y: positive(at.y), width: size.width, height: size.height }
}

#[cfg(test)]
mod tests {
    use super::rect;
    use parloir_kms::Rect;
    use slint::{PhysicalPosition, PhysicalSize};

    #[test]
    fn what_slint_drew_is_what_is_copied() {
        let drawn = rect(PhysicalPosition::new(3, 4), PhysicalSize::new(5, 6));
        assert_eq!(drawn, Rect { x: 3, y: 4, width: 5, height: 6 });
    }
}
