//! Owns: how long an end-call takes while the bus is flooded: from the screen's word to the death of the process that could see.
//! Never: asserts a speed: the figures are printed. What is asserted holds on a slow machine too: every call ends, nothing breaks.
//! Called by: cargo test. `PARLOIR_VISITS` makes it longer (`scripts/soak judge`).

use crate::doors::{gate_binary, press};
use crate::fuzz::{setting, take_seats};
use crate::house::{CALL, GATE, House, LINK, STRANGER, UI, UPDATER, inside_for};
use crate::visit::Stand;
use parloir_bench::outside::cpu_seconds;
use parloir_judge::client::Client;
use parloir_judge::marshal::{Message, NO_REPLY, Writer};
use parloir_wire::keys::Key;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Hostile calls a second, all callers together.
const RATE: u64 = 10_000;
/// Visits that are ended in each flood.
const VISITS: u64 = 3;
/// Connections that flood together.
const HANDS: u64 = 5;
/// How often a hand sends what is due.
const BEAT: Duration = Duration::from_millis(2);

/// Who floods with what, and who ends the call beside it.
struct Flood {
    name: &'static str,
    users: [u32; HANDS as usize],
    message: fn(u32) -> Message,
    by: By,
}

/// How a call is ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum By {
    /// The screen says so.
    Screen,
    /// The end key, which a screen that was taken over keeps: the arbiter gives it a second.
    Key,
}

/// Calls that want no answer: those the bus does not count.
const FLOODS: [Flood; 4] = [
    Flood {
        name: "strangers, whom the bus refuses",
        users: [STRANGER, GATE, CALL, UPDATER, STRANGER],
        message: end,
        by: By::Screen,
    },
    Flood { name: "a link that was taken over", users: [LINK; 5], message: document, by: By::Screen },
    Flood { name: "everybody, each what it may", users: [STRANGER, GATE, CALL, UPDATER, LINK], message: own, by: By::Screen },
    Flood { name: "a screen that was taken over", users: [UI; 5], message: place, by: By::Key },
];

fn unanswered(interface: &str, method: &str) -> Message {
    Message { flags: NO_REPLY, ..Message::call(parloir_bus::NAME, parloir_bus::PATH, interface, method) }
}

fn end(_: u32) -> Message {
    unanswered("org.parloir.Calls1", "End")
}

fn place(_: u32) -> Message {
    let mut body = Writer::default();
    body.text(&"0".repeat(32));
    body.text("video");
    body.number(1, 8);
    Message { signature: "sst".into(), body: body.bytes, ..unanswered("org.parloir.Calls1", "Place") }
}

fn document(_: u32) -> Message {
    let mut body = Writer::default();
    body.text("grant");
    body.array(1, |out| out.bytes.extend([b'e'; 256]));
    Message { signature: "say".into(), body: body.bytes, ..unanswered("org.parloir.Courier1", "Deliver") }
}

fn own(uid: u32) -> Message {
    match uid {
        LINK => document(uid),
        UPDATER => unanswered("org.parloir.Maintenance1", "Health"),
        _ => end(uid),
    }
}

#[test]
fn an_end_call_beside_a_flood() {
    let gate = gate_binary();
    let visits = setting("PARLOIR_VISITS", VISITS);
    let limit = Duration::from_secs(120 + 60 * visits);
    let said = inside_for("flood::an_end_call_beside_a_flood", limit, |house| async move {
        let mut stand = Stand::set(house, &gate).await;
        println!();
        for by in [By::Screen, By::Key] {
            let quiet = timed(&mut stand, visits, by, None).await;
            let what = if by == By::Screen { "the screen's end-call" } else { "the end key beside a screen that keeps it" };
            println!("judge: from {what} to the death of the call process: {}", quiet.words());
            for flood in FLOODS.iter().filter(|flood| flood.by == by) {
                let took = timed(&mut stand, visits, by, Some(flood)).await;
                let delay = took.middle().saturating_sub(quiet.middle());
                println!("judge: beside {}: {}; delayed by {delay:.1?} in the middle", flood.name, took.words());
            }
        }
        let log = stand.house.log();
        assert!(!log.contains("panicked") && !log.contains(" ERROR "), "{log}");
    });
    said.lines().filter(|line| line.starts_with("judge: ")).for_each(|line| println!("{line}"));
}

