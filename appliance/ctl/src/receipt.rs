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

/// Verify a receipt: the box's word, and with the grant the visitor's beside it.
///
/// FILE is the Receipt (compact JWS) or the parcel of both ({"receipt", "visitor"}) as it came out of the seal.
/// Prints what both sides say as JSON; "both_sides" is true when the visitor's statement holds too.
#[derive(clap::Args)]
pub struct Args {
    /// The receipt.
    file: PathBuf,
    /// Public key of the box (ask.pub).
    #[arg(long, value_name = "FILE")]
    box_key: PathBuf,
    /// The grant of the visit (compact JWS), which names the visitor's key; needs --authority and --roots.
    #[arg(long, value_name = "FILE", requires = "authority")]
    grant: Option<PathBuf>,
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
    let grant = args.grant.as_ref().map(|path| read_grant(path, &receipt, args)).transpose()?;
    let visitor = visitor(&receipt, grant.as_ref())?;
    rules::receipt_holds(&receipt, visitor.as_slice())
        .map_err(|b| Fault::new(format_args!("receipt: {}", b.field), b.rule, "ask the box and the visitor", b.code))?;
    let told: Value = json!({
        "verified": true, "both_sides": visitor.is_some(), "receipt": receipt, "visitor": visitor,
        "visitor_not_checked": receipt.visitor_statement.is_some() && grant.is_none(),
    });
    println!("{told:#}");
    Ok(())
}

fn read_grant(path: &std::path::Path, receipt: &Receipt, args: &Args) -> Result<Grant, Fault> {
    let bytes = files::read(path)?;
    // Whether its key has expired since the visit says nothing about the visit.
    let grant = args.trust.keyring("grant")?.grant(bytes.trim_ascii(), &receipt.device, parloir_seal::Clock::Untrusted)?;
    if receipt.grant == Some(grant.grant) && receipt.call == grant.call {
        Ok(grant)
    } else {
        Err(Fault::new("grant", "the receipt is about another grant", "give the grant of this visit", "NotForThisCall"))
    }
}

/// The visitor's statement by the key of one of the grant's parties; `None` without a grant or without a statement.
fn visitor(receipt: &Receipt, grant: Option<&Grant>) -> Result<Option<Statement>, Fault> {
    let (Some(grant), Some(compact)) = (grant, &receipt.visitor_statement) else { return Ok(None) };
    let tried = grant.parties.iter().map(|p| jws::statement(compact.as_bytes(), &p.statement_key, &receipt.call));
    let mut refused = None;
    for one in tried {
        match one {
            Ok(statement) => return Ok(Some(statement)),
            Err(cause) => refused = Some(cause),
        }
    }
    refused.map_or(Ok(None), |cause| Err(cause.into()))
}
