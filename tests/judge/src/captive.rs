//! Owns: a process that was taken over: started in the place of screen, link or call, with its user, arguments, sockets and files, it tries
//! every deed of its role and prints what came of each.
//! Never: judges; part of anything but the judge.
//! Called by: main, when its own name is that of a cell's binary.
#![allow(unsafe_code, reason = "fd 3 is the start connection by contract, and the kernel knows it only as a number")]

use crate::client::{Answer, BUS, Client};
use crate::deeds::Role;
use crate::hostile::{NAME, PATH};
use crate::marshal::{Message, Writer};
use nix::sys::signal::kill;
use nix::unistd::Pid;
use parloir_bench::walls::RUN;
use parloir_shell::{fds, notify};
use parloir_wire::keys::{Key, KeyPress, Motion};
use std::fs::File;
use std::io::{ErrorKind, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::ExitCode;
use std::thread::sleep;
use std::time::{Duration, Instant};

mod call;

/// Longest that anything is waited for.
const LIMIT: Duration = Duration::from_secs(20);
/// Process ids that are tried: those of a bench are small.
const PIDS: i32 = 2000;
/// Something signed and well formed, by nobody.
const FORGED: &[u8] = b"eyJhbGciOiJFZERTQSIsInR5cCI6ImdyYW50Iiwia2lkIjoiMDAwMCJ9.eyJ2IjoxfQ.\
    AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
/// Kinds of documents that come to a box.
const KINDS: [&str; 12] =
    ["authority", "policy", "entitlement", "grant", "deny", "beat", "time", "statement", "agenda", "ring", "signal", "again"];

/// Tries everything. It never ends by itself: it is ended.
#[must_use]
pub fn run(role: Role) -> ExitCode {
    match role {
        Role::Screen => screen(),
        Role::Link => link(),
        Role::Call => call::taken_over(),
    }
}

/// One line for the course.
fn tell(deed: &str, could: bool, how: &str) {
    say(&format!("deed {deed} {} {how}", if could { "can" } else { "no" }));
}

fn say(line: &str) {
    let mut out = std::io::stdout();
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
    notify::watchdog();
}

/// Signs of life, and nothing else, until somebody ends it.
fn stay() -> ! {
    say("done");
    loop {
        sleep(Duration::from_millis(500));
        notify::watchdog();
    }
}

fn at(path: &str) -> std::path::PathBuf {
    Path::new(RUN).join(path)
}

/// What every process may try, whoever it is.
fn common(bus: Option<&mut Client>) {
    let open = |paths: &[&str]| -> Vec<String> {
        paths.iter().filter(|path| File::open(at(path)).is_ok()).map(|path| (*path).to_owned()).collect()
    };
    let found = open(&["keys/box/ask.key", "keys/box/unseal.key"]);
    tell("keys", !found.is_empty(), &found.join(" "));
    tell("broker-key", File::open(at("keys/tls/box.key")).is_ok(), "");
    let rooms = ["state/arbiter", "state/gate"];
    let read = rooms.iter().any(|room| std::fs::read_dir(at(room)).is_ok());
    let wrote = rooms.iter().any(|room| File::create(at(room).join("judge")).is_ok());
    tell("records", read || wrote, &format!("read {read} wrote {wrote}"));
    tell("source", !open(&["doors/camera", "doors/microphone"]).is_empty(), "");
    tell("gate", hears_gate(), "");
    tell("start", fds::connect_to(&at("call/socket")).is_ok(), "");
    processes();
    on_the_bus(bus);
}

fn hears_gate() -> bool {
    let Ok(gate) = fds::connect_to(&at("gate/socket")) else { return false };
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(1) {
        match fds::recv(&gate, 512, 1) {
            Ok(message) => return message.is_some(),
            Err(e) if e.kind() == ErrorKind::WouldBlock => sleep(Duration::from_millis(20)),
            Err(_) => return false,
        }
    }
    // It did not hang up on us either: that would be an open ear.
    true
}

fn processes() {
    let me = std::process::id().cast_signed();
    let others = (1..PIDS).filter(|pid| *pid != me);
    // Threads of our own are found there by their numbers too.
    let ours = |pid: i32| Path::new(&format!("/proc/self/task/{pid}")).exists();
    // Signal zero: the kernel says whether another would reach it. (SIGCONT is no measure: it passes within a session.)
    let signalled = others.clone().filter(|pid| !ours(*pid) && kill(Pid::from_raw(*pid), None).is_ok()).count();
    tell("signal", signalled > 0, &signalled.to_string());
    let opens = |pid: i32| {
        let files = ["mem", "environ"].iter().any(|file| File::open(format!("/proc/{pid}/{file}")).is_ok());
        files || std::fs::read_dir(format!("/proc/{pid}/fd")).is_ok()
    };
    let read = others.filter(|pid| !ours(*pid) && opens(*pid)).count();
    tell("memory", read > 0, &read.to_string());
}

fn on_the_bus(bus: Option<&mut Client>) {
    let Some(bus) = bus else {
        // What reaches no bus reaches nobody on it.
        let reached = UnixStream::connect(at("bus/socket")).is_ok();
        return ["name", "others", "listen"].into_iter().for_each(|deed| tell(deed, reached, "bus"));
    };
    let path = "/org/freedesktop/DBus";
    let mut name = Writer::default();
    name.text("org.parloir.Arbiter");
    name.number(7, 4); // replace whoever has it, and let nobody else
    let request = Message { signature: "su".into(), body: name.bytes, ..Message::call(BUS, path, BUS, "RequestName") };
    let answer = bus.ask(&request, None);
    tell("name", answer == Answer::Done, &format!("{answer:?}"));
    let mut done = Vec::new();
    for method in std::env::var("PARLOIR_JUDGE_OTHERS").unwrap_or_default().split_whitespace() {
        let (interface, member) = method.rsplit_once('.').unwrap_or_default();
        let answer = bus.ask(&Message::call(NAME, PATH, interface, member), None);
        if answer != Answer::Error("org.freedesktop.DBus.Error.AccessDenied".to_owned()) {
            done.push(format!("{method} {answer:?}"));
        }
    }
    tell("others", !done.is_empty(), &done.join(" "));
    let mut rules = Writer::default();
    rules.array(4, |_| {});
    rules.number(0, 4);
    let monitor = Message::call(BUS, path, "org.freedesktop.DBus.Monitoring", "BecomeMonitor");
    let answer = bus.ask(&Message { signature: "asu".into(), body: rules.bytes, ..monitor }, None);
    tell("listen", answer == Answer::Done, &format!("{answer:?}"));
}

fn greet() -> Client {
    let uid = nix::unistd::getuid().as_raw();
    let stream = UnixStream::connect(at("bus/socket")).expect("this role has the bus");
    notify::ready();
    Client::greet(stream, uid, LIMIT).expect("the bus greets")
}

fn ask(bus: &mut Client, interface: &str, member: &str, signature: &str, body: Writer) -> Answer {
    let call = Message::call(NAME, PATH, &format!("org.parloir.{interface}"), member);
    bus.ask(&Message { signature: signature.into(), body: body.bytes, ..call }, None)
}

fn place(bus: &mut Client, contact: &str, serial: u64) -> Answer {
    let mut body = Writer::default();
    body.text(contact);
    body.text("video");
    body.number(serial, 8);
    ask(bus, "Calls1", "Place", "sst", body)
}

/// Every run of 32 hex digits: the ids in a view.
fn ids(body: &[u8]) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for run in body.split(|byte| !matches!(byte, b'0'..=b'9' | b'a'..=b'f')).filter(|run| run.len() == 32) {
        found.push(String::from_utf8_lossy(run).into_owned());
    }
    found
}

