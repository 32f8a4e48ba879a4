//! Owns: the visitor's page over HTTPS: three files and one websocket, with headers that let it do only what it must.
//! Never: a cookie, a log of who came, a file from the disk.
//! Called by: main, tests.

use crate::desk::Wrong;
use crate::office::FromPage;
use crate::page::{MAX, Said};
use axum::Router;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum_server::tls_rustls::RustlsConfig;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::net::TcpListener;
use std::path::Path as File;
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};

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
        .route("/style.css", get(|| file("text/css; charset=utf-8", include_str!("../page/style.css"))))
        .fallback(|| async { (StatusCode::NOT_FOUND, HEADERS, NO_LINK) })
        .with_state(office);
    listener.set_nonblocking(true)?;
    axum_server::from_tcp_rustls(listener, tls)?.serve(routes.into_make_service()).await?;
    Ok(())
}

const NO_LINK: &str = "This link does not work any more. Please ask for a new one.";

async fn file(kind: &'static str, text: &'static str) -> Response {
    ([(header::CONTENT_TYPE, kind)], HEADERS, text).into_response()
}

async fn page(Path(token): Path<String>, State(office): State<ToOffice>) -> Response {
    if !known(&office, &token).await {
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
    State(office): State<ToOffice>,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Response {
    if !same_origin(&headers) || !known(&office, &token).await {
        return (StatusCode::FORBIDDEN, HEADERS, NO_LINK).into_response();
    }
    upgrade.max_message_size(MAX).max_frame_size(MAX).on_upgrade(move |socket| pump(socket, token, office))
}

/// Another site's page that learned the link may not use it from a visitor's browser.
fn same_origin(headers: &HeaderMap) -> bool {
    let text = |name| headers.get(name).and_then(|v| v.to_str().ok());
    match (text(header::ORIGIN), text(header::HOST)) {
        (Some(origin), Some(host)) => origin.strip_prefix("https://") == Some(host),
        _ => false,
    }
}

async fn pump(mut socket: WebSocket, token: String, office: ToOffice) {
    let (to, mut says) = mpsc::channel(128);
    if office.send(FromPage::Opened { token: token.clone(), to }).await.is_err() {
        return;
    }
    loop {
        tokio::select! {
            message = socket.recv() => {
                let Some(Ok(message)) = message else { return };
                let Message::Text(text) = message else { continue };
                match serde_json::from_str::<Said>(&text) {
                    Ok(said) => if office.send(FromPage::Said { token: token.clone(), said }).await.is_err() { return },
                    Err(e) => tracing::warn!(error = %e, "a page says what no page says"),
                }
            }
            says = says.recv() => {
                // None: a newer page of the same link took its place.
                let Some(says) = says else { return };
                let Ok(text) = serde_json::to_string(&says) else { continue };
                if socket.send(Message::Text(text.into())).await.is_err() {
                    return;
                }
            }
        }
    }
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
