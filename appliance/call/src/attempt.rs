//! Owns: the proof by trying: every element starts inside the sandbox, and what the sandbox forbids fails.
//! Never: runs in a visit.
//! Called by: main, for `--probe`; the bench and the image test read its last line.

use crate::pipeline;
use std::fs::{File, OpenOptions};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::unix::net::UnixStream;
use std::process::{Command, ExitCode};
use std::time::Duration;

/// What must fail, by name.
fn forbidden() -> Vec<(&'static str, bool)> {
    let far: SocketAddr = ([127, 0, 0, 1], 9).into();
    vec![
        ("write a file in /tmp", File::create("/tmp/parloir-call-probe").is_ok()),
        (
            "write a file in the working directory",
            OpenOptions::new().create(true).append(true).open("parloir-call-probe").is_ok(),
        ),
        ("read /etc/passwd", File::open("/etc/passwd").is_ok()),
        ("list /home", std::fs::read_dir("/home").is_ok()),
        ("start a program", Command::new("/bin/true").status().is_ok()),
        ("make a stream socket of the UNIX family", !refused(UnixStream::connect("/run/dbus/system_bus_socket"))),
        ("listen on TCP", TcpListener::bind("127.0.0.1:0").is_ok()),
        ("connect to a TCP port that is no relay's", !refused(TcpStream::connect_timeout(&far, Duration::from_millis(200)))),
    ]
}

/// Refused by the sandbox, not by the absence of a listener.
fn refused<T>(result: std::io::Result<T>) -> bool {
    result.is_err_and(|e| e.kind() == std::io::ErrorKind::PermissionDenied)
}

/// Prints what failed, then `ok` or `not ok`.
#[must_use]
pub fn probe() -> ExitCode {
    let (failed, missing) = pipeline::probe();
    let mut good = failed.is_empty() && missing.is_empty();
    failed.iter().for_each(|name| println!("element does not start: {name}"));
    missing.iter().for_each(|name| println!("element is not installed: {name}"));
    for (name, done) in forbidden() {
        if done {
            println!("the sandbox lets this process {name}");
            good = false;
        }
    }
    if UdpSocket::bind("127.0.0.1:0").is_err() {
        println!("the sandbox keeps UDP away");
        good = false;
    }
    println!("{}", if good { "ok" } else { "not ok" });
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