fn screen() -> ExitCode {
    let mut bus = greet();
    common(Some(&mut bus));
    let none = Writer::default;
    ask(&mut bus, "Calls1", "Attach", "", none());
    let contacts = ids(&bus.answer);
    tell("see-contacts", !contacts.is_empty(), &contacts.len().to_string());
    ask(&mut bus, "Remote1", "Focus", "", none());
    let guessed = [0, 1, u64::MAX].into_iter().chain(2..40);
    let dialled =
        guessed.filter(|serial| contacts.iter().any(|contact| place(&mut bus, contact, *serial) == Answer::Done)).count();
    tell("dial", dialled > 0, &dialled.to_string());
    tell("no-call-frames", ask(&mut bus, "Calls1", "Frames", "", none()) == Answer::Done, "");
    ask(&mut bus, "Calls1", "Dismiss", "", none());

    say("want ok");
    let serial = next_ok(&bus);
    let placed = contacts.iter().find(|contact| place(&mut bus, contact, serial) == Answer::Done).cloned();
    tell("borrow", placed.is_some(), "");
    let contact = placed.unwrap_or_default();
    let during = place(&mut bus, &contact, serial);
    let ended = ask(&mut bus, "Calls1", "End", "", none());
    tell("end", ended == Answer::Done, "");
    sleep(Duration::from_secs(1));
    ask(&mut bus, "Calls1", "Dismiss", "", none());
    let after = place(&mut bus, &contact, serial);
    tell("twice", during == Answer::Done || after == Answer::Done, &format!("{during:?} {after:?}"));

    // One more call, whose end key is read and kept.
    ask(&mut bus, "Calls1", "Dismiss", "", none());
    say("want ok");
    let serial = next_ok(&bus);
    place(&mut bus, &contact, serial);
    say("want back");
    stay()
}

