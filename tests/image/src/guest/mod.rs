//! Owns: the probe's side in the guest: the serial port, one thread for each question, the journal that streams out.
//! Never: judges what it sees; changes anything that it was not asked to.
//! Called by: the binary `parloir-probe`.

pub mod look;
pub mod proc;
pub mod role;
pub mod run;

use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use nix::libc;
use nix::sys::signal::{Signal, kill};
use nix::time::{ClockId, clock_gettime};
use nix::unistd::Pid;
use serde_json::{Value, json};

use crate::talk::{Ask, Asked, Entry, Event, LINE, Told, decode, encode, lines};

/// Longest text of a journal entry that is told, bytes.
const TEXT: usize = 4096;
/// Until the machine asks something, the probe says again that it is there.
const AGAIN: Duration = Duration::from_secs(1);

type Port = Arc<Mutex<File>>;

/// Answers on that serial port until it closes.
///
/// # Errors
/// The port cannot be opened or read.
pub fn serve(port: &str) -> io::Result<()> {
    let file = File::options().read(true).write(true).custom_flags(libc::O_NOCTTY).open(port)?;
    raw(&file)?;
    let (out, heard): (Port, _) = (Arc::new(Mutex::new(file.try_clone()?)), Arc::new(AtomicBool::new(false)));
    greet(out.clone(), heard.clone());
    let journal = out.clone();
    std::thread::spawn(move || {
        if let Err(why) = stream_journal(&journal) {
            eprintln!("probe: journalctl: {why}");
        }
    });
    let mut reader = BufReader::with_capacity(LINE, file);
    let mut line = Vec::new();
    while io::Read::take(&mut reader, LINE as u64).read_until(b'\n', &mut line)? > 0 {
        heard.store(true, Ordering::Relaxed);
        if let Ok(asked) = serde_json::from_slice::<Asked>(&line) {
            let out = out.clone();
            std::thread::spawn(move || answer(&out, &asked));
        }
        line.clear();
    }
    Ok(())
}

