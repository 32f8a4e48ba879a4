//! Owns: the world of the facility's tests: a provisioned site, a real mosquitto, the facility itself, and a box made of its keys.
//! Never: a mock of the facility.
//! Called by: the tests beside it.
#![allow(dead_code, reason = "each test file uses a part of it")]

pub mod far;

use parloir_issuer::{Options, Site, files, provision};
use parloir_link::broker::{self, Identity};
use parloir_link::topic::{Topics, Way, find};
use parloir_pass::receipt::Parcel;
use parloir_pass::{Ask, Bytes32, Class, Deny, Grant, Media, Receipt, Typ, VERSION};
use parloir_seal::{BoxKey, Clock, Keyring, UnsealKey, random, sealed};
use rumqttc::{AsyncClient, Event, Packet, PublishOptions, QoS, SessionMode};
use serde_json::Value;
use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::sync::mpsc;

pub struct Dir(PathBuf);

impl Dir {
    pub fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("parloir-facility-{name}-{}", std::process::id()));
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

pub struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A command that the kernel ends when this test's thread ends, also when the test is killed (prctl(2), PR_SET_PDEATHSIG).
fn tied(program: &str) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", program]);
    command
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

pub fn unix_s() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()).unwrap()
}

fn facility(command: &[String]) -> (Process, std::sync::mpsc::Receiver<Value>) {
    let mut child =
        tied(env!("CARGO_BIN_EXE_parloir-facility")).args(command).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let (tell, events) = std::sync::mpsc::channel();
    std::thread::spawn(move || lines.map_while(Result::ok).try_for_each(|l| tell.send(serde_json::from_str(&l).unwrap())));
    (Process(child), events)
}

pub struct World {
    pub url: String,
    links: Vec<String>,
    pub site: Site,
    broker: String,
    events: Mutex<std::sync::mpsc::Receiver<Value>>,
    command: Vec<String>,
    facility: Option<Process>,
    passed: Mutex<Vec<Value>>,
    _mosquitto: Process,
    pub dir: Dir,
}

impl World {
    pub async fn start(name: &str) -> Self {
        Self::start_with(name, &["--direct-candidates"]).await
    }

    pub async fn start_with(name: &str, flags: &[&str]) -> Self {
        Self::provisioned(name, flags, Options::default()).await
    }

    /// With a lawyer as the first contact.
    pub async fn of_a_lawyer(name: &str) -> Self {
        let options = Options { first: Some((Class::Lawyer, "Lawyer Silva".to_owned())), ..Options::default() };
        Self::provisioned(name, &["--direct-candidates"], options).await
    }

    async fn provisioned(name: &str, flags: &[&str], options: Options) -> Self {
        let dir = Dir::new(name);
        let at = dir.path();
        let relay = "turn:127.0.0.1:3478?transport=udp".to_owned();
        let options = Options { relays: vec![relay], now: unix_s(), ..options };
        let site = provision(at, &options).unwrap();
        let (mosquitto, port) = mosquitto(at, &site.site.to_string());
        std::fs::write(at.join("turn.secret"), "north\n").unwrap();
        let broker = format!("127.0.0.1:{port}");
        let mut command: Vec<String> =
            ["--dir", at.to_str().unwrap(), "--broker", &broker, "--turn", "127.0.0.1:3478"].map(str::to_owned).to_vec();
        command.extend(["--https".to_owned(), format!("127.0.0.1:{}", free_port())]);
        command.extend(["--turn-secret".to_owned(), at.join("turn.secret").to_str().unwrap().to_owned()]);
        command.extend(["--state".to_owned(), at.join("state").to_str().unwrap().to_owned()]);
        command.extend(flags.iter().map(|f| (*f).to_owned()));
        let (facility, events) = facility(&command);
        let mut world = Self {
            url: String::new(),
            links: Vec::new(),
            site,
            broker,
            command,
            events: Mutex::new(events),
            facility: Some(facility),
            passed: Mutex::default(),
            _mosquitto: mosquitto,
            dir,
        };
        for _ in 0..world.site.person.contacts.len() {
            let link = world.event("link").await["url"].as_str().unwrap().to_owned();
            world.links.push(link);
        }
        world.url = world.event("ready").await["visitor_url"].as_str().unwrap().to_owned();
        world
    }

    /// The link of a contact, by its place in the entitlement.
    pub fn link(&self, contact: usize) -> String {
        self.links[contact].clone()
    }

    /// The facility is killed, and after a while it is there again.
    pub async fn restart(&mut self, away: Duration) {
        self.facility = None;
        tokio::time::sleep(away).await;
        let (facility, events) = facility(&self.command);
        (self.facility, self.events) = (Some(facility), Mutex::new(events));
        assert_eq!(self.event("ready").await["visitor_url"].as_str(), Some(self.url.as_str()), "the link is the same");
    }

