//! Owns: the kernel's fragments: one purpose each, used, without contradiction, and honoured by a real Kconfig.
//! Never: the release's own kernel, which only a build has. What is asked is merged into the defaults of another long-term kernel, for each
//! architecture; what that one is too old for is named in tests/layer/newer.toml.
//! Called by: `scripts/layer static`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::Context;
use crate::bitbake::Recipe;
use crate::manifest::{defaults, local_file};
use crate::tree::Tree;
use crate::{Book, Fault};

/// Options that the kernel of the check does not have, with the version that brought them.
const NEWER: &str = "tests/layer/newer.toml";

/// Fragments of the layer for machines of its own.
fn fragments(tree: &Tree) -> Vec<&str> {
    tree.layer_files(".cfg").filter(|path| path.contains("/recipes-kernel/") && !path.contains("/dynamic-layers/")).collect()
}

/// An option and what is asked for it; `n` for "is not set".
fn asked(line: &str) -> Option<(&str, &str)> {
    if let Some(name) = line.strip_prefix("# CONFIG_").and_then(|rest| rest.strip_suffix(" is not set")) {
        return Some((name, "n"));
    }
    line.strip_prefix("CONFIG_")?.split_once('=')
}

pub(super) fn check(with: &Context<'_>) -> Vec<Fault> {
    let mut book = Book::new("kernel");
    let mut seen: BTreeMap<String, (String, String)> = BTreeMap::new();
    let all = fragments(with.tree);
    book.hold(!all.is_empty(), "yocto-layer/recipes-kernel", "no fragment is there", "write them");
    for file in all {
        let text = with.tree.text(file);
        let purpose = text.lines().next().is_some_and(|line| line.starts_with("# Purpose: "));
        book.hold(purpose, file, "its first line does not say what it is for", "write one purpose: `# Purpose: …`");
        let mut options = 0;
        for (number, line) in text.lines().enumerate() {
            let at = format!("{file}:{}", number + 1);
            let Some((name, value)) = asked(line) else {
                book.hold(
                    line.is_empty() || line.starts_with('#') && !line.contains("CONFIG_"),
                    at,
                    format!("`{line}` asks for nothing that Kconfig understands"),
                    "CONFIG_X=value, or `# CONFIG_X is not set`",
                );
                continue;
            };
            options += 1;
            if let Some((other, before)) = seen.insert(name.to_owned(), (file.to_owned(), value.to_owned())) {
                let why = if before == value { "is asked for twice" } else { "is asked for in two ways" };
                book.fault(at, format!("CONFIG_{name} {why}, here and in {other}"), "ask once");
            }
        }
        book.hold(options > 0, file, "it asks for nothing", "take it away");
    }
    book.faults
}

/// A kernel of ours: architecture, its default configuration, the append with its fragments, and the machines that it is for.
struct Kernel {
    arch: &'static str,
    defaults: &'static str,
    append: &'static str,
    machines: &'static [(&'static str, &'static str)],
}

const KERNELS: &[Kernel] = &[
    Kernel {
        arch: "x86_64",
        defaults: "x86_64_defconfig",
        append: "yocto-layer/recipes-kernel/linux/linux-yocto_%.bbappend",
        machines: &[("qemux86-64", "efi"), ("parloir-x86-64", "efi")],
    },
    Kernel {
        arch: "arm64",
        defaults: "defconfig",
        append: "yocto-layer/dynamic-layers/raspberrypi/recipes-kernel/linux/linux-raspberrypi_%.bbappend",
        machines: &[("raspberrypi4-64", "")],
    },
];

