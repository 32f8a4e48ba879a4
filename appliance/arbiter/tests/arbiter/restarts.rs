//! Owns: each neighbour, and the arbiter itself, gone and back in every state of a call: what the screen says, that the doors are shut
//! where they must be, that each visit has one receipt.
//! Never: a process that comes back and is believed about what was before.
//! Called by: cargo test.

use crate::cell::{Cell, Courier};
use crate::facility;
use crate::gate::{Call, Gate};
use crate::house::inside;
use crate::states::{At, Here, bring, phase};
use parloir_bus::view::Phase;
use parloir_pass::{Id, Receipt};
use parloir_shell::BootTime;
use parloir_wire::gate::{FromGate, ShutReason, ToGate};
use parloir_wire::lease::{Fact, ToCall};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

const QUIET: Duration = Duration::from_millis(400);

/// Receipts that a courier gets in a quiet moment, acknowledged, by their id, each with how often it came.
async fn receipts(cell: &mut Cell) -> BTreeMap<Id, (usize, Receipt)> {
    let mut all = BTreeMap::new();
    while let Ok((number, kind, body)) = tokio::time::timeout(QUIET, cell.courier.next()).await {
        if kind == "receipt" {
            let receipt = facility::open_receipt(&cell.house.site, &body).0;
            all.entry(receipt.receipt).or_insert((0, receipt)).0 += 1;
        }
        cell.courier.proxy.sent(number).await.unwrap();
    }
    all
}

/// Home, with nothing left of the last call.
async fn home(cell: &mut Cell) {
    if cell.view.phase != Phase::Home {
        cell.screen.dismiss().await.unwrap();
        cell.phase(Phase::Home).await;
    }
}

/// Broken before: a visit that a crash had cut off had its receipt, but the screen said nothing of it.
#[test]
fn the_arbiter_is_killed_in_each_state() {
    inside("restarts::the_arbiter_is_killed_in_each_state", |house| async {
        let mut cell = Cell::ready(house).await;
        for &at in At::ALL {
            let here = bring(&mut cell, at).await;
            cell.house.kill_arbiter();
            cell = cell.again().await;
            let found = receipts(&mut cell).await;
            if at.opens_doors() || at == At::Closing {
                let (times, receipt) = found.values().next().unwrap();
                assert_eq!((found.len(), *times, receipt.reason.as_str()), (1, 1, "Fault"), "{at:?}");
                assert_eq!((receipt.call.0, receipt.grant), (here.lease(), here.grant.map(|g| g.grant)), "{at:?}");
                let view = cell.until("ended", |v| v.phase == Phase::Ended).await;
                let outcome = view.outcome.unwrap();
                assert_eq!((outcome.code.as_str(), outcome.name.as_str()), ("Fault", "Ana"), "{at:?}");
            } else {
                assert_eq!((found.len(), cell.view.phase), (0, Phase::Home), "{at:?}");
            }
            // A restart grants nothing.
            assert_eq!(cell.gate.within(QUIET).await, vec![], "{at:?}");
            // Nor is there anything left to be told twice.
            cell.house.kill_arbiter();
            cell = cell.again().await;
            assert_eq!(receipts(&mut cell).await.len(), 0, "{at:?}");
            home(&mut cell).await;
        }
    });
}

