//! Owns: RAUC's D-Bus interface as we use it: which slot runs, what a bundle says, install, mark.
//! Never: decides; takes another's word for a result than RAUC's.
//! Called by: run.

use crate::code::{Code, Refused, line, of_rauc};
use std::collections::HashMap;
use std::future::poll_fn;
use std::path::Path;
use std::pin::Pin;
use std::time::Duration;
use tokio::time::timeout;
use zbus::export::futures_core::Stream;
use zbus::proxy::CacheProperties;
use zbus::{OwnedVariant, Variant};

/// Longest wait for what RAUC answers at once.
const ANSWER: Duration = Duration::from_secs(60);
/// How often a running installation is looked at, beside its signal.
const LOOK: Duration = Duration::from_secs(10);

/// What we call of `de.pengutronix.rauc.Installer`.
#[zbus::proxy(interface = "de.pengutronix.rauc.Installer", default_service = "de.pengutronix.rauc", default_path = "/")]
trait Installer {
    fn install_bundle(&self, source: &str, args: HashMap<&str, Variant<'_>>) -> zbus::Result<()>;
    fn inspect_bundle(&self, bundle: &str, args: HashMap<&str, Variant<'_>>) -> zbus::Result<HashMap<String, OwnedVariant>>;
    fn mark(&self, state: &str, slot_identifier: &str) -> zbus::Result<(String, String)>;
    fn get_slot_status(&self) -> zbus::Result<Vec<(String, HashMap<String, OwnedVariant>)>>;
    fn get_primary(&self) -> zbus::Result<String>;
    #[zbus(property)]
    fn operation(&self) -> zbus::Result<String>;
    #[zbus(property)]
    fn last_error(&self) -> zbus::Result<String>;
    #[zbus(property)]
    fn compatible(&self) -> zbus::Result<String>;
    #[zbus(signal)]
    fn completed(&self, result: i32) -> zbus::Result<()>;
}

/// What RAUC knows of the slots.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Slots {
    /// `bootname` of the running one.
    pub booted: String,
    /// It is blessed.
    pub is_good: bool,
    /// The running one starts next too.
    pub stays: bool,
    /// RAUC is writing.
    pub is_installing: bool,
    /// Kind of board that it takes bundles for.
    pub compatible: String,
}

/// What a bundle says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Manifest {
    /// Kind of board.
    pub compatible: String,
    /// Version.
    pub version: String,
}

