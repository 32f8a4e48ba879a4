//! Owns: `parloirctl inspect` and `parloirctl verify`.
//! Never: prints a document that it could not verify.
//! Called by: main, receipt, sign.

use std::path::PathBuf;

use parloir_issuer::files;
use parloir_pass::{
    Agenda, Ask, Beat, Bytes32, Deny, Document, Entitlement, Export, Grant, Id, Receipt, Ring, Role, SignIn, SitePolicy,
    Statement, Time, Typ,
};
use parloir_seal::{Clock, Keyring, PublicKey, Roots, UnsealKey, jws, sealed};
use parloir_wire::{door_record, ticket};
use serde_json::{Value, json};

use crate::{Fault, init};

/// Verify a document and print what it says, as JSON.
///
/// Kinds are told apart by their form: Authority, compact JWS of every kind, door key record (256 bytes), door ticket (128 bytes).
/// A sealed body needs --unseal-key, --kind and --device.
#[derive(clap::Args)]
pub struct Args {
    /// The document.
    file: PathBuf,
    #[command(flatten)]
    trust: Trust,
    /// Public key of the box (ask.pub), for Ask, Receipt and Export.
    #[arg(long, value_name = "FILE")]
    box_key: Option<PathBuf>,
    /// Public key of a visitor as its grant names it, base64url, for a Statement.
    #[arg(long, value_name = "KEY")]
    statement_key: Option<Bytes32>,
    /// Secret X25519 key (unseal.key of the box, seal.key of the site) of a sealed body.
    #[arg(long, value_name = "FILE", requires = "kind", requires = "device")]
    unseal_key: Option<PathBuf>,
    /// Kind of the sealed body, such as grant.
    #[arg(long)]
    kind: Option<Typ>,
    /// Device of the sealed body, 32 hex digits.
    #[arg(long, value_name = "HEX")]
    device: Option<Id>,
}

/// Verify a document of any kind and say by whom it is signed, without printing it.
///
/// Takes what inspect takes; what it prints holds no person.
#[derive(clap::Args)]
pub struct VerifyArgs {
    #[command(flatten)]
    document: Args,
    /// As one JSON value.
    #[arg(long)]
    json: bool,
}

/// What to believe.
#[derive(clap::Args, Clone)]
pub struct Trust {
    /// Public root keys (roots.bin).
    #[arg(long, value_name = "FILE")]
    roots: Option<PathBuf>,
    /// The site's Authority, verified by --roots.
    #[arg(long, value_name = "FILE", requires = "roots")]
    authority: Option<PathBuf>,
    /// Instant at which dates of keys are judged, Unix seconds UTC [default: now]
    #[arg(long, value_name = "UNIX")]
    now: Option<i64>,
}

impl Trust {
    /// Whether an Authority was given.
    pub fn is_given(&self) -> bool {
        self.authority.is_some()
    }

    pub fn clock(&self) -> Clock {
        Clock::Unix(self.now.unwrap_or_else(init::clock))
    }

    fn roots(&self, thing: &str) -> Result<Roots, Fault> {
        let path = self.roots.as_ref().ok_or_else(|| Fault::needs(thing, "--roots"))?;
        Ok(Roots::parse(&files::read(path)?)?)
    }

    pub fn keyring(&self, thing: &str) -> Result<Keyring, Fault> {
        let path = self.authority.as_ref().ok_or_else(|| Fault::needs(thing, "--authority and --roots"))?;
        let (json, roots) = (files::read(path)?, self.roots(thing)?);
        let authority = roots.verify(&json)?;
        Ok(Keyring::open(&json, &roots, &authority.site, authority.revision)?)
    }
}

/// Verifies and prints.
pub fn run(args: &Args) -> Result<(), Fault> {
    println!("{:#}", opened(args)?);
    Ok(())
}

/// Verifies and says so.
pub fn say_verified(args: &VerifyArgs) -> Result<(), Fault> {
    let mut said = opened(&args.document)?;
    let kind = said["document"].as_str().unwrap_or_default().to_owned();
    if args.json {
        if let Some(members) = said.as_object_mut() {
            members.retain(|name, _| ["document", "signed_by", "role"].contains(&name.as_str()));
            members.insert("verified".to_owned(), true.into());
        }
        println!("{said:#}");
    } else {
        let by = |name: &str| said[name].as_str().map_or_else(String::new, |text| format!(", {name} {text}"));
        println!("verified: {kind}{}{}", by("role"), by("signed_by"));
    }
    Ok(())
}

/// Verifies what was just signed, as a box would.
pub fn verify_signed(bytes: &[u8], trust: &Trust) -> Result<(), Fault> {
    let trust = trust.clone();
    let file = PathBuf::new();
    verify(bytes, &Args { file, trust, box_key: None, statement_key: None, unseal_key: None, kind: None, device: None }).map(drop)
}

