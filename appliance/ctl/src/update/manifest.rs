//! Owns: RAUC's manifest, as it is written and read here.
//! Never: a key of it that a box of ours does not need.
//! Called by: bundle, check.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use serde::Serialize;

use super::refusal::{self, Refused};

/// What a bundle says about itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Manifest {
    /// Which boards it is for.
    pub compatible: String,
    pub version: String,
    pub description: Option<String>,
    /// `verity` or `crypt`.
    pub format: String,
    #[serde(skip)]
    pub tree: Tree,
    pub images: Vec<Image>,
}

/// The hash tree that follows the payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tree {
    pub root: [u8; 32],
    pub salt: [u8; 32],
    /// Bytes of the tree.
    pub size: u64,
}

/// One image, for the slots of one class.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Image {
    pub class: String,
    pub file: String,
    /// Bytes.
    pub size: u64,
    pub sha256: String,
    /// Boxes may fetch only the blocks that they do not have.
    pub adaptive: bool,
}

/// The text from which RAUC makes a bundle; sizes and digests it adds itself.
pub fn to_make(compatible: &str, version: &str, description: Option<&str>, format: &str, images: &[(&str, &str)]) -> String {
    let mut text = format!("[update]\ncompatible={compatible}\nversion={version}\n");
    if let Some(description) = description {
        let _ = writeln!(text, "description={description}");
    }
    let _ = write!(text, "\n[bundle]\nformat={format}\n");
    for (class, file) in images {
        let _ = write!(text, "\n[image.{class}]\nfilename={file}\nadaptive=block-hash-index\n");
    }
    text
}

/// Reads the manifest of a bundle.
pub fn read(path: &Path, text: &str) -> Result<Manifest, Refused> {
    let sections = sections(text);
    let missing = |what: &str| refusal::damaged(path, format_args!("its manifest has no {what}"));
    let get = |section: &str, key: &str| sections.get(section).and_then(|s| s.get(key)).map(|s| (*s).to_owned());
    let need = |section: &str, key: &str| get(section, key).ok_or_else(|| missing(key));
    let format = get("bundle", "format").unwrap_or_else(|| "plain".to_owned());
    if format == "plain" {
        return Err(refusal::plain(path));
    }
    let digest = |key: &str| unhex(&need("bundle", key)?).ok_or_else(|| missing(key));
    let number = |section: &str, key: &str| need(section, key)?.parse().map_err(|_| missing(key));
    let mut images = Vec::new();
    for section in sections.keys() {
        let Some(class) = section.strip_prefix("image.") else { continue };
        images.push(Image {
            class: class.to_owned(),
            file: need(section, "filename")?,
            size: number(section, "size")?,
            sha256: need(section, "sha256")?,
            adaptive: get(section, "adaptive").is_some_and(|a| a.split(';').any(|m| m == "block-hash-index")),
        });
    }
    Ok(Manifest {
        compatible: need("update", "compatible")?,
        version: need("update", "version")?,
        description: get("update", "description"),
        tree: Tree { root: digest("verity-hash")?, salt: digest("verity-salt")?, size: number("bundle", "verity-size")? },
        format,
        images,
    })
}

fn sections(text: &str) -> BTreeMap<&str, BTreeMap<&str, &str>> {
    let mut sections: BTreeMap<&str, BTreeMap<&str, &str>> = BTreeMap::new();
    let mut at = "";
    for line in text.lines().map(str::trim) {
        if let Some(name) = line.strip_prefix('[').and_then(|l| l.strip_suffix(']')) {
            at = name;
        } else if let Some((key, value)) = line.split_once('=') {
            sections.entry(at).or_default().insert(key.trim(), value.trim());
        }
    }
    sections
}

fn unhex(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    for (i, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * i..2 * i + 2], 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "[update]\ncompatible=board\nversion=1.2.3\n\n[bundle]\nformat=verity\n\
        verity-hash=979739067499a51bfe85a936f3b09b9b3a050f7b183d2cbe7f9fdaecb1724b56\n\
        verity-salt=cb7146c4d87ac77ea0f85fadcfd7df2a6a6308e30256888b9f8f79b5ea56daf2\nverity-size=45056\n\n\
        [image.efi]\nsha256=00\nsize=4096\nfilename=efi.img\n\n[image.rootfs]\nsha256=01\nsize=8192\nfilename=root.img\nadaptive=block-hash-index;\n";

    #[test]
    fn what_rauc_writes_is_read() {
        let manifest = read(Path::new("b"), TEXT).unwrap();
        assert_eq!((manifest.compatible.as_str(), manifest.version.as_str()), ("board", "1.2.3"));
        assert_eq!((manifest.tree.root[0], manifest.tree.salt[31], manifest.tree.size), (0x97, 0xf2, 45056));
        let images: Vec<_> = manifest.images.iter().map(|i| (i.class.as_str(), i.size, i.adaptive)).collect();
        assert_eq!(images, [("efi", 4096, false), ("rootfs", 8192, true)]);
    }

    #[test]
    fn each_line_that_is_taken_away_is_missed() {
        for key in ["compatible", "version", "verity-hash", "verity-salt", "verity-size", "size", "filename", "sha256"] {
            let without: Vec<&str> = TEXT.lines().filter(|line| !line.starts_with(&format!("{key}="))).collect();
            let refused = read(Path::new("b"), &without.join("\n")).unwrap_err().to_string();
            assert!(refused.contains(&format!("no {key}")) && refused.contains("UpdateDamaged"), "{refused}");
        }
        let plain = TEXT.replace("format=verity\n", "");
        assert!(read(Path::new("b"), &plain).unwrap_err().to_string().contains("UpdatePlain"));
    }

    #[test]
    fn what_is_written_for_rauc() {
        let text = to_make("board", "1.0.0", Some("words"), "verity", &[("efi", "efi.img")]);
        let want = "[update]\ncompatible=board\nversion=1.0.0\ndescription=words\n\n[bundle]\nformat=verity\n\n[image.efi]\nfilename=efi.img\nadaptive=block-hash-index\n";
        assert_eq!(text, want);
    }
}
