//! Owns: `parloirctl lint-policy`.
//! Never: signs.
//! Called by: main.

use std::path::PathBuf;

use parloir_issuer::files;
use parloir_pass::{SitePolicy, lint::lint};

use crate::Fault;

/// Say what is wrong with a policy before it is signed.
///
/// FILE is the plain JSON (docs/schema/policy.json). Findings go to stdout; an error among them ends with status 1, warnings do not.
#[derive(clap::Args)]
pub struct Args {
    /// Policy as plain JSON.
    file: PathBuf,
}

/// Prints the findings.
pub fn run(args: &Args) -> Result<(), Fault> {
    let place = args.file.display();
    let policy: SitePolicy = serde_json::from_slice(&files::read(&args.file)?)
        .map_err(|e| Fault::new(&place, e, "compare it with docs/schema/policy.json", "MalformedDocument"))?;
    let findings = lint(&policy);
    findings.iter().for_each(|f| println!("{f}"));
    let errors = findings.iter().filter(|f| f.error).count();
    if errors > 0 {
        return Err(Fault::new(&place, format_args!("{errors} errors"), "correct them before signing", "PolicyRefused"));
    }
    println!("{place}: can be signed");
    Ok(())
}