    /// The next event of that name; others pass.
    pub async fn event(&self, name: &str) -> Value {
        let until = Instant::now() + Duration::from_secs(20);
        loop {
            match self.events.lock().unwrap().try_recv() {
                Ok(value) if value["event"] == name => return value,
                Ok(value) => {
                    assert_ne!(value["event"], "refused", "while waiting for {name}: {value}");
                    self.passed.lock().unwrap().push(value);
                }
                Err(std::sync::mpsc::TryRecvError::Empty) => {}
                Err(e) => panic!("waiting for {name}: the facility ended: {e}"),
            }
            assert!(Instant::now() < until, "no event {name} within 20 s");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// An event of that name that passed while another was waited for.
    pub fn before(&self, name: &str) -> Value {
        let passed = self.passed.lock().unwrap();
        passed.iter().find(|value| value["event"] == name).unwrap_or_else(|| panic!("no {name} in {passed:?}")).clone()
    }

    /// A second of the clip is enough here.
    pub fn clips(&self) -> (PathBuf, PathBuf) {
        let (camera, microphone) = (self.dir.path().join("visitor.y4m"), self.dir.path().join("visitor.wav"));
        if !camera.exists() {
            parloir_clip::write_y4m_frames(&camera, parloir_clip::Flavour::Visitor, 30).unwrap();
            parloir_clip::write_wav(&microphone, parloir_clip::Flavour::Visitor).unwrap();
        }
        (camera, microphone)
    }

    fn box_key(&self) -> BoxKey {
        BoxKey::new(&files::read_32(&self.dir.path().join("box/ask.key")).unwrap())
    }

    fn unseal(&self) -> UnsealKey {
        UnsealKey::new(&files::read_32(&self.dir.path().join("box/unseal.key")).unwrap()).unwrap()
    }

    pub fn unix_s(&self) -> i64 {
        unix_s()
    }

    pub fn keyring(&self) -> Keyring {
        Keyring::open(&self.site.authority, &self.site.roots, &self.site.site, 0).unwrap()
    }

    /// A question about the first contact.
    pub fn ask(&self, certificate: Bytes32) -> Ask {
        Ask {
            v: VERSION,
            site: self.site.site,
            device: self.site.device,
            call: random::id().unwrap(),
            person: self.site.person.person,
            contact: self.site.person.contacts[0].id,
            class: self.site.person.contacts[0].class,
            media: Media::Video,
            nonce: random::id().unwrap(),
            gate_nonce: random::id().unwrap(),
            certificate,
            commitment: None,
            ring: None,
            regrant: None,
        }
    }

    pub fn sealed_ask(&self, ask: &Ask) -> Vec<u8> {
        let signed = self.box_key().sign_ask(ask).unwrap();
        let to = self.keyring().facility_seal();
        sealed::seal(Typ::Ask, &self.site.device, &to, signed.as_bytes()).unwrap()
    }

    pub fn sealed_receipt(&self, receipt: &Receipt) -> Vec<u8> {
        let signed = self.box_key().sign_receipt(receipt).unwrap();
        let parcel =
            Parcel { receipt: signed, visitor: receipt.visitor_statement.clone(), earlier: receipt.earlier_statements.clone() };
        let to = self.keyring().facility_seal();
        sealed::seal(Typ::Receipt, &self.site.device, &to, &serde_json::to_vec(&parcel).unwrap()).unwrap()
    }

    /// Opens a grant as the arbiter does: the seal, the key's role, the ticket that answers gate's nonce.
    pub fn open_grant(&self, body: &[u8], ask: &Ask) -> Grant {
        let plain = sealed::open(Typ::Grant, &self.site.device, &self.unseal(), body).unwrap();
        let keyring = self.keyring();
        let grant = keyring.grant(&plain, &self.site.device, Clock::Unix(unix_s())).unwrap();
        assert_eq!((grant.nonce, grant.call, grant.person, grant.contact), (ask.nonce, ask.call, ask.person, ask.contact));
        keyring.ticket(&grant.ticket, grant.class, Clock::Unix(unix_s())).unwrap();
        parloir_seal::ticket::check(&grant, ask).unwrap();
        grant
    }

    /// Opens what was sealed to the box.
    pub fn opened(&self, typ: Typ, body: &[u8]) -> Vec<u8> {
        sealed::open(typ, &self.site.device, &self.unseal(), body).unwrap()
    }

    pub fn open_deny(&self, body: &[u8]) -> Deny {
        self.keyring().deny(body, Clock::Unix(unix_s())).unwrap()
    }

    pub fn verify<D: parloir_pass::Document>(&self, body: &[u8]) -> D {
        self.keyring().verify(body, Clock::Unix(unix_s())).map(|(d, _)| d).unwrap()
    }

    /// A line at the console; needs `--console`.
    pub fn order(&mut self, line: &Value) {
        let stdin = self.facility.as_mut().and_then(|p| p.0.stdin.as_mut()).expect("a console");
        std::io::Write::write_all(stdin, format!("{line}\n").as_bytes()).unwrap();
    }

    /// What the broker answers to a client with this certificate and key.
    pub async fn knocks_at_the_broker(&self, cert: PathBuf, key: PathBuf) -> Result<(), String> {
        let identity = Identity { ca: self.dir.path().join("tls/ca.pem"), cert, key };
        let options = broker::options("box", &self.broker, broker::tls(&identity).unwrap()).unwrap();
        let (_client, mut events) = AsyncClient::builder(options).capacity(4).build();
        // TLS 1.3: the refusal of a client's certificate comes after the handshake, with the first read.
        match tokio::time::timeout(Duration::from_secs(10), events.poll()).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(e)) => Err(e.to_string()),
            Err(_) => Err("no answer".to_owned()),
        }
    }

