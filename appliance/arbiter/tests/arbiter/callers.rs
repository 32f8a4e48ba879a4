//! Owns: who is believed: the arbiter refuses by itself whom the bus should have refused, and whom another has replaced; signals reach one.
//! Never: trusts one of the two walls alone.
//! Called by: cargo test.

use crate::cell::{Courier, error_name};
use crate::gate::Gate;
use crate::house::{CALL, GATE, LINK, STRANGER, UI, UPDATER, inside};
use crate::methods::{ROWS, may};
use parloir_bus::proxy::Calls1Proxy;
use std::time::Duration;

/// The second wall: a policy file that was lost lets everybody through, and the arbiter still knows who calls.
#[test]
fn without_the_bus_policy_the_arbiter_refuses_by_itself() {
    inside("callers::without_the_bus_policy_the_arbiter_refuses_by_itself", |mut house| async move {
        house.open_policy().await;
        house.start_arbiter().await;
        for uid in [0, STRANGER, GATE, CALL, UPDATER, UI, LINK] {
            let bus = house.connect(uid).await;
            for row in &ROWS {
                let said = row.call(&bus).await;
                let wrong = said.as_ref().is_err_and(|e| e == "WrongCaller");
                assert_eq!(wrong, !may(uid, row.interface), "{uid} {}.{}: {said:?}", row.interface, row.method);
            }
        }
    });
}

#[test]
fn nobody_else_gets_the_name_and_no_signal_is_heard_by_others() {
    inside("callers::nobody_else_gets_the_name_and_no_signal_is_heard_by_others", |mut house| async move {
        for uid in [0, STRANGER, UI, LINK] {
            let bus = house.connect(uid).await;
            assert!(bus.request_name(parloir_bus::NAME).await.is_err(), "{uid} got the name");
        }
        house.start_arbiter().await;
        let _gate = Gate::start(&house.gate_socket(), house.site.device.0).await;
        // Two screens and a stranger listen; the one that attached last hears, the others do not.
        let (first, second, stranger) = (house.connect(UI).await, house.connect(UI).await, house.connect(STRANGER).await);
        let a = Calls1Proxy::new(&first).await.unwrap();
        let b = Calls1Proxy::new(&second).await.unwrap();
        let c = Calls1Proxy::new(&stranger).await.unwrap();
        let mut heard_a = a.receive_changed().await.unwrap();
        let mut heard_b = b.receive_changed().await.unwrap();
        let mut heard_c = c.receive_changed().await.unwrap();
        a.attach().await.unwrap();
        b.attach().await.unwrap();
        let courier = Courier::attach(&house).await;
        courier.proxy.online(true).await.unwrap();
        let changed = crate::cell::next(&mut heard_b).await;
        assert!(changed.args().unwrap().view().revision > 0);
        let silence = Duration::from_millis(300);
        assert!(tokio::time::timeout(silence, crate::cell::next(&mut heard_a)).await.is_err(), "the replaced screen hears");
        assert!(tokio::time::timeout(silence, crate::cell::next(&mut heard_c)).await.is_err(), "a stranger hears");
    });
}

#[test]
fn a_courier_that_was_replaced_is_not_believed() {
    inside("callers::a_courier_that_was_replaced_is_not_believed", |mut house| async move {
        house.start_arbiter().await;
        let old = Courier::attach(&house).await;
        old.proxy.online(true).await.unwrap();
        let _new = Courier::attach(&house).await;
        assert_eq!(error_name(&old.proxy.online(true).await.unwrap_err()), "NotCourier");
        assert_eq!(old.deliver("policy", b"x").await.unwrap_err(), "NotCourier");
        assert_eq!(error_name(&old.proxy.sent(1).await.unwrap_err()), "NotCourier");
    });
}
