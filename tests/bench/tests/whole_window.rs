//! Owns: the demo as a person starts it: a window, the keyboard as remote, and an end that leaves nothing behind.
//! Never: needs a display of the machine; it brings its own (Xvfb).
//! Called by: `scripts/test window`.

mod whole;

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use parloir_bench::outside::{pids, tree};
use whole::{cannot, demo, luma, out};

/// A display of our own.
struct Display {
    server: Child,
    name: String,
}

impl Display {
    fn start() -> Self {
        let number = 200 + std::process::id() % 500;
        let name = format!(":{number}");
        let server = Command::new("Xvfb")
            .args([name.as_str(), "-screen", "0", "1280x720x24", "-nolisten", "tcp"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("Xvfb starts");
        let socket = format!("/tmp/.X11-unix/X{number}");
        wait("Xvfb", Duration::from_secs(10), || Path::new(&socket).exists());
        Self { server, name }
    }

    /// What the display shows, as a file.
    fn picture(&self, to: &Path) {
        let sink = format!("location={}", to.display());
        let status = Command::new("gst-launch-1.0")
            .args([
                "-q",
                "ximagesrc",
                "num-buffers=1",
                "use-damage=false",
                "!",
                "videoconvert",
                "!",
                "pngenc",
                "!",
                "filesink",
                &sink,
            ])
            .env("DISPLAY", &self.name)
            .status()
            .expect("gst-launch-1.0 starts");
        assert!(status.success());
    }

    fn xdotool(&self, words: &[&str]) {
        let status = Command::new("xdotool").args(words).env("DISPLAY", &self.name).stdout(Stdio::null()).status();
        assert!(status.expect("xdotool starts").success(), "xdotool {words:?}");
    }

    fn key(&self, name: &str) {
        self.xdotool(&["key", name]);
    }
}

impl Drop for Display {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

/// A demo that ends with the test, whatever becomes of that.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        end(&self.0);
        let _ = self.0.wait();
    }
}

fn end(child: &Child) {
    let pid = nix::unistd::Pid::from_raw(i32::try_from(child.id()).expect("a process id"));
    let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM);
}

fn wait(what: &str, limit: Duration, mut there: impl FnMut() -> bool) {
    let start = Instant::now();
    while !there() {
        assert!(start.elapsed() < limit, "{what}: not within {} s", limit.as_secs());
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn log(name: &str, cell: &str) -> String {
    fs::read_to_string(out(name).join(format!("logs/{cell}.log"))).unwrap_or_default()
}

#[test]
fn a_window_shows_the_home_screen_takes_keys_and_closes_without_a_trace() {
    if cannot() {
        return;
    }
    let display = Display::start();
    let name = "window";
    let mut running =
        Running(demo(name, &[]).env("DISPLAY", &display.name).env_remove("XAUTHORITY").spawn().expect("the bench starts"));
    wait("the home screen", Duration::from_secs(60), || log(name, "ui").contains("phase=\"home\""));
    std::thread::sleep(Duration::from_secs(2));
    let (home, after) = (out(name).join("home.png"), out(name).join("after-right.png"));
    display.picture(&home);
    assert!(shades(&home) > 20, "the window shows next to nothing: {}", home.display());
    // There is no window manager here that would give the only window the keyboard.
    display.xdotool(&["search", "--name", "Visits", "windowfocus", "--sync"]);
    display.key("Right");
    std::thread::sleep(Duration::from_secs(1));
    display.picture(&after);
    assert!(luma(&home).0 != luma(&after).0, "the focus did not move on Right");
    display.key("Left");
    display.key("Return");
    wait("the call after Enter", Duration::from_secs(10), || log(name, "ui").contains("phase=\"asking\""));
    display.picture(&out(name).join("asking.png"));
    // The same remote from another terminal.
    let back = Command::new(env!("CARGO_BIN_EXE_parloir-bench")).args(["remote", "back", "--out"]).arg(out(name)).status();
    assert!(back.expect("the bench starts").success());
    wait("the end of the call after Back", Duration::from_secs(10), || log(name, "ui").contains("phase=\"closing\""));
    let all = tree(running.0.id());
    assert!(all.len() > 8, "only {} processes run", all.len());
    end(&running.0);
    running.0.wait().expect("it ends");
    let left: Vec<u32> = pids().into_iter().filter(|pid| all.contains(pid)).collect();
    assert!(left.is_empty(), "still running: {left:?}");
}

/// How many different shades of grey a picture has.
fn shades(path: &Path) -> usize {
    let (luma, _, _) = luma(path);
    luma.into_iter().collect::<std::collections::BTreeSet<u8>>().len()
}
