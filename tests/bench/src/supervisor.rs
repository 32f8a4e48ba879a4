//! Owns: the processes of a run: starts, restarts, the `Accept=yes` socket of call, what is done to them, the end of all of them.
//! Never: decides anything about a visit.
//! Called by: play, the side-by-side bench, whatever hurts a process to see what follows.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use parloir_wire::start::Start as StartMessage;

use crate::cells::{Cell, Cells, Policy, fill};
use crate::lines::Event;
use crate::network::Place;
use crate::outside::tree;
use crate::roles::{Role, start};
use crate::walls::{self, RUN, Users};
use crate::watchdog::Watchdog;

/// `RestartSec=` of a part that a site's own units keep up.
const PART_DELAY: Duration = Duration::from_secs(1);

/// Room for what a part has not read yet; pipe(7) allows as much to everybody.
const PIPE_BYTES: i32 = 1 << 20;

/// A process that ended.
#[derive(Debug)]
pub struct Ended {
    /// Its name.
    pub name: String,
    /// Its process id.
    pub pid: u32,
    /// How, in words.
    pub how: String,
    /// It was not to end.
    pub unexpected: bool,
}

struct Child {
    name: String,
    pid: u32,
    watchdog: Option<Watchdog>,
}

/// A part that is no cell: what it is started with, and whether a site would keep it up.
#[derive(Clone)]
pub struct Part {
    /// Its name: `broker`.
    pub name: &'static str,
    /// Its user.
    pub user: &'static str,
    /// Program and arguments.
    pub command: Vec<String>,
    /// Its environment.
    pub environment: Vec<(String, String)>,
    /// Started again a second after any end (`Restart=always`).
    pub kept: bool,
    /// Hears what [`Supervisor::say`] tells it on its standard input.
    pub hears: bool,
    /// Where it stands when networks are apart; `None` in the bench's own.
    pub place: Option<Place>,
}

/// All processes of a run.
pub struct Supervisor {
    cells: Cells,
    users: Users,
    /// Values of the placeholders in arguments.
    pub values: BTreeMap<String, String>,
    bin: PathBuf,
    logs: PathBuf,
    events: Sender<Event>,
    children: Vec<Child>,
    parts: Vec<Part>,
    due: Vec<(Instant, String)>,
    /// Nothing of these names is started again.
    down: BTreeSet<String>,
    /// How often each was started.
    starts: BTreeMap<String, u32>,
    /// Our ends of the parts' standard inputs; they outlive a restart.
    inputs: BTreeMap<String, File>,
    environment: Vec<(String, String, String)>,
    headless: bool,
    /// Everybody stands in a network of their own.
    pub apart: bool,
    stopping: bool,
}

impl Supervisor {
    /// Nothing runs yet. `bin` holds the binaries, `logs` gets a file for each process.
    #[must_use]
    pub fn new(cells: Cells, users: Users, bin: PathBuf, logs: PathBuf, events: Sender<Event>, headless: bool) -> Self {
        let mut values = BTreeMap::from([("run".to_owned(), RUN.to_owned()), ("state".to_owned(), format!("{RUN}/state"))]);
        values.extend(users.all().map(|(name, id)| (format!("uid:{name}"), id.to_string())));
        Self {
            cells,
            users,
            values,
            bin,
            logs,
            events,
            children: Vec::new(),
            parts: Vec::new(),
            due: Vec::new(),
            down: BTreeSet::new(),
            starts: BTreeMap::new(),
            inputs: BTreeMap::new(),
            environment: Vec::new(),
            headless,
            apart: false,
            stopping: false,
        }
    }

    /// Where events go, for helpers that make some.
    #[must_use]
    pub fn events(&self) -> Sender<Event> {
        self.events.clone()
    }

    /// Adds a variable to every later start of that cell.
    pub fn environment(&mut self, cell: &str, name: &str, value: &str) {
        self.environment.push((cell.to_owned(), name.to_owned(), value.to_owned()));
    }

    fn environment_of(&self, cell: &Cell) -> Vec<(String, String)> {
        let own = self.environment.iter().filter(|(of, ..)| *of == cell.name);
        let mut all: Vec<(String, String)> = own.map(|(_, name, value)| (name.clone(), value.clone())).collect();
        if !(cell.bus.owns.is_empty() && cell.bus.calls.is_empty()) {
            all.push(("DBUS_SYSTEM_BUS_ADDRESS".to_owned(), format!("unix:path={RUN}/bus/socket")));
        }
        all
    }

