//! Owns: QEMU's control socket (QMP): a question, its answer, the events in between.
//! Never: knows what a box is.
//! Called by: machine.

use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// QEMU answers within this even while its guest starves the machine.
const LIMIT: Duration = Duration::from_secs(60);
/// From QEMU's start to its socket.
const START: Duration = Duration::from_secs(30);

/// An open control socket.
pub struct Qmp {
    reader: BufReader<UnixStream>,
    writer: UnixStream,
    /// Events that came so far, in order.
    pub events: Vec<Value>,
}

impl Qmp {
    /// Connects as soon as the socket is there.
    ///
    /// # Errors
    /// It does not come, or it is not QEMU that answers.
    pub fn connect(path: &Path) -> io::Result<Self> {
        let writer = dial(path)?;
        writer.set_read_timeout(Some(LIMIT))?;
        let mut qmp = Self { reader: BufReader::new(writer.try_clone()?), writer, events: Vec::new() };
        qmp.line()?;
        qmp.execute("qmp_capabilities", json!({}))?;
        Ok(qmp)
    }

    /// Executes a command and returns what it returned.
    ///
    /// # Errors
    /// QEMU's own words, or it has ended.
    pub fn execute(&mut self, command: &str, arguments: Value) -> io::Result<Value> {
        writeln!(self.writer, "{}", json!({ "execute": command, "arguments": arguments }))?;
        loop {
            let line = self.line()?;
            if let Some(answer) = line.get("return") {
                return Ok(answer.clone());
            }
            if let Some(error) = line.get("error") {
                return Err(io::Error::other(format!("QEMU, {command}: {}", error["desc"].as_str().unwrap_or_default())));
            }
            self.events.push(line);
        }
    }

    fn line(&mut self) -> io::Result<Value> {
        let mut line = String::new();
        if self.reader.read_line(&mut line)? == 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "QEMU has ended"));
        }
        serde_json::from_str(&line).map_err(io::Error::other)
    }

    /// Takes in events that wait.
    ///
    /// # Errors
    /// QEMU has ended.
    pub fn poll(&mut self) -> io::Result<()> {
        self.execute("query-status", json!({})).map(drop)
    }

    /// Whether such an event came.
    #[must_use]
    pub fn saw(&self, event: &str) -> bool {
        self.events.iter().any(|seen| seen["event"] == event)
    }
}

/// A socket that somebody is about to make.
///
/// # Errors
/// Nobody does.
pub fn dial(path: &Path) -> io::Result<UnixStream> {
    let begun = Instant::now();
    loop {
        match UnixStream::connect(path) {
            Ok(stream) => return Ok(stream),
            Err(why) if begun.elapsed() > START => {
                return Err(io::Error::other(format!("{}: nobody answers: {why}", path.display())));
            }
            Err(_) => std::thread::sleep(Duration::from_millis(20)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixListener;

    #[test]
    fn an_answer_is_found_behind_the_events_before_it() {
        let path = std::env::temp_dir().join(format!("parloir-qmp-{}", std::process::id()));
        let _ = std::fs::remove_file(&path);
        let listener = UnixListener::bind(&path).expect("a socket");
        let qemu = std::thread::spawn(move || {
            let (stream, _) = listener.accept().expect("a client");
            let mut reader = BufReader::new(stream.try_clone().expect("a copy"));
            let say = |line: &str| writeln!(&stream, "{line}").expect("told");
            say(r#"{"QMP":{}}"#);
            let mut asked = String::new();
            for answer in [r#"{"return":{}}"#, r#"{"event":"RESET"}"#, r#"{"error":{"desc":"no such device"}}"#] {
                if !answer.contains("error") || asked.is_empty() {
                    asked.clear();
                }
                if !answer.contains("RESET") {
                    reader.read_line(&mut asked).expect("asked");
                }
                say(answer);
            }
        });
        let mut qmp = Qmp::connect(&path).expect("connected");
        let refused = qmp.execute("device_del", json!({ "id": "x" })).expect_err("refused");
        assert!(refused.to_string().contains("no such device"));
        assert!(qmp.saw("RESET"));
        qemu.join().expect("QEMU's part");
        let _ = std::fs::remove_file(&path);
    }
}
