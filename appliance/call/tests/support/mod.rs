//! The rig of the visit tests: the real binary started as gate would, this test as arbiter, link and screen, a real Chromium as far end.
#![allow(dead_code, reason = "each test binary uses its part")]

mod browser;
mod lease;

pub use browser::{Browser, Turn};
pub use lease::{Call, Seen};

use parloir_clip::Flavour;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard};

/// One visit at a time: two would share two cores.
pub fn alone() -> MutexGuard<'static, ()> {
    static ONE: Mutex<()> = Mutex::new(());
    ONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// The clip's files, made once.
pub fn clip(flavour: Flavour) -> (PathBuf, PathBuf) {
    let name = format!("{flavour:?}").to_lowercase();
    let dir = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    let (y4m, wav) = (dir.join(format!("{name}.y4m")), dir.join(format!("{name}.wav")));
    if !wav.exists() {
        // 3 s; renamed when whole, so that an interrupted run leaves no half clip.
        let part = dir.join(format!("{name}.part"));
        parloir_clip::write_y4m_frames(&part, flavour, 90).unwrap();
        std::fs::rename(&part, &y4m).unwrap();
        parloir_clip::write_wav(&part, flavour).unwrap();
        std::fs::rename(&part, &wav).unwrap();
    }
    (y4m, wav)
}

/// A free port of the loopback.
pub fn free_port() -> u16 {
    std::net::UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A process that ends with its owner.
pub struct Child(pub std::process::Child);

impl Drop for Child {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The environment that the unit gives a call: a plugin registry built beforehand, a private directory for generated code.
pub fn sandbox_environment() -> Vec<(String, String)> {
    vec![]
}
