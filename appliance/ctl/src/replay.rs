//! Owns: `parloirctl replay`: the journal of an export through the core, step by step, and whether it does what the box did.
//! Never: a step that the journal does not have; another release's core.
//! Called by: main.

use parloir_core::journal::told;
use parloir_core::{Event, Now, State};
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::Fault;
use crate::export::{Source, When, Whole};

/// Take the steps of the box's core again, from a diagnostics export, and see whether each does the same.
///
/// The journal holds no names: tags stand in their place. It reaches back to the arbiter's start or as far as the box remembers. The
/// release of parloirctl must be the box's.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    source: Source,
    /// Print every step: instant, event, and the states of the machines after it.
    #[arg(long)]
    steps: bool,
    /// As JSON: each step on a line, and the result last.
    #[arg(long)]
    json: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    v: u32,
    release: String,
    state: Value,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Step {
    at: u64,
    event: Value,
    did: String,
}

/// Verifies and replays.
pub fn run(args: &Args) -> Result<(), Fault> {
    let whole = args.source.read()?;
    let Some(text) = &whole.journal else {
        return Err(Fault::new("replay", "the export has no journal", "ask the box for another one", "NothingFound"));
    };
    let mut lines = text.lines();
    let malformed = |e: serde_json::Error| Fault::new("journal", e, "report this as a fault of parloirctl", "MalformedDocument");
    let head: Head = serde_json::from_str(lines.next().unwrap_or_default()).map_err(malformed)?;
    if head.v != 1 || head.release != env!("CARGO_PKG_VERSION") {
        let cause = format!("of release {}, and this parloirctl is of {}", head.release, env!("CARGO_PKG_VERSION"));
        return Err(Fault::new("journal", cause, "use the parloirctl of the box's release", "ReleaseDiffers"));
    }
    let mut core = serde_json::from_value::<State>(head.state).map_err(malformed)?.restored();
    let (mut steps, mut first, mut last) = (0_u64, 0, 0);
    for line in lines {
        let step: Step = serde_json::from_str(line).map_err(malformed)?;
        let name = name_of(&step.event);
        let event: Event = serde_json::from_value(step.event).map_err(malformed)?;
        let effects = core.step(Now { mono_ms: step.at }, event);
        steps += 1;
        (first, last) = (if steps == 1 { step.at } else { first }, step.at);
        let did = Sha256::digest(told(&effects))[..8].iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"));
        if did != step.did {
            let cause = format!("step {steps} ({name} at {} ms) did something else here than on the box", step.at);
            return Err(Fault::new("replay", cause, "report it with the export: box and core differ", "ReplayDiffers"));
        }
        if args.steps {
            say(args, &whole, steps, step.at, &name, &core, effects.len());
        }
    }
    if args.json {
        println!("{}", json!({ "same": true, "steps": steps, "from_ms": first, "to_ms": last }));
    } else {
        let at = |ms| When::of_boot(&whole.now, ms);
        println!("same: {steps} steps, {} to {}, each with the effects that it had on the box", at(first), at(last));
    }
    Ok(())
}

/// The variant's name, with that of the fact in it.
fn name_of(event: &Value) -> String {
    match event {
        Value::Object(members) if members.len() == 1 => {
            let (name, inner) = members.iter().next().map_or(("", &Value::Null), |(name, inner)| (name.as_str(), inner));
            match (name, inner.get("fact").unwrap_or(inner)) {
                ("Gate" | "Call", fact) => format!("{name} {}", name_of(fact)),
                _ => name.to_owned(),
            }
        }
        Value::String(name) => name.clone(),
        _ => "?".to_owned(),
    }
}

fn say(args: &Args, whole: &Whole, step: u64, at: u64, name: &str, core: &State, effects: usize) {
    let (call, camera) = (core.call_kind().name(), core.camera_kind().name());
    let (remote, maintenance) = (core.remote_kind().name(), core.maintenance_kind().name());
    let refused = core.verdict().map(|code| code.name());
    if args.json {
        println!(
            "{}",
            json!({ "step": step, "at_ms": at, "event": name, "effects": effects, "refused": refused, "call": call, "camera": camera,
                "remote": remote, "maintenance": maintenance })
        );
    } else {
        let refused = refused.map_or_else(String::new, |code| format!(" refused: {code}"));
        let when = When::of_boot(&whole.now, at);
        println!("{step:>6} {when} {name:<28} Call {call}, Camera {camera}, Remote {remote}, {effects} effects{refused}");
    }
}
