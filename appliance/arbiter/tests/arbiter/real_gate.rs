//! Owns: the path with the real gate in place of the stub: key, nonce, ticket, doors, the end; the test plays the call process.
//! Never: a check that gate's own tests have.
//! Called by: cargo test.

use crate::cell::Courier;
use crate::doors::{Screen, deliver, gate_binary, press_ok, receive, start_call, start_gate, wait};
use crate::facility::{self, Visitor};
use crate::house::inside;
use parloir_bus::view::Phase;
use parloir_shell::fds;
use parloir_wire::lease::{MAX, ToCall};
use parloir_wire::start::{self, Start};
use std::time::{Duration, Instant};

#[test]
fn ok_ticket_doors_and_the_end_with_the_real_gate() {
    let binary = gate_binary();
    inside("real_gate::ok_ticket_doors_and_the_end_with_the_real_gate", |mut house| async move {
        let calls = fds::listen_at(&house.dir.join("call")).unwrap();
        let _gate = start_gate(&house, &binary);
        house.start_arbiter().await;
        house.logged("gate connected").await;
        let mut courier = Courier::attach(&house).await;
        let mut screen = Screen::attach(&house).await;
        deliver(&house, &mut courier).await;
        house.logged("gate keeps the door record").await;
        screen.until(|v| v.phase == Phase::Home && v.clock_trusted).await;
        assert!(screen.view.contacts.iter().any(|c| c.can_call), "{:?}", screen.view);

        press_ok(&house);
        let press = wait("the key", || receive(&screen.keys, 24)).await;
        let serial = parloir_wire::keys::KeyPress::decode(&press.bytes).unwrap().serial;
        let ana = screen.view.contacts[0].id.clone();
        screen.calls.place(&ana, "video", serial).await.unwrap();
        let (mut process, start, end) = start_call(&calls).await;
        let certificate = wait("the certificate", || receive(&end, MAX)).await;
        assert_eq!(ToCall::decode(&certificate.bytes).unwrap(), ToCall::Certificate);
        let (_, body) = courier.next_of("ask").await;
        assert!(fds::recv(&start, start::SIZE, 1).is_err(), "a door before the grant");

        let visitor = Visitor::new();
        let grant = facility::grant(&house.site, &facility::open_ask(&house.site, &body), &visitor);
        courier.deliver("grant", &facility::seal(&house.site, &grant, &house.site.grant)).await.unwrap();
        for media in [1, 2] {
            let door = wait("a door", || receive(&start, start::SIZE)).await;
            assert_eq!((Start::decode(&door.bytes).unwrap(), door.fds.len()), (Start::Door { media }, 1));
        }
        let plan = wait("the plan", || receive(&end, MAX)).await;
        assert!(matches!(ToCall::decode(&plan.bytes).unwrap(), ToCall::Plan(_)));
        screen.until(|v| v.phase == Phase::Joining).await;

        screen.calls.end().await.unwrap();
        wait("the end of the call process", || process.0.try_wait().unwrap()).await;
        house.logged("shut_reason=Asked").await;
        let (_, body) = courier.next_of("receipt").await;
        assert_eq!(facility::open_receipt(&house.site, &body).0.reason, "PersonEnded");
        screen.until(|v| v.outcome.as_ref().is_some_and(|o| o.camera_shut)).await;
    });
}

/// The two-second rule from outside: an arbiter that is stopped (not dead) loses its doors.
#[test]
fn an_arbiter_that_hangs_loses_the_call_process_within_the_heartbeat_limit() {
    let binary = gate_binary();
    inside("real_gate::an_arbiter_that_hangs_loses_the_call_process_within_the_heartbeat_limit", |mut house| async move {
        let calls = fds::listen_at(&house.dir.join("call")).unwrap();
        let _gate = start_gate(&house, &binary);
        house.start_arbiter().await;
        let mut courier = Courier::attach(&house).await;
        let mut screen = Screen::attach(&house).await;
        deliver(&house, &mut courier).await;
        house.logged("gate keeps the door record").await;
        screen.until(|v| v.phase == Phase::Home && v.clock_trusted).await;
        press_ok(&house);
        let press = wait("the key", || receive(&screen.keys, 24)).await;
        let serial = parloir_wire::keys::KeyPress::decode(&press.bytes).unwrap().serial;
        screen.calls.place(&screen.view.contacts[0].id.clone(), "video", serial).await.unwrap();
        let (mut process, _start, _end) = start_call(&calls).await;
        let (_, body) = courier.next_of("ask").await;
        let grant = facility::grant(&house.site, &facility::open_ask(&house.site, &body), &Visitor::new());
        courier.deliver("grant", &facility::seal(&house.site, &grant, &house.site.grant)).await.unwrap();
        screen.until(|v| v.phase == Phase::Joining).await;
        let stopped = Instant::now();
        let pid = nix::unistd::Pid::from_raw(house.arbiter_pid().cast_signed());
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGSTOP).unwrap();
        wait("the end of the call process", || process.0.try_wait().unwrap()).await;
        let took = stopped.elapsed();
        assert!(took > Duration::from_millis(1200) && took < Duration::from_millis(2600), "{took:?}");
    });
}
