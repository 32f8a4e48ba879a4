//! Owns: the world that link lives in, for tests: a real mosquitto with the configuration and access list that we ship, certificates,
//! a private bus.
//! Never: a mock of a part that runs here.
//! Called by: the tests beside it.
#![allow(dead_code, reason = "each test file uses a part of it")]

use parloir_link::broker::{self, Identity};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rumqttc::{AsyncClient, Event, EventLoop, Packet, PublishOptions, QoS};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tokio::time::timeout;

pub const SITE: [u8; 16] = [0x51; 16];
pub const A: [u8; 16] = [0xaa; 16];
pub const B: [u8; 16] = [0xbb; 16];

pub fn hex(id: &[u8; 16]) -> String {
    parloir_link::topic::Hex(id).to_string()
}

/// A directory that goes with the test.
pub struct Dir(PathBuf);

impl Dir {
    pub fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("parloir-link-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A child that dies with the test.
pub struct Process(pub Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A command that the kernel ends when this test's thread ends, also when the test is killed (prctl(2), PR_SET_PDEATHSIG).
pub fn tied(program: &str) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", program]);
    command
}

pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Authority {
    pub fn new() -> Self {
        Self::by(CertificateParams::new(Vec::new()).unwrap())
    }
    pub fn by(mut params: CertificateParams) -> Self {
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "test authority");
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), pem }
    }
    pub fn pem(&self) -> &str {
        &self.pem
    }
    /// An authority under this one.
    pub fn intermediate(&self, mut params: CertificateParams) -> Self {
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "intermediate");
        let key = KeyPair::generate().unwrap();
        let pem = params.signed_by(&key, &self.issuer).unwrap().pem();
        Self { issuer: Issuer::new(params, key), pem }
    }
    /// Writes `NAME.pem` and `NAME.key` for a common name, and our own `ca.pem`.
    pub fn issue(&self, dir: &Path, name: &str, common_name: &str) -> Identity {
        let params = CertificateParams::new(vec!["localhost".into(), "127.0.0.1".into()]).unwrap();
        self.issue_by(params, dir, name, common_name)
    }
    pub fn issue_by(&self, mut params: CertificateParams, dir: &Path, name: &str, common_name: &str) -> Identity {
        params.distinguished_name.push(DnType::CommonName, common_name);
        let key = KeyPair::generate().unwrap();
        let cert = params.signed_by(&key, &self.issuer).unwrap();
        let identity =
            Identity { ca: dir.join("ca.pem"), cert: dir.join(format!("{name}.pem")), key: dir.join(format!("{name}.key")) };
        std::fs::write(&identity.ca, &self.pem).unwrap();
        std::fs::write(&identity.cert, cert.pem()).unwrap();
        std::fs::write(&identity.key, key.serialize_pem()).unwrap();
        identity
    }
}

pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// mosquitto as we ship it.
pub struct Broker {
    pub port: u16,
    pub a: Identity,
    pub b: Identity,
    pub facility: Identity,
    conf: PathBuf,
    process: Option<Process>,
    pub dir: Dir,
}

impl Broker {
    pub fn start(name: &str) -> Self {
        let names = vec!["localhost".into(), "127.0.0.1".into()];
        Self::start_with(name, Authority::new(), CertificateParams::new(names).unwrap())
    }
    /// With an authority and a certificate of the test's own.
    pub fn start_with(name: &str, ca: Authority, params: CertificateParams) -> Self {
        let (dir, port) = (Dir::new(name), free_port());
        let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../systemd/broker");
        ca.issue_by(params, dir.path(), "broker", "broker");
        let a = ca.issue(dir.path(), "a", &hex(&A));
        let b = ca.issue(dir.path(), "b", &hex(&B));
        let facility = ca.issue(dir.path(), "facility", "facility");
        let at = dir.path().to_str().unwrap();
        let mut conf = std::fs::read_to_string(here.join("mosquitto.conf.in")).unwrap();
        // Its access list must not be readable by others, or newer ones refuse it.
        let acl = std::fs::read_to_string(here.join("acl.in")).unwrap().replace("{site}", &hex(&SITE));
        std::fs::write(dir.path().join("acl"), acl).unwrap();
        for (word, value) in [
            ("{user}", "root"),
            ("{broker-port}", &port.to_string()),
            ("{address}", "127.0.0.1"),
            ("{tls}", at),
            ("{acl}", &format!("{at}/acl")),
            ("{state}", at),
        ] {
            assert!(conf.contains(word), "template without {word}");
            conf = conf.replace(word, value);
        }
        let path = dir.path().join("mosquitto.conf");
        std::fs::write(&path, conf).unwrap();
        let mut broker = Self { port, a, b, facility, conf: path, process: None, dir };
        broker.run();
        broker
    }