    /// Number of a user.
    ///
    /// # Errors
    /// No such user.
    pub fn user(&self, name: &str) -> io::Result<u32> {
        self.users.id(name).ok_or_else(|| io::Error::other(format!("cells.toml knows no user {name}")))
    }

    /// Process ids of what runs, with names.
    pub fn running(&self) -> impl Iterator<Item = (&str, u32)> {
        self.children.iter().map(|child| (child.name.as_str(), child.pid))
    }

    /// Process id of that name, if it runs.
    #[must_use]
    pub fn pid(&self, name: &str) -> Option<u32> {
        self.running().find(|(running, _)| *running == name).map(|(_, pid)| pid)
    }

    /// How often that name was started in this run.
    #[must_use]
    pub fn started(&self, name: &str) -> u32 {
        self.starts.get(name).copied().unwrap_or(0)
    }

    /// Whether that cell runs and has said `READY=1`.
    #[must_use]
    pub fn ready(&self, name: &str) -> bool {
        let child = self.children.iter().find(|child| child.name == name);
        child.is_some_and(|child| child.watchdog.as_ref().is_none_or(Watchdog::ready))
    }

    /// Sends a signal to the process of that name and to what it started, as `systemctl kill` does; returns its process id.
    ///
    /// # Errors
    /// Nothing of that name runs.
    pub fn hurt(&self, name: &str, how: Signal) -> io::Result<u32> {
        let pid = self.pid(name).ok_or_else(|| io::Error::other(format!("{name} does not run, so {how} reaches nobody")))?;
        tree(pid).into_iter().for_each(|pid| signal(pid, how));
        Ok(pid)
    }

