//! Owns: the connection to gate: reconnecting, heartbeats both ways, messages as types.
//! Never: judges what gate says; keeps a message for a later connection.
//! Called by: main (spawns it), run (sends by the [`Link`] that `Input::GateUp` brings).

use crate::channel::Channel;
use crate::input::Input;
use parloir_shell::{BootTime, fds};
use parloir_wire::gate::{FromGate, HEARTBEAT_EVERY_MS, HEARTBEAT_LIMIT_MS, SIZE, ToGate};
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::{Notify, mpsc};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, sleep_until};

/// How long after a failed or lost connection the next one is tried.
const RECONNECT: Duration = Duration::from_millis(200);
/// Heartbeats stop when the loop that owns the core has not turned for this long: gate then shuts every door.
const PULSE_LIMIT_NS: u64 = 1_500_000_000;
/// Messages that wait for the socket.
const QUEUE: usize = 32;

/// When the loop that owns the core last turned, `CLOCK_BOOTTIME` nanoseconds.
#[derive(Clone, Debug, Default)]
pub struct Pulse(Arc<AtomicU64>);

impl Pulse {
    /// The loop has turned.
    pub fn beat(&self) {
        self.0.store(BootTime::now_ns(), Ordering::Relaxed);
    }
    fn alive(&self) -> bool {
        BootTime::now_ns().saturating_sub(self.0.load(Ordering::Relaxed)) < PULSE_LIMIT_NS
    }
}

/// Sends to gate over one connection; useless after it, so that no message meant for one gate reaches the next.
#[derive(Clone, Debug)]
pub struct Link {
    queue: mpsc::Sender<(ToGate, Option<OwnedFd>)>,
    lost: Arc<Notify>,
}

impl Link {
    /// Queues a message, with call's end of the lease's socketpair beside `Prepare` and `Relaunch`. One that finds no room ends the
    /// connection, and gate shuts every door: it may have been the `Close`.
    pub fn send(&self, message: ToGate, fd: Option<OwnedFd>) {
        if let Err(error) = self.queue.try_send((message, fd)) {
            tracing::debug!(%error, "message to gate dropped; the connection ends");
            self.lost.notify_one();
        }
    }
}

/// Connects to gate again and again, for as long as the inputs are read.
pub async fn run(path: PathBuf, pulse: Pulse, inputs: mpsc::Sender<Input>) {
    let mut told = false;
    while !inputs.is_closed() {
        match fds::connect_to(&path).and_then(Channel::new) {
            Ok(channel) => {
                told = false;
                let why = converse(&channel, &pulse, &inputs).await;
                drop(channel);
                tracing::warn!(%why, "gate is gone: its doors shut by themselves; connecting again");
                let _ = inputs.send(Input::GateGone).await;
            }
            Err(error) => report(&path, &error, &mut told),
        }
        sleep(RECONNECT).await;
    }
}

fn report(path: &Path, error: &io::Error, told: &mut bool) {
    if !std::mem::replace(told, true) {
        tracing::warn!(path = %path.display(), %error, "gate does not listen; trying on, see parloir-gate.service");
    }
}

/// One connection from its first message to its end; answers why it ended.
async fn converse(channel: &Channel, pulse: &Pulse, inputs: &mpsc::Sender<Input>) -> io::Error {
    let (queue, mut waiting) = mpsc::channel(QUEUE);
    let lost = Arc::new(Notify::new());
    let mut link = Some(Link { queue, lost: lost.clone() });
    let mut beat = interval(Duration::from_millis(HEARTBEAT_EVERY_MS));
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut count = 0;
    let mut silent_at = Instant::now() + Duration::from_millis(HEARTBEAT_LIMIT_MS);
    loop {
        let step = tokio::select! {
            got = channel.recv(SIZE, 0) => match read(got) {
                Ok(message) => {
                    silent_at = Instant::now() + Duration::from_millis(HEARTBEAT_LIMIT_MS);
                    hear(message, &mut link, inputs).await
                }
                Err(error) => Err(error),
            },
            Some((message, fd)) = waiting.recv() => {
                let passed: Vec<_> = fd.iter().map(|f| f.as_fd()).collect();
                channel.send(&message.encode(), &passed)
            }
            _ = beat.tick() => {
                count += 1;
                if pulse.alive() { channel.send(&ToGate::Heartbeat { count }.encode(), &[]) } else { Ok(()) }
            }
            () = lost.notified() => Err(io::Error::other("a message for gate found no room")),
            () = sleep_until(silent_at) => Err(io::Error::new(io::ErrorKind::TimedOut, "no heartbeat from gate for 2 s")),
        };
        if let Err(error) = step {
            return error;
        }
    }
}

