//! Owns: how a process gets its user, its capabilities, its standard streams and its log.
//! Never: starts anything with more than its cell names.
//! Called by: the supervisor.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::Sender;
use std::time::Instant;

use crate::lines::{Event, Line};

/// What a process is started with.
pub struct Role<'a> {
    /// Name in logs and events.
    pub name: &'a str,
    /// Number of its user and group.
    pub id: u32,
    /// Capabilities it keeps, without `CAP_`.
    pub capabilities: &'a [String],
    /// Program and arguments.
    pub command: Vec<String>,
    /// All of its environment but PATH, HOME and LANG.
    pub environment: Vec<(String, String)>,
    /// Becomes its fd 3.
    pub third: Option<OwnedFd>,
    /// The network namespace that it stands in, if not the bench's own.
    pub network: Option<PathBuf>,
    /// Becomes its standard input, which is empty otherwise.
    pub input: Option<OwnedFd>,
}

/// Starts a process as its own user. Its standard error goes to `logs/NAME.log` and, line by line, to `events`; so does its standard
/// output. It dies with the bench. A third descriptor and an input exclude each other.
///
/// # Errors
/// `setpriv` or the log cannot be opened.
pub fn start(role: Role<'_>, logs: &Path, events: &Sender<Event>) -> io::Result<u32> {
    let capabilities: String = role.capabilities.iter().map(|c| format!(",+{}", c.to_lowercase())).collect();
    let mut words: Vec<String> = Vec::new();
    if role.third.is_some() {
        // The connection comes as standard input and moves to 3: no unsafe code between fork and exec.
        words.extend(["sh", "-c", "exec \"$@\" 3<&0 </dev/null", "sh"].map(str::to_owned));
    }
    words.extend(role.network.iter().flat_map(|path| ["nsenter".to_owned(), format!("--net={}", path.display())]));
    words.push("setpriv".to_owned());
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]);
    command.args(["--reuid", &role.id.to_string(), "--regid", &role.id.to_string(), "--clear-groups", "--no-new-privs"]);
    for set in ["--inh-caps", "--ambient-caps", "--bounding-set"] {
        command.arg(format!("{set}=-all{capabilities}"));
    }
    command.args(["--pdeathsig", "KILL", "--"]).args(&role.command);
    command.env_clear().env("PATH", "/usr/bin:/bin:/usr/sbin:/sbin").env("LANG", "C.UTF-8").env("HOME", "/run/parloir");
    command.envs(role.environment.iter().map(|(k, v)| (k, v)));
    for name in ["PARLOIR_LOG", "RUST_BACKTRACE", "GST_DEBUG"] {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    command.stdin(role.third.or(role.input).map_or_else(Stdio::null, Stdio::from)).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn()?;
    let log = File::options().create(true).append(true).open(logs.join(format!("{}.log", role.name)))?;
    if let Some(out) = child.stdout.take() {
        pump(role.name, out, log.try_clone()?, events.clone());
    }
    if let Some(err) = child.stderr.take() {
        pump(role.name, err, log, events.clone());
    }
    Ok(child.id())
}

fn pump(name: &str, from: impl Read + Send + 'static, mut log: File, events: Sender<Event>) {
    let name = name.to_owned();
    std::thread::spawn(move || {
        let mut from = BufReader::new(from);
        let mut bytes = Vec::new();
        while from.read_until(b'\n', &mut bytes).is_ok_and(|n| n > 0) {
            // A full disk must not stop the process whose log this is.
            let _ = log.write_all(&bytes);
            let text = String::from_utf8_lossy(&bytes).trim_end().to_owned();
            let line = Event::Line(Line { from: name.clone(), at: Instant::now(), text });
            if events.send(line).is_err() {
                return;
            }
            bytes.clear();
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;
    use std::time::Duration;

    /// As whoever runs the test: changing nothing needs no privilege, so the same path is taken without a namespace.
    #[test]
    fn a_line_reaches_log_and_events_with_its_name() {
        let dir = std::env::temp_dir().join(format!("parloir-roles-{}", std::process::id()));
        std::fs::create_dir_all(&dir).expect("temp dir");
        let log = File::create(dir.join("x.log")).expect("log");
        let (tx, rx) = mpsc::channel();
        pump("x", &b"one\ntwo"[..], log, tx);
        let mut seen = Vec::new();
        while let Ok(Event::Line(line)) = rx.recv_timeout(Duration::from_secs(5)) {
            seen.push((line.from, line.text));
        }
        assert_eq!(seen, [("x".to_owned(), "one".to_owned()), ("x".to_owned(), "two".to_owned())]);
        assert_eq!(std::fs::read(dir.join("x.log")).expect("log"), b"one\ntwo");
        std::fs::remove_dir_all(dir).expect("clean up");
    }
}
