//! Owns: a private bus, an arbiter that is played by a service of the same contract, and a screen process.
//! Never: a fixed port or path; anything left running.
//! Called by: tests/process.rs, tests/restart.rs, tests/window.rs.
#![allow(dead_code, reason = "each test uses a part")]

use parloir_bus::view::View;
use parloir_frames::{FrameSender, Picture, Stream};
use parloir_shell::BootTime;
use parloir_wire::keys::{Key, KeyPress, Motion};
use slint::{Rgb8Pixel, SharedPixelBuffer};
use std::io::{BufRead as _, BufReader};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use zbus::object_server::SignalEmitter;

const PATIENCE: Duration = Duration::from_secs(10);

/// A directory of its own, gone at the end.
pub struct Scratch(pub PathBuf);

impl Scratch {
    pub fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let name = format!("ui-{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A process that does not outlive the test.
pub struct Running(pub Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A private bus that lets everybody do everything: who may is tested where the policy is.
pub struct Bus {
    pub address: String,
    _daemon: Running,
    _scratch: Scratch,
}

impl Bus {
    pub fn start() -> Self {
        let scratch = Scratch::new();
        let config = scratch.0.join("bus.conf");
        let rule = r#"<policy context="default"><allow user="*"/><allow own="*"/><allow send_destination="*"/><allow eavesdrop="false" receive_sender="*"/></policy>"#;
        let temp = std::env::temp_dir();
        let temp = temp.display();
        let text =
            format!("<busconfig><type>session</type><listen>unix:tmpdir={temp}</listen><auth>EXTERNAL</auth>{rule}</busconfig>");
        std::fs::write(&config, text).unwrap();
        let mut daemon = Command::new("dbus-daemon");
        daemon.arg(format!("--config-file={}", config.display())).args(["--nofork", "--print-address"]);
        let mut daemon = daemon.stdout(Stdio::piped()).spawn().expect("dbus-daemon is installed");
        let mut address = String::new();
        BufReader::new(daemon.stdout.take().unwrap()).read_line(&mut address).unwrap();
        Self { address: address.trim().to_owned(), _daemon: Running(daemon), _scratch: scratch }
    }
}

/// What the arbiter was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    Attach,
    Place(String, String, u64),
    Answer(String, String, u64),
    Decline(String),
    Drawn,
    End,
    Let(bool, bool, u64),
    Frames,
    Dismiss,
    Focus,
}

#[derive(Default)]
struct State {
    view: View,
    keys: Option<OwnedFd>,
    frames: Option<FrameSender>,
}

struct Calls {
    state: Arc<Mutex<State>>,
    told: UnboundedSender<Asked>,
}

impl Calls {
    fn tell(&self, asked: Asked) {
        self.told.send(asked).unwrap();
    }
}

#[zbus::interface(name = "org.parloir.Calls1")]
impl Calls {
    fn attach(&self) -> View {
        self.tell(Asked::Attach);
        self.state.lock().unwrap().view.clone()
    }
    #[zbus(signal)]
    async fn changed(emitter: &SignalEmitter<'_>, view: View) -> zbus::Result<()>;
    fn place(&self, contact: String, media: String, serial: u64) -> String {
        self.tell(Asked::Place(contact, media, serial));
        "0a".into()
    }
    fn answer(&self, ring: String, media: String, serial: u64) -> String {
        self.tell(Asked::Answer(ring, media, serial));
        "0a".into()
    }
    fn decline(&self, ring: String) {
        self.tell(Asked::Decline(ring));
    }
    fn end(&self) {
        self.tell(Asked::End);
    }
    #[zbus(name = "Let")]
    fn let_out(&self, camera: bool, microphone: bool, serial: u64) {
        self.tell(Asked::Let(camera, microphone, serial));
    }
    fn frames(&self) -> zbus::OwnedFd {
        let (ours, theirs) = parloir_shell::fds::pair().unwrap();
        self.state.lock().unwrap().frames = Some(FrameSender::new(ours));
        self.tell(Asked::Frames);
        theirs.into()
    }
    fn dismiss(&self) {
        self.tell(Asked::Dismiss);
    }
    fn drawn(&self) {
        self.tell(Asked::Drawn);
    }
}

struct Remote(Calls);

#[zbus::interface(name = "org.parloir.Remote1")]
impl Remote {
    fn focus(&self) -> zbus::OwnedFd {
        let (ours, theirs) = parloir_shell::fds::pair().unwrap();
        self.0.state.lock().unwrap().keys = Some(ours);
        self.0.tell(Asked::Focus);
        theirs.into()
    }
}

/// The played arbiter.
pub struct Played {
    bus: zbus::Connection,
    state: Arc<Mutex<State>>,
    asked: UnboundedReceiver<Asked>,
}

impl Played {
    pub async fn start(bus: &Bus, view: View) -> Self {
        let state = Arc::new(Mutex::new(State { view, ..State::default() }));
        let (told, asked) = unbounded_channel();
        let calls = || Calls { state: state.clone(), told: told.clone() };
        let builder = zbus::connection::Builder::address(bus.address.as_str());
        let builder = builder.serve_at(parloir_bus::PATH, calls());
        let builder = builder.serve_at(parloir_bus::PATH, Remote(calls())).name(parloir_bus::NAME);
        Self { bus: builder.build().await.unwrap(), state, asked }
    }

    /// Waits for this request; others that come before it are passed over.
    pub async fn expect(&mut self, wanted: Asked) {
        let mut others = Vec::new();
        let waiting = async {
            while let Some(asked) = self.asked.recv().await {
                if asked == wanted {
                    return true;
                }
                others.push(asked);
            }
            false
        };
        let came = tokio::time::timeout(PATIENCE, waiting).await.unwrap_or(false);
        assert!(came, "not asked for {wanted:?}, but {others:?}");
    }

    /// Whether all requests were looked at.
    pub fn nothing_more(&mut self) -> bool {
        // That a picture stands is said by itself, at any time.
        std::iter::from_fn(|| self.asked.try_recv().ok()).all(|asked| asked == Asked::Drawn)
    }

    pub async fn press(&self, key: Key, serial: u64) {
        let press = KeyPress { serial, key, motion: Motion::Down, at_ns: BootTime::now_ns() };
        let state = self.state.lock().unwrap();
        parloir_shell::fds::send(state.keys.as_ref().expect("the focus was asked for"), &press.encode(), &[]).unwrap();
    }

    pub async fn change(&self, view: View) {
        let view = {
            let mut state = self.state.lock().unwrap();
            state.view = View { revision: state.view.revision + 1, ..view };
            state.view.clone()
        };
        let emitter = SignalEmitter::new(&self.bus, parloir_bus::PATH).unwrap();
        Calls::changed(&emitter, view).await.unwrap();
    }

    /// A far picture of one grey.
    pub fn send_far(&self, luma: u8) {
        self.send(Stream::Far, 1280, 720, &|_| luma);
    }

    /// A far and an own picture that differ everywhere from those before.
    pub fn send_both(&self, number: u8) {
        let texture = |i: usize| (i % 251) as u8 ^ number;
        self.send(Stream::Far, 1280, 720, &texture);
        self.send(Stream::SelfView, 320, 180, &texture);
    }

    fn send(&self, stream: Stream, width: u16, height: u16, luma: &dyn Fn(usize) -> u8) {
        let (w, h) = (usize::from(width), usize::from(height));
        let (y, c): (Vec<u8>, _) = ((0..w * h).map(luma).collect(), vec![128; w * h / 4]);
        let picture = Picture { width, height, y: &y, y_stride: w, u: &c, v: &c, c_stride: w / 2 };
        let mut state = self.state.lock().unwrap();
        state.frames.as_mut().expect("the frame channel was asked for").send(stream, 0, &picture).unwrap();
    }

    pub fn cut_frames(&self) {
        self.state.lock().unwrap().frames = None;
    }

    pub async fn leave(self) {
        self.bus.close().await.unwrap();
    }
}

/// The screen process.
pub struct Screen {
    process: Running,
    scratch: Scratch,
}

impl Screen {
    pub fn start(bus: &Bus) -> Self {
        let scratch = Scratch::new();
        let mut command = Command::new(env!("CARGO_BIN_EXE_parloir-ui"));
        command.arg("--pictures").arg(&scratch.0).env("DBUS_SYSTEM_BUS_ADDRESS", &bus.address);
        Self { process: Running(command.spawn().unwrap()), scratch }
    }

    /// Waits for the first picture of this screen and takes it away.
    pub async fn picture(&self, name: &str) -> SharedPixelBuffer<Rgb8Pixel> {
        let until = Instant::now() + PATIENCE;
        loop {
            let files = std::fs::read_dir(&self.scratch.0).unwrap().map(|f| f.unwrap().path());
            let wanted = |p: &PathBuf| {
                let stem = p.file_stem().unwrap().to_str().unwrap();
                p.extension().is_some_and(|e| e == "png") && (stem == name || stem.get(4..) == Some(name))
            };
            if let Some(path) = files.into_iter().find(wanted) {
                let pixels = read(&path);
                std::fs::remove_file(path).unwrap();
                return pixels;
            }
            assert!(Instant::now() < until, "no picture of {name}");
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
    }

    fn signal(&self, signal: nix::sys::signal::Signal) {
        let pid = nix::unistd::Pid::from_raw(i32::try_from(self.process.0.id()).unwrap());
        nix::sys::signal::kill(pid, signal).unwrap();
    }

    pub fn ask_for_picture(&self) {
        self.signal(nix::sys::signal::Signal::SIGUSR1);
    }

    /// CPU time used so far, by threads that have ended too.
    pub fn cpu(&self) -> Duration {
        let pid = nix::unistd::Pid::from_raw(i32::try_from(self.process.0.id()).unwrap());
        let clock = nix::time::clock_getcpuclockid(pid).unwrap();
        Duration::from(nix::time::clock_gettime(clock).unwrap())
    }

    /// Waits until it ends by itself; in order, as the service manager reads it.
    pub async fn ends(mut self) {
        for _ in 0..600 {
            if let Some(status) = self.process.0.try_wait().unwrap() {
                assert!(status.success(), "{status}");
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("the screen did not end within a minute");
    }

    /// Asks it to end and expects that it does so in order.
    pub fn stop(mut self) {
        self.signal(nix::sys::signal::Signal::SIGTERM);
        let until = Instant::now() + PATIENCE;
        while Instant::now() < until {
            if let Some(status) = self.process.0.try_wait().unwrap() {
                assert!(status.success(), "{status}");
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("the screen did not end");
    }
}

fn read(path: &Path) -> SharedPixelBuffer<Rgb8Pixel> {
    let mut reader = png::Decoder::new(BufReader::new(std::fs::File::open(path).unwrap())).read_info().unwrap();
    let mut pixels = SharedPixelBuffer::new(reader.info().width, reader.info().height);
    reader.next_frame(pixels.make_mut_bytes()).unwrap();
    pixels
}
