//! Owns: a connection to the bus as bytes: what a library would refuse to send can be sent.
//! Never: judges an answer.
//! Called by: the fuzzer, the flood.

use crate::marshal::{CALL, Head, Message, NO_REPLY, SIGNAL, head, size};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};
use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

/// The bus itself.
pub const BUS: &str = "org.freedesktop.DBus";

/// Signals that are kept.
const HEARD: usize = 63;
/// Descriptors that are kept.
const KEPT: usize = 4;

/// What came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It was done.
    Done,
    /// An error of this name.
    Error(String),
    /// The bus hung up on us.
    Gone,
    /// Nothing within the limit.
    Silence,
}

/// A connection that the bus has greeted.
#[derive(Debug)]
pub struct Client {
    stream: UnixStream,
    limit: Duration,
    serial: u32,
    kept: Vec<OwnedFd>,
    /// The signals that came.
    pub heard: Vec<Head>,
    /// Body of the last answer.
    pub answer: Vec<u8>,
}

impl Client {
    /// Greets the bus over `stream`, which was connected as user `uid`. No answer may take longer than `limit`.
    ///
    /// # Errors
    /// The bus does not take us.
    pub fn greet(mut stream: UnixStream, uid: u32, limit: Duration) -> io::Result<Self> {
        stream.set_read_timeout(Some(limit))?;
        stream.set_write_timeout(Some(limit))?;
        let name: String = uid.to_string().bytes().map(|digit| format!("{digit:02x}")).collect();
        stream.write_all(format!("\0AUTH EXTERNAL {name}\r\nNEGOTIATE_UNIX_FD\r\nBEGIN\r\n").as_bytes())?;
        for wanted in ["OK ", "AGREE_UNIX_FD"] {
            let line = line(&mut stream)?;
            if !line.starts_with(wanted) {
                return Err(io::Error::other(format!("the bus says {line} where {wanted} is due")));
            }
        }
        let mut client = Self { stream, limit, serial: 0, kept: Vec::new(), heard: Vec::new(), answer: Vec::new() };
        match client.ask(&Message::call(BUS, "/org/freedesktop/DBus", BUS, "Hello"), None) {
            Answer::Done => Ok(client),
            other => Err(io::Error::other(format!("the bus does not greet: {other:?}"))),
        }
    }

    /// Sends a call and waits for its answer. One that wants none, or is none, is followed by a question to the bus, so that the bus has
    /// taken it when this returns.
    pub fn ask(&mut self, message: &Message, fd: Option<RawFd>) -> Answer {
        let wants = message.kind == CALL && message.flags & NO_REPLY == 0;
        let Ok(serial) = self.send(message, fd) else { return Answer::Gone };
        if wants { self.answer_to(serial) } else { self.settle() }
    }

    /// Asks the bus for its id: what was sent before has been taken then.
    pub fn settle(&mut self) -> Answer {
        match self.send(&Message::call(BUS, "/org/freedesktop/DBus", BUS, "GetId"), None) {
            Ok(serial) => self.answer_to(serial),
            Err(_) => Answer::Gone,
        }
    }

    /// Sends a message; its serial.
    ///
    /// # Errors
    /// The bus hung up, or takes nothing.
    pub fn send(&mut self, message: &Message, fd: Option<RawFd>) -> io::Result<u32> {
        self.serial += 1;
        let bytes = message.encode(self.serial);
        match fd {
            Some(fd) => self.send_with(&bytes, fd)?,
            None => self.stream.write_all(&bytes)?,
        }
        Ok(self.serial)
    }

    /// Sends bytes as they are.
    ///
    /// # Errors
    /// The bus hung up.
    pub fn send_bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    fn send_with(&mut self, bytes: &[u8], fd: RawFd) -> io::Result<()> {
        let fds = [fd];
        let rights = [ControlMessage::ScmRights(&fds)];
        let sent = sendmsg::<()>(self.stream.as_raw_fd(), &[IoSlice::new(bytes)], &rights, MsgFlags::MSG_NOSIGNAL, None)?;
        self.stream.write_all(&bytes[sent..])
    }

    fn answer_to(&mut self, serial: u32) -> Answer {
        loop {
            match self.hear() {
                Ok(head) if head.answers == serial => {
                    self.answer = head.body;
                    return if head.error.is_empty() { Answer::Done } else { Answer::Error(head.error) };
                }
                Ok(head) if head.kind == SIGNAL => {
                    self.heard.drain(..self.heard.len().saturating_sub(HEARD));
                    self.heard.push(head);
                }
                Ok(_) => {}
                Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => return Answer::Silence,
                Err(_) => return Answer::Gone,
            }
        }
    }

    /// The next message. The descriptors that came with the last few are kept: a focus ends when its end is closed.
    ///
    /// # Errors
    /// The bus hung up, or said nothing within the limit.
    pub fn hear(&mut self) -> io::Result<Head> {
        let mut start = [0; 16];
        self.fill(&mut start)?;
        let mut bytes = vec![0; size(&start)];
        bytes[..16].copy_from_slice(&start);
        self.fill(&mut bytes[16..])?;
        Ok(head(&bytes))
    }

    fn fill(&mut self, bytes: &mut [u8]) -> io::Result<()> {
        let mut done = 0;
        while done < bytes.len() {
            let timeout = PollTimeout::try_from(self.limit).unwrap_or(PollTimeout::MAX);
            if poll(&mut [PollFd::new(self.stream.as_fd(), PollFlags::POLLIN)], timeout)? == 0 {
                return Err(ErrorKind::TimedOut.into());
            }
            let part = parloir_shell::fds::recv(&self.stream, bytes.len() - done, 8)?;
            let part = part.ok_or_else(|| io::Error::from(ErrorKind::UnexpectedEof))?;
            bytes[done..done + part.bytes.len()].copy_from_slice(&part.bytes);
            done += part.bytes.len();
            self.kept.extend(part.fds);
            self.kept.drain(..self.kept.len().saturating_sub(KEPT));
        }
        Ok(())
    }

    /// The descriptors that came last.
    #[must_use]
    pub fn kept(&self) -> &[OwnedFd] {
        &self.kept
    }

    /// A second handle to the connection.
    ///
    /// # Errors
    /// Out of descriptors.
    pub fn stream(&self) -> io::Result<UnixStream> {
        self.stream.try_clone()
    }
}

fn line(stream: &mut UnixStream) -> io::Result<String> {
    let (mut line, mut byte) = (Vec::new(), [0]);
    while !line.ends_with(b"\r\n") {
        stream.read_exact(&mut byte)?;
        line.push(byte[0]);
    }
    Ok(String::from_utf8_lossy(&line).trim_end().to_owned())
}
