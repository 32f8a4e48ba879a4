//! Owns: the machine's side of the probe: questions and answers over the guest's second serial port, the journal handed on.
//! Never: interprets an answer.
//! Called by: scene, tests.

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::de::DeserializeOwned;

use crate::talk::{Ask, Asked, Entry, Event, LINE, Mount, Node, Opener, Process, Ran, Run, Socket, Told, decode, encode};

/// An answer takes at most this, under emulation and beside other work; a program's own limit comes on top.
const LIMIT: Duration = Duration::from_secs(120);
/// Bytes of a file in one question or answer.
const PIECE: usize = 16 * 1024;

/// What the probe said of itself, and when.
#[derive(Clone, Debug)]
pub struct Hello {
    /// The kernel's id of the boot.
    pub boot: String,
    /// The guest's `CLOCK_BOOTTIME` then, seconds.
    pub boot_s: f64,
    /// The guest's Unix time then, seconds.
    pub unix_s: f64,
    /// This side's clock then.
    pub at: Instant,
}

type Answer = Result<Vec<u8>, String>;

#[derive(Default)]
struct Shared {
    waiting: BTreeMap<u64, (Vec<u8>, Sender<Answer>)>,
    hello: Option<Hello>,
    gone: bool,
}

/// The probe of a machine. Copies speak to the same one; from any thread.
#[derive(Clone)]
pub struct Probe {
    out: Arc<Mutex<(UnixStream, u64)>>,
    shared: Arc<Mutex<Shared>>,
}

impl Probe {
    /// Listens on the port's socket; what comes unasked goes to `journal`.
    ///
    /// # Errors
    /// There is no such socket.
    pub fn on(port: &Path, journal: impl FnMut(Entry) + Send + 'static) -> io::Result<Self> {
        let stream = crate::qmp::dial(port)?;
        let shared = Arc::new(Mutex::new(Shared::default()));
        let (reader, of_reader) = (BufReader::with_capacity(LINE, stream.try_clone()?), shared.clone());
        std::thread::spawn(move || listen(reader, &of_reader, journal));
        Ok(Self { out: Arc::new(Mutex::new((stream, 1))), shared })
    }

    /// What the probe of this boot said when it came up, if it has.
    #[must_use]
    pub fn hello(&self) -> Option<Hello> {
        lock(&self.shared).hello.clone()
    }

    /// Forgets this boot: after a reset the next hello is of another.
    pub fn forget(&self) {
        lock(&self.shared).hello = None;
    }

    fn asked(&self, ask: Ask, limit: Duration) -> io::Result<Vec<u8>> {
        let what = format!("{ask:?}").chars().take(120).collect::<String>();
        let (sender, answer): (_, Receiver<Answer>) = channel();
        let mut out = lock(&self.out);
        let id = out.1;
        out.1 += 1;
        {
            let mut shared = lock(&self.shared);
            if shared.gone {
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the machine has ended"));
            }
            shared.waiting.insert(id, (Vec::new(), sender));
        }
        let line = serde_json::to_string(&Asked { id, ask })? + "\n";
        if line.len() > LINE {
            return Err(io::Error::other(format!("a question of {} bytes: {what}", line.len())));
        }
        out.0.write_all(line.as_bytes())?;
        drop(out);
        match answer.recv_timeout(limit) {
            Ok(Ok(bytes)) => Ok(bytes),
            Ok(Err(why)) => Err(io::Error::other(format!("{why} ({what})"))),
            Err(RecvTimeoutError::Timeout) => Err(io::Error::new(
                io::ErrorKind::TimedOut,
                format!("the probe did not answer within {} s: {what}", limit.as_secs()),
            )),
            Err(RecvTimeoutError::Disconnected) => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the machine has ended")),
        }
    }

    fn ask<T: DeserializeOwned>(&self, ask: Ask) -> io::Result<T> {
        serde_json::from_slice(&self.asked(ask, LIMIT)?).map_err(io::Error::other)
    }

    /// Runs a program as root.
    ///
    /// # Errors
    /// The probe is gone. That the program failed is no error: see [`Ran`].
    pub fn run(&self, argv: &[&str]) -> io::Result<Ran> {
        self.run_as("", argv)
    }

    /// Runs a program as that user, with that user's groups and without capabilities.
    ///
    /// # Errors
    /// As [`Probe::run`].
    pub fn run_as(&self, user: &str, argv: &[&str]) -> io::Result<Ran> {
        self.ask_run(Run { argv: argv.iter().map(|word| (*word).to_owned()).collect(), user: user.to_owned(), ..Run::default() })
    }

    /// Runs a program as told.
    ///
    /// # Errors
    /// As [`Probe::run`].
    pub fn ask_run(&self, run: Run) -> io::Result<Ran> {
        let limit = LIMIT + Duration::from_millis(run.limit_ms);
        serde_json::from_slice(&self.asked(Ask::Run(run), limit)?).map_err(io::Error::other)
    }

    /// A key of a wired remote that gate has taken: `ok`, `esc`, `right`.
    ///
    /// # Errors
    /// Gate has not taken it, so that no key would come to anybody.
    pub fn press(&self, key: &str) -> io::Result<()> {
        let ran = self.run(&["parloir-probe", "act", "type", "parloir-remote", key])?;
        if ran.out().contains("\"grabbed\":true") { Ok(()) } else { Err(io::Error::other(format!("no remote: {}", ran.out()))) }
    }

