//! Owns: two watchers from outside on the camera's source: when the last holder let go of it, and whether anybody ever held it.
//! Never: asks gate or call.
//! Called by: demo.

use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::outside::{FileId, holders, holds};
use crate::supervisor::{dead_within, pidfd};

/// Time between two looks.
const PERIOD: Duration = Duration::from_millis(4);

/// Watches a file until no process holds it and a process is dead.
pub struct Closing {
    watcher: JoinHandle<Option<f64>>,
    over: Arc<AtomicBool>,
}

impl Closing {
    /// Starts to watch; the time counts from here. `call` is the process that must be gone too.
    ///
    /// # Errors
    /// Nobody holds the file now, so its end could not be seen.
    pub fn watch(file: FileId, call: Option<u32>) -> io::Result<Self> {
        let before = holders(file);
        if before.is_empty() {
            return Err(io::Error::other("no process holds the camera's source during the visit: nothing to measure"));
        }
        let dead = call.and_then(|pid| pidfd(pid).ok());
        let over = Arc::new(AtomicBool::new(false));
        let done = over.clone();
        let start = Instant::now();
        let watcher = std::thread::spawn(move || {
            let limit = Duration::from_secs(10);
            let mut free = None;
            while start.elapsed() < limit && free.is_none() {
                let quick = before.iter().any(|pid| holds(*pid, file));
                let gone = dead.as_ref().is_none_or(|fd| dead_within(fd.as_fd(), Duration::ZERO));
                // The quick look asks the known holders; the full one after it makes sure that nobody else got it.
                if !quick && gone && holders(file).is_empty() {
                    free = Some(start.elapsed().as_secs_f64() * 1000.0);
                } else {
                    std::thread::sleep(PERIOD);
                }
            }
            done.store(true, Ordering::Release);
            free
        });
        Ok(Self { watcher, over })
    }

    /// Whether the watcher has its answer.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.over.load(Ordering::Acquire)
    }

    /// Milliseconds until nobody held the file and call was dead; `None` if somebody still did after ten seconds.
    #[must_use]
    pub fn finish(self) -> Option<f64> {
        self.watcher.join().ok().flatten()
    }
}

/// Looks all the time whether anybody holds a file.
pub struct Guard {
    watcher: JoinHandle<()>,
    stop: Arc<AtomicBool>,
    ever: Arc<AtomicBool>,
}

impl Guard {
    /// Starts to look.
    ///
    /// # Errors
    /// Somebody holds it already.
    pub fn on(file: FileId) -> io::Result<Self> {
        if !holders(file).is_empty() {
            return Err(io::Error::other("the camera's source is open before anything was asked"));
        }
        let (stop, ever) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let (stopped, seen) = (stop.clone(), ever.clone());
        let watcher = std::thread::spawn(move || {
            while !stopped.load(Ordering::Acquire) {
                if !holders(file).is_empty() {
                    seen.store(true, Ordering::Release);
                }
                std::thread::sleep(PERIOD);
            }
        });
        Ok(Self { watcher, stop, ever })
    }

    /// Whether anybody held it at a look so far.
    #[must_use]
    pub fn seen(&self) -> bool {
        self.ever.load(Ordering::Acquire)
    }

    /// Whether anybody held it at any look.
    #[must_use]
    pub fn finish(self) -> bool {
        self.stop.store(true, Ordering::Release);
        // A watcher that came to an end of its own has not looked.
        self.watcher.join().is_err() || self.ever.load(Ordering::Acquire)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::process::{Command, Stdio};

    #[test]
    fn the_death_of_a_holder_is_timed() {
        let path = std::env::temp_dir().join(format!("parloir-closing-{}", std::process::id()));
        fs::write(&path, "x").expect("temp file");
        let file = FileId::of(&path).expect("id");
        assert!(Closing::watch(file, None).is_err(), "nobody holds it");
        let guard = Guard::on(file).expect("free");
        let input = Stdio::from(fs::File::open(&path).expect("open"));
        let mut child = Command::new("sleep").arg("30").stdin(input).spawn().expect("sleep");
        let closing = Closing::watch(file, Some(child.id())).expect("held");
        std::thread::sleep(Duration::from_millis(60));
        // The looks come when the machine has time for them.
        while !guard.seen() {
            std::thread::sleep(PERIOD);
        }
        assert!(!closing.is_over());
        child.kill().expect("kill");
        child.wait().expect("wait");
        let took = closing.finish().expect("free in the end");
        assert!(took >= 60.0, "{took}");
        assert!(guard.finish(), "it was seen open");
        fs::remove_file(path).expect("clean up");
    }
}
