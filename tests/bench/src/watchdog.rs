//! Owns: the bench's end of the service notification protocol (`sd_notify(3)`): a socket for each start of a cell, and its silences.
//! Never: kills; it tells the main loop who is silent, and the supervisor kills as systemd would.
//! Called by: the supervisor.

use std::io;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use crate::lines::Event;
use crate::walls;

/// From the start to `READY=1`, as a unit's `TimeoutStartSec=`: long enough for a machine that builds beside the bench.
const START_LIMIT: Duration = Duration::from_secs(20);
/// How often the watcher looks whether its cell is gone.
const LOOK: Duration = Duration::from_millis(50);

/// What watcher and supervisor share about one start of a cell.
#[derive(Default)]
struct Shared {
    pid: AtomicU32,
    ready: AtomicBool,
    over: AtomicBool,
}

/// A watched start of a cell. The watch ends when this is dropped.
pub struct Watchdog {
    shared: Arc<Shared>,
    path: PathBuf,
    limit: Duration,
}

impl Watchdog {
    /// Listens for `user`; `limit` is the unit's `WatchdogSec=`. Silence is told as [`Event::Hung`].
    ///
    /// # Errors
    /// The socket cannot be made.
    pub fn on(name: &str, user: u32, limit: Duration, events: Sender<Event>) -> io::Result<Self> {
        let path = walls::room(&format!("notify/{name}"), Some(user), 0o700)?.join("socket");
        // The socket of an earlier start: its watcher keeps the open end, nobody finds it by name any more.
        let _ = std::fs::remove_file(&path);
        let socket = UnixDatagram::bind(&path)?;
        std::os::unix::fs::chown(&path, Some(user), None)?;
        socket.set_read_timeout(Some(LOOK))?;
        let shared = Arc::new(Shared::default());
        let watched = shared.clone();
        std::thread::spawn(move || watch(&socket, &watched, limit, &events));
        Ok(Self { shared, path, limit })
    }

    /// What the cell must find in its environment.
    #[must_use]
    pub fn environment(&self) -> [(String, String); 2] {
        [
            ("NOTIFY_SOCKET".to_owned(), self.path.display().to_string()),
            ("WATCHDOG_USEC".to_owned(), self.limit.as_micros().to_string()),
        ]
    }

    /// The process whose silence is meant.
    pub fn of(&self, pid: u32) {
        self.shared.pid.store(pid, Ordering::Release);
    }

    /// Whether the cell said `READY=1`.
    #[must_use]
    pub fn ready(&self) -> bool {
        self.shared.ready.load(Ordering::Acquire)
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::Release);
    }
}

/// Until the cell is silent for too long, or gone.
fn watch(socket: &UnixDatagram, shared: &Shared, limit: Duration, events: &Sender<Event>) {
    let mut bytes = [0; 1024];
    let (mut heard, mut patience) = (Instant::now(), START_LIMIT);
    while !shared.over.load(Ordering::Acquire) {
        match socket.recv(&mut bytes) {
            Ok(n) => {
                let said = says(&bytes[..n]);
                if said.ready {
                    shared.ready.store(true, Ordering::Release);
                    patience = limit;
                }
                if said.ready || said.alive {
                    heard = Instant::now();
                }
            }
            Err(why) if matches!(why.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {}
            Err(_) => return,
        }
        if heard.elapsed() >= patience {
            let _ = events.send(Event::Hung(shared.pid.load(Ordering::Acquire)));
            return;
        }
    }
}

/// What a notification means to a watchdog; a status or anything else keeps nobody alive.
#[derive(Debug, Default, PartialEq)]
struct Said {
    ready: bool,
    alive: bool,
}

fn says(datagram: &[u8]) -> Said {
    let mut said = Said::default();
    for line in datagram.split(|byte| *byte == b'\n') {
        said.ready |= line == b"READY=1";
        said.alive |= line == b"WATCHDOG=1";
    }
    said
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::{self, RecvTimeoutError};

    #[test]
    fn only_the_two_words_count() {
        assert_eq!(says(b"READY=1\nSTATUS=x"), Said { ready: true, alive: false });
        assert_eq!(says(b"WATCHDOG=1"), Said { ready: false, alive: true });
        assert_eq!(says(b"STATUS=WATCHDOG=1"), Said::default());
        assert_eq!(says(b"WATCHDOG=trigger"), Said::default());
    }

    #[test]
    fn silence_is_told_once_and_pings_and_the_end_of_the_cell_keep_it_quiet() {
        let (ours, cell) = UnixDatagram::pair().expect("a pair");
        ours.set_read_timeout(Some(Duration::from_millis(5))).expect("timeout");
        let shared = Arc::new(Shared::default());
        shared.pid.store(7, Ordering::Release);
        let (tx, rx) = mpsc::channel();
        let watched = shared.clone();
        let watcher = std::thread::spawn(move || watch(&ours, &watched, Duration::from_millis(1_500), &tx));
        cell.send(b"READY=1").expect("sent");
        // Together longer than the limit, and each far shorter than a busy machine may stand still.
        for _ in 0..20 {
            cell.send(b"WATCHDOG=1").expect("sent");
            assert_eq!(rx.recv_timeout(Duration::from_millis(100)).err(), Some(RecvTimeoutError::Timeout));
        }
        assert!(shared.ready.load(Ordering::Acquire));
        cell.send(b"STATUS=still here").expect("sent");
        let hung = rx.recv_timeout(Duration::from_secs(60)).expect("silence is seen");
        assert!(matches!(hung, Event::Hung(7)), "{hung:?}");
        watcher.join().expect("the watcher ends");
        assert!(rx.recv().is_err(), "it is told once");
    }
}
