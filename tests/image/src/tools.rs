//! Owns: where the image build left what a machine is made of, and how its programs are run from here.
//! Never: builds an image.
//! Called by: machine, scene, inside.

use std::io;
use std::path::{Path, PathBuf};

/// The output of `scripts/image build`.
#[derive(Clone, Debug)]
pub struct Built {
    /// `image/` of the target directory.
    pub dir: PathBuf,
}

/// Which command line the box boots with; all else is the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Uki {
    /// The product's: nothing comes in by the firmware.
    Box,
    /// The test's: SMBIOS credentials count.
    Probe,
}

impl Uki {
    /// As `scripts/image disk --uki` takes it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Box => "box",
            Self::Probe => "probe",
        }
    }
}

impl Built {
    /// The one of this target directory.
    ///
    /// # Errors
    /// There is none: the message says how to make it.
    pub fn find() -> io::Result<Self> {
        let dir = target().join("image");
        for part in ["tools/usr/bin/qemu-system-x86_64", "out/root.img", "out/probe.efi"] {
            if !dir.join(part).exists() {
                return Err(io::Error::other(format!("{} is not there: scripts/image build", dir.join(part).display())));
            }
        }
        Ok(Self { dir })
    }

    /// A path in the tree of tools.
    #[must_use]
    pub fn tool(&self, path: &str) -> PathBuf {
        self.dir.join("tools").join(path)
    }

    /// Secrets of the root keys whose public halves are in the image. They are a developer's: no real site trusts them.
    #[must_use]
    pub fn roots(&self) -> PathBuf {
        self.dir.join("site/roots")
    }
}

/// Program and first arguments of a program of a tree of another Debian: its own loader and libraries.
#[must_use]
pub fn command(tree: &Path, program: &str) -> Vec<String> {
    let at = |path: &str| tree.join(path).display().to_string();
    let libraries = format!("{}:{}", at("usr/lib/x86_64-linux-gnu"), at("usr/lib"));
    vec![at("usr/lib64/ld-linux-x86-64.so.2"), "--library-path".to_owned(), libraries, at(program)]
}

/// The target directory, as the scripts have it.
#[must_use]
pub fn target() -> PathBuf {
    let set = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    set.unwrap_or_else(|| tree().join("target"))
}

/// Root of the source tree.
#[must_use]
pub fn tree() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap_or(Path::new("/")).to_path_buf()
}
