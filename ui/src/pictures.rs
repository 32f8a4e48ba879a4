//! Owns: a screen without a screen: Slint's software renderer into memory, 1280x720, and PNGs of it.
//! Never: takes input; draws while nothing changes.
//! Called by: main with `--pictures DIR`, the picture tests.

use crate::announce::phase_name;
use crate::queue::{Proxy, Queue};
use crate::shown::Screen;
use slint::platform::software_renderer::{MinimalSoftwareWindow, RepaintBufferType};
use slint::platform::{self, EventLoopProxy, Platform, PlatformError, WindowAdapter};
use slint::{PhysicalSize, Rgb8Pixel, SharedPixelBuffer};
use std::cell::{Cell, RefCell};
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tracing::{info, warn};

/// Pixels.
pub const WIDTH: u32 = 1280;
/// Pixels.
pub const HEIGHT: u32 = 720;
/// Shortest time between two drawings.
const PERIOD: Duration = Duration::from_millis(33);
/// A picture is taken this long after a change of screens, when its movements are over.
const SETTLED: Duration = Duration::from_millis(300);
/// Time between two pictures of a visit.
const EVERY: Duration = Duration::from_secs(5);

/// The window in memory and what has been drawn into it.
pub struct Canvas {
    window: Rc<MinimalSoftwareWindow>,
    pixels: RefCell<SharedPixelBuffer<Rgb8Pixel>>,
    album: Option<Album>,
}

impl Canvas {
    /// With a directory, pictures are saved into it as the screens change.
    ///
    /// # Errors
    /// The directory cannot be made.
    pub fn new(directory: Option<&Path>) -> std::io::Result<Rc<Self>> {
        let window = MinimalSoftwareWindow::new(RepaintBufferType::ReusedBuffer);
        window.set_size(PhysicalSize::new(WIDTH, HEIGHT));
        let album = directory.map(Album::new).transpose()?;
        Ok(Rc::new(Self { window, pixels: RefCell::new(SharedPixelBuffer::new(WIDTH, HEIGHT)), album }))
    }

    /// Draws what changed; `false` if nothing did.
    pub fn draw(&self) -> bool {
        self.window.draw_if_needed(|renderer| {
            renderer.render(self.pixels.borrow_mut().make_mut_slice(), WIDTH as usize);
        })
    }

    /// What has been drawn.
    #[must_use]
    pub fn pixels(&self) -> SharedPixelBuffer<Rgb8Pixel> {
        self.pixels.borrow().clone()
    }

    /// The screen that stands now; its picture is taken when it has settled.
    pub fn screen_is(&self, screen: Screen) {
        if let Some(album) = &self.album {
            album.screen_is(screen);
        }
    }

    /// Takes a picture of the visit now.
    pub fn take_latest(&self) {
        if let Some(album) = &self.album {
            album.next_latest.set(Some(Instant::now()));
        }
    }
}

/// The platform that Slint runs on.
pub struct Headless {
    canvas: Rc<Canvas>,
    queue: Arc<Queue>,
    time: Time,
}

enum Time {
    Runs(Instant),
    Given(Rc<Cell<Duration>>),
}

impl Headless {
    /// Around a canvas.
    #[must_use]
    pub fn new(canvas: Rc<Canvas>) -> Self {
        Self { canvas, queue: Arc::default(), time: Time::Runs(Instant::now()) }
    }

    /// With a time that the caller sets, so that every movement is where it is expected.
    #[must_use]
    pub fn with_time(canvas: Rc<Canvas>, time: Rc<Cell<Duration>>) -> Self {
        Self { canvas, queue: Arc::default(), time: Time::Given(time) }
    }
}

impl Platform for Headless {
    fn create_window_adapter(&self) -> Result<Rc<dyn WindowAdapter>, PlatformError> {
        Ok(self.canvas.window.clone())
    }

    fn duration_since_start(&self) -> Duration {
        match &self.time {
            Time::Runs(start) => start.elapsed(),
            Time::Given(time) => time.get(),
        }
    }

