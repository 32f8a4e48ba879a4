//! Owns: a visitor's page made of paper: the facility's websocket and nothing else. It joins, says what it is told to say, and has no media.
//! Never: a browser; what needs pictures has a real one.
//! Called by: rows that hold a visit before its first picture, rows with a hostile page.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::{Duration, Instant};

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use serde_json::{Value, json};

/// How long a read waits before what is to be said goes out.
const TURN: Duration = Duration::from_millis(20);
/// How long the facility may take to answer the upgrade.
const UPGRADE: Duration = Duration::from_secs(10);
/// Opcodes of RFC 6455, section 5.2.
const TEXT: u8 = 1;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;

/// An Ed25519 public key that is one (RFC 8037, appendix A.2).
pub const KEY: &str = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
/// A certificate that nobody has: 32 times 0x77.
const CERTIFICATE: &str = "d3d3d3d3d3d3d3d3d3d3d3d3d3d3d3d3d3d3d3d3d3c";

type Line = StreamOwned<ClientConnection, TcpStream>;

/// A page that is open. It closes when this is dropped.
pub struct Paper {
    to: Sender<Vec<u8>>,
    from: Receiver<Value>,
    /// What the facility said so far.
    pub heard: Vec<Value>,
    closed: bool,
}

impl Paper {
    /// Opens the socket of the link `url`; `ca` is the site's authority (PEM).
    ///
    /// # Errors
    /// No facility, not its certificate, or it does not take us.
    pub fn open(url: &str, ca: &Path) -> io::Result<Self> {
        let (host, token) = taken_apart(url)?;
        let mut line = connect(&host, ca)?;
        upgrade(&mut line, &host, &token)?;
        line.sock.set_read_timeout(Some(TURN))?;
        let (to, orders) = mpsc::channel();
        let (tell, from) = mpsc::channel();
        std::thread::spawn(move || pump(line, &orders, &tell));
        Ok(Self { to, from, heard: Vec::new(), closed: false })
    }

    /// Says a message of the page.
    pub fn say(&self, message: &Value) {
        self.raw(&frame(TEXT, message.to_string().as_bytes()));
    }

    /// Says bytes as they are: a frame, or what only looks like one.
    pub fn raw(&self, bytes: &[u8]) {
        let _ = self.to.send(bytes.to_vec());
    }

    /// Joins the visit that rang, with a certificate and a key that are nobody's.
    pub fn join(&self, call: &str) {
        self.say(&json!({ "type": "join", "call": call, "certificate": CERTIFICATE, "statement_key": KEY }));
    }

    /// Calls the cell.
    pub fn call(&self) {
        self.say(&json!({ "type": "call" }));
    }

    /// Gives up the call that rings in the cell.
    pub fn cancel(&self) {
        self.say(&json!({ "type": "cancel" }));
    }

    /// Takes in what came; `false` once the facility has closed.
    pub fn listen(&mut self) -> bool {
        loop {
            match self.from.try_recv() {
                Ok(value) => self.heard.push(value),
                Err(mpsc::TryRecvError::Empty) => return !self.closed,
                Err(mpsc::TryRecvError::Disconnected) => {
                    self.closed = true;
                    return false;
                }
            }
        }
    }

    /// The call that rings now, if one does.
    #[must_use]
    pub fn rings(&self) -> Option<String> {
        let last = self.heard.iter().rev().find(|m| ["ringing", "missed", "admitted", "ended"].contains(&kind(m)))?;
        (kind(last) == "ringing").then(|| last["call"].as_str().unwrap_or_default().to_owned())
    }

    /// Whether the facility said this kind of message.
    #[must_use]
    pub fn was_told(&self, what: &str) -> bool {
        self.heard.iter().any(|m| kind(m) == what)
    }
}

fn kind(message: &Value) -> &str {
    message["type"].as_str().unwrap_or_default()
}

fn wrong(what: impl std::fmt::Display) -> io::Error {
    io::Error::other(format!("paper page: {what}"))
}

/// `https://HOST:PORT/v/TOKEN` as host with port, and token.
fn taken_apart(url: &str) -> io::Result<(String, String)> {
    let rest = url.strip_prefix("https://").ok_or_else(|| wrong("the link is none"))?;
    let (host, token) = rest.split_once("/v/").ok_or_else(|| wrong("the link has no token"))?;
    Ok((host.to_owned(), token.to_owned()))
}

fn connect(host: &str, ca: &Path) -> io::Result<Line> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(ca).map_err(wrong)?).map_err(wrong)?;
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(wrong)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from(host.rsplit_once(':').map_or(host, |(name, _)| name).to_owned()).map_err(wrong)?;
    let socket = TcpStream::connect(host)?;
    socket.set_read_timeout(Some(UPGRADE))?;
    socket.set_write_timeout(Some(UPGRADE))?;
    Ok(StreamOwned::new(ClientConnection::new(Arc::new(config), name).map_err(wrong)?, socket))
}

