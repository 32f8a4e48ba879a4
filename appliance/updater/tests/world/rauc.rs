//! Owns: a RAUC of the tests on a real bus, over two slots and a firmware's boot order: what the updater sees of the true one (RAUC 1.13, efi).
//! Never: takes what the true one refuses; forgives a write while the running slot is not blessed.
//! Called by: the world.

use parloir_bus::error::BusError;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use zbus::object_server::SignalEmitter;
use zbus::{OwnedVariant, Variant};

/// The board of this world.
pub const COMPATIBLE: &str = "parloir-qemu";
/// How long an installation takes.
const INSTALL: Duration = Duration::from_millis(400);

/// A slot: what is in it.
#[derive(Clone, Debug)]
pub struct Slot {
    pub version: String,
    pub good: bool,
}

/// Disk and firmware.
#[derive(Debug)]
pub struct Machine {
    pub slots: [Slot; 2],
    pub booted: usize,
    /// First of the boot order.
    pub first: usize,
    /// Started once, next.
    pub once: Option<usize>,
    pub operation: &'static str,
    pub last_error: String,
    /// An installation stands still until this is false again.
    pub holds: bool,
    /// Bundles that it began to write.
    pub installs: u32,
    /// What must never happen.
    pub wrongs: Vec<String>,
    boots: u32,
}

/// The same machine for the world and the bus.
#[derive(Clone)]
pub struct Shared(Arc<Mutex<Machine>>);

impl Shared {
    pub fn new() -> Self {
        let slot = |version: &str, good| Slot { version: version.to_owned(), good };
        Self(Arc::new(Mutex::new(Machine {
            slots: [slot("1.0.0", true), slot("", false)],
            booted: 0,
            first: 0,
            once: None,
            operation: "idle",
            last_error: String::new(),
            holds: false,
            installs: 0,
            wrongs: Vec::new(),
            boots: 0,
        })))
    }

    pub fn lock(&self) -> MutexGuard<'_, Machine> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The box starts again: what the firmware was told to start once is started once. Returns the version that runs.
    pub fn boot(&self) -> String {
        let mut m = self.lock();
        m.booted = m.once.take().unwrap_or(m.first);
        (m.operation, m.boots) = ("idle", m.boots + 1);
        let slot = m.slots[m.booted].clone();
        if slot.version.is_empty() {
            m.wrongs.push("the firmware starts a slot that holds nothing whole".to_owned());
        }
        slot.version
    }
}

/// On the bus as `de.pengutronix.rauc`.
pub struct Installer(pub Shared);

fn failed(words: impl Into<String>) -> BusError {
    BusError { name: "org.gtk.GDBus.UnmappedGError.Quark._r_2dinstall_2derror_2dquark.Code0".to_owned(), hint: words.into() }
}

/// What a bundle of these tests says of itself: its first line. Another file is none.
fn manifest(path: &str) -> Result<(String, String), BusError> {
    let bytes = std::fs::read(path).map_err(|e| failed(format!("Failed to open bundle: {e}")))?;
    let line = bytes.split(|b| *b == b'\n').next().unwrap_or_default();
    let said: Option<serde_json::Value> = serde_json::from_slice(line).ok();
    let said = said.ok_or_else(|| failed("signature verification failed: self-signed certificate"))?;
    let text = |key: &str| said[key].as_str().unwrap_or_default().to_owned();
    Ok((text("compatible"), text("version")))
}

fn dictionary(pairs: &[(&str, &str)]) -> HashMap<String, OwnedVariant> {
    let owned = |text: &str| OwnedVariant::try_from(Variant::from(text.to_owned())).unwrap();
    pairs.iter().map(|(key, value)| ((*key).to_owned(), owned(value))).collect()
}

#[zbus::interface(name = "de.pengutronix.rauc.Installer")]
impl Installer {
    fn inspect_bundle(
        &self,
        bundle: &str,
        _args: HashMap<String, OwnedVariant>,
    ) -> Result<HashMap<String, OwnedVariant>, BusError> {
        if self.0.lock().operation != "idle" {
            return Err(failed("already processing a different method"));
        }
        let (compatible, version) = manifest(bundle)?;
        let update: HashMap<String, Variant<'_>> = [("compatible", compatible), ("version", version)]
            .into_iter()
            .map(|(k, v)| (k.to_owned(), Variant::from(v)))
            .collect();
        let value = OwnedVariant::try_from(Variant::from(update)).map_err(|e| failed(e.to_string()))?;
        Ok(HashMap::from([("update".to_owned(), value)]))
    }

