//! A user-space forwarder of UDP between a peer and its relay: it loses some packets or all, by a seed, and counts what passes.
use std::collections::HashMap;
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

/// One leg.
#[derive(Clone)]
pub struct Forwarder {
    pub port: u16,
    line: Arc<Line>,
}

#[derive(Default)]
struct Line {
    cut: AtomicBool,
    permille: AtomicU64,
    seed: Mutex<u64>,
    /// Bytes of RTP in channels to the relay.
    media_up: AtomicU64,
}

impl Line {
    fn loses(&self) -> bool {
        let mut s = self.seed.lock().unwrap();
        *s ^= *s << 13;
        *s ^= *s >> 7;
        *s ^= *s << 17;
        self.cut.load(Ordering::Relaxed) || *s % 1000 < self.permille.load(Ordering::Relaxed)
    }
}

impl Forwarder {
    /// Towards a relay on the loopback.
    pub fn to(relay_port: u16) -> Self {
        let front = Arc::new(UdpSocket::bind("127.0.0.1:0").unwrap());
        let port = front.local_addr().unwrap().port();
        let line = Arc::new(Line { seed: Mutex::new(0x2545_F491_4F6C_DD1D), ..Line::default() });
        let shared = line.clone();
        std::thread::spawn(move || {
            let line = shared;
            let mut behind: HashMap<SocketAddr, Arc<UdpSocket>> = HashMap::new();
            let mut packet = [0; 2048];
            while let Ok((n, from)) = front.recv_from(&mut packet) {
                let socket = behind.entry(from).or_insert_with(|| {
                    let socket = Arc::new(UdpSocket::bind("127.0.0.1:0").unwrap());
                    socket.connect(("127.0.0.1", relay_port)).unwrap();
                    let (front, back, line) = (front.clone(), socket.clone(), line.clone());
                    std::thread::spawn(move || {
                        let mut packet = [0; 2048];
                        while let Ok(n) = back.recv(&mut packet) {
                            if !line.loses() {
                                let _ = front.send_to(&packet[..n], from);
                            }
                        }
                    });
                    socket
                });
                if !line.loses() {
                    // ChannelData (RFC 8656, section 12.4) that holds RTP or RTCP (RFC 7983: 128 to 191), and not RTCP (RFC 5761: 192 to 223).
                    let media =
                        packet[0] & 0xC0 == 0x40 && n > 5 && packet[4] & 0xC0 == 0x80 && !(192..=223).contains(&packet[5]);
                    line.media_up.fetch_add(u64::from(media) * n as u64, Ordering::Relaxed);
                    let _ = socket.send(&packet[..n]);
                }
            }
        });
        Self { port, line }
    }

    /// As a relay's address.
    pub fn url(&self) -> String {
        format!("turn:127.0.0.1:{}?transport=udp", self.port)
    }

    /// Nothing passes, either way, while `true`.
    pub fn cut(&self, cut: bool) {
        self.line.cut.store(cut, Ordering::Relaxed);
    }

    /// Loses so many of a thousand, each way.
    pub fn lose(&self, permille: u64) {
        self.line.permille.store(permille, Ordering::Relaxed);
    }

    /// Bytes of RTP that passed to the relay in channels.
    pub fn media_up(&self) -> u64 {
        self.line.media_up.load(Ordering::Relaxed)
    }
}
