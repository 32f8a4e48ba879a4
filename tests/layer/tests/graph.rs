//! Owns: what `scripts/layer graph` says where it cannot look: no layers, or other ones than the kas files name.
//! Never: the look itself, which needs the public layers and some minutes; docs/layer-checks.md has the last one.
//! Called by: cargo test.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A directory of its own, gone with the test.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("parloir-graph-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).expect("a scratch directory");
        Self(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn graph(layers: &Path) -> Output {
    Command::new(parloir_house::root().join("scripts/layer")).arg("graph").arg(layers).output().expect("scripts/layer starts")
}

fn git(dir: &Path, arguments: &[&str]) {
    let mut command = Command::new("git");
    command.arg("-C").arg(dir).args(["-c", "user.name=test", "-c", "user.email=test@localhost"]).args(arguments);
    let told = command.output().expect("git starts");
    assert!(told.status.success(), "{}", String::from_utf8_lossy(&told.stderr));
}

#[test]
fn without_the_layers_it_says_skipped() {
    let nothing = Scratch::new("nothing");
    for dir in [nothing.0.clone(), nothing.0.join("not-there")] {
        let told = graph(&dir);
        let said = String::from_utf8_lossy(&told.stdout).into_owned();
        assert_eq!(told.status.code(), Some(77), "{said}{}", String::from_utf8_lossy(&told.stderr));
        assert!(said.starts_with("skipped: "), "{said}");
    }
}

#[test]
fn layers_at_other_commits_are_not_taken_for_the_pinned_ones() {
    let layers = Scratch::new("other");
    for name in ["bitbake", "openembedded-core", "meta-openembedded", "meta-rauc", "meta-raspberrypi"] {
        let dir = layers.0.join(name);
        std::fs::create_dir(&dir).expect("a directory");
        git(&dir, &["init", "-q"]);
        git(&dir, &["commit", "-q", "--allow-empty", "-m", "another"]);
    }
    let told = graph(&layers.0);
    let said = String::from_utf8_lossy(&told.stderr).into_owned();
    assert_eq!(told.status.code(), Some(1), "{said}");
    assert!(said.contains("check that one out"), "{said}");
}