    async fn install_bundle(
        &self,
        source: &str,
        _args: HashMap<String, OwnedVariant>,
        #[zbus(signal_emitter)] emitter: SignalEmitter<'_>,
    ) -> Result<(), BusError> {
        let boots = {
            let mut m = self.0.lock();
            if m.operation != "idle" {
                return Err(failed("already processing a different method"));
            }
            if !m.slots[m.booted].good {
                m.wrongs.push("the other slot is written though the running one is not blessed".to_owned());
            }
            m.operation = "installing";
            m.installs += 1;
            m.boots
        };
        let (machine, source, emitter) = (self.0.clone(), source.to_owned(), emitter.to_owned());
        tokio::spawn(async move {
            let result = write(&machine, &source, boots).await;
            if let Some(result) = result {
                let _ = Self::completed(&emitter, result).await;
            }
        });
        Ok(())
    }

    fn mark(&self, state: &str, slot_identifier: &str) -> Result<(String, String), BusError> {
        let mut m = self.0.lock();
        let booted = m.booted;
        match (state, slot_identifier) {
            ("good", "booted") => {
                m.slots[booted].good = true;
                m.first = booted;
            }
            ("active", "booted") => m.once = (booted != m.first).then_some(booted),
            _ => return Err(failed(format!("Invalid slot state: {state} of {slot_identifier}"))),
        }
        Ok((format!("efi.{booted}"), format!("marked slot efi.{booted} as {state}")))
    }

    fn get_primary(&self) -> String {
        let m = self.0.lock();
        format!("efi.{}", m.once.unwrap_or(m.first))
    }

    fn get_slot_status(&self) -> Result<Vec<(String, HashMap<String, OwnedVariant>)>, BusError> {
        let m = self.0.lock();
        if m.operation != "idle" {
            return Err(failed("already processing a different method"));
        }
        let mut all = Vec::new();
        for (i, slot) in m.slots.iter().enumerate() {
            let (state, boot) = (if i == m.booted { "booted" } else { "inactive" }, if slot.good { "good" } else { "bad" });
            let name = ["system-a", "system-b"][i];
            all.push((
                format!("efi.{i}"),
                dictionary(&[("class", "efi"), ("bootname", name), ("state", state), ("boot-status", boot)]),
            ));
            all.push((
                format!("rootfs.{i}"),
                dictionary(&[("class", "rootfs"), ("parent", &format!("efi.{i}")), ("state", state)]),
            ));
        }
        Ok(all)
    }

    #[zbus(property)]
    fn operation(&self) -> String {
        self.0.lock().operation.to_owned()
    }

    #[zbus(property)]
    fn last_error(&self) -> String {
        self.0.lock().last_error.clone()
    }

    #[zbus(property)]
    fn compatible(&self) -> String {
        COMPATIBLE.to_owned()
    }

    #[zbus(signal)]
    async fn completed(emitter: &SignalEmitter<'_>, result: i32) -> zbus::Result<()>;
}

/// Writes the other slot; `None` if the box was started again meanwhile.
async fn write(machine: &Shared, source: &str, boots: u32) -> Option<i32> {
    let said = manifest(source);
    let other = {
        let mut m = machine.lock();
        let other = 1 - m.booted;
        m.slots[other] = Slot { version: String::new(), good: false };
        other
    };
    tokio::time::sleep(INSTALL).await;
    while machine.lock().holds && machine.lock().boots == boots {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let mut m = machine.lock();
    if m.boots != boots {
        return None;
    }
    m.operation = "idle";
    match said {
        Ok((compatible, version)) if compatible == COMPATIBLE => {
            m.slots[other].version = version;
            m.once = Some(other);
            Some(0)
        }
        Ok((compatible, _)) => {
            m.last_error = format!("Compatible mismatch: Expected '{COMPATIBLE}' but bundle manifest has '{compatible}'");
            Some(1)
        }
        Err(e) => {
            m.last_error = e.hint;
            Some(1)
        }
    }
}