    /// A box on the broker.
    pub async fn a_box(&self) -> Box_ {
        let file = |name: &str| self.dir.path().join("tls").join(name);
        let identity = Identity { ca: file("ca.pem"), cert: file("box.pem"), key: file("box.key") };
        let mut options = broker::options("box", &self.broker, broker::tls(&identity).unwrap()).unwrap();
        options.set_session_mode(SessionMode::Clean);
        let (client, mut events) = AsyncClient::builder(options).capacity(64).build();
        let topics = Topics::new(&self.site.site.0, &self.site.device.0);
        client.try_subscribe(topics.all(Way::Down), QoS::AtLeastOnce).unwrap();
        let (tell, got) = mpsc::channel(256);
        let own = topics.clone();
        let poller = tokio::spawn(async move {
            while let Ok(event) = events.poll().await {
                let Event::Incoming(Packet::Publish(p)) = event else { continue };
                let kind = own.kind(Way::Down, &p.topic).unwrap().name;
                if tell.send((kind.to_owned(), p.payload.to_vec())).await.is_err() {
                    return;
                }
            }
        });
        Box_ { client, topics, got, poller }
    }
}

/// A box's courier, without the box.
pub struct Box_ {
    client: AsyncClient,
    topics: Topics,
    got: mpsc::Receiver<(String, Vec<u8>)>,
    poller: tokio::task::JoinHandle<()>,
}

impl Drop for Box_ {
    fn drop(&mut self) {
        self.poller.abort();
    }
}

impl Box_ {
    pub async fn send(&self, kind: &str, body: &[u8]) {
        let topic = self.topics.of(find(Way::Up, kind).unwrap());
        self.client.publish(topic, body.to_vec(), PublishOptions::new(QoS::AtLeastOnce)).await.unwrap();
    }
    pub async fn next(&mut self) -> (String, Vec<u8>) {
        let next = tokio::time::timeout(Duration::from_secs(20), self.got.recv());
        next.await.expect("a body within 20 s").unwrap()
    }
    /// The next body of a kind; others pass.
    pub async fn wait(&mut self, kind: &str) -> Vec<u8> {
        loop {
            let (got, body) = self.next().await;
            if got == kind {
                return body;
            }
        }
    }
    pub async fn listen(&mut self, time: Duration) -> Vec<(String, Vec<u8>)> {
        let mut all = Vec::new();
        let until = tokio::time::Instant::now() + time;
        while let Ok(Some(one)) = tokio::time::timeout_at(until, self.got.recv()).await {
            all.push(one);
        }
        all
    }
}

fn mosquitto(at: &Path, site: &str) -> (Process, u16) {
    let port = free_port();
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../systemd/broker");
    let acl = std::fs::read_to_string(here.join("acl.in")).unwrap().replace("{site}", site);
    std::fs::write(at.join("acl"), acl).unwrap();
    let dir = at.to_str().unwrap();
    let mut conf = std::fs::read_to_string(here.join("mosquitto.conf.in")).unwrap();
    for (word, value) in [
        ("{user}", "root"),
        ("{broker-port}", &port.to_string()),
        ("{address}", "127.0.0.1"),
        ("{tls}", &format!("{dir}/tls")),
        ("{acl}", &format!("{dir}/acl")),
        ("{state}", dir),
    ] {
        conf = conf.replace(word, value);
    }
    let path = at.join("mosquitto.conf");
    std::fs::write(&path, conf).unwrap();
    let log = std::fs::File::create(at.join("broker.log")).unwrap();
    let child = tied("mosquitto").arg("-c").arg(path).stdout(Stdio::null()).stderr(log).spawn();
    let process = Process(child.expect("mosquitto is installed"));
    let until = Instant::now() + Duration::from_secs(10);
    while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(Instant::now() < until, "mosquitto: {}", std::fs::read_to_string(at.join("broker.log")).unwrap_or_default());
        std::thread::sleep(Duration::from_millis(20));
    }
    (process, port)
}
