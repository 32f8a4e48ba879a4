//! The relay as we ship it (coturn with our configuration), tried by coturn's own client with credentials that this facility makes: it lets
//! both sides of a visit meet at the relay, and lets nobody reach anything else through it.

use parloir_facility::turn::Relays;
use std::net::{TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

struct Relay {
    process: Child,
    port: u16,
    dir: PathBuf,
}

impl Drop for Relay {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn start() -> Relay {
    let dir = std::env::temp_dir().join(format!("parloir-relay-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&dir);
    std::fs::create_dir_all(&dir).unwrap();
    let port = free_port();
    let template = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../systemd/relay/turnserver.conf.in");
    let mut conf = std::fs::read_to_string(template).unwrap();
    let port_text = port.to_string();
    for (word, value) in [
        ("{address}", "127.0.0.1"),
        ("{turn-port}", port_text.as_str()),
        ("{relay-first}", "52000"),
        ("{relay-last}", "52100"),
        ("{realm}", "parloir"),
        ("{turn-secret}", "north"),
        ("{allocations}", "40"),
        ("{state}", dir.to_str().unwrap()),
        ("{user}", "root"),
    ] {
        assert!(conf.contains(word), "template without {word}");
        conf = conf.replace(word, value);
    }
    // The one line that a bench on loopback adds: the relay's own address is a loopback address here.
    conf.push_str("allow-loopback-peers\n");
    let path = dir.join("turnserver.conf");
    std::fs::write(&path, conf).unwrap();
    let log = std::fs::File::create(dir.join("relay.log")).unwrap();
    let process = Command::new("setpriv")
        .args(["--pdeathsig", "KILL", "turnserver", "-c"])
        .arg(path)
        .stdout(log)
        .stderr(Stdio::null())
        .spawn()
        .expect("coturn is installed");
    let relay = Relay { process, port, dir };
    let until = Instant::now() + Duration::from_secs(10);
    while !answers(port) {
        assert!(Instant::now() < until, "coturn does not answer");
    }
    relay
}

/// Whether a STUN binding request (RFC 8489, section 6) over UDP is answered.
fn answers(port: u16) -> bool {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    socket.connect(("127.0.0.1", port)).unwrap();
    let request = [&[0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42][..], &[7; 12]].concat();
    socket.send(&request).is_ok() && socket.recv(&mut [0; 500]).is_ok()
}

/// What coturn's client says when it asks the relay to send to `peer`.
fn try_peer(relay: &Relay, user: &str, password: &str, peer: &str, port: u16) -> String {
    let out = Command::new("timeout")
        .args(["8", "turnutils_uclient", "-v", "-n", "2", "-m", "1", "-c", "-u", user, "-w", password])
        .args(["-p", &relay.port.to_string(), "-e", peer, "-r", &port.to_string(), "127.0.0.1"])
        .output()
        .expect("coturn's client is installed");
    String::from_utf8_lossy(&[out.stdout, out.stderr].concat()).into_owned()
}

#[test]
fn the_relay_leads_to_the_relay_and_nowhere_else() {
    let relay = start();
    let now = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()).unwrap();
    let relays = Relays { urls: vec!["turn:x".into()], secret: b"north".to_vec() };
    let good = |name: &str| relays.credentials(name, now + 600).remove(0);

    for (i, peer) in ["10.0.0.5", "192.168.1.9", "169.254.1.1", "127.0.0.2", "198.51.100.9", "8.8.8.8"].iter().enumerate() {
        let c = good(&format!("box-{i}"));
        let said = try_peer(&relay, &c.user, &c.password, peer, 9999);
        assert!(said.contains("allocate: response received") || said.contains("success"), "the credentials hold: {said}");
        assert!(said.contains("403 (Forbidden IP)"), "{peer}: {said}");
    }

    let c = good("page");
    let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
    let said = try_peer(&relay, &c.user, &c.password, "127.0.0.1", peer.local_addr().unwrap().port());
    assert!(!said.contains("Forbidden"), "the relay's own address is where both sides meet: {said}");
    peer.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
    let mut bytes = [0; 2000];
    assert!(peer.recv_from(&mut bytes).is_ok(), "and it relays: {said}");

    let old = relays.credentials("box", now - 1).remove(0);
    for (user, password) in [(c.user.as_str(), "wrong"), (old.user.as_str(), old.password.as_str())] {
        let said = try_peer(&relay, user, password, "127.0.0.1", 9999);
        assert!(said.contains("Cannot complete Allocation"), "{user}: {said}");
    }
}
