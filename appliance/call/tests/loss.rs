//! Two packets in a hundred lost each way on our leg to the relay, by a seeded forwarder: retransmission keeps the picture moving.
mod support;

use parloir_wire::lease::{Fact, Relay as PlanRelay, ToCall};
use std::collections::HashMap;
use std::net::{SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use support::{Browser, Call, Relay, alone};

/// Forwards UDP to the relay and loses `permille` of it; answers its own port.
fn lossy(relay_port: u16, permille: u64) -> u16 {
    let front = Arc::new(UdpSocket::bind("127.0.0.1:0").unwrap());
    let port = front.local_addr().unwrap().port();
    let seed = Arc::new(Mutex::new(0x2545_F491_4F6C_DD1D_u64));
    let lost = move || {
        let mut s = seed.lock().unwrap();
        *s ^= *s << 13;
        *s ^= *s >> 7;
        *s ^= *s << 17;
        *s % 1000 < permille
    };
    std::thread::spawn(move || {
        let mut behind: HashMap<SocketAddr, Arc<UdpSocket>> = HashMap::new();
        let mut packet = [0; 2048];
        while let Ok((n, from)) = front.recv_from(&mut packet) {
            let socket = behind.entry(from).or_insert_with(|| {
                let socket = Arc::new(UdpSocket::bind("127.0.0.1:0").unwrap());
                socket.connect(("127.0.0.1", relay_port)).unwrap();
                let (back, front, lost) = (socket.clone(), front.clone(), lost.clone());
                std::thread::spawn(move || {
                    let mut packet = [0; 2048];
                    while let Ok(n) = back.recv(&mut packet) {
                        if !lost() {
                            let _ = front.send_to(&packet[..n], from);
                        }
                    }
                });
                socket
            });
            if !lost() {
                let _ = socket.send(&packet[..n]);
            }
        }
    });
    port
}

#[test]
fn two_percent_of_loss_leaves_a_picture_that_moves_both_ways() {
    let _alone = alone();
    let relay = Relay::start();
    let mut browser = Browser::start();
    let password = browser.relay(&relay);
    let call = Call::start();
    call.wait_for("Ready", 10, |f| matches!(f, Fact::Ready { .. }));
    call.open_doors();
    let through =
        PlanRelay { url: format!("turn:127.0.0.1:{}?transport=udp", lossy(relay.port, 20)), ..relay.for_plan(&password) };
    call.order(&ToCall::Plan(Box::new(Call::plan(browser.prepare(), Some(through)))));
    browser.carry(&call, 15.0, || call.seen.lock().unwrap().far_frames > 0);
    browser.carry(&call, 3.0, || false);
    let look = || (browser.figures(), call.seen.lock().unwrap().far_frames);
    let (page, ours) = look();
    std::thread::sleep(Duration::from_secs(10));
    let (page_after, ours_after) = look();
    let theirs = page_after["decoded"].as_f64().unwrap() - page["decoded"].as_f64().unwrap();
    let here = ours_after - ours;
    eprintln!("in 10 s: page {theirs} frames, here {here}; {page_after}\n{:?}", call.seen.lock().unwrap().progress());
    // A third of the frame rate on any machine; without retransmission it is a tenth.
    assert!(theirs > 100.0 && here > 100, "the picture does not hold at 2 % loss");
}
