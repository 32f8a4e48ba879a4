//! Owns: the TLS in front of the device interface: who is at the other end, and connections that end without an answer.
//! Never: decides whether a box may.
//! Called by: ddi.

use super::Tell;
use crate::desk::Wrong;
use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use serde_json::json;
use std::io;
use std::path::Path;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// How long a handshake may take, and how many go on at once.
const HANDSHAKE: Duration = Duration::from_secs(10);
const MAX_HANDSHAKES: usize = 32;

/// TLS 1.3 with the site's certificate. A box may come without a certificate (it is told 401), not with one that is expired or another authority's.
///
/// # Errors
/// The PEM files.
pub fn config(cert: &Path, key: &Path, clients: &Path) -> Result<Arc<ServerConfig>, Wrong> {
    let named = |file: &Path, e: &dyn std::fmt::Display| format!("{}: {e}: provision the site again", file.display());
    let mut roots = RootCertStore::empty();
    for root in chain(clients)? {
        roots.add(root).map_err(|e| named(clients, &e))?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
    let verifier = verifier.allow_unauthenticated().build().map_err(|e| named(clients, &e))?;
    let secret = PrivateKeyDer::from_pem_file(key).map_err(|e| named(key, &e))?;
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain(cert)?, secret)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    // Each connection shows its certificate: one that expired since the last is seen.
    config.send_tls13_tickets = 0;
    Ok(Arc::new(config))
}

/// The certificates of a PEM file.
///
/// # Errors
/// It cannot be read.
pub fn chain(file: &Path) -> Result<Vec<CertificateDer<'static>>, Wrong> {
    let read: Result<Vec<_>, _> = CertificateDer::pem_file_iter(file).and_then(Iterator::collect);
    read.map_err(|e| format!("{}: {e}: provision the site again", file.display()).into())
}

/// Whoever is at the other end of a connection.
#[derive(Clone, Debug)]
pub struct Peer {
    /// Theirs, verified; none if they showed none.
    pub certificate: Option<CertificateDer<'static>>,
    cut: Arc<AtomicBool>,
}

impl Peer {
    /// The connection ends before another byte is written.
    pub fn cut(&self) {
        self.cut.store(true, Ordering::Relaxed);
    }
}

/// What can be changed while connections come in.
#[derive(Clone)]
pub struct Frame {
    config: Arc<Mutex<Arc<ServerConfig>>>,
    epoch: Arc<AtomicU64>,
}

impl Frame {
    /// Of these keys.
    #[must_use]
    pub fn new(config: Arc<ServerConfig>) -> Self {
        Self { config: Arc::new(Mutex::new(config)), epoch: Arc::default() }
    }

    /// Other keys for every connection from now on; those that stand end at their next byte.
    pub fn set(&self, config: Arc<ServerConfig>) {
        *self.config.lock().unwrap_or_else(PoisonError::into_inner) = config;
        self.epoch.fetch_add(1, Ordering::Relaxed);
    }

    fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.config.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Connections with their handshake behind them.
pub struct Door {
    ready: mpsc::Receiver<(Connection, Peer)>,
}

impl Door {
    /// Takes connections from now on.
    #[must_use]
    pub fn open(listener: TcpListener, frame: Frame, tell: Tell) -> Self {
        let (to, ready) = mpsc::channel(16);
        tokio::spawn(async move {
            let room = Arc::new(Semaphore::new(MAX_HANDSHAKES));
            while let Ok(place) = Arc::clone(&room).acquire_owned().await {
                let Ok((tcp, _)) = listener.accept().await else {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                };
                if to.is_closed() {
                    return;
                }
                let (to, frame, tell) = (to.clone(), frame.clone(), Arc::clone(&tell));
                tokio::spawn(async move {
                    let _place = place;
                    match tokio::time::timeout(HANDSHAKE, shake(tcp, &frame)).await {
                        Ok(Ok(ready)) => drop(to.send(ready).await),
                        Ok(Err(e)) => {
                            tell(json!({"event": "ddi-refused", "status": null, "path": null, "why": format!("TLS: {e}")}))
                        }
                        Err(_) => tell(
                            json!({"event": "ddi-refused", "status": null, "path": null, "why": "TLS: no end of the handshake"}),
                        ),
                    }
                });
            }
        });
        Self { ready }
    }
}

async fn shake(tcp: TcpStream, frame: &Frame) -> io::Result<(Connection, Peer)> {
    tcp.set_nodelay(true)?;
    let (born, tls) = (frame.epoch.load(Ordering::Relaxed), TlsAcceptor::from(frame.config()).accept(tcp).await?);
    let certificate = tls.get_ref().1.peer_certificates().and_then(|chain| chain.first()).cloned();
    let cut = Arc::new(AtomicBool::new(false));
    let peer = Peer { certificate: certificate.map(CertificateDer::into_owned), cut: Arc::clone(&cut) };
    Ok((Connection { tls, cut, born, epoch: Arc::clone(&frame.epoch) }, peer))
}

impl Listener for Door {
    type Io = Connection;
    type Addr = Peer;

    async fn accept(&mut self) -> (Connection, Peer) {
        match self.ready.recv().await {
            Some(ready) => ready,
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<Peer> {
        Ok(Peer { certificate: None, cut: Arc::default() })
    }
}

impl Connected<IncomingStream<'_, Door>> for Peer {
    fn connect_info(stream: IncomingStream<'_, Door>) -> Self {
        stream.remote_addr().clone()
    }
}

/// A TLS connection that can be made to break.
pub struct Connection {
    tls: TlsStream<TcpStream>,
    cut: Arc<AtomicBool>,
    born: u64,
    epoch: Arc<AtomicU64>,
}

impl Connection {
    fn whole(&mut self) -> io::Result<Pin<&mut TlsStream<TcpStream>>> {
        if self.cut.load(Ordering::Relaxed) || self.born != self.epoch.load(Ordering::Relaxed) {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        Ok(Pin::new(&mut self.tls))
    }
}

impl AsyncRead for Connection {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.whole() {
            Ok(tls) => tls.poll_read(cx, buf),
            Err(e) => Poll::Ready(Err(e)),
        }
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.whole() {
            Ok(tls) => tls.poll_write(cx, buf),
            Err(e) => Poll::Ready(Err(e)),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.whole() {
            Ok(tls) => tls.poll_flush(cx),
            Err(e) => Poll::Ready(Err(e)),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.whole() {
            Ok(tls) => tls.poll_shutdown(cx),
            // Without a word: a TLS end would be an answer of a kind.
            Err(_) => Poll::Ready(Ok(())),
        }
    }
}