/// No line editing, no echo, no signals, eight bits (`cfmakeraw`, termios(3)).
#[allow(unsafe_code)]
fn raw(port: &File) -> io::Result<()> {
    // SAFETY: all zeroes is a valid `termios`; both calls get a descriptor that is open and a structure that outlives them.
    let done = unsafe {
        let mut settings: libc::termios = std::mem::zeroed();
        if libc::tcgetattr(port.as_raw_fd(), &raw mut settings) < 0 {
            return Err(io::Error::last_os_error());
        }
        libc::cfmakeraw(&raw mut settings);
        libc::cfsetspeed(&raw mut settings, libc::B115200);
        libc::tcsetattr(port.as_raw_fd(), libc::TCSANOW, &raw const settings)
    };
    if done < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

fn greet(out: Port, heard: Arc<AtomicBool>) {
    std::thread::spawn(move || {
        let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_owned();
        while !heard.load(Ordering::Relaxed) {
            let [boot_s, unix_s] = clocks();
            tell(&out, &Told::Event { event: Event::Hello { boot: boot.clone(), boot_s, unix_s } });
            std::thread::sleep(AGAIN);
        }
    });
}

/// `CLOCK_BOOTTIME` and Unix time, seconds.
fn clocks() -> [f64; 2] {
    [ClockId::CLOCK_BOOTTIME, ClockId::CLOCK_REALTIME]
        .map(|id| clock_gettime(id).map_or(0.0, |time| time.tv_sec() as f64 + time.tv_nsec() as f64 / 1e9))
}

fn tell(out: &Port, told: &Told) {
    if let Ok(line) = serde_json::to_string(told) {
        put(out, &line);
    }
}

fn put(out: &Port, line: &str) {
    // A thread that died in between left at worst half a line, which the machine drops.
    let mut port = out.lock().unwrap_or_else(PoisonError::into_inner);
    let _ = port.write_all(format!("{line}\n").as_bytes());
}

fn answer(out: &Port, asked: &Asked) {
    let id = asked.id;
    match answered(&asked.ask).map_err(|why| why.to_string()).and_then(|value| lines(id, &value)) {
        Ok(lines) => lines.iter().for_each(|line| put(out, line)),
        Err(wrong) => tell(out, &Told::Wrong { id, wrong }),
    }
}

fn answered(ask: &Ask) -> io::Result<Value> {
    let value = match ask {
        Ask::Run(wanted) => serde_json::to_value(run::run(wanted)?),
        Ask::Start(wanted) => serde_json::to_value(run::start(wanted)?),
        Ask::Signal { pid, signal } => {
            kill(Pid::from_raw(*pid), Signal::try_from(*signal)?)?;
            Ok(Value::Null)
        }
        Ask::Read { path, offset, limit } => serde_json::to_value(encode(&read(path, *offset, *limit)?)),
        Ask::Write { path, offset, bytes, mode } => {
            write(path, *offset, &decode(bytes), *mode)?;
            Ok(Value::Null)
        }
        Ask::Stat { path } => serde_json::to_value(look::stat(path)?),
        Ask::List { path } => serde_json::to_value(look::list(path)?),
        Ask::Openers { path } => serde_json::to_value(proc::openers(path)?),
        Ask::Processes => serde_json::to_value(proc::processes()),
        Ask::Sockets => serde_json::to_value(look::sockets()),
        Ask::Mounts { pid } => serde_json::to_value(look::mounts(*pid)?),
        Ask::Clocks => Ok(json!(clocks())),
    };
    value.map_err(io::Error::other)
}

fn read(path: &str, offset: u64, limit: u64) -> io::Result<Vec<u8>> {
    use std::io::{Read, Seek};
    let mut file = File::open(path)?;
    if offset > 0 {
        file.seek(io::SeekFrom::Start(offset))?;
    }
    let mut bytes = Vec::new();
    file.take(limit).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn write(path: &str, offset: u64, bytes: &[u8], mode: u32) -> io::Result<()> {
    let file = File::options().write(true).create(true).truncate(offset == 0).mode(mode).open(path)?;
    file.write_all_at(bytes, offset)
}

/// The journal from the start of this boot, as it comes. The kernel's own words are on the console.
fn stream_journal(out: &Port) -> io::Result<()> {
    let fields = "MESSAGE,_SYSTEMD_UNIT,UNIT,SYSLOG_IDENTIFIER,_PID,PRIORITY,MESSAGE_ID";
    let mut child = Command::new("journalctl")
        .args(["--boot", "--follow", "--no-tail", "--output=json", "--no-pager", &format!("--output-fields={fields}")])
        .args(["_TRANSPORT=stdout", "+", "_TRANSPORT=journal", "+", "_TRANSPORT=syslog"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()?;
    let Some(from) = child.stdout.take() else { return Ok(()) };
    for line in BufReader::new(from).lines() {
        if let Ok(entry) = serde_json::from_str::<Value>(&line?) {
            tell(out, &Told::Event { event: Event::Journal(entry_of(&entry)) });
        }
    }
    Err(io::Error::other(format!("ended: {}", child.wait()?)))
}

fn entry_of(entry: &Value) -> Entry {
    let text = |name: &str| match &entry[name] {
        Value::String(text) => text.clone(),
        // What is no UTF-8 comes as an array of bytes.
        Value::Array(bytes) => {
            let bytes: Vec<u8> = bytes.iter().filter_map(|byte| u8::try_from(byte.as_u64()?).ok()).collect();
            String::from_utf8_lossy(&bytes).into_owned()
        }
        _ => String::new(),
    };
    let own = text("UNIT");
    let mut words = text("MESSAGE");
    if words.len() > TEXT {
        words = words.chars().take(TEXT / 4).collect();
    }
    Entry {
        at: text("__MONOTONIC_TIMESTAMP").parse::<f64>().unwrap_or(0.0) / 1e6,
        unit: if own.is_empty() { text("_SYSTEMD_UNIT") } else { own },
        from: text("SYSLOG_IDENTIFIER"),
        pid: text("_PID").parse().unwrap_or(0),
        priority: text("PRIORITY").parse().unwrap_or(6),
        id: text("MESSAGE_ID"),
        text: words,
    }
}
