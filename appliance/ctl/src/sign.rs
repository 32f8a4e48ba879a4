//! Owns: `parloirctl sign`.
//! Never: a document of the box or of a visitor: those keys are not here; a key's bytes on a terminal.
//! Called by: main.

use std::path::{Path, PathBuf};

use parloir_issuer::{Secret, authority, files, sign};
use parloir_pass::{Agenda, Authority, Beat, Deny, Document, Entitlement, Grant, Ring, SitePolicy, Time, Typ};
use parloir_seal::jws;

use crate::{Fault, inspect, lint};

/// Sign a document that gives or takes authority, and print it.
///
/// FILE is the plain JSON (docs/schema). An Authority is signed by as many --key as the roots ask for and comes out as JSON, everything else
/// by one --key and comes out as a compact JWS. A policy that the linter refuses is not signed. With --roots and --authority the result is
/// verified as a box would: by the role of the key, its bounds and its date.
#[derive(clap::Args)]
pub struct Args {
    /// The document as plain JSON.
    file: PathBuf,
    /// What it is: authority, policy, entitlement, grant, time, ring, beat or deny.
    #[arg(long)]
    kind: Typ,
    /// Secret key (32 raw bytes, mode 0600); for an Authority one for each root that signs.
    #[arg(long, value_name = "FILE", required = true)]
    key: Vec<PathBuf>,
    /// Where to write it [default: standard output]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    trust: inspect::Trust,
}

/// Signs.
pub fn run(args: &Args) -> Result<(), Fault> {
    let json = files::read(&args.file)?;
    let keys: Vec<Secret> = args.key.iter().map(|path| secret(path)).collect::<Result<_, _>>()?;
    let signed = match args.kind {
        Typ::Authority => authority(&jws::payload::<Authority>(&json)?, &keys.iter().collect::<Vec<_>>())?,
        Typ::Policy => {
            lint::policy(&json, &args.file.display().to_string())?;
            one::<SitePolicy>(&json, &keys)?
        }
        Typ::Entitlement => one::<Entitlement>(&json, &keys)?,
        Typ::Grant => one::<Grant>(&json, &keys)?,
        Typ::Time => one::<Time>(&json, &keys)?,
        Typ::Ring => one::<Ring>(&json, &keys)?,
        Typ::Beat => one::<Beat>(&json, &keys)?,
        Typ::Deny => one::<Deny>(&json, &keys)?,
        Typ::Agenda => one::<Agenda>(&json, &keys)?,
        Typ::Ask | Typ::SignIn | Typ::Export | Typ::Receipt | Typ::Statement => {
            let cause = format!("signed by the role {}, whose keys are not here", args.kind.role());
            return Err(Fault::new(args.kind, cause, "sign one of the kinds of --help", "WrongRole"));
        }
    };
    if args.trust.is_given() {
        inspect::verify_signed(signed.as_bytes(), &args.trust)?;
    }
    match &args.out {
        Some(path) => Ok(files::write(path, signed + "\n")?),
        None => {
            println!("{signed}");
            Ok(())
        }
    }
}

fn secret(path: &Path) -> Result<Secret, Fault> {
    Ok(Secret::new(&files::read_32(path)?))
}

fn one<D: Document>(json: &[u8], keys: &[Secret]) -> Result<String, Fault> {
    match keys {
        [key] => Ok(sign(&jws::payload::<D>(json)?, key)?),
        _ => Err(Fault::new(D::TYP, "more than one key", "give one --key; only an Authority has more", "WrongRole")),
    }
}
