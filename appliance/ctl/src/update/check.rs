//! Owns: judging a bundle as a box would, in the box's order: form, signature, board, version, every block.
//! Never: prints anything but bars.
//! Called by: bundle, verify, inspect.

use std::os::unix::fs::FileExt as _;
use std::path::Path;

use semver::Version;
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::container::{self, Container, Message, Signer};
use super::manifest::{self, Manifest};
use super::rauc::{Recipient, Tools};
use super::refusal::{self, Refused};
use super::verity::{self, Broken};
use super::{hex, progress};

/// What a bundle is.
#[derive(Debug, Serialize)]
pub struct Bundle {
    #[serde(flatten)]
    pub manifest: Manifest,
    /// Bytes of the file.
    pub size: u64,
    pub signed_by: Option<Signer>,
}

/// A bundle whose form is read and whose signature is not verified.
pub fn read(path: &Path, recipient: &Recipient) -> Result<(Container, Bundle), Refused> {
    let container = Container::open(path)?;
    let mut message = container::message(path, &container.signature)?;
    let mut encrypted = false;
    if let Message::Enveloped = message {
        message = container::message(path, &recipient.open(path, &container.signature)?)?;
        encrypted = true;
    }
    let (text, signer) = match message {
        Message::Manifest { text, signer } => (text, signer),
        Message::Detached => return Err(refusal::plain(path)),
        Message::Enveloped => return Err(refusal::damaged(path, "an envelope within an envelope")),
    };
    let manifest = manifest::read(path, &text)?;
    if manifest.format != if encrypted { "crypt" } else { "verity" } {
        let cause =
            format_args!("format {} and its signature is {}encrypted", manifest.format, if encrypted { "" } else { "not " });
        return Err(refusal::damaged(path, cause));
    }
    let size = container.content + container.signature.len() as u64 + 8;
    Ok((container, Bundle { manifest, size, signed_by: signer }))
}

/// A bundle that a box with this keyring believes; of which nothing was read but the signature.
pub fn signed(path: &Path, tools: &Tools, keyring: &Path, recipient: &Recipient) -> Result<(Container, Bundle), Refused> {
    let read = read(path, recipient)?;
    tools.verify(path, keyring, recipient)?;
    Ok(read)
}

/// For which box the bundle is meant.
#[derive(Default)]
pub struct Box_<'a> {
    pub compatible: Option<&'a str>,
    /// Least version that it takes.
    pub floor: Option<&'a Version>,
}

/// The version of a bundle.
pub fn version(place: impl core::fmt::Display, text: &str) -> Result<Version, Refused> {
    match Version::parse(text) {
        // SemVer allows it; RAUC cuts at the last hyphen and then understands neither half.
        Ok(version) if version.pre.contains('-') => {
            Err(refusal::version(place, text, "RAUC reads no hyphen within a pre-release"))
        }
        other => other.map_err(|why| refusal::version(place, text, why)),
    }
}

/// Whether it is for this box.
pub fn fits(path: &Path, bundle: &Bundle, wanted: &Box_) -> Result<(), Refused> {
    if let Some(compatible) = wanted.compatible.filter(|c| *c != bundle.manifest.compatible) {
        return Err(refusal::compatible(path, compatible, &bundle.manifest.compatible));
    }
    let version = version(path.display(), &bundle.manifest.version)?;
    match wanted.floor {
        Some(floor) if version.cmp_precedence(floor).is_lt() => Err(refusal::older(path, floor, &version)),
        _ => Ok(()),
    }
}

/// Whether every block is what was signed.
pub fn whole(path: &Path, container: &Container, bundle: &Bundle) -> Result<(), Refused> {
    let tree = &bundle.manifest.tree;
    let bar = progress::bytes("checking every block", container.content.saturating_sub(tree.size));
    let checked = verity::check(&container.file, container.content, tree, |bytes| bar.inc(bytes));
    bar.finish_and_clear();
    checked.map_err(|broken| match broken {
        Broken::Io(e) => refusal::file(path, &e),
        Broken::Shape => refusal::damaged(path, "its length is not what was signed"),
        Broken::Tree(block) => refusal::damaged(path, format_args!("block {block} of its hash tree is not what was signed")),
        Broken::Data(block) => refusal::damaged(path, format_args!("block {block} is not what was signed")),
    })
}

/// SHA-256 of the file, hex: by this the update server names it.
pub fn sha256(path: &Path, container: &Container, bundle: &Bundle) -> Result<String, Refused> {
    let bar = progress::bytes("SHA-256", bundle.size);
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    let mut at = 0;
    while at < bundle.size {
        let count = container.file.read_at(&mut buffer, at).map_err(|e| refusal::file(path, &e))?;
        if count == 0 {
            break;
        }
        hash.update(&buffer[..count]);
        bar.inc(count as u64);
        at += count as u64;
    }
    bar.finish_and_clear();
    Ok(hex(&hash.finalize()))
}
