//! Owns: tries on the bus: a screen that dials without a key, a courier that delivers what nobody asked for, orders to systemd.
//! Never: part of anything but the tests that bite.
//! Called by: acts.

use std::future::Future;
use std::time::Duration;

use parloir_bus::proxy::{Calls1Proxy, Courier1Proxy};
use serde_json::{Value, json};
use zbus::OwnedVariant;
use zbus::zvariant::DynamicType;

use super::unhex;

const MANAGER: (&str, &str, &str) = ("org.freedesktop.systemd1", "/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager");
/// Longest wait for one act.
const LIMIT: Duration = Duration::from_secs(40);

/// Runs a try to its end, on this thread.
pub fn now(work: impl Future<Output = zbus::Result<Value>>) -> Value {
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else {
        return json!({ "wrong": "no runtime" });
    };
    let within = async { tokio::time::timeout(LIMIT, work).await };
    match runtime.block_on(within) {
        Ok(Ok(value)) => value,
        Ok(Err(why)) => json!({ "wrong": why.to_string() }),
        Err(_) => json!({ "wrong": "not within its time" }),
    }
}

/// As the screen's user: attaches as the real one may, and dials with serials that no key has. The real screen comes back by itself.
pub async fn dial() -> zbus::Result<Value> {
    let bus = zbus::Connection::system().await?;
    let calls = Calls1Proxy::new(&bus).await?;
    let view = calls.attach().await?;
    let contact = view.contacts.first().map(|contact| contact.id.clone()).unwrap_or_default();
    let mut answers = Vec::new();
    for serial in (0..4).chain([u64::MAX]) {
        answers.push(
            calls.place(&contact, "video", serial).await.map_or_else(|why| why.to_string(), |call| format!("placed {call}")),
        );
    }
    let view = calls.attach().await?;
    Ok(json!({ "contact": !contact.is_empty(), "answers": answers, "phase": format!("{:?}", view.phase).to_lowercase() }))
}

/// As the courier's user, in the courier's place: delivers these bytes as that kind. The real one attaches again when it is restarted.
pub async fn deliver(kind: &str, hex: &str) -> zbus::Result<Value> {
    let bus = zbus::Connection::system().await?;
    let courier = Courier1Proxy::new(&bus).await?;
    // Whoever may not attach may not deliver either, and shall try.
    let attached = courier.attach().await.is_ok();
    let came = courier.deliver(kind, &unhex(hex)).await;
    Ok(json!({ "attached": attached, "came": came.map_or_else(|why| why.to_string(), |()| "done".to_owned()) }))
}

/// Orders to systemd that would start a call process, or give this user more than it has.
pub async fn manager() -> zbus::Result<Value> {
    let bus = zbus::Connection::system().await?;
    let mut tries = Vec::new();
    let mut note = |what: &str, came: String| tries.push(json!({ "what": what, "came": came }));
    let unit = "parloir-call@attack.service";
    note("start call", order(&bus, "StartUnit", &(unit, "replace")).await);
    note("restart the screen", order(&bus, "RestartUnit", &("parloir-ui.service", "replace")).await);
    note("stop gate", order(&bus, "StopUnit", &("parloir-gate.service", "replace")).await);
    note("kill gate", order(&bus, "KillUnit", &("parloir-gate.service", "all", 9i32)).await);
    let more: Vec<(&str, OwnedVariant)> = vec![("DeviceAllow", OwnedVariant::from(true))];
    note("more devices", order(&bus, "SetUnitProperties", &("parloir-ui.service", true, more)).await);
    let root: Vec<(&str, OwnedVariant)> = vec![("RemainAfterExit", OwnedVariant::from(true))];
    let auxiliary: Vec<(&str, Vec<(&str, OwnedVariant)>)> = Vec::new();
    note("a unit of my own", order(&bus, "StartTransientUnit", &("attack.service", "fail", root, auxiliary)).await);
    note("another environment", order(&bus, "SetEnvironment", &(vec!["LD_PRELOAD=/tmp/x.so"],)).await);
    note("reboot", order(&bus, "Reboot", &()).await);
    note("load units again", order(&bus, "Reload", &()).await);
    note("a unit linked in", order(&bus, "LinkUnitFiles", &(vec!["/tmp/attack.service"], true, true)).await);
    Ok(json!(tries))
}

/// Every name on the bus that somebody owns, with the user of the owner.
pub async fn names() -> zbus::Result<Value> {
    let bus = zbus::Connection::system().await?;
    let daemon = zbus::fdo::DBusProxy::new(&bus).await?;
    let mut names = Vec::new();
    for name in daemon.list_names().await? {
        // One that is gone meanwhile has no owner any more.
        let owner = daemon.get_connection_unix_user(name.inner().clone()).await;
        if let (Ok(user), false) = (owner, name.starts_with(':')) {
            names.push(json!([name.as_str(), user]));
        }
    }
    Ok(json!(names))
}

async fn order<B: serde::Serialize + DynamicType>(bus: &zbus::Connection, method: &str, body: &B) -> String {
    let (name, path, interface) = MANAGER;
    match bus.call_method(Some(name), path, Some(interface), method, body).await {
        Ok(_) => "done".to_owned(),
        Err(zbus::Error::MethodError(error, _, _)) => error.to_string(),
        Err(why) => why.to_string(),
    }
}
