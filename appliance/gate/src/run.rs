//! Owns: the poll loop: what the arbiter, the remote, the call process and the clock did, and what follows from it.
//! Never: blocks on anything but `poll`; decides what the lease's table decides.
//! Called by: `main`.

use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};

use nix::poll::{PollFd, PollFlags, poll};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use parloir_wire::gate::{FromGate, GateRefusal, HEARTBEAT_EVERY_MS, HEARTBEAT_LIMIT_MS, SIZE, ShutReason, ToGate};
use parloir_wire::{Id, ticket};

use crate::launch::{Call, kill_slice};
use crate::lease::{Event, Run, State};
use crate::socket::{self, now};
use crate::tickets::{Tickets, must};
use crate::{config::Config, doors, keys::Keys};

const MS: u64 = 1_000_000;
const BEAT_NS: u64 = HEARTBEAT_EVERY_MS * MS;

struct Gate {
    config: Config,
    tickets: Tickets,
    keys: Keys,
    listener: OwnedFd,
    signals: SignalFd,
    stopping: bool,
    /// The enrolled devices, as far as they are there.
    remotes: Vec<(std::path::PathBuf, Option<OwnedFd>)>,
    /// The only connection that is served, and when its last heartbeat came.
    arbiter: Option<(OwnedFd, u64)>,
    call: Option<Call>,
    /// The end for the call process that is to follow the one that dies.
    again: Option<OwnedFd>,
    state: State,
    waiting: doors::Waiting,
    /// The last heartbeat, counted since the kernel's start.
    beat: u64,
}

/// Runs until SIGTERM or SIGINT; on return every door is shut and no call process lives.
///
/// # Errors
/// What could not be set up, in words.
pub fn run(config: Config) -> Result<(), String> {
    // An earlier gate may have been killed.
    shut(&config)?;
    let mut gate = Gate::new(config)?;
    socket::notify("READY=1");
    say!(5, "ready");
    while !gate.stopping || gate.state != State::Shut {
        gate.wait();
        gate.turn();
    }
    Ok(())
}

/// Shuts everything whatever was open: at the start, and for `ExecStopPost=`.
///
/// # Errors
/// The control group of the call process cannot be killed.
pub fn shut(config: &Config) -> Result<(), String> {
    doors::shut(config);
    // A lamp that fails here is told in the journal, and opens no door later.
    kill_slice(config).inspect(|()| drop(doors::light(config, false)))
}

impl Gate {
    fn new(config: Config) -> Result<Self, String> {
        let stop = SigSet::from_iter([Signal::SIGTERM, Signal::SIGINT]);
        stop.thread_block().map_err(|e| format!("signals: {e}"))?;
        let signals = SignalFd::with_flags(&stop, SfdFlags::all()).map_err(|e| format!("signals: {e}"))?;
        let tickets = Tickets::load(&config)?;
        let listener = socket::serve(&config.socket, config.arbiter_uid).map_err(|e| format!("{:?}: {e}", config.socket))?;
        let remotes = config.remotes.iter().map(|path| (path.clone(), None));
        #[cfg(feature = "bench")]
        let remotes = remotes.chain(config.bench.bind_remote()?);
        let (remotes, keys, state, arbiter, call) = (remotes.collect(), Keys::default(), State::Shut, None, None);
        let (again, waiting, stopping, beat) = (None, None, false, 0);
        Ok(Self { config, tickets, keys, listener, signals, stopping, remotes, arbiter, call, again, state, waiting, beat })
    }

    /// Until something may be ready; while a lease lives the clock is looked at 50 times a second, so that no arithmetic of
    /// timers stands between a deadline and its door.
    fn wait(&self) {
        let mut fds = vec![self.signals.as_fd(), self.listener.as_fd()];
        fds.extend(self.remotes.iter().filter_map(|(_, remote)| remote.as_ref().map(OwnedFd::as_fd)));
        fds.extend(self.arbiter.iter().map(|(arbiter, _)| arbiter.as_fd()));
        fds.extend(self.call.iter().filter(|_| !self.state.dying()).map(|call| call.start.as_fd()));
        let mut polled: Vec<_> = fds.into_iter().map(|fd| PollFd::new(fd, PollFlags::POLLIN)).collect();
        let ms: u8 = if self.state.dying() { 5 } else { if self.state == State::Shut { 100 } else { 20 } };
        assert!(matches!(poll(&mut polled, ms), Ok(_) | Err(nix::errno::Errno::EINTR)), "poll fails; gate ends, and every door");
    }

