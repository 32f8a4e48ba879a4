//! Owns: what went wrong while issuing, as thing, place, cause, next step and stable code.
//! Never: a secret.
//! Called by: everything in this crate.

use core::fmt;
use std::path::{Path, PathBuf};

use parloir_seal::Refused;

/// A fault.
#[derive(Debug)]
pub enum Fault {
    /// A document broke a rule.
    Refused(Refused),
    /// A file could not be read or written.
    File {
        /** Path. */
        path: PathBuf,
        /** What the system said, or what was expected. */
        cause: String,
        /** What to do. */
        next: &'static str,
    },
    /// A certificate could not be made.
    Certificate(String),
    /// A policy that the linter refuses.
    Policy(String),
}

impl Fault {
    /// Of a file.
    pub fn file(path: &Path, cause: impl fmt::Display, next: &'static str) -> Self {
        Self::File { path: path.to_owned(), cause: cause.to_string(), next }
    }

    /// Stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Refused(refused) => refused.code.name(),
            Self::File { .. } => "File",
            Self::Certificate(_) => "Certificate",
            Self::Policy(_) => "PolicyRefused",
        }
    }
}

impl From<Refused> for Fault {
    fn from(refused: Refused) -> Self {
        Self::Refused(refused)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(refused) => refused.fmt(f),
            Self::File { path, cause, next } => write!(f, "file: {}: {cause}; {next} [org.parloir.Error.File]", path.display()),
            Self::Certificate(cause) => {
                write!(f, "certificate: {cause}; check the names and try again [org.parloir.Error.Certificate]")
            }
            Self::Policy(findings) => {
                write!(f, "policy: {findings}; correct it and run parloirctl lint-policy [org.parloir.Error.PolicyRefused]")
            }
        }
    }
}

impl core::error::Error for Fault {}
