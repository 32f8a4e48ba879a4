//! Owns: what every recipe, append and file of the layer keeps to.
//! Never: style, which is oelint's.
//! Called by: `scripts/layer static`; `conf` by other checks.

use std::collections::{BTreeMap, BTreeSet};

use super::Context;
use crate::bitbake::Recipe;
use crate::manifest::{OVERRIDES, defaults, local_file};
use crate::tree::Tree;
use crate::{Book, Fault};

/// Licences that a recipe of ours may name.
const LICENCES: &[&str] = &["Apache-2.0", "MIT", "GPL-3.0-only", "LGPL-2.1-or-later", "LGPL-2.0-or-later", "MPL-2.0"];

/// Overrides that are set only where our distro or our machine is.
const OURS: &[&str] = &["parloir-box", "parloir-x86-64"];

/// A configuration file of the layer.
pub(super) fn conf(tree: &Tree, file: &str) -> Recipe {
    Recipe::read(tree, file, OVERRIDES, &BTreeMap::new())
}

/// A recipe or append of the layer, with the usual directories.
pub(super) fn recipe(tree: &Tree, file: &str) -> Recipe {
    Recipe::read(tree, file, OVERRIDES, &defaults(tree))
}

/// Files that take the place of those that another layer's recipe names.
const INSTEAD: &[&str] = &["yocto-layer/recipes-core/base-files/files/fstab"];

/// Recipes that take another layer's one in another version: what they may say is theirs.
fn borrowed(recipe: &Recipe) -> bool {
    recipe.requires.iter().any(|file| file.contains("recipes-multimedia/gstreamer/") || file.ends_with(".bb"))
}

pub(super) fn check(with: &Context<'_>) -> Vec<Fault> {
    let mut book = Book::new("recipes");
    let tree = with.tree;
    let all: Vec<&str> = tree.layer_files(".bb").chain(tree.layer_files(".bbappend")).collect();
    book.hold(
        all.iter().any(|file| file.ends_with("/parloir-image.bb")),
        "yocto-layer",
        "it has no parloir-image.bb",
        "write it",
    );
    let mut named: BTreeSet<String> = BTreeSet::new();
    for file in all {
        let recipe = recipe(tree, file);
        sources(&mut book, tree, file, &recipe, &mut named);
        if file.ends_with(".bbappend") {
            only_under_our_name(&mut book, file, &recipe);
        } else if !borrowed(&recipe) {
            own(&mut book, file, &recipe);
        }
    }
    unnamed(&mut book, tree, &named);
    book.faults
}

/// What `SRC_URI` names, on any of our machines.
fn uris(tree: &Tree, file: &str) -> BTreeSet<String> {
    let on = |machine: &&str| {
        let overrides: Vec<&str> = OVERRIDES.iter().copied().filter(|name| *name != "qemux86-64").chain([*machine]).collect();
        Recipe::read(tree, file, &overrides, &defaults(tree)).words("SRC_URI")
    };
    ["qemux86-64", "parloir-x86-64", "raspberrypi4-64"].iter().flat_map(on).collect()
}

fn sources(book: &mut Book, tree: &Tree, file: &str, recipe: &Recipe, named: &mut BTreeSet<String>) {
    for uri in uris(tree, file) {
        if let Some(name) = uri.strip_prefix("file://") {
            let name = name.split(';').next().unwrap_or(name);
            match local_file(tree, recipe, name) {
                Some(path) => {
                    named.extend(tree.below(&path).map(str::to_owned));
                }
                None => book.fault(
                    file,
                    format!("SRC_URI names {name}, which is in no place that it looks at"),
                    "add the file, or take the line out",
                ),
            }
        } else if uri.starts_with("http://") || uri.contains("protocol=http;") || uri.ends_with("protocol=http") {
            book.fault(file, format!("{uri} can be changed on its way"), "take it by https");
        }
    }
    let revisions =
        recipe.assignments.iter().filter(|a| a.parts().next().is_some_and(|name| name.starts_with("SRCREV")) && a.file == file);
    for revision in revisions {
        let value = recipe.expand(&revision.value);
        let whole = value.len() == 40 && value.chars().all(|c| c.is_ascii_hexdigit()) || value.starts_with("${PARLOIR_");
        book.hold(
            whole,
            format!("{file}:{}", revision.line),
            format!("{} is `{value}`: two builds could differ", revision.key),
            "name a commit by all 40 digits",
        );
    }
    for used in recipe.assignments.iter().filter(|a| a.value.contains("AUTOREV")) {
        book.fault(
            format!("{file}:{}", used.line),
            "AUTOREV asks the network at parse time, and takes what is there",
            "name a commit",
        );
    }
}

/// An append changes nothing for whoever does not build our distro: yocto-check-layer asks for it.
fn only_under_our_name(book: &mut Book, file: &str, recipe: &Recipe) {
    for assignment in &recipe.assignments {
        let ours = assignment.parts().any(|part| OURS.contains(&part));
        book.hold(
            ours,
            format!("{file}:{}", assignment.line),
            format!("{} changes this recipe for every distro", assignment.key),
            "give it the override parloir-box",
        );
    }
    for (name, _) in &recipe.functions {
        book.hold(
            name.split(':').any(|part| OURS.contains(&part)),
            file,
            format!("{name} changes this recipe for every distro"),
            "give it the override parloir-box",
        );
    }
    for class in &recipe.inherits {
        book.fault(file, format!("inherit {class} changes this recipe for every distro"), "do without");
    }
}

fn own(book: &mut Book, file: &str, recipe: &Recipe) {
    let licence = recipe.value("LICENSE").unwrap_or_default();
    let known = !licence.is_empty()
        && licence.split(['&', '|', '(', ')', ' ']).filter(|word| !word.is_empty()).all(|word| LICENCES.contains(&word));
    book.hold(
        known,
        format!("{file} LICENSE"),
        format!("`{licence}` is no licence of ours by its SPDX name"),
        "name it as SPDX does",
    );
    let native = recipe.inherits.iter().any(|class| class == "native");
    let features = recipe.words("REQUIRED_DISTRO_FEATURES");
    let checked =
        recipe.inherits.iter().any(|class| class == "features_check") && features.iter().any(|word| word.starts_with("parloir"));
    book.hold(
        native || checked,
        file,
        "another distro would try to build it",
        "inherit features_check and REQUIRED_DISTRO_FEATURES = \"parloir\"",
    );
}

/// Files that lie beside recipes and that none of them names: a fragment or a patch that nobody applies looks as if it were applied.
fn unnamed(book: &mut Book, tree: &Tree, named: &BTreeSet<String>) {
    let beside = |path: &&str| {
        path.contains("/recipes-")
            && !path.ends_with(".bb")
            && !path.ends_with(".bbappend")
            && !path.ends_with(".inc")
            && !path.ends_with(".md")
    };
    // A kernel's .scc names its fragments itself.
    let lists: String = tree.layer_files(".scc").map(|path| tree.text(path)).collect();
    for path in tree.below("yocto-layer/").filter(beside) {
        let name = path.rsplit('/').next().unwrap_or(path);
        let in_a_list = name.ends_with(".cfg") && lists.lines().any(|line| line.split_whitespace().any(|word| word == name));
        book.hold(
            named.contains(path) || in_a_list || INSTEAD.contains(&path),
            path,
            "no recipe names it, so it changes nothing",
            "name it in SRC_URI, or take it away",
        );
    }
}
