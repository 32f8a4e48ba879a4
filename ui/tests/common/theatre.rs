//! Owns: a screen in memory whose time the test sets: shows a view and answers with the drawn pixels.
//! Never: a running clock; a shortcut around the frame channel.
//! Called by: the picture and fit tests.

use super::Scene;
use parloir_bus::view::Phase;
use parloir_frames::{FrameSender, Picture, Stream};
use parloir_ui::bridge::FromBus;
use parloir_ui::pictures::{Canvas, Headless};
use parloir_ui::screen::Stage;
use parloir_ui::shown::App;
use parloir_ui::video::{self, Mailbox};
use slint::{ComponentHandle as _, Rgb8Pixel, SharedPixelBuffer};
use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

pub struct Theatre {
    canvas: Rc<Canvas>,
    time: Rc<Cell<Duration>>,
    pub app: App,
}

impl Theatre {
    pub fn new() -> Self {
        let canvas = Canvas::new(None).unwrap();
        let time = Rc::new(Cell::new(Duration::from_millis(1)));
        slint::platform::set_platform(Box::new(Headless::with_time(canvas.clone(), time.clone()))).unwrap();
        let app = App::new().unwrap();
        app.show().unwrap();
        Self { canvas, time, app }
    }

    /// Shows a scene on a stage of its own, with pictures through a real frame channel in a visit, and lets it settle.
    pub fn show(&self, scene: &Scene, luma: fn(usize, usize) -> u8) -> SharedPixelBuffer<Rgb8Pixel> {
        let (requests, _asked) = tokio::sync::mpsc::unbounded_channel();
        let mailbox = Arc::new(Mailbox::default());
        let mut stage = Stage::new(self.app.clone_strong(), requests, mailbox.clone());
        for view in &scene.views {
            stage.take(FromBus::View(Box::new(view.clone())));
            stage.tick(0);
        }
        if scene.lost {
            stage.take(FromBus::Gone);
        }
        if matches!(scene.last().phase, Phase::Live | Phase::Held) {
            send_pictures(&mailbox, luma);
            stage.take_pictures();
        }
        for _ in 0..2 {
            self.time.set(self.time.get() + Duration::from_secs(1));
            slint::platform::update_timers_and_animations();
            self.canvas.draw();
        }
        self.canvas.pixels()
    }
}

/// One far picture of 1280x720 and one own of 320x180.
pub fn send_pictures(mailbox: &Arc<Mailbox>, luma: fn(usize, usize) -> u8) {
    let (ours, theirs) = parloir_shell::fds::pair().unwrap();
    let mut sender = FrameSender::new(theirs);
    let (told, woken) = mpsc::channel();
    let inside = mailbox.clone();
    let thread = std::thread::spawn(move || video::run(ours, &inside, &move || told.send(()).unwrap()));
    for (stream, width, height) in [(Stream::Far, 1280, 720), (Stream::SelfView, 320, 180)] {
        let y: Vec<u8> = (0..width * height).map(|i| luma(i % width, i / width)).collect();
        let c = vec![128; width * height / 4];
        let (w, h) = (u16::try_from(width).unwrap(), u16::try_from(height).unwrap());
        let picture = Picture { width: w, height: h, y: &y, y_stride: width, u: &c, v: &c, c_stride: width / 2 };
        sender.send(stream, 0, &picture).unwrap();
        woken.recv_timeout(Duration::from_secs(5)).expect("the picture arrives");
    }
    drop(sender);
    thread.join().unwrap();
}
