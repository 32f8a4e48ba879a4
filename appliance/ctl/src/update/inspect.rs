//! Owns: `parloirctl update inspect`.
//! Never: calls a bundle verified.
//! Called by: update.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::json;

use super::rauc::Recipient;
use super::{check, say};
use crate::Fault;

/// Print what a bundle says of itself, without believing it.
///
/// With --against, how much of each image a box that runs the other bundle lacks: what an adaptive download would fetch, by blocks of 4 KiB.
#[derive(clap::Args)]
pub struct Args {
    /// The bundle.
    file: PathBuf,
    /// Bundle of the release that boxes run.
    #[arg(long, value_name = "FILE")]
    against: Option<PathBuf>,
    #[command(flatten)]
    recipient: Recipient,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Prints it.
pub fn run(args: &Args) -> Result<(), Fault> {
    let (_, bundle) = check::read(&args.file, &args.recipient)?;
    let Some(old) = &args.against else {
        say::bundle(&args.file, &bundle, None, args.json);
        return Ok(());
    };
    let (_, before) = check::read(old, &args.recipient)?;
    let mut rows = Vec::new();
    for image in &bundle.manifest.images {
        let new = index(&args.file, &image.file)?;
        let had = before.manifest.images.iter().find(|i| i.class == image.class);
        let had: HashSet<[u8; 32]> = had.map(|i| index(old, &i.file)).transpose()?.unwrap_or_default().into_iter().collect();
        let lacking: HashSet<&[u8; 32]> = new.iter().filter(|hash| !had.contains(*hash)).collect();
        rows.push((image.class.as_str(), new.len(), lacking.len()));
    }
    if args.json {
        let images: Vec<_> =
            rows.iter().map(|(class, all, new)| json!({ "class": class, "blocks": all, "new_blocks": new })).collect();
        println!("{:#}", json!({ "file": args.file, "against": old, "images": images }));
        return Ok(());
    }
    for (class, all, new) in rows {
        println!("{class:<8} {new} of {all} blocks are new: {} %", (new * 1000).div_ceil(all.max(1)) as f64 / 10.0);
    }
    Ok(())
}

/// The hashes of an image's blocks, which RAUC put beside it.
fn index(bundle: &Path, image: &str) -> Result<Vec<[u8; 32]>, Fault> {
    let name = format!("{image}.block-hash-index");
    let mut command = Command::new("unsquashfs");
    command.args(["-no-progress", "-cat"]).arg(bundle).arg(&name).stdin(Stdio::null());
    let next = "install squashfs-tools; an encrypted bundle cannot be compared";
    let failed = |why: String| Fault::new(format!("{}: {name}", bundle.display()), why, next, "NoIndex");
    let done = command.output().map_err(|e| failed(e.to_string()))?;
    if !done.status.success() || done.stdout.is_empty() || done.stdout.len() % 32 != 0 {
        return Err(failed("it cannot be read".to_owned()));
    }
    Ok(done.stdout.chunks_exact(32).map(|hash| hash.try_into().unwrap_or([0; 32])).collect())
}
