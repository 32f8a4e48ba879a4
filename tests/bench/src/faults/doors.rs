//! Owns: a look at the doors from outside that never stops: who holds the camera's or the microphone's source, and whether call lives.
//! Never: asks gate or call; believes a log line.
//! Called by: the rig, for every row.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::outside::{FileId, holders, holds, pids, user_of};

/// Time between two looks at the box's own processes.
const PERIOD: Duration = Duration::from_millis(10);
/// Every so many looks all processes of the namespace are looked at, not only the box's.
const FULL_EVERY: u32 = 25;
/// Spans that are kept; older ones are of earlier rows.
const KEPT: usize = 512;

/// A span of time in which something was so; `to` is the last look at which it still was.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    /// First look.
    pub from: Instant,
    /// Last look.
    pub to: Instant,
}

#[derive(Default)]
struct Book {
    open: Vec<Span>,
    call: Vec<Span>,
    open_now: bool,
    call_now: bool,
    looked: Option<Instant>,
}

/// The watcher's thread, and what it wrote down.
pub struct Doors {
    book: Arc<Mutex<Book>>,
    files: Arc<Mutex<Vec<FileId>>>,
    stop: Arc<AtomicBool>,
    watcher: Option<JoinHandle<()>>,
}

impl Doors {
    /// Starts to look. `files` are the sources, `users` those whose processes are looked at each time, `call` is the call process's user.
    #[must_use]
    pub fn watch(files: Vec<FileId>, users: Vec<u32>, call: u32) -> Self {
        let (book, stop) = (Arc::new(Mutex::new(Book::default())), Arc::new(AtomicBool::new(false)));
        let (written, stopped) = (book.clone(), stop.clone());
        let files = Arc::new(Mutex::new(files));
        let watched = files.clone();
        let watcher = std::thread::spawn(move || {
            let mut looks = 0u32;
            while !stopped.load(Ordering::Acquire) {
                let files = watched.lock().unwrap_or_else(PoisonError::into_inner).clone();
                let (open, alive) = look(&files, &users, call, looks.is_multiple_of(FULL_EVERY));
                written.lock().unwrap_or_else(PoisonError::into_inner).write(open, alive, Instant::now());
                looks = looks.wrapping_add(1);
                std::thread::sleep(PERIOD);
            }
        });
        Self { book, files, stop, watcher: Some(watcher) }
    }

    /// Looks at this source too from now on.
    pub fn also(&self, file: FileId) {
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        if !files.contains(&file) {
            files.push(file);
        }
    }

    fn read<T>(&self, what: impl FnOnce(&Book) -> T) -> T {
        what(&self.book.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether somebody held a source at the last look.
    #[must_use]
    pub fn open(&self) -> bool {
        self.read(|book| book.open_now)
    }

    /// Whether nobody held a source and no call process lived, at a look after `since`.
    #[must_use]
    pub fn all_shut(&self, since: Instant) -> bool {
        self.read(|book| !book.open_now && !book.call_now && book.looked.is_some_and(|at| at > since))
    }

    /// Whether somebody held a source at any look from `since` on.
    #[must_use]
    pub fn ever_open(&self, since: Instant) -> bool {
        self.read(|book| book.open.iter().any(|span| span.to >= since))
    }

    /// From `fault` until nobody held a source and the call process that ran then was dead. `None`: it is still so.
    /// What opened after `fault` counts too: a door that shuts and opens again is no shut door.
    #[must_use]
    pub fn shut_after(&self, fault: Instant) -> Option<Duration> {
        self.read(|book| {
            let last = book.open.iter().chain(&book.call).map(|span| span.to).filter(|to| *to >= fault).max();
            (!book.open_now && !book.call_now).then(|| last.map_or(Duration::ZERO, |to| to - fault + PERIOD))
        })
    }
}

impl Drop for Doors {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        if let Some(watcher) = self.watcher.take() {
            let _ = watcher.join();
        }
    }
}

impl Book {
    fn write(&mut self, open: bool, call: bool, at: Instant) {
        mark(&mut self.open, self.open_now, open, at);
        mark(&mut self.call, self.call_now, call, at);
        (self.open_now, self.call_now, self.looked) = (open, call, Some(at));
    }
}

fn mark(spans: &mut Vec<Span>, before: bool, now: bool, at: Instant) {
    match (now, before, spans.last_mut()) {
        (false, ..) => {}
        (true, true, Some(span)) => span.to = at,
        (true, ..) => {
            if spans.len() >= KEPT {
                spans.remove(0);
            }
            spans.push(Span { from: at, to: at });
        }
    }
}

/// Whether somebody holds one of the files, and whether a process of `call` lives.
fn look(files: &[FileId], users: &[u32], call: u32, full: bool) -> (bool, bool) {
    let (mut open, mut alive) = (false, false);
    for pid in pids() {
        let Some(user) = user_of(pid) else { continue };
        alive |= user == call;
        if !open && (user == call || users.contains(&user)) {
            open = files.iter().any(|file| holds(pid, *file));
        }
    }
    if full && !open {
        open = files.iter().any(|file| !holders(*file).is_empty());
    }
    (open, alive)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};

    #[test]
    fn a_door_that_opens_again_is_not_shut_and_the_last_shutting_counts() {
        let start = Instant::now();
        let at = |ms: u64| start + Duration::from_millis(ms);
        let mut book = Book::default();
        for (ms, open, call) in [(0, true, true), (10, false, true), (20, false, false), (30, true, false), (40, false, false)] {
            book.write(open, call, at(ms));
        }
        let doors = Doors { book: Arc::new(Mutex::new(book)), files: Arc::default(), stop: Arc::default(), watcher: None };
        assert_eq!(doors.shut_after(at(5)), Some(Duration::from_millis(25) + PERIOD));
        assert_eq!(doors.shut_after(at(35)), Some(Duration::ZERO));
        assert!(doors.ever_open(at(25)) && !doors.ever_open(at(35)));
    }

    #[test]
    fn a_holder_is_seen_and_its_death_too() {
        let path = std::env::temp_dir().join(format!("parloir-doors-{}", std::process::id()));
        std::fs::write(&path, "x").expect("temp file");
        let file = FileId::of(&path).expect("id");
        // No call process here: a user number that nobody has.
        let doors = Doors::watch(vec![file], vec![user_of(std::process::id()).expect("ours")], u32::MAX);
        let start = Instant::now();
        while !doors.all_shut(start) {
            std::thread::sleep(PERIOD);
        }
        let input = Stdio::from(std::fs::File::open(&path).expect("open"));
        let mut child = Command::new("sleep").arg("30").stdin(input).spawn().expect("sleep");
        while !doors.open() {
            assert!(start.elapsed() < Duration::from_secs(20), "the holder is not seen");
            std::thread::sleep(PERIOD);
        }
        let fault = Instant::now();
        assert_eq!(doors.shut_after(fault), None);
        child.kill().expect("kill");
        child.wait().expect("wait");
        while !doors.all_shut(fault) {
            std::thread::sleep(PERIOD);
        }
        assert!(doors.shut_after(fault).expect("shut") < Duration::from_secs(10));
        std::fs::remove_file(path).expect("clean up");
    }
}
