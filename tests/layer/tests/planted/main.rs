//! Each quick check is seen to fail: a fault is planted in a copy of the tree in memory, and the check names it. (Those that start
//! programs of others: whole_layer.rs.)

mod image;
mod settings;
mod sources;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use parloir_layer::Fault;
use parloir_layer::checks::{ALL, Context};
use parloir_layer::manifest::Manifest;
use parloir_layer::tree::Tree;

/// A fault that somebody could make.
pub struct Plant {
    /// The check that must see it.
    pub check: &'static str,
    /// What was done.
    pub what: &'static str,
    /// Does it.
    pub plant: fn(&mut Tree),
    /// Words of what the check says.
    pub words: &'static str,
}

/// The recipe of the workspace.
pub const RECIPE: &str = "yocto-layer/recipes-parloir/parloir/parloir_0.1.0.bb";
/// What both distros have in common.
pub const INC: &str = "yocto-layer/conf/distro/include/parloir.inc";

/// Checks that do not look at what is installed.
const READS_RECIPES_ALONE: &[&str] = &["crates", "release", "recipes", "disk", "product", "kernel"];

fn scratch(name: &str) -> PathBuf {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("layer-planted").join(name);
    let _ = std::fs::remove_dir_all(&dir);
    std::fs::create_dir_all(&dir).expect("a directory for the test");
    dir
}

/// What a check says of a tree.
fn faults(check: &str, tree: &Tree, dir: &Path, manifest: &Manifest) -> BTreeSet<Fault> {
    let check = ALL.iter().find(|one| one.name == check).expect("a check of that name");
    (check.run)(&Context { tree, dir, tools: None, manifest }).into_iter().collect()
}

/// Plants each fault by itself, and looks for a sentence that was not there before.
fn seen(plants: &[Plant], name: &str) {
    let whole = Tree::of_the_repository().expect("the tree");
    let dir = scratch(name);
    let sound = Manifest::of(&whole, &dir.join("sound")).expect("the recipes are installed");
    let mut unseen = Vec::new();
    for (number, one) in plants.iter().enumerate() {
        let before = faults(one.check, &whole, &dir, &sound);
        let mut tree = whole.clone();
        (one.plant)(&mut tree);
        let installed = || Manifest::of(&tree, &dir.join(number.to_string())).expect("the recipes are installed");
        let manifest = if READS_RECIPES_ALONE.contains(&one.check) { sound.clone() } else { installed() };
        let after = faults(one.check, &tree, &dir, &manifest);
        let _ = std::fs::remove_dir_all(dir.join(number.to_string()));
        let new: Vec<String> = after.difference(&before).map(ToString::to_string).collect();
        if !new.iter().any(|line| line.contains(one.words)) {
            unseen.push(format!("{}: {}: nobody says {:?}; new: {new:#?}", one.check, one.what, one.words));
        }
        // The name of the check as the code, then place, cause and next step.
        assert!(new.iter().all(|line| line.starts_with(&format!("{}: ", one.check)) && line.contains(". ")), "{new:#?}");
    }
    assert!(unseen.is_empty(), "{}", unseen.join("\n"));
    println!("{} planted faults, each seen", plants.len());
}

#[test]
fn every_quick_check_has_a_planted_fault() {
    let planted: BTreeSet<&str> = [sources::PLANTS, image::PLANTS, settings::PLANTS].concat_names();
    let quick: BTreeSet<&str> = ALL.iter().filter(|check| !check.heavy).map(|check| check.name).collect();
    assert_eq!(planted, quick);
}

trait Names {
    fn concat_names(&self) -> BTreeSet<&'static str>;
}

impl Names for [&[Plant]; 3] {
    fn concat_names(&self) -> BTreeSet<&'static str> {
        self.iter().flat_map(|plants| plants.iter().map(|one| one.check)).collect()
    }
}
