//! Owns: typed proxies of the five interfaces, checked against the XML by `tests/house`.
//! Never: retries or judges.
//! Called by: ui, link, updater, the bus tests.

use crate::view::{Moment, View};
use std::collections::BTreeMap;
use zbus::OwnedFd;

/// See `dbus/Calls1.xml`.
#[zbus::proxy(interface = "org.parloir.Calls1", default_service = "org.parloir.Arbiter", default_path = "/org/parloir/arbiter")]
pub trait Calls1 {
    #[allow(missing_docs)]
    fn attach(&self) -> zbus::Result<View>;
    #[allow(missing_docs)]
    #[zbus(signal)]
    fn changed(&self, view: View) -> zbus::Result<()>;
    #[allow(missing_docs)]
    fn place(&self, contact: &str, media: &str, serial: u64) -> zbus::Result<String>;
    #[allow(missing_docs)]
    fn answer(&self, ring: &str, media: &str, serial: u64) -> zbus::Result<String>;
    #[allow(missing_docs)]
    fn decline(&self, ring: &str) -> zbus::Result<()>;
    #[allow(missing_docs)]
    fn end(&self) -> zbus::Result<()>;
    #[allow(missing_docs)]
    #[zbus(name = "Let")]
    fn let_out(&self, camera: bool, microphone: bool, serial: u64) -> zbus::Result<()>;
    #[allow(missing_docs)]
    fn frames(&self) -> zbus::Result<OwnedFd>;
    #[allow(missing_docs)]
    fn sign_in(&self, tag: u8, serial: u64) -> zbus::Result<()>;
    #[allow(missing_docs)]
    fn sign_out(&self) -> zbus::Result<()>;
    #[allow(missing_docs)]
    fn dismiss(&self) -> zbus::Result<()>;
    #[allow(missing_docs)]
    fn drawn(&self) -> zbus::Result<()>;
    #[allow(missing_docs)]
    fn record(&self, before: u64) -> zbus::Result<Vec<Moment>>;
}

/// See `dbus/Remote1.xml`.
#[zbus::proxy(interface = "org.parloir.Remote1", default_service = "org.parloir.Arbiter", default_path = "/org/parloir/arbiter")]
pub trait Remote1 {
    #[allow(missing_docs)]
    fn focus(&self) -> zbus::Result<OwnedFd>;
}

/// See `dbus/Courier1.xml`.
#[zbus::proxy(interface = "org.parloir.Courier1", default_service = "org.parloir.Arbiter", default_path = "/org/parloir/arbiter")]
pub trait Courier1 {
    #[allow(missing_docs)]
    fn attach(&self) -> zbus::Result<()>;
    #[allow(missing_docs)]
    fn online(&self, up: bool) -> zbus::Result<()>;
    #[allow(missing_docs)]
    fn deliver(&self, kind: &str, body: &[u8]) -> zbus::Result<()>;
    #[allow(missing_docs)]
    #[zbus(signal)]
    fn send(&self, id: u64, kind: &str, body: Vec<u8>) -> zbus::Result<()>;
    #[allow(missing_docs)]
    fn sent(&self, id: u64) -> zbus::Result<()>;
    #[allow(missing_docs)]
    #[zbus(signal)]
    fn route(&self, call: &str, route: &str) -> zbus::Result<()>;
    #[allow(missing_docs)]
    fn signalling(&self, call: &str) -> zbus::Result<OwnedFd>;
}

/// See `dbus/Maintenance1.xml`.
#[zbus::proxy(
    interface = "org.parloir.Maintenance1",
    default_service = "org.parloir.Arbiter",
    default_path = "/org/parloir/arbiter"
)]
pub trait Maintenance1 {
    #[allow(missing_docs)]
    fn begin(&self, stage: &str, version: &str) -> zbus::Result<OwnedFd>;
    #[allow(missing_docs)]
    fn health(&self) -> zbus::Result<BTreeMap<String, bool>>;
    #[allow(missing_docs)]
    fn report(&self, version: &str, word: &str) -> zbus::Result<()>;
}

/// See `dbus/Diagnostics1.xml`.
#[zbus::proxy(
    interface = "org.parloir.Diagnostics1",
    default_service = "org.parloir.Arbiter",
    default_path = "/org/parloir/arbiter"
)]
pub trait Diagnostics1 {
    #[allow(missing_docs)]
    fn export(&self, request: &[u8]) -> zbus::Result<Vec<u8>>;
}
