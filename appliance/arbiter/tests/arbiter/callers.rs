//! Owns: who may call what: strangers, and each role beyond its own interfaces, are refused by the bus; the arbiter itself refuses too.
//! Never: trusts one of the two walls alone.
//! Called by: cargo test.

use crate::cell::{Courier, error_name};
use crate::gate::Gate;
use crate::house::{House, LINK, STRANGER, UI, inside};
use parloir_bus::proxy::Calls1Proxy;
use std::time::Duration;
use zbus::Connection;

/// Every method with arguments that are well formed.
async fn call(bus: &Connection, interface: &str, method: &str) -> Result<(), String> {
    let id = "00112233445566778899aabbccddeeff";
    let to = Some(parloir_bus::NAME);
    let (path, face) = (parloir_bus::PATH, Some(interface));
    let reply = match method {
        "Place" => bus.call_method(to, path, face, method, &(id, "video", 1_u64)).await,
        "Answer" => bus.call_method(to, path, face, method, &(id, "video", 1_u64)).await,
        "Decline" => bus.call_method(to, path, face, method, &(id,)).await,
        "Let" => bus.call_method(to, path, face, method, &(true, true, 1_u64)).await,
        "Online" => bus.call_method(to, path, face, method, &(true,)).await,
        "Deliver" => bus.call_method(to, path, face, method, &("policy", vec![1_u8])).await,
        "Sent" => bus.call_method(to, path, face, method, &(1_u64,)).await,
        "Signalling" => bus.call_method(to, path, face, method, &(id,)).await,
        _ => bus.call_method(to, path, face, method, &()).await,
    };
    reply.map(|_| ()).map_err(|e| error_name(&e))
}

const METHODS: [(&str, &[&str]); 3] = [
    ("org.parloir.Calls1", &["Attach", "Place", "Answer", "Decline", "End", "Let", "Frames", "Dismiss"]),
    ("org.parloir.Remote1", &["Focus"]),
    ("org.parloir.Courier1", &["Attach", "Online", "Deliver", "Sent", "Signalling"]),
];
const DENIED: &str = "org.freedesktop.DBus.Error.AccessDenied";

fn may(uid: u32, interface: &str) -> bool {
    match uid {
        UI => interface != "org.parloir.Courier1",
        LINK => interface == "org.parloir.Courier1",
        _ => false,
    }
}

#[test]
fn each_method_answers_its_role_and_nobody_else() {
    inside("callers::each_method_answers_its_role_and_nobody_else", |mut house| async move {
        house.start_arbiter().await;
        let mut denied = 0;
        for uid in [0, STRANGER, UI, LINK] {
            let bus = house.connect(uid).await;
            for (interface, methods) in METHODS {
                for method in methods {
                    let said = call(&bus, interface, method).await;
                    let refused_by_bus = said.as_ref().is_err_and(|e| e == DENIED);
                    assert_eq!(refused_by_bus, !may(uid, interface), "{uid} {interface}.{method}: {said:?}");
                    denied += usize::from(refused_by_bus);
                }
            }
        }
        assert_eq!(denied, 28 + 5 + 9);
    });
}

/// The second wall: a policy file that was lost lets everybody through, and the arbiter still knows who calls.
#[test]
fn without_the_bus_policy_the_arbiter_refuses_by_itself() {
    inside("callers::without_the_bus_policy_the_arbiter_refuses_by_itself", |mut house| async move {
        open_policy(&house).await;
        house.start_arbiter().await;
        for uid in [0, STRANGER, UI, LINK] {
            let bus = house.connect(uid).await;
            for (interface, methods) in METHODS {
                for method in methods {
                    let said = call(&bus, interface, method).await;
                    let wrong = said.as_ref().is_err_and(|e| e == "WrongCaller");
                    assert_eq!(wrong, !may(uid, interface), "{uid} {interface}.{method}: {said:?}");
                }
            }
        }
    });
}

/// Replaces our policy by one that allows everything, and has the bus read it.
async fn open_policy(house: &House) {
    let open = r#"<busconfig><policy context="default"><allow own="*"/><allow send_destination="*"/></policy></busconfig>"#;
    std::fs::write(house.dir.join("etc/dbus/org.parloir.Arbiter.conf"), open).unwrap();
    let bus = house.connect(0).await;
    bus.call_method(Some("org.freedesktop.DBus"), "/org/freedesktop/DBus", Some("org.freedesktop.DBus"), "ReloadConfig", &())
        .await
        .unwrap();
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
