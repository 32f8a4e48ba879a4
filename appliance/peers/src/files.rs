//! Owns: the form of the two files: `box.env`, which names broker and update server, and the arbiter's list of relays.
//! Never: judges an address (that is judge's); reads more than [`MAX_FILE`]; guesses.
//! Called by: the binary, the fuzzer.
//!
//! ```text
//! box.env  PARLOIR_BROKER=10.77.0.1:8883      a file for systemd's EnvironmentFile= too, so only what both read alike is taken
//!          PARLOIR_UPDATES=10.77.0.1:8443     may be absent or empty: no updates
//! relays   udp 10.77.0.1 3478                 one line for each relay of the policy that is in force; no line: no relay
//! ```

use crate::refusal::{Code, Refused};
use std::fmt;
use std::fs::OpenOptions;
use std::io::{self, Read as _};
use std::net::{Ipv4Addr, Ipv6Addr};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

/// Longest file that is read, bytes.
pub const MAX_FILE: usize = 4096;
/// Most relays: as many as a policy may name.
pub const MAX_RELAYS: usize = 8;
/// Longest host, bytes: a name's limit in RFC 1035.
const MAX_HOST: usize = 253;
/// The two variables of `box.env` that are read here.
const BROKER: &str = "PARLOIR_BROKER";
const UPDATES: &str = "PARLOIR_UPDATES";

/// How a peer is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Transport {
    /// Datagrams.
    Udp,
    /// A stream, with TLS or without.
    Tcp,
}

/// Where a peer is, as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Host {
    /// An IPv4 address.
    V4(Ipv4Addr),
    /// An IPv6 address.
    V6(Ipv6Addr),
    /// Anything else that could be a name.
    Name(String),
}

/// A peer that a file names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wish {
    /// How.
    pub transport: Transport,
    /// Where.
    pub host: Host,
    /// Which port.
    pub port: u16,
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
        })
    }
}

impl fmt::Display for Wish {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Host::V4(address) => write!(f, "{} {address} {}", self.transport, self.port),
            Host::V6(address) => write!(f, "{} {address} {}", self.transport, self.port),
            Host::Name(name) => write!(f, "{} {name} {}", self.transport, self.port),
        }
    }
}

/// The bytes of a small file; `None` when there is none.
///
/// # Errors
/// It cannot be read, is a link or no file, or is longer than [`MAX_FILE`].
pub fn small(path: &Path) -> io::Result<Option<Vec<u8>>> {
    // A link could lead to a secret that this user may read, and opening a fifo would wait for ever.
    let flags = nix::fcntl::OFlag::O_NOFOLLOW | nix::fcntl::OFlag::O_NONBLOCK;
    let file = match OpenOptions::new().read(true).custom_flags(flags.bits()).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a file"));
    }
    let mut bytes = Vec::new();
    file.take(MAX_FILE as u64 + 1).read_to_end(&mut bytes)?;
    if bytes.len() > MAX_FILE {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "longer than 4096 bytes"));
    }
    Ok(Some(bytes))
}

/// The broker that `box.env` names.
///
/// # Errors
/// [`Code::BoxFile`], [`Code::BrokerUnnamed`].
pub fn broker(text: &[u8]) -> Result<Wish, Refused> {
    let no = |what: &str| Refused::new(Code::BrokerUnnamed, what);
    let value = value_of(text, BROKER)?.map_err(|()| no("PARLOIR_BROKER stands twice"))?;
    let value = value.ok_or_else(|| no("no PARLOIR_BROKER"))?;
    server(value).ok_or_else(|| no(&shown(value)))
}

/// The update server that `box.env` names, if it does.
///
/// # Errors
/// [`Code::BoxFile`], [`Code::UpdatesUnnamed`].
pub fn updates(text: &[u8]) -> Result<Option<Wish>, Refused> {
    let no = |what: &str| Refused::new(Code::UpdatesUnnamed, what);
    let value = value_of(text, UPDATES)?.map_err(|()| no("PARLOIR_UPDATES stands twice"))?;
    let Some(value) = value.filter(|value| !value.is_empty()) else { return Ok(None) };
    server(value).map(Some).ok_or_else(|| no(&shown(value)))
}

/// `address:port` of something that is reached by TCP.
fn server(value: &str) -> Option<Wish> {
    value.rsplit_once(':').and_then(|(host, port)| wish(Transport::Tcp, unbracketed(host), port))
}

/// The value of a variable; in the inner result: it stands twice.
fn value_of<'a>(text: &'a [u8], wanted: &str) -> Result<Result<Option<&'a str>, ()>, Refused> {
    let (mut found, mut twice) = (None, false);
    for line in lines(text).map_err(|what| Refused::new(Code::BoxFile, what))? {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let Some((name, value)) = line.split_once('=').filter(|(name, value)| is_variable(name) && is_plain(value)) else {
            return Err(Refused::new(Code::BoxFile, shown(line)));
        };
        twice |= name == wanted && found.replace(value).is_some();
    }
    Ok(if twice { Err(()) } else { Ok(found) })
}

