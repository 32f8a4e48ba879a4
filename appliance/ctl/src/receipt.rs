//! Owns: `parloirctl receipt verify`.
//! Never: says "verified" of a side that it could not check.
//! Called by: main.

use std::path::PathBuf;

use parloir_issuer::files;
use parloir_pass::{Grant, Parcel, Receipt, Statement, rules};
use parloir_seal::{PublicKey, jws};
use serde_json::{Value, json};

use crate::{Fault, inspect::Trust};

#[derive(clap::Subcommand)]
pub enum Command {
    Verify(Args),
}

/// Verify a receipt: the box's word, and with the grants the visitor's beside it.
///
/// FILE is the Receipt (compact JWS) or the parcel ({"receipt", "visitor", "earlier"}) as it came out of the seal.
/// A visit whose page came back with another certificate has more than one grant: give each that the receipt names.
/// Prints what both sides say as JSON; "both_sides" is true when every statement of the visitor in it holds too.
#[derive(clap::Args)]
pub struct Args {
    /// The receipt.
    file: PathBuf,
    /// Public key of the box (ask.pub).
    #[arg(long, value_name = "FILE")]
    box_key: PathBuf,
    /// A grant of the visit (compact JWS), which names the visitor's key; may be repeated; needs --authority and --roots.
    #[arg(long, value_name = "FILE", requires = "authority")]
    grant: Vec<PathBuf>,
    #[command(flatten)]
    trust: Trust,
}

/// Verifies and prints.
pub fn run(args: &Args) -> Result<(), Fault> {
    let bytes = files::read(&args.file)?;
    let text = String::from_utf8_lossy(&bytes);
    let parcel = match serde_json::from_str::<Parcel>(&text) {
        Ok(parcel) => Some(parcel),
        Err(_) if text.trim_start().starts_with('{') => {
            return Err(Fault::new(
                "receipt",
                "neither a compact JWS nor a parcel",
                "compare it with docs/schema/parcel.json",
                "MalformedDocument",
            ));
        }
        Err(_) => None,
    };
    let compact = parcel.as_ref().map_or(text.trim(), |p| p.receipt.as_str());
    let key = PublicKey::new(&files::read_public(&args.box_key)?)?;
    let receipt: Receipt = jws::verify(compact.as_bytes(), &key)?;
    if parcel.is_some_and(|p| p.visitor != receipt.visitor_statement || p.earlier != receipt.earlier_statements) {
        let cause = "the statement beside the receipt is not the one inside it";
        return Err(Fault::new("receipt", cause, "ask the box for the receipt again", "ReceiptDoesNotHold"));
    }
    if let Ok(keyring) = args.trust.keyring("receipt")
        && keyring.authority().site != receipt.site
    {
        return Err(Fault::new("receipt", "another site's", "give that site's Authority", "NotForThisSite"));
    }
    let grants = args.grant.iter().map(|path| read_grant(path, &receipt, args)).collect::<Result<Vec<_>, _>>()?;
    let said = if grants.is_empty() { Vec::new() } else { visitor(&receipt, &grants)? };
    rules::receipt_holds(&receipt, &said)
        .map_err(|b| Fault::new(format_args!("receipt: {}", b.field), b.rule, "ask the box and the visitor", b.code))?;
    let words = usize::from(receipt.visitor_statement.is_some()) + receipt.earlier_statements.len();
    let told: Value = json!({
        "verified": true, "both_sides": words > 0 && said.len() == words, "receipt": receipt,
        "visitor": said.last().filter(|_| receipt.visitor_statement.is_some()), "statements": said,
        "visitor_not_checked": said.len() < words,
    });
    println!("{told:#}");
    Ok(())
}

fn read_grant(path: &std::path::Path, receipt: &Receipt, args: &Args) -> Result<Grant, Fault> {
    let bytes = files::read(path)?;
    // Whether its key has expired since the visit says nothing about the visit.
    let grant = args.trust.keyring("grant")?.grant(bytes.trim_ascii(), &receipt.device, parloir_seal::Clock::Untrusted)?;
    let named = receipt.grant == Some(grant.grant) || receipt.regrants.contains(&grant.grant);
    if named && receipt.call == grant.call {
        Ok(grant)
    } else {
        Err(Fault::new("grant", "the receipt is about another grant", "give the grants of this visit", "NotForThisCall"))
    }
}

/// The visitor's statements, in the order of the grants that the receipt names, each by a key of its own grant.
fn visitor(receipt: &Receipt, grants: &[Grant]) -> Result<Vec<Statement>, Fault> {
    let named: Vec<_> = receipt.grant.iter().chain(&receipt.regrants).collect();
    let found: Option<Vec<&Grant>> = named.iter().map(|id| grants.iter().find(|g| g.grant == **id)).collect();
    let Some((last, before)) = found.as_deref().and_then(<[_]>::split_last) else {
        let next = "give --grant for each grant that the receipt names";
        return Err(Fault::new("grant", "one that the receipt names is missing", next, "UnknownKey"));
    };
    let mut said = Vec::new();
    let mut earlier = before.iter();
    for compact in &receipt.earlier_statements {
        // A grant under which none came has none here.
        let mut refused = None;
        let one = earlier.find_map(|grant| by_a_party(compact, grant, receipt).map_err(|e| refused = Some(e)).ok());
        said.push(one.ok_or_else(|| refused.unwrap_or_else(stray))?);
    }
    if let Some(compact) = &receipt.visitor_statement {
        said.push(by_a_party(compact, last, receipt)?);
    }
    Ok(said)
}

fn stray() -> Fault {
    Fault::new(
        "receipt",
        "more earlier statements than earlier grants",
        "ask the box for the receipt again",
        "ReceiptDoesNotHold",
    )
}

/// A statement by the key of one of the grant's parties.
fn by_a_party(compact: &str, grant: &Grant, receipt: &Receipt) -> Result<Statement, Fault> {
    let mut refused = None;
    for party in &grant.parties {
        match jws::statement(compact.as_bytes(), &party.statement_key, &receipt.call) {
            Ok(statement) => return Ok(statement),
            Err(cause) => refused = Some(cause),
        }
    }
    Err(refused.map_or_else(stray, Fault::from))
}
