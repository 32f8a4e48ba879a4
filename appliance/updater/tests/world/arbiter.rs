//! Owns: an arbiter of the tests as far as Maintenance1.xml goes: leases, health, words for the ledger.
//! Never: two leases at once.
//! Called by: the world.

use parloir_bus::error::BusError;
use std::collections::{BTreeMap, VecDeque};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

#[derive(Debug, Default)]
pub struct Box_ {
    /// Stage and answer of the next requests for a lease of that stage; then it is given.
    pub refusals: VecDeque<(&'static str, &'static str)>,
    /// The version that runs, and the one whose screen draws nothing.
    pub running: String,
    pub blind: &'static str,
    /// Somebody is in a visit: a download waits.
    pub in_visit: bool,
    /// Requests: stage and version, and what was said.
    pub begun: Vec<String>,
    /// Words for ledger and screen.
    pub words: Vec<String>,
    /// Our ends.
    leases: Vec<UnixStream>,
}

#[derive(Clone, Default)]
pub struct Shared(Arc<Mutex<Box_>>);

impl Shared {
    pub fn lock(&self) -> MutexGuard<'_, Box_> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes every lease back.
    pub fn take_back(&self) {
        self.lock().leases.clear();
    }
}

/// On the bus as `org.parloir.Arbiter`.
pub struct Arbiter(pub Shared);

#[zbus::interface(name = "org.parloir.Maintenance1")]
impl Arbiter {
    fn begin(&self, stage: &str, version: &str) -> Result<zbus::OwnedFd, BusError> {
        let mut b = self.0.lock();
        if !["install", "restart"].contains(&stage) {
            return Err(BusError::new("MalformedArgument", "stage"));
        }
        let at = b.refusals.iter().position(|(of, _)| *of == stage);
        if let Some((_, code)) = at.and_then(|at| b.refusals.remove(at)) {
            b.begun.push(format!("{stage} {version}: {code}"));
            return Err(BusError::new(code, "refused by the test"));
        }
        b.leases.retain_mut(is_open);
        if !b.leases.is_empty() {
            b.begun.push(format!("{stage} {version}: Updating"));
            return Err(BusError::new("Updating", "there is a lease already"));
        }
        b.begun.push(format!("{stage} {version}"));
        let (ours, theirs) = UnixStream::pair().map_err(|e| BusError::new("Internal", e.to_string()))?;
        ours.set_nonblocking(true).map_err(|e| BusError::new("Internal", e.to_string()))?;
        b.leases.push(ours);
        Ok(OwnedFd::from(theirs).into())
    }

    fn health(&self) -> BTreeMap<String, bool> {
        let b = self.0.lock();
        let fact = |name: &str| (name.to_owned(), name != "drawn" || b.running != b.blind);
        let mut facts = BTreeMap::from([fact("drawn"), fact("gate"), fact("courier"), fact("online")]);
        facts.insert("quiet".to_owned(), !b.in_visit);
        facts
    }

    fn report(&self, version: &str, word: &str) {
        self.0.lock().words.push(format!("{word} {version}"));
    }
}

fn is_open(end: &mut UnixStream) -> bool {
    let read = std::io::Read::read(end, &mut [0]);
    matches!(read, Err(e) if e.kind() == std::io::ErrorKind::WouldBlock)
}
