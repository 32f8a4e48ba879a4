//! Owns: the visitor's page over HTTPS: three files and one websocket, with headers that let it do only what it must.
//! Never: a cookie, a log of who came, a file from the disk.
//! Called by: main, tests.

use crate::desk::Wrong;
use crate::limits::Allowance;
use crate::office::{FromPage, now};
use crate::page::{MAX, Said, Says};
use axum::Router;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderName, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum_server::tls_rustls::RustlsConfig;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::net::TcpListener;
use std::path::Path as File;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

/// Nothing from elsewhere, nothing inline, no frame around it.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; media-src 'self' blob: mediastream:; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'";

/// What every answer carries.
const HEADERS: [(HeaderName, &str); 7] = [
    (header::CONTENT_SECURITY_POLICY, POLICY),
    (header::CACHE_CONTROL, "no-store"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::STRICT_TRANSPORT_SECURITY, "max-age=31536000"),
    (HeaderName::from_static("permissions-policy"), "camera=(self), microphone=(self), screen-wake-lock=(self), geolocation=()"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
];

type ToOffice = mpsc::Sender<FromPage>;

/// How often a page is asked whether it is there, and how long it may say nothing at all.
const PING: Duration = Duration::from_secs(2);
const SILENCE: Duration = Duration::from_secs(9);
/// How long a page may take to read one message.
const SEND: Duration = Duration::from_secs(5);
/// Messages that a page may send at once, and a second: an answer with its candidates comes at once, a statement each second.
const BURST: u32 = 150;
const PER_S: f64 = 20.0;
/// Most bytes of what a window calls itself.
const MAX_TAB: usize = 32;

#[derive(Clone)]
struct Shared {
    office: ToOffice,
    /// Number of the next websocket.
    next: Arc<AtomicU64>,
}

/// TLS 1.3 with the site's certificate.
///
/// # Errors
/// The PEM files.
pub fn tls(cert: &File, key: &File) -> Result<RustlsConfig, Wrong> {
    let named = |file: &File, e: rustls::pki_types::pem::Error| format!("{}: {e}: provision the site again", file.display());
    let chain: Result<Vec<_>, _> = CertificateDer::pem_file_iter(cert).and_then(Iterator::collect);
    let chain = chain.map_err(|e| named(cert, e))?;
    let key = PrivateKeyDer::from_pem_file(key).map_err(|e| named(key, e))?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(RustlsConfig::from_config(Arc::new(config)))
}

/// Serves until the process ends.
///
/// # Errors
/// The listener.
pub async fn serve(listener: TcpListener, tls: RustlsConfig, office: ToOffice) -> Result<(), Wrong> {
    let routes = Router::new()
        .route("/v/{token}", get(page))
        .route("/v/{token}/socket", get(socket))
        .route("/visit.js", get(|| file("text/javascript; charset=utf-8", include_str!("../page/visit.js"))))
        .route("/media.js", get(|| file("text/javascript; charset=utf-8", include_str!("../page/media.js"))))
        .route("/identity.js", get(|| file("text/javascript; charset=utf-8", include_str!("../page/identity.js"))))
        .route("/code.js", get(|| file("text/javascript; charset=utf-8", include_str!("../page/code.js"))))
        .route("/ends.js", get(|| file("text/javascript; charset=utf-8", include_str!("../page/ends.js"))))
        .route("/words.js", get(|| file("text/javascript; charset=utf-8", include_str!("../page/words.js"))))
        .route("/lang/en.js", get(|| file("text/javascript; charset=utf-8", include_str!("../page/lang/en.js"))))
        .route("/lang/fr.js", get(|| file("text/javascript; charset=utf-8", include_str!("../page/lang/fr.js"))))
        .route("/style.css", get(|| file("text/css; charset=utf-8", include_str!("../page/style.css"))))
        .fallback(|| async { (StatusCode::NOT_FOUND, HEADERS, NO_LINK) })
        .with_state(Shared { office, next: Arc::new(AtomicU64::new(1)) });
    listener.set_nonblocking(true)?;
    axum_server::from_tcp_rustls(listener, tls)?.serve(routes.into_make_service()).await?;
    Ok(())
}

const NO_LINK: &str = "This link does not work any more. Please ask for a new one.";

async fn file(kind: &'static str, text: &'static str) -> Response {
    ([(header::CONTENT_TYPE, kind)], HEADERS, text).into_response()
}

async fn page(Path(token): Path<String>, State(shared): State<Shared>) -> Response {
    if !known(&shared.office, &token).await {
        return (StatusCode::NOT_FOUND, HEADERS, NO_LINK).into_response();
    }
    file("text/html; charset=utf-8", include_str!("../page/index.html")).await
}

async fn known(office: &ToOffice, token: &str) -> bool {
    let (answer, known) = oneshot::channel();
    let asked = office.send(FromPage::Known { token: token.to_owned(), answer }).await;
    asked.is_ok() && known.await.unwrap_or(false)
}

async fn socket(
    Path(token): Path<String>,
    State(shared): State<Shared>,
    uri: Uri,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Response {
    let tab = uri.query().and_then(|q| q.strip_prefix("tab=")).unwrap_or_default().to_owned();
    let plain = !tab.is_empty() && tab.len() <= MAX_TAB && tab.bytes().all(|b| b.is_ascii_hexdigit());
    if !plain || !same_origin(&headers) || !known(&shared.office, &token).await {
        return (StatusCode::FORBIDDEN, HEADERS, NO_LINK).into_response();
    }
    let page = shared.next.fetch_add(1, Ordering::Relaxed);
    let upgrade = upgrade.max_message_size(MAX).max_frame_size(MAX).max_write_buffer_size(8 * MAX);
    upgrade.on_upgrade(move |socket| async move {
        let office = shared.office;
        let (to, says) = mpsc::channel(128);
        if office.send(FromPage::Opened { token, page, tab, to }).await.is_ok() {
            if let Err(why) = pump(socket, page, says, &office).await {
                let _ = office.send(FromPage::Hostile { why }).await;
            }
            let _ = office.send(FromPage::Closed { page }).await;
        }
    })
}

/// Another site's page that learned the link may not use it from a visitor's browser.
fn same_origin(headers: &HeaderMap) -> bool {
    let text = |name| headers.get(name).and_then(|v| v.to_str().ok());
    match (text(header::ORIGIN), text(header::HOST)) {
        (Some(origin), Some(host)) => origin.strip_prefix("https://") == Some(host),
        _ => false,
    }
}

/// Carries messages until either end is gone. A page that says what no page says is closed, and told nothing.
async fn pump(mut socket: WebSocket, page: u64, mut says: mpsc::Receiver<Says>, office: &ToOffice) -> Result<(), String> {
    let mut allowance = Allowance::new(BURST, PER_S);
    let mut ping = tokio::time::interval(PING);
    let mut heard = Instant::now();
    loop {
        tokio::select! {
            message = socket.recv() => {
                let message = match message {
                    None => return Ok(()),
                    Some(Ok(message)) => message,
                    // An oversized message, or a connection that broke: both end here.
                    Some(Err(e)) => return if e.to_string().contains("too long") { Err(e.to_string()) } else { Ok(()) },
                };
                heard = Instant::now();
                if !allowance.take(now().mono_ms) {
                    return Err(format!("more than {PER_S} messages a second"));
                }
                match message {
                    Message::Text(text) => {
                        let said = Said::read(&text)?;
                        if office.send(FromPage::Said { page, said }).await.is_err() { return Ok(()) }
                    }
                    Message::Binary(_) => return Err("bytes, where text is spoken".to_owned()),
                    Message::Close(_) => return Ok(()),
                    Message::Ping(_) | Message::Pong(_) => {}
                }
            }
            said = says.recv() => {
                // None: another window of the same link took its place.
                let Some(said) = said else { return Ok(()) };
                let Ok(text) = serde_json::to_string(&said) else { continue };
                if !send(&mut socket, Message::Text(text.into())).await { return Ok(()) }
            }
            _ = ping.tick() => {
                if heard.elapsed() > SILENCE || !send(&mut socket, Message::Ping(Vec::new().into())).await { return Ok(()) }
            }
        }
    }
}

async fn send(socket: &mut WebSocket, message: Message) -> bool {
    tokio::time::timeout(SEND, socket.send(message)).await.is_ok_and(|sent| sent.is_ok())
}

#[cfg(test)]
mod tests {
    use super::same_origin;
    use axum::http::{HeaderMap, HeaderValue, header};

    #[test]
    fn only_our_own_page_opens_the_socket() {
        let headers = |origin: Option<&'static str>| {
            let mut h = HeaderMap::new();
            h.insert(header::HOST, HeaderValue::from_static("visit.example:8443"));
            origin.map(|o| h.insert(header::ORIGIN, HeaderValue::from_static(o)));
            h
        };
        assert!(same_origin(&headers(Some("https://visit.example:8443"))));
        for bad in
            [None, Some("null"), Some("http://visit.example:8443"), Some("https://visit.example"), Some("https://evil.example")]
        {
            assert!(!same_origin(&headers(bad)), "{bad:?}");
        }
    }
}