#[test]
fn gate_goes_and_comes_back_in_each_state() {
    inside("restarts::gate_goes_and_comes_back_in_each_state", |house| async {
        let mut cell = Cell::ready(house).await;
        for &at in At::ALL {
            let _here = bring(&mut cell, at).await;
            let (socket, device) = (cell.house.gate_socket(), cell.house.site.device.0);
            drop(std::mem::replace(&mut cell.gate, Gate::nobody()));
            cell.gate = Gate::start(&socket, device).await;
            let code = match at {
                At::Idle => "",
                At::Ringing => "RingMissed",
                At::Asking => "GateAbsent",
                At::Joining | At::Live | At::Held => "GateLost",
                At::Closing => "PersonEnded",
            };
            let over = |v: &parloir_bus::view::View| v.outcome.as_ref().map_or("", |o| o.code.as_str()) == code;
            let view = cell.until(&format!("{at:?} over"), over).await;
            // Gate cannot say any more that its doors are shut: the screen does not claim it either.
            assert!(view.outcome.is_none_or(|o| !o.camera_shut || at == At::Ringing), "{at:?}");
            let found = receipts(&mut cell).await;
            assert_eq!(found.len(), usize::from(!matches!(at, At::Idle | At::Ringing)), "{at:?}");
            assert_eq!(cell.gate.within(QUIET).await, vec![], "{at:?}: what was meant for the gate before");
            home(&mut cell).await;
        }
        // And the next visit is possible.
        let asked = cell.ask().await;
        cell.join(&asked).await;
    });
}

#[test]
fn link_goes_and_comes_back_in_each_state() {
    inside("restarts::link_goes_and_comes_back_in_each_state", |house| async {
        let mut cell = Cell::ready(house).await;
        for &at in At::ALL {
            let here = bring(&mut cell, at).await;
            cell.courier.bus.clone().close().await.unwrap();
            cell.until("offline", |v| !v.online).await;
            cell.courier = Courier::attach(&cell.house).await;
            // As link does: first what is retained, then what comes.
            cell.deliver_retained_again().await;
            let view = cell.until("online", |v| v.online).await;
            assert_eq!(view.phase, phase(at), "{at:?}");
            if at.opens_doors() {
                signalling_again(&mut cell, &here).await;
            }
            finish(&mut cell, at, here).await;
            home(&mut cell).await;
        }
    });
}

/// The call wants its signalling still: both ends are new, and the old one is dead.
async fn signalling_again(cell: &mut Cell, here: &Here) {
    let call = here.asked().ask.call.to_string();
    while crate::cell::next(&mut cell.courier.routes).await.args().unwrap().call != call {}
    let theirs: std::os::fd::OwnedFd = cell.courier.proxy.signalling(&call).await.unwrap().into();
    let (message, mut passed) = here.call().next_but_holds().await;
    assert_eq!((message, passed.len()), (ToCall::SignalEnd, 1));
    parloir_shell::fds::send(&theirs, b"x", &[]).unwrap();
    assert_eq!(parloir_shell::fds::recv(passed.remove(0), 8, 0).unwrap().unwrap().bytes, b"x");
}

/// The call goes on to its end as if nothing had been, and has one receipt.
async fn finish(cell: &mut Cell, at: At, here: Here) {
    match at {
        At::Idle => return,
        At::Ringing => {
            cell.screen.decline(&here.ring.unwrap().to_string()).await.unwrap();
            cell.phase(Phase::Home).await;
            return;
        }
        At::Asking => {
            let asked = here.asked.unwrap();
            cell.join(&asked).await;
            cell.screen.end().await.unwrap();
            cell.gate.closed(asked.ask.call.0).await;
        }
        At::Joining | At::Live | At::Held => {
            let statement = cell.visitor.says(here.asked().ask.call, 2, true, false);
            cell.courier.deliver("statement", &statement).await.unwrap();
            cell.screen.end().await.unwrap();
            cell.gate.closed(here.lease()).await;
        }
        At::Closing => cell.gate.closed(here.lease()).await,
    }
    cell.phase(Phase::Ended).await;
    let found = receipts(cell).await;
    assert_eq!((found.len(), found.values().all(|(_, r)| r.reason == "PersonEnded")), (1, true), "{at:?}");
}

