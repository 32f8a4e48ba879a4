//! Owns: the poll loop: what the arbiter, the remote, the call process and the clock did, and what follows from it.
//! Never: blocks on anything but `poll`; decides what the lease's table decides.
//! Called by: `main`.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use parloir_wire::Id;
use parloir_wire::gate::{FromGate, GateRefusal, HEARTBEAT_EVERY_MS, HEARTBEAT_LIMIT_MS, SIZE, ShutReason, ToGate};

use crate::config::Config;
use crate::doors::Doors;
use crate::evdev::Remote;
use crate::keys::Keys;
use crate::launch::{self, Call};
use crate::lease::{Event, State};
use crate::socket::{self, now};
use crate::tickets::Tickets;

const MS: u64 = 1_000_000;
/// How often a dying call process is looked at, and killed again.
const DYING_MS: u64 = 5;

/// What `poll` can report, in the order in which it is served: a hang-up of the arbiter before its successor.
#[derive(Clone, Copy)]
enum Source {
    Signal,
    Remote(usize),
    Arbiter,
    Call,
    Listener,
}

/// The arbiter's connection; there is one at most.
struct Arbiter {
    socket: OwnedFd,
    heard: u64,
}

struct Gate {
    config: Config,
    tickets: Tickets,
    doors: Doors,
    keys: Keys,
    listener: OwnedFd,
    signals: SignalFd,
    remotes: Vec<(PathBuf, Option<Remote>)>,
    arbiter: Option<Arbiter>,
    call: Option<Call>,
    state: State,
    beat: u64,
    beat_due: u64,
    stopping: bool,
}

/// Runs until SIGTERM or SIGINT; on return every door is shut and no call process lives.
///
/// # Errors
/// What could not be set up, in words.
pub fn run(config: Config) -> Result<(), String> {
    let mut gate = Gate::new(config)?;
    socket::notify("READY=1");
    say!(5, "ready; door key record revision {}", gate.tickets.revision());
    while !(gate.stopping && gate.state == State::Shut) {
        for source in gate.wait() {
            gate.serve(source);
        }
        gate.tick();
    }
    Ok(())
}

/// Shuts everything whatever was open, for `ExecStopPost=` and for the start: an earlier gate may have been killed.
///
/// # Errors
/// The control group of the call process cannot be killed.
pub fn shut(config: &Config) -> Result<(), String> {
    let doors = Doors::new(config);
    doors.shut();
    let killed = launch::kill_slice(&config.call_slice).map_err(|e| format!("{}: {e}", config.call_slice.display()));
    killed.and(doors.light(false).map_err(|e| format!("lamp: {e}")))
}

impl Gate {
    fn new(config: Config) -> Result<Self, String> {
        let mask = SigSet::from_iter([Signal::SIGTERM, Signal::SIGINT]);
        let flags = SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK;
        let signals =
            mask.thread_block().and_then(|()| SignalFd::with_flags(&mask, flags)).map_err(|e| format!("signals: {e}"))?;
        if let Err(e) = shut(&config) {
            say!(3, "shutting what an earlier gate may have left: {e}");
        }
        let remotes = config.remotes.iter().map(|path| (path.clone(), None));
        #[cfg(feature = "bench")]
        let remotes = remotes.chain(config.bench.bind_remote().map_err(|e| format!("bench remote: {e}"))?);
        Ok(Self {
            tickets: Tickets::load(config.device, config.site, &config.roots, &config.state)?,
            doors: Doors::new(&config),
            keys: Keys::default(),
            listener: socket::serve(&config.socket, config.arbiter_uid)
                .map_err(|e| format!("socket {}: {e}", config.socket.display()))?,
            signals,
            remotes: remotes.collect(),
            config,
            arbiter: None,
            call: None,
            state: State::Shut,
            beat: 0,
            beat_due: 0,
            stopping: false,
        })
    }

    /// Until something is ready or due.
    fn wait(&self) -> Vec<Source> {
        let mut sources = vec![(Source::Signal, self.signals.as_fd())];
        let remotes = self.remotes.iter().enumerate();
        sources.extend(remotes.filter_map(|(i, (_, remote))| Some((Source::Remote(i), remote.as_ref()?.as_fd()))));
        sources.extend(self.arbiter.iter().map(|arbiter| (Source::Arbiter, arbiter.socket.as_fd())));
        if !self.state.dying() {
            sources.extend(self.call.iter().map(|call| (Source::Call, call.as_fd())));
        }
        sources.push((Source::Listener, self.listener.as_fd()));
        let mut polled: Vec<_> = sources.iter().map(|(_, fd)| PollFd::new(*fd, PollFlags::POLLIN)).collect();
        let now = now();
        let heard = self.arbiter.as_ref().map(|arbiter| arbiter.heard + HEARTBEAT_LIMIT_MS * MS);
        let dying = self.state.dying().then_some(now + DYING_MS * MS);
        let due = [Some(self.beat_due), self.state.deadline(), heard.filter(|due| *due > now), dying];
        let ns = due.into_iter().flatten().min().unwrap_or(0).saturating_sub(now);
        let limit = PollTimeout::try_from(ns.div_ceil(MS)).unwrap_or(PollTimeout::ZERO);
        if let Err(e) = poll(&mut polled, limit)
            && e != Errno::EINTR
        {
            say!(3, "poll: {e}; gate ends itself and with it every door");
            std::process::abort();
        }
        let ready = polled.iter().map(|p| p.any() == Some(true));
        sources.iter().zip(ready).filter_map(|((source, _), ready)| ready.then_some(*source)).collect()
    }