fn opened(args: &Args) -> Result<Value, Fault> {
    let mut bytes = files::read(&args.file)?;
    if let (Some(path), Some(kind), Some(device)) = (&args.unseal_key, args.kind, args.device) {
        let key = UnsealKey::new(&files::read_32(path)?)?;
        bytes = sealed::open(kind, &device, &key, &bytes)?;
    }
    verify(&bytes, args)
}

fn verify(bytes: &[u8], args: &Args) -> Result<Value, Fault> {
    if bytes.len() == door_record::SIZE && bytes.starts_with(door_record::MAGIC) {
        let record = args.trust.roots("door record")?.door_record(bytes)?;
        let (site, key) = (Id(record.site), Bytes32(record.door_key));
        return Ok(json!({ "document": "door-record", "site": site, "door_key": key, "revision": record.revision }));
    }
    if let Ok(ticket) = <[u8; ticket::SIZE]>::try_from(bytes) {
        return verify_ticket(ticket, &args.trust.keyring("ticket")?);
    }
    if bytes.first() == Some(&b'{') {
        return Ok(said(&args.trust.roots("authority")?.verify(bytes)?, None));
    }
    verify_compact(bytes.trim_ascii(), args)
}

fn verify_ticket(bytes: [u8; ticket::SIZE], keyring: &Keyring) -> Result<Value, Fault> {
    let ticket = parloir_pass::Ticket128(bytes);
    // A ticket does not name its class; any class that a door key may sign for is good enough to read it.
    let classes = keyring.authority().keys_of(Role::Door).flat_map(|k| k.classes.clone());
    let read = classes.map(|class| keyring.ticket(&ticket, class, Clock::Untrusted)).find(Result::is_ok);
    let t = read.unwrap_or_else(|| keyring.ticket(&ticket, parloir_pass::Class::Family, Clock::Untrusted))?;
    Ok(json!({
        "document": "ticket", "kind": format!("{:?}", t.kind).to_lowercase(), "media": t.media, "device": Id(t.device),
        "nonce": Id(t.nonce), "lease": Id(t.lease), "longest_run_s": t.longest_run_s,
    }))
}

fn verify_compact(bytes: &[u8], args: &Args) -> Result<Value, Fault> {
    let typ = jws::claim(bytes)?.typ;
    match typ {
        Typ::Policy => by_site::<SitePolicy>(bytes, args),
        Typ::Entitlement => by_site::<Entitlement>(bytes, args),
        Typ::Beat => by_site::<Beat>(bytes, args),
        Typ::Deny => by_site::<Deny>(bytes, args),
        Typ::Time => by_site::<Time>(bytes, args),
        Typ::Grant => {
            let keyring = args.trust.keyring(typ.name())?;
            let (grant, key) = keyring.verify::<Grant>(bytes, args.trust.clock())?;
            keyring.grant(bytes, &grant.device, args.trust.clock())?;
            Ok(said(&grant, Some(key.key)))
        }
        Typ::Ask => by_box::<Ask>(bytes, args),
        Typ::Receipt => by_box::<Receipt>(bytes, args),
        Typ::Statement => {
            let key = args.statement_key.ok_or_else(|| Fault::needs(typ, "--statement-key"))?;
            Ok(said(&jws::verify::<Statement>(bytes, &PublicKey::new(&key)?)?, Some(key)))
        }
        Typ::Authority => {
            Err(Fault::new(typ, "a compact JWS, but roots sign the general serialization", "use authority.json", "WrongTyp"))
        }
        Typ::Ring => by_site::<Ring>(bytes, args),
        Typ::Export => by_box::<Export>(bytes, args),
        Typ::Agenda => by_site::<Agenda>(bytes, args),
        Typ::SignIn => by_box::<SignIn>(bytes, args),
    }
}

fn by_site<D: Document>(bytes: &[u8], args: &Args) -> Result<Value, Fault> {
    let keyring = args.trust.keyring(D::TYP.name())?;
    let (document, key) = keyring.verify::<D>(bytes, args.trust.clock())?;
    Ok(said(&document, Some(key.key)))
}

fn by_box<D: Document>(bytes: &[u8], args: &Args) -> Result<Value, Fault> {
    let path = args.box_key.as_ref().ok_or_else(|| Fault::needs(D::TYP, "--box-key"))?;
    let key = files::read_public(path)?;
    Ok(said(&jws::verify::<D>(bytes, &PublicKey::new(&key)?)?, Some(key)))
}

fn said<D: Document>(document: &D, key: Option<Bytes32>) -> Value {
    json!({ "document": D::TYP.name(), "signed_by": key, "role": D::TYP.role(), "payload": document })
}
