//! Owns: `parloirctl show`.
//! Never: a judgement; explain has the words.
//! Called by: main.

use serde_json::json;

use crate::Fault;
use crate::export::{Source, When};

/// Verify a diagnostics export and say how the box is.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    source: Source,
    /// As one JSON value.
    #[arg(long)]
    json: bool,
}

/// Verifies and prints.
pub fn run(args: &Args) -> Result<(), Fault> {
    let whole = args.source.read()?;
    let now = &whole.now;
    if args.json {
        let told = json!({
            "site": now.site, "device": now.device, "release": now.release, "boot": now.boot, "at_ms": now.at_ms, "wall": now.wall,
            "started_ms": now.started_ms, "revisions": now.revisions, "machines": now.machines, "facts": now.facts,
            "codes": now.codes, "recent": now.recent, "pages": whole.pages,
            "ledger": { "from": whole.ledger.from, "rows": whole.ledger.rows.len() },
            "journal_bytes": whole.journal.as_ref().map(String::len),
        });
        println!("{told:#}");
        return Ok(());
    }
    let at = |ms| When::of_boot(now, ms);
    println!("box        {}\nsite       {}\nrelease    {}", now.device, now.site, now.release);
    println!("made       {}\nsince      {} (start of the arbiter)", at(now.at_ms), at(now.started_ms));
    let r = &now.revisions;
    println!(
        "documents  authority {}, policy {}, entitlement {} (revisions; 0 never came)",
        r.authority, r.policy, r.entitlement
    );
    let m = &now.machines;
    println!("states     Call {}, Camera {}, Remote {}, Maintenance {}", m.call, m.camera, m.remote, m.maintenance);
    for fact in &now.facts {
        println!("{:<10} {} since {}", fact.name, if fact.holds { "yes" } else { "no " }, at(fact.since_ms));
    }
    println!("ledger     {} rows from number {} on", whole.ledger.rows.len(), whole.ledger.from);
    for told in &now.codes {
        println!("{:<16} {} times, first {}, last {}", told.code, told.times, at(told.first_ms), at(told.last_ms));
    }
    Ok(())
}
