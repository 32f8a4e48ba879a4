//! Owns: what any machine can say about the Yocto layer without BitBake: the checks, each of which a test has seen fail.
//! Never: builds anything, changes a file of the tree but the generated list of crates, takes a fault for a warning.
//! Called by: `scripts/layer`, and tests/layer/tests, which plant the faults.

pub mod bitbake;
pub mod checks;
pub mod facts;
pub mod manifest;
pub mod tools;
pub mod tree;
pub mod unpack;

use std::fmt;

/// What is wrong, where, why that matters, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fault {
    /// Stable name of the check that found it.
    pub code: &'static str,
    /// File, and what in it.
    pub at: String,
    /// What was found, and what follows from it.
    pub why: String,
    /// What to do next.
    pub next: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}. {}", self.code, self.at, self.why, self.next)
    }
}

/// Collects what one check finds.
#[derive(Debug)]
pub struct Book {
    code: &'static str,
    /// In the order in which they were found.
    pub faults: Vec<Fault>,
}

impl Book {
    /// An empty one.
    #[must_use]
    pub fn new(code: &'static str) -> Self {
        Self { code, faults: Vec::new() }
    }

    /// Writes a fault down.
    pub fn fault(&mut self, at: impl Into<String>, why: impl Into<String>, next: impl Into<String>) {
        self.faults.push(Fault { code: self.code, at: at.into(), why: why.into(), next: next.into() });
    }

    /// A fault unless `good`.
    pub fn hold(&mut self, good: bool, at: impl Into<String>, why: impl Into<String>, next: impl Into<String>) {
        if !good {
            self.fault(at, why, next);
        }
    }
}