    fn new_event_loop_proxy(&self) -> Option<Box<dyn EventLoopProxy>> {
        Some(Box::new(Proxy(self.queue.clone())))
    }

    fn run_event_loop(&self) -> Result<(), PlatformError> {
        let mut drawn = Instant::now().checked_sub(PERIOD).unwrap_or_else(Instant::now);
        let mut longest = Duration::ZERO;
        while let Some(tasks) = self.queue.wait(longest) {
            tasks.into_iter().for_each(|task| task());
            platform::update_timers_and_animations();
            let rest = PERIOD.saturating_sub(drawn.elapsed());
            if rest.is_zero() && self.canvas.draw() {
                drawn = Instant::now();
            }
            let album = self.canvas.album.as_ref().and_then(|album| album.turn(&self.canvas));
            let timer = platform::duration_until_next_timer_update();
            let frame =
                (!rest.is_zero() || self.canvas.window.has_active_animations()).then_some(rest.max(Duration::from_millis(1)));
            // Nothing to wait for but a task: any long time will do.
            longest = [album, timer, frame].into_iter().flatten().min().unwrap_or(Duration::from_secs(60));
        }
        Ok(())
    }
}

/// The pictures in a directory.
struct Album {
    directory: PathBuf,
    number: Cell<u32>,
    screen: Cell<Screen>,
    next_settled: Cell<Option<Instant>>,
    next_latest: Cell<Option<Instant>>,
}

impl Album {
    fn new(directory: &Path) -> std::io::Result<Self> {
        std::fs::create_dir_all(directory)?;
        Ok(Self {
            directory: directory.to_owned(),
            number: Cell::new(0),
            screen: Cell::new(Screen::Starting),
            next_settled: Cell::new(Some(Instant::now() + SETTLED)),
            next_latest: Cell::new(None),
        })
    }

    fn screen_is(&self, screen: Screen) {
        if self.screen.replace(screen) != screen {
            let now = Instant::now();
            self.next_settled.set(Some(now + SETTLED));
            self.next_latest.set((screen == Screen::Live).then_some(now + EVERY));
        }
    }

    /// Takes the pictures that are due; answers when the next is.
    fn turn(&self, canvas: &Canvas) -> Option<Duration> {
        let now = Instant::now();
        if self.next_settled.get().is_some_and(|at| at <= now) {
            self.next_settled.set(None);
            self.number.set(self.number.get() + 1);
            self.save(canvas, format!("{:03}-{}.png", self.number.get(), phase_name(self.screen.get())));
        }
        if self.next_latest.get().is_some_and(|at| at <= now) {
            self.next_latest.set((self.screen.get() == Screen::Live).then_some(now + EVERY));
            self.save(canvas, "live-latest.png".to_owned());
        }
        let next = [self.next_settled.get(), self.next_latest.get()].into_iter().flatten().min();
        next.map(|at| at.saturating_duration_since(now))
    }

    fn save(&self, canvas: &Canvas, name: String) {
        // What is due to be drawn belongs into the picture.
        canvas.draw();
        let (pixels, path) = (canvas.pixels(), self.directory.join(&name));
        let write = move || match save_png(&pixels, &path) {
            Ok(()) => info!(picture = name, "picture"),
            Err(error) => warn!(picture = name, %error, "a picture could not be saved"),
        };
        // Compressing takes longer than a frame does.
        if let Err(error) = std::thread::Builder::new().name("picture".into()).spawn(write) {
            warn!(%error, "no thread for a picture");
        }
    }
}

/// Writes a PNG (RGB, 8 bits) whole or not at all.
///
/// # Errors
/// The file cannot be written.
pub fn save_png(pixels: &SharedPixelBuffer<Rgb8Pixel>, path: &Path) -> std::io::Result<()> {
    let unfinished = path.with_extension("png.part");
    let mut encoder = png::Encoder::new(BufWriter::new(std::fs::File::create(&unfinished)?), pixels.width(), pixels.height());
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(pixels.as_bytes())?;
    writer.finish()?;
    std::fs::rename(unfinished, path)
}
