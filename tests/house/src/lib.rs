//! Owns: what the tests over the tree share: its root, its files, Cargo's own description of it, the built binaries.
//! Never: changes anything.
//! Called by: tests/house/tests.

pub mod units;
mod users;

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// Root of the source tree.
#[must_use]
pub fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).map(Path::to_path_buf).unwrap_or_default()
}

/// Every file of the tree that is or will be in version control, relative to the root.
///
/// # Panics
/// git is not here or this is no clone.
#[must_use]
pub fn files() -> Vec<PathBuf> {
    let listed = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard"])
        .current_dir(root())
        .output()
        .expect("git lists the tree");
    assert!(listed.status.success(), "git ls-files: {}", String::from_utf8_lossy(&listed.stderr));
    let text = String::from_utf8_lossy(&listed.stdout).into_owned();
    text.lines().map(PathBuf::from).filter(|path| root().join(path).is_file()).collect()
}

/// Those files with that ending.
#[must_use]
pub fn files_ending(ending: &str) -> Vec<PathBuf> {
    files().into_iter().filter(|path| path.extension().is_some_and(|e| e == ending)).collect()
}

/// A file of the tree as text; nothing for one that is not text.
#[must_use]
pub fn text(path: &Path) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_default()
}

/// `cargo metadata` of the workspace.
///
/// # Panics
/// Cargo cannot resolve it as locked.
#[must_use]
pub fn metadata() -> Value {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let told = Command::new(cargo)
        .args(["metadata", "--format-version", "1", "--locked"])
        .current_dir(root())
        .output()
        .expect("cargo metadata runs");
    assert!(told.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&told.stderr));
    serde_json::from_slice(&told.stdout).expect("cargo metadata is JSON")
}

/// A package of the metadata by name.
///
/// # Panics
/// There is none.
#[must_use]
pub fn package<'a>(metadata: &'a Value, name: &str) -> &'a Value {
    let all = metadata["packages"].as_array().expect("packages");
    all.iter().find(|p| p["name"] == name).unwrap_or_else(|| panic!("no package {name}"))
}

/// Names of what a package depends on directly, without what only its tests or build script need.
#[must_use]
pub fn direct(metadata: &Value, name: &str) -> Vec<String> {
    let dependencies = package(metadata, name)["dependencies"].as_array().cloned().unwrap_or_default();
    let own = dependencies.iter().filter(|d| d["kind"].is_null());
    own.filter_map(|d| d["name"].as_str().map(str::to_owned)).collect()
}

/// Names of the packages that depend directly on that one, as resolved, tests aside.
#[must_use]
pub fn dependents(metadata: &Value, name: &str) -> Vec<String> {
    let name_of = |id: &Value| metadata["packages"].as_array().into_iter().flatten().find(|p| p["id"] == *id);
    let mut found: Vec<String> = metadata["resolve"]["nodes"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|node| {
            node["deps"].as_array().into_iter().flatten().any(|d| {
                let shipped = d["dep_kinds"].as_array().into_iter().flatten().any(|kind| kind["kind"] != "dev");
                shipped && name_of(&d["pkg"]).is_some_and(|p| p["name"] == name)
            })
        })
        .filter_map(|node| name_of(&node["id"])?["name"].as_str().map(str::to_owned))
        .collect();
    found.sort();
    found.dedup();
    found
}

/// A built binary of this build's profile.
///
/// # Panics
/// It is not built; the message says how.
#[must_use]
pub fn binary(name: &str) -> PathBuf {
    let me = std::env::current_exe().expect("the test's own path");
    let path = me.ancestors().nth(2).unwrap_or(&me).join(name);
    assert!(path.exists(), "{} is not there: scripts/test build", path.display());
    path
}