    pub fn run(&mut self) {
        let log = std::fs::File::create(self.dir.path().join("broker.log")).unwrap();
        let child = tied("mosquitto").arg("-c").arg(&self.conf).stdout(Stdio::null()).stderr(log).spawn();
        self.process = Some(Process(child.expect("mosquitto is installed")));
        let until = Instant::now() + Duration::from_secs(10);
        while std::net::TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            assert!(Instant::now() < until, "mosquitto does not listen: {}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Sends it a signal.
    pub fn hurt(&self, signal: &str) {
        let pid = self.process.as_ref().unwrap().0.id().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
    }

    /// Ends it in order, so that it writes its database.
    pub fn stop(&mut self) {
        let Some(mut process) = self.process.take() else { return };
        let pid = process.0.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        process.0.wait().unwrap();
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("broker.log")).unwrap_or_default()
    }

    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// A client by that identity, connected.
    pub async fn client(&self, id: &str, identity: &Identity) -> Client {
        let tls = broker::tls(identity).unwrap();
        let mut options = broker::options(id, &self.address(), tls).unwrap();
        // The world's own clients keep nothing.
        options.set_session_mode(rumqttc::SessionMode::Clean).set_keep_alive(60);
        let (client, events) = AsyncClient::builder(options).capacity(64).build();
        let mut client = Client { client, events };
        client.wait("a connection", |e| matches!(e, Event::Incoming(Packet::ConnAck(_))).then_some(())).await;
        client
    }
}

pub struct Client {
    pub client: AsyncClient,
    events: EventLoop,
}

/// A body with its topic.
pub type Received = (String, Vec<u8>);

impl Client {
    pub async fn wait<T>(&mut self, what: &str, mut found: impl FnMut(&Event) -> Option<T>) -> T {
        let search = async {
            loop {
                let event = self.events.poll().await.unwrap_or_else(|e| panic!("{what}: {e}"));
                if let Some(t) = found(&event) {
                    return t;
                }
            }
        };
        timeout(Duration::from_secs(15), search).await.unwrap_or_else(|_| panic!("{what}: not within 15 s"))
    }
    pub async fn subscribe(&mut self, filter: &str) {
        self.client.try_subscribe(filter, QoS::AtLeastOnce).unwrap();
        self.wait("SUBACK", |e| matches!(e, Event::Incoming(Packet::SubAck(_))).then_some(())).await;
    }
    /// Publishes and gives the broker's answer: whether it took it.
    pub async fn publish(&mut self, topic: &str, body: &[u8], retain: bool) -> bool {
        let options = PublishOptions::new(QoS::AtLeastOnce).retain(retain);
        self.client.try_publish(topic, body.to_vec(), options).unwrap();
        let reason = self
            .wait("PUBACK", |e| match e {
                Event::Incoming(Packet::PubAck(ack)) => Some(ack.reason),
                _ => None,
            })
            .await;
        reason == rumqttc::PubAckReason::Success || reason == rumqttc::PubAckReason::NoMatchingSubscribers
    }
    pub async fn next(&mut self, what: &str) -> Received {
        self.wait(what, received).await
    }
    /// What comes within `ms`; a lost connection is a failure.
    pub async fn listen(&mut self, ms: u64) -> Vec<Received> {
        let mut got = Vec::new();
        let until = tokio::time::Instant::now() + Duration::from_millis(ms);
        while let Ok(event) = tokio::time::timeout_at(until, self.events.poll()).await {
            got.extend(received(&event.unwrap()));
        }
        got
    }
}

fn received(event: &Event) -> Option<Received> {
    match event {
        Event::Incoming(Packet::Publish(p)) => Some((String::from_utf8(p.topic.to_vec()).unwrap(), p.payload.to_vec())),
        _ => None,
    }
}

/// A way to the broker that can be cut: bytes stop, connections stay, as when a cable is pulled.
pub struct Way {
    pub address: String,
    open: tokio::sync::watch::Sender<bool>,
}

impl Way {
    pub async fn to(broker: &Broker) -> Self {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        // Little room, so that a cut is felt by whoever has much to say.
        socket.set_recv_buffer_size(4096).unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let listener = socket.listen(64).unwrap();
        let (address, to) = (listener.local_addr().unwrap().to_string(), broker.address());
        let open = tokio::sync::watch::Sender::new(true);
        let watch = open.subscribe();
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let (to, watch) = (to.clone(), watch.clone());
                tokio::spawn(async move {
                    let mut wait = watch.clone();
                    if wait.wait_for(|open| *open).await.is_err() {
                        return;
                    }
                    let Ok(far) = tokio::net::TcpStream::connect(to).await else { return };
                    let ((nr, nw), (fr, fw)) = (near.into_split(), far.into_split());
                    tokio::join!(carry(nr, fw, watch.clone()), carry(fr, nw, watch));
                });
            }
        });
        Self { address, open }
    }
    pub fn cut(&self, cut: bool) {
        self.open.send_replace(!cut);
    }
}

