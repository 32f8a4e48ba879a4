//! Owns: the world of the update server's tests: a provisioned site, the server on a thread of its own, and a client that says anything.
//! Never: a mock of the server.
//! Called by: ddi.rs, ddi_faults.rs, ddi_process.rs.
#![allow(dead_code, reason = "each test file uses a part of it")]

use parloir_facility::ddi::orders::Order;
use parloir_facility::ddi::{Server, Settings};
use parloir_issuer::{Options, provision};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::mpsc::{Sender, channel};

/// Bytes of the bundle that is offered.
pub const SIZE: usize = 100_000;

/// Of a site with a relay, as every site has one.
pub fn options() -> Options {
    let now = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()).unwrap();
    Options { now, relays: vec!["turn:127.0.0.1:3478?transport=udp".to_owned()], ..Options::default() }
}

pub struct World {
    pub dir: PathBuf,
    pub address: SocketAddr,
    pub root: String,
    pub bundle: PathBuf,
    events: Mutex<mpsc::Receiver<Value>>,
    orders: Option<Sender<Order>>,
    thread: Option<std::thread::JoinHandle<()>>,
    settings: Settings,
}

pub struct Answer {
    pub status: u16,
    pub headers: BTreeMap<String, String>,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
    pub fn link(&self, rel: &str) -> Option<String> {
        let href = self.json()["_links"][rel]["href"].as_str()?.to_owned();
        Some(href)
    }
}