    fn serve(&mut self, source: Source) {
        // What time has ended is over, whatever waits to be read.
        self.tick();
        match source {
            Source::Signal => self.stopping |= matches!(self.signals.read_signal(), Ok(Some(_))),
            Source::Remote(index) => self.read_remote(index),
            Source::Arbiter => self.hear(),
            Source::Call => self.step(Event::CallEnded),
            Source::Listener => self.admit_arbiter(),
        }
    }

    /// What follows from time alone, and from what is no longer there.
    fn tick(&mut self) {
        let now = now();
        if self.stopping {
            self.step(Event::Stop(ShutReason::GateStopped));
        }
        self.arbiter.take_if(|arbiter| socket::hung_up(&arbiter.socket)).inspect(|_| say!(4, "arbiter hung up"));
        match &self.arbiter {
            None => self.step(Event::Stop(ShutReason::ArbiterGone)),
            Some(arbiter) if now.saturating_sub(arbiter.heard) >= HEARTBEAT_LIMIT_MS * MS => {
                self.step(Event::Stop(ShutReason::HeartbeatLost));
            }
            Some(_) => {}
        }
        self.step(Event::Tick);
        if self.state.dying() {
            match &self.call {
                Some(call) if !call.dead() => call.kill(),
                Some(_) | None => self.step(Event::CallDead),
            }
        }
        if now >= self.beat_due {
            self.beat_due = now + HEARTBEAT_EVERY_MS * MS;
            self.beat += 1;
            self.tell(&FromGate::Heartbeat { count: self.beat });
            socket::notify("WATCHDOG=1");
            for (path, remote) in self.remotes.iter_mut().filter(|(_, remote)| remote.is_none()) {
                *remote = Remote::open(path).inspect(|_| say!(5, "remote {}: grabbed", path.display())).ok();
            }
        }
    }
}

impl Gate {
    /// One step of the lease, and what its edge asks for.
    fn step(&mut self, event: Event) {
        let (old, at_ns) = (self.state, now());
        self.state = old.step(event, at_ns);
        if self.state == old {
            return;
        }
        if self.state.dying() {
            self.call.iter().for_each(Call::kill);
            self.doors.shut();
        }
        match (old, self.state) {
            (_, State::Gone { lease, .. }) => {
                self.bury();
                self.tell(&FromGate::CallGone { lease });
            }
            (State::Ending { lease, reason, since }, State::Shut) => {
                self.bury();
                let took_ms = u32::try_from((at_ns - since) / MS).unwrap_or(u32::MAX);
                say!(5, "lease {}: shut, {reason:?}, call process dead after {took_ms} ms", tag(&lease));
                self.tell(&FromGate::Shut { lease, reason, at_ns, took_ms });
            }
            _ => {}
        }
    }

    /// The call process is dead: nothing sees, the lamp may go out.
    fn bury(&mut self) {
        self.call = None;
        if let Err(e) = self.doors.light(false) {
            say!(4, "lamp: could not be put out: {e}");
        }
    }

    fn tell(&mut self, message: &FromGate) {
        let sent = self.arbiter.as_ref().map(|arbiter| socket::send(&arbiter.socket, &message.encode(), &[]));
        if let Some(Err(e)) = sent {
            say!(4, "arbiter: {e}; counted as gone");
            self.arbiter = None;
        }
    }

    fn admit_arbiter(&mut self) {
        let (socket, uid) = match socket::accept(&self.listener) {
            Ok(accepted) => accepted,
            Err(e) => return say!(4, "connection: {e}"),
        };
        if uid != self.config.arbiter_uid || self.arbiter.is_some() {
            return say!(4, "connection of user {uid} refused: only one of user {} is served", self.config.arbiter_uid);
        }
        self.arbiter = Some(Arbiter { socket, heard: now() });
        say!(5, "arbiter connected");
        self.tell(&FromGate::Hello { device: self.config.device, revision: self.tickets.revision() });
    }

    fn read_remote(&mut self, index: usize) {
        let Some((path, Some(remote))) = self.remotes.get_mut(index) else { return };
        match remote.read() {
            Ok(motions) => {
                for (key, motion) in motions {
                    let press = self.keys.stamp(key, motion, now());
                    self.tell(&FromGate::Key(press));
                }
            }
            Err(e) => {
                say!(4, "remote {}: {e}; looked for again", path.display());
                self.remotes[index].1 = None;
            }
        }
    }