/// The relays in the arbiter's list.
///
/// # Errors
/// [`Code::RelaysFile`]: one line that is not in the form refuses the whole file, because whoever wrote it does not know the form.
pub fn relays(text: &[u8]) -> Result<Vec<Wish>, Refused> {
    let no = |what: String| Refused::new(Code::RelaysFile, what);
    let lines = lines(text).map_err(no)?;
    if lines.len() > MAX_RELAYS {
        return Err(no(format!("{} lines, more than {MAX_RELAYS}", lines.len())));
    }
    lines.into_iter().map(|line| relay(line).ok_or_else(|| no(shown(line)))).collect()
}

fn relay(line: &str) -> Option<Wish> {
    let mut words = line.split(' ');
    let transport = match words.next()? {
        "udp" => Transport::Udp,
        "tcp" => Transport::Tcp,
        _ => return None,
    };
    let (host, port) = (words.next()?, words.next()?);
    words.next().is_none().then(|| wish(transport, host, port))?
}

fn wish(transport: Transport, host: &str, port: &str) -> Option<Wish> {
    let decimal = !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()) && (port == "0" || !port.starts_with('0'));
    let port = port.parse().ok().filter(|_| decimal)?;
    Some(Wish { transport, host: self::host(host)?, port })
}

fn host(text: &str) -> Option<Host> {
    if let Ok(address) = text.parse() {
        return Some(Host::V4(address));
    }
    if let Ok(address) = text.parse() {
        return Some(Host::V6(address));
    }
    let fits = (1..=MAX_HOST).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'.' || b == b'-');
    fits.then(|| Host::Name(text.to_owned()))
}

/// IPv6 addresses stand in brackets before a port.
fn unbracketed(host: &str) -> &str {
    host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host)
}

/// Whole lines of printable ASCII. A last line that does not end may be half of one.
fn lines(text: &[u8]) -> Result<Vec<&str>, String> {
    if text.len() > MAX_FILE {
        return Err(format!("longer than {MAX_FILE} bytes"));
    }
    let printable = text.iter().all(|b| matches!(b, b' '..=b'~' | b'\n'));
    let text = std::str::from_utf8(text).ok().filter(|_| printable).ok_or("other characters than printable ASCII")?;
    match text.strip_suffix('\n') {
        Some(text) => Ok(text.split('\n').collect()),
        None if text.is_empty() => Ok(Vec::new()),
        None => Err("the last line does not end".to_owned()),
    }
}

fn is_variable(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
}

/// No quotes, blanks, backslashes or `$`: systemd reads those in ways of its own.
fn is_plain(value: &str) -> bool {
    value.bytes().all(|b| b.is_ascii_alphanumeric() || b".:-_/@+[]".contains(&b))
}

/// The beginning of what was refused, for the journal.
fn shown(line: &str) -> String {
    line.chars().take(80).flat_map(char::escape_default).collect()
}

#[cfg(test)]
mod tests {
    use super::{Host, MAX_FILE, Transport, Wish, broker, relays, small, updates};
    use crate::refusal::Code;
    use std::net::Ipv4Addr;

    fn v4(transport: Transport, last: u8, port: u16) -> Wish {
        Wish { transport, host: Host::V4(Ipv4Addr::new(10, 77, 0, last)), port }
    }

    #[test]
    fn the_broker_is_the_one_that_box_env_names() {
        let text = b"# comment\n\nPARLOIR_DEVICE=0123\nPARLOIR_BROKER=10.77.0.1:8883\nPARLOIR_SITE=ff\n";
        assert_eq!(broker(text), Ok(v4(Transport::Tcp, 1, 8883)));
        assert_eq!(broker(b"PARLOIR_BROKER=broker.example:8883\n").unwrap().to_string(), "tcp broker.example 8883");
        assert_eq!(broker(b"PARLOIR_BROKER=[2001:db8::1]:8883\n").unwrap().to_string(), "tcp 2001:db8::1 8883");
    }

    #[test]
    fn the_update_server_may_be_absent_and_is_named_once() {
        assert_eq!(updates(b"PARLOIR_BROKER=10.77.0.1:8883\n"), Ok(None));
        assert_eq!(updates(b"PARLOIR_UPDATES=\n"), Ok(None));
        assert_eq!(updates(b"PARLOIR_UPDATES=10.77.0.1:8443\n"), Ok(Some(v4(Transport::Tcp, 1, 8443))));
        for odd in ["10.77.0.1", "10.77.0.1:0x1", ":1", "10.0.0.1:1\nPARLOIR_UPDATES=10.0.0.1:1"] {
            let text = format!("PARLOIR_UPDATES={odd}\n");
            assert_eq!(updates(text.as_bytes()).unwrap_err().code, Code::UpdatesUnnamed, "{odd}");
        }
        assert_eq!(updates(b"x\n").unwrap_err().code, Code::BoxFile);
    }

