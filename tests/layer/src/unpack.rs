//! Owns: the proof that the list of crates is whole: every crate by its name and checksum, unpacked as BitBake's crate fetcher does it, and
//! Cargo resolves the whole workspace from that directory alone.
//! Never: a registry: Cargo is told that there is none.
//! Called by: `scripts/layer unpack`, which fetches first; tests/layer/tests/whole_layer.rs.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use sha2::{Digest, Sha256};

use crate::checks::CRATES;
use crate::tools::run;
use crate::tree::Tree;

/// One line of the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Crate {
    /// As Cargo.lock has it.
    pub name: String,
    /// As Cargo.lock has it.
    pub version: String,
    /// SHA-256, hex.
    pub sum: String,
}

/// The crates of the list that recipes use.
///
/// # Errors
/// A crate has no checksum.
pub fn listed(tree: &Tree) -> Result<Vec<Crate>, String> {
    let text = tree.text(CRATES);
    let crates =
        text.lines().filter_map(|line| line.trim().strip_prefix("crate://crates.io/")?.strip_suffix(" \\")?.split_once('/'));
    let one = |(name, version): (&str, &str)| {
        let flag = format!("SRC_URI[{name}-{version}.sha256sum] = \"");
        let sum = text.lines().find_map(|line| line.strip_prefix(&flag)?.strip_suffix('"'));
        let sum = sum.ok_or_else(|| format!("{CRATES}: {name} {version} has no checksum: BitBake would refuse it"))?;
        Ok(Crate { name: name.to_owned(), version: version.to_owned(), sum: sum.to_owned() })
    };
    crates.map(one).collect()
}

/// Finds every crate of the list among what Cargo has fetched below `cargo_home`, checks its sum, and unpacks it into `home/bitbake`, with
/// the settings that `cargo_common.bbclass` gives Cargo. How many there are.
///
/// # Errors
/// A crate is not there, is another, or cannot be unpacked.
pub fn unpack(crates: &[Crate], cargo_home: &Path, home: &Path) -> Result<usize, String> {
    let registries = caches(cargo_home).map_err(|why| format!("{}: {why}", cargo_home.display()))?;
    let vendored = home.join("bitbake");
    let _ = fs::remove_dir_all(&vendored);
    fs::create_dir_all(&vendored).map_err(|why| format!("{}: {why}", vendored.display()))?;
    for one in crates {
        let file = format!("{}-{}.crate", one.name, one.version);
        let found = registries.iter().map(|dir| dir.join(&file)).find(|path| path.exists());
        let path = found.ok_or_else(|| format!("{file} is not there: cargo fetch --locked"))?;
        let bytes = fs::read(&path).map_err(|why| format!("{}: {why}", path.display()))?;
        let sum: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        if sum != one.sum {
            return Err(format!("{file} has the checksum {sum}, the list says {}", one.sum));
        }
        let told = run(Command::new("tar").arg("-xzf").arg(&path).arg("-C").arg(&vendored))?;
        if !told.status.success() {
            return Err(format!("{file}: {}", String::from_utf8_lossy(&told.stderr)));
        }
        // No file is named: as BitBake writes it, Cargo checks the sum of the package alone.
        let seal = format!("{{\"files\":{{}},\"package\":\"{sum}\"}}");
        fs::write(vendored.join(format!("{}-{}/.cargo-checksum.json", one.name, one.version)), seal)
            .map_err(|why| format!("{file}: {why}"))?;
    }
    settings(home, &vendored).map_err(|why| format!("{}: {why}", home.display()))?;
    Ok(crates.len())
}

fn caches(cargo_home: &Path) -> io::Result<Vec<PathBuf>> {
    let dirs = fs::read_dir(cargo_home.join("registry/cache"))?;
    dirs.map(|entry| entry.map(|entry| entry.path())).collect()
}

/// As `cargo_common_do_configure` writes them, as far as they say where crates come from.
fn settings(home: &Path, vendored: &Path) -> io::Result<()> {
    let text = format!(
        "[source.bitbake]\ndirectory = \"{}\"\n\n[source.crates-io]\nreplace-with = \"bitbake\"\nlocal-registry = \"/nonexistent\"\n\n[net]\noffline = true\n",
        vendored.display()
    );
    fs::write(home.join("config.toml"), text)
}

/// Whether Cargo resolves the workspace at `root` from what was unpacked into `home` and nothing else; how many packages that are.
///
/// # Errors
/// It does not; in its words.
pub fn resolve(root: &Path, home: &Path) -> Result<usize, String> {
    let mut cargo = Command::new("cargo");
    // rustup looks for its toolchains beside Cargo's home, unless it is told where they are.
    let toolchains = std::env::var_os("RUSTUP_HOME")
        .map(PathBuf::from)
        .or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".rustup")));
    if let Some(toolchains) = toolchains.filter(|path| path.exists()) {
        cargo.env("RUSTUP_HOME", toolchains);
    }
    cargo.args(["metadata", "--frozen", "--format-version=1"]).current_dir(root).env("CARGO_HOME", home);
    let told = run(&mut cargo)?;
    if !told.status.success() {
        return Err(String::from_utf8_lossy(&told.stderr).trim().to_owned());
    }
    let all: serde_json::Value = serde_json::from_slice(&told.stdout).map_err(|why| format!("cargo metadata: {why}"))?;
    Ok(all["packages"].as_array().map_or(0, Vec::len))
}
