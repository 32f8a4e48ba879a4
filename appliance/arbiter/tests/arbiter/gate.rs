//! Owns: a stub of gate on the real wire, and the call process's end that it is given.
//! Never: checks a ticket or a serial (the real gate's tests do); opens a door unasked.
//! Called by: the tests that must see what the arbiter tells gate.

use crate::house::LIMIT;
use parloir_shell::{BootTime, fds};
use parloir_wire::gate::{FromGate, SIZE, ShutReason, ToGate};
use parloir_wire::keys::{Key, KeyPress, Motion};
use parloir_wire::lease::{Fact, MAX, ToCall};
use std::io::ErrorKind;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio::time::timeout;

/// The arbiter's connection to a gate that does as the test says.
pub struct Gate {
    connection: Arc<OwnedFd>,
    heard: mpsc::UnboundedReceiver<(ToGate, Vec<OwnedFd>)>,
    stop: Arc<AtomicBool>,
    /// The door records that came.
    pub records: usize,
    /// Heartbeats that came.
    pub beats: usize,
    serial: u64,
}

impl Gate {
    /// None: what stands where a gate was.
    pub fn nobody() -> Self {
        let (_, heard) = mpsc::unbounded_channel();
        let connection = Arc::new(fds::pair().unwrap().0);
        Self { connection, heard, stop: Arc::default(), records: 0, beats: 0, serial: 0 }
    }

    /// Listens, takes the arbiter's connection, says Hello.
    pub async fn start(socket: &Path, device: [u8; 16]) -> Self {
        let listener = fds::listen_at(socket).unwrap();
        std::fs::set_permissions(socket, std::os::unix::fs::PermissionsExt::from_mode(0o666)).unwrap();
        let start = Instant::now();
        let connection = loop {
            match fds::accept(&listener) {
                Ok(connection) => break Arc::new(connection),
                Err(e) if e.kind() == ErrorKind::WouldBlock && start.elapsed() < LIMIT => {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
                Err(e) => panic!("the arbiter does not connect: {e}"),
            }
        };
        let (tell, heard) = mpsc::unbounded_channel();
        let stop = Arc::new(AtomicBool::new(false));
        let gate = Self { connection: connection.clone(), heard, stop: stop.clone(), records: 0, beats: 0, serial: 100 };
        gate.send(&FromGate::Hello { device, revision: 0 });
        std::thread::spawn(move || serve(&connection, &tell, &stop));
        gate
    }

    /// Sends a message to the arbiter.
    pub fn send(&self, message: &FromGate) {
        fds::send(&*self.connection, &message.encode(), &[]).unwrap();
    }

    /// As [`Self::send`] to an arbiter that may be gone.
    pub fn try_send(&self, message: &FromGate) {
        let _ = fds::send(&*self.connection, &message.encode(), &[]);
    }

    /// A press of a key and its release; answers the serial of the press.
    pub fn press(&mut self, key: Key) -> u64 {
        self.serial += 1;
        let serial = self.serial;
        self.send(&FromGate::Key(KeyPress { serial, key, motion: Motion::Down, at_ns: BootTime::now_ns() }));
        serial
    }

    /// The next message but heartbeats and door records.
    pub async fn next(&mut self) -> (ToGate, Vec<OwnedFd>) {
        loop {
            match timeout(LIMIT, self.heard.recv()).await.expect("gate hears nothing").expect("the arbiter hung up") {
                (ToGate::Heartbeat { .. }, _) => self.beats += 1,
                (ToGate::DoorRecord { .. }, _) => self.records += 1,
                other => return other,
            }
        }
    }

    /// Everything but heartbeats and door records that came within a time.
    pub async fn within(&mut self, time: Duration) -> Vec<ToGate> {
        let (end, mut all) = (tokio::time::Instant::now() + time, Vec::new());
        while let Ok(Some((message, _))) = tokio::time::timeout_at(end, self.heard.recv()).await {
            match message {
                ToGate::Heartbeat { .. } => self.beats += 1,
                ToGate::DoorRecord { .. } => self.records += 1,
                other => all.push(other),
            }
        }
        all
    }

    /// Takes `Prepare` and plays the start of the call process; answers lease, gate's nonce, and call's end.
    pub async fn prepared(&mut self, serial: u64) -> ([u8; 16], [u8; 16], Call) {
        let (message, mut passed) = self.next().await;
        let ToGate::Prepare { lease, serial: named } = message else { panic!("not Prepare: {message:?}") };
        assert_eq!((named, passed.len()), (serial, 1));
        let nonce = [9; 16];
        self.send(&FromGate::Prepared { lease, nonce });
        (lease, nonce, Call { end: passed.remove(0) })
    }

    /// Takes `Close` and says that the doors are shut.
    pub async fn closed(&mut self, lease: [u8; 16]) {
        let (message, _) = self.next().await;
        assert_eq!(message, ToGate::Close { lease });
        self.send(&FromGate::Shut { lease, reason: ShutReason::Asked, at_ns: BootTime::now_ns(), took_ms: 5 });
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

fn serve(connection: &OwnedFd, tell: &mpsc::UnboundedSender<(ToGate, Vec<OwnedFd>)>, stop: &AtomicBool) {
    let (mut count, mut beaten) = (0, Instant::now());
    while !stop.load(Ordering::Relaxed) {
        if beaten.elapsed() > Duration::from_millis(400) {
            (count, beaten) = (count + 1, Instant::now());
            let _ = fds::send(connection, &FromGate::Heartbeat { count }.encode(), &[]);
        }
        match fds::recv(connection, SIZE, 1) {
            Ok(Some(message)) => {
                let _ = tell.send((ToGate::decode(&message.bytes).unwrap(), message.fds));
            }
            Ok(None) => return,
            Err(e) if e.kind() == ErrorKind::WouldBlock => std::thread::sleep(Duration::from_millis(5)),
            Err(e) => panic!("gate's socket: {e}"),
        }
    }
}

/// The call process's end.
pub struct Call {
    pub end: OwnedFd,
}

impl Call {
    /// The next message of the arbiter.
    pub async fn next(&self) -> (ToCall, Vec<OwnedFd>) {
        let start = Instant::now();
        loop {
            match fds::recv(&self.end, MAX, 1) {
                Ok(Some(message)) => return (ToCall::decode(&message.bytes).unwrap(), message.fds),
                Ok(None) => panic!("the arbiter hung up on call"),
                Err(_) if start.elapsed() < LIMIT => tokio::time::sleep(Duration::from_millis(5)).await,
                Err(e) => panic!("call hears nothing: {e}"),
            }
        }
    }

    /// The next message but `Hold`, which follows what each end decodes.
    pub async fn next_but_holds(&self) -> (ToCall, Vec<OwnedFd>) {
        loop {
            match self.next().await {
                (ToCall::Hold { .. }, _) => {}
                other => return other,
            }
        }
    }

    /// It lives: the figures of another second.
    pub fn progress(&self, count: u64) {
        let (at_ns, frames_decoded) = (BootTime::now_ns(), 30 * count);
        self.say(&Fact::Progress(parloir_wire::lease::Progress { at_ns, frames_decoded, ..Default::default() }));
    }

    /// Tells the arbiter a fact.
    pub fn say(&self, fact: &Fact) {
        fds::send(&self.end, &fact.encode(), &[]).unwrap();
    }
}