    #[test]
    fn what_systemd_might_read_in_another_way_is_refused() {
        for (text, code) in [
            ("", Code::BrokerUnnamed),
            ("PARLOIR_DEVICE=1\n", Code::BrokerUnnamed),
            ("PARLOIR_BROKER=10.0.0.1:1\nPARLOIR_BROKER=10.0.0.1:1\n", Code::BrokerUnnamed),
            ("PARLOIR_BROKER=\n", Code::BrokerUnnamed),
            ("PARLOIR_BROKER=10.0.0.1\n", Code::BrokerUnnamed),
            ("PARLOIR_BROKER=10.0.0.1:\n", Code::BrokerUnnamed),
            ("PARLOIR_BROKER=10.0.0.1:65536\n", Code::BrokerUnnamed),
            ("PARLOIR_BROKER=10.0.0.1:+1\n", Code::BrokerUnnamed),
            ("PARLOIR_BROKER=10.0.0.1:01\n", Code::BrokerUnnamed),
            ("PARLOIR_BROKER=10.0.0.1/24:1\n", Code::BrokerUnnamed),
            ("PARLOIR_BROKER=10.0.0.1:1", Code::BoxFile),
            ("PARLOIR_BROKER=\"10.0.0.1:1\"\n", Code::BoxFile),
            ("PARLOIR_BROKER='10.0.0.1:1'\n", Code::BoxFile),
            ("PARLOIR_BROKER=10.0.0.1:1 \n", Code::BoxFile),
            (" PARLOIR_BROKER=10.0.0.1:1\n", Code::BoxFile),
            ("PARLOIR_BROKER =10.0.0.1:1\n", Code::BoxFile),
            ("PARLOIR_DEVICE=1\\\nPARLOIR_BROKER=10.0.0.1:1\n", Code::BoxFile),
            ("; comment\nPARLOIR_BROKER=10.0.0.1:1\n", Code::BoxFile),
            ("PARLOIR_BROKER=10.0.0.1:1\r\n", Code::BoxFile),
            ("PARLOIR_BROKER=10.0.0.1:1\n\0", Code::BoxFile),
            ("no variable\n", Code::BoxFile),
            ("PARLOIR_SITE=ä\n", Code::BoxFile),
        ] {
            assert_eq!(broker(text.as_bytes()).unwrap_err().code, code, "{text:?}");
        }
        assert_eq!(broker(&[b'\n'; MAX_FILE + 1]).unwrap_err().code, Code::BoxFile);
    }

    #[test]
    fn relays_are_lines_of_three_words() {
        assert_eq!(relays(b""), Ok(vec![]));
        let text = b"udp 10.77.0.1 3478\ntcp 10.77.0.2 5349\n";
        assert_eq!(relays(text), Ok(vec![v4(Transport::Udp, 1, 3478), v4(Transport::Tcp, 2, 5349)]));
        // A name or another family has the form; judge says no to it and to nothing else.
        assert_eq!(relays(b"udp relay.example 3478\nudp ::1 1\n").unwrap().len(), 2);
    }

    #[test]
    fn one_wrong_line_refuses_the_whole_list() {
        let good = "udp 10.77.0.1 3478\n";
        for bad in [
            "\n",
            "udp 10.77.0.1\n",
            "udp 10.77.0.1 3478 x\n",
            "udp  10.77.0.1 3478\n",
            "udp 10.77.0.1 3478 \n",
            "udp\t10.77.0.1 3478\n",
            "sctp 10.77.0.1 3478\n",
            "UDP 10.77.0.1 3478\n",
            "udp 10.77.0.1 65536\n",
            "udp 10.77.0.1 -1\n",
            "udp 10.77.0.1 3478-3500\n",
            "udp 10.77.0.0/24 3478\n",
            "udp 10.77.0.1;accept 3478\n",
            "udp 10.77.0.1}",
            "# comment\n",
            "udp 10.77.0.1 3478",
        ] {
            let text = format!("{good}{bad}");
            assert_eq!(relays(text.as_bytes()).unwrap_err().code, Code::RelaysFile, "{bad:?}");
        }
        assert_eq!(relays(good.repeat(9).as_bytes()).unwrap_err().code, Code::RelaysFile);
        let long = format!("udp {} 1\n", "a".repeat(254));
        assert_eq!(relays(long.as_bytes()).unwrap_err().code, Code::RelaysFile);
    }

    #[test]
    fn only_a_small_plain_file_is_read() {
        let dir = std::env::temp_dir().join(format!("parloir-peers-files-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let path = |name: &str| dir.join(name);
        assert_eq!(small(&path("none")).unwrap(), None);
        std::fs::write(path("good"), [b'x'; MAX_FILE]).unwrap();
        assert_eq!(small(&path("good")).unwrap().unwrap().len(), MAX_FILE);
        std::fs::write(path("long"), [b'x'; MAX_FILE + 1]).unwrap();
        std::os::unix::fs::symlink(path("good"), path("link")).unwrap();
        nix::unistd::mkfifo(&path("fifo"), nix::sys::stat::Mode::S_IRUSR).unwrap();
        for name in ["long", "link", "fifo", "."] {
            assert!(small(&path(name)).is_err(), "{name}");
        }
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
