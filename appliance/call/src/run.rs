//! Owns: the one loop of a call: sockets, pipeline events, facts, from `Begin` to the hang-up of gate or arbiter.
//! Never: decodes, judges a certificate, or outlives its lease.
//! Called by: main.

use crate::devices::Devices;
use crate::events::{CAPTURE, Event, Events, Offer};
use crate::lease::{LeaseError, Socket};
use crate::pipeline::{Camera, Capture, Identity, Microphone, Pipeline, PipelineError, Screen};
use crate::plan::{self, Settings};
use crate::quality::{Ladder, Video};
use crate::sdp;
use crate::watchdog::{Turn, Watchdog};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use parloir_frames::FrameSender;
use parloir_shell::{BootTime, memfd, notify};
use parloir_wire::lease::{Fact, Progress, ToCall, Trouble};
use parloir_wire::signal::Signal;
use parloir_wire::start::Start;
use parloir_wire::{CAMERA, Id, MICROPHONE};
use std::io;
use std::os::fd::OwnedFd;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// Most bytes of a certificate with its key.
const MAX_PEM: u64 = 16 * 1024;
/// [`Fact::FarAgain`] is told at most this often, nanoseconds.
const AGAIN_EVERY_NS: u64 = 1_000_000_000;
/// How often [`Fact::Progress`] is told, nanoseconds.
const PROGRESS_EVERY_NS: u64 = 500_000_000;
/// Longest wait of the loop, milliseconds: how late the watchdog may be.
const TICK_MS: u16 = 100;