/// A screen that comes back is on the same screen, with the keys and both ends of the frames new.
#[test]
fn the_screen_goes_and_comes_back_in_each_state() {
    inside("restarts::the_screen_goes_and_comes_back_in_each_state", |house| async {
        let mut cell = Cell::ready(house).await;
        for &at in At::ALL {
            let here = bring(&mut cell, at).await;
            let before = if at.opens_doors() { Some(cell.screen.frames().await.unwrap()) } else { None };
            cell.bus.clone().close().await.unwrap();
            cell.screen_again().await;
            match at {
                At::Idle | At::Joining | At::Live | At::Held | At::Closing => assert_eq!(cell.view.phase, phase(at), "{at:?}"),
                // No door may open that no screen shows, and nobody may answer for the person.
                At::Ringing | At::Asking => {
                    let code = if at == At::Ringing { "RingMissed" } else { "ScreenGone" };
                    let over = |v: &parloir_bus::view::View| v.outcome.as_ref().is_some_and(|o| o.code == code);
                    if at == At::Asking {
                        cell.gate.closed(here.lease()).await;
                    }
                    cell.until(&format!("{at:?} over"), over).await;
                    receipts(&mut cell).await;
                    home(&mut cell).await;
                    continue;
                }
            }
            if let Some(old) = before {
                let call = here.call();
                let (first, _first_end) = call.next_but_holds().await;
                assert_eq!(first, ToCall::FrameEnd);
                let new: std::os::fd::OwnedFd = cell.screen.frames().await.unwrap().into();
                let (message, mut passed) = call.next_but_holds().await;
                assert_eq!((message, passed.len()), (ToCall::FrameEnd, 1), "{at:?}");
                parloir_shell::fds::send(passed.remove(0), b"frame", &[]).unwrap();
                assert_eq!(parloir_shell::fds::recv(&new, 64, 0).unwrap().unwrap().bytes, b"frame");
                drop(old);
            }
            finish(&mut cell, at, here).await;
            home(&mut cell).await;
        }
        // The new screen has the keys: a visit is possible.
        cell.ask().await;
    });
}

/// A call process that dies is started again three times, each time with the certificate that was asked with, what is let out, and a plan
/// of a higher generation; the fourth death ends the visit. Before the grant the first one does.
#[test]
fn the_call_process_goes_and_comes_back() {
    inside("restarts::the_call_process_goes_and_comes_back", |house| async {
        let mut cell = Cell::ready(house).await;
        for at in [At::Joining, At::Live, At::Held] {
            let here = bring(&mut cell, at).await;
            let lease = here.lease();
            for generation in 2..5 {
                cell.gate.send(&FromGate::CallGone { lease });
                let call = relaunched(&mut cell, lease, generation).await;
                if generation == 2 && at != At::Joining {
                    cell.phase(Phase::Held).await;
                    decodes(&cell, &here, &call).await;
                    cell.phase(Phase::Live).await;
                }
            }
            cell.gate.send(&FromGate::CallGone { lease });
            cell.gate.closed(lease).await;
            let view = cell.phase(Phase::Ended).await;
            assert_eq!(view.outcome.unwrap().code, "CallFailed", "{at:?}");
            assert_eq!(receipts(&mut cell).await.len(), 1, "{at:?}");
            home(&mut cell).await;
        }
        let here = bring(&mut cell, At::Asking).await;
        drop(here.asked);
        cell.gate.within(QUIET).await;
        let view = cell.until("refused", |v| v.phase == Phase::Refused).await;
        assert_eq!(view.outcome.unwrap().code, "CallNotStarted");
    });
}

/// Takes `Relaunch` and plays the start of the next process.
async fn relaunched(cell: &mut Cell, lease: [u8; 16], generation: u32) -> Call {
    let (message, mut passed) = cell.gate.next().await;
    assert_eq!((message, passed.len()), (ToGate::Relaunch { lease }, 1));
    cell.gate.send(&FromGate::Relaunched { lease });
    let call = Call { end: passed.remove(0) };
    let (certificate, fds) = call.next().await;
    assert_eq!((certificate, fds.len()), (ToCall::Certificate, 1));
    let (plan, _) = call.next().await;
    let ToCall::Plan(plan) = plan else { panic!("not a plan: {plan:?}") };
    assert_eq!(plan.generation, generation);
    call
}