/// RAUC.
#[derive(Clone)]
pub struct Rauc(InstallerProxy<'static>);

impl Rauc {
    /// On this bus. RAUC need not be there yet.
    ///
    /// # Errors
    /// The bus.
    pub async fn new(bus: &zbus::Connection) -> zbus::Result<Self> {
        Ok(Self(InstallerProxy::builder(bus).cache_properties(CacheProperties::No).build().await?))
    }

    /// The slots as they are.
    ///
    /// # Errors
    /// RAUC does not answer, or is at work.
    pub async fn slots(&self) -> Result<Slots, String> {
        let ask = async {
            let operation = self.0.operation().await?;
            let compatible = self.0.compatible().await?;
            if operation != "idle" {
                return Ok(Slots { is_installing: true, compatible, is_good: true, ..Slots::default() });
            }
            let (all, primary) = (self.0.get_slot_status().await?, self.0.get_primary().await);
            let text = |slot: &HashMap<String, OwnedVariant>, key: &str| slot.get(key).and_then(text_of).unwrap_or_default();
            let booted = all.iter().find(|(_, slot)| text(slot, "state") == "booted" && !text(slot, "bootname").is_empty());
            let Some((name, booted)) = booted else { return Ok(Slots { compatible, ..Slots::default() }) };
            Ok::<_, zbus::Error>(Slots {
                booted: text(booted, "bootname"),
                is_good: text(booted, "boot-status") == "good",
                stays: primary.is_ok_and(|primary| primary == *name),
                is_installing: false,
                compatible,
            })
        };
        timeout(ANSWER, ask).await.map_err(|_| "no answer".to_owned())?.map_err(|e| line(&e.to_string()))
    }

    /// Reads a bundle: RAUC verifies its signature.
    ///
    /// # Errors
    /// It does not take it; or `None` in the first place when it cannot be asked now.
    pub async fn inspect(&self, bundle: &Path) -> Result<Manifest, Option<Refused>> {
        let source = bundle.to_string_lossy().into_owned();
        let told = timeout(ANSWER, self.0.inspect_bundle(&source, HashMap::new())).await.map_err(|_| None)?;
        let told = told.map_err(refusal)?;
        let update = told.get("update").and_then(dictionary).unwrap_or_default();
        let text = |key: &str| update.get(key).and_then(text_of).unwrap_or_default();
        Ok(Manifest { compatible: text("compatible"), version: text("version") })
    }

    /// Writes a bundle into the other slot and waits for the end.
    ///
    /// # Errors
    /// RAUC's words, as a code.
    pub async fn install(&self, bundle: &Path) -> Result<(), Refused> {
        // Listen first: the signal may come before the answer.
        let completed = self.0.receive_completed().await.map_err(|e| Refused::new(Code::UpdateInstall, e.to_string()))?;
        let source = bundle.to_string_lossy().into_owned();
        match self.0.install_bundle(&source, HashMap::new()).await {
            Ok(()) => self.wait(completed).await,
            Err(e) => Err(refusal(e).unwrap_or_else(|| Refused::new(Code::UpdateInstall, "RAUC does not answer"))),
        }
    }

    /// Waits for the end of an installation that goes on.
    ///
    /// # Errors
    /// RAUC's words, as a code.
    pub async fn watch(&self) -> Result<(), Refused> {
        let completed = self.0.receive_completed().await.map_err(|e| Refused::new(Code::UpdateInstall, e.to_string()))?;
        self.wait(completed).await
    }

    async fn wait(&self, mut completed: CompletedStream) -> Result<(), Refused> {
        loop {
            let result = match timeout(LOOK, next(&mut completed)).await {
                Ok(Some(signal)) => signal.args().map_or(1, |args| args.result),
                Ok(None) => return Err(Refused::new(Code::UpdateInstall, "the bus is gone")),
                // The signal may be lost with a RAUC that died: whoever is idle and did not say how it ended has failed.
                Err(_) => match self.0.operation().await {
                    Ok(operation) if operation != "idle" => continue,
                    Ok(_) => i32::from(!matches!(self.slots().await, Ok(slots) if !slots.stays)),
                    Err(e) => return Err(Refused::new(Code::UpdateInstall, format!("RAUC ended: {e}"))),
                },
            };
            if result == 0 {
                return Ok(());
            }
            let words = self.0.last_error().await.unwrap_or_default();
            return Err(Refused::new(of_rauc(&words), words));
        }
    }

    /// Tells it what a slot is: `good` or `active`, of `booted`.
    ///
    /// # Errors
    /// RAUC's words.
    pub async fn mark(&self, state: &str) -> Result<(), String> {
        let told = timeout(ANSWER, self.0.mark(state, "booted")).await.map_err(|_| "no answer".to_owned())?;
        told.map(drop).map_err(|e| line(&e.to_string()))
    }
}

/// What RAUC says against a bundle; `None` when it is not about the bundle: RAUC is not there, or at work.
fn refusal(error: zbus::Error) -> Option<Refused> {
    let zbus::Error::MethodError(name, words, _) = error else { return None };
    let words = words.unwrap_or_default();
    let elsewhere = name.starts_with("org.freedesktop.DBus.Error.") || words.contains("already processing");
    (!elsewhere).then(|| Refused::new(of_rauc(&words), words))
}

fn text_of(value: &OwnedVariant) -> Option<String> {
    match &**value {
        Variant::Str(text) => Some(text.to_string()),
        Variant::Variant(inner) => match &**inner {
            Variant::Str(text) => Some(text.to_string()),
            _ => None,
        },
        _ => None,
    }
}

/// A dictionary, or a variant with one in it.
fn dictionary(value: &OwnedVariant) -> Option<HashMap<String, OwnedVariant>> {
    let mut value: &Variant<'_> = value;
    while let Variant::Variant(inner) = value {
        value = inner;
    }
    HashMap::try_from(value.try_clone().ok()?).ok()
}

/// The next item of a stream.
pub(crate) async fn next<S: Stream + Unpin>(stream: &mut S) -> Option<S::Item> {
    poll_fn(|context| Pin::new(&mut *stream).poll_next(context)).await
}
