//! Gate's, the arbiter's, link's and the screen's ends of one call process.
use super::Child;
use parloir_clip::{Flavour, read_counter};
use parloir_frames::{FrameReceiver, Stream};
use parloir_shell::{BootTime, fds, memfd};
use parloir_wire::lease::{Fact, Fingerprint, Plan, Progress, Relay, ToCall};
use parloir_wire::signal::Signal;
use parloir_wire::start::Start;
use parloir_wire::{CAMERA, MICROPHONE};
use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

pub const LEASE: [u8; 16] = [7; 16];

/// What came out of the call so far.
#[derive(Default)]
pub struct Seen {
    pub facts: Vec<Fact>,
    pub signals: Vec<Signal>,
    pub far_frames: u64,
    pub self_frames: u64,
    pub far_size: (u16, u16),
    pub self_size: (u16, u16),
    /// Readable counters of each flavour, and frames without one.
    pub far_counters: (u64, u64, u64),
    pub self_luma: u8,
    /// When the last self view came, and the longest time without one.
    pub self_last: Option<Instant>,
    pub self_gap: Duration,
}

impl Seen {
    pub fn progress(&self) -> Option<Progress> {
        self.facts.iter().rev().find_map(|f| if let Fact::Progress(p) = f { Some(*p) } else { None })
    }
    pub fn loudest(&self) -> i16 {
        let levels = self.facts.iter().filter_map(|f| if let Fact::Progress(p) = f { Some(p.audio_level) } else { None });
        levels.max().unwrap_or(-12_700)
    }
}

/// A running call with everything at its other ends.
pub struct Call {
    pub child: Child,
    pub seen: Arc<Mutex<Seen>>,
    pub own: Fingerprint,
    start: Option<OwnedFd>,
    arbiter: Option<Arc<OwnedFd>>,
    signal: Arc<OwnedFd>,
    stop: Arc<AtomicBool>,
}

impl Call {
    /// Starts the binary as gate does, with the certificate, the frame end and the signalling end already there.
    pub fn start() -> Self {
        Self::start_with(&[], &[])
    }

    /// As [`Self::start`], with the board's words and what a service manager puts into the environment.
    pub fn start_with(board: &[&str], environment: &[(&str, &str)]) -> Self {
        let (gate, start) = fds::pair().unwrap();
        let (arbiter, arbiter_call) = fds::pair().unwrap();
        let (frames, frames_call) = fds::pair().unwrap();
        let (signal, signal_call) = fds::pair().unwrap();
        // The shell moves the socket to fd 3 and becomes the call.
        let child = Command::new("sh")
            .args(["-c", "exec \"$0\" \"$@\" 3<&0 </dev/null", env!("CARGO_BIN_EXE_parloir-call")])
            .args(board)
            .envs(super::sandbox_environment())
            .envs(environment.iter().copied())
            .stdin(Stdio::from(start))
            .spawn()
            .unwrap();
        let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
        let certificate = rcgen::CertificateParams::new(vec!["visit".to_owned()]).unwrap().self_signed(&key).unwrap();
        let pem = certificate.pem() + &key.serialize_pem();
        let own = parloir_call::verify::fingerprint(&pem).unwrap();
        let memory = memfd::sealed(c"certificate", pem.as_bytes()).unwrap();
        fds::send(&gate, &Start::Begin { lease: LEASE }.encode(), &[arbiter_call.as_fd()]).unwrap();
        for (order, fd) in [(ToCall::Certificate, &memory), (ToCall::FrameEnd, &frames_call), (ToCall::SignalEnd, &signal_call)] {
            fds::send(&arbiter, &order.encode(), &[fd.as_fd()]).unwrap();
        }
        let (arbiter, signal) = (Arc::new(arbiter), Arc::new(signal));
        let (seen, stop) = (Arc::new(Mutex::new(Seen::default())), Arc::new(AtomicBool::new(false)));
        watch(arbiter.clone(), signal.clone(), FrameReceiver::new(frames), seen.clone(), stop.clone());
        Self { child: Child(child), seen, own, start: Some(gate), arbiter: Some(arbiter), signal, stop }
    }

    pub fn order(&self, order: &ToCall) {
        fds::send(self.arbiter.as_ref().unwrap(), &order.encode(), &[]).unwrap();
    }

    /// Any bytes on the arbiter's socket.
    pub fn raw_order(&self, bytes: &[u8]) {
        fds::send(self.arbiter.as_ref().unwrap(), bytes, &[]).unwrap();
    }

    /// A new signalling end; the old one stays open and is not heard any more.
    pub fn new_signal_end(&mut self) -> OwnedFd {
        let (ours, theirs) = fds::pair().unwrap();
        fds::send(self.arbiter.as_ref().unwrap(), &ToCall::SignalEnd.encode(), &[theirs.as_fd()]).unwrap();
        ours
    }

