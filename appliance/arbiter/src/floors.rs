//! Owns: the second file beside the database: revision floors and hashes of denied targets, so that a database that is lost undoes neither.
//! Never: anything else; a write that could leave half a file.
//! Called by: disk.

use sha2::{Digest as _, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;

/// Name of the file in the state directory.
pub const FILE: &str = "floors";
/// Where it is written before it takes the place of the last.
const FRESH: &str = "floors.new";
/// First line.
const TITLE: &str = "parloir-floors 1";
/// Longest file that is read: room for more than 100,000 denied targets.
const MAX: u64 = 8 << 20;
/// Bytes of a SHA-256 value.
const HASH: usize = 32;

/// What must never be forgotten.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Floors {
    /// Highest revision seen, by kind of document.
    pub revisions: BTreeMap<String, u64>,
    /// Hashes of denied targets.
    pub denied: BTreeSet<[u8; HASH]>,
}

impl Floors {
    /// The file in `dir`; `None` when there is none.
    ///
    /// # Errors
    /// `InvalidData` when it is not as it was written, the kernel's own otherwise.
    pub fn read(dir: &Path) -> io::Result<Option<Self>> {
        let path = dir.join(FILE);
        let text = match fs::metadata(&path) {
            Ok(about) if about.len() > MAX => return Err(damaged()),
            Ok(_) => fs::read_to_string(&path)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        Self::parse(&text).map(Some).ok_or_else(damaged)
    }

    /// Writes the file whole: after a power cut there is the old one or the new one.
    ///
    /// # Errors
    /// The kernel's own; the old file stands then.
    pub fn write(&self, dir: &Path) -> io::Result<()> {
        let fresh = dir.join(FRESH);
        let mut file = File::create(&fresh)?;
        file.write_all(self.print().as_bytes())?;
        file.sync_all()?;
        fs::rename(&fresh, dir.join(FILE))?;
        File::open(dir)?.sync_all()
    }

    /// The higher floor of each kind, and every denied target of either.
    pub fn join(&mut self, other: Self) {
        for (kind, revision) in other.revisions {
            self.raise(&kind, revision);
        }
        self.denied.extend(other.denied);
    }

    /// Raises a floor; answers whether it was lower.
    pub fn raise(&mut self, kind: &str, revision: u64) -> bool {
        let floor = self.revisions.entry(kind.to_owned()).or_default();
        let higher = revision > *floor;
        *floor = revision.max(*floor);
        higher
    }

    /// The floor of a kind, 0 for none.
    #[must_use]
    pub fn floor(&self, kind: &str) -> u64 {
        self.revisions.get(kind).copied().unwrap_or(0)
    }

    // One line each, the hash of all before it last.
    fn print(&self) -> String {
        let mut text = format!("{TITLE}\n");
        for (kind, revision) in &self.revisions {
            text += &format!("floor {kind} {revision}\n");
        }
        for target in &self.denied {
            text += &format!("denied {}\n", hex(target));
        }
        let hash: [u8; HASH] = Sha256::digest(text.as_bytes()).into();
        text + &format!("sha256 {}\n", hex(&hash))
    }

    fn parse(text: &str) -> Option<Self> {
        let mut floors = Self::default();
        let end = text.rfind("sha256 ")?;
        for line in text[..end].strip_prefix(TITLE)?.strip_prefix('\n')?.lines() {
            match line.split(' ').collect::<Vec<_>>()[..] {
                ["floor", kind, revision] => floors.revisions.insert(kind.to_owned(), revision.parse().ok()?).map_or((), |_| ()),
                ["denied", target] => floors.denied.insert(unhex(target)?).then_some(())?,
                _ => return None,
            }
        }
        // One spelling, hash included: what would be printed is what stands there.
        (floors.print() == text).then_some(floors)
    }
}

fn damaged() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "floors: not as it was written")
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

fn unhex(text: &str) -> Option<[u8; HASH]> {
    let mut bytes = [0; HASH];
    if text.len() != 2 * HASH || !text.is_ascii() {
        return None;
    }
    for (n, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * n..2 * n + 2], 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::{FILE, Floors};
    use std::fs;

    fn some() -> Floors {
        let mut floors = Floors { denied: [[7; 32], [9; 32]].into(), ..Floors::default() };
        assert!(floors.raise("policy", 5) && !floors.raise("policy", 4) && floors.raise("authority", 2));
        floors
    }

    #[test]
    fn what_was_written_is_read_and_each_changed_or_missing_byte_is_found() {
        let dir = std::env::temp_dir().join(format!("parloir-floors-{}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        assert_eq!(Floors::read(&dir).unwrap(), None);
        some().write(&dir).unwrap();
        assert_eq!(Floors::read(&dir).unwrap(), Some(some()));
        let good = fs::read(dir.join(FILE)).unwrap();
        for at in 0..good.len() {
            for bytes in [[&good[..at], &[good[at] ^ 1], &good[at + 1..]].concat(), good[..at].to_vec()] {
                fs::write(dir.join(FILE), bytes).unwrap();
                assert!(Floors::read(&dir).is_err(), "byte {at}");
            }
        }
        fs::remove_dir_all(&dir).unwrap();
    }

    #[test]
    fn two_that_are_joined_keep_the_higher_floor_and_every_denial() {
        let mut floors = some();
        floors.join(Floors { revisions: [("policy".into(), 3), ("authority".into(), 9)].into(), denied: [[1; 32]].into() });
        assert_eq!((floors.floor("policy"), floors.floor("authority"), floors.floor("entitlement")), (5, 9, 0));
        assert_eq!(floors.denied.len(), 3);
    }
}
