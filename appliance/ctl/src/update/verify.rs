//! Owns: `parloirctl update verify`.
//! Never: says that a bundle is good because its name is.
//! Called by: update.

use std::path::PathBuf;

use super::rauc::{Recipient, Tools};
use super::{check, say};
use crate::Fault;

/// Judge a bundle as a box would: form, signature, board, version, then every block.
///
/// The codes of a refusal are those that a box reports for the same bundle.
#[derive(clap::Args)]
pub struct Args {
    /// The bundle.
    file: PathBuf,
    /// The keyring of the boxes (PEM certificates).
    #[arg(long, value_name = "FILE")]
    keyring: PathBuf,
    /// Board of the boxes, such as parloir-qemu.
    #[arg(long, value_name = "NAME")]
    compatible: Option<String>,
    /// Version that the boxes run: a lower one is refused.
    #[arg(long, value_name = "VERSION")]
    floor: Option<String>,
    #[command(flatten)]
    recipient: Recipient,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    tools: Tools,
}

/// Judges it.
pub fn run(args: &Args) -> Result<(), Fault> {
    let floor = args.floor.as_ref().map(|text| check::version("--floor", text)).transpose()?;
    let (container, bundle) = check::signed(&args.file, &args.tools, &args.keyring, &args.recipient)?;
    check::fits(&args.file, &bundle, &check::Box_ { compatible: args.compatible.as_deref(), floor: floor.as_ref() })?;
    check::whole(&args.file, &container, &bundle)?;
    let sha256 = check::sha256(&args.file, &container, &bundle)?;
    say::bundle(&args.file, &bundle, Some(&sha256), args.json);
    Ok(())
}
