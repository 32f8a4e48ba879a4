//! Owns: the course of versions that are not well: each is installed and tried, and the box is back on the old one, with a true report.
//! Never: a version that should be kept.
//! Called by: `whole_updates.rs`.

use std::time::Instant;

use parloir_image::Halt;
use serde_json::{Value, json};

use super::bundles::Bundles;
use super::{Running, Site, WHOLE, code};

/// Name of the fault, and the version that has it.
pub const FAULTS: [(&str, &str); 4] =
    [("hang", "0.3.1"), ("crash-loop", "0.3.2"), ("never-draws", "0.3.3"), ("no-camera", "0.3.4")];

/// Everything that this course offers. Outside.
///
/// # Errors
/// A script fails.
pub fn make(bundles: &Bundles, faults: &[(&str, &str)]) -> std::io::Result<()> {
    for (name, version) in faults {
        bundles.made(name, version, &["--fault", name])?;
    }
    Ok(())
}

/// The course.
///
/// # Errors
/// The box does not come back, or an action does not come to its end.
pub fn course(site: &mut Site, faults: &[(&str, &str)], note: &mut dyn FnMut(&str, Value)) -> Result<(), Halt> {
    for (name, version) in faults {
        note(name, fallen(site, name, version)?);
    }
    Ok(())
}

fn fallen(site: &mut Site, name: &str, version: &str) -> Result<Value, Halt> {
    site.home()?;
    let before = site.running()?;
    let action = site.offer(&site.bundles.path(name), version)?;
    let installed = move |told: &Value| told["action"] == action && told["details"].to_string().contains("restart");
    site.until("the install", WHOLE, |site| site.has_restarted() || site.heard("ddi-feedback", installed).is_some())?;
    // Every start counts, until the old version runs again. One whose probe never answers is seen by the next one alone.
    let (begun, mut starts) = (Instant::now(), Vec::<Running>::new());
    let is_back = |starts: &[Running]| starts.last().is_some_and(|now| now.is_as(&before) && !now.trial);
    while !is_back(&starts) && starts.len() < 4 {
        site.restarted(WHOLE)?;
        starts.push(site.running()?);
    }
    let back_s = begun.elapsed().as_secs_f64();
    let told = site.closed(action, WHOLE)?;
    Ok(json!({
        "back": is_back(&starts), "starts": starts.iter().map(|running| format!("{running:?}")).collect::<Vec<_>>(),
        "boots": starts.len(), "back_s": back_s, "finished": told["finished"], "code": code(&told), "details": told["details"],
        "successes": site.feedback(action).iter().filter(|told| told["finished"] == "success").count(), "order": site.order()?,
    }))
}