    /// Looks everywhere; nothing here blocks. What time has ended is over, whatever waits to be read; the arbiter is heard
    /// before a successor is accepted.
    fn turn(&mut self) {
        self.tick();
        self.stopping |= matches!(self.signals.read_signal(), Ok(Some(_)));
        let keys = doors::read_keys(&mut self.remotes).into_iter().map(|motion| FromGate::Key(self.keys.stamp(motion, now())));
        keys.collect::<Vec<_>>().iter().for_each(|key| self.tell(key));
        self.hear();
        if self.call.as_ref().is_some_and(|call| !socket::ready(&call.start).is_empty()) {
            self.step(Event::CallEnded);
        }
        self.accept();
        self.tick();
    }

    /// What follows from time alone, and from who is no longer there.
    fn tick(&mut self) {
        let now = now();
        let hung_up = |(arbiter, _): &mut (OwnedFd, u64)| socket::ready(arbiter).contains(PollFlags::POLLHUP);
        self.arbiter.take_if(hung_up).inspect(|_| say!(4, "arbiter hung up"));
        let over = match &self.arbiter {
            _ if self.stopping => Some(ShutReason::GateStopped),
            None => Some(ShutReason::ArbiterGone),
            Some((_, heard)) if now >= heard + HEARTBEAT_LIMIT_MS * MS => Some(ShutReason::HeartbeatLost),
            Some(_) => None,
        };
        self.step(over.map_or(Event::Tick, Event::Stop));
        if self.state.dying() {
            match &self.call {
                Some(call) if !call.dead(&self.config) => call.kill(&self.config),
                Some(_) | None => self.step(Event::CallDead),
            }
        }
        let next = self.again.take_if(|_| matches!(self.state, State::Gone(..)));
        if let (State::Gone(run, _), Some(end)) = (self.state, next) {
            let done = self.launch(run.lease, &end).map(|()| self.step(Event::Restarted));
            done.unwrap_or_else(|why| self.tell(&FromGate::Refused { lease: run.lease, why }));
        }
        if now / BEAT_NS > self.beat {
            self.beat = now / BEAT_NS;
            self.tell(&FromGate::Heartbeat { count: self.beat });
            socket::notify("WATCHDOG=1");
        }
    }

    /// One step of the lease, and what its edge asks for: the doors close on every way out of `Open`.
    fn step(&mut self, event: Event) {
        let (old, at_ns) = (self.state, now());
        self.state = old.step(event, at_ns);
        self.open_doors(at_ns);
        if self.state == old {
            return;
        }
        if self.state.dying() {
            self.call.iter().for_each(|call| call.kill(&self.config));
            doors::shut(&self.config);
        }
        if matches!(self.state, State::Shut | State::Gone(..)) {
            (self.call, self.waiting) = (None, None);
            let _ = doors::light(&self.config, false);
        }
        match (old, self.state) {
            (_, State::Prepared { lease, nonce, .. }) => self.tell(&FromGate::Prepared { lease, nonce }),
            (State::Gone(..), State::Open(Run { lease, .. })) => self.tell(&FromGate::Relaunched { lease }),
            (_, State::Open(Run { lease, media, .. })) => self.tell(&FromGate::Opened { lease, media, at_ns }),
            (_, State::Gone(Run { lease, .. }, _)) if self.again.is_none() => self.tell(&FromGate::CallGone { lease }),
            (State::Ending { lease, reason, since }, State::Shut) => {
                let took_ms = u32::try_from((at_ns - since) / MS).unwrap_or(u32::MAX);
                self.again = None;
                self.tell(&FromGate::Shut { lease, reason, at_ns, took_ms });
            }
            (_, State::Shut | State::Falling(_) | State::Gone(..) | State::Ending { .. }) => {}
        }
    }

    fn tell(&mut self, message: &FromGate) {
        if !matches!(message, FromGate::Heartbeat { .. } | FromGate::Key(_)) {
            say!(5, "{message}");
        }
        let sent = |(arbiter, _): &mut (OwnedFd, u64)| socket::send(arbiter, &message.encode(), &[]);
        self.arbiter.take_if(|arbiter| sent(arbiter).inspect_err(|e| say!(4, "arbiter: {e}; counted as gone")).is_err());
    }

