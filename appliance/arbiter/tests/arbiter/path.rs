//! Owns: the path of a visit through the arbiter, as the screen, gate, call and the facility see it.
//! Never: the media (call's tests and the demo do).
//! Called by: cargo test.

use crate::cell::{Cell, error_name, next};
use crate::facility;
use crate::house::inside;
use parloir_bus::view::Phase;
use parloir_shell::{fds, memfd};
use parloir_wire::keys::Key;
use parloir_wire::lease::{Fact, Progress, ToCall};
use std::time::Duration;

#[test]
fn from_ok_to_the_receipt() {
    inside("path::from_ok_to_the_receipt", |house| async {
        let mut cell = Cell::ready(house).await;
        assert!(cell.view.clock_trusted && cell.view.online && cell.view.person == "João");
        let asked = cell.ask().await;
        let mut routes = std::mem::replace(&mut cell.courier.routes, cell.courier.proxy.receive_route().await.unwrap());
        let grant = cell.join(&asked).await;
        let call = grant.call.to_string();
        loop {
            let route = next(&mut routes).await;
            if route.args().unwrap().call() == &call {
                break;
            }
        }
        // Both channels reach call and their other ends are connected to it.
        let screen: std::os::fd::OwnedFd = cell.screen.frames().await.unwrap().into();
        let (message, ends) = asked.call.next().await;
        assert_eq!(message, ToCall::FrameEnd);
        fds::send(&ends[0], b"frame", &[]).unwrap();
        assert_eq!(fds::recv(&screen, 64, 1).unwrap().unwrap().bytes, b"frame");
        let link: std::os::fd::OwnedFd = cell.courier.proxy.signalling(&call).await.unwrap().into();
        let (message, ends) = asked.call.next().await;
        assert_eq!(message, ToCall::SignalEnd);
        fds::send(&link, b"answer", &[]).unwrap();
        assert_eq!(fds::recv(&ends[0], 64, 0).unwrap().unwrap().bytes, b"answer");

        cell.live(&asked).await;
        let view = cell.until("a second counted", |v| v.call.as_ref().is_some_and(|c| c.seconds_counted >= 1)).await;
        assert!(view.call.unwrap().camera);
        let p = Progress { at_ns: 1, frames_decoded: 42, width: 1280, height: 720, audio_level: -3000, ..Progress::default() };
        asked.call.say(&Fact::Progress(p));
        cell.house.logged("frames_decoded=42 width=1280 height=720 audio_level=-3000").await;

        cell.screen.end().await.unwrap();
        cell.gate.closed(grant.call.0).await;
        let (ended_id, ended) = cell.courier.next_of("ended").await;
        assert_eq!(String::from_utf8(ended).unwrap(), format!(r#"{{"v":1,"call":"{call}","reason":"PersonEnded"}}"#));
        cell.courier.proxy.sent(ended_id).await.unwrap();
        let last = cell.visitor.says(grant.call, 2, false, true);
        cell.courier.deliver("statement", &last).await.unwrap();
        let (_, body) = cell.courier.next_of("receipt").await;
        let (receipt, visitor) = facility::open_receipt(&cell.house.site, &body);
        assert_eq!((receipt.reason.as_str(), receipt.call, receipt.grant), ("PersonEnded", grant.call, Some(grant.grant)));
        assert_eq!(visitor.unwrap().into_bytes(), last);
        assert!(receipt.seconds_counted >= 1 && receipt.frames_decoded == 42 && receipt.ledger_head.0 != [0; 32]);
        let view = cell.phase(Phase::Ended).await;
        let outcome = view.outcome.unwrap();
        assert!(outcome.camera_shut && outcome.both_sides && outcome.receipt == receipt.receipt.to_string(), "{outcome:?}");
        cell.screen.dismiss().await.unwrap();
        cell.phase(Phase::Home).await;
        for line in ["admitted=1", "opened=1 media=3", "first_picture=1", "shut_reason=Asked took_ms=5", "phase=\"live\""] {
            assert!(cell.house.log().contains(line), "{line}\n{}", cell.house.log());
        }
    });
}

#[test]
fn the_certificate_that_call_gets_is_the_one_that_was_asked_with() {
    inside("path::the_certificate_that_call_gets_is_the_one_that_was_asked_with", |house| async {
        let mut cell = Cell::ready(house).await;
        let serial = cell.press_ok().await;
        cell.screen.place(&cell.contact("Ana"), "video", serial).await.unwrap();
        let (_, _, call) = cell.gate.prepared(serial).await;
        let (_, mut fds) = call.next().await;
        let pem = String::from_utf8(memfd::read_sealed(fds.remove(0), 8192).unwrap()).unwrap();
        assert!(pem.starts_with("-----BEGIN CERTIFICATE-----") && pem.contains("-----BEGIN PRIVATE KEY-----"));
        let (_, body) = cell.courier.next_of("ask").await;
        let ask = facility::open_ask(&cell.house.site, &body);
        let body: String = pem.lines().skip(1).take_while(|l| !l.starts_with('-')).collect();
        let der = decode(&body);
        assert_eq!(
            ask.certificate.0,
            <[u8; 32]>::from(sha2::Digest::finalize(sha2::Digest::chain_update(<sha2::Sha256 as sha2::Digest>::new(), der)))
        );
    });
}

fn decode(base64: &str) -> Vec<u8> {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let (mut out, mut group, mut bits) = (Vec::new(), 0_u32, 0);
    for c in base64.bytes().filter(|c| *c != b'=') {
        group = group << 6 | u32::try_from(ALPHABET.iter().position(|a| *a == c).unwrap()).unwrap();
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            out.push((group >> bits & 0xff) as u8);
        }
    }
    out
}

#[test]
fn a_screen_that_comes_back_gets_new_ends_and_the_keys() {
    inside("path::a_screen_that_comes_back_gets_new_ends_and_the_keys", |house| async {
        let mut cell = Cell::ready(house).await;
        let asked = cell.ask().await;
        cell.join(&asked).await;
        let first: std::os::fd::OwnedFd = cell.screen.frames().await.unwrap().into();
        let (_, first_ends) = asked.call.next().await;
        let second: std::os::fd::OwnedFd = cell.screen.frames().await.unwrap().into();
        let (message, second_ends) = asked.call.next().await;
        assert_eq!(message, ToCall::FrameEnd);
        fds::send(&second_ends[0], b"new", &[]).unwrap();
        assert_eq!(fds::recv(&second, 8, 0).unwrap().unwrap().bytes, b"new");
        drop(first_ends);
        assert!(fds::recv(&first, 8, 0).unwrap().is_none());
        let old = std::mem::replace(
            &mut cell.keys,
            parloir_bus::proxy::Remote1Proxy::new(&cell.bus).await.unwrap().focus().await.unwrap().into(),
        );
        let serial = cell.gate.press(Key::Down);
        assert_eq!(cell.next_key().await.serial, serial);
        assert!(fds::recv(&old, 24, 0).unwrap().is_none(), "the old key socket hangs up");
    });
}

#[test]
fn heartbeats_reach_gate_and_stop_with_the_arbiter() {
    inside("path::heartbeats_reach_gate_and_stop_with_the_arbiter", |house| async {
        let mut cell = Cell::ready(house).await;
        cell.gate.within(Duration::from_millis(100)).await;
        let before = cell.gate.beats;
        cell.gate.within(Duration::from_millis(2600)).await;
        let beats = cell.gate.beats - before;
        assert!((4..=6).contains(&beats), "{beats} heartbeats in 2.6 s");
        assert_eq!(cell.gate.records, 1, "the door record was forwarded");
    });
}

/// Broken before: nothing yet; a press that nobody received must not be anybody's consent.
#[test]
fn a_screen_that_closes_its_key_socket_has_no_keys() {
    inside("path::a_screen_that_closes_its_key_socket_has_no_keys", |house| async {
        let mut cell = Cell::ready(house).await;
        let (other, _) = fds::pair().unwrap();
        drop(std::mem::replace(&mut cell.keys, other));
        tokio::time::sleep(Duration::from_millis(200)).await;
        let serial = cell.gate.press(Key::Ok);
        tokio::time::sleep(Duration::from_millis(50)).await;
        let refused = cell.screen.place(&cell.contact("Ana"), "video", serial).await.map_err(|e| error_name(&e));
        assert_eq!(refused.unwrap_err(), "NoFreshKey");
        assert!(!cell.house.log().contains("key not routed"), "{}", cell.house.log());
    });
}