    /// Waits for the end.
    pub fn ended(&mut self, limit: Duration) -> std::process::ExitStatus {
        let t = Instant::now();
        loop {
            if let Some(status) = self.child.0.try_wait().unwrap() {
                return status;
            }
            assert!(t.elapsed() < limit, "still there");
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Both doors, as gate opens them on the bench.
    pub fn open_doors(&self) {
        let (y4m, wav) = super::clip(Flavour::Cell);
        for (media, path) in [(CAMERA, y4m), (MICROPHONE, wav)] {
            self.open_door(media, Some(&File::open(path).unwrap()));
        }
    }

    /// One door, with a clip or with the device itself.
    pub fn open_door(&self, media: u8, clip: Option<&File>) {
        let beside: Vec<_> = clip.iter().map(|file| file.as_fd()).collect();
        fds::send(self.start.as_ref().unwrap(), &Start::Door { media }.encode(), &beside).unwrap();
    }

    /// How many facts of a kind came so far.
    pub fn count(&self, wanted: impl Fn(&Fact) -> bool) -> usize {
        self.seen.lock().unwrap().facts.iter().filter(|f| wanted(f)).count()
    }

    /// Descriptors, threads and PSS (KiB) of the process.
    pub fn weight(&self) -> (usize, usize, u64) {
        let entries = |what: &str| std::fs::read_dir(format!("/proc/{}/{what}", self.child.0.id())).unwrap().count();
        (entries("fd"), entries("task"), self.pss_kib())
    }

    pub fn plan(far: Fingerprint, relay: Option<Relay>) -> Plan {
        Plan {
            lease: LEASE,
            generation: 1,
            far: vec![far],
            direct: relay.is_none(),
            relays: relay.into_iter().collect(),
            width: 1280,
            height: 720,
            fps: 30,
            max_kbps: 1500,
            start_kbps: 1200,
            min_kbps: 300,
            audio_kbps: 32,
        }
    }

    pub fn say(&self, signal: &Signal) {
        fds::send(&*self.signal, &signal.encode(), &[]).unwrap();
    }

    pub fn take_signals(&self) -> Vec<Signal> {
        std::mem::take(&mut self.seen.lock().unwrap().signals)
    }

    /// Waits for a fact.
    pub fn wait_for(&self, name: &str, seconds: u64, wanted: impl Fn(&Fact) -> bool) -> Fact {
        let until = Instant::now() + Duration::from_secs(seconds);
        loop {
            if let Some(f) = self.seen.lock().unwrap().facts.iter().find(|f| wanted(f)) {
                return f.clone();
            }
            assert!(Instant::now() < until, "no {name} within {seconds} s: {:?}", self.seen.lock().unwrap().facts);
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Waits for something that call says to the far side; it stays in the queue.
    pub fn wait_for_signal(&self, seconds: u64, wanted: impl Fn(&Signal) -> bool) {
        let until = Instant::now() + Duration::from_secs(seconds);
        while !self.seen.lock().unwrap().signals.iter().any(&wanted) {
            assert!(Instant::now() < until, "not said within {seconds} s");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Hangs up as gate (`true`) or as the arbiter and answers how long the process lived on and how it ended.
    pub fn hang_up(&mut self, gate: bool) -> (Duration, std::process::ExitStatus) {
        self.stop.store(true, Ordering::Release);
        std::thread::sleep(Duration::from_millis(60));
        let t = Instant::now();
        if gate {
            self.start = None;
        } else {
            self.arbiter = None;
        }
        loop {
            if let Some(status) = self.child.0.try_wait().unwrap() {
                return (t.elapsed(), status);
            }
            assert!(t.elapsed() < Duration::from_secs(10), "call outlives its lease");
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// CPU time of the process so far.
    pub fn cpu(&self) -> Duration {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.0.id())).unwrap_or_default();
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let ticks: u64 = [11, 12].iter().filter_map(|i| fields.get(*i)?.parse::<u64>().ok()).sum();
        Duration::from_millis(ticks * 10)
    }

    /// Proportional set size, KiB.
    pub fn pss_kib(&self) -> u64 {
        let text = std::fs::read_to_string(format!("/proc/{}/smaps_rollup", self.child.0.id())).unwrap_or_default();
        text.lines().find_map(|l| l.strip_prefix("Pss:")?.split_whitespace().next()?.parse().ok()).unwrap_or(0)
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
    }
}

/// Reads facts, signals and frames until told to stop; then every end it holds is closed.
fn watch(arbiter: Arc<OwnedFd>, signal: Arc<OwnedFd>, mut frames: FrameReceiver, seen: Arc<Mutex<Seen>>, stop: Arc<AtomicBool>) {
    std::thread::spawn(move || {
        while !stop.load(Ordering::Acquire) {
            std::thread::sleep(Duration::from_millis(4));
            while let Ok(Some(m)) = fds::recv(&*arbiter, parloir_wire::lease::MAX, 0) {
                let fact = Fact::decode(&m.bytes).unwrap();
                if !matches!(fact, Fact::Progress(_)) {
                    eprintln!("{:.3} {fact:?}", BootTime::now_ns() as f64 / 1e9);
                }
                seen.lock().unwrap().facts.push(fact);
            }
            while let Ok(Some(m)) = fds::recv(&*signal, parloir_wire::signal::MAX, 0) {
                seen.lock().unwrap().signals.push(Signal::decode(&m.bytes).unwrap());
            }
            while let Ok(Some(frame)) = frames.receive() {
                let (w, h) = (usize::from(frame.width()), usize::from(frame.height()));
                let counter = read_counter(frame.y(), w, h, frame.y_stride());
                let mut seen = seen.lock().unwrap();
                match frame.stream() {
                    Stream::Far => {
                        seen.far_frames += 1;
                        seen.far_size = (frame.width(), frame.height());
                        match counter {
                            Some((Flavour::Visitor, _)) => seen.far_counters.0 += 1,
                            Some((Flavour::Cell, _)) => seen.far_counters.1 += 1,
                            None => seen.far_counters.2 += 1,
                        }
                    }
                    Stream::SelfView => {
                        seen.self_frames += 1;
                        seen.self_size = (frame.width(), frame.height());
                        seen.self_luma = frame.y()[w * h / 2];
                        let now = Instant::now();
                        let gap = seen.self_last.replace(now).map_or(Duration::ZERO, |last| now - last);
                        seen.self_gap = seen.self_gap.max(gap);
                    }
                }
            }
        }
    });
}