/// The fragments that a kernel gets on any of its machines.
fn given(tree: &Tree, kernel: &Kernel) -> BTreeSet<String> {
    let on = |(machine, features): &(&str, &str)| {
        let mut defaults = defaults(tree);
        defaults.insert("MACHINE_FEATURES".to_owned(), (*features).to_owned());
        let recipe = Recipe::read(tree, kernel.append, &["class-target", "parloir-box", machine], &defaults);
        let names: Vec<String> =
            recipe.words("SRC_URI").iter().filter_map(|uri| uri.strip_prefix("file://").map(str::to_owned)).collect();
        names.iter().filter_map(|name| local_file(tree, &recipe, name)).collect::<Vec<_>>()
    };
    kernel.machines.iter().flat_map(on).collect()
}

pub(super) fn honoured(with: &Context<'_>) -> Vec<Fault> {
    let mut book = Book::new("kconfig");
    let Some(tools) = with.tools else { return book.faults };
    let known = symbols(&tools.linux);
    let newer = newer(&mut book, with.tree);
    for name in newer.iter().filter(|name| known.contains(*name)) {
        book.fault(format!("{NEWER}: {name}"), "the kernel of this check has it", "take it out of the list");
    }
    for kernel in KERNELS {
        let fragments = given(with.tree, kernel);
        book.hold(!fragments.is_empty(), kernel.append, "it gives its kernel no fragment of ours", "require parloir-kernel.inc");
        let paths: Vec<PathBuf> = fragments.iter().map(|file| with.dir.join(file)).collect();
        let made = match tools.configure(with.dir, kernel.arch, kernel.defaults, &paths) {
            Ok(made) => made,
            Err(why) => {
                book.fault(kernel.append, why, "scripts/layer tools, then again");
                continue;
            }
        };
        let result: BTreeMap<&str, &str> = made.lines().filter_map(asked).collect();
        for file in &fragments {
            compare(&mut book, with.tree, file, kernel.arch, &result, &known, &newer);
        }
    }
    book.faults
}

/// Each line of a fragment against what became of it.
fn compare(
    book: &mut Book,
    tree: &Tree,
    file: &str,
    arch: &str,
    result: &BTreeMap<&str, &str>,
    known: &BTreeSet<String>,
    newer: &BTreeSet<String>,
) {
    for (number, line) in tree.text(file).lines().enumerate() {
        let Some((name, value)) = asked(line) else { continue };
        let at = format!("{file}:{}", number + 1);
        if !known.contains(name) {
            let next = format!("correct its name; if only a newer kernel has it, say so in {NEWER}");
            book.hold(
                newer.contains(name),
                at,
                format!("no kernel option is called CONFIG_{name}: the line changes nothing"),
                next,
            );
            continue;
        }
        let found = result.get(name).copied().unwrap_or("n");
        let why = format!(
            "CONFIG_{name}={value} is asked for and Kconfig made it {found} ({arch}): it depends on another option, or is selected by one"
        );
        book.hold(found == value, at, why, "ask for what it depends on, or do not ask");
    }
}

fn newer(book: &mut Book, tree: &Tree) -> BTreeSet<String> {
    match toml::from_str::<BTreeMap<String, String>>(tree.text(NEWER)) {
        Ok(list) => list.into_keys().collect(),
        Err(why) => {
            book.fault(NEWER, why.to_string(), "OPTION = \"version that brought it\"");
            BTreeSet::new()
        }
    }
}

/// Every option that a Kconfig file of the sources defines.
fn symbols(linux: &Path) -> BTreeSet<String> {
    let (mut found, mut next) = (BTreeSet::new(), vec![linux.to_path_buf()]);
    while let Some(dir) = next.pop() {
        for path in std::fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path()) {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if path.is_dir() {
                next.push(path);
            } else if name.starts_with("Kconfig") {
                let text = std::fs::read(&path).unwrap_or_default();
                let text = String::from_utf8_lossy(&text).into_owned();
                let defined = text.lines().filter_map(|line| {
                    line.trim_start().strip_prefix("config ").or_else(|| line.trim_start().strip_prefix("menuconfig "))
                });
                found.extend(defined.map(|name| name.trim().to_owned()));
            }
        }
    }
    found
}
