//! Owns: `parloirctl lint`.
//! Never: signs.
//! Called by: main, sign.

use std::path::PathBuf;

use parloir_issuer::files;
use parloir_pass::lint::{Finding, lint};
use parloir_pass::{
    Agenda, Ask, Authority, Beat, Deny, Document, Entitlement, Export, Grant, Receipt, Ring, SignIn, SitePolicy, Statement, Time,
    Typ,
};
use parloir_seal::jws;
use serde_json::json;

use crate::Fault;

/// Say what is wrong with a document before it is signed.
///
/// FILE is the plain JSON (docs/schema). Every kind is held to its form and its bounds; a policy also to what the box can keep. Findings go
/// to stdout; an error among them ends with status 1, warnings do not.
#[derive(clap::Args)]
pub struct Args {
    /// The document as plain JSON.
    file: PathBuf,
    /// What it is.
    #[arg(long, default_value = "policy")]
    kind: Typ,
    /// As one JSON value.
    #[arg(long)]
    json: bool,
}

/// Prints the findings.
pub fn run(args: &Args) -> Result<(), Fault> {
    let (place, json) = (args.file.display().to_string(), files::read(&args.file)?);
    if args.kind != Typ::Policy {
        check(args.kind, &json)?;
        say(args, &place, &[]);
        return Ok(());
    }
    let findings = findings(&json, &place)?;
    say(args, &place, &findings);
    refuse(&findings, &place)
}

fn say(args: &Args, place: &str, findings: &[Finding]) {
    let errors = findings.iter().any(|f| f.error);
    if args.json {
        let list: Vec<_> = findings.iter().map(|f| json!({ "error": f.error, "finding": f.to_string() })).collect();
        println!("{:#}", json!({ "file": place, "kind": args.kind.name(), "findings": list, "can_be_signed": !errors }));
        return;
    }
    findings.iter().for_each(|f| println!("{f}"));
    if !errors {
        println!("{place}: can be signed");
    }
}

/// Refuses a policy with an error in it.
pub fn policy(json: &[u8], place: &str) -> Result<(), Fault> {
    refuse(&findings(json, place)?, place)
}

fn findings(json: &[u8], place: &str) -> Result<Vec<Finding>, Fault> {
    let policy: SitePolicy = serde_json::from_slice(json)
        .map_err(|e| Fault::new(place, e, "compare it with docs/schema/policy.json", "MalformedDocument"))?;
    Ok(lint(&policy))
}

fn refuse(findings: &[Finding], place: &str) -> Result<(), Fault> {
    match findings.iter().filter(|f| f.error).count() {
        0 => Ok(()),
        errors => Err(Fault::new(place, format_args!("{errors} errors"), "correct them before signing", "PolicyRefused")),
    }
}

fn check(kind: Typ, json: &[u8]) -> Result<(), Fault> {
    fn one<D: Document>(json: &[u8]) -> Result<(), Fault> {
        Ok(jws::payload::<D>(json).map(drop)?)
    }
    match kind {
        Typ::Authority => one::<Authority>(json),
        Typ::Policy => one::<SitePolicy>(json),
        Typ::Entitlement => one::<Entitlement>(json),
        Typ::Ask => one::<Ask>(json),
        Typ::Grant => one::<Grant>(json),
        Typ::Time => one::<Time>(json),
        Typ::Ring => one::<Ring>(json),
        Typ::Export => one::<Export>(json),
        Typ::Statement => one::<Statement>(json),
        Typ::Beat => one::<Beat>(json),
        Typ::Deny => one::<Deny>(json),
        Typ::Receipt => one::<Receipt>(json),
        Typ::Agenda => one::<Agenda>(json),
        Typ::SignIn => one::<SignIn>(json),
    }
}