    /// Runs a program as root; its output when it ended well.
    ///
    /// # Errors
    /// It did not: the message has its own words.
    pub fn out(&self, argv: &[&str]) -> io::Result<String> {
        let ran = self.run(argv)?;
        if ran.good() {
            return Ok(ran.out());
        }
        Err(io::Error::other(format!("{}: {:?} {}", argv.join(" "), ran.code.or(ran.signal), ran.err().trim())))
    }

    /// Starts a program that goes on; its process id.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn start(&self, run: Run) -> io::Result<u32> {
        self.ask(Ask::Start(run))
    }

    /// Sends a signal.
    ///
    /// # Errors
    /// There is no such process.
    pub fn signal(&self, pid: u32, signal: nix::sys::signal::Signal) -> io::Result<()> {
        let pid = i32::try_from(pid).map_err(io::Error::other)?;
        self.ask(Ask::Signal { pid, signal: signal as i32 })
    }

    /// A whole file.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        loop {
            let offset = bytes.len() as u64;
            let text: String = self.ask(Ask::Read { path: path.to_owned(), offset, limit: 1 << 20 })?;
            let piece = decode(&text);
            // A file of the kernel's own has no size: the end is where nothing comes.
            if piece.is_empty() {
                return Ok(bytes);
            }
            bytes.extend(piece);
        }
    }

    /// A whole file as text without its last line end.
    ///
    /// # Errors
    /// As [`Probe::read`].
    pub fn text(&self, path: &str) -> io::Result<String> {
        Ok(String::from_utf8_lossy(&self.read(path)?).trim_end().to_owned())
    }

    /// Writes a file; `mode` is that of a new one.
    ///
    /// # Errors
    /// The guest does not let root do it.
    pub fn put(&self, path: &str, bytes: &[u8], mode: u32) -> io::Result<()> {
        let mut offset = 0;
        loop {
            let piece = &bytes[offset..bytes.len().min(offset + PIECE)];
            let ask = Ask::Write { path: path.to_owned(), offset: offset as u64, bytes: encode(piece), mode };
            self.ask::<()>(ask)?;
            offset += piece.len();
            if offset >= bytes.len() {
                return Ok(());
            }
        }
    }

    /// A file, links not followed.
    ///
    /// # Errors
    /// There is none.
    pub fn stat(&self, path: &str) -> io::Result<Node> {
        self.ask(Ask::Stat { path: path.to_owned() })
    }

    /// Names in a directory.
    ///
    /// # Errors
    /// It is none.
    pub fn list(&self, path: &str) -> io::Result<Vec<String>> {
        self.ask(Ask::List { path: path.to_owned() })
    }

    /// Who has that file or device open, links followed.
    ///
    /// # Errors
    /// There is none.
    pub fn openers(&self, path: &str) -> io::Result<Vec<Opener>> {
        self.ask(Ask::Openers { path: path.to_owned() })
    }

    /// All processes, the kernel's own included.
    ///
    /// # Errors
    /// The probe is gone.
    pub fn processes(&self) -> io::Result<Vec<Process>> {
        self.ask(Ask::Processes)
    }

    /// The first process of a unit, the one that systemd calls its main one.
    ///
    /// # Errors
    /// None runs.
    pub fn process(&self, unit: &str) -> io::Result<Process> {
        let found = self.processes()?.into_iter().find(|process| process.unit == unit);
        found.ok_or_else(|| io::Error::other(format!("no process in {unit}")))
    }

    /// All sockets.
    ///
    /// # Errors
    /// The probe is gone.
    pub fn sockets(&self) -> io::Result<Vec<Socket>> {
        self.ask(Ask::Sockets)
    }

    /// What that process sees mounted; 1 is the whole system.
    ///
    /// # Errors
    /// There is no such process.
    pub fn mounts(&self, pid: u32) -> io::Result<Vec<Mount>> {
        self.ask(Ask::Mounts { pid })
    }

    /// The guest's `CLOCK_BOOTTIME` and Unix time, seconds.
    ///
    /// # Errors
    /// The probe is gone.
    pub fn clocks(&self) -> io::Result<(f64, f64)> {
        self.ask(Ask::Clocks)
    }
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    // A thread that died in between left a whole value: each change is one assignment.
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

fn listen(mut reader: BufReader<UnixStream>, shared: &Mutex<Shared>, mut journal: impl FnMut(Entry)) {
    let mut line = Vec::new();
    while reader.read_until(b'\n', &mut line).is_ok_and(|n| n > 0) {
        match serde_json::from_slice::<Told>(&line) {
            Ok(Told::Part { id, part }) => {
                if let Some((bytes, _)) = lock(shared).waiting.get_mut(&id) {
                    bytes.extend(decode(&part));
                }
            }
            Ok(Told::Last { id, last }) => {
                if let Some((mut bytes, to)) = lock(shared).waiting.remove(&id) {
                    bytes.extend(decode(&last));
                    let _ = to.send(Ok(bytes));
                }
            }
            Ok(Told::Wrong { id, wrong }) => {
                if let Some((_, to)) = lock(shared).waiting.remove(&id) {
                    let _ = to.send(Err(wrong));
                }
            }
            Ok(Told::Event { event: Event::Hello { boot, boot_s, unix_s } }) => {
                lock(shared).hello = Some(Hello { boot, boot_s, unix_s, at: Instant::now() });
            }
            Ok(Told::Event { event: Event::Journal(entry) }) => journal(entry),
            // The firmware writes to every serial port before the guest's system does.
            Err(_) => {}
        }
        line.clear();
    }
    let mut shared = lock(shared);
    shared.gone = true;
    shared.waiting.clear();
}