async fn carry(
    mut from: tokio::net::tcp::OwnedReadHalf,
    mut to: tokio::net::tcp::OwnedWriteHalf,
    mut open: tokio::sync::watch::Receiver<bool>,
) {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let mut bytes = [0; 4096];
    while open.wait_for(|open| *open).await.is_ok() {
        let n = from.read(&mut bytes).await.unwrap_or(0);
        if n == 0 || open.wait_for(|open| *open).await.is_err() || to.write_all(&bytes[..n]).await.is_err() {
            return;
        }
    }
}

/// A bus of its own, open to this user.
pub struct Bus {
    pub address: String,
    _process: Process,
    _dir: Dir,
}

impl Bus {
    pub fn start(name: &str) -> Self {
        let dir = Dir::new(&format!("{name}-bus"));
        let conf = dir.path().join("bus.conf");
        let socket = dir.path().join("socket");
        std::fs::write(
            &conf,
            format!(
                "<busconfig><type>system</type><listen>unix:path={}</listen><auth>EXTERNAL</auth><policy context=\"default\">\
                 <allow user=\"*\"/><allow own=\"*\"/><allow send_type=\"method_call\"/><allow send_type=\"signal\"/>\
                 <allow send_requested_reply=\"true\"/><allow receive_type=\"method_call\"/><allow receive_type=\"signal\"/>\
                 <allow receive_type=\"method_return\"/><allow receive_type=\"error\"/></policy></busconfig>",
                socket.display()
            ),
        )
        .unwrap();
        let arg = format!("--config-file={}", conf.display());
        let child = tied("dbus-daemon").arg(arg).arg("--nofork").stdout(Stdio::null()).spawn();
        let process = Process(child.expect("dbus-daemon is installed"));
        let until = Instant::now() + Duration::from_secs(10);
        while std::os::unix::net::UnixStream::connect(&socket).is_err() {
            assert!(Instant::now() < until, "dbus-daemon does not listen");
            std::thread::sleep(Duration::from_millis(20));
        }
        Self { address: format!("unix:path={}", socket.display()), _process: process, _dir: dir }
    }
}
