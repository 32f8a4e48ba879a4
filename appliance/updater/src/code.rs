//! Owns: the codes under which an update is refused or has failed, each with what an operator does about it.
//! Never: a code that changes its meaning.
//! Called by: every file here, parloirctl's documents, the journal's catalogue.

use std::fmt;

macro_rules! codes {
    ($($code:ident, $keeps:literal, $hint:literal;)+) => {
        /// Why an update did not come to be.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Code { $(#[doc = $hint] $code,)+ }
        impl Code {
            /// Every one.
            pub const ALL: &[Self] = &[$(Self::$code,)+];
            /// As in the journal, the feedback and the ledger.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$code => stringify!($code),)+ }
            }
            /// What it means, and what an operator does about it.
            #[must_use]
            pub const fn hint(self) -> &'static str {
                match self { $(Self::$code => $hint,)+ }
            }
            /// Whether the bundle is remembered: it would fail here again, and waits for an operator.
            #[must_use]
            pub const fn is_kept(self) -> bool {
                match self { $(Self::$code => $keeps,)+ }
            }
            /// The code of that name.
            #[must_use]
            pub fn from_name(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|code| code.name() == name)
            }
        }
    };
}

codes! {
    UpdateOffer, false, "The server's offer is not one bundle with size, version and SHA-256; upload it as one artifact and offer it again.";
    UpdateHash, false, "What the server delivers has another hash than it promised; upload the bundle again.";
    UpdateSize, false, "What the server delivers has another size than it promised; upload the bundle again.";
    UpdateNoRoom, false, "The box has no room for the bundle; look at the size of its data partition.";
    UpdateSignature, true, "The bundle is not signed by a key that this box believes; sign it with the site's update key.";
    UpdateCompatible, true, "The bundle is for another kind of board; offer the one for this board.";
    UpdateDamaged, true, "The bundle is cut short or changed, though its hash is what the server promised; build it again.";
    UpdatePlain, true, "The bundle's format is plain, which a box does not take; build it as verity or crypt.";
    UpdateOlder, true, "The version is older than one that was kept on this box; offer a newer one.";
    UpdateVersion, true, "The bundle's version is no SemVer, differs from the offer's, or is the running one with other content; give it a version of its own.";
    UpdateInstall, true, "RAUC could not write the bundle into the other slot; its words stand beside this code. If it repeats on other boxes, build the bundle again; if not, replace the box.";
    UpdateInterrupted, true, "The power was cut in three installations of this bundle; look at the box's power, then offer it again as forced.";
    UpdateNotHealthy, true, "The new version lacked something that the old one had, and the box went back; what it lacked stands beside this code.";
    UpdateSilent, true, "The new version ended before it could say why, or the power was cut in its trial; the box runs the old version.";
    UpdateFailedBefore, false, "This bundle failed here before; if it shall be tried again, offer it as forced in a new action.";
}

/// A refusal: its code, and what exactly.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The code.
    pub code: Code,
    /// What it was.
    pub what: String,
}

impl Refused {
    /// `what` is for people; it is cut to a line.
    pub fn new(code: Code, what: impl AsRef<str>) -> Self {
        Self { code, what: line(what.as_ref()) }
    }
}

/// One line of printable text, 300 characters at most: it goes into JSON, a journal and a table.
#[must_use]
pub fn line(text: &str) -> String {
    text.split(|c: char| c.is_control()).filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ").chars().take(300).collect()
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} [org.parloir.Error.{}]", self.what, self.code.hint(), self.code.name())
    }
}

impl std::error::Error for Refused {}

/// What RAUC says of a bundle that it does not take, as a code.
#[must_use]
pub fn of_rauc(words: &str) -> Code {
    let lower = words.to_ascii_lowercase();
    let says = |any: &[&str]| any.iter().any(|part| lower.contains(part));
    // In this order: a truncated bundle's message speaks of its signature, and a plain one's of its format. A plain one is also the only
    // one that RAUC wants to take away from its owner, which its unit has not the right to.
    if says(&["exceeds bundle size", "invalid bundle format", "invalid bundle signature size", "not a valid", "identifier"]) {
        Code::UpdateDamaged
    } else if says(&["compatible mismatch"]) {
        Code::UpdateCompatible
    } else if says(&["'plain'", "format not allowed", "plain bundle", "ownership of bundle"]) {
        Code::UpdatePlain
    } else if says(&["version mismatch"]) {
        Code::UpdateOlder
    } else if says(&["signature", "certificate", "signer", "verif"]) && !says(&["dm-verity", "verity hash"]) {
        Code::UpdateSignature
    } else if says(&["input/output error", "corrupt", "dm-verity", "verity", "checksum", "truncated"]) {
        Code::UpdateDamaged
    } else {
        Code::UpdateInstall
    }
}

#[cfg(test)]
mod tests {
    use super::{Code, Refused, line, of_rauc};

    #[test]
    fn a_refusal_says_what_why_what_next_and_its_code() {
        let said = Refused::new(Code::UpdateOlder, "1.0.0\nis older").to_string();
        assert!(said.starts_with("1.0.0 is older: ") && said.ends_with("[org.parloir.Error.UpdateOlder]"), "{said}");
        for code in Code::ALL {
            assert!(code.hint().ends_with('.') && code.name().starts_with("Update"));
            assert_eq!(Code::from_name(code.name()), Some(*code));
        }
        assert_eq!(line(&"é\u{7}".repeat(400)).chars().count(), 300);
    }

    #[test]
    fn what_rauc_says_is_told_apart() {
        for (words, code) in [
            ("signature verification failed: self-signed certificate", Code::UpdateSignature),
            ("signature verification failed: Verify error: unsuitable certificate purpose", Code::UpdateSignature),
            ("Compatible mismatch: Expected 'parloir-qemu' but bundle manifest has 'other'", Code::UpdateCompatible),
            ("Invalid bundle format: Signature size (7308321442046976109) exceeds bundle size", Code::UpdateDamaged),
            ("Bundle format 'plain' not allowed", Code::UpdatePlain),
            ("signature verification failed: failed to take ownership of bundle: Operation not permitted", Code::UpdatePlain),
            ("Installation error: Failed updating slot rootfs.1: failed to read: Input/output error", Code::UpdateDamaged),
            ("Version mismatch: Expected at least '1.2.3' but bundle manifest has '1.0.0'", Code::UpdateOlder),
            ("No space left on device", Code::UpdateInstall),
        ] {
            assert_eq!(of_rauc(words), code, "{words}");
        }
    }
}
