//! Owns: that disk, update and boot mean the same partitions: labels, pairs, sizes, RAUC's slots.
//! Never: a second list of labels: they are in systemd/facts.toml.
//! Called by: `scripts/layer static`.

use std::collections::{BTreeMap, BTreeSet};

use super::Context;
use crate::facts::Facts;
use crate::tree::Tree;
use crate::{Book, Fault};

const RAUC: &str = "systemd/rauc/system.conf";

pub(super) fn check(with: &Context<'_>) -> Vec<Fault> {
    let mut book = Book::new("disk");
    let wanted = match Facts::read(with.tree) {
        Ok(facts) => facts.disk.partitions,
        Err(why) => {
            book.fault("systemd/facts.toml", why, "correct it");
            return book.faults;
        }
    };
    let disks: Vec<&str> = with.tree.layer_files(".wks.in").chain(with.tree.layer_files(".wks")).collect();
    book.hold(!disks.is_empty(), "yocto-layer/files/wic", "no disk is described there", "write one");
    for file in disks {
        let parts = partitions(with.tree, file);
        let names: Vec<&String> = parts.iter().map(|(name, _)| name).collect();
        // A board whose firmware wants more, first, has it.
        let ours: Vec<&String> = names.iter().copied().filter(|name| wanted.contains(name)).collect();
        book.hold(
            ours == wanted.iter().collect::<Vec<_>>(),
            file,
            format!("its partitions are {names:?}; systemd/facts.toml has {wanted:?}"),
            "name them so, in that order",
        );
        for half in ["efi", "root"] {
            let size =
                |slot: &str| parts.iter().find(|(name, _)| *name == format!("{half}-{slot}")).map(|(_, size)| size.clone());
            let (a, b) = (size("a"), size("b"));
            book.hold(
                a == b && a.is_some_and(|size| size.is_some()),
                file,
                format!("{half}-a and {half}-b have not one fixed size"),
                "give both the same --fixed-size",
            );
        }
    }
    reference(&mut book, with.tree, &wanted);
    rauc(&mut book, with.tree, &wanted);
    book.faults
}

/// Labels and sizes of a wic file, in order.
fn partitions(tree: &Tree, file: &str) -> Vec<(String, Option<String>)> {
    let lines = tree.text(file).lines().filter(|line| line.starts_with("part "));
    let after = |line: &str, flag: &str| {
        let mut words = line.split_whitespace();
        words
            .find(|word| *word == flag || word.starts_with(&format!("{flag}=")))
            .and_then(|word| word.split_once('=').map(|(_, value)| value.to_owned()).or_else(|| words.next().map(str::to_owned)))
    };
    lines.filter_map(|line| Some((after(line, "--part-name")?, after(line, "--fixed-size")))).collect()
}

/// The reference image's disk: `NAME:$size:TYPE` in its recipe.
fn reference(book: &mut Book, tree: &Tree, wanted: &[String]) {
    let file = "tests/image/recipe/disk.sh";
    let line = tree.text(file).lines().find(|line| line.contains("for name in") && line.contains("_mib:"));
    let names: Vec<String> =
        line.into_iter().flat_map(str::split_whitespace).filter_map(|word| Some(word.split_once(":$")?.0.to_owned())).collect();
    book.hold(
        names == wanted,
        file,
        format!("the reference disk has {names:?}; systemd/facts.toml has {wanted:?}"),
        "make them equal",
    );
}

/// RAUC's slots: every device a partition of ours, `a` with `a`, and the settings without which it believes too much.
fn rauc(book: &mut Book, tree: &Tree, wanted: &[String]) {
    let sections = sections(tree.text(RAUC));
    let get = |section: &str, key: &str| sections.get(section).and_then(|s| s.get(key)).map_or("", String::as_str);
    for (section, key, value, why) in [
        ("system", "bootloader", "efi", "the firmware's own entries are what starts a slot"),
        ("system", "bundle-formats", "-plain", "the content of a plain bundle is not checked while it is read"),
        ("system", "min-bundle-version", "@VERSION@", "an older image, with its holes, could be put back"),
        ("keyring", "check-purpose", "codesign", "any certificate of that authority could sign"),
    ] {
        let found = get(section, key);
        book.hold(
            found == value,
            format!("{RAUC} [{section}] {key}"),
            format!("it is `{found}` and not `{value}`: {why}"),
            "set it",
        );
    }
    let slots: Vec<&String> = sections.keys().filter(|name| name.starts_with("slot.")).collect();
    let mut devices = BTreeSet::new();
    for slot in &slots {
        let device = get(slot, "device");
        let label = device.rsplit('/').next().unwrap_or_default();
        let at = format!("{RAUC} [{slot}]");
        book.hold(wanted.iter().any(|name| name == label), &at, format!("{device} is no partition of the disk"), "name one");
        book.hold(devices.insert(label.to_owned()), &at, format!("{label} is another slot's too"), "give it its own");
        let letter = if slot.ends_with(".0") { "a" } else { "b" };
        book.hold(
            label.ends_with(&format!("-{letter}")),
            &at,
            format!("slot {} has {label}: its other half is of the other slot", &slot[5..]),
            "pair them",
        );
        let (kind, number) = slot[5..].split_once('.').unwrap_or_default();
        book.hold(
            label.starts_with(if kind == "rootfs" { "root-" } else { "efi-" }),
            &at,
            format!("{label} does not hold a {kind}"),
            "name the right one",
        );
        if kind == "rootfs" {
            book.hold(
                get(slot, "parent") == format!("efi.{number}"),
                &at,
                format!("parent is `{}`", get(slot, "parent")),
                format!("parent=efi.{number}"),
            );
        } else {
            book.hold(
                get(slot, "bootname") == format!("system-{letter}"),
                &at,
                format!("bootname is `{}`", get(slot, "bootname")),
                format!("bootname=system-{letter}"),
            );
        }
    }
    book.hold(
        slots.len() == 4,
        RAUC,
        format!("{} slots and not two pairs", slots.len()),
        "write efi.0, rootfs.0, efi.1, rootfs.1",
    );
}

fn sections(text: &str) -> BTreeMap<String, BTreeMap<String, String>> {
    let mut all: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
    let mut name = String::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        if let Some(section) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            name = section.to_owned();
            all.entry(name.clone()).or_default();
        } else if let Some((key, value)) = line.split_once('=') {
            all.entry(name.clone()).or_default().insert(key.to_owned(), value.to_owned());
        }
    }
    all
}
