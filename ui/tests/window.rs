//! Owns: the window on a display, with the keyboard as remote: drawn in software, keys go to gate's bench door and nowhere else.
//! Never: a display of the machine's own; runs with the feature `bench`, as the demo is built.
//! Called by: cargo test --features bench.
#![cfg(feature = "bench")]

mod common;
#[path = "common/played.rs"]
mod played;

use parloir_wire::keys;
use parloir_wire::keys::{Key, Motion};
use played::{Asked, Bus, Played, Running, Scratch};
use std::io::{BufRead as _, BufReader};
use std::os::unix::net::UnixDatagram;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// A display in memory, its number chosen free by the server.
struct Display {
    name: String,
    _server: Running,
}

impl Display {
    fn start() -> Self {
        let mut server = Command::new("Xvfb");
        server.args(["-displayfd", "1", "-screen", "0", "1280x720x24", "-nolisten", "tcp"]).stdout(Stdio::piped());
        let mut server = server.spawn().expect("Xvfb is installed");
        let mut number = String::new();
        BufReader::new(server.stdout.take().unwrap()).read_line(&mut number).unwrap();
        Self { name: format!(":{}", number.trim()), _server: Running(server) }
    }

    fn run(&self, program: &str, words: &[&str]) -> Vec<u8> {
        let output = Command::new(program).args(words).env("DISPLAY", &self.name).output().unwrap();
        assert!(output.status.success(), "{program} {words:?}: {output:?}");
        output.stdout
    }

    /// Red, green and blue of the whole display, 1280x720.
    fn pixels(&self) -> Vec<u8> {
        self.run("import", &["-window", "root", "-depth", "8", "rgb:-"])
    }
}

#[tokio::test]
async fn the_keyboard_is_a_remote_and_the_window_shows_what_the_arbiter_says() {
    let (bus, display, scratch) = (Bus::start(), Display::start(), Scratch::new());
    let door_path = scratch.0.join("remote");
    let door = UnixDatagram::bind(&door_path).unwrap();
    door.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let mut arbiter = Played::start(&bus, common::home()).await;
    let mut screen = Command::new(env!("CARGO_BIN_EXE_parloir-ui"));
    screen.arg("--window").arg("--bench-remote").arg(&door_path);
    screen.env("DBUS_SYSTEM_BUS_ADDRESS", &bus.address).env("DISPLAY", &display.name).env_remove("WAYLAND_DISPLAY");
    let _screen = Running(screen.spawn().unwrap());
    arbiter.expect(Asked::Attach).await;
    arbiter.expect(Asked::Focus).await;

    until("the ring around the first person", || ring(&display.pixels()) > 1000).await;
    if let Some(kept) = std::env::var_os("WINDOW_PICTURE") {
        display.run("import", &["-window", "root", kept.to_str().unwrap()]);
    }
    let window = String::from_utf8(display.run("xdotool", &["search", "--name", "Visits"])).unwrap();
    display.run("xdotool", &["windowfocus", "--sync", window.lines().next().unwrap()]);
    for (name, key) in [("Return", Key::Ok), ("Escape", Key::Back), ("Up", Key::Up), ("7", Key::Digit7)] {
        display.run("xdotool", &["key", name]);
        assert_eq!(event(&door), keys::to_event(key, Motion::Down), "{name}");
        assert_eq!(event(&door), keys::to_event(key, Motion::Up), "{name}");
    }
    // The window's own keys did nothing: only what comes back through the arbiter counts.
    assert!(arbiter.nothing_more());
    arbiter.press(Key::Ok, 9).await;
    arbiter.expect(Asked::Place("a1".into(), "video".into(), 9)).await;
}

fn event(door: &UnixDatagram) -> [u8; 24] {
    let mut event = [0; 24];
    assert_eq!(door.recv(&mut event).expect("the key came"), 24);
    event
}

/// Pixels in the focus ring's colour.
fn ring(pixels: &[u8]) -> usize {
    pixels.chunks(3).filter(|p| *p == [0xFF, 0xC8, 0x57]).count()
}

async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(10);
    while !is_so() {
        assert!(Instant::now() < end, "{what}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
