//! Owns: the connection to the update server: HTTP/1.1 over mutual TLS 1.3, one connection for each request, everything bounded.
//! Never: another host than the one it was given, a redirect, a proxy, a name server.
//! Called by: run, download.

use crate::ddi::MAX_BODY;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::{ACCEPT, CONTENT_LENGTH, CONTENT_TYPE, HOST, RANGE, RETRY_AFTER};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use parloir_tls::Identity;
use rustls::pki_types::ServerName;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

/// Longest wait for TCP.
const CONNECT: Duration = Duration::from_secs(10);
/// Longest wait for TLS.
const HANDSHAKE: Duration = Duration::from_secs(20);
/// Longest wait for an answer, and for the next part of a body.
pub const ANSWER: Duration = Duration::from_secs(30);
/// Bounds of a server's `Retry-After`.
const RETRY: (u64, u64) = (1, 3600);

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// TCP does not come to be: nothing was sent.
    #[error("{0}")]
    Unreachable(String),
    /// TCP did, TLS did not: nothing was sent.
    #[error("{0}")]
    Handshake(String),
    /// It was sent, perhaps, and no answer came.
    #[error("{0}")]
    Lost(String),
    /// An answer, and not one of success.
    #[error("HTTP status {status}")]
    Status {
        /** Of HTTP. */
        status: u16,
        /** The server's wish, seconds. */
        retry_after: Option<u64>,
    },
    /// An answer that is not what the API says.
    #[error("an answer of another form: {0}")]
    Form(String),
}

impl Trouble {
    /// How long the server wants to be left alone.
    #[must_use]
    pub const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Status { retry_after: Some(seconds), .. } => Some(Duration::from_secs(*seconds)),
            _ => None,
        }
    }
    /// Whether the thing asked for is not there (any more).
    #[must_use]
    pub const fn is_gone(&self) -> bool {
        matches!(self, Self::Status { status: 404 | 410, .. })
    }
    /// Whether it is the server's own weakness, or the network's.
    #[must_use]
    pub const fn is_outage(&self) -> bool {
        match self {
            Self::Unreachable(_) => true,
            Self::Status { status, .. } => *status == 429 || *status >= 500,
            Self::Handshake(_) | Self::Lost(_) | Self::Form(_) => false,
        }
    }
}

/// The server, and who we are to it.
#[derive(Clone)]
pub struct Client {
    server: String,
    name: ServerName<'static>,
    tls: TlsConnector,
    root: String,
}

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
pub enum Unready {
    /// Our certificate, or whom we believe.
    #[error(transparent)]
    Identity(#[from] parloir_tls::Unready),
    /// Not `HOST:PORT`.
    #[error("update server `{0}` is not HOST:PORT: look at PARLOIR_UPDATES in box.env [org.parloir.Error.UpdateServer]")]
    Address(String),
}

impl Client {
    /// For this server.
    ///
    /// # Errors
    /// See [`Unready`].
    pub fn new(server: &str, tenant: &str, controller: &str, identity: &Identity) -> Result<Self, Unready> {
        let no = || Unready::Address(server.to_owned());
        let (host, port) = server.rsplit_once(':').ok_or_else(no)?;
        port.parse::<u16>().map_err(|_| no())?;
        let bare = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host);
        let name = ServerName::try_from(bare.to_owned()).map_err(|_| no())?;
        let tls = TlsConnector::from(parloir_tls::client(identity)?);
        Ok(Self { server: server.to_owned(), name, tls, root: format!("/{tenant}/controller/v1/{controller}") })
    }

    /// A path below the controller's own.
    #[must_use]
    pub fn path(&self, rest: &str) -> String {
        format!("{}{rest}", self.root)
    }

    /// Reads JSON.
    ///
    /// # Errors
    /// [`Trouble`].
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Trouble> {
        let answer = self.send(Method::GET, path, None, Bytes::new()).await?;
        let body = Limited::new(answer.into_body(), MAX_BODY).collect();
        let body = timeout(ANSWER, body).await.map_err(|_| Trouble::Lost("the body did not come in time".to_owned()))?;
        let bytes = body.map_err(|e| Trouble::Lost(e.to_string()))?.to_bytes();
        serde_json::from_slice(&bytes).map_err(|e| Trouble::Form(e.to_string()))
    }

    /// Writes JSON.
    ///
    /// # Errors
    /// [`Trouble`].
    pub async fn write<T: Serialize + Sync>(&self, method: Method, path: &str, body: &T) -> Result<(), Trouble> {
        let bytes = serde_json::to_vec(body).map_err(|e| Trouble::Form(e.to_string()))?;
        self.send(method, path, None, bytes.into()).await.map(drop)
    }

    /// Asks for a file from that byte on; the answer's status is 200 or 206.
    ///
    /// # Errors
    /// [`Trouble`].
    pub async fn file(&self, path: &str, from: u64) -> Result<Response<Incoming>, Trouble> {
        self.send(Method::GET, path, (from > 0).then_some(from), Bytes::new()).await
    }

    async fn send(&self, method: Method, path: &str, from: Option<u64>, body: Bytes) -> Result<Response<Incoming>, Trouble> {
        let mut request = Request::builder().method(method).uri(path).header(HOST, &self.server);
        if !body.is_empty() {
            request = request.header(CONTENT_TYPE, "application/json").header(CONTENT_LENGTH, body.len());
        }
        request = match from {
            Some(from) => request.header(RANGE, format!("bytes={from}-")),
            None => request.header(ACCEPT, "application/json, application/hal+json, */*"),
        };
        let request = request.body(Full::new(body)).map_err(|e| Trouble::Form(e.to_string()))?;
        let lost = |e: hyper::Error| Trouble::Lost(said(&e));
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(self.connect().await?)).await.map_err(lost)?;
        // It ends with the body, or when the answer is dropped.
        tokio::spawn(async move { drop(connection.await) });
        let answer = timeout(ANSWER, sender.send_request(request)).await;
        let answer = answer.map_err(|_| Trouble::Lost("no answer in time".to_owned()))?.map_err(lost)?;
        if matches!(answer.status(), StatusCode::PARTIAL_CONTENT) || answer.status().is_success() {
            return Ok(answer);
        }
        let wish = answer.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
        Err(Trouble::Status { status: answer.status().as_u16(), retry_after: wish.map(|s| s.clamp(RETRY.0, RETRY.1)) })
    }

    async fn connect(&self) -> Result<tokio_rustls::client::TlsStream<TcpStream>, Trouble> {
        let tcp = timeout(CONNECT, TcpStream::connect(&self.server)).await;
        let tcp = tcp.map_err(|_| Trouble::Unreachable("no answer to the connection".to_owned()))?;
        let tcp = tcp.map_err(|e| Trouble::Unreachable(e.to_string()))?;
        let tls = timeout(HANDSHAKE, self.tls.connect(self.name.clone(), tcp)).await;
        let tls = tls.map_err(|_| Trouble::Handshake("TLS: no answer in time".to_owned()))?;
        tls.map_err(|e| Trouble::Handshake(format!("TLS: {e}")))
    }
}

/// hyper's own words leave out the cause, which here is often an alert of TLS.
fn said(error: &hyper::Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    text
}

/// For tests that look at a connection from the outside.
impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Client({})", self.server)
    }
}
