//! Owns: that what `do_install` makes reaches the image: every file has a package, every package that has a cell's files is taken.
//! Never: what other layers install.
//! Called by: `scripts/layer static`.

use std::collections::BTreeSet;

use parloir_bench::cells::Cells;

use super::Context;
use crate::manifest::{covers, packages};
use crate::{Book, Fault};

pub(super) fn check(with: &Context<'_>) -> Vec<Fault> {
    let mut book = Book::new("install");
    for (file, why) in &with.manifest.broken {
        book.fault(file, format!("its do_install fails: {why}"), "run it by hand: sh -eu");
    }
    for (path, one) in &with.manifest.files {
        match &one.package {
            None => book.fault(
                &one.recipe,
                format!("{path} is installed and no package takes it (installed-vs-shipped)"),
                "add it to FILES",
            ),
            Some(package) => {
                let left = !with.manifest.taken.contains(package) && !package.ends_with("-dev") && !package.ends_with("-src");
                book.hold(
                    !left,
                    &one.recipe,
                    format!("{path} is in {package}, which the image does not take"),
                    "name the package in the image's packages",
                );
            }
        }
    }
    for file in with.tree.layer_files(".bb").filter(|file| !file.contains("/dynamic-layers/")) {
        claims(&mut book, with, file);
    }
    apart(&mut book, with);
    book.faults
}

/// What FILES and SYSTEMD_SERVICE name is there.
fn claims(book: &mut Book, with: &Context<'_>, file: &str) {
    let recipe = super::recipes::recipe(with.tree, file);
    let installs = with.manifest.files.values().any(|one| one.recipe == file);
    if !installs {
        return;
    }
    for (package, _) in packages(with.tree, &recipe) {
        for unit in recipe.words(&format!("SYSTEMD_SERVICE:{package}")) {
            let path = format!("/usr/lib/systemd/system/{unit}");
            book.hold(
                with.manifest.files.contains_key(&path),
                format!("{file} SYSTEMD_SERVICE:{package}"),
                format!("{unit} is not installed"),
                "correct its name",
            );
        }
        for glob in recipe.words(&format!("FILES:{package}")) {
            let there = with.manifest.files.keys().chain(&with.manifest.dirs).any(|path| covers(&glob, path));
            book.hold(there, format!("{file} FILES:{package}"), format!("{glob} is not installed"), "correct it, or take it out");
        }
    }
}

/// Packages are one for each process: a program and its unit lie together, and no two programs do.
fn apart(book: &mut Book, with: &Context<'_>) {
    let Ok(cells) = Cells::parse(with.tree.text("systemd/cells.toml")) else { return };
    let mut seen = BTreeSet::new();
    for cell in cells.cell.iter().filter(|cell| !cell.binary.starts_with('/')) {
        let program = format!("/usr/libexec/parloir/{}", cell.binary);
        let Some(package) = with.manifest.files.get(&program).and_then(|one| one.package.clone()) else { continue };
        book.hold(
            seen.insert(package.clone()),
            &program,
            format!("{package} has another cell's program too"),
            "give each cell a package of its own",
        );
        for unit in with.manifest.files.keys().filter(|path| {
            path.contains(&format!("/system/parloir-{}.", cell.name))
                || path.contains(&format!("/system/parloir-{}@.", cell.name))
        }) {
            let there = with.manifest.files.get(unit).and_then(|one| one.package.clone());
            book.hold(
                there.as_ref() == Some(&package),
                unit,
                format!("it lies in {there:?}, its program in {package}"),
                "put them together",
            );
        }
    }
}
