//! Owns: why a bundle is not made or not believed, with the codes that the box reports for the same.
//! Never: a code of its own where the box has one.
//! Called by: every file of update.

use core::fmt;
use std::path::Path;

use crate::Fault;

/// A refusal, before it becomes a line.
pub type Refused = Fault;

/// A file that cannot be read or written.
pub fn file(path: &Path, cause: &std::io::Error) -> Refused {
    Fault::new(path.display(), cause, "look at the path and its permissions", "File")
}

/// A bundle that is not what was made.
pub fn damaged(path: &Path, cause: impl fmt::Display) -> Refused {
    let next = "copy it again from where it was made, and compare its SHA-256";
    Fault::new(path.display(), cause, next, "UpdateDamaged")
}

/// A bundle that no key signed which boxes trust.
pub fn signature(path: &Path, cause: impl fmt::Display) -> Refused {
    let next = "sign it with a key whose certificate comes from this keyring, or give the keyring that the boxes have";
    Fault::new(path.display(), cause, next, "UpdateSignature")
}

/// A bundle whose signature does not cover its hash tree.
pub fn plain(path: &Path) -> Refused {
    let cause = "format plain: a box would have to read all of it before it knows what it reads";
    Fault::new(path.display(), cause, "make it with parloirctl update bundle", "UpdatePlain")
}

/// A bundle for another board.
pub fn compatible(path: &Path, wanted: &str, found: &str) -> Refused {
    let cause = format!("it is for {found}, not for {wanted}");
    Fault::new(path.display(), cause, "offer each box the bundle of its own board", "UpdateCompatible")
}

/// A bundle that is older than what a box may run.
pub fn older(path: &Path, floor: &semver::Version, found: &semver::Version) -> Refused {
    let cause = format!("version {found} is below {floor}");
    Fault::new(path.display(), cause, "build it again with a higher version: a box never goes back", "UpdateOlder")
}

/// A version that RAUC cannot compare.
pub fn version(place: impl fmt::Display, found: &str, why: impl fmt::Display) -> Refused {
    let cause = format!("{found:?} is no version ({why})");
    Fault::new(place, cause, "give MAJOR.MINOR.PATCH, as semver.org has it", "UpdateVersion")
}