impl World {
    pub fn new(name: &str) -> Self {
        let dir = std::env::temp_dir().join(format!("parloir-updates-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&dir);
        let site = provision(&dir, &options()).unwrap();
        let bundle = dir.join("parloir-1.2.3.raucb");
        std::fs::write(&bundle, (0..SIZE).map(|i| (i * 31 % 251) as u8).collect::<Vec<u8>>()).unwrap();
        let file = |name: &str| dir.join("tls").join(name);
        let settings = Settings {
            tenant: site.site.to_string(),
            controller: site.device.to_string(),
            cert: file("https.pem"),
            key: file("https.key"),
            clients: file("ca.pem"),
            client: file("box.pem"),
            sleep: "00:00:30".to_owned(),
            state: Some(dir.join("updates.json")),
        };
        let (thread, address, events, orders) = start(settings.clone());
        let root = format!("/{}/controller/v1/{}", settings.tenant, settings.controller);
        let (events, orders, thread) = (Mutex::new(events), Some(orders), Some(thread));
        Self { dir, address, root, bundle, events, orders, thread, settings }
    }

    /// The process ends, and another begins with what it wrote down.
    pub fn restart(&mut self) {
        self.orders = None;
        self.thread.take().unwrap().join().unwrap();
        let (thread, address, events, orders) = start(self.settings.clone());
        (self.thread, self.address, self.events, self.orders) = (Some(thread), address, Mutex::new(events), Some(orders));
    }

    pub fn order(&self, order: Value) -> Value {
        let order = Order::read(&order.to_string()).expect("an order for updates").unwrap();
        self.orders.as_ref().unwrap().blocking_send(order).unwrap();
        self.until(|event| {
            let name = event["event"].as_str().unwrap_or_default();
            ["console", "ddi-offered", "ddi-cancelling", "ddi-actions"].contains(&name)
        })
    }

    pub fn offer(&self) -> u64 {
        self.order(json!({"do": "offer", "bundle": self.bundle, "version": "1.2.3"}))["action"].as_u64().unwrap()
    }

    pub fn until(&self, wanted: impl Fn(&Value) -> bool) -> Value {
        let events = self.events.lock().unwrap();
        loop {
            let event = events.recv_timeout(Duration::from_secs(20)).expect("an event that does not come");
            assert!(event["unix"].as_u64() > Some(1_700_000_000) && event["controller"] == self.settings.controller);
            if wanted(&event) {
                return event;
            }
        }
    }

    pub fn event(&self, name: &str) -> Value {
        self.until(|event| event["event"] == name)
    }

    /// As the box.
    pub fn get(&self, path: &str) -> Answer {
        self.say("GET", path, &[], b"").unwrap()
    }

    /// The box's resource.
    pub fn poll(&self) -> Answer {
        self.get("")
    }

    pub fn post(&self, path: &str, body: &Value) -> u16 {
        self.say("POST", path, &[("content-type", "application/json")], body.to_string().as_bytes()).unwrap().status
    }

    pub fn say(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> io::Result<Answer> {
        self.say_as(Some("box"), &self.dir, method, &format!("{}{path}", self.root), headers, body)
    }

    /// With the certificate of that name, of that site.
    pub fn say_as(
        &self,
        who: Option<&str>,
        of: &Path,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> io::Result<Answer> {
        let file = |name: &str, ending: &str| of.join(format!("tls/{name}.{ending}"));
        let own = who.map(|name| (file(name, "pem"), file(name, "key")));
        say_to(self.address, &self.dir.join("tls/ca.pem"), own, (method, path), headers, body)
    }
}

/// As whoever has this certificate and key, to whoever `ca` signed.
pub fn say_to(
    address: SocketAddr,
    ca: &Path,
    own: Option<(PathBuf, PathBuf)>,
    (method, path): (&str, &str),
    headers: &[(&str, &str)],
    body: &[u8],
) -> io::Result<Answer> {
    let mut tls = connect(address, ca, own)?;
    let mut head = format!("{method} {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n");
    headers.iter().for_each(|(name, value)| head += &format!("{name}: {value}\r\n"));
    head += &format!("content-length: {}\r\n\r\n", body.len());
    tls.write_all(head.as_bytes())?;
    tls.write_all(body)?;
    read(&mut tls)
}

fn connect(
    address: SocketAddr,
    ca: &Path,
    own: Option<(PathBuf, PathBuf)>,
) -> io::Result<StreamOwned<ClientConnection, TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(ca).unwrap()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    let config = match own {
        None => config.with_no_client_auth(),
        Some((cert, key)) => {
            let chain = vec![CertificateDer::from_pem_file(cert).unwrap()];
            config.with_client_auth_cert(chain, PrivateKeyDer::from_pem_file(key).unwrap()).unwrap()
        }
    };
    let connection = ClientConnection::new(Arc::new(config), ServerName::from(address.ip())).map_err(io::Error::other)?;
    let tcp = TcpStream::connect(address)?;
    tcp.set_read_timeout(Some(Duration::from_secs(10)))?;
    Ok(StreamOwned::new(connection, tcp))
}

impl Drop for World {
    fn drop(&mut self) {
        self.orders = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

type Started = (std::thread::JoinHandle<()>, SocketAddr, mpsc::Receiver<Value>, Sender<Order>);

fn start(settings: Settings) -> Started {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (tell, events) = mpsc::channel();
    let (orders, mut come) = channel::<Order>(4);
    let tell = Mutex::new(tell);
    let thread = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async move {
            let print = move |event: &Value| drop(tell.lock().unwrap().send(event.clone()));
            let server = Server::start(listener, settings, print).unwrap();
            while let Some(order) = come.recv().await {
                server.order(order).await;
            }
        });
    });
    (thread, address, events, orders)
}

/// An answer to its end; an error if the connection breaks before that.
fn read(tls: &mut StreamOwned<ClientConnection, TcpStream>) -> io::Result<Answer> {
    let mut all = Vec::new();
    let mut piece = [0; 16 * 1024];
    loop {
        if let Some(at) = all.windows(4).position(|w| w == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&all[..at]).into_owned();
            let status = head.split(' ').nth(1).and_then(|s| s.parse().ok()).ok_or_else(|| io::Error::other("no status"))?;
            let fields = head.lines().skip(1).filter_map(|l| l.split_once(':'));
            let headers: BTreeMap<_, _> = fields.map(|(n, v)| (n.to_lowercase(), v.trim().to_owned())).collect();
            let length: usize = headers.get("content-length").and_then(|v| v.parse().ok()).unwrap_or(0);
            let body = all.split_off(at + 4);
            if body.len() >= length {
                return Ok(Answer { status, headers, body });
            }
            all.extend(body);
        }
        match tls.read(&mut piece)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            n => all.extend_from_slice(&piece[..n]),
        }
    }
}

/// A feedback as a box makes it.
pub fn feedback(execution: &str, finished: &str, details: &[&str]) -> Value {
    json!({"status": {"execution": execution, "result": {"finished": finished}, "details": details}})
}
