//! Owns: `parloirctl update bundle`.
//! Never: leaves a bundle that a box would refuse; writes over one.
//! Called by: update.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use super::rauc::{Order, Recipient, Scratch, Token, Tools, private};
use super::refusal::{self, Refused};
use super::{check, manifest, progress, say};
use crate::Fault;

/// Make a signed bundle from the images of a release.
///
/// Format verity: a box checks each block as it reads it. With --encrypt-to, format crypt: nobody but the holders of those keys can read it.
/// What was made is judged as a box would judge it before it gets its name; a file is never written over.
#[derive(clap::Args)]
pub struct Args {
    /// An image and the class of slots that it is for, such as efi=esp.img; may be repeated. Its size is a multiple of 4096 bytes.
    #[arg(long, value_name = "CLASS=FILE", required = true, value_parser = image)]
    image: Vec<(String, PathBuf)>,
    /// Board that it is for: the compatible of the boxes' RAUC, such as parloir-qemu.
    #[arg(long, value_name = "NAME")]
    compatible: String,
    /// MAJOR.MINOR.PATCH, as the images say it themselves; boxes never go back to a lower one.
    #[arg(long, value_name = "VERSION")]
    version: String,
    /// One line for the operator.
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    /// Certificate of the signing key: PEM file or PKCS#11 URI.
    #[arg(long, value_name = "FILE|URI")]
    cert: String,
    /// Signing key: PEM file (mode 0600) or PKCS#11 URI.
    #[arg(long, value_name = "FILE|URI")]
    key: String,
    /// Certificates between that one and the keyring; may be repeated.
    #[arg(long, value_name = "FILE")]
    intermediate: Vec<PathBuf>,
    #[command(flatten)]
    token: Token,
    /// The keyring of the boxes: what was made must hold against it.
    #[arg(long, value_name = "FILE")]
    keyring: PathBuf,
    /// Certificate of a key that may read it; may be repeated.
    #[arg(long, value_name = "FILE", requires = "recipient_key")]
    encrypt_to: Vec<PathBuf>,
    #[command(flatten)]
    recipient: Recipient,
    /// The bundle; it must not be there yet.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    tools: Tools,
}

fn image(text: &str) -> Result<(String, PathBuf), String> {
    let (class, file) = text.split_once('=').ok_or("CLASS=FILE is needed")?;
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if class.is_empty() || file.is_empty() || !class.chars().all(plain) {
        return Err("a class is lower-case letters, digits and hyphens".to_owned());
    }
    Ok((class.to_owned(), file.into()))
}

/// Makes it.
pub fn run(args: &Args) -> Result<(), Fault> {
    ready(args)?;
    let scratch = Scratch::beside(&args.out)?;
    let content = scratch.path("content");
    fs::create_dir(&content).map_err(|e| refusal::file(&content, &e))?;
    let mut images = Vec::new();
    for (class, from) in &args.image {
        let name = format!("{class}.img");
        take(from, &content.join(&name))?;
        images.push((class.as_str(), name));
    }
    let images: Vec<(&str, &str)> = images.iter().map(|(class, name)| (*class, name.as_str())).collect();
    let format = if args.encrypt_to.is_empty() { "verity" } else { "crypt" };
    let text = manifest::to_make(&args.compatible, &args.version, args.description.as_deref(), format, &images);
    scratch.write("content/manifest.raucm", text)?;
    let made = make(args, &scratch, &content)?;

    let (container, bundle) = check::signed(&made, &args.tools, &args.keyring, &args.recipient)?;
    check::fits(&made, &bundle, &check::Box_ { compatible: Some(&args.compatible), floor: None })?;
    check::whole(&made, &container, &bundle)?;
    let sha256 = check::sha256(&made, &container, &bundle)?;
    container.file.sync_all().map_err(|e| refusal::file(&made, &e))?;
    // A link, unlike a rename, takes nothing away that is there.
    fs::hard_link(&made, &args.out).map_err(|e| refusal::file(&args.out, &e))?;
    say::bundle(&args.out, &bundle, Some(&sha256), args.json);
    Ok(())
}

/// What can be refused before anything is done.
fn ready(args: &Args) -> Result<(), Refused> {
    check::version("--version", &args.version)?;
    for (option, text) in [("--compatible", Some(&args.compatible)), ("--description", args.description.as_ref())] {
        if text.is_some_and(|t| t.is_empty() || t.trim() != t || t.contains(char::is_control)) {
            return Err(Fault::new(option, "empty, with space around it, or more than a line", "give one line", "BadText"));
        }
    }
    if args.out.exists() {
        let next = "give another name: a bundle that was handed out is never changed";
        return Err(Fault::new(args.out.display(), "it is there already", next, "Exists"));
    }
    for uri in [&args.key, &args.cert].into_iter().filter(|key| key.starts_with("pkcs11:")) {
        // Not repeated: it is the secret.
        if uri.contains("pin-value=") {
            return Err(Fault::new("PKCS#11 URI", "a PIN on a command line is seen by others", "give --pin-file", "OpenKey"));
        }
    }
    if !args.key.starts_with("pkcs11:") {
        private(Path::new(&args.key))?;
    }
    for (class, path) in &args.image {
        let size = fs::metadata(path).map_err(|e| refusal::file(path, &e))?.len();
        if size == 0 || size % 4096 != 0 {
            let cause = format!("{size} bytes are no number of blocks of 4096");
            return Err(Fault::new(path.display(), cause, "pad the image when it is made", "BadImage"));
        }
        if args.image.iter().filter(|(other, _)| other == class).count() > 1 {
            return Err(Fault::new("--image", format!("{class} is there twice"), "give one image for each class", "BadImage"));
        }
    }
    Ok(())
}

/// The image under the name that it has in the bundle: a link, or a copy where there can be none.
fn take(from: &Path, to: &Path) -> Result<(), Refused> {
    let from = from.canonicalize().map_err(|e| refusal::file(from, &e))?;
    if fs::hard_link(&from, to).is_ok() {
        return Ok(());
    }
    let mut source = File::open(&from).map_err(|e| refusal::file(&from, &e))?;
    let mut target = File::create(to).map_err(|e| refusal::file(to, &e))?;
    let bar = progress::bytes("copying", source.metadata().map_or(0, |m| m.len()));
    let mut buffer = vec![0; 1 << 20];
    loop {
        let count = source.read(&mut buffer).map_err(|e| refusal::file(&from, &e))?;
        if count == 0 {
            break;
        }
        target.write_all(&buffer[..count]).map_err(|e| refusal::file(to, &e))?;
        bar.inc(count as u64);
    }
    bar.finish_and_clear();
    Ok(())
}

fn make(args: &Args, scratch: &Scratch, content: &Path) -> Result<PathBuf, Refused> {
    let made = scratch.path("signed.raucb");
    let order = Order {
        keyring: &args.keyring,
        certificate: &args.cert,
        key: &args.key,
        intermediate: &args.intermediate,
        token: &args.token,
        content,
        out: &made,
    };
    let bar = progress::waiting("packing and signing");
    let done = args.tools.bundle(&order, scratch);
    bar.finish_and_clear();
    done?;
    if args.encrypt_to.is_empty() {
        return Ok(made);
    }
    let encrypted = scratch.path("encrypted.raucb");
    let bar = progress::waiting("encrypting");
    let done = args.tools.encrypt(&made, &encrypted, &args.encrypt_to, &args.keyring, scratch);
    bar.finish_and_clear();
    done.map(|()| encrypted)
}
