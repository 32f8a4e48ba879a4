//! Owns: the box's own account after the blows, fetched as an operator would: the facility's console, broker, link, arbiter, and back into a
//! file, which `parloirctl` reads.
//! Never: a look into the box; the file and the box's public key are all there is.
//! Called by: moments.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::faults::rig::Rig;
use crate::play::Halt;
use crate::walls::RUN;

/// A box that does not answer is given up by the facility within 20 s (docs/mqtt.md); each page is asked for anew until then.
const LIMIT_S: u64 = 90;

/// What the export held: `{"pages":n,"rows":n,"holds":bool,"same":bool,"steps":n,"codes":n}`.
///
/// # Errors
/// No export came, or parloirctl refused it: its words.
pub fn fetched(rig: &mut Rig) -> Result<Value, Halt> {
    let file = Path::new(RUN).join("facility/state/box.export");
    rig.begin();
    rig.console(&json!({ "do": "diagnose", "file": file }))?;
    rig.until("the facility's word that the export is there", LIMIT_S, |rig| rig.trail.told("diagnosed"))?;
    let told = rig.trail.facility.iter().find(|(_, told)| told["event"] == "diagnosed").map(|(_, told)| told.clone());
    let told = told.unwrap_or_default();
    if !told["error"].is_null() {
        return Err(Halt::Failed(format!("the export did not come: {}", told["error"])));
    }
    let chain = said(&["ledger", "verify"], &file)?;
    let replayed = said(&["replay"], &file)?;
    let shown = said(&["show"], &file)?;
    Ok(json!({
        "pages": told["pages"], "rows": told["rows"], "holds": chain["holds"], "last": chain["to"],
        "same": replayed["same"], "steps": replayed["steps"], "device": shown["device"],
    }))
}

/// What `parloirctl` says of the file as JSON.
fn said(verb: &[&str], file: &Path) -> Result<Value, Halt> {
    let mut command = Command::new(Path::new(RUN).join("bin/parloirctl"));
    command.args(verb).arg(file).arg("--json").arg("--box-key").arg(Path::new(RUN).join("keys/box/ask.pub"));
    let output = command.output()?;
    if !output.status.success() {
        let words = String::from_utf8_lossy(&output.stderr);
        return Err(Halt::Failed(format!("parloirctl {} of the box's export: {}", verb.join(" "), words.trim())));
    }
    serde_json::from_slice(&output.stdout).map_err(|why| Halt::Failed(format!("parloirctl {}: {why}", verb.join(" "))))
}
