//! Owns: the checks, by name, and what each of them needs.
//! Never: a check that no test has seen fail (tests/layer/tests plant a fault for each).
//! Called by: `parloir-layer static`.

mod crates;
mod disk;
mod install;
mod kas;
mod kernel;
mod lint;
mod media;
mod product;
mod recipes;
mod release;
mod units;
mod users;

use std::path::Path;

pub use crates::{FILE as CRATES, list as crates_list};

use crate::manifest::Manifest;
use crate::tools::Tools;
use crate::tree::Tree;
use crate::{Fault, facts};

/// What the checks look at.
pub struct Context<'a> {
    /// The files.
    pub tree: &'a Tree,
    /// The same on disk, for programs of others; theirs to write in.
    pub dir: &'a Path,
    /// Those programs; nothing for the checks that do without.
    pub tools: Option<&'a Tools>,
    /// What the recipes install.
    pub manifest: &'a Manifest,
}

/// One check.
pub struct Check {
    /// Its name, which its faults carry.
    pub name: &'static str,
    /// What is true when it finds nothing.
    pub what: &'static str,
    /// Whether it starts programs of others.
    pub heavy: bool,
    /// Looks.
    pub run: fn(&Context<'_>) -> Vec<Fault>,
}

/// All of them, the quick ones first.
pub const ALL: &[Check] = &[
    Check { name: "crates", what: "the list of crates is that of Cargo.lock", heavy: false, run: crates::check },
    Check { name: "release", what: "Rust, GStreamer and the layer's series fit the release", heavy: false, run: release::check },
    Check {
        name: "recipes",
        what: "sources, licences, overrides and features of every recipe",
        heavy: false,
        run: recipes::check,
    },
    Check {
        name: "install",
        what: "do_install runs, and every file has a package that the image takes",
        heavy: false,
        run: install::check,
    },
    Check { name: "users", what: "every user and group has its fixed number, once", heavy: false, run: users::check },
    Check {
        name: "media",
        what: "every GStreamer plugin of the pipeline is switched on and in the image",
        heavy: false,
        run: media::check,
    },
    Check { name: "disk", what: "partitions are the same for disk, update and boot", heavy: false, run: disk::check },
    Check {
        name: "product",
        what: "no debug feature, key or radio in the product, and nothing of parloir-dev",
        heavy: false,
        run: product::check,
    },
    Check {
        name: "kernel",
        what: "every fragment has one purpose, is used, and contradicts no other",
        heavy: false,
        run: kernel::check,
    },
    Check {
        name: "facts",
        what: "systemd/facts.toml holds in what the recipes install",
        heavy: false,
        run: |with| facts::of_the_layer(with.tree, with.manifest),
    },
    Check { name: "lint", what: "oelint-adv has nothing to say", heavy: true, run: lint::check },
    Check { name: "kas", what: "every kas file is of kas' schema and pins every commit", heavy: true, run: kas::check },
    Check { name: "kconfig", what: "a kernel honours every line of the fragments", heavy: true, run: kernel::honoured },
    Check {
        name: "units",
        what: "systemd understands every unit, and none is open without a reason",
        heavy: true,
        run: units::check,
    },
];