    /// One message of the arbiter.
    fn hear(&mut self) {
        let Some(arbiter) = &mut self.arbiter else { return };
        let mut bytes = [0; SIZE + 1];
        let (len, fds) = match socket::receive(&arbiter.socket, &mut bytes) {
            Ok((0, _)) => return self.arbiter = None,
            Ok(received) => received,
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => return,
            Err(e) => {
                say!(4, "arbiter: {e}; counted as gone");
                return self.arbiter = None;
            }
        };
        let done = match (ToGate::decode(&bytes[..len]), fds.as_slice()) {
            (Ok(ToGate::Heartbeat { .. }), []) => {
                arbiter.heard = now();
                Ok(())
            }
            (Ok(ToGate::DoorRecord { record }), []) => {
                let kept = self.tickets.keep(&record);
                kept.map(|revision| self.tell(&FromGate::RecordKept { revision })).map_err(|why| ([0; 16], why))
            }
            (Ok(ToGate::Prepare { lease, serial }), [end]) if lease != [0; 16] => {
                self.prepare(lease, serial, end).map_err(|why| (lease, why))
            }
            (Ok(ToGate::Open { ticket }), []) => self.open(&ticket).map_err(|why| (self.state.lease().unwrap_or_default(), why)),
            (Ok(ToGate::Relaunch { lease }), [end]) => self.relaunch(lease, end).map_err(|why| (lease, why)),
            (Ok(ToGate::Close { lease }), []) => self.close(lease).map_err(|why| (lease, why)),
            _ => Err(([0; 16], GateRefusal::Malformed)),
        };
        if let Err((lease, why)) = done {
            say!(4, "lease {}: refused, {why:?}", tag(&lease));
            self.tell(&FromGate::Refused { lease, why });
        }
    }
}

/// What the arbiter may ask for; each is refused or done.
impl Gate {
    fn prepare(&mut self, lease: Id, serial: u64, end: &OwnedFd) -> Result<(), GateRefusal> {
        if self.state != State::Shut {
            return Err(GateRefusal::Busy);
        }
        let pressed = self.keys.take(serial, now()).ok_or(GateRefusal::NoFreshKey)?;
        let mut nonce = [0; 16];
        getrandom::fill(&mut nonce).map_err(|_| GateRefusal::NoCall)?;
        self.launch(lease, end)?;
        self.step(Event::Started { lease, nonce, pressed });
        say!(5, "lease {}: prepared on key {serial}, doors shut", tag(&lease));
        self.tell(&FromGate::Prepared { lease, nonce });
        Ok(())
    }

    fn open(&mut self, ticket: &[u8; parloir_wire::ticket::SIZE]) -> Result<(), GateRefusal> {
        let ticket = self.tickets.check(ticket, &self.state, now())?;
        let lease = self.state.lease().unwrap_or_default();
        self.give_doors(ticket.media)?;
        self.step(Event::Admitted { media: ticket.media, run: u64::from(ticket.longest_run_s) * 1000 * MS });
        if self.state.dying() {
            return Err(GateRefusal::NonceExpired);
        }
        say!(5, "lease {}: doors {:#04b} open for at most {} s", tag(&lease), ticket.media, ticket.longest_run_s);
        self.tell(&FromGate::Opened { lease, media: ticket.media, at_ns: now() });
        Ok(())
    }

    fn relaunch(&mut self, wanted: Id, end: &OwnedFd) -> Result<(), GateRefusal> {
        let State::Gone { lease, media, .. } = self.state else { return Err(GateRefusal::NoLease) };
        if lease != wanted {
            return Err(GateRefusal::NoLease);
        }
        self.launch(lease, end)?;
        self.give_doors(media)?;
        self.step(Event::Restarted);
        if self.state.dying() {
            return Err(GateRefusal::NoLease);
        }
        say!(5, "lease {}: call process started again", tag(&lease));
        self.tell(&FromGate::Relaunched { lease });
        Ok(())
    }

    fn close(&mut self, lease: Id) -> Result<(), GateRefusal> {
        if self.state.lease() != Some(lease) {
            return Err(GateRefusal::NoLease);
        }
        self.step(Event::Stop(ShutReason::Asked));
        Ok(())
    }

    fn launch(&mut self, lease: Id, end: &OwnedFd) -> Result<(), GateRefusal> {
        let call = Call::start(&self.config, lease, end).map_err(|e| {
            say!(4, "lease {}: no call process: {e}", tag(&lease));
            GateRefusal::NoCall
        })?;
        self.call = Some(call);
        Ok(())
    }

    /// Opens the doors and hands them over, or shuts all of them and ends the lease. Gate's copy of an fd is closed on return.
    fn give_doors(&mut self, media: u8) -> Result<(), GateRefusal> {
        let given = self.doors.open(media).and_then(|open| {
            let call = self.call.as_ref().ok_or(io::ErrorKind::NotConnected)?;
            open.iter().try_for_each(|(door, clip)| call.door(*door, clip.as_ref()))
        });
        given.map_err(|e| {
            say!(3, "doors {media:#04b}: {e}; the lease ends");
            self.step(Event::Stop(ShutReason::CallEnded));
            GateRefusal::NoDevice
        })
    }
}

/// A lease's first bytes: enough for the log.
fn tag(lease: &Id) -> String {
    lease[..4].iter().map(|b| format!("{b:02x}")).collect()
}
