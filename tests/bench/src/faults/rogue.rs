//! Owns: a stranger on the bus: it calls every method of every interface of the arbiter, with what such a caller might think of.
//! Never: attaches as the screen: who may do that is the screen (`crate::rogue` is that one).
//! Called by: the rig, as `parloir-bench fault-rogue`, as a user of the bench.

use serde_json::json;
use zbus::zvariant::DynamicType;

const NAME: &str = "org.parloir.Arbiter";
const PATH: &str = "/org/parloir/arbiter";
const ID: &str = "00000000000000000000000000000000";

struct Rogue {
    bus: zbus::Connection,
    granted: Vec<String>,
    refused: usize,
}

impl Rogue {
    async fn call<B: serde::Serialize + DynamicType>(&mut self, interface: &str, method: &str, body: &B) {
        let interface = format!("org.parloir.{interface}");
        match self.bus.call_method(Some(NAME), PATH, Some(interface.as_str()), method, body).await {
            Ok(_) => self.granted.push(method.to_owned()),
            Err(_) => self.refused += 1,
        }
    }
}

/// Calls everything and prints, as one line of JSON, what was granted.
///
/// # Errors
/// The bus is not there.
pub async fn try_everything() -> zbus::Result<()> {
    let bus = zbus::Connection::system().await?;
    let mut rogue = Rogue { bus, granted: Vec::new(), refused: 0 };
    let long = "x".repeat(60_000);
    for contact in ["", ID, long.as_str()] {
        rogue.call("Calls1", "Place", &(contact, "video", 1u64)).await;
        rogue.call("Calls1", "Answer", &(contact, "video", u64::MAX)).await;
        rogue.call("Calls1", "Decline", &(contact,)).await;
        rogue.call("Courier1", "Deliver", &(contact, vec![0u8; 100])).await;
        rogue.call("Courier1", "Signalling", &(contact,)).await;
    }
    rogue.call("Calls1", "Place", &(7u32,)).await;
    // Whoever is the screen's user may end a visit, attached or not: ending is always allowed.
    let user = nix::unistd::User::from_uid(nix::unistd::getuid()).ok().flatten();
    if user.is_none_or(|user| user.name != "parloir-ui") {
        rogue.call("Calls1", "End", &()).await;
    }
    rogue.call("Calls1", "Dismiss", &()).await;
    rogue.call("Calls1", "Let", &(true, true, 1u64)).await;
    rogue.call("Calls1", "Frames", &()).await;
    rogue.call("Courier1", "Online", &(false,)).await;
    rogue.call("Courier1", "Sent", &(0u64,)).await;
    rogue.call("Remote1", "Focus", &()).await;
    rogue.call("Diagnostics1", "Export", &(vec![0u8; 100],)).await;
    rogue.call("Maintenance1", "Begin", &("install", "1.0.0")).await;
    rogue.call("Maintenance1", "Health", &()).await;
    rogue.call("Maintenance1", "Report", &("1.0.0", "Blessed")).await;
    rogue.call("Calls1", "Drawn", &()).await;
    rogue.call("Calls1", "NoSuchMethod", &()).await;
    println!("{}", json!({ "event": "rogue", "granted": rogue.granted, "refused": rogue.refused }));
    Ok(())
}
