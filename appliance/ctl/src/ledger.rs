//! Owns: `parloirctl ledger`.
//! Never: says that a ledger holds of which it saw only a part, without saying which part.
//! Called by: main.

use std::path::{Path, PathBuf};

use parloir_issuer::files;
use parloir_pass::{Bytes32, Parcel, Receipt};
use parloir_seal::{PublicKey, jws};
use serde_json::json;

use crate::Fault;
use crate::export::Source;

#[derive(clap::Subcommand)]
pub enum Command {
    Export(ExportArgs),
    Verify(VerifyArgs),
}

/// Print the rows of the ledger in a diagnostics export, one JSON object on a line, with the number and the hash of each.
#[derive(clap::Args)]
pub struct ExportArgs {
    #[command(flatten)]
    source: Source,
}

/// Verify the chain of the ledger in a diagnostics export.
///
/// Each row's hash covers the row before it, and the head that the box signed is the last one's: a row that was changed, left out or put
/// between is found. Rows that are not in the export are not judged, and it says which. With receipts of the same box: the head of the
/// ledger that a receipt names is the hash of a row of here, or the ledger that made the receipt is not this one.
#[derive(clap::Args)]
pub struct VerifyArgs {
    #[command(flatten)]
    source: Source,
    /// Public key of the box (ask.pub), if receipts were signed by an earlier one [default: the export's]
    #[arg(long, value_name = "FILE")]
    receipt_key: Option<PathBuf>,
    /// A receipt (compact JWS) or its parcel, as it came out of the seal; may be repeated.
    #[arg(long, value_name = "FILE")]
    receipt: Vec<PathBuf>,
    /// As one JSON value.
    #[arg(long)]
    json: bool,
}

/// Does it.
pub fn run(command: &Command) -> Result<(), Fault> {
    match command {
        Command::Export(args) => export(args),
        Command::Verify(args) => verify(args),
    }
}

fn export(args: &ExportArgs) -> Result<(), Fault> {
    let ledger = args.source.read()?.ledger;
    for ((row, hash), seq) in ledger.rows.iter().zip(ledger.hashes()).zip(ledger.from..) {
        let told = json!({ "seq": seq, "boot": row.boot, "at_ns": row.at_ns, "wall_s": row.wall_s, "event": row.event,
            "call": row.call, "detail": row.detail, "hash": Bytes32(hash) });
        println!("{told}");
    }
    Ok(())
}

fn verify(args: &VerifyArgs) -> Result<(), Fault> {
    let whole = args.source.read()?;
    let ledger = &whole.ledger;
    let hashes = ledger.hashes();
    let last = ledger.from + ledger.rows.len() as u64 - 1;
    let broken =
        |cause: &str| Fault::new("ledger", cause, "give the export to an inspector, and ask for a fresh one", "LedgerBroken");
    let head = hashes.last().copied().unwrap_or(ledger.previous);
    for (rows, previous) in &ledger.marks {
        let computed = rows.checked_sub(1).and_then(|at| hashes.get(at)).unwrap_or(&ledger.previous);
        if computed != previous {
            return Err(broken(&format!("the chain breaks at row {} or before it", ledger.from + *rows as u64)));
        }
    }
    if last > ledger.head.0 || (last == ledger.head.0 && head != ledger.head.1) {
        return Err(broken("the head that the box signed is not the hash of its last row"));
    }
    for path in &args.receipt {
        let receipt = read_receipt(path, args)?;
        let known = receipt.ledger_head.0 == ledger.previous || hashes.contains(&receipt.ledger_head.0);
        if !known && ledger.from == 1 {
            let cause = format!("the receipt of call {} names a head that is no row of it", receipt.call);
            return Err(broken(&cause));
        }
        if !known {
            let next = "give an export from row 1 on";
            return Err(Fault::new(path.display(), "its head may lie before the export", next, "LedgerIncomplete"));
        }
    }
    let rest = ledger.head.0.saturating_sub(last);
    if args.json {
        let told = json!({ "holds": true, "from": ledger.from, "to": last, "head": Bytes32(head), "not_in_export_before": ledger.from - 1,
            "not_in_export_after": rest, "receipts": args.receipt.len() });
        println!("{told:#}");
    } else {
        println!("holds: rows {} to {last}, head {}", ledger.from, Bytes32(head));
        println!("not in this export: {} rows before, {rest} after", ledger.from - 1);
        println!("receipts whose head is a row of it: {}", args.receipt.len());
    }
    Ok(())
}

fn read_receipt(path: &Path, args: &VerifyArgs) -> Result<Receipt, Fault> {
    let bytes = files::read(path)?;
    let text = String::from_utf8_lossy(&bytes);
    let parcel = serde_json::from_str::<Parcel>(&text).ok();
    let compact = parcel.as_ref().map_or(text.trim(), |parcel| parcel.receipt.as_str());
    let key = args.receipt_key.as_ref().map_or_else(|| args.source.key(), |path| Ok(files::read_public(path)?))?;
    Ok(jws::verify(compact.as_bytes(), &PublicKey::new(&key)?)?)
}