fn read(got: io::Result<Option<fds::Message>>) -> io::Result<FromGate> {
    let message = got?.ok_or_else(|| io::Error::new(io::ErrorKind::UnexpectedEof, "gate hung up"))?;
    FromGate::decode(&message.bytes).map_err(|e| io::Error::new(io::ErrorKind::InvalidData, e))
}

/// Passes a message on. The first one must be `Hello`, and brings the means to answer.
async fn hear(message: FromGate, link: &mut Option<Link>, inputs: &mpsc::Sender<Input>) -> io::Result<()> {
    let input = match (message, link.take()) {
        (FromGate::Hello { device, revision }, Some(link)) => Input::GateUp { link, device, revision },
        (FromGate::Hello { .. }, None) => return Err(io::Error::new(io::ErrorKind::InvalidData, "gate said Hello twice")),
        (_, Some(_)) => return Err(io::Error::new(io::ErrorKind::InvalidData, "gate did not say Hello first")),
        (FromGate::Heartbeat { .. }, None) => return Ok(()),
        (message, None) => Input::Gate(message),
    };
    inputs.send(input).await.map_err(|_| io::Error::other("the arbiter is ending"))
}

#[cfg(test)]
mod tests {
    use super::{Pulse, QUEUE, converse, run};
    use crate::channel::Channel;
    use crate::input::Input;
    use parloir_shell::fds;
    use parloir_wire::gate::{FromGate, SIZE, ToGate};
    use std::time::Duration;
    use tokio::sync::mpsc;
    use tokio::time::sleep;

    fn heartbeats(end: &std::os::fd::OwnedFd) -> usize {
        let beat = |m: &fds::Message| matches!(ToGate::decode(&m.bytes), Ok(ToGate::Heartbeat { .. }));
        std::iter::from_fn(|| fds::recv(end, SIZE, 0).ok().flatten()).filter(beat).count()
    }

    /// The socket's task lives on while the loop that owns the core hangs: its heartbeats must not.
    #[tokio::test]
    async fn heartbeats_stop_when_the_loop_does_not_turn() {
        let dir = std::env::temp_dir().join(format!("parloir-pulse-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let listener = fds::listen_at(&dir.join("gate")).unwrap();
        let (inputs, _heard) = mpsc::channel(8);
        let pulse = Pulse::default();
        pulse.beat();
        let task = tokio::spawn(run(dir.join("gate"), pulse.clone(), inputs));
        sleep(Duration::from_millis(50)).await;
        let end = fds::accept(&listener).unwrap();
        let hello = || fds::send(&end, &FromGate::Heartbeat { count: 1 }.encode(), &[]).unwrap();
        fds::send(&end, &FromGate::Hello { device: [1; 16], revision: 0 }.encode(), &[]).unwrap();
        sleep(Duration::from_millis(1400)).await;
        assert!(heartbeats(&end) >= 2);
        hello();
        sleep(Duration::from_millis(300)).await;
        heartbeats(&end);
        sleep(Duration::from_millis(1100)).await;
        assert_eq!(heartbeats(&end), 0, "the loop has not turned for 2.8 s");
        hello();
        pulse.beat();
        sleep(Duration::from_millis(700)).await;
        assert!(heartbeats(&end) >= 1);
        task.abort();
        std::fs::remove_dir_all(&dir).unwrap();
    }

    /// How it was broken: a courier that was taken over delivers door records, which the arbiter passes on, faster than the socket's
    /// task takes them; the `Close` of a visit that ends meanwhile found the queue full and was dropped with a line in the log, so the
    /// camera stayed open until the call process was gone by another way. What holds: gate is hung up on, and shuts by itself.
    #[tokio::test]
    async fn a_message_that_finds_no_room_ends_the_connection() {
        let (ours, theirs) = fds::pair().unwrap();
        let (channel, (inputs, mut heard)) = (Channel::new(ours).unwrap(), mpsc::channel(8));
        let talk = tokio::spawn(async move { converse(&channel, &Pulse::default(), &inputs).await });
        fds::send(&theirs, &FromGate::Hello { device: [1; 16], revision: 0 }.encode(), &[]).unwrap();
        let Some(Input::GateUp { link, .. }) = heard.recv().await else { panic!("no link") };
        let record = ToGate::DoorRecord { record: Box::new([0xff; 256]) };
        (0..QUEUE).for_each(|_| link.send(record.clone(), None));
        link.send(ToGate::Close { lease: [7; 16] }, None);
        let why = tokio::time::timeout(Duration::from_secs(1), talk).await.expect("the connection ends").unwrap();
        assert_eq!(why.to_string(), "a message for gate found no room");
    }
}