/// Why the loop ended by itself.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A socket's end or misuse.
    #[error(transparent)]
    Lease(#[from] LeaseError),
    /// The kernel refused.
    #[error("call: {0} [org.parloir.Error.Io]")]
    Io(#[from] io::Error),
    /// Nothing could ever be captured.
    #[error(transparent)]
    Pipeline(#[from] PipelineError),
}

impl RunError {
    /// The lease is over: the expected end.
    #[must_use]
    pub const fn is_end(&self) -> bool {
        matches!(self, Self::Lease(LeaseError::HungUp(_)))
    }
}

/// Runs until gate or the arbiter hangs up.
///
/// # Errors
/// Always: [`RunError::is_end`] tells the end of the lease from a fault.
pub fn run(start: OwnedFd, devices: Devices) -> Result<std::convert::Infallible, RunError> {
    let start = Socket::new(start, "start connection");
    let events = Events::new()?;
    notify::ready();
    let mut alive = Alive::new();
    let (lease, arbiter) = begin(&start, &mut alive)?;
    lives(&arbiter);
    let screen = Screen::default();
    let capture = Capture::build(devices, &screen, &events.post(CAPTURE))?;
    lives(&arbiter);
    let mut visit = Visit::new(lease, arbiter, events, screen, capture);
    loop {
        alive.tell(Instant::now());
        visit.wait(&start)?;
        while let Some((message, fd)) = start.next_start()? {
            visit.door(message, fd)?;
        }
        while let Some((order, fd)) = visit.arbiter.next_order()? {
            visit.order(order, fd)?;
        }
        visit.signals();
        while let Some(event) = visit.events.next(visit.number) {
            visit.event(event);
        }
        visit.tick(BootTime::now_ns());
    }
}

/// Waits for the first message of gate.
fn begin(start: &Socket, alive: &mut Alive) -> Result<(Id, Socket), RunError> {
    loop {
        alive.tell(Instant::now());
        let mut fds = [PollFd::new(start.fd(), PollFlags::POLLIN)];
        let _ = poll(&mut fds, PollTimeout::from(TICK_MS));
        match start.next_start()? {
            Some((Start::Begin { lease }, Some(fd))) => return Ok((lease, Socket::new(fd, "arbiter's socket"))),
            Some(_) => {
                return Err(LeaseError::Descriptors("start connection: does not begin with Begin and its descriptor").into());
            }
            None => {}
        }
    }
}

/// A fact that says no more than that there is one to say it: the arbiter replaces a call that is silent for 4 s, and the first elements of a
/// cold start take a slow box about as long.
fn lives(arbiter: &Socket) {
    let progress = Progress { at_ns: BootTime::now_ns(), audio_level: -12_700, ..Progress::default() };
    arbiter.tell(&Fact::Progress(progress));
}

/// The service manager's watchdog, petted by the loop and by nothing else: a loop that hangs is seen.
struct Alive {
    every: Option<Duration>,
    told: Option<Instant>,
}

impl Alive {
    fn new() -> Self {
        Self { every: notify::watchdog_every(), told: None }
    }
    fn tell(&mut self, now: Instant) {
        // A tick before it is due, since the next look is a tick later.
        let due = |every: Duration| self.told.is_none_or(|told| now - told + Duration::from_millis(TICK_MS.into()) >= every);
        if self.every.is_some_and(due) {
            self.told = Some(now);
            notify::watchdog();
        }
    }
}

/// One visit, as far as this process knows it.
struct Visit {
    lease: Id,
    arbiter: Socket,
    events: Events,
    signal: Option<Socket>,
    /// Offer and candidates of this generation, for a link that comes back; empty once the far side has answered.
    said: Vec<Signal>,
    screen: Screen,
    identity: Option<Identity>,
    capture: Capture,
    /// The door to the board's camera is open, and there was no plan yet.
    camera_waits: bool,
    /// The session that there is now.
    pipeline: Option<Pipeline>,
    /// Of the session; grows with each re-call. [`CAPTURE`] before the first.
    number: u32,
    settings: Option<Settings>,
    connected: bool,
    ladder: Ladder,
    far_sends_video: bool,
    watchdog: Watchdog,
    /// When the far side last asked for a new offer.
    again_ns: Option<u64>,
    figures: Figures,
}

/// What the next [`Fact::Progress`] is made of.
#[derive(Default)]
struct Figures {
    level: Option<i16>,
    estimate_kbps: u32,
    rtt_ms: u16,
    loss_permille: u16,
    lost: u64,
    received: u64,
    bytes_in: u64,
    bytes_out: u64,
    told_ns: u64,
    told: u64,
    /// Sums of the pipelines before this one.
    frames_decoded_before: u64,
    frames_sent_before: u64,
}

impl Visit {
    fn new(lease: Id, arbiter: Socket, events: Events, screen: Screen, capture: Capture) -> Self {
        Self {
            lease,
            arbiter,
            events,
            signal: None,
            said: Vec::new(),
            screen,
            identity: None,
            capture,
            camera_waits: false,
            pipeline: None,
            number: CAPTURE,
            settings: None,
            connected: false,
            ladder: Ladder::new(plan::PictureLimits::default(), plan::Rates::default()),
            far_sends_video: true,
            watchdog: Watchdog::default(),
            again_ns: None,
            figures: Figures::default(),
        }
    }

    fn wait(&self, start: &Socket) -> Result<(), RunError> {
        let mut fds = vec![
            PollFd::new(start.fd(), PollFlags::POLLIN),
            PollFd::new(self.arbiter.fd(), PollFlags::POLLIN),
            PollFd::new(self.events.fd(), PollFlags::POLLIN),
        ];
        fds.extend(self.signal.as_ref().map(|s| PollFd::new(s.fd(), PollFlags::POLLIN)));
        match poll(&mut fds, PollTimeout::from(TICK_MS)) {
            Ok(_) | Err(nix::Error::EINTR) => Ok(()),
            Err(e) => Err(RunError::Io(e.into())),
        }
    }

    fn trouble(&self, what: Trouble, detail: impl Into<String>) {
        let detail = detail.into();
        tracing::warn!("trouble {what:?}: {detail}");
        self.arbiter.tell(&Fact::Trouble { what, detail });
    }

    fn check(&self, what: Trouble, result: Result<(), PipelineError>) {
        if let Err(e) = result {
            self.trouble(what, e.to_string());
        }
    }

    /// A door is open: its source is ours.
    fn door(&mut self, message: Start, fd: Option<OwnedFd>) -> Result<(), RunError> {
        let Start::Door { media } = message else {
            return Err(LeaseError::Descriptors("start connection: only doors may follow Begin").into());
        };
        match media {
            CAMERA => match fd {
                Some(clip) => self.check(Trouble::Camera, self.capture.open_camera(Camera::Clip(clip))),
                None => {
                    self.camera_waits = true;
                    self.open_camera();
                }
            },
            MICROPHONE => {
                let source = fd.map_or(Microphone::Device, Microphone::Clip);
                self.check(Trouble::Microphone, self.capture.open_microphone(source));
            }
            _ => return Err(LeaseError::Descriptors("start connection: a door of unknown media").into()),
        }
        Ok(())
    }

    /// The board's camera, once its door is open and the plan has said which picture it is to give.
    fn open_camera(&mut self) {
        if let (true, Some(settings)) = (self.camera_waits, &self.settings) {
            self.camera_waits = false;
            self.check(Trouble::Camera, self.capture.open_camera(Camera::Device(settings.picture)));
        }
    }

    fn order(&mut self, order: ToCall, fd: Option<OwnedFd>) -> Result<(), RunError> {
        match (order, fd) {
            (ToCall::Certificate, Some(fd)) => self.certificate(fd),
            (ToCall::FrameEnd, Some(fd)) => {
                *self.screen.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(FrameSender::new(fd));
            }
            (ToCall::SignalEnd, Some(fd)) => {
                self.signal = Some(Socket::new(fd, "signalling end"));
                self.say_again();
            }
            (ToCall::Plan(plan), None) => self.plan(&plan),
            (ToCall::Let { camera, microphone }, None) => {
                self.capture.let_out(camera, microphone);
                self.fresh_picture();
                self.arbiter.tell(&Fact::Lets { camera, microphone });
            }
            (ToCall::Hold { held }, None) => {
                // First the order for a key picture, so that the first that leaves is one.
                self.fresh_picture();
                self.capture.lets().set_held(held);
            }
            _ => return Err(LeaseError::Descriptors("arbiter's socket: a descriptor is missing, or one too many").into()),
        }
        Ok(())
    }

    fn fresh_picture(&self) {
        if let Some(pipeline) = &self.pipeline {
            pipeline.force_key();
        }
    }

    fn certificate(&mut self, fd: OwnedFd) {
        let pem = memfd::read_sealed(fd, MAX_PEM).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        match pem.as_deref().and_then(Identity::read) {
            Some(identity) => {
                self.identity = Some(identity);
                self.build();
            }
            None => self.trouble(Trouble::Pipeline, "the certificate of this visit cannot be read"),
        }
    }

    /// A new session with its gate shut. The one before it ends first, wholly; capture goes on.
    fn build(&mut self) {
        self.end_session();
        self.number += 1;
        let Some(identity) = &self.identity else { return };
        match Pipeline::build(identity, &self.capture, &self.screen, &self.events.post(self.number)) {
            Ok(pipeline) => {
                self.pipeline = Some(pipeline);
                self.arbiter.tell(&Fact::Ready { at_ns: BootTime::now_ns() });
                self.connect();
            }
            Err(e) => self.trouble(Trouble::Pipeline, e.to_string()),
        }
    }

    /// What was decoded in it is told to its last frame; what it said is of no use to anybody any more.
    fn end_session(&mut self) {
        self.connected = false;
        self.said.clear();
        self.far_sends_video = true;
        if let Some(Turn::Off { at_ns }) = self.watchdog.stop() {
            self.arbiter.tell(&Fact::Decoding { on: false, at_ns });
        }
        if let Some(old) = self.pipeline.take() {
            self.figures.frames_decoded_before += old.gate().frames_decoded.load(Ordering::Relaxed);
            self.figures.frames_sent_before += old.gate().frames_sent.load(Ordering::Relaxed);
            self.figures.of_a_new_session();
            self.capture.pour_nowhere();
        }
    }

    fn plan(&mut self, plan: &parloir_wire::lease::Plan) {
        if plan.lease != self.lease {
            return self.trouble(Trouble::Pipeline, "a plan of another lease");
        }
        match plan::read(plan) {
            Ok(settings) => {
                // A higher generation is a re-call; the same one changes nothing that runs.
                if self.connected || (self.pipeline.is_none() && self.identity.is_some()) {
                    if self.settings.as_ref().is_some_and(|s| s.generation >= settings.generation) {
                        return self.trouble(Trouble::Pipeline, "a plan that is not newer");
                    }
                    self.settings = None;
                    self.build();
                }
                self.ladder = Ladder::new(settings.picture, settings.rates);
                self.settings = Some(settings);
                self.open_camera();
                self.connect();
            }
            Err(e) => self.trouble(Trouble::Pipeline, e.to_string()),
        }
    }

    /// Connects as soon as there are a pipeline and a plan.
    fn connect(&mut self) {
        let (Some(pipeline), Some(settings), false) = (&self.pipeline, &self.settings, self.connected) else { return };
        pipeline.set_video(if settings.voice_only { Video::SoundOnly } else { self.ladder.start() });
        let result = pipeline.connect(settings);
        tracing::debug!("connecting, generation {}", settings.generation);
        self.connected = true;
        self.check(Trouble::Pipeline, result);
    }

    fn offer(&mut self, offer: &Offer) {
        let (Some(pipeline), Some(settings), Some(identity)) = (&self.pipeline, &self.settings, &self.identity) else { return };
        let text = offer.sdp().as_text().unwrap_or_default();
        match sdp::finish_offer(&text, &identity.fingerprint, settings.picture, settings.rates) {
            Ok(sdp) => {
                let generation = settings.generation;
                pipeline.gather(offer);
                tracing::debug!("offer {generation} is made");
                self.say(Signal::Offer { generation, sdp });
            }
            Err(e) => self.trouble(Trouble::Pipeline, e.to_string()),
        }
    }

    fn say(&mut self, message: Signal) {
        if let Some(socket) = &self.signal
            && !socket.signal(&message)
        {
            self.signal = None;
        }
        self.said.push(message);
    }

    fn say_again(&self) {
        if let Some(socket) = &self.signal {
            let _ = self.said.iter().all(|message| socket.signal(message));
        }
    }

    fn signals(&mut self) {
        while let Some(socket) = &self.signal {
            match socket.next_signal() {
                Ok(Some(message)) => self.far_says(message),
                Ok(None) => return,
                Err(LeaseError::HungUp(_)) => {
                    tracing::info!("link is gone; media go on, signalling waits for the next");
                    self.signal = None;
                }
                Err(e) => {
                    self.signal = None;
                    self.trouble(Trouble::Signalling, e.to_string());
                }
            }
        }
    }

    fn far_says(&mut self, message: Signal) {
        if let Signal::Again { .. } = message {
            return self.far_again(BootTime::now_ns());
        }
        let now = self.settings.as_ref().map(|s| s.generation);
        let (Some(pipeline), true) = (&self.pipeline, self.connected) else {
            return self.trouble(Trouble::Signalling, "the far side speaks before the offer");
        };
        match message {
            Signal::Answer { generation, sdp } if Some(generation) == now => match sdp::check_answer(&sdp) {
                Ok(answer) => {
                    tracing::debug!("answer {generation} came");
                    self.far_sends_video = answer.far_sends_video;
                    let result = pipeline.answer(&sdp::without_names(&sdp));
                    self.said.clear();
                    self.check(Trouble::Signalling, result);
                }
                Err(e) => self.trouble(Trouble::Signalling, e.to_string()),
            },
            Signal::Candidate { generation, mline, candidate } if Some(generation) == now => {
                // An empty one says that there are no more: nothing to do.
                if candidate.is_empty() {
                    return;
                }
                match sdp::check_candidate(&candidate) {
                    Ok(true) if mline < 2 => pipeline.candidate(mline, &candidate),
                    Ok(_) => tracing::debug!("a far candidate is not used (a name, TCP, or of no section)"),
                    Err(e) => self.trouble(Trouble::Signalling, e.to_string()),
                }
            }
            Signal::Bye { generation } if Some(generation) == now => self.arbiter.tell(&Fact::FarLeft),
            Signal::Offer { .. } => self.trouble(Trouble::Signalling, "the far side may not offer"),
            Signal::Answer { .. } | Signal::Candidate { .. } | Signal::Bye { .. } | Signal::Again { .. } => {
                tracing::debug!("a signal of an earlier generation is not used");
            }
        }
    }

    /// A far side that says it more often is heard once a second.
    fn far_again(&mut self, now_ns: u64) {
        if self.again_ns.is_none_or(|last| now_ns.saturating_sub(last) >= AGAIN_EVERY_NS) {
            self.again_ns = Some(now_ns);
            self.arbiter.tell(&Fact::FarAgain);
        }
    }

    fn event(&mut self, event: Event) {
        match event {
            Event::Offer(offer) => self.offer(&offer),
            Event::Candidate { mline, text } => {
                let generation = self.settings.as_ref().map_or(0, |s| s.generation);
                self.say(Signal::Candidate { generation, mline, candidate: text });
            }
            Event::FarVerified(fingerprint) => self.arbiter.tell(&Fact::FarVerified { fingerprint }),
            Event::FarRefused(fingerprint) => {
                // Dropping the pipeline ends the transport; there is no way back within this generation.
                self.pipeline = None;
                self.capture.pour_nowhere();
                self.trouble(Trouble::FarCertificate, format!("shown {}", crate::verify::colons(&fingerprint)));
            }
            Event::FirstPicture { at_ns, width, height, codec } => {
                self.arbiter.tell(&Fact::FirstPicture { at_ns, width, height, codec });
            }
            Event::FirstSound { at_ns } => self.arbiter.tell(&Fact::FirstSound { at_ns }),
            Event::Level(level) => self.figures.level = Some(level),
            Event::Estimate(kbps) => {
                self.figures.estimate_kbps = kbps;
                let video = self.ladder.follow(kbps);
                if let (Some(p), Some(Settings { voice_only: false, .. })) = (&self.pipeline, &self.settings) {
                    p.set_video(video);
                }
            }
            Event::Network { rtt_ms, lost, received } => self.figures.network(rtt_ms, lost, received),
            Event::Failed { what, detail } => self.trouble(what, detail),
        }
    }

    fn tick(&mut self, now_ns: u64) {
        let Some(pipeline) = &self.pipeline else { return };
        let gate = pipeline.gate();
        let mut last = gate.last_picture_ns.load(Ordering::Acquire);
        if !self.far_sends_video {
            last = last.max(gate.last_sound_ns.load(Ordering::Acquire));
        }
        match self.watchdog.look(now_ns, (last > 0).then_some(last)) {
            Some(Turn::On { at_ns }) => self.arbiter.tell(&Fact::Decoding { on: true, at_ns }),
            Some(Turn::Off { at_ns }) => self.arbiter.tell(&Fact::Decoding { on: false, at_ns }),
            None => {}
        }
        if self.connected && now_ns.saturating_sub(self.figures.told_ns) >= PROGRESS_EVERY_NS {
            // RTCP comes every few seconds only.
            if self.figures.told.is_multiple_of(4) {
                pipeline.ask_network();
            }
            let progress = self.figures.progress(now_ns, gate);
            self.arbiter.tell(&Fact::Progress(progress));
        }
    }
}

impl Figures {
    /// What is counted from the beginning of a session begins again.
    const fn of_a_new_session(&mut self) {
        (self.bytes_in, self.bytes_out, self.lost, self.received) = (0, 0, 0, 0);
    }

    fn network(&mut self, rtt_ms: u16, lost: u64, received: u64) {
        self.rtt_ms = rtt_ms;
        let (l, r) = (lost.saturating_sub(self.lost), received.saturating_sub(self.received));
        self.loss_permille = u16::try_from(l * 1000 / (l + r).max(1)).unwrap_or(1000);
        (self.lost, self.received) = (lost, received);
    }

    fn progress(&mut self, now_ns: u64, gate: &crate::pipeline::Gate) -> Progress {
        let passed_ms = (now_ns.saturating_sub(self.told_ns) / 1_000_000).max(1);
        let (bytes_in, bytes_out) = (gate.bytes_in.load(Ordering::Relaxed), gate.bytes_out.load(Ordering::Relaxed));
        let kbps = |now: u64, before: u64| {
            if self.told == 0 { 0 } else { u32::try_from(now.saturating_sub(before) * 8 / passed_ms).unwrap_or(u32::MAX) }
        };
        let size = gate.size.load(Ordering::Relaxed);
        let progress = Progress {
            at_ns: now_ns,
            frames_decoded: self.frames_decoded_before + gate.frames_decoded.load(Ordering::Acquire),
            width: (size >> 16) as u16,
            height: (size & 0xFFFF) as u16,
            audio_level: self.level.take().unwrap_or(-12_700),
            frames_sent: self.frames_sent_before + gate.frames_sent.load(Ordering::Acquire),
            in_kbps: kbps(bytes_in, self.bytes_in),
            out_kbps: kbps(bytes_out, self.bytes_out),
            target_kbps: self.estimate_kbps,
            rtt_ms: self.rtt_ms,
            loss_permille: self.loss_permille,
        };
        (self.bytes_in, self.bytes_out, self.told_ns) = (bytes_in, bytes_out, now_ns);
        self.told += 1;
        progress
    }
}