/// RFC 6455, section 4.1; the key need not be random here, nobody caches this.
fn upgrade(line: &mut Line, host: &str, token: &str) -> io::Result<()> {
    static TABS: AtomicU32 = AtomicU32::new(1);
    let tab = TABS.fetch_add(1, Ordering::Relaxed);
    write!(
        line,
        "GET /v/{token}/socket?tab={tab:08x} HTTP/1.1\r\nHost: {host}\r\nOrigin: https://{host}\r\nUpgrade: websocket\r\n\
         Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: cGFybG9pciBwYXBlciBwZw==\r\n\r\n"
    )?;
    line.flush()?;
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && head.len() < 4096 {
        line.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    if head.starts_with(b"HTTP/1.1 101") {
        return Ok(());
    }
    Err(wrong(format!("the facility does not take it: {}", String::from_utf8_lossy(&head).lines().next().unwrap_or_default())))
}

/// A whole frame of a client: masked, as RFC 6455 section 5.3 wants it; a mask of zeros is one.
#[must_use]
pub fn frame(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0x80 | opcode];
    match payload.len() {
        n @ 0..=125 => bytes.push(0x80 | n as u8),
        n @ 126..=0xffff => {
            bytes.push(0x80 | 126);
            bytes.extend((n as u16).to_be_bytes());
        }
        n => {
            bytes.push(0x80 | 127);
            bytes.extend((n as u64).to_be_bytes());
        }
    }
    bytes.extend([0; 4]);
    bytes.extend(payload);
    bytes
}

/// Says and hears until either side closes.
fn pump(mut line: Line, orders: &Receiver<Vec<u8>>, tell: &Sender<Value>) {
    let mut bytes = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        loop {
            match orders.try_recv() {
                Ok(order) if line.write_all(&order).and_then(|()| line.flush()).is_ok() => {}
                Err(mpsc::TryRecvError::Empty) => break,
                Ok(_) | Err(mpsc::TryRecvError::Disconnected) => return,
            }
        }
        match line.read(&mut chunk) {
            Ok(0) => return,
            Ok(n) => bytes.extend(&chunk[..n]),
            Err(why) if matches!(why.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(_) => return,
        }
        while let Some((opcode, payload, used)) = unframe(&bytes) {
            bytes.drain(..used);
            let going = match opcode {
                TEXT => serde_json::from_slice(&payload).map_or(true, |value| tell.send(value).is_ok()),
                PING => line.write_all(&frame(PONG, &payload)).is_ok(),
                CLOSE => false,
                _ => true,
            };
            if !going {
                return;
            }
        }
    }
}

/// The first whole frame of a server, and how many bytes it took.
fn unframe(bytes: &[u8]) -> Option<(u8, Vec<u8>, usize)> {
    let (first, second) = (*bytes.first()?, *bytes.get(1)?);
    let (length, head): (usize, usize) = match second & 0x7f {
        126 => (usize::from(u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?)), 4),
        127 => (usize::try_from(u64::from_be_bytes(bytes.get(2..10)?.try_into().ok()?)).ok()?, 10),
        short => (usize::from(short), 2),
    };
    let payload = bytes.get(head..head.checked_add(length)?)?;
    Some((first & 0x0f, payload.to_vec(), head + length))
}

/// Waits until `there` holds of what the page heard.
///
/// # Errors
/// It did not in time.
pub fn wait_for(paper: &mut Paper, what: &str, limit: Duration, there: impl Fn(&Paper) -> bool) -> io::Result<()> {
    let until = Instant::now() + limit;
    while Instant::now() < until {
        paper.listen();
        if there(paper) {
            return Ok(());
        }
        std::thread::sleep(TURN);
    }
    Err(wrong(format!("{what}: not within {} s", limit.as_secs())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_of_any_length_comes_back_and_half_of_one_waits() {
        for length in [0, 125, 126, 65_535, 65_536] {
            let payload = vec![7; length];
            let mut bytes = frame(TEXT, &payload);
            // A server does not mask: the four zeros and the bit go.
            let head = bytes.len() - length - 4;
            bytes.drain(head..head + 4);
            bytes[1] &= 0x7f;
            assert_eq!(unframe(&bytes), Some((TEXT, payload, bytes.len())));
            assert_eq!(unframe(&bytes[..bytes.len() - 1]), None);
        }
    }

    #[test]
    fn a_link_is_taken_apart() {
        let parts = taken_apart("https://127.0.0.1:8443/v/abc").expect("a link");
        assert_eq!(parts, ("127.0.0.1:8443".to_owned(), "abc".to_owned()));
        assert!(taken_apart("https://127.0.0.1/").is_err());
    }
}
