//! Owns: the connection to the broker: MQTT 5 over mutual TLS 1.3, nothing older, no name or password.
//! Never: a topic or a body.
//! Called by: [`crate::run`], the facility of the tests.

use crate::backoff;
use crate::session::NothingUnderWay;
pub use parloir_tls::{Identity, client as tls, client_by as tls_by};
use rumqttc::{MqttOptions, SessionMode, TlsConfiguration, Transport};
use rustls::ClientConfig;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tokio::net::{TcpSocket, TcpStream};

/// How long the broker keeps a session, seconds: a deny that is sent while a box is off the network reaches it within this time.
pub const SESSION_S: u32 = 600;
/// Keep-alive, seconds: a ping after as much silence, and the connection is given up when the next is due and the last was not answered.
/// The broker tells the others by the will after one and a half of it.
pub const KEEP_ALIVE_S: u16 = 3;
/// Longest time of one try to connect: TCP, TLS, MQTT's own greeting.
pub const CONNECT: Duration = Duration::from_secs(5);
/// An event loop that says nothing for so long hangs in a connection that takes no more bytes. Its pings are events too.
pub const STUCK: Duration = Duration::from_secs(2 * KEEP_ALIVE_S as u64 + 1);
/// Bytes that the kernel takes before we wait (it doubles them): what waits with us can still be superseded.
const SEND_BUFFER: u32 = 64 * 1024;
/// Bodies that the broker may send before we acknowledged the first.
pub const MAX_RECEIVE: u16 = 32;
/// Most bytes of a packet: the largest body with its topic and properties.
pub const MAX_PACKET: u32 = crate::topic::MAX_BODY as u32 + 1024;

/// Why there is no way to the broker.
#[derive(Debug, thiserror::Error)]
pub enum Unready {
    /// Not `HOST:PORT`.
    #[error("broker `{0}` is not HOST:PORT: see --help [org.parloir.Error.LinkAddress]")]
    Address(String),
}

/// The options of a client: a session that survives cuts of the network, and bounds on what may come.
///
/// # Errors
/// `broker` is not `HOST:PORT`.
pub fn options(client: &str, broker: &str, tls: Arc<ClientConfig>) -> Result<MqttOptions, Unready> {
    let split = broker.rsplit_once(':').and_then(|(host, port)| Some((host.to_owned(), port.parse::<u16>().ok()?)));
    let address = split.filter(|(host, _)| !host.is_empty()).ok_or_else(|| Unready::Address(broker.to_owned()))?;
    let mut options = MqttOptions::new(client, address);
    options
        .set_transport(Transport::tls_with_config(TlsConfiguration::Rustls(tls)))
        .set_keep_alive(KEEP_ALIVE_S)
        .set_connect_timeout(CONNECT)
        .set_max_packet_size(Some(MAX_PACKET))
        .set_receive_maximum(Some(MAX_RECEIVE))
        .set_session_mode(SessionMode::Persistent)
        .set_session_expiry_interval(Some(SESSION_S));
    NothingUnderWay::begin(&mut options);
    let tries = Arc::new(AtomicU32::new(0));
    options.set_socket_connector(move |address, _| dial(address, Arc::clone(&tries)));
    Ok(options)
}

/// One try to reach the broker by TCP. It is given up soon: during a cut of the network the kernel's next SYN may be seconds away.
async fn dial(address: String, tries: Arc<AtomicU32>) -> std::io::Result<TcpStream> {
    let patience = backoff::syn(tries.fetch_add(1, Ordering::Relaxed));
    let stream = tokio::time::timeout(patience, connect(address)).await??;
    tries.store(0, Ordering::Relaxed);
    Ok(stream)
}

async fn connect(address: String) -> std::io::Result<TcpStream> {
    let mut last = std::io::Error::from(std::io::ErrorKind::AddrNotAvailable);
    for address in tokio::net::lookup_host(address).await? {
        let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        socket.set_nodelay(true)?;
        socket.set_send_buffer_size(SEND_BUFFER)?;
        match socket.connect(address).await {
            Ok(stream) => return Ok(stream),
            Err(e) => last = e,
        }
    }
    Err(last)
}