/// What was seen of some visits.
struct Times {
    /// From hang-up to the death of the call process, sorted.
    ends: Vec<Duration>,
    /// Hostile calls a second that the bus took.
    rate: f64,
    /// Of one core, what the arbiter used.
    arbiter: f64,
}

async fn timed(stand: &mut Stand, visits: u64, by: By, flood: Option<&Flood>) -> Times {
    let (mut ends, mut sent, mut used, mut lasted) = (Vec::new(), 0, 0.0, Duration::ZERO);
    for _ in 0..visits {
        let mut visit = stand.visit().await;
        let running = flood.map(|flood| Running::start(&stand.house, flood));
        let (began, before) = (Instant::now(), cpu_seconds(stand.house.arbiter_pid()));
        // It has been going on for a while when the person hangs up.
        let lives = visit.lives_for(Duration::from_millis(500)).await;
        let asked = Instant::now();
        let calls = stand.screen.calls.clone();
        let end = match by {
            By::Screen => Some(tokio::spawn(async move { calls.end().await })),
            By::Key => {
                press(&stand.house, Key::Back);
                None
            }
        };
        let gone = visit.gone().await;
        // One that a machine without time for it has lost before is no measure.
        if lives {
            ends.push(gone - asked);
        }
        lasted += began.elapsed();
        used += cpu_seconds(stand.house.arbiter_pid()) - before;
        sent += running.map_or(0, Running::stop);
        if let Some(end) = end {
            end.await.unwrap().unwrap();
        }
        drop(visit);
        stand.recover().await;
    }
    ends.sort();
    let lasted = lasted.as_secs_f64();
    Times { ends, rate: sent as f64 / lasted, arbiter: used / lasted }
}

impl Times {
    fn middle(&self) -> Duration {
        self.ends.get(self.ends.len() / 2).copied().unwrap_or_default()
    }

    fn words(&self) -> String {
        let (last, visits) = (self.ends.last().copied().unwrap_or_default(), self.ends.len());
        let (p50, rate, share) = (self.middle(), self.rate, 100.0 * self.arbiter);
        format!("{visits} visits, p50 {p50:.1?}, worst {last:.1?}, {rate:.0} hostile calls/s, arbiter at {share:.0} % of a core")
    }
}

/// A flood that goes on.
struct Running {
    stop: Arc<AtomicBool>,
    sent: Arc<AtomicU64>,
    hands: Vec<JoinHandle<()>>,
}

impl Running {
    fn start(house: &House, flood: &Flood) -> Self {
        let (stop, sent) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let hand = |uid: &u32| {
            let mut client = Client::greet(house.stream(*uid), *uid, Duration::from_secs(10)).unwrap();
            // A link or screen that was taken over is the one that the arbiter knows.
            take_seats(&mut client);
            let (stream, bytes) = (client.stream().unwrap(), (flood.message)(*uid).encode(2));
            let (stop, sent) = (stop.clone(), sent.clone());
            std::thread::spawn(move || pour(stream, &bytes, &stop, &sent))
        };
        let hands = flood.users.iter().map(hand).collect();
        Self { stop, sent, hands }
    }

    /// Ends it; how many calls the bus took.
    fn stop(self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        for hand in self.hands {
            hand.join().unwrap();
        }
        self.sent.load(Ordering::Relaxed)
    }
}

/// Sends at an even pace, as much as the bus takes of it; what it says back is dropped.
fn pour(mut stream: UnixStream, call: &[u8], stop: &AtomicBool, sent: &AtomicU64) {
    let mut back = stream.try_clone().unwrap();
    back.set_read_timeout(Some(BEAT)).unwrap();
    stream.set_write_timeout(Some(Duration::from_secs(5))).unwrap();
    let (start, mut done) = (Instant::now(), 0);
    let mut heard = [0; 65536];
    while !stop.load(Ordering::Relaxed) {
        let due = start.elapsed().as_micros() as u64 * RATE / HANDS / 1_000_000;
        let batch = due.saturating_sub(done).min(200);
        if batch > 0 && stream.write_all(&call.repeat(batch as usize)).is_err() {
            return;
        }
        done += batch;
        sent.fetch_add(batch, Ordering::Relaxed);
        // Waits for a beat where nothing is said.
        let _ = back.read(&mut heard);
    }
}