    fn accept(&mut self) {
        let Ok((arbiter, uid)) = socket::accept(&self.listener) else { return };
        if uid != self.config.arbiter_uid || self.arbiter.is_some() {
            return say!(4, "connection of user {uid} refused: one is served, of user {}", self.config.arbiter_uid);
        }
        self.arbiter = Some((arbiter, now()));
        self.tell(&FromGate::Hello {
            device: self.config.device,
            revision: self.tickets.kept.map_or(0, |record| record.revision),
        });
    }

    /// One message of the arbiter: done or refused.
    fn hear(&mut self) {
        let Some((arbiter, heard)) = &mut self.arbiter else { return };
        let mut bytes = [0; SIZE + 1];
        let (len, mut fds) = match socket::receive(arbiter, &mut bytes) {
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => return,
            Ok((0, _)) | Err(_) => return self.arbiter = None,
            Ok(received) => received,
        };
        let (lease, done) = match (ToGate::decode(&bytes[..len]), fds.as_slice()) {
            (Ok(ToGate::Heartbeat { .. }), []) => return *heard = now(),
            (Ok(ToGate::DoorRecord { record }), []) => {
                ([0; 16], self.tickets.keep(&self.config, &record).map(|revision| self.tell(&FromGate::RecordKept { revision })))
            }
            (Ok(ToGate::Prepare { lease, serial }), [end]) if lease != [0; 16] => (lease, self.prepare(lease, serial, end)),
            (Ok(ToGate::Open { ticket }), []) => (self.state.lease().unwrap_or_default(), self.open(&ticket)),
            (Ok(ToGate::Relaunch { lease }), [_]) => (lease, self.end(lease, Event::CallEnded, fds.pop())),
            (Ok(ToGate::Close { lease }), []) => (lease, self.end(lease, Event::Stop(ShutReason::Asked), None)),
            _ => ([0; 16], Err(GateRefusal::Malformed)),
        };
        done.unwrap_or_else(|why| self.tell(&FromGate::Refused { lease, why }));
    }

    /// Gate looks for the key itself: that a call process runs is to mean that somebody here asked for it.
    fn prepare(&mut self, lease: Id, serial: u64, end: &OwnedFd) -> Result<(), GateRefusal> {
        must(self.state == State::Shut, GateRefusal::Busy)?;
        let pressed = self.keys.take(serial, now()).ok_or(GateRefusal::NoFreshKey)?;
        let mut nonce = [0; 16];
        // random(4): since Linux 5.6 it waits for the pool's first seed and never again, as getrandom(2) does.
        std::fs::File::open("/dev/random").and_then(|mut f| f.read_exact(&mut nonce)).map_err(|_| GateRefusal::NoCall)?;
        self.launch(lease, end).map(|()| self.step(Event::Started { lease, nonce, pressed }))
    }

    fn open(&mut self, ticket: &[u8; ticket::SIZE]) -> Result<(), GateRefusal> {
        let ticket = self.tickets.check(self.config.device, ticket, self.state, now());
        ticket.map(|t| self.step(Event::Admitted { media: t.media, ns: u64::from(t.longest_run_s) * 1000 * MS }))
    }

    /// Ends the call process of a lease, also one that only seems to live (stopped, caught in a loop); with `again` the next one
    /// follows its death.
    fn end(&mut self, lease: Id, how: Event, again: Option<OwnedFd>) -> Result<(), GateRefusal> {
        must(self.state.lease() == Some(lease), GateRefusal::NoLease)?;
        self.again = again;
        self.step(how);
        Ok(())
    }

    /// Opens what is to be open and is not yet, at every step until all of it is; what cannot be opened ends the lease.
    fn open_doors(&mut self, now: u64) {
        let (State::Open(Run { lease, media, .. }), Some(call)) = (self.state, &self.call) else { return };
        if let Err(e) = doors::open(&self.config, media, &mut self.waiting, call, now) {
            say!(3, "doors {media:#04b}: {e}; the lease ends");
            self.step(Event::Stop(ShutReason::CallEnded));
            self.tell(&FromGate::Refused { lease, why: GateRefusal::NoDevice });
        }
    }

    fn launch(&mut self, lease: Id, end: &OwnedFd) -> Result<(), GateRefusal> {
        self.call = Call::start(&self.config, lease, end).inspect_err(|e| say!(4, "no call process: {e}")).ok();
        must(self.call.is_some(), GateRefusal::NoCall)
    }
}