/// The serial of the next OK that goes down; other keys are kept to itself.
fn next_ok(bus: &Client) -> u64 {
    let start = Instant::now();
    while start.elapsed() < LIMIT {
        for end in bus.kept() {
            while let Ok(Some(message)) = fds::recv(end, 24, 0) {
                if let Ok(press) = KeyPress::decode(&message.bytes)
                    && press.key == Key::Ok
                    && press.motion == Motion::Down
                {
                    return press.serial;
                }
            }
        }
        notify::watchdog();
        sleep(Duration::from_millis(5));
    }
    0
}

fn deliver(bus: &mut Client, kind: &str, bytes: &[u8]) -> Answer {
    let mut body = Writer::default();
    body.text(kind);
    body.array(1, |out| out.bytes.extend(bytes));
    ask(bus, "Courier1", "Deliver", "say", body)
}

fn link() -> ExitCode {
    let mut bus = greet();
    common(Some(&mut bus));
    let carries = ask(&mut bus, "Courier1", "Attach", "", Writer::default()) == Answer::Done;
    let mut up = Writer::default();
    up.number(1, 4);
    ask(&mut bus, "Courier1", "Online", "b", up);
    let mut taken = forged(&mut bus, FORGED);
    let mut id = Writer::default();
    id.text(&"0".repeat(32));
    tell("foreign-signalling", ask(&mut bus, "Courier1", "Signalling", "s", id) == Answer::Done, "");

    say("want ok");
    let question = question(&mut bus);
    tell("carry", carries && !question.is_empty(), &format!("{} bytes", question.len()));
    let words = [&b"nonce"[..], b"contact", b"person", b"certificate", b"eyJ"];
    let legible = words.iter().filter(|word| question.windows(word.len()).any(|part| part == **word)).count();
    tell("read-question", question.is_empty() || legible > 0, &legible.to_string());
    say("kept back");
    let start = Instant::now();
    while !at("judge/go").exists() && start.elapsed() < LIMIT {
        sleep(Duration::from_millis(50));
        notify::watchdog();
    }
    // The question itself, sent back as an answer, and what nobody signed, while an answer is due.
    taken.extend(forged(&mut bus, &question));
    taken.extend(forged(&mut bus, FORGED));
    tell("forge", !taken.is_empty(), &taken.join(" "));
    stay()
}

/// What was taken of all kinds.
fn forged(bus: &mut Client, body: &[u8]) -> Vec<String> {
    KINDS.iter().filter(|kind| deliver(bus, kind, body) == Answer::Done).map(|kind| (*kind).to_owned()).collect()
}

/// Body of the next thing to be sent to the facility that is an Ask: a number, `ask`, bytes.
fn question(bus: &mut Client) -> Vec<u8> {
    let start = Instant::now();
    while start.elapsed() < LIMIT {
        bus.settle();
        let asks = |body: &[u8]| body.get(8..16).is_some_and(|kind| kind == b"\x03\0\0\0ask\0");
        if let Some(signal) = bus.heard.iter().find(|signal| signal.member == "Send" && asks(&signal.body)) {
            return signal.body.get(20..).unwrap_or_default().to_vec();
        }
        notify::watchdog();
        sleep(Duration::from_millis(50));
    }
    Vec::new()
}

/// The start connection.
fn start_connection() -> OwnedFd {
    use std::os::fd::FromRawFd as _;
    // SAFETY: the starter puts the start connection at fd 3, and nothing in this process has touched that number before.
    unsafe { OwnedFd::from_raw_fd(3) }
}
