//! Owns: key files: 32 raw bytes, mode 0600, never overwritten.
//! Never: a key in text, or in a file that others can read.
//! Called by: provision, site.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use parloir_pass::{Bytes32, Id};

use crate::{Fault, Secret};

/// Writes a file that only its owner may read. Refuses to overwrite one.
///
/// # Errors
/// `File`.
pub fn write_secret(path: &Path, bytes: &[u8]) -> Result<(), Fault> {
    let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    made.and_then(|mut f| f.write_all(bytes))
        .map_err(|e| Fault::file(path, e, "give an empty directory: a key is never overwritten"))
}

/// Writes a file that everybody may read.
///
/// # Errors
/// `File`.
pub fn write(path: &Path, bytes: impl AsRef<[u8]>) -> Result<(), Fault> {
    fs::write(path, bytes).map_err(|e| Fault::file(path, e, "check the directory and its rights"))
}

/// Writes a plain document for people to read and edit.
///
/// # Errors
/// `File`.
pub fn write_json<D: parloir_pass::Document>(path: &Path, document: &D) -> Result<(), Fault> {
    let text =
        serde_json::to_string_pretty(document).map_err(|e| Fault::file(path, e, "report this as a fault of parloirctl"))?;
    write(path, text + "\n")
}

/// Reads a file.
///
/// # Errors
/// `File`.
pub fn read(path: &Path) -> Result<Vec<u8>, Fault> {
    fs::read(path).map_err(|e| Fault::file(path, e, "check the path, or run parloirctl init"))
}

/// Reads 32 bytes: a secret key or a public one.
///
/// # Errors
/// `File`.
pub fn read_32(path: &Path) -> Result<[u8; 32], Fault> {
    read(path)?.try_into().map_err(|_| Fault::file(path, "not 32 bytes", "run parloirctl init in an empty directory"))
}

/// Reads a signing key.
///
/// # Errors
/// `File`.
pub fn read_secret(path: &Path) -> Result<Secret, Fault> {
    read_32(path).map(|bytes| Secret::new(&bytes))
}

/// Reads a public key.
///
/// # Errors
/// `File`.
pub fn read_public(path: &Path) -> Result<Bytes32, Fault> {
    read_32(path).map(Bytes32)
}

/// Reads an id: 32 hex digits, a line end allowed.
///
/// # Errors
/// `File`.
pub fn read_id(path: &Path) -> Result<Id, Fault> {
    let text = String::from_utf8(read(path)?).unwrap_or_default();
    text.trim_end().parse().map_err(|e| Fault::file(path, e, "write 32 lower-case hex digits"))
}
