//! Owns: the update server of a site: hawkBit's device interface (DDI) for one box, over mutual TLS, with faults on order.
//! Never: a management interface, a place in an image, a bundle that it changed unasked.
//! Called by: main, the tests of the box's updater.

pub mod door;
pub mod download;
pub mod fault;
pub mod orders;
pub mod rollout;
pub mod says;
pub mod web;

use crate::desk::Wrong;
use crate::office;
use door::{Door, Frame, Peer};
use fault::{Fault, Faults, How, On};
use rollout::Rollout;
use rustls::pki_types::CertificateDer;
use serde_json::{Value, json};
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::task::JoinHandle;

/// Takes events.
pub type Tell = Arc<dyn Fn(Value) + Send + Sync>;

/// What a server is started with.
#[derive(Clone, Debug)]
pub struct Settings {
    /// hawkBit's tenant: the site.
    pub tenant: String,
    /// hawkBit's controller id: the device.
    pub controller: String,
    /// Our certificate and key, PEM.
    pub cert: PathBuf,
    /// Our key, PEM.
    pub key: PathBuf,
    /// The authority of client certificates, PEM.
    pub clients: PathBuf,
    /// The certificate of the box's updater, PEM. No other is that box.
    pub client: PathBuf,
    /// How often the box shall ask, `HH:MM:SS`.
    pub sleep: String,
    /// File for what a restart must not lose.
    pub state: Option<PathBuf>,
}

struct Inner {
    rollout: Rollout,
    faults: Faults,
    sleep: String,
}

/// What requests and orders meet at.
pub struct Desk {
    tenant: String,
    controller: String,
    client: CertificateDer<'static>,
    state: Option<PathBuf>,
    inner: Mutex<Inner>,
    tell: Tell,
}

impl Desk {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn with<T>(&self, read: impl FnOnce(&Inner) -> T) -> T {
        read(&self.lock())
    }

    /// Changes, and writes down before anybody is told.
    fn change<T>(&self, change: impl FnOnce(&mut Rollout) -> T) -> Result<T, String> {
        let mut inner = self.lock();
        let result = change(&mut inner.rollout);
        if let Some(path) = &self.state {
            let bytes = serde_json::to_vec(&inner.rollout).map_err(|e| e.to_string())?;
            office::write(path, &bytes)
                .map_err(|e| format!("{}: {e}: give --state a directory that can be written", path.display()))?;
        }
        Ok(result)
    }

    fn fault(&self, on: On) -> Option<How> {
        self.lock().faults.take(on)
    }

    fn add_fault(&self, fault: Fault) -> Result<(), String> {
        self.lock().faults.add(fault)
    }

    fn clear_faults(&self) {
        self.lock().faults.clear();
    }

    fn set_sleep(&self, sleep: String) {
        self.lock().sleep = sleep;
    }

    fn is_box(&self, certificate: &CertificateDer<'_>) -> bool {
        self.client == *certificate
    }

    fn tell(&self, event: Value) {
        (self.tell)(event);
    }

    fn teller(&self) -> &Tell {
        &self.tell
    }
}

/// A server that runs until it is dropped.
pub struct Server {
    desk: Arc<Desk>,
    frame: Frame,
    clients: PathBuf,
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    /// Serves from now on, on the runtime that this is called in. Events carry `unix` (seconds) and `controller` besides their own members.
    ///
    /// # Errors
    /// Keys, the state of the process before this one, the listener.
    pub fn start(
        listener: TcpListener,
        settings: Settings,
        print: impl Fn(&Value) + Send + Sync + 'static,
    ) -> Result<Self, Wrong> {
        let config = door::config(&settings.cert, &settings.key, &settings.clients)?;
        let client = door::chain(&settings.client)?
            .into_iter()
            .next()
            .ok_or_else(|| format!("{}: no certificate in it: provision the site again", settings.client.display()))?;
        let controller = settings.controller.clone();
        let tell: Tell = Arc::new(move |mut event: Value| {
            event["controller"] = json!(controller);
            event["unix"] = json!(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs());
            print(&event);
        });
        let rollout = settings.state.as_deref().map_or(Ok(Rollout::default()), kept)?;
        let desk = Arc::new(Desk {
            tenant: settings.tenant,
            controller: settings.controller,
            client,
            state: settings.state,
            inner: Mutex::new(Inner { rollout, faults: Faults::default(), sleep: settings.sleep }),
            tell: Arc::clone(&tell),
        });
        let address = listener.local_addr()?;
        listener.set_nonblocking(true)?;
        let frame = Frame::new(config);
        let door = Door::open(tokio::net::TcpListener::from_std(listener)?, frame.clone(), tell);
        let routes = web::routes(Arc::clone(&desk)).into_make_service_with_connect_info::<Peer>();
        let task = tokio::spawn(async move {
            let _ = axum::serve(door, routes).await;
        });
        let server = Self { desk, frame, clients: settings.clients, address, task };
        server.desk.tell(json!({"event": "ddi-ready", "url": server.url(), "address": address.to_string()}));
        Ok(server)
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The box's resource.
    #[must_use]
    pub fn url(&self) -> String {
        format!("https://{}/{}/controller/v1/{}", self.address, self.desk.tenant, self.desk.controller)
    }
}

fn kept(path: &std::path::Path) -> Result<Rollout, Wrong> {
    match std::fs::read(path) {
        Ok(bytes) => serde_json::from_slice(&bytes).map_err(|e| format!("{}: {e}: take the file away", path.display()).into()),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(Rollout::default()),
        Err(e) => Err(format!("{}: {e}", path.display()).into()),
    }
}