async fn decodes(cell: &Cell, here: &Here, call: &Call) {
    let at_ns = BootTime::now_ns();
    call.say(&Fact::FarVerified { fingerprint: cell.visitor.certificate.0 });
    call.say(&Fact::Decoding { on: true, at_ns });
    let statement = cell.visitor.says(here.asked().ask.call, 50, true, false);
    cell.courier.deliver("statement", &statement).await.unwrap();
}

/// Broken before: it ended as in a crash, with a visit that its own restart called a fault.
#[test]
fn the_arbiter_that_is_asked_to_stop_ends_what_goes_on_in_order() {
    inside("restarts::the_arbiter_that_is_asked_to_stop_ends_what_goes_on_in_order", |house| async {
        let mut cell = Cell::ready(house).await;
        for &at in At::ALL {
            let here = bring(&mut cell, at).await;
            let asked = Instant::now();
            cell.house.terminate_arbiter();
            if !matches!(at, At::Idle | At::Ringing) {
                cell.gate.closed(here.lease()).await;
            }
            // The screen hears why before its arbiter is gone.
            if at.opens_doors() {
                let code = |v: &parloir_bus::view::View| v.outcome.as_ref().is_some_and(|o| o.code == "BoxStopped");
                cell.until("stopped", code).await;
            }
            assert!(cell.house.ended().await, "{at:?}: it says that something went wrong");
            assert!(asked.elapsed() < Duration::from_secs(5), "{at:?}: {:?}", asked.elapsed());
            cell = cell.again().await;
            let reasons: Vec<String> = receipts(&mut cell).await.into_values().map(|(_, r)| r.reason).collect();
            let expected: &[&str] = match at {
                At::Idle | At::Ringing => &[],
                At::Asking | At::Joining | At::Live | At::Held => &["BoxStopped"],
                At::Closing => &["PersonEnded"],
            };
            assert_eq!(reasons, expected, "{at:?}");
            home(&mut cell).await;
        }
    });
}

/// Gate that says nothing any more does not keep the arbiter from ending.
#[test]
fn an_arbiter_that_is_asked_to_stop_waits_for_nobody_for_long() {
    inside("restarts::an_arbiter_that_is_asked_to_stop_waits_for_nobody_for_long", |house| async {
        let mut cell = Cell::ready(house).await;
        let here = bring(&mut cell, At::Live).await;
        let asked = Instant::now();
        cell.house.terminate_arbiter();
        cell.house.ended().await;
        assert!(asked.elapsed() < Duration::from_secs(6), "{:?}", asked.elapsed());
        cell = cell.again().await;
        let found = receipts(&mut cell).await;
        assert_eq!(
            found.values().map(|(_, r)| (r.call.0, r.reason.as_str())).collect::<Vec<_>>(),
            [(here.lease(), "BoxStopped")]
        );
    });
}

/// Gate shuts by its own rule: the visit ends, whatever state it is in.
#[test]
fn doors_that_gate_shut_by_itself_end_the_visit() {
    inside("restarts::doors_that_gate_shut_by_itself_end_the_visit", |house| async {
        let mut cell = Cell::ready(house).await;
        for at in [At::Joining, At::Live, At::Held] {
            let here = bring(&mut cell, at).await;
            let shut = FromGate::Shut { lease: here.lease(), reason: ShutReason::RunOver, at_ns: BootTime::now_ns(), took_ms: 1 };
            cell.gate.send(&shut);
            let view = cell.phase(Phase::Ended).await;
            assert_eq!(view.outcome.unwrap().code, "LeaseOver", "{at:?}");
            cell.gate.within(QUIET).await;
            assert_eq!(receipts(&mut cell).await.len(), 1, "{at:?}");
            home(&mut cell).await;
        }
    });
}