    /// While `down`, nothing of that name is started again; what runs goes on running. Taken back, it starts now unless it runs.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn keep_down(&mut self, name: &str, down: bool) -> io::Result<()> {
        if down {
            self.down.insert(name.to_owned());
            self.due.retain(|(_, due)| due != name);
        } else if self.down.remove(name) && self.pid(name).is_none() && self.kept_up(name).is_some() {
            self.again(name)?;
        }
        Ok(())
    }

    /// Starts a part that is no cell (broker, relay, bus, facility, visitor).
    ///
    /// # Errors
    /// No such user, or the program cannot be started.
    pub fn part(&mut self, part: Part) -> io::Result<u32> {
        let (command, environment) = (part.command.clone(), part.environment.clone());
        let input = part.hears.then(|| self.input(part.name)).transpose()?;
        let network = part.place.filter(|_| self.apart).map(Place::path);
        let id = self.user(part.user)?;
        let role = Role { name: part.name, id, capabilities: &[], command, environment, third: None, network, input };
        let pid = start(role, &self.logs, &self.events)?;
        self.born(part.name, pid, None);
        self.parts.retain(|known| known.name != part.name);
        self.parts.push(part);
        Ok(pid)
    }

    /// A pipe with a name, which we hold open for both: its reader never sees an end, and a successor reads on.
    fn input(&mut self, name: &str) -> io::Result<OwnedFd> {
        let path = walls::room("inputs", None, 0o700)?.join(name);
        if !self.inputs.contains_key(name) {
            nix::unistd::mkfifo(&path, nix::sys::stat::Mode::from_bits_truncate(0o600))?;
            let both = File::options().read(true).write(true).custom_flags(nix::libc::O_NONBLOCK).open(&path)?;
            // The largest body that a bus or broker takes, as hexadecimal digits, must fit in one line.
            nix::fcntl::fcntl(&both, nix::fcntl::FcntlArg::F_SETPIPE_SZ(PIPE_BYTES))?;
            self.inputs.insert(name.to_owned(), both);
        }
        Ok(File::open(&path)?.into())
    }

    /// Writes a line to the standard input of a part.
    ///
    /// # Errors
    /// It hears nothing, or has not read for so long that the pipe is full.
    pub fn say(&mut self, name: &str, line: &str) -> io::Result<()> {
        let input = self.inputs.get_mut(name).ok_or_else(|| io::Error::other(format!("{name} hears nothing")))?;
        input.write_all(format!("{line}\n").as_bytes())
    }

    fn born(&mut self, name: &str, pid: u32, watchdog: Option<Watchdog>) {
        *self.starts.entry(name.to_owned()).or_default() += 1;
        self.children.push(Child { name: name.to_owned(), pid, watchdog });
    }

    /// Starts a cell as `systemd/cells.toml` has it.
    ///
    /// # Errors
    /// Unknown cell or placeholder, or it cannot be started.
    pub fn cell(&mut self, name: &str) -> io::Result<u32> {
        let cell = self.known(name)?;
        self.launch(&cell, None, self.environment_of(&cell))
    }

    fn known(&self, name: &str) -> io::Result<Cell> {
        self.cells.named(name).cloned().ok_or_else(|| io::Error::other(format!("cells.toml knows no cell {name}")))
    }

    fn launch(&mut self, cell: &Cell, third: Option<OwnedFd>, mut environment: Vec<(String, String)>) -> io::Result<u32> {
        let mut command = vec![self.bin.join(&cell.binary).display().to_string()];
        let headless: &[String] = if self.headless { &cell.arguments.headless } else { &[] };
        for argument in cell.arguments.device.iter().chain(&cell.arguments.bench).chain(headless) {
            command.push(fill(argument, &self.values).map_err(io::Error::other)?);
        }
        let id = self.user(&cell.user)?;
        let limit = Duration::from_millis(cell.restart.watchdog_ms);
        let watchdog = (!limit.is_zero()).then(|| Watchdog::on(&cell.name, id, limit, self.events.clone())).transpose()?;
        environment.extend(watchdog.iter().flat_map(Watchdog::environment));
        let capabilities = &cell.capabilities.bench;
        let role =
            Role { name: &cell.name, id, capabilities, command, environment, third, network: self.network(cell), input: None };
        let pid = start(role, &self.logs, &self.events)?;
        if let Some(watchdog) = &watchdog {
            watchdog.of(pid);
        }
        self.born(&cell.name, pid, watchdog);
        Ok(pid)
    }

    /// A cell reaches what its `network` names. A window may need the bench's own network for its display.
    fn network(&self, cell: &Cell) -> Option<PathBuf> {
        let window = !self.headless && !cell.arguments.headless.is_empty();
        let place = if cell.network.is_empty() { Place::Nowhere } else { Place::Cell };
        (self.apart && !window).then(|| place.path())
    }

    /// A cell said nothing to its watchdog: it is killed, and restarted by the next [`Supervisor::reap`].
    pub fn hung(&self, pid: u32) {
        // A process that was restarted since is not the one that was silent.
        if let Some((name, _)) = self.running().find(|(_, running)| *running == pid)
            && !self.stopping
        {
            eprintln!("bench: {name} gave no sign of life; killing it as its unit would");
            signal(pid, Signal::SIGKILL);
        }
    }

    /// Plays the `Accept=yes` unit: a call process on this connection, and its pidfd to gate.
    ///
    /// # Errors
    /// It cannot be started, or gate hung up.
    pub fn call_wanted(&mut self, connection: OwnedFd) -> io::Result<u32> {
        let cell = self.known("call")?;
        let runtime = walls::call_runtime(self.user(&cell.user)?)?;
        let mut environment = self.environment_of(&cell);
        environment.push(("XDG_RUNTIME_DIR".to_owned(), runtime.display().to_string()));
        environment.push(("GST_REGISTRY".to_owned(), format!("{RUN}/call/registry.bin")));
        environment.push(("GST_REGISTRY_UPDATE".to_owned(), "no".to_owned()));
        let pid = self.launch(&cell, Some(connection.try_clone()?), environment)?;
        let pidfd = pidfd(pid)?;
        send_with_fd(&connection, &StartMessage::Spawned { pid }.encode(), &pidfd)?;
        Ok(pid)
    }

    /// Takes in what ended and starts again what is due. Call it often.
    pub fn reap(&mut self) -> Vec<Ended> {
        let mut ended = Vec::new();
        while let Ok(status) = waitpid(Pid::from_raw(-1), Some(WaitPidFlag::WNOHANG)) {
            let (pid, how) = match status {
                WaitStatus::Exited(pid, code) => (pid, format!("exit code {code}")),
                WaitStatus::Signaled(pid, signal, _) => (pid, format!("{signal}")),
                WaitStatus::StillAlive => break,
                _ => continue,
            };
            let pid = u32::try_from(pid.as_raw()).unwrap_or(0);
            let Some(at) = self.children.iter().position(|child| child.pid == pid) else { continue };
            let name = self.children.remove(at).name;
            let unexpected = self.after_end(&name);
            ended.push(Ended { name, pid, how, unexpected });
        }
        self.restart_due();
        ended
    }

    /// What the unit files would do at the end of that process.
    fn after_end(&mut self, name: &str) -> bool {
        if self.stopping {
            return false;
        }
        if name == "gate"
            && let Some(pid) = self.pid("call")
        {
            signal(pid, Signal::SIGKILL); // ExecStopPost= of gate's unit
        }
        let Some(delay) = self.kept_up(name) else { return name == "bus" };
        if !self.down.contains(name) {
            self.due.push((Instant::now() + delay, name.to_owned()));
        }
        true
    }

    /// How long after its end a cell or part starts again; `None` never.
    fn kept_up(&self, name: &str) -> Option<Duration> {
        match self.cells.named(name) {
            Some(cell) => (cell.restart.policy == Policy::Always).then(|| Duration::from_millis(cell.restart.delay_ms)),
            None => self.parts.iter().any(|part| part.name == name && part.kept).then_some(PART_DELAY),
        }
    }

    fn again(&mut self, name: &str) -> io::Result<u32> {
        match self.parts.iter().find(|part| part.name == name) {
            Some(part) => self.part(part.clone()),
            None => self.cell(name),
        }
    }

    fn restart_due(&mut self) {
        let now = Instant::now();
        let due: Vec<String> = self.due.extract_if(.., |(at, _)| *at <= now).map(|(_, name)| name).collect();
        for name in due {
            if let Err(why) = self.again(&name) {
                eprintln!("bench: {name} does not start again: {why}");
            }
        }
    }

    /// Ends everything: politely first, then surely.
    pub fn stop(&mut self) {
        self.stopping = true;
        self.due.clear();
        for (_, pid) in self.running() {
            signal(pid, Signal::SIGTERM);
            signal(pid, Signal::SIGCONT); // a stopped process hears the other only then
        }
        let limit = Instant::now() + Duration::from_secs(3);
        while !self.children.is_empty() && Instant::now() < limit {
            self.reap();
            std::thread::sleep(Duration::from_millis(10));
        }
        for (_, pid) in self.running() {
            signal(pid, Signal::SIGKILL);
        }
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Sends a signal; a process that is gone already is no error.
pub fn signal(pid: u32, signal: Signal) {
    if let Ok(pid) = i32::try_from(pid) {
        let _ = kill(Pid::from_raw(pid), signal);
    }
}

/// Listens for gate and hands each connection to the main loop.
///
/// # Errors
/// The socket cannot be made.
pub fn listen_for_gate(path: &Path, gate: u32, events: Sender<Event>) -> io::Result<()> {
    use nix::sys::socket::{AddressFamily, Backlog, SockFlag, SockType, UnixAddr, accept4, bind, listen, socket};
    let listener = socket(AddressFamily::Unix, SockType::SeqPacket, SockFlag::SOCK_CLOEXEC, None)?;
    bind(listener.as_raw_fd(), &UnixAddr::new(path)?)?;
    listen(&listener, Backlog::new(4)?)?;
    std::os::unix::fs::chown(path, Some(gate), Some(gate))?;
    std::thread::spawn(move || {
        while let Ok(raw) = accept4(listener.as_raw_fd(), SockFlag::SOCK_CLOEXEC) {
            let connection = own(raw);
            if events.send(Event::CallWanted(connection)).is_err() {
                return;
            }
        }
    });
    Ok(())
}

fn send_with_fd(connection: &OwnedFd, bytes: &[u8], fd: &OwnedFd) -> io::Result<()> {
    use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};
    let fds = [fd.as_raw_fd()];
    let rights = [ControlMessage::ScmRights(&fds)];
    sendmsg::<()>(connection.as_raw_fd(), &[io::IoSlice::new(bytes)], &rights, MsgFlags::MSG_NOSIGNAL, None)?;
    Ok(())
}

#[allow(unsafe_code)]
fn own(raw: i32) -> OwnedFd {
    // SAFETY: `raw` comes straight from accept4, which gave it to nobody else.
    unsafe { OwnedFd::from_raw_fd(raw) }
}

/// A descriptor that names the process for good, unlike its number (`pidfd_open(2)`).
///
/// # Errors
/// The process is gone.
#[allow(unsafe_code)]
pub fn pidfd(pid: u32) -> io::Result<OwnedFd> {
    // SAFETY: the system call takes two integers and touches no memory of ours.
    let raw = unsafe { nix::libc::syscall(nix::libc::SYS_pidfd_open, pid, 0) };
    let raw = i32::try_from(raw).map_err(io::Error::other)?;
    if raw < 0 { Err(io::Error::last_os_error()) } else { Ok(own(raw)) }
}

/// Waits until the process of this pidfd is dead, at most `limit`.
#[must_use]
pub fn dead_within(pidfd: BorrowedFd<'_>, limit: Duration) -> bool {
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
    let timeout = PollTimeout::try_from(limit).unwrap_or(PollTimeout::MAX);
    poll(&mut [PollFd::new(pidfd, PollFlags::POLLIN)], timeout).is_ok_and(|n| n > 0)
}
